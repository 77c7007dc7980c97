"""Names and tokens that the recording does not show: each is *some* element, and which one is asked when it is compared.

An `Unknown` stands for an element of its sort.  Two of them, or one and an element that the recording names, may turn out to be the same
(all of one is then the other) or to differ, which is kept.  A state with unknowns stands for every state in which they are elements that
differ where that is kept.  (Marked nulls: Imielinski and Lipski, "Incomplete information in relational databases", JACM 1984.)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from luocheck.model.abi import DEVICE
from luocheck.model.instances import Cell
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import System
from luocheck.model.ir.vocabulary import ElemT, SeqT, SetT, Sort
from luocheck.traces.replay.cells import APART, SAME

if TYPE_CHECKING:
    from luocheck.traces.replay.open_elements import OpenElements

_BITS = 32


class Unknown(int):
    """An element that is not known.  Its number, which no element has, tells its sort."""

    __slots__ = ()

    @classmethod
    def of(cls, sort: int, position: int) -> Unknown:
        """position: among the unknowns of the sort (its index) in one state."""
        return cls(((sort + 1) << _BITS) + position)

    @property
    def sort(self) -> int:
        return (self >> _BITS) - 1


@cache
def comparable_sorts(system: System) -> frozenset[int]:
    """Sorts (their indices) of which nothing is ever asked but whether two elements are the same, so that they can be unknown.

    They have no fields, nothing runs over them and nothing collects them; no descriptor stands for them.
    """
    asked: set[Sort] = {sort for sort in system.sorts if sort.pool or sort.ordered or sort.caller}
    for f in system.fields:
        asked |= {owner for owner in f.owners if isinstance(owner, Sort)}
        if isinstance(f.type, SetT | SeqT):
            asked.add(f.type.sort)
    asked |= {graph.sort for graph in system.graphs}
    named = {target for handle in system.abi.handles if DEVICE in handle.targets for target in handle.targets}
    asked |= {sort for sort in system.sorts if sort.name in named}
    found = [stmt for _, body in system.bodies() for stmt in st.statements(body)]
    for stmt in found:
        match stmt:
            case st.Choose(sort=sort) | st.Forall(sort=sort) | st.New(sort=sort):
                asked.add(sort)
            case st.Walk(binders=binders):
                asked |= {st.sort_walked(binder) for binder in binders}
    expressions = [expr for stmt in found for expr in st.expressions(stmt)]
    expressions += [expr for claim in system.properties for expr in (claim.condition, claim.goal) if expr is not None]
    for part in (part for expr in expressions for part in e.walk(expr)):
        asked |= set(_asked_by(part))
    return frozenset(sort.index for sort in system.sorts if sort not in asked)


def _asked_by(part: e.Expr) -> Iterator[Sort]:
    """Sorts of whose elements an expression asks more than whether they are the same."""
    match part:
        case e.Quantifier(domain=Sort() as sort):
            yield sort
        case e.Contains(item=item):
            yield from _sorts(item)
        case e.Literal(items=items):
            yield from (sort for item in items for sort in _sorts(item))
        case e.Compare(operator=operator, left=left, right=right) if operator not in ("==", "!="):
            yield from (*_sorts(left), *_sorts(right))


def _sorts(expr: e.Expr) -> Iterator[Sort]:
    if isinstance(expr.type, ElemT):
        yield expr.type.sort


# ---- what a state keeps about them --------------------------------------------------------------------------------


def resolved(store: OpenElements, x: Any) -> Any:
    """What a value turned out to be."""
    while type(x) is Unknown and (SAME, x) in store:
        x = store[SAME, x]
    return x


def is_apart(store: OpenElements, a: Any, b: Any) -> bool:
    return frozenset((a, b)) in store.get((APART,), ())


def set_apart(store: OpenElements, a: Any, b: Any) -> None:
    """Two values differ; nothing to keep where none of them is unknown."""
    if type(a) is Unknown or type(b) is Unknown:
        store[APART,] = store.get((APART,), frozenset()) | {frozenset((a, b))}


class Final(NamedTuple):
    """What becomes of the unknown elements of a state.

    numbers: by sort, the new number of each that a field holds, or the element that it turned out to be.  The others are not in it: they
    can always be something that differs from all that they must differ from, so they say nothing.  held: the cells of these fields.
    """

    numbers: dict[int, dict[int, int]]
    held: dict[Cell, Any]


def final_numbers(store: OpenElements) -> Final:
    """At the end of a call: unknown elements are numbered in the order of the cells that hold them."""
    fields = store.world.comparable_fields
    numbers: dict[int, dict[int, int]] = {sort: {} for sort in store.world.comparable}
    held: dict[Cell, Any] = {}
    counts: Counter[int] = Counter()
    for cell in sorted(cell for cell, value in store.items() if cell[0] in fields and type(value) is Unknown):
        x = held[cell] = resolved(store, store[cell])
        if type(x) is Unknown:
            known = numbers[x.sort]
            if x not in known:
                known[x] = Unknown.of(x.sort, counts[x.sort])
                counts[x.sort] += 1
            held[cell] = known[x]
    for cell in [cell for cell in store if cell[0] == SAME]:
        unknown = Unknown(cell[1])
        if unknown.sort in numbers:  # else it was chosen, which is over
            x, known = resolved(store, unknown), numbers[unknown.sort]
            if type(x) is not Unknown or x in known:
                known[unknown] = known.get(x, x)
    return Final(numbers, held)
