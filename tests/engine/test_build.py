"""Builds of the native engine where something is in the way: the answer is the interpreter's, and says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine.agreement import QUICK, told

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration
from luocheck.checker.native import build, tiers
from luocheck.model.diagnostics import SpecError
from luocheck.model.source import Source
from luocheck.model.spec import load_source

COUNTER = """spec counter;
scope s { }
volatile var x: count(63) = 0;
volatile var y: count(63) = 0;
env X() { x = x + 1; }
env Y() { fail EBUSY when y == 63; y = y + 1; }
reachable far: x == 5 and y == 7;
invariant small: x + y < 100;
"""
SYSTEM = load_source(Source("counter.luo", COUNTER)).system
PEERS = Path(__file__).parents[1] / "specs" / "peers.luo"


def run(engine: str = "auto", limits: Limits | None = None) -> Exploration:
    return explore(SYSTEM, SYSTEM.scopes[0], engine=engine, limits=limits)


@pytest.fixture(autouse=True)
def cold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, quick builds, and an `auto` without patience."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(build, "FLAGS", QUICK)
    monkeypatch.setattr(tiers, "LOOK_AFTER", 10)
    monkeypatch.setattr(tiers, "BUILD_AFTER", 20)
    return tmp_path


def script(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that is a shell script."""
    path = folder / "compiler"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    monkeypatch.setenv("CC", str(path))


OUTPUT = 'for each; do [ "$last" = -o ] && out=$each; last=$each; done\n'
"""Shell that finds the file which the compiler is to write."""


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "cache" / "luocheck").glob("*"))


def test_auto_builds_when_a_search_is_long_and_keeps_the_build(cold: Path) -> None:
    found = run()
    assert (found.engine, found.engine_missing) == ("explore", None)
    assert told(found) == told(run("interpreter"))
    (name,) = files(cold)
    before = (cold / "cache" / "luocheck" / name).stat().st_mtime_ns
    assert run().engine == "explore"
    assert (cold / "cache" / "luocheck" / name).stat().st_mtime_ns == before


def test_a_short_search_waits_for_no_compiler(monkeypatch: pytest.MonkeyPatch, cold: Path) -> None:
    monkeypatch.setattr(tiers, "LOOK_AFTER", 1_000_000)
    assert run().engine == "interpreter"
    assert files(cold) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("kill -9 $$", "killed by signal 9"),
        ('echo half > "$out"; kill -9 $$', "killed by signal 9"),
        ("echo 'spec.c:1: error: no' >&2; exit 1", "error: no"),
        ("exit 1", "failed"),
        ("exit 0", "could not be written"),
        ('echo half > "$out"', "cannot be loaded"),
    ],
)
def test_a_compiler_that_does_not_finish(text: str, reason: str, monkeypatch: pytest.MonkeyPatch, cold: Path) -> None:
    script(cold, f'[ "$1" = --version ] && exec echo 1\n{OUTPUT}{text}', monkeypatch)
    found = run()
    assert found.engine == "interpreter" and found.engine_missing is not None and reason in found.engine_missing
    assert told(found) == told(run("interpreter"))
    assert files(cold) == []
    with pytest.raises(SpecError) as error:
        run("explore")
    assert [d.code for d in error.value.diagnostics] == ["LUO500"]


@pytest.mark.parametrize("engine", ["auto", "explore"])
def test_an_interrupt_that_ends_the_compiler_too(engine: str, monkeypatch: pytest.MonkeyPatch, cold: Path) -> None:
    script(cold, f'[ "$1" = --version ] && exec echo 1\n> {cold}/interrupted; kill -INT $$', monkeypatch)
    found = run(engine, Limits(interrupted=lambda: "interrupted" if (cold / "interrupted").exists() else None))
    assert found.stopped == "interrupted" and found.engine_missing is None
    assert {v.result.value for v in found.verdicts if v.property != "lock_order"} == {"unknown"}


