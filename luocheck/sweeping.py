"""A sweep: the runs that `checker.sweep` plans, done by `jobs`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from luocheck.checker.selection import check_bounded, check_engine
from luocheck.checker.sweep.answer import SweepAnswer, SweptRun
from luocheck.checker.sweep.runs import Selection, SpecRun, runs_of
from luocheck.checker.sweep.work import Options, key_of, payload_of, perform, ran_of, version, worth_keeping
from luocheck.jobs.choosing import choose_workers
from luocheck.jobs.job import Interrupted, Job, Outcome, Task, Tell
from luocheck.jobs.run import Progress, run
from luocheck.model.spec import Spec

JOB = Job("sweep", perform, version, worth_keeping)


def sweep(
    specs: Sequence[Spec],
    selection: Selection,
    options: Options,
    *,
    jobs: int | None = None,
    cluster: str | None = None,
    results: Path | str | None = None,
    interrupted: Interrupted = lambda: None,
    progress: Callable[[Progress], None] = lambda progress: None,
    tell: Tell = lambda sentence: None,
) -> SweepAnswer:
    """See `luocheck.sweep`.  tell: takes sentences about workers and files that are not as they should be."""
    began = time.monotonic()
    check_engine(options.engine)
    check_bounded(options.engine, depth=options.depth, strict=options.strict, max_states=options.max_states)
    workers = choose_workers(jobs, cluster, tell, fresh=options.memory is not None)  # that bound is for one run
    runs, left_out = runs_of(specs, selection)
    tasks = [_task(each, options) for each in runs]
    outcomes = run(JOB, tasks, workers, results=results, accept=_accept, interrupted=interrupted, progress=progress, tell=tell)
    swept = tuple(_swept(each, outcome) for each, outcome in zip(runs, outcomes, strict=True))
    return SweepAnswer(swept, options, tuple(left_out), interrupted() is not None, time.monotonic() - began)


def _task(each: SpecRun, options: Options) -> Task:
    payload = payload_of(each, options)
    planned = each.planned
    where = planned.scope.name + (f" {planned.topology.name}" if planned.topology is not None else "")
    return Task(key_of(payload), f"{each.spec.name} {where}", payload)


def _accept(task: Task, result: object) -> bool:
    """Does a result fit the run: an answer for each claim?"""
    try:
        ran = ran_of(result)
    except ValueError:
        return False
    return not ran.problems and {answer.property for answer in ran.answers} <= set(task.payload["claims"])


def _swept(each: SpecRun, outcome: Outcome | None) -> SweptRun:
    if outcome is None:
        return SweptRun(each, None, 0.0)
    ran = ran_of(outcome.result) if outcome.result is not None else None
    return SweptRun(each, ran, outcome.seconds, outcome.lost, outcome.kept)
