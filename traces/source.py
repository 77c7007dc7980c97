"""A capture as a file of lines: compressed or not, of any size, read once and in constant memory."""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import BinaryIO, cast

from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.traces.call import Note
from luocheck.traces.compression import Unpacking
from luocheck.traces.packed import ERRORS, MAGICS, unpacked

HEAD = 1 << 16
"""Bytes that the detection of a format may look at."""

LONGEST_LINE = 1 << 20
"""What is longer is cut; a line of a trace has a few kilobytes at most."""

MOST_BYTES = 1 << 36
"""Decompressed size at which reading stops when nobody says another one."""

MOST_RATIO = 500
"""What unpacks to so many times its size is a decompression bomb: times alone keep a trace far below it."""

ALWAYS_READ = 1 << 26
"""Bytes that are read whatever they were packed to."""

MOST_OPEN = 64
"""Files of one recording that are kept open; of more, each is opened again for every piece."""

_PIECE = 1 << 18
_SMALL_PIECE = 1 << 15
_ENCODINGS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_QUOTED = re.compile(rb"(?:> ?(?=>))*> ?")


@dataclass(slots=True)
class Capture:
    """An opened capture.  head: its first bytes, decompressed.  damage: why reading stopped early, or None (known after `lines`).

    encoding: what the text was turned into UTF-8 from, None when it was nothing else.  quoted: each line has the `> ` of a mail before it,
    which `lines` takes off.  most: bytes after which reading stops.  piece: bytes that are read at once.
    """

    name: str
    head: bytes
    stream: io.BufferedIOBase
    compressed: bool
    damage: str | None = None
    below: _Rest | None = None  # what `stream` unpacks
    cut: list[int] = field(default_factory=list)  # numbers of lines that were too long
    encoding: str | None = None
    quoted: bool = False
    most: int = MOST_BYTES
    piece: int = _PIECE
    open_end: int | None = None  # number of the last line when nothing ends it (known when it is given out)

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Number and text (without the line end) of each line; can be used once."""
        for first, block in self.blocks():
            for number, piece in enumerate(block[:-1].split(b"\n"), first):
                yield number, self.line(number, piece)

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Pieces of whole lines, each line with its end, and the number of the first one; instead of `lines`, once.

        `line` gives the text of a line of them.  A line that is far too long ends after a little more than LONGEST_LINE bytes.
        """
        number = 1
        rest = b""
        skipping = False
        read = len(self.head)
        chunk = self.head
        while True:
            if skipping:  # the tail of a line whose beginning was handed out
                end = chunk.find(b"\n")
                skipping, chunk = end < 0, chunk[end + 1 :] if end >= 0 else b""
            end = chunk.rfind(b"\n") + 1
            if end:
                block = rest + chunk[:end]
                rest = chunk[end:]
                yield number, block
                number += block.count(b"\n")
            else:
                rest += chunk
            if len(rest) > LONGEST_LINE:
                yield number, rest[: LONGEST_LINE + 1] + b"\n"
                number += 1
                skipping, rest = True, b""
            chunk = self._read()
            read += len(chunk)
            if self._too_much(read):
                self.damage = f"reading stopped after {read} bytes"
                chunk = b""
            if not chunk:
                break
        if rest:
            self.open_end = number
            yield number, rest + b"\n"
        self.close()

    def line(self, number: int, text: bytes) -> bytes:
        """The text of a line of that number as `blocks` gave it, without what is none of the recorder's."""
        if len(text) > LONGEST_LINE:
            self.cut.append(number)
            text = text[:LONGEST_LINE]
        return self._own(text)

    def beginning(self) -> bytes:
        """The first bytes as `lines` gives them."""
        return b"\n".join(map(self._own, self.head.split(b"\n")))

    def _own(self, text: bytes) -> bytes:
        text = text.removesuffix(b"\r")
        if self.quoted and (mark := _QUOTED.match(text)) is not None:
            text = text[mark.end() :]
        return text

    def whole(self) -> tuple[BinaryIO, int]:
        """The capture as a file that can be read at any place, and its size; instead of `lines`, once.  The caller closes it.

        A file is read where it is; a stream, and what is packed, is written to a temporary file first.  Raises SpecError (LUO700) when
        that has no room.
        """
        try:
            if not self.compressed and self.stream.seekable() and self.stream.tell() == len(self.head):
                return cast(BinaryIO, self.stream), self.stream.seek(0, io.SEEK_END)
            file = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
            size, chunk = 0, self.head
            while chunk:
                size += file.write(chunk)
                chunk = self._read()
                if self._too_much(size + len(chunk)):
                    self.damage, chunk = f"reading stopped after {size} bytes", b""
            return file, size
        except OSError as error:
            fail("LUO700", f"cannot be copied to a temporary file: {error.strerror}", Span(Source(self.name, ""), 0, 0))

    def notes(self) -> Iterator[Note]:
        """What is to be known about the file when it was read."""
        if self.damage is not None:
            yield Note("LUO706", None, self.damage)
        for line in self.cut[:3]:
            yield Note("LUO706", line, "a line far longer than any event; only its beginning was read")
        if self.encoding is not None:
            yield Note("LUO714", None, f"the text is in {self.encoding.upper()} and was turned into UTF-8: someone pasted it")
        if self.quoted:
            yield Note("LUO714", None, "the lines are quoted as in a mail; the marks of quoting were taken off")

    def close(self) -> None:
        """Close the file; reading to the end does this too."""
        self.stream.close()
        if self.below is not None:
            self.below.close()

    def _too_much(self, read: int) -> bool:
        packed = self.below.taken if self.below is not None and self.compressed else None
        return read > self.most or (packed is not None and read > ALWAYS_READ and read > MOST_RATIO * packed)

    def _read(self) -> bytes:
        if self.damage is not None:
            return b""
        data, self.damage = _read(self.stream, self.piece)
        return data


