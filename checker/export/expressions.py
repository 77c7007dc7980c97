"""Promela of expressions.

An expression becomes one Promela expression without effects: quantifiers are written out, since a scope is finite.  What may go wrong in
it (reading through none, or a freed element) is a hazard: a condition to be asked beforehand, which looks at the left side of `and`,
`or` and `=>` first, as the interpreter does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from luocheck.checker.export.cells import Cells
from luocheck.checker.export.refusal import refuse, too_large
from luocheck.checker.export.writer import NONE, added, bit, conjunction, disjunction, equal, is_number, negated, with_bit
from luocheck.model.ir import expressions as e
from luocheck.model.ir.vocabulary import ElemT, EnumDef, Field, Lifetime, LiteralT, SeqT, SetT, Sort, Type
from luocheck.model.source import Span

LONGEST = 200_000
"""Most characters of one expression."""


@dataclass(frozen=True, slots=True)
class Hazard:
    """When `condition` holds, the code breaks a built-in claim here."""

    condition: str
    claim: str
    span: Span


@dataclass(frozen=True, slots=True)
class Bound:
    """What a name of a quantifier stands for: Promela text, whether it can be none, and the states in which it is surely alive."""

    text: str
    may_be_none: bool = False
    alive_in: str = ""


@dataclass(frozen=True, slots=True)
class Many:
    """A collection: the bits of a set, or scalars: those of a list up to the first none, or those that are written out."""

    kind: str  # set, seq, literal
    bits: str = ""
    items: tuple[str, ...] = ()
    sort: Sort | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a quantifier may look at, and the condition under which it is there."""

    there: str
    bound: Bound


