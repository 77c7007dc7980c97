"""Claims, scopes, topologies and expectations."""

from __future__ import annotations

from contextlib import suppress

from luocheck.model.diagnostics import did_you_mean
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import (
    BUILT_INS,
    OK,
    PANIC,
    Event,
    Expectation,
    Expected,
    Graph,
    Kind,
    Local,
    OutcomePattern,
    Property,
    Scope,
    StateExpectation,
    Topology,
)
from luocheck.model.ir.vocabulary import ElemT, EnumT, Field, Lifetime, Sort
from luocheck.model.resolve.expressions import Bad, ExpressionResolver, Names, Slots
from luocheck.model.resolve.flatten import never_name
from luocheck.model.resolve.symbols import Symbols
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n

MAX_SIZE = 32
"""Most elements of one sort that a scope may ask for."""


def pattern_of(symbols: Symbols, node: n.OutcomeOf | n.OutcomeOfAny) -> OutcomePattern:
    """Checks the event and the outcome that a claim names."""
    returns: str | None = None
    label: str | None = None
    match node.returns:
        case n.ReturnsError():
            returns = "error"
        case n.ReturnsName(outcome=outcome, label=at):
            returns = outcome.text if outcome.text in (OK, PANIC) else symbols.check_errno(outcome)
            label = at.text if at else None
    if isinstance(node, n.OutcomeOf):
        check_event(symbols, node.event)
        return OutcomePattern(node.event.text, None, returns, label)
    return OutcomePattern(None, node.kind, returns, label)


def check_event(symbols: Symbols, name: n.Name) -> bool:
    if name.text in symbols.events:
        return True
    symbols.unknown(f"there is no event `{name}`", name, symbols.events)
    return False


class ClaimResolver:
    """Turns `property_decl`s into properties.  Claims about one event are given to `after_claims` of that event's environment."""

    def __init__(self, symbols: Symbols) -> None:
        self.symbols = symbols
        self.properties: list[Property] = []
        self.spans: dict[str, Span] = {}

    def declare(self, name: n.Name) -> None:
        self.declare_text(name.text, name.span)
        self.symbols.allowed(name)

    def declare_text(self, name: str, span: Span) -> None:
        if name in BUILT_INS:
            self.symbols.diagnostics.error("LUO201", f"`{name}` is the name of a built-in claim", span)
        elif name in self.spans:
            self.symbols.diagnostics.error(
                "LUO201", f"there is a claim `{name}` already", span, also=((self.spans[name], "first claim"),)
            )
        self.spans.setdefault(name, span)

    def state_claim(self, claim: n.Claim) -> None:
        """Claims about states, and the transition claims that name no event's parameters."""
        names = Names(Slots())
        resolver = ExpressionResolver(self.symbols, names)
        doc = getattr(claim, "doc", None)
        text = doc.text if doc is not None else ""
        match claim:
            case n.Invariant(span, name, _, condition):
                self.declare(name)
                found = resolver.boolean(condition)
                self._add(Property(name.text, Kind.INVARIANT, text, span, found, slots=names.slots.count))
            case n.Lemma(span, name, _, condition):
                self.declare(name)
                found = resolver.boolean(condition)
                self._add(Property(name.text, Kind.LEMMA, text, span, found, slots=names.slots.count))
            case n.Reachable(span, name, _, condition):
                self.declare(name)
                found = resolver.boolean(condition)
                self._add(Property(name.text, Kind.REACHABLE, text, span, found, slots=names.slots.count))
            case n.Stuck(span, name, _, unless):
                self.declare(name)
                exception = resolver.boolean(unless) if unless is not None else None
                self._add(Property(name.text, Kind.STUCK, text, span, exception, slots=names.slots.count))
            case n.Never(span, event, outcome):
                name_text = never_name(event.text, outcome.text)
                self.declare_text(name_text, span)
                if outcome.text not in (OK, PANIC):
                    self.symbols.check_errno(outcome)
                if check_event(self.symbols, event):
                    pattern = OutcomePattern(event.text, None, outcome.text, None)
                    self._add(Property(name_text, Kind.NEVER, "", span, pattern=pattern))
            case n.Recoverable(span, name, _, condition, goal, using, with_faults):
                self.declare(name)
                events = tuple(u.text for u in using if check_event(self.symbols, u))
                p, q = resolver.boolean(condition), resolver.boolean(goal)
                self._add(
                    Property(
                        name.text,
                        Kind.RECOVERABLE,
                        text,
                        span,
                        p,
                        q,
                        using=events,
                        with_faults=with_faults,
                        slots=names.slots.count,
                    )
                )
            case n.Liveness(span, name, _, binders, condition, goal, assuming):
                self.declare(name)
                each = tuple(local for b in binders if (local := self._each(resolver, b)) is not None)
                assumed = tuple((a.event.text, a.succeeds) for a in assuming if check_event(self.symbols, a.event))
                p, q = resolver.boolean(condition), resolver.boolean(goal)
                self._add(
                    Property(name.text, Kind.LIVENESS, text, span, p, q, assuming=assumed, each=each, slots=names.slots.count)
                )
            case n.After(span, outcome_node, name, _, condition):
                pattern = pattern_of(self.symbols, outcome_node)
                if pattern.event is None:
                    self.declare(name)
                    resolver.old_allowed = True
                    found = resolver.boolean(condition)
                    self._add(Property(name.text, Kind.AFTER, text, span, found, pattern=pattern, slots=names.slots.count))

    def _each(self, resolver: ExpressionResolver, binder: n.EachName) -> Local | None:
        """An element that a liveness claim is about; None when it is wrong (after reporting)."""
        sort = self.symbols.sort(binder.sort)
        if sort is None:
            return None
        with suppress(Bad):
            resolver.check_fresh(binder.name)
        var = resolver.names.bind(binder.name.text, ElemT(sort), binder.name.span)
        return Local(var.slot, binder.name.text, ElemT(sort))

    def after_claim(self, claim: n.After, event_names: Names) -> None:
        """A claim about one event, resolved where its parameters and result are known."""
        self.declare(claim.name)
        resolver = ExpressionResolver(self.symbols, event_names, old_allowed=True)
        pattern = pattern_of(self.symbols, claim.outcome)
        found = resolver.boolean(claim.condition)
        text = claim.doc.text if claim.doc else ""
        self._add(Property(claim.name.text, Kind.AFTER, text, claim.span, found, pattern=pattern))

    def _add(self, made: Property) -> None:
        self.properties.append(made)


