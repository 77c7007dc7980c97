"""Statements that change a field or a pool."""

from __future__ import annotations

from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import ElemT, Field, Lifetime, SeqT, SetT
from luocheck.model.resolve.context import At, Context
from luocheck.model.resolve.expressions import Bad
from luocheck.model.resolve.types import article, optional
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n


def _writable(context: Context, place: e.Read, span: Span) -> Field:
    if place.field.lifetime is Lifetime.FIXED:
        context.error("LUO205", f"`{place.field.name}` is fixed: it is chosen once and never changes", span)
    if context.place.ghosts_only and not place.field.is_ghost:
        context.error(
            "LUO215", f"`on ... {{ }}` may only assign ghosts, and `{place.field.name}` is {place.field.lifetime.value}", span
        )
    for argument in place.arguments:
        if not place.field.is_ghost:
            context.no_ghost(argument)
    return place.field


def _flow(context: Context, target: Field, value: e.Expr) -> None:
    """A ghost's value may go into ghosts only."""
    if not target.is_ghost:
        context.no_ghost(value)


def _one_writer(context: Context, place: e.Read, value: e.Expr | None, span: Span) -> None:
    """In a forall, the place must name every bound element that the written value depends on."""
    if not context.place.in_forall:
        return
    named = {part.slot for a in place.arguments for part in e.walk(a) if isinstance(part, e.Var)}
    inside = {part.slot for part in e.walk(value) if isinstance(part, e.Var)} if value is not None else set()
    for slot in context.place.in_forall:
        if slot in inside and slot not in named:
            context.error(
                "LUO206",
                f"each element would write another value to `{place.field.name}`, and the last one would win",
                span,
                help="name the element in the place that is written, or use a walk",
            )


def assign(context: Context, bare: n.Assign, at: At) -> list[st.Stmt]:
    if isinstance(bare.target, n.NameExpr):
        for result, slot, wanted in context.place.results:
            if result == bare.target.name.text:
                if context.place.in_forall:
                    context.error("LUO206", "each element would give another result", bare.span)
                found = context.resolver.expr(bare.value, optional(wanted))
                context.resolver.require_type(found, optional(wanted))
                return [st.Let(*at, slot, result, context.no_ghost(found))]
        if bare.target.name.text in context.names.known:
            context.error("LUO214", f"`{bare.target.name}` is a parameter or local and cannot be assigned", bare.target.span)
            raise Bad
    place = context.resolver.place(bare.target)
    if place is None:
        raise Bad
    target = _writable(context, place, bare.target.span)
    wanted_type = optional(target.type)
    value = context.resolver.expr(bare.value, wanted_type)
    context.resolver.require_type(value, wanted_type)
    _flow(context, target, value)
    _one_writer(context, place, value, bare.span)
    return [st.Assign(*at, target, place.arguments, value)]


def _collection(context: Context, target: n.Expr, kinds: type[SetT] | type[SeqT] | tuple[type, ...]) -> e.Read:
    place = context.resolver.place(target)
    if place is None:
        raise Bad
    if not isinstance(place.type, kinds):
        wanted = {SetT: "set", SeqT: "sequence"}.get(kinds, "set or sequence") if isinstance(kinds, type) else "set or sequence"
        help = "use `append ... to`" if isinstance(place.type, SeqT) else "use `add ... to`" if isinstance(place.type, SetT) else ""
        context.error("LUO202", f"a {wanted} is needed here, and this is {article(place.type)}", target.span, help=help)
        raise Bad
    _writable(context, place, target.span)
    return place


def insert(context: Context, at: At, item: n.Expr, target: n.Expr, kind: type[SetT] | type[SeqT]) -> list[st.Stmt]:
    place = _collection(context, target, kind)
    assert isinstance(place.type, SetT | SeqT)
    value = context.resolver.expr(item, ElemT(place.type.sort))
    context.resolver.require_type(value, ElemT(place.type.sort))
    _flow(context, place.field, value)
    return [st.Insert(*at, place.field, place.arguments, value)]


def remove(context: Context, at: At, item: n.Expr, target: n.Expr) -> list[st.Stmt]:
    place = _collection(context, target, (SetT, SeqT))
    assert isinstance(place.type, SetT | SeqT)
    value = context.resolver.expr(item, ElemT(place.type.sort))
    context.resolver.require_type(value, ElemT(place.type.sort))
    _flow(context, place.field, value)
    walked = context.place.walked
    if (
        walked is not None
        and _same_place(walked, place)
        and not (isinstance(value, e.Var) and value.slot == context.place.walked_slot)
    ):
        context.error(
            "LUO224", "a walk's step may take only the current element off the list that it walks", at[0], help="use `drains`"
        )
    return [st.Remove(*at, place.field, place.arguments, value)]


def new(context: Context, bare: n.New, at: At) -> st.Stmt:
    slot: int | None = None
    if bare.sort is not None:
        sort = context.symbols.sort(bare.sort)
        if sort is None:
            raise Bad
        slot = context.target(bare.name, ElemT(sort))
    else:
        sort = None
        for result, own, type_ in context.place.results:
            if result == bare.name.text and isinstance(type_, ElemT):
                slot, sort = own, type_.sort
        if slot is None or sort is None:
            context.error("LUO200", f"of which sort is `{bare.name}`?", bare.name.span, help=f"write `new {bare.name}: SORT;`")
            raise Bad
    if not sort.pool:
        context.error(
            "LUO215", f"elements of `{sort.name}` do not come and go", bare.span, help=f"declare `sort {sort.name} pool;`"
        )
    return st.New(*at, slot, sort)


def free(context: Context, bare: n.Free, target: n.Expr, at: At) -> st.Stmt:
    found = context.resolver.expr(target, None)
    if not isinstance(found.type, ElemT) or not found.type.sort.pool:
        help = f"declare `sort {found.type.sort.name} pool;`" if isinstance(found.type, ElemT) else ""
        context.error("LUO215", f"only an element of a pool can be freed, and this is {article(found.type)}", target.span, help)
        raise Bad
    if context.place.in_forall and not (isinstance(found, e.Var) and found.slot in context.place.in_forall):
        context.error("LUO206", "a forall may free only its own element", target.span)
    return st.Free(*at, found.type.sort, context.no_ghost(found))


def _same_place(left: e.Read, right: e.Read) -> bool:
    """Do two places look the same?  (Another expression for the same cell is found at run time as a stale iteration.)"""
    return left.field is right.field and all(
        isinstance(a, e.Var) and isinstance(b, e.Var) and a.slot == b.slot
        for a, b in zip(left.arguments, right.arguments, strict=True)
    )
