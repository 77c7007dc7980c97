"""Expressions: names to slots and fields, types, and the rules about symmetric sorts, `old` and defines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from luocheck.model.diagnostics import did_you_mean
from luocheck.model.ir import expressions as e
from luocheck.model.ir.expressions import BOOL, INT
from luocheck.model.ir.vocabulary import (
    CountT,
    ElemT,
    EnumDef,
    EnumT,
    ErrnoT,
    Field,
    IntT,
    LiteralT,
    NoneT,
    Owner,
    SeqT,
    SetT,
    Sort,
    SortEdge,
    Type,
)
from luocheck.model.resolve.symbols import Symbols
from luocheck.model.resolve.types import article, comparable, fits, optional, owner_type, param_type, plural
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n


@dataclass(slots=True)
class Slots:
    """Numbers the locals of one environment; slot 0 is the state before the call.

    `types[slot]` is the type of a local that lives from one statement to the next, None for the name that a quantifier binds.
    """

    types: list[Type | None] = field(default_factory=lambda: [None])

    def take(self, type_: Type | None) -> int:
        self.types.append(type_)
        return len(self.types) - 1

    @property
    def count(self) -> int:
        return len(self.types)


@dataclass(slots=True)
class Names:
    """The locals that can be seen at a place: name -> what it stands for (a Var, or the argument of an inlined define)."""

    slots: Slots
    known: dict[str, e.Expr] = field(default_factory=dict)
    ghosts: set[int] = field(default_factory=set)
    predicates: dict[tuple[str, int], int] = field(default_factory=dict)
    aliases: dict[int, int] = field(default_factory=dict)  # parameter of an inlined proc -> the local that was passed

    def bind(self, name: str, type_: Type, span: Span, *, quantified: bool = False) -> e.Var:
        var = e.Var(span, type_, self.slots.take(None if quantified else type_), name)
        self.known[name] = var
        return var

    @contextmanager
    def inner(self) -> Iterator[None]:
        """Names bound inside are forgotten afterwards."""
        saved = dict(self.known)
        try:
            yield
        finally:
            self.known = saved


class Bad(Exception):
    """An expression could not be resolved; the diagnostic has been given."""


@dataclass(slots=True)
class ExpressionResolver:
    """Resolves expressions against the symbols of a spec and the locals of one place."""

    symbols: Symbols
    names: Names
    old_allowed: bool = False
    inlining: list[str] = field(default_factory=list)
    in_old: bool = False

    # ---- entry points -------------------------------------------------------------------------------------------

    def boolean(self, node: n.Expr) -> e.Expr:
        """A condition; something false when it is wrong (after reporting)."""
        try:
            found = self.expr(node, BOOL)
            self.require_type(found, BOOL)
            return found
        except Bad:
            return e.Const(node.span, BOOL, False)

    def value(self, node: n.Expr, wanted: Type | None) -> e.Expr | None:
        """A value of a type (of any type when None); None when it is wrong (after reporting)."""
        try:
            found = self.expr(node, wanted)
            if wanted is not None:
                self.require_type(found, wanted)
            return found
        except Bad:
            return None

    def place(self, node: n.Expr) -> e.Read | None:
        """A field that can be written; None when it is not (after reporting)."""
        try:
            found = self.expr(node, None)
        except Bad:
            return None
        if not isinstance(found, e.Read):
            self.error("LUO214", "only a field can be changed here", node.span)
            return None
        return found

    # ---- reporting ----------------------------------------------------------------------------------------------

    def error(self, code: str, message: str, span: Span, help: str = "") -> None:
        self.symbols.diagnostics.error(code, message, span, help=help)

    def bad(self, code: str, message: str, span: Span, help: str = "") -> Bad:
        self.error(code, message, span, help)
        return Bad()

    def undeclared(self, message: str, name: n.Name, known: Iterable[str]) -> Bad:
        self.symbols.unknown(message, name, known)
        return Bad()

    def require_type(self, expr: e.Expr, wanted: Type) -> None:
        if not fits(expr.type, wanted):
            raise self.bad("LUO202", f"this is {article(expr.type)}, but {article(wanted)} is needed here", expr.span)

    # ---- the cases ----------------------------------------------------------------------------------------------

    def expr(self, node: n.Expr, hint: Type | None) -> e.Expr:
        match node:
            case n.Parenthesised(operand=operand):
                return self.expr(operand, hint)
            case n.BoolExpr(span, value):
                return e.Const(span, BOOL, value)
            case n.NumberExpr(span, value):
                return e.Const(span, INT, value)
            case n.NoneExpr(span):
                return e.Const(span, NoneT(), None)
            case n.NameExpr(span, name):
                return self._name(name, span, hint)
            case n.Select():
                return self._select(node)
            case n.Apply():
                return self._apply(node)
            case n.ApplyClosure(span, name, left, right):
                return self._edge(name, (left, right), span, closure=True)
            case n.Not(span, operand):
                return e.Not(span, BOOL, self._condition(operand))
            case n.And(span, left, right):
                return e.And(span, BOOL, self._condition(left), self._condition(right))
            case n.Or(span, left, right):
                return e.Or(span, BOOL, self._condition(left), self._condition(right))
            case n.Implies(span, left, right):
                return e.Implies(span, BOOL, self._condition(left), self._condition(right))
            case n.Compare():
                return self._compare(node)
            case n.Member(span, item, collection):
                return self._contains(span, item, collection)
            case n.NotMember(span, item, collection):
                return e.Not(span, BOOL, self._contains(span, item, collection))
            case n.Arithmetic(span, left, operator, right):
                return e.Arithmetic(span, INT, operator, self._number(left), self._number(right))
            case n.SetLiteral(span, items):
                return self._literal(span, items, hint)
            case n.Quantifier():
                return self._quantifier(node, node.kind, node.binders)
            case n.Old(span, operand):
                return self._old(span, operand, hint)
            case n.Unchanged(span, exceptions):
                return self._unchanged(span, exceptions)
        raise AssertionError(node)

    def _condition(self, node: n.Expr) -> e.Expr:
        found = self.expr(node, BOOL)
        self.require_type(found, BOOL)
        return found

    def _number(self, node: n.Expr) -> e.Expr:
        found = self.expr(node, INT)
        self.require_type(found, INT)
        return found

    # names

    def _name(self, name: n.Name, span: Span, hint: Type | None) -> e.Expr:
        text = name.text
        if text in self.names.known:
            known = self.names.known[text]
            return replace(known, span=span) if isinstance(known, e.Var) else known
        if text in self.symbols.globals:
            found = self.symbols.globals[text]
            return e.Read(span, found.type, found, ())
        if text in self.symbols.defines:
            return self._inline(self.symbols.defines[text], (), span)
        if text == "idle":
            return e.Idle(span, BOOL)
        candidates = self.symbols.members.get(text, [])
        if isinstance(hint, LiteralT):
            hint = hint.item
        if isinstance(hint, EnumT):
            candidates = [c for c in candidates if c[0] is hint.enum] or candidates
        if len(candidates) == 1:
            enum, position = candidates[0]
            return e.Const(span, EnumT(enum), position)
        if candidates:
            options = " or ".join(f"{enum.name}.{text}" for enum, _ in candidates)
            raise self.bad("LUO200", f"`{text}` is a member of several enums", span, help=f"write {options}")
        if self.symbols.is_errno(text):
            return e.Const(span, ErrnoT(), text)
        raise self._unknown(name)

    def _unknown(self, name: n.Name) -> Bad:
        text = name.text
        if text == "any":
            return self.bad("LUO215", "`any` stands only as the initial value of a field", name.span)
        if text in self.symbols.sorts or text in self.symbols.enums:
            return self.bad(
                "LUO200", f"`{text}` is a type, not a value", name.span, help=f"quantify over it: `some x: {text} | ...`"
            )
        if text in self.symbols.procs or text in self.symbols.events:
            return self.bad(
                "LUO200",
                f"`{text}` has effects and cannot stand in an expression",
                name.span,
                help=f"`run {text}(...)` is a statement",
            )
        owners = sorted(owner for owner, table in self.symbols.fields.items() if text in table)
        if owners:
            return self.bad(
                "LUO200",
                f"`{text}` is a field of {owners[0]}, so it needs an element before it",
                name.span,
                help=f"write `x.{text}` with `x: {owners[0]}`",
            )
        known = [*self.names.known, *self.symbols.globals, *self.symbols.defines, *self.symbols.members]
        return self.undeclared(f"`{text}` is not declared", name, known)

    def _select(self, node: n.Select) -> e.Expr:
        owner_node, name, span = node.owner, node.field, node.span
        if isinstance(owner_node, n.NameExpr) and owner_node.name.text not in self.names.known:
            text = owner_node.name.text
            if text in self.symbols.enums:
                return self._member(self.symbols.enums[text], name, span)
            if text in self.symbols.sorts:
                return self._sort_edge(self.symbols.sorts[text], name, span)
        owner = self.expr(owner_node, None)
        match owner.type:
            case ElemT(sort=sort):
                of: Owner = sort
            case EnumT(enum):
                of = enum
            case _:
                raise self.bad("LUO202", f"this is {article(owner.type)} and has no fields", owner.span)
        return self._field_of(of, name, (owner,), span)

    def _field_of(self, owner: Owner, name: n.Name, arguments: tuple[e.Expr, ...], span: Span) -> e.Expr:
        table = self.symbols.fields.get(owner.name, {})
        found = table.get(name.text)
        if found is None:
            raise self.bad("LUO200", f"`{owner.name}` has no field `{name}`", name.span, help=did_you_mean(name.text, table))
        return e.Read(span, found.type, found, arguments)

    def _member(self, enum: EnumDef, name: n.Name, span: Span) -> e.Expr:
        if name.text not in enum.members:
            raise self.bad("LUO200", f"`{enum.name}` has no member `{name}`", name.span, help=did_you_mean(name.text, enum.members))
        return e.Const(span, EnumT(enum), enum.members.index(name.text))

    def _sort_edge(self, sort: Sort, name: n.Name, span: Span) -> e.Expr:
        if name.text not in ("first", "last"):
            raise self.bad("LUO200", f"`{sort.name}.{name}`: a sort has only `.first` and `.last`", name.span)
        if not sort.ordered:
            raise self.bad(
                "LUO203",
                f"`{sort.name}` has no {name} element: it is not ordered",
                span,
                help=f"declare `sort {sort.name} ordered;` if its elements count",
            )
        return e.EdgeOfSort(span, ElemT(sort), SortEdge(sort, name.text == "last"))

    # applications

    def _apply(self, node: n.Apply) -> e.Expr:
        text, arguments, span = node.name.text, node.arguments, node.span
        if text in self.symbols.defines:
            return self._inline(self.symbols.defines[text], arguments, span)
        if text in self.symbols.graphs:
            return self._edge(node.name, arguments, span, closure=False)
        if text in self.symbols.pairs:
            return self._pair(self.symbols.pairs[text], arguments, span)
        match text:
            case "first" | "last":
                (sequence,) = self._arity(node, 1)
                found = self._sequence(sequence)
                return e.SeqEnd(span, ElemT(found.type.sort, optional=True), found, text == "last")  # type: ignore[union-attr]
            case "before":
                sequence, left, right = self._arity(node, 3)
                found = self._sequence(sequence)
                item = ElemT(found.type.sort, optional=True)  # type: ignore[union-attr]
                return e.Before(span, BOOL, found, self._typed(left, item), self._typed(right, item))
            case "next":
                (operand_node,) = self._arity(node, 1)
                operand = self.expr(operand_node, None)
                if not isinstance(operand.type, ElemT):
                    raise self.bad("LUO202", f"`next` needs an element, and this is {article(operand.type)}", operand.span)
                if not operand.type.sort.ordered:
                    raise self.bad("LUO203", f"`{operand.type.sort.name}` has no order, so no element has a next one", span)
                return e.Next(span, ElemT(operand.type.sort, optional=True), operand)
            case "idle":
                (operand_node,) = self._arity(node, 1)
                operand = self.expr(operand_node, None)
                if not isinstance(operand.type, ElemT) or not operand.type.sort.caller:
                    raise self.bad("LUO202", f"`idle` asks about a caller, and this is {article(operand.type)}", operand.span)
                return e.IdleCaller(span, BOOL, operand)
        if text in self.symbols.predicates:
            return self._predicate(node)
        if text in self.symbols.procs or text in self.symbols.events:
            raise self.bad(
                "LUO200",
                f"`{text}` has effects and cannot stand in an expression",
                node.name.span,
                help=f"`run {text}(...)` is a statement",
            )
        known = [
            *self.symbols.defines,
            *self.symbols.graphs,
            *self.symbols.pairs,
            *self.symbols.predicates,
            "first",
            "last",
            "before",
            "next",
        ]
        raise self.undeclared(f"`{text}` is no define, graph or function", node.name, known)

    def _arity(self, node: n.Apply, count: int) -> tuple[n.Expr, ...]:
        if len(node.arguments) != count:
            raise self.bad("LUO210", f"`{node.name}` takes {plural(count, 'argument')}, not {len(node.arguments)}", node.span)
        return node.arguments

    def _typed(self, node: n.Expr, wanted: Type) -> e.Expr:
        found = self.expr(node, wanted)
        self.require_type(found, wanted)
        return found

    def _sequence(self, node: n.Expr) -> e.Expr:
        found = self.expr(node, None)
        if not isinstance(found.type, SeqT):
            raise self.bad("LUO202", f"a sequence is needed here, and this is {article(found.type)}", found.span)
        return found

    def _edge(self, name: n.Name, arguments: tuple[n.Expr, ...], span: Span, closure: bool) -> e.Expr:
        graph = self.symbols.graphs.get(name.text)
        if graph is None:
            raise self.undeclared(f"`{name}` is no graph", name, self.symbols.graphs)
        self.symbols.used.add(name.text)
        if len(arguments) != 2:
            raise self.bad("LUO210", f"`{name}` takes 2 arguments, not {len(arguments)}", span)
        item = ElemT(graph.sort, optional=True)
        return e.HasEdge(span, BOOL, graph, self._typed(arguments[0], item), self._typed(arguments[1], item), closure)

    def _pair(self, found: Field, arguments: tuple[n.Expr, ...], span: Span) -> e.Expr:
        if len(arguments) != len(found.owners):
            raise self.bad("LUO210", f"`{found.name}` takes {plural(len(found.owners), 'argument')}, not {len(arguments)}", span)
        resolved = [self._typed(a, owner_type(o)) for a, o in zip(arguments, found.owners, strict=True)]
        return e.Read(span, found.type, found, tuple(resolved))

    def _predicate(self, node: n.Apply) -> e.Expr:
        (operand,) = self._arity(node, 1)
        found = self.expr(operand, None)
        if not isinstance(found, e.Var):
            raise self.bad("LUO215", f"`{node.name}` asks about a parameter of the call", node.span)
        about = self.symbols.predicates[node.name.text]
        if not isinstance(found.type, ElemT) or found.type.sort.name not in about:
            raise self.bad(
                "LUO202", f"`{node.name}` asks about a {' or '.join(about)}, and this is {article(found.type)}", found.span
            )
        key = (node.name.text, self.names.aliases.get(found.slot, found.slot))
        if key not in self.names.predicates:
            self.names.predicates[key] = self.names.slots.take(BOOL)
        return e.BadHandle(node.span, BOOL, node.name.text, self.names.predicates[key], found)

    def _inline(self, define: n.DefineDecl, arguments: tuple[n.Expr, ...], span: Span) -> e.Expr:
        name = define.name.text
        self.symbols.used.add(name)
        if name in self.inlining:
            self.symbols.recursion(self.inlining, name, span, f"`{name}` is defined by itself")
            raise Bad
        if not self.symbols.count_copy(name, span):
            raise Bad
        if len(arguments) != len(define.params):
            raise self.bad("LUO210", f"`{name}` takes {plural(len(define.params), 'argument')}, not {len(arguments)}", span)
        bound: dict[str, e.Expr] = {}
        for param, argument in zip(define.params, arguments, strict=True):
            wanted = param_type(self.symbols, param)
            if wanted is None:
                raise Bad
            bound[param.name.text] = self._typed(argument, optional(wanted))
        saved, self.names.known = self.names.known, bound
        self.inlining.append(name)
        try:
            return self.expr(define.value, None)
        finally:
            self.inlining.pop()
            self.names.known = saved

    # operators

    def _compare(self, node: n.Compare) -> e.Expr:
        span, operator = node.span, node.operator
        if self._needs_hint(node.left):
            right = self.expr(node.right, None)
            left = self.expr(node.left, right.type)
        else:
            left = self.expr(node.left, None)
            right = self.expr(node.right, left.type)
        if not comparable(left.type, right.type):
            raise self.bad("LUO202", f"{article(left.type)} cannot be compared with {article(right.type)}", span)
        if operator not in ("==", "!="):
            for side in (left, right):
                if isinstance(side.type, ElemT) and not side.type.sort.ordered:
                    raise self.bad(
                        "LUO203",
                        f"elements of `{side.type.sort.name}` have no order, so `{operator}` has no meaning for them",
                        span,
                        help=f"declare `sort {side.type.sort.name} ordered;` if they count",
                    )
                if not isinstance(side.type, ElemT | CountT | IntT):
                    raise self.bad("LUO202", f"`{operator}` compares numbers, not {article(side.type)}", side.span)
        return e.Compare(span, BOOL, operator, left, right)

    def _needs_hint(self, node: n.Expr) -> bool:
        return (
            isinstance(node, n.NameExpr)
            and node.name.text not in self.names.known
            and node.name.text not in self.symbols.globals
            and len(self.symbols.members.get(node.name.text, [])) > 1
        )

    def _contains(self, span: Span, item_node: n.Expr, collection_node: n.Expr) -> e.Expr:
        item = self.expr(item_node, None)
        collection = self.expr(collection_node, LiteralT(item.type))
        of = e.item_type(collection.type)
        if of is None and not (isinstance(collection.type, LiteralT) and collection.type.item is None):
            raise self.bad(
                "LUO202", f"`in` needs a set, a sequence or `{{ ... }}`, and this is {article(collection.type)}", collection.span
            )
        if of is not None and not comparable(item.type, of):
            raise self.bad("LUO202", f"{article(item.type)} cannot be in {article(collection.type)}", span)
        return e.Contains(span, BOOL, item, collection)

    def _literal(self, span: Span, items: tuple[n.Expr, ...], hint: Type | None) -> e.Expr:
        wanted = hint.item if isinstance(hint, LiteralT) else ElemT(hint.sort) if isinstance(hint, SetT) else None
        found = tuple(self.expr(item, wanted) for item in items)
        for other in found[1:]:
            if not comparable(found[0].type, other.type):
                raise self.bad("LUO202", f"{article(found[0].type)} and {article(other.type)} cannot be in one set", other.span)
        type_: Type = LiteralT(found[0].type if found else None)
        if isinstance(hint, SetT):
            for each in found:
                self.require_type(each, ElemT(hint.sort))
            type_ = hint
        return e.Literal(span, type_, found)

    def _quantifier(self, node: n.Quantifier, kind: str, binders: tuple[n.OverSort | n.OverCollection, ...]) -> e.Expr:
        if node.kind == "number" and len(node.binders) > 1:
            raise self.bad("LUO215", "`number of` counts over one name", node.span)
        binder, rest = binders[0], binders[1:]
        self.check_fresh(binder.name)
        domain: Owner | e.Expr
        item: Type
        if isinstance(binder, n.OverSort):
            owner = self.symbols.owner(binder.sort)
            if owner is None:
                raise Bad
            domain, item = owner, owner_type(owner)
        else:
            domain = self.expr(binder.collection, None)
            of = e.item_type(domain.type)
            if of is None:
                raise self.bad("LUO202", f"a set or a sequence is needed here, and this is {article(domain.type)}", domain.span)
            item = of
        with self.names.inner():
            var = self.names.bind(binder.name.text, item, binder.span, quantified=True)
            # `no x, y | p` is `no x | some y | p`; the other quantifiers nest as themselves
            body = self._quantifier(node, "some" if kind == "no" else kind, rest) if rest else self._condition(node.body)
        return e.Quantifier(node.span, INT if kind == "number" else BOOL, kind, var.slot, var.name, domain, body)

    def check_fresh(self, name: n.Name) -> None:
        """A local may hide neither another local nor a top-level name."""
        if not self.symbols.allowed(name):
            raise Bad
        if name.text in self.names.known:
            raise self.bad("LUO201", f"`{name}` is the name of another local here", name.span)
        taken = self.symbols.declared.get(name.text)
        if taken is not None:
            raise self.bad("LUO201", f"`{name}` is the name of a declaration", name.span)
        if name.text in self.symbols.members:
            raise self.bad("LUO201", f"`{name}` is the name of an enum member", name.span)

    # the state before

    def _old(self, span: Span, operand: n.Expr, hint: Type | None) -> e.Expr:
        if not self.old_allowed:
            raise self.bad(
                "LUO209",
                "`old` compares with the state before a call, and there is no call here",
                span,
                help="use it in `after ... check`, `on ... { }` or `assert`",
            )
        if self.in_old:
            raise self.bad("LUO209", "`old` inside `old`", span)
        self.in_old = True
        try:
            found = self.expr(operand, hint)
        finally:
            self.in_old = False
        return e.Old(span, found.type, found)

    def _unchanged(self, span: Span, exceptions: tuple[n.Expr, ...]) -> e.Expr:
        if not self.old_allowed or self.in_old:
            raise self.bad(
                "LUO209",
                "`unchanged` compares with the state before a call, and there is no call here",
                span,
                help="use it in `after ... check`",
            )
        fields: list[Field] = []
        cells: list[e.Read] = []
        for node in exceptions:
            found = self._exception(node)
            if isinstance(found, Field):
                fields.append(found)
            else:
                cells.append(found)
        return e.Unchanged(span, BOOL, tuple(fields), tuple(cells))

    def _exception(self, node: n.Expr) -> Field | e.Read:
        """`a.dev` is one cell, `built` a global, `Session.lost` the field of every session."""
        match node:
            case n.Select(owner=n.NameExpr(name=owner), field=name) if owner.text in self.symbols.sorts:
                table = self.symbols.fields.get(owner.text, {})
                if name.text in table:
                    return table[name.text]
            case n.NameExpr(name=name) if name.text in self.symbols.pairs:
                return self.symbols.pairs[name.text]
        found = self.expr(node, None)
        if not isinstance(found, e.Read):
            raise self.bad("LUO214", "only fields can be excepted", node.span)
        return found if found.arguments else found.field
