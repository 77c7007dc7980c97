"""The drafts of real designs: they load, run, and find what they say.

Each file says in its first lines what was mended after it could be executed for the first time.
"""

from pathlib import Path

import pytest
from engine.agreement import names_kept

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.model.ir.system import Kind
from luocheck.model.spec import load

DRAFTS = Path(__file__).parents[1] / "specs" / "drafts"
NAMES = ["deps_at_preserve", "deps_at_freeze", "luofs", "linux_7_3", "linux_7_1", "rfc_v2"]

SIZES = {  # draft, scope, topology: states, transitions, instances
    ("deps_at_preserve", "any2", None): (4_967, 33_303, 38),
    ("deps_at_preserve", "any3", "guest"): (613, 4_071, 1),
    ("deps_at_preserve", "any3", "device"): (188, 1_172, 1),
    ("deps_at_preserve", "any3", "mutual"): (2, 5, 1),
    ("deps_at_freeze", "any2", None): (5_738, 38_728, 38),
    ("deps_at_freeze", "any3", "mutual"): (35, 151, 1),
    ("luofs", "small", None): (3_692, 42_176, 2),
    ("linux_7_3", "share", None): (976, 24_622, 8),
    ("linux_7_3", "flb1", None): (660, 7_174, 16),
    ("linux_7_1", "share", None): (1_548, 35_792, 8),
    ("rfc_v2", "one", None): (7_980, 104_018, 8),
}

PARTLY = {  # expectations whose scope is not exhausted: draft, claim, scope, topology: states that are looked at
    ("rfc_v2", "tokens_unique", "pair", None): 3_000,
    ("rfc_v2", "no_overwrite", "race1", None): 3_000,
    ("rfc_v2", "updnorm", "subs", None): 3_000,
}

NIGHTLY = {
    ("rfc_v2", "retrieve_once", "race2", None): 60_000,
    ("rfc_v2", "deps_saved", "one", "needs_one"): 16_000,
    ("linux_7_1", "use_after_free", "race", None): 15_000,
    ("linux_7_1", "serialization_stable", "mutate", None): 15_000,
}


@pytest.fixture(scope="module")
def spec():
    loaded = {}

    def get(name):
        if name not in loaded:
            loaded[name] = load(str(DRAFTS / f"{name}.luo"))
        return loaded[name]

    return get


@pytest.fixture(scope="module")
def exploration(spec):
    done = {}

    def get(name, scope, topology):
        key = (name, scope, topology)
        if key not in done:
            system = spec(name).system
            shape = next(t for t in system.topologies if t.name == topology) if topology else None
            with names_kept():
                done[key] = explore(system, next(s for s in system.scopes if s.name == scope), shape)
        return done[key]

    return get


@pytest.mark.parametrize("name", NAMES)
def test_it_loads(spec, name):
    system = spec(name).system
    assert system.name == name
    assert {w.code for w in system.warnings} <= {"LUO301"}


def test_all_drafts_are_here():
    assert sorted(NAMES) == sorted(path.stem for path in DRAFTS.glob("*.luo"))


@pytest.mark.parametrize("place", SIZES, ids=lambda place: "-".join(filter(None, place)))
def test_number_of_states(exploration, place):
    found = exploration(*place)
    assert (found.states, found.transitions, found.instances) == SIZES[place]


def agrees(expectation, verdict):
    """Does a verdict say what an expectation says?"""
    wanted = {"holds": "holds", "fails": "fails", "vacuous": "vacuous", "is reachable": "reached", "is not reachable": "unreached"}
    if verdict.result.value != wanted[expectation.verdict.value]:
        return False
    if verdict.witness is None:
        return expectation.within is None
    if expectation.within is not None and verdict.witness.calls > expectation.within:
        return False
    last = verdict.witness.steps[-1] if verdict.witness.steps else None
    if expectation.event is not None and (last is None or last.event != expectation.event):
        return False
    return expectation.label is None or (last is not None and last.label == expectation.label)


@pytest.mark.parametrize("name", NAMES)
def test_its_expectations_about_the_default_scope(spec, exploration, name):
    system = spec(name).system
    expected = {e.property: e for e in system.expectations if e.scope is None and e.topology is None}
    wrong = []
    for verdict in exploration(name, system.scopes[0].name, None).verdicts:
        if verdict.kind == Kind.LIVENESS.value:
            continue
        if verdict.property in expected:
            good = agrees(expected[verdict.property], verdict)
        else:
            good = verdict.result.value in ("holds", "reached")
        if not good:
            wrong.append((verdict.property, verdict.text))
    assert wrong == []


def elsewhere(spec, name):
    """Expectations about other scopes and topologies, as (claim, scope, topology)."""
    system = spec(name).system
    return {(e.property, e.scope or system.scopes[0].name, e.topology): e for e in system.expectations if e.scope or e.topology}


EXHAUSTED = [
    ("deps_at_preserve", "everything_saved", "any2", "guest"),
    ("deps_at_preserve", "everything_saved", "any2", "mutual"),
    ("deps_at_freeze", "everything_saved", "any2", "mutual"),
    ("linux_7_3", "count_range", "flb1", None),
    ("linux_7_3", "flb_follows", "flb1", None),
]


@pytest.mark.parametrize("place", EXHAUSTED, ids=lambda place: "-".join(filter(None, place)))
def test_its_expectations_elsewhere(spec, exploration, place):
    name, claim, scope, topology = place
    found = exploration(name, scope, topology)
    assert agrees(elsewhere(spec, name)[claim, scope, topology], next(v for v in found.verdicts if v.property == claim))


def look(spec, place, states):
    name, claim, scope, topology = place
    system = spec(name).system
    shape = next(t for t in system.topologies if t.name == topology) if topology else None
    where = next(s for s in system.scopes if s.name == scope)
    found = explore(system, where, shape, claims=[system.claim(claim)], limits=Limits(max_states=states))
    return agrees(elsewhere(spec, name)[claim, scope, topology], found.verdicts[0])


@pytest.mark.parametrize("place", PARTLY, ids=lambda place: "-".join(filter(None, place)))
def test_its_expectations_in_large_scopes(spec, place):
    assert look(spec, place, PARTLY[place])


@pytest.mark.nightly
@pytest.mark.parametrize("place", NIGHTLY, ids=lambda place: "-".join(filter(None, place)))
def test_its_expectations_in_larger_scopes(spec, place):
    assert look(spec, place, NIGHTLY[place])


def test_no_expectation_is_left_out(spec):
    """Every expectation of a draft is looked at by one of the tests above; 7.1 and `deps_at_freeze` inherit some."""
    looked = {*EXHAUSTED, *PARTLY, *NIGHTLY}
    for name in NAMES:
        own = {(name, *key) for key, e in elsewhere(spec, name).items() if not e.inherited}
        assert own <= looked
