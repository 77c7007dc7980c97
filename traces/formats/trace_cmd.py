"""The text of `trace-cmd report` (3.x): columns as ftrace has them, with events under their names.

The name of a buffer or of a file may stand before each line when there are several; all of them are padded to the same width, so that the
task name is found by its place here too.  Options that are read: -t, -l, -R, --ts-diff, --ts-offset.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal

from luocheck.traces.formats.event_messages import EventMessages
from luocheck.traces.formats.ftrace_line import NANOSECOND, Frame
from luocheck.traces.formats.ftrace_text import LineReader
from luocheck.traces.records import Event, Gap, Record, Tally
from luocheck.traces.source import Capture

NAME = "trace-cmd report"

_TIMED = rb" +(\d{1,20})(?:\.(\d{1,9}))?:(?: +\(\+\d{1,20}\))? +(.*)"
_STANDARD = re.compile(rb"(.{16})-(\d{1,10}) +\[(\d{3,6})\](?: ([.0-9A-Za-z]{4,6})|-0x[0-9a-f]{1,8})?" + _TIMED, re.DOTALL)
_LATENCY = re.compile(rb"(.{8})-(\d{1,10}) +(\d{1,5})([.A-Za-z][.0-9A-Za-z]{3,5}|-0x[0-9a-f]{1,8})" + _TIMED, re.DOTALL)
_LAYOUTS = ((16, _STANDARD), (8, _LATENCY))
_LABEL = re.compile(rb" {0,60}[^ :][^:]{0,60}: ")
_PADDED = re.compile(rb"[A-Za-z_][A-Za-z0-9_]{0,127}: +")
_DROPPED = re.compile(rb"(?:.{0,80}: )?CPU:(\d{1,6}) \[(?:(\d{1,20}) )?EVENTS DROPPED\]")
_HEADER = re.compile(rb"(?:.{0,80}: )?(?:cpus=\d{1,6}|version = \d{1,6}|CPU:? ?\d{1,6} is empty|CPU:\d{1,6} \[SUBBUFFER START\].*)")


def read_records(capture: Capture, name: str, tally: Tally) -> Iterator[Record]:
    """Records of the capture in the order of its lines; what is no event is counted in `tally`."""
    return _Reader(capture, tally).records()


def fits(line: bytes) -> bool:
    """Is the line an event as trace-cmd prints it, and not as the kernel does?  The kernel leaves more room behind the task's id."""
    return _place(line) is not None


def _place(line: bytes) -> tuple[int, int] | None:
    """Where the task name of an event begins, at the beginning of the line or behind a label, and its width."""
    label = _LABEL.match(line)
    for before in (0,) if label is None else (0, label.end()):
        for width, pattern in _LAYOUTS:
            frame = _frame(pattern, line[before:])
            if frame is None:
                continue
            columns = b"-%-5d [" if width == 16 else b"-%-5d %3d"
            values = (frame.thread,) if width == 16 else (frame.thread, frame.cpu)
            if line[before + width :].startswith(columns % values):
                return (before, width) if _PADDED.match(frame.message) is not None else None
    return None


def _frame(pattern: re.Pattern[bytes], line: bytes) -> Frame | None:
    match = pattern.fullmatch(line)
    if match is None:
        return None
    comm, thread, cpu, _, seconds, fraction, message = match.groups()
    time = int(seconds) if fraction is None else int(seconds) * NANOSECOND + int(fraction.ljust(9, b"0"))
    return Frame(comm.lstrip(b" "), int(thread), None, int(cpu), time, message, fraction is None)


class _Reader(LineReader):
    def __init__(self, capture: Capture, tally: Tally) -> None:
        places = Counter(place for line in capture.beginning().split(b"\n")[:2000] if (place := _place(line)) is not None)
        (self.before, width), _ = places.most_common(1)[0] if places else ((0, 16), 0)
        self.pattern = dict(_LAYOUTS)[width]
        self.messages = EventMessages(tally)
        super().__init__(capture, tally, self._frame_of, self.before + width)

    def _frame_of(self, line: bytes) -> Frame | None:
        label = line[: self.before]
        if self.before and not label.isspace() and _LABEL.fullmatch(label) is None:
            return None
        return _frame(self.pattern, line[self.before :])

    def events(self, frame: Frame) -> list[Event] | None:
        return self.messages.events(frame.message, frame.thread)

    def no_event(self, line: bytes) -> tuple[int | None, Gap] | Literal["known", "unknown"]:
        stripped = line.strip()
        match = _DROPPED.fullmatch(stripped)
        if match is not None:
            return int(match.group(1)), Gap(int(match.group(2)) if match.group(2) else None, "the recorder lost events")
        known = not stripped or stripped.startswith(b"=> ") or _HEADER.fullmatch(stripped) is not None
        return "known" if known else "unknown"
