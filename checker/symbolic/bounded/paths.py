"""A call in the middle of its execution: the state and the locals as summaries, on all paths that lead to one place of the text at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Gates, Lit
from luocheck.checker.symbolic.bounded.summaries import NONE, Summary, constant, mux
from luocheck.checker.symbolic.bounded.world import Cells
from luocheck.model.ir.system import OK

Flag = tuple[Any, ...]
"""Something that was the case on a path: ("broke", claim), ("passed", assertion), or what a walk notes."""

WRITTEN: Flag = ("written",)
"""The flag that something was written, if only what was there before."""

NOTHING_HELD = constant(((), ()))


@dataclass(slots=True)
class Path:
    """All paths to a place.

    guard: when one of them is taken.  env: locals, by slot.  locks: what is held, and for each open block what it gives back at its end.
    errno, label: with what and where it failed.  faults: how many happened.  flags: flag -> when.
    """

    guard: Lit
    cells: Cells
    env: list[Summary]
    locks: Summary = field(default_factory=lambda: NOTHING_HELD)
    errno: Summary = field(default_factory=lambda: constant(OK))
    label: Summary = field(default_factory=lambda: NONE)
    faults: Summary = field(default_factory=lambda: constant(0))
    flags: dict[Flag, Lit] = field(default_factory=dict)

    def fork(self, guard: Lit) -> Path:
        """The part of the paths for which another guard holds too."""
        return replace(self, guard=guard, cells=dict(self.cells), env=list(self.env), flags=dict(self.flags))

    def marked(self, gates: Gates, flag: Flag, when: Lit = TRUE) -> None:
        self.flags[flag] = gates.or_(self.flags.get(flag, FALSE), when)


def split(gates: Gates, path: Path, condition: Lit) -> tuple[Path | None, Path | None]:
    """The paths on which a condition holds, and the others.  The first may be the same object as before."""
    yes, no = gates.and_(path.guard, condition), gates.and_(path.guard, condition ^ 1)
    if no == FALSE:
        return path, None
    if yes == FALSE:
        return None, path
    other = path.fork(no)
    path.guard = yes
    return path, other


def joined(gates: Gates, paths: Iterable[Path | None], absent: dict[int, Summary]) -> Path | None:
    """Paths that exclude one another meet.  `absent`: what a cell holds that is left out."""
    found: Path | None = None
    for path in paths:
        if path is None or path.guard == FALSE:
            continue
        found = path if found is None else _join(gates, found, path, absent)
    return found


def _join(gates: Gates, a: Path, b: Path, absent: dict[int, Summary]) -> Path:
    choice = a.guard
    if a.cells is b.cells:
        cells = a.cells
    else:
        cells = {}
        for cell in (*a.cells, *(c for c in b.cells if c not in a.cells)):
            default = absent[cell[0]]
            cells[cell] = mux(gates, choice, a.cells.get(cell, default), b.cells.get(cell, default))
    flags = {
        flag: gates.mux(choice, a.flags.get(flag, FALSE), b.flags.get(flag, FALSE))
        for flag in (*a.flags, *(f for f in b.flags if f not in a.flags))
    }
    return Path(
        gates.or_(a.guard, b.guard),
        cells,
        [mux(gates, choice, x, y) for x, y in zip(a.env, b.env, strict=True)],
        mux(gates, choice, a.locks, b.locks),
        mux(gates, choice, a.errno, b.errno),
        mux(gates, choice, a.label, b.label),
        mux(gates, choice, a.faults, b.faults),
        flags,
    )


@dataclass(slots=True)
class Exits:
    """Where paths leave a block: failures, which an `else` or a rollback around it takes, and `stop`."""

    fails: list[Path] = field(default_factory=list)
    stops: list[Path] = field(default_factory=list)


@dataclass(slots=True)
class Ends:
    """How calls end that never come to the end of their text.

    panics, oopses: the paths.  cuts: where the scope was too small.  errors: when the spec itself is wrong (LUO608).
    """

    panics: list[Path] = field(default_factory=list)
    oopses: list[Path] = field(default_factory=list)
    cuts: list[Path] = field(default_factory=list)
    errors: list[Lit] = field(default_factory=list)
