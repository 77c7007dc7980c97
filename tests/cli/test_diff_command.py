"""`luocheck diff` as a user meets it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cli.test_documents import refused, schema, valid
from jsonschema import Draft202012Validator

import luocheck
from luocheck.checker.diff.compare import DEPTH
from luocheck.checker.diff.verdicts import Change
from luocheck.model.library import shipped

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "diff.md"
PATIENT = "docs/examples/patient.luo"

OLD = """\
spec old "as it was";
sort Agent symmetric caller;
sort File symmetric;
enum Phase { NORMAL, PREPARED, FROZEN }
scope small { Agent = 1, File = 1 }
volatile var phase: Phase = NORMAL;
per File { volatile saved: bool = false; }
define ready = phase == NORMAL;
proc save(f: File) { if sometimes nomem { nomem: fail ENOMEM; } f.saved = true; }
ioctl PREPARE(a: Agent, f: File) {
    busy: fail EBUSY when not ready;
    run save(f);
    phase = PREPARED;
}
ioctl FREEZE(a: Agent) { early: fail EINVAL when phase != PREPARED; phase = FROZEN; }
ioctl CANCEL(a: Agent) {
    late: fail EIO when phase == FROZEN;
    phase = NORMAL;
}
after PREPARE returns error check prepare_has_no_effect: unchanged;
after CANCEL returns OK check cancel_restores: no f: File | f.saved;
after FREEZE returns OK check frozen_is_saved: some f: File | f.saved;
reachable frozen: phase == FROZEN;
expect { cancel_restores fails; }
"""


def new(*changes: tuple[str, str]) -> str:
    text = OLD.replace("spec old", "spec new")
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


@pytest.fixture
def compared(cli: Any, tmp_path: Path) -> Any:
    """Compares OLD with a changed text; the document, and the report as text."""

    def run(*changes: tuple[str, str], options: tuple[str, ...] = ()) -> tuple[Any, str]:
        old, other = tmp_path / "old.luo", tmp_path / "new.luo"
        old.write_text(OLD)
        other.write_text(new(*changes))
        told = cli("diff", old, other, *options)
        ended = cli("diff", old, other, "--json", *options)
        document = valid("diff", ended.out)
        assert ended.status == told.status == {"no-worse": 0, "worse": 1, "undecided": 3}[document["verdict"]]
        assert all(len(line) <= 80 for line in told.out.splitlines()[:-1])
        return document, told.out

    return run


def changes(document: Any) -> dict[str, str]:
    """What became of the claims that are not kept."""
    return {each["name"]: each["change"] for each in document["properties"] if each["change"] != "kept"}


def declared(document: Any) -> list[tuple[str, str, str]]:
    return [(each["change"], each["what"], each["name"]) for each in document["declarations"]]


def lines(document: Any, name: str) -> tuple[list[str], list[str]]:
    (found,) = [each for each in document["declarations"] if each["name"] == name]
    return [line["text"] for line in found["went"]], [line["text"] for line in found["came"]]


def test_no_difference(compared: Any) -> None:
    document, text = compared(options=("--depth", "all"))
    assert document["verdict"] == "no-worse" and document["declarations"] == [] and changes(document) == {}
    assert [(each["found"], each["complete"], each["stopped"]) for each in document["distinguishing"]] == [(False, True, None)] * 2
    assert document["depth"] is None and text.count("nothing in this scope, however many calls") == 2 and "no difference" in text


def test_a_claim_is_fixed_and_calls_differ_in_both_directions(compared: Any) -> None:
    document, text = compared(("    phase = NORMAL;\n", "    forall f: File { f.saved = false; }\n    phase = NORMAL;\n"),
                              ("late: fail EIO when", "late: fail EPERM when"))  # fmt: skip
    assert changes(document) == {"cancel_restores": "fixed"} and document["verdict"] == "no-worse"
    assert declared(document) == [("changed", "event", "CANCEL")]
    assert lines(document, "CANCEL") == (
        ["fail EIO when phase == FROZEN"],
        ["fail EPERM when phase == FROZEN", "forall f: File", "f.saved = false"],
    )
    forward, backward = document["distinguishing"]
    assert (forward["only"], forward["old"], forward["new"]) == ("old", ["EIO"], ["EPERM"])
    assert (backward["only"], backward["old"], backward["new"]) == ("new", ["EIO"], ["EPERM"])
    assert [call["event"] for call in forward["calls"]] == ["PREPARE", "FREEZE", "CANCEL"] and forward["seen"] == [True] * 3
    assert "fails in 2  holds  fixed" in text and "late: fail EPERM when phase == FROZEN" in text


def test_a_claim_is_broken(compared: Any) -> None:
    document, text = compared(("{ nomem: fail", "{ f.saved = true; nomem: fail"))
    assert changes(document) == {"prepare_has_no_effect": "broken"} and document["verdict"] == "worse"
    assert lines(document, "PREPARE") == ([], ["f.saved = true"])
    assert not any(each["found"] for each in document["distinguishing"])  # nobody sees it
    assert re.search(r"!!  prepare_has_no_effect +holds +fails in 1 +broken", text)


def test_claims_come_and_go_and_are_reworded(compared: Any) -> None:
    document, text = compared(
        ("after PREPARE returns error check prepare_has_no_effect: unchanged;\n", "invariant fine: true;\n"),
        ("check frozen_is_saved: some f: File | f.saved", "check frozen_is_saved: phase == FROZEN"),
    )
    assert changes(document) == {"prepare_has_no_effect": "lost", "fine": "new"} and document["verdict"] == "worse"
    (same,) = [each for each in document["properties"] if each["reworded"]]
    assert same["name"] == "frozen_is_saved" and same["change"] == "kept" and "does not say the same" in " ".join(text.split())
    assert set(declared(document)) == {
        ("removed", "claim", "prepare_has_no_effect"),
        ("added", "claim", "fine"),
        ("changed", "claim", "frozen_is_saved"),
    }


def test_what_can_no_longer_happen_is_shouted(compared: Any) -> None:
    document, text = compared(("early: fail EINVAL when phase != PREPARED;", "require phase == FROZEN;"))
    assert document["lost_reachable"] == ["frozen"] and document["dead_events"] == ["FREEZE"] and document["verdict"] == "worse"
    assert changes(document) == {"frozen_is_saved": "emptied", "frozen": "broken"}
    assert any("CANCEL: fail EIO at late" in each for each in document["dead_lines"])
    assert "LOST: `frozen` is no longer reached" in text and "DEAD: FREEZE can never happen" in text


def test_declarations(compared: Any) -> None:
    document, _ = compared(
        ("NORMAL, PREPARED, FROZEN }", "NORMAL, PREPARED, FROZEN, UPDATED }"),
        ("volatile saved", "preserved saved"),
        ("define ready = phase == NORMAL", "define ready = phase != PREPARED and phase != FROZEN"),
        ("{ Agent = 1, File = 1 }", "{ Agent = 2, File = 1, Token = 0 }"),
        ("sort File symmetric;", "sort File symmetric;\nsort Token;\nmutex m;"),
    )
    assert declared(document) == [
        ("added", "sort", "Token"),
        ("changed", "enum", "Phase"),
        ("changed", "field", "File.saved"),
        ("added", "lock", "m"),
        ("changed", "event", "PREPARE"),
        ("changed", "scope", "small"),
    ]
    assert lines(document, "PREPARE") == (
        ["fail EBUSY when not ready"],
        ["fail EBUSY when not ready"],
    )  # the define says another thing
    field = next(each for each in document["declarations"] if each["name"] == "File.saved")
    assert field["details"] == ["lifetime: volatile -> preserved"]
    assert document["scope"]["new"]["sizes"] == {"Agent": 1, "File": 1, "Token": 0}


def test_names_are_mapped(compared: Any) -> None:
    renamed = (("ioctl CANCEL", "ioctl ABORT"), ("after CANCEL", "after ABORT"), ("check cancel_restores", "check abort_restores"),
               ("cancel_restores fails", "abort_restores fails"))  # fmt: skip
    document, text = compared(*renamed)
    assert changes(document) == {"cancel_restores": "lost", "abort_restores": "new"}
    assert (
        document["left_out"] == ["CANCEL is in old only", "ABORT is in new only"] and "not compared: CANCEL is in old only" in text
    )
    document, _ = compared(*renamed, options=("--map", "CANCEL=ABORT", "--map", "cancel_restores=abort_restores"))
    assert document["verdict"] == "no-worse" and changes(document) == {} and document["left_out"] == []
    assert declared(document) == [("renamed", "event", "CANCEL"), ("renamed", "claim", "cancel_restores")]


def test_limits_leave_it_open(compared: Any) -> None:
    document, text = compared(options=("--timeout", "0"))
    assert document["verdict"] == "undecided" and document["stopped"] is not None and "stopped after 0 s" in text
    document, _ = compared(options=("--max-states", "1"))
    assert document["verdict"] == "undecided"
    assert {"undecided"} >= set(changes(document).values())
    document, text = compared(options=("--depth", "1"))
    assert document["verdict"] == "no-worse" and text.count("nothing within 1 calls") == 2 and document["depth"] == 1


def test_what_is_wrong_is_said(cli: Any, tiny: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.luo"
    empty.write_text("spec empty;\nvolatile var x: bool = false;\nenv E() { x = true; }\n")
    for arguments, status, said in [
        (("diff",), 2, "usage"),
        (("diff", tiny), 2, "usage"),
        (("diff", tiny, "nobody"), 2, "LUO607"),
        (("diff", tiny, tiny, "--scope", "nowhere"), 2, "LUO603"),
        (("diff", tiny, tiny, "--scope", "File=x"), 2, "LUO219"),
        (("diff", tiny, tiny, "--map", "SAVE"), 2, "LUO609"),
        (("diff", tiny, tiny, "--map", "SAVE=NOTHING"), 2, "LUO603"),
        (("diff", tiny, tiny, "--map", "NOTHING=SAVE"), 2, "LUO603"),
        (("diff", tiny, tiny, "--map", "SAVE=BACK", "--map", "SAVE=SAVE"), 2, "LUO609"),
        (("diff", tiny, tiny, "--map", "SAVE=BACK", "--map", "BACK=BACK"), 2, "LUO609"),
        (("diff", tiny, tiny, "--depth", "0"), 2, "whole number"),
        (("diff", empty, tiny), 2, "LUO604"),
    ]:
        ended = cli(*arguments)
        assert ended.status == status and said in ended.err and ended.out == "", arguments
        valid("errors" if len(arguments) < 3 else "diff", cli(*arguments, "--json").out) if "--depth" not in arguments else None


def test_calls_that_the_scope_cuts_into_steps(cli: Any, tiny: str) -> None:
    document = valid("diff", cli("diff", tiny, tiny, "--scope", "race", "--json").out)
    assert document["scope"]["old"]["stepwise"] == ["SAVE"] and any("overlap" in each for each in document["left_out"])
    assert changes(document) == {} and document["verdict"] == "no-worse"


def test_the_schema_is_strict(compared: Any) -> None:
    Draft202012Validator.check_schema(schema("diff"))
    document, _ = compared(("late: fail EIO when", "late: fail EPERM when"))
    for key in document:
        assert refused("diff", {k: v for k, v in document.items() if k != key}), key
    assert refused("diff", {**document, "extra": 1}) and refused("diff", {**document, "verdict": "fine"})
    for part in ("declarations", "properties", "distinguishing"):
        for key in document[part][0]:
            changed = [{k: v for k, v in document[part][0].items() if k != key}, *document[part][1:]]
            assert refused("diff", {**document, part: changed}), (part, key)
    names = schema("diff")["$defs"]["property"]["properties"]["change"]["enum"]
    assert sorted(names) == sorted(each.value for each in Change)


def test_the_page_shows_what_the_command_prints(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (command,) = re.findall(r"^```sh\nluocheck (diff .*)\n```", PAGE.read_text("utf-8"), re.MULTILINE)
    (shown,) = re.findall(r"^```\n(linux_7_3 -> .*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    ended = cli(*command.split())
    assert ended.status == 0 and ended.out == shown


def test_the_output_does_not_depend_on_hashes(process: Any, tiny: str, tmp_path: Path) -> None:
    other = tmp_path / "other.luo"
    other.write_text(Path(tiny).read_text().replace("fail EBUSY when", "fail EAGAIN when"))
    printed = {process("diff", tiny, str(other), PYTHONHASHSEED=seed).stdout for seed in ("1", "2", "3")}
    assert len(printed) == 1 and b"EAGAIN" in printed.pop()


def test_the_functions_and_the_command_agree(compared: Any, tmp_path: Path) -> None:
    compared()
    answer = luocheck.diff(luocheck.load(str(tmp_path / "old.luo")), luocheck.load(str(tmp_path / "new.luo")))
    assert answer.depth == DEPTH == 6 and answer.exit_status == 0
    document, _ = compared()
    assert document["depth"] == DEPTH


@pytest.mark.parametrize(
    "spec", [s if s in ("intent", "v3", "deps_both") else pytest.param(s, marks=pytest.mark.nightly) for s in shipped()]
)
def test_a_spec_has_no_difference_to_itself(cli: Any, spec: str) -> None:
    ended = cli("diff", spec, spec, "--depth", "4", "--json")
    document = valid("diff", ended.out)
    assert ended.status == 0 and document["declarations"] == [] and document["lost_reachable"] == [] == document["dead_events"]
    assert {each["change"] for each in document["properties"]} <= {"kept"}
    assert len(document["distinguishing"]) == 2  # one for each direction
    assert all(each["calls"] == [] for each in document["distinguishing"])
