"""A kernel log beside a recording: boots, live updates and messages are noted, in whatever form the log was kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from luocheck.cli.main import main
from luocheck.model.diagnostics import SpecError
from luocheck.traces.klog import message, read_klog

CAPTURES = Path(__file__).parent / "captures"

# Lines of the kernel of the recordings (Linux 7.3.4) in the form that dmesg prints.
WARM = """\
[    0.000000] Linux version 7.3.4-luo-a (root@vm) (gcc 12.2.0) #2 SMP PREEMPT Mon Nov 23 20:25:12 UTC 2026
[    0.000000] Command line: console=ttyS0 kho=on liveupdate=on panic=-1
[    0.000000] KHO: found kexec handover data.
[    0.071000] KHO: exec from: 7.3.4-luo-b (count 2)
[    0.212000] luo: Retrieved live update data, liveupdate number: 2
[    9.912000] luo: The file was successfully preserved, but response to user failed
[   10.000000] systemd[1]: luo: not from the kernel's own code
"""


@pytest.mark.parametrize(
    "line",
    [
        b"[    1.234567] luo: text",
        b"[ 1234.000001][  T123] luo: text",
        b"<6>[    1.234567] luo: text",
        b"[Mon Nov 23 20:25:12 2026] luo: text",
        b"2026-11-23T20:00:00,123456+00:00 luo: text",
        b"2026-11-23T20:00:00+0000 host kernel: luo: text",
        b"Nov 23 20:00:00 host kernel: luo: text",
        b"Nov  3 20:00:00 host kernel: [    1.234567] luo: text",
        b"6,1234,1234567,-;luo: text",
        b"6,1234,1234567,-,caller=T1;luo: text",
    ],
)
def test_forms_of_a_line(line: bytes) -> None:
    assert message(line) == b"luo: text"


@pytest.mark.parametrize(
    "line", [b"", b" SUBSYSTEM=x", b"close(3) = 0", b"           agent-7       [000] .....     5.001000: x: y"]
)
def test_what_is_no_line_of_a_log(line: bytes) -> None:
    assert message(line) is None


def test_hostile_lines_take_linear_time() -> None:
    for piece in (b" ", b"1,", b"<", b"a=b ", b"liveupdate=", b"["):
        message(b"[    1.234567] Command line: " + piece * 100_000)
        message(piece * 100_000)


def texts(path: Path, text: str) -> list[str]:
    path.write_text(text)
    notes = read_klog(str(path))
    assert {note.code for note in notes} == {"LUO720"}
    return [note.text.replace(str(path), "F") for note in notes]


def test_a_kernel_that_came_up_by_live_update(tmp_path: Path) -> None:
    assert texts(tmp_path / "log", WARM) == [
        "F:1: Linux 7.3.4-luo-a boots, by live update number 2 from 7.3.4-luo-b: a recording of it begins warm",
        "F:6: the kernel says `luo: The file was successfully preserved, but response to user failed`",
    ]


def test_several_boots(tmp_path: Path) -> None:
    cold = WARM.splitlines()[0] + "\n"
    off = cold + WARM.splitlines()[1].replace("liveupdate=on", "liveupdate=off") + "\n"
    assert texts(tmp_path / "log", cold + WARM + off)[:4] == [
        "F:1: Linux 7.3.4-luo-a boots; nothing of a live update is in the log",
        "F:2: Linux 7.3.4-luo-a boots, by live update number 2 from 7.3.4-luo-b: a recording of it begins warm",
        "F:9: Linux 7.3.4-luo-a boots, with live update switched off on its command line",
        "F: 3 kernels: a recording of each is a recording of its own",
    ]


def test_many_messages_are_counted(tmp_path: Path) -> None:
    found = texts(tmp_path / "log", "[    9.912000] luo_session: x\n" * 1000)
    assert len(found) == 11 and found[-1] == "F: and 990 more messages of the orchestrator"


def test_a_log_that_says_nothing(tmp_path: Path) -> None:
    assert texts(tmp_path / "log", "[    9.912000] usb: x\n") == ["F: neither a boot nor a message of the orchestrator is in it"]


def test_a_file_that_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        texts(tmp_path / "log", "close(3) = 0\n")
    assert caught.value.diagnostics[0].code == "LUO700"


def test_beside_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "dmesg"
    log.write_text(WARM)
    recording = str(CAPTURES / "strace" / "killed.strace.txt.gz")
    assert main(["audit", "linux_7_3", recording, "--klog", str(log), "--begins", "cold"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "[LUO720]" in out and "by live update number 2" in out and "verdict conforms" in out
    assert main(["audit", "linux_7_3", recording, "--klog", str(tmp_path / "absent")]) == 2


def test_as_a_recording_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "dmesg"
    log.write_text(WARM)
    for command in ("audit", "calls"):
        assert main([command, "linux_7_3", str(log)]) == 3
        out = " ".join(capsys.readouterr().out.split())
        assert "[LUO711]" in out and "a kernel log, which shows no calls" in out and "--klog FILE" in out
    assert main(["convert", str(log)]) == 3
