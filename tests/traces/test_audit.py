"""Recordings of a real kernel conform to the spec of that kernel; a copy with one result changed does not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from trust.one_changed import INCOMING, NUMBERS, OUTGOING, changed, where

from luocheck.cli.main import main
from luocheck.demo import demo_capture
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import AuditAnswer, Conformance
from luocheck.traces.audit import audit
from luocheck.traces.replay.world import Beginning

CAPTURES = Path(__file__).parent / "captures"
ALL = sorted(str(path.relative_to(CAPTURES)) for path in CAPTURES.rglob("*.txt.gz"))

INCONCLUSIVE = {
    "format-variants/bin.trace.txt.gz": "turn off the option `bin`",
    "format-variants/hex.trace.txt.gz": "turn off the option `hex`",
    "format-variants/raw.trace.txt.gz": "turn off the option `raw`",
    "format-variants/nocontext.trace.txt.gz": "turn on the option `context-info`",
    "format-variants/synthetic.trace.txt.gz": "no call that the spec knows",
    "kexec-happy/persist.stage2.before-define.txt.gz": "known to have returned",
    "kexec-strace/stage1-reboot.strace.txt.gz": "known to have returned",
    "noisy-lost-events/noisy.sys.trace_pipe.txt.gz": "events were lost",
    "trace-cmd-report/lost.txt.gz": "events were lost",
    "trace-cmd-report/symbols.function.txt.gz": "what any call returned",  # of the function tracer
}
"""Recordings that nothing can be concluded from, and a part of the reason.  Every other one conforms."""


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


LONG = ("strace/conc.strace.txt.gz", "trace-cmd-report/symbols.function.txt.gz")
"""What leaves so much open that it takes a while: six threads at once whose structs are not shown; calls without a result."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.nightly) if n in LONG else n for n in ALL])
def test_what_the_kernel_did_is_allowed(name: str, spec: Spec) -> None:
    answer = audit(spec, str(CAPTURES / name))
    reason = INCONCLUSIVE.get(name)
    if reason is None and answer.calls:
        assert answer.verdict is Conformance.CONFORMS, answer
        assert answer.explained > 0 and answer.states > 0
    else:
        assert answer.verdict is Conformance.INCONCLUSIVE, answer
        assert (reason or "no call that the spec knows") in answer.reason


def test_the_vendored_recordings_are_there() -> None:
    assert len(ALL) > 90 and set(INCONCLUSIVE) <= set(ALL)


# ---- one result changed -----------------------------------------------------------------------------------------

CHANGED = [
    # recording, line, call, what it returned, what the copy says
    (OUTGOING, 13, "OPEN", "OK", "EBUSY"),
    (OUTGOING, 14, "OPEN", "EBUSY", "OK"),
    (OUTGOING, 14, "OPEN", "EBUSY", "EIO"),
    (OUTGOING, 15, "CREATE_SESSION", "OK", "EEXIST"),
    (OUTGOING, 15, "CREATE_SESSION", "OK", "EBADF"),
    (OUTGOING, 16, "CREATE_SESSION", "EEXIST", "OK"),
    (OUTGOING, 17, "CREATE_SESSION", "EINVAL", "OK"),
    (OUTGOING, 18, "CREATE_SESSION", "EINVAL", "EEXIST"),
    (OUTGOING, 16, "CREATE_SESSION", "EEXIST", "EFAULT"),
    (OUTGOING, 22, "CREATE_SESSION", "E2BIG", "EINVAL"),
    (OUTGOING, 15, "CREATE_SESSION", "OK", "E2BIG"),
    (OUTGOING, 25, "PRESERVE_FD", "EEXIST", "OK"),
    (OUTGOING, 25, "PRESERVE_FD", "EEXIST", "EBUSY"),
    (OUTGOING, 25, "PRESERVE_FD", "EEXIST", "ENOENT"),
    (OUTGOING, 25, "PRESERVE_FD", "EEXIST", "EINVAL"),
    (OUTGOING, 27, "PRESERVE_FD", "EBADF", "OK"),
    (OUTGOING, 27, "PRESERVE_FD", "EBADF", "EBUSY"),
    (OUTGOING, 44, "PRESERVE_FD", "EFAULT", "OK"),
    (OUTGOING, 48, "RETRIEVE_FD", "EINVAL", "OK"),
    (OUTGOING, 49, "FINISH", "EINVAL", "OK"),
    (OUTGOING, 51, "GET_NAME", "OK", "EINVAL"),
    (OUTGOING, 52, "ioctl 0xba44", "EINVAL", "ENOTTY"),
    (OUTGOING, 59, "ioctl 0xc018ba40", "ENOTTY", "EINVAL"),
    (INCOMING, 14, "RETRIEVE_SESSION", "ENOENT", "EINVAL"),
    (INCOMING, 15, "RETRIEVE_SESSION", "OK", "EINVAL"),
    (INCOMING, 16, "RETRIEVE_SESSION", "EINVAL", "ENOENT"),
    (INCOMING, 19, "RETRIEVE_FD", "OK", "ENOENT"),
    (INCOMING, 21, "PRESERVE_FD", "EINVAL", "OK"),
    (INCOMING, 24, "FINISH", "EINVAL", "OK"),
    (INCOMING, 26, "GET_NAME", "OK", "EBUSY"),
    (INCOMING, 27, "FINISH", "OK", "ENOENT"),
]


