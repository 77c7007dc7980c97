"""The series posted after rfc_v2: v1, v3 and v4.

What each counts, the bug behind each failing claim (named beside its expectation), and that the lines of the bodies matter.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from luocheck.checker.expectations import Judge
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Exploration
from luocheck.checker.scenarios import replay
from luocheck.checker.selection import scope_named
from luocheck.model.answer import Result
from luocheck.model.ir.system import Expected
from luocheck.model.library import read_spec
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

SERIES = ("v1", "v3", "v4")
spec = cache(load)


def run_of(series: Spec, scope: str, claims: tuple[str, ...] | None = None) -> Exploration:
    """A scope with all claims; or with some, and no deeper than these need."""
    where = scope_named(series.system, scope)
    if claims is None:
        return explore(series.system, where)
    return explore(series.system, where, claims=[series.system.claim(name) for name in claims], stop_when_found=bool(claims))


@cache
def explored(series: str, scope: str) -> Exploration:
    return run_of(spec(series), scope)


# ---- the state spaces -------------------------------------------------------------------------------------------

COUNTS = [
    ("v1", "small", 7_974, 180_186, 14, 8),
    ("v1", "subsystems", 1_224, 20_508, 9, 6),
    ("v3", "small", 1_964, 60_732, 17, 4),
    ("v3", "share", 548, 19_856, 13, 4),
    ("v4", "small", 5_818, 167_871, 19, 4),
    ("v4", "files", 1_256, 29_081, 15, 4),
]
LARGER = [
    ("v1", "clients", 2_812, 100_484, 14, 4),
    ("v1", "tokens", 10_504, 255_618, 18, 4),
    ("v1", "race_restore", 6_416, 207_504, 15, 4),
    ("v1", "race_preserve", 10_788, 356_432, 19, 4),
    ("v3", "files", 62_811, 2_637_246, 20, 8),
    ("v3", "race_restore", 1_022, 30_384, 14, 4),
    ("v4", "clients", 2_258, 92_986, 15, 4),
]


@pytest.mark.parametrize(
    ("series", "scope", "states", "transitions", "depth", "instances"),
    [*COUNTS, *(pytest.param(*row, marks=pytest.mark.nightly) for row in LARGER)],
)
def test_state_space(series: str, scope: str, states: int, transitions: int, depth: int, instances: int) -> None:
    run = explored(series, scope)
    assert run.complete
    assert (run.states, run.transitions, run.depth, run.instances) == (states, transitions, depth, instances)


@pytest.mark.parametrize("series", SERIES)
def test_everything_is_as_expected(series: str) -> None:
    judge = Judge(spec(series).system, strict=True)
    assert [v.property for v in judge.verdicts(explored(series, "small")) if v.as_expected is False] == []
    assert [check.found for check in judge.checks(explored(series, "small")) if not check.as_expected] == []


@pytest.mark.parametrize("series", SERIES)
def test_every_line_fires(series: str) -> None:
    run = explored(series, "small")
    assert run.events_never_fired == () and [line.span.text for line in run.lines_never_fired] == []


# ---- what fails -------------------------------------------------------------------------------------------------

FAILS: dict[str, dict[str, tuple[int, int, str, str | None]]] = {
    "v1": {
        "only_frozen_arrives": (4, 1, "REBOOT", None),
        "kho_agrees": (3, 1, "FREEZE", "subsys_freeze"),
        "failed_preserve_has_no_effect": (2, 1, "FD_PRESERVE", "preserve_reply"),
        "unanswered_restore_has_no_effect": (6, 1, "FD_RESTORE", "restore_reply"),
        "failed_restore_consumes_nothing": (6, 1, "FD_RESTORE", "retrieve"),
        "failed_prepare_has_no_effect": (3, 1, "PREPARE", "finalize"),
        "exit_drops_files": (4, 0, "EXIT", None),
        "files_have_owners": (5, 1, "REBOOT", "file_freeze"),
        "freeze_undoes_files": (4, 1, "FREEZE", "file_freeze"),
        "freeze_undoes_subsystems": (3, 1, "FREEZE", "subsys_freeze"),
        "freeze_treats_subsystems_alike": (3, 1, "FREEZE", "subsys_freeze"),
        "reboot_is_all_or_nothing": (4, 1, "REBOOT", "file_freeze"),
        "failed_prepare_leaves_no_memory": (3, 1, "PREPARE", "finalize"),
        "cancel_leaves_no_payload": (4, 0, "CANCEL", None),
        "reboot_loses_no_entry": (3, 0, "REBOOT", None),
        "reboot_loses_no_incoming": (5, 0, "REBOOT", None),
        "handed_files_are_alive": (5, 1, "REBOOT", None),
        "finish_frees_entries": (6, 0, "FINISH", None),
        "finish_reaches_every_entry": (6, 0, "FINISH", None),
        "finish_releases_memory": (6, 0, "FINISH", None),
        "FD_RESTORE_never_PANIC": (6, 0, "FD_RESTORE", "handler_missing"),
        "FINISH_never_PANIC": (5, 0, "FINISH", "subsys_missing"),
        "prepare_can_be_tried_again": (3, 1, "FREEZE", "subsys_freeze"),
        "every_file_comes_back": (6, 1, "FD_RESTORE", "retrieve"),
        "updated_ends": (3, 0, "REBOOT", None),
        "prepared_once": (5, 1, "PREPARE", "already_final"),
        "finish_is_told_the_truth": (7, 1, "FINISH", None),
    },
    "v3": {
        "only_prepared_arrives": (5, 1, "REBOOT", None),
        "kho_agrees": (4, 1, "REBOOT", "file_freeze"),
        "einval_is_about_the_state": (2, 0, "SET_EVENT", "unknown_event"),
        "preserve_preserves": (2, 0, "FD_PRESERVE", None),
        "unanswered_restore_has_no_effect": (6, 1, "FD_RESTORE", "restore_reply"),
        "failed_restore_consumes_nothing": (6, 1, "FD_RESTORE", "retrieve"),
        "failed_event_has_no_effect": (4, 1, "SET_EVENT", "finalize"),
        "one_entry_per_file": (3, 0, "FD_PRESERVE", None),
        "nobody_no_update": (5, 1, "CLOSE", None),
        "kept_is_prepared": (4, 0, "FD_UNPRESERVE", None),
        "prepare_unwinds_no_more": (4, 1, "SET_EVENT", "finalize"),
        "freeze_undoes_all_files": (4, 1, "REBOOT", "file_freeze"),
        "freeze_leaves_no_tree": (4, 1, "REBOOT", "file_freeze"),
        "cancel_leaves_nothing": (6, 0, "SET_EVENT", None),
        "reboot_loses_no_entry": (3, 0, "REBOOT", None),
        "reboot_loses_no_incoming": (5, 0, "REBOOT", None),
        "handed_files_are_alive": (6, 1, "REBOOT", None),
        "finish_frees_entries": (6, 0, "SET_EVENT", None),
        "finish_releases_memory": (7, 1, "SET_EVENT", None),
        "FD_RESTORE_never_PANIC": (6, 0, "FD_RESTORE", "handler_missing"),
        "SET_EVENT_never_PANIC": (6, 0, "SET_EVENT", "handler_missing"),
        "prepare_can_be_tried_again": (4, 1, "REBOOT", "file_freeze"),
        "closing_is_a_way_out": (4, 1, "REBOOT", "file_freeze"),
        "every_file_comes_back": (6, 0, "REBOOT", None),
        "updated_ends": (4, 0, "REBOOT", None),
        "prepared_once": (4, 0, "SET_EVENT", None),
        "finish_is_told_the_truth": (7, 1, "SET_EVENT", None),
        "handed_tree_is_allocated": (5, 1, "REBOOT", None),
    },
    "v4": {
        "all_are_prepared": (4, 0, "SESSION_SET_EVENT", None),
        "failed_event_has_no_effect": (4, 1, "SET_EVENT", "finalize"),
        "failed_restore_consumes_nothing": (8, 1, "FD_RESTORE", "retrieve"),
        "nobodys_session_arrived": (4, 0, "CLOSE", None),
        "exit_drops_files": (5, 0, "EXIT", None),
        "retrieved_arrived": (6, 0, "RETRIEVE_SESSION", None),
        "created_in_normal": (5, 0, "CREATE_SESSION", None),
        "names_of_arrived_are_free": (6, 0, "CREATE_SESSION", "name_taken"),
        "preserved_beside_nothing": (7, 0, "FD_PRESERVE", None),
        "prepare_unwinds_no_more": (4, 1, "SET_EVENT", "finalize"),
        "freeze_undoes_all_sessions": (5, 1, "REBOOT", "file_freeze"),
        "reboot_loses_no_prepared_session": (4, 0, "REBOOT", None),
        "reboot_loses_no_entry": (4, 0, "REBOOT", None),
        "reboot_loses_no_incoming": (6, 0, "REBOOT", None),
        "finish_releases_memory": (9, 1, "SET_EVENT", None),
        "SET_EVENT_never_PANIC": (7, 0, "SET_EVENT", "handler_missing"),
        "RETRIEVE_SESSION_never_PANIC": (7, 0, "RETRIEVE_SESSION", "handler_missing"),
        "session_is_finishable": (5, 0, "REBOOT", None),
        "every_file_comes_back": (8, 0, "CLOSE", None),
        "updated_ends": (5, 0, "REBOOT", None),
        "finish_is_told_the_truth": (9, 1, "SET_EVENT", None),
    },
}
"""What fails in the default scope: calls, faults, last event and the label of its line.  Loops are not here: they need not be shortest."""


@pytest.mark.parametrize("series", SERIES)
def test_what_fails_in_the_default_scope(series: str) -> None:
    failing = [v for v in explored(series, "small").verdicts if v.result is Result.FAILS and v.property != "updated_is_left"]
    witnesses = {v.property: v.witness for v in failing}
    seen = {claim: (w.calls, w.faults, w.steps[-1].event, w.steps[-1].label) for claim, w in witnesses.items() if w is not None}
    assert seen == FAILS[series]
    assert all({"calls", "faults"} <= set(w.minimal) for w in witnesses.values() if w is not None)


@pytest.mark.parametrize(
    ("series", "place"),
    [
        ("v1", "clients"),
        ("v1", "tokens"),
        ("v1", "files"),
        ("v1", "dependent"),
        ("v1", "race_preserve"),
        pytest.param("v1", "race_restore", marks=pytest.mark.nightly),
        ("v3", "dependent"),
        ("v3", "race_preserve"),
        ("v3", "race_restore"),
        ("v4", "files"),
        ("v4", "clients"),
    ],
)
def test_what_fails_elsewhere(series: str, place: str) -> None:
    """The entries that name a scope or a topology: found, and at exactly so many calls."""
    system = spec(series).system
    named = [e for e in system.expectations if place in (e.scope, e.topology)]
    assert named and all(e.verdict is Expected.FAILS for e in named)
    topology = next((t for t in system.topologies if t.name == place), None)
    scope = next((s for s in system.scopes if s.name == place), system.scopes[0])
    run = explore(system, scope, topology, claims=[system.claim(e.property) for e in named], stop_when_found=True)
    witnesses = {v.property: v.witness for v in run.verdicts if v.result is Result.FAILS}
    seen = {claim: (w.calls, w.steps[-1].event) for claim, w in witnesses.items() if w is not None}
    assert seen == {e.property: (e.within, e.event) for e in named}


def given(series: str, claim: str) -> set[str]:
    witness = next(v for v in explored(series, "small").verdicts if v.property == claim).witness
    assert witness is not None
    return set(witness.given)


@pytest.mark.parametrize(
    ("series", "claim", "choice"),
    [
        ("v1", "prepare_can_be_tried_again", "stays_final"),
        ("v1", "handed_files_are_alive", "stays_final"),
        ("v3", "handed_tree_is_allocated", "stays_final"),
        ("v3", "kept_is_prepared", "loose"),
    ],
)
def test_what_only_a_free_choice_breaks(series: str, claim: str, choice: str) -> None:
    """The sources do not tell: the witness names the choice, and the other choice keeps the promise."""
    assert choice in given(series, claim)
    text = without_answers(read_spec(series).text)
    declaration = f"fixed var {choice}: bool = any;"
    assert text.count(declaration) == 1
    other = load_source(Source(f"{series}.luo", text.replace(declaration, f"fixed var {choice}: bool = false;")))
    assert run_of(other, "small", (claim,)).verdicts[0].result is Result.HOLDS


@pytest.mark.parametrize("claim", ["nobodys_session_arrived", "exit_drops_files"])
def test_a_session_ends_with_its_last_descriptor_where_that_is_presumed(claim: str) -> None:
    text = without_answers(read_spec("v4").text)
    declaration = "fixed var presumed: bool = any;"
    assert text.count(declaration) == 1
    other = load_source(Source("v4.luo", text.replace(declaration, "fixed var presumed: bool = true;")))
    assert run_of(other, "small", (claim,)).verdicts[0].result in (Result.HOLDS, Result.VACUOUS)


# ---- scenarios, abi ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "scenario"), [pytest.param(v, s, id=f"{v}: {s.title}") for v in SERIES for s in spec(v).scenarios]
)
def test_scenario(series: str, scenario: Scenario) -> None:
    run = replay(spec(series), scenario)
    assert run.accepted, [problem.message for problem in run.problems]


def test_requests_of_v3_have_no_size_in_their_number() -> None:
    abi = spec("v3").system.abi
    assert {ioctl.event: (ioctl.number, ioctl.size) for ioctl in abi.ioctls} == {
        "FD_PRESERVE": (0xBA00, 16),
        "FD_UNPRESERVE": (0xBA01, 16),
        "FD_RESTORE": (0xBA02, 16),
        "GET_STATE": (0xBA03, 8),
        "SET_EVENT": (0xBA04, 8),
    }
    numbers = {enum.name: enum.numbers for enum in spec("v3").system.enums}
    assert numbers["Phase"] == (0, 1, 2, 3, 4) and numbers["Event"] == (0, 1, 2, 3)


# ---- every line matters -----------------------------------------------------------------------------------------


def without_answers(text: str) -> str:
    """The spec without its scenarios and expectations, which name lines that a change takes away."""
    return re.sub(r'^(scenario "[^"]*"[^{]*|expect )\{\n(.*?)^\}\n', "", text, flags=re.DOTALL | re.MULTILINE)


def changed(series: str, within: str, old: str, new: str) -> Spec:
    """A series with one place changed: `old` occurs once after `within`, up to the next closing brace at a line's beginning."""
    text = read_spec(series).text
    assert text.count(within) == 1
    start = text.index(within)
    end = text.index("\n", start) if text[start : text.index("\n", start)].endswith("}") else text.index("\n}\n", start)
    assert text.count(old, start, end) == 1, f"{old!r} occurs {text.count(old, start, end)} times"
    return load_source(Source(f"{series}.luo", without_answers(text[:start] + text[start:end].replace(old, new) + text[end:])))


