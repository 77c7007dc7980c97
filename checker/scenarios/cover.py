"""A small set of runs that together cover every outcome of every event and every `fail` line that can be reached.

Each run goes to the nearest place where something new is covered, and on from there as long as there is something; runs that the others
make superfluous are left out.  That is greedy and not the smallest set: the lower bounds say how far it can be from that.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.witnesses import Narrator, Taken, elements
from luocheck.checker.scenarios.statemap import Arc, Goal, LineGoal, OutcomeGoal, StateMap
from luocheck.model.answer import Step, Witness
from luocheck.model.instances import instances
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.scenario.beliefs import caller_of
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.shown import step_of
from luocheck.model.semantics.store import Store

Tell = Callable[[int, int], None]
"""Called now and then with how many states were found, and how many of them wait."""


@dataclass(slots=True)
class Walk:
    """A run, and what it covers.  steady: whatever a reboot draws anew stays as it was at the start."""

    map: StateMap
    start: Store
    taken: list[Taken]
    goals: set[Goal]
    steady: bool

    def witness(self) -> Witness:
        """The run executed again, with what happened inside of its calls."""
        machine = Machine(self.map.instance, notes=True)
        here = self.start
        steps: list[Step] = []
        used: set[tuple[int, int]] = set()
        for event, arguments, resumed, wanted in self.taken:
            caller = caller_of(event, arguments)
            outcomes = machine.resume(caller, here) if resumed and caller is not None else machine.call(event, arguments, here)
            key = (wanted.kind, wanted.errno, wanted.label, wanted.faults, wanted.lines, wanted.store)
            outcome = next(o for o in outcomes if (o.kind, o.errno, o.label, o.faults, o.lines, o.store) == key)
            steps.append(step_of(event, arguments, outcome, here, resumed))
            used |= elements(event, arguments, outcome)
            here = outcome.store
        return Narrator(self.map.instance, machine).made(self.start, steps, used, (), ())


@dataclass(slots=True)
class Covered:
    """What a covering set covers.

    calls_bound, runs_bound: no set that covers as much has fewer calls, or fewer runs.  unreached: what is never covered, as text.
    """

    walks: list[Walk]
    goals: set[Goal]
    unreached: tuple[str, ...]
    calls_bound: int
    runs_bound: int
    states: int


@dataclass(slots=True)
class _Bounds:
    """What the maps say about goals: which are covered together, where each can be covered, and which only by a last call."""

    together: dict[Goal, set[Goal]] = field(default_factory=lambda: defaultdict(set))
    places: dict[Goal, set[int]] = field(default_factory=lambda: defaultdict(set))
    goes_on: set[Goal] = field(default_factory=set)

    def add(self, number: int, arcs: Iterable[Arc]) -> None:
        for arc in arcs:
            for goal in arc.goals:
                self.together[goal] |= arc.goals
                self.places[goal].add(number)
                if arc.target is not None:
                    self.goes_on.add(goal)

    def calls(self, goals: set[Goal]) -> int:
        """Goals of which no call covers two, so that each needs a call of its own."""
        chosen: set[Goal] = set()
        for goal in sorted(goals, key=lambda g: (len(self.together[g]), g.text)):
            if not self.together[goal] & chosen:
                chosen.add(goal)
        return len(chosen)

    def runs(self, goals: set[Goal]) -> int:
        """Goals of which no run covers two: they end it, or no starting point has both."""
        chosen: list[Goal] = []
        for goal in sorted(goals, key=lambda g: (g in self.goes_on, len(self.places[g]), g.text)):
            if all(self._apart(goal, other) for other in chosen):
                chosen.append(goal)
        return len(chosen)

    def _apart(self, one: Goal, other: Goal) -> bool:
        if not self.places[one] & self.places[other]:
            return True
        return one not in self.goes_on and other not in self.goes_on and other not in self.together[one]


def cover(
    system: System,
    steps: Sequence[System],
    scope: Scope,
    topology: Topology | None,
    limits: Limits,
    tell: Tell = lambda found, waiting: None,
) -> Covered:
    """Covers what can be reached in a scope.

    steps: restrictions of the system (or itself), each with more runs than the one before; as much as possible is covered by runs of the
    first, and all that can be by runs of the last.  Raises Stopped, and SpecError when the scope cannot be enumerated.
    """
    walks: list[Walk] = []
    covered: set[Goal] = set()
    bounds = _Bounds()
    states = 0
    for each in steps:
        maps: list[StateMap] = []
        machine: Machine | None = None
        bounds = _Bounds()
        for number, instance in enumerate(instances(each, scope, topology)):
            if machine is None or machine.sizes != instance.sizes:
                machine = Machine(instance)
            made = StateMap(instance, machine)
            made.explore(limits, states, tell)
            states += len(made.stores)
            bounds.add(number, (arc for arcs in made.arcs for arc in arcs))
            maps.append(made)
        walks += _walks(maps, covered, limits, steady=True)
        walks += _walks(maps, covered, limits, steady=False)
    return Covered(_needed(walks), covered, tuple(_unreached(system, covered)), bounds.calls(covered), bounds.runs(covered), states)


def _unreached(system: System, covered: set[Goal]) -> Iterator[str]:
    """Events that never return, and lines that are never executed."""
    fired = {goal.event for goal in covered if isinstance(goal, OutcomeGoal)}
    yield from (f"{event.name} never happens" for event in system.events if event.name not in fired)
    lines: dict[Goal, None] = {}
    for _, body in system.bodies():
        for stmt in st.statements(body):
            if isinstance(stmt, st.Fail | st.Panic):
                lines[LineGoal.of(stmt)] = None
    yield from (goal.text for goal in lines if goal not in covered)


def _walks(maps: Sequence[StateMap], covered: set[Goal], limits: Limits, *, steady: bool) -> list[Walk]:
    """Walks until the maps have nothing more; `covered` grows.  steady: only steady arcs are used."""
    walks: list[Walk] = []
    while True:
        limits.check(0)
        best: tuple[tuple[int, int], StateMap, int] | None = None
        for each in maps:
            for start in each.starts:
                distances = _distances(each, start, covered, steady)
                key = (-len(distances), sum(distances.values()))
                if distances and (best is None or key < best[0]):
                    best = key, each, start
        if best is None:
            return walks
        _, chosen, start = best
        walks.append(_walk(chosen, start, covered, steady))


def _distances(map: StateMap, start: int, covered: set[Goal], steady: bool) -> dict[Goal, int]:
    """For each goal that is not covered yet, the fewest calls from a place that cover it."""
    found: dict[Goal, int] = {}
    for place, depth in _around(map, start, steady):
        for arc in _usable(map, place, steady):
            for goal in arc.goals:
                if goal not in covered:
                    found.setdefault(goal, depth + 1)
    return found


def _usable(map: StateMap, place: int, steady: bool) -> Iterator[Arc]:
    return (arc for arc in map.arcs[place] if arc.steady or not steady)


def _around(map: StateMap, start: int, steady: bool) -> Iterator[tuple[int, int]]:
    """All places that can be reached, the nearest first, with the calls to them."""
    seen = {start}
    todo = deque([(start, 0)])
    while todo:
        place, depth = todo.popleft()
        yield place, depth
        for arc in _usable(map, place, steady):
            if arc.target is not None and arc.target not in seen:
                seen.add(arc.target)
                todo.append((arc.target, depth + 1))


def _walk(map: StateMap, start: int, covered: set[Goal], steady: bool) -> Walk:
    walk = Walk(map, map.stores[start], [], set(), steady)
    here, place = walk.start, start
    while (path := _nearest(map, place, covered, steady)) is not None:
        for arc in path:
            taken = map.take(here, arc)
            walk.taken.append(taken)
            walk.goals |= arc.goals
            covered |= arc.goals
            here = taken[3].store
        if path[-1].target is None:
            break
        place = path[-1].target
    return walk


def _nearest(map: StateMap, start: int, covered: set[Goal], steady: bool) -> list[Arc] | None:
    """The shortest way to something new, by few faults and to much; what ends the run comes when nothing else is left."""
    before: dict[int, tuple[int, Arc] | None] = {start: None}
    level = [start]
    last: list[Arc] | None = None
    while level:
        found: list[tuple[tuple[int, int, int], int, Arc]] = []
        for place in level:
            for number, arc in enumerate(_usable(map, place, steady)):
                new = len(arc.goals - covered)
                if new:
                    if arc.target is not None:
                        found.append(((arc.faults, -new, number), place, arc))
                    elif last is None:
                        last = [*_way(before, place), arc]
        if found:
            _, place, arc = min(found, key=lambda each: each[0])
            return [*_way(before, place), arc]
        following: list[int] = []
        for place in level:
            for arc in _usable(map, place, steady):
                if arc.target is not None and arc.target not in before:
                    before[arc.target] = (place, arc)
                    following.append(arc.target)
        level = following
    return last


def _way(before: dict[int, tuple[int, Arc] | None], place: int) -> list[Arc]:
    arcs: list[Arc] = []
    step = before[place]
    while step is not None:
        arcs.append(step[1])
        step = before[step[0]]
    return arcs[::-1]


def _needed(walks: list[Walk]) -> list[Walk]:
    """The walks without those whose goals the others cover too; the shortest are tried first."""
    kept = list(walks)
    for walk in sorted(walks, key=lambda each: len(each.goals)):
        others = [each for each in kept if each is not walk]
        if walk.goals <= set().union(*(each.goals for each in others)):
            kept = others
    return kept
