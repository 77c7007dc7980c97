"""Proofs by induction at one scope: claims that hold at the start, and that k calls without a violation lead to no violation.

M. Sheeran, S. Singh, G. Stalmarck: Checking Safety Properties Using Induction and a SAT-Solver, FMCAD 2000.  Claims are proved together:
of the candidates those are dropped that the others do not keep, until what is left keeps itself (C. Flanagan, K. R. M. Leino: Houdini,
FME 2001).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from luocheck.checker.explore.limits import Limits
from luocheck.checker.symbolic.bounded.anywhere import Coded, anywhere, same
from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Lit, Valuation
from luocheck.checker.symbolic.bounded.replay import value_of
from luocheck.checker.symbolic.bounded.solve import Solver
from luocheck.checker.symbolic.bounded.unroll import Level, Unrolling

SMALLER = 5.0
"""Seconds for making the state smaller that induction trips over."""
WELL_FORMED = ""
"""Stands among the candidates for: no `forall` writes two values to one place."""


class Induction:
    """Runs that begin anywhere."""

    def __init__(self, unrolling: Unrolling, limits: Limits) -> None:
        """Raises Refused."""
        self.unrolling = unrolling
        self.gates = unrolling.gates
        self.solver = Solver(self.gates, limits)
        self.coded: list[Coded]
        cells, self.coded = anywhere(unrolling.world)
        self.levels: list[Level] = [unrolling.state(cells, TRUE)]

    @property
    def start(self) -> Level:
        return self.levels[0]

    def reach(self, depth: int) -> None:
        """Makes levels up to a number of calls."""
        while len(self.levels) <= depth:
            self.levels.append(self.unrolling.step(self.levels[-1]))

    def broken(self, name: str, level: Level) -> Lit:
        """When a claim is broken, or cannot be asked, by the last call of a level or after it."""
        asked = level.asked
        if name == WELL_FORMED:
            return asked.clash
        return self.gates.or_(asked.found.get(name, FALSE), asked.amiss.get(name, FALSE))

    def before(self, names: Iterable[str], depth: int) -> list[Lit]:
        """That claims are kept by all but the last of so many calls, and that these can be made."""
        assumed = [level.valid for level in self.levels[:depth]]
        return assumed + [self.broken(name, level) ^ 1 for name in names for level in self.levels[:depth]]

    def kept(self, names: Iterable[str], depth: int, given: Iterable[str] = ()) -> list[str]:
        """Those of the candidates that keep one another over so many calls.  `given`: claims that are known to hold always.

        Raises Stopped.
        """
        self.reach(depth)
        left, last = list(names), self.levels[depth]
        known = [self.broken(name, level) ^ 1 for name in given for level in self.levels[: depth + 1]]
        while left:
            failing = self.gates.any_of(self.broken(name, last) for name in left)
            if not self.solver.possible(*self.before(left, depth), *known, failing):
                break
            values = self.solver.valuation()
            left = [name for name in left if not values(self.broken(name, last))]
        return left

    def counterexample(self, name: str, given: Sequence[str]) -> Valuation | None:
        """A state that keeps a claim and all that is given, and a call that breaks the claim; few cells are not initial, as few as can be
        shown in a little time.

        None: there is none, so the claim always holds where it holds at the start.  Raises Stopped.
        """
        self.reach(1)
        last = self.levels[1]
        known = [self.broken(each, level) ^ 1 for each in given for level in self.levels[:2] if each != WELL_FORMED]
        assumed = [*self.before([name], 1), *known, last.asked.found.get(name, FALSE)]
        if not self.solver.possible(*assumed):
            return None
        values = self.solver.valuation()
        changed = self.unrolling.count(same(self.gates, self.unrolling.world, self.coded, self.start.cells))
        until = time.monotonic() + SMALLER
        while time.monotonic() < until and (best := value_of(changed, values)) > 0:
            fewer = self.gates.any_of(lit for number, lit in changed.items() if number < best)
            if not self.solver.possible(*assumed, fewer):
                break
            values = self.solver.valuation()
        return values
