"""The merged versions before 7.2: linux_6_19 and what 7.0 and 7.1 changed in it.

What each counts, the upstream fix behind each failing claim (U1, U5, ... of the specs' comments), and that lines of the bodies matter.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from luocheck.checker.expectations import Judge, line_text
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Exploration
from luocheck.checker.scenarios import replay
from luocheck.checker.selection import scope_named
from luocheck.model.answer import Result, Verdict
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Expected
from luocheck.model.library import read_spec
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

VERSIONS = ("linux_6_19", "linux_7_0", "linux_7_1")
spec = cache(load)


def run_of(version: Spec, scope: str, claims: tuple[str, ...] | None = None) -> Exploration:
    """A scope with all claims; or with some, and no deeper than these need."""
    where = scope_named(version.system, scope)
    if claims is None:
        return explore(version.system, where)
    return explore(version.system, where, claims=[version.system.claim(name) for name in claims], stop_when_found=bool(claims))


@cache
def explored(version: str, scope: str) -> Exploration:
    return run_of(spec(version), scope)


def found(run: Exploration, claim: str) -> Verdict:
    return next(v for v in run.verdicts if v.property == claim)


# ---- the state spaces -------------------------------------------------------------------------------------------

COUNTS = [
    ("linux_6_19", "small", 368, 9_850, 13, 2),
    ("linux_6_19", "names", 66, 1_390, 10, 1),
    ("linux_6_19", "modules", 432, 10_218, 9, 4),
    ("linux_6_19", "seals", 256, 5_620, 14, 2),
    ("linux_7_0", "small", 368, 9_850, 13, 2),
    ("linux_7_1", "small", 368, 9_078, 13, 2),
    ("linux_7_1", "modules", 384, 8_218, 9, 4),
]
LARGER = [
    ("linux_6_19", "share", 258, 11_440, 10, 2),
    ("linux_6_19", "pair", 8_156, 273_718, 18, 2),
    ("linux_6_19", "files", 1_997, 62_838, 16, 3),
    ("linux_6_19", "race", 3_520, 70_578, 17, 2),
    ("linux_6_19", "mutate", 42_571, 468_362, 20, 2),
    ("linux_7_0", "pair", 8_156, 273_222, 18, 2),
    ("linux_7_0", "race", 3_614, 72_038, 17, 2),
    ("linux_7_0", "mutate", 43_483, 477_142, 20, 2),
    ("linux_7_0", "flb", 11_372, 343_624, 38, 4),
    ("linux_7_0", "flbs", 17_456, 467_662, 55, 6),
    ("linux_7_0", "init", 3_368, 78_612, 60, 4),
    ("linux_7_1", "pair", 14_536, 488_194, 17, 3),
    ("linux_7_1", "files", 971, 26_308, 15, 3),
    ("linux_7_1", "race", 3_614, 65_534, 17, 2),
    ("linux_7_1", "mutate", 43_483, 475_254, 20, 2),
    ("linux_7_1", "flb", 59_122, 1_849_298, 57, 10),
    ("linux_7_1", "flbs", 8_116, 195_740, 55, 6),
]


@pytest.mark.parametrize(
    ("version", "scope", "states", "transitions", "depth", "instances"),
    [*COUNTS, *(pytest.param(*row, marks=pytest.mark.nightly) for row in LARGER)],
)
def test_state_space(version: str, scope: str, states: int, transitions: int, depth: int, instances: int) -> None:
    run = explored(version, scope)
    assert run.stopped is None
    assert (run.states, run.transitions, run.depth, run.instances) == (states, transitions, depth, instances)
    assert [v.property for v in Judge(spec(version).system, strict=True).verdicts(run) if v.as_expected is False] == []


@pytest.mark.nightly
@pytest.mark.parametrize("version", VERSIONS)
def test_every_event_and_every_line_that_raises_an_errno_fires_in_some_scope(version: str) -> None:
    runs = [explored(version, scope.name) for scope in spec(version).system.scopes if scope.name != "story"]
    dead_events = set.intersection(*(set(run.events_never_fired) for run in runs))
    dead_lines = set.intersection(*({line_text(line) for line in run.lines_never_fired if raises(line)} for run in runs))
    assert (dead_events, dead_lines) == (set(), set())


def raises(line: st.Stmt) -> bool:
    return not (isinstance(line, st.Fail) and line.errno is None)


# ---- what fails -------------------------------------------------------------------------------------------------

FAILS: dict[str, tuple[int, int, str, str | None]] = {
    "finished_incoming": (3, 0, "FINISH", None),
    "retrieved_incoming": (4, 0, "RETRIEVE_FD", None),
    "preserved_outgoing": (6, 0, "PRESERVE_FD", None),
    "kexec_keeps_preserved": (7, 0, "REBOOT", None),
    "outgoing_unread": (4, 0, "RETRIEVE_FD", None),
    "outgoing_saved": (4, 0, "RETRIEVE_FD", None),
    "unpreserve_matches": (5, 0, "CLOSE", None),
    "nothing_dangles": (5, 0, "REBOOT", None),
    "restorable": (6, 0, "OPEN", None),
    "size_follows": (4, 0, "FINISH", None),
    "all_deserialized": (5, 1, "OPEN", None),
    "saved_is_listed": (5, 1, "OPEN", None),
    "name_is_proper": (2, 0, "CREATE_SESSION", None),
    "jump_thaws": (4, 0, "KEXEC_JUMP", None),
    "restore_once": (8, 0, "RETRIEVE_FD", "lost"),
    "errno_has_no_effect": (3, 1, "PRESERVE_FD", "reply"),
    "retrieve_session_keeps_data": (6, 1, "RETRIEVE_SESSION", "reply"),
    "retrieve_fd_error_no_effect": (4, 1, "RETRIEVE_FD", "reply"),
    "finish_error_no_effect": (4, 1, "FINISH", "reply"),
    "finish_discards_nothing": (4, 0, "FINISH", None),
    "close_discards_nothing": (7, 0, "CLOSE", None),
    "death_discards_nothing": (7, 0, "EXIT", None),
    "kexec_keeps_data": (5, 0, "REBOOT", None),
    "sessions_reachable": (6, 2, "RETRIEVE_SESSION", "reply"),
    "close_ends_session": (7, 1, "CLOSE", None),
    "finishable": (6, 2, "RETRIEVE_SESSION", "reply"),
    "every_session_ends": (6, 2, "RETRIEVE_SESSION", "reply"),
    "every_open_session_ends": (7, 1, "CLOSE", None),
}
"""What fails in the default scope of linux_7_1: calls, faults, last event and the label of its line."""

FINALIZE: dict[str, tuple[int, int, str, str | None]] = {
    "freeze_atomic": (4, 1, "REBOOT", "not_final"),
    "reboot_error_no_effect": (4, 1, "REBOOT", "not_final"),
}
U1: dict[str, tuple[int, int, str, str | None]] = {
    "retrieve_once": (5, 1, "RETRIEVE_FD", "lost"),
    "restore_once": (5, 1, "RETRIEVE_FD", "lost"),
    "finish_is_told": (5, 1, "FINISH", None),
}


@pytest.mark.parametrize(
    ("version", "fails"),
    [("linux_6_19", {**FAILS, **FINALIZE, **U1}), ("linux_7_0", {**FAILS, **FINALIZE}), ("linux_7_1", FAILS)],
)
def test_what_fails_in_the_default_scope(version: str, fails: dict[str, tuple[int, int, str, str | None]]) -> None:
    """Each version mends what its fixes say, and nothing else."""
    witnesses = {v.property: v.witness for v in explored(version, "small").verdicts if v.result is Result.FAILS}
    seen = {claim: (w.calls, w.faults, w.steps[-1].event, w.steps[-1].label) for claim, w in witnesses.items() if w is not None}
    assert seen == fails


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scope", ["pair", "race", "modules", "seals", "init", pytest.param("flb", marks=pytest.mark.nightly)])
def test_what_fails_in_another_scope(version: str, scope: str) -> None:
    """The entries that name a scope, searched until they are found."""
    system = spec(version).system
    named = [e for e in system.expectations if e.scope == scope and e.verdict is Expected.FAILS and e.event is not None]
    assert bool(named) == ((version, scope) in WITH_FAILURES)
    for entry in named:
        verdict = found(run_of(spec(version), scope, (entry.property,)), entry.property)
        assert verdict.result is Result.FAILS and verdict.witness is not None
        assert (verdict.witness.calls, verdict.witness.steps[-1].event) == (entry.within, entry.event)


WITH_FAILURES = {
    ("linux_6_19", "pair"),
    ("linux_6_19", "race"),
    ("linux_6_19", "modules"),
    ("linux_6_19", "seals"),
    ("linux_7_0", "pair"),
    ("linux_7_0", "race"),
    ("linux_7_0", "modules"),
    ("linux_7_0", "seals"),
    ("linux_7_0", "flb"),
    ("linux_7_0", "init"),
    ("linux_7_1", "pair"),
    ("linux_7_1", "race"),
    ("linux_7_1", "seals"),
    ("linux_7_1", "flb"),
}


# ---- scenarios, abi ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "scenario"),
    [pytest.param(v, s, id=f"{v}: {s.title}") for v in VERSIONS for s in spec(v).scenarios if s.span.source.name.startswith(v)],
)
def test_scenario(version: str, scenario: Scenario) -> None:
    """Those that the version itself wrote; `check` replays the inherited ones too."""
    run = replay(spec(version), scenario)
    assert run.accepted, run.diagnostic
    assert not run.undecided


def test_there_is_no_get_name_and_reserved_is_not_looked_at() -> None:
    abi = spec("linux_7_1").system.abi
    assert abi is not None
    numbers = {call.event: (call.number, call.size) for call in abi.ioctls}
    assert numbers == {
        "CREATE_SESSION": (0xBA00, 72),
        "RETRIEVE_SESSION": (0xBA01, 72),
        "PRESERVE_FD": (0xBA40, 16),
        "RETRIEVE_FD": (0xBA41, 16),
        "FINISH": (0xBA42, 8),
    }


# ---- every line matters -----------------------------------------------------------------------------------------


def changed(version: str, old: str, new: str, within: str) -> Spec:
    """A version with one place changed: `old` occurs once after `within`, up to the next closing brace at a line's beginning."""
    text = read_spec(version).text
    start = text.index(within)
    end = text.index("\n}\n", start)
    assert text.count(old, start, end) == 1, f"{old!r} occurs {text.count(old, start, end)} times"
    text = text[:start] + text[start:end].replace(old, new) + text[end:]
    kept = re.sub(r'^(scenario "[^"]*"[^{]*|expect )\{\n(.*?)^\}\n', "", text, flags=re.DOTALL | re.MULTILINE)
    return load_source(Source(f"{version}.luo", kept))


