"""The answer of `sweep`, as text and as a document: a row for each run and claim."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from luocheck.checker.expectations import default_scope
from luocheck.checker.sweep.answer import SweepAnswer, SweptRun
from luocheck.model.diagnostics import Diagnostic
from luocheck.model.problems import Problem
from luocheck.report import document as documents
from luocheck.report.page import Page, Part

_MARKS = {True: Part("ok", "good"), False: Part("!!", "bad")}
_OPEN, _SHOWN = Part("??", "open"), Part("--", "open")
_STYLES = {"as-expected": "good", "unexpected": "bad", "error": "bad", "undecided": "open"}
_QUIET = ("holds", "proved", "reached")
MOST_STORIES = 10
"""Commands that tell a story, in the text."""


def write(page: Page, answer: SweepAnswer, names: Sequence[str], *, every_claim: bool, timings: bool) -> None:
    """The whole report.  names: how the specs were named, in their order.  every_claim: none is summed up."""
    titles = ["SPEC", "SCOPE", "PROPERTY", "RESULT", "CALLS", "STATES", *(["SECONDS"] if timings else []), ""]
    rows = [[Part("  "), *(Part(title, "dim") for title in titles)]]
    counted: set[tuple[object, ...]] = set()
    for run in answer.runs:
        place = (id(run.run.spec), run.scope, _place(run))
        with_counts = place not in counted  # other claims have other runs of the same scope
        counted.add(place)
        seconds = [f"{run.seconds:.1f}" if run.ran is not None else ""] if timings else []
        for row in _rows(run, every_claim, with_counts):
            where = (run.spec, _place(run), row.name)
            result = Part(row.result, row.mark.style if row.mark.style != "good" else "")
            rows.append([row.mark, *map(Part, where), result, *map(Part, (row.calls, row.states, *seconds, row.remark))])
    page.table(rows, "  ")
    page.blank()
    for spec, text in answer.dead:
        page.wrap("  ", f"{spec}: {text} never fired, and --strict wants all", style="bad")
    for text in answer.left_out:
        page.wrap("  left out: ", text, style="dim")
    page.blank()
    for text in dict.fromkeys(problem.rendered for _, problem in _problems(answer)):
        page.lines += [(Part(line),) for line in text.split("\n")]
        page.blank()
    _stories(page, answer, names)
    page.blank()
    page.add(*_summary(answer))


def _place(run: SweptRun) -> str:
    return run.scope.name + (f" {run.topology.name}" if run.topology is not None else "")


@dataclass(frozen=True, slots=True)
class _Row:
    """remark: what was expected, where that is not what was found."""

    mark: Part
    name: str
    result: str
    calls: str = ""
    states: str = ""
    remark: str = ""


def _rows(run: SweptRun, every_claim: bool, with_counts: bool) -> Iterator[_Row]:
    ran = run.ran
    if ran is None or ran.problems:
        why = ", ".join(problem.code for problem in ran.problems) if ran is not None else run.lost or ""
        yield _Row(_MARKS[False] if run.verdict == "error" else _OPEN, "-", run.outcome, remark=why)
        return
    states = f"{ran.states:,}" if not ran.bounded else ""
    quiet = [each for each in ran.answers if not every_claim and each.as_expected and each.result in _QUIET]
    for each in ran.answers:
        if each in quiet and len(quiet) > 1:
            continue
        mark = _MARKS[each.as_expected] if each.as_expected is not None else _OPEN if each.undecided else _SHOWN
        note = f" ({each.note})" if each.note and each.note != ran.stopped else ""
        remark = "" if each.as_expected else f"expected: {each.expected or 'nothing'}{note}"
        bound = f" ({each.method})" if ran.bounded and each.calls is None and each.result not in ("unknown", "vacuous") else ""
        yield _Row(mark, each.property, each.result + bound, str(each.calls or ""), states, remark)
    if len(quiet) > 1:
        yield _Row(_MARKS[True], f"{len(quiet)} other claims", "hold, or are reached", "", states)
    for count in ran.counts if with_counts else ():
        mark = _MARKS[count.as_expected] if count.as_expected is not None else _OPEN
        yield _Row(mark, count.what, count.found, "", states, "" if count.as_expected else f"expected: {count.expected}")
    if ran.stopped is not None:
        yield _Row(_OPEN, "-", ran.stopped, "", states)


def _stories(page: Page, answer: SweepAnswer, names: Sequence[str]) -> None:
    """The commands that tell what is not as expected."""
    by_spec = dict(zip(dict.fromkeys(each.run.spec for each in answer.runs), names))
    commands = []
    for run in answer.runs:
        scope = _scope_option(run)
        for each in run.ran.answers if run.ran is not None else ():
            if each.as_expected is False and scope is not None:
                topology = ["--topology", run.topology.name] if run.topology is not None else []
                commands.append(["luocheck", "check", by_spec[run.run.spec], *scope, *topology, "--property", each.property])
    for command in commands[:MOST_STORIES]:
        page.add(f"  its story: {shlex.join(command)}")
    if len(commands) > MOST_STORIES:
        page.add(f"  ... and {len(commands) - MOST_STORIES:,} more")


def _scope_option(run: SweptRun) -> list[str] | None:
    """How `check` is asked for the scope of a run; None when it cannot be."""
    system, scope = run.run.spec.system, run.scope
    if scope in system.scopes:
        return ["--scope", scope.name]
    default = default_scope(system)
    if scope.stepwise != default.stepwise:
        return None
    return ["--scope", ",".join(f"{sort}={size}" for sort, size in scope.sizes if size != default.size(sort))]


def _summary(answer: SweepAnswer) -> list[str | Part]:
    specs = len({id(each.run.spec) for each in answer.runs})
    verdicts = [each for run in answer.runs if run.ran is not None for each in run.ran.answers if each.expected is not None]
    right = sum(each.as_expected is True for each in verdicts)
    counts = {outcome: sum(run.outcome == outcome for run in answer.runs) for outcome in ("lost", "error", "not run")}
    others = "".join(f", {count:,} {outcome}" for outcome, count in counts.items() if count)
    runs = f"{len(answer.runs):,} runs of {specs} spec{'' if specs == 1 else 's'}{others}"
    return [
        Part(f"sweep: {answer.verdict.replace('-', ' ')}", _STYLES[answer.verdict]),
        f"; {runs}; {right:,} of {len(verdicts):,} verdicts as expected; exit status {answer.exit_status}",
    ]


# ---- the document ---------------------------------------------------------------------------------------------------


def document(answer: SweepAnswer, problems: Iterable[Diagnostic], *, timings: bool) -> documents.Document:
    """The document.  problems: of specs that could not be used.  Without timings it is the same each time."""
    errors = [documents.problem(each) for each in problems if each.severity.value == "error"]
    return documents.document(
        "sweep",
        verdict="error" if errors and not answer.interrupted else answer.verdict,
        engine=answer.options.engine,
        seconds=round(answer.seconds, 3) if timings else None,
        rows=list(chain.from_iterable(_row_documents(run) for run in answer.runs)),
        runs=[_run_document(run, timings) for run in answer.runs],
        never_fired=[{"spec": spec, "what": what} for spec, what in answer.dead],
        left_out=list(answer.left_out),
        problems=[*errors, *(documents.written(each) for _, each in _problems(answer))],
    )


def _problems(answer: SweepAnswer) -> Iterator[tuple[SweptRun, Problem]]:
    for run in answer.runs:
        yield from ((run, problem) for problem in (run.ran.problems if run.ran is not None else ()))


def _identity(run: SweptRun) -> documents.Document:
    return {
        "spec": run.spec,
        "file": run.run.spec.source.name,
        "scope": run.scope.name,
        "topology": documents.topology(run.topology),
    }


def _row_documents(run: SweptRun) -> Iterator[documents.Document]:
    if run.ran is None or run.ran.problems:
        nothing = dict.fromkeys(("property", "kind", "calls", "states", "expected", "as_expected"))
        note = run.lost or "" if run.ran is None else "; ".join(problem.message for problem in run.ran.problems)
        yield {**_identity(run), **nothing, "result": run.outcome, "method": "", "undecided": run.ran is None, "note": note}
        return
    for each in run.ran.answers:
        yield {
            **_identity(run),
            "property": each.property,
            "kind": each.kind,
            "result": each.result,
            "method": each.method,
            "calls": each.calls,
            "states": run.ran.states,
            "expected": each.expected,
            "as_expected": each.as_expected,
            "undecided": each.undecided,
            "note": each.note,
        }


def _run_document(run: SweptRun, timings: bool) -> documents.Document:
    ran = run.ran
    return {
        **_identity(run),
        "scope": documents.scope(run.scope),
        "properties": [claim.name for claim in run.run.planned.claims],
        "outcome": run.outcome,
        "verdict": run.verdict,
        "states": ran.states if ran is not None else 0,
        "transitions": ran.transitions if ran is not None else 0,
        "depth": ran.depth if ran is not None else 0,
        "starting_points": ran.starting_points if ran is not None else 0,
        "complete": ran is not None and ran.complete,
        "stopped": ran.stopped if ran is not None else None,
        "lost": run.lost,
        "checks": [
            {"what": each.what, "expected": each.expected, "found": each.found, "as_expected": each.as_expected}
            for each in (ran.counts if ran is not None else ())
        ],
        "never_fired": list(ran.never_fired) if ran is not None else [],
        "seconds": round(run.seconds, 3) if timings and ran is not None else None,
    }
