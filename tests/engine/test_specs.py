"""On every spec of the project, in every scope and topology: the native engine and the interpreter come to the same, and so do its threads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from engine.agreement import QUICK, assert_same, assert_threads_change_nothing

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.native import build
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.library import shipped
from luocheck.model.spec import load

TESTS = Path(__file__).parents[1]
SPECS = [
    "rfc_v2",
    "linux_7_3",
    "intent",
    *(
        str(path.relative_to(TESTS))
        for path in sorted([*(TESTS / "specs").glob("*.luo"), *(TESTS / "specs" / "drafts").glob("*.luo")])
    ),
]
OTHERS = [
    "v1",
    "v3",
    "v4",
    "linux_6_19",
    "linux_7_0",
    "linux_7_1",
    "luofs",
    "deps_none",
    "deps_preserve",
    "deps_freeze",
    "deps_both",
]
"""The rest of the library: first scopes every day, all of them nightly."""
FEW, SOME, MANY = 250, 1_000, 20_000


def named(spec: str) -> str:
    return str(TESTS / spec) if spec.endswith(".luo") else spec


def places(specs: Sequence[str] = SPECS) -> list[tuple[str, str, str | None]]:
    """Every scope of every spec, and every topology in the first scope."""
    found: list[tuple[str, str, str | None]] = []
    for spec in specs:
        system = load(named(spec)).system
        found += [(spec, scope.name, None) for scope in system.scopes]
        found += [(spec, system.scopes[0].name, topology.name) for topology in system.topologies]
    return found


def place(spec: str, scope: str, topology: str | None) -> tuple[System, Scope, Topology | None]:
    system = load(named(spec)).system
    where = next(s for s in system.scopes if s.name == scope)
    return system, where, next((t for t in system.topologies if t.name == topology), None)


def compare(spec: str, scope: str, topology: str | None, most: int, early: bool) -> None:
    system, where, shape = place(spec, scope, topology)
    one, other = (
        explore(system, where, shape, limits=Limits(max_states=most), engine=engine, stop_when_found=early)
        for engine in ("interpreter", "explore")
    )
    assert_same(one, other)


@pytest.mark.parametrize(("spec", "scope", "topology"), places())
def test_the_engines_agree_at_the_beginning(spec: str, scope: str, topology: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few hundred states: also where the limit stops both is the same."""
    monkeypatch.setattr(build, "FLAGS", QUICK)
    compare(spec, scope, topology, FEW, early=False)


def test_no_shipped_spec_is_left_out() -> None:
    assert {*SPECS, *OTHERS} >= set(shipped())


@pytest.mark.parametrize("spec", OTHERS)
def test_the_engines_agree_at_the_beginning_of_the_others(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", QUICK)
    compare(spec, load(spec).system.scopes[0].name, None, FEW, early=False)


@pytest.mark.nightly
@pytest.mark.parametrize(("spec", "scope", "topology"), places(OTHERS))
def test_the_engines_agree_on_the_others(spec: str, scope: str, topology: str | None) -> None:
    compare(spec, scope, topology, MANY, early=False)


@pytest.mark.nightly
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(("spec", "scope", "topology"), places())
def test_the_engines_agree(spec: str, scope: str, topology: str | None, early: bool) -> None:
    compare(spec, scope, topology, MANY, early)


@pytest.mark.parametrize("most", [SOME, pytest.param(MANY, marks=pytest.mark.nightly)])
@pytest.mark.parametrize(("spec", "scope", "topology"), places())
def test_threads_change_nothing(spec: str, scope: str, topology: str | None, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the limit stops them, in the middle of a level."""
    monkeypatch.setattr(build, "FLAGS", QUICK)
    assert_threads_change_nothing(*place(spec, scope, topology), most)
