"""The text of LTTng recordings, as babeltrace and babeltrace2 print them with their default settings.

    [19:57:20.123456789] (+0.000001234) host syscall_entry_ioctl: { cpu_id = 1 }, { pid = 7, tid = 9 }, { fd = 5, cmd = 47616, arg = 0 }

The task is known only where the contexts `tid` (or `vtid`) and `pid` were added when it was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from luocheck.traces.call import Note
from luocheck.traces.formats.ftrace_line import NANOSECOND, Frame
from luocheck.traces.formats.ftrace_text import LineReader
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Gap, Other, Record, Tally, Value
from luocheck.traces.source import Capture
from luocheck.traces.syscalls import OPENERS

NAME = "LTTng text"

_LINE = re.compile(
    rb"\[(?:\d{4}-\d\d-\d\d )?(?:(\d\d):(\d\d):(\d\d)|(\d{1,12}))\.(\d{9})\] (?:\(\+[0-9.?]{1,32}\) )?(?:([^ {}]{1,256}) )?"
    rb"((?:compat_)?[A-Za-z_][A-Za-z0-9_:]{0,127}: \{ .*\})",
    re.DOTALL,
)
_EVENT = re.compile(rb"([^ ]{1,140}): (.*)", re.DOTALL)
_FIELD = re.compile(
    rb"[{,] ([A-Za-z_][A-Za-z0-9_]{0,63}) = (?:(-?\d{1,20}|0x[0-9A-Fa-f]{1,16})(?=,| )|\"((?:[^\"\\]|\\.)*+)\"|\( (?:[^()\"]|\"[^\"]*+\")*+"
    rb"container = (-?\d{1,20}|0x[0-9A-Fa-f]{1,16}) \))"
)
_DISCARDED = re.compile(rb".{0,200}[Tt]racer (?:may have )?discarded (?:(\d{1,20}) |an unknown number of )?(?:event|packet).*")
_SYSCALL = re.compile(rb"(?:compat_)?syscall_(entry|exit)_([a-z0-9_]{1,64})")
_DAY = 86_400 * NANOSECOND


def read_records(capture: Capture, name: str, tally: Tally) -> Iterator[Record]:
    """Records of the capture in the order of its lines; what is no event is counted in `tally`."""
    return _Reader(capture, tally).records()


def fits(line: bytes) -> bool:
    """Is the line an event as babeltrace prints it?"""
    return _LINE.fullmatch(line) is not None


class _Reader(LineReader):
    def __init__(self, capture: Capture, tally: Tally) -> None:
        super().__init__(capture, tally, self._frame, 0)
        self.midnights = 0
        self.previous: int | None = None
        self.tasks_missing = False

    def _frame(self, line: bytes) -> Frame | None:
        match = _LINE.fullmatch(line)
        if match is None:
            return None
        hours, minutes, seconds, whole, fraction, _, message = match.groups()
        if whole is not None:
            time = int(whole) * NANOSECOND + int(fraction)
        else:
            time = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * NANOSECOND + int(fraction)
            if self.previous is not None and self.previous - time > _DAY // 2:
                self.midnights += 1
            self.previous = time
            time += self.midnights * _DAY
        fields = _fields(message)
        thread, process, cpu = (_first(fields, *names) for names in (("tid", "vtid"), ("pid", "vpid"), ("cpu_id",)))
        if thread is None and not self.tasks_missing:
            self.tasks_missing = True
            self.tally.remark(Note("LUO703", None, "events without a task; record with `lttng add-context -k -t tid -t pid`"))
        return Frame(b"", thread, process, cpu, time, message)

    def events(self, frame: Frame) -> list[Event] | None:
        match = _EVENT.fullmatch(frame.message)
        if match is None:
            return None
        name, text = match.groups()
        return [_event(name, _payload(text))]

    def no_event(self, line: bytes) -> tuple[int | None, Gap] | Literal["known", "unknown"]:
        match = _DISCARDED.fullmatch(line)
        if match is not None:
            return None, Gap(None if match.group(1) is None else int(match.group(1)), "the recorder lost events")
        return "unknown" if line.strip() else "known"


def _fields(text: bytes) -> dict[str, Value]:
    """All fields by their names; the first of a name, which is that of a context when the payload has it too."""
    out: dict[str, Value] = {}
    for name, number, string, container in _FIELD.findall(text):
        shown = number or container
        out.setdefault(name.decode(), int(shown, 0) if shown else re.sub(rb"\\(.)", rb"\1", string))
    return out


def _payload(text: bytes) -> dict[str, Value]:
    """Fields of the last group, which is the event's own; a brace within a string does not begin a group."""
    bare = re.sub(rb"\"(?:[^\"\\]|\\.)*+\"", lambda m: b"x" * len(m.group()), text)
    return _fields(text[bare.rfind(b"{ ") :])


def _first(fields: dict[str, Value], *names: str) -> int | None:
    for name in names:
        value = fields.get(name)
        if isinstance(value, int):
            return value
    return None


def _event(name: bytes, fields: dict[str, Value]) -> Event:
    match = _SYSCALL.fullmatch(name)
    text = name.decode("ascii", "replace")
    if match is not None:
        kind, call = match.group(1), match.group(2).decode()
        if kind == b"exit":
            result = fields.get("ret")
            return Exit(call, result, "lttng") if isinstance(result, int) else Other(text)
        path = fields.get("filename") if call in OPENERS else None
        return Enter(call, _numbers(fields), "lttng", path if isinstance(path, bytes) else None)
    match text:
        case "sched_process_fork" if (child := _first(fields, "child_tid")) is not None:
            return Forked(_first(fields, "parent_tid"), child)
        case "sched_process_exit" if (thread := _first(fields, "tid")) is not None:
            dead = _first(fields, "group_dead")
            return Ended(thread, None if dead is None else bool(dead))
        case "sched_process_exec":
            return Executed()
    return Other(text)


def _numbers(fields: dict[str, Value]) -> tuple[int, ...]:
    """The arguments at the first positions that are numbers."""
    out = []
    for value in fields.values():
        if not isinstance(value, int):
            break
        out.append(value & (1 << 64) - 1)
    return tuple(out)
