"""What `traces/recorders/luo.bt` prints, as text or with `-f json`.  The script itself says what its lines mean.

bpftrace reads the buffers of the CPUs one after the other, so lines can stand in another order than their times.  They are sorted within a
window; a record then gets the line that stands at its place.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterator

from luocheck.traces.call import Note
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Gap, Other, Record, Struct, Tally
from luocheck.traces.source import Capture

SOURCE = "bpftrace"
WINDOW = 8192
"""Records within which an earlier one can come later."""

_LINE = re.compile(rb"luo1 ([A-Z]) (\d{1,20}) (\d{1,6}) (\d{1,10}) (\d{1,10})(?: (.*))?")
_CALL = re.compile(rb"([a-z_][a-z0-9_]{0,63}) ((?:\\x[0-9a-f]{2}){0,4096}|-)((?: -?\d{1,20}){0,6})")
_LOST = re.compile(rb"(?:WARNING: )?Lost (\d{1,20}) events")
_ATTACHING = re.compile(rb"Attaching \d{1,6} probes?\.\.\.")
_AT_FDCWD = (1 << 64) - 100
_DEVICE = b"/dev/liveupdate"


def fits(line: bytes) -> bool:
    """Is this a line of the script, plain or in JSON?"""
    return line.startswith(b"luo1 ") or line.startswith(b'{"type": "printf", "data": "luo1 ')


def read_bpftrace(capture: Capture, name: str, tally: Tally) -> Iterator[Record]:
    """Records of the capture in the order of their times; what is no event is counted in `tally`."""
    held: list[tuple[int, int, Record]] = []
    lines: list[int] = []
    moved = 0

    def earliest() -> Record:
        nonlocal moved
        _, own, record = heapq.heappop(held)
        line = heapq.heappop(lines)
        moved += line != own
        return Record(line, record.time, record.thread, record.process, record.cpu, record.event)

    for record in _unsorted(capture, tally):
        if record.time is None:  # a gap: nothing is moved over it
            while held:
                yield earliest()
            yield record
            continue

        heapq.heappush(held, (record.time, record.line, record))
        heapq.heappush(lines, record.line)
        if len(held) > WINDOW:
            yield earliest()
    while held:
        yield earliest()
    if moved:
        text = f"{moved} lines do not stand in the order of their times: places are those of the sorted lines"
        tally.remark(Note("LUO706", None, text))


def _unsorted(capture: Capture, tally: Tally) -> Iterator[Record]:
    for line, text in capture.lines():
        tally.lines = line
        printed = _printed(text)
        if isinstance(printed, Gap):
            yield Record(line, None, None, None, None, printed)
            continue
        for each in printed.split(b"\n"):
            if not each or _ATTACHING.fullmatch(each):
                continue
            record = _record(line, each)
            if record is None:
                tally.skip(line, text)
                continue
            tally.events += 1
            tally.count(_name(record.event))
            yield record


def _printed(text: bytes) -> bytes | Gap:
    """What the script printed in this line; bpftrace says in the same way that it lost events."""
    lost = _LOST.fullmatch(text)
    if lost is not None:
        return Gap(int(lost.group(1)), "bpftrace lost events")
    if not text.startswith(b"{"):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    match value:
        case {"type": "printf", "data": str(data)}:
            return data.encode("utf-8", "replace").rstrip(b"\n")
        case {"type": "lost_events", "data": {"events": int(count)}} if not isinstance(count, bool) and 0 <= count < 1 << 64:
            return Gap(count, "bpftrace lost events")
        case {"type": "attached_probes" | "map" | "time"}:
            return b""
    return text


def _record(line: int, text: bytes) -> Record | None:
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    kind, time, cpu, process, thread, rest = match.groups()
    event = _event(kind, int(thread), rest or b"")
    return None if event is None else Record(line, int(time), int(thread), int(process), int(cpu), event)


def _event(kind: bytes, thread: int, rest: bytes) -> Event | None:
    match kind:
        case b"O" if rest in (b"0", b"1"):
            return Enter("openat", (_AT_FDCWD,), SOURCE, _DEVICE if rest == b"1" else b"")
        case b"F" if rest.isdigit() and len(rest) <= 10:
            return Forked(None, int(rest))
        case b"P" if not rest:
            return Executed()
        case b"D" if not rest:
            return Ended(thread, None)
        case b"E" | b"X":
            return _call(kind, rest)
    return Other(f"luo1 {kind.decode()}") if kind not in (b"O", b"F", b"P", b"D") else None


def _call(kind: bytes, rest: bytes) -> Event | None:
    match = _CALL.fullmatch(rest)
    if match is None:
        return None
    syscall, shown, numbers = match.groups()
    values = [int(each) for each in numbers.split()]
    memory: Struct | None = None if shown == b"-" or not shown else bytes.fromhex(shown.replace(b"\\x", b"").decode())
    if kind == b"E":
        return Enter(syscall.decode(), tuple(value & (1 << 64) - 1 for value in values), SOURCE, struct=memory)
    if len(values) != 1:
        return None
    return Exit(syscall.decode(), values[0], SOURCE, struct=memory)


def _name(event: Event) -> str:
    match event:
        case Enter(syscall=name):
            return f"enter {name}"
        case Exit(syscall=name):
            return f"exit {name}"
        case Other(name=name):
            return name
    return type(event).__name__.lower()
