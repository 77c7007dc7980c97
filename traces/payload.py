"""Members of the struct of an ioctl, from what probes read out of user memory, and other questions to the abi.

A member is given or got only when it means something: members for the kernel to fill say nothing before a successful return, what lies
beyond the size that the caller named was never read, and where the memory could not be read there is no value.
Arrays of bytes are strings here: the bytes up to the first NUL, or the whole array when there is none in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from luocheck.model.abi import CONSTANTS, DEVICE, SCALARS, Abi, Descriptor, Handle, Ioctl, StructField, Syscall
from luocheck.model.errnos import GENERIC
from luocheck.traces.formats.recorders import Part, members_of
from luocheck.traces.records import Hit, Struct, Value

LARGEST = 4096
"""Largest size of an extensible struct that the kernel reads, a page (include/linux/uaccess.h, copy_struct_from_user)."""


@dataclass(slots=True)
class Payload:
    given: dict[str, int | bytes] = field(default_factory=dict)
    got: dict[str, int | bytes] = field(default_factory=dict)


def descriptor_handle(abi: Abi) -> Handle | None:
    """The handle whose numbers are descriptors."""
    return next((h for h in abi.handles if DEVICE in h.targets), None)


def is_descriptor(abi: Abi, member: StructField) -> bool:
    handle = descriptor_handle(abi)
    return handle is not None and member.length is None and member.sort is not None and member.sort in handle.targets


def plain_target(abi: Abi) -> str | None:
    """The sort of files that are neither the device nor objects with descriptors of their own."""
    handle = descriptor_handle(abi)
    if handle is None:
        return None
    rest = [t for t in handle.targets if all(t != d.target for d in abi.descriptors) and t != DEVICE]
    return rest[0] if len(rest) == 1 else None


def descriptor_for(abi: Abi, target: str | None) -> Descriptor | None:
    return next((d for d in abi.descriptors if d.target == target), None)


def known_by_link(abi: Abi, link: bytes) -> tuple[str, bytes | None]:
    """What the text of the link /proc/PID/fd/N says: the target, `other` for what is no file and none of the abi's, and its label."""
    for descriptor in abi.descriptors:
        if descriptor.path is not None and link == descriptor.path.encode():
            return descriptor.target, None
        if descriptor.link is None:
            continue
        begin, brace, rest = descriptor.link.partition("{")
        end = rest.partition("}")[2].encode() if brace else b""
        if link == begin.encode() and not brace:
            return descriptor.target, None
        if brace and link.startswith(begin.encode()) and link.endswith(end) and len(link) >= len(begin) + len(end):
            return descriptor.target, link[len(begin.encode()) : len(link) - len(end)]
    plain = plain_target(abi)
    return (plain if plain is not None and link.startswith(b"/") else "other"), None


def _by_offset(ioctl: Ioctl, struct: Struct | None) -> Iterator[tuple[int, Value]]:
    """The members of a struct that was recorded as bytes or by names, at their places."""
    for member in ioctl.fields:
        if isinstance(struct, bytes):
            shown = struct[member.offset : member.offset + member.size]
            if member.length is not None and shown and (b"\0" in shown or len(shown) == member.size):
                yield member.offset, shown.split(b"\0", 1)[0]
            elif member.length is None and len(shown) == member.size:
                yield member.offset, int.from_bytes(shown, "little")
        elif struct is not None and member.name in struct:
            yield member.offset, struct[member.name]


def read_payload(
    ioctl: Ioctl, hits: Sequence[tuple[Part, Hit]], result: int | None, structs: tuple[Struct | None, Struct | None] = (None, None)
) -> Payload:
    """Values of the members of `ioctl`'s struct, from all probes of one call and from the struct itself before and after it."""
    if not hits and structs == (None, None):
        return Payload()  # nothing was shown
    before: dict[int, list[Value]] = {}
    after: dict[int, list[Value]] = {}
    for values, struct in zip((before, after), structs, strict=True):
        if struct is None:
            continue
        for offset, value in _by_offset(ioctl, struct):
            values.setdefault(offset, []).append(value)
    for part, hit in hits:
        for offset, value in members_of(part, hit):
            (after if hit.returns else before).setdefault(offset, []).append(value)
    out = Payload()
    sized = ioctl.sized
    size = None if sized is None else _member(sized, before) if sized.offset in before else _member(sized, after)
    unread = sized is not None and size is None and None in (*before.get(sized.offset, ()), *after.get(sized.offset, ()))
    if sized is not None and result == -GENERIC["EFAULT"] and isinstance(size, int) and not ioctl.size <= size <= LARGEST:
        unread = True  # such a size is refused in another way, so it was never read: the recorder printed what it had
    if result == -GENERIC["EFAULT"] and any(len(set(filter(_is_number, values))) > 1 for values in after.values()):
        unread = True  # probes of one return disagree: what they show is not the struct, which could not be read
    if unread:
        return out
    succeeded = result is not None and result >= 0
    for member in ioctl.fields:
        if isinstance(size, int) and member.role != "size" and member.offset + member.size > size:
            continue
        if member.role in ("in", "zero", "size"):
            value = _member(member, before)
            if value is None:
                value = _member(member, after)
            if value is not None:
                out.given[member.name] = value
        elif member.role == "out" and succeeded:
            value = _member(member, after)
            if value is not None:
                out.got[member.name] = value
    return out


def _is_number(value: Value) -> bool:
    return isinstance(value, int)


def _member(member: StructField, values: dict[int, list[Value]]) -> int | bytes | None:
    """The value at the member's place that has its form: bytes for an array, a number for a scalar."""
    for value in values.get(member.offset, ()):
        if member.length is not None:
            if isinstance(value, bytes) and member.type in ("u8", "s8"):
                return value[: member.length]
        elif isinstance(value, int):
            bits = 8 * SCALARS[member.type]
            value &= (1 << bits) - 1
            return value - (1 << bits) if member.type.startswith("s") and value >> (bits - 1) else value
    return None


def label_member(ioctl: Ioctl) -> StructField | None:
    """The member with the string that names what the call returns."""
    return next((m for m in ioctl.fields if m.role == "in" and m.length is not None), None)


def label_given(ioctl: Ioctl, payload: Payload) -> bytes | None:
    """The string among the members that were given: the name of what the call returns."""
    for member in ioctl.fields:
        value = payload.given.get(member.name)
        if member.role == "in" and isinstance(value, bytes):
            return value
    return None


def refused_with(abi: Abi, number: int, target: str | None) -> tuple[str, ...]:
    """The errnos that the abi names for a number that is no event of this target (of any, when None)."""
    out: list[str] = []
    for descriptor in abi.descriptors:
        if target not in (None, descriptor.target):
            continue
        low = {i.number & 0xFF for i in abi.ioctls if i.target == descriptor.target}
        errno = (descriptor.encoding if number & 0xFF in low else None) or descriptor.unknown
        if errno is not None and errno not in out:
            out.append(errno)
    return tuple(out)


def has_constants(syscall: Syscall, arguments: tuple[int, ...]) -> bool:
    """Do the recorded arguments have the constants that the abi names?"""
    constants = {i: CONSTANTS[a] for i, a in enumerate(syscall.arguments) if a in CONSTANTS}
    return len(arguments) >= len(syscall.arguments) and all(arguments[i] & 0xFFFFFFFF == value for i, value in constants.items())
