"""Lines of our own bpftrace script.  The samples here are written by hand after the script: no kernel printed them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from luocheck.model.spec import load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Kind, Recording
from luocheck.traces.formats.bpftrace_text import WINDOW, read_bpftrace
from luocheck.traces.records import Gap, Record, Tally
from luocheck.traces.source import open_capture

Decoded = Callable[..., Recording]


def memory(size: int, fd: int, tail: bytes) -> str:
    data = size.to_bytes(4, "little") + fd.to_bytes(4, "little", signed=True) + tail
    return "".join(f"\\x{byte:02x}" for byte in data)


NAME = b"vm-\xff".ljust(64, b"\0")
TOKEN = (0x1234).to_bytes(8, "little")
LINES = [
    "luo1 O 1000 0 7 7 1",
    "luo1 X 2000 0 7 7 openat - 3",
    f"luo1 E 3000 0 7 7 ioctl {memory(72, 0, NAME)} 3 47616 140725899624448",
    f"luo1 X 4000 1 7 7 ioctl {memory(72, 4, NAME)} 0",
    "luo1 E 5000 1 7 7 memfd_create -",
    "luo1 X 6000 1 7 7 memfd_create - 5",
    f"luo1 E 7000 1 7 7 ioctl {memory(16, 5, TOKEN)} 4 47680 140725899624448",
    f"luo1 X 8000 1 7 7 ioctl {memory(16, 5, TOKEN)} 0",
    "luo1 F 8500 1 7 7 9",
    "luo1 E 9000 0 9 9 close - 4",
    "luo1 X 9100 0 9 9 close - 0",
    "luo1 P 9200 0 9 9",
    "luo1 E 9300 0 7 7 ioctl  4 47683 0",
    "luo1 X 9400 0 7 7 ioctl  -14",
    "luo1 D 9500 0 7 7",
]
PLAIN = "Attaching 20 probes...\n" + "\n".join(LINES) + "\n"
AS_JSON = '{"type": "attached_probes", "data": {"probes": 20}}\n' + "".join(
    json.dumps({"type": "printf", "data": line + "\n"}) + "\n" for line in LINES
)


@pytest.mark.parametrize("text", [PLAIN, AS_JSON])
def test_calls_with_their_structs(text: str, decoded: Decoded) -> None:
    recording = decoded(text)
    assert recording.format == "bpftrace" and not recording.losses
    assert not [note for note in recording.notes if note.code == "LUO706"]
    opened, create, preserve, forked, _, refused, _ = recording.calls
    assert (opened.event, opened.fd, opened.enter.time) == ("OPEN", 3, 1000)
    assert (create.given, create.got) == ({"size": 72, "name": b"vm-\xff"}, {"fd": 4})
    assert (preserve.on, preserve.given) == (create.files["fd"], {"size": 16, "fd": 5, "token": 0x1234})
    assert preserve.files["fd"].target == "File"
    assert (forked.kind, forked.process, forked.parent) == (Kind.FORK, 9, 7)
    assert (refused.event, refused.result, refused.given) == ("GET_NAME", -14, {})


def test_it_conforms(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(PLAIN)
    assert audit(load("linux_7_3"), str(path)).verdict is Conformance.CONFORMS


def test_a_wrong_result_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text(PLAIN.replace(f"{memory(72, 4, NAME)} 0", f"{memory(72, 4, NAME)} -2"))
    answer = audit(load("linux_7_3"), str(path))
    assert (answer.verdict, answer.findings[0].line) == (Conformance.VIOLATED, 5)


def test_lines_are_sorted_by_their_times(decoded: Decoded) -> None:
    mixed = [LINES[0], *LINES[2:8:2], LINES[1], *LINES[3:8:2], *LINES[8:]]
    recording = decoded("\n".join(mixed))
    assert [call.event for call in recording.calls] == [call.event for call in decoded("\n".join(LINES)).calls]
    assert [call.enter.line for call in recording.calls] == [call.enter.line for call in decoded("\n".join(LINES)).calls]
    assert [note.text for note in recording.notes if "order of their times" in note.text]


@pytest.mark.parametrize("lost", ["Lost 5 events", "WARNING: Lost 5 events", '{"type": "lost_events", "data": {"events": 5}}'])
def test_lost_events(lost: str, decoded: Decoded) -> None:
    recording = decoded("\n".join([*LINES[:4], lost, *LINES[4:]]))
    assert [(loss.line, loss.count) for loss in recording.losses] == [(5, 5)]


def test_nothing_is_moved_over_lost_events(tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_text("\n".join([*LINES[2:4], "Lost 5 events", *LINES[:2]]))
    events = [type(r.event).__name__ for r in read_bpftrace(open_capture(str(path)), "bpftrace", Tally())]
    assert events == ["Enter", "Exit", "Gap", "Enter", "Exit"]


@pytest.mark.parametrize(
    "line",
    [
        "luo1 E 1 0 7 7 ioctl \\x0 4 47682 0",
        "luo1 E 1 0 7 7 ioctl - " + "1" * 30,
        "luo1 X 1 0 7 7 ioctl -",
        "luo1 O 1 0 7 7 2",
        "luo1 F 1 0 7 7 x",
        "luo1 D 1 0 7 7 x",
        "luo1 E 1 0 7",
        '{"type": "printf", "data": 5}',
        '{"type": "printf", "data": ' + "[" * 5000,
        '{"type": "lost_events", "data": {"events": -1}}',
    ],
)
def test_a_line_without_the_form_is_told(line: str, decoded: Decoded) -> None:
    recording = decoded("\n".join([*LINES, line]))
    assert len(recording.calls) == 7
    assert [note.line for note in recording.notes if note.code == "LUO706"] == [len(LINES) + 1]


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """At most a window of records is held back."""
    path = tmp_path / "t"
    path.write_text("".join(f"luo1 D {time} 0 7 7\n" for time in range(WINDOW + 2)))
    capture, tally = open_capture(str(path)), Tally()
    reader = read_bpftrace(capture, "bpftrace", tally)
    first = next(reader)
    assert isinstance(first, Record) and not isinstance(first.event, Gap)
    assert (first.line, tally.lines) == (1, WINDOW + 1)
    capture.close()


@pytest.mark.tools
@pytest.mark.skipif(shutil.which("bpftrace") is None, reason="needs bpftrace")
def test_the_script_is_one_that_bpftrace_takes() -> None:
    """A dry run: it is parsed, checked against the tracepoints of this kernel and compiled, and nothing is attached."""
    script = files("luocheck.traces.recorders") / "luo.bt"
    done = subprocess.run(["bpftrace", "-d", str(script)], capture_output=True, text=True)
    if "tracepoint not found" in done.stderr or "root user" in done.stderr:
        pytest.skip("the tracepoints of this machine cannot be read")
    assert done.returncode == 0 and "AST after: Semantic" in done.stdout


def test_every_line_that_the_script_prints_is_read(decoded: Decoded) -> None:
    """Each `printf` of the script, with values in the place of its conversions."""
    script = (files("luocheck.traces.recorders") / "luo.bt").read_text()
    formats = re.findall(r'printf\("(luo1 [^"]*)\\n"', script)
    assert len(formats) == 19
    values = {"%llu": "9", "%lld": "-1", "%u": "9", "%rx%rx": "\\x10\\x00\\x00\\x00", "%d": "1"}
    lines = []
    for each in formats:
        for conversion, value in values.items():
            each = each.replace(conversion, value)
        lines.append(each)
    recording = decoded("\n".join(lines))
    assert recording.events == len(lines) and not [note for note in recording.notes if note.code == "LUO706"]
