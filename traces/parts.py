"""A recording in several files, such as those of `strace -ff`: which files belong together, and their records merged by time."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TypeAlias

from luocheck.traces.call import PARTIAL, Note, Origin
from luocheck.traces.digest import recording_sha256
from luocheck.traces.formats.births import Births
from luocheck.traces.formats.detect import format_of
from luocheck.traces.formats.registry import READERS
from luocheck.traces.formats.strace_parts import (
    Lives,
    children_missing,
    is_part,
    parts_among,
    parts_beside,
    parts_missing,
    refuse_unmergeable,
    stem_of,
    task_of,
    without_times,
)
from luocheck.traces.records import Record, Tally
from luocheck.traces.source import Capture
from luocheck.traces.untimed import Untimed, dated

_PART = 40
"""Bits of a merged record's line that are the line in its part; those above are the number of the part."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The files of one recording, and what the recording is called."""

    name: str
    paths: tuple[str, ...]


Captured: TypeAlias = str | Parts
"""A capture as it is asked for: a file or folder, or several files."""


def name_of(capture: Captured) -> str:
    """What a capture is called."""
    return capture.name if isinstance(capture, Parts) else capture


def sha256_of(capture: Captured) -> str | None:
    """The hash of a capture as it is on disk, see `recording_sha256`."""
    return recording_sha256(capture.name, capture.paths) if isinstance(capture, Parts) else recording_sha256(capture)


def gathered(names: Sequence[str]) -> list[Captured]:
    """The captures that these names of files stand for.

    Files of `strace -ff` that are there together are one capture; a name without a file stands for all files `NAME.PID` of it.  Anything
    else stands for itself, also what cannot be read.
    """
    members: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        stem = stem_of(name)
        if stem is not None:
            members.setdefault(stem, []).append(name)
    parts = {stem: parts_among(found) for stem, found in members.items() if len(found) > 1}
    whole = {name: _parts(stem, found) for stem, found in parts.items() if len(found) > 1 for name in found}
    out: list[Captured] = []
    done: set[str] = set()
    for name in names:
        if name not in whole:
            out.append(resolved(name))
        elif whole[name].name not in done:
            done.add(whole[name].name)
            out.append(whole[name])
    return out


def resolved(name: Captured) -> Captured:
    """The files `NAME.PID` when there is no file NAME; else what was given."""
    if isinstance(name, Parts) or name == "-" or not name or name.endswith(os.sep) or _exists(name):
        return name
    found = parts_among(parts_beside(name))
    return _parts(name, found) if len(found) > 1 else found[0] if found else name


def _exists(name: str) -> bool:
    try:
        return os.path.lexists(name)
    except ValueError:  # a NUL in the name: opening it says so
        return True


def _parts(stem: str, paths: Sequence[str]) -> Parts:
    return Parts(f"{stem}.*", tuple(sorted(paths, key=lambda path: (task_of(path) or 0, path))))


# ---- the records of several files -------------------------------------------------------------------------------------


