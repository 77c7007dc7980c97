"""Every line of `intent` deleted once: what is proved of the rest is not false beyond the sizes that the proof looked at."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import pytest
from mutation.delete_lines import Deletion, deletions, system_of, tree_of, without

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.proving import prove
from luocheck.model.answer import Result
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import Scope, System
from luocheck.model.spec import load

PROMISES = ("finish_leaves_nothing", "cancel_restores", "dead_agents_own_nothing", "frozen_needs_frozen")
BEYOND = Scope("beyond", (("Agent", 2), ("File", 4), ("Token", 4)), frozenset())


def mutant(deletion: Deletion) -> System | None:
    try:
        return system_of(without(tree_of("intent"), deletion.path), behaviour_only=True)
    except SpecError:
        return None


def judged(deletion: Deletion) -> dict[str, str]:
    """What became of each promise: `fails`, `proved`, `not proved`, or `WRONG` when a proof is contradicted."""
    system = mutant(deletion)
    if system is None:
        return {}
    spec = load("intent")
    answer = prove(replace(spec, system=system), properties=PROMISES, limits=Limits(None, 240))
    found: dict[str, str] = {}
    for verdict in answer.verdicts:
        found[verdict.property] = {Result.FAILS: "fails", Result.PROVED: "proved"}.get(verdict.result, "not proved")
        if verdict.result is Result.PROVED:
            claim = system.claim(verdict.property)
            beyond = explore(system, BEYOND, claims=[claim], limits=Limits(60_000), witnesses=False)
            if beyond.verdicts[0].result is Result.FAILS:
                found[verdict.property] = "WRONG"
    return found


def tally(every: list[Deletion]) -> dict[str, int]:
    counts = {"fails": 0, "proved": 0, "not proved": 0, "WRONG": 0}
    with ProcessPoolExecutor(2) as pool:
        for deletion, found in zip(every, pool.map(judged, every), strict=True):
            for name, result in found.items():
                counts[result] += 1
                if result in ("WRONG", "not proved"):
                    print(f"{result}: {name} without line {deletion.line}: {deletion.text}")
    return counts


def test_a_deleted_guard_is_never_proved_away() -> None:
    """The two guards that one promise each depends on."""
    for place, text, broken in (
        ("freeze_files", "fail ENOENT when f.stage == REGISTERED", "frozen_needs_frozen"),
        ("put", "f.token = none", "finish_leaves_nothing"),
    ):
        (deletion,) = [d for d in deletions(tree_of("intent")) if text in d.text and d.place.endswith(place)]
        system = mutant(deletion)
        assert system is not None
        spec = load("intent")
        (verdict,) = prove(replace(spec, system=system), properties=[broken]).verdicts
        assert verdict.result is Result.FAILS and verdict.witness is not None, (place, verdict)


@pytest.mark.nightly
def test_every_mutant_has_a_trace_or_a_proof_that_is_not_contradicted() -> None:
    counts = tally(deletions(tree_of("intent")))
    print(counts)
    assert counts["WRONG"] == 0 and counts["not proved"] == 0
    assert counts["fails"] > 10 and counts["proved"] > 100
