"""Walks: order, `where`, rollback, nesting, draining.  The order of the visits is written into lists that the tests read back."""

import pytest

FILES = """
sort F symmetric;
sort T ordered;
graph needs on F acyclic;
scope s { F = 3, T = 3 }
scope empty { F = 0, T = 0 }
per F { volatile bad: bool = false; volatile skip_: bool = false; }
per T { volatile bad: bool = false; volatile skip_: bool = false; }
volatile var q: seq F;        // walked
volatile var done: seq F;     // visited, in order
volatile var undone: seq F;
volatile var tdone: seq T;
volatile var tundone: seq T;
env PUT(f: F) { append f to q; }
env SPOIL(f: F) { f.bad = true; }
env TSPOIL(t: T) { t.bad = true; }
env TSKIP(t: T) { t.skip_ = true; }
"""
CHAIN = """
sort F symmetric;  graph needs on F acyclic;  scope s { F = 3 }  volatile var done: seq F;
topology chain { low: F; mid: F; top: F;  top -> mid; mid -> low; }
"""
FULL = ("PUT(f1) = OK", "PUT(f0) = OK", "PUT(f2) = OK")


def after(ways, place):
    """What the ways of a call left in a place: its new value, or None where it did not change."""
    found = []
    for way in ways:
        change = next((part for part in way.split("; ") if part.startswith(place + ": ")), None)
        found.append(change.split(" -> ")[1] if change else None)
    return found


def outcomes(ways):
    return [way.split(";")[0] for way in ways]


# ---- order ------------------------------------------------------------------------------------------------------


def test_over_a_list_in_its_order(language):
    text = FILES + "walk w() over f in q { append f to done; } env GO() { run w(); }"
    assert after(language.ways(text, *FULL, "GO()"), "done") == ["[f1, f0, f2]"]


def test_reversed(language):
    text = FILES + "walk w() over f in q reversed { append f to done; } env GO() { run w(); }"
    assert after(language.ways(text, *FULL, "GO()"), "done") == ["[f2, f0, f1]"]


def test_over_an_ordered_sort_in_order(language):
    text = FILES + "walk w() over t: T in order { append t to tdone; } env GO() { run w(); }"
    assert after(language.ways(text, "GO()"), "tdone") == ["[t0, t1, t2]"]


def test_in_order_reversed(language):
    text = FILES + "walk w() over t: T in order reversed { append t to tdone; } env GO() { run w(); }"
    assert after(language.ways(text, "GO()"), "tdone") == ["[t2, t1, t0]"]


def test_along_a_graph_prerequisites_come_first(language):
    text = (
        CHAIN + "walk w() over f: F along needs { append f to done; } env GO() { run w(); } reachable all_done: last(done) != none;"
    )
    found = language.explore(text, topology="chain")
    change = next(c for c in found.verdict("all_done").witness.steps[-1].changes if c.place == "done")
    assert change.after == "[low, mid, top]"


def test_along_a_graph_reversed_dependants_come_first(language):
    text = (
        CHAIN
        + "walk w() over f: F along needs reversed { append f to done; } env GO() { run w(); } reachable all_done: last(done) != none;"
    )
    found = language.explore(text, topology="chain")
    change = next(c for c in found.verdict("all_done").witness.steps[-1].changes if c.place == "done")
    assert change.after == "[top, mid, low]"


def test_elements_without_an_edge_between_them_are_walked_in_one_order_only(language):
    """`along` explores one linear extension; `in any order` all orders."""
    text = FILES + "walk w() over f: F along needs { append f to done; } env GO() { run w(); }"
    assert after(language.ways(text, "GO()"), "done") == ["[f0, f1, f2]"]


def test_any_order_means_each_of_them(language):
    text = FILES + "walk w() over f: F in any order { append f to done; } env GO() { run w(); }"
    assert sorted(after(language.ways(text, "GO()"), "done")) == [
        "[f0, f1, f2]",
        "[f0, f2, f1]",
        "[f1, f0, f2]",
        "[f1, f2, f0]",
        "[f2, f0, f1]",
        "[f2, f1, f0]",
    ]


