"""Recordings that are audited while they are written."""

from __future__ import annotations

import gzip
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from luocheck.cli.main import main
from luocheck.model.spec import load
from luocheck.traces.answer import AuditAnswer, Conformance
from luocheck.traces.live import follow

SOURCE = Path(__file__).parent / "captures" / "errors-outgoing" / "errors.one.trace.txt.gz"
COMMAND = [sys.executable, "-m", "luocheck", "audit", "linux_7_3", "--begins", "cold", "--follow"]


def lines(broken: int | None = None) -> list[bytes]:
    text = [line + b"\n" for line in gzip.decompress(SOURCE.read_bytes()).split(b"\n")]
    if broken is not None:
        text[broken - 1] = re.sub(rb"ret=-?\d+$", b"ret=0", text[broken - 1].rstrip()) + b"\n"
    return text


def test_a_pipe_is_read_to_its_end() -> None:
    done = subprocess.run([*COMMAND, "-"], input=b"".join(lines()), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert b"verdict conforms" in done.stdout


def test_a_finding_is_told_before_the_pipe_ends() -> None:
    process = subprocess.Popen([*COMMAND, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(b"".join(lines(17)[:30]))
    process.stdin.flush()
    first = process.stdout.readline()  # it comes while the pipe is open
    assert b"<stdin>:17: CREATE_SESSION returned OK" in first
    rest, _ = process.communicate(b"".join(lines(17)[30:]), timeout=60)
    assert process.returncode == 1 and b"verdict violated" in rest


def wait_until_read(process: subprocess.Popen[bytes], path: Path) -> None:
    """Until a process has read a file to its end, as far as it is written."""
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        for entry in Path(f"/proc/{process.pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                information = Path(f"/proc/{process.pid}/fdinfo/{entry.name}").read_text()
                if os.readlink(entry) == str(path) and int(information.split()[1]) == path.stat().st_size:
                    return
        time.sleep(0.05)
    raise AssertionError("it was not read")


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc to see what was read")
def test_a_growing_file_is_followed_until_an_interrupt(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    path.write_bytes(b"".join(lines()[:20]))
    process = subprocess.Popen([*COMMAND, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    wait_until_read(process, path)
    with path.open("ab") as file:
        file.write(b"".join(lines()[20:]))
    wait_until_read(process, path)
    os.kill(process.pid, signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 3, error
    calls = re.search(rb"explained (\d+) of (\d+) calls", out)
    assert calls is not None and calls[1] == calls[2] and int(calls[2]) > 50
    assert b"Traceback" not in error


def test_answers_come_when_it_rests(tmp_path: Path) -> None:
    spec = load("linux_7_3")
    read, write = os.pipe()
    told: list[AuditAnswer] = []
    text = lines()

    def feed() -> None:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(b"".join(text[:25]))
            pipe.flush()
            limit = time.monotonic() + 30
            while not told and time.monotonic() < limit:
                time.sleep(0.1)
            pipe.write(b"".join(text[25:]))

    feeder = threading.Thread(target=feed)
    feeder.start()
    answer = follow(spec, f"/dev/fd/{read}", told.append)
    feeder.join()
    os.close(read)
    assert answer.verdict is Conformance.CONFORMS
    assert told and 0 < told[0].calls < answer.calls


@pytest.mark.parametrize("name", ["missing", ".", "a\0b"])
def test_what_cannot_be_followed(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "linux_7_3", str(tmp_path / name) if name != "." else str(tmp_path), "--follow"]) == 2
    assert "LUO700" in capsys.readouterr().err


def test_packed_recordings_are_not_followed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "linux_7_3", str(SOURCE), "--follow"]) == 2
    assert "only text" in capsys.readouterr().err
