"""Replay of scenarios, with the claims that need a search from where a scenario ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from luocheck.checker.explore.lock_order import lock_cycles
from luocheck.checker.explore.search import calls
from luocheck.model.ir.system import Event, Kind, Property
from luocheck.model.scenario.beliefs import caller_of
from luocheck.model.scenario.run import ScenarioRun, ScenarioStep, run
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.semantics.claims import state_monitor
from luocheck.model.semantics.expressions import Compiler
from luocheck.model.semantics.machine import Arguments, Machine
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store
from luocheck.model.spec import Spec

__all__ = ["ScenarioRun", "ScenarioStep", "replay"]

MOST_STATES = 100_000
"""Most states that one search from the end of a scenario visits."""


def replay(spec: Spec, scenario: Scenario, *, max_states: int = MOST_STATES) -> ScenarioRun:
    """Runs a scenario of a spec (of `spec.scenarios`, or from `load_scenarios`).

    max_states bounds each search for a way out; a claim for which this is not enough is undecided.  Raises SpecError when a condition
    reads through none or the scope cannot be enumerated.
    """
    return run(spec.system, scenario, _Search(max_states).broken)


Move = tuple[Event, Arguments, bool, Outcome]
"""A call in a state: its event, its arguments, whether it was in progress, and how it ends."""

Accepts = Callable[[Store], bool]
Allows = Callable[[Move], bool]


class _Search:
    """Forward searches from one state: is there a way out?"""

    def __init__(self, max_states: int) -> None:
        self.max_states = max_states

    def broken(self, machine: Machine, claim: Property, store: Store) -> bool | None:
        """Is a claim about ways out broken in a state?  None when the limit, or the size of the scope, leaves it open."""
        match claim.kind:
            case Kind.RECOVERABLE:
                return self._lost(machine, claim, store)
            case Kind.STUCK:
                return self._stuck(machine, claim, store)
        assert claim.name == "lock_order"
        return bool(lock_cycles(machine.system))

    def _lost(self, machine: Machine, claim: Property, store: Store) -> bool | None:
        """P holds and no call of `using` leads to Q; calls in progress may end."""
        compile_ = Compiler(store.instance, checked=False)
        if not state_monitor(claim, compile_).value(store):
            return False
        goal = state_monitor(claim, compile_, goal=True)
        using = {event.index for event in machine.system.events if not claim.using or event.name in claim.using}

        def allowed(move: Move) -> bool:
            event, _, resumed, outcome = move
            return (resumed or event.index in using) and (claim.with_faults or not outcome.faults)

        return self._no_way(machine, store, goal.value, allowed)

    def _stuck(self, machine: Machine, claim: Property, store: Store) -> bool | None:
        """Some call waits that can never end: neither by going on, nor because the kernel reboots."""
        if claim.condition is not None and state_monitor(claim, Compiler(store.instance, checked=False)).value(store):
            return False
        undecided = False
        for ended, allowed in self._waiting(machine, store):
            answer = self._no_way(machine, store, ended, allowed)
            if answer:
                return True
            undecided = undecided or answer is None
        return None if undecided else False

    def _waiting(self, machine: Machine, store: Store) -> Iterator[tuple[Accepts, Allows]]:
        """The calls that wait in a state: in which states they no longer do, and which moves can be made meanwhile."""
        for caller in _callers(machine):
            if (machine.calls, caller) in store:
                yield partial(_outside, machine, caller), _any_move
        for event in machine.system.events:
            for arguments in machine.arguments(event, store):
                if _blocks(machine, event, arguments, store):
                    yield partial(_not_blocked, machine, event, arguments), partial(_by_others, caller_of(event, arguments))

    def _no_way(self, machine: Machine, store: Store, ended: Accepts, allowed: Allows) -> bool | None:
        """Does no run of allowed moves lead to a state that `ended` accepts?  None when a limit leaves it open."""
        seen = {frozenset(store.items())}
        todo = [store]
        cut = False
        for state in todo:  # grows on the way: breadth first
            if ended(state):
                return False
            for event, arguments, resumed, outcomes in calls(machine, state, _callers(machine)):
                for outcome in outcomes:
                    if not allowed((event, arguments, resumed, outcome)):
                        continue
                    cut = cut or outcome.kind == "cut"
                    key = frozenset(outcome.store.items())
                    if outcome.goes_on and key not in seen:
                        seen.add(key)
                        todo.append(outcome.store)
            if len(todo) > self.max_states:
                return None
        return None if cut else True


def _callers(machine: Machine) -> range:
    """The elements that can be inside a call which the scope cuts into steps."""
    caller = machine.system.caller
    return range(machine.sizes[caller.index] if caller is not None and machine.scope.stepwise else 0)


def _outside(machine: Machine, caller: int, store: Store) -> bool:
    return (machine.calls, caller) not in store


def _blocks(machine: Machine, event: Event, arguments: Arguments, store: Store) -> bool:
    return any(outcome.kind == "blocks" for outcome in machine.call(event, arguments, store))


def _not_blocked(machine: Machine, event: Event, arguments: Arguments, store: Store) -> bool:
    return not _blocks(machine, event, arguments, store)


def _any_move(move: Move) -> bool:
    return True


def _by_others(caller: int | None, move: Move) -> bool:
    """Who waits makes no other call; a call without a caller keeps nobody from moving."""
    event, arguments, _, _ = move
    return caller is None or caller_of(event, arguments) != caller
