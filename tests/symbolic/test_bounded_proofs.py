"""`prove --bounded` proves nothing that exploration refutes, and says of what it cannot prove what it knows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from differential.agreement import scope_of, topology_of
from differential.checks import loaded
from differential.specs import random_spec

import luocheck
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.symbolic.bounded import anywhere, induction
from luocheck.checker.symbolic.bounded import prove as bounded_prove
from luocheck.checker.symbolic.bounded.gates import Gates
from luocheck.checker.symbolic.bounded.induction import Induction
from luocheck.checker.symbolic.bounded.prove import BoundedProofs, prove_bounded
from luocheck.checker.symbolic.bounded.spacer import Spacer
from luocheck.checker.symbolic.bounded.unroll import Unrolling
from luocheck.model.answer import Result
from luocheck.model.diagnostics import SpecError
from luocheck.model.instances import instances
from luocheck.model.ir.system import System
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load_source

TRAYS = Path(__file__).parents[2] / "docs" / "examples" / "trays.luo"
LEMMA = "lemma full_is_locked: all t: Tray | t.full == t.locked;"


def proofs(answer: BoundedProofs) -> dict[str, str]:
    return {proof.verdict.property: proof.verdict.text for proof in answer.proofs}


def refuted(system: System, answer: BoundedProofs) -> list[str]:
    """Claims that were called proved, and that exploration finds broken."""
    found = explore(system, answer.scope, answer.topology)
    assert found.complete
    results = {verdict.property: verdict.result for verdict in found.verdicts}
    proved = [proof.verdict.property for proof in answer.proofs if proof.verdict.result is Result.PROVED]
    return [name for name in proved if results[name] not in (Result.HOLDS, Result.VACUOUS)]


# ---- the example of the documentation -------------------------------------------------------------------------------


def with_text(more: str) -> Spec:
    return load_source(Source("trays.luo", TRAYS.read_text(encoding="utf-8") + more))


def without_spacer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_prove, "SPACER", 0.0)


def test_a_lemma_makes_it_inductive(monkeypatch: pytest.MonkeyPatch) -> None:
    without_spacer(monkeypatch)
    alone = prove_bounded(with_text(""))
    texts = proofs(alone)
    assert texts["nothing_lost"] == "unknown (not proved)" and texts["open_again"] == "FAILS (3 calls)"
    assert texts["filled"] == "proved (1-induction)"
    helped = prove_bounded(with_text(LEMMA))
    assert proofs(helped)["nothing_lost"] == "proved (1-induction)"
    (proof,) = [p for p in helped.proofs if p.verdict.property == "nothing_lost"]
    assert "full_is_locked" in proof.certificate
    assert alone.exit_status == 3 and helped.exit_status == 0


def test_the_page_shows_that_lemma() -> None:
    page = (TRAYS.parents[1] / "bounded.md").read_text(encoding="utf-8")
    assert LEMMA in page and "examples/trays.luo" in page


def test_what_induction_trips_over_is_small_and_no_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    without_spacer(monkeypatch)
    answer = prove_bounded(with_text(""), properties=["nothing_lost"])
    (proof,) = answer.proofs
    obstacle = proof.obstacle
    assert obstacle is not None and proof.verdict.witness is None and obstacle.reachable is False
    assert len(obstacle.state) == 1 and "full" in obstacle.state[0]
    (step,) = obstacle.witness.steps
    assert step.event == "DROP" and step.outcome == "OK"
    assert [clause.sentence for clause in obstacle.witness.clauses] != []


def test_a_reachable_state_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The violation is deeper than what is searched, so only the step is known."""
    without_spacer(monkeypatch)
    text = "spec deep; scope one { } volatile var n: count(31) = 0; env UP { require n < 30; n = n + 1; } invariant low: n < 29;"
    (proof,) = prove_bounded(load_source(Source("deep.luo", text)), properties=["low"]).proofs
    assert proof.verdict.result is Result.UNKNOWN and proof.obstacle is not None
    assert proof.obstacle.state == ("n = 28",) and proof.obstacle.reachable is True


def test_two_calls_may_be_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leads to 4, from which one call would break the claim."""
    without_spacer(monkeypatch)
    text = "spec k; scope one { } volatile var n: count(5) = 0; invariant low: n != 5;"
    text += "env GO { if n == 4 { n = 5; } else { if n == 0 { n = 1; } else { n = 0; } } }"
    assert proofs(prove_bounded(load_source(Source("k.luo", text)), properties=["low"])) == {"low": "proved (2-induction)"}


def test_spacer_finds_the_lemma_itself() -> None:
    answer = prove_bounded(with_text(""), properties=["nothing_lost"])
    assert proofs(answer)["nothing_lost"] == "proved (property directed reachability)"
    assert "checked again" in answer.proofs[0].certificate[0]


def test_a_wrong_invariant_of_spacer_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    import z3

    monkeypatch.setattr(Spacer, "_search", lambda self, step, bad, limits: z3.BoolVal(True, self.context))
    answer = prove_bounded(with_text(""), properties=["nothing_lost"])
    assert proofs(answer)["nothing_lost"] == "unknown (not proved)"


def test_a_solver_that_fails_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What z3 raises while it makes a question is no crash: the claim is not proved, and the others are."""
    import z3

    def fails(*arguments: Any) -> None:
        raise z3.Z3Exception("canceled")

    monkeypatch.setattr(z3, "substitute_vars", fails)
    texts = proofs(prove_bounded(with_text("")))
    assert texts["nothing_lost"] == "unknown (not proved)" and texts["filled"] == "proved (1-induction)"


