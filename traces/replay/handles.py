"""Handles of a recording as elements: descriptors, tokens, names and processes, numbered before replay begins.

Names, tokens and processes are the same in every state, so they get their elements once.  What an open file stands for can differ from
state to state and is part of the state (`world.BOUND`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from luocheck.model.abi import DEVICE, Abi, Handle, Ioctl, StructField
from luocheck.model.instances import default_name
from luocheck.model.ir.system import Event, Local, System
from luocheck.model.ir.vocabulary import ElemT, Sort
from luocheck.traces.call import Call, Recording

Payload = int | bytes

_SHORTEST_GAP = 16
"""Numbers of an ordered sort whose places are their own, also in a recording in which few are given out."""


def text_of(value: bytes) -> bytes:
    """A string handle up to its terminator."""
    return value.split(b"\0", 1)[0]


@dataclass(eq=False)
class Handles:
    """elements: (sort, value) -> element, for strings (bytes), numbers (int) and processes.

    A number of an ordered sort is the element at its own place, as long as the gaps between the numbers are no longer than `gap`: what
    lies further apart no counter gets to within the recording, so a longer gap means the same.  moved: there was one.
    """

    system: System
    abi: Abi
    elements: dict[tuple[int, Payload], int] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    texts: list[list[str]] = field(default_factory=list)
    gap: int = _SHORTEST_GAP
    moved: bool = False
    ioctls: dict[str | None, Ioctl] = field(init=False)  # by their events

    def __post_init__(self) -> None:
        self.ioctls = {each.event: each for each in reversed(self.abi.ioctls)}

    @classmethod
    def of(
        cls,
        system: System,
        recording: Recording,
        after: Handles | None = None,
        floor: Sequence[int] = (),
        *,
        rebooted: bool = True,
    ) -> Handles:
        """Numbers everything that the recording names.

        after: the handles of what was recorded before, whose strings and numbers mean the same.  rebooted: that was another kernel, whose
        processes are gone.  floor: how many elements of each sort exist already.
        """
        handles = cls(system, system.abi, {}, [0] * len(system.sorts), [[] for _ in system.sorts])
        if after is not None:
            caller = system.caller.index if system.caller is not None and rebooted else None
            handles.elements = {key: x for key, x in after.elements.items() if key[0] != caller}
            handles.moved = after.moved
            for sort, least in zip(system.sorts, floor, strict=True):
                texts = after.texts[sort.index]
                handles.counts[sort.index] = max(least, after.counts[sort.index])
                handles.texts[sort.index] = [
                    *texts, *(f"{default_name(sort)}{x}" for x in range(len(texts), handles.counts[sort.index]))
                ]  # fmt: skip
        times = Counter(call.alike for call in recording.calls)
        calls = list({call.number if call.alike is None else (call.alike,): call for call in recording.calls}.values())
        handles.gap = _SHORTEST_GAP + sum(times[c.alike] if c.alike is not None else 1 for c in calls if handles._gives_number(c))
        handles._place_numbers(calls)
        for call in calls:
            for process in (call.process, call.parent):
                if process is not None and system.caller is not None:
                    handles._number(system.caller, process, f"process {process}")
            for sort, value in handles._values(call):
                handles.element(sort, value)
            if call.on is not None and call.on.label is not None and call.on.target in {sort.name for sort in system.sorts}:
                label = handles.label_sort(call.on.target)
                if label is not None:
                    handles._number(label, text_of(call.on.label), shown(call.on.label))
        return handles

    def _values(self, call: Call) -> Iterator[tuple[Sort, Payload]]:
        """The strings and numbers in the struct of a call."""
        ioctl = self.ioctl(call)
        for member in ioctl.fields if ioctl is not None else ():
            sort = self.sort_of(ioctl, member) if ioctl is not None else None
            for values in (call.given, call.got):
                value = values.get(member.name)
                if sort is not None and value is not None and not self.is_descriptor(sort):
                    yield sort, value

    def _gives_number(self, call: Call) -> bool:
        """Can a call have made a counter go on?"""
        ioctl = self.ioctl(call) if call.result is None or call.result >= 0 else None
        given = [self.sort_of(ioctl, member) for member in ioctl.fields if member.role == "out"] if ioctl is not None else []
        return any(sort is not None and sort.ordered for sort in given)

    def _place_numbers(self, calls: Iterable[Call]) -> None:
        """Numbers of ordered sorts in their order, because a long gap before one moves those behind it."""
        ordered = {(s.index, v) for call in calls for s, v in self._values(call) if s.ordered and isinstance(v, int)}
        for index, value in sorted(ordered - self.elements.keys()):
            self._place(self.system.sorts[index], value)

    def _place(self, sort: Sort, value: int) -> None:
        before = [(v, x) for (index, v), x in self.elements.items() if index == sort.index and isinstance(v, int) and v < value]
        lower, place = max(before, default=(-1, -1))
        place += min(value - lower, self.gap)
        taken = {x for (index, _), x in self.elements.items() if index == sort.index}
        while place in taken:  # of a kernel before, whose numbers keep their places
            place = max(taken) + 1
        texts = self.texts[sort.index]
        if place != value:
            self.moved = True
            texts += [f"{default_name(sort)}{x}" for x in range(len(texts), place)]
            texts[place : place + 1] = [f"{value:#x}"]
        self.elements[sort.index, value] = place
        self.counts[sort.index] = max(self.counts[sort.index], place + 1)

    def _number(self, sort: Sort, value: Payload, text: str) -> int:
        key = (sort.index, value)
        if key not in self.elements:
            if sort.ordered and isinstance(value, int):
                self._place(sort, value)
            else:
                self.elements[key] = self.counts[sort.index]
                self.counts[sort.index] += 1
                self.texts[sort.index].append(text)
        return self.elements[key]

    # ---- look-ups -----------------------------------------------------------------------------------------------

    def ioctl(self, call: Call) -> Ioctl | None:
        """The abi's entry for the event of a call."""
        return self.ioctls.get(call.event)

    def element(self, sort: Sort, value: Payload) -> int:
        """The element that a string, a number or a process stands for."""
        if isinstance(value, bytes):
            return self._number(sort, text_of(value), shown(value))
        return self._number(sort, value, f"{value:#x}")

    def process(self, process: int) -> int | None:
        caller = self.system.caller
        if caller is None:
            return None
        known = self.elements.get((caller.index, process))
        return known if known is not None else self._number(caller, process, f"process {process}")

    def sort_of(self, ioctl: Ioctl, member: StructField) -> Sort | None:
        """The sort of the parameter or result that a member carries; None when it carries a number, a bool, an enum value or nothing."""
        if member.parameter is None:
            return None
        event = self.system.event(ioctl.event)
        local = local_named(event, member.parameter)
        return local.type.sort if local is not None and isinstance(local.type, ElemT) else None

    def handle_for(self, sort: Sort) -> Handle | None:
        return next((h for h in self.abi.handles if sort.name in h.targets), None)

    def is_descriptor(self, sort: Sort) -> bool:
        """Are elements of this sort named by descriptor numbers?"""
        handle = self.handle_for(sort)
        return handle is not None and DEVICE in handle.targets

    def label_sort(self, target: str) -> Sort | None:
        """The sort of the field that the link text of an open file shows."""
        for descriptor in self.abi.descriptors:
            if descriptor.target == target and descriptor.label_field is not None:
                type_ = self.system.field(descriptor.label_field, target).type
                return type_.sort if isinstance(type_, ElemT) else None
        return None

    def names(self) -> tuple[tuple[str, ...], ...]:
        return tuple(tuple(texts) for texts in self.texts)