# ---- scopes and topologies --------------------------------------------------------------------------------------


def resolve_scope(symbols: Symbols, decl: n.ScopeDecl, events: dict[str, Event]) -> Scope:
    sizes: dict[str, int] = {}
    for bound in decl.items.bounds:
        if symbols.sort(bound.sort) is None:
            continue
        if bound.sort.text in sizes:
            symbols.diagnostics.error("LUO219", f"`{bound.sort}` has a size already", bound.span)
        if bound.size.value > MAX_SIZE:
            symbols.diagnostics.error(
                "LUO219",
                f"{bound.size.value:,} elements of `{bound.sort}` are more than can be explored (at most {MAX_SIZE})",
                bound.span,
            )
        sizes[bound.sort.text] = min(bound.size.value, MAX_SIZE)
    missing = [name for name in symbols.sorts if name not in sizes]
    if missing:
        symbols.diagnostics.error(
            "LUO219",
            f"the scope `{decl.name}` gives no size for {', '.join(f'`{m}`' for m in missing)}",
            decl.span,
            help="write `NAME = 0` to leave a sort out",
        )
    stepwise: set[str] = set()
    if isinstance(decl.items.stepwise, n.Stepwise):
        for name in decl.items.stepwise.events:
            if check_event(symbols, name):
                if name.text in events and events[name.text].caller is None:
                    symbols.diagnostics.error("LUO219", f"`{name}` has no caller, so it cannot be cut into steps", name.span)
                stepwise.add(name.text)
    ordered = tuple((name, sizes.get(name, 0)) for name in symbols.sorts)
    return Scope(decl.name.text, ordered, frozenset(stepwise), decl.span)