class Expressions:
    """Translates the expressions of one body or claim.

    checked: reading a freed element is a hazard; claims read the initial values instead.  types: of the slots of the event.
    never_none: slots that always have a value.
    """

    def __init__(self, cells: Cells, types: tuple[Type | None, ...], *, checked: bool) -> None:
        self.cells = cells
        self.types = types
        self.checked = checked
        self.state = "s"
        self.bound: dict[int, Bound] = {}
        self.never_none: set[int] = set()
        self.hazards: list[Hazard] = []
        self._guards: list[str] = []

    # ---- hazards ------------------------------------------------------------------------------------------------

    @contextmanager
    def guarded(self, *conditions: str) -> Iterator[None]:
        """What is translated meanwhile is evaluated only when these hold."""
        before = len(self._guards)
        self._guards += conditions
        try:
            yield
        finally:
            del self._guards[before:]

    def hazard(self, condition: str, claim: str, span: Span) -> None:
        whole = conjunction([*self._guards, condition])
        if whole != "0":
            self.hazards.append(Hazard(whole, claim, span))

    def taken_hazards(self) -> list[Hazard]:
        """What may go wrong in what was translated since the last time, in the order of evaluation."""
        found, self.hazards = self.hazards, []
        return found

    def not_none(self, expr: e.Expr, text: str, span: Span) -> None:
        if self.may_be_none(expr):
            self.hazard(equal(text, NONE), "null_dereference", span)

    def may_be_none(self, expr: e.Expr) -> bool:
        match expr:
            case e.Var(slot=slot):
                if slot in self.bound:
                    return self.bound[slot].may_be_none
                return slot not in self.never_none
            case e.Const(value=value):
                return value is None
            case e.EdgeOfSort():
                return False
            case e.Read(field=field):
                if isinstance(field.type, ElemT):
                    return field.type.optional or self.cells.defaults[field.index] is None
                return False
        return isinstance(expr.type, ElemT)

    # ---- values -------------------------------------------------------------------------------------------------

    def condition(self, expr: e.Expr) -> str:
        """A truth value: 0 or 1."""
        if isinstance(expr, e.Var | e.BadHandle):  # an unset result is not true
            return equal(self.value(expr), "1")
        return self.value(expr)

    def value(self, expr: e.Expr) -> str:
        """A scalar."""
        text = self._value(expr)
        if len(text) > LONGEST:
            too_large(f"this expression is longer than {LONGEST:,} characters in this scope", expr.span)
        return text

    def _value(self, expr: e.Expr) -> str:
        match expr:
            case e.Const(value=value, type=type_):
                return self.cells.value(value, type_, expr.span)
            case e.EdgeOfSort(edge=edge):
                return str(self.cells.sizes[edge.sort.index] - 1 if edge.last else 0)
            case e.Var(slot=slot):
                if slot in self.bound:
                    return self.bound[slot].text
                return self.cells.local(slot, self.types[slot] if slot < len(self.types) else None)
            case e.BadHandle(slot=slot):
                return f"x{slot}"
            case e.Read(field=field, arguments=arguments, span=span):
                return self.cells.at(field, self.arguments(field, arguments, span, self.checked), self.state)
            case e.Not(operand=operand):
                return negated(self.condition(operand))
            case e.And(left=left, right=right):
                first = self.condition(left)
                with self.guarded(first):
                    return conjunction([first, self.condition(right)])
            case e.Or(left=left, right=right):
                first = self.condition(left)
                with self.guarded(negated(first)):
                    return disjunction([first, self.condition(right)])
            case e.Implies(left=left, right=right):
                first = self.condition(left)
                with self.guarded(first):
                    return disjunction([negated(first), self.condition(right)])
            case e.Compare():
                return self._compare(expr)
            case e.Arithmetic(operator=operator, left=left, right=right):
                return f"({self.value(left)} {operator} {self.value(right)})"
            case e.Contains(item=item, collection=collection):
                x = self.value(item)
                return self.contains(x, self.may_be_none(item), self.many(collection))
            case e.Quantifier():
                return self._quantifier(expr)
            case e.HasEdge(graph=graph, left=left, right=right, closure=closure):
                a, b = self.value(left), self.value(right)
                there = [negated(equal(text, NONE)) for side, text in ((left, a), (right, b)) if self.may_be_none(side)]
                return conjunction([*there, bit(f"{'closure' if closure else 'edge'}_{graph.name}[{a}]", b)])
            case e.SeqEnd(sequence=sequence, last=last):
                items = self.many(sequence).items
                return _last(items) if last else items[0]
            case e.Before(sequence=sequence, left=left, right=right):
                items = self.many(sequence).items
                return self._before(items, left, right)
            case e.Next(operand=operand, type=type_):
                x = self.value(operand)
                self.not_none(operand, x, expr.span)
                assert isinstance(type_, ElemT)
                size = self.cells.sizes[type_.sort.index]
                if is_number(x):
                    return str(int(x) + 1) if int(x) + 1 < size else NONE
                return f"({x} + 1 < {size} -> {x} + 1 : {NONE})"
            case e.Old(operand=operand):
                with self._before_the_call():
                    return self.value(operand)
            case e.Unchanged():
                return self._unchanged(expr)
            case e.Idle():
                return "1"  # a call is over before anything is asked
            case e.IdleCaller(caller=caller):
                self.value(caller)  # which may read through none
                return "1"
        refuse("this expression", expr.span)

    @contextmanager
    def _before_the_call(self) -> Iterator[None]:
        saved, self.state = self.state, "o"
        try:
            yield
        finally:
            self.state = saved

    def _before(self, items: tuple[str, ...], left: e.Expr, right: e.Expr) -> str:
        a, b = self.value(left), self.value(right)
        there = [negated(equal(text, NONE)) for side, text in ((left, a), (right, b)) if self.may_be_none(side)]
        pairs = [
            conjunction([equal(items[i], a), disjunction(equal(items[j], b) for j in range(i + 1, len(items)))])
            for i in range(len(items) - 1)
        ]
        return conjunction([*there, disjunction(pairs)])

    def arguments(self, field: Field, arguments: tuple[e.Expr, ...], span: Span, checked: bool) -> list[str]:
        """The owners of a cell, with what may go wrong when it is read or written."""
        found = [self.value(a) for a in arguments]
        for a, text in zip(arguments, found, strict=True):
            self.not_none(a, text, span)
        for a, owner, text in zip(arguments, field.owners, found, strict=True):
            if checked and isinstance(owner, Sort) and owner.pool and not self._surely_alive(a):
                self.hazard(negated(self.cells.alive(owner, text, self.state)), "use_after_free", span)
        return found

    def _surely_alive(self, expr: e.Expr) -> bool:
        return isinstance(expr, e.Var) and expr.slot in self.bound and self.bound[expr.slot].alive_in == self.state

    # ---- comparing ----------------------------------------------------------------------------------------------

    def _compare(self, expr: e.Compare) -> str:
        left, right, operator = expr.left, expr.right, expr.operator
        if _is_many(left) or _is_many(right):
            same = self._same(left, right)
            return same if operator == "==" else negated(same)
        a, b = self.value(left), self.value(right)
        if operator in ("==", "!="):
            same = equal(a, b)
            return same if operator == "==" else negated(same)
        for side, text in ((left, a), (right, b)):
            self.not_none(side, text, expr.span)
        return f"({a} {operator} {b})"

    def _same(self, left: e.Expr, right: e.Expr) -> str:
        a, b = self.many(left), self.many(right)
        if "seq" in (a.kind, b.kind):
            if {a.kind, b.kind} == {"seq", "set"}:
                return "0"  # a list is no set
            length = max(len(a.items), len(b.items))
            mine, theirs = ([*each.items, *[NONE] * (length - len(each.items))] for each in (a, b))
            return conjunction(equal(x, y) for x, y in zip(mine, theirs, strict=True))
        if a.kind == b.kind == "literal":
            return conjunction(disjunction(equal(x, y) for y in other.items) for one, other in ((a, b), (b, a)) for x in one.items)
        there = [negated(equal(x, NONE)) for many in (a, b) for x in many.items]
        return conjunction([*there, equal(self.bits(a), self.bits(b))])

    def bits(self, many: Many) -> str:
        """A collection as a set; written-out items must not be none."""
        match many.kind:
            case "set":
                return many.bits
            case "seq":
                terms = [f"({x} != {NONE} -> {with_bit(x)} : 0)" for x in many.items]
            case _:
                terms = [with_bit(x) for x in many.items]
        return f"({' | '.join(terms)})" if terms else "0"

    def contains(self, x: str, may_be_none: bool, many: Many) -> str:
        there = negated(equal(x, NONE)) if may_be_none and many.kind != "literal" else "1"
        inside = bit(many.bits, x) if many.kind == "set" else disjunction(equal(item, x) for item in many.items)
        return conjunction([there, inside])

    # ---- collections --------------------------------------------------------------------------------------------

    def many(self, expr: e.Expr) -> Many:
        """A collection."""
        match expr:
            case e.Literal(items=items):
                return Many("literal", items=tuple(self.value(item) for item in items))
            case e.Old(operand=operand):
                with self._before_the_call():
                    return self.many(operand)
            case e.Read(field=field, arguments=arguments, span=span) if isinstance(field.type, SeqT):
                owners = self.arguments(field, arguments, span, self.checked)
                return Many("seq", items=tuple(self.cells.positions(field, owners, self.state)), sort=field.type.sort)
            case e.Var(slot=slot, type=SeqT(sort)):
                name = self.cells.local(slot, expr.type)
                size = max(1, self.cells.sizes[sort.index])
                return Many("seq", items=tuple(f"{name}[{i}]" for i in range(size)), sort=sort)
        if isinstance(expr.type, SetT):
            return Many("set", bits=self.value(expr), sort=expr.type.sort)
        refuse("a local that is a written-out set", expr.span)

    # ---- quantifiers --------------------------------------------------------------------------------------------

    def each(self, domain: Sort | EnumDef | e.Expr) -> list[Item]:
        """All that a quantifier may look at, in its order."""
        if isinstance(domain, EnumDef):
            return [Item("1", Bound(self.cells.member(domain, i))) for i in range(len(domain.members))]
        if isinstance(domain, Sort):
            items = []
            for x in range(self.cells.sizes[domain.index]):
                alive = self.cells.alive(domain, str(x), self.state) if domain.pool else "1"
                items.append(Item(alive, Bound(str(x), alive_in=self.state)))
            return items
        many = self.many(domain)
        match many.kind:
            case "set":
                assert many.sort is not None
                return [Item(bit(many.bits, str(x)), Bound(str(x))) for x in range(self.cells.sizes[many.sort.index])]
            case "seq":
                return [Item(f"({x} != {NONE})", Bound(x)) for x in many.items]
        return [Item("1", Bound(x, may_be_none=not is_number(x))) for x in many.items]

    @contextmanager
    def binding(self, slot: int, bound: Bound) -> Iterator[None]:
        """A slot that stands for something else for a while."""
        before = self.bound.get(slot)
        self.bound[slot] = bound
        try:
            yield
        finally:
            if before is None:
                del self.bound[slot]
            else:
                self.bound[slot] = before

    @contextmanager
    def set(self, slots: set[int]) -> Iterator[None]:
        """Locals that have a value in what is translated meanwhile."""
        new = slots - self.never_none
        self.never_none |= new
        try:
            yield
        finally:
            self.never_none -= new

    def _quantifier(self, expr: e.Quantifier) -> str:
        terms: list[str] = []
        with self.guarded():
            for item in self.each(expr.domain):
                with self.guarded(item.there), self.binding(expr.slot, item.bound):
                    body = self.condition(expr.body)
                if expr.kind == "all":
                    term = disjunction([negated(item.there), body])
                    self._guards.append(term)
                else:
                    term = conjunction([item.there, body])
                    if expr.kind != "number":
                        self._guards.append(negated(term))
                terms.append(term)
        match expr.kind:
            case "all":
                return conjunction(terms)
            case "some":
                return disjunction(terms)
            case "no":
                return negated(disjunction(terms))
        total = "0"
        for term in terms:
            total = added(total, term)
        return f"({total})"

    # ---- unchanged ----------------------------------------------------------------------------------------------

    def _unchanged(self, expr: e.Unchanged) -> str:
        cells = self.cells
        excepted: dict[int, list[list[str]]] = {}
        for read in expr.cells:
            excepted.setdefault(read.field.index, []).append([self.value(a) for a in read.arguments])
        terms: list[str] = []
        for f in cells.system.fields:
            if f.lifetime in (Lifetime.GHOST, Lifetime.FIXED) or f in expr.fields:
                continue
            for owners in cells.owners(f):
                texts = [str(x) for x in owners]
                same = [equal(x, y) for x, y in zip(cells.positions(f, texts), cells.positions(f, texts, "o"), strict=True)]
                but = [conjunction(equal(x, y) for x, y in zip(texts, each, strict=True)) for each in excepted.get(f.index, [])]
                terms.append(disjunction([*but, conjunction(same)]))
        for sort in cells.system.sorts:
            if sort.pool:
                for x in range(cells.sizes[sort.index]):
                    terms.append(equal(cells.alive(sort, str(x)), cells.alive(sort, str(x), "o")))
        return conjunction(terms)


def _last(items: tuple[str, ...]) -> str:
    """The last item that is there, none when there is none."""
    text = items[0]
    for item in items[1:]:
        text = f"({item} != {NONE} -> {item} : {text})"
    return text


def _is_many(expr: e.Expr) -> bool:
    return isinstance(expr, e.Literal) or isinstance(expr.type, SetT | SeqT | LiteralT)
