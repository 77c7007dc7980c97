"""Calls that the recorder could not show: which may have happened in a state, and what they lead to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any

from luocheck.model.abi import DEVICE
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import ElemT, EnumT
from luocheck.traces.call import Call, Kind
from luocheck.traces.replay.cells import BOUND, ENDED, KNOWN, OLD, PENDING
from luocheck.traces.replay.passing import Passing
from luocheck.traces.replay.renaming import spoken_of
from luocheck.traces.replay.world import WorldStore

if TYPE_CHECKING:
    from luocheck.traces.replay.step import Stepper

_WITHOUT_EFFECT = (st.Arguments, st.Assert, st.Fail, st.If, st.Require, st.Skip, st.Sometimes, st.Step)

MOST_HIDDEN = 20_000
"""Most combinations of arguments of an unrecorded call that are looked at in one state."""

MOST_UNRECORDED_STEPS = 3
"""Unrecorded calls in a row that are ioctls or meet something for the first time, and that are looked at before it is asked whether more of
them could help.  One recorded call seldom needs more: one makes or finds the session, one the file, one finishes it."""


class Unrecorded:
    """The unrecorded calls of the recording of a stepper.

    meeting: events other than ioctls that met something for the first time.  left_out: the lines of the calls by which a process gave
    something up, and before which it can have made more ioctls than were looked at.
    """

    def __init__(self, stepper: Stepper) -> None:
        self.stepper = stepper
        self.system = stepper.system
        self.abi = stepper.system.abi
        self.ioctl_targets = {each.event: each.target for each in self.abi.ioctls}
        self.exit_event = self.abi.process.exit if self.abi.process is not None else None
        self.passing = Passing(self)
        self.meeting: set[Event] = set()
        self.left_out: set[int] = set()

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Looked for when they are needed, which few recordings do."""
        return tuple(self._events())

    def _events(self) -> Iterator[Event]:
        """Events that may have happened at any time without being recorded.

        A recorder that shows no ioctl on a kind of open file at all was perhaps not set up to show them.
        """
        seen = self.stepper.recording.observes
        calls = self.stepper.recording.calls
        targets = {ioctl.target for call in calls if (ioctl := self.stepper.handles.ioctl(call)) is not None}
        shown = {each.event for each in self.abi.ioctls if each.target in targets} | {each.event for each in self.abi.syscalls}
        for descriptor in self.abi.descriptors:
            if descriptor.open is not None and Kind.OPEN in seen:
                shown.add(descriptor.open)
            if descriptor.release is not None and (Kind.CLOSE in seen or Kind.RELEASE in seen):
                shown.add(descriptor.release)
        if self.exit_event is not None and Kind.EXIT in seen:
            shown.add(self.exit_event)
        for event in self.system.events:
            if event.name not in shown and not all(isinstance(each, _WITHOUT_EFFECT) for each in st.statements(event.body)):
                yield event

    @cached_property
    def last_line(self) -> dict[int, int]:
        """The last line of each process (its element)."""
        lines: dict[int, int] = {}
        for call in self.stepper.recording.calls:
            process = self.stepper.handles.process(call.process)
            if process is not None and call.kind is not Kind.EXIT:
                lines[process] = max(lines.get(process, 0), call.enter.line, call.exit.line if call.exit is not None else 0)
        return lines

    def may_have_made(self, store: WorldStore, call: Call) -> bool:
        """Can what a call is made on be new, made by an unrecorded ioctl?  It has to be decided when the first call is made on it.

        Any other unrecorded call can be made later, when a call needs it.
        """
        if call.on is None or call.on.target in (None, DEVICE) or not any(each.name in self.ioctl_targets for each in self.events):
            return False
        sorts = [sort for sort in self.system.sorts if sort.name == call.on.target]
        return any((BOUND, call.on.number, sort.index) not in store for sort in sorts)

    # ---- at any time --------------------------------------------------------------------------------------------

    def hidden(
        self, store: WorldStore, line: int, pending: Collection[Call], events: Iterable[Event] | None = None
    ) -> Iterator[tuple[WorldStore, bool]]:
        """(state, does the call count as a step?) after one unrecorded call that can have happened before a line.  Who is seen later has not exited.

        pending: the calls that this is to make possible.  Descriptors are passed on only to who makes one of them on what was passed.
        events: those that are thought of; all of them when None.
        """

        def helps(event: Event, arguments: tuple[Any, ...]) -> bool:
            if event.name not in self.passing.names:
                return True
            return any(self.passing.helps(store, event, arguments, call) for call in pending)

        if (ENDED,) not in store:
            thought_of = self.events if events is None else events
            receivers = {self.stepper.handles.process(call.process) for call in pending}
            yield from self.after(store, line, thought_of, helps, receivers=receivers)
            if not self.stepper.machine.world.fresh_only:
                for event in thought_of:
                    yield from self.passing.before(store, line, event)

    # ---- elsewhere ----------------------------------------------------------------------------------------------

    def inserted(self, store: WorldStore, line: int) -> Iterator[WorldStore]:
        """The states after one call before a line that should have been recorded."""
        if (ENDED,) not in store:
            events = [event for event in self.system.events if event not in self.events]
            yield from (after for after, _ in self.after(store, line, events))

    def kernel_ends(self, store: WorldStore) -> Iterator[WorldStore]:
        """The states after a call that ends the kernel, whoever makes it."""
        events = [self.system.event(each.event) for each in self.abi.syscalls if each.kernel_ends]
        copy = store.copy()
        if self.system.caller is not None:
            copy.fresh(self.system.caller)  # whoever did nothing else in this recording
        for after, _ in self.after(copy, 0, events):
            if (ENDED,) in after:
                yield after

    def anything(self, store: WorldStore, line: int, events: Iterable[Event]) -> Iterator[WorldStore]:
        """The states after one of the events, which can also be about elements of pools that nothing has shown yet."""
        yield from (after for after, _ in self.after(store, line, events, unseen=True))

    def _met(self, store: WorldStore) -> int:
        """How many elements have been met."""
        return sum(store.get((KNOWN, sort.index), 0) for sort in self.system.sorts)

    def after(
        self,
        store: WorldStore,
        line: int,
        events: Iterable[Event],
        wanted: Callable[[Event, tuple[Any, ...]], bool] = lambda event, arguments: True,
        *,
        unseen: bool = False,
        receivers: Collection[int | None] | None = None,
    ) -> Iterator[tuple[WorldStore, bool]]:
        """(state, does the call count as a step?) after one of the events.  Its arguments are elements that were met, and new ones: what nothing else speaks of.

        unseen: of pools also elements that nothing has shown yet.  receivers: to whom descriptors are passed on; to anybody when None.
        """
        met, stepper, is_anybody = self._met(store), self.stepper, self.is_anybody(store)
        for event in events:
            domains: list[Any] = []
            total = 1
            wide, new = store.copy(), []
            for parameter in event.parameters:
                match parameter.type:
                    case ElemT(sort) if sort.index in store.world.comparable:
                        domains.append([wide.unknown(sort)])
                    case ElemT(sort) if sort.index in store.world.choosable and event.name not in self.passing.names:
                        chosen, fresh = wide.choose(sort)
                        new.append((sort, fresh))
                        domains.append([chosen])
                    case ElemT(sort) if not sort.pool and not sort.caller:
                        new.append((sort, wide.fresh(sort)))
                        domains.append([*store.elements(sort), new[-1][1]])
                    case ElemT(sort) if unseen and sort.pool and store.may_hide(sort):
                        new.append((sort, wide.materialise(sort)))
                        wide.pop((PENDING,), None)  # that it is none which was denied is not asked
                        domains.append([*store.elements(sort), *(x for of, x in new if of is sort)])
                    case ElemT(sort):
                        domains.append(store.elements(sort))
                    case EnumT(enum):
                        domains.append(range(len(enum.members)))
                    case _:
                        domains.append((False, True))
                total *= len(domains[-1])
            if total > MOST_HIDDEN:
                stepper.overwhelmed = True
                continue
            if receivers is not None and event.name in self.passing.names:
                last = max(place for place, p in enumerate(event.parameters) if stepper.is_caller_sort(p))
                domains[last] = [x for x in domains[last] if x in receivers]
            is_ioctl = event.name in self.ioctl_targets
            vain: set[object] = set()
            for arguments in product(*domains):
                if event.name == self.exit_event and any(self.last_line.get(agent, 0) >= line for agent in arguments):
                    continue
                if not wanted(event, arguments):
                    continue
                pattern = self._pattern(event, arguments, is_anybody)
                if pattern in vain:
                    continue
                stepper.poll()
                found = stepper.after_unrecorded(event, arguments, wide)
                if not found:
                    vain.add(pattern)
                for after in found:
                    for sort, x in reversed(new):
                        if not stepper.is_named(after, sort, x):
                            stepper.forget(after, sort, x)
                    if after != store:
                        meets = self._met(after) > met
                        if meets and not is_ioctl:
                            self.meeting.add(event)
                        yield after, is_ioctl or meets

    def is_anybody(self, store: WorldStore) -> Callable[[int | None], bool]:
        """Is a process (its element) one of which a state says nothing, so that it can do what each other one can do of which that is true?"""
        caller = self.system.caller
        if caller is None or not caller.symmetric or any(graph.sort is caller for graph in self.system.graphs):
            return lambda process: False
        known = spoken_of(self.system, store, caller)
        return lambda process: process not in known and (OLD, caller.index, process) not in store

    def _pattern(self, event: Event, arguments: tuple[Any, ...], is_anybody: Callable[[int | None], bool]) -> object:
        """What is the same for two tuples of arguments that differ only in processes of which nothing is known: the call does the same."""
        out = list(arguments)
        places = [place for place, p in enumerate(event.parameters) if self.stepper.is_caller_sort(p)]
        for place in places:
            if is_anybody(x := arguments[place]):
                out[place] = -1 - next(each for each in places if arguments[each] == x)
        return tuple(out)
