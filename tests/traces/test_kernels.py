"""Recordings of several kernels, of the middle of something, with losses, and with more than one thing that is not allowed."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from luocheck.cli.main import main
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import AuditAnswer, Conformance, Edit
from luocheck.traces.audit import audit
from luocheck.traces.decode import decode
from luocheck.traces.replay.kernels import Start, parts_of, window
from luocheck.traces.replay.world import Beginning
from luocheck.versions import which

CAPTURES = Path(__file__).parent / "captures"
HAPPY, LOST, ERRORS = CAPTURES / "kexec-happy", CAPTURES / "kexec-session-lost", CAPTURES / "errors-outgoing"
PERSIST = "persist.stage2.after-define.txt.gz"

Edited = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


def copy(source: Path, folder: Path, edits: dict[int, Edited] | None = None, name: str = "copy.txt") -> str:
    """A copy of a recording in which lines (from 1) were edited."""
    lines = gzip.decompress(source.read_bytes()).split(b"\n")
    for number, edit in (edits or {}).items():
        before = lines[number - 1]
        lines[number - 1] = edit(before)
        assert lines[number - 1] != before
    path = folder / name
    path.write_bytes(b"\n".join(lines))
    return str(path)


def returning(value: int) -> Edited:
    return lambda line: re.sub(rb"ret=-?\d+\s*$", b"ret=%d" % value, line)


# ---- over kexec -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorder", ["one", "dyn", "sys", "sc"])
@pytest.mark.parametrize("folder", [HAPPY], ids=lambda folder: folder.name)
def test_the_next_kernel_goes_on_with_what_was_left(folder: Path, recorder: str, spec: Spec) -> None:
    answer = audit(spec, [str(folder / PERSIST), str(folder / f"stage2.{recorder}.trace.txt.gz")])
    assert answer.verdict is Conformance.CONFORMS, answer
    assert answer.explained >= 18 and PERSIST in answer.capture


def test_a_session_of_the_kernel_before_must_be_there(spec: Spec, tmp_path: Path) -> None:
    """By itself the recording of the second kernel is possible: nobody knows what it was handed."""
    missing = copy(HAPPY / "stage2.one.trace.txt.gz", tmp_path, {14: returning(-2)})
    answer = audit(spec, [str(HAPPY / PERSIST), missing])
    assert answer.verdict is Conformance.VIOLATED, answer
    assert (answer.findings[0].line, answer.findings[0].event) == (14, "RETRIEVE_SESSION")
    assert answer.findings[0].file == missing


def test_a_name_of_the_kernel_before_is_not_forgotten(spec: Spec, tmp_path: Path) -> None:
    other = copy(HAPPY / "stage2.one.trace.txt.gz", tmp_path, {14: lambda line: line.replace(b"vm-alpha", b"vm-omega")})
    assert audit(spec, [str(HAPPY / PERSIST), other]).verdict is Conformance.VIOLATED


ENDS = """\
1 1.000000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3</dev/liveupdate> <0.000100>
1 2.000000 reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC <unfinished ...>
"""
GOES_ON = '1 1.000000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3</dev/liveupdate> <0.000100>\n'
RETRIEVES = "1 2.{:06d} ioctl(3</dev/liveupdate>, LIVEUPDATE_IOCTL_RETRIEVE_SESSION, 0x7f00) = 0 <0.000100>\n"


@pytest.mark.parametrize(
    ("sessions", "verdict"), [(4, Conformance.CONFORMS), pytest.param(14, Conformance.INCONCLUSIVE, marks=pytest.mark.nightly)]
)
def test_a_kernel_whose_ioctls_are_not_recorded_can_have_left_many_sessions(
    sessions: int, verdict: Conformance, spec: Spec, tmp_path: Path
) -> None:
    """More than one recorded call needs; with too many of them it is not known."""
    (tmp_path / "first.txt").write_text(ENDS, encoding="utf-8")
    (tmp_path / "next.txt").write_text(GOES_ON + "".join(map(RETRIEVES.format, range(sessions))), encoding="utf-8")
    answer = audit(spec, [str(tmp_path / "first.txt"), str(tmp_path / "next.txt")], beginning=Beginning.COLD)
    assert answer.verdict is verdict, answer


def test_what_died_before_the_reboot_is_gone(spec: Spec) -> None:
    """The persistent buffer shows that the process was killed; the recorder of the agent shows no exits, so it can have been."""
    after = str(LOST / "stage2.one.trace.txt.gz")
    for first in (PERSIST, "stage1.one.trace.txt.gz"):
        assert audit(spec, [str(LOST / first), after]).verdict is Conformance.CONFORMS


def test_nothing_is_concluded_from_a_recording_that_ends_before_the_reboot(spec: Spec) -> None:
    """This recorder shows releases, and none of the session's; but it does not show the reboot either."""
    answer = audit(spec, [str(HAPPY / "stage1.dyn.trace.txt.gz"), str(LOST / "stage2.one.trace.txt.gz")])
    assert answer.verdict is Conformance.INCONCLUSIVE
    assert "line 14 of the next kernel's recording is not allowed" in answer.reason


