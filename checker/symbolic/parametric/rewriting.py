"""Expressions and statements rebuilt with some of their parts replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any, TypeVar

from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st

Change = Callable[[e.Expr], e.Expr | None]
"""What an expression becomes; None when only its parts are looked at."""

_Node = TypeVar("_Node", e.Expr, st.Stmt, st.Block)


def changed(expr: e.Expr, change: Change) -> e.Expr:
    """The expression with `change` applied from the outside in."""
    found = change(expr)
    return found if found is not None else _with_parts(expr, change)


def changed_block(block: st.Block, change: Change) -> st.Block:
    """The block with `change` applied to every expression in it."""
    return _with_parts(block, change)


def _with_parts(node: _Node, change: Change) -> _Node:
    new: dict[str, Any] = {}
    for each in fields(node):
        before = getattr(node, each.name)
        after = _part(before, change)
        if after is not before:
            new[each.name] = after
    return replace(node, **new) if new else node


def _part(value: Any, change: Change) -> Any:
    if isinstance(value, e.Expr):
        return changed(value, change)
    if isinstance(value, st.Stmt):
        return _with_parts(value, change)
    if isinstance(value, st.Block):
        return _with_parts(value, change)
    if isinstance(value, tuple):
        parts = tuple(_part(each, change) for each in value)
        return parts if any(a is not b for a, b in zip(parts, value, strict=True)) else value
    return value


def free_slots(expr: e.Expr) -> frozenset[int]:
    """Locals that the expression reads, without those that its quantifiers bind."""
    if isinstance(expr, e.Var | e.BadHandle):
        own = frozenset({expr.slot})
        return own | free_slots(expr.argument) if isinstance(expr, e.BadHandle) else own
    found: frozenset[int] = frozenset().union(*(free_slots(child) for child in e.children(expr)))
    return found - {expr.slot} if isinstance(expr, e.Quantifier) else found


def fields_read(expr: e.Expr) -> Iterator[e.Read]:
    """Every read of a field in an expression."""
    return (part for part in e.walk(expr) if isinstance(part, e.Read))
