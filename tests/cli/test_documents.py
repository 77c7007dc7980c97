"""Every document that `--json` prints is valid against the schema of its command, and the schemas are strict."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from luocheck.model.library import shipped


def schema(command: str) -> dict[str, Any]:
    text = resources.files("luocheck.report").joinpath(f"schemas/{command}.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def valid(command: str, text: str) -> Any:
    document = json.loads(text)
    Draft202012Validator(schema(command)).validate(document)
    assert document["schema"] == "luocheck/1"
    return document


def refused(command: str, document: Any) -> bool:
    return not Draft202012Validator(schema(command)).is_valid(document)


@pytest.mark.parametrize("command", ["check", "prove", "replay", "specs", "explain", "show", "parse", "export", "errors"])
def test_schemas_are_schemas(command: str) -> None:
    Draft202012Validator.check_schema(schema(command))


def test_check(cli: Any, tiny: str, endless: str, tmp_path: Path) -> None:
    document = valid("check", cli("check", tiny, "--json").out)
    assert document["command"] == "check" and document["verdict"] == "as-expected"
    by_name = {(p["name"], p["scope"], p["topology"]): p for p in document["properties"]}
    failing = by_name["saved_means_prepared", "small", None]
    assert failing["result"] == "fails" and failing["as_expected"] is True
    (call,) = failing["witness"]["calls"]
    assert call["event"] == "SAVE" and call["args"] == {"a": "agent0"} and call["outcome"] == "ENOMEM"
    assert call["changes"] == {"file0.saved": ["false", "true"]}
    assert failing["witness"]["faults"] == 1 and failing["witness"]["minimal"] == ["calls", "faults", "elements", "edges"]
    ends = by_name["ends", "small", None]
    assert ends["result"] == "fails" and ends["witness"]["loop"] == 1 and ends["witness"]["minimal"] == []
    assert failing["witness"]["loop"] is None
    assert document["runs"][0]["liveness"]["states"] == 0  # nothing was exchanged, so that one search is enough
    assert by_name["no_effect", "small", "pair"]["witness"]["graph"] == [["top", "base"]]
    assert ("saved_means_prepared", "race", None) in by_name
    assert document["coverage"] == {"events": [], "fails": []}
    assert len(document["runs"]) == 3 and document["runs"][1]["complete"] is False

    valid("check", cli("check", tiny, endless, "nobody", "--max-states", "200", "--json").out)
    valid("check", cli("check", tiny, "--scope", "race", "--save-scenarios", tmp_path, "--json").out)
    valid("check", cli("check", "nobody", "--json").out)
    valid("errors", cli("check", "nobody", "--json").out)
    valid("errors", cli("check", "--json").out)


def test_the_schema_of_check_is_strict(cli: Any, tiny: str) -> None:
    document = valid("check", cli("check", tiny, "--json").out)
    for key in document:
        assert refused("check", {k: v for k, v in document.items() if k != key}), key
    assert refused("check", {**document, "extra": 1})
    assert refused("check", {**document, "verdict": "fine"})
    for key in document["properties"][0]:
        changed = [{k: v for k, v in document["properties"][0].items() if k != key}]
        assert refused("check", {**document, "properties": changed}), key


def test_check_with_a_bound(cli: Any, tiny: str) -> None:
    document = valid("check", cli("check", tiny, "--engine", "bmc", "--depth", "2", "--json").out)
    assert document["engine"] == "bmc" and document["runs"][0]["bound"] == 2 and document["runs"][0]["complete"] is False
    by_name = {(p["name"], p["scope"], p["topology"]): p for p in document["properties"]}
    assert by_name["all_saved", "small", None]["method"] == "to depth 2"
    assert by_name["saved_means_prepared", "small", None]["witness"]["minimal"] == ["calls", "faults", "elements", "edges"]
    assert by_name["no_effect", "small", "pair"]["as_expected"] is True
    assert by_name["saved_means_prepared", "race", None]["result"] == "unknown"
    assert document["verdict"] == "undecided"


def test_prove(cli: Any, tiny: str) -> None:
    document = valid("prove", cli("prove", tiny, "--bounded", "--json").out)
    assert document["command"] == "prove" and document["verdict"] == "as-expected"
    by_name = {p["name"]: p for p in document["properties"]}
    assert by_name["all_saved"]["result"] == "proved" and by_name["all_saved"]["method"] == "1-induction"
    assert by_name["no_effect"]["result"] == "fails" and len(by_name["no_effect"]["witness"]["calls"]) == 1
    for key in document["properties"][0]:
        changed = [{k: v for k, v in document["properties"][0].items() if k != key}]
        assert refused("prove", {**document, "properties": changed}), key
    valid("prove", cli("prove", tiny, "nobody", "--bounded", "--json").out)
    valid("prove", cli("prove", "nobody", "--bounded", "--json").out)


def test_replay(cli: Any, tiny: str, tmp_path: Path) -> None:
    document = valid("replay", cli("replay", tiny, "--json").out)
    assert document["accepted"] is True
    steps = document["scenarios"][0]["steps"]
    assert [s["call"]["outcome"] for s in steps] == ["OK", "EBUSY", "OK"]
    assert "phase = PREPARED" in steps[0]["state"]
    wrong = tmp_path / "wrong.scenario"
    wrong.write_text('scenario "w" { let a: Agent; BACK(a) = OK; }')
    document = valid("replay", cli("replay", tiny, wrong, "--json").out)
    assert document["accepted"] is False and document["scenarios"][0]["problem"]["code"] == "LUO602"
    valid("replay", cli("replay", tiny, "/dev/null", "--json").out)


def test_the_others(cli: Any, tiny: str, tmp_path: Path) -> None:
    assert [s["name"] for s in valid("specs", cli("specs", "--json").out)["specs"]] == list(shipped())
    name = shipped()[0]
    assert f"spec {name}" in valid("specs", cli("specs", "show", name, "--json").out)["text"]
    valid("specs", cli("specs", "copy", name, tmp_path, "--json").out)
    valid("specs", cli("specs", "show", "nobody", "--json").out)
    valid("explain", cli("explain", "--json").out)
    assert valid("explain", cli("explain", "luo203", "--json").out)["codes"][0]["code"] == "LUO203"
    valid("explain", cli("explain", "LUO999", "--json").out)
    assert valid("show", cli("show", tiny, "--json").out)["lines"][0]["line"] == 1
    valid("show", cli("show", tiny, "--flat", "--json").out)
    valid("show", cli("show", "nobody", "--json").out)
    valid("parse", cli("parse", tiny, "--json").out)
    for command in ("specs", "explain", "show"):
        assert refused(command, {"schema": "luocheck/1", "command": command, "something": 1})


@pytest.mark.parametrize("name", shipped())
def test_parse_of_shipped_specs(cli: Any, name: str) -> None:
    valid("parse", cli("parse", name, "--json").out)


def test_export(cli: Any, tiny: str, tmp_path: Path) -> None:
    document = valid("export", cli("export", tiny, "--topology", "pair", "--json").out)
    assert document["topology"] == "pair" and document["output"] is None and "active proctype" in document["text"]
    assert "saved_means_prepared" in document["claims"] and "lock_order" not in document["claims"]
    assert [problem["code"] for problem in document["left_out"]] == ["LUO521"] * len(document["left_out"])
    path = tmp_path / "m.pml"
    document = valid("export", cli("export", tiny, "--output", path, "--json").out)
    assert document["output"] == str(path) and path.read_text() == document["text"]
    valid("export", cli("export", tiny, "--scope", "race", "--json").out)
    for key in document:
        assert refused("export", {k: v for k, v in document.items() if k != key}), key
    assert refused("export", {**document, "extra": 1})
