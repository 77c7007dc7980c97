"""Promela of `forall`: reads see the state before the statement, so what it writes is collected first and then written.

For each field w_F has what is written and c_F whether it is; a_F and d_F have the members that come and go, as sets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from luocheck.checker.export.members import list_change
from luocheck.checker.export.refusal import refuse
from luocheck.checker.export.writer import NONE, bit, conjunction, disjunction, equal, negated, offset, with_bit
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import Field, SeqT, SetT

if TYPE_CHECKING:
    from luocheck.checker.export.statements import Body


def forall(body: Body, stmt: st.Forall) -> None:
    inner = list(st.statements(stmt.body))
    for each in inner:
        _declare(body, each)
    _collect(body, stmt)
    for f in _fields([s.field for s in inner if isinstance(s, st.Assign)]):
        _write(body, f)
    for f in _fields([s.field for s in inner if isinstance(s, st.Insert | st.Remove)]):
        _change(body, f)
    for sort in {s.sort.index: s.sort for s in inner if isinstance(s, st.Free)}.values():
        for x in range(body.cells.sizes[sort.index]):
            with body.w.when(bit(f"freed_{sort.name}", str(x))):
                body.w.emit(f"at_ = {x}; free_{sort.name}()")
        body.w.emit(f"freed_{sort.name} = 0;")


def _fields(found: list[Field]) -> list[Field]:
    return list({f.index: f for f in found}.values())


def _cell(body: Body, target: Field, indices: list[str]) -> str:
    """Number of a cell."""
    return offset(indices, [max(1, body.cells.size(owner)) for owner in target.owners])


def _write(body: Body, target: Field) -> None:
    cells, w = body.cells, body.w
    with w.step():
        for owners in cells.owners(target):
            texts = [str(x) for x in owners]
            written = f"c_{cells.array(target)}[{_cell(body, target, texts)}]"
            with w.when(written):
                for place, value in zip(cells.positions(target, texts), _buffer(body, target, texts), strict=True):
                    w.emit(f"{place} = {value}; {value} = 0;")
                w.emit(f"{written} = false")
        w.emit("skip")


def _change(body: Body, target: Field) -> None:
    cells, w = body.cells, body.w
    name = cells.array(target)
    with w.step():
        for owners in cells.owners(target):
            texts = [str(x) for x in owners]
            number = _cell(body, target, texts)
            comes, goes = f"a_{name}[{number}]", f"d_{name}[{number}]"
            if isinstance(target.type, SetT):
                place = cells.at(target, texts)
                w.emit(f"{place} = ({place} | {comes}) & ~{goes};")
            else:
                assert isinstance(target.type, SeqT)
                for x in range(cells.sizes[target.type.sort.index]):
                    with w.when(bit(goes, str(x))):
                        w.emit(list_change(cells, target, texts, str(x), False))
            w.emit(f"{comes} = 0; {goes} = 0;")
        w.emit("skip")


def _buffer(body: Body, target: Field, indices: list[str]) -> list[str]:
    """Where the values that a cell will have are collected."""
    room = body.cells.room(target)
    first = offset([*indices, "0"], [*(max(1, body.cells.size(owner)) for owner in target.owners), room])
    return [f"w_{body.cells.array(target)}[{first} + {i}]" for i in range(room)]


def _declare(body: Body, stmt: st.Stmt) -> None:
    """The variables in which one statement collects what it changes."""
    cells = body.cells
    match stmt:
        case st.Assign(field=target):
            name, count = cells.array(target), cells.count(target)
            body.buffers[f"w_{name}"] = f"{cells.type_of(target.type, target.span)} w_{name}[{count}]"
            body.buffers[f"c_{name}"] = f"bool c_{name}[{count}]"
        case st.Insert(field=target) | st.Remove(field=target):
            name, count = cells.array(target), cells.count(target)
            body.buffers[f"a_{name}"] = f"int a_{name}[{count}]"
            body.buffers[f"d_{name}"] = f"int d_{name}[{count}]"
        case st.Free(sort=sort):
            body.buffers[f"freed_{sort.name}"] = f"int freed_{sort.name}"


# ---- collecting -------------------------------------------------------------------------------------------------


def _collect(body: Body, stmt: st.Forall) -> None:
    """All elements, one after the other; nothing is written yet, so their order does not matter."""
    for item in body.x.each(stmt.sort):
        wanted = body.wanted(stmt.slot, item, stmt.where)
        body.ask()
        with body.x.binding(stmt.slot, item.bound):
            if wanted == "1":
                _block(body, stmt.body)
            elif wanted != "0":
                with body.w.when(wanted):
                    _block(body, stmt.body)


def _block(body: Body, block: st.Block) -> None:
    before = len(body.w.out)
    for stmt in block.statements:
        _statement(body, stmt)
    if len(body.w.out) == before:
        body.w.emit("skip;")


def _statement(body: Body, stmt: st.Stmt) -> None:
    w, x, cells = body.w, body.x, body.cells
    match stmt:
        case st.Assign():
            owners = body.place(stmt.field, stmt.arguments, stmt.span)
            texts = body.converted(stmt.field, stmt.value, stmt.span)
            written = f"c_{cells.array(stmt.field)}[{_cell(body, stmt.field, owners)}]"
            places = _buffer(body, stmt.field, owners)
            other = disjunction(negated(equal(place, text)) for place, text in zip(places, texts, strict=True))
            _conflict(body, conjunction([written, other]))
            for place, text in zip(places, texts, strict=True):
                w.emit(f"{place} = {text};")
            w.emit(f"{written} = true;")
        case st.Insert() | st.Remove():
            adding = isinstance(stmt, st.Insert)
            owners = body.place(stmt.field, stmt.arguments, stmt.span)
            item = x.value(stmt.item)
            if adding:
                x.not_none(stmt.item, item, stmt.span)
            body.ask()
            name, number = cells.array(stmt.field), _cell(body, stmt.field, owners)
            mine, theirs = f"a_{name}[{number}]", f"d_{name}[{number}]"
            if not adding:
                mine, theirs = theirs, mine
            there = negated(equal(item, NONE)) if not adding and x.may_be_none(stmt.item) else "1"
            _conflict(body, conjunction([there, bit(theirs, item)]))
            with w.when(there):
                w.emit(f"{mine} = {mine} | {with_bit(item)}")
        case st.If():
            condition = body.condition(stmt.condition)
            w.emit("if")
            w.emit(f":: {condition} ->")
            with w.deeper():
                _block(body, stmt.then)
            w.emit(":: else" + (" ->" if stmt.orelse is not None else ""))
            if stmt.orelse is not None:
                with w.deeper():
                    _block(body, stmt.orelse)
            w.emit("fi;")
        case st.Forall():
            _collect(body, stmt)
        case st.Free():
            item = body.value(stmt.target)
            w.emit(f"freed_{stmt.sort.name} = freed_{stmt.sort.name} | {with_bit(item)};")
        case st.Skip():
            pass
        case _:
            refuse("this statement in a `forall`", stmt.span)


def _conflict(body: Body, condition: str) -> None:
    """Two elements that disagree are an error of the spec (LUO608)."""
    if condition != "0":
        with body.w.when(condition):
            body.w.emit("SPEC_ERROR  /* LUO608 */")
