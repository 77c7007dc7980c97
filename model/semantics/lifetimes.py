"""What kexec does to the state, and the drawing of `any`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from luocheck.model.instances import Cell, cells_of, values_of
from luocheck.model.ir.system import System
from luocheck.model.ir.vocabulary import Field, Lifetime, Sort
from luocheck.model.semantics.store import Store, live_index


def after_reboot(store: Store) -> Store:
    """Volatile cells are gone, pool elements survive iff their sort has a preserved field, no lock is held, nobody is inside a call."""
    survives = surviving(store.instance.system)
    return Store(store.instance, {cell: value for cell, value in store.items() if cell[0] in survives})


def surviving(system: System) -> set[int]:
    """First components of the cells that kexec leaves as they are."""
    fields, sorts = survivors(system)
    return fields | {live_index(system, sort) for sort in system.sorts if sort.index in sorts}


def survivors(system: System) -> tuple[set[int], set[int]]:
    """Fields whose values kexec keeps, and sorts whose elements it keeps, by index."""
    sorts = {sort.index for sort in system.sorts if not sort.pool or _has_preserved(system.fields, sort)}
    fields: set[int] = set()
    for f in system.fields:
        owners_survive = all(not isinstance(o, Sort) or o.index in sorts for o in f.owners)
        if f.lifetime is not Lifetime.VOLATILE and owners_survive:
            fields.add(f.index)
    return fields, sorts


def _has_preserved(fields: tuple[Field, ...], sort: Sort) -> bool:
    return any(f.lifetime is Lifetime.PRESERVED and sort in f.owners for f in fields)


def draws(store: Store, fields: list[Field], *, fixed: bool, only: tuple[Sort, int] | None = None) -> Iterator[Store]:
    """Copies of a store with every value for the cells declared `= any`.

    `fixed` chooses the fixed ones, else the volatile ones; `only` an element: the cells of this element alone (after `new`).
    Cells of dead pool elements are not drawn.
    """
    sizes = store.instance.sizes
    cells: list[Cell] = []
    for f in fields:
        if f.drawn and (f.lifetime is Lifetime.FIXED) == fixed:
            cells += [cell for cell in cells_of(f, sizes) if _drawable(store, f, cell, only)]
    if not cells:
        yield store
        return
    system = store.instance.system
    options = [values_of(system.fields[cell[0]].type, sizes) for cell in cells]
    for choice in product(*options):
        copy = store.copy()
        for cell, value in zip(cells, choice, strict=True):
            copy.write(cell, value, store.instance.defaults[cell[0]])
        yield copy


def _drawable(store: Store, f: Field, cell: Cell, only: tuple[Sort, int] | None) -> bool:
    system = store.instance.system
    for owner, element in zip(f.owners, cell[1:], strict=True):
        if isinstance(owner, Sort) and owner.pool and (live_index(system, owner), element) not in store:
            return False
    if only is None:
        return True
    return any(owner is only[0] and element == only[1] for owner, element in zip(f.owners, cell[1:], strict=True))
