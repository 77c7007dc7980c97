"""Tasks on a Dask cluster: its scheduler distributes them and gives those of a lost worker to another one."""

from __future__ import annotations

import importlib.metadata
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from luocheck.jobs import worker
from luocheck.jobs.job import RETRIES, Ended, Interrupted, Job, Outcome, Perform, Plain, Task, Tell
from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from distributed import Client, Future

CONNECT = 15.0
"""Seconds in which the scheduler must answer."""
PATIENCE = 0.1
"""Seconds between two looks at what has ended."""
AHEAD = 16
"""Tasks that the scheduler has beyond two for each thread of its workers."""
ASK = 2.0
"""Seconds between two times that a worker asks whether to stop."""
GONE = "worker lost: the connection to the cluster broke"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers for `run`: those of the scheduler at this address.  tell: takes sentences about the cluster."""

    address: str
    tell: Tell = lambda sentence: None

    def run(self, job: Job, tasks: Sequence[Task], interrupted: Interrupted) -> Iterator[list[Ended]]:
        """See `Workers`.  Raises SpecError LUO614 when there is no such cluster, or its workers cannot do the job."""
        try:
            import distributed
        except ImportError:
            self._fail("a cluster needs the package `distributed`, which is not installed", "pip install 'luocheck[cluster]'")
        with _quiet():
            try:
                distributed.comm.resolve_address(self.address)  # a client that was made for a wrong one does not go away
                client = distributed.Client(self.address, timeout=CONNECT, set_as_default=False)
            except (OSError, ValueError, RuntimeError) as error:
                text = str(error) or type(error).__name__
                self._fail(f"there is no scheduler of a Dask cluster: {text}", "give the address that `dask scheduler` prints")
            try:
                self._look_at_workers(client, job)
                yield from self._run(client, job, tasks, interrupted)
            finally:
                with suppress(Exception):
                    client.close(timeout=2)

    def _look_at_workers(self, client: Client, job: Job) -> None:
        """Have all the same luocheck?  Raises SpecError LUO614."""
        ours = job.version()
        for address, theirs in client.run(importlib.metadata.version, "luocheck", on_error="return").items():
            if isinstance(theirs, BaseException):
                self._fail(f"the worker {address} has no luocheck", "install the same version there")
        for address, theirs in client.run(job.version, on_error="return").items():
            if isinstance(theirs, BaseException):
                self._fail(f"the luocheck of the worker {address} does not run: {theirs}", "install the same version there")
            if theirs != ours:
                self._other_version(address, theirs, ours)
        threads = client.nthreads()
        several = sum(count > 1 for count in threads.values())
        if not threads:
            self.tell("the cluster has no worker; tasks wait for one")
        elif several:
            self.tell(f"{several} of {len(threads)} workers have several threads; each does one task at a time (`--nthreads 1`)")

    def _other_version(self, address: str, theirs: str, ours: str) -> NoReturn:
        self._fail(f"the worker {address} has luocheck {theirs}, and this is {ours}", "install the same version on all machines")

    def _run(self, client: Client, job: Job, tasks: Sequence[Task], interrupted: Interrupted) -> Iterator[list[Ended]]:
        from distributed import Event, as_completed

        run = f"luocheck-{uuid.uuid4().hex}"
        stop = Event(run, client=client)
        version = job.version()
        waiting = deque(enumerate(tasks))
        given: dict[Future, Task] = {}
        ended = as_completed(loop=client.loop, raise_errors=False)
        try:
            while waiting or given:
                if interrupted() is not None:
                    return
                try:
                    room = AHEAD + 2 * sum(client.nthreads().values()) - len(given) if waiting else 0
                    for number, task in [waiting.popleft() for _ in range(min(room, len(waiting)))]:
                        future = client.submit(
                            _perform,
                            job.perform,
                            job.version,
                            version,
                            run,
                            job.send(task.payload),
                            key=f"{run}-{number}",
                            retries=RETRIES,
                            pure=False,
                        )
                        given[future] = task
                        ended.add(future)
                    batch = ended.next_batch(block=False)
                except OSError:
                    yield [(task, Outcome(None, 0.0, GONE)) for task in (*given.values(), *(task for _, task in waiting))]
                    return
                yield [(given.pop(future), self._outcome(future, version)) for future in batch]
                if not batch:
                    time.sleep(PATIENCE)
        finally:
            if given:
                with suppress(Exception):
                    stop.set()
                    client.cancel(list(given), force=True)

    def _outcome(self, future: Future, version: str) -> Outcome:
        from distributed import KilledWorker

        if future.cancelled():
            return Outcome(None, 0.0, GONE)
        try:
            done = future.result()
        except KilledWorker as error:
            return Outcome(None, 0.0, f"worker lost: {error.allowed_failures + 1} workers died over it")
        except MemoryError:
            return Outcome(None, 0.0, "there is no more memory")
        except Exception as error:
            return Outcome(None, 0.0, f"it ended with an internal error: {type(error).__name__}: {error}")
        if isinstance(done, str):
            self._other_version("that came later", done, version)
        return Outcome(*done) if done is not None else Outcome(None, 0.0, GONE)

    def _fail(self, message: str, help: str) -> NoReturn:
        fail("LUO614", message, Span(Source(f"--cluster {self.address}", ""), 0, 0), help=help)


@contextmanager
def _quiet() -> Iterator[None]:
    """What goes wrong is told by us, and not a second time by loggers of the package."""
    loggers = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict) if name.startswith("distributed")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


_one_at_a_time = threading.Lock()
"""Engines are made for one search at a time in a process."""


def _perform(
    function: Perform, version: Callable[[], str], wanted: str, run: str, payload: Plain
) -> tuple[Plain, float] | str | None:
    """Does a task in a worker; gives the version of a worker that has another one."""
    if version() != wanted:
        return version()
    from distributed import Event, get_client

    stop: Any = Event(run, client=get_client())
    asked, stopped = time.monotonic(), False

    def interrupted() -> str | None:
        nonlocal asked, stopped
        if not stopped and time.monotonic() - asked > ASK:
            with suppress(Exception):
                stopped = stop.is_set()
            asked = time.monotonic()
        return "interrupted" if stopped else None

    with _one_at_a_time:
        return worker.perform(function, payload, interrupted)
