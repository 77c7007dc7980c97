"""A lasso told as a witness: the interpreter executes it again, call by call."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from luocheck.checker.explore.monitors import Combination
from luocheck.checker.explore.search import calls
from luocheck.checker.explore.witnesses import Narrator, Taken, elements
from luocheck.checker.liveness.graph import StateGraph
from luocheck.checker.liveness.lasso import Lasso, Leg
from luocheck.model.answer import Step, Witness
from luocheck.model.ir.system import Property
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.semantics.explain import Explainer
from luocheck.model.semantics.shown import step_of
from luocheck.model.semantics.store import Store


def tell(graph: StateGraph, lasso: Lasso, about: Combination, narrator: Narrator, claim: Property) -> Witness:
    """The witness of a lasso, which is about some elements.  Its clauses say why the goal is missed where the loop begins."""
    start = here = graph.search.store(lasso.start)
    steps: list[Step] = []
    used: set[tuple[int, int]] = set()
    first = len(lasso.legs) - lasso.loop
    entry = start
    for number, leg in enumerate(lasso.legs):
        if number == first:
            entry = here
        event, arguments, resumed, outcome = _call(graph, leg, narrator, here)
        steps.append(step_of(event, arguments, outcome, here, resumed))
        used |= elements(event, arguments, outcome)
        here = outcome.store
    if not lasso.loop:
        entry = here
    assert here == entry, "a loop ends where it begins"
    assert claim.goal is not None
    env: list[Any] = [None] * claim.slots
    bindings: tuple[tuple[str, str], ...] = ()
    for local, element in zip(claim.each, about, strict=True):
        assert isinstance(local.type, ElemT)
        env[local.slot] = element
        bindings += ((local.name, narrator.instance.name(local.type.sort, element)),)
        used.add((local.type.sort.index, element))
    clauses = Explainer(entry, env).why(claim.goal, False)
    clauses = tuple(replace(clause, bindings=(*bindings, *clause.bindings)) for clause in clauses)
    return narrator.made(start, steps, used, (), clauses, loop=first)


def _call(graph: StateGraph, leg: Leg, narrator: Narrator, before: Store) -> Taken:
    """The call that an edge stands for: one that meets what it has to, with the fewest faults, then the fewest elements."""
    search = graph.search
    after = search.store(leg.target)
    wanted: set[tuple[int, int]] = set()
    for i in graph.edges_of(leg.source):
        if graph.edges.targets[i] == leg.target and not leg.meets & ~graph.meets(i):
            wanted.add((graph.edges.events[i], graph.edges.masks[i]))
    best: tuple[tuple[int, int], Taken] | None = None
    for event, arguments, resumed, outcomes in calls(narrator.machine, before, search.callers, {event for event, _ in wanted}):
        for outcome in outcomes:
            if not outcome.goes_on or outcome.store != after:
                continue
            if (event.index, search.about(before, event, arguments, resumed, outcome)) in wanted:
                key = (outcome.faults, len(elements(event, arguments, outcome)))
                if best is None or key < best[0]:
                    best = key, (event, arguments, resumed, outcome)
    assert best is not None, leg
    return best[1]
