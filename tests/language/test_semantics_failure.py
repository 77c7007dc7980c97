"""Failure is control flow: fail, else, a bare fail, swallowing, stop, panic, faults, require, choose, find, cut."""

import pytest

ONE = "sort F symmetric; scope s { F = 2 }\n"
STATE = "volatile var a: bool = false; volatile var b: bool = false; volatile var c: bool = false;\n"


def test_checks_happen_in_order_and_the_first_that_matches_ends_the_call(language):
    text = STATE + "env E() { first: fail EBUSY when not a; fail EINVAL when not a; b = true; } sort U symmetric; scope s { U = 1 }"
    assert language.ways(text, "E()") == ["EBUSY at first"]


def test_what_was_done_before_a_late_fail_stays(language):
    text = STATE + "env E() { a = true; late: fail EIO when not b; c = true; } sort U symmetric; scope s { U = 1 }"
    assert language.ways(text, "E()") == ["EIO at late; a: false -> true"]


def test_a_fault_is_one_more_way_to_end(language):
    text = STATE + "env E() { a = true; fail EFAULT sometimes copy_out; b = true; } sort U symmetric; scope s { U = 1 }"
    assert sorted(language.ways(text, "E()")) == ["EFAULT; a: false -> true", "OK; a: false -> true; b: false -> true"]
    found = language.explore(text + "never E returns EFAULT;")
    assert found.size == (3, 6)  # nothing, a, a and b; from each state the call fails or does not
    assert found.verdict("E_never_EFAULT").witness.faults == 1


def test_a_fault_with_unwinding(language):
    text = (
        STATE
        + "env E() { a = true; if not b and sometimes { a = false; fail EIO; } else { c = true; } } sort U symmetric; scope s { U = 1 }"
    )
    assert sorted(language.ways(text, "E()")) == ["EIO", "OK; a: false -> true; c: false -> true"]


def test_a_failing_proc_ends_its_caller_with_the_same_errno(language):
    text = STATE + "proc p() { a = true; fail EIO; } env E() { run p(); b = true; } sort U symmetric; scope s { U = 1 }"
    assert language.ways(text, "E()") == ["EIO; a: false -> true"]


def test_else_catches_and_falls_off_its_end_to_the_statement_after_the_run(language):
    text = STATE + "proc p() { fail EIO; } env E() { run p() else { a = true; } b = true; } sort U symmetric; scope s { U = 1 }"
    assert language.ways(text, "E()") == ["OK; a: false -> true; b: false -> true"]


def test_a_bare_fail_passes_the_caught_errno_on(language):
    text = (
        STATE
        + "proc p() { deep: fail EIO; } env E() { run p() else { a = true; fail; } b = true; } sort U symmetric; scope s { U = 1 }"
    )
    assert language.ways(text, "E()") == ["EIO at deep; a: false -> true"]


def test_the_errno_that_goes_on_is_that_of_the_innermost_else(language):
    text = (
        STATE
        + """
        proc one() { fail EIO; }   proc two() { fail ENOMEM; }
        env INNER() { run one() else { run two() else { fail; } } }
        env OUTER() { run one() else { run two() else { a = true; } fail; } }
        env OWN() { run one() else { fail EBUSY; } }
        sort U symmetric; scope s { U = 1 }"""
    )
    assert language.ways(text, "INNER()") == ["ENOMEM"]
    assert language.ways(text, "OUTER()") == ["EIO; a: false -> true"]  # ENOMEM was swallowed and is gone
    assert language.ways(text, "OWN()") == ["EBUSY"]


def test_an_else_inside_a_proc_does_not_catch_what_fails_after_the_proc(language):
    text = (
        STATE
        + "proc one() { fail EIO; } proc p() { run one() else { } } env E() { run p() else { a = true; } fail EBUSY; } sort U symmetric; scope s { U = 1 }"
    )
    assert language.ways(text, "E()") == ["EBUSY"]


def test_a_bare_fail_needs_something_caught(language):
    assert language.codes("env E() { fail; } sort U symmetric; scope s { U = 1 }") == ["LUO215"]


def test_stop_ends_a_proc_with_ok_and_the_caller_goes_on(language):
    text = (
        STATE + "proc p() { a = true; if a { stop; } b = true; } env E() { run p(); c = true; } sort U symmetric; scope s { U = 1 }"
    )
    assert language.ways(text, "E()") == ["OK; a: false -> true; c: false -> true"]


def test_stop_ends_an_event_with_ok(language):
    text = STATE + "env E() { a = true; stop; b = true; } sort U symmetric; scope s { U = 1 }"
    assert language.ways(text, "E()") == ["OK; a: false -> true"]


