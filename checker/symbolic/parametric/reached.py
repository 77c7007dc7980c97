"""The views of all reachable states of a small scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any

from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.order import told_apart
from luocheck.checker.explore.search import InstanceSearch
from luocheck.checker.explore.symmetry import Symmetry, groups_of
from luocheck.checker.native.tiers import Search, Tiers
from luocheck.checker.symbolic.parametric.views import NONE, OTHER, Known, Template, View
from luocheck.model.instances import Cell, Instance, cells_of, instances
from luocheck.model.ir.system import Scope, System
from luocheck.model.ir.vocabulary import ElemT, Field, Value
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.store import Store

OFTEN = 256
"""States that are read between two looks at the limits."""


def add_views(system: System, scope: Scope, known: Sequence[Known], limits: Limits, engine: str = "auto") -> int:
    """Explores a scope and adds what its states show; how many states were read.

    What comes after a state with a new view comes first, so that a scope with too many states shows what is many calls away.  Every graph
    of it has an equal share of the states: one of which nothing was seen would look impossible.  Raises Stopped at the other limits.
    """
    tiers = Tiers(engine)
    states = 0
    apart = told_apart(system, scope, ())
    machine: Machine | None = None
    every = list(instances(system, scope))
    for number, instance in enumerate(every):
        if machine is None or machine.sizes != instance.sizes:
            machine = Machine(instance)
        symmetry = Symmetry(instance, machine, groups_of(instance, apart))
        reduced = symmetry if symmetry.order > 1 else None
        share = None if limits.max_states is None else max(1, (limits.max_states - states) // (len(every) - number))
        bounds = replace(limits, max_states=share)
        wanted = Search(instance, machine, (), bounds, 0, None, lambda search, depth: False, scope.span, reduced, apart)
        wanted.guide = partial(_guide, known, instance, limits)
        search, _, stopped = tiers.search(wanted)
        try:
            found = len(search.states)
            if stopped is not None and (not isinstance(stopped, Stopped) or share is None or found < share):
                raise stopped
            states += found
            if stopped is not None:
                for each in known:
                    each.sampled = True
        finally:
            search.close()
    return states


def _guide(known: Sequence[Known], instance: Instance, limits: Limits, search: InstanceSearch) -> Callable[[int], bool]:
    """Reads each state of a search; whether it shows what no state of it did before."""
    reader = _Reader(known, instance)

    def fresh(state: int) -> bool:
        if state % OFTEN == 0:
            limits.check(0)
        return reader.read(search.representative(state))

    return fresh


class _Reader:
    """Adds the views of an instance's states.

    What single elements show is numbered, so that it is quick to see that some elements look as others did before.  Each binding of each
    template has its own glance, made once, that puts a view together from what its elements show.
    """

    def __init__(self, known: Sequence[Known], instance: Instance) -> None:
        fields = {f for each in known for c in each.template.columns for f in c.fields}
        apart: dict[int | None, list[Field]] = {sort.index: [] for sort in instance.system.sorts}
        rest: list[Field] = []
        for f in sorted(fields, key=lambda f: f.index):
            (apart[f.owners[0].index] if len(f.owners) == 1 else rest).append(f)
        self.everywhere = _Look(rest, [cell for f in rest for cell in cells_of(f, instance.sizes)], instance)
        self.looks = [
            [_Look(of_sort, [(f.index, x) for f in of_sort], instance) for x in range(instance.sizes[sort])]
            for sort, of_sort in apart.items()
            if sort is not None
        ]
        self.known = [
            (
                each,
                [_Glance(each.template, b, self.everywhere, self.looks, instance) for b in each.template.bindings(instance.sizes)],
            )
            for each in known
        ]
        self.shown: list[set[View]] = [set() for _ in known]

    def read(self, store: Store) -> bool:
        """Adds the views of a state.  Is one of them new to this reader?"""
        fresh = False
        everywhere = self.everywhere.number(store)
        numbers = [[look.number(store) for look in of_sort] for of_sort in self.looks]
        for (each, glances), shown in zip(self.known, self.shown, strict=True):
            for glance in glances:
                key = (everywhere, *[numbers[sort][x] for sort, x in glance.elements])
                if key not in glance.seen:
                    glance.seen.add(key)
                    view = glance.view(key)
                    if view not in shown:
                        shown.add(view)
                        each.add(view)
                        fresh = True
        return fresh


class _Look:
    """Some cells of a state, and what was seen in them."""

    def __init__(self, fields: Sequence[Field], cells: Sequence[Cell], instance: Instance) -> None:
        of = {f.index: f for f in fields}
        self.places = {cell: i for i, cell in enumerate(cells)}
        self.cells = [(cell, instance.defaults[cell[0]]) for cell in cells]
        self.plain = [not isinstance(of[cell[0]].type, ElemT) for cell in cells]
        self.numbers: dict[tuple[Value, ...], int] = {}
        self.values: list[tuple[Value, ...]] = []

    def number(self, store: Store) -> int:
        get = store.get
        shown = tuple([get(cell, default) for cell, default in self.cells])
        number = self.numbers.get(shown)
        if number is None:
            number = self.numbers[shown] = len(self.values)
            self.values.append(tuple(int(v) if plain else v for v, plain in zip(shown, self.plain, strict=True)))  # type: ignore[arg-type]
        return number


class _Glance:
    """How the views of one binding are put together.  `seen`: what its elements showed, in numbers, where the view is known."""

    def __init__(
        self, template: Template, binding: tuple[int, ...], everywhere: _Look, looks: Sequence[Sequence[_Look]], instance: Instance
    ) -> None:
        self.elements = [(sort.index, x) for sort, x in zip(template.sorts, binding, strict=True)]
        self.shown = [everywhere, *(looks[sort][x] for sort, x in self.elements)]
        self.seen: set[tuple[int, ...]] = set()
        starts = list(accumulate((len(look.cells) for look in self.shown), initial=0))
        width = starts[-1]
        self.constants: list[int] = []  # they stand behind what is shown

        def constant(value: int) -> int:
            self.constants.append(value)
            return width + len(self.constants) - 1

        def place(f: Field, variables: Sequence[int]) -> int:
            if len(variables) == 1:
                return starts[1 + variables[0]] + self.shown[1 + variables[0]].places[f.index, binding[variables[0]]]
            return everywhere.places[(f.index, *(binding[v] for v in variables))]

        picked: list[int] = []
        self.names: list[tuple[int, dict[Value, int]]] = []
        self.same: list[tuple[int, int, int]] = []
        for number, column in enumerate(template.columns):
            if column.graph is not None:
                x, y = (binding[v] for v in column.variables)
                edges = (instance.closure if column.closure else instance.edges)[column.graph.index]
                picked.append(constant(int((x, y) in edges)))
                continue
            assert column.field is not None
            first = len(column.field.owners)
            if column.same is not None:
                one, other = place(column.field, column.variables[:first]), place(column.same, column.variables[first:])
                self.same.append((number, one, other))
                picked.append(constant(0))
                continue
            picked.append(place(column.field, column.variables))
            if isinstance(column.field.type, ElemT):
                named = column.field.type.sort
                names: dict[Value, int] = {
                    x: v for v, (x, sort) in enumerate(zip(binding, template.sorts, strict=True)) if sort is named
                }
                self.names.append((number, {None: NONE, **names}))
        self.picked = picked

    def view(self, key: tuple[int, ...]) -> View:
        values: list[Any] = []
        for look, number in zip(self.shown, key, strict=True):
            values += look.values[number]
        values += self.constants
        view = [values[i] for i in self.picked]
        for number, names in self.names:
            view[number] = names.get(view[number], OTHER)
        for number, i, j in self.same:
            view[number] = int(values[i] is not None and values[i] == values[j])
        return tuple(view)
