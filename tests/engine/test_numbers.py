"""Numbers, elements and states at their limits: the native engine says what the interpreter says, or leaves it to it."""

from __future__ import annotations

import pytest
from engine.agreement import QUICK, assert_same, told

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Exploration
from luocheck.checker.native import build, tiers
from luocheck.checker.native.layout import Layout
from luocheck.model.diagnostics import SpecError
from luocheck.model.instances import instances
from luocheck.model.ir.system import System
from luocheck.model.source import Source
from luocheck.model.spec import load_source


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FLAGS", QUICK)


def loaded(text: str) -> System:
    return load_source(Source("limits.luo", f"spec limits;\n{text}")).system


def both(text: str) -> Exploration:
    system = loaded(text)
    found = explore(system, system.scopes[0], engine="interpreter")
    assert_same(found, explore(system, system.scopes[0], engine="explore"))
    return found


def results(found: Exploration) -> dict[str, str]:
    return {v.property: v.text for v in found.verdicts}


# 7, 8, 15 and 16 bits, and the C types that hold them
@pytest.mark.parametrize("limit", [1, 2, 127, 128, 255, 256, 32_767, 32_768, 65_535])
def test_a_count_at_its_ends(limit: int) -> None:
    """It holds every number up to its limit, and one more or less is a finding."""
    found = both(
        f"""scope s {{ }}
        volatile var x: count({limit}) = {limit};
        volatile var below: bool = false;
        env UP() {{ fail EBUSY when below; x = x + 1; }}
        env DOWN() {{ x = {max(0, limit - 2)}; }}
        env ZERO() {{ x = 0; below = true; }}
        env UNDER() {{ fail EBUSY when not below; x = x - 1; }}
        reachable top: x == {limit};
        reachable bottom: x == 0;
        invariant never_more: x <= {limit} and x >= 0 and x - {limit} <= 0 and x + {limit} >= {limit};"""
    )
    assert results(found)["count_range"] == "FAILS (1 call)"
    assert results(found)["top"] == "reached (0 calls)" and results(found)["never_more"].startswith("holds")
    assert results(found)["bottom"] == "reached (1 call)"


TOO_LARGE = "scope s { }\nvolatile var x: count(9) = 0;\nenv A() { x = x + 1; }\n"


@pytest.mark.parametrize(
    "claim",
    [
        "invariant i: x + 2000000000 + 2000000000 > 0;",
        "invariant i: x - 2000000000 - 2000000000 < 0;",
        "invariant i: x + 4294967295 > 9;",
        "reachable i: x == 4294967296 + 5;",
        "env B() { fail EIO when x + 2147483647 < 0; x = 0; }\nnever B returns EIO;",
    ],
)
def test_numbers_that_c_has_not(claim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are left to the interpreter, and never come out on the other side of zero."""
    system = loaded(TOO_LARGE + claim)
    expected = explore(system, system.scopes[0], engine="interpreter")
    with pytest.raises(SpecError) as error:
        explore(system, system.scopes[0], engine="explore")
    assert [d.code for d in error.value.diagnostics] == ["LUO500"]
    monkeypatch.setattr(tiers, "BUILD_AFTER", 2)
    monkeypatch.setattr(tiers, "LOOK_AFTER", 1)
    found = explore(system, system.scopes[0])
    assert found.engine == "interpreter" and found.engine_missing is not None
    assert told(found) == told(expected)


def test_elements_that_are_not_there() -> None:
    """Behind the last, before the first was made, after it was freed, and out of an empty list."""
    found = both(
        """sort Disk ordered;
        sort Box symmetric pool;
        scope s { Disk = 3, Box = 2 }
        volatile var now: Disk? = none;
        volatile var box: Box? = none;
        volatile var q: seq Disk;
        per Disk { volatile used: bool = false; }
        per Box { volatile full: bool = false; }
        env BEGIN() { now = Disk.first; }
        volatile var gone: bool = false;
        env GO_ON() { require now != none; gone = now == Disk.last; now = next(now); }
        env USE() { now.used = true; }
        env TAKE() { let d = first(q); d.used = true; }
        env PUT(d: Disk) { append d to q; }
        env MAKE() { new b: Box; box = b; }
        env DROP() { require box != none; free box; }
        env FILL() { require box != none; box.full = true; }
        reachable end: now == Disk.last;
        reachable behind: gone and now == none;"""
    )
    assert results(found)["null_dereference"] == "FAILS (1 call)"
    assert results(found)["use_after_free"] == "FAILS (3 calls)"
    assert results(found)["end"] == "reached (3 calls)" and results(found)["behind"] == "reached (4 calls)"


@pytest.mark.parametrize("size", [1, 2, 8, 9, 31, 32])
def test_as_many_elements_as_a_word_has_bits(size: int) -> None:
    found = both(
        f"""sort A ordered;
        scope s {{ A = {size} }}
        volatile var some_of_them: set A;
        volatile var all_in_turn: seq A;
        env ADD() {{ choose a: A where a not in some_of_them and (a == A.first or some b: A | b in some_of_them and next(b) == a) else {{ stop; }}
            add a to some_of_them;  append a to all_in_turn; }}
        env TWICE(a: A) {{ require a == A.last and a in all_in_turn; append a to all_in_turn; }}
        reachable full: (number of a: A | a in some_of_them) == {size} and last(all_in_turn) == A.last;"""
    )
    assert found.states == size + 1 and results(found)["full"].startswith(f"reached ({size} call")


@pytest.mark.parametrize(("counts", "words"), [(3, 1), (4, 2), (7, 2), (8, 3), (11, 3), (12, 4)])
def test_states_of_several_words(counts: int, words: int) -> None:
    """Counts of 16 bits and one flag; the flag and each count change, and every word makes a difference."""
    numbers = range(counts)
    text = "\n".join(
        [
            "scope s { }",
            "volatile var odd: bool = false;",
            *(f"volatile var x{i}: count(65535) = 40000;" for i in numbers),
            *(f"env E{i}() {{ require x{i} == 40000; x{i} = {65535 - i}; odd = not odd; }}" for i in numbers[-6:]),
            f"reachable far: {' and '.join(f'x{i} == {65535 - i}' for i in numbers[-6:])};",
            f"invariant kept: x0 == 40000 or x0 == 65535 or {counts} < 7;",
            f"recoverable back: odd can reach not odd using E{counts - 1};",
        ]
    )
    system = loaded(text)
    layout = Layout(next(iter(instances(system, system.scopes[0], None))))
    layout.pieces()
    assert layout.words == words
    found = both(text)
    assert found.states == 2 ** min(6, counts) and results(found)["far"] == f"reached ({min(6, counts)} calls)"
