"""A capture in another format: JSON Lines, which carry everything, or the text of another recorder, as far as that can say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from luocheck.traces.call import PARTIAL
from luocheck.traces.formats.ftrace_writer import FtraceWriter
from luocheck.traces.formats.jsonl import write_jsonl
from luocheck.traces.formats.strace_writer import StraceWriter
from luocheck.traces.parts import Merging
from luocheck.traces.records import Record, Tally
from luocheck.traces.source import Capture


@dataclass(slots=True)
class Conversion:
    """lines: without their ends, to be taken once; the rest is known when they were.

    format: of the capture.  left_out: what the other format could not say, and how often.  undecodable: why nothing can be read.
    tallies: of the captures, one by one.
    """

    lines: Iterator[bytes]
    format: str
    left_out: Counter[str]
    tally: Tally
    undecodable: str | None = None
    tallies: Sequence[Tally] = ()


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
    captures, when detection should not decide.  Raises SpecError LUO700 for a capture in no known format, and LUO718 for parts that do not
    say in which order their events happened.
    """
    tally, left_out = Tally(), Counter[str]()
    merging = Merging(captures, tally, format)
    if merging.undecodable is not None:
        return Conversion(iter(()), merging.format, left_out, tally, merging.undecodable)
    records = (record._replace(line=merging.origin(record).line) for record in merging.records())
    return Conversion(_lines(records, to, merging, left_out), merging.format, left_out, tally, tallies=merging.tallies)


def _lines(records: Iterator[Record], to: str, merging: Merging, left_out: Counter[str]) -> Iterator[bytes]:
    yield from WRITERS[to](records, merging.tally, merging.format, left_out)
    if to != "jsonl" and any(note.code == PARTIAL for note in merging.tally.notes):
        left_out["that calls of other tasks are missing"] += 1
