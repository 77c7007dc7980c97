"""Lines of ftrace text that are only counted: the records that matter, and everything that is counted or noted, are as without that."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luocheck.traces.formats import ftrace_text
from luocheck.traces.formats.event_messages import EventMessages
from luocheck.traces.formats.ftrace_skip import apart, boring, name_of
from luocheck.traces.formats.recorders import part_of
from luocheck.traces.formats.registry import READERS
from luocheck.traces.records import Ended, Enter, Executed, Exit, Forked, Gap, Hit, Other, Record, Tally
from luocheck.traces.source import open_capture
from luocheck.traces.syscalls import X86_64
from tests.traces.test_ground_truth import CAPTURES

WANTED = frozenset(X86_64.values()) | {"nr29", "liveupdate"}
FTRACE = sorted(p for p in CAPTURES.glob("*/*.gz") if ".trace" in p.name or p.name.startswith("persist."))


def matters(record: Record) -> bool:
    match record.event:
        case Enter(syscall=name) | Exit(syscall=str(name)):
            return name in WANTED
        case Hit() as hit:
            return part_of(hit) is not None
        case Exit() | Forked() | Executed() | Ended() | Gap():
            return True
    return False


def read(path: Path, wanted: frozenset[str] | None) -> tuple[object, ...]:
    capture = open_capture(str(path))
    tally = Tally(wanted)
    records = [record for record in READERS["ftrace"](capture, "ftrace", tally) if matters(record)]
    counted = (tally.lines, tally.events, tally.names, tally.notes, tally.unread, tally.unread_count, tally.integer_clock)
    return records, counted, capture.cut, capture.damage


def same(path: Path) -> None:
    assert read(path, WANTED) == read(path, None)


@pytest.mark.parametrize("path", FTRACE, ids=[f"{p.parent.name}/{p.name}" for p in FTRACE])
def test_every_recording_reads_the_same(path: Path) -> None:
    same(path)


# ---- generated text -------------------------------------------------------------------------------------------------

NAMES = ["luo-agent", "x-1 [0] 1: y", "a b-12 c", "", "nl\nine", "sys_ioctl(fd: 3", "-1 [000]", "\n", "a" * 15, "\x1b[31m\xff"]
MESSAGES = [
    "sched_switch: prev_comm=a prev_pid=1", "sched_switch: x=\"", "irq_handler_entry: irq=5 name=virtio0", "foo: ", "foo:", "foo: (a) b",
    "foo: (luo_ioctl+0x0/0x10) cmd=0xba00 name=\"x", "y\" ret=0", "foo: __syscall_nr=0x10 (16) fd=0x3 (3)", "sys_ioctl: a",
    "foo: __probe_ip=luo_ioctl+0x0/0x10 (1) x=1 (1)", "sys_read(fd: 3, buf: 0x7, count: 0x3)", "sys_read(fd: 3", "sys_read -> 0x0",
    "sys_read -> 0x0 ", "sys_read -> -1", "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0x7)", "sys_ioctl -> 0x0", "sys_openat(dfd: 5, filename: 4 \"/dev/x\", flags: 0)",
    "sys_write(fd: 3, buf: 4 \"sys_ioctl -> 0x0\")", "sys_write(fd: 3, buf: 4 \") -> 0x0\")", "sys_liveupdate(a: 1)", "sys_liveupdate -> 0x0",
    "sys_enter: NR 16 (3, ba00, 7, 0, 0, 0)", "sys_exit: NR 16 = 0", "sys_enter: NR 0 (3, 7, 8, 0, 0, 0)", "sys_exit: NR 0 = -11",
    "sys_enter: NR 016 (3)", "sys_enter: NR -1 (3)", "sys_enter: NR 29 (3)", "sys_exit: NR 29 = 0", "sys_exit: NR 161 = 5", "sys_enter: NR 1 (x)", "sys_enter: NR 1 (g)",
    "luo_ioctl <-__x64_sys_ioctl", "luo_ioctls <-a", "do_sys_open <-x", "a.isra.0(x=1, y: 2) <-b", "luo_ioctl(filep=0x1, cmd=0xba00, arg=0x7) <-x", "a <-b c", "a <-",
    "tracing_mark_write: hello", "tracing_mark_write: a", "print: x", "sched_process_exit: comm=a pid=5 prio=120 group_dead=true",
    "sched_process_exit: nonsense", "sched_process_fork: comm=a pid=1 child_comm=b child_pid=9", "sched_process_exec: x", "sched_process_exits: x",
    "Unknown type 1136", "<stack trace>", "", "=> a", "a b: c", "a:b: c", "x" * 130 + ": c", "event_wwnr: 12: running x switch_out -> not_running (final)",
]  # fmt: skip
OTHER = [
    "",
    "# tracer: nop",
    "CPU:1 [LOST 592 EVENTS]",
    "##### CPU 0 buffer started ####",
    " => do_syscall_64",
    "garbage",
    "short",
    '"',
    'y" ret=0',
]


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    seed = draw(st.integers(0, 2**32))
    jumps = draw(st.sampled_from([0.0, 0.02, 0.3]))
    odd = draw(st.sampled_from([0.0, 0.1, 0.5]))
    rest = random.Random(seed)
    time, lines = 5_000_000, []
    for _ in range(rest.randrange(200)):
        if rest.random() < odd:
            lines.append(rest.choice(OTHER))
            continue
        time += rest.randrange(-300, 900) if rest.random() >= jumps else rest.randrange(-3_000_000, 5_000_000)
        time = max(time, 0)
        clock = (
            f"{time // 10**6:5d}.{time % 10**6:06d}"
            if rest.random() < 0.98
            else rest.choice([f"{time}", f"{time // 10**6}.{time % 1000:09d}"])
        )
        group = rest.choice(["", "", "(     99) ", "(-------) "])
        flags = rest.choice(["..... ", "d.h1. ", "", "DBZff "])
        message = rest.choice(MESSAGES) if rest.random() < 0.6 else "sched_wakeup: comm=a pid=1"
        end = rest.choice(["", "", "", "", "", "\r"])
        lines.append(
            f"{rest.choice(NAMES):>16}-{rest.choice([1, 42, 9999999]):<7d} {group}[{rest.randrange(4):03d}] {flags}{clock}: {message}{end}"
        )
    return "\n".join(lines).encode("latin-1") + rest.choice([b"", b"\n"])


@settings(max_examples=150, deadline=None)
@given(texts())
def test_generated_text_reads_the_same(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    path = tmp_path_factory.mktemp("skip") / "trace.txt"
    path.write_bytes(text)
    same(path)


@pytest.mark.parametrize("message", [m for m in MESSAGES if "\n" not in m])
def test_what_matters_is_never_left_out(message: str, tmp_path: Path) -> None:
    line = f"{'x':>16}-7       [000] ..... 5.000000: {message}\n".encode("latin-1")
    path = tmp_path / "trace.txt"
    path.write_bytes(line)
    reader = ftrace_text.read_records(open_capture(str(path)), "ftrace", Tally())
    if any([matters(record) for record in reader]):
        assert not apart(boring(WANTED), line).times


def test_most_of_a_usual_trace_is_only_counted() -> None:
    """Without this the comparisons above are about nothing."""
    path = CAPTURES / "errors-outgoing" / "errors.raw.trace.txt.gz"
    taken = apart(boring(WANTED), gzip.decompress(path.read_bytes()))
    assert len(taken.times) > 300
    assert {name_of(beginning) for beginning in taken.beginnings} == {"raw sys_enter", "raw sys_exit", "signal_deliver"}


def test_a_clock_that_goes_back_among_lines_that_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    clocks = [5.0, 6.0, 3.0, 9.0, 10.5, 9.4]
    path.write_text("".join(f"{'x':>16}-7       [000] .....  {clock:9.6f}: sched_switch: x\n" for clock in clocks))
    records, *_ = read(path, WANTED)
    assert [record.line for record in records] == [3, 6]  # type: ignore[attr-defined]
    same(path)


@pytest.mark.parametrize("piece", [b" ", b"-", b"[", b"a", b"1", b"(", b": ", b"sys_", b" <-", b"-1 [000] 1.000000: "])
def test_no_line_takes_long(piece: bytes) -> None:
    line = b"               x-7       [000] ..... 5.000000: sys_a(" + piece * (500_000 // len(piece)) + b"\n"
    assert b"".join(run for _, run in apart(boring(WANTED), line + line).others) in (b"", line + line)


def test_a_clock_that_goes_back_behind_a_line_that_matters(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    head = f"{'x':>16}-7       [000] ..... "
    path.write_text(f"{head}9.000000: sys_ioctl -> 0x0\n{head}3.000000: sched_switch: x\n")
    records, *_ = read(path, WANTED)
    assert [record.line for record in records] == [1, 2]  # type: ignore[attr-defined]
    same(path)


def test_the_graph_with_names_of_other_functions() -> None:
    tally = Tally()
    messages = EventMessages(tally)
    messages.events(b"funcgraph_entry:                   |  luo_ioctl() {", 7)
    assert messages.events(b"funcgraph_entry:        4.026 us   |    __x64_sys_ioctl(); (ret=0x4)", 7) == [Other("__x64_sys_ioctl")]
    assert [note.code for note in tally.notes] == ["LUO711"]
