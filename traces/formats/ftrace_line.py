"""The frame of an ftrace text line: who, where, when, in front of the message.

The kernel prints a task name of at most 15 bytes into 16 columns, so the name is found by its place and never by what is in it: a name
may hold dashes, brackets, colons, bytes that are no UTF-8, and even a line end (kernel/trace/trace_output.c).  All patterns run in linear
time: no repetition overlaps the next one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

NANOSECOND = 10**9
MOVED = "ftrace moved"
"""The standard layout after someone indented it anew, so that columns say nothing."""


@dataclass(frozen=True, slots=True)
class Frame:
    """time is in ns, or a bare counter where `counter` says so.  process is the thread group, when that was recorded."""

    comm: bytes
    thread: int | None
    process: int | None
    cpu: int | None
    time: int | None
    message: bytes
    counter: bool = False


_STANDARD = re.compile(
    rb"(.{16})-(\d{1,10}) +(?:\( *(\d{1,10}|-+)\) +)?\[(\d{3,6})\] +(?:\( *(\d{1,10}|-+)\) +)?(?:([.0-9A-Za-z]{4,5}) +)?"
    rb"(\d{1,20})(?:\.(\d{1,9}))?: (.*)",
    re.DOTALL,
)
_LONGEST_NAME = 15
_BEHIND_NAME = re.compile(
    rb"-(\d{1,10})[ \t]+(?:\([ \t]*(\d{1,10}|-+)\)[ \t]+)?\[(\d{3,6})\][ \t]+(?:\([ \t]*(\d{1,10}|-+)\)[ \t]+)?"
    rb"(?:[.0-9A-Za-z]{4,5}[ \t]+)?(\d{1,20})(?:\.(\d{1,9}))?:[ \t](.*)",
    re.DOTALL,
)
_LATENCY = re.compile(
    rb"(.{8})-(\d{1,10}) +(?:\( *(\d{1,10}|-+)\) +)?(\d{1,5})([.A-Za-z][.0-9A-Za-z]{3,4}) +(\d{1,20})us[ +!#*@$]: (.*)", re.DOTALL
)
_VERBOSE = re.compile(
    rb"(.{16}) +(\d{1,10}) +(?:\( *(\d{1,10}|-+)\) +)?(\d{1,5}) +\d{1,5} [0-9a-f]{8} [0-9a-f]{8,16} \[[0-9a-f]{1,16}\] "
    rb"(\d{1,16})\.(\d{3})ms \(\+-?\d{1,16}\.\d{3}ms\): (.*)",
    re.DOTALL,
)
_GRAPH = re.compile(
    rb" *(?:(\d{1,20})\.(\d{1,9}) \| +)?(\d{1,5})\) (?:(.{14,18}) \| )?(?:[ +!#*@$] )? {0,40}(?:\d{1,20}(?:\.\d{1,9})? us)? {0,40}\|  (.*)",
    re.DOTALL,
)


def _group(*found: bytes | None) -> int | None:
    """The thread group id of a TGID column; dashes when it was not known."""
    for each in found:
        if each is not None:
            return int(each) if each[:1] != b"-" else None
    return None


def parse_standard(line: bytes) -> Frame | None:
    """`COMM-PID (TGID) [CPU] FLAGS TIME: MESSAGE`, with or without TGID (on either side of the CPU) and flags."""
    match = _STANDARD.fullmatch(line)
    if match is None:
        return None
    comm, thread, before, cpu, after, _, seconds, fraction, message = match.groups()
    counter = fraction is None
    time = int(seconds) if fraction is None else int(seconds) * NANOSECOND + int(fraction.ljust(9, b"0"))
    return Frame(comm.lstrip(b" "), int(thread), _group(before, after), int(cpu), time, message, counter)


def parse_latency(line: bytes) -> Frame | None:
    """latency-format: 8 columns of name, the CPU glued to the flags, microseconds since the buffer began."""
    match = _LATENCY.fullmatch(line)
    if match is None:
        return None
    comm, thread, group, cpu, _, micro, message = match.groups()
    return Frame(comm.lstrip(b" "), int(thread), _group(group), int(cpu), int(micro) * 1000, message)


def parse_verbose(line: bytes) -> Frame | None:
    """latency-format with verbose: columns of numbers, milliseconds since the buffer began."""
    match = _VERBOSE.fullmatch(line)
    if match is None:
        return None
    comm, thread, group, cpu, milli, micro, message = match.groups()
    return Frame(comm.lstrip(b" "), int(thread), _group(group), int(cpu), (int(milli) * 1000 + int(micro)) * 1000, message)


def parse_graph(line: bytes) -> Frame | None:
    """function_graph: `TIME | CPU) TASK-PID | DURATION | CALL`, where time and task are options; the task takes 14 columns."""
    match = _GRAPH.fullmatch(line)
    if match is None:
        return None
    seconds, fraction, cpu, task, message = match.groups()
    comm, thread = b"", None
    if task is not None:
        name, dash, number = task.strip(b" ").rpartition(b"-")
        if not dash or not number.isdigit() or len(number) > 10:
            return None
        comm, thread = name, int(number)
    time = None if seconds is None else int(seconds) * NANOSECOND + int(fraction.ljust(9, b"0"))
    return Frame(comm, thread, None, int(cpu), time, message)


def parse_moved(line: bytes) -> Frame | None:
    """The standard layout in a line that was indented anew: the task name ends where the rest has the form of one, if at one place only."""
    text = line.lstrip(b" \t")
    found = [
        match
        for dash in range(min(len(text), _LONGEST_NAME + 1))
        if text[dash : dash + 1] == b"-" and (match := _BEHIND_NAME.match(text, dash))
    ]
    if len(found) != 1:
        return None
    thread, before, cpu, after, seconds, fraction, message = found[0].groups()
    counter = fraction is None
    time = int(seconds) if fraction is None else int(seconds) * NANOSECOND + int(fraction.ljust(9, b"0"))
    return Frame(text[: found[0].start()], int(thread), _group(before, after), int(cpu), time, message, counter)


Parser = Callable[[bytes], Frame | None]

LAYOUTS: dict[str, Parser] = {
    "ftrace": parse_standard,
    "ftrace latency": parse_latency,
    "ftrace verbose": parse_verbose,
    "ftrace function_graph": parse_graph,
    MOVED: parse_moved,
}
"""Name of a layout, and what reads a line of it."""

NAME_COLUMNS = {"ftrace": 16, "ftrace latency": 8, "ftrace verbose": 16, "ftrace function_graph": 0, MOVED: 0}
"""Width of the task name at the beginning of a line: a line end within it belongs to the name."""
