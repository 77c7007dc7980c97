"""Breadth-first search over the states of one instance.

States are numbered in the order in which they are found, so every level is a range of numbers.  For each state the search keeps the
fewest faults of a shortest path; for witnesses it keeps all edges that lead one level deeper.  With symmetry a state stands for its whole
orbit, and it is the one that was found first.
"""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from luocheck.checker.checkpoint.file import Block
from luocheck.checker.explore.labels import CALLER, GOT_LOCK, LABEL_SHIFT, RESUMED, RETURNED_OK, Labels, caller_of
from luocheck.checker.explore.limits import Limits, growth_of
from luocheck.checker.explore.monitors import Monitors, combinations
from luocheck.checker.explore.packing import Packing
from luocheck.checker.explore.symmetry import Symmetry
from luocheck.model.instances import Instance
from luocheck.model.ir.system import OK, Event
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.semantics.machine import Arguments, Machine
from luocheck.model.semantics.renaming import Turn
from luocheck.model.semantics.run import Continuation, Outcome
from luocheck.model.semantics.store import Store


@dataclass(slots=True)
class Moment:
    """A transition that breaks a claim (or a state that does, with `event` None): where it starts and how many faults lead there."""

    source: int
    event: Event | None
    arguments: Arguments
    resumed: bool
    errno: str
    kind: str
    label: str | None
    faults: int
    mask: int


@dataclass(slots=True)
class Discovery:
    """The shallowest moments at which a claim was found broken, or a goal reached: all of one depth."""

    depth: int
    moments: list[Moment] = field(default_factory=list)


@dataclass(slots=True)
class Coverage:
    """What fired: events, lines (numbers of the program), and events that blocked."""

    events: set[str] = field(default_factory=set)
    lines: set[int] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    cuts: dict[str, int] = field(default_factory=dict)

    def add(self, other: Coverage) -> None:
        """What fired in another search fired in this one too."""
        self.events |= other.events
        self.lines |= other.lines
        self.blocked |= other.blocked
        for what, count in other.cuts.items():
            self.cuts[what] = self.cuts.get(what, 0) + count


class Progress(Protocol):
    """Told now and then: all states found, depth, states of this instance that wait, and the first state of each of its levels."""

    def __call__(self, states: int, depth: int, waiting: int, levels: Sequence[int]) -> None: ...


class OutOfPatience(Exception):
    """The search is longer than it was meant to be; nothing that it found is to be used."""


