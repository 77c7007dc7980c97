"""What never changes in a run, as a choice: which starting point, with its graph and its fixed fields, is it?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Gates, Lit
from luocheck.checker.symbolic.bounded.summaries import NO, NONE, Summary, constant, made
from luocheck.model.instances import Cell, Instance
from luocheck.model.ir.vocabulary import Owner, Sort
from luocheck.model.semantics.store import live_index, lock_index

Cells = dict[Cell, Summary]
"""The cells of a state; one that is left out has its default."""


class Choices:
    """Free choices of one step.  Alternatives that exclude one another can share the inputs: `rewind` begins with the first again."""

    def __init__(self, gates: Gates) -> None:
        self.gates = gates
        self._inputs: list[Lit] = []
        self._next = 0

    def rewind(self) -> None:
        self._next = 0

    def flag(self) -> Lit:
        """A free bool."""
        if self._next == len(self._inputs):
            self._inputs.append(self.gates.input())
        self._next += 1
        return self._inputs[self._next - 1]

    def one_of(self, values: Sequence[Any]) -> Summary:
        """A free choice of a value."""
        parts: Summary = {}
        todo = [(list(values), TRUE)]
        while todo:
            several, lit = todo.pop()
            if len(several) == 1:
                parts[several[0]] = lit
            elif several:
                half, flag = len(several) // 2, self.flag()
                todo.append((several[half:], self.gates.and_(lit, flag)))
                todo.append((several[:half], self.gates.and_(lit, flag ^ 1)))
        return parts

    def among(self, options: Sequence[tuple[Any, Lit]]) -> tuple[Summary, Lit]:
        """A free choice among the options whose formulas are true, and when there is none.  Every assignment to the inputs chooses one."""
        gates = self.gates
        later = [FALSE] * (len(options) + 1)  # is there one after this?
        for i in range(len(options) - 1, -1, -1):
            later[i] = gates.or_(later[i + 1], options[i][1])
        parts: Summary = {}
        left = TRUE
        for i, (value, lit) in enumerate(options):
            if lit == FALSE:
                continue
            wanted = gates.or_(self.flag(), later[i + 1] ^ 1) if later[i + 1] != FALSE else TRUE
            parts[value] = gates.and_(gates.and_(left, lit), wanted)
            left = gates.and_(left, gates.and_(lit, wanted) ^ 1)
        return parts, later[0] ^ 1


class World:
    """The starting points of a scope, one of which is chosen.

    pick: number of the starting point.  edges, closure: (graph, pair of elements) -> when there is one.  orders: by graph, prerequisites
    first.  fixed: the cells that are chosen once.  absent: what a cell holds that a state leaves out, by its first component.
    """

    def __init__(self, gates: Gates, instances: Sequence[Instance]) -> None:
        self.gates = gates
        self.instances = instances
        self.first = instances[0]
        self.system = self.first.system
        self.sizes = self.first.sizes
        self.defaults = self.first.defaults
        self.pick = Choices(gates).one_of(range(len(instances)))
        self.edges = [self._pairs([i.edges[g.index] for i in instances]) for g in self.system.graphs]
        self.closure = [self._pairs([i.closure[g.index] for i in instances]) for g in self.system.graphs]
        self.orders = [made(gates, ((i.order[g.index], self.pick[n]) for n, i in enumerate(instances))) for g in self.system.graphs]
        self.edge_count = made(gates, ((sum(map(len, i.edges)), self.pick[n]) for n, i in enumerate(instances)))
        self.fixed: Cells = {}
        for cell in sorted({cell for instance in instances for cell in instance.fixed}):
            default = self.defaults[cell[0]]
            self.fixed[cell] = made(gates, ((i.fixed.get(cell, default), self.pick[n]) for n, i in enumerate(instances)))
        system = self.system
        self.absent = {index: constant(value) for index, value in enumerate(self.defaults)}
        self.absent |= {live_index(system, sort): NO for sort in system.sorts}
        self.absent |= {lock_index(system, lock): NONE for lock in system.locks}

    def _pairs(self, sets: Sequence[frozenset[tuple[int, int]]]) -> dict[tuple[int, int], Lit]:
        lits: dict[tuple[int, int], list[Lit]] = {}
        for number, pairs in enumerate(sets):
            for pair in sorted(pairs):
                lits.setdefault(pair, []).append(self.pick[number])
        return {pair: TRUE if len(found) == len(sets) else self.gates.any_of(found) for pair, found in lits.items()}

    def cell(self, cells: Cells, cell: Cell) -> Summary:
        """What a cell holds."""
        return cells.get(cell) or self.absent[cell[0]]

    def alive(self, cells: Cells, sort: Sort, x: int) -> Lit:
        """Is an element of a pool alive?"""
        summary = cells.get((live_index(self.system, sort), x))
        return summary.get(True, FALSE) if summary is not None else FALSE

    def elements(self, cells: Cells, owner: Owner) -> list[tuple[int, Lit]]:
        """What a quantifier over a sort or enum ranges over, each with when it is there."""
        domain = self.first.domain(owner)
        if isinstance(owner, Sort) and owner.pool:
            return [(x, self.alive(cells, owner, x)) for x in domain]
        return [(x, TRUE) for x in domain]
