"""Symmetry reduction leaves out nothing but names: orbits are counted, and every kind of thing that could tell elements apart is tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from engine.test_specs import named, places

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.order import told_apart
from luocheck.checker.explore.result import Exploration
from luocheck.checker.explore.search import Coverage, InstanceSearch, calls
from luocheck.checker.explore.symmetry import Symmetry, groups_of
from luocheck.model.instances import instances
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.renaming import Turn
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

PEERS = Path(__file__).parents[1] / "specs" / "peers.luo"


def system_of(text: str) -> System:
    return load_source(Source("test.luo", text)).system


def place(spec: str, scope: str, topology: str | None) -> tuple[System, Scope, Topology | None]:
    system = load(named(spec)).system
    where = next(s for s in system.scopes if s.name == scope)
    return system, where, next((t for t in system.topologies if t.name == topology), None)


def generators(symmetry: Symmetry) -> Iterator[Turn]:
    """Turns that generate the group of an instance."""
    for index, group in enumerate(symmetry.groups):
        if group.order == 1:
            continue
        for permutation in group.listed or exchanges(group.classes):
            yield (*symmetry.identity[:index], permutation, *symmetry.identity[index + 1 :])


def exchanges(classes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for c in set(classes):
        members = [x for x, other in enumerate(classes) if other == c]
        for a, b in pairwise(members):
            yield tuple(b if x == a else a if x == b else x for x in range(len(classes)))


def unreduced(
    system: System, scope: Scope, topology: Topology | None, most: int
) -> Iterator[tuple[InstanceSearch, Symmetry, Machine]]:
    """Every instance searched without symmetry, as far as it has any; nothing when there are more than `most` states."""
    apart = told_apart(system, scope, system.properties)
    found = []
    limits = Limits(max_states=most)
    states = 0
    for instance in instances(system, scope, topology):
        machine = Machine(instance)
        search = InstanceSearch(instance, machine, Monitors(instance, system.properties), Coverage(), keep_edges=False)
        try:
            search.run(limits, states)
        except Stopped:
            return
        states += len(search.states)
        symmetry = Symmetry(instance, machine, groups_of(instance, apart))
        if symmetry.order > 1:
            found.append((search, symmetry, machine))
    yield from found


def orbits(search: InstanceSearch, symmetry: Symmetry) -> set[bytes]:
    """Canonical forms of the states.  States of one form are of one orbit, and renaming changes no form.

    What differs only in the names of elements that are not of a pool is reached too; of a pool the first free element is taken.
    """
    system = search.instance.system
    turns = list(generators(symmetry))
    first: dict[bytes, int] = {}
    for state in range(len(search.states)):
        store = search.store(state)
        key = symmetry.key(store, search.packing)
        standing = search.store(first.setdefault(key, state))
        turn = symmetry.between(store, standing)
        assert turn is not None and symmetry.renaming.store(store, turn) == standing
        for turn in turns:
            moved = symmetry.renaming.store(store, turn)
            assert symmetry.key(moved, search.packing) == key
            if not any(s.pool and turn[s.index] != symmetry.identity[s.index] for s in system.sorts):
                assert search.packing.pack(moved) in search.number
    return set(first)


def successors(search: InstanceSearch, symmetry: Symmetry, machine: Machine, state: int, turn: Turn) -> tuple[object, object]:
    """What can follow a state, renamed; and what can follow the renamed state.  Only up to names where it leads to."""

    def told(outcome: object) -> tuple[object, ...]:
        o = outcome
        key = symmetry.key(o.store, search.packing) if o.goes_on else b""  # type: ignore[attr-defined]
        return o.kind, o.errno, o.label, o.faults, sorted(name for name, _ in o.findings), key  # type: ignore[attr-defined]

    def every(store: object, by: Turn) -> Counter[str]:
        found: Counter[str] = Counter()
        for event, arguments, resumed, outcomes in calls(machine, store, search.callers):  # type: ignore[arg-type]
            renamed = symmetry.renaming.arguments(event, arguments, by)
            found.update({repr((event.name, renamed, resumed, *told(o))) for o in outcomes})
        return found

    store = search.store(state)
    return every(store, turn), every(symmetry.renaming.store(store, turn), symmetry.identity)


def check_place(spec: str, scope: str, topology: str | None, most: int, step: int) -> bool:
    """Does a place have symmetry, and does the reduction count its orbits and say the same?  Every `step`th state's successors are compared."""
    system, where, shape = place(spec, scope, topology)
    count = 0
    found = False
    for search, symmetry, machine in unreduced(system, where, shape, most):
        found = True
        count += len(orbits(search, symmetry))
        for turn in generators(symmetry):
            for state in range(0, len(search.states), step):
                mine, theirs = successors(search, symmetry, machine, state, turn)
                assert mine == theirs
    if found:
        everything = explore(system, where, shape, symmetry=False, engine="interpreter")
        reduced = explore(system, where, shape, engine="interpreter")
        assert_same(everything, reduced)
        if reduced.symmetry > 1 and all(symmetric(system, where, i) for i in instances(system, where, shape)):
            assert reduced.states == count
    return found


def symmetric(system: System, scope: Scope, instance: object) -> bool:
    groups = groups_of(instance, told_apart(system, scope, system.properties))  # type: ignore[arg-type]
    return any(group.order > 1 for group in groups)


