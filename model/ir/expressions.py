"""Expressions of the IR.  A local stands in a numbered slot of the body's environment; slot 0 is taken by the state before the call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from luocheck.model.ir.vocabulary import (
    BoolT,
    ElemT,
    EnumDef,
    Field,
    IntT,
    LiteralT,
    SeqT,
    SetT,
    Sort,
    SortEdge,
    Type,
    Value,
)
from luocheck.model.source import Span

if TYPE_CHECKING:
    from luocheck.model.ir.system import Graph


@dataclass(frozen=True, slots=True, eq=False)
class Expr:
    span: Span
    type: Type


@dataclass(frozen=True, slots=True, eq=False)
class Const(Expr):
    """A literal: bool, number, enum member (its position), errno name, or none."""

    value: Value


@dataclass(frozen=True, slots=True, eq=False)
class EdgeOfSort(Expr):
    """`S.first`, `S.last` of an ordered sort."""

    edge: SortEdge


@dataclass(frozen=True, slots=True, eq=False)
class Var(Expr):
    slot: int
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Read(Expr):
    """A global variable, or a field of its arguments (elements, enum members)."""

    field: Field
    arguments: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Not(Expr):
    operand: Expr


@dataclass(frozen=True, slots=True, eq=False)
class And(Expr):
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Or(Expr):
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Implies(Expr):
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Compare(Expr):
    operator: str  # == != < <= > >=
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Arithmetic(Expr):
    operator: str  # + -
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Contains(Expr):
    """`item in collection`."""

    item: Expr
    collection: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Literal(Expr):
    """`{ a, b }`."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Quantifier(Expr):
    """`all`, `some`, `no` or `number` (of) over a sort, an enum, or a collection-valued expression."""

    kind: str
    slot: int
    name: str
    domain: Sort | EnumDef | Expr
    body: Expr


@dataclass(frozen=True, slots=True, eq=False)
class HasEdge(Expr):
    """`needs(f, g)`; with `closure`, `needs+(f, g)`."""

    graph: Graph
    left: Expr
    right: Expr
    closure: bool


@dataclass(frozen=True, slots=True, eq=False)
class SeqEnd(Expr):
    """`first(q)`, `last(q)`: none when the sequence is empty."""

    sequence: Expr
    last: bool


@dataclass(frozen=True, slots=True, eq=False)
class Before(Expr):
    """`before(q, x, y)`: both are in the sequence and x comes first."""

    sequence: Expr
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Next(Expr):
    """`next(t)`: the following element of an ordered sort, none after the last."""

    operand: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Old(Expr):
    """The value in the state when the caller entered the call."""

    operand: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Unchanged(Expr):
    """No field that is not a ghost differs from the state before the call, except the named ones."""

    fields: tuple[Field, ...]
    cells: tuple[Read, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Idle(Expr):
    """Nobody is inside a call."""


@dataclass(frozen=True, slots=True, eq=False)
class IdleCaller(Expr):
    """A caller is not inside a call."""

    caller: Expr


@dataclass(frozen=True, slots=True, eq=False)
class BadHandle(Expr):
    """An abi predicate (`bad_name(n)`): the caller passed bytes that are no proper handle.

    It says nothing about the state; exploration tries both values, replay asks the recorded bytes.  The value stands in `slot`.
    """

    predicate: str
    slot: int
    argument: Expr


BOOL = BoolT()
INT = IntT()


def children(expr: Expr) -> Iterator[Expr]:
    """Direct subexpressions, left to right."""
    for f in fields(expr):
        value = getattr(expr, f.name)
        if isinstance(value, Expr):
            yield value
        elif isinstance(value, tuple):
            yield from (each for each in value if isinstance(each, Expr))


def walk(expr: Expr) -> Iterator[Expr]:
    """The expression and everything in it."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def item_type(type: Type) -> Type | None:
    """Type of the members of a collection type, None for other types."""
    match type:
        case LiteralT(item):
            return item
        case SetT(sort) | SeqT(sort):
            return ElemT(sort)
    return None
