"""Descriptors that are passed on without a record: because somebody needs one, and before a process gives up what it has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from itertools import product
from typing import TYPE_CHECKING, Any

from luocheck.model.abi import DEVICE
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import ElemT, Sort
from luocheck.traces.call import Call, Kind, OpenFile
from luocheck.traces.replay.cells import BOUND
from luocheck.traces.replay.configurations import returned
from luocheck.traces.replay.world import WorldStore

if TYPE_CHECKING:
    from luocheck.traces.replay.forgetting import Forgetting
    from luocheck.traces.replay.unrecorded import Unrecorded

ROUNDS = 3
"""Most times that something is passed on before it is given up: who got it can pass it on."""

MOST_GIVEN_AWAY = 500
"""Most states that unrecorded calls of a process can have led to just before it gives something up."""


class Passing:
    """names: of the events that pass something on.  giving_up: of those by which a process gives up what it has."""

    def __init__(self, unrecorded: Unrecorded) -> None:
        self.unrecorded = unrecorded
        self.stepper = unrecorded.stepper
        abi = unrecorded.abi
        self.names = frozenset(abi.process.passing if abi.process is not None else ())
        given_up_by = (*(each.release for each in abi.descriptors), unrecorded.exit_event)
        self.giving_up = frozenset(event for event in given_up_by if event is not None)

    @cached_property
    def uses(self) -> tuple[tuple[int, int, OpenFile], ...]:
        """(process, the line of its last call on it, open file)"""
        found: dict[tuple[int, OpenFile], int] = {}
        for call in self.stepper.recording.calls:
            process = self.stepper.handles.process(call.process)
            if call.on is not None and process is not None:
                key = process, call.on
                found[key] = max(found.get(key, 0), returned(call))
        return tuple((process, last, on) for (process, on), last in found.items())

    @cached_property
    def unopened(self) -> int:
        """How many open files calls are made on that are not the device, and that no call was seen to open."""
        calls = self.stepper.recording.calls
        opened = {file.number for call in calls for file in call.files.values()}
        used = {call.on.number for call in calls if call.on is not None and call.on.target not in (None, DEVICE)}
        return len(used - opened)

    # ---- because somebody needs it ------------------------------------------------------------------------------

    def helps(self, store: WorldStore, event: Event, arguments: tuple[Any, ...], call: Call) -> bool:
        """Does an event pass on what a call is made on to who makes it?"""
        agents = [x for p, x in zip(event.parameters, arguments, strict=True) if self.stepper.is_caller_sort(p)]
        return agents[-1] == self.stepper.handles.process(call.process) and self._is_about(store, event, arguments, call)

    def _is_about(self, store: WorldStore, event: Event, arguments: tuple[Any, ...], call: Call) -> bool:
        """Can what an event passes on be what a call is made on?"""
        target = call.on.target if call.on is not None else self.unrecorded.ioctl_targets.get(call.event or "")
        if target is None:
            return True
        passed = self._things(event, arguments)
        if not passed:
            return target == DEVICE
        number = call.on.number if call.on is not None else -1  # of no open file
        return any(sort.name == target and store.get((BOUND, number, sort.index), x) == x for sort, x in passed)

    # ---- before something is given up ---------------------------------------------------------------------------

    def before(self, store: WorldStore, line: int, event: Event) -> Iterator[tuple[WorldStore, bool]]:
        """`hidden` for an event by which a process gives something up, after it has passed that on to who is seen to use it later.

        Afterwards it can not.  Nothing for other events.
        """
        domains = [store.elements(p.type.sort) for p in event.parameters if isinstance(p.type, ElemT)]
        for arguments in product(*domains) if event.name in self.giving_up else ():
            giver = self._caller(event, arguments)
            things = None if event.name == self.unrecorded.exit_event else self._things(event, arguments)
            users = self._users(store, line, things) - {giver}
            layer = [store] if users and giver is not None else []
            for _ in range(ROUNDS):
                layer = [after for each in layer for after in self._passed(each, line, giver, things, users)]
                for each in layer:
                    yield from self.unrecorded.after(each, line, [event], partial(_are, arguments))

    def _passed(
        self, store: WorldStore, line: int, giver: int | None, things: list[tuple[Sort, int]] | None, users: frozenset[int]
    ) -> Iterator[WorldStore]:
        """The states after a process has passed something on to one that uses it later."""

        def matters(event: Event, arguments: tuple[Any, ...]) -> bool:
            agents = [x for p, x in zip(event.parameters, arguments, strict=True) if self.stepper.is_caller_sort(p)]
            return agents[0] == giver and things in (None, self._things(event, arguments))

        passing = [event for event in self.unrecorded.events if event.name in self.names]
        yield from (after for after, _ in self.unrecorded.after(store, line, passing, matters, receivers=users))

    def _things(self, event: Event, arguments: tuple[Any, ...]) -> list[tuple[Sort, int]]:
        """What a call passes on or gives up; nothing is the device."""
        parameters = zip(event.parameters, arguments, strict=False)
        return [(p.type.sort, x) for p, x in parameters if isinstance(p.type, ElemT) and not p.type.sort.caller]

    def _caller(self, event: Event, arguments: tuple[Any, ...]) -> int | None:
        return next((x for p, x in zip(event.parameters, arguments, strict=False) if p.slot == event.caller), None)

    def _users(self, store: WorldStore, line: int, things: list[tuple[Sort, int]] | None) -> frozenset[int]:
        """The processes (their elements) that make a call after a line on what can be one of these; on anything when None."""
        found = set()
        for process, last, on in self.uses:
            if last < line or on.target is None or things is None:
                is_one = last >= line
            elif not things:
                is_one = on.target == DEVICE
            else:
                is_one = any(sort.name == on.target and store.get((BOUND, on.number, sort.index), x) == x for sort, x in things)
            if is_one:
                found.add(process)
        return frozenset(found)

    def given_away(self, store: WorldStore, call: Call, forgetting: Forgetting | None = None) -> list[WorldStore]:
        """The states in which a process gives something up (a close, an exit): it itself, and those after unrecorded calls of the process.

        Later nobody but who got it from that process before can have what it has now.  Three rounds of passing on are enough, as who got
        something can pass it on; ioctls may have made each open file that is used and was not seen to be opened.

        forgetting: any number of ioctls is forgotten instead.
        """
        process = self.stepper.handles.process(call.process)
        device = call.on.target == DEVICE if call.on is not None else call.kind is Kind.EXIT
        made = [e for e in self.unrecorded.events if device and self.unrecorded.ioctl_targets.get(e.name) == DEVICE]
        passed = [e for e in self.unrecorded.events if e.name in self.names]
        if not made and not passed:
            return [store]

        def matters(event: Event, arguments: tuple[Any, ...]) -> bool:
            return self._caller(event, arguments) == process and (
                event.name not in self.names or self._is_about(store, event, arguments, call)
            )

        layer, more = [store], False
        if forgetting is not None:
            layer, made = forgetting.states(store, 0), []
        found = {frozenset(each.items()): each for each in layer}
        for count in range(max(ROUNDS, self.unopened if made else 0)):
            events = [*passed, *made] if count < ROUNDS else made
            following, more = [], False
            for each in layer:
                for after, is_step in self.unrecorded.after(each, 0, events, matters):
                    for made_of_it in [after] if forgetting is None else forgetting.states(after, 0):
                        if found.setdefault(frozenset(made_of_it.items()), made_of_it) is made_of_it:
                            following.append(made_of_it)
                            more |= is_step and forgetting is None
            layer = following
            if len(found) > MOST_GIVEN_AWAY:
                self.stepper.overwhelmed = True
                break
        if more:
            self.unrecorded.left_out.add(returned(call))
        return list(found.values())


def _are(wanted: tuple[Any, ...], event: Event, arguments: tuple[Any, ...]) -> bool:
    return arguments == wanted
