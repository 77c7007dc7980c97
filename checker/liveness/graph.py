"""The graph of states as fairness sees it: which conditions a state asks for, and which ones an edge meets.

A condition is a bit.  There are four kinds: *this call is made*, *this call returns OK* (one of each for every combination of arguments
of an assumed event), *this caller goes on with its call*, and *this caller gets the lock that it waits for*.  A state enables a condition when an edge without faults meets it there:
nothing has to happen by a fault.  A path that the scope cut leads nowhere, but in a larger scope it would be there.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import count

from luocheck.checker.explore.labels import CALLER, GOT_LOCK, LABEL_SHIFT, RESUMED, RETURNED_OK
from luocheck.checker.explore.search import Edges, InstanceSearch
from luocheck.model.ir.system import Property


@dataclass(frozen=True, slots=True)
class Fairness:
    """What a claim assumes, as sets of conditions.

    weak: met infinitely often when enabled from some point on for ever.  strong: met infinitely often when enabled infinitely often.
    """

    weak: int
    strong: int


@dataclass(frozen=True, slots=True)
class Moves:
    """What can happen in a state.

    enabled: conditions that it enables.  cut: those that only a path which the scope cut could meet.  to: the states that follow, with the
    conditions that the edges there meet.
    """

    enabled: int
    cut: int
    to: dict[int, int]


class StateGraph:
    """The edges of a search that kept names and edges.  `pulse` is called now and then, so that whoever waits can end it."""

    def __init__(self, search: InstanceSearch, pulse: Callable[[], None]) -> None:
        self.search = search
        self.pulse = pulse
        self.edges: Edges = search.every_edge()
        self._starts = _starts(self.edges.sources, len(search.states))
        number: dict[tuple[int, int], int] = {}
        self._codes = array("l", (number.setdefault(each, len(number)) for each in zip(self.edges.events, self.edges.masks)))
        self._made: dict[int, int] = {}  # by event: its conditions of the first kind, and of the second
        self._returned: dict[int, int] = {}
        self._steps = 0
        self._locks = 0
        self._meets = [0] * len(number)
        self._would_meet = [0] * len(number)  # when the scope had not cut the path
        self._conditions(number)
        self._moves: dict[int, Moves] = {}

    def _conditions(self, number: dict[tuple[int, int], int]) -> None:
        """Gives a bit to every condition that some edge is about."""
        bits: dict[tuple[str, int, int], int] = {}
        free = count()

        def bit(kind: str, event: int, which: int) -> int:
            key = (kind, event, which)
            if key not in bits:
                bits[key] = 1 << next(free)
            return bits[key]

        for event, about in sorted(number):
            code, label = number[event, about], about >> LABEL_SHIFT
            meets = would = 0
            if about & RESUMED:
                step = bit("goes on", 0, about & CALLER)
                self._steps |= step
                meets = would = step
                if about & GOT_LOCK:
                    lock = bit("gets the lock", 0, about & CALLER)
                    self._locks |= lock
                    meets = would = step | lock
            if label:
                returned = bit("returned", event, label)
                self._returned[event] = self._returned.get(event, 0) | returned
                if about & RETURNED_OK:
                    meets |= returned
                would |= returned
                if not about & RESUMED:
                    made = bit("made", event, label)
                    self._made[event] = self._made.get(event, 0) | made
                    meets |= made
                    would |= made
            self._meets[code], self._would_meet[code] = meets, would

    def fairness(self, claim: Property) -> Fairness:
        """What a claim assumes: its events, that callers inside of calls go on, and that those who wait for a lock get it."""
        system = self.search.instance.system
        weak, strong = self._steps, self._locks
        for name, succeeds in claim.assuming:
            event = system.event(name).index
            weak |= self._made.get(event, 0)
            if succeeds:
                strong |= self._returned.get(event, 0)
        return Fairness(weak, strong)

    def edges_of(self, state: int) -> range:
        """Numbers of the edges from a state."""
        return range(self._starts[state], self._starts[state + 1])

    def meets(self, edge: int) -> int:
        """Which conditions an edge meets."""
        return self._meets[self._codes[edge]]

    def moves(self, state: int) -> Moves:
        """What can happen in a state, edges to the same state taken together."""
        known = self._moves.get(state)
        if known is not None:
            return known
        if len(self._moves) % 1024 == 0:
            self.pulse()
        first, last = self._starts[state], self._starts[state + 1]
        enabled = cut = 0
        to: dict[int, int] = {}
        targets, codes, faults = self.edges.targets, self._codes, self.edges.faults
        for target, code, faulty in zip(targets[first:last], codes[first:last], faults[first:last]):
            if target >= 0:
                met = self._meets[code]
                to[target] = to.get(target, 0) | met
                if not faulty:
                    enabled |= met
            elif not faulty:
                cut |= self._would_meet[code]
        found = self._moves[state] = Moves(enabled, cut & ~enabled, to)
        return found

    def region(self, from_: Collection[int], goal: bytearray) -> list[int]:
        """The states that runs from some states come to before they come to a goal, in the order in which they are found."""
        seen = set(from_)
        found = list(from_)
        for state in found:  # grows on the way
            for target in self.moves(state).to:
                if target not in seen and not goal[target]:
                    seen.add(target)
                    found.append(target)
        return found


def _starts(sources: Iterable[int], states: int) -> array[int]:
    """Where the edges of each state begin, and where the last ones end."""
    starts = array("q", bytes(8 * (states + 1)))
    for source in sources:
        starts[source + 1] += 1
    for state in range(states):
        starts[state + 1] += starts[state]
    return starts
