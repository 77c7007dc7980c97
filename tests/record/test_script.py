"""The recorder on a folder that is laid out as a tracefs: what it writes where, and that nothing of it is left."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from record.tracefs import ONE, SCRIPT, TRACE, Tracefs

from luocheck.traces.recorded import is_recorded, read_recorded

ROOT = Path(__file__).parents[2]
DASH, BUSYBOX, BASH = (shutil.which(name) for name in ("dash", "busybox", "bash"))

DESCRIPTORS = {
    f"syscalls/sys_{way}_{name}"
    for name in ("open", "openat", "close", "dup", "dup2", "dup3", "fcntl", "memfd_create")
    for way in ("enter", "exit")
}
COMMON = {"sched/sched_process_fork", "sched/sched_process_exec", "sched/sched_process_exit"} | {
    f"syscalls/sys_{way}_{name}" for name in ("reboot", "kexec_file_load") for way in ("enter", "exit")
}
IOCTL = {"syscalls/sys_enter_ioctl", "syscalls/sys_exit_ioctl"}
METHODS = {
    "one": ONE | COMMON,
    "sc": {"sc/ioctl", "luo/liveupdate_reboot"} | DESCRIPTORS | COMMON,
    "eprobe": {"ep/ioctl_enter", "ep/ioctl_exit"} | DESCRIPTORS | COMMON,
    "kprobe": {"kp/p_ioctl", "kp/r_ioctl", "kp/p_session_ioctl", "kp/r_session_ioctl"} | DESCRIPTORS | IOCTL | COMMON,
    "syscalls": DESCRIPTORS | IOCTL | COMMON,
}


@pytest.fixture
def fake(tmp_path: Path) -> Tracefs:
    return Tracefs(tmp_path)


def nothing_is_left(fake: Tracefs, before: dict[str, str]) -> bool:
    return fake.events == set() and fake.tree == before and not fake.state.exists()


# ---- what is set up ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_method_switches_on_its_events_and_leaves_nothing(fake: Tracefs, method: str) -> None:
    before = fake.tree
    started = fake.run("start", "--method", method)
    assert started.returncode == 0, started.stderr
    instance = fake.instance()
    assert set(fake.enabled()) == METHODS[method] and fake.events == {
        each for each in METHODS[method] if each.split("/")[0] not in ("syscalls", "sched")
    }
    assert (instance["tracing_on"], instance["trace_clock"], instance["buffer_size_kb"]) == ("1", "boot", "8192")
    assert (instance["options/record-tgid"], instance["options/event-fork"], instance["set_event_pid"]) == ("1", "0", "")
    filtered = {each: text for each, text in instance.items() if each.endswith("/filter") and text != "none"}
    wanted = {"sc": "sc/ioctl", "eprobe": "ep/ioctl_enter"}.get(method)
    assert filtered == ({f"events/{wanted}/filter": "cmd >= 0xba00 && cmd <= 0xbaff"} if wanted else {})
    assert {
        each: text for each, text in fake.tree.items() if not each.startswith("instances/")
    } == before  # nothing for all instances
    ended = fake.run("stop", "--out", "rec")
    assert ended.returncode == 0 and ended.stdout == f"{fake.place}/rec\n"
    assert nothing_is_left(fake, before)
    assert read_recorded(str(fake.place / "rec")).whole


def test_the_definitions_are_those_that_are_known_to_work(fake: Tracefs) -> None:
    """Word for word as in the recordings that the tests have: `traces/formats/recorders.py` reads what they print."""
    assert fake.run("start", "--method", "one").returncode == 0
    assert fake.definitions == [
        "f:one/ioctl luo_ioctl%return dfd=+16328((task_struct)($current)->stack):s32 cmd=$arg2:x32 size=+u0($arg3):u32"
        " fd=+u4($arg3):s32 name=+u8($arg3):ustring ret=$retval:s32",
        "f:one/session_ioctl luo_session_ioctl%return sfd=+16328((task_struct)($current)->stack):s32"
        " session=(luo_session)(filep->private_data)->name:string cmd=$arg2:x32 size=+u0($arg3):u32 fd=+u4($arg3):s32"
        " token=+u8($arg3):x64 ret=$retval:s32",
        "f:luo/dev_open luo_open%return ret=$retval:s32",
        "f:luo/dev_release luo_release",
        "f:luo/session_release luo_session_release session=(luo_session)(filep->private_data)->name:string"
        " retrieved=(luo_session)(filep->private_data)->retrieved files=(luo_session)(filep->private_data)->file_set.count",
        "f:luo/luo_session_deserialize luo_session_deserialize%return ret=$retval:s32",
        "f:luo/luo_file_freeze luo_file_freeze%return count=file_set->count ret=$retval:s32",
        "f:luo/luo_session_serialize luo_session_serialize%return ret=$retval:s32",
        "f:luo/liveupdate_reboot liveupdate_reboot%return ret=$retval:s32",
    ]
    for method in ("sc", "eprobe", "kprobe"):
        fake.run("undo")
        fake.write("dynamic_events", "")
        assert fake.run("start", "--method", method).returncode == 0
        if method == "sc":
            assert fake.definitions[0] == (
                "f:sc/ioctl __x64_sys_ioctl%return fd=regs->di:s32 cmd=regs->si:x32 size=+u0(regs->dx):u32 afd=+u4(regs->dx):s32"
                " token=+u8(regs->dx):x64 ret=$retval:s64"
            )
        if method == "eprobe":
            assert fake.definitions == [
                "e:ep/ioctl_enter syscalls/sys_enter_ioctl fd=$fd:s32 cmd=$cmd:x32 size=+u0($arg):u32 afd=+u4($arg):s32"
                " token=+u8($arg):x64 name=+u8($arg):ustring",
                "e:ep/ioctl_exit syscalls/sys_exit_ioctl ret=$ret:s64",
            ]
        if method == "kprobe":
            assert fake.definitions == [
                "p:kp/p_session_ioctl luo_session_ioctl cmd=$arg2:x32 arg=$arg3:x64 size=+u0($arg3):u32 fd=+u4($arg3):s32 token=+u8($arg3):x64",
                "r:kp/r_session_ioctl luo_session_ioctl ret=$retval:s64",
                "p:kp/p_ioctl luo_ioctl cmd=$arg2:x32 arg=$arg3:x64 size=+u0($arg3):u32 name=+u8($arg3):ustring",
                "r:kp/r_ioctl luo_ioctl ret=$retval:s64",
            ]


def test_the_options(fake: Tracefs) -> None:
    options = ("--instance", "mine", "--pid", 12, "--pid", 345, "--clock", "mono", "--buffer-kb", 64, "--out", "rec")
    assert fake.run("start", *options).returncode == 0
    instance = fake.instance("mine")
    assert instance["set_event_pid"] == "12 345" and instance["options/event-fork"] == "1"
    assert instance["trace_clock"] == "mono" and instance["buffer_size_kb"] == "64"
    assert set(fake.enabled("mine")) == ONE | DESCRIPTORS | COMMON
    assert "not recording" in fake.run("status").stdout
    status = fake.run("status", "--instance", "mine").stdout
    assert "method one" in status and "4 events, 0 lost" in status
    assert fake.run("stop", "--instance", "mine").returncode == 0
    said = (fake.place / "rec" / "luo-record.txt").read_text().splitlines()
    assert said[0] == "luo-record 1" and {"state: complete", "method: one", "instance: mine", "pids: 12 345", "clock: mono"} <= set(
        said
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--pid", "1x"), "not the number of a process"),
        (("--pid", "12345678901"), "not the number of a process"),
        (("--buffer-kb", "-1"), "not a number of kilobytes"),
        (("--instance", "../x"), "letters, digits"),
        (("--instance", "-x"), "letters, digits"),
        (("--persist", "a b"), "letters, digits"),
        (("--method", "magic"), "one of one, sc"),
        (("--nonsense", "1"), "no option"),
        (("--pid",), "needs a value"),
        (("--clock", "sundial"), "no trace clock sundial, but [local]"),
        (("--clock", "bal"), "no trace clock bal"),
        (("--tracefs", "/nowhere"), "is no tracefs"),
        (("--persist", "boot", "--out", "x"), "reserve_mem=8M:4096:luotrace trace_instance=boot^traceoff@luotrace"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(fake: Tracefs, options: tuple[str, ...], message: str) -> None:
    before = fake.tree
    ended = fake.run("start", *options)
    assert ended.returncode == 2 and message in ended.stderr + ended.stdout
    assert nothing_is_left(fake, before)


def test_without_root_it_says_so(fake: Tracefs) -> None:
    fake.program("id", "#!/bin/sh\necho 1000\n")
    for command in ("check", "start", "stop", "undo"):
        ended = fake.run(command)
        assert ended.returncode == 2 and "this needs root" in ended.stderr
    shown = subprocess.run(["sh", str(SCRIPT), "help"], capture_output=True, text=True, check=False)
    assert shown.returncode == 0 and "recover" in shown.stdout
    assert subprocess.run(["sh", str(SCRIPT), "dance"], capture_output=True, check=False).returncode == 2


# ---- methods that a kernel does not have ------------------------------------------------------------------------


def test_a_kernel_without_dynamic_events_falls_back_to_system_calls(fake: Tracefs) -> None:
    (fake.root / "dynamic_events").unlink()
    (fake.root / "dynamic_events").symlink_to("/proc/version")  # takes no writes, also not from root
    before = fake.tree
    started = fake.run("start")
    assert started.returncode == 0 and set(fake.enabled()) == METHODS["syscalls"]
    assert started.stderr.count("does not work here") == 4
    assert "not recorded: tokens, descriptors that are preserved" in started.stderr
    assert fake.run("stop", "--out", "rec").returncode == 0
    assert read_recorded(str(fake.place / "rec")).missing == (
        "tokens, descriptors that are preserved, and names of sessions: of the method syscalls",
    )
    assert fake.tree == before and not fake.state.exists()
    ended = fake.run("start", "--method", "kprobe")
    assert ended.returncode == 2 and "the method kprobe does not work here" in ended.stderr and fake.tree == before
    checked = fake.run("check")
    assert (
        checked.returncode == 0 and "method syscalls: works" in checked.stdout and "would use the method syscalls" in checked.stdout
    )
    shutil.rmtree(fake.root / "events" / "syscalls")
    for command in ("start", "check"):
        ended = fake.run(command)
        assert ended.returncode == 2 and "no event that shows what is needed" in ended.stderr and not fake.state.exists()


@pytest.mark.parametrize(
    ("config", "machine", "first", "why"),
    [
        ("CONFIG_X86_64=y\nCONFIG_KASAN=y\n", "x86_64", "sc/ioctl", "CONFIG_KASAN"),
        ("", "x86_64", "sc/ioctl", "no configuration of this kernel to read"),
        ("CONFIG_ARM64=y\n", "aarch64", "ep/ioctl_enter", "x86-64 only"),
    ],
)
def test_where_the_registers_of_the_caller_are_not_certain_they_are_not_guessed(
    fake: Tracefs, config: str, machine: str, first: str, why: str
) -> None:
    fake.config.write_text(config)
    fake.program("uname", f"#!/bin/sh\necho {machine}\n")
    started = fake.run("start")
    assert started.returncode == 0 and why in started.stderr and "method one does not work" in started.stderr
    assert f":{first} " in fake.definitions[0]


def test_the_registers_of_the_caller_lie_lower_with_fred(fake: Tracefs) -> None:
    fake.config.write_text("CONFIG_X86_64=y\nCONFIG_X86_FRED=y\n")
    assert fake.run("start").returncode == 0
    assert all("+16312((task_struct)" in each for each in fake.definitions[:2])
    fake.run("undo")
    fake.write("dynamic_events", "")
    fake.config.write_text("")
    assert fake.run("start", "--method", "one").returncode == 0  # asked for
    assert "+16328((task_struct)" in fake.definitions[0]


def test_check_tells_what_there_is_and_changes_nothing(fake: Tracefs) -> None:
    before = fake.tree
    checked = fake.run("check")
    assert checked.returncode == 0 and nothing_is_left(fake, before)
    for method in METHODS:
        assert f"method {method}: works\n" in checked.stdout
    assert "`start` would use the method one" in checked.stdout
    fake.persistent("luoboot")
    assert "persistent instance: luoboot" in fake.run("check").stdout
    ended = fake.run("check", "--persist", "other")
    assert ended.returncode == 2 and "trace_instance=other^traceoff@luotrace" in ended.stdout


# ---- what is there already --------------------------------------------------------------------------------------


def test_what_belongs_to_others_is_not_touched(fake: Tracefs) -> None:
    others = "p:theirs/probe do_exit"
    fake.write("dynamic_events", others)
    (fake.root / "instances" / "theirs").mkdir()
    (fake.root / "instances" / "theirs" / "tracing_on").write_text("1\n")
    before = fake.tree
    assert fake.run("start").returncode == 0 and fake.run("start", "--instance", "two").returncode == 2
    assert fake.run("stop", "--out", "rec").returncode == 0
    assert fake.tree == before and fake.events == {"theirs/probe"} and fake.definitions[0] == others
    ended = fake.run("start", "--instance", "theirs")
    assert ended.returncode == 2 and "there is an instance theirs already" in ended.stderr
    assert fake.tree == before and fake.events == {"theirs/probe"}


def test_a_second_recording_is_refused(fake: Tracefs) -> None:
    assert fake.run("start").returncode == 0
    running = fake.tree
    again = fake.run("start")
    assert again.returncode == 2 and "begun and not ended" in again.stderr and fake.tree == running
    other = fake.run("start", "--instance", "other")
    assert other.returncode == 2 and "there is an event one/ioctl already" in other.stderr
    assert fake.tree == running and fake.events == {each for each in ONE} and len(list(fake.state.iterdir())) == 1
    assert fake.run("start", "--instance", "other", "--method", "syscalls").returncode == 0
    assert fake.run("undo").returncode == fake.run("undo", "--instance", "other").returncode == 0
    assert not fake.state.exists()


def test_a_state_folder_that_was_there_stays(fake: Tracefs) -> None:
    fake.state.mkdir()
    assert fake.run("start").returncode == 0 and fake.run("undo").returncode == 0
    assert list(fake.state.iterdir()) == []
    assert fake.run("undo").returncode == 0


# ---- when something fails ---------------------------------------------------------------------------------------

NEEDED = [
    "tracing_on",
    "trace_clock",
    "buffer_size_kb",
    "set_event_pid",
    "events/one/ioctl/enable",
    "events/luo/liveupdate_reboot/enable",
    "events/sched/sched_process_fork/enable",
    "events/syscalls/sys_exit_kexec_file_load/enable",
]
WANTED = {"options/record-tgid": "which process a task belongs to", "options/event-fork": "children of the processes"}


def broken(fake: Tracefs, name: str, how: str) -> None:
    """In the next instance that is made, this file takes no writes."""
    path = f'"$last/{name}"'
    fake.environment = {"BREAK": name, "BREAK_WITH": {"refuses": f"ln -s /proc/version {path}", "missing": ":"}[how]}


@pytest.mark.parametrize("how", ["refuses", pytest.param("missing", marks=pytest.mark.nightly)])
@pytest.mark.parametrize("name", [*NEEDED, *WANTED])
def test_a_write_that_fails_is_undone_with_everything_before(fake: Tracefs, name: str, how: str) -> None:
    before = fake.tree
    broken(fake, name, how)
    ended = fake.run("start", "--pid", 12, "--out", "rec")
    if name in WANTED:
        assert ended.returncode == 0 and f"not recorded: {WANTED[name]}" in ended.stderr
        fake.environment = {}
        assert fake.run("stop").returncode == 0
        assert any(WANTED[name] in each for each in read_recorded(str(fake.place / "rec")).missing)
    else:
        assert ended.returncode == 2 and ended.stderr.startswith("luo-record: ")
    assert nothing_is_left(fake, before)


def test_a_filter_that_fails_records_more(fake: Tracefs) -> None:
    broken(fake, "events/sc/ioctl/filter", "refuses")
    ended = fake.run("start", "--method", "sc")
    assert ended.returncode == 0 and "ioctls of other drivers are recorded too" in ended.stderr


def test_an_instance_that_cannot_be_made(fake: Tracefs) -> None:
    before = fake.tree
    fake.environment = {"HINDER_MKDIR": "1"}
    ended = fake.run("start")
    assert ended.returncode == 2 and "cannot be made" in ended.stderr and nothing_is_left(fake, before)


def test_what_cannot_be_undone_is_kept_for_the_next_time(fake: Tracefs) -> None:
    before = fake.tree
    assert fake.run("start").returncode == 0
    fake.environment = {"HINDER_RMDIR": "1"}
    ended = fake.run("undo")
    assert ended.returncode == 2 and "the instance luo could not be removed" in ended.stderr
    assert (
        fake.events == set()
        and fake.instance()["tracing_on"] == "0"
        and fake.enabled() != []
        and fake.instance()["events/enable"] == "0"
    )
    assert (fake.state / "luo" / "journal").read_text() == "instance\tluo\t\n"
    fake.environment = {}
    assert fake.run("undo").returncode == 0 and nothing_is_left(fake, before)


@pytest.mark.parametrize(
    "number", ["TERM", pytest.param("INT", marks=pytest.mark.nightly), pytest.param("HUP", marks=pytest.mark.nightly)]
)
def test_a_signal_undoes_what_was_begun(fake: Tracefs, number: str) -> None:
    """Tests that run in the background may have been started with the signal ignored, which a shell cannot undo."""
    which = signal.Signals[f"SIG{number}"]
    usual = signal.signal(which, signal.SIG_DFL)
    try:
        _is_undone(fake, number)
    finally:
        signal.signal(which, usual)


def _is_undone(fake: Tracefs, number: str) -> None:
    before = fake.tree
    fake.environment = {"SIGNAL": number}
    ended = fake.run("start", "--out", "rec")
    assert ended.returncode == 2 and "interrupted" in ended.stderr and nothing_is_left(fake, before)


EARLY = ["dynamic_events", "tracing_on", "events/one/ioctl/enable"]


@pytest.mark.parametrize(
    "name", [*EARLY, *(pytest.param(each, marks=pytest.mark.nightly) for each in (*NEEDED, "error_log") if each not in EARLY)]
)
def test_a_crash_half_way_can_be_undone(fake: Tracefs, name: str) -> None:
    """The script is killed while it waits for a file, wherever that is; what it had done is in the journal."""
    before = fake.tree
    if name in ("dynamic_events", "error_log"):
        pipe = fake.root / name
        pipe.unlink()
        os.mkfifo(pipe)
    else:
        pipe = fake.root / "instances" / "luo" / name
        fake.environment = {"BREAK": name, "BREAK_WITH": f'mkfifo "$last/{name}"'}
    child = subprocess.Popen(
        fake.command("start", "--pid", "12"), env=fake.variables, cwd=fake.place, stderr=subprocess.DEVNULL, start_new_session=True
    )
    journal = fake.state / "luo" / "journal"
    until = time.monotonic() + 30
    while not (pipe.is_fifo() and journal.exists()):
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    pipe.unlink()
    pipe.write_text("" if name in ("dynamic_events", "error_log") else "0\n")
    fake.environment = {}
    assert fake.run("stop").returncode == 2  # it was not set up to its end
    undone = fake.run("undo")
    assert undone.returncode == 0 and nothing_is_left(fake, before), undone.stderr


# ---- the folder -------------------------------------------------------------------------------------------------


def test_the_folder_has_what_an_audit_needs(fake: Tracefs) -> None:
    fake.write("saved_cmdlines", "12 agent")
    assert fake.run("start", "--method", "sc").returncode == 0
    (fake.root / "instances/luo/per_cpu/cpu1/stats").write_text("entries: 7\noverrun: 5\ncommit overrun: 2\ndropped events: 1\n")
    status = fake.run("status").stdout
    assert "9 events, 8 lost" in status and "a larger --buffer-kb" in status
    saved = fake.run("save", "--out", "rec")
    folder = fake.place / "rec"
    assert saved.returncode == 0 and is_recorded(str(folder)) and fake.instance()["tracing_on"] == "0"
    assert (folder / "trace.txt").read_text() == TRACE
    assert (folder / "saved_cmdlines.txt").read_text() == "12 agent\n"
    assert "cpu1 overrun: 5\n" in (folder / "stats.txt").read_text()
    assert (folder / "definitions.txt").read_text().splitlines() == fake.definitions
    assert "syscalls/sys_enter_close 304\n" in (folder / "ids.txt").read_text()
    recorded = read_recorded(str(folder))
    assert recorded.whole and recorded.clock == "boot" and recorded.overrun == 5 and recorded.lost == ((1, 3),)
    assert recorded.missing == ("names of sessions: of the method sc",)
    again = fake.run("save", "--out", "rec")  # the same recording
    assert again.returncode == 0
    (fake.place / "full").mkdir()
    (fake.place / "full" / "file").write_text("")
    ended = fake.run("save", "--out", "full")
    assert ended.returncode == 2 and "is not empty" in ended.stderr and fake.events


def test_a_recording_that_cannot_be_saved_is_not_thrown_away(fake: Tracefs) -> None:
    assert fake.run("start").returncode == 0
    (fake.root / "instances/luo/trace").unlink()
    ended = fake.run("stop", "--out", "rec")
    assert ended.returncode == 2 and "what was recorded is still in" in ended.stderr and fake.events
    assert not read_recorded_or_none(fake.place / "rec")
    (fake.root / "instances/luo/trace").write_text(TRACE)
    assert fake.run("stop", "--out", "rec").returncode == 0 and read_recorded(str(fake.place / "rec")).whole


def read_recorded_or_none(folder: Path) -> Any:
    recorded = read_recorded(str(folder))
    return recorded if recorded.whole else None


# ---- over a kexec -----------------------------------------------------------------------------------------------


def persisted(fake: Tracefs, *shell: str) -> Path:
    """A recording that was begun, and then the next kernel: the folder of the recording, and the buffer, are all that is left."""
    fake.persistent("luoboot")
    fake.defined(1136, *sorted(ONE))
    started = fake.run("start", "--persist", "luoboot", "--out", "rec", **({"shell": shell} if shell else {}))
    assert started.returncode == 0, started.stderr
    instance = fake.instance("luoboot")
    assert instance["tracing_on"] == "1" and instance["trace_clock"] == "[local] global counter mono boot x86-tsc"
    assert set(fake.enabled("luoboot")) == METHODS["one"] and "state: recording" in (fake.place / "rec/luo-record.txt").read_text()
    return fake.place / "rec"


def test_a_persistent_instance_is_used_and_given_back(fake: Tracefs) -> None:
    persisted(fake)
    assert fake.run("stop", "--persist", "luoboot").returncode == 0
    instance = fake.instance("luoboot")
    assert instance["tracing_on"] == "0" and fake.enabled("luoboot") == [] and instance["options/record-tgid"] == "0"
    assert fake.events == set() and not fake.state.exists() and read_recorded(str(fake.place / "rec")).whole


def next_kernel(fake: Tracefs) -> dict[str, str]:
    fake.next_kernel("luoboot")
    (fake.root / "instances/luoboot/trace").write_text(
        TRACE + "           <...>-94      [000] ...1.     5.951513: Unknown type 1136\n"
    )
    return fake.tree


def test_the_next_kernel_reads_what_the_last_one_recorded(fake: Tracefs) -> None:
    folder = persisted(fake)
    definitions = fake.definitions
    before = next_kernel(fake)
    ended = fake.run("recover", "--persist", "luoboot", "--out", "rec")
    assert ended.returncode == 0, ended.stderr
    assert fake.definitions[: len(definitions)] == definitions  # the same, in the same order
    assert nothing_is_left(fake, before)
    assert read_recorded(str(folder)).whole and "Unknown type" in (folder / "trace.txt").read_text()
    again = fake.run("recover", "--persist", "luoboot", "--out", "rec")
    assert again.returncode == 2 and "is complete already" in again.stderr
    started = fake.run("start", "--persist", "luoboot", "--out", "rec2")
    assert started.returncode == 2 and "has events from before" in started.stderr and nothing_is_left(fake, before)


@pytest.mark.parametrize(("first", "moved"), [(1137, sorted(ONE)), (1136, sorted(ONE, reverse=True))])
def test_events_with_other_numbers_are_not_read_as_what_they_are_not(fake: Tracefs, first: int, moved: list[str]) -> None:
    persisted(fake)
    next_kernel(fake)
    fake.defined(first, *moved)
    before = fake.tree
    ended = fake.run("recover", "--persist", "luoboot", "--out", "rec")
    assert ended.returncode == 2 and "the buffer cannot be read here" in ended.stderr and nothing_is_left(fake, before)
    assert "state: recording" in (fake.place / "rec/luo-record.txt").read_text()


def test_what_recover_refuses(fake: Tracefs) -> None:
    persisted(fake)
    next_kernel(fake)
    fake.persistent("other")
    for options, message in (
        ((), "name the persistent instance"),
        (("--persist", "luoboot"), "name the folder"),
        (("--persist", "luoboot", "--out", "nowhere"), "is not the folder of a recording"),
        (("--persist", "other", "--out", "rec"), "was made with another instance: luoboot"),
    ):
        ended = fake.run("recover", *options)
        assert ended.returncode == 2 and message in ended.stderr and not fake.state.exists()
    for options, message in (
        (("--persist", "luoboot", "--clock", "x86-tsc", "--out", "new"), "has events from before"),
        (("--persist", "other", "--clock", "x86-tsc", "--out", "new"), "loses everything"),
        (("--persist", "other"), "needs --out"),
    ):
        ended = fake.run("start", *options)
        assert ended.returncode == 2 and message in ended.stderr and not fake.state.exists()
    (fake.root / "instances/other/last_boot_info").unlink()
    assert "is not a persistent one" in fake.run("start", "--persist", "other", "--out", "new2").stderr


# ---- other shells -----------------------------------------------------------------------------------------------

SHELLS = {"dash": (DASH,), "bash": (BASH, "--posix"), "busybox": (BUSYBOX, "sh")}


@pytest.mark.tools
@pytest.mark.parametrize("name", ["dash", "busybox", pytest.param("bash", marks=pytest.mark.nightly)])
def test_other_shells(fake: Tracefs, name: str) -> None:
    shell = SHELLS[name]
    if shell[0] is None:
        pytest.skip(f"needs {name}")
    words = tuple(word for word in shell if word is not None)
    assert subprocess.run([*words, "-n", str(SCRIPT)], check=False).returncode == 0
    before = fake.tree
    if name != "busybox":  # which has a mkdir of its own
        assert fake.run("start", "--pid", 12, shell=words).returncode == 0 and set(fake.enabled()) == ONE | DESCRIPTORS | COMMON
        assert "4 events, 0 lost" in fake.run("status", shell=words).stdout
        assert fake.run("stop", "--out", "out", shell=words).returncode == 0 and nothing_is_left(fake, before)
        fake.write("dynamic_events", "")
    persisted(fake, *words)
    before = next_kernel(fake)
    ended = fake.run("recover", "--persist", "luoboot", "--out", "rec", shell=words)
    assert ended.returncode == 0 and nothing_is_left(fake, before), ended.stderr


@pytest.mark.nightly
@pytest.mark.tools
def test_shellcheck_has_nothing_to_say() -> None:
    checked = subprocess.run(["shellcheck", "-s", "sh", str(SCRIPT)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


# ---- the page ---------------------------------------------------------------------------------------------------


def test_the_page_names_what_there_is(fake: Tracefs) -> None:
    page = (ROOT / "docs" / "recording.md").read_text()
    usage = subprocess.run(["sh", str(SCRIPT), "help"], capture_output=True, text=True, check=False).stdout
    commands = re.findall(r"^sh luo-record\.sh (.*?)(?: *#.*)?$", page, re.MULTILINE)
    assert {line.split()[0] for line in commands} == {"check", "start", "status", "stop", "recover"}
    named = set(re.findall(r"`(--[a-z-]+)", page)) | {word for line in commands for word in line.split() if word.startswith("--")}
    assert named - {"--run", "--json"} <= set(re.findall(r"--[a-z-]+", usage)) and len(named) > 6
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(METHODS)
    printed = fake.run("check", "--persist", "luoboot").stdout.splitlines()
    (line,) = re.findall(r"^```\n(.*)\n```", page, re.MULTILINE)
    assert line in printed
    fake.persistent("luoboot")
    folders = [word for command in commands for word in command.split() if word.startswith(("/var", "node"))]
    assert folders == ["node17", "/var/lib/luo/before", "/var/lib/luo/before"]
    for command in commands[:4]:
        assert fake.run(*command.split()).returncode == 0, command
