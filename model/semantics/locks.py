"""Meaning of statements about locks."""

from __future__ import annotations

from typing import Any

from luocheck.model.ir import statements as st
from luocheck.model.semantics.bodies import Bodies, Op
from luocheck.model.semantics.expressions import Code, Oops
from luocheck.model.semantics.run import FOREVER, SEQ, Run
from luocheck.model.semantics.store import Store, lock_index
from luocheck.model.source import Span


def _cell(bodies: Bodies, stmt: st.Acquire | st.GiveBack | st.Keep) -> Code:
    index, span = lock_index(bodies.system, stmt.lock), stmt.span
    if stmt.owner is None:
        key = (index,)
        return lambda s, env: key
    owner = bodies.expr(stmt.owner)

    def cell(s: Store, env: list[Any]) -> tuple[int, int]:
        x = owner(s, env)
        if x is None:
            raise Oops("null_dereference", span)
        return index, x

    return cell


def acquire(bodies: Bodies, stmt: st.Acquire) -> Op:
    """A lock is taken, or the call waits for it."""
    cell, shared, scoped, machine = _cell(bodies, stmt), stmt.shared, stmt.scoped, bodies.machine
    label = bodies.step_label(stmt)
    bodies.lock_labels.add(label)

    def take(run: Run) -> Any:
        lock = cell(run.store, run.env)
        taken = run.store.get(lock)
        mine = [held for held in run.held if held[0] == lock]
        if (taken is not None and not (shared and taken[0] == "s")) or any(not (shared and held[1]) for held in mine):
            return machine.blocked(run, label)
        run.held = (*run.held, (lock, shared))
        if scoped:
            _, block, index, guards = run.frames[-1]
            run.frames[-1] = (SEQ, block, index, (*guards, (lock, shared)))
        return None

    return take


def give_back(bodies: Bodies, stmt: st.GiveBack) -> Op:
    """A lock that the call holds is given back."""
    cell, span = _cell(bodies, stmt), stmt.span

    def drop(run: Run) -> None:
        _end_of(run, cell(run.store, run.env), span)

    return drop


def keep(bodies: Bodies, stmt: st.Keep) -> Op:
    """A lock that the call holds is never given back."""
    cell, span = _cell(bodies, stmt), stmt.span

    def hold(run: Run) -> None:
        lock = cell(run.store, run.env)
        _, shared = _end_of(run, lock, span)
        hold_for_ever(run.own(), lock, shared=shared)

    return hold


def _end_of(run: Run, lock: Any, span: Span) -> Any:
    """What the call holds of a lock, which it no longer has to give back.  Raises Oops when it is nothing."""
    for held in run.held:
        if held[0] == lock:
            _forget(run, held)
            return held
    raise Oops("held_at_return", span)


def hold_for_ever(store: Store, lock: Any, *, shared: bool) -> None:
    """A lock is never given back; other calls that hold it shared may go on."""
    mode, holders = store.get(lock, ("s", ()))
    others = tuple(holder for holder in holders if holder != FOREVER)
    store[lock] = (mode if shared else "x", (FOREVER, *others))


def _forget(run: Run, held: Any) -> None:
    """A lock is given back: it is no longer held, and no block has to give it back at its end."""
    left = list(run.held)
    left.remove(held)
    run.held = tuple(left)
    for position in range(len(run.frames) - 1, -1, -1):
        frame = run.frames[position]
        if frame[0] == SEQ and held in frame[3]:
            guards = list(frame[3])
            guards.remove(held)
            run.frames[position] = (*frame[:3], tuple(guards))
            return
