"""Calls of several callers at once that repeat: what replay takes for each when it has seen all of them before."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field, replace

from luocheck.model.ir.system import System
from luocheck.traces.call import Call, Kind, Moment, OpenFile, Recording
from luocheck.traces.replay.kernels import Replay, parts_of
from luocheck.traces.replay.world import Beginning

DEVICE = OpenFile(0, "device")
EVERYTHING = frozenset(Kind) - {Kind.RELEASE}


@dataclass(slots=True)
class Overlapping:
    """callers: each is in a call most of the time.  quick, complete: calls/s of the two searches, one for each round."""

    callers: int
    calls: int
    quick: list[float] = field(default_factory=list)
    complete: list[float] = field(default_factory=list)


def overlapping(system: System, callers: int, calls: int) -> Recording:
    """A recording of linux_7_3: every caller has a session with one file, and makes one of four mistakes about it, again and again.

    Who begins or ends a call next is drawn at random.  calls: how many, with those that make the sessions.
    """
    ioctls = {each.event: each for each in system.abi.ioctls}

    def ioctl(caller: int, event: str, on: OpenFile, result: int, file: OpenFile | None, **given: int | bytes) -> Call:
        files = {} if file is None else {"fd": file}
        shown = {"size": ioctls[event].size, **given}
        return Call(
            0,
            Kind.IOCTL,
            event,
            1,
            1 + caller,
            Moment(0, None),
            None,
            on=on,
            command=ioctls[event].number,
            given=shown,
            files=files,
            result=result,
        )

    mistakes: list[list[Call]] = []
    before = [Call(0, Kind.OPEN, "OPEN", 1, 1, Moment(0, None), None, on=DEVICE, result=3)]
    for caller in range(callers):
        session, file, name = OpenFile(1 + caller, "Session"), OpenFile(1 + callers + caller, None), b"vm%d" % caller
        before.append(ioctl(0, "CREATE_SESSION", DEVICE, 0, session, name=name))
        before.append(ioctl(0, "PRESERVE_FD", session, 0, file, token=1))
        mistakes.append(
            [
                ioctl(caller, "PRESERVE_FD", session, -17, file, token=1),  # EEXIST
                ioctl(caller, "PRESERVE_FD", session, -16, file, token=2),  # EBUSY
                ioctl(caller, "CREATE_SESSION", DEVICE, -17, None, name=name),  # EEXIST
                ioctl(caller, "RETRIEVE_FD", session, -22, None, token=1),  # EINVAL
            ]
        )
    found = [replace(each, enter=Moment(2 * at + 1, None), exit=Moment(2 * at + 2, None)) for at, each in enumerate(before[:calls])]
    going_on: dict[int, Call] = {}
    line, rng = 2 * len(before), random.Random(1)
    while len(found) < calls:
        line, caller = line + 1, rng.randrange(callers)
        if caller in going_on:
            found.append(replace(going_on.pop(caller), exit=Moment(line, None)))
        else:
            going_on[caller] = replace(rng.choice(mistakes[caller]), enter=Moment(line, None))
    found.sort(key=lambda call: call.enter.line)
    numbered = tuple(replace(call, number=number) for number, call in enumerate(found))
    return Recording("overlapping", "made", numbered, (), (), EVERYTHING, calls, 0)


def measured(system: System, callers: int, calls: int, rounds: int) -> Overlapping:
    """Replays such a recording by both searches.  Raises RuntimeError when one does not explain all of it."""
    recording, out = overlapping(system, callers, calls), Overlapping(callers, calls)
    for _ in range(rounds):
        for quick, figures in ((True, out.quick), (False, out.complete)):
            before = time.process_time()
            found = Replay(system, parts_of([recording]), Beginning.COLD, quick, lambda: None, promises=True).run()
            figures.append(calls / (time.process_time() - before))
            if not found.explains or found.calls != calls:
                raise RuntimeError(f"{found.calls} of {calls} calls are explained")
    return out
