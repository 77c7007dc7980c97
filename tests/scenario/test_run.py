"""Replay of scenarios: which states agree, what is shown of one of them, and when a step is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from luocheck.checker.scenarios import ScenarioRun, replay
from luocheck.model.diagnostics import SpecError
from luocheck.model.scenario.reasons import Possible
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

SMALL = Path(__file__).parent / "small"


def run(spec: str, body: str, scope: str = "", max_states: int = 10_000) -> ScenarioRun:
    """Replays one scenario of a small spec."""
    loaded = load(str(SMALL / f"{spec}.luo"))
    where = f" in scope {scope}" if scope else ""
    (scenario,) = load_scenarios(loaded, Source("x.scenario", f'scenario "x"{where} {{ {body} }}'))
    return replay(loaded, scenario, max_states=max_states)


def refused(result: ScenarioRun) -> tuple[str, str, str]:
    """Message, label and help of the error of a scenario that is not accepted."""
    assert not result.accepted and result.diagnostic is not None and result.diagnostic.code == "LUO602"
    return result.diagnostic.message, result.diagnostic.label, result.diagnostic.help


def changes(result: ScenarioRun, step: int) -> list[str]:
    return [f"{c.place}: {c.before} -> {c.after}" for c in result.steps[step].changes]


# ---- what is accepted -------------------------------------------------------------------------------------------


def test_calls_change_the_state_and_bind_what_they_give() -> None:
    result = run(
        "calls",
        "let a: Agent; let n: Name; CREATE(a, n) = OK gives s; DROP(a, s) = OK; CREATE(a, n) = OK gives t; assert t.name == n;",
    )
    assert result.accepted and result.diagnostic is None and result.failed is None
    assert [step.states for step in result.steps] == [1, 1, 1, 1]
    assert changes(result, 0) == ["newest: none -> s", "s.owner: none -> a", "s.name: none -> n", "s alive: no -> yes"]
    # `newest` still names the first session, so its place is not used again
    assert result.steps[2].state == ("newest = t", "t.owner = a", "t.name = n", "t alive = yes")
    assert result.steps[3].call is None and result.steps[3].state == ()


def test_the_place_of_an_object_that_is_gone_can_be_used_again() -> None:
    result = run(
        "calls",
        "let a: Agent; let n: Name; CREATE(a, n) = OK gives s; CREATE(a, n) = OK gives t; DROP(a, s) = OK; CREATE(a, n) = OK gives u;",
    )
    assert result.accepted
    assert run("calls", "CREATE(_, _) = OK gives s; CREATE(_, _) = OK gives s;").failed == 1


def test_wildcards_keep_every_argument_possible() -> None:
    result = run(
        "calls",
        "let a: Agent; SET(a, _, _) = OK; assert mode == IDLE or mode == BUSY; SET(a, _, false) = OK gives BUSY; assert mode == BUSY;",
    )
    assert result.accepted
    assert [step.states for step in result.steps] == [2, 2, 1, 1]


def test_a_new_name_is_a_new_element() -> None:
    body = "CREATE(_, _) = OK gives s;"
    assert run("calls", f"{body} FIND(_) = OK gives s;").accepted
    result = run("calls", f"{body} FIND(_) = OK gives t;")
    assert refused(result)[1] == "possible here: OK gives s"


def test_a_wildcard_is_no_bad_handle() -> None:
    assert run("calls", "CREATE(_, bad_name) = EINVAL;").accepted
    assert not run("calls", "CREATE(_, bad_name) = OK;").accepted
    assert not run("calls", "CREATE(_, _) = EINVAL;").accepted


def test_elements_with_different_names_differ() -> None:
    assert run("calls", "let a: Agent; let b: Agent; CRASH(a) = OK; CRASH(b) = OK; reaches both_inside;").accepted
    assert run("calls", "let b: Agent; let a: Agent; assert not a.inside; CRASH(b) = OK; assert not a.inside and a != b;").accepted


def test_elements_that_can_be_told_apart_are_all_tried() -> None:
    result = run(
        "boots", "let t: Token; let u: Token; assert t != u; SAVE(_, _) = OK gives t; SAVE(_, _) = OK gives u; assert t < u;"
    )
    assert result.accepted
    assert result.steps[0].states == 2 * result.start_states
    assert not run("boots", "let t: Token; let u: Token; SAVE(_, _) = OK gives t; assert t > u;").accepted


def test_a_named_topology_binds_its_elements() -> None:
    result = run(
        "boots",
        "topology chain; given VM.can_save and MEMFD.can_save; given all f: File | f.here; SAVE(_, mid) = EBUSY at order; SAVE(_, low) = OK gives t;",
    )
    assert result.accepted and result.topology == "chain" and result.start_states == 1
    assert result.graph == (("mid", "low"), ("top", "mid"))
    assert "mid.kind == VM" in result.given and "low.here" in result.given
    assert changes(result, 1) == ["low.saved: false -> true", "low.token: none -> t", "next_token: t -> token1"]


def test_an_inline_topology_says_all_edges_and_some_kinds() -> None:
    result = run(
        "boots",
        "let f: File; topology { g: VM; f -> g; } given VM.can_save; assert needs(f, g) and g.kind == VM and (number of x: File | needs(f, x)) == 1;",
    )
    assert result.accepted
    free = run("boots", "let f: File; let g: File; given g.kind == VM; given VM.can_save; given needs(f, g);")
    assert free.start_states > result.start_states  # here the third file may be connected
    empty = run("boots", "topology { } assert no a: File, b: File | needs(a, b);")
    assert empty.accepted


def test_given_narrows_the_beginning() -> None:
    everything = run("boots", "topology { }").start_states
    assert run("boots", "topology { } given MEMFD.can_save;").start_states * 2 == everything
    assert run("boots", "topology { } given all f: File | f.here;").start_states * 8 == everything


def test_a_drawn_value_is_drawn_again_by_a_reboot() -> None:
    result = run(
        "boots",
        "topology pair; given all x: File | x.here and x.kind.can_save; SAVE(_, low) = OK; REBOOT(_) = OK; assert low.saved;",
    )
    assert result.accepted
    assert [step.states for step in result.steps] == [1, 4, 4]


def test_a_call_runs_through_its_stops_and_can_be_held_at_one() -> None:
    body = "let a: Agent; let b: Agent; let i: Item; ADD(a, i) = OK; SWEEP(a) reaches sweep.1; SWEEP(b) = OK; assert not idle; SWEEP(a) reaches half; SWEEP(a) = OK; assert idle and seen;"
    result = run("steps", body)
    assert result.accepted
    assert changes(result, 2) == ["seen: false -> true"]  # b went through both stops in one line
    assert result.steps[2].call is not None and [h.text for h in result.steps[2].happenings] == ["sweep"]
    assert result.steps[4].call is not None and result.steps[4].call.resumed


def test_a_call_in_progress_goes_on_with_its_own_arguments() -> None:
    body = "let a: Agent; let i: Item; let j: Item; PUSH(a, i) reaches PUSH.1;"
    assert run("steps", f"{body} PUSH(a, i) = OK;").accepted
    result = run("steps", f"{body} PUSH(a, j) = OK;")
    assert refused(result) == ("`PUSH(a, j) = OK` cannot be made here", "a is still inside PUSH(a, i), at PUSH.1", "")


def test_blocks_in_steps_and_in_one_piece() -> None:
    assert run(
        "locks",
        "let a: Agent; let b: Agent; REBOOT(a) = OK; WORK(b) blocks; WORK(a) blocks; PEEK(b) = OK gives true; WORK(b) = EINVAL;",
    ).accepted
    body = "let a: Agent; let b: Agent; JAM(a) reaches point; HOLD(b) blocks; PUSH(b, _) = OK;"
    waiting = run("steps", f"{body} HOLD(b) reaches HOLD.1; HOLD(b) blocks; JAM(a) = OK; HOLD(b) blocks;")
    assert waiting.accepted
    assert changes(waiting, 1) == []  # nobody is held at a place by a call that was only said to block
    assert changes(waiting, 3) == ["b is inside: no call -> HOLD at HOLD.1"] and changes(waiting, 4) == []


def test_classes_of_errnos_stand_for_their_members() -> None:
    text = """
        spec classes;
        sort Agent symmetric;
        scope one { Agent = 1 }
        env CALL(a: Agent) { one: fail EHANDLER sometimes; fail EANY sometimes; }
        abi { errno EHANDLER = { EIO, ENODEV }; errno EANY = any; }
        scenario "member" { CALL(_) = EIO at one; CALL(_) = EHANDLER; CALL(_) = EPERM; }
        scenario "other" { CALL(_) = EPERM at one; }
    """
    spec = load_source(Source("classes.luo", text))
    assert [replay(spec, each).accepted for each in spec.scenarios] == [True, False]


def own(text: str) -> list[bool]:
    """Which scenarios of a spec are accepted."""
    spec = load_source(Source("own.luo", f"spec own;\n{text}"))
    return [replay(spec, scenario).accepted for scenario in spec.scenarios]


def test_a_topology_does_not_depend_on_the_order_in_which_it_is_written() -> None:
    """A walk along the graph takes ties in the order of the elements, numbered as exploration numbers them."""
    shape = "GO() = OK; assert last(order) == spare;"
    text = f"""
        sort File symmetric;
        graph needs on File acyclic;
        scope three {{ File = 3 }}
        volatile var order: seq File;
        walk go() over f: File along needs {{ append f to order; }}
        env GO() {{ run go(); }}
        scenario "last" {{ topology {{ top: File; low: File; spare: File; top -> low; }} {shape} }}
        scenario "first" {{ topology {{ spare: File; low: File; top: File; top -> low; }} {shape} }}
    """
    assert len(set(own(text))) == 1


def test_a_topology_is_about_all_graphs() -> None:
    text = """
        sort File symmetric;
        sort Disk symmetric;
        graph needs on File acyclic;
        graph below on Disk acyclic;
        scope two { File = 2, Disk = 2 }
        define nothing = no a: Disk, b: Disk | below(a, b);
        env GO() { skip; }
        scenario "no edges" { topology { } assert nothing and no a: File, b: File | needs(a, b); }
        scenario "one edge" { let f: File; let g: File; topology { f -> g; } assert nothing and needs(f, g); }
        scenario "two edges" { let f: File; let d: Disk; let g: File; let e: Disk; topology { f -> g; d -> e; } assert below(d, e) and needs(f, g); }
    """
    assert own(text) == [True, True, True]


# ---- the claim at the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "body", "claim"),
    [
        ("calls", "let n: Name; CREATE(_, n) = OK; CREATE(_, n) = OK;", "names_unique"),
        ("calls", "SET(_, BUSY, true) = OK;", "never_busy"),
        ("calls", "CREATE(_, _) = EFAULT at reply;", "errno_has_no_effect"),
        ("calls", "CREATE(_, _) = OK;", "old_last_kept"),
        ("calls", "let a: Agent; let b: Agent; CREATE(a, _) = OK; CREATE(b, _) = EEXIST;", "CREATE_never_EEXIST"),
        ("calls", "SET(_, BUSY, true) = OK; CRASH(_) = PANIC;", "CRASH_never_PANIC"),
        ("calls", "CREATE(_, _) = OK gives s; DROP(_, s) = OK;", "only_owner"),
        ("calls", "POKE(_) = null_dereference;", "null_dereference"),
        ("calls", "CREATE(_, _) = OK gives s; DROP(_, s) = OK; POKE(_) = use_after_free;", "use_after_free"),
        ("calls", "COUNT(_) = OK; COUNT(_) = count_range;", "count_range"),
        ("calls", "LEAK(_) = OK;", "held_at_return"),
        ("calls", "", "lock_order"),
        ("calls", "SET(_, BUSY, true) = OK; COUNT(_) = OK;", "idle_again"),
        ("steps", "let a: Agent; JAM(a) = OK;", "nobody_waits"),
        ("steps", "let a: Agent; let b: Agent; let i: Item; ADD(a, i) = OK; SWEEP(a) reaches half; TAKE(b, i) = OK; SWEEP(a) = OK;", "swept_same"),
        ("steps", "let a: Agent; let b: Agent; let i: Item; let j: Item; ADD(a, i) = OK; ADD(a, j) = OK; SWEEP(a) reaches sweep.1; TAKE(b, j) = OK; SWEEP(a) = stale_iteration;", "stale_iteration"),
        ("steps", "let a: Agent; let b: Agent; JAM(a) = OK; HOLD(b) reaches HOLD.1;", "can_end"),
        ("locks", "REBOOT(_) = OK;", "always_ends"),
        ("locks", "REBOOT(_) = OK;", "never_down"),
        ("boots", "SAVE(_, _) = OK; REBOOT(_) = OK;", "saved_is_here"),
    ],
)  # fmt: skip
def test_every_kind_of_claim_is_decided(spec: str, body: str, claim: str) -> None:
    broken = run(spec, f"{body} violates {claim};")
    assert broken.accepted, broken.diagnostic
    assert broken.steps[-1].text == f"violates {claim}" and broken.steps[-1].accepted
    fewer = body.rstrip("; ").rpartition(";")[0]
    if body:
        less = run(spec, f"{fewer + ';' if fewer else ''} violates {claim};")
        message, label, _ = refused(less)
        assert message == f"`{claim}` is not violated here"
        assert label.startswith("not broken")


def test_of_equal_states_the_one_that_broke_the_claim_counts() -> None:
    text = """
        scope one { }
        volatile var on_: bool = false;
        env GO() { if sometimes { assert lucky: false; } on_ = true; }
        scenario "unlucky" { GO() = OK; violates lucky; }
        scenario "fine" { GO() = OK; GO() = OK; assert on_; }
    """
    assert own(text) == [True, True]


def test_a_claim_can_be_broken_on_the_way() -> None:
    text = """
        sort Agent symmetric caller;
        scope one { Agent = 1; stepwise GO }
        ioctl GO(a: Agent) { assert early: false; half: step; skip; }
        scenario "through" { GO(_) = OK; violates early; }
        scenario "half" { let a: Agent; GO(a) reaches half; violates early; }
        scenario "late" { let a: Agent; GO(a) reaches half; GO(a) = OK; violates early; }
    """
    assert own(text) == [True, True, False]


def test_faults_are_no_way_out_unless_said() -> None:
    text = """
        scope one { }
        volatile var low: bool = false;
        env SINK() { low = true; }
        env RISE() { require low; if sometimes { low = false; } }
        recoverable up: low can reach not low using RISE;
        recoverable up_by_luck: low can reach not low using RISE with faults;
        scenario "without" { SINK() = OK; violates up; }
        scenario "with" { SINK() = OK; violates up_by_luck; }
    """
    assert own(text) == [True, False]


def test_goals() -> None:
    assert run("calls", "let a: Agent; let b: Agent; CRASH(a) = OK; CRASH(b) = OK; reaches both_inside;").accepted
    result = run("calls", "CRASH(_) = OK; reaches both_inside;")
    assert refused(result) == ("`both_inside` is not reached here", "not true in any of the 2 states that agree", "")
    assert [(step.text, step.accepted) for step in result.steps] == [("CRASH(_) = OK", True), ("reaches both_inside", False)]


def test_a_search_that_is_cut_short_decides_nothing() -> None:
    body = "let a: Agent; let i: Item; ADD(a, i) = OK; JAM(a) = OK; violates unjam;"
    assert run("steps", body).accepted
    result = run("steps", body, max_states=3)
    assert not result.accepted and result.diagnostic is None
    assert result.undecided == "`unjam` needs a longer search from the last state"
    cut = run("calls", "LEAK(_) = OK; violates no_jam;")
    assert cut.undecided  # a larger scope could have a way out


# ---- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "body", "message", "label"),
    [
        ("calls", "let a: Agent; let b: Agent; CREATE(a, _) = OK gives s; DROP(b, s) = OK;", "`DROP(b, s) = OK` is not possible here", "possible here: EPERM"),
        ("calls", "CREATE(_, _) = EFAULT at taken;", "`CREATE(_, _) = EFAULT at taken` is not possible here", "possible here: EFAULT at reply or OK gives session0"),
        ("calls", "SET(_, _, true) = OK; SET(_, _, false) = OK gives IDLE; COUNT(_) = EIO;", "`COUNT(_) = EIO` is not possible here", "possible here: OK"),
        ("calls", "SET(_, _, true) = OK; SET(_, BUSY, true) = EIO;", "`SET(_, BUSY, true) = EIO` is not possible here",
         "possible here: OK gives BUSY (in 1 of the 2 states that agree) or OK gives IDLE (in 1 of the 2 states that agree)"),
        ("calls", "let a: Agent; CRASH(a) = OK; CRASH(a) = OK;", "`CRASH(a) = OK` cannot be made here", "the call needs `not a.inside`"),
        ("calls", "CREATE(_, _) = OK gives s; CREATE(_, _) = OK; DROP(_, s) = OK; DROP(_, s) = OK;", "`DROP(_, s) = OK` cannot be made here", "`s` is gone"),
        ("calls", "let s: Session; DROP(_, s) = OK;", "`DROP(_, s) = OK` cannot be made here", "there is no Session that `s` could be"),
        ("calls", "let s: Session; assert s.owner == none;", "`assert s.owner == none` is about nothing", "there is no Session that `s` could be"),
        ("calls", "SET(_, BUSY, true) = OK; CRASH(_) = PANIC; COUNT(_) = OK;", "`COUNT(_) = OK` cannot be made here", "nothing follows the CRASH before"),
        ("calls", "TURN(_) blocks;", "`TURN(_) blocks` can end here", "in the only state that agrees it can have: OK"),
        ("calls", "LEAK(_) = OK; TURN(_) = OK;", "`TURN(_) = OK` is not possible here", "possible here: blocks"),
        ("calls", "given mode == BUSY;", "no state to begin with agrees with `given mode == BUSY`", ""),
        ("boots", "let f: File; given f.here; given not f.here;", "no state to begin with agrees with `given not f.here`", ""),
        ("boots", "let f: File; given f.kind == VM; given f.kind == MEMFD;", "no state to begin with agrees with `given f.kind == MEMFD`", ""),
        ("steps", "let a: Agent; let i: Item; ADD(a, i) = OK; SWEEP(a) reaches half; TAKE(a, i) = OK;", "`TAKE(a, i) = OK` cannot be made here", "a is still inside SWEEP(a), at half"),
        ("steps", "let a: Agent; SWEEP(a) reaches sweep.1;", "`SWEEP(a) reaches sweep.1` is not possible here", "possible here: OK or reaches half"),
    ],
)  # fmt: skip
def test_a_refused_step_says_what_was_possible(spec: str, body: str, message: str, label: str) -> None:
    result = run(spec, body)
    assert refused(result)[:2] == (message, label)
    if result.steps:
        assert result.failed == len(result.steps) - 1
        assert [step.accepted for step in result.steps] == [True] * (len(result.steps) - 1) + [False]
    else:
        assert result.failed is None and result.start_states == 0


def test_a_scope_that_is_too_small_is_named() -> None:
    help = "scope `alone` is too small for `new Session`; name a larger one: `in scope NAME`"
    result = run("calls", "CREATE(_, _) = OK; CREATE(_, _) = OK;", scope="alone")
    assert refused(result) == ("`CREATE(_, _) = OK` cannot be made here", "it needs more elements than there are", help)
    faulty = """
        spec faulty;
        sort Thing symmetric pool;
        scope alone { Thing = 1 }
        env MAKE() { fail ENOMEM sometimes; new t: Thing; }
        scenario "two" { MAKE() = OK; MAKE() = OK; }
    """
    spec = load_source(Source("faulty.luo", faulty))
    assert refused(replay(spec, spec.scenarios[0])) == (
        "`MAKE() = OK` is not possible here",
        "possible here: ENOMEM",
        help.replace("Session", "Thing"),
    )


def test_allowed_results_are_certain_or_possible() -> None:
    result = run("boots", "let f: File; topology { } given f.kind.can_save; SAVE(_, f) = EPERM;")
    half = result.start_states // 2
    assert result.allowed == (Possible("ENODEV", False, half), Possible("OK gives token0", False, half))
    sure = run("boots", "let f: File; topology { } given f.kind.can_save and f.here; SAVE(_, f) = EPERM;")
    assert [(each.text, each.certain) for each in sure.allowed] == [("OK gives token0", True)]


def test_an_assertion_lists_the_free_choices_it_depends_on() -> None:
    result = run(
        "boots",
        "topology pair; given all f: File | f.here and f.kind.can_save; SAVE(_, low) = OK; REBOOT(_) = OK; assert low.here;",
    )
    assert refused(result) == (
        "`assert low.here` does not hold",
        "false in 2 of the 4 states that agree",
        "it depends on free choices: low.here is true where it holds, false where it does not",
    )
    assert result.free == ("low.here is true where it holds, false where it does not",)
    assert [(clause.text, clause.value) for clause in result.clauses] == [("low.here", "false")]
    edges = run("boots", "let f: File; let g: File; assert needs(f, g);")
    assert edges.free == ("needs(f, g) is true where it holds, false where it does not",)
    calls = run("calls", "let a: Agent; SET(a, _, true) = OK; assert mode == BUSY;")
    assert calls.free == ("call 1 is SET(a, BUSY, true) where it holds, SET(a, IDLE, true) where it does not",)


def test_an_assertion_that_never_holds_is_explained() -> None:
    result = run("calls", "let a: Agent; CRASH(a) = OK; assert all x: Agent | not x.inside;")
    assert refused(result) == ("`assert all x: Agent | not x.inside` does not hold", "false in the only state that agrees", "")
    assert [(clause.text, clause.value, clause.bindings) for clause in result.clauses] == [("x.inside", "true", (("x", "a"),))]


def test_a_condition_that_reads_through_none_is_an_error() -> None:
    with pytest.raises(SpecError) as caught:
        run("calls", "assert newest.owner == none;")
    assert [each.code for each in caught.value.diagnostics] == ["LUO605"]


def test_replay_is_the_same_from_run_to_run() -> None:
    spec = load(str(SMALL / "boots.luo"))
    text = 'scenario "x" { let f: File; SAVE(_, f) = OK gives t; REBOOT(_) = OK; SAVE(_, _) = OK; assert f.here; }'
    (scenario,) = load_scenarios(spec, Source("x.scenario", text))
    assert replay(spec, scenario) == replay(spec, scenario)
