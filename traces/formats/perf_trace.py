"""The text of `perf trace`: one line for each system call, with when it began and how long it took.

Lines stand in the order in which perf got them, so their calls are put in the order of their times here.  What comes after this tells
moments apart by lines: an entry has the line of the latest call that was over by then, or its own line when nothing happened meanwhile.

The paths behind descriptors are looked up when the line is printed, can be those of another file by then, and are not used.
"""

from __future__ import annotations

import heapq
import os
import re
import termios
from collections.abc import Iterator
from dataclasses import dataclass, field

from luocheck.model.errnos import GENERIC
from luocheck.traces.call import Note
from luocheck.traces.formats.ftrace_messages import integer, returned
from luocheck.traces.records import Enter, Event, Exit, Gap, Other, Record, Tally
from luocheck.traces.source import Capture
from luocheck.traces.syscalls import F_DUPFD, F_DUPFD_CLOEXEC, OPENERS

NAME = "perf trace"

_HEAD = re.compile(rb" *(?:(\d{1,12})\.(\d{3})|\?) \( *(?:(\d{1,9})\.(\d{3}) ms *)?\): ")
_TASK = re.compile(rb"/(\d{1,10}) ")
_CALL = rb"([a-z][a-z0-9_]{0,63})\("
_RESULT = rb"\) *= (-?\d{1,20}|0x[0-9a-f]{1,16})(?:<.*>)?(?: (E[A-Z0-9]{1,30}|\(unknown\)))?(?: \((.*)\))?"
_WHOLE = re.compile(_CALL + rb"(.*)" + _RESULT, re.DOTALL)
_BEGUN = re.compile(_CALL + rb"(.*)\) *(?:\.\.\.|= \?)?", re.DOTALL)
_CONTINUED = re.compile(rb" ?\.\.\. \[continued\]: " + _CALL + rb"\)?" + _RESULT, re.DOTALL)
_OTHER = re.compile(rb"([A-Za-z_][A-Za-z0-9_]{0,63}:[A-Za-z_][A-Za-z0-9_]{0,127})\(.*", re.DOTALL)
_LOST = re.compile(rb"LOST (\d{1,20}) events!")
_FIRST = re.compile(rb"[a-z_0-9]{1,40}: (-?\d{1,20}|0x[0-9a-f]{1,16})(?=<|, |$)")
_NUMBER = re.compile(rb"[a-z_0-9]{1,40}: (-?\d{1,20}|0x[0-9a-f]{1,16})(?:, |$)")
_SECOND = re.compile(rb".*, (?:newfd|max_fd|last): (\d{1,10})(?:, .*)?", re.DOTALL)
_COMMAND = re.compile(
    rb".*, cmd: (?:\((NONE|READ|WRITE|READ\|WRITE), (0x[0-9a-f]{1,2}|0), (0x[0-9a-f]{1,2}|0), (0x[0-9a-f]{1,4}|0)\)|([A-Z][A-Z0-9_]{1,40})|"
    rb"(0x[0-9a-f]{1,8}))(?:, arg: (?:0x[0-9a-f]{1,16}|-?\d{1,20}))?",
    re.DOTALL,
)
_PATH = re.compile(rb"(?:dfd: [^,]{1,20}, )?(?:filename|pathname): \"(.*)\"(?:, (?:flags|how|mode): [^\"]*)?", re.DOTALL)
_DIRECTIONS = {b"NONE": 0, b"WRITE": 1, b"READ": 2, b"READ|WRITE": 3}
_DUPLICATING = {b"DUPFD": F_DUPFD, b"DUPFD_CLOEXEC": F_DUPFD_CLOEXEC}
_LONGEST_NAME = 14
_WINDOW = 1 << 16
"""Moments within which calls are put in order."""

_ERRNOS = {os.strerror(number).encode(): number for number in GENERIC.values()}
"""What perf prints of an error when it does not know the names of the machine that was recorded."""


@dataclass(frozen=True, slots=True)
class _Line:
    thread: int | None
    begin: int | None
    end: int | None
    enter: Event | None
    exit: Exit | None


def fits(line: bytes) -> bool:
    """Is the line one of a system call as perf trace prints it?"""
    return bool(_readings(line))


def read_records(capture: Capture, name: str, tally: Tally) -> Iterator[Record]:
    """Records of the capture in the order of time; what is no event is counted in `tally`."""
    reader = _Reader(tally)
    for number, text in capture.lines():
        tally.lines = number
        yield from reader.line(number, text)
    yield from reader.rest()


