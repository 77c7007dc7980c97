"""What it means that two engines agree, and that several threads agree with one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from luocheck.checker.explore import exploration
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.order import told_apart
from luocheck.checker.explore.result import Exploration
from luocheck.checker.explore.search import Coverage, Edges
from luocheck.checker.explore.symmetry import Symmetry, groups_of
from luocheck.checker.native import build
from luocheck.checker.native.program import Generator
from luocheck.checker.native.runtime import NativeEdges
from luocheck.checker.native.search import NativeSearch, Program
from luocheck.model.diagnostics import SpecError
from luocheck.model.instances import Instance, instances
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.semantics.machine import Machine

QUICK = (
    *("-std=gnu11", "-O0", "-w", "-pthread", "-fPIC", "-shared", "-fno-strict-aliasing", "-fno-sanitize=undefined"),
    *("-DSMALL_LEVEL=2", "-DCHUNK=2", "-DBLOCK=48", "-DBEFORE_CHUNK=nanosleep(&(struct timespec){0, 20000}, 0);"),
)
"""Flags of builds that are used once: compiling them takes longer than running them.  Where there are threads they share small levels."""


@contextmanager
def names_kept() -> Iterator[None]:
    """Explorations in which no two states are taken for one, though starting points are: their numbers are those of the semantics."""
    with patch.object(exploration, "told_apart", lambda system, scope, claims: set(range(len(system.sorts)))):
        yield


def told(found: Exploration) -> dict[str, object]:
    """Everything that an exploration says, but who searched."""
    return {
        "states": found.states,
        "transitions": found.transitions,
        "depth": found.depth,
        "levels": found.levels,
        "instances": found.instances,
        "stopped": found.stopped,
        "ended early": found.ended_early,
        "cuts": found.cuts,
        "events that never fired": found.events_never_fired,
        "lines that never fired": [line.span for line in found.lines_never_fired],
        **{f"verdict on {v.property}": (v.result, v.method, v.note) for v in found.verdicts},
        **{f"witness of {v.property}": repr(v.witness) for v in found.verdicts},
    }


def assert_same(interpreted: Exploration, native: Exploration) -> None:
    """The native engine searched, and came to the same as the interpreter, to the letter of each witness."""
    assert native.engine == "explore"
    one, other = told(interpreted), told(native)
    for what, value in one.items():
        assert other[what] == value, what


# ---- threads ----------------------------------------------------------------------------------------------------


def assert_threads_change_nothing(
    system: System, scope: Scope, topology: Topology | None, most: int, counts: tuple[int, ...] = (2, 3)
) -> int:
    """Searches every instance with one thread and with more: they leave the same behind.  How many states were looked at.

    Raises NoCompiler and Refused.
    """
    program: Program | None = None
    apart = told_apart(system, scope, system.properties)
    states = 0
    for instance in instances(system, scope, topology):
        machine = Machine(instance)
        if program is None:
            text = Generator(instance, machine, system.properties, apart).text()
            program = Program(text, build.library(text.source))
        symmetry = Symmetry(instance, machine, groups_of(instance, apart))
        for each in (symmetry, None) if symmetry.order > 1 else (None,):
            alone = left_behind(program, instance, machine, most, 1, each)
            for threads in counts:
                together = left_behind(program, instance, machine, most, threads, each)
                for what, value in alone.items():
                    assert together[what] == value, f"{what}, with {threads} threads"
        states += len(alone["faults of states"])  # type: ignore[arg-type]
        if states > most:
            break
    return states


def left_behind(
    program: Program, instance: Instance, machine: Machine, most: int, threads: int, symmetry: Symmetry | None
) -> dict[str, object]:
    """Everything that a search leaves behind, state by state and in its order."""
    coverage, monitors = Coverage(), Monitors(instance, instance.system.properties)
    keep = monitors.needs_edges(reduced=symmetry is not None)
    search = NativeSearch(program, instance, machine, monitors, coverage, keep_edges=keep, symmetry=symmetry, threads=threads)
    ended = ""
    asked = True
    try:
        search.run(Limits(max_states=most))
    except (Stopped, SpecError) as error:
        ended = f"{error!r} {error}"
        asked = isinstance(error, Stopped)  # else the last state was not asked everything
    r, words = search.r, search.packed.total
    return {
        "how it ended": ended,
        "states": r.states[: r.n * words],
        "levels": search.levels,
        "transitions": search.transitions,
        "faults of states": r.faults_of[: r.n],
        "turns of states": r.turns[: r.n] if symmetry is not None else [],
        "flags of states": (search.ways, search.runs, search.exempt) if asked else None,
        "coverage": coverage,
        "seen": monitors.seen,
        "discoveries": search.discoveries,
        "cut states": search.cut_states,
        "waiting calls": search.waiting,
        "edges": columns(r.all),
        "edges of witnesses": deeper(search) if r.n and not ended else None,
    }


def deeper(search: NativeSearch) -> list[list[int]]:
    """The edges that lead to the last state."""
    edges = search.edges_to([len(search.states) - 1])
    return [list(getattr(edges, name)) for name in Edges.__slots__]


def columns(native: NativeEdges) -> list[list[int]]:
    """Edges as they stand in C."""
    each = (native.source, native.target, native.event, native.faults, native.mask)
    return [column[: native.n] if native.n else [] for column in each]
