"""A bound of memory: the search stops before it is passed, also by the doubling of a table, and what was found stays."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from pathlib import Path

import pytest
from engine.agreement import told

from luocheck.checker.checkpoint.keeper import Checkpoint
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import SOON, Limits, growth_of, resident_bytes
from luocheck.checker.native import saved
from luocheck.checker.native.search import NativeSearch
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.spec import load

PEERS = Path(__file__).parents[1] / "specs" / "peers.luo"

MEASURE = """
import json, os, sys
argv = sys.argv[1:]
reader, writer = os.pipe()
child = os.fork()
if not child:
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    os.execv(sys.executable, [sys.executable, "-m", "luocheck", *argv])
os.close(writer)
out = open(reader).read()
_, status, used = os.wait4(child, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), used.ru_maxrss * 1024, out]))
"""
"""Runs luocheck from a small process: what a child used at most counts from before its exec, so that a large one would be in it."""


def measured(*argv: str) -> tuple[int, int, str]:
    """Exit status, the most resident bytes, and what was printed."""
    done = subprocess.run([sys.executable, "-c", MEASURE, *argv], capture_output=True, text=True, timeout=300, check=True)
    status, used, out = json.loads(done.stdout)
    return status, used, out


MARGIN = 4 << 20
"""What may come on top: the search leaves a sixteenth for the telling, which is 5 MB here, and the report is made afterwards."""


@pytest.mark.parametrize("megabytes", [80, 97, 120, 150, 190, 240])
def test_the_process_never_uses_more(megabytes: int) -> None:
    """Six sizes between two doublings of the table.  Only C allocates here, so the bound is hit by growth and not by a poll."""
    argv = ["check", str(PEERS), "--scope", "large", "--topology", "star6", "--no-symmetry", "--engine", "explore"]
    status, used, out = measured(*argv, "--memory", f"{megabytes}M")
    assert status == 3 and f"stopped at {megabytes * 1.048576:.1f} MB of memory" in out
    assert used <= (megabytes << 20) + MARGIN, (used - (megabytes << 20)) >> 20
    assert used >= 0.6 * (megabytes << 20)  # and it does use what it may


def test_the_engine_refuses_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anybody who looks from outside: with 8 MB more, a table of 4 MB can be had, and not the arrays for all that fits into it."""
    monkeypatch.setattr("luocheck.checker.explore.limits.resident_bytes", lambda: 0)
    where = place("crowd", "star5")
    explore(*where, symmetry=False, engine="explore", limits=Limits(max_states=1_000))  # everything is loaded
    found = explore(*where, symmetry=False, engine="explore", limits=Limits(memory=resident_bytes() + (8 << 20)))
    assert found.stopped is not None and found.stopped.endswith("MB of memory")
    assert 0.75 * (1 << 18) < found.states < 0.75 * (1 << 19)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_usable_size"), reason="asks the C library how much was allocated")
