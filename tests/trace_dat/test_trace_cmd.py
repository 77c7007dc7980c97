"""trace-cmd and luocheck see the same events in a trace.dat: as many, in the same order, with the same task, CPU and time.

Where trace-cmd is missing these tests are skipped.
"""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from luocheck.traces.formats.trace_dat import read_records
from luocheck.traces.formats.trace_dat_writer import Style, write_trace_dat
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Gap, Hit, Marker, Record, Tally
from luocheck.traces.source import open_capture

TRACE_CMD = shutil.which("trace-cmd")
pytestmark = [pytest.mark.tools, pytest.mark.skipif(TRACE_CMD is None, reason="needs trace-cmd")]

CAPTURES = Path(__file__).parents[1] / "traces" / "captures" / "trace-dat"
_LINE = re.compile(rb"(?: *\w+:)? {1,20}.{1,16}-(\d+) +\[(\d+)\](?: +[^ :]{4,6})? +(\d+)(?:\.(\d{9}))?: +(\w+):.*")
_LOST = re.compile(rb"CPU:(\d+) \[(?:(\d+) )?EVENTS DROPPED\]")


def report(path: Path) -> tuple[list[tuple[int, int, int, str]], list[tuple[int, int | None]]]:
    """Events as `trace-cmd report` prints them, each on a line of its own (-N: no plugin joins two), and its losses."""
    assert TRACE_CMD is not None
    done = subprocess.run([TRACE_CMD, "report", "-N", "-t", "-i", str(path)], capture_output=True, check=True)
    events, losses = [], []
    for line in done.stdout.splitlines():
        found = _LINE.fullmatch(line)
        lost = _LOST.fullmatch(line)
        if found is not None:
            time = int(found[3]) if found[4] is None else int(found[3]) * 10**9 + int(found[4])
            events.append((int(found[1]), int(found[2]), time, found[5].decode()))
        elif lost is not None:
            losses.append((int(lost[1]), int(lost[2]) if lost[2] else None))
        else:
            assert not line or line.startswith(b"cpus="), line
    return events, losses


def name(event: Event) -> str:
    match event:
        case Enter(syscall=call, source=source):
            return "sys_enter" if source == "raw" else f"sys_enter_{call}"
        case Exit(syscall=call, source=source):
            return "sys_exit" if source == "raw" else f"sys_exit_{call}"
        case Hit(name="function", returns=returns):
            return "funcgraph_exit" if returns else "funcgraph_entry"
        case Hit(name=shown):
            return shown.partition(" ")[0].rpartition(":")[2]
        case Forked():
            return "sched_process_fork"
        case Ended():
            return "sched_process_exit"
        case Executed():
            return "sched_process_exec"
    return "print" if isinstance(event, Marker) else "?"


def agree(path: Path, least: int) -> None:
    """least: how many events of the file say something about calls."""
    events, losses = report(path)
    tally, capture = Tally(), open_capture(str(path))
    records = list(read_records(capture, "trace.dat", tally))
    assert tally.events == len(events) and capture.damage is None and not tally.unread_count
    gaps = [(r.cpu, r.event.count) for r in records if isinstance(r.event, Gap)]
    assert sorted(gaps, key=str) == sorted(losses, key=str)
    read = [record for record in records if not isinstance(record.event, Gap)]
    assert [(r.thread, r.cpu, r.time, name(r.event)) for r in read] == [events[r.line - 1] for r in read]
    assert len(read) >= least


@pytest.mark.parametrize(
    ("capture", "least"),
    [
        ("alldyn.one.dat", 180), ("buffers.one.dat", 200), ("errors.raw.dat", 150), ("errors.sys.dat", 150), ("functions.fg.dat", 180),
        ("killed.one.dat", 25), ("lost.sys.dat", 3000), ("stage2.one.dat", 100), ("tsc.one.dat", 10), ("v6.sys.dat.gz", 145),
        ("withsys.one.dat", 250),
    ],
)  # fmt: skip
def test_recordings_of_a_kernel(capture: str, least: int, tmp_path: Path) -> None:
    data = (CAPTURES / capture).read_bytes()
    path = tmp_path / "t.dat"
    path.write_bytes(gzip.decompress(data) if capture.endswith(".gz") else data)
    agree(path, least)


@pytest.mark.parametrize(
    "style",
    [
        Style(6),
        Style(7),
        Style(7, "zstd"),
        Style(6, order=">"),
        Style(7, "zstd", order=">"),
        Style(7, word=4),
        Style(6, order=">", word=4),
    ],
    ids=str,
)
def test_files_of_our_own(style: Style, tmp_path: Path) -> None:
    """Files that the writer makes are read by trace-cmd: many pages, three CPUs, long pauses, losses, long and short events."""
    records, time = [], 10
    for n in range(1500):
        time += 1 << 40 if n % 100 == 0 else 7 * n
        cpu = n * n % 3
        event: Event = Enter("ioctl", (3, 0xBA00 + n, 0x7FFC, 0, 0, 0), "syscalls") if n % 2 else Exit("ioctl", -n, "syscalls")
        match n % 50:
            case 10:
                event = Marker(b"m" * (n % 700))
            case 20:
                event = Forked(None, n)
            case 30:
                event = Ended(n, n % 100 == 30)
            case 40:
                event = Enter("openat", (0, 0, 2, 0, 0, 0), "syscalls", b"/dev/liveupdate")
        records.append(Record(n + 1, time, n % 17 + 1, None, cpu, event))
        if n in (700, 900):
            records.append(Record(0, time, None, None, cpu, Gap(None if n == 900 else 12, "")))
    with (tmp_path / "t.dat").open("wb") as file:
        write_trace_dat(file, records, style)
    agree(tmp_path / "t.dat", 1500)


@pytest.mark.parametrize("options", [("--file-version", "6"), ("--file-version", "7", "--compression", "none")], ids=lambda o: o[1])
@pytest.mark.parametrize("capture", ["buffers.one.dat", "lost.sys.dat", "tsc.one.dat"])
def test_files_that_trace_cmd_converted(capture: str, options: tuple[str, ...], tmp_path: Path) -> None:
    """Two buffers, losses and another clock, in the layouts of version 6 and of version 7 without packing."""
    assert TRACE_CMD is not None
    found = []
    path = tmp_path / "t.dat"
    subprocess.run(
        [TRACE_CMD, "convert", "-i", str(CAPTURES / capture), "-o", str(path), *options], capture_output=True, check=True
    )
    for each in (CAPTURES / capture, path):
        found.append(list(read_records(open_capture(str(each)), "trace.dat", Tally())))
    assert found[0] == found[1] and len(found[0]) > 10
