"""What a condition comes to when some of the fields that it reads are not looked at: it may be true, or it must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from luocheck.model.ir import expressions as e
from luocheck.model.ir.vocabulary import EnumDef, Sort

Known = Callable[[e.Expr], bool]
"""Is all that an expression reads looked at?"""


def bounded(expr: e.Expr, known: Known, upper: bool) -> e.Expr:
    """A condition over what is known that is true wherever this one may be (upper), or only where this one must be.

    What is not known is taken to be true and false, whichever allows more.  (Kurshan, Computer-aided verification of coordinating
    processes, 1994: localization.)
    """
    if known(expr):
        return expr
    match expr:
        case e.Not(operand=operand):
            return negated(bounded(operand, known, not upper))
        case e.And(left=left, right=right):
            return _joined(expr, e.And, bounded(left, known, upper), bounded(right, known, upper), False)
        case e.Or(left=left, right=right):
            return _joined(expr, e.Or, bounded(left, known, upper), bounded(right, known, upper), True)
        case e.Implies(left=left, right=right):
            return _joined(expr, e.Or, negated(bounded(left, known, not upper)), bounded(right, known, upper), True)
        case e.Quantifier(kind="all" | "some" | "no" as kind, domain=Sort() | EnumDef(), body=body):
            inner = bounded(body, known, upper if kind != "no" else not upper)
            if not isinstance(inner, e.Const):
                return replace(expr, body=inner)
    return e.Const(expr.span, e.BOOL, upper)


def negated(expr: e.Expr) -> e.Expr:
    if isinstance(expr, e.Const):
        return replace(expr, value=not expr.value)
    return e.Not(expr.span, e.BOOL, expr)


def _joined(expr: e.Expr, join: type[e.And] | type[e.Or], left: e.Expr, right: e.Expr, deciding: bool) -> e.Expr:
    """deciding: the value of one side that decides the whole."""
    for one, other in ((left, right), (right, left)):
        if isinstance(one, e.Const):
            return one if one.value is deciding else other
    return join(expr.span, e.BOOL, left, right)
