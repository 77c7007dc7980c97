"""Checking a spec: which scopes and topologies are explored, and what it comes to against the spec's expectations."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from luocheck.checker.checkpoint.keeper import Checkpoint
from luocheck.checker.expectations import Judge, RunCheck, default_scope, line_text
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.result import Exploration, Progress
from luocheck.checker.plan import Planned, plan
from luocheck.checker.scenarios import ScenarioRun
from luocheck.checker.scenarios import replay as replay_scenario
from luocheck.checker.selection import check_bounded, check_checkpoint, check_engine, claims_named
from luocheck.model.answer import Result, Verdict
from luocheck.model.diagnostics import Diagnostic
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.spec import Spec

Watch = Callable[[str, Progress], None]
"""Called now and then with the name of the scope or topology, and how far its exploration is."""


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """One exploration, judged.

    symmetry: how many states that differ only in names a state may stand for at most.  stopped: the limit that ended it.  ended_early:
    all that was looked for had been found, so its numbers are not those of the scope.  bound: of a bounded search, which counts no states,
    the most calls of the runs that it looked at.
    events_never_fired, lines_never_fired: coverage, the lines as text.  cuts: how many paths the scope cut, by what was too small.
    kept_states, kept_transitions: of second searches for liveness, in which all elements kept their names.  liveness_seconds: what liveness
    took, of `seconds`.
    """

    scope: Scope
    topology: Topology | None
    verdicts: tuple[Verdict, ...]
    checks: tuple[RunCheck, ...]
    states: int
    transitions: int
    depth: int
    instances: int
    symmetry: int
    seconds: float
    stopped: str | None
    ended_early: bool
    bound: int | None
    events_never_fired: tuple[str, ...]
    lines_never_fired: tuple[str, ...]
    cuts: tuple[tuple[str, int], ...]
    kept_states: int
    kept_transitions: int
    liveness_seconds: float

    @property
    def complete(self) -> bool:
        """Was every reachable state visited?"""
        return self.stopped is None and not self.ended_early and self.bound is None

    @property
    def begun(self) -> bool:
        """Is there a state at all, as far as that is known?"""
        return self.states > 0 or self.bound is not None

    @property
    def name(self) -> str:
        """The topology's name, else the scope's."""
        return self.topology.name if self.topology is not None else self.scope.name

    @property
    def undecided(self) -> tuple[Verdict, ...]:
        """Verdicts that an expectation waits for."""
        bounded = self.bound is not None
        return tuple(
            v
            for v in self.verdicts
            if v.as_expected is None
            and v.expected is not None
            and (v.result is Result.UNKNOWN or self.stopped is not None or (bounded and v.witness is None))
        )


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What `check` found.

    runs: the default scope (or the one that was asked for) first.  scenarios: the spec's own, replayed; unplayed: why not all
    of them.  engine: as asked for; what `auto` chose is not told, because it depends on what was compiled before.
    engine_missing: why `auto` did without the native engine.  dead: what `--strict` counts as an error: events and `fail` lines
    that fired in no run.  problems: everything that is not
    as expected, as diagnostics.
    """

    spec: Spec = field(repr=False)
    engine: str
    engine_missing: str | None
    runs: tuple[CheckedRun, ...]
    scenarios: tuple[ScenarioRun, ...]
    unplayed: str | None
    dead: tuple[str, ...]
    problems: tuple[Diagnostic, ...]
    interrupted: bool
    seconds: float

    @property
    def verdict(self) -> str:
        """`as-expected`, `unexpected` or `undecided`; whatever was established, an interrupted check is undecided."""
        if self.interrupted:
            return "undecided"
        if self.problems:
            return "unexpected"
        missing = any(run.undecided for run in self.runs)
        counted = [run for run in self.runs if run.bound is None]  # a bounded search counts no states
        missing = missing or any(check.as_expected is None for run in counted for check in run.checks)
        missing = missing or any(scenario.undecided for scenario in self.scenarios)
        nothing = not any(run.verdicts for run in self.runs) or not any(run.begun for run in self.runs)
        return "undecided" if missing or nothing or self.stopped is not None else "as-expected"

    @property
    def stopped(self) -> str | None:
        """The first limit that ended a run, or the replay of scenarios."""
        return next((run.stopped for run in self.runs if run.stopped is not None), self.unplayed)

    @property
    def exit_status(self) -> int:
        """0 as expected, 1 not as expected, 3 undecided."""
        return {"as-expected": 0, "unexpected": 1, "undecided": 3}[self.verdict]


