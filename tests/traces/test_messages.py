"""Messages of ftrace lines: numbers, strings of the user in them, and every way in which a call is printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luocheck.traces.formats.ftrace_messages import parse_graph_message, parse_message, unfinished
from luocheck.traces.records import Ended, Enter, Executed, Exit, Forked, Hit, Marker, Other

U64 = (1 << 64) - 1

pieces = st.sampled_from(
    [b'"', b" ", b"=", b'" ret=0', b" cmd=0xba01", b'", flags: O_RDONLY', b"(fault)", b") -> 0x0", b"\\", b"\xff", b"x"]
)
hostile = st.one_of(st.binary(max_size=60).map(lambda b: b.replace(b"\n", b".")), st.lists(pieces, max_size=8).map(b"".join))
"""Strings of a user who knows the format."""


def test_system_calls_in_every_printed_form() -> None:
    enter = Enter("ioctl", (3, 0xBA00, 0x7FFC), "syscalls")
    assert parse_message(b"sys_ioctl(fd: 3, cmd: 0xba00, arg: 0x7ffc)") == enter
    assert parse_message(b"sys_ioctl(fd: 3, cmd: ba00, arg: 7ffc)") == enter  # before 6.13: hexadecimal without 0x
    assert parse_message(b"sys_ioctl(unsigned int fd: 3, unsigned int cmd: 0xba00, unsigned long arg: 0x7ffc)") == enter
    assert parse_message(b"sys_enter_ioctl: __syscall_nr=0x10 (16) fd=0x3 (3) cmd=0xba00 (47616) arg=0x7ffc (32764)") == enter
    assert parse_message(b"sys_enter: NR 16 (3, ba00, 7ffc, 7, 18, 0)") == Enter("ioctl", (3, 0xBA00, 0x7FFC, 7, 0x18, 0), "raw")
    assert parse_message(b"sys_enter: NR 16 (3, x, 7ffc)") == Enter("ioctl", (3,), "raw")
    assert parse_message(b"sys_close(fd: 10)") == Enter("close", (16,), "syscalls")


@given(st.integers(-4095, U64 >> 1))
def test_results_in_every_printed_form(value: int) -> None:
    word = value & U64
    assert parse_message(b"sys_ioctl -> 0x%x" % word) in (
        Exit("ioctl", value, "syscalls"),
        Exit("ioctl", value - (1 << 32), "syscalls"),
    )
    assert parse_message(b"sys_exit: NR 16 = %d" % value) == Exit("ioctl", value, "raw")
    assert parse_message(b"sys_exit_ioctl: __syscall_nr=0x10 (16) ret=0x%x (%d)" % (word, value)) == Exit(
        "ioctl", value, "syscalls"
    )


def test_results_of_a_32_bit_kernel_are_signed() -> None:
    assert parse_message(b"sys_ioctl -> 0xffffffe7") == Exit("ioctl", -25, "syscalls")


@given(hostile)
def test_a_path_is_what_lies_between_the_outer_quotes(path: bytes) -> None:
    text = b'sys_openat(dfd: 4294967196, filename: 94046 "%s", flags: O_RDWR|O_CLOEXEC)' % path
    event = parse_message(text)
    assert isinstance(event, Enter)
    assert event.path == path


@given(hostile, st.integers(0, U64))
def test_a_session_s_name_cannot_change_the_other_fields(name: bytes, token: int) -> None:
    text = b'session_ioctl: (a+0x1/0x2 <- luo_session_ioctl) sfd=4 session="%s" cmd=0xba40 size=16 fd=7 token=0x%x ret=-22'
    event = parse_message(text % (name, token))
    assert event == Hit(
        "session_ioctl",
        "luo_session_ioctl",
        True,
        {"session": name, "sfd": 4, "cmd": 0xBA40, "size": 16, "fd": 7, "token": token, "ret": -22},
        "a",
    )


def test_a_name_written_twice_says_nothing_under_the_fields_option() -> None:
    """There the string has no quotes, so a name can contain what looks like another field."""
    event = parse_message(
        b"ioctl: __probe_func=luo_ioctl+0x0/0x120 (-1) __probe_ret_ip=f+0x1/0x2 (-2) dfd=0x3 (3) cmd=0xba00 (47616) "
        b"name=evil cmd=0xba01 (47617) ret=0x0 (0)"
    )
    assert isinstance(event, Hit)
    assert (event.function, event.returns, event.fields["dfd"], event.fields["cmd"]) == ("luo_ioctl", True, 3, None)


def test_probes_at_entry_on_return_and_on_events() -> None:
    assert parse_message(b"p_ioctl: (luo_ioctl+0x0/0x120) cmd=0xba00 arg=0x7f") == Hit(
        "p_ioctl", "luo_ioctl", False, {"cmd": 0xBA00, "arg": 0x7F}
    )
    assert parse_message(b"ioctl: ([unknown/kretprobe'd] <- luo_ioctl) ret=-515") == Hit("ioctl", "luo_ioctl", True, {"ret": -515})
    assert parse_message(b"ioctl_enter: (syscalls.sys_enter_ioctl) fd=4 cmd=0xba40 token=(fault)") == Hit(
        "ioctl_enter", "syscalls.sys_enter_ioctl", False, {"fd": 4, "cmd": 0xBA40, "token": None}
    )
    assert parse_message(b"dev_release: (luo_release+0x0/0x20)") == Hit("dev_release", "luo_release", False, {})


def test_functions_and_function_graph() -> None:
    assert parse_message(b"luo_preserve_file(file_set=0xff11, token=0x1001, fd=5) <-luo_session_preserve_fd") == Hit(
        "function", "luo_preserve_file", False, {"file_set": 0xFF11, "token": 0x1001, "fd": 5}, "luo_session_preserve_fd"
    )
    assert parse_message(b"luo_open <-misc_open") == Hit("function", "luo_open", False, {}, "misc_open")
    assert parse_graph_message(b"    luo_ioctl(cmd=0xba00) {") == [Hit("function", "luo_ioctl", False, {"cmd": 0xBA00})]
    assert parse_graph_message(b"    } /* luo_ioctl ret=-17 */") == [Hit("function", "luo_ioctl", True, {"ret": -17})]
    assert parse_graph_message(b"    } /* luo_ioctl = 0x0 */") == [Hit("function", "luo_ioctl", True, {"ret": 0})]
    assert parse_graph_message(b"luo_open(inodep=0x1); /* ret=-16 */") == [
        Hit("function", "luo_open", False, {"inodep": 1}),
        Hit("function", "luo_open", True, {"ret": -16}),
    ]
    assert parse_graph_message(b"/* sys_ioctl -> 0x0 */") == [Exit("ioctl", 0, "syscalls")]
    assert parse_graph_message(b"  }") == [Other("}")]


@pytest.mark.parametrize("comm", ["x", "a pid=1 prio=1 group_dead=true", "pid=9 child_pid=8", ""])
def test_tasks_are_named_by_their_ids_only(comm: str) -> None:
    name = comm.encode()
    assert parse_message(b"sched_process_exit: comm=%s pid=7287 prio=120 group_dead=false" % name) == Ended(7287, False)
    assert parse_message(b"sched_process_exit: comm=%s pid=7287 prio=120" % name) == Ended(7287, None)
    assert parse_message(b"sched_process_exit: comm=%s pid=0x44 (68) prio=0x78 (120) group_dead=(1)" % name) == Ended(68, True)
    assert parse_message(b"sched_process_fork: comm=bash pid=7277 child_comm=%s child_pid=7279" % name) == Forked(None, 7279)


def test_the_rest() -> None:
    assert parse_message(b"sched_process_exec: filename=/bin/x pid=79 old_pid=79") == Executed()
    assert parse_message(b"tracing_mark_write: sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)") == Marker(
        b"sys_ioctl(fd: 3, cmd: 0xba00, arg: 0)"
    )
    assert parse_message(b"Unknown type 1136") == Other("Unknown type 1136")
    assert parse_message(b"luo_call: cmd=47616 arg=140 ret=0 lat=1") == Other("luo_call")
    assert parse_message(b"~~ damage ~~") is None


def test_a_string_that_goes_on_in_the_next_line_is_unfinished() -> None:
    assert unfinished(b'ioctl: (f <- luo_ioctl) dfd=3 name="two')
    assert not unfinished(b'ioctl: (f <- luo_ioctl) dfd=3 name="two" ret=0')
    assert not unfinished(b'sys_openat(dfd: 3, filename: 7 "x')


@given(st.binary(max_size=300))
def test_any_message_is_an_event_or_none(message: bytes) -> None:
    parse_message(message)
    parse_graph_message(message)


@pytest.mark.parametrize(
    "message",
    [
        b"sys_ioctl(" + b"a: 1, " * 30_000,
        b"x: (f) " + b'a="' * 60_000,
        b"x: (f) " + b"a=1 " * 50_000,
        b'sys_openat(filename: 1 "' + b'", flags: ' * 20_000,
        b"sched_process_exit: comm=" + b" pid=1 prio=" * 16_000,
        b"f(" + b"a=1, " * 40_000 + b") <-g",
        b"x: __probe_ip=f (1) " + b"a=0x1 (1) " * 20_000,
        b"sys_x -> 0x" + b"f" * 100_000,
    ],
    ids=["arguments", "quotes", "fields", "path", "task", "function", "shown fields", "digits"],
)
def test_long_messages_take_linear_time(message: bytes) -> None:
    parse_message(message)
    parse_graph_message(message + b") {")
