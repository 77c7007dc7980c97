"""What elements and values are to the solver: a few named elements, or uninterpreted sorts of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from typing import Any

import z3

from luocheck.model.ir.system import Graph, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Field, Sort, Type

Term = Any
"""A z3 term: a Bool, a member of an enum, or an element."""


@dataclass(frozen=True, slots=True)
class Maybe:
    """An element or none.  `element` says nothing when it is not there."""

    there: Term
    element: Term


Meaning = Any
"""A Term, or a Maybe for values that may be none."""

Reader = Callable[[Sequence[Term]], Meaning]
"""A field of a state: its value for elements."""


@contextmanager
def fresh_terms() -> Iterator[None]:
    """Terms are numbered anew in here: what z3 answers, and how fast, depends on the numbers.  None may be kept from before."""
    before = z3.z3._main_ctx
    z3.z3._main_ctx = None
    try:
        yield
    finally:
        z3.z3._main_ctx = before


class World:
    """How a system's vocabulary is declared to the solver.  `axioms` hold in every state."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.axioms: list[Term] = []
        self.edges: dict[tuple[int, bool], Reader] = {}

    # ---- to be said by each kind of world ------------------------------------------------------------------------

    def member(self, type_: EnumT, position: int) -> Term:
        raise NotImplementedError

    def constant(self, sort: Sort, name: str) -> Term:
        """A new element that may be any."""
        raise NotImplementedError

    def nobody(self, sort: Sort) -> Term:
        """The element of a Maybe that is not there."""
        raise NotImplementedError

    def quantified(self, sort: Sort, kind: str, body: Callable[[Term], Term]) -> Term:
        """`all` or `some` element."""
        raise NotImplementedError

    def function(self, name: str, owners: Sequence[Sort], type_: Type) -> Reader:
        """A new field of which nothing is known."""
        raise NotImplementedError

    # ---- common -------------------------------------------------------------------------------------------------

    def declare(self, f: Field, prefix: str = "") -> Reader:
        """A field in a state of which nothing is known."""
        owners = [owner for owner in f.owners if isinstance(owner, Sort)]
        name = prefix + ".".join([*(owner.name for owner in owners), f.name])
        if isinstance(f.type, ElemT) and f.type.optional:
            there = self.function(f"{name}?", owners, BoolT())
            element = self.function(name, owners, ElemT(f.type.sort))
            return lambda x: Maybe(there(x), element(x))
        return self.function(name, owners, f.type)

    def graph(self, graph: Graph, closure: bool) -> Reader:
        """`needs` or `needs+`.  The closure is only known to be transitive, to contain the graph and, without circles, to be irreflexive."""
        if (graph.index, False) not in self.edges:
            sort = graph.sort
            edge = self.function(graph.name, [sort, sort], BoolT())
            path = self.function(f"{graph.name}+", [sort, sort], BoolT())
            self.edges[graph.index, False], self.edges[graph.index, True] = edge, path
            self.axioms.append(self._all(sort, 2, lambda x, y: z3.Implies(edge((x, y)), path((x, y)))))
            self.axioms.append(self._all(sort, 3, lambda x, y, z: z3.Implies(z3.And(path((x, y)), path((y, z))), path((x, z)))))
            round_ = path if graph.acyclic else edge  # nothing needs itself directly, and in a graph without circles not at all
            self.axioms.append(self._all(sort, 1, lambda x: z3.Not(round_((x, x)))))
        return self.edges[graph.index, closure]

    def ends(self, graph: Graph, x: Term) -> list[Term]:
        """Where a path leaves an element so does an edge, and where one comes to it.

        Said of all elements it would need another element for each, without end: whoever asks says of which it is said.
        """
        edge, path = self.graph(graph, False), self.graph(graph, True)

        def end(pair: Callable[[Term], tuple[Term, Term]]) -> Term:
            return self.quantified(
                graph.sort,
                "some",
                lambda z: self.quantified(graph.sort, "all", lambda y: z3.Implies(path(pair(y)), edge(pair(z)))),
            )

        return [end(lambda y: (x, y)), end(lambda y: (y, x))]

    def _all(self, sort: Sort, count: int, body: Callable[..., Term]) -> Term:
        if count == 0:
            return body()
        return self.quantified(sort, "all", lambda x: self._all(sort, count - 1, lambda *rest: body(x, *rest)))


