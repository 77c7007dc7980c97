"""Numbers of the system calls that matter here, and what they do to a table of descriptors."""

from __future__ import annotations

X86_64: dict[int, str] = {
    2: "open", 3: "close", 16: "ioctl", 22: "pipe", 32: "dup", 33: "dup2", 41: "socket", 43: "accept", 47: "recvmsg", 53: "socketpair",
    56: "clone", 57: "fork", 58: "vfork", 59: "execve", 60: "exit", 72: "fcntl", 85: "creat", 169: "reboot", 231: "exit_group",
    246: "kexec_load", 257: "openat", 288: "accept4", 290: "eventfd2", 291: "epoll_create1", 292: "dup3", 293: "pipe2", 299: "recvmmsg",
    319: "memfd_create", 320: "kexec_file_load", 322: "execveat", 434: "pidfd_open", 435: "clone3", 436: "close_range", 437: "openat2",
    438: "pidfd_getfd", 447: "memfd_secret",
}  # fmt: skip
"""Numbers of x86-64 (arch/x86/entry/syscalls/syscall_64.tbl)."""

GENERIC: dict[int, str] = {
    19: "eventfd2", 20: "epoll_create1", 23: "dup", 24: "dup3", 25: "fcntl", 29: "ioctl", 56: "openat", 57: "close", 59: "pipe2",
    93: "exit", 94: "exit_group", 104: "kexec_load", 142: "reboot", 198: "socket", 199: "socketpair", 202: "accept", 212: "recvmsg",
    220: "clone", 221: "execve", 242: "accept4", 243: "recvmmsg", 279: "memfd_create", 281: "execveat", 294: "kexec_file_load",
    434: "pidfd_open", 435: "clone3", 436: "close_range", 437: "openat2", 438: "pidfd_getfd", 447: "memfd_secret",
}  # fmt: skip
"""Numbers of arm64, riscv and loongarch (include/uapi/asm-generic/unistd.h)."""

MACHINES: dict[str, dict[int, str]] = {
    "x86_64": X86_64, "aarch64": GENERIC, "riscv64": GENERIC, "riscv32": GENERIC, "loongarch64": GENERIC,
}  # fmt: skip
"""Machine as uname(2) names it, and its numbers."""

GENERIC_IOCTL = 29
"""ioctl on arm64, riscv and loongarch (include/uapi/asm-generic/unistd.h)."""

OPENERS = frozenset({"open", "openat", "openat2", "creat"})
"""Return a descriptor of a file found by its path."""

MAKERS = frozenset({"memfd_create", "memfd_secret"})
"""Return a descriptor of a new file without a path."""

OTHERS = frozenset({"socket", "accept", "accept4", "eventfd2", "epoll_create1", "pidfd_open"})
"""Return a descriptor of something that is no file."""

RECEIVERS = frozenset({"recvmsg", "recvmmsg", "pidfd_getfd", "pipe", "pipe2", "socketpair"})
"""Give the caller descriptors whose numbers or files the return value does not tell."""

WAITING = frozenset({"accept", "accept4", "recvmsg", "recvmmsg"})
"""Go on for as long as nobody sends anything."""

FORKS = frozenset({"fork", "vfork", "clone", "clone3"})
NEVER_RETURN = frozenset({"exit", "exit_group"})
EXECS = frozenset({"execve", "execveat"})

CLONE_FILES = 0x400
CLONE_THREAD = 0x10000
F_DUPFD = 0
F_DUPFD_CLOEXEC = 1030


def duplicates(name: str, arguments: tuple[int, ...]) -> bool:
    """Does the call give its first argument a second number?"""
    match name, arguments:
        case "dup", (_, *_):
            return True
        case (("dup2" | "dup3"), (old, new, *_)):
            return old != new
        case "fcntl", (_, command, *_):
            return command in (F_DUPFD, F_DUPFD_CLOEXEC)
    return False
