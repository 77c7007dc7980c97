"""The shipped model of Linux 7.3: its state spaces, what fails in it and why, its scenarios, and that its lines matter.

The numbers are those of the reference interpreter.  A change of one of them means that the model has changed.
"""

from __future__ import annotations

import re
from functools import cache

import pytest
from engine.agreement import names_kept

from luocheck.checker.expectations import Judge, line_text
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Exploration
from luocheck.checker.scenarios import replay
from luocheck.checker.selection import scope_named
from luocheck.model.abi import Ioctl
from luocheck.model.answer import Result, Verdict
from luocheck.model.ir import statements as st
from luocheck.model.library import read_spec
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

SPEC = load("linux_7_3")
TEXT = read_spec("linux_7_3").text

EXPLORED = ("small", "files", "flb", "flbs", "sides", "share", "race", "mutate")
"""Every scope but the one for the scenarios."""


def run_of(spec: Spec, scope: str, claims: tuple[str, ...] | None = None) -> Exploration:
    """A scope by name or by sizes, with all claims; or with some, and no deeper than these need."""
    where = scope_named(spec.system, scope)
    if claims is None:
        return explore(spec.system, where)
    return explore(spec.system, where, claims=[spec.system.claim(name) for name in claims], stop_when_found=bool(claims))


@cache
def explored(scope: str) -> Exploration:
    return run_of(SPEC, scope)


def verdict(scope: str, claim: str) -> Verdict:
    return next(v for v in explored(scope).verdicts if v.property == claim)


# ---- the state spaces -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "states", "transitions", "depth", "instances"),
    [
        ("small", 8320, 265463, 16, 3),
        ("files", 493, 11232, 10, 3),
        ("flb", 1746, 43236, 12, 10),
        ("flbs", 237, 4440, 11, 6),
        ("sides", 2734, 81345, 18, 10),
        ("share", 185, 7116, 9, 2),
        ("race", 1401, 19984, 15, 2),
        ("mutate", 3653, 33814, 15, 2),
    ],
)
def test_state_space(scope: str, states: int, transitions: int, depth: int, instances: int) -> None:
    with names_kept():
        run = run_of(SPEC, scope)
    assert run.stopped is None
    assert (run.states, run.transitions, run.depth, run.instances) == (states, transitions, depth, instances)


@pytest.mark.parametrize(
    ("scope", "counts"), [("small", (769, 24_319, 13)), ("files", (176, 4_008, 10)), ("share", (120, 4_513, 9))]
)
def test_state_space_with_symmetry(scope: str, counts: tuple[int, int, int]) -> None:
    run = explored(scope)
    assert (run.states, run.transitions, run.depth) == counts


def test_default_scope_is_the_first_and_small() -> None:
    assert SPEC.system.scopes[0].name == "small"
    assert explored("small").states < 35_000


@pytest.mark.parametrize("scope", EXPLORED)
def test_verdicts_are_as_the_spec_expects(scope: str) -> None:
    wrong = [v.property for v in Judge(SPEC.system, strict=True).verdicts(explored(scope)) if v.as_expected is False]
    assert wrong == []


# ---- what fails -------------------------------------------------------------------------------------------------

FAILS = {
    "errno_has_no_effect": (3, 1, "PRESERVE_FD", "reply"),
    "retrieve_session_keeps_data": (6, 1, "RETRIEVE_SESSION", "reply"),
    "retrieve_fd_error_no_effect": (7, 1, "RETRIEVE_FD", "reply"),
    "finish_error_no_effect": (7, 1, "FINISH", "reply"),
    "finish_discards_nothing": (7, 0, "FINISH", None),
    "close_discards_nothing": (7, 0, "CLOSE", None),
    "death_discards_nothing": (7, 0, "EXIT", None),
    "kexec_keeps_data": (5, 0, "REBOOT", None),
    "sessions_reachable": (6, 2, "RETRIEVE_SESSION", "reply"),
    "close_ends_session": (7, 1, "CLOSE", None),
    "finishable": (6, 2, "RETRIEVE_SESSION", "reply"),
}
"""Failing claims of the default scope: calls, faults, last event and the label of its line."""


