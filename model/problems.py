"""Diagnostics as plain values: they can be sent to another process, where the text that they are about is not at hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from luocheck.model.diagnostics import Diagnostic, SpecError, render


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something cannot be done.  rendered: with its place in the text, for a terminal."""

    code: str
    message: str
    file: str
    line: int | None
    col: int | None
    help: str
    rendered: str = field(repr=False)


def problem_of(diagnostic: Diagnostic) -> Problem:
    """A diagnostic as a problem; line and column are None for what has no place in a text."""
    span = diagnostic.span
    placed = bool(span.source.text)
    line, col = (span.line, span.column) if placed else (None, None)
    return Problem(diagnostic.code, diagnostic.message, span.source.name, line, col, diagnostic.help, render(diagnostic))


def problems_of(error: SpecError) -> tuple[Problem, ...]:
    """The errors among what an exception carries."""
    return tuple(problem_of(each) for each in error.diagnostics if each.severity.value == "error")
