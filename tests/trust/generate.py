"""Recordings made up from a spec: random walks of the reference interpreter, as the events that a kernel would record.

Several threads of several processes call at the same time; each call takes effect at one moment between its begin and its end.  What the
walk did is known, so what is read back and what replay says of it can be compared with it.  How calls look is told by the spec's abi.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from trust.executing import Interpreter, Reply, TooLarge

from luocheck.model.abi import DEVICE, SCALARS, Abi, Descriptor, Ioctl, StructField
from luocheck.model.errnos import GENERIC
from luocheck.model.instances import instances
from luocheck.model.ir.system import OK, Scope, System
from luocheck.model.ir.vocabulary import ElemT, Lifetime
from luocheck.traces.payload import descriptor_for, is_descriptor
from luocheck.traces.records import Enter, Event, Exit, Hit, Record

NAMES = (b"vm-1", b"vm-2", b'a "b" -> c', b"\xff\xfe")
TOKENS = (0, 7, 0xFFFFFFFFFFFFFFFF, 0x1001)
FOREIGN = ("EOPNOTSUPP", "ENODEV", "EPROTO")
"""What a handler of the kernel may fail with (`errno ECALLBACK = any`)."""

SIZES: dict[str, dict[str, int]] = {
    "linux_7_3": {"Agent": 2, "Name": len(NAMES), "Token": 3, "File": 6, "Session": 5, "Entry": 8},
    "intent": {"Agent": 2, "File": 3, "Token": 3},
    "rfc_v2": {"Agent": 2, "File": 2, "Handler": 1, "Subsys": 1, "Token": 4, "Other": 0},
}
"""Elements of each spec that walks are made of."""

CLOSED = 900
"""A descriptor that nobody ever has."""

USUAL = (OK, "EBUSY", "EEXIST", "ENOENT", "EINVAL")


def interpreter(system: System, name: str, choice: int = 0) -> Interpreter:
    """One kernel and one graph of dependencies, of the first ones that the spec allows."""
    sizes = SIZES[name]
    scope = Scope("generated", tuple((s.name, sizes.get(s.name, 0)) for s in system.sorts), frozenset(), system.span)
    found = list(islice(instances(system, scope), 64))
    return Interpreter(system, found[-1 - choice % len(found)])


@dataclass(slots=True)
class Made:
    """A call of the walk.  ioctl: None for an open or a close.  given: what its struct held, got: what was written back.

    begin/end: ns.  reached: False when its descriptor had been closed by another thread.
    """

    event: str
    ioctl: Ioctl | None
    process: int
    thread: int
    begin: int
    descriptor: int | None = None
    given: dict[str, int | bytes] = field(default_factory=dict)
    got: dict[str, int | bytes] = field(default_factory=dict)
    result: int | None = None
    end: int | None = None
    reached: bool = True


What = tuple[str, int | None]
"""The device (DEVICE, None), or a sort and an element of it."""


@dataclass(slots=True)
class _Process:
    """number: its id.  table: descriptor -> what it stands for.  new: descriptors that no call has returned yet."""

    number: int
    agent: int
    table: dict[int, What] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)

    def open(self, what: What) -> int:
        number = next(n for n in range(3, 1000) if n not in self.table)
        self.table[number] = what
        self.new.add(number)
        return number

    def descriptors(self, kind: str) -> list[int]:
        return [n for n, what in self.table.items() if what[0] == kind and n not in self.new]


@dataclass(slots=True)
class _Thread:
    process: _Process
    number: int
    now: Made | None = None
    done: bool = False


class Walk:
    """One random walk.  warm: the kernel came up by live update, with what an unrecorded walk had preserved."""

    def __init__(self, kernel: Interpreter, seed: int, *, threads: int = 2, calls: int = 12, warm: bool = False) -> None:
        self.kernel, self.system, self.random = kernel, kernel.system, random.Random(seed)
        self.abi: Abi = self.system.abi
        device = descriptor_for(self.abi, DEVICE)
        assert device is not None and device.open is not None
        self.device: Descriptor = device
        self.open = device.open
        self.sizes = {s.name: kernel.instance.sizes[s.index] for s in self.system.sorts}
        agents = next(s.name for s in self.system.sorts if s.caller)
        self.store = self.random.choice([s for s in kernel.cold if self._opens(s)])
        self.calls: list[Made] = []
        self.time = 5_000_000_000 + self.random.randrange(10**9)
        processes = [_Process(100 + 7 * agent, agent, self._own_files()) for agent in range(self.sizes[agents])]
        self.threads = [_Thread(processes[n % 2], processes[n % 2].number + (n // 2)) for n in range(threads)]
        if warm:
            self.store = self._handed_over()
            self.calls.clear()
            for process in processes:
                process.table = self._own_files()
        self._run(calls)

    def _own_files(self) -> dict[int, What]:
        return {20 + x: ("File", x) for x in range(self.sizes["File"])}

    def _execute(
        self, store: int, event: str, *arguments: object, refusals: frozenset[str | None] = frozenset({None})
    ) -> list[Reply]:
        try:
            return list(self.kernel.execute(store, self.system.event(event), arguments, refusals))
        except TooLarge:
            return []

    def _opens(self, store: int) -> bool:
        """Is this a kernel in which something can be done?"""
        return any(reply.errno == OK for reply in self._execute(store, self.open, 0))

    def _run(self, calls: int) -> None:
        count = len(self.calls) + calls
        while len(self.calls) < count or any(thread.now is not None for thread in self.threads):
            self.time += self.random.randrange(1, 400) * 1000
            thread = self.random.choice(self.threads)
            if thread.now is None:
                idle = not any(thread.process.descriptors(each.target) for each in self.abi.descriptors)
                if len(self.calls) < count and not (idle and self.random.random() < 0.7):
                    thread.now, thread.done = self._begin(thread), False
                    self.calls.append(thread.now)
            elif not thread.done:
                if self._happen(thread, thread.now):
                    thread.done = True
                else:  # it cannot be made in this state
                    self.calls.remove(thread.now)
                    thread.now = None
            else:
                thread.now.end = self.time
                opened = thread.now.got.get("fd", thread.now.result if thread.now.event == self.open else None)
                thread.process.new -= {opened}
                thread.now = None

    def _handed_over(self) -> int:
        """The state after a reboot: of several moments of a walk the one at which most was handed over."""
        found: list[int] = []
        while len(found) < 24:
            self._run(3)
            done = [r.store for each in self.abi.syscalls for r in self._execute(self.store, each.event, 0) if r.errno == OK]
            found += [store for store in done if self._opens(store)]
        preserved = {f.index for f in self.system.fields if f.lifetime is Lifetime.PRESERVED}
        most = [(sum(cell[0] in preserved for cell in self.kernel.stores[store]), self.random.random(), store) for store in found]
        return max(most)[2]

    # ---- choosing -----------------------------------------------------------------------------------------------

    def _begin(self, thread: _Thread) -> Made:
        process, rng = thread.process, self.random
        devices = process.descriptors(DEVICE)
        choices: list[tuple[str, Ioctl | None, int | None]] = []
        if not devices or rng.random() < 0.05:
            choices.append((self.open, None, None))
        for ioctl in self.abi.ioctls:
            for number in process.descriptors(ioctl.target)[:3]:
                choices += [(ioctl.event, ioctl, number)] * 2
        for each in self.abi.descriptors:
            if each.release is not None and (open_ones := process.descriptors(each.target)):
                choices.append((each.release, None, rng.choice(open_ones)))
        event, ioctl, descriptor = rng.choice(choices)
        call = Made(event, ioctl, process.number, thread.number, self.time, descriptor)
        for member in ioctl.fields if ioctl is not None else ():
            value = self._member(ioctl, member, process) if ioctl is not None else None
            if value is not None:
                call.given[member.name] = value
        return call

    def _member(self, ioctl: Ioctl, member: StructField, process: _Process) -> int | bytes | None:
        match member.role:
            case "size":
                return 4 if self.random.random() < 0.06 else ioctl.size
            case "zero":
                return self.random.choice((0, 0, 0, 1))
            case "in" if member.length is not None:
                return self.random.choice((*NAMES, b""))
            case "in" if is_descriptor(self.abi, member):
                files = process.descriptors(member.sort or "")
                return self.random.choice((*files, *files, *([CLOSED] if self._bad(ioctl, member) is not None else ())))
            case "in":
                return self._number(member, self.random.randrange(self.sizes[member.sort or ""]))
        return None

    def _bad(self, ioctl: Ioctl, member: StructField) -> int | None:
        """The place of the hidden argument that says that a member is no proper handle."""
        predicates = self.system.event(ioctl.event).predicates
        return next((n for n, each in enumerate(predicates) if each.parameter.name == member.parameter), None)

    def _happen(self, thread: _Thread, call: Made) -> bool:
        """The call takes effect; False when the spec says that it cannot be made."""
        process, target = thread.process, self._target(call)
        what = process.table.get(call.descriptor or -1)
        if call.event != self.open and (what is None or what[0] != target):
            call.result, call.reached = -GENERIC["EBADF"], False  # another thread of the process closed it
            return True
        event = self.system.event(call.event)
        members = {m.parameter: m for m in call.ioctl.fields if m.role == "in"} if call.ioctl is not None else {}
        bad = [False] * len(event.predicates)
        arguments: list[object] = []
        for parameter in event.parameters:
            member = members.get(parameter.name)
            if parameter.slot == event.caller:
                arguments.append(process.agent)
            elif member is None:
                assert what is not None and isinstance(parameter.type, ElemT) and parameter.type.sort.name == what[0]
                arguments.append(what[1])
            else:
                element = self._element(member, call.given[member.name], process)
                arguments.append(element or 0)
                place = self._bad(call.ioctl, member) if call.ioctl is not None else None
                if element is None:
                    if place is None:
                        return False
                    bad[place] = True
        replies = self._execute(self.store, call.event, *arguments, *bad, refusals=self._refusals(call))
        if not replies:
            return False
        usual = [reply for reply in replies if reply.errno in USUAL]
        reply = self.random.choice(usual if usual and self.random.random() < 0.9 else replies)
        self.store = reply.store
        if reply.errno != OK:
            errno = reply.errno if reply.errno in GENERIC else self.random.choice(FOREIGN)
            call.result = -GENERIC[errno]
            return True
        call.result = process.open((DEVICE, None)) if call.event == self.open else 0
        for member in call.ioctl.fields if call.ioctl is not None else ():
            if member.role == "out":
                call.got[member.name] = self._returned(member, reply, process)
        if call.ioctl is None and call.event != self.open:
            process.table.pop(call.descriptor or -1, None)
        return True

    def _target(self, call: Made) -> str | None:
        if call.ioctl is not None:
            return call.ioctl.target
        return next((each.target for each in self.abi.descriptors if each.release == call.event), None)

    def _element(self, member: StructField, value: int | bytes, process: _Process) -> int | None:
        if isinstance(value, bytes):
            return NAMES.index(value) if value in NAMES else None
        if not is_descriptor(self.abi, member):
            return next(x for x in range(self.sizes[member.sort or ""]) if self._number(member, x) == value)
        what = process.table.get(value)
        return what[1] if what is not None and what[0] == member.sort else None

    def _returned(self, member: StructField, reply: Reply, process: _Process) -> int | bytes:
        if member.sort is None:
            return int(reply.result)  # of an enum
        if is_descriptor(self.abi, member):
            return process.open((member.sort, reply.result))
        return NAMES[reply.result] if member.length is not None else self._number(member, reply.result)

    def _number(self, member: StructField, element: int) -> int:
        """The number that stands for an element; those of an ordered sort are the values of a counter."""
        ordered = any(sort.ordered for sort in self.system.sorts if sort.name == member.sort)
        return element if ordered else TOKENS[element]

    def _refusals(self, call: Made) -> frozenset[str | None]:
        """What the bytes of the struct alone are refused with."""
        refused: set[str | None] = set()
        for member in call.ioctl.fields if call.ioctl is not None else ():
            value = call.given.get(member.name)
            if member.role == "size" and call.ioctl is not None and value != call.ioctl.size and self.abi.sized is not None:
                return frozenset({self.abi.sized.short})
            if member.role == "zero" and value:
                refused.add(member.errno)
        return frozenset(refused or {None})


# ---- events -----------------------------------------------------------------------------------------------------

RECORDERS = ("sys", "ep", "one", "struct", "bytes")
"""sys: syscalls:sys_enter_* and sys_exit_*.  ep, one: the same of openat and close, and probes that read the struct for ioctl: eprobes
on the event, or an fprobe on the return of the handler.  struct, bytes: system calls with the struct of an ioctl, by member or as it is."""

PROBED = ("ep", "one")
"""Recorders whose recipes read the structs of linux_7_3."""


def events_of(calls: list[Made], system: System, recorder: str) -> list[Record]:
    """What a recorder shows of the calls, in the order of time.  A call with no end has no return."""
    found = [each for call in calls for each in _events_of(call, system.abi, recorder)]
    found.sort(key=lambda each: each[0])
    return [Record(n, time, call.thread, call.process, n % 2, event) for n, (time, call, event) in enumerate(found, 1)]


def _events_of(call: Made, abi: Abi, recorder: str) -> Iterator[tuple[int, Made, Event]]:
    device = descriptor_for(abi, DEVICE)
    assert device is not None and device.path is not None
    source = "syscalls"
    before: dict[str, int | bytes] = dict(call.given)
    after = {**before, **call.got}
    numbers = (call.descriptor or 0,)
    if call.ioctl is None:
        opens = call.event == device.open
        syscall = "openat" if opens else "close"
        path = device.path.encode() if opens else None
        yield call.begin, call, Enter(syscall, ((1 << 64) - 100, 0x7FFC0000) if opens else numbers, source, path)
        if call.end is not None and call.result is not None:
            yield call.end, call, Exit(syscall, call.result, source)
        return
    number = call.ioctl.number
    exit = Exit("ioctl", call.result or 0, source)
    match recorder:
        case "sys":
            enter: Event = Enter("ioctl", (*numbers, number, 0x7FFC1000), source)
            leave: Event = exit
        case "struct":
            enter = Enter("ioctl", (*numbers, number), source, struct=before)
            leave = Exit("ioctl", exit.result, source, struct=after)
        case "bytes":
            enter = Enter("ioctl", (*numbers, number, 0x7FFC1000), source, struct=memory(call.ioctl, before))
            leave = Exit("ioctl", exit.result, source, struct=memory(call.ioctl, after))
        case "ep":
            enter = Hit(
                "ep:ioctl_enter",
                "syscalls.sys_enter_ioctl",
                False,
                {"fd": call.descriptor, "cmd": number, **_read(call.ioctl, before)},
            )
            leave = Hit("ep:ioctl_exit", "syscalls.sys_exit_ioctl", False, {"ret": exit.result})
        case _:
            on_device = call.ioctl.target == DEVICE
            shown = _read(call.ioctl, after)
            shown["fd"] = shown.pop("afd")
            del shown["token" if on_device else "name"]
            fields = {"dfd" if on_device else "sfd": call.descriptor, "cmd": number, **shown, "ret": exit.result}
            name = "one:ioctl" if on_device else "one:session_ioctl"
            function = "luo_ioctl" if on_device else "luo_session_ioctl"
            enter, leave = Enter("ioctl", (*numbers, number, 0x7FFC1000), source), exit
            if call.end is not None and call.reached:
                yield call.end - 1, call, Hit(name, function, True, fields, "__x64_sys_ioctl")
    yield call.begin, call, enter
    if call.end is not None and call.result is not None:
        yield call.end, call, leave


def memory(ioctl: Ioctl, members: dict[str, int | bytes]) -> bytes:
    """The struct in memory, as far as its size says."""
    out = bytearray(ioctl.size)
    for member in ioctl.fields:
        value = members.get(member.name, 0)
        width = SCALARS[member.type]
        if isinstance(value, bytes):
            out[member.offset : member.offset + len(value)] = value
        elif member.length is None:
            out[member.offset : member.offset + width] = (value & (1 << 8 * width) - 1).to_bytes(width, "little")
    size = members.get("size", ioctl.size)
    return bytes(out[: size if isinstance(size, int) else None])


def _read(ioctl: Ioctl, members: dict[str, int | bytes]) -> dict[str, int | bytes | None]:
    """What the recipes fetch from a struct, whatever it is: the words at 0, 4 and 8, and the string at 8."""
    held = memory(ioctl, members).ljust(80, b"\0")
    numbers = {
        name: int.from_bytes(held[at : at + size], "little") for name, at, size in (("size", 0, 4), ("afd", 4, 4), ("token", 8, 8))
    }
    return {**numbers, "name": held[8:72].split(b"\0", 1)[0]}
