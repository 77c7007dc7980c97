"""The file trace.dat of trace-cmd, versions 6 and 7: where its parts lie.  Nothing here knows what an event is.

The layout is described in the manual pages trace-cmd.dat.v6(5) and trace-cmd.dat.v7(5).  Numbers in the file are never believed: every
read is checked against what is there, a list of options that leads back to itself is left, and sizes have limits.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from luocheck.traces.compression import Unpacking, unpack_zlib, unpack_zstd
from luocheck.traces.formats.cursor import MOST_PART, Broken, Cursor

MAGIC = b"\x17\x08\x44tracing"

MOST_CHUNK = 1 << 24
"""Unpacked bytes of one piece of a CPU's data; trace-cmd packs some pages at a time."""

MOST_CPUS = 1 << 14
"""CPUs of all buffers together; Linux has at most 8192."""

_RATIO = 200
"""Pages are packed to a twentieth at best; more than this is no recording."""

_READ = 1 << 18

_DONE, _DATE, _CPUSTAT, _BUFFER, _CLOCK, _UNAME, _OFFSET, _CPUCOUNT, _VERSION = 0, 1, 2, 3, 4, 5, 7, 8, 9
_TIME_SHIFT, _TSC2NSEC, _HEADER, _FTRACE, _EVENTS, _KALLSYMS = 12, 14, 16, 17, 18, 19
_TEXT, _LAST_BOOT = 22, 24
_PACKED = 1

Unpack = Callable[[bytes, int], bytes]

_UNPACKERS: dict[str, Unpack | None] = {"none": None, "zlib": unpack_zlib, "zstd": unpack_zstd}


@dataclass(frozen=True, slots=True)
class Extent:
    """Data of one CPU: bytes in the file."""

    cpu: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Buffer:
    """A ring buffer: the main one (name is empty) or an instance."""

    name: str
    clock: str | None
    page_size: int
    packed: bool
    extents: tuple[Extent, ...]


@dataclass(frozen=True, slots=True)
class Losses:
    """What the kernel counted for one CPU of a buffer.  overwritten: oldest events; refused: newest ones, the buffer being full."""

    overwritten: int
    refused: int


@dataclass(slots=True)
class Container:
    """What the file says beside events.  order: `<` or `>`.  formats: system and format text of each kind of event.

    shift: ns to add to every time.  scale: (factor, bits) that turn clock ticks into ns.
    """

    file: BinaryIO
    size: int
    version: int
    order: str
    word: int
    page_size: int
    unpack: Unpack | None
    header_page: bytes = b""
    formats: list[tuple[str, bytes]] = field(default_factory=list)
    kallsyms: bytes = b""
    buffers: list[Buffer] = field(default_factory=list)
    losses: dict[tuple[str, int], Losses] = field(default_factory=dict)
    clock: str | None = None
    uname: str | None = None
    last_boot: str | None = None
    shift: int = 0
    scale: tuple[int, int] | None = None
    remarks: list[str] = field(default_factory=list)
    damaged: bool = False  # parts of it may be missing


def read_container(file: BinaryIO, size: int) -> Container:
    """Reads everything but the events of a file of `size` bytes.  Raises Broken where that is impossible."""
    cursor = Cursor(file, "<", len(MAGIC), size)
    version = cursor.string(8)
    if version not in ("6", "7"):
        raise Broken(f"version {version!r} of the format is not known, only 6 and 7 are")
    order = {0: "<", 1: ">"}.get(cursor.number(1))
    word = cursor.number(1)
    if order is None or word not in (4, 8):
        raise Broken("its first bytes name no byte order or word size")
    cursor.order = order
    found = Container(file, size, int(version), order, word, cursor.number(4), None)
    _page_size(found.page_size)
    if found.version == 6:
        _read_6(found, cursor)
    else:
        _read_7(found, cursor)
    extents = [extent for buffer in found.buffers for extent in buffer.extents]
    if len(extents) > MOST_CPUS:
        raise Broken("it describes more CPUs than any machine has")
    if sum(extent.size for extent in extents if extent.offset < size) > 2 * size:
        raise Broken("its CPUs have more data together than the file has")
    return found


def pages(container: Container, buffer: Buffer, extent: Extent) -> Iterator[bytes]:
    """The pages of one CPU.  Raises Broken where they stop too early; what was whole before was handed out then."""
    cursor = Cursor(container.file, container.order, extent.offset, min(extent.offset + extent.size, container.size))
    rest = b""
    for piece in _packed_pieces(container, cursor) if buffer.packed else _plain_pieces(cursor, buffer.page_size):
        data = rest + piece
        whole = len(data) - len(data) % buffer.page_size
        for place in range(0, whole, buffer.page_size):
            yield data[place : place + buffer.page_size]
        rest = data[whole:]
    if rest or extent.offset + extent.size > container.size:
        raise Broken(f"the data of CPU {extent.cpu} is cut off")


