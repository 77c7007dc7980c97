"""Claims: every kind of property, what `old` and `unchanged` mean, vacuity, expectations."""

import pytest

U = "sort U symmetric; scope s { U = 1 }\n"
PHASES = (
    U
    + """
enum P { NORMAL, PREPARED, FROZEN }
volatile var phase: P = NORMAL;  volatile var dirty: bool = false;  volatile var other: bool = false;  ghost var seen: bool = false;
ioctl PREPARE() { fail EINVAL when phase != NORMAL; dirty = true; seen = true; late: fail EIO sometimes; phase = PREPARED; }
ioctl FREEZE()  { fail EINVAL when phase != PREPARED; phase = FROZEN; }
syscall CANCEL()  { fail ENOENT when phase != PREPARED; phase = NORMAL; dirty = false; }
"""
)


def test_the_state_space_of_the_example(language):
    # (NORMAL, clean), (NORMAL, dirty) after EIO, (PREPARED, dirty), (FROZEN, dirty); times `seen`, which only the first has false
    # and CANCEL makes (NORMAL, clean, seen)
    assert language.explore(PHASES).size == (5, 3 * 4 + 3 + 3)


# ---- invariant, lemma, reachable --------------------------------------------------------------------------------


def test_invariant(language):
    text = PHASES + "invariant clean_when_normal: phase == NORMAL => not dirty; invariant fine: phase == PREPARED => dirty;"
    found = language.explore(text)
    assert found["fine"] == "holds"
    assert found.calls("clean_when_normal") == ["PREPARE() = EIO at late"]
    assert found.verdict("clean_when_normal").text == "FAILS (1 call)"
    assert [c.text for c in found.verdict("clean_when_normal").witness.clauses] == ["phase == NORMAL", "dirty"]


def test_a_false_initial_state_is_a_witness_without_calls(language):
    found = language.explore(PHASES + "invariant wrong: phase == PREPARED;")
    assert found.calls("wrong") == [] and found.verdict("wrong").text == "FAILS (0 calls)"


def test_a_lemma_is_checked_like_an_invariant(language):
    found = language.explore(PHASES + "lemma l: phase == FROZEN => dirty; lemma wrong: not dirty;")
    assert found["l"] == "holds" and found["wrong"] == "fails"


def test_reachable(language):
    found = language.explore(PHASES + "reachable frozen: phase == FROZEN; reachable never_: phase == FROZEN and not dirty;")
    assert found.verdict("frozen").text == "reached (2 calls)"
    assert found.calls("frozen") == ["PREPARE() = OK", "FREEZE() = OK"]
    assert found.verdict("never_").text == "NOT REACHED"


def test_an_implication_whose_left_side_never_holds_is_vacuous(language):
    text = PHASES + "invariant empty: phase == FROZEN and not dirty => other; invariant nobody: all u: U | u != u => other;"
    found = language.explore(text)
    assert found["empty"] == "vacuous" and found["nobody"] == "vacuous"


# ---- after ------------------------------------------------------------------------------------------------------


def test_after_one_event(language):
    found = language.explore(PHASES + "after CANCEL check normal: phase == NORMAL; after PREPARE check made: dirty;")
    assert found.calls("normal") == ["PREPARE() = OK", "FREEZE() = OK", "CANCEL() = ENOENT"]
    assert found["made"] == "holds"


def test_after_one_event_and_an_outcome(language):
    text = PHASES + (
        "after PREPARE returns OK check a: phase == PREPARED; after PREPARE returns EIO check b: phase == NORMAL;"
        "after PREPARE returns EIO at late check c: not dirty; after PREPARE returns error check d: not dirty;"
        "after CANCEL returns EIO check never_happens: false;"
    )
    found = language.explore(text)
    assert [found[c] for c in "abcd"] == ["holds", "holds", "fails", "fails"]
    assert found["never_happens"] == "vacuous"
    assert found.calls("c") == ["PREPARE() = EIO at late"]


def test_after_any_event_and_any_ioctl(language):
    text = PHASES + (
        "after any returns error check everywhere: unchanged; after any ioctl returns error check ioctls: unchanged except dirty;"
        "after any syscall returns error check syscalls: unchanged; after any check all_: phase != FROZEN or dirty;"
    )
    found = language.explore(text)
    assert [found[c] for c in ("everywhere", "ioctls", "syscalls", "all_")] == ["fails", "holds", "holds", "holds"]


def test_old_is_the_value_before_the_call(language):
    text = (
        PHASES
        + "after FREEZE returns OK check was: old(phase) == PREPARED and phase == FROZEN; after CANCEL returns OK check drop: old(dirty) and not dirty;"
    )
    found = language.explore(text)
    assert found["was"] == "holds" and found["drop"] == "holds"


def test_old_of_an_element_is_read_in_the_state_before(language):
    text = (
        "sort F symmetric; scope s { F = 2 } per F { volatile n: F? = none; volatile m: bool = false; } env SET(f: F, g: F) { f.n = g; g.m = true; }"
        "after SET check before_: old(f.n) == none or old(f.n.m); after SET check wrong: old(f.n == g) or not f.n.m;"
    )
    found = language.explore(text)
    assert found["before_"] == "holds" and found["wrong"] == "fails"


