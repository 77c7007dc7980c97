"""Which format a capture has, from its first bytes, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.traces.formats.ftrace_line import LAYOUTS
from luocheck.traces.formats.ftrace_messages import parse_message
from luocheck.traces.formats.registry import FORMATS, READERS
from luocheck.traces.formats.ring_buffer import looks_raw
from luocheck.traces.formats.strace_line import fits as fits_strace
from luocheck.traces.klog import message
from luocheck.traces.records import Other
from luocheck.traces.source import Capture


@dataclass(frozen=True, slots=True)
class Detected:
    """format: the name of one of FORMATS, or None.  why: the reason.  option: what was printed cannot be decoded, and this is what to change.

    code: of the note that says so.  what: what such a capture is called.  foreign: it is a recording all
    the same, or one is packed in it; what has no format and is not foreign is no recording.
    """

    format: str | None
    why: str
    option: str | None = None
    code: str = "LUO703"
    what: str = "ftrace"
    foreign: bool = False


_PROGRAM = "this is a program"
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PERFILE2", "this is a perf.data of perf"),
    (b"\x7fELF", _PROGRAM),
)
_RAW = re.compile(rb"\d{1,10} \d{1,6} \d{1,20} type: \d{1,5}")
_HEX = re.compile(rb"[0-9a-f]{8} [0-9a-f]{8} [0-9a-f]{16} type: \d{1,5}")
_SUMMARY = re.compile(rb"% time +seconds +usecs/call +calls .*")


def detect(head: bytes) -> Detected:
    """Format of a capture whose first bytes (decompressed) are `head`."""
    for each in FORMATS:
        if each.magic is not None and head.startswith(each.magic):
            return Detected(each.name, f"it begins as a file of {each.name} does")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            return Detected(None, what, foreign=what != _PROGRAM)
    if looks_raw(head):
        return Detected(
            None,
            "these are pages of a ring buffer (per_cpu/cpuN/trace_pipe_raw), which do not say what their events are: record with "
            "`trace-cmd record`, or save the text of `trace`",
            foreign=True,
        )
    lines = head.split(b"\n")
    if len(lines) > 1:
        lines.pop()  # the last one may be cut
    other = _other(lines)
    if other is not None:
        return other
    tracer = next((line for line in lines if line.startswith(b"# tracer:")), None)
    events = [line for line in lines if line and not line.startswith((b"#", b"CPU:")) and not line.startswith(b" => ")][:2000]
    if not events:
        if tracer is not None:
            return Detected("ftrace", f"the header of a trace (`{_shown(tracer)}`) without an event")
        if not head.strip():
            return Detected("ftrace", "an empty file, as a recorder that recorded nothing leaves it")
        return Detected(None, "no line of it is an event")
    counts = {each.name: sum(map(each.fits, events)) for each in FORMATS if each.fits is not None and not each.fallback}
    if not any(counts.values()):
        counts = {each.name: sum(map(each.fits, events)) for each in FORMATS if each.fits is not None and each.fallback}
    best = max(counts, key=lambda name: counts[name])
    hidden = _hidden(events, tracer is not None, head)
    if counts[best] == 0 or (hidden is not None and counts[best] < len(events) // 2):
        return hidden or _kernel_log(events) or Detected(None, "no line of it has the form that a line of one of the formats has")
    if best == "ftrace function_graph" and not any(_has_task(line) for line in events):
        return Detected(None, "function_graph without tasks", "turn on the option `funcgraph-proc`: nothing here says who called")
    return Detected(best, f"{counts[best]} of the first {len(events)} lines have the columns of {best}")


def format_of(capture: Capture, wanted: str | None) -> Detected:
    """The format of a capture: the one that the user wants, else the one that is detected; `format` is None only with an `option`.

    Raises SpecError LUO700 for a name that is no format, and for a capture in none of them.
    """
    where = Span(Source(capture.name, ""), 0, 0)
    if wanted is not None and wanted not in READERS:
        fail("LUO700", f"`{wanted}` is no format", where, help="one of: " + ", ".join(READERS))
    if wanted is not None:
        return Detected(wanted, "the user says so")
    found = detect(capture.beginning())
    if found.format is None and found.option is None:
        fail("LUO700", found.why, where, help="formats that can be read: " + ", ".join(READERS))
    return found


def _has_task(line: bytes) -> bool:
    frame = LAYOUTS["ftrace function_graph"](line)
    return frame is not None and frame.thread is not None


def _hidden(events: list[bytes], header: bool, head: bytes) -> Detected | None:
    """Display options that hide what is needed."""
    half = max(1, len(events) // 2)
    if sum(_RAW.fullmatch(line) is not None for line in events) >= half:
        return Detected(None, "printed with the option `raw`", "turn off the option `raw` (echo noraw > trace_options)")
    if sum(_HEX.fullmatch(line) is not None for line in events) >= half:
        return Detected(None, "printed with the option `hex`", "turn off the option `hex` (echo nohex > trace_options)")
    if header and b"\0" in head:
        return Detected(None, "printed with the option `bin`", "turn off the option `bin` (echo nobin > trace_options)")
    known = sum(1 for line in events if not line.startswith(b" ") and _is_message(line))
    if header and known >= half:
        return Detected(
            None,
            "printed without the context of events",
            "turn on the option `context-info`: nothing here says who called and when",
        )
    return None


def _is_message(line: bytes) -> bool:
    event = parse_message(line)
    return event is not None and not isinstance(event, Other)


def _other(lines: list[bytes]) -> Detected | None:
    """Output of tools that can record calls, but which has none in it."""
    if any(_SUMMARY.fullmatch(line) for line in lines[:20]) and not any(fits_strace(line) for line in lines):
        what = "this is the summary of strace -c, which counts calls and does not show them"
        return Detected(None, what, "record without -c", "LUO711", "strace")
    return None


def _kernel_log(events: list[bytes]) -> Detected | None:
    if sum(message(line) is not None for line in events) < max(1, len(events) // 2):
        return None
    what = "this is a kernel log, which shows no calls: it can stand beside a recording (--klog FILE)"
    return Detected(None, what, "record the calls themselves, with ftrace, strace or bpftrace", "LUO711", "kernel log")


def _shown(line: bytes) -> str:
    return line[:80].decode("ascii", "replace")
