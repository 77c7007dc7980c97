"""`check --checkpoint` as real processes: killed, interrupted, stopped by limits, and taken up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cli.conftest import Cli

PEERS = str(Path(__file__).parents[1] / "specs" / "peers.luo")
RUN = ("check", PEERS, "--scope", "crowd", "--topology", "star5", "--no-symmetry", "--json")
"""1.3 million states in a few seconds."""


def start(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "luocheck", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def answer(*argv: str) -> tuple[int, Any]:
    """Exit status and document, but the seconds."""
    with start(*argv) as child:
        out, err = child.communicate(timeout=300)
    assert b"Traceback" not in err, err
    return child.returncode, timeless(json.loads(out))


def timeless(value: Any) -> Any:
    match value:
        case dict():
            return {key: timeless(each) for key, each in value.items() if key != "seconds"}
        case list():
            return [timeless(each) for each in value]
    return value


@pytest.fixture(scope="module")
def whole() -> tuple[int, Any]:
    """The answer of an uninterrupted run without a checkpoint."""
    found = answer(*RUN)
    assert found[0] == 0 and found[1]["states"] == 1_302_453
    return found


def written(path: Path) -> tuple[int, int] | None:
    """Which version of the file it is: its number and its time, because a file system gives the number of a replaced file to the next one."""
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


def test_killed_again_and_again(tmp_path: Path, whole: tuple[int, Any]) -> None:
    """SIGKILL comes at all moments, also while the file is written: it is always a whole one, and the run gets on."""
    path = tmp_path / "checkpoint"
    versions = 0
    for killing in range(8):
        before = written(path)
        with start(*RUN, "--checkpoint", str(path), "--checkpoint-every", "0.05") as child:
            deadline = time.monotonic() + 60
            while written(path) == before and child.poll() is None and time.monotonic() < deadline:
                time.sleep(0.002)
            time.sleep(0.013 * killing)
            child.kill()
        versions += written(path) != before
        if b'"levels":null' in path.read_bytes()[:100_000]:
            break  # it was done before the signal came
    assert versions > 2
    assert answer(*RUN, "--checkpoint", str(path)) == whole
    assert not path.with_name("checkpoint.part").exists()
    assert answer(*RUN, "--checkpoint", str(path)) == whole  # read from the file, which is complete


def test_killed_while_writing(tmp_path: Path, whole: tuple[int, Any]) -> None:
    """What a killed writing leaves beside neither harms the file nor the runs that follow."""
    path = tmp_path / "checkpoint"
    partial = path.with_name("checkpoint.part")
    for _ in range(20):
        with start(*RUN, "--checkpoint", str(path), "--checkpoint-every", "0") as child:
            while not (path.exists() and partial.exists()) and child.poll() is None:
                pass
            child.kill()
        if partial.exists():
            break
    assert partial.exists() and partial.stat().st_ino != path.stat().st_ino
    assert answer(*RUN, "--checkpoint", str(path)) == whole
    assert os.listdir(tmp_path) == ["checkpoint"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_and_taken_up(number: signal.Signals, tmp_path: Path, whole: tuple[int, Any]) -> None:
    path = tmp_path / "checkpoint"
    with start(*RUN, "--checkpoint", str(path), "--checkpoint-every", "0.2") as child:
        while not path.exists() and child.poll() is None:
            time.sleep(0.002)
        before = written(path)
        child.send_signal(number)
        out, _ = child.communicate(timeout=60)
    assert child.returncode == 3 and json.loads(out)["verdict"] == "undecided"
    assert written(path) != before
    assert answer(*RUN, "--checkpoint", str(path)) == whole


def test_stopped_by_a_limit_and_taken_up(tmp_path: Path, whole: tuple[int, Any]) -> None:
    """Long before the first writing is due."""
    path = tmp_path / "checkpoint"
    status, found = answer(*RUN, "--max-states", "500000", "--checkpoint", str(path))
    assert status == 3 and found["runs"][0]["stopped"] == "stopped after 500,000 states"
    assert path.stat().st_size > 8 * 400_000
    assert answer(*RUN, "--checkpoint", str(path)) == whole


# ---- what is refused --------------------------------------------------------------------------------------------


def test_a_checkpoint_is_of_one_run(cli: Cli, tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    for argv, words in (
        ([tiny], "choose the run with --scope NAME or --topology NAME"),
        ([tiny, tiny, "--scope", "small"], "name one SPEC"),
        ([Path(tiny).parent, "--scope", "small"], "name one SPEC"),
        ([tiny, "--scope", "small", "--engine", "interpreter"], "leave out `--engine interpreter`"),
    ):
        ended = cli("check", *argv, "--checkpoint", path)
        assert ended.status == 2 and "LUO609" in ended.err and words in ended.err
    ended = cli("check", tiny, "--scope", "small", "--checkpoint-every", "3")
    assert ended.status == 2 and "LUO609" in ended.err and "add --checkpoint FILE" in ended.err
    assert not path.exists()


def test_without_a_compiler_it_says_what_it_needs(cli: Cli, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    ended = cli("check", tiny, "--scope", "small", "--checkpoint", tmp_path / "checkpoint")
    assert ended.status == 2 and "LUO500" in ended.err and "a checkpoint needs the native engine" in ended.err
    assert "check without --checkpoint" in ended.err


def test_where_it_cannot_be_written_the_run_does_not_begin(cli: Cli, tiny: str, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    places = [tmp_path / "none" / "checkpoint", tmp_path, Path("/dev/null"), Path("/proc/checkpoint")]
    if os.access(folder, os.W_OK) is False:  # nobody's permissions keep the superuser out
        places.append(folder / "checkpoint")
    for path in places:
        ended = cli("check", tiny, "--scope", "small", "--checkpoint", path)
        assert ended.status == 2 and "LUO610" in ended.err and "name a file in a folder that can be written" in ended.err, path
        assert ended.out == ""


def test_a_file_of_something_else_is_never_overwritten(cli: Cli, tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes")
    ended = cli("check", tiny, "--scope", "small", "--checkpoint", path, "--json")
    assert ended.status == 2 and json.loads(ended.out)["errors"][0]["code"] == "LUO611"
    assert path.read_text() == "my notes" and os.listdir(tmp_path) == ["notes.txt"]


def test_a_link_stays_a_link(cli: Cli, tiny: str, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "checkpoint"
    link.symlink_to(tmp_path / "disk" / "real")
    first = cli("check", tiny, "--scope", "small", "--checkpoint", link, "--json")
    assert link.is_symlink() and (tmp_path / "disk" / "real").is_file()
    assert timeless(json.loads(cli("check", tiny, "--scope", "small", "--checkpoint", link, "--json").out)) == timeless(
        json.loads(first.out)
    )