def test_a_question_that_was_given_up_leaves_the_context_as_it_was() -> None:
    import z3

    from luocheck.checker.symbolic.watched import watched

    context, looks = z3.Context(), iter(range(3))
    solver = z3.SolverFor("QF_FD", ctx=context)
    holes = [[z3.Bool(f"{pigeon} in {hole}", context) for hole in range(12)] for pigeon in range(13)]
    solver.add(*(z3.Or(each) for each in holes))
    solver.add(*(z3.Not(z3.And(holes[a][hole], holes[b][hole])) for hole in range(12) for a in range(13) for b in range(a)))
    with pytest.raises(StopIteration):
        watched(context, solver.check, lambda: next(looks) and None)
    assert watched(context, z3.Solver(ctx=context).check, lambda: None) == z3.sat


# ---- nothing false is proved ----------------------------------------------------------------------------------------


SOME = ("failed_freeze_stays", "kho_agrees", "finish_moves", "token_is_new", "failed_prepare_stays", "finish_releases_memory")


def test_some_of_rfc_v2() -> None:
    spec = luocheck.load("rfc_v2")
    answer = prove_bounded(spec, properties=SOME, limits=Limits(timeout=60))
    assert refuted(spec.system, answer) == []
    assert sum(proof.verdict.result is Result.PROVED for proof in answer.proofs) >= 3
    assert all(proof.verdict.as_expected is not False for proof in answer.proofs)


def test_induction_alone_proves_no_failing_claim_of_rfc_v2() -> None:
    """Also when no counterexample was looked for beforehand."""
    spec = luocheck.load("rfc_v2")
    scope = spec.system.scopes[0]
    fails = [v.property for v in explore(spec.system, scope).verdicts if v.result is Result.FAILS]
    claims = [claim for claim in spec.system.properties if claim.name in fails and claim.kind in bounded_prove.PROVABLE]
    assert len(claims) > 20
    made = Induction(Unrolling(Gates(), list(instances(spec.system, scope)), claims), Limits())
    assert made.kept([claim.name for claim in claims], 1) == []
    assert made.kept([claim.name for claim in claims], 2) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["rfc_v2", "intent", "linux_7_3"])
def test_shipped_specs(name: str) -> None:
    spec = luocheck.load(name)
    answer = prove_bounded(spec, limits=Limits(timeout=200))
    assert refuted(spec.system, answer) == []
    assert sum(proof.verdict.result is Result.PROVED for proof in answer.proofs) > 10


def check_random(seeds: Iterable[int]) -> int:
    """How many claims of random specs were proved; exploration contradicts none."""
    proved = 0
    for seed in seeds:
        drawn = random_spec(seed)
        try:
            spec = loaded(drawn.text)
            scope = replace(scope_of(spec.system, drawn.scope), stepwise=frozenset(), name="atomic")
            spec = replace(spec, system=replace(spec.system, scopes=(scope, *spec.system.scopes)))
            found = explore(spec.system, scope, topology_of(spec.system, drawn.topology), limits=Limits(max_states=2_000))
            answer = prove_bounded(spec, scope="atomic", topology=drawn.topology)
        except SpecError:
            continue
        if not found.complete:
            continue
        results = {verdict.property: verdict.result for verdict in found.verdicts}
        for proof in answer.proofs:
            if proof.verdict.result is Result.PROVED:
                proved += 1
                assert results[proof.verdict.property] in (Result.HOLDS, Result.VACUOUS), f"{proof.verdict.property}\n{drawn!r}"
    return proved


def test_random_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_prove, "SPACER", 0.2)
    monkeypatch.setattr(bounded_prove, "SLICE", 0.5)
    assert check_random(range(500, 512)) > 20


@pytest.mark.nightly
@pytest.mark.parametrize("hundred", range(6, 10))
def test_many_random_specs(hundred: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_prove, "SPACER", 1.0)
    monkeypatch.setattr(bounded_prove, "SLICE", 2.0)
    assert check_random(range(100 * hundred, 100 * hundred + 100)) > 100


# ---- what a wrong prover does ---------------------------------------------------------------------------------------


def _first_value_only(gates: Gates, values: Any, bits: Any) -> Any:
    return {values[0]: 1}


def _all_kept(self: Induction, names: Any, depth: int, given: Any = ()) -> list[str]:
    return list(names)


@pytest.mark.parametrize("name", ["states that are no states", "everything is kept"])
def test_a_wrong_prover_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "everything is kept":
        monkeypatch.setattr(induction.Induction, "kept", _all_kept)
    else:
        monkeypatch.setattr(anywhere, "_decoded", _first_value_only)
    with pytest.raises(AssertionError):
        test_induction_alone_proves_no_failing_claim_of_rfc_v2()


def test_limits() -> None:
    spec = luocheck.load("intent")
    for limits in (Limits(timeout=0.0), Limits(memory=1), Limits(interrupted=lambda: "interrupted")):
        answer = prove_bounded(spec, limits=limits)
        assert answer.exit_status == 3 and answer.stopped is not None
        assert {proof.verdict.result for proof in answer.proofs} == {Result.UNKNOWN}
    with pytest.raises(SpecError) as caught:
        prove_bounded(luocheck.load("rfc_v2"), scope="race_restore")
    assert caught.value.diagnostics[0].code == "LUO501"
