"""A short run that goes on for ever: a shortest way into a loop, and a loop that meets what is assumed."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from luocheck.checker.liveness.fair import Rule
from luocheck.checker.liveness.graph import StateGraph

TRIED = 16
"""Most states at which a loop is tried to begin; the nearest first."""


@dataclass(frozen=True, slots=True)
class Leg:
    """An edge of a run, and the conditions that it has to meet."""

    source: int
    target: int
    meets: int


@dataclass(frozen=True, slots=True)
class Lasso:
    """A run from an initial state, the last `loop` edges of which repeat for ever; with `loop` 0 nothing happens any more."""

    start: int
    legs: tuple[Leg, ...]
    loop: int
    faults: int


@dataclass(frozen=True, slots=True)
class _Reached:
    """How a state is reached by a run that owes the goal: calls, faults, and the state before (-1: it is where the debt begins)."""

    calls: int
    faults: int
    before: int


def shortest_lasso(
    graph: StateGraph, region: Collection[int], from_: Collection[int], components: list[list[int]], rule: Rule
) -> Lasso:
    """A lasso into one of the fair components (there must be one) through states of the region, from one of the states `from_`.

    The way to its loop is as short as can be, with the fewest faults; the whole is short, and not claimed to be the shortest.
    """
    reached = _ways(graph, region, from_)
    entries = sorted(
        (reached[state].calls, reached[state].faults, state, number)
        for number, component in enumerate(components)
        for state in component
    )
    best: tuple[tuple[int, int, int, int], list[Leg]] | None = None
    tried = 0
    members: dict[int, set[int]] = {}
    for calls, faults, state, number in entries:
        if best is not None and calls >= best[0][0]:
            break
        if rule.may_stay(graph.moves(state)):
            best = (calls, faults, 0, state), []  # whatever was found before is longer, and others are not nearer
            break
        if tried < TRIED:
            tried += 1
            inside = members.setdefault(number, set(components[number]))
            loop = _loop(graph, inside, state, rule)
            key = (calls + len(loop), faults, len(loop), state)
            if best is None or key < best[0]:
                best = key, loop
    assert best is not None
    (_, faults, _, entry), loop = best
    legs = _way_to(graph, reached, entry)
    start = legs[0].source if legs else entry
    return Lasso(start, (*legs, *loop), len(loop), faults)


def _ways(graph: StateGraph, region: Collection[int], from_: Collection[int]) -> dict[int, _Reached]:
    """Shortest runs with the fewest faults to the states of a region, by Dijkstra's algorithm."""
    search, edges = graph.search, graph.edges
    inside = set(region)
    queue = [(search.depth_of(state), search.faults[state], state, -1) for state in from_]
    heapq.heapify(queue)
    reached: dict[int, _Reached] = {}
    while queue:
        calls, faults, state, before = heapq.heappop(queue)
        if state in reached:
            continue
        if len(reached) % 1024 == 0:
            graph.pulse()
        reached[state] = _Reached(calls, faults, before)
        for i in graph.edges_of(state):
            target = edges.targets[i]
            if target in inside and target not in reached:
                heapq.heappush(queue, (calls + 1, faults + edges.faults[i], target, state))
    return reached


def _way_to(graph: StateGraph, reached: dict[int, _Reached], entry: int) -> list[Leg]:
    """A best run to a state."""
    legs: list[Leg] = []
    state = entry
    while reached[state].before >= 0:
        before = reached[state].before
        legs.append(Leg(before, state, 0))
        state = before
    search, edges = graph.search, graph.edges
    depth = search.depth_of(state)
    while depth:
        depth -= 1
        before = next(
            source
            for source in range(search.levels[depth], search.levels[depth + 1])
            for i in graph.edges_of(source)
            if edges.targets[i] == state and search.faults[source] + edges.faults[i] == search.faults[state]
        )
        legs.append(Leg(before, state, 0))
        state = before
    return legs[::-1]


def _loop(graph: StateGraph, inside: set[int], start: int, rule: Rule) -> list[Leg]:
    """A loop through states of a fair component: always on to the nearest place that meets something that is still missed."""
    weak = rule.fairness.weak
    tally = _Tally(graph, rule, [start])
    legs: list[Leg] = []
    here = start
    while True:
        missed = tally.missed
        if not missed and here == start:
            return _without_detours(graph, legs, rule)
        for target in _nearest(graph, inside, here, -1 if missed else start, missed, weak & missed, rule):
            leg = Leg(here, target, _most(graph, here, target, tally.missed))
            tally.add(leg)
            legs.append(leg)
            here = target


class _Tally:
    """What a loop misses that consists of some states and edges."""

    def __init__(self, graph: StateGraph, rule: Rule, states: list[int]) -> None:
        self.graph = graph
        self.rule = rule
        self.always, self.ever, self.met = -1, 0, 0
        for state in states:
            self._visit(state)

    def _visit(self, state: int) -> None:
        enabled = self.rule.enabled(self.graph.moves(state))
        self.always &= enabled
        self.ever |= enabled

    def add(self, leg: Leg) -> None:
        self.met |= leg.meets
        self._visit(leg.target)

    @property
    def missed(self) -> int:
        """Conditions that keep the loop from being fair."""
        fairness = self.rule.fairness
        return (self.always & fairness.weak | self.ever & fairness.strong) & ~self.met


def _without_detours(graph: StateGraph, legs: list[Leg], rule: Rule) -> list[Leg]:
    """The loop without parts that lead from a state back to it and that it does not need; the longest are tried first."""
    for length in range(len(legs) - 1, 0, -1):
        at = 0
        while at + length <= len(legs) and length < len(legs):
            rest = legs[:at] + legs[at + length :]
            if legs[at].source == legs[at + length - 1].target:
                tally = _Tally(graph, rule, [])
                for leg in rest:
                    tally.add(leg)
                if not tally.missed:
                    legs = rest
                    continue
            at += 1
    return legs


def _nearest(graph: StateGraph, inside: set[int], here: int, goal: int, missed: int, hindered: int, rule: Rule) -> list[int]:
    """The states of a shortest way on: to `goal`, over an edge that meets a missed condition, or to where a weak one is not enabled.

    hindered: the missed conditions that were always enabled until now.  The way has at least one edge.
    """
    before: dict[int, int] = {}
    todo = deque([here])
    while todo:
        state = todo.popleft()
        for target, conditions in graph.moves(state).to.items():
            if target not in inside:
                continue
            if target == goal or conditions & missed or hindered & ~rule.enabled(graph.moves(target)):
                way = [target]
                while state != here:
                    way.append(state)
                    state = before[state]
                return way[::-1]
            if target not in before and target != here:
                before[target] = state
                todo.append(target)
    raise AssertionError("a fair component meets what is missed")


def _most(graph: StateGraph, source: int, target: int, missed: int) -> int:
    """As many missed conditions as one edge between two states meets."""
    edges = (i for i in graph.edges_of(source) if graph.edges.targets[i] == target)
    return max((graph.meets(i) & missed for i in edges), key=int.bit_count)
