"""The output of strace: every style of every option, calls in two halves, and what strace says beside calls."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from luocheck.model.abi import Abi
from luocheck.model.spec import load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.decode import decode
from luocheck.traces.formats.births import MOST_HELD, Births
from luocheck.traces.formats.detect import detect
from luocheck.traces.formats.strace_line import fits, parse_line
from luocheck.traces.formats.strace_text import read_strace
from luocheck.traces.formats.strace_values import arguments, link, number, result, string, structs
from luocheck.traces.records import Ended, Enter, Exit, Forked, Gap, Record, Tally
from luocheck.traces.replay.world import Beginning
from luocheck.traces.source import open_capture

CAPTURES = Path(__file__).parent / "captures"
STYLES = ["errors_raw", "errors_verbose", "errors_yy", "rawioctl"]
Decoded = Callable[..., Recording]


def records(path: Path, text: str) -> tuple[list[Record], Tally]:
    path.write_text(text)
    tally = Tally()
    return list(read_strace(open_capture(str(path)), "strace", tally)), tally


# ---- recordings of a real kernel --------------------------------------------------------------------------------------


def bare(calls: tuple[Call, ...]) -> list[tuple[object, ...]]:
    return [(c.kind, c.event, c.fd, c.command, c.result, c.on and c.on.target, c.refused) for c in calls if c.kind is not Kind.EXIT]


@pytest.mark.parametrize("style", STYLES)
def test_all_styles_show_the_same_calls(style: str, abi: Abi) -> None:
    """`-X raw`, `-X verbose -y`, `-yy -v`, `-e raw=ioctl`: the same program, step by step."""
    default = decode(str(CAPTURES / "strace" / "errors_default.strace.txt.gz"), abi)
    other = decode(str(CAPTURES / "strace" / f"{style}.strace.txt.gz"), abi)
    known = [(k, e, fd, n, r, "Session" if t == "Session" else t, x) for k, e, fd, n, r, t, x in bare(default.calls)]
    assert bare(other.calls) == known
    assert len(known) == 59


def test_links_name_the_sessions(abi: Abi) -> None:
    calls = decode(str(CAPTURES / "strace" / "errors_verbose.strace.txt.gz"), abi).calls
    labels = {c.on.label for c in calls if c.event == "PRESERVE_FD" and c.on is not None}
    assert labels == {b"vm-alpha", b"vm-beta"}


def test_who_was_given_a_session_by_another_process(abi: Abi) -> None:
    """broker: two sessions go through a socket to a process, and one of them comes back."""
    calls = decode(str(CAPTURES / "strace" / "broker.strace.txt.gz"), abi).calls
    passed = [(c.parent, c.process, c.on.label if c.on else None) for c in calls if c.kind is Kind.PASS]
    assert passed == [(78, 79, b"client-A"), (78, 79, b"client-B"), (79, 78, b"client-A")]
    created = [(c.given.get("name"), c.files["fd"].number) for c in calls if c.event == "CREATE_SESSION"]
    assert [name for name, _ in created] == [b"client-A", b"client-B"]
    assert {c.on.number for c in calls if c.on and c.on.label == b"client-B"} == {created[1][1]}


def test_a_session_that_was_handed_over_needs_no_other_explanation() -> None:
    """Without the PASS the recording could only have begun in the middle."""
    answer = audit(load("linux_7_3"), str(CAPTURES / "strace" / "broker.strace.txt.gz"))
    assert (answer.verdict, answer.beginning, answer.inserted) == (Conformance.CONFORMS, Beginning.COLD, 0)


def test_two_sessions_of_one_name_are_two(abi: Abi) -> None:
    """An incoming session and a new one may have the same name: line 16 makes the second `vm-alpha`."""
    calls = decode(str(CAPTURES / "kexec-strace" / "stage2.strace.txt.gz"), abi).calls
    made = {c.enter.line: c.files["fd"].number for c in calls if "fd" in c.files}
    assert made[7] != made[16]
    assert {c.on.number for c in calls if c.on and c.fd == 9} == {made[16]}


def test_the_last_line_of_a_kernel_is_cut(abi: Abi) -> None:
    recording = decode(str(CAPTURES / "kexec-strace" / "stage1-reboot.strace.txt.gz"), abi)
    assert [(c.event, c.exit, c.result) for c in recording.calls] == [("REBOOT", None, None)]
    assert "LUO706" in {note.code for note in recording.notes}


# ---- frames ---------------------------------------------------------------------------------------------------------

CALL = "close(3) = 0"


@pytest.mark.parametrize(
    ("prefix", "thread", "time"),
    [
        ("", None, None),
        ("12070 ", 12070, None),
        ("12070<a \\74b\\76> ", 12070, None),
        ("[pid 12099] ", 12099, None),
        ("[pid    99<luo worker-7 x>] ", 99, None),
        ("19:56:30 ", None, 71790 * 10**9),
        ("7  19:56:30.138753 ", 7, 71790138753 * 10**3),
        ("1795463790.090336 ", None, 1795463790090336 * 10**3),
        ("7 1795463790.090336975 ", 7, 1795463790090336975),
        ("1795463790 ", None, 1795463790 * 10**9),
        ("7 1795463790 ", 7, 1795463790 * 10**9),
        ("7       0.000184 ", 7, 184 * 10**3),
        ("     0.000184 ", None, 184 * 10**3),
        ("7 19:56:30.138753 (+     0.000076) ", 7, 71790138753 * 10**3),
        ("7 [  16] ", 7, None),
        ("7 1.5 [  16] [00007fd6ada8dd6b] ", 7, 15 * 10**8),
        ("[????????????????] ", None, None),
    ],
)
def test_prefixes(prefix: str, thread: int | None, time: int | None) -> None:
    frame = parse_line((prefix + CALL).encode())
    assert frame is not None
    assert (frame.thread, frame.time if time is not None else None, frame.body) == (thread, time, CALL.encode())
    assert fits((prefix + CALL).encode())


@pytest.mark.parametrize(
    "line",
    [
        b"           agent-7       [000] .....     5.001000: sys_close(fd: 3)",
        b"sys_ioctl(fd: 3, cmd: 0xba00, arg: 0x7ffc)",
        b"     0.404 ( 0.011 ms): luo_poke/12619 ioctl(fd: 5</dev/null>, cmd: (READ, 0xba, 0, 0x4)) = -1 ENOTTY (Inappropriate)",
        b'{"luocheck": 1}',
        b"[    1.234567] luo: close(3)",
        b"",
    ],
)
def test_other_formats_are_not_taken_for_strace(line: bytes) -> None:
    assert not fits(line)


def test_hostile_lines_take_linear_time() -> None:
    for piece in (b"-", b"[", b" ", b"(", b'"', b"\\", b"<", b"/*", b"0", b"5<", b'"\\', b"[pid 1<", b"{a="):
        text = b"7 ioctl(" + piece * 20_000
        frame = parse_line(text)
        assert frame is not None
        for value in arguments(frame.body)[0]:
            number(value), link(value), string(value), structs(value)
        result(b" = -1 " + piece * 20_000)


# ---- values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"3", 3),
        (b"-1", -1),
        (b"0xffffffff", 0xFFFFFFFF),
        (b"3</dev/liveupdate<char 10:257>>", 3),
        (b"4</memfd:a b>(deleted)", 4),
        (b"AT_FDCWD</>", -100),
        (b"-100 /* AT_FDCWD */</>", -100),
        (b"0xba00 /* LIVEUPDATE_IOCTL_CREATE_SESSION */", 0xBA00),
        (b"LIVEUPDATE_SESSION_PRESERVE_FD", 0xBA40),
        (b"SOME_OTHER or LIVEUPDATE_SESSION_FINISH", 0xBA42),
        (b"_IOC(_IOC_NONE, 0xba, 0x40, 0)", 0xBA40),
        (b"_IOC(_IOC_READ|_IOC_WRITE, 0xba, 0x40, 0x18)", 0xC018BA40),
        (b"CLONE_VM|CLONE_FILES|0x1", 0x501),
        (b"0x1200000 /* CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID */|17 /* SIGCHLD */", 0x1200011),
        (b"NULL", 0),
        (b"LIVEUPDATE_NEWER_THAN_THIS", None),
        (b"1" * 5000, None),
        (b"0x" + b"1" * 5000, None),
        (b'"text"', None),
        (b"", None),
    ],
)
def test_numbers(text: bytes, value: int | None) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"5<anon_inode:[luo_session] vm-1>", b"anon_inode:[luo_session] vm-1"),
        (b"5<anon_inode:[luo_session] a\\76, b) = 0\\303\\n>", b"anon_inode:[luo_session] a>, b) = 0\xc3\n"),
        (b"4</dev/liveupdate<char 10:123>>", b"/dev/liveupdate"),
        (b"4</memfd:we\\76ird (deleted)>", b"/memfd:we>ird"),
        (b"3<TCP:[127.0.0.1:1->127.0.0.1:2]>", b"TCP:[127.0.0.1:1->127.0.0.1:2]"),
        (b"3", None),
    ],
)
def test_links(text: bytes, value: bytes | None) -> None:
    assert link(text) == value
    assert arguments(text + b", 1) = 0") == ([text, b"1"], len(text) + 4)


def test_arguments_end_where_the_call_does() -> None:
    text = b'3</a) = 0>, "x) = 5\\"", {a=[1, 2], b="}"} => {c=(1)}, 0x7f /* ) */) = -1 EBUSY (Device or resource busy)'
    given, end = arguments(text)
    assert given == [b"3</a) = 0>", b'"x) = 5\\""', b'{a=[1, 2], b="}"} => {c=(1)}', b"0x7f /* ) */"]
    assert end is not None and text[end:].startswith(b" = -1 EBUSY")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b" = 3</dev/liveupdate> <0.000012>", 3),
        (b"     = 0", 0),
        (b" = -1 EBUSY (Device or resource busy)", -16),
        (b" = -1 (errno 515)", -515),
        (b" = ? ERESTARTSYS (To be restarted if SA_RESTART is set)", -512),
        (b" = ?", None),
        (b" = ? <unavailable>", None),
        (b" = 0x80045430 (flags O_RDWR)", 0x80045430),
        (b" = -1 EWHATEVER (x)", None),
    ],
)
def test_results(text: bytes, value: int | None) -> None:
    found = result(text)
    assert found is not None and found.value == value


def test_what_strace_did_itself_is_marked() -> None:
    shown = {
        tail: result(b" = 0 " + tail) for tail in (b"(INJECTED)", b"(DELAYED)", b"(INJECTED: args)", b"(INJECTED: args, retval)")
    }
    assert [(r.changed, r.altered) for r in shown.values() if r] == [(True, False), (False, True), (False, True), (True, True)]


# ---- halves, births, ends -------------------------------------------------------------------------------------------

OPEN = '7 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3\n'


def test_halves_are_one_call(tmp_path: Path) -> None:
    text = (
        "7 ioctl(4, 0xba40 <unfinished ...>\n8 close(5) = 0\n7 <... ioctl resumed>, 0x7ffc) = -1 EBUSY (Device or resource busy)\n"
    )
    found, tally = records(tmp_path / "t", text)
    assert [(r.line, r.thread, r.event) for r in found] == [
        (1, 7, Enter("ioctl", (4, 0xBA40), "strace")),
        (2, 8, Enter("close", (5,), "strace")),
        (2, 8, Exit("close", 0, "strace")),
        (3, 7, Exit("ioctl", -16, "strace")),
    ]
    assert not tally.notes and not tally.unread_count


def test_the_end_of_a_call_is_its_beginning_and_its_duration(tmp_path: Path) -> None:
    found, _ = records(tmp_path / "t", "7 10.000001 close(3) = 0 <0.000002>\n7 10.5 close(4) = 0\n")
    assert [r.time for r in found] == [10_000_001_000, 10_000_003_000, 20_500_001_000, None]  # -r: the second is a difference


def test_midnight_comes_once(tmp_path: Path) -> None:
    found, _ = records(tmp_path / "t", "23:59:59.5 close(3) = 0\n00:00:01 close(4) = 0\n00:00:02 close(5) = 0\n")
    times = [r.time for r in found if isinstance(r.event, Enter)]
    assert times == [86399_500_000_000, 86401_000_000_000, 86402_000_000_000]
    assert not [r for r in found if isinstance(r.event, Gap)]
    again, _ = records(
        tmp_path / "t", "23:59:59 close(3) = 0\n00:00:01 close(3) = 0\n23:59:59 close(3) = 0\n00:00:01 close(3) = 0\n"
    )
    assert sum(isinstance(r.event, Gap) for r in again) == 1


def test_a_child_that_runs_before_its_birth_is_told(tmp_path: Path) -> None:
    text = '7 execve("/x", [], 0) = 0\n7 clone(flags=SIGCHLD <unfinished ...>\n9 close(3) = 0\n7 <... clone resumed>) = 9\n'
    found, _ = records(tmp_path / "t", text)
    events = [r.event for r in found]
    assert events.index(Forked(None, 9)) < events.index(Enter("close", (3,), "strace"))


def test_which_task_is_the_last_of_its_process(tmp_path: Path) -> None:
    text = (
        '7 execve("/x", [], 0) = 0\n7 clone3({flags=CLONE_FILES|CLONE_THREAD, x=0x1} => {y=[8]}, 88) = 8\n'
        "7 +++ exited with 0 +++\n8 +++ killed by SIGKILL (core dumped) +++\n"
    )
    found, _ = records(tmp_path / "t", text)
    assert [r.event for r in found if isinstance(r.event, Ended)] == [Ended(7, False), Ended(8, True)]


def test_a_task_that_was_there_before_says_nothing_about_its_process(tmp_path: Path) -> None:
    found, _ = records(tmp_path / "t", "8 close(3) = 0\n8 +++ exited with 0 +++\n")
    assert found[-1].event == Ended(8, None)


def test_an_id_is_used_again(tmp_path: Path) -> None:
    text = "9 close(3) = 0\n9 +++ exited with 0 +++\n7 clone(flags=SIGCHLD <unfinished ...>\n9 close(4) = 0\n7 <... clone resumed>) = 9\n"
    events = [r.event for r in records(tmp_path / "t", text)[0]]
    assert events.index(Forked(None, 9)) < events.index(Enter("close", (4,), "strace"))


def test_a_birth_that_is_never_told(tmp_path: Path) -> None:
    """The only call that goes on made the only task that nobody made."""
    events = [r.event for r in records(tmp_path / "t", "7 clone(flags=SIGCHLD <unfinished ...>\n9 close(4) = 0\n")[0]]
    assert events == [Enter("clone", (17,), "strace"), Forked(None, 9), Enter("close", (4,), "strace"), Exit("close", 0, "strace")]
    two = "7 clone(flags=SIGCHLD <unfinished ...>\n8 clone(flags=SIGCHLD <unfinished ...>\n9 close(4) = 0\n"
    assert not [r for r in records(tmp_path / "t", two)[0] if isinstance(r.event, Forked)]


def test_a_birth_is_waited_for_in_bounded_memory() -> None:
    read = 0

    def endless() -> Iterator[Record]:
        nonlocal read
        yield Record(1, None, 7, None, None, Enter("clone", (17,), "strace"))
        while read < 10 * MOST_HELD:
            read += 1
            yield Record(2, None, 9, None, None, Enter("close", (3,), "strace"))

    arranged = Births().arranged(endless())
    assert [next(arranged).event for _ in range(2)][1] == Forked(None, 9)
    assert read <= MOST_HELD + 1


def test_lines_without_an_id_are_about_the_task_that_is_left(tmp_path: Path) -> None:
    text = "close(4) = 0\n[pid     7] close(5) = 0\n[pid     8] close(6) = 0\n[pid     7] +++ exited with 0 +++\nclose(9) = 0\n"
    assert [r.thread for r in records(tmp_path / "t", text)[0]] == [7, 7, 7, 7, 8, 8, 7, 8, 8]


def test_a_thread_that_calls_execve_takes_the_place_of_the_leader(tmp_path: Path) -> None:
    text = (
        '7 execve("/x", [], 0) = 0\n7 clone3({flags=CLONE_FILES|CLONE_THREAD}, 88) = 8\n8 execve("/y", [], 0 <unfinished ...>\n'
        "7 +++ superseded by execve in pid 8 +++\n7 <... execve resumed>) = 0\n7 close(3) = 0\n"
    )
    found, tally = records(tmp_path / "t", text)
    assert Ended(8, False) in [r.event for r in found]
    assert found[-1] == Record(6, None, 7, None, None, Exit("close", 0, "strace"))
    assert not tally.unread_count


def test_messages_of_strace_cut_lines_in_two(tmp_path: Path) -> None:
    """On a terminal; the second line has no `[pid N]` because it goes on with the first."""
    text = "close(4) = 0\nclone(flags=SIGCHLDstrace: Process 8 attached\n, child_tidptr=0x7f) = 8\n[pid     7] close(3) = 0\n"
    found, tally = records(tmp_path / "t", text)
    assert [(r.line, r.thread) for r in found] == [(1, 7), (1, 7), (3, 7), (3, 7), (3, 7), (4, 7), (4, 7)]
    assert Forked(None, 8) in [r.event for r in found] and not tally.unread_count


def test_a_file_of_ff_is_about_its_suffix(tmp_path: Path) -> None:
    found, tally = records(tmp_path / "log.4711", "close(3) = 0\n")
    assert {r.thread for r in found} == {4711}
    assert [note.code for note in tally.notes] == ["LUO717"]


@pytest.mark.parametrize(
    ("name", "text"), [("log.1", "7 close(3) = 0\n"), ("log.1", "[pid 7] close(3) = 0\n"), ("log.txt", "close(3) = 0\n")]
)
def test_a_whole_recording_is_no_file_of_ff(name: str, text: str, tmp_path: Path) -> None:
    assert not records(tmp_path / name, text)[1].notes


def test_a_struct_of_a_call_in_two_halves(tmp_path: Path) -> None:
    """Before the call in the first half, after it in the second."""
    text = (
        '7 ioctl(3, 0xba00, {size=72, name="vm"} <unfinished ...>\n'
        "8 close(9) = 0\n"
        '7 <... ioctl resumed> => {size=72, name="vm", fd=4}) = 0\n'
    )
    events = [r.event for r in records(tmp_path / "t", text)[0]]
    assert isinstance(events[0], Enter) and events[0].struct == {"size": 72, "name": b"vm"}
    assert isinstance(events[-1], Exit) and events[-1].struct == {"size": 72, "name": b"vm", "fd": 4}


def test_tasks_that_strace_left(tmp_path: Path) -> None:
    left = "7 close(3 <detached ...>\n"
    found, _ = records(tmp_path / "t", "8 close(4) = 0\n" + left)
    assert not [r for r in found if isinstance(r.event, Gap)]  # nothing comes after
    found, _ = records(tmp_path / "t", left + "8 close(4) = 0\n")
    assert [r.line for r in found if isinstance(r.event, Gap)] == [2]


def test_results_that_strace_made_up_are_no_calls(decoded: Decoded) -> None:
    text = OPEN + "7 ioctl(3, 0xba00, 0x7f) = 0 (INJECTED)\n7 ioctl(3, 0xba00, 0x7f) = -1 EINVAL (Invalid argument) (DELAYED)\n"
    recording = decoded(text)
    assert [(c.event, c.result) for c in recording.calls] == [("OPEN", 3), ("CREATE_SESSION", -22)]
    assert [note.code for note in recording.notes].count("LUO721") == 2
    split = OPEN + "7 ioctl(3, 0xba00 <unfinished ...>\n8 close(9) = 0\n7 <... ioctl resumed>, 0x7f) = 0 (INJECTED)\n"
    assert [loss.line for loss in decoded(split).losses] == [4]


@pytest.mark.parametrize(
    ("tail", "calls"),
    [
        ("7 ioctl(3, 0xba4", [3]),  # of which number?
        ("7 ioctl(3, 0xba00, 0x7f", [3, None]),
        ("7 ioctl(3, 0xba00, 0x7f)", [3, None]),
        ("7 ioctl(3, 0xba00, 0x7f) = ", [3, None]),
        ("7 ioctl(3, 0xba00, 0x7f) = -1 EBUS", [3, None]),
        ("7 ioctl(3, 0xba00, 0x7f) = 1", [3, None]),  # or 12
        ("7 ioctl(3, 0xba00, 0x7f) = 0", [3, 0]),
        ("7 ioctl(3, 0xba00, 0x7f) = 1\n", [3, 1]),
    ],
)
def test_a_line_that_is_cut(tail: str, calls: list[int | None], decoded: Decoded) -> None:
    recording = decoded(OPEN + tail)
    assert [c.result for c in recording.calls] == calls
    assert ("LUO706" in {note.code for note in recording.notes}) == (None in calls or len(calls) == 1)


def test_what_is_no_call(decoded: Decoded) -> None:
    text = (
        "strace: Process 7 attached\n" + OPEN + " > /lib/libc.so.6(__open+0x11) [0xf7011]\n"
        "strace: [ Process PID=7 runs in 32 bit mode. ]\n7 --- SIGCHLD {si_signo=SIGCHLD, si_pid=8} ---\n7 --- stopped by SIGSTOP ---\n"
        "7 <... nanosleep resumed> <unfinished ...>) = ?\n7 +++ exited with 0 +++\n"
        "% time     seconds  usecs/call     calls    errors syscall\n------ -----------\n  0.00    0.000000           0         1           close\n"
    )
    recording = decoded(text)
    assert [c.kind for c in recording.calls] == [Kind.OPEN, Kind.EXIT]
    assert {note.code for note in recording.notes} == {"LUO711"}


def test_a_summary_has_no_calls(decoded: Decoded) -> None:
    recording = decoded(
        "% time     seconds  usecs/call     calls    errors syscall\n------ ----------- -----------\n  0.00 0.0 0 1 close\n"
    )
    assert recording.undecodable is not None and "without -c" in recording.undecodable
    assert recording.format == "strace"


def test_a_number_by_a_name_that_is_not_known(decoded: Decoded) -> None:
    recording = decoded(OPEN + "7 ioctl(3</dev/liveupdate>, LIVEUPDATE_IOCTL_NEWER, 0x7f) = 0\n")
    assert [note.line for note in recording.notes if "-X raw" in note.text] == [2]


def test_structs_that_a_newer_strace_prints(decoded: Decoded) -> None:
    text = OPEN + (
        '7 ioctl(3</dev/liveupdate>, LIVEUPDATE_IOCTL_CREATE_SESSION, {size=72, name="vm-\\3031"} => {fd=4}) = 0\n'
        "7 ioctl(4<anon_inode:[luo_session] vm-\\3031>, LIVEUPDATE_SESSION_PRESERVE_FD, {size=16, fd=5</memfd:a>(deleted), token=0x1001}) = 0\n"
        "7 ioctl(4, LIVEUPDATE_SESSION_FINISH, {size=8, reserved=0}) = 0\n"
    )
    _, create, preserve, finish = decoded(text).calls
    assert (create.given, create.got) == ({"size": 72, "name": b"vm-\xc31"}, {"fd": 4})
    assert (preserve.given, preserve.on) == ({"size": 16, "fd": 5, "token": 0x1001}, create.files["fd"])
    assert finish.given == {"size": 8, "reserved": 0}


def test_a_link_decides_what_a_number_means(decoded: Decoded) -> None:
    """No close is recorded, so numbers change their meaning without a word; the links tell."""
    text = (
        "7 ioctl(3</dev/liveupdate>, 0xba00, 0x7f) = 0\n7 ioctl(3</dev/null>, 0xba40, 0x7f) = -1 ENOTTY (Inappropriate ioctl for device)\n"
        "7 ioctl(3<anon_inode:[luo_session] a>, 0xba40, 0x7f) = 0\n"
    )
    recording = decoded(text)
    assert [(c.event, c.on.target if c.on else None) for c in recording.calls if c.kind is Kind.IOCTL] == [
        ("CREATE_SESSION", "device"),
        ("PRESERVE_FD", "Session"),
    ]
    assert [note.line for note in recording.notes if note.code == "LUO707"] == [2]


def test_a_relative_path_is_looked_at_from_its_directory(decoded: Decoded) -> None:
    text = '7 openat(AT_FDCWD</dev/shm>, "../liveupdate", O_RDWR) = -1 EBUSY (Device or resource busy)\n'
    assert [(c.event, c.result) for c in decoded(text).calls] == [("OPEN", -16)]
    assert not decoded(text.replace("/dev/shm", "/tmp")).calls


# ---- sessions under numbers that were not shown -----------------------------------------------------------------------

MADE = "7 ioctl(3</dev/liveupdate>, 0xba00, 0x7f) = 0\n"
END = "7 close(99) = -1 EBADF (Bad file descriptor)\n"  # closes are recorded
THREAD = "7 clone(child_stack=0x7f, flags=CLONE_FILES|CLONE_THREAD) = 8\n"


def memfd(number: int) -> str:
    return f'7 memfd_create("a", 0) = {number}</memfd:a>(deleted)\n'


def used(number: int, name: str, thread: int = 7) -> str:
    return f"{thread} ioctl({number}<anon_inode:[luo_session] {name}>, 0xba43, 0x7f) = 0\n"


FREED_MEANWHILE = (
    THREAD + memfd(4) + "7 ioctl(3</dev/liveupdate>, 0xba00 <unfinished ...>\n8 close(4) = 0\n7 <... ioctl resumed>, 0x7f) = 0\n"
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        pytest.param(MADE + used(4, "a"), ["a"], id="only one"),
        pytest.param(MADE + memfd(5) + MADE + used(6, "b") + used(4, "a"), ["a", "b"], id="a number below is taken"),
        pytest.param(MADE + memfd(5) + MADE + used(6, "b"), [None, "b"], id="a later number is lower"),
        pytest.param(MADE + MADE + used(9, "b"), [None, None], id="both can be meant"),
        pytest.param(MADE + MADE + used(9, "b") + used(4, "a"), ["a", "b"], id="the other one is found later"),
        pytest.param(
            memfd(4) + memfd(5) + "7 close(4) = 0\n" + MADE + MADE + used(4, "a") + used(6, "b"), ["a", "b"], id="freed before"
        ),
        pytest.param(memfd(4) + MADE + "7 close(4) = 0\n" + memfd(4) + used(5, "a"), ["a"], id="freed after"),
        pytest.param(
            THREAD + '8 memfd_create("a" <unfinished ...>\n' + MADE + "8 <... memfd_create resumed>, 0) = 4\n" + used(5, "a"),
            ["a"],
            id="another call went on",
        ),
        pytest.param(FREED_MEANWHILE + MADE + used(4, "b"), [None, None], id="freed meanwhile"),
        pytest.param(
            THREAD
            + memfd(4)
            + memfd(5)
            + '8 memfd_create("a" <unfinished ...>\n7 close(4) = 0\n8 <... memfd_create resumed>, 0) = 6\n'
            + MADE
            + used(4, "a"),
            ["a"],
            id="freed while another call went on",
        ),
        pytest.param(MADE + "7 clone(flags=SIGCHLD) = 9\n" + used(4, "a", 9), ["a"], id="used by a child"),
        pytest.param(used(4, "z") + MADE + used(5, "a"), ["a"], id="not one that was seen before"),
        pytest.param(MADE + "7 recvmsg(5<socket:[1]>, {}, 0) = 1\n" + used(4, "a"), [None], id="descriptors were received"),
        pytest.param(MADE + '7 execve("/x", [], 0) = 0\n' + used(4, "a"), [None], id="another program"),
        pytest.param(MADE.replace("= 0", "= -1 EEXIST (File exists)") + used(4, "a"), [None], id="it failed"),
    ],
)
def test_which_call_returned_a_session(text: str, names: list[str | None], decoded: Decoded) -> None:
    """The link of a number names the call that returned it when no other can have done so, and never else."""
    given = [c.given.get("name") for c in decoded(OPEN + text + END).calls if c.event == "CREATE_SESSION"]
    assert given == [None if name is None else name.encode() for name in names]


def test_without_closes_nothing_is_certain(decoded: Decoded) -> None:
    assert [c.given for c in decoded(OPEN + MADE + used(4, "a")).calls if c.event == "CREATE_SESSION"] == [{}]


def test_the_device_by_another_name(decoded: Decoded) -> None:
    text = '7 openat(AT_FDCWD, "/tmp/link", O_RDWR) = 3</dev/liveupdate<char 10:123>>\n'
    assert [(c.event, c.fd) for c in decoded(text).calls] == [("OPEN", 3)]


def test_detection_says_strace() -> None:
    assert detect(b"7 close(3) = 0\n7 close(4) = -1 EBADF (Bad file descriptor)\n").format == "strace"


# ---- strace itself --------------------------------------------------------------------------------------------------


@pytest.mark.tools
@pytest.mark.parametrize(
    "options",
    ["-f", "-f -tt -y", "-f -t -yy -Y", "-f -ttt -T -n -i", "-f -r", "-f -r -tt", "-X verbose -f", "-f -e raw=all", "-f -xx -k"],
)
def test_what_strace_prints_here_can_be_read(options: str, tmp_path: Path, strace: str) -> None:
    script = "import os; fd = os.open('/dev/null', 2)\nif os.fork(): os.wait()\nos.close(fd)"
    out = tmp_path / "log"
    subprocess.run([strace, *options.split(), "-o", str(out), sys.executable, "-Sc", script], check=True, capture_output=True)
    assert detect(out.read_bytes()[:65536]).format == "strace"
    tally = Tally()
    found = list(read_strace(open_capture(str(out)), "strace", tally))
    assert not tally.unread_count and not tally.notes
    assert sum(isinstance(r.event, Forked) for r in found) == 1
    assert sum(isinstance(r.event, Ended) for r in found) == 2
    entered = [r.event.path for r in found if isinstance(r.event, Enter)]
    assert b"/dev/null" in entered or "raw=all" in options
