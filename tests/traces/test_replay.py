"""Replay of hand-made calls: what is undecided, what overlaps, what was not recorded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from luocheck.model.errnos import GENERIC
from luocheck.model.spec import Spec, load
from luocheck.traces.call import Call, Kind, Moment, OpenFile, Recording
from luocheck.traces.replay.configurations import Explained
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.machine import ReplayMachine
from luocheck.traces.replay.search import Search
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.world import Beginning, World

DEVICE = OpenFile(0, "device")
COMMANDS = {"CREATE_SESSION": 0xBA00, "RETRIEVE_SESSION": 0xBA01, "PRESERVE_FD": 0xBA40, "RETRIEVE_FD": 0xBA41, "FINISH": 0xBA42}
SIZES = {"CREATE_SESSION": 72, "RETRIEVE_SESSION": 72, "PRESERVE_FD": 16, "RETRIEVE_FD": 16, "FINISH": 8}
EVERYTHING = frozenset(Kind) - {Kind.RELEASE}


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


class Story:
    """Builds calls, one after the other unless their lines say otherwise."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.files = 0

    def file(self, target: str) -> OpenFile:
        self.files += 1
        return OpenFile(self.files, target)

    def add(self, call: Call) -> None:
        self.calls.append(replace(call, number=len(self.calls)))

    def at(self, lines: tuple[int, int] | None) -> tuple[Moment, Moment]:
        first = 10 * len(self.calls) + 1
        begin, end = lines or (first, first + 1)
        return Moment(begin, None), Moment(end, None)

    def open(self, result: int = 3, process: int = 1) -> None:
        self.add(Call(0, Kind.OPEN, "OPEN", process, process, *self.at(None), on=DEVICE, result=result))

    def ioctl(
        self,
        event: str,
        on: OpenFile,
        result: str = "OK",
        *,
        process: int = 1,
        lines: tuple[int, int] | None = None,
        opens: OpenFile | None = None,
        file: OpenFile | None = None,
        payload: bool = True,
        **given: int | bytes,
    ) -> None:
        shown = opens if opens is not None else file
        files = {"fd": shown} if shown is not None else {}
        known = {"size": SIZES[event], **({"reserved": 0} if event == "FINISH" else {}), **given}
        number = 0 if result == "OK" else -GENERIC[result]
        self.add(
            Call(
                0,
                Kind.IOCTL,
                event,
                process,
                process,
                *self.at(lines),
                on=on,
                command=COMMANDS[event],
                given=known if payload else {},
                files=files,
                result=number,
            )
        )

    def close(self, on: OpenFile, process: int = 1) -> None:
        event = "CLOSE_DEV" if on.target == "device" else "CLOSE"
        self.add(Call(0, Kind.CLOSE, event, process, process, *self.at(None), on=on, result=0))


def replayed(
    spec: Spec, story: Story, beginning: Beginning = Beginning.COLD, *, quick: bool = False, observes: frozenset[Kind] = EVERYTHING
) -> Explained:
    recording = Recording("story", "made", tuple(story.calls), (), (), observes, len(story.calls), 0)
    handles = Handles.of(spec.system, recording)
    machine = ReplayMachine(World(spec.system, beginning, tuple(handles.counts), handles.names(), quick))
    search = Search(Stepper(machine, handles, recording), recording, lambda: None, quick)
    return search.run(machine.beginnings())


def refused(explained: Explained) -> tuple[int, str]:
    assert explained.refusal is not None
    return explained.refusal.call.number, explained.refusal.call.event or ""


# ---- what the bytes decide --------------------------------------------------------------------------------------


def test_a_name_is_free_again_when_its_session_is_closed(spec: Spec) -> None:
    story = Story()
    story.open()
    first = story.file("Session")
    story.ioctl("CREATE_SESSION", DEVICE, opens=first, name=b"vm")
    story.ioctl("CREATE_SESSION", DEVICE, "EEXIST", name=b"vm")
    story.close(first)
    story.ioctl("CREATE_SESSION", DEVICE, opens=story.file("Session"), name=b"vm")
    assert replayed(spec, story).refusal is None