def local_named(event: Event, name: str) -> Local | None:
    """A parameter or the result of an event."""
    for local in (*event.parameters, *([event.result] if event.result is not None else [])):
        if local.name == name:
            return local
    return None


def shown(value: bytes) -> str:
    """A string handle as text for reports."""
    return '"' + text_of(value).decode("ascii", "backslashreplace").encode("unicode_escape").decode("ascii") + '"'


@dataclass(frozen=True, slots=True)
class CallBytes:
    """What is known of the bytes of a call, and how the abi's checks of them can end (`machine.Bytes`)."""

    abi: Abi
    ioctl: Ioctl
    given: Mapping[str, Payload]

    def refusals(self) -> tuple[str | None, ...]:
        """Errnos with which the checks can end, in the order in which they are made; None when they can pass.

        The order is that of copy_struct_from_user(): the size word is read, compared, then the struct is copied; then reserved members.
        """
        ends: list[str | None] = []
        sized, header = self.abi.sized, self.ioctl.sized
        if sized is not None and header is not None:
            size = self.given.get(header.name)
            if size is None and sized.fault is not None:
                ends.append(sized.fault)
            if size is None or (isinstance(size, int) and size < self.ioctl.size):
                if sized.short is not None:
                    ends.append(sized.short)
                if size is not None:
                    return tuple(ends)
            if sized.tail is not None and (size is None or (isinstance(size, int) and size > self.ioctl.size)):
                ends.append(sized.tail)
            if size is not None and sized.fault is not None and not self._all_read():
                ends.append(sized.fault)  # the size can be on a page that is there, and the rest not
        elif any(member.role == "in" and member.name not in self.given for member in self.ioctl.fields):
            ends.append("EFAULT")
        for member in self.ioctl.fields:
            if member.role == "zero" and member.errno is not None:
                value = self.given.get(member.name)
                if value is None:
                    ends.append(member.errno)
                elif value:
                    ends.append(member.errno)
                    return tuple(ends)
        return (*ends, None)

    def _all_read(self) -> bool:
        """Does the recording show every member that the kernel read?"""
        return all(member.name in self.given for member in self.ioctl.fields if member.role in ("in", "zero"))