def test_a_build_that_is_killed_leaves_nothing_that_is_used(monkeypatch: pytest.MonkeyPatch, cold: Path) -> None:
    """The process that builds dies in the middle, with half of the result written; the next one begins anew."""
    script(cold, f'[ "$1" = --version ] && exec echo 1\n{OUTPUT}echo half > "$out"; kill -9 $PPID; sleep 60', monkeypatch)
    again = [sys.executable, "-c", _EXPLORE, *QUICK]
    done = subprocess.run(again, input=COUNTER, capture_output=True, text=True)
    assert done.returncode == -9
    assert [name for name in files(cold) if name.endswith(".so")] == []
    monkeypatch.delenv("CC")
    done = subprocess.run(again, input=COUNTER, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["explore", "4096"]


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch, cold: Path) -> None:
    monkeypatch.setenv("PATH", str(cold))
    monkeypatch.setattr(build, "PACKAGED", "no_such_package")
    found = run()
    assert found.engine == "interpreter" and found.engine_missing is not None
    assert found.engine_missing.startswith("there is no C compiler (cc, gcc or clang); `pip install")
    with pytest.raises(SpecError, match="there is no C compiler"):
        run("explore")


def test_the_packaged_compiler_serves_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch, cold: Path) -> None:
    monkeypatch.setenv("PATH", str(cold))
    found = run()
    assert (found.engine, found.engine_missing) == ("explore", None)
    assert told(found) == told(run("interpreter"))
    kept = files(cold)
    assert "compiler" in kept and len([name for name in kept if name.endswith(".so")]) == 1


def test_where_nothing_can_be_kept_builds_live_as_long_as_the_process(monkeypatch: pytest.MonkeyPatch, cold: Path) -> None:
    (cold / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cold / "file" / "cache"))
    monkeypatch.setenv("HOME", str(cold / "file" / "home"))
    assert run().engine == "explore"


def test_a_broken_file_in_the_cache_is_built_again(cold: Path) -> None:
    run("explore")
    (name,) = files(cold)
    path = cold / "cache" / "luocheck" / name
    path.unlink()  # what is loaded must not change under the process
    path.write_bytes(b"half of a build")
    again = [sys.executable, "-c", _EXPLORE, *build.FLAGS]
    done = subprocess.run(again, input=COUNTER, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["explore", "4096"]


_EXPLORE = """
import sys
from luocheck.checker.explore.exploration import explore
from luocheck.checker.native import build
from luocheck.model.source import Source
from luocheck.model.spec import load_source
build.FLAGS = tuple(sys.argv[1:])
system = load_source(Source("counter.luo", sys.stdin.read())).system
found = explore(system, system.scopes[0], engine="explore")
print(found.engine, found.states)
"""


def eight_cold_starts(path: Path, engine: str, *, compiler: bool, **environment: str) -> list[dict[str, object]]:
    """The documents of eight checks that begin at the same time, without what differs between two runs."""
    program = "from luocheck.cli.main import run; run()"
    if not compiler:
        program = f"import sys; sys.modules['{build.PACKAGED}'] = None; {program}"
        environment["PATH"] = str(path.parent / "nothing")
    command = [sys.executable, "-c", program, "check", str(path), "--engine", engine, "--json"]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
        for _ in range(8)
    ]
    ended = [each.communicate() for each in running]
    for each, (_, err) in zip(running, ended, strict=True):
        assert each.returncode == 1 and "Traceback" not in err, err  # a count of the spec passes its limit
        assert ("there is no C compiler" in err) == (engine == "auto" and not compiler)
    answers = [without_seconds(json.loads(out)) for out, _ in ended]
    assert answers == [answers[0]] * 8
    return answers


