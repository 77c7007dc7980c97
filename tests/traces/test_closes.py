"""Closes that race with other calls on the same number: what each of them did is told by what they returned."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from luocheck.model.abi import Abi
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Call, Kind
from luocheck.traces.decode import decode
from luocheck.traces.replay.world import Beginning

EBADF, EBUSY = -9, -16

Line = tuple[int, str, int | str]
"""Thread (1xx is of process 100, 2xx of 200), call, and its descriptor when it begins, `= n` when it returns."""


def capture(lines: list[Line], path: Path) -> str:
    out: list[dict[str, object]] = [{"luocheck": 1}]
    for n, (thread, call, what) in enumerate(lines, 1):
        place: dict[str, object] = {"time": 1000 * n, "thread": thread, "process": thread // 100 * 100}
        if isinstance(what, str):
            out.append({**place, "event": "exit", "syscall": call, "result": int(what.removeprefix("= "))})
        elif call == "openat":
            out.append({**place, "event": "enter", "syscall": call, "arguments": [-100], "path": "/dev/liveupdate"})
        else:
            out.append({**place, "event": "enter", "syscall": call, "arguments": [what, 0xBA01][: 1 if call == "close" else 2]})
    path.write_text("".join(json.dumps(each) + "\n" for each in out))
    return str(path)


def opened(thread: int, number: int) -> list[Line]:
    return [(thread, "openat", 0), (thread, "openat", f"= {number}")]


def closes(calls: tuple[Call, ...]) -> list[tuple[int, int | None]]:
    return [(c.thread, c.result) for c in calls if c.kind is Kind.CLOSE and not c.inferred]


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


BEGIN: list[Line] = [*opened(100, 3), (100, "close", 3), (101, "close", 3)]


@pytest.mark.parametrize(
    "ends",
    [
        [(100, "close", "= -9"), (101, "close", "= 0")],
        [(101, "close", "= 0"), (100, "close", "= -9")],
        [(101, "close", "= -9"), (100, "close", "= 0")],
        [(100, "close", "= 0"), (101, "close", "= -9")],
    ],
)
def test_of_two_closes_the_one_that_succeeded_did_it(ends: list[Line], abi: Abi, spec: Spec, tmp_path: Path) -> None:
    path = capture([*BEGIN, *ends, *opened(200, 3)], tmp_path / "t")
    closer = next(thread for thread, _, result in ends if result == "= 0")
    assert closes(decode(path, abi).calls) == [(closer, 0)]
    assert audit(spec, path).verdict is Conformance.CONFORMS


def test_the_device_is_free_as_soon_as_one_of_them_can_have_closed_it(spec: Spec, tmp_path: Path) -> None:
    """The first one to begin fails; the device is opened again before any of them has returned."""
    ends: list[Line] = [(100, "close", "= -9"), (101, "close", "= 0")]
    assert audit(spec, capture([*BEGIN, *opened(200, 3), *ends], tmp_path / "t")).verdict is Conformance.CONFORMS
    early: list[Line] = [*BEGIN[:3], *opened(200, 3), *BEGIN[3:], *ends]  # 100 has closed nothing, and 101 began too late
    answer = audit(spec, capture(early, tmp_path / "t"), beginning=Beginning.COLD)
    assert answer.verdict is Conformance.VIOLATED


def test_three_closes(abi: Abi, tmp_path: Path) -> None:
    lines: list[Line] = [*BEGIN, (102, "close", 3), (100, "close", "= -9"), (101, "close", "= -9"), (102, "close", "= 0")]
    assert closes(decode(capture(lines, tmp_path / "t"), abi).calls) == [(102, 0)]


def test_a_number_that_was_taken_again_is_closed_again(abi: Abi, tmp_path: Path) -> None:
    lines: list[Line] = [
        *opened(100, 3),
        (100, "close", 3),
        *opened(101, 3),
        (102, "close", 3),
        (102, "close", "= 0"),
        (100, "close", "= 0"),
    ]
    assert closes(decode(capture(lines, tmp_path / "t"), abi).calls) == [(100, 0), (102, 0)]


LATE: list[Line] = [*BEGIN, (100, "close", "= 0"), *opened(100, 3)]
"""The close of thread 101 goes on; the number has been freed by 100, and means the device again."""


@pytest.mark.parametrize(
    ("ends", "closed"),
    [
        ([(100, "close", 3), (100, "close", "= -9"), (101, "close", "= 0")], [(100, 0), (101, 0)]),
        ([(100, "close", 3), (101, "close", "= 0"), (100, "close", "= -9")], [(100, 0), (101, 0)]),
        ([(100, "close", 3), (101, "close", "= -9"), (100, "close", "= 0")], [(100, 0), (100, 0)]),
        ([(101, "close", "= 0"), (100, "close", 3), (100, "close", "= -9")], [(100, 0), (101, 0)]),
        ([(101, "close", "= 0")], [(100, 0), (101, 0)]),
        ([(101, "close", "= -9"), (100, "close", 3), (100, "close", "= 0")], [(100, 0), (100, 0)]),
    ],
)
def test_a_close_that_goes_on_can_close_what_an_open_gets_meanwhile(
    ends: list[Line], closed: list[tuple[int, int]], abi: Abi, spec: Spec, tmp_path: Path
) -> None:
    path = capture([*LATE, *ends, *opened(200, 3)], tmp_path / "t")
    assert closes(decode(path, abi).calls) == closed
    assert audit(spec, path).verdict is Conformance.CONFORMS


def test_nobody_knows_what_a_close_of_an_unknown_number_closed_while_an_open_got_it(spec: Spec, tmp_path: Path) -> None:
    race: list[Line] = [(101, "openat", 0), (100, "close", 3), (101, "openat", "= 3"), (100, "close", "= 0")]
    for then in (EBUSY, 3):
        lines = [*race, *opened(200, then), *opened(101, EBUSY)]  # which shows that process 100 has not exited
        answer = audit(spec, capture(lines, tmp_path / "t"), beginning=Beginning.COLD)
        assert [note.line for note in answer.notes if note.code == "LUO719"] == [3]
        assert answer.verdict is (Conformance.CONFORMS if then == EBUSY else Conformance.INCONCLUSIVE)
        assert ("LUO719" in answer.reason) == (then == 3)
    before = audit(spec, capture([*opened(200, 3), *opened(202, 4), *race], tmp_path / "t"), beginning=Beginning.COLD)
    assert before.verdict is Conformance.VIOLATED, "what comes before it is as certain as ever"


def test_an_open_that_returns_late_does_not_take_the_number_from_a_later_one(abi: Abi, spec: Spec, tmp_path: Path) -> None:
    lines: list[Line] = [*FREED, (102, "close", 3), (100, "openat", 0), (102, "close", "= 0"), *opened(101, 3)]
    lines += [(200, "openat", 0), (100, "openat", "= 3"), (200, "openat", "= -16"), (101, "close", 3), (101, "close", "= 0")]
    path = capture([*lines, *opened(200, 3)], tmp_path / "t")
    assert closes(decode(path, abi).calls) == [(100, 0), (102, 0), (101, 0)]
    assert audit(spec, path).verdict is Conformance.CONFORMS


def test_of_two_closes_that_succeeded_the_one_that_returned_first_closed_the_first_file(
    abi: Abi, spec: Spec, tmp_path: Path
) -> None:
    lines: list[Line] = [*opened(101, 3), (100, "close", 3), (101, "close", 3), (101, "close", "= 0"), (200, "openat", 0)]
    lines += [(101, "openat", 0), (100, "close", "= 0"), (101, "openat", "= 3"), (100, "close", 3), (100, "close", "= -9")]
    path = capture([*lines, (200, "openat", "= 3")], tmp_path / "t")
    calls = decode(path, abi).calls
    first, second = (c.on for c in calls if c.kind is Kind.OPEN and c.process == 100)
    assert {(c.thread, c.on) for c in calls if c.kind is Kind.CLOSE} == {(101, first), (100, second)}
    assert audit(spec, path).verdict is Conformance.CONFORMS


def test_a_close_that_was_over_before_an_open_began_did_not_close_what_that_got(abi: Abi, spec: Spec, tmp_path: Path) -> None:
    lines: list[Line] = [*opened(101, 3), (100, "close", 3), (101, "close", 3), (101, "close", "= 0"), *opened(101, 3)]
    lines += [(101, "close", 3), (101, "close", "= 0"), (100, "close", "= -9")]
    path = capture([*lines, *opened(200, 3)], tmp_path / "t")
    assert closes(decode(path, abi).calls) == [(101, 0), (101, 0)]
    assert audit(spec, path).verdict is Conformance.CONFORMS


def test_a_close_of_a_free_number_closes_the_first_open_that_gets_it_not_the_second(abi: Abi, spec: Spec, tmp_path: Path) -> None:
    """What the second one got was still there: the close of 100 began before it, and found nothing."""
    lines: list[Line] = [*FREED, (100, "openat", 0), (101, "close", 3), (100, "openat", "= 3"), (100, "close", 3)]
    lines += [*opened(102, 3), (101, "close", "= 0"), (100, "close", "= -9"), (100, "close", 3), (100, "close", "= 0")]
    path = capture([*lines, *opened(200, 3)], tmp_path / "t")
    assert closes(decode(path, abi).calls) == [(100, 0), (101, 0), (100, 0)]
    assert audit(spec, path).verdict is Conformance.CONFORMS


def test_a_close_that_succeeded_before_the_open_has_returned_closed_what_that_got(abi: Abi, spec: Spec, tmp_path: Path) -> None:
    lines: list[Line] = [*BEGIN, (100, "close", "= 0"), (102, "openat", 0), (101, "close", "= 0"), (102, "openat", "= 3")]
    path = capture([*lines, *opened(200, 3)], tmp_path / "t")
    assert closes(decode(path, abi).calls) == [(100, 0), (101, 0)]
    assert audit(spec, path).verdict is Conformance.CONFORMS


@pytest.mark.parametrize("result", [0, EBADF])
def test_an_ioctl_on_a_number_that_is_being_closed(result: int, abi: Abi, spec: Spec, tmp_path: Path) -> None:
    """It reached the device when it did not return EBADF."""
    returned = f"= {result or -2}"
    lines: list[Line] = [*BEGIN[:3], (101, "ioctl", 3), (101, "ioctl", returned), (100, "close", "= 0"), *opened(200, 3)]
    path = capture(lines, tmp_path / "t")
    calls = [(c.event, c.on is not None and c.on.target, c.result) for c in decode(path, abi).calls if c.kind is Kind.IOCTL]
    assert calls == ([] if result == EBADF else [("RETRIEVE_SESSION", "device", -2)])
    assert audit(spec, path).verdict is Conformance.CONFORMS


FREED: list[Line] = [*opened(100, 3), (100, "close", 3), (100, "close", "= 0")]


@pytest.mark.parametrize(
    "order",
    [
        [(101, "openat", 0), (102, "close", 3), (102, "close", "= 0"), (101, "openat", "= 3")],
        [(102, "close", 3), (101, "openat", 0), (102, "close", "= 0"), (101, "openat", "= 3")],
        [(101, "openat", 0), (102, "close", 3), (101, "openat", "= 3"), (102, "close", "= 0")],
    ],
)
def test_a_close_before_the_open_has_returned(order: list[Line], abi: Abi, spec: Spec, tmp_path: Path) -> None:
    """The number was surely free, so it was what the open had just got; the device is free again after it."""
    path = capture([*FREED, *order, *opened(200, 3)], tmp_path / "t")
    assert closes(decode(path, abi).calls)[-1] == (102, 0)
    assert audit(spec, path).verdict is Conformance.CONFORMS


def test_a_close_that_was_over_before_the_open_began_closed_something_else(abi: Abi, spec: Spec, tmp_path: Path) -> None:
    lines: list[Line] = [
        *FREED,
        (102, "close", 3),
        (102, "close", "= -9"),
        *opened(101, 3),
        (200, "openat", 0),
        (200, "openat", "= -16"),
    ]
    path = capture(lines, tmp_path / "t")
    assert closes(decode(path, abi).calls) == [(100, 0)]
    assert audit(spec, path).verdict is Conformance.CONFORMS


# ---- made up at random -----------------------------------------------------------------------------------------------


def raced(seed: int, *, free: bool = True) -> list[Line]:
    """Opens and closes of number 3 by threads of one process, and opens by another one, as a kernel does them: each at one moment.

    The device has one opener.  free: number 3 is known to be free at first; else it is free, and that is not known.
    """
    rng = random.Random(seed)
    threads = [*[100, 101, 102][: rng.choice([2, 3])], 200]
    held = {100: False, 200: False}
    lines = list(FREED) if free else []
    going: dict[int, tuple[str, int | None]] = {}

    def act(call: str, process: int) -> int:
        if call == "close":
            result = 0 if held[process] else EBADF
            held[process] = False
            return result
        if any(held.values()):
            return EBUSY
        held[process] = True
        return 3

    for _ in range(rng.randrange(8, 26)):
        thread = rng.choice(threads)
        process = thread // 100 * 100
        if thread not in going:
            call = "openat" if process == 200 or rng.random() < 0.5 else "close"
            going[thread] = call, None
            lines.append((thread, call, 3))
            continue
        call, result = going[thread]
        if result is None:
            result = act(call, process)
            going[thread] = call, result
        if rng.random() < 0.7:
            lines.append((thread, call, f"= {result}"))
            del going[thread]
    for thread, (call, result) in going.items():
        lines.append((thread, call, f"= {act(call, thread // 100 * 100) if result is None else result}"))
    return lines


def conforming(seeds: Iterable[int], spec: Spec, path: Path, *, free: bool = True) -> int:
    found: Counter[Conformance] = Counter()
    for seed in seeds:
        verdict = audit(spec, capture(raced(seed, free=free), path), beginning=Beginning.COLD, timeout=5).verdict
        assert verdict is not Conformance.VIOLATED, (seed, raced(seed, free=free))
        found[verdict] += 1
    return found[Conformance.CONFORMS]


def test_races_made_up_at_random(spec: Spec, tmp_path: Path) -> None:
    assert conforming(range(30), spec, tmp_path / "t") == 30


def test_races_for_a_number_of_which_nothing_is_known(spec: Spec, tmp_path: Path) -> None:
    assert conforming(range(12), spec, tmp_path / "t", free=False) >= 8


@pytest.mark.nightly
def test_many_races_made_up_at_random(spec: Spec, tmp_path: Path) -> None:
    assert conforming(range(1_000, 1_600), spec, tmp_path / "t") == 600
    assert conforming(range(1_000, 1_200), spec, tmp_path / "t", free=False) >= 150
