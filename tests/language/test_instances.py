"""Starting points of an exploration: scopes, graphs, fixed choices, one of each orbit."""

from itertools import permutations, product

import pytest

from luocheck.model.diagnostics import SpecError
from luocheck.model.instances import cells_of, instances
from luocheck.model.source import Source
from luocheck.model.spec import load_source

HEAD = "sort F symmetric; sort H symmetric; scope s { F = 3, H = 2 } scope two { F = 2, H = 1 }\n"


def points(text, scope="s", topology=None, **options):
    system = load_source(Source("t.luo", "spec t;\n" + text)).system
    shape = next(t for t in system.topologies if t.name == topology) if topology else None
    return list(instances(system, next(s for s in system.scopes if s.name == scope), shape, **options))


def moved(instance, system, permutation):
    """The fixed choices and the edges of an instance with its elements renamed."""
    cells = {}
    for cell in [cell for f in system.fields for cell in cells_of(f, instance.sizes)]:
        index, *owners = cell
        f = system.fields[index]
        value = instance.fixed.get(cell, instance.defaults[index])
        names = [permutation[o.name][x] if o.name in permutation else x for o, x in zip(f.owners, owners, strict=True)]
        sort = getattr(f.type, "sort", None)
        if sort is not None and sort.name in permutation:
            rename = permutation[sort.name]
            value = (
                frozenset(rename[x] for x in value) if isinstance(value, frozenset) else None if value is None else rename[value]
            )
        cells[(index, *names)] = value
    graph = system.graphs[0].sort.name if system.graphs else None
    edges = frozenset((permutation[graph][a], permutation[graph][b]) for a, b in instance.edges[0]) if graph else frozenset()
    return frozenset(cells.items()), edges


def orbits(every):
    """Number of classes of all instances under all permutations of F and H: the oracle."""
    system = every[0].system
    sizes = {sort.name: every[0].sizes[sort.index] for sort in system.sorts}
    group = [dict(zip(sizes, ps, strict=True)) for ps in product(*(list(permutations(range(n))) for n in sizes.values()))]
    keys = {moved(i, system, {name: tuple(range(n)) for name, n in sizes.items()}) for i in every}
    assert len(keys) == len(every)
    classes = {min((moved(i, system, g) for g in group), key=lambda m: (sorted(m[1]), sorted(map(repr, m[0])))) for i in every}
    return len(classes)


CHOICES = {
    "a bool": "per F { fixed a: bool = any; }",
    "two bools": "per F { fixed a: bool = any; fixed b: bool = any; }",
    "an element": "per F { fixed h: H? = any; }",
    "an element and its bool": "per F { fixed h: H = any; } per H { fixed good: bool = any; }",
    "a set": "per F { fixed uses: set H = any; }",
    "a pair": "per F, H { fixed r: bool = any; }",
    "a graph": "graph needs on F acyclic;",
    "a graph and a bool": "graph needs on F acyclic; per F { fixed a: bool = any; }",
    "any graph and a bool": "graph needs on F; per F { fixed a: bool = any; }",
    "a graph and an element": "graph needs on F acyclic; per F { fixed h: H? = any; }",
    "another element of the sort": "per F { fixed peer: F? = any; }",
    "a global element": "fixed var chief: F? = any; per F { fixed a: bool = any; }",
    "a graph and another element": "graph needs on F acyclic; per F { fixed peer: F? = any; }",
}


@pytest.mark.parametrize("what", CHOICES)
@pytest.mark.parametrize("scope", ["s", "two"])
def test_one_of_each_orbit(what, scope):
    text = HEAD + CHOICES[what]
    every = points(text, scope, symmetry=False)
    assert len(points(text, scope)) == orbits(every)


def test_hand_counts():
    assert len(points(HEAD + CHOICES["a bool"])) == 4  # how many of three
    assert len(points(HEAD + CHOICES["a bool"], symmetry=False)) == 8
    assert len(points(HEAD + CHOICES["a graph"])) == 6
    assert len(points(HEAD + CHOICES["a graph"], symmetry=False)) == 25  # labelled acyclic graphs on 3, OEIS A003024
    assert len(points(HEAD + "per F { fixed h: H? = any; }")) == 6  # three files on two handlers or none: partitions


def test_elements_of_a_sort_that_is_not_symmetric_are_told_apart():
    text = HEAD.replace("sort F symmetric", "sort F ordered") + "per F { fixed a: bool = any; }"
    assert len(points(text)) == 8
    assert len(points(text.replace("per F", "graph needs on F acyclic; per F"), "two")) == 3 * 4


