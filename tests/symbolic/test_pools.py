"""Elements that come and go: the form for every size can do what the spec can, and claims fail of it where they fail of the spec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import pytest
from symbolic.test_cutpoints import compared, drawn

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.proving import prove
from luocheck.checker.symbolic.parametric.cutpoints import PROVABLE, cut
from luocheck.checker.symbolic.parametric.formed import formed
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.model.answer import Result
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import Kind, Property, Scope, System
from luocheck.model.ir.vocabulary import ElemT, Field, Sort
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

HEAD = """\
spec pools;
enum Stage { NEW, READY, DONE }
sort Agent symmetric caller;
sort Box symmetric pool;
sort Item symmetric pool;
scope two { Agent = 1, Box = 2, Item = 2 }
volatile var phase: Stage = NEW;
per Box { preserved stage: Stage = READY;  volatile seen: bool = false; }
"""

EXACT = {
    "a field remembers a dead element": """
volatile var last_: Box? = none;
ioctl MAKE(a: Agent) gives b: Box { new b;  if last_ == none { last_ = b; } }
ioctl DROP(a: Agent, b: Box) { require b.stage == DONE or b != last_;  free b; }
ioctl END(a: Agent, b: Box) { b.stage = DONE; }
invariant alive_or_new: last_ != none and (no b: Box | b == last_) => last_.stage == READY;
invariant remembered: all b: Box, c: Box | b == c or last_ != none;
invariant never_done: last_ != none => last_.stage != DONE;""",
    "use after free": """
volatile var last_: Box? = none;
ioctl MAKE(a: Agent) gives b: Box { new b;  last_ = b; }
ioctl DROP(a: Agent) { let b = last_;  free b; }
ioctl USE(a: Agent) { last_.seen = true;  if last_.stage == READY { last_.stage = NEW; }  phase = DONE; }
ioctl TOUCH(a: Agent) { fail ENOENT when last_ == none;  if phase == NEW { last_.seen = true; }  phase = READY; }
after USE returns OK check used: phase == DONE and last_.stage == NEW;
after DROP returns OK check one_is_left: some b: Box | b.seen;
invariant dead_are_new: all b: Box | last_ == b or last_ == none or last_.stage != NEW or true;""",
    "through none": """
per Item { volatile in_: Box? = none; }
ioctl MAKE(a: Agent) { new b: Box;  new i: Item;  if phase == READY { i.in_ = b; } }
ioctl MARK(a: Agent, i: Item) { if phase == READY or i.in_ != none { i.in_.seen = true; }  phase = READY; }
after MARK check marked: i.in_ != none and i.in_.seen or phase == READY;
invariant nowhere: all i: Item | i.in_ == none;
invariant boxes_first: all i: Item | i.in_ != none => i.in_.seen or phase == READY;""",
    "lists of what comes and goes": """
preserved var q: seq Box;
per Box { preserved items: seq Item;  volatile last_: Item? = none; }
ioctl MAKE(a: Agent) { new b: Box;  append b to q; }
ioctl PUT(a: Agent, b: Box) { new i: Item;  append i to b.items;  b.last_ = i; }
walk empty(b: Box) drains i in b.items reversed { if b.last_ == i { b.last_ = none; }  free i; }
ioctl DROP(a: Agent, b: Box) { if b.stage == READY { run empty(b); }  if phase == NEW { remove b from q; }  free b; }
ioctl TURN(a: Agent, b: Box) { b.stage = NEW;  phase = READY; }
walk each() over b in q where b.stage == NEW { fail EIO when b.items == { };  b.seen = true;  rollback visited { b.stage = DONE; } }
ioctl GO(a: Agent) { run each(); }
after PUT check at_the_end: last(b.items) == b.last_;
invariant listed: all b: Box | b in q;
invariant items_alive: all b: Box, i in b.items | some j: Item | i == j;
invariant empty_when_dead: all b in q | (no c: Box | c == b) => b.items == { };
after DROP check full: all x: Box | x.items == { };
after GO returns EIO check gone: (number of b: Box | b.stage == DONE) <= 1;""",
    "two owners": """
