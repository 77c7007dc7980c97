"""Statements: events, boot, and the procs and walks that they run, written out at the place of each `run`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from luocheck.model.diagnostics import did_you_mean
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Kind, Property
from luocheck.model.ir.vocabulary import ElemT, ErrnoT, Lock, SeqT, SetT
from luocheck.model.resolve import runs, writes
from luocheck.model.resolve.context import At, Claims, Context, Place
from luocheck.model.resolve.expressions import Bad, Slots
from luocheck.model.resolve.symbols import FAULTS, Symbols
from luocheck.model.resolve.types import article
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n


class BodyResolver(Context):
    """Resolves the body of one event or of boot."""

    def __init__(self, symbols: Symbols, claims: Claims, name: str, boot: n.BootDecl | None, slots: Slots | None = None) -> None:
        super().__init__(symbols, claims, name, slots)
        self.boot = boot
        self.in_call = name != "boot"  # the very first boot belongs to no call, so there is no state before it

    # ---- blocks -------------------------------------------------------------------------------------------------

    def block(self, node: n.Block | tuple[n.Stmt, ...], span: Span | None = None) -> st.Block:
        statements = node.statements if isinstance(node, n.Block) else node
        place = node.span if isinstance(node, n.Block) else span
        assert place is not None
        self.declared_locals.append([])
        with self.names.inner():
            made = [each for stmt in statements for each in self.statement(stmt)]
        return st.Block(tuple(made), tuple(self.declared_locals.pop()), place)

    def statement(self, stmt: n.Stmt) -> list[st.Stmt]:
        out: list[st.Stmt] = []
        label = stmt.label.text if stmt.label else None
        if label is not None:
            self.claims.seen_labels.add(label)
            for claim in self.claims.at.get(label, ()):
                out += self._assert(claim.span, None, claim.name, claim.doc, claim.condition, Kind.ASSERT)
        if self.place.in_forall and not isinstance(stmt.bare, n.Assign | n.Add | n.Remove | n.If | n.Forall | n.Free | n.Skip):
            self.error("LUO206", "this statement has no meaning for all elements at once", stmt.bare.span, help="use a walk")
            return out
        if self.place.ghosts_only and not isinstance(
            stmt.bare, n.Assign | n.Add | n.Remove | n.Append | n.If | n.Forall | n.Let | n.Skip
        ):
            self.error("LUO215", "`on ... { }` may only assign ghosts", stmt.bare.span)
            return out
        with suppress(Bad), self.at_place(label=label or self.place.label):
            out += self._bare(stmt.bare, label)
        return out

    def _bare(self, bare: n.Bare, label: str | None) -> list[st.Stmt]:
        at = (bare.span, label, self.place.name)
        ending = (bare.span, self.place.label, self.place.name)  # `reply: if sometimes { ...; fail EFAULT; }` fails at reply
        match bare:
            case n.FailAgain():
                if not self.place.catching:
                    self.error(
                        "LUO215",
                        "a bare `fail;` passes on a caught errno, and nothing is caught here",
                        bare.span,
                        help="name the errno",
                    )
                return [st.Fail(*ending, None)]
            case n.Fail(errno=errno):
                return [st.Fail(*ending, self._errno(errno))]
            case n.FailWhen(span, errno, condition):
                return [self._only_if(at, self.condition(condition), st.Fail(*ending, self._errno(errno)))]
            case n.FailSometimes(span, name, fault):
                fail = st.Fail(*ending, self.symbols.check_errno(name))
                return [st.Sometimes(span, None, self.place.name, None, self._fault(fault), self._single(fail), None)]
            case n.PanicWhen(span, condition):
                return [self._only_if(at, self.condition(condition), st.Panic(*ending))]
            case n.PanicSometimes(span):
                return [st.Sometimes(span, None, self.place.name, None, None, self._single(st.Panic(*ending)), None)]
            case n.Require(condition=condition):
                return [st.Require(*at, self.condition(condition))]
            case n.Cut(condition=condition):
                return [st.Cut(*at, self.condition(condition))]
            case n.Await(condition=whole):
                condition, awaited = _without_signal(whole, self.symbols)
                return [st.Await(*at, self.condition(condition), awaited.text if awaited else None)]
            case n.Run():
                return [runs.run(self, bare, at)]
            case n.Choose():
                return [self._choose(bare, at)]
            case n.Find():
                return [self._find(bare, at)]
            case n.Assign():
                return writes.assign(self, bare, at)
            case n.Let(name=name, value=value):
                found = self.resolver.expr(value, None)
                ghost = self.reads_ghost(found) is not None
                slot = self.bind(name, found.type)
                if ghost:
                    self.names.ghosts.add(slot)
                return [st.Let(*at, slot, name.text, found)]
            case n.Append(item=item, target=target):
                return writes.insert(self, at, item, target, SeqT)
            case n.Add(item=item, target=target):
                return writes.insert(self, at, item, target, SetT)
            case n.Remove(item=item, target=target):
                return writes.remove(self, at, item, target)
            case n.New():
                return [writes.new(self, bare, at)]
            case n.Free(target=target):
                return [writes.free(self, bare, target, at)]
            case n.Forall():
                return [self._forall(bare, at)]
            case n.If():
                return [self._if(bare, at)]
            case n.Assert(span, name, doc, condition):
                return self._assert(span, label, name, doc, condition, Kind.ASSERT)
            case n.Guard(lock=lock, shared=shared):
                return [st.Acquire(*at, *self._lock(lock, shared), shared, True)]
            case n.Lock(lock=lock, shared=shared):
                return [st.Acquire(*at, *self._lock(lock, shared), shared, False)]
            case n.Unlock(lock=lock) | n.Release(lock=lock):
                return [st.GiveBack(*at, *self._lock(lock, False, taking=False))]
            case n.Keep(lock=lock):
                return [st.Keep(*at, *self._lock(lock, False, taking=False))]
            case n.Reboot():
                return [self._reboot(at)]
            case n.Stop():
                return [st.Stop(*at)]
            case n.Step():
                return [st.Step(*at)]
            case n.Skip():
                return [st.Skip(*at)]
            case n.Arguments():
                return [st.Arguments(*at)]
        raise AssertionError(bare)

    def _single(self, stmt: st.Stmt) -> st.Block:
        return st.Block((stmt,), (), stmt.span)

    def _only_if(self, at: At, condition: e.Expr, then: st.Stmt) -> st.If:
        return st.If(at[0], None, at[2], condition, self._single(then), None)

    def _errno(self, node: n.Expr) -> str | e.Expr:
        if isinstance(node, n.NameExpr):
            text = node.name.text
            if text not in self.names.known and text not in self.symbols.globals:
                return self.symbols.check_errno(node.name)
        found = self.resolver.expr(node, ErrnoT())
        self.resolver.require_type(found, ErrnoT())
        return self.no_ghost(found)

    def _fault(self, name: n.Name | None) -> str | None:
        if name is not None and name.text not in FAULTS:
            help = did_you_mean(name.text, FAULTS) or "the classes are " + ", ".join(FAULTS)
            self.error("LUO218", f"`{name}` is no class of faults", name.span, help=help)
        return name.text if name is not None else None

    def _if(self, bare: n.If, at: At) -> st.Stmt:
        then: st.Block
        condition: e.Expr | None
        match bare.condition:
            case n.PlainCondition(condition=node):
                condition = self.condition(node)
                then, orelse = self.block(bare.then), self._optional(bare.orelse)
                return st.If(*at, condition, then, orelse)
            case n.Sometimes(fault=fault):
                condition = None
            case n.AndSometimes(condition=node, fault=fault):
                condition = self.condition(node)
            case _:
                raise AssertionError(bare.condition)
        if self.place.ghosts_only or self.place.in_forall:
            code = "LUO206" if self.place.in_forall else "LUO215"
            self.error(code, "`sometimes` cannot stand here", bare.condition.span)
        return st.Sometimes(*at, condition, self._fault(fault), self.block(bare.then), self._optional(bare.orelse))

    def _optional(self, block: n.Block | None) -> st.Block | None:
        return self.block(block) if block is not None else None

    def orelse(self, node: n.NoElse | n.Else, catching: bool) -> st.Block | None:
        if isinstance(node, n.NoElse):
            return None
        if not catching:
            return self.block(node.block)
        with self.at_place(catching=True):
            return self.block(node.block)

    # ---- choosing and finding -----------------------------------------------------------------------------------

    def _choose(self, bare: n.Choose, at: At) -> st.Stmt:
        sort = self.symbols.sort(bare.sort)
        if sort is None:
            raise Bad
        orelse = self.orelse(bare.orelse, catching=False)
        slot = self.target(bare.name, ElemT(sort))
        where = self.condition(bare.where) if bare.where is not None else None
        return st.Choose(*at, slot, sort, where, orelse)

    def _find(self, bare: n.Find, at: At) -> st.Stmt:
        sequence = self.resolver.expr(bare.sequence, None)
        if not isinstance(sequence.type, SeqT):
            self.error("LUO202", f"`find` searches a sequence, and this is {article(sequence.type)}", bare.sequence.span)
            raise Bad
        self.no_ghost(sequence)
        orelse = self.orelse(bare.orelse, catching=False)
        slot = self.target(bare.name, ElemT(sequence.type.sort))
        where = self.condition(bare.where) if bare.where is not None else None
        return st.Find(*at, slot, sequence, where, orelse)

    # ---- the rest -----------------------------------------------------------------------------------------------

    def _forall(self, bare: n.Forall, at: At) -> st.Stmt:
        sort = self.symbols.sort(bare.sort)
        if sort is None:
            raise Bad
        self.declared_locals.append([])
        with self.names.inner():
            slot = self.bind(bare.name, ElemT(sort))
            where = self.condition(bare.where) if bare.where is not None else None
            with self.at_place(in_forall=(*self.place.in_forall, slot)):
                body = self.block(bare.body)
        own = self.declared_locals.pop()
        self.declared_locals[-1] += own
        return st.Forall(*at, slot, sort, where, body)

    def _assert(
        self, span: Span, label: str | None, name: n.Name, doc: n.Text | None, condition: n.Expr, kind: Kind
    ) -> list[st.Stmt]:
        before = self.claims.asserts.get(name.text)
        if before is not None and before.span != span:
            self.symbols.diagnostics.error(
                "LUO201", f"there is a claim `{name}` already", name.span, also=((before.span, "first claim"),)
            )
        elif before is None:
            self.symbols.allowed(name)
            self.claims.asserts[name.text] = Property(name.text, kind, doc.text if doc else "", span)
        self.resolver.old_allowed = self.in_call
        try:
            found = self.resolver.boolean(condition)
        finally:
            self.resolver.old_allowed = False
        return [st.Assert(span, label, self.place.name, name.text, found)]

    def _lock(self, ref: n.LockRef, shared: bool, taking: bool = True) -> tuple[Lock, e.Expr | None]:
        lock = self.symbols.locks.get(ref.name.text)
        if lock is None:
            self.symbols.unknown(f"`{ref.name}` is no lock", ref.name, self.symbols.locks)
            raise Bad
        if taking:
            self.symbols.used.add(ref.name.text)
        if shared and not lock.rw:
            self.error("LUO228", f"`{ref.name}` is a mutex and cannot be taken shared", ref.span, help="declare it `rwlock`")
        owner = None
        if lock.owner is not None:
            if ref.owner is None:
                self.error("LUO228", f"`{ref.name}` exists once per {lock.owner.name}", ref.span, help=f"write `{ref.name}(x)`")
                raise Bad
            owner = self.resolver.expr(ref.owner, ElemT(lock.owner, optional=True))
            self.resolver.require_type(owner, ElemT(lock.owner, optional=True))
            self.no_ghost(owner)
        elif ref.owner is not None:
            self.error("LUO228", f"`{ref.name}` exists once and has no owner", ref.span)
        return lock, owner

    def _reboot(self, at: At) -> st.Stmt:
        if self.place.name == "boot":
            self.error("LUO215", "`boot` cannot reboot", at[0])
            raise Bad
        if self.boot is None:
            return st.Reboot(*at, st.Block((), (), at[0]))
        saved_names, self.names.known = self.names.known, {}
        saved_place, self.place = self.place, Place("boot")
        try:
            return st.Reboot(*at, self.block(self.boot.body))
        finally:
            self.names.known, self.place = saved_names, saved_place


def _without_signal(node: n.Expr, symbols: Symbols) -> tuple[n.Expr, n.Name | None]:
    """`C or EINTR` of an `await` as C and the errno: the parser, which knows no errnos, reads it as a condition like any other."""
    match node:
        case n.Or(left=left, right=n.NameExpr(name=name)) if symbols.is_errno(name.text):
            return left, name
        case n.Or(right=inner) | n.And(right=inner) | n.Implies(right=inner):
            place = "right"
        case n.Not(operand=inner):
            place = "operand"
        case n.Quantifier(body=inner):
            place = "body"
        case _:
            return node, None
    rest, signal = _without_signal(inner, symbols)
    return (replace(node, **{place: rest}), signal) if signal is not None else (node, None)  # type: ignore[arg-type]
