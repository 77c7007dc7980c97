"""Cutting calls at the heads of their walks: between calls the cut system does what the spec does."""

from __future__ import annotations

import pytest
from differential.specs import random_spec

from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.search import Coverage, InstanceSearch
from luocheck.checker.symbolic.parametric.cutpoints import PROVABLE, Cut, cut
from luocheck.checker.symbolic.parametric.heads import IDLE
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.model.diagnostics import SpecError
from luocheck.model.instances import instances
from luocheck.model.ir.system import Property, Scope, System
from luocheck.model.semantics.machine import Machine
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

States = set[frozenset[object]]

HEAD = """\
spec walks;
enum Stage { NEW, READY, DONE }
sort File symmetric;
sort Agent symmetric caller;
graph needs on File acyclic;
scope two { File = 2, Agent = 1 }
per File { volatile stage: Stage = NEW;  preserved kept: bool = false;  volatile owner: Agent? = none; }
volatile var phase: Stage = NEW;
volatile var count_: bool = false;
env ADD(f: File, a: Agent) { require f.stage == NEW;  f.owner = a;  f.stage = READY; }
invariant i: phase != DONE or not count_;
"""

BODIES = {
    "rollback of what was visited": """
walk w() over f: File along needs where f.stage == READY {
    fail EIO sometimes;
    f.stage = DONE;
    rollback visited reversed { f.stage = READY;  f.kept = true; }
}
ioctl GO(a: Agent) { run w();  phase = READY; }""",
    "rollback of everything": """
walk w() over f: File in any order where f.stage == READY {
    f.stage = DONE;
    bad: fail EIO when some g: File | g != f and g.stage == NEW;
    rollback all reversed { f.kept = not f.kept; }
}
ioctl GO(a: Agent) { run w() else { phase = DONE;  fail; }  phase = READY; }""",
    "else, and what it passes on": """
proc p(f: File) { one: fail EIO when f.stage == DONE;  two: fail EBUSY sometimes;  f.stage = DONE; }
walk w() over f: File along needs where f.stage != NEW reversed { run p(f) else { count_ = true;  fail; } }
ioctl GO(a: Agent) { run w() else { if phase == NEW { fail; }  phase = NEW; } }
after GO returns EBUSY check j: phase == NEW;""",
    "stop": """
walk w() over f: File in any order { if f.stage == NEW { stop; }  f.stage = DONE; }
ioctl GO(a: Agent) { if phase == DONE { stop; }  run w();  phase = DONE; }""",
    "choose": """
ioctl GO(a: Agent) {
    choose f: File where f.stage == READY else { phase = READY;  fail ENOENT; }
    f.stage = DONE;
    if sometimes nomem { f.kept = true;  fail ENOMEM; }
    f.owner = none;
}""",
    "kexec": """
walk w() over f: File along needs where f.stage == READY { f.kept = true; }
ioctl GO(a: Agent) { run w();  reboot; }
boot { forall f: File where f.kept { f.stage = DONE; } }""",
    "what a kexec draws anew": """
volatile var lucky: bool = any;
per File { volatile here: Stage = any;  fixed twin: File = any; }
ioctl GO(a: Agent) { if phase == DONE { stop; }  reboot; }
boot { phase = DONE;  forall f: File where f.here == DONE and lucky { f.kept = true; } }
ioctl USE(f: File) { require f.here == READY and f.twin != f;  f.stage = DONE; }""",
    "a scope that is too small": """
ioctl GO(a: Agent) { cut when no f: File | f.stage == READY;  choose f: File where f.stage == READY;  f.stage = DONE; }""",
    "two walks, and what was before": """
walk v() over f: File in any order where f.stage == READY { f.stage = DONE;  f.kept = some g: File | g.stage == READY; }
walk w() over f: File along needs where f.stage == DONE reversed { f.owner = none; }
ioctl GO(a: Agent) { run v();  phase = READY;  run w(); }
after GO returns OK check j: all f: File | old(f.stage) == READY => f.stage == DONE;""",
    "an assertion": """
walk w() over f: File along needs where f.stage == READY { assert j: no g: File | needs(f, g) and g.stage == READY;  f.stage = DONE; }
ioctl GO(a: Agent) { run w(); }""",
}


def between_calls(system: System, relevant: frozenset[int], scope: Scope, made: Cut | None) -> States:
    """What a scope's states show between calls."""
    found: States = set()
    for number, instance in enumerate(instances(system, scope)):
        search = InstanceSearch(instance, Machine(instance), Monitors(instance, ()), Coverage(), keep_edges=False)
        search.run(Limits(2_000))
        for state in range(len(search.states)):
            store = search.store(state)
            if made is None or store.get((made.place.index,), made.place.initial) == IDLE:
                found.add(frozenset([number, *((cell, value) for cell, value in store.items() if cell[0] in relevant)]))
    return found


def compared(system: System, scope: Scope, claims: list[Property] | None = None) -> tuple[States, States, Cut]:
    """What the spec shows between calls, and what the cut system does."""
    if claims is None:
        claims = [claim for claim in system.properties if claim.kind in PROVABLE]
    made = cut(system, claims)
    declared = frozenset(i for i in made.relevant if i < made.declared)
    return between_calls(system, declared, scope, None), between_calls(made.system, declared, scope, made), made


@pytest.mark.parametrize("body", BODIES)
def test_between_calls_nothing_is_lost_or_added(body: str) -> None:
    system = load_source(Source(body, HEAD + BODIES[body])).system
    spec, pieces, made = compared(system, system.scopes[0])
    assert spec == pieces and len(spec) > 4
    assert all(stmt for event in made.system.events for stmt in event.body.statements)


def test_intent() -> None:
    system = load("intent").system
    sizes = {"Agent": 1, "File": 2, "Token": 2}
    spec, pieces, _ = compared(system, Scope("small", tuple(sizes.items()), frozenset()))
    assert spec == pieces and len(spec) > 100


def compared_at_random(seeds: range) -> int:
    """How many claims about random specs had a form; each is cut and compared alone."""
    accepted = 0
    for seed in seeds:
        try:
            system, scope = drawn(seed)
        except SpecError:
            continue
        for claim in system.properties:
            if claim.kind not in PROVABLE or scope.stepwise:
                continue
            try:
                before, after, _ = compared(system, scope, [claim])
            except (NoForm, SpecError, Stopped):
                continue
            accepted += 1
            # every order that the graph allows is walked, so there may be more states, never fewer
            assert before <= after, f"seed {seed}, {claim.name}"
    return accepted


def drawn(seed: int) -> tuple[System, Scope]:
    spec = random_spec(seed)
    system = load_source(Source(f"seed {seed}", spec.text)).system
    return system, next(scope for scope in system.scopes if scope.name == spec.scope)


def test_random_specs() -> None:
    assert compared_at_random(range(120)) >= 20


@pytest.mark.nightly
def test_many_random_specs() -> None:
    assert compared_at_random(range(120, 3000)) >= 400


def test_what_has_no_form_is_refused_with_its_place() -> None:
    text = HEAD + "volatile var users: count(2) = 0;\nioctl GO(a: Agent) { users = users + 1; }\ninvariant k: users < 2;\n"
    system = load_source(Source("x.luo", text)).system
    with pytest.raises(NoForm) as refused:
        cut(system, [system.claim("k")])
    assert "count(2)" in refused.value.reason and refused.value.span.line == 12
    cut(system, [system.claim("i")])  # which has nothing to do with it
