"""Every counterexample and every goal that an exploration finds, written as a scenario, is accepted and shows the same claim."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration
from luocheck.checker.scenarios import replay
from luocheck.model.answer import Result, Verdict
from luocheck.model.instances import instances
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.scenario.write import scenario_text
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load

ROOT = Path(__file__).parents[2]
SPECS = sorted([*ROOT.glob("specs/*.luo"), *ROOT.glob("tests/specs/**/*.luo"), *ROOT.glob("tests/scenario/small/*.luo")])

NEAR = ("linux_7_0", "linux_7_1", "v1", "v4")
"""Specs that are much like another one of their series, so that they wait for the night."""
EACH = [
    pytest.param(path, marks=pytest.mark.nightly if path.parent == ROOT / "specs" and path.stem in NEAR else ()) for path in SPECS
]

MOST_STATES = 9_000
"""Where a first scope has more states, what is found among the first ones is replayed, and the smallest scope is explored too."""


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def explored(path: Path) -> tuple[Spec, list[Exploration]]:
    """A spec, and what exploring it found."""
    spec = load(str(path))
    return spec, _explorations(spec.system)


def _explorations(system: System) -> list[Exploration]:
    first = explore(system, system.scopes[0], limits=Limits(max_states=MOST_STATES))
    smallest = min(system.scopes, key=lambda scope: sum(size for _, size in scope.sizes))
    if first.stopped is None or smallest is system.scopes[0]:
        return [first]
    return [first, explore(system, smallest, limits=Limits(max_states=MOST_STATES))]


def check(spec: Spec, found: Exploration, verdict: Verdict) -> None:
    witness = verdict.witness
    assert witness is not None
    text = scenario_text(witness, verdict, f"{verdict.property} {verdict.text}")
    (scenario,) = load_scenarios(spec, Source("witness.scenario", text))
    result = replay(spec, scenario)
    assert result.accepted, f"{text}\n{result.undecided}{result.diagnostic}"
    if witness.loop is not None:  # it shows a run, and leaves the claim open
        assert len(result.steps) == len(witness.steps)
        return
    goal = "reaches" if verdict.result is Result.REACHED else "violates"
    assert result.steps[-1].text == f"{goal} {verdict.property}"
    assert len(result.steps) == len(witness.steps) + 1
    if found.complete and witness.steps and not witness.stepwise and verdict.property != "lock_order":
        # no run with one call less shows it, so the scenario without its last call must be refused
        lines = text.splitlines()
        shorter = "\n".join([*lines[:-3], *lines[-2:]])
        (scenario,) = load_scenarios(spec, Source("shorter.scenario", shorter))
        assert not replay(spec, scenario).accepted, shorter


@pytest.mark.parametrize("path", EACH, ids=name_of)
def test_every_witness_replays(path: Path) -> None:
    spec, explorations = explored(path)
    for found in explorations:
        for verdict in found.verdicts:
            if verdict.witness is not None:
                check(spec, found, verdict)


def can_be_enumerated(system: System, scope: Scope, topology: Topology | None) -> bool:
    return next(iter(instances(system, scope, topology)), None) is not None


@pytest.mark.nightly
@pytest.mark.parametrize("path", SPECS, ids=name_of)
def test_every_witness_of_every_scope_and_topology_replays(path: Path) -> None:
    spec = load(str(path))
    system = spec.system
    where: list[tuple[Scope, Topology | None]] = [(scope, None) for scope in system.scopes]
    where += [(system.scopes[0], topology) for topology in system.topologies]
    for scope, topology in where:
        if can_be_enumerated(system, scope, topology):
            found = explore(system, scope, topology, limits=Limits(max_states=10 * MOST_STATES))
            for verdict in found.verdicts:
                if verdict.witness is not None:
                    check(spec, found, verdict)


@pytest.mark.parametrize("path", EACH, ids=name_of)
def test_the_scenarios_of_the_specs_are_accepted(path: Path) -> None:
    spec = load(str(path))
    for scenario in spec.scenarios:
        result = replay(spec, scenario)
        assert result.accepted, f"{scenario.title}: {result.undecided}{result.diagnostic}"


def test_the_small_specs_break_every_kind_of_claim() -> None:
    """Guards the test above: what it is about must be there."""
    kinds: set[str] = set()
    for path in sorted(ROOT.glob("tests/scenario/small/*.luo")):
        for found in explored(path)[1]:
            kinds |= {verdict.kind for verdict in found.verdicts if verdict.witness is not None}
    assert kinds == {"invariant", "lemma", "after", "assert", "never", "recoverable", "stuck", "built-in", "reachable"}
