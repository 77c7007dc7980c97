"""What the solver found, executed by the interpreter: no run is shown that the reference semantics does not have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from luocheck.checker.explore.witnesses import Narrator, Taken, elements
from luocheck.checker.symbolic.bounded.gates import Valuation
from luocheck.checker.symbolic.bounded.summaries import Summary
from luocheck.checker.symbolic.bounded.unroll import STATE_KINDS, Level, Unrolling
from luocheck.checker.symbolic.bounded.world import Cells, World
from luocheck.model.answer import Witness
from luocheck.model.instances import Instance
from luocheck.model.ir.system import Event, Kind, Property
from luocheck.model.semantics.claims import state_monitor, transition_monitor
from luocheck.model.semantics.expressions import Compiler
from luocheck.model.semantics.machine import Arguments, Machine
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store


class Mismatch(Exception):
    """The interpreter does not do what the formulas say: a defect of the translation, or of the interpreter."""


def value_of(summary: Summary, values: Valuation) -> Any:
    """The value that a summary has.  Raises Mismatch when it has not exactly one."""
    found = [value for value, lit in summary.items() if values(lit)]
    if len(found) != 1:
        raise Mismatch(f"{len(found)} values at once")
    return found[0]


def store_of(world: World, cells: Cells, values: Valuation, instance: Instance) -> Store:
    """The state that summaries describe."""
    found = {cell: value_of(summary, values) for cell, summary in cells.items()}
    return Store(instance, {cell: value for cell, value in found.items() if value not in world.absent[cell[0]]})


def call_of(world: World, level: Level, values: Valuation) -> tuple[Event, Arguments]:
    """The last call of a level."""
    event = world.system.events[value_of(level.event, values)]
    return event, tuple(value_of(each, values) for each in level.arguments[event.index])


class Replayer:
    """Executes runs of an unrolling."""

    def __init__(self, unrolling: Unrolling) -> None:
        self.world = unrolling.world
        self.machine = Machine(self.world.first, notes=True)

    def witness(
        self, levels: Sequence[Level], values: Valuation, claim: Property, minimal: tuple[str, ...], *, initial: bool = True
    ) -> Witness:
        """The run that some values describe, which breaks the claim (or reaches the goal) at the last level.

        With `initial` it must begin in an initial state.  Raises Mismatch when the interpreter has no such run, and SpecError where the spec itself is wrong in it.
        """
        instance, start = self._start(levels[0], values) if initial else self.begin(levels[0], values)
        by_last_call = claim.kind not in STATE_KINDS
        taken: list[Taken] = []
        here = start
        for level in levels[1:] if not by_last_call else levels[1:-1]:
            event, arguments = call_of(self.world, level, values)
            there = store_of(self.world, level.cells, values, instance)
            outcomes = [o for o in self._outcomes(event, arguments, here, level, values) if o.goes_on and o.store == there]
            taken.append(self._best(event, arguments, outcomes))
            here = there
        if by_last_call:
            event, arguments = call_of(self.world, levels[-1], values)
            ended = self._outcomes(event, arguments, here, levels[-1], values)
            broken = [o for o in ended if _breaks(claim, event, o, instance)]
            taken.append(self._best(event, arguments, broken))
        elif state_monitor(claim, Compiler(instance, checked=False)).value(here) != (claim.kind is Kind.REACHABLE):
            raise Mismatch(f"`{claim.name}` is not as the formulas say")
        faults = value_of(levels[-1].faults, values)
        told = sum(outcome.faults for *_, outcome in taken)
        if told > faults or (told < faults and "faults" in minimal):
            raise Mismatch(f"{told} faults and not {faults}")
        return Narrator(instance, self.machine).tell(start, taken, claim, minimal, by_last_call=by_last_call)

    def begin(self, level: Level, values: Valuation) -> tuple[Instance, Store]:
        """The starting point, and the state at a level."""
        instance = self.world.instances[value_of(self.world.pick, values)]
        return instance, store_of(self.world, level.cells, values, instance)

    def _start(self, level: Level, values: Valuation) -> tuple[Instance, Store]:
        instance, start = self.begin(level, values)
        for store in self.machine.initial(instance):
            if store == start:
                return instance, store
        raise Mismatch("no such initial state")

    def _outcomes(self, event: Event, arguments: Arguments, here: Store, level: Level, values: Valuation) -> Sequence[Outcome]:
        """The ways in which a call ends with the errno, and at the label, that the formulas say."""
        wanted = value_of(level.errno, values), value_of(level.label, values)
        return [o for o in self.machine.call(event, arguments, here) if (o.errno, o.label) == wanted]

    def _best(self, event: Event, arguments: Arguments, outcomes: Sequence[Outcome]) -> Taken:
        if not outcomes:
            raise Mismatch(f"{event.name} does not end so")
        best = min(outcomes, key=lambda o: (o.faults, len(elements(event, arguments, o))))
        return event, arguments, False, best

    def provoke(self, levels: Sequence[Level], values: Valuation, claims: Sequence[Property]) -> None:
        """Executes a run in which the spec itself is wrong, so that the interpreter says how.  Raises SpecError, else Mismatch."""
        instance, here = self._start(levels[0], values)
        compile_ = Compiler(instance, checked=False)
        states = [state_monitor(claim, compile_) for claim in claims if claim.kind in STATE_KINDS]
        for level in levels[1:]:
            event, arguments = call_of(self.world, level, values)
            outcomes = self.machine.call(event, arguments, here)
            for claim in claims:
                for outcome in outcomes:
                    if claim.kind in (Kind.AFTER, Kind.NEVER):
                        _breaks(claim, event, outcome, instance)
            if level is not levels[-1]:
                here = store_of(self.world, level.cells, values, instance)
            else:
                for outcome in outcomes:
                    if outcome.goes_on:
                        for monitor in states:
                            monitor.value(outcome.store)
        for monitor in states:
            monitor.value(here)
        raise Mismatch("a claim reads through `none`, and no run of it does")


def _breaks(claim: Property, event: Event, outcome: Outcome, instance: Instance) -> bool:
    """Does a call that ends in this way break a claim about calls?"""
    if outcome.kind in ("cut", "blocks"):
        return False
    if claim.kind in (Kind.AFTER, Kind.NEVER):
        monitor = transition_monitor(claim, Compiler(instance, checked=False))
        return monitor.is_about(event, outcome) and monitor.violated(outcome)
    return any(name == claim.name for name, _ in outcome.findings)
