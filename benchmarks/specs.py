"""python3 -m benchmarks.specs: how long `luocheck check` takes for each shipped spec, with each engine."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.figures import number, ratio, table
from benchmarks.ours import available, threads
from benchmarks.processes import Run, machine, run
from benchmarks.results_file import write
from benchmarks.tools import PYTHON, ROOT
from luocheck.model.library import shipped
from luocheck.model.spec import load

_CHECK = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); sys.argv[0]='luocheck'; from luocheck.cli.main import run; sys.exit(run())"
)


LARGER = "rfc_v2@wide,linux_7_3@story"
LARGER_STATES = 10_000
"""What the interpreter manages in a minute: the scopes themselves have many millions."""
ENOUGH = 5_000
"""States below which memory says more about Python than about them."""


@dataclass(slots=True)
class Line:
    """A spec checked with an engine.  whole, cpu: seconds of the process, medians.  states, transitions, seconds: the sum of its explorations.

    speed_up: states per second divided by the interpreter's in the same round, the median.  bytes_per_state: peak memory less that of a
    check that stops at once, divided by states; None where a check explores several scopes, or finds too few states to tell.
    """

    spec: str
    engine: str
    threads: int
    runs: int = 0
    whole: float | None = None
    cpu: float | None = None
    states: int | None = None
    transitions: int | None = None
    seconds: float | None = None
    speed_up: float | None = None
    bytes_per_state: float | None = None
    trouble: str | None = None


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints a table, writes JSON.  1 when engines count different states, else 0."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks.specs")
    parser.add_argument(
        "--rounds", type=int, default=5, help="how often each check runs, after one that warms the caches (default 5)"
    )
    parser.add_argument("--cap", type=float, default=120.0, help="seconds after which a check is stopped (default 120)")
    parser.add_argument("--all", action="store_true", help="everything that `check` explores, not only the default scope")
    parser.add_argument(
        "--specs", default=",".join(shipped()), help="only these, with commas between: NAME, PATH or either with @SCOPE"
    )
    parser.add_argument("--larger", action="store_true", help=f"the same as --specs {LARGER} --max-states {LARGER_STATES}")
    parser.add_argument("--max-states", type=int, help="stop each exploration after so many states, whichever engine it is")
    parser.add_argument("--scope", help="this scope or these sizes (File=5) instead of the default one")
    parser.add_argument("--output", type=Path, help="file for the JSON (default: a new one in benchmarks/results)")
    args = parser.parse_args(arguments)
    if args.larger:
        args.specs, args.max_states = LARGER, args.max_states or LARGER_STATES
    about = machine()
    lines: list[Line] = []
    agree = True
    with tempfile.TemporaryDirectory(prefix="luocheck-bench-") as folder:
        for name in args.specs.split(","):
            name, _, own = name.partition("@")
            scope = None if args.all else own or args.scope or load(name).system.scopes[0].name
            found = _spec(name, scope, args.max_states, args.rounds, args.cap, Path(folder))
            counts = {(line.states, line.transitions) for line in found if line.states is not None}
            if len(counts) > 1:
                agree = False
                print(f"{name}: the engines DISAGREE: {sorted(counts, key=str)}")
            lines += found
    print(_table(lines))
    found_all: dict[str, object] = {
        "machine": about,
        "rounds": args.rounds,
        "scope": "all" if args.all else args.scope or "default",
        "max_states": args.max_states,
    }
    print(f"\nwritten to {write('specs', {**found_all, 'lines': [asdict(line) for line in lines]}, args.output)}")
    return 0 if agree else 1


def _ways() -> Iterator[tuple[str, int]]:
    for engine in available():
        yield from ((engine, count) for count in threads(engine))


def _spec(name: str, scope: str | None, most: int | None, rounds: int, cap: float, folder: Path) -> list[Line]:
    """One spec with every engine, in alternation."""
    lines = [Line(name if scope is None else f"{name}@{scope}", engine, threads) for engine, threads in _ways()]
    taken: dict[int, list[tuple[int, Run, float]]] = {k: [] for k in range(len(lines))}
    empty: dict[int, int] = {}
    for turn in range(rounds + 1):
        for k, line in enumerate(lines):
            if line.trouble is not None:
                continue
            options = ["--engine", line.engine, "--threads", str(line.threads), *(["--scope", scope] if scope else [])]
            limit = ["--max-states", str(most)] if most is not None else []
            done = run([PYTHON, "-c", _CHECK, "check", name, "--json", *options, *limit], folder, cap)
            answer = None if done.over else _answer(done)
            if answer is None:
                line.trouble = f"stopped after {cap:g} s" if done.over else f"failed: {done.output.strip()[-160:]}"
                continue
            line.states = sum(int(each["states"]) for each in answer)
            line.transitions = sum(int(each["transitions"]) for each in answer)
            if turn > 0:
                taken[k].append((turn, done, sum(each["seconds"] for each in answer)))
            elif scope is not None and line.states >= ENOUGH:
                empty[k] = run([PYTHON, "-c", _CHECK, "check", name, "--json", *options, "--max-states", "1"], folder, cap).peak
    for k, before in empty.items():
        line = lines[k]
        if taken[k] and line.states:
            peak = statistics.median(done.peak for _, done, _ in taken[k])
            line.bytes_per_state = (peak - before) / line.states
    interpreter = {turn: seconds for turn, _, seconds in taken[0]}
    for k, line in enumerate(lines):
        if taken[k]:
            line.runs = len(taken[k])
            line.whole = statistics.median(done.wall for _, done, _ in taken[k])
            line.cpu = statistics.median(done.cpu for _, done, _ in taken[k])
            line.seconds = statistics.median(seconds for _, _, seconds in taken[k])
            both = [interpreter[turn] / max(seconds, 1e-3) for turn, _, seconds in taken[k] if turn in interpreter]
            line.speed_up = statistics.median(both) if both else None
    return lines


def _answer(done: Run) -> list[dict[str, float]] | None:
    """The explorations in the JSON that `check` printed; None when it printed none."""
    start = done.output.find("{")
    try:
        runs: list[dict[str, float]] = json.loads(done.output[start:])["runs"]
    except (ValueError, KeyError):
        return None
    return runs


def _table(lines: list[Line]) -> str:
    heads = [
        "spec",
        "engine",
        "threads",
        "runs",
        "whole s",
        "CPU s",
        "states",
        "transitions",
        "explored s",
        "states/s",
        "B/state",
        "of interpreter",
    ]
    rows = []
    for line in lines:
        rate = line.states / max(line.seconds, 1e-3) if line.states and line.seconds else None
        times = [number(line.whole, ".2f"), number(line.cpu, ".2f")]
        counts = [
            number(line.states),
            number(line.transitions),
            number(line.seconds, ".3f"),
            number(rate),
            number(line.bytes_per_state),
        ]
        rows.append([line.spec, line.engine, str(line.threads), str(line.runs), *times, *counts, ratio(line.speed_up)])
    remarks = [f"{line.spec}, {line.engine}: {line.trouble}" for line in lines if line.trouble is not None]
    return "\n".join([table(heads, rows), *remarks])


if __name__ == "__main__":
    sys.exit(main())