@pytest.mark.nightly
def test_eight_cold_starts_at_once(cold: Path) -> None:
    """With one cache that they share; and with a home that cannot be written and no compiler, which the answer does not show."""
    path = cold / "counter.luo"
    path.write_text(COUNTER.replace("63", "15"))
    built = eight_cold_starts(path, "explore", compiler=True)
    assert built[0]["states"] == 256 and built[0]["engine"] == "explore"
    assert len(files(cold)) == 1
    home = unwritable(cold)
    alone = eight_cold_starts(path, "interpreter", compiler=False, HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
    assert {**alone[0], "engine": "explore"} == built[0]
    assert len(files(cold)) == 1


@pytest.mark.nightly
def test_eight_cold_starts_of_a_long_search(cold: Path) -> None:
    """Here `auto` would like to build."""
    path = cold / "counter.luo"
    path.write_text(COUNTER.replace("63", "255"))
    built = eight_cold_starts(path, "auto", compiler=True)
    assert built[0]["states"] == 65536 and len(files(cold)) == 1
    home = unwritable(cold)
    alone = eight_cold_starts(path, "auto", compiler=False, HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
    assert alone == built


def unwritable(folder: Path) -> Path:
    """A home in which nothing can be made: read-only, or for a user who may write everything one that the system does not let grow."""
    home = folder / "read-only"
    home.mkdir(mode=0o500)
    return Path("/proc/self") if os.access(home, os.W_OK) else home


def without_seconds(document: object) -> object:
    if isinstance(document, dict):
        return {key: without_seconds(value) for key, value in document.items() if key != "seconds"}
    return [without_seconds(each) for each in document] if isinstance(document, list) else document


# ---- stopping ---------------------------------------------------------------------------------------------------


def peers(limits: Limits) -> Exploration:
    """Where it has many millions of states, so that no machine is at the end first."""
    system = load_source(Source(str(PEERS), PEERS.read_text())).system
    scope = next(s for s in system.scopes if s.name == "large")
    shape = next(t for t in system.topologies if t.name == "star6")
    return explore(system, scope, shape, engine="explore", symmetry=False, limits=limits)


def test_an_interrupt_in_the_middle_of_a_level() -> None:
    """It is seen soon; what was found stays, and nothing is claimed of the rest."""
    asked = 0

    def interrupted() -> str | None:
        nonlocal asked
        asked += 1
        return "interrupted" if asked > 3 else None

    found = peers(Limits(interrupted=interrupted))
    assert found.stopped == "interrupted" and not found.complete
    assert found.states > 1_000
    assert {v.result.value for v in found.verdicts if v.kind == "invariant"} == {"unknown"}


def test_memory_and_time_are_limits() -> None:
    found = peers(Limits(memory=1))
    assert found.stopped == "stopped at 0.0 MB of memory"
    found = peers(Limits(timeout=0.3))
    assert found.stopped == "stopped after 0.3 s" and not found.complete


def test_a_limit_of_states_stops_at_the_same_state_as_the_interpreter() -> None:
    for most in (1, 2, 63, 64, 65, 700, 701, 4095, 4096):
        assert told(run("explore", Limits(max_states=most))) == told(run("interpreter", Limits(max_states=most))), most


_STARVED = """
import resource, sys
from pathlib import Path
from luocheck.checker.explore.exploration import explore
from luocheck.checker.native import build
from luocheck.model.spec import load
build.FLAGS = tuple(sys.argv[2:])
system = load(sys.argv[1]).system
scope = next(s for s in system.scopes if s.name == "crowd")
shape = next(t for t in system.topologies if t.name == "star5")
small = explore(system, system.scopes[0], system.topologies[0], engine="explore", symmetry=False)
size = int(Path("/proc/self/statm").read_text().split()[0]) * 4096 + (6 << 20)
resource.setrlimit(resource.RLIMIT_AS, (size, size))
build.compiler = lambda: ["cc"]
found = explore(system, scope, shape, engine="explore", symmetry=False)
print(found.stopped)
"""


def test_memory_that_cannot_be_had_is_a_limit_too(cold: Path) -> None:
    """The second exploration finds its build in the cache: no compiler could run in so little memory."""
    system = load_source(Source(str(PEERS), PEERS.read_text())).system
    explore(
        system,
        next(s for s in system.scopes if s.name == "crowd"),
        next(t for t in system.topologies if t.name == "star5"),
        engine="explore",
        symmetry=False,
        limits=Limits(max_states=10),
    )
    command = [sys.executable, "-c", _STARVED, str(PEERS), *QUICK]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout == "stopped because there is no more memory\n", done.stderr