def test_two_binders_are_a_product_the_first_one_outside(language):
    text = FILES + (
        "per F, T { volatile seen: bool = false; } volatile var pairs: count(9) = 0;"
        "walk w() over f in q, t: T in order { fail EIO when t.bad; seen(f, t) = true; pairs = pairs + 1; } env GO() { run w(); }"
    )
    (way,) = language.ways(text, *FULL, "GO()")
    assert "pairs: 0 -> 9" in way and "seen(f2, t2): false -> true" in way
    (way,) = language.ways(text, *FULL, "TSPOIL(t1) = OK", "GO()")  # (f1, t0), then (f1, t1) fails
    assert way == "EIO; seen(f1, t0): false -> true; pairs: 0 -> 1"


def test_a_second_binder_may_depend_on_the_first(language):
    text = """
        sort D symmetric; sort F symmetric; scope s { D = 2, F = 2 }
        per D { volatile files: seq F; } volatile var dirs: seq D; volatile var done: seq F;
        env DIR(d: D) { append d to dirs; } env PUT(d: D, f: F) { append f to d.files; }
        walk w() over d in dirs, f in d.files { append f to done; } env GO() { run w(); }"""
    calls = ("DIR(d1) = OK", "DIR(d0) = OK", "PUT(d0, f0) = OK", "PUT(d1, f1) = OK")
    assert after(language.ways(text, *calls, "GO()"), "done") == ["[f1, f0]"]


def test_nothing_to_walk(language):
    text = FILES + "walk w() over f in q { fail EIO; } env GO() { run w(); }"
    assert language.ways(text, "GO()") == ["OK"]
    assert language.ways(text, "GO()", scope="empty") == ["OK"]


@pytest.mark.parametrize("head", ["over f: F", "over t: T", "over f: F in order"])
def test_a_walk_over_a_sort_says_its_order(language, head):
    assert language.codes(FILES + f"walk w() {head} {{ skip; }} env GO() {{ run w(); }}") in (["LUO216"], ["LUO203"])


# ---- where ------------------------------------------------------------------------------------------------------


def test_where_leaves_elements_out(language):
    text = FILES + "walk w() over t: T in order where not t.skip_ { append t to tdone; } env GO() { run w(); }"
    assert after(language.ways(text, "TSKIP(t1) = OK", "GO()"), "tdone") == ["[t0, t2]"]


def test_where_is_asked_again_at_each_element(language):
    text = FILES + (
        "walk w() over t: T in order where not t.skip_ { append t to tdone; if next(t) != none { let u = next(t); u.skip_ = true; } }"
        "env GO() { run w(); }"
    )
    assert after(language.ways(text, "GO()"), "tdone") == ["[t0, t2]"]


def test_where_is_asked_again_also_in_any_order(language):
    text = FILES + "walk w() over f: F in any order where done == {} { append f to done; } env GO() { run w(); }"
    text = text.replace("done == {}", "last(done) == none")
    assert sorted(after(language.ways(text, "GO()"), "done")) == ["[f0]", "[f1]", "[f2]"]


def test_what_is_added_during_the_walk_is_not_walked(language):
    text = FILES + "walk w() over f in q { append f to done; forall g: F { skip; } } env GO() { run w(); } env MORE() { run m(); }"
    text += "walk m() over f in q { choose g: F where not g in q else { stop; } append g to q; append g to done; }"
    ways = language.ways(text, "PUT(f0) = OK", "MORE()")
    assert sorted(after(ways, "done")) == ["[f1]", "[f2]"]


# ---- failure and rollback ---------------------------------------------------------------------------------------


SMALL = "sort F symmetric; scope s { F = 2 } volatile var q: seq F; volatile var done: seq F; env PUT(f: F) { append f to q; }\n"
ROLL = (
    "walk w() over t: T in order where not t.skip_ { append t to tdone; fail EIO when t.bad; rollback %s { append t to tundone; } }"
)


def test_the_failing_element_is_not_among_the_visited_and_its_effects_stay(language):
    text = FILES + ROLL % "visited" + "env GO() { run w(); }"
    ways = language.ways(text, "TSPOIL(t2) = OK", "GO()")
    assert outcomes(ways) == ["EIO"]
    assert after(ways, "tdone") == ["[t0, t1, t2]"]
    assert after(ways, "tundone") == ["[t0, t1]"]


def test_rollback_reversed(language):
    text = FILES + ROLL % "visited reversed" + "env GO() { run w(); }"
    assert after(language.ways(text, "TSPOIL(t2) = OK", "GO()"), "tundone") == ["[t1, t0]"]


