"""trace.dat: a damaged or hostile file is refused with the reason, or read up to the damage."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_dat.building import contents, formed, ioctl, long_run, made, number, options_of, read, written

from luocheck.model.abi import Abi
from luocheck.model.diagnostics import SpecError
from luocheck.traces.decode import decode
from luocheck.traces.formats import trace_dat_file
from luocheck.traces.formats.cursor import Broken
from luocheck.traces.formats.trace_dat_file import read_container
from luocheck.traces.formats.trace_dat_writer import PAGE, Style, write_trace_dat
from luocheck.traces.records import Gap

# ---- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", [Style(6), Style(7, "zlib")], ids=str)
def test_a_file_that_is_cut_off_gives_what_was_there(style: Style, abi: Abi, tmp_path: Path) -> None:
    data = written(tmp_path / "t.dat", long_run(), style).read_bytes()
    whole = decode(str(tmp_path / "t.dat"), abi)
    (tmp_path / "cut.dat").write_bytes(data[:-PAGE] if style.version == 6 else data[:-1])
    if style.version == 7:  # the list of its parts is at its end
        with pytest.raises(SpecError, match=r"the section at byte \d+ is cut off"):
            decode(str(tmp_path / "cut.dat"), abi)
        return
    cut = decode(str(tmp_path / "cut.dat"), abi)
    assert 100 < cut.events < whole.events
    assert any("cut off" in note.text for note in cut.notes if note.code == "LUO706")
    assert [loss.reason for loss in cut.losses] == ["the file is damaged here"]
    before = [c for c in cut.calls if c.exit is not None and c.exit.line < cut.losses[0].line]
    assert before == list(whole.calls[: len(before)]) and len(before) > 50


def test_a_damaged_page_is_a_gap(abi: Abi, tmp_path: Path) -> None:
    data = bytearray(written(tmp_path / "t.dat", [each for n in range(400) for each in ioctl(100 + 10 * n)], Style(6)).read_bytes())
    pages = [place for place in range(0, len(data), PAGE) if struct.unpack_from("<Q", data, place + 8)[0] in range(3000, 4081)]
    assert len(pages) > 2
    struct.pack_into("<I", data, pages[1] + 16, 0)  # its first record has a length of 0
    (tmp_path / "t.dat").write_bytes(data)
    recording = decode(str(tmp_path / "t.dat"), abi)
    assert [loss.reason for loss in recording.losses] == ["the file is damaged here"]
    assert 400 < recording.events < 800


def hostile() -> Iterator[tuple[str, bytes, str]]:
    file = io.BytesIO()
    write_trace_dat(file, long_run(), Style(7))
    seven = file.getvalue()
    file = io.BytesIO()
    write_trace_dat(file, long_run(), Style(6))
    six = file.getvalue()
    where, options = seven.index(b"none\x001\0") + 7, options_of(seven)
    formats, flyrecord = six.index(b"syscalls\0") + 13, six.index(b"flyrecord\0")
    cpus = six.index(b"options  \0") - 4
    yield "version", seven.replace(b"tracing7\0", b"tracing8\0", 1), "version '8'"
    yield "version that does not end", seven[:10] + b"7" * 100, "does not end"
    yield "word", number(seven, 13, 3, 1), "byte order or word size"
    yield "page size", number(seven, 14, 1 << 31, 4), "none of a ring buffer"
    yield "page size 0", number(six, 14, 0, 4), "none of a ring buffer"
    yield "packing", seven.replace(b"none\0", b"lzma\0", 1), "packed with `lzma`"
    yield "options beyond the end", number(seven, where, 1 << 63), "no description of its events"
    yield "size of options", number(seven, options + 8, 1 << 63), "no description of its events"
    yield "size of a format", number(six, formats, 1 << 63), "9223372036854775808 bytes are announced"
    yield "number of formats", number(six, formats - 4, 1 << 31, 4), "bytes are announced"
    yield "a billion CPUs", number(six, cpus, 10**9, 4), "1000000000 CPUs"
    yield "text of a latency tracer", six.replace(b"flyrecord\0", b"latency  \0", 1), "latency tracer"
    yield "no data", six.replace(b"flyrecord\0", b"somewhere\0", 1), "data of the CPUs should begin"
    yield "data of all CPUs everywhere", number(number(six, flyrecord + 18, 1 << 40), flyrecord + 10, 0), "more data together"
    yield "cut at the formats", six[:formats], "are announced"
    yield "only the magic", six[:10], "does not end"


@pytest.mark.parametrize(("data", "message"), [pytest.param(data, text, id=name) for name, data, text in hostile()])
def test_hostile_files_are_refused_with_the_reason(data: bytes, message: str, abi: Abi, tmp_path: Path) -> None:
    (tmp_path / "t.dat").write_bytes(data)
    with pytest.raises(SpecError, match=message) as caught:
        decode(str(tmp_path / "t.dat"), abi)
    assert caught.value.diagnostics[0].code == "LUO700"


def test_options_that_lead_back_to_themselves_are_read_once(abi: Abi, tmp_path: Path) -> None:
    data = written(tmp_path / "t.dat", long_run(), Style(7)).read_bytes()
    (tmp_path / "t.dat").write_bytes(data[:-8] + options_of(data).to_bytes(8, "little"))
    recording = decode(str(tmp_path / "t.dat"), abi)
    assert "the list of its options leads back to itself" in [note.text for note in recording.notes]
    assert recording.events == 800 and recording.losses[0].line == 1


def test_fields_outside_of_their_record_are_not_read(tmp_path: Path) -> None:
    exit_ = formed(60, "sys_exit_ioctl", ("int __syscall_nr", 8, 4, 1), ("long ret", 900_000, 8, 1))
    enter = formed(
        61, "sys_enter_ioctl", ("int __syscall_nr", 8, 4, 1), ("unsigned int fd", 24, 8, 0), ("unsigned int cmd", 20, 8, 0)
    )
    negative = formed(62, "sys_exit_ioctl", ("int __syscall_nr", 8, 4, 1), ("long ret", -8, 8, 1))
    found, tally, _ = read(
        made(
            tmp_path / "t.dat",
            [("syscalls", exit_), ("syscalls", enter), ("syscalls", negative)],
            [(60, bytes(24)), (61, bytes(32)), (62, bytes(24))],
        )
    )
    assert [type(r.event) for r in found] == [Gap] and tally.unread_count == 1
    assert any("sys_enter_ioctl contradicts itself" in note.text for note in tally.notes)


def test_data_that_unpack_to_far_more_than_pages_do_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "t.dat", long_run(), Style(7, "zlib"))
    monkeypatch.setattr(trace_dat_file, "MOST_CHUNK", 1 << 16)
    assert read(path)[2] is None
    monkeypatch.setattr(trace_dat_file, "MOST_CHUNK", 1 << 12)
    assert "claims" in (read(path)[2] or "")
    monkeypatch.setattr(trace_dat_file, "MOST_CHUNK", 1 << 16)
    monkeypatch.setattr(trace_dat_file, "_RATIO", -1000)
    assert "unpack to far more" in (read(path)[2] or "")


@pytest.mark.parametrize("name", ["buffers.one.dat", "v6.sys.dat.gz", "stage2.one.dat"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60)
@given(data=st.data())
def test_any_damage_gives_a_recording_or_a_reason(name: str, abi: Abi, tmp_path: Path, data: st.DataObject) -> None:
    changed = bytearray(contents(name))
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(
            st.integers(0, len(changed) - 1) | st.integers(0, 200) | st.integers(len(changed) - 200, len(changed) - 1)
        )
        patch = data.draw(st.binary(min_size=1, max_size=1) | st.sampled_from([b"\xff" * 8, bytes(8), b"\0\0\0\x80"]))
        changed[place : place + len(patch)] = patch
    if data.draw(st.booleans()):
        del changed[data.draw(st.integers(10, len(changed))) :]
    (tmp_path / "t.dat").write_bytes(changed)
    try:
        decode(str(tmp_path / "t.dat"), abi, format="trace.dat")
    except SpecError as error:
        assert error.diagnostics[0].code == "LUO700"


def test_a_container_is_read_without_its_events() -> None:
    data = contents("buffers.one.dat")
    found = read_container(io.BytesIO(data), len(data))
    assert [(b.name, b.clock, [e.cpu for e in b.extents]) for b in found.buffers] == [
        ("", "local", []),
        ("sysb", "local", [0]),
        ("lub", "local", [0]),
    ]
    with pytest.raises(Broken):
        read_container(io.BytesIO(data[:3000]), 3000)
