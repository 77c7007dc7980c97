"""Promela of bodies.  A body is written out in the `atomic` of its event; `fail` and `stop` are jumps to the code that leaves the
constructs around them, as a C programmer would write it with labels."""

from __future__ import annotations

from luocheck.checker.export.cells import Cells
from luocheck.checker.export.expressions import Expressions, Item
from luocheck.checker.export.forall import forall
from luocheck.checker.export.locks import Locks
from luocheck.checker.export.members import copy_list, member, write
from luocheck.checker.export.places import Place, Walk
from luocheck.checker.export.pools import draw, free, new
from luocheck.checker.export.refusal import refuse
from luocheck.checker.export.walks import fail_walk, walk
from luocheck.checker.export.writer import NONE, Writer, conjunction, equal, negated
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import CountT, ElemT, Field, SeqT, SetT, Type
from luocheck.model.source import Span


class Body:
    """Writes the body of one event, or boot.

    prefix: of the labels at which the text around it goes on.  findings: number of each claim that a body can break; when `quiet`, what
    it breaks is not looked at (boot at the very beginning).
    """

    def __init__(
        self,
        cells: Cells,
        writer: Writer,
        types: tuple[Type | None, ...],
        prefix: str,
        findings: dict[str, int],
        *,
        quiet: bool = False,
    ) -> None:
        self.cells = cells
        self.w = writer
        self.types = types
        self.prefix = prefix
        self.findings = findings
        self.quiet = quiet
        self.x = Expressions(cells, types, checked=True)
        self.locks = Locks(self)
        self.late: list[str] = []
        self.walks: list[Walk] = []
        self.catches = 0
        self.here: Place | None = None
        self.used_ends: set[str] = set()
        self.buffers: dict[str, str] = {}  # declarations of what its `forall`s need, by name

    # ---- small things -------------------------------------------------------------------------------------------

    def end(self, how: str) -> str:
        """Label of an end of the event: returned, stopped, panicked, broken, dead (no outcome) or refused (it cannot be made)."""
        self.used_ends.add(how)
        return f"{self.prefix}_{how}"

    def finding(self, claim: str) -> str:
        """Statement that notes a broken claim, empty when nobody looks."""
        number = self.findings.get(claim)
        return f"broke[{number}] = true" if number is not None and not self.quiet else "skip"

    def oops(self, condition: str, claim: str) -> None:
        """The event ends here when it does what no code may do."""
        if condition != "0":
            with self.w.when(condition):
                self.w.emit(f"{self.finding(claim)}; goto {self.end('broken')}")

    def ask(self) -> None:
        """Ends the event when something goes wrong in what was translated since."""
        for hazard in self.x.taken_hazards():
            self.oops(hazard.condition, hazard.claim)

    def value(self, expr: e.Expr) -> str:
        text = self.x.value(expr)
        self.ask()
        return text

    def condition(self, expr: e.Expr) -> str:
        text = self.x.condition(expr)
        self.ask()
        return text

    def local(self, slot: int) -> str:
        return self.cells.local(slot, self.types[slot])

    def clear(self, slot: int) -> None:
        """A local has no value any more."""
        for text, empty in clearings(self.cells, slot, self.types[slot]):
            self.w.emit(f"{text} = {empty};")

    def leave(self, place: Place) -> None:
        """A block ends, however it ends: its guards are given back and its locals die."""
        assert place.block is not None
        self.locks.leave(place)
        for slot in place.block.locals:
            if self.types[slot] is not None:
                self.clear(slot)

    # ---- ways out -----------------------------------------------------------------------------------------------

    def way(self, place: Place | None, how: str) -> str:
        """Label of the code that leaves a construct: by `fail` or `stop`."""
        if place is None:
            return self.end("returned" if how == "fail" else "stopped")
        if how in place.ways_out:
            return place.ways_out[how]
        if place.kind == "catch" or (place.kind in ("boot", "undo") and how == "fail"):
            return self.way(place.parent, how)
        if how == "stop" and place.kind != "seq":
            return place.after
        label = self.w.fresh()
        place.ways_out[how] = label
        depth, self.w.depth = self.w.depth, 3
        with self.w.captured() as out:
            self.w.label(label)
            if place.kind == "seq":
                self.leave(place)
                self.w.emit(f"goto {self.way(place.parent, how)};")
            elif place.kind == "call":
                assert place.call is not None
                if place.call.result is not None:
                    self.clear(place.call.result)
                self.w.emit(f"goto {place.ways_out.get('else') or self.way(place.parent, how)};")
            else:
                fail_walk(self, place)
        self.w.depth = depth
        self.late += out
        return label

    # ---- blocks -------------------------------------------------------------------------------------------------

    def block(self, block: st.Block, parent: Place | None) -> None:
        """A block; control goes on behind it."""
        place = Place("seq", parent, block=block)
        self.locks.enter(place)
        saved, self.here = self.here, place
        before = len(self.w.out)
        for stmt in block.statements:
            self._statement(stmt)
        self.leave(place)
        if len(self.w.out) == before:
            self.w.emit("skip;")
        self.here = saved

    def _statement(self, stmt: st.Stmt) -> None:
        match stmt:
            case st.Skip() | st.Arguments() | st.Step():
                pass
            case st.Fail():
                self._fail(stmt)
            case st.Panic():
                self.w.emit(f"lab = {self._label(stmt.label)}; goto {self.end('panicked')};")
            case st.If():
                self._if(stmt)
            case st.Sometimes():
                self._sometimes(stmt)
            case st.Require():
                self.unless(self.condition(stmt.condition), "refused")
            case st.Cut():
                self.unless(negated(self.condition(stmt.condition)), "dead")
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
                new(self, stmt)
            case st.Free():
                free(self, stmt)
            case st.Forall():
                forall(self, stmt)
            case st.Assert():
                condition = negated(self.condition(stmt.condition))
                if condition != "0" and not self.quiet:
                    with self.w.when(condition):
                        self.w.emit(self.finding(stmt.name))
            case st.Walk():
                walk(self, stmt)
            case st.Acquire():
                self.locks.acquire(stmt)
            case st.GiveBack() | st.Keep():
                self.locks.give_back(stmt)
            case st.Reboot():
                self._reboot(stmt)
            case st.Stop():
                self.w.emit(f"goto {self.way(self.here, 'stop')};")
            case _:
                refuse("this statement", stmt.span)

    def unless(self, condition: str, how: str) -> None:
        """The event ends without an outcome when a condition does not hold."""
        if condition != "1":
            with self.w.when(negated(condition)):
                self.w.emit(f"goto {self.end(how)}")

    def _if(self, stmt: st.If) -> None:
        condition = self.condition(stmt.condition)
        self.w.emit("if")
        self.branch(condition, stmt.then)
        self.branch("else", stmt.orelse)
        self.w.emit("fi;")

    def branch(self, condition: str, block: st.Block | None) -> None:
        """One option of an `if`."""
        if block is None:
            self.w.emit(f":: {condition}")
            return
        self.w.emit(f":: {condition} ->")
        with self.w.deeper():
            self.block(block, self.here)

    def _sometimes(self, stmt: st.Sometimes) -> None:
        condition = self.condition(stmt.condition) if stmt.condition is not None else "true"
        self.w.emit("if")
        self.branch(condition, stmt.then)
        self.branch("true", stmt.orelse)
        self.w.emit("fi;")

    # ---- failing ------------------------------------------------------------------------------------------------

    def _label(self, label: str | None) -> str:
        return self.cells.label(label if label in self.cells.labels else None)

    def _fail(self, stmt: st.Fail) -> None:
        self._failing(stmt)
        self.w.emit(f"goto {self.way(self.here, 'fail')};")

    def _failing(self, stmt: st.Fail) -> None:
        caught = self._caught()
        again = f"err = c{caught}_err; lab = c{caught}_lab" if caught is not None else "SPEC_ERROR"
        if stmt.errno is None:
            self.w.emit(again + ";")
        elif isinstance(stmt.errno, e.Expr):
            value = self.value(stmt.errno)
            self.w.options([(f"{value} == {NONE}", again)], f"err = {value}; lab = {self._label(stmt.label)}")
        else:
            self.w.emit(f"err = {self.cells.errno(stmt.errno)}; lab = {self._label(stmt.label)};")

    def _caught(self) -> int | None:
        place = self.here
        while place is not None and place.kind != "catch":
            place = place.parent
        return place.number if place is not None else None

    def _await(self, stmt: st.Await) -> None:
        condition = self.condition(stmt.condition)
        if stmt.errno is None:
            self.unless(condition, "dead")
            return
        with self.w.when(negated(condition)):
            self.w.emit(
                f"err = {self.cells.errno(stmt.errno)}; lab = {self._label(stmt.label)}; goto {self.way(self.here, 'fail')}"
            )

    # ---- procs --------------------------------------------------------------------------------------------------

    def _call(self, stmt: st.Call) -> None:
        for slot, value in stmt.bindings:  # their slots are their own, so that none is read by the next
            self.let(slot, value)
        done = self.w.fresh()
        place = Place("call", self.here, call=stmt, after=done)
        if stmt.orelse is not None:
            place.ways_out["else"] = self.w.fresh()
        self.block(stmt.body, place)
        self.w.label(done)
        if stmt.result is not None:
            if stmt.result_to is not None:
                self.w.emit(f"{self.local(stmt.result_to)} = {self.local(stmt.result)};")
            if stmt.result_to != stmt.result:
                self.clear(stmt.result)
        if stmt.orelse is not None:
            over, number = self.w.fresh(), self.catches
            self.catches += 1
            self.w.emit(f"goto {over};")
            self.w.label(place.ways_out["else"])
            self.w.emit(f"c{number}_err = err; c{number}_lab = lab;")
            self.block(stmt.orelse, Place("catch", self.here, number=number))
            self.w.label(over)

    # ---- choosing -----------------------------------------------------------------------------------------------

    def wanted(self, slot: int, item: Item, where: e.Expr | None) -> str:
        """Is this the one that is looked for?"""
        if where is None:
            return item.there
        with self.x.guarded(item.there), self.x.binding(slot, item.bound):
            return conjunction([item.there, self.x.condition(where)])

    def _otherwise(self, slot: int, orelse: st.Block | None) -> None:
        self.w.emit(":: else ->")
        with self.w.deeper():
            self.clear(slot)
            if orelse is None:
                self.w.emit(f"goto {self.end('dead')}")
            else:
                self.block(orelse, self.here)
        self.w.emit("fi;")

    def _choose(self, stmt: st.Choose) -> None:
        options = [(self.wanted(stmt.slot, item, stmt.where), item.bound.text) for item in self.x.each(stmt.sort)]
        self.ask()
        self.w.emit("if")
        for condition, x in options:
            if condition != "0":
                self.w.emit(f":: {'true' if condition == '1' else condition} -> {self.local(stmt.slot)} = {x}")
        self._otherwise(stmt.slot, stmt.orelse)

    def _find(self, stmt: st.Find) -> None:
        items = self.x.each(stmt.sequence)
        self.ask()
        name = self.local(stmt.slot)
        self.clear(stmt.slot)
        for item in items:
            unset = equal(name, NONE)
            with self.x.guarded(unset):
                wanted = self.wanted(stmt.slot, item, stmt.where)
            self.ask()
            with self.w.when(conjunction([unset, wanted])):
                self.w.emit(f"{name} = {item.bound.text}")
        self.w.emit("if")
        self.w.emit(f":: {name} != {NONE}")
        self._otherwise(stmt.slot, stmt.orelse)

    # ---- writing ------------------------------------------------------------------------------------------------

    def converted(self, target: Field, value: e.Expr, span: Span) -> list[str]:
        """What is written, with the checks of the field's type: one text, or of a list one for each position."""
        if isinstance(target.type, SetT | SeqT):
            many = self.x.many(value)
            if isinstance(target.type, SetT):
                for x in many.items if many.kind == "literal" else ():
                    self.x.hazard(equal(x, NONE), "null_dereference", span)
                texts = [self.x.bits(many)]
            else:
                room = self.cells.room(target)
                texts = [*many.items[:room], *[NONE] * (room - len(many.items))]
            self.ask()
            return texts
        text = self.x.value(value)
        if isinstance(target.type, CountT):
            self.x.hazard(f"({text} < 0 || {text} > {target.type.limit})", "count_range", span)
        elif isinstance(target.type, ElemT) and not target.type.optional:
            self.x.not_none(value, text, span)
        self.ask()
        return [text]

    def place(self, target: Field, arguments: tuple[e.Expr, ...], span: Span) -> list[str]:
        """The owners of the cell that is written."""
        owners = self.x.arguments(target, arguments, span, True)
        self.ask()
        return owners

    def _assign(self, stmt: st.Assign) -> None:
        owners = self.place(stmt.field, stmt.arguments, stmt.span)
        texts = self.converted(stmt.field, stmt.value, stmt.span)
        if isinstance(stmt.field.type, SeqT):
            copy_list(self, stmt.field, owners, texts)
        else:
            write(self, stmt.field, owners, texts[0])

    def _let(self, stmt: st.Let) -> None:
        self.let(stmt.slot, stmt.value)

    def let(self, slot: int, value: e.Expr) -> None:
        """A local gets a value."""
        type_ = self.types[slot]
        match type_:
            case SetT() | SeqT():
                many = self.x.many(value)
                self.ask()
                texts = [self.x.bits(many)] if isinstance(type_, SetT) else list(many.items)
                for (name, _), text in zip(clearings(self.cells, slot, type_), texts, strict=True):
                    self.w.emit(f"{name} = {text};")
            case None:
                refuse("a local without a type", value.span)
            case _:
                self.cells.type_of(type_, value.span)
                self.w.emit(f"{self.local(slot)} = {self.value(value)};")

    def _member(self, stmt: st.Insert | st.Remove) -> None:
        adding = isinstance(stmt, st.Insert)
        if not adding:  # the interpreter looks at what is removed first
            item = self.value(stmt.item)
        owners = self.place(stmt.field, stmt.arguments, stmt.span)
        if adding:
            item = self.x.value(stmt.item)
            self.x.not_none(stmt.item, item, stmt.span)
            self.ask()
        member(self, stmt.field, owners, item, adding)

    # ---- kexec --------------------------------------------------------------------------------------------------

    def _reboot(self, stmt: st.Reboot) -> None:
        self.locks.drop_all()
        self.w.emit("after_reboot();")
        self.boot(stmt.boot)

    def boot(self, block: st.Block) -> None:
        """Draws `any`, then runs boot."""
        draw(self, None, "")
        done = self.w.fresh()
        self.block(block, Place("boot", self.here, after=done))
        self.w.label(done)


def clearings(cells: Cells, slot: int, type_: Type | None) -> list[tuple[str, str]]:
    """The variables of a local, each with what it holds when the local has no value."""
    name = cells.local(slot, type_)
    match type_:
        case SeqT(sort):
            return [(f"{name}[{i}]", NONE) for i in range(max(1, cells.sizes[sort.index]))]
        case ElemT() | None:
            return [(name, NONE)]
    return [(name, "0" if name[0] in "nz" else NONE)]