def test_rollback_all_is_over_every_element_that_was_to_be_walked(language):
    text = FILES + ROLL % "all" + "env GO() { run w(); }"
    assert after(language.ways(text, "TSPOIL(t1) = OK", "GO()"), "tundone") == ["[t0, t1, t2]"]
    text = FILES + ROLL % "all reversed" + "env GO() { run w(); }"
    assert after(language.ways(text, "TSPOIL(t0) = OK", "GO()"), "tundone") == ["[t2, t1, t0]"]


def test_without_a_rollback_what_was_done_stays(language):
    text = FILES + "walk w() over t: T in order { append t to tdone; fail EIO when t.bad; } env GO() { run w(); }"
    assert language.ways(text, "TSPOIL(t1) = OK", "GO()") == ["EIO; tdone: [] -> [t0, t1]"]


def test_elements_left_out_by_where_are_not_visited(language):
    text = FILES + ROLL % "visited" + "env GO() { run w(); }"
    assert after(language.ways(text, "TSKIP(t0) = OK", "TSPOIL(t2) = OK", "GO()"), "tundone") == ["[t1]"]


def test_a_rollback_after_reversed_goes_in_the_order_of_the_visits(language):
    text = FILES + (
        "walk w() over t: T in order reversed { fail EIO when t.bad; append t to tdone; rollback visited { append t to tundone; } }"
        "env GO() { run w(); }"
    )
    assert after(language.ways(text, "TSPOIL(t0) = OK", "GO()"), "tundone") == ["[t2, t1]"]


def test_a_walk_that_failed_can_be_caught(language):
    text = FILES + ROLL % "visited" + "env GO() { run w() else { } }"
    ways = language.ways(text, "TSPOIL(t1) = OK", "GO()")
    assert outcomes(ways) == ["OK"] and after(ways, "tundone") == ["[t0]"]


def test_stop_in_a_step_ends_this_element_only(language):
    text = FILES + "walk w() over t: T in order { if t.skip_ { stop; } append t to tdone; } env GO() { run w(); }"
    assert after(language.ways(text, "TSKIP(t1) = OK", "GO()"), "tdone") == ["[t0, t2]"]


def test_an_element_whose_step_stopped_was_visited(language):
    text = FILES + (
        "walk w() over t: T in order { if t.skip_ { stop; } fail EIO when t.bad; rollback visited { append t to tundone; } }"
        "env GO() { run w(); }"
    )
    assert after(language.ways(text, "TSKIP(t0) = OK", "TSPOIL(t1) = OK", "GO()"), "tundone") == ["[t0]"]


def test_a_swallowed_failure_in_a_step_is_a_visit(language):
    text = FILES + (
        "proc p(t: T) { fail EIO when t.skip_; } "
        "walk w() over t: T in order { run p(t) else { } fail EBUSY when t.bad; rollback visited { append t to tundone; } }"
        "env GO() { run w(); }"
    )
    ways = language.ways(text, "TSKIP(t0) = OK", "TSPOIL(t1) = OK", "GO()")
    assert outcomes(ways) == ["EBUSY"] and after(ways, "tundone") == ["[t0]"]


NESTED = """
sort S symmetric; sort E symmetric; scope s { S = 2, E = 4 }
per S { volatile files: seq E; volatile undone: bool = false; }
per E { volatile bad: bool = false; }
volatile var all_: seq S;  volatile var done: seq E;  volatile var undone: seq E;  volatile var sundone: seq S;  volatile var outer_first: bool = false;
env DIR(s: S) { append s to all_; }
env PUT(s: S, e: E) { append e to s.files; }
env SPOIL(e: E) { e.bad = true; }
walk inner(s: S) over e in s.files { fail EIO when e.bad; append e to done; rollback visited { append e to undone; if last(sundone) != none { outer_first = true; } } }
walk outer() over s in all_ { run inner(s); rollback visited { append s to sundone; } }
env GO() { run outer(); }
"""
BUILD = ("DIR(s0) = OK", "DIR(s1) = OK", "PUT(s0, e0) = OK", "PUT(s0, e1) = OK", "PUT(s1, e2) = OK", "PUT(s1, e3) = OK")


def test_the_inner_rollback_comes_first_then_the_outer_one_over_completed_elements(language):
    ways = language.ways(NESTED, *BUILD, "SPOIL(e3) = OK", "GO()")
    assert outcomes(ways) == ["EIO"]
    assert after(ways, "undone") == ["[e2]"]  # of s1 only; s0's files are the outer rollback's business
    assert after(ways, "sundone") == ["[s0]"]
    assert after(ways, "outer_first") == [None]


