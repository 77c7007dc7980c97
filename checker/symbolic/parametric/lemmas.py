"""Lemmas as text in the language of specs, and as plain data in certificates.

Four words are not the language's: `at`, where control is; `x.walk`, what the walk that goes on has done with x; `the_...`, the locals
of the call; `x.alive`, of elements that come and go.  Between calls the first three say nothing, and the language speaks of the living alone;
a lemma that says nothing else can be pasted into the spec.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from luocheck.checker.symbolic.parametric.cutpoints import BROKEN, Cut
from luocheck.checker.symbolic.parametric.heads import IDLE
from luocheck.checker.symbolic.parametric.views import NONE, OTHER, Clause, Column, Template, domain
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Field, Sort, Value

NONE_TEXT, OTHER_TEXT = "none", "another"
SAME = " == "
"""Between the names of two fields: do they name the same element?"""


def names(sorts: Sequence[Sort]) -> list[str]:
    """A name for each variable: f, g for two files."""
    found: list[str] = []
    for sort in sorts:
        letter = sort.name[0].lower()
        while letter in found:
            letter = chr((ord(letter) - ord("a") + 1) % 26 + ord("a"))
        found.append(letter)
    return found


def text(cut: Cut, clause: Clause) -> str:
    """`all f: File, g: File | needs(f, g) and f.stage == FROZEN => g.stage == FROZEN`."""
    sorts = clause.template.sorts
    bound = names(sorts)
    premises: list[str] = []
    sayings: list[tuple[Column, frozenset[int]]] = []
    for column, values in clause.literals:
        if column.graph is not None:
            premises.append(_edge(column, 1 in values, bound))
        else:
            sayings.append((column, values))
    apart = any(column.graph is not None and column.graph.acyclic and 1 in values for column, values in clause.literals)
    if not apart:
        for i in range(len(sorts)):
            for j in range(i):
                if sorts[i] is sorts[j]:
                    premises.insert(0, f"{bound[j]} != {bound[i]}")
    sayings.sort(key=lambda each: (each[0].field is not cut.place, len(each[0].variables)))
    conclusion = "false"
    if sayings:
        column, values = sayings.pop()
        conclusion = _saying(cut, column, frozenset(column.domain) - values, bound)
    premises += [_saying(cut, column, values, bound) for column, values in sayings]
    quantified = ", ".join(f"{name}: {sort.name}" for name, sort in zip(bound, sorts, strict=True))
    body = f"{' and '.join(premises)} => {conclusion}" if premises else conclusion
    return f"all {quantified} | {body}" if quantified else body


def between_calls(cut: Cut, clause: Clause) -> Clause | None:
    """What a clause says while no call goes on, in the words of the spec; None when that is nothing."""
    made = {cut.place.index: IDLE}
    kept: list[tuple[Column, frozenset[int]]] = []
    for column, values in clause.literals:
        f = column.field
        if f is not None and f.index in cut.alive:  # what the language says of elements it says of the living
            if 1 not in values:
                return None
            continue
        if f is None or all(each is None or each.index < cut.declared for each in (f, column.same)):
            kept.append((column, values))
            continue
        if column.same is not None:  # a local of the call names nothing
            if 0 not in values:
                return None
            continue
        initial = made.get(f.index, f.initial)
        now = NONE if initial is None else int(initial)  # type: ignore[arg-type]
        if now not in values:
            return None
    return replace(clause, literals=tuple(kept)) if kept else None


def _edge(column: Column, there: bool, bound: Sequence[str]) -> str:
    assert column.graph is not None
    ends = ", ".join(bound[v] for v in column.variables)
    return f"{'' if there else 'not '}{column.graph.name}{'+' if column.closure else ''}({ends})"


def _place(cut: Cut, f: Field, owners: Sequence[str]) -> str:
    original = cut.copies.get(f.index)
    shown = original if original is not None else f
    word = listed(cut, shown, owners) or _field_text(shown.name, owners)
    return f"old({word})" if original is not None else word


def listed(cut: Cut, f: Field, owners: Sequence[str]) -> str | None:
    """`f in s.files`, `before(s.files, f, g)`: what a field says that stands for a list or set of the spec; None when it is no such field."""
    if f.index in cut.members:
        return f"{owners[-1]} in {_field_text(cut.members[f.index].name, owners[:-1])}"
    if f.index in cut.orders:
        return f"before({_field_text(cut.orders[f.index].name, owners[:-2])}, {owners[-2]}, {owners[-1]})"
    return None


def _field_text(name: str, owners: Sequence[str]) -> str:
    if len(owners) > 1:
        return f"{name}({', '.join(owners)})"
    return f"{owners[0]}.{name}" if owners else name


def _saying(cut: Cut, column: Column, values: frozenset[int], bound: Sequence[str]) -> str:
    """That a column has one of these values."""
    f = column.field
    assert f is not None
    owners = [bound[v] for v in column.variables]
    if column.same is not None:
        one, other = _place(cut, f, owners[: len(f.owners)]), _place(cut, column.same, owners[len(f.owners) :])
        return f"{one} != none and {one} == {other}" if 1 in values else f"({one} == none or {one} != {other})"
    place = _place(cut, f, owners)
    match f.type:
        case BoolT():
            if f.index in cut.members and 1 not in values:
                return place.replace(" in ", " not in ", 1)
            return place if 1 in values else f"not {place}"
        case EnumT(enum):
            every = frozenset(column.domain)
            if f is cut.place:  # control never comes where a claim is false: the claims say so themselves
                every = frozenset(v for v in every if not enum.members[v].startswith(BROKEN))
                values &= every
            few = values if 2 * len(values) <= len(every) else every - values
            members = [enum.members[v] for v in sorted(few)]
            if len(members) == 1:
                return f"{place} {'==' if few is values else '!='} {members[0]}"
            return f"{place} {'in' if few is values else 'not in'} {{ {', '.join(members)} }}"
    named = [bound[v] for v in column.domain if v >= 0]
    chosen = [bound[v] for v in sorted(values) if v >= 0]
    others = [name for name in named if name not in chosen]
    if OTHER in values:  # everything but ...
        parts = [f"{place} != {name}" for name in others]
        if NONE not in values:
            parts.insert(0, f"{place} != none")
        return parts[0] if len(parts) == 1 else f"({' and '.join(parts)})" if parts else "true"
    parts = [f"{place} == {name}" for name in (["none"] if NONE in values else []) + chosen]
    return parts[0] if len(parts) == 1 else f"({' or '.join(parts)})" if parts else "false"


# ---- certificates -----------------------------------------------------------------------------------------------


def key(f: Field) -> str:
    """`File.stage`, `phase`: a field's name among all of a system."""
    return ".".join([*(owner.name for owner in f.owners), f.name])


