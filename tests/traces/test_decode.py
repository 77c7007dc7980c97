"""Decoding of small hand-made recordings: pairing, descriptors, processes, losses."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luocheck.model.abi import Abi
from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import load
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.decode import decode

Decode = Callable[..., Recording]

OPEN = 'sys_openat(dfd: 4294967196, filename: 140727 "/dev/liveupdate", flags: O_RDWR)'


def trace(*events: tuple[int, str] | str, step: int = 1000) -> str:
    """One line per event: `(thread, message)`, or a whole line; time goes on by `step` us."""
    out, time = ["# tracer: nop", "#"], 5_000_000
    for event in events:
        if isinstance(event, str):
            out.append(event)
            continue
        thread, message = event
        time += step
        out.append(f"{'agent':>16s}-{thread:<7d} [000] ..... {time // 10**6:5d}.{time % 10**6:06d}: {message}")
    return "\n".join(out) + "\n"


def create(thread: int, fd: int, name: str, result: int = 0, dfd: int = 3) -> tuple[int, str]:
    return thread, f'ioctl: (f+0x1/0x2 <- luo_ioctl) dfd={dfd} cmd=0xba00 size=72 fd={fd} name="{name}" ret={result}'


def preserve(thread: int, sfd: int, name: str, fd: int, token: int, result: int = 0) -> tuple[int, str]:
    text = f'sfd={sfd} session="{name}" cmd=0xba40 size=16 fd={fd} token={token:#x} ret={result}'
    return thread, f"session_ioctl: (f+0x1/0x2 <- luo_session_ioctl) {text}"


def release(thread: int, name: str) -> tuple[int, str]:
    return thread, f'session_release: (luo_session_release+0x0/0x150) session="{name}" retrieved=0 files=1'


def opened(thread: int, result: int = 0) -> tuple[int, str]:
    return thread, f"dev_open: (misc_open+0xd4/0x110 <- luo_open) ret={result}"


def called(thread: int, enter: str, result: int) -> list[tuple[int, str]]:
    """A system call and its return."""
    name = enter.partition("(")[0]
    return [(thread, enter), (thread, f"{name} -> {result & (1 << 64) - 1:#x}")]


def ioctl(thread: int, fd: int, command: int, result: int) -> list[tuple[int, str]]:
    return called(thread, f"sys_ioctl(fd: {fd}, cmd: {command:#x}, arg: 0x7ffc)", result)


def close(thread: int, fd: int) -> list[tuple[int, str]]:
    return called(thread, f"sys_close(fd: {fd:#x})", 0)


def kinds(recording: Recording) -> list[str]:
    return [c.kind.value for c in recording.calls]


def of_kind(recording: Recording, kind: Kind) -> list[Call]:
    return [c for c in recording.calls if c.kind is kind]


def codes(recording: Recording) -> list[str]:
    return [note.code for note in recording.notes]


# ---- pairing --------------------------------------------------------------------------------------------------------


def test_a_call_that_does_not_return_is_open_at_the_end(decoded: Decode) -> None:
    (call,) = decoded(trace((7, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)"))).calls
    assert (call.result, call.exit, call.killed, call.exact) == (None, None, False, True)


def test_a_return_that_was_lost_leaves_the_result_open(decoded: Decode) -> None:
    first, second = decoded(trace((7, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)"), *ioctl(7, 3, 0xBA01, -2))).calls
    assert (first.event, first.result) == ("CREATE_SESSION", None)
    assert first.exit is not None and first.exit.line == 4
    assert (second.event, second.result) == ("RETRIEVE_SESSION", -2)


def test_a_thread_that_ends_in_a_call_was_killed(decoded: Decode) -> None:
    end = (7, "sched_process_exit: comm=agent pid=7 prio=120 group_dead=true")
    first, *_ = decoded(trace((7, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)"), end)).calls
    assert (first.killed, first.result, first.exit) == (True, None, None)


def test_overlapping_calls_of_threads_keep_apart(decoded: Decode) -> None:
    enters = [(t, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)") for t in (7, 8)]
    first, second = decoded(trace(*enters, (8, "sys_ioctl -> 0xffffffffffffffef"), (7, "sys_ioctl -> 0x0"))).calls
    assert [(c.thread, c.result, c.enter.line, c.exit and c.exit.line) for c in (first, second)] == [(7, 0, 3, 6), (8, -17, 4, 5)]


def test_one_call_in_three_sources_is_one_call(decoded: Decode) -> None:
    recording = decoded(
        trace(
            (7, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0x10)"),
            (7, "sys_enter: NR 16 (3, ba00, 10, 7, 0, 0)"),
            create(7, 4, "a"),
            (7, "ioctl: (x64_sys_call+0x1/0x2 <- __x64_sys_ioctl) fd=3 cmd=0xba00 size=72 afd=4 token=0x61 ret=0"),
            (7, "sys_ioctl -> 0x0"),
            (7, "sys_exit: NR 16 = 0"),
        )
    )
    (call,) = recording.calls
    assert (call.fd, call.given["name"], call.got, call.exact) == (3, b"a", {"fd": 4}, True)


def test_a_call_in_two_families_of_events_is_one_call(decoded: Decode) -> None:
    both = [(7, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0x10)"), (7, "sys_enter: NR 16 (3, ba00, 10, 7, 0, 0)")]
    ends = [(7, "sys_ioctl -> 0xffffffffffffffef"), (7, "sys_exit: NR 16 = -17")]
    recording = decoded(trace(*both, *ends, *both, *ends))
    assert [c.result for c in recording.calls] == [-17, -17]
    assert not recording.notes or codes(recording) == ["LUO708"]


def test_two_probes_that_return_after_one_another_are_one_call(decoded: Decode) -> None:
    outer = (7, "ioctl: (x64_sys_call+0x1/0x2 <- __x64_sys_ioctl) fd=4 cmd=0xba41 size=16 afd=0 token=0x7 ret=-25")
    inner = (7, 'session_ioctl: (f+0x1/0x2 <- luo_session_ioctl) session="a" cmd=0xba41 size=16 fd=0 token=0x7 ret=-515')
    recording = decoded(trace(inner, outer, inner, outer))
    assert [(c.fd, c.result, c.on and c.on.label) for c in recording.calls] == [(4, -25, b"a")] * 2


def test_inside_the_kernel_enoioctlcmd_is_enotty(decoded: Decode) -> None:
    line = (7, 'session_ioctl: (f+0x1/0x2 <- luo_session_ioctl) sfd=4 session="a" cmd=0xc018ba40 size=16 fd=0 token=0x0 ret=-515')
    (call,) = decoded(trace(line)).calls
    assert (call.event, call.result, call.refused) == (None, -25, ("ENOTTY",))


def test_a_call_known_by_its_return_can_have_begun_after_the_one_before(decoded: Decode) -> None:
    first, second = decoded(trace(create(7, 4, "a"), create(7, 5, "b"))).calls
    assert (first.exact, second.exact) == (False, False)
    assert second.enter == first.exit


def test_functions_below_the_ioctl_alone_say_less(decoded: Decode) -> None:
    probe = (7, "luo_preserve_file: (luo_session_preserve_fd+0x3a/0x90 <- luo_preserve_file) token=4097 fd=7 ret=0")
    finish = "luo_file_finish: ({} <- luo_file_finish) ret=0"
    recording = decoded(
        trace(probe, (7, finish.format("luo_session_finish+0x1/0x2")), (7, finish.format("luo_session_release+0x1/0x2")))
    )
    assert [(c.event, c.inner, c.result) for c in recording.calls] == [("PRESERVE_FD", True, 0), ("FINISH", True, 0)]
    assert dict(recording.calls[0].given) == {"fd": 7, "token": 4097}
    assert Kind.IOCTL not in recording.observes
    assert "LUO711" in codes(recording)


def test_a_reboot_that_works_has_the_result_of_its_hook(decoded: Decode) -> None:
    enter = (7, "sys_reboot(magic1: 0xfee1dead, magic2: 0x28121969, cmd: 0x45584543, arg: 0)")
    hook = "liveupdate_reboot: (kernel_kexec+0x91/0xc0 <- liveupdate_reboot) ret={}"
    (call,) = decoded(trace(enter, (7, hook.format(0)))).calls
    assert (call.kind, call.event, call.result, call.exit) == (Kind.REBOOT, "REBOOT", 0, None)
    (call,) = decoded(trace(enter, (7, hook.format(-16)), (7, "sys_reboot -> 0xfffffffffffffff0"))).calls
    assert call.result == -16
    assert not decoded(trace(*called(7, "sys_reboot(magic1: 0xfee1dead, magic2: 0x28121969, cmd: 0, arg: 0)", 0))).calls


# ---- payload --------------------------------------------------------------------------------------------------------


def test_members_that_mean_nothing_are_absent(decoded: Decode) -> None:
    finish = (7, 'session_ioctl: (f+0x1/0x2 <- luo_session_ioctl) sfd=4 session="a" cmd=0xba42 size=8 fd=1 token=0x401 ret=-22')
    short = preserve(7, 4, "a", 9, 5, -22)[1].replace("size=16", "size=8")
    fault = preserve(7, 4, "a", 9, 5, -14)[1].replace("size=16", "size=(fault)")
    zeros = preserve(7, 4, "a", 0, 0, -14)[1].replace("size=16", "size=0")
    failed = (7, 'session_ioctl: (f+0x1/0x2 <- luo_session_ioctl) sfd=4 session="a" cmd=0xba41 size=16 fd=3 token=0x1 ret=-2')
    calls = decoded(trace(finish, (7, short), (7, fault), (7, zeros), failed)).calls
    assert [dict(c.given) for c in calls] == [{"size": 8, "reserved": 1}, {"size": 8, "fd": 9}, {}, {}, {"size": 16, "token": 1}]
    assert not any(c.got for c in calls)


def test_an_unterminated_name_has_the_length_of_the_array(decoded: Decode) -> None:
    (call,) = decoded(trace(create(7, 0, "X" * 100, -22))).calls
    assert call.given["name"] == b"X" * 64


def test_structs_are_read_by_their_layout_whatever_the_abi(decoded: Decode, tmp_path_factory: pytest.TempPathFactory) -> None:
    old = load("rfc_v2").system.abi
    line = (7, "ioctl: (x64_sys_call+0x1/0x2 <- __x64_sys_ioctl) fd=3 cmd=0xc010ba00 size=5 afd=0 token=0x2a ret=0")
    path = tmp_path_factory.mktemp("old") / "t"
    path.write_text(trace(line))
    (call,) = decode(str(path), old).calls
    assert (call.event, dict(call.given), dict(call.got)) == ("FD_PRESERVE", {"fd": 5}, {"token": 42})


# ---- descriptors ----------------------------------------------------------------------------------------------------


def test_numbers_lead_to_open_files(decoded: Decode) -> None:
    recording = decoded(
        trace(
            *called(7, OPEN, 3),
            (7, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)"), create(7, 4, "a"), (7, "sys_ioctl -> 0x0"),
            *called(7, 'sys_memfd_create(uname: 0x7ffc "ram", flags: 2)', 5),
            *called(7, "sys_dup(fildes: 4)", 6),
            *called(7, "sys_fcntl(fd: 5, cmd: 0x406, arg: 0x64)", 100),
            *close(7, 4), *close(7, 5),
            (7, "sys_ioctl(fd: 6, cmd: 0xba40, arg: 0)"), preserve(7, 6, "a", 100, 1), (7, "sys_ioctl -> 0x0"),
            (7, "sys_ioctl(fd: 6, cmd: 0xba40, arg: 0)"), preserve(7, 6, "a", 5, 2, -9), (7, "sys_ioctl -> 0xfffffffffffffff7"),
            *close(7, 6), *close(7, 100), *close(7, 3),
        )
    )  # fmt: skip
    assert [(c.kind.value, c.event, c.fd) for c in recording.calls] == [
        ("open", "OPEN", 3), ("ioctl", "CREATE_SESSION", 3), ("ioctl", "PRESERVE_FD", 6), ("ioctl", "PRESERVE_FD", 6),
        ("close", "CLOSE", 6), ("close", None, 100), ("close", "CLOSE_DEV", 3),
    ]  # fmt: skip
    created, first, second = of_kind(recording, Kind.IOCTL)
    assert first.on is not None and first.on == second.on == created.files["fd"]
    assert first.files["fd"].target == "File"
    assert second.closed == {"fd"} and not second.files


def test_a_number_that_is_given_out_again_was_closed_in_between(decoded: Decode) -> None:
    recording = decoded(trace(opened(7), create(7, 4, "a"), preserve(7, 4, "a", 9, 1), create(7, 4, "b")))
    (closed,) = of_kind(recording, Kind.CLOSE)
    assert (closed.inferred, closed.fd, closed.on and closed.on.label) == (True, 4, b"a")
    assert closed.exit is not None and (closed.enter.line, closed.exit.line) == (5, 6)


def test_an_open_file_that_is_used_later_on_was_not_closed(decoded: Decode) -> None:
    """The process had a second descriptor for it that nobody saw it get."""
    recording = decoded(trace(opened(7), create(7, 4, "a"), create(7, 4, "b"), preserve(7, 9, "a", 5, 1)))
    assert not of_kind(recording, Kind.CLOSE)


def test_the_name_of_a_session_ties_descriptors_of_processes(decoded: Decode) -> None:
    recording = decoded(
        trace(opened(7), create(7, 4, "a"), create(7, 5, "b"), preserve(8, 3, "a", 6, 1), preserve(8, 4, "b", 7, 1))
    )
    made = [c.files["fd"] for c in recording.calls if c.event == "CREATE_SESSION"]
    assert [c.on for c in recording.calls if c.event == "PRESERVE_FD"] == made


def test_a_released_session_is_not_the_next_one_of_its_name(decoded: Decode) -> None:
    recording = decoded(trace(opened(7), create(7, 4, "a"), release(7, "a"), create(7, 4, "a"), preserve(7, 4, "a", 6, 1)))
    first, second, third = of_kind(recording, Kind.IOCTL)
    (released,) = of_kind(recording, Kind.RELEASE)
    assert released.on == first.files["fd"] != second.files["fd"] == third.on
    assert not of_kind(recording, Kind.CLOSE)


def test_another_process_means_the_session_that_is_there(decoded: Decode) -> None:
    recording = decoded(trace(opened(7), create(7, 4, "a"), release(7, "a"), create(7, 4, "a"), preserve(8, 9, "a", 6, 1)))
    _, second = (c.files["fd"] for c in recording.calls if c.event == "CREATE_SESSION")
    assert [c.on for c in recording.calls if c.event == "PRESERVE_FD"] == [second]


def test_a_negative_number_is_no_descriptor(decoded: Decode) -> None:
    (call,) = decoded(trace(preserve(7, 4, "a", -1, 1, -9))).calls
    assert call.closed == {"fd"}


def test_sessions_without_name_or_number_are_not_told_apart(decoded: Decode) -> None:
    probes = [(7, f"p_session_ioctl: (luo_session_ioctl+0x0/0x1a0) cmd=0xba40 size=16 fd=5 token={n:#x}") for n in (1, 2)]
    returns = (7, "r_session_ioctl: (f+0x1/0x2 <- luo_session_ioctl) ret=0")
    recording = decoded(trace(probes[0], returns, probes[1], returns))
    assert [(c.on, c.given["token"], c.result) for c in recording.calls] == [(None, 1, 0), (None, 2, 0)]


def test_calls_on_other_files_are_none_of_ours(decoded: Decode) -> None:
    null = 'sys_openat(dfd: 4294967196, filename: 140727 "/dev/null", flags: O_RDWR)'
    recording = decoded(
        trace(*called(7, null, 3), *ioctl(7, 3, 0xBA40, -25), *ioctl(7, 9, 0x5401, -25), *ioctl(7, -1 & 0xFFFFFFFF, 0xBA40, -9))
    )
    assert not recording.calls
    assert codes(recording) == ["LUO702", "LUO707", "LUO707"]


def test_an_open_whose_path_is_not_shown_is_the_device_s_when_a_call_shows_it(decoded: Decode) -> None:
    raw = [
        "sys_enter: NR 257 (ffffff9c, 7ffd, 2, 0, 0, 0)", "sys_exit: NR 257 = 3", "sys_enter: NR 257 (ffffff9c, 7ffd, 2, 0, 0, 0)",
        "sys_exit: NR 257 = 4", "sys_enter: NR 16 (4, ba00, 7ffd, 0, 0, 0)", "sys_exit: NR 16 = 0",
    ]  # fmt: skip
    recording = decoded(trace(*((7, text) for text in raw)))
    assert [(c.kind.value, c.fd, c.result) for c in recording.calls] == [("open", 4, 4), ("ioctl", 4, 0)]
    assert recording.calls[0].on == recording.calls[1].on


def test_the_close_of_a_number_that_was_not_shown_may_be_a_session_s(decoded: Decode) -> None:
    recording = decoded(trace(*called(7, OPEN, 3), *close(7, 9), *ioctl(7, 3, 0xBA00, 0), *close(7, 4)))
    assert [(c.kind.value, c.fd, c.on and c.on.target) for c in recording.calls] == [
        ("open", 3, "device"), ("ioctl", 3, "device"), ("close", 4, None),
    ]  # fmt: skip


# ---- processes ------------------------------------------------------------------------------------------------------

FORK = (7, "sched_process_fork: comm=agent pid=7 child_comm=agent child_pid=8")


def clone(flags: int) -> list[tuple[int, str]]:
    return [(7, f"sys_clone(clone_flags: {flags:#x}, newsp: 0)"), FORK, (7, "sys_clone -> 0x8")]


def test_a_fork_copies_the_table(decoded: Decode) -> None:
    recording = decoded(
        trace(*called(7, OPEN, 3), *clone(0x1200011), *ioctl(8, 3, 0xBA00, 0), *close(7, 3), *ioctl(8, 3, 0xBA01, -2))
    )
    assert [(c.kind.value, c.process, c.parent) for c in recording.calls] == [
        ("open", 7, None), ("fork", 8, 7), ("ioctl", 8, None), ("close", 7, None), ("ioctl", 8, None),
    ]  # fmt: skip
    assert recording.calls[0].on == recording.calls[2].on == recording.calls[4].on
    assert not recording.tables_unsure


def test_a_thread_shares_the_table(decoded: Decode) -> None:
    recording = decoded(trace(*called(7, OPEN, 3), *clone(0x3D0F00), *ioctl(8, 3, 0xBA00, 0), *close(8, 3)))
    assert [(c.kind.value, c.process, c.thread) for c in recording.calls] == [("open", 7, 7), ("ioctl", 7, 8), ("close", 7, 8)]


@pytest.mark.parametrize(("shared", "process"), [(True, 7), (False, 8), (None, 8)])
def test_where_the_recording_is_silent_the_caller_decides(decoded: Decode, shared: bool | None, process: int) -> None:
    recording = decoded(trace(*called(7, OPEN, 3), FORK, *ioctl(8, 3, 0xBA00, 0)), threads_share=shared)
    assert of_kind(recording, Kind.IOCTL)[0].process == process
    assert recording.tables_unsure
    assert "LUO708" in codes(recording)


def test_tasks_that_nobody_was_seen_to_create_can_be_threads(decoded: Decode) -> None:
    text = trace(opened(7), create(8, 4, "a"), preserve(9, 4, "a", 5, 1))
    assert [c.process for c in decoded(text, threads_share=True).calls] == [7, 7, 7]
    assert [c.process for c in decoded(text, threads_share=False).calls] == [7, 8, 9]


@pytest.mark.parametrize(("last", "process"), [("false", 7), ("true", 8)])
def test_how_tasks_end_tells_whether_they_were_threads(decoded: Decode, last: str, process: int) -> None:
    ends = [
        (8, f"sched_process_exit: comm=a pid=8 prio=120 group_dead={last}"),
        (7, "sched_process_exit: comm=a pid=7 prio=120 group_dead=true"),
    ]
    recording = decoded(trace(*called(7, OPEN, 3), FORK, *ioctl(8, 3, 0xBA00, 0), *ends))
    assert of_kind(recording, Kind.IOCTL)[0].process == process
    assert not recording.tables_unsure


def test_thread_groups_are_processes(decoded: Decode) -> None:
    line = "           agent-{}       (      7) [000] .....     5.00000{}: {}\n"
    text = "".join(line.format(t, n, m) for n, (t, m) in enumerate([opened(7), create(8, 4, "a")]))
    assert [(c.process, c.thread) for c in decoded(text).calls] == [(7, 7), (7, 8)]


def test_a_session_s_descriptor_is_passed_over_a_socket(decoded: Decode) -> None:
    receive = called(8, "sys_recvmsg(fd: 5, msg: 0x7ffc, flags: 0)", 1)
    recording = decoded(trace(*close(8, 3), *receive, *ioctl(8, 3, 0xBA43, 0), *close(8, 3)))
    assert [(c.kind.value, c.process, c.on and c.on.target) for c in recording.calls] == [
        ("ioctl", 8, "Session"),
        ("close", 8, "Session"),
    ]


# ---- losses and damage ----------------------------------------------------------------------------------------------


def test_after_a_loss_numbers_mean_nothing_and_results_are_open(decoded: Decode) -> None:
    recording = decoded(
        trace(
            *called(7, OPEN, 3),
            (7, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)"),
            "CPU:0 [LOST 592 EVENTS]",
            (7, "sys_ioctl -> 0x0"),
            *close(7, 3),
        )
    )
    assert [(loss.line, loss.count) for loss in recording.losses] == [(6, 592)]
    (call,) = of_kind(recording, Kind.IOCTL)
    assert call.result is None and call.exit is not None
    assert not of_kind(recording, Kind.CLOSE)
    assert not recording.truncated_start


def test_a_beginning_that_was_overwritten(decoded: Decode) -> None:
    recording = decoded("# entries-in-buffer/entries-written: 136/1781   #P:2\n" + trace(opened(7)))
    assert [(loss.line, loss.count) for loss in recording.losses] == [(1, 1645)]
    assert recording.truncated_start
    recording = decoded(trace(opened(7), "##### CPU 1 buffer started ####", opened(8, -16)))
    assert [(loss.line, loss.count) for loss in recording.losses] == [(4, None)]
    assert recording.truncated_start
    assert not decoded("# entries-in-buffer/entries-written: 17/17   #P:2\n" + trace(opened(7))).losses


def test_a_clock_that_goes_back_is_another_recording(decoded: Decode) -> None:
    text = trace(*called(7, OPEN, 3)) + trace(*called(7, OPEN, 3), step=10**6)
    assert not decoded(text).losses  # less than a second
    text = trace(*called(7, OPEN, 3), step=10**7) + trace(*called(7, OPEN, 3))
    assert [loss.line for loss in decoded(text).losses] == [7]


def test_lines_that_are_no_events_are_quoted(decoded: Decode) -> None:
    recording = decoded(trace(opened(7), "~~~ \x1b[31m ~~~", *(["more"] * 3), opened(7, -16)))
    assert [c.result for c in recording.calls] == [0, -16]
    (note,) = [note for note in recording.notes if note.code == "LUO706"]
    assert note.line == 4 and note.text.startswith("4 lines are no events") and "\\x1b[31m" in note.text and "\x1b" not in note.text


def test_a_marker_with_line_ends_is_suspicious(decoded: Decode) -> None:
    forged = "           agent-8       [000] .....     5.009000: sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)"
    recording = decoded(trace(opened(7), (9, "tracing_mark_write: hello"), "there", forged))
    assert "LUO709" in codes(recording)


def test_names_and_strings_with_line_ends_are_put_together(decoded: Decode) -> None:
    lines = [
        "           nl\nag-7       [000] .....     5.001000: sys_openat(dfd: 4294967196, filename: 1 \"/dev/liveupdate\", flags: O_RDWR)",
        "           nl\nag-7       [000] .....     5.002000: sys_openat -> 0x3",
        "           agent-7       [000] .....     5.003000: sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)",
        "           agent-7       [000] .....     5.004000: " + create(7, 4, "one\ntwo\n            x-1      [000] 1.0: y")[1],
    ]  # fmt: skip
    first, second = decoded("\n".join(lines)).calls
    assert (first.thread, first.result) == (7, 3)
    assert second.given["name"] == b"one\ntwo\n            x-1      [000] 1.0: y"


def test_a_string_that_never_ends_does_not_swallow_the_rest(decoded: Decode) -> None:
    recording = decoded(trace((7, 'ioctl: (f+0x1/0x2 <- luo_ioctl) dfd=3 cmd=0xba00 name="x'), *[opened(7)] * 200))
    assert len(of_kind(recording, Kind.OPEN)) == 200


# ---- anything -------------------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_recordings_are_decoded_or_refused(
    data: st.DataObject, decoded_damage: Callable[[bytes], None], whole: bytes
) -> None:
    lines = whole.split(b"\n")
    start = data.draw(st.integers(0, len(lines) - 1))
    kept = bytearray(b"\n".join(lines[start : start + 60]))
    for _ in range(data.draw(st.integers(0, 12))):
        if kept:
            place = data.draw(st.integers(0, len(kept) - 1))
            match data.draw(st.integers(0, 2)):
                case 0:
                    kept[place] = data.draw(st.integers(0, 255))
                case 1:
                    del kept[place : place + data.draw(st.integers(1, 40))]
                case 2:
                    kept[place:place] = data.draw(st.binary(max_size=20))
    decoded_damage(bytes(kept))


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=2000))
def test_any_bytes_are_decoded_or_refused(decoded_damage: Callable[[bytes], None], data: bytes) -> None:
    decoded_damage(data)
    decoded_damage(b"# tracer: nop\n           agent-7       [000] .....     5.001000: " + data)


@pytest.fixture(scope="module")
def whole() -> bytes:
    """Lines of every recorder, one after the other."""
    import gzip
    from pathlib import Path

    folder = Path(__file__).parent / "captures"
    parts = [gzip.decompress(path.read_bytes()) for path in sorted(folder.glob("agent-killed/*.gz")) if "deep" not in path.name]
    parts += [gzip.decompress(path.read_bytes()) for path in sorted(folder.glob("format-variants/*.gz"))]
    return b"\n".join(parts)


@pytest.fixture(scope="module")
def decoded_damage(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], None]:
    abi: Abi = load("linux_7_3").system.abi
    path = tmp_path_factory.mktemp("damage") / "trace.txt"

    def attempt(data: bytes) -> None:
        path.write_bytes(data)
        for shared in (True, False):
            try:
                recording = decode(str(path), abi, threads_share=shared)
            except SpecError:
                continue
            for call in recording.calls:
                assert call.exit is None or call.enter.line <= call.exit.line <= recording.lines
                assert set(call.closed).isdisjoint(call.files)

    return attempt


# ---- an open file that was made and never given -----------------------------------------------------------------

UNWRITABLE = create(7, -1, "vm", -14)
CLOSES = called(7, "sys_close(fd: 9)", -9)  # a recording with closes: tables of descriptors are complete


def kinds_of(recording: Recording) -> list[Kind]:
    return [call.kind for call in recording.calls]


def test_the_release_within_an_ioctl_that_fails_is_no_close(decoded: Decode) -> None:
    recording = decoded(trace(opened(7), UNWRITABLE, release(7, "vm"), create(7, 4, "vm")))
    assert kinds_of(recording) == [Kind.OPEN, Kind.IOCTL, Kind.IOCTL]


@pytest.mark.parametrize(
    ("between", "released"),
    [
        ([create(7, -1, "vm", -17)], (7, "vm")),  # another call of the thread ended in between
        ([(7, "sched_process_exit: comm=agent pid=7 prio=120 group_dead=true")], (7, "vm")),
        ([], (8, "vm")),  # another thread
        ([], (7, "other")),  # another session
    ],
)
def test_any_other_release_is_one(between: list[tuple[int, str]], released: tuple[int, str], decoded: Decode) -> None:
    recording = decoded(trace(opened(7), UNWRITABLE, *between, release(*released)))
    assert kinds_of(recording)[-1] is Kind.RELEASE


def test_only_failing_with_an_unwritable_answer_makes_an_open_file(decoded: Decode) -> None:
    recording = decoded(trace(opened(7), create(7, -1, "vm", -24), release(7, "vm")))
    assert kinds_of(recording) == [Kind.OPEN, Kind.IOCTL, Kind.RELEASE]


def test_a_known_session_of_that_name_is_closed_where_closes_are_not_recorded(decoded: Decode) -> None:
    events = [opened(7), create(7, 4, "vm"), UNWRITABLE, release(7, "vm")]
    recording = decoded(trace(*events))
    assert kinds_of(recording)[-1] is Kind.RELEASE and recording.calls[-1].on is not None
    recording = decoded(trace(*CLOSES, *events))
    assert kinds_of(recording) == [Kind.OPEN, Kind.IOCTL, Kind.IOCTL]
