"""A scenario as a recording that a kernel could have left: what the agents called, with the bytes, and what came back.

Each kernel of a scenario has a recording of its own.  It shows what tracing of system calls shows, and the argument of every ioctl.  What
the abi does not say how to do, no recording shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from luocheck.checker.scenarios.answer import Chosen
from luocheck.generate.calls import ANY, Calls, Made, Value, stages
from luocheck.model.abi import CONSTANTS, DEVICE
from luocheck.model.diagnostics import fail
from luocheck.model.errnos import GENERIC
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec
from luocheck.traces.formats.ftrace_writer import FtraceWriter
from luocheck.traces.records import Ended, Enter, Event, Exit, Hit, Record
from luocheck.traces.records import Value as Shown

_STEP = 1_000_000
"""ns from one event to the next."""

_FIRST = 1_000
"""The first process id; ids of a kernel's processes are not used again."""

_ARGUMENT = 0x7F00_0000_0000
"""Where the argument of every call is in memory."""

_READS = {0: "size", 4: "afd", 8: "token"}
"""Names under which probes show numbers, by their offset in the struct."""


def captures(spec: Spec, chosen: Chosen) -> list[str]:
    """ftrace text, one for each kernel of the scenario.  Raises SpecError LUO630 when no call of it is in the abi of the spec."""
    calls = Calls(spec.system, chosen.witness)
    made = calls.made()
    if all(call.way == "outside" for call in made):
        message = f"the abi of `{spec.name}` does not say how a program makes any call of this scenario, so no recording shows one"
        fail("LUO630", message, Span(Source("--format", "ftrace"), 0, 0), help="add the calls to its `abi` block")
    out = []
    for stage in stages(made):
        lines = FtraceWriter().lines(_Kernel(spec, calls.sorts).records(stage))
        out.append("".join(line.decode() + "\n" for line in lines))
    return out