def test_after_sees_parameters_and_the_result(language):
    text = "sort F symmetric; scope s { F = 2 } env E(f: F) gives g: F { choose g: F; } after E returns OK check same: f == g;"
    assert language.explore(text).calls("same") in (["E(f0) = OK gives f1"], ["E(f1) = OK gives f0"])


def test_unchanged_looks_at_no_ghost(language):
    text = (
        U
        + "ghost var g: bool = false; volatile var v: bool = false; env E() { g = true; fail EIO; } env F() { v = true; fail EIO; }"
    )
    text += (
        "after E returns EIO check e_: unchanged; after F returns EIO check f_: unchanged; after F check but: unchanged except v;"
    )
    found = language.explore(text)
    assert [found[c] for c in ("e_", "f_", "but")] == ["holds", "fails", "holds"]


def test_unchanged_except_cells_fields_and_globals(language):
    text = (
        "sort F symmetric; scope s { F = 2 } per F { volatile a: bool = false; volatile b: bool = false; } volatile var z: bool = false;"
        "env E(f: F) { f.a = true; forall g: F { g.b = true; } z = true; }"
        "after E check cells: unchanged except f.a, F.b, z; after E check less: unchanged except F.a, f.b, z;"
    )
    found = language.explore(text)
    assert found["cells"] == "holds" and found["less"] == "fails"


def test_new_and_free_are_changes(language):
    text = "sort E pool; scope s { E = 2 } env MAKE() gives e: E { new e; } env FREE(e: E) { free e; } after MAKE check m: unchanged; after FREE check f: unchanged;"
    found = language.explore(text)
    assert found["m"] == "fails" and found["f"] == "fails"


@pytest.mark.parametrize(
    "claim", ["invariant i: old(dirty);", "reachable i: unchanged;", "recoverable i: old(dirty) can reach dirty;"]
)
def test_old_needs_a_call(language, claim):
    assert language.codes(PHASES + claim) == ["LUO209"]
    assert language.codes(PHASES + "env E() { if old(dirty) { dirty = false; } }") == ["LUO209"]


# ---- assertions -------------------------------------------------------------------------------------------------


def test_assert_in_a_body(language):
    text = (
        PHASES
        + 'env E() { assert clean "P-X": not dirty; assert was: old(dirty) == dirty; dirty = false; assert done: not dirty and old(dirty) => seen; }'
    )
    found = language.explore(text)
    assert found.calls("clean") == ["PREPARE() = OK", "E() = OK"] or found.calls("clean") == ["PREPARE() = EIO at late", "E() = OK"]
    assert found.verdict("clean").witness.faults == 0
    assert found["was"] == "holds" and found["done"] == "holds"
    assert found.verdict("clean").doc == "P-X"


def test_a_broken_assertion_does_not_end_the_path(language):
    found = language.explore(PHASES + "env E() { assert clean: not dirty; other = true; } reachable r: other and dirty;")
    assert found["r"] == "reached"


def test_an_assertion_in_a_walk_sees_the_order_of_callbacks(language):
    text = (
        "sort T ordered; scope s { T = 3 } per T { volatile saved: bool = false; }"
        "walk save() over t: T in order { fail EIO sometimes; t.saved = true; rollback visited %s { assert in_reverse: all u: T | t < u => not u.saved; t.saved = false; } }"
        "env GO() { require no t: T | t.saved; run save(); }"
    )
    assert language.explore(text % "")["in_reverse"] == "fails"
    assert language.explore(text % "reversed")["in_reverse"] == "holds"


def test_an_assertion_that_is_never_reached_is_vacuous(language):
    assert language.explore(PHASES + "env E() { fail EIO when not other; assert dead: false; }")["dead"] == "vacuous"


def test_at_a_label(language):
    text = PHASES + "at late check is_dirty: dirty; at late check is_clean: not dirty;"
    found = language.explore(text)
    assert found["is_dirty"] == "holds"
    assert found.calls("is_clean") == ["PREPARE() = OK"]
    assert found.verdict("is_clean").kind == "assert"
    assert language.codes(PHASES + "at nowhere check x: true;") == ["LUO208"]


# ---- never and stuck --------------------------------------------------------------------------------------------


def test_never(language):
    found = language.explore(PHASES + "never CANCEL returns EIO; never PREPARE returns EIO; never FREEZE returns OK;")
    assert found["CANCEL_never_EIO"] == "holds"
    assert found.calls("PREPARE_never_EIO") == ["PREPARE() = EIO at late"]
    assert found["FREEZE_never_OK"] == "fails"


def test_never_of_a_call_that_is_never_made_is_vacuous(language):
    assert (
        language.explore(PHASES + "env DEAD() { require phase == FROZEN and not dirty; } never DEAD returns OK;")["DEAD_never_OK"]
        == "vacuous"
    )


