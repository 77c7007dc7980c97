"""Proofs for every size: what is proved, what is not, and what a certificate is worth."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from luocheck.checker import proving
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.proving import ProveAnswer, check_certificate, prove
from luocheck.checker.symbolic.parametric import lemmas, proof
from luocheck.checker.symbolic.parametric.cutpoints import PROVABLE, cut
from luocheck.checker.symbolic.parametric.proof import Proof, groups, prove_at_once
from luocheck.checker.symbolic.parametric.proof import prove as prove_alone
from luocheck.checker.symbolic.parametric.reached import add_views
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.views import Known
from luocheck.model.answer import Result
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import Kind, Property, Scope, System
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

PEERS = Path(__file__).parents[1] / "specs" / "peers.luo"
PROMISES = ("finish_leaves_nothing", "cancel_restores", "dead_agents_own_nothing", "frozen_needs_frozen")


@cache
def peers() -> tuple[Spec, ProveAnswer]:
    spec = load(str(PEERS))
    return spec, prove(spec)


@cache
def promises() -> tuple[Spec, ProveAnswer]:
    spec = load("intent")
    return spec, prove(spec, properties=PROMISES)


def results(answer: ProveAnswer) -> dict[str, Result]:
    return {verdict.property: verdict.result for verdict in answer.verdicts}


def variant(old: str, new: str) -> Spec:
    text = PEERS.read_text("utf-8")
    assert text.count(old) == 1
    return load_source(Source("variant.luo", text.replace(old, new)))


def rejections(spec: Spec, certificate: dict[str, Any]) -> list[str | None]:
    return [each.gap for each in check_certificate(spec, certificate, "file", Limits())]


# ---- what is proved -------------------------------------------------------------------------------------------------


def test_the_peers_model_is_proved() -> None:
    spec, answer = peers()
    assert set(results(answer).values()) == {Result.PROVED} and len(answer.verdicts) == 5
    assert answer.exit_status == 0
    assert rejections(spec, answer.certificate) == [None]


def test_the_four_promises_are_proved_without_a_written_lemma() -> None:
    spec, answer = promises()
    assert not any(claim.kind is Kind.LEMMA for claim in spec.system.properties)
    assert set(results(answer)) == set(PROMISES) and set(results(answer).values()) == {Result.PROVED}
    assert rejections(spec, answer.certificate) == [None]


@pytest.mark.nightly
@pytest.mark.parametrize("name", PROMISES)
def test_a_promise_is_proved_alone(name: str) -> None:
    """Other counterexamples are met then, so other lemmas are found."""
    spec = load("intent")
    answer = prove(spec, properties=[name])
    assert results(answer) == {name: Result.PROVED} and rejections(spec, answer.certificate) == [None]


def test_claims_about_lists_of_a_posted_series_are_proved() -> None:
    spec = load("rfc_v2")
    answer = prove(spec, properties=["failed_cancel_stays", "failed_freeze_stays"])
    assert set(results(answer).values()) == {Result.PROVED} and set(rejections(spec, answer.certificate)) == {None}


def test_short_turns_change_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is interrupted, so that others have their turn, begins again with more time, and nobody is forgotten."""
    spec, usual = peers()
    turns: list[str] = []

    def counted(system: System, claims: Sequence[Property], *others: Any) -> Proof:
        turns.extend(claim.name for claim in claims)
        return prove_alone(system, claims, *others)

    monkeypatch.setattr(proving, "FIRST_TURN", 0.01)
    monkeypatch.setattr(proof, "groups", lambda system, claims: ([[claim] for claim in claims], []))
    monkeypatch.setattr(proof, "prove", counted)
    answer = prove(spec)
    assert results(answer) == results(usual) and set(rejections(spec, answer.certificate)) == {None}
    assert set(turns) == set(results(usual)) and len(turns) > len(set(turns))


