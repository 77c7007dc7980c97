"""Several threads leave the same behind as one: also where a search ends early, and where a thread cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from engine.agreement import QUICK, assert_threads_change_nothing, told

import luocheck
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.native import build
from luocheck.model.ir.system import System
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

PEERS = Path(__file__).parents[1] / "specs" / "peers.luo"
ENDLESS = "large", "star6"
"""Where peers.luo has many millions of states, so that no machine is at the end first."""

BUSY = """spec busy "a little of everything that a search remembers";
sort A symmetric caller;
sort S pool;
scope s { A = 2, S = 2; stepwise SLOW }
volatile var n: count(5) = 0;
volatile var open: bool = false;
volatile var picked: S? = none;
per S { volatile size: count(3) = 0; volatile bad: bool = false; }
mutex m;
ioctl CREATE(a: A) gives s: S { new s; s.size = 1; }
ioctl GROW(a: A, s: S) {
    fail EBUSY when s.size == 3;
    if sometimes { s.bad = true; fail EIO; }
    s.size = s.size + 1;
}
ioctl DROP(a: A, s: S) { require picked != s; free s; }
ioctl PICK(a: A) { choose s: S where not s.bad; picked = s; n = n + 1; }
ioctl FORGET(a: A) { picked = none; if sometimes { n = 0; } }
ioctl WAIT(a: A) { await open or EINTR; open = false; }
ioctl SLOW(a: A) { guard m; step; open = true; step; fail EAGAIN sometimes; }
ioctl BLOCKS(a: A) { await n != 3; }
invariant few "broken in many states of one level": n < 4;
invariant small: all s: S | s.size == 3 => not s.bad;
reachable both: (number of s: S | s.bad) == 2;
after GROW returns error check kept: unchanged;
after PICK check counted: n != 4;
recoverable closes: open can reach not open using WAIT;
recoverable grows: picked != none can reach n == 5 using PICK;
never stuck waits;
never stuck lax unless n > 2;
never SLOW returns EAGAIN;
"""
FAULTS = """spec faults "states that are found with a fault first, and later in the level without: by the same state, and by another";
sort A symmetric;
scope s { A = 4 }
per A { volatile way: count(3) = 0; volatile bad: bool = false; }
env LEFT(a: A) { require a.way == 0; a.way = 1; }
env RIGHT(a: A) { require a.way == 0; a.way = 2; }
env MEET(a: A) { require a.way == 1 or a.way == 2; if a.way == 2 { a.way = 3; stop; } if sometimes { a.way = 3; } }
env BREAK(a: A) { require not a.bad; if sometimes { a.bad = true; } }
env SPOIL(a: A) { require a.way == 3; a.bad = true; }
reachable all_: all a: A | a.bad;
reachable away "by many states of one level": no a: A | a.way == 0;
invariant stays "broken by many states of one level": some a: A | a.way == 0;
"""
STATE_ERROR = "invariant careless: n < 3 or picked.size != 2;"
CALL_ERROR = "after PICK returns OK check careless: n < 3 or old(picked).size != 2;"


def system_of(text: str) -> System:
    return load_source(Source("busy.luo", text)).system


def peers(limits: Limits, threads: int, where: tuple[str, str] = ("crowd", "star5")) -> tuple[int, str | None]:
    system = load(str(PEERS)).system
    scope = next(s for s in system.scopes if s.name == where[0])
    shape = next(t for t in system.topologies if t.name == where[1])
    found = explore(system, scope, shape, engine="explore", symmetry=False, limits=limits, threads=threads, witnesses=False)
    return found.states, found.stopped


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", QUICK)


def test_everything_that_a_search_remembers() -> None:
    system = system_of(BUSY)
    assert assert_threads_change_nothing(system, system.scopes[0], None, 10**6, (2, 3, 5)) == 15_708


def test_the_fewest_faults() -> None:
    system = system_of(FAULTS)
    assert assert_threads_change_nothing(system, system.scopes[0], None, 10**6, (2, 3, 5)) == 4_096


def test_a_limit_in_the_middle_of_a_level() -> None:
    system = system_of(BUSY)
    for most in [*range(1, 90), *range(600, 640), 2_000, 15_707, 15_708]:
        assert_threads_change_nothing(system, system.scopes[0], None, most)


@pytest.mark.parametrize("claim", [STATE_ERROR, CALL_ERROR])
def test_an_error_of_a_claim_in_the_middle_of_a_level(claim: str) -> None:
    system = system_of(BUSY + claim)
    states = assert_threads_change_nothing(system, system.scopes[0], None, 10**6)
    assert 100 < states < 7_000


@pytest.mark.parametrize(
    "flags", [("-DSMALL_LEVEL=2", "-DCHUNK=1", "-DBLOCK=1"), ("-DSMALL_LEVEL=2", "-DCHUNK=64", "-DBLOCK=4096"), ()]
)
def test_blocks_of_other_sizes(flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    of_blocks = ("-DSMALL_LEVEL", "-DCHUNK", "-DBLOCK")
    monkeypatch.setattr(build, "FLAGS", tuple(flag for flag in QUICK if not flag.startswith(of_blocks)) + flags)
    system = system_of(BUSY)
    assert assert_threads_change_nothing(system, system.scopes[0], None, 10**6) == 15_708


def test_more_new_states_than_a_thread_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", (*QUICK, "-DMOST_NEW=7"))
    system = system_of(BUSY)
    assert assert_threads_change_nothing(system, system.scopes[0], None, 10**6) == 15_708


def test_the_packaged_compiler_knows_threads(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CC", f"{sys.executable} -m {build.PACKAGED} cc")
    system = system_of(BUSY)
    assert assert_threads_change_nothing(system, system.scopes[0], None, 10**6) == 15_708


# ---- that there are threads -------------------------------------------------------------------------------------


def tasks() -> int:
    return len(os.listdir("/proc/self/task"))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads where Linux shows them")
def test_the_threads_that_were_asked_for_are_there_and_gone_afterwards() -> None:
    before = tasks()
    for threads in (1, 3):
        seen: set[tuple[int, int]] = set()

        def interrupted(seen: set[tuple[int, int]] = seen) -> str | None:
            seen.add((tasks() - before, threading.get_ident()))
            return None

        answer = luocheck.check(
            load(str(PEERS)),
            scope="five",
            engine="explore",
            symmetry=False,
            threads=threads,
            limits=Limits(100_000, interrupted=interrupted),
        )
        assert answer.runs[0].states > 100_000
        assert max(seen)[0] == threads - 1 and {who for _, who in seen} == {threading.get_ident()}
        assert tasks() == before


_POOR = """
import os, resource, sys
from pathlib import Path
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.native import build
from luocheck.model.spec import load
build.FLAGS = tuple(sys.argv[2:])
system = load(sys.argv[1]).system
seen = set()
def search(threads):
    limits = Limits(20_000, interrupted=lambda: seen.add(len(os.listdir("/proc/self/task"))))
    found = explore(system, system.scopes[1], engine="explore", symmetry=False, limits=limits, threads=threads)
    return found.states, found.transitions, found.stopped
