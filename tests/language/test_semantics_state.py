"""State: what kexec does to it, `any`, boot, pairs, enums, ordered sorts, counts, sets, lists, forall, ghosts from outside."""

import pytest

U = "sort U symmetric; scope s { U = 1 }\n"
LIVES = (
    U
    + """
volatile var v: bool = false;  preserved var p: bool = false;  ghost var g: bool = false;
per U { volatile v_: bool = false; preserved p_: bool = false; }
env SET(x: U) { v = true; p = true; g = true; x.v_ = true; x.p_ = true; }
env KEXEC() { reboot; }
"""
)


# ---- lifetimes --------------------------------------------------------------------------------------------------


def test_reboot_applies_every_lifetime(language):
    assert language.ways(LIVES, "SET(u0) = OK", "KEXEC()") == ["OK; v: true -> false; u0.v_: true -> false"]


def test_reboot_goes_on_with_the_next_statement(language):
    text = LIVES + "env BOTH() { reboot; v = true; }"
    assert language.ways(text, "BOTH()") == ["OK; v: false -> true"]


def test_reboot_in_a_proc_of_the_call(language):
    text = LIVES + "proc kexec() { reboot; } env CALL() { p = true; run kexec(); v = p; }"
    assert language.ways(text, "CALL()") == ["OK; v: false -> true; p: false -> true"]


def test_a_volatile_field_without_an_initial_value_is_false_or_zero_or_none_or_empty(language):
    text = "sort U symmetric; scope s { U = 1 } enum E { A, B } volatile var b: bool; volatile var c: count(3); volatile var e: E;"
    text += "volatile var o: U?; volatile var z: set U; volatile var q: seq U;"
    text += "invariant zero: not b and c == 0 and e == A and o == none and z == {} and first(q) == none;"
    assert language.explore(text)["zero"] == "holds"


def test_a_field_that_names_an_element_needs_an_initial_value(language):
    assert language.codes(U + "volatile var o: U;") == ["LUO225"]
    assert language.codes(U + "fixed var o: U = any;") == []


def test_a_fixed_field_is_never_assigned(language):
    assert language.codes(U + "fixed var f: bool = any; env E() { f = true; }") == ["LUO205"]


def test_behaviour_cannot_read_a_ghost(language):
    for body in ("fail EIO when g;", "v = g;", "let x = g; v = x;", "if g { v = true; }"):
        assert language.codes(LIVES + f"env E() {{ {body} }}") == ["LUO204"], body
    assert language.codes(LIVES + "ghost var h: bool = false; env E() { h = g; assert fine: g; }") == []


# ---- any and boot -----------------------------------------------------------------------------------------------


def test_a_fixed_any_is_drawn_once_for_each_run(language):
    text = U + "fixed var f: bool = any; volatile var n: bool = false; env E() { n = f; } env KEXEC() { reboot; }"
    found = language.explore(text)
    assert found.exploration.instances == 2
    assert found.size[0] == 3  # f false: n false; f true: n false or true


def test_a_volatile_any_is_drawn_at_the_start_and_again_by_every_reboot(language):
    text = U + "volatile var here: bool = any; env KEXEC() { reboot; }"
    assert sorted(language.starts(text)) == ["", "here = true"]
    assert language.ways(text, "KEXEC()") == ["OK", "OK; here: false -> true"]
    assert language.explore(text).size == (2, 4)


def test_any_of_an_element_and_of_a_set(language):
    text = (
        "sort F symmetric; sort H symmetric; scope s { F = 1, H = 2 } per F { volatile h: H? = any; volatile uses: set H = any; }"
    )
    assert len(language.starts(text)) == 3 * 4


def test_drawn_at_new(language):
    text = "sort E pool; scope s { E = 1 } per E { volatile good: bool = any; } env MAKE() gives e: E { new e; }"
    assert language.starts(text) == [""]
    assert language.ways(text, "MAKE()") == [
        "OK gives e0; e0 alive: no -> yes",
        "OK gives e0; e0.good: false -> true; e0 alive: no -> yes",
    ]


def test_any_stands_at_fixed_and_volatile_fields_only(language):
    assert language.codes(U + "preserved var p: bool = any;") == ["LUO225"]
    assert language.codes(U + "ghost var p: bool = any;") == ["LUO225"]


def test_boot_makes_the_initial_states_and_runs_in_every_reboot(language):
    text = U + (
        "enum P { NORMAL, UPDATED } volatile var phase: P = NORMAL; preserved var tree: bool = false;"
        "env ATTACH() { tree = true; } env KEXEC() { reboot; }"
        "boot { if tree { phase = UPDATED; stop; } phase = NORMAL; }"
    )
    assert language.starts(text) == [""]
    assert language.ways(text, "ATTACH() = OK", "KEXEC()") == ["OK; phase: NORMAL -> UPDATED"]


