"""The benchmark model that other model checkers were measured with: its counts, and its three seeded bugs.

The numbers of the whole model were found by a C program, SPIN, Rumur, CMurphi and TLC alike; so were the depths of the bugs with five
files and three agents.  The other numbers are this project's own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration
from luocheck.model.answer import Result
from luocheck.model.ir.system import Kind
from luocheck.model.spec import load

HERE = Path(__file__).parent


def explored(
    spec: str,
    scope: str,
    topology: str,
    *,
    claim: str | None = None,
    symmetry: bool = False,
    most: int | None = None,
    engine: str = "auto",
) -> Exploration:
    """All claims, or one until it is broken."""
    system = load(str(HERE / f"{spec}.luo")).system
    where = next(s for s in system.scopes if s.name == scope)
    shape = next(t for t in system.topologies if t.name == topology)
    claims = [system.claim(claim)] if claim is not None else None
    limits = Limits(max_states=most)
    return explore(
        system, where, shape, claims=claims, limits=limits, symmetry=symmetry, stop_when_found=claim is not None, engine=engine
    )


def failing(found: Exploration) -> dict[str, int]:
    """Claims that fail, with the number of calls of their witness."""
    return {v.property: v.witness.calls for v in found.verdicts if v.result is Result.FAILS and v.witness is not None}


@pytest.mark.parametrize(("symmetry", "counts"), [(False, (5_013, 12_879, 30, 1)), (True, (2_583, 6_625, 30, 1))])
def test_three_files_two_agents(symmetry: bool, counts: tuple[int, ...]) -> None:
    """The topology fixes the graph, so there is one starting point with and without symmetry; the two agents can be exchanged."""
    found = explored("peers", "three", "star3", symmetry=symmetry)
    assert (found.states, found.transitions, found.depth, found.instances) == counts
    assert failing(found) == {}
    assert {v.result for v in found.verdicts if v.kind == Kind.INVARIANT.value} == {Result.HOLDS}
    assert found.events_never_fired == ()


@pytest.mark.nightly
def test_five_files_two_agents() -> None:
    found = explored("peers", "five", "star5")
    assert (found.states, found.transitions, found.depth) == (122_631, 369_043, 42)
    assert failing(found) == {}


BUGS = [
    ("peers_bug1", {"I1": 14, "I3": 22, "I5": 13}, (12_318, 35_060, 49)),
    ("peers_bug2", {"I2": 11}, (6_942, 18_418, 41)),
    ("peers_bug3", {"I3": 11}, (6_323, 17_637, 30)),
]


@pytest.mark.parametrize(("spec", "calls", "counts"), BUGS)
def test_seeded_bugs_with_three_files(spec: str, calls: dict[str, int], counts: tuple[int, int, int]) -> None:
    """Each bug breaks these claims at these depths, and no other; the counts of the broken models are pinned too."""
    found = explored(spec, "three", "star3")
    assert failing(found) == calls
    assert (found.states, found.transitions, found.depth) == counts


@pytest.mark.nightly
@pytest.mark.parametrize(("spec", "claim", "calls"), [("peers_bug1", "I5", 13), ("peers_bug2", "I2", 11), ("peers_bug3", "I3", 11)])
def test_seeded_bugs_with_five_files_and_three_agents(spec: str, claim: str, calls: int) -> None:
    """The search ends at the level where the claim breaks, which is the shallowest."""
    found = explored(spec, "crowd", "star5", claim=claim, most=150_000)
    assert failing(found) == {claim: calls}
    assert found.stopped is None and found.depth == calls


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("scope", "topology", "counts"),
    [
        ("five", "star5", (122_631, 369_043, 42)),
        ("crowd", "star5", (1_302_453, 4_892_290, 43)),
        ("large", "star6", (10_936_151, 46_898_942, 49)),
    ],
)
def test_the_native_engine_counts_as_the_other_tools_do(scope: str, topology: str, counts: tuple[int, int, int]) -> None:
    found = explored("peers", scope, topology, engine="explore")
    assert (found.states, found.transitions, found.depth) == counts
    assert failing(found) == {}
