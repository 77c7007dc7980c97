"""Every recording that conforms has a witness, and the checker, which shares no code with replay, accepts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import luocheck
from luocheck.cli.main import main
from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.replay.world import Beginning
from luocheck.traces.witness import Began, dump, parse
from luocheck.traces.witness_check import check_witness

CAPTURES = Path(__file__).parent / "captures"
SHORT = str(Path(__file__).parents[2] / "docs" / "examples" / "short.trace.txt")

FEW = [
    ("agent-killed/afterkill.one.trace.txt.gz", Began.COLD),
    ("collisions/fprobe-with-fgraph.one.trace.txt.gz", Began.COLD),
    ("errors-outgoing/errors.one.trace.txt.gz", Began.COLD),
    ("perf/errors.perf-script.txt.gz", Began.COLD),  # a session's descriptor is given as that of a file
    ("concurrent/conc1.one.trace.txt.gz", Began.COLD),
    ("kexec-happy/stage2.one.trace.txt.gz", Began.WARM),
]
ALL = sorted(
    str(path.relative_to(CAPTURES))
    for path in CAPTURES.glob("*/*")
    if path.is_file() and path.suffix != ".md" and ".truth." not in path.name and path.name != "truth.jsonl"
)


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


@pytest.mark.parametrize(("name", "begins"), FEW)
def test_a_conforming_recording_has_a_witness(name: str, begins: Began, spec: Spec) -> None:
    capture = str(CAPTURES / name)
    answer = audit(spec, capture, witness=True)
    assert answer.verdict is Conformance.CONFORMS and answer.witness is not None, answer.unwitnessed
    assert answer.witness.begins is begins
    written = parse(json.loads(json.dumps(dump(answer.witness))), "w.json")
    assert written == answer.witness
    checked = check_witness(spec, written, capture, "w.json")
    assert checked.accepted and checked.steps >= 5, checked


@pytest.mark.nightly
@pytest.mark.parametrize("name", ALL)
def test_whatever_conforms_has_a_witness(name: str, spec: Spec) -> None:
    capture = str(CAPTURES / name)
    try:
        answer = audit(spec, capture, witness=True)
    except SpecError:
        return  # no recording
    assert (answer.witness is not None) == (answer.verdict is Conformance.CONFORMS), answer
    if answer.witness is not None:
        checked = check_witness(spec, answer.witness, capture, "w.json")
        assert checked.accepted, checked


def test_a_kernel_that_had_been_running(spec: Spec) -> None:
    """What was there already is a part of the witness."""
    capture = str(CAPTURES / "kexec-happy/stage2.one.trace.txt.gz")
    answer = audit(spec, capture, beginning=Beginning.RUNNING, witness=True)
    assert answer.witness is not None and answer.witness.begins is Began.RUNNING and answer.witness.alive
    assert check_witness(spec, answer.witness, capture, "w.json").accepted
    cold = audit(spec, SHORT, witness=True)
    assert cold.witness is not None and not cold.witness.alive


def test_a_call_that_nobody_recorded_is_a_step(spec: Spec) -> None:
    """A name is used twice, so its session was closed in between."""
    answer = audit(spec, SHORT, witness=True)
    assert answer.witness is not None
    assert [step.event for step in answer.witness.steps if step.call is None] == ["CLOSE"]
    less = [step for step in dump(answer.witness)["steps"] if step["call"] is not None]
    lacking = parse({**dump(answer.witness), "steps": less}, "w.json")
    assert not check_witness(spec, lacking, SHORT, "w.json").accepted


def test_a_witness_is_made_only_when_it_is_asked_for(spec: Spec) -> None:
    assert audit(spec, SHORT).witness is None
    assert luocheck.audit(spec, SHORT, witness=True).witness is not None


def test_the_command_writes_what_it_then_accepts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, capture = tmp_path / "w.json", str(CAPTURES / "errors-outgoing/errors.one.trace.txt.gz")
    assert main(["audit", "linux_7_3", capture, "--witness", str(file)]) == 0
    assert json.loads(file.read_text(encoding="utf-8"))["kind"] == "audit-witness"
    assert main(["audit", "linux_7_3", capture, "--check-witness", str(file)]) == 0
    assert "witness accepted" in capsys.readouterr().out


def test_promises_that_were_decided_are_told(spec: Spec) -> None:
    """Those about ghosts never are: replay does not follow them."""
    watched = audit(spec, SHORT).watched
    assert watched and set(watched) < {each.name for each in spec.system.properties}


# ---- calls that the recorder did not show -------------------------------------------------------------------------

DEVICE_ONLY = """\
 agent-68 [001] ...1. 3.671622: dev_open: (misc_open+0xd4/0x110 <- luo_open) ret=0
 agent-68 [001] ...1. 3.676592: ioctl: (__x64_sys_ioctl+0x365/0x8f0 <- luo_ioctl) dfd=3 cmd=0xba00 size=72 fd=4 name="a" ret=0
 agent-68 [001] ...1. 3.677872: ioctl: (__x64_sys_ioctl+0x365/0x8f0 <- luo_ioctl) dfd=3 cmd=0xba00 size=72 fd=0 name="b" ret={}
"""


@pytest.mark.parametrize("files", [5])
def test_many_calls_that_nobody_recorded_are_in_the_witness(files: int, tmp_path: Path) -> None:
    """No session can be made once so many files are preserved; the recorder shows the device only."""
    derived = tmp_path / "derived.luo"
    full = f"fail ENOSPC when (number of e: Entry | true) >= {files};"
    derived.write_text(f"spec derived extends linux_7_3;\npatch proc session_create {{ replace full {{ {full} }} }}\n")
    capture = tmp_path / "trace.txt"
    capture.write_text(DEVICE_ONLY.format(-28))
    spec = load(str(derived))
    answer = audit(spec, str(capture), beginning=Beginning.COLD, witness=True)
    assert answer.verdict is Conformance.CONFORMS and answer.witness is not None, answer.unwitnessed
    assert [step.event for step in answer.witness.steps].count("PRESERVE_FD") == files
    assert check_witness(spec, answer.witness, str(capture), "w.json").accepted
    capture.write_text(DEVICE_ONLY.format(-17))
    assert audit(spec, str(capture), beginning=Beginning.COLD).verdict is Conformance.VIOLATED


def test_what_no_end_of_unrecorded_calls_explains_is_not_violated(tmp_path: Path) -> None:
    """That a claimed file is saved, too, is lost where what PRESERVE_FD writes is forgotten."""
    derived = tmp_path / "derived.luo"
    full = "fail ENOSPC when some f: File | f.claimed and not f.saved;"
    derived.write_text(f"spec derived extends linux_7_3;\npatch proc session_create {{ replace full {{ {full} }} }}\n")
    capture = tmp_path / "trace.txt"
    capture.write_text(DEVICE_ONLY.format(-28))
    answer = audit(load(str(derived)), str(capture), beginning=Beginning.COLD)
    assert answer.verdict is Conformance.INCONCLUSIVE and "more unrecorded calls are possible" in answer.reason, answer
