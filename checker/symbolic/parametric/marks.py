"""What a spec in which lists and counts are fields of yes and no has beside the language's own words."""

from __future__ import annotations

from dataclasses import dataclass

from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import Field


@dataclass(frozen=True, slots=True, eq=False)
class Formless(e.Expr):
    """Something that has no form for every size; it is refused where it matters."""

    reason: str


class Kept:
    """An expression that is not among the parts of the one that it stands in."""

    __slots__ = ("expr",)

    def __init__(self, expr: e.Expr) -> None:
        self.expr = expr


@dataclass(frozen=True, slots=True, eq=False)
class IfRelevant(e.Expr):
    """What is said where the fields in it matter to the claims; elsewhere `true`, which allows more."""

    said: Kept


@dataclass(frozen=True, slots=True, eq=False)
class Gathered(st.Walk):
    """A walk over some elements of a sort, which are known when it starts; one that drains takes what is there, until nothing is.

    among: is an element (the binder) one of them?  order: the field that says of two elements of a list which comes first, with its list's
    owners as `owner`; None when the walk may take them in any order.  taken: what takes the element out of a list that is drained.
    """

    among: e.Expr
    order: Field | None
    owner: tuple[e.Expr, ...]
    taken: tuple[st.Stmt, ...]
