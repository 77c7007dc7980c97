"""C of expressions.  Whatever may go wrong becomes a statement before the value; `and`, `or` and `=>` look at their left side first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from luocheck.checker.native.layout import Layout
from luocheck.checker.native.refusal import Refused
from luocheck.model.ir import expressions as e
from luocheck.model.ir.vocabulary import BoolT, CountT, ElemT, EnumDef, EnumT, Field, IntT, LiteralT, SeqT, SetT, Sort
from luocheck.model.source import Span

_SIMPLE = re.compile(r"-?\w+")

LARGEST = (1 << 31) - 1
"""The largest number that fits into an `int`."""


@dataclass(frozen=True, slots=True)
class Many:
    """A collection: bits of a set, a place of type Q (sequence), or scalars that are written out."""

    kind: str  # set, seq, literal
    text: str = ""
    items: tuple[str, ...] = ()
    sort: Sort | None = None


class Writer:
    """Collects C statements; temporaries have names of their own."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.count = 0

    def emit(self, text: str) -> None:
        self.out.append(text)

    def temp(self, value: str, type_: str = "int") -> str:
        self.count += 1
        name = f"t{self.count}"
        self.emit(f"{type_} {name} = {value};")
        return name

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        saved, self.out = self.out, []
        inner = self.out
        try:
            yield inner
        finally:
            self.out = saved


Oops = Callable[[str, Span], str]
"""C statement for a broken built-in claim at a place; control does not come back from it."""