# ---- recoverable ------------------------------------------------------------------------------------------------


def test_recoverable(language):
    text = PHASES + (
        "recoverable back: phase == PREPARED can reach phase == NORMAL using CANCEL;"
        "recoverable lost: phase == FROZEN can reach phase == NORMAL using CANCEL;"
        "recoverable anything: phase != NORMAL can reach phase == FROZEN;"
        "recoverable never_: other can reach not other using CANCEL;"
    )
    found = language.explore(text)
    assert [found[c] for c in ("back", "lost", "anything", "never_")] == ["holds", "fails", "holds", "vacuous"]
    assert found.calls("lost") == ["PREPARE() = OK", "FREEZE() = OK"]  # the shortest way into the trap


def test_recoverable_needs_only_the_named_calls(language):
    text = (
        PHASES
        + "recoverable r: phase == NORMAL can reach phase == FROZEN using PREPARE; recoverable t: phase == NORMAL can reach phase == FROZEN using PREPARE, FREEZE;"
    )
    found = language.explore(text)
    assert found["r"] == "fails" and found["t"] == "holds"


def test_recoverable_with_and_without_faults(language):
    text = (
        U
        + "volatile var broken: bool = true; env RETRY() { if sometimes { broken = false; } } recoverable good: broken can reach not broken using RETRY;"
    )
    assert language.explore(text)["good"] == "fails"
    assert language.explore(text.replace("using RETRY;", "using RETRY with faults;"))["good"] == "holds"


def test_a_way_out_behind_a_cut_is_unknown(language):
    text = (
        "sort T ordered; scope s { T = 1 } volatile var n: T? = T.first; volatile var done: bool = false;"
        "env NEXT() { cut when n == none; n = next(n); } env STOP_() { require n != none and done; done = false; } env GO() { done = true; }"
        "recoverable more: n == none can reach n != none using NEXT;"
    )
    verdict = language.explore(text).verdict("more")
    assert verdict.result.value == "unknown" and "scope" in verdict.note
    without_cut = text.replace("cut when n == none;", "require n != none;")
    assert language.explore(without_cut)["more"] == "fails"


# ---- the built-in claims ----------------------------------------------------------------------------------------


def test_every_spec_makes_the_built_in_claims(language):
    found = language.explore(PHASES)
    built_in = [v.property for v in found.exploration.verdicts if v.kind == "built-in"]
    assert built_in == ["use_after_free", "null_dereference", "count_range", "stale_iteration", "held_at_return", "lock_order"]
    assert {found[name] for name in built_in} == {"holds"}


def test_a_claim_cannot_have_the_name_of_a_built_in_one(language):
    assert language.codes(PHASES + "invariant count_range: true;") == ["LUO201"]


def test_liveness_is_decided(language):
    found = language.explore(
        PHASES
        + "liveness l: phase == PREPARED leads to phase != PREPARED assuming FREEZE succeeds; liveness m: phase == PREPARED leads to phase == NORMAL;"
    )
    assert (found["l"], found["m"]) == ("holds", "fails")


# ---- expectations -----------------------------------------------------------------------------------------------


def test_expectations_are_read(language):
    from luocheck.model.source import Source
    from luocheck.model.spec import load_source

    text = (
        PHASES
        + """
        invariant i: not dirty;  reachable r: dirty;  topology t { }  after CANCEL returns error check v: unchanged;
        expect {
            i fails in scope s within 3 by PREPARE at late;   r is reachable in topology t;   v holds;   count_range holds;
            states 3..1e2;   states 5 in scope s;   coverage all;
        }"""
    )
    system = load_source(Source("t.luo", "spec t;" + text)).system
    assert [(e.property, e.verdict.value, e.scope, e.topology, e.within, e.event, e.label) for e in system.expectations] == [
        ("i", "fails", "s", None, 3, "PREPARE", "late"),
        ("r", "is reachable", None, "t", None, None, None),
        ("v", "holds", None, None, None, None, None),
        ("count_range", "holds", None, None, None, None, None),
    ]
    assert [(s.low, s.high, s.scope) for s in system.state_expectations] == [(3, 100, None), (5, 5, "s"), (None, None, None)]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("missing holds;", "LUO600"),
        ("i is reachable;", "LUO600"),
        ("r holds;", "LUO600"),
        ("i fails in scope nowhere;", "LUO200"),
        ("i fails by NOBODY;", "LUO200"),
        ("i fails by PREPARE at nowhere;", "LUO208"),
        ("i holds; i fails;", "LUO201"),
    ],
)
def test_mistaken_expectations(language, entry, code):
    assert language.codes(PHASES + f"invariant i: not dirty; reachable r: dirty; expect {{ {entry} }}") == [code]


def test_a_name_is_declared_once(language):
    assert language.codes(PHASES + "invariant i: true; reachable i: true;") == ["LUO201"]
    assert language.codes(PHASES + "invariant phase: true;") in ([], ["LUO201"])
