"""Any number of unrecorded calls at once: what they can write is forgotten.

A state in which every cell that some calls can write is undecided, and every element that they can make may be there unseen, stands for
whatever any number of these calls leads to, in any order (and for more: how they do it is not asked).  So a call that is refused in it is
refused however many of them were made.  (Havoc abstraction: Graf and Saidi, "Construction of abstract state graphs with PVS", CAV 1997.)
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import Any

from luocheck.model.instances import Cell
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import ElemT, Field, SeqT, SetT, Sort
from luocheck.model.semantics.store import live_index
from luocheck.traces.call import Call
from luocheck.traces.replay.cells import ABSENT, BOUND, DENIED, ENDED, EXCLUDED, FACTS, OLD, UNSEEN, USED
from luocheck.traces.replay.unrecorded import Unrecorded
from luocheck.traces.replay.world import World, WorldStore

MOST_PERHAPS_FREED = 6
"""Most elements of which it is looked at both ways whether they are still there."""

TOUCHED = "touched"
"""What `OLD` says of an element of which nothing but what was forgotten is undecided."""


def written(events: Iterable[Event]) -> Iterator[Field]:
    """The fields that some events can write, without ghosts, which say nothing about what a call returns."""
    for event in events:
        for stmt in st.statements(event.body):
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


class Forgetting:
    """What the unrecorded ioctls of a recording, and its events that met something for the first time, can write, as forgotten.

    complete: does it stand for all that they can lead to?  Not where they take locks for ever, or too many elements can be gone.
    """

    def __init__(self, unrecorded: Unrecorded, world: World) -> None:
        self.unrecorded = unrecorded
        self.system = unrecorded.system
        self.events = [each for each in unrecorded.events if each.name in unrecorded.ioctl_targets or each in unrecorded.meeting]
        self.others = [each for each in unrecorded.events if each not in self.events]
        self.fields = frozenset(f.index for f in written(self.events))
        self.complete = _stays_put(self.events)
        every = [stmt for event in self.events for stmt in st.statements(event.body)]
        made = {stmt.sort for stmt in every if isinstance(stmt, st.New)}
        self.made = frozenset(sort.index for sort in made)
        self.world = _forgetful(world, self.fields, self.made)
        self.freed = {stmt.sort for stmt in every if isinstance(stmt, st.Free)}
        owners = {owner for f in self._forgotten for owner in f.owners if isinstance(owner, Sort)}
        self.unseen = made | self.freed | {sort for sort in owners if not sort.pool}
        self.touched = owners | {f.type.sort for f in self._forgotten if isinstance(f.type, SetT | SeqT)}

    @property
    def _forgotten(self) -> list[Field]:
        return [f for f in self.system.fields if f.index in self.fields]

    @property
    def is_outgrown(self) -> bool:
        """Did other events meet something for the first time since?"""
        return any(each in self.unrecorded.meeting for each in self.others)

    def hidden(self, store: WorldStore, line: int, pending: Collection[Call]) -> Iterator[WorldStore]:
        """The states after one of the other unrecorded calls, and any number of those that are forgotten."""
        for after, _ in self.unrecorded.hidden(store, line, pending, self.others):
            yield from self.states(after)

    def states(self, store: WorldStore) -> Iterator[WorldStore]:
        """What any number of the calls can make of a state."""
        if (ENDED,) in store:
            yield store
            return
        out = self._forget(store)
        perhaps = [(sort, x) for sort in self.freed if sort.pool for x in out.elements(sort) if not self._dismissed(out, sort, x)]
        if len(perhaps) > MOST_PERHAPS_FREED:
            self.complete = False
            perhaps = []
        for gone in product((False, True), repeat=len(perhaps)):
            each = out.copy() if perhaps else out
            for (sort, x), is_gone in zip(perhaps, gone, strict=True):
                if is_gone:
                    each.free(sort, x)
            yield each

    def _forget(self, store: WorldStore) -> WorldStore:
        out = WorldStore(self.world.instance)
        out.world = self.world
        for cell, value in store.items():
            kind = cell[0]
            if kind in self.fields or (kind in (EXCLUDED, ABSENT) and cell[1] in self.fields):
                continue
            if kind == FACTS:
                value = tuple(each for each in value if each[0] not in self.fields)
            elif kind == USED:
                by = self.world.unique if len(cell) == 2 else self.world.unique_members.get(cell[2], ())
                value = value if cell[1] in by else ()
            elif kind == DENIED and len(cell) > 1:
                value = self._still_denied(cell[1:], value)
            if value != ():
                out[cell] = value
        if any(cell[0] == DENIED and len(cell) > 1 for cell in out):
            out[DENIED,] = ()
        for sort in self.unseen:
            out[UNSEEN, sort.index] = True
        for sort in self.touched:
            for x in out.elements(sort):
                out.setdefault((OLD, sort.index, x), TOUCHED)
        return out

    def _still_denied(self, place: Cell, denied: tuple[Any, ...]) -> tuple[Any, ...]:
        """The conditions that nothing unseen at a place meets after any number of the calls either."""
        sort = place[1] if place[0] == UNSEEN else self._member_sort(place[0])
        if sort in self.made or place[0] in self.fields:
            return ()
        return tuple(each for each in denied if not each[0][0].fields & self.fields)

    def _member_sort(self, index: int) -> int:
        type_ = self.system.fields[index].type
        assert isinstance(type_, SetT | SeqT)
        return type_.sort.index

    def _dismissed(self, store: WorldStore, sort: Sort, x: int) -> bool:
        """Takes an element of which nothing is left out of a state: it is one of those that nothing shows."""
        if any(cell[0] == BOUND and cell[2] == sort.index and value == x for cell, value in store.items()):
            return False
        own = {live_index(self.system, sort), *(f.index for f in self._drawn)}
        for cell, value in store.items():
            if cell[0] not in own and self._is_about(cell, value, sort, x):
                return False
            if cell[0] in (EXCLUDED, ABSENT) and (x in cell[2:] or (cell[0] == EXCLUDED and x in value)):
                return False
        store.free(sort, x)
        return True

    @cached_property
    def _drawn(self) -> list[Field]:
        return [f for f in self.system.fields if f.drawn]

    def _is_about(self, cell: Cell, value: object, sort: Sort, x: int) -> bool:
        """Does a cell belong to an element, or refer to it?"""
        if not 0 <= cell[0] < len(self.system.fields):
            return False
        f = self.system.fields[cell[0]]
        if any(owner is sort and y == x for owner, y in zip(f.owners, cell[1:], strict=True)):
            return True
        match f.type:
            case ElemT(of):
                return of is sort and value == x
            case SetT(of) | SeqT(of):
                return of is sort and isinstance(value, Collection) and x in value
        return False


def _forgetful(world: World, fields: frozenset[int], made: frozenset[int]) -> World:
    """A world in which some fields are undecided wherever a state does not say what they hold.

    Values are unique as far as neither these fields nor elements of the sorts `made` have to do with it.
    """
    other = copy.copy(world)
    other.maybe_lazy = world.maybe_lazy | fields
    other.undecided = world.undecided | fields
    other.unique = {
        f: (sort, others) for f, (sort, others) in world.unique.items() if not fields & {f, *others} and sort.index not in made
    }
    other.unique_members = {
        place: tuple(f for f in unique if f not in fields) for place, unique in world.unique_members.items() if place not in fields
    }
    return other
