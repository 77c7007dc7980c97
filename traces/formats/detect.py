"""Which format a capture has, from its first bytes, with the reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from luocheck.traces.formats.ftrace_line import LAYOUTS
from luocheck.traces.formats.ftrace_messages import parse_message
from luocheck.traces.formats.registry import FORMATS
from luocheck.traces.formats.ring_buffer import looks_raw
from luocheck.traces.records import Other


@dataclass(frozen=True, slots=True)
class Detected:
    """format: the name of one of FORMATS, or None.  why: the reason.  option: what was printed cannot be decoded, and this is what to change."""

    format: str | None
    why: str
    option: str | None = None


_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PERFILE2", "this is a perf.data of perf"),
    (b"\x7fELF", "this is a program"),
)
_RAW = re.compile(rb"\d{1,10} \d{1,6} \d{1,20} type: \d{1,5}")
_HEX = re.compile(rb"[0-9a-f]{8} [0-9a-f]{8} [0-9a-f]{16} type: \d{1,5}")
_STRACE = re.compile(rb"(?:\[pid +\d+\] |\d+ +)?(?:\d[\d:.]* )?[a-z_0-9]+\(.*")


def detect(head: bytes) -> Detected:
    """Format of a capture whose first bytes (decompressed) are `head`."""
    for each in FORMATS:
        if each.magic is not None and head.startswith(each.magic):
            return Detected(each.name, f"it begins as a file of {each.name} does")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            return Detected(None, what)
    if looks_raw(head):
        return Detected(
            None,
            "these are pages of a ring buffer (per_cpu/cpuN/trace_pipe_raw), which do not say what their events are: record with "
            "`trace-cmd record`, or save the text of `trace`",
        )
    lines = head.split(b"\n")
    if len(lines) > 1:
        lines.pop()  # the last one may be cut
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
        return hidden if hidden is not None else Detected(None, _guess(lines))
    if best == "ftrace function_graph" and not any(_has_task(line) for line in events):
        return Detected(None, "function_graph without tasks", "turn on the option `funcgraph-proc`: nothing here says who called")
    return Detected(best, f"{counts[best]} of the first {len(events)} lines have the columns of {best}")


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


def _guess(lines: list[bytes]) -> str:
    some = [line for line in lines if line][:200]
    half = max(1, len(some) // 2)
    if sum(_STRACE.fullmatch(line) is not None for line in some) >= half:
        return "this looks like the output of strace"
    return "no line of it has the form that a line of one of the formats has"


def _shown(line: bytes) -> str:
    return line[:80].decode("ascii", "replace")
