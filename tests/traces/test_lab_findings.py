"""Findings on a real kernel: its recordings show the call that a finding is about, and the answer of today's spec and no other."""

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

CAPTURES = Path(__file__).parent / "captures" / "lab-findings"

FINDINGS = [
    # recording, line of the probe, call, what it returned, what it would return if the session, or the file, were still there
    ("f1_retrieve_session.kernel-2", 72, "RETRIEVE_SESSION", "ENOENT", "EINVAL"),
    ("f2_finish.kernel-2", 74, "RETRIEVE_FD", "ENOENT", "OK"),
    ("f4_death.kernel-2", 82, "RETRIEVE_SESSION", "ENOENT", "EINVAL"),
    ("f5_finish.kernel-2", 74, "RETRIEVE_FD", "ENOENT", "OK"),
    ("f8_outgoing.kernel-1", 76, "FINISH", "EINVAL", "OK"),
    ("f8_outgoing.kernel-1", 79, "RETRIEVE_FD", "EINVAL", "OK"),
]


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


def beginning(name: str) -> Beginning:
    return Beginning.WARM if name.endswith("kernel-2") else Beginning.COLD


def audited(spec: Spec, name: str, text: bytes, folder: Path) -> AuditAnswer:
    path = folder / "recording.txt"
    path.write_bytes(text)
    return audit(spec, str(path), beginning=beginning(name))


@pytest.mark.parametrize(("name", "line", "call", "returned", "otherwise"), FINDINGS)
def test_the_kernel_does_what_the_finding_says(
    name: str, line: int, call: str, returned: str, otherwise: str, spec: Spec, tmp_path: Path
) -> None:
    text = gzip.decompress((CAPTURES / f"{name}.txt.gz").read_bytes())
    answer = audited(spec, name, text, tmp_path)
    assert answer.verdict is Conformance.CONFORMS, answer

    result = 0 if otherwise == "OK" else -GENERIC[otherwise]
    lines = text.split(b"\n")
    lines[line - 1], count = re.subn(rb" ret=-\d+$", b" ret=%d" % result, lines[line - 1])
    assert count == 1
    lines[line], count = re.subn(rb"-> 0xf+[0-9a-f]+$", b"-> %#x" % (result & (1 << 64) - 1), lines[line])
    assert count == 1
    answer = audited(spec, name, b"\n".join(lines), tmp_path)
    assert answer.verdict is Conformance.VIOLATED, answer
    (finding,) = answer.findings
    assert (finding.line, finding.event, finding.observed) == (line + 1, call, otherwise)
    assert any(allowed.split(" at ")[0] == returned for allowed in finding.allowed), finding


@pytest.mark.parametrize(("name", "call"), [("f8_outgoing.kernel-1", "FINISH")])
def test_the_versions_with_the_bug_did_something_else(name: str, call: str, tmp_path: Path) -> None:
    text = gzip.decompress((CAPTURES / f"{name}.txt.gz").read_bytes())
    answer = audited(load("linux_7_1"), name, text, tmp_path)
    assert answer.verdict is Conformance.VIOLATED, answer
    assert answer.findings[0].event == call


def test_there_is_a_program_for_each_recording() -> None:
    programs = {path.stem for path in (Path(__file__).parents[2] / "lab" / "programs").glob("f*.c")}
    assert {path.name.split(".")[0] for path in CAPTURES.glob("*.gz")} == programs
