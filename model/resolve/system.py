"""A flattened spec to a `System`: the order of the passes."""

from __future__ import annotations

from luocheck.model.diagnostics import Diagnostics
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Effect, Event, Local, Predicate, Property, Scope, System, Topology, built_in_properties
from luocheck.model.ir.vocabulary import ElemT, ErrnoT, Type
from luocheck.model.resolve.abi import resolve_abi
from luocheck.model.resolve.bodies import BodyResolver
from luocheck.model.resolve.checks import (
    check_boot,
    check_given,
    check_requires,
    check_result,
    check_rollbacks,
    lint_old,
    lint_steps,
)
from luocheck.model.resolve.claims import (
    ClaimResolver,
    pattern_of,
    resolve_expectations,
    resolve_graph,
    resolve_scope,
    resolve_topology,
)
from luocheck.model.resolve.context import Claims, Place
from luocheck.model.resolve.expressions import ExpressionResolver, Names, Slots
from luocheck.model.resolve.flatten import FlatSpec
from luocheck.model.resolve.runs import check_alone
from luocheck.model.resolve.symbols import Symbols, collect
from luocheck.model.resolve.types import param_type
from luocheck.model.syntax import nodes as n


def resolve(flat: FlatSpec, diagnostics: Diagnostics) -> tuple[System, Symbols]:
    """Resolves and checks a whole spec.  Everything wrong goes to `diagnostics`; the result is usable when there are no errors."""
    return _SystemResolver(flat, diagnostics).resolve()