def test_a_failing_first_inner_walk_leaves_the_outer_rollback_nothing(language):
    ways = language.ways(NESTED, *BUILD, "SPOIL(e1) = OK", "GO()")
    assert after(ways, "undone") == ["[e0]"] and after(ways, "sundone") == [None]


@pytest.mark.parametrize("body", ["fail EIO;", "panic sometimes;", "step;", "run p(t);", "choose u: T where u.bad;"])
def test_a_rollback_must_not_be_able_to_fail(language, body):
    text = (
        FILES
        + f"proc p(t: T) {{ fail EIO when t.bad; }} walk w() over t: T in order {{ fail EIO sometimes; rollback visited {{ {body} }} }}"
    )
    text += "env GO() { run w(); }"
    assert "LUO212" in language.codes(text)


def test_a_rollback_may_run_what_it_catches(language):
    text = FILES + (
        "proc p(t: T) { fail EIO when t.bad; }"
        "walk w() over t: T in order { fail EIO sometimes; rollback visited { run p(t) else { } } } env GO() { run w(); }"
    )
    assert language.codes(text) == []


# ---- taking away ------------------------------------------------------------------------------------------------


def test_drains_takes_each_element_off_after_its_step(language):
    walk = "walk w() drains f in q { append f to done; assert still_there: f in q; } env GO() { run w(); }"
    ways = language.ways(FILES + walk, *FULL, "GO()")
    assert after(ways, "q") == ["[]"] and after(ways, "done") == ["[f1, f0, f2]"]
    assert language.explore(SMALL + walk)["still_there"] == "holds"


def test_drains_reversed_takes_the_last_first(language):
    text = FILES + "walk w() drains f in q reversed { append f to done; } env GO() { run w(); }"
    assert after(language.ways(text, *FULL, "GO()"), "done") == ["[f2, f0, f1]"]


def test_a_drain_that_fails_keeps_the_failing_element_and_the_rest(language):
    text = FILES + "walk w() drains f in q { fail EIO when f.bad; } env GO() { run w(); }"
    ways = language.ways(text, *FULL, "SPOIL(f0) = OK", "GO()")
    assert outcomes(ways) == ["EIO"] and after(ways, "q") == ["[f0, f2]"]


def test_a_draining_step_may_remove_its_element_itself(language):
    text = FILES + "walk w() drains f in q { remove f from q; append f to done; } env GO() { run w(); }"
    ways = language.ways(text, *FULL, "GO()")
    assert after(ways, "done") == ["[f1, f0, f2]"] and after(ways, "q") == ["[]"]


def test_drains_looks_again_each_time(language):
    text = FILES + (
        "walk w() drains f in q { append f to done; choose g: F where not g in done and not g in q else { stop; } append g to q; }"
        "env GO() { run w(); }"
    )
    ways = language.ways(text, "PUT(f0) = OK", "GO()")
    assert sorted(after(ways, "done")) == ["[f0, f1, f2]", "[f0, f2, f1]"]


def test_a_walk_may_remove_the_current_element(language):
    text = FILES + "walk w() over f in q { remove f from q; append f to done; } env GO() { run w(); }"
    ways = language.ways(text, *FULL, "GO()")
    assert after(ways, "done") == ["[f1, f0, f2]"] and after(ways, "q") == ["[]"]


def test_a_walk_may_remove_no_other_element(language):
    text = FILES + "walk w() over f in q { choose g: F; remove g from q; } env GO() { run w(); }"
    assert language.codes(text) == ["LUO224"]


def test_an_element_taken_off_behind_the_walks_back_is_a_stale_iteration(language):
    text = (
        SMALL
        + "proc other(g: F) { remove g from q; } walk w() over f in q { choose g: F where g != f; run other(g); } env GO() { run w(); }"
    )
    found = language.explore(text)
    assert found["stale_iteration"] == "fails"
    assert found.calls("stale_iteration") == ["PUT(f0) = OK", "PUT(f1) = OK", "GO() = stale_iteration"]


# ---- parameters -------------------------------------------------------------------------------------------------


def test_a_walk_takes_parameters(language):
    text = FILES + "walk w(mine: F) over f in q where f != mine { append f to done; } env GO(f: F) { run w(f); }"
    assert after(language.ways(text, *FULL, "GO(f0)"), "done") == ["[f1, f2]"]


def test_a_walk_gives_no_result(language):
    assert language.codes(FILES + "walk w() over f in q { skip; } env GO() { run w() gives x; }") == ["LUO202"]