def test_no_kernel_hands_over_two_sessions_of_one_name(spec: Spec, tmp_path: Path) -> None:
    same = copy(HAPPY / "stage2.one.trace.txt.gz", tmp_path, {19: lambda line: line.replace(b"vm-beta", b"vm-alpha")})
    answer = audit(spec, same, beginning=Beginning.WARM)
    assert answer.verdict is Conformance.VIOLATED
    assert (answer.findings[0].event, answer.findings[0].line) == ("RETRIEVE_SESSION", 19), answer.findings


def test_what_a_kernel_was_handed_must_be_known_to_conform(spec: Spec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second recorder shows no ioctl at all: what was done there has too many ends, and the third kernel can have been handed many things."""
    monkeypatch.setattr("luocheck.traces.replay.search.MOST_INSERTED", 100)
    opened = "dev_open: (misc_open+0xd4/0x110 <- luo_open) ret=0"
    asked = 'ioctl: (f+0x1/0x2 <- luo_ioctl) dfd=3 cmd=0xba0{} size=72 fd=4 name="vm" ret=0'
    kernels = []
    for number, calls in enumerate([[opened, asked.format(0)], [opened], [opened, asked.format(1)]]):
        path = tmp_path / f"kernel-{number}.txt"
        path.write_text("".join(f"           agent-68      [000] ...1.     5.00000{n}: {call}\n" for n, call in enumerate(calls)))
        kernels.append(str(path))
    assert audit(spec, kernels[:1], beginning=Beginning.COLD).verdict is Conformance.CONFORMS
    answer = audit(spec, kernels, beginning=Beginning.COLD)
    assert answer.verdict is Conformance.INCONCLUSIVE and "was handed is not known" in answer.reason


def test_the_command_takes_the_kernels_in_their_order(spec: Spec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = str(HAPPY / PERSIST), str(HAPPY / "stage2.one.trace.txt.gz")
    assert main(["audit", "linux_7_3", first, "--kernel-b", second]) == 0
    missing = copy(HAPPY / "stage2.one.trace.txt.gz", tmp_path, {14: returning(-2)})
    assert main(["audit", "linux_7_3", first, "--kernel-b", missing]) == 1
    assert f"{missing}:14" in capsys.readouterr().out
    assert main(["audit", "linux_7_3", first, second, "--kernel-b", missing]) == 2


# ---- a recording that begins in the middle, and losses ----------------------------------------------------------


def without(source: Path, folder: Path, pattern: bytes) -> str:
    lines = gzip.decompress(source.read_bytes()).split(b"\n")
    kept = [line for line in lines if not re.search(pattern, line)]
    assert len(kept) < len(lines)
    path = folder / "without.txt"
    path.write_bytes(b"\n".join(kept))
    return str(path)


def test_what_happened_before_the_recording_is_taken_into_account(spec: Spec, tmp_path: Path) -> None:
    late = without(HAPPY / "stage1.one.trace.txt.gz", tmp_path, rb"cmd=0xba00 .*vm-alpha")
    assert audit(spec, late, beginning=Beginning.COLD).verdict is Conformance.VIOLATED
    answer = audit(spec, late)
    assert (answer.verdict, answer.beginning) == (Conformance.CONFORMS, Beginning.RUNNING), answer
    assert any(note.code == "LUO713" for note in answer.notes)


def test_two_calls_can_contradict_each_other_whatever_came_before(spec: Spec, tmp_path: Path) -> None:
    """The same name twice: both cannot succeed, so no beginning of the recording makes it possible."""
    answer = audit(spec, copy(ERRORS / "errors.one.trace.txt.gz", tmp_path, {16: returning(0)}))
    assert answer.verdict is Conformance.VIOLATED, answer
    assert {15, 16} <= set(answer.findings[0].core) and len(answer.findings[0].core) <= 4


def test_what_comes_after_lost_events_is_looked_at_too(spec: Spec, tmp_path: Path) -> None:
    """After the loss nothing is known, but the last call cannot return that in any state."""

    def lose(line: bytes) -> bytes:
        return b"CPU:1 [LOST 7 EVENTS]\n" + line

    source = HAPPY / "stage1.one.trace.txt.gz"
    lossy = audit(spec, copy(source, tmp_path, {17: lose}))
    assert lossy.verdict is Conformance.INCONCLUSIVE and lossy.losses == 1
    assert lossy.explained == lossy.calls
    broken = audit(spec, copy(source, tmp_path, {17: lose, 20: returning(-17)}))
    assert broken.verdict is Conformance.VIOLATED, broken
    assert broken.findings[0].line == 21  # one more line stands before it


def test_what_user_space_has_no_name_for_may_be_there(tmp_path: Path) -> None:
    """A subsystem of the kernel that no call names refuses to be prepared."""
    lines = (
        'sys_openat(dfd: 4294967196, filename: 140727852872857 "/dev/liveupdate", flags: O_RDWR)',
        "sys_openat -> 0x3",
        "sys_ioctl(fd: 3, cmd: 0xba04, arg: 0x0)",
        f"sys_ioctl -> {-5 & (1 << 64) - 1:#x}",
    )
    path = tmp_path / "prepare.txt"
    path.write_text("".join(f"       luo-agent-72      [001] .....     3.67129{n}: {line}\n" for n, line in enumerate(lines)))
    for beginning in Beginning:
        answer = audit(load("rfc_v2"), str(path), beginning=beginning)
        assert answer.verdict is Conformance.CONFORMS, (beginning, answer)


def test_parts_end_where_events_are_missing(spec: Spec, tmp_path: Path) -> None:
    path = copy(HAPPY / "stage1.one.trace.txt.gz", tmp_path, {17: lambda line: b"CPU:1 [LOST EVENTS]\n" + line})
    parts = parts_of([decode(path, spec.system.abi)])
    assert [part.start for part in parts] == [Start.GIVEN, Start.LOST]
    assert sum(len(part.recording.calls) for part in parts) >= 9


def test_a_window_leaves_out_what_came_before(spec: Spec) -> None:
    recording = decode(str(HAPPY / "stage1.one.trace.txt.gz"), spec.system.abi)
    last = recording.calls[-2]
    assert [call.number for call in window(recording, last, 1).recording.calls] == [last.number]
    assert len(window(recording, last, 100).recording.calls) == len(recording.calls) - 1


# ---- more than one deviation ------------------------------------------------------------------------------------


def several(spec: Spec, folder: Path, most: int) -> AuditAnswer:
    path = copy(ERRORS / "errors.one.trace.txt.gz", folder, {16: returning(0), 25: returning(0), 49: returning(0)})
    return audit(spec, path, beginning=Beginning.COLD, max_deviations=most)


def test_all_deviations_come_out_in_one_pass(spec: Spec, tmp_path: Path) -> None:
    answer = several(spec, tmp_path, 10)
    assert [finding.line for finding in answer.findings] == [16, 25, 49]
    assert all(finding.edit is Edit.RESULT for finding in answer.findings), answer.findings
    assert "EEXIST" in answer.findings[0].edited


def test_the_number_of_deviations_is_a_limit(spec: Spec, tmp_path: Path) -> None:
    assert [finding.line for finding in several(spec, tmp_path, 2).findings] == [16, 25]


def test_a_finding_says_what_was_known(spec: Spec, tmp_path: Path) -> None:
    finding = several(spec, tmp_path, 1).findings[0]
    assert 'session0.name = "vm-alpha"' in finding.known
    assert finding.since == 13


def test_the_trail_tells_what_each_call_changed(spec: Spec) -> None:
    answer = audit(spec, str(HAPPY / "stage1.one.trace.txt.gz"), beginning=Beginning.COLD, trail=True)
    assert [belief.call for belief in answer.trail] == list(range(answer.calls))
    assert 'session0.name = "vm-alpha"' in answer.trail[1].known


# ---- promises ---------------------------------------------------------------------------------------------------


def test_a_promise_that_a_recording_breaks_is_told(spec: Spec) -> None:
    """The descriptor of the device is passed to another process: the spec says that its own claim can fail."""
    answer = audit(spec, str(CAPTURES / "concurrent" / "conc3tgid.one.trace.txt.gz"))
    assert answer.verdict is Conformance.CONFORMS
    (note,) = [each for each in answer.notes if each.code == "LUO712"]
    assert note.line == 27 and "`one_process` does not hold here" in note.text


def test_a_promise_without_exception_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "strict.luo"
    path.write_text("spec strict extends linux_7_3;\ninvariant few: (number of s: Session | true) <= 2;\n")
    answer = audit(load(str(path)), str(HAPPY / "stage1.one.trace.txt.gz"), beginning=Beginning.COLD)
    assert answer.verdict is Conformance.VIOLATED, answer
    (finding,) = answer.findings
    assert (finding.rule, finding.event, finding.line) == ("LUO712", "few", 19)  # the third session


def test_a_promise_that_holds_is_not_told(spec: Spec) -> None:
    answer = audit(spec, str(HAPPY / "stage1.one.trace.txt.gz"))
    assert not [each for each in answer.notes if each.code == "LUO712"]


# ---- which version ----------------------------------------------------------------------------------------------


def test_the_version_that_explains_a_recording_comes_first() -> None:
    path = str(CAPTURES / "kexec-happy" / "stage2.one.trace.txt.gz")
    answers = which(path, ["rfc_v2", "linux_7_3", "v3"], timeout=5.0)
    assert [answers[0].spec, answers[0].verdict] == ["linux_7_3", Conformance.CONFORMS]
    assert all(answer.verdict is not Conformance.CONFORMS for answer in answers[1:])


def test_the_table_of_versions_is_in_the_document(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luocheck.versions.shipped", lambda: ("linux_7_3",))
    path = str(CAPTURES / "kexec-happy" / "stage2.one.trace.txt.gz")
    assert main(["audit", "linux_7_3", path, "--which", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["which"]
    assert row["spec"] == "linux_7_3" and row["verdict"] == "conforms" and row["known"] == row["calls"] > 0
    assert main(["audit", "linux_7_3", "-", "--which"]) == 2
