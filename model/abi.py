"""The user API of a spec: descriptors and other handles, ioctl numbers, struct layouts, and what the bytes alone decide.

Decoding of recorded calls, generated programs and the API table of reports all read these values.  Layout rules are those of C on
64-bit Linux: a member is aligned to its own size, `aligned u64` to 8.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from luocheck.model.source import NOWHERE, Span

SCALARS = {"u8": 1, "s8": 1, "u16": 2, "s16": 2, "u32": 4, "s32": 4, "u64": 8, "s64": 8}
"""Size in bytes of the scalar types that a struct may have."""

DEVICE = "device"
"""The target that stands for a descriptor of the device node."""


@dataclass(frozen=True, slots=True)
class Handle:
    """A name space of numbers or strings that user space sees.

    space: sort whose elements each have a name space of their own (descriptors: the process), None for a global one.
    targets: what a handle can stand for, sorts or DEVICE.  length: bytes of a string handle, None for numbers.
    bad: causes (`empty`, `unterminated` of a string, `closed` of a descriptor) and the predicate that says that it is no proper handle.
    """

    name: str
    space: str | None
    targets: tuple[str, ...]
    length: int | None
    bad_causes: tuple[str, ...]
    predicate: str | None
    span: Span = field(compare=False, repr=False, default=NOWHERE)


@dataclass(frozen=True, slots=True)
class Descriptor:
    """The device node, or the objects of a sort behind descriptors.

    target: DEVICE or the sort.  open/release: events, None when there is none.  numbers: inclusive range of the low byte of its ioctls.
    unknown/encoding: errno for a number outside of the table, and for a known number with another size or direction.
    link: text of /proc/PID/fd/N, `{field}` stands for a field that holds a string handle.
    """

    target: str
    path: str | None
    open: str | None
    release: str | None
    magic: int | None
    numbers: tuple[int, int] | None
    unknown: str | None
    encoding: str | None
    link: str | None
    span: Span = field(compare=False, repr=False, default=NOWHERE)

    @property
    def label_field(self) -> str | None:
        """The field whose handle is part of the link text."""
        if self.link is None or "{" not in self.link:
            return None
        return self.link.split("{", 1)[1].split("}", 1)[0]


@dataclass(frozen=True, slots=True)
class Process:
    """Events of the sort that makes calls: its end, and the ways in which it hands descriptors on."""

    sort: str
    exit: str | None
    passing: tuple[str, ...]
    span: Span = field(compare=False, repr=False, default=NOWHERE)


@dataclass(frozen=True, slots=True)
class Sized:
    """An extensible struct begins with its size (copy_struct_from_user): errnos for too short, nonzero tail, unreadable."""

    type: str
    name: str
    short: str | None
    tail: str | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class StructField:
    """One member: role `in`/`out` with the parameter it carries, `zero` with the errno for other values, `ignored`, or `size`.

    sort: of the parameter, when that is an element.
    """

    type: str
    name: str
    length: int | None  # of an array
    offset: int
    size: int
    role: str
    parameter: str | None
    errno: str | None
    sort: str | None = None


@dataclass(frozen=True, slots=True)
class Ioctl:
    event: str
    number: int
    target: str
    fields: tuple[StructField, ...]
    span: Span = field(compare=False, repr=False, default=NOWHERE)

    @property
    def size(self) -> int:
        """sizeof the struct in bytes, 0 without one."""
        if not self.fields:
            return 0
        align = max(min(8, SCALARS[f.type]) for f in self.fields)
        end = max(f.offset + f.size for f in self.fields)
        return -(-end // align) * align

    @property
    def sized(self) -> StructField | None:
        return next((f for f in self.fields if f.role == "size"), None)


@dataclass(frozen=True, slots=True)
class Syscall:
    """A system call other than ioctl: upper-case arguments must have that constant's value, the others may have any."""

    event: str
    function: str
    arguments: tuple[str, ...]
    kernel_ends: bool
    span: Span = field(compare=False, repr=False, default=NOWHERE)


@dataclass(frozen=True, slots=True)
class PathEntry:
    """Operations on paths of a file system (kept as words; no decoder reads them yet)."""

    path: str
    clauses: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Abi:
    handles: tuple[Handle, ...] = ()
    descriptors: tuple[Descriptor, ...] = ()
    process: Process | None = None
    sized: Sized | None = None
    ioctls: tuple[Ioctl, ...] = ()
    syscalls: tuple[Syscall, ...] = ()
    paths: tuple[PathEntry, ...] = ()
    errnos: tuple[tuple[str, tuple[str, ...] | None], ...] = ()

    def errno_class(self, name: str) -> tuple[str, ...] | None:
        """Members of a declared class of errnos; None when it is `any`.  KeyError when it is no class."""
        return dict(self.errnos)[name]

    def is_errno_class(self, name: str) -> bool:
        return any(name == each for each, _ in self.errnos)

    def visible(self, event: str) -> bool:
        """Does the abi say how user space causes this event?  The others are hidden: replay may insert them anywhere."""
        if any(event == each.event for each in self.ioctls) or any(event == each.event for each in self.syscalls):
            return True
        if any(event in (d.open, d.release) for d in self.descriptors):
            return True
        return self.process is not None and event == self.process.exit

    def predicate(self, name: str) -> Handle:
        """The handle that declares a predicate such as `bad_name`; KeyError when there is none."""
        for handle in self.handles:
            if handle.predicate == name:
                return handle
        raise KeyError(name)


def errno_matches(abi: Abi, declared: str, recorded: str) -> bool:
    """May a line that says `declared` (an errno or a class) have returned `recorded`?"""
    if declared == recorded:
        return True
    if not abi.is_errno_class(declared):
        return False
    members = abi.errno_class(declared)
    return members is None or recorded in members


CONSTANTS = {
    "LINUX_REBOOT_CMD_KEXEC": 0x45584543,
    "LINUX_REBOOT_CMD_RESTART": 0x01234567,
    "LINUX_REBOOT_CMD_HALT": 0xCDEF0123,
    "LINUX_REBOOT_CMD_POWER_OFF": 0x4321FEDC,
    "LINUX_REBOOT_CMD_CAD_ON": 0x89ABCDEF,
    "LINUX_REBOOT_CMD_CAD_OFF": 0,
}
"""Constants of system call arguments that an abi may name (include/uapi/linux/reboot.h)."""
