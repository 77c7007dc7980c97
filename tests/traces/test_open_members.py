"""Sets and sequences whose members are not all known: others come, go, and are moved, and the unknown ones stay what they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from luocheck.model.ir.system import System
from luocheck.model.spec import load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Call, Kind, Moment, OpenFile, Recording
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.machine import ReplayMachine
from luocheck.traces.replay.search import Search
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.unique import unique_members
from luocheck.traces.replay.world import Beginning, World

CAPTURES = Path(__file__).parent / "captures"
DEVICE = OpenFile(0, "device")
EVERYTHING = frozenset(Kind) - {Kind.RELEASE}


def calls(system: System, *told: tuple[str, OpenFile, int, dict[str, int | bytes], OpenFile | None]) -> Recording:
    """Calls of one process, one after the other: event, what it is made on, result, members of the struct, the file in it."""
    ioctls = {each.event: each for each in system.abi.ioctls}
    out = []
    for number, (event, on, result, given, file) in enumerate(told):
        ioctl = ioctls.get(event)
        kind = Kind.IOCTL if ioctl is not None else Kind.CLOSE if event == "CLOSE" else Kind.OPEN
        shown = {"size": ioctl.size, **given} if ioctl is not None and given else {}
        begin, end = Moment(10 * number + 1, None), Moment(10 * number + 2, None)
        files = {"fd": file} if file is not None else {}
        command = ioctl.number if ioctl is not None else None
        out.append(Call(number, kind, event, 1, 1, begin, end, on=on, command=command, given=shown, files=files, result=result))
    return Recording("story", "made", tuple(out), (), (), EVERYTHING, len(out), 0)


def is_explained(system: System, recording: Recording, beginning: Beginning) -> bool:
    """Quickly or completely; that neither gives up is checked."""
    found = []
    for quick in (True, False):
        handles = Handles.of(system, recording)
        machine = ReplayMachine(World(system, beginning, tuple(handles.counts), handles.names(), quick))
        explained = Search(Stepper(machine, handles, recording), recording, lambda: None, quick).run(machine.beginnings())
        assert explained.gave_up is None
        found.append(explained.refusal is None)
    assert found[1] or not found[0], "what was found quickly is there"
    return found[1]


@pytest.mark.parametrize("event", ["FINISH", "RETRIEVE_FD"])
def test_a_session_that_was_held_before_the_recording_is_held_when_another_one_comes(event: str) -> None:
    system = load("linux_7_3").system
    old, new = OpenFile(1, "Session"), OpenFile(2, "Session")
    made = ("CREATE_SESSION", DEVICE, 0, {"name": b"vm"}, new)
    then = (event, old, 0, {"token": 1} if event == "RETRIEVE_FD" else {}, None)
    recording = calls(system, made, then)
    assert is_explained(system, recording, Beginning.RUNNING)
    assert not is_explained(system, recording, Beginning.COLD), "the new session is not an incoming one"


@pytest.mark.parametrize("name", ["linux_6_19", *(pytest.param(n, marks=pytest.mark.nightly) for n in ("linux_7_0", "linux_7_1"))])
def test_sessions_that_arrive_are_incoming(name: str) -> None:
    """In these kernels a walk moves what was handed over from one list to another."""
    capture = str(CAPTURES / "kexec-happy" / "stage2.one.trace.txt.gz")
    answer = audit(load(name), capture, beginning=Beginning.WARM)
    assert answer.verdict is Conformance.CONFORMS and answer.explained == 14, answer


def test_which_members_have_no_value_twice() -> None:
    def told(name: str) -> dict[str, list[str]]:
        system = load(name).system
        return {system.fields[q].name: [system.fields[f].name for f in fs] for q, fs in unique_members(system).items()}

    assert told("linux_6_19") == {"outgoing": ["name"], "incoming": ["name"]}
    assert told("linux_7_3") == {}, "it promises that of all sessions"


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("second", [b"vm", b"db"])
def test_no_two_sessions_that_arrived_have_one_name(second: bytes, closes: bool) -> None:
    """Also when the first is gone before the second is seen."""
    system = load("linux_6_19").system
    first = OpenFile(1, "Session")
    recording = calls(
        system,
        ("OPEN", DEVICE, 3, {}, None),
        ("RETRIEVE_SESSION", DEVICE, 0, {"name": b"vm"}, first),
        ("RETRIEVE_FD", first, -2, {"token": 1}, None),
        *([("CLOSE", first, 0, {}, None)] if closes else []),
        ("RETRIEVE_SESSION", DEVICE, 0, {"name": second}, OpenFile(2, "Session")),
    )
    assert is_explained(system, recording, Beginning.WARM) is (second == b"db")
