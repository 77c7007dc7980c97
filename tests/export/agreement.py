"""Does SPIN, on the exported model, find what luocheck finds?"""

from __future__ import annotations

from pathlib import Path

from export.spin import Found, spin

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration
from luocheck.checker.export.claims import translated
from luocheck.checker.export.promela import promela
from luocheck.model.answer import Result
from luocheck.model.ir.system import Scope, System, Topology

BEFORE = 1
"""States that SPIN has and luocheck has not: the one before anything was chosen."""

SAID = (Result.FAILS, Result.REACHED)


def said(system: System, found: Exploration) -> frozenset[str]:
    """The claims that are broken, and the goals that are reached, among those that a model decides."""
    names = {claim.name for claim in system.properties if translated(claim)}
    return frozenset(v.property for v in found.verdicts if v.property in names and v.result in SAID)


def agree(
    system: System, scope: Scope, topology: Topology | None, folder: Path, *, most_states: int, engine: str = "auto"
) -> tuple[Exploration, Found] | None:
    """Explores a scope with luocheck and with SPIN and compares claims and states; None when it has more states than that.

    Raises SpecError when the spec cannot be explored or exported, AssertionError when the two differ.
    """
    mine = explore(system, scope, topology, symmetry=False, witnesses=False, engine=engine, limits=Limits(max_states=most_states))
    if mine.stopped is not None:
        return None
    theirs = spin(promela(system, scope, topology, symmetry=False).text, folder)
    assert not theirs.spec_error
    assert said(system, mine) == theirs.said, f"luocheck: {sorted(said(system, mine))}\nSPIN: {sorted(theirs.said)}"
    assert mine.states + BEFORE == theirs.states, f"luocheck: {mine.states} states, SPIN: {theirs.states}"
    return mine, theirs
