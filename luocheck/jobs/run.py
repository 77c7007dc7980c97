"""Runs a job: what its file of results has is not done again, and what ends is written there at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from luocheck.jobs.job import Interrupted, Job, Outcome, Task, Tell, Workers
from luocheck.jobs.results import Results


@dataclass(frozen=True, slots=True)
class Progress:
    """done of total tasks have ended, `kept` of them before."""

    done: int
    total: int
    kept: int


def run(
    job: Job,
    tasks: Sequence[Task],
    workers: Workers,
    *,
    results: Path | str | None = None,
    accept: Callable[[Task, object], bool] = lambda task, result: True,
    interrupted: Interrupted = lambda: None,
    progress: Callable[[Progress], None] = lambda progress: None,
    tell: Tell = lambda sentence: None,
) -> list[Outcome | None]:
    """The outcomes of tasks in their order, whatever order they ended in; None for those that an interrupt left undone.

    results: a file that keeps what ended; tasks whose key it has are not done again.  accept: is what the file says a result of this
    task?  tell: takes sentences about what is not as it should be, and does not end the job.  Raises SpecError: LUO610, LUO613 for a
    file that cannot be written or is something else, and what the workers raise.
    """
    by_key = {task.key: task for task in tasks}
    ended: dict[str, Outcome] = {}
    with Results(results, job.name, tell) if results is not None else nullcontext() as file:
        if file is not None:
            ended = {key: Outcome(*kept, kept=True) for key, kept in file.read(by_key, accept).items()}
        before = len(ended)
        progress(Progress(before, len(by_key), before))
        todo = [task for task in by_key.values() if task.key not in ended]
        if todo and interrupted() is None:
            with closing(workers.run(job, todo, interrupted)) as stream:  # type: ignore[type-var]  # a generator
                for some in stream:
                    for task, outcome in some:
                        ended[task.key] = outcome
                        if file is not None and outcome.result is not None and job.keep(outcome.result):
                            file.add(task, outcome)
                    progress(Progress(len(ended), len(by_key), before))
    return [ended.get(task.key) for task in tasks]
