"""The output of strace as records: an entry and a return of each system call that matters here.

A call that other tasks interrupt on the terminal or in the file stands there in two halves, `<unfinished ...>` and `<... resumed>`.
strace stops a task at its entry and again at its return, so the order of lines is an order in which both were seen.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from luocheck.traces.call import Note
from luocheck.traces.formats.births import Births
from luocheck.traces.formats.strace_clock import StraceClock
from luocheck.traces.formats.strace_line import begun, parse_line, resumed
from luocheck.traces.formats.strace_parts import children_missing, is_part, lone_part, task_of
from luocheck.traces.formats.strace_values import Result, arguments, is_symbol, link, number, result, string, structs
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Gap, Other, Record, Struct, Tally
from luocheck.traces.source import Capture
from luocheck.traces.syscalls import EXECS, FORKS, OPENERS, X86_64

SOURCE = "strace"
_RELEVANT = frozenset(X86_64.values())
_ATTACHED = re.compile(
    rb"(.*)strace: (?:\[ )?Process (?:PID=)?(\d{1,10})(?:<[^<>]{0,200}>)? (?:attached|detached)(?: \])?", re.DOTALL
)
_BITS = re.compile(rb"(?:strace: )?\[ Process PID=(\d{1,10}) runs in (32 bit|x32) mode\. \]")
_SUPERSEDED = re.compile(rb"\+\+\+ superseded by execve in pid (\d{1,10})(?:<[^<>]{0,200}>)? \+\+\+")
_PIDS = re.compile(rb"^\[pid +(\d{1,10})", re.MULTILINE)
_BORN = re.compile(rb"(?:strace: Process (\d{1,10})|\) += (\d{1,10})$)", re.MULTILINE)
_LONGEST_HALF = 1 << 16
_RENAMED = re.compile(rb"<pid changed to \d{1,10} \.\.\.>\Z")
"""The call of execve by a thread that goes on as the first one of its process; strace says so in a file of -ff."""
_UNFINISHED, _DETACHED = b"<unfinished ...>", b"<detached ...>"
_NOTES = {
    "injected": ("LUO721", "results that strace made up (INJECTED); the kernel was not asked, so they are not counted as calls"),
    "altered": ("LUO721", "calls that strace delayed, or whose memory it changed; their results are the kernel's"),
    "cut": ("LUO706", "calls that are cut off in the middle; what is missing of them is not known"),
    "errno": ("LUO706", "results with an errno that has no number here; they are left out"),
    "command": ("LUO706", "ioctls with a symbolic number that is not known here; `strace -X raw` prints the number itself"),
    "bits": ("LUO711", "processes in 32 bit mode; their structs and numbers are read as those of 64 bits"),
}


def read_strace(capture: Capture, name: str, tally: Tally) -> Iterator[Record]:
    """Records of the capture in the order of its lines; what is no event is counted in `tally`."""
    reader = _Reader(capture, tally)
    alone = lone_part(capture)
    if alone is not None:
        tally.notes.append(alone)
    records = reader.births.arranged(reader.records())
    yield from _without_children(records, tally) if alone is None and is_part(capture) else records
    tally.notes.extend(reader.notes())


def _without_children(records: Iterator[Record], tally: Tally) -> Iterator[Record]:
    """The records of a file of `strace -ff`, in which children are not: a note says so."""
    told = False
    for record in records:
        if isinstance(record.event, Forked) and not told:
            tally.notes.append(children_missing([record.event.child]))
            told = True
        yield record


@dataclass(slots=True)
class _Half:
    """A call whose second half is still to come, and the text of the first."""

    syscall: str
    text: bytes


class _Reader:
    def __init__(self, capture: Capture, tally: Tally) -> None:
        self.capture, self.tally = capture, tally
        self.births = Births()
        self.clock = StraceClock()
        self.halves: dict[int, _Half] = {}
        self.alive: dict[int, None] = {}
        self.leader = _leader(capture)
        self.carried = b""  # the beginning of a line that a message of strace's own cut in two
        self.detached = False
        self.counts: Counter[str] = Counter()
        self.first_line: dict[str, int] = {}

    def records(self) -> Iterator[Record]:
        for line, text in self.capture.lines():
            self.tally.lines = line
            if text.startswith(b"% time "):  # the summary that -C prints at the end
                return
            cut = _ATTACHED.fullmatch(text)
            if cut is not None:
                self.carried += cut.group(1)
                continue
            text, self.carried = self.carried + text, b""
            if not text or text.startswith(b" > "):  # a frame of -k
                continue
            yield from self._line(line, text)

    def notes(self) -> Iterator[Note]:
        for what, count in self.counts.items():
            code, text = _NOTES[what]
            yield Note(code, self.first_line[what], f"{text}: {count}")

    def _count(self, what: str, line: int) -> None:
        self.counts[what] += 1
        self.first_line.setdefault(what, line)

    # ---- one line ------------------------------------------------------------------------------------------------

    def _line(self, line: int, text: bytes) -> Iterator[Record]:
        if _BITS.fullmatch(text):
            self._count("bits", line)
            return
        frame = parse_line(text)
        if frame is None:
            self.tally.skip(line, text)
            return
        thread, body = self._thread(frame.thread), frame.body
        call, half = begun(body), resumed(body)
        ended = body.startswith((b"+++ exited with ", b"+++ killed by ")) and body.endswith(b" +++")
        signal = body.startswith(b"--- ") and body.endswith(b" ---")
        superseded = _SUPERSEDED.fullmatch(body)
        if body.startswith(_DETACHED):
            self.detached = True
            return
        if call is None and half is None and not (ended or signal or superseded):
            self.tally.skip(line, text)
            return
        time, again = self.clock.time(frame.clock, frame.time)
        if again or (self.detached and not body.endswith(_DETACHED)):
            reason = "the clock goes backwards: another recording, or another boot, begins here"
            yield Record(line, time, None, None, None, Gap(None, reason if again else "strace left tasks that it had recorded"))
            self.detached = False
        self.alive[thread] = None
        if call is not None:
            yield from self._begin(line, time, thread, *call)
        elif half is not None:
            yield from self._resume(line, time, thread, *half)
        elif ended:
            del self.alive[thread]
            self.halves.pop(thread, None)
            yield self._record(line, time, thread, Ended(thread, self.births.ended(thread)), "exit of a task")
        elif superseded is not None:
            yield from self._superseded(line, time, thread, int(superseded.group(1)))
        else:
            yield self._record(line, time, thread, Other("signal"), "signal")

    def _thread(self, shown: int | None) -> int:
        if shown is not None:
            return shown
        return next(iter(self.alive)) if len(self.alive) == 1 else self.leader

    def _record(self, line: int, time: int | None, thread: int, event: Event, name: str) -> Record:
        self.tally.events += 1
        self.tally.count(name)
        return Record(line, time, thread, None, None, event)

    def _superseded(self, line: int, time: int | None, leader: int, caller: int) -> Iterator[Record]:
        """A thread called execve: it goes on under the id of the leader, and all others are gone."""
        self.alive.pop(caller, None)
        self.halves.pop(caller, None)
        self.births.ended(caller)
        yield self._record(line, time, caller, Ended(caller, False), "exit of a task")
        yield self._record(line, time, leader, Executed(), "execve")

    # ---- calls ---------------------------------------------------------------------------------------------------

    def _begin(self, line: int, time: int | None, thread: int, syscall: str, text: bytes) -> Iterator[Record]:
        self.halves.pop(thread, None)
        text = _RENAMED.sub(_UNFINISHED, text)
        split = text.endswith(_UNFINISHED)
        left = not split and text.endswith(_DETACHED)
        if split or left:
            text = text.removesuffix(_UNFINISHED).removesuffix(_DETACHED).rstrip(b" ")
            self.detached |= left
        if syscall not in _RELEVANT:
            if split:
                self.halves[thread] = _Half(syscall, b"")
            yield self._record(line, time, thread, Other(syscall), syscall)
            return
        given, end = arguments(text)
        if split or left:
            if split:
                self.halves[thread] = _Half(syscall, text[:_LONGEST_HALF])
            before = self._structs(syscall, given)[0] if split else None
            yield self._record(line, time, thread, self._enter(line, syscall, given, before), syscall)
            return
        found = None if end is None else result(text[end:])
        if found is None or self._is_cut(line, found):
            self._count("cut", line)
            if end is None and given and not self._is_whole(syscall, given[-1]):
                given.pop()
            yield self._record(line, time, thread, self._enter(line, syscall, given, None), syscall)
            return
        if found.changed:
            self._count("injected", line)
            return
        before, after = self._structs(syscall, given)
        yield self._record(line, time, thread, self._enter(line, syscall, given, before), syscall)
        over = None if time is None or found.duration is None else time + found.duration
        yield from self._return(line, over, thread, syscall, found, after)

    def _resume(self, line: int, time: int | None, thread: int, syscall: str, text: bytes) -> Iterator[Record]:
        half = self.halves.pop(thread, None)
        if half is not None and half.syscall == syscall:
            text = half.text + text
        elif half is not None:
            half = None
        if syscall not in _RELEVANT:
            return
        if text.endswith(_UNFINISHED):  # it was killed: `<... name resumed> <unfinished ...>) = ?` has no end either
            return
        given, end = arguments(text)
        found = None if end is None else result(text[end:])
        if found is None or self._is_cut(line, found):
            self._count("cut", line)
            return
        if found.changed:
            self._count("injected", line)
            yield Record(line, time, None, None, None, Gap(None, "strace made up the result of this call"))
            return
        yield from self._return(line, time, thread, syscall, found, self._structs(syscall, given)[1] if half is not None else None)

    def _return(
        self, line: int, time: int | None, thread: int, syscall: str, found: Result, struct: Struct | None
    ) -> Iterator[Record]:
        if found.altered:
            self._count("altered", line)
        if found.value is None:
            if found.unknown:
                self._count("errno", line)
            return
        if syscall in FORKS and found.value > 0:
            yield from self.births.born(line, time, thread, found.value)
        where = found.link if syscall in OPENERS else None
        self.tally.events += 1
        yield Record(line, time, thread, None, None, Exit(syscall, found.value, SOURCE, where, struct))

    def _enter(self, line: int, syscall: str, given: list[bytes], struct: Struct | None) -> Enter:
        links = tuple(link(text) for text in given[:1])
        path = None
        if syscall in OPENERS:
            place = 0 if syscall in ("open", "creat") else 1
            path = _path(given[:place], given[place : place + 1])
            given = given[:place]
        elif syscall == "clone":
            flags = next((text.removeprefix(b"flags=") for text in given if text.startswith(b"flags=")), b"")
            given = [flags]
        elif syscall == "clone3":
            struct, given = structs(given[0])[0] if given else None, []
        elif syscall in EXECS:
            given = []
        values: list[int] = []
        for text in given[:6]:
            value = number(text)
            if value is None:
                if syscall == "ioctl" and len(values) == 1:
                    self._count("command", line)
                break
            values.append(value & (1 << 64) - 1)
        return Enter(syscall, tuple(values), SOURCE, path, links if any(links) else (), struct)

    def _structs(self, syscall: str, given: list[bytes]) -> tuple[Struct | None, Struct | None]:
        return structs(given[2]) if syscall == "ioctl" and len(given) > 2 else (None, None)

    def _is_cut(self, line: int, found: Result) -> bool:
        """Can digits of the result be missing, because the file ends right behind it?"""
        return line == self.capture.open_end and not found.whole and found.value not in (0, None)

    def _is_whole(self, syscall: str, text: bytes) -> bool:
        """Is the last argument of a line that is cut off complete?"""
        return is_symbol(text) or (syscall == "reboot" and len(text) == len(b"0x45584543"))


def _path(directory: list[bytes], shown: list[bytes]) -> bytes | None:
    """The path of a call that opens one, from the root; None where that is not known."""
    path = string(shown[0]) if shown else None
    if path is None or path.startswith(b"/"):
        return path
    base = link(directory[0]) if directory else None
    return None if base is None else posixpath.normpath(posixpath.join(base, path))


def _leader(capture: Capture) -> int:
    """The task that lines without an id are about: the suffix of a file of -ff, or the first one that nobody created; 0 when unknown."""
    named = task_of(capture.name)
    if named is not None:
        return named
    head = capture.beginning()
    attached = re.match(rb"strace: Process (\d{1,10}) attached\n", head)
    if attached is not None:
        return int(attached.group(1))
    born = {number for pair in _BORN.findall(head) for number in pair if number}
    return next((int(pid) for pid in _PIDS.findall(head) if pid not in born), 0)
