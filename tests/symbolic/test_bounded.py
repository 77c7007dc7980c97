"""Bounded model checking says what exploration says, up to its bound, and every run that it shows is one of the interpreter's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from differential.checks import check_witnesses
from differential.specs import random_spec
from symbolic.agreement import compared, disagreements

import luocheck
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.symbolic.bounded import execute, locks, pools, reader, unroll, walks
from luocheck.checker.symbolic.bounded.bmc import bounded
from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Gates, Valuation
from luocheck.model.answer import Result
from luocheck.model.diagnostics import SpecError
from luocheck.model.library import shipped
from luocheck.model.source import Source
from luocheck.model.spec import load_source


def check_random(seeds: Iterable[int], depth: int, most_states: int) -> int:
    """Claims that were broken or reached in random specs; a disagreement shows the text."""
    met = 0
    for seed in seeds:
        drawn = random_spec(seed)
        try:
            count, differ = compared(drawn, depth, most_states)
        except Exception as error:
            raise AssertionError(f"{error!r}\n{drawn!r}") from error
        assert not differ, "\n".join([*differ, repr(drawn)])
        met += count
    return met


def test_random_specs() -> None:
    assert check_random(range(40), depth=3, most_states=1_000) > 60


@pytest.mark.nightly
@pytest.mark.parametrize("hundred", range(5, 20))
def test_many_random_specs(hundred: int) -> None:
    assert check_random(range(100 * hundred, 100 * hundred + 100), depth=4, most_states=3_000) > 150


SHIPPED = [("rfc_v2", 4), ("intent", 3), ("linux_7_3", 4)]


@pytest.mark.parametrize(("name", "depth"), SHIPPED)
def test_shipped_specs(name: str, depth: int) -> None:
    spec = luocheck.load(name)
    bound = bounded(spec.system, spec.system.scopes[0], depth=depth)
    assert bound.bound == depth and not bound.complete
    assert disagreements(spec.system, bound, explore(spec.system, spec.system.scopes[0])) == []
    bound.states = 1  # `check_witnesses` looks only at those with states
    check_witnesses(spec, bound)


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "depth"), [("rfc_v2", 7), ("intent", 5), ("linux_7_3", 6)])
def test_shipped_specs_deeper(name: str, depth: int) -> None:
    test_shipped_specs(name, depth)


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in shipped() if name not in dict(SHIPPED)])
def test_all_other_shipped_specs(name: str) -> None:
    test_shipped_specs(name, 3)


def test_violations_of_rfc_v2_are_found_at_their_depth() -> None:
    """All that fail within six calls and that a run can show."""
    spec = luocheck.load("rfc_v2")
    scope = spec.system.scopes[0]
    found = explore(spec.system, scope)
    wanted = {v.property: v.witness.calls for v in found.verdicts if v.witness is not None and v.witness.calls <= 6}
    wanted = {name: calls for name, calls in wanted.items() if spec.system.claim(name).kind in unroll.DECIDED}
    claims = [claim for claim in spec.system.properties if claim.name in wanted]
    assert len(claims) > 20
    verdicts = bounded(spec.system, scope, claims=claims, depth=6).verdicts
    assert {v.property: v.witness.calls for v in verdicts if v.witness is not None} == wanted


# ---- what a wrong translation does ----------------------------------------------------------------------------------


def _rollback_of_all(self: walks.Walking, path: Any, rounds: Any, body: Any, exits: Any) -> Any:
    return _undo(self, path, [(elements, TRUE) for elements, _ in rounds], body, exits)


def _no_first(gates: Gates, options: Any) -> Any:
    return _first_of(gates, list(reversed(options)))


_undo, _first_of, _in_turn = walks.Walking._undo, pools.first_of, reader.Reader.in_turn

MUTATIONS: dict[str, tuple[object, str, object]] = {
    "rollbacks run over all elements": (walks.Walking, "_undo", _rollback_of_all),
    "reboot keeps everything": (pools, "after_reboot", lambda world, cells: dict(cells)),
    "reboot draws nothing": (pools, "draw", lambda *arguments: None),
    "new takes the last": (pools, "first_of", _no_first),
    "free leaves the fields": (pools, "end", lambda *arguments: None),
    "quantifiers go on": (reader.Reader, "in_turn", lambda self, slot, items, ask, until: _in_turn(self, slot, items, ask, None)),
    "nothing goes wrong": (reader.Reader, "breaks", lambda self, claim, span, when: None),
    "locals outlive their block": (execute, "NONE", {0: TRUE}),
    "faults are not counted": (execute.Executor, "fault", lambda self, path: None),
    "guards are kept": (locks, "leave", lambda gates, path: None),
    "writing leaves no trace": (execute.Executor, "own", lambda self, path, when=TRUE: None),
}


IN_TURN = """
spec turns;
sort File ordered;
scope two { File = 2 }
volatile var begun: bool = false;
per File { volatile peer: File? = none;  volatile busy: bool = false; }
env PAIR { let f = File.first;  f.peer = f;  f.busy = true;  begun = true; }
env ASK { require begun and (some f: File | f.peer.busy); }
after ASK returns OK check asked: true;
"""
"""Random specs seldom read through `none` only where a quantifier has ended."""

QUICK = ("new takes the last", "nothing goes wrong", "faults are not counted", "guards are kept")


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.nightly) for name in MUTATIONS])
def test_a_wrong_translation_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, what, instead = MUTATIONS[name]
    monkeypatch.setattr(where, what, instead)
    with pytest.raises(AssertionError):
        check_random(range(330), depth=3, most_states=400)
        check_written(IN_TURN, depth=3)


def check_written(text: str, depth: int) -> None:
    system = load_source(Source("written", text)).system
    assert not disagreements(system, bounded(system, system.scopes[0], depth=depth), explore(system, system.scopes[0]))


def test_a_quantifier_ends_where_it_is_decided() -> None:
    check_written(IN_TURN, depth=3)


# ---- verdicts and limits --------------------------------------------------------------------------------------------

COUNTER = """
spec counter;
scope one { }
volatile var n: count(9) = 0;
env UP { require n < 9;  n = n + 1; }
invariant few "never many": n < 3;
invariant fewer_than_nine: n < 9;
reachable five: n == 5;
reachable eight: n == 8;
recoverable back: n == 1 can reach n == 0;
never UP returns EIO;
after UP returns EIO check nothing: true;
"""


def counter(depth: int, **options: Any) -> dict[str, str]:
    spec = load_source(Source("counter.luo", COUNTER))
    return {v.property: v.text for v in bounded(spec.system, spec.system.scopes[0], depth=depth, **options).verdicts}


def test_verdicts_say_the_bound() -> None:
    texts = counter(5)
    assert texts["few"] == "FAILS (3 calls)" and texts["five"] == "reached (5 calls)"
    assert texts["fewer_than_nine"] == "holds (to depth 5)" and texts["eight"] == "NOT REACHED"
    assert texts["back"] == "unknown (runs of a bounded length do not decide it)"
    assert texts["UP_never_EIO"] == "holds (to depth 5)"
    assert texts["nothing"] == "unknown (nothing that it is about happens to depth 5)"
    assert counter(9)["fewer_than_nine"] == "FAILS (9 calls)"
    assert counter(0)["few"] == "holds (to depth 0)"


def test_a_limit_keeps_what_was_found() -> None:
    """Somebody interrupts when depth 4 is begun."""
    reached: list[int] = []
    interrupted = Limits(interrupted=lambda: "interrupted" if reached and reached[-1] >= 3 else None)
    spec = luocheck.load("rfc_v2")
    scope = spec.system.scopes[0]
    found = bounded(spec.system, scope, depth=30, limits=interrupted, progress=lambda told: reached.append(told.depth))
    assert found.stopped == "interrupted" and found.bound in (2, 3)
    by_name = {verdict.property: verdict for verdict in found.verdicts}
    assert by_name["prepare_moves"].text == "FAILS (2 calls)" and by_name["prepare_moves"].witness is not None
    assert by_name["failed_freeze_stays"].result is Result.UNKNOWN
    assert by_name["failed_freeze_stays"].method == f"to depth {found.bound}"


@pytest.mark.parametrize("limits", [Limits(timeout=0.0), Limits(memory=1)])
def test_limits_before_anything_is_known(limits: Limits) -> None:
    spec = luocheck.load("intent")
    found = bounded(spec.system, spec.system.scopes[0], limits=limits)
    results = {v.result for v in found.verdicts if v.property != "lock_order"}
    assert found.bound is None and results == {Result.UNKNOWN}
    answer = luocheck.check(spec, engine="bmc", limits=limits)
    assert answer.exit_status == 3 and answer.verdict == "undecided"


def test_the_same_answer_each_time() -> None:
    spec = luocheck.load("rfc_v2")
    first, second = (bounded(spec.system, spec.system.scopes[0], depth=3) for _ in range(2))
    assert first.verdicts == second.verdicts


def test_a_claim_that_reads_through_none_is_an_error() -> None:
    text = "spec s; sort File symmetric; scope two { File = 2 } volatile var p: File? = none; volatile var m: bool = false;"
    text += "per File { volatile saved: bool = false; } env MARK { m = true; } invariant bad: m => p.saved;"
    spec = load_source(Source("counter.luo", text))
    assert bounded(spec.system, spec.system.scopes[0], depth=0).stopped is None
    with pytest.raises(SpecError) as caught:
        bounded(spec.system, spec.system.scopes[0], depth=1)
    assert caught.value.diagnostics[0].code == "LUO605"


def test_what_is_not_translated_is_refused() -> None:
    spec = luocheck.load("rfc_v2")
    with pytest.raises(SpecError) as caught:
        luocheck.check(spec, engine="bmc", scope="race_restore")
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "LUO501" and diagnostic.span.line > 1 and "FD_RESTORE" in diagnostic.message
    properties = ["retrieve_once"]
    runs = luocheck.check(spec, engine="bmc", depth=1, properties=properties).runs
    refused = next(run for run in runs if run.scope.name == "race_restore")
    assert "cuts FD_RESTORE into steps" in refused.verdicts[0].note and refused.undecided


def test_a_bounded_holds_does_not_contradict() -> None:
    text = (
        COUNTER
        + "expect { fewer_than_nine fails; eight is not reachable; five is not reachable; few fails within 3 by UP; back fails; }"
    )
    answer = luocheck.check(load_source(Source("counter.luo", text)), engine="bmc", depth=4)
    judged = {v.property: v.as_expected for v in answer.runs[0].verdicts}
    assert judged["fewer_than_nine"] is None and judged["eight"] is True and judged["five"] is True and judged["few"] is True
    assert answer.verdict == "undecided" and answer.exit_status == 3
    deeper = luocheck.check(load_source(Source("counter.luo", text)), engine="bmc", depth=5)
    assert deeper.verdict == "unexpected"
    alone = luocheck.check(load_source(Source("counter.luo", text)), engine="bmc", depth=4, properties=["few"])
    assert alone.verdict == "as-expected" and alone.exit_status == 0 and alone.runs[0].bound == 3


# ---- formulas -------------------------------------------------------------------------------------------------------


def test_gates_fold() -> None:
    gates = Gates()
    a, b = gates.input(), gates.input()
    both = gates.and_(a, b)
    assert gates.and_(b, a) == both and gates.and_(a, TRUE) == a and gates.and_(a, a ^ 1) == FALSE
    assert gates.and_(both, a) == both and gates.and_(both, a ^ 1) == FALSE and gates.or_(both, a) == a
    assert gates.and_(a, both ^ 1) == gates.and_(a, b ^ 1) and gates.mux(a, b, b) == b


def test_gates_mean_what_they_say() -> None:
    gates = Gates()
    a, b, c = (gates.input() for _ in range(3))
    lits = [gates.and_(a, b), gates.or_(a, c ^ 1), gates.mux(a, b, c), gates.any_of([a, b, c]), gates.all_of([a, b ^ 1, c])]
    for bits in range(8):
        x, y, z = (bool(bits >> i & 1) for i in range(3))
        value = Valuation(gates, {a >> 1: x, b >> 1: y, c >> 1: z})
        assert [value(lit) for lit in lits] == [x and y, x or not z, y if x else z, x or y or z, x and not y and z]
