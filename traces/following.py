"""What calls do to tables of descriptors, and the calls that this tells: closes, descriptors that were passed, forks and exits.

Which open file a number leads to is followed through whatever gives numbers or takes them away.  What an ioctl or an open means is not
known here (`assembly`).
"""

from __future__ import annotations

from luocheck.model.abi import Abi
from luocheck.traces.call import Kind, Moment
from luocheck.traces.closes import MOST_WAITING, Closes
from luocheck.traces.descriptors import Descriptors, Entry, Given, Node
from luocheck.traces.drafts import Draft
from luocheck.traces.pairing import Operation
from luocheck.traces.payload import descriptor_for, known_by_link, plain_target
from luocheck.traces.processes import Processes
from luocheck.traces.records import Record
from luocheck.traces.syscalls import EXECS, MAKERS, OPENERS, OTHERS, RECEIVERS, duplicates
from luocheck.traces.unshown import Unshown

LOWEST = OPENERS | MAKERS | OTHERS | {"dup"}
"""Calls that return the lowest free number (fcntl need not)."""

_FOLLOWED = LOWEST | {"ioctl"}
"""Calls that may return a descriptor."""


def signed32(value: int) -> int:
    """A descriptor as the kernel takes it from a register."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value >> 31 else value


class Following:
    """The tables of a recording, and the drafts of its calls in the order in which they were begun or noticed.

    begun: what the number of an ioctl that goes on meant when it began.  raced: of those, the ones on a number that was being closed.
    received: the line at which a process last may have been handed descriptors.  unshown: processes that got descriptors under numbers that
    were not shown; returned: what is known of these numbers.  unsure: closes of numbers of which nothing was known when an open got them.
    """

    def __init__(self, abi: Abi, processes: Processes, *, complete: bool) -> None:
        self.abi = abi
        self.processes = processes
        self.descriptors = Descriptors(complete)
        self.drafts: list[Draft] = []
        self.plain = plain_target(abi)
        self.begun: dict[Operation, Entry | None] = {}
        self.raced: set[Operation] = set()
        self.received: dict[int, int] = {}
        self.unshown: set[int] = set()
        self.returned = Unshown()
        self.unsure: list[Operation] = []
        self._closing: dict[Operation, Node] = {}
        self._close_of: dict[Operation, Draft] = {}
        self._numbers_closed = Closes()
        self._closes: dict[Node, list[Draft]] = {}
        self._maybe_closed: dict[tuple[int, int], tuple[Operation, Node]] = {}
        self._closed_unknown: dict[tuple[int, int], list[Operation]] = {}

    def key(self, operation: Operation) -> int:
        """The process whose table an operation is about."""
        return operation.group if operation.group is not None else self.processes.key(operation.thread)

    def draft(self, kind: Kind, operation: Operation, process: int) -> Draft:
        """A new draft of a call."""
        draft = Draft(kind, process, operation.thread, operation.enter, operation.exit)
        draft.result, draft.exact, draft.killed = operation.result, operation.exact, operation.killed
        draft.inner = operation.level == "inner"
        self.drafts.append(draft)
        return draft

    def settle(self, told: set[int]) -> None:
        """Forgets what no later record is about.  told: the drafts (by their `id`) that are calls now and will not be changed any more.

        Drafts of open files that somebody still has and of which nothing is known can turn out to be calls.
        """
        held = {node for table in self.descriptors.tables.values() for node in table.nodes()}
        gone = set(self._closes).union(*(draft.nodes for draft in self.drafts if draft.kind is Kind.EXIT)) - held
        self.drafts = [d for d in self.drafts if id(d) not in told and d.node in held and d.kind in (Kind.OPEN, Kind.CLOSE)]
        ours = {each.target for each in self.abi.descriptors}
        alive = [node for node in self.descriptors.alive if node in held or (node.target in ours and node not in gone)]
        self.descriptors.alive = dict.fromkeys(alive)
        self._close_of.clear()
        self.raced.clear()
        self._closing.clear()
        self._closes.clear()
        self._maybe_closed.clear()
        self._closed_unknown.clear()

    def forget(self) -> None:
        """Events were lost: numbers may mean anything."""
        self.descriptors.forget()
        self.returned.forget()

    # ---- beginnings ----------------------------------------------------------------------------------------------

    def begin(self, operation: Operation) -> None:
        """A call begins: what its number means now, and what it takes away."""
        process, name, arguments = self.key(operation), operation.syscall, operation.arguments
        if operation.links:
            self._linked(operation, process)
        if name in _FOLLOWED:
            self.returned.begin(process, operation)
        if not arguments:
            return
        if name == "ioctl":
            self.begun[operation] = self._entry_at_begin(process, signed32(arguments[0]), operation)
        elif name == "close":
            self._close(operation, process, signed32(arguments[0]))
        elif name == "close_range" and len(arguments) > 1:
            first, last = arguments[:2]
            for number in [n for n in self.descriptors.table(process).entries if first <= n <= last]:
                self._close(operation, process, number)

    def _entry_at_begin(self, process: int, number: int, operation: Operation) -> Entry | None:
        """What a number means to a call that begins; while it is being closed it may still be what it was."""
        entry = self.descriptors.look(process, number)
        close = self._numbers_closed.going(process, number)
        if close is None or entry is None or entry.node is not None or close not in self._closing:
            return entry
        self.raced.add(operation)
        return Entry(self._closing[close], entry.since, entry.used)

    def unknown_at_begin(self, process: int, number: int, operation: Operation) -> Entry | None:
        """What a number meant, of which nothing was known when a call began: what a close that began later took."""
        close, node = self._maybe_closed.get((process, number), (None, None))
        if close is None or close.enter.line < operation.enter.line:
            return None
        return Entry(node, operation.enter, close.enter)

    def _linked(self, operation: Operation, process: int) -> None:
        """Where the recorder shows the link of the descriptor that a call uses, the table has to agree with it."""
        link = operation.links[0]
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
        self.bind(process, number, node, operation, sure=False)

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
        closed = [each for each in self._closes.get(node, ()) if not each.dropped and each.process != process]
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
            self._note_unknown(operation, process, number, known=entry is not None)
            since = 0 if entry is None else entry.since.line
            first = self._numbers_closed.begin(process, number, operation, free=free, since=since)
            if first is not None:
                if first in self._closing:
                    self._closing[operation] = self._closing[first]
                return
        node, last = self.descriptors.close(process, number, operation.enter)
        maybe = unknown and (process in self.unshown or process in self.received)
        if maybe:  # it can be what the process got without its number being shown
            node, last = self.descriptors.new(Given()), True
            self._maybe_closed[process, number] = operation, node
        if node is None:
            return
        self._closing[operation] = node
        if last:
            draft = self._close_of[operation] = self._draft_close(operation, process, number, node)
            draft.maybe = maybe

    def _note_unknown(self, operation: Operation, process: int, number: int, *, known: bool) -> None:
        """A close begins.  Of a number of which nothing is known, it is not known either what later closes closed, until an open has got it."""
        before = self._closed_unknown.get((process, number), [])
        if before or not known:
            self._closed_unknown[process, number] = [*before, operation][-MOST_WAITING:]

    def closed_by(self, operation: Operation) -> Node | None:
        """The open file that a call closes a descriptor of."""
        return self._closing.get(operation)

    # ---- returns -------------------------------------------------------------------------------------------------

    def ended(self, operation: Operation) -> None:
        """A call that may have returned a descriptor is over, and everything about it was told."""
        result = operation.result if operation.syscall in LOWEST else None
        self.returned.ended(self.key(operation), operation, result if result is not None and result >= 0 else None)

    def has_closed(self, operation: Operation, process: int) -> bool:
        """Is it a call that closes, and nothing else?  Then that it has returned is taken note of."""
        name = operation.syscall
        if name == "close" and operation.arguments:
            self._closed(operation, process, signed32(operation.arguments[0]))
            return True
        if name in ("close_range", "dup2", "dup3") and operation in self._close_of:
            self._returned_of(self._close_of[operation], operation)
            return True
        return False

    def change(self, operation: Operation, process: int) -> None:
        """A call that is nothing to the abi has returned: what it did to the table."""
        name, result, arguments = operation.syscall, operation.result, operation.arguments
        if name in EXECS and result == 0:
            self.executed(process)
        elif name in RECEIVERS and result != 0 and (result is None or result >= 0):
            self._receive(operation, process)
        elif result is not None and result >= 0:
            if name in MAKERS:
                self.bind(process, result, self.descriptors.new(Given(self.plain)), operation)
            elif name in OTHERS:
                self.bind(process, result, self.descriptors.new(Given("other")), operation)
            elif duplicates(name, arguments):
                self._duplicate(process, signed32(arguments[0]), result, operation)

    def _closed(self, operation: Operation, process: int, number: int) -> None:
        """A close has returned: perhaps another one did it, perhaps what it closed has become known meanwhile."""
        heir, late = self._numbers_closed.end(process, number, operation)
        draft = self._close_of.get(operation)
        if draft is not None and heir is not None:
            del self._close_of[operation]
            self._close_of[heir] = draft
            draft.thread, draft.enter = heir.thread, heir.enter
            operation = heir
        if draft is not None:
            self._returned_of(draft, operation)
        for each in late:
            entry = self.descriptors.look(process, number)
            if entry is None or entry.node is None:
                self._numbers_closed.await_open(process, number, each)
            elif each.exit is not None and entry.since.line < each.exit.line:
                self._closed_late(each, process, number)

    def _closed_late(self, operation: Operation, process: int, number: int) -> None:
        """The number was taken when the close began, which nothing showed at that moment."""
        node, last = self.descriptors.close(process, number, operation.exit or operation.enter)
        if node is not None and last:
            self._draft_close(operation, process, number, node)

    def _draft_close(self, operation: Operation, process: int, number: int, node: Node) -> Draft:
        """A new draft of a close of the last descriptor that the process had of an open file."""
        draft = self.draft(Kind.CLOSE, operation, process)
        draft.node, draft.fd = node, number
        self._closes.setdefault(node, []).append(draft)
        return draft

    def _returned_of(self, draft: Draft, operation: Operation) -> None:
        draft.exit, draft.result, draft.killed = operation.exit, operation.result, operation.killed

    def _receive(self, operation: Operation, process: int) -> None:
        """Numbers that were free may be in use now."""
        self.received[process] = operation.exit.line if operation.exit is not None else operation.enter.line
        entries = self.descriptors.table(process).entries
        if operation.syscall == "pidfd_getfd" and operation.result is not None:
            self.descriptors.unknown(process, operation.result)
            return
        for number in [n for n, e in entries.items() if e.node is None]:
            del entries[number]

    def _duplicate(self, process: int, old: int, new: int, operation: Operation) -> None:
        entry = self.descriptors.look(process, old)
        if entry is not None and entry.node is not None:
            self.bind(process, new, entry.node, operation)
            return
        previous = self.descriptors.look(process, new)
        self.descriptors.unknown(process, new)
        if previous is not None and previous.node is not None and not previous.node.released:
            self._inferred_close(process, new, previous, operation)

    # ---- numbers -------------------------------------------------------------------------------------------------

    def open_as(self, process: int, number: int, node: Node, operation: Operation) -> None:
        """An open returned a number; another thread may have closed that before the open returned."""
        for each in self._closed_unknown.pop((process, number), ()):
            if each.exit is None or each.exit.line > operation.enter.line:
                self.unsure.append(each)
        close = self._numbers_closed.closed_early(process, number, operation)
        entry = self.descriptors.look(process, number)
        since = entry.since.line if entry is not None and entry.node is not None else 0
        if close is not None and close.exit is not None and since > close.exit.line:  # another open has got it since
            self._draft_close(close, process, number, node)
            return
        self.bind(process, number, node, operation)
        if close is not None:
            self._closed_late(close, process, number)

    def bind(self, process: int, number: int, node: Node, operation: Operation, *, sure: bool = True) -> None:
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
        self._closes.setdefault(old.node, []).append(draft)

    def was_not_last(self, process: int, node: Node) -> None:
        """The process still has this open file under a number nobody saw it get: a close before was not of its last descriptor."""
        for draft in self._closes.get(node, ()):
            if draft.process == process and not draft.dropped:
                draft.dropped = draft.enter.line > self.received.get(process, 0)

    # ---- processes -----------------------------------------------------------------------------------------------

    def executed(self, process: int) -> None:
        """Another program: which descriptors it keeps is not known."""
        self.descriptors.execute(process)
        self.returned.forget(process)

    def forked(self, record: Record, child: int) -> None:
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
        draft.nodes = self.descriptors.table(parent).nodes()
        self.drafts.append(draft)

    def exited(self, record: Record, thread: int, last: bool | None) -> None:
        process = record.process if record.process is not None and record.thread == thread else self.processes.key(thread)
        if last is False or (last is None and process != thread):
            return
        moment = Moment(record.line, record.time)
        draft = Draft(Kind.EXIT, process, thread, moment, moment)
        draft.nodes = self.descriptors.table(process).nodes()
        draft.event = None if self.abi.process is None else self.abi.process.exit
        self.drafts.append(draft)
        self.descriptors.exit(process)
        self.returned.forget(process)
