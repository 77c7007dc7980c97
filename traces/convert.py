"""A capture in another format: JSON Lines, which carry everything, or the text of another recorder, as far as that can say it."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.traces.formats.births import Births
from luocheck.traces.formats.detect import format_of
from luocheck.traces.formats.ftrace_writer import FtraceWriter
from luocheck.traces.formats.jsonl import write_jsonl
from luocheck.traces.formats.registry import READERS
from luocheck.traces.formats.strace_writer import StraceWriter
from luocheck.traces.records import Record, Tally
from luocheck.traces.source import Capture

_NEVER = 1 << 64


@dataclass(slots=True)
class Conversion:
    """lines: without their ends, to be taken once; the rest is known when they were.

    format: of the capture.  left_out: what the other format could not say, and how often.  undecodable: why nothing can be read.
    """

    lines: Iterator[bytes]
    format: str
    left_out: Counter[str]
    tally: Tally
    undecodable: str | None = None


_Writer = Callable[[Iterator[Record], Tally, str, Counter[str]], Iterator[bytes]]

WRITERS: dict[str, _Writer] = {
    "jsonl": lambda records, tally, origin, left_out: write_jsonl(records, tally, origin),
    "ftrace": lambda records, tally, origin, left_out: FtraceWriter(left_out).lines(records),
    "strace": lambda records, tally, origin, left_out: StraceWriter(left_out).lines(records),
}
"""The formats that can be written."""


def convert(captures: Sequence[Capture], to: str, *, format: str | None = None) -> Conversion:
    """The lines of the captures in the format `to`, a key of WRITERS.  Memory does not grow with the captures.

    Several captures are one recording in parts, such as the files of `strace -ff`: their records are merged by time.  format: of the
    captures, when detection should not decide.  Raises SpecError LUO700 for a capture in no known format, and for a part without times.
    """
    tally, left_out = Tally(), Counter[str]()
    parts: list[Iterator[Record]] = []
    names: list[str] = []
    for capture in captures:
        found = format_of(capture, format)
        if found.format is None:
            return Conversion(iter(()), found.what, left_out, tally, f"{found.why}; {found.option}")
        records = READERS[found.format](capture, found.format, tally)
        names.append(found.format)
        parts.append(records if len(captures) == 1 else _with_times(capture, records))
    name = ", ".join(dict.fromkeys(names))
    records = parts[0] if len(parts) == 1 else _merged(parts)
    return Conversion(WRITERS[to](records, tally, name, left_out), name, left_out, tally)


def _with_times(capture: Capture, records: Iterator[Record]) -> Iterator[Record]:
    latest: int | None = None
    for record in records:
        latest = record.time if record.time is not None else latest
        if latest is None:
            where = Span(Source(capture.name, ""), 0, 0)
            fail(
                "LUO700", "this part of a recording shows no times, so nothing says where it belongs", where, help="strace -ff -ttt"
            )
        yield record


def _merged(parts: list[Iterator[Record]]) -> Iterator[Record]:
    """All records in the order of their times, and each part in its own order; births come before what the child does."""

    def keyed(number: int, records: Iterator[Record]) -> Iterator[tuple[int, int, int, Record]]:
        latest = 0
        untimed: list[tuple[int, Record]] = []
        for place, record in enumerate(records):
            if record.time is None:  # a return without -T: at the latest before the next event of this part
                untimed.append((place, record))
                continue
            latest = max(latest, record.time)
            yield from ((latest, number, before, each) for before, each in untimed)
            untimed.clear()
            yield latest, number, place, record
        yield from ((_NEVER, number, before, each) for before, each in untimed)

    merged = heapq.merge(*(keyed(number, records) for number, records in enumerate(parts)))
    yield from Births().arranged(record for _, _, _, record in merged)
