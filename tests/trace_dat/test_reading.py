"""trace.dat: what trace-cmd recorded, and what our own writer wrote, is read as it is."""

from __future__ import annotations

import gc
import gzip
import io
import os
import re
import struct
import threading
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_dat.building import CAPTURES, STYLES, VENDORED, codes, contents, ioctl, read, written

from luocheck.cli.main import main
from luocheck.model.abi import Abi
from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.decode import decode
from luocheck.traces.formats import trace_dat_file
from luocheck.traces.formats.trace_dat import read_records
from luocheck.traces.formats.trace_dat_file import read_container
from luocheck.traces.formats.trace_dat_writer import PAGE, Pages, Style
from luocheck.traces.records import Ended, Enter, Executed, Exit, Forked, Gap, Marker, Record, Tally
from luocheck.traces.source import open_capture

# ---- recordings of a real kernel ----------------------------------------------------------------------------------


QUICK = ("errors.sys.dat", "killed.one.dat", "lost.sys.dat", "stage2.one.dat", "tsc.one.dat")


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.nightly) for name in VENDORED])
def test_what_the_kernel_did_is_allowed(name: str) -> None:
    answer = audit(load("linux_7_3"), str(CAPTURES / name))
    assert answer.verdict is (Conformance.INCONCLUSIVE if name == "lost.sys.dat" else Conformance.CONFORMS), answer
    assert answer.verdict is Conformance.CONFORMS or "85 events were lost before line 1" in answer.reason


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("errors.sys.dat", 150),
        ("errors.raw.dat", 665),
        ("buffers.one.dat", 246),
        ("functions.fg.dat", 1454),
        ("lost.sys.dat", 7828),
        ("v6.sys.dat.gz", 145),
    ],
)
def test_every_event_is_counted(name: str, events: int) -> None:
    """As many as `trace-cmd report -N` of version 3.4 printed for these files."""
    _, tally, damage = read(CAPTURES / name)
    assert (tally.events, sum(tally.names.values()), damage) == (events, events, None)


def test_losses_are_those_that_the_kernel_counted(abi: Abi) -> None:
    """85 on the one CPU, 252 on the other: 84 before its first page, 168 in the middle."""
    recording = decode(str(CAPTURES / "lost.sys.dat"), abi)
    assert [(loss.count, loss.line) for loss in recording.losses] == [(85, 1), (84, 1), (168, 4978)]
    assert recording.truncated_start


def test_what_the_file_says_about_itself(abi: Abi) -> None:
    notes = {note.code: note.text for note in decode(str(CAPTURES / "tsc.one.dat"), abi).notes}
    assert notes["LUO716"] == "recorded by Linux (none) 7.3.4-luo-a x86_64, with the clock x86-tsc"
    assert "LUO710" in notes
    both = {note.code: note.text for note in decode(str(CAPTURES / "errors.sys.dat"), abi).notes}["LUO716"]
    assert both.startswith("recorded by Linux (none) 7.3.4-luo-a x86_64, with the clock local (each CPU has its own: ")
    assert "LUO710" not in codes(decode(str(CAPTURES / "killed.one.dat"), abi))


# ---- written and read -----------------------------------------------------------------------------------------------

_NUMBER = st.integers(0, (1 << 64) - 1)
_NAMES = st.sampled_from(["ioctl", "close", "memfd_create", "dup3"])
_EVENT = (
    st.builds(Enter, _NAMES, st.tuples(*[_NUMBER] * 6), st.just("syscalls"))
    | st.builds(
        Enter,
        st.just("openat"),
        st.tuples(*[_NUMBER] * 6),
        st.just("syscalls"),
        st.none() | st.binary(max_size=200).map(lambda b: b.replace(b"\0", b"")),
    )
    | st.builds(Exit, _NAMES, st.integers(-(1 << 63), (1 << 63) - 1), st.just("syscalls"))
    | st.builds(Forked, st.none(), st.integers(1, 1 << 22))
    | st.just(Executed())
    | st.builds(Ended, st.integers(1, 1 << 22), st.booleans())
    | st.builds(Marker, st.binary(max_size=3000).map(lambda b: b.replace(b"\0", b"").rstrip(b"\n")))
)


