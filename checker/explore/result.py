"""What an exploration found, and how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from luocheck.model.answer import Verdict
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Scope, System, Topology


@dataclass(slots=True)
class Exploration:
    """What an exploration found.

    stopped: a limit that ended it, or None.  ended_early: everything that was looked for had been found (`stop_when_found`), so there
    are states that were not visited.  levels: how many states each level has, over all instances.  never_fired: events and `fail`
    lines that no transition used (only complete explorations say something about the scope).  symmetry: states that a visited one may
    stand for at most, over all instances; 1 when no elements were exchanged.  engine: what searched, interpreter or explore;
    engine_missing: why there was no native engine where `auto` wanted one.  bound: of a bounded search, the most calls of the runs that it
    looked at; it counts no states.  kept_states, kept_transitions: of second searches, in which all
    elements kept their names because liveness asks for that.  liveness_seconds: what deciding liveness took, with those searches.
    """

    system: System
    scope: Scope
    topology: Topology | None
    verdicts: tuple[Verdict, ...] = ()
    states: int = 0
    transitions: int = 0
    depth: int = 0
    instances: int = 0
    stopped: str | None = None
    ended_early: bool = False
    levels: list[int] = field(default_factory=list)
    events_never_fired: tuple[str, ...] = ()
    lines_never_fired: tuple[st.Stmt, ...] = ()
    cuts: dict[str, int] = field(default_factory=dict)
    symmetry: int = 1
    bound: int | None = None
    engine: str = "interpreter"
    engine_missing: str | None = None
    kept_states: int = 0
    kept_transitions: int = 0
    liveness_seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Was every reachable state visited?"""
        return self.stopped is None and not self.ended_early and self.bound is None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an exploration is.

    states: all that were found.  waiting: states of the current instance that are not expanded yet.  levels: sizes of its levels, the one
    that is expanded last.  next_level: states that are found of the level after that.  start, starts: which of how many instances it is
    (None: too many to be counted beforehand).
    """

    states: int
    depth: int
    waiting: int
    levels: tuple[int, ...]
    next_level: int
    start: int
    starts: int | None


Watch = Callable[[Progress], None]
"""Called now and then."""
