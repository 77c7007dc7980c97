"""What probes and traced functions mean: the only place that knows functions of the kernel and field names of recipes.

The recipes (event definitions as one writes them into tracing/dynamic_events):

    one   f:one/ioctl luo_ioctl%return dfd=... cmd=$arg2:x32 size=+u0($arg3):u32 fd=+u4($arg3):s32 name=+u8($arg3):ustring ret=$retval:s32
          f:one/session_ioctl luo_session_ioctl%return sfd=... session=...->name:string cmd=.. size=.. fd=.. token=+u8($arg3):x64 ret=..
    dyn   the same without dfd and sfd
    sc    f:sc/ioctl __x64_sys_ioctl%return fd=regs->di:s32 cmd=.. size=+u0(..):u32 afd=+u4(..):s32 token=+u8(..):x64 ret=..
    ep    e:ep/ioctl_enter syscalls/sys_enter_ioctl fd=$fd:s32 cmd=$cmd:x32 size=.. afd=.. token=.. name=..;  e:ep/ioctl_exit ..
    kp    p:kp/p_ioctl luo_ioctl cmd=$arg2:x32 arg=.. size=.. name=..;  r:kp/r_ioctl luo_ioctl ret=$retval:s64
    core  f:luo/luo_preserve_file luo_preserve_file%return token fd ret=..;  and other functions below the ioctl
    fg    function and function_graph with func-args/funcgraph-args and funcgraph-retval

A field of a struct is known by its place: `+u4` is the member at offset 4 whatever it is called, so a recipe reads the structs of any abi.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from luocheck.model.abi import DEVICE, Abi
from luocheck.traces.records import Hit, Value


class Role(Enum):
    IOCTL = "ioctl"  # the handler of an open file
    SYSCALL = "syscall"  # ioctl(2) itself
    ENTER = "enter"  # an eprobe on the event of its entry
    EXIT = "exit"
    OPEN = "open"
    RELEASE = "release"
    INNER = "inner"  # a function that one command of a handler calls
    REBOOT = "reboot"  # called by reboot(2) with LINUX_REBOOT_CMD_KEXEC


@dataclass(frozen=True, slots=True)
class Part:
    """target: DEVICE, or a word in the link text of the objects' descriptors.  number/caller: of INNER, low byte and calling function."""

    role: Role
    target: str | None = None
    number: int | None = None
    caller: str | None = None


FUNCTIONS: dict[str, Part] = {
    "luo_ioctl": Part(Role.IOCTL, DEVICE),
    "luo_session_ioctl": Part(Role.IOCTL, "luo_session"),
    "luo_open": Part(Role.OPEN, DEVICE),
    "luo_release": Part(Role.RELEASE, DEVICE),
    "luo_session_release": Part(Role.RELEASE, "luo_session"),
    "luo_session_create": Part(Role.INNER, DEVICE, 0x00),
    "luo_session_retrieve": Part(Role.INNER, DEVICE, 0x01),
    "luo_preserve_file": Part(Role.INNER, "luo_session", 0x40),
    "luo_retrieve_file": Part(Role.INNER, "luo_session", 0x41),
    "luo_file_finish": Part(Role.INNER, "luo_session", 0x42, "luo_session_finish"),
    "liveupdate_reboot": Part(Role.REBOOT),
    "syscalls.sys_enter_ioctl": Part(Role.ENTER),
    "syscalls.sys_exit_ioctl": Part(Role.EXIT),
} | dict.fromkeys(
    ("__x64_sys_ioctl", "__arm64_sys_ioctl", "__riscv_sys_ioctl", "__se_sys_ioctl", "__do_sys_ioctl"), Part(Role.SYSCALL)
)

_EVENTS: dict[str, str] = {
    "ioctl": "luo_ioctl",
    "dev_ioctl": "luo_ioctl",
    "p_ioctl": "luo_ioctl",
    "r_ioctl": "luo_ioctl",
    "session_ioctl": "luo_session_ioctl",
    "p_session_ioctl": "luo_session_ioctl",
    "r_session_ioctl": "luo_session_ioctl",
    "dev_open": "luo_open",
    "dev_release": "luo_release",
    "session_release": "luo_session_release",
    "session_release_ret": "luo_session_release",
    "p_preserve": "luo_preserve_file",
    "r_preserve": "luo_preserve_file",
    "ioctl_enter": "syscalls.sys_enter_ioctl",
    "ioctl_exit": "syscalls.sys_exit_ioctl",
}
"""Event of a recipe, and what it probes."""


