"""Each rule of fairness on a spec that is as small as the rule, what limits do, and how lassos are told."""

from __future__ import annotations

from pathlib import Path

import pytest

import luocheck
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration
from luocheck.model.answer import Verdict, Witness
from luocheck.model.diagnostics import SpecError
from luocheck.model.source import Source
from luocheck.model.spec import load_source

HEAD = "spec t; sort Agent symmetric caller; sort File symmetric; "
WHOLE = "scope s { Agent = 2, File = 2 } "
PHASE = "enum Phase { IDLE, READY, DONE } volatile var phase: Phase = IDLE; "
START = "env START { require phase == IDLE; phase = READY; } "
MOVES = PHASE + START


def found(text: str, *, head: str = HEAD + WHOLE, limits: Limits | None = None, engine: str = "interpreter") -> Exploration:
    system = load_source(Source("t.luo", head + text)).system
    return explore(system, system.scopes[0], limits=limits, engine=engine)


def verdict(text: str, *, head: str = HEAD + WHOLE, limits: Limits | None = None, engine: str = "interpreter") -> Verdict:
    """The verdict about the claim `l`, which both engines must give."""
    return next(v for v in found(text, head=head, limits=limits, engine=engine).verdicts if v.property == "l")


def result(text: str, *, head: str = HEAD + WHOLE) -> str:
    return verdict(text, head=head).result.value


def told(text: str, *, head: str = HEAD + WHOLE) -> tuple[list[str], list[str]]:
    """The calls of a lasso before its loop, and in it."""
    witness = verdict(text, head=head).witness
    assert witness is not None and witness.loop is not None
    calls = [step.text for step in witness.steps]
    return calls[: witness.loop], calls[witness.loop :]


# ---- what has to happen -----------------------------------------------------------------------------------------


def test_a_run_may_end_where_nobody_has_to_act() -> None:
    assert told(MOVES + "liveness l: phase == READY leads to phase == DONE;") == (["START() = OK"], [])
    assert told(MOVES + "liveness l: phase == IDLE leads to phase == READY;") == ([], [])
    assert result(MOVES + "liveness l: phase == IDLE leads to phase == READY assuming START;") == "holds"


def test_what_is_assumed_is_made_and_may_fail() -> None:
    go = "env GO { require phase == READY; fail EIO sometimes; phase = DONE; } "
    claim = "liveness l: phase == READY leads to phase == DONE assuming GO"
    assert told(MOVES + go + claim + ";") == (["START() = OK"], ["GO() = EIO"])
    assert result(MOVES + go + claim + " succeeds;") == "holds"


def test_weak_fairness_is_about_what_can_be_made_for_ever() -> None:
    go = "env GO { require phase == READY; phase = DONE; } env PAUSE { require phase == READY; phase = IDLE; } "
    claim = "liveness l: phase == IDLE leads to phase == DONE assuming START, GO"
    assert told(MOVES + go + claim + ";") == ([], ["START() = OK", "PAUSE() = OK"])
    assert result(MOVES + go + claim + " succeeds;") == "holds"


def test_success_once_is_not_enough() -> None:
    """GO returns OK again and again, and never at the moment that counts."""
    text = (
        "volatile var n: count(2) = 0; env STEP { if n < 2 { n = n + 1; } else { n = 0; } } env GO { fail EIO sometimes; skip; } "
    )
    assert result(text + "liveness l: n == 0 leads to n == 2 assuming GO succeeds;") == "fails"
    assert result(text + "liveness l: n == 0 leads to n == 2 assuming STEP;") == "holds"


def test_fairness_is_for_each_combination_of_arguments() -> None:
    text = "per Agent { volatile done: bool = false; } ioctl GO(a: Agent, hard: bool) { fail EBUSY when hard; a.done = true; } "
    assert result(text + "liveness l: true leads to all a: Agent | a.done assuming GO;") == "holds"
    one = text.replace("fail EBUSY when hard;", "require not a.done; fail EBUSY sometimes;")
    before, loop = told(one + "liveness l: true leads to all a: Agent | a.done assuming GO;")
    assert len(before) == 1 and "OK" in before[0]
    other = "agent1" if "agent0" in before[0] else "agent0"
    assert sorted(loop) == [f"GO({other}, false) = EBUSY", f"GO({other}, true) = EBUSY"]


