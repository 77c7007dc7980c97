"""Dependency graphs on n unlabelled elements: one representative of each isomorphism class, closure, topological order, automorphisms.

An edge (a, b) says that a needs b.  Acyclic classes for n = 1..6 number 1, 2, 6, 31, 302, 5984 (OEIS A003087), all digraphs without
self-loops 1, 3, 16, 218, 9608 (OEIS A000273).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import permutations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

Edges = frozenset[tuple[int, int]]
"""A set of edges over elements 0..n-1."""

MAX_ACYCLIC = 6
MAX_CYCLIC = 4
"""Largest numbers of elements whose classes are enumerated; beyond them a topology must fix the graph."""


@cache
def classes(count: int, acyclic: bool) -> tuple[Edges, ...]:
    """One graph of each isomorphism class, fewest edges first, then by their canonical form.

    Each class on n elements arises from one on n - 1 by adding an element: for acyclic graphs one that nothing needs yet, in general one
    with any edges to and from the others.  Raises ValueError beyond MAX_ACYCLIC or MAX_CYCLIC elements.
    """
    limit = MAX_ACYCLIC if acyclic else MAX_CYCLIC
    if count > limit:
        raise ValueError(f"the classes of graphs are enumerated up to {limit} elements")
    if count <= 1:
        return (frozenset(),)
    found: dict[tuple[tuple[int, int], ...], Edges] = {}
    new = count - 1
    for base in classes(new, acyclic):
        for edges in _with_element(base, new, acyclic):
            form = canonical(count, edges)
            found.setdefault(tuple(sorted(form)), form)
    return tuple(found[key] for key in sorted(found, key=lambda key: (len(key), key)))


def _with_element(base: Edges, new: int, acyclic: bool) -> Iterator[Edges]:
    for below in range(1 << new):
        down = {(new, other) for other in range(new) if below >> other & 1}
        if acyclic:
            yield base | down
            continue
        for above in range(1 << new):
            yield base | down | {(other, new) for other in range(new) if above >> other & 1}


def canonical(count: int, edges: Edges) -> Edges:
    """The same graph with its elements numbered so that the sorted edge list is smallest among those that respect the colouring."""
    best: tuple[tuple[int, int], ...] | None = None
    for order in _respecting(refine(count, edges)):
        position = {element: index for index, element in enumerate(order)}
        form = tuple(sorted((position[a], position[b]) for a, b in edges))
        if best is None or form < best:
            best = form
    return frozenset(best or ())


def refine(count: int, edges: Edges) -> list[list[int]]:
    """Elements in cells that no isomorphism can mix: colour refinement by the colours of prerequisites and dependants."""
    colour = [0] * count
    while True:
        signature = [
            (
                colour[v],
                tuple(sorted(colour[b] for a, b in edges if a == v)),
                tuple(sorted(colour[a] for a, b in edges if b == v)),
            )
            for v in range(count)
        ]
        ranks = {value: index for index, value in enumerate(sorted(set(signature)))}
        refined = [ranks[value] for value in signature]
        if len(ranks) == len(set(colour)):
            break
        colour = refined
    return [[v for v in range(count) if refined[v] == rank] for rank in range(len(ranks))]


def _respecting(cells: list[list[int]]) -> Iterator[tuple[int, ...]]:
    """All orders of the elements that keep the cells one after the other."""
    if not cells:
        yield ()
        return
    for head in permutations(cells[0]):
        for tail in _respecting(cells[1:]):
            yield head + tail


def _digraph(count: int, edges: Edges) -> nx.DiGraph[int]:
    import networkx as nx

    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(edges)
    return graph


def automorphisms(count: int, edges: Edges, colours: Sequence[object] | None = None) -> list[tuple[int, ...]]:
    """All permutations p (element -> element) that map the graph, and the colours, onto themselves; sorted, the identity first."""
    from networkx.algorithms.isomorphism import DiGraphMatcher

    graph = _digraph(count, edges)
    if colours is not None:
        for element, colour in enumerate(colours):
            graph.nodes[element]["colour"] = colour
    matcher = DiGraphMatcher(graph, graph, node_match=lambda a, b: a == b)
    return sorted(tuple(mapping[v] for v in range(count)) for mapping in matcher.isomorphisms_iter())


def closure(count: int, edges: Edges) -> Edges:
    """Transitive closure: (a, b) when a needs b directly or through others."""
    reach = [{b for a, b in edges if a == element} for element in range(count)]
    for between in range(count):
        for needed in reach:
            if between in needed:
                needed |= reach[between]
    return frozenset((a, b) for a in range(count) for b in reach[a])


def topological_order(count: int, edges: Edges) -> tuple[int, ...]:
    """Prerequisites first; ties, and the elements of a circle, by their number."""
    reach = closure(count, edges)
    before = [{b for a, b in reach if a == v and (b, v) not in reach} for v in range(count)]
    circles = [[u for u in range(count) if u == v or ((u, v) in reach and (v, u) in reach)] for v in range(count)]
    order: list[int] = []
    while len(order) < count:
        order += circles[next(v for v in range(count) if v not in order and before[v] <= set(order))]
    return tuple(order)


def is_acyclic(count: int, edges: Edges) -> bool:
    import networkx as nx

    return bool(nx.is_directed_acyclic_graph(_digraph(count, edges)))
