"""A whole spec over fields that have a form for every size.

What it can do is what the spec can do, or more: the next element of an ordered sort may be any, and a walk along a list takes the
elements in every order where no claim asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from luocheck.checker.symbolic.parametric.forms import NotSaid, is_there, named, same, sort_of
from luocheck.checker.symbolic.parametric.marks import Formless, Gathered, IfRelevant, Kept
from luocheck.checker.symbolic.parametric.pools import Pools
from luocheck.checker.symbolic.parametric.relevance import is_straight
from luocheck.checker.symbolic.parametric.rewriting import changed
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Effect, Event, Graph, Kind, Property, System
from luocheck.model.ir.vocabulary import CountT, ElemT, Field, NoneT, SeqT, SetT, Sort, Type
from luocheck.model.source import Span


@dataclass(frozen=True, slots=True)
class Formed:
    """A spec over new fields.

    claims: those of the spec, by name.  members: of which list or set a field says what is in it.  orders: of which list a field says
    what comes first, and what is always true of it.  alive: of which sort a field says which elements live.
    """

    system: System
    claims: dict[str, Property]
    members: dict[int, Field] = field(default_factory=dict)
    orders: dict[int, Field] = field(default_factory=dict)
    laws: dict[int, Property] = field(default_factory=dict)
    alive: dict[int, Sort] = field(default_factory=dict)


@cache
def formed(system: System) -> Formed:
    """The spec with its lists, sets and counts said by fields of finitely many values."""
    return _Former(system).formed()


class _Former(Pools):
    def formed(self) -> Formed:
        system = self.system
        events = tuple(self._event(event) for event in system.events)
        self.slots = list(system.boot_slots)
        boot = self.block(system.boot) if system.boot is not None else None
        boot_slots = tuple(self.slots)
        claims = [self._claim(claim) for claim in system.properties]
        made = replace(
            system,
            graphs=tuple(self._graph(graph) for graph in system.graphs),
            enums=tuple(self.enums),
            fields=tuple(self.fields),
            events=events,
            boot=boot,
            boot_slots=boot_slots,
            properties=tuple(claims),
        )
        return Formed(
            made,
            {claim.name: claim for claim in claims},
            {f.index: f for f in system.fields if isinstance(f.type, SetT | SeqT)},
            {order.index: system.fields[index] for index, order in self.orders.items()},
            {order.index: self._law(system.fields[index], order) for index, order in self.orders.items()},
            {alive.index: system.sorts[index] for index, alive in self.alive.items()},
        )

    def _event(self, event: Event) -> Event:
        self.slots = [self.type(each) if each is not None else None for each in event.slots]
        body = self.block(event.body)
        body = replace(body, statements=(*self.arguments_live(event), *body.statements))
        effects = tuple(Effect(effect.pattern, self.block(effect.body)) for effect in event.effects)
        return replace(event, body=body, effects=effects, slots=tuple(self.slots))

    def _graph(self, graph: Graph) -> Graph:
        """Which edges make sense is decided when nothing lives yet of what comes and goes; what asks for that is left out, so that there are more."""
        if graph.where is None:
            return graph
        asked = [part.domain for part in e.walk(graph.where) if isinstance(part, e.Quantifier)]
        if any(isinstance(domain, Sort) and domain.index in self.alive for domain in asked):
            return replace(graph, where=None)
        taken = [part.slot for part in e.walk(graph.where) if isinstance(part, e.Var | e.Quantifier)]
        self.slots = [None] * (1 + max(taken, default=0))
        try:
            where = self.expr(graph.where)
        except NotSaid:
            return replace(graph, where=None)
        unsaid = any(isinstance(part, Formless | IfRelevant) for part in e.walk(where))
        return replace(graph, where=None if unsaid else where)

    def _claim(self, claim: Property) -> Property:
        if claim.condition is None:
            return claim
        taken = [part.slot for part in e.walk(claim.condition) if isinstance(part, e.Var | e.Quantifier)]
        longest = max((len(event.slots) for event in self.system.events), default=0) if claim.pattern is not None else 0
        self.slots = [None] * max([claim.slots, longest, *(slot + 1 for slot in taken)])
        condition = self.expr(claim.condition)
        return replace(claim, condition=condition, slots=max(claim.slots, len(self.slots)))

    def _law(self, f: Field, order: Field) -> Property:
        """What is always so of a list: its members stand in a row."""
        assert isinstance(f.type, SeqT)
        sort, span = f.type.sort, f.span
        self.slots = [None]
        owners = [(self.fresh(), owner) for owner in f.owners]
        lists = tuple(e.Var(span, ElemT(owner), slot, "") for slot, owner in owners if isinstance(owner, Sort))
        slots = [self.fresh() for _ in range(3)]
        x, y, z = (e.Var(span, ElemT(sort), slot, "") for slot in slots)

        def before(a: e.Expr, b: e.Expr) -> e.Expr:
            return e.Read(span, e.BOOL, order, (*lists, a, b))

        def listed(a: e.Expr) -> e.Expr:
            return e.Read(span, e.BOOL, self.fields[f.index], (*lists, a))

        def all_(said: e.Expr, count: int) -> e.Expr:
            for slot in reversed(slots[:count]):
                said = e.Quantifier(span, e.BOOL, "all", slot, "", sort, said)
            return said

        def both(a: e.Expr, b: e.Expr) -> e.Expr:
            return e.And(span, e.BOOL, a, b)

        apart = e.And(
            span, e.BOOL, e.Not(span, e.BOOL, before(x, x)), e.Implies(span, e.BOOL, before(x, y), both(listed(x), listed(y)))
        )
        row = e.Or(span, e.BOOL, same(x, y), e.Or(span, e.BOOL, before(x, y), before(y, x)))
        total = e.Implies(span, e.BOOL, both(listed(x), listed(y)), row)
        chain = e.Implies(span, e.BOOL, both(before(x, y), before(y, z)), before(x, z))
        said = both(all_(both(apart, total), 2), all_(chain, 3))
        for slot, owner in reversed(owners):
            if isinstance(owner, Sort):
                said = e.Quantifier(span, e.BOOL, "all", slot, "", owner, said)
        return Property(f"order of {f.name}", Kind.LEMMA, "", span, said, slots=len(self.slots))

    # ---- statements ---------------------------------------------------------------------------------------------

    def block(self, block: st.Block, *, at_once: bool = False) -> st.Block:
        """at_once: in a `forall`, where nothing is chosen."""
        found: list[st.Stmt] = []
        for stmt in block.statements:
            try:
                if not at_once:
                    found += self.cuts(stmt)
                found += self._statement(stmt, at_once)
            except NotSaid as reason:
                found.append(st.Require(stmt.span, None, stmt.place, Formless(stmt.span, e.BOOL, str(reason))))
        return st.Block(tuple(found), block.locals, block.span)

    def _statement(self, stmt: st.Stmt, at_once: bool) -> list[st.Stmt]:
        match stmt:
            case st.Assign(field=f):
                return self._assign(stmt, f, at_once)
            case st.Let(slot=slot, value=value) if not at_once:
                return self._chosen(stmt, value, lambda x: st.Let(*_at(stmt), slot, stmt.name, x), self.slots[slot])
            case st.Insert(field=f):
                return self._insert(stmt, f, at_once)
            case st.Remove(field=f):
                return self._remove(stmt, f, stmt.arguments, self.expr(stmt.item))
            case st.Find():
                return [self._find(stmt)]
            case st.Choose(slot=slot, sort=sort, where=where) if sort.index in self.alive:
                made = self._rebuilt(stmt, at_once)
                assert isinstance(made, st.Choose)
                return [replace(made, where=self.among_living(sort, e.Var(stmt.span, ElemT(sort), slot, ""), made.where))]
            case st.New():
                return self.new(stmt)
            case st.Free():
                return self.free(stmt, at_once)
            case st.Reboot(boot=boot):
                started = self.block(boot)
                return [replace(stmt, boot=replace(started, statements=(*self.forgets(stmt), *started.statements)))]
            case st.If():
                return [self._if(stmt, at_once)]
            case st.Walk():
                return [self._walk(stmt)]
            case st.Forall(slot=slot, sort=sort, body=body, where=where):
                plain = self.expr(where) if where is not None else None
                those = self.among_living(sort, e.Var(stmt.span, ElemT(sort), slot, ""), plain)
                return [replace(stmt, where=those, body=self.block(body, at_once=True))]
        return [self._rebuilt(stmt, at_once)]

    def _if(self, stmt: st.If, at_once: bool) -> st.Stmt:
        """Where both ways have no choices, nothing in them may end the run, so that it stays one way through the call."""
        before, self.quiet = self.quiet, True
        made = self._rebuilt(stmt, at_once)
        self.quiet = before
        assert isinstance(made, st.If)
        if before or (is_straight(made.then) and (made.orelse is None or is_straight(made.orelse))):
            return made
        return self._rebuilt(stmt, at_once)

    def _rebuilt(self, stmt: st.Stmt, at_once: bool) -> st.Stmt:
        new: dict[str, Any] = {}
        for each in fields(stmt):
            before = getattr(stmt, each.name)
            if isinstance(before, e.Expr):
                new[each.name] = self.expr(before)
            elif isinstance(before, st.Block):
                new[each.name] = self.block(before, at_once=at_once)
            elif isinstance(before, tuple) and each.name == "bindings":
                new[each.name] = tuple((slot, self.expr(value)) for slot, value in before)
        return replace(stmt, **new)

    def _assign(self, stmt: st.Assign, f: Field, at_once: bool) -> list[st.Stmt]:
        arguments = tuple(self.expr(a) for a in stmt.arguments)
        target = self.fields[f.index]

        def write(value: e.Expr) -> st.Stmt:
            return st.Assign(*_at(stmt), target, arguments, value)

        try:
            match f.type:
                case SetT(sort) | SeqT(sort):
                    return self._copied(stmt, f, sort, arguments)
                case CountT(limit):
                    return self._counted(stmt, limit, write, at_once)
        except NotSaid as reason:  # it is refused where the field matters
            unknown = Formless(stmt.span, target.type, str(reason))
            if isinstance(f.type, SetT | SeqT):
                slot, x = self._any(f.type.sort, stmt.span)
                arguments = (*arguments, x)
                return [st.Forall(*_at(stmt), slot, f.type.sort, None, _block([write(unknown)], stmt.span))]
            return [write(unknown)]
        if at_once:
            return [write(self.expr(stmt.value))]
        return self._chosen(stmt, stmt.value, write, target.type)

    def _chosen(self, stmt: st.Stmt, value: e.Expr, write: Callable[[e.Expr], st.Stmt], type_: Type | None) -> list[st.Stmt]:
        """A value is written that may be one of many."""
        span = stmt.span
        none = e.Const(span, NoneT(), None)
        match value:
            case e.Next(type=ElemT(sort)) | e.EdgeOfSort(type=ElemT(sort)):
                slot, x = self._any_local(sort, span)
                some: list[st.Stmt] = [st.Choose(*_at(stmt), slot, sort, None, None), write(x)]
                if isinstance(type_, ElemT) and not type_.optional:
                    return some
                return [st.Sometimes(*_at(stmt), None, None, _block(some, span), _block([write(none)], span))]
            case e.SeqEnd(sequence=sequence, last=last):
                sort = sort_of(sequence)
                slot, x = self._any_local(sort, span)
                where: e.Expr = e.And(
                    span, e.BOOL, self.member(sequence, x, span), self._if_relevant(self.at_end(sequence, x, last, span))
                )
                empty = _block([write(none)], span)
                some = [st.Choose(*_at(stmt), slot, sort, where, None), write(x)]
                return [st.If(*_at(stmt), self.empty(sequence, span), empty, _block(some, span))]
        return [write(self.expr(value))]

    def _any_local(self, sort: Sort, span: Span) -> tuple[int, e.Var]:
        slot = self.fresh(ElemT(sort))
        return slot, e.Var(span, ElemT(sort), slot, "")

    def _if_relevant(self, said: e.Expr) -> e.Expr:
        return IfRelevant(said.span, e.BOOL, Kept(said))

    def _copied(self, stmt: st.Assign, f: Field, sort: Sort, arguments: tuple[e.Expr, ...]) -> list[st.Stmt]:
        span = stmt.span
        first, x = self._any(sort, span)
        member = st.Assign(*_at(stmt), self.fields[f.index], (*arguments, x), self.member(stmt.value, x, span))
        written: list[st.Stmt] = [st.Forall(*_at(stmt), first, sort, None, _block([member], span))]
        if f.index in self.orders:
            second, y = self._any(sort, span)
            order = st.Assign(*_at(stmt), self.orders[f.index], (*arguments, x, y), self.earlier(stmt.value, x, y, span))
            inner = st.Forall(*_at(stmt), second, sort, None, _block([order], span))
            written.insert(0, st.Forall(*_at(stmt), first, sort, None, _block([inner], span)))
        return written

    def _counted(self, stmt: st.Assign, limit: int, write: Callable[[e.Expr], st.Stmt], at_once: bool) -> list[st.Stmt]:
        """A count gets a value; a run in which it would leave its range ends there."""
        span, target = stmt.span, self.type(stmt.field.type)
        match stmt.value:
            case e.Const(value=int(number)):
                return [write(e.Const(span, target, number))]
            case e.Expr(type=CountT()) as source if not isinstance(source, e.Arithmetic):
                step = 0
            case e.Arithmetic(operator=operator, left=e.Expr(type=CountT()) as source, right=e.Const(value=int(number))):
                step = number if operator == "+" else -number
            case _:
                raise NotSaid("it reckons with numbers")
        assert isinstance(source.type, CountT)
        ways: list[st.Stmt] = []
        for value in range(source.type.limit + 1):
            if 0 <= value + step <= limit:
                then = _block([write(e.Const(span, target, value + step))], span)
                ways.append(st.If(*_at(stmt), self._count_is(source, [value]), then, None))
        inside = [v for v in range(source.type.limit + 1) if 0 <= v + step <= limit]
        chain: st.Block | None = None
        for way in reversed(ways):
            assert isinstance(way, st.If)
            chain = _block([replace(way, orelse=chain)], span)
        written = chain.statements if chain is not None else ()
        if len(inside) == source.type.limit + 1:
            return list(written)
        if at_once:
            raise NotSaid("of many elements at once, a count might leave its range")
        return [self._only_if(stmt, self._count_is(source, inside)), *written]

    def _insert(self, stmt: st.Insert, f: Field, at_once: bool) -> list[st.Stmt]:
        span, sort = stmt.span, _sort_of_field(f)
        item = self.expr(stmt.item)
        arguments = tuple(self.expr(a) for a in stmt.arguments)
        there = e.Read(span, e.BOOL, self.fields[f.index], (*arguments, item))
        written: list[st.Stmt] = [st.Assign(*_at(stmt), self.fields[f.index], (*arguments, item), e.Const(span, e.BOOL, True))]
        if f.index in self.orders:
            slot, y = self._any(sort, span)
            listed = e.Read(span, e.BOOL, self.fields[f.index], (*arguments, y))
            order = st.Assign(*_at(stmt), self.orders[f.index], (*arguments, y, item), listed)
            appended = st.Forall(*_at(stmt), slot, sort, None, _block([order], span))
            absent = e.Not(span, e.BOOL, there)
            written = [st.If(*_at(stmt), absent, _block([appended, *written], span), None)]
        if isinstance(item.type, ElemT) and item.type.optional and not at_once:
            written.insert(0, self._only_if(stmt, is_there(item)))
        return written

    def _remove(self, stmt: st.Stmt, f: Field, owner: Iterable[e.Expr], item: e.Expr) -> list[st.Stmt]:
        span, sort = stmt.span, _sort_of_field(f)
        arguments = tuple(self.expr(a) for a in owner)
        no = e.Const(span, e.BOOL, False)
        written: list[st.Stmt] = []
        if f.index in self.orders:
            slot, y = self._any(sort, span)
            ends = [(y, item), (item, y)]
            orders: list[st.Stmt] = [st.Assign(*_at(stmt), self.orders[f.index], (*arguments, *each), no) for each in ends]
            written.append(st.Forall(*_at(stmt), slot, sort, None, _block(orders, span)))
        written.append(st.Assign(*_at(stmt), self.fields[f.index], (*arguments, item), no))
        if isinstance(item.type, ElemT) and item.type.optional:  # to take none out does nothing
            return [st.If(*_at(stmt), is_there(item), _block(written, span), None)]
        return written

    def _only_if(self, stmt: st.Stmt, condition: e.Expr) -> st.Stmt:
        """A run does here what no code may do, unless the condition holds: it ends."""
        return st.Cut(*_at(stmt), e.Not(stmt.span, e.BOOL, self._if_relevant(condition)))

    def _find(self, stmt: st.Find) -> st.Stmt:
        span, sort = stmt.span, sort_of(stmt.sequence)
        x = e.Var(span, ElemT(sort), stmt.slot, "")
        found: e.Expr = self.member(stmt.sequence, x, span)
        wanted = self.expr(stmt.where) if stmt.where is not None else e.Const(span, e.BOOL, True)
        found = e.And(span, e.BOOL, found, wanted)
        slot, y = self._any(sort, span)
        sooner = e.And(span, e.BOOL, self.earlier(stmt.sequence, y, x, span), changed(wanted, lambda p: named(p, stmt.slot, y)))
        first = e.Quantifier(span, e.BOOL, "no", slot, "", sort, sooner)
        found = e.And(span, e.BOOL, found, self._if_relevant(first))
        return st.Choose(*_at(stmt), stmt.slot, sort, found, self.block(stmt.orelse) if stmt.orelse is not None else None)

    def _walk(self, stmt: st.Walk) -> st.Stmt:
        plain = self._rebuilt(stmt, False)
        assert isinstance(plain, st.Walk)
        if stmt.rollback is not None:
            plain = replace(plain, rollback=replace(stmt.rollback, body=self.block(stmt.rollback.body)))
        match stmt.binders:
            case (st.OverSeq(slot=slot, sequence=sequence),):
                pass
            case (st.OverSort(slot=slot, sort=sort),) if sort.index in self.alive:
                living = self.living(sort, e.Var(stmt.span, ElemT(sort), slot, ""))
                return self._gathered(stmt, plain, plain.binders[0], living)
            case _:
                return plain
        span, sort = stmt.span, sort_of(sequence)
        x = e.Var(span, ElemT(sort), slot, "")
        among = self.member(sequence, x, span)
        order: Field | None = None
        owner: tuple[e.Expr, ...] = ()
        taken: tuple[st.Stmt, ...] = ()
        if isinstance(sequence, e.Read):
            f = sequence.field
            if f.index in self.orders and all(isinstance(a, e.Var) for a in sequence.arguments) and not _appends(stmt, f):
                order, owner = self.orders[f.index], tuple(self.expr(a) for a in sequence.arguments)
            if stmt.drains:
                taken = tuple(self._remove(stmt, f, sequence.arguments, x))
        elif stmt.drains:
            raise NotSaid("a list that is not a field has no form")
        return self._gathered(stmt, plain, st.OverSort(slot, sort, "order", None), among, order, owner, taken)

    def _gathered(
        self,
        stmt: st.Walk,
        plain: st.Walk,
        binder: st.OverSort | st.OverSeq,
        among: e.Expr,
        order: Field | None = None,
        owner: tuple[e.Expr, ...] = (),
        taken: tuple[st.Stmt, ...] = (),
    ) -> st.Stmt:
        return Gathered(
            *_at(stmt),
            stmt.name,
            (binder,),
            plain.where,
            stmt.reversed,
            stmt.drains,
            plain.step,
            plain.rollback,
            among,
            order,
            owner,
            taken,
        )


def _appends(walk: st.Walk, f: Field) -> bool:
    """Can the walk put elements at the end of the list that it goes along?"""
    return any(
        isinstance(stmt, st.Reboot) or (isinstance(stmt, st.Insert | st.Assign) and stmt.field is f) for stmt in st.inside(walk)
    )


def _at(stmt: st.Stmt) -> tuple[Span, None, str]:
    return stmt.span, None, stmt.place


def _block(statements: Iterable[st.Stmt], span: Span) -> st.Block:
    return st.Block(tuple(statements), (), span)


def _sort_of_field(f: Field) -> Sort:
    assert isinstance(f.type, SetT | SeqT)
    return f.type.sort