def test_a_combination_that_cannot_be_made_is_not_owed() -> None:
    text = "per Agent { volatile up: bool = false; } ioctl ON(a: Agent) { a.up = true; } ioctl GO(a: Agent) { require a.up; phase = DONE; } "
    claim = "liveness l: (some a: Agent | a.up) leads to phase == DONE assuming GO;"
    assert result(MOVES + text + claim) == "holds"
    assert result(MOVES + text + "liveness l: phase == IDLE leads to phase == DONE assuming GO;") == "fails"


def test_no_fault_has_to_happen() -> None:
    luck = "env LUCK { require phase == READY; if sometimes { phase = DONE; } } "
    claim = "liveness l: phase == READY leads to phase == DONE assuming LUCK succeeds;"
    assert told(MOVES + luck + claim) == (["START() = OK"], ["LUCK() = OK"])


@pytest.mark.parametrize("end", ["panic when true;", "panic when phase == READY;"])
def test_a_call_that_can_only_panic_is_not_owed(end: str) -> None:
    text = f"env GO {{ require phase == READY; {end} phase = DONE; }} "
    assert told(MOVES + text + "liveness l: phase == READY leads to phase == DONE assuming GO;") == (["START() = OK"], [])


def test_a_run_that_panics_is_not_counted() -> None:
    text = "env GO { require phase == READY; panic sometimes; phase = DONE; } "
    assert result(MOVES + text + "liveness l: phase == READY leads to phase == DONE assuming GO;") == "holds"


def test_a_call_that_only_waits_is_not_owed() -> None:
    text = "ioctl GO(a: Agent) { await phase == DONE; } "
    assert result(MOVES + text + "liveness l: phase == READY leads to phase == DONE assuming GO;") == "fails"


# ---- P and Q ----------------------------------------------------------------------------------------------------


def test_p_that_never_holds_is_vacuous() -> None:
    assert result(MOVES + "liveness l: phase == DONE leads to phase == IDLE;") == "vacuous"


def test_p_with_q_owes_nothing() -> None:
    assert result(MOVES + "liveness l: phase == READY leads to phase == READY;") == "holds"


def test_a_loop_through_q_is_no_violation() -> None:
    text = "env BACK { require phase == READY; phase = IDLE; } "
    claim = "liveness l: phase == IDLE leads to phase == READY assuming START;"
    assert result(MOVES + text + claim) == "holds"
    before, loop = told(MOVES + text + "liveness l: phase == IDLE leads to phase == DONE assuming START, BACK;")
    assert before == [] and sorted(loop) == ["BACK() = OK", "START() = OK"]


def test_the_debt_stays_when_p_no_longer_holds() -> None:
    assert told(MOVES + "liveness l: phase == IDLE leads to phase == DONE assuming START;") == (["START() = OK"], [])


# ---- for each element -------------------------------------------------------------------------------------------


def test_each_element_has_its_own_debt() -> None:
    text = "per File { volatile up: bool = false; } env ON(f: File) { f.up = true; } env OFF(f: File) { f.up = false; } "
    assert result(text + "liveness l all f: File: not f.up leads to f.up assuming ON;") == "holds"
    assert result(text + "liveness l: (no f: File | f.up) leads to all f: File | f.up assuming ON;") == "fails"
    witness = verdict(text + "liveness l all f: File, g: File: f.up and not g.up leads to f == g;").witness
    assert witness is not None
    (clause,) = witness.clauses
    assert dict(clause.bindings)["f"] != dict(clause.bindings)["g"]


def test_a_freed_element_owes_nothing() -> None:
    head = "spec t; sort Session symmetric pool; scope s { Session = 2 } "
    text = "per Session { volatile old_: bool = false; } env MAKE gives s: Session { new s; } env FREE(s: Session) { free s; } "
    claim = "liveness l all s: Session: not s.old_ leads to s.old_ assuming FREE"
    assert result(text + claim + ";", head=head) == "holds"
    assert result(text + claim.replace(" assuming FREE", "") + ";", head=head) == "fails"


