"""ftrace text as records: `trace`, `trace_pipe` and what was left of them (trace.txt of any layout).

Beside events there are lines about lost events, headers, stack traces, and the rest of what was printed with line ends in it: task names
and strings of user space may contain some.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterator
from typing import Literal

from luocheck.traces.call import Note
from luocheck.traces.formats.ftrace_line import LAYOUTS, MOVED, NAME_COLUMNS, Frame, Parser
from luocheck.traces.formats.ftrace_messages import parse_graph_message, parse_message, unfinished
from luocheck.traces.formats.ftrace_skip import apart, boring, name_of, steady
from luocheck.traces.records import MOST_NAMES, Enter, Event, Exit, Gap, Hit, Marker, Other, Record, Tally
from luocheck.traces.source import LONGEST_LINE, Capture

_LOST = re.compile(rb"CPU:(\d{1,6}) \[LOST(?: (\d{1,20}))? EVENTS\]")
_STARTED = re.compile(rb"##### CPU (\d{1,6}) buffer started ####")
_WRITTEN = re.compile(rb"# *entries-in-buffer/entries-written: (\d{1,20})/(\d{1,20})\b.*")
_LONGEST_STRING = 4096
"""Bytes within which a quoted string must end; a ustring of a probe has fewer."""

_MOST_JOINED = 80
"""Lines that one string can stretch over."""

BACKWARDS = 10**9
"""A clock that goes back by more than this many ns has begun anew, less is the order in which CPUs were merged."""


def read_records(capture: Capture, layout: str, tally: Tally) -> Iterator[Record]:
    """Records of the capture in the order of its lines; what is no event is counted in `tally`."""
    return _FtraceReader(capture, layout, tally).records()


class LineReader:
    """Reads lines of events that begin with columns for who, where and when; a format fills in what its lines look like.

    parse: gives the frame of a line.  columns: width of the task name at the beginning of a line, 0 where a line end cannot belong to it.
    """

    def __init__(self, capture: Capture, tally: Tally, parse: Parser, columns: int) -> None:
        self.tally, self.parse, self.columns = tally, parse, columns
        self.input = self.lines(capture)
        self.exact = False  # every line has to be given out until the next block
        self.ahead: deque[tuple[int, bytes]] = deque()  # lines that were read too far
        self.marker_line: int | None = None  # the last event was a marker
        self.latest: int | None = None

    def _next(self) -> tuple[int, bytes] | None:
        if self.ahead:
            return self.ahead.popleft()
        line = next(self.input, None)
        if line is not None:
            self.tally.lines = line[0]
        return line

    def lines(self, capture: Capture) -> Iterator[tuple[int, bytes]]:
        """The lines of the capture that have to be looked at; a reader may count others by itself, while not `exact`."""
        return capture.lines()

    def _following(self) -> tuple[int, bytes] | None:
        """The line right behind the one that was read last."""
        self.exact = True
        return self._next()

    def records(self) -> Iterator[Record]:
        while (line := self._next()) is not None:
            number, text = line
            frame = self.parse(text)
            if frame is None:
                frame = self._name_with_line_end(text)
            if frame is None:
                yield from self._other_line(number, text)
                continue
            yield from self._framed(number, text, frame)

    def _framed(self, number: int, text: bytes, frame: Frame) -> Iterator[Record]:
        self.tally.integer_clock |= frame.counter
        if unfinished(frame.message):
            frame = self._whole_string(text) or frame
        events = self.events(frame)
        if events is None:
            self.tally.skip(number, text)
            return
        if frame.time is not None:
            if self.latest is not None and self.latest - frame.time > BACKWARDS and not frame.counter:
                gap = Gap(None, "the clock goes backwards: another recording, or another boot, begins here")
                yield Record(number, frame.time, None, None, None, gap)
                self.latest = frame.time
            self.latest = max(frame.time, self.latest or 0)
        self.marker_line = None
        for event in events:
            self.tally.events += 1
            self.tally.count(_name(event))
            if isinstance(event, Marker):
                self.marker_line = number
            yield Record(number, frame.time, frame.thread, frame.process, frame.cpu, event)

    def events(self, frame: Frame) -> list[Event] | None:
        """What the message of a line says; None when it has no known form."""
        event = parse_message(frame.message)
        return None if event is None else [event]

    def no_event(self, line: bytes) -> tuple[int | None, Gap] | Literal["known", "unknown"]:
        """What a line without such columns is: events that were lost (with the CPU), something of the format, or nothing known."""
        raise NotImplementedError

    def _name_with_line_end(self, text: bytes) -> Frame | None:
        """A task name may contain line ends: the line and the next ones together have the name in its columns then."""
        if len(text) >= self.columns or not self.columns:
            return None
        taken: list[tuple[int, bytes]] = []
        joined = text
        while len(joined) < self.columns and (line := self._following()) is not None:
            taken.append(line)
            joined += b"\n" + line[1]
        frame = self.parse(joined)
        if frame is None:
            self.ahead.extendleft(reversed(taken))
        return frame

    def _whole_string(self, text: bytes) -> Frame | None:
        """The line with the following ones, up to where the quoted string of its message ends; None when it does not end."""
        taken: list[tuple[int, bytes]] = []
        joined = text
        while len(joined) < _LONGEST_STRING and len(taken) < _MOST_JOINED and (line := self._following()) is not None:
            taken.append(line)
            joined += b"\n" + line[1]
            if b'"' in line[1]:
                frame = self.parse(joined)
                if frame is not None and not unfinished(frame.message):
                    return frame
        self.ahead.extendleft(reversed(taken))
        return None

    def _other_line(self, number: int, text: bytes) -> Iterator[Record]:
        """The gap that the line reports, if it does; counts everything else."""
        found = self.no_event(text)
        if isinstance(found, tuple):
            yield Record(number, None, None, None, *found)
        elif found == "unknown":
            if self.marker_line is not None:
                text_of_note = "a marker with line ends was written here: a program can write lines that look like events that way"
                self.tally.remark(Note("LUO709", self.marker_line, text_of_note))
                self.marker_line = None
            self.tally.skip(number, text)


class _FtraceReader(LineReader):
    def __init__(self, capture: Capture, layout: str, tally: Tally) -> None:
        self.skip = boring(tally.wanted) if layout == "ftrace" and tally.wanted is not None else None
        self.beginnings: Counter[bytes] = Counter()  # of the messages that were only counted
        super().__init__(capture, tally, LAYOUTS[layout], NAME_COLUMNS[layout])
        self.graph = layout == "ftrace function_graph"
        if layout == MOVED:
            text = "the columns are not those of the kernel: who made a call is told by the form of a line, which the name of a task can imitate"
            tally.remark(Note("LUO714", None, text))

    def lines(self, capture: Capture) -> Iterator[tuple[int, bytes]]:
        if self.skip is None or capture.quoted:
            yield from super().lines(capture)
            return
        for first, block in capture.blocks():
            read = 0  # lines of the block that are dealt with
            if not self.exact and len(block) <= LONGEST_LINE:
                found = apart(self.skip, block)
                done = 0
                for index, run in [*found.others, (len(found.times), b"")]:
                    if index > done and not self._counted(found.times[done:index], found.beginnings[done:index]):
                        self.exact = True
                        break
                    read += index - done
                    done = index
                    for text in run.split(b"\n")[:-1]:
                        yield first + read, capture.line(first + read, text)
                        read += 1
                        if self._all_wanted():
                            break
                    if self._all_wanted():
                        break
            rest = block.split(b"\n")[read:-1] if self._all_wanted() or not read else []
            self.exact = self._all_wanted() and not rest
            for number, text in enumerate(rest, first + read):
                yield number, capture.line(number, text)
            self.tally.lines = first + read + len(rest) - 1
        self._name_counted()

    def _all_wanted(self) -> bool:
        """Was a line read from ahead, so that no line may be left out?  This changes whenever a line is given out."""
        return self.exact

    def _counted(self, times: list[bytes], beginnings: list[bytes]) -> bool:
        """Counts events that nothing here is interested in; False when their times have to be looked at."""
        latest = steady(times, self.latest, BACKWARDS)
        if latest is None:
            return False
        self.latest, self.marker_line = latest, None
        self.tally.events += len(times)
        self.beginnings.update(beginnings)
        if len(self.beginnings) > MOST_NAMES:
            self._name_counted()
        return True

    def _name_counted(self) -> None:
        for beginning, count in self.beginnings.items():
            self.tally.count(name_of(beginning), count)
        self.beginnings.clear()

    def events(self, frame: Frame) -> list[Event] | None:
        return parse_graph_message(frame.message) if self.graph else super().events(frame)

    def no_event(self, line: bytes) -> tuple[int | None, Gap] | Literal["known", "unknown"]:
        stripped = line.strip()
        match = _LOST.fullmatch(stripped)
        if match is not None:
            return int(match.group(1)), Gap(int(match.group(2)) if match.group(2) else None, "the recorder lost events")
        match = _STARTED.fullmatch(stripped)
        if match is not None:
            return int(match.group(1)), Gap(None, "older events of this CPU were overwritten", True)
        if stripped.startswith(b"#"):
            match = _WRITTEN.fullmatch(stripped)
            if match is not None and int(match.group(2)) > int(match.group(1)):
                count = int(match.group(2)) - int(match.group(1))
                return None, Gap(count, "the oldest events were overwritten", True)
            return "known"
        if not stripped or stripped.startswith((b"=> ", b"** ")) or (self.graph and stripped.strip(b"-") == b""):
            return "known"
        banner = self.graph and b" => " in stripped  # of a task switch
        return "known" if banner else "unknown"


def _name(event: Event) -> str:
    match event:
        case Enter(syscall=name, source=source) if source == "raw":
            return "raw sys_enter" if name else "raw"
        case Enter(syscall=name):
            return f"sys_enter_{name}"
        case Exit(syscall=name, source=source):
            return "raw sys_exit" if source == "raw" else f"sys_exit_{name}"
        case Hit(name=name, function=function):
            return function if name == "function" else name
        case Other(name=name):
            return name
    return type(event).__name__.lower()
