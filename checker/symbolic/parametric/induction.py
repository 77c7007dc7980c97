"""Lemmas from counterexamples to induction.

A claim that is not inductive has a counterexample: a state in which the claim and all lemmas hold, and a call after which the claim does
not.  If that state has a view that no reachable state of a small scope has, a clause that is true of all of those and false of it becomes
a lemma, which has to be inductive too.  The search for counterexamples is done over a few named elements; that their number was enough is
what the check over uninterpreted sorts decides afterwards.  (Karbyshev, Bjorner, Itzhaky, Rinetzky, Shoham, Property-directed inference
of universal invariants, 2015, takes clauses from the counterexample alone.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from luocheck.checker.symbolic.parametric.asking import Counterexample, Model, Worlds
from luocheck.checker.symbolic.parametric.views import Clause, Known
from luocheck.model.ir.system import Event, Property


@dataclass(slots=True)
class Obstacle:
    """A counterexample to induction that no lemma excludes.  event None: the state is an initial one."""

    claim: Property
    event: Event | None
    before: Model


@dataclass(slots=True)
class Induction:
    """What the search found."""

    proved: list[Property] = field(default_factory=list)
    lemmas: list[Clause] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)
    counterexamples: int = 0
    repairs: int = 0
    checks: int = 0


class Wandering(Exception):
    """Views are added again and again: the explored scopes were much too small, or the views are too coarse."""


PATIENCE = {False: 25, True: 400}
"""How often views may be added: while there are scopes that were not explored, and when there are none."""


class Search:
    """Looks for lemmas, and goes on with those that it has when a world is added."""

    def __init__(
        self,
        worlds: Worlds,
        known: list[Known],
        pulse: Callable[[], None] = lambda: None,
        *,
        patient: bool = True,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """prepare: called before the first lemma is chosen; it may add to `known`."""
        self.prepare: Callable[[], None] | None = prepare
        self.patience = PATIENCE[patient]
        self.worlds = worlds
        self.known = known
        self.pulse = pulse
        self.result = Induction()
        self.clauses: dict[int, Clause] = {}  # lemmas that no view is known to contradict
        self.claims: dict[int, Property] = {}
        self.needs: dict[
            int, list[int]
        ] = {}  # of each statement: others that it is inductive with, or that exclude its counterexamples
        self.passed: set[int] = set()  # statements that are inductive with what they need
        for claim, condition in worlds.cut.claims:
            number = worlds.statement(condition)
            self.claims[number] = claim
            self.needs[number] = []

    def run(self) -> Induction:
        """Proves as many of the claims as the views allow.  Where the explored scopes were too small, their views are added to."""
        worlds, result, claims = self.worlds, self.result, self.claims
        result.lemmas = []
        self.passed.clear()
        for number in list(claims):
            found = worlds.initially(number)
            if found is not None:
                self._given_up(number, found)
        for number in list(self.clauses):
            self._begins(number)
        while True:
            self.pulse()
            wanted = self._wanted()
            open_ones = [i for i in wanted if i not in self.passed]
            if not open_ones:
                break
            number = max(open_ones)
            found = worlds.broken_by_step([number], wanted)
            if found is None:
                self.needs[number] = [i for i in worlds.core if i != number]
                self.passed.add(number)
                continue
            result.counterexamples += 1
            lemma = self._made_before(found, wanted)
            if lemma is None:
                lemma = self._made(found.before)
            if lemma is not None:
                self.needs[number].append(lemma)
            elif number in claims:
                self._given_up(number, found)
            else:
                self._repair(found.after or found.before)
        active = self._minimised({i: self.needs[i] for i in wanted})
        result.proved = list(claims.values())
        result.lemmas = [self.clauses[i] for i in active if i not in claims]
        result.checks = worlds.checks
        return result

    def _wanted(self) -> list[int]:
        """The claims, and what they need, directly or not; what was needed last stands last."""
        return list(_needed(self.needs, list(self.claims)))

    def _given_up(self, number: int, found: Counterexample) -> None:
        """A claim that no lemma makes inductive."""
        self.result.obstacles.append(Obstacle(self.claims.pop(number), found.event, found.before.remember()))
        self._without({number})

    def _without(self, dropped: set[int]) -> None:
        """What needed one of these is asked again."""
        for number in self.needs:
            if not dropped.isdisjoint(self.needs[number]):
                self.needs[number] = [i for i in self.needs[number] if i not in dropped]
                self.passed.discard(number)

    def _made_before(self, found: Counterexample, wanted: list[int]) -> int | None:
        """A lemma that excludes a counterexample and is not wanted now."""
        return next((i for i in reversed(self.clauses) if i not in wanted and not found.holds_before(i)), None)

    def _made(self, state: Model) -> int | None:
        """A new lemma that excludes the state, and holds at the beginning; None when all views of the state are known."""
        while True:
            clause = self._lemma(state)
            if clause is None:
                return None
            number = self.worlds.statement(clause)
            self.clauses[number] = clause
            self.needs[number] = []
            if self._begins(number):
                return number

    def _begins(self, number: int) -> bool:
        """Does a lemma hold at the beginning?  If not, the views of an initial state are added."""
        found = self.worlds.initially(number)
        if found is not None:
            self._repair(found.before)
        return found is None

    def _lemma(self, state: Model) -> Clause | None:
        """The best clause that excludes the state."""
        if self.prepare is not None:
            self.prepare()
            self.prepare = None
        best: tuple[tuple[float, ...], Clause] | None = None
        for known in self.known:
            seen = set()
            for binding in known.template.bindings(state.sizes):
                view = known.template.view(state, binding)
                if view in known.views or view in seen:
                    continue
                seen.add(view)
                clause = known.clause(view)
                assert clause is not None
                key = known.rank(clause)
                if best is None or key < best[0]:
                    best = key, clause
        return best[1] if best is not None else None

    def _repair(self, reached: Model) -> None:
        """The explored scopes were too small: the views of this state count as seen, and the lemmas that deny them are dropped."""
        self.result.repairs += 1
        if self.result.repairs > self.patience:
            raise Wandering
        for known in self.known:
            for binding in known.template.bindings(reached.sizes):
                known.add(known.template.view(reached, binding))
        by_template = {known.template: known for known in self.known}
        dropped = {number for number, clause in self.clauses.items() if not by_template[clause.template].agree(clause)}
        for number in dropped:
            del self.clauses[number]
        self._without(dropped)

    def _minimised(self, reasons: dict[int, list[int]]) -> list[int]:
        """Statements that are inductive together, of which each is needed by another or is a claim."""
        claims = list(self.claims)
        needed_by: dict[int, int] = {}
        while True:
            # what is needed by one that is still there is needed still: there are only fewer statements to make up for it
            left = [i for i in reasons if i not in claims and needed_by.get(i) not in reasons]
            if not left:
                return sorted(reasons)
            self.pulse()
            number = max(left)
            without = [i for i in reasons if i != number]
            fewer = {i: reasons[i] for i in without}
            for together in self._dependents(number, reasons):
                found = self.worlds.broken_by_step(together, without)
                if found is not None:
                    needed_by[number] = found.statement
                    break
                fewer |= dict.fromkeys(together, self.worlds.core)
            else:
                reasons = _needed(fewer, claims)

    def _dependents(self, number: int, reasons: dict[int, list[int]]) -> list[list[int]]:
        """Statements that were inductive with the help of this one, in the order in which they are asked."""
        asked = [i for i in reasons if number in reasons[i] and i != number]
        return [part for part in (asked[:1], asked[1:]) if part]


def _needed(reasons: dict[int, list[int]], claims: list[int]) -> dict[int, list[int]]:
    """The claims, and what they are inductive with, directly or not."""
    found: dict[int, list[int]] = {}
    todo = list(claims)
    while todo:
        number = todo.pop()
        if number not in found:
            found[number] = reasons[number]
            todo += reasons[number]
    return found
