"""One program under every display option and clock gives the same calls, or a sentence about what to turn off."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from luocheck.model.abi import Abi
from luocheck.model.diagnostics import SpecError
from luocheck.traces.call import Kind, Recording
from luocheck.traces.decode import decode

CAPTURES = Path(__file__).parent / "captures"
VARIANTS = CAPTURES / "format-variants"


def variant(name: str, abi: Abi) -> Recording:
    return decode(str(VARIANTS / f"{name}.trace.txt.gz"), abi)


def essence(recording: Recording) -> list[tuple[object, ...]]:
    """What was called, without lines, times and ids of tasks."""
    return [
        (
            c.kind,
            c.event,
            c.fd,
            c.command,
            dict(c.given),
            dict(c.got),
            sorted(c.files),
            c.on and (c.on.target, c.on.label),
            c.result,
        )
        for c in recording.calls
    ]


SAME = [
    "record-tgid", "noirq-info", "latency-format", "verbose", "fields", "hash-ptr", "clock-local", "clock-global", "clock-counter",
    "clock-uptime", "clock-perf", "clock-mono", "clock-mono_raw", "clock-boot", "clock-tai", "clock-x86-tsc", "marker",
]  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_same_calls(name: str, abi: Abi) -> None:
    default = variant("default", abi)
    assert len(default.calls) == 9
    assert essence(variant(name, abi)) == essence(default)


def test_what_the_program_did(abi: Abi) -> None:
    shown = [(c.kind.value, c.event, c.fd, c.result) for c in variant("default", abi).calls]
    assert shown == [
        ("open", "OPEN", None, 0),
        ("ioctl", "CREATE_SESSION", 3, 0),
        ("ioctl", "PRESERVE_FD", 4, 0),
        ("ioctl", "GET_NAME", 4, 0),
        ("close", "CLOSE", 4, 0),
        ("release", "CLOSE", None, None),
        ("close", "CLOSE_DEV", 3, 0),
        ("release", "CLOSE_DEV", None, None),
        ("exit", "EXIT", None, None),
    ]


@pytest.mark.parametrize(
    ("name", "option"),
    [("raw", "`raw`"), ("hex", "`hex`"), ("bin", "`bin`"), ("nocontext", "`context-info`")],
)
def test_options_that_hide_too_much_are_named(name: str, option: str, abi: Abi) -> None:
    recording = variant(name, abi)
    assert recording.undecodable is not None
    assert option in recording.undecodable
    assert [note.code for note in recording.notes] == ["LUO703"]
    assert not recording.calls


@pytest.mark.parametrize(
    ("name", "format"),
    [("default", "ftrace"), ("latency-format", "ftrace latency"), ("verbose", "ftrace verbose"), ("fields", "ftrace")],
)
def test_the_layout_is_found(name: str, format: str, abi: Abi) -> None:
    assert variant(name, abi).format == format


@pytest.mark.parametrize("name", ["clock-counter", "clock-uptime", "clock-x86-tsc"])
def test_counting_clocks_are_said_to_be_none(name: str, abi: Abi) -> None:
    assert "LUO710" in [note.code for note in variant(name, abi).notes]


def test_a_filter_on_entries_leaves_returns_of_others(abi: Abi) -> None:
    recording = variant("filter-enter-only", abi)
    assert [c.event for c in recording.calls if c.kind is Kind.IOCTL] == ["CREATE_SESSION", "PRESERVE_FD", "GET_NAME"]
    assert any("returns of ioctl have no entry" in note.text for note in recording.notes)


def test_stack_traces_are_skipped(abi: Abi) -> None:
    recording = variant("stacktrace", abi)
    assert [c.event for c in recording.calls if c.kind is Kind.IOCTL] == ["PRESERVE_FD", "GET_NAME"]
    assert not [note for note in recording.notes if note.code == "LUO706"]


def test_a_recording_without_calls_says_what_is_in_it(abi: Abi) -> None:
    recording = variant("synthetic", abi)
    assert not recording.calls
    assert [note.code for note in recording.notes] == ["LUO702"]
    assert "luo_call" in recording.notes[0].text


def test_events_of_unknown_type_are_reported(abi: Abi) -> None:
    recording = decode(str(CAPTURES / "kexec-happy" / "persist.stage2.before-define.txt.gz"), abi)
    assert any("unknown type" in note.text and "define" in note.text for note in recording.notes)
    again = decode(str(CAPTURES / "kexec-happy" / "persist.stage2.after-define.txt.gz"), abi)
    assert [c.event for c in again.calls if c.kind is Kind.REBOOT] == ["REBOOT"]


def test_losses_of_a_pipe_are_barriers(abi: Abi) -> None:
    recording = decode(str(CAPTURES / "noisy-lost-events" / "noisy.sys.trace_pipe.txt.gz"), abi)
    assert (recording.losses[0].line, recording.losses[0].count) == (1, 173)
    assert len(recording.losses) > 3
    assert "LUO704" in [note.code for note in recording.notes]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x17\x08\x44tracing6\0", "trace.dat"),
        (b"PERFILE2" + b"\0" * 100, "perf.data"),
        (b"just some text\nand more of it\n", "no line of it"),
    ],
)
def test_other_formats_are_refused_with_a_guess(data: bytes, what: str, abi: Abi, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(data)
    with pytest.raises(SpecError, match=what):
        decode(str(path), abi)


# ---- text that went through other hands -----------------------------------------------------------------------------


def indented(text: bytes) -> bytes:
    return b"\n".join(b"\t" + b" ".join(line.split()) if line.startswith(b" ") else line for line in text.split(b"\n"))


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "quoted": lambda text: b"".join(b"> " + line + b"\n" for line in text.splitlines()),
    "quoted twice": lambda text: b"".join(b">> " + line + b"\n" for line in text.splitlines()),
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "indented anew": indented,
    "indented anew and quoted": lambda text: b"".join(b"> " + line + b"\r\n" for line in indented(text).splitlines()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_text_that_was_changed_on_its_way_shows_the_same_calls(change: str, abi: Abi, tmp_path: Path) -> None:
    text = gzip.decompress((VARIANTS / "default.trace.txt.gz").read_bytes())
    (tmp_path / "trace.txt").write_bytes(CHANGES[change](text))
    recording = decode(str(tmp_path / "trace.txt"), abi)
    assert essence(recording) == essence(variant("default", abi))
    assert [note.code for note in recording.notes if note.code == "LUO714"] == ["LUO714"] * (2 if "and" in change else 1)


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_line_ends_and_byte_order_marks_change_nothing(end: bytes, abi: Abi, tmp_path: Path) -> None:
    text = gzip.decompress((VARIANTS / "default.trace.txt.gz").read_bytes())
    (tmp_path / "trace.txt").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", end))
    recording = decode(str(tmp_path / "trace.txt"), abi)
    assert essence(recording) == essence(variant("default", abi))
    assert not any("no events" in note.text for note in recording.notes)


def test_a_task_name_that_makes_a_moved_line_unclear(abi: Abi, tmp_path: Path) -> None:
    (tmp_path / "trace.txt").write_text("a-1 [000] 1: y-7 [001] 2704.886483: sys_ioctl(fd: 3, cmd: 0xba00, arg: 0x1)\n" * 3)
    recording = decode(str(tmp_path / "trace.txt"), abi, format="ftrace moved")
    assert not recording.calls
    assert "3 lines are no events" in " ".join(note.text for note in recording.notes)
