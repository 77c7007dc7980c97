"""Records of one thread put together: entry and return of a call, and the probes that fired in between.

The same ioctl may stand in a recording several times: as two events of system calls, as two raw ones, as a probe on the handler and one
on the system call.  They become one Operation here.  Without events of system calls the probes alone make up the operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from luocheck.model.errnos import GENERIC, INTERNAL
from luocheck.traces.call import Moment
from luocheck.traces.formats.recorders import Part, Role, command_of, descriptor_of, part_of, result_of
from luocheck.traces.records import Ended, Enter, Exit, Forked, Gap, Hit, Record, Struct
from luocheck.traces.syscalls import NEVER_RETURN, OPENERS, WAITING

_RESTARTS = frozenset(INTERNAL[name] for name in ("ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK"))


@dataclass(slots=True, eq=False)
class Operation:
    """One call of one thread, as far as it was recorded.

    level: `syscall`, `function` (the handler was probed, not the system call) or `inner` (only a function below the handler).
    returned: it is known that it came back; result is None then when its value was lost.  links: text of the links of the descriptors among
    its arguments; link: of the one that it returned.  before/after: what its pointer argument led to when it began and when it returned.
    """

    syscall: str
    thread: int
    group: int | None
    enter: Moment
    exact: bool
    level: str
    arguments: tuple[int, ...] = ()
    path: bytes | None = None
    links: tuple[bytes | None, ...] = ()
    link: bytes | None = None
    before: Struct | None = None
    after: Struct | None = None
    sources: tuple[str, ...] = ()
    exits: tuple[str, ...] = ()
    hits: list[tuple[Part, Hit]] = field(default_factory=list)
    exit: Moment | None = None
    result: int | None = None
    returned: bool = False
    killed: bool = False
    doubtful: bool = False  # events were lost while it was going on

    def hit(self, role: Role) -> Hit | None:
        return next((hit for part, hit in self.hits if part.role is role), None)


class Begun(NamedTuple):
    """The operation begins.  A tuple for the same reason as `Record`, and so is the next one."""

    operation: Operation


class Finished(NamedTuple):
    """The operation is over, or nothing more will be heard of it."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Amended:
    """Another probe told more about an operation that is finished."""

    operation: Operation


@dataclass(frozen=True, slots=True)
class Released:
    """The last reference to an open file is gone.  during: what the thread was doing."""

    record: Record
    part: Part
    hit: Hit
    during: Operation | None


Step = Begun | Finished | Amended | Released | Record


@dataclass(slots=True)
class _Thread:
    pending: Operation | None = None
    last: Operation | None = None  # finished, and nothing else of this thread was recorded since
    held: list[tuple[Part, Hit]] = field(default_factory=list)  # inner functions whose call is not known yet
    held_record: Record | None = None
    held_begin: Moment | None = None
    previous: Moment | None = None


def user_result(value: int) -> int:
    """A return value inside the kernel as user space sees it."""
    if value == -INTERNAL["ENOIOCTLCMD"]:
        return -GENERIC["ENOTTY"]
    return -GENERIC["EINTR"] if -value in _RESTARTS else value


