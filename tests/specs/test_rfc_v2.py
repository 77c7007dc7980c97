"""specs/rfc_v2.luo: what it counts, the bug behind each failing claim, and that the lines of the posted code matter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pytest

from luocheck.checker.expectations import Judge
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Exploration
from luocheck.checker.scenarios import replay
from luocheck.model.answer import Result, Verdict
from luocheck.model.ir.system import Expected, System
from luocheck.model.library import read_shipped
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

TEXT = read_shipped("rfc_v2").text

BODIES = TEXT[: TEXT.index("// ---- scenarios")]
"""The text without scenarios and expectations, which name lines that a change takes away."""

# A scope for the lines that need two entries and no subsystem; it is no part of the spec.
FILES = "scope files { Agent = 1, File = 1, Handler = 1, Subsys = 0, Token = 2, Other = 0 }\n"


@lru_cache
def spec() -> Spec:
    return load("rfc_v2")


@lru_cache
def small() -> Exploration:
    """The default scope, explored once."""
    system = spec().system
    return explore(system, system.scopes[0])


@lru_cache
def elsewhere(place: str) -> Exploration:
    """The claims that are expected to fail in a scope or topology, searched until they are found."""
    system = spec().system
    named = [e for e in system.expectations if place in (e.scope, e.topology) and e.verdict is Expected.FAILS]
    claims = [system.claim(e.property) for e in named]
    topology = next((t for t in system.topologies if t.name == place), None)
    scope = next((s for s in system.scopes if s.name == place), system.scopes[0])
    return explore(system, scope, topology, claims=claims, stop_when_found=True)


def verdict(found: Exploration, claim: str) -> Verdict:
    return next(v for v in found.verdicts if v.property == claim)


# ---- the spec as it is ------------------------------------------------------------------------------------------


def test_counts_of_the_default_scope() -> None:
    found = small()
    assert found.scope.name == "small"
    assert (found.instances, found.states, found.transitions, found.depth) == (4, 12_144, 289_978, 17)
    assert found.complete


def test_everything_is_as_expected() -> None:
    judge = Judge(spec().system, strict=True)
    assert [v.property for v in judge.verdicts(small()) if v.as_expected is False] == []
    assert [check.found for check in judge.checks(small()) if not check.as_expected] == []


def test_what_is_not_expected_to_fail_holds_and_is_about_something() -> None:
    system = spec().system
    answered = {e.property for e in system.expectations if e.scope is None and e.topology is None}
    left = {v.property: v.result for v in small().verdicts if v.property not in answered}
    assert set(left.values()) == {Result.HOLDS}
    assert {"failed_prepare_stays", "prepare_unwinds", "prepared_files_arrive", "cancellable"} <= set(left)


def test_all_lines_fire_but_those_of_others() -> None:
    assert small().events_never_fired == ("OTHER_PRESERVE",)
    assert [line.span.text for line in small().lines_never_fired] == []


@pytest.mark.parametrize("scenario", spec().scenarios, ids=lambda scenario: scenario.title)
def test_scenarios(scenario: Scenario) -> None:
    found = replay(spec(), scenario)
    assert found.accepted, [problem.message for problem in found.problems]


# ---- the bugs of the series -------------------------------------------------------------------------------------

# row, claim, where, calls, faults, last call with its outcome
ROWS = (
    ("S1", "refs_are_entries", "small", 3, 0, "FD_UNPRESERVE OK"),
    ("S2", "failed_preserve_has_no_effect", "small", 2, 1, "FD_PRESERVE EFAULT at preserve_reply"),
    ("S3", "unanswered_restore_has_no_effect", "small", 6, 1, "FD_RESTORE EFAULT at restore_reply"),
    ("S4", "retrieve_once", "race_restore", 10, 0, "FD_RESTORE OK"),
    ("S5", "failed_restore_consumes_nothing", "small", 6, 1, "FD_RESTORE ECALLBACK at retrieve"),
    ("S5", "every_file_comes_back", "small", 6, 1, "FD_RESTORE ECALLBACK at retrieve"),
    ("S5", "finish_is_told_the_truth", "small", 7, 1, "FINISH OK"),
    ("S6", "token_is_new", "race_preserve", 6, 0, "FD_PRESERVE OK"),
    ("S7", "exit_drops_files", "small", 3, 0, "EXIT OK"),
    ("S8", "failed_prepare_leaves_no_tree", "small", 3, 1, "PREPARE ECALLBACK at file_prepare"),
    ("S8", "failed_prepare_has_no_effect", "small", 2, 1, "PREPARE"),
    ("S8", "prepare_can_be_tried_again", "small", 2, 1, "PREPARE"),
    ("S9", "kho_can_be_aborted", "small", 3, 1, "FREEZE ECALLBACK at subsys_freeze"),
    ("S9", "freeze_can_be_tried_again", "small", 3, 1, "FREEZE ECALLBACK at subsys_freeze"),
    ("S9", "kho_agrees", "small", 3, 1, "FREEZE ECALLBACK at subsys_freeze"),
    ("S9d", "cancel_spares_others", "neighbour", 4, 0, "CANCEL OK"),
    ("S9d", "prepare_spares_others", "neighbour", 3, 1, "PREPARE"),
    ("S10", "freeze_undoes_files", "small", 4, 1, "FREEZE ECALLBACK at file_freeze"),
    ("S10", "reboot_is_all_or_nothing", "small", 4, 1, "REBOOT ECALLBACK at file_freeze"),
    ("S10", "freeze_treats_files_alike", "dependent", 5, 1, "FREEZE ECALLBACK at file_freeze"),
    ("S10", "freeze_undoes_subsystems", "small", 4, 1, "FREEZE ECALLBACK at file_freeze"),
    ("S11", "freeze_undoes_every_subsystem", "small", 3, 1, "FREEZE ECALLBACK at subsys_freeze"),
    ("S11", "freeze_treats_subsystems_alike", "subsystems", 3, 1, "FREEZE ECALLBACK at subsys_freeze"),
    ("S12", "cancelled_in_reverse", "dependent", 5, 0, "CANCEL OK"),
    ("S12", "unwound_in_reverse", "dependent", 4, 1, "PREPARE ENOSPC at files_full"),
    ("S13", "cancel_leaves_no_payload", "small", 4, 0, "CANCEL OK"),
    ("S16", "one_entry_per_file", "small", 3, 0, "FD_PRESERVE OK"),
    ("S16", "prepared_once", "small", 4, 0, "PREPARE OK"),
    ("S22", "finish_frees_entries", "small", 6, 0, "FINISH OK"),
    ("S22", "finish_reaches_every_entry", "small", 6, 0, "FINISH OK"),
    ("S22", "finish_releases_memory", "small", 6, 0, "FINISH OK"),
    ("S24", "reboot_loses_no_entry", "small", 3, 0, "REBOOT OK"),
    ("S24", "reboot_loses_no_incoming", "small", 5, 0, "REBOOT OK"),
    ("S27", "dependencies_are_prepared", "dependent", 3, 0, "PREPARE OK"),
    ("S31", "prepare_moves", "small", 2, 0, "PREPARE OK"),
    ("S31", "cancel_moves", "small", 3, 0, "CANCEL OK"),
    ("none", "only_frozen_arrives", "small", 4, 1, "REBOOT OK"),
    ("none", "failed_cancel_has_no_effect", "small", 4, 1, "CANCEL EAGAIN at cancel_killed"),
    ("none", "handed_files_are_alive", "small", 5, 1, "REBOOT OK"),
    ("none", "FD_RESTORE_never_PANIC", "small", 6, 0, "FD_RESTORE PANIC at handler_missing"),
    ("none", "FINISH_never_PANIC", "small", 5, 0, "FINISH PANIC at subsys_missing"),
    ("none", "updated_ends", "small", 3, 0, "REBOOT OK"),
)


@pytest.mark.parametrize(("row", "claim", "where", "calls", "faults", "last"), ROWS, ids=[f"{r[0]}-{r[1]}" for r in ROWS])
def test_rows(row: str, claim: str, where: str, calls: int, faults: int, last: str) -> None:
    found = verdict(small() if where == "small" else elsewhere(where), claim)
    assert found.result is Result.FAILS
    assert found.witness is not None
    step = found.witness.steps[-1]
    label = f" at {step.label}" if step.label is not None else ""
    assert f"{step.event} {step.outcome}{label}".startswith(last)
    assert (found.witness.calls, found.witness.faults) == (calls, faults)
    assert {"calls", "faults"} <= set(found.witness.minimal)


def test_each_failing_claim_has_a_row() -> None:
    failing = {e.property for e in spec().system.expectations if e.verdict is Expected.FAILS}
    assert failing == {claim for _, claim, *_ in ROWS} | {"updated_is_left", "updated_ends_by_itself"}
    table = TEXT[TEXT.index("// ---- the rows") :]
    assert {claim for claim in failing if claim not in table} == {"updated_ends_by_itself"}


def test_updated_is_left_unless_finish_can_only_panic() -> None:
    witness = verdict(small(), "updated_is_left").witness
    assert witness is not None and witness.loop is not None and "notifier" in witness.given
    assert any(change.place == "subsys0.here" and change.after == "true" for step in witness.steps for change in step.changes)
    assert "FINISH" not in [step.event for step in witness.steps]


def test_every_call_returns_in_both_races() -> None:
    system = spec().system
    claim = system.claim("every_call_returns")
    for scope in (scope for scope in system.scopes if scope.name in ("race_restore", "race_preserve")):
        assert verdict(explore(system, scope, claims=[claim]), claim.name).result is Result.HOLDS


def test_two_callers_are_in_both_races() -> None:
    for claim, where in (("retrieve_once", "race_restore"), ("token_is_new", "race_preserve")):
        witness = verdict(elsewhere(where), claim).witness
        assert witness is not None
        assert {dict(step.arguments)["a"] for step in witness.steps} == {"agent0", "agent1"}
        assert any(step.resumed for step in witness.steps)


# ---- the lines matter -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A change of the text, and what claims come to then.  Before it, they come to something else."""

    what: str
    scope: str
    edits: tuple[tuple[str, str], ...]
    turns: dict[str, Result]


