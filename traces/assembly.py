"""Calls out of operations: which open file each is about, and what its numbers mean.  The tables of descriptors are those of `following`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from luocheck.model.abi import DEVICE, Abi, Ioctl
from luocheck.model.errnos import GENERIC
from luocheck.traces.call import Kind, Moment
from luocheck.traces.descriptors import Descriptors, Entry, Given, Node
from luocheck.traces.drafts import Draft
from luocheck.traces.following import Following, signed32
from luocheck.traces.formats.recorders import Role, command_of, descriptor_of, label_of, pointer_of, result_of, target_of
from luocheck.traces.pairing import Amended, Begun, Finished, Operation, Released, Step
from luocheck.traces.payload import (
    descriptor_for,
    has_constants,
    is_descriptor,
    label_given,
    label_member,
    read_payload,
    refused_with,
)
from luocheck.traces.processes import Processes
from luocheck.traces.records import Ended, Executed, Forked, Gap, Record
from luocheck.traces.syscalls import OPENERS

_NOTHING = Given()

EBADF, EFAULT, ENOTTY = (-GENERIC[name] for name in ("EBADF", "EFAULT", "ENOTTY"))


class Assembler:
    """Collects drafts from the steps of a recording.  probed: the recording has probes on the handlers of the abi's open files."""

    def __init__(self, abi: Abi, processes: Processes, *, complete: bool, probed: bool) -> None:
        self.abi = abi
        self.processes = processes
        self.probed = probed
        self.tables = Following(abi, processes, complete=complete)
        self.numbers: dict[int, list[Ioctl]] = {}
        for ioctl in abi.ioctls:
            self.numbers.setdefault(ioctl.number, []).append(ioctl)
        self.functions = {each.function for each in abi.syscalls}
        self.descriptor_members = {(i.target, i.number): [m for m in i.fields if is_descriptor(abi, m)] for i in abi.ioctls}
        self.ours = {each.target for each in abi.descriptors}
        self.magics = {d.magic for d in abi.descriptors if d.magic is not None}
        device = descriptor_for(abi, DEVICE)
        self.path = device.path.encode() if device is not None and device.path is not None else None
        self.draft_of: dict[Operation, Draft] = {}
        self.elsewhere: Counter[str] = Counter()
        self.elsewhere_line: dict[str, int] = {}
        self.ungiven: dict[int, Node] = {}  # thread -> what its latest ioctl made, and could not give a number to
        self.unreached = 0

    @property
    def drafts(self) -> list[Draft]:
        """The calls, as far as they are known."""
        return self.tables.drafts

    @property
    def descriptors(self) -> Descriptors:
        """The tables as they are now."""
        return self.tables.descriptors

    def run(self, steps: Iterable[Step]) -> None:
        """Takes the next steps of the recording."""
        tables = self.tables
        for step in steps:
            match step:
                case Begun(operation=operation):
                    self.ungiven.pop(operation.thread, None)
                    tables.begin(operation)
                case Finished(operation=operation):
                    self._finish(operation)
                case Amended(operation=operation):
                    self._amended(operation)
                case Released():
                    self._released(step)
                case Record(event=Gap()):
                    tables.forget()
                case Record(event=Forked(child=child)) as record:
                    tables.forked(record, child)
                case Record(event=Executed()) as record if record.thread is not None:
                    tables.executed(self.processes.key(record.thread))
                case Record(event=Ended(thread=thread, last=last)) as record:
                    self.ungiven.pop(thread, None)
                    tables.exited(record, thread, last)

    def settle(self, told: set[int]) -> None:
        """Forgets what no later record is about, see `Following.settle`."""
        self.tables.settle(told)
        self.draft_of.clear()

    # ---- system calls --------------------------------------------------------------------------------------------

    def _finish(self, operation: Operation) -> None:
        process, name = self.tables.key(operation), operation.syscall
        if name == "ioctl":
            self._ioctl(operation, process)
        elif name in OPENERS:
            self._opened(operation, process)
        elif not self.tables.has_closed(operation, process):
            if name in self.functions:
                self._syscall(operation, process)
            else:
                self.tables.change(operation, process)
        self.tables.ended(operation)

    def _opened(self, operation: Operation, process: int) -> None:
        hit = next(((part, hit) for part, hit in operation.hits if part.role is Role.OPEN), None)
        is_device = hit is not None or (self.path is not None and self.path in (operation.path, operation.link))
        maybe = operation.path is None and operation.link is None and operation.level == "syscall" and not self.probed
        if not is_device and not maybe:
            self._opened_other(operation, process)
            return
        succeeded = operation.result is not None and operation.result >= 0
        node = None
        if succeeded:
            pointer = None if hit is None else pointer_of(*hit)
            node = self.descriptors.new(Given(DEVICE if is_device else None, None, pointer))
            if operation.level == "syscall":
                self.tables.open_as(process, operation.result or 0, node, operation)
            else:
                self.descriptors.table(process).loose.append(node)
        if is_device or node is not None:
            draft = self.tables.draft(Kind.OPEN, operation, process)
            draft.node = node
            draft.fd = operation.result if succeeded and operation.level == "syscall" else None
            device = descriptor_for(self.abi, DEVICE)
            draft.event = None if device is None else device.open

    def _opened_other(self, operation: Operation, process: int) -> None:
        if operation.result is not None and operation.result >= 0:
            self.tables.open_as(process, operation.result, self.descriptors.new(Given(self.tables.plain)), operation)

    # ---- ioctl ---------------------------------------------------------------------------------------------------

    def _given(self, operation: Operation) -> Given:
        target, label, pointer = None, None, None
        for part, hit in operation.hits:
            if part.role in (Role.IOCTL, Role.INNER):
                target = target or target_of(part, self.abi)
            label = label_of(hit) if label is None else label
            pointer = pointer_of(part, hit) if pointer is None else pointer
        return Given(target, label, pointer)

    def _number(self, operation: Operation, target: str | None) -> int | None:
        if len(operation.arguments) > 1:
            return operation.arguments[1] & 0xFFFFFFFF
        for _, hit in operation.hits:
            command = command_of(hit)
            if command is not None:
                return command
        for part, _ in operation.hits:
            if part.number is not None:
                low = [i.number for i in self.abi.ioctls if i.target == target and i.number & 0xFF == part.number]
                if len(low) == 1:
                    return low[0]
        return None

    def _fd(self, operation: Operation) -> int | None:
        if operation.arguments:
            return signed32(operation.arguments[0])
        return next((fd for part, hit in operation.hits if (fd := descriptor_of(part, hit)) is not None), None)

    def _ioctl(self, operation: Operation, process: int) -> None:
        if operation.hits or len(operation.arguments) < 2:
            given = self._given(operation)
            number, fd = self._number(operation, given.target), self._fd(operation)
            if number is None:
                return
        else:
            given, number, fd = _NOTHING, operation.arguments[1] & 0xFFFFFFFF, signed32(operation.arguments[0])
        known = operation in self.tables.begun
        entry = self.tables.begun.pop(operation, None)
        if operation in self.tables.raced and operation.result == EBADF and entry is not None:
            entry = Entry(None, entry.since, entry.used)  # the close was faster
        if not known and fd is not None:
            entry = self.descriptors.look(process, fd)
        elif entry is None and fd is not None and operation.result != EBADF:
            entry = self.tables.unknown_at_begin(process, fd, operation)
        possible = number in self.numbers or number >> 8 & 0xFF in self.magics
        if given.target is None and self._not_ours(operation, number, fd, entry, possible):
            return
        if entry is not None and entry.node is not None and not self._shows_all(operation) and self._foreign(entry.node):
            entry = None  # that file was closed meanwhile, and nobody recorded it
        node = self._subject(operation, process, given, fd, entry)
        target = given.target or (node.target if node is not None else None)
        if target is None and not possible:
            return
        draft = self.tables.draft(Kind.IOCTL, operation, process)
        draft.node, draft.fd, draft.command = node, fd, number
        self.draft_of[operation] = draft
        self._meaning(draft, operation, process, target)

    def _not_ours(self, operation: Operation, number: int, fd: int | None, entry: Entry | None, possible: bool) -> bool:
        """Did this ioctl never reach the device or one of its objects?"""
        node = entry.node if entry is not None else None
        if not possible and (node is None or node.target not in self.ours):
            return True
        refused = operation.result == EBADF and (fd is None or fd < 0 or (entry is not None and entry.node is None))
        if (fd is not None and fd < 0) or refused or (self.probed and operation.level == "syscall" and operation.returned):
            if operation.result == EBADF or (fd is not None and fd < 0):
                self.unreached += 1
            elif possible:
                self._count_elsewhere(number, fd, operation)
            return True
        foreign = node is not None and self._foreign(node)
        if foreign and self._shows_all(operation):
            self._count_elsewhere(number, fd, operation)
            return True
        if operation.result == ENOTTY and number in self.numbers and (foreign or node is None or node.target is None):
            self._count_elsewhere(number, fd, operation)
            return True
        return False

    def _shows_all(self, operation: Operation) -> bool:
        """Is it certain what the number of this call means?"""
        return self.descriptors.complete or bool(operation.links and operation.links[0] is not None)

    def _foreign(self, node: Node) -> bool:
        """Is this surely neither the device nor one of its objects?"""
        return node.target is not None and node.target not in self.ours

    def _count_elsewhere(self, number: int, fd: int | None, operation: Operation) -> None:
        text = f"{number:#x} on descriptor {fd}" if fd is not None else f"{number:#x}"
        self.elsewhere[text] += 1
        self.elsewhere_line.setdefault(text, operation.enter.line)

    def _subject(self, operation: Operation, process: int, given: Given, fd: int | None, entry: Entry | None) -> Node | None:
        """The open file that an ioctl is about: by its number, else by what probes show of it, else one that is not known yet."""
        moment = operation.exit or operation.enter
        node = entry.node if entry is not None else None
        if node is not None and not node.released and given.agrees(node) and node in self.descriptors.alive:
            given.tell(node)
            if entry is not None:
                entry.used = moment
            return node
        if operation.result == EBADF and given.target is None:
            return None
        found = self.descriptors.identify(process, given)
        if found is not None and fd is not None:
            self.tables.bind(process, fd, found, operation, sure=False)
            self.tables.was_not_last(process, found)
        elif found is None and (fd is not None or given.label is not None or given.pointer is not None):
            found = self.descriptors.new(given)
            if fd is not None:
                self.tables.bind(process, fd, found, operation, sure=False)
        return found

    def _meaning(self, draft: Draft, operation: Operation, process: int, target: str | None) -> None:
        """Event and members of an ioctl, and the descriptors that it gave."""
        assert draft.command is not None
        number = draft.command
        fitting = [i for i in self.numbers.get(number, ()) if target is None or i.target == target]
        ioctl = fitting[0] if len(fitting) == 1 else None
        if ioctl is None:
            draft.refused = refused_with(self.abi, number, target)
            return
        draft.event = ioctl.event
        succeeded = operation.result is not None and operation.result >= 0
        if succeeded and draft.node is not None and draft.node.target is None:
            draft.node.target = ioctl.target
        draft.payload = read_payload(ioctl, operation.hits, operation.result, (operation.before, operation.after))
        for member in self.descriptor_members[ioctl.target, ioctl.number]:
            if member.role == "in":
                self._number_given(draft, member.name, process, operation, succeeded)
            elif operation.result == EFAULT and member.role == "out":
                self.ungiven[operation.thread] = Node(member.sort, label_given(ioctl, draft.payload))
            elif member.role == "out" and succeeded and member.name not in draft.payload.got:
                self.tables.unshown.add(process)
                if operation.exit is not None:
                    self.tables.returned.note(process, operation, draft, member, label_member(ioctl))
                if not self.descriptors.complete:
                    self.descriptors.forget_unsure(process)
            elif member.name in draft.payload.got:
                value = draft.payload.got[member.name]
                assert isinstance(value, int)
                if value >= 0 and member.name not in draft.files:
                    node = self.descriptors.new(Given(member.sort, label_given(ioctl, draft.payload)))
                    draft.files[member.name] = node
                    self.tables.bind(process, value, node, operation)

    def _number_given(self, draft: Draft, name: str, process: int, operation: Operation, succeeded: bool) -> None:
        number = draft.payload.given.get(name)
        if not isinstance(number, int):
            return
        if number < 0:
            draft.closed.add(name)
            return
        entry = self.descriptors.look(process, number)
        if entry is None or not self.descriptors.complete or entry.since.line > operation.enter.line:
            return  # what the number stood for is not certain
        if entry.node is None:
            if not succeeded:
                draft.closed.add(name)
        elif not entry.node.released and entry.node.target is not None:
            draft.files[name] = entry.node

    def _amended(self, operation: Operation) -> None:
        draft = self.draft_of.get(operation)
        if draft is None or draft.kind is not Kind.IOCTL:
            return
        draft.exit, draft.result = operation.exit, operation.result
        process = draft.process
        fd = self._fd(operation)
        given = self._given(operation)
        if draft.fd is None and fd is not None:
            draft.fd = fd
            if draft.node is not None:
                self.tables.bind(process, fd, draft.node, operation, sure=False)
        if draft.node is not None and given.agrees(draft.node):
            given.tell(draft.node)
        self._meaning(draft, operation, process, given.target or (draft.node.target if draft.node is not None else None))

    # ---- the rest ------------------------------------------------------------------------------------------------

    def _syscall(self, operation: Operation, process: int) -> None:
        """A system call of the abi, such as reboot(2) with a certain command."""
        inside = operation.hit(Role.REBOOT)
        for each in self.abi.syscalls:
            if each.function != operation.syscall or not (
                has_constants(each, operation.arguments) or (inside and each.kernel_ends)
            ):
                continue
            draft = self.tables.draft(Kind.REBOOT, operation, process)
            draft.event = each.event
            if operation.result is None and inside is not None and each.kernel_ends:
                draft.result = result_of(inside)  # nothing comes back from a reboot that works
            return

    def _released(self, step: Released) -> None:
        record = step.record
        assert record.thread is not None
        process = record.process if record.process is not None else self.processes.key(record.thread)
        given = Given(target_of(step.part, self.abi), label_of(step.hit), pointer_of(step.part, step.hit))
        if self._never_given(step, record.thread, given):
            return
        moment = Moment(record.line, record.time)
        node = self.tables.closed_by(step.during) if step.during is not None else None
        if node is None or node.released or not given.agrees(node):
            found = self.descriptors.candidates(given)
            if len(found) == 1:
                node = found[0]
            else:  # one of several, or one that was never seen: replay finds out which
                node = self.descriptors.new(given) if given.target is not None else None
        draft = Draft(Kind.RELEASE, process, record.thread, moment, moment)
        draft.node = node
        self.drafts.append(draft)
        if node is not None:
            given.tell(node)
            self.descriptors.release(node)
        elif given.target is not None:
            draft.event = getattr(descriptor_for(self.abi, given.target), "release", None)

    def _never_given(self, step: Released, thread: int, given: Given) -> bool:
        """Is it the open file of an ioctl that failed when it had made it?  Such a release is a part of that ioctl, and no close.

        The kernel puts the file when the ioctl returns, so nothing else of the thread is in between.
        """
        ungiven = self.ungiven.pop(thread, None)
        if ungiven is None or step.during is not None or not given.agrees(ungiven):
            return False
        return self.descriptors.complete or not self.descriptors.candidates(given)
