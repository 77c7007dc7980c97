"""Scenario texts to `Scenario` values: every event, element, label and claim that they name is looked up and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from luocheck.model.diagnostics import Diagnostics, did_you_mean
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import BUILT_INS, Kind, Property, Scope, System, Topology
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.resolve.expressions import Bad, ExpressionResolver, Names, Slots
from luocheck.model.resolve.symbols import Symbols
from luocheck.model.scenario.calls import CallResolver
from luocheck.model.scenario.scenarios import Call, Condition, Element, Goal, Scenario, Shape
from luocheck.model.scenario.shapes import resolve_shape
from luocheck.model.source import Source, Span
from luocheck.model.syntax import nodes as n
from luocheck.model.syntax.parser import parse_declarations

if TYPE_CHECKING:
    from luocheck.model.spec import Spec


def resolve_scenarios(
    declarations: Iterable[n.Decl], inherited: set[int], system: System, symbols: Symbols, diagnostics: Diagnostics
) -> tuple[Scenario, ...]:
    """The scenarios among some declarations.  Everything wrong goes to `diagnostics`, and a scenario with errors is left out.

    inherited: ids of the declarations that a base contributed.
    """
    symbols = replace(symbols, diagnostics=diagnostics)
    found: list[Scenario] = []
    titles: dict[str, Span] = {}
    for decl in declarations:
        if not isinstance(decl, n.ScenarioDecl):
            continue
        if decl.title.text in titles:
            diagnostics.error(
                "LUO201",
                f'there is a scenario "{decl.title.text}" already',
                decl.title.span,
                also=((titles[decl.title.text], "first one"),),
            )
        titles.setdefault(decl.title.text, decl.title.span)
        made = _ScenarioResolver(decl, system, symbols, id(decl) in inherited).resolve()
        if made is not None:
            found.append(made)
    return tuple(found)


def load_scenarios(spec: Spec, source: Source) -> tuple[Scenario, ...]:
    """The scenarios of a saved scenario file: a text with `scenario` declarations only, about the spec that is given.

    Raises SpecError with every diagnostic when the text is not correct or has no scenario.
    """
    diagnostics = Diagnostics()
    declarations = parse_declarations(source, diagnostics)
    for decl in declarations:
        if not isinstance(decl, n.ScenarioDecl):
            diagnostics.error("LUO230", "a scenario file has nothing but scenarios", decl.span, help="put this into the spec")
    if not declarations and not diagnostics.errors:
        end = Span(source, 0, min(1, len(source.text)))
        diagnostics.error("LUO230", "there is no scenario in this text", end, help='write `scenario "title" { ... }`')
    scenarios = resolve_scenarios(declarations, set(), spec.system, spec.symbols, diagnostics)
    diagnostics.raise_errors()
    return scenarios


class _ScenarioResolver:
    def __init__(self, decl: n.ScenarioDecl, system: System, symbols: Symbols, inherited: bool) -> None:
        self.decl = decl
        self.system = system
        self.symbols = symbols
        self.diagnostics = symbols.diagnostics
        self.inherited = inherited
        self.names = Names(Slots())
        self.resolver = ExpressionResolver(symbols, self.names)
        self.elements: dict[str, Element] = {}
        self.calls = CallResolver(system, symbols, self.elements, self.element)
        self.topology: Topology | None = None
        self.shape: Shape | None = None
        self.given: list[Condition] = []
        self.steps: list[Call | Condition] = []
        self.goal: Goal | None = None

    def resolve(self) -> Scenario | None:
        before = len(self.diagnostics.errors)
        scope = self._scope()
        shapes = [item for item in self.decl.items if isinstance(item, n.ScenarioTopology | n.ScenarioGraph)]
        for extra in shapes[1:]:
            self.error("a scenario has one topology", extra.span)
        for item in self.decl.items:
            if self.goal is not None:
                self.error(f"`{self.goal.text}` comes last in a scenario", self.goal.span)
                break
            self._item(item)
        if scope is not None:
            self._check_sizes(scope)
        if len(self.diagnostics.errors) > before:
            if self.inherited and self.system.bases:
                self.error(
                    f'the inherited scenario "{self.decl.title.text}" does not fit this spec',
                    self.system.span,
                    help=f'write `remove scenario "{self.decl.title.text}";`, and a new one if there should be one',
                )
            return None
        assert scope is not None
        return Scenario(
            self.decl.title.text,
            scope,
            self.topology,
            self.shape,
            tuple(self.given),
            tuple(self.steps),
            self.goal,
            tuple(self.elements.values()),
            self.names.slots.count,
            self.inherited,
            span=self.decl.span,
        )

    def error(self, message: str, span: Span, help: str = "") -> None:
        self.diagnostics.error("LUO230", message, span, help=help)

    def _scope(self) -> Scope | None:
        scopes, name = self.system.scopes, self.decl.scope
        if name is None:
            if not scopes:
                self.error("a scenario needs a scope, and this spec declares none", self.decl.title.span)
                return None
            return scopes[0]
        found = next((scope for scope in scopes if scope.name == name.text), None)
        if found is None:
            self.error(f"there is no scope `{name}`", name.span, did_you_mean(name.text, [s.name for s in scopes]))
        return found

    def _item(self, item: n.ScenarioItem) -> None:
        match item:
            case n.ScenarioLet(name=name, sort=sort_name):
                sort = self.symbols.sorts.get(sort_name.text)
                if sort is None:
                    self.error(f"`{sort_name}` is no sort", sort_name.span, did_you_mean(sort_name.text, self.symbols.sorts))
                else:
                    self.element(name, ElemT(sort), "let")
            case n.ScenarioTopology(name=name):
                self._before_calls(item, "a topology")
                self._named_topology(name)
            case n.ScenarioGraph(items=items):
                self._before_calls(item, "a topology")
                self.shape = resolve_shape(self.symbols, items, self.elements, self.element)
            case n.ScenarioGiven(span=span, condition=condition):
                self._before_calls(item, "`given`")
                self.given.append(self._condition(condition, span))
            case n.ScenarioAssert(span=span, condition=condition):
                self.steps.append(self._condition(condition, span))
            case n.ScenarioCall():
                call = self.calls.call(item)
                if call is not None:
                    self.steps.append(call)
            case n.ScenarioViolates(span=span, property=name):
                self._goal(name, span, reached=False)
            case n.ScenarioReaches(span=span, property=name):
                self._goal(name, span, reached=True)

    def _before_calls(self, item: n.ScenarioItem, what: str) -> None:
        if self.steps:
            self.error(f"{what} is about the beginning, so it stands before the first call", item.span)

    def element(self, name: n.Name, type_: ElemT, origin: str) -> Element | None:
        """Declares an element; None when its name cannot be taken."""
        try:
            if name.text == "_":
                self.error("`_` stands for any argument and cannot be declared", name.span)
                return None
            self.resolver.check_fresh(name)
        except Bad:
            return None
        slot = self.names.bind(name.text, type_, name.span).slot
        made = Element(len(self.elements), name.text, type_.sort, slot, origin, name.span)
        self.elements[name.text] = made
        return made

    def _named_topology(self, name: n.Name) -> None:
        topologies = self.system.topologies
        found = next((t for t in topologies if t.name == name.text), None)
        if found is None:
            self.error(f"there is no topology `{name}`", name.span, did_you_mean(name.text, [t.name for t in topologies]))
            return
        self.topology = found
        if found.sort:
            sort = self.system.sort(found.sort)
            for element, _ in found.elements:
                self.element(n.Name(name.span, element), ElemT(sort), "topology")

    def _condition(self, node: n.Expr, span: Span) -> Condition:
        condition = self.resolver.boolean(node)
        slots = {part.slot for part in e.walk(condition) if isinstance(part, e.Var)}
        for part in e.walk(condition):
            if isinstance(part, e.BadHandle):
                self.error(f"`{part.predicate}` asks about a parameter of a call, and there is no call here", part.span)
        return Condition(condition, tuple(each for each in self.elements.values() if each.slot in slots), span)

    def _goal(self, name: n.Name, span: Span, *, reached: bool) -> None:
        claim = next((each for each in self.system.properties if each.name == name.text), None)
        if claim is None:
            known = [each.name for each in self.system.properties if (each.kind is Kind.REACHABLE) == reached]
            self.error(f"there is no claim `{name}`", name.span, did_you_mean(name.text, known))
            return
        complaint = _not_decided(claim, reached)
        if complaint:
            self.error(complaint[0], name.span, complaint[1])
            return
        self.goal = Goal(claim, span)

    def _check_sizes(self, scope: Scope) -> None:
        """Different names of a `let` are different elements, so there must be enough of them."""
        for sort in self.system.sorts:
            named: Sequence[Element] = [each for each in self.elements.values() if each.sort is sort and each.origin != "gives"]
            size = scope.size(sort.name)
            if self.topology is not None and self.topology.sort == sort.name:
                size = len(self.topology.elements)
            if len(named) > size:
                where = f"scope `{scope.name}`" if size == scope.size(sort.name) else f"this topology of scope `{scope.name}`"
                self.error(
                    f"{where} has {size} {sort.name}, and this scenario names {len(named)}",
                    named[size].span,
                    "name a larger scope: `in scope NAME`",
                )


def _not_decided(claim: Property, reached: bool) -> tuple[str, str] | None:
    """Why the end of a scenario says nothing about a claim, and help; None when it does."""
    if claim.kind is Kind.LIVENESS:
        return f"`{claim.name}` is about what happens in the long run, which no finite list of calls shows", ""
    if reached and claim.kind is not Kind.REACHABLE:
        return f"`{claim.name}` is no `reachable` claim", f"write `violates {claim.name};`"
    if not reached and claim.kind is Kind.REACHABLE:
        return f"`{claim.name}` is a goal to be reached, so nothing can violate it", f"write `reaches {claim.name};`"
    assert claim.kind is not Kind.BUILT_IN or claim.name in BUILT_INS
    return None
