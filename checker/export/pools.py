"""Promela of elements that come and go, and of the drawing of `any`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luocheck.checker.export.writer import NONE, bit, conjunction, disjunction, equal, negated
from luocheck.model.instances import values_of
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import ElemT, Lifetime, SeqT, SetT, Sort

if TYPE_CHECKING:
    from luocheck.checker.export.statements import Body


def named(body: Body, sort: Sort, x: str) -> str:
    """Does a field or a local name this element?"""
    cells = body.cells
    terms: list[str] = []
    for f in cells.system.fields:
        if isinstance(f.type, ElemT | SetT | SeqT) and f.type.sort is sort:
            for owners in cells.owners(f):
                texts = cells.positions(f, [str(each) for each in owners])
                terms += [bit(t, x) if isinstance(f.type, SetT) else equal(t, x) for t in texts]
    for slot, type_ in enumerate(body.types):
        if isinstance(type_, ElemT) and type_.sort is sort:
            terms.append(equal(body.local(slot), x))
    return disjunction(terms)


def new(body: Body, stmt: st.New) -> None:
    sort, name = stmt.sort, "at_"
    body.w.emit(f"at_ = {NONE};")
    for x in range(body.cells.sizes[sort.index]):
        free = conjunction([equal(name, NONE), negated(body.cells.alive(sort, str(x))), negated(named(body, sort, str(x)))])
        with body.w.when(free):
            body.w.emit(f"{name} = {x}")
    body.unless(f"({name} != {NONE})", "dead")
    body.w.emit(f"{body.local(stmt.slot)} = {name}; {body.cells.alive(sort, name)} = true; {name} = 0;")
    draw(body, sort, body.local(stmt.slot))


def draw(body: Body, sort: Sort | None, x: str) -> None:
    """Picks values for the cells declared `= any`: of one new element, or all."""
    cells = body.cells
    for f in cells.system.fields:
        if not f.drawn or f.lifetime is Lifetime.FIXED:
            continue
        values = [cells.value(value, f.type, f.span) for value in values_of(f.type, cells.sizes)]
        for owners in cells.owners(f):
            conditions = [cells.alive(o, str(i)) for o, i in zip(f.owners, owners, strict=True) if isinstance(o, Sort) and o.pool]
            if sort is not None:
                mine = [equal(x, str(i)) for o, i in zip(f.owners, owners, strict=True) if o is sort]
                if not mine:
                    continue
                conditions.append(disjunction(mine))
            place, there = cells.at(f, [str(i) for i in owners]), conjunction(conditions)
            body.w.options([(there, f"{place} = {value}") for value in values] or [("1", "skip")], None if there == "1" else "skip")


def free(body: Body, stmt: st.Free) -> None:
    x = body.x.value(stmt.target)
    body.x.not_none(stmt.target, x, stmt.span)
    body.ask()
    body.oops(negated(body.cells.alive(stmt.sort, x)), "use_after_free")
    body.w.emit(f"at_ = {x}; free_{stmt.sort.name}();")
