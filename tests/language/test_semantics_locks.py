"""Locks, waiting, and calls that a scope cuts into steps."""

import pytest

ONE = "sort A symmetric caller; scope s { A = 1 } "
TWO = "sort A symmetric caller; scope s { A = 2; stepwise E } scope atomic { A = 2 } "
BOTH = TWO.replace("stepwise E", "stepwise E, F")


# ---- atomic calls -----------------------------------------------------------------------------------------------


def test_a_guard_is_given_back_at_the_end_of_its_block_however_it_ends(language):
    text = ONE + (
        "mutex m; volatile var x: bool = false; proc p() { guard m; fail EIO sometimes; stop; } proc q() { if true { guard m; } guard m; }"
        "ioctl E(a: A) { run p() else { } guard m; x = true; } ioctl F(a: A) { run q(); } ioctl G(a: A) { guard m; fail EBUSY; }"
    )
    assert language.ways(text, "E(a0)") == ["OK; x: false -> true"] * 2
    assert language.ways(text, "F(a0)") == ["OK"]
    assert language.ways(text, "G(a0)") == ["EBUSY"]
    assert language.explore(text)["held_at_return"] == "holds"


def test_a_lock_taken_by_hand_must_be_given_back(language):
    text = ONE + "mutex m; ioctl GOOD(a: A) { lock m; unlock m; } ioctl BAD(a: A) { lock m; fail EIO sometimes; unlock m; }"
    found = language.explore(text)
    assert found.calls("held_at_return") == ["BAD(a0) = EIO"]
    assert language.ways(text, "BAD(a0)") == ["OK", "EIO; lock m: free -> held by the kernel for ever"]


def test_giving_back_what_is_not_held_is_a_finding(language):
    text = ONE + "mutex m; ioctl E(a: A) { unlock m; }"
    assert language.explore(text)["held_at_return"] == "fails"


def test_release_gives_a_guard_back_early(language):
    text = ONE + "mutex m; ioctl E(a: A) { guard m; release m; guard m; }"
    assert language.ways(text, "E(a0)") == ["OK"]


def test_a_call_that_takes_its_own_lock_again_does_not_return(language):
    text = ONE + "mutex m; ioctl E(a: A) { guard m; guard m; }"
    assert language.ways(text, "E(a0)") == ["blocks"]


def test_keep_holds_a_lock_for_ever_on_purpose(language):
    text = (
        ONE
        + "rwlock l; ioctl GO(a: A) { lock l; keep l; } ioctl USE(a: A) { guard l shared; } never stuck waits_for_ever; reachable all_: idle;"
    )
    found = language.explore(text)
    assert found["held_at_return"] == "holds"
    assert language.ways(text, "GO(a0) = OK", "USE(a0)") == ["blocks"]
    assert found.size == (2, 2)  # GO, USE; a call that blocks is no transition
    assert found.calls("waits_for_ever") == ["GO(a0) = OK"]


def test_a_lock_that_a_reboot_frees_is_not_stuck(language):
    text = (
        ONE
        + "rwlock l; ioctl GO(a: A) { lock l; keep l; } ioctl USE(a: A) { guard l shared; } env KEXEC() { reboot; } never stuck waits_for_ever;"
    )
    assert language.explore(text)["waits_for_ever"] == "holds"


def test_shared_and_exclusive(language):
    text = ONE + "rwlock l; ioctl READ(a: A) { guard l shared; guard l shared; } ioctl BOTH(a: A) { guard l shared; guard l; }"
    assert language.ways(text, "READ(a0)") == ["OK"]
    assert language.ways(text, "BOTH(a0)") == ["blocks"]
    assert language.codes(ONE + "mutex m; ioctl E(a: A) { guard m shared; }") == ["LUO228"]


def test_a_lock_per_element(language):
    text = (
        "sort A symmetric caller; sort S symmetric; scope s { A = 1, S = 2 } mutex m per S; volatile var n: count(2) = 0;"
        "ioctl E(a: A, x: S, y: S) { guard m(x); guard m(y); n = 1; }"
    )
    assert language.ways(text, "E(a0, s0, s1)") == ["OK; n: 0 -> 1"]
    assert language.ways(text, "E(a0, s0, s0)") == ["blocks"]
    assert language.codes(text.replace("guard m(x); ", "guard m; ")) == ["LUO228"]
    assert language.codes(ONE + "mutex m; ioctl E(a: A) { guard m(a); }") == ["LUO228"]


