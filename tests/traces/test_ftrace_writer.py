"""Records written as ftrace text: what is read back is what was written, and what has no place there is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from luocheck.model.abi import Abi
from luocheck.traces.call import Recording
from luocheck.traces.decode import decode
from luocheck.traces.formats.detect import format_of
from luocheck.traces.formats.ftrace_layouts import LAYOUTS
from luocheck.traces.formats.ftrace_text import read_records
from luocheck.traces.formats.ftrace_writer import FtraceWriter
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Gap, Hit, Marker, Other, Record, Tally
from luocheck.traces.source import open_capture

RecordsOf = Callable[[Path], list[Record]]
CallsWithoutLines = Callable[[Recording], object]

CAPTURES = Path(__file__).parent / "captures"
SOME = [
    "agent-killed/killed.one.trace.txt.gz",
    "agent-killed/killed.raw.trace.txt.gz",
    "agent-killed/killed.mix.trace.txt.gz",
    "errors-outgoing/errors.sys.trace.txt.gz",
    "errors-outgoing/errors.ep.trace.txt.gz",
    "errors-outgoing/errors.kp.trace.txt.gz",
    "kexec-function-graph/stage2.fg-flat.trace.txt.gz",
    "noisy-lost-events/noisy.sys.trace_pipe.txt.gz",
    "concurrent/conc3tgid.sys.trace.txt.gz",
    "format-variants/clock-counter.trace.txt.gz",
    "format-variants/fields.trace.txt.gz",
]


def written(records: list[Record], path: Path) -> tuple[Path, FtraceWriter]:
    writer = FtraceWriter()
    path.write_bytes(b"".join(line + b"\n" for line in writer.lines(records)))
    return path, writer


def read_back(records: list[Record], path: Path) -> list[Record]:
    capture = open_capture(str(written(records, path)[0]))
    return list(read_records(capture, "ftrace", Tally()))


@pytest.mark.parametrize("name", SOME)
def test_the_calls_of_a_capture_survive(
    name: str, abi: Abi, tmp_path: Path, records_of: RecordsOf, calls_without_lines: CallsWithoutLines
) -> None:
    original = decode(str(CAPTURES / name), abi)
    path, _ = written(records_of(CAPTURES / name), tmp_path / "trace.txt")
    again = decode(str(path), abi)
    assert calls_without_lines(again) == calls_without_lines(original)
    assert again.calls or "counter" in name or "fields" in name
    assert [(loss.count, loss.reason) for loss in again.losses] == [(loss.count, loss.reason) for loss in original.losses]
    assert again.observes == original.observes


EVENTS: list[Event] = [
    Enter("ioctl", (3, 0xBA00, 0x7FFC00001000), "syscalls"),
    Exit("ioctl", -17, "syscalls"),
    Enter("openat", (0xFFFFFFFFFFFFFF9C, 0x55D000), "syscalls", b"/dev/liveupdate"),
    Exit("openat", 3, "syscalls"),
    Enter("ioctl", (4, 0xBA40, 0), "raw"),
    Exit("ioctl", 0, "raw"),
    Enter("nr450", (1,), "raw"),
    Hit("ioctl", "luo_ioctl", True, {"dfd": 3, "cmd": 0xBA00, "name": b'a "b" ret=7\xff', "ret": -22}, "__x64_sys_ioctl"),
    Hit("p", "luo_ioctl", False, {"size": None, "token": (1 << 64) - 1}),
    Hit("ep", "syscalls.sys_enter_ioctl", False, {"fd": -1, "cmd": 0xBA42}),
    Hit("function", "luo_open", False, {"filep": 0xFFFF888000001000}, "chrdev_open"),
    Hit("function", "luo_open", True, {"ret": 0}),
    Forked(None, 8),
    Executed(),
    Ended(8, True),
    Ended(9, False),
    Ended(10, None),
    Marker(b"step 1 -> ok"),
    Other("sched_switch"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives(event: Event, tmp_path: Path) -> None:
    record = Record(4, 5_000_001_234, 7, 6, 1, event)
    assert read_back([record], tmp_path / "t") == [record]


NAMES = (b"agent", b"", b"a b-12 c", b"x-1 [0] 1: y", b"\xff\x1b[2J", b"fifteen-letters", b"longer than the kernel keeps")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_events_survive_in_every_layout(layout: str, name: bytes, tmp_path: Path) -> None:
    """Only the time can be rounded or counted, and the process is shown where the layout has a column for it."""
    made = [Record(4 + n, 5_000_001_000 * (n + 1), 7, 6, 1, event) for n, event in enumerate(EVENTS)]
    writer = FtraceWriter(layout=LAYOUTS[layout], names={7: name})
    (tmp_path / "t").write_bytes(b"".join(line + b"\n" for line in writer.lines(made)))
    capture = open_capture(str(tmp_path / "t"))
    detected = format_of(capture, None).format
    assert detected is not None
    found = list(read_records(capture, detected, Tally()))
    capture.close()
    assert [(r.thread, r.cpu, r.event) for r in found] == [(r.thread, r.cpu, r.event) for r in made]
    assert {r.process for r in found} == ({6} if LAYOUTS[layout].groups else {None})
    if LAYOUTS[layout].counts:
        assert [r.time for r in found] == list(range(1, len(made) + 1))
    else:
        assert [r.time for r in found] == [r.time for r in made]


def test_lost_events_survive_where_they_were(tmp_path: Path) -> None:
    call = Record(7, 1_000_000_000, 7, None, 1, EVENTS[0])
    lost = "the recorder lost events"
    gaps = [Record(5, None, None, None, 1, Gap(5, lost)), Record(6, None, None, None, 1, Gap(None, lost))]
    begin = Record(4, None, None, None, 0, Gap(None, "older events of this CPU were overwritten", True))
    assert read_back([begin, *gaps, call], tmp_path / "t") == [begin, *gaps, call]


def test_a_clock_that_goes_back_is_one_gap(tmp_path: Path) -> None:
    reason = "the clock goes backwards: another recording, or another boot, begins here"
    gap = Record(5, 1_000_000_000, None, None, None, Gap(None, reason))
    records = [Record(4, 9_000_000_000, 7, None, 0, EVENTS[0]), gap, Record(5, 1_000_000_000, 7, None, 0, EVENTS[1])]
    assert read_back(records, tmp_path / "t") == records


def test_without_times_the_clock_is_a_counter(tmp_path: Path) -> None:
    records = [Record(1, None, 7, None, 0, EVENTS[0]), Record(2, None, 7, None, 0, EVENTS[1])]
    path, writer = written(records, tmp_path / "t")
    tally = Tally()
    times = [each.time for each in read_records(open_capture(str(path)), "ftrace", tally)]
    assert times == [1, 2] and tally.integer_clock and not writer.left_out


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (Enter("ioctl", (3, 0xBA00), "strace", links=(b"/dev/liveupdate",)), "where a descriptor leads to"),
        (Enter("ioctl", (3, 0xBA00), "strace", struct={"size": 16}), "a struct behind a pointer"),
        (Exit("openat", 3, "strace", link=b"/dev/liveupdate"), "where a descriptor leads to"),
        (Enter("openat", (3, 0), "syscalls", b"/dev/live\nupdate"), "a path"),
        (Hit("x", "f", True, {"a": b"one", "b": b"two"}), "a field of a probe"),
        (Exit(None, 0, "raw"), "a return without the name of its call"),
        (Marker(b"one\ntwo"), "the further lines of a marker"),
        (Other("a name"), "an event whose name is none of the kernel's"),
        (Forked(4, 5), "a task whose parent is not the task of the event"),
    ],
)
def test_what_has_no_place_is_counted(event: Event, what: str, tmp_path: Path) -> None:
    _, writer = written([Record(1, 1000, 7, None, 0, event)], tmp_path / "t")
    assert writer.left_out == {what: 1}


def test_an_event_without_a_task_is_counted(tmp_path: Path) -> None:
    _, writer = written([Record(1, 1000, None, None, 0, EVENTS[0])], tmp_path / "t")
    assert writer.left_out == {"an event without a task": 1}


def test_a_string_never_becomes_an_event(tmp_path: Path, decoded: Callable[..., Recording]) -> None:
    """A name with line ends in it is read back as one name, as it is from the kernel's own text."""
    forged = b"x\n           agent-7       [000] .....     5.001000: sys_close(fd: 3)"
    hit = Hit("ioctl", "luo_ioctl", True, {"dfd": 3, "cmd": 0xBA00, "size": 72, "fd": 4, "name": forged, "ret": 0}, "f")
    record = Record(4, 5_000_000_000, 7, 6, 1, hit)
    assert read_back([record], tmp_path / "t") == [record]
