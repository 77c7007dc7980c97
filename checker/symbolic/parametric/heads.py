"""Heads of walks: the status of each element, the locals that are kept, and how control gets there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from luocheck.checker.symbolic.parametric.copies import Copies
from luocheck.checker.symbolic.parametric.frames import Broken, Frames, Goto, Head, binder_of, depth, live_locals, placed
from luocheck.checker.symbolic.parametric.marks import Gathered
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.relevance import Flows
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event, Property, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumDef, EnumT, Field, Type
from luocheck.model.source import NOWHERE

STATUS = ("GONE", "LEFT", "VISITED")
GONE, LEFT, VISITED = range(3)
IDLE = 0

Piece = tuple[Event, Head | None, str, list[st.Stmt]]
"""Code without loops: the call that it is of, where it begins, and which of the two things that can happen there."""


class Heads(Copies):
    """Where control can be between the pieces of calls."""

    place: Field

    def __init__(
        self, system: System, claims: tuple[Property, ...], chosen: frozenset[int] | None = None, ties: Flows = ()
    ) -> None:
        super().__init__(system, claims, chosen, ties)
        self.heads: dict[tuple[Any, ...], Head] = {}
        self.todo: list[Head] = []
        self.event: Event = system.events[0]
        self.slots_of: dict[Event, list[Type | None]] = {}
        self.registers: dict[tuple[str, int], Field] = {}
        self.broken: dict[str, int] = {}
        self.status_type = EnumDef(len(system.enums), "WalkStatus", STATUS, (0, 1, 2), NOWHERE)
        self.status: dict[tuple[int, int], Field] = {}

    def _in_order(self) -> list[Head]:
        return sorted(self.heads.values(), key=lambda head: head.number)

    def _head(self, walk: st.Walk, rest: Frames, failing: tuple[str, str | None] | None) -> Head:
        key = (walk, rest, failing)
        if key not in self.heads:
            if len(walk.binders) != 1 or not isinstance(walk.binders[0], st.OverSort):
                raise NoForm(f"`{walk.name}` walks over pairs", walk.span)
            if walk.drains and walk.rollback is not None and not walk.rollback.visited_only:
                raise NoForm(f"the rollback of `{walk.name}` is for all elements of a list that is drained", walk.span)
            self.heads[key] = Head(len(self.heads) + 1, self.event, walk, rest, failing)
            self.todo.append(self.heads[key])
            self._status_of(self.heads[key])
        return self.heads[key]

    def _status_of(self, head: Head) -> Field:
        """The status of the elements of a walk; walks inside of others have their own."""
        key = (binder_of(head.walk).sort.index, depth(head.rest))
        if key not in self.status:
            name = "walk" if not key[1] else "inner_walk" if key[1] == 1 else f"inner_walk{key[1]}"
            self.status[key] = self._new_field(name, (binder_of(head.walk).sort,), EnumT(self.status_type), GONE)
        return self.status[key]

    def _turn(self, head: Head, here: e.Expr, status: int, backwards: bool) -> e.Expr:
        """The element has the status, and none that has to come before it has it."""
        ready = self._has_status(head, here, status)
        if binder_of(head.walk).graph is not None:
            return _both(ready, self._none_before(head, here, status, backwards))
        if isinstance(head.walk, Gathered):
            return _both(ready, self._none_listed_before(head, head.walk, here, status, backwards))
        return ready

    def _none_listed_before(self, head: Head, walk: Gathered, here: e.Expr, status: int | None, backwards: bool) -> e.Expr:
        """Of a list that is walked, no element that stands before this one has the status, or (None) is in there."""
        if walk.order is None or walk.order.index not in self.relevant:
            return e.Const(walk.span, e.BOOL, True)
        binder = binder_of(walk)
        slot = self._new_slot()
        other = e.Var(walk.span, ElemT(binder.sort), slot, "")
        ends = (here, other) if backwards else (other, here)
        waits: e.Expr = e.Read(walk.span, e.BOOL, walk.order, (*walk.owner, *ends))
        if status is not None:
            waits = _both(waits, self._has_status(head, other, status))
        return e.Quantifier(walk.span, e.BOOL, "no", slot, "", binder.sort, waits)

    def _none_before(self, head: Head, here: e.Expr, status: int, backwards: bool) -> e.Expr:
        walk = head.walk
        binder = binder_of(walk)
        assert binder.graph is not None
        graph = self.system.graphs[binder.graph]
        slot = self._new_slot()
        other = e.Var(walk.span, ElemT(binder.sort), slot, "")
        ends = (other, here) if backwards else (here, other)
        edge: e.Expr = e.HasEdge(walk.span, e.BOOL, graph, ends[0], ends[1], False)
        if not graph.acyclic:  # in a circle nobody waits
            edge = _both(edge, e.Not(walk.span, e.BOOL, e.HasEdge(walk.span, e.BOOL, graph, ends[1], ends[0], True)))
        waits = e.And(walk.span, e.BOOL, edge, self._has_status(head, other, status))
        return e.Quantifier(walk.span, e.BOOL, "no", slot, "", binder.sort, waits)

    def _only_if(self, walk: st.Walk, condition: e.Expr) -> st.Stmt:
        return st.Require(walk.span, None, walk.name, condition)

    def _has_status(self, head: Head, element: e.Expr, status: int) -> e.Expr:
        f = self._status_of(head)
        read = e.Read(element.span, f.type, f, (element,))
        return e.Compare(element.span, e.BOOL, "==", read, e.Const(element.span, f.type, status))

    def _set_status(self, head: Head, status: int) -> st.Stmt:
        walk = head.walk
        binder = binder_of(walk)
        f = self._status_of(head)
        here = e.Var(walk.span, ElemT(binder.sort), binder.slot, "")
        return st.Assign(*placed(walk), f, (here,), e.Const(walk.span, f.type, status))

    def _all_status(self, head: Head, status: int, where: e.Expr | None = None) -> st.Stmt:
        walk = head.walk
        binder = binder_of(walk)
        return st.Forall(*placed(walk), binder.slot, binder.sort, where, st.Block((self._set_status(head, status),), (), walk.span))

    def _beginning(self, head: Head) -> list[st.Stmt]:
        """Whose turn is still to come when a walk starts."""
        walk = head.walk
        if not isinstance(walk, Gathered):
            return [self._all_status(head, LEFT)]
        if walk.drains:
            return [self._all_status(head, GONE)]
        return [self._all_status(head, GONE), self._all_status(head, LEFT, self._may(walk.among))]

    def _is_loose(self, walk: st.Walk) -> bool:
        """Is it not known which elements the walk is about?  Some of those that it may be about are passed then."""
        return isinstance(walk, Gathered) and not walk.drains and not self._known(walk.among)

    def _at(self, number: int) -> e.Expr:
        read = e.Read(NOWHERE, self.place.type, self.place, ())
        return e.Compare(NOWHERE, e.BOOL, "==", read, e.Const(NOWHERE, self.place.type, number))

    def _find_live(self, bodies: list[Piece]) -> None:
        """Least sets of locals: what the pieces at a head read, and what the heads that they lead to need."""
        live: dict[Head, frozenset[int]] = {head: frozenset() for head in self.heads.values()}
        while True:
            before = dict(live)
            for _, head, _, body in bodies:
                if head is not None:
                    live[head] |= live_locals(body, live)
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

    def _require_at(self, place: int) -> st.Stmt:
        return st.Require(NOWHERE, None, "", self._at(place))

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
                case Goto(head=head):
                    found += self._jump(head)
                case Broken(claim=claim):
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


def _both(a: e.Expr, b: e.Expr) -> e.Expr:
    return e.And(a.span, e.BOOL, a, b)
