"""Clauses as terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from luocheck.checker.symbolic.parametric.encoding import Encoder, State
from luocheck.checker.symbolic.parametric.views import NONE, OTHER, Clause, Column, Template
from luocheck.checker.symbolic.parametric.worlds import Term, conjunction, disjunction, equal, maybe, negation
from luocheck.model.ir.vocabulary import BoolT, ElemT


def literal(
    encoder: Encoder, state: State, column: Column, values: Iterable[int], bound: Sequence[Term], template: Template
) -> Term:
    """Has a column one of these values?"""
    wanted = frozenset(values)
    if column.graph is not None:
        edge = encoder.world.graph(column.graph, column.closure)([bound[v] for v in column.variables])
        return edge if 1 in wanted else negation(edge)
    f = column.field
    assert f is not None
    elements = [bound[v] for v in column.variables]
    if column.same is not None:
        first = len(f.owners)
        one, other = maybe(state[f.index](elements[:first])), maybe(state[column.same.index](elements[first:]))
        same = conjunction([one.there, other.there, equal(one.element, other.element)])
        return same if 1 in wanted else negation(same)
    now = state[f.index](elements)
    type_ = f.type
    if not isinstance(type_, ElemT):
        if isinstance(type_, BoolT):
            return now if 1 in wanted else negation(now)
        few = wanted if 2 * len(wanted) <= len(column.domain) else frozenset(column.domain) - wanted
        found = disjunction([equal(now, encoder.value(type_, value)) for value in sorted(few)])
        return found if few is wanted else negation(found)
    now = maybe(now)
    variables = [v for v in column.domain if v >= 0]
    parts: list[Term] = []
    if NONE in wanted:
        parts.append(negation(now.there))
    parts += [conjunction([now.there, equal(now.element, bound[v])]) for v in variables if v in wanted]
    if OTHER in wanted:
        parts.append(conjunction([now.there, *(negation(equal(now.element, bound[v])) for v in variables)]))
    return disjunction(parts)


def broken(encoder: Encoder, state: State, clause: Clause, bound: Sequence[Term]) -> Term:
    """Do these elements break the clause?"""
    apart = different(clause, bound)
    return conjunction(
        [*apart, *(literal(encoder, state, column, values, bound, clause.template) for column, values in clause.literals)]
    )


def different(clause: Clause, bound: Sequence[Term]) -> list[Term]:
    """That the elements of a clause are not the same."""
    sorts = clause.template.sorts
    return [negation(equal(bound[i], bound[j])) for i in range(len(bound)) for j in range(i) if sorts[i] is sorts[j]]


def says(encoder: Encoder, state: State, clause: Clause) -> Term:
    """The clause in a state."""

    def rest(bound: tuple[Term, ...]) -> Term:
        if len(bound) == len(clause.template.sorts):
            return negation(broken(encoder, state, clause, bound))
        return encoder.world.quantified(clause.template.sorts[len(bound)], "all", lambda x: rest((*bound, x)))

    return rest(())