per Agent { volatile has: set Box; }
per Box, Item { volatile fits: bool = false; }
ioctl MAKE(a: Agent) gives b: Box { new b;  new i: Item;  fits(b, i) = true; }
ioctl JOIN(a: Agent, b: Box, i: Item) { fits(b, i) = true;  if fits(b, i) { add b to a.has; } }
ioctl DROP(a: Agent, b: Box) { free b;  choose i: Item where true else { fail ENOENT; }  if phase == NEW { free i; } }
ioctl LOSE(a: Agent, b: Box) { require b in a.has;  remove b from a.has;  phase = DONE; }
invariant fits_some: all b: Box | some i: Item | fits(b, i);
invariant fits_the_living: all i: Item, a: Agent | some b in a.has | true or fits(b, i);
after DROP check held: all x: Box | old(some c: Agent | x in c.has) => some c: Agent | x in c.has;""",
    "kexec keeps one sort": """
per Item { volatile on_: Box? = none;  ghost marked: bool = false; }
preserved var kept: Item? = none;
ioctl MAKE(a: Agent) { new b: Box;  new i: Item;  i.on_ = b;  i.marked = true;  if phase == NEW { kept = i; }  b.stage = DONE; }
ioctl DROP(a: Agent, b: Box) { free b;  phase = DONE; }
ioctl KEXEC(a: Agent) { reboot;  phase = READY; }
boot { forall b: Box where b.stage == DONE { b.seen = true; } }
invariant gone: phase == READY => no i: Item | i.on_ == none;
invariant not_marked: kept != none and phase == READY => not kept.marked;
after KEXEC check boxes_stay: all b: Box | old(b.stage) == b.stage and b.seen;
after KEXEC check none_left: no i: Item | true;
after KEXEC check unchanged_: unchanged;""",
    "walks over what comes and goes": """
walk drop() over b: Box in any order where b.stage != NEW { fail EIO when b.seen;  if phase == READY { free b; } else { b.stage = DONE; }
    rollback visited { if phase == DONE { b.seen = true; } } }
walk others(i: Item) over b: Box in any order { if b.stage == DONE { free i;  stop; }  b.seen = true; }
ioctl MAKE(a: Agent) { new b: Box;  if phase == NEW { new i: Item;  b.stage = NEW; }  phase = READY; }
ioctl GO(a: Agent) { run drop(); }
ioctl MARK(a: Agent, b: Box) { b.seen = not b.seen;  phase = DONE; }
ioctl OTHERS(a: Agent, i: Item) { require phase == DONE;  run others(i); }
after GO returns OK check all_done: all b: Box | b.stage != READY;
after GO returns EIO check some_seen: (number of b: Box | b.seen) >= 1;
after OTHERS check kept_: some j: Item | j == i;
invariant items: (number of i: Item | true) <= 1;""",
    "walks while others are dead": """
per Box { volatile later: Box? = none; }
ioctl MAKE(a: Agent) { fail EBUSY when some b: Box | b.stage != NEW;  new b: Box; }
walk mark() over b: Box in any order { b.seen = true;  if phase == READY { b.stage = NEW; } }
ioctl GO(a: Agent) { fail EIO when (number of b: Box | true) > 1;  run mark();  phase = READY; }
after GO returns OK check marked: all b: Box | b.seen;
after GO returns OK check still_ready: no b: Box | b.stage == NEW;""",
    "all at once": """
per Box { volatile items: set Item;  volatile friend: Box? = none; }
ioctl MAKE(a: Agent) { new b: Box;  new i: Item;  add i to b.items; }
ioctl MARK(a: Agent, b: Box) { forall c: Box where c != b { c.friend = b;  b.seen = true; } }
ioctl DROP(a: Agent) { forall b: Box where b.seen { free b; }  forall i: Item where no b: Box | i in b.items { free i; } }
invariant friends: all b: Box | b.friend != none => b.friend.seen;
after DROP check unseen: no b: Box | b.seen;
after DROP check items_are_kept: all i: Item | some b: Box | i in b.items;""",
    "callers that come and go": """