class InstanceSearch:
    """The search of one instance; `run` does it."""

    def __init__(
        self,
        instance: Instance,
        machine: Machine,
        monitors: Monitors,
        coverage: Coverage,
        *,
        keep_edges: bool,
        symmetry: Symmetry | None = None,
    ) -> None:
        self.instance = instance
        self.machine = machine
        self.monitors = monitors
        self.coverage = coverage
        self.symmetry = symmetry
        self.states: list[bytes] = []
        self.number: dict[bytes, int] = {}  # with symmetry: of every state that was met, in `met`
        self.met: list[bytes] = []
        self.met_as = array("q")  # the state that stands for each
        self.orbits: dict[bytes, int] = {}
        self._turns: dict[int, Turn] = {}
        self.faults = array("q")
        self.levels: list[int] = []  # number of the first state of each level
        self.deeper = Edges()  # edges to the next level, for witnesses
        self.edges = (
            Edges() if keep_edges else None
        )  # all edges, for claims about the finished graph; target -1: the scope cut the path
        self.labels = Labels(instance, monitors.liveness)
        self.cut_states: set[int] = set()
        self.ways = [(bytearray(), bytearray()) for _ in monitors.ways]  # P and Q of `recoverable`, by state
        # P and Q of each combination that a `liveness` is about, by state
        self.runs = [[(bytearray(), bytearray()) for _ in combinations(claim, instance)] for claim in monitors.liveness]
        self.exempt = [bytearray() for _ in monitors.stuck]
        self.waiting: dict[tuple[int, Arguments], set[int]] = {}  # atomic calls that have not returned: where they block
        self.transitions = 0
        self.discoveries: dict[str, Discovery] = {}
        self.deep_enough: Callable[[InstanceSearch, int], bool] = lambda search, depth: False  # asked before each level
        self.guide: Callable[[int], bool] | None = None  # told of each new state: do its successors come before those of others?
        self.ended_early = False
        self.patience = sys.maxsize  # calls that are tried before OutOfPatience
        self.tried = 0
        system = instance.system
        self.countable = sum(instance.sizes) <= 64
        self.offsets = {sort.index: sum(instance.sizes[: sort.index]) for sort in system.sorts}
        self.callers = (
            range(instance.sizes[system.caller.index]) if system.caller is not None and instance.scope.stepwise else range(0)
        )

    # ---- the search ---------------------------------------------------------------------------------------------

    def run(self, limits: Limits, found_before: int = 0, progress: Progress | None = None) -> None:
        """Explores everything.  Raises Stopped at a limit; what was found until then is kept.  Raises OutOfPatience."""
        most = limits.max_states - found_before if limits.max_states is not None else sys.maxsize
        first = source = depth = 0

        def pulse() -> None:
            self.tried += 1
            if self.tried > self.patience:
                raise OutOfPatience
            if self.tried % 512 == 0 or len(self.states) > most:
                found = found_before + len(self.states)
                limits.check(found)
                limits.check_memory(growth_of(self.number))
                if progress is not None:
                    progress(found, depth, len(self.states) - source, self.levels)

        self.monitors.compile()
        self.levels.append(0)
        for store in self.machine.initial(self.instance):
            self._found(store, 0, 0)
        if self.guide is not None:
            self._guided(self.guide, lambda state: self._expand(state, 0, sys.maxsize, pulse))
            return
        while first < len(self.states):
            last = len(self.states)
            self.levels.append(last)
            if self.deep_enough(self, depth):
                self.ended_early = True
                return
            for source in range(first, last):
                self._expand(source, depth, last, pulse)
            first, depth = last, depth + 1

    def _guided(self, guide: Callable[[int], bool], expand: Callable[[int], None]) -> None:
        """Explores without levels: first what comes after the states that the guide wants, in the order in which they were found."""
        first: deque[int] = deque()
        later: deque[int] = deque()
        told = 0
        while told < len(self.states) or first or later:
            for state in range(told, len(self.states)):
                (first if guide(state) else later).append(state)
            told = len(self.states)
            expand((first or later).popleft())

    @cached_property
    def packing(self) -> Packing:
        return Packing(self.instance)

    def saved(self) -> tuple[list[int], list[Block]] | None:
        """First states of its levels, and its arrays, for a checkpoint; None when there is nothing that could be taken up again."""
        return None

    def release(self) -> None:
        """Gives back what only the search needs: what was found can still be told."""
        self.number.clear()
        self.orbits.clear()

    def close(self) -> None:
        """Gives back everything that is large; nothing can be asked any more."""

    @property
    def depth(self) -> int:
        """Number of the deepest level that was begun."""
        return max(0, len(self.levels) - 2)

    def store(self, state: int) -> Store:
        return self.packing.unpack(self.states[state])

    def representative(self, state: int) -> Store:
        """The state, or one that differs from it only in which interchangeable elements are which: whatever is quicker."""
        return self.store(state)

    def turn_to(self, edges: Edges, i: int) -> Turn:
        """The least turn that makes of what an edge leads to the state that stands for it.  Only with symmetry."""
        assert self.symmetry is not None
        met = edges.turns[i]
        if met not in self._turns:
            turn = self.symmetry.between(self.packing.unpack(self.met[met]), self.store(edges.targets[i]))
            assert turn is not None
            self._turns[met] = turn
        return self._turns[met]

    def edges_to(self, goals: Iterable[int]) -> Edges:
        """At least the edges on shortest runs with the fewest faults to some states, by their sources; `deeper` has them, too."""
        return self.deeper

    def every_edge(self) -> Edges:
        """All edges, their sources in ascending order.  Only of a search that keeps them."""
        assert self.edges is not None
        return self.edges

    def inside(self, caller: int) -> bytearray:
        """For each state, whether a caller is inside a call."""
        cell = (self.machine.calls, caller)
        return bytearray(cell in self.store(state) for state in range(len(self.states)))

    def backward(self, goals: bytearray, rule: EdgeRule) -> bytearray:
        """Which states can reach a goal over the edges that a rule allows."""
        assert self.edges is not None
        return backward(len(self.states), goals, self.edges, rule)

    def depth_of(self, state: int) -> int:
        """Level of a state."""
        low, high = 0, len(self.levels) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if self.levels[middle] <= state:
                low = middle
            else:
                high = middle - 1
        return low

    def _found(self, store: Store, faults: int, depth: int) -> int:
        """Number of a state (with symmetry: its number in `met`); a new one is added and the claims about states are asked."""
        key = self.packing.pack(store)
        known = self.number.get(key)
        if known is not None:
            return known
        state = len(self.states)
        self.number[key] = state
        if self.symmetry is not None:
            known = self.number[key] = len(self.met)
            self.met.append(key)
            state = self.orbits.setdefault(self.symmetry.key(store, self.packing), state)
            self.met_as.append(state)
            if state < len(self.states):
                return known
        self._new(state, key, store, faults, depth)
        return state if known is None else known

    def _new(self, state: int, key: bytes, store: Store, faults: int, depth: int) -> None:
        self.states.append(key)
        self.faults.append(faults)
        for monitor in self.monitors.invariants:
            if not monitor.value(store):
                self._discover(monitor.claim.name, depth, Moment(state, None, (), False, OK, "state", None, 0, 0))
        for monitor in self.monitors.goals:
            name = monitor.claim.name
            before = self.discoveries.get(name)
            if (before is None or before.depth == depth) and monitor.value(store):
                self._discover(name, depth, Moment(state, None, (), False, OK, "state", None, 0, 0))
        for (claim, goal), (from_, to) in zip(self.monitors.ends_of_ways, self.ways, strict=True):
            from_.append(claim.value(store))
            to.append(goal.value(store))
        for ends, columns in zip(self.monitors.ends_of_runs, self.runs, strict=True):
            for (p, q), (from_, to) in zip(ends.values(store), columns, strict=True):
                from_.append(p)
                to.append(q)
        for exempt, flags in zip(self.monitors.exempt, self.exempt, strict=True):
            flags.append(exempt is not None and exempt.value(store))

    def _discover(self, name: str, depth: int, moment: Moment) -> None:
        known = self.discoveries.get(name)
        if known is None or depth < known.depth:
            self.discoveries[name] = Discovery(depth, [moment])
        elif depth == known.depth:
            known.moments.append(moment)

    def _expand(self, source: int, depth: int, next_level: int, pulse: Callable[[], None]) -> None:
        store = self.store(source)
        seen: set[tuple[Any, ...]] = set()
        for event, arguments, resumed, outcomes in calls(self.machine, store, self.callers, pulse=pulse):
            for outcome in outcomes:
                self._transition(source, depth, next_level, store, event, arguments, resumed, outcome, seen)
        self.transitions += len(seen)

    def _transition(
        self,
        source: int,
        depth: int,
        next_level: int,
        store: Store,
        event: Event,
        arguments: Arguments,
        resumed: bool,
        outcome: Outcome,
        seen: set[tuple[Any, ...]],
    ) -> None:
        coverage = self.coverage
        if outcome.kind == "blocks":
            coverage.blocked.add(event.name)
            if self.edges is not None:
                self.waiting.setdefault((event.index, arguments), set()).add(source)
            return
        coverage.events.add(event.name)
        coverage.lines.update(outcome.lines)
        if outcome.kind == "cut":
            what = outcome.label or ""
            coverage.cuts[what] = coverage.cuts.get(what, 0) + 1
            self.cut_states.add(source)
            if self.edges is not None:
                about = self.about(store, event, arguments, resumed, outcome)
                if about & ~CALLER:
                    self.edges.add(source, -1, event.index, outcome.faults, about)
            return
        mask = self.mask(event, arguments, outcome)
        target, turn = -1, 0
        if outcome.goes_on:
            if outcome.store is store:
                target = source
            else:
                target = self._found(outcome.store, self.faults[source] + outcome.faults, depth + 1)
                if self.symmetry is not None:
                    target, turn = self.met_as[target], target
            if target >= next_level:
                self.faults[target] = min(self.faults[target], self.faults[source] + outcome.faults)
                self.deeper.add(source, target, event.index, outcome.faults, mask, turn)
            if self.edges is not None:
                self.edges.add(source, target, event.index, outcome.faults, self.about(store, event, arguments, resumed, outcome))
        seen.add((event.index, arguments, resumed, outcome.kind, outcome.errno, target))
        self._check_transition(source, depth, store, event, arguments, resumed, outcome, mask)

    def about(self, before: Store, event: Event, arguments: Arguments, resumed: bool, outcome: Outcome) -> int:
        """What an edge remembers of its call."""
        caller = caller_of(event, arguments)
        about = caller | self.labels.of(event, arguments) << LABEL_SHIFT
        if resumed:
            about |= RESUMED
            waiting: Continuation = before[self.machine.calls, caller - 1]
            if self.machine.program.waits_for_lock(waiting.label):
                about |= GOT_LOCK
        if outcome.kind == "returns" and outcome.errno == OK:
            about |= RETURNED_OK
        return about

    def _check_transition(
        self,
        source: int,
        depth: int,
        store: Store,
        event: Event,
        arguments: Arguments,
        resumed: bool,
        outcome: Outcome,
        mask: int,
    ) -> None:
        broken = [name for name, _ in outcome.findings]
        for monitor in self.monitors.transitions[event.index]:
            if not monitor.is_about(event, outcome):
                continue
            if monitor.code is None:
                self.monitors.seen.add(monitor.claim.name)
            if monitor.violated(outcome):
                broken.append(monitor.claim.name)
        for name in broken:
            moment = Moment(source, event, arguments, resumed, outcome.errno, outcome.kind, outcome.label, outcome.faults, mask)
            self._discover(name, depth + 1, moment)

    def mask(self, event: Event, arguments: Arguments, outcome: Outcome) -> int:
        """The elements that a call names, as bits, but those of pools, which calls make; 0 in scopes with more elements than bits."""
        mask = 0
        if not self.countable:
            return mask
        for parameter, value in zip(event.parameters, arguments):
            if isinstance(parameter.type, ElemT) and value is not None and not parameter.type.sort.pool:
                mask |= 1 << self.offsets[parameter.type.sort.index] + value
        if event.result is not None and outcome.kind == "returns" and outcome.errno == OK and isinstance(event.result.type, ElemT):
            value = outcome.env[event.result.slot]
            if value is not None and not event.result.type.sort.pool:
                mask |= 1 << self.offsets[event.result.type.sort.index] + value
        return mask


