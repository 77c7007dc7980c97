"""The catalogue as a file: which spec shows a bug by which claim, in how many calls, and where the claim holds.

It is TOML: a `[[bug]]` for each row, with `[[bug.shown]]` for each claim that breaks, or with `not_modelled` and the reason.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

from luocheck.model.diagnostics import did_you_mean, fail
from luocheck.model.library import SUFFIX, is_path, read_path, read_shipped
from luocheck.model.source import Source, Span

NAME = "catalogue.toml"


@dataclass(frozen=True, slots=True)
class Place:
    """A claim of a spec, in a scope and topology; without these in the default scope."""

    spec: str
    claim: str
    scope: str | None = None
    topology: str | None = None

    @property
    def where(self) -> str:
        """The scope or topology in words, empty for the default scope."""
        parts = [f"scope {self.scope}"] if self.scope is not None else []
        parts += [f"topology {self.topology}"] if self.topology is not None else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Shown:
    """A claim that the bug breaks.

    calls, faults: of the shortest story.  fixed: where the claim (or one that says the same) holds, None when it holds in no spec.
    unfixed: why it holds in none.
    """

    place: Place
    calls: int
    faults: int
    fixed: Place | None
    unfixed: str


@dataclass(frozen=True, slots=True)
class Bug:
    """A row.  not_modelled: why no spec shows it.  choice: what is not known of the code, and therefore left open in the spec."""

    id: str
    version: str
    title: str
    shown: tuple[Shown, ...]
    choice: str
    not_modelled: str
    span: Span = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All rows, in their order.  folder: where the specs that it names by path are, None for the shipped one."""

    source: Source = field(repr=False)
    folder: Path | None
    bugs: tuple[Bug, ...]

    def read(self, spec: str) -> Source:
        """The text of a spec that a row names.  Raises SpecError LUO607."""
        if not is_path(spec):
            return read_shipped(spec)
        if self.folder is not None:
            return read_path(self.folder / spec)
        inside = resources.files("luocheck.specs").joinpath(spec)
        if not inside.is_file():
            fail("LUO607", "there is no such file beside the catalogue", Span(Source(spec, ""), 0, 0))
        return Source(spec, inside.read_text(encoding="utf-8"))

    def chosen(self, ids: tuple[str, ...]) -> tuple[Bug, ...]:
        """The rows of these ids, all when there are none.  Raises SpecError LUO603 for an id that no row has."""
        known = [bug.id for bug in self.bugs]
        for each in ids:
            if each not in known:
                help = did_you_mean(each, known) or "`luocheck catalogue` without an ID runs all"
                fail("LUO603", f"no row of the catalogue is called `{each}`", Span(Source("ID", each), 0, len(each)), help=help)
        return tuple(bug for bug in self.bugs if not ids or bug.id in ids)


def shipped_catalogue() -> Catalogue:
    """The catalogue that comes with the library of specs."""
    text = resources.files("luocheck.specs").joinpath(NAME).read_text(encoding="utf-8")
    return parse_catalogue(Source(NAME, text), None)


def read_catalogue(path: str) -> Catalogue:
    """A catalogue of a user.  Raises SpecError LUO607 when it cannot be read and LUO620 when it is none."""
    return parse_catalogue(read_path(path), Path(path).parent)


def parse_catalogue(source: Source, folder: Path | None) -> Catalogue:
    """The rows of a text.  Raises SpecError LUO620 with the place of the row that is wrong."""
    try:
        loaded = tomllib.loads(source.text)
    except (tomllib.TOMLDecodeError, UnicodeError, RecursionError) as error:
        _no_toml(source, str(error))
    reader = _Reader(source)
    reader.only(loaded, {"bug"}, "the file", reader.top)
    rows = loaded.get("bug")
    if not isinstance(rows, list) or not rows:
        reader.wrong("a catalogue has a `[[bug]]` for each row, and this file has none", reader.top)
    bugs = tuple(reader.bug(row, number) for number, row in enumerate(rows))
    seen: set[str] = set()
    for bug in bugs:
        if bug.id in seen:
            reader.wrong(f"there are two rows `{bug.id}`", bug.span)
        seen.add(bug.id)
    return Catalogue(source, folder, bugs)


