"""`run`: procs and walks, written out at the place where they are run."""

from __future__ import annotations

from contextlib import suppress

from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import ElemT, SeqT, Type
from luocheck.model.resolve.checks import check_result
from luocheck.model.resolve.context import At, Context, Place
from luocheck.model.resolve.expressions import Bad
from luocheck.model.resolve.types import article, optional, param_type, plural
from luocheck.model.syntax import nodes as n


def run(context: Context, bare: n.Run, at: At) -> st.Stmt:
    name = bare.name.text
    decl = context.symbols.procs.get(name)
    if decl is None:
        if name in context.symbols.events:
            help = "an event is a call from outside; put the common part into a proc"
        else:
            help = ""
        context.symbols.unknown(f"there is no proc or walk `{name}`", bare.name, context.symbols.procs, help)
        raise Bad
    context.symbols.used.add(name)
    if name in context.running:
        context.symbols.recursion(context.running, name, bare.span, f"`{name}` runs itself")
        raise Bad
    if not context.symbols.count_copy(name, bare.span):
        raise Bad
    if len(bare.arguments) != len(decl.params):
        context.error("LUO210", f"`{name}` takes {plural(len(decl.params), 'argument')}, not {len(bare.arguments)}", bare.span)
        raise Bad
    arguments = []
    for param, argument in zip(decl.params, bare.arguments, strict=True):
        wanted = param_type(context.symbols, param)
        value = context.resolver.value(argument, optional(wanted) if wanted else None)
        if value is None:
            raise Bad
        arguments.append(context.no_ghost(value))
    bindings, body, inner = _written_out(context, decl, arguments)
    result = _result_of(context, bare, decl, inner)
    orelse = context.orelse(bare.orelse, catching=True)
    return st.Call(*at, name, bindings, body, inner[0] if inner else None, result, orelse)


def _result_of(context: Context, bare: n.Run, decl: n.ProcDecl | n.WalkDecl, inner: tuple[int, Type] | None) -> int | None:
    if bare.result is None:
        return None
    if inner is None:
        context.error("LUO202", f"`{decl.name}` gives no result", bare.result.span)
        return None
    return context.target(bare.result, inner[1])


def _written_out(
    context: Context, decl: n.ProcDecl | n.WalkDecl, arguments: list[e.Expr] | None
) -> tuple[tuple[tuple[int, e.Expr], ...], st.Block, tuple[int, Type] | None]:
    """Body of a proc or walk with fresh slots for its parameters; without arguments it is only checked."""
    saved_names, context.names.known = context.names.known, {}
    saved_place, context.place = context.place, Place(decl.name.text, in_rollback=context.place.in_rollback)
    context.running.append(decl.name.text)
    context.declared_locals.append([])
    result: tuple[int, Type] | None = None
    try:
        bindings: list[tuple[int, e.Expr]] = []
        for index, param in enumerate(decl.params):
            wanted = param_type(context.symbols, param)
            if wanted is None:
                raise Bad
            slot = context.bind(param.name, wanted)
            if arguments is not None:
                passed = arguments[index]
                bindings.append((slot, passed))
                if isinstance(passed, e.Var):
                    context.names.aliases[slot] = context.names.aliases.get(passed.slot, passed.slot)
        if isinstance(decl, n.ProcDecl):
            if decl.gives is not None:
                result = context.declare_result(decl.gives)
            body = context.block(decl.body)
        else:
            walk = _walk(context, decl)
            body = st.Block((walk,), (), decl.span)
        own = tuple(slot for slot in context.declared_locals[-1] if result is None or slot != result[0])
        body = st.Block(body.statements, body.locals + own, body.span)
        if result is not None and arguments is None and isinstance(decl, n.ProcDecl) and decl.gives is not None:
            check_result(body, result[0], decl.gives, context.symbols.diagnostics)
        return tuple(bindings), body, result
    finally:
        context.declared_locals.pop()
        context.running.pop()
        context.names.known, context.place = saved_names, saved_place