sort Client symmetric pool;
override scope two { Agent = 1, Box = 1, Item = 1, Client = 2 }
per Client { volatile box: Box? = none; }
env START gives c: Client { new c; }
ioctl OPEN(a: Agent, c: Client) { new b: Box;  c.box = b;  phase = READY; }
env END(c: Client) { if c.box != none { free c.box; }  free c; }
invariant held: all b: Box | some c: Client | c.box == b;
after END check nobody: (number of x: Client | true) <= 0;""",
}

MORE = {
    "what is drawn of a new element": """
override scope two { Agent = 1, Box = 1, Item = 0 }
per Box { volatile lucky: bool = any;  volatile kind: Stage = any;  volatile with_: Agent? = any; }
ioctl MAKE(a: Agent) { new b: Box;  if b.lucky { phase = b.kind; } }
ioctl DROP(a: Agent, b: Box) { require b.kind != NEW;  free b; }
ioctl KEXEC(a: Agent) { reboot; }
invariant lucky_: phase != READY or some b: Box | b.lucky;
invariant with_any: all b: Box | b.with_ != none or b.kind != DONE;
invariant alike: all b: Box | b.kind == b.kind;""",
    "what a local names, which the form does not know": """
per Agent { volatile has: set Box; }
ioctl MAKE(a: Agent) { new b: Box;  add b to a.has; }
ioctl SWAP(a: Agent, b: Box) gives c: Box { remove b from a.has;  free b;  new c;  c.seen = true; }
invariant seen_twice: (number of b: Box | b.seen) <= 1;
invariant none_seen: no b: Box | b.seen;
invariant three: (number of b: Box | true) <= 2;""",
}


def system_of(body: str) -> System:
    text = {**EXACT, **MORE}[body]
    head = HEAD.replace("scope two { Agent = 1, Box = 2, Item = 2 }\n", "") if "override scope" in text else HEAD
    return load_source(Source(body, head + text.replace("override scope", "scope"))).system


def proved_about(system: System) -> list[Property]:
    return [claim for claim in system.properties if claim.kind in PROVABLE]


def turns(system: System, scope: Scope) -> list[dict[int, tuple[int, ...]]]:
    """All ways in which the elements of pools can change places: the spec takes the first that is dead, the form any."""
    pools = [sort for sort in system.sorts if sort.pool]
    orders = product(*(permutations(range(scope.size(sort.name))) for sort in pools))
    return [{sort.index: order for sort, order in zip(pools, chosen, strict=True)} for chosen in orders]


def renamed(state: frozenset[Any], fields: Sequence[Field], turn: dict[int, tuple[int, ...]]) -> frozenset[Any]:
    def moved(sort: Any, x: Any) -> Any:
        return turn[sort.index][x] if isinstance(sort, Sort) and sort.index in turn and x is not None else x

    found: set[Any] = set()
    for part in state:
        if isinstance(part, tuple) and part and isinstance(part[0], tuple) and isinstance(part[0][0], int):
            (index, *owners), value = part
            f = fields[index]
            cell = (index, *(moved(sort, x) for sort, x in zip(f.owners, owners, strict=True)))
            part = cell, moved(f.type.sort, value) if isinstance(f.type, ElemT) else value
        found.add(part)
    return frozenset(found)


def false_in(system: System, scope: Scope, claims: list[Property], limits: Limits) -> set[str]:
    """Claims that fail in a scope, which is explored to its end."""
    found = explore(system, scope, claims=claims, limits=limits, engine="interpreter", witnesses=False)
    if found.stopped is not None:
        raise Stopped(found.stopped)
    return {verdict.property for verdict in found.verdicts if verdict.result is Result.FAILS}


def false_of_the_form(
    system: System, scope: Scope, claims: list[Property], limits: Limits, chosen: frozenset[int] | None = None
) -> set[str]:
    """Claims of which the cut system comes to a state where they are false."""
    made = cut(system, claims, chosen)
    goals = [Property(claim.name, Kind.INVARIANT, "", claim.span, condition, slots=64) for claim, condition in made.claims]
    fields = (*formed(system).system.fields, *made.system.fields[made.declared :])
    whole = replace(made.system, graphs=formed(system).system.graphs, fields=fields, properties=tuple(goals))
    return false_in(whole, scope, goals, limits)


@pytest.mark.parametrize("body", [*EXACT, *MORE])
def test_between_calls_nothing_is_lost(body: str) -> None:
    system = system_of(body)
    spec, pieces, made = compared(system, system.scopes[0])
    assert len(spec) > 4 and made.alive
    every = {renamed(state, made.system.fields, turn) for state in spec for turn in turns(system, system.scopes[0])}
    assert every == pieces if body in EXACT else every < pieces


@pytest.mark.parametrize("body", [*EXACT, *MORE])
def test_claims_fail_where_they_fail_of_the_spec(body: str) -> None:
    system = system_of(body)
    claims, scope = proved_about(system), system.scopes[0]
    spec = false_in(system, scope, claims, Limits(20_000))
    form = false_of_the_form(system, scope, claims, Limits(20_000))
    assert spec and spec < {claim.name for claim in claims}
    assert spec == form if body in EXACT else spec <= form


@pytest.mark.parametrize("name", ["linux_7_3", pytest.param("v4", marks=pytest.mark.nightly)])
def test_shipped_specs(name: str) -> None:
    system = load(name).system
    claims = [claim for claim in proved_about(system) if claim.kind is Kind.INVARIANT and "flb" not in claim.name]
    sizes = tuple((sort.name, 0 if sort.name == "Flb" else 1) for sort in system.sorts)
    spec, pieces, made = compared(system, Scope("ones", sizes, frozenset()), claims)
    assert spec == pieces and len(spec) > 50 and len(made.alive) == 2


EDGES = """\
spec edges;
sort Agent symmetric pool caller;
sort File symmetric;
graph needs on File where edge(x, y): some fits: QUANTIFIED;
scope one { Agent = 1, File = 1 }
per File { volatile busy: bool = false; }
env JOIN() { new a: Agent; }
ioctl GO(a: Agent, f: File, g: File) { require needs(f, g) and f != g;  f.busy = true; }
invariant idle_files: all f: File | not f.busy;
"""


@pytest.mark.parametrize(
    ("where", "proved"),
    [("all a: Agent | false", False), ("(number of a: Agent | true) == 0", False), ("x == y", True), ("x != y", False)],
)
def test_which_edges_make_sense_is_asked_when_nothing_lives(where: str, proved: bool) -> None:
    """In the form elements of pools are there from the beginning, dead; a condition on edges must not see them."""
    spec = load_source(Source("edges", EDGES.replace("some fits: QUANTIFIED", where)))
    answer = prove(spec, properties=["idle_files"])
    assert answer.verdicts[0].result is (Result.PROVED if proved else Result.FAILS)


def failing_at_random(seeds: range) -> int:
    """Claims about random specs with pools that fail, and so of the form too."""
    failing = 0
    for seed in seeds:
        try:
            system, scope = drawn(seed)
        except SpecError:
            continue
        if scope.stepwise or not any(sort.pool for sort in system.sorts):
            continue
        for claim in proved_about(system):
            try:
                if false_in(system, scope, [claim], Limits(2_000)):
                    form = false_of_the_form(system, scope, [claim], Limits(4_000))
                    failing += 1
                    assert claim.name in form, f"seed {seed}, {claim.name}"
            except (NoForm, SpecError, Stopped):
                continue
    return failing


def test_random_specs() -> None:
    assert failing_at_random(range(50)) >= 10


@pytest.mark.nightly
def test_many_random_specs() -> None:
    assert failing_at_random(range(50, 2000)) >= 100