def change(
    what: str, scope: str, old: str, new: str, result: Result, *claims: str, also: tuple[tuple[str, str], ...] = ()
) -> Change:
    return Change(what, scope, ((old, new), *also), dict.fromkeys(claims, result))


HOLDS, FAILS, VACUOUS = Result.HOLDS, Result.FAILS, Result.VACUOUS
NO_UNDO = "    rollback visited { run file_cancel(t); }\n"
PREPARED = "    t.out.memory = KEPT;\n"
FREEZING = "    file_freeze: fail ECALLBACK sometimes callback;\n"

REPAIRS = (
    change(
        "UNPRESERVE drops the reference",
        "tiny",
        "    t.out = none;  // xa_erase",
        "    t.out.refs = t.out.refs - 1;\n    t.out = none;  // xa_erase",
        HOLDS,
        "refs_are_entries",
    ),
    change(
        "PRESERVE replies before it registers",
        "tiny",
        "    preserve_reply: fail EFAULT sometimes copy_out;\n",
        "",
        HOLDS,
        "failed_preserve_has_no_effect",
        also=(("    t = next_tok;\n", "    preserve_reply: fail EFAULT sometimes copy_out;\n    t = next_tok;\n"),),
    ),
    change(
        "RESTORE replies before it begins",
        "tiny",
        "    restore_reply: fail EFAULT sometimes copy_out;\n",
        "",
        HOLDS,
        "unanswered_restore_has_no_effect",
        also=(("    t.reclaimed = true;\n", "    restore_reply: fail EFAULT sometimes copy_out;\n    t.reclaimed = true;\n"),),
    ),
    change(
        "RESTORE marks the entry after its handler",
        "tiny",
        "    t.reclaimed = true;\n",
        "",
        HOLDS,
        "failed_restore_consumes_nothing",
        "every_file_comes_back",
        "finish_is_told_the_truth",
        also=(("    f = t.incoming;\n", "    f = t.incoming;\n    t.reclaimed = true;\n"),),
    ),
    change(
        "a release handler",
        "tiny",
        "env EXIT(a: Agent) { require a.live; a.live = false; }",
        "env EXIT(a: Agent) { require a.live; a.live = false; forall t: Token { t.out = none; } }",
        HOLDS,
        "exit_drops_files",
    ),
    change(
        "a failing PREPARE takes its tree down",
        "tiny",
        "    run files_prepare();\n",
        "    run files_prepare() else { tree = false; fail; }\n",
        HOLDS,
        "failed_prepare_leaves_no_tree",
    ),
    change(
        "a failing FREEZE stays PREPARED",
        "tiny",
        "    run files_freeze() else { phase = NORMAL; fail; }\n",
        "    run files_freeze();\n",
        HOLDS,
        "kho_agrees",
        "kho_can_be_aborted",
        "only_frozen_arrives",
        also=(("run subsystems_freeze() else { run files_cancel(); phase = NORMAL; fail; }", "run subsystems_freeze();"),),
    ),
    change(
        "CANCEL resets every payload",
        "tiny",
        "    if not t.out.handler.bare {\n",
        "    if true {\n",
        HOLDS,
        "cancel_leaves_no_payload",
    ),
    change(
        "FINISH frees the entries",
        "tiny",
        "    forall t: Token { t.node = none; }  // nobody reads",
        "    forall t: Token { t.incoming = none; t.node = none; }  // nobody reads",
        HOLDS,
        "finish_frees_entries",
    ),
    change(
        "FINISH counts handlers without finish",
        "tiny",
        "where t.incoming != none and not t.done and not t.incoming.handler.bare {",
        "where t.incoming != none and not t.done {",
        HOLDS,
        "finish_reaches_every_entry",
    ),
    change(
        "the hook refuses to lose registered files",
        "tiny",
        "    if phase == PREPARED { run luo_freeze(); }\n",
        "    fail EBUSY when settled and some t: Token | t.out != none;\n    if phase == PREPARED { run luo_freeze(); }\n",
        HOLDS,
        "reboot_loses_no_entry",
    ),
    change(
        "the hook refuses until FINISH",
        "tiny",
        "    if phase == PREPARED { run luo_freeze(); }\n",
        "    fail EBUSY when phase == UPDATED;\n    if phase == PREPARED { run luo_freeze(); }\n",
        VACUOUS,
        "reboot_loses_no_incoming",
    ),
    change(
        "KHO aborts without forgetting others",
        "neighbour",
        "    forall o: Other { o.kept = false; }\n",
        "",
        HOLDS,
        "cancel_spares_others",
        "prepare_spares_others",
    ),
    change(
        "a subsystem's failing freeze undoes none",
        "subsystems",
        "    subsys_freeze: fail ECALLBACK sometimes callback;\n    rollback visited { u.ready = false; }\n",
        "    subsys_freeze: fail ECALLBACK sometimes callback;\n",
        HOLDS,
        "freeze_treats_subsystems_alike",
    ),
    change(
        "CANCEL from NORMAL",
        "tiny",
        "    cancel_state: fail EINVAL when not phase in { PREPARED, FROZEN };\n",
        "",
        HOLDS,
        "kho_can_be_aborted",
    ),
)