def check_alone(context: Context, decl: n.ProcDecl | n.WalkDecl) -> None:
    """Reports what is wrong in a proc or walk, also when nothing runs it."""
    with suppress(Bad):
        _written_out(context, decl, None)


def _walk(context: Context, decl: n.WalkDecl) -> st.Walk:
    head = decl.head
    binders: list[st.OverSort | st.OverSeq] = []
    with context.names.inner():
        if isinstance(head, n.DrainsHead):
            sequence = context.resolver.place(head.sequence)
            if sequence is None or not isinstance(sequence.type, SeqT):
                if sequence is not None:
                    context.error(
                        "LUO202", f"`drains` needs a sequence field, and this is {article(sequence.type)}", head.sequence.span
                    )
                raise Bad
            slot = context.bind(head.name, ElemT(sequence.type.sort))
            binders.append(st.OverSeq(slot, context.no_ghost(sequence)))
            where, drains, walked, walked_slot = None, True, sequence, slot
        else:
            drains, walked, walked_slot = False, None, None
            for binder in head.binders:
                made = _binder(context, binder)
                binders.append(made)
                if isinstance(made, st.OverSeq) and isinstance(made.sequence, e.Read):
                    walked, walked_slot = made.sequence, made.slot
            where = context.condition(head.where) if head.where is not None else None
        with context.at_place(walked=walked, walked_slot=walked_slot):
            step = context.block(decl.statements, decl.span)
        rollback = None
        if decl.rollback is not None:
            with context.at_place(in_rollback=True):
                rollback = st.Rollback(decl.rollback.extent == "visited", decl.rollback.reversed, context.block(decl.rollback.body))
    own = tuple(binder.slot for binder in binders)
    step = st.Block(step.statements, step.locals, step.span)
    walk = st.Walk(decl.span, None, decl.name.text, decl.name.text, tuple(binders), where, head.reversed, drains, step, rollback)
    context.declared_locals[-1] += own
    return walk


def _binder(context: Context, binder: n.SortBinder | n.SeqBinder) -> st.OverSort | st.OverSeq:
    if isinstance(binder, n.SeqBinder):
        sequence = context.resolver.expr(binder.sequence, None)
        if not isinstance(sequence.type, SeqT):
            context.error(
                "LUO202", f"a walk with `in` needs a sequence, and this is {article(sequence.type)}", binder.sequence.span
            )
            raise Bad
        return st.OverSeq(context.bind(binder.name, ElemT(sequence.type.sort)), context.no_ghost(sequence))
    sort = context.symbols.sort(binder.sort)
    if sort is None:
        raise Bad
    slot = context.bind(binder.name, ElemT(sort))
    match binder.order:
        case n.InOrder():
            if not sort.ordered:
                context.error(
                    "LUO203",
                    f"elements of `{sort.name}` have no order to walk in",
                    binder.span,
                    help="write `in any order` or `along GRAPH`",
                )
            return st.OverSort(slot, sort, "order", None)
        case n.Along(graph=name):
            graph = context.symbols.graphs.get(name.text)
            if graph is None:
                context.symbols.unknown(f"`{name}` is no graph", name, context.symbols.graphs)
                raise Bad
            context.symbols.used.add(name.text)
            if graph.sort is not sort:
                context.error("LUO202", f"`{name}` is a graph on {graph.sort.name}, not on {sort.name}", name.span)
            return st.OverSort(slot, sort, "along", graph.index)
        case n.AnyOrder():
            return st.OverSort(slot, sort, "any", None)
    if not sort.ordered:
        context.error(
            "LUO216",
            f"in which order does this walk visit `{sort.name}`?",
            binder.span,
            help="write `in any order` or `along GRAPH`",
        )
    else:
        context.error("LUO216", f"in which order does this walk visit `{sort.name}`?", binder.span, help="write `in order`")
    return st.OverSort(slot, sort, "any", None)