def test_await_waits_for_a_condition(language):
    text = (
        ONE
        + "volatile var ready: bool = false; env READY() { ready = true; } ioctl WAIT(a: A) { await ready; ready = false; } never stuck no_wait_forever;"
    )
    assert language.ways(text, "WAIT(a0)") == ["blocks"]
    assert language.ways(text, "READY() = OK", "WAIT(a0)") == ["OK; ready: true -> false"]
    found = language.explore(text)
    assert found["no_wait_forever"] == "holds" and found.size == (2, 3)


def test_await_or_a_signal(language):
    text = ONE + "volatile var ready: bool = false; ioctl WAIT(a: A) { await ready or EINTR; } never stuck no_wait_forever;"
    assert sorted(language.ways(text, "WAIT(a0)")) == ["EINTR", "blocks"]


def test_an_atomic_call_that_can_never_return_is_stuck(language):
    text = ONE + "volatile var ready: bool = false; ioctl WAIT(a: A) { await ready; } never stuck no_wait_forever;"
    found = language.explore(text)
    assert found["no_wait_forever"] == "fails" and found.calls("no_wait_forever") == []  # in the initial state
    assert language.explore(text.replace("no_wait_forever;", "no_wait_forever unless not ready;"))["no_wait_forever"] == "holds"


def test_without_a_call_that_waits_stuck_is_vacuous(language):
    assert language.explore(ONE + "ioctl E(a: A) { skip; } never stuck no_wait_forever;")["no_wait_forever"] == "vacuous"


def test_step_is_skipped_in_an_atomic_call(language):
    text = ONE + "volatile var x: bool = false; ioctl E(a: A) { x = true; step; x = false; }"
    assert language.ways(text, "E(a0)") == ["OK"]


# ---- calls cut into steps ---------------------------------------------------------------------------------------


def test_a_cut_call_stops_at_each_step_and_others_run(language):
    text = TWO + "ioctl E(a: A) { step; } reachable both: not idle;"
    found = language.explore(text)
    # nobody, one of two, both inside: 4 states; 4 calls that begin and 4 that go on
    assert found.size == (4, 8)
    assert found.calls("both") == ["E(a0) reaches E.1"]
    assert language.explore(text, "atomic").size == (1, 2)


def test_a_caller_is_inside_one_call_at_a_time(language):
    text = BOTH + "ioctl E(a: A) { step; } ioctl F(a: A) { step; }"
    assert language.explore(text).size[0] == 9  # each caller is outside, in E or in F


def test_an_update_that_is_read_before_and_written_after_a_step_gets_lost(language):
    text = TWO + (
        "volatile var n: count(2) = 0; per A { volatile done: bool = false; }"
        "ioctl E(a: A) { require not a.done; a.done = true; if n == 0 { step; n = 1; } else { step; n = 2; } }"
        "invariant counted: idle => n == (number of a: A | a.done);"
    )
    found = language.explore(text)
    assert found.calls("counted") == ["E(a0) reaches E.1", "E(a1) reaches E.1", "E(a0) = OK", "E(a1) = OK"]
    assert found.verdict("counted").witness.stepwise
    assert language.explore(text, "atomic")["counted"] == "holds"


def test_an_invariant_is_asked_at_every_preemption_point(language):
    text = (
        TWO
        + "volatile var x: bool = false; ioctl E(a: A) { x = true; step; x = false; } invariant always: not x; invariant between: idle => not x;"
    )
    text = text.replace("A = 2", "A = 1")
    found = language.explore(text)
    assert found["always"] == "fails" and found["between"] == "holds"
    atomic = language.explore(text, "atomic")
    assert atomic["always"] == "holds"


def test_a_labelled_step_is_named_in_the_witness(language):
    text = TWO + "ioctl E(a: A) { window: step; } reachable inside: not idle;"
    assert language.explore(text).calls("inside") == ["E(a0) reaches window"]


