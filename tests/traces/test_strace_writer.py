"""Records written as the output of strace: what is read back is the same calls, and what strace never prints is counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from luocheck.traces.formats.strace_text import read_strace
from luocheck.traces.formats.strace_writer import StraceWriter
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Gap, Hit, Marker, Other, Record, Tally
from luocheck.traces.source import open_capture

S = 10**9


def written(records: list[Record], path: Path) -> tuple[list[Record], StraceWriter]:
    """What is read back of the records."""
    writer = StraceWriter()
    path.write_bytes(b"".join(line + b"\n" for line in writer.lines(records)))
    tally = Tally()
    found = list(read_strace(open_capture(str(path)), "strace", tally))
    assert not tally.unread_count and not tally.notes
    return found, writer


def record(event: Event, time: int | None = None, thread: int | None = 7) -> Record:
    return Record(1, time, thread, None, None, event)


CALLS: list[tuple[Enter, Exit]] = [
    (Enter("ioctl", (3, 0xBA00, 0x7FFC), "strace", links=(b"/dev/liveupdate",)), Exit("ioctl", 0, "strace")),
    (Enter("ioctl", (4, 0xBA40), "strace", links=(b"anon_inode:[luo_session] <a>\n\xff\\",)), Exit("ioctl", -17, "strace")),
    (Enter("openat", ((1 << 64) - 100,), "strace", b'/dev/"x"\n'), Exit("openat", 3, "strace", b"/dev/x")),
    (Enter("open", (), "strace", b"/dev/liveupdate"), Exit("open", -16, "strace")),
    (Enter("close", ((1 << 64) - 1,), "strace"), Exit("close", -9, "strace")),
    (Enter("clone", (0x1200011,), "strace"), Exit("clone", -11, "strace")),
    (Enter("clone3", (), "strace", struct={"flags": 0x400}), Exit("clone3", -11, "strace")),
    (Enter("reboot", (0xFEE1DEAD, 0x28121969, 0x45584543), "strace"), Exit("reboot", -512, "strace")),
    (
        Enter("ioctl", (3, 0xBA00), "strace", struct={"size": 72, "name": b'vm-\xff"}, {'}),
        Exit("ioctl", 0, "strace", struct={"fd": 4}),
    ),
    (Enter("dup", (3,), "strace"), Exit("dup", -4000, "strace")),
]


@pytest.mark.parametrize(("enter", "exit"), CALLS, ids=lambda event: getattr(event, "syscall", ""))
def test_a_call_survives(enter: Enter, exit: Exit, tmp_path: Path) -> None:
    found, writer = written([record(enter, 5 * S), record(exit, 5 * S + 7)], tmp_path / "t")
    assert [(r.time, r.thread, r.event) for r in found] == [(5 * S, 7, enter), (5 * S + 7, 7, exit)]
    assert not writer.left_out


def test_calls_that_overlap_are_two_halves(tmp_path: Path) -> None:
    (one, over), (two, done) = CALLS[0], CALLS[1]
    records = [record(one, 1, 7), record(two, 2, 8), record(done, 3, 8), record(over, 4, 7)]
    found, _ = written(records, tmp_path / "t")
    assert [(r.time, r.thread, r.event) for r in found] == [(r.time, r.thread, r.event) for r in records]


def test_births_and_ends(tmp_path: Path) -> None:
    events = [Enter("clone", (17,), "strace"), Forked(None, 8), Exit("clone", 8, "strace"), Ended(7, None)]
    found, writer = written([record(event) for event in events], tmp_path / "t")
    assert [r.event for r in found] == events and not writer.left_out


def test_one_call_in_two_families_is_written_once(tmp_path: Path) -> None:
    both = [Enter("close", (3,), "raw"), Enter("close", (3,), "syscalls"), Exit("close", 0, "syscalls"), Exit("close", 0, "raw")]
    found, _ = written([record(event) for event in both], tmp_path / "t")
    assert [type(r.event).__name__ for r in found] == ["Enter", "Exit"]


@pytest.mark.parametrize(
    ("time", "shown"),
    [(0, 0), (86399 * S + 1, 86399 * S + 1), (86400 * S, None), (1795466946 * S + 5, 1795466946 * S + 5), (None, None)],
)
def test_times_of_the_day_and_of_the_epoch(time: int | None, shown: int | None, tmp_path: Path) -> None:
    found, writer = written([record(CALLS[4][0], time), record(CALLS[4][1], time)], tmp_path / "t")
    assert [r.time for r in found] == [shown, shown]
    assert bool(writer.left_out) == (time != shown)


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (Hit("ioctl", "luo_ioctl", True, {}), "probes and traced functions"),
        (Marker(b"x"), "markers"),
        (Gap(5, "lost"), "that events are missing"),
        (Forked(None, 8), "the birth of a task without the call that made it"),
        (Executed(), "that a task runs another program, without the call"),
        (Other("sched_switch"), "events that are no system calls that matter here"),
        (Exit(None, 0, "raw"), "a return without the name of its call"),
        (Enter("ioctl", (3, 0xBA00), "bpftrace", struct=b"\x48"), "the bytes of a struct"),
    ],
)
def test_what_strace_never_prints_is_counted(event: Event, what: str, tmp_path: Path) -> None:
    writer = StraceWriter()
    list(writer.lines([record(event)]))
    assert writer.left_out == {what: 1}


def test_an_event_without_a_task_is_counted(tmp_path: Path) -> None:
    found, writer = written([record(CALLS[0][0], 5, None)], tmp_path / "t")
    assert not found and writer.left_out == {"an event without a task": 1}
