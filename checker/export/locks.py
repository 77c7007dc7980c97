"""Promela of locks in calls that happen in one go: a lock is free, held by this call, or kept for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luocheck.checker.export.places import Place
from luocheck.checker.export.writer import added
from luocheck.model.ir import statements as st

if TYPE_CHECKING:
    from luocheck.checker.export.statements import Body

EXCLUSIVE = 100
"""In `held`: taken exclusively; smaller numbers say how often it is taken shared."""


class Locks:
    """The locks of one body.  `held` counts what this call holds; `guard` has for each `guard` in the text which lock it took, plus 1."""

    def __init__(self, body: Body) -> None:
        self.body = body
        self.guards = 0

    def _lock(self, stmt: st.Acquire | st.GiveBack | st.Keep) -> str:
        base = str(self.body.cells.lock_base[stmt.lock.index])
        if stmt.owner is None:
            return base
        x = self.body.x.value(stmt.owner)
        self.body.x.not_none(stmt.owner, x, stmt.span)
        self.body.ask()
        return added(base, x)

    def acquire(self, stmt: st.Acquire) -> None:
        """Takes a lock; where it is taken, the call has not returned."""
        body, w = self.body, self.body.w
        lock = self._lock(stmt)
        if stmt.shared:
            taken = f"(kept[{lock}] == 2 || held[{lock}] == {EXCLUSIVE})"
        else:
            taken = f"(kept[{lock}] != 0 || held[{lock}] != 0)"
        with w.when(taken):
            w.emit(f"goto {body.end('dead')}")
        w.emit(f"held[{lock}] = {f'held[{lock}] + 1' if stmt.shared else EXCLUSIVE};")
        if stmt.scoped:
            assert body.here is not None
            (number,) = [number for acquire, number in body.here.guards if acquire is stmt]
            w.emit(f"guard[{number}] = {added(lock, '1')};")

    def enter(self, place: Place) -> None:
        """A block begins: its guards get their numbers, which every way out of it has to know."""
        assert place.block is not None
        for stmt in place.block.statements:
            if isinstance(stmt, st.Acquire) and stmt.scoped:
                place.guards.append((stmt, self.guards))
                self.guards += 1

    def _drop(self, lock: str) -> str:
        return f"held[{lock}] = (held[{lock}] == {EXCLUSIVE} -> 0 : held[{lock}] - 1)"

    def leave(self, place: Place) -> None:
        """The guards of a block are given back."""
        w = self.body.w
        for _, number in place.guards:
            with w.when(f"guard[{number}] != 0"):
                w.emit(f"{self._drop(f'guard[{number}] - 1')}; guard[{number}] = 0")

    def give_back(self, stmt: st.GiveBack | st.Keep) -> None:
        """`unlock`, `release`, or `keep`: it is no longer held, and no block has to give it back at its end."""
        body, w = self.body, self.body.w
        lock = self._lock(stmt)
        body.oops(f"(held[{lock}] == 0)", "held_at_return")
        if isinstance(stmt, st.Keep):
            w.emit(f"kept[{lock}] = (held[{lock}] == {EXCLUSIVE} || kept[{lock}] == 2 -> 2 : 1);")
        w.emit(self._drop(lock) + ";")
        numbers = self._guards_of(stmt)
        if not numbers:
            return
        w.emit("if")
        for number in numbers:
            w.emit(f":: {self._is_first(numbers, number, lock)} -> guard[{number}] = 0")
        w.emit(":: else")
        w.emit("fi;")

    def _guards_of(self, stmt: st.GiveBack | st.Keep) -> list[int]:
        """Guards that may have taken this lock: of the innermost block first, in a block in the order of the text."""
        found: list[int] = []
        place = self.body.here
        while place is not None:
            found += [number for acquire, number in place.guards if acquire.lock is stmt.lock]
            place = place.parent
        return found

    def _is_first(self, numbers: list[int], number: int, lock: str) -> str:
        wanted = added(lock, "1")
        before = [f"guard[{other}] != {wanted}" for other in numbers[: numbers.index(number)]]
        return " && ".join([*before, f"guard[{number}] == {wanted}"])

    def drop_all(self) -> None:
        """kexec: no lock is held any more."""
        for number in range(self.guards):
            self.body.w.emit(f"guard[{number}] = 0;")
        for lock in range(self.body.cells.locks):
            self.body.w.emit(f"held[{lock}] = 0;")

    def at_the_end(self) -> None:
        """What a call that returns still holds stays taken for ever."""
        w = self.body.w
        for lock in range(self.body.cells.locks):
            with w.when(f"held[{lock}] != 0"):
                w.emit(f"{self.body.finding('held_at_return')}; kept[{lock}] = 2; held[{lock}] = 0")
