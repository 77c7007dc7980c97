"""Proofs by property directed reachability: z3's Spacer looks for an invariant of one scope, and a fresh solver checks what it found.

A. Komuravelli, A. Gurfinkel, S. Chaki: SMT-Based Model Checking for Recursive Programs, CAV 2014.
"""

from __future__ import annotations

from collections.abc import Sequence

import z3

from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.symbolic.bounded.gates import Gates, Lit
from luocheck.checker.symbolic.bounded.induction import Induction
from luocheck.checker.symbolic.bounded.solve import decided
from luocheck.checker.symbolic.bounded.unroll import Level


class Spacer:
    """Asks Spacer about the claims of an induction."""

    def __init__(self, induction: Induction) -> None:
        self.induction = induction
        self.gates: Gates = induction.gates
        self.unrolling = induction.unrolling
        self.begin: Level = self.unrolling.start()
        induction.reach(1)
        self.context = z3.Context()
        self._known: dict[int, z3.BoolRef] = {0: z3.BoolVal(False, self.context)}
        world = self.unrolling.world
        picks = sorted(
            {node for lit in world.pick.values() for node in self.gates.cone([lit]) if node and self.gates.is_input(node)}
        )
        self.state: list[Lit] = [2 * node for node in picks]
        self.first: list[Lit] = list(self.state)
        self.next: list[Lit] = list(self.state)
        for each in induction.coded:
            self.state += each.bits
            self.first += each.bits_of(self.gates, world.cell(self.begin.cells, each.cell))
            self.next += each.bits_of(self.gates, world.cell(induction.levels[1].cells, each.cell))

    def proves(self, name: str, given: Sequence[str], limits: Limits) -> int | None:
        """Number of parts of an invariant that shows a claim, checked again; None when there is none: some run breaks the claim.

        given: claims that are known to hold always.  Raises Stopped.
        """
        try:
            return self._proves(name, given, limits)
        except z3.Z3Exception as error:
            raise Stopped(f"the solver gave up: {error}") from None

    def _proves(self, name: str, given: Sequence[str], limits: Limits) -> int | None:
        induction, gates = self.induction, self.gates
        levels = induction.levels[:2]
        last = levels[1]
        known = gates.all_of(induction.broken(each, level) ^ 1 for each in given for level in levels)
        step = gates.and_(known, last.valid)
        bad = gates.or_(induction.broken(name, levels[0]), gates.and_(known, induction.broken(name, last)))
        invariant = self._search(self._expr(step), self._expr(bad), limits)
        if invariant is None:
            return None
        self._check(invariant, self._expr(step), self._expr(bad), limits)
        return len(invariant.children()) if z3.is_and(invariant) else 1

    def _search(self, step: z3.BoolRef, bad: z3.BoolRef, limits: Limits) -> z3.BoolRef | None:
        context = self.context
        solver = z3.Fixedpoint(ctx=context)
        solver.set(engine="spacer")
        sort = z3.BoolSort(context)
        holds = z3.Function("reached", *[sort] * len(self.state), sort)
        fails = z3.Bool("broken", context)
        solver.register_relation(holds, fails.decl())
        roots = [*self.state, *self.first, *self.next, self.begin.valid, *self._roots]
        for node in self.gates.cone(roots):
            if node and self.gates.is_input(node):
                solver.declare_var(self._expr(2 * node))
        here = holds(*[self._expr(lit) for lit in self.state])
        solver.rule(holds(*[self._expr(lit) for lit in self.first]), [self._expr(self.begin.valid)])
        solver.rule(holds(*[self._expr(lit) for lit in self.next]), [here, step])
        solver.rule(fails, [here, bad])
        if decided(context, lambda: solver.query(fails), limits) == z3.sat:
            return None
        found = solver.get_cover_delta(-1, holds)
        return z3.substitute_vars(found, *[self._expr(lit) for lit in self.state])

    def _check(self, invariant: z3.BoolRef, step: z3.BoolRef, bad: z3.BoolRef, limits: Limits) -> None:
        """Raises Stopped when what was found is no invariant, or does not show the claim."""
        state = [self._expr(lit) for lit in self.state]

        def at(lits: Sequence[Lit]) -> z3.BoolRef:
            return z3.substitute(invariant, *zip(state, [self._expr(lit) for lit in lits], strict=True))

        for what in (
            z3.And(self._expr(self.begin.valid), z3.Not(at(self.first))),
            z3.And(invariant, step, z3.Not(at(self.next))),
            z3.And(invariant, bad),
        ):
            solver = z3.SolverFor("QF_FD", ctx=self.context)
            solver.set("ctrl_c", False)
            solver.add(what)
            if decided(self.context, solver.check, limits) != z3.unsat:
                raise Stopped("what Spacer found is no invariant")

    _roots: Sequence[Lit] = ()

    def _expr(self, root: Lit) -> z3.BoolRef:
        """A formula as an expression, with shared parts."""
        gates, known = self.gates, self._known
        self._roots = (*self._roots, root) if root >> 1 not in known else self._roots
        for node in gates.cone([root]):
            if node in known:
                continue
            if gates.is_input(node):
                known[node] = z3.Bool(f"i{node}", self.context)
                continue
            left, right = gates.left[node], gates.right[node]
            known[node] = z3.And(self._signed(left), self._signed(right))
        return self._signed(root)

    def _signed(self, lit: Lit) -> z3.BoolRef:
        found = self._known[lit >> 1]
        return z3.Not(found) if lit & 1 else found