def dump(cut: Cut, clause: Clause) -> dict[str, Any]:
    """A clause as plain data."""
    bound = names(clause.template.sorts)
    return {
        "text": text(cut, clause),
        "variables": [{"name": n, "sort": s.name} for n, s in zip(bound, clause.template.sorts, strict=True)],
        "never": [
            {
                "what": (key(column.field) if column.field is not None else _graph_name(column))
                + (SAME + key(column.same) if column.same is not None else ""),
                "of": [bound[v] for v in column.variables],
                "in": [_value_text(column, value, bound) for value in sorted(values)],
            }
            for column, values in clause.literals
        ],
    }


def _graph_name(column: Column) -> str:
    assert column.graph is not None
    return column.graph.name + ("+" if column.closure else "")


def _value_text(column: Column, value: int, bound: Sequence[str]) -> Any:
    type_ = column.field.type if column.field is not None and column.same is None else BoolT()
    if isinstance(type_, BoolT):
        return bool(value)
    if isinstance(type_, EnumT):
        return type_.enum.members[value]
    return NONE_TEXT if value == NONE else OTHER_TEXT if value == OTHER else bound[value]


class Unreadable(Exception):
    """A certificate does not fit the spec; the text says where."""


def read(cut: Cut, data: Any) -> Clause:
    """A clause from plain data.  Raises Unreadable when it is none of this system."""
    try:
        variables = [(str(each["name"]), str(each["sort"])) for each in data["variables"]]
        literals = [(str(each["what"]), [str(x) for x in each["of"]], list(each["in"])) for each in data["never"]]
    except (KeyError, TypeError) as error:
        raise Unreadable(f"a lemma lacks {error}") from error
    sorts = {sort.name: sort for sort in cut.system.sorts}
    fields = {key(f): f for f in cut.system.fields if f.index in cut.relevant}
    graphs = {graph.name + plus: (graph, bool(plus)) for graph in cut.system.graphs for plus in ("", "+")}
    try:
        bound = [name for name, _ in variables]
        chosen = tuple(sorts[sort] for _, sort in variables)
        made: list[tuple[Column, frozenset[int]]] = []
        for what, owners, values in literals:
            places = tuple(bound.index(owner) for owner in owners)
            if what in graphs:
                graph, closure = graphs[what]
                column = Column(None, graph, closure, places, (0, 1))
                expected: tuple[Any, ...] = (graph.sort, graph.sort)
            elif SAME in what:
                f, same = (fields[name] for name in what.split(SAME))
                column = Column(f, None, False, places, (0, 1), same=same)
                if not isinstance(f.type, ElemT) or not isinstance(same.type, ElemT) or f.type.sort is not same.type.sort:
                    raise ValueError(what)
                expected = (*f.owners, *same.owners)
            else:
                f = fields[what]
                column = Column(f, None, False, places, domain(f, chosen))
                expected = f.owners
            if tuple(chosen[p] for p in places) != tuple(expected):
                raise Unreadable(f"`{what}` is not of {', '.join(owners) or 'nothing'}")
            made.append((column, frozenset(_value(column, value, bound) for value in values)))
    except (KeyError, ValueError, TypeError) as error:
        raise Unreadable(f"there is no {error}") from error
    return Clause(Template(chosen, tuple(column for column, _ in made)), tuple(made))


def _value(column: Column, value: Any, bound: Sequence[str]) -> int:
    type_ = column.field.type if column.field is not None and column.same is None else BoolT()
    if isinstance(type_, BoolT):
        if not isinstance(value, bool):
            raise ValueError(repr(value))
        return int(value)
    if isinstance(type_, EnumT):
        return type_.enum.members.index(value)
    assert isinstance(type_, ElemT)
    if value == NONE_TEXT:
        return NONE
    if value == OTHER_TEXT:
        return OTHER
    number = bound.index(value)
    if number not in column.domain:
        raise ValueError(repr(value))
    return number


def value_text(f: Field, value: Value, elements: Sequence[Sequence[str]]) -> str:
    """A value of a field in words; `elements`: names of each sort's elements."""
    match f.type:
        case BoolT():
            return "true" if value else "false"
        case EnumT(enum):
            assert isinstance(value, int)
            return enum.members[value]
        case ElemT(sort):
            return "none" if value is None else elements[sort.index][int(value)]  # type: ignore[arg-type]
    return str(value)
