"""Objects that come and go: new, free, quarantine, stale pointers, none."""

import pytest

POOL = """
sort E symmetric pool;  sort U symmetric;
scope s { E = 2, U = 1 }   scope single { E = 1, U = 1 }   scope three { E = 3, U = 1 }
per E { volatile mark: bool = false; volatile next_: E? = none; }
volatile var head: E? = none;
env MAKE() gives e: E { new e; }
env MARK(e: E) { e.mark = true; }
env FREE(e: E) { free e; }
env POINT(e: E) { head = e; }
env FOLLOW() { if head != none and head.mark { head = none; } }
"""


def test_new_brings_the_first_dead_element_to_life(language):
    assert language.ways(POOL, "MAKE()") == ["OK gives e0; e0 alive: no -> yes"]
    assert language.ways(POOL, "MAKE() = OK gives e0", "MAKE()") == ["OK gives e1; e1 alive: no -> yes"]


def test_none_left_cuts_the_path(language):
    text = POOL.replace("env POINT(e: E) { head = e; }\nenv FOLLOW() { if head != none and head.mark { head = none; } }\n", "")
    found = language.explore(text, "single")
    assert found.exploration.cuts == {"new E": 2}  # from alive, marked or not
    assert found.size == (3, 1 + 2 + 2)  # MAKE; MARK twice; FREE twice


def test_free_resets_all_fields(language):
    ways = language.ways(POOL, "MAKE() = OK gives e0", "MARK(e0) = OK", "FREE(e0)")
    assert ways == ["OK; e0.mark: true -> false; e0 alive: yes -> no"]
    assert language.ways(POOL, "MAKE() = OK gives e0", "MARK(e0) = OK", "FREE(e0) = OK", "MAKE()") == [
        "OK gives e0; e0 alive: no -> yes"
    ]


def test_only_live_elements_can_be_named_and_counted(language):
    assert language.ways(POOL, "MARK(e0)") == []
    text = (
        POOL + "ghost var live: count(2) = 0; on MAKE { live = number of x: E | true; } on FREE { live = number of x: E | true; }"
    )
    text += "invariant counted: live == (number of e: E | true); invariant quiet: (no e: E | true) => live == 0;"
    found = language.explore(text)
    assert found["counted"] == "holds" and found["quiet"] == "holds"


def test_reading_a_freed_element_is_a_finding(language):
    assert language.explore(POOL).calls("use_after_free") == [
        "MAKE() = OK gives e0",
        "POINT(e0) = OK",
        "FREE(e0) = OK",
        "FOLLOW() = use_after_free",
    ]


@pytest.mark.parametrize("body", ["head.mark = true;", "free head;", "let x = head; x.mark = false;"])
def test_writing_and_freeing_twice_are_findings_too(language, body):
    text = POOL + f"env TOUCH() {{ require head != none; {body} }}"
    stale = ("MAKE() = OK gives e0", "POINT(e0) = OK", "FREE(e0) = OK")
    assert language.ways(text, *stale, "TOUCH()") == ["use_after_free"]


def test_reading_through_none_is_a_finding(language):
    text = POOL + "env CARELESS() { head.mark = true; } env CAREFUL() { if head != none => head.mark { skip; } }"
    assert language.ways(text, "CARELESS()") == ["null_dereference"]
    assert language.ways(text, "CAREFUL()") == ["OK"]
    assert language.ways(text, "FOLLOW()") == ["OK"]  # `and` looks at its left side first


def test_a_finding_ends_the_path(language):
    text = "sort U symmetric; scope s { U = 1 } per U { volatile a: bool = false; } volatile var p: U? = none; env E() { p.a = true; } env F() { p = none; }"
    assert language.explore(text).size == (1, 2)


def test_a_stale_pointer_never_becomes_valid_again(language):
    """The element that a field still names stays in quarantine: `new` takes another one."""
    stale = ("MAKE() = OK gives e0", "POINT(e0) = OK", "FREE(e0) = OK")
    assert language.ways(POOL, *stale, "MAKE()") == ["OK gives e1; e1 alive: no -> yes"]
    assert [way.split(";")[0] for way in language.ways(POOL, *stale, "MAKE()", scope="single")] == ["cut"]


