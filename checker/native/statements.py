"""C of the bodies of events.  A body becomes one function; what the interpreter keeps on its control stack is known from the place in the
text, so only the rest of it (elements of walks, caught errnos, locks) are variables.

Every construct has a way out for failures and one for `stop`, reached by a jump; a call that goes on jumps to the place where it
stopped.  Where the text leaves a choice, `pick` asks the script of the run (see engine.c).
"""

from __future__ import annotations

from dataclasses import dataclass

from luocheck.checker.native.expressions import Expressions, Writer
from luocheck.checker.native.forall import forall, member
from luocheck.checker.native.layout import Layout, indices
from luocheck.checker.native.refusal import Refused
from luocheck.checker.native.walks import Node, Walk, fail_walk, walk
from luocheck.model.instances import values_of
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import CountT, ElemT, Field, Lifetime, SeqT, SetT, Sort
from luocheck.model.semantics.machine import Machine
from luocheck.model.source import Span


@dataclass(slots=True)
class Stop:
    """A place where a call can stop, from outermost to innermost what the interpreter's stack is there."""

    pc: int
    event: Event
    label: str
    stack: list[Node]
    indexes: list[int]


class Shared:
    """What all bodies of a scope share: numbers of cuts, texts of errors, stops."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.cuts: list[str] = []
        self.spans: list[Span] = []
        self.stops: list[Stop] = []
        self.claims = {claim.name: index for index, claim in enumerate(machine.system.properties)}
        self.writer = Writer()
        self.blocks = self.calls = self.walks = 0  # numbers as the interpreter's program gives them
        self.nodes = 0
        self.has_locks = bool(machine.system.locks)

    def cut(self, what: str) -> int:
        if what not in self.cuts:
            self.cuts.append(what)
        return self.cuts.index(what)

    def span(self, span: Span) -> int:
        self.spans.append(span)
        return len(self.spans) - 1


class Body:
    """Writes the body of one event."""

    def __init__(self, shared: Shared, layout: Layout, event: Event, stepwise: bool) -> None:
        self.shared = shared
        self.layout = layout
        self.event = event
        self.stepwise = stepwise
        self.w = shared.writer
        self.x = Expressions(layout, self.w, self.oops, checked=True)
        self.x.never_none |= {p.slot for p in event.parameters} | {p.slot for p in event.predicates}
        self.program = shared.machine.program
        self.late: list[str] = []  # ways out, after the body
        self.walks: list[Walk] = []
        self.catches = 0
        self.here: Node | None = None
        self.members: list[tuple[Field, bool]] = []  # of the forall that is being written

    # ---- small things -------------------------------------------------------------------------------------------

    def oops(self, claim: str, span: Span) -> str:
        return f"{{ oops = {self.shared.claims.get(claim, -1)}; goto OOPS; }}"

    def label(self, prefix: str) -> str:
        return self.w.fresh(prefix)

    def clear(self, slot: int) -> None:
        type_ = self.event.slots[slot]
        if type_ is None:
            return
        match type_:
            case SetT():
                self.w.emit(f"v{slot} = 0;")
            case SeqT():
                self.w.emit(f"memset(&v{slot}, 0, sizeof v{slot});")
            case _:
                self.w.emit(f"v{slot} = -1;")

    def _leave(self, node: Node) -> None:
        """A block ends, however it ends."""
        assert node.block is not None
        for slot in node.block.locals:
            self.clear(slot)
        if any(isinstance(s, st.Acquire) and s.scoped for s in node.block.statements):
            self.w.emit(f"guards_end(&h, {node.id});")

    # ---- ways out -----------------------------------------------------------------------------------------------

    def way(self, node: Node | None, how: str) -> str:
        """Label of the code that leaves a construct: `fail` or `stop`."""
        if node is None:
            return "FAILED" if how == "fail" else "STOPPED"
        if how in node.ways_out:
            return node.ways_out[how]
        if node.kind in ("catch", "boot") and (how == "fail" or node.kind == "catch"):
            return self.way(node.parent, how)
        if node.kind == "undo" and how == "fail":
            return self.way(node.parent, how)
        if how == "stop" and node.kind in ("call", "walk", "undo", "boot"):
            return node.after
        label = self.label("L")
        node.ways_out[how] = label
        with self.w.captured() as out:
            self.w.emit(f"{label}:;")
            if node.kind == "seq":
                self._leave(node)
                self.w.emit(f"goto {self.way(node.parent, how)};")
            elif node.kind == "call":
                assert node.call is not None
                if node.call.result is not None:
                    self.clear(node.call.result)
                self.w.emit(f"goto {node.ways_out.get('else') or self.way(node.parent, how)};")
            else:
                fail_walk(self, node)
        self.late += out
        return label

    # ---- blocks -------------------------------------------------------------------------------------------------

    def block(self, block: st.Block, parent: Node | None, skipped: int = 0) -> None:
        """A block in line; control goes on behind it.  `skipped` statements at its beginning were left out."""
        self.shared.nodes += 1
        node = Node("seq", parent, self.shared.nodes, block=block)
        saved, self.here = self.here, node
        for index, stmt in enumerate(block.statements, skipped + 1):
            node.index = index
            self.w.emit("{")
            self._statement(stmt)
            self.w.emit("}")
        node.number = self.shared.blocks
        self.shared.blocks += 1
        if self.w.out and not _ends(block):
            self._leave(node)
        self.here = saved

    def _statement(self, stmt: st.Stmt) -> None:
        match stmt:
            case st.Skip() | st.Arguments():
                pass
            case st.Fail():
                self._fail(stmt)
            case st.Panic():
                self.w.emit(f"LINE({self.program.line(stmt)}); lab = {self.layout.label(stmt.label)}; goto PANICKED;")
            case st.If():
                self._branch(self.x.condition(stmt.condition), stmt.then, stmt.orelse)
            case st.Sometimes():
                self._sometimes(stmt)
            case st.Require():
                self.w.emit(f"if (!{self.x.condition(stmt.condition)}) goto NOTHING;")
            case st.Cut():
                what = self.shared.cut(stmt.label or stmt.span.text)
                self.w.emit(f"if ({self.x.condition(stmt.condition)}) {{ cut = {what}; goto CUT; }}")
            case st.Await():
                self._await(stmt)
            case st.Call():
                self._call(stmt)
            case st.Choose():
                self._choose(stmt)
            case st.Find():
                self._find(stmt)
            case st.Assign():
                self._assign(stmt)
            case st.Let():
                self._let(stmt)
            case st.Insert() | st.Remove():
                self._member(stmt)
            case st.New():
                self._new(stmt)
            case st.Free():
                self._free(stmt)
            case st.Forall():
                forall(self, stmt)
            case st.Assert():
                self.w.emit(f"LINE({self.program.line(stmt)});")
                claim = self.shared.claims[stmt.name]
                self.w.emit(f"if (!{self.x.condition(stmt.condition)}) finding(r, {claim});")
            case st.Walk():
                walk(self, stmt)
            case st.Acquire():
                self._acquire(stmt)
            case st.GiveBack() | st.Keep():
                self._give_back(stmt)
            case st.Reboot():
                self._reboot(stmt)
            case st.Stop():
                self.w.emit(f"goto {self.way(self.here, 'stop')};")
            case st.Step():
                if self.stepwise:
                    self._stop(stmt, after=True)
            case _:
                raise Refused(f"a statement of kind {type(stmt).__name__}")

    def _branch(self, condition: str, then: st.Block, orelse: st.Block | None) -> None:
        self.w.emit(f"if ({condition}) {{")
        self.block(then, self.here)
        if orelse is not None:
            self.w.emit("} else {")
            self.block(orelse, self.here)
        self.w.emit("}")

    # ---- failing ------------------------------------------------------------------------------------------------

    def _fail(self, stmt: st.Fail) -> None:
        lab = self.layout.label(stmt.label)
        caught = self._caught()
        again = f"err = C{caught}_err; lab = C{caught}_lab;" if caught is not None else "goto BAIL;"
        if isinstance(stmt.errno, e.Expr):
            value = self.x.atom(self.x.value(stmt.errno))
            self.w.emit(f"if ({value} < 0) {{ {again} }} else {{ err = {value}; lab = {lab}; }}")
        elif stmt.errno is None:
            self.w.emit(again)
        else:
            self.w.emit(f"err = {self.layout.errno(stmt.errno)}; lab = {lab};")
        self.w.emit(f"LINE({self.program.line(stmt)}); goto {self.way(self.here, 'fail')};")

    def _caught(self) -> int | None:
        node = self.here
        while node is not None:
            if node.kind == "catch":
                return node.number
            node = node.parent
        return None

    def _sometimes(self, stmt: st.Sometimes) -> None:
        text = "pick(r, 2)"
        if stmt.condition is not None:
            text = f"{self.x.condition(stmt.condition)} && {text}"
        self.w.emit(f"if ({text}) {{ r->faults++;")
        self.block(stmt.then, self.here)
        if stmt.orelse is not None:
            self.w.emit("} else {")
            self.block(stmt.orelse, self.here)
        self.w.emit("}")

    # ---- procs --------------------------------------------------------------------------------------------------

    def _call(self, stmt: st.Call) -> None:
        values: list[tuple[int, str]] = []
        for slot, value in stmt.bindings:
            type_ = self.event.slots[slot]
            assert type_ is not None
            values.append((slot, self.w.temp(self.x.value(value), self.layout.local_type(type_))))
        for slot, text in values:
            self.w.emit(f"v{slot} = {text};")
        done, over = self.label("L"), self.label("L")
        node = Node("call", self.here, call=stmt, after=done)
        if stmt.orelse is not None:
            node.ways_out["else"] = self.label("L")
        self.block(stmt.body, node)
        self.w.emit(f"{done}:;")
        if stmt.result is not None:
            if stmt.result_to is not None:
                self.w.emit(f"v{stmt.result_to} = v{stmt.result};")
            if stmt.result_to != stmt.result:
                self.clear(stmt.result)
        if stmt.orelse is not None:
            catch = Node("catch", self.here, number=self.catches)
            self.catches += 1
            self.w.emit(f"goto {over}; {node.ways_out['else']}:; C{catch.number}_err = err; C{catch.number}_lab = lab;")
            self.block(stmt.orelse, catch)
            self.w.emit(f"C{catch.number}_err = C{catch.number}_lab = -1; {over}:;")
        node.number = self.shared.calls
        self.shared.calls += 1

    # ---- choosing -----------------------------------------------------------------------------------------------

    def _otherwise(self, orelse: st.Block | None) -> None:
        if orelse is None:
            self.w.emit("goto NOTHING;")
        else:
            self.block(orelse, self.here)

    def _choose(self, stmt: st.Choose) -> None:
        name = self.w.fresh("x")
        found, count = self.w.fresh("a"), self.w.temp("0")
        self.w.emit(f"uint8_t {found}[{max(1, self.layout.sizes[stmt.sort.index])}];")
        head, first = self.x.each(stmt.sort, name)
        self.w.emit(f"{head} {{ {first}")
        if stmt.where is not None:
            with self.x.binding(stmt.slot, name):
                self.w.emit(f"if (!{self.x.condition(stmt.where)}) continue;")
        self.w.emit(f"{found}[{count}++] = {name}; }}")
        self.clear(stmt.slot)
        self.w.emit(f"if (!{count}) {{")
        self._otherwise(stmt.orelse)
        self.w.emit(f"}} else v{stmt.slot} = {found}[pick(r, {count})];")

    def _find(self, stmt: st.Find) -> None:
        name = self.w.fresh("x")
        head, first = self.x.each(stmt.sequence, name)
        self.clear(stmt.slot)
        self.w.emit(f"{head} {{ {first}")
        if stmt.where is not None:
            with self.x.binding(stmt.slot, name):
                self.w.emit(f"if (!{self.x.condition(stmt.where)}) continue;")
        self.w.emit(f"v{stmt.slot} = {name}; break; }}")
        self.w.emit(f"if (v{stmt.slot} < 0) {{")
        self._otherwise(stmt.orelse)
        self.w.emit("}")

    # ---- writing ------------------------------------------------------------------------------------------------

    def place(self, target: Field, arguments: tuple[e.Expr, ...], span: Span) -> str:
        return self.layout.place(target, "s", self.x.arguments(target, arguments, span, True))

    def converted(self, target: Field, value: e.Expr, span: Span) -> str:
        """The value that is written, with the checks of the field's type; a sequence is the text of a place."""
        match target.type:
            case SetT():
                many = self.x.many(value)
                for x in many.items:
                    self.w.emit(f"if ({x} < 0) {self.oops('null_dereference', span)}")
                return self.x.bits(many)
            case SeqT(sort):
                many = self.x.many(value)
                if many.kind == "literal":
                    if many.items:
                        raise Refused("a written-out list")
                    return f"(Q{sort.index}){{0}}"
                return many.text
        text = self.x.atom(self.x.value(value))
        if isinstance(target.type, CountT):
            self.w.emit(f"if ({text} < 0 || {text} > {target.type.limit}) {self.oops('count_range', span)}")
        elif isinstance(target.type, ElemT) and not target.type.optional and self.x.may_be_none(value):
            self.w.emit(f"if ({text} < 0) {self.oops('null_dereference', span)}")
        return text

    def _assign(self, stmt: st.Assign) -> None:
        place = self.place(stmt.field, stmt.arguments, stmt.span)
        value = self.converted(stmt.field, stmt.value, stmt.span)
        self.w.emit(f"{place} = {value}; touched = 1;")

    def _let(self, stmt: st.Let) -> None:
        type_ = self.event.slots[stmt.slot]
        match type_:
            case SetT():
                many = self.x.many(stmt.value)
                if many.kind != "set":
                    raise Refused("a local that is a written-out set")
                self.w.emit(f"v{stmt.slot} = {many.text};")
            case SeqT():
                self.w.emit(f"v{stmt.slot} = {self.x.many(stmt.value).text};")
            case None:
                raise Refused("a local without a type")
            case _:
                self.layout.highest(type_)
                self.w.emit(f"v{stmt.slot} = {self.x.value(stmt.value)};")

    def _member(self, stmt: st.Insert | st.Remove) -> None:
        adding = isinstance(stmt, st.Insert)
        if adding:
            place = self.place(stmt.field, stmt.arguments, stmt.span)
            x = self.x.atom(self.x.value(stmt.item))
            if self.x.may_be_none(stmt.item):
                self.w.emit(f"if ({x} < 0) {self.oops('null_dereference', stmt.span)}")
        else:
            x = self.x.atom(self.x.value(stmt.item))
            place = self.place(stmt.field, stmt.arguments, stmt.span)
        self.w.emit(member(stmt.field, place, x, adding, "touched = 1;"))

    def _new(self, stmt: st.New) -> None:
        sort = stmt.sort
        size = self.layout.sizes[sort.index]
        own = [f"v{slot}" for slot, t in enumerate(self.event.slots) if isinstance(t, ElemT) and t.sort is sort]
        named = self.w.temp(f"named{sort.index}(r, s)", "u64")
        for text in own:
            self.w.emit(f"if ({text} >= 0) {named} |= BIT({text});")
        x = self.w.temp(f"first_free(s->live{sort.index} | {named}, {size})")
        self.w.emit(f"if ({x} < 0) {{ cut = {self.shared.cut(f'new {sort.name}')}; goto CUT; }}")
        self.w.emit(f"s->live{sort.index} |= BIT({x}); touched = 1; v{stmt.slot} = {x};")
        self.draw(sort, x)

    def draw(self, sort: Sort | None, x: str) -> None:
        """Picks values for the cells declared `= any`: of one new element, or all."""
        layout = self.layout
        for f in layout.system.fields:
            if not f.drawn or f.lifetime is Lifetime.FIXED:
                continue
            values = values_of(f.type, layout.sizes)
            for owners in indices(f, layout.sizes):
                conditions = [
                    f"(s->live{o.index} >> {i} & 1)"
                    for o, i in zip(f.owners, owners, strict=True)
                    if isinstance(o, Sort) and o.pool
                ]
                if sort is not None:
                    mine = [f"{x} == {i}" for o, i in zip(f.owners, owners, strict=True) if o is sort]
                    if not mine:
                        continue
                    conditions.append(f"({' || '.join(mine)})")
                first = -1 if values[0] is None else 0  # values stand in order: of a set, as bits
                place = layout.place(f, "s", [str(i) for i in owners])
                self.w.emit(f"if ({' && '.join(conditions) or '1'}) {place} = pick(r, {len(values)}) + ({first});")

    def _free(self, stmt: st.Free) -> None:
        x = self.x.atom(self.x.value(stmt.target))
        if self.x.may_be_none(stmt.target):
            self.w.emit(f"if ({x} < 0) {self.oops('null_dereference', stmt.span)}")
        live = f"s->live{stmt.sort.index}"
        self.w.emit(f"if (!({live} >> {x} & 1)) {self.oops('use_after_free', stmt.span)}")
        self.w.emit(f"free{stmt.sort.index}(s, {x}); touched = 1;")

    # ---- locks and stops ----------------------------------------------------------------------------------------

    def _lock(self, stmt: st.Acquire | st.GiveBack | st.Keep) -> str:
        base = self.layout.lock_base[stmt.lock.index]
        if stmt.owner is None:
            return str(base)
        x = self.x.atom(self.x.value(stmt.owner))
        if self.x.may_be_none(stmt.owner):
            self.w.emit(f"if ({x} < 0) {self.oops('null_dereference', stmt.span)}")
        return f"({base} + {x})"

    def _acquire(self, stmt: st.Acquire) -> None:
        if self.stepwise:
            self._resume_point()
        lock = self.w.temp(self._lock(stmt))
        shared = int(stmt.shared)
        self.w.emit(f"if (lock_taken(s, {lock}, {shared}) || held_against(&h, {lock}, {shared})) {{")
        self._wait(stmt)
        self.w.emit("}")
        assert self.here is not None
        self.w.emit(f"if (h.n >= MAX_HELD) goto BAIL; h.x[h.n++] = {lock} * 2 + {shared};")
        if stmt.scoped:
            self.w.emit(
                f"if (h.guards >= MAX_HELD) goto BAIL; h.guard[h.guards] = {lock} * 2 + {shared}; h.block[h.guards++] = {self.here.id};"
            )

    def _give_back(self, stmt: st.GiveBack | st.Keep) -> None:
        lock = self.w.temp(self._lock(stmt))
        keeping = isinstance(stmt, st.Keep)
        given = self.w.temp(f"give_back(&h, {lock})")
        self.w.emit(f"if ({given} < 0) {self.oops('held_at_return', stmt.span)}")
        if keeping:
            self.w.emit(f"keep_lock(s, {lock}, {given} ? 1 : 2); touched = 1;")

    def _await(self, stmt: st.Await) -> None:
        if self.stepwise:
            self._resume_point()
        self.shared.blocks += 1  # the interpreter has a block for the signal
        self.w.emit(f"if (!{self.x.condition(stmt.condition)}) {{")
        if stmt.errno is not None:
            self.w.emit(f"if (pick(r, 2)) {{ r->faults++; LINE({self.program.line(stmt)});")
            self.w.emit(f"err = {self.layout.errno(stmt.errno)}; lab = {self.layout.label(stmt.label)};")
            self.w.emit(f"goto {self.way(self.here, 'fail')}; }}")
        self._wait(stmt)
        self.w.emit("}")

    def _resume_point(self) -> None:
        """A label in front of a statement that may have to wait."""
        self.w.emit(f"P{len(self.shared.stops) + 1}:;")

    def _wait(self, stmt: st.Await | st.Acquire) -> None:
        if not self.stepwise:
            self.w.emit("goto BLOCKED;")
        else:
            self._stop(stmt, after=False)

    def _stop(self, stmt: st.Step | st.Await | st.Acquire, *, after: bool) -> None:
        pc = len(self.shared.stops) + 1
        stack: list[Node] = []
        node = self.here
        while node is not None:
            stack.append(node)
            node = node.parent
        stack.reverse()
        indexes = [each.index for each in stack]
        if not after:
            indexes[-1] -= 1
        self.shared.stops.append(Stop(pc, self.event, self.program.step_label(stmt), stack, indexes))
        self.w.emit(f"@SAVE{pc}@ goto SUSPENDED;")
        if after:
            self.w.emit(f"P{pc}:;")

    # ---- kexec --------------------------------------------------------------------------------------------------

    def _reboot(self, stmt: st.Reboot) -> None:
        self.w.emit("after_reboot(r, s); touched = 1; h.n = 0; h.guards = 0;")
        self.draw(None, "")
        done = self.label("L")
        self.block(stmt.boot, Node("boot", self.here, after=done))
        self.w.emit(f"{done}:;")


def _ends(block: st.Block) -> bool:
    """Does control never come to the end of a block?"""
    return bool(block.statements) and isinstance(block.statements[-1], st.Fail | st.Panic | st.Stop)
