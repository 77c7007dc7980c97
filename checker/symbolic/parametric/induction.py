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

from luocheck.checker.symbolic.parametric.asking import Model, Undecided, Worlds
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
        self.clauses: dict[int, Clause] = {}
        self.claims: dict[int, Property] = {}
        self.active: list[int] = []
        self.wanted_by: dict[int, int] = {}  # of which statement each lemma excludes a counterexample
        for claim, condition in worlds.cut.claims:
            self.claims[worlds.statement(condition)] = claim

    def run(self) -> Induction:
        """Proves as many of the claims as the views allow.  Where the explored scopes were too small, their views are added to."""
        worlds, result, claims = self.worlds, self.result, self.claims
        result.lemmas = []
        for number in list(claims):
            found = worlds.initially(number)
            if found is not None:
                result.obstacles.append(Obstacle(claims.pop(number), None, found.before.remember()))
        active = [*claims, *(i for i in self.active if i in self.clauses)]
        todo = list(active)
        fresh = {i for i in active if i not in claims}  # of these it was not asked whether they hold at the beginning
        while todo:
            self.pulse()
            number = todo[0]
            found = worlds.initially(number) if number in fresh else None
            fresh.discard(number)
            if found is None:
                found = worlds.broken_by_step([number], active)
            if found is None:
                todo.pop(0)
                continue
            result.counterexamples += 1
            lemma = self._lemma(found.before) if found.event is not None else None
            if lemma is not None:
                made = worlds.statement(lemma)
                self.clauses[made] = lemma
                active.append(made)
                fresh.add(made)
                todo.insert(0, made)
            elif number in claims:
                result.obstacles.append(Obstacle(claims.pop(number), found.event, found.before.remember()))
                active.remove(number)
                todo = list(active)  # what was proved with its help is asked again
            else:
                active = self._repaired(active, found.after or found.before)
                todo = [i for i in active if i not in claims] + [i for i in active if i in claims]
        self.active = self._minimised(active, list(claims))
        result.proved = list(claims.values())
        result.lemmas = [self.clauses[i] for i in self.active if i not in claims]
        result.checks = worlds.checks
        return result

    def _lemma(self, state: Model) -> Clause | None:
        """The best clause that excludes the state."""
        if self.prepare is not None:
            self.prepare()
            self.prepare = None
        best: tuple[tuple[int, int, int], Clause] | None = None
        for known in self.known:
            seen = set()
            for binding in known.template.bindings(state.sizes):
                view = known.template.view(state, binding)
                if view in known.views or view in seen:
                    continue
                seen.add(view)
                clause = known.clause(view)
                assert clause is not None
                width = sum(len(column.domain) - len(values) for column, values in clause.literals)
                key = (len(clause.literals), len(clause.template.sorts), width)
                if best is None or key < best[0]:
                    best = key, clause
        return best[1] if best is not None else None

    def _repaired(self, active: list[int], reached: Model) -> list[int]:
        """The explored scopes were too small: the views of this state count as seen, and the lemmas that deny them are dropped."""
        self.result.repairs += 1
        if self.result.repairs > self.patience:
            raise Wandering
        for known in self.known:
            for binding in known.template.bindings(reached.sizes):
                known.add(known.template.view(reached, binding))
        by_template = {known.template: known for known in self.known}
        return [i for i in active if i not in self.clauses or by_template[self.clauses[i].template].agree(self.clauses[i])]

    def _minimised(self, active: list[int], claims: list[int]) -> list[int]:
        """Statements that are inductive together, of which each is needed by another or is a claim."""
        reasons = _needed(self._chosen(active, claims), claims)
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

    def _chosen(self, active: list[int], claims: list[int]) -> dict[int, list[int]]:
        """Few of what is inductive together that are so too, and what each of them is inductive with.

        A counterexample is quicker than to see that there is none, and each is excluded by a lemma that is there; the last ones are
        the most likely to be needed, since they were found when the others did not do.
        """
        reasons: dict[int, list[int]] = {}
        chosen = list(claims)
        todo = list(claims)
        while todo:
            self.pulse()
            found = self.worlds.broken_by_step(todo[:1], chosen)
            if found is None:
                reasons[todo.pop(0)] = self.worlds.core
                continue
            lemma = next((i for i in reversed(active) if i not in chosen and not found.holds_before(i)), None)
            if lemma is None:
                raise Undecided("what was inductive is so no more")
            self.wanted_by[lemma] = todo[0]
            chosen.append(lemma)
            todo.insert(0, lemma)
        return reasons

    def _dependents(self, number: int, reasons: dict[int, list[int]]) -> list[list[int]]:
        """Statements that were inductive with the help of this one, in the order in which they are asked: first what it was made for."""
        asked = [i for i in reasons if number in reasons[i] and i != number]
        first = [i for i in asked if i == self.wanted_by.get(number)]
        return [part for part in (first, [i for i in asked if i not in first]) if part]


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