@pytest.mark.parametrize(
    ("version", "within", "old", "new", "scope", "claim"),
    [
        ("linux_6_19", "walk freeze_files", "e.frozen = false;", "", "files", "freeze_undone"),
        ("linux_6_19", "walk unpreserve_files", "drains e in s.files reversed", "drains e in s.files", "files", "undo_in_reverse"),
        ("linux_6_19", "walk finish_files", "drains e in s.files reversed", "drains e in s.files", "files", "finish_in_reverse"),
        ("linux_6_19", "proc put_session", "if not held(s) {", "if true {", "share", "freed_unheld"),
        (
            "linux_6_19",
            "proc session_create",
            "dup: fail EEXIST when some x in outgoing | x.name == n;",
            "",
            "pair",
            "names_unique",
        ),
        ("linux_6_19", "syscall OPEN", "busy: fail EBUSY when some b: Agent | b.dev;", "", "share", "one_open_file"),
        ("linux_6_19", "syscall OPEN", "eio: fail EIO when broken;", "", "small", "broken_keeps_out"),
        ("linux_6_19", "proc finish_session", "run can_finish(s);", "", "small", None),
        ("linux_6_19", "walk unpreserve_files", "e.what.size_frozen = false;", "", "small", "size_follows"),
        ("linux_6_19", "proc kexec", "{ f.saved = false; }", "{ skip; }", "small", None),
        ("linux_6_19", "proc put_entry", "e.file = false;", "", "mutate", "reference_held"),
        ("linux_6_19", "ioctl RETRIEVE_FD", "e.file = true;", "", "small", "reference_held"),
        ("linux_6_19", "env LOAD", "quiesce: fail EBUSY when any_session;", "", "modules", None),
        ("linux_7_1", "patch ioctl PRESERVE_FD", "f.claimed = true;", "", "small", None),
        ("linux_7_1", "patch ioctl PRESERVE_FD", "taken: fail EBUSY when f.claimed;", "", "pair", "one_owner"),
        (
            "linux_7_1",
            "patch env UNLOAD",
            "in_use: fail EBUSY when some s: Session, e in s.files | e.what.handler == h;",
            "",
            "modules",
            "handler_stays",
        ),
    ],
)
def test_change_is_noticed(version: str, within: str, old: str, new: str, scope: str, claim: str | None) -> None:
    """A lost check, order or rollback breaks the claim that is about it, or at least changes the state space."""
    other = changed(version, old, new, within)
    if claim is None:
        before, after = run_of(spec(version), scope, ()), run_of(other, scope, ())
        assert (before.states, before.transitions) != (after.states, after.transitions)
        return
    assert run_of(other, scope, (claim,)).verdicts[0].result is Result.FAILS


@pytest.mark.parametrize(
    ("version", "within", "old", "new", "scope", "claim"),
    [
        ("linux_6_19", "walk deserialize()", " else { skip; }", ";", "small", "all_deserialized"),
        ("linux_6_19", "proc session_retrieve", "release incoming_lock;", "", "race", "use_after_free"),
        (
            "linux_6_19",
            "ioctl CREATE_SESSION",
            "name: assert name_is_proper",
            "fail EINVAL when bad_name(n);\nname: assert name_is_proper",
            "small",
            "name_is_proper",
        ),
        (
            "linux_6_19",
            "proc reboot_notify",
            "run forget_written();",
            "forall e: Entry { e.frozen = false; }\nrun forget_written();",
            "small",
            "freeze_atomic",
        ),
    ],
)
def test_the_later_fix_mends(version: str, within: str, old: str, new: str, scope: str, claim: str) -> None:
    """What a later kernel does instead makes the claim hold: the claim is about this line."""
    other = changed(version, old, new, within)
    assert found(run_of(other, scope, (claim,)), claim).result is not Result.FAILS
