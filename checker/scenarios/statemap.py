"""All states of one instance with what each call from them covers, for walks that cover much in few calls.

States that differ only in which interchangeable elements are which are one place of the map.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.order import told_apart
from luocheck.checker.explore.packing import Packing
from luocheck.checker.explore.search import calls
from luocheck.checker.explore.symmetry import Symmetry, groups_of
from luocheck.checker.explore.witnesses import Taken
from luocheck.model.instances import Cell, Instance
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import Lifetime
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store


@dataclass(frozen=True, slots=True)
class OutcomeGoal:
    """An event returns this."""

    event: str
    outcome: str

    @property
    def text(self) -> str:
        return f"{self.event} = {self.outcome}"


@dataclass(frozen=True, slots=True)
class LineGoal:
    """A `fail` or `panic` line of the text is executed, wherever its proc was run.  place, start: where it stands."""

    place: str
    start: int
    text: str

    @classmethod
    def of(cls, line: st.Stmt) -> LineGoal:
        said = " ".join(line.span.text.rstrip(";").split())
        return cls(line.span.source.name, line.span.start, f"{line.place}: {said} ({_file(line)}:{line.span.line})")


Goal = OutcomeGoal | LineGoal


def _file(line: st.Stmt) -> str:
    return line.span.source.name.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Arc:
    """A call from one place to another.

    target None: nothing follows (a panic, or what no code may do).  steady: what is drawn anew at a reboot stays as it was, so that no
    other kernel and no other command line is needed.
    """

    event: int
    goals: frozenset[Goal]
    target: int | None
    faults: int
    steady: bool


class StateMap:
    """The places of an instance; `explore` finds them.  arcs: of each place, without those that differ in nothing that matters here."""

    def __init__(self, instance: Instance, machine: Machine) -> None:
        self.instance = instance
        self.machine = machine
        self.packing = Packing(instance)
        symmetry = Symmetry(instance, machine, groups_of(instance, told_apart(instance.system, instance.scope, ())))
        self.symmetry = symmetry if symmetry.order > 1 else None
        self.stores: list[Store] = []
        self.arcs: list[list[Arc]] = []
        self.starts: list[int] = []
        self.known: dict[bytes, int] = {}  # packed state, whether it stands for its orbit or not
        self.orbits: dict[bytes, int] = {}
        self.lines: dict[int, LineGoal] = {}
        system = instance.system
        stepwise = system.caller is not None and instance.scope.stepwise
        self.drawn = {f.index for f in system.fields if f.drawn and f.lifetime is Lifetime.VOLATILE}
        self.callers = range(instance.sizes[system.caller.index]) if stepwise and system.caller is not None else range(0)

    def explore(self, limits: Limits, found_before: int, tell: Callable[[int, int], None]) -> None:
        """Finds all places.  tell: called now and then with the places that were found and those that wait.  Raises Stopped."""
        for store in self.machine.initial(self.instance):
            start = self.place(store)
            if start not in self.starts:
                self.starts.append(start)
        number = 0
        while number < len(self.stores):
            limits.check(found_before + len(self.stores))
            tell(found_before + len(self.stores), len(self.stores) - number)
            found: dict[Arc, None] = {}
            for taken, goals in self.calls(self.stores[number]):
                arc = self._arc(self.stores[number], taken, goals)
                if goals or arc.target != number:
                    found[arc] = None
            self.arcs.append(list(found))
            number += 1

    def _arc(self, before: Store, taken: Taken, goals: frozenset[Goal]) -> Arc:
        event, _, _, outcome = taken
        target = self.place(outcome.store) if outcome.goes_on else None
        return Arc(event.index, goals, target, outcome.faults, self._draws(before) == self._draws(outcome.store))

    def _draws(self, store: Store) -> dict[Cell, Any]:
        return {cell: value for cell, value in store.items() if cell[0] in self.drawn}

    def calls(self, store: Store, event: int | None = None) -> Iterator[tuple[Taken, frozenset[Goal]]]:
        """What can happen in a state, each with what it covers; what the scope cuts off or has to wait is no call."""
        events = None if event is None else {event}
        for made, arguments, resumed, outcomes in calls(self.machine, store, self.callers, events):
            for outcome in outcomes:
                if outcome.kind in ("returns", "suspends", "panic", "oops"):
                    yield (made, arguments, resumed, outcome), self._goals(made, outcome)

    def _goals(self, event: Event, outcome: Outcome) -> frozenset[Goal]:
        found: set[Goal] = set()
        for number in outcome.lines:
            line = self.machine.program.lines[number]
            if isinstance(line, st.Fail | st.Panic):
                if number not in self.lines:
                    self.lines[number] = LineGoal.of(line)
                found.add(self.lines[number])
        if outcome.kind in ("returns", "panic"):
            found.add(OutcomeGoal(event.name, outcome.errno))
        return frozenset(found)

    def place(self, store: Store) -> int:
        """The number of the place of a state; a new one is added."""
        packed = self.packing.pack(store)
        known = self.known.get(packed)
        if known is not None:
            return known
        key = packed if self.symmetry is None else self.symmetry.key(store, self.packing)
        place = self.orbits.setdefault(key, len(self.stores))
        if place == len(self.stores):
            self.stores.append(store)
        self.known[packed] = place
        return place

    def take(self, here: Store, arc: Arc) -> Taken:
        """The call of an arc, made in a state of its place."""
        return next(taken for taken, goals in self.calls(here, arc.event) if self._arc(here, taken, goals) == arc)
