"""The order of begins and returns, which calls are alone in it, and what is looked up instead of executed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luocheck.model.spec import Spec, load
from luocheck.traces.call import Call, Kind, Moment, OpenFile, Recording
from luocheck.traces.order import Order, is_optional, mark_alone
from luocheck.traces.replay.kernels import Replay, parts_of
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.world import Beginning

DEVICE = OpenFile(0, "device")


def call(number: int, begin: int, end: int | None, kind: Kind = Kind.IOCTL, result: int | None = 0) -> Call:
    exit_ = None if end is None else Moment(end, None)
    return Call(number, kind, "FINISH", 1, 1, Moment(begin, None), exit_, on=DEVICE, result=result)


@st.composite
def calls(draw: st.DrawFn) -> list[Call]:
    out = []
    for number in range(draw(st.integers(0, 8))):
        begin = draw(st.integers(1, 12))
        end = draw(st.none() | st.integers(begin, 14))
        out.append(call(number, begin, end, draw(st.sampled_from([Kind.IOCTL, Kind.EXIT]))))
    return out


@given(calls())
def test_begins_and_returns_are_in_the_order_of_their_lines(made: list[Call]) -> None:
    marks = []
    for each in made:
        first, last = each.enter.line, each.exit.line if each.exit is not None else None
        marks.append((first, 0 if last == first else 2, each.number, True))
        if last is not None and not is_optional(each):
            marks.append((last, 1, each.number, False))
    assert [(begins, each.number) for begins, each in Order(made)] == [(mark[3], mark[2]) for mark in sorted(marks)]


@given(calls())
def test_alone_is_what_overlaps_no_other_call(made: list[Call]) -> None:
    made.sort(key=lambda each: each.enter.line)
    made = [replace(each, number=number) for number, each in enumerate(made)]
    for number, each in enumerate(made):
        each.is_like(each, number)
    mark_alone(made)
    for each in (each for each in made if each.alone is not None):
        moments = [(begins, other.number) for begins, other in Order(made)]
        begin, end = moments.index((True, each.number)), moments.index((False, each.number))
        returned = {number for begins, number in moments[:begin] if not begins}
        pending = {n for begins, n in moments[:begin] if begins and not is_optional(made[n])} - returned
        assert end == begin + 1 and not pending


def test_what_replace_makes_is_not_alike() -> None:
    first, second, third = call(0, 1, 2), call(1, 3, 4), call(2, 5, 6)
    first.is_like(first, 7)
    second.is_like(first, 9)
    third.is_like(third, 8)
    mark_alone([first, second, third])
    assert (first.alike, second.alike, third.alike) == (7, 7, 8)
    assert (first.alone, second.alone, third.alone) == (7, 7, 8)
    changed = replace(second, result=-22)
    assert (changed.alike, changed.alone) == (None, None)
    assert changed != second and replace(changed, result=0) == second


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


def test_calls_that_repeat_are_executed_once(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a different result among them is refused all the same."""
    opened = Call(0, Kind.OPEN, "OPEN", 1, 1, Moment(1, None), Moment(2, None), on=DEVICE, result=3)

    def create(number: int, result: int) -> Call:
        given = {"size": 72, "name": b""}
        moments = Moment(10 * number, None), Moment(10 * number + 1, None)
        return Call(number, Kind.IOCTL, "CREATE_SESSION", 1, 1, *moments, on=DEVICE, command=0xBA00, given=given, result=result)

    made = [opened, *(create(number, -22) for number in range(1, 1000))]
    wrong = [*made[:700], create(700, -17), *made[701:]]
    executed = []
    plain = Stepper.after

    def counting(self: Stepper, store, call):  # type: ignore[no-untyped-def]
        executed.append(call)
        return plain(self, store, call)

    monkeypatch.setattr(Stepper, "after", counting)
    for calls_, explained in ((made, 1000), (wrong, 700)):
        first: dict[object, Call] = {}
        for each in calls_:
            each.is_like(first.setdefault(each.said(), each), len(first) - 1)
        mark_alone(calls_)
        executed.clear()
        recording = Recording("x", "ftrace", tuple(calls_), (), (), frozenset({Kind.OPEN, Kind.IOCTL, Kind.CLOSE}), 1, 1)
        found = Replay(spec.system, parts_of([recording]), Beginning.COLD, True, lambda: None, promises=True).run()
        assert found.calls == explained and len(executed) < 50
        assert [refusal.call.number for _, refusal in found.refusals] == ([] if calls_ is made else [700])