def test_quarantine_can_exhaust_the_scope(language):
    text = "sort E pool; sort U symmetric; scope s { E = 1, U = 1 } volatile var head: E? = none;"
    text += (
        "env MAKE() gives e: E { require head == none; new e; head = e; } env FREE(e: E) { free e; } env FORGET() { head = none; }"
    )
    found = language.explore(text)
    # none; alive and named; dead and named; alive and not named
    assert found.size == (4, 7)  # 2, 2, 1, 2
    assert found.exploration.cuts == {"new E": 1}  # MAKE while the element lives on without a name


def test_a_local_keeps_an_element_in_quarantine(language):
    text = "sort E symmetric pool; scope s { E = 2 } env E1() { new e: E; free e; new f: E; assert other: e != f; }"
    assert language.explore(text)["other"] == "holds"
    assert language.ways(text, "E1()") == ["OK; e1 alive: no -> yes"]


def test_elements_of_a_pool_survive_a_reboot_when_one_of_their_fields_does(language):
    text = (
        "sort A pool; sort B pool; scope s { A = 1, B = 1 } per A { preserved p: bool = false; volatile v: bool = false; } per B { volatile v: bool = false; }"
        "env GO() { new a: A; new b: B; a.p = true; a.v = true; b.v = true; } env KEXEC() { reboot; }"
    )
    assert language.ways(text, "GO() = OK", "KEXEC()") == ["OK; a0.v: true -> false; b0.v: true -> false; b0 alive: yes -> no"]


def test_two_dead_elements_are_one_state(language):
    """new and free in any order and number come back to the same states."""
    text = "sort E symmetric pool; scope s { E = 3 } env MAKE() { new e: E; } env FREE_LAST() { choose e: E; free e; }"
    assert language.explore(text).size[0] <= 8


def test_free_of_something_that_is_not_in_a_pool(language):
    assert language.codes("sort U symmetric; scope s { U = 1 } env E(u: U) { free u; }") == ["LUO215"]
    assert language.codes("sort U symmetric; scope s { U = 1 } env E() { new u: U; }") == ["LUO215"]


def test_a_pool_element_has_no_fixed_field(language):
    assert language.codes("sort E pool; scope s { E = 1 } per E { fixed f: bool = any; }") == ["LUO225"]


def test_none_equals_none(language):
    text = "sort U symmetric; scope s { U = 1 } volatile var a: U? = none; volatile var b: U? = none; invariant same: a == b;"
    assert language.explore(text)["same"] == "holds"


def test_a_property_that_reads_through_none_is_refused(language):
    from luocheck.model.diagnostics import SpecError

    text = "sort U symmetric; scope s { U = 1 } per U { volatile a: bool = false; } volatile var p: U? = none;"
    with pytest.raises(SpecError) as error:
        language.explore(text + "invariant careless: not p.a;")
    assert [d.code for d in error.value.diagnostics] == ["LUO605"]
    assert language.explore(text + "invariant careful: p != none => not p.a;")["careful"] == "vacuous"


def test_a_property_sees_the_initial_values_of_a_freed_element(language):
    text = POOL + "invariant unmarked: head != none and no e: E | e == head => not head.mark;"
    assert language.codes(text) == []


def test_free_takes_the_fields_of_pairs_with_it(language):
    text = (
        "sort E pool; sort U symmetric; scope s { E = 1, U = 2 } per E, U { volatile f: bool = false; }"
        "env MAKE() gives e: E { new e; } env SET(e: E, u: U) { f(e, u) = true; } env FREE(e: E) { free e; }"
    )
    assert language.ways(text, "MAKE() = OK gives e0", "SET(e0, u1) = OK", "FREE(e0)") == [
        "OK; f(e0, u1): true -> false; e0 alive: yes -> no"
    ]
