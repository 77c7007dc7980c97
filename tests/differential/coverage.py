"""What random specs contain and what happens in them, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from differential.agreement import scope_of, topology_of
from differential.naive import TooLarge, naive
from differential.specs import RandomSpec

from luocheck.model.diagnostics import SpecError
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Kind, System
from luocheck.model.source import Source
from luocheck.model.spec import load_source

STATEMENTS = {each.__name__ for each in st.Stmt.__subclasses__()}
EXPRESSIONS = {each.__name__ for each in e.Expr.__subclasses__()}
KINDS = {kind.value for kind in Kind}
OUTCOMES = {"returns", "errno", "panic", "oops", "blocks", "suspends", "cut"}
FORMS = {
    "walk along", "walk any", "walk order", "walk seq", "walk pairs", "walk where", "walk reversed", "drains", "drains reversed",
    "rollback visited", "rollback all", "rollback reversed", "walk in walk", "else", "bare fail", "errno from a field", "fault class",
    "await or", "lock per", "shared", "unscoped", "number", "no", "closure", "unchanged except", "drawn volatile", "drawn fixed", "boot",
    "effect", "stepwise", "topology", "graph where", "with faults", "at", "pair", "per enum",
}  # fmt: skip


@dataclass
class Census:
    """In how many specs each class, kind, form and outcome occurs."""

    specs: int = 0
    refused: list[int] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)
    sizes: list[int] = field(default_factory=list)

    def add(self, drawn: RandomSpec, most_states: int) -> None:
        self.specs += 1
        try:
            system = load_source(Source("drawn.luo", drawn.text)).system
        except SpecError:
            self.refused.append(drawn.seed)
            return
        scope, topology = scope_of(system, drawn.scope), topology_of(system, drawn.topology)
        seen = {*_parts(system), *_forms(system)}
        if scope.stepwise:
            seen.add("stepwise")
        if topology is not None:
            seen.add("topology")
        try:
            found = naive(system, scope, topology, most_states=most_states)
            self.sizes.append(found.states)
            seen |= found.kinds
        except TooLarge:
            self.sizes.append(most_states)
        self.found.update(seen)

    def rare(self, names: set[str], share: float) -> dict[str, int]:
        """Those of the names that occur in less than this share of the specs."""
        return {name: self.found[name] for name in sorted(names) if self.found[name] < share * self.specs}


def _bodies(system: System) -> Iterator[st.Stmt]:
    for event in system.events:
        yield from st.statements(event.body)
        for effect in event.effects:
            yield from st.statements(effect.body)
    if system.boot is not None:
        yield from st.statements(system.boot)


def _conditions(system: System) -> Iterator[e.Expr]:
    for stmt in _bodies(system):
        for expr in st.expressions(stmt):
            yield from _all(expr)
    for claim in system.properties:
        for condition in (claim.condition, claim.goal):
            if condition is not None:
                yield from _all(condition)


def _all(expr: e.Expr) -> Iterator[e.Expr]:
    yield expr
    for child in e.children(expr):
        yield from _all(child)
    if isinstance(expr, e.Unchanged):
        yield from expr.cells


def _parts(system: System) -> Iterator[str]:
    for part in (*_bodies(system), *_conditions(system)):
        yield type(part).__name__
    for claim in system.properties:
        yield claim.kind.value


def _forms(system: System) -> Iterator[str]:
    for stmt in _bodies(system):
        yield from _forms_of_statement(stmt)
    for expr in _conditions(system):
        match expr:
            case e.Quantifier(kind=kind):
                yield kind
            case e.HasEdge(closure=True):
                yield "closure"
            case e.Unchanged(fields=fields, cells=cells) if fields or cells:
                yield "unchanged except"
    for each in system.fields:
        if each.drawn:
            yield f"drawn {each.lifetime.value}"
        if len(each.owners) == 2:
            yield "pair"
        if each.owners and each.owners[0] in system.enums:
            yield "per enum"
    if system.boot is not None:
        yield "boot"
    if any(event.effects for event in system.events):
        yield "effect"
    if any(graph.where is not None for graph in system.graphs):
        yield "graph where"
    if any(claim.with_faults for claim in system.properties):
        yield "with faults"
    if any(claim.kind is Kind.ASSERT and claim.span.text.startswith("at ") for claim in system.properties):
        yield "at"


def _forms_of_statement(stmt: st.Stmt) -> Iterator[str]:
    match stmt:
        case st.Walk():
            yield from _forms_of_walk(stmt)
        case st.Call(orelse=st.Block()):
            yield "else"
        case st.Fail(errno=None):
            yield "bare fail"
        case st.Fail(errno=e.Expr()):
            yield "errno from a field"
        case st.Sometimes(fault=str()):
            yield "fault class"
        case st.Await(errno=str()):
            yield "await or"
        case st.Acquire(owner=owner, shared=shared, scoped=scoped):
            if owner is not None:
                yield "lock per"
            if shared:
                yield "shared"
            if not scoped:
                yield "unscoped"


def _forms_of_walk(walk: st.Walk) -> Iterator[str]:
    for binder in walk.binders:
        yield f"walk {binder.order}" if isinstance(binder, st.OverSort) else "walk seq"
    if walk.drains:
        yield "drains reversed" if walk.reversed else "drains"
    if len(walk.binders) == 2:
        yield "walk pairs"
    if walk.where is not None:
        yield "walk where"
    if walk.reversed:
        yield "walk reversed"
    if any(isinstance(inner, st.Walk) for inner in st.statements(walk.step)):
        yield "walk in walk"
    if walk.rollback is not None:
        yield "rollback visited" if walk.rollback.visited_only else "rollback all"
        if walk.rollback.reversed:
            yield "rollback reversed"
