"""Which fields of what a kernel hands over have no value twice: what the spec promises of its states is true of the kernel before, too."""

from __future__ import annotations

from collections.abc import Iterator

from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import Expected, Kind, System
from luocheck.model.ir.vocabulary import Field, Lifetime, Sort


def unique_fields(system: System) -> Iterator[tuple[int, tuple[Sort, tuple[int, ...]]]]:
    """Fields of pools whose values the spec promises to be unique: (field, (pool, fields)), unique among elements that agree in `fields`.

    The promise has the form `all x: S, y: S | x.a == y.a and x.b == y.b => x == y`.
    """
    failing = {each.property for each in system.expectations if each.verdict is Expected.FAILS}
    for claim in system.properties:
        outer = claim.condition
        if claim.kind is not Kind.INVARIANT or claim.name in failing or not isinstance(outer, e.Quantifier):
            continue
        inner = outer.body
        if not isinstance(inner, e.Quantifier) or outer.domain is not inner.domain or not isinstance(outer.domain, Sort):
            continue
        pair = {outer.slot, inner.slot}
        if outer.kind != "all" or inner.kind != "all" or not isinstance(inner.body, e.Implies) or not outer.domain.pool:
            continue
        fields = [_compared(part, pair) for part in _conjuncts(inner.body.left)]
        if _is_same(inner.body.right, pair) and all(f is not None and f.lifetime is Lifetime.PRESERVED for f in fields):
            known = [f for f in fields if f is not None]
            for f in known:
                yield f.index, (outer.domain, tuple(other.index for other in known if other is not f))


def unique_members(system: System) -> dict[int, tuple[int, ...]]:
    """Fields that no two members of a set or sequence have the same value of, as the spec promises: by the variable that holds it.

    The promise, or a part of it that must hold as well, has the form `all x in q, y in q | x.a == y.a => x == y`.
    """
    failing = {each.property for each in system.expectations if each.verdict is Expected.FAILS}
    found: dict[int, tuple[int, ...]] = {}
    for claim in system.properties:
        if claim.kind is not Kind.INVARIANT or claim.name in failing or claim.condition is None:
            continue
        for outer in _conjuncts(claim.condition):
            inner = outer.body if isinstance(outer, e.Quantifier) and outer.kind == "all" else None
            if not isinstance(outer, e.Quantifier) or not isinstance(inner, e.Quantifier) or inner.kind != "all":
                continue
            over, again = outer.domain, inner.domain
            if not isinstance(over, e.Read) or not isinstance(again, e.Read) or over.field is not again.field or over.arguments:
                continue
            pair = {outer.slot, inner.slot}
            if isinstance(inner.body, e.Implies) and _is_same(inner.body.right, pair):
                compared = _compared(inner.body.left, pair)
                if compared is not None:
                    found[over.field.index] = (*found.get(over.field.index, ()), compared.index)
    return found


def _conjuncts(condition: e.Expr) -> list[e.Expr]:
    return [*_conjuncts(condition.left), *_conjuncts(condition.right)] if isinstance(condition, e.And) else [condition]


def _compared(part: e.Expr, pair: set[int]) -> Field | None:
    """The field f of `x.f == y.f`."""
    if not isinstance(part, e.Compare) or part.operator != "==":
        return None
    left, right = part.left, part.right
    if not isinstance(left, e.Read) or not isinstance(right, e.Read) or left.field is not right.field:
        return None
    owners = [each.slot for read in (left, right) for each in read.arguments if isinstance(each, e.Var)]
    return left.field if len(left.arguments) == 1 and len(owners) == 2 and set(owners) == pair else None


def _is_same(part: e.Expr, pair: set[int]) -> bool:
    """Is it `x == y`?"""
    if not isinstance(part, e.Compare) or part.operator != "==":
        return False
    return {each.slot for each in (part.left, part.right) if isinstance(each, e.Var)} == pair
