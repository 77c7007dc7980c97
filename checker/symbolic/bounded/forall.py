"""`forall` on summaries: every part reads the state before the statement, and what is written is collected first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from luocheck.checker.symbolic.bounded import pools
from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Lit
from luocheck.checker.symbolic.bounded.paths import Path
from luocheck.checker.symbolic.bounded.reader import Reader
from luocheck.checker.symbolic.bounded.summaries import NONE, Summary, constant, equal, mapped, mux
from luocheck.model.instances import Cell
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import SetT, Sort

if TYPE_CHECKING:
    from luocheck.checker.symbolic.bounded.execute import Executor


@dataclass(slots=True)
class _Changes:
    """What is going to be written.  written: value, and when.  members: (cell, element, add?) -> when.  freed: when."""

    written: dict[Cell, tuple[Summary, Lit]] = field(default_factory=dict)
    members: dict[tuple[Cell, int, bool], Lit] = field(default_factory=dict)
    freed: dict[tuple[Sort, int], Lit] = field(default_factory=dict)


def forall(executor: Executor, path: Path, stmt: st.Forall) -> None:
    """Executes a `forall`.  Two writers of different values are noted in `Ends.errors`."""
    reader = executor.reader(path)
    changes = _Changes()
    _collect(executor, reader, stmt, TRUE, changes)
    path.env[stmt.slot] = NONE
    executor.settle(path, reader)
    gates, world = executor.gates, executor.world
    for cell, (value, when) in changes.written.items():
        executor.write(path, cell, value, when)
        executor.own(path, when)
    for (cell, x, add), when in changes.members.items():
        is_set = isinstance(world.system.fields[cell[0]].type, SetT)
        changed = mapped(gates, lambda now, x=x, add=add, s=is_set: _changed(now, x, add, s), world.cell(path.cells, cell))
        executor.write(path, cell, changed, when)
        executor.own(path, when)
    for (sort, x), when in changes.freed.items():
        pools.end(executor, path, sort, x, when)
        executor.own(path, when)


def _changed(now: Any, x: int, add: bool, is_set: bool) -> Any:
    if is_set:
        return now | {x} if add else now - {x}
    return tuple(y for y in now if y != x)


def _collect(executor: Executor, reader: Reader, stmt: st.Forall, when: Lit, changes: _Changes) -> None:
    for x, there in executor.world.elements(reader.cells, stmt.sort):
        here = executor.gates.and_(when, there)
        if here == FALSE:
            continue
        reader.env[stmt.slot] = constant(x)
        if stmt.where is not None:
            here = executor.gates.and_(here, _under(reader, here, stmt.where))
        if here != FALSE:
            _block(executor, reader, stmt.body, here, changes)
    reader.env[stmt.slot] = NONE


def _under(reader: Reader, when: Lit, condition: Any) -> Lit:
    return reader.under(when, lambda: reader.truth(condition))


def _block(executor: Executor, reader: Reader, block: st.Block, when: Lit, changes: _Changes) -> None:
    for stmt in block.statements:
        _statement(executor, reader, stmt, when, changes)


def _statement(executor: Executor, reader: Reader, stmt: st.Stmt, when: Lit, changes: _Changes) -> None:
    gates = executor.gates
    match stmt:
        case st.Assign() | st.Insert() | st.Remove() | st.Free():
            before, reader.here = reader.here, gates.and_(reader.here, when)
            _change(executor, reader, stmt, when, changes)
            reader.here = before
        case st.If():
            condition = _under(reader, when, stmt.condition)
            yes, no = gates.and_(when, condition), gates.and_(when, condition ^ 1)
            if yes != FALSE:
                _block(executor, reader, stmt.then, yes, changes)
            if no != FALSE and stmt.orelse is not None:
                _block(executor, reader, stmt.orelse, no, changes)
        case st.Forall():
            _collect(executor, reader, stmt, when, changes)


def _change(
    executor: Executor, reader: Reader, stmt: st.Assign | st.Insert | st.Remove | st.Free, when: Lit, changes: _Changes
) -> None:
    gates = executor.gates

    def error(lit: Lit) -> None:
        here = gates.and_(gates.and_(lit, reader.here), reader.bad ^ 1)
        if here != FALSE:
            executor.ends.errors.append(here)

    match stmt:
        case st.Assign():
            keys = reader.keys(stmt.field, stmt.arguments, stmt.span)
            value = executor.converted(reader, stmt.field, stmt.value, stmt.span)
            for cell, lit in keys.items():
                _written(executor, changes, cell, value, gates.and_(lit, when), error)
        case st.Free():
            for x, lit in reader.value(stmt.target).items():
                if x is not None:
                    known = changes.freed.get((stmt.sort, x), FALSE)
                    changes.freed[stmt.sort, x] = gates.or_(known, gates.and_(lit, when))
        case st.Insert() | st.Remove():
            add = isinstance(stmt, st.Insert)
            keys, items = reader.keys(stmt.field, stmt.arguments, stmt.span), reader.value(stmt.item)
            if add:
                reader.breaks("null_dereference", stmt.span, items.get(None, FALSE))
            for cell, lit in keys.items():
                for x, named in items.items():
                    if x is not None:
                        here = gates.and_(gates.and_(lit, named), when)
                        error(gates.and_(here, changes.members.get((cell, x, not add), FALSE)))
                        changes.members[cell, x, add] = gates.or_(changes.members.get((cell, x, add), FALSE), here)


def _written(executor: Executor, changes: _Changes, cell: Cell, value: Summary, when: Lit, error: Callable[[Lit], None]) -> None:
    gates = executor.gates
    before = changes.written.get(cell)
    if before is None:
        changes.written[cell] = value, when
        return
    error(gates.and_(gates.and_(before[1], when), equal(gates, before[0], value) ^ 1))
    changes.written[cell] = mux(gates, when, value, before[0]), gates.or_(before[1], when)
