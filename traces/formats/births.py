"""Where tasks come from, in a recording that tells it with the return of fork, vfork, clone or clone3.

A child may be seen before the call that made it returns.  What is recorded from then on is held back until the return names the child, so
that its birth comes first; at most `MOST_HELD` records are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from luocheck.traces.records import Ended, Enter, Exit, Forked, Record
from luocheck.traces.syscalls import CLONE_THREAD, EXECS, FORKS

MOST_HELD = 4096


class Births:
    def __init__(self) -> None:
        self.pending: dict[int, Enter] = {}  # tasks that are in a call that makes another one
        self.known: set[int] = set()
        self.waiting: set[int] = set()  # children that nobody is known to have made
        self.held: list[Record] = []
        self.groups: dict[int, int] = {}  # task -> first task of its process
        self.members: dict[int, int] = {}  # first task of a process -> tasks of it that live

    def arranged(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records, each birth before what the child does."""
        for record in records:
            yield from self._one(record)
        yield from self._release()

    def joined(self, records: Iterable[Record]) -> Iterator[Record]:
        """`arranged` of the records of several files, whose readers knew the births in their own file only."""
        yield from self.arranged(map(self._with_births, records))

    def _with_births(self, record: Record) -> Record:
        event = record.event
        if isinstance(event, Forked) and record.thread is not None:
            self._join(record.thread, event.child)
        elif isinstance(event, Ended):
            last = self.ended(event.thread)
            return record if last is None else record._replace(event=Ended(event.thread, last))
        return record

    def _one(self, record: Record) -> Iterator[Record]:
        thread = record.thread
        event = record.event
        if thread is not None and thread not in self.known and not isinstance(event, Ended):
            if self.pending:
                self.waiting.add(thread)
            elif not self.known and isinstance(event, Enter) and event.syscall in EXECS:
                self._found(thread, thread)  # recorded from its beginning
            self.known.add(thread)
        match event:
            case Forked(child=child):
                self.known.add(child)
                if thread is not None:
                    self.pending.pop(thread, None)
                if child in self.waiting:
                    self._insert(record)
                    if not self.waiting:
                        yield from self._release()
                    return
            case Ended(thread=gone):
                self.known.discard(gone)
            case Enter(syscall=name) if thread is not None and name in FORKS:
                self.pending[thread] = event
            case Exit(syscall=str(name)) if thread is not None and name in FORKS:
                self.pending.pop(thread, None)
        if self.waiting:
            self.held.append(record)
            if not self.pending or len(self.held) > MOST_HELD:
                yield from self._release()
        else:
            yield record

    def _insert(self, birth: Record) -> None:
        """Puts a birth where its child was first seen."""
        assert isinstance(birth.event, Forked)
        child = birth.event.child
        self.waiting.discard(child)
        place = next((i for i, record in enumerate(self.held) if record.thread == child), len(self.held))
        if place < len(self.held):
            first = self.held[place]
            birth = Record(first.line, first.time, birth.thread, None, None, birth.event)
        self.held.insert(place, birth)

    def _release(self) -> Iterator[Record]:
        """What was held back, when nothing more will be learnt: the only call that is going on made the only child."""
        if len(self.pending) == 1 and len(self.waiting) == 1:
            parent, child = next(iter(self.pending)), next(iter(self.waiting))
            self._insert(Record(0, None, parent, None, None, Forked(None, child)))
            self._join(parent, child)
        self.waiting.clear()
        yield from self.held
        self.held.clear()

    # ---- what the reader says ------------------------------------------------------------------------------------

    def born(self, line: int, time: int | None, parent: int, child: int) -> Iterator[Record]:
        """The call of `parent` returned the id of `child`."""
        self._join(parent, child)
        yield Record(line, time, parent, None, None, Forked(None, child))

    def _join(self, parent: int, child: int) -> None:
        enter = self.pending.get(parent)
        flags = 0
        match enter:
            case Enter(syscall="clone", arguments=(int(flags), *_)):
                pass
            case Enter(syscall="clone3", struct={"flags": int(flags)}):
                pass
        if flags & CLONE_THREAD:
            if parent in self.groups:
                self._found(child, self.groups[parent])
        else:
            self._found(child, child)

    def _found(self, thread: int, process: int) -> None:
        if thread not in self.groups:
            self.groups[thread] = process
            self.members[process] = self.members.get(process, 0) + 1

    def ended(self, thread: int) -> bool | None:
        """A task ended: was it the last one of its process?  None when its process is not known."""
        process = self.groups.pop(thread, None)
        self.pending.pop(thread, None)
        if process is None:
            return None
        self.members[process] -= 1
        return self.members[process] == 0
