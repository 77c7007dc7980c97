"""JSON Lines of records: nothing is lost on the way there and back, and a line with a wrong field is left out and told."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import luocheck.report
from luocheck.model.abi import Abi
from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Recording
from luocheck.traces.convert import convert
from luocheck.traces.decode import decode
from luocheck.traces.formats.jsonl import read_jsonl, write_jsonl
from luocheck.traces.records import Ended, Enter, Event, Executed, Exit, Forked, Gap, Hit, Marker, Other, Record, Tally
from luocheck.traces.source import open_capture

CAPTURES = Path(__file__).parent / "captures"
SCHEMA = json.loads((Path(luocheck.report.__file__).parent / "schemas" / "records.schema.json").read_text())
HEADER = '{"luocheck": 1, "clock": "ns"}\n'

EVENTS: list[Event] = [
    Enter("ioctl", (3, 0xBA00, (1 << 64) - 1), "syscalls"),
    Enter("openat", (1,), "strace", b"/dev/\xff\n", (None, b"/tmp"), {"size": 72, "name": b"vm", "token": None}),
    Enter("ioctl", (), "bpftrace", struct=b"\x10\0\0\0"),
    Exit("ioctl", -17, "raw"),
    Exit(None, 3, "syscalls", b"/dev/liveupdate", {"fd": 3}),
    Exit("ioctl", 0, "bpftrace", None, b""),
    Hit("ioctl", "luo_ioctl", True, {"cmd": 1, "name": b'"\\', "token": None}, "f"),
    Hit("p", "f", False, {}),
    Forked(None, 8),
    Forked(3, 8),
    Executed(),
    Ended(8, True),
    Ended(8, None),
    Marker(b"two\nlines"),
    Other("sched_switch"),
    Gap(None, "lost", True),
    Gap(7, "lost"),
]


def read(path: Path, tally: Tally) -> list[Record]:
    return list(read_jsonl(open_capture(str(path)), "jsonl", tally))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_survives(event: Event, tmp_path: Path) -> None:
    lines = list(write_jsonl([Record(7, 5, 4, None, 1, event), Record(9, None, None, 2, None, event)], Tally(), "test"))
    for line in lines:
        jsonschema.validate(json.loads(line), SCHEMA)
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\n".join(lines))
    tally = Tally()
    assert read(path, tally) == [Record(2, 5, 4, None, 1, event), Record(3, None, None, 2, None, event)]
    assert not tally.notes and tally.events == (0 if isinstance(event, Gap) else 2) and not tally.integer_clock


HIDDEN = {"bin.trace.txt.gz", "hex.trace.txt.gz", "nocontext.trace.txt.gz", "raw.trace.txt.gz"}  # options that hide what is needed
ALL = sorted(
    path
    for path in CAPTURES.rglob("*.txt.gz")
    if path.stat().st_size < 30_000 and not (path.parent.name == "format-variants" and path.name in HIDDEN)
)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[] if path.stat().st_size < 4000 else [pytest.mark.nightly]) for path in ALL],
    ids=[f"{path.parent.name}/{path.name}" for path in ALL],
)
def test_the_calls_of_a_capture_survive(
    path: Path,
    abi: Abi,
    tmp_path: Path,
    calls_without_lines: Callable[[Recording], object],
) -> None:
    original = decode(str(path), abi)
    made = convert([open_capture(str(path))], "jsonl")
    assert made.undecodable == original.undecodable
    file = tmp_path / "t.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in made.lines))
    again = decode(str(file), abi)
    assert again.format == "jsonl"
    assert calls_without_lines(again) == calls_without_lines(original)
    assert (again.observes, again.truncated_start, again.tables_unsure) == (
        original.observes,
        original.truncated_start,
        original.tables_unsure,
    )
    assert [(loss.count, loss.reason) for loss in again.losses] == [(loss.count, loss.reason) for loss in original.losses]
    assert {note.code for note in original.notes} <= {note.code for note in again.notes}


def test_fields_that_are_not_known_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(HEADER.replace("}", ', "host": "a"}') + '{"event": "executed", "thread": 3, "colour": [1], "time": 4}\n\n')
    tally = Tally()
    assert read(path, tally) == [Record(2, 4, 3, None, None, Executed())]
    assert not tally.notes and not tally.unread_count


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "it is no JSON"),
        ("[" * 5000, "it is no JSON"),
        ("[]", "it is no JSON object"),
        ('{"event": "executed", "time": NaN}', "it is no JSON"),
        ('{"event": "executed", "time": 1.5}', '"time" is no whole number of 64 bits from 0 on'),
        ('{"event": "executed", "time": -1}', '"time" is no whole number of 64 bits from 0 on'),
        ('{"event": "executed", "thread": true}', '"thread" is no whole number of 64 bits from 0 on'),
        ('{"event": "executed", "thread": 1' + "0" * 30 + "}", '"thread" is no whole number of 64 bits from 0 on'),
        ('{"event": "executed", "thread": 1' + "0" * 5000 + "}", "it is no JSON"),
        ('{"event": "enter"}', '"syscall" is no text of 1 to 200 characters'),
        ('{"event": "enter", "syscall": "ioctl", "arguments": [1, "2"]}', '"arguments" is no whole number of 64 bits'),
        ('{"event": "enter", "syscall": "ioctl", "arguments": [1,2,3,4,5,6,7]}', '"arguments" is no list of up to six numbers'),
        ('{"event": "enter", "syscall": "ioctl", "links": {}}', '"links" is no list of up to six texts'),
        ('{"event": "enter", "syscall": "ioctl", "links": [4]}', '"links" is no text'),
        ('{"event": "enter", "syscall": "ioctl", "memory": "0g"}', '"memory" has a "hex" that is not hexadecimal'),
        ('{"event": "enter", "syscall": "ioctl", "struct": [1]}', '"struct" is no object of values'),
        ('{"event": "exit", "syscall": "ioctl"}', '"result" is no whole number of 64 bits'),
        (
            '{"event": "hit", "name": "a", "function": "f", "fields": {"x": []}}',
            '"x" is no number of 64 bits, text or {"hex": ".."}',
        ),
        (
            '{"event": "marker", "text": "\\ud800"}',
            '"text" has half of a surrogate pair; bytes that are no UTF-8 are {"hex": ".."}',
        ),
        ('{"event": "ended", "task": 4, "last": 1}', '"last" is neither true nor false'),
        ('{"event": "born"}', '"event" is no kind of event'),
        ("{}", '"event" is no kind of event'),
    ],
)
def test_a_wrong_line_is_left_out_and_told(line: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(HEADER + line + '\n{"event": "executed"}\n')
    tally = Tally()
    assert [record.line for record in read(path, tally)] == [3]
    assert [(note.code, note.line, note.text) for note in tally.notes] == [("LUO706", 2, f"this line is left out: {why}")]
    assert tally.unread_count == 1


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"luocheck": "1"}', '{"luocheck": 2}', '{"luocheck": 1, "clock": "s"}'])
def test_a_header_that_is_none(line: str, tmp_path: Path, abi: Abi) -> None:
    path = tmp_path / "t"
    path.write_text(line + '\n{"event": "executed"}\n')
    with pytest.raises(SpecError) as caught:
        decode(str(path), abi, format="jsonl")
    assert caught.value.diagnostics[0].code == "LUO700"


def test_a_counter_is_no_clock(tmp_path: Path, abi: Abi) -> None:
    path = tmp_path / "t"
    path.write_text(HEADER.replace("ns", "counter") + '{"event": "executed", "time": 4, "thread": 3}\n')
    assert "LUO710" in {note.code for note in decode(str(path), abi).notes}


EXAMPLE: list[dict[str, Any]] = [
    {"luocheck": 1, "clock": "ns"},
    {"time": 1000, "thread": 7, "event": "enter", "syscall": "openat", "arguments": [-100], "path": "/dev/liveupdate"},
    {"time": 2000, "thread": 7, "event": "exit", "syscall": "openat", "result": 3},
    {
        "time": 3000,
        "thread": 7,
        "event": "enter",
        "syscall": "ioctl",
        "arguments": [3, 0xBA00],
        "struct": {"size": 72, "name": "vm"},
    },
    {"time": 4000, "thread": 7, "event": "exit", "syscall": "ioctl", "result": 0, "struct": {"fd": 4}},
    {
        "time": 5000,
        "thread": 7,
        "event": "enter",
        "syscall": "ioctl",
        "arguments": [4, 0xBA40],
        "memory": "100000000500000034120000" + "00" * 4,
    },
    {"time": 6000, "thread": 7, "event": "exit", "syscall": "ioctl", "result": 0},
]


def test_structs_by_names_and_as_bytes(tmp_path: Path, abi: Abi) -> None:
    path = tmp_path / "t"
    path.write_text("\n".join(map(json.dumps, EXAMPLE)))
    opened, create, preserve = decode(str(path), abi).calls
    assert (opened.event, opened.fd) == ("OPEN", 3)
    assert (create.event, create.given, create.got) == ("CREATE_SESSION", {"size": 72, "name": b"vm"}, {"fd": 4})
    assert (preserve.event, preserve.given) == ("PRESERVE_FD", {"size": 16, "fd": 5, "token": 0x1234})
    assert preserve.on == create.files["fd"]


def test_a_string_that_was_not_read_to_its_end_says_nothing(tmp_path: Path, abi: Abi) -> None:
    path = tmp_path / "t"
    cut = {**EXAMPLE[3], "memory": "48000000" + "00" * 4 + b"vm".hex()}
    del cut["struct"]
    path.write_text("\n".join(map(json.dumps, [*EXAMPLE[:3], cut, EXAMPLE[4]])))
    assert decode(str(path), abi).calls[1].given == {"size": 72}


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "jsonl.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    for line in example.splitlines():
        jsonschema.validate(json.loads(line), SCHEMA)
    path = tmp_path / "t"
    path.write_text(example)
    answer = audit(load("linux_7_3"), str(path))
    assert (answer.verdict, answer.calls, answer.explained) == (Conformance.CONFORMS, 2, 2)
    kinds = set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE))
    assert kinds - {"event"} == {name for name in SCHEMA["$defs"] if "event" in SCHEMA["$defs"][name].get("properties", {})}
