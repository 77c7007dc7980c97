"""Statements: events, boot, and the procs and walks that they run, written out at the place of each `run`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from luocheck.model.diagnostics import did_you_mean
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Kind, Property
from luocheck.model.ir.vocabulary import ElemT, ErrnoT, Field, Lifetime, Lock, SeqT, SetT, Type
from luocheck.model.resolve.expressions import Bad, ExpressionResolver, Names, Slots, article, optional, param_type, plural
from luocheck.model.resolve.symbols import FAULTS, Symbols
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n


@dataclass(slots=True)
class Claims:
    """Assertions met in bodies, by name, and the `at LABEL check` claims that wait for their label."""

    asserts: dict[str, Property] = field(default_factory=dict)
    at: dict[str, list[n.At]] = field(default_factory=dict)
    seen_labels: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Place:
    """Where a statement stands, which decides what it may be."""

    name: str  # of the event, proc or walk
    results: tuple[tuple[str, int, Type], ...] = ()  # at most one: name, slot, type
    catching: bool = False  # inside an `else`, so a bare `fail;` has an errno to pass on
    in_rollback: bool = False
    in_forall: tuple[int, ...] = ()  # slots of the enclosing foralls
    ghosts_only: bool = False  # the body of `on ... { }`
    walked: e.Read | None = None  # the sequence field that the enclosing walk runs over
    walked_slot: int | None = None


class BodyResolver:
    """Resolves the body of one event or of boot."""

    def __init__(self, symbols: Symbols, claims: Claims, name: str, boot: n.BootDecl | None, slots: Slots | None = None) -> None:
        self.symbols = symbols
        self.claims = claims
        self.boot = boot
        self.names = Names(slots or Slots())
        self.resolver = ExpressionResolver(symbols, self.names)
        self.place = Place(name)
        self.running: list[str] = []
        self.declared_locals: list[list[int]] = []

    # ---- helpers ------------------------------------------------------------------------------------------------

    def error(self, code: str, message: str, span: Span, help: str = "") -> None:
        self.symbols.diagnostics.error(code, message, span, help=help)

    @contextmanager
    def at_place(self, **changes: object) -> Iterator[None]:
        saved = {name: getattr(self.place, name) for name in changes}
        for name, value in changes.items():
            setattr(self.place, name, value)
        try:
            yield
        finally:
            for name, value in saved.items():
                setattr(self.place, name, value)

    def bind(self, name: n.Name, type_: Type) -> int:
        """A new local of the current block."""
        try:
            self.resolver.check_fresh(name)
        except Bad:
            pass
        var = self.names.bind(name.text, type_, name.span)
        if self.declared_locals:
            self.declared_locals[-1].append(var.slot)
        return var.slot

    def target(self, name: n.Name, type_: Type) -> int:
        """Slot for a value that a statement finds: the result when it has that name, else a new local."""
        for result, slot, wanted in self.place.results:
            if result == name.text:
                if optional(wanted) != optional(type_):
                    self.error("LUO202", f"`{name}` is {article(wanted)}, and this gives {article(type_)}", name.span)
                return slot
        return self.bind(name, type_)

    def reads_ghost(self, expr: e.Expr) -> e.Expr | None:
        """The first part of an expression that reads a ghost, or a local whose value came from one."""
        for part in e.walk(expr):
            if isinstance(part, e.Read) and part.field.lifetime is Lifetime.GHOST:
                return part
            if isinstance(part, e.Var) and part.slot in self.names.ghosts:
                return part
        return None

    def no_ghost(self, expr: e.Expr) -> e.Expr:
        part = None if self.place.ghosts_only else self.reads_ghost(expr)
        if part is not None:
            self.error(
                "LUO204",
                f"behaviour cannot depend on the ghost `{part.span.text or 'here'}`",
                part.span,
                help="only properties, asserts and assignments to other ghosts may read it",
            )
        return expr

    def condition(self, node: n.Expr) -> e.Expr:
        return self.no_ghost(self.resolver.boolean(node))

    # ---- blocks -------------------------------------------------------------------------------------------------

    def block(self, node: n.Block | tuple[n.Stmt, ...], span: Span | None = None) -> st.Block:
        statements = node.statements if isinstance(node, n.Block) else node
        place = node.span if isinstance(node, n.Block) else span
        assert place is not None
        self.declared_locals.append([])
        with self.names.inner():
            made = [each for stmt in statements for each in self.statement(stmt)]
        return st.Block(tuple(made), tuple(self.declared_locals.pop()), place)

    def statement(self, stmt: n.Stmt) -> list[st.Stmt]:
        out: list[st.Stmt] = []
        label = stmt.label.text if stmt.label else None
        if label is not None:
            self.claims.seen_labels.add(label)
            for claim in self.claims.at.get(label, ()):
                out += self._assert(claim.span, None, claim.name, claim.doc, claim.condition, Kind.ASSERT)
        if self.place.in_forall and not isinstance(stmt.bare, n.Assign | n.Add | n.Remove | n.If | n.Forall | n.Free | n.Skip):
            self.error("LUO206", "this statement has no meaning for all elements at once", stmt.bare.span, help="use a walk")
            return out
        if self.place.ghosts_only and not isinstance(
            stmt.bare, n.Assign | n.Add | n.Remove | n.Append | n.If | n.Forall | n.Let | n.Skip
        ):
            self.error("LUO215", "`on ... { }` may only assign ghosts", stmt.bare.span)
            return out
        try:
            out += self._bare(stmt.bare, label)
        except Bad:
            pass
        return out

    def _bare(self, bare: n.Bare, label: str | None) -> list[st.Stmt]:
        at = (bare.span, label, self.place.name)
        match bare:
            case n.FailAgain():
                if not self.place.catching:
                    self.error(
                        "LUO215",
                        "a bare `fail;` passes on a caught errno, and nothing is caught here",
                        bare.span,
                        help="name the errno",
                    )
                return [st.Fail(*at, None)]
            case n.Fail(errno=errno):
                return [st.Fail(*at, self._errno(errno))]
            case n.FailWhen(span, errno, condition):
                return [self._only_if(at, self.condition(condition), st.Fail(*at, self._errno(errno)))]
            case n.FailSometimes(span, name, fault):
                fail = st.Fail(*at, self.symbols.check_errno(name))
                return [st.Sometimes(span, None, self.place.name, None, self._fault(fault), self._single(fail), None)]
            case n.PanicWhen(span, condition):
                return [self._only_if(at, self.condition(condition), st.Panic(*at))]
            case n.PanicSometimes(span):
                return [st.Sometimes(span, None, self.place.name, None, None, self._single(st.Panic(*at)), None)]
            case n.Require(condition=condition):
                return [st.Require(*at, self.condition(condition))]
            case n.Cut(condition=condition):
                return [st.Cut(*at, self.condition(condition))]
            case n.Await(condition=condition, errno=awaited):
                return [st.Await(*at, self.condition(condition), self.symbols.check_errno(awaited) if awaited else None)]
            case n.Run():
                return [self._run(bare, at)]
            case n.Choose():
                return [self._choose(bare, at)]
            case n.Find():
                return [self._find(bare, at)]
            case n.Assign():
                return self._assign(bare, at)
            case n.Let(name=name, value=value):
                found = self.resolver.expr(value, None)
                ghost = self.reads_ghost(found) is not None
                slot = self.bind(name, found.type)
                if ghost:
                    self.names.ghosts.add(slot)
                return [st.Let(*at, slot, name.text, found)]
            case n.Append(item=item, target=target):
                return self._insert(at, item, target, SeqT)
            case n.Add(item=item, target=target):
                return self._insert(at, item, target, SetT)
            case n.Remove(item=item, target=target):
                return self._remove(at, item, target)
            case n.New():
                return [self._new(bare, at)]
            case n.Free(target=target):
                return [self._free(bare, target, at)]
            case n.Forall():
                return [self._forall(bare, at)]
            case n.If():
                return [self._if(bare, at)]
            case n.Assert(span, name, doc, condition):
                return self._assert(span, label, name, doc, condition, Kind.ASSERT)
            case n.Guard(lock=lock, shared=shared):
                return [st.Acquire(*at, *self._lock(lock, shared), shared, True)]
            case n.Lock(lock=lock, shared=shared):
                return [st.Acquire(*at, *self._lock(lock, shared), shared, False)]
            case n.Unlock(lock=lock) | n.Release(lock=lock):
                return [st.GiveBack(*at, *self._lock(lock, False, taking=False))]
            case n.Keep(lock=lock):
                return [st.Keep(*at, *self._lock(lock, False, taking=False))]
            case n.Reboot():
                return [self._reboot(at)]
            case n.Stop():
                return [st.Stop(*at)]
            case n.Step():
                return [st.Step(*at)]
            case n.Skip():
                return [st.Skip(*at)]
            case n.Arguments():
                return [st.Arguments(*at)]
        raise AssertionError(bare)

    def _single(self, stmt: st.Stmt) -> st.Block:
        return st.Block((stmt,), (), stmt.span)

    def _only_if(self, at: tuple[Span, str | None, str], condition: e.Expr, then: st.Stmt) -> st.If:
        return st.If(at[0], None, at[2], condition, self._single(then), None)

    def _errno(self, node: n.Expr) -> str | e.Expr:
        if isinstance(node, n.NameExpr):
            text = node.name.text
            if text not in self.names.known and text not in self.symbols.globals:
                return self.symbols.check_errno(node.name)
        found = self.resolver.expr(node, ErrnoT())
        self.resolver.require_type(found, ErrnoT())
        return self.no_ghost(found)

    def _fault(self, name: n.Name | None) -> str | None:
        if name is not None and name.text not in FAULTS:
            help = did_you_mean(name.text, FAULTS) or "the classes are " + ", ".join(FAULTS)
            self.error("LUO218", f"`{name}` is no class of faults", name.span, help=help)
        return name.text if name is not None else None

    def _if(self, bare: n.If, at: tuple[Span, str | None, str]) -> st.Stmt:
        then: st.Block
        condition: e.Expr | None
        match bare.condition:
            case n.PlainCondition(condition=node):
                condition = self.condition(node)
                then, orelse = self.block(bare.then), self._optional(bare.orelse)
                return st.If(*at, condition, then, orelse)
            case n.Sometimes(fault=fault):
                condition = None
            case n.AndSometimes(condition=node, fault=fault):
                condition = self.condition(node)
            case _:
                raise AssertionError(bare.condition)
        if self.place.ghosts_only or self.place.in_forall:
            code = "LUO206" if self.place.in_forall else "LUO215"
            self.error(code, "`sometimes` cannot stand here", bare.condition.span)
        return st.Sometimes(*at, condition, self._fault(fault), self.block(bare.then), self._optional(bare.orelse))

    def _optional(self, block: n.Block | None) -> st.Block | None:
        return self.block(block) if block is not None else None

    def _else(self, orelse: n.NoElse | n.Else, catching: bool) -> st.Block | None:
        if isinstance(orelse, n.NoElse):
            return None
        if not catching:
            return self.block(orelse.block)
        with self.at_place(catching=True):
            return self.block(orelse.block)

    # ---- running procs and walks --------------------------------------------------------------------------------

    def _run(self, bare: n.Run, at: tuple[Span, str | None, str]) -> st.Stmt:
        name = bare.name.text
        decl = self.symbols.procs.get(name)
        if decl is None:
            if name in self.symbols.events:
                help = "an event is a call from outside; put the common part into a proc"
            else:
                help = did_you_mean(name, self.symbols.procs)
            self.error("LUO200", f"there is no proc or walk `{name}`", bare.name.span, help=help)
            raise Bad
        self.symbols.used.add(name)
        if name in self.running:
            self.error(
                "LUO211", f"`{name}` runs itself" + (f", through {self.running[-1]}" if self.running[-1] != name else ""), bare.span
            )
            raise Bad
        if len(bare.arguments) != len(decl.params):
            self.error("LUO210", f"`{name}` takes {plural(len(decl.params), 'argument')}, not {len(bare.arguments)}", bare.span)
            raise Bad
        arguments = []
        for param, argument in zip(decl.params, bare.arguments, strict=True):
            wanted = param_type(self.symbols, param)
            value = self.resolver.value(argument, optional(wanted) if wanted else None)
            if value is None:
                raise Bad
            arguments.append(self.no_ghost(value))
        bindings, body, inner = self._written_out(decl, arguments)
        result = self._result_of(bare, decl, inner)
        orelse = self._else(bare.orelse, catching=True)
        return st.Call(*at, name, bindings, body, inner[0] if inner else None, result, orelse)

    def _result_of(self, bare: n.Run, decl: n.ProcDecl | n.WalkDecl, inner: tuple[int, Type] | None) -> int | None:
        if bare.result is None:
            return None
        if inner is None:
            self.error("LUO202", f"`{decl.name}` gives no result", bare.result.span)
            return None
        return self.target(bare.result, inner[1])

    def _written_out(
        self, decl: n.ProcDecl | n.WalkDecl, arguments: list[e.Expr] | None
    ) -> tuple[tuple[tuple[int, e.Expr], ...], st.Block, tuple[int, Type] | None]:
        """Body of a proc or walk with fresh slots for its parameters; without arguments it is only checked."""
        saved_names, self.names.known = self.names.known, {}
        saved_place, self.place = self.place, Place(decl.name.text, in_rollback=self.place.in_rollback)
        self.running.append(decl.name.text)
        self.declared_locals.append([])
        result: tuple[int, Type] | None = None
        try:
            bindings: list[tuple[int, e.Expr]] = []
            for index, param in enumerate(decl.params):
                wanted = param_type(self.symbols, param)
                if wanted is None:
                    raise Bad
                slot = self.bind(param.name, wanted)
                if arguments is not None:
                    passed = arguments[index]
                    bindings.append((slot, passed))
                    if isinstance(passed, e.Var):
                        self.names.aliases[slot] = self.names.aliases.get(passed.slot, passed.slot)
            if isinstance(decl, n.ProcDecl):
                if decl.gives is not None:
                    result = self.declare_result(decl.gives)
                body = self.block(decl.body)
            else:
                walk = self._walk(decl)
                body = st.Block((walk,), (), decl.span)
            own = tuple(slot for slot in self.declared_locals[-1] if result is None or slot != result[0])
            body = st.Block(body.statements, body.locals + own, body.span)
            if result is not None and arguments is None:
                check_result(self, body, result[0], decl.gives)  # type: ignore[union-attr]
            return tuple(bindings), body, result
        finally:
            self.declared_locals.pop()
            self.running.pop()
            self.names.known, self.place = saved_names, saved_place

    def declare_result(self, gives: n.Gives) -> tuple[int, Type] | None:
        """The local for `gives x: T`; it may be none until it is set."""
        type_ = param_type(self.symbols, gives)
        if type_ is None:
            return None
        slot = self.bind(gives.name, optional(type_))
        self.place.results = ((gives.name.text, slot, type_),)
        return slot, optional(type_)

    def check_alone(self, decl: n.ProcDecl | n.WalkDecl) -> None:
        """Reports what is wrong in a proc or walk, also when nothing runs it."""
        try:
            self._written_out(decl, None)
        except Bad:
            pass

    def _walk(self, decl: n.WalkDecl) -> st.Walk:
        head = decl.head
        binders: list[st.OverSort | st.OverSeq] = []
        with self.names.inner():
            if isinstance(head, n.DrainsHead):
                sequence = self.resolver.place(head.sequence)
                if sequence is None or not isinstance(sequence.type, SeqT):
                    if sequence is not None:
                        self.error(
                            "LUO202", f"`drains` needs a sequence field, and this is {article(sequence.type)}", head.sequence.span
                        )
                    raise Bad
                slot = self.bind(head.name, ElemT(sequence.type.sort))
                binders.append(st.OverSeq(slot, self.no_ghost(sequence)))
                where, drains, walked, walked_slot = None, True, sequence, slot
            else:
                drains, walked, walked_slot = False, None, None
                for binder in head.binders:
                    made = self._binder(binder)
                    binders.append(made)
                    if isinstance(made, st.OverSeq) and isinstance(made.sequence, e.Read):
                        walked, walked_slot = made.sequence, made.slot
                where = self.condition(head.where) if head.where is not None else None
            with self.at_place(walked=walked, walked_slot=walked_slot):
                step = self.block(decl.statements, decl.span)
            rollback = None
            if decl.rollback is not None:
                with self.at_place(in_rollback=True):
                    rollback = st.Rollback(
                        decl.rollback.extent == "visited", decl.rollback.reversed, self.block(decl.rollback.body)
                    )
        own = tuple(binder.slot for binder in binders)
        step = st.Block(step.statements, step.locals, step.span)
        walk = st.Walk(
            decl.span, None, decl.name.text, decl.name.text, tuple(binders), where, head.reversed, drains, step, rollback
        )
        self.declared_locals[-1] += own
        return walk

    def _binder(self, binder: n.SortBinder | n.SeqBinder) -> st.OverSort | st.OverSeq:
        if isinstance(binder, n.SeqBinder):
            sequence = self.resolver.expr(binder.sequence, None)
            if not isinstance(sequence.type, SeqT):
                self.error(
                    "LUO202", f"a walk with `in` needs a sequence, and this is {article(sequence.type)}", binder.sequence.span
                )
                raise Bad
            return st.OverSeq(self.bind(binder.name, ElemT(sequence.type.sort)), self.no_ghost(sequence))
        sort = self.symbols.sort(binder.sort)
        if sort is None:
            raise Bad
        slot = self.bind(binder.name, ElemT(sort))
        match binder.order:
            case n.InOrder(span):
                if not sort.ordered:
                    self.error(
                        "LUO203",
                        f"elements of `{sort.name}` have no order to walk in",
                        binder.span,
                        help="write `in any order` or `along GRAPH`",
                    )
                return st.OverSort(slot, sort, "order", None)
            case n.Along(graph=name):
                graph = self.symbols.graphs.get(name.text)
                if graph is None:
                    self.symbols.unknown(f"`{name}` is no graph", name, self.symbols.graphs)
                    raise Bad
                self.symbols.used.add(name.text)
                if graph.sort is not sort:
                    self.error("LUO202", f"`{name}` is a graph on {graph.sort.name}, not on {sort.name}", name.span)
                return st.OverSort(slot, sort, "along", graph.index)
            case n.AnyOrder():
                return st.OverSort(slot, sort, "any", None)
        if not sort.ordered:
            self.error(
                "LUO216",
                f"in which order does this walk visit `{sort.name}`?",
                binder.span,
                help="write `in any order` or `along GRAPH`",
            )
        else:
            self.error("LUO216", f"in which order does this walk visit `{sort.name}`?", binder.span, help="write `in order`")
        return st.OverSort(slot, sort, "any", None)

    # ---- choosing and finding -----------------------------------------------------------------------------------

    def _choose(self, bare: n.Choose, at: tuple[Span, str | None, str]) -> st.Stmt:
        sort = self.symbols.sort(bare.sort)
        if sort is None:
            raise Bad
        orelse = self._else(bare.orelse, catching=False)
        slot = self.target(bare.name, ElemT(sort))
        where = self.condition(bare.where) if bare.where is not None else None
        return st.Choose(*at, slot, sort, where, orelse)

    def _find(self, bare: n.Find, at: tuple[Span, str | None, str]) -> st.Stmt:
        sequence = self.resolver.expr(bare.sequence, None)
        if not isinstance(sequence.type, SeqT):
            self.error("LUO202", f"`find` searches a sequence, and this is {article(sequence.type)}", bare.sequence.span)
            raise Bad
        self.no_ghost(sequence)
        orelse = self._else(bare.orelse, catching=False)
        slot = self.target(bare.name, ElemT(sequence.type.sort))
        where = self.condition(bare.where) if bare.where is not None else None
        return st.Find(*at, slot, sequence, where, orelse)

    # ---- writing ------------------------------------------------------------------------------------------------

    def _writable(self, place: e.Read, span: Span) -> Field:
        if place.field.lifetime is Lifetime.FIXED:
            self.error("LUO205", f"`{place.field.name}` is fixed: it is chosen once and never changes", span)
        if self.place.ghosts_only and not place.field.is_ghost:
            self.error(
                "LUO215", f"`on ... {{ }}` may only assign ghosts, and `{place.field.name}` is {place.field.lifetime.value}", span
            )
        for argument in place.arguments:
            if not place.field.is_ghost:
                self.no_ghost(argument)
        return place.field

    def _flow(self, target: Field, value: e.Expr) -> None:
        """A ghost's value may go into ghosts only."""
        if not target.is_ghost:
            self.no_ghost(value)

    def _one_writer(self, place: e.Read, value: e.Expr | None, span: Span) -> None:
        """In a forall, the place must name every bound element that the written value depends on."""
        if not self.place.in_forall:
            return
        named = {part.slot for a in place.arguments for part in e.walk(a) if isinstance(part, e.Var)}
        inside = {part.slot for part in e.walk(value) if isinstance(part, e.Var)} if value is not None else set()
        for slot in self.place.in_forall:
            if slot in inside and slot not in named:
                self.error(
                    "LUO206",
                    f"each element would write another value to `{place.field.name}`, and the last one would win",
                    span,
                    help="name the element in the place that is written, or use a walk",
                )

    def _assign(self, bare: n.Assign, at: tuple[Span, str | None, str]) -> list[st.Stmt]:
        if isinstance(bare.target, n.NameExpr):
            for result, slot, wanted in self.place.results:
                if result == bare.target.name.text:
                    if self.place.in_forall:
                        self.error("LUO206", "each element would give another result", bare.span)
                    found = self.resolver.expr(bare.value, optional(wanted))
                    self.resolver.require_type(found, optional(wanted))
                    return [st.Let(*at, slot, result, self.no_ghost(found))]
            if bare.target.name.text in self.names.known:
                self.error("LUO214", f"`{bare.target.name}` is a parameter or local and cannot be assigned", bare.target.span)
                raise Bad
        place = self.resolver.place(bare.target)
        if place is None:
            raise Bad
        target = self._writable(place, bare.target.span)
        wanted_type = optional(target.type)
        value = self.resolver.expr(bare.value, wanted_type)
        self.resolver.require_type(value, wanted_type)
        self._flow(target, value)
        self._one_writer(place, value, bare.span)
        return [st.Assign(*at, target, place.arguments, value)]

    def _collection(self, target: n.Expr, kinds: type[SetT] | type[SeqT] | tuple[type, ...]) -> e.Read:
        place = self.resolver.place(target)
        if place is None:
            raise Bad
        if not isinstance(place.type, kinds):
            wanted = {SetT: "set", SeqT: "sequence"}.get(kinds, "set or sequence") if isinstance(kinds, type) else "set or sequence"
            help = (
                "use `append ... to`"
                if isinstance(place.type, SeqT)
                else "use `add ... to`"
                if isinstance(place.type, SetT)
                else ""
            )
            self.error("LUO202", f"a {wanted} is needed here, and this is {article(place.type)}", target.span, help=help)
            raise Bad
        self._writable(place, target.span)
        return place

    def _insert(
        self, at: tuple[Span, str | None, str], item: n.Expr, target: n.Expr, kind: type[SetT] | type[SeqT]
    ) -> list[st.Stmt]:
        place = self._collection(target, kind)
        assert isinstance(place.type, SetT | SeqT)
        value = self.resolver.expr(item, ElemT(place.type.sort))
        self.resolver.require_type(value, ElemT(place.type.sort))
        self._flow(place.field, value)
        return [st.Insert(*at, place.field, place.arguments, value)]

    def _remove(self, at: tuple[Span, str | None, str], item: n.Expr, target: n.Expr) -> list[st.Stmt]:
        place = self._collection(target, (SetT, SeqT))
        assert isinstance(place.type, SetT | SeqT)
        value = self.resolver.expr(item, ElemT(place.type.sort))
        self.resolver.require_type(value, ElemT(place.type.sort))
        self._flow(place.field, value)
        walked = self.place.walked
        if (
            walked is not None
            and _same_place(walked, place)
            and not (isinstance(value, e.Var) and value.slot == self.place.walked_slot)
        ):
            self.error(
                "LUO224", "a walk's step may take only the current element off the list that it walks", at[0], help="use `drains`"
            )
        return [st.Remove(*at, place.field, place.arguments, value)]

    # ---- pools --------------------------------------------------------------------------------------------------

    def _new(self, bare: n.New, at: tuple[Span, str | None, str]) -> st.Stmt:
        if bare.sort is None:
            for result, slot, type_ in self.place.results:
                if result == bare.name.text and isinstance(type_, ElemT):
                    sort = type_.sort
                    break
            else:
                self.error("LUO200", f"of which sort is `{bare.name}`?", bare.name.span, help=f"write `new {bare.name}: SORT;`")
                raise Bad
        else:
            found = self.symbols.sort(bare.sort)
            if found is None:
                raise Bad
            sort = found
            slot = self.target(bare.name, ElemT(sort))
        if not sort.pool:
            self.error(
                "LUO215", f"elements of `{sort.name}` do not come and go", bare.span, help=f"declare `sort {sort.name} pool;`"
            )
        return st.New(*at, slot, sort)

    def _free(self, bare: n.Free, target: n.Expr, at: tuple[Span, str | None, str]) -> st.Stmt:
        found = self.resolver.expr(target, None)
        if not isinstance(found.type, ElemT) or not found.type.sort.pool:
            self.error("LUO215", f"only an element of a pool can be freed, and this is {article(found.type)}", target.span)
            raise Bad
        if self.place.in_forall and not (isinstance(found, e.Var) and found.slot in self.place.in_forall):
            self.error("LUO206", "a forall may free only its own element", target.span)
        return st.Free(*at, found.type.sort, self.no_ghost(found))

    # ---- the rest -----------------------------------------------------------------------------------------------

    def _forall(self, bare: n.Forall, at: tuple[Span, str | None, str]) -> st.Stmt:
        sort = self.symbols.sort(bare.sort)
        if sort is None:
            raise Bad
        self.declared_locals.append([])
        with self.names.inner():
            slot = self.bind(bare.name, ElemT(sort))
            where = self.condition(bare.where) if bare.where is not None else None
            with self.at_place(in_forall=(*self.place.in_forall, slot)):
                body = self.block(bare.body)
        own = self.declared_locals.pop()
        self.declared_locals[-1] += own
        return st.Forall(*at, slot, sort, where, body)

    def _assert(
        self, span: Span, label: str | None, name: n.Name, doc: n.Text | None, condition: n.Expr, kind: Kind
    ) -> list[st.Stmt]:
        before = self.claims.asserts.get(name.text)
        if before is not None and before.span != span:
            self.symbols.diagnostics.error(
                "LUO201", f"there is a claim `{name}` already", name.span, also=((before.span, "first claim"),)
            )
        elif before is None:
            self.symbols.allowed(name)
            self.claims.asserts[name.text] = Property(name.text, kind, doc.text if doc else "", span)
        self.resolver.old_allowed = True
        try:
            found = self.resolver.boolean(condition)
        finally:
            self.resolver.old_allowed = False
        return [st.Assert(span, label, self.place.name, name.text, found)]

    def _lock(self, ref: n.LockRef, shared: bool, taking: bool = True) -> tuple[Lock, e.Expr | None]:
        lock = self.symbols.locks.get(ref.name.text)
        if lock is None:
            self.symbols.unknown(f"`{ref.name}` is no lock", ref.name, self.symbols.locks)
            raise Bad
        if taking:
            self.symbols.used.add(ref.name.text)
        if shared and not lock.rw:
            self.error("LUO228", f"`{ref.name}` is a mutex and cannot be taken shared", ref.span, help="declare it `rwlock`")
        owner = None
        if lock.owner is not None:
            if ref.owner is None:
                self.error("LUO228", f"`{ref.name}` exists once per {lock.owner.name}", ref.span, help=f"write `{ref.name}(x)`")
                raise Bad
            owner = self.resolver.expr(ref.owner, ElemT(lock.owner, optional=True))
            self.resolver.require_type(owner, ElemT(lock.owner, optional=True))
            self.no_ghost(owner)
        elif ref.owner is not None:
            self.error("LUO228", f"`{ref.name}` exists once and has no owner", ref.span)
        return lock, owner

    def _reboot(self, at: tuple[Span, str | None, str]) -> st.Stmt:
        if self.place.name == "boot":
            self.error("LUO215", "`boot` cannot reboot", at[0])
            raise Bad
        if self.boot is None:
            return st.Reboot(*at, st.Block((), (), at[0]))
        saved_names, self.names.known = self.names.known, {}
        saved_place, self.place = self.place, Place("boot")
        try:
            return st.Reboot(*at, self.block(self.boot.body))
        finally:
            self.names.known, self.place = saved_names, saved_place