def test_a_guard_is_held_over_a_step(language):
    text = TWO + (
        "mutex m; volatile var busy: bool = false; ioctl E(a: A) { guard m; assert alone: not busy; busy = true; step; busy = false; }"
        "never stuck no_deadlock;"
    )
    found = language.explore(text)
    assert found["alone"] == "holds" and found["no_deadlock"] == "holds"
    without = language.explore(text.replace("guard m; ", ""))
    assert without["alone"] == "fails"


def test_two_locks_in_two_orders_deadlock(language):
    text = (
        BOTH
        + "mutex m; mutex k; ioctl E(a: A) { guard m; step; guard k; } ioctl F(a: A) { guard k; step; guard m; } never stuck no_deadlock;"
    )
    found = language.explore(text)
    assert found["lock_order"] == "fails"
    assert found["no_deadlock"] == "fails"
    assert len(found.calls("no_deadlock")) == 2  # each has one lock
    assert language.explore(text, "atomic")["lock_order"] == "fails"  # read from the bodies, whatever is reachable


def test_two_locks_in_one_order_do_not(language):
    text = (
        BOTH
        + "mutex m; mutex k; ioctl E(a: A) { guard m; step; guard k; } ioctl F(a: A) { guard m; step; guard k; } never stuck no_deadlock;"
    )
    found = language.explore(text)
    assert found["lock_order"] == "holds" and found["no_deadlock"] == "holds"


def test_a_circle_of_shared_locks_only_is_fine(language):
    text = (
        BOTH
        + "rwlock m; rwlock k; ioctl E(a: A) { guard m shared; guard k shared; } ioctl F(a: A) { guard k shared; guard m shared; }"
    )
    assert language.explore(text)["lock_order"] == "holds"


def test_a_cut_call_that_waits_lets_others_run(language):
    text = (
        TWO
        + "volatile var ready: bool = false; ioctl E(a: A) { await ready; } ioctl F(a: A) { ready = true; } never stuck no_wait_forever;"
    )
    found = language.explore(text)
    assert found["no_wait_forever"] == "fails"  # both wait and nobody is left to call F
    assert found.calls("no_wait_forever") == ["E(a0) reaches E.1", "E(a1) reaches E.1"]
    more = text + "env READY() { ready = true; }"
    assert language.explore(more)["no_wait_forever"] == "holds"


def test_a_waiting_cut_call_can_be_interrupted(language):
    text = (
        TWO.replace("A = 2", "A = 1")
        + "volatile var ready: bool = false; ioctl E(a: A) { await ready or EINTR; } ioctl F(a: A) { ready = true; } never stuck s_;"
    )
    found = language.explore(text)
    assert found["s_"] == "holds"


def test_old_in_a_cut_call_is_the_state_at_entry(language):
    text = TWO + (
        "volatile var x: bool = false; ioctl E(a: A) { step; } ioctl F(a: A) { x = true; }"
        "after E returns OK check nobody_else: x == old(x);"
    )
    assert language.explore(text).calls("nobody_else") == ["E(a0) reaches E.1", "F(a1) = OK", "E(a0) = OK"]
    assert language.explore(text, "atomic")["nobody_else"] == "holds"


def test_after_is_asked_at_the_last_step(language):
    text = TWO + "volatile var x: bool = false; ioctl E(a: A) { x = true; step; x = false; } after E check quiet: not x;"
    text = text.replace("A = 2", "A = 1")
    assert language.explore(text)["quiet"] == "holds"


def test_a_reboot_ends_all_calls_and_frees_all_locks(language):
    text = TWO + "mutex m; volatile var x: bool = false; ioctl E(a: A) { guard m; step; x = true; } env KEXEC() { reboot; }"
    ways = language.ways(text, "E(a0) reaches E.2", "KEXEC()")
    assert ways == ["OK; lock m: held by a0 -> free; a0 is inside: E at E.2 -> no call"]


def test_a_walk_over_a_list_that_another_caller_changes_is_stale(language):
    text = (
        "sort A symmetric caller; sort F symmetric; scope s { A = 2, F = 2; stepwise E } volatile var q: seq F;"
        "walk w() over f in q { step; } ioctl E(a: A) { run w(); } ioctl TAKE(a: A, f: F) { remove f from q; } env PUT(f: F) { append f to q; }"
    )
    found = language.explore(text)
    assert found["stale_iteration"] == "fails"
    assert found.calls("stale_iteration")[-1] == "E(a0) = stale_iteration"
    drains = text.replace("walk w() over f in q { step; }", "walk w() drains f in q { step; }")
    assert language.explore(drains)["stale_iteration"] == "holds"