def test_a_hard_claim_keeps_no_other_from_being_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, usual = peers()
    first, *others = results(usual)
    done: set[str] = set()

    def endless(system: System, claims: Sequence[Property], limits: Limits, *more: Any) -> Proof:
        while claims[0].name == first:
            limits.check(0)
            if done == set(others):
                raise Stopped("enough")
        found = prove_alone(system, claims, limits, *more)
        done.add(claims[0].name)
        return found

    monkeypatch.setattr(proving, "FIRST_TURN", 0.1)
    monkeypatch.setattr(proof, "groups", lambda system, claims: ([[claim] for claim in claims], []))
    monkeypatch.setattr(proof, "prove", endless)
    answer = prove(spec)
    assert answer.stopped == "enough" and results(answer) == {first: Result.UNKNOWN, **dict.fromkeys(others, Result.PROVED)}


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("deps_freeze", "nothing_dangles"),  # a file is in the list of one session, so what another one drops is not in it
        pytest.param("deps_freeze", "saved_is_listed", marks=pytest.mark.nightly),  # in the middle of calls too
        pytest.param("rfc_v2", "cancel_leaves_no_memory", marks=pytest.mark.nightly),
        pytest.param("rfc_v2", "tree_has_every_file", marks=pytest.mark.nightly),
    ],
)
def test_claims_that_take_two_owners_or_late_states(name: str, claim: str) -> None:
    spec = load(name)
    answer = prove(spec, properties=[claim])
    assert results(answer) == {claim: Result.PROVED} and rejections(spec, answer.certificate) == [None]


def test_what_a_walk_has_passed_may_depend_on_a_local_of_the_call() -> None:
    """Of two files, one belongs to the agent whose session ends: that takes a word about the owner and a local together."""
    spec = load("intent")
    answer = prove(spec, properties=["undone_in_reverse", "unfrozen_in_reverse"])
    assert set(results(answer).values()) == {Result.PROVED} and rejections(spec, answer.certificate) == [None]
    words = [literal["what"] for lemma in answer.certificate["proofs"][0]["lemmas"] for literal in lemma["never"]]
    assert "File.owner == the_agent" in words
    assert any(".owner == the_agent" in lemma or ".owner != the_agent" in lemma for lemma in answer.runs[0].lemmas)
    assert not any("the_agent" in lemma for lemma in answer.runs[0].between_calls)


def test_lemmas_hold_in_a_larger_scope_when_they_are_pasted() -> None:
    """Beyond the sizes that they were found at."""
    spec, answer = promises()
    lemmas = answer.runs[0].between_calls
    assert len(lemmas) >= 10
    pasted = "".join(f"lemma found{i}: {lemma};\n" for i, lemma in enumerate(lemmas))
    text = spec.source.text.replace("expect {", pasted + "expect {")
    system = load_source(Source("pasted.luo", text)).system
    scope = Scope("beyond", (("Agent", 2), ("File", 4), ("Token", 4)), frozenset())
    claims = [claim for claim in system.properties if claim.name.startswith("found")]
    found = explore(system, scope, claims=claims, limits=Limits(60_000))
    assert found.states > 10_000 and {verdict.result for verdict in found.verdicts} <= {Result.HOLDS, Result.UNKNOWN}


@pytest.mark.nightly
@pytest.mark.parametrize(("sizes", "states"), [((2, 4), 40_000), ((3, 4), 40_000), ((2, 5), 300_000)])
def test_lemmas_about_the_middle_of_calls_hold_in_a_larger_scope(sizes: tuple[int, int], states: int) -> None:
    """Of every state of the cut system, where calls are in progress: no lemma is broken by any elements."""
    spec, answer = promises()
    agents, files = sizes
    proof = answer.certificate["proofs"][0]
    made = cut(spec.system, [spec.system.claim(name) for name in proof["claims"]])
    clauses = [lemmas.read(made, lemma) for lemma in proof["lemmas"]]
    known = [Known(template) for template in dict.fromkeys(clause.template for clause in clauses)]
    scope = Scope("beyond", (("Agent", agents), ("File", files), ("Token", files)), frozenset(), spec.system.span)
    add_views(made.system, scope, known, Limits(states))
    assert sum(len(each.views) for each in known) > 300
    for each in known:
        for clause in clauses:
            if clause.template is each.template:
                assert all(clause.allows(view) for view in each.views), lemmas.text(made, clause)


