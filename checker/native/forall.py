"""C of `forall`: reads see the state before the statement; writes go to a copy, and two different ones to one place are an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luocheck.checker.native.refusal import Refused
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import Field, SeqT, SetT

if TYPE_CHECKING:
    from luocheck.checker.native.statements import Body

MAX_CHANGES = 256


def forall(body: Body, stmt: st.Forall) -> None:
    """Collects the changes of one statement, then makes them."""
    written = _written(stmt.body)
    members = any(isinstance(s, st.Insert | st.Remove) for s in st.statements(stmt.body))
    freed = [s.sort for s in st.statements(stmt.body) if isinstance(s, st.Free)]
    w, layout = body.w, body.layout
    w.emit("{ struct S next = *s; int changed = 0;")
    for f in written:
        w.emit(f"uint8_t set{f.index}{layout.dims(f)}; memset(&set{f.index}, 0, sizeof set{f.index});")
    if members:
        w.emit(f"struct {{ int what, x; void *at; }} change[{MAX_CHANGES}]; int changes = 0;")
    for index in {sort.index for sort in freed}:
        w.emit(f"u64 freed{index} = 0;")
    body.members = []
    _loop(body, stmt)
    if members:
        w.emit("for (int k = 0; k < changes; k++) switch (change[k].what) {")
        for number, (target, adding) in enumerate(body.members):
            w.emit(f"case {number}: {{ {layout.ctype(target.type)} *at = change[k].at; int x = change[k].x;")
            w.emit(member(target, "(*at)", "x", adding, "") + " break; }")
        w.emit("}")
    for index in {sort.index for sort in freed}:
        w.emit(f"for (int x = 0; x < {layout.sizes[index]}; x++) if (freed{index} >> x & 1) free{index}(&next, x);")
    w.emit("if (changed) { *s = next; touched = 1; } }")


def _kind(body: Body, target: Field, adding: bool) -> int:
    """Number of a kind of change to collections."""
    if (target, adding) not in body.members:
        body.members.append((target, adding))
    return body.members.index((target, adding))


def member(target: Field, place: str, x: str, adding: bool, then: str) -> str:
    """A member of a set or sequence comes or goes."""
    if isinstance(target.type, SetT):
        if adding:
            return f"if (!((u64){place} >> {x} & 1)) {{ {place} |= BIT({x}); {then} }}"
        return f"if ({x} >= 0 && ((u64){place} >> {x} & 1)) {{ {place} &= ~BIT({x}); {then} }}"
    assert isinstance(target.type, SeqT)
    name = f"q{target.type.sort.index}_{'append' if adding else 'remove'}"
    return f"if ({name}(&{place}, {x})) {{ {then} }}"


def _written(block: st.Block) -> list[Field]:
    found: dict[int, Field] = {}
    for stmt in st.statements(block):
        if isinstance(stmt, st.Assign):
            found[stmt.field.index] = stmt.field
    return list(found.values())


def _loop(body: Body, stmt: st.Forall) -> None:
    w, x = body.w, body.x
    name = w.fresh("x")
    head, first = x.each(stmt.sort, name)
    w.emit(f"{head} {{ {first}")
    with x.binding(stmt.slot, name):
        if stmt.where is not None:
            w.emit(f"if (!{x.condition(stmt.where)}) continue;")
        _block(body, stmt.body)
    w.emit("}")


def _block(body: Body, block: st.Block) -> None:
    for stmt in block.statements:
        body.w.emit("{")
        _statement(body, stmt)
        body.w.emit("}")


def _statement(body: Body, stmt: st.Stmt) -> None:
    w, x, layout = body.w, body.x, body.layout
    match stmt:
        case st.Assign():
            indices = x.arguments(stmt.field, stmt.arguments, stmt.span, True)
            value = body.converted(stmt.field, stmt.value, stmt.span)
            at = "".join(f"[{i}]" for i in indices)
            place, flag = f"next.f{stmt.field.index}{at}", f"set{stmt.field.index}{at}"
            if isinstance(stmt.field.type, SeqT):
                value = w.temp(value, layout.ctype(stmt.field.type))
                differs = f"memcmp(&{place}, &{value}, sizeof({place}))"
            else:
                value = x.atom(value) if not isinstance(stmt.field.type, SetT) else w.temp(value, "u64")
                differs = f"{place} != {value}"
            span = body.shared.span(stmt.span)
            w.emit(f"if ({flag} && {differs}) {{ settle(r); raise_error(r, 608, -1, {span}, -1); goto NOTHING; }}")
            w.emit(f"{place} = {value}; {flag} = 1; changed = 1;")
        case st.Insert() | st.Remove():
            adding = isinstance(stmt, st.Insert)
            indices = x.arguments(stmt.field, stmt.arguments, stmt.span, True)
            item = x.atom(x.value(stmt.item))
            if adding and x.may_be_none(stmt.item):
                w.emit(f"if ({item} < 0) {body.oops('null_dereference', stmt.span)}")
            at = "".join(f"[{i}]" for i in indices)
            number = _kind(body, stmt.field, adding and isinstance(stmt.field.type, SetT))
            place = f"next.f{stmt.field.index}{at}"
            span = body.shared.span(stmt.span)
            w.emit(
                f"for (int k = 0; k < changes; k++) if (change[k].what != {number} && change[k].at == &{place}"
                f" && change[k].x == {item}) {{ settle(r); raise_error(r, 608, -1, {span}, -1); goto NOTHING; }}"
            )
            w.emit(f"if (changes >= {MAX_CHANGES}) goto BAIL;")
            w.emit(f"change[changes].what = {number}; change[changes].x = {item}; change[changes++].at = &{place};")
            w.emit("changed = 1;")
        case st.If():
            w.emit(f"if ({x.condition(stmt.condition)}) {{")
            _block(body, stmt.then)
            if stmt.orelse is not None:
                w.emit("} else {")
                _block(body, stmt.orelse)
            w.emit("}")
        case st.Forall():
            _loop(body, stmt)
        case st.Free():
            item = x.atom(x.value(stmt.target))
            w.emit(f"if ({item} < 0) goto BAIL;")
            w.emit(f"freed{stmt.sort.index} |= BIT({item}); changed = 1;")
        case st.Skip():
            pass
        case _:
            raise Refused(f"`forall` with a statement of kind {type(stmt).__name__}")
