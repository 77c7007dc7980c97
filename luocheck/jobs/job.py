"""What a job is: tasks that are plain values, the function that does one, and how each ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Plain: TypeAlias = dict[str, Any]
"""A JSON object: what a task is given and what it gives."""

Interrupted: TypeAlias = Callable[[], str | None]
"""Why to stop, or None."""

Perform: TypeAlias = Callable[[Plain, Interrupted], Plain]
"""Does a task."""

RETRIES = 2
"""How often a task is tried again when the worker that had it died."""


@dataclass(frozen=True, slots=True)
class Task:
    """key: what its result is known by; tasks with the same key have the same result.  label: for people.  payload: for the function."""

    key: str
    label: str
    payload: Plain


@dataclass(frozen=True, slots=True)
class Job:
    """name: what its file of results says it is.

    perform: does one task; it is asked for by name in other processes, so it must be a function of a module.  It should look at its second
    argument now and then, and return when there is a reason; what it returns then is thrown away.  version: names the code that does
    the tasks, also a function of a module; workers with another one are refused.  keep: is a result worth keeping, or could another
    try give another one?  send: what is sent to another machine in place of a payload, which then may have values that are no JSON.
    """

    name: str
    perform: Perform
    version: Callable[[], str]
    keep: Callable[[Plain], bool] = lambda result: True
    send: Callable[[Plain], Plain] = lambda payload: payload


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended: with a result after so many seconds, from the file when `kept`; or `lost`, and why."""

    result: Plain | None
    seconds: float
    lost: str | None = None
    kept: bool = False


Ended: TypeAlias = tuple[Task, Outcome]

Tell: TypeAlias = Callable[[str], None]
"""Takes a sentence for people."""


class Workers(Protocol):
    """Something that does tasks."""

    def run(self, job: Job, tasks: Sequence[Task], interrupted: Interrupted) -> Iterator[list[Ended]]:
        """What ended since the last time, again and again, until all have ended or there is a reason to stop.

        The list is often empty, so that a caller can tell how far it is.  What is not ended when this is closed is not done any more.
        """
        ...
