"""Values that depend on choices: a summary maps each value that something may have to the formula that says when it has it.

The formulas of a summary exclude one another and, where the path on which it is used is possible, one of them is true.  Elsewhere they may
say anything: nobody looks there.  An operation on summaries is the operation on their values, so nothing of the language's meaning is
said twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any

from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Gates, Lit

Summary = dict[Any, Lit]
"""Value -> when it is that value.  Summaries are never changed."""


def constant(value: Any) -> Summary:
    return {value: TRUE}


NONE = constant(None)
NO = constant(False)


def truth(gates: Gates, summary: Summary) -> Lit:
    """When is the value true?"""
    return gates.any_of(lit for value, lit in summary.items() if value)


def of_truth(lit: Lit) -> Summary:
    """A formula as a summary of a bool."""
    if lit in (TRUE, FALSE):
        return constant(lit == TRUE)
    return {True: lit, False: lit ^ 1}


def made(gates: Gates, parts: Iterable[tuple[Any, Lit]]) -> Summary:
    """A summary of cases, of which several may give the same value."""
    cases: dict[Any, list[Lit]] = {}
    for value, lit in parts:
        if lit != FALSE:
            cases.setdefault(value, []).append(lit)
    if len(cases) == 1:  # where the path is possible, it is this one
        return dict.fromkeys(cases, TRUE)
    return {value: gates.any_of(lits) for value, lits in cases.items()}


def mapped(gates: Gates, operation: Callable[..., Any], *operands: Summary) -> Summary:
    """An operation on values."""
    if all(len(each) == 1 for each in operands):  # as constants
        return constant(operation(*[next(iter(each)) for each in operands]))
    return made(gates, ((operation(*values), lit) for values, lit in cases(gates, *operands)))


def cases(gates: Gates, *operands: Summary) -> list[tuple[tuple[Any, ...], Lit]]:
    """Every combination of values that is possible, and when it is met."""
    found: list[tuple[tuple[Any, ...], Lit]] = []
    for combination in product(*(each.items() for each in operands)):
        lit = TRUE
        for _, when in combination:
            lit = gates.and_(lit, when)
        if lit != FALSE:
            found.append((tuple(value for value, _ in combination), lit))
    return found


def equal(gates: Gates, a: Summary, b: Summary) -> Lit:
    """When do two values agree?"""
    if a is b:
        return TRUE
    small, large = (a, b) if len(a) <= len(b) else (b, a)
    return gates.any_of(gates.and_(lit, large[value]) for value, lit in small.items() if value in large)


def mux(gates: Gates, choice: Lit, yes: Summary, no: Summary) -> Summary:
    """`yes` where `choice` is true, `no` elsewhere."""
    if yes is no or choice == TRUE:
        return yes
    if choice == FALSE:
        return no
    joined: Summary = {}
    for value in (*yes, *(v for v in no if v not in yes)):
        lit = gates.mux(choice, yes.get(value, FALSE), no.get(value, FALSE))
        if lit != FALSE:
            joined[value] = lit
    if len(joined) == 1:
        return dict.fromkeys(joined, TRUE)
    return yes if joined == yes else joined


def first_of(gates: Gates, options: Sequence[tuple[Any, Lit]]) -> tuple[Summary, Lit]:
    """The first option whose formula is true, and when there is none."""
    parts: Summary = {}
    left = TRUE
    for value, lit in options:
        taken = gates.and_(left, lit)
        if taken != FALSE:
            parts[value] = gates.or_(parts.get(value, FALSE), taken)
        left = gates.and_(left, lit ^ 1)
    return parts, left
