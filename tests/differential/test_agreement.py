"""One meaning: whatever explores, writes, replays or rewrites a spec agrees with the rest about what it says, for random specs.

A failing test prints the text; `reduction.reduced` makes it smaller, and `python -m differential.specs SEED` in tests/ shows it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from differential.agreement import ENGINES, engine, scope_of, topology_of
from differential.checks import (
    check_engines,
    check_flat,
    check_format,
    check_naive,
    check_symmetry,
    check_witnesses,
    explored,
    loaded,
)
from differential.derived import derived_text
from differential.specs import RandomSpec, random_spec
from engine.agreement import QUICK, assert_threads_change_nothing, names_kept

from luocheck.checker.explore.result import Exploration
from luocheck.checker.native import build
from luocheck.checker.native.refusal import Refused
from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import Spec

REFERENCE = next(iter(ENGINES))
MOST_STATES = 150
NIGHTLY_STATES = 2000

Check = Callable[[RandomSpec, Spec, Exploration, int, Path], None]


def _naive(drawn: RandomSpec, spec: Spec, found: Exploration, most_states: int, where: Path) -> None:
    with names_kept():
        found = explored(spec, drawn.scope, drawn.topology, engine(REFERENCE), most_states)
    if found.stopped is None:
        check_naive(spec, drawn.scope, drawn.topology, found, most_states)


def _symmetry(drawn: RandomSpec, spec: Spec, found: Exploration, most_states: int, where: Path) -> None:
    if found.stopped is None:
        check_symmetry(spec, drawn.scope, drawn.topology, engine(REFERENCE), found, most_states)


def _witnesses(drawn: RandomSpec, spec: Spec, found: Exploration, most_states: int, where: Path) -> None:
    check_witnesses(spec, found)


def _format(drawn: RandomSpec, spec: Spec, found: Exploration, most_states: int, where: Path) -> None:
    if found.stopped is None:
        check_format(drawn.text, drawn.scope, drawn.topology, engine(REFERENCE), found, most_states)


def _flat(drawn: RandomSpec, spec: Spec, found: Exploration, most_states: int, where: Path) -> None:
    derived = derived_text(drawn, drawn.seed)
    try:
        check_flat(drawn.text, derived, drawn.scope, drawn.topology, engine(REFERENCE), where, most_states)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{derived}") from error


CHECKS: dict[str, tuple[Check, int]] = {
    "naive": (_naive, 60),
    "symmetry": (_symmetry, 60),
    "witnesses": (_witnesses, 60),
    "format": (_format, 25),
    "flat": (_flat, 25),
}
"""Each check with the number of specs that the default run gives it."""


def check_all(seeds: Iterable[int], checks: Iterable[Check], most_states: int, where: Path) -> int:
    """Runs checks on specs; how many specs were accepted.  A failure says the text."""
    accepted = 0
    for seed in seeds:
        drawn = random_spec(seed)
        try:
            spec = loaded(drawn.text)
        except SpecError:
            continue  # test_specs.py says how many may be refused
        accepted += 1
        for check in checks:
            try:
                check(drawn, spec, explored(spec, drawn.scope, drawn.topology, engine(REFERENCE), most_states), most_states, where)
            except Exception as error:
                raise AssertionError(f"{error!r}\n{error}\n{drawn!r}") from error
    return accepted


@pytest.mark.parametrize("name", CHECKS)
def test_agreement(name: str, tmp_path: Path) -> None:
    check, count = CHECKS[name]
    assert check_all(range(count), [check], MOST_STATES, tmp_path) > 0.9 * count


@pytest.mark.nightly
@pytest.mark.parametrize("hundred", range(10, 22))
def test_agreement_of_many(hundred: int, tmp_path: Path) -> None:
    checks = [check for check, _ in CHECKS.values()]
    assert check_all(range(100 * hundred, 100 * hundred + 100), checks, NIGHTLY_STATES, tmp_path) > 90


def check_engine(name: str, seeds: Iterable[int], most_states: int) -> None:
    for seed in seeds:
        drawn = random_spec(seed)
        try:
            spec = loaded(drawn.text)
        except SpecError:
            continue
        try:
            check_engines(spec, drawn.scope, drawn.topology, engine(REFERENCE), engine(name), most_states)
        except Exception as error:
            raise AssertionError(f"{REFERENCE} and {name}: {error!r}\n{error}\n{drawn!r}") from error


@pytest.mark.parametrize("name", ENGINES)
def test_engines_agree(name: str) -> None:
    """The reference with itself shows that it is deterministic; each other one, that it means the same."""
    check_engine(name, range(200, 240), MOST_STATES)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize("hundred", range(30, 42))
def test_engines_agree_about_many(name: str, hundred: int) -> None:
    check_engine(name, range(100 * hundred, 100 * hundred + 100), NIGHTLY_STATES)


def check_threads(seeds: Iterable[int], most_states: int) -> int:
    """How many specs the native engine searched with one thread and with more."""
    searched = 0
    for seed in seeds:
        drawn = random_spec(seed)
        try:
            system = loaded(drawn.text).system
            assert_threads_change_nothing(system, scope_of(system, drawn.scope), topology_of(system, drawn.topology), most_states)
        except (SpecError, Refused):
            continue
        except Exception as error:
            raise AssertionError(f"{error!r}\n{error}\n{drawn!r}") from error
        searched += 1
    return searched


def test_threads_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", QUICK)
    assert check_threads(range(240, 270), MOST_STATES) > 20


@pytest.mark.nightly
@pytest.mark.parametrize("hundred", range(42, 48))
def test_threads_agree_about_many(hundred: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", QUICK)
    assert check_threads(range(100 * hundred, 100 * hundred + 100), NIGHTLY_STATES) > 70
