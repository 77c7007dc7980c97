"""Records as the output of `strace -f -y -ttt -T`: what `strace_text` reads back as the same calls.

strace shows system calls only.  Probes, markers, and births of tasks without the call that made them have no place there; they are counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from luocheck.model.errnos import GENERIC, INTERNAL, NAMES
from luocheck.traces.formats.strace_line import LARGEST_TASK
from luocheck.traces.records import Ended, Enter, Executed, Exit, Forked, Gap, Other, Record, Struct, Value
from luocheck.traces.syscalls import EXECS, FORKS, OPENERS

_SECOND = 10**9
_DAY = 86400 * _SECOND
_SYSCALL = re.compile(r"[a-z_][a-z0-9_]{0,63}")
_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_RESTARTS = {-INTERNAL[name]: name for name in ("ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK")}
_ERROR = 4096


@dataclass(slots=True)
class _Open:
    """A call of a task whose return is still to come.  printed: its first half stands in the file."""

    enter: Enter
    time: int | None
    text: bytes
    printed: bool = False


@dataclass(slots=True)
class StraceWriter:
    """Writes records as lines without their ends.  left_out: what the text could not say, and how often."""

    left_out: Counter[str] = field(default_factory=Counter)
    _calls: dict[int, _Open] = field(default_factory=dict)
    _last: int | None = None  # the task whose call has only been begun, and may still be printed in one piece

    def lines(self, records: Iterable[Record]) -> Iterator[bytes]:
        for record in records:
            yield from self._record(record)
        yield from self._interrupt()

    def _record(self, record: Record) -> Iterator[bytes]:
        thread, event = record.thread, record.event
        if isinstance(event, Gap):
            self.left_out["that events are missing"] += 1
            return
        if isinstance(event, Ended):
            thread = event.thread
        if thread is None or not 0 <= thread <= LARGEST_TASK:
            self.left_out["an event without a task"] += 1
            return
        match event:
            case Enter():
                yield from self._enter(record, thread, event)
            case Exit():
                yield from self._exit(record, thread, event)
            case Ended():
                yield from self._interrupt()
                self._calls.pop(thread, None)
                yield self._prefix(thread, record.time) + b"+++ exited with 0 +++"
            case Forked() if thread in self._calls and self._calls[thread].enter.syscall in FORKS:
                pass  # the return of the call says it
            case Executed() if thread in self._calls and self._calls[thread].enter.syscall in EXECS:
                pass
            case Other():
                self.left_out["events that are no system calls that matter here"] += 1
            case _:
                self.left_out[f"{_WHAT.get(type(event).__name__, 'an event')}"] += 1

    def _prefix(self, thread: int, time: int | None) -> bytes:
        """The task and the time: of the day, or since 1970 when it is that large.  A time in between strace would never print."""
        if time is not None and not 0 <= time < 10**12 * _SECOND:
            time = None
        if time is None:
            return b"%-5d " % thread
        if _DAY <= time < LARGEST_TASK * _SECOND:
            self.left_out["the time of an event"] += 1
            return b"%-5d " % thread
        seconds, fraction = divmod(time, _SECOND)
        if time >= _DAY:
            return b"%-5d %d.%09d " % (thread, seconds, fraction)
        return b"%-5d %02d:%02d:%02d.%09d " % (thread, seconds // 3600, seconds // 60 % 60, seconds % 60, fraction)

    def _interrupt(self) -> Iterator[bytes]:
        """Something else comes between a call and its return: the first half is printed now."""
        if self._last is not None:
            call = self._calls[self._last]
            call.printed = True
            yield self._prefix(self._last, call.time) + call.text + b" <unfinished ...>"
            self._last = None

    def _enter(self, record: Record, thread: int, event: Enter) -> Iterator[bytes]:
        yield from self._interrupt()
        if not _SYSCALL.fullmatch(event.syscall):
            self.left_out["a call without a name"] += 1
            return
        if (
            thread in self._calls
            and self._calls[thread].enter.syscall == event.syscall
            and self._calls[thread].enter.source != event.source
        ):
            return  # the same call, from another family of events
        self._calls[thread] = _Open(event, record.time, self._begun(event))
        self._last = thread

    def _exit(self, record: Record, thread: int, event: Exit) -> Iterator[bytes]:
        call = self._calls.get(thread)
        if call is not None and event.syscall in (None, call.enter.syscall):
            if call.enter.source != event.source:
                return
            del self._calls[thread]
            returned = _returned(event) + self._duration(call.time, record.time)
            after = b"" if event.struct is None or call.enter.syscall != "ioctl" else self._struct_after(call, event.struct)
            if self._last == thread:
                self._last = None
                yield self._prefix(thread, call.time) + call.text + after + b") = " + returned
                return
            yield from self._interrupt()
            yield self._prefix(thread, record.time) + b"<... %s resumed>%s) = %s" % (call.enter.syscall.encode(), after, returned)
            return
        yield from self._interrupt()
        if event.syscall is None or not _SYSCALL.fullmatch(event.syscall):
            self.left_out["a return without the name of its call"] += 1
            return
        yield self._prefix(thread, record.time) + b"<... %s resumed>) = %s" % (event.syscall.encode(), _returned(event))

    def _duration(self, begin: int | None, end: int | None) -> bytes:
        if begin is None or end is None or end < begin:
            return b""
        return b" <%d.%09d>" % divmod(end - begin, _SECOND)

    # ---- arguments -----------------------------------------------------------------------------------------------

    def _begun(self, event: Enter) -> bytes:
        """The call up to its last argument, without the closing parenthesis."""
        parts = [_argument(event, i, value) for i, value in enumerate(event.arguments)]
        if event.syscall in OPENERS:
            place = 0 if event.syscall in ("open", "creat") else 1
            path = b"NULL" if event.path is None else _quoted(event.path)
            if event.path is None and len(parts) <= place:
                parts += [b"0"] * (place - len(parts))
            if event.path is not None or len(parts) <= place:
                parts = [*parts[:place], *[b"AT_FDCWD"] * (place - len(parts)), path, *parts[place + 1 :]]
        elif event.syscall == "clone" and event.arguments:
            parts = [b"child_stack=NULL", b"flags=0x%x" % event.arguments[0]]
        elif event.syscall == "clone3":
            parts = [self._struct(event.struct)] if event.struct is not None else parts
        elif event.syscall == "ioctl" and event.struct is not None:
            parts = [*parts[:2], self._struct(event.struct)]
        return event.syscall.encode() + b"(" + b", ".join(parts)

    def _struct_after(self, call: _Open, struct: Struct) -> bytes:
        if call.enter.struct is not None:
            return b" => " + self._struct(struct) if struct != call.enter.struct else b""
        self.left_out["a struct after a call whose struct before it is not known"] += 1
        return b""

    def _struct(self, struct: Struct) -> bytes:
        if isinstance(struct, Mapping):
            parts = []
            for name, value in struct.items():
                text = _value(value)
                if text is None or not _MEMBER.fullmatch(name):
                    self.left_out["a member of a struct"] += 1
                    continue
                parts.append(name.encode() + b"=" + text)
            return b"{" + b", ".join(parts) + b"}"
        self.left_out["the bytes of a struct"] += 1
        return b"0"


_WHAT = {
    "Hit": "probes and traced functions",
    "Marker": "markers",
    "Forked": "the birth of a task without the call that made it",
    "Executed": "that a task runs another program, without the call",
}


def _argument(event: Enter, place: int, value: int) -> bytes:
    link = event.links[place] if place < len(event.links) else None
    low = value & 0xFFFFFFFF
    if place == 0 and event.syscall not in ("reboot", "open", "creat"):
        number = b"AT_FDCWD" if low == 0xFFFFFF9C else b"%d" % (low - (1 << 32) if low >> 31 else low)
        return number if link is None else number + _link(link)
    return b"0x%x" % value if value else b"0"


def _link(link: bytes) -> bytes:
    return b"<" + _escaped(link, b"<>") + b">"


def _quoted(text: bytes) -> bytes:
    return b'"' + _escaped(text, b'"') + b'"'


def _escaped(text: bytes, special: bytes) -> bytes:
    return b"".join(bytes([c]) if 32 <= c < 127 and c not in special and c != 92 else b"\\%03o" % c for c in text)


def _value(value: Value) -> bytes | None:
    match value:
        case int():
            return b"%d" % value if -(1 << 20) < value < 1 << 16 else b"0x%x" % value if value >= 0 else None
        case bytes():
            return _quoted(value)
    return None


def _returned(event: Exit) -> bytes:
    if event.result in _RESTARTS:
        return b"? " + _RESTARTS[event.result].encode() + b" (To be restarted)"
    if -_ERROR < event.result < 0:
        name = NAMES.get(-event.result)
        known = name is not None and (name in GENERIC or name in INTERNAL)
        return b"-1 %s (%s)" % (name.encode(), name.encode()) if known and name else b"-1 (errno %d)" % -event.result
    return b"%d" % event.result + (b"" if event.link is None else _link(event.link))
