"""Rules about whole bodies, asked after names and types are known."""

from __future__ import annotations

from collections.abc import Sequence

from luocheck.model.diagnostics import Diagnostics
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event, Property, Scope
from luocheck.model.ir.vocabulary import ElemT, Sort, Type
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n


def may_fail(block: st.Block) -> st.Stmt | None:
    """The first statement that can end the block with an errno, a panic or no outcome at all; None when it always gets to its end."""
    for stmt in block.statements:
        match stmt:
            case st.Fail() | st.Panic() | st.Require() | st.Await() | st.Step() | st.Reboot() | st.Cut() | st.Acquire() | st.New():
                return stmt
            case st.Choose(orelse=None) | st.Find(orelse=None):
                return stmt
            case st.Call(body=body, orelse=None):
                if may_fail(body) is not None:
                    return stmt
            case st.Call(orelse=st.Block() as orelse):
                if may_fail(orelse) is not None:
                    return stmt
            case st.Walk(step=step):
                if may_fail(step) is not None:
                    return stmt
            case _:
                for inner in st.blocks(stmt):
                    if may_fail(inner) is not None:
                        return stmt
    return None


def check_rollbacks(body: st.Block, diagnostics: Diagnostics) -> None:
    """Rollback steps must not be able to fail."""
    for stmt in st.statements(body):
        if isinstance(stmt, st.Walk) and stmt.rollback is not None:
            culprit = may_fail(stmt.rollback.body)
            if culprit is not None:
                diagnostics.error(
                    "LUO212",
                    f"the rollback of `{stmt.name}` could fail here",
                    culprit.span,
                    help="undoing must always succeed; catch it with `else`",
                )


def check_requires(event: Event, diagnostics: Diagnostics) -> None:
    """`require` comes first in an event and nowhere else."""
    leading = True
    for stmt in event.body.statements:
        if isinstance(stmt, st.Require):
            if not leading:
                _late_require(stmt, diagnostics)
            elif event.kind == "ioctl":
                _lint_require(event, stmt, diagnostics)
        else:
            leading = leading and isinstance(stmt, st.Let | st.Skip | st.Arguments | st.Assert)
            for block in st.blocks(stmt):
                for inner in st.statements(block):
                    if isinstance(inner, st.Require):
                        _late_require(inner, diagnostics)


def _late_require(stmt: st.Stmt, diagnostics: Diagnostics) -> None:
    diagnostics.error(
        "LUO227",
        "`require` comes first in an event: it says that the call cannot be made at all",
        stmt.span,
        help="use `fail E when not ...`",
    )


def _lint_require(event: Event, stmt: st.Require, diagnostics: Diagnostics) -> None:
    """A condition on global state in an ioctl: user space can make the call whatever the kernel's state is."""
    for part in e.walk(stmt.condition):
        if isinstance(part, e.Read) and not part.arguments and part.field.lifetime.value not in ("fixed", "ghost"):
            diagnostics.warning(
                "LUO301",
                f"`require` makes {event.name} impossible instead of failing",
                stmt.span,
                help="use `fail E when ...` unless user space really cannot make the call then",
            )
            return


def check_boot(body: st.Block, diagnostics: Diagnostics) -> None:
    for stmt in st.statements(body):
        if isinstance(stmt, st.Require | st.Step | st.Await | st.Arguments):
            diagnostics.error("LUO215", "this statement has no meaning in `boot`, where there is no caller", stmt.span)
    culprit = returns_errno(body)
    if culprit is not None:
        diagnostics.error(
            "LUO215", "`boot` has no caller to return an errno to", culprit.span, help="catch it with `else`, or `panic`"
        )


def returns_errno(block: st.Block) -> st.Stmt | None:
    """The first statement that can end the block with an errno, None when there is none."""
    for stmt in block.statements:
        if isinstance(stmt, st.Fail):
            return stmt
        for inner in st.blocks(stmt):
            if isinstance(stmt, st.Call) and stmt.orelse is not None and inner is stmt.body:
                continue
            found = returns_errno(inner)
            if found is not None:
                return found
    return None


