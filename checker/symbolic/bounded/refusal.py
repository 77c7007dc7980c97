"""What the bounded engine does not do."""

from __future__ import annotations

from luocheck.model.source import Span


class Refused(Exception):
    """The translation has no formula for this; `reason` is for people."""

    def __init__(self, reason: str, span: Span) -> None:
        super().__init__(reason)
        self.reason = reason
        self.span = span
