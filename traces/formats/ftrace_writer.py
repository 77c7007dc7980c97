"""Records as ftrace text, in any layout of the kernel's display options: what `ftrace_text` reads back as the same records.

The text has no place for everything that a record can carry; what is left out is counted and never replaced by something made up.
Records have no names of tasks, so a name is `<...>`, as the kernel prints one that it does not know, unless one is given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from luocheck.traces.formats.ftrace_layouts import LAYOUTS, Columns, Layout
from luocheck.traces.formats.ftrace_text import BACKWARDS
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Gap, Hit, Marker, Other, Record, Value
from luocheck.traces.syscalls import X86_64

_LARGEST = 1 << 64
_MASK = _LARGEST - 1
_LONGEST_STRING = 3000
"""Bytes of a string that the reader surely finds the end of, whatever is in it."""

_NUMBERS = {name: number for number, name in X86_64.items()}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,127}")
_EVENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.:]{0,127}")
_SYSCALL = re.compile(r"[a-z0-9_]{1,64}")
_NUMBERED = re.compile(r"nr(\d{1,9})")

_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "ioctl": ("fd", "cmd", "arg"),
    "open": ("filename", "flags", "mode"),
    "creat": ("filename", "mode"),
    "openat": ("dfd", "filename", "flags", "mode"),
    "openat2": ("dfd", "filename", "how", "usize"),
    "close": ("fd",),
    "reboot": ("magic1", "magic2", "cmd", "arg"),
}
"""Names of arguments as the kernel prints them; the others are called a0, a1, ..: readers go by the position."""

_TYPES = {"fd": "unsigned int", "cmd": "unsigned int", "filename": "const char *", "flags": "int", "dfd": "int", "mode": "umode_t"}
"""Types of arguments that are no `unsigned long`."""

_HEXADECIMAL = frozenset({"cmd", "token"})
"""Fields of the recipes with the types x32 and x64."""


@dataclass(slots=True)
class FtraceWriter:
    """Writes records as lines without their ends.  left_out: what the text could not say, and how often.

    layout: one of LAYOUTS.  names: of tasks, by thread.  Records without a time get a counter for a clock when the first of them has none,
    and the time of the record before otherwise.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    layout: Layout = LAYOUTS["exact"]
    names: Mapping[int, bytes] = field(default_factory=dict)
    _latest: int | None = None
    _counting: bool | None = None  # the clock is a counter
    _count: int = 0

    def lines(self, records: Iterable[Record]) -> Iterator[bytes]:
        """The lines of a trace, the header first."""
        yield b"# tracer: nop"
        yield b"#"
        yield self.layout.header
        for record in records:
            yield from self._record(record)

    def _record(self, record: Record) -> Iterator[bytes]:
        if isinstance(record.event, Gap):
            yield from self._gap(record, record.event)
            return
        message = self._message(record, record.event)
        if message is None:
            return
        thread = record.event.thread if isinstance(record.event, Ended) and record.thread is None else record.thread
        if thread is None or not 0 <= thread < 10**10:
            self.left_out["an event without a task"] += 1
            return
        process = record.process if record.process is not None and 0 <= record.process < 10**10 else None
        cpu = record.cpu if record.cpu is not None and 0 <= record.cpu < 10**6 else 0
        time = self._time(record.time)
        comm = self.names.get(thread, b"<...>")
        columns = Columns(self._count, comm, thread, process, cpu, time, self._counting or self.layout.counts)
        yield self.layout.line(columns, message)

    def _time(self, time: int | None) -> int:
        if self._counting is None:
            self._counting = time is None
        self._count += 1
        if self._counting or self.layout.counts:
            if time is not None:
                self.left_out["a time after events without one" if self._counting else "the time of an event"] += 1
            return self._count
        if time is None or not 0 <= time < _LARGEST:
            self.left_out["that an event has no time"] += 1
            time = self._latest or 0
        self._latest = time
        return time

    def _gap(self, record: Record, gap: Gap) -> Iterator[bytes]:
        if record.time is not None and self._latest is not None and self._latest - record.time > BACKWARDS:
            return  # the reader sees the clock going back
        cpu = record.cpu or 0
        if gap.start and gap.count is not None:
            yield b"# entries-in-buffer/entries-written: 0/%d   #P:1" % gap.count
        elif gap.start:
            yield b"##### CPU %d buffer started ####" % cpu
        elif gap.count is not None:
            yield b"CPU:%d [LOST %d EVENTS]" % (cpu, gap.count)
        else:
            yield b"CPU:%d [LOST EVENTS]" % cpu

    # ---- messages ------------------------------------------------------------------------------------------------

    def _message(self, record: Record, event: Event) -> bytes | None:
        match event:
            case Enter():
                return self._enter(event)
            case Exit():
                return self._exit(event)
            case Hit():
                return self._hit(event)
            case Forked(parent=parent, child=child):
                if parent not in (None, record.thread):
                    self.left_out["a task whose parent is not the task of the event"] += 1
                    return None
                return b"sched_process_fork: comm=<...> pid=%d child_comm=<...> child_pid=%d" % (record.thread or 0, child)
            case Executed():
                return b"sched_process_exec: filename=? pid=%d old_pid=%d" % (record.thread or 0, record.thread or 0)
            case Ended(thread=thread, last=last):
                dead = b"" if last is None else b" group_dead=true" if last else b" group_dead=false"
                return b"sched_process_exit: comm=<...> pid=%d prio=120%s" % (thread, dead)
            case Marker(text=text):
                first, *more = text.split(b"\n", 1)
                if more:
                    self.left_out["the further lines of a marker"] += 1
                return b"tracing_mark_write: " + first
            case Other(name=name) if _EVENT.fullmatch(name) and not name.startswith("sys_"):
                return name.encode() + b": "
        self.left_out["an event whose name is none of the kernel's"] += 1
        return None

    def _enter(self, event: Enter) -> bytes | None:
        if any(link is not None for link in event.links):
            self.left_out["where a descriptor leads to"] += 1
        if event.struct is not None:
            self.left_out["a struct behind a pointer"] += 1
        values = [value & _MASK for value in event.arguments]
        number = self._raw_number(event.syscall)
        if event.source == "raw" and number is not None and event.path is None:
            return b"sys_enter: NR %d (%s)" % (number, b", ".join(b"%x" % value for value in values[:6]))
        if not _SYSCALL.fullmatch(event.syscall):
            self.left_out["an event whose name is none of the kernel's"] += 1
            return None
        names = _ARGUMENTS.get(event.syscall, ())
        path = event.path
        if path is not None and (min(path, default=32) < 32 or b'"' in path or "filename" not in names):
            self.left_out["a path"] += 1
            path = None
        place = names.index("filename") if path is not None else -1
        values += [0] * (place + 1 - len(values))
        shown = []
        for i, value in enumerate(values):
            name = names[i] if i < len(names) else f"a{i}"
            kind = b"%s " % _TYPES.get(name, "unsigned long").encode() if self.layout.typed else b""
            text = b"%s%s: 0x%x" % (kind, name.encode(), value)
            shown.append(text + b' "%s"' % path if i == place and path is not None else text)
        return b"sys_%s(%s)" % (event.syscall.encode(), b", ".join(shown))

    def _exit(self, event: Exit) -> bytes | None:
        if event.link is not None:
            self.left_out["where a descriptor leads to"] += 1
        if event.struct is not None:
            self.left_out["a struct behind a pointer"] += 1
        number = None if event.syscall is None else self._raw_number(event.syscall)
        if event.source == "raw" and number is not None:
            return b"sys_exit: NR %d = %d" % (number, event.result)
        if event.syscall is None or not _SYSCALL.fullmatch(event.syscall):
            self.left_out["a return without the name of its call"] += 1
            return None
        return b"sys_%s -> 0x%x" % (event.syscall.encode(), event.result & _MASK)

    def _raw_number(self, syscall: str) -> int | None:
        if syscall in _NUMBERS:
            return _NUMBERS[syscall]
        match = _NUMBERED.fullmatch(syscall)
        return None if match is None else int(match.group(1))

    def _hit(self, hit: Hit) -> bytes | None:
        if not _EVENT.fullmatch(hit.name) or not _SYMBOL.fullmatch(hit.function):
            self.left_out["an event whose name is none of the kernel's"] += 1
            return None
        function, caller = hit.function.encode(), None if hit.caller is None else hit.caller.encode()
        if hit.name == "function" and not hit.returns and caller is not None:
            fields = [b"%s=%s" % each for each in self._fields(hit, strings=False)]
            return b"%s(%s) <-%s" % (function, b", ".join(fields), caller)
        if hit.returns:
            where = b"%s <- %s" % (b"0x0" if caller is None else caller + b"+0x0/0x0", function)
        else:
            where = function if "." in hit.function else function + b"+0x0/0x0"
        shown = b"".join(b" %s=%s" % each for each in self._fields(hit))
        return b"%s: (%s)%s" % (hit.name.encode(), where, shown)

    def _fields(self, hit: Hit, *, strings: bool = True) -> Iterator[tuple[bytes, bytes]]:
        for name, value in hit.fields.items():
            text = _field(value, hexadecimal=name in _HEXADECIMAL) if strings or isinstance(value, int) else None
            if text is None or not _WORD.fullmatch(name):
                self.left_out["a field of a probe"] += 1
                continue
            strings = strings and not isinstance(value, bytes)  # a second string could not be told from the first
            yield name.encode(), text


def _field(value: Value, *, hexadecimal: bool = False) -> bytes | None:
    if value is None:
        return b"(fault)"
    if isinstance(value, int):
        if hexadecimal and 0 <= value < _LARGEST:
            return b"0x%x" % value
        return b"%d" % value if -_LARGEST < 2 * value < _LARGEST else b"0x%x" % value if 0 <= value < _LARGEST else None
    if len(value) > _LONGEST_STRING or b"\r\n" in value or value.count(b"\n") > 40:
        return None
    return b'"%s"' % value
