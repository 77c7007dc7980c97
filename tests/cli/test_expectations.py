"""Verdicts against expectations: each rule of the language reference, on a spec that is as small as the rule."""

from __future__ import annotations

import pytest

import luocheck
from luocheck.checker.check import CheckAnswer
from luocheck.checker.explore.limits import Limits
from luocheck.model.answer import Result
from luocheck.model.diagnostics import SpecError
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load_source

SPEC = """\
spec t;
sort Agent symmetric caller;
sort File symmetric;
graph needs on File;
scope small { Agent = 1, File = 1 }
scope same  { Agent = 1, File = 1 }
scope two   { Agent = 1, File = 2 }
scope race  { Agent = 2, File = 1; stepwise PUT }
scope empty { Agent = 1, File = 0 }
topology alone { f: File; }
topology pair { f: File; g: File; f -> g; }
per File { volatile up: bool = false; }
volatile var stopped: bool = false;
ioctl PUT(a: Agent, f: File) { twice: fail EBUSY when f.up; step; f.up = true; }
ioctl STOP(a: Agent) { fail EIO when stopped; stopped = true; }
ioctl NEVER(a: Agent) { require false; dead: fail EIO when stopped; }
"""


def spec(text: str) -> Spec:
    return load_source(Source("t.luo", SPEC + text))


def check(text: str, **options: object) -> CheckAnswer:
    return luocheck.check(spec(text), **options)  # type: ignore[arg-type]


def judged(answer: CheckAnswer, name: str, run: int = 0) -> tuple[Result, str | None, bool | None]:
    verdict = next(v for v in answer.runs[run].verdicts if v.property == name)
    return verdict.result, verdict.expected, verdict.as_expected


HOLDS = "invariant p: (number of f: File | f.up) >= 0;"
FAILS = "invariant p: no f: File | f.up;"
GOAL = "reachable p: some f: File | f.up;"
NO_GOAL = "reachable p: (number of f: File | f.up) > 5;"
VACUOUS = "after NEVER check p: false;"


@pytest.mark.parametrize(
    ("claim", "entry", "verdict", "as_expected"),
    [
        (HOLDS, "", "as-expected", True),
        (FAILS, "", "unexpected", False),
        (GOAL, "", "as-expected", True),
        (NO_GOAL, "", "unexpected", False),
        (VACUOUS, "", "unexpected", False),
        (VACUOUS, "p holds;", "unexpected", False),
        (VACUOUS, "p vacuous;", "as-expected", True),
        (HOLDS, "p vacuous;", "unexpected", False),
        (HOLDS, "p holds;", "as-expected", True),
        (HOLDS, "p fails;", "unexpected", False),
        (FAILS, "p fails;", "as-expected", True),
        (FAILS, "p fails within 1;", "as-expected", True),
        (FAILS, "p fails within 5;", "as-expected", True),
        (FAILS, "p fails within 0;", "unexpected", False),
        (FAILS, "p fails by PUT;", "as-expected", True),
        (FAILS, "p fails by STOP;", "unexpected", False),
        (FAILS, "p fails by PUT at twice;", "unexpected", False),
        ("after PUT returns error check p: false;", "p fails within 2 by PUT at twice;", "as-expected", True),
        (GOAL, "p is reachable within 1;", "as-expected", True),
        (GOAL, "p is not reachable;", "unexpected", False),
        (NO_GOAL, "p is not reachable;", "as-expected", True),
        (NO_GOAL, "p is reachable;", "unexpected", False),
    ],
)
def test_default_scope(claim: str, entry: str, verdict: str, as_expected: bool) -> None:
    answer = check(f"{claim} expect {{ {entry} }}")
    assert answer.verdict == verdict
    assert judged(answer, "p")[2] is as_expected
    assert [d.code for d in answer.problems] == ([] if as_expected else ["LUO601"])


def test_strict_wants_the_minimum() -> None:
    for bound, right in ((0, False), (1, True), (2, False)):
        answer = check(f"{FAILS} expect {{ p fails within {bound}; }}", strict=True)
        assert judged(answer, "p")[2] is right


def test_strict_fails_on_what_never_fires() -> None:
    answer = check(HOLDS, strict=True)
    assert answer.verdict == "unexpected"
    assert answer.dead == ("NEVER", "NEVER: fail EIO at dead (t.luo:16)")
    assert check(HOLDS).verdict == "as-expected"


def test_what_fires_in_another_run_is_not_dead() -> None:
    text = HOLDS + "ioctl LATE(a: Agent) { require (number of f: File | f.up) == 2; } expect { p holds in scope two; }"
    assert "LATE" not in check(text, strict=True).dead
    assert "LATE" in check(text, strict=True, scope="small").dead


def test_what_a_limit_kept_from_firing_is_not_dead() -> None:
    answer = check(HOLDS, strict=True, limits=Limits(max_states=1))
    assert answer.dead == () and answer.verdict == "undecided"