@dataclass(slots=True)
class _Reader:
    """moments: what is not given out yet, by time.  latest: time and line of the last that was."""

    tally: Tally
    moments: list[tuple[int, int, int, int, Record]] = field(default_factory=list)
    count: int = 0
    time: int = 0
    over: int = 0
    last: int = 0
    late: int = 0
    alone: bool = False

    def line(self, number: int, text: bytes) -> Iterator[Record]:
        lost = _LOST.fullmatch(text.strip())
        found = _readings(text) if lost is None else []
        if lost is not None or len(found) > 1:
            reason = "the recorder lost events" if lost is not None else "a line that can be read in two ways"
            yield from self.rest()
            self.last = self.over = max(self.last, number)
            yield Record(number, None, None, None, None, Gap(None if lost is None else int(lost.group(1)), reason))
        elif not found:
            if text.strip():
                self.tally.skip(number, text)
        else:
            self._add(number, found[0])
            while len(self.moments) > _WINDOW:
                yield self._next()

    def _add(self, number: int, line: _Line) -> None:
        if line.thread is None and not self.alone:
            self.alone = True
            self.tally.remark(Note("LUO711", number, "no task is shown: all of it is taken as one thread's"))
        begin = self.time if line.begin is None else line.begin
        end = begin if line.end is None else line.end
        for order, time, event in ((1, begin, line.enter), (0, end, line.exit)):
            if event is not None:
                shown = None if line.begin is None else time
                self._push(time, 1 if begin == end else order, number, Record(number, shown, line.thread or 0, None, None, event))

    def _push(self, time: int, order: int, number: int, record: Record) -> None:
        self.tally.events += 1
        event = record.event
        name = (
            f"sys_enter_{event.syscall}"
            if isinstance(event, Enter)
            else f"sys_exit_{event.syscall}"
            if isinstance(event, Exit)
            else ""
        )
        self.tally.count(event.name if isinstance(event, Other) else name)
        heapq.heappush(self.moments, (time, order, number, self.count, record))
        self.count += 1

    def _next(self) -> Record:
        time, _, number, _, record = heapq.heappop(self.moments)
        if time < self.time:
            self.late += 1
            if self.late == 1:
                self.tally.remark(
                    Note("LUO706", number, "lines are out of order by more than can be put right; the order of calls can be wrong")
                )
        self.time = max(self.time, time)
        if isinstance(record.event, Enter):
            following = self.moments[0] if self.moments else None
            alone = following is None or (following[2] == number and isinstance(following[4].event, Exit))
            line = max(self.over, number, self.last) if alone else max(self.over, 1)
        else:
            line = max(self.over, number)
            self.over = line
        self.last = max(self.last, line) if isinstance(record.event, Exit) else self.last
        return Record(line, record.time, record.thread, None, None, record.event)

    def rest(self) -> Iterator[Record]:
        while self.moments:
            yield self._next()


def _readings(text: bytes) -> list[_Line]:
    """What the line says: nothing, one thing, or several when the task's name makes it unclear."""
    head = _HEAD.match(text)
    if head is None:
        return []
    milli, micro, long, short = head.groups()
    begin = None if milli is None else (int(milli) * 1000 + int(micro)) * 1000
    duration = None if long is None else (int(long) * 1000 + int(short)) * 1000
    end = begin + duration if begin is not None and duration is not None else begin
    out = []
    for task in _TASK.finditer(text, head.end(), head.end() + _LONGEST_NAME + 13):
        if task.start() - head.end() <= _LONGEST_NAME:
            line = _said(text[task.end() :], int(task.group(1)), begin, end)
            out += [] if line is None else [line]
    if not out:
        line = _said(text[head.end() :], None, begin, end)
        out += [] if line is None else [line]
    return out


def _said(text: bytes, thread: int | None, begin: int | None, end: int | None) -> _Line | None:
    match = _WHOLE.fullmatch(text)
    if match is not None:
        name, arguments, *result = match.groups()
        return _Line(thread, begin, end, _entered(name.decode(), arguments), _exit(name.decode(), *result))
    match = _CONTINUED.fullmatch(text)
    if match is not None:
        name, *result = match.groups()
        return _Line(thread, begin, end, None, _exit(name.decode(), *result))
    match = _BEGUN.fullmatch(text)
    if match is not None:
        return _Line(thread, begin, begin, _entered(match.group(1).decode(), match.group(2)), None)
    match = _OTHER.fullmatch(text)
    return None if match is None else _Line(thread, begin, begin, Other(match.group(1).decode()), None)


def _exit(name: str, value: bytes, errno: bytes | None, text: bytes | None) -> Exit | None:
    """None when it failed with an error that has no name here."""
    result = returned(integer(value) & (1 << 64) - 1)
    if errno is None:
        return Exit(name, result, NAME)
    number = GENERIC.get(errno.decode()) or _ERRNOS.get(text or b"")
    return None if number is None else Exit(name, -number, NAME)


def _entered(name: str, arguments: bytes) -> Enter:
    first = _FIRST.match(arguments)
    values: tuple[int, ...] = () if first is None else (integer(first.group(1)) & (1 << 64) - 1,)
    path = None
    match name:
        case "ioctl" | "fcntl" if values:
            command = _COMMAND.fullmatch(arguments)
            number = None if command is None else _number(name, command)
            values = values if number is None else (*values, number)
        case "dup2" | "dup3" | "close_range" if values:
            second = _SECOND.fullmatch(arguments)
            values = values if second is None else (*values, int(second.group(1)))
        case _ if name in OPENERS:
            shown = _PATH.fullmatch(arguments)
            path = None if shown is None else shown.group(1)
        case "close" | "dup":
            pass
        case _:
            values = _numbers(arguments)
    return Enter(name, values, NAME, path)


def _numbers(arguments: bytes) -> tuple[int, ...]:
    """The numbers at the first positions."""
    out: list[int] = []
    place = 0
    while (match := _NUMBER.match(arguments, place)) is not None and len(out) < 6:
        out.append(integer(match.group(1)) & (1 << 64) - 1)
        place = match.end()
    return tuple(out)


def _number(name: str, command: re.Match[bytes]) -> int | None:
    """The command of an ioctl or fcntl; None for a name that is not known here."""
    direction, kind, number, size, word, bare = command.groups()
    if direction is not None:
        return _DIRECTIONS[direction] << 30 | int(size, 16) << 16 | int(kind, 16) << 8 | int(number, 16)
    if bare is not None:
        return int(bare, 16)
    if name == "fcntl":
        return _DUPLICATING.get(word)
    value = getattr(termios, word.decode(), None)
    return value if isinstance(value, int) else None
