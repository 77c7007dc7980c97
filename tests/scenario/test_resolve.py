"""Scenario texts to scenarios: what they mean, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from luocheck.model.diagnostics import Diagnostic, SpecError
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.scenario.scenarios import Bad, Blocks, Call, Constant, Named, Reaches, Returns, Scenario, Wildcard
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source

SMALL = Path(__file__).parent / "small"


def small(name: str) -> Spec:
    return load(str(SMALL / f"{name}.luo"))


def scenarios(spec: Spec, text: str) -> tuple[Scenario, ...]:
    return load_scenarios(spec, Source("x.scenario", text))


def errors(spec: Spec, text: str) -> list[Diagnostic]:
    with pytest.raises(SpecError) as caught:
        scenarios(spec, text)
    return [each for each in caught.value.diagnostics]


def test_everything_is_resolved() -> None:
    (found,) = scenarios(
        small("calls"),
        """
        scenario "all of it" in scope alone {
            let a: Agent;
            let n: Name;
            given not a.inside;
            CREATE(a, n) = OK gives s;
            CREATE(a, bad_name) = EINVAL;
            SET(a, BUSY, true) = OK gives IDLE;
            SET(_, 3, false) = OK gives _;
            CREATE(a, n) = EFAULT at reply;
            TURN(a) blocks;
            assert s.owner == a;
            violates count_range;
        }
        """,
    )
    assert (found.title, found.scope.name, found.topology, found.shape, found.inherited) == (
        "all of it",
        "alone",
        None,
        None,
        False,
    )
    assert [(each.name, each.sort.name, each.origin) for each in found.elements] == [
        ("a", "Agent", "let"),
        ("n", "Name", "let"),
        ("s", "Session", "gives"),
    ]
    a, n, s = found.elements
    assert [each.elements for each in found.given] == [(a,)]
    calls = [step for step in found.steps if isinstance(step, Call)]
    assert calls[0].arguments == (Named(a), Named(n)) and calls[0].result == Returns("OK", None, Named(s))
    bad = calls[1].arguments[1]
    assert isinstance(bad, Bad) and bad.predicate.name == "bad_name" and calls[1].result == Returns("EINVAL", None, None)
    assert calls[2].arguments == (Named(a), Constant(1), Constant(True))
    assert calls[2].result == Returns("OK", None, Constant(0))
    assert calls[3].arguments == (Wildcard(), Constant(0), Constant(False))  # the member with the number 3 is the first
    assert calls[3].result == Returns("OK", None, Wildcard())
    assert calls[4].result == Returns("EFAULT", "reply", None)
    assert calls[5].result == Blocks()
    assert not isinstance(found.steps[-1], Call) and found.steps[-1].elements == (a, s)
    assert found.goal is not None and found.goal.claim.name == "count_range"
    assert found.steps[0].text == "CREATE(a, n) = OK gives s"


def test_stops_and_topologies() -> None:
    (steps,) = scenarios(small("steps"), 'scenario "s" { SWEEP(_) reaches sweep.1; SWEEP(_) reaches half; reaches two_at_once; }')
    assert [step.result for step in steps.steps if isinstance(step, Call)] == [Reaches("sweep.1"), Reaches("half")]
    named, inline, empty = scenarios(
        small("boots"),
        """
        scenario "named" { topology chain; given top.here; }
        scenario "inline" { let f: File; topology { g: VM; h: File; f -> g, h; } }
        scenario "empty" { topology { } }
        """,
    )
    assert named.topology is not None and named.topology.name == "chain"
    assert [each.name for each in named.elements] == ["low", "mid", "top"]
    assert inline.shape is not None and empty.shape is not None
    assert [(g.name, a.name, b.name) for g, a, b in inline.shape.edges] == [("needs", "f", "g"), ("needs", "f", "h")]
    assert [(each.name, f.name, value) for each, f, value in inline.shape.kinds] == [("g", "kind", 1)]
    assert empty.shape.edges == ()


@pytest.mark.parametrize(
    ("spec", "body", "message", "help"),
    [
        ("calls", "CREAT(_, _) = OK;", "there is no event `CREAT`", "did you mean `CREATE`?"),
        ("calls", "POKE(a) = OK;", "`a` is not declared in this scenario", "declare it: `let a: Agent;`"),
        ("calls", "let agent: Agent; POKE(agnt) = OK;", "`agnt` is not declared in this scenario", "did you mean `agent`?"),
        ("calls", "POKE() = OK;", "`POKE` takes (a: Agent), not 0 arguments", ""),
        ("calls", "let n: Name; POKE(n) = OK;", "a Agent stands here, and `n` is a Name", ""),
        ("calls", "POKE(none) = OK;", "a Agent stands here, and `none` is no such value", ""),
        ("calls", "SET(_, BUSSY, true) = OK;", "`BUSSY` is no member of `Mode`", "did you mean `BUSY`?"),
        ("calls", "SET(_, 5, true) = OK;", "no member of `Mode` has the number 5", ""),
        ("calls", "SET(_, BUSY, 1) = OK;", "a condition stands here, and `1` is no such value", ""),
        ("calls", "POKE(bad_name) = OK;", "`bad_name` is not declared in this scenario", "declare it: `let bad_name: Agent;`"),
        ("calls", "POKE(_) = EBUZY;", "`EBUZY` is no errno", "did you mean `EBUSY`?"),
        ("calls", "CREATE(_, _) = EFAULT at replay;", "no statement of `CREATE` is labelled `replay`", "did you mean `reply`?"),
        ("calls", "POKE(_) = OK gives s;", "`POKE` gives nothing", ""),
        ("calls", "CREATE(_, _) = EFAULT gives s;", "only a call that returns OK gives something", ""),
        ("calls", "SET(_, BUSY, true) = OK gives sick;", "`sick` is no member of `Mode`", ""),
        ("calls", "let a: Agnt;", "`Agnt` is no sort", "did you mean `Agent`?"),
        ("calls", "let _: Agent;", "`_` stands for any argument and cannot be declared", ""),
        ("calls", "topology chain;", "there is no topology `chain`", ""),
        ("calls", "let a: Agent; let b: Agent; let c: Agent;", "scope `small` has 2 Agent, and this scenario names 3", "name a larger scope: `in scope NAME`"),
        ("calls", "assert bad_name(n);", "`n` is not declared", None),
        ("calls", "let n: Name; assert bad_name(n);", "`bad_name` asks about a parameter of a call, and there is no call here", ""),
        ("calls", "CRASH(_) = OK; given mode == BUSY;", "`given` is about the beginning, so it stands before the first call", ""),
        ("calls", "violates never_bussy;", "there is no claim `never_bussy`", "did you mean `never_busy`?"),
        ("calls", "violates both_inside;", "`both_inside` is a goal to be reached, so nothing can violate it", "write `reaches both_inside;`"),
        ("calls", "reaches never_busy;", "`never_busy` is no `reachable` claim", "write `violates never_busy;`"),
        ("calls", "violates never_busy; CRASH(_) = OK;", "`violates never_busy` comes last in a scenario", ""),
        ("calls", "violates ends;", "`ends` is about what happens in the long run, which no finite list of calls shows", ""),
        ("steps", "SWEEP(_) reaches hafl;", "`SWEEP` has no place `hafl` to stop at", "did you mean `half`?"),
        ("steps", "SWEEP(_) reaches sweep.2;", "`SWEEP` has no place `sweep.2` to stop at", "did you mean `sweep.1`?"),
        ("steps", "ADD(_, _) reaches half;", "`ADD` has no place `half` to stop at", ""),
        ("boots", "topology chain; topology { }", "a scenario has one topology", ""),
        ("boots", "REBOOT(_) = OK; topology { }", "a topology is about the beginning, so it stands before the first call", ""),
        ("boots", "topology { f: File; f -> g; }", "`g` is no element of this scenario", ""),
        ("boots", "topology { f: File; f -> f; }", "`f` cannot need itself", ""),
        ("boots", "topology { f: File; g: File; f -> g; g -> f; }", "these edges form a circle, and `needs` is acyclic", ""),
        ("boots", "let t: Token; let u: Token; topology { t -> u; }", "there is no graph on Token, so `t` needs nothing", ""),
        ("boots", "let f: File; let t: Token; topology { f -> t; }", "`t` is a Token, and `needs` is on File", ""),
        ("boots", "topology { f: MEMD; }", "`MEMD` is neither a sort nor a value of one fixed field", "did you mean `MEMFD`?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(spec: str, body: str, message: str, help: str | None) -> None:
    found = errors(small(spec), f'scenario "x" {{ {body} }}')
    assert message in [each.message for each in found]
    if help is not None:
        (wrong,) = [each for each in found if each.message == message]
        assert (wrong.code, wrong.help) == ("LUO230", help)


def test_names_follow_the_rules_of_locals() -> None:
    codes = [
        each.code for each in errors(small("calls"), 'scenario "x" { let a: Agent; let a: Agent; let mode: Agent; let if_: Name; }')
    ]
    assert codes == ["LUO201", "LUO201"]
    assert [d.code for d in errors(small("calls"), 'scenario "x" { let step: Agent; }')] == ["LUO106"]


def test_all_errors_of_a_text_are_given_in_one_run() -> None:
    text = """
        scenario "one" in scope smal { FOO() = OK; POKE(x) = EBAR; violates nothing; }
        scenario "one" { assert nowhere == 1; assert old(mode) == BUSY; }
    """
    found = errors(small("calls"), text)
    assert [(each.span.line, each.code) for each in found] == [
        (2, "LUO230"), (2, "LUO230"), (2, "LUO230"), (2, "LUO230"), (2, "LUO230"), (3, "LUO201"), (3, "LUO200"), (3, "LUO209"),
    ]  # fmt: skip


def test_a_scenario_file_has_scenarios_only() -> None:
    (found,) = errors(small("calls"), "sort Other;")
    assert (found.code, found.message) == ("LUO230", "a scenario file has nothing but scenarios")
    (found,) = errors(small("calls"), "// nothing\n")
    assert (found.code, found.message) == ("LUO230", "there is no scenario in this text")
    assert [each.code for each in errors(small("calls"), 'scenario "x" { POKE(a = OK; }')] == ["LUO100"]


BASE = """
spec base;
sort Agent symmetric;
scope one { Agent = 1 }
volatile var on_: bool = false;
env TURN(a: Agent) { on_ = not on_; }
scenario "turns" { let a: Agent; TURN(a) = OK; assert on_; }
"""


def test_a_spec_gives_its_scenarios_and_reports_their_errors() -> None:
    spec = load_source(Source("base.luo", BASE))
    assert [(each.title, each.scope.name) for each in spec.scenarios] == [("turns", "one")]
    with pytest.raises(SpecError) as caught:
        load_source(Source("base.luo", BASE.replace("TURN(a) = OK", "TRUN(a) = OK").replace("assert on_", "assert of_")))
    assert [each.code for each in caught.value.diagnostics] == ["LUO230", "LUO200"]


def test_a_spec_without_scope_has_no_scenarios() -> None:
    with pytest.raises(SpecError) as caught:
        load_source(Source("base.luo", BASE.replace("scope one { Agent = 1 }", "")))
    assert [each.message for each in caught.value.diagnostics] == ["a scenario needs a scope, and this spec declares none"]


def test_scenarios_are_inherited_and_must_be_answered(tmp_path: Path) -> None:
    (tmp_path / "base.luo").write_text(BASE)
    more = tmp_path / "more.luo"
    more.write_text('spec more extends base;\nscenario "twice" { TURN(_) = OK; TURN(_) = OK; assert not on_; }\n')
    assert [(each.title, each.inherited) for each in load(str(more)).scenarios] == [("turns", True), ("twice", False)]
    more.write_text("spec more extends base;\nremove env TURN;\n")
    with pytest.raises(SpecError) as caught:
        load(str(more))
    helps = [each.help for each in caught.value.diagnostics]
    assert 'write `remove scenario "turns";`, and a new one if there should be one' in helps
    more.write_text('spec more extends base;\nremove env TURN;\nremove scenario "turns";\n')
    assert load(str(more)).scenarios == ()
