"""specs/luofs.luo, and docs/luofs.md, which compares it with the interfaces that exist: each cell of its tables is what a run says."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from luocheck.checker.expectations import Judge
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Exploration
from luocheck.checker.scenarios import replay
from luocheck.checker.selection import scope_named
from luocheck.model.answer import Result, Verdict
from luocheck.model.library import read_spec
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

PAGE = (Path(__file__).parents[2] / "docs" / "luofs.md").read_text(encoding="utf-8")
spec = cache(load)


@cache
def explored(name: str, place: str | None = None) -> Exploration:
    """The default scope of a spec, another scope, or a topology in the default scope; every claim is decided."""
    system = spec(name).system
    topology = next((each for each in system.topologies if each.name == place), None)
    scope = system.scopes[0] if topology is not None or place is None else scope_named(system, place)
    return explore(system, scope, topology)


def found(run: Exploration, claim: str) -> Verdict:
    return next(verdict for verdict in run.verdicts if verdict.property == claim)


def without_answers(text: str) -> str:
    """The spec without its scenarios and expectations, which name lines that a change takes away."""
    return re.sub(r'^(scenario "[^"]*"[^{]*|expect )\{\n(.*?)^\}\n', "", text, flags=re.DOTALL | re.MULTILINE)


def changed(old: str, new: str) -> Spec:
    """luofs with one place changed."""
    text = read_spec("luofs").text
    assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
    return load_source(Source("luofs.luo", without_answers(text.replace(old, new))))


def results_in(other: Spec, claims: tuple[str, ...], scope: str = "small") -> list[Result]:
    """What these claims come to, in one search that ends as soon as all have failed."""
    system = other.system
    run = explore(system, scope_named(system, scope), claims=[system.claim(each) for each in claims], stop_when_found=True)
    return [found(run, claim).result for claim in claims]


# ---- the spec ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "states", "transitions", "depth", "instances"),
    [("small", 5_271, 314_082, 13, 16), ("race", 59_906, 821_524, 21, 8)],
)
def test_state_space(place: str, states: int, transitions: int, depth: int, instances: int) -> None:
    run = explored("luofs", None if place == "small" else place)
    assert run.complete
    assert (run.states, run.transitions, run.depth, run.instances) == (states, transitions, depth, instances)


def test_everything_is_as_expected() -> None:
    judge = Judge(spec("luofs").system, strict=True)
    run = explored("luofs")
    assert [v.property for v in judge.verdicts(run) if v.as_expected is False] == []
    assert [check.found for check in judge.checks(run) if not check.as_expected] == []


def test_what_is_said_of_the_race_is_as_expected() -> None:
    named = {e.property for e in spec("luofs").system.expectations if e.scope == "race"}
    verdicts = Judge(spec("luofs").system, strict=False).verdicts(explored("luofs", "race"))
    assert {v.property for v in verdicts if v.as_expected is True} >= named


@pytest.mark.parametrize("scenario", [pytest.param(each, id=each.title) for each in spec("luofs").scenarios])
def test_scenario(scenario: Scenario) -> None:
    run = replay(spec("luofs"), scenario)
    assert run.accepted, run.diagnostic


def test_there_are_scenarios() -> None:
    assert len(spec("luofs").scenarios) == 16


CHANGES = [
    # what there is to deliver can fail to be delivered
    (
        "    n.what = f;\n}\nsyscall UNLINK",
        "    n.what = f;\n    fail EFAULT sometimes;\n}\nsyscall UNLINK",
        "link_error_no_effect",
        "small",
    ),
    ("    run walk_ends(a, f);\n}\n", "    run walk_ends(a, f);\n    fail EMFILE sometimes;\n}\n", "open_error_no_effect", "small"),
    # the locks of the VFS
    ("    guard inode(f);\n    if f.stage == HANDED {\n", "    if f.stage == HANDED {\n        step;\n", "retrieve_once", "race"),
    # the state machine
    ("    unlink_state: fail EROFS when read_only;\n", "", "frozen_directory", "small"),
    ("    rename_state: fail EROFS when read_only;\n", "", "frozen_directory", "small"),
    ("    unprepared: fail EBUSY when phase == NORMAL and some f: File | linked(f);\n", "", "nothing_dangles", "small"),
    # the handlers
    ("    unmet: fail ENOENT when some g: File | needs(f, g) and g.stage != PREPARED;\n", "", "prepared_needs_prepared", "small"),
    ("where undoable(f) reversed { run undo(f); }", "where undoable(f) { run undo(f); }", "undone_in_reverse", "small"),
    (
        "    f.saved = false;\n    f.stage = PLAIN;\n}\nwalk cancel_files",
        "    f.stage = PLAIN;\n}\nwalk cancel_files",
        "cancel_restores",
        "small",
    ),
]


@pytest.mark.parametrize(("old", "new", "claim", "scope"), CHANGES)
def test_change_is_noticed(old: str, new: str, claim: str, scope: str) -> None:
    assert found(explored("luofs", None if scope == "small" else scope), claim).result is Result.HOLDS
    assert results_in(changed(old, new), (claim,), scope) == [Result.FAILS]


def test_the_lock_of_the_inode_is_what_makes_a_restore_single() -> None:
    """With the lock, the same point of preemption does no harm."""
    other = changed("    if f.stage == HANDED {\n        early:", "    if f.stage == HANDED {\n        step;\n        early:")
    assert results_in(other, ("retrieve_once",), "race") == [Result.HOLDS]


def test_refusing_a_second_link_mends_what_hard_links_break() -> None:
    other = changed("    space: fail ENOSPC", "    fail EMLINK when linked(f);\n    space: fail ENOSPC")
    assert results_in(other, ("one_name", "unlink_gives_up", "rename_moves")) == [Result.HOLDS] * 3


def test_a_finish_that_waits_for_path_walks_leaves_nothing() -> None:
    other = changed("    run can_finish();\n", "    fail EBUSY when some f: File | f.walkers != { };\n    run can_finish();\n")
    assert results_in(other, ("finish_leaves_nothing", "nothing_dangles"), "race") == [Result.HOLDS] * 2


# ---- the page ---------------------------------------------------------------------------------------------------


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


CELL = re.compile(r"`(\w+)` (holds|fails)(?: in `(\w+)`)?(?:, (\d+) calls)?")
SPECS = ("intent", "rfc_v2", "linux_7_3", "luofs")
PROMISES = rows("Promise by promise")


def test_the_page_compares_all_four() -> None:
    assert len(PROMISES) == 37
    head = next(line for line in PAGE.splitlines() if line.startswith("| promise"))
    assert head == "| promise | " + " | ".join(SPECS) + " |"


@pytest.mark.parametrize("name", SPECS)
def test_each_cell_is_what_a_run_says(name: str) -> None:
    column = [(row[0], row[1 + SPECS.index(name)]) for row in PROMISES]
    assert all(len(row) == 5 for row in PROMISES)
    wrong = []
    for promise, cell in column:
        if cell == "-":
            continue
        said = CELL.fullmatch(cell)
        assert said is not None, (promise, cell)
        claim, result, place, calls = said.groups()
        assert spec(name).system.claim(claim) is not None
        verdict = found(explored(name, place), claim)
        length = str(verdict.witness.calls) if verdict.result is Result.FAILS and verdict.witness is not None else None
        if (verdict.result.value, length) != (result, calls):
            wrong.append((promise, cell, verdict.text))
    assert wrong == []


def test_every_failing_claim_of_luofs_is_on_the_page() -> None:
    """In the first table or among the stories; those in `race` too."""
    told = {row[4].split("`")[1] for row in PROMISES if "fails" in row[4]} | {
        row[0].strip("`") for row in rows("The stories of luofs")
    }
    failing = {v.property for v in explored("luofs").verdicts if v.result is Result.FAILS}
    expected = {e.property for e in spec("luofs").system.expectations if e.scope == "race" and e.event is not None}
    assert told == (failing - {"given_up_in_reverse"}) | expected  # the assertion says what `unlink_in_reverse` says


def test_the_stories_are_those_of_the_run() -> None:
    stories = {row[0].strip("`"): row[1].split() for row in rows("The stories of luofs")}
    witnesses = {v.property: v.witness for v in explored("luofs").verdicts if v.result is Result.FAILS}
    seen = {claim: [step.event for step in w.steps] for claim, w in witnesses.items() if w is not None and claim in stories}
    assert seen == stories


CHOICES = [
    pytest.param(*row, marks=() if row[0] == "`guarded`" else pytest.mark.nightly) for row in rows("What the free choices decide")
]


@pytest.mark.parametrize(("choice", "value", "claims"), CHOICES)
def test_a_free_choice_decides(choice: str, value: str, claims: str) -> None:
    """So set the claims fail, and set otherwise they hold."""
    name = choice.strip("`")
    declaration = f"fixed var {name}: bool = any;"
    named = tuple(re.findall(r"`(\w+)`", claims))
    for setting, result in ((value, Result.FAILS), ({"true": "false", "false": "true"}[value], Result.HOLDS)):
        other = changed(declaration, f"fixed var {name}: bool = {setting};")
        assert [(each, result) for each in named] == list(zip(named, results_in(other, named), strict=True))


def test_every_free_choice_is_on_the_page() -> None:
    declared = set(re.findall(r"^fixed var (\w+): bool = any;", read_spec("luofs").text, flags=re.MULTILINE))
    assert {row[0].strip("`") for row in rows("What the free choices decide")} == declared
