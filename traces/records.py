"""What every format yields: one record per line or packet, with the task that it belongs to.

Everything after this works on records alone, so a format is one module that turns its input into them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from luocheck.traces.call import Note

Value = int | bytes | None
"""A field of a probe; None for what the recorder could not read, `(fault)`."""

Struct = bytes | Mapping[str, Value]
"""What a pointer argument leads to: the first bytes of it, or members by their names in the abi."""


@dataclass(frozen=True, slots=True)
class Enter:
    """A system call begins.  arguments: the numbers at its first positions.  path: of a call that opens one, where it is shown.

    source names the family of events: the same call may stand in a recording once in each of them.  links: the text of the link
    /proc/PID/fd/N of the descriptors among the arguments, by position.  struct: what the pointer argument of an ioctl leads to.
    """

    syscall: str
    arguments: tuple[int, ...]
    source: str
    path: bytes | None = None
    links: tuple[bytes | None, ...] = ()
    struct: Struct | None = None


@dataclass(frozen=True, slots=True)
class Exit:
    """A system call returned.  syscall is None where the recorder does not repeat it.

    link: the text of the link of the descriptor that it returned.  struct: as of Enter, after the call.
    """

    syscall: str | None
    result: int
    source: str
    link: bytes | None = None
    struct: Struct | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A probe or a traced function.  function: what was probed.  returns: the function returned, False when it began.

    fields has `ret` where the returned value is shown; arguments of functions stand under their names in the kernel.
    """

    name: str
    function: str
    returns: bool
    fields: Mapping[str, Value]
    caller: str | None = None


@dataclass(frozen=True, slots=True)
class Forked:
    parent: int | None  # None: the task of the record
    child: int


@dataclass(frozen=True, slots=True)
class Executed:
    """The task runs another program now."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A task ended.  last: it was the last thread of its process; None where that is not shown."""

    thread: int
    last: bool | None


@dataclass(frozen=True, slots=True)
class Marker:
    """Text that a program wrote into the trace."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Other:
    """An event that no decoder reads."""

    name: str


@dataclass(frozen=True, slots=True)
class Gap:
    """Events are missing before this place: `count` of them, None when nobody says how many.  start: they are the oldest ones."""

    count: int | None
    reason: str
    start: bool = False


Event = Enter | Exit | Hit | Forked | Executed | Ended | Marker | Other | Gap


MOST_NAMES = 4096
"""Names of events that are counted one by one; a kernel has about two thousand kinds."""

MOST_NOTES = 1000


class Record(NamedTuple):
    """One event.  thread/process: ids of the task and its process, None where the recording shows none.

    A tuple, because one is made for every event of a recording, and a frozen dataclass takes several times as long.
    """

    line: int
    time: int | None
    thread: int | None
    process: int | None
    cpu: int | None
    event: Event


@dataclass(slots=True)
class Tally:
    """What a format counts beside the records that it yields.

    wanted: system calls whose entries and returns must be yielded; a format may count all others, and events that no decoder reads,
    without yielding them.  None: everything is yielded.
    """

    wanted: frozenset[str] | None = None
    lines: int = 0
    events: int = 0
    names: Counter[str] = field(default_factory=Counter)
    notes: list[Note] = field(default_factory=list)
    unread: list[tuple[int, bytes]] = field(default_factory=list)  # the first lines that could not be read
    unread_count: int = 0
    integer_clock: bool = False

    def count(self, name: str, times: int = 1) -> None:
        """Counts events of that name; names beyond a number that no recording has are counted together."""
        if name not in self.names and len(self.names) >= MOST_NAMES:
            name = "others"
        self.names[name] += times

    def remark(self, note: Note) -> None:
        """Keeps a note, as long as there are not too many for anybody to read."""
        if len(self.notes) < MOST_NOTES:
            self.notes.append(note)

    def skip(self, line: int, text: bytes) -> None:
        self.unread_count += 1
        if len(self.unread) < 5:
            self.unread.append((line, text[:200]))

    def unread_note(self) -> Note | None:
        """What is to be known about lines that could not be read."""
        if not self.unread_count:
            return None
        first = "; ".join(f"line {line}: {repr(text[:80])[1:]}" for line, text in self.unread[:3])
        return Note("LUO706", self.unread[0][0], f"{self.unread_count} lines are no events; the first: {first}")
