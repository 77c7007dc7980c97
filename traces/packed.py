"""Packed captures as streams: gzip, xz, bzip2 and zstd by their first bytes, unpacked piece by piece in constant memory.

A file may hold several packed streams one after the other; one that is cut off gives everything before the cut.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any, Protocol, cast

from luocheck.traces.compression import LACKING, Unpacking, zstd_module

MAGICS: dict[bytes, str] = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
"""First bytes of a packed file, and how it is packed."""

_MEMORY = 1 << 28
"""Bytes that a packed file may make its unpacker use: what xz -9 needs is a quarter of it."""

_PIECE = 1 << 16
_LITTLE = 1 << 10


class Damaged(Exception):
    """The packed data is damaged or cut off here."""


class _Decompressor(Protocol):
    eof: bool
    needs_input: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class Packed(io.RawIOBase):
    """What a stream of packed data holds.  Reading raises Damaged where it ends too early."""

    def __init__(self, source: io.RawIOBase, fresh: Callable[[], _Decompressor], errors: tuple[type[Exception], ...]) -> None:
        self.source, self.fresh, self.errors = source, fresh, errors
        self.unpacker = fresh()
        self.begun = False  # something of the present stream was read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._some(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _some(self, size: int) -> bytes:
        """Up to `size` bytes; empty at the end."""
        given = b""
        while True:
            if self.unpacker.eof and self.begun:
                given = self.unpacker.unused_data
                self.unpacker, self.begun = self.fresh(), False
            if not given and self.unpacker.needs_input:
                given = self.source.read(_PIECE) or b""
                if not given:
                    if self.begun:
                        raise Damaged("it ends in the middle")
                    return b""
            if not self.begun:
                given = given.lstrip(b"\0")  # padding between streams
                if not given:
                    continue
            try:
                out = self.unpacker.decompress(given, size)
            except self.errors as error:
                raise Damaged(str(error)) from error
            self.begun, given = True, b""
            if out:
                return out


def unpacked(kind: str, source: io.RawIOBase) -> io.BufferedIOBase:
    """A stream of what `source` holds, packed as `kind` (a value of MAGICS).  Raises Unpacking when nothing here can unpack it."""
    match kind:
        case "gzip":
            return gzip.GzipFile(fileobj=io.BufferedReader(source))
        case "xz":
            return _stream(source, lambda: lzma.LZMADecompressor(memlimit=_MEMORY), (lzma.LZMAError, EOFError))
        case "bzip2":
            return _stream(source, bz2.BZ2Decompressor, (OSError, EOFError, ValueError))
    found = zstd_module()
    if found is None:
        raise Unpacking(LACKING)
    module, standard = found
    if standard:
        return _stream(source, module.ZstdDecompressor, (module.ZstdError, EOFError))
    return _stream(source, lambda: _ZstdObject(module), (module.ZstdError, EOFError))


def _stream(source: io.RawIOBase, fresh: Callable[[], Any], errors: tuple[type[Exception], ...]) -> io.BufferedIOBase:
    return io.BufferedReader(Packed(source, cast(Callable[[], _Decompressor], fresh), errors))


class _ZstdObject:
    """The package `zstandard` behind what the decompressors of the standard library offer.

    It unpacks all of what it is given, so it is given little at a time: a block of at most 128 KiB takes 4 bytes or more.
    """

    def __init__(self, module: Any) -> None:
        self.object = module.ZstdDecompressor(max_window_size=_MEMORY >> 1).decompressobj()
        self.given = b""
        self.ready = io.BytesIO()
        self.left = 0

    @property
    def eof(self) -> bool:
        return bool(self.object.eof) and not self.left

    @property
    def needs_input(self) -> bool:
        return not self.left and not self.given

    @property
    def unused_data(self) -> bytes:
        return bytes(self.object.unused_data) + self.given

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        self.given += data
        while not self.left and self.given and not self.object.eof:
            piece, self.given = self.given[:_LITTLE], self.given[_LITTLE:]
            out = self.object.decompress(piece)
            self.ready, self.left = io.BytesIO(out), len(out)
        out = self.ready.read(max_length)
        self.left -= len(out)
        return out


ERRORS: tuple[type[Exception], ...] = (Damaged, EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a packed capture may raise beside OSError."""