def _same_place(left: e.Read, right: e.Read) -> bool:
    """Do two places look the same?  (Another expression for the same cell is found at run time as a stale iteration.)"""
    return left.field is right.field and all(
        isinstance(a, e.Var) and isinstance(b, e.Var) and a.slot == b.slot
        for a, b in zip(left.arguments, right.arguments, strict=True)
    )


# ---- is the result set? -----------------------------------------------------------------------------------------


def check_result(resolver: BodyResolver, body: st.Block, slot: int, gives: n.Gives) -> None:
    """Every path that ends with OK must have set the result."""
    open_stops: list[Span] = []
    if _assigned(body, slot, False, open_stops) is False:
        open_stops.append(gives.span)
    for span in open_stops:
        resolver.error("LUO213", f"the result `{gives.name}` is not set on a path that ends with OK", span)


def _assigned(block: st.Block, slot: int, before: bool, stops: list[Span]) -> bool | None:
    """Is the slot set when control falls off the end of the block?  None: it never does."""
    now: bool | None = before
    for stmt in block.statements:
        assert now is not None
        match stmt:
            case st.Fail() | st.Panic():
                return None
            case st.Stop():
                if not now:
                    stops.append(stmt.span)
                return None
            case st.Let(slot=written) | st.New(slot=written):
                now = now or written == slot
            case st.Choose(slot=written, orelse=orelse) | st.Find(slot=written, orelse=orelse):
                found = now or written == slot
                now = found if orelse is None else _both(found, _assigned(orelse, slot, now, stops))
            case st.Call(result_to=written, orelse=orelse):
                done = now or written == slot
                now = done if orelse is None else _both(done, _assigned(orelse, slot, now, stops))
            case st.If(then=then, orelse=orelse) | st.Sometimes(then=then, orelse=orelse):
                other = now if orelse is None else _assigned(orelse, slot, now, stops)
                now = _both(_assigned(then, slot, now, stops), other)
        if now is None:
            return None
    return now


def _both(left: bool | None, right: bool | None) -> bool | None:
    if left is None:
        return right
    return left if right is None else left and right
