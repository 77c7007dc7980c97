"""Linux errno names and numbers.

Numbers are the generic ones (include/uapi/asm-generic/errno-base.h and errno.h: x86, arm, riscv, s390, loongarch); the kernel-internal
codes above 511 never reach user space but stand in function-level recordings (include/linux/errno.h).
"""

from __future__ import annotations

GENERIC: dict[str, int] = dict(
    EPERM=1, ENOENT=2, ESRCH=3, EINTR=4, EIO=5, ENXIO=6, E2BIG=7, ENOEXEC=8, EBADF=9, ECHILD=10, EAGAIN=11, ENOMEM=12, EACCES=13,
    EFAULT=14, ENOTBLK=15, EBUSY=16, EEXIST=17, EXDEV=18, ENODEV=19, ENOTDIR=20, EISDIR=21, EINVAL=22, ENFILE=23, EMFILE=24,
    ENOTTY=25, ETXTBSY=26, EFBIG=27, ENOSPC=28, ESPIPE=29, EROFS=30, EMLINK=31, EPIPE=32, EDOM=33, ERANGE=34, EDEADLK=35,
    ENAMETOOLONG=36, ENOLCK=37, ENOSYS=38, ENOTEMPTY=39, ELOOP=40, ENOMSG=42, EIDRM=43, ENODATA=61, ETIME=62, ENOSR=63, EPROTO=71,
    EBADMSG=74, EOVERFLOW=75, EILSEQ=84, EUSERS=87, ENOTSOCK=88, EDESTADDRREQ=89, EMSGSIZE=90, EOPNOTSUPP=95, EADDRINUSE=98,
    EADDRNOTAVAIL=99, ENETDOWN=100, ENOBUFS=105, EISCONN=106, ENOTCONN=107, ETIMEDOUT=110, ECONNREFUSED=111, EALREADY=114,
    EINPROGRESS=115, ESTALE=116, EDQUOT=122, ECANCELED=125, EOWNERDEAD=130, ENOTRECOVERABLE=131,
)  # fmt: skip

INTERNAL: dict[str, int] = dict(
    ERESTARTSYS=512, ERESTARTNOINTR=513, ERESTARTNOHAND=514, ENOIOCTLCMD=515, ERESTART_RESTARTBLOCK=516, EPROBE_DEFER=517
)

NAMES: dict[int, str] = {number: name for name, number in (GENERIC | INTERNAL).items()}


def errno_name(number: int) -> str:
    """Name of an errno given as a positive number; `E<number>` for one that has none here."""
    return NAMES.get(number, f"E{number}")
