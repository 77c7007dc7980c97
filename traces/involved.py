"""Which tasks a recording shows to have to do with the abi, so that what all others did need not be put together.

A process without an ioctl of the abi, a probe or an open of the device can matter to one that has them only as its relative: descriptors
are handed down by fork.  (What one process sends another is not recorded, and links that name files tie all of them.)  So the calls of
families of which nobody is involved are left out; on a machine that does other things these are most of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from luocheck.model.abi import DEVICE, Abi
from luocheck.traces.formats.recorders import Role, part_of
from luocheck.traces.payload import descriptor_for
from luocheck.traces.processes import Processes
from luocheck.traces.records import Ended, Enter, Exit, Forked, Gap, Hit, Record
from luocheck.traces.syscalls import FORKS, OPENERS


@dataclass(slots=True)
class Survey:
    """What one look at the records of a recording shows.

    names: of system calls; kinds: types of events; roles: of probes.  tasks: the records that tell where tasks come from; members: tasks with
    their processes.  callers: tasks that do something with the device or its objects, in their order; suspects: these, and all others whose calls have to be looked at.
    linked: the recorder shows what descriptors lead to.
    """

    names: set[str | None] = field(default_factory=set)
    kinds: set[type[object]] = field(default_factory=set)
    roles: set[Role] = field(default_factory=set)
    gaps: list[Record] = field(default_factory=list)
    tasks: list[Record] = field(default_factory=list)
    members: list[tuple[int, int]] = field(default_factory=list)
    callers: dict[int, None] = field(default_factory=dict)
    suspects: set[int] = field(default_factory=set)
    linked: bool = False


class _Surveyor:
    def __init__(self, abi: Abi) -> None:
        device = descriptor_for(abi, DEVICE)
        self.magic = device.magic if device is not None else None
        self.magics = {each.magic for each in abi.descriptors if each.magic is not None}
        self.numbers = {each.number for each in abi.ioctls}
        self.path = device.path.encode() if device is not None and device.path is not None else None
        self.functions = {each.function for each in abi.syscalls}
        self.found = Survey()
        self.entered: dict[int, set[str]] = {}  # sources that showed the ioctl which a thread is in

    def enter(self, record: Record, event: Enter) -> None:
        found, thread, name = self.found, record.thread, event.syscall
        found.names.add(name)
        found.linked |= bool(event.links)
        if thread is None:
            return
        if name != "ioctl":
            self.entered.pop(thread, None)
            if name in FORKS:
                found.tasks.append(record)
            if name in self.functions or (name in OPENERS and event.path is not None and event.path == self.path):
                found.suspects.add(thread)
            return
        self.entered.setdefault(thread, set()).add(event.source)
        if len(event.arguments) < 2:
            found.suspects.add(thread)
            return
        number = event.arguments[1] & 0xFFFFFFFF
        if self.magic is not None and event.arguments[1] >> 8 & 0xFF == self.magic:
            found.callers[thread] = None
        if number in self.numbers or number >> 8 & 0xFF in self.magics:
            found.suspects.add(thread)

    def exit(self, record: Record, event: Exit) -> None:
        found, thread = self.found, record.thread
        found.names.add(event.syscall)
        found.linked |= event.link is not None
        if event.syscall == "ioctl" and thread is not None:
            sources = self.entered.get(thread)
            if sources is None or event.source not in sources:
                found.suspects.add(thread)  # its entry is missing
            else:
                sources.discard(event.source)

    def other(self, record: Record) -> None:
        found, event = self.found, record.event
        match event:
            case Hit():
                part = part_of(event)
                if part is not None:
                    found.roles.add(part.role)
                    if record.thread is not None:
                        found.callers[record.thread] = None
            case Gap():
                found.gaps.append(record)
            case Forked() | Ended():
                found.tasks.append(record)


def survey(records: Iterable[Record], abi: Abi) -> Survey:
    """Looks at all records once."""
    surveyor = _Surveyor(abi)
    found, enter, exit_, other = surveyor.found, surveyor.enter, surveyor.exit, surveyor.other
    kinds, tasks = found.kinds, found.tasks
    process_of: dict[int, int] = {}
    for record in records:
        event = record.event
        kinds.add(type(event))
        if isinstance(event, Enter):
            enter(record, event)
        elif isinstance(event, Exit):
            exit_(record, event)
        else:
            other(record)
        thread, process = record.thread, record.process
        if process is not None and thread is not None and process_of.get(thread) != process:
            process_of[thread] = process
            found.members.append((thread, process))
            if not tasks or tasks[-1] is not record:
                tasks.append(record)
    found.suspects.update(found.callers)
    return found


def involved(records: list[Record], found: Survey, processes: Processes) -> list[Record]:
    """The records of the families in which somebody is involved, and those of no task."""
    if found.linked:
        return records
    families = _Families()
    for parent, child in processes.births:
        families.join(processes.key(parent), processes.key(child))
    for thread, process in found.members:
        families.join(processes.key(thread), process)
    wanted = {families.of(processes.key(thread)) for thread in found.suspects}
    answers: dict[int | None, bool] = {None: True}

    def is_wanted(thread: int | None) -> bool:
        known = answers.get(thread)
        if known is None:
            known = answers[thread] = thread is None or families.of(processes.key(thread)) in wanted
        return known

    out = []
    for record in records:
        if is_wanted(record.thread):
            out.append(record)
            continue
        match record.event:
            case Forked(child=task) | Ended(thread=task) if is_wanted(task):
                out.append(record)
    return out


class _Families:
    """Sets of processes that grow together."""

    def __init__(self) -> None:
        self.leaders: dict[int, int] = {}

    def of(self, process: int) -> int:
        leaders = self.leaders
        while (leader := leaders.get(process, process)) != process:
            leaders[process] = leaders.get(leader, leader)
            process = leader
        return process

    def join(self, one: int, other: int) -> None:
        one, other = self.of(one), self.of(other)
        if one != other:
            self.leaders[other] = one
