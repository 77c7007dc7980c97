"""Memory that cannot be had, allocation by allocation, and memory that is used: what was found stays, and nothing is claimed of the rest."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from engine.agreement import QUICK, told
from engine.starving import SPEC, STARVING, starved

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import NO_MEMORY
from luocheck.checker.native import build
from luocheck.checker.native.program import Generator
from luocheck.checker.selection import scope_named, topology_named
from luocheck.model.answer import Result
from luocheck.model.instances import instances
from luocheck.model.semantics.machine import Machine
from luocheck.model.source import Source
from luocheck.model.spec import load_source

ROOT = Path(__file__).parents[2]


@pytest.fixture
def starving(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "FLAGS", (*QUICK, *STARVING))


@pytest.mark.usefixtures("starving")
@pytest.mark.parametrize(
    ("for_ever", "told"),
    [
        (False, {("fails", True), ("reached", True), ("fails", False)}),  # the last where the way to it is looked for
        (True, {("fails", False), ("reached", False)}),
    ],
)
def test_whichever_allocation_fails(for_ever: bool, told: set[tuple[str, bool]]) -> None:
    whole = starved(-1, False)
    assert whole.exit_status == 0
    known = {v.property: v for v in whole.runs[0].verdicts}
    seen: set[tuple[str, bool]] = set()  # results, and whether they have a witness
    for succeed in range(10_000):
        answer = starved(succeed, for_ever)
        run = answer.runs[0]
        if run.stopped is None:
            break
        assert run.stopped == NO_MEMORY and answer.exit_status == 3, succeed
        assert run.states <= 280 and run.transitions <= 1580
        for verdict in run.verdicts:
            full = known[verdict.property]
            seen.add((verdict.result.value, verdict.witness is not None))
            if verdict.result is Result.UNKNOWN:
                assert verdict.note == NO_MEMORY, (succeed, verdict)
            elif verdict.property != "lock_order":  # which is read from the text
                assert verdict.result is full.result in (Result.FAILS, Result.REACHED), (succeed, verdict)
            if verdict.result is Result.FAILS and verdict.witness is None and "within" in (full.expected or ""):
                assert verdict.as_expected is None, (succeed, verdict)  # how soon it fails was not told
            if verdict.witness is not None and full.witness is not None:
                assert verdict.witness.calls == full.witness.calls and verdict.witness.minimal == (), (succeed, verdict)
    assert succeed > 150, "the tables grow, so there are many allocations"
    assert run == replace(whole.runs[0], seconds=run.seconds)
    assert seen == {("holds", False), ("unknown", False), *told}


def test_every_size_of_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """They grow in the middle of everything, and nothing is lost."""
    (scope,) = SPEC.system.scopes
    expected = told(explore(SPEC.system, scope, engine="interpreter"))
    for room in (1, 2, 64, 256, 512):
        monkeypatch.setattr(build, "FLAGS", (*QUICK, f"-DFIRST_ROOM={room}"))
        assert told(explore(SPEC.system, scope, engine="explore")) == expected, room


_HUNGRY = """
import resource, sys
from pathlib import Path
from luocheck.cli.main import main
command = ["check", sys.argv[1], "--engine", "interpreter"]
main([*command, "--max-states", "10", "--json"])  # whatever that needs is there now
size = int(Path("/proc/self/statm").read_text().split()[0]) * 4096 + (4 << 20)
resource.setrlimit(resource.RLIMIT_AS, (size, size))
sys.exit(main(command))
"""


def test_the_interpreter_too_says_that_there_is_no_more_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.luo"
    path.write_text(
        "spec large; sort A; scope s { A = 30 } per A { volatile lit: bool = false; }"
        " env E(a: A) { a.lit = not a.lit; } invariant dark: no a: A | a.lit;"
    )
    done = subprocess.run([sys.executable, "-c", _HUNGRY, str(path)], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done
    assert NO_MEMORY in done.stdout and "FAILS (1 call)" in done.stdout


def peak(*options: str) -> tuple[int, dict[str, object]]:
    """Bytes that a search of the peers' model needs at most, as the kernel counts them, and what it found."""
    ours = [sys.executable, "-m", "benchmarks.ours", str(ROOT / "tests" / "specs" / "peers.luo"), "--engine", "explore"]
    with tempfile.NamedTemporaryFile("r") as output:
        command = [sys.executable, "-I", "-S", str(ROOT / "benchmarks" / "launch.py"), "600", output.name, *ours, *options]
        done = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        printed = output.read()
    assert done["status"] == 0, printed
    return done["peak"], json.loads(printed)


@pytest.mark.parametrize("states", [1_000_000, 1_302_453])
def test_bytes_for_each_state(states: int) -> None:
    """At most 24 and the packed state itself, seen from outside."""
    place = ["--scope", "crowd", "--topology", "star5"]
    system = load_source(Source("peers.luo", (ROOT / "tests" / "specs" / "peers.luo").read_text())).system
    scope, shape = scope_named(system, "crowd"), topology_named(system, "star5")
    instance = next(iter(instances(system, scope, shape)))
    assert Generator(instance, Machine(instance), system.properties).text().layout.words == 1
    peak(*place, "--max-states", "1")  # builds
    before, _ = peak(*place, "--max-states", "1")
    after, found = peak(*place, "--max-states", str(states))
    assert found["states"] in (states, states + 1)
    assert (after - before) / states <= 8 + 24
