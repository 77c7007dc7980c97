"""Claims compiled for one scope: what is asked of each state and of each transition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from luocheck.model.instances import Instance
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import Kind, Property
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.semantics.claims import StateMonitor, TransitionMonitor, state_monitor, transition_monitor
from luocheck.model.semantics.expressions import Compiler
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


Combination = tuple[int, ...]
"""An element for each name that a liveness claim binds with `all`."""


def combinations(claim: Property, instance: Instance) -> list[Combination]:
    """Everything that a liveness claim is about: one combination when it binds no names."""
    sorts = [local.type.sort for local in claim.each if isinstance(local.type, ElemT)]
    return list(product(*(range(instance.sizes[sort.index]) for sort in sorts)))


@dataclass(slots=True)
class EndsOfRuns:
    """Both sides of a liveness claim.  What is not alive owes nothing, so of a dead element P is false and Q is true."""

    from_: StateMonitor
    to: StateMonitor
    combinations: list[Combination]

    def values(self, store: Store) -> Iterator[tuple[bool, bool]]:
        """P and Q in a state, for each combination.  Raises SpecError LUO605 when the claim reads through none."""
        for elements in self.combinations:
            alive = True
            for local, element in zip(self.from_.claim.each, elements, strict=True):
                self.from_.env[local.slot] = self.to.env[local.slot] = element
                assert isinstance(local.type, ElemT)
                alive = alive and element in store.elements(local.type.sort)
            yield (self.from_.value(store), self.to.value(store)) if alive else (False, True)


@dataclass(slots=True)
class Monitors:
    """All claims that an exploration decides, by the moment at which they are asked.

    `compile` makes what the interpreter asks; the native engine has its own.
    """

    instance: Instance
    claims: tuple[Property, ...]
    ways: list[Property] = field(default_factory=list)
    liveness: list[Property] = field(default_factory=list)
    stuck: list[Property] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    invariants: list[StateMonitor] = field(default_factory=list)
    goals: list[StateMonitor] = field(default_factory=list)
    transitions: list[list[TransitionMonitor]] = field(default_factory=list)
    ends_of_ways: list[tuple[StateMonitor, StateMonitor]] = field(default_factory=list)
    ends_of_runs: list[EndsOfRuns] = field(default_factory=list)
    exempt: list[StateMonitor | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ways = [claim for claim in self.claims if claim.kind is Kind.RECOVERABLE]
        self.liveness = [claim for claim in self.claims if claim.kind is Kind.LIVENESS]
        self.stuck = [claim for claim in self.claims if claim.kind is Kind.STUCK]

    def compile(self) -> None:
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
        match claim.kind:
            case Kind.INVARIANT | Kind.LEMMA:
                self.invariants.append(state_monitor(claim, compile_))
            case Kind.REACHABLE:
                self.goals.append(state_monitor(claim, compile_))
            case Kind.RECOVERABLE:
                self.ends_of_ways.append((state_monitor(claim, compile_), state_monitor(claim, compile_, goal=True)))
            case Kind.LIVENESS:
                ends = state_monitor(claim, compile_), state_monitor(claim, compile_, goal=True)
                self.ends_of_runs.append(EndsOfRuns(*ends, combinations(claim, self.instance)))
            case Kind.STUCK:
                self.exempt.append(state_monitor(claim, compile_) if claim.condition is not None else None)
            case Kind.AFTER | Kind.NEVER:
                monitor = transition_monitor(claim, compile_)
                for event in self.instance.system.events:
                    assert claim.pattern is not None
                    about = claim.pattern.event is None or claim.pattern.event == event.name
                    if about and claim.pattern.kind in (None, event.kind):
                        self.transitions[event.index].append(monitor)

    def needs_edges(self, *, reduced: bool) -> bool:
        """Do some claims need the whole graph of states, whose states are whole orbits (`reduced`) or keep their names?"""
        return bool(self.ways or self.stuck or (self.liveness and not reduced))
