"""A spec without loops: every call is cut where a walk looks for its next element.

The result is a system again, with a global that says where control is, a status of every element for the walk that goes on, and copies
of the locals and of the state before the call, as far as they are needed later.  What it can do between calls is what the spec can do,
or more: a walk may take the elements in every order that the graph allows, an `await` only says that nobody goes on before it, and locks
are not there.  So whatever is proved of it holds for the spec.  (Floyd, Assigning meanings to programs, 1967, cuts loops in this way.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from luocheck.checker.symbolic.parametric.copies import any_local
from luocheck.checker.symbolic.parametric.formed import formed
from luocheck.checker.symbolic.parametric.frames import (
    Broken,
    Frames,
    Goto,
    Head,
    boots,
    caught,
    placed,
    statements_of,
    to_the_end,
)
from luocheck.checker.symbolic.parametric.heads import GONE, IDLE, Piece
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.relevance import is_straight, reads
from luocheck.checker.symbolic.parametric.turns import Turns
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, PANIC, Event, Kind, Property, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumDef, EnumT, Field, Sort, Value
from luocheck.model.source import NOWHERE, Span

PROVABLE = (Kind.INVARIANT, Kind.LEMMA, Kind.AFTER, Kind.ASSERT, Kind.NEVER)
"""Kinds of claim that say that something is never so."""

BROKEN = "BROKEN_"
"""Names of places where a claim is false begin so."""

BOOTS = "boot"


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
    status: dict[tuple[int, int], Field]
    claims: list[tuple[Property, e.Expr]]
    origin: list[Event] = field(default_factory=list)
    copies: dict[int, Field] = field(default_factory=dict)
    relevant: frozenset[int] = frozenset()
    declared: int = 0
    members: dict[int, Field] = field(default_factory=dict)
    orders: dict[int, Field] = field(default_factory=dict)
    alive: dict[int, Sort] = field(default_factory=dict)
    chosen: frozenset[int] | None = None
    everywhere: frozenset[str] = frozenset()


def cut(
    system: System, claims: Iterable[Property], chosen: frozenset[int] | None = None, everywhere: frozenset[str] = frozenset()
) -> Cut:
    """Cuts the calls of a system at the heads of their walks, as far as it matters to the claims.

    chosen: fields (of the system's form, by index) that are looked at beside those of the claims and what flows into them; a condition on
    others may be true or false, so that there are more runs.  None: all that decide where control goes.
    everywhere: names of claims about states that are to hold in the middle of calls too.
    Raises NoForm when something in it has no form for every size.
    """
    asked = tuple(claims)
    made = formed(system)
    ties: list[tuple[int, frozenset[int]]] = []
    if chosen is not None:  # of elements that come and go, it matters which there are
        for index, pool in made.alive.items():
            of_pool = (f for f in made.system.fields if pool in f.owners or (isinstance(f.type, ElemT) and f.type.sort is pool))
            ties += [(f.index, frozenset({index})) for f in of_pool]
    cutter = _Cutter(made.system, tuple(made.claims[claim.name] for claim in asked), chosen, ties)
    cutter.everywhere = everywhere
    result = cutter.cut()
    result.chosen, result.everywhere = chosen, everywhere
    result.claims = [(claim, condition) for claim, (_, condition) in zip(asked, result.claims, strict=True)]
    for index, law in made.laws.items():
        assert law.condition is not None
        if index in result.relevant and reads(made.system, law.condition) <= result.relevant:
            result.claims.append((law, law.condition))
    result.members, result.orders, result.alive = made.members, made.orders, made.alive
    return result


class _Cutter(Turns):
    everywhere: frozenset[str] = frozenset()

    def cut(self) -> Cut:
        self._refuse_fields()
        bodies: list[Piece] = []
        for event in self.system.events:
            if self.few and not self._matters(event):
                continue
            self.event, self.slots = event, self.slots_of.setdefault(event, list(event.slots))
            body = [*self._kept(event), *self._run(("seq", event.body.statements, ("effects",)))]
            bodies += self._pieces(event, "", body)
        booting = self._booting()
        if booting is not None:
            self.event, self.slots = booting, self.slots_of.setdefault(booting, list(booting.slots))
            bodies += self._pieces(booting, BOOTS, self._run(("seq", booting.body.statements, ("booted",))))
        self._find_live(bodies)
        places = ["BETWEEN", *(head.name for head in self._in_order()), *(f"{BROKEN}{name}" for name in self.broken)]
        places += ["BOOTING"] if booting is not None else []
        enum = EnumDef(len(self.system.enums) + 1, "Place", distinct(places), tuple(range(len(places))), NOWHERE)
        start = IDLE if booting is None else len(places) - 1
        self.place = self._new_field("at", (), EnumT(enum), start)
        patched: list[tuple[Event, Head | None, str, tuple[st.Stmt, ...]]] = []
        for event, head, what, body in bodies:
            self.event, self.slots = event, self.slots_of[event]
            name = event.name if head is None else f"{enum.members[head.number]}_{what}"
            here = head.number if head is not None else start if what == BOOTS else IDLE
            patched.append((event, head, name, (self._require_at(here), *self._loads(head), *self._patched(body))))
        events = [self._piece(number, *each) for number, each in enumerate(patched)]
        goals = [self._goal(claim) for claim in self.claims]
        system = replace(
            self.system,
            graphs=self.system.graphs if _on_graphs(events, goals) else (),
            enums=(*self.system.enums, self.status_type, enum),
            fields=(*(self._settled(f) for f in self.system.fields), *self.new_fields),
            locks=(),
            events=tuple(events),
            boot=self._boot() if booting is None else None,
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
        result.claims = list(zip(self.claims, goals, strict=True))
        return result

    def _passed_by(self, walk: st.Walk, rest: Frames) -> list[st.Stmt]:
        """A walk that does nothing is over at once, or fails."""
        done = self._run(rest)
        inside = st.Block((walk,), (), walk.span)
        for errno, label in reversed(self._ways_to_fail(inside)):
            failed = st.Block(tuple(self._fail(errno, label, rest)), (), walk.span)
            done = [st.Sometimes(*placed(walk), None, None, failed, st.Block(tuple(done), (), walk.span))]
        return done

    def _pieces(self, event: Event, what: str, body: list[st.Stmt]) -> list[Piece]:
        """The code of a call and of the walks in it."""
        found: list[Piece] = [(event, None, what, body)]
        while self.todo:
            head = self.todo.pop()
            if head.failing is None:
                pieces = [("next", self._visit(head)), ("end", self._end_of_walk(head))]
            else:
                pieces = [("back", self._undo(head)), ("fail", self._end_of_undo(head))]
            found += [(event, head, name, piece) for name, piece in pieces]
        return found

    def _piece(self, number: int, event: Event, head: Head | None, name: str, statements: tuple[st.Stmt, ...]) -> Event:
        """A piece of a call as a call of its own; what goes on from a head has no parameters."""
        first = head is None
        types = (*event.slots, *self.slots_of[event][len(event.slots) :])
        body = st.Block(statements, (), event.span)
        parameters, predicates = (event.parameters, event.predicates) if first else ((), ())
        return Event(number, "env", name, parameters, predicates, None, body, (), types, None, event.span)

    def _settled(self, f: Field) -> Field:
        """A field that matters to nobody has one value."""
        if f.index in self.relevant or not f.drawn or f.index in self.of_graphs:
            return f
        initial: Value = None if isinstance(f.type, ElemT) and f.type.optional else False if isinstance(f.type, BoolT) else 0
        return replace(f, drawn=False, initial=initial)

    def _booting(self) -> Event | None:
        """The start of the first kernel as a call that is made once, before all others, where it is not one state that it leads to."""
        block = self.system.boot
        if block is None or is_straight(block):
            return None
        return Event(len(self.system.events), "env", "boot", (), (), None, block, (), self.system.boot_slots, None, block.span)

    def _boot(self) -> st.Block | None:
        return self._only_relevant(self.system.boot) if self.system.boot is not None else None

    def _goal(self, claim: Property) -> e.Expr:
        """What a claim says of the cut system."""
        span = claim.span
        if claim.kind in (Kind.INVARIANT, Kind.LEMMA):
            assert claim.condition is not None
            if claim.name in self.everywhere:
                return self._plain(claim.condition)
            return e.Implies(span, e.BOOL, self._at(IDLE), self._plain(claim.condition))
        number = self.broken.get(claim.name)
        if number is None:
            return e.Const(span, e.BOOL, True)
        return e.Not(span, e.BOOL, self._at(1 + len(self.heads) + number))

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
                    return [st.Let(*placed(call), call.result_to, "", value), *self._run(rest)]
                return self._run(rest)
            case ("catch", _, _, rest):
                return self._run(rest)
            case ("step", head, rest):
                return [*self._step_done(head), Goto(*placed(head.walk), head)]
            case ("undo", head, rest):
                return [self._set_status(head, GONE), Goto(*placed(head.walk), head)]
            case ("effects",):
                return self._return(OK, None)
            case ("return", errno, label):
                return self._claims_after(errno, label)
            case ("booted",):
                return [Goto(self.event.span, None, "", None)]
        raise AssertionError(frames)

    def _statement(self, stmt: st.Stmt, rest: Frames) -> list[st.Stmt]:
        match stmt:
            case st.Assign():
                return [self._plain_stmt(stmt), *self._run(rest)] if stmt.field.index in self.relevant else self._run(rest)
            case st.Let(slot=slot, value=value):
                return self._given(stmt, [(slot, value)], rest)
            case st.Forall():
                block = self._only_relevant(st.Block((stmt,), (), stmt.span))
                return [*block.statements, *self._run(rest)]
            case st.Skip() | st.Arguments() | st.Step() | st.Acquire() | st.GiveBack() | st.Keep():
                return self._run(rest)
            case st.If(condition=condition, then=then, orelse=orelse):
                if is_straight(then) and (orelse is None or is_straight(orelse)):
                    block = self._only_relevant(st.Block((stmt,), (), stmt.span))
                    return [*block.statements, *self._run(rest)]
                return [self._if(stmt, condition, ("seq", then.statements, rest), ("seq", statements_of(orelse), rest))]
            case st.Sometimes(condition=condition, fault=fault, then=then, orelse=orelse):
                first = self._block(("seq", then.statements, rest), stmt.span)
                second = self._block(("seq", statements_of(orelse), rest), stmt.span)
                plain = self._may(condition) if condition is not None else None
                return [st.Sometimes(*placed(stmt), plain, fault, first, second)]
            case st.Choose(slot=slot, sort=sort, where=where, orelse=orelse):
                plain = self._may(where) if where is not None else None
                chosen = [st.Choose(*placed(stmt), slot, sort, plain, None), *self._run(rest)]
                if orelse is None:
                    return chosen
                some = st.Block(tuple(chosen), (), stmt.span)
                wanted = where if where is not None else e.Const(stmt.span, e.BOOL, True)
                there = e.Quantifier(stmt.span, e.BOOL, "some", slot, "", sort, wanted)
                return [self._way(stmt, there, some, self._block(("seq", orelse.statements, rest), stmt.span))]
            case st.Call(bindings=bindings, body=body):
                return self._given(stmt, bindings, ("seq", body.statements, ("call", stmt, rest)))
            case st.Walk() if self.few and self._is_idle(stmt):
                return self._passed_by(stmt, rest)
            case st.Walk():
                head = self._head(stmt, rest, None)
                return [*self._beginning(head), Goto(*placed(stmt), head)]
            case st.Fail(errno=errno, label=label):
                if isinstance(errno, e.Expr):
                    raise NoForm("it fails with an errno that a field remembers", stmt.span)
                if errno is None:
                    errno, label = caught(rest)
                return self._fail(errno, label, rest)
            case st.Panic() if boots(rest):
                return list(self._never(stmt).statements)
            case st.Panic(label=label):
                return self._claims_after(PANIC, label)
            case st.Assert(name=name, condition=condition):
                if name not in self.names_asserted:
                    return self._run(rest)
                return [self._claimed(name, self._plain(condition), self._run(rest), stmt.span)]
            case st.Stop():
                return self._run(to_the_end(rest))
            case st.Require(condition=condition):
                return [st.If(*placed(stmt), self._may(condition), self._block(rest, stmt.span), self._never(stmt))]
            case st.Await(condition=condition, errno=errno):
                going_on: list[st.Stmt] = [
                    st.If(*placed(stmt), self._may(condition), self._block(rest, stmt.span), self._never(stmt))
                ]
                if errno is None:
                    return going_on
                signal = st.Block(tuple(self._fail(errno, stmt.label, rest)), (), stmt.span)
                waits = self._may(e.Not(stmt.span, e.BOOL, condition))
                return [st.Sometimes(*placed(stmt), waits, "signal", signal, st.Block(tuple(going_on), (), stmt.span))]
            case st.Reboot(boot=boot):
                return [*self._lifetimes(stmt), *self._run(("seq", (*self._draws(stmt), *boot.statements), rest))]
            case st.Cut(
                condition=condition
            ):  # in a scope that is too small for this path there is none; others are as large as it takes
                return [st.If(*placed(stmt), self._must(condition), self._never(stmt), self._block(rest, stmt.span))]
        field_ = getattr(stmt, "field", None)
        if isinstance(field_, Field) and field_.index not in self.relevant and isinstance(stmt, st.Insert | st.Remove):
            return self._run(rest)
        raise NoForm("this statement works on a list or a set", stmt.span)

    def _if(self, stmt: st.Stmt, condition: e.Expr, then: Frames, orelse: Frames) -> st.Stmt:
        return self._way(stmt, condition, self._block(then, stmt.span), self._block(orelse, stmt.span))

    def _given(self, stmt: st.Stmt, values: Sequence[tuple[int, e.Expr]], rest: Frames) -> list[st.Stmt]:
        """Locals get their values, or any where these are not known."""
        lets = [st.Let(*placed(stmt), slot, "", self._plain(value)) for slot, value in values if self._known(value)]
        unknown = [slot for slot, value in values if not self._known(value) and self._is_read(slot)]
        ways: list[list[st.Stmt]] = [[]]
        for slot in unknown:
            ways = [[*way, each] for way in ways for each in any_local(stmt, slot, self.event.slots[slot])]
        found = [*lets, *ways[0], *self._run(rest)]
        for way in ways[1:]:
            other = st.Block((*lets, *way, *self._run(rest)), (), stmt.span)
            found = [st.Sometimes(*placed(stmt), None, None, other, st.Block(tuple(found), (), stmt.span))]
        return found

    def _block(self, frames: Frames, span: Span) -> st.Block:
        return st.Block(tuple(self._run(frames)), (), span)

    def _never(self, stmt: st.Stmt) -> st.Block:
        return st.Block((st.Require(*placed(stmt), e.Const(stmt.span, e.BOOL, False)),), (), stmt.span)

    def _claimed(self, claim: str, condition: e.Expr, rest: list[st.Stmt], span: Span) -> st.Stmt:
        """A claim about this place.  Where it is false this can be noticed; the call goes on all the same."""
        self.broken.setdefault(claim, len(self.broken))
        noticed = st.Block((Broken(span, None, "", claim),), (), span)
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
                    return [*self._to_be_undone(head), Goto(*placed(walk), undo)]
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
        """The call is over: the claims about it are asked, and all that was kept is forgotten.  Nothing comes after a panic."""
        over = Goto(self.event.span, None, "", None)
        code: list[st.Stmt] = [over] if outcome != PANIC else list(self._never(over).statements)
        for claim in reversed(self.claims):
            if claim.pattern is None or not claim.pattern.matches(self.event, outcome, label):
                continue
            condition: e.Expr = e.Const(claim.span, e.BOOL, False)
            if claim.kind is not Kind.NEVER:
                condition = self._plain(self._apart(claim))
            code = [self._claimed(claim.name, condition, code, claim.span)]
        return code


def _on_graphs(events: Iterable[Event], goals: Iterable[e.Expr]) -> bool:
    """Does it matter which elements depend on which?"""
    conditions = [*goals, *(expr for event in events for stmt in st.statements(event.body) for expr in st.expressions(stmt))]
    return any(isinstance(part, e.HasEdge) for condition in conditions for part in e.walk(condition))


def distinct(names: list[str]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        count = sum(other == name or (other.startswith(f"{name}_") and other[len(name) + 1 :].isdigit()) for other in found)
        found.append(f"{name}_{count + 1}" if count else name)
    return tuple(found)