def resolve_topology(
    symbols: Symbols, name: str, items: tuple[n.TopologyElement | n.TopologyEdges, ...], span: Span, known: tuple[str, ...] = ()
) -> Topology | None:
    """Elements and edges of a topology.  `known` are elements that are declared already (in a scenario).  None when it has errors."""
    errors = len(symbols.diagnostics.errors)
    sort, kind_field = _topology_sort(symbols, items, span)
    graphs = [g for g in symbols.graphs.values() if sort is None or g.sort is sort]
    elements: list[tuple[str, str | None]] = [(each, None) for each in known]
    for item in items:
        if isinstance(item, n.TopologyElement):
            symbols.allowed(item.name)
            if any(item.name.text == element for element, _ in elements):
                symbols.diagnostics.error("LUO220", f"`{item.name}` is an element already", item.name.span)
            kind = item.kind.text if kind_field is not None and item.kind.text not in symbols.sorts else None
            elements.append((item.name.text, kind))
    names = [element for element, _ in elements]
    edges: list[tuple[int, int]] = []
    for item in items:
        if isinstance(item, n.TopologyEdges):
            if len(graphs) != 1:
                symbols.diagnostics.error("LUO220", "edges need exactly one graph on this sort", item.span)
                break
            for target in item.targets:
                for end in (item.name, target):
                    if end.text not in names:
                        symbols.diagnostics.error(
                            "LUO220", f"`{end}` is no element of this topology", end.span, help=did_you_mean(end.text, names)
                        )
                if item.name.text in names and target.text in names:
                    edge = names.index(item.name.text), names.index(target.text)
                    if edge[0] == edge[1]:
                        symbols.diagnostics.error("LUO220", f"`{target}` cannot need itself", target.span)
                    edges.append(edge)
    if graphs:
        symbols.used.add(graphs[0].name)
        if graphs[0].acyclic and _has_cycle(len(names), [edge for edge in edges if edge[0] != edge[1]]):
            symbols.diagnostics.error("LUO220", f"these edges form a circle, and `{graphs[0].name}` is acyclic", span)
    if len(symbols.diagnostics.errors) > errors:
        return None
    owner = sort or (graphs[0].sort if graphs else None)
    return Topology(
        name,
        owner.name if owner else "",
        graphs[0].name if graphs else None,
        tuple(elements),
        kind_field.name if kind_field else None,
        tuple(edges),
        span,
    )


def _topology_sort(
    symbols: Symbols, items: tuple[n.TopologyElement | n.TopologyEdges, ...], span: Span
) -> tuple[Sort | None, Field | None]:
    """The sort that a topology is about, and the fixed field that an element's kind sets."""
    sorts: set[str] = set()
    kind_field: Field | None = None
    for item in items:
        if not isinstance(item, n.TopologyElement):
            continue
        if item.kind.text in symbols.sorts:
            sorts.add(item.kind.text)
            continue
        enums = [enum for enum, _ in symbols.members.get(item.kind.text, [])]
        fields = [
            f
            for f in symbols.all_fields
            if f.lifetime is Lifetime.FIXED
            and len(f.owners) == 1
            and isinstance(f.owners[0], Sort)
            and isinstance(f.type, EnumT)
            and f.type.enum in enums
        ]
        if len(fields) != 1:
            symbols.diagnostics.error(
                "LUO220",
                f"`{item.kind}` is no sort, and no value of a `fixed` field of a sort",
                item.kind.span,
                help=did_you_mean(item.kind.text, [*symbols.sorts, *symbols.members]),
            )
            continue
        kind_field = fields[0]
        sorts.add(fields[0].owners[0].name)
    if len(sorts) > 1:
        symbols.diagnostics.error("LUO220", "a topology is about elements of one sort", span)
    return (symbols.sorts[min(sorts)] if sorts else None), kind_field


def _has_cycle(count: int, edges: list[tuple[int, int]]) -> bool:
    below = {node: {b for a, b in edges if a == node} for node in range(count)}
    left = set(range(count))
    while left:
        free = {node for node in left if not below[node] & left}
        if not free:
            return True
        left -= free
    return False


def resolve_graph(symbols: Symbols, decl: n.GraphDecl) -> None:
    """Adds the `where` of a graph, once fields are known."""
    graph = symbols.graphs.get(decl.name.text)
    if graph is None or decl.where is None:
        return
    names = Names(Slots())
    resolver = ExpressionResolver(symbols, names)
    for name in (decl.where.left, decl.where.right):
        names.bind(name.text, ElemT(graph.sort), name.span)
    condition = resolver.boolean(decl.where.condition)
    for part in e.walk(condition):
        if isinstance(part, e.Read) and part.field.lifetime is not Lifetime.FIXED:
            symbols.diagnostics.error("LUO202", "which edges make sense can depend on fixed fields only", part.span)
    symbols.graphs[decl.name.text] = Graph(graph.index, graph.name, graph.sort, graph.acyclic, condition, graph.span)


