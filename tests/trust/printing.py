"""A list of events as a file in every format that luocheck reads.

ftrace, trace.dat, strace and JSON Lines are written by luocheck itself; the others by printers after the programs that print them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO

from luocheck.traces.formats.ftrace_layouts import LAYOUTS
from luocheck.traces.formats.ftrace_writer import FtraceWriter
from luocheck.traces.formats.jsonl import write_jsonl
from luocheck.traces.formats.strace_writer import StraceWriter
from luocheck.traces.formats.trace_dat_writer import Style, write_trace_dat
from luocheck.traces.records import Enter, Exit, Hit, Record, Tally

TASKS = (b"luo-agent", b"a b-12 c", b"x-1 [0] 1: y", b"", b"\xff\x1b[2J", b"fifteen-letters")

_SYSCALLS = ("sys",)
_PROBES = ("sys", "ep", "one")
_STRUCTS = ("sys", "struct")


@dataclass(frozen=True, slots=True)
class Printed:
    """write: the file.  format: as what it is recognised.  recorders: whose events it can hold.  processes: it tells which threads share one."""

    write: Callable[[list[Record]], bytes]
    format: str
    recorders: tuple[str, ...]
    processes: bool = False


def _name(record: Record) -> bytes:
    return TASKS[(record.thread or 0) % len(TASKS)]


def _joined(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _numbers(record: Record) -> tuple[int, int, int, int]:
    assert record.thread is not None and record.process is not None and record.cpu is not None and record.time is not None
    return record.thread, record.process, record.cpu, record.time


# ---- ftrace, trace.dat ------------------------------------------------------------------------------------------


def _ftrace(layout: str) -> Callable[[list[Record]], bytes]:
    def write(records: list[Record]) -> bytes:
        names = {r.thread: _name(r) for r in records if r.thread is not None}
        writer = FtraceWriter(layout=LAYOUTS[layout], names=names)
        printed = _joined(writer.lines(records))
        assert set(writer.left_out) <= {"the time of an event"}
        return printed

    return write


def _moved(records: list[Record]) -> bytes:
    """As someone pastes it: without the columns."""
    return _joined(b"\t\t" + line.strip() for line in _ftrace("default")(records).splitlines())


def _trace_dat(style: Style) -> Callable[[list[Record]], bytes]:
    def write(records: list[Record]) -> bytes:
        file = BytesIO()
        write_trace_dat(file, records, style)
        return file.getvalue()

    return write


# ---- what libtraceevent prints: trace-cmd report, perf script ----------------------------------------------------

_ARGUMENTS = {"openat": ("dfd", "filename"), "close": ("fd",), "ioctl": ("fd", "cmd", "arg")}


def _library_message(record: Record) -> tuple[str, bytes]:
    """Name of an event, with its system where that is known, and what its `print fmt` gives."""
    match record.event:
        case Enter(syscall=name, arguments=values, path=path):
            shown = [b"%s: 0x%08x" % (a.encode(), v & 0xFFFFFFFFFFFF) for a, v in zip(_ARGUMENTS[name], values, strict=True)]
            text = b", ".join(shown)
            return f"syscalls:sys_enter_{name}", text if path is None else text + b' "%s"' % path
        case Exit(syscall=name, result=result):
            return f"syscalls:sys_exit_{name}", b"0x%x" % (result & (1 << 64) - 1)
        case Hit(name=name, fields=fields, returns=returns):
            values_of = [
                b' %s="%s"' % (k.encode(), v) if isinstance(v, bytes) else b" %s=%d" % (k.encode(), v or 0)
                for k, v in fields.items()
            ]
            place = b"(ffffffff810ee2d0 <- ffffffff812e5d15)" if returns else b""
            return name, place + b"".join(values_of)
    raise AssertionError(record)


def _trace_cmd(records: list[Record]) -> bytes:
    lines = [b"cpus=2"]
    for record in records:
        thread, _, cpu, time = _numbers(record)
        name, text = _library_message(record)
        event = b"%-21s " % (name.rpartition(":")[2].encode() + b":")
        lines.append(b"%16s-%-5d [%03d] ..... %5d.%06d: %s" % (_name(record), thread, cpu, *_micro(time), event + text))
    return _joined(lines)


def _perf_script(records: list[Record]) -> bytes:
    """With -F +pid."""
    lines = []
    for record in records:
        thread, process, cpu, time = _numbers(record)
        name, text = _library_message(record)
        line = b"%16s %7d/%-7d [%03d] %5d.%06d: %28s: %s"
        lines.append(line % (_name(record), process, thread, cpu, *_micro(time), name.encode(), text))
    return _joined(lines)


def _micro(time: int) -> tuple[int, int]:
    return divmod(time // 1000, 10**6)


# ---- perf trace, LTTng, bpftrace, strace, JSON Lines -------------------------------------------------------------


def _perf_trace(records: list[Record]) -> bytes:
    """One line for each call, when it is over.  Names of tasks are no more than what perf prints of them."""
    begun: dict[int, Record] = {}
    lines = []
    for record in records:
        thread, _, _, time = _numbers(record)
        event = record.event
        if isinstance(event, Enter):
            begun[thread] = record
            continue
        assert isinstance(event, Exit)
        first = begun.pop(thread)
        began = first.time or 0
        assert isinstance(first.event, Enter)
        result = b"%d" % event.result if event.result >= 0 else b"-1 (unknown) (%s)" % _error(-event.result)
        head = b"%10.3f (%6.3f ms): luo-agent/%d " % (began // 1000 / 1000, (time // 1000 - began // 1000) / 1000, thread)
        lines.append(head + b"%-60s = %s" % (_perf_call(first.event), result))
    for thread, record in begun.items():
        assert isinstance(record.event, Enter)
        lines.append(
            b"%10.3f (         ): luo-agent/%d %s ..." % ((record.time or 0) // 1000 / 1000, thread, _perf_call(record.event))
        )
    return _joined(lines)


def _error(number: int) -> bytes:
    return os.strerror(number).encode()


def _perf_call(event: Enter) -> bytes:
    match event.syscall:
        case "openat":
            return b'openat(dfd: CWD, filename: "%s", flags: RDWR)' % (event.path or b"")
        case "ioctl":
            fd, command, argument = event.arguments
            direction = (b"NONE", b"WRITE", b"READ", b"READ|WRITE")[command >> 30]
            parts = direction, command >> 8 & 0xFF, command & 0xFF, command >> 16 & 0x3FFF
            return b"ioctl(fd: %d, cmd: (%s, 0x%x, 0x%x, 0x%x), arg: 0x%x)" % (fd, *parts, argument)
    return b"%s(fd: %d)" % (event.syscall.encode(), event.arguments[0])


def _lttng(records: list[Record]) -> bytes:
    lines = []
    for record in records:
        thread, process, cpu, time = _numbers(record)
        match record.event:
            case Enter(syscall="openat", path=path):
                name, fields = "syscall_entry_openat", b'dfd = -100, filename = "%s", flags = 2' % (path or b"")
            case Enter(syscall=name, arguments=values):
                named = zip(_ARGUMENTS[name], values, strict=True)
                name, fields = f"syscall_entry_{name}", b", ".join(b"%s = %d" % (key.encode(), value) for key, value in named)
            case Exit(syscall=call, result=result):
                name, fields = f"syscall_exit_{call}", b"ret = %d" % result
            case _:
                raise AssertionError(record)
        clock = b"%02d:%02d:%02d.%09d" % (time // 10**9 // 3600, time // 10**9 // 60 % 60, time // 10**9 % 60, time % 10**9)
        task = _name(record).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        context = b'{ cpu_id = %d }, { procname = "%s", pid = %d, tid = %d }' % (cpu, task, process, thread)
        lines.append(b"[%s] (+0.000001234) host %s: %s, { %s }" % (clock, name.encode(), context, fields))
    return _joined(lines)


def _bpftrace(records: list[Record]) -> bytes:
    lines = [b"Attaching 20 probes..."]
    for record in records:
        thread, process, cpu, time = _numbers(record)
        match record.event:
            case Enter(syscall="openat"):
                kind, rest = b"O", b"1"
            case Enter(syscall=name, arguments=values, struct=struct):
                kind, rest = b"E", b" ".join((name.encode(), _memory(struct), *(b"%d" % value for value in values)))
            case Exit(syscall=call, result=result, struct=struct):
                kind, rest = b"X", b"%s %s %d" % ((call or "").encode(), _memory(struct), result)
            case _:
                raise AssertionError(record)
        lines.append(b"luo1 %s %d %d %d %d %s" % (kind, time, cpu, process, thread, rest))
    return _joined(lines)


def _memory(struct: object) -> bytes:
    return b"".join(b"\\x%02x" % byte for byte in struct) if isinstance(struct, bytes) else b"-"


def _strace(records: list[Record]) -> bytes:
    writer = StraceWriter()
    printed = _joined(writer.lines(records))
    assert not writer.left_out
    return printed


def _jsonl(records: list[Record]) -> bytes:
    return _joined(write_jsonl(iter(records), Tally(), "generated"))


FORMATS: dict[str, Printed] = {
    "trace-cmd report": Printed(_trace_cmd, "trace-cmd report", _PROBES),
    "perf script": Printed(_perf_script, "perf script", _PROBES, processes=True),
    "perf trace": Printed(_perf_trace, "perf trace", _SYSCALLS),
    "LTTng text": Printed(_lttng, "LTTng text", _SYSCALLS, processes=True),
    "ftrace exact": Printed(_ftrace("exact"), "ftrace", _PROBES, processes=True),
    "ftrace default": Printed(_ftrace("default"), "ftrace", _PROBES),
    "ftrace default before 5.14": Printed(_ftrace("default before 5.14"), "ftrace", _PROBES),
    "ftrace noirq-info": Printed(_ftrace("noirq-info"), "ftrace", _PROBES),
    "ftrace record-tgid": Printed(_ftrace("record-tgid"), "ftrace", _PROBES, processes=True),
    "ftrace record-tgid before 5.9": Printed(_ftrace("record-tgid before 5.9"), "ftrace", _PROBES, processes=True),
    "ftrace counter clock": Printed(_ftrace("counter clock"), "ftrace", _PROBES),
    "ftrace latency-format": Printed(_ftrace("latency-format"), "ftrace latency", _PROBES),
    "ftrace latency-format, record-tgid": Printed(
        _ftrace("latency-format, record-tgid"), "ftrace latency", _PROBES, processes=True
    ),
    "ftrace latency-format, verbose": Printed(_ftrace("latency-format, verbose"), "ftrace verbose", _PROBES),
    "ftrace function_graph": Printed(_ftrace("function_graph"), "ftrace function_graph", _PROBES),
    "ftrace moved": Printed(_moved, "ftrace moved", _PROBES),
    "strace": Printed(_strace, "strace", _STRUCTS),
    "bpftrace": Printed(_bpftrace, "bpftrace", ("sys", "bytes"), processes=True),
    "jsonl": Printed(_jsonl, "jsonl", ("sys", "ep", "one", "struct", "bytes"), processes=True),
    "trace.dat 6": Printed(_trace_dat(Style(version=6)), "trace.dat", _PROBES),
    "trace.dat 7": Printed(_trace_dat(Style()), "trace.dat", _PROBES),
    "trace.dat 7, zlib, big-endian": Printed(_trace_dat(Style(packing="zlib", order=">")), "trace.dat", _PROBES),
    "trace.dat 6, 32 bits": Printed(_trace_dat(Style(version=6, word=4)), "trace.dat", _PROBES),
}
"""Every layout of ftrace text is here, and every format of the registry; the tests look."""
