"""Scenarios as recordings: `audit` accepts them, and the other spec's audit does not accept what tells it apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from scenario.covered import covered

from luocheck.checker.explore.limits import Limits
from luocheck.checker.scenarios.answer import Chosen
from luocheck.checker.scenarios.choosing import covering, distinguishing, played, reaching, violating
from luocheck.checker.scenarios.finding import Search
from luocheck.generate.calls import Calls
from luocheck.generate.capture import captures
from luocheck.model.errnos import GENERIC
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import AuditAnswer, Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Kind
from luocheck.traces.decode import decode
from luocheck.traces.replay.world import Beginning


def audited(spec: Spec, texts: Sequence[str], place: Path, beginning: Beginning | None = Beginning.COLD) -> AuditAnswer:
    """The recordings of the kernels of a scenario, replayed as one."""
    files = []
    for number, text in enumerate(texts, start=1):
        files.append(place / f"kernel{number}.trace.txt")
        files[-1].write_text(text)
    return audit(spec, [str(file) for file in files], beginning=beginning)


@cache
def merged() -> Spec:
    return load("linux_7_3")


def test_the_covering_set_of_linux_7_3_is_accepted(tmp_path: Path) -> None:
    for chosen in covered("linux_7_3")[1].scenarios:
        answer = audited(merged(), captures(merged(), chosen), tmp_path)
        assert answer.verdict is Conformance.CONFORMS, (answer.reason, answer.findings)
        shown = [call for call in Calls(merged().system, chosen.witness).made() if call.way not in ("outside", "pass")]
        assert answer.calls == len(shown)


@pytest.mark.nightly
def test_the_covering_set_of_rfc_v2_is_accepted(tmp_path: Path) -> None:
    spec = load("rfc_v2")
    for chosen in covering(spec, Search(), Limits()).scenarios:
        for text in captures(spec, chosen):
            # not taken to be cold: a subsystem that no call names is not there in a cold kernel, and here its callbacks fail
            assert audited(spec, [text], tmp_path, None).verdict is Conformance.CONFORMS, chosen.text


@pytest.mark.parametrize("claim", ["finish_releases_memory", "prepared_once", "failed_restore_consumes_nothing"])
def test_what_breaks_a_claim_is_accepted(claim: str, tmp_path: Path) -> None:
    spec = load("rfc_v2")
    (chosen,) = violating(spec, claim, Search(), Limits()).scenarios
    assert audited(spec, captures(spec, chosen), tmp_path).verdict is Conformance.CONFORMS


def test_one_errno_that_is_another_is_not_accepted(tmp_path: Path) -> None:
    (chosen,) = reaching(merged(), "handed_over", Search(), Limits()).scenarios
    (text,) = captures(merged(), chosen)
    assert audited(merged(), [text], tmp_path).verdict is Conformance.CONFORMS
    wrong = text.replace(" ret=0", f" ret={-GENERIC['EXDEV']}", 1).replace("sys_ioctl -> 0x0", "sys_ioctl -> 0xffffffffffffffee", 1)
    answer = audited(merged(), [wrong], tmp_path)
    assert answer.verdict is Conformance.VIOLATED and answer.findings[0].observed == "EXDEV"


def test_what_tells_two_specs_apart_is_accepted_by_one_of_them(tmp_path: Path) -> None:
    spec, other = load("linux_7_1"), merged()
    (chosen,) = distinguishing(spec, other, Search(), Limits()).scenarios
    (text,) = captures(spec, chosen)
    assert audited(spec, [text], tmp_path).verdict is Conformance.CONFORMS
    answer = audited(other, [text], tmp_path)
    assert answer.verdict is Conformance.VIOLATED
    assert answer.findings[0].event == chosen.witness.steps[-1].event


def shared() -> Chosen:
    """A session that one agent hands to another, which preserves a file of the first one in it, and leaves."""
    text = """scenario "handed" in scope story { let a: Agent; let b: Agent; let n: Name; let f: File; let t: Token; given f.known;
        OPEN(a) = OK; CREATE_SESSION(a, n) = OK gives s; PRESERVE_FD(a, s, f, t) = OK; PASS(a, b, s) = OK; CLOSE(a, s) = OK;
        PRESERVE_FD(b, s, f, t) = EEXIST at used; EXIT(b) = OK; REBOOT(a) = OK; }"""
    (chosen,) = played(merged(), Source("handed.scenario", text), Search()).scenarios
    return chosen


def test_descriptors_are_those_of_processes(tmp_path: Path) -> None:
    (text,) = captures(merged(), shared())
    file = tmp_path / "made.trace.txt"
    file.write_text(text)
    calls = decode(str(file), merged().system.abi).calls
    preserved = [call for call in calls if call.event == "PRESERVE_FD"]
    assert len({call.process for call in preserved}) == 2
    assert [call.kind for call in calls if call.kind in (Kind.EXIT, Kind.REBOOT)] == [Kind.EXIT, Kind.REBOOT]
    assert audited(merged(), [text], tmp_path).verdict is Conformance.CONFORMS
