"""`replay`, `show`, `parse`, `fmt`, `specs`, `explain`, `--version`, `--help`."""

from __future__ import annotations

import io
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import luocheck
from luocheck.cli.main import COMMANDS, main
from luocheck.model.codes import CODES
from luocheck.model.library import shipped

SCENARIO = 'scenario "s" { let a: Agent; SAVE(a) = OK; %s }'


def test_version(cli: Any) -> None:
    assert cli("--version").out == f"luocheck {version('luocheck')}\n"
    assert luocheck.__version__ == version("luocheck")


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)])
def test_help_has_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*command, "--help"])
    out = capsys.readouterr().out
    assert left.value.code == 0 and "example" in out and f"luocheck {' '.join(command)}".strip() in out


def test_replay_shows_each_state(cli: Any, tiny: str) -> None:
    ended = cli("replay", tiny)
    assert ended.status == 0
    assert "twice" in ended.out and "1  SAVE(a) = OK" in ended.out and "state: phase = PREPARED" in ended.out
    assert "SAVE(a) = EBUSY at busy" in ended.out and "accepted" in ended.out


def test_replay_from_standard_input(cli: Any, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((SCENARIO % "BACK(a) = OK;").encode())))
    assert cli("replay", tiny, "-").status == 0


def test_replay_not_accepted(cli: Any, tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "s.scenario"
    path.write_text(SCENARIO % "BACK(a) = EINVAL;")
    ended = cli("replay", tiny, path)
    assert ended.status == 1 and "error[LUO602]" in ended.out and "not accepted" in ended.out
    assert "BACK(a) = OK" in ended.out or "= OK" in ended.out  # what it can return


def test_show(cli: Any, tiny: str) -> None:
    assert cli("show", tiny).out == Path(tiny).read_text()


def test_show_flat_names_origins(cli: Any, tiny: str, tmp_path: Path) -> None:
    child = tmp_path / "child.luo"
    (tmp_path / "tiny.luo").write_text(Path(tiny).read_text())
    child.write_text("spec child extends tiny;\ninvariant more: phase == PREPARED or phase == NORMAL;\n")
    ended = cli("show", child, "--flat")
    assert ended.status == 0
    lines = ended.out.splitlines()
    assert any(line.startswith("tiny.luo:") and "ioctl SAVE" in line for line in lines)
    assert any(line.startswith("child.luo:2") and "more" in line for line in lines)


def test_parse(cli: Any, tiny: str) -> None:
    ended = cli("parse", tiny)
    assert ended.status == 0 and ended.out.startswith("tiny: correct; 2 sorts")


def test_fmt(cli: Any, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ugly = tmp_path / "ugly.luo"
    ugly.write_text("spec   ugly ;\n\n\n\nsort A   symmetric;")
    canonical = cli("fmt", ugly)
    assert canonical.status == 0 and canonical.out.startswith("spec ugly;")
    before = ugly.read_text()
    checked = cli("fmt", "--check", ugly)
    assert (checked.status, checked.out, ugly.read_text()) == (1, f"{ugly}\n", before)
    assert cli("fmt", "--write", ugly).status == 0
    assert ugly.read_text() == canonical.out
    assert cli("fmt", "--check", f"{tmp_path}/").status == 0
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(before.encode())))
    assert cli("fmt", "-").out == canonical.out
    refused = cli("fmt", "--write", shipped()[0])
    assert refused.status == 2 and "LUO610" in refused.err


def test_specs(cli: Any, tmp_path: Path) -> None:
    ended = cli("specs")
    assert [line.split()[0] for line in ended.out.splitlines() if not line.startswith(" ")] == list(shipped())
    name = shipped()[0]
    shown = cli("specs", "show", name)
    assert f"spec {name}" in shown.out
    copied = cli("specs", "copy", name, tmp_path)
    assert copied.status == 0 and (tmp_path / f"{name}.luo").read_text() == shown.out
    again = cli("specs", "copy", name, tmp_path)
    assert again.status == 2 and "LUO610" in again.err
    assert cli("specs", "copy", name, tmp_path / "no" / "where.luo").status == 2


def test_explain(cli: Any) -> None:
    ended = cli("explain", "LUO203")
    assert ended.status == 0 and ended.out.startswith("LUO203: order or literal")
    assert len([line for line in cli("explain").out.splitlines() if line.startswith("LUO")]) == len(CODES)
    assert cli("explain", "LUO9999").status == 2


def test_api_prints_nothing(capsys: pytest.CaptureFixture[str], tiny: str) -> None:
    spec = luocheck.load(tiny)
    answer = luocheck.check(spec)
    played = luocheck.replay(spec, spec.scenarios[0])
    assert answer.verdict == "as-expected" and played.accepted
    with pytest.raises(luocheck.SpecError):
        luocheck.load("nobody")
    assert capsys.readouterr() == ("", "")
    with pytest.raises(AttributeError):
        luocheck.nothing  # noqa: B018


def test_export_prints_or_writes(cli: Any, tiny: str, tmp_path: Path) -> None:
    printed = cli("export", tiny)
    assert printed.status == 0 and printed.out.startswith("/* ") and "active proctype luo()" in printed.out
    path = tmp_path / "model.pml"
    for _ in range(2):  # an exported model is written again
        written = cli("export", tiny, "--output", path)
        assert written.status == 0 and written.out == f"{path}\n" and path.read_text() == printed.out
    path.write_text("something of value")
    kept = cli("export", tiny, "--output", path)
    assert kept.status == 2 and "error[LUO610]" in kept.err and path.read_text() == "something of value"
    assert cli("export", tiny, "--output", tmp_path).status == 2
    assert cli("export", tiny, "--output", tmp_path / "no" / "m.pml").status == 2


def test_export_refuses_what_it_cannot_say(cli: Any, tiny: str) -> None:
    cut = cli("export", tiny, "--scope", "race")
    assert cut.status == 2 and "error[LUO520]" in cut.err and cut.out == ""
    for option, value in (("--scope", "nowhere"), ("--topology", "nothing"), ("--graph", "77")):
        wrong = cli("export", tiny, option, value)
        assert wrong.status == 2 and "error[LUO603]" in wrong.err and wrong.out == ""
    assert cli("export", tiny, "--to", "tla").status == 2
    assert cli("export", tiny, "--graph", "one").status == 2