def _plain_pieces(cursor: Cursor, page_size: int) -> Iterator[bytes]:
    piece = max(_READ - _READ % page_size, page_size)
    while cursor.place < cursor.end:
        yield cursor.take(min(piece, cursor.end - cursor.place))


def _packed_pieces(container: Container, cursor: Cursor) -> Iterator[bytes]:
    if cursor.place == cursor.end:
        return
    left = MOST_CHUNK + _RATIO * (cursor.end - cursor.place)
    for _ in range(cursor.number(4)):
        piece = _unpacked(container, cursor, MOST_CHUNK)
        left -= len(piece)
        if left < 0:
            raise Broken(f"the data before byte {cursor.place} unpack to far more than a ring buffer packs into so few bytes")
        yield piece


def _unpacked(container: Container, cursor: Cursor, most: int) -> bytes:
    packed, size = cursor.number(4), cursor.number(4)
    place = cursor.place
    if size > most:
        raise Broken(f"a packed part at byte {place} claims {size} bytes")
    data = cursor.take(packed)
    if container.unpack is None:
        raise Broken(f"a packed part at byte {place} of a file without compression")
    try:
        out = container.unpack(data, size)
    except Unpacking as error:
        raise Broken(f"the part at byte {place} cannot be unpacked: {error}") from error
    if len(out) != size:
        raise Broken(f"the part at byte {place} unpacks to {len(out)} bytes instead of {size}")
    return out


# ---- version 6: one part after the other ---------------------------------------------------------------------------


def _read_6(found: Container, cursor: Cursor) -> None:
    _header(found, cursor)
    _ftrace_formats(found, cursor)
    _event_formats(found, cursor)
    found.kallsyms = cursor.take(cursor.number(4))
    cursor.take(cursor.number(4))  # formats of trace_printk
    cursor.take(cursor.number(8))  # names of tasks
    cpus = cursor.number(4)
    instances: list[tuple[int, str]] = []
    options = _Options(found)
    kind = cursor.take(10)
    if kind == b"options  \0":
        while (option := cursor.number(2)) != _DONE:
            body = _body(found, cursor)
            if option == _BUFFER:
                instances.append((body.number(8), body.string()))
            elif option == _CPUCOUNT:
                cpus = body.number(4)
            else:
                options.take(option, body)
        kind = cursor.take(10)
    for place, name in [(cursor.place, ""), *instances]:
        at = cursor
        if name:
            at = Cursor(found.file, found.order, place, found.size)
            kind = at.take(10)
        if kind == b"latency  \0":
            raise Broken("it holds the text of a latency tracer, not events; save that text with `trace-cmd report` and name it")
        if kind != b"flyrecord\0":
            raise Broken(f"at byte {at.place - 10} the data of the CPUs should begin")
        if cpus > MOST_CPUS:
            raise Broken(f"it describes {cpus} CPUs, more than any machine has")
        extents = tuple(Extent(cpu, at.number(8), at.number(8)) for cpu in range(cpus))
        found.buffers.append(Buffer(name, found.clock, found.page_size, False, tuple(e for e in extents if e.size)))


# ---- version 7: sections, found by lists of options ----------------------------------------------------------------


def _read_7(found: Container, cursor: Cursor) -> None:
    method = cursor.string(64)
    cursor.string(64)
    if method not in _UNPACKERS:
        raise Broken(f"it is packed with `{method}`, which is not known; zstd and zlib are")
    found.unpack = _UNPACKERS[method]
    options = _Options(found)
    place, seen = cursor.number(8), set[int]()
    while place and place not in seen:
        seen.add(place)
        place = _options_at(found, place, options)
    if place:
        found.damaged = True
        found.remarks.append("the list of its options leads back to itself")
    for read, section in ((_header, _HEADER), (_ftrace_formats, _FTRACE), (_event_formats, _EVENTS)):
        if section not in options.sections:
            raise Broken(f"it has no description of its events: {_why(found)}")
        read(found, _section(found, options.sections[section], section))
    if _KALLSYMS in options.sections:
        try:
            part = _section(found, options.sections[_KALLSYMS], _KALLSYMS)
            found.kallsyms = part.take(part.number(4))
        except Broken as error:
            found.remarks.append(f"the symbols of the kernel cannot be read: {error}")
    if options.text and not found.buffers:
        raise Broken("it holds the text of a latency tracer, not events; save that text with `trace-cmd report` and name it")
    if not found.buffers:
        raise Broken(f"no data of a CPU is described: {_why(found)}")


def _why(found: Container) -> str:
    return found.remarks[-1] if found.damaged else "its end is missing, or it was never finished"


def _options_at(found: Container, place: int, options: _Options) -> int:
    """Reads the list of options at `place`; where the next one is, 0 for none."""
    try:
        cursor = _section(found, place, _DONE)
        while True:
            option = cursor.number(2)
            body = _body(found, cursor)
            if option == _DONE:
                return body.number(8)
            options.take(option, body)
    except Broken as error:
        found.damaged = True
        found.remarks.append(f"the list of its options is damaged: {error}")
        return 0


