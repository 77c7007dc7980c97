"""Corners of the semantics that random specs, and the reading that went with them, found wrong."""

from __future__ import annotations

from typing import Any

import pytest

from luocheck.model.diagnostics import SpecError

SORTS = "sort P pool; sort F symmetric; scope one { P = 1, F = 2 }\nvolatile var z: set F; volatile var p: F? = none;\n"


def test_a_require_that_reads_through_none_is_a_finding(language: Any) -> None:
    found = language.explore(
        "sort F; scope s { F = 1 } per F { volatile f: bool; } volatile var p: F? = none; env E { require p.f; }"
    )
    assert found["null_dereference"] == "fails"


def test_an_earlier_require_protects_a_later_one(language: Any) -> None:
    text = (
        "sort F; scope s { F = 1 } per F { volatile f: bool; } volatile var p: F? = none; env E { require p != none; require p.f; }"
    )
    assert language.explore(text)["null_dereference"] == "holds"


@pytest.mark.parametrize("body", ["assert b: unchanged;", "run w();"])
def test_boot_has_no_state_before(language: Any, body: str) -> None:
    text = f"volatile var g: bool; proc w() {{ assert a: old(g); }} boot {{ {body} }} env E {{ run w(); }}"
    assert language.codes(text) == ["LUO209"]


def test_a_forall_frees_an_element_once(language: Any) -> None:
    text = (
        SORTS + "env N { new x: P; } env E { forall x: P { forall y: P { free x; } free x; } } reachable some_p: some x: P | true;"
    )
    found = language.explore(text)
    assert found.size[0] == 2 and found["use_after_free"] == "holds"


@pytest.mark.parametrize("body", ["z = { p };", "forall x: F { add p to z; }"])
def test_none_is_no_member(language: Any, body: str) -> None:
    found = language.explore(SORTS + f"env E {{ {body} }} invariant empty: z == {{ }};")
    assert found["null_dereference"] == "fails" and found["empty"] == "holds"


def test_a_forall_cannot_add_and_remove_one_member(language: Any) -> None:
    text = SORTS + "per F { fixed b: bool = any; } env E(f: F) { forall x: F { if x.b { add f to z; } else { remove f from z; } } }"
    with pytest.raises(SpecError) as caught:
        language.explore(text)
    assert [d.code for d in caught.value.diagnostics] == ["LUO608"]


def test_a_call_is_given_no_errno(language: Any) -> None:
    assert language.codes("volatile var e: errno; env E(x: errno) { e = x; }") == ["LUO202"]


def test_what_names_a_pool_element_is_not_drawn(language: Any) -> None:
    for decl in ("fixed var g: P = any;", "volatile var g: P? = any;", "per F { volatile g: set P = any; }"):
        assert language.codes(SORTS + decl) == ["LUO225"]


def test_without_an_instance_no_event_fires(language: Any) -> None:
    found = language.explore("sort F; scope none_ { F = 0 } fixed var g: F = any; env E { skip; }")
    assert found.exploration.instances == 0 and found.exploration.events_never_fired == ("E",)


def test_a_given_names_the_enum_of_a_shared_member(language: Any) -> None:
    text = "enum A { X, Y } enum B { X } per A { fixed f: bool = any; } scope s { } invariant none_: not A.X.f;"
    witness = language.explore(text).verdict("none_").witness
    assert witness is not None and witness.given == ("A.X.f",)
