"""Does replay agree with enumeration on a recording?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from luocheck.model.ir.system import System
from luocheck.traces.call import Call, Recording
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.machine import ReplayMachine
from luocheck.traces.replay.promises import Promises
from luocheck.traces.replay.search import Search
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.world import Beginning, World


def replayed(system: System, recording: Recording, *, warm: bool, seconds: float = 20.0) -> bool | None:
    """What replay says of one reading of a recording: does it conform, and keep what the spec promises?  None when it does not decide."""
    deadline = time.process_time() + seconds
    beginning = Beginning.WARM if warm else Beginning.COLD
    refuted = False
    for quick in (True, False):
        stop = _until(deadline)
        handles = Handles.of(system, recording)
        machine = ReplayMachine(World(system, beginning, tuple(handles.counts), handles.names(), quick))
        stepper = Stepper(machine, handles, recording)
        promises = Promises(system, machine.world)
        explained = Search(stepper, recording, stop, quick, watch=promises.watch).run(machine.beginnings())
        kept = not any(each.definite and not each.expected for each in promises.broken.values())
        if explained.refusal is None and explained.gave_up is None and kept:
            return True
        refuted = (explained.refusal is not None or not kept) and explained.gave_up is None and not stepper.overwhelmed
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
