"""Meaning of `forall`: everything happens at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from luocheck.model.diagnostics import fail
from luocheck.model.instances import Cell
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import SetT, Sort
from luocheck.model.semantics.expressions import Env, Oops
from luocheck.model.semantics.run import Run
from luocheck.model.semantics.store import Store

if TYPE_CHECKING:
    from luocheck.model.semantics.statements import Program


class Changes:
    """What a forall is going to write: values of cells, members to add and to take away, elements to free."""

    def __init__(self) -> None:
        self.written: dict[Cell, tuple[Any, st.Stmt]] = {}
        self.members: dict[tuple[Cell, int], tuple[bool, bool]] = {}  # cell and member: is it a set?, add?
        self.freed: dict[tuple[Sort, int], None] = {}

    def write(self, cell: Cell, value: Any, stmt: st.Stmt) -> None:
        before = self.written.get(cell)
        if before is not None and before[0] != value:
            fail("LUO608", "two elements of this `forall` write different values to one place", stmt.span)
        self.written[cell] = (value, stmt)

    def change(self, cell: Cell, is_set: bool, x: int | None, add: bool, stmt: st.Stmt) -> None:
        """A member comes or goes.  At once there is no order in which it could do both."""
        if x is None:
            if add:
                raise Oops("null_dereference", stmt.span)
            return
        if self.members.get((cell, x), (is_set, add)) != (is_set, add):
            fail("LUO608", "one `forall` adds and removes the same member at one place", stmt.span)
        self.members[cell, x] = (is_set, add)


Collector = Callable[[Store, Env, Changes], None]


class ForallCode:
    """The code of one forall."""

    def __init__(self, program: Program, stmt: st.Forall) -> None:
        self.program = program
        self.collect = self._forall(stmt)

    def run(self, run: Run) -> None:
        changes = Changes()
        self.collect(run.store, run.env, changes)
        if not (changes.written or changes.members or changes.freed):
            return
        store = run.own()
        defaults = store.instance.defaults
        for cell, (value, _) in changes.written.items():
            store.write(cell, value, defaults[cell[0]])
        for (cell, x), (is_set, add) in changes.members.items():
            default = defaults[cell[0]]
            now: Any = store.value(cell, default)
            if is_set:
                store.write(cell, now | {x} if add else now - {x}, default)
            elif x in now:
                store.write(cell, tuple(y for y in now if y != x), default)
        for sort, x in changes.freed:
            store.free(sort, x)

    def _forall(self, stmt: st.Forall) -> Collector:
        slot, sort = stmt.slot, stmt.sort
        where = self.program.expr(stmt.where) if stmt.where is not None else None
        body = self._block(stmt.body)

        def collect(s: Store, env: Env, changes: Changes) -> None:
            for x in s.elements(sort):
                env[slot] = x
                if where is None or where(s, env):
                    body(s, env, changes)
            env[slot] = None

        return collect

    def _block(self, block: st.Block) -> Collector:
        parts = [self._statement(stmt) for stmt in block.statements]

        def collect(s: Store, env: Env, changes: Changes) -> None:
            for part in parts:
                part(s, env, changes)

        return collect

    def _statement(self, stmt: st.Stmt) -> Collector:
        program = self.program
        match stmt:
            case st.Assign():
                place = program.place(stmt.field, stmt.arguments, stmt.span)
                value = program.converted(stmt.field, stmt.value, stmt.span)
                return lambda s, env, changes: changes.write(place(s, env), value(s, env), stmt)
            case st.Insert() | st.Remove():
                place = program.place(stmt.field, stmt.arguments, stmt.span)
                item = program.expr(stmt.item)
                is_set, add = isinstance(stmt.field.type, SetT), isinstance(stmt, st.Insert)
                return lambda s, env, changes: changes.change(place(s, env), is_set, item(s, env), add, stmt)
            case st.If():
                condition, then = program.expr(stmt.condition), self._block(stmt.then)
                orelse = self._block(stmt.orelse) if stmt.orelse is not None else None

                def branch(s: Store, env: Env, changes: Changes) -> None:
                    if condition(s, env):
                        then(s, env, changes)
                    elif orelse is not None:
                        orelse(s, env, changes)

                return branch
            case st.Forall():
                return self._forall(stmt)
            case st.Free():
                target, sort = program.expr(stmt.target), stmt.sort
                return lambda s, env, changes: changes.freed.update({(sort, target(s, env)): None})
        return lambda s, env, changes: None