class _SystemResolver:
    def __init__(self, flat: FlatSpec, diagnostics: Diagnostics) -> None:
        self.flat = flat
        self.diagnostics = diagnostics
        self.symbols = collect(flat.declarations, flat.removed, diagnostics)
        self.claims = Claims()
        self.claim_resolver = ClaimResolver(self.symbols)
        self.effects: list[n.EffectDecl] = []
        self.afters: dict[str, list[n.After]] = {}
        self.boot: n.BootDecl | None = None

    def resolve(self) -> tuple[System, Symbols]:
        self._first_look()
        for decl in self.flat.declarations:
            if isinstance(decl, n.GraphDecl):
                resolve_graph(self.symbols, decl)
        events = tuple(self._event(decl, index) for index, decl in enumerate(self.symbols.events.values()))
        boot, boot_slots = self._boot_alone()
        self._check_unused_bodies()
        for decl in self.flat.declarations:
            if isinstance(decl, n.PropertyDecl):
                self.claim_resolver.state_claim(decl.claim)
        properties = self._properties()
        by_name = {event.name: event for event in events}
        scopes = self._scopes(by_name)
        topologies = self._topologies()
        expectations, states = resolve_expectations(
            self.symbols,
            self.flat.declarations,
            self.flat.inherited,
            {p.name: p for p in properties},
            [s.name for s in scopes],
            [t.name for t in topologies],
            self.claims.seen_labels,
        )
        abi = resolve_abi(self.symbols, self.flat.declarations, by_name)
        self._check_predicates(events)
        lint_steps(events, scopes, self.diagnostics)
        lint_old(events, scopes, properties, self.diagnostics)
        self._lint_unused()
        system = System(
            self.flat.name,
            self.flat.title,
            tuple(self.symbols.sorts.values()),
            tuple(self.symbols.enums.values()),
            tuple(self.symbols.all_fields),
            tuple(self.symbols.locks.values()),
            tuple(self.symbols.graphs.values()),
            events,
            boot,
            boot_slots,
            properties,
            scopes,
            topologies,
            tuple(expectations),
            tuple(states),
            abi,
            tuple(self.diagnostics.warnings),
            self.flat.bases,
            self.flat.span,
        )
        return system, self.symbols

    def _first_look(self) -> None:
        for decl in self.flat.declarations:
            match decl:
                case n.BootDecl():
                    if self.boot is not None:
                        self.diagnostics.error("LUO201", "there is a `boot` already", decl.span)
                    self.boot = decl
                case n.EffectDecl():
                    self.effects.append(decl)
                case n.PropertyDecl(claim=n.At() as at):
                    self.claims.at.setdefault(at.label.text, []).append(at)
                case n.PropertyDecl(claim=n.After(outcome=n.OutcomeOf(event=event)) as after):
                    self.afters.setdefault(event.text, []).append(after)
                    if event.text not in self.symbols.events:
                        self.symbols.unknown(f"there is no event `{event}`", event, self.symbols.events)

    # ---- bodies -------------------------------------------------------------------------------------------------

    def _event(self, decl: n.EventDecl, index: int) -> Event:
        resolver = BodyResolver(self.symbols, self.claims, decl.name.text, self.boot)
        resolver.declared_locals.append([])
        parameters: list[Local] = []
        for param in decl.params:
            type_ = param_type(self.symbols, param)
            if isinstance(type_, ErrnoT):
                self.diagnostics.error(
                    "LUO202", f"`{param.name}` cannot be an errno: a call is given elements, enum values or bools", param.span
                )
            if type_ is not None:
                parameters.append(Local(resolver.bind(param.name, type_), param.name.text, type_))
        result: Local | None = None
        if decl.gives is not None:
            declared = resolver.declare_result(decl.gives)
            if declared is not None:
                result = Local(declared[0], decl.gives.name.text, declared[1])
        body = resolver.block(decl.body)
        if result is not None and decl.gives is not None:
            check_result(body, result.slot, decl.gives, self.diagnostics)
        check_given(body, resolver.names.slots.types, result.slot if result is not None else None, self.diagnostics)
        for after in self.afters.get(decl.name.text, ()):
            with resolver.names.inner():
                self.claim_resolver.after_claim(after, resolver.names)
        effects = tuple(self._effects(decl, resolver))
        predicates = tuple(
            Predicate(name, next(p for p in parameters if p.slot == slot), own)
            for (name, slot), own in resolver.names.predicates.items()
            if any(p.slot == slot for p in parameters)
        )
        caller = next((p.slot for p in parameters if isinstance(p.type, ElemT) and p.type.sort.caller), None)
        event = Event(
            index,
            decl.kind,
            decl.name.text,
            tuple(parameters),
            predicates,
            result,
            body,
            effects,
            tuple(resolver.names.slots.types),
            caller,
            decl.span,
        )
        check_rollbacks(body, self.diagnostics)
        check_requires(event, self.diagnostics)
        return event

    def _effects(self, decl: n.EventDecl, resolver: BodyResolver) -> list[Effect]:
        out: list[Effect] = []
        for effect in self.effects:
            outcome = effect.outcome
            if isinstance(outcome, n.OutcomeOf):
                if outcome.event.text != decl.name.text:
                    continue
                known = dict(resolver.names.known)
            else:
                if outcome.kind is not None and outcome.kind != decl.kind:
                    continue
                known = {}
            pattern = pattern_of(self.symbols, outcome)
            saved, resolver.names.known = resolver.names.known, known
            saved_place, resolver.place = resolver.place, Place(f"on {pattern}", ghosts_only=True)
            resolver.resolver.old_allowed = True
            try:
                out.append(Effect(pattern, resolver.block(effect.body)))
            finally:
                resolver.resolver.old_allowed = False
                resolver.names.known, resolver.place = saved, saved_place
        return out

    def _boot_alone(self) -> tuple[st.Block | None, tuple[Type | None, ...]]:
        """The boot body for the very beginning; `reboot;` has its own copy."""
        if self.boot is None:
            return None, (None,)
        resolver = BodyResolver(self.symbols, self.claims, "boot", None, Slots())
        body = resolver.block(self.boot.body)
        check_rollbacks(body, self.diagnostics)
        check_boot(body, self.diagnostics)
        check_given(body, resolver.names.slots.types, None, self.diagnostics)
        return body, tuple(resolver.names.slots.types)

    def _check_unused_bodies(self) -> None:
        for decl in self.symbols.procs.values():
            check_alone(BodyResolver(self.symbols, self.claims, decl.name.text, self.boot), decl)
        used_before = set(self.symbols.used)
        for define in self.symbols.defines.values():
            names = Names(Slots())
            for param in define.params:
                type_: Type | None = param_type(self.symbols, param)
                if type_ is not None:
                    names.bind(param.name.text, type_, param.span)
            resolver = ExpressionResolver(self.symbols, names, inlining=[define.name.text])
            resolver.value(define.value, None)
        self.symbols.used = used_before | (self.symbols.used & set(self.symbols.defines))
        for label, waiting in self.claims.at.items():
            if label not in self.claims.seen_labels:
                for at in waiting:
                    self.diagnostics.error("LUO208", f"no statement is labelled `{label}`", at.label.span)
        for effect in self.effects:
            if isinstance(effect.outcome, n.OutcomeOf) and effect.outcome.event.text not in self.symbols.events:
                self.symbols.unknown(f"there is no event `{effect.outcome.event}`", effect.outcome.event, self.symbols.events)

    # ---- claims -------------------------------------------------------------------------------------------------

    def _properties(self) -> tuple[Property, ...]:
        """Claims in the order of the text, then assertions, then the built-in ones."""
        order = [_claim_span(d) for d in self.flat.declarations if isinstance(d, n.PropertyDecl)]
        declared = sorted(self.claim_resolver.properties, key=lambda p: order.index(p.span) if p.span in order else len(order))
        for name, claim in self.claims.asserts.items():
            self.claim_resolver.declare_text(name, claim.span)
        return (*declared, *self.claims.asserts.values(), *built_in_properties())

    def _scopes(self, events: dict[str, Event]) -> tuple[Scope, ...]:
        scopes: list[Scope] = []
        for decl in self.flat.declarations:
            if isinstance(decl, n.ScopeDecl):
                if any(s.name == decl.name.text for s in scopes):
                    self.diagnostics.error("LUO201", f"there is a scope `{decl.name}` already", decl.name.span)
                self.symbols.allowed(decl.name)
                scopes.append(resolve_scope(self.symbols, decl, events))
        return tuple(scopes)

    def _topologies(self) -> tuple[Topology, ...]:
        made: list[Topology] = []
        for decl in self.flat.declarations:
            if isinstance(decl, n.TopologyDecl):
                if any(t.name == decl.name.text for t in made):
                    self.diagnostics.error("LUO201", f"there is a topology `{decl.name}` already", decl.name.span)
                self.symbols.allowed(decl.name)
                found = resolve_topology(self.symbols, decl.name.text, decl.items, decl.span)
                if found is not None:
                    made.append(found)
        return tuple(made)

    def _check_predicates(self, events: tuple[Event, ...]) -> None:
        """`bad_name(n)` may ask about parameters of an event, directly or through a proc that it runs at once."""
        for event in events:
            slots = {predicate.slot for predicate in event.predicates}
            for stmt in st.statements(event.body):
                for expr in st.expressions(stmt):
                    _check_bad_handles(expr, slots, self.diagnostics)

    def _lint_unused(self) -> None:
        things = {**self.symbols.procs, **self.symbols.defines, **self.symbols.locks, **self.symbols.graphs}
        for name in things:
            if name not in self.symbols.used and name not in {
                g for g, graph in self.symbols.graphs.items() if graph.where is not None
            }:
                self.diagnostics.warning("LUO304", f"nothing uses `{name}`", self.symbols.declared[name])


def _claim_span(decl: n.PropertyDecl) -> object:
    return decl.claim.span


def _check_bad_handles(expr: object, slots: set[int], diagnostics: Diagnostics) -> None:
    from luocheck.model.ir import expressions as e

    assert isinstance(expr, e.Expr)
    for part in e.walk(expr):
        if isinstance(part, e.BadHandle) and part.slot not in slots:
            diagnostics.error("LUO215", f"`{part.predicate}` asks about a parameter of the call", part.span)
