"""trace.dat: kinds of events, records, buffers and options that vendored files do not have."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from trace_dat.building import STYLES, codes, formed, ioctl, made, options_of, read, with_option, written

from luocheck.model.abi import Abi
from luocheck.traces.call import Kind
from luocheck.traces.decode import decode
from luocheck.traces.formats.kallsyms import Symbols
from luocheck.traces.formats.ring_buffer import BACKWARDS, GAP, Lane, PageLayout
from luocheck.traces.formats.trace_dat_writer import Style
from luocheck.traces.records import Ended, Enter, Exit, Gap, Hit, Record


@pytest.mark.parametrize("order", ["<", ">"])
def test_records_that_only_carry_time_and_records_that_were_discarded(order: str) -> None:
    """Types of records as kernel/trace/ring_buffer.c writes them: 29 is padding, 30 more time, 31 the time itself, in 59 bits."""

    def head(kind: int, delta: int) -> bytes:
        return struct.pack(f"{order}I", delta << 5 | kind if order == "<" else kind << 27 | delta)

    def word(value: int) -> bytes:
        return struct.pack(f"{order}I", value)

    event = struct.pack(f"{order}HBBi", 300, 0, 0, 7)
    base = (3 << 59) + 1000
    body = head(2, 0) + event
    body += head(30, 5) + word(2) + head(2, 1) + event  # 5 + 2 * 2**27, then 1
    body += head(29, 7) + word(8) + b"gone"  # 12 bytes in all; its time counts
    body += head(0, 2) + word(12) + event  # its length stands behind
    body += head(31, 9) + word(40) + head(2, 3) + event  # now it is 9 + 40 * 2**27 of the 59 bits
    body += head(29, 0) + word(0) + head(2, 1) + event  # nothing counts behind it
    page = struct.pack(f"{order}QQ", base, len(body)) + body
    lane = Lane(PageLayout(order, 8, 16), 0)
    found = lane.entries(page.ljust(4096, b"\0"))
    later = base + 5 + (2 << 27) + 1
    assert [(entry[0], entry[1]) for entry in found] == [
        (base, 300),
        (later, 300),
        (later + 9, 300),
        ((3 << 59) + 9 + (40 << 27) + 3, 300),
    ]
    assert all(entry[2][entry[3] : entry[4]] == event for entry in found)


@pytest.mark.parametrize(
    ("fields", "layout"),
    [
        ("timestamp;offset:0;size:8; commit;offset:8;size:8; data;offset:16;size:4080;", (8, 16)),
        ("timestamp;offset:0;size:8; commit;offset:8;size:4; data;offset:12;size:4084;", (4, 12)),
        ("timestamp;offset:4;size:8; commit;offset:8;size:8; data;offset:16;size:4080;", None),
        ("timestamp;offset:0;size:4; commit;offset:8;size:8; data;offset:16;size:4080;", None),
        ("timestamp;offset:0;size:8; commit;offset:16;size:8; data;offset:24;size:4080;", None),
        ("timestamp;offset:0;size:8; commit;offset:8;size:2; data;offset:10;size:4080;", None),
        ("timestamp;offset:0;size:8; commit;offset:8;size:8; data;offset:24;size:4080;", None),
    ],
)
def test_pages_of_another_layout_are_refused(fields: str, layout: tuple[int, int] | None) -> None:
    text = "".join(f"\tfield: x {each};\tsigned:0;\n" for each in fields.split("; ")).replace(";;", ";").encode()
    if layout is None:
        with pytest.raises(ValueError, match="unknown way"):
            PageLayout.of(text, "<", 8)
    else:
        found = PageLayout.of(text, "<", 8)
        assert (found.word, found.data) == layout


def test_a_clock_that_goes_back_begins_another_recording() -> None:
    event = struct.pack("<IHBBi", 2, 300, 0, 0, 7)
    lane = Lane(PageLayout("<", 8, 16), 0)
    kinds = []
    for time in (10**12, 10**12 - 10**8, 10**10):
        kinds.append([(entry[0], entry[1], entry[4]) for entry in lane.entries(struct.pack("<QQ", time, 12) + event + bytes(100))])
    assert kinds[:2] == [[(10**12, 300, 28)], [(10**12, 300, 28)]]
    assert kinds[2] == [(10**12, GAP, BACKWARDS), (10**12, 300, 28)]


# ---- kinds of events ------------------------------------------------------------


def test_functions_with_their_arguments(tmp_path: Path) -> None:
    formats = [
        (
            "ftrace",
            formed(
                1,
                "function",
                ("unsigned long ip", 8, 8, 0),
                ("unsigned long parent_ip", 16, 8, 0),
                ("unsigned long args[]", 24, 0, 0),
            ),
        ),
        (
            "ftrace",
            formed(
                11, "funcgraph_entry", ("unsigned long func", 8, 8, 0), ("int depth", 16, 8, 0), ("unsigned long args[]", 24, 0, 0)
            ),
        ),
        ("ftrace", formed(10, "funcgraph_exit", ("unsigned long func", 8, 8, 0), ("unsigned long retval", 16, 8, 0))),
    ]
    begin = 0xFFFFFFFF81000100
    events = [
        (1, struct.pack("<5Q", begin + 4, begin + 0x310, 0xFF11, 0xBA00, 0x7FFC)),
        (1, struct.pack("<2Q", begin + 0x200, begin)),  # in the middle: not the entry of that function
        (1, struct.pack("<2Q", begin - 0x100, begin)),  # before every function
        (11, struct.pack("<4Q", begin, 0, 0xFF11, 0xBA01)),
        (10, struct.pack("<2Q", begin, 0xFFFFFFF0)),
        (10, struct.pack("<2Q", begin + 0x700, 0)),
    ]
    found, tally, _ = read(made(tmp_path / "t.dat", formats, events))
    assert [record.event for record in found] == [
        Hit("function", "luo_ioctl", False, {"filep": 0xFF11, "cmd": 0xBA00, "arg": 0x7FFC}, "luo_session_ioctl"),
        Hit("function", "luo_ioctl", False, {"filep": 0xFF11, "cmd": 0xBA01}),
        Hit("function", "luo_ioctl", True, {"ret": -16}),
    ]
    assert [record.line for record in found] == [1, 4, 5] and tally.events == 6


@pytest.mark.parametrize("order", ["<", ">"])
def test_probes_with_strings_here_and_elsewhere(order: str, tmp_path: Path) -> None:
    probe = ("unsigned long __probe_ip", 8, 8, 0)
    formats = [
        ("k", formed(20, "p", probe, ("__data_loc char[] name", 16, 4, 0), ("s32 fd", 20, 4, 1), ("u8 raw[4]", 24, 4, 0))),
        ("k", formed(21, "r", probe, ("__rel_loc char[] name", 16, 4, 0), ("u16 size", 20, 2, 0))),
        ("k", formed(22, "c", probe, ("char name[4]", 16, 4, 0))),
    ]
    place = struct.pack(f"{order}Q", 0xFFFFFFFF81000400)
    events = [
        (20, place + struct.pack(f"{order}Iii", 6 << 16 | 28, -9, 0) + b"alpha\0"),
        (20, place + struct.pack(f"{order}Iii", 28, -9, 0)),  # could not be read
        (21, place + struct.pack(f"{order}IHH", 5 << 16 | 4, 80, 0) + b"beta\0"),
        (22, place + b"full"),
        (20, place + struct.pack(f"{order}Iii", 60000 << 16 | 28, -9, 0)),  # a string that is longer than its record
        (21, place),  # a record that is shorter than its format
    ]
    found, tally, _ = read(made(tmp_path / "t.dat", formats, events, Style(order=order)))
    shown = [(r.event.name, dict(r.event.fields)) for r in found if isinstance(r.event, Hit)]
    assert shown == [
        ("k:p", {"name": b"alpha", "fd": -9}),
        ("k:p", {"name": None, "fd": -9}),
        ("k:r", {"name": b"beta", "size": 80}),
        ("k:c", {"name": b"full"}),
    ]
    assert [type(r.event) for r in found[4:]] == [Gap, Gap] and tally.unread_count == 2


def test_functions_are_found_by_the_places_where_tracers_fire() -> None:
    symbols = Symbols(
        b"100 t first\n100 t alias [luo]\n0 t hidden\n140 T second\n1c0 d data\nzz t none\n" + b"f" * 17 + b" t long\n"
    )
    assert [symbols.functions(at) for at in (0xFF, 0x100, 0x104, 0x10F, 0x110, 0x140)] == [
        [],
        *[["alias", "first"]] * 3,
        [],
        ["second"],
    ]
    assert [symbols.around(at) for at in (0xFF, 0x120, 0x2000)] == [None, "first", "second"]
    assert Symbols(b"100 t only\n").around(0x100) == "only"
    assert not Symbols(b"0000000000000000 t luo_ioctl\n")


def test_probes_without_symbols_are_told_about(abi: Abi, tmp_path: Path) -> None:
    formats = [("k", formed(20, "p", ("unsigned long __probe_ip", 8, 8, 0), ("u32 cmd", 16, 4, 0)))]
    event = struct.pack("<QI", 0xFFFFFFFF81000100, 0xBA00)
    assert len(decode(str(made(tmp_path / "t.dat", formats, [(20, event)])), abi).calls) == 1
    hidden = b"0000000000000000 t luo_ioctl\nnonsense\n"
    recording = decode(str(made(tmp_path / "t.dat", formats, [(20, event)], kallsyms=hidden)), abi)
    assert not recording.calls and "LUO711" in codes(recording)


@pytest.mark.parametrize(("info", "known"), [(b"0\t[kernel]\n", True), (b"# Current\n", True), (b"1c00000\t[kernel]\n", False)])
def test_functions_of_a_kernel_that_lay_elsewhere_are_not_known(info: bytes, known: bool, abi: Abi, tmp_path: Path) -> None:
    formats = [("k", formed(20, "p", ("unsigned long __probe_ip", 8, 8, 0), ("u32 cmd", 16, 4, 0)))]
    path = made(tmp_path / "t.dat", formats, [(20, struct.pack("<QI", 0xFFFFFFFF81000100, 0xBA00))])
    path.write_bytes(with_option(path.read_bytes(), 24, info + b"\0"))
    recording = decode(str(path), abi)
    assert bool(recording.calls) is known
    notes = {note.code: note.text for note in recording.notes}
    assert ("lay elsewhere" in notes.get("LUO711", "")) is not known
    assert f"of the boot before ({info.decode().strip()})" in notes["LUO716"]


@pytest.mark.parametrize(
    ("option", "value", "clock", "time", "ns"),
    [
        (7, b"0x10\0", "local", 116, True),
        (1, b"-2\0", "local", -1900, True),
        (14, struct.pack("<IIQ", 3, 1, 0), "x86-tsc", 150, True),
        (14, struct.pack("<IIQ", 0, 1, 0), "x86-tsc", 100, False),
    ],
)
def test_times_are_moved_and_scaled_as_the_file_says(
    option: int, value: bytes, clock: str, time: int, ns: bool, abi: Abi, tmp_path: Path
) -> None:
    path = written(tmp_path / "t.dat", ioctl(100), Style(7, clock=clock))
    path.write_bytes(with_option(path.read_bytes(), option, value))
    recording = decode(str(path), abi)
    assert recording.calls[0].enter.time == time
    assert ("LUO710" not in codes(recording)) is ns


def test_what_only_statistics_tell_is_lost_before_everything(abi: Abi, tmp_path: Path) -> None:
    path = written(tmp_path / "t.dat", [*ioctl(10), Record(0, 20, None, None, 0, Gap(5, "")), *ioctl(50)], Style(7))
    for overrun, dropped, losses in ((5, 0, [(5, 3)]), (12, 0, [(7, 1), (5, 3)]), (0, 9, [(9, 1), (5, 3)])):
        text = f"CPU: 0\nentries: 4\noverrun: {overrun}\ncommit overrun: 0\ndropped events: {dropped}\n\0"
        (tmp_path / "s.dat").write_bytes(with_option(path.read_bytes(), 2, text.encode()))
        recording = decode(str(tmp_path / "s.dat"), abi)
        assert [(loss.count, loss.line) for loss in recording.losses] == losses
    other = with_option(with_option(path.read_bytes(), 2, b"CPU: 0\noverrun: 99\n\0"), 2, b"\nBuffer: other\n\n\0")
    (tmp_path / "s.dat").write_bytes(other)
    assert len(decode(str(tmp_path / "s.dat"), abi).losses) == 1


def test_event_probes_have_the_names_of_the_recipes(tmp_path: Path) -> None:
    fields = (("s32 fd", 8, 4, 1), ("u32 cmd", 12, 4, 0))
    formats = [("ep", formed(30, "ioctl_enter", *fields, shown='" fd=%d cmd=0x%x", REC->fd, REC->cmd'))]
    formats += [("ep", formed(31, "ioctl_exit", ("s64 ret", 8, 8, 1), shown='" ret=%Ld", REC->ret'))]
    formats += [("net", formed(32, "ioctl_exit", ("s64 ret", 8, 8, 1), shown='"ret=%Ld", REC->ret'))]  # an event that is no probe
    events = [(30, struct.pack("<iI", 3, 0xBA00)), (31, struct.pack("<q", -17)), (32, struct.pack("<q", 0))]
    found, _, _ = read(made(tmp_path / "t.dat", formats, events))
    assert [r.event for r in found] == [
        Hit("ep:ioctl_enter", "syscalls.sys_enter_ioctl", False, {"fd": 3, "cmd": 0xBA00}),
        Hit("ep:ioctl_exit", "syscalls.sys_exit_ioctl", False, {"ret": -17}),
    ]


@pytest.mark.parametrize(("machine", "number", "note"), [("x86_64", 16, False), ("aarch64", 29, False), ("s390x", 16, True)])
def test_numbers_of_system_calls_are_those_of_the_machine(machine: str, number: int, note: bool, abi: Abi, tmp_path: Path) -> None:
    formats = [
        ("raw_syscalls", formed(40, "sys_enter", ("long id", 8, 8, 1), ("unsigned long args[6]", 16, 48, 0))),
        ("raw_syscalls", formed(41, "sys_exit", ("long id", 8, 8, 1), ("long ret", 16, 8, 1))),
    ]
    events = [
        (40, struct.pack("<q6Q", number, 3, 0xBA00, 1, 2, 3, 4)),
        (41, struct.pack("<qq", number, -16)),
        (41, struct.pack("<qq", 9999, 0)),
    ]
    path = made(tmp_path / "t.dat", formats, events, Style(machine=machine))
    assert [r.event for r in read(path)[0]] == [Enter("ioctl", (3, 0xBA00, 1, 2, 3, 4), "raw"), Exit("ioctl", -16, "raw")]
    assert ("LUO711" in codes(decode(str(path), abi))) is note


def test_events_without_a_format_are_counted(abi: Abi, tmp_path: Path) -> None:
    path = made(
        tmp_path / "t.dat",
        [("x", b"no format"), ("x", formed(50, "some", ("int a", 8, 4, 1)))],
        [(50, b"abcd"), (51, b""), (51, b"")],
    )
    recording = decode(str(path), abi)
    assert recording.events == 3
    assert "2 events are of kinds that the file does not describe" in [note.text for note in recording.notes]


# ---- the same event in two buffers ------------------------------------------------------------------------------------


def test_an_event_in_two_buffers_happened_once(abi: Abi, tmp_path: Path) -> None:
    """The second buffer is the first one once more, under another name."""
    data = written(
        tmp_path / "t.dat", [*ioctl(10), *ioctl(50, result=-16), Record(0, 70, 7, None, 0, Ended(7, True))], Style(7)
    ).read_bytes()
    place = data.index(struct.pack("<HI", 3, 8 + 1 + 6 + 8 + 20), options_of(data)) + 6
    both = with_option(data, 3, data[place : place + 8] + b"two\0" + data[place + 9 : place + 43])
    (tmp_path / "two.dat").write_bytes(both)
    recording = decode(str(tmp_path / "two.dat"), abi)
    assert recording.events == 10
    assert [(c.kind, c.result) for c in recording.calls] == [(Kind.IOCTL, 0), (Kind.IOCTL, -16), (Kind.EXIT, None)]


def test_buffers_with_different_clocks_have_no_order(abi: Abi, tmp_path: Path) -> None:
    data = written(tmp_path / "t.dat", ioctl(10)).read_bytes()
    place = data.index(struct.pack("<HI", 3, 8 + 1 + 6 + 8 + 20), options_of(data)) + 6
    both = with_option(data, 3, data[place : place + 8] + b"two\0boot\0" + data[place + 15 : place + 43])
    (tmp_path / "two.dat").write_bytes(both)
    recording = decode(str(tmp_path / "two.dat"), abi)
    assert [(loss.line, loss.reason[:33]) for loss in recording.losses] == [(1, "its buffers have different clocks")]
    assert "boot and local" in next(note.text for note in recording.notes if note.code == "LUO716")


# ---- probes that the writer makes -----------------------------------------------------------------------------------

PROBES = [
    Hit(
        "one:ioctl",
        "luo_ioctl",
        True,
        {"dfd": 3, "cmd": 0xBA00, "size": 72, "fd": -1, "name": b'a "b"\xff', "ret": -22},
        "vfs_ioctl",
    ),
    Hit("kp:p_ioctl", "luo_ioctl", False, {"cmd": 0xBA00, "name": None}),
    Hit("ep:ioctl_enter", "syscalls.sys_enter_ioctl", False, {"fd": 3, "cmd": 0xC018BA40, "token": (1 << 64) - 1}),
]


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("probe", PROBES, ids=lambda hit: hit.name)
def test_a_probe_survives(probe: Hit, style: Style, tmp_path: Path) -> None:
    records, tally, damage = read(written(tmp_path / "t.dat", [Record(0, 1000, 7, None, 0, probe)], style))
    assert [(r.thread, r.event) for r in records] == [(7, probe)]
    assert damage is None and not tally.notes[1:]


def test_probes_of_one_name_in_two_groups_have_their_own_fields(tmp_path: Path) -> None:
    hits = [
        Hit("one:ioctl", "luo_ioctl", True, {"dfd": 3}, "f"),
        Hit("sc:ioctl", "__x64_sys_ioctl", True, {"fd": 3, "cmd": 0xBA00}, "f"),
    ]
    records, _, _ = read(written(tmp_path / "t.dat", [Record(0, 1000 + n, 7, None, 0, hit) for n, hit in enumerate(hits)]))
    assert [r.event for r in records] == hits


@pytest.mark.parametrize(
    "fields", [{"fd": None}, {"fd": 1 << 31}, {"token": -1}, {"name": b"a\0b"}, {"name": 3}], ids=lambda fields: str(fields)
)
def test_what_a_probe_cannot_have_is_refused(fields: dict[str, int | bytes | None], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="field"):
        written(tmp_path / "t.dat", [Record(0, 1000, 7, None, 0, Hit("one:ioctl", "luo_ioctl", True, fields, "f"))])