alone = search(1)
seen.clear()
size = int(Path("/proc/self/statm").read_text().split()[0]) * 4096 + (7 << 20)
resource.setrlimit(resource.RLIMIT_AS, (size, size))
print(search(4) == alone, max(seen))
"""


def test_where_no_thread_can_be_had_one_does_it() -> None:
    """There is no room for a stack."""
    load_and_build = [sys.executable, "-c", _POOR, str(PEERS), *build.FLAGS]
    done = subprocess.run(load_and_build, capture_output=True, text=True, check=True)
    assert done.stdout == "True 1\n"


# ---- stopping ---------------------------------------------------------------------------------------------------


def test_an_interrupt_stops_all_threads() -> None:
    asked = 0

    def interrupted() -> str | None:
        nonlocal asked
        asked += 1
        return "interrupted" if asked > 5 else None

    states, stopped = peers(Limits(interrupted=interrupted), 3, ENDLESS)
    assert stopped == "interrupted" and states > 1_000
    assert asked == 6


def test_a_timeout_stops_all_threads() -> None:
    peers(Limits(10), 3, ENDLESS)  # the compiler takes its time
    states, stopped = peers(Limits(timeout=0.3), 3, ENDLESS)
    assert stopped == "stopped after 0.3 s" and states > 1_000


@pytest.mark.parametrize("most", [50_000, 200_000])
def test_a_limit_of_states_far_on(most: int) -> None:
    assert peers(Limits(most), 3) == peers(Limits(most), 1) == (most + 1, f"stopped after {most:,} states")


def test_reports_do_not_depend_on_threads() -> None:
    system = system_of(BUSY)
    one, three = (explore(system, system.scopes[0], engine="explore", threads=threads) for threads in (1, 3))
    assert told(one) == told(three)
