"""Witnesses of kernels that followed each other: one run of the spec over all of them, and lies about any of them are found."""

from __future__ import annotations

import copy
import gzip
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import luocheck
from luocheck.cli.main import main
from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.decode import decode
from luocheck.traces.replay.certify import NotExplained, certify
from luocheck.traces.replay.history import HistorySearch
from luocheck.traces.replay.search import Search
from luocheck.traces.replay.world import Beginning
from luocheck.traces.witness import dump, parse
from luocheck.traces.witness_check import WitnessCheck, check_witness

sys.path.insert(0, str(Path(__file__).parent))
shared = import_module("witnessed")
places = import_module("test_witness_lies").places
VALUES = import_module("test_witness_lies").VALUES

CAPTURES = Path(__file__).parent / "captures"
HAPPY, LOST = CAPTURES / "kexec-happy", CAPTURES / "kexec-session-lost"
PERSIST = "persist.stage2.after-define.txt.gz"
PAIR = [str(HAPPY / PERSIST), str(HAPPY / "stage2.one.trace.txt.gz")]
UNSEEN = [str(HAPPY / "stage1.one.trace.txt.gz"), PAIR[1]]
"""The first recording ends before the reboot."""
SCHEMA = json.loads((shared.ROOT / "luocheck" / "report" / "schemas" / "audit-witness.schema.json").read_text(encoding="utf-8"))
ALL = sorted(
    (str(first.relative_to(CAPTURES)), str(second.relative_to(CAPTURES)))
    for folder in (HAPPY, LOST, CAPTURES / "kexec-strace")
    for first in [*folder.glob("persist.*"), *folder.glob("stage1*")]
    for second in folder.glob("stage2.*")
    if ".truth." not in first.name and ".truth." not in second.name
)

Document = dict[str, Any]
Lie = Callable[[Document], None]


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


def told(spec: Spec, captures: list[str]) -> Document:
    """The witness of what conforms, without hashes."""
    answer = audit(spec, captures, witness=True)
    assert answer.verdict is Conformance.CONFORMS and answer.witness is not None, answer.unwitnessed
    document = dump(answer.witness)
    for each in (document, *document["then"]):
        each["recording"]["sha256"] = None
    return document


@pytest.fixture(scope="module")
def _pair(spec: Spec) -> Document:
    return told(spec, PAIR)


@pytest.fixture
def pair(_pair: Document) -> Document:
    return copy.deepcopy(_pair)


@pytest.fixture(scope="module")
def _unseen(spec: Spec) -> Document:
    return told(spec, UNSEEN)


@pytest.fixture
def unseen(_unseen: Document) -> Document:
    return copy.deepcopy(_unseen)


def checked(spec: Spec, witness: Document, captures: list[str]) -> WitnessCheck:
    return check_witness(spec, parse(witness, "w.json"), captures, "w.json")


# ---- what is right ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "captures",
    [PAIR, UNSEEN, [str(LOST / PERSIST), str(LOST / "stage2.one.trace.txt.gz")], [PAIR[0], str(HAPPY / "stage2.sys.trace.txt.gz")]],
    ids=["shown", "unseen", "lost", "other recorder"],
)
def test_kernels_that_conform_have_a_witness(captures: list[str], spec: Spec) -> None:
    answer = audit(spec, captures, witness=True)
    assert answer.witness is not None and len(answer.witness.then) == 1, answer.unwitnessed
    assert all(each.capture_sha256 is not None for each in answer.witness.kernels)
    document = dump(answer.witness)
    Draft202012Validator(SCHEMA).validate(document)
    written = parse(json.loads(json.dumps(document)), "w.json")
    assert written == answer.witness
    result = check_witness(spec, written, captures, "w.json")
    assert result.accepted and result.calls == answer.calls and result.steps == len(written.all_steps), result
    assert written.steps[-1].event == "REBOOT" and written.then[0].steps


def test_what_is_handed_over_keeps_its_name(pair: Document) -> None:
    (after,) = pair["then"]
    created = {step["gives"] for step in pair["steps"] if step["event"] == "CREATE_SESSION"}
    retrieved = {step["gives"] for step in after["steps"] if step["event"] == "RETRIEVE_SESSION" and step["gives"]}
    assert created == retrieved and len(created) == 3
    assert not {each["name"] for each in after["processes"]} & {step["arguments"].get("a") for step in pair["steps"]}


