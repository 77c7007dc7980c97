"""Meaning of statements: each becomes a function of a run.

It returns None when the run goes on with the next statement, a list when the run forks, or an outcome when it ends.  Everything that can
go wrong in an expression happens before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import CountT, ElemT, Field, SeqT, SetT, Sort
from luocheck.model.semantics.bodies import Bodies, CallCode, Op
from luocheck.model.semantics.explain import Explainer
from luocheck.model.semantics.expressions import Code, Oops
from luocheck.model.semantics.forall import ForallCode
from luocheck.model.semantics.lifetimes import draws
from luocheck.model.semantics.locks import acquire, give_back, keep
from luocheck.model.semantics.run import CALL, SEQ, WALK, Run
from luocheck.model.semantics.store import Store, live_index
from luocheck.model.semantics.walks import WalkCode
from luocheck.model.source import Span

if TYPE_CHECKING:
    pass


class Program(Bodies):
    """The code of all bodies of a system for one scope."""

    def block(self, block: st.Block) -> int:
        return self._add_block(tuple(self._statement(stmt) for stmt in block.statements), block.locals)

    def optional_block(self, block: st.Block | None) -> int | None:
        return self.block(block) if block is not None else None

    def walk_code(self, stmt: st.Walk) -> WalkCode:
        return WalkCode(self, stmt)

    def _statement(self, stmt: st.Stmt) -> Op:
        made: Op = getattr(self, self._cases[type(stmt)])(stmt)
        return made

    def _fail(self, stmt: st.Fail) -> Op:
        machine, label, line, errno = self.machine, stmt.label, self.line(stmt), stmt.errno
        code = self.expr(errno) if isinstance(errno, e.Expr) else None
        fixed = None if isinstance(errno, e.Expr) else errno
        text, span = stmt.place, stmt.span

        def fail(run: Run) -> Any:
            value: str | None = fixed if code is None else code(run.store, run.env)
            run.lines += (line,)
            if value is None:
                value = machine.caught(run)
                run.note("fail", text, value, span)
                return machine.unwind(run, value)
            run.note("fail", text, value, span)
            return machine.fail(run, value, label)

        return fail

    def _panic(self, stmt: st.Panic) -> Op:
        machine, label, line = self.machine, stmt.label, self.line(stmt)

        def panic(run: Run) -> Any:
            run.lines += (line,)
            return machine.panic(run, label)

        return panic

    def _if(self, stmt: st.If) -> Op:
        condition, then, orelse = self.expr(stmt.condition), self.block(stmt.then), self.optional_block(stmt.orelse)

        def branch(run: Run) -> None:
            if condition(run.store, run.env):
                run.frames.append((SEQ, then, 0, ()))
            elif orelse is not None:
                run.frames.append((SEQ, orelse, 0, ()))

        return branch

    def _sometimes(self, stmt: st.Sometimes) -> Op:
        condition = self.expr(stmt.condition) if stmt.condition is not None else None
        then, orelse = self.block(stmt.then), self.optional_block(stmt.orelse)

        def sometimes(run: Run) -> Any:
            usual = run
            if condition is None or condition(run.store, run.env):
                usual, faulty = run, run.fork()
                faulty.faults += 1
                faulty.frames.append((SEQ, then, 0, ()))
                if orelse is not None:
                    usual.frames.append((SEQ, orelse, 0, ()))
                return [usual, faulty]
            if orelse is not None:
                run.frames.append((SEQ, orelse, 0, ()))
            return None

        return sometimes

    def _require(self, stmt: st.Require) -> Op:
        condition = self.expr(stmt.condition)

        def require(run: Run) -> Any:
            return None if condition(run.store, run.env) else []

        return require

    def _cut(self, stmt: st.Cut) -> Op:
        condition, machine = self.expr(stmt.condition), self.machine
        what = stmt.label or stmt.span.text

        def cut(run: Run) -> Any:
            return machine.cut(run, what) if condition(run.store, run.env) else None

        return cut

    def _await(self, stmt: st.Await) -> Op:
        condition, machine, errno = self.expr(stmt.condition), self.machine, stmt.errno
        label, line = self.step_label(stmt), self.line(stmt)
        self.await_labels.add(label)
        signal = self._add_block((lambda run: machine.fail(run, errno or "", stmt.label),))

        def wait(run: Run) -> Any:
            if condition(run.store, run.env):
                return None
            if errno is None:
                return machine.blocked(run, label)
            interrupted = run.fork()
            interrupted.faults += 1
            interrupted.lines += (line,)
            interrupted.frames.append((SEQ, signal, 0, ()))
            return [machine.blocked(run, label), interrupted]

        return wait

    def _call(self, stmt: st.Call) -> Op:
        bindings = [(slot, self.expr(value)) for slot, value in stmt.bindings]
        body, orelse = self.block(stmt.body), self.optional_block(stmt.orelse)
        self.calls.append(CallCode(stmt, orelse))
        frame = (CALL, len(self.calls) - 1)
        start = (SEQ, body, 0, ())

        def call(run: Run) -> None:
            env = run.env
            values = [value(run.store, env) for _, value in bindings]
            for (slot, _), value in zip(bindings, values, strict=True):
                env[slot] = value
            run.frames.append(frame)
            run.frames.append(start)

        return call

    def _choose(self, stmt: st.Choose) -> Op:
        slot, sort = stmt.slot, stmt.sort
        where = self.expr(stmt.where) if stmt.where is not None else None
        orelse = self.optional_block(stmt.orelse)

        def choose(run: Run) -> Any:
            found = []
            for x in run.store.elements(sort):
                run.env[slot] = x
                if where is None or where(run.store, run.env):
                    found.append(x)
            run.env[slot] = None
            if not found:
                if orelse is None:
                    return []
                run.frames.append((SEQ, orelse, 0, ()))
                return None
            return self._each(run, slot, found)

        return choose

    def _each(self, run: Run, slot: int, found: list[int]) -> Any:
        """The run for each of some values of a local."""
        if len(found) == 1:
            run.env[slot] = found[0]
            return None
        runs = []
        for x in found:
            other = run.fork()
            other.env[slot] = x
            runs.append(other)
        return runs

    def _find(self, stmt: st.Find) -> Op:
        slot, sequence = stmt.slot, self.expr(stmt.sequence)
        where = self.expr(stmt.where) if stmt.where is not None else None
        orelse = self.optional_block(stmt.orelse)

        def find(run: Run) -> Any:
            items = sequence(run.store, run.env)
            for x in items:
                run.env[slot] = x
                if where is None or where(run.store, run.env):
                    return None
            run.env[slot] = None
            if orelse is None:
                return []
            run.frames.append((SEQ, orelse, 0, ()))
            return None

        return find

    def place(self, field: Field, arguments: tuple[e.Expr, ...], span: Span) -> Code:
        """Code for the cell that is written."""
        codes = [self.expr(a) for a in arguments]
        index = field.index
        pools = [(p, live_index(self.system, o)) for p, o in enumerate(field.owners) if isinstance(o, Sort) and o.pool]
        if not codes:
            key = (index,)
            return lambda s, env: key

        def place(s: Store, env: list[Any]) -> tuple[int, ...]:
            key = (index, *[code(s, env) for code in codes])
            if None in key:
                raise Oops("null_dereference", span)
            for position, alive in pools:
                if (alive, key[position + 1]) not in s:
                    raise Oops("use_after_free", span)
            return key

        return place

    def converted(self, field: Field, value: e.Expr, span: Span) -> Code:
        """Code for the value that is written, with the checks of the field's type."""
        code = self.expr(value)
        match field.type:
            case CountT(limit):

                def count(s: Store, env: list[Any]) -> int:
                    number: int = code(s, env)
                    if not 0 <= number <= limit:
                        raise Oops("count_range", span)
                    return number

                return count
            case ElemT(optional=False):

                def element(s: Store, env: list[Any]) -> int:
                    x = code(s, env)
                    if x is None:
                        raise Oops("null_dereference", span)
                    return x  # type: ignore[no-any-return]

                return element
            case SetT():

                def members(s: Store, env: list[Any]) -> frozenset[int]:
                    found = frozenset(code(s, env))
                    if None in found:
                        raise Oops("null_dereference", span)
                    return found

                return members
            case SeqT():
                return lambda s, env: tuple(code(s, env))
        return code

    def _assign(self, stmt: st.Assign) -> Op:
        place = self.place(stmt.field, stmt.arguments, stmt.span)
        value = self.converted(stmt.field, stmt.value, stmt.span)
        default = self.instance.defaults[stmt.field.index]

        def assign(run: Run) -> None:
            key = place(run.store, run.env)
            written = value(run.store, run.env)
            run.own().write(key, written, default)

        return assign

    def _let(self, stmt: st.Let) -> Op:
        slot, value = stmt.slot, self.expr(stmt.value)

        def let(run: Run) -> None:
            run.env[slot] = value(run.store, run.env)

        return let

    def _insert(self, stmt: st.Insert) -> Op:
        place, item = self.place(stmt.field, stmt.arguments, stmt.span), self.expr(stmt.item)
        default, is_set, span = self.instance.defaults[stmt.field.index], isinstance(stmt.field.type, SetT), stmt.span

        def insert(run: Run) -> None:
            key, x = place(run.store, run.env), item(run.store, run.env)
            if x is None:
                raise Oops("null_dereference", span)
            now: Any = run.store.value(key, default)
            if x not in now:
                run.own()[key] = now | {x} if is_set else (*now, x)

        return insert

    def _remove(self, stmt: st.Remove) -> Op:
        item, take = self.expr(stmt.item), self.remove_code(stmt.field, stmt.arguments, stmt.span)
        return lambda run: take(run, item(run.store, run.env))

    def remove_code(self, field: Field, arguments: tuple[e.Expr, ...], span: Span) -> Callable[[Run, int], None]:
        """Code that takes a member out of a set or sequence, when it is in there."""
        place = self.place(field, arguments, span)
        default, is_set = self.instance.defaults[field.index], isinstance(field.type, SetT)

        def remove(run: Run, x: int) -> None:
            key = place(run.store, run.env)
            now: Any = run.store.value(key, default)
            if x in now:
                run.own().write(key, now - {x} if is_set else tuple(y for y in now if y != x), default)

        return remove

    def _new(self, stmt: st.New) -> Op:
        slot, sort, machine = stmt.slot, stmt.sort, self.machine
        alive, fields = live_index(self.system, sort), list(self.system.fields)
        has_draws = any(f.drawn and sort in f.owners for f in fields)

        def new(run: Run) -> Any:
            x = run.store.first_dead(sort, run)
            if x is None:
                return machine.cut(run, f"new {sort.name}")
            store = run.own()
            store[alive, x] = True
            run.env[slot] = x
            if not has_draws:
                return None
            runs = []
            for drawn in draws(store, fields, fixed=False, only=(sort, x)):
                other = run.fork()
                other.store = drawn
                runs.append(other)
            return runs

        return new

    def _free(self, stmt: st.Free) -> Op:
        target, sort, span = self.expr(stmt.target), stmt.sort, stmt.span
        alive = live_index(self.system, sort)

        def free(run: Run) -> None:
            x = target(run.store, run.env)
            if x is None:
                raise Oops("null_dereference", span)
            if (alive, x) not in run.store:
                raise Oops("use_after_free", span)
            run.own().free(sort, x)

        return free

    def _forall(self, stmt: st.Forall) -> Op:
        return ForallCode(self, stmt).run

    def _assert(self, stmt: st.Assert) -> Op:
        condition, name, line, span = self.expr(stmt.condition), stmt.name, self.line(stmt), stmt.span

        def check(run: Run) -> None:
            run.lines += (line,)
            if not condition(run.store, run.env):
                run.findings = (*run.findings, (name, span))
                if run.notes is not None:
                    for clause in Explainer(run.store, list(run.env)).why(stmt.condition, False):
                        run.note("broken", name, clause.sentence, clause.span)

        return check

    def _walk(self, stmt: st.Walk) -> Op:
        walk = self.walk_code(stmt)
        walk.index = len(self.walks)  # after the walks inside of it have got theirs
        self.walks.append(walk)

        def begin(run: Run) -> None:
            elements = walk.sequence(run)
            run.frames.append((WALK, walk.index, elements, elements, (), None))

        return begin

    def _acquire(self, stmt: st.Acquire) -> Op:
        return acquire(self, stmt)

    def _give_back(self, stmt: st.GiveBack) -> Op:
        return give_back(self, stmt)

    def _keep(self, stmt: st.Keep) -> Op:
        return keep(self, stmt)

    def _reboot(self, stmt: st.Reboot) -> Op:
        boot, machine, place, span = self.block(stmt.boot), self.machine, stmt.place, stmt.span

        def reboot(run: Run) -> Any:
            run.note("kexec", place, "", span)
            return machine.reboot(run, boot)

        return reboot

    def _stop(self, stmt: st.Stop) -> Op:
        return self.machine.stop

    def _step(self, stmt: st.Step) -> Op:
        machine, label = self.machine, self.step_label(stmt)

        def step(run: Run) -> Any:
            return machine.suspend(run, label) if run.stepwise else None

        return step

    def _skip(self, stmt: st.Skip) -> Op:
        return lambda run: None

    def _arguments(self, stmt: st.Arguments) -> Op:
        return lambda run: None

    _cases: ClassVar[dict[type[st.Stmt], str]] = {
        st.Fail: "_fail",
        st.Panic: "_panic",
        st.If: "_if",
        st.Sometimes: "_sometimes",
        st.Require: "_require",
        st.Cut: "_cut",
        st.Await: "_await",
        st.Call: "_call",
        st.Choose: "_choose",
        st.Find: "_find",
        st.Assign: "_assign",
        st.Let: "_let",
        st.Insert: "_insert",
        st.Remove: "_remove",
        st.New: "_new",
        st.Free: "_free",
        st.Forall: "_forall",
        st.Assert: "_assert",
        st.Walk: "_walk",
        st.Acquire: "_acquire",
        st.GiveBack: "_give_back",
        st.Keep: "_keep",
        st.Reboot: "_reboot",
        st.Stop: "_stop",
        st.Step: "_step",
        st.Skip: "_skip",
        st.Arguments: "_arguments",
    }