@pytest.mark.parametrize("claim", FAILS)
def test_failing_claim(claim: str) -> None:
    found = verdict("small", claim)
    assert found.result is Result.FAILS
    assert found.witness is not None
    last = found.witness.steps[-1]
    assert (found.witness.calls, found.witness.faults, last.event, last.label) == FAILS[claim]


def test_nothing_else_fails() -> None:
    assert {v.property for v in explored("small").verdicts if v.result is Result.FAILS} == {*FAILS, *LASSOS}


LASSOS = {"every_session_ends": "RETRIEVE_SESSION", "every_open_session_ends": "CLOSE"}
"""Liveness claims that fail, with the call after which nothing helps any more."""


@pytest.mark.parametrize("claim", LASSOS)
def test_a_session_that_nobody_can_reach_stays(claim: str) -> None:
    witness = verdict("small", claim).witness
    assert witness is not None and witness.loop == len(witness.steps)
    assert witness.steps[-1].event == LASSOS[claim] and witness.steps[-1].faults > 0
    assert all(step.faults == 0 for step in witness.steps[:-1])


def test_every_call_returns() -> None:
    for scope in ("race", "mutate"):
        assert verdict(scope, "every_call_returns").result is Result.HOLDS


def test_device_can_be_used_by_two_processes() -> None:
    found = verdict("share", "one_process")
    assert found.witness is not None
    assert [step.event for step in found.witness.steps] == ["OPEN", "PASS_DEV"]


def test_only_the_reply_of_preserve_fd_breaks_without_kexec() -> None:
    """All other lines of the first kernel leave nothing behind when they fail."""
    holding = ("create_error_no_effect", "preserve_undone", "preserve_undone_nomem", "second_preserve_no_effect")
    assert {verdict("small", claim).result for claim in (*holding, "used_token_no_effect")} == {Result.HOLDS}


def test_vacuous_claims_are_the_known_ones() -> None:
    vacuous = {v.property for v in explored("small").verdicts if v.result is Result.VACUOUS}
    assert vacuous == {"no_deadlock", "every_call_returns", "flb_outgoing", "flb_incoming", "flb_finished_once"}
    for claim in ("flb_outgoing", "flb_incoming", "flb_finished_once"):
        assert verdict("flb", claim).result is Result.HOLDS
    assert verdict("race", "no_deadlock").result is Result.HOLDS
    assert verdict("mutate", "no_deadlock").result is Result.HOLDS


# ---- coverage ---------------------------------------------------------------------------------------------------


def test_every_event_and_every_line_that_raises_an_errno_fires_in_some_scope() -> None:
    """A bare `fail;` raises nothing: it passes on an errno whose own line is counted."""
    runs = [explored(scope) for scope in EXPLORED]
    dead_events = set.intersection(*(set(run.events_never_fired) for run in runs))
    dead_lines = set.intersection(*({line_text(line) for line in run.lines_never_fired if raises(line)} for run in runs))
    assert (dead_events, dead_lines) == (set(), set())


def raises(line: st.Stmt) -> bool:
    return not (isinstance(line, st.Fail) and line.errno is None)


# ---- locks ------------------------------------------------------------------------------------------------------


def test_locks_are_taken_in_one_order() -> None:
    assert verdict("small", "lock_order").result is Result.HOLDS
    swapped = changed("guard list;", "guard list;\n    guard serialize shared;", "proc remove_session")
    found = run_of(swapped, "share", ("lock_order",))
    assert found.verdicts[0].result is Result.FAILS


# ---- scenarios --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SPEC.scenarios, ids=lambda s: s.title)
def test_scenario(scenario: Scenario) -> None:
    run = replay(SPEC, scenario)
    assert run.accepted, run.diagnostic
    assert not run.undecided


