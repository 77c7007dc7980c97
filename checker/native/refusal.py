"""What the native engine does not do."""

from __future__ import annotations


class Refused(Exception):
    """The native engine cannot explore this scope; `reason` is for people.  The interpreter can."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