def check(
    spec: Spec,
    *,
    scope: str | None = None,
    topology: str | None = None,
    properties: Sequence[str] = (),
    engine: str = "auto",
    symmetry: bool = True,
    strict: bool = False,
    limits: Limits | None = None,
    progress: Watch | None = None,
    threads: int = 1,
    checkpoint: Checkpoint | None = None,
    depth: int | None = None,
) -> CheckAnswer:
    """Explore a spec and compare what is found with what it expects.

    Without `scope` and `topology`, the default scope is explored with all claims, then each scope and topology that an `expect` entry
    names with the claims named there, and the spec's scenarios are replayed.  `scope` is a name or sizes such as `File=3,Agent=2`.
    `properties` restricts the claims.  A limit leaves verdicts unknown, never wrong.  `threads` changes nothing but the time.  `checkpoint`
    keeps the state of the one run that `scope` or `topology` chooses, and goes on where it was left.  `depth`: calls of the longest runs
    that the engine `bmc` looks at.  Raises SpecError: LUO603 for an unknown name, LUO219 and LUO606 for a scope that cannot be explored,
    LUO500 for an engine that is not there, LUO501 for a scope that `bmc` cannot check, LUO605 for a claim that reads through `none`; LUO609
    for options that do not go together; LUO609, LUO610, LUO611 and LUO612 for a checkpoint that cannot be kept or used.
    """
    started = time.monotonic()
    check_engine(engine)
    if checkpoint is not None:
        check_checkpoint(checkpoint.path, one_run=scope is not None or topology is not None, engine=engine)
    claims = claims_named(spec.system, properties)
    limits = limits or Limits()
    check_bounded(engine, depth=depth, strict=strict, max_states=limits.max_states)
    judge = Judge(spec.system, strict=strict, symmetry=symmetry)
    runs: list[CheckedRun] = []
    explored: list[Exploration] = []
    for each in plan(spec.system, scope, topology, claims, judge):
        began = time.monotonic()
        run = explore_planned(
            spec.system,
            each,
            judge,
            limits,
            engine=engine,
            symmetry=symmetry,
            depth=depth,
            progress=progress,
            threads=threads,
            checkpoint=checkpoint,
        )
        explored.append(run)
        runs.append(judged(run, judge, time.monotonic() - began))
    scenarios: list[ScenarioRun] = []
    unplayed: str | None = None
    if scope is None and topology is None and not properties:
        try:
            for scenario in spec.scenarios:
                limits.check(0)
                scenarios.append(replay_scenario(spec, scenario))
        except Stopped as stop:
            unplayed = stop.reason
    unfinished = any(run.stopped is not None for run in explored)  # what a limit kept from firing is not dead
    dead = _dead(explored) if strict and not unfinished else ()
    problems = tuple(_problems(spec, runs, scenarios, dead))
    interrupted = limits.interrupted() is not None
    missing = next((run.engine_missing for run in explored if run.engine_missing is not None), None)
    return CheckAnswer(
        spec, engine, missing, tuple(runs), tuple(scenarios), unplayed, dead, problems, interrupted, time.monotonic() - started
    )


# ---- runs -------------------------------------------------------------------------------------------------------


def explore_planned(
    system: System,
    planned: Planned,
    judge: Judge,
    limits: Limits,
    *,
    engine: str,
    symmetry: bool,
    depth: int | None = None,
    progress: Watch | None = None,
    threads: int = 1,
    checkpoint: Checkpoint | None = None,
) -> Exploration:
    """Explores a planned run.  Raises SpecError as `check` does."""
    tell = (lambda reached: progress(planned.name, reached)) if progress is not None else None
    if engine == "bmc":
        return _bounded(system, planned, judge, limits, symmetry, depth, tell)
    return explore(
        system,
        planned.scope,
        planned.topology,
        claims=planned.claims,
        limits=limits,
        symmetry=symmetry,
        stop_when_found=planned.may_stop,
        progress=tell,
        engine=engine,
        threads=threads,
        checkpoint=checkpoint,
    )


def _bounded(
    system: System,
    planned: Planned,
    judge: Judge,
    limits: Limits,
    symmetry: bool,
    depth: int | None,
    tell: Callable[[Progress], None] | None,
) -> Exploration:
    from luocheck.checker.symbolic.bounded.bmc import DEPTH, bounded  # brings z3

    return bounded(
        system,
        planned.scope,
        planned.topology,
        claims=planned.claims,
        limits=limits,
        symmetry=symmetry,
        depth=depth if depth is not None else DEPTH,
        progress=tell,
        may_refuse=planned.may_refuse,
        expected=judge.last_calls(planned.scope, planned.topology),
    )


