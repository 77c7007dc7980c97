"""Do two ways of exploring a spec find the same?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Exploration
from luocheck.model.answer import Verdict, Witness
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.spec import Spec

Explore = Callable[..., Exploration]
"""Something with the signature of `explore`."""

ENGINES: dict[str, Explore] = {"interpreter": partial(explore, engine="interpreter"), "explore": partial(explore, engine="explore")}
"""Every engine there is, by name: the one place to add another.  The first is the reference."""


@dataclass(frozen=True)
class Difference:
    """The first thing in which two explorations differ."""

    what: str
    left: Any
    right: Any

    def __str__(self) -> str:
        return f"{self.what}\n    left:  {self.left}\n    right: {self.right}"


def scope_of(system: System, name: str) -> Scope:
    return next(scope for scope in system.scopes if scope.name == name)


def topology_of(system: System, name: str | None) -> Topology | None:
    return next(each for each in system.topologies if each.name == name) if name is not None else None


def compare(
    spec: Spec, scope: str, left: Explore, right: Explore, topology: str | None = None, **options: Any
) -> Difference | None:
    """Explores one scope of a spec in two ways; the first difference, or None when they agree in everything.

    options go to both: limits, witnesses, stop_when_found.
    """
    system = spec.system
    where, shape = scope_of(system, scope), topology_of(system, topology)
    return difference(left(system, where, shape, **options), right(system, where, shape, **options))


def difference(left: Exploration, right: Exploration) -> Difference | None:
    """The first difference of two explorations of the same system, or of systems that mean the same."""
    return first_difference(facts(left), facts(right))


def first_difference(left: Iterator[tuple[str, Any]], right: Iterator[tuple[str, Any]]) -> Difference | None:
    for (what, mine), (other, theirs) in zip(left, right, strict=True):
        assert what == other, (what, other)
        if mine != theirs:
            return Difference(what, mine, theirs)
    return None


def facts(found: Exploration) -> Iterator[tuple[str, Any]]:
    """What an exploration found, one named fact after the other, the simple ones first."""
    yield "stopped", found.stopped
    yield "ended early", found.ended_early
    yield "instances", found.instances
    yield "states", found.states
    yield "levels", found.levels
    yield "depth", found.depth
    yield "transitions", found.transitions
    yield "cuts", found.cuts
    yield "events that never fired", found.events_never_fired
    yield "lines that never fired", [line.span.text for line in found.lines_never_fired]
    yield "claims", [verdict.property for verdict in found.verdicts]
    for verdict in found.verdicts:
        yield from _verdict(verdict)


def _verdict(verdict: Verdict) -> Iterator[tuple[str, Any]]:
    name = verdict.property
    yield f"result of {name}", verdict.result.value
    yield f"note of {name}", verdict.note
    yield f"is there a witness of {name}?", verdict.witness is not None
    yield f"measure of the witness of {name} (calls, faults, elements, edges)", measure(verdict.witness)
    yield f"what is minimal in the witness of {name}", verdict.witness.minimal if verdict.witness is not None else ()


def measure(witness: Witness | None) -> tuple[int, int, int, int] | None:
    """Calls, faults, elements that the calls name, and edges."""
    if witness is None:
        return None
    named = {value for step in witness.steps for _, value in step.arguments}
    named |= {step.gives[1] for step in witness.steps if step.gives is not None}
    elements = {name for name, _ in witness.elements} & named
    return witness.calls, witness.faults, len(elements), len(witness.graph)


def engine(name: str) -> Explore:
    """An engine by its name."""
    return ENGINES[name]


def without_symmetry(explore_: Explore) -> Explore:
    return partial(explore_, symmetry=False)