def test_a_reboot_that_is_shown_is_a_recorded_call(pair: Document, unseen: Document) -> None:
    assert pair["steps"][-1]["call"] is not None
    assert unseen["steps"][-1]["call"] is None


@pytest.mark.nightly
@pytest.mark.parametrize("captures", ALL, ids=["-".join(each) for each in ALL])
def test_whatever_conforms_has_a_witness(captures: tuple[str, str], spec: Spec) -> None:
    files = [str(CAPTURES / each) for each in captures]
    try:
        answer = audit(spec, files, witness=True)
    except SpecError:
        return  # no recording
    assert (answer.witness is not None) == (answer.verdict is Conformance.CONFORMS), answer
    if answer.witness is not None:
        result = check_witness(spec, answer.witness, files, "w.json")
        assert result.accepted, result


def test_three_kernels(spec: Spec, tmp_path: Path) -> None:
    """The second kernel makes a session of the same name as the first one did, and that one is what the third one has."""
    device = shared.line(68, 1, "dev_open: (misc_open+0xd4/0x110 <- luo_open) ret=0")
    create, retrieve = (
        shared.line(68, 2, f'ioctl: (f+0x1/0x2 <- luo_ioctl) dfd=3 cmd={number:#x} size=72 fd=4 name="vm" ret=0')
        for number in (0xBA00, 0xBA01)
    )
    captures = []
    for name, call in (("first", create), ("second", create), ("third", retrieve)):
        captures.append(str(tmp_path / f"{name}.txt"))
        Path(captures[-1]).write_text(f"# tracer: nop\n#\n{device}\n{call}\n", encoding="utf-8")
    document = told(spec, captures)
    assert [len(each["steps"]) for each in (document, *document["then"])] == [3, 3, 2]
    assert checked(spec, document, captures) == WitnessCheck(calls=6, steps=8, states=1)
    assert not checked(spec, document, [captures[0], captures[2], captures[1]]).accepted
    last = document["then"][1]
    first, second = document["steps"][1]["gives"], document["then"][0]["steps"][1]["gives"]
    assert last["steps"][1]["gives"] == second != first
    last["steps"][1]["gives"] = first
    assert "RETRIEVE_SESSION does not give" in (checked(spec, document, captures).gap or "")


def test_the_beginning_of_the_first_kernel_is_open_as_for_one(spec: Spec) -> None:
    """The second kernel's recording finds what the first one's kernel had been handed, or had made before its recording."""
    for beginning in (Beginning.WARM, Beginning.RUNNING):
        answer = audit(spec, PAIR, beginning=beginning, witness=True)
        assert answer.witness is not None and answer.witness.begins.name == beginning.name, answer.unwitnessed
        assert check_witness(spec, answer.witness, PAIR, "w.json").accepted


# ---- lies -------------------------------------------------------------------------------------------------------------


def position(steps: list[Document], event: str) -> int:
    return next(number for number, step in enumerate(steps) if step["event"] == event)


def at(kernel: int, event: str, **changes: Any) -> Lie:
    """Changes a step of a kernel."""

    def change(witness: Document) -> None:
        steps = [witness, *witness["then"]][kernel]["steps"]
        steps[position(steps, event)].update(changes)

    return change


def without(kernel: int, event: str) -> Lie:
    def change(witness: Document) -> None:
        steps = [witness, *witness["then"]][kernel]["steps"]
        del steps[position(steps, event)]

    return change


def later_step(witness: Document) -> None:
    """Descriptors that are passed on are on no record."""
    agent, other = witness["steps"][-1]["arguments"]["a"], witness["then"][0]["processes"][0]["name"]
    witness["steps"].append(shared.step(None, [], "PASS_DEV", {"a": agent, "b": other}))


def unrecorded_reboot(witness: Document) -> None:
    witness["steps"][-1] |= {"call": None, "lines": []}


def renamed(witness: Document) -> None:
    """Sessions 0 and 1 are each other in everything that is said of the second kernel."""
    text = json.dumps(witness["then"]).replace("session-0", "session-x").replace("session-1", "session-0")
    witness["then"] = json.loads(text.replace("session-x", "session-1"))


