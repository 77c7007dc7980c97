"""Where control is in a call, and what happens after a piece of its code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from luocheck.checker.symbolic.parametric.rewriting import free_slots
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event
from luocheck.model.source import Span

Frames = tuple[Any, ...]
"""What happens after a piece of code: () or a frame whose last component is what happens after that.

("seq", statements, rest)   ("call", Call, rest)   ("catch", errno, label, rest)   ("step", Head, rest)   ("undo", Head, rest)
("effects", rest)   ("return", errno, label)   ("booted",)
"""


@dataclass(eq=False, slots=True)
class Head:
    """A place where a walk looks for its next element, or undoes its last.

    failing: None for a walk that goes on, else the errno and label with which it fails when all is undone.  live: the locals that the
    code from here on reads.
    """

    number: int
    event: Event
    walk: st.Walk
    rest: Frames
    failing: tuple[str, str | None] | None
    live: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """`PREPARE_prepare_files`, `PREPARE_prepare_files_undo`."""
        return f"{self.event.name}_{self.walk.name}{'_undo' if self.failing is not None else ''}"


@dataclass(frozen=True, slots=True, eq=False)
class Goto(st.Stmt):
    """Control goes to a head (None: the call is over)."""

    head: Head | None


@dataclass(frozen=True, slots=True, eq=False)
class Broken(st.Stmt):
    """A claim is false here."""

    claim: str


def placed(stmt: st.Stmt) -> tuple[Span, None, str]:
    return stmt.span, None, stmt.place


def statements_of(block: st.Block | None) -> tuple[st.Stmt, ...]:
    return block.statements if block is not None else ()


def binder_of(walk: st.Walk) -> st.OverSort:
    binder = walk.binders[0]
    assert isinstance(binder, st.OverSort)
    return binder


def caught(frames: Frames) -> tuple[str, str | None]:
    """What a bare `fail` passes on."""
    while frames[0] != "catch":
        frames = frames[-1]
    return frames[1], frames[2]


def boots(frames: Frames) -> bool:
    """Is it the start of the very first kernel?"""
    while frames[0] not in ENDS:
        frames = frames[-1]
    return bool(frames[0] == "booted")


def to_the_end(frames: Frames) -> Frames:
    """What `stop` ends: the step of a walk, the proc, the event."""
    while frames[0] in ("seq", "catch"):
        frames = frames[-1]
    return frames


def depth(frames: Frames) -> int:
    """How many walks go on around a piece of code."""
    found = 0
    while frames[0] not in ENDS:
        found += frames[0] in ("step", "undo")
        frames = frames[-1]
    return found


ENDS = ("effects", "return", "booted")
"""Frames that nothing follows."""


def live_locals(statements: Iterable[st.Stmt], live: dict[Head, frozenset[int]]) -> frozenset[int]:
    """The locals that are read before they are written."""
    found: frozenset[int] = frozenset()
    for stmt in reversed(tuple(statements)):
        match stmt:
            case Goto(head=head):
                found = live[head] if head is not None else frozenset()
            case Broken():
                found = frozenset()
            case st.Let(slot=slot, value=value):
                found = (found - {slot}) | free_slots(value)
            case st.Choose(slot=slot, where=where):
                found = (found | (free_slots(where) if where is not None else frozenset())) - {slot}
            case st.Forall(slot=slot, where=where, body=body):
                inner = live_locals(body.statements, live) | (free_slots(where) if where is not None else frozenset())
                found |= inner - {slot}
            case st.If(then=then, orelse=orelse) | st.Sometimes(then=then, orelse=orelse):
                found |= live_locals(then.statements, live) | live_locals(statements_of(orelse), live)
                for expr in st.expressions(stmt):
                    found |= free_slots(expr)
            case _:
                for expr in st.expressions(stmt):
                    found |= free_slots(expr)
    return found
