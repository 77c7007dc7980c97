"""The script that deletes lines of specs, on small specs of its own; on a sample of a shipped spec; and, nightly, on all shipped specs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("delete_lines.py")

ERRNOS = (
    *("EPERM", "ENOENT", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF", "ECHILD", "EAGAIN"),
    *("ENOMEM", "EACCES", "EFAULT", "EBUSY", "EEXIST", "ENODEV", "ENOTDIR", "EISDIR", "EINVAL", "EMFILE"),
)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True)


def spec_with(tmp_path: Path, extra: str) -> Path:
    """A spec with twenty lines that matter, and `extra` among its statements."""
    fails = "".join(f"    fail {errno} sometimes;\n" for errno in ERRNOS)
    path = tmp_path / "tiny.luo"
    path.write_text(
        "spec tiny;\nsort Agent symmetric;\nscope one { Agent = 1 }\nvolatile var marked: bool = false;\n"
        f"ioctl CALL(a: Agent) {{\n{fails}{extra}}}\nreachable goal: marked;\n"
    )
    return path


def survivors(tmp_path: Path, *entries: tuple[str, str, str]) -> Path:
    path = tmp_path / "survivors.toml"
    path.write_text(
        "".join(
            f"[[survivor]]\nspec = 'tiny'\nin = '{place}'\nline = '{line}'\nreason = '{reason}'\n"
            for place, line, reason in entries
        )
    )
    return path


def test_every_line_that_matters_is_noticed(tmp_path: Path) -> None:
    done = run(spec_with(tmp_path, "    marked = true;\n"), "--survivors", survivors(tmp_path))
    assert "tiny: 21 deletions, 21 noticed (100.0%), 0 survive" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_survivor_needs_a_reason(tmp_path: Path) -> None:
    spec = spec_with(tmp_path, "    if marked { marked = true; }\n")
    done = run(spec, "--survivors", survivors(tmp_path))
    assert "tiny: 21 deletions, 20 noticed (95.2%), 1 survive" in done.stdout
    assert re.search(r"line 26 in CALL: marked = true;\n +NOT EXPLAINED", done.stdout)
    assert done.returncode == 1


def test_a_survivor_with_a_reason_is_fine(tmp_path: Path) -> None:
    spec = spec_with(tmp_path, "    if marked { marked = true; }\n")
    done = run(spec, "--survivors", survivors(tmp_path, ("CALL", "marked = true;", "it is set already")))
    assert "it is set already" in done.stdout
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "stale", [("CALL", "fail EPERM sometimes;", "never happens"), ("GONE", "marked = true;", "it is set already")]
)
def test_a_reason_without_a_survivor_is_stale(tmp_path: Path, stale: tuple[str, str, str]) -> None:
    done = run(spec_with(tmp_path, "    marked = true;\n"), "--survivors", survivors(tmp_path, stale))
    assert f"STALE explanation: in {stale[0]}: {stale[1]}" in done.stdout
    assert done.returncode == 1


def test_too_many_survivors_are_too_many_whatever_the_reasons(tmp_path: Path) -> None:
    spec = spec_with(tmp_path, "    if marked { marked = true; }\n    if marked { marked = true; }\n")
    done = run(spec, "--survivors", survivors(tmp_path, ("CALL", "marked = true;", "it is set already")))
    assert "20 noticed (90.9%), 2 survive" in done.stdout
    assert done.returncode == 1


def test_rollbacks_are_deleted_as_a_whole_and_statement_by_statement(tmp_path: Path) -> None:
    path = tmp_path / "walks.luo"
    path.write_text(
        "spec walks;\nsort File symmetric;\ngraph needs on File acyclic;\nscope two { File = 2 }\n"
        "per File { volatile done: bool = false; volatile seen: bool = false; }\n"
        "walk do_all() over f: File along needs {\n    fail EIO sometimes;\n    f.done = true;\n"
        "    rollback visited reversed { f.done = false; f.seen = true; }\n}\n"
        "ioctl ALL() { run do_all(); }\ninvariant quiet: true;\n"
    )
    done = run(path, "--survivors", survivors(tmp_path), "--verbose")
    lines = re.findall(r"^ +two: (\d+) in do_all: (\w+)", done.stdout, re.MULTILINE)
    assert lines == [("7", "fail"), ("8", "f"), ("9", "rollback"), ("9", "f"), ("9", "f")]
    assert "5 deletions, 5 noticed" in done.stdout


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.luo"
    broken.write_text("spec broken;\nvolatile var x: nothing;\n")
    assert run(broken).returncode == 2
    assert run(tmp_path / "missing.luo").returncode == 2
    assert run("intent", "--scope", "nowhere").returncode == 2


def test_a_sample_of_a_shipped_spec() -> None:
    """Each eighth deletion of intent, with two files."""
    done = run("intent", "--scope", "pair", "--every", "8")
    assert "intent: 8 deletions, 8 noticed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


@pytest.mark.nightly
def test_all_lines_of_all_shipped_specs() -> None:
    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
