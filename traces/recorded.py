"""A folder that `luocheck record` made: the trace, and beside it what the trace does not say of itself.

The recorder is `recorders/luo-record.sh`; what it writes into such a folder is said there.  All of it may come from anywhere, so every
file is read up to a bound, and what makes no sense in it counts as not said.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.traces.call import Loss, Note, Recording

MANIFEST = "luo-record.txt"
"""The file that makes a folder a recording; its first line is FIRST, the others are `key: value`."""
FIRST = "luo-record 1"
TRACE = "trace.txt"
SIDECARS = (MANIFEST, "stats.txt")
"""What is read beside the trace."""

MOST = 1 << 18
"""Bytes that are read of a sidecar."""
MOST_SAID = 20
"""Lines of a kind that are told of a manifest."""

_STATISTIC = re.compile(r"cpu(\d{1,6}) (overrun|commit overrun|dropped events): (\d{1,20})")
_OF_ONE_CPU = ("local", "perf")
"""Clocks that may differ from CPU to CPU."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the sidecars say.  trace: the path of the trace.  overrun: events that were overwritten; lost: dropped ones, by CPU.

    missing: what the recorder wanted to record and could not.  whole: everything was saved.
    """

    trace: str
    whole: bool
    clock: str
    overrun: int
    lost: tuple[tuple[int, int], ...]
    missing: tuple[str, ...]


def is_recorded(path: str) -> bool:
    """Is this a folder that `luocheck record` made?"""
    try:
        with open(os.path.join(path, MANIFEST), "rb") as file:
            return file.read(len(FIRST) + 1).rstrip(b"\r\n") == FIRST.encode()
    except (OSError, ValueError):
        return False


def files_of(path: str) -> list[str]:
    """The files that the answer about a capture depends on: itself, or in the folder of a recording the trace and what is read beside it."""
    if not is_recorded(path):
        return [path]
    return [name for name in (_trace(path), *(os.path.join(path, each) for each in SIDECARS)) if os.path.isfile(name)]


def read_recorded(path: str) -> Recorded:
    """What is said beside the trace.  Raises SpecError LUO700 when the trace is missing."""
    said = list(_lines(os.path.join(path, MANIFEST)))
    values = dict(line.partition(": ")[::2] for line in reversed(said))
    found = [match for line in _lines(os.path.join(path, "stats.txt")) if (match := _STATISTIC.fullmatch(line)) is not None]
    lost: dict[int, int] = {}
    for match in found:
        if match[2] != "overrun" and int(match[3]):
            lost[int(match[1])] = lost.get(int(match[1]), 0) + int(match[3])
    trace = _trace(path)
    if not os.path.isfile(trace):
        fail(
            "LUO700",
            f"the recorder saved no {TRACE} here",
            Span(Source(path, ""), 0, 0),
            help="`luo-record.sh save` was interrupted, or a file was removed; `status` tells whether the buffer is still there",
        )
    return Recorded(
        trace,
        values.get("state") == "complete",
        values.get("clock", ""),
        sum(int(match[3]) for match in found if match[2] == "overrun"),
        tuple(sorted(lost.items())),
        tuple(line.removeprefix("missing: ") for line in said if line.startswith("missing: "))[:MOST_SAID],
    )


def with_sidecars(recording: Recording, recorded: Recorded) -> Recording:
    """The recording of the trace, with what is said beside it."""
    losses = list(recording.losses)
    if recorded.overrun and not recording.truncated_start:
        losses.append(Loss(1, recorded.overrun, "the oldest events were overwritten, say the statistics of the buffer"))
    for cpu, count in recorded.lost:
        losses.append(Loss(1, count, f"CPU {cpu} lost them at an unknown place, say the statistics of the buffer"))
    return replace(
        recording,
        losses=tuple(losses),
        truncated_start=recording.truncated_start or recorded.overrun > 0,
        notes=(*recording.notes, *_notes(recorded, losses[len(recording.losses) :])),
    )


def _notes(recorded: Recorded, losses: list[Loss]) -> Iterator[Note]:
    for loss in losses:
        yield Note("LUO704", None, f"{loss.count} events are missing: {loss.reason}")
    if not recorded.whole:
        yield Note("LUO706", None, "the recorder was interrupted while it saved: files of this folder may be cut off")
    if recorded.clock in _OF_ONE_CPU:
        text = (
            f"the clock `{recorded.clock}` is each CPU's own: calls on different CPUs can stand in another order than they happened"
        )
        yield Note("LUO710", None, text)
    for each in recorded.missing:
        yield Note("LUO711", None, f"the recorder could not record {each}")


def _trace(path: str) -> str:
    """The trace, also when somebody compressed it."""
    names = (TRACE, *(TRACE + suffix for suffix in (".gz", ".xz", ".bz2", ".zst")))
    return next((name for each in names if os.path.isfile(name := os.path.join(path, each))), os.path.join(path, TRACE))


def _lines(path: str) -> Iterator[str]:
    try:
        with open(path, "rb") as file:
            text = file.read(MOST).decode("utf-8", "backslashreplace")
    except OSError:
        return
    yield from (line.strip()[:400] for line in text.split("\n"))
