"""`luocheck record`, and what an audit makes of the folder that it gives."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cli.test_documents import valid
from record.tracefs import ONE, SCRIPT, Tracefs

from luocheck.cli import options as shared
from luocheck.cli.main import main
from luocheck.model.spec import load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.recorded import MOST_SAID, files_of, is_recorded, read_recorded

ROOT = Path(__file__).parents[2]
CAPTURES = ROOT / "tests/traces/captures"
REAL = gzip.decompress((CAPTURES / "agent-killed/killed.one.trace.txt.gz").read_bytes())
STATISTICS = "cpu{cpu} overrun: {overrun}\ncpu{cpu} commit overrun: {commit}\ncpu{cpu} dropped events: {dropped}\n"


@pytest.fixture
def fake(tmp_path: Path) -> Tracefs:
    (tmp_path / "fake").mkdir()
    return Tracefs(tmp_path / "fake")


loaded = cache(load)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec is read once."""
    monkeypatch.setattr(shared, "load", loaded)


def options(fake: Tracefs, *more: object) -> list[str]:
    return ["--tracefs", str(fake.root), "--state", str(fake.state), "--kernel-config", str(fake.config), *map(str, more)]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A folder as the recorder makes one."""
    folder = tmp_path / "node17"
    folder.mkdir()
    (folder / "luo-record.txt").write_text("luo-record 1\nstate: complete\nmethod: one\nclock: boot\n")
    (folder / "stats.txt").write_text("".join(STATISTICS.format(cpu=cpu, overrun=0, commit=0, dropped=0) for cpu in (0, 1)))
    (folder / "trace.txt").write_bytes(REAL)
    (folder / "uname.txt").write_text("Linux\n")
    return folder


# ---- the script -------------------------------------------------------------------------------------------------


def test_it_prints_the_script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = SCRIPT.read_text()
    for argv in (["record"], ["record", "--show"]):
        assert main(argv) == 0 and capsys.readouterr().out == text
    target = tmp_path / "luo-record.sh"
    assert main(["record", "-o", str(target)]) == 0
    assert target.read_text() == text and os.access(target, os.X_OK) and capsys.readouterr().out == f"{target}\n"
    assert main(["record", "-o", str(target)]) == 2 and "LUO610" in capsys.readouterr().err
    assert main(["record", "-o", str(tmp_path / "no" / "where")]) == 2 and "LUO610" in capsys.readouterr().err
    assert main(["record", "--json"]) == 0
    assert valid("record", capsys.readouterr().out)["text"] == text
    for argv in (
        ["record", "--", "true"],
        ["record", "--pid", "1"],
        ["record", "--run", "--show"],
        ["record", "--run", "--method", "x"],
    ):
        assert main(argv) == 2, argv


# ---- recording here ---------------------------------------------------------------------------------------------


def test_it_records_while_a_command_runs(
    fake: Tracefs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    before = fake.tree
    for name, value in fake.variables.items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "rec"
    command = [sys.executable, "-c", "import pathlib, sys; print(pathlib.Path(sys.argv[1], 'tracing_on').read_text()); sys.exit(3)"]
    status = main(["record", "--run", *options(fake, "--out", out, "--json"), "--", *command, str(fake.root / "instances/luo")])
    stdout, stderr = capfd.readouterr()
    document = valid("record", stdout.partition("\n\n")[2])
    assert status == 1 and stdout.startswith("1\n") and document["status"] == 3 and document["folder"] == str(out)
    assert "recording with the method one into the instance luo" in stderr
    assert is_recorded(str(out)) and fake.tree == before and fake.events == set() and not fake.state.exists()
    assert main(["record", "--run", *options(fake, "--out", tmp_path / "r2"), "--", "true"]) == 0
    assert f"next: luocheck audit SPEC {tmp_path}/r2" in capfd.readouterr().out
    assert main(["record", "--run", *options(fake, "--out", tmp_path / "r3"), "--", str(tmp_path / "missing")]) == 1
    assert "cannot be run" in " ".join(capfd.readouterr().out.split()) and fake.events == set()
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "trace.txt").write_text("of another day\n")
    assert main(["record", "--run", *options(fake, "--out", taken), "--json", "--", "true"]) == 2  # the folder is not empty
    assert valid("record", capfd.readouterr().out)["errors"][0]["code"] == "LUO740" and fake.tree == before
    monkeypatch.chdir(tmp_path)
    assert main(["record", "--run", *options(fake), "--", "true"]) == 0
    assert len(list(tmp_path.glob("luo-record-2*Z"))) == 1
    trace = f"rm {fake.root}/instances/luo/trace"
    assert main(["record", "--run", *options(fake, "--out", tmp_path / "r4"), "--", "sh", "-c", trace]) == 2
    err = capfd.readouterr().err
    assert "LUO740" in err and "what was recorded is still there" in err and fake.events != set()


@pytest.mark.parametrize(
    ("number", "command"), [pytest.param("INT", True, marks=pytest.mark.nightly), ("TERM", True), ("INT", False)]
)
def test_an_interrupt_ends_the_recording_and_saves_it(fake: Tracefs, tmp_path: Path, number: str, command: bool) -> None:
    before = fake.tree
    argv = ["record", "--run", *options(fake, "--out", tmp_path / "rec", "--json"), *(["--", "sleep", "60"] if command else [])]
    child = subprocess.Popen(
        [sys.executable, "-m", "luocheck", *argv], cwd=ROOT, env=fake.variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    until = time.monotonic() + 30
    while not (fake.state / "luo" / "settings").exists():
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.01)
    time.sleep(0.3)
    child.send_signal(getattr(signal, f"SIG{number}"))
    out, err = child.communicate(timeout=30)
    document = valid("record", out.decode())
    assert child.returncode == (3 if command else 0), err
    assert document["interrupted"] is command and document["status"] == (128 + signal.SIGTERM if command else None)
    assert fake.tree == before and fake.events == set() and is_recorded(str(tmp_path / "rec"))


# ---- the folder as a capture ------------------------------------------------------------------------------------


def test_the_folder_is_one_capture(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "linux_7_3", str(recording), "--json"]) == 0
    document = valid("audit", capsys.readouterr().out)
    assert document["capture"] == f"{recording}/trace.txt" and document["losses"] == 0 and document["calls"] == 6
    assert main(["calls", "linux_7_3", str(recording)]) == 0
    (recording / "trace.txt").unlink()
    (recording / "trace.txt.gz").write_bytes(gzip.compress(REAL))
    assert main(["audit", "linux_7_3", str(recording)]) == 0
    capsys.readouterr()
    assert main(["audit", "linux_7_3", str(recording.parent), "--jobs", "1", "--json"]) == 0
    document = valid("audit", capsys.readouterr().out)
    assert [each["capture"] for each in document["results"]] == [f"{recording}/trace.txt.gz"] and document["summary"][
        "skipped"
    ] == []
    assert [Path(each).name for each in files_of(str(recording))] == ["trace.txt.gz", "luo-record.txt", "stats.txt"]
    (recording / "trace.txt.gz").unlink()
    assert main(["audit", "linux_7_3", str(recording)]) == 2 and "the recorder saved no trace.txt here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("counts", "lost"),
    [
        ({"overrun": 12}, ["12 events are missing: the oldest events were overwritten"]),
        ({"commit": 3}, ["3 events are missing: CPU 1 lost them at an unknown place"]),
        ({"commit": 3, "dropped": 4}, ["7 events are missing: CPU 1 lost them at an unknown place"]),
        ({"overrun": 1, "dropped": 2}, ["1 events are missing: the oldest", "2 events are missing: CPU 1"]),
    ],
)
def test_events_that_the_buffer_lost_are_losses(recording: Path, counts: dict[str, int], lost: list[str]) -> None:
    none = {"overrun": 0, "commit": 0, "dropped": 0}
    (recording / "stats.txt").write_text(STATISTICS.format(cpu=0, **none) + STATISTICS.format(cpu=1, **{**none, **counts}))
    spec = loaded("linux_7_3")
    answer = audit(spec, str(recording))
    assert answer.verdict is Conformance.INCONCLUSIVE and answer.losses == len(lost)
    told = [note.text for note in answer.notes if note.code == "LUO704"]
    assert len(told) == len(lost) and all(text.startswith(start) for text, start in zip(told, lost))
    assert audit(spec, str(recording / "trace.txt")).verdict is Conformance.CONFORMS  # the trace alone says nothing of it


def test_what_the_header_of_the_trace_says_is_not_said_twice(recording: Path) -> None:
    (recording / "trace.txt").write_bytes(REAL.replace(b"entries-written: 6/6 ", b"entries-written: 6/18"))
    (recording / "stats.txt").write_text(STATISTICS.format(cpu=0, overrun=12, commit=0, dropped=0))
    assert audit(loaded("linux_7_3"), str(recording)).losses == 1


def test_the_rest_of_what_the_folder_says(recording: Path) -> None:
    (recording / "luo-record.txt").write_text("luo-record 1\nstate: saving\nclock: local\nmissing: one thing\nmissing: another\n")
    notes = {(note.code, note.text) for note in audit(loaded("linux_7_3"), str(recording)).notes}
    assert any(code == "LUO706" and "interrupted while it saved" in text for code, text in notes)
    assert any(code == "LUO710" and "`local` is each CPU's own" in text for code, text in notes)
    assert {("LUO711", "the recorder could not record one thing"), ("LUO711", "the recorder could not record another")} <= notes


def test_a_folder_that_says_nonsense_is_read_all_the_same(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    huge = "9" * 5000
    (recording / "stats.txt").write_bytes(f"cpu0 overrun: {huge}\ncpu{huge} overrun: 1\n".encode() + b"\xff\0\x1b[2J\n" * 1000)
    missing = "".join(f"missing: \x1b[2J{number}\n" for number in range(1000))
    (recording / "luo-record.txt").write_text("luo-record 1\nstate: complete\nstate: saving\n: \nclock\n" + missing + "x" * 10**6)
    recorded = read_recorded(str(recording))
    assert recorded.whole and recorded.overrun == 0 and recorded.lost == () and len(recorded.missing) == MOST_SAID
    assert main(["audit", "linux_7_3", str(recording)]) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out and "\\x1b[2J7" in out and err == ""
    (recording / "stats.txt").unlink()
    (recording / "stats.txt").mkdir()
    assert main(["audit", "linux_7_3", str(recording)]) == 0
    for text in ("luo-record 12\n", "luo-record\n", "", "# luo-record 1\n"):
        (recording / "luo-record.txt").write_text(text)
        assert not is_recorded(str(recording))


def test_what_was_recorded_over_a_kexec_is_a_capture(fake: Tracefs, tmp_path: Path) -> None:
    """A recording of a real kernel, which the next kernel read after the events had been defined again."""
    fake.persistent("luoboot")
    fake.defined(1136, *sorted(ONE))
    assert fake.run("start", "--persist", "luoboot", "--out", tmp_path / "rec").returncode == 0
    fake.next_kernel("luoboot")
    trace = gzip.decompress((CAPTURES / "kexec-happy/persist.stage2.after-define.txt.gz").read_bytes())
    (fake.root / "instances/luoboot/trace").write_bytes(trace)
    ended = fake.run("recover", "--persist", "luoboot", "--out", tmp_path / "rec")
    assert ended.returncode == 0, ended.stderr
    answer = audit(loaded("linux_7_3"), str(tmp_path / "rec"))
    assert answer.verdict is Conformance.CONFORMS and answer.explained > 5
    assert any(note.code == "LUO710" for note in answer.notes)  # the clock local


# ---- a real kernel ----------------------------------------------------------------------------------------------


def can_trace() -> bool:
    return os.geteuid() == 0 and "tracefs" in Path("/proc/filesystems").read_text() and Path("/sys/kernel/tracing").is_dir()


@pytest.mark.nightly
@pytest.mark.tools
@pytest.mark.skipif(not can_trace(), reason="needs root and a kernel with tracing")
@pytest.mark.parametrize("shell", ["sh", "dash", "busybox sh"])
def test_the_tracing_of_this_machine(tmp_path: Path, shell: str) -> None:
    """Without LUO: the calls of a program on another file are recorded, and nothing is left."""

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        argv = [*shell.split(), str(SCRIPT), *map(str, words), "--instance", "luochecktest"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    def state() -> tuple[Any, ...]:
        tracefs = Path("/sys/kernel/tracing")
        mounts = [line for line in Path("/proc/mounts").read_text().splitlines() if " tracefs " in line]
        defined = (tracefs / "dynamic_events").read_text() if (tracefs / "dynamic_events").exists() else ""
        return mounts, defined, [path.name for path in tracefs.glob("instances/*")], Path("/run/luo-record/luochecktest").exists()

    before = state()
    checked = run("check")
    assert checked.returncode == 0 and "method syscalls: works" in checked.stdout and state() == before
    program = (
        "import fcntl, os\nos.getpid()\ntry: fcntl.ioctl(0, 0xba00)\nexcept OSError as error: print(os.getpid(), error.errno)\n"
    )
    assert run("start", "--method", "syscalls", "--out", tmp_path / "rec").returncode == 0
    done = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    ended = run("stop")
    assert ended.returncode == 0 and state() == before, ended.stderr
    pid = done.stdout.split()[0]
    trace = [line for line in (tmp_path / "rec/trace.txt").read_text("utf-8", "replace").splitlines() if f"-{pid} " in line]
    (enter,) = [number for number, line in enumerate(trace) if "cmd: 0xba00" in line]
    assert "sys_ioctl(fd: 0, cmd: 0xba00, arg: 0" in trace[enter] and "sys_ioctl -> 0xffffffffffffffe7" in trace[enter + 1]
    assert read_recorded(str(tmp_path / "rec")).clock == "boot"
    assert run("start", "--method", "syscalls", "--buffer-kb", 4).returncode == 0
    for _ in range(200):
        os.close(os.open("/dev/null", os.O_RDONLY))
    assert "0 lost" not in run("status").stdout
    assert run("stop", "--out", tmp_path / "small").returncode == 0 and state() == before
    assert read_recorded(str(tmp_path / "small")).overrun > 0
