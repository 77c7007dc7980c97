"""What is left out before calls are put together changes no call: tasks that have nothing to do with the abi, raw events by their number."""

from __future__ import annotations

from pathlib import Path

import pytest

from luocheck.model.abi import Abi
from luocheck.traces import decode as decoding
from luocheck.traces.call import Note
from luocheck.traces.decode import decode, read
from luocheck.traces.formats import trace_dat
from luocheck.traces.involved import involved, survey
from luocheck.traces.processes import Processes
from luocheck.traces.records import MOST_NAMES, MOST_NOTES, Ended, Enter, Exit, Forked, Record, Tally

CAPTURES = Path(__file__).parent / "captures"
CREATE = 0xBA00


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize(
    "name",
    [
        "concurrent/conc1.sys.trace.txt.gz",
        "concurrent/conc1.raw.trace.txt.gz",
        "concurrent/conc3tgid.sys.trace.txt.gz",
        "agent-killed/killed.sys.trace.txt.gz",
        "noisy-lost-events/noisy.sys.trace_pipe.txt.gz",
        "trace-dat/lost.sys.dat",
        "strace/forked.strace.txt.gz",
    ],
)
def test_the_calls_are_those_of_all_tasks(name: str, share: bool, abi: Abi, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = read(str(CAPTURES / name), abi)
    found = reading.recording(share)
    monkeypatch.setattr(decoding, "involved", lambda records, found, processes: records)
    assert reading.recording(share) == found and found.calls


def kept(records: list[Record], abi: Abi) -> list[int]:
    found = survey(records, abi)
    return [each.line for each in involved(records, found, Processes(found.tasks, found.callers, None))]


def enter(line: int, thread: int, syscall: str, *arguments: int, **more: object) -> Record:
    return Record(line, None, thread, None, 0, Enter(syscall, arguments, "syscalls", **more))  # type: ignore[arg-type]


def test_families_of_callers_stay_whole(abi: Abi) -> None:
    """1 makes 2 and 3, and 3 makes 4, which calls LUO; 5 makes 6, and 7 is alone."""
    records = [
        Record(1, None, 1, None, 0, Forked(None, 2)),
        Record(2, None, 1, None, 0, Forked(None, 3)),
        Record(3, None, 5, None, 0, Forked(None, 6)),
        Record(4, None, 3, None, 0, Forked(None, 4)),
        enter(5, 2, "close", 3),
        enter(6, 6, "close", 3),
        enter(7, 7, "close", 3),
        enter(8, 4, "ioctl", 3, CREATE),
        Record(9, None, 7, None, 0, Ended(2, True)),  # told by another task
        Record(10, None, None, None, 0, Ended(6, True)),
    ]
    assert kept(records, abi) == [1, 2, 4, 5, 8, 9, 10]


@pytest.mark.parametrize(
    "record",
    [
        enter(1, 9, "ioctl", 3, CREATE),
        enter(1, 9, "ioctl"),
        enter(1, 9, "openat", 0, 0, path=b"/dev/liveupdate"),
        enter(1, 9, "reboot", 0, 0, 0),
        Record(1, None, 9, None, 0, Exit("ioctl", 0, "syscalls")),  # its entry is missing
    ],
)
def test_whose_calls_are_looked_at(record: Record, abi: Abi) -> None:
    others = [enter(2, 9, "close", 3), enter(3, 8, "openat", 0, 0, path=b"/etc/passwd"), enter(4, 8, "ioctl", 0, 0x5401)]
    assert kept([record, *others], abi) == [1, 2]


def test_a_recorder_that_shows_links_ties_all_tasks(abi: Abi) -> None:
    records = [enter(1, 9, "ioctl", 3, CREATE), enter(2, 8, "close", 3, links=(b"/tmp/x",))]
    assert kept(records, abi) == [1, 2]


def test_a_thread_whose_process_changes_ties_both(abi: Abi) -> None:
    records = [
        Record(1, None, 5, 50, 0, Enter("close", (3,), "syscalls")),
        Record(2, None, 5, 60, 0, Enter("ioctl", (3, CREATE), "syscalls")),
        Record(3, None, 6, 60, 0, Enter("close", (3,), "syscalls")),
        Record(4, None, 7, 70, 0, Enter("close", (3,), "syscalls")),
    ]
    assert kept(records, abi) == [1, 2, 3]


@pytest.mark.parametrize("name", ["errors.raw.dat", "withsys.one.dat"])
def test_raw_events_are_passed_over_by_their_number_alone(name: str, abi: Abi, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(CAPTURES / "trace-dat" / name)
    found = read(path, abi)
    monkeypatch.setattr(trace_dat, "peek_of", lambda kind, reading: None)
    plain = read(path, abi)
    assert found.records == plain.records and found.records
    assert (found.tally.names, found.tally.events) == (plain.tally.names, plain.tally.events)
    assert decode(path, abi) == plain.recording()


def test_raw_events_are_looked_at_before_they_are_read(abi: Abi, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    plain = trace_dat.reader_of

    def counting(kind, reading):  # type: ignore[no-untyped-def]
        read = plain(kind, reading)
        if read is None or kind.system != "raw_syscalls":
            return read

        def counted(*place):  # type: ignore[no-untyped-def]
            found = read(*place)
            taken.append(found)
            return found

        return counted

    monkeypatch.setattr(trace_dat, "reader_of", counting)
    found = read(str(CAPTURES / "trace-dat" / "errors.raw.dat"), abi)
    assert len(taken) < found.tally.events / 2 and None not in taken


def test_names_and_notes_are_bounded() -> None:
    tally = Tally()
    for number in range(3 * MOST_NAMES):
        tally.count(f"event{number}")
        tally.remark(Note("LUO706", number, "again"))
    tally.count("event0", 4)
    assert len(tally.names) == MOST_NAMES + 1 and tally.names.total() == 3 * MOST_NAMES + 4
    assert tally.names["event0"] == 5
    assert len(tally.notes) == MOST_NOTES
