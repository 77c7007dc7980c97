"""How many elements are enough to look at.

A counterexample to induction over statements that are universal stays one when every element goes that neither the call nor the statement
names.  What is counted here is where the search begins; whether it was enough is decided by the check for every size.
"""

from __future__ import annotations

from collections.abc import Sequence

from luocheck.checker.symbolic.parametric.cutpoints import Cut
from luocheck.checker.symbolic.parametric.views import Template
from luocheck.model.ir.system import Scope
from luocheck.model.ir.vocabulary import ElemT, Sort

MOST = 3
"""Most elements of a sort to begin with."""


def counted(cut: Cut, templates: Sequence[Template]) -> tuple[int, ...]:
    """Elements of each sort that a call and a statement name together, and one that neither does."""
    found = [_counted(cut, templates, sort) for sort in cut.system.sorts]
    for f in cut.system.fields:
        if f.index in cut.relevant and len(f.owners) == 1 and isinstance(f.type, ElemT):  # each owner may name another one
            owner = f.owners[0].index
            found[f.type.sort.index] = max(found[f.type.sort.index], found[owner])
    return tuple(found)


def _counted(cut: Cut, templates: Sequence[Template], sort: Sort) -> int:
    of_statement = max((template.sorts.count(sort) for template in templates), default=0)
    if not of_statement:
        return 1
    locals_ = sum(
        1 for f in cut.system.fields[cut.declared :] if not f.owners and isinstance(f.type, ElemT) and f.type.sort is sort
    )
    named = max(sum(1 for p in e.parameters if isinstance(p.type, ElemT) and p.type.sort is sort) for e in cut.system.events)
    return min(MOST, max(2, max(named, locals_) + of_statement))


def small_scopes(cut: Cut, sizes: Sequence[int], templates: Sequence[Template]) -> list[Scope]:
    """Scopes that can be explored deeply: one element of each sort; for each template two of its sorts, and of what these name."""
    sorts = cut.system.sorts
    one = [1] * len(sizes)
    found = [one]
    for template in templates:
        chosen = list(one)
        for sort in template.sorts:
            if template.sorts.count(sort) > 1:
                chosen[sort.index] = min(2, sizes[sort.index])
            for column in template.columns:
                f = column.field
                if f is not None and f.owners == (sort,) and isinstance(f.type, ElemT) and len(template.sorts) > 1:
                    chosen[f.type.sort.index] = min(2, sizes[f.type.sort.index])
        if chosen not in found:
            found.append(chosen)
    found.sort(key=sum)
    two = [1 if sort is cut.system.caller else min(2, size) for sort, size in zip(sorts, sizes, strict=True)]
    return [_scope(cut, each) for each in [*found, *([] if two in found else [two])]]


def scopes(cut: Cut, sizes: Sequence[int]) -> list[Scope]:
    """Scopes to explore, the most telling ones first: all of a sort while there are two of the others."""
    system = cut.system
    caller = system.caller
    small = [min(2, size) for size in sizes]
    found: list[list[int]] = []
    if caller is not None:
        found.append([size if sort is caller else least for sort, size, least in zip(system.sorts, sizes, small, strict=True)])
        found.append([least if sort is caller else size for sort, size, least in zip(system.sorts, sizes, small, strict=True)])
    else:
        found.append(small)
    found.append(list(sizes))
    distinct = [each for i, each in enumerate(found) if each not in found[:i]]
    return [_scope(cut, each) for each in distinct]


def _scope(cut: Cut, sizes: Sequence[int]) -> Scope:
    named = zip(cut.system.sorts, sizes, strict=True)
    return Scope("views", tuple((sort.name, size) for sort, size in named), frozenset(), cut.system.span)
