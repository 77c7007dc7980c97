"""Decoded calls equal what the traced program itself wrote down after each step, field by field, over recordings of a real kernel.

The program's log has one JSON object per step: pid, tid, the step, its arguments, result and errno.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from luocheck.model.abi import Abi
from luocheck.model.errnos import GENERIC
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.decode import decode

CAPTURES = Path(__file__).parent / "captures"

COMMANDS = {
    "CREATE_SESSION": 0xBA00,
    "RETRIEVE_SESSION": 0xBA01,
    "PRESERVE_FD": 0xBA40,
    "RETRIEVE_FD": 0xBA41,
    "FINISH": 0xBA42,
    "GET_NAME": 0xBA43,
}
SESSION_COMMANDS = ("PRESERVE_FD", "RETRIEVE_FD", "FINISH", "GET_NAME")

SHOWS: dict[str, frozenset[str]] = {
    "one": frozenset({"fd", "size", "target", "token", "name", "out"}),
    "dyn": frozenset({"size", "target", "token", "name", "out"}),
    "sc": frozenset({"fd", "size", "target", "token", "out"}),
    "ep": frozenset({"fd"}),
    "kp": frozenset({"size", "target", "token", "name"}),
    "core": frozenset({"token"}),
    "mix": frozenset({"fd"}),
    "sys": frozenset({"fd"}),
    "raw": frozenset({"fd"}),
    "strace": frozenset({"fd"}),
    "fg": frozenset(),
    "fg-flat": frozenset({"fd"}),
    "fg-deep": frozenset(),
    "persist": frozenset({"fd", "size", "target", "token", "name", "out"}),
}
"""What a recorder must show of a call whose struct could be read; what it shows beyond that is compared as well."""


@dataclass
class Comparison:
    compared: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    matched: dict[tuple[int, int], Call] = field(default_factory=dict)  # by thread and number of the step


def read_truth(*paths: Path) -> list[dict[str, Any]]:
    texts = [gzip.decompress(p.read_bytes()).decode() if p.suffix == ".gz" else p.read_text() for p in paths]
    return [json.loads(line) for text in texts for line in text.splitlines() if line]


def expected_result(step: dict[str, Any]) -> int:
    return -GENERIC[step["errno"]] if step["errno"] else int(step["ret"])


def compare(recording: Recording, truth: Iterable[dict[str, Any]], recorder: str) -> Comparison:
    """Per thread: the decoded ioctls and opens are the program's, in its order; a step may only be missing for a known reason."""
    out = Comparison()
    steps: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for step in truth:
        steps[step["tid"]].append(step)
    for thread, own in steps.items():
        _compare_thread(out, [c for c in recording.calls if c.thread == thread], own, recorder, recording)
    return out


def _compare_thread(out: Comparison, calls: list[Call], steps: list[dict[str, Any]], recorder: str, recording: Recording) -> None:
    ioctls = [c for c in calls if c.kind is Kind.IOCTL]
    for number, step in enumerate(steps):
        if step["op"] not in COMMANDS and step["op"] != "ioctl":
            continue
        if ioctls and _same(ioctls[0], step, bool(recording.losses)):
            call = out.matched[step["tid"], number] = ioctls.pop(0)
            out.compared["ioctl"] += 1
            out.wrong += [f"line {call.enter.line}: {step['line']}: {text}" for text in differences(call, step, recorder)]
        else:
            out.missing[_reason(step, recorder, recording)] += 1
    out.wrong += [f"line {c.enter.line}: {c.event} ({c.command}) is in no step of thread {c.thread}" for c in ioctls]
    if Kind.OPEN in recording.observes:
        opens = [c for c in calls if c.kind is Kind.OPEN]
        wanted = [s for s in steps if s["op"] == "open" and s["path"] == "/dev/liveupdate"]
        for call, step in zip(opens, wanted, strict=False):
            out.compared["open"] += 1
            result = expected_result(step)
            if call.result != (result if call.fd is not None or result < 0 else 0):
                out.wrong.append(f"line {call.enter.line}: open gave {call.result}, not {result}")
        if len(opens) > len(wanted):
            out.wrong.append(f"{len(opens)} opens instead of {len(wanted)} in thread {steps[0]['tid']}")
        elif len(opens) < len(wanted):
            results = [expected_result(s) for s in wanted]
            out.missing["open whose path is not shown" if recorder == "raw" and min(results) < 0 else "open"] += len(wanted) - len(
                opens
            )
    closes = iter([s["fd"] for s in steps if s["op"] in ("close", "exit") for _ in (0,) if "fd" in s])
    for call in calls:
        if call.kind is Kind.CLOSE and not call.inferred:
            out.compared["close"] += 1
            if call.fd not in closes:  # `in` consumes the iterator: the order counts
                out.wrong.append(f"line {call.enter.line}: the program did not close {call.fd} there")


def own_descriptor(step: dict[str, Any]) -> int:
    return int(step["sfd"] if step["op"] in SESSION_COMMANDS else step["fd"])