def lint_steps(events: tuple[Event, ...], scopes: tuple[Scope, ...], diagnostics: Diagnostics) -> None:
    """A `step;` that no scope ever cuts has no effect anywhere.  A statement shared by several events is fine when one of them is cut."""
    cut = {name for scope in scopes for name in scope.stepwise}
    useful = {(s.span.source.name, s.span.start) for ev in events if ev.name in cut for s in st.statements(ev.body)}
    for event in events:
        if event.name in cut:
            continue
        for stmt in st.statements(event.body):
            if isinstance(stmt, st.Step) and (stmt.span.source.name, stmt.span.start) not in useful:
                diagnostics.warning(
                    "LUO302", f"no scope cuts {event.name} into steps", stmt.span, help="list it in a scope: `stepwise ...`"
                )


def check_result(body: st.Block, slot: int, gives: n.Gives, diagnostics: Diagnostics) -> None:
    """Every path that ends with OK must have set the result."""
    open_stops: list[Span] = []
    if _assigned(body, slot, False, open_stops) is False:
        open_stops.append(gives.span)
    for span in open_stops:
        diagnostics.error("LUO213", f"the result `{gives.name}` is not set on a path that ends with OK", span)


def _assigned(block: st.Block, slot: int, before: bool, stops: list[Span]) -> bool | None:
    """Is the slot set when control falls off the end of the block?  None: it never does."""
    now: bool | None = before
    for stmt in block.statements:
        assert now is not None
        match stmt:
            case st.Fail() | st.Panic():
                return None
            case st.Stop():
                if not now:
                    stops.append(stmt.span)
                return None
            case st.Let(slot=written) | st.New(slot=written):
                now = now or written == slot
            case st.Choose(slot=written, orelse=orelse) | st.Find(slot=written, orelse=orelse):
                found = now or written == slot
                now = found if orelse is None else _both(found, _assigned(orelse, slot, now, stops))
            case st.Call(result_to=written, orelse=orelse):
                done = now or written == slot
                now = done if orelse is None else _both(done, _assigned(orelse, slot, now, stops))
            case st.If(then=then, orelse=orelse) | st.Sometimes(then=then, orelse=orelse):
                other = now if orelse is None else _assigned(orelse, slot, now, stops)
                now = _both(_assigned(then, slot, now, stops), other)
        if now is None:
            return None
    return now


def check_given(body: st.Block, slots: Sequence[Type | None], own: int | None, diagnostics: Diagnostics) -> None:
    """`run p() gives v else { .. }` that goes on after the failure: only an element can be none then, other types have no such value."""
    for stmt in st.statements(body):
        if not isinstance(stmt, st.Call) or stmt.orelse is None or stmt.result_to is None or stmt.result_to == own:
            continue
        if isinstance(slots[stmt.result_to], ElemT) or _assigned(stmt.orelse, -1, False, []) is None:
            continue
        diagnostics.error(
            "LUO213",
            "what this call gives has no value when it fails and the `else` goes on",
            stmt.span,
            help="end the `else` with `fail` or `stop`, or use the value in the call that gives it",
        )


def _both(left: bool | None, right: bool | None) -> bool | None:
    if left is None:
        return right
    return left if right is None else left and right


def lint_old(events: tuple[Event, ...], scopes: tuple[Scope, ...], claims: tuple[Property, ...], diagnostics: Diagnostics) -> None:
    """`old(x.f)` of an element that a quantifier binds, in a call that a scope cuts: the state keeps the whole field for each caller.

    With one element there is nothing to complain about, and the callers themselves are few.
    """
    for event in events:
        cutting = [scope for scope in scopes if event.name in scope.stepwise]
        conditions = [s.condition for s in st.statements(event.body) if isinstance(s, st.Assert)]
        for claim in claims:
            pattern = claim.pattern
            about = pattern is not None and pattern.event in (None, event.name) and pattern.kind in (None, event.kind)
            if about and claim.condition is not None:
                conditions.append(claim.condition)
        many = {name for scope in cutting for name, size in scope.sizes if size > 1}
        for condition in conditions if cutting else ():
            bound = {
                part.slot
                for part in e.walk(condition)
                if isinstance(part, e.Quantifier)
                and isinstance(part.domain, Sort)
                and part.domain.name in many
                and not part.domain.caller
            }
            for part in e.walk(condition):
                if isinstance(part, e.Old) and any(isinstance(i, e.Var) and i.slot in bound for i in e.walk(part.operand)):
                    diagnostics.warning(
                        "LUO303",
                        f"this `old` keeps a whole field for each caller inside of {event.name}",
                        part.span,
                        help="remember what the claim needs in a ghost, or cut the call in a smaller scope",
                    )
