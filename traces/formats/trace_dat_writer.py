"""Writes records as a trace.dat, version 6 or 7, that trace-cmd reads as well: for round trips and for large recordings.

Kinds of events: system calls (with the path of those that open one), probes, beginning and end of tasks, markers; gaps become lost events of
the next page of their CPU.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from luocheck.traces.compression import LACKING, Unpacking, zstd_module
from luocheck.traces.formats.trace_dat_file import MAGIC
from luocheck.traces.formats.trace_dat_probes import Probes
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Gap, Hit, Marker, Record

PAGE = 4096
"""Bytes of the pages that are written."""

_CHUNK = 16
"""Pages that are packed together."""

_COMMON = (
    "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
    "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
    "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
    "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
)
_PRINT = 5
_FIRST = 300
_PATHS = ("open", "openat", "openat2", "creat")


@dataclass(frozen=True, slots=True)
class Style:
    """How a file is written.  version: 6 or 7.  packing: of version 7, `none`, `zlib` or `zstd`.  order: `<` or `>`.  word: 4 or 8."""

    version: int = 7
    packing: str = "none"
    order: str = "<"
    word: int = 8
    machine: str = "x86_64"
    clock: str = "local"


@dataclass(slots=True)
class _Kind:
    """system, name and fields (declaration, size, signed) of a kind of event."""

    number: int
    system: str
    name: str
    fields: list[tuple[str, int, int]]
    shown: str

    def text(self) -> bytes:
        lines, place = [], 8
        for declared, size, signed in self.fields:
            place += -place % max(size, 1)
            lines.append(f"\tfield:{declared};\toffset:{place};\tsize:{size};\tsigned:{signed};\n")
            place += size
        return f"name: {self.name}\nID: {self.number}\nformat:\n{_COMMON}{''.join(lines)}\nprint fmt: {self.shown}\n".encode()


@dataclass(slots=True)
class Pages:
    """Pages of one CPU while they are filled: with data of records, which begin with the eight bytes that all events have."""

    order: str
    word: int
    done: list[bytes] = field(default_factory=list)
    start: int = 0
    latest: int = 0
    body: bytearray = field(default_factory=bytearray)
    lost: int | None = None

    def add(self, time: int, data: bytes) -> None:
        data += bytes(-len(data) % 4)
        words = len(data) // 4
        if 8 + self.word + 8 + len(data) > PAGE:
            raise ValueError("an event is longer than a page")
        if time < self.latest:
            raise ValueError("the events of a CPU are not in the order of their times")
        head = self._head(time - self.latest if self.body else 0, words)
        if self.body and 8 + self.word + len(self.body) + len(head) + len(data) > PAGE:
            self.close()
        if not self.body:
            self.start, head = time, self._head(0, words)
        self.latest = time
        self.body += head + data

    def _head(self, delta: int, words: int) -> bytes:
        out = b""
        if delta >> 27:
            out = self._word(30, delta & 0x7FFFFFF) + struct.pack(f"{self.order}I", delta >> 27)
            delta = 0
        if words <= 28:
            return out + self._word(words, delta)
        return out + self._word(0, delta) + struct.pack(f"{self.order}I", words * 4 + 4)

    def _word(self, kind: int, delta: int) -> bytes:
        return struct.pack(f"{self.order}I", delta << 5 | kind if self.order == "<" else kind << 27 | delta)

    def close(self) -> None:
        """Finish the page, if something is on it."""
        if not self.body:
            return
        commit = len(self.body)
        body = bytes(self.body)
        letter = "Q" if self.word == 8 else "I"
        if self.lost is not None:
            commit |= 1 << 31
            if self.lost >= 0 and 8 + 2 * self.word + len(body) <= PAGE:
                commit |= 1 << 30
                body += struct.pack(self.order + letter, self.lost)
        page = struct.pack(f"{self.order}Q{letter}", self.start, commit) + body
        self.done.append(page.ljust(PAGE, b"\0"))
        self.body, self.lost = bytearray(), None

    def lose(self, count: int | None) -> None:
        self.close()
        self.lost = -1 if count is None else count


class _Writer:
    def __init__(self, style: Style) -> None:
        self.style = style
        self.kinds: dict[str, _Kind] = {}
        self.pages: dict[int, Pages] = {}
        self.probes = Probes(style.order, style.word)

    def add(self, record: Record) -> None:
        if record.cpu is None or record.time is None or not 0 <= record.time < 1 << 62:
            raise ValueError("a record needs a CPU and a time to be written to a trace.dat")
        pages = self.pages.setdefault(record.cpu, Pages(self.style.order, self.style.word))
        if isinstance(record.event, Gap):
            pages.lose(record.event.count)
            return
        kind, data = self._data(record.event)
        task = record.thread or 0
        head = struct.pack(f"{self.style.order}HBBi", kind, 0, 0, task)
        pages.add(record.time, head + data)

    def _data(self, event: Event) -> tuple[int, bytes]:
        order, word = self.style.order, self.style.word
        mask, letter = (1 << 8 * word) - 1, "Q" if word == 8 else "I"
        gap = bytes(word - 4)  # between the number of a call and its arguments
        match event:
            case Enter(syscall=name, arguments=arguments, path=path):
                values = (*arguments, *(0,) * (6 - len(arguments)))[:6]
                data = struct.pack(f"{order}i", 0) + gap + struct.pack(f"{order}6{letter}", *(v & mask for v in values))
                if name not in _PATHS:
                    return self._enter(name), data
                text = path + b"\0" if path is not None else b""
                where = 8 + len(data) + 4 | len(text) << 16
                return self._enter(name), data + struct.pack(f"{order}I", where) + text
            case Exit(syscall=str(name), result=result):
                return self._exit(name), struct.pack(f"{order}i", 0) + gap + struct.pack(order + letter, result & mask)
            case Forked(child=child):
                fields = [("pid_t parent_pid", 4, 1), ("pid_t child_pid", 4, 1)]
                shown = '"pid=%d child_pid=%d", REC->parent_pid, REC->child_pid'
                kind = self._kind("sched", "sched_process_fork", fields, shown)
                return kind, struct.pack(f"{order}ii", event.parent or 0, child)
            case Ended(thread=thread, last=last):
                fields = [("pid_t pid", 4, 1), ("int prio", 4, 1)] + ([("bool group_dead", 1, 0)] if last is not None else [])
                name = "sched_process_exit"
                kind = self._kind("sched", name, fields, '"pid=%d prio=%d", REC->pid, REC->prio')
                return kind, struct.pack(f"{order}ii", thread, 120) + (b"" if last is None else bytes([last]))
            case Executed():
                return self._kind("sched", "sched_process_exec", [("pid_t pid", 4, 1)], '"pid=%d", REC->pid'), bytes(4)
            case Marker(text=text):
                return _PRINT, bytes(word) + text + b"\n\0"
            case Hit() if event.name != "function":
                system, name, fields, shown, data = self.probes.event(event)
                return self._kind(system, name, fields, shown), data
        raise ValueError(f"{type(event).__name__} cannot be written to a trace.dat")

    def _enter(self, name: str) -> int:
        word = self.style.word
        fields = [("int __syscall_nr", 4, 1)]
        fields += [(f"unsigned long arg{n}" if n else "unsigned long fd", word, 0) for n in range(6)]
        if name in _PATHS:
            fields.append(("__data_loc char[] __filename_val", 4, 0))
        shown = '"fd: 0x%08lx, cmd: 0x%08lx, arg: 0x%08lx", REC->fd, REC->arg1, REC->arg2'
        return self._kind("syscalls", f"sys_enter_{name}", fields, shown)

    def _exit(self, name: str) -> int:
        fields = [("int __syscall_nr", 4, 1), ("long ret", self.style.word, 1)]
        return self._kind("syscalls", f"sys_exit_{name}", fields, '"0x%lx", REC->ret')

    def _kind(self, system: str, name: str, fields: list[tuple[str, int, int]], shown: str) -> int:
        kind = self.kinds.setdefault(f"{system}:{name}", _Kind(_FIRST + len(self.kinds), system, name, fields, shown))
        if kind.fields != fields:
            raise ValueError(f"{name} has other fields than before")
        return kind.number

    def cpus(self) -> list[list[bytes]]:
        """Pages by CPU, without a hole in the numbers."""
        for pages in self.pages.values():
            pages.close()
        return [self.pages[cpu].done if cpu in self.pages else [] for cpu in range(max(self.pages, default=-1) + 1)]

    def formats(self) -> list[tuple[str, bytes]]:
        fields = [("unsigned long ip", self.style.word, 0), ("char buf[]", 0, 0)]
        marker = _Kind(_PRINT, "ftrace", "print", fields, '"%ps: %s", (void *)REC->ip, REC->buf')
        return [(kind.system, kind.text()) for kind in (marker, *self.kinds.values())]


class _File:
    """Puts the parts of a file together."""

    def __init__(self, style: Style, formats: Iterable[tuple[str, bytes]], kallsyms: bytes) -> None:
        self.style, self.kallsyms = style, kallsyms
        self.systems: dict[str, list[bytes]] = {"ftrace": []}
        for system, text in formats:
            self.systems.setdefault(system, []).append(text)

    def number(self, value: int, size: int) -> bytes:
        return value.to_bytes(size, "little" if self.style.order == "<" else "big")

    def _block(self, data: bytes, size: int = 8) -> bytes:
        return self.number(len(data), size) + data

    def _header(self) -> bytes:
        word = self.style.word
        page = (
            "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
            f"\tfield: local_t commit;\toffset:8;\tsize:{word};\tsigned:1;\n"
            "\tfield: char overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
            f"\tfield: char data;\toffset:{8 + word};\tsize:{PAGE - 8 - word};\tsigned:1;\n"
        )
        event = (
            "# compressed entry header\n\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n\tarray       :   32 bits\n\n"
            "\tpadding     : type == 29\n\ttime_extend : type == 30\n\ttime_stamp : type == 31\n\tdata max type_len  == 28\n"
        )
        return b"header_page\0" + self._block(page.encode()) + b"header_event\0" + self._block(event.encode())

    def _ftrace(self) -> bytes:
        texts = self.systems["ftrace"]
        return self.number(len(texts), 4) + b"".join(map(self._block, texts))

    def _events(self) -> bytes:
        others = {system: texts for system, texts in self.systems.items() if system != "ftrace"}
        out = self.number(len(others), 4)
        for system, texts in others.items():
            out += system.encode() + b"\0" + self.number(len(texts), 4) + b"".join(map(self._block, texts))
        return out

    def _start(self) -> bytes:
        flags = bytes([self.style.order == ">", self.style.word])
        return MAGIC + b"%d\0" % self.style.version + flags + self.number(PAGE, 4)

    def _option(self, option: int, data: bytes) -> bytes:
        return self.number(option, 2) + self._block(data, 4)

    def _options(self) -> bytes:
        uname = f"Linux localhost 7.3.4 {self.style.machine}\0".encode()
        return self._option(4, f"[{self.style.clock}]\0".encode()) + self._option(5, uname)

    def version_6(self, cpus: Sequence[Sequence[bytes]]) -> Iterator[bytes]:
        out = self._start() + self._header() + self._ftrace() + self._events() + self._block(self.kallsyms, 4)
        out += self.number(0, 4) + self.number(0, 8) + self.number(len(cpus), 4)
        out += b"options  \0" + self._options() + self.number(0, 2) + b"flyrecord\0"
        place = _aligned(len(out) + 16 * len(cpus))
        for pages in cpus:
            out += self.number(place, 8) + self.number(len(pages) * PAGE, 8)
            place += len(pages) * PAGE
        yield out.ljust(_aligned(len(out)), b"\0")
        for pages in cpus:
            yield from pages

    def version_7(self, cpus: Sequence[Sequence[bytes]]) -> Iterator[bytes]:
        packing = self.style.packing
        pack = _packer(packing)
        out = self._start() + packing.encode() + b"\0" + b"1\0"
        place = len(out) + 8
        options, sections = self._options(), b""
        for section, data in self._parts():
            options += self._option(section, self.number(place + len(sections), 8))
            body = data if pack is None else self._packed(pack(data), len(data))
            sections += self._section(section, body, pack is not None)
        data_of = [b"".join(pages) if pack is None else self._chunks(pages, pack) for pages in cpus]
        buffer = place + len(sections)
        begin = end = _aligned(buffer + 16)
        table, body = b"", bytes(begin - buffer - 16)
        for cpu, data in enumerate(data_of):
            if data:
                table += self.number(cpu, 4) + self.number(end, 8) + self.number(len(data), 8)
                body += data.ljust(_aligned(len(data)), b"\0")
                end += _aligned(len(data))
        named = self.number(buffer, 8) + b"\0" + self.style.clock.encode() + b"\0" + self.number(PAGE, 4)
        options += self._option(3, named + self.number(len(table) // 20, 4) + table)
        options += self._option(8, self.number(max(len(cpus), 1), 4)) + self._option(0, self.number(0, 8))
        yield from (out, self.number(end, 8), sections, self._section(3, body, pack is not None), self._section(0, options, False))

    def _parts(self) -> Iterator[tuple[int, bytes]]:
        yield from ((16, self._header()), (17, self._ftrace()), (18, self._events()))
        yield from ((19, self._block(self.kallsyms, 4)), (20, bytes(4)), (21, bytes(8)))

    def _section(self, section: int, data: bytes, packed: bool) -> bytes:
        return self.number(section, 2) + self.number(packed, 2) + self.number(0, 4) + self.number(len(data), 8) + data

    def _packed(self, data: bytes, size: int) -> bytes:
        return self.number(len(data), 4) + self.number(size, 4) + data

    def _chunks(self, pages: Sequence[bytes], pack: Callable[[bytes], bytes]) -> bytes:
        if not pages:
            return b""
        parts = [b"".join(pages[n : n + _CHUNK]) for n in range(0, len(pages), _CHUNK)]
        return self.number(len(parts), 4) + b"".join(self._packed(pack(part), len(part)) for part in parts)


def _aligned(size: int) -> int:
    return size + -size % PAGE


def _packer(packing: str) -> Callable[[bytes], bytes] | None:
    match packing:
        case "none":
            return None
        case "zlib":
            return zlib.compress
        case "zstd":
            found = zstd_module()
            if found is None:
                raise Unpacking(LACKING)
            module, standard = found
            return lambda data: bytes(module.compress(data) if standard else module.ZstdCompressor().compress(data))
    raise ValueError(f"{packing} is no way of packing a trace.dat")


def write_trace_dat(file: BinaryIO, records: Iterable[Record], style: Style = Style()) -> None:
    """Writes records, those of each CPU in the order of their times.

    Raises ValueError for a record without CPU or time and for events that have no place in such a file, Unpacking without zstd.
    """
    writer = _Writer(style)
    for record in records:
        writer.add(record)
    write_pages(file, writer.cpus(), writer.formats(), writer.probes.kallsyms(), style)


def write_pages(
    file: BinaryIO, cpus: Sequence[Sequence[bytes]], formats: Iterable[tuple[str, bytes]], kallsyms: bytes, style: Style = Style()
) -> None:
    """Writes pages of PAGE bytes as they are, with the formats (system, text) of the events on them."""
    whole = _File(style, formats, kallsyms)
    file.writelines(whole.version_6(cpus) if style.version == 6 else whole.version_7(cpus))
