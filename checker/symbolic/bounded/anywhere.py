"""A state about which nothing is known: every cell may have every value of its type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Gates, Lit
from luocheck.checker.symbolic.bounded.refusal import Refused
from luocheck.checker.symbolic.bounded.summaries import Summary, mux
from luocheck.checker.symbolic.bounded.world import Cells, World
from luocheck.model.instances import Cell, cells_of, values_of
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import System
from luocheck.model.ir.vocabulary import ErrnoT, Field, Lifetime, SeqT, Sort
from luocheck.model.semantics.run import FOREVER
from luocheck.model.semantics.store import live_index, lock_index

MOST_VALUES = 400
"""Most values of one cell."""


@dataclass(frozen=True, slots=True)
class Coded:
    """A cell as a binary number: `bits` are inputs, and say the position in `values`."""

    cell: Cell
    values: tuple[Any, ...]
    bits: tuple[Lit, ...]

    def bits_of(self, gates: Gates, summary: Summary) -> list[Lit]:
        """The bits for what the cell holds in another state."""
        position = {value: number for number, value in enumerate(self.values)}
        return [gates.any_of(lit for value, lit in summary.items() if position[value] >> bit & 1) for bit in range(len(self.bits))]


def anywhere(world: World) -> tuple[Cells, list[Coded]]:
    """Any state at all, and its cells as numbers.  Fixed fields are those of the starting point, and what is dead has its initial values.

    Raises Refused where a cell has too many values to be listed.
    """
    gates, system = world.gates, world.system
    cells: Cells = dict(world.fixed)
    coded: list[Coded] = []

    def add(cell: Cell, values: Sequence[Any], there: Lit) -> None:
        bits = tuple(gates.input() for _ in range((len(values) - 1).bit_length()))
        coded.append(Coded(cell, tuple(values), bits))
        cells[cell] = mux(gates, there, _decoded(gates, values, bits), world.absent[cell[0]])

    for sort in system.sorts:
        if sort.pool:
            for x in world.first.domain(sort):
                add((live_index(system, sort), x), (False, True), TRUE)
    for lock in system.locks:
        owners: list[Cell] = [(x,) for x in world.first.domain(lock.owner)] if lock.owner is not None else [()]
        for owner in owners:
            add((lock_index(system, lock), *owner), (None, ("s", (FOREVER,)), ("x", (FOREVER,))), TRUE)
    for field in system.fields:
        if field.lifetime is Lifetime.FIXED:
            continue
        values = _values(field, world)
        if len(values) > MOST_VALUES:
            raise Refused(f"`{field.name}` has {len(values):,} values in this scope", field.span)
        for cell in cells_of(field, world.sizes) if values else []:
            there = TRUE
            for sort_, x in zip(field.owners, cell[1:], strict=True):
                if isinstance(sort_, Sort) and sort_.pool:
                    there = gates.and_(there, world.alive(cells, sort_, x))
            add(cell, values, there)
    return cells, coded


def _decoded(gates: Gates, values: Sequence[Any], bits: Sequence[Lit]) -> Summary:
    """The value at the position that the bits say; beyond the last, the first."""
    found: Summary = {}
    rest: list[Lit] = []
    for number in range(1, len(values)):
        found[values[number]] = gates.all_of(lit if number >> bit & 1 else lit ^ 1 for bit, lit in enumerate(bits))
        rest.append(found[values[number]])
    return {values[0]: gates.any_of(rest) ^ 1, **found}


def _values(field: Field, world: World) -> list[Any]:
    """All values of a field that are possible, its default first."""
    default = world.defaults[field.index]
    if isinstance(field.type, SeqT):
        size = world.sizes[field.type.sort.index]
        lengths = range(size + 1) if size <= 5 else range(3)
        found: list[Any] = [order for length in lengths for order in permutations(range(size), length)]
        if size > 5:
            raise Refused(f"`{field.name}` is a list of up to {size} elements, in every order", field.span)
    elif isinstance(field.type, ErrnoT):
        found = _errnos(world.system)
    else:
        found = values_of(field.type, world.sizes)
    return [default, *(value for value in found if value != default)] if found else []


def _errnos(system: System) -> list[str]:
    """Every errno that the bodies name."""
    names = {f.initial for f in system.fields if isinstance(f.type, ErrnoT)}
    bodies = [body for _, body in system.bodies()] + [effect.body for event in system.events for effect in event.effects]
    for body in bodies:
        for stmt in st.statements(body):
            names |= {
                part.value
                for expr in st.expressions(stmt)
                for part in e.walk(expr)
                if isinstance(part, e.Const) and isinstance(part.type, ErrnoT)
            }
    return sorted(str(name) for name in names)


def same(gates: Gates, world: World, coded: Sequence[Coded], cells: Cells) -> list[Lit]:
    """For each cell, when it differs from its initial value."""
    return [world.cell(cells, each.cell).get(next(iter(world.absent[each.cell[0]])), FALSE) ^ 1 for each in coded]
