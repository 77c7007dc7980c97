"""Large recordings, made of a vendored one that is repeated: every copy is another agent, with its own processes, times and names."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

CAPTURES = Path(__file__).resolve().parents[1] / "tests" / "traces" / "captures"
CONCURRENT = CAPTURES / "concurrent"
"""Eight tasks of an agent that create sessions, preserve files into them and release them again: it leaves nothing behind, so that the
next copy begins where it began."""

RECORDERS = ("one", "dyn", "core", "ep", "sys", "raw")
"""Ways of recording the same agent (names of its captures), from a probe for each call to all system calls of the processes.  With these
a copy shows as many calls as the recording itself."""

_PREFIX = "conc"
"""Session names begin with it."""

_TASK = re.compile(r"^(\s*\S+?-)(\d+)(\s+(?:\(\s*[\d-]+\)\s+)?\[\d+\]\s+\S+\s+)(\d+)\.(\d{6})(:.*)$")
_CHILD = re.compile(r"\b((?:child_|old_)?pid=)(\d+)")
_FORKED = re.compile(r"^(: sys_(?:clone3?|v?fork) -> 0x)([0-9a-f]+)$")
_PIDS = 1_000
"""Ids of tasks from one copy to the next: more than a capture uses."""


def recording(recorder: str) -> list[str]:
    """Lines of the capture of the concurrent agent by one of RECORDERS."""
    with gzip.open(CONCURRENT / f"conc1.{recorder}.trace.txt.gz", "rt", encoding="latin-1") as file:
        return file.read().splitlines()


def repeated(lines: list[str], copies: int) -> Iterator[str]:
    """Lines of a recording that shows the same agent so many times, one after the other."""
    yield from (line for line in lines if line.startswith("#"))
    events = [line for line in lines if line and not line.startswith("#")]
    times = [float(f"{m[4]}.{m[5]}") for m in map(_TASK.match, events) if m]
    period = int(max(times) - min(times)) + 1
    for copy in range(copies):
        yield from (_moved(line, copy, period) for line in events)


def _moved(line: str, copy: int, period: int) -> str:
    name = _code(copy)
    line = line.replace(_PREFIX, name).replace(_little_endian(_PREFIX), _little_endian(name))
    found = _TASK.match(line)
    if found is None:
        return line
    text = _CHILD.sub(lambda m: m[1] + _task(m[2], copy), found[6])
    text = _FORKED.sub(lambda m: m[1] + format(int(_task(str(int(m[2], 16)), copy)), "x"), text)
    return f"{found[1]}{_task(found[2], copy)}{found[3]}{int(found[4]) + copy * period}.{found[5]}{text}"


def _task(number: str, copy: int) -> str:
    """Tasks that were there before (init) and the child's 0 from fork stay what they are."""
    return number if int(number) < 2 else str(int(number) + copy * _PIDS)


def _code(copy: int) -> str:
    """Four letters, another four for every copy."""
    letters = ""
    for _ in range(len(_PREFIX)):
        copy, letter = divmod(copy, 26)
        letters = chr(ord("a") + letter) + letters
    return letters


def _little_endian(text: str) -> str:
    """How a probe that shows memory as a number writes these bytes."""
    return text.encode()[::-1].hex()
