"""SPIN, on exported models, finds the states and the broken claims that luocheck finds.

Where SPIN or a C compiler is missing these tests are skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from differential.agreement import scope_of, topology_of
from differential.checks import loaded
from differential.specs import random_spec
from export.agreement import agree, said
from export.spin import AVAILABLE, spin, spin_one
from language.test_language_doc import BLOCKS, Runner

from luocheck.checker.export.promela import promela
from luocheck.checker.selection import scope_named, topology_named
from luocheck.model.diagnostics import SpecError
from luocheck.model.library import read_path
from luocheck.model.spec import load, load_source

pytestmark = [pytest.mark.tools, pytest.mark.skipif(not AVAILABLE, reason="needs spin and a C compiler")]

HERE = Path(__file__).parent
PEERS = str(HERE.parent / "specs" / "peers{}.luo")
DOOR = str(HERE.parents[1] / "docs" / "examples" / "door.luo")


def check(spec: str, scope: str, topology: str | None, folder: Path, most_states: int = 20_000) -> None:
    system = load(spec).system
    shape = topology_named(system, topology) if topology is not None else None
    assert agree(system, scope_named(system, scope), shape, folder, most_states=most_states) is not None


@pytest.mark.parametrize(
    ("spec", "scope", "topology"),
    [
        ("intent", "Agent=1,File=2,Token=2", None),
        ("rfc_v2", "tiny", None),
        ("linux_7_3", "files", None),
        (PEERS.format(""), "three", "star3"),
        (DOOR, "two", None),
        (str(HERE / "corners.luo"), "objects", None),
        (str(HERE / "corners.luo"), "calls", None),
    ],
)
def test_a_spec(spec: str, scope: str, topology: str | None, tmp_path: Path) -> None:
    check(spec, scope, topology, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("spec", "scope", "topology"),
    [
        ("intent", "pair", None),
        ("intent", "pair", "guest"),
        ("intent", "small", None),
        ("rfc_v2", "small", None),
        ("rfc_v2", "subsystems", None),
        ("rfc_v2", "neighbour", None),
        ("linux_7_3", "small", None),
        ("linux_7_3", "flb", None),
        ("linux_7_3", "flbs", None),
        ("linux_7_3", "share", None),
        (PEERS.format("_bug1"), "three", "star3"),
        (PEERS.format("_bug2"), "three", "star3"),
        (PEERS.format("_bug3"), "three", "star3"),
    ],
)
def test_a_spec_in_another_scope(spec: str, scope: str, topology: str | None, tmp_path: Path) -> None:
    check(spec, scope, topology, tmp_path, 200_000)


def test_one_claim_at_a_time(tmp_path: Path) -> None:
    """The search for one claim says what the search for all of them says of it."""
    system = load(DOOR).system
    scope = scope_named(system, "two")
    made = promela(system, scope)
    found = spin(made.text, tmp_path).said
    assert found == {"undone", "shut_when_locked", "locked"}
    asked = [*found, "null_dereference", "count_range"]
    assert set(asked) <= set(made.claims)
    assert {claim for claim in asked if spin_one(made.text, claim, tmp_path)} == found
    with pytest.raises(AssertionError, match="the model does not have this claim"):
        spin_one(made.text, "lock_order", tmp_path)


@pytest.mark.nightly
def test_graphs_are_the_whole(tmp_path: Path) -> None:
    """The models of the graphs, one by one, have the states of the model of all graphs."""
    system = load("intent").system
    scope = scope_named(system, "Agent=1,File=2,Token=1")
    every = spin(promela(system, scope).text, tmp_path)
    single = [spin(promela(system, scope, graph=number).text, tmp_path) for number in (1, 2)]
    assert every.states - 1 == sum(each.states - 1 for each in single)
    assert every.said == single[0].said | single[1].said


def test_two_writers_are_an_error(tmp_path: Path) -> None:
    """What luocheck refuses to answer (LUO608), SPIN does not answer either."""
    text = "spec t; sort File; scope one { File = 2 } per File { fixed next_: File = any; fixed v: bool = any; volatile w: bool = false; }"
    text += " env E { forall f: File { f.next_.w = f.v; } }"
    system = loaded(text).system
    scope = scope_named(system, "one")
    with pytest.raises(SpecError, match="LUO608"):
        agree(system, scope, None, tmp_path, most_states=100)
    assert spin(promela(system, scope).text, tmp_path).spec_error


def test_an_error_of_a_claim_is_no_verdict(tmp_path: Path) -> None:
    text = (
        "spec t; sort File symmetric; scope one { File = 1 } volatile var p: File? = none; per File { volatile b: bool = false; }"
    )
    text += " env E { skip; } invariant unprotected: not p.b;"
    system = loaded(text).system
    assert spin(promela(system, scope_named(system, "one")).text, tmp_path).spec_error


# ---- random specs -----------------------------------------------------------------------------------------------


def check_random(seeds: range, most_states: int, folder: Path) -> int:
    """How many random specs both have explored completely, with the same answer."""
    compared = 0
    for seed in seeds:
        drawn = random_spec(seed)
        try:
            system = loaded(drawn.text).system
            scope = scope_of(system, "plain")  # of the same size, and no call is cut
            found = agree(system, scope, topology_of(system, drawn.topology), folder, most_states=most_states, engine="interpreter")
        except SpecError:
            continue
        except Exception as error:
            raise AssertionError(f"{error!r}\n{error}\n{drawn!r}") from error
        compared += found is not None
    return compared


def test_random_specs(tmp_path: Path) -> None:
    assert check_random(range(700, 712), 150, tmp_path) >= 6


@pytest.mark.nightly
@pytest.mark.parametrize("hundred", range(8, 14))
def test_many_random_specs(hundred: int, tmp_path: Path) -> None:
    assert check_random(range(100 * hundred, 100 * hundred + 100), 400, tmp_path) > 70


@pytest.mark.nightly
def test_the_examples_of_the_language(tmp_path: Path) -> None:
    """Every example of the reference that can be exported."""
    runner, compared = Runner(tmp_path, BLOCKS), 0
    for block in BLOCKS:
        try:
            system = load_source(read_path(runner.written(block))).system
            wanted = block.named("scope")
            scope = next((s for s in system.scopes if wanted in (None, s.name)), None)
            if scope is not None:
                found = agree(system, scope, topology_of(system, block.named("topology")), tmp_path, most_states=5000)
                assert found is not None and said(system, found[0]) == found[1].said
                compared += 1
        except SpecError:
            continue
        except AssertionError as error:
            raise AssertionError(f"line {block.line}: {error}") from error
    assert compared > 60
