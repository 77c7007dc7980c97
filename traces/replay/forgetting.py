"""Any number of unrecorded calls at once: what they can change is forgotten.

A state in which each cell that some calls can change is undecided, and each element that they can make may be there unseen, stands for
whatever any number of these calls leads to, in any order (and for more: how often one was made is not asked).  So a call that is refused
in it is refused however many of them were made.  (Havoc abstraction: Graf and Saidi, "Construction of abstract state graphs with PVS",
CAV 1997.)  Where there are few values, a cell can only have one that it had, or that some call wrote from such a state: each cell for
itself, without what they have to do with each other.  (Cartesian abstraction: Cousot and Cousot, "Abstract interpretation", POPL 1977.)
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from luocheck.model.instances import Cell, default_of
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import BoolT, CountT, EnumT, Field, SeqT, SetT, Sort, Value
from luocheck.model.semantics.store import live_index
from luocheck.traces.call import Call
from luocheck.traces.replay.cells import ABSENT, DENIED, ENDED, EXCLUDED, FACTS, FORGOTTEN, KNOWN, OLD, UNSEEN, USED
from luocheck.traces.replay.deciding import Way
from luocheck.traces.replay.unrecorded import Unrecorded
from luocheck.traces.replay.world import World, WorldStore

MOST_PERHAPS_FREED = 6
"""Most elements of which it is looked at both ways whether they are still there."""

MOST_EXECUTED = 20_000
"""Most states after unrecorded calls from which it is learnt what these can change."""

ANY = object()
"""Instead of a value: whatever there is."""

TOUCHED = "touched"
"""What `OLD` says of an element of which nothing but what was forgotten is undecided."""


class ForgetfulStore(WorldStore):
    """A state in which some cells are undecided because calls that nobody recorded can have changed them."""

    __slots__ = ("forgetting",)

    forgetting: Forgetting

    @classmethod
    def of(cls, store: WorldStore, forgetting: Forgetting) -> ForgetfulStore:
        made = cls(store.instance, store)
        made.world, made.forgetting = forgetting.world, forgetting
        return made

    def copy(self) -> ForgetfulStore:
        return ForgetfulStore.of(self, self.forgetting)

    def is_lazy(self, cell: Cell) -> bool:
        return self.forgetting.is_forgotten(cell) or super().is_lazy(cell)

    def ways(self, cell: Cell) -> list[Way]:
        possible = self.forgetting.possible(cell)
        if possible is None:
            return super().ways(cell)
        excluded = self.get((EXCLUDED, *cell), frozenset())
        return [self._decided(cell, value) for value in sorted(possible) if value not in excluded]

    def equals(self, cell: Cell, default: Value, wanted: Any) -> bool:
        possible = self.forgetting.possible(cell) if cell not in self else None
        if possible is not None and wanted not in possible:
            return False
        return super().equals(cell, default, wanted)


class Forgetting:
    """What unrecorded calls can change in one state and those that come of it: all ioctls, and events that met something for the first time.

    What they change is found out by executing them, until nothing new is changed.  complete: does it stand for all that they can lead to?
    Not where they take locks for ever, or where that is too much.
    """

    def __init__(self, unrecorded: Unrecorded, world: World, store: WorldStore) -> None:
        self.unrecorded = unrecorded
        self.system = unrecorded.system
        self.events = [each for each in unrecorded.events if each.name in unrecorded.ioctl_targets or each in unrecorded.meeting]
        self.others = [each for each in unrecorded.events if each not in self.events]
        self.complete = _stays_put(self.events)
        self.cells: set[Cell] = set()
        self.values: dict[Cell, set[Any] | None] = {}
        self.freed: set[tuple[int, int]] = set()
        self.executed = 0
        self.known = tuple(store.get((KNOWN, sort.index), 0) for sort in self.system.sorts)
        if isinstance(store, ForgetfulStore):  # what was forgotten before still is
            self.complete &= store.forgetting.complete
            self.cells |= store.forgetting.cells
            self.values = {key: values if values is None else set(values) for key, values in store.forgetting.values.items()}
            self.freed |= store.forgetting.freed
            self.known = store.forgetting.known
        every = [stmt for event in self.events for stmt in st.statements(event.body)]
        self.made = frozenset(stmt.sort.index for stmt in every if isinstance(stmt, st.New))
        written = list(_written(every))
        self.fields = frozenset(f.index for f in written)
        self.finite = frozenset(f.index for f in written if isinstance(f.type, BoolT | EnumT | CountT))
        self.owned = {f.index: [(at, o.index) for at, o in enumerate(f.owners) if isinstance(o, Sort)] for f in written}
        owners = {owner for f in written for owner in f.owners if isinstance(owner, Sort)}
        self.unseen = self.made | {sort.index for sort in owners if not sort.pool}
        self.touched = owners | {f.type.sort for f in written if isinstance(f.type, SetT | SeqT)}
        self.world = _forgetful(world, self.fields, self.made)

    @property
    def is_outgrown(self) -> bool:
        """Did other events meet something for the first time since?"""
        return any(each in self.unrecorded.meeting for each in self.others)

    def is_forgotten(self, cell: Cell) -> bool:
        """Can the calls have changed a cell?  Of elements that were not met before them, all that they ever write."""
        index = cell[0]
        if index not in self.fields:
            return False
        return cell in self.cells or any(cell[1 + at] >= self.known[sort] for at, sort in self.owned[index])

    def hidden(self, store: WorldStore, line: int, pending: Collection[Call]) -> Iterator[WorldStore]:
        """The states after one of the other unrecorded calls, and any number of those that are forgotten."""
        for after, _ in self.unrecorded.hidden(store, line, pending, self.others):
            yield from self.states(after, line)

    def states(self, store: WorldStore, line: int) -> list[WorldStore]:
        """What any number of the calls before a line can make of a state."""
        if (ENDED,) in store:
            return [store]
        while True:
            self._note_values(store)
            found, size = self._forgotten(store), self._size()
            for each in found:
                self._learn(each, line)
            if size == self._size() or not self.complete:
                return found

    def _size(self) -> tuple[int, ...]:
        """Grows with all that is learnt."""
        values = self.values.values()
        return (
            len(self.cells),
            len(self.freed),
            sum(len(each) for each in values if each is not None),
            sum(each is None for each in values),
        )

    def _learn(self, store: WorldStore, line: int) -> None:
        """Executes each of the calls once, whatever it is made on, and notes what it changes."""
        for after in self.unrecorded.anything(store, line, self.events):
            self.executed += 1
            if self.executed > MOST_EXECUTED:
                self.complete = False
                return
            freed = {(sort, cell[1]) for cell in store.keys() - after.keys() if (sort := self._alive(cell)) is not None}
            self.freed |= freed
            for cell in {*store, *after}:
                if 0 <= cell[0] < len(self.system.fields) and not self.is_forgotten(cell) and self._differs(store, after, cell):
                    owners = {(sort, cell[1 + at]) for at, sort in self.owned.get(cell[0], ())}
                    if not owners & freed:  # what is gone has no cells
                        self.cells.add(cell)
            self._note_values(after)

    # ---- the values of what is forgotten ------------------------------------------------------------------------

    def possible(self, cell: Cell) -> Collection[Any] | None:
        """The values that a cell which is forgotten can have; None when it can have any."""
        return self.values.get(self._key(cell)) if self.is_forgotten(cell) else None

    def _key(self, cell: Cell) -> Cell:
        """What has the values of a cell: it itself, or its field where it belongs to an element that was not met before."""
        return cell if cell in self.cells else (cell[0],)

    def _note_values(self, store: WorldStore) -> None:
        """What cells hold in a state is among what they can hold when they are forgotten."""
        for index in (index for index in self.finite if self.owned[index]):
            self._note_value((index,), default_of(self.system.fields[index], store.instance.sizes))
            there_before = not isinstance(store, ForgetfulStore) and any((UNSEEN, sort) in store for _, sort in self.owned[index])
            if there_before or index in self.world.drawn:
                self._note_value((index,), ANY)
        for cell in {*store, *self.cells}:
            if cell[0] in self.finite and self.is_forgotten(cell):
                self._note_value(self._key(cell), self._held(store, cell))
        for facts in [value for cell, value in store.items() if cell[0] == FACTS]:
            for index, written in facts:
                if index in self.finite:
                    self._note_value((index,), *(written or (ANY,)))

    def _held(self, store: WorldStore, cell: Cell) -> Any:
        """What a cell held before it was forgotten."""
        if cell in store:
            return store[cell]
        return ANY if WorldStore.is_lazy(store, cell) else default_of(self.system.fields[cell[0]], store.instance.sizes)

    def _note_value(self, key: Cell, value: Any) -> None:
        known = self.values.setdefault(key, set())
        if value is ANY:
            self.values[key] = None
        elif known is not None:
            known.add(value)

    def _differs(self, before: WorldStore, after: WorldStore, cell: Cell) -> bool:
        """Can a call have changed a cell?  One that is merely decided after it can have had that value before."""
        if cell in before or not before.is_lazy(cell):
            return before.get(cell) != after.get(cell)
        return (EXCLUDED, *cell) in before

    def _alive(self, cell: Cell) -> int | None:
        """The sort of the pool in which a cell says that an element is alive."""
        index = cell[0] - len(self.system.fields)
        return index if 0 <= index < len(self.system.sorts) and self.system.sorts[index].pool else None

    def _forgotten(self, store: WorldStore) -> list[WorldStore]:
        out = ForgetfulStore(store.instance)
        out.world, out.forgetting = self.world, self
        for cell, value in store.items():
            kind = cell[0]
            if self.is_forgotten(cell) or (kind == EXCLUDED and self.is_forgotten(cell[1:])):
                continue
            if kind == ABSENT and self.is_forgotten(cell[1:-1]):
                continue
            if kind == FACTS:
                value = tuple(each for each in value if each[0] not in self.fields)
            elif kind == USED:
                unique = self.world.unique if len(cell) == 2 else self.world.unique_members.get(cell[2], ())
                value = value if cell[1] in unique else ()
            elif kind == DENIED and len(cell) > 1:
                value = self._still_denied(cell[1:], value)
            if value != () or kind >= 0:
                out[cell] = value
        if any(cell[0] == DENIED and len(cell) > 1 for cell in out):
            out[DENIED,] = ()
        out[FORGOTTEN,] = self.known
        for index in self.unseen:
            out[UNSEEN, index] = True
        for sort in self.touched:
            for x in out.elements(sort):
                out.setdefault((OLD, sort.index, x), TOUCHED)
        self._dismiss(out)
        return self._perhaps_freed(out)

    def _dismiss(self, store: WorldStore) -> None:
        """Takes out what was met since and of which nothing is left: it is among what nothing shows."""
        stepper = self.unrecorded.stepper
        for sort in self.system.sorts:
            for x in range(store.get((KNOWN, sort.index), 0) - 1, self.known[sort.index] - 1, -1):
                if stepper.is_named(store, sort, x) or stepper.has_state(store, sort, x):
                    continue
                if sort.pool and (live_index(self.system, sort), x) in store:
                    if (UNSEEN, sort.index) not in store:
                        continue
                    store.free(sort, x)
                stepper.forget(store, sort, x)

    def _perhaps_freed(self, store: ForgetfulStore) -> list[WorldStore]:
        sorts = self.system.sorts
        perhaps = [(sorts[sort], x) for sort, x in self.freed if (live_index(self.system, sorts[sort]), x) in store]
        if len(perhaps) > MOST_PERHAPS_FREED:
            self.complete = False
            return [store]
        found: list[WorldStore] = []
        for gone in product((False, True), repeat=len(perhaps)):
            each = store.copy()
            for (sort, x), is_gone in zip(perhaps, gone, strict=True):
                if is_gone:
                    each.free(sort, x)
            found.append(each)
        return found

    def _still_denied(self, place: Cell, denied: tuple[Any, ...]) -> tuple[Any, ...]:
        """The conditions that nothing unseen at a place meets after any number of the calls either."""
        if place[0] == UNSEEN:
            sort = place[1]
        else:
            type_ = self.system.fields[place[0]].type
            assert isinstance(type_, SetT | SeqT)
            sort = type_.sort.index
        if sort in self.made or place[0] in self.fields:
            return ()
        return tuple(each for each in denied if not each[0][0].fields & self.fields)


@dataclass(slots=True)
class Forgettings:
    """What is forgotten in one search whenever a process gives something up, by what had been met when it was forgotten first."""

    unrecorded: Unrecorded
    world: World
    found: dict[tuple[int, ...], Forgetting] = field(default_factory=dict)

    def of(self, store: WorldStore) -> Forgetting:
        if isinstance(store, ForgetfulStore):
            return store.forgetting
        made = Forgetting(self.unrecorded, self.world, store)
        return self.found.setdefault(made.known, made)

    @property
    def complete(self) -> bool:
        return all(each.complete and not each.is_outgrown for each in self.found.values())


def _written(statements: Iterable[st.Stmt]) -> Iterator[Field]:
    """The fields that some statements can write, without ghosts, which say nothing about what a call returns."""
    for stmt in statements:
        if isinstance(stmt, st.Assign | st.Insert | st.Remove) and not stmt.field.is_ghost:
            yield stmt.field
        if isinstance(stmt, st.Walk) and stmt.drains:
            for binder in stmt.binders:
                if isinstance(binder, st.OverSeq) and isinstance(binder.sequence, e.Read):
                    yield binder.sequence.field


def _stays_put(events: Iterable[Event]) -> bool:
    """Do some events leave locks as they are, and the kernel running?"""
    every = [stmt for event in events for stmt in st.statements(event.body)]
    if any(
        isinstance(stmt, st.Keep | st.Reboot | st.Panic) or (isinstance(stmt, st.Acquire) and not stmt.scoped) for stmt in every
    ):
        return False
    taken = {stmt.lock for stmt in every if isinstance(stmt, st.Acquire)}
    return all(stmt.lock in taken for stmt in every if isinstance(stmt, st.GiveBack))


def _forgetful(world: World, fields: frozenset[int], made: frozenset[int]) -> World:
    """A world in which values are unique only as far as neither some fields nor elements of the sorts `made` have to do with it."""
    other = copy.copy(world)
    other.unique = {
        f: (sort, others) for f, (sort, others) in world.unique.items() if not fields & {f, *others} and sort.index not in made
    }
    other.unique_members = {
        place: tuple(f for f in unique if f not in fields) for place, unique in world.unique_members.items() if place not in fields
    }
    return other
