"""Statements on summaries: all ways in which a call can go on are followed at once.

The order of what is evaluated, and when something goes wrong, is that of the interpreter (`model/semantics/statements.py`); what it does
with a value is done here with every value that is possible, under the formula that says when.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from luocheck.checker.symbolic.bounded import locks, pools
from luocheck.checker.symbolic.bounded.forall import forall
from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Lit
from luocheck.checker.symbolic.bounded.paths import WRITTEN, Ends, Exits, Path, joined, split
from luocheck.checker.symbolic.bounded.reader import Reader
from luocheck.checker.symbolic.bounded.summaries import NONE, Summary, cases, constant, made, mapped, mux
from luocheck.checker.symbolic.bounded.walks import Walking
from luocheck.checker.symbolic.bounded.world import Cells, Choices, World
from luocheck.model.instances import Cell
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, Event
from luocheck.model.ir.vocabulary import CountT, ElemT, Field, SeqT, SetT
from luocheck.model.source import Span

Caught = tuple[Summary, Summary]
"""The errno and the label that the innermost `else` caught."""


class Executor:
    """Executes the statements of one call, or of boot (`event` None).

    old: the state before.  ends: gets the paths that end early.
    """

    def __init__(self, world: World, choices: Choices, event: Event | None, old: Cells, ends: Ends) -> None:
        self.world = world
        self.gates = world.gates
        self.choices = choices
        self.event = event
        self.old = old
        self.ends = ends
        self.walks = 0  # that were begun
        self.has_locks = bool(world.system.locks)

    # ---- reading and writing --------------------------------------------------------------------------------------

    def reader(self, path: Path, here: Lit | None = None) -> Reader:
        written = path.flags.get(WRITTEN, FALSE)
        here = path.guard if here is None else here
        return Reader(self.world, path.cells, path.env, self.old, checked=True, here=here, written=written)

    def settle(self, path: Path, reader: Reader) -> None:
        """Ends the paths on which reading went wrong."""
        for claim, _, lit in reader.oops:
            self.broken(path, claim, lit)
        if reader.bad != FALSE:
            path.guard = self.gates.and_(path.guard, reader.bad ^ 1)

    def broken(self, path: Path, claim: str, when: Lit) -> None:
        """On some paths a built-in claim is broken; they end here.  The guard of `path` is not changed."""
        other = path.fork(when)
        other.marked(self.gates, ("broke", claim))
        other.errno, other.label = constant(OK), NONE
        self.ends.oopses.append(other)

    def write(self, path: Path, cell: Cell, value: Summary, when: Lit = TRUE) -> None:
        path.cells[cell] = mux(self.gates, when, value, self.world.cell(path.cells, cell))

    def own(self, path: Path, when: Lit = TRUE) -> None:
        """Something is written, if only what was there."""
        path.marked(self.gates, WRITTEN, when)

    def join(self, *paths: Path | None) -> Path | None:
        return joined(self.gates, paths, self.world.absent)

    def converted(self, reader: Reader, field: Field, value: e.Expr, span: Span) -> Summary:
        """The value that is written, with the checks of the field's type."""
        found = reader.value(value)
        match field.type:
            case CountT(limit):
                found = {number: lit for number, lit in found.items() if number is not None}
                return self._allowed(reader, found, lambda number: 0 <= number <= limit, "count_range", span)
            case ElemT(optional=False):
                return self._allowed(reader, found, lambda x: x is not None, "null_dereference", span)
            case SetT():
                members = mapped(self.gates, frozenset, {v: lit for v, lit in found.items() if v is not None})
                return self._allowed(reader, members, lambda x: None not in x, "null_dereference", span)
            case SeqT():
                return mapped(self.gates, tuple, {v: lit for v, lit in found.items() if v is not None})
        return found

    def _allowed(self, reader: Reader, found: Summary, test: Callable[[Any], bool], claim: str, span: Span) -> Summary:
        reader.breaks(claim, span, self.gates.any_of(lit for value, lit in found.items() if not test(value)))
        return made(self.gates, ((value, lit) for value, lit in found.items() if test(value)))

    # ---- blocks ---------------------------------------------------------------------------------------------------

    def block(self, path: Path | None, block: st.Block, exits: Exits, caught: Caught | None) -> Path | None:
        """Executes a block; its locals die, and its guards are given back, however it is left."""
        if path is None or path.guard == FALSE:
            return None
        inner = Exits()
        if self.has_locks:
            locks.enter(path)
        here: Path | None = path
        for stmt in block.statements:
            self.gates.poll()
            here = self._cases[type(stmt)](self, here, stmt, inner, caught)
            if here is None or here.guard == FALSE:
                here = None
                break
        for left in (here, *inner.fails, *inner.stops):
            if left is not None:
                for slot in block.locals:
                    left.env[slot] = NONE
                if self.has_locks:
                    locks.leave(self.gates, left)
        exits.fails += inner.fails
        exits.stops += inner.stops
        return here

    def _optional(self, path: Path | None, block: st.Block | None, exits: Exits, caught: Caught | None) -> Path | None:
        return self.block(path, block, exits, caught) if block is not None else path

    # ---- ends and branches ----------------------------------------------------------------------------------------

    def fail(self, path: Path, exits: Exits, errno: Summary, label: Summary) -> None:
        path.errno, path.label = errno, label
        exits.fails.append(path)

    def _fail(self, path: Path, stmt: st.Fail, exits: Exits, caught: Caught | None) -> Path | None:
        if stmt.errno is None:
            assert caught is not None
            self.fail(path, exits, *caught)
            return None
        if isinstance(stmt.errno, e.Expr):
            reader = self.reader(path)
            errno = reader.present(stmt.errno)
            self.settle(path, reader)
        else:
            errno = constant(stmt.errno)
        self.fail(path, exits, errno, constant(stmt.label))
        return None

    def _panic(self, path: Path, stmt: st.Panic, exits: Exits, caught: Caught | None) -> Path | None:
        path.label = constant(stmt.label)
        self.ends.panics.append(path)
        return None

    def _stop(self, path: Path, stmt: st.Stop, exits: Exits, caught: Caught | None) -> Path | None:
        exits.stops.append(path)
        return None

    def _if(self, path: Path, stmt: st.If, exits: Exits, caught: Caught | None) -> Path | None:
        reader = self.reader(path)
        condition = reader.truth(stmt.condition)
        self.settle(path, reader)
        yes, no = split(self.gates, path, condition)
        return self.join(self.block(yes, stmt.then, exits, caught), self._optional(no, stmt.orelse, exits, caught))

    def _sometimes(self, path: Path, stmt: st.Sometimes, exits: Exits, caught: Caught | None) -> Path | None:
        condition = TRUE
        if stmt.condition is not None:
            reader = self.reader(path)
            condition = reader.truth(stmt.condition)
            self.settle(path, reader)
        faulty, usual = split(self.gates, path, self.gates.and_(condition, self.choices.flag()))
        if faulty is not None:
            self.fault(faulty)
        return self.join(self.block(faulty, stmt.then, exits, caught), self._optional(usual, stmt.orelse, exits, caught))

    def fault(self, path: Path) -> None:
        path.faults = {n + 1: lit for n, lit in path.faults.items()}

    def _require(self, path: Path, stmt: st.Require, exits: Exits, caught: Caught | None) -> Path | None:
        reader = self.reader(path)
        condition = reader.truth(stmt.condition)
        self.settle(path, reader)
        path.guard = self.gates.and_(path.guard, condition)
        return path

    def _cut(self, path: Path, stmt: st.Cut, exits: Exits, caught: Caught | None) -> Path | None:
        reader = self.reader(path)
        condition = reader.truth(stmt.condition)
        self.settle(path, reader)
        self.cut(path, condition)
        return path

    def cut(self, path: Path, when: Lit) -> None:
        """On some paths the scope is too small: they end."""
        ended = self.gates.and_(path.guard, when)
        if ended != FALSE:
            self.ends.cuts.append(path.fork(ended))
        path.guard = self.gates.and_(path.guard, when ^ 1)

    def _await(self, path: Path, stmt: st.Await, exits: Exits, caught: Caught | None) -> Path | None:
        """A call that has to wait has not returned, so there is no such transition; a signal ends the wait."""
        reader = self.reader(path)
        condition = reader.truth(stmt.condition)
        self.settle(path, reader)
        ready, waiting = split(self.gates, path, condition)
        if waiting is not None and stmt.errno is not None:
            self.fault(waiting)
            self.fail(waiting, exits, constant(stmt.errno), constant(stmt.label))
        return ready

    def _call(self, path: Path, stmt: st.Call, exits: Exits, caught: Caught | None) -> Path | None:
        reader = self.reader(path)
        values = [reader.value(value) for _, value in stmt.bindings]
        self.settle(path, reader)
        for (slot, _), value in zip(stmt.bindings, values, strict=True):
            path.env[slot] = value
        inner = Exits()
        done = self.join(self.block(path, stmt.body, inner, caught), *inner.stops)
        if done is not None and stmt.result is not None:
            value, done.env[stmt.result] = done.env[stmt.result], NONE
            if stmt.result_to is not None:
                done.env[stmt.result_to] = value
        failed = self.join(*inner.fails)
        if failed is None:
            return done
        if stmt.result is not None:
            failed.env[stmt.result] = NONE
        if stmt.orelse is None:
            exits.fails.append(failed)
            return done
        return self.join(done, self.block(failed, stmt.orelse, exits, (failed.errno, failed.label)))

    # ---- finding an element ---------------------------------------------------------------------------------------

    def _choose(self, path: Path, stmt: st.Choose, exits: Exits, caught: Caught | None) -> Path | None:
        reader, where = self.reader(path), stmt.where
        options = self.world.elements(path.cells, stmt.sort)
        if where is not None:
            asked = reader.in_turn(stmt.slot, options, lambda: reader.truth(where), None)
            options = [(x, self.gates.and_(there, answer)) for x, there, answer in asked]
        self.settle(path, reader)
        chosen, none = self.choices.among(options)
        return self._found(path, stmt.slot, chosen, none, stmt.orelse, exits, caught)

    def _find(self, path: Path, stmt: st.Find, exits: Exits, caught: Caught | None) -> Path | None:
        reader, where, gates = self.reader(path), stmt.where, self.gates
        parts: list[tuple[Any, Lit]] = []
        for way in reader.members(reader.present(stmt.sequence)):
            asked = reader.in_turn(stmt.slot, way, lambda: reader.truth(where) if where is not None else TRUE, True)
            parts += [(x, gates.and_(there, answer)) for x, there, answer in asked]
        self.settle(path, reader)
        none = gates.any_of(lit for _, lit in parts) ^ 1
        return self._found(path, stmt.slot, made(gates, parts), none, stmt.orelse, exits, caught)

    def _found(
        self, path: Path, slot: int, value: Summary, none: Lit, orelse: st.Block | None, exits: Exits, caught: Caught | None
    ) -> Path | None:
        missing, found = split(self.gates, path, none)
        if missing is not None:
            missing.env[slot] = NONE
            missing = self.block(missing, orelse, exits, caught) if orelse is not None else None
        if found is not None:
            found.env[slot] = value
        return self.join(found, missing)

    # ---- changing the state ---------------------------------------------------------------------------------------

    def _assign(self, path: Path, stmt: st.Assign, exits: Exits, caught: Caught | None) -> Path | None:
        reader = self.reader(path)
        keys = reader.keys(stmt.field, stmt.arguments, stmt.span)
        value = self.converted(reader, stmt.field, stmt.value, stmt.span)
        self.settle(path, reader)
        self.own(path)
        for cell, when in keys.items():
            self.write(path, cell, value, when)
        return path

    def _let(self, path: Path, stmt: st.Let, exits: Exits, caught: Caught | None) -> Path | None:
        reader = self.reader(path)
        value = reader.value(stmt.value)
        self.settle(path, reader)
        path.env[stmt.slot] = value
        return path

    def _insert(self, path: Path, stmt: st.Insert, exits: Exits, caught: Caught | None) -> Path | None:
        reader, is_set = self.reader(path), isinstance(stmt.field.type, SetT)
        keys = reader.keys(stmt.field, stmt.arguments, stmt.span)
        items = reader.value(stmt.item)
        reader.breaks("null_dereference", stmt.span, items.get(None, FALSE))
        items = {x: lit for x, lit in items.items() if x is not None}
        self.settle(path, reader)
        self._change(path, keys, items, lambda now, x: now | {x} if is_set else (*now, x), into=True)
        return path

    def _remove(self, path: Path, stmt: st.Remove, exits: Exits, caught: Caught | None) -> Path | None:
        reader = self.reader(path)
        items = reader.value(stmt.item)
        self.take(path, reader, stmt.field, stmt.arguments, items, stmt.span)
        return path

    def take(self, path: Path, reader: Reader, field: Field, arguments: tuple[e.Expr, ...], items: Summary, span: Span) -> None:
        """Takes a member out of a set or sequence, when it is in there."""
        is_set = isinstance(field.type, SetT)
        keys = reader.keys(field, arguments, span)
        self.settle(path, reader)
        self._change(path, keys, items, lambda now, x: now - {x} if is_set else tuple(y for y in now if y != x), into=False)

    def _change(self, path: Path, keys: Summary, items: Summary, change: Callable[[Any, Any], Any], *, into: bool) -> None:
        gates = self.gates
        for cell, when in keys.items():
            parts: list[tuple[Any, Lit]] = []
            for (now, x), lit in cases(gates, self.world.cell(path.cells, cell), items):
                changes = (x in now) != into
                parts.append((change(now, x) if changes else now, lit))
                if changes:
                    self.own(path, gates.and_(lit, when))
            self.write(path, cell, made(gates, parts), when)

    def _assert(self, path: Path, stmt: st.Assert, exits: Exits, caught: Caught | None) -> Path | None:
        reader = self.reader(path)
        condition = reader.truth(stmt.condition)
        path.marked(self.gates, ("passed", stmt.name))
        self.settle(path, reader)
        path.marked(self.gates, ("broke", stmt.name), condition ^ 1)
        return path

    def _forall(self, path: Path, stmt: st.Forall, exits: Exits, caught: Caught | None) -> Path | None:
        forall(self, path, stmt)
        return path

    def _new(self, path: Path, stmt: st.New, exits: Exits, caught: Caught | None) -> Path | None:
        pools.new(self, path, stmt)
        return path

    def _free(self, path: Path, stmt: st.Free, exits: Exits, caught: Caught | None) -> Path | None:
        pools.free(self, path, stmt)
        return path

    def _walk(self, path: Path, stmt: st.Walk, exits: Exits, caught: Caught | None) -> Path | None:
        return Walking(self, stmt, caught).run(path, exits)

    def _acquire(self, path: Path, stmt: st.Acquire, exits: Exits, caught: Caught | None) -> Path | None:
        locks.acquire(self, path, stmt)
        return path

    def _give_back(self, path: Path, stmt: st.GiveBack | st.Keep, exits: Exits, caught: Caught | None) -> Path | None:
        locks.give_back(self, path, stmt)
        return path

    def _reboot(self, path: Path, stmt: st.Reboot, exits: Exits, caught: Caught | None) -> Path | None:
        if self.has_locks:
            locks.forget_all(self.gates, path)
        path.cells = pools.after_reboot(self.world, path.cells)
        self.own(path)
        pools.draw(self, path, None)
        inner = Exits()
        started = self.block(path, stmt.boot, inner, caught)
        exits.fails += inner.fails
        return self.join(started, *inner.stops)

    def _skip(self, path: Path, stmt: st.Stmt, exits: Exits, caught: Caught | None) -> Path | None:
        return path

    _cases: ClassVar[dict[type[st.Stmt], Callable[..., Path | None]]] = {
        st.Fail: _fail,
        st.Panic: _panic,
        st.If: _if,
        st.Sometimes: _sometimes,
        st.Require: _require,
        st.Cut: _cut,
        st.Await: _await,
        st.Call: _call,
        st.Choose: _choose,
        st.Find: _find,
        st.Assign: _assign,
        st.Let: _let,
        st.Insert: _insert,
        st.Remove: _remove,
        st.New: _new,
        st.Free: _free,
        st.Forall: _forall,
        st.Assert: _assert,
        st.Walk: _walk,
        st.Acquire: _acquire,
        st.GiveBack: _give_back,
        st.Keep: _give_back,
        st.Reboot: _reboot,
        st.Stop: _stop,
        st.Step: _skip,
        st.Skip: _skip,
        st.Arguments: _skip,
    }
