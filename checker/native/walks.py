"""C of walks: loops over elements that are numbered, with a rollback."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from luocheck.checker.native.forall import member
from luocheck.checker.native.refusal import Refused
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st

if TYPE_CHECKING:
    from luocheck.checker.native.statements import Body

MAX_ROUNDS = 4096
"""Most elements of one walk (products of the sorts that it runs over)."""


@dataclass(slots=True)
class Node:
    """Where a statement stands: one entry of the interpreter's control stack, whose content is known."""

    kind: str  # seq, call, catch, walk, undo, boot
    parent: Node | None
    id: int = 0  # seq: what its guards are found by
    number: int = 0  # of the block, call or walk in the interpreter's program
    index: int = 0  # seq: number of the next statement
    block: st.Block | None = None
    call: st.Call | None = None
    walk: Walk | None = None
    ways_out: dict[str, str] = field(default_factory=dict)
    after: str = ""  # label: where control goes when it is done


@dataclass(slots=True)
class Walk:
    """A walk of one body, and its variables: W{n}_left, _seen, _all, _now."""

    stmt: st.Walk
    id: int
    sizes: list[int]
    length: int

    @property
    def any_order(self) -> bool:
        return any(isinstance(b, st.OverSort) and b.order == "any" for b in self.stmt.binders)

    @property
    def keeps_all(self) -> bool:
        return self.stmt.rollback is not None and not self.stmt.rollback.visited_only and not self.stmt.drains

    @property
    def keeps_seen(self) -> bool:
        return self.stmt.rollback is not None


def walk(body: Body, stmt: st.Walk) -> None:
    sizes = [body.layout.sizes[st.sort_walked(b).index] for b in stmt.binders]
    length = 1
    for size in sizes:
        length *= size
    if length > MAX_ROUNDS:
        raise Refused(f"`{stmt.name}` runs over more than {MAX_ROUNDS} elements")
    walk = Walk(stmt, len(body.walks), sizes, max(1, length))
    body.walks.append(walk)
    name = f"W{walk.id}"
    advance, done, undo = body.label("L"), body.label("L"), body.label("L")
    node = Node("walk", body.here, walk=walk, after=advance)
    node.ways_out["undo"] = undo
    _begin_walk(body, walk, name)
    body.w.emit(f"goto {name}_next; {advance}:;")
    if walk.keeps_seen:
        body.w.emit(f"if ({name}_seen.n >= {walk.length}) goto BAIL; {name}_seen.x[{name}_seen.n++] = {name}_now;")
    if stmt.drains:
        (binder,) = stmt.binders
        assert isinstance(binder, st.OverSeq) and isinstance(binder.sequence, e.Read)
        _bind(body, walk, f"{name}_now")
        body.w.emit("{")
        place = body.place(binder.sequence.field, binder.sequence.arguments, stmt.span)
        body.w.emit(member(binder.sequence.field, place, f"{name}_now", False, "touched = 1;") + " }")
    body.w.emit(f"{name}_next:;")
    _next_round(body, walk, name, done)
    body.block(stmt.step, node)
    body.w.emit(f"goto {advance};")
    if stmt.rollback is not None:
        undoing = Node("undo", body.here, walk=walk, after=undo)
        body.w.emit(f"{undo}:; if (!{name}_left.n) {{ err = {name}_err; lab = {name}_lab; {name}_err = {name}_lab = -1;")
        for binder in stmt.binders:
            body.clear(binder.slot)
        body.w.emit(f"goto {body.way(body.here, 'fail')}; }}")
        body.w.emit(f"{{ int first = rounds_take({name}_left.x, &{name}_left.n, 0);")
        _bind(body, walk, "first")
        body.w.emit("}")
        body.block(stmt.rollback.body, undoing)
        body.w.emit(f"goto {undo};")
        undoing.number = body.shared.walks
    body.w.emit(f"{done}:; {name}_left.n = 0; {name}_seen.n = 0; {name}_all.n = 0; {name}_now = -1;")
    for binder in stmt.binders:
        body.clear(binder.slot)
    node.number = body.shared.walks
    body.shared.walks += 1


def _bind(body: Body, walk: Walk, code: str) -> None:
    """The binders from the number of an element."""
    rest = code
    for position in range(len(walk.sizes) - 1, -1, -1):
        slot, size = walk.stmt.binders[position].slot, walk.sizes[position]
        body.w.emit(f"v{slot} = {rest};" if position == 0 else f"v{slot} = ({rest}) % {max(1, size)};")
        rest = f"({rest}) / {max(1, size)}" if size else "0"


