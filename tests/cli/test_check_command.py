"""`luocheck check`: report, options, exit statuses, several inputs."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from luocheck.checker.explore import exploration
from luocheck.checker.native.tiers import Tiers
from luocheck.cli.limits import size

BROKEN = "spec broken; sort Agent symmetric caller; scope s { Agent = 1 } volatile var x: bool = false;"
UNEXPECTED = BROKEN.replace("broken", "surprise") + " ioctl A(a: Agent) { x = true; } invariant p: not x;"


@pytest.fixture
def surprise(tmp_path: Path) -> str:
    path = tmp_path / "surprise.luo"
    path.write_text(UNEXPECTED)
    return str(path)


def test_report_tells_all_failures(cli: Any, tiny: str) -> None:
    ended = cli("check", tiny)
    assert ended.status == 0 and ended.err == ""
    for piece in (
        "scope small: Agent=1 File=2",
        "explored completely",
        "ok  saved_means_prepared  FAILS (1 call)",
        "ok  ends                  FAILS (1 call, then nothing)",
        "for ever: nothing; nobody who is assumed to act can",
        "scope race: Agent=2 File=1; cut into steps: SAVE",
        "topology pair: top, base",
        "scenarios  1 of 1 accepted",
        "1  SAVE(agent0) = ENOMEM (fault)",
        "walk save_all: file0 ok, file1 fails with ENOMEM (tiny.luo:14)",
        "file0: saved false -> true",
        "false (NORMAL == PREPARED)",
        "no such run has fewer calls",
        "needs: top -> base",
        "exit status 0",
    ):
        assert piece in ended.out, piece


def test_report_is_80_columns_wide_without_a_terminal(cli: Any, tiny: str) -> None:
    for line in cli("check", tiny).out.splitlines():
        quoted = re.match(r" *\d* \| ", line) or line.startswith("  replay: ")
        assert len(line) <= 80 or quoted, line


def test_unexpected_ends_with_1_and_points_at_the_claim(cli: Any, surprise: str) -> None:
    ended = cli("check", surprise)
    assert ended.status == 1
    assert "p FAILS (1 call) unexpectedly" in ended.out
    assert "error[LUO601]" in ended.out and "invariant p: not x;" in ended.out
    assert "exit status 1" in ended.out


def test_scope_topology_property(cli: Any, tiny: str) -> None:
    answer = json.loads(cli("check", tiny, "--scope", "race", "--json").out)
    assert answer["scope"] == {"name": "race", "sizes": {"Agent": 2, "File": 1}, "stepwise": ["SAVE"]}
    assert len(answer["runs"]) == 1
    answer = json.loads(cli("check", tiny, "--topology", "pair", "--property", "done", "--property", "no_effect", "--json").out)
    assert answer["topology"] == "pair" and [p["name"] for p in answer["properties"]] == ["done", "no_effect"]
    answer = json.loads(cli("check", tiny, "--scope", "File=3", "--json").out)
    assert answer["scope"]["sizes"] == {"Agent": 1, "File": 3}
    told = cli("check", tiny, "--property", "done").out
    assert "done reached (1 call) as expected" in told


def test_no_symmetry_explores_more_starting_points(cli: Any, tiny: str) -> None:
    counts = [
        json.loads(cli("check", tiny, "--json", *extra).out)["runs"][0]["starting_points"] for extra in ([], ["--no-symmetry"])
    ]
    assert counts == [2, 3]


def test_limits_end_undecided(cli: Any, tiny: str, endless: str) -> None:
    for option in (["--max-states", "500"], ["--timeout", "0.2"], ["--memory", "1"]):
        ended = cli("check", endless, *option, "--json")
        answer = json.loads(ended.out)
        assert ended.status == 3 and answer["verdict"] == "undecided"
        results = {p["name"]: p["result"] for p in answer["properties"]}
        assert results["never_all"] == "unknown" and answer["runs"][0]["stopped"].startswith("stopped")
        text = cli("check", endless, *option)
        assert text.status == 3 and "stopped" in text.out and "holds (exhaustive" not in text.out


def test_several_inputs_take_the_worst_status(cli: Any, tiny: str, endless: str, surprise: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.luo"
    broken.write_text(BROKEN + " invariant p: y;")
    limit = ["--max-states", "300"]
    assert cli("check", tiny, endless, *limit).status == 3
    assert cli("check", tiny, endless, surprise, *limit).status == 1
    ended = cli("check", tiny, endless, surprise, broken, *limit, "--json")
    answer = json.loads(ended.out)
    assert ended.status == 2 and ended.err == ""
    assert [r.get("verdict", "error") for r in answer["results"]] == ["as-expected", "undecided", "unexpected", "error"]
    error = answer["results"][3]["errors"][0]
    assert (error["code"], error["file"], error["line"]) == ("LUO200", str(broken), 1)


def test_folder_means_its_specs(cli: Any, tmp_path: Path, surprise: str) -> None:
    (tmp_path / "other.txt").write_text("no spec")
    answer = json.loads(cli("check", f"{tmp_path}/", "--json").out)
    assert [r["spec"] for r in answer["results"]] == ["surprise"]


def test_saved_scenarios_replay(cli: Any, tiny: str, tmp_path: Path) -> None:
    folder = tmp_path / "found"
    answer = json.loads(cli("check", tiny, "--save-scenarios", folder, "--json").out)
    saved = [p["scenario"] for p in answer["properties"] if p["witness"] is not None]
    assert len(saved) == 6 and sorted(saved) == sorted(str(path) for path in folder.iterdir())
    for path in saved:
        assert cli("replay", tiny, path).status == 0, path
    told = cli("check", tiny, "--save-scenarios", folder).out
    assert f"replay: luocheck replay {tiny} {folder}/tiny.no_effect.scenario" in told


def test_saved_scenarios_of_sizes_from_the_command_line_replay(cli: Any, tiny: str, tmp_path: Path) -> None:
    told = cli("check", tiny, "--scope", "File=3", "--save-scenarios", tmp_path, "--property", "no_effect").out
    command = next(line for line in told.splitlines() if "replay: " in line).partition("luocheck ")[2].split()
    assert command[-2:] == ["--scope", "File=3"]
    assert cli(*command).status == 0
    assert cli(*command[:-2]).status == 2  # without the sizes the scope is not known


def test_saving_where_nothing_can_be_written(cli: Any, tiny: str) -> None:
    ended = cli("check", tiny, "--save-scenarios", "/dev/null/x")
    assert ended.status == 2 and "LUO610" in ended.err


def test_color(cli: Any, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[" not in cli("check", tiny).out
    assert "\x1b[" in cli("check", tiny, "--color", "always").out
    plain = cli("check", tiny).out
    colored = cli("check", tiny, "--color", "always").out
    seconds = re.compile(r"\d+\.\d s")
    assert seconds.sub("", re.sub(r"\x1b\[[0-9;]*m", "", colored)) == seconds.sub("", plain)


def test_no_color_wins_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from luocheck.report.terminal import Terminal

    class Tty:
        def isatty(self) -> bool:
            return True

    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert Terminal("auto", Tty()).colored  # type: ignore[arg-type]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Terminal("auto", Tty()).colored  # type: ignore[arg-type]
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not Terminal("auto", Tty()).colored  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("1", 1), ("2G", 2 << 30), ("500M", 500 << 20), ("3k", 3 << 10), ("1GiB", 1 << 30), ("1GB", 1 << 30)],
)
def test_sizes(text: str, bytes_: int) -> None:
    assert size(text) == bytes_


def test_warnings_go_to_standard_error(cli: Any, tmp_path: Path) -> None:
    path = tmp_path / "w.luo"
    path.write_text(BROKEN + " ioctl A(a: Agent) { require not x; step; x = true; }")
    ended = cli("check", path)
    assert "warning[LUO302]" in ended.err and "LUO302" not in ended.out
    assert json.loads(cli("check", path, "--json").out)["command"] == "check"


def test_threads_change_nothing(cli: Any, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[int] = []

    def tiers(engine: str, threads: int = 1, **others: Any) -> Tiers:
        asked_for.append(threads)
        return Tiers(engine, threads, **others)

    monkeypatch.setattr(exploration, "Tiers", tiers)
    answers = [json.loads(cli("check", tiny, "--json", "--threads", n).out) for n in (1, 4)]
    for answer in answers:
        answer["seconds"] = 0
        for run in answer["runs"]:
            run["seconds"] = 0
            if run["liveness"] is not None:
                run["liveness"]["seconds"] = 0
    assert answers[0] == answers[1]
    assert asked_for[-1] == 4


def test_environment_is_left_alone(cli: Any, tiny: str) -> None:
    before = dict(os.environ)
    cli("check", tiny)
    assert dict(os.environ) == before


def test_a_bounded_check_says_its_bound(cli: Any, tiny: str) -> None:
    ended = cli(
        "check", tiny, "--engine", "bmc", "--depth", "2", "--property", "all_saved", "--property", "no_effect", "--scope", "small"
    )
    assert ended.status == 0
    assert "bmc  depth 2" in ended.out and "every run of up to 2 calls was looked at" in ended.out
    assert "holds (to depth 2)" in ended.out and "FAILS (1 call)" in ended.out and "states" not in ended.out.splitlines()[3]
    ended = cli("check", tiny, "--engine", "bmc", "--depth", "2", "--property", "way_back")
    assert ended.status == 3 and "runs of a bounded length do not decide it" in " ".join(ended.out.split())


def test_prove(cli: Any, tiny: str) -> None:
    ended = cli("prove", tiny, "--bounded")
    assert ended.status == 0 and "proved (1-induction)" in ended.out and "no_effect FAILS (1 call) as expected" in ended.out
    ended = cli("prove", tiny, "--scope", "small")
    assert ended.status == 2 and "LUO609" in ended.err and "--bounded" in ended.err
