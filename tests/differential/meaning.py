"""What a condition of a claim means in a state: a tree walk that shares nothing with the real evaluator."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from luocheck.model.ir import expressions as e
from luocheck.model.ir.vocabulary import Lifetime, SeqT, Sort
from luocheck.model.semantics.store import Store, call_index, live_index


def subjects(expr: e.Expr) -> tuple[e.Expr, ...]:
    """The parts that a claim is about; when none of them is ever looked at, it is vacuous."""
    match expr:
        case e.Implies(right=right):
            return subjects(right)
        case e.And(left=left, right=right):
            return (*subjects(left), *subjects(right))
        case e.Quantifier(kind="all", body=body):
            return subjects(body)
    return (expr,)


class Meaning:
    """Evaluates conditions; `looked` says whether one of the watched parts was ever looked at."""

    def __init__(self, watched: Collection[e.Expr]) -> None:
        self.watched = {id(part) for part in watched}
        self.looked = False

    def of(self, expr: e.Expr, store: Store, locals: Mapping[int, Any] = {}, before: Store | None = None) -> Any:
        return self._value(expr, store, dict(locals), before)

    def _value(self, expr: e.Expr, s: Store, env: dict[int, Any], before: Store | None) -> Any:
        self.looked = self.looked or id(expr) in self.watched

        def value(inner: e.Expr) -> Any:
            return self._value(inner, s, env, before)

        match expr:
            case e.Const():
                return expr.value
            case e.EdgeOfSort(edge=edge):
                return s.instance.sizes[edge.sort.index] - 1 if edge.last else 0
            case e.Var(slot=slot) | e.BadHandle(slot=slot):
                return env[slot]
            case e.Read():
                cell = (expr.field.index, *(value(a) for a in expr.arguments))
                assert None not in cell, "a claim reads through none"
                return s.get(cell, s.instance.defaults[expr.field.index])
            case e.Not(operand=operand):
                return not value(operand)
            case e.And(left=left, right=right):
                return value(left) and value(right)
            case e.Or(left=left, right=right):
                return value(left) or value(right)
            case e.Implies(left=left, right=right):
                return value(right) if value(left) else True
            case e.Compare():
                return self._compare(expr, value(expr.left), value(expr.right))
            case e.Arithmetic(operator=operator, left=left, right=right):
                return value(left) + value(right) * (1 if operator == "+" else -1)
            case e.Contains(item=item, collection=collection):
                return any(each == value(item) for each in value(collection))
            case e.Literal(items=items):
                return [value(item) for item in items]
            case e.Quantifier():
                return self._quantifier(expr, s, env, before)
            case e.HasEdge(graph=graph, left=left, right=right, closure=closure):
                edges = s.instance.edges[graph.index]
                return _reaches(edges, value(left), value(right)) if closure else (value(left), value(right)) in edges
            case e.SeqEnd(sequence=sequence, last=last):
                items = value(sequence)
                return None if not items else items[len(items) - 1 if last else 0]
            case e.Before(sequence=sequence, left=left, right=right):
                items = list(value(sequence))
                pairs = [(a, b) for i, a in enumerate(items) for b in items[i + 1 :]]
                return (value(left), value(right)) in pairs
            case e.Next(operand=operand):
                x = value(operand)
                assert isinstance(expr.type, e.ElemT)
                return x + 1 if x + 1 < s.instance.sizes[expr.type.sort.index] else None
            case e.Old(operand=operand):
                assert before is not None
                return self._value(operand, before, env, before)
            case e.Unchanged():
                assert before is not None
                return all(s.get(c) == before.get(c) for c in _compared(expr, s, before, value))
            case e.Idle():
                return not any(cell[0] == call_index(s.instance.system) for cell in s)
            case e.IdleCaller(caller=caller):
                return (call_index(s.instance.system), value(caller)) not in s
        raise AssertionError(expr)

    def _compare(self, expr: e.Compare, left: Any, right: Any) -> bool:
        if isinstance(left, list) or isinstance(right, list):
            in_order = isinstance(expr.left.type, SeqT) or isinstance(expr.right.type, SeqT)
            left, right = (tuple(left), tuple(right)) if in_order else (set(left), set(right))
        match expr.operator:
            case "==":
                return bool(left == right)
            case "!=":
                return bool(left != right)
            case "<":
                return bool(left < right)
            case "<=":
                return bool(left <= right)
            case ">":
                return bool(left > right)
        return bool(left >= right)

    def _quantifier(self, expr: e.Quantifier, s: Store, env: dict[int, Any], before: Store | None) -> Any:
        if isinstance(expr.domain, e.Expr):
            domain = self._value(expr.domain, s, env, before)
        elif isinstance(expr.domain, Sort):
            domain = range(s.instance.sizes[expr.domain.index])
            if expr.domain.pool:
                domain = [x for x in domain if (live_index(s.instance.system, expr.domain), x) in s]
        else:
            domain = range(len(expr.domain.members))

        def holds() -> Iterator[bool]:
            for x in domain:
                yield self._value(expr.body, s, {**env, expr.slot: x}, before)

        match expr.kind:
            case "all":
                return all(holds())
            case "some":
                return any(holds())
            case "no":
                return not any(holds())
        return sum(map(bool, holds()))


def _compared(expr: e.Unchanged, s: Store, before: Store, value: Any) -> Iterator[Any]:
    """The cells that `unchanged` speaks about: of fields that are no ghosts, and which pool elements are alive."""
    system = s.instance.system
    excepted = {(read.field.index, *(value(a) for a in read.arguments)) for read in expr.cells}
    for cell in {*s, *before}:
        if cell[0] < len(system.fields):
            each = system.fields[cell[0]]
            if each.lifetime is not Lifetime.GHOST and each not in expr.fields and cell not in excepted:
                yield cell
        elif cell[0] < len(system.fields) + len(system.sorts):
            yield cell


def _reaches(edges: Collection[tuple[int, int]], start: int, goal: int) -> bool:
    seen: set[int] = set()
    todo = [b for a, b in edges if a == start]
    while todo:
        x = todo.pop()
        if x not in seen:
            seen.add(x)
            todo += [b for a, b in edges if a == x]
    return goal in seen