class _Process:
    """An agent's process: its id and its descriptors, by what they stand for."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptors: dict[int, str] = {}

    def number(self, thing: str) -> int:
        """The newest descriptor for something; -1 when there is none."""
        return max((n for n, each in self.descriptors.items() if each == thing), default=-1)

    def install(self, thing: str) -> int:
        """The lowest free number, as the kernel gives it."""
        number = next(n for n in range(3, len(self.descriptors) + 4) if n not in self.descriptors)
        self.descriptors[number] = thing
        return number


class _Kernel:
    """Records of the calls that one kernel answers."""

    def __init__(self, spec: Spec, sorts: dict[str, str]) -> None:
        self.abi = spec.system.abi
        self.sorts = sorts
        self.time = 1_000_000_000
        self.line = 0
        self.next_pid = _FIRST
        self.processes: dict[str, _Process] = {}
        self.holders: dict[str, str] = {}  # who has a file

    def records(self, calls: Sequence[Made]) -> Iterator[Record]:
        for call in calls:
            if call.agent is None or call.way == "outside":
                continue
            if call.agent not in self.processes:
                self.processes[call.agent] = self._process()
            process = self.processes[call.agent]
            if call.begins:
                yield from self._needed(call, process)
            yield from self._call(call, process)

    def _process(self) -> _Process:
        self.next_pid += 1
        return _Process(self.next_pid)

    def _record(self, process: _Process, event: Event) -> Record:
        self.line += 1
        self.time += _STEP
        return Record(self.line, self.time, process.pid, process.pid, 0, event)

    def _both(
        self, process: _Process, name: str, arguments: tuple[int, ...], result: int, path: str | None = None
    ) -> Iterator[Record]:
        yield self._record(process, Enter(name, arguments, "syscalls", None if path is None else path.encode()))
        yield self._record(process, Exit(name, result, "syscalls"))

    # ---- what a call needs --------------------------------------------------------------------------------------

    def _needed(self, call: Made, process: _Process) -> Iterator[Record]:
        """Files that the agent has to have: it makes them, or gets them from who has them."""
        for value in call.given:
            if value.kind != "descriptor" or process.number(value.value) >= 0:
                continue
            if value.value in self.holders and call.agent is not None:
                yield from self._taken(process, self.processes[self.holders[value.value]], value.value)
            else:
                yield from self._both(process, "memfd_create", (_ARGUMENT, 3), process.install(value.value))
            if call.agent is not None:
                self.holders[value.value] = call.agent

    def _taken(self, process: _Process, owner: _Process, thing: str) -> Iterator[Record]:
        yield from self._both(process, "pidfd_getfd", (0, owner.number(thing), 0), process.install(thing))

    # ---- calls --------------------------------------------------------------------------------------------------

    def _call(self, call: Made, process: _Process) -> Iterator[Record]:
        match call.way:
            case "open":
                device = next(d for d in self.abi.descriptors if d.path is not None)
                result = self._errno(call) or process.install(DEVICE)
                yield from self._both(process, "openat", (-100 & (1 << 64) - 1, _ARGUMENT, 2), result, device.path)
            case "close":
                assert call.on is not None
                number = process.number(call.on)
                yield from self._closed(call, process, number)
            case "exit":
                yield self._record(process, Ended(process.pid, True))
                del self.processes[call.agent or ""]
                self.holders = {file: agent for file, agent in self.holders.items() if agent != call.agent}
            case "pass":
                assert call.receiver is not None and call.on is not None
                if call.receiver != call.agent:
                    receiver = self.processes.setdefault(call.receiver, self._process())
                    yield from self._taken(receiver, process, call.on)
            case "syscall":
                yield from self._syscall(call, process)
            case "ioctl":
                yield from self._ioctl(call, process)

    def _closed(self, call: Made, process: _Process, number: int) -> Iterator[Record]:
        if call.begins:
            yield self._record(process, Enter("close", (number & (1 << 64) - 1,), "syscalls"))
            process.descriptors.pop(number, None)
        if call.ends:
            yield self._record(process, Exit("close", self._errno(call), "syscalls"))

    def _syscall(self, call: Made, process: _Process) -> Iterator[Record]:
        syscall = call.syscall
        assert syscall is not None
        values = {"magic": 0xFEE1DEAD, "magic2": 672274793}
        if call.begins:
            arguments = tuple(CONSTANTS.get(name, values.get(name, 0)) for name in syscall.arguments)
            yield self._record(process, Enter(syscall.function, arguments, "syscalls"))
        if call.ends and call.kernel is None:
            yield self._record(process, Exit(syscall.function, self._errno(call), "syscalls"))

    def _ioctl(self, call: Made, process: _Process) -> Iterator[Record]:
        ioctl = call.ioctl
        assert ioctl is not None and call.on is not None
        number = process.number(call.on)
        if call.begins:
            arguments = (number & (1 << 64) - 1, ioctl.number, _ARGUMENT)
            yield self._record(process, Enter("ioctl", arguments, "syscalls"))
        if not call.ends or call.kernel is not None:
            return
        result = self._errno(call)
        if ioctl.fields:
            fields: dict[str, Shown] = {"fd": number, "cmd": ioctl.number}
            fields |= self._shown(call, process)
            yield self._record(process, Hit("ioctl", "__x64_sys_ioctl", True, {**fields, "ret": result}))
        yield self._record(process, Exit("ioctl", result, "syscalls"))

    def _shown(self, call: Made, process: _Process) -> dict[str, Shown]:
        """The struct as a probe reads it when the call returns; a string comes last, because nothing after it can be told apart."""
        assert call.ioctl is not None
        if "copy_in" in call.faults:
            return {name: None for name in _READS.values()}
        numbers: dict[str, Shown] = {}
        string: dict[str, Shown] = {}
        values = {value.member.name: value for value in (*call.given, *call.got)}
        for member in call.ioctl.fields:
            value = values.get(member.name)
            if member.length is not None:
                string["name"] = _text(value)
            elif member.offset in _READS:
                shown = call.ioctl.size if member.role == "size" else 0 if value is None else self._number(value, call, process)
                numbers[_READS[member.offset]] = shown
        return numbers | string

    def _number(self, value: Value, call: Made, process: _Process) -> int:
        if value.kind == "bad":
            return -1
        if value.kind != "descriptor":
            return value.number
        if value in call.got:
            if call.agent is not None and all(self.sorts.get(value.value) != d.target for d in self.abi.descriptors):
                self.holders[value.value] = call.agent
            return process.install(value.value)
        return process.number(value.value)

    def _errno(self, call: Made) -> int:
        """What the call returns: 0, or a negative errno; of a class the first member, and EIO where any will do."""
        if not call.allowed:
            return 0
        name = "EIO" if call.allowed == (ANY,) else call.allowed[0]
        return -GENERIC[name]


def _text(value: Value | None) -> bytes:
    if value is None or (value.kind == "bad" and value.value == "empty"):
        return b""
    if value.kind == "bad":
        return b"x" * (value.member.length or 0)
    return f"luo-{value.value}".encode()
