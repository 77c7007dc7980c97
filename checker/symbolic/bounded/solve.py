"""Formulas given to z3's SAT solver, within limits.  Seeds are fixed: the same questions in the same order have the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import z3
from z3 import z3core

from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Gates, Lit, Valuation
from luocheck.checker.symbolic.watched import watched

OFTEN = 20_000
"""Gates that are translated between two looks at the limits."""


def decided(
    context: z3.Context, ask: Callable[[], z3.CheckSatResult], limits: Limits, watch: Callable[[], None] = lambda: None
) -> z3.CheckSatResult:
    """The answer of a question to a solver, sat or unsat.  Raises Stopped at a limit, and where the solver has no answer."""
    limits.check(0)

    def pulse() -> None:
        limits.check(0)
        watch()

    try:
        answer = watched(context, ask, pulse)
    except z3.Z3Exception as error:
        raise Stopped(f"the solver gave up: {error}") from None
    if answer == z3.unknown:
        raise Stopped("the solver gave up")
    return answer


class Solver:
    """Decides whether formulas can be true together.  What is asserted stays; what is assumed is for one question."""

    def __init__(self, gates: Gates, limits: Limits, watch: Callable[[], None] = lambda: None) -> None:
        """`watch` is called now and then while a question is open."""
        self.gates = gates
        self.limits = limits
        self.watch = watch
        self._context = z3.Context()
        self._solver = z3.SolverFor("QF_FD", ctx=self._context)
        self._solver.set("random_seed", 0)
        self._solver.set("ctrl_c", False)
        self._literals: dict[Lit, z3.BoolRef] = {}
        self._model: z3.ModelRef | None = None

    def require(self, lit: Lit) -> None:
        """From now on a formula is true."""
        if lit != TRUE:
            self._solver.add(self._literal(lit))

    def possible(self, *assumed: Lit) -> bool:
        """Can formulas be true, with all that is required?  Raises Stopped at a limit."""
        if FALSE in assumed:
            return False
        literals = [self._literal(lit) for lit in assumed if lit != TRUE]
        answer = decided(self._context, lambda: self._solver.check(*literals), self.limits, self.watch)
        self._model = self._solver.model() if answer == z3.sat else None
        return answer == z3.sat  # type: ignore[no-any-return]

    def valuation(self) -> Valuation:
        """The values of all formulas in the example that the last question found."""
        assert self._model is not None
        inputs = {
            lit >> 1: z3.is_true(self._model[made])
            for lit, made in self._literals.items()
            if not lit & 1 and self.gates.is_input(lit >> 1)
        }
        return Valuation(self.gates, inputs)

    # ---- translation ----------------------------------------------------------------------------------------------

    def _literal(self, lit: Lit) -> z3.BoolRef:
        """A solver's literal that stands for a formula; its gates become clauses."""
        if lit not in self._literals:
            self._define([lit])
        return self._literals[lit]

    def _define(self, roots: Iterable[Lit]) -> None:
        gates, literals = self.gates, self._literals
        for count, node in enumerate(self._missing(roots)):
            if count % OFTEN == OFTEN - 1:
                self.limits.check(0)
            me = z3.Bool(f"g{node}", self._context)
            literals[2 * node], literals[2 * node + 1] = me, z3.Not(me)
            if node == 0:
                self._clause(1)
            elif not gates.is_input(node):
                left, right = gates.left[node], gates.right[node]
                self._clause(2 * node + 1, left)
                self._clause(2 * node + 1, right)
                self._clause(2 * node, left ^ 1, right ^ 1)

    def _missing(self, roots: Iterable[Lit]) -> list[int]:
        """Nodes under some roots that the solver does not know yet, operands first."""
        gates, found = self.gates, set()
        todo = [root >> 1 for root in roots]
        while todo:
            node = todo.pop()
            if node in found or 2 * node in self._literals:
                continue
            found.add(node)
            if not gates.is_input(node):
                todo += (gates.left[node] >> 1, gates.right[node] >> 1)
        return sorted(found)

    def _clause(self, *lits: Lit) -> None:
        """Asserts a clause, without the costs of the layer that makes expressions of operators."""
        context = self._context.ref()
        asts = (z3.Ast * len(lits))(*[self._literals[lit].as_ast() for lit in lits])
        clause = z3core.Z3_mk_or(context, len(lits), asts)
        z3core.Z3_inc_ref(context, clause)
        z3core.Z3_solver_assert(context, self._solver.solver, clause)
        z3core.Z3_dec_ref(context, clause)