def test_a_reader_that_lost_its_lock_uses_a_freed_element(language):
    """U8 in small: the list lock is dropped before the element is locked."""
    text = """
        sort A symmetric caller;  sort S symmetric pool;
        scope race { A = 2, S = 1; stepwise USE }   mutex list;
        per S { volatile used: bool = false; }
        env MAKE() gives s: S { guard list; new s; }
        ioctl DROP(a: A, s: S) { guard list; free s; }
        proc look() gives s: S { guard list; choose s: S; release list; step; }
        ioctl USE(a: A) { run look() gives s; s.used = true; }"""
    found = language.explore(text)
    assert found.calls("use_after_free") == [
        "MAKE() = OK gives s0",
        "USE(a0) reaches look.2",
        "DROP(a1, s0) = OK",
        "USE(a0) = use_after_free",
    ]
    mended = text.replace("release list; ", "")
    assert language.explore(mended)["use_after_free"] == "holds"  # DROP waits for the guard
    late = mended.replace("run look() gives s;", "run look() gives s; step;")
    assert language.explore(late)["use_after_free"] == "fails"  # the guard ends with the proc


def test_a_step_that_no_scope_cuts_is_a_lint(language):
    assert language.warnings(ONE + "ioctl E(a: A) { step; }") == ["LUO302"]
    assert language.warnings(ONE.replace("A = 1", "A = 1; stepwise E") + "ioctl E(a: A) { step; }") == []


@pytest.mark.parametrize("scope", ["scope s { A = 1; stepwise E }", "scope s { A = 1; stepwise NO }"])
def test_only_calls_with_a_caller_can_be_cut(language, scope):
    assert language.codes(f"sort A symmetric caller; {scope} env E() {{ step; }}") in (["LUO219"], ["LUO200"])


def test_an_old_that_keeps_a_whole_field_for_each_caller_is_a_lint(language):
    text = "sort A symmetric caller; sort F symmetric; scope s { A = 2, F = 2%s } per F { volatile b: bool = false; } ioctl E(a: A, f: F) { step; %s f.b = true; } %s"
    whole = "after E check grows: all g: F | old(g.b) => g.b;"
    inside = "assert grows: all g: F | old(g.b) => g.b;"
    assert language.warnings(text % ("; stepwise E", "", whole)) == ["LUO303"]
    assert language.warnings(text % ("; stepwise E", inside, "")) == ["LUO303"]
    assert language.warnings(text % ("; stepwise E", "", "after E check set_: old(f.b) => f.b;")) == []
    assert language.warnings((text % ("; stepwise E", "", whole)).replace("F = 2", "F = 1")) == []
    assert language.warnings((text % ("", "", whole)).replace("step;", "")) == []


def test_a_call_that_reboots_holds_no_lock_afterwards(language):
    text = ONE + "mutex m; ioctl E(a: A) { lock m; reboot; guard m; } ioctl G(a: A) { guard m; reboot; }"
    found = language.explore(text)
    assert found["held_at_return"] == "holds" and found.size == (1, 2)


def test_a_lock_kept_shared_leaves_others_their_share(language):
    text = BOTH + (
        "rwlock l; ioctl E(a: A) { guard l shared; step; } ioctl F(a: A) { lock l shared; keep l; } ioctl X(a: A) { guard l; }"
        "reachable one_in: not idle; never stuck waits;"
    )
    found = language.explore(text)
    assert found["one_in"] == "reached"
    assert found["waits"] == "fails"  # X waits for ever; E, which was inside when F kept the lock, went on


def test_a_lock_that_is_not_given_back_leaves_others_their_share(language):
    text = BOTH + "rwlock l; ioctl E(a: A) { guard l shared; step; } ioctl F(a: A) { lock l shared; } invariant fine: true;"
    found = language.explore(text)
    assert found.calls("held_at_return") == ["F(a0) = OK"]
    assert found["fine"] == "holds"
