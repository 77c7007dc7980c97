"""One run of a program that several recorders recorded, or that was printed in several formats, is the same calls in each of them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from luocheck.model.abi import Abi
from luocheck.traces.call import Call
from luocheck.traces.decode import decode
from tests.traces.test_ground_truth import CAPTURES, RUNS, compare, read_truth
from tests.traces.test_text_formats import PERF, REPORTED, REPORTS

Run = tuple[Path, str, tuple[Path, ...]]
"""A capture, its recorder, and the logs of the programs that it shows."""


def all_runs() -> list[Run]:
    reports = [(REPORTS / f"{name}.txt.gz", recorder, (REPORTS / f"{log}.truth.jsonl.gz",)) for name, log, recorder, _ in REPORTED]
    scripts = [
        (PERF / f"errors.{name}.txt.gz", "one", (PERF / "errors.truth.jsonl.gz",)) for name in ("perf-script", "perf-script-ns")
    ]
    return [*RUNS, *reports, *scripts]


def groups() -> dict[str, list[Run]]:
    """Captures of one run, which have the same log; those that only one recorder made say nothing here."""
    found: dict[str, list[Run]] = defaultdict(list)
    for run in all_runs():
        content = b"".join(repr(step).encode() for step in read_truth(*run[2]))
        found[hashlib.sha256(content).hexdigest()].append(run)
    named = {
        f"{runs[0][0].parent.name}/{runs[0][2][0].name.partition('.truth')[0]}": runs for runs in found.values() if len(runs) > 1
    }
    assert len(named) == sum(len(runs) > 1 for runs in found.values())
    return named


GROUPS = groups()


def contradictions(a: Call, b: Call) -> list[str]:
    """What two captures tell otherwise about one call; what one of them does not show is no contradiction."""
    out = []
    for name in ("event", "command", "fd", "result", "thread"):
        one, other = getattr(a, name), getattr(b, name)
        if name == "result" and (a.inner or b.inner):
            continue  # that of a function below the ioctl
        if None not in (one, other) and one != other:
            out.append(f"{name}: {one}, {other}")
    for name in ("given", "got"):
        mine, theirs = getattr(a, name), getattr(b, name)
        out += [f"{name} {key}: {mine[key]!r}, {theirs[key]!r}" for key in mine.keys() & theirs.keys() if mine[key] != theirs[key]]
    if a.closed & b.files.keys() or b.closed & a.files.keys():
        out.append("a member is a closed descriptor in one of them, and an open file in the other")
    if a.on is not None and b.on is not None and None not in (a.on.target, b.on.target) and a.on.target != b.on.target:
        out.append(f"on: {a.on.target}, {b.on.target}")
    return out


@pytest.mark.parametrize("name", GROUPS)
def test_all_formats_of_one_run_give_the_same_calls(name: str, abi: Abi) -> None:
    matched = {path: compare(decode(str(path), abi), read_truth(*logs), recorder).matched for path, recorder, logs in GROUPS[name]}
    compared = 0
    for (one, mine), (other, theirs) in combinations(matched.items(), 2):
        for step in mine.keys() & theirs.keys():
            compared += 1
            assert not contradictions(mine[step], theirs[step]), (one.name, other.name, step, mine[step], theirs[step])
    assert compared


def test_what_is_compared() -> None:
    """Runs in text and binary, of ftrace, strace and trace-cmd, each in several captures."""
    assert len(GROUPS) >= 20
    suffixes = {
        tuple(sorted({path.name.partition(".")[2].rpartition(".gz")[0] or path.suffix for path, _, _ in runs}))
        for runs in GROUPS.values()
    }
    assert any(".dat" in each for each in suffixes)
    assert sum(len(runs) for runs in GROUPS.values()) > 80
    assert all((CAPTURES in path.parents) for runs in GROUPS.values() for path, _, _ in runs)


def test_a_difference_is_noticed(abi: Abi) -> None:
    path, recorder, logs = next(run for run in RUNS if run[0].name == "errors.one.trace.txt.gz")
    calls = compare(decode(str(path), abi), read_truth(*logs), recorder).matched
    call = next(each for each in calls.values() if each.event == "PRESERVE_FD" and "token" in each.given)
    assert not contradictions(call, call)
    assert contradictions(call, replace(call, result=-1))
    assert contradictions(call, replace(call, given={**call.given, "token": 99}))
    assert contradictions(call, replace(call, files={}, closed=frozenset(call.files))) or not call.files