def calls(
    machine: Machine,
    store: Store,
    callers: range,
    events: Container[int] | None = None,
    pulse: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Event, Arguments, bool, list[Outcome]]]:
    """Everything that can happen in a state: calls that are made, then calls in progress that go on (the third item says which).

    events: only these, by index.  pulse: called before each call, so that a state with very many can be given up.
    """
    for event in machine.system.events:
        if events is not None and event.index not in events:
            continue
        for arguments in machine.candidates(event, store, pulse):
            outcomes = machine.call(event, arguments, store)
            if outcomes:
                yield event, arguments, False, outcomes
    for caller in callers:
        if (machine.calls, caller) in store:
            event, arguments, _ = machine.event_inside(caller, store)
            if events is None or event.index in events:
                yield event, arguments, True, machine.resume(caller, store)


class Edges:
    """Edges in columns.

    masks: the elements that the call names, or what `labels.py` says of it.  turns: with symmetry, what `turn_to` needs.
    """

    __slots__ = ("events", "faults", "masks", "sources", "targets", "turns")

    def __init__(self) -> None:
        self.sources = array("q")
        self.targets = array("q")
        self.events = array("h")
        self.faults = array("h")
        self.masks = array("Q")
        self.turns = array("Q")

    def add(self, source: int, target: int, event: int, faults: int, mask: int, turn: int = 0) -> None:
        self.sources.append(source)
        self.targets.append(target)
        self.events.append(event)
        self.faults.append(faults)
        self.masks.append(mask)
        self.turns.append(turn)

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True, slots=True)
class EdgeRule:
    """Which edges count for a way out.

    events: calls of these events (by index), and all steps of calls in progress; None: all.  with_faults: also those with faults.
    others_than: not those that this caller makes (as `caller_of` numbers them; 0: nobody is left out).
    """

    events: frozenset[int] | None = None
    with_faults: bool = True
    others_than: int = 0

    def allows(self, edges: Edges, i: int) -> bool:
        """Does the rule allow the edge of that number?"""
        mask = edges.masks[i]
        return (
            (self.with_faults or edges.faults[i] == 0)
            and (self.events is None or edges.events[i] in self.events or bool(mask & RESUMED))
            and (self.others_than == 0 or mask & CALLER != self.others_than)
        )


def backward(count: int, goals: bytearray, edges: Edges, rule: EdgeRule) -> bytearray:
    """Which states can reach a goal over the edges that a rule allows."""
    sources, targets = edges.sources, edges.targets
    usable = array("q", (i for i in range(len(edges)) if targets[i] >= 0 and targets[i] != sources[i] and rule.allows(edges, i)))
    starts = array("q", bytes(8 * (count + 1)))  # where the edges into a state begin, once they are sorted by target
    for i in usable:
        starts[targets[i] + 1] += 1
    for state in range(count):
        starts[state + 1] += starts[state]
    into = array("q", bytes(8 * len(usable)))
    free = starts[:]
    for i in usable:
        into[free[targets[i]]] = sources[i]
        free[targets[i]] += 1
    reached = bytearray(goals)
    todo = [state for state in range(count) if reached[state]]
    while todo:
        state = todo.pop()
        for source in into[starts[state] : starts[state + 1]]:
            if not reached[source]:
                reached[source] = 1
                todo.append(source)
    return reached
