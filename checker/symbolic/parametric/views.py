"""What a few elements show of themselves: views, and clauses that are true of a set of them.

A view of a binding is the tuple of everything that can be said of the bound elements and the globals: the values of their fields, whether
a field that names an element names one of them, and the edges between them.  `Every view is among these` is the strongest universal
statement over that vocabulary (Pnueli, Ruah, Zuck, Automatic deductive verification with invisible invariants, 2001; Abdulla, Haziza,
Holik, All for the price of few, 2013).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import Protocol

from luocheck.model.ir.system import Graph
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Field, Sort, Value

NONE, OTHER = -1, -2
"""Values of a column whose field names an element: no element, one that is not bound; else the number of the variable that it is."""

View = tuple[int, ...]

SIMPLER = 0.25
"""One literal more has to make a clause so much less of a coincidence."""


class Snapshot(Protocol):
    """A concrete state."""

    def value(self, f: Field, owners: tuple[int, ...]) -> Value: ...

    def edge(self, graph: Graph, closure: bool, x: int, y: int) -> bool: ...


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that a view says: a field of some of its variables, an edge from one to another, or whether two fields have the same.

    same: `field` of the first variables names the element that this one names of the others (0: not, or none).
    """

    field: Field | None
    graph: Graph | None
    closure: bool
    variables: tuple[int, ...]
    domain: tuple[int, ...]
    same: Field | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields that it reads."""
        return tuple(f for f in (self.field, self.same) if f is not None)

    def of(self, snapshot: Snapshot, binding: Sequence[int], sorts: Sequence[Sort]) -> int:
        if self.graph is not None:
            return int(snapshot.edge(self.graph, self.closure, binding[self.variables[0]], binding[self.variables[1]]))
        assert self.field is not None
        owners = tuple(binding[v] for v in self.variables)
        if self.same is not None:
            first = len(self.field.owners)
            one, other = snapshot.value(self.field, owners[:first]), snapshot.value(self.same, owners[first:])
            return int(one is not None and one == other)
        value = snapshot.value(self.field, owners)
        type_ = self.field.type
        if not isinstance(type_, ElemT):
            return int(value)  # type: ignore[arg-type]
        if value is None:
            return NONE
        for number, (x, sort) in enumerate(zip(binding, sorts, strict=True)):
            if x == value and sort is type_.sort:
                return number
        return OTHER


@dataclass(frozen=True, slots=True)
class Template:
    """Variables, all different, and everything that a view says of them."""

    sorts: tuple[Sort, ...]
    columns: tuple[Column, ...]

    def bindings(self, sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
        for binding in product(*(range(sizes[sort.index]) for sort in self.sorts)):
            if self.different(binding):
                yield binding

    def different(self, binding: Sequence[int]) -> bool:
        pairs = combinations(range(len(binding)), 2)
        return all(self.sorts[i] is not self.sorts[j] or binding[i] != binding[j] for i, j in pairs)

    def view(self, snapshot: Snapshot, binding: Sequence[int]) -> View:
        return tuple(column.of(snapshot, binding, self.sorts) for column in self.columns)


def templates(fields: Sequence[Field], graphs: Sequence[Graph], largest: int = 2) -> list[Template]:
    """All templates of up to so many variables whose elements have something to do with each other, the small ones first."""
    sorts: list[Sort] = []
    for f in fields:
        for sort in (*f.owners, *([f.type.sort] if isinstance(f.type, ElemT) else [])):
            if isinstance(sort, Sort) and sort not in sorts:
                sorts.append(sort)
    sorts.sort(key=lambda sort: sort.index)
    found = [Template((), _columns((), fields, graphs))]
    for count in range(1, largest + 1):
        for chosen in product(sorts, repeat=count):
            if list(chosen) == sorted(chosen, key=lambda sort: sort.index):
                columns = _columns(chosen, fields, graphs)
                if count == 1 or _connected(chosen, columns, fields):
                    found.append(Template(chosen, columns))
    return found + _sharing(fields)


def _sharing(fields: Sequence[Field]) -> list[Template]:
    """Two owners of lists or sets, and an element that may be in both."""
    found: list[Template] = []
    for f in fields:
        match f.owners:
            case (Sort() as owner, Sort() as of) if owner is not of:
                about = [f, *(g for g in fields if not g.owners and not isinstance(g.type, ElemT))]
                sorts = (owner, owner, of) if owner.index < of.index else (of, owner, owner)
                found.append(Template(sorts, _columns(sorts, about, ())))
    return found


def _connected(sorts: tuple[Sort, ...], columns: tuple[Column, ...], fields: Sequence[Field]) -> bool:
    """Is there anything to say of these elements together?"""
    if sorts[0] is sorts[1]:
        return any(sort in f.owners for f in fields for sort in sorts[:1])
    return any(
        len(column.variables) > 1
        or (
            (column.field is not None and isinstance(column.field.type, ElemT) and bool(column.variables))
            and column.field.type.sort in sorts
            and column.field.type.sort is not sorts[column.variables[0]]
        )
        for column in columns
    )


def _columns(sorts: tuple[Sort, ...], fields: Sequence[Field], graphs: Sequence[Graph]) -> tuple[Column, ...]:
    found: list[Column] = []
    for f in fields:
        for variables in product(range(len(sorts)), repeat=len(f.owners)):
            if all(sorts[v] is owner for v, owner in zip(variables, f.owners, strict=True)):
                found.append(Column(f, None, False, variables, domain(f, sorts)))
    for f in fields:
        if isinstance(f.type, ElemT) and len(f.owners) == 1:
            for x, y in combinations(range(len(sorts)), 2):
                if sorts[x] is f.owners[0] and sorts[y] is f.owners[0]:
                    found.append(Column(f, None, False, (x, y), (0, 1), same=f))
    if len(sorts) == 2 and sorts[0] is sorts[1]:  # with an element of the other sort it is said already
        named = [f for f in fields if isinstance(f.type, ElemT) and f.type.sort not in sorts]
        for f, g in product(named, named):
            if f.type == g.type and f.owners == (sorts[0],) and not g.owners:
                found += [Column(f, None, False, (x,), (0, 1), same=g) for x in range(2)]
    for graph in graphs:
        for x, y in product(range(len(sorts)), repeat=2):
            if x != y and sorts[x] is graph.sort and sorts[y] is graph.sort:
                found.append(Column(None, graph, False, (x, y), (0, 1)))
                found.append(Column(None, graph, True, (x, y), (0, 1)))
    return tuple(found)


def domain(f: Field, sorts: Sequence[Sort]) -> tuple[int, ...]:
    """Values that a column of this field can have among variables of these sorts."""
    match f.type:
        case BoolT():
            return 0, 1
        case EnumT(enum):
            return tuple(range(len(enum.members)))
        case ElemT(sort):
            return (NONE, *(i for i, each in enumerate(sorts) if each is sort), OTHER)
    raise AssertionError(f.type)


# ---- clauses ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clause:
    """Of no elements (all different) do all of these columns have one of these values."""

    template: Template
    literals: tuple[tuple[Column, frozenset[int]], ...]

    def allows(self, view: View) -> bool:
        columns = self.template.columns
        return not all(view[columns.index(column)] in values for column, values in self.literals)


class Known:
    """The views of one template that were seen, so that it is quick to ask which of them agree with some values."""

    def __init__(self, template: Template) -> None:
        self.template = template
        self.places = {column: i for i, column in enumerate(template.columns)}
        self.sampled = False  # there are reachable states of the scopes that were explored whose views are not here
        self.views: dict[View, int] = {}
        self.masks: list[dict[int, int]] = [{value: 0 for value in column.domain} for column in template.columns]

    def add(self, view: View) -> bool:
        if view in self.views:
            return False
        bit = 1 << len(self.views)
        self.views[view] = len(self.views)
        for mask, value in zip(self.masks, view, strict=True):
            mask[value] |= bit
        return True

    def agree(self, clause: Clause) -> bool:
        """Is a clause over this template true of all known views?"""
        left = -1
        for column, values in clause.literals:
            mask = self.masks[self.places[column]]
            left &= sum(mask[value] for value in values)  # a view has one value, so these have no bit in common
        return not left if clause.literals else not self.views

    def clause(self, view: View) -> Clause | None:
        """A clause that is true of all known views and false of this one, with as few literals and as many values as possible."""
        columns = range(len(view))
        masks = [self.masks[i][view[i]] for i in columns]
        chosen = self._fewest(masks)
        if chosen is None:
            return None
        literals: list[tuple[Column, frozenset[int]]] = []
        kept: dict[int, int] = {i: masks[i] for i in chosen}
        for i in chosen:
            others = -1
            for j, mask in kept.items():
                if j != i:
                    others &= mask
            values = {view[i]}
            union = masks[i]
            for value, mask in self.masks[i].items():
                if value not in values and not others & mask:
                    values.add(value)
                    union |= mask
            kept[i] = union
            if len(values) < len(self.masks[i]):
                literals.append((self.template.columns[i], frozenset(values)))
        return Clause(self.template, tuple(literals))

    def rank(self, clause: Clause) -> tuple[float, ...]:
        """The less, the rather it is true of all reachable states.

        Where all of some scopes were seen: few literals, few elements, few values.  Where only some states were, a clause may be true of
        them because what its literals say is rare.  So it counts how many views would break it if these had nothing to do with each other.
        """
        if not self.sampled:
            width = sum(len(column.domain) - len(values) for column, values in clause.literals)
            return len(clause.literals), len(clause.template.sorts), width
        count = len(self.views)
        expected = float(count)
        for column, values in clause.literals:
            mask = self.masks[self.places[column]]
            seen = sum(mask[value].bit_count() for value in values)
            expected *= SIMPLER * (seen / count if seen else len(values) / len(mask))
        return (-expected,)

    def _fewest(self, masks: Sequence[int]) -> tuple[int, ...] | None:
        every = (1 << len(self.views)) - 1
        together = every
        for mask in masks:
            together &= mask
        if together:
            return None
        narrow = [i for i in range(len(masks)) if masks[i] != every]
        for i in narrow:
            if not masks[i]:
                return (i,)
        counts = [mask.bit_count() if self.sampled else 1 for mask in masks]
        for count in (2, 3):
            best: tuple[int, tuple[int, ...]] | None = None
            for chosen in combinations(narrow, count):
                left = every
                for i in chosen:
                    left &= masks[i]
                if not left:
                    often = prod(counts[i] for i in chosen)
                    if best is None or often > best[0]:
                        best = often, chosen
            if best is not None:
                return best[1]
        kept = list(narrow)
        for i in sorted(narrow, key=lambda i: -masks[i].bit_count()):
            left = every
            for j in kept:
                if j != i:
                    left &= masks[j]
            if not left:
                kept.remove(i)
        return tuple(kept)
