"""Text for a terminal: lines of parts with a style, wrapped to a width.

A page knows no colours; `terminal` turns styles into them, or drops them.  Whatever comes from an input is made printable here, once.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luocheck.model.diagnostics import printable

NARROW = 80
"""Width of everything that is not printed on a terminal."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a line.  style: "" or one of `good`, `bad`, `open`, `title`, `dim`."""

    text: str
    style: str = ""


Line = tuple[Part, ...]


class Page:
    """Lines, in order.  `width` is where long ones are wrapped; an unbreakable word may stand over."""

    def __init__(self, width: int = NARROW) -> None:
        self.width = width
        self.lines: list[Line] = []

    def add(self, *parts: str | Part) -> None:
        """One line as it is."""
        made = (part if isinstance(part, Part) else Part(part) for part in parts)
        self.lines.append(tuple(Part(printable(part.text), part.style) for part in made if part.text))

    def blank(self) -> None:
        if self.lines and self.lines[-1]:
            self.lines.append(())

    def wrap(self, first: str, text: str, rest: str | None = None, style: str = "") -> None:
        """Text after `first`, later lines after `rest` (spaces as wide as `first` by default)."""
        rest = " " * len(first) if rest is None else rest
        lines = list(_wrapped(printable(text), self.width - len(first), self.width - len(rest)))
        for number, line in enumerate(lines or [""]):
            self.lines.append((Part(first if number == 0 else rest), Part(line, style)))

    def table(self, rows: Sequence[Sequence[Part]], indent: str = "  ") -> None:
        """Columns as wide as their widest cell, two spaces apart; the last column is wrapped."""
        if not rows:
            return
        widths = [max(len(row[column].text) for row in rows) for column in range(len(rows[0]) - 1)]
        left = len(indent) + sum(widths) + 2 * len(widths)
        for row in rows:
            cells = [Part(indent)]
            for cell, width in zip(row, widths, strict=False):
                cells += [cell, Part(" " * (width - len(cell.text) + 2))]
            last = row[-1]
            lines = list(_wrapped(last.text, max(12, self.width - left), max(12, self.width - left))) or [""]
            self.lines.append(_stripped((*cells, Part(lines[0], last.style))))
            self.lines += [(Part(" " * left), Part(line, last.style)) for line in lines[1:]]

    def extend(self, other: Page) -> None:
        self.lines += other.lines

    def text(self) -> str:
        """Everything without styles, each line ended."""
        return "".join("".join(part.text for part in line).rstrip() + "\n" for line in self.lines)


def _stripped(line: Line) -> Line:
    parts = list(line)
    while parts and not parts[-1].text.strip():
        parts.pop()
    return tuple(parts)


def _wrapped(text: str, first: int, rest: int) -> Iterator[str]:
    wrapper = textwrap.TextWrapper(
        width=max(12, rest), initial_indent=" " * max(0, rest - first), break_long_words=False, break_on_hyphens=False
    )
    for number, line in enumerate(wrapper.wrap(text)):
        yield line[max(0, rest - first) :] if number == 0 else line
