"""Diagnostics: errors and warnings as values, with a stable code, a place and a way to mend them.

The texts of the codes (title and explanation) stand in `model.codes`; rendering with carets is done here, once, for all callers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import NoReturn

from luocheck.model.codes import CODES
from luocheck.model.source import Span


class Severity(Enum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding about a text: a code of `CODES`, a sentence, the place, further marked places, and help."""

    code: str
    message: str
    span: Span
    label: str = ""
    also: tuple[tuple[Span, str], ...] = ()
    help: str = ""
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        assert self.code in CODES, self.code

    def __str__(self) -> str:
        return f"{self.span}: {self.severity.value}[{self.code}]: {self.message}"


class SpecError(Exception):
    """A spec, scenario or other input text that cannot be used; carries every diagnostic of the run."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("\n".join(str(each) for each in self.diagnostics))


@dataclass(slots=True)
class Diagnostics:
    """Collects the diagnostics of one run; the same code at the same place is kept once.

    unsure: names that stand in declarations with a syntax error.  That nothing declares them may follow from that error, so it is not shown.
    """

    items: list[Diagnostic] = field(default_factory=list)
    unsure: set[str] = field(default_factory=set)
    _seen: set[tuple[str, Span]] = field(default_factory=set)

    def add(self, diagnostic: Diagnostic) -> None:
        if (diagnostic.code, diagnostic.span) not in self._seen:
            self._seen.add((diagnostic.code, diagnostic.span))
            self.items.append(diagnostic)

    def error(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        label: str = "",
        help: str = "",
        also: tuple[tuple[Span, str], ...] = (),
    ) -> None:
        self.add(Diagnostic(code, message, span, label, also, help))

    def warning(self, code: str, message: str, span: Span, *, label: str = "", help: str = "") -> None:
        self.add(Diagnostic(code, message, span, label, (), help, Severity.WARNING))

    @property
    def errors(self) -> list[Diagnostic]:
        return [each for each in self.items if each.severity is Severity.ERROR]

    @property
    def warnings(self) -> list[Diagnostic]:
        """In the order of the text."""
        return sorted((each for each in self.items if each.severity is Severity.WARNING), key=_order)

    def raise_errors(self) -> None:
        """Raise SpecError with everything collected when at least one of it is an error, except what only follows from other errors."""
        if self.errors:
            raise SpecError(sorted((each for each in self.items if not self._follows(each)), key=_order))

    def _follows(self, diagnostic: Diagnostic) -> bool:
        if diagnostic.code == "LUO304":  # what uses it may have an error
            return True
        return diagnostic.code in _ABOUT_NAMES and diagnostic.span.text in self.unsure


_ABOUT_NAMES = frozenset({"LUO200", "LUO207", "LUO208", "LUO217", "LUO230", "LUO400", "LUO600"})
"""Codes of errors that a missing declaration can cause."""


def fail(code: str, message: str, span: Span, *, label: str = "", help: str = "") -> NoReturn:
    """Raise a SpecError with a single diagnostic."""
    raise SpecError([Diagnostic(code, message, span, label, (), help)])


def _order(diagnostic: Diagnostic) -> tuple[str, int]:
    return diagnostic.span.source.name, diagnostic.span.start


def render(diagnostic: Diagnostic) -> str:
    """The diagnostic as text: header, place, the lines with carets under them, help.  No colour, ends without a newline."""
    span = diagnostic.span
    out = [f"{diagnostic.severity.value}[{diagnostic.code}]: {printable(diagnostic.message)}"]
    marks = [(span, diagnostic.label), *diagnostic.also]
    width = max(len(str(mark.line)) for mark, _ in marks)
    previous = None
    for mark, label in marks:
        if not mark.source.text and mark.start == 0:
            out.append(f"{' ' * width}--> {printable(mark.source.name)}")
            continue
        if mark.source is not previous:
            line, column = mark.source.place(mark.start)
            out.append(f"{' ' * width}--> {printable(mark.source.name)}:{line}:{column}")
            out.append(f"{' ' * width} |")
        previous = mark.source
        out.extend(marked_line(mark, label, width))
    if diagnostic.help:
        out.append(f"{' ' * width} = help: {printable(diagnostic.help)}")
    return "\n".join(out)


_WIDEST_LINE = 200


def marked_line(mark: Span, label: str, width: int) -> list[str]:
    """The line of a place after its number (`width` wide), and the carets and label under it."""
    line, column = mark.source.place(mark.start)
    text = mark.source.line(line)
    length = max(1, min(mark.end - mark.start, len(text) - column + 1))
    if len(text) > _WIDEST_LINE:  # a huge line is shown as a window around the place
        begin = max(0, column - 1 - _WIDEST_LINE // 2)
        text, column = text[begin : begin + _WIDEST_LINE], column - begin
        length = max(1, min(length, _WIDEST_LINE - column + 1))
    before = text[: column - 1]
    pad = "".join("\t" if c == "\t" else " " * len(printable(c)) for c in before)
    carets = "^" * max(1, len(printable(text[column - 1 : column - 1 + length])))
    shown = "".join("\t" if c == "\t" else printable(c) for c in text)
    return [f"{line:>{width}} | {shown}", f"{' ' * width} | {pad}{carets}{' ' + label if label else ''}"]


def printable(text: str) -> str:
    """`text` with control, bidi and other unprintable characters as `\\xNN` or `\\uNNNN`, so that input never drives the terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) for c in text)


def _escape(c: str) -> str:
    if c == " " or (c.isprintable() and unicodedata.category(c) not in ("Cf", "Zs")):
        return c
    code = ord(c)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8 (surrogateescape)
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A help sentence naming the known name nearest to `name`; empty when none is near."""
    import difflib

    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else ""
