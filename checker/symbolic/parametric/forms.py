"""Lists, sets and counts as fields that have a form for every size, and what is said of them.

A set or a list is a field of its owner and an element: is it in there?  A list has another one, of its owner and two elements: does the
first come before the second?  A count is an enum of its values: outside of its range a run ends, as in the spec.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

from luocheck.checker.symbolic.parametric.marks import Formless
from luocheck.checker.symbolic.parametric.rewriting import changed
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import System
from luocheck.model.ir.vocabulary import (
    BoolT,
    CountT,
    ElemT,
    EnumDef,
    EnumT,
    Field,
    IntT,
    Lifetime,
    LiteralT,
    NoneT,
    SeqT,
    SetT,
    Sort,
    SortEdge,
    Type,
)
from luocheck.model.source import NOWHERE, Span

MOST_COUNTED = 3
"""So many elements are told apart where they are counted."""

HOLDS: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


class NotSaid(Exception):
    """There are no words for it; the text says why."""


class Forms:
    """The fields of a system, and expressions over them.

    slots: types of the locals of the body that is read now; it grows.  alive: by the index of a sort whose elements come and go, the field
    that says which of them live.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.enums: list[EnumDef] = list(system.enums)
        self.counts: dict[int, EnumDef] = {}
        self.names = [f.name for f in system.fields]
        self.fields: list[Field] = [self._field(f) for f in system.fields]
        self.orders: dict[int, Field] = {}
        for f in system.fields:
            if isinstance(f.type, SeqT):
                owners = (*f.owners, f.type.sort, f.type.sort)
                name = self._free_name(f"{f.name}_order")
                self.orders[f.index] = Field(len(self.fields), name, owners, f.lifetime, BoolT(), False, False, f.span)
                self.fields.append(self.orders[f.index])
        self.slots: list[Type | None] = []
        self.alive: dict[int, Field] = {}

    # ---- fields -------------------------------------------------------------------------------------------------

    def _field(self, f: Field) -> Field:
        match f.type:
            case SetT(sort) | SeqT(sort):
                name = f.name if self.names.count(f.name) == 1 else self._free_name(f"{f.name}_members")
                return replace(f, name=name, owners=(*f.owners, sort), type=BoolT(), initial=False)
            case CountT():
                return replace(f, type=self.type(f.type))
            case ElemT(optional=optional) if isinstance(f.initial, SortEdge) and f.lifetime is not Lifetime.FIXED:
                return replace(f, initial=None if optional else f.initial, drawn=True)
        return f

    def type(self, type_: Type) -> Type:
        """The type of values that were of this one."""
        if not isinstance(type_, CountT):
            return type_
        if type_.limit not in self.counts:
            values = range(type_.limit + 1)
            enum = EnumDef(len(self.enums), f"count_{type_.limit}", tuple(str(v) for v in values), tuple(values), NOWHERE)
            self.enums.append(enum)
            self.counts[type_.limit] = enum
        return EnumT(self.counts[type_.limit])

    def _free_name(self, name: str) -> str:
        while name in self.names:
            name += "_"
        self.names.append(name)
        return name

    def fresh(self, type_: Type | None = None) -> int:
        """A local that is not used."""
        self.slots.append(type_)
        return len(self.slots) - 1

    # ---- expressions --------------------------------------------------------------------------------------------

    def expr(self, expr: e.Expr) -> e.Expr:
        """The expression over the new fields."""
        return changed(expr, self._changed)

    def _changed(self, part: e.Expr) -> e.Expr | None:
        try:
            return self._said(part)
        except NotSaid as reason:
            return Formless(part.span, part.type, str(reason))

    def _said(self, part: e.Expr) -> e.Expr | None:
        match part:
            case e.Contains(item=item, collection=collection) if not isinstance(collection, e.Literal):
                return self.member(collection, self.expr(item), part.span)
            case e.Contains(item=e.Expr(type=CountT()) as item, collection=e.Literal(items=items)):
                return self._count_is(
                    item, [each.value for each in items if isinstance(each, e.Const) and isinstance(each.value, int)]
                )
            case e.Quantifier(kind="number"):
                raise NotSaid("it counts elements")
            case e.Quantifier(domain=e.Expr() as domain):
                return self._over_collection(part, domain)
            case e.Quantifier(domain=Sort() as sort) if sort.index in self.alive:
                living = self.living(sort, e.Var(part.span, ElemT(sort), part.slot, part.name))
                return self._among(part, sort, living)
            case e.Before(sequence=q, left=x, right=y):
                return self.earlier(q, self.expr(x), self.expr(y), part.span)
            case e.Compare(left=left, right=right):
                return self._compared(part, left, right)
            case e.SeqEnd():
                raise NotSaid("the first or last of a list is a value only where it is assigned or compared")
            case e.Next() | e.EdgeOfSort():
                raise NotSaid("the order of a sort has no form")
            case e.Arithmetic():
                raise NotSaid("it reckons with numbers")
            case e.Read(field=f, arguments=arguments) if f is not self.fields[f.index]:
                if isinstance(f.type, SetT | SeqT):
                    raise NotSaid(f"it takes the {f.type} `{f.name}` as a whole")
                return e.Read(part.span, self.type(f.type), self.fields[f.index], tuple(self.expr(a) for a in arguments))
            case e.Old(type=CountT(), operand=operand):
                return replace(part, type=self.type(part.type), operand=self.expr(operand))
            case e.Var(type=CountT()):
                return replace(part, type=self.type(part.type))
            case e.Unchanged(fields=fields, cells=cells):
                return self._unchanged(part, fields, cells)
        return None

    def _unchanged(self, part: e.Unchanged, fields: Sequence[Field], cells: Sequence[e.Read]) -> e.Expr:
        excepted = [self.fields[f.index] for f in fields] + [self.orders[f.index] for f in fields if f.index in self.orders]
        if any(isinstance(cell.field.type, SetT | SeqT) for cell in cells):
            raise NotSaid("it excepts the list or set of one owner")
        reads = [self.expr(cell) for cell in cells]
        return replace(part, fields=tuple(excepted), cells=tuple(read for read in reads if isinstance(read, e.Read)))

    def member(self, collection: e.Expr, item: e.Expr, span: Span) -> e.Expr:
        """`item in collection`; the item is one of the new expressions.  Raises NotSaid."""
        match collection:
            case e.Read(field=f, arguments=arguments):
                if isinstance(item.type, NoneT):
                    return false(span)
                owners = tuple(self.expr(a) for a in arguments)
                return present(item, e.Read(span, e.BOOL, self.fields[f.index], (*owners, item)))
            case e.Old(operand=operand) if _is_plain(item):
                return e.Old(span, e.BOOL, self.member(operand, item, span))
            case e.Literal(items=items):
                found = false(span)
                for each in items:
                    found = e.Or(span, e.BOOL, found, same(item, self.expr(each)))
                return found
        raise NotSaid("a list or set that is not a field has no form")

    def earlier(self, sequence: e.Expr, x: e.Expr, y: e.Expr, span: Span) -> e.Expr:
        """`before(sequence, x, y)`, of two of the new expressions.  Raises NotSaid."""
        match sequence:
            case e.Read(field=f, arguments=arguments) if f.index in self.orders:
                owners = tuple(self.expr(a) for a in arguments)
                read = e.Read(span, e.BOOL, self.orders[f.index], (*owners, x, y))
                return present(x, present(y, read))
            case e.Old(operand=operand) if _is_plain(x) and _is_plain(y):
                return e.Old(span, e.BOOL, self.earlier(operand, x, y, span))
            case e.Literal(items=items) if len(items) <= 1:
                return false(span)
        raise NotSaid("a list that is not a field has no form")

    def at_end(self, sequence: e.Expr, x: e.Expr, last: bool, span: Span) -> e.Expr:
        """Nothing stands before `x`, or after it.  Raises NotSaid."""
        slot, y = self._any(sort_of(sequence), span)
        there = self.earlier(sequence, x, y, span) if last else self.earlier(sequence, y, x, span)
        return e.Quantifier(span, e.BOOL, "no", slot, "", sort_of(sequence), there)

    def empty(self, collection: e.Expr, span: Span) -> e.Expr:
        slot, y = self._any(sort_of(collection), span)
        return e.Quantifier(span, e.BOOL, "no", slot, "", sort_of(collection), self.member(collection, y, span))

    def _any(self, sort: Sort, span: Span) -> tuple[int, e.Var]:
        slot = self.fresh()
        return slot, e.Var(span, ElemT(sort), slot, "")

    def _over_collection(self, part: e.Quantifier, domain: e.Expr) -> e.Expr:
        sort = sort_of(domain)
        member = self.member(domain, e.Var(part.span, ElemT(sort), part.slot, part.name), part.span)
        return self._among(part, sort, member)

    def _among(self, part: e.Quantifier, sort: Sort, those: e.Expr) -> e.Expr:
        joined = e.Implies if part.kind == "all" else e.And
        body = joined(part.span, e.BOOL, those, self.expr(part.body))
        return e.Quantifier(part.span, e.BOOL, part.kind, part.slot, part.name, sort, body)

    def living(self, sort: Sort, x: e.Expr) -> e.Expr:
        """Is an element of a sort whose elements come and go alive?"""
        return e.Read(x.span, e.BOOL, self.alive[sort.index], (x,))

    def among_living(self, sort: Sort, x: e.Expr, said: e.Expr | None) -> e.Expr | None:
        """What is said of an element, which has to be alive."""
        if sort.index not in self.alive:
            return said
        alive = self.living(sort, x)
        return alive if said is None else e.And(x.span, e.BOOL, alive, said)

    # ---- comparisons --------------------------------------------------------------------------------------------

    def _compared(self, part: e.Compare, left: e.Expr, right: e.Expr) -> e.Expr | None:
        operator = part.operator
        if isinstance(left.type, SetT | SeqT | LiteralT) or isinstance(right.type, SetT | SeqT | LiteralT):
            if operator not in ("==", "!="):
                raise NotSaid("it compares sets")
            found = self._same_members(left, right, part.span)
            return found if operator == "==" else e.Not(part.span, e.BOOL, found)
        for one, other, op in ((left, right, operator), (right, left, TURNED[operator])):
            if isinstance(one, e.SeqEnd):
                found = self._is_end(one, other, part.span)
                return found if op == "==" else e.Not(part.span, e.BOOL, found)
            if isinstance(one, e.Quantifier) and isinstance(other, e.Const) and isinstance(other.value, int):
                return self._so_many(one, op, other.value)
            if isinstance(one.type, CountT) and isinstance(other, e.Const) and isinstance(other.value, int):
                return self._count_is(one, [v for v in range(one.type.limit + 1) if HOLDS[op](v, other.value)])
        if isinstance(left.type, CountT) and isinstance(right.type, CountT):
            return self._two_counts(part, left, right)
        if isinstance(left.type, CountT | IntT) or isinstance(right.type, CountT | IntT):
            raise NotSaid("it reckons with numbers")
        if operator not in ("==", "!="):
            raise NotSaid("the order of a sort has no form")
        return None

    def _same_members(self, left: e.Expr, right: e.Expr, span: Span) -> e.Expr:
        sort = next((sort_of(each) for each in (left, right) if not isinstance(each.type, LiteralT)), None)
        if sort is None:
            raise NotSaid("it compares two lists of names")
        slot, x = self._any(sort, span)
        there = same(self.member(left, x, span), self.member(right, x, span))
        found: e.Expr = e.Quantifier(span, e.BOOL, "all", slot, "", sort, there)
        empty = any(isinstance(each, e.Literal) and not each.items for each in (left, right))
        if not empty and any(isinstance(each.type, SeqT) for each in (left, right)):
            first, x = self._any(sort, span)
            second, y = self._any(sort, span)
            order = same(self.earlier(left, x, y, span), self.earlier(right, x, y, span))
            inner = e.Quantifier(span, e.BOOL, "all", second, "", sort, order)
            found = e.And(span, e.BOOL, found, e.Quantifier(span, e.BOOL, "all", first, "", sort, inner))
        return found

    def _is_end(self, end: e.SeqEnd, other: e.Expr, span: Span) -> e.Expr:
        if isinstance(other, e.SeqEnd):
            raise NotSaid("it compares the ends of two lists")
        empty = self.empty(end.sequence, span)
        if isinstance(other.type, NoneT):
            return empty
        x = self.expr(other)
        there = e.And(span, e.BOOL, self.member(end.sequence, x, span), self.at_end(end.sequence, x, end.last, span))
        if isinstance(x.type, ElemT) and not x.type.optional:
            return there
        nothing = e.And(span, e.BOOL, e.Not(span, e.BOOL, is_there(x)), empty)
        return e.Or(span, e.BOOL, nothing, there)

    def _so_many(self, part: e.Quantifier, operator: str, number: int) -> e.Expr:
        """`(number of x: S | P) <= 1` and the like: as many that are all different."""
        if part.kind != "number":
            raise NotSaid("it counts elements")
        span = part.span
        match operator:
            case "==":
                return e.And(span, e.BOOL, self._at_least(part, number), e.Not(span, e.BOOL, self._at_least(part, number + 1)))
            case "!=":
                return e.Not(span, e.BOOL, self._so_many(part, "==", number))
            case ">=":
                return self._at_least(part, number)
            case ">":
                return self._at_least(part, number + 1)
            case "<":
                return e.Not(span, e.BOOL, self._at_least(part, number))
        return e.Not(span, e.BOOL, self._at_least(part, number + 1))

    def _at_least(self, part: e.Quantifier, number: int) -> e.Expr:
        span = part.span
        if number <= 0:
            return e.Const(span, e.BOOL, True)
        if number > MOST_COUNTED or isinstance(part.domain, EnumDef):
            raise NotSaid("it counts elements")
        sort = part.domain if isinstance(part.domain, Sort) else sort_of(part.domain)
        one = e.Var(span, ElemT(sort), part.slot, part.name)
        holds = self.expr(part.body)
        if isinstance(part.domain, e.Expr):
            holds = e.And(span, e.BOOL, self.member(part.domain, one, span), holds)
        elif sort.index in self.alive:
            holds = e.And(span, e.BOOL, self.living(sort, one), holds)
        bound = [self._any(sort, span) for _ in range(number)]
        found: e.Expr = e.Const(span, e.BOOL, True)
        for (_, x), (_, y) in combinations(bound, 2):
            found = e.And(span, e.BOOL, found, e.Not(span, e.BOOL, same(x, y)))
        for _, x in bound:
            found = e.And(span, e.BOOL, found, changed(holds, lambda p, x=x: named(p, part.slot, x)))  # type: ignore[misc]
        for slot, _ in reversed(bound):
            found = e.Quantifier(span, e.BOOL, "some", slot, "", sort, found)
        return found

    def _count_is(self, count: e.Expr, values: Sequence[int]) -> e.Expr:
        """A count has one of these values."""
        now = self.expr(count)
        items = tuple(e.Const(count.span, now.type, v) for v in values)
        return e.Contains(count.span, e.BOOL, now, e.Literal(count.span, LiteralT(now.type), items))

    def _two_counts(self, part: e.Compare, left: e.Expr, right: e.Expr) -> e.Expr:
        assert isinstance(left.type, CountT) and isinstance(right.type, CountT)
        found = false(part.span)
        for v in range(left.type.limit + 1):
            others = [w for w in range(right.type.limit + 1) if HOLDS[part.operator](v, w)]
            both = e.And(part.span, e.BOOL, self._count_is(left, [v]), self._count_is(right, others))
            found = e.Or(part.span, e.BOOL, found, both)
        return found


# ---- parts of expressions ---------------------------------------------------------------------------------------


def false(span: Span) -> e.Expr:
    return e.Const(span, e.BOOL, False)


def same(a: e.Expr, b: e.Expr) -> e.Expr:
    return e.Compare(a.span, e.BOOL, "==", a, b)


def is_there(x: e.Expr) -> e.Expr:
    return e.Compare(x.span, e.BOOL, "!=", x, e.Const(x.span, NoneT(), None))


def present(x: e.Expr, said: e.Expr) -> e.Expr:
    """What is said of an element; false of none."""
    if isinstance(x.type, ElemT) and x.type.optional:
        return e.And(x.span, e.BOOL, is_there(x), said)
    return said


def _is_plain(x: e.Expr) -> bool:
    """Does it say the same before the call and after it?"""
    return isinstance(x, e.Var | e.Const)


def sort_of(collection: e.Expr) -> Sort:
    if isinstance(collection.type, SetT | SeqT):
        return collection.type.sort
    raise NotSaid("a list or set that is not a field has no form")


def named(part: e.Expr, slot: int, x: e.Var) -> e.Expr | None:
    return x if isinstance(part, e.Var) and part.slot == slot else None
