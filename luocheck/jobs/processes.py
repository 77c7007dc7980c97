"""Tasks on the cores of this machine: each worker is a process of its own, so that it is known whose task killed it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NoReturn

from luocheck.jobs import worker
from luocheck.jobs.job import RETRIES, Ended, Interrupted, Job, Outcome, Plain, Task
from luocheck.model.diagnostics import fail
from luocheck.model.source import NOWHERE

PATIENCE = 0.2
"""Seconds between two looks at whether to stop."""
GRACE = 5.0
"""Seconds that a process gets to stop by itself."""
LOST = "worker lost: the process that did it was killed"
NO_MEMORY = "there is no more memory"


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Processes:
    """Workers for `run`: so many processes.  fresh: a new one for each task, so that none has the memory that another one took."""

    count: int
    fresh: bool = False

    def run(self, job: Job, tasks: Sequence[Task], interrupted: Interrupted) -> Iterator[list[Ended]]:
        """See `Workers`.  A task whose process dies is tried again at the end, in a new process.

        Raises SpecError LUO615 when no process can be started.
        """
        waiting = deque(tasks)
        tries = {task.key: 0 for task in tasks}
        slots = [_Slot(job) for _ in range(min(self.count, len(tasks)))]
        begun = False
        try:
            while True:
                for slot in slots:
                    if slot.task is None and waiting:
                        slot.give(waiting.popleft())
                busy = [slot.future for slot in slots if slot.future is not None]
                if not busy or interrupted() is not None:
                    return
                wait(busy, PATIENCE, FIRST_COMPLETED)
                ended: list[Ended] = []
                for slot in slots:
                    task = slot.task
                    if task is None or slot.future is None or not slot.future.done():
                        continue
                    outcome = slot.take()
                    begun = begun or slot.begun
                    if not begun:
                        _cannot_start()
                    if self.fresh or outcome.result is None:
                        slot.close()
                    if outcome.result is None and tries[task.key] < RETRIES:
                        tries[task.key] += 1
                        waiting.append(task)
                    else:
                        ended.append((task, outcome))
                yield ended
        finally:
            _end(slots)


@dataclass(slots=True)
class _Slot:
    """A pool of one process, made anew when it is needed."""

    job: Job
    task: Task | None = None
    future: Future[tuple[Plain, float] | None] | None = None
    _pool: ProcessPoolExecutor | None = None
    _pid: Future[int] = field(default_factory=Future)

    def give(self, task: Task) -> None:
        """Lets the process do a task."""
        for pool in (self._pool, None):
            try:
                if pool is None:
                    # Not forked: a fork in the middle of threads and of native code is not safe.
                    pool = self._pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), worker.begin)
                    with _blocked():
                        self._pid = pool.submit(os.getpid)
                self.future, self.task = pool.submit(worker.perform, self.job.perform, task.payload), task
                return
            except BrokenProcessPool:  # it died while it had nothing to do
                pass
        _cannot_start()

    @property
    def begun(self) -> bool:
        """Was its last process there?"""
        return self._pid.done() and self._pid.exception() is None

    def take(self) -> Outcome:
        """How the task ended."""
        assert self.future is not None
        future, self.future, self.task = self.future, None, None
        try:
            done = future.result()
        except BrokenProcessPool:
            return Outcome(None, 0.0, LOST)
        except MemoryError:
            return Outcome(None, 0.0, NO_MEMORY)
        except Exception as error:
            return Outcome(None, 0.0, f"it ended with an internal error: {type(error).__name__}: {error}")
        return Outcome(*done) if done is not None else Outcome(None, 0.0, LOST)

    def stop(self) -> None:
        """Asks the process to give up what it does."""
        process = self._process()
        if process is not None:
            process.terminate()

    def close(self) -> None:
        """Ends the process, which has nothing to do or does not stop."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        if self.future is not None:
            process = self._process()
            if process is not None:
                process.kill()
        pool.shutdown(cancel_futures=True)

    def _process(self) -> multiprocessing.process.BaseProcess | None:
        with suppress(Exception):
            pid = self._pid.result(GRACE)  # it may be starting
            return next((each for each in multiprocessing.active_children() if each.pid == pid), None)
        return None


@contextmanager
def _blocked() -> Iterator[None]:
    """Signals wait, also in the processes that are started meanwhile."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, worker.SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(slots: Sequence[_Slot]) -> None:
    busy = [slot for slot in slots if slot.future is not None]
    try:
        for slot in busy:
            slot.stop()
        wait([slot.future for slot in busy if slot.future is not None], GRACE)
    finally:
        for slot in slots:
            if slot.future is not None and slot.future.done():
                slot.future = None
            slot.close()


def _cannot_start() -> NoReturn:
    fail(
        "LUO615",
        "a worker process died while it started",
        NOWHERE,
        help='a script that calls `luocheck.sweep` must do so under `if __name__ == "__main__":`, because workers import it',
    )
