"""When a claim is broken: by a state, or by the way in which a call ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from luocheck.model.diagnostics import fail
from luocheck.model.ir.system import PANIC, Event, Kind, Property
from luocheck.model.semantics.expressions import Code, Compiler, Oops
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store


@dataclass(slots=True)
class StateMonitor:
    """An invariant, a lemma, a goal, or a side of `recoverable` or `liveness`: true or false of a state."""

    claim: Property
    code: Code
    env: list[Any]

    def value(self, store: Store) -> bool:
        """Raises SpecError LUO605 when the claim reads through none."""
        try:
            return bool(self.code(store, self.env))
        except Oops as oops:
            reads_through_none(self.claim, oops)


@dataclass(slots=True)
class TransitionMonitor:
    """An after-claim or a `never`, of the calls that its pattern matches."""

    claim: Property
    code: Code | None  # None: matching is the violation

    def is_about(self, event: Event, outcome: Outcome) -> bool:
        """Does the claim say something about a call that ended in this way?"""
        pattern = self.claim.pattern
        assert pattern is not None
        if outcome.kind not in ("returns", "panic"):
            return False
        return pattern.matches(event, PANIC if outcome.kind == "panic" else outcome.errno, outcome.label)

    def violated(self, outcome: Outcome) -> bool:
        """Is the claim, which must be about this outcome, broken by it?  Raises SpecError LUO605 when it reads through none."""
        if self.code is None:
            return True
        before = outcome.env[0]
        own = self.claim.pattern is not None and self.claim.pattern.event is not None
        env = outcome.env if own else [before, *[None] * (self.claim.slots - 1)]
        try:
            return not self.code(outcome.store, env)
        except Oops as oops:
            reads_through_none(self.claim, oops)


def state_monitor(claim: Property, compile_: Compiler, *, goal: bool = False) -> StateMonitor:
    """The condition of a claim about states; with `goal`, where a `recoverable` or a `liveness` has to lead."""
    condition = claim.goal if goal else claim.condition
    assert condition is not None
    return StateMonitor(claim, compile_(condition), [None] * claim.slots)


def transition_monitor(claim: Property, compile_: Compiler) -> TransitionMonitor:
    """What an after-claim or a `never` asks of a call."""
    assert claim.kind in (Kind.AFTER, Kind.NEVER)
    return TransitionMonitor(claim, compile_(claim.condition) if claim.condition is not None else None)


def reads_through_none(claim: Property, oops: Oops) -> NoReturn:
    fail(
        "LUO605",
        f"`{claim.name}` reads through `none` here",
        oops.span,
        help="protect it with `and` or `=>`, which look at their left side first",
    )
