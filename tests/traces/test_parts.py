"""The files of `strace -ff`: one recording when they are there together, and one task's calls when one of them is alone.

The sets of files are made of recordings of a real kernel in one file (`captures/strace`), the lines of each task in a file of its own, as
strace writes them there.
"""

from __future__ import annotations

import gzip
import itertools
import json
import os
import re
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path

import pytest

import luocheck
from luocheck import auditing
from luocheck.cli import options
from luocheck.cli.main import main
from luocheck.model.abi import Abi
from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import load
from luocheck.traces import source
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.decode import decode, read
from luocheck.traces.folders import Place, Skipped, places
from luocheck.traces.parts import Captured, Parts, gathered
from luocheck.traces.records import Ended

ROOT = Path(__file__).parents[2]
CAPTURES = Path(__file__).parent / "captures" / "strace"
SPEC = "linux_7_3"
_LINE = re.compile(r"(\d+) +(\S+) (.*)")
loaded = cache(load)
CallsWithoutLines = Callable[[Recording], list[Call]]


def split(recording: str, folder: Path) -> list[str]:
    """A recording of `strace -f` as the files of `strace -ff -o log`; the halves of a call become one line."""
    halves: dict[str, tuple[str, str]] = {}
    lines: dict[str, list[str]] = {}
    for line in gzip.decompress((CAPTURES / f"{recording}.strace.txt.gz").read_bytes()).decode().splitlines():
        match = _LINE.fullmatch(line)
        assert match is not None
        task, time, body = match.groups()
        if body.endswith("<unfinished ...>"):
            halves[task] = time, body.removesuffix("<unfinished ...>").rstrip(" ")
            continue
        resumed = re.fullmatch(r"<\.\.\. \w+ resumed>(.*)", body)
        if resumed is not None:
            time, first = halves.pop(task)
            body = first + resumed[1]
        lines.setdefault(task, []).append(f"{time} {body}\n")
    for task, (time, first) in halves.items():
        lines[task].append(f"{time} {first} <unfinished ...>\n")
    folder.mkdir(exist_ok=True)
    for task, written in lines.items():
        (folder / f"log.{task}").write_text("".join(written))
    return [str(folder / f"log.{task}") for task in sorted(lines, key=int)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec is read once."""
    monkeypatch.setattr(options, "load", loaded)


def changed(path: str, old: str, new: str) -> None:
    text = Path(path).read_text()
    assert text.count(old) == 1
    Path(path).write_text(text.replace(old, new))


@pytest.fixture
def forked(tmp_path: Path) -> list[str]:
    return split("forked", tmp_path / "forked")


@pytest.fixture
def violated(forked: list[str]) -> list[str]:
    """The child opens the device that its parent has open."""
    changed(forked[1], "openat(AT_FDCWD</>, \"/dev/liveupdate\", O_RDWR) = -1 EBUSY (Device or resource busy)",
            "openat(AT_FDCWD</>, \"/dev/liveupdate\", O_RDWR) = 9</dev/liveupdate>")  # fmt: skip
    return forked


def untimed(calls: list[Call]) -> list[Call]:
    return [replace(call, exit=call.exit and replace(call.exit, time=None)) for call in calls]


# ---- together they are one recording ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["forked", "broker", "conc", "killed", "errors_default"])
def test_the_calls_are_those_of_the_recording_in_one_file(
    name: str, tmp_path: Path, abi: Abi, calls_without_lines: CallsWithoutLines
) -> None:
    (files,) = gathered(split(name, tmp_path))
    merged = decode(files, abi, threads_share=True)
    one = decode(str(CAPTURES / f"{name}.strace.txt.gz"), abi, threads_share=True)
    # In one file the second half of a call has a time of its own, a little later than what -T says.
    assert untimed(calls_without_lines(merged)) == untimed(calls_without_lines(one))
    assert merged.observes == one.observes and merged.events == one.events and not merged.is_partial


def test_audit_calls_and_convert_agree(violated: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], abi: Abi) -> None:
    """Also in the numbers of lines: those of the file that `convert` makes."""
    whole = tmp_path / "all.jsonl"
    assert main(["convert", *violated, "-o", str(whole)]) == 0
    assert main(["audit", SPEC, *violated, "--json"]) == 1
    merged = json.loads(capsys.readouterr().out)
    assert main(["audit", SPEC, str(whole), "--json"]) == 1
    one = json.loads(capsys.readouterr().out)
    (found,), (same,) = merged["findings"], one["findings"]
    assert found.pop("origins") == [
        {"file": violated[0], "line": 7},
        {"file": violated[1], "line": 3},
        {"file": violated[1], "line": 3},
    ]
    assert found.pop("file") == merged["capture"] and same.pop("file") == str(whole) and same.pop("origins") == []
    assert found == same
    assert main(["calls", SPEC, *violated, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert main(["calls", SPEC, str(whole), "--json"]) == 0
    assert listed["calls"] == json.loads(capsys.readouterr().out)["calls"]


def test_a_finding_tells_its_place_in_the_file_of_the_task(
    violated: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "out.sarif"
    assert main(["audit", SPEC, *violated, "--report", f"sarif:{report}"]) == 1
    out = capsys.readouterr().out
    assert f"--> {violated[1]}:3 (line 33 of " in out and "(log.74:7)" in out
    (result,) = json.loads(report.read_text())["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].endswith("log.75") and place["region"]["startLine"] == 3
    lines = [each["physicalLocation"]["region"]["startLine"] for each in result["relatedLocations"]]
    assert lines == [7, 3, 3]


def test_a_note_tells_its_place_too(tmp_path: Path, abi: Abi) -> None:
    files = split("forked", tmp_path)
    changed(files[1], "= -1 EBUSY (Device or resource busy) <0.002639>", "= 0 (INJECTED) <0.002639>")
    with open(files[0], "a") as file:
        file.write("no event\n")
    notes = {note.text for note in decode(gathered(files)[0], abi).notes if note.code in ("LUO706", "LUO721")}
    assert any(text.startswith("log.75:3: results that strace made up") for text in notes)
    assert any(text.startswith("log.74:18: 1 lines are no events") for text in notes)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_order_of_the_names_does_not_matter(order: tuple[int, int], forked: list[str], abi: Abi) -> None:
    (files,) = gathered([forked[each] for each in order])
    assert isinstance(files, Parts) and files.paths == tuple(forked)
    assert [call.kind for call in decode(files, abi).calls].count(Kind.EXIT) == 2


def test_what_they_have_in_common_stands_for_all(forked: list[str], abi: Abi, capsys: pytest.CaptureFixture[str]) -> None:
    prefix = forked[0].removesuffix(".74")
    assert gathered([prefix]) == gathered(forked)
    assert main(["audit", SPEC, prefix]) == 0
    assert "2 files, merged by time" in " ".join(capsys.readouterr().out.split())
    assert luocheck.audit(loaded(SPEC), prefix).verdict is Conformance.CONFORMS
    Path(prefix).write_text("")  # a file of that name is that file
    assert gathered([prefix]) == [prefix]


def test_the_page_shows_what_the_command_prints(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    ((argv, printed),) = re.findall(
        r"```sh\nluocheck (audit .*?)\n```\n\n```\n(.*?)```", (ROOT / "docs" / "strace.md").read_text(), re.DOTALL
    )
    assert main(argv.split()) == 0
    assert capsys.readouterr().out == printed


def test_the_files_of_the_example_are_those_of_a_real_recording(forked: list[str]) -> None:
    for path in forked:
        assert Path(path).read_text() == (ROOT / "docs" / "examples" / "strace-ff" / Path(path).name).read_text()


def test_packed_and_empty_files_belong_to_them(forked: list[str], abi: Abi) -> None:
    packed = Path(forked[1] + ".gz")
    packed.write_bytes(gzip.compress(Path(forked[1]).read_bytes()))
    Path(forked[1]).unlink()
    empty = Path(forked[0]).with_name("log.76")
    empty.write_bytes(b"")
    (files,) = gathered([forked[0], str(packed), str(empty)])
    recording = decode(files, abi)
    assert recording.parts == (forked[0], str(packed), str(empty)) and recording.format == "strace"
    assert len(recording.calls) == 14 and not recording.is_partial


@pytest.mark.parametrize(
    "others",
    [
        {"log.1": "7 close(3) = 0\n", "log.2": "8 close(3) = 0\n"},  # files of -f, rotated
        {"log.1": "[pid     7] close(3) = 0\n", "log.2": "[pid     8] close(3) = 0\n"},
        {"log.1": "one\n", "log.2": "two\n"},
        {"log.1": "", "log.2": ""},
        {"log.20261126": "1.0 close(3) = 0\n", "log.20261127": "1.0 close(3) = 0\n"},
        {"a.1": "1.0 close(3) = 0\n", "b.1": "1.0 close(3) = 0\n"},
        {"log.1": "1.0 close(3) = 0\n", "log.txt": "1.0 close(3) = 0\n"},
        {"log.1": "1.0 close(3) = 0\n", "log.2": "7 close(3) = 0\n"},
    ],
)
def test_other_files_are_no_parts(others: dict[str, str], tmp_path: Path) -> None:
    for name, text in others.items():
        (tmp_path / name).write_text(text)
    names = [str(tmp_path / name) for name in others]
    assert gathered(names) == names


def test_names_that_stand_for_nothing_else(tmp_path: Path) -> None:
    names = ["-", "", str(tmp_path), str(tmp_path / "absent"), str(tmp_path / "absent.1"), "a\0b", str(tmp_path) + "/"]
    assert gathered(names) == names


def test_a_process_ends_with_its_last_thread_whatever_file_that_is_in(tmp_path: Path, abi: Abi) -> None:
    first = (
        '1795463790.100000 execve("/x", [], 0) = 0 <0.01>\n'
        "1795463790.200000 clone3({flags=CLONE_FILES|CLONE_THREAD}, 88) = 8 <0.01>\n"
        "1795463790.300000 +++ exited with 0 +++\n"
    )
    second = (
        '1795463790.250000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3</dev/liveupdate> <0.01>\n'
        "1795463790.400000 +++ exited with 0 +++\n"
    )
    (tmp_path / "log.7").write_text(first)
    (tmp_path / "log.8").write_text(second)
    (files,) = gathered([str(tmp_path / "log.7"), str(tmp_path / "log.8")])
    assert [r.event for r in read(files, abi).records if isinstance(r.event, Ended)] == [Ended(7, False), Ended(8, True)]
    assert [(call.kind, call.process) for call in decode(files, abi).calls] == [(Kind.OPEN, 7), (Kind.EXIT, 7)]


THREADS = {
    7: """\
1795463790.100000 execve("/x", [], 0) = 0
1795463790.200000 clone3({flags=CLONE_FILES|CLONE_THREAD}, 88) = 8
1795463790.300000 clone3({flags=CLONE_FILES|CLONE_THREAD}, 88) = 9
1795463796.000000 +++ exited with 0 +++
""",
    8: """\
1795463791.000000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3
1795463795.000000 close(3) = 0
1795463796.000000 +++ exited with 0 +++
""",
    9: """\
1795463792.000000 ioctl(3, 0xba00, 0x7f) = 0
1795463793.000000 ioctl(3, 0xba00, 0x7f) = -1 EEXIST (File exists)
1795463795.500000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3
1795463795.600000 close(3) = 0
1795463796.000000 +++ exited with 0 +++
""",
}
"""Threads that share descriptors, without -T."""


def written(files: dict[int, str], folder: Path) -> str:
    for task, text in files.items():
        (folder / f"log.{task}").write_text(text)
    return str(folder / "log")


def shown(recording: Recording) -> list[tuple[Kind, int, int | None, int | None]]:
    return [(call.kind, call.thread, call.result, None if call.on is None else call.on.number) for call in recording.calls]


def test_a_descriptor_was_returned_before_another_thread_used_it(tmp_path: Path, abi: Abi) -> None:
    prefix = written(THREADS, tmp_path)
    assert shown(decode(prefix, abi)) == [
        (Kind.OPEN, 8, 3, 0), (Kind.IOCTL, 9, 0, 0), (Kind.IOCTL, 9, -17, 0),
        (Kind.CLOSE, 8, 0, 0), (Kind.OPEN, 9, 3, 1), (Kind.CLOSE, 9, 0, 1), (Kind.EXIT, 9, None, None),
    ]  # fmt: skip
    assert audit(loaded(SPEC), prefix).verdict is Conformance.CONFORMS


def test_it_can_have_returned_late_when_nobody_used_it(tmp_path: Path, abi: Abi) -> None:
    """Two opens of the device overlap as far as is known, so either can have been the first."""
    second = (
        THREADS[9]
        .replace("1795463792.000000 ioctl(3, 0xba00, 0x7f) = 0\n", "")
        .replace(
            "ioctl(3, 0xba00, 0x7f) = -1 EEXIST (File exists)",
            'openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = -1 EBUSY (Device or resource busy)',
        )
    )
    calls = decode(written({**THREADS, 9: second}, tmp_path), abi).calls
    first, other = (call for call in calls[:2])
    assert first.exit is not None and other.exit is not None
    assert (first.thread, other.thread, other.result) == (8, 9, -16) and other.enter.line < first.exit.line


def test_another_process_uses_its_own_number(tmp_path: Path, abi: Abi) -> None:
    """Which says nothing of when this one's open returned."""
    files = {
        7: """\
1795463790.100000 execve("/x", [], 0) = 0
1795463790.200000 clone(child_stack=NULL, flags=SIGCHLD) = 8
1795463792.000000 fcntl(3, F_GETFD) = -1 EBADF (Bad file descriptor)
1795463793.000000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = -1 EBUSY (Device or resource busy)
1795463796.000000 +++ exited with 0 +++
""",
        8: THREADS[8],
    }
    first, other = (call for call in decode(written(files, tmp_path), abi).calls if call.kind is Kind.OPEN)
    assert first.exit is not None and (first.process, other.process) == (8, 7) and other.enter.line < first.exit.line


def test_a_number_that_another_call_had_returned_before_is_that_one(tmp_path: Path, abi: Abi) -> None:
    """An open that has not returned gets the number that a close in the meantime makes free."""
    device = 'openat(AT_FDCWD, "/dev/liveupdate", O_RDWR)'
    files = {
        7: THREADS[7].replace("1795463790.200000 clone3", f"1795463790.150000 {device} = 3\n1795463790.200000 clone3"),
        8: f"1795463791.000000 {device} = 3\n1795463796.000000 +++ exited with 0 +++\n",
        9: "1795463792.000000 ioctl(3, 0xba00, 0x7f) = 0\n1795463793.000000 close(3) = 0\n"
        "1795463794.000000 ioctl(3, 0xba00, 0x7f) = 0\n1795463796.000000 +++ exited with 0 +++\n",
    }
    assert shown(decode(written(files, tmp_path), abi))[:5] == [
        (Kind.OPEN, 7, 3, 0), (Kind.OPEN, 8, 3, 1), (Kind.IOCTL, 9, 0, 0), (Kind.CLOSE, 9, 0, 0), (Kind.IOCTL, 9, 0, 1),
    ]  # fmt: skip


# ---- what says nothing about their order ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("close(3) = 0\n", "close(3) = 0\n", "shows no times"),
        ("1795463790.100000 close(3) = 0\n", "close(3) = 0\n", "shows no times"),
        ("     0.000000 close(3) = 0\n", "     0.000004 close(3) = 0\n", "count from the line before"),
        ("14:30:07 close(3) = 0\n", "14:30:07 close(3) = 0\n", "whole seconds"),
        ("1795463790 close(3) = 0\n", "1795463790 close(3) = 0\n", "whole seconds"),
        ("1795463790.100000 close(3) = 0\n", "14:30:07.100000 close(3) = 0\n", "the time of day, and"),
        ("23:59:59.100000 close(3) = 0\n", "00:00:01.100000 close(3) = 0\n", "more than half a day apart"),
    ],
)
def test_files_that_cannot_be_merged(first: str, second: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(tmp_path / "log.7"), str(tmp_path / "log.8")]
    for name, text in zip(names, (first, second), strict=True):
        Path(name).write_text(text)
    for command in (["audit", SPEC, *names], ["calls", SPEC, *names], ["convert", *names], ["audit", SPEC, str(tmp_path / "log")]):
        assert main(command) == 2
        told = capsys.readouterr().err
        assert "error[LUO718]" in told and why in told and "strace -ff -ttt" in told


