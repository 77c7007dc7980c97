"""Cutting calls at the heads of their walks: between calls the cut system does what the spec does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from differential.specs import random_spec

from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.search import Coverage, InstanceSearch
from luocheck.checker.symbolic.parametric.cutpoints import PROVABLE, Cut, cut
from luocheck.checker.symbolic.parametric.formed import formed
from luocheck.checker.symbolic.parametric.heads import IDLE
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.model.diagnostics import SpecError
from luocheck.model.instances import Cell, Instance, cells_of, instances
from luocheck.model.ir.system import Property, Scope, System
from luocheck.model.ir.vocabulary import Field, Value
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.store import Store, live_index
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
    "a list, and its order": """
volatile var q: seq File;
preserved var saved_: seq File;
ioctl GO(a: Agent) { q = saved_;  saved_ = { };  if phase == DONE { reboot; }  phase = DONE; }
ioctl PUT(a: Agent, f: File) { append f to q;  if q != saved_ { append f to saved_; } }
ioctl TAKE(a: Agent) { find f in q where f.stage != READY else { phase = READY;  fail ENOENT; }  remove f from q; }
ioctl LAST(a: Agent) { let f = last(q);  fail ENOENT when f == none;  f.kept = f != first(q); }
after LAST check j: all f in q, g in q | before(q, f, g) => f != g and first(q) != g;
after PUT check k: f in q and old(q) != q => f == last(q);""",
    "a walk along a list, with a rollback": """
volatile var q: seq File;
ioctl PUT(a: Agent, f: File) { append f to q; }
ioctl DROP(a: Agent) { let f = first(q);  remove f from q;  if q == { } { phase = READY; } }
walk w() over f in q where f.stage != DONE reversed {
    assert j: no g in q | before(q, f, g) and g.stage == NEW;
    one: fail EIO when f.stage == NEW and f == first(q);
    f.stage = DONE;
    rollback visited reversed { f.stage = NEW;  f.kept = some g in q | before(q, f, g) and g.stage == DONE; }
}
ioctl GO(a: Agent) { run w();  phase = DONE; }
invariant k: first(q) == none => last(q) == none;""",
    "the rollback of a whole list": """
volatile var q: seq File;
ioctl PUT(a: Agent, f: File) { append f to q; }
walk w() over f in q where f.stage != NEW { fail EIO when f.kept;  f.kept = true;  rollback all { f.stage = NEW;  f.kept = false; } }
ioctl GO(a: Agent) { run w(); }""",
    "a list that is drained": """
volatile var q: seq File;
ioctl PUT(a: Agent, f: File) { append f to q; }
walk w() drains f in q { fail EIO when f.kept and f == first(q);  f.kept = true;  rollback visited reversed { f.stage = NEW; } }
walk v() drains f in q reversed { f.kept = some g in q | before(q, g, f); }
ioctl GO(a: Agent) { if phase == DONE { run w(); } else { run v(); }  phase = DONE; }
invariant k: all f in q | first(q) != none;""",
    "sets and counts": """
volatile var q: set File;
per File { volatile users: count(2) = 0;  volatile friends: set File; }
ioctl PUT(a: Agent, f: File) { add f to q;  f.users = f.users + 1; }
ioctl DROP(a: Agent, f: File, g: File) {
    fail ENOENT when f not in q;
    add g to f.friends;
    f.users = f.users - 1;
    if f.users == 0 { remove f from q;  f.friends = { }; }
    if (number of h: File | h in f.friends) > 1 { phase = DONE; }
}
invariant j: all f in q | f.users > 0;
invariant k: all f: File, g in f.friends | f.users < 2 or g.users <= f.users or phase != NEW or true;""",
    "a walk inside of a walk": """
volatile var q: seq File;
ioctl PUT(a: Agent, f: File) { append f to q; }
walk inner(f: File) over g: File along needs where g != f and g.stage == NEW {
    fail EIO when g in q;
    g.stage = READY;
    rollback visited { g.kept = not g.kept; }
}
walk outer() over f in q { run inner(f) else { fail EBUSY; }  f.stage = DONE;  rollback visited reversed { run again(f); } }
walk again(f: File) over g: File in any order where g.stage == READY { g.stage = NEW;  g.owner = none; }
ioctl GO(a: Agent) { run outer();  phase = READY; }""",
    "an assertion": """
walk w() over f: File along needs where f.stage == READY { assert j: no g: File | needs(f, g) and g.stage == READY;  f.stage = DONE; }
ioctl GO(a: Agent) { run w(); }""",
}


def between_calls(system: System, made: Cut, scope: Scope, most: int) -> States:
    """What the states of a scope show between calls, in the words of the cut system."""
    found: States = set()
    declared = [f for f in made.system.fields if f.index in made.relevant and f.index < made.declared]
    for instance in instances(system, scope, symmetry=False):  # which of two that are the same is taken may differ
        search = InstanceSearch(instance, Machine(instance), Monitors(instance, ()), Coverage(), keep_edges=False)
        search.run(Limits(most))
        for state in range(len(search.states)):
            store = search.store(state)
            if system is not made.system or store.get((made.place.index,), made.place.initial) == IDLE:
                words = [(cell, said(store, instance, made, f, cell)) for f in declared for cell in cells_of(f, instance.sizes)]
                found.add(frozenset([instance.edges, *words]))
    return found


def said(store: Store, instance: Instance, made: Cut, f: Field, cell: Cell) -> Value:
    """The value of a field of the cut system in a state of it, or of the spec."""
    if instance.system is made.system:
        return store.get(cell, instance.defaults[f.index])
    if f.index in made.orders:
        index = made.orders[f.index].index
        row = store.get((index, *cell[1:-2]), instance.defaults[index])
        x, y = cell[-2:]
        return x in row and y in row and row.index(x) < row.index(y)
    if f.index in made.alive:
        return (live_index(instance.system, instance.system.sorts[made.alive[f.index].index]), cell[1]) in store
    if f.index in made.members:
        return cell[-1] in store.get((f.index, *cell[1:-1]), instance.defaults[f.index])
    return store.get(cell, instance.defaults[f.index])


def compared(
    system: System,
    scope: Scope,
    claims: list[Property] | None = None,
    *,
    chosen: frozenset[int] | None = None,
    most: int = 2_000,
) -> tuple[States, States, Cut]:
    """What the spec shows between calls, and what the cut system does.  chosen: fields that are looked at; most: states of either."""
    if claims is None:
        claims = [claim for claim in system.properties if claim.kind in PROVABLE]
    made = cut(system, claims, chosen)
    form = formed(system).system
    words = (*form.fields, *made.system.fields[made.declared :])
    made.system = replace(made.system, graphs=form.graphs, fields=words)  # so that the same instances are explored
    return between_calls(system, made, scope, most), between_calls(made.system, made, scope, most), made


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
    text = HEAD + "volatile var users: count(2) = 0;\nioctl GO(a: Agent) { users = users + users; }\ninvariant k: users < 2;\n"
    system = load_source(Source("x.luo", text)).system
    with pytest.raises(NoForm) as refused:
        cut(system, [system.claim("k")])
    assert "reckons" in refused.value.reason and refused.value.span.line == 13
    cut(system, [system.claim("i")])  # which has nothing to do with it
