"""When calls returned, in a recording that was merged from several files and shows when they began only (strace without -T).

A call is over before its task does something else, which can be much later.  That late it is taken to have returned, so that it can have
overlapped what others did; but a task that it made was there before that did anything, and a descriptor that it returned before a task that
shares it used it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from luocheck.traces.following import signed32
from luocheck.traces.records import Enter, Exit, Forked, Record
from luocheck.traces.syscalls import MAKERS, OPENERS, OTHERS, duplicates

_USERS = frozenset({"ioctl", "close", "dup", "dup2", "dup3", "fcntl", "accept", "accept4", "recvmsg", "recvmmsg"})
"""Calls whose first argument is a descriptor, of those that are followed."""

_GIVERS = OPENERS | MAKERS | OTHERS
"""Calls that return a descriptor, besides those that duplicate one."""


class Dated(NamedTuple):
    """A record with a time, and what its part shows between it and the next one: returns.  part: the number of the file."""

    time: int
    part: int
    place: int
    record: Record
    after: Sequence[Record] = ()


def dated(part: int, records: Iterable[Record]) -> Iterator[Dated]:
    """The records of a file, in its order; times never go back."""
    latest, place = 0, 0
    current: Record | None = None
    after: list[Record] = []
    for record in records:
        if record.time is None and current is not None:
            after.append(record)
            continue
        if current is not None:
            yield Dated(latest, part, place, current, after)
            place, after = place + 1, []
        current, latest = record, max(latest, record.time or 0)
    if current is not None:
        yield Dated(latest, part, place, current, after)


@dataclass(slots=True)
class Untimed:
    """groups: tasks and their processes, as far as they are known; it grows while records are taken from here."""

    groups: Mapping[int, int]
    _held: dict[int, Dated] = field(default_factory=dict)  # part -> what began last in it, and has not returned
    _making: dict[int, int] = field(default_factory=dict)  # child -> of these, the one that made it
    _giving: dict[int, dict[int, None]] = field(default_factory=dict)  # descriptor -> of these, those that returned it
    _taken: dict[int | None, set[int]] = field(default_factory=dict)  # process -> numbers that were given out and not closed

    def placed(self, merged: Iterable[Dated]) -> Iterator[Record]:
        """All records, those without a time where they belong."""
        for each in merged:
            if each.part in self._held:
                yield from self._over(each.part)
            maker = self._making.get(each.record.thread) if each.record.thread is not None else None
            if maker is not None:
                yield from self._over(maker)
            number = _used(each.record)
            if number is not None:
                for part in [part for part in self._giving.get(number, ()) if self._gave(self._held[part], number, each.record)]:
                    yield from self._over(part)
            self._note(each.record, ())
            yield each.record
            if each.after:
                self._hold(each)
        for part in list(self._held):
            yield from self._over(part)

    def _hold(self, item: Dated) -> None:
        self._held[item.part] = item
        for each in item.after:
            if isinstance(each.event, Forked):
                self._making[each.event.child] = item.part
        number = _given(item.record, item.after)
        if number is not None:
            self._giving.setdefault(number, {})[item.part] = None

    def _over(self, part: int) -> Iterator[Record]:
        """What the task of this file did is over."""
        item = self._held.pop(part)
        for each in item.after:
            if isinstance(each.event, Forked):
                self._making.pop(each.event.child, None)
        number = _given(item.record, item.after)
        if number is not None:
            self._giving[number].pop(part)
        self._note(item.record, item.after)
        yield from item.after

    def _gave(self, other: Dated, number: int, user: Record) -> bool:
        """Did that call return the descriptor that this one uses?  Not when it was there before."""
        process = self._process(user)
        return self._process(other.record) == process and number not in self._taken.get(process, ())

    def _process(self, record: Record) -> int | None:
        return self.groups.get(record.thread) if record.thread is not None else None

    def _note(self, record: Record, after: Sequence[Record]) -> None:
        """Keeps account of the numbers that are in use."""
        process = self._process(record)
        taken = self._taken.setdefault(process, set())
        event = record.event
        if after:
            number = _given(record, after)
            if number is not None:
                taken.add(number)
            for each in after:
                if isinstance(each.event, Forked):
                    self._taken[each.event.child] = set(taken)  # a thread has the process of its parent, and this is not looked at
        elif isinstance(event, Enter) and event.syscall == "close" and event.arguments:
            taken.discard(signed32(event.arguments[0]))
        elif isinstance(event, Enter) and event.syscall == "close_range" and len(event.arguments) > 1:
            first, last = event.arguments[:2]
            taken.difference_update([number for number in taken if first <= number <= last])


def _used(record: Record) -> int | None:
    """The descriptor that a call uses."""
    event = record.event
    if isinstance(event, Enter) and event.syscall in _USERS and event.arguments:
        return signed32(event.arguments[0])
    return None


def _given(record: Record, after: Sequence[Record]) -> int | None:
    """The descriptor that a call returned, with the records of its return."""
    event = record.event
    if not isinstance(event, Enter):
        return None
    name = event.syscall
    if name not in _GIVERS and not duplicates(name, event.arguments):
        return None
    return next((each.event.result for each in after if isinstance(each.event, Exit) and each.event.result >= 0), None)