def test_scenarios_cover_selftests_and_recordings() -> None:
    titles = " ".join(s.title for s in SPEC.scenarios)
    for folder in (
        "errors-outgoing",
        "kexec-happy",
        "kexec-errors-incoming",
        "agent-killed",
        "kexec-session-lost",
        "kexec-chain",
        "concurrent",
        "broker",
        "kexec-next-liveupdate-off",
        "reboot-not-loaded",
    ):
        assert folder in titles


# ---- the user API -----------------------------------------------------------------------------------------------


def test_abi_is_that_of_the_header() -> None:
    assert SPEC.system.abi is not None
    calls: dict[str, Ioctl] = {ioctl.event: ioctl for ioctl in SPEC.system.abi.ioctls}
    assert {name: (call.number, call.size, call.target) for name, call in calls.items()} == {
        "CREATE_SESSION": (0xBA00, 72, "device"),
        "RETRIEVE_SESSION": (0xBA01, 72, "device"),
        "PRESERVE_FD": (0xBA40, 16, "Session"),
        "RETRIEVE_FD": (0xBA41, 16, "Session"),
        "FINISH": (0xBA42, 8, "Session"),
        "GET_NAME": (0xBA43, 72, "Session"),
    }
    hidden = {event.name for event in SPEC.system.events if not SPEC.system.abi.visible(event.name)}
    assert hidden == {"PASS", "PASS_DEV", "GROW"}


@pytest.mark.parametrize(
    ("event", "labels"),
    [
        ("OPEN", ["absent", "busy", "eio"]),
        ("PRESERVE_FD", ["side", "used", "grow", "full", "fd", "match", "taken", "flb", "nomem", "callback", "reply"]),
        ("RETRIEVE_FD", ["side", "no_fd", "missing", "bad", "callback", "reply"]),
        ("FINISH", ["side", "reluctant", "reply"]),
        ("RETRIEVE_SESSION", ["no_fd", "missing", "twice", "file", "reply"]),
    ],
)
def test_checks_happen_in_the_order_of_the_kernel(event: str, labels: list[str]) -> None:
    """By position in the inlined text of the call: which errno wins when two checks would match."""
    body = next(e for e in SPEC.system.events if e.name == event).body
    lines = [s.label for s in st.statements(body) if isinstance(s, st.Fail) and s.label is not None]
    assert [line for line in lines if line in labels] == labels


# ---- every line matters -----------------------------------------------------------------------------------------


def changed_text(text: str) -> Spec:
    """The spec with another text, without scenarios and expectations, which need not fit any more."""
    kept = re.sub(r'^(scenario "[^"]*"[^{]*|expect )\{\n(.*?)^\}\n', "", text, flags=re.DOTALL | re.MULTILINE)
    return load_source(Source("changed.luo", kept))


def changed(old: str, new: str, within: str = "") -> Spec:
    """The spec with one place changed: `old` occurs once (after `within`, up to the next closing brace at a line's beginning)."""
    start = TEXT.index(within) if within else 0
    end = TEXT.index("\n}\n", start) if within else len(TEXT)
    assert TEXT.count(old, start, end) == 1, f"{old!r} occurs {TEXT.count(old, start, end)} times"
    return changed_text(TEXT[:start] + TEXT[start:end].replace(old, new) + TEXT[end:])


