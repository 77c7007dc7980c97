"""Real processes: signals, closed pipes, hash seeds, streams."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

Process = Callable[..., subprocess.CompletedProcess[bytes]]


@contextmanager
def exploring(*argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """A check whose progress line has been seen on the terminal that is its standard error."""
    reader, writer = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "luocheck", "check", *argv], stdout=subprocess.PIPE, stderr=writer, stdin=subprocess.DEVNULL
    )
    os.close(writer)
    try:
        seen = b""
        while b"waiting" not in seen:
            seen += os.read(reader, 4096)
        assert b"/s, " in seen
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()
        os.close(reader)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_print_what_is_established(endless: str, number: signal.Signals) -> None:
    with exploring(endless) as child:
        child.send_signal(number)
        out, _ = child.communicate(timeout=60)
    text = out.decode()
    assert child.returncode == 3
    assert "one" in text and "reached (1 call)" in text  # established
    assert re.search(r"never_all +unknown", text) and "exit status 3" in text
    assert ("interrupted" if number == signal.SIGINT else "terminated") in text


def test_interrupted_document(endless: str, tiny: str) -> None:
    with exploring(endless, tiny, "--json") as child:
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 3
    (only,) = json.loads(out)["results"]  # the second spec was not begun
    assert only["verdict"] == "undecided" and only["runs"][0]["stopped"] == "interrupted"


def test_second_signal_ends_at_once(endless: str) -> None:
    with exploring(endless) as child:
        child.send_signal(signal.SIGINT)
        time.sleep(0.002)
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=60)
    assert child.returncode == 3


def test_closed_pipe_is_quiet(tiny: str) -> None:
    for argv in (["check", tiny], ["check", tiny, "--json"], ["convert", "demo"], ["calls", "linux_7_3", "demo"], ["show", tiny]):
        child = subprocess.Popen([sys.executable, "-m", "luocheck", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(60) == 0  # the answer, though nobody read it
        child.stderr.close()


def test_same_output_for_every_hash_seed(process: Process, tiny: str) -> None:
    for argv in (["check", tiny], ["check", tiny, "--scope", "race", "--json"], ["parse", tiny, "--json"]):
        outputs = {
            re.sub(rb'\d+\.\d+ s|"seconds": [\d.e-]+', b"TIME", process(*argv, PYTHONHASHSEED=seed).stdout) for seed in ("1", "77")
        }
        assert len(outputs) == 1, argv
        assert outputs != {b""}


def test_nothing_but_the_answer_on_standard_output(process: Process, tiny: str) -> None:
    ended = process("check", tiny, "--json")
    assert ended.returncode == 0 and ended.stderr == b""
    json.loads(ended.stdout)
    ended = process("check", "nobody")
    assert ended.returncode == 2 and ended.stdout == b"" and b"LUO607" in ended.stderr


def test_streams_that_cannot_show_everything(process: Process, tmp_path: object) -> None:
    path = f"{tmp_path}/u.luo"
    with open(path, "w", encoding="utf-8") as file:
        file.write('spec u "caf\u00e9 \u202e \U0001f600"; sort A symmetric; scope s { A = 1 }')
    ended = process("check", path, PYTHONIOENCODING="ascii")
    assert ended.returncode == 0, ended
    assert b"caf\\xe9" in ended.stdout and b"\\u202e" in ended.stdout


def test_full_disk_is_told(tiny: str) -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "luocheck", "check", tiny], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False
        )
    assert ended.returncode == 2 and b"LUO610" in ended.stderr and b"Traceback" not in ended.stderr


def test_import_loads_no_engine() -> None:
    code = "import luocheck, sys; print(sorted({'z3', 'networkx', 'lark', 'rich'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], timeout=60) == b"[]\n"


def test_check_loads_neither_z3_nor_rich_without_need(tiny: str) -> None:
    code = (
        "import sys; from luocheck.cli.main import main; main(['check', sys.argv[1], '--json']);"
        "print(sorted({'z3', 'rich'} & set(sys.modules)), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code, tiny], capture_output=True, timeout=60, check=False)
    assert ended.stderr == b"[]\n"


def test_log_lines_when_standard_error_is_no_terminal() -> None:
    import io

    from luocheck.checker.explore.result import Progress
    from luocheck.report.terminal import ProgressLine

    err = io.StringIO()
    line = ProgressLine("spec", err)
    line("small", Progress(100, 2, 50, (1, 20), 30, 1, 1))
    assert err.getvalue() == ""
    line.line.next = 0.0
    line("small", Progress(12345, 3, 678, (1, 20, 600), 200, 1, 1))
    line("small", Progress(12346, 3, 678, (1, 20, 600), 201, 1, 1))
    line.done()
    assert re.fullmatch(r"spec small: depth 3, 12,345 states, 678 waiting, \d+ s\n", err.getvalue())
