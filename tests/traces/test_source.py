"""Files that are no captures, are cut off, or are far larger than any capture should be."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luocheck.model.diagnostics import SpecError
from luocheck.traces import compression, packed, source
from luocheck.traces.source import LONGEST_LINE, open_capture

zstandard = pytest.importorskip("zstandard")

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=0),
    "bzip2": lambda data: bz2.compress(data, 1),
    "zstd": zstandard.ZstdCompressor().compress,
}


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


# ---- packed files -----------------------------------------------------------------------------------------------------


TEXT = b"".join(b"line %d of many, with %x in it\n" % (n, n * n * 7919) for n in range(40_000))
PACKED = {kind: pack(TEXT) for kind, pack in PACKERS.items()}


@pytest.mark.parametrize("kind", PACKERS)
def test_every_packing_is_known_by_its_first_bytes(kind: str, tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(PACKED[kind])
    capture = open_capture(str(tmp_path / "c"))
    assert b"".join(text + b"\n" for _, text in capture.lines()) == TEXT
    assert capture.compressed and capture.damage is None


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_streams_one_after_the_other_are_one_text(kind: str, tmp_path: Path) -> None:
    pack = PACKERS[kind]
    (tmp_path / "c").write_bytes(pack(b"a\nb") + pack(b"") + pack(b"c\n" * 100_000) + (b"\0" * 8 if kind == "xz" else b""))
    capture = open_capture(str(tmp_path / "c"))
    found = [text for _, text in capture.lines()]
    assert (found[:2], len(found), capture.damage) == ([b"a", b"bc"], 100_001, None)


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("part", [0.3, 0.99])
def test_of_a_packed_file_that_is_cut_off_everything_before_the_cut_is_read(kind: str, part: float, tmp_path: Path) -> None:
    data = PACKED[kind]
    (tmp_path / "c").write_bytes(data[: int(len(data) * part)])
    capture = open_capture(str(tmp_path / "c"))
    found = [text for _, text in capture.lines()]
    whole = TEXT.split(b"\n")
    assert len(found) > 0.9 * part * len(whole) - 10_000
    assert found[:-1] == whole[: len(found) - 1] and whole[len(found) - 1].startswith(found[-1])
    assert capture.damage is not None and "cut off" in capture.damage


@pytest.mark.parametrize("kind", PACKERS)
def test_a_packed_file_that_is_damaged_gives_what_was_before(kind: str, tmp_path: Path) -> None:
    data = bytearray(PACKED[kind])
    middle = len(data) // 2
    data[middle : middle + 40] = bytes(byte ^ 0x55 for byte in data[middle : middle + 40])
    (tmp_path / "c").write_bytes(data)
    capture = open_capture(str(tmp_path / "c"))
    found = [text for _, text in capture.lines()]
    assert found[:1000] == TEXT.split(b"\n")[:1000]
    assert capture.damage is not None


@pytest.mark.parametrize("kind", PACKERS)
def test_garbage_behind_the_first_bytes_is_refused(kind: str, tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(PACKERS[kind](b"")[:6] + b"Z0 but nothing else of it" * 20)
    with pytest.raises(SpecError, match="LUO700"):
        lines_of(tmp_path / "c")


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_is_left_when_it_has_unpacked_to_far_more_than_it_is(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "ALWAYS_READ", 1 << 21)
    (tmp_path / "c").write_bytes(PACKERS[kind]((b"x" * 8191 + b"\n") * (1 << 12)))
    capture = open_capture(str(tmp_path / "c"))
    assert 200 < sum(1 for _ in capture.lines()) < 2500  # of 4096
    assert capture.damage is not None and "stopped" in capture.damage


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_takes_no_memory(kind: str, tmp_path: Path) -> None:
    """64 MiB of zeros in one line, in a process that may not have 64 MiB more than an empty one."""
    (tmp_path / "c").write_bytes(PACKERS[kind](b"\0" * (1 << 26)))
    program = (
        "import sys; from luocheck.traces.source import open_capture; import resource\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(sum(1 for _ in open_capture(sys.argv[1]).lines()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path / "c")], capture_output=True, text=True, check=True)
    lines, kilobytes = map(int, done.stdout.split())
    assert lines == 1
    assert kilobytes < 48 << 10


def test_without_anything_that_unpacks_zstd_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "zstd_module", lambda: None)
    (tmp_path / "c").write_bytes(PACKED["zstd"])
    with pytest.raises(SpecError, match="LUO700") as found:
        open_capture(str(tmp_path / "c"))
    assert found.value.diagnostics[0].help == compression.LACKING


class _Standard:
    """What the module of Python 3.14 offers, made of the package that is here."""

    ZstdError = zstandard.ZstdError

    class ZstdDecompressor(packed._ZstdObject):
        def __init__(self) -> None:
            super().__init__(zstandard)


def test_zstd_of_the_standard_library_is_used_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "zstd_module", lambda: (_Standard, True))
    (tmp_path / "c").write_bytes(PACKED["zstd"])
    assert b"\n".join(lines_of(tmp_path / "c")) + b"\n" == TEXT


# ---- text that went through other hands -----------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_text_in_another_encoding(encoding: str, pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    text = "# tracer: nop\r\n" + "".join(f"line {n} with \u00e4\r\n" for n in range(20_000))
    data = (b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding)
    (tmp_path / "c").write_bytes(pack(data))
    capture = open_capture(str(tmp_path / "c"))
    assert [line.decode() for _, line in capture.lines()] == text.split("\r\n")[:-1]


def test_utf_16_that_is_cut_off_or_damaged(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes("one\ntwo\nthr".encode("utf-16")[:-1])
    assert lines_of(tmp_path / "c") == [b"one", b"two", "th\ufffd".encode()]


@pytest.mark.parametrize("mark", ["> ", ">", ">> ", "> > "])
def test_the_marks_of_a_mail_are_taken_off(mark: str, tmp_path: Path) -> None:
    (tmp_path / "c").write_text(
        "On Monday someone wrote:\n" + "".join(f"{mark}    a-{n}\n" for n in range(9)) + f"{mark.rstrip()}\n"
    )
    capture = open_capture(str(tmp_path / "c"))
    space = "" if mark.endswith(" ") else " "
    shown = [f"    a-{n}"[len(space) :].encode() for n in range(9)]
    assert [text for _, text in capture.lines()] == [b"On Monday someone wrote:", *shown, b""]
    assert capture.quoted


def test_a_few_lines_that_begin_so_are_not_a_mail(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"a\nb\n > c\n> d\n")
    assert lines_of(tmp_path / "c") == [b"a", b"b", b" > c", b"> d"]
