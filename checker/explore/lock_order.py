"""The order in which locks are taken, read from the bodies: a circle is a possible deadlock, whatever states are reachable."""

from __future__ import annotations

from dataclasses import dataclass

from luocheck.model.answer import Clause, Result, Witness
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Scope, System
from luocheck.model.ir.vocabulary import Lock
from luocheck.model.source import Span


@dataclass(frozen=True, slots=True)
class Nesting:
    """`inner` is taken while `outer` is held; both shared or not."""

    outer: Lock
    inner: Lock
    shared: bool
    span: Span

    @property
    def text(self) -> str:
        return f"{self.inner.name} is taken while {self.outer.name} is held"


def nestings(system: System) -> list[Nesting]:
    """Every pair of locks of which one is taken while the other is held, on some path of some event."""
    found: dict[tuple[int, int], Nesting] = {}
    for event in system.events:
        _block(event.body, (), found)
    return list(found.values())


Held = tuple[tuple[Lock, bool], ...]


def _block(block: st.Block, held: Held, found: dict[tuple[int, int], Nesting]) -> Held:
    """Locks that may be held after a block (a guard is given back at its end)."""
    guards: list[Lock] = []
    for stmt in block.statements:
        match stmt:
            case st.Acquire(lock=lock, shared=shared, scoped=scoped):
                for outer, outer_shared in held:
                    both = shared and outer_shared
                    known = found.get((outer.index, lock.index))
                    if known is None or (known.shared and not both):
                        found[outer.index, lock.index] = Nesting(outer, lock, both, stmt.span)
                held = (*held, (lock, shared))
                if scoped:
                    guards.append(lock)
            case st.GiveBack(lock=lock) | st.Keep(lock=lock):
                held = _without(held, lock)
                if lock in guards:
                    guards.remove(lock)
            case _:
                after = held
                for inner in st.blocks(stmt):
                    left = _block(inner, held, found)
                    after = (*after, *(h for h in left if h not in after))
                held = after
    for lock in guards:
        held = _without(held, lock)
    return held


def _without(held: Held, lock: Lock) -> Held:
    for position in range(len(held) - 1, -1, -1):
        if held[position][0] is lock:
            return held[:position] + held[position + 1 :]
    return held


def lock_cycles(system: System) -> list[Nesting]:
    """The nestings that lie on a circle, except circles in which every lock is taken shared."""
    edges = nestings(system)
    out: list[Nesting] = []
    for edge in edges:
        path = _path(edges, edge.inner, edge.outer)
        if path is not None and not all(each.shared for each in (edge, *path)):
            out.append(edge)
    return out


def _path(edges: list[Nesting], start: Lock, goal: Lock) -> list[Nesting] | None:
    """Nestings that lead from one lock to another; empty when they are the same."""
    todo: list[tuple[Lock, list[Nesting]]] = [(start, [])]
    seen = {start.index}
    while todo:
        lock, path = todo.pop(0)
        if lock is goal:
            return path
        for edge in edges:
            if edge.outer is lock and edge.inner.index not in seen:
                seen.add(edge.inner.index)
                todo.append((edge.inner, [*path, edge]))
    return None


def lock_order(system: System, scope: Scope) -> tuple[Result, Witness | None]:
    """The verdict about the built-in claim `lock_order`, and what breaks it: nestings that close a circle."""
    cycles = lock_cycles(system)
    if not cycles:
        return Result.HOLDS, None
    clauses = tuple(Clause(cycle.text, "taken in a circle", (), cycle.span) for cycle in cycles)
    return Result.FAILS, Witness(scope.name, None, (), (), (), (), (), clauses)
