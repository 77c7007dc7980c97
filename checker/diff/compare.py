"""Comparing two specs: what they declare, what holds, and what user space can tell apart."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from luocheck.checker.diff.behaviour import Comparison, Direction
from luocheck.checker.diff.declarations import Declared, declarations
from luocheck.checker.diff.pairing import Pairing, pair
from luocheck.checker.diff.setups import atomic, scope_for
from luocheck.checker.diff.verdicts import WORSE, Compared, compared, dead_events, dead_texts, lost_reachable
from luocheck.checker.expectations import default_scope
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration, Progress
from luocheck.checker.selection import scope_named
from luocheck.model.ir.system import Scope, System
from luocheck.model.spec import Spec

Watch = Callable[[str, Progress], None]
"""Called now and then with the name of the spec that is explored, and how far that is."""

Note = Callable[[str], None]
"""Called now and then while sequences are compared, with how far that is."""

DEPTH = 6
"""Calls of the longest sequences that are compared, unless another number is asked for."""


@dataclass(frozen=True, slots=True)
class DiffAnswer:
    """What `diff` found.

    scope: of the old spec; new_scope: the same sizes for the new one.  lost_reachable: goals that the old spec reaches and the new one does
    not; dead_events: that fire in the old spec and never in the new one; dead_lines: what else never fires in the new one, unless it is as
    dead in the old one.  forward: what the old spec can do and the new one cannot; backward: the other way round.  left_out: what was not compared.  stopped: the first limit that was met.
    """

    old: Spec = field(repr=False)
    new: Spec = field(repr=False)
    scope: Scope
    new_scope: Scope
    declarations: tuple[Declared, ...]
    claims: tuple[Compared, ...]
    lost_reachable: tuple[str, ...]
    dead_events: tuple[str, ...]
    dead_lines: tuple[str, ...]
    forward: Direction
    backward: Direction
    left_out: tuple[str, ...]
    depth: int | None
    stopped: str | None
    seconds: float

    @property
    def worse(self) -> tuple[Compared, ...]:
        """The claims that the new spec breaks or loses."""
        return tuple(each for each in self.claims if each.change in WORSE)

    @property
    def verdict(self) -> str:
        """`worse` when the new spec breaks or loses something, `undecided` when a limit left something open, else `no-worse`."""
        if self.worse or self.lost_reachable or self.dead_events:
            return "worse"
        open_ = any(each.waits for each in self.claims) or not (self.forward.decided and self.backward.decided)
        return "undecided" if open_ or self.stopped is not None else "no-worse"

    @property
    def exit_status(self) -> int:
        """0 nothing is worse, 1 something is, 3 undecided."""
        return {"no-worse": 0, "worse": 1, "undecided": 3}[self.verdict]


def diff(
    old: Spec,
    new: Spec,
    *,
    scope: str | None = None,
    maps: Sequence[str] = (),
    depth: int | None = DEPTH,
    limits: Limits | None = None,
    progress: Watch | None = None,
    note: Note | None = None,
) -> DiffAnswer:
    """Compares two specs in one scope of the old one: the first, the one that `scope` names, or the first with other sizes (`File=3`).

    maps: `OLD=NEW` for events and claims that belong together and have different names.  depth: visible calls of the longest sequences
    that are compared, None for all.  Raises SpecError: LUO603 for an unknown name, LUO219 and LUO606 for a scope that cannot be explored,
    LUO604 where the old spec declares no scope, LUO605 for a claim that reads through `none`, LUO609 for a mapping that makes no sense.
    """
    started = time.monotonic()
    limits = limits or Limits()
    pairing = pair(old.system, new.system, maps)
    events, claims = dict(pairing.events), dict(pairing.claims)
    chosen = scope_named(old.system, scope) if scope is not None else default_scope(old.system)
    there = scope_for(new.system, chosen, new.system.scopes[0] if new.system.scopes else chosen)
    differences = declarations(old, new, events, claims)
    here, beyond = atomic(chosen), atomic(there)
    forward = Comparison(old.system, new.system, here, beyond, pairing).compare(_part(limits, 1), depth, note)
    backward = Comparison(new.system, old.system, beyond, here, pairing.swapped()).compare(_part(limits, 2), depth, note)
    before = _explored(old.system, chosen, _part(limits, 3), progress)
    after = _explored(new.system, there, limits, progress)
    verdicts = compared(before, after, claims, differences)
    stopped = next((each.stopped for each in (before, after, forward, backward) if each.stopped is not None), None)
    return DiffAnswer(
        old,
        new,
        chosen,
        there,
        differences,
        verdicts,
        lost_reachable(verdicts),
        dead_events(before, after, events) if after.complete else (),
        dead_texts(before, after, events) if after.complete else (),
        forward,
        backward,
        _left_out(pairing, chosen, there, forward, backward, old.system, new.system),
        depth,
        stopped,
        time.monotonic() - started,
    )


def _explored(system: System, scope: Scope, limits: Limits, progress: Watch | None) -> Exploration:
    tell = (lambda reached: progress(system.name, reached)) if progress is not None else None
    return explore(system, scope, limits=limits, progress=tell)


def _part(limits: Limits, quarters: int) -> Limits:
    """The limits of one of four searches: it may go on until so many quarters of the time are over."""
    return replace(limits, timeout=limits.timeout * quarters / 4) if limits.timeout is not None else limits


def _left_out(
    pairing: Pairing, scope: Scope, there: Scope, forward: Direction, backward: Direction, old: System, new: System
) -> tuple[str, ...]:
    found = list(pairing.left_out)
    for name, other, direction in ((old.name, new.name, forward), (new.name, old.name, backward)):
        if direction.unmatched:
            found.append(f"{direction.unmatched} starting points of {name} that {other} does not have")
    if scope.stepwise or there.stepwise:
        found.append("calls that overlap: sequences are of calls that end before the next one begins")
    return tuple(found)