def _same(call: Call, step: dict[str, Any], lossy: bool) -> bool:
    """Is this the call of that step?  Where steps may be missing the result decides as well."""
    command = COMMANDS.get(step["op"]) or int(step["cmd"], 16)
    if call.command != command or (call.fd is not None and call.fd != own_descriptor(step)):
        return False
    result = expected_result(step)
    if call.inner:
        token = call.given.get("token")
        if token is not None and token != int(step["token"], 16):
            return False
        return call.result == result or (call.result == 0 and result == -GENERIC["EFAULT"])
    return (call.fd is not None and not lossy) or call.result is None or call.result == result


def _reason(step: dict[str, Any], recorder: str, recording: Recording) -> str:
    if step["errno"] == "EBADF":
        return "EBADF"
    if step["errno"] == "ENOTTY":
        return "on another file, or ENOTTY outside of the recorder's filter"
    if recorder == "core":
        return "refused before the inner functions, or a command without one"
    if recorder in ("ep", "sc") and step["op"] == "ioctl" and not 0xBA00 <= int(step["cmd"], 16) <= 0xBAFF:
        return "outside of the recorder's filter"
    if step["op"] == "ioctl" and step["errno"] == "EINVAL" and int(step["cmd"], 16) >> 8 & 0xFF != 0xBA:
        return "another magic on a descriptor that is not known"
    if recording.losses:
        return "lost events"
    return f"UNEXPLAINED {step['line']} {step['errno']}"


def differences(call: Call, step: dict[str, Any], recorder: str) -> list[str]:
    """Members of one call that differ from the step, or are absent though the recorder shows them."""
    out: list[str] = []
    shows = SHOWS[recorder]
    result = expected_result(step)
    readable = result != -GENERIC["EFAULT"] and call.event is not None

    def check(what: str, shown: str, is_there: bool, value: object, wanted: object, must: bool = True) -> None:
        if is_there:
            if value != wanted:
                out.append(f"{what} is {value!r}, not {wanted!r}")
        elif shown in shows and readable and must:
            out.append(f"{what} is absent")

    if not call.inner and call.result is not None and call.result != result:
        out.append(f"result is {call.result}, not {result}")
    check("fd", "fd", call.fd is not None, call.fd, own_descriptor(step))
    if call.event is not None:
        wanted_event = step["op"] if step["op"] != "ioctl" else call.event
        if call.event != wanted_event:
            out.append(f"event is {call.event}, not {wanted_event}")
    given, got = call.given, call.got
    if "size" in given or readable:
        check("size", "size", "size" in given, given.get("size"), step.get("size"))
    complete = step.get("size") is None or step["size"] >= {0xBA00: 72, 0xBA01: 72, 0xBA42: 8, 0xBA43: 72}.get(
        call.command or 0, 16
    )
    if "token" in step:
        check("token", "token", "token" in given, given.get("token"), int(step["token"], 16), complete)
    if step["op"] == "PRESERVE_FD":
        check("target fd", "target", "fd" in given, given.get("fd"), step["fd"])
    if step["op"] in ("CREATE_SESSION", "RETRIEVE_SESSION"):
        check("name", "name", "name" in given, given.get("name"), step["name"].encode()[:64], complete)
    if "out_fd" in step:
        if result >= 0:
            check("returned fd", "out", "fd" in got, got.get("fd"), step["out_fd"])
        elif "fd" in got:
            out.append("a failed call returned a descriptor")
    if step["op"] == "GET_NAME" and "name" in got and got["name"] != step["name"].encode():
        out.append(f"name is {got['name']!r}")
    if step["op"] == "FINISH":
        check("reserved", "reserved", "reserved" in given, given.get("reserved"), step["reserved"])
    return out


# ---- the tests ------------------------------------------------------------------------------------------------------

_NAME = re.compile(r"(.*)\.(one|dyn|sc|ep|kp|core|mix|sys|raw|fg|fg-flat|fg-deep)\.trace(?:_pipe)?\.txt(?:\.gz)?")
_STRACE = re.compile(r"(.*?)\.?(strace|strace61)\.txt(?:\.gz)?")
_PERSISTENT = re.compile(r"persist\.stage(\d)\.(after-define|live)\.txt(?:\.gz)?")


def runs(folder: Path) -> list[tuple[Path, str, tuple[Path, ...]]]:
    """Captures below `folder` with their recorder and the logs of the programs that they show."""
    found = []
    for path in sorted(folder.glob("*/*")):
        match = _NAME.fullmatch(path.name)
        persistent = _PERSISTENT.fullmatch(path.name)
        logs: list[Path] = []
        recorder = "persist"
        strace = _STRACE.fullmatch(path.name)
        if strace is not None:
            recorder = "strace"
            logs = [path.parent / f"{name}.truth.jsonl" for name in (strace[1], f"{strace[1]}.{strace[2]}")]
        elif match is not None:
            run, recorder = match.groups()
            own = path.parent / f"{run}.{recorder}.truth.jsonl"
            common = path.parent / ("truth.jsonl" if run == "noisy" else f"{run.replace('reboot', 'stage1-reboot')}.truth.jsonl")
            logs = [own if own.exists() else common]
        elif persistent is not None:
            stage = int(persistent[1]) - (persistent[2] != "live")
            logs = [path.parent / f"stage{stage}.truth.jsonl", path.parent / f"stage{stage}-reboot.truth.jsonl"]
        logs = [log for log in logs if log.exists()]
        if logs and not (path.suffix == ".txt" and path.with_suffix(".txt.gz").exists()):
            found.append((path, recorder, tuple(logs)))
    return found


