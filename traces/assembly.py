"""Calls out of operations: which open file each is about, what its numbers mean, and what it did to the tables of descriptors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from luocheck.model.abi import DEVICE, Abi, Ioctl
from luocheck.model.errnos import GENERIC
from luocheck.traces.call import Kind, Moment, Note
from luocheck.traces.closes import Closes
from luocheck.traces.descriptors import Descriptors, Entry, Given, Node
from luocheck.traces.drafts import Draft
from luocheck.traces.formats.recorders import Role, command_of, descriptor_of, label_of, pointer_of, result_of, target_of
from luocheck.traces.pairing import Amended, Begun, Finished, Operation, Released, Step
from luocheck.traces.payload import (
    descriptor_for,
    has_constants,
    is_descriptor,
    known_by_link,
    label_given,
    label_member,
    plain_target,
    read_payload,
    refused_with,
)
from luocheck.traces.processes import Processes
from luocheck.traces.records import Ended, Executed, Forked, Gap, Record
from luocheck.traces.syscalls import EXECS, MAKERS, OPENERS, OTHERS, RECEIVERS, duplicates
from luocheck.traces.unshown import Unshown

_LOWEST = OPENERS | MAKERS | OTHERS | {"dup"}
"""Calls that return the lowest free number (fcntl need not)."""

EBADF, EFAULT, ENOTTY = (-GENERIC[name] for name in ("EBADF", "EFAULT", "ENOTTY"))


def signed32(value: int) -> int:
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


class Assembler:
    """Collects drafts from the steps of a recording.  probed: the recording has probes on the handlers of the abi's open files."""

    def __init__(self, abi: Abi, processes: Processes, *, complete: bool, probed: bool) -> None:
        self.abi = abi
        self.processes = processes
        self.probed = probed
        self.descriptors = Descriptors(complete)
        self.drafts: list[Draft] = []
        self.notes: list[Note] = []
        self.plain = plain_target(abi)
        self.numbers: dict[int, list[Ioctl]] = {}
        for ioctl in abi.ioctls:
            self.numbers.setdefault(ioctl.number, []).append(ioctl)
        self.functions = {each.function for each in abi.syscalls}
        self.descriptor_members = {(i.target, i.number): [m for m in i.fields if is_descriptor(abi, m)] for i in abi.ioctls}
        self.magics = {d.magic for d in abi.descriptors if d.magic is not None}
        device = descriptor_for(abi, DEVICE)
        self.path = device.path.encode() if device is not None and device.path is not None else None
        self.begun: dict[Operation, Entry | None] = {}
        self.draft_of: dict[Operation, Draft] = {}
        self.closing: dict[Operation, Node] = {}
        self.numbers_closed = Closes()
        self.raced: set[Operation] = set()  # begun on a number while that was being closed
        self.closes: dict[Node, list[Draft]] = {}
        self.received: dict[int, int] = {}  # process -> line at which it last may have been handed descriptors
        self.elsewhere: Counter[str] = Counter()
        self.elsewhere_line: dict[str, int] = {}
        self.ungiven: dict[int, Node] = {}  # thread -> what its latest ioctl made, and could not give a number to
        self.unreached = 0
        self.unshown: set[int] = set()  # processes that got descriptors under numbers that were not shown
        self.returned = Unshown()

    def run(self, steps: Iterable[Step]) -> None:
        for step in steps:
            match step:
                case Begun(operation=operation):
                    self._begun(operation)
                case Finished(operation=operation):
                    self._finished(operation)
                case Amended(operation=operation):
                    self._amended(operation)
                case Released():
                    self._released(step)
                case Record(event=Gap()):
                    self.descriptors.forget()
                    self.returned.forget()
                case Record(event=Forked(child=child)) as record:
                    self._forked(record, child)
                case Record(event=Executed()) as record if record.thread is not None:
                    self._executed(self.processes.key(record.thread))
                case Record(event=Ended(thread=thread, last=last)) as record:
                    self._ended(record, thread, last)

    def settle(self, told: set[int]) -> None:
        """Forgets what no later record is about.  told: the drafts (by their `id`) that are calls now and will not be changed any more.

        Drafts of open files that somebody still has and of which nothing is known can turn out to be calls.
        """
        held = {node for table in self.descriptors.tables.values() for node in table.nodes()}
        gone = set(self.closes).union(*(draft.nodes for draft in self.drafts if draft.kind is Kind.EXIT)) - held
        self.drafts = [d for d in self.drafts if id(d) not in told and d.node in held and d.kind in (Kind.OPEN, Kind.CLOSE)]
        ours = {each.target for each in self.abi.descriptors}
        alive = [node for node in self.descriptors.alive if node in held or (node.target in ours and node not in gone)]
        self.descriptors.alive = dict.fromkeys(alive)
        self.draft_of.clear()
        self.raced.clear()
        self.closing.clear()
        self.closes.clear()

    # ---- system calls that change a table ------------------------------------------------------------------------

    def _key(self, operation: Operation) -> int:
        return operation.group if operation.group is not None else self.processes.key(operation.thread)

    def _begun(self, operation: Operation) -> None:
        process = self._key(operation)
        self._linked(operation, process)
        if operation.syscall == "ioctl" or operation.syscall in _LOWEST:
            self.returned.begin(process, operation)
        self.ungiven.pop(operation.thread, None)
        match operation.syscall, operation.arguments:
            case "ioctl", (fd, *_):
                self.begun[operation] = self._entry_at_begin(process, signed32(fd), operation)
            case "close", (fd, *_):
                self._close(operation, process, signed32(fd))
            case "close_range", (first, last, *_):
                for number in [n for n in self.descriptors.table(process).entries if first <= n <= last]:
                    self._close(operation, process, number)

    def _entry_at_begin(self, process: int, number: int, operation: Operation) -> Entry | None:
        """What a number means to a call that begins; while it is being closed it may still be what it was."""
        entry = self.descriptors.look(process, number)
        close = self.numbers_closed.going(process, number)
        if close is None or entry is None or entry.node is not None or close not in self.closing:
            return entry
        self.raced.add(operation)
        return Entry(self.closing[close], entry.since, entry.used)

    def _linked(self, operation: Operation, process: int) -> None:
        """Where the recorder shows the link of the descriptor that a call uses, the table has to agree with it."""
        link = operation.links[0] if operation.links else None
        if link is None or not operation.arguments:
            return
        number = signed32(operation.arguments[0])
        given = Given(*known_by_link(self.abi, link))
        entry = self.descriptors.look(process, number)
        if entry is not None and entry.node is not None and not entry.node.released and given.agrees(entry.node):
            given.tell(entry.node)
            return
        ours = descriptor_for(self.abi, given.target) is not None
        if not ours and entry is None and operation.syscall != "ioctl":
            return  # a file that nothing else is known of
        node = self._recognised(process, given, operation) if ours else None
        known_until = 0 if entry is None else max(entry.since.line, entry.used.line)
        if node is None:
            node = self.descriptors.new(given)
            if ours and self.descriptors.complete and process not in self.received:
                self.returned.recognise(process, number, node, known_until, operation.enter.line)
        self._bind(process, number, node, operation, sure=False)

    def _recognised(self, process: int, given: Given, operation: Operation) -> Node | None:
        """The open file behind a number of which nothing but its link is known; None when it may be another one."""
        found = self.descriptors.identify(process, given)
        if found is None or self.descriptors.table(process).holds(found):
            return None  # two open files may have that name, and one node is never two
        self._handed(process, found, operation)
        return found

    def _handed(self, process: int, node: Node, operation: Operation) -> None:
        """The process uses an open file that only others had: one of them gave it a descriptor, at the latest before closing its own."""
        holder = next((key for key, table in self.descriptors.tables.items() if key != process and table.holds(node)), None)
        closed = [each for each in self.closes.get(node, ()) if not each.dropped and each.process != process]
        if holder is None and not closed:
            return
        moment = operation.enter if holder is not None else closed[-1].enter
        giver = holder if holder is not None else closed[-1].process
        draft = Draft(Kind.PASS, process, operation.thread, moment, moment, parent=giver)
        draft.node, draft.inferred, draft.exact = node, True, False
        self.drafts.insert(self.drafts.index(closed[-1]) if holder is None else len(self.drafts), draft)

    def _close(self, operation: Operation, process: int, number: int) -> None:
        self.returned.closed(process, number)
        entry = self.descriptors.look(process, number)
        unknown = entry is None and number > 2
        if operation.syscall == "close":
            free = entry is not None and entry.node is None
            first = self.numbers_closed.begin(process, number, operation, free=free)
            if first is not None:
                if first in self.closing:
                    self.closing[operation] = self.closing[first]
                return
        node, last = self.descriptors.close(process, number, operation.enter)
        maybe = unknown and (process in self.unshown or process in self.received)
        if maybe:  # it can be what the process got without its number being shown
            node, last = self.descriptors.new(Given()), True
        if node is None:
            return
        self.closing[operation] = node
        if last:
            draft = self._draft(Kind.CLOSE, operation, process)
            draft.node, draft.fd, draft.maybe = node, number, maybe
            self.closes.setdefault(node, []).append(draft)
            self.draft_of[operation] = draft

    def _closed(self, operation: Operation, process: int, number: int) -> None:
        """A close has returned: perhaps another one did it, perhaps what it closed has become known meanwhile."""
        heir = self.numbers_closed.end(process, number, operation)
        draft = self.draft_of.get(operation)
        if draft is not None and heir is not None:
            del self.draft_of[operation]
            self.draft_of[heir] = draft
            draft.thread, draft.enter = heir.thread, heir.enter
            operation = heir
        if draft is not None:
            self._returned_of(draft, operation)
        elif self.numbers_closed.was_empty(process, number, operation):
            entry = self.descriptors.look(process, number)
            if entry is not None and entry.node is not None:  # the open that got it has returned first
                self._closed_late(operation, process, number)

    def _closed_late(self, operation: Operation, process: int, number: int) -> None:
        """The number was taken when the close began, which nothing showed at that moment."""
        node, last = self.descriptors.close(process, number, operation.exit or operation.enter)
        if node is not None and last:
            draft = self._draft(Kind.CLOSE, operation, process)
            draft.node, draft.fd = node, number
            self.closes.setdefault(node, []).append(draft)

    def _returned_of(self, draft: Draft, operation: Operation) -> None:
        draft.exit, draft.result, draft.killed = operation.exit, operation.result, operation.killed

    def _finished(self, operation: Operation) -> None:
        self._finish(operation)
        result = operation.result if operation.syscall in _LOWEST else None
        self.returned.ended(self._key(operation), operation, result if result is not None and result >= 0 else None)

    def _finish(self, operation: Operation) -> None:
        process = self._key(operation)
        name, result, arguments = operation.syscall, operation.result, operation.arguments
        succeeded = result is not None and result >= 0
        if name == "ioctl":
            self._ioctl(operation, process)
        elif name in OPENERS:
            self._opened(operation, process)
        elif name == "close" and arguments:
            self._closed(operation, process, signed32(arguments[0]))
        elif name in ("close_range", "dup2", "dup3") and operation in self.draft_of:
            self._returned_of(self.draft_of[operation], operation)
        elif name in self.functions:
            self._syscall(operation, process)
        elif name in EXECS and result == 0:
            self._executed(process)
        elif name in RECEIVERS and result != 0 and (result is None or succeeded):
            self._receive(operation, process)
        elif succeeded and result is not None:
            if name in MAKERS:
                self._bind(process, result, self.descriptors.new(Given(self.plain)), operation)
            elif name in OTHERS:
                self._bind(process, result, self.descriptors.new(Given("other")), operation)
            elif duplicates(name, arguments):
                self._duplicate(process, signed32(arguments[0]), result, operation)

    def _executed(self, process: int) -> None:
        """Another program: which descriptors it keeps is not known."""
        self.descriptors.execute(process)
        self.returned.forget(process)

    def _receive(self, operation: Operation, process: int) -> None:
        """Numbers that were free may be in use now."""
        self.received[process] = operation.exit.line if operation.exit is not None else operation.enter.line
        entries = self.descriptors.table(process).entries
        if operation.syscall == "pidfd_getfd" and operation.result is not None:
            self.descriptors.unknown(process, operation.result)
            return
        for number in [n for n, e in entries.items() if e.node is None]:
            del entries[number]

    def _bind(self, process: int, number: int, node: Node, operation: Operation, *, sure: bool = True) -> None:
        """A number means this open file now; when it meant another one, that was closed in between."""
        moment = operation.exit or operation.enter
        old = self.descriptors.bind(process, number, node, moment, sure=sure)
        if old is not None and old.node is not None:
            self._inferred_close(process, number, old, operation)

    def _inferred_close(self, process: int, number: int, old: Entry, operation: Operation) -> None:
        if old.node is None or self.descriptors.table(process).holds(old.node):
            return
        draft = Draft(Kind.CLOSE, process, operation.thread, old.used, operation.exit or operation.enter)
        draft.node, draft.fd, draft.inferred, draft.exact = old.node, number, True, False
        if operation.syscall in ("dup2", "dup3"):
            draft.enter, draft.exact = operation.enter, True
        self.drafts.append(draft)
        self.closes.setdefault(old.node, []).append(draft)

    def _duplicate(self, process: int, old: int, new: int, operation: Operation) -> None:
        entry = self.descriptors.look(process, old)
        if entry is not None and entry.node is not None:
            self._bind(process, new, entry.node, operation)
            return
        previous = self.descriptors.look(process, new)
        self.descriptors.unknown(process, new)
        if previous is not None and previous.node is not None and not previous.node.released:
            self._inferred_close(process, new, previous, operation)

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
                self._opened_as(process, operation.result or 0, node, operation)
            else:
                self.descriptors.table(process).loose.append(node)
        if is_device or node is not None:
            draft = self._draft(Kind.OPEN, operation, process)
            draft.node = node
            draft.fd = operation.result if succeeded and operation.level == "syscall" else None
            device = descriptor_for(self.abi, DEVICE)
            draft.event = None if device is None else device.open

    def _opened_other(self, operation: Operation, process: int) -> None:
        if operation.result is not None and operation.result >= 0:
            self._opened_as(process, operation.result, self.descriptors.new(Given(self.plain)), operation)

    def _opened_as(self, process: int, number: int, node: Node, operation: Operation) -> None:
        """An open returned a number; another thread may have closed that before the open returned."""
        close = self.numbers_closed.closed_early(process, number, operation)
        self._bind(process, number, node, operation)
        if close is not None:
            self._closed_late(close, process, number)

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
        given = self._given(operation)
        number, fd = self._number(operation, given.target), self._fd(operation)
        if number is None:
            return
        known = operation in self.begun
        entry = self.begun.pop(operation, None)
        if operation in self.raced and operation.result == EBADF and entry is not None:
            entry = Entry(None, entry.since, entry.used)  # the close was faster
        if not known and fd is not None:
            entry = self.descriptors.look(process, fd)
        possible = number in self.numbers or number >> 8 & 0xFF in self.magics
        if given.target is None and self._not_ours(operation, number, fd, entry, possible):
            return
        if entry is not None and entry.node is not None and not self._shows_all(operation) and self._foreign(entry.node):
            entry = None  # that file was closed meanwhile, and nobody recorded it
        node = self._subject(operation, process, given, fd, entry)
        target = given.target or (node.target if node is not None else None)
        if target is None and not possible:
            return
        draft = self._draft(Kind.IOCTL, operation, process)
        draft.node, draft.fd, draft.command = node, fd, number
        self.draft_of[operation] = draft
        self._meaning(draft, operation, process, target)

    def _not_ours(self, operation: Operation, number: int, fd: int | None, entry: Entry | None, possible: bool) -> bool:
        """Did this ioctl never reach the device or one of its objects?"""
        node = entry.node if entry is not None else None
        if not possible and (node is None or descriptor_for(self.abi, node.target) is None):
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
        return node.target is not None and descriptor_for(self.abi, node.target) is None

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
            self._bind(process, fd, found, operation, sure=False)
            self._not_last_after_all(process, found)
        elif found is None and (fd is not None or given.label is not None or given.pointer is not None):
            found = self.descriptors.new(given)
            if fd is not None:
                self._bind(process, fd, found, operation, sure=False)
        return found

    def _not_last_after_all(self, process: int, node: Node) -> None:
        """The process still has this open file under a number nobody saw it get: a close before was not of its last descriptor."""
        for draft in self.closes.get(node, ()):
            if draft.process == process and not draft.dropped:
                draft.dropped = draft.enter.line > self.received.get(process, 0)

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
                self.unshown.add(process)
                if operation.exit is not None:
                    self.returned.note(process, operation, draft, member, label_member(ioctl))
                if not self.descriptors.complete:
                    self.descriptors.forget_unsure(process)
            elif member.name in draft.payload.got:
                value = draft.payload.got[member.name]
                assert isinstance(value, int)
                if value >= 0 and member.name not in draft.files:
                    node = self.descriptors.new(Given(member.sort, label_given(ioctl, draft.payload)))
                    draft.files[member.name] = node
                    self._bind(process, value, node, operation)

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
                self._bind(process, fd, draft.node, operation, sure=False)
        if draft.node is not None and given.agrees(draft.node):
            given.tell(draft.node)
        self._meaning(draft, operation, process, given.target or (draft.node.target if draft.node is not None else None))

    # ---- the rest ------------------------------------------------------------------------------------------------

    def _draft(self, kind: Kind, operation: Operation, process: int) -> Draft:
        draft = Draft(kind, process, operation.thread, operation.enter, operation.exit)
        draft.result, draft.exact, draft.killed = operation.result, operation.exact, operation.killed
        draft.inner = operation.level == "inner"
        self.drafts.append(draft)
        return draft

    def _syscall(self, operation: Operation, process: int) -> None:
        """A system call of the abi, such as reboot(2) with a certain command."""
        inside = operation.hit(Role.REBOOT)
        for each in self.abi.syscalls:
            if each.function != operation.syscall or not (
                has_constants(each, operation.arguments) or (inside and each.kernel_ends)
            ):
                continue
            draft = self._draft(Kind.REBOOT, operation, process)
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
        node = self.closing.get(step.during) if step.during is not None else None
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

    def _forked(self, record: Record, child: int) -> None:
        if record.thread is None or child not in self.processes.copies:
            return
        parent, key = self.processes.key(record.thread), self.processes.key(child)
        if parent == key:
            return
        moment = Moment(record.line, record.time)
        draft = Draft(Kind.FORK, key, record.thread, moment, moment, parent=parent)
        self.descriptors.fork(parent, key)
        self.returned.fork(parent, key)
        self.unshown |= {key} if parent in self.unshown else set()
        draft.nodes = self._nodes(parent)
        self.drafts.append(draft)

    def _nodes(self, process: int) -> tuple[Node, ...]:
        return self.descriptors.table(process).nodes()

    def _ended(self, record: Record, thread: int, last: bool | None) -> None:
        process = record.process if record.process is not None and record.thread == thread else self.processes.key(thread)
        self.ungiven.pop(thread, None)
        if last is False or (last is None and process != thread):
            return
        moment = Moment(record.line, record.time)
        draft = Draft(Kind.EXIT, process, thread, moment, moment)
        draft.nodes = self._nodes(process)
        draft.event = None if self.abi.process is None else self.abi.process.exit
        self.drafts.append(draft)
        self.descriptors.exit(process)
        self.returned.forget(process)