LIES: list[tuple[str, Lie, str]] = [
    ("a call of the first kernel left out", without(0, "PRESERVE_FD"), "has 0 steps"),
    ("a call of the second kernel left out", without(1, "RETRIEVE_FD"), "has 0 steps"),
    ("another result in the first kernel", at(0, "CREATE_SESSION", outcome="EEXIST", label="dup", gives=None), "it returned OK, and not EEXIST"),
    ("another result in the second kernel", at(1, "RETRIEVE_SESSION", outcome="ENOENT", label="missing", gives=None), "it returned OK, and not ENOENT"),
    ("another session in the second kernel", at(1, "RETRIEVE_SESSION", gives="session-2"), "RETRIEVE_SESSION does not give session-2 here"),
    ("the sessions exchanged", renamed, "RETRIEVE_SESSION does not give session-1 here"),
    ("the reboot left out", lambda w: w["steps"].pop(), "the last step here is not the reboot that starts it"),
    ("a reboot that nobody recorded where one is", unrecorded_reboot, "the recorder would have shown REBOOT"),
    ("a step after the reboot", later_step, "the kernel had ended"),
    ("a process of the kernel before", lambda w: w["then"][0].update(processes=[]), "the call was made by process"),
    ("another process", lambda w: w["then"][0]["processes"][0].update(number=1), "the call was made by process"),
    ("a second kernel without LUO", lambda w: w["then"][0]["facts"][0].update(value=False), "OPEN cannot return OK here; it can return ENOENT"),
    ("what the second kernel draws left out", lambda w: w["then"][0].update(facts=[]), "OPEN cannot return OK here; it can return ENOENT"),
    ("open files of the first kernel", lambda w: w["then"][0].update(files=w["files"]), "does not say what the open file|is `"),
    ("the second kernel's name", lambda w: next(each for each in w["scope"]["Name"] if each.get("text") == "vm-alpha").update(text="vm-omega"), "`name` was recorded as \"vm-alpha\""),
]  # fmt: skip


@pytest.mark.parametrize(("lie", "why"), [each[1:] for each in LIES], ids=[each[0] for each in LIES])
def test_a_lie_about_either_kernel_is_found(lie: Lie, why: str, spec: Spec, pair: Document) -> None:
    assert checked(spec, pair, PAIR).accepted
    lie(pair)
    result = checked(spec, pair, PAIR)
    assert not result.accepted and not result.undecided
    assert any(each in (result.gap or "") for each in why.split("|")), result


def test_a_reboot_that_nobody_recorded_is_the_last_step(spec: Spec, unseen: Document) -> None:
    """And only where a kernel follows."""
    steps = unseen["steps"]
    steps.insert(0, steps.pop())
    result = checked(spec, unseen, UNSEEN)
    assert result.step == 1 and "the recorder would have shown REBOOT" in (result.gap or "")
    steps.append(steps.pop(0))
    del unseen["then"]
    result = checked(spec, unseen, UNSEEN[:1])
    assert result.step == len(steps) and "the recorder would have shown REBOOT" in (result.gap or "")
    steps.pop()
    assert checked(spec, unseen, UNSEEN[:1]).accepted


def test_another_recording_of_the_second_kernel_is_not_what_the_witness_says(spec: Spec, pair: Document, tmp_path: Path) -> None:
    lines = gzip.decompress(Path(PAIR[1]).read_bytes()).split(b"\n")
    assert b"vm-alpha" in lines[13] and lines[13].rstrip().endswith(b"ret=0")
    lines[13] = lines[13].rstrip()[: -len(b"ret=0")] + b"ret=-2"
    other = tmp_path / "other.txt"
    other.write_bytes(b"\n".join(lines))
    result = checked(spec, pair, [PAIR[0], str(other)])
    assert not result.accepted and result.step is not None and result.step > len(pair["steps"]), result
    assert (result.gap or "").startswith(f"{other}: ")


def test_the_kernels_have_their_order(spec: Spec, pair: Document) -> None:
    """Also where no hash tells the recordings apart, and where the witness has them in the wrong order itself."""
    assert not checked(spec, pair, PAIR[::-1]).accepted
    swapped = {**pair, **{key: pair["then"][0][key] for key in ("files", "steps")}}
    swapped["then"] = [{**pair["then"][0], "files": pair["files"], "steps": pair["steps"]}]
    assert not checked(spec, swapped, PAIR[::-1]).accepted


@pytest.mark.parametrize("captures", [PAIR[:1], [*PAIR, PAIR[1]]], ids=["one", "three"])
def test_the_number_of_recordings_is_that_of_the_witness(captures: list[str], spec: Spec, pair: Document) -> None:
    with pytest.raises(SpecError, match="LUO732"):
        checked(spec, pair, captures)


