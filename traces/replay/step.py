"""One recorded call in one state: which states can it have led to, given what it returned?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import Any

from luocheck.model.abi import DEVICE, errno_matches
from luocheck.model.errnos import GENERIC, errno_name
from luocheck.model.ir import statements as st
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
from luocheck.traces.replay.world import WorldStore

_WITHOUT_EFFECT = (st.Arguments, st.Assert, st.Fail, st.If, st.Require, st.Skip, st.Sometimes, st.Step)

_NOT_THE_FILE = (-GENERIC["EBADF"], -GENERIC["ENOTTY"])

MOST_HIDDEN = 20_000
"""Most combinations of arguments of an unrecorded call that are looked at in one state."""

MOST_UNRECORDED_STEPS = 3
"""Most unrecorded calls in a row that are ioctls or meet something for the first time; other ones can be any number.  One recorded call
needs no more: one makes or finds the session, one the file, one finishes it."""

MOST_GIVEN_AWAY = 500
"""Most states that unrecorded calls of a process can have led to just before it gives something up."""


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
        self.passing = frozenset(self.abi.process.passing if self.abi.process is not None else ())
        self.ioctl_targets = {each.event: each.target for each in self.abi.ioctls}
        self.exit_event = self.abi.process.exit if self.abi.process is not None else None

    @cached_property
    def hidden_events(self) -> tuple[Event, ...]:
        """Looked for when they are needed, which few recordings do."""
        return tuple(self._hidden_events())

    @cached_property
    def last_line(self) -> dict[int, int]:
        """The last line of each process (its element)."""
        lines: dict[int, int] = {}
        for call in self.recording.calls:
            process = self.handles.process(call.process)
            if process is not None and call.kind is not Kind.EXIT:
                lines[process] = max(lines.get(process, 0), call.enter.line, call.exit.line if call.exit is not None else 0)
        return lines

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
            if not self._is_named(store, sort, x) and not self._has_state(store, sort, x):
                self._forget(store, sort, x)
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

    def _is_named(self, store: WorldStore, sort: Sort, x: int) -> bool:
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

    def _has_state(self, store: WorldStore, sort: Sort, x: int) -> bool:
        """Did the call write to an element, so that it is not as it was when it was not met yet?"""
        for cell in store:
            if 0 <= cell[0] < len(self.system.fields):
                f = self.system.fields[cell[0]]
                if not f.drawn and any(o == sort and y == x for o, y in zip(f.owners, cell[1:], strict=True)):
                    return True
        return False

    def _forget(self, store: WorldStore, sort: Sort, x: int) -> None:
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
            others = [p for p in event.parameters if not self._is_caller_sort(p)]
            domains = [store.elements(p.type.sort) for p in others if isinstance(p.type, ElemT)]
            for elements in product(*domains):
                given = iter(elements)
                agents = iter((parent, child))
                arguments = tuple(next(agents) if self._is_caller_sort(p) else next(given) for p in event.parameters)
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
                found += self._ends(event, agents, store)
            elif [sort.name for sort in sorts] == [call.on.target]:
                for state, x, _ in self.arguments.open_file(store, sorts[0], call.on):
                    found += self._ends(event, (*agents, x), state)
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
                    found += self._ends(self.system.event(descriptor.release), (self.handles.process(call.process), x), store)
        return found

    def _is_caller_sort(self, parameter: Local) -> bool:
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
                ends = self._ends(event, (agent, *subject), state)
                following += ends or [state]
            states = following
        return [state for state in states if state is not store]

    def _ends(self, event: Event, arguments: tuple[Any, ...], store: WorldStore) -> list[WorldStore]:
        """The states after an unrecorded call."""
        found = []
        for outcome in self.machine.ends(event, (*arguments, *[False] * len(event.predicates)), store, None):
            if isinstance(outcome.store, WorldStore) and outcome.store is not store:
                settled = outcome.store.copy()
                settled.end_call()
                if settled != store and not settled.has_twins():
                    found.append(settled)
        return found

    # ---- what this recorder cannot show -------------------------------------------------------------------------

    def _hidden_events(self) -> Iterator[Event]:
        """Events that may have happened at any time without being recorded.

        A recorder that shows no ioctl on a kind of open file at all was perhaps not set up to show them.
        """
        seen = self.recording.observes
        targets = {ioctl.target for call in self.recording.calls if (ioctl := self.handles.ioctl(call)) is not None}
        shown = {each.event for each in self.abi.ioctls if each.target in targets} | {each.event for each in self.abi.syscalls}
        for descriptor in self.abi.descriptors:
            if descriptor.open is not None and Kind.OPEN in seen:
                shown.add(descriptor.open)
            if descriptor.release is not None and (Kind.CLOSE in seen or Kind.RELEASE in seen):
                shown.add(descriptor.release)
        if self.abi.process is not None and self.abi.process.exit is not None and Kind.EXIT in seen:
            shown.add(self.abi.process.exit)
        for event in self.system.events:
            if event.name not in shown and not all(isinstance(each, _WITHOUT_EFFECT) for each in st.statements(event.body)):
                yield event

    def hidden(self, store: WorldStore, line: int, pending: Collection[Call]) -> Iterator[tuple[WorldStore, bool]]:
        """(state, does the call count as a step?) after one unrecorded call that can have happened before a line.  Who is seen later has not exited.

        pending: the calls that this is to make possible.  Descriptors are passed on only to who makes one of them on what was passed.
        """

        def helps(event: Event, arguments: tuple[Any, ...]) -> bool:
            if event.name not in self.passing:
                return True
            return any(self._passes_to(store, event, arguments, call) for call in pending)

        if (ENDED,) not in store:
            yield from self._unrecorded(store, line, self.hidden_events, helps)

    def _passes_to(self, store: WorldStore, event: Event, arguments: tuple[Any, ...], call: Call) -> bool:
        """Does an event pass on what a call is made on to who makes it?"""
        agents = [x for p, x in zip(event.parameters, arguments, strict=True) if self._is_caller_sort(p)]
        return agents[-1] == self.handles.process(call.process) and self._is_about(store, event, arguments, call)

    def _is_about(self, store: WorldStore, event: Event, arguments: tuple[Any, ...], call: Call) -> bool:
        """Can what an event passes on be what a call is made on?"""
        target = call.on.target if call.on is not None else self.ioctl_targets.get(call.event or "")
        if target is None:
            return True
        parameters = zip(event.parameters, arguments, strict=True)
        passed = [(p.type.sort, x) for p, x in parameters if isinstance(p.type, ElemT) and not p.type.sort.caller]
        if not passed:
            return target == DEVICE
        number = call.on.number if call.on is not None else -1  # of no open file
        return any(sort.name == target and store.get((BOUND, number, sort.index), x) == x for sort, x in passed)

    def given_away(self, store: WorldStore, call: Call) -> list[WorldStore]:
        """The states in which a process gives something up (a close, an exit): it itself, and those after unrecorded calls of the process.

        Later nobody but who got it from that process before can have what it has now.
        """
        process = self.handles.process(call.process)
        device = call.on.target == DEVICE if call.on is not None else call.kind is Kind.EXIT
        events = [e for e in self.hidden_events if e.name in self.passing or (device and self.ioctl_targets.get(e.name) == DEVICE)]
        if not events:
            return [store]

        def matters(event: Event, arguments: tuple[Any, ...]) -> bool:
            caller = next((x for p, x in zip(event.parameters, arguments, strict=True) if p.slot == event.caller), None)
            return caller == process and (event.name not in self.passing or self._is_about(store, event, arguments, call))

        found = {frozenset(store.items()): store}
        layer = [store]
        for _ in range(MOST_UNRECORDED_STEPS):
            following = []
            for each in layer:
                for after, _ in self._unrecorded(each, 0, events, matters):
                    if found.setdefault(frozenset(after.items()), after) is after:
                        following.append(after)
            layer = following
            if len(found) > MOST_GIVEN_AWAY:
                self.overwhelmed = True
                break
        return list(found.values())

    def _met(self, store: WorldStore) -> int:
        """How many elements have been met."""
        return sum(store.get((KNOWN, sort.index), 0) for sort in self.system.sorts)

    def inserted(self, store: WorldStore, line: int) -> Iterator[WorldStore]:
        """The states after one call before a line that should have been recorded."""
        if (ENDED,) not in store:
            events = [event for event in self.system.events if event not in self.hidden_events]
            yield from (after for after, _ in self._unrecorded(store, line, events))

    def kernel_ends(self, store: WorldStore) -> Iterator[WorldStore]:
        """The states after a call that ends the kernel, whoever makes it."""
        events = [self.system.event(each.event) for each in self.abi.syscalls if each.kernel_ends]
        copy = store.copy()
        if self.system.caller is not None:
            copy.fresh(self.system.caller)  # whoever did nothing else in this recording
        for after, _ in self._unrecorded(copy, 0, events):
            if (ENDED,) in after:
                yield after

    def _unrecorded(
        self,
        store: WorldStore,
        line: int,
        events: Iterable[Event],
        wanted: Callable[[Event, tuple[Any, ...]], bool] = lambda event, arguments: True,
    ) -> Iterator[tuple[WorldStore, bool]]:
        """(state, does the call count as a step?) after one of the events.  Its arguments are elements that were met, and new ones: what nothing else speaks of."""
        met = self._met(store)
        for event in events:
            domains: list[Any] = []
            total = 1
            wide, new = store.copy(), []
            for parameter in event.parameters:
                match parameter.type:
                    case ElemT(sort) if sort.index in store.world.comparable:
                        domains.append([wide.unknown(sort)])
                    case ElemT(sort) if sort.index in store.world.choosable and event.name not in self.passing:
                        chosen, fresh = wide.choose(sort)
                        new.append((sort, fresh))
                        domains.append([chosen])
                    case ElemT(sort) if not sort.pool and not sort.caller:
                        new.append((sort, wide.fresh(sort)))
                        domains.append([*store.elements(sort), new[-1][1]])
                    case ElemT(sort):
                        domains.append(store.elements(sort))
                    case EnumT(enum):
                        domains.append(range(len(enum.members)))
                    case _:
                        domains.append((False, True))
                total *= len(domains[-1])
            if total > MOST_HIDDEN:
                self.overwhelmed = True
                continue
            for arguments in product(*domains):
                if event.name == self.exit_event and any(self.last_line.get(agent, 0) >= line for agent in arguments):
                    continue
                if not wanted(event, arguments):
                    continue
                self.poll()
                for after in self._ends(event, arguments, wide):
                    for sort, x in reversed(new):
                        if not self._is_named(after, sort, x):
                            self._forget(after, sort, x)
                    if after != store:
                        yield after, event.name in self.ioctl_targets or self._met(after) > met


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
