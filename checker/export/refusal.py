"""What has no translation."""

from __future__ import annotations

from typing import NoReturn

from luocheck.model.diagnostics import fail
from luocheck.model.source import Span


def refuse(what: str, span: Span, help: str = "") -> NoReturn:
    """Raises SpecError LUO520: this part of the spec cannot be said in Promela."""
    fail("LUO520", f"{what} has no translation to Promela", span, help=help)


def too_large(what: str, span: Span) -> NoReturn:
    """Raises SpecError LUO522: it could be said, but not in a text that SPIN would read."""
    fail("LUO522", f"{what}, too much for a Promela model", span, help="use a smaller scope, or one graph with --graph N")