def test_without_the_close_it_is_not(spec: Spec) -> None:
    story = Story()
    story.open()
    story.ioctl("CREATE_SESSION", DEVICE, opens=story.file("Session"), name=b"vm")
    story.ioctl("CREATE_SESSION", DEVICE, opens=story.file("Session"), name=b"vm")
    explained = replayed(spec, story)
    assert refused(explained) == (2, "CREATE_SESSION") and explained.refusal is not None
    assert "EEXIST at dup" in explained.refusal.possible and "OK" not in explained.refusal.possible


def test_a_close_that_this_recorder_cannot_show_is_inserted(spec: Spec) -> None:
    story = Story()
    story.open()
    story.ioctl("CREATE_SESSION", DEVICE, opens=story.file("Session"), name=b"vm")
    story.ioctl("CREATE_SESSION", DEVICE, opens=story.file("Session"), name=b"vm")
    explained = replayed(spec, story, observes=EVERYTHING - {Kind.CLOSE})
    assert explained.refusal is None and explained.inserted == 1


@pytest.mark.parametrize(
    ("event", "given", "errno"),
    [
        ("CREATE_SESSION", {"size": 71, "name": b"x"}, "EINVAL"),
        ("CREATE_SESSION", {"name": b""}, "EINVAL"),
        ("CREATE_SESSION", {"name": b"x" * 64}, "EINVAL"),
    ],
)
def test_bad_bytes_are_refused_and_nothing_else_happens(spec: Spec, event: str, given: dict[str, int | bytes], errno: str) -> None:
    story = Story()
    story.open()
    story.ioctl(event, DEVICE, errno, **given)
    assert replayed(spec, story).refusal is None
    story.calls[-1] = replace(story.calls[-1], result=0)
    assert refused(replayed(spec, story)) == (1, event)


def test_one_file_is_preserved_once(spec: Spec) -> None:
    story = Story()
    story.open()
    session, file = story.file("Session"), story.file("File")
    story.ioctl("CREATE_SESSION", DEVICE, opens=session, name=b"vm")
    story.ioctl("PRESERVE_FD", session, file=file, token=7, fd=5)
    story.ioctl("PRESERVE_FD", session, "EEXIST", file=story.file("File"), token=7, fd=6)
    story.ioctl("PRESERVE_FD", session, "EBUSY", file=file, token=8, fd=5)
    assert replayed(spec, story).refusal is None
    story.calls[-1] = replace(story.calls[-1], result=0)
    assert refused(replayed(spec, story)) == (4, "PRESERVE_FD")


# ---- what an earlier kernel handed over -------------------------------------------------------------------------


def incoming() -> tuple[Story, OpenFile]:
    story = Story()
    story.open()
    session = story.file("Session")
    story.ioctl("RETRIEVE_SESSION", DEVICE, opens=session, name=b"vm")
    return story, session


def test_a_session_is_found_only_after_a_live_update(spec: Spec) -> None:
    story, session = incoming()
    story.ioctl("RETRIEVE_FD", session, opens=story.file("File"), token=1)
    story.ioctl("RETRIEVE_FD", session, "ENOENT", token=2)
    story.ioctl("FINISH", session)
    assert replayed(spec, story, Beginning.WARM).refusal is None
    assert refused(replayed(spec, story, Beginning.COLD)) == (1, "RETRIEVE_SESSION")


def test_a_session_that_was_not_there_does_not_appear_later(spec: Spec) -> None:
    story = Story()
    story.open()
    story.ioctl("RETRIEVE_SESSION", DEVICE, "ENOENT", name=b"vm")
    story.ioctl("RETRIEVE_SESSION", DEVICE, opens=story.file("Session"), name=b"vm")
    assert refused(replayed(spec, story, Beginning.WARM)) == (2, "RETRIEVE_SESSION")
    story.calls[-1] = replace(story.calls[-1], given={"size": 72, "name": b"other"})
    assert replayed(spec, story, Beginning.WARM).refusal is None


def test_finish_discards_what_was_not_retrieved(spec: Spec) -> None:
    story, session = incoming()
    story.ioctl("FINISH", session)
    story.ioctl("RETRIEVE_FD", session, opens=story.file("File"), token=1)
    assert refused(replayed(spec, story, Beginning.WARM)) == (3, "RETRIEVE_FD")
    story.calls[-1] = replace(story.calls[-1], result=-GENERIC["ENOENT"], files={})
    assert replayed(spec, story, Beginning.WARM).refusal is None


