"""A kernel that is the interpreter: it answers the calls of a program whose calls go over a socket (`standin.h`).

It knows the spec, and what the world is like (the `given` of the scenario).  What a call returns follows from its bytes, from the
descriptors of the process, and from the spec.  Faults happen where the program arranges them, and only there.
"""

from __future__ import annotations

import array
import os
import re
import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luocheck.model.abi import DEVICE, SCALARS, Ioctl, StructField
from luocheck.model.errnos import GENERIC
from luocheck.model.ir.system import OK, Event, Local
from luocheck.model.ir.vocabulary import ElemT, EnumT, Sort
from luocheck.model.scenario.beginning import Beginning
from luocheck.model.scenario.beliefs import Beliefs
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store
from luocheck.model.spec import Spec

NOBODY = -1

Thing = tuple[str, int]
"""What is behind a descriptor: DEVICE, or a sort and an element."""

Flip = Callable[[int, str], str]
"""What the server returns in the place of an outcome, by the number of the line of the scenario."""


@dataclass(frozen=True)
class Waiting:
    """A call to which there was no reply yet."""

    connection: socket.socket
    event: Event
    agent: int
    ioctl: Ioctl | None = None
    data: bytes = b""
    ends_kernel: bool = False


class StandIn:
    """The server.  steps: events of the scenario and how they end, for choices that nothing but the world makes (what a reboot draws).

    willing: does it arrange faults?
    """

    def __init__(
        self,
        spec: Spec,
        scenario: Scenario,
        steps: list[tuple[str, str]],
        place: Path,
        flip: Flip = lambda number, outcome: outcome,
        *,
        willing: bool = True,
    ) -> None:
        self.willing = willing
        self.system = spec.system
        self.abi = spec.system.abi
        beliefs = Beliefs(spec.system, scenario)
        states, _ = Beginning(beliefs).states()
        self.states: list[Store] = [each.store for each in states]
        self.binding = {(each.sort.index, each.name): states[0].binding[each.index] for each in scenario.elements}
        self.machine = beliefs.machine_of(self.states[0].instance)
        self.instance = self.states[0].instance
        self.steps = steps
        self.flip = flip
        self.asked = 0  # calls of the scenario so far
        self.path = place / "kernel.sock"
        self.listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listening.bind(str(self.path))
        self.listening.listen()
        self.people: dict[int, int] = {}  # pid -> agent
        self.pids: dict[socket.socket, int] = {}
        self.things: dict[int, Thing] = {}  # inode -> what is behind it
        self.kept: dict[Thing, int] = {}  # a descriptor of the server's own
        self.held: dict[int, set[Thing]] = {}
        self.strings: dict[bytes, int] = {}
        self.numbers: dict[tuple[str, int], int] = {}
        self.fault: tuple[str, str] | None = None
        self.until: dict[int, str] = {}
        self.inside: dict[int, Waiting] = {}  # by agent
        self.entered: set[int] = set()  # agents that made a call since they were steered
        self.settling: dict[int, socket.socket] = {}
        self.failure: BaseException | None = None
        self.ending = False

    # ---- the loop -----------------------------------------------------------------------------------------------

    def __enter__(self) -> StandIn:
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending = True
        if self.failure is None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as knock:
                knock.connect(str(self.path))
        self.thread.join(30)
        for each in (self.listening, *self.pids):
            each.close()
        for fd in self.kept.values():
            os.close(fd)

    def _serve(self) -> None:
        try:
            while not self.ending:
                ready, _, _ = select.select([self.listening, *self.pids], [], [], 30)
                questions: list[tuple[socket.socket, bytes]] = []
                for each in ready:
                    if each is self.listening:
                        connection, _ = self.listening.accept()
                        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
                        self.pids[connection] = struct.unpack("3i", credentials)[0]
                    elif data := each.recv(1 << 16):
                        questions.append((each, data))
                    else:
                        self._gone(each)
                for connection, data in questions:
                    self._answer(connection, data.decode())
                for agent in [each for each in self.settling if each in self.entered]:
                    self._reply(self.settling.pop(agent), 0)
        except BaseException as error:  # the test shows it
            self.failure = error
            for each in (self.listening, *self.pids):
                each.close()

    def _gone(self, connection: socket.socket) -> None:
        """A process ended; when it was an agent, the spec is told."""
        pid = self.pids.pop(connection)
        connection.close()
        agent = self.people.pop(pid, None)
        exit_ = self.abi.process.exit if self.abi.process is not None else None
        if agent is not None and exit_ is not None and not self.ending:
            event = self.system.event(exit_)
            if any(self.machine.call(event, (agent,), state) for state in self.states):
                self._call(event, {self._caller(event): agent}, {})
            self.held.pop(agent, None)

    def _answer(self, connection: socket.socket, text: str) -> None:
        word, _, rest = text.partition(" ")
        pid = self.pids[connection]
        if word == "name":
            number, name = rest.split(" ", 1)
            self.people[int(number)] = self._agent(name)
            self._reply(connection, 0)
        elif word == "steer":
            number, until = rest.split(" ", 1)
            self._steer(self.people[int(number)], until)
            if connection in self.pids:
                self._reply(connection, 0)
        elif word == "settle":
            self.settling[self.people[int(rest)]] = connection
        elif word == "inject":
            self._reply(connection, 0 if self.willing and self._inject(*rest.split("|")) else -1)
        else:
            self._look_around()
            agent = self.people[pid]
            match word:
                case "open":
                    self._open(connection, agent, rest)
                case "ioctl":
                    self._ioctl(connection, pid, agent, rest.split(" "))
                case "close":
                    self._close(connection, pid, agent, int(rest))
                case "syscall":
                    self._syscall(connection, agent, rest.split(" ")[0])

    def _reply(
        self, to: socket.socket, result: int, error: int = 0, data: bytes = b"", fd: int | None = None, at: int = -1
    ) -> None:
        message = struct.pack("=qiiI4096s", result, error, at if fd is not None else -1, len(data), data)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
        to.sendmsg([message], ancillary)

    # ---- names --------------------------------------------------------------------------------------------------

    def _agent(self, name: str) -> int:
        caller = self.system.caller
        assert caller is not None
        return self._element(caller, name)

    def _element(self, sort: Sort, name: str) -> int:
        """An element by its name in the scenario, or by that of exploration."""
        known = self.binding.get((sort.index, name))
        names = self.instance.names[sort.index]
        if known is None and name in names:
            known = names.index(name)
        if known is None:
            taken = {x for (index, _), x in self.binding.items() if index == sort.index}
            known = next(x for x in range(len(names)) if x not in taken)
        self.binding[sort.index, name] = known
        return known

    def _caller(self, event: Event) -> int:
        assert event.caller is not None
        return event.caller

    def _behind(self, pid: int, fd: int) -> Thing | None:
        """What a descriptor of a process stands for; None when it is closed."""
        place = f"/proc/{pid}/fd/{fd}"
        try:
            inode, link = os.stat(place).st_ino, os.readlink(place)
        except OSError:
            return None
        if inode in self.things:
            return self.things[inode]
        (plain,) = [s for s in self.system.sorts if s.name == "File"]
        named = re.match(r"/memfd:luo-(\w+)", link)
        if named is not None:
            thing = ("File", self._element(plain, named[1]))
            self.kept.setdefault(thing, os.open(place, os.O_RDWR))
            self.things[inode] = thing
            return thing
        if link == "/dev/null":
            refused = [x for x in range(self.instance.sizes[plain.index]) if not self._is_known(x)]
            return ("File", refused[0]) if refused else None
        return None

    def _is_known(self, x: int) -> bool:
        fields = [f for f in self.system.fields if f.name == "known" and f.owners]
        return all(self.instance.fixed.get((f.index, x), False) for f in fields)  # where a spec has no such field: all

    def _look_around(self) -> None:
        """Descriptors that came to a process without a call are passed ones."""
        process = self.abi.process
        for pid, agent in list(self.people.items()):
            found = set()
            for fd in os.listdir(f"/proc/{pid}/fd"):
                thing = self._behind(pid, int(fd))
                if thing is not None and thing[0] != "File":
                    found.add(thing)
            for thing in found - self.held.get(agent, set()):
                for name in process.passing if process is not None else ():
                    self._passed(self.system.event(name), agent, thing)

    def _passed(self, event: Event, to: int, thing: Thing) -> None:
        people = [p for p in event.parameters if isinstance(p.type, ElemT) and p.type.sort.caller]
        others = [p for p in event.parameters if p not in people]
        if (others and str(others[0].type) != thing[0]) or (not others and thing[0] != DEVICE):
            return
        giver = next(agent for agent, things in self.held.items() if thing in things)
        values = {people[0].slot: giver, people[1].slot: to, **{p.slot: thing[1] for p in others}}
        if self._call(event, values, {}) is not None:
            self.held.setdefault(to, set()).add(thing)

    # ---- calls --------------------------------------------------------------------------------------------------

    def _open(self, connection: socket.socket, agent: int, path: str) -> None:
        device = next(d for d in self.abi.descriptors if d.path is not None)
        assert path == device.path and device.open is not None
        event = self.system.event(device.open)
        made = self._call(event, {self._caller(event): agent}, {})
        assert made is not None
        if self._refused(connection, made):
            return
        self._reply(connection, 0, fd=self._object((DEVICE, 0)))
        self.held.setdefault(agent, set()).add((DEVICE, 0))

    def _object(self, thing: Thing) -> int:
        """A descriptor for something that the kernel makes."""
        if thing not in self.kept:
            self.kept[thing] = os.memfd_create(f"standin {thing[0]} {thing[1]}")
            self.things[os.fstat(self.kept[thing]).st_ino] = thing
        return self.kept[thing]

    def _refused(self, connection: socket.socket, made: str | None) -> bool:
        if made is None or made == OK:
            return False
        self._reply(connection, -1, GENERIC.get(made, GENERIC["EXDEV"]))
        return True

    def _close(self, connection: socket.socket, pid: int, agent: int, fd: int) -> None:
        thing = self._behind(pid, fd)
        if thing is None:
            self._reply(connection, -1, GENERIC["EBADF"])
            return
        inode = os.stat(f"/proc/{pid}/fd/{fd}").st_ino
        others = [n for n in os.listdir(f"/proc/{pid}/fd") if int(n) != fd and os.stat(f"/proc/{pid}/fd/{n}").st_ino == inode]
        descriptor = next(d for d in self.abi.descriptors if d.target == thing[0])
        if others or descriptor.release is None:
            self._reply(connection, 0)
            return
        event = self.system.event(descriptor.release)
        values = {self._caller(event): agent, **self._subject(event, thing)}
        waiting = Waiting(connection, event, agent)
        made = self._call(event, values, {}, waiting)
        self.held[agent].discard(thing)
        if made is not None:
            self._finish(waiting, made)

    def _subject(self, event: Event, thing: Thing) -> dict[int, int]:
        return {p.slot: thing[1] for p in event.parameters if isinstance(p.type, ElemT) and p.type.sort.name == thing[0]}

    def _syscall(self, connection: socket.socket, agent: int, name: str) -> None:
        entry = next(s for s in self.abi.syscalls if s.function == name)
        event = self.system.event(entry.event)
        waiting = Waiting(connection, event, agent, ends_kernel=entry.kernel_ends)
        made = self._call(event, {self._caller(event): agent}, {}, waiting)
        if made is not None:
            self._finish(waiting, made)

    def _end_kernel(self) -> None:
        """All processes are gone, and so is everything that a descriptor stood for."""
        agents = [c for c, pid in self.pids.items() if pid in self.people]
        self.people.clear()
        self.held.clear()
        self.inside.clear()
        for connection in agents:
            del self.pids[connection]
            connection.close()
        for thing in [t for t in self.kept if t[0] != "File"]:
            os.close(self.kept.pop(thing))
        self.things = {i: t for i, t in self.things.items() if t in self.kept}

    def _ioctl(self, connection: socket.socket, pid: int, agent: int, words: list[str]) -> None:
        fd, number, readable, writable, room = (int(word) for word in words[:5])
        data = bytes.fromhex(words[5])
        thing = self._behind(pid, fd)
        found = [i for i in self.abi.ioctls if i.number == number and thing is not None and i.target == thing[0]]
        if thing is None or not found:
            self._reply(connection, -1, GENERIC["EBADF"])
            return
        ioctl = found[0]
        event = self.system.event(ioctl.event)
        assert len(data) == ioctl.size and (ioctl.sized is None or _number(data, ioctl.sized) == ioctl.size)
        values = {self._caller(event): agent, **self._subject(event, thing)}
        bad: dict[int, bool] = {}
        if readable:
            for member in ioctl.fields:
                if member.role == "in":
                    self._given(event, member, data, pid, values, bad)
        else:
            values |= {p.slot: 0 for p in event.parameters if p.slot not in values}
        pressed = "EFAULT" if not (readable and writable) else "EMFILE" if not room else None
        waiting = Waiting(connection, event, agent, ioctl, data)
        made = self._call(event, values, bad, waiting, pressed)
        if made is not None:
            self._finish(waiting, made)

    def _given(
        self, event: Event, member: StructField, data: bytes, pid: int, values: dict[int, Any], bad: dict[int, bool]
    ) -> None:
        parameter = next(p for p in event.parameters if p.name == member.parameter)
        value: Any = 0
        proper = True
        if isinstance(parameter.type, EnumT):
            value = parameter.type.enum.numbers.index(_number(data, member))
        elif member.length is not None:
            text, end, _ = data[member.offset : member.offset + member.size].partition(b"\0")
            proper = bool(end) and text != b""
            if proper:
                assert isinstance(parameter.type, ElemT)
                value = self.strings.setdefault(text, self._element(parameter.type.sort, text.decode().removeprefix("luo-")))
        elif isinstance(parameter.type, ElemT):
            number = _number(data, member)
            if any(DEVICE in h.targets and parameter.type.sort.name in h.targets for h in self.abi.handles):
                thing = self._behind(pid, number)
                proper = thing is not None
                value = thing[1] if thing is not None else 0
            elif parameter.type.sort.ordered:
                value = number
            else:
                key = parameter.type.sort.name, number
                value = self.numbers.setdefault(key, sum(k[0] == key[0] for k in self.numbers))
        values[parameter.slot] = value
        for predicate in event.predicates:
            if predicate.parameter is parameter:
                bad[predicate.slot] = not proper

    def _back(self, connection: socket.socket, event: Event, ioctl: Ioctl, made: str, data: bytes, agent: int) -> None:
        """The reply to an ioctl."""
        if self._refused(connection, made):
            return
        out = bytearray(data)
        fd, at = None, -1
        for member in ioctl.fields:
            if member.role != "out" or event.result is None:
                continue
            value = self.given
            if isinstance(event.result.type, EnumT):
                out[member.offset : member.offset + member.size] = event.result.type.enum.numbers[value].to_bytes(
                    member.size, "little"
                )
            elif member.length is not None:
                name = next(text for text, x in self.strings.items() if x == value)
                out[member.offset : member.offset + len(name) + 1] = name + b"\0"
            elif isinstance(event.result.type, ElemT) and event.result.type.sort.ordered:
                out[member.offset : member.offset + member.size] = value.to_bytes(member.size, "little")
            else:
                fd, at = self._descriptor(event.result, value, agent), member.offset
        self._reply(connection, 0, data=bytes(out), fd=fd, at=at)

    def _descriptor(self, result: Local, value: int, agent: int) -> int:
        assert isinstance(result.type, ElemT)
        thing = (result.type.sort.name, value)
        if thing[0] == "File":
            return self.kept[thing]
        if thing in self.kept and not any(thing in things for things in self.held.values()):
            os.close(self.kept.pop(thing))  # of an object that is gone
        self.held.setdefault(agent, set()).add(thing)
        return self._object(thing)

    # ---- the interpreter ----------------------------------------------------------------------------------------

    def _call(
        self,
        event: Event,
        values: dict[int, Any],
        bad: dict[int, bool],
        waiting: Waiting | None = None,
        pressed: str | None = None,
    ) -> str | None:
        """How a call ends; None when it does not end now, and nothing is to be replied."""
        arguments = (*(values[p.slot] for p in event.parameters), *(bad.get(p.slot, False) for p in event.predicates))
        agent = values[event.caller] if event.caller is not None else NOBODY
        until = ""
        if waiting is not None:
            until = self.until.pop(agent, "")
            self.entered.add(agent)
        outcomes = [o for state in self.states for o in self.machine.call(event, arguments, state)]
        return self._go_on(event, agent, outcomes, until, waiting, pressed)

    def _go_on(
        self, event: Event, agent: int, outcomes: list[Outcome], until: str, waiting: Waiting | None, pressed: str | None = None
    ) -> str | None:
        """Goes on with a call up to where it is to stop, or to its end."""
        expected = self._expected(event)
        ended: list[Outcome] = []
        stopped: list[Outcome] = []
        todo = self._wanted([o for o in outcomes if o.kind not in ("blocks", "cut")], pressed)
        while todo:
            outcome = todo.pop(0)
            if outcome.kind != "suspends":
                ended.append(outcome)
            elif outcome.label == until or not (more := self.machine.resume(agent, outcome.store)):
                stopped.append(outcome)
            else:
                todo += [o for o in more if not o.faults]
        if stopped and (until or not ended):
            self.states = [o.store for o in stopped]
        if not ended or (until and stopped):
            assert waiting is not None
            self.inside[agent] = waiting
            return None
        self.inside.pop(agent, None)
        return self._choose(event, ended, expected)

    def _expected(self, event: Event) -> str:
        """How the scenario says that its next call of an event ends."""
        for number in range(self.asked, len(self.steps)):
            if self.steps[number][0] == event.name:
                self.asked = number + 1
                return self.steps[number][1]
        assert self.abi.process is not None and event.name == self.abi.process.exit, f"the scenario has no {event.name} here"
        return OK  # the program is over

    def _wanted(self, outcomes: list[Outcome], pressed: str | None) -> list[Outcome]:
        """The outcomes in which the faults happen that were arranged, and no others."""
        fault, self.fault = self.fault, None
        if pressed is not None and any(o.errno == pressed and o.faults for o in outcomes):
            outcomes = [o for o in outcomes if o.errno == pressed and o.faults]
            if fault is None:
                fewest = min(o.faults for o in outcomes)
                return [o for o in outcomes if o.faults == fewest]
        if fault is not None:
            label, outcome = fault
            more = 2 if pressed is not None else 1
            return [o for o in outcomes if o.faults >= more and (o.label or "") == label and o.errno == outcome]
        return [o for o in outcomes if not o.faults]

    def _choose(self, event: Event, outcomes: list[Outcome], expected: str) -> str | None:
        if not outcomes:
            raise AssertionError(f"{event.name} cannot end as it was arranged")
        results = {self._result(event, o) for o in outcomes}
        if len(results) > 1:  # what differs was drawn, and the scenario knows it
            results = {r for r in results if r[0] == expected} or results
        result = min(results, key=str)
        chosen = [o for o in outcomes if self._result(event, o) == result]
        self.given = result[1]
        if result[0] == "PANIC":
            self._end_kernel()
            self.states = []
            return None
        self.states = list({frozenset(o.store.items()): o.store for o in chosen}.values())
        return self.flip(self.asked, result[0])

    def _result(self, event: Event, outcome: Outcome) -> tuple[str, Any]:
        gives = outcome.env[event.result.slot] if event.result is not None and outcome.errno == OK else None
        return ("PANIC" if outcome.kind == "panic" else outcome.errno), gives

    # ---- what no program causes ---------------------------------------------------------------------------------

    def _inject(self, call: str, label: str, outcome: str) -> bool:
        errno = outcome.split(" ")[0]
        name, _, rest = call.partition("(")
        event = self.system.event(name)
        visible = self.abi.visible(name) or (self.abi.process is not None and name in self.abi.process.passing)
        if visible:
            self.fault = label, errno
            return True
        texts = [text for text in rest.rstrip(")").split(", ") if text]
        values = {p.slot: self._element(p.type.sort, t) for p, t in zip(event.parameters, texts) if isinstance(p.type, ElemT)}
        made = self._call(event, values, {})
        return made == errno

    def _steer(self, agent: int, until: str) -> None:
        """An agent is to go on up to a place: in the call that it is inside of, or else in its next one."""
        waiting = self.inside.get(agent)
        if waiting is None:
            self.until[agent] = until
            self.entered.discard(agent)
            return
        outcomes = [o for state in self.states for o in self.machine.resume(agent, state)]
        made = self._go_on(waiting.event, agent, outcomes, until, waiting)
        if made is not None:
            self._finish(waiting, made)

    def _finish(self, waiting: Waiting, made: str) -> None:
        """The reply to a call that returns."""
        if waiting.ioctl is not None:
            self._back(waiting.connection, waiting.event, waiting.ioctl, made, waiting.data, waiting.agent)
        elif not self._refused(waiting.connection, made):
            if waiting.ends_kernel:
                self._end_kernel()
            else:
                self._reply(waiting.connection, 0)


def _number(data: bytes, member: StructField) -> int:
    signed = member.type.startswith("s")
    return int.from_bytes(data[member.offset : member.offset + SCALARS[member.type]], "little", signed=signed)
