"""Replay that remembers: every state knows what happened on the way to it, and what was decided about the beginning.

Only one of all ways to a state is remembered.  States are told apart by their cells alone, as in any other replay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from luocheck.model.instances import Cell
from luocheck.model.ir.system import OK, Event
from luocheck.model.ir.vocabulary import Sort
from luocheck.model.semantics.machine import Arguments
from luocheck.model.semantics.run import Outcome
from luocheck.traces.call import Call, Kind
from luocheck.traces.replay.cells import BOUND, CANDIDATES, EXCLUDED
from luocheck.traces.replay.configurations import Configuration
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.handover import handed_over
from luocheck.traces.replay.kernels import Part, Replay
from luocheck.traces.replay.machine import Bytes, ReplayMachine
from luocheck.traces.replay.memory import Memory
from luocheck.traces.replay.renaming import Numbers
from luocheck.traces.replay.search import Search
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.unknowns import Unknown
from luocheck.traces.replay.world import Beginning, World, WorldStore


@dataclass(frozen=True, slots=True)
class Decided:
    """A cell that nothing had written before turned out to hold a value: it did so from the beginning."""

    cell: Cell
    value: Any


@dataclass(frozen=True, slots=True)
class Excluded:
    """Such a cell turned out to hold none of these values."""

    cell: Cell
    values: frozenset[Any]


@dataclass(frozen=True, slots=True)
class Inserted:
    """x turned out to be in a set or sequence from the beginning."""

    cell: Cell
    x: int


@dataclass(frozen=True, slots=True)
class Appeared:
    """An element of a pool turned out to be alive from the beginning."""

    sort: Sort
    x: int


@dataclass(frozen=True, slots=True)
class Born:
    sort: Sort
    x: int


@dataclass(frozen=True, slots=True)
class Freed:
    sort: Sort
    x: int


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Nothing speaks of an element any more; the next one that is met may get its number."""

    sort: Sort
    x: int


@dataclass(frozen=True, slots=True)
class Identified:
    """An unknown element turned out to be x."""

    unknown: Unknown
    x: int


@dataclass(frozen=True, slots=True)
class Renumbered:
    """Other numbers for elements of some sorts from now on.  known: how many of each sort the recording names, which keep theirs."""

    numbers: Numbers
    known: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bound:
    """An open file (its number in the recording) stands for an element; sort: the index of its sort."""

    file: int
    sort: int
    x: int


@dataclass(frozen=True, slots=True)
class Happened:
    """An event.  call: the recorded call that it is, or is part of; arguments: with the hidden ones; result: what it gave, None when nothing."""

    call: Call | None
    event: Event
    arguments: Arguments
    errno: str
    label: str | None
    result: Any


@dataclass(frozen=True, slots=True)
class Rebooted:
    """What follows happened in the next kernel; `boot` is the first of it."""


Entry = Decided | Excluded | Inserted | Appeared | Born | Freed | Forgotten | Identified | Renumbered | Bound | Happened | Rebooted
History = tuple["History", Entry] | None
"""Entries, the last one outside."""

_NEVER_FAIL = (Kind.FORK, Kind.PASS, Kind.RELEASE)


def entries(history: History) -> list[Entry]:
    """The entries of a history in their order."""
    out: list[Entry] = []
    while history is not None:
        history, entry = history
        out.append(entry)
    out.reverse()
    return out


class HistoryStore(WorldStore):
    """A state that knows how it came about."""

    __slots__ = ("history",)

    history: History

    @classmethod
    def of(cls, store: WorldStore, history: History) -> HistoryStore:
        """The cells of a state, with a history."""
        made = cls(store.instance, store)
        made.world, made.history = store.world, history
        return made

    def copy(self) -> HistoryStore:
        return HistoryStore.of(self, self.history)

    def tell(self, entry: Entry) -> None:
        self.history = self.history, entry

    def __setitem__(self, cell: Cell, value: Any) -> None:
        if cell[0] == BOUND:
            self.tell(Bound(cell[1], cell[2], value))
        elif cell[0] == EXCLUDED:
            self.tell(Excluded(cell[1:], value))
        super().__setitem__(cell, value)

    def decide(self, cell: Cell, value: Any) -> None:
        self.tell(Decided(cell, value))
        super().decide(cell, value)

    def insert(self, cell: Cell, x: int) -> None:
        self.tell(Inserted(cell, x))
        super().insert(cell, x)

    def fresh(self, sort: Sort) -> int:
        x = super().fresh(sort)
        if sort.pool:
            self.tell(Born(sort, x))
        return x

    def materialise(self, sort: Sort) -> int:
        x = super().materialise(sort)
        if sort.pool:
            self.tell(Appeared(sort, x))
        return x

    def free(self, sort: Sort, x: int) -> None:
        super().free(sort, x)
        self.tell(Freed(sort, x))

    def identify(self, unknown: Unknown, x: int) -> None:
        self.tell(Identified(unknown, x))
        super().identify(unknown, x)

    def _end_choices(self) -> None:
        for cell in [cell for cell in self if cell[0] == CANDIDATES]:
            self.identify(Unknown(cell[1]), min(self[cell]))

    def note_numbers(self, numbers: Numbers) -> None:
        self.tell(Renumbered(numbers, self.world.known))


