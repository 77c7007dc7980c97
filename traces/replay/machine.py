"""Execution of a recorded call: all ways in which it can have ended, in a state that is decided as far as the evidence goes."""

from __future__ import annotations

from typing import Any, Protocol

from luocheck.model.instances import Instance
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, Event
from luocheck.model.semantics.machine import Arguments, Forks, Machine
from luocheck.model.semantics.run import NOBODY, SEQ, Frame, Outcome, Run
from luocheck.model.semantics.statements import Program
from luocheck.traces.replay.cells import ENDED, PENDING
from luocheck.traces.replay.deciding import Undecided
from luocheck.traces.replay.statements import DEMAND, LazyProgram
from luocheck.traces.replay.world import Beginning, World, WorldStore


class Bytes(Protocol):
    """What is known of the bytes that a call was made with."""

    def refusals(self) -> tuple[str | None, ...]:
        """How the checks of the argument's bytes can end: errnos, None for going on."""


class ReplayMachine(Machine):
    """Executes recorded calls.  `bytes` belongs to the call that is being executed."""

    def __init__(self, world: World) -> None:
        super().__init__(world.instance)
        self.world = world
        self.bytes: Bytes | None = None
        self.effects = tuple(() for _ in self.system.events)
        self.checks_first = tuple(
            not any(isinstance(stmt, st.Arguments) for stmt in st.statements(event.body)) for event in self.system.events
        )

    def make_program(self, instance: Instance) -> Program:
        return LazyProgram(instance, self)

    def beginnings(self) -> list[WorldStore]:
        """The states that the recording can begin with."""
        start = self.world.start()
        return [start] if self.world.beginning is Beginning.RUNNING else self.booted(start)

    def booted(self, start: WorldStore) -> list[WorldStore]:
        """The states after `boot` in a state."""
        if self.boot is None or self.system.boot is None:
            return [start]
        env: list[Any] = [None] * len(self.system.boot_slots)
        run = Run(None, start, env, [(SEQ, self.boot, 0, ())], NOBODY, False, False)
        return [_settled(outcome) for outcome in self.outcomes_of(run) if outcome.kind == "returns"]

    def ends(self, event: Event, arguments: Arguments, store: WorldStore, given: Bytes | None) -> list[Outcome]:
        """All ways in which a call can end.  A call that would wait, or that no state allows to be made, has none."""
        self.bytes = given
        env = self.environment(event, arguments, store)
        caller = env[event.caller] if event.caller is not None else NOBODY
        run = Run(event, store, env, [(SEQ, self.bodies[event.index], 0, ())], caller, False, False)
        starts: Forks = [run]
        if self.checks_first[event.index]:
            starts = self.check_arguments(run) or [run]
        found: list[Outcome] = []
        for start in starts:
            found += [start] if isinstance(start, Outcome) else self.outcomes_of(start)
        return [outcome for outcome in found if outcome.kind == "returns"]

    def check_arguments(self, run: Run) -> Forks | None:
        """The checks of the argument's bytes happen here."""
        if self.bytes is None:
            return None
        runs: Forks = []
        for errno in self.bytes.refusals():
            other = run.fork()
            if errno is None:
                runs.append(other)
                continue
            result = self.fail(other, errno, None)
            if result is None:
                runs.append(other)
            else:
                runs += [result] if isinstance(result, Outcome) else result
        return runs

    def kernel_ends(self, run: Run) -> Outcome:
        """kexec: what comes after is another recording."""
        run.held = ()
        run.frames.clear()
        run.own()[ENDED,] = True
        return Outcome("returns", OK, None, run.store, run.faults, run.findings, run.lines, run.env, ())

    # ---- deciding -----------------------------------------------------------------------------------------------

    def _proceed(self, run: Run) -> Forks | Outcome:
        try:
            return super()._proceed(run)
        except Undecided as undecided:
            frame = run.frames[-1]
            if frame[0] == SEQ:  # the statement has not happened: it is executed again
                run.frames[-1] = (SEQ, frame[1], frame[2] - 1, frame[3])
            return self._decided(run, undecided)

    def _decided(self, run: Run, undecided: Undecided) -> Forks:
        runs: Forks = []
        for way in undecided.ways:
            other = run.fork()
            store = other.own()
            assert isinstance(store, WorldStore)
            demand = way.change(store)
            demands = (*store.pop((PENDING,), ()), *([demand] if demand is not None else []))
            other.frames += [(DEMAND, each) for each in demands]
            runs.append(other)
        return runs

    def _advance(self, run: Run, frame: Frame) -> Forks | Outcome | None:
        if frame[0] != DEMAND:
            return super()._advance(run, frame)
        demand = frame[1]
        if bool(demand.code(run.store, list(demand.env))) != demand.wanted:
            return []
        run.frames.pop()
        return None


def _settled(outcome: Outcome) -> WorldStore:
    store = outcome.store
    assert isinstance(store, WorldStore)
    settled = store.copy()
    settled.end_call()
    return settled