def assert_same(everything: Exploration, reduced: Exploration) -> None:
    """The same verdicts, with witnesses that are as short; fewer states or as many."""
    assert reduced.states <= everything.states
    # of a pool the first free element is taken: states with another one come later, and are of the same orbit
    assert reduced.depth == everything.depth or (reduced.depth < everything.depth and any(s.pool for s in reduced.system.sorts))
    assert reduced.events_never_fired == everything.events_never_fired
    assert [line.span for line in reduced.lines_never_fired] == [line.span for line in everything.lines_never_fired]
    for mine, theirs in zip(reduced.verdicts, everything.verdicts, strict=True):
        assert (mine.property, mine.result, mine.note) == (theirs.property, theirs.result, theirs.note)
        if mine.witness is not None and theirs.witness is not None:
            assert (mine.witness.calls, mine.witness.faults) == (theirs.witness.calls, theirs.witness.faults), mine.property
            assert mine.witness.minimal == theirs.witness.minimal


FEW, MANY = 250, 30_000


@pytest.mark.parametrize(("spec", "scope", "topology"), places())
def test_orbits_of_small_places(spec: str, scope: str, topology: str | None) -> None:
    check_place(spec, scope, topology, FEW, 7)


def test_there_are_small_places_with_symmetry() -> None:
    assert check_place("intent", "pair", None, 700, 100)
    assert check_place("linux_7_3", "share", None, 700, 20)


@pytest.mark.nightly
@pytest.mark.parametrize(("spec", "scope", "topology"), places())
def test_orbits(spec: str, scope: str, topology: str | None) -> None:
    check_place(spec, scope, topology, MANY, 50)


# ---- the peers' model, whose orbits others counted too ----------------------------------------------------------


def peers(scope: str, topology: str, text: str | None = None) -> Exploration:
    system = system_of(text) if text is not None else load(str(PEERS)).system
    where = next(s for s in system.scopes if s.name == scope)
    return explore(system, where, next(t for t in system.topologies if t.name == topology), engine="explore", witnesses=False)


def test_peers_of_five_files() -> None:
    assert (peers("five", "star5").states, peers("crowd", "star5").states) == (16_880, 58_471)


def test_peers_of_six_files() -> None:
    found = peers("large", "star6")
    assert (found.states, found.depth, found.symmetry) == (156_351, 49, 144)


def test_peers_with_interchangeable_agents_alone() -> None:
    text = PEERS.read_text(encoding="utf-8").replace("sort File symmetric;", "sort File;")
    assert peers("five", "star5", text).states == 61_692


@pytest.mark.nightly
def test_peers_with_interchangeable_agents_alone_in_a_crowd() -> None:
    text = PEERS.read_text(encoding="utf-8").replace("sort File symmetric;", "sort File;")
    assert peers("crowd", "star5", text).states == 231_422


# ---- what tells elements apart ----------------------------------------------------------------------------------

_HEAD = """spec apart;
sort Person symmetric caller;
sort Item symmetric;
sort Thing symmetric pool;
graph needs on Item acyclic;
scope s { Person = 2, Item = 2, Thing = 2 }
volatile var n: count(3) = 0;
volatile var list: seq Item;
per Item { volatile up: bool = false; volatile by: Person? = none; volatile num: count(2) = 0; }
per Person { volatile ready: bool = false; }
per Thing { volatile up: Thing? = none; volatile hot: bool = false; }
"""


@pytest.mark.parametrize(
    ("sort", "text"),
    [
        ("Item", "walk w() over i: Item along needs { i.up = true; }\nenv E() { run w(); }"),
        ("Item", "walk w() over i: Item in any order { i.up = true; fail EIO sometimes; rollback all { i.up = false; } }\nenv E() { run w() else { stop; } }"),
        ("Item", "env E() { require some i: Item | i.by.ready; n = 1; }"),
        ("Item", "env E() { require all i: Item | i.by == none or i.by.ready; n = 1; }"),
        ("Thing", "env E() { require some t: Thing | t.up != none and t.up.hot; n = 1; }"),
        ("Person", "per Item { volatile owner: Person = any; }\nenv E(i: Item, p: Person) { i.owner = p; }"),
    ],
)  # fmt: skip
def test_what_tells_elements_apart(sort: str, text: str) -> None:
    system = system_of(_HEAD + text + "\n")
    index = next(s.index for s in system.sorts if s.name == sort)
    safe = "or i.by.ready" in text
    assert (index in told_apart(system, system.scopes[0], system.properties)) == (not safe)


def test_a_field_that_always_holds_an_element() -> None:
    """The first element is a cell's default, so a store does not have it; and was not renamed."""
    system = system_of(
        _HEAD.replace("graph needs on Item acyclic;\n", "")
        + "per Item { volatile owner: Person = any; }\nenv E(i: Item, p: Person) { i.owner = p; i.up = not i.up; n = 1; }\n"
        "reachable high: some i: Item | i.up;\n"
    )
    full, *reduced = (explore(system, system.scopes[0], symmetry=s, engine=e) for s, e in ((False, "interpreter"), (True, "interpreter"), (True, "explore")))  # fmt: skip
    (search, symmetry, _), *others = unreduced(system, system.scopes[0], None, 10_000)
    assert full.states == len(search.states) > reduced[0].states == reduced[1].states == len(orbits(search, symmetry))
    assert not others and symmetry.order == 4  # Items and Things, not Persons
