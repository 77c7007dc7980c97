"""States as short byte strings, for the table of visited states.

Every cell of the scope has a place of one byte, or of two where its values are lists, sets, locks or calls in progress.  A byte is the
number of a value in a code book of its field that grows as values are met; 0 is the default.  So the packing is exact.
"""

from __future__ import annotations

from typing import Any

from luocheck.model.instances import Cell, Instance, cells_of
from luocheck.model.ir.vocabulary import CountT, Lifetime, SeqT, SetT
from luocheck.model.semantics.store import Store, call_index, live_index, lock_index


class Packing:
    """Packs and unpacks the states of one instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        cells = _cells(instance)
        self.cells = [cell for cell, _ in cells]
        self.place: dict[Cell, int] = {}
        self.wide: set[int] = set()
        position = 0
        for cell, wide in cells:
            self.place[cell] = position
            if wide:
                self.wide.add(cell[0])
            position += 2 if wide else 1
        self.length = position
        self.codes: dict[int, dict[Any, int]] = {cell[0]: {} for cell in self.cells}
        self.values: dict[int, list[Any]] = {cell[0]: [None] for cell in self.cells}
        self.fixed = {f.index for f in instance.system.fields if f.lifetime is Lifetime.FIXED}
        self.at = sorted((place, cell) for cell, place in self.place.items())

    def pack(self, store: Store) -> bytes:
        data = bytearray(self.length)
        fixed, wide = self.fixed, self.wide
        for cell, value in store.items():
            index = cell[0]
            if index in fixed:
                continue
            book = self.codes[index]
            code = book.get(value)
            if code is None:
                code = len(book) + 1
                book[value] = code
                self.values[index].append(value)
            place = self.place[cell]
            if index in wide:
                data[place] = code & 0xFF
                data[place + 1] = code >> 8
            else:
                data[place] = code
        return bytes(data)

    def unpack(self, data: bytes) -> Store:
        store = Store(self.instance, self.instance.fixed)
        wide, values = self.wide, self.values
        for place, cell in self.at:
            index = cell[0]
            code = data[place]
            if index in wide:
                code |= data[place + 1] << 8
            if code:
                store[cell] = values[index][code]
        return store


def _cells(instance: Instance) -> list[tuple[Cell, bool]]:
    """All cells that can change, and whether they need two bytes."""
    system, sizes = instance.system, instance.sizes
    found: list[tuple[Cell, bool]] = []
    for f in system.fields:
        if f.lifetime is not Lifetime.FIXED:
            wide = isinstance(f.type, SeqT | SetT) or (isinstance(f.type, CountT) and f.type.limit > 255)
            found += [(cell, wide) for cell in cells_of(f, sizes)]
    for sort in system.sorts:
        if sort.pool:
            found += [((live_index(system, sort), x), False) for x in range(sizes[sort.index])]
    for lock in system.locks:
        owners: list[tuple[int, ...]] = [()] if lock.owner is None else [(x,) for x in range(sizes[lock.owner.index])]
        found += [((lock_index(system, lock), *owner), True) for owner in owners]
    if system.caller is not None:
        found += [((call_index(system), x), True) for x in range(sizes[system.caller.index])]
    return found
