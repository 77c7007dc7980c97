"""States in which elements have changed places: what a permutation of interchangeable elements makes of a store.

A turn has one permutation for each sort: `turn[sort.index][x]` is the element that takes the place of x.
"""

from __future__ import annotations

from typing import Any

from luocheck.model.instances import Cell, Instance, Permutations, moved_value
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import ElemT, SeqT, SetT, Sort, Type
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.run import SEQ, UNDO, WALK, Continuation, Frame, Held
from luocheck.model.semantics.store import Store, call_index, live_index, lock_index

Turn = Permutations

Places = tuple[int | None, ...]
"""For each owner of a cell the index of its sort, None for an enum."""


class Renaming:
    """Applies turns to stores and to what stands in them.  `machine`: of an instance of the same scope; it knows the walks."""

    def __init__(self, instance: Instance, machine: Machine) -> None:
        self.instance = instance
        self.walks = machine.program.walks
        system = self.system = instance.system
        self.calls = call_index(system)
        self.first_lock = len(system.fields) + len(system.sorts)
        self.owners: dict[int, Places] = {
            f.index: tuple(o.index if isinstance(o, Sort) else None for o in f.owners) for f in system.fields
        }
        self.owners |= {live_index(system, sort): (sort.index,) for sort in system.sorts}
        self.owners |= {lock_index(system, lock): () if lock.owner is None else (lock.owner.index,) for lock in system.locks}
        self.types: dict[int, Type] = {f.index: f.type for f in system.fields if isinstance(f.type, ElemT | SetT | SeqT)}
        self.caller = system.caller.index if system.caller is not None else None
        if self.caller is not None:
            self.owners[self.calls] = (self.caller,)

    def store(self, store: Store, turn: Turn) -> Store:
        """The same state after the turn."""
        moved = Store(store.instance)
        owners, types = self.owners, self.types
        for cell, value in store.items():
            index = cell[0]
            if index in types:
                value = moved_value(types[index], value, turn)
            elif index >= self.first_lock:
                value = self._call(value, turn) if index == self.calls else self._holders(value, turn)
            moved[self._cell(cell, owners[index], turn)] = value
        return moved

    def arguments(self, event: Event, arguments: tuple[Any, ...], turn: Turn) -> tuple[Any, ...]:
        """Arguments of the call that does after the turn what the given one did before it."""
        types = [p.type for p in event.parameters] + [None] * len(event.predicates)
        return tuple(value if t is None else moved_value(t, value, turn) for t, value in zip(types, arguments, strict=True))

    # ---- parts of a store ---------------------------------------------------------------------------------------

    def _cell(self, cell: Cell, places: Places, turn: Turn) -> Cell:
        match places:
            case ():
                return cell
            case (int(sort),):
                return cell[0], turn[sort][cell[1]]
        return (cell[0], *(x if sort is None else turn[sort][x] for sort, x in zip(places, cell[1:], strict=True)))

    def _holders(self, value: tuple[str, tuple[int, ...]], turn: Turn) -> tuple[str, tuple[int, ...]]:
        mode, holders = value
        if self.caller is None:
            return value
        people = turn[self.caller]
        return mode, tuple(sorted(people[x] if x >= 0 else x for x in holders))

    def _held(self, held: tuple[Held, ...], turn: Turn) -> tuple[Held, ...]:
        return tuple((self._cell(lock, self.owners[lock[0]], turn), shared) for lock, shared in held)

    def _call(self, call: Continuation, turn: Turn) -> Continuation:
        event = self.system.events[call.event]
        env = tuple(v if t is None else moved_value(t, v, turn) for t, v in zip(event.slots, call.env, strict=True))
        frames = tuple(self._frame(frame, turn) for frame in call.frames)
        kept = Store(self.instance, dict(call.kept_old))
        old = frozenset(self.store(kept, turn).items())
        return Continuation(call.event, env, frames, self._held(call.held, turn), old, call.label)

    def _frame(self, frame: Frame, turn: Turn) -> Frame:
        match frame[0]:
            case 0 if frame[3]:
                return (SEQ, frame[1], frame[2], self._held(frame[3], turn))
            case 3:
                _, walk, every, left, visited, current = frame
                code = self.walks[walk]

                def moved(elements: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
                    return tuple(self._element(walk, x, turn) for x in elements)

                # what an `in any order` walk has left is kept in the order of the elements
                rest = tuple(sorted(moved(left))) if code.any_order else moved(left)
                now = None if current is None else self._element(walk, current, turn)
                return (WALK, walk, moved(every), rest, moved(visited), now)
            case 4:
                _, walk, left, errno, label = frame
                return (UNDO, walk, tuple(self._element(walk, x, turn) for x in left), errno, label)
        return frame

    def _element(self, walk: int, element: tuple[int, ...], turn: Turn) -> tuple[int, ...]:
        return tuple(turn[sort.index][x] for sort, x in zip(self.walks[walk].sorts, element, strict=True))


def inverse(turn: Turn) -> Turn:
    """What takes a turn back."""
    return tuple(tuple(sorted(range(len(p)), key=p.__getitem__)) for p in turn)