BREAKAGES = (
    change(
        "subsystems: a failing prepare undoes none",
        "subsystems",
        "    u.ready = true;\n    rollback visited { u.ready = false; }\n",
        "    u.ready = true;\n",
        FAILS,
        "prepare_unwinds",
    ),
    change(
        "the last subsystem fails, the files stay prepared",
        "tiny",
        "    run subsystems_prepare() else { run files_cancel(); fail; }\n",
        "    run subsystems_prepare();\n",
        FAILS,
        "prepare_unwinds",
    ),
    change(
        "PRESERVE in every state", "tiny", "    preserve_state: fail EBUSY when not settled;\n", "", FAILS, "tree_has_every_file"
    ),
    change(
        "UNPRESERVE in every state",
        "tiny",
        "    unpreserve_state: fail EBUSY when not settled;\n",
        "",
        FAILS,
        "tree_has_every_file",
    ),
    change(
        "UNPRESERVE of nothing",
        "tiny",
        "    unpreserve_unknown: fail ENOENT when t.out == none;\n",
        "",
        FAILS,
        "unpreserve_removes_an_entry",
    ),
    change(
        "CANCEL without KHO", "tiny", "    cancel_no_kho: fail EOPNOTSUPP when not kho;\n", "", FAILS, "cancel_reports_missing_kho"
    ),
    change("RESTORE twice", "tiny", "    again: fail EINVAL when t.reclaimed;\n", "", FAILS, "retrieve_once"),
    change(
        "PREPARE in every state",
        "tiny",
        "    prepare_state: fail EINVAL when phase != NORMAL;\n",
        "",
        VACUOUS,
        "prepare_reports_its_own_error",
    ),
    change("PREPARE twice", "tiny", "    already_final: fail EEXIST when final;\n", "", FAILS, "failed_prepare_stays"),
    change("FREEZE in every state", "tiny", "    freeze_state: fail EINVAL when phase != PREPARED;\n", "", FAILS, "freeze_moves"),
    change("FINISH in every state", "tiny", "    finish_state: fail EINVAL when phase != UPDATED;\n", "", FAILS, "finish_moves"),
    change(
        "CANCEL leaves the tree attached",
        "tiny",
        "    tree = false;\n    phase = NORMAL;\n",
        "    phase = NORMAL;\n",
        FAILS,
        "cancel_leaves_no_memory",
    ),
    change(
        "CANCEL leaves the state",
        "tiny",
        "    tree = false;\n    phase = NORMAL;\n",
        "    tree = false;\n",
        FAILS,
        "cancellable",
    ),
    change(
        "KHO aborts without forgetting",
        "tiny",
        "    forall f: File where f.memory == KEPT { f.memory = FREE; }\n",
        "",
        FAILS,
        "cancel_leaves_no_memory",
    ),
    change(
        "the answer to the abort is what PREPARE returns",
        "tiny",
        "run kho_abort() else { }",
        "run kho_abort();",
        FAILS,
        "prepare_reports_its_own_error",
    ),
    change(
        "the tree does not cross kexec",
        "tiny",
        "    preserved node: File?",
        "    volatile node: File?",
        FAILS,
        "prepared_files_arrive",
    ),
)

