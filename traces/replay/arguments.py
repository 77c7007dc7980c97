"""What the arguments of a recorded call can stand for in a state."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from luocheck.model.abi import Handle, Ioctl
from luocheck.model.ir.system import Event, Local, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Sort
from luocheck.model.semantics.store import live_index
from luocheck.traces.call import Call, Kind, OpenFile
from luocheck.traces.replay.cells import BOUND, KNOWN
from luocheck.traces.replay.deciding import Undecided
from luocheck.traces.replay.handles import Handles, text_of
from luocheck.traces.replay.unknowns import Unknown
from luocheck.traces.replay.world import WorldStore


class Attempt(NamedTuple):
    """A call with an element for each argument, in a state that has them all.  anonymous: elements that only this call speaks of."""

    store: WorldStore
    event: Event
    arguments: tuple[Any, ...]
    anonymous: tuple[tuple[Sort, int], ...]


class Arguments:
    """Finds elements for the arguments of calls.

    fresh_only: while explanations are looked for quickly, a successful call is taken to be about things that were not met yet.
    """

    def __init__(self, system: System, handles: Handles, *, fresh_only: bool) -> None:
        self.system = system
        self.abi = system.abi
        self.handles = handles
        self.fresh_only = fresh_only

    def attempts(self, store: WorldStore, call: Call, *, every: bool = False) -> Iterator[Attempt]:
        """All ways to understand the arguments of a call.

        An argument that the recording does not show is any element that was met, or a new one.  While explanations are looked for
        quickly (`World.fresh_only`), a successful call is taken to be about new ones.
        """
        assert call.event is not None
        event = self.system.event(call.event)
        ioctl = self.handles.ioctl(call)
        partial: list[tuple[WorldStore, list[Any], list[tuple[Sort, int]]]] = [(store, [], [])]
        subject_taken = False
        for parameter in event.parameters:
            options = []
            is_subject = not subject_taken and parameter.slot != event.caller and self._is_subject(parameter, call, ioctl)
            subject_taken = subject_taken or is_subject
            for state, values, anonymous in partial:
                for after, value, is_new in self._values(state, call, event, ioctl, parameter, is_subject, every):
                    named = anonymous
                    if is_new and isinstance(parameter.type, ElemT):
                        sort = parameter.type.sort
                        named = [*anonymous, (sort, after[KNOWN, sort.index] - 1 if type(value) is Unknown else value)]
                    options.append((after, [*values, value], named))
            partial = options
        for state, values, anonymous in partial:
            for flags in product(*(self._predicate(event, index, call, ioctl) for index in range(len(event.predicates)))):
                yield Attempt(state, event, (*values, *flags), tuple(anonymous))

    def _is_subject(self, parameter: Local, call: Call, ioctl: Ioctl | None) -> bool:
        """Is this parameter the open file that the call is made on?"""
        if not isinstance(parameter.type, ElemT):
            return False
        if ioctl is not None:
            return ioctl.target == parameter.type.sort.name
        return call.kind is Kind.CLOSE

    def _values(
        self, store: WorldStore, call: Call, event: Event, ioctl: Ioctl | None, parameter: Local, is_subject: bool, every: bool
    ) -> Iterator[tuple[WorldStore, Any, bool]]:
        """(state, value, is it new and nameless?) for one parameter."""
        type_ = parameter.type
        if parameter.slot == event.caller:
            yield store, self.handles.process(call.process), False
            return
        member = (
            next((m for m in ioctl.fields if m.role == "in" and m.parameter == parameter.name), None) if ioctl is not None else None
        )
        value = call.given.get(member.name) if member is not None else None
        if isinstance(type_, EnumT | BoolT):
            numbers = type_.enum.numbers if isinstance(type_, EnumT) else (0, 1)
            for position, number in enumerate(numbers):
                if value is None or value == number:
                    yield store, position if isinstance(type_, EnumT) else bool(position), False
            return
        assert isinstance(type_, ElemT)
        sort = type_.sort
        if is_subject:
            yield from self.open_file(store, sort, call.on)
        elif member is not None and self.handles.is_descriptor(sort):
            if member.name in call.closed:
                yield self._new(store, sort)
            else:
                yield from self._target(store, sort, call.files.get(member.name), call, every)
        elif value is not None:
            yield store, self.handles.element(sort, value), False
        else:
            yield from self._unknown(store, sort, call, every)

    def _new(self, store: WorldStore, sort: Sort) -> tuple[WorldStore, int, bool]:
        copy = store.copy()
        return copy, copy.fresh(sort), True

    def _counted(self, store: WorldStore, sort: Sort) -> WorldStore:
        """The state with every number that a counter has come to among the elements that were met."""
        highest = -1
        for cell, value in store.items():
            if 0 <= cell[0] < len(self.system.fields):
                f = self.system.fields[cell[0]]
                highest = max(highest, *(x for owner, x in zip(f.owners, cell[1:], strict=True) if owner == sort), -1)
                if isinstance(f.type, ElemT) and f.type.sort == sort and value is not None:
                    highest = max(highest, value)
        if highest < store.get((KNOWN, sort.index), 0):
            return store
        copy = store.copy()
        copy[KNOWN, sort.index] = highest + 1
        return copy

    def _unknown(
        self, store: WorldStore, sort: Sort, call: Call, every: bool, *, late: bool = True
    ) -> Iterator[tuple[WorldStore, int, bool]]:
        succeeded = call.result is not None and call.result >= 0
        if sort.index in store.world.comparable:
            copy = store.copy()
            yield copy, copy.unknown(sort), False
            return
        if sort.index in store.world.choosable and late:
            copy = store.copy()
            yield copy, copy.choose(sort)[0], True
            return
        if sort.ordered:
            store = self._counted(store, sort)
        if not sort.pool:
            yield self._new(store, sort)
        if every or not (self.fresh_only and succeeded) or sort.pool:
            for x in store.elements(sort):
                yield store, x, False

    def open_file(self, store: WorldStore, sort: Sort, file: OpenFile | None) -> Iterator[tuple[WorldStore, int, bool]]:
        """The element that the open file of the call stands for; when that is not known yet, all that it can stand for."""
        if file is not None:
            bound = store.get((BOUND, file.number, sort.index))
            if bound is not None:
                if not sort.pool or (live_index(self.system, sort), bound) in store:
                    yield store, bound, False
                return
        taken = {value for cell, value in store.items() if cell[0] == BOUND and cell[2] == sort.index}
        known = sorted(store.elements(sort), key=lambda x: x in taken)  # likely ones first
        candidates: list[tuple[WorldStore, int]] = [(store, x) for x in known]
        if store.may_hide(sort):
            copy = store.copy()
            candidates.append((copy, copy.materialise(sort)))
        for state, x in candidates:
            for named in self._labelled(state, sort, x, file):
                if file is not None:
                    named = named.copy()
                    named[BOUND, file.number, sort.index] = x
                yield named, x, False

    def _labelled(self, store: WorldStore, sort: Sort, x: int, file: OpenFile | None) -> list[WorldStore]:
        """The states in which an element bears the label of an open file; one where it is not decided is decided so."""
        label = self.handles.label_sort(sort.name) if file is not None and file.label is not None else None
        if label is None or file is None or file.label is None:
            return [store]
        descriptor = next(d for d in self.abi.descriptors if d.target == sort.name)
        field = self.system.field(descriptor.label_field or "", sort.name)
        wanted = self.handles.elements.get((label.index, text_of(file.label)))
        try:
            return [store] if store.equals((field.index, x), None, wanted) else []
        except Undecided as undecided:
            copy = store.copy()
            undecided.ways[0].change(copy)
            return [copy]

    def _target(
        self, store: WorldStore, sort: Sort, file: OpenFile | None, call: Call, every: bool
    ) -> Iterator[tuple[WorldStore, int, bool]]:
        """The element behind a descriptor number in the struct."""
        if file is None:
            yield from self._unknown(store, sort, call, every)
            return
        bound = store.get((BOUND, file.number, sort.index))
        if bound is not None:
            yield store, bound, False
            return
        for state, x, _ in self._unknown(store, sort, call, every, late=False):
            copy = state.copy() if state is store else state
            copy[BOUND, file.number, sort.index] = x
            yield copy, x, False

    def _predicate(self, event: Event, index: int, call: Call, ioctl: Ioctl | None) -> tuple[bool, ...]:
        """The values that a hidden argument (`bad_name(n)`) can have."""
        predicate = event.predicates[index]
        handle = self.abi.predicate(predicate.name)
        member = next((m for m in ioctl.fields if m.parameter == predicate.parameter.name), None) if ioctl is not None else None
        if member is None:
            return (False,)
        if "closed" in handle.bad_causes:
            if member.name in call.closed:
                return (True,)
            return (False,) if member.name in call.files else (False, True)
        value = call.given.get(member.name)
        return (False, True) if not isinstance(value, bytes) else (_is_bad(handle, value),)


def _is_bad(handle: Handle, value: bytes) -> bool:
    if "empty" in handle.bad_causes and not text_of(value):
        return True
    return "unterminated" in handle.bad_causes and handle.length is not None and b"\0" not in value and len(value) >= handle.length
