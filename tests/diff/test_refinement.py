"""What user space can tell apart: known shortest sequences, and an enumeration of all traces of small random specs."""

from __future__ import annotations

import pytest
from diff.drawn import drawn
from diff.played import accepts
from diff.traces import shortest_difference

from luocheck.checker.diff.behaviour import Comparison, Direction
from luocheck.checker.diff.pairing import pair, renamed_sorts
from luocheck.checker.diff.setups import atomic, scope_for
from luocheck.checker.explore.limits import Limits
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load_source

HEAD = """\
spec {name};
sort Agent symmetric caller;
sort File symmetric;
sort Token ordered;
sort Object symmetric pool;
enum Mode {{ OFF, ON }}
graph needs on File acyclic;
scope one {{ Agent = 1, File = 2, Token = 2, Object = 2 }}
volatile var mode: Mode = OFF;
volatile var latest: Token? = none;
per Agent {{ volatile has: set Object; }}
per File {{ volatile kept: bool = false; }}
"""


def spec(text: str, name: str = "made") -> Spec:
    return load_source(Source(f"{name}.luo", HEAD.format(name=name) + text))


def directions(
    old: Spec, new: Spec, depth: int | None = None, maps: tuple[str, ...] = (), limits: Limits | None = None
) -> list[Direction]:
    """What the old spec can do and the new one cannot, and the other way round."""
    here = atomic(old.system.scopes[0])
    there = scope_for(new.system, here, here)
    pairing = pair(old.system, new.system, maps)
    limits = limits or Limits(timeout=60)
    return [
        Comparison(old.system, new.system, here, there, pairing).compare(limits, depth),
        Comparison(new.system, old.system, there, here, pairing.swapped()).compare(limits, depth),
    ]


def texts(direction: Direction) -> list[str] | None:
    found = direction.distinction
    return [step.text for step in found.witness.steps] if found is not None else None


SWITCH = "ioctl SWITCH(a: Agent) { busy: fail EBUSY when mode == ON; mode = ON; }\n"
MAKE = "ioctl MAKE(a: Agent) gives o: Object { new o; add o to a.has; }\n"
DROP = "ioctl DROP(a: Agent, o: Object) { require o in a.has; remove o from a.has; free o; }\n"
GET = "ioctl GET(a: Agent) gives o: Object { if some x: Object | true { choose x: Object; o = x; } else { new o; } add o to a.has; }\n"