def test_without_elements_nothing_is_owed() -> None:
    head = HEAD + "scope s { Agent = 0, File = 0 } "
    assert result(MOVES + "liveness l all f: File: phase == IDLE leads to phase == DONE;", head=head) == "vacuous"


@pytest.mark.parametrize(
    ("claim", "code"),
    [
        ("liveness l all f: Fil: true leads to true;", "LUO200"),
        ("liveness l all f: Phase: true leads to true;", "LUO200"),
        ("liveness l all f: File, f: File: true leads to true;", "LUO201"),
        ("liveness l all phase: File: true leads to true;", "LUO201"),
        ("liveness l all f: File: idle(f) leads to true;", "LUO202"),
        ("liveness l all a: Agent: idle(a, a) leads to true;", "LUO210"),
        ("liveness l: true leads to true assuming GONE;", "LUO200"),
    ],
)
def test_wrong_claims(claim: str, code: str) -> None:
    with pytest.raises(SpecError) as error:
        load_source(Source("t.luo", HEAD + WHOLE + MOVES + claim))
    assert [d.code for d in error.value.diagnostics if d.severity.value == "error"] == [code]


# ---- calls that are cut into steps ------------------------------------------------------------------------------

STEPS = "scope race { Agent = 2, File = 1; stepwise WORK } "
RETURNS = "liveness l all a: Agent: not idle(a) leads to idle(a);"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("step; step;", "holds"),
        ("guard m; step;", "holds"),  # locks are handed over
        ("lock m; step; unlock m;", "holds"),
        ("lock m; keep m; step;", "fails"),
        ("guard m; guard m;", "fails"),  # waits for itself
        ("await n;", "fails"),  # its moment can be missed
        ("await n or EINTR;", "fails"),  # no signal has to come
        ("wait: guard m; step; wait: await n;", "fails"),
    ],
)
def test_callers_inside_of_calls_go_on(body: str, expected: str) -> None:
    text = f"mutex m; volatile var n: bool = false; ioctl WORK(a: Agent) {{ {body} }} env CHANGE {{ n = not n; }} "
    assert result(text + RETURNS, head=HEAD + STEPS) == expected


def test_a_condition_that_stays_is_not_missed() -> None:
    text = "volatile var n: bool = false; ioctl WORK(a: Agent) { await n; } env SET { n = true; } "
    assert result(text + RETURNS.replace(";", " assuming SET;"), head=HEAD + STEPS) == "holds"
    assert result(text + RETURNS, head=HEAD + STEPS) == "fails"


def test_a_writer_waits_for_all_readers() -> None:
    """A single reader lets it in; several that never all let go keep it out, because the model does not queue."""
    text = "rwlock l_; ioctl READ(a: Agent) { guard l_ shared; step; } ioctl WRITE(a: Agent) { guard l_; step; } "
    for readers, expected in ((1, "holds"), (2, "fails")):
        head = HEAD + f"scope race {{ Agent = {readers + 1}, File = 1; stepwise READ, WRITE }} "
        assert result(text + RETURNS, head=head) == expected


def test_without_steps_nobody_is_inside() -> None:
    assert result("ioctl WORK(a: Agent) { step; } " + RETURNS) == "vacuous"


def test_success_is_asked_of_the_last_step() -> None:
    text = "volatile var n: bool = false; ioctl WORK(a: Agent) { step; fail EIO sometimes; n = true; } "
    claim = "liveness l: (some a: Agent | not idle(a)) leads to n assuming WORK"
    assert result(text + claim + ";", head=HEAD + STEPS) == "fails"
    assert result(text + claim + " succeeds;", head=HEAD + STEPS) == "holds"


# ---- the scope and the limits -----------------------------------------------------------------------------------

POOL = "spec t; sort Session symmetric pool; scope s { Session = 1 } "


def test_a_call_that_the_scope_cut_may_be_the_one_that_is_owed() -> None:
    text = "volatile var two: bool = false; env MAKE { if some s: Session | true { two = true; } new s: Session; } "
    unknown = verdict(text + "liveness l: true leads to two assuming MAKE;", head=POOL)
    assert unknown.result.value == "unknown" and "scope" in unknown.note
    assert result(text + "liveness l: true leads to two;", head=POOL) == "fails"


