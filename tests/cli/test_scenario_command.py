"""`luocheck scenario`: what it prints in each format, where it writes, and its exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

SCHEMA = json.loads(resources.files("luocheck.report").joinpath("schemas/scenario.schema.json").read_text(encoding="utf-8"))
Cli = Callable[..., Any]


def document(text: str) -> Any:
    made = json.loads(text)
    Draft202012Validator(SCHEMA).validate(made)
    return made


def test_the_schema_is_strict(cli: Cli, tiny: str) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    made = document(cli("scenario", tiny, "--cover", "--json").out)
    for key in made:
        assert not Draft202012Validator(SCHEMA).is_valid({k: v for k, v in made.items() if k != key}), key
    assert not Draft202012Validator(SCHEMA).is_valid({**made, "extra": 1})


def test_a_story(cli: Cli, tiny: str) -> None:
    ended = cli("scenario", tiny, "--violate", "no_effect")
    assert ended.status == 0
    assert "tiny: violates no_effect: 1 call" in ended.out and "SAVE(agent0) = ENOMEM" in ended.out
    assert "proved minimal: calls, faults, elements, edges" in ended.out
    assert "no program causes: 1. SAVE(agent0) = ENOMEM: the abi does not say how" in ended.out


def test_a_document(cli: Cli, tiny: str, tmp_path: Path) -> None:
    ended = cli("scenario", tiny, "--violate", "no_effect", "--topology", "pair", "--format", "json")
    made = document(ended.out)
    assert made["kind"] == "violate" and made["verdict"] == "found" and made["topology"] == "pair"
    assert made["calls"][0]["event"] == "SAVE" and made["graph"] == [["top", "base"]]
    assert made["scenarios"][0]["needs"] == ["1. SAVE(agent0) = ENOMEM: the abi does not say how a program does it"]
    file = tmp_path / "found.json"
    assert cli("scenario", tiny, "--violate", "no_effect", "--format", "json", "-o", file).out == ""
    assert document(file.read_text())["scenarios"][0]["text"].startswith('scenario "tiny: violates no_effect"')


def test_a_scenario_that_replays(cli: Cli, tiny: str, tmp_path: Path) -> None:
    file = tmp_path / "found.scenario"
    assert cli("scenario", tiny, "--cover", "--format", "luo", "-o", file).status == 0
    assert cli("replay", tiny, file).status == 0
    assert cli("scenario", tiny, "--play", file, "--format", "luo").out.split() == file.read_text().split()


def test_coverage_is_told(cli: Cli, tiny: str) -> None:
    ended = cli("scenario", tiny, "--cover")
    assert ended.status == 0
    assert "all that can be reached here" in ended.out and "no set that covers as much has fewer than" in ended.out
    less = cli("scenario", tiny, "--cover", "--user-space-only")
    assert "not reached: save_all: fail ENOMEM sometimes (tiny.luo:14)" in less.out


def test_a_sequence_diagram_and_a_graph(cli: Cli, tiny: str) -> None:
    diagram = cli("scenario", tiny, "--violate", "no_effect", "--topology", "pair", "--format", "mermaid").out.splitlines()
    assert diagram[0] == "sequenceDiagram" and "    agent0->>LUO: SAVE(agent0)" in diagram and "    LUO--xagent0: ENOMEM" in diagram
    assert "    Note over agent0,LUO: top needs base" in diagram
    assert "    participant agent0 as agent0" in diagram
    graph = cli("scenario", tiny, "--violate", "no_effect", "--topology", "pair", "--format", "dot").out
    assert graph.startswith('digraph "tiny: violates no_effect" {') and '"top" -> "base";' in graph
    assert 's0 -> s1 [label="1. SAVE(agent0) = ENOMEM", color=red];' in graph and graph.count("{") == graph.count("}")


def test_names_that_are_words_of_mermaid(cli: Cli, tiny: str, tmp_path: Path) -> None:
    file = tmp_path / "words.scenario"
    file.write_text('scenario "words; of # mermaid" { let end: Agent; SAVE(end) = OK; }')
    diagram = cli("scenario", tiny, "--play", file, "--format", "mermaid").out.splitlines()
    assert "    participant end_ as end" in diagram and "    end_->>LUO: SAVE(end)" in diagram
    assert diagram[1] == "    title words#59; of #35; mermaid"


def test_several_files_need_a_folder(cli: Cli, tmp_path: Path) -> None:
    refused = cli("scenario", "linux_7_3", "--cover", "--scope", "share", "--format", "c")
    assert refused.status == 2 and "LUO609" in refused.err and "-o DIR/" in refused.err and refused.out == ""
    ended = cli("scenario", "linux_7_3", "--cover", "--scope", "share", "--format", "c", "-o", tmp_path / "made")
    files = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert ended.status == 0 and files and all(name.endswith(".c") for name in files)
    one = cli("scenario", "linux_7_3", "--reach", "handed_over", "--format", "ftrace", "-o", f"{tmp_path}/t/")
    assert one.status == 0 and [p.name for p in (tmp_path / "t").iterdir()] == ["linux_7_3-reaches-handed-over.trace.txt"]


def test_none_and_undecided(cli: Cli, tiny: str) -> None:
    none = cli("scenario", tiny, "--violate", "all_saved")
    assert none.status == 1 and "no run in scope `small` violates all_saved" in none.out
    quiet = cli("scenario", tiny, "--violate", "all_saved", "--format", "luo")
    assert quiet.status == 1 and quiet.out == "" and "no run in scope `small`" in quiet.err
    assert document(cli("scenario", tiny, "--violate", "all_saved", "--json").out)["verdict"] == "none"
    undecided = cli("scenario", tiny, "--violate", "all_saved", "--max-states", "2", "--json")
    assert undecided.status == 3 and document(undecided.out)["stopped"] == "stopped after 2 states"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--violate", "nothing"], "LUO603"),
        (["--violate", "done"], "LUO609"),
        (["--reach", "phase == BROKEN"], "LUO2"),
        (["--reach", "phase =="], "LUO10"),
        (["--reach", "true", "--scope", "nowhere"], "LUO603"),
        (["--reach", "true", "--topology", "nowhere"], "LUO603"),
        (["--cover", "--topology", "nowhere"], "LUO603"),
        (["--distinguish", "nobody"], "LUO607"),
        (["--play", "/nonexistent"], "LUO607"),
        (["--cover", "--violate", "done"], "LUO609"),
        ([], "LUO609"),
        (["--violate", "no_effect", "--format", "c"], "LUO630"),
        (["--cover", "--count", "2"], "LUO609"),
        (["--distinguish", "linux_7_3", "--topology", "pair"], "LUO609"),
        (["--reach", "true", "--depth", "all"], "LUO609"),
        (["--reach", "true", "--engine", "bmc"], "LUO609"),
        (["--reach", "true", "--count", "0"], "LUO609"),
    ],
)
def test_what_cannot_be_done_is_said(cli: Cli, tiny: str, arguments: list[str], code: str) -> None:
    ended = cli("scenario", tiny, *arguments)
    assert ended.status == 2 and ended.out == ""
    assert code in ended.err or "luocheck: error:" in ended.err
    if "c" not in arguments:
        assert json.loads(cli("scenario", tiny, *arguments, "--json").out)["errors"][0]["code"].startswith(code)


def test_two_formats_are_one_too_many(cli: Cli, tiny: str) -> None:
    ended = cli("scenario", tiny, "--cover", "--format", "c", "--json")
    assert ended.status == 2 and document(ended.out)["errors"][0]["code"] == "LUO609"


def test_an_output_that_cannot_be_written(cli: Cli, tiny: str, tmp_path: Path) -> None:
    ended = cli("scenario", tiny, "--violate", "no_effect", "-o", tmp_path / "no" / "such" / "folder.txt")
    assert ended.status == 2 and "LUO610" in ended.err


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("there.txt/", "this is a file"),
        ("there.txt/found.txt", "this is no folder"),
        ("no/such/found.txt", "there is no such folder"),
    ],
)
def test_what_cannot_be_written_is_said_before_anything_is_searched(
    output: str, said: str, cli: Cli, tiny: str, tmp_path: Path
) -> None:
    (tmp_path / "there.txt").write_text("mine")
    for goal in (["--violate", "no_such_claim"], ["--cover", "--format", "luo"], ["--cover", "--json"]):
        ended = cli("scenario", tiny, *goal, "-o", f"{tmp_path}/{output}")
        assert ended.status == 2 and "LUO610" in ended.err + ended.out and said in ended.err + ended.out
    assert (tmp_path / "there.txt").read_text() == "mine"


def test_a_document_goes_into_the_file(cli: Cli, tiny: str, tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    ended = cli("scenario", tiny, "--violate", "no_effect", "--json", "-o", file)
    assert ended.status == 0 and ended.out == "" and document(file.read_text())["verdict"] == "found"


def test_a_dash_is_standard_output(cli: Cli, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for format in ("text", "json", "luo"):
        ended = cli("scenario", tiny, "--violate", "no_effect", "--format", format, "-o", "-")
        assert ended.status == 0 and "no_effect" in ended.out
    assert not list(tmp_path.iterdir())


def test_every_format_can_go_into_a_folder(cli: Cli, tiny: str, tmp_path: Path) -> None:
    for format in ("text", "json", "luo"):
        assert cli("scenario", tiny, "--violate", "no_effect", "--format", format, "-o", f"{tmp_path}/made/").status == 0
    names = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert names == ["tiny-violate.json", "tiny-violate.txt", "tiny-violates-no-effect.scenario"]


def test_a_full_disk_is_named(cli: Cli, tiny: str) -> None:
    ended = cli("scenario", tiny, "--violate", "no_effect", "--format", "luo", "-o", "/dev/full")
    assert ended.status == 2 and "LUO610" in ended.err and "/dev/full" in ended.err


def test_a_scenario_that_no_recording_shows_is_refused(cli: Cli, tiny: str) -> None:
    ended = cli("scenario", tiny, "--violate", "no_effect", "--topology", "pair", "--format", "ftrace")
    assert ended.status == 2 and ended.out == "" and "LUO630" in ended.err