CASES: dict[str, tuple[str, str, list[str] | None, list[str] | None]] = {
    "nothing": (SWITCH, SWITCH, None, None),
    "another errno": (
        SWITCH,
        SWITCH.replace("EBUSY", "EAGAIN"),
        ["SWITCH(agent0) = OK", "SWITCH(agent0) = EBUSY at busy"],
        ["SWITCH(agent0) = OK", "SWITCH(agent0) = EAGAIN at busy"],
    ),
    "another label is not seen": (SWITCH, SWITCH.replace("busy:", "twice:"), None, None),
    "one more fault": (
        SWITCH,
        SWITCH.replace("mode = ON;", "fail ENOMEM sometimes; mode = ON;"),
        None,
        ["SWITCH(agent0) = ENOMEM"],
    ),
    "a fault is matched by a condition": (
        "ioctl TRY(a: Agent) { fail EIO sometimes; }",
        "ioctl TRY(a: Agent) { fail EIO when mode == ON; } env TICK() { mode = ON; } env TOCK() { mode = OFF; }",
        None,
        None,
    ),
    "a fault that sticks": (
        "ioctl TRY(a: Agent) { fail EIO sometimes; }",
        "ioctl TRY(a: Agent) { if sometimes { mode = ON; } fail EIO when mode == ON; }",
        ["TRY(agent0) = EIO", "TRY(agent0) = OK"],
        None,
    ),
    "another result": (
        SWITCH + "ioctl LOOK(a: Agent) gives m: Mode { m = mode; }",
        SWITCH + "ioctl LOOK(a: Agent) gives m: Mode { m = OFF; }",
        ["SWITCH(agent0) = OK", "LOOK(agent0) = OK gives ON"],
        ["SWITCH(agent0) = OK", "LOOK(agent0) = OK gives OFF"],
    ),
    "objects are known by when they are seen": (
        MAKE,
        "ioctl MAKE(a: Agent) gives o: Object { new p: Object; new o; add o to a.has; free p; }",
        None,
        None,
    ),
    "handles of the kernel, too": (
        "ioctl GET(a: Agent) gives t: Token { t = Token.first; }",
        "ioctl GET(a: Agent) gives t: Token { t = Token.last; }",
        None,
        None,
    ),
    "the same handle or another one": (
        "ioctl GET(a: Agent) gives t: Token { t = Token.first; }",
        "ioctl GET(a: Agent) gives t: Token { if latest == Token.first { latest = Token.last; } else { latest = Token.first; } t = latest; }",
        ["GET(agent0) = OK gives token0", "GET(agent0) = OK gives token0"],
        ["GET(agent0) = OK gives token0", "GET(agent0) = OK gives token1"],
    ),
    "an object that is gone": (
        MAKE + "ioctl DROP(a: Agent, o: Object) { require o in a.has; }",
        MAKE + DROP,
        ["MAKE(agent0) = OK gives object0", "DROP(agent0, object0) = OK", "DROP(agent0, object0) = OK"],
        None,  # what is made after it would need a third object in the old spec
    ),
    "a new object, or one that should be gone": (
        GET + DROP,
        GET + "ioctl DROP(a: Agent, o: Object) { require o in a.has; remove o from a.has; }",
        ["GET(agent0) = OK gives object0", "DROP(agent0, object0) = OK", "GET(agent0) = OK gives object2"],
        ["GET(agent0) = OK gives object0", "DROP(agent0, object0) = OK", "GET(agent0) = OK gives object0"],
    ),
    "what the argument is": (
        "ioctl KEEP(a: Agent, f: File) { fail EEXIST when f.kept; f.kept = true; }",
        "ioctl KEEP(a: Agent, f: File) { fail EEXIST when some g: File | g.kept; f.kept = true; }",
        ["KEEP(agent0, file0) = OK", "KEEP(agent0, file1) = OK"],
        ["KEEP(agent0, file0) = OK", "KEEP(agent0, file1) = EEXIST"],
    ),
    "the graph": (
        "ioctl KEEP(a: Agent, f: File) { fail ENOENT when some g: File | needs(f, g); f.kept = true; }",
        "ioctl KEEP(a: Agent, f: File) { f.kept = true; }",
        ["KEEP(agent0, file1) = ENOENT"],
        ["KEEP(agent0, file1) = OK"],
    ),
    "something unseen in the new spec": (
        SWITCH,
        SWITCH + "env TICK() { mode = OFF; }",
        None,
        ["SWITCH(agent0) = OK", "TICK() = OK", "SWITCH(agent0) = OK"],
    ),
    "something unseen in both": (
        SWITCH + "env TICK() { mode = OFF; }",
        SWITCH + "env TOCK() { require mode == ON; mode = OFF; }",
        None,
        None,
    ),
    "a panic": (
        SWITCH,
        SWITCH.replace("mode = ON;", "panic sometimes; mode = ON;"),
        None,
        ["SWITCH(agent0) = PANIC"],
    ),
    "a call that cannot be made": (
        SWITCH,
        SWITCH.replace("busy: fail EBUSY when mode == ON;", "require mode == OFF;"),
        ["SWITCH(agent0) = OK", "SWITCH(agent0) = EBUSY at busy"],
        None,
    ),
    "a result that tells more and more": (
        "ioctl LOOK(a: Agent) gives m: Mode { if sometimes { m = ON; } else { m = OFF; } }",
        "volatile var chosen: Mode = any;\nioctl LOOK(a: Agent) gives m: Mode { m = chosen; }",
        ["LOOK(agent0) = OK gives OFF", "LOOK(agent0) = OK gives ON"],
        None,
    ),
    "a class of errnos": (
        "ioctl TRY(a: Agent) { fail EANY sometimes; }\nabi { errno EANY = { EIO, EPERM }; }",
        "ioctl TRY(a: Agent) { fail EIO sometimes; }",
        ["TRY(agent0) = EPERM"],
        None,
    ),
    "any errno": (
        "ioctl TRY(a: Agent) { fail EANY sometimes; }\nabi { errno EANY = any; }",
        "ioctl TRY(a: Agent) { fail EIO sometimes; fail ESOME sometimes; }\nabi { errno ESOME = any; }",
        None,
        None,
    ),
    "any errno, and one": (
        "ioctl TRY(a: Agent) { fail EANY sometimes; }\nabi { errno EANY = any; }",
        "ioctl TRY(a: Agent) { fail EIO sometimes; }",
        ["TRY(agent0) = EANY"],
        None,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_known_sequences(name: str) -> None:
    old_text, new_text, there, back = CASES[name]
    old, new = spec(old_text, "old"), spec(new_text, "new")
    found = directions(old, new)
    assert [texts(each) for each in found] == [there, back]
    for direction, (one, other) in zip(found, ((old, new), (new, old)), strict=True):
        assert direction.stopped is None
        if direction.distinction is None:
            assert direction.complete
        elif all(direction.distinction.seen):
            assert accepts(one, "one", direction.distinction)
            # a scenario knows an object by its place, so it cannot tell one from what took its place
            assert not accepts(other, "one", direction.distinction) or "should be gone" in name


def test_what_the_other_could_have_returned() -> None:
    forward, backward = directions(spec(CASES["another result"][0]), spec(CASES["another result"][1]))
    assert forward.distinction is not None and backward.distinction is not None
    assert forward.distinction.allowed == ("OK gives OFF",) and backward.distinction.allowed == ("OK gives ON",)
    forward, _ = directions(spec(CASES["a call that cannot be made"][0]), spec(CASES["a call that cannot be made"][1]))
    assert forward.distinction is not None and forward.distinction.allowed == ()
    forward, backward = directions(
        spec(CASES["the same handle or another one"][0]), spec(CASES["the same handle or another one"][1])
    )
    assert forward.distinction is not None and backward.distinction is not None
    assert forward.distinction.allowed == ("OK gives another Token",) and backward.distinction.allowed == ("OK gives token0",)


def test_an_object_in_the_place_of_another_has_its_own_name() -> None:
    forward, backward = directions(*(spec(text) for text in CASES["a new object, or one that should be gone"][:2]))
    assert forward.distinction is not None and forward.distinction.allowed == ("OK gives the Object that is gone here",)
    assert backward.distinction is not None and backward.distinction.allowed == ("OK gives another Object",)


def test_unseen_calls_are_told() -> None:
    _, backward = directions(*(spec(text) for text in CASES["something unseen in the new spec"][:2]))
    assert backward.distinction is not None
    assert backward.distinction.seen == (True, False, True) and backward.distinction.calls == 2


def test_the_graph_is_the_same_in_both() -> None:
    forward, backward = directions(*(spec(text) for text in CASES["the graph"][:2]))
    for direction in (forward, backward):
        assert direction.distinction is not None and direction.distinction.witness.graph == (("file1", "file0"),)


def test_a_scope_that_is_too_small_is_no_difference() -> None:
    """The new spec never frees what it makes, so that it runs out of objects where the old one does not."""
    forward, backward = directions(spec(MAKE + DROP), spec(MAKE + DROP.replace("free o;", "")))
    assert forward.distinction is None and forward.cut > 0 and forward.complete
    assert backward.distinction is None


def test_every_graph_is_the_same_in_both() -> None:
    text = "graph feeds on Token;\nioctl FEED(a: Agent, t: Token) {{ fail EPERM when {when} u: Token | feeds(t, u); }}"
    forward, backward = directions(spec(text.format(when="some")), spec(text.format(when="no")))
    assert forward.distinction is not None and forward.distinction.calls == 1
    assert backward.distinction is not None and backward.distinction.calls == 1


def test_graphs_that_the_other_spec_does_not_have() -> None:
    """The old spec has cycles, the new one no edges at all."""
    keep = "ioctl KEEP(a: Agent, f: File) { f.kept = true; }"
    old = load_source(Source("old.luo", HEAD.format(name="old").replace("acyclic", "") + keep))
    new = load_source(Source("new.luo", HEAD.format(name="new").replace("acyclic;", "acyclic where edge(x, y): x == y;") + keep))
    forward, backward = directions(old, new)
    assert forward.distinction is None and forward.unmatched == 2 and forward.complete  # an edge, and a cycle; not the empty graph
    assert backward.distinction is None and backward.unmatched == 0


def test_fixed_choices_are_the_same_in_both() -> None:
    text = "per File {{ fixed odd: bool = any; }}\nioctl KEEP(a: Agent, f: File) {{ fail {errno} when {when}; f.kept = true; }}"
    old = spec(text.format(errno="EPERM", when="f.odd"))
    forward, backward = directions(old, spec(text.format(errno="EPERM", when="not f.odd")))
    assert forward.distinction is not None and backward.distinction is not None
    assert forward.distinction.calls == backward.distinction.calls == 1
    forward, _ = directions(old, spec("ioctl KEEP(a: Agent, f: File) { if sometimes { fail EPERM; } f.kept = true; }"))
    assert forward.distinction is None and forward.complete


def test_events_with_other_names_and_arguments() -> None:
    old = spec("ioctl KEEP(a: Agent, f: File) { fail EEXIST when f.kept; f.kept = true; }", "old")
    new = spec("ioctl HOLD(a: Agent, f: File, t: Token) { fail EBUSY when f.kept; f.kept = true; }", "new")
    forward, backward = directions(old, new)
    assert forward.distinction is None and backward.distinction is None
    assert pair(old.system, new.system).left_out == ("KEEP is in old only", "HOLD is in new only")
    pairing = pair(old.system, new.system, ("KEEP=HOLD",))
    assert pairing.left_out == ("argument `t` of HOLD has no counterpart",)
    forward, backward = directions(old, new, maps=("KEEP=HOLD",))
    assert texts(forward) == ["KEEP(agent0, file0) = OK", "KEEP(agent0, file0) = EEXIST"]
    assert backward.distinction is not None and backward.distinction.calls == 2
    assert backward.distinction.allowed == ("EEXIST",)


def test_limits_leave_it_open() -> None:
    made = spec(MAKE + DROP + SWITCH)
    forward, _ = directions(made, made, limits=Limits(max_states=1))
    assert forward.stopped == "stopped after 1 states" and not forward.complete and not forward.decided
    forward, _ = directions(made, made, limits=Limits(timeout=0))
    assert forward.stopped is not None and forward.depth == 0
    forward, _ = directions(made, made, depth=1)
    assert forward.depth == 1 and not forward.complete and forward.decided


def test_elements_that_one_spec_tells_apart_are_not_exchanged() -> None:
    """The new spec marks its first file, and would fail if another one were first."""
    put = "ioctl PUT(a: Agent, f: File) { f.kept = true; }\n"
    old = spec(put + "ioctl TOUCH(a: Agent) { mode = ON; }\nioctl GO(a: Agent) { skip; }\n")
    new = spec(
        put
        + """per File { volatile mark: bool = false; }
volatile var wrong: bool = false;
walk touch() over f: File along needs { f.mark = true; fail EINTR; }
walk look() over f: File along needs { if mode == ON and not f.mark { wrong = true; } fail EINTR; }
ioctl TOUCH(a: Agent) { run touch() else { } mode = ON; }
ioctl GO(a: Agent) { run look() else { } fail EIO when wrong; }
"""
    )
    forward, backward = directions(old, new)
    assert forward.distinction is None and forward.complete and backward.distinction is None and backward.complete


def test_objects_of_one_spec_only() -> None:
    """They keep their numbers: `new` takes the first that is free."""
    old = load_source(
        Source(
            "old.luo",
            HEAD.format(name="old").replace("Object = 2", "Object = 0, Extra = 4")
            + """sort Extra symmetric pool;
volatile var dropped: count(3) = 0;
ioctl ADD(a: Agent) { new e: Extra; }
ioctl DROP(a: Agent) { choose e: Extra else { fail ENOENT; } free e; if dropped < 3 { dropped = dropped + 1; } }
ioctl TEST(a: Agent) { fail EIO when dropped == 3 and (number of e: Extra | true) == 4; }
""",
        )
    )
    new = spec("ioctl ADD(a: Agent) { skip; }\nioctl DROP(a: Agent) { fail ENOENT sometimes; }\nioctl TEST(a: Agent) { skip; }\n")
    forward, _ = directions(old, new)
    assert forward.distinction is not None and forward.distinction.calls == 11 and texts(forward)[-1:] == ["TEST(agent0) = EIO"]  # type: ignore[index]


# ---- random specs ---------------------------------------------------------------------------------------------------


def check_seed(seed: int, length: int) -> int | None:
    """The search agrees with the enumeration in both directions; the length that it found first."""
    old, new = (load_source(Source("drawn.luo", text)) for text in drawn(seed))
    pairing = pair(old.system, new.system)
    handles = {sort.name for sort, _ in renamed_sorts(old.system, new.system, pairing)}
    lengths: list[int | None] = []
    for one, other, pairs in ((old, new, pairing), (new, old, pairing.swapped())):
        here, there = one.system.scopes[0], other.system.scopes[0]
        wanted = min(shortest_difference(one.system, other.system, here, there, handles, length), default=None)
        found = Comparison(one.system, other.system, here, there, pairs).compare(Limits(timeout=60), length)
        calls = found.distinction.calls if found.distinction is not None else None
        assert found.stopped is None and calls == wanted, (seed, wanted, calls, *drawn(seed))
        if found.distinction is not None and all(found.distinction.seen):
            assert accepts(one, "one", found.distinction), seed
        lengths.append(calls)
    return lengths[0]


def test_random_specs_agree_with_an_enumeration_of_their_traces() -> None:
    found = {check_seed(seed, 2) for seed in range(16)}
    assert found == {None, 1, 2}


@pytest.mark.nightly
@pytest.mark.parametrize("hundred", range(4))
def test_many_random_specs_agree(hundred: int) -> None:
    assert {check_seed(seed, 3) for seed in range(100 * hundred, 100 * (hundred + 1))} >= {None, 1, 2}
