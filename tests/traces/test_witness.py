"""Witnesses of audits: what is written is read back, and what shows conformance is accepted and nothing else."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from luocheck.cli import witnesses
from luocheck.cli.main import main
from luocheck.demo import demo_capture
from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.decode import decode
from luocheck.traces.replay.handles import CallBytes
from luocheck.traces.replay.world import Beginning
from luocheck.traces.witness import AuditWitness, Began, Element, Fact, dump, parse, read
from luocheck.traces.witness_check import WitnessCheck, check_witness
from luocheck.traces.witness_run import Malformed, Play, judged

sys.path.insert(0, str(Path(__file__).parent))
shared = import_module("witnessed")
SHORT = shared.SHORT
WITNESS = shared.WITNESS
ROOT = shared.ROOT
checked = shared.checked
changed_capture = shared.changed_capture
without_hash = shared.without_hash
capture = shared.capture
called = shared.called
fact = shared.fact
line = shared.line
step = shared.step

maker = import_module("witness_maker")
made = maker.made
CAPTURES = Path(__file__).parent / "captures"


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


@pytest.fixture
def short() -> dict[str, Any]:
    return shared.hand_made()  # type: ignore[no-any-return]


# ---- what is right ----------------------------------------------------------------------------------------------------


def test_the_hand_made_witness_is_accepted(spec: Spec, short: dict[str, Any]) -> None:
    assert checked(spec, short) == WitnessCheck(calls=5, steps=6, states=1)


def test_what_is_written_is_read_back_and_fits_its_schema(spec: Spec, short: dict[str, Any]) -> None:
    schema = json.loads((ROOT / "luocheck" / "report" / "schemas" / "audit-witness.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    witness = parse(short, "w.json")
    assert dump(witness) == short
    Draft202012Validator(schema).validate(short)
    whole = made(spec, str(demo_capture()))
    Draft202012Validator(schema).validate(dump(whole))
    assert parse(json.loads(json.dumps(dump(whole))), "w.json") == whole


@pytest.mark.parametrize(
    "name", ["demo", "agent-killed/afterkill.one", "collisions/fprobe-with-fgraph.one", "kexec-happy/stage1.one"]
)
def test_witnesses_made_by_brute_force_are_accepted(name: str, spec: Spec) -> None:
    capture = str(demo_capture()) if name == "demo" else str(CAPTURES / f"{name}.trace.txt.gz")
    witness = made(spec, capture)
    assert len(witness.steps) >= 3
    result = check_witness(spec, witness, capture, "w.json")
    assert result.accepted, result


def test_strings_that_are_no_utf_8_survive(short: dict[str, Any]) -> None:
    short["scope"]["Name"] = [{"name": "name", "bytes": "ff00"}]
    witness = parse(short, "w.json")
    assert witness.scope["Name"][0].value == b"\xff\x00" and dump(witness) == short


WRONG = [(13, -16), (14, 0), (14, -5), (15, -17), (16, 0), (16, -14), (17, 0), (18, -17), (22, -22)]
"""Lines of the packaged recording, with results that the kernel cannot have given there."""


def changed_demo(number: int, result: int, folder: Path) -> str:
    lines = demo_capture().read_text(encoding="utf-8").split("\n")
    before = lines[number - 1]
    lines[number - 1] = re.sub(r"ret=-?\d+$", f"ret={result}", before)
    assert lines[number - 1] != before
    path = folder / "changed.txt"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("number", "result"), WRONG)
def test_what_replay_refutes_has_no_witness(number: int, result: int, spec: Spec, tmp_path: Path) -> None:
    """Two searches that share nothing but the decoder: the one of `audit`, and all sequences of steps that the checker would accept."""
    capture = changed_demo(number, result, tmp_path)
    assert audit(spec, capture, beginning=Beginning.COLD).verdict is Conformance.VIOLATED
    with pytest.raises(maker.NoWitness):
        made(spec, capture)


@pytest.mark.nightly
@pytest.mark.parametrize(("number", "result"), [(25, 0), (25, -16), (25, -2), (25, -22), (27, 0), (27, -16)])
def test_what_replay_refutes_later_has_no_witness(number: int, result: int, spec: Spec, tmp_path: Path) -> None:
    test_what_replay_refutes_has_no_witness(number, result, spec, tmp_path)


# ---- a warm beginning, a fork, overlapping calls ------------------------------------------------------------------------


@pytest.fixture
def warm(short: dict[str, Any], tmp_path: Path) -> tuple[dict[str, Any], str]:
    """Another kernel handed a session with one file over; it is taken, and the file too."""
    path = capture(
        tmp_path,
        line(68, 1, "dev_open: (misc_open+0xd4/0x110 <- luo_open) ret=0"),
        line(68, 2, 'ioctl: (f+0x1/0x2 <- luo_ioctl) dfd=3 cmd=0xba01 size=72 fd=4 name="vm" ret=0'),
        line(68, 3, 'session_ioctl: (f+0x1/0x2 <- luo_session_ioctl) sfd=4 session="vm" cmd=0xba41 size=16 fd=5 token=0x1 ret=0'),
    )
    witness = without_hash(short)
    witness["recording"]["begins"] = "warm"
    witness["initial"] = {
        "alive": ["first", "entry"],
        "facts": [
            fact("enabled", True),
            fact("handed", True),
            fact("sessions", ["first"]),
            fact("name", "name", Session="first"),
            fact("side", "HANDED", Session="first"),
            fact("files", ["entry"], Session="first"),
            fact("token", "token", Entry="entry"),
            fact("what", "memfd", Entry="entry"),
            fact("saved", True, File="memfd"),
        ],
    }
    witness["files"] = [{"file": 1, "element": "first"}, {"file": 2, "element": "memfd"}]
    witness["steps"] = [
        step(0, [3, 3], "OPEN", {"a": "agent"}),
        step(1, [3, 4], "RETRIEVE_SESSION", {"a": "agent", "n": "name"}, "first"),
        step(2, [4, 5], "RETRIEVE_FD", {"a": "agent", "s": "first", "t": "token"}, "memfd"),
    ]
    return witness, path


def test_what_an_earlier_kernel_handed_over_is_a_part_of_the_witness(spec: Spec, warm: tuple[dict[str, Any], str]) -> None:
    witness, path = warm
    assert checked(spec, witness, path) == WitnessCheck(calls=3, steps=3, states=1)


@pytest.mark.parametrize(
    ("number", "value", "why"),
    [
        (3, None, "RETRIEVE_SESSION cannot return OK here; it can return EMFILE at no_fd, ENOENT at missing"),
        (5, [], "RETRIEVE_FD cannot return OK here"),
        (6, None, "RETRIEVE_FD cannot return OK here"),
    ],
)
def test_other_facts_about_it_are_not_enough(
    number: int, value: Any, why: str, spec: Spec, warm: tuple[dict[str, Any], str]
) -> None:
    witness, path = warm
    witness["initial"]["facts"][number]["value"] = value
    assert why in (checked(spec, witness, path).gap or "")


def test_only_a_warm_kernel_has_it(spec: Spec, warm: tuple[dict[str, Any], str]) -> None:
    witness, path = warm
    witness["recording"]["begins"] = "cold"
    with pytest.raises(SpecError, match=r"is not open at the beginning of a recording that begins cold|cannot be there"):
        checked(spec, witness, path)


@pytest.fixture
def forked(short: dict[str, Any], tmp_path: Path) -> tuple[dict[str, Any], str]:
    """A process opens the device, forks and closes its descriptor; so only the child still has the device."""
    device = 'sys_openat(dfd: 4294967196, filename: 140727 "/dev/liveupdate", flags: O_RDWR)'
    path = capture(
        tmp_path,
        *called(68, 1, device, 3),
        line(68, 3, "sched_process_fork: comm=a pid=68 child_comm=a child_pid=69"),
        *called(68, 4, "sys_close(fd: 3)", 0),
        *called(69, 6, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0x7ffc)", 0),
    )
    witness = without_hash(short)
    witness["recording"]["threads_share"] = False
    witness["scope"]["Agent"] = [{"name": "agent", "number": 68}, {"name": "child", "number": 69}]
    witness["files"] = []
    witness["steps"] = [
        step(0, [3, 4], "OPEN", {"a": "agent"}),
        step(1, [5, 5], "PASS_DEV", {"a": "agent", "b": "child"}),
        step(2, [6, 7], "CLOSE_DEV", {"a": "agent"}),
        step(3, [8, 9], "CREATE_SESSION", {"a": "child", "n": "name"}, "first"),
    ]
    return witness, path


def test_a_fork_hands_on_every_descriptor(spec: Spec, forked: tuple[dict[str, Any], str]) -> None:
    witness, path = forked
    assert checked(spec, witness, path).accepted
    del witness["steps"][1]
    assert "process 69 (forked in line 5) did not get all descriptors of its parent" in (checked(spec, witness, path).gap or "")
    witness["scope"]["Agent"].pop()
    witness["steps"].pop()
    assert not checked(spec, witness, path).accepted


def test_every_descriptor_is_handed_on(spec: Spec, short: dict[str, Any], tmp_path: Path) -> None:
    """The child gets the device, but not the session."""
    device = 'sys_openat(dfd: 4294967196, filename: 140727 "/dev/liveupdate", flags: O_RDWR)'
    path = capture(
        tmp_path,
        *called(68, 1, device, 3),
        *called(68, 3, "sys_ioctl(fd: 3, cmd: 0xba00, arg: 0x7ffc)", 0),
        line(68, 5, "sched_process_fork: comm=a pid=68 child_comm=a child_pid=69"),
    )
    witness = without_hash(short)
    witness["recording"]["threads_share"] = False
    witness["scope"]["Agent"] = [{"name": "agent", "number": 68}, {"name": "child", "number": 69}]
    witness["files"] = []
    witness["steps"] = [
        step(0, [3, 4], "OPEN", {"a": "agent"}),
        step(1, [5, 6], "CREATE_SESSION", {"a": "agent", "n": "name"}, "first"),
        step(2, [7, 7], "PASS_DEV", {"a": "agent", "b": "child"}),
        step(2, [7, 7], "PASS", {"a": "agent", "b": "child", "s": "first"}),
    ]
    assert checked(spec, witness, path).accepted
    del witness["steps"][3]
    result = checked(spec, witness, path)
    assert "did not get all descriptors of its parent" in (result.gap or "") and result.step == 3


@pytest.mark.parametrize(("result", "accepted"), [(-22, True), (-25, False), (0, False)])
def test_a_number_that_the_abi_does_not_know_is_refused_as_it_says(
    result: int, accepted: bool, spec: Spec, short: dict[str, Any], tmp_path: Path
) -> None:
    path = capture(
        tmp_path,
        line(68, 1, "dev_open: (misc_open+0xd4/0x110 <- luo_open) ret=0"),
        line(68, 2, f"ioctl: (f+0x1/0x2 <- luo_ioctl) dfd=3 cmd=0xba02 size=72 ret={result}"),
    )
    witness = without_hash(short)
    witness["files"], witness["steps"] = [], [step(0, [3, 3], "OPEN", {"a": "agent"})]
    found = checked(spec, witness, path)
    assert found.accepted == accepted, found
    assert accepted or "the number 0xba02 (line 4) was not refused as the abi says" in (found.gap or "")


def test_whoever_makes_a_recorded_call_has_not_exited(spec: Spec, short: dict[str, Any], tmp_path: Path) -> None:
    opened = "dev_open: (misc_open+0xd4/0x110 <- luo_open) ret=0"
    path = capture(tmp_path, line(68, 1, opened), line(68, 2, opened))
    witness = without_hash(short)
    first, second = step(0, [3, 3], "OPEN", {"a": "agent"}), step(1, [3, 4], "OPEN", {"a": "agent"})
    witness["files"], witness["steps"] = [], [first, step(None, [], "CLOSE_DEV", {"a": "agent"}), second]
    assert checked(spec, witness, path).accepted
    witness["steps"][1]["event"] = "EXIT"
    result = checked(spec, witness, path)
    assert "`agent` makes a recorded call afterwards" in (result.gap or "") and result.step == 2


def test_what_the_recorder_does_not_show_may_have_happened(spec: Spec, short: dict[str, Any], tmp_path: Path) -> None:
    """Without the event for opens, the open is a step that nobody recorded; with it, it would be on record."""
    opened = "dev_open: (misc_open+0xd4/0x110 <- luo_open) ret=0"
    created = 'ioctl: (f+0x1/0x2 <- luo_ioctl) dfd=3 cmd=0xba00 size=72 fd=4 name="vm" ret=0'
    path = capture(tmp_path, line(68, 1, created))
    witness = without_hash(short)
    create = step(0, [3, 3], "CREATE_SESSION", {"a": "agent", "n": "name"}, "first")
    witness["files"], witness["steps"] = [{"file": 1, "element": "first"}], [step(None, [], "OPEN", {"a": "agent"}), create]
    assert checked(spec, witness, path).accepted
    path = capture(tmp_path, line(68, 1, created), line(68, 2, opened.replace("ret=0", "ret=-16")))
    late = {**step(1, [3, 4], "OPEN", {"a": "agent"}), "outcome": "EBUSY", "label": "busy"}
    witness["steps"].append(late)
    assert "the recorder would have shown OPEN" in (checked(spec, witness, path).gap or "")


def test_an_open_file_stands_for_a_session_of_the_recorded_name(spec: Spec, short: dict[str, Any], tmp_path: Path) -> None:
    path = changed_capture('sfd=4 session="vm"', 'sfd=9 session="vx"', tmp_path)
    number = decode(path, spec.system.abi, format="ftrace", threads_share=True).calls[3].on
    assert number is not None and number.label == b"vx"
    witness = without_hash(short)
    witness["files"] = [each for each in witness["files"] if each["file"] != number.number]
    witness["files"].append({"file": number.number, "element": "first"})
    result = checked(spec, witness, path)
    assert not result.accepted and result.step == 4, result


def test_overlapping_calls_may_take_effect_in_either_order(spec: Spec, short: dict[str, Any], tmp_path: Path) -> None:
    device = 'sys_openat(dfd: 4294967196, filename: 140727 "/dev/liveupdate", flags: O_RDWR)'
    first, second = called(68, 1, device, 3), called(69, 2, device, -16)
    path = capture(tmp_path, first[0], second[0], second[1], first[1])
    witness = without_hash(short)
    witness["scope"]["Agent"] = [{"name": "agent", "number": 68}, {"name": "other", "number": 69}]
    busy = {**step(1, [4, 5], "OPEN", {"a": "other"}), "outcome": "EBUSY", "label": "busy"}
    witness["files"], witness["steps"] = [], [step(0, [3, 6], "OPEN", {"a": "agent"}), busy]
    assert checked(spec, witness, path).accepted
    witness["steps"].reverse()  # in time, but nobody has the device yet
    assert "OPEN cannot return EBUSY at busy here" in (checked(spec, witness, path).gap or "")


# ---- what the bytes decide, graphs, numbers -----------------------------------------------------------------------------


def test_what_the_bytes_decide_is_what_replay_has_them_decide(spec: Spec) -> None:
    """Written twice on purpose: here they are compared for every ioctl of two abis, member by member."""
    for abi in (spec.system.abi, load("rfc_v2").system.abi):
        for ioctl in abi.ioctls:
            values = [
                [None, 0, 1] if m.role != "size" else [None, ioctl.size - 1, ioctl.size, ioctl.size + 1] for m in ioctl.fields
            ]
            for chosen in product(*values):
                given = {m.name: value for m, value in zip(ioctl.fields, chosen, strict=True) if value is not None}
                ends = CallBytes(abi, ioctl, given).refusals()
                assert judged(abi, ioctl, given) == (frozenset(each for each in ends if each is not None), None in ends), (
                    ioctl,
                    given,
                )


def play(name: str, **scope: list[Element]) -> Any:
    def made_of(graph: list[tuple[str, str]], *facts: Fact) -> Play:
        sorts = {sort: tuple(elements) for sort, elements in scope.items()}
        whole = AuditWitness(name, None, "x", None, "ftrace", True, Began.COLD, sorts, {"needs": tuple(graph)}, (), facts, {}, ())
        return Play(load(name).system, whole)

    return made_of


def test_the_graph_of_a_witness_is_one_of_the_spec() -> None:
    files = [Element("f"), Element("g"), Element("h")]
    of = play("rfc_v2", File=files)
    made_of = of([("f", "g"), ("g", "h")]).player.program.instance
    assert made_of.edges[0] == {(0, 1), (1, 2)} and (0, 2) in made_of.closure[0]
    with pytest.raises(Malformed, match="has a circle"):
        of([("f", "g"), ("g", "f")])
    with pytest.raises(Malformed, match="no `x` of sort `File`"):
        of([("f", "x")])


def test_elements_of_an_ordered_sort_stand_at_their_own_place() -> None:
    assert play("rfc_v2", Token=[Element("zero", 0), Element("one", 1)])([]).elements["one"][1] == 1
    with pytest.raises(Malformed, match="each must stand at its own place"):
        play("rfc_v2", Token=[Element("one", 1), Element("zero", 0)])([])


# ---- the command ------------------------------------------------------------------------------------------------------


def test_the_command_tells_what_came_of_it(capsys: pytest.CaptureFixture[str], short: dict[str, Any], tmp_path: Path) -> None:
    argv = ["audit", "linux_7_3", SHORT, "--check-witness"]
    assert main([*argv, str(WITNESS)]) == 0
    assert "witness accepted by the reference interpreter" in capsys.readouterr().out
    short["steps"][2]["label"] = "name"
    lie = tmp_path / "lie.json"
    lie.write_text(json.dumps(short), encoding="utf-8")
    assert main([*argv, str(lie)]) == 1
    assert "error[LUO731]: step 3 (CREATE_SESSION): CREATE_SESSION cannot return EEXIST at name" in " ".join(
        capsys.readouterr().out.split()
    )
    schema = json.loads((ROOT / "luocheck" / "report" / "schemas" / "audit.schema.json").read_text(encoding="utf-8"))
    assert main([*argv, str(lie), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    Draft202012Validator(schema).validate(document)
    assert document["verdict"] == "rejected" and document["step"] == 3


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"schema": "luocheck/1", "kind": "audit-witness"}', b"9" * 5000]
)
def test_what_is_no_witness_is_an_error(text: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.json"
    path.write_bytes(text)
    assert main(["audit", "linux_7_3", SHORT, "--check-witness", str(path)]) == 2
    assert "error[LUO730]" in capsys.readouterr().err


def test_a_witness_that_is_not_there_and_two_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SpecError, match="LUO730"):
        read(str(tmp_path / "no.json"))
    assert main(["audit", "linux_7_3", SHORT, SHORT, "--check-witness", str(WITNESS)]) == 2
    assert "a witness is about one recording" in capsys.readouterr().err
    assert main(["audit", "linux_7_3", SHORT, SHORT, "--witness", str(tmp_path / "w.json")]) == 2
    assert "a witness is about one recording" in capsys.readouterr().err


def test_an_answer_without_a_witness_writes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = changed_capture("ret=-17", "ret=-16", tmp_path)
    assert main(["audit", "linux_7_3", wrong, "--begins", "cold", "--witness", str(tmp_path / "w.json")]) == 1
    assert "no witness is written, the verdict is violated" in capsys.readouterr().err
    assert not (tmp_path / "w.json").exists()


def test_a_witness_of_an_answer_is_written_and_accepted(spec: Spec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = replace(audit(spec, SHORT), witness=read(str(WITNESS)))
    witnesses.write(str(tmp_path / "w.json"), answer)
    assert main(["audit", "linux_7_3", SHORT, "--check-witness", str(tmp_path / "w.json")]) == 0
    with pytest.raises(SpecError, match="LUO610"):
        witnesses.write(str(tmp_path / "no" / "w.json"), answer)