def test_there_is_as_much_room_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Arrays that grow together have the same room, also where the budget is enough for the steps of some of them only."""
    usable = ctypes.CDLL(None).malloc_usable_size
    usable.argtypes, usable.restype = (ctypes.c_void_p,), ctypes.c_size_t
    looked_at = 0
    close = NativeSearch.close

    def looking(search: NativeSearch) -> None:
        nonlocal looked_at
        if getattr(search, "_handle", None):
            for row in saved.rows(search.library, search._handle):
                if row.room and row.room.contents.value:
                    looked_at += 1
                    assert usable(row.place.contents) >= row.room.contents.value * row.item, row.name
        close(search)

    monkeypatch.setattr("luocheck.checker.explore.limits.resident_bytes", lambda: 0)
    where = place("crowd", "star5")
    explore(*where, symmetry=False, engine="explore", limits=Limits(max_states=1_000))  # everything is loaded
    here = resident_bytes()
    monkeypatch.setattr(NativeSearch, "close", looking)
    for more in range(2 << 20, 10 << 20, 37 << 10):
        found = explore(*where, symmetry=False, engine="explore", limits=Limits(memory=here + more))
        assert found.stopped is not None
    assert looked_at > 300


def place(scope: str, topology: str) -> tuple[System, Scope, Topology]:
    system = load(str(PEERS)).system
    return system, next(s for s in system.scopes if s.name == scope), next(t for t in system.topologies if t.name == topology)


def test_stopped_by_memory_and_taken_up_is_uninterrupted(tmp_path: Path) -> None:
    where = place("crowd", "star5")
    whole = explore(*where, symmetry=False, engine="explore")
    path = tmp_path / "checkpoint"
    stops = []
    for more in (4, 8, 12, 20):
        found = explore(*where, symmetry=False, limits=Limits(memory=resident_bytes() + (more << 20)), checkpoint=Checkpoint(path))
        assert found.stopped is not None and found.stopped.endswith("MB of memory")
        stops.append(found.states)
        assert path.stat().st_size > 1_000
    assert stops == sorted(set(stops))
    assert told(explore(*where, symmetry=False, checkpoint=Checkpoint(path))) == told(whole)


def test_too_little_memory_for_the_checkpoint_leaves_it(tmp_path: Path) -> None:
    where = place("crowd", "star5")
    path = tmp_path / "checkpoint"
    explore(*where, symmetry=False, limits=Limits(max_states=900_000), checkpoint=Checkpoint(path))
    before = path.read_bytes()
    found = explore(*where, symmetry=False, limits=Limits(memory=resident_bytes() + (4 << 20)), checkpoint=Checkpoint(path))
    assert found.stopped is not None and found.stopped.endswith("MB of memory") and found.states == 0
    assert path.read_bytes() == before


def test_what_was_found_stays(tmp_path: Path) -> None:
    """Broken claims have their stories, although the memory ran out."""
    text = PEERS.read_text() + "\nreachable soon: some f: File | f.mem;\n"
    spec = tmp_path / "peers.luo"
    spec.write_text(text)
    argv = [
        "check",
        str(spec),
        "--scope",
        "large",
        "--topology",
        "star6",
        "--no-symmetry",
        "--engine",
        "explore",
        "--memory",
        "100M",
    ]
    status, _, out = measured(*argv)
    assert status in (1, 3) and "reached (" in out and "stopped at 104.9 MB" in out


STARVED = """
import contextlib, os, resource, sys
from luocheck.cli.main import main
more, *argv = sys.argv[1:]
with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
    main([*argv, "--max-states", "1000"])  # everything is loaded and compiled: no compiler runs in so little memory
size = int(open("/proc/self/statm").read().split()[0]) * 4096 + (int(more) << 20)
resource.setrlimit(resource.RLIMIT_AS, (size, size))
sys.exit(main(argv))
"""


@pytest.mark.parametrize(("engine", "megabytes"), [("explore", 6), ("explore", 24), ("interpreter", 3)])
def test_memory_that_cannot_be_had_ends_in_words(engine: str, megabytes: int) -> None:
    argv = ["check", str(PEERS), "--scope", "large", "--topology", "star6", "--no-symmetry", "--engine", engine]
    done = subprocess.run([sys.executable, "-c", STARVED, str(megabytes), *argv], capture_output=True, text=True, timeout=300)
    assert done.returncode == 3 and "stopped because there is no more memory" in done.stdout, done.stdout + done.stderr
    said = [
        line for line in done.stderr.splitlines() if not line.startswith("peers star6: depth ")
    ]  # on a slow machine, how far it is
    assert said == []


def test_memory_that_is_not_there_from_the_beginning() -> None:
    status, _, out = measured("check", str(PEERS), "--scope", "three", "--memory", "1M")
    assert status == 3 and "stopped at 1.0 MB of memory" in out


def test_the_growth_of_a_table_is_seen_before_it_comes() -> None:
    """Python's own: where `sys.getsizeof` says that it grew, that was announced, at least as large, for as long as two checks are apart."""
    table: dict[bytes, int] = {}
    announced: list[int] = []
    growths = 0
    for number in range(400_000):
        announced.append(growth_of(table) if number % 64 == 0 else announced[-1])
        before = sys.getsizeof(table)
        table[number.to_bytes(4, "big")] = number
        if sys.getsizeof(table) > before and number > 2 * SOON:
            growths += 1
            assert all(said >= sys.getsizeof(table) for said in announced[-SOON + 200 :])
    assert growths >= 4
    assert announced.count(0) > 300_000  # and it is not held back all the time