def _section(found: Container, place: int, expected: int) -> Cursor:
    cursor = Cursor(found.file, found.order, place, found.size)
    name, flags = cursor.number(2), cursor.number(2)
    cursor.take(4)  # number of its description
    size = cursor.number(8)
    if name != expected:
        raise Broken(f"at byte {place} section {expected} should begin")
    if size > found.size - cursor.place:
        raise Broken(f"the section at byte {place} is cut off")
    if not flags & _PACKED:
        return Cursor(found.file, found.order, cursor.place, cursor.place + size)
    return _in_memory(found, _unpacked(found, cursor, MOST_PART))


def _in_memory(found: Container, data: bytes) -> Cursor:
    return Cursor(io.BytesIO(data), found.order, 0, len(data))


def _body(found: Container, cursor: Cursor) -> Cursor:
    return _in_memory(found, cursor.take(cursor.number(4)))


class _Options:
    """What single options say."""

    def __init__(self, found: Container) -> None:
        self.found = found
        self.sections: dict[int, int] = {}
        self.text = False
        self.counted = ""  # the buffer that statistics are about

    def take(self, option: int, body: Cursor) -> None:
        found = self.found
        match option:
            case _ if _HEADER <= option <= _KALLSYMS:
                self.sections[option] = body.number(8)
            case 3 if found.version == 7:
                self._buffer(body)
            case 2:
                self._statistics(body)
            case 4:
                chosen = re.search(r"\[([^\]\s]{1,32})\]", _text(body))
                found.clock = chosen[1] if chosen is not None else None
            case 5:
                found.uname = _text(body)
            case 1 | 7:
                found.shift += _decimal(_text(body)) * (1000 if option == _DATE else 1)
            case 14:
                factor, bits = body.number(4), body.number(4)
                found.scale = (factor, min(bits, 64)) if factor else None
            case 12:
                found.remarks.append("it was recorded in a guest together with its host; times are the guest's own")
            case 22:
                self.text = True
            case 24:
                found.last_boot = _text(body)

    def _buffer(self, body: Cursor) -> None:
        found = self.found
        place, name, clock = body.number(8), body.string(), body.string()
        page_size, count = body.number(4), body.number(4)
        _page_size(page_size)
        if count > MOST_CPUS:
            raise Broken(f"it describes {count} CPUs, more than any machine has")
        extents = tuple(Extent(body.number(4), body.number(8), body.number(8)) for _ in range(count))
        cursor = Cursor(found.file, found.order, place, found.size)
        section, flags = cursor.number(2), cursor.number(2)
        if section != _BUFFER:
            raise Broken(f"at byte {place} the data of a buffer should begin")
        packed = bool(flags & _PACKED)
        found.buffers.append(Buffer(name, clock or None, page_size, packed, tuple(e for e in extents if e.size)))

    def _statistics(self, body: Cursor) -> None:
        """`per_cpu/cpuN/stats` of a CPU; those of an instance follow its name."""
        text = _text(body)
        named = re.search(r"^Buffer: (.{1,200})$", text, re.MULTILINE)
        if named is not None:
            self.counted = named[1]
        cpu = re.search(r"^CPU: *(\d{1,6})$", text, re.MULTILINE)
        if cpu is not None:
            lost = Losses(_counted(text, "overrun"), _counted(text, "dropped events"))
            self.found.losses[self.counted, int(cpu[1])] = lost


def _counted(text: str, what: str) -> int:
    match = re.search(rf"^{what}: *(\d{{1,18}})$", text, re.MULTILINE)
    return int(match[1]) if match is not None else 0


def _text(body: Cursor) -> str:
    return body.take(body.end - body.place).partition(b"\0")[0].decode("utf-8", "replace").strip()


def _decimal(text: str) -> int:
    """A number as strtoll reads it; 0 where there is none."""
    match = re.match(r"([+-]?)(?:0x([0-9a-fA-F]{1,16})|(\d{1,19}))", text)
    if match is None:
        return 0
    value = int(match[2], 16) if match[2] else int(match[3])
    return -value if match[1] == "-" else value


def _page_size(size: int) -> None:
    if not 256 <= size <= 1 << 20:
        raise Broken(f"pages of {size} bytes are none of a ring buffer")


# ---- parts that both versions have ---------------------------------------------------------------------------------


def _header(found: Container, cursor: Cursor) -> None:
    if cursor.take(12) != b"header_page\0":
        raise Broken("the description of its pages is missing")
    found.header_page = cursor.take(cursor.number(8))
    if cursor.take(13) != b"header_event\0":
        raise Broken("the description of its records is missing")
    cursor.take(cursor.number(8))


def _ftrace_formats(found: Container, cursor: Cursor) -> None:
    for _ in range(cursor.number(4)):
        found.formats.append(("ftrace", cursor.take(cursor.number(8))))


def _event_formats(found: Container, cursor: Cursor) -> None:
    for _ in range(cursor.number(4)):
        system = cursor.string()
        for _ in range(cursor.number(4)):
            found.formats.append((system, cursor.take(cursor.number(8))))