def _read(stream: io.BufferedIOBase, size: int) -> tuple[bytes, str | None]:
    """Up to `size` bytes, and what stopped the reading before the end of the file."""
    out = b""
    try:
        while len(out) < size:
            data = stream.read1(size - len(out))
            if not data:
                break
            out += data
    except ERRORS as error:
        return out, f"the compressed file is damaged or cut off: {error}"
    except OSError as error:
        return out, f"reading failed: {error.strerror}"
    return out, None


def open_captures(paths: Sequence[str], opened: ExitStack, most: int = MOST_BYTES) -> list[Capture]:
    """Open the files of one recording, however many they are; `opened` closes them.  Arguments and errors as of `open_capture`."""
    captures = []
    for path in paths:
        captures.append(open_capture(path, most, parked=len(paths) > MOST_OPEN))
        opened.callback(captures[-1].close)
    return captures


def open_capture(path: str, most: int = MOST_BYTES, *, parked: bool = False) -> Capture:
    """Open a capture; `-` is standard input.  most: unpacked bytes after which reading stops.

    parked: a regular file is closed again between two reads of it, so that there can be more captures than a process may have open files.
    Raises SpecError (LUO700) for what is no readable file, for devices that never end, and for what nothing here can unpack.
    """
    if path == "-":
        return _opened("<stdin>", cast(io.BufferedIOBase, sys.stdin.buffer), most)
    where = Span(Source(path, ""), 0, 0)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            fail("LUO700", "this is a directory", where, help="name the capture files in it")
        if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
            fail("LUO700", "this is a device, not a capture", where)
        parked = parked and stat.S_ISREG(mode)
        stream: io.BufferedIOBase = open(path, "rb")  # noqa: SIM115 (closed when the last line was read)
        if parked:
            stream.close()
            stream = io.BufferedReader(_Parked(path), _SMALL_PIECE)
    except OSError as error:
        fail("LUO700", f"cannot be read: {error.strerror}", where)
    except ValueError:
        fail("LUO700", "this is no file name", where)
    capture = _opened(path, stream, most)
    return replace(capture, piece=_SMALL_PIECE) if parked else capture


def _opened(name: str, stream: io.BufferedIOBase, most: int) -> Capture:
    head, damage = _read(stream, HEAD)
    below: _Rest | None = None
    kind = next((kind for magic, kind in MAGICS.items() if head.startswith(magic)), None)
    if kind is not None:
        below = _Rest(head, stream)
        try:
            unpacking = unpacked(kind, below)
        except Unpacking as error:
            stream.close()
            fail("LUO700", f"this is a {kind} file", Span(Source(name, ""), 0, 0), help=str(error))
        head, damage = _read(unpacking, HEAD)
        if not head and damage is not None:
            stream.close()
            fail("LUO700", damage, Span(Source(name, ""), 0, 0))
        stream = unpacking
    mark = next((mark for mark in _ENCODINGS if head.startswith(mark)), b"")
    encoding = _ENCODINGS.get(mark)
    if encoding == "utf-8":
        head = head[len(mark) :]
    elif encoding is not None:
        below = below or _Rest(b"", stream)
        stream = io.BufferedReader(_Recoded(head[len(mark) :], stream, encoding, damage))
        head, damage = _read(stream, HEAD)
    quoted = _is_quoted(head)
    return Capture(name, head, stream, kind is not None, damage, below, encoding=encoding, quoted=quoted, most=most)


def _is_quoted(head: bytes) -> bool:
    lines = [line for line in head.split(b"\n")[:2000] if line.strip()]
    return len(lines) > 2 and sum(line.startswith(b">") for line in lines) > len(lines) // 2


class _Rest(io.RawIOBase):
    """A stream whose first bytes were read already.  taken: bytes that were read from here."""

    def __init__(self, head: bytes, stream: io.BufferedIOBase) -> None:
        self.head, self.stream, self.taken = head, stream, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.head[: len(buffer)] or self.stream.read(len(buffer))
        self.head = self.head[len(data) :]
        buffer[: len(data)] = data
        self.taken += len(data)
        return len(data)

    def close(self) -> None:
        self.stream.close()
        super().close()


class _Parked(io.RawIOBase):
    """A file that is open only while it is read."""

    def __init__(self, path: str) -> None:
        self.path, self.place = path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        with open(self.path, "rb", buffering=0) as file:
            file.seek(self.place)
            count: int = file.readinto(buffer) or 0
        self.place += count
        return count


class _Recoded(io.RawIOBase):
    """A text in another encoding as UTF-8; what is damaged in it becomes U+FFFD."""

    def __init__(self, head: bytes, stream: io.BufferedIOBase, encoding: str, damage: str | None) -> None:
        self.decoder = codecs.getincrementaldecoder(encoding)("replace")
        self.stream, self.ended = stream, damage is not None
        self.ready = self._recoded(head)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self.ready and not self.ended:
            data = self.stream.read1(len(buffer))
            self.ended = not data
            self.ready = self._recoded(data, final=self.ended)
        data, self.ready = self.ready[: len(buffer)], self.ready[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)

    def _recoded(self, data: bytes, final: bool = False) -> bytes:
        return self.decoder.decode(data, final).encode("utf-8", "replace")
