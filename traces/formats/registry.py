"""The formats of recordings.  A further one is a module that yields records and one more entry here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from luocheck.traces.formats import lttng_text, perf_script, perf_trace, trace_cmd, trace_dat
from luocheck.traces.formats.bpftrace_text import fits as fits_bpftrace
from luocheck.traces.formats.bpftrace_text import read_bpftrace
from luocheck.traces.formats.ftrace_line import LAYOUTS, MOVED
from luocheck.traces.formats.ftrace_text import read_records
from luocheck.traces.formats.jsonl import MAGIC as JSONL
from luocheck.traces.formats.jsonl import read_jsonl
from luocheck.traces.formats.strace_line import fits as fits_strace
from luocheck.traces.formats.strace_text import read_strace
from luocheck.traces.formats.trace_dat_file import MAGIC
from luocheck.traces.records import Record, Tally
from luocheck.traces.source import Capture

Reader = Callable[[Capture, str, Tally], Iterator[Record]]
"""Reads a capture in the format of that name; what it counts beside the records goes to the tally."""


@dataclass(frozen=True, slots=True)
class Format:
    """name: what `--format` and reports call it.

    fits: has a line (without its end) the form that this format's lines of events have?  None for a format that is no text.
    magic: the first bytes of every file of it, None where there are no such bytes.  fallback: it is taken only when no other format fits.
    """

    name: str
    read: Reader
    fits: Callable[[bytes], bool] | None = None
    magic: bytes | None = None
    fallback: bool = False


def _columns(layout: str) -> Callable[[bytes], bool]:
    parse = LAYOUTS[layout]
    return lambda line: parse(line) is not None


FORMATS: tuple[Format, ...] = (
    Format(trace_cmd.NAME, trace_cmd.read_records, trace_cmd.fits),
    Format(perf_script.NAME, perf_script.read_records, perf_script.fits),
    Format(perf_trace.NAME, perf_trace.read_records, perf_trace.fits),
    Format(lttng_text.NAME, lttng_text.read_records, lttng_text.fits),
    *(Format(layout, read_records, _columns(layout), fallback=layout == MOVED) for layout in LAYOUTS),
    Format("strace", read_strace, fits_strace),
    Format("bpftrace", read_bpftrace, fits_bpftrace),
    Format("jsonl", read_jsonl, magic=JSONL),
    Format("trace.dat", trace_dat.read_records, magic=MAGIC),
)
"""In the order in which detection prefers them when the same number of lines fits."""

READERS: dict[str, Reader] = {each.name: each.read for each in FORMATS}
