"""The file of a checkpoint: a head that says what is in it, then the arrays of a search, as they are in memory.

    magic, version, length of the head (8 bytes each, after the magic), head (JSON), SHA-256 of all that, arrays, SHA-256 of the arrays

It is written beside and renamed, so that the file is always a whole one; and it is read only when every length and both sums are right.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

MAGIC = b"luocheck checkpoint\n"
VERSION = 1
_NUMBERS = struct.Struct("<QQ")
_SUM = hashlib.sha256
_SUM_BYTES = 32
_AT_ONCE = 1 << 24

MOST_HEAD = 1 << 30


class Unusable(Exception):
    """A file that is no checkpoint, or was damaged; `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class OtherVersion(Exception):
    """A checkpoint, in a format of another version of luocheck."""


class BeingWritten(OSError):
    """Another run is writing the same file at this moment."""


@dataclass(frozen=True, slots=True)
class Block:
    """An array: its name, the bytes of an item, and its memory."""

    name: str
    item: int
    memory: memoryview


def write(path: Path, head: dict[str, Any], blocks: Iterable[Block]) -> None:
    """Replaces the file.  Raises OSError, and then the file is as it was."""
    blocks = list(blocks)
    arrays = [[block.name, block.item, len(block.memory) // block.item] for block in blocks]
    text = json.dumps({**head, "arrays": arrays}, separators=(",", ":")).encode()
    with _beside(path) as file:
        start = MAGIC + _NUMBERS.pack(VERSION, len(text)) + text
        _all(file, memoryview(start + _SUM(start).digest()))
        total = _SUM()
        for block in blocks:
            for at in range(0, len(block.memory), _AT_ONCE):
                piece = block.memory[at : at + _AT_ONCE]
                total.update(piece)
                _all(file, piece)
        _all(file, memoryview(total.digest()))
        os.fsync(file.fileno())


def _all(file: BinaryIO, data: memoryview) -> None:
    """An unbuffered file takes as much as it likes."""
    while data:
        data = data[file.write(data) :]


def probe(path: Path) -> None:
    """Tries whether the file can be written, and changes nothing.  Raises OSError."""
    if path.exists() and not path.is_file():
        raise OSError("it is not a regular file")
    partial, file = _locked(path)
    file.close()
    partial.unlink(missing_ok=True)


@contextmanager
def _beside(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of another when it is whole.  One that a killed run left is written anew."""
    partial, file = _locked(path)
    with file:
        file.truncate()
        try:
            yield file
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    with suppress(OSError):  # the file is there; whether its name survives a power cut is up to the file system
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _locked(path: Path) -> tuple[Path, BinaryIO]:
    """The file that is written beside, for this run alone.  Raises BeingWritten."""
    partial = path.with_name(path.name + ".part")
    while True:
        file = open(  # noqa: SIM115 -- it goes to the caller, with its lock
            os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600), "r+b", buffering=0
        )
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), os.stat(partial)):
                    return partial, file
        except BlockingIOError:
            file.close()
            raise BeingWritten("another run is writing it") from None
        except BaseException:
            file.close()
            raise
        file.close()  # another run renamed it in between


class Reader:
    """A checkpoint that is read: its head at once, its arrays when they are asked for.  Raises Unusable, OtherVersion, OSError."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 -- closed by `close`
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self.head = self._head()
            self.arrays = self._arrays()
        except BaseException:
            self._file.close()
            raise
        self._total = _SUM()

    def close(self) -> None:
        self._file.close()

    def _head(self) -> dict[str, Any]:
        if self._size == 0:
            raise Unusable("it is empty")
        magic = self._file.read(len(MAGIC))
        if magic != MAGIC:
            raise Unusable("it is cut off" if MAGIC.startswith(magic) else "it is another kind of file")
        numbers = self._exactly(_NUMBERS.size)
        version, length = _NUMBERS.unpack(numbers)
        if version != VERSION:
            raise OtherVersion
        if length > min(MOST_HEAD, self._size):
            raise Unusable("it is cut off or damaged")
        text = self._exactly(length)
        if self._exactly(_SUM_BYTES) != _SUM(magic + numbers + text).digest():
            raise Unusable("it is damaged: the sum of its head is another one")
        try:
            head = json.loads(text)
        except (ValueError, RecursionError):
            raise Unusable("its head is not JSON") from None
        if not isinstance(head, dict):
            raise Unusable("its head is not a JSON object")
        return head

    def _arrays(self) -> list[tuple[str, int, int]]:
        """Name, bytes of an item and number of items of each; together they are as long as the rest of the file."""
        found: list[tuple[str, int, int]] = []
        rows = self.head.get("arrays")
        for row in rows if isinstance(rows, list) else [None]:
            match row:
                case [str(name), int(item), int(count)] if item > 0 and count >= 0:
                    found.append((name, item, count))
                case _:
                    raise Unusable("its list of arrays cannot be read")
        if self._file.tell() + sum(item * count for _, item, count in found) + _SUM_BYTES != self._size:
            raise Unusable("it is cut off or damaged: its length is another one than it says")
        return found

    def read_into(self, memory: memoryview) -> None:
        """The next array."""
        while memory:
            count = self._file.readinto(memory[:_AT_ONCE])
            if not count:
                raise Unusable("it is cut off")
            self._total.update(memory[:count])
            memory = memory[count:]

    def end(self) -> None:
        """After the last array: is what was read what had been written?"""
        if self._exactly(_SUM_BYTES) != self._total.digest():
            raise Unusable("it is damaged: the sum of its arrays is another one")

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self._file.read(count - len(data))
            if not piece:
                raise Unusable("it is cut off")
            data += piece
        return bytes(data)
