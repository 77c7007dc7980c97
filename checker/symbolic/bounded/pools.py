"""Elements that come and go, and kexec: `new`, `free`, lifetimes, and the drawing of `any`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Lit
from luocheck.checker.symbolic.bounded.paths import Path
from luocheck.checker.symbolic.bounded.summaries import constant, first_of, mux
from luocheck.checker.symbolic.bounded.world import Cells, World
from luocheck.model.instances import Cell, cells_of, values_of
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import ElemT, Lifetime, Sort
from luocheck.model.semantics.lifetimes import surviving
from luocheck.model.semantics.store import live_index, references

if TYPE_CHECKING:
    from luocheck.checker.symbolic.bounded.execute import Executor


def new(executor: Executor, path: Path, stmt: st.New) -> None:
    """The first element that is neither alive nor still named comes to life; the path is cut when there is none."""
    world, gates, sort = executor.world, executor.gates, stmt.sort
    options = []
    for x in world.first.domain(sort):
        free_ = gates.and_(world.alive(path.cells, sort, x) ^ 1, _named(executor, path, sort, x) ^ 1)
        options.append((x, free_))
    taken, none = first_of(gates, options)
    executor.cut(path, none)
    if not taken:
        return
    if len(taken) == 1:
        taken = dict.fromkeys(taken, TRUE)
    executor.own(path)
    for x, when in taken.items():
        executor.write(path, (live_index(world.system, sort), x), constant(True), when)
    path.env[stmt.slot] = taken
    for x, when in taken.items():
        draw(executor, path, (sort, x), when)


def _named(executor: Executor, path: Path, sort: Sort, x: int) -> Lit:
    """Does some field, or some local of the call, refer to an element?"""
    single, many = references(executor.world.system, sort)
    lits: list[Lit] = []
    for cell, summary in path.cells.items():
        if cell[0] in single:
            lits.append(summary.get(x, FALSE))
        elif cell[0] in many:
            lits += [lit for value, lit in summary.items() if x in value]
    if executor.event is not None:
        for type_, summary in zip(executor.event.slots, path.env, strict=True):
            if isinstance(type_, ElemT) and type_.sort is sort:
                lits.append(summary.get(x, FALSE))
    return executor.gates.any_of(lits)


def free(executor: Executor, path: Path, stmt: st.Free) -> None:
    reader = executor.reader(path)
    targets = reader.value(stmt.target)
    reader.breaks("null_dereference", stmt.span, targets.get(None, FALSE))
    for x, lit in targets.items():
        if x is not None:
            dead = executor.world.alive(path.cells, stmt.sort, x) ^ 1
            reader.breaks("use_after_free", stmt.span, executor.gates.and_(lit, dead))
    executor.settle(path, reader)
    executor.own(path)
    for x, lit in targets.items():
        if x is not None:
            end(executor, path, stmt.sort, x, lit)


def end(executor: Executor, path: Path, sort: Sort, x: int, when: Lit) -> None:
    """An element dies where `when` holds: all its cells are gone."""
    world = executor.world
    fields = world.system.fields
    for cell in list(path.cells):
        if cell[0] < len(fields):
            owners = fields[cell[0]].owners
            if any(owner is sort and each == x for owner, each in zip(owners, cell[1:], strict=True)):
                executor.write(path, cell, world.absent[cell[0]], when)
    executor.write(path, (live_index(world.system, sort), x), constant(False), when)


def after_reboot(world: World, cells: Cells) -> Cells:
    """What kexec leaves: no lock is held, and volatile cells are gone."""
    kept = surviving(world.system)
    return {cell: value for cell, value in cells.items() if cell[0] in kept}


def draw(executor: Executor, path: Path, only: tuple[Sort, int] | None, when: Lit = TRUE) -> None:
    """Every volatile cell that is declared `= any` gets some value; with `only`, the cells of this element, where `when` holds."""
    world, gates = executor.world, executor.gates
    for f in world.system.fields:
        if not f.drawn or f.lifetime is Lifetime.FIXED:
            continue
        for cell in cells_of(f, world.sizes):
            owners = list(zip(f.owners, cell[1:], strict=True))
            if only is not None and not any(owner is only[0] and x == only[1] for owner, x in owners):
                continue
            there = when
            for owner, x in owners:
                if isinstance(owner, Sort) and owner.pool:
                    there = gates.and_(there, world.alive(path.cells, owner, x))
            if there != FALSE:
                _draw(executor, path, cell, there)


def _draw(executor: Executor, path: Path, cell: Cell, when: Lit) -> None:
    world = executor.world
    chosen = executor.choices.one_of(values_of(world.system.fields[cell[0]].type, world.sizes))
    path.cells[cell] = mux(executor.gates, when, chosen, world.cell(path.cells, cell))
