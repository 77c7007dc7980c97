"""Does the claim at the end of a scenario come out?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from luocheck.model.ir.system import Event, Kind, Property
from luocheck.model.scenario.beliefs import Believed
from luocheck.model.scenario.scenarios import Goal
from luocheck.model.semantics.claims import StateMonitor, TransitionMonitor, state_monitor, transition_monitor
from luocheck.model.semantics.expressions import Compiler
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store

Search = Callable[[Machine, Property, Store], bool | None]
"""Decides a claim that needs more than one state and one call: broken at a state, not broken, or None when a limit ended the search."""

_OF_CALLS = (Kind.AFTER, Kind.NEVER, Kind.ASSERT, Kind.BUILT_IN)
_OF_STATES = (Kind.INVARIANT, Kind.LEMMA, Kind.REACHABLE)


class GoalCheck:
    """Decides one claim: by the last call, by the last state, or by a search from there."""

    def __init__(self, goal: Goal, machine: Machine, compile_: Compiler, search: Search) -> None:
        self.claim = goal.claim
        self.machine = machine
        self.search = search
        self.by_call = self.claim.kind in _OF_CALLS and self.claim.name != "lock_order"
        self.state: StateMonitor | None = None
        self.transition: TransitionMonitor | None = None
        if self.claim.kind in _OF_STATES:
            self.state = state_monitor(self.claim, compile_)
        elif self.claim.kind in (Kind.AFTER, Kind.NEVER):
            self.transition = transition_monitor(self.claim, compile_)

    def broken_by_call(self, state: Believed) -> bool:
        """Did the call that led to a state, or one of its steps, break the claim?"""
        step: Believed | None = state
        while step is not None and step.made is not None:
            if step.made.outcome is not None and self._broken_by(step.made.event, step.made.outcome):
                return True
            step = step.before if step.before is not None and step.before.on_the_way else None
        return False

    def _broken_by(self, event: Event, outcome: Outcome) -> bool:
        if self.transition is not None:
            return self.transition.is_about(event, outcome) and self.transition.violated(outcome)
        return any(name == self.claim.name for name, _ in outcome.findings)

    def decide(self, states: Sequence[Believed]) -> tuple[bool | None, Believed | None]:
        """Does the claim come out in one of the states, and in which?  None when that could not be decided."""
        if self.by_call:
            shown = next((state for state in states if state.broken), None)
            return shown is not None, shown
        going_on = [state for state in states if not state.ended]
        if self.state is not None:
            wanted = self.claim.kind is Kind.REACHABLE
            shown = next((state for state in going_on if self.state.value(state.store) == wanted), None)
            return shown is not None, shown
        undecided = False
        for state in going_on:
            answer = self.search(self.machine, self.claim, state.store)
            if answer:
                return True, state
            undecided = undecided or answer is None
        return (None if undecided else False), None
