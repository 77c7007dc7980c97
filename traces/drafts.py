"""Calls while they are put together: what later records show can still change them.  At the end they become `Call` values."""

from __future__ import annotations

from dataclasses import dataclass, field

from luocheck.model.abi import DEVICE, Abi
from luocheck.traces.call import Call, Kind, Moment, OpenFile
from luocheck.traces.descriptors import Node
from luocheck.traces.payload import Payload, descriptor_for


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


def kept(drafts: list[Draft]) -> list[Draft]:
    """Without what turned out to be about other files, in the order of the beginnings."""
    subjects = {id(d.node) for d in drafts if d.kind is Kind.IOCTL and d.node is not None}
    subjects |= {id(node) for d in drafts if d.kind is Kind.IOCTL for node in d.files.values()}
    subjects |= {id(d.node) for d in drafts if d.kind is Kind.OPEN and d.node is not None and d.node.target == DEVICE}
    active = {d.process for d in drafts if d.kind in (Kind.IOCTL, Kind.REBOOT)}
    active |= {d.process for d in drafts if d.kind is Kind.OPEN and (d.node is None or d.node.target == DEVICE)}
    out = []
    for draft in drafts:
        about = id(draft.node) in subjects
        match draft.kind:
            case Kind.CLOSE:
                keep = (about or (draft.maybe and draft.process in active)) and not draft.dropped
            case Kind.PASS:
                keep = about
            case Kind.OPEN:
                keep = draft.node is None or draft.node.target == DEVICE
            case Kind.FORK | Kind.EXIT:
                keep = any(id(node) in subjects for node in draft.nodes) or (draft.kind is Kind.EXIT and draft.process in active)
            case _:
                keep = True
        if keep:
            out.append(draft)
    return sorted(out, key=lambda d: d.enter.line)


def calls_of(drafts: list[Draft], abi: Abi) -> tuple[Call, ...]:
    files: dict[int, OpenFile] = {}

    def file(node: Node) -> OpenFile:
        if id(node) not in files:
            files[id(node)] = OpenFile(len(files), node.target, node.label)
        return files[id(node)]

    out = []
    for number, d in enumerate(drafts):
        on = None if d.node is None else file(d.node)
        event = d.event
        if d.kind in (Kind.CLOSE, Kind.RELEASE) and on is not None:
            descriptor = descriptor_for(abi, on.target)
            event = None if descriptor is None else descriptor.release
        members = {name: file(node) for name, node in d.files.items()}
        out.append(
            Call(
                number, d.kind, event, d.process, d.thread, d.enter, d.exit, on, d.fd, d.command, d.payload.given, d.payload.got,
                members, frozenset(d.closed), d.result, d.exact, d.inferred, d.killed, d.refused, d.parent, d.inner,
            )
        )  # fmt: skip
    return tuple(out)
