"""Recordings made up from the spec: random walks of the reference interpreter, as the events that a kernel would record.

Several threads of several processes call at the same time; each call takes effect at one moment between its begin and its end.  What the
walk did is known, so what is read back and what replay says of it can be compared with it.  It knows linux_7_3.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from trust.brute import Replayer

from luocheck.model.errnos import GENERIC
from luocheck.model.ir.system import OK, System
from luocheck.traces.records import Enter, Event, Exit, Hit, Record

NAMES = (b"vm-1", b"vm-2", b'a "b" -> c', b"\xff\xfe")
TOKENS = (0, 7, 0xFFFFFFFFFFFFFFFF)
FOREIGN = ("EOPNOTSUPP", "ENODEV", "EPROTO")
"""What a handler of the kernel may fail with (`errno ECALLBACK = any`)."""

SIZES = {"Agent": 2, "Name": len(NAMES), "Token": len(TOKENS), "File": 6, "Session": 5, "Entry": 8}
OF_DEVICE = ("CREATE_SESSION", "RETRIEVE_SESSION")
OF_SESSION = ("PRESERVE_FD", "RETRIEVE_FD", "FINISH", "GET_NAME")


@dataclass(slots=True)
class Made:
    """A call of the walk.  given: what its struct held, got: what was written back.  begin/end: ns."""

    event: str
    process: int
    thread: int
    begin: int
    descriptor: int | None = None
    given: dict[str, int | bytes] = field(default_factory=dict)
    got: dict[str, int | bytes] = field(default_factory=dict)
    result: int | None = None
    end: int | None = None


@dataclass(slots=True)
class _Process:
    """number: its id.  table: descriptor -> what it stands for, None for the device.  new: descriptors that no call has returned yet."""

    number: int
    agent: int
    table: dict[int, tuple[str, int] | None] = field(default_factory=dict)
    new: set[int] = field(default_factory=set)

    def open(self, what: tuple[str, int] | None) -> int:
        number = next(n for n in range(3, 1000) if n not in self.table)
        self.table[number] = what
        self.new.add(number)
        return number

    def descriptors(self, kind: str) -> list[int]:
        return [n for n, what in self.table.items() if (what or ("Device", 0))[0] == kind and n not in self.new]


@dataclass(slots=True)
class _Thread:
    process: _Process
    number: int
    now: Made | None = None
    done: bool = False


class Walk:
    """One random walk.  warm: the kernel came up by live update, with what an unrecorded walk had preserved."""

    def __init__(self, replayer: Replayer, seed: int, *, threads: int = 2, calls: int = 12, warm: bool = False) -> None:
        self.replayer, self.system, self.random = replayer, replayer.system, random.Random(seed)
        self.store = self.random.choice([s for s in replayer.cold if replayer.stores[s].get((self._enabled(),))])
        self.calls: list[Made] = []
        self.time = 5_000_000_000 + self.random.randrange(10**9)
        processes = [_Process(100 + 7 * agent, agent, self._own_files()) for agent in range(SIZES["Agent"])]
        self.threads = [_Thread(processes[n % 2], processes[n % 2].number + (n // 2)) for n in range(threads)]
        if warm:
            self._run(12)
            while not self._reboot():
                self._run(3)
            self.calls.clear()
            for process in processes:
                process.table = self._own_files()
        self._run(calls)

    def _enabled(self) -> int:
        return self.system.field("enabled", None).index

    def _own_files(self) -> dict[int, tuple[str, int] | None]:
        return {20 + x: ("File", x) for x in range(SIZES["File"])}

    def _run(self, calls: int) -> None:
        count = len(self.calls) + calls
        while len(self.calls) < count or any(thread.now is not None for thread in self.threads):
            self.time += self.random.randrange(1, 400) * 1000
            thread = self.random.choice(self.threads)
            if thread.now is None:
                idle = not thread.process.descriptors("Device") and not thread.process.descriptors("Session")
                if len(self.calls) < count and not (idle and self.random.random() < 0.7):
                    thread.now, thread.done = self._begin(thread), False
                    self.calls.append(thread.now)
            elif not thread.done:
                self._happen(thread, thread.now)
                thread.done = True
            else:
                thread.now.end = self.time
                opened = thread.now.got.get("fd", thread.now.result if thread.now.event == "OPEN" else None)
                thread.process.new -= {opened}
                thread.now = None

    def _reboot(self) -> bool:
        done = [r for r in self.replayer.execute(self.store, self.system.event("REBOOT"), (0,), frozenset({None})) if r.errno == OK]
        enabled = [r for r in done if self.replayer.stores[r.store].get((self._enabled(),))]
        self.store = self.random.choice(enabled).store if enabled else self.store
        return bool(enabled)

    # ---- choosing -----------------------------------------------------------------------------------------------

    def _begin(self, thread: _Thread) -> Made:
        process, rng = thread.process, self.random
        sessions, devices = process.descriptors("Session"), process.descriptors("Device")
        events = ["OPEN"] if not devices or rng.random() < 0.05 else []
        events += [*OF_DEVICE * 2, "CLOSE_DEV"] if devices else []
        events += [*OF_SESSION * 2, "PRESERVE_FD", "CLOSE"] if sessions else []
        event = rng.choice(events)
        call = Made(event, process.number, thread.number, self.time)
        if event in OF_DEVICE:
            call.descriptor = rng.choice(devices)
            call.given = {"size": 72, "name": rng.choice((*NAMES, b""))}
        elif event in OF_SESSION:
            call.descriptor = rng.choice(sessions)
            call.given = {"size": next(i.size for i in self.system.abi.ioctls if i.event == event)}
            if event.endswith("_FD"):
                call.given["token"] = rng.choice(TOKENS)
            if event == "PRESERVE_FD":
                call.given["fd"] = rng.choice((*process.descriptors("File"), *process.descriptors("File"), 900))
            if event in ("FINISH", "GET_NAME"):
                call.given["reserved"] = rng.choice((0, 0, 0, 1))
        elif event in ("CLOSE", "CLOSE_DEV"):
            call.descriptor = rng.choice(sessions if event == "CLOSE" else devices)
        if "size" in call.given and rng.random() < 0.06:
            call.given["size"] = 4
        return call

    def _happen(self, thread: _Thread, call: Made) -> None:
        process = thread.process
        what = process.table.get(call.descriptor or -1, ("Closed", 0))
        if call.event != "OPEN" and what != (
            None if call.event in (*OF_DEVICE, "CLOSE_DEV") else ("Session", (what or ("", 0))[1])
        ):
            call.result = -GENERIC["EBADF"]  # another thread of the process closed it
            return
        arguments: list[object] = [process.agent]
        if call.event in OF_SESSION or call.event == "CLOSE":
            assert what is not None
            arguments.append(what[1])
        bad: list[bool] = []
        refusals: frozenset[str | None] = frozenset(
            {"EINVAL"} if call.given.get("size") == 4 or call.given.get("reserved") else {None}
        )
        if call.event in OF_DEVICE:
            arguments.append(max(0, NAMES.index(name) if (name := call.given["name"]) in NAMES else 0))
            bad.append(name == b"")
        if call.event == "PRESERVE_FD":
            target = process.table.get(int(call.given["fd"]))
            arguments.append(target[1] if target is not None and target[0] == "File" else 0)
            bad.append(target is None)
        if call.event.endswith("_FD"):
            arguments.append(TOKENS.index(int(call.given["token"])))
        event = self.system.event(call.event)
        flags = bad[: len(event.predicates)]
        replies = self.replayer.execute(self.store, event, (*arguments, *flags), refusals)
        if not replies:  # the file was preserved by the kernel before and is no file of this process yet
            call.result = -GENERIC["EBADF"]
            call.given["fd"] = 900
            return self._happen(thread, call) if call.event == "PRESERVE_FD" and not bad[0] else None
        usual = [r for r in replies if r.errno in (OK, "EBUSY", "EEXIST", "ENOENT", "EINVAL")]
        reply = self.random.choice(usual if usual and self.random.random() < 0.9 else list(replies))
        self.store = reply.store
        if reply.errno != OK:
            errno = reply.errno if reply.errno in GENERIC else self.random.choice(FOREIGN)
            call.result = -GENERIC[errno]
            return None
        call.result = 0
        if call.event == "OPEN":
            call.result = process.open(None)
        elif call.event in OF_DEVICE:
            call.got["fd"] = process.open(("Session", reply.result))
        elif call.event == "RETRIEVE_FD":
            call.got["fd"] = process.open(("File", reply.result))
        elif call.event == "GET_NAME":
            call.got["name"] = NAMES[reply.result]
        elif call.event in ("CLOSE", "CLOSE_DEV"):
            del process.table[call.descriptor or -1]
        return None


# ---- events -----------------------------------------------------------------------------------------------------

RECORDERS = ("sys", "ep")
"""sys: syscalls:sys_enter_* and sys_exit_*.  ep: the same of openat and close, and eprobes that read the struct for ioctl."""


def events_of(calls: list[Made], system: System, recorder: str) -> list[Record]:
    """What a recorder shows of the calls, in the order of time.  A call with no end has no return."""
    numbers = {ioctl.event: ioctl.number for ioctl in system.abi.ioctls}
    found: list[tuple[int, Made, Event]] = []
    for call in calls:
        if call.event == "OPEN":
            found.append((call.begin, call, Enter("openat", ((1 << 64) - 100, 0x7FFC0000), "syscalls", b"/dev/liveupdate")))
        elif call.event in ("CLOSE", "CLOSE_DEV"):
            found.append((call.begin, call, Enter("close", (call.descriptor or 0,), "syscalls")))
        elif recorder == "sys":
            found.append((call.begin, call, Enter("ioctl", (call.descriptor or 0, numbers[call.event], 0x7FFC1000), "syscalls")))
        else:
            name = call.given.get("name", b"")
            assert isinstance(name, bytes)
            token = call.given.get("token", int.from_bytes(name[:8].ljust(8, b"\0"), "little"))
            second = call.given.get("fd", call.given.get("reserved", 0))
            fields = {"fd": call.descriptor, "cmd": numbers[call.event], "size": call.given["size"], "afd": second, "token": token}
            found.append((call.begin, call, Hit("ioctl_enter", "syscalls.sys_enter_ioctl", False, {**fields, "name": name})))
        if call.end is None or call.result is None:
            continue
        syscall = {"OPEN": "openat", "CLOSE": "close", "CLOSE_DEV": "close"}.get(call.event, "ioctl")
        if syscall != "ioctl" or recorder == "sys":
            found.append((call.end, call, Exit(syscall, call.result, "syscalls")))
        else:
            found.append((call.end, call, Hit("ioctl_exit", "syscalls.sys_exit_ioctl", False, {"ret": call.result})))
    found.sort(key=lambda each: each[0])
    return [Record(n, time, call.thread, call.process, n % 2, event) for n, (time, call, event) in enumerate(found, 1)]
