"""Lies in witnesses: each is found, and what makes no sense is an error."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import pytest

from luocheck.model.diagnostics import SpecError
from luocheck.model.spec import Spec, load
from luocheck.traces.audit import audit
from luocheck.traces.witness import dump

sys.path.insert(0, str(Path(__file__).parent))
shared = import_module("witnessed")
SHORT = shared.SHORT
checked = shared.checked
changed_capture = shared.changed_capture
without_hash = shared.without_hash


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


@pytest.fixture
def short() -> dict[str, Any]:
    return shared.hand_made()  # type: ignore[no-any-return]


# ---- what a recording shows otherwise ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "step", "why"),
    [
        ("ret=-17", "ret=0", 3, "it returned OK, and not EEXIST"),
        ("ret=-17", "ret=-22", 3, "it returned EINVAL, and not EEXIST"),
        ("token=0x1", "token=0x2", 4, "`token` was recorded as 0x2, and `token` is not that"),
        ('fd=5 name="vm"', 'fd=5 name="vn"', 6, '`name` was recorded as "vn", and `name` is not that'),
        (
            "3.671622: dev_open: (misc_open+0xd4/0x110 <- luo_open) ret=0",
            "3.671622: x: (a+0x1/0x2 <- b)",
            1,
            "the recording has no call|is CREATE",
        ),
    ],
)
def test_another_recording_is_not_what_the_witness_says(
    old: str, new: str, step: int, why: str, spec: Spec, short: dict[str, Any], tmp_path: Path
) -> None:
    result = checked(spec, without_hash(short), changed_capture(old, new, tmp_path))
    assert not result.accepted and not result.undecided
    assert result.step == step, result
    assert any(each in (result.gap or "") for each in why.split("|")), result


def test_a_call_more_than_the_witness_has_is_missed(spec: Spec, short: dict[str, Any], tmp_path: Path) -> None:
    text = Path(SHORT).read_text(encoding="utf-8")
    longer = tmp_path / "longer.txt"
    longer.write_text(text + text.splitlines()[4].replace("3.677872", "3.9") + "\n", encoding="utf-8")
    assert "call 5 (line 8) has 0 steps" in (checked(spec, without_hash(short), str(longer)).gap or "")


def test_lost_events_show_nothing(spec: Spec, short: dict[str, Any], tmp_path: Path) -> None:
    text = Path(SHORT).read_text(encoding="utf-8")
    lossy = tmp_path / "lossy.txt"
    lossy.write_text(text + "CPU:1 [LOST 12 EVENTS]\n", encoding="utf-8")
    assert checked(spec, without_hash(short), str(lossy)).gap == "events of the recording were lost"


def test_another_file_or_spec_is_told_apart_by_its_hash(spec: Spec, short: dict[str, Any], tmp_path: Path) -> None:
    other = changed_capture("token=0x1", "token=0x2", tmp_path)
    with pytest.raises(SpecError, match="LUO732"):
        checked(spec, short, other)
    short["spec"]["sha256"] = "0" * 64
    with pytest.raises(SpecError, match="LUO732"):
        checked(spec, short)
    short["spec"]["sha256"] = spec.sha256
    assert checked(spec, short).accepted


# ---- lies -------------------------------------------------------------------------------------------------------------


def _drop(number: int) -> Callable[[dict[str, Any]], None]:
    return lambda w: w["steps"].pop(number)


def _set(*path: Any) -> Callable[[dict[str, Any]], None]:
    def change(witness: dict[str, Any]) -> None:
        *way, last, value = path
        at: Any = witness
        for each in way:
            at = at[each]
        at[last] = value

    return change


def _swap(a: int, b: int) -> Callable[[dict[str, Any]], None]:
    def change(witness: dict[str, Any]) -> None:
        steps = witness["steps"]
        steps[a], steps[b] = steps[b], steps[a]

    return change


def _repeat(number: int) -> Callable[[dict[str, Any]], None]:
    return lambda w: w["steps"].insert(number, copy.deepcopy(w["steps"][number]))


REJECTED: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("a call left out", _drop(2), "call 2 (line 5) has 0 steps"),
    ("a call twice", _repeat(2), "call 2 (line 5) has 2 steps"),
    ("the order of two calls", _swap(2, 3), "it comes after calls that began when this one had returned"),
    ("an unrecorded call left out", _drop(4), "CREATE_SESSION cannot return OK here; it can return"),
    ("an unrecorded call too early", _swap(3, 4), "PRESERVE_FD cannot return OK here"),
    ("an unrecorded call that would be on record", _set("steps", 4, {**dict(call=None, lines=[], bad=[], outcome="OK", label=None, gives="first"), "event": "CREATE_SESSION", "arguments": {"a": "agent", "n": "name"}}), "the recorder would have shown CREATE_SESSION"),
    ("an unrecorded call that fails", _set("steps", 4, "outcome", "EIO"), "only needed when it succeeds"),
    ("another event", _set("steps", 2, "event", "OPEN"), "call 2 is CREATE_SESSION, and not OPEN"),
    ("a call that is not there", _set("steps", 2, "call", 77), "the recording has no call 77"),
    ("other lines", _set("steps", 2, "lines", [4, 6]), "call 2 stands in the lines 4, 5"),
    ("another process", _set("scope", "Agent", 0, "number", 69), "made by process 68, and `agent` is not it"),
    ("another label", _set("steps", 2, "label", "name"), "CREATE_SESSION cannot return EEXIST at name here"),
    ("another errno", _set("steps", 2, "outcome", "EINVAL"), "it returned EEXIST, and not EINVAL"),
    ("any errno for a call that succeeded", lambda w: w["steps"][3].update(outcome="ECALLBACK", label="callback"), "it returned OK, and not ECALLBACK"),
    ("another session", _set("steps", 3, "arguments", "s", "second"), "the open file that it was made on is `first`, and not `second`"),
    ("the session under another name", _set("steps", 1, "gives", "second"), "`fd` names is `first`, and not `second`"),
    ("a result that is not told", _set("steps", 1, "gives", None), "CREATE_SESSION gives something here"),
    ("a result of what fails", _set("steps", 2, "gives", "second"), "does not give second here"),
    ("a bad name that is none", _set("steps", 1, "bad", ["bad_name"]), "`bad_name` was not the case"),
    ("an open file without a meaning", _set("files", []), "does not say what the open file #1 stands for"),
    ("a kernel without LUO", _set("initial", "facts", 0, "value", False), "OPEN cannot return OK here; it can return ENOENT at absent"),
    ("a file that no handler takes", _set("initial", "facts", 1, "value", False), "PRESERVE_FD cannot return OK here"),
    ("too few elements", _set("scope", "Entry", []), "the scope of the witness is too small"),
]  # fmt: skip


@pytest.mark.parametrize(("lie", "why"), [each[1:] for each in REJECTED], ids=[each[0] for each in REJECTED])
def test_a_lie_is_found(lie: Callable[[dict[str, Any]], None], why: str, spec: Spec, short: dict[str, Any]) -> None:
    lie(short)
    result = checked(spec, short)
    assert not result.accepted and not result.undecided
    assert why in (result.gap or ""), result


MALFORMED: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (_set("kind", "certificate"), "this is not a witness"),
    (_set("schema", "luocheck/9"), "this is not a witness"),
    (lambda w: w.pop("steps"), "lacks `steps`"),
    (_set("steps", {}), "`steps` should be a list"),
    (_set("steps", 0, "call", "0"), "`steps[0].call` should be a whole number"),
    (_set("steps", 0, "call", True), "`steps[0].call` should be a whole number"),
    (_set("steps", 0, "event", "WINK"), "the spec has no event `WINK`"),
    (_set("steps", 0, "arguments", {}), "the arguments of OPEN are a"),
    (_set("steps", 0, "arguments", {"a": "name"}), "the scope has no `name` of sort `Agent`"),
    (_set("steps", 0, "bad", ["bad_luck"]), "no hidden argument `bad_luck`"),
    (_set("recording", "begins", "soon"), "should be cold, warm or running"),
    (_set("recording", "threads_share", 1), "should be true or false"),
    (_set("scope", "Nobody", []), "the spec has no sort `Nobody`"),
    (_set("scope", "File", [{"name": "agent"}]), "two elements have the name `agent`"),
    (_set("scope", "Token", [{"name": "t", "number": 1}, {"name": "token", "number": 1}]), "two elements of `Token` stand for one value"),
    (_set("scope", "Name", [{"name": "name", "bytes": "xy"}]), "should be hexadecimal digits"),
    (_set("graphs", {"needs": []}), "the spec has no graph `needs`"),
    (_set("files", [{"file": 1, "element": "first"}] * 2), "names a file twice"),
    (_set("files", [{"file": 1, "element": "first"}, {"file": 1, "element": "second"}]), "stands for two elements of one sort"),
    (_set("initial", "alive", ["first"]), "cannot be there at the beginning"),
    (_set("initial", "alive", ["agent"]), "no element of a pool"),
    (_set("initial", "facts", 0, "field", "luck"), "the spec has no field `luck`"),
    (_set("initial", "facts", 0, "value", "true"), "`enabled` has the type bool"),
    (_set("initial", "facts", 0, "of", ["agent"]), "belongs to 0 elements, and 1 are named"),
    (_set("initial", "facts", [{"field": "built", "owners": [], "of": [], "value": True}]), "the value of `built` is not open"),
    (lambda w: w["initial"]["facts"].append(w["initial"]["facts"][0]), "is given twice"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "why"), MALFORMED, ids=[each[1] for each in MALFORMED])
def test_what_makes_no_sense_is_an_error(
    change: Callable[[dict[str, Any]], None], why: str, spec: Spec, short: dict[str, Any]
) -> None:
    change(short)
    with pytest.raises(SpecError) as error:
        checked(spec, short)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.code == "LUO730" and why in diagnostic.message


# ---- anything -----------------------------------------------------------------------------------------------------------

VALUES = [None, True, -1, 7, 10**30, "", "first", "agent", "OPEN", "\ud800", [], ["first"], {}, {"a": "agent"}]


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document."""
    yield way
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield from places(each, (*way, key))


