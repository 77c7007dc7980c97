"""Decides `liveness` claims about one starting point, whose search kept names and edges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from luocheck.checker.explore.monitors import Combination, combinations
from luocheck.checker.explore.search import InstanceSearch
from luocheck.checker.liveness.fair import Rule, fair_components
from luocheck.checker.liveness.graph import StateGraph
from luocheck.checker.liveness.lasso import Lasso, shortest_lasso
from luocheck.model.ir.system import Property


@dataclass(frozen=True, slots=True)
class Owed:
    """About one claim: does P hold anywhere, and anywhere where Q does not, so that Q has to come?"""

    claim: Property
    anywhere: bool
    due: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """lasso: a fair run from P that never comes to Q, or None.  elements: which it is about.  unknown: only in this scope there is one."""

    lasso: Lasso | None
    elements: Combination = ()
    unknown: bool = False

    @property
    def key(self) -> tuple[int, int, int]:
        """Lassos are compared by length, then by faults, then by the length of the loop."""
        assert self.lasso is not None
        return len(self.lasso.legs), self.lasso.faults, self.lasso.loop


MORE = "needs a larger scope: a path that the scope cut could be the call that is owed"


def owed(search: InstanceSearch) -> list[Owed]:
    """What the claims of a finished search ask; it may stand for whole orbits."""
    found = []
    for claim, columns in zip(search.monitors.liveness, search.runs, strict=True):
        anywhere = any(any(from_) for from_, _ in columns)
        due = any(p and not q for from_, to in columns for p, q in zip(from_, to))
        found.append(Owed(claim, anywhere, due))
    return found


class Decider:
    """Answers for the claims of one search.  Raises Stopped where `pulse` does."""

    def __init__(self, search: InstanceSearch, pulse: Callable[[], None]) -> None:
        self.search = search
        self.graph = StateGraph(search, pulse)

    def decide(self, claim: Property) -> Answer:
        """A claim of the search: is there a fair run from P that never comes to Q?"""
        position = next(i for i, each in enumerate(self.search.monitors.liveness) if each.name == claim.name)
        found = [
            self._decide(claim, elements, *sides)
            for elements, sides in zip(combinations(claim, self.search.instance), self.search.runs[position], strict=True)
        ]
        lassos = [each for each in found if each.lasso is not None]
        if lassos:
            return min(lassos, key=lambda each: each.key)
        return Answer(None, unknown=any(each.unknown for each in found))

    def _decide(self, claim: Property, elements: Combination, from_: bytearray, to: bytearray) -> Answer:
        """The answer about one combination of elements."""
        begin = [state for state in range(len(from_)) if from_[state] and not to[state]]
        region = self.graph.region(begin, to)
        fairness = self.graph.fairness(claim)
        rule = Rule(fairness, cuts_count=True)
        components = list(fair_components(self.graph, region, rule))
        if components:
            return Answer(shortest_lasso(self.graph, region, begin, components, rule), elements)
        some = any(self.graph.moves(state).cut for state in region)
        unknown = some and any(True for _ in fair_components(self.graph, region, Rule(fairness, cuts_count=False)))
        return Answer(None, elements, unknown)
