"""Inline topologies of scenarios: which edges there are, and the kinds of the elements."""

from __future__ import annotations

from collections.abc import Callable

from luocheck.model.diagnostics import did_you_mean
from luocheck.model.ir.system import Graph
from luocheck.model.ir.vocabulary import ElemT, EnumT, Field, Lifetime, Sort
from luocheck.model.resolve.symbols import Symbols
from luocheck.model.scenario.scenarios import Element, Shape
from luocheck.model.syntax import nodes as n

Declare = Callable[[n.Name, ElemT, str], Element | None]
"""Declares an element of a scenario: its name, its type, where it comes from."""


def resolve_shape(
    symbols: Symbols, items: tuple[n.TopologyElement | n.TopologyEdges, ...], elements: dict[str, Element], declare: Declare
) -> Shape:
    """Edges between elements of `elements`, and elements that are declared on the way.  Errors go to the symbols' diagnostics."""
    kinds: list[tuple[Element, Field, int]] = []
    edges: list[tuple[Graph, Element, Element]] = []
    mentioned: dict[int, Element] = {}
    for item in items:
        if isinstance(item, n.TopologyElement):
            made = _element(symbols, item, declare, kinds)
            if made is not None:
                mentioned[made.index] = made
    for item in items:
        if isinstance(item, n.TopologyEdges):
            for target in item.targets:
                edge = _edge(symbols, item.name, target, elements)
                if edge is not None:
                    edges.append(edge)
                    mentioned |= {end.index: end for end in edge[1:]}
    for graph in symbols.graphs.values():
        if graph.acyclic:
            own = [(a.index, b.index) for g, a, b in edges if g is graph]
            if _has_circle(own):
                at = next(item.span for item in items if isinstance(item, n.TopologyEdges))
                symbols.diagnostics.error("LUO230", f"these edges form a circle, and `{graph.name}` is acyclic", at)
    return Shape(tuple(edges), tuple(kinds), tuple(mentioned[index] for index in sorted(mentioned)))


def _element(
    symbols: Symbols, item: n.TopologyElement, declare: Declare, kinds: list[tuple[Element, Field, int]]
) -> Element | None:
    """`f: File;` or, by the value of a fixed field, `f: MEMFD;`."""
    kind = item.kind.text
    if kind in symbols.sorts:
        return declare(item.name, ElemT(symbols.sorts[kind]), "topology")
    fields = [f for f in symbols.all_fields if _is_kind(f, kind)]
    if len(fields) != 1:
        symbols.diagnostics.error(
            "LUO230",
            f"`{kind}` is neither a sort nor a value of one fixed field",
            item.kind.span,
            help=did_you_mean(kind, [*symbols.sorts, *symbols.members]),
        )
        return None
    owner, type_ = fields[0].owners[0], fields[0].type
    assert isinstance(owner, Sort) and isinstance(type_, EnumT)
    made = declare(item.name, ElemT(owner), "topology")
    if made is not None:
        kinds.append((made, fields[0], type_.enum.members.index(kind)))
    return made


def _is_kind(field: Field, member: str) -> bool:
    return (
        field.lifetime is Lifetime.FIXED
        and len(field.owners) == 1
        and isinstance(field.owners[0], Sort)
        and isinstance(field.type, EnumT)
        and member in field.type.enum.members
    )


def _edge(symbols: Symbols, source: n.Name, target: n.Name, elements: dict[str, Element]) -> tuple[Graph, Element, Element] | None:
    for end in (source, target):
        if end.text not in elements:
            symbols.diagnostics.error(
                "LUO230", f"`{end}` is no element of this scenario", end.span, help=did_you_mean(end.text, elements)
            )
    if source.text not in elements or target.text not in elements:
        return None
    a, b = elements[source.text], elements[target.text]
    graph = next((each for each in symbols.graphs.values() if each.sort is a.sort), None)
    if graph is None:
        symbols.diagnostics.error("LUO230", f"there is no graph on {a.sort.name}, so `{source}` needs nothing", source.span)
        return None
    if a.sort is not b.sort:
        symbols.diagnostics.error("LUO230", f"`{target}` is a {b.sort.name}, and `{graph.name}` is on {a.sort.name}", target.span)
        return None
    if a is b:
        symbols.diagnostics.error("LUO230", f"`{target}` cannot need itself", target.span)
        return None
    return graph, a, b


def _has_circle(edges: list[tuple[int, int]]) -> bool:
    left = set(edges)
    while left:
        sources = {a for a, _ in left}
        open_ends = {(a, b) for a, b in left if b not in sources}
        if not open_ends:
            return True
        left -= open_ends
    return False
