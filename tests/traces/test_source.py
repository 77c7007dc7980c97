"""Files that are no captures, are cut off, or are far larger than any capture should be."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luocheck.model.diagnostics import SpecError
from luocheck.traces.source import LONGEST_LINE, open_capture


def lines_of(path: Path) -> list[bytes]:
    return [text for _, text in open_capture(str(path)).lines()]


@given(st.lists(st.binary(max_size=50).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), min_size=1), st.booleans())
def test_lines_are_those_of_the_file(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], packed: bool) -> None:
    path = tmp_path_factory.mktemp("lines") / "capture"
    data = b"\n".join([b"#", *lines]) + b"\n"
    path.write_bytes(gzip.compress(data) if packed else data)
    capture = open_capture(str(path))
    assert list(capture.lines()) == list(enumerate([b"#", *lines], 1))
    assert capture.compressed is packed


def test_line_ends_of_other_systems_and_a_last_line_without_one(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"a\r\nb\nc")
    assert lines_of(tmp_path / "c") == [b"a", b"b", b"c"]


def test_a_line_without_end_is_cut_and_the_next_one_is_whole(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"a\n" + b"x" * (3 * LONGEST_LINE) + b"\nb\n" + b"y" * (LONGEST_LINE + 1))
    capture = open_capture(str(tmp_path / "c"))
    found = list(capture.lines())
    assert [(number, len(text)) for number, text in found] == [(1, 1), (2, LONGEST_LINE), (3, 1), (4, LONGEST_LINE)]
    assert found[2][1] == b"b"
    assert capture.cut == [2, 4]


def test_a_packed_file_that_is_cut_off_gives_what_was_there(tmp_path: Path) -> None:
    data = gzip.compress(b"".join(b"line %d of many, with %x in it\n" % (n, n * n * 7919) for n in range(20_000)))
    (tmp_path / "c").write_bytes(data[: len(data) // 2])
    capture = open_capture(str(tmp_path / "c"))
    found = list(capture.lines())
    assert 1000 < len(found) < 20_000
    assert found[999][1].startswith(b"line 999 ")
    assert capture.damage is not None and "cut off" in capture.damage


def test_a_file_that_unpacks_to_too_much_is_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(gzip.compress(b"0123456\n" * (1 << 20)))
    capture = open_capture(str(tmp_path / "c"), most=1 << 20)
    assert len(list(capture.lines())) <= (1 << 17) + (1 << 13)
    assert capture.damage is not None and "stopped" in capture.damage


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="directory"):
        open_capture(str(tmp_path))
    with pytest.raises(SpecError, match="No such file"):
        open_capture(str(tmp_path / "absent"))
    with pytest.raises(SpecError, match="device"):
        open_capture("/dev/zero")
    with pytest.raises(SpecError, match="no file name"):
        open_capture("a\0b")


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    child = os.fork()
    if child == 0:
        with open(fifo, "wb") as out:
            out.write(gzip.compress(b"one\ntwo\n"))
        os._exit(0)
    assert lines_of(fifo) == [b"one", b"two"]
    os.waitpid(child, 0)
