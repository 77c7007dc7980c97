"""Answers as JSON documents.  Their fields are stable; `schemas/*.schema.json` describe them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from luocheck.model.answer import Step, Verdict, Witness
from luocheck.model.diagnostics import Diagnostic
from luocheck.model.ir.system import Scope, Topology
from luocheck.model.problems import Problem, problem_of

if TYPE_CHECKING:
    from luocheck.checker.check import CheckAnswer, CheckedRun
    from luocheck.checker.proving import ProveAnswer
    from luocheck.checker.scenarios import ScenarioRun
    from luocheck.checker.symbolic.parametric.certificate import Checked
    from luocheck.model.spec import Spec

SCHEMA = "luocheck/1"

Document = dict[str, Any]


def document(command: str, **fields: Any) -> Document:
    """A document of a command."""
    return {"schema": SCHEMA, "command": command, **fields}


def several(command: str, results: Sequence[Document]) -> Document:
    """One document for several inputs."""
    return document(command, results=[{k: v for k, v in each.items() if k != "schema"} for each in results])


def errors(command: str | None, diagnostics: Iterable[Diagnostic]) -> Document:
    """The document of an input that cannot be used.  Warnings that came with the errors are left out."""
    shown = [problem(each) for each in diagnostics if each.severity.value == "error"]
    return {"schema": SCHEMA, **({"command": command} if command is not None else {}), "errors": shown}


def problem(diagnostic: Diagnostic) -> Document:
    """A diagnostic; line and column are null for what has no place in a text."""
    return written(problem_of(diagnostic))


def written(problem: Problem) -> Document:
    """The same, of a diagnostic that came from another process."""
    return {
        "code": problem.code,
        "message": problem.message,
        "file": problem.file,
        "line": problem.line,
        "col": problem.col,
        **({"help": problem.help} if problem.help else {}),
    }


def check(answer: CheckAnswer, saved: Callable[[CheckedRun, Verdict], str | None] = lambda run, verdict: None) -> Document:
    """The document of `check` for one spec; numbers and coverage at the top are those of the first run.

    saved: the file into which the witness of a verdict was written, or None.
    """
    first = answer.runs[0]
    return document(
        "check",
        spec=answer.spec.name,
        file=answer.spec.source.name,
        scope=scope(first.scope),
        topology=topology(first.topology),
        verdict=answer.verdict,
        engine=answer.engine,
        states=first.states,
        transitions=first.transitions,
        depth=first.depth,
        seconds=round(answer.seconds, 3),
        properties=[_property(run, verdict, saved(run, verdict)) for run in answer.runs for verdict in run.verdicts],
        coverage=_coverage(first),
        scenarios=[{"title": run.title, "accepted": run.accepted, "undecided": run.undecided} for run in answer.scenarios],
        runs=[_run(run) for run in answer.runs],
        problems=[problem(each) for each in answer.problems],
    )


def _run(run: CheckedRun) -> Document:
    return {
        "scope": scope(run.scope),
        "topology": topology(run.topology),
        "states": run.states,
        "transitions": run.transitions,
        "depth": run.depth,
        "starting_points": run.instances,
        "symmetry": run.symmetry,
        "seconds": round(run.seconds, 3),
        "liveness": {
            "states": run.kept_states,
            "transitions": run.kept_transitions,
            "seconds": round(run.liveness_seconds, 3),
        },
        "complete": run.complete,
        "bound": run.bound,
        "stopped": run.stopped,
        "cuts": dict(run.cuts),
        "coverage": _coverage(run),
        "checks": [{"what": c.what, "expected": c.expected, "found": c.found, "as_expected": c.as_expected} for c in run.checks],
    }


def _coverage(run: CheckedRun) -> Document:
    return {"events": list(run.events_never_fired), "fails": list(run.lines_never_fired)}


def scope(made: Scope) -> Document:
    return {"name": made.name, "sizes": dict(made.sizes), "stepwise": sorted(made.stepwise)}


def topology(made: Topology | None) -> str | None:
    return made.name if made is not None else None


def _property(run: CheckedRun, verdict: Verdict, saved: str | None) -> Document:
    return {
        "name": verdict.property,
        "kind": verdict.kind,
        "doc": verdict.doc,
        "result": verdict.result.value,
        "method": verdict.method,
        "scope": run.scope.name,
        "topology": topology(run.topology),
        "expected": verdict.expected,
        "as_expected": verdict.as_expected,
        "inherited": verdict.inherited,
        "note": verdict.note,
        "line": verdict.span.line if verdict.span.source.text else None,
        "witness": witness(verdict.witness) if verdict.witness is not None else None,
        "scenario": saved,
    }


def prove(answer: ProveAnswer, certificate: str | None) -> Document:
    """The document of `prove` for one spec.  certificate: the file that was written, or None."""
    return document(
        "prove",
        spec=answer.spec.name,
        file=answer.spec.source.name,
        verdict=answer.verdict,
        seconds=round(answer.seconds, 3),
        stopped=answer.stopped,
        properties=[_proved(answer, verdict) for verdict in answer.verdicts],
        proofs=[
            {
                "properties": list(run.claims),
                "lemmas": list(run.lemmas),
                "between_calls": list(run.between_calls),
                "states": run.states,
                "counterexamples": run.counterexamples,
                "questions": run.checks,
                "seconds": round(run.seconds, 3),
            }
            for run in answer.runs
        ],
        other=list(answer.other),
        certificate=certificate,
    )


def _proved(answer: ProveAnswer, verdict: Verdict) -> Document:
    unproved = answer.unproved.get(verdict.property)
    return {
        "name": verdict.property,
        "kind": verdict.kind,
        "doc": verdict.doc,
        "result": verdict.result.value,
        "method": verdict.method,
        "expected": verdict.expected,
        "as_expected": verdict.as_expected,
        "note": verdict.note,
        "line": verdict.span.line if verdict.span.source.text else None,
        "witness": witness(verdict.witness) if verdict.witness is not None else None,
        "obstacle": {
            "call": unproved.call,
            "sizes": unproved.sizes,
            "graph": list(unproved.graph),
            "state": list(unproved.state),
            "reachable": unproved.reachable,
            "explored": unproved.explored,
        }
        if unproved is not None
        else None,
    }


def certificate(spec: Spec, file: str, checked: Sequence[Checked], status: int) -> Document:
    """The document of `prove --check`."""
    return document(
        "prove",
        spec=spec.name,
        certificate=file,
        verdict={0: "accepted", 1: "rejected"}.get(status, "undecided"),
        proofs=[{"properties": list(each.claims), "lemmas": each.lemmas, "rejected": each.gap} for each in checked],
    )


def witness(made: Witness) -> Document:
    return {
        "calls": [step(each) for each in made.steps],
        "graph": [list(edge) for edge in made.graph],
        "given": list(made.given),
        "elements": [{"name": name, "sort": sort} for name, sort in made.elements],
        "faults": made.faults,
        "minimal": list(made.minimal),
        "loop": made.loop,
        "because": [
            {
                "text": clause.text,
                "value": clause.value,
                "bindings": dict(clause.bindings),
                "file": clause.span.source.name,
                "line": clause.span.line,
            }
            for clause in made.clauses
        ],
    }


def step(made: Step) -> Document:
    """A call: what was called, how it ended, what changed (before, after), and what happened inside of it."""
    return {
        "event": made.event,
        "args": dict(made.arguments),
        "outcome": made.outcome,
        "label": made.label,
        "gives": made.gives[1] if made.gives is not None else None,
        "resumed": made.resumed,
        "faults": made.faults,
        "changes": {change.place: [change.before, change.after] for change in made.changes},
        "inside": [
            {"what": h.what, "where": h.text, "detail": h.detail, "file": h.span.source.name, "line": h.span.line}
            for h in made.happenings
        ],
    }


def replay(spec: str, runs: Sequence[ScenarioRun]) -> Document:
    """The document of `replay` for one spec."""
    return document("replay", spec=spec, accepted=all(run.accepted for run in runs), scenarios=[_scenario(run) for run in runs])


def _scenario(run: ScenarioRun) -> Document:
    return {
        "title": run.title,
        "scope": run.scope,
        "topology": run.topology,
        "accepted": run.accepted,
        "undecided": run.undecided,
        "graph": [list(edge) for edge in run.graph],
        "given": list(run.given),
        "start": {"states": run.start_states, "state": list(run.start)},
        "steps": [
            {
                "text": each.text,
                "line": each.span.line,
                "accepted": each.accepted,
                "states": each.states,
                "call": step(each.call) if each.call is not None else None,
                "state": list(each.state),
            }
            for each in run.steps
        ],
        "allowed": [{"text": each.text, "certain": each.certain, "states": each.states} for each in run.allowed],
        "free": list(run.free),
        "problem": problem(run.diagnostic) if run.diagnostic is not None else None,
    }
