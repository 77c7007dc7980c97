"""Locks in calls that are not cut: what a call holds, and what it keeps for ever.

`Path.locks` has whole values: a pair of what is held (lock, shared) and, for each open block, what that block gives back at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luocheck.checker.symbolic.bounded.gates import FALSE, Gates, Lit
from luocheck.checker.symbolic.bounded.paths import Path
from luocheck.checker.symbolic.bounded.summaries import Summary, constant, made, mapped
from luocheck.model.instances import Cell
from luocheck.model.ir import statements as st
from luocheck.model.semantics.locks import hold_for_ever
from luocheck.model.semantics.store import Store, lock_index

if TYPE_CHECKING:
    from luocheck.checker.symbolic.bounded.execute import Executor

Value = tuple[Any, Any]


def enter(path: Path) -> None:
    """A block begins."""
    path.locks = {(held, (*blocks, ())): lit for (held, blocks), lit in path.locks.items()}


def leave(gates: Gates, path: Path) -> None:
    """A block ends, however it ends: its guards are given back."""

    def left(value: Value) -> Value:
        held, (*blocks, guards) = list(value[0]), value[1]
        for guard in guards:
            if guard in held:
                held.remove(guard)
        return tuple(held), tuple(blocks)

    path.locks = mapped(gates, left, path.locks)


def forget_all(gates: Gates, path: Path) -> None:
    """After a reboot nothing is held."""
    path.locks = mapped(gates, lambda value: ((), tuple(() for _ in value[1])), path.locks)


def _cells(executor: Executor, path: Path, stmt: st.Acquire | st.GiveBack | st.Keep) -> Summary:
    index = lock_index(executor.world.system, stmt.lock)
    if stmt.owner is None:
        return constant((index,))
    reader = executor.reader(path)
    owners = reader.value(stmt.owner)
    reader.breaks("null_dereference", stmt.span, owners.get(None, FALSE))
    executor.settle(path, reader)
    return {(index, x): lit for x, lit in owners.items() if x is not None}


def acquire(executor: Executor, path: Path, stmt: st.Acquire) -> None:
    """Takes a lock.  Where it has to wait the call has not returned, and there is no transition."""
    gates, shared = executor.gates, stmt.shared
    parts: list[tuple[Value, Lit]] = []
    for cell, when in _cells(executor, path, stmt).items():
        for taken, lit in executor.world.cell(path.cells, cell).items():
            for (held, (*blocks, guards)), holding in path.locks.items():
                mine = any(each[0] == cell and not (shared and each[1]) for each in held)
                if mine or (taken is not None and not (shared and taken[0] == "s")):
                    continue
                now = (cell, shared)
                last = (*guards, now) if stmt.scoped else guards
                parts.append((((*held, now), (*blocks, last)), gates.and_(gates.and_(when, lit), holding)))
    path.guard = gates.and_(path.guard, gates.any_of(lit for _, lit in parts))
    path.locks = made(gates, parts)


def give_back(executor: Executor, path: Path, stmt: st.GiveBack | st.Keep) -> None:
    """Gives a lock back, or keeps it for ever."""
    gates = executor.gates
    parts: list[tuple[Value, Lit]] = []
    missing: list[Lit] = []
    kept: list[tuple[Cell, bool, Lit]] = []
    for cell, when in _cells(executor, path, stmt).items():
        for value, holding in path.locks.items():
            lit = gates.and_(when, holding)
            mine = next((each for each in value[0] if each[0] == cell), None)
            if mine is None:
                missing.append(lit)
                continue
            parts.append((_without(value, mine), lit))
            if isinstance(stmt, st.Keep):
                kept.append((cell, mine[1], lit))
    reader = executor.reader(path)
    reader.breaks("held_at_return", stmt.span, gates.any_of(missing))
    executor.settle(path, reader)
    path.locks = made(gates, parts)
    for cell, shared, lit in kept:
        _hold(executor, path, cell, lit, shared=shared)


def _without(value: Value, mine: Any) -> Value:
    """Without what was given back; no block has to give it back at its end."""
    held, blocks = list(value[0]), [list(guards) for guards in value[1]]
    held.remove(mine)
    for guards in reversed(blocks):
        if mine in guards:
            guards.remove(mine)
            break
    return tuple(held), tuple(tuple(guards) for guards in blocks)


def _hold(executor: Executor, path: Path, cell: Cell, when: Lit, *, shared: bool) -> None:
    instance = executor.world.first

    def held(now: Any) -> Any:
        store = Store(instance, {cell: now} if now is not None else {})
        hold_for_ever(store, cell, shared=shared)
        return store[cell]

    executor.write(path, cell, mapped(executor.gates, held, executor.world.cell(path.cells, cell)), when)
    executor.own(path, when)


def returned(executor: Executor, path: Path) -> None:
    """A call returns; what it still holds nobody ever gets again."""
    for (held, _), lit in list(path.locks.items()):
        if held:
            path.marked(executor.gates, ("broke", "held_at_return"), lit)
        for cell, _shared in held:
            _hold(executor, path, cell, lit, shared=False)