BREAKS = [
    ("v1", "proc release_device(", "if settled { run unregister(a); }", "", "small", "close_drops_files"),
    ("v1", "walk unregister(", " and t.owner == a", "", "clients", "close_is_private"),
    ("v1", "proc forget(", "t.out.refs = t.out.refs - 1;", "", "small", "refs_are_entries"),
    ("v1", "ioctl PREPARE(", "prepare_state: fail EINVAL when phase != NORMAL;", "", "small", "prepare_moves"),
    ("v1", "ioctl CANCEL(", "cancel_state: fail EINVAL when not phase in { PREPARED, FROZEN };", "", "small", "cancel_moves"),
    ("v1", "proc subsystem_cancel(", "u.ready = false;", "", "small", "prepare_unwinds"),
    ("v1", "proc take_tree_down(", "    tree = false;\n", "", "small", "cancel_leaves_no_memory"),
    ("v1", "proc kho_abort(", "forall f: File where f.memory == KEPT { f.memory = FREE; }", "", "small", "cancel_leaves_no_memory"),
    ("v3", "proc put_device(", "run unregister_all();", "", "small", "nobody_no_files"),
    ("v3", "syscall OPEN(", "busy: fail EBUSY when some b: Agent | b.dev;", "", "share", "one_opener"),
    ("v3", "walk files_prepare(", "rollback visited { run cancel_one(t); }", "", "files", "prepare_unwinds"),
    ("v3", "proc forget(", "t.out.refs = t.out.refs - 1;", "", "small", "refs_are_entries"),
    ("v3", "proc luo_freeze(", "phase = NORMAL;", "phase = FROZEN;", "small", "frozen_is_no_place"),
    ("v3", "proc luo_prepare(", "forall t: Token { t.node = t.out; }", "", "small", "tree_has_every_file"),
    ("v4", "proc put_session(", "if held(s) { stop; }", "", "clients", "freed_unheld"),
    (
        "v4",
        "ioctl CREATE_SESSION(",
        "name_taken: fail EEXIST when some x in sessions | x.name == n;",
        "",
        "small",
        "names_are_unique",
    ),
    (
        "v4",
        "ioctl FD_PRESERVE(",
        "exists: fail EEXIST when some e in s.files | not e.arrived and e.token == t;",
        "",
        "files",
        "tokens_are_unique",
    ),
    ("v4", "walk prepare_sessions(", "rollback visited { run cancel_session(s); }", "", "pair", "prepare_unwinds"),
    ("v4", "proc forget_session(", "run drop_files(s);", "", "small", "entries_are_listed"),
    (
        "v4",
        "ioctl SESSION_SET_EVENT(",
        "session_cancel_state: fail EINVAL when s.stage != PREPARED;",
        "",
        "small",
        "session_events_move",
    ),
]