# ---- expectations -----------------------------------------------------------------------------------------------

_VERDICTS: dict[type[n.Node], Expected] = {
    n.VerdictHolds: Expected.HOLDS,
    n.VerdictFails: Expected.FAILS,
    n.VerdictVacuous: Expected.VACUOUS,
    n.VerdictReachable: Expected.REACHABLE,
    n.VerdictUnreachable: Expected.UNREACHABLE,
}


def resolve_expectations(
    symbols: Symbols,
    declarations: list[n.Decl],
    inherited: set[int],
    properties: dict[str, Property],
    scopes: list[str],
    topologies: list[str],
    labels: set[str],
) -> tuple[list[Expectation], list[StateExpectation]]:
    """Later entries about the same property and the same scope or topology replace those of the specs below, also of several."""
    found: dict[tuple[str, str | None, str | None], Expectation] = {}
    states: dict[tuple[bool, str | None, str | None], StateExpectation] = {}
    for decl in declarations:
        if not isinstance(decl, n.ExpectDecl):
            continue
        for item in decl.items:
            assert isinstance(item, n.ExpectProperty | n.ExpectStates | n.ExpectCoverage)
            scope, topology = _where(symbols, item.where, scopes, topologies)
            from_base = id(item) in inherited
            if isinstance(item, n.ExpectProperty):
                made = _expectation(symbols, item, scope, topology, from_base, properties, labels)
                if made is None:
                    continue
                before = found.get((made.property, scope, topology))
                if before is not None and before.span.source == item.span.source:
                    symbols.diagnostics.error(
                        "LUO201", f"`{made.property}` has an expectation already", item.span, also=((before.span, "first one"),)
                    )
                found.pop((made.property, scope, topology), None)
                found[made.property, scope, topology] = made
            elif isinstance(item, n.ExpectStates):
                high = item.high.value if item.high else item.low.value
                states.pop((False, scope, topology), None)
                states[False, scope, topology] = StateExpectation(item.low.value, high, scope, topology, item.span)
            else:
                states.pop((True, scope, topology), None)
                states[True, scope, topology] = StateExpectation(None, None, scope, topology, item.span)
    return list(found.values()), list(states.values())


def _where(
    symbols: Symbols, where: n.InScope | n.InTopology | None, scopes: list[str], topologies: list[str]
) -> tuple[str | None, str | None]:
    match where:
        case n.InScope(name=name):
            if name.text not in scopes:
                symbols.unknown(f"there is no scope `{name}`", name, scopes)
            return name.text, None
        case n.InTopology(name=name):
            if name.text not in topologies:
                symbols.unknown(f"there is no topology `{name}`", name, topologies)
            return None, name.text
    return None, None


def _expectation(
    symbols: Symbols,
    item: n.ExpectProperty,
    scope: str | None,
    topology: str | None,
    inherited: bool,
    properties: dict[str, Property],
    labels: set[str],
) -> Expectation | None:
    name = item.property.text
    known = properties.get(name)
    if known is None:
        if inherited:  # an assertion that a patch dropped takes its expectation with it
            return None
        symbols.diagnostics.error("LUO600", f"there is no claim `{name}`", item.property.span, help=did_you_mean(name, properties))
        return None
    verdict = _VERDICTS[type(item.verdict)]
    wants_goal = verdict in (Expected.REACHABLE, Expected.UNREACHABLE)
    if wants_goal != (known.kind is Kind.REACHABLE):
        a = "an" if known.kind.value[0] in "aeiou" else "a"
        right = "`is reachable` or `is not reachable`" if known.kind is Kind.REACHABLE else "`holds`, `fails` or `vacuous`"
        symbols.diagnostics.error("LUO600", f"`{name}` is {a} {known.kind.value} claim; expect {right} of it", item.span)
        return None
    if item.event is not None and not inherited:
        check_event(symbols, item.event)
    if item.label is not None and item.label.text not in labels and not inherited:
        symbols.diagnostics.error(
            "LUO208", f"no statement is labelled `{item.label}`", item.label.span, help=did_you_mean(item.label.text, labels)
        )
    return Expectation(
        name,
        verdict,
        scope,
        topology,
        item.within.value if item.within else None,
        item.event.text if item.event else None,
        item.label.text if item.label else None,
        inherited,
        item.span,
    )
