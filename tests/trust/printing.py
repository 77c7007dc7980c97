"""Events as ftrace text in the layouts of its display options, from the formats that the kernel prints with."""

from __future__ import annotations

from collections.abc import Callable

from luocheck.traces.records import Enter, Event, Exit, Hit, Record

_ARGUMENTS = {"openat": ("dfd", "filename"), "close": ("fd",), "ioctl": ("fd", "cmd", "arg")}
_TYPES = {"dfd": "int", "filename": "const char *", "fd": "unsigned int", "cmd": "unsigned int", "arg": "unsigned long"}


def message(event: Event, *, verbose: bool = False) -> bytes:
    """What stands behind the colon."""
    match event:
        case Enter(syscall=name, arguments=values, path=path):
            shown = []
            for argument, value in zip(_ARGUMENTS[name], values, strict=True):
                kind = f"{_TYPES[argument]} " if verbose else ""
                text = b"%s%s: 0x%x" % (kind.encode(), argument.encode(), value)
                shown.append(text + b' "%s"' % path if argument == "filename" and path is not None else text)
            return b"sys_%s(%s)" % (name.encode(), b", ".join(shown))
        case Exit(syscall=str(name), result=result):
            return b"sys_%s -> 0x%x" % (name.encode(), result & (1 << 64) - 1)
        case Hit(name=name, function=function, fields=fields):
            values_of = {key: b'"%s"' % v if isinstance(v, bytes) else b"%d" % (v or 0) for key, v in fields.items()}
            values_of |= {key: b"0x%x" % v for key, v in fields.items() if key in ("cmd", "token") and isinstance(v, int)}
            return b"%s: (%s)%s" % (
                name.encode(),
                function.encode(),
                b"".join(b" %s=%s" % (k.encode(), v) for k, v in values_of.items()),
            )
    raise AssertionError(event)


Frame = Callable[[Record, bytes, bytes], bytes]
"""A line from a record, the name of its task, and the message."""


def _seconds(time: int, digits: int = 6) -> bytes:
    return b"%5d.%s" % (time // 10**9, (b"%09d" % (time % 10**9))[:digits])


def _milli(time: int) -> bytes:
    return b"%d.%03dms" % (time // 10**6, time // 1000 % 1000)


def _numbers(record: Record) -> tuple[int, int, int, int]:
    assert record.thread is not None and record.process is not None and record.cpu is not None and record.time is not None
    return record.thread, record.process, record.cpu, record.time


def _default(record: Record, name: bytes, text: bytes) -> bytes:
    thread, _, cpu, time = _numbers(record)
    return b"%16s-%-7d [%03d] ..... %s: %s" % (name, thread, cpu, _seconds(time), text)


def _old_flags(record: Record, name: bytes, text: bytes) -> bytes:
    thread, _, cpu, time = _numbers(record)
    return b"%16s-%-5d [%03d] d.h1 %s: %s" % (name, thread, cpu, _seconds(time), text)


def _no_flags(record: Record, name: bytes, text: bytes) -> bytes:
    thread, _, cpu, time = _numbers(record)
    return b"%16s-%-7d [%03d] %s: %s" % (name, thread, cpu, _seconds(time), text)


def _tgid(record: Record, name: bytes, text: bytes) -> bytes:
    thread, process, cpu, time = _numbers(record)
    return b"%16s-%-7d (%7d) [%03d] ..... %s: %s" % (name, thread, process, cpu, _seconds(time), text)


def _tgid_behind(record: Record, name: bytes, text: bytes) -> bytes:
    thread, process, cpu, time = _numbers(record)
    return b"%16s-%-5d [%03d] (%5d) .... %s: %s" % (name, thread, cpu, process, _seconds(time), text)


def _counter(record: Record, name: bytes, text: bytes) -> bytes:
    thread, _, cpu, time = _numbers(record)
    return b"%16s-%-7d [%03d] ..... %12d: %s" % (name, thread, cpu, time // 1000, text)


def _latency(record: Record, name: bytes, text: bytes) -> bytes:
    thread, _, cpu, time = _numbers(record)
    return b"%8.8s-%-7d   %3d%s %4dus%s: %s" % (name, thread, cpu, b".....", time // 1000, b"+", text)


def _verbose(record: Record, name: bytes, text: bytes) -> bytes:
    thread, _, cpu, time = _numbers(record)
    fields = name, thread, cpu, record.line, time // 1000, _milli(time), text
    return b"%16s %7d %3d 0 00000000 %08x [%08x] %s (+0.001ms): %s" % fields


LAYOUTS: dict[str, Frame] = {
    "default": _default,
    "old flags": _old_flags,
    "noirq-info": _no_flags,
    "record-tgid": _tgid,
    "record-tgid of old kernels": _tgid_behind,
    "counter clock": _counter,
    "latency-format": _latency,
    "latency-format, verbose": _verbose,
}

TASKS = (b"luo-agent", b"a b-12 c", b"x-1 [0] 1: y", b"", b"\xff\x1b[2J", b"fifteen-letters")


def printed(records: list[Record], layout: str) -> bytes:
    """A whole trace."""
    frame, verbose = LAYOUTS[layout], "verbose" in layout
    lines = [b"# tracer: nop", b"#"]
    for record in records:
        name = TASKS[(record.thread or 0) % len(TASKS)]
        lines.append(frame(record, name, message(record.event, verbose=verbose)))
    return b"\n".join(lines) + b"\n"