def test_times_of_two_days(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first is recorded from ten o'clock on and makes the second, which begins at nine: on the next day."""
    prefix = written(
        {
            7: '10:00:00.000000 execve("/x", [], 0) = 0\n22:00:00.000000 close(3) = 0\n08:59:00.000000 vfork() = 8\n',
            8: "09:00:00.000000 close(3) = 0\n",
        },
        tmp_path,
    )
    assert main(["calls", SPEC, prefix]) == 2
    assert "error[LUO718]: by its times this task did something before it was made" in capsys.readouterr().err


@pytest.mark.parametrize("time", ["14:30:07.100000", "1795463790.100000", "14:30:07.100000 (+     0.000100)"])
def test_times_that_are_enough(time: str, tmp_path: Path) -> None:
    names = [str(tmp_path / "log.7"), str(tmp_path / "log.8")]
    for name in names:
        Path(name).write_text(f"{time} close(3) = 0\n")
    assert main(["convert", *names, "-o", str(tmp_path / "t")]) == 0


# ---- not all of them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alone", [0, 1])
def test_the_calls_of_one_task_decide_nothing(
    alone: int, violated: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The same calls of both tasks are violated; calls of one can have been made possible by those of the other."""
    assert audit(loaded(SPEC), gathered(violated)[0]).verdict is Conformance.VIOLATED
    assert main(["audit", SPEC, violated[alone], "--json"]) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["verdict"] == "inconclusive" and not answer["findings"] and "LUO717" in answer["reason"]
    (note,) = [each["message"] for each in answer["notes"] if each["code"] == "LUO717"]
    assert f"are in log.{75 - alone}" in note and "`log`" in note
    converted = str(tmp_path / "one.jsonl")
    assert main(["convert", violated[alone], "-o", converted]) == 0
    assert main(["audit", SPEC, converted]) == 3


def test_what_one_task_alone_cannot_have_done_is_told(violated: list[str], tmp_path: Path) -> None:
    path = tmp_path / "alone.75"
    text = re.sub(
        r"(LIVEUPDATE_IOCTL_CREATE_SESSION, \w+\)) = 0", r"\1 = -1 EXDEV (Invalid cross-device link)", Path(violated[1]).read_text()
    )
    assert "EXDEV" in text
    path.write_text(text)
    answer = audit(loaded(SPEC), str(path))
    assert answer.verdict is Conformance.INCONCLUSIVE and not answer.findings
    assert "is not allowed after the calls that are there, but other tasks can have made calls before it" in answer.reason


def test_a_task_of_which_there_is_no_file(forked: list[str], abi: Abi) -> None:
    Path(forked[1]).unlink()
    recording = decode(forked[0], abi)
    assert recording.is_partial and any("task 75, which these tasks made" in note.text for note in recording.notes)


def test_a_file_that_was_not_named(tmp_path: Path, abi: Abi) -> None:
    names = split("conc", tmp_path)
    (files,) = gathered(names[:-1])
    notes = [note.text for note in decode(files, abi).notes if note.code == "LUO717"]
    assert len(notes) == 1 and "task 89" in notes[0]
    Path(names[0]).unlink()  # the one that made all others
    (files,) = gathered(names[1:-1])
    notes = [note.text for note in decode(files, abi).notes if note.code == "LUO717"]
    assert notes == ["there are more files of this recording: log.89"]


@pytest.mark.parametrize(
    ("text", "partial"),
    [
        ('1.1 execve("/x", [], 0) = 0\n1.2 close(3) = 0\n', False),
        ('1.1 execve("/x", [], 0) = 0\n1.2 vfork() = 8\n', True),
        ('1.1 execve("/x", [], 0) = 0\n1.2 vfork() = -1 EAGAIN (Resource temporarily unavailable)\n', False),
        ("1.2 close(3) = 0\n", True),
    ],
)
def test_a_program_without_children_is_one_file(text: str, partial: bool, tmp_path: Path, abi: Abi) -> None:
    (tmp_path / "log.7").write_text(text)
    assert decode(str(tmp_path / "log.7"), abi).is_partial is partial


def test_text_cannot_say_that_tasks_are_missing(forked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", forked[1], "--to", "ftrace", "-o", str(tmp_path / "t")]) == 0
    assert "left out 1 times: that calls of other tasks are missing" in capsys.readouterr().err
    assert main(["convert", *forked, "--to", "ftrace", "-o", str(tmp_path / "t")]) == 0
    assert "other tasks" not in capsys.readouterr().err


# ---- wherever captures are named --------------------------------------------------------------------------------------


def test_a_folder_has_one_capture_of_them(forked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(forked[0]).parent
    (folder / "README").write_text("two processes")
    (folder / "other.txt").write_text(Path(forked[0]).read_text())
    found = list(places([str(folder)]))
    assert found == [
        Skipped(str(folder / "README"), "documentation"),
        Place(str(folder / "log.*"), str(folder), tuple(forked)),
        Place(str(folder / "other.txt"), str(folder)),
    ]
    assert main(["audit", SPEC, str(folder), "--json", "--jobs", "1"]) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    assert [each["capture"] for each in results] == [str(folder / "log.*"), str(folder / "other.txt")]


def test_a_worker_elsewhere_gets_all_of_them_and_the_answer_has_their_own_names(violated: list[str]) -> None:
    place = Place(violated[0].removesuffix(".74") + ".*", None, tuple(violated))
    options = {"format": None, "beginning": None, "timeout": 60.0, "max_deviations": 20, "max_bytes": 1 << 30}
    task = auditing._task(loaded(SPEC), place, tuple(violated), options, known=True)
    sent = auditing.send(task.payload)
    for path in violated:
        Path(path).unlink()
    audited = auditing.audited_of(auditing.perform(sent, lambda: None))
    assert audited.answer is not None and audited.answer.capture == place.path
    (finding,) = audited.answer.findings
    assert finding.file == place.path and finding.place == f"{violated[1]}:3"


def test_what_is_kept_is_known_by_the_content_of_all(forked: list[str]) -> None:
    place = Place("log.*", None, tuple(forked))
    before = auditing._task(loaded(SPEC), place, tuple(forked), {}, known=True).key
    assert auditing._task(loaded(SPEC), place, tuple(forked), {}, known=True).key == before
    with open(forked[1], "a") as file:
        file.write("1795466999.000000 close(3) = 0\n")
    assert auditing._task(loaded(SPEC), place, tuple(forked), {}, known=True).key != before


def test_a_witness_is_about_all_of_them(forked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    witness = str(tmp_path / "why.json")
    prefix = forked[0].removesuffix(".74")
    assert main(["audit", SPEC, *forked, "--witness", witness]) == 0
    for names in (forked, [prefix]):
        assert main(["audit", SPEC, *names, "--check-witness", witness]) == 0
    with open(forked[1], "a") as file:
        file.write("1795466999.000000 close(3) = 0\n")
    assert main(["audit", SPEC, prefix, "--check-witness", witness]) == 2
    assert "LUO732" in capsys.readouterr().err


def test_they_can_be_the_recording_of_one_of_several_kernels(forked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    prefix = forked[0].removesuffix(".74")
    main(["audit", SPEC, *forked, "--kernel-b", prefix, "--json"])
    assert json.loads(capsys.readouterr().out)["capture"] == f"{prefix}.* then {prefix}.*"


def test_they_cannot_be_followed(forked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", SPEC, *forked, "--follow"]) == 2
    assert "--follow reads one CAPTURE" in capsys.readouterr().err


def test_a_file_that_goes_away_is_an_error(forked: list[str], abi: Abi) -> None:
    (files,) = gathered(forked)
    Path(forked[1]).unlink()
    with pytest.raises(SpecError, match="cannot be read"):
        decode(files, abi)


def many(folder: Path, count: int, last: str = "0") -> Captured:
    """A task that opens the device and makes so many others, and then a session; each of the others closes its descriptor."""
    folder.mkdir()
    lines = ['1795463790.000001 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3</dev/liveupdate> <0.000001>']
    for child in range(count):
        time = 100 + 10 * child
        lines.append(f"1795463790.{time:06d} clone(child_stack=NULL, flags=SIGCHLD) = {1000 + child} <0.000002>")
        text = (
            f"1795463790.{time + 3:06d} close(3</dev/liveupdate>) = 0 <0.000001>\n1795463790.{time + 5:06d} +++ exited with 0 +++\n"
        )
        (folder / f"log.{1000 + child}").write_text(text)
    create = 'ioctl(3</dev/liveupdate>, LIVEUPDATE_IOCTL_CREATE_SESSION, {size=72, flags=0, name="vm"})'
    lines.append(f"1795463790.900000 {create} = {last} <0.000001>")
    (folder / "log.7").write_text("\n".join(lines) + "\n")
    (files,) = gathered([str(folder / "log")])
    return files


@contextmanager
def few_open_files(count: int) -> Iterator[None]:
    """So many files can be opened beside those that are open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = set(map(int, os.listdir("/proc/self/fd")))
    free = islice((number for number in itertools.count() if number not in taken), count, None)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next(free), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_more_tasks_than_a_process_may_have_open_files(tmp_path: Path, abi: Abi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where some of them are packed."""
    files = many(tmp_path / "set", 120)
    assert isinstance(files, Parts)
    packed = Path(files.paths[5])
    packed.with_name(f"{packed.name}.gz").write_bytes(gzip.compress(packed.read_bytes()))
    packed.unlink()
    (files,) = gathered([str(tmp_path / "set" / "log")])
    with few_open_files(20):
        calls = decode(files, abi).calls
        assert main(["convert", str(tmp_path / "set" / "log"), "-o", str(tmp_path / "all")]) == 0
    assert len(calls) == 242
    monkeypatch.setattr(source, "MOST_OPEN", 1_000)
    assert decode(files, abi).calls == calls
    with few_open_files(20), pytest.raises(SpecError, match="Too many open files"):
        decode(files, abi)


def test_a_long_part_is_read_to_its_end_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"1795463790.{number:06d} close(9) = -1 EBADF (Bad file descriptor)\n" for number in range(5_000))
    (tmp_path / "log.7").write_text(text)
    capture = source.open_capture(str(tmp_path / "log.7"), parked=True)
    assert "\n".join(line.decode() for _, line in capture.lines()) + "\n" == text


def test_a_fleet_says_in_which_file_of_a_set_to_look(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many(tmp_path / "set", 2, last="-1 EISDIR (Is a directory)")
    assert main(["audit", SPEC, str(tmp_path), "--summary", "--jobs", "1", "--json"]) == 1
    (group,) = json.loads(capsys.readouterr().out)["summary"]["groups"]
    place = (str(tmp_path / "set" / "log.7"), 4)
    assert (group["file"], group["line"]) == place and group["first"] == str(tmp_path / "set" / "log.*")
    assert main(["audit", SPEC, str(tmp_path), "--summary", "--jobs", "1"]) == 1
    assert "the first: {}:{}".format(*place) in " ".join(capsys.readouterr().out.split())


def test_files_of_this_machine(strace: str, tmp_path: Path, abi: Abi) -> None:
    """Processes and the files that they open: nothing is missing, until a file is."""
    script = "(exec 5</dev/null; true) & (true; true) & wait"
    subprocess.run([strace, "-ff", "-ttt", "-y", "-o", "log", "/bin/sh", "-c", script], cwd=tmp_path, check=True)
    (files,) = gathered([str(tmp_path / "log")])
    assert isinstance(files, Parts) and len(files.paths) == 3
    reading = read(files, abi)
    assert not reading.recording().is_partial
    ends = [record.event.last for record in reading.records if isinstance(record.event, Ended)]
    assert ends == [True, True, True]
    Path(files.paths[-1]).unlink()
    (files,) = gathered([str(tmp_path / "log")])
    assert decode(files, abi).is_partial