class Expressions:
    """Writes expressions for one body or claim.

    checked: reading a freed element is a finding.  watched: statement to run when a part of a claim is looked at, by id.
    local: C name of a slot.
    """

    def __init__(self, layout: Layout, writer: Writer, oops: Oops, *, checked: bool, watched: Mapping[int, str] = {}) -> None:
        self.layout = layout
        self.w = writer
        self.oops = oops
        self.checked = checked
        self.watched = watched
        self.state = "s"
        self.bound: dict[int, str] = {}
        self.never_none: set[int] = set()
        self.used: set[int] = set()

    # ---- values -------------------------------------------------------------------------------------------------

    def atom(self, text: str) -> str:
        return text if _SIMPLE.fullmatch(text) else self.w.temp(text)

    def local(self, slot: int) -> str:
        found = self.bound.get(slot)
        if found is not None:
            return found
        self.used.add(slot)
        return f"v{slot}"

    def _watch(self, expr: e.Expr) -> None:
        statement = self.watched.get(id(expr))
        if statement is not None:
            self.w.emit(statement)

    def condition(self, expr: e.Expr) -> str:
        """A truth value: C text without effects."""
        if isinstance(expr, e.Var):  # an unset result is not true
            self._watch(expr)
            return f"({self.local(expr.slot)} > 0)"
        if isinstance(expr, e.BadHandle):
            self._watch(expr)
            return f"({self.local(expr.slot)} > 0)"
        return self.value(expr)

    def value(self, expr: e.Expr) -> str:
        """A scalar: C text without effects; none is -1."""
        self._watch(expr)
        match expr:
            case e.Const(value=value):
                if isinstance(value, str):
                    return str(self.layout.errno(value))
                number = -1 if value is None else int(value)  # type: ignore[arg-type]
                if number > LARGEST:
                    raise Refused(f"a number as large as {number}")
                return str(number)
            case e.EdgeOfSort(edge=edge):
                return str(self.layout.sizes[edge.sort.index] - 1 if edge.last else 0)
            case e.Var(slot=slot) | e.BadHandle(slot=slot):
                return self.local(slot)
            case e.Read():
                return self._read(expr)
            case e.Not(operand=operand):
                return f"!{self.condition(operand)}"
            case e.And(left=left, right=right):
                return self._short(self.condition(left), right, "&&")
            case e.Or(left=left, right=right):
                return self._short(self.condition(left), right, "||")
            case e.Implies(left=left, right=right):
                return self._short(f"!{self.condition(left)}", right, "||")
            case e.Compare():
                return self._compare(expr)
            case e.Arithmetic(operator=operator, left=left, right=right):
                return self._arithmetic("add" if operator == "+" else "sub", self.value(left), self.value(right))
            case e.Contains(item=item, collection=collection):
                return self._contains(item, collection)
            case e.Quantifier():
                return self._quantifier(expr)
            case e.HasEdge(graph=graph, left=left, right=right, closure=closure):
                a, b = self.atom(self.value(left)), self.atom(self.value(right))
                table = f"r->g.{'closure' if closure else 'edge'}{graph.index}"
                return f"({self._there(left, a)}{self._there(right, b)}({table}[{a}] >> {b} & 1))"
            case e.SeqEnd(sequence=sequence, last=last):
                q = self.many(sequence).text
                return f"({q}.n ? {q}.x[{f'{q}.n - 1' if last else '0'}] : -1)"
            case e.Before(sequence=sequence, left=left, right=right):
                many = self.many(sequence)
                a, b = self.value(left), self.value(right)
                assert many.sort is not None
                return f"q{many.sort.index}_before(&{many.text}, {a}, {b})"
            case e.Next(operand=operand):
                x = self.atom(self.value(operand))
                self._not_none(operand, x, expr.span)
                assert isinstance(expr.type, ElemT)
                return f"({x} + 1 < {self.layout.sizes[expr.type.sort.index]} ? {x} + 1 : -1)"
            case e.Old(operand=operand):
                return self._old(lambda: self.value(operand))
            case e.Unchanged():
                return self._unchanged(expr)
            case e.Idle():
                return f"idle({self.state})"
            case e.IdleCaller(caller=caller):
                return f"idle_caller({self.state}, {self.value(caller)})"
        raise Refused(f"an expression of kind {type(expr).__name__}")

    def _arithmetic(self, how: str, left: str, right: str) -> str:
        """What does not fit is left to the interpreter, whose numbers have no end."""
        result = self.w.fresh("t")
        self.w.emit(f"int {result}; if (__builtin_{how}_overflow({left}, {right}, &{result})) stop_with(r, NOT_DONE_HERE);")
        return result

    def _old(self, inner: Callable[[], str]) -> str:
        saved, self.state = self.state, "o"
        try:
            return inner()
        finally:
            self.state = saved

    def may_be_none(self, expr: e.Expr) -> bool:
        match expr:
            case e.Var(slot=slot):
                return slot not in self.never_none
            case e.Const(value=value):
                return value is None
            case e.EdgeOfSort():
                return False
            case e.Read(field=field):
                if isinstance(field.type, ElemT):
                    return field.type.optional or self.layout.defaults[field.index] is None
                return not isinstance(field.type, EnumT | BoolT | CountT)
            case e.Arithmetic() | e.Quantifier():
                return False
        return not isinstance(expr.type, IntT | CountT)

    def _there(self, expr: e.Expr, text: str) -> str:
        return f"{text} >= 0 && " if self.may_be_none(expr) else ""

    def _not_none(self, expr: e.Expr, text: str, span: Span) -> None:
        if self.may_be_none(expr):
            self.w.emit(f"if ({text} < 0) {self.oops('null_dereference', span)}")

    def arguments(self, field: Field, arguments: tuple[e.Expr, ...], span: Span, checked: bool) -> list[str]:
        """The owners of a cell, with the checks of a read or write."""
        found = [self.atom(self.value(a)) for a in arguments]
        for a, text in zip(arguments, found, strict=True):
            self._not_none(a, text, span)
        for owner, text in zip(field.owners, found, strict=True):
            if checked and isinstance(owner, Sort) and owner.pool:
                self.w.emit(f"if (!({self.state}->live{owner.index} >> {text} & 1)) {self.oops('use_after_free', span)}")
        return found

    def _read(self, expr: e.Read) -> str:
        indices = self.arguments(expr.field, expr.arguments, expr.span, self.checked)
        return self.layout.place(expr.field, self.state, indices)

    def _short(self, left: str, right: e.Expr, operator: str) -> str:
        with self.w.captured() as inner:
            text = self.condition(right)
        if not inner:
            return f"({left} {operator} {text})"
        done = self.w.temp(left)
        self.w.emit(f"if ({done if operator == '&&' else '!' + done}) {{ {' '.join(inner)} {done} = {text}; }}")
        return done

    # ---- comparing ----------------------------------------------------------------------------------------------

    def _compare(self, expr: e.Compare) -> str:
        left, right, operator = expr.left, expr.right, expr.operator
        if _is_many(left) or _is_many(right):
            same = self._same(left, right)
            return same if operator == "==" else f"!{same}"
        a, b = self.value(left), self.value(right)
        if operator not in ("==", "!="):
            a, b = self.atom(a), self.atom(b)
            for side, text in ((left, a), (right, b)):
                self._not_none(side, text, expr.span)
        return f"({a} {operator} {b})"

    def _same(self, left: e.Expr, right: e.Expr) -> str:
        a, b = self.many(left), self.many(right)
        if a.kind == "literal" and not a.items and b.kind == "seq":
            return f"({b.text}.n == 0)"
        if b.kind == "literal" and not b.items and a.kind == "seq":
            return f"({a.text}.n == 0)"
        if a.kind == b.kind == "seq":
            return f"(memcmp(&{a.text}, &{b.text}, sizeof({a.text})) == 0)"
        if a.kind == b.kind == "literal":
            inside = [
                f"({' || '.join(f'{x} == {y}' for y in many.items) or '0'})" for one, many in ((a, b), (b, a)) for x in one.items
            ]
            return f"({' && '.join(inside) or '1'})"
        if {a.kind, b.kind} <= {"set", "literal"}:
            return f"({self._none_in(a)}{self._none_in(b)}{self._bits(a)} == {self._bits(b)})"
        raise Refused("this comparison of a sequence")

    def _none_in(self, many: Many) -> str:
        return "".join(f"{x} >= 0 && " for x in many.items)

    def _bits(self, many: Many) -> str:
        if many.kind == "literal":
            return "(" + (" | ".join(f"BIT({x})" for x in many.items) or "(u64)0") + ")"
        return f"(u64){many.text}"

    def bits(self, many: Many) -> str:
        """A collection as a set."""
        if many.kind == "seq":
            assert many.sort is not None
            return f"q{many.sort.index}_bits(&{many.text})"
        return self._bits(many)

    def _contains(self, item: e.Expr, collection: e.Expr) -> str:
        x = self.atom(self.value(item))
        many = self.many(collection)
        match many.kind:
            case "set":
                return f"({self._there(item, x)}((u64){many.text} >> {x} & 1))"
            case "seq":
                assert many.sort is not None
                return f"q{many.sort.index}_has(&{many.text}, {x})"
        return f"({' || '.join(f'{x} == {y}' for y in many.items) or '0'})"

    # ---- collections --------------------------------------------------------------------------------------------

    def many(self, expr: e.Expr) -> Many:
        match expr:
            case e.Literal(items=items):
                self._watch(expr)
                return Many("literal", items=tuple(self.atom(self.value(item)) for item in items))
            case e.Old(operand=operand):
                self._watch(expr)
                saved, self.state = self.state, "o"
                try:
                    return self.many(operand)
                finally:
                    self.state = saved
        match expr.type:
            case SetT(sort):
                return Many("set", self.value(expr), sort=sort)
            case SeqT(sort):
                return Many("seq", self.value(expr), sort=sort)
        raise Refused("a local that is a written-out set")

    # ---- quantifiers --------------------------------------------------------------------------------------------

    def each(self, domain: Sort | EnumDef | e.Expr, name: str) -> tuple[str, str]:
        """Head of a loop over a domain, and what stands first in its body."""
        if isinstance(domain, Sort | EnumDef):
            head = f"for (int {name} = 0; {name} < {self.layout.size(domain)}; {name}++)"
            if isinstance(domain, Sort) and domain.pool:
                return head, f"if (!({self.state}->live{domain.index} >> {name} & 1)) continue;"
            return head, ""
        many = self.many(domain)
        index = self.w.fresh("i")
        match many.kind:
            case "set":
                bits = self.w.temp(many.text, "u64")
                assert many.sort is not None
                return (
                    f"for (int {name} = 0; {name} < {self.layout.sizes[many.sort.index]}; {name}++)",
                    f"if (!({bits} >> {name} & 1)) continue;",
                )
            case "seq":
                return f"for (int {index} = 0; {index} < {many.text}.n; {index}++)", f"int {name} = {many.text}.x[{index}];"
        items = self.w.fresh("a")
        self.w.emit(f"int {items}[] = {{ {', '.join((*many.items, '0'))} }};")
        return f"for (int {index} = 0; {index} < {len(many.items)}; {index}++)", f"int {name} = {items}[{index}];"

    @contextmanager
    def binding(self, slot: int, name: str) -> Iterator[None]:
        """A slot that has another C name for a while, and is never none."""
        before, known = self.bound.get(slot), slot in self.never_none
        self.bound[slot] = name
        self.never_none.add(slot)
        try:
            yield
        finally:
            if before is None:
                del self.bound[slot]
            else:
                self.bound[slot] = before
            if not known:
                self.never_none.discard(slot)

    def _quantifier(self, expr: e.Quantifier) -> str:
        name = self.w.fresh("x")
        head, first = self.each(expr.domain, name)
        with self.binding(expr.slot, name), self.w.captured() as inner:
            condition = self.condition(expr.body)
        found = self.w.temp("0" if expr.kind in ("number", "some") else "1")
        body = " ".join([first, *inner])
        match expr.kind:
            case "number":
                step = f"if ({condition}) {found}++;"
            case "all":
                step = f"if (!{condition}) {{ {found} = 0; break; }}"
            case "some":
                step = f"if ({condition}) {{ {found} = 1; break; }}"
            case _:
                step = f"if ({condition}) {{ {found} = 0; break; }}"
        self.w.emit(f"{head} {{ {body} {step} }}")
        return found

    # ---- unchanged ----------------------------------------------------------------------------------------------

    def _unchanged(self, expr: e.Unchanged) -> str:
        """Nothing was written, or every watched cell is as it was.  The excepted cells are only asked for when something was written."""
        layout = self.layout
        same = self.w.temp("1")
        excepted: dict[int, list[list[str]]] = {}
        with self.w.captured() as inner:
            for read in expr.cells:
                indices = [self.atom(self.value(a)) for a in read.arguments]
                excepted.setdefault(read.field.index, []).append(indices)
            for f in layout.changing:
                if f.is_ghost or f in expr.fields or any(layout.size(owner) == 0 for owner in f.owners):
                    continue
                here, there = layout.place(f, self.state, []), layout.place(f, "o", [])
                if f.index not in excepted:
                    self.w.emit(f"if (memcmp(&{here}, &{there}, sizeof({here}))) {same} = 0;")
                    continue
                names = [self.w.fresh("j") for _ in f.owners]
                loops = "".join(f"for (int {n} = 0; {n} < {layout.size(o)}; {n}++) " for n, o in zip(names, f.owners, strict=True))
                cells = [" && ".join(f"{n} == {i}" for n, i in zip(names, indices, strict=True)) for indices in excepted[f.index]]
                at = "".join(f"[{n}]" for n in names)
                skip = " || ".join(f"({c})" for c in cells)
                self.w.emit(f"{loops}if (!({skip}) && memcmp(&{here}{at}, &{there}{at}, sizeof({here}{at}))) {same} = 0;")
            for sort in layout.system.sorts:
                if sort.pool:
                    self.w.emit(f"if ({self.state}->live{sort.index} != o->live{sort.index}) {same} = 0;")
        self.w.emit(f"if (touched) {{ {' '.join(inner)} }}")
        return same


def _is_many(expr: e.Expr) -> bool:
    return isinstance(expr, e.Literal) or isinstance(expr.type, SetT | SeqT | LiteralT)
