"""A capture as a file of lines: compressed or not, of any size, read once and in constant memory."""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span

HEAD = 1 << 16
"""Bytes that the detection of a format may look at."""

LONGEST_LINE = 1 << 20
"""What is longer is cut; a line of a trace has a few kilobytes at most."""

MOST_BYTES = 1 << 36
"""Decompressed size at which reading stops: nothing sensible is that large, a decompression bomb is."""

_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class Capture:
    """An opened capture.  head: its first bytes, decompressed.  damage: why reading stopped early, or None (known after `lines`)."""

    name: str
    head: bytes
    stream: io.BufferedIOBase
    compressed: bool
    damage: str | None = None
    below: io.BufferedIOBase | None = None  # what `stream` unpacks
    cut: list[int] = field(default_factory=list)  # numbers of lines that were too long

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Number and text (without the line end) of each line; can be used once."""
        number = 0
        rest = b""
        skipping = False
        read = len(self.head)
        chunk = self.head
        while True:
            pieces = chunk.split(b"\n")
            pieces[0] = rest + pieces[0]
            rest = pieces.pop()
            for piece in pieces:
                if skipping:  # the tail of a line whose beginning was handed out
                    skipping = False
                    continue
                number += 1
                yield number, self._bounded(number, piece)
            if len(rest) > LONGEST_LINE:
                if not skipping:
                    number += 1
                    yield number, self._bounded(number, rest)
                skipping, rest = True, b""
            chunk = self._read()
            read += len(chunk)
            if read > MOST_BYTES:
                self.damage = f"reading stopped after {read} bytes"
                chunk = b""
            if not chunk:
                break
        if rest and not skipping:
            yield number + 1, self._bounded(number + 1, rest)
        self.close()

    def close(self) -> None:
        """Close the file; reading to the end does this too."""
        self.stream.close()
        if self.below is not None:
            self.below.close()

    def _bounded(self, number: int, text: bytes) -> bytes:
        if len(text) > LONGEST_LINE:
            self.cut.append(number)
            text = text[:LONGEST_LINE]
        return text.removesuffix(b"\r")

    def _read(self) -> bytes:
        if self.damage is not None:
            return b""
        data, self.damage = _read(self.stream, HEAD)
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
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        return out, f"the compressed file is damaged or cut off: {error}"
    except OSError as error:
        return out, f"reading failed: {error.strerror}"
    return out, None


def open_capture(path: str) -> Capture:
    """Open a capture; `-` is standard input.  Raises SpecError (LUO700) for what is no readable file, and for devices that never end."""
    if path == "-":
        return _opened("<stdin>", cast(io.BufferedIOBase, sys.stdin.buffer))
    where = Span(Source(path, ""), 0, 0)
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            fail("LUO700", "this is a directory", where, help="name the capture files in it")
        if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
            fail("LUO700", "this is a device, not a capture", where)
        stream: io.BufferedIOBase = open(path, "rb")  # noqa: SIM115 (closed when the last line was read)
    except OSError as error:
        fail("LUO700", f"cannot be read: {error.strerror}", where)
    except ValueError:
        fail("LUO700", "this is no file name", where)
    return _opened(path, stream)


def _opened(name: str, stream: io.BufferedIOBase) -> Capture:
    head, damage = _read(stream, HEAD)
    if not head.startswith(_GZIP):
        return Capture(name, head, stream, False, damage)
    unpacked = gzip.GzipFile(fileobj=io.BufferedReader(_Rest(head, stream)))
    head, damage = _read(unpacked, HEAD)
    if not head and damage is not None:
        stream.close()
        fail("LUO700", damage, Span(Source(name, ""), 0, 0))
    return Capture(name, head, unpacked, True, damage, stream)


class _Rest(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, stream: io.BufferedIOBase) -> None:
        self.head, self.stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.head[: len(buffer)] or self.stream.read(len(buffer))
        self.head = self.head[len(data) :]
        buffer[: len(data)] = data
        return len(data)
