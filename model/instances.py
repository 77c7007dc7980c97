"""Starting points of an exploration: a scope's sizes, a dependency graph, a value for every `fixed ... = any`.

None of these ever changes in a run, so an engine may treat them as data.  Interchangeable ones are enumerated once: one graph of each
isomorphism class, and of the fixed choices one of each orbit of the graph's automorphisms and the permutations of symmetric sorts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations, product

from luocheck.model import graphs
from luocheck.model.diagnostics import fail
from luocheck.model.graphs import Edges
from luocheck.model.ir.system import Graph, Scope, System, Topology
from luocheck.model.ir.vocabulary import (
    BoolT,
    CountT,
    ElemT,
    EnumDef,
    EnumT,
    Field,
    Lifetime,
    Owner,
    SeqT,
    SetT,
    Sort,
    SortEdge,
    Type,
    Value,
)

Cell = tuple[int, ...]
"""Key of a cell of the state: the index of its field, then the elements (or enum positions) that it belongs to."""

MAX_CHOICES = 1_000_000
"""Most combinations of fixed choices that are looked at, before symmetry, for one graph."""


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """One starting point.

    sizes[sort.index] counts elements; edges/closure/order are by graph index; fixed has the cells of drawn fixed fields that differ
    from their default; names[sort.index] are the elements' names for reports.
    """

    system: System
    scope: Scope
    topology: Topology | None
    sizes: tuple[int, ...]
    edges: tuple[Edges, ...]
    fixed: dict[Cell, Value]
    names: tuple[tuple[str, ...], ...]
    defaults: tuple[Value, ...]
    closure: tuple[Edges, ...] = field(default=())
    order: tuple[tuple[int, ...], ...] = field(default=())

    def name(self, sort: Sort, element: int | None) -> str:
        if element is None:
            return "none"
        names = self.names[sort.index]
        return names[element] if element < len(names) else f"{default_name(sort)}{element}"

    def domain(self, owner: Owner) -> range:
        """Positions of an enum, elements of a sort (for a pool: also the dead ones)."""
        return range(self.sizes[owner.index] if isinstance(owner, Sort) else len(owner.members))


def default_name(sort: Sort) -> str:
    return sort.name[0].lower() + sort.name[1:]


def values_of(type_: Type, sizes: tuple[int, ...]) -> list[Value]:
    """Every value of a field's type in a scope, the default first."""
    match type_:
        case BoolT():
            return [False, True]
        case CountT(limit):
            return list(range(limit + 1))
        case EnumT(enum):
            return list(range(len(enum.members)))
        case ElemT(sort, is_optional):
            elements: list[Value] = list(range(sizes[sort.index]))
            return [None, *elements] if is_optional else elements
        case SetT(sort):
            size = sizes[sort.index]
            return [frozenset(e for e in range(size) if bits >> e & 1) for bits in range(1 << size)]
    raise AssertionError(type_)


def cells_of(field_: Field, sizes: tuple[int, ...]) -> list[Cell]:
    """All cells of a field in a scope."""
    ranges = [range(sizes[o.index]) if isinstance(o, Sort) else range(len(o.members)) for o in field_.owners]
    return [(field_.index, *owners) for owners in product(*ranges)]


def default_of(field_: Field, sizes: tuple[int, ...]) -> Value:
    """The value that a cell has when nothing was written; what the sparse state leaves out."""
    if isinstance(field_.initial, SortEdge):
        size = sizes[field_.initial.sort.index]
        if size == 0:
            return None
        return size - 1 if field_.initial.last else 0
    return field_.initial


def instances(system: System, scope: Scope, topology: Topology | None = None, *, symmetry: bool = True) -> Iterator[Instance]:
    """All starting points of a scope, in a fixed order.

    With `symmetry` False, isomorphic ones are given too.  Raises SpecError LUO606 when there are too many to enumerate.
    """
    sizes = tuple(
        len(topology.elements) if topology is not None and topology.sort == sort.name else scope.size(sort.name)
        for sort in system.sorts
    )
    named = topology.sort if topology is not None else None
    for edges in _all_graphs(system, scope, topology, sizes, symmetry):
        yield from _with_choices(system, scope, topology, sizes, edges, named, symmetry)


def _all_graphs(
    system: System, scope: Scope, topology: Topology | None, sizes: tuple[int, ...], symmetry: bool
) -> Iterator[tuple[Edges, ...]]:
    options: list[tuple[Edges, ...]] = []
    for graph in system.graphs:
        count = sizes[graph.sort.index]
        if topology is not None and topology.graph == graph.name:
            options.append((frozenset(topology.edges),))
            continue
        limit = graphs.MAX_ACYCLIC if graph.acyclic else graphs.MAX_CYCLIC
        if count > limit:
            fail(
                "LUO606",
                f"the graphs on {count} elements of `{graph.sort.name}` are too many to enumerate (at most {limit} elements)",
                scope.span,
                help="use a smaller scope, or fix the graph with a topology",
            )
        found = graphs.classes(count, graph.acyclic)
        options.append(found if symmetry and graph.sort.symmetric else _labelled(count, found))
    yield from product(*options)


def _labelled(count: int, found: tuple[Edges, ...]) -> tuple[Edges, ...]:
    every = {frozenset((order[a], order[b]) for a, b in edges) for edges in found for order in permutations(range(count))}
    return tuple(sorted(every, key=lambda edges: (len(edges), sorted(edges))))


