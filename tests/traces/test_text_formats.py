"""Text that trace-cmd, perf and babeltrace print: the calls are those that the traced program wrote down, whatever the options."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from luocheck.model.abi import Abi
from luocheck.model.spec import load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Call, Kind, Moment, Recording
from luocheck.traces.decode import decode
from luocheck.traces.formats import lttng_text, perf_script, perf_trace, trace_cmd
from luocheck.traces.records import Tally
from luocheck.traces.source import open_capture
from tests.traces.conftest import Decode
from tests.traces.test_ground_truth import CAPTURES, compare

REPORTS, PERF = CAPTURES / "trace-cmd-report", CAPTURES / "perf"


def truth(path: Path, **changed: int) -> list[dict[str, Any]]:
    return [json.loads(line) | changed for line in gzip.decompress(path.read_bytes()).decode().splitlines() if line]


REPORTED: list[tuple[str, str, str, dict[str, int]]] = [
    ("sys", "sys", "sys", {"ioctl": 52, "open": 3, "close": 5}),
    ("raw", "raw", "raw", {"ioctl": 52, "open": 1, "close": 3}),
    ("raw.R", "raw", "raw", {"ioctl": 52, "open": 1, "close": 3}),
    ("dyn", "dyn", "one", {"ioctl": 51, "open": 3}),
    ("dyn.R", "dyn", "one", {"ioctl": 51, "open": 3}),
    ("dynsys", "dynsys", "one", {"ioctl": 51, "open": 3, "close": 4}),
    ("buf", "buf", "mix", {"ioctl": 51, "open": 3, "close": 4}),
    ("broker", "broker", "mix", {"ioctl": 7, "open": 1, "close": 5}),
    ("killed", "killed", "mix", {"ioctl": 3, "open": 1}),
    ("tsc", "tsc", "one", {"ioctl": 3, "open": 1}),
    ("lost", "lost", "sys", {"ioctl": 7, "close": 2}),
    ("stage1", "stage1", "one", {"ioctl": 7, "open": 1, "close": 2}),
    ("stage2", "stage2", "one", {"ioctl": 24, "open": 1, "close": 5}),
    ("v6.t", "v6", "sys", {"ioctl": 52, "open": 3, "close": 5}),
    ("v6.l", "v6", "sys", {"ioctl": 52, "open": 3, "close": 5}),
    ("v6.l-t", "v6", "sys", {"ioctl": 52, "open": 3, "close": 5}),
    ("v6.R", "v6", "sys", {"ioctl": 52, "open": 3, "close": 5}),
    ("v6.ts-diff", "v6", "sys", {"ioctl": 52, "open": 3, "close": 5}),
    ("sys-and-v6", "v6", "sys", {"ioctl": 52, "open": 3, "close": 5}),
    ("sys-and-v6", "sys", "sys", {"ioctl": 52, "open": 3, "close": 5}),
]
"""A report, the log of the program that it shows, the recorder, and how many calls are compared."""


@pytest.mark.parametrize(("name", "log", "recorder", "compared"), REPORTED)
def test_a_report_shows_what_the_program_did(name: str, log: str, recorder: str, compared: dict[str, int], abi: Abi) -> None:
    recording = decode(str(REPORTS / f"{name}.txt.gz"), abi)
    found = compare(recording, truth(REPORTS / f"{log}.truth.jsonl.gz"), recorder)
    assert recording.format == "trace-cmd report"
    assert not found.wrong
    assert not [reason for reason in found.missing if reason.startswith("UNEXPLAINED")]
    assert dict(found.compared) == compared


@pytest.mark.parametrize("name", ["errors.perf-script", "errors.perf-script-ns"])
def test_perf_script_shows_what_the_program_did(name: str, abi: Abi) -> None:
    recording = decode(str(PERF / f"{name}.txt.gz"), abi)
    found = compare(recording, truth(PERF / "errors.truth.jsonl.gz"), "one")
    assert recording.format == "perf script"
    assert not found.wrong
    assert dict(found.compared) == {"ioctl": 51, "open": 3, "close": 4}


def test_perf_trace_shows_what_the_program_did(abi: Abi) -> None:
    steps = truth(PERF / "errors.truth.jsonl.gz", pid=71, tid=71)
    for step in steps:  # in that run the device had the next number
        step |= {key: 4 for key in ("fd", "ret") if step.get(key) == 3}
    recording = decode(str(PERF / "errors.perf-trace.txt.gz"), abi)
    found = compare(recording, steps, "sys")
    assert recording.format == "perf trace"
    assert not found.wrong
    assert dict(found.compared) == {"ioctl": 52, "open": 1, "close": 3}


def without_lines(recording: Recording) -> list[Call]:
    nowhere = Moment(0, None)
    return [replace(c, number=0, enter=nowhere, exit=None if c.exit is None else nowhere) for c in recording.calls]


def test_all_options_of_report_show_the_same(abi: Abi) -> None:
    first, *others = (decode(str(REPORTS / f"v6.{name}.txt.gz"), abi) for name in ("t", "l", "l-t", "R", "ts-diff"))
    assert len(first.calls) > 60
    for other in others:
        assert without_lines(other) == without_lines(first)
    assert any(c.enter.time is not None and c.enter.time % 1000 for c in first.calls)  # -t shows ns


def test_the_graph_of_functions_gives_results_to_the_functions_that_ended(abi: Abi) -> None:
    recording = decode(str(REPORTS / "symbols.fg.txt.gz"), abi)
    shown = [(c.event, c.result) for c in recording.calls if c.kind in (Kind.IOCTL, Kind.OPEN)][:5]
    assert shown == [("OPEN", 0), ("OPEN", -16), ("CREATE_SESSION", 0), ("CREATE_SESSION", -17), ("CREATE_SESSION", -22)]


def test_what_the_function_tracer_shows_in_a_report(abi: Abi) -> None:
    recording = decode(str(REPORTS / "symbols.function.txt.gz"), abi)
    assert recording.events == 215
    assert [c.event for c in recording.calls if c.kind is Kind.OPEN] == ["OPEN"] * 3


def test_losses_of_a_report(abi: Abi) -> None:
    recording = decode(str(REPORTS / "lost.txt.gz"), abi)
    assert [(loss.line, loss.count) for loss in recording.losses] == [(2, 85), (190, 84), (5019, 168)]


def test_events_dropped_without_a_number(decoded: Decode) -> None:
    text = (
        "cpus=2\n"
        + report("a", 7, "sys_exit_close:       0x0")
        + "CPU:1 [EVENTS DROPPED]\n"
        + report("a", 7, "sys_exit_close:       0x0")
    )
    assert [(loss.line, loss.count) for loss in decoded(text).losses] == [(3, None)]


def report(comm: str, thread: int, message: str, prefix: str = "") -> str:
    return f"{prefix}{comm:>16}-{thread:<5d} [001] ..... 1041.274917: {message}\n"


@pytest.mark.parametrize("name", ['name="vm-1"', "name=vm-1"])  # without and with -R
def test_event_probes_in_a_report(name: str, decoded: Decode) -> None:
    """They have no place but their event, so that only their fields are printed."""
    text = "cpus=2\n" + report("a", 7, f"ioctl_enter:           fd=3 cmd=0xba00 size=72 afd=0 token=0x312d6d76 {name}")
    (call,) = decoded(text + report("a", 7, "ioctl_exit:            ret=-17")).calls
    assert (call.event, call.fd, call.result, dict(call.given)) == ("CREATE_SESSION", 3, -17, {"size": 72, "name": b"vm-1"})


HOSTILE = ["x-1 [000] 1: y", "a b-12 c", "]: sys_exit_x:", "x: y-5 [000] 1.", "- [", "luo\x1b[31m", "a/1 b", "/1 ioctl(fd: 3"]
"""Task names (at most 15 bytes) that look like parts of a line."""


@pytest.mark.parametrize("prefix", ["", "inst: ", "a-buffer-with-a-name: ", "                "])
@pytest.mark.parametrize("comm", HOSTILE)
def test_the_name_of_a_task_in_a_report_says_nothing(comm: str, prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "report"
    shown = prefix if prefix.strip() else ""
    path.write_bytes(("cpus=1\n" + "".join(report(comm, 42, "sys_exit_ioctl:       0x0", shown) for _ in range(3))).encode())
    records = list(trace_cmd.read_records(open_capture(str(path)), trace_cmd.NAME, Tally()))
    assert [(r.thread, r.cpu) for r in records] == [(42, 1)] * 3


@pytest.mark.parametrize("comm", HOSTILE)
def test_the_name_of_a_task_in_perf_says_nothing(comm: str) -> None:
    frame = perf_script.parse(f"{comm:>16} {42:7d} [001] 1041.274917: syscalls:sys_exit_ioctl: 0x0".encode())
    assert frame is not None
    assert (frame.thread, frame.cpu, frame.time) == (42, 1, 1041274917000)


def test_perf_script_with_call_chains_does_not_pad_names(decoded: Decode) -> None:
    behind = "     42 [001]  1041.274917: syscalls:sys_exit_ioctl: 0x0"
    for comm in ("x", "luo agent", "a 1 1.000000: x"):
        frame = perf_script.parse(f"{comm}{behind}".encode())
        assert frame is not None and (frame.comm.rstrip(), frame.thread) == (comm.encode(), 42)
    recording = decoded(f"x{behind}\n\tffffffff81003b83 do_syscall_64+0x33 ([kernel.kallsyms])\n\n" * 2)
    assert recording.events == 2
    assert "LUO706" not in [note.code for note in recording.notes if "no events" in note.text]


def test_what_perf_adds_to_its_script(decoded: Decode) -> None:
    head = "            init       1 [000]  "
    text = (
        (
            f"{head}1.000000: PERF_RECORD_FORK(8:8):(1:1)\n{head}1.000001:  syscalls:sys_enter_openat: dfd: 0xffffff9c, filename: 0x1"
            f' "/dev/liveupdate", flags: O_RDWR, mode: 0000\n{head}1.000002: K  syscalls:sys_exit_openat: 0x3\n'
            f"{head}1.000003: PERF_RECORD_LOST lost 12\n{head}1.000004: PERF_RECORD_EXIT(8:8):(1:1)\n"
        )
        .replace(": K ", ": ")
        .replace("[000]  1.000002", "[000] U 1.000002")
    )
    recording = decoded(text)
    assert [(loss.line, loss.count) for loss in recording.losses] == [(4, 12)]
    assert [(c.event, c.result, c.on and c.on.target) for c in recording.calls] == [("OPEN", 3, "device")]
    assert {Kind.FORK, Kind.EXIT} <= recording.observes


# ---- perf trace -----------------------------------------------------------------------------------------------------


OPENED = '     1.000 ( 0.010 ms): x/7 openat(dfd: CWD, filename: "/dev/liveupdate", flags: RDWR) = 3\n'


def test_calls_of_perf_trace_overlap_as_their_times_do(decoded: Decode) -> None:
    text = OPENED + (
        "     3.000 ( 1.000 ms): x/7 ioctl(fd: 3</a, cmd: (NONE, 0xba, 0x40, 0)>, cmd: (NONE, 0xba, 0, 0), arg: 0x1) = 0\n"
        "     2.000 ( 0.500 ms): y z/1/8 ioctl(fd: 3, cmd: (NONE, 0xba, 0x1, 0)) = -1 (unknown) (Device or resource busy)\n"
        "     3.100 ( 0.100 ms): y/9 ioctl(fd: 3, cmd: (NONE, 0xba, 0x1, 0)) = -1 ENOENT (No such file or directory)\n"
    )
    recording = decoded(text, threads_share=True)
    calls = [c for c in recording.calls if c.kind is Kind.IOCTL]
    assert [(c.thread, c.command, c.result) for c in calls] == [(8, 0xBA01, -16), (7, 0xBA00, 0), (9, 0xBA01, -2)]
    first, long, short = calls
    assert first.exit is not None and long.exit is not None and short.exit is not None
    assert first.exit.line <= long.enter.line <= short.enter.line <= short.exit.line <= long.exit.line
    assert (long.enter.time, long.exit.time) == (3_000_000, 4_000_000)


def test_both_halves_of_a_call_that_perf_trace_splits(decoded: Decode) -> None:
    text = OPENED + (
        "     3.000 (         ): x/7 ioctl(fd: 3</dev/liveupdate>, cmd: (NONE, 0xba, 0, 0), arg: 0x1) ...\n"
        "     3.000 ( 2.000 ms): x/7  ... [continued]: ioctl())                                            = -17 EEXIST (File exists)\n"
        "     9.000 (         ): x/7 close(fd: 3)                        ...\n"
        "LOST 4 events!\n"
    )
    recording = decoded(text)
    call = next(c for c in recording.calls if c.kind is Kind.IOCTL)
    assert (call.command, call.result) == (0xBA00, -17)
    assert call.enter.time == 3_000_000 and call.exit is not None and call.exit.time == 5_000_000
    assert [(loss.line, loss.count) for loss in recording.losses] == [(5, 4)]
    assert recording.calls[-1].kind is Kind.CLOSE and recording.calls[-1].result is None


def test_a_task_name_that_makes_a_line_of_perf_trace_unclear_is_a_gap(decoded: Decode) -> None:
    recording = decoded(OPENED + "     3.000 ( 1.000 ms): a/1 dup(fd: 5</1 close(fd: 3>) = 0\n")
    assert [loss.line for loss in recording.losses] == [2]


def test_perf_trace_of_one_thread_shows_no_task(decoded: Decode) -> None:
    recording = decoded(OPENED.replace("x/7 ", ""))
    assert [c.event for c in recording.calls] == ["OPEN"]
    assert "LUO711" in [note.code for note in recording.notes]


# ---- LTTng: no recording was at hand, these lines are generated -----------------------------------------------------


def lttng(clock: str, event: str, payload: str, context: str = 'procname = "luo, { tid = 5 }", pid = 7, tid = 9') -> str:
    return f"[{clock}] (+0.000001234) host {event}: {{ cpu_id = 1 }}, {{ {context} }}, {{ {payload} }}\n"


def test_generated_lttng_text_over_midnight(decoded: Decode) -> None:
    path = r'dfd = -100, filename = "/dev/liveupdate", flags = ( "O_RDWR" : container = 2 ), mode = ( <unknown> : container = 0 )'
    text = (
        lttng("23:59:59.123456789", "syscall_entry_openat", path)
        + lttng("23:59:59.223456789", "syscall_exit_openat", "ret = 3")
        + lttng("00:00:00.123456789", "syscall_entry_ioctl", "fd = 3, cmd = 47616, arg = 140722")
        + lttng("00:00:00.133456789", "syscall_exit_ioctl", "ret = -17, arg = 140722")
        + "[warning] Tracer discarded 12 events on CPU 1 between [a] and [b]\n"
        + lttng("00:00:01.000000000", "sched_process_fork", 'parent_comm = "x", parent_tid = 9, child_comm = "x", child_tid = 10')
        + lttng("00:00:02.000000000", "sched_process_exit", 'comm = "x", tid = 10, prio = 20')
    )
    recording = decoded(text)
    assert recording.format == lttng_text.NAME
    assert [(c.event, c.process, c.thread, c.result) for c in recording.calls] == [("OPEN", 7, 9, 3), ("CREATE_SESSION", 7, 9, -17)]
    opened, created = recording.calls
    assert created.enter.time is not None and opened.enter.time is not None
    assert created.enter.time - opened.enter.time == 10**9
    assert [(loss.line, loss.count) for loss in recording.losses] == [(5, 12)]
    assert {Kind.FORK, Kind.EXIT} <= recording.observes


def test_generated_lttng_text_without_the_task_says_what_to_add(decoded: Decode) -> None:
    recording = decoded(lttng("1.000000000", "syscall_entry_ioctl", "fd = 3, cmd = 47616, arg = 1", 'procname = "x"'))
    assert not recording.calls
    assert any("add-context" in note.text for note in recording.notes)


@pytest.mark.parametrize(
    "path", [REPORTS / "sys.txt.gz", PERF / "errors.perf-script.txt.gz", PERF / "errors.perf-trace.txt.gz"], ids=lambda p: p.name
)
def test_quoted_text_with_other_line_ends_shows_the_same(path: Path, abi: Abi, tmp_path: Path) -> None:
    lines = gzip.decompress(path.read_bytes()).splitlines()
    (tmp_path / "c").write_bytes(b"".join(b"> " + line + b"\r\n" for line in lines))
    assert decode(str(tmp_path / "c"), abi).calls == decode(str(path), abi).calls


# ---- all of them -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fits", [trace_cmd.fits, perf_script.fits, perf_trace.fits, lttng_text.fits])
@pytest.mark.parametrize(
    "piece", [b" ", b"-", b"[", b"a", b"1", b"(", b": ", b", cmd: (", b'"', b"\\", b"{ ", b", a = ( ", b"/1 a(", b"-1 ", b") = "]
)
def test_no_line_takes_long(fits: Any, piece: bytes) -> None:
    heads = (
        b"",
        b"     1.0 ( 0.010 ms): ",
        b"     1.000 ( 0.010 ms): x/7 ioctl(",
        b"[1.000000000] host a: { ",
        b"               x-1     [000] ..... 1.0: a: ",
    )
    began = time.process_time()
    for head in heads:
        fits(head + piece * (200_000 // len(piece)))
    assert time.process_time() - began < 5


# ---- what a spec says of them ---------------------------------------------------------------------------------------

QUICK = ["killed", "tsc", "broker", "stage1"]


@pytest.mark.parametrize("name", QUICK)
def test_a_report_conforms(name: str) -> None:
    assert audit(load("linux_7_3"), str(REPORTS / f"{name}.txt.gz")).verdict is Conformance.CONFORMS


@pytest.mark.parametrize("name", ["broker.perf-script", "broker.perf-trace", "errors.perf-script", "errors.perf-trace"])
def test_what_perf_prints_conforms(name: str) -> None:
    assert audit(load("linux_7_3"), str(PERF / f"{name}.txt.gz")).verdict is Conformance.CONFORMS


def test_closes_tell_what_is_released_when_only_some_releases_are_recorded(abi: Abi) -> None:
    """perf was given the release of sessions, and not that of the device: the device was closed all the same."""
    recording = decode(str(PERF / "errors.perf-script.txt.gz"), abi)
    assert Kind.RELEASE not in recording.observes and Kind.RELEASE not in {c.kind for c in recording.calls}
    assert [c.result for c in recording.calls if c.event == "CLOSE_DEV"] == [0, 0]
    assert any("told by the closes alone" in note.text for note in recording.notes)


@pytest.mark.nightly
@pytest.mark.parametrize(
    "path", [*sorted(REPORTS.glob("*.txt.gz")), *sorted(PERF.glob("*.txt.gz"))], ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_none_is_violated(path: Path) -> None:
    assert audit(load("linux_7_3"), str(path)).verdict is not Conformance.VIOLATED
