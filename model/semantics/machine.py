"""Meaning of events: all ways in which a call can end, executed one statement after the other.

A body is executed by a machine with an explicit control stack (`run.Frame`).  Where the text leaves a choice, the run forks; nothing
else about it is non-deterministic.  A call that a scope cuts into steps stops at `step;` and where it has to wait, and its stack becomes
part of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import Any

from luocheck.model.instances import Instance
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, PANIC, Event
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Type
from luocheck.model.semantics.enabling import Enabling
from luocheck.model.semantics.expressions import Oops
from luocheck.model.semantics.lifetimes import after_reboot, draws
from luocheck.model.semantics.locks import hold_for_ever
from luocheck.model.semantics.run import (
    BOOT,
    CALL,
    CATCH,
    NOBODY,
    SEQ,
    UNDO,
    WALK,
    Continuation,
    Frame,
    Held,
    Outcome,
    Run,
)
from luocheck.model.semantics.statements import Program
from luocheck.model.semantics.store import Store, call_index

Forks = list[Run | Outcome]

Arguments = tuple[Any, ...]
"""Values of an event's parameters, then of its hidden arguments."""


class Machine:
    """Executes the events of a system in the instances of one scope.

    `notes`: collect what happened inside of calls, for reports.
    """

    def __init__(self, instance: Instance, *, notes: bool = False) -> None:
        self.system = instance.system
        self.scope = instance.scope
        self.sizes = instance.sizes
        self.notes = notes
        self.program = self.make_program(instance)
        self.calls = call_index(self.system)
        self.stepwise = tuple(event.name in instance.scope.stepwise for event in self.system.events)
        self.bodies = tuple(self.program.block(event.body) for event in self.system.events)
        self.effects = tuple(
            tuple((effect.pattern, self.program.block(effect.body)) for effect in event.effects) for event in self.system.events
        )
        expr = self.program.expr
        self.requires = tuple(tuple(expr(r.condition) for r in _leading_requires(e.body)) for e in self.system.events)
        self.boot = self.program.block(self.system.boot) if self.system.boot is not None else None
        self.kept_for_old = tuple(self.program.fields_under_old(event) for event in self.system.events)

    def make_program(self, instance: Instance) -> Program:
        return Program(instance, self)

    @cached_property
    def enabling(self) -> tuple[Enabling, ...]:
        """For each event; not needed where calls are given with their arguments."""
        expr = self.program.expr
        return tuple(Enabling(e, [r.condition for r in _leading_requires(e.body)], expr) for e in self.system.events)

    # ---- starting and continuing --------------------------------------------------------------------------------

    def initial(self, instance: Instance) -> list[Store]:
        """All initial states: fixed choices given, `any` drawn, boot run."""
        found: list[Store] = []
        for start in draws(Store(instance, instance.fixed), list(self.system.fields), fixed=False):
            if self.boot is None:
                found.append(start)
                continue
            env = [None] * len(self.system.boot_slots)
            run = Run(None, start, env, [(SEQ, self.boot, 0, ())], NOBODY, False, self.notes)
            found += [outcome.store for outcome in self.outcomes_of(run) if outcome.kind == "returns"]
        distinct = {frozenset(store.items()): store for store in found}
        return list(distinct.values())

    def arguments(self, event: Event, store: Store) -> Iterator[Arguments]:
        """All argument tuples of an event in a state, in the order of the elements."""
        return product(*self._all_options(event, store))

    def candidates(self, event: Event, store: Store, pulse: Callable[[], None]) -> Iterator[Arguments]:
        """Those of `arguments` with which no leading `require` rules the call out.  pulse: called now and then."""
        return self.enabling[event.index].among(self._all_options(event, store), store, pulse)

    def _all_options(self, event: Event, store: Store) -> list[Any]:
        return [*(self._options(p.type, store) for p in event.parameters), *[(False, True)] * len(event.predicates)]

    def _options(self, type_: Type, store: Store) -> Any:
        match type_:
            case ElemT(sort):
                return store.elements(sort)
            case EnumT(enum):
                return range(len(enum.members))
            case BoolT():
                return (False, True)
        raise AssertionError(type_)

    def environment(self, event: Event, arguments: Arguments, store: Store) -> list[Any]:
        env: list[Any] = [None] * len(event.slots)
        env[0] = store
        for slot, value in zip(event.argument_slots, arguments, strict=True):
            env[slot] = value
        return env

    def enabled(self, event: Event, env: list[Any], store: Store) -> bool:
        """Can the call be made at all?  Not while its caller is inside another one, nor when a `require` says no.

        A `require` that does what no code may do says nothing: it is met again, and found, when the body runs.
        """
        if event.caller is not None and (self.calls, env[event.caller]) in store:
            return False
        try:
            return all(require(store, env) for require in self.requires[event.index])
        except Oops:
            return True

    def call(self, event: Event, arguments: Arguments, store: Store) -> list[Outcome]:
        """All ways in which a call can end, or come to its first stop, when it is made in a state; empty when it cannot be made."""
        env = self.environment(event, arguments, store)
        if not self.enabled(event, env, store):
            return []
        caller = env[event.caller] if event.caller is not None else NOBODY
        stepwise = self.stepwise[event.index]
        run = Run(event, store, env, [(SEQ, self.bodies[event.index], 0, ())], caller, stepwise, self.notes)
        return self.outcomes_of(run)

    def resume(self, caller: int, store: Store) -> list[Outcome]:
        """All ways in which the call that a caller is inside can go on; empty when it has to wait."""
        cell = (self.calls, caller)
        waiting: Continuation = store[cell]
        event = self.system.events[waiting.event]
        run = Run(event, store, list(waiting.env), list(waiting.frames), caller, True, self.notes)
        run.env[0] = Store(store.instance, dict(waiting.kept_old))
        own = run.own()
        del own[cell]
        for lock, shared in waiting.held:
            _drop_holder(own, lock, caller, shared)
        run.held = waiting.held
        return [o for o in self.outcomes_of(run) if not (o.kind == "suspends" and o.store == store)]

    def event_inside(self, caller: int, store: Store) -> tuple[Event, Arguments, str]:
        """The call that a caller is inside: its event, its arguments, and where it stopped."""
        waiting: Continuation = store[self.calls, caller]
        event = self.system.events[waiting.event]
        return event, tuple(waiting.env[slot] for slot in event.argument_slots), waiting.label

    # ---- executing ----------------------------------------------------------------------------------------------

    def outcomes_of(self, run: Run) -> list[Outcome]:
        """Runs to all ends, forks in the order of the text."""
        found: list[Outcome] = []
        todo: list[Run | Outcome] = [run]
        while todo:
            each = todo.pop()
            if isinstance(each, Outcome):
                found.append(each)
                continue
            result = self._proceed(each)
            if isinstance(result, Outcome):
                found.append(result)
            else:
                todo.extend(reversed(result))
        return found

    def _proceed(self, run: Run) -> Forks | Outcome:
        """Executes until the run forks (possibly into nothing) or ends."""
        frames = run.frames
        blocks = self.program.blocks
        try:
            while frames:
                frame = frames[-1]
                if frame[0] == SEQ:
                    _, block, index, guards = frame
                    code = blocks[block]
                    if index < len(code):
                        frames[-1] = (SEQ, block, index + 1, guards)
                        result: Forks | Outcome | None = code[index](run)
                        if result is not None:
                            return result
                    else:
                        frames.pop()
                        self._leave(run, block, guards)
                else:
                    result = self._advance(run, frame)
                    if result is not None:
                        return result
            return self._end(run)
        except Oops as oops:
            run.findings = (*run.findings, (oops.claim, oops.span))
            return self._outcome(run, "oops", OK, None)

    def _advance(self, run: Run, frame: Frame) -> Forks | Outcome | None:
        match frame[0]:
            case 2:  # CATCH: the else block fell off its end, so the errno is swallowed
                run.frames.pop()
            case 1:  # CALL
                run.frames.pop()
                self.program.give_result(run, frame[1])
            case 3:  # WALK
                going_on: Forks | None = self.program.walks[frame[1]].advance(run, frame)
                return going_on
            case 4:  # UNDO
                undoing: Forks | Outcome | None = self.program.walks[frame[1]].undo(run, frame)
                return undoing
            case _:
                run.frames.pop()
        return None

    def _leave(self, run: Run, block: int, guards: tuple[Held, ...]) -> None:
        """A block ends, however it ends: its locals die and its guards are given back."""
        for slot in self.program.locals[block]:
            run.env[slot] = None
        if guards:
            held = list(run.held)
            for guard in guards:
                if guard in held:
                    held.remove(guard)
            run.held = tuple(held)

    def fail(self, run: Run, errno: str, label: str | None) -> Forks | Outcome | None:
        """Unwinds to the nearest `else`, running the rollbacks of the walks on the way."""
        run.label = label
        return self.unwind(run, errno)

    def unwind(self, run: Run, errno: str) -> Forks | Outcome | None:
        frames = run.frames
        while frames:
            frame = frames.pop()
            kind = frame[0]
            if kind == SEQ:
                self._leave(run, frame[1], frame[3])
            elif kind == CALL:
                call = self.program.calls[frame[1]]
                if call.result is not None:
                    run.env[call.result] = None
                if call.orelse is not None:
                    frames.append((CATCH, errno, run.label))
                    frames.append((SEQ, call.orelse, 0, ()))
                    return None
            elif kind == WALK:
                walk = self.program.walks[frame[1]]
                if walk.rollback is not None:
                    frames.append((UNDO, frame[1], walk.to_undo(frame), errno, run.label))
                    return None
                walk.clear(run)
        return self._end(run, errno)

    def stop(self, run: Run) -> None:
        """Ends the proc, the walk's step, boot, or the event, with OK."""
        frames = run.frames
        while frames:
            kind = frames[-1][0]
            if kind in (WALK, UNDO, BOOT, CALL):
                return
            frame = frames.pop()
            if kind == SEQ:
                self._leave(run, frame[1], frame[3])

    def caught(self, run: Run) -> str:
        """The errno that the innermost `else` caught; the run fails at its label again."""
        for frame in reversed(run.frames):
            if frame[0] == CATCH:
                run.label = frame[2]
                return frame[1]  # type: ignore[no-any-return]
        raise AssertionError("a bare fail outside of else")

    def panic(self, run: Run, label: str | None) -> Outcome:
        return self._outcome(run, "panic", PANIC, label)

    def cut(self, run: Run, what: str) -> Outcome:
        return self._outcome(run, "cut", OK, what)

    # ---- ending -------------------------------------------------------------------------------------------------

    def _end(self, run: Run, errno: str = OK) -> Forks | Outcome:
        """The body is done: ghosts from outside happen, then the call returns."""
        if run.ending is None:
            label = run.label if errno != OK else None
            run.ending = (errno, label)
            if run.event is not None:
                for pattern, block in self.effects[run.event.index]:
                    if pattern.matches(run.event, errno, label):
                        run.frames.append((SEQ, block, 0, ()))
                if run.frames:
                    run.frames.reverse()
                    return self._proceed(run)
        errno, label = run.ending
        if run.held:
            run.findings = (*run.findings, ("held_at_return", run.event.span if run.event else self.system.span))
            store = run.own()
            for lock, _ in run.held:
                hold_for_ever(store, lock, shared=False)
        return self._outcome(run, "returns", errno, label)

    def _outcome(self, run: Run, kind: str, errno: str, label: str | None) -> Outcome:
        return Outcome(kind, errno, label, run.store, run.faults, run.findings, run.lines, run.env, run.notes or ())

    def blocked(self, run: Run, label: str) -> Outcome:
        """The current statement has to wait.  It has not happened: it is executed again when the call goes on."""
        _, block, index, guards = run.frames[-1]
        run.frames[-1] = (SEQ, block, index - 1, guards)
        return self.suspend(run, label) if run.stepwise else self._outcome(run, "blocks", OK, label)

    def suspend(self, run: Run, label: str) -> Outcome:
        """The call stops here and becomes part of the state."""
        event = run.event
        assert event is not None
        store = run.own()
        for lock, shared in run.held:
            _add_holder(store, lock, run.caller, shared)
        env = [None if type_ is None else value for type_, value in zip(event.slots, run.env, strict=True)]
        kept = self.kept_for_old[event.index]
        old = frozenset((cell, value) for cell, value in run.env[0].items() if cell[0] in kept)
        store[self.calls, run.caller] = Continuation(event.index, tuple(env), tuple(run.frames), run.held, old, label)
        return self._outcome(run, "suspends", OK, label)

    # ---- kexec --------------------------------------------------------------------------------------------------

    def reboot(self, run: Run, boot: int) -> Forks:
        """Applies every lifetime, then runs boot.  Forks over what is drawn anew."""
        run.held = ()
        run.frames = [_without_guards(frame) for frame in run.frames]
        started = after_reboot(run.store)
        runs: Forks = []
        for store in self.drawn_anew(started):
            other = run.fork()
            other.store, other.owned = store, True
            other.frames.append((BOOT,))
            other.frames.append((SEQ, boot, 0, ()))
            runs.append(other)
        return runs

    def drawn_anew(self, started: Store) -> Iterable[Store]:
        """A state after kexec, with every value of what each kernel draws for itself."""
        return draws(started, list(self.system.fields), fixed=False)


def _without_guards(frame: Frame) -> Frame:
    return (*frame[:3], ()) if frame[0] == SEQ else frame


def _add_holder(store: Store, lock: Any, caller: int, shared: bool) -> None:
    mode, holders = store.get(lock, ("s" if shared else "x", ()))
    store[lock] = (mode, tuple(sorted((*holders, caller))))


def _drop_holder(store: Store, lock: Any, caller: int, shared: bool) -> None:
    mode, holders = store[lock]
    left = list(holders)
    left.remove(caller)
    if left:
        store[lock] = (mode, tuple(left))
    else:
        del store[lock]


def _leading_requires(body: st.Block) -> list[st.Require]:
    """The `require`s that an event begins with, as far as they need nothing but its parameters."""
    found: list[st.Require] = []
    for stmt in body.statements:
        if isinstance(stmt, st.Require):
            found.append(stmt)
        elif not isinstance(stmt, st.Skip | st.Arguments):
            break
    return found
