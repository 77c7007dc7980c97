"""One run of a sweep as a value that can be sent to another machine, and what comes back.

A worker has no file of the spec and need not have this process's memory: it gets texts, names and numbers, and gives a JSON object.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import Any

from luocheck.checker.check import CheckedRun, explore_planned, judged
from luocheck.checker.checkpoint.plain import NotPlain, Plain
from luocheck.checker.expectations import Judge
from luocheck.checker.explore.limits import NO_MORE_MEMORY, Limits
from luocheck.checker.explore.result import Exploration
from luocheck.checker.plan import Planned
from luocheck.checker.selection import topology_named
from luocheck.checker.sweep.runs import SpecRun
from luocheck.model.answer import Verdict
from luocheck.model.build import build
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import Scope
from luocheck.model.problems import Problem, problems_of
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load_texts

Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Options:
    """How each run is made; the limits are for one run, not for all."""

    engine: str = "auto"
    symmetry: bool = True
    strict: bool = False
    depth: int | None = None
    max_states: int | None = None
    timeout: float | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict without its story.  undecided: an expectation waits for it.  calls: of the shortest run that shows it."""

    property: str
    kind: str
    result: str
    text: str
    method: str
    calls: int | None
    expected: str | None
    as_expected: bool | None
    undecided: bool
    note: str


@dataclass(frozen=True, slots=True)
class Count:
    """An expectation about the whole run: `states` or `coverage`.  as_expected is None when it could not be told."""

    what: str
    expected: str
    found: str
    as_expected: bool | None


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run came to.  never_fired: events and `fail` lines; problems: when there are some, nothing else is known."""

    answers: tuple[Answer, ...] = ()
    counts: tuple[Count, ...] = ()
    states: int = 0
    transitions: int = 0
    depth: int = 0
    starting_points: int = 0
    complete: bool = False
    begun: bool = False
    bounded: bool = False
    stopped: str | None = None
    never_fired: tuple[str, ...] = ()
    engine_missing: str | None = None
    problems: tuple[Problem, ...] = ()


_PLAIN = Plain([])


def payload_of(run: SpecRun, options: Options) -> Payload:
    """The run as a JSON object."""
    planned = run.planned
    return {
        "texts": [[text.name, text.text] for text in run.spec.texts],
        "scope": {
            "name": planned.scope.name,
            "sizes": [list(each) for each in planned.scope.sizes],
            "stepwise": sorted(planned.scope.stepwise),
        },
        "topology": planned.topology.name if planned.topology is not None else None,
        "claims": [claim.name for claim in planned.claims],
        "may_stop": planned.may_stop,
        "may_refuse": planned.may_refuse,
        "options": dataclasses.asdict(options),
    }


def key_of(payload: Payload) -> str:
    """What a run's result is known by: it does not depend on where the files are."""
    texts = [[PurePath(name).name, text] for name, text in payload["texts"]]
    known = json.dumps({**payload, "texts": texts, "version": version()}, sort_keys=True)
    return hashlib.sha256(known.encode()).hexdigest()[:32]


def perform(payload: Payload, interrupted: Callable[[], str | None]) -> dict[str, Any]:
    """Makes the run, and gives a `Ran` as a JSON object."""
    try:
        ran = _run(payload, interrupted)
    except SpecError as error:
        ran = Ran(problems=problems_of(error))
    written: dict[str, Any] = _PLAIN.write(ran)
    return written


def ran_of(result: object) -> Ran:
    """What `perform` gave.  Raises ValueError for anything else."""
    try:
        ran: Ran = _PLAIN.read(Ran, result)
    except NotPlain:
        raise ValueError("not a result of a run") from None
    return ran


def worth_keeping(result: dict[str, Any]) -> bool:
    """Would another try give the same?  Not where the machine was the reason."""
    ran = ran_of(result)
    return not ran.problems and ran.stopped != NO_MORE_MEMORY


def _run(payload: Payload, interrupted: Callable[[], str | None]) -> Ran:
    spec = loaded(tuple((name, text) for name, text in payload["texts"]))
    system, options = spec.system, Options(**payload["options"])
    sizes = tuple((sort, size) for sort, size in payload["scope"]["sizes"])
    scope = Scope(payload["scope"]["name"], sizes, frozenset(payload["scope"]["stepwise"]))
    topology = topology_named(system, payload["topology"]) if payload["topology"] is not None else None
    claims = tuple(claim for claim in system.properties if claim.name in payload["claims"])
    planned = Planned(scope, topology, claims, payload["may_stop"], payload["may_refuse"])
    judge = Judge(system, strict=options.strict, symmetry=options.symmetry)
    limits = Limits(options.max_states, options.timeout, options.memory, interrupted)
    began = time.monotonic()
    run = explore_planned(
        system,
        planned,
        judge,
        limits,
        engine=options.engine,
        symmetry=options.symmetry,
        depth=options.depth,
    )
    return _ran(run, judged(run, judge, time.monotonic() - began))


@lru_cache(maxsize=8)
def loaded(texts: tuple[tuple[str, str], ...]) -> Spec:
    """The spec whose texts (name and text) these are; the last few are kept."""
    return load_texts([Source(name, text) for name, text in texts])


def _ran(run: Exploration, checked: CheckedRun) -> Ran:
    return Ran(
        tuple(_answer(verdict, checked) for verdict in checked.verdicts),
        tuple(Count(each.what, each.expected, each.found, each.as_expected) for each in checked.checks),
        checked.states,
        checked.transitions,
        checked.depth,
        checked.instances,
        checked.complete,
        checked.begun,
        checked.bound is not None,
        checked.stopped,
        (*checked.events_never_fired, *checked.lines_never_fired),
        run.engine_missing,
    )


def _answer(verdict: Verdict, checked: CheckedRun) -> Answer:
    return Answer(
        verdict.property,
        verdict.kind,
        verdict.result.value,
        verdict.text,
        verdict.method,
        verdict.witness.calls if verdict.witness is not None else None,
        verdict.expected,
        verdict.as_expected,
        verdict in checked.undecided,
        verdict.note,
    )


def version() -> str:
    """The build of all that an answer depends on."""
    return build("luocheck.model", "luocheck.checker")
