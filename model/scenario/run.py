"""Runs a scenario: is each of its calls possible in some state that agrees with those before, and does its claim come out?"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

from luocheck.model.answer import Change, Clause, Happening, Step
from luocheck.model.diagnostics import Diagnostic
from luocheck.model.ir.system import System
from luocheck.model.scenario.beginning import Beginning
from luocheck.model.scenario.beliefs import Beliefs, Believed, distinct
from luocheck.model.scenario.goals import GoalCheck, Search
from luocheck.model.scenario.reasons import Complaint, Possible, Reasons
from luocheck.model.scenario.scenarios import Call, Scenario
from luocheck.model.scenario.story import Story
from luocheck.model.semantics.expressions import Compiler
from luocheck.model.source import Span


@dataclass(frozen=True, slots=True)
class ScenarioStep:
    """One line of a scenario: a call, an `assert`, or the claim at the end.

    states: how many states agree after it.  call: a call with the arguments and the result that it has in the run that is shown, with
    what it changed and what happened inside of it.  state: after a call, every cell that is not as at first.
    """

    text: str
    accepted: bool
    states: int
    call: Step | None
    state: tuple[str, ...]
    span: Span

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.call.changes if self.call is not None else ()

    @property
    def happenings(self) -> tuple[Happening, ...]:
        return self.call.happenings if self.call is not None else ()


@dataclass(frozen=True, slots=True)
class ScenarioRun:
    """What running a scenario showed.

    accepted: every call is possible, every `assert` holds and the claim at the end comes out.  undecided: why that is not known, or "".
    start_states, start: how many states there are to begin with, and the cells of the one that the run shown begins in.  graph, given:
    its edges and its choices.  failed: index in `steps` of the one that is not accepted (the last); None when already no state agrees
    with a `given`.  allowed: what that call could have returned.  free: choices in which the states where an assertion holds differ from
    those where it does not.  clauses: why it is false in the state that is shown.  diagnostic: the error for people.
    """

    title: str
    scope: str
    topology: str | None
    accepted: bool
    undecided: str
    start_states: int
    start: tuple[str, ...]
    graph: tuple[tuple[str, str], ...]
    given: tuple[str, ...]
    steps: tuple[ScenarioStep, ...]
    failed: int | None = None
    allowed: tuple[Possible, ...] = ()
    free: tuple[str, ...] = ()
    clauses: tuple[Clause, ...] = ()
    diagnostic: Diagnostic | None = None


def run(system: System, scenario: Scenario, search: Search) -> ScenarioRun:
    """Runs a scenario of a system.  `search` decides claims that one state and one call cannot.

    Raises SpecError when a condition reads through none or the scope cannot be enumerated.
    """
    return _Runner(system, scenario, search).run()


class _Runner:
    def __init__(self, system: System, scenario: Scenario, search: Search) -> None:
        self.scenario = scenario
        self.search = search
        self.beliefs = Beliefs(system, scenario)
        self.reasons = Reasons(self.beliefs)
        self.goal: GoalCheck | None = None
        self.counts: list[int] = []  # states that agree, at the beginning and after each step
        self.last_call = max((i for i, step in enumerate(scenario.steps) if isinstance(step, Call)), default=None)

    def run(self) -> ScenarioRun:
        states, refused = Beginning(self.beliefs).states()
        self.counts.append(len(states))
        if not states:
            at = refused.span if refused is not None else self.scenario.span
            what = f"no state to begin with agrees with `{refused.text}`" if refused else "there is no state to begin with"
            return self._result(None, Diagnostic("LUO602", what, at))
        self._prepare_goal(states[0])
        for position in range(len(self.scenario.steps)):
            states, complaint = self._step(position, states)
            self.counts.append(len(states))
            if complaint is not None:
                return self._result(complaint.shown, complaint.diagnostic, complaint)
        return self._end(states)

    def _prepare_goal(self, state: Believed) -> None:
        if self.scenario.goal is not None:
            assert self.beliefs.machine is not None
            compiler = Compiler(state.store.instance, checked=False)
            self.goal = GoalCheck(self.scenario.goal, self.beliefs.machine, compiler, self.search)

    def _step(self, position: int, before: list[Believed]) -> tuple[list[Believed], Complaint | None]:
        """The states that agree after one more step, and what is wrong with it."""
        step = self.scenario.steps[position]
        if not isinstance(step, Call):
            states = distinct(each for state in before for each in self.beliefs.bound(state, step.elements))
            return states, self.reasons.of_assert(step, states, before)
        attempts = list(self.beliefs.attempts(step, before))
        moved = [state for attempt in attempts for state in self.beliefs.accepted(step, attempt)]
        if position == self.last_call and self.goal is not None and self.goal.by_call:
            for state in moved:
                state.broken = self.goal.broken_by_call(state)
            moved.sort(key=lambda state: not state.broken)  # of equal states one that broke the claim is kept
        states = distinct(moved)
        return states, self.reasons.of_call(step, attempts, before, states)

    def _end(self, states: list[Believed]) -> ScenarioRun:
        if self.goal is None:
            return self._result(states[0], None)
        answer, shown = self.goal.decide(states)
        self.counts.append(len(states))
        if answer:
            return self._result(shown, None)
        goal = self.scenario.goal
        assert goal is not None
        if answer is None:
            return self._result(states[0], None, undecided=f"`{goal.claim.name}` needs a longer search from the last state")
        reached = goal.text.startswith("reaches")
        what = f"`{goal.claim.name}` is not {'reached' if reached else 'violated'} here"
        where = "the only state that agrees" if len(states) == 1 else f"any of the {len(states):,} states that agree"
        by = "by the last call, in" if self.goal.by_call else "in"
        label = f"{'not true' if reached else 'not broken'} {by} {where}"
        return self._result(states[0], Diagnostic("LUO602", what, goal.span, label))

    def _result(
        self, shown: Believed | None, diagnostic: Diagnostic | None, complaint: Complaint | None = None, undecided: str = ""
    ) -> ScenarioRun:
        scenario = self.scenario
        story = Story(scenario, shown) if shown is not None else None
        steps = self._steps(story, accepted=diagnostic is None and not undecided)
        return ScenarioRun(
            scenario.title,
            scenario.scope.name,
            scenario.topology.name if scenario.topology is not None else None,
            diagnostic is None and not undecided,
            undecided,
            self.counts[0],
            story.start if story is not None else (),
            story.graph if story is not None else (),
            story.given if story is not None else (),
            steps,
            len(steps) - 1 if diagnostic is not None and steps else None,
            complaint.allowed if complaint is not None else (),
            complaint.free if complaint is not None else (),
            complaint.clauses if complaint is not None else (),
            diagnostic,
        )

    def _steps(self, story: Story | None, *, accepted: bool) -> tuple[ScenarioStep, ...]:
        """The steps up to the last one that was looked at, which is the one that is not accepted, if any is not."""
        lines = [*self.scenario.steps, *([self.scenario.goal] if self.scenario.goal is not None else [])]
        told = iter(story.calls() if story is not None else [])
        out: list[ScenarioStep] = []
        for number, line, states in zip(count(1), lines, self.counts[1:], strict=False):
            last = number == len(self.counts) - 1
            call = next(told, None) if isinstance(line, Call) else None
            step, state = (call.step, call.state) if call is not None else (None, ())
            out.append(ScenarioStep(line.text, accepted or not last, states, step, state, line.span))
        return tuple(out)