class Named(World):
    """Finitely many elements with names; everything is propositional."""

    def __init__(self, system: System, sizes: Sequence[int]) -> None:
        super().__init__(system)
        self.sizes = tuple(sizes)
        self.cells: dict[tuple[str, tuple[int, ...]], Term] = {}
        self.ranges: list[Term] = []
        self._count = 0

    def _bits(self, sort: Sort) -> int:
        return max(1, (self.sizes[sort.index] - 1).bit_length())

    def elements(self, sort: Sort) -> list[Term]:
        return [z3.BitVecVal(x, self._bits(sort)) for x in range(self.sizes[sort.index])]

    def member(self, type_: EnumT, position: int) -> Term:
        return z3.BitVecVal(position, _bits(len(type_.enum.members)))

    def constant(self, sort: Sort, name: str) -> Term:
        self._count += 1
        return self._element(f"{name}#{self._count}", sort)

    def _element(self, name: str, sort: Sort) -> Term:
        made = z3.BitVec(name, self._bits(sort))
        if self.sizes[sort.index] < 1 << self._bits(sort):
            self.ranges.append(z3.ULT(made, self.sizes[sort.index]))
        return made

    def nobody(self, sort: Sort) -> Term:
        return z3.BitVecVal(0, self._bits(sort))

    def quantified(self, sort: Sort, kind: str, body: Callable[[Term], Term]) -> Term:
        parts = [body(x) for x in self.elements(sort)]
        return conjunction(parts) if kind == "all" else disjunction(parts)

    def function(self, name: str, owners: Sequence[Sort], type_: Type) -> Reader:
        table: dict[tuple[int, ...], Term] = {}
        for place in product(*(range(self.sizes[owner.index]) for owner in owners)):
            table[place] = self._cell(f"{name}{list(place)}", type_)
            self.cells[name, place] = table[place]
        return lambda x: _looked_up(table, list(x))

    def _cell(self, name: str, type_: Type) -> Term:
        match type_:
            case BoolT():
                return z3.Bool(name)
            case EnumT(enum):
                made = z3.BitVec(name, _bits(len(enum.members)))
                if len(enum.members) < 1 << _bits(len(enum.members)):
                    self.ranges.append(z3.ULT(made, len(enum.members)))
                return made
            case ElemT(sort):
                return self._element(name, sort)
        raise AssertionError(type_)


class Uninterpreted(World):
    """Sorts of any size.  Formulas have quantifiers."""

    def __init__(self, system: System) -> None:
        super().__init__(system)
        self.sorts = {sort.index: z3.DeclareSort(sort.name) for sort in system.sorts}
        self.enums: dict[int, tuple[Any, list[Term]]] = {}
        self._count = 0

    def member(self, type_: EnumT, position: int) -> Term:
        return self._enum(type_)[1][position]

    def _enum(self, type_: EnumT) -> tuple[Any, list[Term]]:
        enum = type_.enum
        if enum.index not in self.enums:
            self.enums[enum.index] = z3.EnumSort(enum.name, [f"{enum.name}.{member}" for member in enum.members])
        return self.enums[enum.index]

    def constant(self, sort: Sort, name: str) -> Term:
        self._count += 1
        return z3.Const(f"{name}#{self._count}", self.sorts[sort.index])

    def nobody(self, sort: Sort) -> Term:
        return z3.Const(f"nobody.{sort.name}", self.sorts[sort.index])

    def quantified(self, sort: Sort, kind: str, body: Callable[[Term], Term]) -> Term:
        x = self.constant(sort, sort.name.lower())
        formula = body(x)
        return z3.ForAll([x], formula) if kind == "all" else z3.Exists([x], formula)

    def function(self, name: str, owners: Sequence[Sort], type_: Type) -> Reader:
        match type_:
            case BoolT():
                target: Any = z3.BoolSort()
            case EnumT():
                target = self._enum(type_)[0]
            case ElemT(sort):
                target = self.sorts[sort.index]
            case _:
                raise AssertionError(type_)
        if not owners:
            symbol = z3.Const(name, target)
            return lambda x: symbol
        made = z3.Function(name, *(self.sorts[owner.index] for owner in owners), target)
        return lambda x: made(*x)


# ---- terms ------------------------------------------------------------------------------------------------------


def _bits(count: int) -> int:
    return max(1, (count - 1).bit_length())


