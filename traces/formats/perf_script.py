"""The text of `perf script`: the task, where and when, then the event with its group.

The name of a task stands in 16 columns, except with call chains (-g), where it is not padded.  Fields that may be added: pid (-F +pid), misc, period; --ns gives nanoseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from luocheck.traces.formats.event_messages import EventMessages
from luocheck.traces.formats.ftrace_line import NANOSECOND, Frame
from luocheck.traces.formats.ftrace_text import LineReader
from luocheck.traces.records import Ended, Event, Executed, Forked, Gap, Record, Tally
from luocheck.traces.source import Capture

NAME = "perf script"

_BEHIND_NAME = re.compile(
    rb" +(?:(-?\d{1,10})/)?(-?\d{1,10}) +(?:\[(\d{3,6})\] +)?(?:[KUHGgMESp]{1,4} +)?(\d{1,12})\.(\d{6,9}): +"
    rb"(?:\d{1,20} +)?((?:[A-Za-z0-9_-]{1,128}:)?[A-Za-z_][A-Za-z0-9_]{0,127}: ?.*|PERF_RECORD_.*)",
    re.DOTALL,
)
_COLUMNS = 16
_GROUPED = re.compile(rb"([A-Za-z0-9_-]{1,128}:)[A-Za-z_]")
_LOST = re.compile(rb"PERF_RECORD_LOST(?:_SAMPLES)? (?:lost|:)? ?(\d{1,20}).*")
_FORK = re.compile(rb"PERF_RECORD_FORK\((\d{1,10}):(\d{1,10})\):\((\d{1,10}):(\d{1,10})\).*")
_EXIT = re.compile(rb"PERF_RECORD_EXIT\((\d{1,10}):(\d{1,10})\).*")
_EXEC = re.compile(rb"PERF_RECORD_COMM exec: .*", re.DOTALL)
_STACK = re.compile(rb"[ \t]+[0-9a-f]{4,16} .*")


def read_records(capture: Capture, name: str, tally: Tally) -> Iterator[Record]:
    """Records of the capture in the order of its lines; what is no event is counted in `tally`."""
    return _Reader(capture, tally).records()


def fits(line: bytes) -> bool:
    """Is the line an event as perf script prints it?"""
    return parse(line) is not None


def parse(line: bytes) -> Frame | None:
    """The frame of a line; its message begins with the event, without the group.

    Without columns the name ends where the rest has the form of a line for the first time: 15 bytes are too few to imitate that.
    """
    frame = _frame(line, _COLUMNS)
    if frame is not None or line[:1] in (b" ", b"\t"):
        return frame
    return next((frame for width in range(1, _COLUMNS) if (frame := _frame(line, width)) is not None), None)


def _frame(line: bytes, width: int) -> Frame | None:
    if line[width : width + 1] != b" " or (line[width - 1 : width] == b" " and width < _COLUMNS):
        return None
    match = _BEHIND_NAME.fullmatch(line, width)
    if match is None:
        return None
    process, thread, cpu, seconds, fraction, message = match.groups()
    if thread.startswith(b"-"):  # perf does not know the task
        return None
    grouped = _GROUPED.match(message)
    if grouped is not None:
        message = message[grouped.end(1) :]
    time = int(seconds) * NANOSECOND + int(fraction.ljust(9, b"0"))
    known = process is not None and not process.startswith(b"-")
    return Frame(
        line[:width].lstrip(b" "), int(thread), int(process) if known else None, None if cpu is None else int(cpu), time, message
    )


class _Reader(LineReader):
    def __init__(self, capture: Capture, tally: Tally) -> None:
        super().__init__(capture, tally, parse, _COLUMNS)
        self.messages = EventMessages(tally)

    def events(self, frame: Frame) -> list[Event] | None:
        if frame.message.startswith(b"PERF_RECORD_"):
            event = _own_record(frame.message)
            return None if event is None else [event]
        return self.messages.events(frame.message, frame.thread)

    def no_event(self, line: bytes) -> tuple[int | None, Gap] | Literal["known", "unknown"]:
        known = not line.strip() or line.startswith(b"#") or _STACK.fullmatch(line) is not None
        return "known" if known else "unknown"


def _own_record(message: bytes) -> Event | None:
    """Records of perf itself, which --show-lost-events and --show-task-events add."""
    match = _LOST.fullmatch(message)
    if match is not None:
        return Gap(int(match.group(1)), "the recorder lost events")
    match = _FORK.fullmatch(message)
    if match is not None:
        return Forked(int(match.group(4)), int(match.group(2)))
    match = _EXIT.fullmatch(message)
    if match is not None:
        return Ended(int(match.group(2)), None)
    return Executed() if _EXEC.fullmatch(message) is not None else None
