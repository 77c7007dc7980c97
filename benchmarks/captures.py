"""Large recordings, made of a vendored one that is repeated: every copy is another agent, with its own processes, times and names."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from luocheck.traces.formats.trace_dat_file import pages, read_container
from luocheck.traces.formats.trace_dat_writer import Style, write_pages

CAPTURES = Path(__file__).resolve().parents[1] / "tests" / "traces" / "captures"
CONCURRENT = CAPTURES / "concurrent"
"""Eight tasks of an agent that create sessions, preserve files into them and release them again: it leaves nothing behind, so that the
next copy begins where it began."""

RECORDERS = ("one", "dyn", "core", "ep", "sys", "raw")
"""Ways of recording the same agent (names of its captures), from a probe for each call to all system calls of the processes.  With these
a copy shows as many calls as the recording itself."""

_PREFIX = "conc"
"""Session names begin with it."""

_TASK = re.compile(r"^(\s*\S+?-)(\d+)(\s+(?:\(\s*[\d-]+\)\s+)?\[\d+\]\s+\S+\s+)(\d+)\.(\d{6})(:.*)$")
_CHILD = re.compile(r"\b((?:child_|old_)?pid=)(\d+)")
_FORKED = re.compile(r"^(: sys_(?:clone3?|v?fork) -> 0x)([0-9a-f]+)$")
_PIDS = 1_000
"""Ids of tasks from one copy to the next: more than a capture uses."""


def recording(recorder: str) -> list[str]:
    """Lines of the capture of the concurrent agent by one of RECORDERS."""
    with gzip.open(CONCURRENT / f"conc1.{recorder}.trace.txt.gz", "rt", encoding="latin-1") as file:
        return file.read().splitlines()


def repeated(lines: list[str], copies: int) -> Iterator[str]:
    """Lines of a recording that shows the same agent so many times, one after the other."""
    yield from (line for line in lines if line.startswith("#"))
    events = [line for line in lines if line and not line.startswith("#")]
    times = [float(f"{m[4]}.{m[5]}") for m in map(_TASK.match, events) if m]
    period = int(max(times) - min(times)) + 1
    for copy in range(copies):
        yield from (_moved(line, copy, period) for line in events)


NOISE = (
    (
        "kworker/0:1",
        "[000] d..2.",
        "sched_switch: prev_comm=kworker/0:1 prev_pid={0} prev_prio=120 prev_state=I ==> next_comm=swapper/0 next_pid=0",
    ),
    ("sshd", "[001] .....", "sys_enter: NR 0 (3, 7ffdc1ae3690, 400, 0, {0}, 0)"),
    ("sshd", "[001] .....", "sys_exit: NR 0 = {0}"),
    ("bash", "[001] .....", "sys_read(fd: 3, buf: 0x7ffdc1ae3690, count: 0x{0})"),
    ("bash", "[001] .....", "sys_read -> 0x{0}"),
    ("<idle>", "[000] d.h1.", "irq_handler_entry: irq={0} name=virtio0"),
)
"""What else happens on a machine: name, CPU with flags, message with a number in it."""


def long(lines: list[str], events: int) -> Iterator[str]:
    """Lines of a recording with so many events in it: one agent, somewhere in the middle of what a machine does anyway."""
    shown = [line for line in lines if line and not line.startswith("#")]
    clocks = [int(m[4]) * 10**6 + int(m[5]) for m in map(_TASK.match, shown) if m]
    yield from (line for line in lines if line.startswith("#"))
    half = (events - len(shown)) // 2
    for number in range(events - len(shown)):
        if number == half:
            yield from shown
        before = number < half
        second, micro = divmod(min(clocks) * number // half if before else max(clocks) + number - half, 10**6)
        name, flags, message = NOISE[number % len(NOISE)]
        yield f"{name:>16}-{100 + number % 7:<7d} {flags} {second:5d}.{micro:06d}: {message.format(number % 1000)}"


ERRORS = CAPTURES / "errors-outgoing" / "errors.one.trace.txt.gz"


def repeating(calls: int, *, noise: int = 0) -> Iterator[str]:
    """Lines of a recording of an agent that makes the same three mistakes again and again: so many calls, with so much else before each."""
    with gzip.open(ERRORS, "rt", encoding="latin-1") as file:
        lines = file.read().splitlines()
    yield from (line for line in lines if line.startswith("#") and "entries-in-buffer" not in line)
    shown = [found for line in lines if (found := _TASK.match(line))]
    opened, mistakes = [shown[0], shown[2]], shown[3:6]
    micro = 10**6
    for number in range(calls):
        found = opened[number] if number < len(opened) else mistakes[number % len(mistakes)]
        for other in range(noise):
            micro += 1
            name, flags, message = NOISE[other % len(NOISE)]
            yield f"{name:>16}-{100 + other % 7:<7d} {flags} {micro // 10**6:5d}.{micro % 10**6:06d}: {message.format(other % 1000)}"
        micro += 1
        yield f"{found[1]}{found[2]}{found[3]}{micro // 10**6}.{micro % 10**6:06d}{found[6]}"


def _moved(line: str, copy: int, period: int) -> str:
    name = _code(copy)
    line = line.replace(_PREFIX, name).replace(_little_endian(_PREFIX), _little_endian(name))
    found = _TASK.match(line)
    if found is None:
        return line
    text = _CHILD.sub(lambda m: m[1] + _task(m[2], copy), found[6])
    text = _FORKED.sub(lambda m: m[1] + format(int(_task(str(int(m[2], 16)), copy)), "x"), text)
    return f"{found[1]}{_task(found[2], copy)}{found[3]}{int(found[4]) + copy * period}.{found[5]}{text}"


def _task(number: str, copy: int) -> str:
    """Tasks that were there before (init) and the child's 0 from fork stay what they are."""
    return number if int(number) < 2 else str(int(number) + copy * _PIDS)


def _code(copy: int) -> str:
    """Four letters, another four for every copy."""
    letters = ""
    for _ in range(len(_PREFIX)):
        copy, letter = divmod(copy, 26)
        letters = chr(ord("a") + letter) + letters
    return letters


def _little_endian(text: str) -> str:
    """How a probe that shows memory as a number writes these bytes."""
    return text.encode()[::-1].hex()


def repeated_dat(source: Path, target: Path, copies: int) -> None:
    """A trace.dat with the pages of another one so many times, each time later; not packed, so that reading is what takes time.

    The other one has one buffer and is of a little-endian machine of 64 bits.  It is made, not recorded: ids of tasks repeat.
    """
    with source.open("rb") as file:
        container = read_container(file, source.stat().st_size)
        of_cpu = {extent.cpu: list(pages(container, buffer, extent)) for buffer in container.buffers for extent in buffer.extents}
    starts = [_start(page) for each in of_cpu.values() for page in each]
    period = max(starts) - min(starts) + 10**6
    cpus = [
        [_later(page, copy * period) for copy in range(copies) for page in of_cpu.get(cpu, [])] for cpu in range(max(of_cpu) + 1)
    ]
    with target.open("wb") as file:
        write_pages(file, cpus, container.formats, container.kallsyms, Style(7))


def _start(page: bytes) -> int:
    time: int = struct.unpack_from("<Q", page)[0]
    return time


def _later(page: bytes, by: int) -> bytes:
    return struct.pack("<Q", _start(page) + by) + page[8:]