SLOW = (
    change(
        "a file that is registered is refused",
        "files",
        "    preserve_nomem: fail",
        "    fail EEXIST when some u: Token | u.out == f;\n    preserve_nomem: fail",
        HOLDS,
        "one_entry_per_file",
        "prepared_once",
    ),
    change("files: a failing prepare undoes none", "files", PREPARED + NO_UNDO, PREPARED, FAILS, "prepare_unwinds"),
    change(
        "RESTORE looks and marks at once",
        "race_restore",
        "    t.reclaimed = true;\n",
        "",
        HOLDS,
        "retrieve_once",
        also=(("    looked: step;", "    t.reclaimed = true;\n    looked: step;"),),
    ),
    change(
        "the counter is atomic",
        "race_preserve",
        "    next_tok = next(t);\n",
        "",
        HOLDS,
        "token_is_new",
        also=(("    counted: step;", "    next_tok = next(t);\n    counted: step;"),),
    ),
)


def explored(text: str, scope: str, claims: list[str]) -> dict[str, Result]:
    system: System = load_source(Source("rfc_v2.luo", text + FILES)).system
    where = next(s for s in system.scopes if s.name == scope)
    found = explore(system, where, claims=[system.claim(name) for name in claims], witnesses=False)
    assert found.complete
    return {v.property: v.result for v in found.verdicts}