@st.composite
def recordings(draw: st.DrawFn) -> list[Record]:
    """Events of some CPUs, in the order of strictly rising times."""
    time, out = draw(st.integers(1, 1 << 60)), []
    for event in draw(st.lists(_EVENT, max_size=60)):
        time += draw(st.integers(1, 3) | st.integers(1, 1 << 40))
        out.append(Record(len(out) + 1, time, draw(st.integers(0, 1 << 22)), None, draw(st.integers(0, 3)), event))
    return out


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=60)
@given(recordings(), st.sampled_from([style for style in STYLES if style.word == 8]))
def test_what_is_written_is_read(tmp_path: Path, records: list[Record], style: Style) -> None:
    found, tally, damage = read(written(tmp_path / "t.dat", records, style))
    assert (found, tally.events, damage) == (records, len(records), None)


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_calls_are_read_from_every_kind_of_file(style: Style, abi: Abi, tmp_path: Path) -> None:
    path = Enter("openat", ((1 << 64) - 100, 0, 2, 0, 0, 0), "syscalls", b"/dev/liveupdate")
    records = [Record(0, 10, 7, None, 0, path), Record(0, 12, 7, None, 0, Exit("openat", 3, "syscalls"))]
    records += [each for n in range(300) for each in ioctl(100 + 10 * n, n % 2, 7, 0xBA00, -17 if n else 4)]
    recording = decode(str(written(tmp_path / "t.dat", records, style)), abi)
    assert [c.result for c in recording.calls] == [3, 4] + [-17] * 299
    assert recording.calls[1].fd == 3 and recording.calls[0].on is recording.calls[1].on
    assert recording.calls[1].enter.time == 100 and recording.calls[1].enter.line == 3


@pytest.mark.parametrize("count", [7, None])
def test_lost_events_are_a_gap_after_the_last_event_before_them(count: int | None, tmp_path: Path) -> None:
    """What was lost on one CPU can have happened at any time since its last event, so before events of the others."""
    records = [*ioctl(10), *ioctl(30, 1, 8), Record(0, 40, None, None, 0, Gap(count, "")), *ioctl(50)]
    found, _, _ = read(written(tmp_path / "t.dat", records))
    assert [(r.line, r.time, r.cpu, r.event.count) for r in found if isinstance(r.event, Gap)] == [(3, 15, 0, count)]
    assert [r.time for r in found] == [10, 15, 15, 30, 35, 50, 55]


def test_events_of_many_pages_are_merged_by_time(tmp_path: Path) -> None:
    records = [each for n in range(3000) for each in ioctl(1 + 10 * n, (n * 7 + n // 100) % 5, n % 11)]
    found, tally, _ = read(written(tmp_path / "t.dat", records))
    assert tally.events == len(found) == 6000
    assert all(a.line + 1 == b.line and (a.time or 0) < (b.time or 0) for a, b in pairwise(found))


def test_some_pages_of_each_cpu_are_in_memory_never_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_dat_file, "_READ", 4 * PAGE)
    path = written(tmp_path / "t.dat", [each for n in range(12_000) for each in ioctl(1 + 10 * n, n % 2)])
    assert path.stat().st_size > 1_000_000
    capture = open_capture(str(path))
    tracemalloc.start()
    events = sum(1 for _ in read_records(capture, "trace.dat", Tally()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert events == 24_000 and peak < 400_000


def test_the_search_for_garbage_goes_on_afterwards(abi: Abi) -> None:
    assert gc.isenabled()
    decode(str(CAPTURES / "killed.one.dat"), abi)
    assert gc.isenabled()
    with pytest.raises(SpecError):
        decode(str(CAPTURES / "README.md"), abi, format="trace.dat")
    assert gc.isenabled()


# ---- ways in ----------------------------------------------------------------------------------------------------------


def test_a_packed_file_and_a_pipe_are_read_like_a_file(abi: Abi, tmp_path: Path) -> None:
    data = contents("errors.sys.dat")
    plain = decode(str(CAPTURES / "errors.sys.dat"), abi)
    (tmp_path / "t.dat.gz").write_bytes(gzip.compress(data))
    assert decode(str(tmp_path / "t.dat.gz"), abi).calls == plain.calls
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(data,))
    writer.start()
    assert decode(str(fifo), abi).calls == plain.calls
    writer.join()


def test_copying_a_packed_file_stops_at_the_limit(abi: Abi, tmp_path: Path) -> None:
    (tmp_path / "t.dat.gz").write_bytes(gzip.compress(contents("v6.sys.dat.gz") + bytes(1 << 20)))
    recording = decode(str(tmp_path / "t.dat.gz"), abi, most=1 << 17)
    assert any("stopped" in note.text for note in recording.notes if note.code == "LUO706")
    assert len(recording.calls) > 50


def test_raw_pages_alone_are_refused(abi: Abi, tmp_path: Path) -> None:
    pages = Pages("<", 8)
    for n in range(1000):
        pages.add(10**12 + n, struct.pack("<HBBi8x", 300, 0, 0, 7))
    pages.close()
    (tmp_path / "cpu0").write_bytes(b"".join(pages.done))
    with pytest.raises(SpecError, match="do not say what their events are"):
        decode(str(tmp_path / "cpu0"), abi)


def test_the_documented_recording_is_one_that_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    """The events that the page says to record are those of errors.sys.dat, which conforms."""
    page = (Path(__file__).parents[2] / "docs" / "formats-trace-dat.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"-e (\w+:\w+)", page))
    data = contents("errors.sys.dat")
    kinds = {f"{system}:{text.split()[1].decode()}" for system, text in read_container(io.BytesIO(data), len(data)).formats}
    assert len(documented) == 8 and documented <= kinds
    assert main(["audit", "linux_7_3", str(CAPTURES / "errors.sys.dat")]) == 0
    assert "trace.dat" in capsys.readouterr().out
