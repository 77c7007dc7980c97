"""Proofs that look at few fields: what is not looked at may be anything, so whatever the spec can do is still there."""

from __future__ import annotations

import copy
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from symbolic.test_cutpoints import BODIES, compared, drawn
from symbolic.test_cutpoints import HEAD as WALKS
from symbolic.test_pools import EXACT, MORE, false_in, false_of_the_form, proved_about, system_of

from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.proving import ProveAnswer, check_certificate, prove
from luocheck.checker.symbolic.parametric.cutpoints import PROVABLE, cut
from luocheck.checker.symbolic.parametric.formed import formed
from luocheck.checker.symbolic.parametric.proof import prove as prove_alone
from luocheck.checker.symbolic.parametric.proof import prove_at_once
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.model.answer import Result
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import Expected, Property, System
from luocheck.model.library import shipped
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

PARTLY_KNOWN = {
    "conditions": """
ioctl SET(a: Agent, f: File) { f.kept = not f.kept;  f.stage = DONE;  if phase == NEW { phase = READY; } }
ioctl GO(a: Agent) {
    if no f: File | f.kept and phase == READY { count_ = phase == READY;  fail EIO; }
    fail EBUSY when (phase == READY and some f: File | f.kept) => all f: File | f.kept;
    cut when phase == READY and all f: File | f.kept;
    phase = DONE;
}
invariant j: phase != DONE;""",
    "waiting": """
ioctl SET(a: Agent, f: File) { f.kept = true;  if phase == NEW { phase = READY; } }
ioctl GO(a: Agent) { await phase == READY and no f: File | f.kept or EINTR;  phase = DONE; }
after GO returns EINTR check j: phase != READY;""",
    "what is drained": """
volatile var q: seq File;
ioctl PUT(a: Agent, f: File) { append f to q; }
walk w() drains f in q { if f.kept { phase = READY; } }
ioctl GO(a: Agent) { run w();  if phase == NEW { phase = DONE; } }
ioctl KEEP(f: File) { f.kept = true; }
invariant j: phase != DONE;""",
    "a list that gets empty": """
volatile var q: seq File;
ioctl PUT(a: Agent, f: File) { fail EBUSY when phase == READY;  append f to q; }
walk w() drains f in q { f.stage = NEW; }
ioctl GO(a: Agent) { fail ENOENT when q == { };  run w();  phase = READY; }
invariant j: phase == READY => q != { };""",
    "the list of another": """
per File { volatile items: seq File;  volatile twin: File? = none; }
ioctl START(a: Agent, f: File, g: File) {
    fail EBUSY when phase != NEW or f == g;
    append f to f.items;
    append g to g.items;
    f.twin = g;
    phase = READY;
}
walk w(f: File) drains g in f.twin.items { g.stage = NEW; }
ioctl GO(a: Agent, f: File) { fail ENOENT when phase != READY or f.twin == none;  run w(f);  phase = DONE; }
invariant j: phase == DONE => all f: File | f.items != { };""",
    "who is walked": """
walk w() over f: File in any order where f.kept and phase != DONE { if f.stage == READY { phase = READY; }  f.kept = false; }
ioctl GO(a: Agent) { run w();  if phase == NEW { phase = DONE; } }
ioctl KEEP(f: File) { f.kept = true; }
invariant j: phase == DONE => no f: File | f.stage == READY;""",
    "a walk that may only fail": """
walk w() over f: File in any order where f.kept { fail EIO when f.stage == NEW;  f.owner = none; }
ioctl GO(a: Agent) { run w() else { phase = DONE;  fail; }  phase = READY; }
ioctl KEEP(f: File) { f.kept = true; }
invariant j: phase != DONE;""",
    "a walk that may only panic": """
walk w() over f: File in any order where f.kept { panic when f.stage == NEW;  f.owner = none; }
ioctl GO(a: Agent) { run w();  phase = READY; }
ioctl KEEP(f: File) { f.kept = true; }
never GO returns PANIC;""",
    "a call without an effect": """
ioctl PING(a: Agent, f: File) { fail EIO when f.kept; }
ioctl KEEP(f: File) { f.kept = true;  phase = DONE; }
after PING check j: phase != DONE;""",
    "a kexec": """
preserved var mark: bool = false;
ioctl GO(a: Agent) { mark = true;  phase = READY; }
ioctl KEXEC(a: Agent) { reboot; }
invariant j: mark => phase != NEW;""",
    "a local": """
ioctl GO(a: Agent, f: File) { let x = f.owner;  if x == none { phase = READY;  stop; }  phase = DONE; }
invariant j: phase == NEW;
invariant k: phase != READY;""",
    "the argument of a proc": """
proc p(lucky: bool, kind: Stage) { if lucky { phase = kind;  stop; }  count_ = true; }
ioctl KEEP(f: File) { f.kept = true; }
ioctl GO(a: Agent, f: File) { run p(f.kept, f.stage); }
invariant j: not count_;""",
}  # fmt: skip
"""What is known in part when only the fields of a claim are looked at."""

