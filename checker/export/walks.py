"""Promela of walks: loops over elements that are numbered, with a rollback.

A walk's elements (pairs, when it has two names) are numbered; wN_left has those that are left, wN_seen those that were visited, wN_all all
of them, each a list with its length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from luocheck.checker.export.members import member
from luocheck.checker.export.places import Place, Walk
from luocheck.checker.export.refusal import too_large
from luocheck.checker.export.writer import NONE, added, equal, negated, scaled
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st

if TYPE_CHECKING:
    from luocheck.checker.export.statements import Body

MOST_ROUNDS = 250
"""Most elements of one walk (products of the sorts that it runs over): their numbers are bytes."""

MACROS = """\
#define add_round(list, n, x) \\
   list[n] = x; n++
/* the others move up */
#define take_round(list, n, position, to) \\
   d_step { \\
      k_ = position; to = list[k_]; \\
      do \\
      :: k_ + 1 < n -> list[k_] = list[k_ + 1]; k_++ \\
      :: else -> break \\
      od; \\
      n--; list[n] = 0; k_ = 0 \\
   }
#define turn_round(list, n) \\
   d_step { \\
      k_ = 0; \\
      do \\
      :: k_ < n / 2 -> item_ = list[k_]; list[k_] = list[n - 1 - k_]; list[n - 1 - k_] = item_; k_++ \\
      :: else -> break \\
      od; \\
      k_ = 0; item_ = 0 \\
   }
#define move_rounds(from, n, to, m) \\
   d_step { \\
      k_ = 0; \\
      do \\
      :: k_ < n -> to[k_] = from[k_]; from[k_] = 0; k_++ \\
      :: else -> break \\
      od; \\
      m = n; n = 0; k_ = 0 \\
   }
#define copy_rounds(from, n, to, m) \\
   d_step { \\
      k_ = 0; \\
      do \\
      :: k_ < n -> to[k_] = from[k_]; k_++ \\
      :: else -> break \\
      od; \\
      m = n; k_ = 0 \\
   }
