"""A spec's own words without `old`: what is read later of the state before a call is copied when it begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from luocheck.checker.symbolic.parametric.bounds import bounded
from luocheck.checker.symbolic.parametric.frames import placed
from luocheck.checker.symbolic.parametric.marks import Formless, IfRelevant
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.relevance import Flows, reads, relevant_fields, under_old, watched
from luocheck.checker.symbolic.parametric.rewriting import changed, changed_block, fields_read
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event, Kind, Property, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumDef, EnumT, Field, Lifetime, Sort, Type, Value
from luocheck.model.source import NOWHERE


class Copies:
    """Expressions and straight statements of a spec, as far as some claims depend on them."""

    def __init__(
        self, system: System, claims: tuple[Property, ...], chosen: frozenset[int] | None = None, ties: Flows = ()
    ) -> None:
        """chosen, ties: as of `relevant_fields`."""
        self.system = system
        self.claims = claims
        self.few = chosen is not None
        self.slots: list[Type | None] = []
        self.copied: dict[int, Field] = {}
        self.new_fields: list[Field] = []
        self.names_asserted = {claim.name for claim in claims if claim.kind is Kind.ASSERT}
        self.relevant = relevant_fields(system, claims, chosen, ties)
        self.of_graphs = {i for graph in system.graphs if graph.where is not None for i in reads(system, graph.where)}

    def _refuse_fields(self) -> None:
        for f in self.system.fields:
            if f.index in self.relevant:
                self._refuse(f)

    def _refuse(self, f: Field) -> None:
        for owner in f.owners:
            if isinstance(owner, EnumDef):
                raise NoForm(f"`{f.name}` is a field of an enum", f.span)
        if not isinstance(f.type, BoolT | EnumT | ElemT):
            raise NoForm(f"`{f.name}` is a {f.type}, which is not one of finitely many values or an element", f.span)
        if isinstance(f.type, ElemT) and not f.type.optional and f.lifetime is not Lifetime.FIXED:
            raise NoForm(f"`{f.name}` always names an element", f.span)
        if f.drawn and f.lifetime is not Lifetime.FIXED and len(f.owners) > 1:
            raise NoForm(f"`{f.name}` is drawn anew at every kexec", f.span)

    def _lifetimes(self, stmt: st.Reboot) -> list[st.Stmt]:
        return [
            self._for_all_owners(
                f, lambda reads, f=f: st.Assign(*placed(stmt), f, reads, e.Const(stmt.span, f.type, initial_value(f)))
            )
            for f in self.system.fields
            if f.index in self.relevant and f.lifetime is Lifetime.VOLATILE and not f.drawn
        ]

    def _draws(self, stmt: st.Reboot) -> tuple[st.Stmt, ...]:
        """What a kexec draws anew, one value after the other: of every element in a walk."""
        found: list[st.Stmt] = []
        for f in self.system.fields:
            if f.index not in self.relevant or f.lifetime is not Lifetime.VOLATILE or not f.drawn:
                continue
            sorts = [owner for owner in f.owners if isinstance(owner, Sort)]
            slot = self._new_slot(ElemT(sorts[0])) if sorts else 0
            here = tuple(e.Var(stmt.span, ElemT(sort), slot, "") for sort in sorts)
            drawn = any_value(stmt, f, here, self._new_slot)
            if not sorts:
                found += drawn
            else:
                binder = st.OverSort(slot, sorts[0], "any", None)
                step = st.Block(drawn, (), stmt.span)
                found.append(st.Walk(*placed(stmt), f"draw_{f.name}", (binder,), None, False, False, step, None))
        return tuple(found)

    def _for_all_owners(self, f: Field, write: Any) -> st.Stmt:
        variables: list[tuple[int, Sort]] = []
        for owner in f.owners:
            assert isinstance(owner, Sort)
            variables.append((self._new_slot(), owner))
        stmt: st.Stmt = write(tuple(e.Var(NOWHERE, ElemT(sort), slot, "") for slot, sort in variables))
        for slot, sort in reversed(variables):
            stmt = st.Forall(NOWHERE, None, "", slot, sort, None, st.Block((stmt,), (), NOWHERE))
        return stmt

    def _kept(self, event: Event) -> list[st.Stmt]:
        """What is read later of the state before the call is copied at its beginning."""
        needed: set[int] = set()
        conditions = [c.condition for c in self.claims if c.pattern is not None and c.condition is not None and may_match(c, event)]
        conditions += [s.condition for s in st.statements(event.body) if isinstance(s, st.Assert) and s.name in self.names_asserted]
        for effect in event.effects:
            for stmt in st.statements(effect.body):
                if not isinstance(stmt, st.Assign) or stmt.field.index in self.relevant:
                    conditions += st.expressions(stmt)
        for condition in conditions:
            needed |= under_old(self.system, condition)
        return [
            self._for_all_owners(
                f, lambda reads, f=f: st.Assign(NOWHERE, None, "", self._copy(f), reads, e.Read(NOWHERE, f.type, f, reads))
            )
            for f in self.system.fields
            if f.index in needed & self.relevant and f.lifetime is not Lifetime.FIXED
        ]

    def _copy(self, f: Field) -> Field:
        if f.index not in self.copied:
            self._refuse(f)
            self.copied[f.index] = self._new_field(f"old_{f.name}", f.owners, f.type, initial_value(f))
        return self.copied[f.index]

    def _copies(self) -> Iterator[tuple[Field, Field]]:
        for index, copy in self.copied.items():
            yield self.system.fields[index], copy

    def _forgotten(self) -> list[st.Stmt]:
        found: list[st.Stmt] = []
        for _, copy in self._copies():
            initial = e.Const(NOWHERE, copy.type, initial_value(copy))
            found.append(self._for_all_owners(copy, lambda reads, c=copy, v=initial: st.Assign(NOWHERE, None, "", c, reads, v)))
        return found

    def _known(self, expr: e.Expr) -> bool:
        return reads(self.system, expr) <= self.relevant

    def _may(self, condition: e.Expr) -> e.Expr:
        """True wherever the condition may be, as far as it is known."""
        return self._plain(bounded(condition, self._known, True))

    def _must(self, condition: e.Expr) -> e.Expr:
        """True only where the condition is."""
        return self._plain(bounded(condition, self._known, False))

    def _plain(self, expr: e.Expr) -> e.Expr:
        """Without `old` and `unchanged`, which read the copies, and without `idle`."""
        return changed(expr, self._without_old)

    def _without_old(self, part: e.Expr) -> e.Expr | None:
        match part:
            case e.Old(operand=operand):
                return changed(operand, self._as_before)
            case e.Unchanged():
                return self._same_as_before(part)
            case e.Idle():
                return e.Const(part.span, e.BOOL, True)  # calls are not cut into steps that others could see
            case e.IdleCaller(caller=e.Var()):
                return e.Const(part.span, e.BOOL, True)
            case e.IdleCaller():
                raise NoForm("it asks about a caller that it has to look up", part.span)
            case Formless():
                raise NoForm(part.reason, part.span)
            case IfRelevant(said=said):
                if all(read.field.index in self.relevant for read in fields_read(said.expr)):
                    return self._plain(said.expr)
                return e.Const(part.span, e.BOOL, True)
        return None

    def _as_before(self, part: e.Expr) -> e.Expr | None:
        if isinstance(part, e.Read) and part.field.lifetime is not Lifetime.FIXED:
            arguments = tuple(changed(a, self._as_before) for a in part.arguments)
            return e.Read(part.span, part.type, self._copy(part.field), arguments)
        if isinstance(part, Formless):
            raise NoForm(part.reason, part.span)
        return None

    def _same_as_before(self, part: e.Unchanged) -> e.Expr:
        excepted = {f.index for f in part.fields}
        result: e.Expr = e.Const(part.span, e.BOOL, True)
        for f in watched(self.system):
            if f.index in excepted:
                continue
            variables = [(self._new_slot(), owner) for owner in f.owners if isinstance(owner, Sort)]
            reads = tuple(e.Var(part.span, ElemT(sort), slot, "") for slot, sort in variables)
            now, before = e.Read(part.span, f.type, f, reads), e.Read(part.span, f.type, self._copy(f), reads)
            same: e.Expr = e.Compare(part.span, e.BOOL, "==", now, before)
            for cell in part.cells:
                if cell.field is f:
                    here: e.Expr = e.Const(part.span, e.BOOL, True)
                    for argument, read in zip(cell.arguments, reads, strict=True):
                        equal = e.Compare(part.span, e.BOOL, "==", self._plain(argument), read)
                        here = e.And(part.span, e.BOOL, here, equal)
                    same = e.Or(part.span, e.BOOL, here, same)
            for slot, sort in reversed(variables):
                same = e.Quantifier(part.span, e.BOOL, "all", slot, "", sort, same)
            result = e.And(part.span, e.BOOL, result, same)
        return result

    def _plain_stmt(self, stmt: st.Stmt) -> st.Stmt:
        block = changed_block(st.Block((stmt,), (), stmt.span), self._without_old)
        return block.statements[0]

    def _only_relevant(self, block: st.Block) -> st.Block:
        """A straight block without what the claims do not depend on."""
        kept: list[st.Stmt] = []
        for stmt in block.statements:
            match stmt:
                case st.Assign(field=f):
                    if f.index in self.relevant:
                        kept.append(self._plain_stmt(stmt))
                case st.Let():
                    kept.append(self._plain_stmt(stmt))
                case st.If(condition=condition, then=then, orelse=orelse):
                    inner = self._only_relevant(then)
                    other = self._only_relevant(orelse) if orelse is not None else None
                    if inner.statements or (other is not None and other.statements):
                        kept.append(replace(stmt, condition=self._plain(condition), then=inner, orelse=other))
                case st.Forall(where=where, body=body):
                    inner = self._only_relevant(body)
                    if inner.statements:
                        kept.append(replace(stmt, where=self._plain(where) if where is not None else None, body=inner))
                case st.Skip() | st.Arguments() | st.Assert():
                    pass
                case st.Insert(field=f) | st.Remove(field=f) if f.index not in self.relevant:
                    pass
                case _:
                    raise NoForm("this statement has no form for every size", stmt.span)
        return st.Block(tuple(kept), block.locals, block.span)

    def _apart(self, claim: Property) -> e.Expr:
        """The condition of a claim; when its locals are its own, with slots that the call does not use."""
        condition = claim.condition
        assert condition is not None and claim.pattern is not None
        if claim.pattern.event is not None:
            bound = [part for part in e.walk(condition) if isinstance(part, e.Quantifier)]
            for part in bound:
                while len(self.slots) <= part.slot:
                    self.slots.append(None)
            return condition
        first = len(self.slots)
        highest = max((part.slot for part in e.walk(condition) if isinstance(part, e.Quantifier | e.Var)), default=0)
        self.slots += [None] * (highest + 1)

        def moved(part: e.Expr) -> e.Expr | None:
            if isinstance(part, e.Var):
                return replace(part, slot=part.slot + first)
            if isinstance(part, e.Quantifier):
                domain = changed(part.domain, moved) if isinstance(part.domain, e.Expr) else part.domain
                return replace(part, slot=part.slot + first, domain=domain, body=changed(part.body, moved))
            return None

        return changed(condition, moved)

    def _new_slot(self, type_: Type | None = None) -> int:
        self.slots.append(type_)
        return len(self.slots) - 1

    def _new_field(self, name: str, owners: tuple[Any, ...], type_: Type, initial: Value) -> Field:
        taken = {f.name for f in (*self.system.fields, *self.new_fields)}
        while name in taken:
            name += "_"
        made = Field(
            len(self.system.fields) + len(self.new_fields), name, owners, Lifetime.VOLATILE, type_, initial, False, NOWHERE
        )
        self.new_fields.append(made)
        return made


def any_value(stmt: st.Stmt, f: Field, here: tuple[e.Expr, ...], new_slot: Callable[[Type | None], int]) -> tuple[st.Stmt, ...]:
    """A field of some elements gets any value.  new_slot: of a local that is not used."""
    if not isinstance(f.type, ElemT):
        return (_any_of([st.Assign(*placed(stmt), f, here, e.Const(stmt.span, f.type, value)) for value in _values(f.type)]),)
    sort = f.type.sort
    slot = new_slot(ElemT(sort))
    chosen = e.Var(stmt.span, ElemT(sort), slot, "")
    some = (st.Choose(*placed(stmt), slot, sort, None, None), st.Assign(*placed(stmt), f, here, chosen))
    if not f.type.optional:
        return some
    none = st.Block((st.Assign(*placed(stmt), f, here, e.Const(stmt.span, f.type, None)),), (), stmt.span)
    return (st.Sometimes(*placed(stmt), None, None, st.Block(some, (), stmt.span), none),)


def any_local(stmt: st.Stmt, slot: int, type_: Type | None) -> list[st.Stmt]:
    """The ways in which a local can get a value of its type.  Raises NoForm."""

    def let(value: Value) -> st.Stmt:
        assert type_ is not None
        return st.Let(*placed(stmt), slot, "", e.Const(stmt.span, type_, value))

    match type_:
        case ElemT(sort, optional):
            some: st.Stmt = st.Choose(*placed(stmt), slot, sort, None, None)
            return [some, let(None)] if optional else [some]
        case BoolT() | EnumT():
            return [let(value) for value in _values(type_)]
    raise NoForm(f"a local is a {type_}, which is not one of finitely many values or an element", stmt.span)


def _values(type_: Type) -> tuple[bool | int, ...]:
    return (False, True) if isinstance(type_, BoolT) else tuple(range(len(type_.enum.members)))  # type: ignore[union-attr]


def _any_of(options: list[st.Assign]) -> st.Stmt:
    """One of them happens."""
    first, *others = options
    if not others:
        return first
    blocks = [st.Block((each,), (), first.span) for each in (first, _any_of(others))]
    return st.Sometimes(*placed(first), None, None, *blocks)


def may_match(claim: Property, event: Event) -> bool:
    pattern = claim.pattern
    assert pattern is not None
    return pattern.event in (None, event.name) and pattern.kind in (None, event.kind)


def initial_value(f: Field) -> Value:
    if f.initial is not None and not isinstance(f.initial, bool | int | str | tuple | frozenset):
        raise NoForm(f"`{f.name}` begins with the first or last of a sort", f.span)
    return f.initial
