"""specs/intent.luo: what it counts, that its claims hold, and that each of them would notice when the design broke its promise."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest
from engine.agreement import names_kept

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Exploration
from luocheck.model.answer import Result
from luocheck.model.instances import instances
from luocheck.model.ir.system import Kind, System
from luocheck.model.library import read_shipped
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source


def explore_in(system: System, scope: str, topology: str | None = None) -> Exploration:
    where = next(s for s in system.scopes if s.name == scope)
    shape = next((t for t in system.topologies if t.name == topology), None)
    return explore(system, where, shape)


@pytest.fixture(scope="module")
def system() -> System:
    return load("intent").system


@pytest.fixture(scope="module")
def small(system: System) -> Exploration:
    """The default scope: two sessions, every acyclic graph on three files."""
    return explore_in(system, "small")


# ---- the spec as it is ------------------------------------------------------------------------------------------


def test_counts_of_the_default_scope(system: System, small: Exploration) -> None:
    """Two agents and three tokens can be exchanged: of 7,784 states 972 are left."""
    assert system.scopes[0].name == "small"
    assert (small.instances, small.states, small.transitions, small.depth) == (6, 972, 37_125, 13)
    assert small.complete
    with names_kept():
        every = explore_in(system, "small")
    assert (every.instances, every.states, every.transitions, every.depth) == (6, 7_784, 322_272, 13)


@pytest.mark.parametrize(
    ("scope", "topology", "counts"),
    [
        ("pair", None, (2, 380, 11_604, 11)),
        ("small", "guest", (1, 336, 12_202, 11)),
        ("small", "mapped", (1, 1_148, 47_712, 13)),
        ("small", "device", (1, 1_024, 42_990, 13)),
    ],
)
def test_counts_elsewhere(system: System, scope: str, topology: str | None, counts: tuple[int, ...]) -> None:
    with names_kept():
        found = explore_in(system, scope, topology)
    assert (found.instances, found.states, found.transitions, found.depth) == counts
    assert {v.result for v in found.verdicts} == {Result.HOLDS, Result.REACHED}


def test_every_claim_holds_and_is_about_something(small: Exploration) -> None:
    wanted = {Kind.REACHABLE.value: Result.REACHED}
    surprising = {v.property: v.text for v in small.verdicts if v.result is not wanted.get(v.kind, Result.HOLDS)}
    assert surprising == {}


def test_every_event_and_every_fail_line_fires(small: Exploration) -> None:
    assert small.events_never_fired == ()
    assert [line.span.text for line in small.lines_never_fired] == []
    assert small.cuts == {}


def test_ways_to_the_goals_are_shortest(small: Exploration) -> None:
    calls = {v.property: v.witness.calls for v in small.verdicts if v.result is Result.REACHED and v.witness is not None}
    assert calls == {"full_round": 10, "shared_update": 5, "left_alone": 6, "dropped_after_restore": 7}


def test_the_largest_topology_has_real_kinds_only(system: System) -> None:
    wide = next(s for s in system.scopes if s.name == "wide")
    machine = next(t for t in system.topologies if t.name == "machine")
    (instance,) = instances(system, wide, machine)
    assert len(instance.edges[0]) == 5


def test_a_topology_with_an_edge_that_was_not_promised_has_no_starting_point() -> None:
    text = read_shipped("intent").text + "topology wrong { ram: MEMFD; vm: KVM; ram -> vm; }\n"
    changed = load_source(Source("intent.luo", text)).system
    wrong = next(t for t in changed.topologies if t.name == "wrong")
    assert list(instances(changed, changed.scopes[0], wrong)) == []


# ---- the spec broken on purpose -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """A change of the text (old -> new, once) and the claims that it breaks, with two files or in a topology."""

    what: str
    old: str
    new: str
    breaks: tuple[str, ...]
    also: tuple[str, str] | None = None
    topology: str | None = None


def drop(what: str, old: str, *breaks: str) -> Mutant:
    return Mutant(what, old, "", breaks)


MUTANTS = (
    # guards
    drop(
        "prepare ignores prerequisites",
        "unmet: fail ENOENT when some g: File | needs(f, g) and g.stage != PREPARED;",
        "prepared_needs_prepared",
    ),
    drop(
        "freeze ignores prerequisites",
        "gone: fail ENOENT when f.stage == REGISTERED or some g: File | needs(f, g) and g.stage != FROZEN;",
        "frozen_needs_frozen",
    ),
    drop("a file twice", "twice: fail EEXIST when f.stage != ABSENT;", "preserved_once"),
    Mutant(
        "preserve in every phase",
        "fail EBADF sometimes; preserve_state: fail EBUSY when phase != NORMAL;",
        "fail EBADF sometimes;",
        ("finish_leaves_nothing",),
    ),
    drop("unpreserve in every phase", "unpreserve_state: fail EBUSY when phase != NORMAL;", "saved_is_needed"),
    drop("unpreserve for others", "not_mine: fail EPERM when f.owner != a;", "others_keep_files"),
    drop("restore in every phase", "restore_state: fail EBUSY when phase != UPDATED;", "restored_by_caller"),
    drop("restore twice", "again: fail EINVAL when f.stage == RESTORED;", "retrieve_once"),
    drop("restore in any order", "early: fail EAGAIN when some g: File | needs(f, g) and g.stage == HANDED;", "restored_first"),
    drop("prepare in every phase", "prepare_state: fail EINVAL when phase != NORMAL;", "prepare_moves"),
    drop("freeze in every phase", "freeze_state: fail EINVAL when phase != PREPARED;", "freeze_moves"),
    drop("cancel in every phase", "cancel_state: fail EINVAL when not phase in { PREPARED, FROZEN };", "cancel_moves"),
    drop("finish in every phase", "finish_state: fail EINVAL when phase != UPDATED;", "finish_moves"),
    drop(
        "reboot forgets files",
        "unprepared: fail EBUSY when phase == NORMAL and some f: File | f.stage == REGISTERED;",
        "nothing_left_out",
    ),
    drop("reboot before finish", "unfinished: fail EBUSY when phase == UPDATED;", "nothing_dangles"),
    Mutant("tokens given out twice", "choose t: Token where no g: File | g.token == t;", "choose t: Token;", ("tokens_unique",)),
    # unwinding
    drop(
        "prepare does not roll back",
        "rollback visited reversed { run undo(f); }",
        "prepare_unwinds",
        "errno_has_no_effect",
        "no_trace",
    ),
    Mutant(
        "freeze does not roll back",
        "f.stage = PREPARED; } } proc undo",
        "} } proc undo",
        ("freeze_unwinds", "reboot_unwinds", "errno_has_no_effect"),
    ),
    Mutant(
        "prepare rolls back forward",
        "rollback visited reversed { run undo(f); }",
        "rollback visited { run undo(f); }",
        ("undone_in_reverse",),
        topology="device",
    ),
    Mutant(
        "freeze rolls back forward",
        "rollback visited reversed { assert",
        "rollback visited { assert",
        ("unfrozen_in_reverse",),
        topology="device",
    ),
    Mutant("cancel goes forward", "where undoable(f) reversed {", "where undoable(f) {", ("undone_in_reverse",)),
    Mutant("a session ends forward", "loses(f, a) reversed {", "loses(f, a) {", ("undone_in_reverse",)),
    Mutant(
        "a failing copy keeps the payload",
        "if sometimes nomem { f.saved = false; copy_failed:",
        "if sometimes nomem { copy_failed:",
        ("errno_has_no_effect", "prepare_unwinds"),
    ),
    Mutant(
        "undo keeps the payload",
        "f.saved = false; f.stage = REGISTERED;",
        "f.stage = REGISTERED;",
        ("cancel_restores", "no_trace"),
    ),
    Mutant(
        "a left-over payload stands in the way",
        "f.saved = false; f.stage = REGISTERED;",
        "f.stage = REGISTERED;",
        ("retry",),
        ("prepare: fail ECALLBACK sometimes callback;", "fail EEXIST when f.saved;"),
    ),
    Mutant(
        "cancel undoes prepared files only",
        "walk cancel_files() over f: File along needs where undoable(f)",
        "walk cancel_files() over f: File along needs where f.stage == PREPARED",
        ("cancel_restores",),
    ),
    Mutant("prepare swallows an errno", "run prepare_files();", "run prepare_files() else { }", ("prepare_takes_all",)),
    Mutant(
        "freeze swallows an errno",
        "run freeze_files(); phase = FROZEN; } ioctl CANCEL",
        "run freeze_files() else { } phase = FROZEN; } ioctl CANCEL",
        ("freeze_takes_all",),
    ),
    Mutant(
        "cancel keeps the phase",
        "run cancel_files(); phase = NORMAL; } ioctl FINISH",
        "run cancel_files(); } ioctl FINISH",
        ("cancel_moves", "cancel_restores"),
    ),
    Mutant(
        "cancel refuses when frozen",
        "cancel_state: fail EINVAL when not phase in { PREPARED, FROZEN };",
        "cancel_state: fail EINVAL when phase != PREPARED;",
        ("cancellable", "cancel_cannot_fail"),
    ),
    # replies
    Mutant(
        "preserve replies last",
        "f.stage = REGISTERED; } ioctl FD_UNPRESERVE",
        "f.stage = REGISTERED; fail EFAULT sometimes copy_out; } ioctl FD_UNPRESERVE",
        ("errno_has_no_effect",),
    ),
    Mutant(
        "restore replies last",
        "f.stage = RESTORED; } on",
        "f.stage = RESTORED; fail EFAULT sometimes copy_out; } on",
        ("errno_has_no_effect",),
    ),
    Mutant(
        "restore marks the file before its handler runs",
        "retrieve: fail ECALLBACK sometimes callback;",
        "f.stage = RESTORED; retrieve: fail ECALLBACK sometimes callback;",
        ("errno_has_no_effect", "told_the_truth"),
    ),
    # clean-up
    drop("the end of a session drops nothing", "run drop_files(a);", "dead_agents_own_nothing"),
    drop(
        "the end of a session leaves files frozen",
        "if phase == FROZEN and some f: File | f.owner == a { run cancel_files(); phase = NORMAL; }",
        "frozen_needs_frozen",
    ),
    Mutant(
        "a dead session does not end the freeze",
        "run cancel_files(); phase = NORMAL; } run drop_files",
        "run cancel_files(); } run drop_files",
        ("freeze_is_atomic",),
    ),
    Mutant(
        "dependants stay prepared",
        "where f.owner == a or loses(f, a) reversed",
        "where f.owner == a reversed",
        ("prepared_needs_prepared",),
    ),
    Mutant(
        "dependants of others are dropped",
        "if f.owner == a { run put(f); }",
        "run put(f);",
        ("close_is_private", "exit_is_private"),
    ),
    Mutant(
        "close does not end the session",
        "syscall CLOSE(a: Agent) { require a.open; run end_session(a); }",
        "syscall CLOSE(a: Agent) { require a.open; a.open = false; }",
        ("closed_is_dropped", "dead_agents_own_nothing"),
    ),
    Mutant(
        "an exit takes unclaimed files along",
        "env EXIT(a: Agent) { require a.open; run end_session(a); }",
        "env EXIT(a: Agent) { require a.open; run end_session(a); forall f: File where f.stage == HANDED { f.stage = ABSENT; } }",
        ("unclaimed_stay",),
    ),
    drop("a forgotten reference", "f.held = false;", "references", "finish_leaves_nothing"),
    drop("a forgotten owner", "f.owner = none;", "owned", "finish_leaves_nothing"),
    drop("a forgotten token", "f.token = none;", "tokens_name_files", "finish_leaves_nothing"),
    Mutant("finish keeps the memory", "if f.stage == HANDED { f.saved = false; }", "", ("finish_leaves_nothing",)),
    Mutant(
        "finish takes unclaimed files only",
        "walk finish_files() over f: File along needs where incoming(f)",
        "walk finish_files() over f: File along needs where f.stage == HANDED",
        ("finish_leaves_nothing",),
    ),
    Mutant(
        "restore keeps the memory",
        "retrieve: fail ECALLBACK sometimes callback; f.saved = false;",
        "retrieve: fail ECALLBACK sometimes callback;",
        ("saved_is_needed",),
    ),
    Mutant("preserve has no owner", "f.owner = a; f.token = t;", "f.token = t;", ("preserved_by_caller",)),
    # the state machine
    Mutant(
        "finish goes on to PREPARED",
        "run finish_files(); phase = NORMAL;",
        "run finish_files(); phase = PREPARED;",
        ("one_cycle",),
    ),
    Mutant(
        "finish waits for every file",
        "finish_state: fail EINVAL when phase != UPDATED;",
        "finish_state: fail EINVAL when phase != UPDATED; fail EBUSY when some f: File | f.stage == HANDED;",
        ("finishable", "finish_cannot_fail", "next_round"),
    ),
    Mutant(
        "restore needs prerequisites that are gone",
        "early: fail EAGAIN when some g: File | needs(f, g) and g.stage == HANDED;",
        "early: fail EAGAIN when some g: File | needs(f, g) and g.stage != RESTORED;",
        ("restorable",),
    ),
    drop("the new kernel forgets the files", "forall f: File where f.stage == FROZEN { f.stage = HANDED; }", "handed_over"),
    # goals that a design with fewer freedoms cannot reach
    Mutant(
        "one file may be restored",
        "early: fail EAGAIN when some g: File | needs(f, g) and g.stage == HANDED;",
        "early: fail EAGAIN when some g: File | g.stage == RESTORED;",
        ("full_round",),
    ),
    Mutant(
        "one session at a time",
        "twice: fail EEXIST when f.stage != ABSENT;",
        "twice: fail EEXIST when f.stage != ABSENT; fail EPERM when some g: File | g.owner != none and g.owner != a;",
        ("shared_update",),
    ),
    Mutant(
        "a dead session cancels everything",
        "if phase == FROZEN and some",
        "if phase in { PREPARED, FROZEN } and some",
        ("left_alone",),
    ),
    Mutant(
        "a restored file outlives its session",
        "if f.owner == a { run put(f); }",
        "if f.stage != RESTORED { run put(f); }",
        ("dropped_after_restore",),
    ),
)


def one_line(text: str) -> str:
    """Without comments, and with one space wherever there is space: what is changed does not depend on the layout."""
    return " ".join(re.sub(r"//[^\n]*", "", text).split())


def mutated(mutant: Mutant) -> System:
    """The changed spec, without its scenarios and expectations, which name labels that may be gone."""
    text = one_line(read_shipped("intent").text.partition("// ---- scenarios")[0])
    for old, new in ((mutant.old, mutant.new), *([mutant.also] if mutant.also else [])):
        assert text.count(one_line(old)) == 1, f"`{old}` stands {text.count(one_line(old))} times in intent.luo"
        text = text.replace(one_line(old), new)
    return load_source(Source("intent.luo", text)).system


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_a_broken_design_is_noticed(mutant: Mutant) -> None:
    """Each change breaks the claims that are named after what it breaks."""
    changed = mutated(mutant)
    scope = next(s for s in changed.scopes if s.name == ("small" if mutant.topology else "pair"))
    topology = next((t for t in changed.topologies if t.name == mutant.topology), None)
    claims = [claim for claim in changed.properties if claim.name in mutant.breaks]
    assert len(claims) == len(mutant.breaks)
    found = explore(changed, scope, topology, claims=claims, witnesses=False, stop_when_found=True)
    results = {v.property: v.result for v in found.verdicts}
    goals = {claim.name for claim in claims if claim.kind is Kind.REACHABLE}
    assert results == {name: Result.UNREACHED if name in goals else Result.FAILS for name in mutant.breaks}


def test_each_claim_is_broken_by_some_change(system: System) -> None:
    broken = {name for mutant in MUTANTS for name in mutant.breaks}
    wanted = {claim.name for claim in system.properties if claim.kind not in (Kind.BUILT_IN, Kind.LIVENESS)}
    assert wanted - broken == set()
