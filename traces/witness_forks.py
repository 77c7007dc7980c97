"""After a fork the child has every descriptor that its parent has: no more of the spec's events that hand one on changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any

from luocheck.model.ir.system import OK, Event
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.semantics.store import Store
from luocheck.traces.call import Call, Kind
from luocheck.traces.witness import AuditWitness
from luocheck.traces.witness_rules import Mark, Rejected, span
from luocheck.traces.witness_run import PASSED, Play


class Forks:
    """Looks at the states after each fork: after its last step, or, of one without steps, when its moment is over."""

    def __init__(self, play: Play, witness: AuditWitness, calls: Iterable[Call]) -> None:
        self.play, self.witness = play, witness
        process = play.system.abi.process
        self.passing = [play.system.event(name) for name in process.passing] if process is not None else []
        found = {call.number: call for call in calls if call.kind is Kind.FORK and self.passing}
        last = {step.call: number for number, step in enumerate(witness.steps, 1) if step.call is not None}
        self.by_step = {last[number]: call for number, call in found.items() if number in last}
        bare = [call for number, call in found.items() if number not in last]
        self.waiting = sorted(bare, key=lambda call: span(call)[1])

    def before(self, moment: Mark, states: Sequence[Store]) -> None:
        """The next step takes effect at a moment.  Raises Rejected."""
        while self.waiting and span(self.waiting[0])[1] <= moment:
            self._look(self.waiting.pop(0), states)

    def after(self, step: int, states: Sequence[Store]) -> None:
        """A step has taken effect.  Raises Rejected."""
        if step in self.by_step:
            self._look(self.by_step[step], states)

    def _look(self, call: Call, states: Sequence[Store]) -> None:
        parent, child = (self._element(process) for process in (call.parent, call.process))
        for event in self.passing:
            for store in states:
                if any(self._changes(event, arguments, store) for arguments in self._handovers(event, parent, child, store)):
                    raise Rejected(
                        f"process {call.process} (forked in line {call.enter.line}) did not get all descriptors of its parent"
                    )

    def _element(self, process: int | None) -> int:
        caller = self.play.system.caller
        for position, each in enumerate(self.witness.scope.get(caller.name, ()) if caller is not None else ()):
            if each.value == process:
                return position
        raise Rejected(f"the scope lacks process {process}")

    def _handovers(self, event: Event, parent: int, child: int, store: Store) -> Iterable[tuple[Any, ...]]:
        agents = iter((parent, child))
        domains: list[Iterable[Any]] = []
        for parameter in event.parameters:
            type_ = parameter.type
            if isinstance(type_, ElemT) and type_.sort.caller:
                domains.append((next(agents),))
            else:
                domains.append(store.elements(type_.sort) if isinstance(type_, ElemT) else (False, True))
        return product(*domains)

    def _changes(self, event: Event, arguments: tuple[Any, ...], store: Store) -> bool:
        flags = (False,) * len(event.predicates)
        ends = self.play.player.ends(event, (*arguments, *flags), store, PASSED)
        return any(end.kind == "returns" and end.errno == OK and end.store != store for end in ends)
