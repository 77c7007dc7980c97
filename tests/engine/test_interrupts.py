"""Signals while the native engine is in the middle of a level of many thousands of states: what was found is told, and nothing else."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.selection import scope_named, topology_named
from luocheck.model.spec import load

BUG = str(Path(__file__).parents[1] / "specs" / "peers_bug1.luo")
GROWN = 22 << 20
"""Bytes by which a process grows while it finds some 800,000 states: after 14 levels of at least 50."""


@pytest.fixture(autouse=True)
def built() -> None:
    """The build is there, so the signal does not meet a compiler."""
    system = load(BUG).system
    place = scope_named(system, "large"), topology_named(system, "star6")
    explore(system, *place, engine="explore", limits=Limits(max_states=10))


def resident(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@contextmanager
def searching(*options: str) -> Iterator[subprocess.Popen[str]]:
    """A check that has found so many states, and has many millions more to find."""
    where = ["--scope", "large", "--topology", "star6", "--no-symmetry", "--engine", "explore"]
    child = subprocess.Popen(
        [sys.executable, "-m", "luocheck", "check", BUG, *where, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stderr is not None
    try:
        while child.poll() is None and ".so" not in _native(child.pid):
            time.sleep(0.01)
        before = resident(child.pid)
        while child.poll() is None and resident(child.pid) < before + GROWN:
            time.sleep(0.01)
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        child.stderr.close()


def _native(process: int) -> str:
    """The line of its memory map that has the compiled search."""
    lines = Path(f"/proc/{process}/maps").read_text().splitlines()
    return next((line for line in lines if re.search(r"/[0-9a-f]{32}\.so$", line)), "")


@pytest.mark.parametrize(("number", "why"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")])
def test_what_was_found_is_told(number: signal.Signals, why: str) -> None:
    with searching("--json") as child:
        child.send_signal(number)
        out, err = child.communicate(timeout=120)
    assert child.returncode == 3 and "Traceback" not in err, err
    document = json.loads(out)
    (run,) = document["runs"]
    assert document["verdict"] == "undecided" and run["stopped"] == why
    assert run["states"] > 500_000 and run["depth"] >= 14
    told = {each["name"]: each for each in document["properties"]}
    assert [told[name]["result"] for name in ("I1", "I2", "I5")] == ["fails", "unknown", "fails"]
    assert [len(told[name]["witness"]["calls"]) for name in ("I1", "I5")] == [14, 13]
    assert told["I1"]["witness"]["minimal"] == []


def test_for_people_through_a_pipe() -> None:
    with searching() as child:
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=120)
    assert child.returncode == 3 and "Traceback" not in err, err
    assert re.search(r"I5 +FAILS \(13 calls\)", out) and re.search(r"I2 +unknown", out)
    assert "interrupted" in out and "exit status 3" in out


def test_when_nobody_reads_any_more() -> None:
    with searching() as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        child.send_signal(signal.SIGINT)
        err = child.stderr.read()
        assert child.wait(120) == 3
    assert "Traceback" not in err and "Error" not in err, err


def test_the_second_signal_ends_it_at_once() -> None:
    with searching() as child:
        child.send_signal(signal.SIGINT)
        time.sleep(0.002)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=120)
    assert child.returncode == 3 and "Traceback" not in err, err