def test_a_fault_in_boot_gives_several_initial_states(language):
    text = U + "volatile var late: bool = false; boot { if sometimes { late = true; } }"
    assert sorted(language.starts(text)) == ["", "late = true"]


def test_a_boot_that_panics_is_no_initial_state(language):
    text = U + "fixed var good: bool = any; boot { panic when not good; } env KEXEC() { reboot; } never KEXEC returns PANIC;"
    assert language.starts(text) == ["good = true"]
    assert language.explore(text)["KEXEC_never_PANIC"] == "holds"


def test_a_reboot_whose_boot_panics_returns_panic(language):
    text = (
        U
        + "preserved var bad: bool = false; boot { panic when bad; } env SPOIL() { bad = true; } env KEXEC() { reboot; } never KEXEC returns PANIC;"
    )
    found = language.explore(text)
    assert found.calls("KEXEC_never_PANIC") == ["SPOIL() = OK", "KEXEC() = PANIC"]


@pytest.mark.parametrize("body", ["fail EIO;", "step;", "reboot;", "arguments;", "require false;"])
def test_what_boot_cannot_do(language, body):
    assert "LUO215" in language.codes(U + f"boot {{ {body} }}")


def test_the_locals_of_a_call_survive_its_reboot(language):
    text = "sort F symmetric; scope s { F = 2 } volatile var who: F? = none; env E(f: F) { reboot; who = f; }"
    assert language.ways(text, "E(f1)") == ["OK; who: none -> f1"]


# ---- pairs and enums --------------------------------------------------------------------------------------------


def test_fields_of_pairs(language):
    text = (
        "sort A symmetric; sort B symmetric; scope s { A = 2, B = 3 } per A, B { volatile f: bool = false; }"
        "env SET(a: A, b: B) { f(a, b) = true; } invariant few: (number of a: A | f(a, a) == f(a, a)) == 2;"
    )
    assert language.codes(text) == ["LUO202"]  # the second argument is a B
    text = text.replace("f(a, a) == f(a, a)", "some b: B | not f(a, b)")
    assert language.ways(text, "SET(a1, b2)") == ["OK; f(a1, b2): false -> true"]
    assert language.explore(text).size == (2**6, 2**6 * 6)


def test_fields_of_the_members_of_an_enum(language):
    text = (
        U
        + "enum K { DISK, NET } per K { volatile used: bool = false; } env USE(k: K) { k.used = true; } env DISK_IN_USE() { require DISK.used; }"
    )
    assert language.ways(text, "USE(NET)") == ["OK; NET.used: false -> true"]
    assert language.explore(text).size == (4, 4 * 2 + 2)


def test_a_fixed_field_of_an_enum_is_an_instance_each(language):
    text = U + "enum K { DISK, NET, TAPE } per K { fixed able: bool = any; }"
    assert language.explore(text).exploration.instances == 8


def test_enum_members_may_repeat_in_other_enums_and_are_told_apart_by_what_is_needed(language):
    text = U + "enum A { NONE, X } enum B { NONE, Y } volatile var a: A = NONE; volatile var b: B = NONE; env E() { a = X; b = Y; }"
    assert language.ways(text, "E()") == ["OK; a: NONE -> X; b: NONE -> Y"]
    assert language.codes(text + "invariant i: a == B.NONE;") == ["LUO202"]
    assert language.codes(text + "invariant i: a == NONE or A.NONE == a;") == []


def test_enum_numbers(language):
    text = U + "enum P { A = 3, B, C = 1 } volatile var p: P = A; env E() { p = B; }"
    assert language.codes(text) == []
    assert language.codes(U + "enum P { A = 3, B = 3 }") == ["LUO229"]
    assert language.codes(U + "enum P { A, A }") == ["LUO229"]


# ---- ordered sorts and counts -----------------------------------------------------------------------------------


def test_an_ordered_sort(language):
    text = (
        "sort T ordered; scope s { T = 3 } volatile var n: T? = T.first; env NEXT() { require n != none; n = next(n); }"
        "invariant order: n != none => n <= T.last and T.first <= n and not n < n;"
    )
    found = language.explore(text)
    assert found.size == (4, 3) and found["order"] == "holds"


def test_next_of_the_last_is_none_and_next_of_none_a_finding(language):
    text = "sort T ordered; scope s { T = 1 } volatile var n: T? = T.first; env NEXT() { n = next(n); }"
    assert language.explore(text).calls("null_dereference") == ["NEXT() = OK", "NEXT() = null_dereference"]


