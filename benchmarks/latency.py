"""python3 -m benchmarks.latency: how long a model that was never seen waits for its first native search."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from unittest.mock import patch

from benchmarks.figures import number, table
from benchmarks.processes import machine
from benchmarks.results_file import write
from luocheck.checker.explore.order import told_apart
from luocheck.checker.native import build
from luocheck.checker.native.program import Generator
from luocheck.checker.selection import scope_named
from luocheck.model.instances import instances
from luocheck.model.library import shipped
from luocheck.model.semantics.machine import Machine
from luocheck.model.spec import load

_LOAD = """
import shlex, sys, time
from luocheck.checker.native import build
command, *flags = sys.argv[1:]
build.compiler, build.FLAGS = lambda: shlex.split(command), tuple(flags)
text = sys.stdin.read()
started = time.perf_counter()
assert build.known(text)
build.library(text)
print(time.perf_counter() - started)
"""

PACKAGED = [sys.executable, "-m", build.PACKAGED, "cc"]


@dataclass(slots=True)
class Line:
    """Median seconds for one spec and compiler.  cached: loading a build that is there, in a process that has not loaded it."""

    spec: str
    compiler: str
    flags: str
    source: int = 0
    load: float = 0.0
    generate: float = 0.0
    compile: float | None = None
    cached: float | None = None
    trouble: str | None = None
    taken: list[float] = field(default_factory=list)


def compilers() -> list[tuple[str, list[str]]]:
    """What `auto` would take, and the packaged compiler if that is another one."""
    found = []
    try:
        found.append(("found first", build.compiler()))
    except build.NoCompiler as error:
        print(f"without a compiler: {error.reason}")
    if importlib.util.find_spec(build.PACKAGED) is not None and [command for _, command in found] != [PACKAGED]:
        found.append(("packaged", PACKAGED))
    return found


def measure(what: str, rounds: int) -> list[Line]:
    """One spec at a scope (the first when none is named) with each compiler and level of optimisation."""
    name, _, scope = what.partition("@")
    started = time.perf_counter()
    system = load(name).system
    place = scope_named(system, scope) if scope else system.scopes[0]
    loaded = time.perf_counter()
    first = next(iter(instances(system, place)))
    apart = told_apart(system, place, system.properties)
    source = Generator(first, Machine(first), system.properties, apart).text().source
    generated = time.perf_counter()
    lines = []
    for label, command in compilers():
        for level in ("-O0", "-O1"):
            line = Line(f"{name}@{place.name}", label, level, len(source), loaded - started, generated - loaded)
            flags = tuple(level if flag == "-O1" else flag for flag in build.FLAGS)
            with patch.object(build, "compiler", lambda command=command: command), patch.object(build, "FLAGS", flags):
                _compile(line, source, rounds)
            lines.append(line)
    return lines


def _compile(line: Line, source: str, rounds: int) -> None:
    cached = []
    with tempfile.TemporaryDirectory(prefix="luocheck-bench-") as folder, patch.dict(os.environ, XDG_CACHE_HOME=folder):
        try:
            build.library("int nothing;")  # the packaged compiler builds its own library once
            for turn in range(rounds):
                text = f"{source}/* {turn} */\n"  # another text is another build
                started = time.perf_counter()
                build.library(text)
                line.taken.append(time.perf_counter() - started)
                again = [sys.executable, "-c", _LOAD, shlex.join(build.compiler()), *build.FLAGS]
                done = subprocess.run(again, input=text, capture_output=True, text=True, check=True)
                cached.append(float(done.stdout))
        except build.NoCompiler as error:
            line.trouble = error.reason
            return
    line.compile, line.cached = statistics.median(line.taken), statistics.median(cached)


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints a table, writes JSON."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.latency")
    parser.add_argument("specs", nargs="*", metavar="SPEC[@SCOPE]", help="default: the shipped specs at their first scope")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is compiled (default 5)")
    parser.add_argument("--output", type=Path, help="file for the JSON (default: a new one in benchmarks/results)")
    args = parser.parse_args(arguments)
    about = machine()
    lines = [line for what in args.specs or shipped() for line in measure(what, args.rounds)]
    heads = ["spec", "compiler", "flags", "source kB", "load s", "generate s", "compile s", "cached ms"]
    rows = []
    for line in lines:
        times = [number(line.load, ".2f"), number(line.generate, ".2f"), number(line.compile, ".2f")]
        cached = number(1e3 * line.cached, ".1f") if line.cached is not None else "-"
        rows.append([line.spec, line.compiler, line.flags, number(line.source / 1e3), *times, cached])
    print("\n".join([table(heads, rows), *(f"{x.spec}, {x.compiler}: {x.trouble}" for x in lines if x.trouble is not None)]))
    found = {"machine": about, "rounds": args.rounds, "lines": [asdict(line) for line in lines]}
    print(f"\nwritten to {write('latency', found, args.output)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