@pytest.mark.parametrize(
    ("within", "old", "new", "scope", "claim"),
    [
        # rollbacks
        ("walk freeze_files", "rollback visited { e.frozen = false; }", "", "files", "freeze_atomic"),
        ("walk flb_preserve", "rollback visited reversed { run flb_put(b); }", "", "flbs", "preserve_undone"),
        ("ioctl PRESERVE_FD", " else { f.claimed = false; fail; }", ";", "flbs", "claim_is_held"),
        ("ioctl PRESERVE_FD", "f.claimed = false;\n        callback: fail", "callback: fail", "files", "preserve_undone"),
        ("ioctl PRESERVE_FD", "f.claimed = false;\n        nomem: fail", "nomem: fail", "files", "preserve_undone_nomem"),
        (
            "ioctl PRESERVE_FD",
            "run flb_unpreserve(f);\n        f.claimed = false;\n        callback",
            "f.claimed = false;\n        callback",
            "flb",
            "flb_outgoing",
        ),
        ("ioctl CREATE_SESSION", "run put_session(s);", "", "files", "outgoing_is_held"),
        # references
        ("walk unpreserve_files", "e.what.claimed = false;", "", "files", "claim_is_held"),
        ("walk unpreserve_files", "e.what.saved = false;", "", "files", "saved_is_listed"),
        ("walk finish_files", "if e.file { e.what.claimed = false; }", "", "files", "claim_is_held"),
        ("walk finish_files", "run flb_finish(e.what);", "", "flb", "flb_incoming"),
        ("proc put_session", "if not held(s) {", "if true {", "share", "freed_unheld"),
        # checks of the state
        ("ioctl PRESERVE_FD", "side: fail EINVAL when s.retrieved;", "", "files", "preserved_outgoing"),
        ("ioctl RETRIEVE_FD", "side: fail EINVAL when not s.retrieved;", "", "files", "retrieved_incoming"),
        ("ioctl FINISH", "side: fail EINVAL when not s.retrieved;", "", "files", "finished_incoming"),
        ("ioctl PRESERVE_FD", "used: fail EEXIST when some e in s.files | e.token == t;", "", "files", "token_unique"),
        ("ioctl PRESERVE_FD", "taken: fail EBUSY when f.claimed;", "", "files", "one_owner"),
        (
            "proc session_create",
            "dup: fail EEXIST when some x: Session | x.side == OUT and x.name == n;",
            "",
            "Entry=0,File=0,Name=1",
            "names_unique",
        ),
        ("ioctl RETRIEVE_FD", "if e.got == NOT_YET {", "if true {", "files", "retrieve_once"),
        ("proc finish_session", "run can_finish(s);", "", "files", None),
        ("syscall OPEN", "busy: fail EBUSY when some b: Agent | b.dev;", "", "share", "one_open_file"),
        ("syscall OPEN", "eio: fail EIO when broken;", "", "files", "broken_keeps_out"),
        ("syscall OPEN", "if not built {", "if true {", "files", None),
        # the reboot
        ("syscall REBOOT", "point_of_no_return: keep serialize;", "unlock serialize;", "mutate", "serialization_stable"),
        ("proc kexec", "run drop_rest();", "", "files", None),
        ("walk unpreserve_files", "drains e in s.files reversed", "drains e in s.files", "files", "undo_in_reverse"),
        ("boot {", "forall s: Session { s.side = IN; }", "", "files", "kexec_keeps_outgoing"),
    ],
)
def test_change_is_noticed(within: str, old: str, new: str, scope: str, claim: str | None) -> None:
    """A lost rollback, reference or check breaks the claim that is about it, or at least changes the state space."""
    spec = changed(old, new, within)
    if claim is not None:
        if scope in EXPLORED:
            assert verdict(scope, claim).result is Result.HOLDS
        assert run_of(spec, scope, (claim,)).verdicts[0].result is Result.FAILS
        return
    before, after = explored(scope), run_of(spec, scope, ())
    assert (before.states, before.transitions) != (after.states, after.transitions)


def test_dropped_list_lock_is_a_use_after_free() -> None:
    """As it was before 7.2: RETRIEVE_SESSION looks a session up, and another caller frees it before its lock is taken."""
    spec = changed("window: step;", "release list;\n    window: step;", "proc session_retrieve")
    found = run_of(spec, "race", ("use_after_free",)).verdicts[0]
    assert found.result is Result.FAILS
    assert found.witness is not None
    assert found.witness.steps[-1].event == "RETRIEVE_SESSION"


def test_ignored_error_of_deserialization_lets_nobody_know() -> None:
    """As it was before 7.2: the open succeeds although files are missing."""
    found = run_of(
        changed("run deserialize() else { broken = true; }", "run deserialize() else { }", "syscall OPEN"),
        "files",
        ("eio_for_ever",),
    )
    assert found.verdicts[0].result is Result.UNREACHED