def test_stop_in_an_else_swallows_and_ends_the_proc(language):
    text = (
        STATE
        + "proc q() { fail EIO; } proc p() { run q() else { stop; } a = true; } env E() { run p(); b = true; } sort U symmetric; scope s { U = 1 }"
    )
    assert language.ways(text, "E()") == ["OK; b: false -> true"]


def test_panic_ends_everything(language):
    text = (
        STATE
        + "env E() { a = true; bad: panic when a; } env F() { b = true; } never E returns PANIC; sort U symmetric; scope s { U = 1 }"
    )
    assert [way.split(";")[0] for way in language.ways(text, "E()")] == ["PANIC at bad"]
    found = language.explore(text)
    assert found.size[0] == 2  # b false or true: nothing follows a panic
    assert found["E_never_PANIC"] == "fails"


def test_panic_sometimes_is_a_fault(language):
    text = STATE + "env E() { panic sometimes; a = true; } sort U symmetric; scope s { U = 1 }"
    assert sorted(way.split(";")[0] for way in language.ways(text, "E()")) == ["OK", "PANIC"]


def test_a_call_whose_require_is_false_cannot_be_made(language):
    text = STATE + "env E() { require a; b = true; } sort U symmetric; scope s { U = 1 }"
    assert language.ways(text, "E()") == []
    assert language.explore(text).exploration.events_never_fired == ("E",)


def test_fail_is_an_outcome_and_require_is_none(language):
    refuse = language.explore(STATE + "env E() { fail EPERM when not a; } sort U symmetric; scope s { U = 1 }")
    require = language.explore(STATE + "env E() { require a; } sort U symmetric; scope s { U = 1 }")
    assert (refuse.size, require.size) == ((1, 1), (1, 0))


def test_require_comes_first(language):
    assert language.codes(STATE + "env E() { a = true; require b; } sort U symmetric; scope s { U = 1 }") == ["LUO227"]
    assert language.codes(STATE + "proc p() { require b; } env E() { run p(); } sort U symmetric; scope s { U = 1 }") == ["LUO227"]


def test_choose_takes_each_element_that_fits(language):
    text = "per F { volatile taken: bool = false; } env E() { choose x: F where not x.taken; x.taken = true; }" + ONE
    assert sorted(language.ways(text, "E()")) == ["OK; f0.taken: false -> true", "OK; f1.taken: false -> true"]
    assert language.explore(text, symmetry=False).size == (4, 4)  # two of them on is the end: no such element, no such call


def test_choose_with_else(language):
    text = (
        "per F { volatile taken: bool = false; } env E() { choose x: F where x.taken else { fail ENOENT; } x.taken = false; }" + ONE
    )
    assert language.ways(text, "E()") == ["ENOENT"]


def test_an_else_that_does_not_fail_leaves_the_local_none(language):
    text = "per F { volatile taken: bool = false; } env E() { choose x: F where x.taken else { } x.taken = false; }" + ONE
    assert language.ways(text, "E()") == ["null_dereference"]


def test_find_takes_the_first_in_list_order(language):
    text = (
        "per F { volatile taken: bool = false; } volatile var q: seq F;"
        "env PUT(f: F) { append f to q; } env TAKE() { find x in q where not x.taken else { fail ENOENT; } x.taken = true; }" + ONE
    )
    both = ("PUT(f1) = OK", "PUT(f0) = OK")
    assert language.ways(text, "TAKE()") == ["ENOENT"]
    assert language.ways(text, *both, "TAKE()") == ["OK; f1.taken: false -> true"]
    assert language.ways(text, *both, "TAKE() = OK", "TAKE()") == ["OK; f0.taken: false -> true"]


def test_find_without_else_is_like_choose(language):
    text = "volatile var q: seq F; env TAKE() { find x in q; remove x from q; } env PUT(f: F) { append f to q; }" + ONE
    assert language.ways(text, "TAKE()") == []
    assert language.ways(text, "PUT(f1) = OK", "TAKE()") == ["OK; q: [f1] -> []"]


def test_cut_is_no_outcome_and_no_error(language):
    text = "sort T ordered; scope s { T = 2 } volatile var n: T? = T.first; env NEXT() { cut when n == none; n = next(n); }"
    found = language.explore(text)
    assert found.size == (3, 2)  # 0, 1, none
    assert found.exploration.cuts == {"cut when n == none;": 1}


