"""What is made up from the spec is read back as it was made, in every layout, and conforms."""

from __future__ import annotations

from pathlib import Path

import pytest
from trust.brute import Replayer
from trust.generate import RECORDERS, SIZES, Made, Walk, events_of
from trust.printing import LAYOUTS, printed

from luocheck.model.spec import Spec, load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Kind, Recording
from luocheck.traces.decode import decode


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


@pytest.fixture(scope="module")
def replayer(spec: Spec) -> Replayer:
    return Replayer(spec.system, SIZES, 2)


def read(made: bytes, spec: Spec, path: Path) -> Recording:
    path.write_bytes(made)
    return decode(str(path), spec.system.abi, threads_share=True)


def expected(calls: list[Made], recorder: str) -> list[tuple[object, ...]]:
    """What the recorder shows of the calls: only the members of the struct that its size covers, and nothing of it for `sys`."""
    shown = []
    for call in sorted(calls, key=lambda call: call.begin):
        given = {} if recorder == "sys" else {"size": 4} if call.given.get("size") == 4 else call.given
        shown.append((_event(call.event), call.thread, call.descriptor, given, call.result))
    return shown


def seen(recording: Recording) -> list[tuple[object, ...]]:
    calls = [call for call in recording.calls if not call.inferred]
    return [
        (_event(c.event), c.thread, None if c.kind is Kind.OPEN else c.fd, dict(c.given), c.result)
        for c in sorted(calls, key=lambda call: call.enter.line)
    ]


def _event(name: str | None) -> str:
    """What a closed descriptor was is seen only when something was done with it."""
    return "CLOSE" if name is None else name


@pytest.mark.parametrize("recorder", RECORDERS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_read_back(layout: str, recorder: str, spec: Spec, replayer: Replayer, tmp_path: Path) -> None:
    for seed in range(3):
        calls = Walk(replayer, seed, threads=3 if "tgid" in layout else 2).calls
        recording = read(printed(events_of(calls, spec.system, recorder), layout), spec, tmp_path / "trace.txt")
        assert seen(recording) == expected(calls, recorder)


def check(spec: Spec, replayer: Replayer, path: Path, seed: int, *, threads: int, warm: bool, recorder: str) -> Conformance:
    walk = Walk(replayer, seed, threads=threads, warm=warm)
    path.write_bytes(printed(events_of(walk.calls, spec.system, recorder), "record-tgid"))
    answer = audit(spec, str(path), timeout=60)
    assert answer.verdict is not Conformance.VIOLATED, (seed, answer.findings, path.read_text("latin-1"))
    return answer.verdict


@pytest.mark.parametrize("recorder", RECORDERS)
@pytest.mark.parametrize("warm", [False, True])
def test_what_the_spec_does_conforms(warm: bool, recorder: str, spec: Spec, replayer: Replayer, tmp_path: Path) -> None:
    verdicts = [check(spec, replayer, tmp_path / "t", seed, threads=2, warm=warm, recorder=recorder) for seed in range(4)]
    assert verdicts.count(Conformance.CONFORMS) >= 3


@pytest.mark.nightly
@pytest.mark.parametrize("recorder", RECORDERS)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("warm", [False, True])
def test_what_the_spec_does_conforms_many(
    warm: bool, threads: int, recorder: str, spec: Spec, replayer: Replayer, tmp_path: Path
) -> None:
    verdicts = [check(spec, replayer, tmp_path / "t", s, threads=threads, warm=warm, recorder=recorder) for s in range(100, 140)]
    assert verdicts.count(Conformance.CONFORMS) >= 30
