"""Shortest runs to the discoveries of a search, with the fewest faults and, among those, the fewest elements."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from luocheck.checker.explore.search import Discovery, InstanceSearch, Moment, calls
from luocheck.model.answer import Clause, Step, Witness
from luocheck.model.instances import Cell, Instance
from luocheck.model.ir.expressions import Expr
from luocheck.model.ir.system import Event, Kind, Property
from luocheck.model.ir.vocabulary import ElemT, SetT, Sort
from luocheck.model.semantics.claims import transition_monitor
from luocheck.model.semantics.explain import Explainer
from luocheck.model.semantics.expressions import Compiler
from luocheck.model.semantics.machine import Arguments, Machine
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.shown import cell_text, place_text, step_of
from luocheck.model.semantics.store import Store

MOST_MASKS = 2_000
"""Most sets of elements that are kept apart for one state; beyond, the number of elements is not claimed to be minimal."""


Taken = tuple[Event, Arguments, bool, Outcome]
"""A call that was executed: its event and arguments, whether it was begun earlier, and how it ended."""


@dataclass(slots=True)
class Path:
    """A run to a moment: its states, the elements named on the way to each (as bits), the moment, and what was minimised."""

    states: list[int]
    masks: list[int]
    moment: Moment
    calls: int
    faults: int
    elements: int
    fewest_elements: bool

    @property
    def key(self) -> tuple[int, int, int]:
        return self.calls, self.faults, self.elements


def cost(search: InstanceSearch, discovery: Discovery) -> tuple[int, int]:
    """Calls and faults of the best runs to a discovery."""
    return discovery.depth, min(search.faults[m.source] + m.faults for m in discovery.moments)


def best_path(search: InstanceSearch, discovery: Discovery) -> Path:
    """The run with the fewest faults, then the fewest elements, then the one found first."""
    _, fewest = cost(search, discovery)
    moments = [m for m in discovery.moments if search.faults[m.source] + m.faults == fewest]
    masks, exact = _masks(search, {m.source for m in moments})
    choice: tuple[int, int, Moment, int] | None = None
    for position, moment in enumerate(moments):
        for mask in masks[moment.source]:
            size = (mask | moment.mask).bit_count()
            if choice is None or (size, position) < choice[:2]:
                choice = (size, position, moment, mask)
    assert choice is not None
    size, _, moment, mask = choice
    states, on_the_way = _trace(moment.source, mask, masks)
    return Path(states, on_the_way, moment, discovery.depth, fewest, size, exact and search.countable)


_Masks = dict[int, dict[int, tuple[int, int]]]
"""state -> set of elements (as bits) that a best run to it names -> (state before, set of elements there).