DRAWN = """\
spec drawn;
sort File symmetric;
sort Handler symmetric;
scope two { File = 2, Handler = 2 }
per Handler { volatile here: bool = any; }
per File { fixed handler: Handler = any;  volatile open: bool = false; }
volatile var enabled: bool = any;
syscall OPEN(f: File) { require f.handler.here and enabled;  f.open = true; }
syscall REBOOT() { reboot; }
invariant opened: all f: File | f.open => f.handler.here and enabled;
"""


def test_what_a_kexec_draws_anew() -> None:
    spec = load_source(Source("drawn.luo", DRAWN))
    answer = prove(spec)
    assert results(answer) == {"opened": Result.PROVED} and rejections(spec, answer.certificate) == [None]
    for old, new in (("volatile open", "preserved open"), ("f.handler.here and enabled;  f", "f.handler.here;  f")):
        other = load_source(Source("other.luo", DRAWN.replace(old, new)))
        assert results(prove(other)) == {"opened": Result.FAILS}
        assert not prove_alone(other.system, [other.system.claim("opened")], Limits()).proved
        assert rejections(other, answer.certificate) != [None]


ENDS = """\
spec ends;
sort File symmetric;
graph needs on File acyclic;
scope two { File = 2 }
per File { volatile marked: bool = false; }
env MARK(f: File) { require no g: File | needs(X);  f.marked = true; }
invariant alone: all f: File, g: File | f.marked => not needs+(X);
"""


@pytest.mark.parametrize("ends", ["f, g", "g, f"])
def test_a_path_begins_and_ends_with_an_edge(ends: str) -> None:
    spec = load_source(Source("ends.luo", ENDS.replace("X", ends)))
    answer = prove(spec)
    assert results(answer) == {"alone": Result.PROVED} and rejections(spec, answer.certificate) == [None]
    for old, new in (
        (f"require no g: File | needs({ends});", ""),
        (f"not needs+({ends})", f"not needs+({ends}) and not needs+({ends[::-1]})"),
    ):
        other = load_source(Source("other.luo", spec.source.text.replace(old, new)))
        assert results(prove(other)) == {"alone": Result.FAILS}
        assert not prove_alone(other.system, [other.system.claim("alone")], Limits()).proved
        assert rejections(other, answer.certificate) != [None]


def test_the_same_lemmas_are_found_again() -> None:
    again = prove(load(str(PEERS)))
    assert again.certificate == peers()[1].certificate


# ---- what is not proved ---------------------------------------------------------------------------------------------


@pytest.mark.nightly
def test_no_failing_claim_of_rfc_v2_is_proved_for_every_size() -> None:
    """Also where nothing is explored first."""
    system = load("rfc_v2").system
    failing = [v.property for v in explore(system, system.scopes[0], witnesses=False).verdicts if v.result is Result.FAILS]
    claims = [system.claim(name) for name in failing if system.claim(name).kind in PROVABLE]
    assert len(claims) > 20
    together, refused = groups(system, claims)
    asked = [claim for each in together for claim in each]
    assert len(asked) + len(refused) == len(claims)
    for claim in asked:
        try:
            assert prove_at_once(system, [claim], Limits(None, 20)) is None, claim.name
            assert not prove_alone(system, [claim], Limits(None, 20)).proved, claim.name
        except (NoForm, Stopped):
            continue


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("    drop_mem: f.mem = false;\n", "", "I1"),
        ("    if f.own != none { f.st = REG; }\n    f.mem", "    f.st = REG;\n    f.mem", "I2"),
        ("    require op == FREEZE and f.st == DONE;\n    deps: require all d: File | needs(f, d) => d.st == ICE;\n    f.st = ICE;",
         "    require op == FREEZE and f.st == DONE;\n    f.st = ICE;", "I3"),
    ],
)  # fmt: skip
def test_seeded_bugs_are_found_not_proved(old: str, new: str, broken: str) -> None:
    answer = prove(variant(old, new), properties=[broken])
    (verdict,) = answer.verdicts
    assert verdict.result is Result.FAILS and verdict.witness is not None
    assert answer.exit_status == 1