POOLS = [f"pool: {body}" for body in (*EXACT, *MORE)]


def loaded(body: str) -> System:
    if body.startswith("pool: "):
        return system_of(body.removeprefix("pool: "))
    return load_source(Source(body, WALKS + {**BODIES, **PARTLY_KNOWN}[body])).system


def fields_to_look_at(system: System, claim: Property) -> list[frozenset[int]]:
    """None, and each alone of those that may be looked at."""
    found = [frozenset[int]()]
    for f in formed(system).system.fields:
        try:
            if f.index not in cut(system, [claim], frozenset()).relevant:
                cut(system, [claim], frozenset({f.index}))
                found.append(frozenset({f.index}))
        except NoForm:
            continue
    return found


QUICK = ("choose", "a walk inside of a walk", "pool: use after free", "pool: walks while others are dead", *PARTLY_KNOWN)


@pytest.mark.parametrize(
    "body", [pytest.param(body, marks=[] if body in QUICK else [pytest.mark.nightly]) for body in (*BODIES, *PARTLY_KNOWN, *POOLS)]
)
def test_no_state_and_no_violation_is_lost(body: str) -> None:
    system = loaded(body)
    scope = system.scopes[0]
    for claim in proved_about(system):
        fails = bool(false_in(system, scope, [claim], Limits(20_000)))
        for chosen in fields_to_look_at(system, claim):
            spec, pieces, _ = compared(system, scope, [claim], chosen=chosen, most=20_000)
            assert spec <= pieces, (claim.name, chosen)
            if fails:
                assert false_of_the_form(system, scope, [claim], Limits(20_000), chosen), (claim.name, chosen)


def compared_at_random(seeds: range) -> tuple[int, int]:
    """How many claims about random specs were compared, and how many of them fail; nothing is looked at but what they read."""
    seen = failing = 0
    for seed in seeds:
        try:
            system, scope = drawn(seed)
        except SpecError:
            continue
        for claim in proved_about(system) if not scope.stepwise else []:
            try:
                before, after, _ = compared(system, scope, [claim], chosen=frozenset(), most=4_000)
                fails = bool(false_in(system, scope, [claim], Limits(4_000)))
                found = false_of_the_form(system, scope, [claim], Limits(20_000), frozenset()) if fails else set()
            except (NoForm, SpecError, Stopped):
                continue
            seen += 1
            failing += fails
            assert before <= after and (not fails or claim.name in found), f"seed {seed}, {claim.name}"
    return seen, failing


def test_random_specs() -> None:
    seen, failing = compared_at_random(range(12))
    assert seen >= 4 and failing >= 2


@pytest.mark.nightly
def test_many_random_specs() -> None:
    seen, failing = compared_at_random(range(12, 1500))
    assert seen >= 300 and failing >= 100


@cache
def proved() -> tuple[Spec, ProveAnswer]:
    spec = load("linux_7_3")
    return spec, prove(spec, properties=["token_unique", "names_unique"])


def rejections(spec: Spec, certificate: dict[str, Any]) -> list[str | None]:
    return [each.gap for each in check_certificate(spec, certificate, "file", Limits())]


