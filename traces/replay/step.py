"""One recorded call in one state: which states can it have led to, given what it returned?"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from luocheck.model.abi import DEVICE, errno_matches
from luocheck.model.errnos import GENERIC, errno_name
from luocheck.model.ir.system import OK, Event, Local
from luocheck.model.ir.vocabulary import ElemT, EnumT, Sort
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import references
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.replay.arguments import Arguments, Attempt
from luocheck.traces.replay.cells import BOUND, DENIED, ENDED, EXCLUDED, KNOWN, OLD, USED
from luocheck.traces.replay.deciding import Undecided
from luocheck.traces.replay.handles import CallBytes, Handles, local_named
from luocheck.traces.replay.machine import ReplayMachine
from luocheck.traces.replay.unrecorded import Unrecorded
from luocheck.traces.replay.world import WorldStore

_NOT_THE_FILE = (-GENERIC["EBADF"], -GENERIC["ENOTTY"])


class Stepper:
    """Executes the calls of one recording.  `overwhelmed` is set when something was too much to be looked at completely;
    `poll` is called now and then, and may raise what ends the search."""

    def __init__(self, machine: ReplayMachine, handles: Handles, recording: Recording) -> None:
        self.machine = machine
        self.handles = handles
        self.system = machine.system
        self.abi = machine.system.abi
        self.recording = recording
        self.arguments = Arguments(self.system, handles, fresh_only=machine.world.fresh_only)
        self.overwhelmed = False
        self.poll: Callable[[], None] = lambda: None
        self.unrecorded = Unrecorded(self)

    # ---- calls --------------------------------------------------------------------------------------------------

    def after(self, store: WorldStore, call: Call) -> list[WorldStore]:
        """The states that a call can have led to.  A state that it left as it was is given itself."""
        if (ENDED,) in store:
            return []
        match call.kind:
            case Kind.FORK:
                return [self._forked(store, call)]
            case Kind.PASS:
                return self._passed(store, call)
            case Kind.RELEASE:
                return self._released(store, call)
            case Kind.CLOSE | Kind.EXIT if Kind.RELEASE in self.recording.observes:
                return [store]  # whatever that releases is on record itself
            case Kind.IOCTL if call.event is None:
                return [store] if _refused_as_allowed(call) else []
        if call.event is None:
            return self._closed_something(store, call) if call.kind is Kind.CLOSE else [store]
        if call.kind is Kind.IOCTL and call.result in _NOT_THE_FILE and not self.possible(store, call):
            return [store]  # the descriptor that it was made on was closed, or stands for another kind of file now
        found: list[WorldStore] = []
        if call.on is not None and call.on.target is None and call.result is not None and call.result < 0:
            found.append(store)  # perhaps it was made on something else, which may answer as it likes
            if self.machine.world.fresh_only:
                return found
        for attempt in self.arguments.attempts(store, call):
            for outcome in self._outcomes(attempt, call):
                if self._agrees(outcome, call):
                    after = self._settle(store, attempt, outcome, call)
                    if after is not None:
                        found.append(after)
            if found and self.machine.world.fresh_only:
                break
        return found

    def possible(self, store: WorldStore, call: Call) -> set[str]:
        """What the call could have returned: `OK`, errnos, with the label of the line where it has one."""
        if call.event is None:
            return set(call.refused)
        found: set[str] = set()
        for attempt in self.arguments.attempts(store, call, every=True):
            for outcome in self._outcomes(attempt, call):
                found.add(outcome.errno + (f" at {outcome.label}" if outcome.label else ""))
        return found

    def _outcomes(self, attempt: Attempt, call: Call) -> list[Outcome]:
        ioctl = self.handles.ioctl(call)
        given = CallBytes(self.abi, ioctl, call.given) if ioctl is not None else None
        return self.machine.ends(attempt.event, attempt.arguments, attempt.store, given)

    # ---- results ------------------------------------------------------------------------------------------------

    def _agrees(self, outcome: Outcome, call: Call) -> bool:
        if call.result is None or (call.inner and call.result >= 0 and not self.machine.world.fresh_only):
            return True  # an inner function that succeeded says only that the call came so far
        if call.result >= 0:
            return outcome.errno == OK
        return outcome.errno != OK and errno_matches(self.abi, outcome.errno, errno_name(-call.result))

    def _settle(self, before: WorldStore, attempt: Attempt, outcome: Outcome, call: Call) -> WorldStore | None:
        """The state after a call, with what its result says; None when the result says something else."""
        store = outcome.store
        assert isinstance(store, WorldStore)
        store = store.copy()
        if outcome.errno == OK and not self._take_results(store, attempt.event, outcome, call):
            return None
        store.end_call()
        if store.has_twins():
            return None
        for sort, x in reversed(attempt.anonymous):
            if not self.is_named(store, sort, x) and not self.has_state(store, sort, x):
                self.forget(store, sort, x)
        return self._settled(before, store)

    def _settled(self, before: WorldStore, store: WorldStore) -> WorldStore:
        """The state after a call: the one before it when nothing is different."""
        return before if store == before else store

    def _take_results(self, store: WorldStore, event: Event, outcome: Outcome, call: Call) -> bool:
        """Compares what the call gave with what was recorded, and binds descriptors.  False when they differ."""
        ioctl = self.handles.ioctl(call)
        for member in ioctl.fields if ioctl is not None else ():
            if member.role != "out" or member.parameter is None:
                continue
            local = local_named(event, member.parameter)
            assert local is not None
            value = outcome.env[local.slot]
            if isinstance(local.type, ElemT):
                if self.handles.is_descriptor(local.type.sort):
                    file = call.files.get(member.name)
                    if file is not None:
                        store[BOUND, file.number, local.type.sort.index] = value
                    continue
                recorded = call.got.get(member.name)
                if recorded is not None and not _are_same(store, value, self.handles.element(local.type.sort, recorded)):
                    return False
            else:
                recorded = call.got.get(member.name)
                shown = local.type.enum.numbers[value] if isinstance(local.type, EnumT) else int(value)
                if recorded is not None and recorded != shown:
                    return False
        return True

    def is_named(self, store: WorldStore, sort: Sort, x: int) -> bool:
        """Does anything in the state refer to an element?"""
        single, many = references(self.system, sort)
        for cell, value in store.items():
            if (cell[0] in single and value == x) or (cell[0] in many and x in value):
                return True
            if cell[0] == BOUND and cell[2] == sort.index and value == x:
                return True
            if (cell[0] == DENIED and any(x == y for key, _ in value for _, y in key[1:])) or (
                cell[0] in (EXCLUDED, USED) and x in value
            ):
                return True
        return False

    def has_state(self, store: WorldStore, sort: Sort, x: int) -> bool:
        """Did the call write to an element, so that it is not as it was when it was not met yet?"""
        for cell in store:
            if 0 <= cell[0] < len(self.system.fields):
                f = self.system.fields[cell[0]]
                if not f.drawn and any(o == sort and y == x for o, y in zip(f.owners, cell[1:], strict=True)):
                    return True
        return False

    def forget(self, store: WorldStore, sort: Sort, x: int) -> None:
        """An element that only a finished call spoke of is as good as one that was never met."""
        owned = {f.index for f in self.system.fields if sort in f.owners}
        for cell in [
            c for c in store if (c[0] in owned and x in c[1:]) or (c[0] < BOUND and len(c) > 2 and c[1] in owned and c[2] == x)
        ]:
            del store[cell]
        store.pop((OLD, sort.index, x), None)
        if store.get((KNOWN, sort.index)) == x + 1:
            if x:
                store[KNOWN, sort.index] = x
            else:
                del store[KNOWN, sort.index]

    # ---- calls that are not the spec's own ----------------------------------------------------------------------

    def _forked(self, store: WorldStore, call: Call) -> WorldStore:
        """A process got its parent's descriptors."""
        parent = self.handles.process(call.parent) if call.parent is not None else None
        child = self.handles.process(call.process)
        for name in self.abi.process.passing if self.abi.process is not None else ():
            event = self.system.event(name)
            others = [p for p in event.parameters if not self.is_caller_sort(p)]
            domains = [store.elements(p.type.sort) for p in others if isinstance(p.type, ElemT)]
            for elements in product(*domains):
                given = iter(elements)
                agents = iter((parent, child))
                arguments = tuple(next(agents) if self.is_caller_sort(p) else next(given) for p in event.parameters)
                for outcome in self.machine.ends(event, arguments, store, None):
                    if outcome.errno == OK and isinstance(outcome.store, WorldStore):
                        store = outcome.store
                        break
        return store

    def _passed(self, store: WorldStore, call: Call) -> list[WorldStore]:
        """A process was given a descriptor.  Where the giver cannot have had it the inference says nothing."""
        assert call.on is not None and call.parent is not None
        agents = self.handles.process(call.parent), self.handles.process(call.process)
        found: list[WorldStore] = []
        for name in self.abi.process.passing if self.abi.process is not None else ():
            event = self.system.event(name)
            sorts = [p.type.sort for p in event.parameters if isinstance(p.type, ElemT) and not p.type.sort.caller]
            if not sorts and call.on.target == DEVICE:
                found += self.after_unrecorded(event, agents, store)
            elif [sort.name for sort in sorts] == [call.on.target]:
                for state, x, _ in self.arguments.open_file(store, sorts[0], call.on):
                    found += self.after_unrecorded(event, (*agents, x), state)
        return found or [store]

    def _closed_something(self, store: WorldStore, call: Call) -> list[WorldStore]:
        """A process closed a descriptor that was never shown to be anything: it can have been that of any object with no shown descriptor."""
        found = []
        for descriptor in self.abi.descriptors:
            sort = next((s for s in self.system.sorts if s.name == descriptor.target), None)
            if descriptor.release is None or sort is None:
                continue
            taken = {value for cell, value in store.items() if cell[0] == BOUND and cell[2] == sort.index}
            for x in store.elements(sort):
                if x not in taken:
                    found += self.after_unrecorded(
                        self.system.event(descriptor.release), (self.handles.process(call.process), x), store
                    )
        return found

    def is_caller_sort(self, parameter: Local) -> bool:
        return isinstance(parameter.type, ElemT) and parameter.type.sort.caller

    def _released(self, store: WorldStore, call: Call) -> list[WorldStore]:
        """The last reference to an open file is gone: every process that still has a descriptor for it gives it up, the last one releases it."""
        descriptor = next((d for d in self.abi.descriptors if d.release is not None and d.release == call.event), None)
        if descriptor is None or descriptor.release is None:
            return [store]
        event = self.system.event(descriptor.release)
        sort = next((s for s in self.system.sorts if s.name == descriptor.target), None)
        if sort is None:
            return self._give_up(store, event, ())
        found = []
        for state, x, _ in self.arguments.open_file(store, sort, call.on):
            found += self._give_up(state, event, (x,))
        return found

    def _give_up(self, store: WorldStore, event: Event, subject: tuple[int, ...]) -> list[WorldStore]:
        states = [store]
        caller = self.system.caller
        assert caller is not None
        for agent in store.elements(caller):
            following: list[WorldStore] = []
            for state in states:
                ends = self.after_unrecorded(event, (agent, *subject), state)
                following += ends or [state]
            states = following
        return [state for state in states if state is not store]

    def after_unrecorded(self, event: Event, arguments: tuple[Any, ...], store: WorldStore) -> list[WorldStore]:
        """The states after an unrecorded call."""
        found = []
        for outcome in self.machine.ends(event, (*arguments, *[False] * len(event.predicates)), store, None):
            if isinstance(outcome.store, WorldStore) and outcome.store is not store:
                settled = outcome.store.copy()
                settled.end_call()
                if settled != store and not settled.has_twins():
                    found.append(settled)
        return found


def _are_same(store: WorldStore, one: Any, other: Any) -> bool:
    """Are two values the same?  What may be the same is made so."""
    try:
        return store.same(one, other)
    except Undecided as undecided:
        undecided.ways[0].change(store)
        return True


def _refused_as_allowed(call: Call) -> bool:
    """Did a call whose number the abi does not know return one of the errnos that the abi says?"""
    return call.result is None or (call.result < 0 and (not call.refused or errno_name(-call.result) in call.refused))
