"""Meaning of expressions: each becomes a function of a store and an environment (a list of locals, slot 0 the store before the call)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from luocheck.model.instances import Instance
from luocheck.model.ir import expressions as e
from luocheck.model.ir.vocabulary import EnumDef, Lifetime, SeqT, Sort
from luocheck.model.semantics.store import Store, live_index
from luocheck.model.source import Span

Env = list[Any]
Code = Callable[[Store, Env], Any]


class Oops(Exception):
    """The code did what no code may do; `claim` is the name of the built-in claim that this breaks."""

    def __init__(self, claim: str, span: Span) -> None:
        super().__init__(claim)
        self.claim = claim
        self.span = span


_ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Compiler:
    """Compiles expressions for the instances of one scope.

    `checked`: reading a freed element is a finding.  Bodies are compiled so; properties see the initial values instead.
    `watched`: for some subexpressions (by id) a function to call whenever they are evaluated.
    """

    def __init__(self, instance: Instance, *, checked: bool, watched: Mapping[int, Callable[[], None]] = {}) -> None:
        self.system = instance.system
        self.defaults = instance.defaults
        self.checked = checked
        self.watched = watched

    def __call__(self, expr: e.Expr) -> Code:
        code: Code = getattr(self, self._cases[type(expr)])(expr)
        watch = self.watched.get(id(expr))
        if watch is None:
            return code

        def watched(s: Store, env: Env) -> Any:
            watch()
            return code(s, env)

        return watched

    def _const(self, expr: e.Const) -> Code:
        value = expr.value
        return lambda s, env: value

    def _edge_of_sort(self, expr: e.EdgeOfSort) -> Code:
        sort, last = expr.edge.sort, expr.edge.last
        if last:
            return lambda s, env: s.instance.sizes[sort.index] - 1
        return lambda s, env: 0

    def _var(self, expr: e.Var) -> Code:
        slot = expr.slot
        return lambda s, env: env[slot]

    def _read(self, expr: e.Read) -> Code:
        index, default, span = expr.field.index, self.defaults[expr.field.index], expr.span
        if not expr.arguments:
            key = (index,)
            return lambda s, env: s.get(key, default)
        owner = expr.field.owners[0]
        if len(expr.arguments) == 1:
            argument = self(expr.arguments[0])
            if self.checked and isinstance(owner, Sort) and owner.pool:
                alive = live_index(self.system, owner)

                def checked_read(s: Store, env: Env) -> Any:
                    x = argument(s, env)
                    if x is None:
                        raise Oops("null_dereference", span)
                    if (alive, x) not in s:
                        raise Oops("use_after_free", span)
                    return s.get((index, x), default)

                return checked_read

            def read(s: Store, env: Env) -> Any:
                x = argument(s, env)
                if x is None:
                    raise Oops("null_dereference", span)
                return s.get((index, x), default)

            return read
        arguments = [self(a) for a in expr.arguments]
        pools = [
            (position, live_index(self.system, o))
            for position, o in enumerate(expr.field.owners)
            if self.checked and isinstance(o, Sort) and o.pool
        ]

        def read_pair(s: Store, env: Env) -> Any:
            key = (index, *(a(s, env) for a in arguments))
            if None in key:
                raise Oops("null_dereference", span)
            for position, alive in pools:
                if (alive, key[position + 1]) not in s:
                    raise Oops("use_after_free", span)
            return s.get(key, default)

        return read_pair

    def _not(self, expr: e.Not) -> Code:
        operand = self(expr.operand)
        return lambda s, env: not operand(s, env)

    def _and(self, expr: e.And) -> Code:
        left, right = self(expr.left), self(expr.right)
        return lambda s, env: left(s, env) and right(s, env)

    def _or(self, expr: e.Or) -> Code:
        left, right = self(expr.left), self(expr.right)
        return lambda s, env: left(s, env) or right(s, env)

    def _implies(self, expr: e.Implies) -> Code:
        left, right = self(expr.left), self(expr.right)
        return lambda s, env: not left(s, env) or right(s, env)

    def _compare(self, expr: e.Compare) -> Code:
        left, right = self._compared(expr.left, expr.right), self._compared(expr.right, expr.left)
        if expr.operator == "==":
            return lambda s, env: left(s, env) == right(s, env)
        if expr.operator == "!=":
            return lambda s, env: left(s, env) != right(s, env)
        order, span = _ORDER[expr.operator], expr.span

        def compare(s: Store, env: Env) -> bool:
            a, b = left(s, env), right(s, env)
            if a is None or b is None:
                raise Oops("null_dereference", span)
            return order(a, b)

        return compare

    def _compared(self, expr: e.Expr, other: e.Expr) -> Code:
        """A side of a comparison.  `{ ... }` is a set, but for `{ }` beside a list, which is the empty list."""
        code = self(expr)
        if isinstance(expr, e.Literal) and not isinstance(other.type, SeqT):
            return lambda s, env: frozenset(code(s, env))
        return code

    def _arithmetic(self, expr: e.Arithmetic) -> Code:
        left, right = self(expr.left), self(expr.right)
        if expr.operator == "+":
            return lambda s, env: left(s, env) + right(s, env)
        return lambda s, env: left(s, env) - right(s, env)

    def _contains(self, expr: e.Contains) -> Code:
        item, collection = self(expr.item), self(expr.collection)
        return lambda s, env: item(s, env) in collection(s, env)

    def _literal(self, expr: e.Literal) -> Code:
        if all(isinstance(item, e.Const) for item in expr.items):
            constant = tuple(item.value for item in expr.items if isinstance(item, e.Const))
            return lambda s, env: constant
        items = [self(item) for item in expr.items]
        return lambda s, env: tuple(item(s, env) for item in items)

    def _domain(self, expr: e.Quantifier) -> Code:
        """Code for what a quantifier ranges over."""
        domain = expr.domain
        if isinstance(domain, Sort | EnumDef):
            return lambda s, env: s.elements(domain)
        return self(domain)

    def _quantifier(self, expr: e.Quantifier) -> Code:
        slot, body, over = expr.slot, self(expr.body), self._domain(expr)
        match expr.kind:
            case "all":

                def all_of(s: Store, env: Env) -> bool:
                    for x in over(s, env):
                        env[slot] = x
                        if not body(s, env):
                            return False
                    return True

                return all_of
            case "number":

                def number_of(s: Store, env: Env) -> int:
                    count = 0
                    for x in over(s, env):
                        env[slot] = x
                        if body(s, env):
                            count += 1
                    return count

                return number_of
        wanted = expr.kind == "some"

        def some(s: Store, env: Env) -> bool:
            for x in over(s, env):
                env[slot] = x
                if body(s, env):
                    return wanted
            return not wanted

        return some

    def _has_edge(self, expr: e.HasEdge) -> Code:
        left, right, index = self(expr.left), self(expr.right), expr.graph.index
        if expr.closure:
            return lambda s, env: (left(s, env), right(s, env)) in s.instance.closure[index]
        return lambda s, env: (left(s, env), right(s, env)) in s.instance.edges[index]

    def _seq_end(self, expr: e.SeqEnd) -> Code:
        sequence, position = self(expr.sequence), -1 if expr.last else 0

        def end(s: Store, env: Env) -> Any:
            items = sequence(s, env)
            return items[position] if items else None

        return end

    def _before(self, expr: e.Before) -> Code:
        sequence, left, right = self(expr.sequence), self(expr.left), self(expr.right)

        def before(s: Store, env: Env) -> bool:
            items = sequence(s, env)
            a, b = left(s, env), right(s, env)
            return a in items and b in items and items.index(a) < items.index(b)

        return before

    def _next(self, expr: e.Next) -> Code:
        operand, sort, span = self(expr.operand), expr.type.sort, expr.span  # type: ignore[union-attr]

        def following(s: Store, env: Env) -> int | None:
            x = operand(s, env)
            if x is None:
                raise Oops("null_dereference", span)
            return x + 1 if x + 1 < s.instance.sizes[sort.index] else None

        return following

    def _old(self, expr: e.Old) -> Code:
        operand = self(expr.operand)
        return lambda s, env: operand(env[0], env)

    def _unchanged(self, expr: e.Unchanged) -> Code:
        system = self.system
        watched = {f.index for f in system.fields if f.lifetime is not Lifetime.GHOST}
        watched |= {live_index(system, sort) for sort in system.sorts if sort.pool}
        watched -= {f.index for f in expr.fields}
        cells = [(read.field.index, [self(a) for a in read.arguments]) for read in expr.cells]
        missing = object()

        def unchanged(s: Store, env: Env) -> bool:
            old = env[0]
            if s is old:
                return True
            excepted = {(index, *(a(s, env) for a in arguments)) for index, arguments in cells}
            for cell, value in s.items():
                if cell[0] in watched and old.get(cell, missing) != value and cell not in excepted:
                    return False
            return not any(cell[0] in watched and cell not in s and cell not in excepted for cell in old)

        return unchanged

    def _idle(self, expr: e.Idle) -> Code:
        return lambda s, env: s.idle()

    def _idle_caller(self, expr: e.IdleCaller) -> Code:
        caller = self(expr.caller)
        return lambda s, env: not s.inside(caller(s, env))

    def _bad_handle(self, expr: e.BadHandle) -> Code:
        slot = expr.slot
        return lambda s, env: env[slot]

    _cases: ClassVar[dict[type[e.Expr], str]] = {
        e.Const: "_const",
        e.EdgeOfSort: "_edge_of_sort",
        e.Var: "_var",
        e.Read: "_read",
        e.Not: "_not",
        e.And: "_and",
        e.Or: "_or",
        e.Implies: "_implies",
        e.Compare: "_compare",
        e.Arithmetic: "_arithmetic",
        e.Contains: "_contains",
        e.Literal: "_literal",
        e.Quantifier: "_quantifier",
        e.HasEdge: "_has_edge",
        e.SeqEnd: "_seq_end",
        e.Before: "_before",
        e.Next: "_next",
        e.Old: "_old",
        e.Unchanged: "_unchanged",
        e.Idle: "_idle",
        e.IdleCaller: "_idle_caller",
        e.BadHandle: "_bad_handle",
    }


def evaluate(expr: e.Expr, store: Store, locals: dict[int, Any] | None = None, old: Store | None = None) -> Any:
    """The value of an expression in a state, once.  Raises Oops when it reads through none."""
    return evaluator(expr, store.instance)(store, locals, old)


def evaluator(expr: e.Expr, instance: Instance) -> Callable[[Store, dict[int, Any] | None, Store | None], Any]:
    """`evaluate` for one expression in many states."""
    highest = max((part.slot for part in e.walk(expr) if isinstance(part, e.Var | e.Quantifier | e.BadHandle)), default=0)
    code = Compiler(instance, checked=False)(expr)

    def value(store: Store, locals: dict[int, Any] | None, old: Store | None) -> Any:
        env: Env = [None] * (highest + 1)
        env[0] = old
        for slot, value in (locals or {}).items():
            if slot <= highest:
                env[slot] = value
        return code(store, env)

    return value
