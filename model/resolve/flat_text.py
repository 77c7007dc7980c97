"""A derived spec as one text without `extends` (`luocheck show --flat`): what engines see, and where each line of it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from luocheck.model.source import Span
from luocheck.model.spec import Spec
from luocheck.model.syntax import nodes as n
from luocheck.model.syntax.layout import Line, lines_of, parts_of, text_of, with_comments
from luocheck.model.syntax.printer import declaration


@dataclass(frozen=True, slots=True)
class FlatLine:
    """A line of the flat text, without its line break, and the file and line that it comes from; None for an empty line."""

    text: str
    file: str | None
    line: int | None


def flat_lines(spec: Spec) -> list[FlatLine]:
    """The flattened spec in its canonical form, which is a correct spec of the same meaning that extends nothing.

    Comments stay at declarations that no other spec changed.  Expectations that a derived spec answered anew stand there once.
    """
    lines: list[Line] = []
    for decl in _declarations(spec):
        if lines and _after_empty_line(decl.span):
            lines.append(Line(0, "", None, None))
        lines += _lines(decl)
    texts = text_of(lines).splitlines()
    return [_flat_line(text, line) for text, line in zip(texts, lines, strict=True)]


def _flat_line(text: str, line: Line) -> FlatLine:
    if line.origin is None or not text:
        return FlatLine(text, None, None)
    source = line.origin.source
    return FlatLine(text, source.name, source.place(line.origin.offset)[0])


def _declarations(spec: Spec) -> Iterator[n.Header | n.Decl]:
    header = spec.tree.header
    title = n.Text(header.span, spec.system.title) if spec.system.title else None
    yield n.Header(header.span, header.name, None, title)
    kept = {each.span for each in spec.system.expectations} | {each.span for each in spec.system.state_expectations}
    for decl in spec.flat.declarations:
        if isinstance(decl, n.ExpectDecl):
            items = tuple(item for item in decl.items if item.span in kept)
            if items:
                yield decl if items == decl.items else replace(decl, items=items)
        elif not isinstance(decl, n.AbiDecl) or decl.items:
            yield decl


def _lines(decl: n.Header | n.Decl) -> list[Line]:
    commented = with_comments(parts_of(declaration(decl)), _with_its_comments(decl.span))
    return lines_of(commented if commented is not None else parts_of(declaration(decl)))


_COMMENTS_ABOVE = re.compile(r"(?:^[ \t]*//[^\n]*\n)+[ \t]*\Z", re.MULTILINE)
_COMMENT_BESIDE = re.compile(r"[ \t]*//[^\n]*")


def _with_its_comments(span: Span) -> Span:
    """The declaration with the comments right above it and the one beside its end."""
    text = span.source.text
    start = max(0, span.start - 4000)
    above = _COMMENTS_ABOVE.search(text[start : span.start])
    beside = _COMMENT_BESIDE.match(text, span.end)
    return Span(span.source, start + above.start() if above else span.start, beside.end() if beside else span.end)


def _after_empty_line(span: Span) -> bool:
    """Did the author leave an empty line before the declaration and its comments?"""
    before = span.source.text[: _with_its_comments(span).start]
    return re.search(r"\n[ \t\r]*\n[ \t]*\Z", before[-200:]) is not None