#define clear_rounds(list, n) \\
   d_step { \\
      do \\
      :: n > 0 -> n--; list[n] = 0 \\
      :: else -> break \\
      od \\
   }"""
"""What is written for every model that has walks."""


def walk(body: Body, stmt: st.Walk) -> None:
    sizes = [body.cells.sizes[st.sort_walked(b).index] for b in stmt.binders]
    length = 1
    for size in sizes:
        length *= size
    if length > MOST_ROUNDS:
        too_large(f"`{stmt.name}` runs over more than {MOST_ROUNDS} elements", stmt.span)
    walk = Walk(stmt, len(body.walks), sizes, max(1, length))
    body.walks.append(walk)
    w, name = body.w, walk.name
    advance, following, done, undo = (w.fresh() for _ in range(4))
    place = Place("walk", body.here, walk=walk, after=advance)
    place.ways_out["undo"] = undo
    _begin(body, walk)
    w.emit(f"goto {following};")
    w.label(advance)
    if walk.keeps_visited:
        if stmt.drains:  # a step may put back what it took
            with w.when(f"{name}_seens >= {walk.length}"):
                w.emit("assert(false)  /* this walk visits more elements than the model has room for */")
        w.emit(f"add_round({name}_seen, {name}_seens, {name}_now);")
    if stmt.drains:
        (binder,) = stmt.binders
        assert isinstance(binder, st.OverSeq) and isinstance(binder.sequence, e.Read)
        _bind(body, walk)
        owners = body.place(binder.sequence.field, binder.sequence.arguments, stmt.span)
        member(body, binder.sequence.field, owners, f"{name}_now", False)
    w.label(following)
    slots = {binder.slot for binder in stmt.binders}
    with body.x.set(slots):
        _next_round(body, walk, done)
        body.block(stmt.step, place)
        w.emit(f"goto {advance};")
        if stmt.rollback is not None:
            _undo(body, walk, stmt.rollback, undo)
    w.label(done)
    _forget(body, walk)


def _undo(body: Body, walk: Walk, rollback: st.Rollback, label: str) -> None:
    w, name = body.w, walk.name
    w.label(label)
    with w.when(f"{name}_lefts == 0"):
        w.emit(f"err = {name}_err; lab = {name}_lab; {name}_err = 0; {name}_lab = 0;")
        _forget(body, walk)
        w.emit(f"goto {body.way(body.here, 'fail')}")
    w.emit(f"take_round({name}_left, {name}_lefts, 0, {name}_now);")
    _bind(body, walk)
    body.block(rollback.body, Place("undo", body.here, walk=walk, after=label))
    w.emit(f"goto {label};")


def _forget(body: Body, walk: Walk) -> None:
    """The walk is over: its elements are not kept, and its names have no value."""
    name = walk.name
    if not walk.stmt.drains or walk.stmt.rollback is not None:
        body.w.emit(f"clear_rounds({name}_left, {name}_lefts);")
    if walk.keeps_visited:
        body.w.emit(f"clear_rounds({name}_seen, {name}_seens);")
    if walk.keeps_all:
        body.w.emit(f"clear_rounds({name}_all, {name}_alls);")
    body.w.emit(f"{name}_now = 0;")
    for binder in walk.stmt.binders:
        body.clear(binder.slot)


def _bind(body: Body, walk: Walk, code: str | None = None) -> None:
    """The names, from the number of an element."""
    rest = code or f"{walk.name}_now"
    for position in range(len(walk.sizes) - 1, -1, -1):
        slot, size = walk.stmt.binders[position].slot, max(1, walk.sizes[position])
        body.w.emit(f"{body.local(slot)} = {rest if position == 0 else f'{rest} % {size}'};")
        rest = f"({rest} / {size})"


def _begin(body: Body, walk: Walk) -> None:
    """Collects all elements in the order of the walk, as they are when it starts."""
    if walk.stmt.drains or 0 in walk.sizes:
        return
    _collect(body, walk, 0, "0")
    for binder in walk.stmt.binders:
        body.clear(binder.slot)
    if walk.stmt.reversed:
        body.w.emit(f"turn_round({walk.name}_left, {walk.name}_lefts);")
    if walk.keeps_all:
        body.w.emit(f"copy_rounds({walk.name}_left, {walk.name}_lefts, {walk.name}_all, {walk.name}_alls);")


def _collect(body: Body, walk: Walk, position: int, code: str) -> None:
    w = body.w
    if position == len(walk.sizes):
        w.emit(f"add_round({walk.name}_left, {walk.name}_lefts, {code});")
        return
    binder, size = walk.stmt.binders[position], walk.sizes[position]
    slot = body.local(binder.slot)
    if isinstance(binder, st.OverSeq):
        items = [(item.bound.text, item.there) for item in body.x.each(binder.sequence)]
        body.ask()
    else:
        names = [
            str(x) if binder.graph is None else f"order_{body.cells.system.graphs[binder.graph].name}[{x}]" for x in range(size)
        ]
        items = [(x, body.cells.alive(binder.sort, x) if binder.sort.pool else "1") for x in names]
    for text, there in items:
        if there == "1":
            w.emit(f"{slot} = {text};")
            _collect(body, walk, position + 1, added(scaled(code, size), slot))
            continue
        with w.when(there):
            w.emit(f"{slot} = {text};")
            _collect(body, walk, position + 1, added(scaled(code, size), slot))


def _wanted(body: Body, walk: Walk) -> str:
    """Asks for the element that is bound now again: is its list still there, and `where`?"""
    for binder in walk.stmt.binders:
        if isinstance(binder, st.OverSeq):
            many = body.x.many(binder.sequence)
            body.ask()
            body.oops(negated(body.x.contains(body.local(binder.slot), False, many)), "stale_iteration")
    return body.condition(walk.stmt.where) if walk.stmt.where is not None else "1"


def _next_round(body: Body, walk: Walk, done: str) -> None:
    w, name, stmt = body.w, walk.name, walk.stmt
    if stmt.drains:
        (binder,) = stmt.binders
        assert isinstance(binder, st.OverSeq)
        end = body.value(e.SeqEnd(stmt.span, binder.sequence.type, binder.sequence, stmt.reversed))
        with w.when(equal(end, NONE)):
            w.emit(f"goto {done}")
        w.emit(f"{name}_now = {end};")
    elif walk.any_order:
        with w.repeat(f"{name}_i", f"{name}_lefts"):
            _bind(body, walk, f"{name}_left[{name}_i]")
            w.emit(f"{name}_ready[{name}_i] = {_wanted(body, walk)};")
        w.emit(f"{name}_i = 0;")
        w.emit("if")
        for position in range(walk.length):
            w.emit(f":: {name}_ready[{position}] -> {name}_i = {position}")
        w.emit(f":: else -> goto {done}")
        w.emit("fi;")
        with w.step():
            for position in range(walk.length):
                w.emit(f"{name}_ready[{position}] = false;")
        w.emit(f"take_round({name}_left, {name}_lefts, {name}_i, {name}_now); {name}_i = 0;")
    else:
        again = w.fresh()
        w.label(again)
        with w.when(f"{name}_lefts == 0"):
            w.emit(f"goto {done}")
        w.emit(f"take_round({name}_left, {name}_lefts, 0, {name}_now);")
        _bind(body, walk)
        wanted = _wanted(body, walk)
        if wanted != "1":
            with w.when(negated(wanted)):
                w.emit(f"goto {again}")
    _bind(body, walk)


def fail_walk(body: Body, place: Place) -> None:
    """A step has failed: the elements that the rollback runs over become those that are left."""
    walk = place.walk
    assert walk is not None
    w, name, rollback = body.w, walk.name, walk.stmt.rollback
    if rollback is None:
        _forget(body, walk)
        w.emit(f"goto {body.way(place.parent, 'fail')};")
        return
    w.emit(f"clear_rounds({name}_left, {name}_lefts);")
    if walk.keeps_visited:
        w.emit(f"move_rounds({name}_seen, {name}_seens, {name}_left, {name}_lefts);")
    elif walk.keeps_all:
        w.emit(f"move_rounds({name}_all, {name}_alls, {name}_left, {name}_lefts);")
    if rollback.reversed:
        w.emit(f"turn_round({name}_left, {name}_lefts);")
    w.emit(f"{name}_err = err; {name}_lab = lab;")
    w.emit(f"goto {place.ways_out['undo']};")
