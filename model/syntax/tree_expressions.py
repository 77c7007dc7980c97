"""Expressions and types."""

from __future__ import annotations

from dataclasses import dataclass

from luocheck.model.syntax.tree import Name, Node, Number, rule


class Expr(Node):
    __slots__ = ()


@rule("implies_")
class Implies(Expr):
    left: Expr
    right: Expr


@rule("disjunction")
class Or(Expr):
    left: Expr
    right: Expr


@rule("conjunction")
class And(Expr):
    left: Expr
    right: Expr


@rule("negation")
class Not(Expr):
    operand: Expr


@rule("over_sort")
class OverSort(Node):
    name: Name
    sort: Name


@rule("over_collection")
class OverCollection(Node):
    name: Name
    collection: Expr


@rule("quantifier")
class Quantifier(Expr):
    kind: str  # all, some, no, number
    binders: tuple[OverSort | OverCollection, ...]
    body: Expr


@rule("compare")
class Compare(Expr):
    left: Expr
    operator: str
    right: Expr


@rule("member")
class Member(Expr):
    item: Expr
    collection: Expr


@rule("not_member")
class NotMember(Expr):
    item: Expr
    collection: Expr


@rule("arithmetic")
class Arithmetic(Expr):
    left: Expr
    operator: str
    right: Expr


@rule("select")
class Select(Expr):
    owner: Expr
    field: Name


@rule("name")
class NameExpr(Expr):
    name: Name


@rule("apply")
class Apply(Expr):
    name: Name
    arguments: tuple[Expr, ...]


@rule("apply_closure")
class ApplyClosure(Expr):
    """`needs+(f, g)`: the transitive closure of a graph."""

    name: Name
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class NumberExpr(Expr):
    value: int


@dataclass(frozen=True, slots=True)
class BoolExpr(Expr):
    value: bool


@rule("none_")
class NoneExpr(Expr):
    pass


@rule("unchanged")
class Unchanged(Expr):
    exceptions: tuple[Expr, ...]


@rule("old")
class Old(Expr):
    operand: Expr


@rule("set_literal")
class SetLiteral(Expr):
    items: tuple[Expr, ...]


@rule("parenthesised")
class Parenthesised(Expr):
    """Kept in the tree so that the printer never has to guess; means its operand."""

    operand: Expr


@rule("any_value")
class AnyValue(Expr):
    """`= any` after a field: every value of its type."""


class TypeNode(Node):
    __slots__ = ()


@rule("named_type")
class NamedType(TypeNode):
    name: Name


@rule("optional_type")
class OptionalType(TypeNode):
    name: Name


@rule("bool_type")
class BoolType(TypeNode):
    pass


@rule("errno_type")
class ErrnoType(TypeNode):
    pass


@rule("count_type")
class CountType(TypeNode):
    limit: Number


@rule("set_type")
class SetType(TypeNode):
    sort: Name


@rule("seq_type")
class SeqType(TypeNode):
    sort: Name