def test_a_bug_that_no_explored_scope_shows_is_not_proved() -> None:
    """It takes two files, and the default scope has one."""
    spec = variant("    deps: require all d: File | needs(f, d) => d.st == ICE;\n    f.st = ICE;", "    f.st = ICE;")
    text = spec.source.text.replace(
        "scope three { Agent = 2, File = 3 }", "scope alone { Agent = 2, File = 1 }\nscope three { Agent = 2, File = 3 }"
    )
    answer = prove(load_source(Source("alone.luo", text)), properties=["I3"])
    (verdict,) = answer.verdicts
    assert verdict.result is Result.FAILS and verdict.witness is not None  # found at the size of the obstacle


FLAG = """\
spec flag;
sort File symmetric;
scope one { File = 2 }
per File { volatile marked: bool = false; }
volatile var some_marked: bool = false;
env MARK(f: File) { f.marked = true;  some_marked = true; }
env CLEAR(f: File) { f.marked = false;  some_marked = some g: File | g != f and g.marked; }
env LOOK() { fail EIO when some_marked and no f: File | f.marked; }
never LOOK returns EIO;
"""


def test_views_too_coarse_is_said_with_the_state() -> None:
    """True, but a universal statement about two elements cannot say it: a flag stands for `some element is marked`."""
    answer = prove(load_source(Source("flag.luo", FLAG)))
    (verdict,) = answer.verdicts
    assert verdict.result is Result.UNKNOWN and "too coarse" in verdict.note
    unproved = answer.unproved["LOOK_never_EIO"]
    assert unproved.call == "LOOK" and unproved.state == ("some_marked == true",)
    assert unproved.reachable is False and unproved.explored > 0
    assert answer.exit_status == 3


BEYOND_LIMITS = """\
spec beyond;
enum Kind { PLAIN, ODD }
sort File symmetric;
graph needs on File acyclic where edge(x, y): x.kind == ODD;
scope one { File = 1 }
per File { fixed kind: Kind = PLAIN;  volatile marked: bool = false; }
volatile var bad: bool = false;
env MARK(f: File) { require PREMISE;  f.marked = true;  bad = true; }
invariant good: not bad;
"""


@pytest.mark.parametrize("premise", ["f.kind == ODD", "some g: File | needs(f, g)"])
def test_what_scopes_do_not_have_is_not_called_unreachable(premise: str) -> None:
    """Every file of a scope is PLAIN and needs nothing; a proof is about any kind."""
    answer = prove(load_source(Source("beyond.luo", BEYOND_LIMITS.replace("PREMISE", premise))))
    assert answer.exit_status == 3 and results(answer) == {"good": Result.UNKNOWN}
    assert all(each.reachable is None for each in answer.unproved.values())


def test_an_exploration_that_did_not_end_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "STATES_FIRST", 1)
    answer = prove(load_source(Source("flag.luo", FLAG)))
    assert answer.unproved["LOOK_never_EIO"].reachable is None


def test_each_obstacle_is_looked_for_at_its_own_size() -> None:
    """One claim fails with two files and another one with three; a run of the default scope has one."""
    text = """\
spec sizes;
sort File symmetric;
scope one { File = 1 }
per File { volatile marked: bool = false; }
env MARK(f: File) { f.marked = true; }
invariant two: no f: File, g: File | f != g and f.marked and g.marked;
invariant three: no f: File, g: File, h: File | f != g and g != h and f != h and f.marked and g.marked and h.marked;
"""
    answer = prove(load_source(Source("sizes.luo", text)))
    assert {v.property: v.witness.calls for v in answer.verdicts if v.witness is not None} == {"two": 2, "three": 3}


def test_kinds_that_are_not_about_every_state_are_left_to_check() -> None:
    spec = load("intent")
    answer = prove(spec, properties=["full_round"])
    (verdict,) = answer.verdicts
    assert verdict.result is Result.UNKNOWN and "check" in verdict.note and answer.exit_status == 3