MENDS = [
    ("v1", "proc release_device(", "if settled { run unregister(a); }", "run unregister(a);", "small", "exit_drops_files"),
    (
        "v1",
        "ioctl CANCEL(",
        "require a.open;",
        "require a.open; fail EPERM when some t: Token | t.owner not in { none, a };",
        "clients",
        "cancel_is_private",
    ),
    ("v3", "walk files_freeze(", "rollback visited", "rollback all", "files", "freeze_undoes_all_files"),
    ("v3", "proc luo_freeze(", "files_tree = false;", "", "small", "handed_tree_is_allocated"),
    ("v3", "ioctl FD_PRESERVE(", " else { preserve_reply: fail EFAULT sometimes copy_out; }", ";", "small", "preserve_preserves"),
    ("v4", "ioctl CREATE_SESSION(", "when not settled", "when phase != NORMAL", "small", "created_in_normal"),
    (
        "v4",
        "ioctl RETRIEVE_SESSION(",
        "where s.name == n",
        "where s.name == n and s.stage == UPDATED",
        "small",
        "retrieved_arrived",
    ),
    ("v4", "ioctl FD_RESTORE(", "e.reclaimed = true;", "", "small", "failed_restore_consumes_nothing"),
]


@pytest.mark.parametrize(("series", "within", "old", "new", "scope", "claim"), BREAKS)
def test_a_line_that_goes_is_missed(series: str, within: str, old: str, new: str, scope: str, claim: str) -> None:
    run = run_of(changed(series, within, old, new), scope, (claim,))
    assert run.verdicts[0].result is Result.FAILS
    assert all(
        e.verdict is not Expected.FAILS
        for e in spec(series).system.expectations
        if e.property == claim and e.scope in (None, scope)
    )


@pytest.mark.parametrize(("series", "within", "old", "new", "scope", "claim"), MENDS)
def test_a_repair_is_noticed(series: str, within: str, old: str, new: str, scope: str, claim: str) -> None:
    """The claim is about this line: it fails in the series, and holds with the line repaired."""
    assert run_of(spec(series), scope, (claim,)).verdicts[0].result is Result.FAILS
    assert run_of(changed(series, within, old, new), scope, (claim,)).verdicts[0].result in (Result.HOLDS, Result.VACUOUS)
