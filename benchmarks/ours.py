"""One exploration by luocheck in a process of its own: python3 -m benchmarks.ours SPEC --scope S [--topology T] [...]

Prints one line of JSON: states, transitions, depth, seconds of loading and of the exploration, and the claims that fail with the length
of their witnesses.
"""

from __future__ import annotations

import argparse
import inspect
import json
import time

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.selection import check_engine, scope_named, topology_named
from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import load

_KNOWN = inspect.signature(explore).parameters


def available() -> tuple[str, ...]:
    """The engines that this version has."""
    found = ["interpreter"]
    if "engine" in _KNOWN:
        try:
            check_engine("explore")
            found.append("explore")
        except SpecError:
            pass
    return tuple(found)


def threads(engine: str) -> tuple[int, ...]:
    """Numbers of threads that are worth measuring."""
    return (1, 2) if engine == "explore" and "threads" in _KNOWN else (1,)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("spec")
    parser.add_argument("--scope")
    parser.add_argument("--topology")
    parser.add_argument("--engine", choices=available(), default="interpreter")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--claim")
    parser.add_argument("--max-states", type=int)
    parser.add_argument("--symmetry", action="store_true")
    args = parser.parse_args()
    started = time.perf_counter()
    system = load(args.spec).system
    scope = scope_named(system, args.scope) if args.scope is not None else system.scopes[0]
    topology = topology_named(system, args.topology) if args.topology is not None else None
    claims = [system.claim(args.claim)] if args.claim is not None else None
    options: dict[str, object] = {"engine": args.engine, "threads": args.threads}
    loaded = time.perf_counter()
    found = explore(
        system,
        scope,
        topology,
        claims=claims,
        limits=Limits(max_states=args.max_states),
        symmetry=args.symmetry,
        witnesses=args.claim is not None,
        stop_when_found=args.claim is not None,
        **{name: value for name, value in options.items() if name in _KNOWN},  # type: ignore[arg-type]
    )
    ended = time.perf_counter()
    broken = {v.property: v.witness.calls for v in found.verdicts if v.result.value == "fails" and v.witness is not None}
    answer = {
        "states": found.states,
        "transitions": found.transitions,
        "depth": found.depth,
        "instances": found.instances,
        "complete": found.complete,
        "load": loaded - started,
        "search": ended - loaded,
        "broken": broken,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
