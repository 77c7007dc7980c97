"""Numbers that the kernel gives out (`choose`, counters), where the recording shows them and where it does not."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from luocheck.model.spec import Spec, load
from luocheck.traces.answer import AuditAnswer, Conformance
from luocheck.traces.audit import audit
from luocheck.traces.decode import decode
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.world import Beginning

PRESERVE, UNPRESERVE = 0xC010BA00, 0x4008BA01

Step = tuple[int, dict[str, int], int, dict[str, int]]
"""Number of an ioctl, what its struct held, what it returned, what was written back."""


@cache
def spec(name: str) -> Spec:
    return load(name)


def written(steps: list[Step], path: Path, *, shown: bool = True) -> str:
    lines: list[dict[str, Any]] = [
        {"luocheck": 1},
        {"thread": 7, "event": "enter", "syscall": "openat", "arguments": [-100], "path": "/dev/liveupdate"},
        {"thread": 7, "event": "exit", "syscall": "openat", "result": 3},
        {"thread": 7, "event": "enter", "syscall": "close", "arguments": [90]},  # closes are recorded: the device was not
        {"thread": 7, "event": "exit", "syscall": "close", "result": -9},
    ]
    for number, given, result, got in steps:
        before, after = ({"struct": given}, {"struct": {**given, **got}}) if shown else ({}, {})
        lines.append({"thread": 7, "event": "enter", "syscall": "ioctl", "arguments": [3, number], **before})
        lines.append({"thread": 7, "event": "exit", "syscall": "ioctl", "result": result, **after})
    path.write_text("".join(json.dumps({"time": 1000 * n, **line} if n else line) + "\n" for n, line in enumerate(lines)))
    return str(path)


def asked(name: str, steps: list[Step], path: Path, *, shown: bool = True, beginning: Beginning | None = None) -> AuditAnswer:
    return audit(spec(name), written(steps, path, shown=shown), timeout=60, beginning=beginning)


def preserved(fd: int, token: int) -> Step:
    return PRESERVE, {"fd": fd}, 0, {"token": token}


@pytest.mark.parametrize("name", ["intent", "rfc_v2"])
def test_a_number_that_is_not_shown_can_be_given_out(name: str, tmp_path: Path) -> None:
    steps = [preserved(20, 0), preserved(21, 1), (UNPRESERVE, {"token": 0}, 0, {}), (UNPRESERVE, {"token": 9}, -2, {})]
    for shown in (True, False):
        assert asked(name, steps, tmp_path / "t", shown=shown).verdict is Conformance.CONFORMS


@pytest.mark.parametrize("beginning", [Beginning.COLD, Beginning.WARM])
def test_a_number_is_given_out_once(beginning: Beginning, tmp_path: Path) -> None:
    """A file that nobody shows and nothing refers to has been written to all the same."""
    twice = asked("intent", [preserved(20, 5), preserved(21, 5)], tmp_path / "t", beginning=beginning)
    assert twice.verdict is Conformance.VIOLATED
    assert asked("intent", [preserved(20, 5), preserved(21, 6)], tmp_path / "t").verdict is Conformance.CONFORMS


def test_a_counter_gives_out_the_next_number(tmp_path: Path) -> None:
    assert asked("rfc_v2", [preserved(20, 0), preserved(21, 1)], tmp_path / "t").verdict is Conformance.CONFORMS


@pytest.mark.nightly
def test_a_counter_leaves_out_no_number(tmp_path: Path) -> None:
    assert asked("rfc_v2", [preserved(20, 1)], tmp_path / "t", beginning=Beginning.COLD).verdict is Conformance.VIOLATED


LARGE = [0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFE, 1 << 40, 100_000]


@pytest.mark.parametrize("token", LARGE)
def test_a_large_number_takes_no_longer_than_a_small_one(token: int, tmp_path: Path) -> None:
    steps = [preserved(20, 0), (UNPRESERVE, {"token": token}, -2, {}), preserved(21, 1)]
    assert asked("rfc_v2", steps, tmp_path / "t").verdict is Conformance.CONFORMS
    answer = asked("rfc_v2", [*steps[:1], (UNPRESERVE, {"token": token}, 0, {})], tmp_path / "t", beginning=Beginning.COLD)
    assert answer.verdict is Conformance.VIOLATED
    assert "ENOENT at unpreserve_unknown" in answer.findings[0].allowed


def test_numbers_keep_their_order_and_their_distances_as_far_as_a_counter_goes(tmp_path: Path) -> None:
    system = spec("rfc_v2").system
    steps: list[Step] = [(UNPRESERVE, {"token": token}, -2, {}) for token in (*LARGE, 3, 15, 100_001)]
    handles = Handles.of(system, decode(written(steps, tmp_path / "t"), system.abi))
    places = {value: x for (index, value), x in handles.elements.items() if system.sorts[index].name == "Token"}
    assert sorted(places, key=lambda value: places[value]) == sorted(places)
    assert places[3] == 3 and places[15] == 15 and handles.moved
    assert places[100_001] == places[100_000] + 1 and places[0xFFFFFFFFFFFFFFFF] == places[0xFFFFFFFFFFFFFFFE] + 1
    assert max(places.values()) < 200
    names = handles.names()[next(s.index for s in system.sorts if s.name == "Token")]
    assert names[places[100_000]] == "0x186a0"