def _looked_up(table: dict[tuple[int, ...], Term], terms: list[Term], known: tuple[int, ...] = ()) -> Term:
    """The entry for elements, some of which are only known to the solver."""
    if len(known) == len(terms):
        return table[known]
    term = terms[len(known)]
    if z3.is_bv_value(term):
        return _looked_up(table, terms, (*known, term.as_long()))
    options = sorted({place[len(known)] for place in table if place[: len(known)] == known})
    result = _looked_up(table, terms, (*known, options[-1]))
    for x in reversed(options[:-1]):
        result = either(term == x, _looked_up(table, terms, (*known, x)), result)
    return result


def is_true(part: Term) -> bool:
    """As z3's own, with one question instead of five: terms are made by the hundred thousand."""
    return bool(z3.Z3_get_bool_value(part.ctx_ref(), part.as_ast()) == z3.Z3_L_TRUE)


def is_false(part: Term) -> bool:
    return bool(z3.Z3_get_bool_value(part.ctx_ref(), part.as_ast()) == z3.Z3_L_FALSE)


def conjunction(parts: Iterable[Term]) -> Term:
    kept = []
    for part in parts:
        truth = z3.Z3_get_bool_value(part.ctx_ref(), part.as_ast())
        if truth == z3.Z3_L_FALSE:
            return part
        if truth != z3.Z3_L_TRUE:
            kept.append(part)
    return z3.BoolVal(True) if not kept else kept[0] if len(kept) == 1 else _joined(z3.Z3_mk_and, kept)


def disjunction(parts: Iterable[Term]) -> Term:
    kept = []
    for part in parts:
        truth = z3.Z3_get_bool_value(part.ctx_ref(), part.as_ast())
        if truth == z3.Z3_L_TRUE:
            return part
        if truth != z3.Z3_L_FALSE:
            kept.append(part)
    return z3.BoolVal(False) if not kept else kept[0] if len(kept) == 1 else _joined(z3.Z3_mk_or, kept)


def _joined(make: Callable[..., Any], parts: Sequence[Term]) -> Term:
    """z3.And or z3.Or of terms that are known to be Bools of one context."""
    context = parts[0].ctx
    return z3.BoolRef(make(context.ref(), len(parts), (z3.Ast * len(parts))(*(part.as_ast() for part in parts))), context)


def negation(part: Term) -> Term:
    truth = z3.Z3_get_bool_value(part.ctx_ref(), part.as_ast())
    if truth != z3.Z3_L_UNDEF:
        return z3.BoolVal(truth == z3.Z3_L_FALSE)
    return part.arg(0) if z3.is_not(part) else z3.BoolRef(z3.Z3_mk_not(part.ctx_ref(), part.as_ast()), part.ctx)


def either(condition: Term, then: Meaning, orelse: Meaning) -> Meaning:
    """`then` where the condition holds, else the other."""
    if is_true(condition):
        return then
    if is_false(condition):
        return orelse
    if isinstance(then, Maybe) or isinstance(orelse, Maybe):
        a, b = maybe(then), maybe(orelse)
        return Maybe(either(condition, a.there, b.there), either(condition, a.element, b.element))
    if then is orelse or then.eq(orelse):
        return then
    if z3.is_bool(then):
        if is_true(then):
            return disjunction([condition, orelse])
        if is_false(then):
            return conjunction([negation(condition), orelse])
        if is_true(orelse):
            return disjunction([negation(condition), then])
        if is_false(orelse):
            return conjunction([condition, then])
    return z3.If(condition, then, orelse)


def maybe(value: Meaning) -> Maybe:
    return value if isinstance(value, Maybe) else Maybe(z3.BoolVal(True), value)


def equal(a: Meaning, b: Meaning) -> Term:
    """Are two values the same?  none is the same as none."""
    if isinstance(a, Maybe) or isinstance(b, Maybe):
        a, b = maybe(a), maybe(b)
        both = conjunction([a.there, b.there, _same(a.element, b.element)])
        return disjunction([both, conjunction([negation(a.there), negation(b.there)])])
    return _same(a, b)


def _same(a: Term, b: Term) -> Term:
    if a.eq(b):
        return z3.BoolVal(True)
    if z3.is_bv_value(a) and z3.is_bv_value(b):
        return z3.BoolVal(a.as_long() == b.as_long())
    if z3.is_bool(a):
        for x, y in ((a, b), (b, a)):
            if is_true(x):
                return y
            if is_false(x):
                return negation(y)
    return a == b
