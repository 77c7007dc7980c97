"""The rules for dependencies: deps_none and what extends it, and docs/dependencies.md, each cell of which is what a run says."""

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
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

RULES = ("deps_none", "deps_preserve", "deps_freeze", "deps_both")
PAGE = (Path(__file__).parents[2] / "docs" / "dependencies.md").read_text(encoding="utf-8")
spec = cache(load)


def run_of(rule: Spec, place: str) -> Exploration:
    """A scope, or a topology in the default scope, with all claims."""
    system = rule.system
    topology = next((each for each in system.topologies if each.name == place), None)
    return explore(system, system.scopes[0] if topology is not None else scope_named(system, place), topology)


@cache
def explored(rule: str, place: str) -> Exploration:
    return run_of(spec(rule), place)


def found(run: Exploration, claim: str) -> Verdict:
    return next(verdict for verdict in run.verdicts if verdict.property == claim)


# ---- the specs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "place", "states", "transitions", "depth", "instances"),
    [
        ("deps_none", "three", 2_410, 23_668, 7, 32),
        ("deps_preserve", "three", 499, 4_775, 7, 32),
        ("deps_freeze", "three", 2_100, 20_908, 7, 32),
        ("deps_both", "three", 499, 4_775, 7, 32),
    ],
)
def test_state_space(rule: str, place: str, states: int, transitions: int, depth: int, instances: int) -> None:
    run = explored(rule, place)
    assert run.complete
    assert (run.states, run.transitions, run.depth, run.instances) == (states, transitions, depth, instances)


@pytest.mark.parametrize("rule", RULES)
def test_everything_is_as_expected(rule: str) -> None:
    judge = Judge(spec(rule).system, strict=True)
    assert [v.property for v in judge.verdicts(explored(rule, "three")) if v.as_expected is False] == []
    assert [check.found for check in judge.checks(explored(rule, "three")) if not check.as_expected] == []


DEAD = {
    "deps_none": set[str](),
    "deps_preserve": {"half", "absent", "missing"},
    "deps_freeze": {"absent", "missing"},
    "deps_both": {"late", "half", "absent", "missing"},
}
"""The errors that a rule makes impossible.  That the second check of `both` is one of them is a result."""


@pytest.mark.parametrize("rule", RULES)
def test_which_errors_cannot_happen(rule: str) -> None:
    run = explored(rule, "three")
    assert run.events_never_fired == ()
    assert {line.label for line in run.lines_never_fired} == DEAD[rule]


@pytest.mark.parametrize(
    ("rule", "scenario"), [pytest.param(rule, each, id=f"{rule}: {each.title}") for rule in RULES for each in spec(rule).scenarios]
)
def test_scenario(rule: str, scenario: Scenario) -> None:
    run = replay(spec(rule), scenario)
    assert run.accepted, run.diagnostic


# ---- the page ---------------------------------------------------------------------------------------------------

ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
SHOWN = {Result.HOLDS: "holds", Result.FAILS: "fails", Result.REACHED: "reached", Result.UNREACHED: "not reached"}


def test_the_page_compares_all_rules() -> None:
    assert ROWS[0] == ["question", "claim", "where", *RULES]
    assert len(ROWS) == 24
    assert {row[2].strip("`") for row in ROWS[1:]} >= {each.name for each in spec("deps_none").system.topologies}


@pytest.mark.parametrize("rule", RULES)
def test_each_cell_is_what_a_run_says(rule: str) -> None:
    wrong = []
    for _, claim, place, *cells in ROWS[1:]:
        verdict = found(explored(rule, place.strip("`")), claim.strip("`"))
        calls = f", {verdict.witness.calls} calls" if verdict.witness is not None else ""
        if cells[RULES.index(rule)] != SHOWN[verdict.result] + calls:
            wrong.append((claim, place, verdict.text))
    assert wrong == []


def from_page(name: str, base: str) -> Spec:
    """A spec of the page, as an extension of another base where the page has one."""
    (text,) = re.findall(rf"```luo\n(spec {name} extends .*?)```", PAGE, flags=re.DOTALL)
    return load_source(Source(f"{name}.luo", re.sub(r"extends \w+", f"extends {base}", text, count=1)))


@pytest.mark.parametrize(("base", "result"), [("deps_preserve", Result.FAILS), ("deps_both", Result.HOLDS)])
def test_the_second_check_matters_where_a_file_can_leave(base: str, result: Result) -> None:
    verdict = found(run_of(from_page("loose", base), "three"), "nothing_incomplete")
    assert verdict.result is result
    if verdict.witness is not None:
        assert [step.event for step in verdict.witness.steps] == ["PRESERVE_FD", "PRESERVE_FD", "UNPRESERVE_FD", "REBOOT"]


def test_a_freeze_that_is_undone_backward_keeps_the_order() -> None:
    backward = from_page("backward", "deps_preserve")
    run = run_of(backward, "three")
    assert found(run, "unfreeze_dependants_first").result is Result.HOLDS
    judge = Judge(backward.system, strict=True)
    assert [v.property for v in judge.verdicts(run) if v.as_expected is False] == []


# ---- every line matters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "change", "place", "claim"),
    [
        (
            "deps_preserve",
            "patch ioctl PRESERVE_FD { replace unmet { unmet: fail ENOENT when false; } }",
            "three",
            "nothing_incomplete",
        ),
        ("deps_preserve", "override define together(s: Session, f: File) = true;", "three", "nothing_incomplete"),
        (
            "deps_preserve",
            "override define together(s: Session, f: File) = all g: File | needs(f, g) => some x: Session | g in x.files;",
            "two",
            "prerequisites_frozen_first",
        ),
        (
            "deps_freeze",
            "patch walk freeze_files { replace late { late: fail ENOENT when false; } }",
            "three",
            "nothing_incomplete",
        ),
        ("deps_freeze", "patch walk can_finish { replace half { half: fail EBUSY when false; } }", "guest", "finished_complete"),
        (
            "deps_preserve",
            "override walk finish_files(s: Session) drains f in s.files { f.saved = false; f.got = false; "
            'assert finish_dependants_first "P-REVERSE": no g: File | needs(g, f) and g in s.files; }',
            "three",
            "finish_dependants_first",
        ),
    ],
)
def test_change_is_noticed(rule: str, change: str, place: str, claim: str) -> None:
    """A check or an order that is lost breaks the claim that is about it."""
    assert found(explored(rule, place), claim).result is Result.HOLDS
    changed = load_source(Source("changed.luo", f"spec changed extends {rule};\n{change}\n"))
    assert found(run_of(changed, place), claim).result is Result.FAILS