def test_vacuous_is_not_proved() -> None:
    text = """\
spec quiet;
sort File symmetric;
scope one { File = 2 }
per File { volatile marked: bool = false; }
env NEVER(f: File) { require f.marked;  f.marked = true; }
after NEVER check n: false;
"""
    answer = prove(load_source(Source("quiet.luo", text)))
    (verdict,) = answer.verdicts
    assert verdict.result is Result.VACUOUS and answer.exit_status == 1


def test_a_written_lemma_is_proved_too() -> None:
    text = PEERS.read_text("utf-8") + "lemma wrong: no f: File | f.snap;\nlemma right: all f: File | f.mem => f.snap;\n"
    answer = prove(load_source(Source("lemmas.luo", text)), properties=["wrong", "right"])
    assert results(answer) == {"wrong": Result.FAILS, "right": Result.PROVED}


def test_an_interrupt_keeps_what_was_proved() -> None:
    asked = 0

    def interrupted() -> str | None:
        nonlocal asked
        asked += 1
        return "interrupted" if asked > 40 else None

    answer = prove(load("intent"), properties=PROMISES, limits=Limits(None, None, None, interrupted))
    assert answer.stopped == "interrupted" and answer.exit_status == 3
    assert {v.result for v in answer.verdicts} == {Result.UNKNOWN}


# ---- certificates ---------------------------------------------------------------------------------------------------


def test_every_lemma_is_needed() -> None:
    spec, answer = peers()
    for i in range(len(answer.certificate["proofs"][0]["lemmas"])):
        broken = copy.deepcopy(answer.certificate)
        del broken["proofs"][0]["lemmas"][i]
        assert rejections(spec, broken)[0] is not None, i


def test_a_lemma_made_true_is_rejected() -> None:
    spec, answer = peers()
    broken = copy.deepcopy(answer.certificate)
    broken["proofs"][0]["lemmas"][0]["never"][0]["in"] = []
    assert rejections(spec, broken)[0] is not None


def test_a_lemma_made_false_is_rejected() -> None:
    """`false` is inductive and implies everything, but it does not hold at the beginning."""
    spec, answer = peers()
    broken = copy.deepcopy(answer.certificate)
    broken["proofs"][0]["lemmas"][0] = {"variables": [], "never": []}
    (gap,) = rejections(spec, broken)
    assert gap is not None and "at the beginning" in gap


def test_a_certificate_is_of_no_other_spec() -> None:
    _, answer = peers()
    other = variant("    drop_mem: f.mem = false;\n", "")
    assert rejections(other, answer.certificate)[0] is not None


@pytest.mark.parametrize("guard", ["no f: File | f.own == m; m.a = CLOSED", "g == FROZEN and not busy;"])
def test_a_certificate_without_a_guard_is_rejected(guard: str) -> None:
    _, answer = peers()
    weaker = {"no f: File | f.own == m; m.a = CLOSED": "true; m.a = CLOSED", "g == FROZEN and not busy;": "not busy;"}[guard]
    assert rejections(variant(guard, weaker), answer.certificate)[0] is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof.update(claims=[]),
        lambda proof: proof.update(claims=["nothing"]),
        lambda proof: proof.update(lemmas=None),
        lambda proof: proof["lemmas"][0].update(variables=[{"name": "x", "sort": "Nobody"}]),
        lambda proof: proof["lemmas"][0]["never"][0].update(what="File.nothing"),
        lambda proof: proof["lemmas"][0]["never"][0].update(**{"in": ["NOTHING"]}),
        lambda proof: proof["lemmas"][0].pop("never"),
        lambda proof: proof["lemmas"].append(7),
    ],
)
def test_what_does_not_fit_is_an_error(change: Any) -> None:
    spec, answer = peers()
    broken = copy.deepcopy(answer.certificate)
    change(broken["proofs"][0])
    with pytest.raises(SpecError) as error:
        rejections(spec, broken)
    assert error.value.diagnostics[0].code == "LUO511"