@pytest.mark.parametrize("seed", range(6))
def test_whatever_stands_in_a_witness_is_an_answer_or_an_error(seed: int, spec: Spec, short: dict[str, Any]) -> None:
    """One or two values replaced by others: never an exception of another kind, and accepted only when every call is still there."""
    random = Random(seed)
    for _ in range(60):
        witness = copy.deepcopy(without_hash(short))
        for _ in range(random.randint(1, 2)):
            way = random.choice([way for way in places(witness) if way])
            at: Any = witness
            for key in way[:-1]:
                at = at[key]
            at[way[-1]] = random.choice(VALUES)
        try:
            result = checked(spec, witness)
        except SpecError as error:
            assert {each.code for each in error.diagnostics} <= {"LUO700", "LUO730", "LUO732"}
            continue
        if result.accepted:
            assert {step["call"] for step in witness["steps"]} >= {0, 1, 2, 3, 4}


# ---- after the end ----------------------------------------------------------------------------------------------------

ENDING = """\
82    1.000000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = 3</dev/liveupdate> <0.000100>
82    2.000000 reboot(LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_KEXEC <unfinished ...>
83    3.000000 openat(AT_FDCWD, "/dev/liveupdate", O_RDWR) = -1 EBUSY (Device or resource busy) <0.000100>
"""


def test_no_call_is_answered_by_a_kernel_that_is_gone(spec: Spec, tmp_path: Path) -> None:
    """An open is answered even while nothing else is, until the next kernel runs."""
    capture = tmp_path / "ending.strace.txt"
    capture.write_text(ENDING, encoding="utf-8")
    witness = audit(spec, str(capture), witness=True).witness
    assert witness is not None
    told = dump(witness)
    first, busy = told["steps"]
    reboot = shared.step(1, [2], "REBOOT", {"a": first["arguments"]["a"]})
    for steps, accepted in (([first, busy, reboot], True), ([first, reboot, busy], False)):
        result = checked(spec, {**told, "steps": steps}, str(capture))
        assert result.accepted is accepted, result
        assert accepted or (result.gap, result.step) == ("the kernel had ended", 3)