def probed_by(event: str, fields: Mapping[str, Value]) -> str | None:
    """What an event of the recipes probes, for recordings that show addresses instead; None for an event that is in no recipe."""
    if event == "ioctl" and "afd" in fields:
        return "__x64_sys_ioctl"
    return event if event in FUNCTIONS else _EVENTS.get(event)


PARAMETERS: dict[str, tuple[str, ...]] = {
    "luo_ioctl": ("filep", "cmd", "arg"),
    "luo_session_ioctl": ("filep", "cmd", "arg"),
    "luo_open": ("inodep", "filep"),
    "luo_release": ("inodep", "filep"),
    "luo_session_release": ("inodep", "filep"),
    "luo_session_create": ("name", "filep"),
    "luo_session_retrieve": ("name", "filep"),
    "luo_preserve_file": ("file_set", "token", "fd"),
    "luo_retrieve_file": ("file_set", "token", "filep"),
    "luo_file_finish": ("file_set",),
}
"""Names of the parameters, which a binary recording of functions does not have beside their values."""

_OFFSETS = {"size": 0, "fd": 4, "afd": 4, "token": 8, "name": 8}
"""Field of a recipe, and the offset in the struct that it reads."""

_DESCRIPTOR = {Role.IOCTL: ("dfd", "sfd"), Role.SYSCALL: ("fd",), Role.ENTER: ("fd",)}
"""Fields with the number of the descriptor that the ioctl is made on."""


def part_of(hit: Hit) -> Part | None:
    """What a probed function is here; None for one that says nothing about calls."""
    part = FUNCTIONS.get(hit.function)
    if part is not None and part.caller is not None and hit.caller != part.caller:
        return None
    return part


def target_of(part: Part, abi: Abi) -> str | None:
    """The abi's target that the function serves; None when the abi has no such one."""
    if part.target is None:
        return None
    if part.target == DEVICE:
        return DEVICE if any(d.target == DEVICE for d in abi.descriptors) else None
    objects = [d for d in abi.descriptors if d.target != DEVICE]
    named = [d for d in objects if d.link is not None and part.target in d.link]
    found = named or objects
    return found[0].target if len(found) == 1 else None


def _number(value: Value, bits: int, signed: bool = False) -> int | None:
    if not isinstance(value, int):
        return None
    value &= (1 << bits) - 1
    return value - (1 << bits) if signed and value >> (bits - 1) else value


def command_of(hit: Hit) -> int | None:
    """The ioctl number, where it is shown."""
    return _number(hit.fields.get("cmd"), 32)


def descriptor_of(part: Part, hit: Hit) -> int | None:
    """Number of the descriptor that the ioctl is made on, where it is shown."""
    for name in _DESCRIPTOR.get(part.role, ()):
        if name in hit.fields:
            return _number(hit.fields[name], 32, True)
    return None


def pointer_of(part: Part, hit: Hit) -> int | None:
    """Address of the open file in the kernel, where it is shown: what has the same address is the same file until its release."""
    return _number(hit.fields.get("filep"), 64) if part.role in (Role.IOCTL, Role.OPEN, Role.RELEASE) else None


def label_of(hit: Hit) -> bytes | None:
    value = hit.fields.get("session")
    return value if isinstance(value, bytes) else None


def result_of(hit: Hit) -> int | None:
    value = _number(hit.fields.get("ret"), 64, True)
    return None if value is None else _number(value, 32, True) if value >> 31 == 1 else value


def members_of(part: Part, hit: Hit) -> list[tuple[int, Value]]:
    """Offset in the user's struct and the value there; None for what could not be read.

    A recipe may read one place in two ways, as a number and as a string: what is there is told by the abi.
    """
    taken = _DESCRIPTOR.get(part.role, ())
    return [(_OFFSETS[name], value) for name, value in hit.fields.items() if name in _OFFSETS and name not in taken]
