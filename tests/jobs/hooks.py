"""Tasks for the tests of jobs; other processes import them from here."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from luocheck.jobs.job import Ended, Interrupted, Job, Outcome, Task

Plain = dict[str, Any]


def version() -> str:
    return os.environ.get("LUOCHECK_TEST_VERSION", "one")


def _count(payload: Plain) -> int:
    """Notes in the task's file that it was begun, and tells how often it was."""
    path = Path(payload["place"]) / payload["name"]
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")
    return len(path.read_text().split())


def act(payload: Plain, interrupted: Interrupted) -> Plain:
    """Does what the payload says."""
    times = _count(payload)
    match payload["do"]:
        case "answer":
            pass
        case "die once" if times == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raise":
            raise KeyError(payload["name"])
        case "wait for":  # another task to be begun
            while not (Path(payload["place"]) / payload["other"]).exists():
                time.sleep(0.01)
        case "go on" | "go on unheard":  # until somebody interrupts, who is not always heard
            while payload["do"] == "go on unheard" or interrupted() is None:
                time.sleep(0.01)
    return {"name": payload["name"], "times": times}


JOB = Job("test", act, version, lambda result: result["name"] != "fleeting")


class Here:
    """Does tasks in this process, one after the other."""

    def run(self, job: Job, tasks: Sequence[Task], interrupted: Interrupted) -> Iterator[list[Ended]]:
        for each in tasks:
            yield [(each, Outcome(job.perform(each.payload, interrupted), 0.5))]


def sweep_counted(payload: Plain, interrupted: Interrupted) -> Plain:
    """A run of a sweep that leaves a mark."""
    from luocheck.checker.sweep import work

    with open(os.environ["LUOCHECK_TEST_COUNT"], "a") as file:
        file.write(f"{payload['scope']['name']}\n")
    return work.perform(payload, interrupted)


def sweep_dying(payload: Plain, interrupted: Interrupted) -> Plain:
    """A run of a sweep whose process is killed in the scope `race`."""
    from luocheck.checker.sweep import work

    if payload["scope"]["name"] == "race":
        os.kill(os.getpid(), signal.SIGKILL)
    return work.perform(payload, interrupted)


def audit_dying_once(payload: Plain, interrupted: Interrupted) -> Plain:
    """An audit whose process is killed by the capture of node004: once, or with LUOCHECK_TEST_ALWAYS each time."""
    from luocheck import auditing

    name = Path(payload["paths"][0]).parent.name
    with open(os.environ["LUOCHECK_TEST_COUNT"], "a+") as file:
        file.write(f"{name}\n")
        file.seek(0)
        before = file.read().split().count(name) - 1
    if name == "node004" and (before == 0 or "LUOCHECK_TEST_ALWAYS" in os.environ):
        os.kill(os.getpid(), signal.SIGKILL)
    return auditing.perform(payload, interrupted)
