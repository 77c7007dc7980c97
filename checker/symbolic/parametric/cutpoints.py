"""A spec without loops: every call is cut where a walk looks for its next element.

The result is a system again, with a global that says where control is, a status of every element for the walk that goes on, and copies
of the locals and of the state before the call, as far as they are needed later.  What it can do between calls is what the spec can do,
or more: a walk may take the elements in every order that the graph allows, an `await` only says that nobody goes on before it, and locks
are not there.  So whatever is proved of it holds for the spec.  (Floyd, Assigning meanings to programs, 1967, cuts loops in this way.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.rewriting import changed, changed_block, fields_read, free_slots
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, PANIC, Event, Kind, Property, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumDef, EnumT, Field, Lifetime, Sort, Type, Value
from luocheck.model.source import NOWHERE, Span

PROVABLE = (Kind.INVARIANT, Kind.LEMMA, Kind.AFTER, Kind.ASSERT, Kind.NEVER)
"""Kinds of claim that say that something is never so."""

Frames = tuple[Any, ...]
"""What happens after a piece of code: () or a frame whose last component is what happens after that.

("seq", statements, rest)   ("call", Call, rest)   ("catch", errno, label, rest)   ("step", Head, rest)   ("undo", Head, rest)
("effects", rest)   ("return", errno, label)
"""

STATUS = ("GONE", "LEFT", "VISITED")
GONE, LEFT, VISITED = range(3)
IDLE = 0
BROKEN = "BROKEN_"
"""Names of places where a claim is false begin so."""


@dataclass(eq=False, slots=True)
class Head:
    """A place where a walk looks for its next element, or undoes its last.

    failing: None for a walk that goes on, else the errno and label with which it fails when all is undone.  live: the locals that the
    code from here on reads.
    """

    number: int
    event: Event
    walk: st.Walk
    rest: Frames
    failing: tuple[str, str | None] | None
    live: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """`PREPARE_prepare_files`, `PREPARE_prepare_files_undo`."""
        return f"{self.event.name}_{self.walk.name}{'_undo' if self.failing is not None else ''}"


@dataclass(frozen=True, slots=True, eq=False)
class _Goto(st.Stmt):
    """Control goes to a head (None: the call is over)."""

    head: Head | None


@dataclass(frozen=True, slots=True, eq=False)
class _Broken(st.Stmt):
    """A claim is false here."""

    claim: str


_Piece = tuple[Event, Head | None, str, list[st.Stmt]]
"""Code without loops: the call that it is of, where it begins, and which of the two things that can happen there."""


@dataclass(slots=True)
class Cut:
    """A system whose calls have no loops.

    system: it; events are the pieces, and belong to `origin[event.index]`.  place: the global that says where control is; its first value
    is `between calls`.  claims: each claim that is to be proved with what it says of `system`, without parameters and without `old`.
    copies: of which field each copy (by its index) is.  relevant: indices of the fields that matter.  declared: so many fields are the
    spec's own, the others were made.
    """

    system: System
    place: Field
    places: EnumDef
    status: dict[int, Field]
    claims: list[tuple[Property, e.Expr]]
    origin: list[Event] = field(default_factory=list)
    copies: dict[int, Field] = field(default_factory=dict)
    relevant: frozenset[int] = frozenset()
    declared: int = 0


def cut(system: System, claims: Iterable[Property]) -> Cut:
    """Cuts the calls of a system at the heads of their walks, as far as it matters to the claims.

    Raises NoForm when something in it has no form for every size.
    """
    return _Cutter(system, tuple(claims)).cut()


class _Cutter:
    def __init__(self, system: System, claims: tuple[Property, ...]) -> None:
        self.system = system
        self.claims = claims
        self.heads: dict[tuple[Any, ...], Head] = {}
        self.todo: list[Head] = []
        self.event: Event = system.events[0]
        self.slots: list[Type | None] = []
        self.slots_of: dict[Event, list[Type | None]] = {}
        self.copied: dict[int, Field] = {}
        self.new_fields: list[Field] = []
        self.registers: dict[tuple[str, int], Field] = {}
        self.broken: dict[str, int] = {}
        self.status_type = EnumDef(len(system.enums), "WalkStatus", STATUS, (0, 1, 2), NOWHERE)
        self.status: dict[int, Field] = {}
        self.names_asserted = {claim.name for claim in claims if claim.kind is Kind.ASSERT}
        self.relevant = _relevant(system, claims)

    # ---- the whole ----------------------------------------------------------------------------------------------

    def cut(self) -> Cut:
        self._refuse_fields()
        bodies: list[_Piece] = []
        head: Head | None
        for event in self.system.events:
            self.event, self.slots = event, self.slots_of.setdefault(event, list(event.slots))
            body = [*self._kept(event), *self._run(("seq", event.body.statements, ("effects",)))]
            bodies.append((event, None, "", body))
            while self.todo:
                head = self.todo.pop()
                if head.failing is None:
                    pieces = [("next", self._visit(head)), ("end", self._end_of_walk(head))]
                else:
                    pieces = [("back", self._undo(head)), ("fail", self._end_of_undo(head))]
                bodies += [(event, head, what, piece) for what, piece in pieces]
        self._find_live(bodies)
        places = ["BETWEEN", *(head.name for head in self._in_order()), *(f"{BROKEN}{name}" for name in self.broken)]
        enum = EnumDef(len(self.system.enums) + 1, "Place", _distinct(places), tuple(range(len(places))), NOWHERE)
        self.place = self._new_field("at", (), EnumT(enum), IDLE)
        patched: list[tuple[Event, Head | None, str, tuple[st.Stmt, ...]]] = []
        for event, head, what, body in bodies:
            self.event, self.slots = event, self.slots_of[event]
            name = event.name if head is None else f"{enum.members[head.number]}_{what}"
            patched.append((event, head, name, (self._require_at(head), *self._loads(head), *self._patched(body))))
        events = [self._piece(number, *each) for number, each in enumerate(patched)]
        system = replace(
            self.system,
            enums=(*self.system.enums, self.status_type, enum),
            fields=(*self.system.fields, *self.new_fields),
            locks=(),
            events=tuple(events),
            boot=self._boot(),
            properties=(),
            expectations=(),
            state_expectations=(),
        )
        result = Cut(
            system,
            self.place,
            enum,
            self.status,
            [],
            [event for event, *_ in patched],
            {copy.index: original for original, copy in self._copies()},
            frozenset(),
        )
        result.declared = len(self.system.fields)
        result.relevant = self.relevant | {f.index for f in self.new_fields}
        result.claims = [(claim, self._goal(claim)) for claim in self.claims]
        return result

    def _piece(self, number: int, event: Event, head: Head | None, name: str, statements: tuple[st.Stmt, ...]) -> Event:
        """A piece of a call as a call of its own; what goes on from a head has no parameters."""
        first = head is None
        types = (*event.slots, *[None] * (len(self.slots_of[event]) - len(event.slots)))
        body = st.Block(statements, (), event.span)
        parameters, predicates = (event.parameters, event.predicates) if first else ((), ())
        return Event(number, "env", name, parameters, predicates, None, body, (), types, None, event.span)

    def _in_order(self) -> list[Head]:
        return sorted(self.heads.values(), key=lambda head: head.number)

    def _refuse_fields(self) -> None:
        for f in self.system.fields:
            if f.index in self.relevant:
                self._refuse(f)

    def _refuse(self, f: Field) -> None:
        for owner in f.owners:
            if isinstance(owner, Sort) and owner.pool:
                raise NoForm(f"elements of `{owner.name}` come and go", f.span)
            if isinstance(owner, EnumDef):
                raise NoForm(f"`{f.name}` is a field of an enum", f.span)
        if not isinstance(f.type, BoolT | EnumT | ElemT):
            raise NoForm(f"`{f.name}` is a {f.type}, which is not one of finitely many values or an element", f.span)
        if isinstance(f.type, ElemT) and not f.type.optional:
            raise NoForm(f"`{f.name}` always names an element", f.span)
        if f.drawn and f.lifetime is not Lifetime.FIXED:
            raise NoForm(f"`{f.name}` is drawn anew at every kexec", f.span)

    def _boot(self) -> st.Block | None:
        block = self.system.boot
        if block is None:
            return None
        for stmt in st.statements(block):
            if isinstance(stmt, st.Walk):
                raise NoForm("boot walks", stmt.span)
        return self._only_relevant(block)

    def _goal(self, claim: Property) -> e.Expr:
        """What a claim says of the cut system."""
        span = claim.span
        if claim.kind in (Kind.INVARIANT, Kind.LEMMA):
            assert claim.condition is not None
            return e.Implies(span, e.BOOL, self._at(IDLE), self._plain(claim.condition))
        number = self.broken.get(claim.name)
        if number is None:
            return e.Const(span, e.BOOL, True)
        return e.Not(span, e.BOOL, self._at(1 + len(self.heads) + number))

    # ---- code ---------------------------------------------------------------------------------------------------

    def _run(self, frames: Frames) -> list[st.Stmt]:
        """The code from here to the next heads; nothing follows it."""
        match frames:
            case ("seq", (), rest):
                return self._run(rest)
            case ("seq", statements, rest):
                return self._statement(statements[0], ("seq", statements[1:], rest))
            case ("call", call, rest):
                if call.result is not None and call.result_to is not None:
                    type_ = self.event.slots[call.result_to]
                    assert type_ is not None
                    value = e.Var(call.span, type_, call.result, "")
                    return [st.Let(*_at(call), call.result_to, "", value), *self._run(rest)]
                return self._run(rest)
            case ("catch", _, _, rest):
                return self._run(rest)
            case ("step", head, rest):
                return [*self._step_done(head), _Goto(*_at(head.walk), head)]
            case ("undo", head, rest):
                return [self._set_status(head, GONE), _Goto(*_at(head.walk), head)]
            case ("effects",):
                return self._return(OK, None)
            case ("return", errno, label):
                return self._claims_after(errno, label)
        raise AssertionError(frames)

    def _statement(self, stmt: st.Stmt, rest: Frames) -> list[st.Stmt]:
        match stmt:
            case st.Assign():
                return [self._plain_stmt(stmt), *self._run(rest)] if stmt.field.index in self.relevant else self._run(rest)
            case st.Let():
                return [self._plain_stmt(stmt), *self._run(rest)]
            case st.Forall():
                block = self._only_relevant(st.Block((stmt,), (), stmt.span))
                return [*block.statements, *self._run(rest)]
            case st.Skip() | st.Arguments() | st.Step() | st.Acquire() | st.GiveBack() | st.Keep():
                return self._run(rest)
            case st.If(condition=condition, then=then, orelse=orelse):
                if _is_straight(then) and (orelse is None or _is_straight(orelse)):
                    block = self._only_relevant(st.Block((stmt,), (), stmt.span))
                    return [*block.statements, *self._run(rest)]
                return [self._if(stmt, condition, ("seq", then.statements, rest), ("seq", _statements(orelse), rest))]
            case st.Sometimes(condition=condition, fault=fault, then=then, orelse=orelse):
                first = self._block(("seq", then.statements, rest), stmt.span)
                second = self._block(("seq", _statements(orelse), rest), stmt.span)
                plain = self._plain(condition) if condition is not None else None
                return [st.Sometimes(*_at(stmt), plain, fault, first, second)]
            case st.Choose(slot=slot, sort=sort, where=where, orelse=orelse):
                if sort.pool:
                    raise NoForm(f"elements of `{sort.name}` come and go", stmt.span)
                plain = self._plain(where) if where is not None else None
                chosen = [st.Choose(*_at(stmt), slot, sort, plain, None), *self._run(rest)]
                if orelse is None:
                    return chosen
                there = e.Quantifier(stmt.span, e.BOOL, "some", slot, "", sort, plain or e.Const(stmt.span, e.BOOL, True))
                none = self._block(("seq", orelse.statements, rest), stmt.span)
                return [st.If(*_at(stmt), there, st.Block(tuple(chosen), (), stmt.span), none)]
            case st.Call(bindings=bindings, body=body):
                lets = [st.Let(*_at(stmt), slot, "", self._plain(value)) for slot, value in bindings]
                return [*lets, *self._run(("seq", body.statements, ("call", stmt, rest)))]
            case st.Walk():
                head = self._head(stmt, rest, None)
                return [self._all_status(head, LEFT), _Goto(*_at(stmt), head)]
            case st.Fail(errno=errno, label=label):
                if isinstance(errno, e.Expr):
                    raise NoForm("it fails with an errno that a field remembers", stmt.span)
                if errno is None:
                    errno, label = _caught(rest)
                return self._fail(errno, label, rest)
            case st.Panic(label=label):
                return self._claims_after(PANIC, label)
            case st.Assert(name=name, condition=condition):
                if name not in self.names_asserted:
                    return self._run(rest)
                return [self._claimed(name, self._plain(condition), self._run(rest), stmt.span)]
            case st.Stop():
                return self._run(_to_the_end(rest))
            case st.Require(condition=condition):
                return [st.If(*_at(stmt), self._plain(condition), self._block(rest, stmt.span), self._never(stmt))]
            case st.Await(condition=condition, errno=errno):
                going_on: list[st.Stmt] = [
                    st.If(*_at(stmt), self._plain(condition), self._block(rest, stmt.span), self._never(stmt))
                ]
                if errno is None:
                    return going_on
                signal = st.Block(tuple(self._fail(errno, stmt.label, rest)), (), stmt.span)
                waits = e.Not(stmt.span, e.BOOL, self._plain(condition))
                return [st.Sometimes(*_at(stmt), waits, "signal", signal, st.Block(tuple(going_on), (), stmt.span))]
            case st.Reboot(boot=boot):
                return [*self._lifetimes(stmt), *self._run(("seq", boot.statements, rest))]
            case st.Cut():
                raise NoForm("a path ends here because the scope is too small", stmt.span)
            case st.New(sort=sort) | st.Free(sort=sort):
                raise NoForm(f"elements of `{sort.name}` come and go", stmt.span)
        field_ = getattr(stmt, "field", None)
        if isinstance(field_, Field) and field_.index not in self.relevant and isinstance(stmt, st.Insert | st.Remove):
            return self._run(rest)
        raise NoForm("this statement works on a list or a set", stmt.span)

    def _if(self, stmt: st.Stmt, condition: e.Expr, then: Frames, orelse: Frames) -> st.Stmt:
        return st.If(*_at(stmt), self._plain(condition), self._block(then, stmt.span), self._block(orelse, stmt.span))

    def _block(self, frames: Frames, span: Span) -> st.Block:
        return st.Block(tuple(self._run(frames)), (), span)

    def _never(self, stmt: st.Stmt) -> st.Block:
        return st.Block((st.Require(*_at(stmt), e.Const(stmt.span, e.BOOL, False)),), (), stmt.span)

    def _claimed(self, claim: str, condition: e.Expr, rest: list[st.Stmt], span: Span) -> st.Stmt:
        """A claim about this place.  Where it is false this can be noticed; the call goes on all the same."""
        self.broken.setdefault(claim, len(self.broken))
        noticed = st.Block((_Broken(span, None, "", claim),), (), span)
        return st.Sometimes(span, None, "", e.Not(span, e.BOOL, condition), None, noticed, st.Block(tuple(rest), (), span))

    def _fail(self, errno: str, label: str | None, rest: Frames) -> list[st.Stmt]:
        """The call fails: to the nearest `else`, over the rollbacks on the way."""
        while True:
            match rest:
                case ("seq", _, following) | ("catch", _, _, following) | ("undo", _, following):
                    rest = following
                case ("call", call, following):
                    if call.orelse is not None:
                        return self._run(("seq", call.orelse.statements, ("catch", errno, label, following)))
                    rest = following
                case ("step", head, following):
                    walk = head.walk
                    if walk.rollback is None:
                        return [self._all_status(head, GONE), *self._fail(errno, label, following)]
                    undo = self._head(walk, following, (errno, label))
                    every = [] if walk.rollback.visited_only else [self._all_status(head, VISITED)]
                    return [*every, _Goto(*_at(walk), undo)]
                case ("effects",):
                    return self._return(errno, label)
                case _:
                    raise AssertionError(rest)

    def _return(self, errno: str, label: str | None) -> list[st.Stmt]:
        after: Frames = ("return", errno, label)
        for effect in reversed(self.event.effects):
            if effect.pattern.matches(self.event, errno, label):
                after = ("seq", effect.body.statements, after)
        return self._run(after)

    def _claims_after(self, outcome: str, label: str | None) -> list[st.Stmt]:
        """The call is over: the claims about it are asked, and all that was kept is forgotten."""
        code: list[st.Stmt] = [_Goto(self.event.span, None, "", None)]
        for claim in reversed(self.claims):
            if claim.pattern is None or not claim.pattern.matches(self.event, outcome, label):
                continue
            condition: e.Expr = e.Const(claim.span, e.BOOL, False)
            if claim.kind is not Kind.NEVER:
                condition = self._plain(self._apart(claim))
            code = [self._claimed(claim.name, condition, code, claim.span)]
        return code

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

    # ---- walks --------------------------------------------------------------------------------------------------

    def _head(self, walk: st.Walk, rest: Frames, failing: tuple[str, str | None] | None) -> Head:
        key = (walk, rest, failing)
        if key not in self.heads:
            if walk.drains or len(walk.binders) != 1 or not isinstance(walk.binders[0], st.OverSort):
                raise NoForm(f"`{walk.name}` walks along a list, or over pairs", walk.span)
            if walk.binders[0].sort.pool:
                raise NoForm(f"elements of `{walk.binders[0].sort.name}` come and go", walk.span)
            outer = _walks_around(rest)
            if outer is not None:
                raise NoForm(f"`{walk.name}` runs inside of the walk `{outer.walk.name}`", walk.span)
            self.heads[key] = Head(len(self.heads) + 1, self.event, walk, rest, failing)
            self.todo.append(self.heads[key])
            self._status_of(walk.binders[0].sort)
        return self.heads[key]

    def _status_of(self, sort: Sort) -> Field:
        if sort.index not in self.status:
            self.status[sort.index] = self._new_field("walk", (sort,), EnumT(self.status_type), GONE)
        return self.status[sort.index]

    def _visit(self, head: Head) -> list[st.Stmt]:
        """The walk takes an element whose turn it is, or passes it."""
        walk = head.walk
        binder = _binder(walk)
        here = e.Var(walk.span, ElemT(binder.sort), binder.slot, "")
        ready = self._has_status(binder.sort, here, LEFT)
        where = self._plain(walk.where) if walk.where is not None else None
        any_order = binder.order == "any"
        if any_order and where is not None:
            ready = e.And(walk.span, e.BOOL, ready, where)
        if binder.graph is not None:
            ready = e.And(walk.span, e.BOOL, ready, self._none_before(walk, here, LEFT, walk.reversed))
        choose = st.Choose(*_at(walk), binder.slot, binder.sort, ready, None)
        step = self._run(("seq", walk.step.statements, ("step", head, head.rest)))
        if any_order or where is None:
            return [choose, *step]
        passed = (self._set_status(head, GONE), _Goto(*_at(walk), head))
        return [choose, st.If(*_at(walk), where, st.Block(tuple(step), (), walk.span), st.Block(passed, (), walk.span))]

    def _none_before(self, walk: st.Walk, here: e.Expr, status: int, backwards: bool) -> e.Expr:
        """No element that has to come before this one has the status."""
        binder = _binder(walk)
        assert binder.graph is not None
        graph = self.system.graphs[binder.graph]
        if not graph.acyclic:
            raise NoForm(f"`{walk.name}` goes along a graph that may have circles", walk.span)
        slot = self._new_slot()
        other = e.Var(walk.span, ElemT(binder.sort), slot, "")
        ends = (other, here) if backwards else (here, other)
        edge = e.HasEdge(walk.span, e.BOOL, graph, ends[0], ends[1], False)
        waits = e.And(walk.span, e.BOOL, edge, self._has_status(binder.sort, other, status))
        return e.Quantifier(walk.span, e.BOOL, "no", slot, "", binder.sort, waits)

    def _step_done(self, head: Head) -> list[st.Stmt]:
        remembered = head.walk.rollback is not None and head.walk.rollback.visited_only
        return [self._set_status(head, VISITED if remembered else GONE)]

    def _end_of_walk(self, head: Head) -> list[st.Stmt]:
        walk = head.walk
        binder = _binder(walk)
        slot = binder.slot
        here = e.Var(walk.span, ElemT(binder.sort), slot, "")
        left = self._has_status(binder.sort, here, LEFT)
        if binder.order == "any" and walk.where is not None:
            left = e.And(walk.span, e.BOOL, left, self._plain(walk.where))
        done = e.Quantifier(walk.span, e.BOOL, "no", slot, "", binder.sort, left)
        return [self._only_if(walk, done), self._all_status(head, GONE), *self._run(head.rest)]

    def _undo(self, head: Head) -> list[st.Stmt]:
        """The rollback takes an element that was visited: the last ones first, when it goes backwards."""
        walk = head.walk
        binder = _binder(walk)
        assert walk.rollback is not None
        here = e.Var(walk.span, ElemT(binder.sort), binder.slot, "")
        ready = self._has_status(binder.sort, here, VISITED)
        if binder.graph is not None:
            backwards = walk.reversed != walk.rollback.reversed
            ready = e.And(walk.span, e.BOOL, ready, self._none_before(walk, here, VISITED, backwards))
        choose = st.Choose(*_at(walk), binder.slot, binder.sort, ready, None)
        return [choose, *self._run(("seq", walk.rollback.body.statements, ("undo", head, head.rest)))]

    def _end_of_undo(self, head: Head) -> list[st.Stmt]:
        walk = head.walk
        binder = _binder(walk)
        assert head.failing is not None
        here = e.Var(walk.span, ElemT(binder.sort), binder.slot, "")
        visited = self._has_status(binder.sort, here, VISITED)
        done = e.Quantifier(walk.span, e.BOOL, "no", binder.slot, "", binder.sort, visited)
        return [self._only_if(walk, done), self._all_status(head, GONE), *self._fail(*head.failing, head.rest)]

    def _only_if(self, walk: st.Walk, condition: e.Expr) -> st.Stmt:
        return st.Require(walk.span, None, walk.name, condition)

    def _has_status(self, sort: Sort, element: e.Expr, status: int) -> e.Expr:
        f = self._status_of(sort)
        read = e.Read(element.span, f.type, f, (element,))
        return e.Compare(element.span, e.BOOL, "==", read, e.Const(element.span, f.type, status))

    def _set_status(self, head: Head, status: int) -> st.Stmt:
        walk = head.walk
        binder = _binder(walk)
        f = self._status_of(binder.sort)
        here = e.Var(walk.span, ElemT(binder.sort), binder.slot, "")
        return st.Assign(*_at(walk), f, (here,), e.Const(walk.span, f.type, status))

    def _all_status(self, head: Head, status: int) -> st.Stmt:
        walk = head.walk
        binder = _binder(walk)
        return st.Forall(*_at(walk), binder.slot, binder.sort, None, st.Block((self._set_status(head, status),), (), walk.span))

    # ---- kexec, the state before the call -----------------------------------------------------------------------

    def _lifetimes(self, stmt: st.Reboot) -> list[st.Stmt]:
        return [
            self._for_all_owners(f, lambda reads, f=f: st.Assign(*_at(stmt), f, reads, e.Const(stmt.span, f.type, _initial(f))))
            for f in self.system.fields
            if f.index in self.relevant and f.lifetime is Lifetime.VOLATILE
        ]

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
        conditions = [
            c.condition for c in self.claims if c.pattern is not None and c.condition is not None and _may_match(c, event)
        ]
        conditions += [s.condition for s in st.statements(event.body) if isinstance(s, st.Assert) and s.name in self.names_asserted]
        for effect in event.effects:
            for stmt in st.statements(effect.body):
                if not isinstance(stmt, st.Assign) or stmt.field.index in self.relevant:
                    conditions += st.expressions(stmt)
        for condition in conditions:
            needed |= _under_old(self.system, condition)
        return [
            self._for_all_owners(
                f, lambda reads, f=f: st.Assign(NOWHERE, None, "", self._copy(f), reads, e.Read(NOWHERE, f.type, f, reads))
            )
            for f in self.system.fields
            if f.index in needed and f.lifetime is not Lifetime.FIXED
        ]

    def _copy(self, f: Field) -> Field:
        if f.index not in self.copied:
            self._refuse(f)
            self.copied[f.index] = self._new_field(f"old_{f.name}", f.owners, f.type, _initial(f))
        return self.copied[f.index]

    def _copies(self) -> Iterator[tuple[Field, Field]]:
        for index, copy in self.copied.items():
            yield self.system.fields[index], copy

    def _forgotten(self) -> list[st.Stmt]:
        found: list[st.Stmt] = []
        for _, copy in self._copies():
            initial = e.Const(NOWHERE, copy.type, _initial(copy))
            found.append(self._for_all_owners(copy, lambda reads, c=copy, v=initial: st.Assign(NOWHERE, None, "", c, reads, v)))
        return found

    # ---- expressions --------------------------------------------------------------------------------------------

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
            case e.Quantifier(kind="number"):
                raise NoForm("it counts elements", part.span)
        return None

    def _as_before(self, part: e.Expr) -> e.Expr | None:
        if isinstance(part, e.Read) and part.field.lifetime is not Lifetime.FIXED:
            arguments = tuple(changed(a, self._as_before) for a in part.arguments)
            return e.Read(part.span, part.type, self._copy(part.field), arguments)
        return None

    def _same_as_before(self, part: e.Unchanged) -> e.Expr:
        excepted = {f.index for f in part.fields}
        result: e.Expr = e.Const(part.span, e.BOOL, True)
        for f in _watched(self.system):
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
                case st.Forall(where=where, body=body, sort=sort):
                    inner = self._only_relevant(body)
                    if inner.statements:
                        if sort.pool:
                            raise NoForm(f"elements of `{sort.name}` come and go", stmt.span)
                        kept.append(replace(stmt, where=self._plain(where) if where is not None else None, body=inner))
                case st.Skip() | st.Arguments() | st.Assert():
                    pass
                case st.Insert(field=f) | st.Remove(field=f) if f.index not in self.relevant:
                    pass
                case _:
                    raise NoForm("this statement has no form for every size", stmt.span)
        return st.Block(tuple(kept), block.locals, block.span)

    def _at(self, number: int) -> e.Expr:
        read = e.Read(NOWHERE, self.place.type, self.place, ())
        return e.Compare(NOWHERE, e.BOOL, "==", read, e.Const(NOWHERE, self.place.type, number))

    def _new_slot(self) -> int:
        self.slots.append(None)
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

    # ---- what is kept at a head ---------------------------------------------------------------------------------

    def _find_live(self, bodies: list[_Piece]) -> None:
        """Least sets of locals: what the pieces at a head read, and what the heads that they lead to need."""
        live: dict[Head, frozenset[int]] = {head: frozenset() for head in self.heads.values()}
        while True:
            before = dict(live)
            for _, head, _, body in bodies:
                if head is not None:
                    live[head] |= _live(body, live)
            if live == before:
                break
        for head, slots in live.items():
            head.live = tuple(sorted(slots))

    def _register(self, head: Head, slot: int) -> Field:
        type_ = head.event.slots[slot]
        assert type_ is not None
        kept = ElemT(type_.sort, True) if isinstance(type_, ElemT) else type_
        same = [other for other in head.live if str(head.event.slots[other]).rstrip("?") == str(type_).rstrip("?")]
        key = (str(type_).rstrip("?"), same.index(slot))
        if key not in self.registers:
            name = f"the_{key[0].lower()}" + (str(key[1] + 1) if key[1] else "")
            self.registers[key] = self._new_field(
                name, (), kept, False if isinstance(kept, BoolT) else None if isinstance(kept, ElemT) else 0
            )
        return self.registers[key]

    def _require_at(self, head: Head | None) -> st.Stmt:
        return st.Require(NOWHERE, None, "", self._at(head.number if head is not None else IDLE))

    def _loads(self, head: Head | None) -> list[st.Stmt]:
        if head is None:
            return []
        found: list[st.Stmt] = []
        for slot in head.live:
            register = self._register(head, slot)
            type_ = head.event.slots[slot]
            assert type_ is not None
            found.append(st.Let(NOWHERE, None, "", slot, "", e.Read(NOWHERE, type_, register, ())))
        return found

    def _patched(self, statements: Iterable[st.Stmt]) -> list[st.Stmt]:
        """Jumps become assignments."""
        found: list[st.Stmt] = []
        for stmt in statements:
            match stmt:
                case _Goto(head=head):
                    found += self._jump(head)
                case _Broken(claim=claim):
                    found += self._jump(None, 1 + len(self.heads) + self.broken[claim])
                case st.If(then=then, orelse=orelse) | st.Sometimes(then=then, orelse=orelse):
                    other = st.Block(tuple(self._patched(orelse.statements)), (), orelse.span) if orelse is not None else None
                    found.append(replace(stmt, then=st.Block(tuple(self._patched(then.statements)), (), then.span), orelse=other))
                case _:
                    found.append(stmt)
        return found

    def _jump(self, head: Head | None, number: int = IDLE) -> list[st.Stmt]:
        found: list[st.Stmt] = []
        used: set[int] = set()
        for slot in head.live if head is not None else ():
            register = self._register(head, slot)  # type: ignore[arg-type]
            used.add(register.index)
            found.append(st.Assign(NOWHERE, None, "", register, (), e.Var(NOWHERE, register.type, slot, "")))
        for register in self.registers.values():
            if register.index not in used:
                found.append(st.Assign(NOWHERE, None, "", register, (), e.Const(NOWHERE, register.type, register.initial)))  # type: ignore[arg-type]
        if head is None:
            found += self._forgotten()
        place = e.Const(NOWHERE, self.place.type, head.number if head is not None else number)
        return [*found, st.Assign(NOWHERE, None, "", self.place, (), place)]


# ---- questions about code ---------------------------------------------------------------------------------------


def _at(stmt: st.Stmt) -> tuple[Span, None, str]:
    return stmt.span, None, stmt.place


def _statements(block: st.Block | None) -> tuple[st.Stmt, ...]:
    return block.statements if block is not None else ()


def _binder(walk: st.Walk) -> st.OverSort:
    binder = walk.binders[0]
    assert isinstance(binder, st.OverSort)
    return binder


def _is_straight(block: st.Block) -> bool:
    """Does the block always get to its end, without a choice or a walk?"""
    for stmt in block.statements:
        match stmt:
            case st.Assign() | st.Forall() | st.Skip() | st.Arguments():
                pass
            case st.If(then=then, orelse=orelse):
                if not _is_straight(then) or (orelse is not None and not _is_straight(orelse)):
                    return False
            case _:
                return False
    return True


def _caught(frames: Frames) -> tuple[str, str | None]:
    """What a bare `fail` passes on."""
    while frames[0] != "catch":
        frames = frames[-1]
    return frames[1], frames[2]


def _to_the_end(frames: Frames) -> Frames:
    """What `stop` ends: the step of a walk, the proc, the event."""
    while frames[0] in ("seq", "catch"):
        frames = frames[-1]
    return frames


def _walks_around(frames: Frames) -> Head | None:
    while frames and frames[0] not in ("step", "undo"):
        if frames[0] in ("effects", "return"):
            return None
        frames = frames[-1]
    return frames[1] if frames else None


def _live(statements: Iterable[st.Stmt], live: dict[Head, frozenset[int]]) -> frozenset[int]:
    """The locals that are read before they are written."""
    found: frozenset[int] = frozenset()
    for stmt in reversed(tuple(statements)):
        match stmt:
            case _Goto(head=head):
                found = live[head] if head is not None else frozenset()
            case _Broken():
                found = frozenset()
            case st.Let(slot=slot, value=value):
                found = (found - {slot}) | free_slots(value)
            case st.Choose(slot=slot, where=where):
                found = (found | (free_slots(where) if where is not None else frozenset())) - {slot}
            case st.Forall(slot=slot, where=where, body=body):
                inner = _live(body.statements, live) | (free_slots(where) if where is not None else frozenset())
                found |= inner - {slot}
            case st.If(then=then, orelse=orelse) | st.Sometimes(then=then, orelse=orelse):
                found |= _live(then.statements, live) | _live(_statements(orelse), live)
                for expr in st.expressions(stmt):
                    found |= free_slots(expr)
            case _:
                for expr in st.expressions(stmt):
                    found |= free_slots(expr)
    return found


def _may_match(claim: Property, event: Event) -> bool:
    pattern = claim.pattern
    assert pattern is not None
    return pattern.event in (None, event.name) and pattern.kind in (None, event.kind)


def _watched(system: System) -> list[Field]:
    return [f for f in system.fields if f.lifetime in (Lifetime.VOLATILE, Lifetime.PRESERVED)]


def _under_old(system: System, condition: e.Expr) -> set[int]:
    found: set[int] = set()
    for part in e.walk(condition):
        if isinstance(part, e.Old):
            found |= {read.field.index for read in fields_read(part.operand)}
        elif isinstance(part, e.Unchanged):
            found |= {f.index for f in _watched(system)} - {f.index for f in part.fields}
    return found


def _initial(f: Field) -> Value:
    if f.initial is not None and not isinstance(f.initial, bool | int | str | tuple | frozenset):
        raise NoForm(f"`{f.name}` begins with the first or last of a sort", f.span)
    return f.initial


def _distinct(names: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        count = sum(other == name or (other.startswith(f"{name}_") and other[len(name) + 1 :].isdigit()) for other in found)
        found.append(f"{name}_{count + 1}" if count else name)
    return tuple(found)


def _relevant(system: System, claims: tuple[Property, ...]) -> frozenset[int]:
    """Fields that the claims depend on: what they read, what decides where control goes, and what flows into either."""
    found: set[int] = set()
    asserted = {claim.name for claim in claims if claim.kind is Kind.ASSERT}
    for claim in claims:
        if claim.condition is not None:
            found |= _reads(system, claim.condition)
    flows: list[tuple[int, set[int]]] = []
    bodies = [block for _, block in system.bodies()]
    bodies += [effect.body for event in system.events for effect in event.effects]
    for body in bodies:
        for stmt in st.statements(body):
            match stmt:
                case st.Assign(field=f):
                    flows.append((f.index, set().union(*(_reads(system, x) for x in st.expressions(stmt)))))
                case st.Insert(field=f) | st.Remove(field=f):
                    flows.append((f.index, set().union(*(_reads(system, x) for x in st.expressions(stmt)))))
                case st.If(then=then, orelse=orelse) if _is_straight(then) and (orelse is None or _is_straight(orelse)):
                    for written in _written(then) | (_written(orelse) if orelse is not None else set()):
                        flows.append((written, _reads(system, stmt.condition)))
                case st.Forall(where=where, body=inner):
                    if where is not None:
                        flows += [(written, _reads(system, where)) for written in _written(inner)]
                case st.Assert(name=name) if name not in asserted:
                    pass
                case _:
                    for expr in st.expressions(stmt):
                        found |= _reads(system, expr)
    while True:
        more = set().union(*(reads for written, reads in flows if written in found)) - found
        if not more:
            return frozenset(found)
        found |= more


def _reads(system: System, expr: e.Expr) -> set[int]:
    found = {read.field.index for read in fields_read(expr)}
    for part in e.walk(expr):
        if isinstance(part, e.Unchanged):
            found |= {f.index for f in _watched(system)} - {f.index for f in part.fields}
    return found


def _written(block: st.Block) -> set[int]:
    return {stmt.field.index for stmt in st.statements(block) if isinstance(stmt, st.Assign | st.Insert | st.Remove)}
