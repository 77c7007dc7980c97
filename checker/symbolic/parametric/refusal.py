"""What has no form for every size, and why."""

from __future__ import annotations

from luocheck.model.source import Span


class NoForm(Exception):
    """Something in a spec has no meaning that does not depend on the number of elements.

    reason: one sentence.  span: where it stands.
    """

    def __init__(self, reason: str, span: Span) -> None:
        super().__init__(reason)
        self.reason = reason
        self.span = span
