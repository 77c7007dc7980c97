"""A witness has the fewest calls, then the fewest faults, then the fewest elements, then the fewest edges."""

import time

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.model.source import Source
from luocheck.model.spec import load_source

U = "sort U symmetric; scope s { U = 1 } volatile var a: bool = false; volatile var bad: bool = false;\n"
F = "sort F symmetric; scope s { F = 3 } per F { volatile one: bool = false; } volatile var bad: bool = false;\n"
GOOD = "invariant good: not bad;"


def key(found, claim="good"):
    witness = found.verdict(claim).witness
    return witness.calls, witness.faults, len(witness.elements), len(witness.graph)


def test_fewer_calls_beat_fewer_faults(language):
    text = U + "env LONG() { if a { bad = true; } a = true; } env SHORT() { if sometimes { bad = true; } }" + GOOD
    found = language.explore(text)
    assert found.calls("good") == ["SHORT() = OK"] and key(found) == (1, 1, 0, 0)


def test_of_as_many_calls_the_one_without_a_fault(language):
    text = U + "env FAULTY() { if sometimes { a = true; } } env CLEAN() { a = true; } env USE() { if a { bad = true; } }" + GOOD
    found = language.explore(text)
    assert found.calls("good") == ["CLEAN() = OK", "USE() = OK"] and key(found) == (2, 0, 0, 0)


def test_faults_are_counted_over_the_whole_run(language):
    """The state in the middle is reached first with a fault in it, and later without; both at the same depth."""
    text = U + (
        "volatile var b: bool = false;"
        "env ONE() { if sometimes { a = true; } } env TWO() { require a; b = true; } env THREE() { require b; bad = true; }"
        "env DETOUR() { a = true; }" + GOOD
    )
    found = language.explore(text)
    assert found.calls("good") == ["DETOUR() = OK", "TWO() = OK", "THREE() = OK"] and found.verdict("good").witness.faults == 0


def test_of_as_many_calls_and_faults_the_one_with_fewer_elements(language):
    text = F + ("env SET(f: F) { f.one = true; } env JOIN(f: F, g: F) { if f.one { bad = true; } }" + GOOD)
    found = language.explore(text)
    assert key(found) == (2, 0, 1, 0)
    assert found.calls("good") == ["SET(f0) = OK", "JOIN(f0, f0) = OK"]
    apart = language.explore(text.replace("if f.one", "if f.one and f != g"))
    assert key(apart) == (2, 0, 2, 0)


def test_fewer_faults_beat_fewer_elements(language):
    text = F + (
        "env SET(f: F, g: F) { if f == g and sometimes { f.one = true; } if f != g { f.one = true; } } env JOIN(f: F) { if f.one { bad = true; } }"
        + GOOD
    )
    assert key(language.explore(text)) == (2, 0, 2, 0)


def test_of_equal_runs_the_one_with_fewer_edges(language):
    text = "graph needs on F acyclic;" + F + "env E(f: F, g: F) { if some h: F | needs(f, h) and h == g { bad = true; } }" + GOOD
    found = language.explore(text)
    assert key(found) == (1, 0, 2, 1)
    assert found.verdict("good").witness.minimal == ("calls", "faults", "elements", "edges")
    anyway = language.explore(text.replace("if some h: F | needs(f, h) and h == g", "if f == f"))
    assert key(anyway) == (1, 0, 1, 0)


def test_fewer_calls_beat_fewer_edges(language):
    text = (
        "graph needs on F acyclic;"
        + F
        + ("env SET(f: F) { f.one = true; } env E(f: F, g: F) { if needs(f, g) or (f.one and g.one) { bad = true; } }" + GOOD)
    )
    assert key(language.explore(text)) == (1, 0, 2, 1)  # with an edge one call; without edges two, of one element


def test_without_a_graph_edges_are_not_claimed(language):
    assert language.explore(F + "env E(f: F) { bad = true; }" + GOOD).verdict("good").witness.minimal == (
        "calls",
        "faults",
        "elements",
    )


def test_reachable_and_recoverable_are_minimal_too(language):
    text = U + (
        "env LONG() { a = true; } env BREAK() { if a { bad = true; } } env DIRECT() { if sometimes { bad = true; } }"
        "reachable broken: bad; recoverable mend: bad can reach not bad;"
    )
    found = language.explore(text)
    assert key(found, "broken") == (1, 1, 0, 0) and key(found, "mend") == (1, 1, 0, 0)


def test_a_claim_about_a_call_counts_the_call_that_breaks_it(language):
    text = U + "env SET() { a = true; } env E() { fail EIO when a; } never E returns EIO;"
    assert key(language.explore(text), "E_never_EIO") == (2, 0, 0, 0)


def test_the_choices_of_the_start_are_part_of_the_witness(language):
    text = "sort H symmetric; scope s { H = 2 } per H { fixed weak: bool = any; volatile here: bool = any; } volatile var bad: bool = false;"
    text += "env E(h: H) { if h.weak and h.here { bad = true; } }" + GOOD
    witness = language.explore(text).verdict("good").witness
    (call,) = witness.steps
    (element,) = [value for _, value in call.arguments]
    assert set(witness.given) == {f"{element}.weak", f"{element}.here"}


def test_an_exploration_that_was_stopped_claims_nothing_minimal_and_nothing_held():
    text = (
        F
        + "env SET(f: F) { f.one = true; } env UNSET(f: F) { f.one = false; } invariant fine: true; reachable one_: some f: F | f.one;"
    )
    system = load_source(Source("t.luo", "spec t;\n" + text)).system
    found = explore(system, system.scopes[0], limits=Limits(max_states=2))
    verdicts = {v.property: v for v in found.verdicts}
    assert found.stopped is not None
    assert verdicts["fine"].result.value == "unknown"
    assert verdicts["one_"].result.value == "reached" and verdicts["one_"].witness.minimal == ()


def test_a_limit_of_time():
    """Of 2^32 states, which no machine explores in five seconds."""
    text = "sort T ordered; scope s { T = 32 } per T { volatile b: bool = false; } env FLIP(t: T) { t.b = not t.b; } invariant fine: true;"
    system = load_source(Source("t.luo", "spec t;\n" + text)).system
    started = time.monotonic()
    found = explore(system, system.scopes[0], limits=Limits(timeout=0.5))
    assert found.stopped is not None and time.monotonic() - started < 5


def test_the_first_run_that_was_found_does_not_win(language):
    text = (
        F
        + "volatile var other: bool = false; env PAIR(f: F, g: F) { if f != g { bad = true; other = true; } } env ONE(f: F) { bad = true; }"
        + GOOD
    )
    found = language.explore(text)
    assert found.calls("good") == ["ONE(f0) = OK"] and key(found) == (1, 0, 1, 0)


def test_the_way_that_is_told_is_one_that_breaks_the_claim(language):
    """The call can end in several ways with one outcome; only one of them is wrong."""
    text = (
        "sort T ordered; scope s { T = 3 } per T { volatile mark: bool = false; }"
        "env E() { choose t: T; assert not_second: t == T.first or t == T.last; t.mark = true; } after E check not_last: not T.last.mark;"
    )
    found = language.explore(text)
    assert [c.place for c in found.verdict("not_last").witness.steps[-1].changes] == ["t2.mark"]
    assert [c.place for c in found.verdict("not_second").witness.steps[-1].changes] == ["t1.mark"]
