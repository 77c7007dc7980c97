"""What a step of a witness must have in common with the recorded call that it is.

These are the rules of `traces.replay.step` and `traces.replay.arguments`, written from the meaning of a recording and not shared with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from luocheck.model.abi import DEVICE, Ioctl, StructField, errno_matches
from luocheck.model.errnos import GENERIC, errno_name
from luocheck.model.ir.system import OK, Event, Local, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Sort
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.witness import AuditWitness, Element, WitnessStep

_NOT_THE_FILE = (-GENERIC["EBADF"], -GENERIC["ENOTTY"])
"""What an ioctl returns when its descriptor is closed, or of another kind of file."""

_HANDED = (Kind.FORK, Kind.PASS)
"""One process has given descriptors to another."""

Mark = tuple[int, int]
"""A moment of a recording: a line, and a rank in it.  What ends at a line comes before what begins there."""

NEVER: Mark = (1 << 62, 0)
ALWAYS: Mark = (-1, 0)


class Rejected(Exception):
    """The witness does not show what it should."""


def span(call: Call | None) -> tuple[Mark, Mark]:
    """Between which moments a call takes effect.  For one that nobody recorded, and for what happens some time after its line, any later."""
    if call is None:
        return ALWAYS, NEVER
    last = call.exit.line if call.exit is not None else None
    begin = (last, 0) if last is not None and call.enter.line >= last else (call.enter.line, 2)
    return begin, NEVER if last is None or is_late(call) else (last, 1)


def is_late(call: Call) -> bool:
    """May a call have no effect, or one that comes later than its return?"""
    return call.exit is None or call.kind is Kind.EXIT or (call.kind is Kind.CLOSE and call.event is None)


@dataclass(frozen=True, slots=True)
class Steps:
    """How many steps a call has (most None: any number), and of which events."""

    least: int
    most: int | None
    events: tuple[str, ...]


class Rules:
    """The rules for one recording.  elements: what stands for the elements of the scope."""

    def __init__(self, system: System, recording: Recording, witness: AuditWitness) -> None:
        self.system, self.abi, self.recording, self.witness = system, system.abi, recording, witness
        self.elements: dict[str, Element] = {each.name: each for sort in witness.scope.values() for each in sort}
        self.unrecorded = frozenset(self._unrecorded())

    # ---- which steps ------------------------------------------------------------------------------------------------

    def steps_of(self, call: Call) -> Steps:
        """The steps that a call must have."""
        releases = tuple(d.release for d in self.abi.descriptors if d.release is not None)
        on_record = Kind.RELEASE in self.recording.observes  # whatever a close or an exit releases stands there by itself
        match call.kind:
            case Kind.FORK | Kind.PASS:
                return Steps(0, None, self.abi.process.passing if self.abi.process is not None else ())
            case Kind.RELEASE:
                return Steps(0, 0, ()) if call.event is None else Steps(1, None, (call.event,))
            case Kind.CLOSE | Kind.EXIT if on_record:
                return Steps(0, 0, ())
            case Kind.CLOSE if call.event is None:
                return Steps(0, 1, releases)
        if call.event is None:
            return Steps(0, 0, ())
        if is_late(call) or self._unreached(call):
            return Steps(0, 1, (call.event,))
        return Steps(1, 1, (call.event,))

    def _unreached(self, call: Call) -> bool:
        """Can the call have been made on something else, which answers as it likes?"""
        if call.kind is Kind.IOCTL and call.result in _NOT_THE_FILE:
            return True
        return call.on is not None and call.on.target is None and call.result is not None and call.result < 0

    def refused_as_allowed(self, call: Call) -> bool:
        """Did an ioctl whose number the abi does not know return what the abi says for such numbers?"""
        if call.kind is not Kind.IOCTL or call.event is not None or call.result is None:
            return True
        return call.result < 0 and (not call.refused or errno_name(-call.result) in call.refused)

    def _unrecorded(self) -> Iterator[str]:
        """Events that the recorder cannot have shown, and that may have happened at any time."""
        seen = self.recording.observes
        used = {call.event for call in self.recording.calls}
        targets = {ioctl.target for ioctl in self.abi.ioctls if ioctl.event in used}
        shown = {ioctl.event for ioctl in self.abi.ioctls if ioctl.target in targets} | {each.event for each in self.abi.syscalls}
        for descriptor in self.abi.descriptors:
            if Kind.OPEN in seen and descriptor.open is not None:
                shown.add(descriptor.open)
            if (Kind.CLOSE in seen or Kind.RELEASE in seen) and descriptor.release is not None:
                shown.add(descriptor.release)
        if Kind.EXIT in seen and self.abi.process is not None and self.abi.process.exit is not None:
            shown.add(self.abi.process.exit)
        return (event.name for event in self.system.events if event.name not in shown)

    # ---- arguments --------------------------------------------------------------------------------------------------

    def ioctl(self, call: Call) -> Ioctl | None:
        return next((each for each in self.abi.ioctls if each.event == call.event), None)

    def compare_arguments(self, step: WitnessStep, event: Event, call: Call) -> None:
        """Raises Rejected for an argument that is not what was recorded."""
        given = dict(step.arguments)
        ioctl = self.ioctl(call)
        agents = iter((call.parent, call.process) if call.kind in _HANDED else ())
        subject = True
        for parameter in event.parameters:
            name, type_ = given[parameter.name], parameter.type
            if isinstance(type_, ElemT) and type_.sort.caller:
                by = next(agents, call.process) if parameter.slot == event.caller or call.kind in _HANDED else None
                if by is not None and call.kind is not Kind.RELEASE and self.elements[name].value != by:
                    raise Rejected(f"the call was made by process {by}, and `{name}` is not it")
            elif call.kind in (Kind.FORK, Kind.EXIT):
                continue
            elif call.kind is Kind.PASS:
                self._compare_file(name, call.on.number if call.on is not None else None, "that was passed")
            elif subject and isinstance(type_, ElemT) and self._is_subject(type_.sort, call, ioctl):
                subject = False
                self._compare_file(name, call.on.number if call.on is not None else None, "it was made on")
            elif ioctl is not None:
                self._compare_member(name, parameter, call, ioctl)
        for predicate in event.predicates:
            self._compare_predicate(predicate.name in step.bad, predicate.name, predicate.parameter.name, call, ioctl)

    def _is_subject(self, sort: Sort, call: Call, ioctl: Ioctl | None) -> bool:
        if ioctl is not None:
            return ioctl.target == sort.name
        return call.kind in (Kind.CLOSE, Kind.RELEASE)

    def _compare_file(self, name: str, file: int | None, what: str) -> None:
        if file is not None and file in self.witness.files and name not in self.witness.files[file]:
            raise Rejected(f"the open file that {what} is `{'` and `'.join(self.witness.files[file])}`, and not `{name}`")
        if file is not None and file not in self.witness.files:
            raise Rejected(f"the witness does not say what the open file #{file} stands for")

    def _compare_member(self, name: str, parameter: Local, call: Call, ioctl: Ioctl) -> None:
        member = next((m for m in ioctl.fields if m.role == "in" and m.parameter == parameter.name), None)
        if member is None:
            return
        if isinstance(parameter.type, ElemT) and self._is_descriptor(parameter.type.sort):
            if member.name in call.files and member.name not in call.closed:
                self._compare_file(name, call.files[member.name].number, f"`{member.name}` names")
            return
        value = call.given.get(member.name)
        if value is not None and not self._stands_for(name, value, parameter):
            raise Rejected(f"`{member.name}` was recorded as {_shown(value)}, and `{name}` is not that")

    def _stands_for(self, name: str, value: int | bytes, local: Local) -> bool:
        match local.type:
            case ElemT():
                return self.elements[name].value == (value.split(b"\0", 1)[0] if isinstance(value, bytes) else value)
            case EnumT(enum):
                return name in enum.members and enum.numbers[enum.members.index(name)] == value
            case BoolT():
                return (name == "true") == bool(value) and value in (0, 1)
        return False

    def _is_descriptor(self, sort: Sort) -> bool:
        return any(DEVICE in handle.targets and sort.name in handle.targets for handle in self.abi.handles)

    def _compare_predicate(self, claimed: bool, name: str, parameter: str, call: Call, ioctl: Ioctl | None) -> None:
        """Does a hidden argument, `bad_fd` or `bad_name`, have a value that it can have had?"""
        handle = self.abi.predicate(name)
        member = next((m for m in ioctl.fields if m.parameter == parameter), None) if ioctl is not None else None
        if member is None:
            possible = {False}
        elif "closed" in handle.bad_causes:
            possible = {True} if member.name in call.closed else {False} if member.name in call.files else {False, True}
        else:
            value = call.given.get(member.name)
            if isinstance(value, bytes):
                empty = "empty" in handle.bad_causes and not value.split(b"\0", 1)[0]
                whole = "unterminated" in handle.bad_causes and handle.length is not None and b"\0" not in value
                possible = {empty or (whole and handle.length is not None and len(value) >= handle.length)}
            else:
                possible = {False, True}
        if claimed not in possible:
            raise Rejected(f"`{name}` was {'not ' if claimed else ''}the case in the recorded call")

    # ---- results ----------------------------------------------------------------------------------------------------

    def compare_outcome(self, step: WitnessStep, call: Call) -> None:
        """Raises Rejected when the recorded call returned something else."""
        if call.kind in (*_HANDED, Kind.RELEASE) or (call.kind is Kind.CLOSE and call.event is None):
            if step.outcome != OK:
                raise Rejected(f"what happens at {call.kind.value} does not fail")
            return
        if call.result is None or (call.inner and call.result >= 0):
            return
        recorded = OK if call.result >= 0 else errno_name(-call.result)
        if (step.outcome == OK) != (recorded == OK) or not errno_matches(self.abi, step.outcome, recorded):
            raise Rejected(f"it returned {recorded}, and not {step.outcome}")

    def compare_given_back(self, member: StructField, local: Local, shown: str, call: Call) -> None:
        """Raises Rejected when a member that the call filled has another value than `shown`, in the words of the witness."""
        if isinstance(local.type, ElemT) and self._is_descriptor(local.type.sort):
            if member.name in call.files:
                self._compare_file(shown, call.files[member.name].number, f"`{member.name}` names")
            return
        value = call.got.get(member.name)
        if value is not None and not self._stands_for(shown, value, local):
            raise Rejected(f"`{member.name}` was recorded as {_shown(value)}, and `{shown}` is not that")


def _shown(value: int | bytes) -> str:
    return f"{value:#x}" if isinstance(value, int) else f'"{value.decode("utf-8", "backslashreplace")}"'
