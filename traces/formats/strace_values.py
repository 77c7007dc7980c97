"""Arguments and results of a call as strace prints them: numbers, symbols, strings, links, structs.

`-X` decides how a constant is shown: `AT_FDCWD`, `-100`, or `-100 /* AT_FDCWD */`.  A descriptor may carry the text of its link, with the
kind of its device: `4</dev/liveupdate<char 10:257>>`.  Text is escaped as in C, `<` and `>` of a link as octal numbers.  All patterns run
in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from luocheck.model.errnos import GENERIC, INTERNAL
from luocheck.traces.records import Value

_LINK = rb"<(?:[A-Z][A-Za-z0-9-]{1,30}:\[[^\]<]{0,300}\]|[^<>]{0,5000}(?:<[^<>]{0,200}>)?)>(?:\(deleted\))?"  # a socket, or a path
_TOKEN = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"(?:\.\.\.)?|\\?\Z)|/\*[^*]*+\*/|(?<=[A-Za-z0-9_/])' + _LINK + rb'|[^"/<\[\](){},]++|.',
    re.DOTALL,
)
_COMMENT = re.compile(rb" ?/\*[^*]*+\*/")
_ARROW = re.compile(rb"\} ?=> \{")  # without the space where the two halves of a call were put together
_LINKED = re.compile(rb"(-?\d{1,20}|0x[0-9a-f]{1,16}|[A-Z_]{1,30})(?: /\*[^*]*+\*/)?<(.*)>(?:\(deleted\))?", re.DOTALL)
_NUMBER = re.compile(rb"-?\d{1,20}|0x[0-9a-fA-F]{1,16}")
_IOC = re.compile(rb"_IOC\(([^,()]{1,80}), (0x[0-9a-f]{1,4}|\d{1,5}), (0x[0-9a-f]{1,4}|\d{1,5}), (0x[0-9a-f]{1,8}|\d{1,8})\)")
_STRING = re.compile(rb'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|([0-7]{1,3})|(.))", re.DOTALL)
_RESULT = re.compile(
    rb" *= (\?|0x[0-9a-f]{1,16}|-?\d{1,20})(" + _LINK + rb")?(?: (E[A-Z0-9_]{1,40})(?= |$)| \(errno (\d{1,5})\))?(.*)", re.DOTALL
)
_DURATION = re.compile(rb" <(\d{1,10})\.(\d{1,9})>$")
_MEMBER = re.compile(rb" ?([A-Za-z_][A-Za-z0-9_]{0,63})=(.*)", re.DOTALL)

_ERRNOS = GENERIC | INTERNAL | {"EWOULDBLOCK": GENERIC["EAGAIN"]}

_SYMBOLS = {
    "NULL": 0, "AT_FDCWD": -100, "F_DUPFD": 0, "F_DUPFD_CLOEXEC": 1030,
    "_IOC_NONE": 0, "_IOC_WRITE": 1, "_IOC_READ": 2,
    "LINUX_REBOOT_MAGIC1": 0xFEE1DEAD, "LINUX_REBOOT_MAGIC2": 0x28121969, "LINUX_REBOOT_MAGIC2A": 0x05121996,
    "LINUX_REBOOT_MAGIC2B": 0x16041998, "LINUX_REBOOT_MAGIC2C": 0x20112000,
    "LINUX_REBOOT_CMD_RESTART": 0x01234567, "LINUX_REBOOT_CMD_HALT": 0xCDEF0123, "LINUX_REBOOT_CMD_CAD_ON": 0x89ABCDEF,
    "LINUX_REBOOT_CMD_CAD_OFF": 0, "LINUX_REBOOT_CMD_POWER_OFF": 0x4321FEDC, "LINUX_REBOOT_CMD_RESTART2": 0xA1B2C3D4,
    "LINUX_REBOOT_CMD_SW_SUSPEND": 0xD000FCE2, "LINUX_REBOOT_CMD_KEXEC": 0x45584543,
    "CLONE_VM": 0x100, "CLONE_FS": 0x200, "CLONE_FILES": 0x400, "CLONE_SIGHAND": 0x800, "CLONE_PIDFD": 0x1000,
    "CLONE_PTRACE": 0x2000, "CLONE_VFORK": 0x4000, "CLONE_PARENT": 0x8000, "CLONE_THREAD": 0x10000, "CLONE_NEWNS": 0x20000,
    "CLONE_SYSVSEM": 0x40000, "CLONE_SETTLS": 0x80000, "CLONE_PARENT_SETTID": 0x100000, "CLONE_CHILD_CLEARTID": 0x200000,
    "CLONE_DETACHED": 0x400000, "CLONE_UNTRACED": 0x800000, "CLONE_CHILD_SETTID": 0x1000000, "CLONE_NEWCGROUP": 0x2000000,
    "CLONE_NEWUTS": 0x4000000, "CLONE_NEWIPC": 0x8000000, "CLONE_NEWUSER": 0x10000000, "CLONE_NEWPID": 0x20000000,
    "CLONE_NEWNET": 0x40000000, "CLONE_IO": 0x80000000, "SIGCHLD": 17,
    "LIVEUPDATE_IOCTL_CREATE_SESSION": 0xBA00, "LIVEUPDATE_IOCTL_RETRIEVE_SESSION": 0xBA01, "LIVEUPDATE_SESSION_PRESERVE_FD": 0xBA40,
    "LIVEUPDATE_SESSION_RETRIEVE_FD": 0xBA41, "LIVEUPDATE_SESSION_FINISH": 0xBA42, "LIVEUPDATE_SESSION_GET_NAME": 0xBA43,
    "TCGETS": 0x5401, "TIOCGWINSZ": 0x5413, "FIONREAD": 0x541B, "FIONBIO": 0x5421, "FIONCLEX": 0x5450, "FIOCLEX": 0x5451,
}  # fmt: skip
"""Constants by the names that strace prints (include/uapi/linux: reboot.h, sched.h, liveupdate.h, fcntl.h; asm-generic/ioctls.h)."""

_C_ESCAPES = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"v": b"\v", b"f": b"\f", b"a": b"\a", b"b": b"\b", b"e": b"\x1b"}


def arguments(text: bytes) -> tuple[list[bytes], int | None]:
    """The arguments in `text`, which begins after the opening parenthesis, and where the closing one ends; None when it is missing."""
    out: list[bytes] = []
    depth = begin = 0
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token in (b"(", b"[", b"{"):
            depth += 1
        elif token in (b")", b"]", b"}"):
            depth -= 1
            if depth < 0:
                last = text[begin : match.start()].strip(b" ")
                return (out if not last and not out else [*out, last]), match.end()
        elif token == b"," and depth == 0:
            out.append(text[begin : match.start()].strip(b" "))
            begin = match.end()
    last = text[begin:].strip(b" ")
    return [*out, last] if last else out, None


def number(text: bytes) -> int | None:
    """The value of an argument: a number, a constant, an alternation of flags, an ioctl number in any form; None for anything else."""
    linked = _LINKED.fullmatch(text)
    if linked is not None:
        text = linked.group(1)
    text = _COMMENT.sub(b"", text).strip(b" ")
    if _NUMBER.fullmatch(text):
        return _integer(text)
    ioc = _IOC.fullmatch(text)
    if ioc is not None:
        direction, kind, nr, size = number(ioc.group(1)), *map(_integer, ioc.groups()[1:])
        return None if direction is None else direction << 30 | size << 16 | kind << 8 | nr
    if b" or " in text:  # several drivers have given that number a name
        return next((value for name in text.split(b" or ") if (value := number(name)) is not None), None)
    total = 0
    for part in text.split(b"|"):
        if _NUMBER.fullmatch(part):
            total |= _integer(part)
        elif (value := _SYMBOLS.get(part.decode("ascii", "replace"))) is not None:
            total = value if text == part else total | value
        else:
            return None
    return total


def is_symbol(text: bytes) -> bool:
    """Is this the whole name of a constant, so that nothing of it is cut off?"""
    return text.decode("ascii", "replace") in _SYMBOLS


def _integer(text: bytes) -> int:
    return int(text, 16 if text.startswith(b"0x") else 10)


def link(text: bytes) -> bytes | None:
    """The text of the link of a descriptor; None where it is not shown."""
    match = _LINKED.fullmatch(text)
    if match is None:
        return None
    inside = match.group(2)
    if inside.endswith(b">"):
        inside = inside[: inside.rfind(b"<")]
    return unescape(inside).removesuffix(b" (deleted)")


def string(text: bytes) -> bytes | None:
    """A string argument; None when it is none or was cut."""
    match = _STRING.fullmatch(text)
    return None if match is None else unescape(match.group(1))


def unescape(text: bytes) -> bytes:
    """The bytes behind the escapes of C."""

    def replace(match: re.Match[bytes]) -> bytes:
        hexadecimal, octal, letter = match.groups()
        if hexadecimal is not None:
            return bytes([int(hexadecimal, 16)])
        if octal is not None:
            return bytes([int(octal, 8) & 0xFF])
        return _C_ESCAPES.get(letter, letter)

    return _ESCAPE.sub(replace, text) if b"\\" in text else text


def structs(text: bytes) -> tuple[dict[str, Value] | None, dict[str, Value] | None]:
    """Members of a struct before and after the call (`{..} => {..}`); one that is printed once counts for both."""
    if not text.startswith(b"{"):
        return None, None
    arrow = _ARROW.search(text)
    first = dict(_members(text[1:].removesuffix(b"}") if arrow is None else text[1 : arrow.start()]))
    return (first, first) if arrow is None else (first, dict(_members(text[arrow.end() :].removesuffix(b"}"))))


def _members(text: bytes) -> Iterator[tuple[str, Value]]:
    for part in arguments(text)[0]:
        match = _MEMBER.fullmatch(part)
        if match is None:
            continue
        value: Value = string(match.group(2))
        if value is None:
            value = number(match.group(2))
        if value is not None:
            yield match.group(1).decode(), value


@dataclass(frozen=True, slots=True)
class Result:
    """value: what the call returned, a negative errno for an error; None where strace shows none (`?`).

    unknown: it failed with an errno that has no number here.  changed: strace injected it.  altered: strace delayed the call or changed its memory.  whole: something follows the number, so that
    none of its digits can be cut off.
    """

    value: int | None
    link: bytes | None
    duration: int | None
    unknown: bool
    changed: bool
    altered: bool
    whole: bool


def result(text: bytes) -> Result | None:
    """What follows the arguments; None when it has not the form of a result."""
    match = _RESULT.fullmatch(text)
    if match is None:
        return None
    shown, where, name, plain, rest = match.groups()
    value = None if shown == b"?" else _integer(shown)
    if name is not None:
        errno = _ERRNOS.get(name.decode())
        value = None if errno is None or value not in (-1, None) else -errno
    elif plain is not None:
        value = -int(plain)
    duration = _DURATION.search(rest)
    time = None if duration is None else int(duration.group(1)) * 10**9 + int(duration.group(2).ljust(9, b"0"))
    injected = b"(INJECTED)" in rest or b"retval)" in rest
    altered = b"(DELAYED)" in rest or b"(INJECTED: args" in rest
    whole = bool(rest) or where is not None
    unknown = name is not None and value is None
    return Result(value, None if where is None else link(shown + where), time, unknown, injected, altered, whole)