def test_built_in_claims_are_expected_to_hold() -> None:
    broken = "volatile var c: count(1) = 0; ioctl UP(a: Agent) { c = c + 1; } "
    answer = check(broken)
    assert judged(answer, "count_range") == (Result.FAILS, "holds", False)
    assert check(broken + "expect { count_range fails within 2 by UP; }").verdict == "as-expected"


def test_liveness_without_an_entry_changes_nothing() -> None:
    claim = "liveness p: stopped leads to not stopped;"
    assert check(claim).exit_status == 1
    assert check(claim + "expect { p fails; }").exit_status == 0
    limits = Limits(max_states=1)
    assert judged(check(claim, limits=limits), "p") == (Result.UNKNOWN, None, None)
    assert judged(check(claim + "expect { p holds; }", limits=limits), "p") == (Result.UNKNOWN, "holds", None)


def test_entries_name_scopes_and_topologies() -> None:
    answer = check(FAILS + "expect { p fails; p holds in scope empty; p fails in topology pair within 1; }")
    assert [run.name for run in answer.runs] == ["small", "empty", "pair"]
    assert judged(answer, "p", 1) == (Result.HOLDS, "holds", True)
    assert judged(answer, "p", 2) == (Result.FAILS, "fails within 1", True)
    assert [v.property for v in answer.runs[1].verdicts] == ["p"]
    assert len(answer.runs[0].verdicts) > 1


def test_named_default_scope_is_the_default() -> None:
    answer = check(FAILS + "expect { p fails in scope small within 1; }")
    assert len(answer.runs) == 1 and judged(answer, "p") == (Result.FAILS, "fails within 1", True)


@pytest.mark.parametrize(
    ("scope", "topology", "as_expected"),
    [("same", None, False), ("two", None, False), ("race", None, False), (None, "pair", False), (None, "alone", False)],
)
def test_failing_elsewhere_in_a_scope_at_least_as_large_counts(scope: str | None, topology: str | None, as_expected: bool) -> None:
    text = "invariant p: not stopped;  expect { p holds; }"
    answer = check(text, scope=scope, topology=topology)
    assert judged(answer, "p") == (Result.FAILS, "holds", as_expected)
    assert "at least as large" in next(v.note for v in answer.runs[0].verdicts if v.property == "p")
    assert answer.exit_status == 1


def test_what_a_smaller_scope_shows_does_not_count() -> None:
    smaller = check("invariant p: not stopped;", scope="empty")
    assert judged(smaller, "p") == (Result.FAILS, "holds", None)
    assert "not counted" in next(v.note for v in smaller.runs[0].verdicts if v.property == "p")
    assert smaller.exit_status == 0
    unreached = check(GOAL, scope="empty")
    assert judged(unreached, "p") == (Result.UNREACHED, "is reachable", None)


def test_a_scope_that_cuts_fewer_calls_is_not_at_least_as_large() -> None:
    cut_first = SPEC.replace("scope small { Agent = 1, File = 1 }", "scope small { Agent = 1, File = 1; stepwise PUT }")
    text = cut_first + "invariant q: (number of f: File | f.up) < 1; expect { q holds; }"
    for scope, counted in (("same", None), ("race", False)):
        answer = luocheck.check(load_source(Source("t.luo", text)), scope=scope)
        assert judged(answer, "q") == (Result.FAILS, "holds", counted)


def test_expected_failure_that_another_scope_does_not_show() -> None:
    answer = check("invariant p: (number of f: File | f.up) != 1; expect { p fails; }", scope="empty")
    assert judged(answer, "p") == (Result.HOLDS, "fails", None)
    assert answer.exit_status == 0


def test_states_and_coverage() -> None:
    assert check("expect { states 4; }").verdict == "as-expected"
    assert check("expect { states 1 .. 4; }").verdict == "as-expected"
    assert check("expect { states 5 .. 9; }").verdict == "unexpected"
    assert check("expect { states 1 .. 3; }").verdict == "unexpected"
    assert check("expect { coverage all; }").verdict == "unexpected"
    bigger = check("expect { states 12 .. 24 in scope two; }")
    assert [run.name for run in bigger.runs] == ["small", "two"] and bigger.verdict == "as-expected"


def test_states_are_not_compared_without_symmetry() -> None:
    answer = check("expect { states 1000; }", symmetry=False)
    assert answer.runs[0].checks[0].as_expected is None


def test_limits_leave_undecided_never_holds() -> None:
    answer = check(HOLDS, limits=Limits(max_states=1))
    assert answer.verdict == "undecided" and answer.exit_status == 3
    assert {v.result for v in answer.runs[0].verdicts if v.property != "lock_order"} == {Result.UNKNOWN}


def test_a_failure_found_before_the_limit_counts() -> None:
    answer = check("invariant p: false;", limits=Limits(max_states=1))
    assert judged(answer, "p") == (Result.FAILS, "holds", False)
    assert answer.exit_status == 1


