"""The arrays of a native search, for checkpoints.  Which ones there are says `luo_arrays` in interface.c, and only that."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char, cast
from typing import Any

from luocheck.checker.checkpoint.file import Block, Reader, Unusable
from luocheck.checker.native import runtime

_MOST_STATES = 1 << 40


def blocks(library: Any, handle: Any) -> list[Block]:
    """The memory of each array up to the last safe point; valid until the search goes on."""
    return [Block(row.name.decode(), row.item, _memory(row)) for row in rows(library, handle)]


def point(library: Any, handle: Any) -> runtime.NativePoint:
    """Where the search can be taken up."""
    return cast(rows(library, handle)[0].place, POINTER(runtime.NativePoint)).contents


def restore(library: Any, handle: Any, reader: Reader) -> bool:
    """Reads the arrays of a checkpoint into a new search; False when there is no memory for them.  Raises Unusable, OSError."""
    first = rows(library, handle)[0]
    if not reader.arrays or reader.arrays[0] != (first.name.decode(), first.item, first.count):
        raise Unusable("it does not say where its search was")
    reader.read_into(_memory(first))
    where = point(library, handle)
    numbers = [getattr(where, name) for name in runtime.POINT]
    if not all(0 <= number < _MOST_STATES for number in numbers):
        raise Unusable("the place of its search makes no sense")
    every = rows(library, handle)  # how long they are follows from the place
    if reader.arrays != [(row.name.decode(), row.item, row.count) for row in every]:
        raise Unusable("its arrays are not those of this search")
    for row in every[1:]:
        if row.room and not library.luo_make_room(handle, byref(row)):
            return False
        reader.read_into(_memory(row))
    reader.end()
    if not library.luo_take_up(handle):
        raise Unusable("it refers to states that it does not have")
    return not handle.contents.status


def rows(library: Any, handle: Any) -> list[runtime.NativeArray]:
    """What a search keeps, with the room that there is."""
    found = (runtime.NativeArray * runtime.MOST_ARRAYS)()
    return list(found[: library.luo_arrays(handle, found)])


def _memory(row: runtime.NativeArray) -> memoryview:
    size = row.item * row.count
    if not size:
        return memoryview(b"")
    address = row.place[0] if row.room else cast(row.place, ctypes.c_void_p).value
    return memoryview((c_char * size).from_address(address)).cast("B")
