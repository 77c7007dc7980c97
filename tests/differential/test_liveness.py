"""Liveness decided by fair components and by dumb search agree, on random automata made for it; a lasso is the fair run that it claims to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import product

import pytest
from differential.agreement import ENGINES, engine, scope_of
from differential.automata import automaton
from differential.checks import check_engines, check_naive, check_symmetry, check_witnesses, explored, loaded
from differential.meaning import Meaning
from differential.naive import Key, Move, State, states_of
from differential.runs import STRONG, Condition, met_by, would_meet
from engine.agreement import QUICK, names_kept

from luocheck.checker.explore.result import Exploration
from luocheck.checker.native import build
from luocheck.model.answer import Verdict
from luocheck.model.instances import Instance, instances
from luocheck.model.ir.system import Property
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.shown import step_of
from luocheck.model.spec import Spec

REFERENCE = next(iter(ENGINES))
MOST_STATES = 400


def check_all(seeds: Iterable[int]) -> Counter[str]:
    """Compares; how often each result was found."""
    results: Counter[str] = Counter()
    for seed in seeds:
        text, scope = automaton(seed)
        spec = loaded(text)
        try:
            with names_kept():
                kept = explored(spec, scope, None, engine(REFERENCE), MOST_STATES)
            if kept.stopped is None:
                check_naive(spec, scope, None, kept, MOST_STATES)
            found = explored(spec, scope, None, engine(REFERENCE), MOST_STATES)
            check_witnesses(spec, found)
            if found.stopped is None:
                check_symmetry(spec, scope, None, engine(REFERENCE), found, MOST_STATES)
            check_lassos(spec, scope, found)
        except Exception as error:
            raise AssertionError(f"automaton {seed}: {error!r}\n{error}\n{text}") from error
        results.update(_kind(v) for v in found.verdicts if v.kind == "liveness")
    return results


def _kind(verdict: Verdict) -> str:
    if verdict.witness is None:
        return verdict.result.value
    return "nothing" if verdict.witness.loop == verdict.witness.calls else "loop"


# ---- lassos -----------------------------------------------------------------------------------------------------


def check_lassos(spec: Spec, scope: str, found: Exploration) -> None:
    """Every lasso owes its goal from some state on, comes back to where its loop begins, and is fair."""
    lassos = [v for v in found.verdicts if v.witness is not None and v.witness.loop is not None]
    if not lassos:
        return
    (instance,) = instances(spec.system, scope_of(spec.system, scope))
    states = states_of(instance)
    for verdict in lassos:
        _check_lasso(verdict, spec.system.claim(verdict.property), instance, states)


def _check_lasso(verdict: Verdict, claim: Property, instance: Instance, states: dict[Key, State]) -> None:
    assert verdict.witness is not None and verdict.witness.loop is not None
    visited, moves = _followed(verdict, instance, states)
    loop = verdict.witness.loop
    assert visited[-1] == visited[loop], "the loop does not close"
    assert any(_owes(claim, about, instance, visited, loop, states) for about in _combinations(claim, instance)), "nothing is owed"
    assumed = dict(claim.assuming)

    def matters(condition: Condition) -> bool:
        if condition[0] in ("made", "ok"):
            return bool(assumed.get(condition[1], False)) if condition[0] == "ok" else condition[1] in assumed
        return True

    able = [_enabled(states[key]) for key in visited[loop:]]
    met = {condition for move in moves[loop:] for condition in met_by(move)}
    for condition in filter(matters, set().union(*able)):
        ever = condition[0] in STRONG
        assert condition in met or not (ever or all(condition in each for each in able)), f"{condition} is not met"


def _followed(verdict: Verdict, instance: Instance, states: dict[Key, State]) -> tuple[list[Key], list[Move]]:
    """The states of a witness, found again by the texts of its calls and what they change; and its moves."""
    assert verdict.witness is not None
    (here,) = (frozenset(store.items()) for store in Machine(instance).initial(instance))
    visited, moves = [here], []
    for step in verdict.witness.steps:
        store = states[here].store
        same = []
        for move in states[here].moves:
            told = step_of(move.event, move.arguments, move.outcome, store, move.resumed)
            if (told.text, told.resumed, told.changes, told.faults) == (step.text, step.resumed, step.changes, step.faults):
                same.append(move)
        assert len({move.target for move in same}) == 1, step.text
        assert same[0].target is not None
        here = same[0].target
        visited.append(here)
        moves.append(same[0])
    return visited, moves


def _combinations(claim: Property, instance: Instance) -> Iterable[tuple[int, ...]]:
    return product(*(range(instance.sizes[local.type.sort.index]) for local in claim.each if isinstance(local.type, ElemT)))


def _owes(
    claim: Property, about: tuple[int, ...], instance: Instance, visited: list[Key], loop: int, states: dict[Key, State]
) -> bool:
    """Does P hold in some state of the run, not after the first of its loop, from which on Q does not?"""
    assert claim.condition is not None and claim.goal is not None
    locals_ = {local.slot: x for local, x in zip(claim.each, about, strict=True)}
    alive = [
        all(
            x in list(states[key].store.elements(local.type.sort))
            for local, x in zip(claim.each, about)
            if isinstance(local.type, ElemT)
        )
        for key in visited
    ]
    meaning = Meaning(())
    p = [alive[i] and meaning.of(claim.condition, states[key].store, locals_) for i, key in enumerate(visited)]
    q = [not alive[i] or meaning.of(claim.goal, states[key].store, locals_) for i, key in enumerate(visited)]
    return any(p[i] and not any(q[i:]) for i in range(loop + 1))


def _enabled(state: State) -> set[Condition]:
    able = {c for m in state.moves if m.target is not None and not m.outcome.faults for c in met_by(m)}
    return able | {c for m in state.cut if not m.outcome.faults for c in would_meet(m)}


# ---- the tests --------------------------------------------------------------------------------------------------


def test_automata() -> None:
    results = check_all(range(150))
    assert min(results[kind] for kind in ("loop", "nothing", "holds", "vacuous")) > 20 and results["unknown"] > 0, results


@pytest.mark.nightly
@pytest.mark.parametrize("hundreds", range(20))
def test_many_automata(hundreds: int) -> None:
    check_all(range(1000 + 300 * hundreds, 1300 + 300 * hundreds))


def test_the_native_engine_tells_the_same_lassos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", QUICK)
    _compare(range(12))


@pytest.mark.nightly
@pytest.mark.parametrize("hundred", range(3))
def test_the_native_engine_tells_many_lassos(hundred: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", QUICK)
    _compare(range(500 + 100 * hundred, 600 + 100 * hundred))


def _compare(seeds: Iterable[int]) -> None:
    for seed in seeds:
        text, scope = automaton(seed)
        try:
            check_engines(loaded(text), scope, None, engine(REFERENCE), engine("explore"), MOST_STATES)
        except Exception as error:
            raise AssertionError(f"automaton {seed}: {error!r}\n{error}\n{text}") from error
