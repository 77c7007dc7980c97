"""The frame of an ftrace text line as the kernel prints it with each of its display options: the counterpart of `ftrace_line`.

(kernel/trace/trace_output.c, trace_print_context and trace_print_lat_context; kernel/trace/trace_functions_graph.c, print_graph_prologue.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_SECOND = 10**9
_COMM_LENGTH = 15
_PROCINFO_LENGTH = 14  # TRACE_GRAPH_PROCINFO_LENGTH

_PLAIN_HEADER = b"#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION"
_TGID_HEADER = b"#           TASK-PID       TGID     CPU#  |||||  TIMESTAMP  FUNCTION"


@dataclass(frozen=True, slots=True)
class Columns:
    """What stands before a message.  number: of the event.  process: None when it is not known.  time: in ns, or a count."""

    number: int
    comm: bytes
    thread: int
    process: int | None
    cpu: int
    time: int
    counter: bool

    def clock(self, digits: int) -> bytes:
        """Seconds with a fraction, or the bare count."""
        seconds, rest = divmod(self.time, _SECOND)
        return b"%12d" % self.time if self.counter else b"%5d.%s" % (seconds, (b"%09d" % rest)[:digits])

    @property
    def micro(self) -> int:
        return self.time if self.counter else self.time // 1000

    def group(self, width: int = 7) -> bytes:
        return b"(%s)" % (b"-" * width if self.process is None else b"%*d" % (width, self.process))

    def task(self) -> bytes:
        return b"%16s" % self.comm[:_COMM_LENGTH]


@dataclass(frozen=True, slots=True)
class Layout:
    """line: a whole line from its columns and the message.  typed: arguments of calls stand behind their types (`verbose`).

    counts: the clock counts events.  groups: there is a column for the thread group.  header: the line that names the columns.
    """

    line: Callable[[Columns, bytes], bytes]
    header: bytes = _PLAIN_HEADER
    typed: bool = False
    counts: bool = False
    groups: bool = False


def _exact(c: Columns, message: bytes) -> bytes:
    return b"%s-%-7d %s [%03d] ..... %s: %s" % (c.task(), c.thread, c.group(), c.cpu, c.clock(9), message)


def _default(c: Columns, message: bytes) -> bytes:
    return b"%s-%-7d [%03d] ..... %s: %s" % (c.task(), c.thread, c.cpu, c.clock(6), message)


def _old(c: Columns, message: bytes) -> bytes:
    return b"%s-%-5d [%03d] d.h1 %s: %s" % (c.task(), c.thread, c.cpu, c.clock(6), message)


def _without_flags(c: Columns, message: bytes) -> bytes:
    return b"%s-%-7d [%03d] %s: %s" % (c.task(), c.thread, c.cpu, c.clock(6), message)


def _group(c: Columns, message: bytes) -> bytes:
    return b"%s-%-7d %s [%03d] ..... %s: %s" % (c.task(), c.thread, c.group(), c.cpu, c.clock(6), message)


def _group_behind(c: Columns, message: bytes) -> bytes:
    return b"%s-%-5d [%03d] %s .... %s: %s" % (c.task(), c.thread, c.cpu, c.group(5), c.clock(6), message)


def _latency(c: Columns, message: bytes) -> bytes:
    return b"%8.8s-%-7d   %3d..... %4dus+: %s" % (c.comm, c.thread, c.cpu, c.micro, message)


def _latency_group(c: Columns, message: bytes) -> bytes:
    return b"%8.8s-%-7d %s %3d..... %4dus+: %s" % (c.comm, c.thread, c.group(), c.cpu, c.micro, message)


def _verbose(c: Columns, message: bytes) -> bytes:
    milli, micro = divmod(c.micro, 1000)
    shown = c.task(), c.thread, c.cpu, c.number, c.micro, milli, micro, message
    return b"%s %7d %3d 0 00000000 %08x [%08x] %d.%03dms (+0.001ms): %s" % shown


def _graph(c: Columns, message: bytes) -> bytes:
    task = b"%s-%d" % (c.comm[:7], c.thread)
    before = max(0, _PROCINFO_LENGTH - len(task)) // 2
    task = (b" " * before + task).ljust(_PROCINFO_LENGTH)
    return b"%s |   %d) %s |               |  /* %s */" % (c.clock(6), c.cpu, task, message)


LAYOUTS: dict[str, Layout] = {
    "exact": Layout(_exact, _TGID_HEADER, groups=True),
    "default": Layout(_default),
    "default before 5.14": Layout(_old),
    "noirq-info": Layout(_without_flags, b"#           TASK-PID     CPU#     TIMESTAMP  FUNCTION"),
    "record-tgid": Layout(_group, _TGID_HEADER, groups=True),
    "record-tgid before 5.9": Layout(
        _group_behind, b"#           TASK-PID   CPU#   TGID   ||||    TIMESTAMP  FUNCTION", groups=True
    ),
    "counter clock": Layout(_default, counts=True),
    "latency-format": Layout(_latency, b"#  |||||  /     delay"),
    "latency-format, record-tgid": Layout(_latency_group, b"#  |||||  /     delay", groups=True),
    "latency-format, verbose": Layout(_verbose, b"#  |||||  /     delay", typed=True),
    "function_graph": Layout(_graph, b"#     TIME        CPU  TASK/PID         DURATION                  FUNCTION CALLS"),
}
"""Layouts by the display options of the kernel that give them.  `exact` is `record-tgid` with all nine digits of the times."""
