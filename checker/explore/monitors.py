"""Claims compiled for one scope: what is asked of each state and of each transition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from luocheck.model.diagnostics import fail
from luocheck.model.instances import Instance
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import Event, Kind, Property
from luocheck.model.semantics.expressions import Code, Compiler, Oops
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store


def consequents(expr: e.Expr) -> Iterator[e.Expr]:
    """The parts that a claim is about: right sides of implications, bodies of `all`, both sides of `and`.

    When none of them is ever looked at, the claim holds of nothing.
    """
    match expr:
        case e.Implies(right=right):
            yield from consequents(right)
        case e.And(left=left, right=right):
            yield from consequents(left)
            yield from consequents(right)
        case e.Quantifier(kind="all", body=body):
            yield from consequents(body)
        case _:
            yield expr


@dataclass(slots=True)
class StateMonitor:
    """An invariant, a lemma, a goal, or a side of `recoverable`: true or false of a state."""

    claim: Property
    code: Code
    env: list[Any]

    def value(self, store: Store) -> bool:
        try:
            return bool(self.code(store, self.env))
        except Oops as oops:
            fail(
                "LUO605",
                f"`{self.claim.name}` reads through `none` here",
                oops.span,
                help="protect it with `and` or `=>`, which look at their left side first",
            )


@dataclass(slots=True)
class TransitionMonitor:
    """An after-claim or a `never`, of the calls that its pattern matches."""

    claim: Property
    code: Code | None  # None: matching is the violation

    def violated(self, event: Event, outcome: Outcome, before: Store) -> bool:
        if self.code is None:
            return True
        env = outcome.env if self.claim.pattern is not None and self.claim.pattern.event is not None else [None] * self.claim.slots
        env[0] = before
        try:
            return not self.code(outcome.store, env)
        except Oops as oops:
            fail("LUO605", f"`{self.claim.name}` reads through `none` here", oops.span, help="protect it with `and` or `=>`")


@dataclass(slots=True)
class Monitors:
    """All claims that an exploration decides, by the moment at which they are asked."""

    instance: Instance
    claims: tuple[Property, ...]
    invariants: list[StateMonitor] = field(default_factory=list)
    goals: list[StateMonitor] = field(default_factory=list)
    transitions: list[list[TransitionMonitor]] = field(default_factory=list)
    ways: list[tuple[Property, StateMonitor, StateMonitor]] = field(default_factory=list)
    stuck: list[tuple[Property, StateMonitor | None]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        watched: dict[int, Any] = {}
        for claim in self.claims:
            if claim.condition is not None and claim.kind in (Kind.INVARIANT, Kind.LEMMA, Kind.AFTER):
                for part in consequents(claim.condition):
                    watched[id(part)] = lambda name=claim.name: self.seen.add(name)
        compile_ = Compiler(self.instance, checked=False, watched=watched)
        self.transitions = [[] for _ in self.instance.system.events]
        for claim in self.claims:
            self._add(claim, compile_)

    def _add(self, claim: Property, compile_: Compiler) -> None:
        def monitor(expr: e.Expr | None) -> StateMonitor:
            assert expr is not None
            return StateMonitor(claim, compile_(expr), [None] * claim.slots)

        match claim.kind:
            case Kind.INVARIANT | Kind.LEMMA:
                self.invariants.append(monitor(claim.condition))
            case Kind.REACHABLE:
                self.goals.append(monitor(claim.condition))
            case Kind.RECOVERABLE:
                self.ways.append((claim, monitor(claim.condition), monitor(claim.goal)))
            case Kind.STUCK:
                self.stuck.append((claim, monitor(claim.condition) if claim.condition is not None else None))
            case Kind.AFTER | Kind.NEVER:
                code = compile_(claim.condition) if claim.condition is not None else None
                for event in self.instance.system.events:
                    assert claim.pattern is not None
                    about = claim.pattern.event is None or claim.pattern.event == event.name
                    if about and claim.pattern.kind in (None, event.kind):
                        self.transitions[event.index].append(TransitionMonitor(claim, code))

    @property
    def needs_edges(self) -> bool:
        """Do some claims need the whole graph of states?"""
        return bool(self.ways or self.stuck)
