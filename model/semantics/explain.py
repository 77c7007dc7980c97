"""Why a claim is false in a state: its false parts with the elements that make them so."""

from __future__ import annotations

from typing import Any

from luocheck.model.answer import Clause
from luocheck.model.ir import expressions as e
from luocheck.model.ir.vocabulary import EnumDef, EnumT, Sort
from luocheck.model.semantics.expressions import Compiler, Env, Oops
from luocheck.model.semantics.shown import value_text
from luocheck.model.semantics.store import Store


class Explainer:
    """Explains expressions in one state (and the state before, for `old`)."""

    def __init__(self, store: Store, env: Env) -> None:
        self.store = store
        self.env = env
        self.compiler = Compiler(store.instance, checked=False)

    def why(self, expr: e.Expr, value: bool) -> tuple[Clause, ...]:
        """The smallest parts that give a condition its value, each with the bindings of the quantifiers around it."""
        return tuple(self._why(expr, value, ()))

    def _value(self, expr: e.Expr) -> Any:
        return self.compiler(expr)(self.store, self.env)

    def _why(self, expr: e.Expr, value: bool, bound: tuple[tuple[str, str], ...]) -> list[Clause]:
        match expr:
            case e.Not(operand=operand):
                return self._why(operand, not value, bound)
            case e.And(left=left, right=right):
                return self._both(left, right, value, bound, all_needed=value)
            case e.Or(left=left, right=right):
                return self._both(left, right, value, bound, all_needed=not value)
            case e.Implies(left=left, right=right):
                if not value:
                    return self._why(left, True, bound) + self._why(right, False, bound)
                return self._why(left, False, bound) if not self._value(left) else self._why(right, True, bound)
            case e.Quantifier(kind="all" | "some" | "no" as kind):
                found = self._example(expr, wanted=(kind == "some") == value if kind != "no" else not value, value=value)
                if found is not None:
                    return self._inside(expr, found, bound, value if kind != "no" else not value)
        return [self._clause(expr, bound)]

    def _both(
        self, left: e.Expr, right: e.Expr, value: bool, bound: tuple[tuple[str, str], ...], *, all_needed: bool
    ) -> list[Clause]:
        if all_needed:
            return self._why(left, value, bound) + self._why(right, value, bound)
        side = left if bool(self._value(left)) == value else right
        return self._why(side, value, bound)

    def _example(self, expr: e.Quantifier, *, wanted: bool, value: bool) -> Any:
        """An element that decides the quantifier: a counterexample of `all`, an example of `some`; None when every element counts."""
        decisive = {"all": False, "some": True, "no": True}[expr.kind]
        if (expr.kind == "all" and value) or (expr.kind == "some" and not value) or (expr.kind == "no" and value):
            return None
        for x in self._domain(expr):
            self.env[expr.slot] = x
            if bool(self._value(expr.body)) == decisive:
                return x
        return None

    def _inside(self, expr: e.Quantifier, x: Any, bound: tuple[tuple[str, str], ...], value: bool) -> list[Clause]:
        self.env[expr.slot] = x
        return self._why(expr.body, value, (*bound, (expr.name, self._element(expr, x))))

    def _domain(self, expr: e.Quantifier) -> Any:
        if isinstance(expr.domain, Sort | EnumDef):
            return self.store.elements(expr.domain)
        return self._value(expr.domain)

    def _element(self, expr: e.Quantifier, x: Any) -> str:
        instance = self.store.instance
        if isinstance(expr.domain, Sort):
            return instance.name(expr.domain, x)
        if isinstance(expr.domain, EnumDef):
            return str(expr.domain.members[x])
        return value_text(x, e.item_type(expr.domain.type), instance)

    def _clause(self, expr: e.Expr, bound: tuple[tuple[str, str], ...]) -> Clause:
        try:
            value = self._value(expr)
        except Oops as oops:
            return Clause(expr.span.text, oops.claim, bound, expr.span)
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)
        if isinstance(expr, e.Compare):
            text += f" ({self._operand(expr.left)} {expr.operator} {self._operand(expr.right)})"
        return Clause(expr.span.text, text, bound, expr.span)

    def _operand(self, expr: e.Expr) -> str:
        value = self._value(expr)
        type_ = expr.type
        if isinstance(type_, EnumT) and value is None:
            return "none"
        return value_text(value, type_, self.store.instance)