class Merging:
    """The records of the files of one recording in the order of their times, and each file's in its own order.

    format: of the files, when detection should not decide; else the name of what was found.  undecodable: why one of them cannot be
    decoded.  Raises SpecError LUO700 for a file in no known format, LUO718 for files that do not say in which order their events happened.
    """

    def __init__(self, captures: Sequence[Capture], tally: Tally, format: str | None = None) -> None:
        self.captures, self.tally = captures, tally
        self.tallies = [tally] if len(captures) == 1 else [Tally(tally.wanted) for _ in captures]
        self.undecodable: str | None = None
        self.formats: list[str] = []
        for capture in captures:
            found = format_of(capture, format)
            if found.format is None:
                self.undecodable, self.format = f"{found.why}; {found.option}", found.what
                return
            self.formats.append(found.format)
        shown = [name for name, capture in zip(self.formats, captures, strict=True) if capture.head.strip()]
        self.format = ", ".join(dict.fromkeys(shown or self.formats))  # that of an empty file says nothing
        self.split = len(captures) > 1 and all(map(is_part, captures))
        if self.split:
            refuse_unmergeable(captures)

    def records(self) -> Iterator[Record]:
        """To be taken once.  The line of each has its part in it, see `origin`; what is counted and noted of several files is known at the end."""
        if len(self.captures) == 1:
            return READERS[self.formats[0]](self.captures[0], self.formats[0], self.tally)
        return self._merged()

    def _merged(self) -> Iterator[Record]:
        """Births come before what the child does."""
        parts = zip(self.captures, self.formats, self.tallies, strict=True)
        each_dated = [
            dated(number, _numbered(number, _with_times(capture, READERS[format](capture, format, tally))))
            for number, (capture, format, tally) in enumerate(parts)
        ]
        births = Births()
        merged = Untimed(births.groups).placed(heapq.merge(*each_dated, key=itemgetter(0, 1, 2)))
        lives = Lives(self.captures)
        for number, record in enumerate(births.joined(merged) if self.split else births.arranged(merged)):
            if not number:  # a record of each file has been read
                self.tally.integer_clock = any(each.integer_clock for each in self.tallies)
            if self.split:
                lives.see(record)
            yield record
        self._count()
        if self.split:
            self._missing(list(lives.children))

    def origin(self, record: Record) -> Origin:
        """Where a record stands."""
        return Origin(self.captures[record.line >> _PART].name, record.line & (1 << _PART) - 1)

    def _count(self) -> None:
        """Puts together what the readers counted."""
        total = self.tally
        for capture, each in zip(self.captures, self.tallies, strict=True):
            total.lines += each.lines
            total.events += each.events
            for name, count in each.names.items():
                total.count(name, count)
            unread = each.unread_note()
            for note in [*([unread] if unread is not None else []), *each.notes]:
                if note.code != PARTIAL:
                    total.remark(placed(capture.name, note))

    def evidence(self) -> Iterator[Note]:
        """What is to be known about the files themselves, when the records were taken."""
        return (placed(capture.name, note) for capture in self.captures for note in capture.notes())

    def _missing(self, children: list[int]) -> None:
        """Notes the tasks whose calls are in none of the files."""
        tasks = {task_of(each.name) for each in self.captures}
        absent = [child for child in children if child not in tasks]
        beside = parts_missing(self.captures)
        told = [children_missing(absent)] if absent else [] if beside is None else [beside]
        self.tally.notes[:0] = told


def placed(file: str, note: Note) -> Note:
    """A note about one of several files."""
    place = os.path.basename(file) if note.line is None else Origin(file, note.line).short
    return replace(note, line=None, text=f"{place}: {note.text}")


def _with_times(capture: Capture, records: Iterator[Record]) -> Iterator[Record]:
    latest: int | None = None
    for record in records:
        latest = record.time if record.time is not None else latest
        if latest is None:
            without_times(capture)
        yield record


def _numbered(number: int, records: Iterator[Record]) -> Iterator[Record]:
    """The records of a part with its number in their lines."""
    return (each._replace(line=number << _PART | each.line) for each in records)


# ---- what is merged as one recording ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Places:
    """Numbers for the lines of a merged recording: those of the JSON Lines that `luocheck convert` makes of it.

    origins: where the lines stand that were asked for.
    """

    merging: Merging
    origins: dict[int, Origin] = field(default_factory=dict)
    latest: Origin | None = None

    def numbered(self) -> Iterator[Record]:
        """The records, to be taken once; `keep` is about the one that was taken last."""
        for number, record in enumerate(self.merging.records(), 2):  # the first line of JSON Lines is about all
            self.latest = self.merging.origin(record)
            yield record._replace(line=number)

    def keep(self, record: Record) -> None:
        """Remembers where a record stands."""
        if self.latest is not None and self.latest.line:  # a birth that was concluded stands nowhere
            self.origins[record.line] = self.latest