def _no_toml(source: Source, message: str) -> NoReturn:
    found = re.search(r"\(at line (\d+), column (\d+)\)", message)
    start = 0
    if found is not None:
        lines = source.text.split("\n")
        start = sum(len(line) + 1 for line in lines[: int(found[1]) - 1]) + int(found[2]) - 1
    start = min(start, len(source.text))
    message = re.sub(r" \(at .*\)$", "", message)
    fail("LUO620", f"this is not TOML: {message}", Span(source, start, min(start + 1, len(source.text))))


class _Reader:
    """Turns tables into rows.  TOML tells no places, so a row is found by counting the headers before it."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.top = Span(source, 0, 0)
        self.headers = [Span(source, found.start(), found.end()) for found in re.finditer(r"(?m)^[ \t]*\[\[bug\]\]", source.text)]

    def wrong(self, message: str, span: Span, help: str = "") -> NoReturn:
        fail("LUO620", message, span, help=help)

    def only(self, table: Mapping[str, Any], known: set[str], what: str, span: Span) -> None:
        for key in table:
            if key not in known:
                self.wrong(
                    f"{what} has no key `{key}`", span, did_you_mean(key, sorted(known)) or f"there are {', '.join(sorted(known))}"
                )

    def text(self, table: Mapping[str, Any], key: str, what: str, span: Span) -> str:
        value = table.get(key)
        if not isinstance(value, str) or not value:
            self.wrong(f"{what} needs `{key}`, a text", span)
        return value

    def bug(self, row: Any, number: int) -> Bug:
        span = self.headers[number] if number < len(self.headers) else self.top
        if not isinstance(row, dict):
            self.wrong("a row is a table: `[[bug]]`", span)
        self.only(row, {"id", "version", "title", "shown", "choice", "not_modelled"}, "a row", span)
        id = self.text(row, "id", "a row", span)
        what = f"`{id}`"
        shown = row.get("shown", [])
        if not isinstance(shown, list) or not all(isinstance(each, dict) for each in shown):
            self.wrong(f"`shown` of {what} is written `[[bug.shown]]`", span)
        if bool(shown) == ("not_modelled" in row):
            self.wrong(f"{what} needs either `[[bug.shown]]` or `not_modelled` with the reason", span)
        return Bug(
            id,
            self.text(row, "version", what, span),
            self.text(row, "title", what, span),
            tuple(self.shown(each, what, span) for each in shown),
            self.text(row, "choice", what, span) if "choice" in row else "",
            self.text(row, "not_modelled", what, span) if "not_modelled" in row else "",
            span,
        )

    def shown(self, table: Mapping[str, Any], bug: str, span: Span) -> Shown:
        what = f"`shown` of {bug}"
        self.only(table, {"spec", "claim", "scope", "topology", "calls", "faults", "fixed", "unfixed"}, what, span)
        place = self.place(table, None, what, span)
        fixed = table.get("fixed")
        if fixed is not None and not isinstance(fixed, dict):
            self.wrong(f'`fixed` of {bug} is written `{{ spec = "NAME" }}`', span)
        if (fixed is None) != ("unfixed" in table):
            self.wrong(f"{what} needs either `fixed` or `unfixed` with the reason", span)
        if fixed is not None:
            self.only(fixed, {"spec", "claim", "scope", "topology"}, f"`fixed` of {bug}", span)
        return Shown(
            place,
            self.count(table, "calls", None, what, span),
            self.count(table, "faults", 0, what, span),
            self.place(fixed, place, f"`fixed` of {bug}", span) if fixed is not None else None,
            self.text(table, "unfixed", what, span) if fixed is None else "",
        )

    def place(self, table: Mapping[str, Any], like: Place | None, what: str, span: Span) -> Place:
        """What `fixed` leaves out is as where the bug shows; its scope and topology only when it names neither."""
        spec = self.text(table, "spec", what, span)
        if is_path(spec) and not spec.endswith(SUFFIX):
            self.wrong(f"`{spec}` in {what} is not the name of a spec; a path ends in `{SUFFIX}`", span)
        claim = self.text(table, "claim", what, span) if like is None or "claim" in table else like.claim
        scope = self.text(table, "scope", what, span) if "scope" in table else None
        topology = self.text(table, "topology", what, span) if "topology" in table else None
        if like is not None and scope is None and topology is None:
            scope, topology = like.scope, like.topology
        return Place(spec, claim, scope, topology)

    def count(self, table: Mapping[str, Any], key: str, default: int | None, what: str, span: Span) -> int:
        value = table.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.wrong(f"{what} needs `{key}`, a number", span)
        return value