WHERE = """
enum Kind { VM, GMEM, VCPU }
sort F symmetric; sort H symmetric; scope s { F = 2, H = 1 }
graph needs on F where edge(x, y): x.kind == GMEM and y.kind == VM or x.kind == VCPU and y.kind == VM;
per F { fixed kind: Kind = any; }
"""


def test_where_says_which_edges_make_sense():
    found = points(WHERE)
    # no edge: 6 pairs of kinds; one edge: (GMEM, VM) and (VCPU, VM)
    assert [len(i.edges[0]) for i in found].count(0) == 6 and len(found) == 8


def test_a_where_may_read_fixed_fields_only():
    with pytest.raises(SpecError) as error:
        points(WHERE.replace("fixed kind: Kind = any", "volatile kind: Kind"))
    assert {d.code for d in error.value.diagnostics} == {"LUO202"}


def test_a_topology_names_elements_and_fixes_graph_and_kinds():
    text = WHERE + "topology guest { vm: VM; gmem: GMEM; cpu: VCPU; gmem -> vm; cpu -> vm; } topology plain { a: F; b: F; b -> a; }"
    (guest,) = points(text, topology="guest")
    assert guest.sizes == (3, 1) and guest.names[0] == ("vm", "gmem", "cpu") and guest.edges[0] == {(1, 0), (2, 0)}
    plain = points(text, topology="plain")  # the kinds stay free, as far as the edge makes sense
    assert len(plain) == 2


def test_a_topology_whose_edge_makes_no_sense_has_no_starting_point():
    assert points(WHERE + "topology wrong { a: VM; b: VM; a -> b; }", topology="wrong") == []


@pytest.mark.parametrize(
    "body",
    ["a: Nothing;", "a: VM; a: VM;", "a: VM; b -> a;", "a: VM; a -> a;", "a: F; h: H;"],
)
def test_mistaken_topologies(body):
    with pytest.raises(SpecError) as error:
        points(WHERE + f"topology t {{ {body} }}")
    assert {d.code for d in error.value.diagnostics if d.severity.value == "error"} == {"LUO220"}


def test_a_circle_in_an_acyclic_graph():
    text = HEAD + "graph needs on F acyclic; topology t { a: F; b: F; a -> b; b -> a; }"
    with pytest.raises(SpecError) as error:
        points(text)
    assert [d.code for d in error.value.diagnostics] == ["LUO220"]


def test_too_many_choices_are_an_error_not_a_hang():
    text = "sort F symmetric; scope s { F = 20 } per F { fixed a: bool = any; fixed b: bool = any; }"
    with pytest.raises(SpecError) as error:
        points(text)
    assert [d.code for d in error.value.diagnostics] == ["LUO606"]


def test_too_many_graphs_are_an_error():
    with pytest.raises(SpecError) as error:
        points("sort F symmetric; graph needs on F; scope s { F = 5 }")
    assert [d.code for d in error.value.diagnostics] == ["LUO606"]


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        ("scope x { F = 1 }", "LUO219"),
        ("scope x { F = 1, H = 33 }", "LUO219"),
        ("scope x { F = 1, H = 1, F = 2 }", "LUO219"),
        ("scope x { F = 1, H = 1, G = 1 }", "LUO200"),
    ],
)
def test_mistaken_scopes(scope, code):
    with pytest.raises(SpecError) as error:
        points(HEAD + scope)
    assert [d.code for d in error.value.diagnostics] == [code]


def test_an_empty_sort():
    assert len(points("sort F symmetric; scope s { F = 0 } per F { fixed a: bool = any; }")) == 1
    assert points("sort F symmetric; scope s { F = 0 } fixed var chief: F = any;") == []


def test_symmetry_does_not_change_verdicts_and_only_divides_states(language):
    text = HEAD + (
        "graph needs on F acyclic; per F { fixed good: bool = any; volatile saved: bool = false; }"
        "env SAVE(f: F) { fail EIO when not f.good; fail ENOENT when some g: F | needs(f, g) and not g.saved; f.saved = true; }"
        "invariant closed: all f: F, g: F | f.saved and needs+(f, g) => g.saved; reachable all_: all f: F | f.saved; reachable two_: some f: F, g: F | needs(f, g) and f.saved;"
        "invariant none_saved: no f: F | f.saved;"
    )
    some, every = language.explore(text), language.explore(text, symmetry=False)
    assert some.exploration.instances < every.exploration.instances
    for claim in ("closed", "all_", "two_", "none_saved"):
        assert some.verdict(claim).text.split(",")[0] == every.verdict(claim).text.split(",")[0]
