"""python3 -m benchmarks.sweep: every dependency graph of a scope in one process; what the set-up of each takes, and what its search does."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.figures import number, table
from benchmarks.processes import machine
from benchmarks.results_file import write
from benchmarks.tools import ROOT
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.order import told_apart
from luocheck.checker.explore.search import Coverage
from luocheck.checker.explore.symmetry import Symmetry, groups_of
from luocheck.checker.native import build
from luocheck.checker.native.program import Generator
from luocheck.checker.native.search import NativeSearch, Program
from luocheck.checker.selection import scope_named
from luocheck.model.instances import Instance, instances
from luocheck.model.semantics.machine import Machine
from luocheck.model.spec import load

DEFAULT = (f"{ROOT / 'tests' / 'specs' / 'peers.luo'}@five", "rfc_v2@File=5,Token=1", "intent@File=5")
"""All 302 graphs on five files, for rfc_v2 each with four kinds of kernel; linux_7_3 has no dependencies."""


@dataclass(slots=True)
class Sweep:
    """Seconds.  once: load, generate, compile (or find in the cache) by name; graphs: how many there are.

    enumerated, prepared, explored: of all graphs, and of the median one (`each`).  stopped: graphs whose search met the limit.
    """

    what: str
    once: dict[str, float] = field(default_factory=dict)
    graphs: int = 0
    states: int = 0
    stopped: int = 0
    enumerated: float = 0.0
    prepared: float = 0.0
    explored: float = 0.0
    each: dict[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Of the time that the graphs take, the part that is not search."""
        setup = self.enumerated + self.prepared
        return setup / (setup + self.explored)


def sweep(what: str, most_states: int) -> Sweep:
    """Explores every starting point of SPEC@SCOPE with the native engine."""
    name, _, scope = what.partition("@")
    found = Sweep(Path(name).stem + "@" + scope)
    started = time.perf_counter()

    def lap() -> float:
        nonlocal started
        before, started = started, time.perf_counter()
        return started - before

    system = load(name).system
    place = scope_named(system, scope) if scope else system.scopes[0]
    found.once["load"] = lap()
    starts = instances(system, place)
    first = next(starts)
    found.once["first graph"] = lap()
    executing = Machine(first)
    apart = told_apart(system, place, system.properties)
    text = Generator(first, executing, system.properties, apart).text()
    found.once["generate"] = lap()
    program = Program(text, build.library(text.source))
    found.once["compile or load"] = lap()
    every: list[tuple[float, float, float]] = []
    for instance in _again(first, starts):
        enumerated = lap()
        monitors = Monitors(instance, system.properties)
        symmetry = Symmetry(instance, executing, groups_of(instance, apart))
        search = NativeSearch(
            program,
            instance,
            executing,
            monitors,
            Coverage(),
            keep_edges=monitors.needs_edges(reduced=symmetry.order > 1),
            symmetry=symmetry if symmetry.order > 1 else None,
        )
        prepared = lap()
        try:
            search.run(Limits(max_states=most_states))
        except Stopped:
            found.stopped += 1
        every.append((enumerated, prepared, lap()))
        found.states += len(search.states)
    found.graphs = len(every)
    columns = list(zip(*every, strict=True))
    found.enumerated, found.prepared, found.explored = (sum(column) for column in columns)
    names = ("enumerated", "prepared", "explored")
    found.each = {name: statistics.median(column) for name, column in zip(names, columns, strict=True)}
    return found


def _again(first: Instance, others: Iterator[Instance]) -> Iterator[Instance]:
    yield first
    yield from others


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.sweep")
    parser.add_argument("specs", nargs="*", metavar="SPEC@SCOPE", help="what to explore (default: five files each)")
    parser.add_argument("--max-states", type=int, default=20_000, help="most states of one graph (default 20000)")
    parser.add_argument("--output", type=Path, help="file for the JSON (default: a new one in benchmarks/results)")
    args = parser.parse_args(arguments)
    about = machine()
    found = [sweep(what, args.max_states) for what in args.specs or DEFAULT]
    print(_table(found))
    lines = [{**asdict(each), "share": each.share} for each in found]
    print(f"\nwritten to {write('sweep', {'machine': about, 'max_states': args.max_states, 'lines': lines}, args.output)}")
    return 0


def _table(found: list[Sweep]) -> str:
    once = ["load", "first graph", "generate", "compile or load"]
    heads = ["spec", *(f"{name} s" for name in once), "graphs", "stopped", "states"]
    heads += ["enumerate s", "set up s", "explore s", "set-up share", "set up ms each", "explore ms each"]
    rows = []
    for each in found:
        seconds = [each.enumerated, each.prepared, each.explored]
        setup = each.each["enumerated"] + each.each["prepared"]
        rows.append(
            [
                each.what,
                *(number(each.once[name], ".2f") for name in once),
                *(number(n) for n in (each.graphs, each.stopped, each.states)),
                *(number(s, ".2f") for s in seconds),
                f"{each.share:.1%}",
                *(number(1e3 * s, ".2f") for s in (setup, each.each["explored"])),
            ]
        )
    return table(heads, rows)


if __name__ == "__main__":
    sys.exit(main())
