"""Calls while they are put together: what later records show can still change them.  At the end they become `Call` values."""

from __future__ import annotations

from dataclasses import dataclass, field

from luocheck.model.abi import DEVICE, Abi
from luocheck.traces.call import Call, Kind, Moment, OpenFile
from luocheck.traces.descriptors import Node
from luocheck.traces.order import mark_alone
from luocheck.traces.payload import Payload


@dataclass(slots=True, eq=False)
class Draft:
    """A call that may still learn something."""

    kind: Kind
    process: int
    thread: int
    enter: Moment
    exit: Moment | None
    event: str | None = None
    node: Node | None = None
    fd: int | None = None
    command: int | None = None
    payload: Payload = field(default_factory=Payload)
    files: dict[str, Node] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    result: int | None = None
    exact: bool = True
    inferred: bool = False
    killed: bool = False
    refused: tuple[str, ...] = ()
    parent: int | None = None
    inner: bool = False
    dropped: bool = False
    maybe: bool = False  # CLOSE: whether it is about a file of the abi is not known
    nodes: tuple[Node, ...] = ()  # FORK and EXIT: open files in the table


@dataclass(slots=True)
class Subjects:
    """What calls were seen to be about: open files, and the processes that made them."""

    nodes: set[Node] = field(default_factory=set)
    processes: set[int] = field(default_factory=set)


def kept(drafts: list[Draft], subjects: Subjects) -> list[Draft]:
    """Without what turned out to be about other files, in the order of the beginnings.  subjects: those of earlier drafts; these are added."""
    nodes, active = subjects.nodes, subjects.processes
    ioctl = Kind.IOCTL
    for d in drafts:
        if d.kind is ioctl:
            if d.node is not None:
                nodes.add(d.node)
            nodes.update(d.files.values())
            active.add(d.process)
            continue
        of_device = d.kind is Kind.OPEN and d.node is not None and d.node.target == DEVICE
        if d.node is not None and of_device:
            nodes.add(d.node)
        if d.kind is Kind.REBOOT or of_device or (d.kind is Kind.OPEN and d.node is None):
            active.add(d.process)
    out = []
    for draft in drafts:
        kind = draft.kind
        if kind is ioctl:
            out.append(draft)
            continue
        about = draft.node in nodes
        match kind:
            case Kind.CLOSE:
                keep = (about or (draft.maybe and draft.process in active)) and not draft.dropped
            case Kind.PASS:
                keep = about
            case Kind.OPEN:
                keep = draft.node is None or draft.node.target == DEVICE
            case Kind.FORK | Kind.EXIT:
                keep = any(node in nodes for node in draft.nodes) or (draft.kind is Kind.EXIT and draft.process in active)
            case _:
                keep = True
        if keep:
            out.append(draft)
    return sorted(out, key=lambda d: d.enter.line)


@dataclass(slots=True)
class Numbers:
    """Numbers that were given out in a recording.  files: of open files that can still be used; opened: of all; calls: of all calls."""

    files: dict[Node, int] = field(default_factory=dict)
    opened: int = 0
    calls: int = 0

    def of(self, node: Node) -> int:
        if node not in self.files:
            self.files[node] = self.opened
            self.opened += 1
        return self.files[node]


def calls_of(drafts: list[Draft], abi: Abi, numbers: Numbers) -> tuple[Call, ...]:
    """The calls of a recording, or of the next piece of it.  numbers: those that were given out before; they go on."""
    files: dict[int, OpenFile] = {}

    def file(node: Node) -> OpenFile:
        number = numbers.of(node)
        if number not in files:
            files[number] = OpenFile(number, node.target, node.label)
        return files[number]

    release = {each.target: each.release for each in reversed(abi.descriptors)}
    closing = (Kind.CLOSE, Kind.RELEASE)
    out = []
    first: dict[object, Call] = {}
    for number, d in enumerate(drafts, numbers.calls):
        on = None if d.node is None else file(d.node)
        event = d.event
        if d.kind in closing and on is not None:
            event = release.get(on.target) if on.target is not None else None
        members = {name: file(node) for name, node in d.files.items()} if d.files else {}
        call = Call(
            number, d.kind, event, d.process, d.thread, d.enter, d.exit, on, d.fd, d.command, d.payload.given, d.payload.got,
            members, frozenset(d.closed), d.result, d.exact, d.inferred, d.killed, d.refused, d.parent, d.inner,
        )  # fmt: skip
        call.is_like(first.setdefault(call.said(), call), len(first) - 1)
        out.append(call)
    numbers.calls += len(out)
    mark_alone(out)
    return tuple(out)