MALFORMED: list[tuple[Lie, str]] = [
    (lambda w: w.update(then={}), "`then` should be a list"),
    (lambda w: w["then"][0].pop("steps"), "`then[0]` lacks `steps`"),
    (lambda w: w["then"][0]["recording"].pop("sha256"), "`then[0].recording` lacks `sha256`"),
    (lambda w: w["then"][0]["processes"].append(w["then"][0]["processes"][0]), "should be one process of the recording"),
    (lambda w: w["then"][0]["processes"][0].pop("number"), "should be one process of the recording"),
    (lambda w: w["then"][0]["processes"][0].update(name="session-0"), "no `session-0` of sort `Agent`"),
    (lambda w: w["then"][0]["facts"].append(w["then"][0]["facts"][0]), "is given twice"),
    (lambda w: w["then"][0]["facts"][0].update(field="built"), "is not open when the next kernel boots"),
    (lambda w: w["then"][0]["facts"].extend(f for f in w["initial"]["facts"] if f["field"] == "known"), "is not open when the next"),
    (lambda w: w["then"][0]["files"].append({"file": 1, "element": "session-1"}), "stands for two elements of one sort"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "why"), MALFORMED, ids=[f"{n}: {each[1]}" for n, each in enumerate(MALFORMED)])
def test_what_makes_no_sense_is_an_error(change: Lie, why: str, spec: Spec, pair: Document) -> None:
    change(pair)
    with pytest.raises(SpecError) as error:
        checked(spec, pair, PAIR)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "LUO730" and why in diagnostic.message


@pytest.mark.parametrize("seed", range(2))
def test_whatever_stands_in_a_witness_is_an_answer_or_an_error(seed: int, spec: Spec, pair: Document) -> None:
    random = Random(seed)
    every = [way for way in places(pair["then"], ("then",)) if len(way) > 1]
    for _ in range(20):
        witness = copy.deepcopy(pair)
        *way, last = random.choice(every)
        inside: Any = witness
        for key in way:
            inside = inside[key]
        inside[last] = random.choice(VALUES)
        try:
            result = checked(spec, witness, PAIR)
        except SpecError as error:
            assert {each.code for each in error.diagnostics} <= {"LUO700", "LUO730", "LUO732"}
            continue
        if result.accepted:
            calls = [{step["call"] for step in each["steps"]} for each in (witness, *witness["then"])]
            assert calls == [{step["call"] for step in each["steps"]} for each in (pair, *pair["then"])]


# ---- where there is none, and the command -----------------------------------------------------------------------------


def test_a_kernel_without_calls_has_no_part_of_a_witness(spec: Spec) -> None:
    recording = decode(UNSEEN[0], spec.system.abi)
    with pytest.raises(NotExplained, match="shows no call of the spec"):
        certify(spec.system, [recording, replace(recording, calls=())], Beginning.COLD, True, lambda: None)


def test_an_end_that_is_not_known_is_not_told(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replay goes on with any state then, and that is no run of the spec."""
    monkeypatch.setattr(HistorySearch, "ended", lambda search, later: [])
    monkeypatch.setattr(Search, "ended", lambda search, later: [])
    answer = audit(spec, UNSEEN, witness=True)
    assert answer.witness is None and "what the next one was handed is not known" in answer.unwitnessed, answer


def test_the_command_writes_and_checks_it(spec: Spec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "w.json")
    command = ["audit", "linux_7_3", PAIR[0], "--kernel-b", PAIR[1]]
    assert main([*command, "--witness", file]) == 0
    capsys.readouterr()
    assert main([*command, "--check-witness", file]) == 0
    assert f"calls of {PAIR[0]} then {PAIR[1]}" in " ".join(capsys.readouterr().out.split())
    assert main(["audit", "linux_7_3", PAIR[1], "--kernel-b", PAIR[0], "--check-witness", file]) == 2
    assert "LUO732" in capsys.readouterr().err
    document = json.loads(Path(file).read_text(encoding="utf-8"))
    document["then"][0]["facts"] = []
    Path(file).write_text(json.dumps(document), encoding="utf-8")
    assert main([*command, "--check-witness", file]) == 1
    number = len(document["steps"]) + 1 + position(document["then"][0]["steps"], "OPEN")
    assert f"error[LUO731]: step {number} (OPEN)" in " ".join(capsys.readouterr().out.split())
    assert luocheck.check_witness(spec, PAIR, file).step == number