@lru_cache
def before(scope: str) -> dict[str, Result]:
    """What the spec as it is says in a scope, of the claims that some change there turns."""
    claims = sorted({claim for each in (*REPAIRS, *BREAKAGES, *SLOW) if each.scope == scope for claim in each.turns})
    return explored(BODIES, scope, claims)


def changed(text: str, edits: tuple[tuple[str, str], ...]) -> str:
    for old, new in edits:
        assert text.count(old) == 1, f"`{old}` stands {text.count(old)} times in rfc_v2.luo"
        text = text.replace(old, new)
    return text


def turns(each: Change) -> None:
    assert explored(changed(BODIES, each.edits), each.scope, list(each.turns)) == each.turns
    assert all(before(each.scope)[claim] is not result for claim, result in each.turns.items())


@pytest.mark.parametrize("each", REPAIRS, ids=lambda each: each.what)
def test_a_repair_is_noticed(each: Change) -> None:
    turns(each)


@pytest.mark.parametrize("each", BREAKAGES, ids=lambda each: each.what)
def test_a_line_that_goes_is_missed(each: Change) -> None:
    turns(each)


@pytest.mark.nightly
@pytest.mark.parametrize("each", SLOW, ids=lambda each: each.what)
def test_changes_in_larger_scopes(each: Change) -> None:
    turns(each)


