"""Lines from a tree of words, possible line breaks and groups; comments of the author are woven in.

The printer says where a line may be broken; this module decides where it is.  A group stands on one line when it fits, or all gaps that
are directly in it become line breaks.  Words know the comments that the author wrote at them: a comment at the end of a line ends that
line here too, a comment on a line of its own gets a line of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from luocheck.model.source import Source, Span

WIDTH = 110
INDENT = 4


@dataclass(slots=True, eq=False)
class Word:
    """A lexeme.  `added` marks one that the author may have left out."""

    text: str
    added: bool = False
    above: list[Comment] = field(default_factory=list)
    beside: str | None = None
    blank: bool = False  # the author left an empty line before the word itself


@dataclass(frozen=True, slots=True)
class Comment:
    text: str
    blank: bool  # an empty line stands before it
    place: Mark


class Where(Enum):
    """Which empty lines of the author are kept at a line break: none; between items; after `{`; before `}`."""

    INSIDE = 0
    BETWEEN = 1
    FIRST = 2
    LAST = 3


@dataclass(frozen=True, slots=True)
class Gap:
    """`flat` when its group stands on one line, else a line break."""

    flat: str = " "
    where: Where = Where.INSIDE


@dataclass(frozen=True, slots=True)
class Nest:
    """Lines that begin inside are indented once more."""

    inner: Doc


@dataclass(frozen=True, slots=True)
class Group:
    """`broken`: over several lines even if it would fit."""

    inner: Doc
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """What follows comes from this place in a source."""

    source: Source
    offset: int


Doc = str | Word | Gap | Nest | Group | Mark | Sequence["Doc"]
"""A str is words, with spaces between them where no line is broken."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the result; `origin` is the place that its first marked part comes from."""

    indent: int
    code: str
    comment: str | None
    origin: Mark | None

    @property
    def width(self) -> int:
        return self.indent + len(self.code)


# ---- one list of all parts --------------------------------------------------------------------------------------

_LEXEME = re.compile(r"//[^\n]*|\"[^\"\n]*\"|[A-Za-z0-9_]+|\S")
_LEXEME_OR_SPACE = re.compile(r"\s+|" + _LEXEME.pattern)


@dataclass(frozen=True, slots=True)
class _Begin:
    """Of a Nest (`broken` None) or a Group."""

    broken: bool | None


class _End:
    pass


Part = str | Word | Gap | Mark | _Begin | _End
"""A str is spaces."""


def parts_of(doc: Doc) -> list[Part]:
    """The doc as a list, strings cut into words of one lexeme."""
    out: list[Part] = []
    stack: list[Doc | _End] = [doc]
    while stack:
        item = stack.pop()
        match item:
            case str():
                out += [part if part.isspace() else Word(part) for part in _LEXEME_OR_SPACE.findall(item)]
            case Word() | Gap() | Mark() | _End():
                out.append(item)
            case Nest(inner):
                out.append(_Begin(None))
                stack += [_End(), inner]
            case Group(inner, broken):
                out.append(_Begin(broken))
                stack += [_End(), inner]
            case _:
                stack += reversed(item)
    return out


# ---- comments ---------------------------------------------------------------------------------------------------

_LEFT_OUT = frozenset(",;()")
"""Lexemes of the source that the canonical form may do without."""


def with_comments(parts: Sequence[Part], text: Span) -> list[Part] | None:
    """The parts with the comments and empty lines of the text that they were made from, also what stands after the last word.

    None when they do not have the words of the text.
    """
    last = Word("")
    made = [*parts, Gap("", Where.BETWEEN), last]
    return made if _attach([part for part in made if isinstance(part, Word)], text) else None


def _attach(words: Sequence[Word], text: Span) -> bool:
    """Gives each comment to the word after it, or to the one before it when it stands at the end of that one's line.

    False when the words are others than those of the text.
    """
    wanted = iter(words)
    word = next(wanted)
    previous: Word | None = None
    waiting: list[Comment] = []
    end = text.start
    for match in _LEXEME.finditer(text.source.text, text.start, text.end):
        found, between = match.group(), text.source.text[end : match.start()]
        end = match.end()
        blank = between.count("\n") > 1
        if found.startswith("//"):
            if previous is None or "\n" in between or waiting or previous.beside is not None:
                waiting.append(Comment(found.rstrip(), blank, Mark(text.source, match.start())))
            else:
                previous.beside = found.rstrip()
            continue
        while word.text != found and word.added:
            word = next(wanted)
        if word.text != found:
            if found not in _LEFT_OUT:
                return False
            continue
        word.above, word.blank, waiting = waiting, blank, []
        previous, word = word, next(wanted)
    words[-1].above = waiting
    return all(each.added for each in words[words.index(word) : -1])


# ---- layout -----------------------------------------------------------------------------------------------------