def binary_runs(folder: Path) -> list[tuple[Path, str, tuple[Path, ...]]]:
    """The same for trace.dat; functions.fg shows no arguments, so that its calls cannot be told from one another."""
    paths = sorted(path for path in folder.glob("*.dat*") if path.name != "functions.fg.dat")
    names = [(path, path.name.removesuffix(".gz").removesuffix(".dat")) for path in paths]
    return [(path, name.rpartition(".")[2], (folder / f"{name}.truth.jsonl.gz",)) for path, name in names]


RUNS = runs(CAPTURES) + binary_runs(CAPTURES / "trace-dat")


@pytest.mark.parametrize(("path", "recorder", "logs"), RUNS, ids=[f"{p.parent.name}/{p.name}" for p, _, _ in RUNS])
def test_calls_are_the_program_s(path: Path, recorder: str, logs: tuple[Path, ...], abi: Abi) -> None:
    found = compare(decode(str(path), abi), read_truth(*logs), recorder)
    assert not found.wrong
    assert not [reason for reason in found.missing if reason.startswith("UNEXPLAINED")]


@pytest.mark.parametrize(
    ("name", "compared"),
    [
        ("errors-outgoing/errors.one", {"ioctl": 51, "open": 3}),
        ("errors-outgoing/errors.dyn", {"ioctl": 51, "open": 3}),
        ("errors-outgoing/errors.sys", {"ioctl": 52, "open": 3, "close": 4}),
        ("errors-outgoing/errors.sc", {"ioctl": 48}),
        ("errors-outgoing/errors.kp", {"ioctl": 51}),
        ("errors-outgoing/errors.core", {"ioctl": 31}),
        ("kexec-errors-incoming/stage2.one", {"ioctl": 24, "open": 1}),
        ("concurrent/conc1.sys", {"ioctl": 42, "open": 1, "close": 6}),
        ("strace/errors_default", {"ioctl": 52, "open": 3, "close": 4}),
    ],
)
def test_how_much_is_compared(name: str, compared: dict[str, int], abi: Abi) -> None:
    """The comparison above is about something: these many calls of these recordings are matched with steps."""
    path, recorder, logs = next(run for run in RUNS if str(run[0]).endswith((f"{name}.trace.txt.gz", f"{name}.strace.txt.gz")))
    found = compare(decode(str(path), abi), read_truth(*logs), recorder)
    assert dict(found.compared) == compared


@pytest.mark.parametrize(
    ("name", "compared"),
    [
        ("errors.sys", {"ioctl": 52, "open": 3, "close": 5}),
        ("errors.raw", {"ioctl": 52, "open": 1, "close": 3}),
        ("withsys.one", {"ioctl": 51, "open": 3, "close": 4}),
        ("alldyn.one", {"ioctl": 51, "open": 3}),
        ("buffers.one", {"ioctl": 51, "open": 3, "close": 4}),
        ("v6.sys", {"ioctl": 52, "open": 3, "close": 5}),
        ("killed.one", {"ioctl": 3, "open": 1}),
        ("tsc.one", {"ioctl": 3, "open": 1}),
        ("stage2.one", {"ioctl": 24, "open": 1, "close": 5}),
        ("lost.sys", {"ioctl": 7, "close": 2}),
    ],
)
def test_how_much_of_a_binary_recording_is_compared(name: str, compared: dict[str, int], abi: Abi) -> None:
    path, recorder, logs = next(run for run in RUNS if run[0].name.startswith(f"{name}.dat"))
    assert dict(compare(decode(str(path), abi), read_truth(*logs), recorder).compared) == compared


def test_functions_without_arguments_show_calls_that_reach_an_inner_function(abi: Abi) -> None:
    folder = CAPTURES / "trace-dat"
    found = compare(decode(str(folder / "functions.fg.dat"), abi), read_truth(folder / "functions.fg.truth.jsonl.gz"), "fg")
    assert not found.wrong and dict(found.compared) == {"ioctl": 31, "open": 3}


def test_a_wrong_member_is_noticed(abi: Abi) -> None:
    path, recorder, logs = next(run for run in RUNS if run[0].name == "errors.one.trace.txt.gz")
    recording = decode(str(path), abi)
    truth = read_truth(*logs)
    step = next(s for s in truth if s["op"] == "PRESERVE_FD")
    step["token"] = "0x1fff"
    assert compare(recording, truth, recorder).wrong == ["line 22: preserve s1 m1 0x1001: token is 4097, not 8191"]
    step["token"] = "0x1001"
    step["errno"] = "EBUSY"
    assert compare(recording, truth, recorder).wrong