def test_a_session_is_retrieved_once(spec: Spec) -> None:
    story, _ = incoming()
    story.ioctl("RETRIEVE_SESSION", DEVICE, "EINVAL", name=b"vm")
    assert replayed(spec, story, Beginning.WARM).refusal is None


# ---- what the recording does not show ---------------------------------------------------------------------------


def test_unknown_payload_is_any_payload(spec: Spec) -> None:
    story = Story()
    story.open()
    first = story.file("Session")
    story.ioctl("CREATE_SESSION", DEVICE, payload=False)
    for result in ("OK", "EEXIST", "EBUSY", "EBADF", "EINVAL", "EFAULT", "E2BIG", "ENOENT"):
        story.ioctl("PRESERVE_FD", first, result, payload=False)
    for quick in (True, False):
        assert replayed(spec, story, quick=quick).refusal is None
    story.ioctl("RETRIEVE_FD", first, payload=False)
    assert refused(replayed(spec, story)) == (10, "RETRIEVE_FD")  # on an outgoing session it is EINVAL, whatever the bytes


def test_a_struct_can_be_unreadable_behind_its_size(spec: Spec) -> None:
    """The recorder shows the size and not the rest, so the rest may have been on a page that was not there."""
    for given, possible in (({"token": 1}, True), ({"token": 1, "fd": 9}, False)):  # the token is used, so it cannot be the reply
        story = Story()
        story.open()
        first = story.file("Session")
        story.ioctl("CREATE_SESSION", DEVICE, opens=first, name=b"vm")
        story.ioctl("PRESERVE_FD", first, fd=8, token=1)
        story.ioctl("PRESERVE_FD", first, "EFAULT", **given)
        assert (replayed(spec, story).refusal is None) is possible, given


# ---- overlapping calls ------------------------------------------------------------------------------------------


def two_creates(first: str, second: str, lines: tuple[tuple[int, int], tuple[int, int]]) -> Story:
    story = Story()
    story.open()
    story.ioctl("CREATE_SESSION", DEVICE, first, process=1, lines=lines[0], name=b"vm")
    story.ioctl("CREATE_SESSION", DEVICE, second, process=1, lines=lines[1], name=b"vm")
    return story


@pytest.mark.parametrize("quick", [True, False])
def test_either_of_two_overlapping_calls_may_win(spec: Spec, quick: bool) -> None:
    overlapping = ((20, 30), (21, 31))
    assert replayed(spec, two_creates("OK", "EEXIST", overlapping), quick=quick).refusal is None
    assert replayed(spec, two_creates("EEXIST", "OK", overlapping), quick=quick).refusal is None
    assert replayed(spec, two_creates("OK", "OK", overlapping), quick=quick).refusal is not None


def test_calls_one_after_the_other_have_one_order(spec: Spec) -> None:
    apart = ((20, 21), (30, 31))
    assert replayed(spec, two_creates("OK", "EEXIST", apart)).refusal is None
    assert refused(replayed(spec, two_creates("EEXIST", "OK", apart))) == (1, "CREATE_SESSION")


def test_a_call_that_never_returned_may_have_happened(spec: Spec) -> None:
    story = two_creates("OK", "EEXIST", ((20, 21), (30, 31)))
    story.calls[1] = replace(story.calls[1], exit=None, result=None)
    assert replayed(spec, story).refusal is None  # it took effect
    story.calls[2] = replace(story.calls[2], result=0)
    assert replayed(spec, story).refusal is None  # or it did not


def test_giving_up_is_said(spec: Spec) -> None:
    story = two_creates("OK", "EEXIST", ((20, 21), (30, 31)))
    recording = Recording("story", "made", tuple(story.calls), (), (), EVERYTHING, 3, 0)
    handles = Handles.of(spec.system, recording)
    machine = ReplayMachine(World(spec.system, Beginning.COLD, tuple(handles.counts), handles.names(), False))
    explained = Search(Stepper(machine, handles, recording), recording, lambda: "enough", False).run(machine.beginnings())
    assert explained.gave_up == "enough" and explained.refusal is None and explained.calls == 0
