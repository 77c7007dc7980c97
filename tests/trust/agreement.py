"""Does replay agree with enumeration on a recording?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from luocheck.model.ir.system import System
from luocheck.traces.call import Call, Recording
from luocheck.traces.replay.kernels import Replay, parts_of
from luocheck.traces.replay.world import Beginning


def replayed(system: System, recording: Recording, *, warm: bool, seconds: float = 20.0) -> bool | None:
    """What replay says of one reading of a recording: does it conform, and keep what the spec promises?  None when it does not decide."""
    deadline = time.process_time() + seconds
    beginning = Beginning.WARM if warm else Beginning.COLD
    refuted = False
    for quick in (True, False):
        found = Replay(system, parts_of([recording]), beginning, quick, _until(deadline), promises=True, thorough=True).run()
        kept = not any(each.definite and not each.expected for _, each in found.broken)
        if found.explains and kept:
            return True
        refuted = (bool(found.refusals) or not kept) and found.gave_up is None and not found.overwhelmed
    return False if refuted else None


def beginning_of(recording: Recording, count: int) -> Recording:
    """The first calls of a recording; what returned after them has not returned yet."""
    kept = recording.calls[:count]
    if len(recording.calls) <= count:
        return recording
    last = recording.calls[count].enter.line
    return replace(recording, calls=tuple(_cut(call, last) for call in kept))


def _cut(call: Call, line: int) -> Call:
    return call if call.exit is None or call.exit.line < line else replace(call, exit=None, result=None)


def _until(deadline: float) -> Callable[[], str | None]:
    return lambda: "time is up" if time.process_time() > deadline else None
