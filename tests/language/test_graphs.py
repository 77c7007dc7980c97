"""Dependency graphs: classes against the published numbers and against brute force, closure, order, automorphisms."""

from itertools import permutations, product

import pytest

from luocheck.model import graphs

ACYCLIC = [1, 2, 6, 31, 302, 5984]  # OEIS A003087, n = 1..6
DIGRAPHS = [1, 3, 16, 218]  # OEIS A000273, n = 1..4


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6])
def test_number_of_acyclic_classes(count):
    assert len(graphs.classes(count, True)) == ACYCLIC[count - 1]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_number_of_digraph_classes(count):
    assert len(graphs.classes(count, False)) == DIGRAPHS[count - 1]


def relabelled(count, edges):
    return {frozenset((p[a], p[b]) for a, b in edges) for p in permutations(range(count))}


@pytest.mark.parametrize(("count", "acyclic"), [(2, True), (3, True), (2, False), (3, False)])
def test_the_classes_cover_every_graph_once(count, acyclic):
    pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
    every = {frozenset(e for e, taken in zip(pairs, bits, strict=True) if taken) for bits in product([0, 1], repeat=len(pairs))}
    if acyclic:
        every = {edges for edges in every if graphs.is_acyclic(count, edges)}
    orbits = [relabelled(count, edges) for edges in graphs.classes(count, acyclic)]
    assert sum(len(orbit) for orbit in orbits) == len(every)
    assert set().union(*orbits) == every


def test_the_fewest_edges_come_first():
    sizes = [len(edges) for edges in graphs.classes(4, True)]
    assert sizes == sorted(sizes) and sizes[0] == 0 and sizes[-1] == 6


def test_too_many_elements_are_refused():
    with pytest.raises(ValueError, match="up to 6"):
        graphs.classes(7, True)
    with pytest.raises(ValueError, match="up to 4"):
        graphs.classes(5, False)


def test_no_elements():
    assert graphs.classes(0, True) == (frozenset(),)


@pytest.mark.parametrize("edges", [{(0, 1), (1, 2)}, {(0, 1), (1, 0)}, {(2, 0), (2, 1), (1, 0)}])
def test_isomorphic_graphs_have_one_canonical_form(edges):
    forms = {graphs.canonical(3, other) for other in relabelled(3, frozenset(edges))}
    assert len(forms) == 1


def test_closure_and_topological_order():
    chain = frozenset({(2, 1), (1, 0)})
    assert graphs.closure(3, chain) == {(2, 1), (1, 0), (2, 0)}
    assert graphs.topological_order(3, chain) == (0, 1, 2)
    assert graphs.topological_order(3, frozenset({(0, 1), (1, 2)})) == (2, 1, 0)  # prerequisites first
    assert graphs.topological_order(3, frozenset()) == (0, 1, 2)


def test_a_circle_stands_together_in_the_order():
    circle = frozenset({(0, 1), (1, 0), (0, 2)})  # both need 2 in the end
    assert graphs.topological_order(3, circle) == (2, 0, 1)
    assert graphs.closure(2, frozenset({(0, 1), (1, 0)})) == {(0, 1), (1, 0), (0, 0), (1, 1)}


def test_automorphisms_against_brute_force():
    for edges in graphs.classes(4, True):
        brute = sorted(p for p in permutations(range(4)) if frozenset((p[a], p[b]) for a, b in edges) == edges)
        assert graphs.automorphisms(4, edges) == brute


def test_automorphisms_keep_colours():
    assert graphs.automorphisms(3, frozenset(), ["a", "b", "a"]) == [(0, 1, 2), (2, 1, 0)]


def test_closure_and_order_of_every_small_graph():
    """As networkx has them, circles too."""
    import networkx as nx

    for count in range(4):
        pairs = [(a, b) for a in range(count) for b in range(count) if a != b]
        for bits in range(1 << len(pairs)):
            edges = frozenset(pair for i, pair in enumerate(pairs) if bits >> i & 1)
            graph = nx.DiGraph()
            graph.add_nodes_from(range(count))
            graph.add_edges_from(edges)
            assert graphs.closure(count, edges) == set(nx.transitive_closure(graph).edges())
            groups = nx.condensation(graph)
            members = {group: sorted(groups.nodes[group]["members"]) for group in groups}
            order = nx.lexicographical_topological_sort(groups.reverse(), key=lambda group: members[group][0])
            assert list(graphs.topological_order(count, edges)) == [v for group in order for v in members[group]]
