"""Scenarios that are chosen: they show what they are to show, as text they replay, and a covering set covers all that exploration reaches."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from scenario.covered import covered

from luocheck.checker.expectations import line_text
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.scenarios import replay
from luocheck.checker.scenarios.answer import Chosen, ScenarioAnswer
from luocheck.checker.scenarios.choosing import covering, distinguishing, played, reaching, violating
from luocheck.checker.scenarios.finding import Search
from luocheck.checker.scenarios.restriction import USER_FAULTS, Avoided, restricted
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import System
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

TINY = str(Path(__file__).parents[1] / "cli" / "specs" / "tiny.luo")


def accepted(spec: Spec, chosen: Chosen) -> bool:
    (scenario,) = load_scenarios(spec, Source("chosen.scenario", chosen.text))
    return replay(spec, scenario).accepted


def only(answer: ScenarioAnswer) -> Chosen:
    (chosen,) = answer.scenarios
    return chosen


@cache
def merged() -> Spec:
    return load("linux_7_3")


# ---- violate and reach ----------------------------------------------------------------------------------------------


def test_a_violation_is_the_shortest_one_and_replays() -> None:
    chosen = only(violating(merged(), "errno_has_no_effect", Search(), Limits()))
    assert [step.event for step in chosen.witness.steps] == ["OPEN", "CREATE_SESSION", "PRESERVE_FD"]
    assert chosen.witness.minimal[:2] == ("calls", "faults")
    assert "violates errno_has_no_effect;" in chosen.text and accepted(merged(), chosen)


def test_a_claim_that_fails_in_another_scope_only_is_found_there() -> None:
    answer = violating(merged(), "one_process", Search(), Limits())
    assert answer.scope.name == "share" and only(answer).witness.calls == 2


def test_there_is_no_run_that_breaks_what_holds() -> None:
    answer = violating(merged(), "size_is_frozen", Search(), Limits())
    assert answer.scenarios == () and answer.exit_status == 1 and "scope `small`" in answer.none


def test_a_limit_leaves_it_open() -> None:
    answer = violating(merged(), "size_is_frozen", Search(), Limits(max_states=50))
    assert answer.exit_status == 3 and answer.stopped == "stopped after 50 states"


def test_a_goal_is_no_claim_to_violate() -> None:
    with pytest.raises(SpecError) as caught:
        violating(merged(), "handed_over", Search(), Limits())
    assert caught.value.diagnostics[0].code == "LUO609" and "--reach handed_over" in caught.value.diagnostics[0].help
    with pytest.raises(SpecError) as caught:
        violating(merged(), "handed_ower", Search(), Limits())
    assert caught.value.diagnostics[0].code == "LUO603" and caught.value.diagnostics[0].span.source.name == "--violate"


def test_a_state_is_reached_by_name_and_by_expression() -> None:
    by_name = only(reaching(merged(), "handed_over", Search(), Limits()))
    condition = "some s: Session, e in s.files | s.side == IN"
    by_condition = only(reaching(merged(), condition, Search(), Limits()))
    assert by_name.witness.calls == by_condition.witness.calls == 4
    assert "reaches handed_over;" in by_name.text and f"assert {condition};" in by_condition.text
    assert accepted(merged(), by_name) and accepted(merged(), by_condition)


def test_what_no_state_has_is_not_reached() -> None:
    answer = reaching(merged(), "some f: File | f.saved and not f.known", Search(), Limits())
    assert answer.exit_status == 1 and answer.scenarios == ()


@pytest.mark.parametrize(("text", "code"), [("some s: Sesion | true", "LUO200"), ("(true", "LUO103"), ("", "LUO103")])
def test_a_wrong_expression_is_told_with_its_place(text: str, code: str) -> None:
    with pytest.raises(SpecError) as caught:
        reaching(merged(), text, Search(), Limits())
    diagnostic = caught.value.diagnostics[0]
    assert diagnostic.code[:4] == code[:4] and diagnostic.span.source.name == "--reach"


def test_what_not_every_state_that_agrees_has_is_no_assertion() -> None:
    spec = load_source(
        Source(
            "drawn.luo",
            "spec drawn; sort Agent symmetric caller; scope one { Agent = 1 } volatile var a: bool = any; volatile var b: bool = false;"
            "ioctl E(x: Agent) { b = a; } env BOOT() { reboot; }",
        )
    )
    chosen = only(reaching(spec, "b", Search(), Limits()))
    assert accepted(spec, chosen)


# ---- what user space can cause ------------------------------------------------------------------------------------------


def test_user_space_alone() -> None:
    with_faults = only(violating(merged(), "sessions_reachable", Search(), Limits()))
    assert with_faults.witness.faults == 2
    answer = violating(merged(), "sessions_reachable", Search(user_space_only=True), Limits())
    assert answer.exit_status == 1 and "only faults" in answer.none
    reply = only(violating(merged(), "errno_has_no_effect", Search(user_space_only=True), Limits()))
    assert reply.witness.faults == 1 and reply.witness.steps[-1].outcome == "EFAULT"  # memory that cannot be written


def fired(system: System) -> set[str]:
    """The `fail` and `panic` lines that fire in the first scope."""
    explored = explore(system, system.scopes[0], claims=(), witnesses=False)
    lines = {line_text(s) for _, body in system.bodies() for s in st.statements(body) if isinstance(s, st.Fail | st.Panic)}
    return lines - {line_text(line) for line in explored.lines_never_fired}


def faults(system: System) -> set[str | None]:
    return {s.fault for e in system.events for s in st.statements(e.body) if isinstance(s, st.Sometimes) and s.place == e.name}


def test_a_restriction_takes_away_and_adds_nothing() -> None:
    system = merged().system
    less = restricted(system, user_space=True)
    assert not faults(system) <= USER_FAULTS and faults(less) == {"copy_out", "no_fd"}
    whole, part = fired(system), fired(less)
    assert part < whole and any("EFAULT at reply" in text for text in part)
    assert not any("ENOMEM" in text for text in part)
    gone = restricted(system, avoided=[Avoided("REBOOT", None), Avoided("CREATE_SESSION", "no_fd")])
    explored = explore(gone, gone.scopes[0], claims=(), witnesses=False)
    assert explored.events_never_fired == ("REBOOT",)
    lines = fired(gone)
    assert any("RETRIEVE_SESSION" in text and "no_fd" in text for text in lines)
    assert not any("CREATE_SESSION" in text and "no_fd" in text for text in lines)


def test_several_scenarios_are_different_and_all_of_them_show_it() -> None:
    answer = violating(merged(), "errno_has_no_effect", Search(count=4), Limits())
    assert len(answer.scenarios) == 4
    assert len({tuple(f"{s.event} {s.outcome} {s.label}" for s in c.witness.steps) for c in answer.scenarios}) == 4
    lengths = [c.witness.calls for c in answer.scenarios]
    assert lengths[0] == min(lengths) == 3
    assert all(accepted(merged(), chosen) for chosen in answer.scenarios)


# ---- cover -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scope"),
    [
        ("linux_7_3", None),
        (TINY, None),
        pytest.param("linux_7_3", "share", marks=pytest.mark.nightly),
        pytest.param("rfc_v2", "tiny", marks=pytest.mark.nightly),
        pytest.param("rfc_v2", None, marks=pytest.mark.nightly),
        pytest.param("v4", None, marks=pytest.mark.nightly),
    ],
)
def test_a_covering_set_covers_what_exploration_reaches(name: str, scope: str | None) -> None:
    spec, answer = covered(name, scope)
    found = answer.coverage
    assert found is not None and answer.exit_status == 0
    explored = explore(spec.system, answer.scope, claims=(), witnesses=False)
    never = {f"{line.place}:{line.span.line}" for line in explored.lines_never_fired}
    said = {f"{text.split(':')[0]}:{text.rpartition(':')[2].rstrip(')')}" for text in found.unreached if "(" in text}
    assert said == never
    assert {text.removesuffix(" never happens") for text in found.unreached if "(" not in text} == set(explored.events_never_fired)
    assert found.calls == sum(chosen.witness.calls for chosen in answer.scenarios) >= found.calls_bound > 0
    assert found.runs == len(answer.scenarios) >= found.runs_bound > 0


def test_the_runs_of_a_covering_set_do_what_they_say() -> None:
    _, answer = covered("linux_7_3")
    assert answer.coverage is not None
    assert set(answer.coverage.goals) == {goal for chosen in answer.scenarios for goal in chosen.covers}
    for chosen in answer.scenarios:
        assert accepted(merged(), chosen)
        outcomes = {f"{step.event} = {step.outcome}" for step in chosen.witness.steps}
        assert {goal for goal in chosen.covers if ":" not in goal} == outcomes
    first = answer.scenarios[0]
    assert all(
        step.label in (None, "reply", "no_fd") or not step.faults for step in first.witness.steps
    )  # needs nothing but a program
    assert len(answer.scenarios) <= 4 and answer.coverage.calls <= 120


def test_a_covering_set_by_user_space_alone() -> None:
    answer = covering(merged(), Search(user_space_only=True), Limits())
    assert answer.coverage is not None
    assert any("ECALLBACK" in text for text in answer.coverage.unreached)
    assert all(step.label in (None, "reply", "no_fd") or not step.faults for c in answer.scenarios for step in c.witness.steps)


def test_a_covering_set_that_a_limit_stops() -> None:
    answer = covering(merged(), Search(), Limits(max_states=100))
    assert answer.exit_status == 3 and answer.scenarios == () and answer.coverage is None


# ---- distinguish and play ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("one", "other"), [("linux_7_3", "linux_7_1"), ("linux_7_1", "linux_7_3"), ("linux_7_3", "linux_6_19")])
def test_what_tells_two_specs_apart_is_refused_by_the_other_at_its_last_call(one: str, other: str) -> None:
    spec, there = load(one), load(other)
    chosen = only(distinguishing(spec, there, Search(), Limits()))
    assert accepted(spec, chosen)
    (scenario,) = load_scenarios(there, Source("chosen.scenario", chosen.text))
    run = replay(there, scenario)
    assert not run.accepted and run.failed == len(chosen.witness.steps) - 1


def test_a_spec_is_not_told_apart_from_itself() -> None:
    answer = distinguishing(merged(), merged(), Search(scope="share"), Limits(), depth=3)
    assert answer.exit_status == 1 and "within 3 calls" in answer.none


def test_scenarios_that_are_there_are_taken_as_they_are() -> None:
    text = 'scenario "mine" in scope story { let me: Agent; OPEN(me) = OK; OPEN(me) = EBUSY; }'
    chosen = only(played(merged(), Source("mine.scenario", text), Search()))
    assert [step.text for step in chosen.witness.steps] == ["OPEN(me) = OK", "OPEN(me) = EBUSY at busy"]
    assert chosen.text.strip() == text
    with pytest.raises(SpecError) as caught:
        played(merged(), Source("mine.scenario", text.replace("EBUSY", "EPERM")), Search())
    assert caught.value.diagnostics[0].code == "LUO602"