@pytest.mark.parametrize("claim", ["F.first == F.last", "all f: F, g: F | f < g", "all f: F | next(f) == none"])
def test_a_symmetric_sort_has_no_order(language, claim):
    assert language.codes(f"sort F symmetric; scope s {{ F = 2 }} invariant i: {claim};") == ["LUO203"]


def test_a_count_leaves_its_range(language):
    text = U + "volatile var n: count(2) = 0; env UP() { n = n + 1; } env DOWN() { n = n - 1; }"
    found = language.explore(text)
    assert found.size[0] == 3
    assert found.calls("count_range") == ["DOWN() = count_range"]
    up = language.explore(U + "volatile var n: count(2) = 0; env UP() { n = n + 1; }")
    assert up.calls("count_range") == ["UP() = OK", "UP() = OK", "UP() = count_range"]


def test_a_count_of_one_to_65535(language):
    assert language.codes(U + "volatile var n: count(0) = 0;") == ["LUO226"]
    assert language.codes(U + "volatile var n: count(65536) = 0;") == ["LUO226"]
    assert language.codes(U + "volatile var n: count(3) = 4;") == ["LUO226"]


# ---- sets and lists ---------------------------------------------------------------------------------------------


def test_a_set(language):
    text = "sort F symmetric; scope s { F = 2 } volatile var z: set F; env ADD(f: F) { add f to z; } env DEL(f: F) { remove f from z; }"
    assert language.ways(text, "ADD(f1)") == ["OK; z: { } -> { f1 }"]
    assert language.ways(text, "ADD(f1) = OK", "ADD(f1)") == ["OK"]
    assert language.ways(text, "DEL(f0)") == ["OK"]
    assert language.explore(text).size == (4, 16)


def test_sets_compare_as_sets(language):
    text = "sort F symmetric; scope s { F = 2 } volatile var z: set F; volatile var q: seq F; env SWAP(f: F, g: F) { z = { f, g }; append f to q; }"
    text += "invariant sides: all f: F, g: F | (z == { f, g }) == (f in z and g in z and (number of h: F | h in z and h != f and h != g) == 0);"
    text += "invariant empty: (z == { }) == ({ } == z) and (q == { }) == (first(q) == none) and (z == { }) == (no f: F | f in z);"
    text += "invariant order: all f: F, g: F | { f, g } == { g, f };"
    found = language.explore(text)
    assert [found[c] for c in ("sides", "empty", "order")] == ["holds"] * 3


def test_a_list_has_an_order_and_no_element_twice(language):
    text = "sort F symmetric; scope s { F = 2 } volatile var q: seq F; env PUT(f: F) { append f to q; } env DEL(f: F) { remove f from q; }"
    assert language.ways(text, "PUT(f1) = OK", "PUT(f0) = OK", "PUT(f1)") == ["OK"]
    assert language.ways(text, "PUT(f1) = OK", "PUT(f0) = OK", "DEL(f1)") == ["OK; q: [f1, f0] -> [f0]"]
    assert language.explore(text, symmetry=False).size == (5, 20)  # [], [f0], [f1], [f0, f1], [f1, f0]


def test_first_last_before_and_membership(language):
    text = (
        "sort F symmetric; scope s { F = 2 } volatile var q: seq F; env PUT(f: F) { append f to q; }"
        "invariant ends: all f: F | first(q) == f => f in q and not (some g: F | before(q, g, f));"
        "invariant two: (number of f: F | f in q) == 2 => before(q, first(q), last(q)) and not before(q, last(q), first(q));"
        "invariant one: (number of f in q | f in q) == 1 => first(q) == last(q);"
        "invariant not_itself: all f in q | not before(q, f, f);"
    )
    found = language.explore(text)
    assert [found[c] for c in ("ends", "two", "one", "not_itself")] == ["holds"] * 4


def test_append_and_add_are_not_the_same_statement(language):
    assert language.codes("sort F symmetric; scope s { F = 2 } volatile var z: set F; env E(f: F) { append f to z; }") == ["LUO202"]
    assert language.codes("sort F symmetric; scope s { F = 2 } volatile var q: seq F; env E(f: F) { add f to q; }") == ["LUO202"]


# ---- forall -----------------------------------------------------------------------------------------------------


def test_forall_happens_at_once(language):
    text = (
        "sort T ordered; scope s { T = 3 } per T { volatile x: bool = false; } env FIRST() { let f = T.first; f.x = true; }"
        "env SHIFT() { forall t: T { if next(t) != none { let_(t); } } }"
    ).replace("let_(t);", "t.x = next(t).x;")
    # every element takes its successor's old value; one after the other would copy the last one over all
    text += "env LAST() { let l = T.last; l.x = true; }"
    assert language.ways(text, "LAST() = OK", "SHIFT()") == ["OK; t1.x: false -> true"]


