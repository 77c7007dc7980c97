"""The file of a job's results: JSON Lines, a header and then a line for each task that ended.

A line is written at once when its task ends.  A line that was torn by whatever killed the run is dropped, and its task is done again.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from luocheck.jobs.job import Outcome, Plain, Task, Tell
from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span

SCHEMA = "luocheck-results/1"

MOST_HEADER = 4_096
"""Bytes in which a header ends."""


class Results:
    """An open file of results.  Raises SpecError: LUO610 when it cannot be written, LUO613 when it is something else."""

    def __init__(self, path: Path | str, job: str, tell: Tell) -> None:
        self.path = str(path)
        self._header = {"schema": SCHEMA, "job": job}
        self._tell = tell
        self._complaints: set[str] = set()
        self._lines: list[bytes] = []  # those after the header that were there
        try:
            self._file = open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666), "r+b", buffering=0)  # noqa: SIM115
        except (OSError, ValueError) as error:
            self._fail(
                "LUO610", f"the results cannot be kept here: {_reason(error)}", "name a file in a folder that can be written"
            )
        try:
            self._end = self._begin()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def _begin(self) -> int:
        """Takes the file for this run alone, and writes a header into an empty one.  Gives where the next line begins."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._fail("LUO610", "another run is writing its results into this file", "name another file, or wait")
        except OSError:
            pass  # a file system without locks
        header = _line(self._header)
        try:
            if not stat.S_ISREG(os.fstat(self._file.fileno()).st_mode):
                self._other("it is no regular file")
            start = self._file.read(MOST_HEADER)
            if b"\n" not in start:
                if not header.startswith(start):
                    self._other(f"its first line does not say `{SCHEMA}`")
                self._write(0, header)  # it is empty, or torn in its first line
                return len(header)
            self._check_header(start.partition(b"\n")[0])
            data = start + (self._file.readall() or b"")
        except OSError as error:
            self._fail(
                "LUO610", f"the results cannot be kept here: {_reason(error)}", "name a file in a folder that can be written"
            )
        end = data.rfind(b"\n") + 1
        self._lines = data[:end].split(b"\n")[1:-1]
        return end

    def _check_header(self, line: bytes) -> None:
        said = _parsed(line)
        if not isinstance(said, dict) or said.get("schema") != SCHEMA:
            self._other(f"its first line does not say `{SCHEMA}`")
        if said != self._header:
            self._other(f"it has results of `luocheck {said.get('job')}`")

    # ---- reading ------------------------------------------------------------------------------------------------

    def read(self, wanted: Mapping[str, Task], accept: Callable[[Task, object], bool]) -> dict[str, tuple[Plain, float]]:
        """Results and seconds of the wanted tasks that ended before.  Raises SpecError LUO613 when a line is something else."""
        found: dict[str, tuple[Plain, float]] = {}
        for number, line in enumerate(self._lines, 2):
            match _parsed(line):
                case {"key": str(key), "task": str(), "seconds": int() | float() as seconds, "result": dict(result)} if (
                    math.isfinite(seconds) and seconds >= 0
                ):
                    task = wanted.get(key)
                    if task is None:
                        continue
                    if not accept(task, result):
                        self._other(f"line {number} has no result of `{task.label}`")
                    found[key] = result, float(seconds)
                case _:
                    self._other(f"line {number} is none")
        self._lines = []
        return found

    def _other(self, why: str) -> NoReturn:
        self._fail("LUO613", f"this is not a file of results, or a damaged one: {why}", "name another file, or remove this one")

    def _fail(self, code: str, message: str, help: str) -> NoReturn:
        fail(code, message, Span(Source(self.path, ""), 0, 0), help=help)

    # ---- writing ------------------------------------------------------------------------------------------------

    def add(self, task: Task, outcome: Outcome) -> None:
        """Writes that a task ended.  When that fails the file is as it was, somebody is told, and the job goes on."""
        line = _line({"key": task.key, "task": task.label, "seconds": round(outcome.seconds, 3), "result": outcome.result})
        try:
            self._write(self._end, line)
            self._end += len(line)
        except OSError as error:
            reason = _reason(error)
            if reason not in self._complaints:
                self._complaints.add(reason)
                self._tell(f"a result could not be written into {self.path}: {reason}")

    def _write(self, at: int, line: bytes) -> None:
        """Writes a line where the last whole one ended, over what a torn one left."""
        self._file.seek(at)
        self._file.truncate()
        while line:
            line = line[self._file.write(line) :]


def _line(value: Plain) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode() + b"\n"


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
