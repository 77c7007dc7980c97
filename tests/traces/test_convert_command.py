"""`luocheck convert`: the formats that it writes are read back as the same calls, and what they cannot say is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from luocheck.cli.main import main
from luocheck.model.abi import Abi
from luocheck.traces.call import Recording
from luocheck.traces.decode import decode

CAPTURES = Path(__file__).parent / "captures"
FORKED = CAPTURES / "strace" / "forked.strace.txt.gz"
ONE = CAPTURES / "agent-killed" / "killed.one.trace.txt.gz"


def test_to_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["convert", str(ONE)]) == 0
    lines = capfdbinary.readouterr().out.splitlines()
    assert json.loads(lines[0]) == {"luocheck": 1, "records": "ftrace", "clock": "ns"}
    assert [json.loads(line)["event"] for line in lines[1:]] == ["hit"] * 6


@pytest.mark.parametrize("to", ["jsonl", "strace"])
def test_strace_there_and_back(to: str, tmp_path: Path, abi: Abi, calls_without_lines: Callable[[Recording], object]) -> None:
    for path in sorted((CAPTURES / "strace").glob("*.gz")):
        target = tmp_path / path.name
        assert main(["convert", str(path), "--to", to, "-o", str(target)]) == 0
        again = decode(str(target), abi)
        assert again.calls and calls_without_lines(again) == calls_without_lines(decode(str(path), abi))


def test_system_calls_of_ftrace_as_strace(tmp_path: Path, abi: Abi) -> None:
    """The calls are the same; ftrace says of a task's birth what strace says with its clone only."""
    path, target = CAPTURES / "errors-outgoing" / "errors.sys.trace.txt.gz", tmp_path / "t"
    assert main(["convert", str(path), "--to", "strace", "-o", str(target)]) == 0
    shown = [[(c.kind, c.event, c.fd, c.command, c.result) for c in decode(str(p), abi).calls] for p in (path, target)]
    assert shown[0] == shown[1] and len(shown[0]) > 50


PARENT = """\
1795463790.100000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3</dev/liveupdate>
1795463790.200000 clone(child_stack=NULL, flags=SIGCHLD) = 8
1795463790.300000 ioctl(3</dev/liveupdate>, 0xba00, 0x7f) = 0
1795463790.900000 close(3</dev/liveupdate>) = 0
1795463790.950000 +++ exited with 0 +++
"""
CHILD = """\
1795463790.250000 close(3</dev/liveupdate>) = 0
1795463790.400000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = -1 EBUSY (Device or resource busy)
1795463790.970000 +++ exited with 0 +++
"""


def test_the_files_of_ff_are_merged(tmp_path: Path, abi: Abi) -> None:
    """The child is seen before its birth: without -T the clone may have returned at any time before the parent's next call."""
    (tmp_path / "log.7").write_text(PARENT)
    (tmp_path / "log.8").write_text(CHILD)
    target = tmp_path / "all"
    assert main(["convert", str(tmp_path / "log.7"), str(tmp_path / "log.8"), "-o", str(target)]) == 0
    shown = [(c.kind.value, c.process, c.result) for c in decode(str(target), abi).calls]
    assert shown[:2] == [("open", 7, 3), ("fork", 8, None)]
    assert sorted(shown[2:5]) == [("close", 8, 0), ("ioctl", 7, 0), ("open", 8, -16)]
    # Both calls go on at the same time, as far as is known: the ioctl ends after the open began.
    events = [json.loads(line) for line in target.read_text().splitlines()]
    order = [(e.get("syscall"), e["event"], e["thread"]) for e in events if e.get("syscall") in ("ioctl", "openat")]
    assert order.index(("openat", "enter", 8)) < order.index(("ioctl", "exit", 7))


def test_parts_without_times_cannot_be_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("log.7", "log.8"):
        (tmp_path / name).write_text("close(3) = 0\n")
    assert main(["convert", str(tmp_path / "log.7"), str(tmp_path / "log.8")]) == 2
    assert "shows no times" in capsys.readouterr().err


@pytest.mark.parametrize("before", [None, "what was there"])
def test_a_refusal_that_comes_late_leaves_no_part_of_a_file(before: str | None, tmp_path: Path) -> None:
    """These are times of two days, which is seen when the child is made after it did something."""
    (tmp_path / "log.7").write_text(PARENT)
    (tmp_path / "log.8").write_text(CHILD.replace("90.250000", "90.050000"))
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / "all"
    if before is not None:
        target.write_text(before)
    assert main(["convert", str(tmp_path / "log.7"), str(tmp_path / "log.8"), "-o", str(target)]) == 2
    assert [each.read_text() for each in folder.iterdir()] == ([] if before is None else [before])


def test_what_cannot_be_said_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(ONE), "--to", "strace", "-o", str(tmp_path / "t")]) == 0
    assert f"{ONE}: left out 6 times: probes and traced functions\n" in capsys.readouterr().err
    assert main(["convert", str(FORKED), "--to", "ftrace", "-o", str(tmp_path / "t")]) == 0
    assert "times: where a descriptor leads to\n" in capsys.readouterr().err


def test_nothing_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    assert main(["convert", str(empty), "-o", str(tmp_path / "t")]) == 3
    assert "there is no event in it" in capsys.readouterr().err
    assert main(["convert", str(CAPTURES / "format-variants" / "raw.trace.txt.gz")]) == 3
    assert "turn off the option `raw`" in capsys.readouterr().err


def test_what_cannot_be_read_or_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    noise = tmp_path / "noise"
    noise.write_bytes(bytes(range(256)) * 10)
    assert main(["convert", str(noise)]) == 2
    assert "error[LUO700]" in capsys.readouterr().err
    assert main(["convert", str(tmp_path / "absent")]) == 2
    copy = tmp_path / "copy"
    copy.write_bytes(FORKED.read_bytes())
    assert main(["convert", str(copy), "-o", str(copy)]) == 2
    assert copy.read_bytes() == FORKED.read_bytes()
    assert main(["convert", str(copy), "-o", str(tmp_path / "absent" / "t")]) == 2