def _begin_walk(body: Body, walk: Walk, name: str) -> None:
    body.w.emit(f"{name}_left.n = 0; {name}_seen.n = 0; {name}_all.n = 0; {name}_now = -1;")
    if walk.stmt.drains or 0 in walk.sizes:
        return
    depth, code = 0, "0"
    for binder, size in zip(walk.stmt.binders, walk.sizes, strict=True):
        x = body.w.fresh("x")
        if isinstance(binder, st.OverSeq):
            head, first = body.x.each(binder.sequence, x)
        elif binder.graph is None:
            head, first = body.x.each(binder.sort, x)
        else:
            i = body.w.fresh("i")
            head = f"for (int {i} = 0; {i} < {size}; {i}++)"
            first = f"int {x} = r->g.order{binder.graph}[{i}];"
            if binder.sort.pool:
                first += f" if (!(s->live{binder.sort.index} >> {x} & 1)) continue;"
        body.w.emit(f"{head} {{ {first} v{binder.slot} = {x};")
        code = x if depth == 0 else f"({code}) * {size} + {x}"
        depth += 1
    body.w.emit(f"if ({name}_left.n >= {walk.length}) goto BAIL; {name}_left.x[{name}_left.n++] = {code}; " + "}" * depth)
    if walk.stmt.reversed:
        body.w.emit(f"rounds_reverse({name}_left.x, {name}_left.n);")
    if walk.keeps_all:
        body.w.emit(f"{name}_all = {name}_left;")


def _wanted(body: Body, walk: Walk, code: str, otherwise: str) -> None:
    """Binds an element and asks for it again."""
    _bind(body, walk, code)
    for binder in walk.stmt.binders:
        if isinstance(binder, st.OverSeq):
            many = body.x.many(binder.sequence)
            assert many.sort is not None
            stale = body.oops("stale_iteration", walk.stmt.span)
            body.w.emit(f"if (!q{many.sort.index}_has(&{many.text}, v{binder.slot})) {stale}")
    if walk.stmt.where is not None:
        body.w.emit(f"if (!{body.x.condition(walk.stmt.where)}) {otherwise}")


def _next_round(body: Body, walk: Walk, name: str, done: str) -> None:
    stmt = walk.stmt
    if stmt.drains:
        (binder,) = stmt.binders
        assert isinstance(binder, st.OverSeq)
        body.w.emit("{")
        many = body.x.many(binder.sequence)
        at = f"{many.text}.n - 1" if stmt.reversed else "0"
        body.w.emit(f"if (!{many.text}.n) goto {done}; {name}_now = {many.text}.x[{at}]; }}")
    elif walk.any_order:
        body.w.emit(f"{{ uint16_t ready[{walk.length}]; int count = 0;")
        body.w.emit(f"for (int k = 0; k < {name}_left.n; k++) {{")
        _wanted(body, walk, f"{name}_left.x[k]", "continue;")
        body.w.emit("ready[count++] = k; }")
        body.w.emit(f"if (!count) goto {done};")
        body.w.emit(f"{name}_now = rounds_take({name}_left.x, &{name}_left.n, ready[pick(r, count)]); }}")
    else:
        again = body.label("L")
        body.w.emit(f"{again}:; if (!{name}_left.n) goto {done}; {name}_now = rounds_take({name}_left.x, &{name}_left.n, 0); {{")
        _wanted(body, walk, f"{name}_now", f"goto {again};")
        body.w.emit("}")
    _bind(body, walk, f"{name}_now")


def fail_walk(body: Body, node: Node) -> None:
    walk = node.walk
    assert walk is not None
    name = f"W{walk.id}"
    if walk.stmt.rollback is None:
        for binder in walk.stmt.binders:
            body.clear(binder.slot)
        body.w.emit(f"goto {body.way(node.parent, 'fail')};")
        return
    source = f"{name}_seen" if walk.stmt.rollback.visited_only else f"{name}_all"
    if not walk.stmt.rollback.visited_only and walk.stmt.drains:
        body.w.emit(f"{name}_left.n = 0;")
    else:
        body.w.emit(f"{name}_left = {source};")
        if walk.stmt.rollback.reversed:
            body.w.emit(f"rounds_reverse({name}_left.x, {name}_left.n);")
    body.w.emit(f"{name}_seen.n = 0; {name}_all.n = 0; {name}_now = -1; {name}_err = err; {name}_lab = lab;")
    body.w.emit(f"goto {node.ways_out['undo']};")