def test_limits_leave_liveness_open_and_nothing_else() -> None:
    text = MOVES + "per File { volatile up: bool = false; } env ON(f: File) { f.up = true; } invariant i: true; "
    text += "liveness l: phase == READY leads to phase == DONE assuming START;"
    whole = found(text)
    assert (whole.states, whole.kept_states) == (6, 8)
    stopped = found(text, limits=Limits(max_states=6))
    assert stopped.stopped is None
    results = {v.property: (v.result.value, v.note) for v in stopped.verdicts}
    assert results["l"] == ("unknown", "stopped after 6 states") and results["i"] == ("holds", "")


def test_a_violation_stands_when_a_limit_leaves_the_rest_open() -> None:
    text = MOVES + "per File { fixed known: bool = any; volatile up: bool = false; } env ON(f: File) { f.up = true; } "
    text += "liveness l: phase == READY leads to phase == DONE;"
    whole = found(text)
    assert whole.instances == 3 and whole.kept_states > whole.states
    stopped = found(text, limits=Limits(max_states=whole.states))
    assert stopped.stopped is None and stopped.kept_states < whole.kept_states
    assert [v.result.value for v in stopped.verdicts if v.property == "l"] == ["fails"]


# ---- how it is told ---------------------------------------------------------------------------------------------

TOGETHER = PHASE + START + "ioctl TRY(a: Agent) { fail EIO sometimes; require_nothing: skip; } "
TOGETHER += "env GO { require phase == READY; fail EIO sometimes; phase = DONE; } liveness l: phase == READY leads to phase == DONE assuming GO, TRY;"


def test_a_lasso_is_in_the_text_the_document_and_the_scenario() -> None:
    from luocheck.model.scenario.write import scenario_text
    from luocheck.report import document

    shown = verdict(TOGETHER)
    witness = shown.witness
    assert isinstance(witness, Witness) and witness.loop == 1 and witness.minimal == ()
    assert shown.text == "FAILS (1 call, then 3 for ever)"
    assert document.witness(witness)["loop"] == 1
    text = scenario_text(witness, shown, "t")
    before, _, loop = text.partition("// what follows can repeat for ever, so `l` fails")
    assert "START() = OK;" in before and loop.count(" = ") == 3 and "violates" not in text
    assert [c.sentence for c in witness.clauses] == ["phase == DONE is false (READY == DONE)"]


@pytest.mark.parametrize("engine", ["interpreter", "explore"])
def test_the_answer_is_the_same_each_time(engine: str) -> None:
    answers = {repr(verdict(TOGETHER, engine=engine)) for _ in range(2)}
    assert answers == {repr(verdict(TOGETHER))}


def test_expectations_of_lassos() -> None:
    for entry, status in (
        ("fails", 0),
        ("fails within 4", 0),
        ("fails within 3", 1),
        ("holds", 1),
        ("fails by START", 1),
    ):
        spec = load_source(Source("t.luo", HEAD + WHOLE + TOGETHER + f"expect {{ l {entry}; }}"))
        for strict in (False, True):
            answer = luocheck.check(spec, strict=strict, properties=["l"])
            assert (answer.exit_status == 1) == (status == 1), (entry, strict)
            assert answer.verdict != "undecided"


def test_a_checkpoint_goes_on_to_the_same_answer(tmp_path: Path) -> None:
    from luocheck.checker.checkpoint.keeper import Checkpoint

    system = load_source(Source("t.luo", HEAD + WHOLE + TOGETHER)).system
    scope = system.scopes[0]
    whole = explore(system, scope, engine="explore")
    kept = Checkpoint(tmp_path / "run")
    with_file = explore(system, scope, checkpoint=kept)
    again = explore(system, scope, checkpoint=kept)
    for each in (with_file, again):
        assert (each.verdicts, each.kept_states, each.kept_transitions) == (
            whole.verdicts,
            whole.kept_states,
            whole.kept_transitions,
        )
