"""python3 -m benchmarks: the peers' model side by side with other tools.  README.md tells how to read what it prints."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks.figures import document, figures, full_table, hunt_table
from benchmarks.processes import machine
from benchmarks.results_file import write
from benchmarks.side_by_side import Bench
from benchmarks.sizes import BUGS, SIZES
from benchmarks.tools import Tool, missing, tools


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints tables, writes JSON.  1 when a tool's counts are not the known ones, else 0."""
    args = _parser().parse_args(arguments)
    sizes = [SIZES[name] for name in args.sizes.split(",")]
    chosen = [tool for tool in tools() if _chosen(tool, args.tools)]
    lacking = missing()
    for name, why in lacking.items():
        print(f"without {name}: {why}")
    about = machine()
    results: dict[str, object] = {"machine": about, "rounds": args.rounds, "cap": args.cap, "missing": lacking}
    wrong = False
    with tempfile.TemporaryDirectory(prefix="luocheck-bench-") as folder:
        bench = Bench(Path(folder), args.rounds, args.cap, _say if sys.stderr.isatty() else lambda text: None)
        explored: dict[str, object] = {}
        for size in sizes:
            lines = figures(bench, bench.full(size, chosen))
            wrong = wrong or any(line.wrong is not None for line in lines)
            explored[size.name] = document(lines)
            head = (
                f"{size.name}: {size.files} files, {size.agents} agents, {size.states:,} states, {size.transitions:,} transitions"
            )
            print(f"\n{head}\n{full_table(lines)}", flush=True)
        results["explored"] = explored
        if args.bugs_at != "none":
            hunted: dict[str, object] = {}
            size = SIZES[args.bugs_at]
            for bug in BUGS:
                lines = figures(bench, bench.hunt(size, bug, chosen))
                wrong = wrong or any(line.wrong is not None for line in lines)
                hunted[str(bug.number)] = document(lines)
                print(
                    f"\nbug {bug.number}, {size.name}: {bug.claim} breaks after {bug.steps} steps\n{hunt_table(lines)}", flush=True
                )
            results["hunted"] = {"size": size.name, "bugs": hunted}
    print(f"\nwritten to {write('peers', results, args.output)}")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks")
    parser.add_argument("--sizes", default="small,medium,large", help="of tiny, small, medium, large, with commas between")
    parser.add_argument("--rounds", type=int, default=5, help="how often every tool runs (default 5)")
    parser.add_argument("--cap", type=float, default=120.0, help="seconds after which a run is stopped (default 120)")
    parser.add_argument("--tools", default="", help="only these: c, spin, rumur, python, luocheck, with commas between")
    parser.add_argument("--bugs-at", default="medium", choices=[*SIZES, "none"], help="size at which the seeded bugs are hunted")
    parser.add_argument("--output", type=Path, help="file for the JSON (default: a new one in benchmarks/results)")
    return parser


def _chosen(tool: Tool, names: str) -> bool:
    return not names or tool.kind in names.split(",")


def _say(text: str) -> None:
    print(f"\r\033[K{text}", end="\r", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
