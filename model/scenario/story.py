"""One run of a scenario, told in the names of the scenario."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count, pairwise

from luocheck.model.answer import Step
from luocheck.model.instances import Instance, default_name
from luocheck.model.scenario.beliefs import Believed, Binding, caller_of
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.shown import argument_texts, cell_text, changes, place_text, state_lines, step_of
from luocheck.model.semantics.store import Store


def renamed(instance: Instance, scenario: Scenario, binding: Binding) -> Instance:
    """The instance with its elements called as in the scenario.

    Those without a name there keep theirs; where the scenario uses it for another element, they get a number that is free.
    """
    taken = {each.name for each in scenario.elements}
    names: list[tuple[str, ...]] = []
    for sort in instance.system.sorts:
        own = {x: each.name for each, x in zip(scenario.elements, binding, strict=True) if each.sort is sort and x is not None}
        usual = instance.names[sort.index]
        free = (name for number in count(len(usual)) if (name := f"{default_name(sort)}{number}") not in taken)
        names.append(tuple(own[x] if x in own else name if name not in taken else next(free) for x, name in enumerate(usual)))
    return replace(instance, names=tuple(names))


@dataclass(frozen=True, slots=True)
class Told:
    """A call of the run, and the state after it."""

    step: Step
    state: tuple[str, ...]


class Story:
    """How one of the states that agree came about."""

    def __init__(self, scenario: Scenario, end: Believed) -> None:
        chain: list[Believed] = []
        state: Believed | None = end
        while state is not None:
            chain.append(state)
            state = state.before
        self.states = chain[::-1]
        self.instance = renamed(end.store.instance, scenario, end.binding)
        self.machine = Machine(self.instance, notes=True)

    def store(self, state: Believed) -> Store:
        return Store(self.instance, state.store)

    @property
    def start(self) -> tuple[str, ...]:
        return tuple(state_lines(self.store(self.states[0])))

    @property
    def graph(self) -> tuple[tuple[str, str], ...]:
        instance = self.instance
        return tuple(
            (instance.name(graph.sort, a), instance.name(graph.sort, b))
            for graph in instance.system.graphs
            for a, b in sorted(instance.edges[graph.index])
        )

    @property
    def given(self) -> tuple[str, ...]:
        """The fixed and drawn choices that the run begins with and that are not the default."""
        fields, start = self.instance.system.fields, self.states[0].store
        cells = [cell for cell in sorted(start) if cell[0] < len(fields) and fields[cell[0]].drawn]
        shown = [(place_text(cell, self.instance), cell_text(cell, start[cell], self.instance)) for cell in cells]
        return tuple(place if value == "true" else f"{place} == {value}" for place, value in shown)

    def calls(self) -> list[Told]:
        """The calls of the run, executed again to see what happens inside of them; the steps of one line are told as one."""
        out: list[Told] = []
        first = 0
        for position in range(1, len(self.states)):
            if not self.states[position].on_the_way:
                out.append(self._told(self.states[first : position + 1]))
                first = position
        return out

    def _told(self, states: list[Believed]) -> Told:
        steps = [self._step(before, after) for before, after in pairwise(states)]
        before, after = self.store(states[0]), self.store(states[-1])
        step = replace(
            steps[-1],
            changes=changes(before, after),
            happenings=tuple(each for step in steps for each in step.happenings),
            faults=sum(step.faults for step in steps),
            resumed=steps[0].resumed,
        )
        return Told(step, tuple(state_lines(after)))

    def _step(self, before: Believed, after: Believed) -> Step:
        made = after.made
        assert made is not None
        store = self.store(before)
        event, wanted = made.event, made.outcome
        if wanted is None:
            arguments = argument_texts(event, made.arguments, self.instance)
            return Step(event.name, arguments, "blocks", None, None, (), (), 0, made.resumed, event.span)
        caller = caller_of(event, made.arguments)
        if made.resumed:
            assert caller is not None
            outcomes = self.machine.resume(caller, store)
        else:
            outcomes = self.machine.call(event, made.arguments, store)
        key = (wanted.kind, wanted.errno, wanted.label, wanted.faults, wanted.store)
        outcome = next(o for o in outcomes if (o.kind, o.errno, o.label, o.faults, o.store) == key)
        return step_of(event, made.arguments, outcome, store, made.resumed)
