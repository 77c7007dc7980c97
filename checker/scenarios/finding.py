"""Looking for the shortest runs that break a claim, or reach a goal, place after place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from luocheck.checker.expectations import Judge
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration, Progress
from luocheck.checker.plan import Planned, plan
from luocheck.checker.scenarios.answer import Chosen, ScenarioAnswer
from luocheck.checker.scenarios.restriction import Avoided, restricted
from luocheck.checker.scenarios.running import replay
from luocheck.checker.selection import with_scope
from luocheck.model.answer import Result, Verdict, Witness
from luocheck.model.ir.system import Property
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.scenario.write import run_text, scenario_text
from luocheck.model.source import Source
from luocheck.model.spec import Spec

Watch = Callable[[str, Progress], None]
"""Called now and then with what is searched, and how far that is."""


@dataclass(frozen=True, slots=True)
class Search:
    """Where and how to look.

    scope, topology: as `check` takes them.  user_space_only: without faults and events that no program can cause.  count: how many
    scenarios are wanted; each after the first does without something that an earlier one has.
    """

    scope: str | None = None
    topology: str | None = None
    user_space_only: bool = False
    count: int = 1
    engine: str = "auto"
    symmetry: bool = True
    threads: int = 1


class Finder:
    """Looks for runs that break a claim, or reach a goal."""

    def __init__(self, spec: Spec, claim: Property, search: Search, limits: Limits, watch: Watch | None) -> None:
        self.spec = spec if search.scope is None else with_scope(spec, search.scope)
        self.claim = claim
        self.search = search
        self.limits = limits
        self.watch = watch
        self.started = time.monotonic()
        self.stopped: str | None = None
        self.vacuous = False

    def answer(self, kind: str, goal: str) -> ScenarioAnswer:
        """Searches, place after place, until there is a run; then for more of them there."""
        places = self._places()
        found: list[Verdict] = []
        place = places[0]
        for each in places:
            verdict = self._found(each, ())
            if verdict is not None:
                place = each
                found = self._more(each, verdict)
                break
            if self.stopped is not None:
                break
        none = ""
        if not found and self.stopped is None:
            tried = " and ".join(_said(each) for each in places)
            without = " without what only faults or other parts of the kernel can cause" if self.search.user_space_only else ""
            none = f"no run in {tried}{without} {goal}"
        chosen = tuple(self._chosen(verdict, number, goal) for number, verdict in enumerate(found, start=1))
        return ScenarioAnswer(
            self.spec, kind, goal, place.scope, place.topology, self.search.user_space_only, chosen, none, self.stopped,
            time.monotonic() - self.started,
        )  # fmt: skip

    def _places(self) -> list[Planned]:
        """Where to look: what was asked for, else the default scope and those in which `expect` says that the claim fails."""
        planned = plan(self.spec.system, self.search.scope, self.search.topology, (self.claim,), Judge(self.spec.system))
        return [each for each in planned if each.claims]

    def _found(self, place: Planned, avoided: Sequence[Avoided]) -> Verdict | None:
        """The verdict on the claim when there is a run that shows it."""
        system = self.spec.system
        if all(each is not self.claim for each in system.properties):
            system = replace(system, properties=(*system.properties, self.claim))
        if avoided or self.search.user_space_only:
            system = restricted(system, user_space=self.search.user_space_only, avoided=avoided)
        watch = self.watch
        explored: Exploration = explore(
            system,
            place.scope,
            place.topology,
            claims=(self.claim,),
            limits=self.limits,
            symmetry=self.search.symmetry,
            stop_when_found=True,
            progress=None if watch is None else (lambda reached: watch(place.name, reached)),
            engine=self.search.engine,
            threads=self.search.threads,
        )
        (verdict,) = explored.verdicts
        if verdict.result in (Result.FAILS, Result.REACHED) and verdict.witness is not None:
            return verdict
        self.stopped = explored.stopped or (verdict.note if verdict.result is Result.UNKNOWN else None)
        return None

    def _more(self, place: Planned, first: Verdict) -> list[Verdict]:
        """Up to `count` runs, short ones first: each new one avoids something of an earlier one."""
        found = [first]
        known = {_calls(first)}
        tried: set[frozenset[Avoided]] = set()
        todo: list[tuple[frozenset[Avoided], Verdict]] = [(frozenset(), first)]
        while todo and len(found) < self.search.count and self.stopped is None:
            candidates: list[tuple[frozenset[Avoided], Verdict]] = []
            for avoided, verdict in todo:
                for other in _ingredients(verdict):
                    more = avoided | {other}
                    if more in tried or self.stopped is not None:
                        continue
                    tried.add(more)
                    another = self._found(place, sorted(more, key=lambda each: (each.event, each.label or "")))
                    if another is not None:
                        candidates.append((more, another))
            candidates.sort(key=lambda each: (_cost(each[1]), _calls(each[1])))
            todo = []
            for avoided, verdict in candidates:
                if _calls(verdict) not in known:
                    known.add(_calls(verdict))
                    found.append(verdict)
                    todo.append((avoided, verdict))
        return found[: self.search.count]

    def _chosen(self, verdict: Verdict, number: int, goal: str) -> Chosen:
        witness = verdict.witness
        assert witness is not None
        title = f"{self.spec.name}: {goal}" + (f" ({number})" if self.search.count > 1 else "")
        declared = any(claim is self.claim for claim in self.spec.system.properties)
        text = scenario_text(witness, verdict, title) if declared else self._with_condition(witness, title)
        return Chosen(file_name(self.spec, goal, number if self.search.count > 1 else None), title, witness, text)

    def _with_condition(self, witness: Witness, title: str) -> str:
        """The run with what was asked for as an assertion, where every state that agrees has it, and as a comment elsewhere."""
        condition = " ".join(self.claim.span.text.split())
        text = run_text(witness, title, f"assert {condition};")
        (scenario,) = load_scenarios(self.spec, Source("scenario", text))
        if replay(self.spec, scenario).accepted:
            return text
        return run_text(witness, title, f"// here, in some of the states that agree: {condition}")


def _said(place: Planned) -> str:
    return f"topology `{place.name}`" if place.topology is not None else f"scope `{place.scope.name}`"


def _cost(verdict: Verdict) -> tuple[int, int]:
    assert verdict.witness is not None
    return verdict.witness.calls, verdict.witness.faults


def _calls(verdict: Verdict) -> tuple[str, ...]:
    """The calls of a run without the names of elements, and its graph."""
    witness = verdict.witness
    assert witness is not None
    return (*(f"{s.event} {s.outcome} {s.label}" for s in witness.steps), str(len(witness.graph)), str(witness.given))


def _ingredients(verdict: Verdict) -> Iterator[Avoided]:
    """What a run could do without: faults first, then events."""
    assert verdict.witness is not None
    steps = verdict.witness.steps
    yield from dict.fromkeys(Avoided(step.event, step.label) for step in steps if step.label is not None and step.faults)
    yield from dict.fromkeys(Avoided(step.event, None) for step in reversed(steps))


def file_name(spec: Spec, goal: str, number: int | None) -> str:
    """A short name for files, of letters, digits and dashes."""
    words = "".join(c if c.isalnum() and c.isascii() else " " for c in goal.replace("_", " ")).split()
    return "-".join([spec.name, *words[:8], *([str(number)] if number is not None else [])])
