"""Calls as a recording shows them: what was called, by whom, on which open file, with which bytes, and what came back.

What the recording does not say is absent (a key that is missing, None), never a made-up zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePath


@dataclass(frozen=True, slots=True)
class Moment:
    """A place in the recording.  line counts from 1; time is in ns on the recording's clock, None where it shows none."""

    line: int
    time: int | None


@dataclass(frozen=True, slots=True)
class Origin:
    """A line of one of the files that a recording was merged from."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def short(self) -> str:
        """Without the folder."""
        return f"{PurePath(self.file).name}:{self.line}"


class Kind(Enum):
    OPEN = "open"  # of the device node
    IOCTL = "ioctl"
    CLOSE = "close"  # a process gave up its last descriptor of an open file
    RELEASE = "release"  # the last reference to an open file is gone, in whatever process
    FORK = "fork"  # a process got a copy of its parent's descriptors
    PASS = "pass"  # a process was given a descriptor of an open file by another one; always inferred
    EXIT = "exit"  # a process (its last thread) ended
    REBOOT = "reboot"  # reboot(2) with LINUX_REBOOT_CMD_KEXEC


@dataclass(frozen=True, slots=True)
class OpenFile:
    """An open file description, numbered in the order of appearance.

    target: `device`, a sort of the abi's handles (`Session`, `File`), `other` for what is surely none of these, None when unknown.
    label: the string handle that the recording shows for it (a session's name), None where it shows none.
    """

    number: int
    target: str | None
    label: bytes | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    event: the spec's event, None for an ioctl number that the abi does not know on this kind of open file (its `refused` says which
    errnos the abi allows then).  process is a key for the table of descriptors (threads share it), thread the kernel's id of the task.
    on: the open file that an ioctl, close or release is about, None when unknown.  fd: the descriptor number used, None when not shown.
    given/got: members of the struct at entry and after the return (scalars as int, arrays as bytes up to their NUL); what a descriptor number among
    them stands for is in `files` (member name -> open file), `closed` names the members whose number was no open descriptor.
    result: the return value (>= 0, or a negative errno as user space sees it), None when the call is not known to have returned.
    enter: the earliest moment at which it can have begun; exact is False when the recording shows returns only.  exit: None when it
    never returned.  inner: result is what a function below the ioctl returned; an error is the call's, 0 says only that it got that far.
    inferred: nobody recorded it, but what was recorded later implies that it happened in between (a close, a
    descriptor that was passed).

    What the decoder finds out about the calls of one recording, and what a call that `replace` makes does not have: alike: those with
    the same number say the same (`said`).  alone: the same number for a call that overlaps no other one.
    """

    number: int
    kind: Kind
    event: str | None
    process: int
    thread: int
    enter: Moment
    exit: Moment | None
    on: OpenFile | None = None
    fd: int | None = None
    command: int | None = None
    given: Mapping[str, int | bytes] = field(default_factory=dict)
    got: Mapping[str, int | bytes] = field(default_factory=dict)
    files: Mapping[str, OpenFile] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    result: int | None = None
    exact: bool = True
    inferred: bool = False
    killed: bool = False
    refused: tuple[str, ...] = ()
    parent: int | None = None  # FORK: the process that forked; PASS: the one that gave; `process` is the other one
    inner: bool = False
    alike: int | None = field(default=None, init=False, repr=False, compare=False)
    alone: int | None = field(default=None, init=False, repr=False, compare=False)

    def said(self) -> tuple[object, ...]:
        """Everything about a call that its effect can depend on: all but its number, place and time."""
        on, given, got, files = self.on, self.given, self.got, self.files
        return (
            self.event, self.kind, self.result, self.process, self.command, self.inner,
            None if on is None else (on.number, on.target, on.label),
            tuple(given.items()) if given else None,
            tuple(got.items()) if got else None,
            tuple((name, file.number) for name, file in files.items()) if files else None,
            self.closed, self.refused, self.parent,
        )  # fmt: skip

    def is_like(self, first: Call, number: int) -> None:
        """Notes that `first`, an earlier call of the recording or this one, says the same; it is given `number` when it has none yet.

        What both say is kept once.  Only for whoever makes the calls of a recording.
        """
        if first.alike is None:
            object.__setattr__(first, "alike", number)
        if first is not self:
            for name in ("alike", "given", "got", "files", "closed", "refused"):
                object.__setattr__(self, name, getattr(first, name))

    def is_alone(self) -> None:
        """Notes that the call overlaps no other one of its recording.  Only for whoever makes the calls of a recording."""
        object.__setattr__(self, "alone", self.alike)


@dataclass(frozen=True, slots=True)
class Loss:
    """Events are missing before this line: `count` of them, None when the recorder does not say."""

    line: int
    count: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something that whoever reads the verdict should know about the evidence.  code is LUO7xx."""

    code: str
    line: int | None
    text: str


PARTIAL = "LUO717"
"""The note that calls of other tasks are missing."""


UNSURE = "LUO719"
"""The note that a close can have closed one of two files."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A decoded recording.

    calls are in the order of their enter lines.  observes: kinds of calls that this recorder would have shown (what it cannot show may
    have happened at any time).  events counts the records that were read, whatever they were.  undecodable: why nothing can be said, or
    None.  truncated_start: the beginning of the recording was overwritten.  tables_unsure: it does not show whether tasks share their
    descriptors, so that decoding the other way (`decode(..., threads_share=...)`) can give other calls.  parts: the files that it was merged
    from, none when it is one file; origins: where its lines stand in them.
    """

    name: str
    format: str
    calls: tuple[Call, ...]
    losses: tuple[Loss, ...]
    notes: tuple[Note, ...]
    observes: frozenset[Kind]
    events: int
    lines: int
    undecodable: str | None = None
    truncated_start: bool = False
    tables_unsure: bool = False
    parts: tuple[str, ...] = ()
    origins: Mapping[int, Origin] = field(default_factory=dict)

    def place(self, line: int) -> str:
        """A line in words, with the file that it is from when there are several."""
        return f"line {line} ({self.origins[line].short})" if line in self.origins else f"line {line}"

    @property
    def is_partial(self) -> bool:
        """Are calls of tasks missing that were recorded in other files?"""
        return any(note.code == PARTIAL for note in self.notes)

    @property
    def unsure_close(self) -> int | None:
        """The line of a close that can have closed one of two files."""
        return next((note.line for note in self.notes if note.code == UNSURE), None)
