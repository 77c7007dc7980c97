"""Explores specs by native code that watches itself: python sanitized.py MOST_STATES SPEC...

The address sanitizer's runtime has to be loaded before Python; test_sanitizers.py does that.  SPEC: a name, a path, `random:FIRST:LAST`
for random specs, `starving` for one in which every allocation fails in turn, or `probe:...` for a mistake that must be noticed.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from differential.specs import random_spec
from engine.starving import STARVING, starved

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.native import build
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

SANITIZERS = ("-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
PROBES = {
    "probe:heap": "#include <stdlib.h>\nint probe(int i) { char *p = malloc(8); p[i] = 1; int x = p[i]; free(p); return x; }",
    "probe:stack": "int probe(int i) { int a[8]; for (int k = 0; k < 8; k++) a[k] = k; return a[i]; }",
    "probe:overflow": "int probe(int i) { return i + 2147483647; }",
    "probe:shift": "int probe(int i) { return (int)(1ull << (i + 60)); }",
}


def places(name: str) -> Iterator[tuple[System, Scope, Topology | None]]:
    if name.startswith("random:"):
        first, last = map(int, name.split(":")[1:])
        for seed in range(first, last):
            drawn = random_spec(seed)
            try:
                system = load_source(Source("drawn.luo", drawn.text)).system
            except SpecError:
                continue
            shape = next((t for t in system.topologies if t.name == drawn.topology), None)
            yield system, next(s for s in system.scopes if s.name == drawn.scope), shape
        return
    system = load(name).system
    yield from ((system, scope, None) for scope in system.scopes)
    yield from ((system, system.scopes[0], shape) for shape in system.topologies)


def starve() -> int:
    build.FLAGS = (*build.FLAGS, *STARVING)
    succeed = 0
    while starved(succeed, for_ever=False).stopped is not None:
        starved(succeed, for_ever=True)
        succeed += 1
    return succeed


def main(most: int, names: list[str]) -> None:
    # Not where this is imported: loaded without its runtime, such a build ends the process.
    build.FLAGS = (*build.FLAGS, *SANITIZERS)
    explored = 0
    for name in names:
        if name in PROBES:
            build.library(PROBES[name]).probe(ctypes.c_int(8))
            continue
        if name == "starving":
            explored += starve()
            continue
        for system, scope, shape in places(name):
            for early in (False, True):
                found = explore(system, scope, shape, limits=Limits(max_states=most), engine="explore", stop_when_found=early)
                assert found.engine == "explore"
            explored += 1
    print(explored)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
