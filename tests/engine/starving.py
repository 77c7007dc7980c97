"""A search in which an allocation fails, whichever one wants."""

from __future__ import annotations

import ctypes
from unittest.mock import patch

from luocheck.checker.check import CheckAnswer, check
from luocheck.checker.native import build
from luocheck.model.source import Source
from luocheck.model.spec import load_source

STARVING = ("-DALLOCATIONS_FAIL", "-DFIRST_ROOM=2")
"""Flags of builds for `starved`: tables begin tiny, so that they grow often."""

# Everything that the engine keeps: states, flags, edges, calls that wait, cut paths, broken claims, ways to them.
GREEDY = """spec greedy;
sort Agent symmetric caller;
sort Box symmetric pool;
scope s { Agent = 2, Box = 1; stepwise TAKE }
volatile var x: count(9) = 0;
volatile var shut: bool = false;
mutex m;
syscall TAKE(a: Agent) { guard m; step; fail EBUSY when x == 9; x = x + 1; }
syscall WAIT(a: Agent) { await not shut; }
env MAKE() { new b: Box; }
env SHUT() { shut = true; }
env LOSE() { fail EIO sometimes device; x = 0; }
invariant small: x < 4;
invariant open: not shut;
after TAKE returns EBUSY check never_busy: false;
reachable far: x == 7 and shut;
recoverable home: x > 0 can reach x == 0 using LOSE;
recoverable reopened: shut can reach not shut using LOSE;
never stuck none_stuck unless true;
expect {
    small fails within 8 by TAKE;
    open fails within 1 by SHUT;
    never_busy fails within 20 by TAKE;
    reopened fails;
}
"""
SPEC = load_source(Source("greedy.luo", GREEDY))


def starved(succeed: int, for_ever: bool) -> CheckAnswer:
    """Checks SPEC with builds that have the flags STARVING: after so many allocations one fails, or all.  -1: none."""
    loaded = build.library

    def library(source: str) -> ctypes.CDLL:
        found = loaded(source)
        ctypes.c_int64.in_dll(found, "luo_succeed").value = succeed
        ctypes.c_int64.in_dll(found, "luo_for_ever").value = for_ever
        return found

    with patch.object(build, "library", library):
        return check(SPEC, engine="explore")