def _with_choices(
    system: System,
    scope: Scope,
    topology: Topology | None,
    sizes: tuple[int, ...],
    edges: tuple[Edges, ...],
    named: str | None,
    symmetry: bool,
) -> Iterator[Instance]:
    drawn = [f for f in system.fields if f.lifetime is Lifetime.FIXED and f.drawn]
    given = _kinds(system, topology)
    cells = [cell for f in drawn for cell in cells_of(f, sizes) if cell not in given]
    options = [values_of(system.fields[cell[0]].type, sizes) for cell in cells]
    total = 1
    for values in options:
        total *= len(values)
    if total > MAX_CHOICES:
        fail(
            "LUO606",
            f"there are {total:,} combinations of the fixed choices in scope `{scope.name}`, more than can be enumerated",
            scope.span,
            help="use a smaller scope",
        )
    group = _group(system, sizes, edges, drawn, named) if symmetry else []
    defaults = tuple(default_of(f, sizes) for f in system.fields)
    names = tuple(_names(sort, sizes[sort.index], topology) for sort in system.sorts)
    closures = tuple(graphs.closure(sizes[g.sort.index], edges[g.index]) for g in system.graphs)
    orders = tuple(graphs.topological_order(sizes[g.sort.index], edges[g.index]) for g in system.graphs)
    position = {cell: index for index, cell in enumerate(cells)}
    for choice in product(*options):
        if group and not _is_least(choice, cells, position, options, group, system):
            continue
        fixed = {**given, **dict(zip(cells, choice, strict=True))}
        kept = {cell: value for cell, value in fixed.items() if value != defaults[cell[0]]}
        instance = Instance(system, scope, topology, sizes, edges, kept, names, defaults, closures, orders)
        if all(edges_allowed(graph, instance) for graph in system.graphs):
            yield instance


def _kinds(system: System, topology: Topology | None) -> dict[Cell, Value]:
    """Cells of the kind field that a topology sets."""
    if topology is None or topology.kind_field is None:
        return {}
    kind = next(f for f in system.fields if f.name == topology.kind_field and f.lifetime is Lifetime.FIXED)
    assert isinstance(kind.type, EnumT)
    members = kind.type.enum.members
    return {(kind.index, e): members.index(name) for e, (_, name) in enumerate(topology.elements) if name is not None}


def _names(sort: Sort, size: int, topology: Topology | None) -> tuple[str, ...]:
    if topology is not None and topology.sort == sort.name:
        return tuple(name for name, _ in topology.elements)
    return tuple(f"{default_name(sort)}{element}" for element in range(size))


def edges_allowed(graph: Graph, instance: Instance) -> bool:
    """Do all edges make sense, given the fixed choices?"""
    if graph.where is None:
        return True
    from luocheck.model.semantics.expressions import evaluator
    from luocheck.model.semantics.store import Store

    store, allowed = Store(instance, instance.fixed), evaluator(graph.where, instance)
    return all(allowed(store, {1: a, 2: b}, None) for a, b in instance.edges[graph.index])


# ---- orbits -----------------------------------------------------------------------------------------------------

Permutations = tuple[tuple[int, ...], ...]
"""One permutation for each sort, by index."""


def _group(
    system: System, sizes: tuple[int, ...], edges: tuple[Edges, ...], drawn: list[Field], named: str | None
) -> list[Permutations]:
    """The permutations of symmetric sorts under which the choices of drawn fields can be exchanged; without the identity."""
    touched: set[str] = set()
    for f in drawn:
        touched |= {o.name for o in f.owners if isinstance(o, Sort)}
        if isinstance(f.type, ElemT | SetT):
            touched.add(f.type.sort.name)
    per_sort: list[list[tuple[int, ...]]] = []
    for sort in system.sorts:
        count = sizes[sort.index]
        graph = next((g for g in system.graphs if g.sort is sort), None)
        if not sort.symmetric or sort.name not in touched or sort.name == named:
            per_sort.append([tuple(range(count))])
        elif graph is not None:
            per_sort.append(graphs.automorphisms(count, edges[graph.index]))
        else:
            per_sort.append(list(permutations(range(count))))
    return list(product(*per_sort))[1:]


def _is_least(
    choice: tuple[Value, ...],
    cells: list[Cell],
    position: dict[Cell, int],
    options: list[list[Value]],
    group: list[Permutations],
    system: System,
) -> bool:
    """Is this combination the first of its orbit?"""
    ranks = [options[i].index(value) for i, value in enumerate(choice)]
    for permutation in group:
        moved = [0] * len(cells)
        for index, cell in enumerate(cells):
            field_ = system.fields[cell[0]]
            target = (cell[0], *moved_owners(field_.owners, cell[1:], permutation))
            there = position.get(target)
            if there is None:  # a kind that a topology gave: that sort is not permuted
                break
            moved[there] = options[there].index(moved_value(field_.type, choice[index], permutation))
        else:
            if moved < ranks:
                return False
    return True


def moved_owners(owners: tuple[Owner, ...], elements: tuple[int, ...], permutation: Permutations) -> tuple[int, ...]:
    """The owners of the cell that takes the place of another."""
    return tuple(
        element if isinstance(owner, EnumDef) else permutation[owner.index][element]
        for owner, element in zip(owners, elements, strict=True)
    )


def moved_value(type_: Type, value: Value, permutation: Permutations) -> Value:
    """A value in which each element is replaced by the one that takes its place; None stays."""
    if value is None:
        return None
    match type_:
        case ElemT(sort):
            return permutation[sort.index][value]  # type: ignore[index]
        case SetT(sort):
            assert isinstance(value, frozenset)
            return frozenset(permutation[sort.index][each] for each in value)
        case SeqT(sort):
            assert isinstance(value, tuple)
            return tuple(permutation[sort.index][each] for each in value)
    return value
