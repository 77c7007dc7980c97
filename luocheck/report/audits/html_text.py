"""Text of captures in HTML: first made printable, then escaped.  Nothing gets into a page on another way."""

from __future__ import annotations

from html import escape

from luocheck.model.diagnostics import printable


def text(shown: str) -> str:
    """Between tags.  Line ends stay, everything else that is not printable is shown as `\\xNN`."""
    return "\n".join(escape(printable(line), quote=False) for line in shown.split("\n"))


def attribute(shown: str) -> str:
    """Between the double quotes of an attribute."""
    return escape(printable(shown), quote=True)