def test_longer_than_the_bound_at_a_limit_is_open() -> None:
    text = "invariant p: not stopped; expect { p fails within 0; states 4; }"
    answer = check(text, limits=Limits(max_states=2), scope="small")
    assert judged(answer, "p")[2] is None
    assert answer.runs[0].checks[0].as_expected is None
    assert answer.exit_status == 3


def test_interrupted_is_undecided_whatever_was_found() -> None:
    answer = check("invariant p: false;", limits=Limits(interrupted=lambda: "interrupted"))
    assert answer.interrupted and answer.exit_status == 3 and answer.stopped == "interrupted"
    asked = iter([None, *["interrupted"] * 1000])
    answer = check("invariant p: false;", limits=Limits(interrupted=lambda: next(asked)))
    assert answer.problems and answer.interrupted and answer.exit_status == 3


def test_early_stop_keeps_witnesses_minimal_over_all_instances() -> None:
    """The first instances (graphs with fewer edges) show the failure only deeper than the last ones do."""
    claim = """
    fixed var slow: bool = any;
    volatile var n: count(9) = 0;
    ioctl UP(a: Agent) { require n < 9; if slow { n = n + 3; } else { n = n + 1; } }
    invariant p: n < 9;
    """
    text = SPEC.replace("ioctl NEVER", claim + "ioctl NEVER") + "expect { p fails; p fails in scope two within 3; }"
    answer = luocheck.check(load_source(Source("t.luo", text)))
    early = answer.runs[1]
    full = luocheck.check(answer.spec, scope="two").runs[0]
    assert full.complete and early.ended_early and not early.complete
    assert early.states < full.states
    witnesses = [next(v.witness for v in run.verdicts if v.property == "p") for run in (full, early)]
    assert witnesses[0] == witnesses[1]
    assert all(w is not None and w.calls == 3 and w.minimal[0] == "calls" for w in witnesses)


def test_inherited_expectation_must_be_answered(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    (folder / "base.luo").write_text(SPEC.replace("spec t;", "spec base;") + FAILS + "expect { p fails; }")
    derived = "spec child extends base; override ioctl PUT(a: Agent, f: File) { twice: fail EBUSY when f.up; }"
    (folder / "child.luo").write_text(derived)
    answer = luocheck.check(luocheck.load(str(folder / "child.luo")))
    (problem,) = answer.problems
    assert problem.code == "LUO601" and "inherited" in problem.help and "remove expect p" in problem.help
    (folder / "child.luo").write_text(derived + "expect { p holds; }")
    assert luocheck.check(luocheck.load(str(folder / "child.luo"))).verdict == "as-expected"
    (folder / "child.luo").write_text(derived + "remove expect p;")
    assert luocheck.check(luocheck.load(str(folder / "child.luo"))).verdict == "as-expected"


def test_scenarios_count() -> None:
    good = 'scenario "s" { let a: Agent; STOP(a) = OK; }'
    bad = 'scenario "s" { let a: Agent; STOP(a) = EIO; }'
    assert check(good).exit_status == 0
    answer = check(bad)
    assert answer.exit_status == 1 and [d.code for d in answer.problems] == ["LUO602"]
    assert check(bad, properties=["count_range"]).scenarios == ()


def test_properties_restrict_the_claims() -> None:
    answer = check(FAILS + GOAL.replace("p:", "q:") + "expect { p fails in scope two; }", properties=["q"])
    assert [[v.property for v in run.verdicts] for run in answer.runs] == [["q"]]


def test_no_scope_is_an_error() -> None:
    with pytest.raises(SpecError) as caught:
        luocheck.check(load_source(Source("t.luo", "spec t; sort Agent symmetric caller; ioctl A(a: Agent) { }")))
    assert caught.value.diagnostics[0].code == "LUO604"


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ({"scope": "smal"}, "LUO603", "small"),
        ({"scope": "Fiel=2"}, "LUO603", "File"),
        ({"scope": "File=60"}, "LUO219", "at most 32"),
        ({"scope": "File="}, "LUO219", "not a number"),
        ({"scope": "File=-1"}, "LUO219", "not a number"),
        ({"scope": "File=7"}, "LUO606", "too many to enumerate"),
        ({"topology": "pear"}, "LUO603", "pair"),
        ({"properties": ["count_rang"]}, "LUO603", "count_range"),
        ({"depth": 3}, "LUO609", "bmc"),
        ({"engine": "bmc", "strict": True}, "LUO609", "never fires"),
        ({"engine": "bmc", "limits": Limits(max_states=5)}, "LUO609", "--depth"),
        ({"engine": "spin"}, "LUO603", "no engine"),
    ],
)
def test_unknown_names(options: dict[str, object], code: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        check(HOLDS, **options)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code and words in diagnostic.message + diagnostic.help


def test_scope_by_sizes_is_on_top_of_the_default() -> None:
    answer = check(HOLDS, scope="File=2")
    assert answer.runs[0].scope.sizes == (("Agent", 1), ("File", 2)) and answer.runs[0].scope.name == "File2"
    assert check(HOLDS, scope="File=1, Agent=1").runs[0].scope.name == "small"
