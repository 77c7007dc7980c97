"""What the lab recorded: the call that a finding is about, in the middle of others, with the answer of today's spec and no other."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from luocheck.model.errnos import GENERIC
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import AuditAnswer, Conformance
from luocheck.traces.audit import audit
from luocheck.traces.replay.world import Beginning

CAPTURES = Path(__file__).parent / "captures"

FINDINGS = [
    # program, kernel and line of the probe, call, what it returned; were the session or the file still there, it would be OK
    ("f1_retrieve_session", 2, 72, "RETRIEVE_SESSION", "ENOENT"),
    ("f2_finish", 2, 74, "RETRIEVE_FD", "ENOENT"),
    ("f4_death", 2, 82, "RETRIEVE_SESSION", "ENOENT"),
    ("f5_finish", 2, 74, "RETRIEVE_FD", "ENOENT"),
    ("f8_outgoing", 1, 76, "FINISH", "EINVAL"),
    ("f8_outgoing", 1, 79, "RETRIEVE_FD", "EINVAL"),
    ("faults", 1, 456, "PRESERVE_FD", "ENOMEM"),  # of a closed descriptor: the table grows before it is looked at
    ("cover", 3, 83, "RETRIEVE_SESSION", "EINVAL"),  # four kernels, with every outcome that programs cause
]


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


def recordings(program: str) -> list[bytes]:
    """Of each kernel, in order."""
    return [gzip.decompress(path.read_bytes()) for path in sorted(CAPTURES.glob(f"lab-*/{program}.kernel-*.txt.gz"))]


def audited(spec: Spec, kernels: list[bytes], folder: Path) -> AuditAnswer:
    """Of a first kernel that was booted cold, and those that came up by live update after it."""
    paths = [folder / f"kernel-{number}.txt" for number in range(1, len(kernels) + 1)]
    for path, text in zip(paths, kernels, strict=True):
        path.write_bytes(text)
    return audit(spec, [str(path) for path in paths], beginning=Beginning.COLD)


@pytest.mark.parametrize(("program", "kernel", "line", "call", "returned"), FINDINGS)
def test_the_kernel_does_what_the_finding_says(
    program: str, kernel: int, line: int, call: str, returned: str, spec: Spec, tmp_path: Path
) -> None:
    kernels = recordings(program)
    answer = audited(spec, kernels, tmp_path)
    assert answer.verdict is Conformance.CONFORMS, answer

    lines = kernels[kernel - 1].split(b"\n")
    lines[line - 1], count = re.subn(rb" ret=-%d$" % GENERIC[returned], b" ret=0", lines[line - 1])
    assert count == 1
    lines[line], count = re.subn(rb"-> 0xf+[0-9a-f]+$", b"-> 0x0", lines[line])
    assert count == 1
    kernels[kernel - 1] = b"\n".join(lines)
    answer = audited(spec, kernels, tmp_path)
    assert answer.verdict is Conformance.VIOLATED, answer
    finding = answer.findings[0]
    assert (finding.line, finding.event, finding.observed) == (line + 1, call, "OK")
    assert any(allowed.split(" at ")[0] == returned for allowed in finding.allowed), finding


@pytest.mark.parametrize(
    ("program", "line", "call"),
    [("faults", 217, "RETRIEVE_FD"), ("unreadable", 153, "OPEN")],
)
def test_what_failed_once_fails_for_ever(program: str, line: int, call: str, spec: Spec, tmp_path: Path) -> None:
    """A handler could not make a file again, and sessions could not be read: the kernel keeps both errors, and nothing else is allowed."""
    kernels = recordings(program)
    assert audited(spec, kernels, tmp_path).verdict is Conformance.CONFORMS
    lines = kernels[1].split(b"\n")
    assert lines[line - 1].endswith(b" ret=-5") and lines[line].endswith(b"-> 0xfffffffffffffffb")
    lines[line - 1] = lines[line - 1].replace(b" ret=-5", b" ret=0").replace(b" fd=0 ", b" fd=7 ")
    lines[line] = lines[line].replace(b"0xfffffffffffffffb", b"0x3" if call == "OPEN" else b"0x0")
    kernels[1] = b"\n".join(lines)
    answer = audited(spec, kernels, tmp_path)
    assert answer.verdict is Conformance.VIOLATED, answer
    assert (answer.findings[0].line, answer.findings[0].event) == (line + 1, call)


def test_a_version_with_the_bug_did_something_else(tmp_path: Path) -> None:
    answer = audited(load("linux_7_1"), recordings("f8_outgoing"), tmp_path)
    assert answer.verdict is Conformance.VIOLATED, answer
    assert answer.findings[0].event == "FINISH"


def test_there_is_a_program_for_each_recording() -> None:
    programs = {path.stem for path in (Path(__file__).parents[2] / "lab" / "programs").glob("f*.c")}
    assert {path.name.split(".")[0] for path in (CAPTURES / "lab-findings").glob("*.gz")} == programs