With symmetry the elements are those of the state that stands for the orbit, so they are renamed from state to state.
"""


def _masks(search: InstanceSearch, goals: set[int]) -> tuple[_Masks, bool]:
    """For all states on best runs to the goals, the inclusion-minimal sets of elements that such runs name."""
    edges = search.edges_to(goals)
    into: defaultdict[int, list[int]] = defaultdict(list)
    for i in range(bisect_left(edges.sources, max(goals, default=0))):  # an edge leads from a smaller number to a larger one
        into[edges.targets[i]].append(i)
    cone: dict[int, list[int]] = {}
    todo = list(goals)
    while todo:
        state = todo.pop()
        if state in cone:
            continue
        best = [i for i in into[state] if search.faults[edges.sources[i]] + edges.faults[i] == search.faults[state]]
        cone[state] = best
        todo += [edges.sources[i] for i in best]
    masks: _Masks = {}
    exact = True
    for state in sorted(cone):  # numbers grow with the level
        if not cone[state]:
            masks[state] = {0: (-1, 0)}
            continue
        found: dict[int, tuple[int, int]] = {}
        for i in cone[state]:
            source = edges.sources[i]
            turn = search.turn_to(edges, i) if search.symmetry is not None else None
            for mask in masks[source]:
                named = mask | edges.masks[i]
                if turn is not None and search.symmetry is not None:
                    named = search.symmetry.mask(named, turn)
                found.setdefault(named, (source, mask))
        kept = [m for m in found if not any(other != m and other & m == other for other in found)]
        if len(kept) > MOST_MASKS:
            exact = False
            kept = sorted(kept, key=int.bit_count)[:MOST_MASKS]
        masks[state] = {m: found[m] for m in kept}
    return masks, exact


def _trace(state: int, mask: int, masks: _Masks) -> tuple[list[int], list[int]]:
    """The states of a best run and the elements named on the way to each, from the first to this one."""
    states, on_the_way = [state], [mask]
    while True:
        before, mask = masks[state][mask]
        if before < 0:
            return states[::-1], on_the_way[::-1]
        states.append(before)
        on_the_way.append(mask)
        state = before


class Narrator:
    """Tells a path as a witness: executes it again, with notes.  `machine` takes them, and may be one of another instance of the scope."""

    def __init__(self, instance: Instance, machine: Machine) -> None:
        self.instance = instance
        self.machine = machine

    def witness(self, search: InstanceSearch, path: Path, claim: Property, minimal: tuple[str, ...]) -> Witness:
        taken: list[Taken] = []
        start = here = search.store(path.states[0])
        named = path.masks[0]
        for number in range(len(path.states) - 1):
            step = self._transition(search, path, number, here, named)
            event, arguments, _, outcome = step
            taken.append(step)
            named |= search.mask(event, arguments, outcome)
            here = outcome.store
        moment = self._renamed(search, path, here, named)
        if moment.event is not None:
            taken.append((moment.event, moment.arguments, moment.resumed, self._final(search, moment, here, claim)))
        assert sum(outcome.faults for *_, outcome in taken) == path.faults
        return self.tell(start, taken, claim, minimal, by_last_call=moment.event is not None)

    def tell(
        self, start: Store, taken: Sequence[Taken], claim: Property, minimal: tuple[str, ...], *, by_last_call: bool
    ) -> Witness:
        """A run that was executed, as a witness: what its last call broke, or else the state after it."""
        steps: list[Step] = []
        here = start
        used: set[tuple[int, int]] = set()
        clauses: tuple[Clause, ...] = ()
        for event, arguments, resumed, outcome in taken:
            steps.append(step_of(event, arguments, outcome, here, resumed))
            used |= elements(event, arguments, outcome)
            here = outcome.store
        if by_last_call:
            event, _, _, outcome = taken[-1]
            clauses = self._clauses(claim, outcome.store, outcome.env, event)
        else:
            clauses = self._clauses(claim, here, [None] * claim.slots, None)
        return self.made(start, steps, used, minimal, clauses)

    def made(
        self,
        start: Store,
        steps: list[Step],
        used: set[tuple[int, int]],
        minimal: tuple[str, ...],
        clauses: tuple[Clause, ...],
        loop: int | None = None,
    ) -> Witness:
        """The witness of a run that was executed: where it starts, its steps, and the elements that they name, as (sort, element)."""
        return Witness(
            self.instance.scope.name,
            self.instance.topology.name if self.instance.topology is not None else None,
            tuple(steps),
            self._graph(),
            tuple(self._given(start)),
            tuple(self._names(used | self._at_start(start))),
            minimal,
            clauses,
            bool(self.instance.scope.stepwise),
            loop,
        )

    def _transition(self, search: InstanceSearch, path: Path, number: int, before: Store, named: int) -> Taken:
        """The call that leads on along a path: the fewest faults, and no elements but those of the path.  `named`: until now."""
        edges, source, target = search.deeper, path.states[number], path.states[number + 1]
        ours = range(bisect_left(edges.sources, source), bisect_right(edges.sources, source))
        events = {edges.events[i] for i in ours if edges.targets[i] == target}
        after, wanted = search.store(target), path.masks[number + 1]
        symmetry, packing = search.symmetry, search.packing
        orbit, with_elements = b"", b""
        if symmetry is not None:
            orbit, with_elements = symmetry.key(after, packing), symmetry.key(after, packing, wanted)
        best: tuple[tuple[int, bool, int], Taken] | None = None
        for event, arguments, resumed, outcomes in calls(self.machine, before, search.callers, events):
            for outcome in outcomes:
                if not outcome.goes_on:
                    continue
                mask = named | search.mask(event, arguments, outcome)
                if symmetry is None:
                    there, others = outcome.store == after, mask != wanted
                else:
                    there = symmetry.key(outcome.store, packing) == orbit
                    others = there and symmetry.key(outcome.store, packing, mask) != with_elements
                if there:
                    key = (outcome.faults, others, len(elements(event, arguments, outcome)))
                    if best is None or key < best[0]:
                        best = key, (event, arguments, resumed, outcome)
        assert best is not None, target
        return best[1]

    def _renamed(self, search: InstanceSearch, path: Path, here: Store, named: int) -> Moment:
        """The moment at which a path ends, in the names of a run to it that ends `here` and has named these elements."""
        moment = path.moment
        if search.symmetry is None or moment.event is None:
            return moment
        there, masks = search.store(path.states[-1]), (path.masks[-1], named)
        if search.symmetry.key(there, search.packing, masks[0]) != search.symmetry.key(here, search.packing, masks[1]):
            masks = (0, 0)
        turn = search.symmetry.between(there, here, *masks)
        assert turn is not None
        arguments = search.symmetry.renaming.arguments(moment.event, moment.arguments, turn)
        return replace(moment, arguments=arguments, mask=search.symmetry.mask(moment.mask, turn))

    def _final(self, search: InstanceSearch, moment: Moment, store: Store, claim: Property) -> Outcome:
        """The way in which the last call ends: one that breaks the claim, with the elements that were counted."""
        assert moment.event is not None
        if moment.resumed:
            caller = next(v for p, v in zip(moment.event.parameters, moment.arguments) if p.slot == moment.event.caller)
            outcomes = self.machine.resume(caller, store)
        else:
            outcomes = self.machine.call(moment.event, moment.arguments, store)
        same = [
            o for o in outcomes if (o.kind, o.errno, o.label, o.faults) == (moment.kind, moment.errno, moment.label, moment.faults)
        ]
        if claim.kind in (Kind.AFTER, Kind.NEVER):
            monitor = transition_monitor(claim, Compiler(self.instance, checked=False))
            broken = [o for o in same if monitor.violated(o)]
        else:
            broken = [o for o in same if any(name == claim.name for name, _ in o.findings)]
        event, arguments = moment.event, moment.arguments
        return min(broken, key=lambda o: (search.mask(event, arguments, o) != moment.mask, len(elements(event, arguments, o))))

    def _clauses(self, claim: Property, store: Store, env: list[Any], event: Event | None) -> tuple[Clause, ...]:
        condition: Expr | None = claim.condition
        if condition is None or claim.kind not in (Kind.INVARIANT, Kind.LEMMA, Kind.REACHABLE, Kind.AFTER, Kind.RECOVERABLE):
            return ()
        if claim.kind is Kind.AFTER and (claim.pattern is None or claim.pattern.event is None):
            env = [env[0], *[None] * claim.slots]
        wanted = claim.kind in (Kind.REACHABLE, Kind.RECOVERABLE)
        return Explainer(store, env).why(condition, wanted)

    def _graph(self) -> tuple[tuple[str, str], ...]:
        instance = self.instance
        return tuple(
            (instance.name(graph.sort, a), instance.name(graph.sort, b))
            for graph in instance.system.graphs
            for a, b in sorted(instance.edges[graph.index])
        )

    def _given(self, start: Store) -> list[str]:
        """The fixed and drawn choices of the start that are not the default, as conditions."""
        out = []
        for cell in self._chosen(start):
            place, value = place_text(cell, self.instance), cell_text(cell, start[cell], self.instance)
            out.append(place if value == "true" else f"{place} == {value}")
        return out

    def _chosen(self, start: Store) -> list[Cell]:
        fields = self.instance.system.fields
        return [cell for cell in sorted(start) if cell[0] < len(fields) and fields[cell[0]].drawn]

    def _at_start(self, start: Store) -> set[tuple[int, int]]:
        """The elements that the graph and the choices of the start name, as (sort, element)."""
        instance = self.instance
        found = {(g.sort.index, x) for g in instance.system.graphs for edge in instance.edges[g.index] for x in edge}
        for cell in self._chosen(start):
            field = instance.system.fields[cell[0]]
            found |= {(owner.index, x) for owner, x in zip(field.owners, cell[1:], strict=True) if isinstance(owner, Sort)}
            if isinstance(field.type, ElemT):
                found.add((field.type.sort.index, start[cell]))
            elif isinstance(field.type, SetT):
                found |= {(field.type.sort.index, x) for x in start[cell]}
        return found

    def _names(self, used: set[tuple[int, int]]) -> list[tuple[str, str]]:
        """Name and sort of elements, without those that the topology names."""
        instance = self.instance
        sorts = instance.system.sorts
        named = instance.topology.sort if instance.topology is not None else None
        return [(instance.name(sorts[s], x), sorts[s].name) for s, x in sorted(used) if sorts[s].name != named]


def elements(event: Event, arguments: Arguments, outcome: Outcome) -> set[tuple[int, int]]:
    """The elements that a call names, as (sort, element)."""
    found = {(p.type.sort.index, v) for p, v in zip(event.parameters, arguments) if isinstance(p.type, ElemT) and v is not None}
    result = event.result
    if result is not None and outcome.kind == "returns" and outcome.errno == "OK" and isinstance(result.type, ElemT):
        value = outcome.env[result.slot]
        if value is not None:
            found.add((result.type.sort.index, value))
    return found