def judged(run: Exploration, judge: Judge, seconds: float) -> CheckedRun:
    """An exploration against what the spec expects."""
    return CheckedRun(
        run.scope,
        run.topology,
        judge.verdicts(run),
        judge.checks(run),
        run.states,
        run.transitions,
        run.depth,
        run.instances,
        run.symmetry,
        seconds,
        run.stopped,
        run.ended_early,
        run.bound,
        run.events_never_fired,
        tuple(line_text(line) for line in run.lines_never_fired),
        tuple(run.cuts.items()),
        run.kept_states,
        run.kept_transitions,
        run.liveness_seconds,
    )


def _dead(runs: list[Exploration]) -> tuple[str, ...]:
    """Events and lines that fired in no run."""
    first, *others = runs
    events = [e for e in first.events_never_fired if all(e in run.events_never_fired for run in others)]
    spans = [{line.span for line in run.lines_never_fired} for run in others]
    lines = [line for line in first.lines_never_fired if all(line.span in each for each in spans)]
    return (*events, *(line_text(line) for line in lines))


# ---- what is not as expected ------------------------------------------------------------------------------------


def _problems(spec: Spec, runs: list[CheckedRun], scenarios: list[ScenarioRun], dead: tuple[str, ...]) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    for run in runs:
        found += [_unexpected(spec, run, v) for v in run.verdicts if v.as_expected is False]
        for check_ in run.checks:
            if check_.as_expected is False:
                message = f"`{check_.what}` was expected to be {check_.expected} in {_where(run)}, and is {check_.found}"
                found.append(Diagnostic("LUO601", message, check_.span))
    for scenario, played in zip(spec.scenarios, scenarios, strict=False):
        if played.diagnostic is not None:
            help = (
                f'this scenario is inherited; if it must go, write `remove scenario "{scenario.title}";`'
                if scenario.inherited
                else ""
            )
            found.append(replace(played.diagnostic, help=played.diagnostic.help or help))
    found += [Diagnostic("LUO601", f"{text} never fired, and --strict wants all", spec.system.span) for text in dead]
    return found


def _unexpected(spec: Spec, run: CheckedRun, verdict: Verdict) -> Diagnostic:
    entry = next(
        (
            e
            for e in spec.system.expectations
            if e.property == verdict.property and _same_place(e.scope, e.topology, run, spec.system)
        ),
        None,
    )
    note = f" ({verdict.note})" if verdict.note else ""
    message = f"`{verdict.property}` is expected {_to(verdict.expected or '')}; the answer in {_where(run)}: {verdict.text}{note}"
    if entry is None:
        span = verdict.span if verdict.span.source.text else spec.system.span
        return Diagnostic(
            "LUO601", message, span, help=f"if it is right, say so: expect {{ {verdict.property} {_entry(verdict)}; }}"
        )
    help = ""
    if entry.inherited:
        help = f"this expectation is inherited; answer it with a new entry in `expect`, or with `remove expect {entry.property};`"
    return Diagnostic("LUO601", message, entry.span, label="inherited" if entry.inherited else "", help=help)


def _to(expected: str) -> str:
    """`fails within 3` as `to fail within 3`."""
    for verb, infinitive in (
        ("holds", "to hold"),
        ("fails", "to fail"),
        ("vacuous", "to be vacuous"),
        ("is reachable", "to be reachable"),
        ("is not reachable", "not to be reachable"),
    ):
        if expected.startswith(verb):
            return infinitive + expected.removeprefix(verb)
    return expected


def _entry(verdict: Verdict) -> str:
    """What an `expect` entry would have to say of a verdict."""
    shortest = verdict.witness is not None and verdict.witness.loop is None
    calls = f" within {verdict.witness.calls}" if verdict.witness is not None and shortest else ""
    return {
        Result.FAILS: f"fails{calls}",
        Result.REACHED: f"is reachable{calls}",
        Result.UNREACHED: "is not reachable",
        Result.VACUOUS: "vacuous",
    }.get(verdict.result, "holds")


def _same_place(scope: str | None, topology: str | None, run: CheckedRun, system: System) -> bool:
    if topology is not None:
        return run.topology is not None and run.topology.name == topology
    return run.topology is None and run.scope.name == (scope or default_scope(system).name)


def _where(run: CheckedRun) -> str:
    return f"topology `{run.name}`" if run.topology is not None else f"scope `{run.scope.name}`"