def lines_of(parts: Sequence[Part]) -> list[Line]:
    """The lines of a doc."""
    layout = _Layout(parts)
    layout.run()
    return layout.lines


def text_of(lines: Sequence[Line]) -> str:
    """The lines as text that ends with a line break; comments of neighbouring lines begin in one column.  Empty when there are none."""
    out: list[str] = []
    for run in _runs(lines):
        column = max(line.width for line in run) + 2
        for line in run:
            text = " " * line.indent + line.code
            if line.comment is not None:
                text = text.ljust(column if line.code else line.indent) + line.comment
            out.append(text.rstrip() + "\n")
    return "".join(out)


def _runs(lines: Sequence[Line]) -> Iterator[list[Line]]:
    """Neighbouring lines of one indentation whose comments can begin in one column without standing far from a line."""
    run: list[Line] = []
    for line in lines:
        joins = bool(line.code) and line.comment is not None
        if run and (not joins or line.indent != run[0].indent or not _one_column([*run, line])):
            yield run
            run = []
        if joins:
            run.append(line)
        else:
            yield [line]
    if run:
        yield run


def _one_column(run: Sequence[Line]) -> bool:
    widths = [line.width for line in run]
    return max(widths) - min(widths) <= 40


@dataclass(slots=True)
class _Layout:
    parts: Sequence[Part]
    lines: list[Line] = field(default_factory=list)
    indent: int = 0
    code: str = ""
    comment: str | None = None
    where: Where = Where.FIRST
    origin: Mark | None = None
    latest: Mark | None = None

    def run(self) -> None:
        indents, flats = [0], [False]
        for index, part in enumerate(self.parts):
            match part:
                case str():
                    self._put(part, indents[-1])
                case Word():
                    self._word(part, indents[-1])
                case Mark():
                    self.origin = self.origin or part
                    self.latest = part
                case Gap(text, where):
                    if flats[-1]:
                        self._put(text, indents[-1])
                    else:
                        self._new_line(indents[-1], where)
                case _Begin(broken):
                    indents.append(indents[-1] + (INDENT if broken is None else 0))
                    flats.append(flats[-1] or (broken is False and self._fits(index, indents[-1], flats)))
                case _End():
                    indents.pop()
                    flats.pop()
        if self.code or self.comment is not None:
            self._new_line(0, Where.INSIDE)

    def _fits(self, begin: int, indent: int, outer: Sequence[bool]) -> bool:
        """Does the group that begins there fit on the current line, with what must follow it on that line?"""
        left = WIDTH - (self.indent + len(self.code) if self.code else indent)
        flats = [*outer, True]
        previous: Word | None = None
        for part in islice(self.parts, begin + 1, None):
            inside = len(flats) > len(outer)
            match part:
                case str():
                    left -= len(part)
                case Word():
                    if inside and previous is not None and (part.above or previous.beside is not None):
                        return False  # a comment ends the line within the group
                    left -= len(part.text)
                    previous = part
                case Gap(text):
                    if not flats[-1]:
                        return True
                    left -= len(text)
                case _Begin(broken):
                    if broken and inside:
                        return False
                    flats.append(flats[-1])
                case _End():
                    flats.pop()
            if left < 0:
                return False
        return True

    def _put(self, text: str, indent: int) -> None:
        if self.comment is not None and text.strip():
            self._new_line(indent, Where.INSIDE)
        if self.code:
            if self.comment is None:
                self.code += text
        else:
            self.code = text.lstrip()

    def _word(self, word: Word, indent: int) -> None:
        if word.above:
            if self.code or self.comment is not None:
                self._new_line(indent, Where.INSIDE)
            for index, comment in enumerate(word.above):
                if comment.blank and self.where is not Where.INSIDE and (index or self.where is not Where.FIRST):
                    self._blank_line()
                inner = indent + INDENT if self.where is Where.LAST else indent  # before a `}`: like the items
                self.lines.append(Line(inner, "", comment.text, comment.place))
            if word.blank and self.where in (Where.BETWEEN, Where.FIRST) and word.text:
                self._blank_line()
        elif word.blank and self.where is Where.BETWEEN and word.text:
            self._blank_line()
        self.where = Where.INSIDE
        self._put(word.text, indent)
        self.comment = word.beside

    def _blank_line(self) -> None:
        if self.lines:
            self.lines.append(Line(0, "", None, self.latest))

    def _new_line(self, indent: int, where: Where) -> None:
        if self.code or self.comment is not None:
            self.lines.append(Line(self.indent, self.code.rstrip(), self.comment, self.origin or self.latest))
        self.indent, self.code, self.comment, self.where = indent, "", None, where
        self.origin = None


def start_of(span: Span) -> Mark:
    return Mark(span.source, span.start)


def end_of(span: Span) -> Mark:
    return Mark(span.source, max(span.start, span.end - 1))