SOME = [each if n % 12 == 0 else pytest.param(*each, marks=pytest.mark.nightly) for n, each in enumerate(CHANGED)]
"""All of them at night: each takes several seconds, because a smallest set of lines is looked for."""


@pytest.mark.parametrize(("name", "line", "call", "was", "becomes"), SOME)
def test_a_changed_result_is_rejected_at_its_line(
    name: str, line: int, call: str, was: str, becomes: str, spec: Spec, tmp_path: Path
) -> None:
    beginning = Beginning.WARM if "stage2" in name else Beginning.COLD
    answer = audit(spec, changed(name, line, NUMBERS[becomes], tmp_path), beginning=beginning)
    assert answer.verdict is Conformance.VIOLATED, answer
    (finding,) = answer.findings
    assert (finding.line, finding.event, finding.observed) == (line, call, becomes)
    if was != "EFAULT":  # the copy shows zeros where the recorder could not read, and these would be refused as EINVAL
        assert any(allowed.split(" at ")[0] == was for allowed in finding.allowed), finding
    assert not any(allowed.split(" at ")[0] == becomes for allowed in finding.certain)


def test_where_a_changed_result_is_rejected(spec: Spec, tmp_path: Path) -> None:
    """The columns of the table of docs/audit-captures.md."""
    assert where(OUTGOING, 15, "EEXIST", spec, tmp_path) == "here"
    assert where(OUTGOING, 14, "OK", spec, tmp_path) == "here"
    assert where(OUTGOING, 33, "EIO", spec, tmp_path) == "allowed"  # a handler may fail with any errno


# ---- what is not a recording ------------------------------------------------------------------------------------


def run(spec: Spec, text: str | bytes, tmp_path: Path) -> AuditAnswer:
    path = tmp_path / "trace.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return audit(spec, str(path))


@pytest.mark.parametrize("text", [b"", b"# tracer: nop\n", b"\n\n\n"])
def test_an_empty_recording_is_inconclusive(text: bytes, spec: Spec, tmp_path: Path) -> None:
    answer = run(spec, text, tmp_path)
    assert answer.verdict is Conformance.INCONCLUSIVE
    assert answer.calls == 0 and answer.reason


def test_a_limit_is_inconclusive_and_never_a_violation(spec: Spec, tmp_path: Path) -> None:
    answer = audit(spec, changed(OUTGOING, 25, 0, tmp_path), timeout=0.0)
    assert answer.verdict is Conformance.INCONCLUSIVE
    assert "not complete" in answer.reason


# ---- the command ------------------------------------------------------------------------------------------------


def schema() -> Draft202012Validator:
    from importlib.resources import files

    return Draft202012Validator(json.loads((files("luocheck.report") / "schemas" / "audit.schema.json").read_text()))


def test_the_demo_conforms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "linux_7_3", "demo"]) == 0
    assert "verdict conforms" in capsys.readouterr().out


def test_the_documents_fit_their_schema(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bad = changed(OUTGOING, 16, 0, tmp_path)
    for argv, status in (
        (["audit", "linux_7_3", "demo", "--json"], 0),
        (["audit", "linux_7_3", bad, "--begins", "cold", "--json"], 1),
        (["audit", "linux_7_3", "demo", str(tmp_path / "missing"), bad, "--begins", "cold", "--json"], 2),
    ):
        assert main(argv) == status
        document = json.loads(capsys.readouterr().out)
        schema().validate(document)
        if status == 1:
            assert document["verdict"] == "violated" and "EEXIST at dup" in document["findings"][0]["allowed"]


def test_a_violation_is_told_with_its_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bad = changed(OUTGOING, 25, 0, tmp_path)
    assert main(["audit", "linux_7_3", bad, "--begins", "cold"]) == 1
    out = capsys.readouterr().out
    assert f"{bad}:25" in out and "EEXIST at used" in out and "verdict violated" in out


def test_an_empty_file_exits_3_and_a_missing_one_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"")
    assert main(["audit", "linux_7_3", str(empty)]) == 3
    assert main(["audit", "linux_7_3", str(tmp_path), "--jobs", "1"]) == 3  # a folder with an empty file
    assert main(["audit", "linux_7_3", str(tmp_path / "no")]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_packaged_recording_is_the_vendored_one() -> None:
    assert demo_capture().read_bytes() == gzip.decompress((CAPTURES / OUTGOING).read_bytes())
