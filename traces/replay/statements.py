"""Statements over states that are not decided everywhere: what replay reads differently from exploration.

Ghosts and assertions do not happen: they say nothing about what a call returns.  Elements that nothing has shown yet take part where they
could make a difference: a search may find one of them, and a walk may fail at one (after the known ones; walks in any order, and along a
graph, visit the known elements in the order in which they were met).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from luocheck.model.instances import Instance
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import ElemT, Field, Lifetime, SeqT, SetT, Sort
from luocheck.model.semantics.bodies import Op
from luocheck.model.semantics.expressions import Code
from luocheck.model.semantics.run import SEQ, WALK, Frame, Run
from luocheck.model.semantics.statements import Program
from luocheck.model.semantics.store import live_index
from luocheck.model.semantics.walks import WalkCode
from luocheck.model.source import Span
from luocheck.traces.replay.cells import ABSENT, OLD
from luocheck.traces.replay.deciding import Demand, Undecided
from luocheck.traces.replay.expressions import LazyCompiler
from luocheck.traces.replay.world import OpenSet, OpenTuple, sort_place

DEMAND = 6
"""A frame of the control stack: (DEMAND, demand), something that must be true before the next statement."""


class LazyProgram(Program):
    """The code of all bodies, for replay."""

    def compiler(self, instance: Instance) -> LazyCompiler:
        return LazyCompiler(instance, checked=True)

    def walk_code(self, stmt: st.Walk) -> WalkCode:
        return LazyWalk(self, stmt)

    # ---- what leaves no trace -----------------------------------------------------------------------------------

    def _assert(self, stmt: st.Assert) -> Op:
        return _nothing

    def _assign(self, stmt: st.Assign) -> Op:
        return _nothing if stmt.field.is_ghost else super()._assign(stmt)

    def converted(self, field: Field, value: e.Expr, span: Span) -> Code:
        """A set or sequence that is written has the undecided members of the one that it is a copy of."""
        plain, code = super().converted(field, value, span), self.expr(value)
        if not isinstance(field.type, SeqT | SetT):
            return plain

        def members(s: Any, env: Any) -> Any:
            found = code(s, env)
            return found if isinstance(found, OpenTuple | OpenSet) else plain(s, env)

        return members

    def _insert(self, stmt: st.Insert) -> Op:
        """A set has its undecided members also when another one comes to it; a sequence is taken to have no more."""
        if stmt.field.is_ghost:
            return _nothing
        if isinstance(stmt.field.type, SeqT):
            return super()._insert(stmt)
        plain, place = super()._insert(stmt), self.place(stmt.field, stmt.arguments, stmt.span)

        def insert(run: Run) -> None:
            cell = place(run.store, run.env)
            before = run.store.get(cell)
            plain(run)
            if isinstance(before, OpenSet) and (now := run.store[cell]) is not before:
                run.own()[cell] = OpenSet(now)

        return insert

    def _remove(self, stmt: st.Remove) -> Op:
        return _nothing if stmt.field.is_ghost else super()._remove(stmt)

    def remove_code(self, field: Field, arguments: tuple[e.Expr, ...], span: Span) -> Callable[[Run, int], None]:
        """What is taken out is not among the undecided members that are left."""
        plain, place = super().remove_code(field, arguments, span), self.place(field, arguments, span)
        assert isinstance(field.type, SeqT | SetT)
        sort = field.type.sort.index

        def remove(run: Run, x: int) -> None:
            cell = place(run.store, run.env)
            before = run.store.get(cell)
            if not isinstance(before, OpenTuple | OpenSet):
                plain(run, x)
            elif (OLD, sort, x) in run.store or x in before:
                store = run.own()
                store[cell] = type(before)(y for y in before if y != x)
                if (OLD, sort, x) in store or isinstance(before, OpenSet):
                    store[ABSENT, *cell, x] = True
                if run.env[0] is not None and x in run.env[0].get(cell, ()):  # else it came and went in this call
                    store.note_value(cell, x)  # type: ignore[attr-defined]

        return remove

    def _step(self, stmt: st.Step) -> Op:
        return _nothing

    def _cut(self, stmt: st.Cut) -> Op:
        condition = self.expr(stmt.condition)
        return lambda run: [] if condition(run.store, run.env) else None

    # ---- choices ------------------------------------------------------------------------------------------------

    def _sometimes(self, stmt: st.Sometimes) -> Op:
        """Where the fault does not happen, it does not matter whether it could have: its condition stays undecided."""
        decided = super()._sometimes(stmt)
        if stmt.condition is None:
            return decided
        condition, then, orelse = self.expr(stmt.condition), self.block(stmt.then), self.optional_block(stmt.orelse)

        def sometimes(run: Run) -> Any:
            env = tuple(run.env)
            try:
                return decided(run)
            except Undecided:
                faulty = run.fork()
                faulty.faults += 1
                faulty.frames.append((SEQ, then, 0, ()))
                faulty.frames.append((DEMAND, Demand(condition, env, True)))
                if orelse is not None:
                    run.frames.append((SEQ, orelse, 0, ()))
                return [run, faulty]

        return sometimes

    def _choose(self, stmt: st.Choose) -> Op:
        slot, sort = stmt.slot, stmt.sort
        where = self.expr(stmt.where) if stmt.where is not None else None
        orelse = self.optional_block(stmt.orelse)
        unseen = self.lazy.unseen(sort, stmt.where, slot, wanted=True)
        assert unseen is not None

        def choose(run: Run) -> Any:
            found = []
            for x in run.store.elements(sort):
                run.env[slot] = x
                if where is None or where(run.store, run.env):
                    found.append(x)
            run.env[slot] = None
            unseen(run.store, run.env)
            other = unnamed(run)
            if not found and other is None:
                if orelse is None:
                    return []
                run.frames.append((SEQ, orelse, 0, ()))
                return None
            if other is None:
                return self._each(run, slot, found)
            runs = self._each(run, slot, found) if found else []
            return [*(runs if isinstance(runs, list) else [run]), other]

        def unnamed(run: Run) -> Run | None:
            """The choice of something that the recording never names, such as a number that it does not show: there is always one more."""
            if sort.pool or sort.caller or run.store.may_hide(sort):  # type: ignore[attr-defined]
                return None
            other = run.fork()
            other.env[slot] = other.own().fresh(sort)  # type: ignore[attr-defined]
            return other if where is None or where(other.store, other.env) else None

        return choose

    def _find(self, stmt: st.Find) -> Op:
        slot, sequence = stmt.slot, self.expr(stmt.sequence)
        where = self.expr(stmt.where) if stmt.where is not None else None
        orelse = self.optional_block(stmt.orelse)
        unseen = self.lazy.unseen(stmt.sequence, stmt.where, slot, wanted=True)

        def find(run: Run) -> Any:
            for x in sequence(run.store, run.env):
                run.env[slot] = x
                if where is None or where(run.store, run.env):
                    return None
            run.env[slot] = None
            if unseen is not None:
                unseen(run.store, run.env)
            if orelse is None:
                return []
            run.frames.append((SEQ, orelse, 0, ()))
            return None

        return find

    @property
    def lazy(self) -> LazyCompiler:
        assert isinstance(self.expr, LazyCompiler)
        return self.expr

    # ---- elements, forall, the bytes of the call, kexec ------------------------------------------------------------

    def _new(self, stmt: st.New) -> Op:
        slot, sort = stmt.slot, stmt.sort
        alive = live_index(self.system, sort)

        def new(run: Run) -> None:
            store = run.own()
            x = store.fresh(sort)  # type: ignore[attr-defined]
            store[alive, x] = True
            run.env[slot] = x

        return new

    def _forall(self, stmt: st.Forall) -> Op:
        plain, sort, slot = super()._forall(stmt), stmt.sort, stmt.slot
        alike = stmt.where is None or not any(isinstance(p, e.Var) and p.slot == slot for p in e.walk(stmt.where))
        where = self.expr(stmt.where) if stmt.where is not None else None

        def forall(run: Run) -> None:
            plain(run)
            if run.store.may_hide(sort):  # type: ignore[attr-defined]
                if alike and where is not None and not where(run.store, run.env):
                    return
                written = []
                for each in st.statements(stmt.body):
                    if isinstance(each, st.Assign) and sort in each.field.owners:
                        same = alike and each in stmt.body.statements and isinstance(each.value, e.Const)
                        written.append((each.field, (each.value.value,) if same and isinstance(each.value, e.Const) else None))
                run.own().remember_forall(sort, written)  # type: ignore[attr-defined]

        return forall

    def _arguments(self, stmt: st.Arguments) -> Op:
        machine = self.machine
        return lambda run: machine.check_arguments(run)  # type: ignore[attr-defined]

    def _reboot(self, stmt: st.Reboot) -> Op:
        machine = self.machine
        return lambda run: machine.kernel_ends(run)  # type: ignore[attr-defined]


def _nothing(run: Run) -> None:
    return None


def _written(step: st.Block, sort: Sort) -> Iterator[Field]:
    """The fields of elements of a sort that the step of a walk may write."""
    for each in st.statements(step):
        if isinstance(each, st.Assign | st.Insert | st.Remove) and sort in each.field.owners and not each.field.is_ghost:
            yield each.field
        if isinstance(each, st.Walk) and each.drains:
            for binder in each.binders:
                if isinstance(binder, st.OverSeq) and isinstance(binder.sequence, e.Read) and sort in binder.sequence.field.owners:
                    yield binder.sequence.field


class LazyWalk(WalkCode):
    """A walk that may meet elements which nothing has shown yet."""

    def __init__(self, program: Program, stmt: st.Walk) -> None:
        super().__init__(program, stmt)
        self.any_order = False
        self.can_fail = any(isinstance(each, st.Fail | st.Await) for each in st.statements(stmt.step))
        self.open_cell: Code | None = None
        binder = stmt.binders[0]
        if isinstance(binder, st.OverSeq) and isinstance(binder.sequence, e.Read):
            self.open_cell = program.place(binder.sequence.field, binder.sequence.arguments, stmt.span)
        sort = st.sort_walked(binder)
        self.moved_to = [
            (each.field, program.place(each.field, each.arguments, each.span))
            for each in st.statements(stmt.step)
            if self.drains and isinstance(each, st.Insert) and isinstance(each.item.type, ElemT) and each.item.type.sort is sort
        ]

    def _items(self, run: Run, position: int) -> Any:
        binder = self.stmt.binders[position]
        if isinstance(binder, st.OverSort):
            return run.store.elements(binder.sort)
        return super()._items(run, position)

    def advance(self, run: Run, frame: Frame) -> Any:
        _, _, every, left, visited, current = frame
        if left is None:
            return []  # the step of an unseen element ended without failing: nothing would show that it was there
        result = super().advance(run, frame)
        if result is None and not self._goes_on(run):
            return self._beyond(run, every, visited, current)
        return result

    def _goes_on(self, run: Run) -> bool:
        """Has the walk begun another step?"""
        return len(run.frames) >= 2 and run.frames[-1] == (SEQ, self.step, 0, ()) and run.frames[-2][:2] == (WALK, self.index)

    def _beyond(self, run: Run, every: Any, visited: Any, current: Any) -> Any:
        """All known elements are done.  An unseen one may still make the walk fail; a drained sequence has no members any more."""
        place = self._open_place(run)
        if place is None:
            return None
        cell, is_sort = place
        runs = [run]
        if self.can_fail:
            other = run.fork()
            store = other.own()
            x = store.materialise(self.sorts[-1])  # type: ignore[attr-defined]
            if not is_sort:
                store.insert(cell, x)  # type: ignore[attr-defined]
            done = visited if current is None else (*visited, current)
            other.frames.append((WALK, self.index, every, (), done, None))
            self._start(other, every, (), done, (x,))
            other.frames[-2] = (WALK, self.index, every, None, done, (x,))
            if self.where is not None:
                other.frames.append((DEMAND, Demand(self.where, tuple(other.env), True)))
            runs.append(other)
        if self.drains and not is_sort:
            run.own()[cell] = ()
            self._move(run)
        return runs if len(runs) > 1 else None

    def _move(self, run: Run) -> None:
        """Unseen elements are where the step has put them; what it has written of them is not known until they are met."""
        store = run.own()
        for f, place in self.moved_to:
            cell = place(store, run.env)
            known = store.get(cell, ())
            store[cell] = OpenTuple(known) if isinstance(f.type, SeqT) else OpenSet(known)
        if not self.moved_to:
            return
        sort = self.sorts[-1]
        written = set(_written(self.stmt.step, sort))
        if written:
            defaults = run.store.instance.defaults
            others = [
                f
                for f in run.store.instance.system.fields
                if f.owners == (sort,) and f.lifetime is Lifetime.VOLATILE and not f.drawn and f not in written
            ]
            facts = [*((f, None) for f in written), *((f, (defaults[f.index],)) for f in others)]
            store.remember_forall(sort, facts)  # type: ignore[attr-defined]

    def _open_place(self, run: Run) -> tuple[tuple[int, ...], bool] | None:
        """Where unseen elements of the walk may be: an open sequence or a sort; None when there are none (or the walk has two binders)."""
        if len(self.stmt.binders) != 1:
            return None
        binder = self.stmt.binders[0]
        if isinstance(binder, st.OverSort):
            return (sort_place(binder.sort), True) if run.store.may_hide(binder.sort) else None  # type: ignore[attr-defined]
        if self.open_cell is None:
            return None
        cell = self.open_cell(run.store, run.env)
        return (cell, False) if isinstance(run.store.get(cell), OpenTuple) else None
