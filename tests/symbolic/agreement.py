"""Do a bounded search and an exploration agree, as far as the bound goes?"""

from __future__ import annotations

from dataclasses import replace

from differential.agreement import scope_of, topology_of
from differential.checks import loaded
from differential.specs import RandomSpec

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration
from luocheck.checker.symbolic.bounded.bmc import bounded
from luocheck.checker.symbolic.bounded.unroll import DECIDED
from luocheck.model.answer import Result, Verdict, Witness
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import System
from luocheck.model.ir.vocabulary import ElemT


def disagreements(system: System, bound: Exploration, found: Exploration) -> list[str]:
    """What a bounded search says that a complete exploration of the same scope contradicts."""
    assert bound.bound is not None and found.complete
    out = []
    for mine, theirs in zip(bound.verdicts, found.verdicts, strict=True):
        kind = system.claim(mine.property).kind
        if mine.property == "lock_order":
            agree = mine.result is theirs.result
        elif kind not in DECIDED:
            agree = mine.result is Result.UNKNOWN
        elif theirs.witness is not None and theirs.witness.calls <= bound.bound:
            agree = mine.result is theirs.result and same_size(system, mine.witness, theirs.witness)
        else:
            agree = mine.witness is None and _open(mine, theirs, bound.bound > found.depth)
        if not agree:
            out.append(f"{mine.property}: {mine.text} {measure(system, mine.witness)}, explored {theirs.text}")
            out[-1] += f" {measure(system, theirs.witness)}"
    return out


def _open(mine: Verdict, theirs: Verdict, everything: bool) -> bool:
    """Does a verdict without a witness fit?  `everything`: every state was met within the bound."""
    if theirs.result is Result.VACUOUS:
        return mine.result is Result.UNKNOWN
    if everything or mine.result in (Result.UNREACHED,):
        return mine.result is theirs.result or theirs.result is Result.REACHED
    return mine.result in (Result.HOLDS, Result.UNKNOWN)


def measure(system: System, witness: Witness | None) -> tuple[tuple[int, int, int], range] | None:
    """Calls, faults and edges; and how many elements that are minimised it can name.

    A bad argument (`bad_fd(f)`) is shown as bad and not as the element that it is, which may be one of the others or one more.
    """
    if witness is None:
        return None
    named: set[str] = set()
    bad = 0
    for step in witness.steps:
        event = system.event(step.event)
        predicates = {each.name for each in event.predicates}
        given = [*zip((p.type for p in event.parameters), (value for _, value in step.arguments))]
        if step.gives is not None and step.outcome == "OK" and event.result is not None:
            given.append((event.result.type, step.gives[1]))
        for type_, value in given:
            if isinstance(type_, ElemT) and not type_.sort.pool and value in predicates:
                bad += 1
            elif isinstance(type_, ElemT) and not type_.sort.pool and value != "none":
                named.add(value)
    least = max(len(named), min(bad, 1))
    return (witness.calls, witness.faults, len(witness.graph)), range(least, len(named) + bad + 1)


def same_size(system: System, mine: Witness | None, theirs: Witness | None) -> bool:
    """Are two witnesses equally small?"""
    one, other = measure(system, mine), measure(system, theirs)
    if one is None or other is None:
        return one is other
    return one[0] == other[0] and bool(set(one[1]) & set(other[1]))


def compared(drawn: RandomSpec, depth: int, most_states: int) -> tuple[int, list[str]]:
    """A random spec, in its scope without cutting calls, searched in both ways: claims that were broken or reached, and disagreements.

    A spec that is wrong in some state is refused by the exploration; a bounded search that meets such a state says the same.
    """
    try:
        system = loaded(drawn.text).system
    except SpecError:
        return 0, []
    scope = replace(scope_of(system, drawn.scope), stepwise=frozenset())
    topology = topology_of(system, drawn.topology)
    limits = Limits(max_states=most_states)
    code: str | None = None
    try:
        found = explore(system, scope, topology, engine="interpreter", limits=limits)
    except SpecError as error:
        code = error.diagnostics[0].code
    try:
        bound = bounded(system, scope, topology, depth=depth)
    except SpecError as error:
        mine = error.diagnostics[0].code
        assert mine in ("LUO501", code), f"LUO501 or {code}, and not {mine}"
        return 0, []
    assert bound.stopped is None and not [v for v in bound.verdicts if "defect" in v.note]
    if code is not None or found.stopped is not None or bound.bound is None:
        return 0, []
    return sum(v.witness is not None for v in bound.verdicts), disagreements(system, bound, found)