def test_forall_where(language):
    text = "sort F symmetric; scope s { F = 3 } per F { volatile a: bool = false; volatile b: bool = false; }"
    text += "env A(f: F) { f.a = true; } env COPY() { forall f: F where f.a { f.b = true; } }"
    assert language.ways(text, "A(f1) = OK", "COPY()") == ["OK; f1.b: false -> true"]


def test_two_writers_of_one_place_are_an_error_when_they_disagree(language):
    from luocheck.model.diagnostics import SpecError

    text = "sort F symmetric; scope s { F = 2 } per F { volatile a: bool = false; } volatile var v: bool = false; env A(f: F) { f.a = true; }"
    assert language.codes(text + "env E() { forall f: F { v = f.a; } }") == ["LUO206"]  # seen in the text
    agree = text + "env E() { forall f: F where f.a { v = true; } }"
    assert language.ways(agree, "A(f0) = OK", "A(f1) = OK", "E()") == ["OK; v: false -> true"]
    conflict = text + "env E() { forall f: F { if f.a { v = true; } else { v = false; } } }"
    with pytest.raises(SpecError) as error:
        language.explore(conflict)
    assert [d.code for d in error.value.diagnostics] == ["LUO608"]


@pytest.mark.parametrize(
    "body", ["append f to q;", "run p(f);", "fail EIO;", "new e: E;", "step;", "let x = f;", "assert a: true;", "reboot;"]
)
def test_what_a_forall_cannot_do(language, body):
    text = "sort F symmetric; sort E pool; scope s { F = 2, E = 2 } volatile var q: seq F; proc p(f: F) { skip; }"
    assert language.codes(text + f"env X() {{ forall f: F {{ {body} }} }}") == ["LUO206"]


def test_nested_forall(language):
    text = "sort F symmetric; scope s { F = 2 } per F, F { volatile r: bool = false; } env ALL() { forall f: F { forall g: F where f != g { r(f, g) = true; } } }"
    assert language.ways(text, "ALL()") == ["OK; r(f0, f1): false -> true; r(f1, f0): false -> true"]


def test_forall_takes_away_from_sets_and_lists_and_frees(language):
    text = (
        "sort E symmetric pool; scope s { E = 2 } per E { volatile bad: bool = false; } volatile var q: seq E;"
        "env MAKE() gives e: E { new e; append e to q; } env SPOIL(e: E) { e.bad = true; }"
        "env CLEAN() { forall e: E where e.bad { remove e from q; free e; } }"
    )
    calls = ("MAKE() = OK gives e0", "MAKE() = OK gives e1", "SPOIL(e0) = OK")
    assert language.ways(text, *calls, "CLEAN()") == ["OK; e0.bad: true -> false; q: [e0, e1] -> [e1]; e0 alive: yes -> no"]


# ---- ghosts from outside ----------------------------------------------------------------------------------------


def test_a_ghost_is_written_from_outside_in_the_same_transition(language):
    text = U + (
        "volatile var on_: bool = false; ghost var oks: count(3) = 0; ghost var errors: count(3) = 0; ghost var was: bool = false;"
        "env E() { fail EBUSY when on_; on_ = true; }"
        "on E returns OK { oks = oks + 1; was = old(on_); } on E returns error { errors = errors + 1; } on any returns EBUSY { was = true; }"
    )
    assert language.ways(text, "E()") == ["OK; on_: false -> true; oks: 0 -> 1"]
    assert language.ways(text, "E() = OK", "E()") == ["EBUSY; errors: 0 -> 1; was: false -> true"]


def test_it_sees_parameters_and_the_result(language):
    text = (
        "sort F symmetric; scope s { F = 2 } ghost var asked: F? = none; ghost var handed: F? = none;"
        "env E(f: F) gives g: F { g = f; } on E { asked = f; } on E returns OK { handed = g; }"
    )
    assert language.ways(text, "E(f1)") == ["OK gives f1; asked: none -> f1; handed: none -> f1"]


def test_it_may_assign_ghosts_only(language):
    text = U + "volatile var v: bool = false; env E() { skip; } on E { v = true; }"
    assert language.codes(text) == ["LUO215"]
    assert language.codes(U + "ghost var g: bool = false; env E() { skip; } on E { fail EIO; }") == ["LUO215"]


def test_at_a_label_only(language):
    text = (
        U
        + "ghost var g: bool = false; env E() { one: fail EIO sometimes; two: fail EIO sometimes; } on E returns EIO at two { g = true; }"
    )
    assert sorted(language.ways(text, "E()")) == ["EIO at one", "EIO at two; g: false -> true", "OK"]
