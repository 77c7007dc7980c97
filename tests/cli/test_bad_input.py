"""Whatever is given: one clear error with a place, exit status 2, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

COMMANDS = ["check", "parse", "show --flat", "replay", "export", "fmt"]


def bad(tmp_path: Path) -> dict[str, str]:
    """Inputs that cannot be used, by name."""
    made = {
        "empty": b"",
        "blank": b"\n\n  \n",
        "binary": bytes(range(256)) * 20,
        "utf16": "spec t;".encode("utf-16"),
        "huge_line": b"spec t; // " + b"x" * 3_000_000 + b"\nsort",
        "deep": b"spec t; invariant p: " + b"(" * 5000 + b"true" + b")" * 5000 + b";",
        "syntax": b"spec t; sort File symmetric; ioctl A( { }",
        "names": b"spec t; invariant p: nothing == 3;",
        "itself": b"spec itself extends itself;",
        "orphan": b"spec orphan extends nobody_has_this;",
        "sizes": b"spec t; sort File symmetric; scope s { File = 4000000000 }",
    }
    for name, data in made.items():
        (tmp_path / f"{name}.luo").write_bytes(data)
    (tmp_path / "folder.luo").mkdir()
    (tmp_path / "chain_a.luo").write_text("spec chain_a extends chain_b;")
    (tmp_path / "chain_b.luo").write_text("spec chain_b extends chain_a;")
    paths = {name: str(tmp_path / f"{name}.luo") for name in [*made, "folder", "chain_a", "missing"]}
    return {**paths, "unknown name": "no_such_spec", "nul": "a\0b.luo", "long": "x" * 5000 + ".luo", "nothing": ""}


@pytest.mark.parametrize("command", COMMANDS)
def test_bad_specs(cli: Any, tmp_path: Path, command: str) -> None:
    for name, spec in bad(tmp_path).items():
        if command == "fmt" and name in ("names", "itself", "orphan", "sizes", "chain_a"):
            continue  # the form of a text can be made canonical whatever it means
        ended = cli(*command.split(), spec)
        assert ended.status == 2, (command, name)
        assert "error[LUO" in ended.err and ended.out == "", (command, name, ended)
        assert "Traceback" not in ended.err
        assert len(ended.err) < 20_000, (command, name)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c != "fmt"])
def test_bad_specs_as_documents(cli: Any, tmp_path: Path, command: str) -> None:
    for name, spec in bad(tmp_path).items():
        if name == "folder" and command in ("check", "parse"):
            continue  # the folder's own error is tested below
        ended = cli(*command.split(), spec, "--json")
        assert ended.status == 2 and ended.err == "", (command, name)
        document = json.loads(ended.out)
        assert document["schema"] == "luocheck/1" and document["errors"], (command, name)
        for error in document["errors"]:
            assert error["code"].startswith("LUO") and error["message"] and "file" in error


def test_empty_folder(cli: Any, tmp_path: Path) -> None:
    ended = cli("check", f"{tmp_path}/")
    assert ended.status == 2 and "LUO607" in ended.err and "no .luo file" in ended.err


def test_unknown_shipped_name_gets_a_hint(cli: Any) -> None:
    ended = cli("check", "rfc_v3")
    assert ended.status == 2 and "did you mean `rfc_v2`?" in ended.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--scope smal", "did you mean `small`?"),
        ("--scope File=60", "at most 32"),
        ("--scope File=9999999999999999999999", "not a number"),
        ("--scope File=7", "too many to enumerate"),
        ("--scope =", "no sort"),
        ("--scope Fil=2", "did you mean `File`?"),
        ("--topology pai", "did you mean `pair`?"),
        ("--property no_efect", "did you mean `no_effect`?"),
        ("--engine bm", "did you mean `bmc`?"),
        ("--engine bmc --scope race", "LUO501"),
    ],
)
def test_bad_names_on_the_command_line(cli: Any, tiny: str, options: str, words: str) -> None:
    ended = cli("check", tiny, *options.split())
    assert ended.status == 2 and ended.out == "" and words in ended.err and "-->" in ended.err
    document = json.loads(cli("check", tiny, *options.split(), "--json").out)
    assert words.strip("?") in json.dumps(document["errors"])


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--nonsense"],
        ["chekc", "x"],
        ["check"],
        ["check", "x", "--threads", "0"],
        ["check", "x", "--engine", "bmc", "--depth", "none"],
        ["check", "x", "--threads", "two"],
        ["check", "x", "--max-states", "-1"],
        ["check", "x", "--memory", "2X"],
        ["check", "x", "--timeout", "nan"],
        ["check", "x", "--timeout", "-1"],
        ["check", "x", "--colour", "never"],
        ["check", "x", "--color", "pink"],
        ["check", "x", "--scop", "y"],
        ["replay"],
        ["show", "a", "b"],
        ["specs", "show"],
        ["specs", "list", "x"],
        ["specs", "show", "a", "b"],
        ["specs", "burn"],
        ["fmt", "a.luo", "b.luo"],
        ["fmt", "a.luo", "--check", "--write"],
        ["explain", "a", "b"],
    ],
)
def test_usage_errors(cli: Any, argv: list[str]) -> None:
    ended = cli(*argv)
    assert ended.status == 2 and ended.out == ""
    assert ended.err.startswith("usage: luocheck") and "Traceback" not in ended.err
    ended = cli(*argv, "--json")
    document = json.loads(ended.out)
    assert ended.status == 2 and document["errors"][0]["code"] == "LUO609"


@pytest.mark.parametrize("name", ["empty", "binary", "missing", "folder", "nul", "syntax"])
def test_bad_scenarios(cli: Any, tiny: str, tmp_path: Path, name: str) -> None:
    ended = cli("replay", tiny, bad(tmp_path)[name])
    assert ended.status == 2 and ended.out == "" and "error[LUO" in ended.err


def test_spec_without_scenarios(cli: Any, endless: str) -> None:
    ended = cli("replay", endless)
    assert ended.status == 2 and "LUO604" in ended.err


def test_a_path_that_looks_like_a_name_gets_a_hint(cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "notes.txt").write_text("")
    for name, kind in (("mine", "folder"), ("notes.txt", "file")):
        ended = cli("check", name)
        assert ended.status == 2 and f"for the {kind} of this name write `./{name}`" in ended.err
