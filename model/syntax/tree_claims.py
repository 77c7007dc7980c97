"""Claims."""

from __future__ import annotations

from luocheck.model.syntax.tree import Name, Node, Text, rule
from luocheck.model.syntax.tree_expressions import Expr


class Claim(Node):
    __slots__ = ()


@rule("returns_name")
class ReturnsName(Node):
    outcome: Name
    label: Name | None


@rule("returns_error")
class ReturnsError(Node):
    pass


@rule("outcome_of")
class OutcomeOf(Node):
    event: Name
    returns: ReturnsName | ReturnsError | None


@rule("outcome_of_any")
class OutcomeOfAny(Node):
    kind: str | None
    returns: ReturnsName | ReturnsError | None


@rule("invariant")
class Invariant(Claim):
    name: Name
    doc: Text | None
    condition: Expr


@rule("lemma")
class Lemma(Claim):
    name: Name
    doc: Text | None
    condition: Expr


@rule("reachable")
class Reachable(Claim):
    name: Name
    doc: Text | None
    condition: Expr


@rule("after")
class After(Claim):
    outcome: OutcomeOf | OutcomeOfAny
    name: Name
    doc: Text | None
    condition: Expr


@rule("at")
class At(Claim):
    label: Name
    name: Name
    doc: Text | None
    condition: Expr


@rule("never")
class Never(Claim):
    event: Name
    outcome: Name


@rule("stuck")
class Stuck(Claim):
    name: Name
    doc: Text | None
    unless: Expr | None


@rule("recoverable")
class Recoverable(Claim):
    name: Name
    doc: Text | None
    condition: Expr
    goal: Expr
    using: tuple[Name, ...]
    with_faults: bool


@rule("assumption")
class Assumption(Node):
    event: Name
    succeeds: bool


@rule("each_name")
class EachName(Node):
    name: Name
    sort: Name


@rule("liveness")
class Liveness(Claim):
    name: Name
    doc: Text | None
    each: tuple[EachName, ...]
    condition: Expr
    goal: Expr
    assuming: tuple[Assumption, ...]
