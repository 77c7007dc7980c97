"""Elements that come and go, as ordinary ones of which a field says whether they are alive.

A dead element has its initial values, as in the spec, where properties see it so.  `new` takes any element that is neither alive nor named by
a field (the spec takes the first, and none that a local names); a run that reads, writes or frees a dead element ends there, as in the
spec, where it is a finding of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import product
from typing import Any, TypeVar

from luocheck.checker.symbolic.parametric.copies import any_value, initial_value
from luocheck.checker.symbolic.parametric.forms import Forms, NotSaid, is_there, same
from luocheck.checker.symbolic.parametric.marks import Formless, IfRelevant, Kept
from luocheck.checker.symbolic.parametric.relevance import fields_written, reads
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Field, Lifetime, SeqT, SetT, Sort
from luocheck.model.semantics.lifetimes import survivors
from luocheck.model.source import Span

_T = TypeVar("_T")


def without_pools(system: System) -> System:
    """The same system in which no sort is a pool; its `new` and `free` mean nothing any more."""
    changed = {id(sort): replace(sort, pool=False) for sort in system.sorts if sort.pool}
    return _exchanged(system, changed) if changed else system


def _exchanged(value: _T, known: dict[int, Any]) -> _T:
    """A tree in which some objects have been exchanged for others; what is shared in it stays shared.  known: by identity."""
    if id(value) in known:
        return known[id(value)]  # type: ignore[no-any-return]
    made: Any = value
    if isinstance(value, tuple):
        parts = tuple(_exchanged(each, known) for each in value)
        if any(a is not b for a, b in zip(parts, value, strict=True)):
            made = parts
    elif is_dataclass(value) and not isinstance(value, Span) and type(value).__module__.startswith(e.__name__.rsplit(".", 1)[0]):
        new = {each.name: _exchanged(getattr(value, each.name), known) for each in fields(value)}
        if any(new[name] is not getattr(value, name) for name in new):
            made = replace(value, **new)  # type: ignore[type-var]
    else:
        return value
    known[id(value)] = made
    return made  # type: ignore[no-any-return]


class Pools(Forms):
    """Forms of what is said of elements that come and go.  quiet: nothing may end a run where it is."""

    def __init__(self, system: System) -> None:
        super().__init__(without_pools(system))
        self.quiet = False
        _, surviving = survivors(system)
        self.forgotten = [sort.index for sort in system.sorts if sort.index not in surviving]
        name = self._free_name("alive") if any(sort.pool for sort in system.sorts) else ""
        for sort in system.sorts:
            if sort.pool:
                life = Lifetime.PRESERVED if sort.index in surviving else Lifetime.VOLATILE
                here = self.system.sorts[sort.index]
                self.alive[sort.index] = Field(len(self.fields), name, (here,), life, BoolT(), False, False, sort.span)
                self.fields.append(self.alive[sort.index])

    # ---- what is alive ------------------------------------------------------------------------------------------

    def arguments_live(self, event: Event) -> list[st.Stmt]:
        """A call is made with living elements."""
        found: list[st.Stmt] = []
        for parameter in event.parameters:
            if isinstance(parameter.type, ElemT):
                x = e.Var(event.span, parameter.type, parameter.slot, parameter.name)
                alive = self.among_living(parameter.type.sort, x, None)
                if alive is not None:
                    found.append(st.Require(event.span, None, event.name, alive))
        return found

    # ---- new and free -------------------------------------------------------------------------------------------

    def new(self, stmt: st.New) -> list[st.Stmt]:
        """Some element that is neither alive nor named comes to life, with initial values."""
        sort, span = stmt.sort, stmt.span
        x = e.Var(span, ElemT(sort), stmt.slot, "")
        where: e.Expr = e.Not(span, e.BOOL, self.living(sort, x))
        for f in self.system.fields:
            unnamed = self._unnamed(f, x)
            if unnamed is not None:
                where = e.And(span, e.BOOL, where, IfRelevant(span, e.BOOL, Kept(unnamed)))
        born = st.Assign(span, None, stmt.place, self.alive[sort.index], (x,), e.Const(span, e.BOOL, True))
        return [st.Choose(span, None, stmt.place, stmt.slot, sort, where, None), born, *self._begun(stmt, sort, x, at_once=False)]

    def _unnamed(self, f: Field, x: e.Var) -> e.Expr | None:
        """No value of a field is the element, or holds it; None when it cannot."""
        assert isinstance(x.type, ElemT)
        made = self.fields[f.index]
        match f.type:
            case ElemT(sort) if sort is x.type.sort:
                item: tuple[e.Expr, ...] = ()
            case SetT(sort) | SeqT(sort) if sort is x.type.sort:
                item = (x,)
            case _:
                return None
        parts: list[e.Expr] = []
        for owners, bound in self._everywhere(f, x.span):
            read = e.Read(x.span, made.type, made, (*owners, *item))
            said: e.Expr = e.Not(x.span, e.BOOL, read if item else same(read, x))
            for slot, sort in reversed(bound):
                said = e.Quantifier(x.span, e.BOOL, "all", slot, "", sort, said)
            parts.append(said)
        found = parts[0]
        for part in parts[1:]:
            found = e.And(x.span, e.BOOL, found, part)
        return found

    def _everywhere(self, f: Field, span: Span, of: int | None = None) -> Iterator[tuple[list[e.Expr], list[tuple[int, Sort]]]]:
        """Owners of a field that stand for all: what is bound for them, and each member of an enum.  of: a place that is left out."""
        options: list[list[tuple[e.Expr, tuple[int, Sort] | None]]] = []
        for place, owner in enumerate(f.owners):
            if place == of:
                continue
            if isinstance(owner, Sort):
                slot, y = self._any(owner, span)
                options.append([(y, (slot, owner))])
            else:
                options.append([(e.Const(span, EnumT(owner), member), None) for member in range(len(owner.members))])
        for choice in product(*options):
            yield [owner for owner, _ in choice], [bound for _, bound in choice if bound is not None]

    def _begun(self, stmt: st.Stmt, sort: Sort, x: e.Expr, *, at_once: bool) -> list[st.Stmt]:
        """All fields of an element are as at the beginning."""
        found: list[st.Stmt] = []
        for f in self.system.fields:
            made = self.fields[f.index]
            for place in [i for i, owner in enumerate(f.owners) if owner is sort]:
                if made.drawn and len(made.owners) > 1:
                    continue  # it is refused where it matters
                for others, bound in self._everywhere(f, stmt.span, place):
                    owners = (*others[:place], x, *others[place:])
                    found += self._initial(stmt, f, owners, bound, at_once)
        return found

    def _initial(
        self, stmt: st.Stmt, f: Field, owners: tuple[e.Expr, ...], bound: list[tuple[int, Sort]], at_once: bool
    ) -> list[st.Stmt]:
        """A field gets its initial values, and the order of a list is forgotten."""
        span, made = stmt.span, self.fields[f.index]
        if made.drawn:
            if at_once:
                raise NotSaid(f"`{f.name}` is drawn of many elements at once")
            return list(any_value(stmt, made, owners, self.fresh))
        written: list[st.Stmt] = []
        for target in [made, *([self.orders[f.index]] if f.index in self.orders else [])]:
            inner = list(bound)
            items: list[e.Expr] = []
            for owner in target.owners[len(f.owners) :]:
                assert isinstance(owner, Sort)
                slot, y = self._any(owner, span)
                inner.append((slot, owner))
                items.append(y)
            write: st.Stmt = st.Assign(
                span, None, stmt.place, target, (*owners, *items), e.Const(span, target.type, initial_value(target))
            )
            for slot, sort in reversed(inner):
                write = st.Forall(span, None, stmt.place, slot, sort, None, st.Block((write,), (), span))
            written.append(write)
        return written

    def free(self, stmt: st.Free, at_once: bool) -> list[st.Stmt]:
        """An element dies."""
        span, sort = stmt.span, stmt.sort
        x = self.expr(stmt.target)
        if at_once and not isinstance(x, e.Var):
            raise NotSaid("it frees other elements than those that it is about")
        died = st.Assign(span, None, stmt.place, self.alive[sort.index], (x,), e.Const(span, e.BOOL, False))
        return [died, *self._begun(stmt, sort, x, at_once=at_once)]

    # ---- kexec --------------------------------------------------------------------------------------------------

    def forgets(self, stmt: st.Reboot) -> list[st.Stmt]:
        """Of elements that kexec does not keep, it keeps no value either."""
        found: list[st.Stmt] = []
        for f in self.system.fields:
            gone = any(isinstance(owner, Sort) and owner.index in self.forgotten for owner in f.owners)
            if gone and f.lifetime is not Lifetime.VOLATILE:
                for owners, bound in self._everywhere(f, stmt.span):
                    found += self._initial(stmt, f, tuple(owners), bound, at_once=False)
        return found

    # ---- runs that end ------------------------------------------------------------------------------------------

    def cuts(self, stmt: st.Stmt) -> list[st.Stmt]:
        """A run ends where it reads or writes through none, or of a dead element, whatever else is so."""
        if not self.alive or self.quiet:
            return []
        conditions = [IfRelevant(stmt.span, e.BOOL, Kept(said)) for said in self._needs(stmt, frozenset())]
        if not conditions:
            return []
        every: e.Expr = conditions[0]
        for each in conditions[1:]:
            every = e.And(stmt.span, e.BOOL, every, each)
        return [st.Cut(stmt.span, None, stmt.place, e.Not(stmt.span, e.BOOL, every))]

    def _needs(self, stmt: st.Stmt, written: frozenset[int]) -> Iterator[e.Expr]:
        """What must be so for a statement to be executed.  written: fields that were changed since the place where it is asked."""
        found: list[e.Expr] = []
        match stmt:
            case st.Choose() | st.Forall():
                return
            case (
                st.Assign(field=f, arguments=arguments)
                | st.Insert(field=f, arguments=arguments)
                | st.Remove(field=f, arguments=arguments)
            ):
                found += self._owners_live(f, arguments)
            case st.Free(sort=sort, target=target):
                found += self._exists(sort, target)
        first = [stmt.sequence] if isinstance(stmt, st.Find) else list(st.expressions(stmt))
        if isinstance(stmt, st.Walk):
            first = [binder.sequence for binder in stmt.binders[:1] if isinstance(binder, st.OverSeq)]
        for expr in first:
            for read in _surely_read(expr):
                found += self._owners_live(read.field, read.arguments)
        yield from (said for said in found if not written & reads(self.system, said))
        if isinstance(stmt, st.If) and not written & reads(self.system, stmt.condition):
            condition = self.expr(stmt.condition)
            for block, holds in ((stmt.then, condition), (stmt.orelse, e.Not(stmt.span, e.BOOL, condition))):
                done = written
                for inner in block.statements if block is not None else ():
                    if not isinstance(inner, st.Assign | st.If):
                        break
                    for said in self._needs(inner, done):
                        yield e.Implies(stmt.span, e.BOOL, holds, said)
                    done |= fields_written(st.Block((inner,), (), inner.span))

    def _owners_live(self, f: Field, arguments: Iterable[e.Expr]) -> list[e.Expr]:
        return [
            said for owner, x in zip(f.owners, arguments, strict=True) if isinstance(owner, Sort) for said in self._exists(owner, x)
        ]

    def _exists(self, sort: Sort, x: e.Expr) -> list[e.Expr]:
        """The element is there, and alive."""
        now = self.expr(x)
        found: list[e.Expr] = [is_there(now)] if isinstance(now.type, ElemT) and now.type.optional else []
        alive = self.among_living(sort, now, None)
        if any(isinstance(part, Formless) for part in e.walk(now)):
            return []  # the statement is refused where it matters
        return found if alive is None else [*found, alive]


def _surely_read(expr: e.Expr) -> Iterator[e.Read]:
    """The reads that happen whenever an expression is evaluated."""
    match expr:
        case e.And(left=left) | e.Or(left=left) | e.Implies(left=left):
            yield from _surely_read(left)
        case e.Quantifier(domain=domain):
            if isinstance(domain, e.Expr):
                yield from _surely_read(domain)
        case e.Old() | e.Unchanged():
            return
        case _:
            if isinstance(expr, e.Read):
                yield expr
            for child in e.children(expr):
                yield from _surely_read(child)
