"""What each call of a scenario is in terms of system calls: who makes it, on which descriptor, with which bytes, and what is to come back.

Everything comes from the spec's abi.  What the abi does not say, and faults that no program causes, are left to whoever runs the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from luocheck.checker.scenarios.restriction import USER_FAULTS
from luocheck.model.abi import DEVICE, Abi, Handle, Ioctl, StructField, Syscall
from luocheck.model.answer import Step, Witness
from luocheck.model.errnos import GENERIC
from luocheck.model.instances import default_name
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, PANIC, Event, Local, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Sort

ANY = "any"
"""Stands for every errno, where a spec leaves it open."""


@dataclass(frozen=True, slots=True)
class Value:
    """A member of a struct: what the program writes there, or compares it with after a successful call.

    kind: `descriptor` (value names the element), `number`, `string` (of a name), `bad` (value is the cause: closed, empty,
    unterminated), `token` (a number that the kernel gave; value names the element).
    """

    member: StructField
    kind: str
    value: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class Made:
    """One line of a scenario as a program makes it.

    way: open, ioctl, close, syscall, exit, pass, or outside (the abi does not say how).  on: the element whose descriptor is used, DEVICE
    for the device.  receiver: of pass.  given/got: members written before, compared or kept after.  allowed: errnos that it may return,
    empty for success, ANY for every one.  faults: classes of the faults that have to happen, `other` for those without one.
    harmless: nothing changes in it, so the scenario goes on without it.  begins/ends: does it start here, does it return here?  kernel:
    `reboots` or `panics` when nothing comes back.
    """

    number: int
    step: Step
    way: str
    agent: str | None
    on: str | None = None
    receiver: str | None = None
    ioctl: Ioctl | None = None
    syscall: Syscall | None = None
    given: tuple[Value, ...] = ()
    got: tuple[Value, ...] = ()
    allowed: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    harmless: bool = False
    begins: bool = True
    ends: bool = True
    kernel: str | None = None

    @property
    def by_program(self) -> bool:
        """Does the program cause all of it by itself?"""
        return self.way != "outside" and USER_FAULTS.issuperset(self.faults)

    @property
    def lack(self) -> str:
        """Why the program does not cause all of it by itself, or ""."""
        if self.by_program:
            return ""
        if self.way == "outside":
            return "the abi does not say how a program does it"
        return "it needs a fault" + (f" ({', '.join(self.faults)})" if set(self.faults) != {"other"} else "")

    @property
    def outcome(self) -> str:
        """What the spec says, with the label."""
        at = f" at {self.step.label}" if self.step.label is not None else ""
        return self.step.outcome + at


class Calls:
    """Turns the steps of a run into what a program does."""

    def __init__(self, system: System, witness: Witness) -> None:
        self.system = system
        self.abi: Abi = system.abi
        self.witness = witness
        self.numbers: dict[str, int] = {}  # of elements without an order, in the order of appearance
        self.given: dict[str, int] = {}  # how many tokens of an ordered sort were given
        self.sorts: dict[str, str] = dict(witness.elements)

    def made(self) -> list[Made]:
        """The lines, in order, numbered from 1."""
        found = [self._made(number, step) for number, step in enumerate(self.witness.steps, start=1)]
        begun: dict[str | None, int] = {}
        for position, call in enumerate(found):
            if call.begins and not call.ends:
                begun[call.agent] = position
            elif not call.begins and call.ends and call.agent in begun:  # what comes back is known at the end only
                first = begun.pop(call.agent)
                found[first] = replace(found[first], got=call.got, faults=(*found[first].faults, *call.faults))
        return found

    # ---- one call -----------------------------------------------------------------------------------------------

    def _made(self, number: int, step: Step) -> Made:
        event = self.system.event(step.event)
        arguments = {p.slot: text for p, (_, text) in zip(event.parameters, step.arguments, strict=True)}
        agent = next((arguments[p.slot] for p in event.parameters if p.slot == event.caller), None)
        for parameter in event.parameters:
            if isinstance(parameter.type, ElemT):
                self.sorts.setdefault(arguments[parameter.slot], parameter.type.sort.name)
        if step.gives is not None and event.result is not None and isinstance(event.result.type, ElemT):
            self.sorts.setdefault(step.gives[1], event.result.type.sort.name)
        common = {
            "allowed": self._allowed(step),
            "faults": self._faults(event, step),
            "harmless": not step.changes and not step.resumed and _returns(step),
            "begins": not step.resumed,
            "ends": _returns(step),
            "kernel": self._end(step),
        }
        way = self._way(event, step, arguments, agent)
        return Made(number, step, agent=agent, **way, **common)  # type: ignore[arg-type]

    def _way(self, event: Event, step: Step, arguments: dict[int, str], agent: str | None) -> dict[str, object]:
        abi, name = self.abi, event.name
        ioctl = next((each for each in abi.ioctls if each.event == name), None)
        syscall = next((each for each in abi.syscalls if each.event == name), None)
        if agent is None:
            return {"way": "outside"}
        if ioctl is not None:
            given, got = self._members(event, ioctl, arguments, step)
            return {"way": "ioctl", "ioctl": ioctl, "on": self._object(event, ioctl.target, arguments), "given": given, "got": got}
        if syscall is not None:
            return {"way": "syscall", "syscall": syscall}
        for descriptor in abi.descriptors:
            if name == descriptor.open and descriptor.path is not None:
                return {"way": "open", "on": DEVICE}
            if name == descriptor.release:
                return {"way": "close", "on": self._object(event, descriptor.target, arguments)}
        process = abi.process
        if process is not None and name == process.exit:
            return {"way": "exit"}
        if process is not None and name in process.passing:
            people = [p for p in event.parameters if isinstance(p.type, ElemT) and p.type.sort.name == process.sort]
            others = [p for p in event.parameters if p not in people]
            if len(people) == 2 and len(others) < 2:
                what = arguments[others[0].slot] if others else DEVICE
                return {"way": "pass", "receiver": arguments[people[1].slot], "on": what}
        return {"way": "outside"}

    def _object(self, event: Event, target: str, arguments: dict[int, str]) -> str:
        if target == DEVICE:
            return DEVICE
        found = [p for p in event.parameters if isinstance(p.type, ElemT) and p.type.sort.name == target]
        return arguments[found[0].slot] if found else DEVICE

    # ---- members ------------------------------------------------------------------------------------------------

    def _members(
        self, event: Event, ioctl: Ioctl, arguments: dict[int, str], step: Step
    ) -> tuple[tuple[Value, ...], tuple[Value, ...]]:
        given: list[Value] = []
        got: list[Value] = []
        for member in ioctl.fields:
            if member.role == "in":
                parameter = next(p for p in event.parameters if p.name == member.parameter)
                given.append(self._value(member, parameter, arguments[parameter.slot], event))
            elif member.role == "out" and step.outcome == OK and event.result is not None and step.gives is not None:
                self._count_given(event.result, step.gives[1])
                got.append(self._value(member, event.result, step.gives[1], event))
        return tuple(given), tuple(got)

    def _value(self, member: StructField, local: Local, text: str, event: Event) -> Value:
        if any(p.name == text and p.parameter.slot == local.slot for p in event.predicates):
            handle = self.abi.predicate(text)
            return Value(member, "bad", handle.bad_causes[0] if handle.bad_causes else "closed")
        match local.type:
            case EnumT(enum):
                return Value(member, "number", text, enum.numbers[enum.members.index(text.rpartition(".")[2])])
            case BoolT():
                return Value(member, "number", text, int(text == "true"))
            case ElemT(sort):
                found = self._handle(sort, member)
                if found is not None and DEVICE in found.targets:
                    return Value(member, "descriptor", text)
                if member.length is not None:
                    return Value(member, "string", text)
                if sort.ordered:
                    return Value(member, "token", text, self._place(sort, text))
                return Value(member, "number", text, self._number(text))
        return Value(member, "number", text)

    def _handle(self, sort: Sort, member: StructField) -> Handle | None:
        fitting = [h for h in self.abi.handles if sort.name in h.targets]
        return next((h for h in fitting if (h.length is None) == (member.length is None)), None)

    def _number(self, text: str) -> int:
        """A number for an element that user space chooses: its own, and not 0, which programs like to forget."""
        return self.numbers.setdefault(text, len(self.numbers) + 1) + 0x1000

    def _place(self, sort: Sort, text: str) -> int:
        """The number of an element of an ordered sort: said by its name, else by how many were given before it."""
        default = default_name(sort)
        rest = text.removeprefix(default)
        if text.startswith(default) and rest.isdigit() and len(rest) < 10:
            return int(rest)
        return self.given.get(text, 0)

    def _count_given(self, result: Local, text: str) -> None:
        if isinstance(result.type, ElemT) and result.type.sort.ordered and text not in self.given:
            self.given[text] = len(self.given)

    # ---- what comes back ----------------------------------------------------------------------------------------

    def _allowed(self, step: Step) -> tuple[str, ...]:
        outcome = step.outcome
        if outcome in (OK, PANIC) or not _returns(step):
            return ()
        if self.abi.is_errno_class(outcome):
            members = self.abi.errno_class(outcome)
            return (ANY,) if members is None else members
        return (outcome,) if outcome in GENERIC else (ANY,)

    def _end(self, step: Step) -> str | None:
        if step.outcome == PANIC:
            return "panics"
        ends = any(each.event == step.event and each.kernel_ends for each in self.abi.syscalls)
        return "reboots" if ends and step.outcome == OK else None

    def _faults(self, event: Event, step: Step) -> tuple[str, ...]:
        """The classes of the faults in a call: the one at whose label it ended, `other` for what cannot be told."""
        if not step.faults:
            return ()
        classes = set(_classes(event.body, step.label, None)) if step.label is not None else set()
        known = tuple(classes) if len(classes) == 1 else ()
        return (*known, *["other"] * (step.faults - len(known)))


def _returns(step: Step) -> bool:
    """Has the call come to its end?"""
    return not step.outcome.startswith("reaches ") and step.outcome != "blocks"


def _classes(block: st.Block, label: str, inside: str | None) -> Iterable[str]:
    """The class of the nearest `sometimes` around each statement with a label."""
    for stmt in block.statements:
        if stmt.label == label and isinstance(stmt, st.Fail | st.Panic) and inside is not None:
            yield inside
        if isinstance(stmt, st.Sometimes):
            yield from _classes(stmt.then, label, stmt.fault or "other")
            if stmt.orelse is not None:
                yield from _classes(stmt.orelse, label, inside)
            continue
        if isinstance(stmt, st.Await) and stmt.label == label and stmt.errno is not None:
            yield "signal"
        for inner in st.blocks(stmt):
            yield from _classes(inner, label, inside)


def stages(calls: Sequence[Made]) -> list[list[Made]]:
    """The calls of each kernel: a reboot is the last one of its stage."""
    found: list[list[Made]] = [[]]
    for call in calls:
        found[-1].append(call)
        if call.kernel is not None:
            found.append([])
    return found if found[-1] or len(found) == 1 else found[:-1]
