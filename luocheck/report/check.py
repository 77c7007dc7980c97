"""The answer of `check` as text: what was explored, the table of verdicts, then each failure told."""

from __future__ import annotations

from collections.abc import Callable

from luocheck.checker.check import CheckAnswer, CheckedRun
from luocheck.model.answer import Result, Verdict
from luocheck.model.diagnostics import render
from luocheck.model.ir.system import BUILT_INS
from luocheck.report.page import Page, Part
from luocheck.report.witness import tell

Replay = Callable[[CheckedRun, Verdict], str]
"""The command that plays the witness of a verdict again, or empty."""

_MARKS = {True: Part("ok", "good"), False: Part("!!", "bad")}
_SHORT = {Result.HOLDS: "holds", Result.PROVED: "proved", Result.UNKNOWN: "unknown"}


def write(page: Page, answer: CheckAnswer, replay: Replay, tell_all: bool = False) -> None:
    """The whole report.  `tell_all`: also tell how goals were reached."""
    system = answer.spec.system
    page.wrap(f"{system.name}  ", system.title, style="title")
    for run in answer.runs:
        page.blank()
        _run(page, answer, run)
    if answer.scenarios or answer.unplayed is not None:
        page.blank()
        accepted = sum(s.accepted for s in answer.scenarios)
        why = f" ({answer.unplayed})" if answer.unplayed is not None else ""
        page.wrap("  scenarios  ", f"{accepted} of {len(answer.spec.scenarios)} accepted{why}")
        for played in answer.scenarios:
            if played.undecided:
                page.wrap("    ", f"not decided: {played.title}: {played.undecided}", style="open")
    page.blank()
    told = [(run, v) for run in answer.runs for v in run.verdicts if _worth_telling(v, tell_all)]
    for run, verdict in sorted(told, key=lambda pair: pair[1].as_expected is False):
        tell(page, system, verdict, replay(run, verdict))
    for problem in answer.problems:
        for line in render(problem).split("\n"):
            page.lines.append((Part(line),))
        page.blank()
    page.add(*_summary(answer))


def _worth_telling(verdict: Verdict, tell_all: bool) -> bool:
    if verdict.witness is None:
        return False
    return verdict.result is Result.FAILS or verdict.as_expected is False or tell_all


def _run(page: Page, answer: CheckAnswer, run: CheckedRun) -> None:
    system = answer.spec.system
    sizes = " ".join(f"{name}={size}" for name, size in run.scope.sizes)
    if run.topology is not None:
        elements = ", ".join(name for name, _ in run.topology.elements)
        page.wrap(f"  topology {run.topology.name}: ", f"{elements}; else {sizes}")
    else:
        cut = f"; cut into steps: {', '.join(sorted(run.scope.stepwise))}" if run.scope.stepwise else ""
        page.wrap(f"  scope {run.scope.name}: ", sizes + cut)
    starts = "" if run.instances == 1 else f"  {run.instances:,} starting points"
    how = "explored completely" if run.complete else (run.stopped or "stopped when all was found")
    label = f"  {'search' if answer.engine == 'auto' else answer.engine}  "
    numbers = f"{run.states:,} states  {run.transitions:,} transitions  depth {run.depth}{starts}  {run.seconds:.1f} s"
    if answer.engine == "bmc":
        numbers = f"depth {run.depth}{starts}  {run.seconds:.1f} s"
        how = run.stopped or f"every run of up to {run.depth} calls was looked at"
    page.wrap(label, numbers)
    page.wrap(" " * len(label), how)
    if run.symmetry > 1:
        page.wrap("  symmetry  ", f"on: a state stands for up to {run.symmetry:,} that differ only in which elements are which")
    if run.liveness_seconds:
        seconds = f"{run.liveness_seconds:.1f} s"
        numbers = f"{run.kept_states:,} states  {run.kept_transitions:,} transitions  {seconds}; symmetry off, all keep their names"
        page.wrap("  liveness  ", numbers if run.kept_states else f"{seconds}, on the same graph")
    if run.cuts:
        page.wrap("  cut by the scope  ", ", ".join(f"{count:,} paths by `{what.rstrip(';')}`" for what, count in run.cuts))
    if run.complete:
        dead = [*run.events_never_fired, *run.lines_never_fired]
        page.wrap("  never fired  ", "; ".join(dead) if dead else "nothing: every event and every `fail` line was used")
    if run.verdicts and not run.begun:
        page.add(f"  nothing is known of its {len(run.verdicts)} claims")
    elif run.verdicts:
        page.blank()
        page.table(_rows(run), "  ")
    for check in run.checks:
        mark = "not decided" if check.as_expected is None else ("as expected" if check.as_expected else "NOT AS EXPECTED")
        page.wrap(f"  {check.what}  ", f"{check.found}; expected {check.expected}: {mark}")
    if system.graphs and run.topology is None and run.complete and run.instances > 1:
        page.wrap("  ", "every dependency graph of this size was explored, one of each shape", style="dim")


def _rows(run: CheckedRun) -> list[list[Part]]:
    rows = [[Part("  "), Part("PROPERTY", "dim"), Part("RESULT", "dim"), Part("EXPECTED", "dim")]]
    quiet = [v for v in run.verdicts if v.property in BUILT_INS and v.result is Result.HOLDS and v.as_expected]
    for verdict in run.verdicts:
        if verdict in quiet:
            continue
        mark = _MARKS[verdict.as_expected] if verdict.as_expected is not None else Part(_open(run, verdict), "open")
        result = _SHORT.get(verdict.result, verdict.text) if run.bound is None else verdict.text
        if run.bound is not None and verdict.result is Result.UNREACHED:
            result = f"{result} ({verdict.method})"
        expected = verdict.expected or "nothing"
        rows.append(
            [
                mark,
                Part(verdict.property),
                Part(result, "bad" if verdict.as_expected is False else ""),
                Part(f"{expected} ({verdict.note})" if verdict.note and verdict.note != run.stopped else expected),
            ]
        )
    if quiet:
        plural = len(quiet) > 1
        name, result = (f"{len(quiet)} built-in claims", "hold") if plural else (quiet[0].property, "holds")
        bound = f" (to depth {run.bound})" if run.bound is not None else ""
        rows.append([_MARKS[True], Part(name), Part(result + bound), Part("holds")])
    return rows


def _open(run: CheckedRun, verdict: Verdict) -> str:
    return "??" if verdict in run.undecided else "--"


def _summary(answer: CheckAnswer) -> list[str | Part]:
    """The last line: what it comes to, and the exit status."""
    verdicts = [v for run in answer.runs for v in run.verdicts if v.expected is not None]
    right = sum(v.as_expected is True for v in verdicts)
    style = {"as-expected": "good", "unexpected": "bad", "undecided": "open"}[answer.verdict]
    text = f"{answer.spec.name}: {answer.verdict.replace('-', ' ')}"
    why = f" ({answer.stopped})" if answer.verdict == "undecided" and answer.stopped is not None else ""
    return [Part(text, style), f"{why}; {right} of {len(verdicts)} verdicts as expected; exit status {answer.exit_status}"]