def test_a_patch_that_undoes_all_files_repairs_the_freeze() -> None:
    """The repair of S10 as a derived spec: undo all entries, not only those before the one that failed."""
    text = """spec undo_all extends rfc_v2;
    override walk files_freeze() over t: Token in order where t.out != none {
        file_freeze: fail ECALLBACK sometimes callback;
        rollback all { if t.out != none { run file_cancel(t); } }
    }
    """
    system = load_source(Source("undo_all.luo", text)).system
    claims = [system.claim(name) for name in ("freeze_undoes_files", "reboot_is_all_or_nothing")]
    tiny = next(s for s in system.scopes if s.name == "tiny")
    found = explore(system, tiny, claims=claims, witnesses=False)
    assert [v.result for v in found.verdicts] == [Result.HOLDS, Result.HOLDS]


@pytest.mark.nightly
def test_without_the_rollback_of_files_freeze_nothing_is_undone() -> None:
    """S10 again: the files before the failing one are cancelled by this rollback alone."""
    dropped = load_source(Source("rfc_v2.luo", changed(TEXT, ((FREEZING + NO_UNDO, FREEZING),)) + FILES)).system
    whole = load_source(Source("rfc_v2.luo", TEXT + FILES)).system
    counts = [explore(s, next(x for x in s.scopes if x.name == "files"), claims=[]).states for s in (whole, dropped)]
    assert counts[0] != counts[1]


@pytest.mark.parametrize(
    ("title", "old", "new"),
    [
        (
            "CANCEL takes the prerequisite away first",
            "walk files_cancel() over t: Token in order where t.out != none {",
            "walk files_cancel() over t: Token in order where t.out != none reversed {",
        ),
        (
            "a prerequisite is missing, and nobody minds",
            "    attach: fail EEXIST when tree;\n",
            "    attach: fail EEXIST when tree;\n    fail ENOENT when some t: Token, g: File | needs(t.out, g) and no u: Token | u.out == g;\n",
        ),
    ],
)
def test_a_story_ends_when_the_code_is_repaired(title: str, old: str, new: str) -> None:
    """S12 and S27, whose scopes are too large to be explored here: the scenario that violates a claim no longer does so."""
    repaired = load_source(Source("rfc_v2.luo", changed(TEXT, ((old, new),))))
    (scenario,) = (s for s in repaired.scenarios if s.title == title)
    assert not replay(repaired, scenario).accepted
