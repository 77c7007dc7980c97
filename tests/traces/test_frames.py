"""Frames of ftrace lines: what is printed is read back, whatever a task is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luocheck.traces.formats.ftrace_line import LAYOUTS, Frame, parse_graph, parse_latency, parse_standard, parse_verbose

names = st.binary(max_size=15).map(lambda b: b.replace(b"\0", b"?"))
messages = st.binary(max_size=80).map(lambda b: b.replace(b"\n", b" "))
threads = st.integers(0, 4_194_304)
cpus = st.integers(0, 4095)


@given(names, threads, st.one_of(st.none(), threads), cpus, st.sampled_from([b"", b"....", b".....", b"d.h1.", b"DBZff"]),
       st.integers(0, 10**12), messages)  # fmt: skip
def test_standard_lines_are_read_back(
    comm: bytes, thread: int, group: int | None, cpu: int, flags: bytes, micro: int, message: bytes
) -> None:
    tgid = b"" if group is None else b"(%7d) " % group
    line = b"%16s-%-7d %s[%03d] %s %5d.%06d: %s" % (comm, thread, tgid, cpu, flags, micro // 10**6, micro % 10**6, message)
    assert parse_standard(line) == Frame(comm.lstrip(b" "), thread, group, cpu, micro * 1000, message)


@given(names, threads, cpus, st.integers(0, 2**63), messages)
def test_counting_clocks_are_read_back(comm: bytes, thread: int, cpu: int, count: int, message: bytes) -> None:
    line = b"%16s-%-7d [%03d] ..... %12d: %s" % (comm, thread, cpu, count, message)
    assert parse_standard(line) == Frame(comm.lstrip(b" "), thread, None, cpu, count, message, counter=True)


@given(names, threads, st.integers(0, 999), st.integers(0, 10**12), st.sampled_from(list(" +!#*@$")), messages)
def test_latency_lines_are_read_back(comm: bytes, thread: int, cpu: int, micro: int, mark: str, message: bytes) -> None:
    line = b"%8s-%-7d   %3d..... %4dus%s: %s" % (comm[:8], thread, cpu, micro, mark.encode(), message)
    assert parse_latency(line) == Frame(comm[:8].lstrip(b" "), thread, None, cpu, micro * 1000, message)


@given(names, threads, cpus, st.integers(0, 10**9), messages)
def test_verbose_lines_are_read_back(comm: bytes, thread: int, cpu: int, micro: int, message: bytes) -> None:
    line = b"%16s %7d %3d %d %08x %08x [%08x] %d.%03dms (+%d.%03dms): %s" % (
        comm, thread, cpu, 0, 0, 1, micro, micro // 1000, micro % 1000, 0, 7, message,
    )  # fmt: skip
    assert parse_verbose(line) == Frame(comm.lstrip(b" "), thread, None, cpu, micro * 1000, message)


@given(
    st.binary(max_size=7).map(lambda b: b.replace(b"\0", b"?").strip(b" ")), st.integers(0, 999_999), st.integers(0, 99), messages
)
def test_function_graph_lines_are_read_back(comm: bytes, thread: int, cpu: int, message: bytes) -> None:
    task = b"%s-%d" % (comm, thread)
    spaces = 14 - len(task)
    task = b" " * (spaces // 2) + task + b" " * (spaces - spaces // 2)
    line = b"    3.080543 |   %d) %s | # 4860.958 us |  %s" % (cpu, task, message)
    assert parse_graph(line) == Frame(comm, thread, None, cpu, 3_080_543_000, message)


@pytest.mark.parametrize(
    "comm",
    [b"", b"a b-12 c", b"x-1 [0] 1: y", b"\xff\xfe\x80", b"a\tb", b"tab|and-7 [1]", b"\x1b[31mred", "\u202egnp".encode()],
)
def test_a_hostile_name_changes_nothing_else(comm: bytes) -> None:
    line = b"%16s-%-7d [%03d] ..... %5d.%06d: sys_close(fd: 3)" % (comm, 7785, 1, 2704, 886483)
    frame = parse_standard(line)
    assert frame is not None
    assert (frame.thread, frame.cpu, frame.time, frame.message) == (7785, 1, 2_704_886_483_000, b"sys_close(fd: 3)")


@given(st.binary(max_size=300), st.sampled_from(sorted(LAYOUTS)))
def test_any_bytes_are_a_frame_or_none(line: bytes, layout: str) -> None:
    frame = LAYOUTS[layout](line)
    assert frame is None or frame.cpu is not None


@pytest.mark.parametrize(
    "line",
    [
        b" " * 200_000,
        b"-" * 200_000,
        b"[" * 200_000,
        b"1" * 200_000,
        b" " * 16 + b"-1" + b" " * 200_000,
        b"1) " * 70_000,
        b"| " * 100_000,
    ],
    ids=["spaces", "dashes", "brackets", "digits", "padded", "graph", "bars"],
)
def test_long_runs_are_refused_in_linear_time(line: bytes) -> None:
    assert all(parse(line) is None for parse in LAYOUTS.values())


@pytest.mark.parametrize("digits", [11, 21, 5000])
def test_numbers_of_any_length_are_harmless(digits: int) -> None:
    huge = b"9" * digits
    assert parse_standard(b"%16s-%s [000] ..... 1.000000: x" % (b"a", huge)) is None
    if digits > 20:
        assert parse_standard(b"%16s-1 [000] ..... %s.000000: x" % (b"a", huge)) is None