def test_a_remembered_errno(language):
    text = (
        "volatile var saved: errno = EINVAL; volatile var broken: bool = false;"
        "env BREAK() { saved = EIO; broken = true; } env USE() { if broken { fail saved; } } sort U symmetric; scope s { U = 1 }"
    )
    assert language.ways(text, "USE()") == ["OK"]
    assert language.ways(text, "BREAK() = OK", "USE()") == ["EIO"]


def test_skip_does_nothing_and_a_label_can_stand_at_it(language):
    text = STATE + "env E() { here: skip; } at here check quiet: not a; sort U symmetric; scope s { U = 1 }"
    assert language.ways(text, "E()") == ["OK"]
    assert language.explore(text)["quiet"] == "holds"


def test_the_same_value_on_two_paths_is_one_transition(language):
    text = STATE + "env E() { if sometimes { a = true; } else { a = true; } } sort U symmetric; scope s { U = 1 }"
    assert language.explore(text).size == (2, 2)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("fail ENOSUCH;", "LUO217"),
        ("fail EIO sometimes no_such_class;", "LUO218"),
        ("run missing();", "LUO200"),
        ("let x = a; x = b;", "LUO214"),
    ],
)
def test_mistakes(language, body, code):
    assert language.codes(STATE + f"env E() {{ {body} }} sort U symmetric; scope s {{ U = 1 }}") == [code]


def test_recursion_is_refused(language):
    assert set(language.codes("proc p() { run q(); } proc q() { run p(); } env E() { run p(); }")) == {"LUO211"}
    assert language.codes("proc p() { run p(); }") == ["LUO211"]
    assert set(language.codes("define p = not q; define q = p; invariant i: p;")) == {"LUO211"}


def test_a_proc_takes_elements_and_gives_a_result(language):
    text = (
        "per F { volatile taken: bool = false; } volatile var got: F? = none;"
        "proc pick(f: F) gives g: F { g = f; f.taken = true; } env E(f: F) { run pick(f) gives x; got = x; }" + ONE
    )
    assert language.ways(text, "E(f1)") == ["OK; f1.taken: false -> true; got: none -> f1"]


def test_a_result_must_be_takenon_every_path_that_ends_with_ok(language):
    text = STATE + "env E() gives f: F { if a { choose f: F; } }" + ONE
    assert language.codes(text) == ["LUO213"]
    assert language.codes(STATE + "env E() gives f: F { if a { fail EIO; } choose f: F; }" + ONE) == []


def test_a_result_is_shown(language):
    text = "env E() gives f: F { choose f: F; }" + ONE
    assert sorted(language.ways(text, "E()")) == ["OK gives f0", "OK gives f1"]


def test_let_names_a_value_and_keeps_it(language):
    text = STATE + "env E() { let was = a; a = true; b = was; c = a; } sort U symmetric; scope s { U = 1 }"
    assert language.ways(text, "E()") == ["OK; a: false -> true; c: false -> true"]


def test_locals_die_with_their_block(language):
    assert language.codes(STATE + "env E() { if a { let x = b; } c = x; } sort U symmetric; scope s { U = 1 }") == ["LUO200"]


def test_a_fail_inside_a_labelled_statement_has_its_label(language):
    text = STATE + (
        "proc p() { fail EPERM sometimes; }"
        "env E() { reply: if sometimes { a = true; fail EFAULT; } outer: if sometimes { inner: fail EIO; } called: run p(); last_: run p() else { fail EBUSY; } }"
        "sort U symmetric; scope s { U = 1 }"
    )
    assert sorted({way.split(";")[0] for way in language.ways(text, "E()")}) == [
        "EBUSY at last_",
        "EFAULT at reply",
        "EIO at inner",
        "EPERM",
        "OK",
    ]


def test_a_bare_fail_fails_where_the_caught_one_did(language):
    text = (
        "volatile var a: bool = false; proc p() { here: fail EIO; } proc q() { there: fail EBUSY; } sort T ordered; scope s { T = 2 }"
        "walk w() over t: T in order { mine: fail ENODEV when t == T.last; rollback visited { run q() else { } } }"
        "env E() { run p() else { run q() else { } fail; } } env W() { run w(); }"
    )
    assert language.ways(text, "E()") == ["EIO at here"]
    assert language.ways(text, "W()") == ["ENODEV at mine"]


def test_what_a_failed_call_gives_is_used_by_nobody(language):
    text = (
        STATE + "enum Q { X, Y } volatile var q: Q = X; proc p() gives r: Q { r = Y; fail EIO when a; }"
        "env E() { run p() gives v else { %s } q = v; }" + ONE
    )
    assert language.codes(text % "skip;") == ["LUO213"]
    assert language.codes(text % "fail EBUSY;") == []
    assert language.codes(text % "stop;") == []
