"""The invariants of a spec in the states that a recording leads to.

What the recording leaves open leaves an invariant open too.  Ghosts do not happen in replay, so invariants about them are never decided.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import Expected, Kind, Property, System
from luocheck.model.ir.vocabulary import Field
from luocheck.model.semantics.expressions import Code, Oops
from luocheck.traces.call import Call
from luocheck.traces.replay.configurations import Configuration, returned
from luocheck.traces.replay.deciding import Undecided
from luocheck.traces.replay.expressions import Kleene
from luocheck.traces.replay.world import Beginning, World, WorldStore

SECONDS = 2.0
"""Time for the invariants of one recording: in a state with thousands of sessions they take longer than the calls."""


@dataclass(frozen=True, slots=True)
class Broken:
    """An invariant that does not hold any more after a call.  definite: in every state that agrees, else in some of them only."""

    promise: Property
    call: Call
    line: int
    definite: bool
    expected: bool  # the spec says itself that it can fail


@dataclass(slots=True)
class Promises:
    """Looks at beliefs one after the other.  broken: what was found, once for each invariant, definite ones before possible ones."""

    system: System
    world: World
    broken: dict[str, Broken] = field(default_factory=dict)
    until: int | None = None  # the line at which the time was up
    spent: float = 0.0
    codes: list[tuple[Property, Code]] = field(default_factory=list)
    undecided: set[str] = field(default_factory=set)  # invariants that were open in some state
    known: dict[int, tuple[WorldStore, frozenset[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        compile_ = Kleene(self.world.instance, checked=False)
        for claim in self.system.properties:
            if claim.kind is Kind.INVARIANT and claim.condition is not None and self._decidable(claim.condition):
                self.codes.append((claim, compile_(claim.condition)))

    def _decidable(self, condition: e.Expr) -> bool:
        for part in e.walk(condition):
            if any(isinstance(f, Field) and f.is_ghost for f in [getattr(part, "field", None)]):
                return False
            if isinstance(part, e.Quantifier) and part.kind == "number" and self.world.beginning is not Beginning.COLD:
                return False  # elements that nothing has shown yet are not counted
            if isinstance(part, e.Idle | e.IdleCaller):
                return False
        return True

    def watch(self, call: Call, belief: Iterable[Configuration]) -> None:
        """Looks at the belief after a call."""
        if self.until is not None:
            return
        started = time.process_time()
        found = [self._in(each.store) for each in belief]
        everywhere = frozenset.intersection(*found) if found else frozenset()
        somewhere = frozenset().union(*found)
        for claim, _ in self.codes:
            before = self.broken.get(claim.name)
            if claim.name in somewhere and (before is None or (claim.name in everywhere and not before.definite)):
                expected = any(each.property == claim.name and each.verdict is Expected.FAILS for each in self.system.expectations)
                self.broken[claim.name] = Broken(claim, call, returned(call), claim.name in everywhere, expected)
        self.spent += time.process_time() - started
        if self.spent > SECONDS:
            self.until = returned(call)

    def _in(self, store: WorldStore) -> frozenset[str]:
        """The invariants that do not hold in a state."""
        known = self.known.get(id(store))
        if known is None:
            if len(self.known) > 10_000:
                self.known.clear()
            known = self.known[id(store)] = store, frozenset(c.name for c, code in self.codes if self._fails(c, code, store))
        return known[1]

    def _fails(self, claim: Property, code: Code, store: WorldStore) -> bool:
        env: list[Any] = [None] * claim.slots
        try:
            return not code(store, env)
        except (Undecided, Oops):
            self.undecided.add(claim.name)
            return False

    def watched(self) -> frozenset[str]:
        """The invariants that were decided in every state of every belief."""
        if self.until is not None:
            return frozenset()
        return frozenset(claim.name for claim, _ in self.codes) - self.undecided
