"""A state of the system: a sparse map from cells to values.

A cell that has its default value is left out, so that equal states are equal maps and a scope can grow without rewriting the state.
Besides the fields there are cells for what is alive in a pool, for locks, and for calls in progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from luocheck.model.instances import Cell, Instance
from luocheck.model.ir.system import Event, System
from luocheck.model.ir.vocabulary import ElemT, Lock, Owner, SeqT, SetT, Sort, Value

if TYPE_CHECKING:
    from luocheck.model.semantics.run import Run


class Store(dict[Cell, Any]):
    """The cells of one state that differ from their default."""

    __slots__ = ("instance",)

    def __init__(self, instance: Instance, cells: Mapping[Cell, Any] = {}) -> None:
        dict.__init__(self, cells)
        self.instance = instance

    def copy(self) -> Store:
        return Store(self.instance, self)

    def value(self, cell: Cell, default: Value) -> Any:
        """What a cell holds; `default` is its field's."""
        return self.get(cell, default)

    def write(self, cell: Cell, value: Value, default: Value) -> None:
        if value == default:
            self.pop(cell, None)
        else:
            self[cell] = value

    def elements(self, owner: Owner) -> Any:
        """What a quantifier over a sort or enum ranges over: all positions; of a pool, the live elements."""
        domain = self.instance.domain(owner)
        if isinstance(owner, Sort) and owner.pool:
            alive = live_index(self.instance.system, owner)
            return [x for x in domain if (alive, x) in self]
        return domain

    def free(self, sort: Sort, x: int) -> None:
        """An element of a pool dies: all its cells are gone."""
        system = self.instance.system
        pairs: dict[int, list[int]] = {}
        for f in system.fields:
            if f.owners == (sort,):
                self.pop((f.index, x), None)
            elif sort in f.owners:
                pairs[f.index] = [place for place, o in enumerate(f.owners, 1) if o is sort]
        if pairs:
            for cell in [c for c in self if c[0] in pairs and any(c[place] == x for place in pairs[c[0]])]:
                del self[cell]
        del self[live_index(system, sort), x]

    def first_dead(self, sort: Sort, run: Run) -> int | None:
        """The first element of a pool that is neither alive nor still named by a field or a local; None when the scope has no more."""
        alive = live_index(self.instance.system, sort)
        named: set[Any] | None = None
        for x in self.instance.domain(sort):
            if (alive, x) not in self:
                if named is None:
                    named = self.named(sort, run)
                if x not in named:
                    return x
        return None

    def named(self, sort: Sort, run: Run) -> set[Any]:
        """Elements of a sort that some field, or some local of a call in progress, refers to."""
        system = self.instance.system
        found: set[Any] = set()
        single, many = references(system, sort)
        for cell, value in self.items():
            if cell[0] in single:
                found.add(value)
            elif cell[0] in many:
                found.update(value)
            elif cell[0] == call_index(system):
                found.update(_locals(system.events[value.event], value.env, sort))
        if run.event is not None:
            found.update(_locals(run.event, run.env, sort))
        return found

    def inside(self, caller: int | None) -> bool:
        """Is a caller inside a call?"""
        return (call_index(self.instance.system), caller) in self

    def idle(self) -> bool:
        """Nobody is inside a call."""
        calls = call_index(self.instance.system)
        return not any(cell[0] == calls for cell in self)


@cache
def references(system: System, sort: Sort) -> tuple[frozenset[int], frozenset[int]]:
    """Fields whose value is an element of a sort, and fields whose value is a set or sequence of them."""
    single = frozenset(f.index for f in system.fields if isinstance(f.type, ElemT) and f.type.sort is sort)
    many = frozenset(f.index for f in system.fields if isinstance(f.type, SetT | SeqT) and f.type.sort is sort)
    return single, many


def _locals(event: Event, env: Iterable[Any], sort: Sort) -> set[Any]:
    """Elements of a sort in the locals of a call."""
    return {value for type_, value in zip(event.slots, env, strict=True) if isinstance(type_, ElemT) and type_.sort is sort}


def live_index(system: System, sort: Sort) -> int:
    """First component of the cells that say which elements of a pool are alive."""
    return len(system.fields) + sort.index


def lock_index(system: System, lock: Lock) -> int:
    """First component of the cells that say who holds a lock."""
    return len(system.fields) + len(system.sorts) + lock.index


def call_index(system: System) -> int:
    """First component of the cells that hold the calls in progress, by caller."""
    return len(system.fields) + len(system.sorts) + len(system.locks)
