"""Numbers, names and blocks of a binary file, one after the other, never beyond its end."""

from __future__ import annotations

from typing import BinaryIO

MOST_PART = 1 << 28
"""Bytes of one part that is read at once: symbols of a kernel take 15 MB, its event formats 5 MB."""


class Broken(ValueError):
    """The file contradicts itself, or ends too early."""


class Cursor:
    """Reads numbers, strings and blocks one after the other between two places of a file.  Everything raises Broken beyond the end."""

    def __init__(self, file: BinaryIO, order: str, place: int, end: int) -> None:
        self.file, self.order, self.place, self.end = file, order, place, end

    def take(self, size: int) -> bytes:
        if size > self.end - self.place or size > MOST_PART:
            raise Broken(f"{size} bytes are announced at byte {self.place}, and there are {max(self.end - self.place, 0)}")
        self.file.seek(self.place)
        data = self.file.read(size)
        if len(data) != size:
            raise Broken(f"the file ends at byte {self.place + len(data)}")
        self.place += size
        return data

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little" if self.order == "<" else "big")

    def string(self, longest: int = 4096) -> str:
        self.file.seek(self.place)
        data = self.file.read(max(0, min(longest, self.end - self.place)))
        end = data.find(b"\0")
        if end < 0:
            raise Broken(f"a name at byte {self.place} does not end")
        self.place += end + 1
        return data[:end].decode("utf-8", "replace")