class Pairing:
    """Turns records into steps.  first: where the recording begins.  strays counts returns of ioctl whose entry is not in it."""

    def __init__(self, first: Moment | None) -> None:
        self.threads: dict[int, _Thread] = {}
        self.first = first
        self.strays = 0
        self.entered_releases: set[str] = set()
        self._steps: list[Step] = []  # of the record that is being looked at

    def run(self, records: Iterable[Record]) -> Iterator[Step]:
        """The steps of a whole recording."""
        yield from self.steps(records)
        yield from self.rest()

    def steps(self, records: Iterable[Record]) -> Iterator[Step]:
        """The steps of the next records of a recording.  All of one record are known before the first of them is given."""
        steps, threads = self._steps, self.threads
        for record in records:
            moment = Moment(record.line, record.time)
            event, number = record.event, record.thread
            thread = threads.get(number) if number is not None else None
            if thread is not None and isinstance(event, Enter):
                self._enter(thread, record, moment, event)
            elif thread is not None and isinstance(event, Exit):
                self._exit(thread, moment, event)
            else:
                self._record(record, moment)
                thread = threads.get(number) if number is not None else None
            if steps:
                yield from steps
                steps.clear()
            if thread is not None:
                thread.previous = moment

    def rest(self) -> Iterator[Step]:
        """What goes on at the end of a recording."""
        for thread in list(self.threads.values()):
            self._flush(thread)
            if thread.pending is not None:
                self._finish(thread, None)
        yield from self._steps
        self._steps.clear()

    def is_busy(self) -> bool:
        """Does a call go on that can be one of the abi, or give its caller a number?  Such as wait for somebody else do not count."""
        for thread in self.threads.values():
            if thread.held or (thread.pending is not None and thread.pending.syscall not in WAITING):
                return True
        return False

    def _record(self, record: Record, moment: Moment) -> None:
        event = record.event
        if isinstance(event, Gap):
            for each in self.threads.values():
                if each.pending is not None:
                    each.pending.doubtful = True
                each.last = None
            self._steps.append(record)
            return
        if isinstance(event, Ended):
            thread = self.threads.pop(event.thread, None)
            if thread is not None:
                self._flush(thread)
                if thread.pending is not None:
                    thread.pending.killed = True
                    self._finish(thread, None)
            self._steps.append(record)
            return
        if record.thread is None:
            return
        thread = self.threads.get(record.thread)
        if thread is None:
            thread = self.threads[record.thread] = _Thread()
        match event:
            case Enter():
                self._enter(thread, record, moment, event)
            case Exit():
                self._exit(thread, moment, event)
            case Hit():
                self._hit(thread, record, moment, event)
            case Forked():
                self.threads[event.child] = _Thread(previous=moment)
                self._steps.append(record)
            case _:
                thread.last = None
                self._steps.append(record)

    # ---- events of system calls ----------------------------------------------------------------------------------

    def _enter(self, thread: _Thread, record: Record, moment: Moment, event: Enter, hit: tuple[Part, Hit] | None = None) -> None:
        pending = thread.pending
        if pending is not None and pending.level == "syscall" and event.source not in pending.sources:
            common = min(len(pending.arguments), len(event.arguments))
            if pending.syscall == event.syscall and pending.arguments[:common] == event.arguments[:common]:
                pending.sources += (event.source,)
                pending.arguments = max(pending.arguments, event.arguments, key=len)
                pending.path = pending.path or event.path
                pending.links = pending.links or event.links
                pending.before = pending.before or event.struct
                if hit is not None:
                    pending.hits.append(hit)
                return
        self._lost_return(thread, moment)
        if event.syscall in NEVER_RETURN:
            return
        assert record.thread is not None
        operation = Operation(
            event.syscall, record.thread, record.process, moment, True, "syscall", event.arguments, event.path, event.links
        )
        operation.before, operation.sources = event.struct, (event.source,)
        if hit is not None:
            operation.hits.append(hit)
        self._begin(thread, operation)

    def _exit(self, thread: _Thread, moment: Moment, event: Exit) -> None:
        pending, last = thread.pending, thread.last
        if pending is not None and pending.level == "syscall" and event.syscall in (None, pending.syscall):
            pending.exits += (event.source,)
            pending.link, pending.after = event.link, event.struct
            self._finish(thread, moment, user_result(event.result))
            return
        if last is not None and last.syscall == event.syscall and event.source in last.sources and event.source not in last.exits:
            last.exits += (event.source,)
            return
        if event.syscall == "ioctl" and not (last is not None and last.level != "syscall"):
            self.strays += 1
        thread.last = None

    # ---- probes and functions ------------------------------------------------------------------------------------

    def _hit(self, thread: _Thread, record: Record, moment: Moment, hit: Hit) -> None:
        part = part_of(hit)
        if part is None:
            return
        match part.role:
            case Role.ENTER:
                fd, command = descriptor_of(part, hit), command_of(hit)
                values = () if fd is None or command is None else (fd & (1 << 64) - 1, command)
                self._enter(thread, record, moment, Enter("ioctl", values, "eprobe"), (part, hit))
            case Role.EXIT:
                result = result_of(hit)
                if result is not None:
                    self._exit(thread, moment, Exit("ioctl", result, "eprobe"))
            case Role.RELEASE:
                self._flush(thread)
                if not hit.returns:
                    self.entered_releases.add(hit.function)
                if not hit.returns or hit.function not in self.entered_releases:
                    self._steps.append(Released(record, part, hit, thread.pending))
            case Role.INNER:
                self._inner(thread, record, part, hit)
            case _ if hit.returns:
                self._function_return(thread, record, moment, part, hit)
            case _:
                self._function_entry(thread, record, moment, part, hit)

    def _inner(self, thread: _Thread, record: Record, part: Part, hit: Hit) -> None:
        if thread.pending is not None and thread.pending.syscall == "ioctl":
            thread.pending.hits.append((part, hit))
        elif hit.returns:
            self._flush(thread)
            thread.held.append((part, hit))
            thread.held_record, thread.held_begin = record, thread.previous or self.first

    def _function_entry(self, thread: _Thread, record: Record, moment: Moment, part: Part, hit: Hit) -> None:
        pending = thread.pending
        if pending is not None and _belongs(pending, part):
            seen = {(h.function, h.name) for p, h in pending.hits if not h.returns}
            if pending.level == "syscall" or (hit.function, hit.name) not in seen:
                pending.hits.append((part, hit))
                return
        self._lost_return(thread, moment)
        assert record.thread is not None
        operation = Operation(_SYSCALL_OF[part.role], record.thread, record.process, moment, True, "function")
        operation.hits.append((part, hit))
        self._begin(thread, operation)

    def _function_return(self, thread: _Thread, record: Record, moment: Moment, part: Part, hit: Hit) -> None:
        pending, last = thread.pending, thread.last
        result = result_of(hit)
        if pending is not None and _belongs(pending, part):
            pending.hits.append((part, hit))
            if pending.level != "syscall":
                self._finish(thread, moment, None if result is None else user_result(result))
            return
        if last is not None and _tells_of(last, part, hit):
            last.hits.append((part, hit))
            if part.role is Role.SYSCALL and result is not None:
                last.result = user_result(result)
            last.exit = moment
            self._steps.append(Amended(last))
            return
        self._lost_return(thread, moment, keep_held=True)
        assert record.thread is not None and self.first is not None
        begin = thread.previous or self.first
        level = "syscall" if part.role is Role.SYSCALL else "function"
        operation = Operation(_SYSCALL_OF[part.role], record.thread, record.process, begin, False, level)
        operation.hits.extend(thread.held if part.role in (Role.IOCTL, Role.SYSCALL) else ())
        thread.held.clear()
        operation.hits.append((part, hit))
        self._begin(thread, operation)
        self._finish(thread, moment, None if result is None else user_result(result))

    # ---- begin and end -------------------------------------------------------------------------------------------

    def _begin(self, thread: _Thread, operation: Operation) -> None:
        thread.pending, thread.last = operation, None
        self._steps.append(Begun(operation))

    def _finish(self, thread: _Thread, moment: Moment | None, result: int | None = None) -> None:
        operation = thread.pending
        assert operation is not None
        thread.pending, thread.last = None, operation
        operation.exit = moment
        operation.returned = moment is not None
        operation.result = None if operation.doubtful else result
        self._steps.append(Finished(operation))

    def _lost_return(self, thread: _Thread, moment: Moment, *, keep_held: bool = False) -> None:
        """The thread does something else, so what it was doing is over: when and how was not recorded."""
        if not keep_held:
            self._flush(thread)
        if thread.pending is not None:
            self._finish(thread, moment)
        thread.last = None

    def _flush(self, thread: _Thread) -> None:
        """Inner functions without anything around them: they are all that is known of their call."""
        record, begin = thread.held_record, thread.held_begin
        if not thread.held or record is None or record.thread is None or begin is None:
            return
        moment = Moment(record.line, record.time)
        operation = Operation("ioctl", record.thread, record.process, begin, False, "inner", hits=list(thread.held))
        thread.held.clear()
        result = result_of(operation.hits[-1][1])
        pending, thread.pending = thread.pending, None
        self._begin(thread, operation)
        self._finish(thread, moment, None if result is None else user_result(result))
        thread.pending = pending


_SYSCALL_OF = {Role.IOCTL: "ioctl", Role.SYSCALL: "ioctl", Role.OPEN: "open", Role.REBOOT: "reboot"}


def _belongs(operation: Operation, part: Part) -> bool:
    """Can this function be what the operation is about?"""
    match part.role:
        case Role.IOCTL | Role.SYSCALL:
            return operation.syscall == "ioctl"
        case Role.OPEN:
            return operation.syscall in OPENERS
    return operation.syscall == "reboot"


def _tells_of(last: Operation, part: Part, hit: Hit) -> bool:
    """Is this return one more probe of the call that has just finished, rather than another call?"""
    if not _belongs(last, part) or last.level == "inner" or last.sources:
        return False
    if part.role is Role.SYSCALL:
        fits = all(p.role is not Role.SYSCALL for p, _ in last.hits)
    else:
        same = [h for _, h in last.hits if h.function == hit.function and h.returns]
        fits = bool(same) and all(h.name != hit.name and result_of(h) == result_of(hit) for h in same)
    if not fits:
        return False
    command, commands = command_of(hit), {command_of(h) for _, h in last.hits} - {None}
    return command is None or not commands or command in commands