class HistoryWorld(World):
    """A world whose states have a history."""

    def start(self) -> HistoryStore:
        return HistoryStore.of(super().start(), None)


class HistoryMachine(ReplayMachine):
    """Writes down what it executes.  now: the recorded call that is being replayed, None for what nobody recorded."""

    now: Call | None = None

    def ends(self, event: Event, arguments: Arguments, store: WorldStore, given: Bytes | None) -> list[Outcome]:
        call, out = self.now, []
        succeeds = call is None or call.kind in _NEVER_FAIL or (call.kind is Kind.CLOSE and call.event is None)
        for outcome in super().ends(event, arguments, store, given):
            if succeeds and outcome.errno != OK:
                continue  # what is only inferred is not needed when it fails
            assert isinstance(outcome.store, HistoryStore)
            result = outcome.env[event.result.slot] if event.result is not None and outcome.errno == OK else None
            after = outcome.store.copy()
            after.tell(Happened(call, event, arguments, outcome.errno, outcome.label, result))
            out.append(outcome._replace(store=after))
        return out


class HistoryStepper(Stepper):
    """Tells its machine which call it replays."""

    def after(self, store: WorldStore, call: Call) -> list[WorldStore]:
        self._now(call)
        try:
            return super().after(store, call)
        finally:
            self._now(None)

    def _now(self, call: Call | None) -> None:
        assert isinstance(self.machine, HistoryMachine)
        self.machine.now = call

    def _settled(self, before: WorldStore, store: WorldStore) -> WorldStore:
        return store  # the cells may be the same, but something happened

    def forget(self, store: WorldStore, sort: Sort, x: int) -> None:
        super().forget(store, sort, x)
        assert isinstance(store, HistoryStore)
        store.tell(Forgotten(sort, x))


class NoMemory(Memory):
    """Equal states have histories of their own, so that none stands for another one."""

    def kept(self, store: WorldStore) -> WorldStore:
        return store.canonical() if self.merging else store

    def after(self, store: WorldStore, call: Call, step: Callable[[WorldStore, Call], list[WorldStore]]) -> list[WorldStore]:
        return [self.kept(each) for each in step(store, call)]

    def belief_after(self, belief: list[Configuration], signature: int) -> list[Configuration] | None:
        return None

    def learn(self, belief: list[Configuration], signature: int, following: list[Configuration]) -> list[Configuration]:
        return following


class HistorySearch(Search):
    """The search among states with a history."""

    def _commit(self, each: Configuration) -> Configuration:
        if (self.quick and self.eager) or len(self.pending) < 2:
            return each
        for call in self.pending.values():
            if call.number not in each.done:
                after = self._after(each.store, call)
                if after and all(store == each.store for store in after):
                    each = each._replace(store=after[0], done=each.done | {call.number})
        return each

    def _is_refused_for_good(self, belief: list[Configuration], call: Call) -> bool:
        return False  # what is forgotten has no history, and what is replayed here was explained

    def ended(self, later: int) -> list[WorldStore]:
        """Where the recording shows the reboot, that one is the end of the kernel."""
        found = super().ended(later)
        if all(call.kind is not Kind.REBOOT or call.exit is not None for call in self.recording.calls):
            return found
        return [store for store in found if any(isinstance(each, Happened) and _reboots(each) for each in entries(_history(store)))]


def _history(store: WorldStore) -> History:
    assert isinstance(store, HistoryStore)
    return store.history


def _reboots(entry: Happened) -> bool:
    return entry.call is not None and entry.call.kind is Kind.REBOOT and entry.errno == OK


@dataclass(slots=True)
class HistoryReplay(Replay):
    """Replays the recordings of kernels that followed each other.  handles: those of each part."""

    handles: list[Handles] = field(default_factory=list)

    def _search(self, part: Part, beginning: Beginning, handles: Handles, most: int) -> Search:
        self.handles.append(handles)
        machine = HistoryMachine(HistoryWorld(self.system, beginning, tuple(handles.counts), handles.names(), self.quick))
        stepper = HistoryStepper(machine, handles, part.recording)
        return HistorySearch(stepper, part.recording, self.stop, self.quick, most, memory=NoMemory(), eager=self.eager)

    def _handed_over(self, store: WorldStore, world: World) -> WorldStore:
        after = HistoryStore.of(handed_over(store, world), _history(store))
        after.tell(Rebooted())
        return after