def test_claims_of_a_kernel_are_proved() -> None:
    spec, answer = proved()
    assert [verdict.result for verdict in answer.verdicts] == [Result.PROVED, Result.PROVED]
    assert set(rejections(spec, answer.certificate)) == {None}
    assert all(len(proof["fields"]) < 10 for proof in answer.certificate["proofs"])


def test_without_its_fields_or_a_lemma_a_certificate_is_rejected() -> None:
    spec, answer = proved()
    lemmas = fields = 0
    for number, proof in enumerate(answer.certificate["proofs"]):
        for index in range(min(2, len(proof["lemmas"]))):
            broken = copy.deepcopy(answer.certificate)
            broken["proofs"] = [broken["proofs"][number]]
            del broken["proofs"][0]["lemmas"][index]
            assert rejections(spec, broken) != [None]
            lemmas += 1
        for field in proof["fields"]:
            broken = copy.deepcopy(answer.certificate)
            broken["proofs"] = [broken["proofs"][number]]
            broken["proofs"][0]["fields"].remove(field)
            with suppress(SpecError):  # a lemma may speak of it
                assert rejections(spec, broken) != [None]
            fields += 1
    assert lemmas == 3 and fields > 0


@pytest.mark.parametrize("fields", [3, [3], ["Session.nothing"]])
def test_fields_that_are_none_are_refused(fields: object) -> None:
    spec, answer = proved()
    broken = copy.deepcopy(answer.certificate)
    broken["proofs"][0]["fields"] = fields
    with pytest.raises(SpecError) as refused:
        rejections(spec, broken)
    assert refused.value.diagnostics[0].code == "LUO511"


FAILING = {
    "linux_7_3": (
        "retrieve_fd_error_no_effect",
        "one_process",
        "kexec_keeps_data",
        "sessions_reachable",
        "finish_discards_nothing",
    ),
    "v4": ("failed_restore_consumes_nothing", "all_are_prepared", "prepare_unwinds_no_more", "finish_is_told_the_truth"),
}


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        pytest.param(name, claim, marks=[] if claim == "one_process" else [pytest.mark.nightly])
        for name, claims in FAILING.items()
        for claim in claims
    ],
)
def test_what_fails_of_a_kernel_is_not_proved(name: str, claim: str) -> None:
    system = load(name).system
    assert prove_at_once(system, [system.claim(claim)], Limits()) is None
    with suppress(Stopped):
        assert not prove_alone(system, [system.claim(claim)], Limits(timeout=5 if claim == "one_process" else 120)).proved


def test_what_needs_no_lemma_is_proved_before_any_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a hard claim stands before it; and a claim that needs lemmas is not proved without."""
    begun: list[str] = []

    def looked_for(system: Any, claims: Any, *_: Any) -> Any:
        begun.extend(claim.name for claim in claims)
        raise Stopped("interrupted")

    monkeypatch.setattr("luocheck.checker.symbolic.parametric.proof.prove", looked_for)
    answer = prove(load("linux_7_3"), properties=("one_owner", "names_unique", "one_open_file", "broken_sticks"))
    found = {verdict.property: verdict.result for verdict in answer.verdicts}
    assert begun == ["one_owner"] and answer.stopped == "interrupted"
    assert [name for name in found if found[name] is Result.PROVED] == ["one_open_file", "broken_sticks"]
    assert found["names_unique"] is Result.UNKNOWN
    checked = check_certificate(load("linux_7_3"), answer.certificate, "proof.json", Limits())
    assert len(checked) == 2 and all(each.gap is None for each in checked)


@pytest.mark.nightly
@pytest.mark.parametrize("name", shipped())
def test_what_fails_is_not_proved_at_once(name: str) -> None:
    """Where calls happen in one go, as in a proof."""
    system = load(name).system
    stepwise = {scope.name for scope in system.scopes if scope.stepwise}
    fails = {e.property for e in system.expectations if e.verdict is Expected.FAILS and e.scope not in stepwise}
    claims = [claim for claim in system.properties if claim.kind in PROVABLE and claim.name in fails]
    assert claims or not fails
    for claim in claims:
        with suppress(NoForm, Stopped):
            assert prove_at_once(system, [claim], Limits(timeout=20)) is None, claim.name
