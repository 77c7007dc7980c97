"""`luocheck sweep` as a user meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli.test_documents import refused, schema, valid
from jobs.hooks import Here, sweep_counted, sweep_dying
from jsonschema import Draft202012Validator

import luocheck
from luocheck import sweeping
from luocheck.checker.sweep.runs import Selection, runs_of
from luocheck.checker.sweep.work import Options, key_of, payload_of, perform, ran_of, version, worth_keeping
from luocheck.jobs import choosing
from luocheck.model.spec import load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "sweep.md"
DERIVED = 'spec derived extends tiny "as tiny, and nothing is saved twice";\nreachable saved: some f: File | f.saved;\n'
PLAIN = Options()


def runs(document: Any) -> list[tuple[str, str, str | None]]:
    return [(run["spec"], run["scope"]["name"], run["topology"]) for run in document["runs"]]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The scopes of the runs that were made since the last time."""
    path = tmp_path / "count"
    monkeypatch.setenv("LUOCHECK_TEST_COUNT", str(path))
    monkeypatch.setattr(sweeping, "JOB", replace(sweeping.JOB, perform=sweep_counted))

    def count() -> list[str]:
        made = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return sorted(made)

    return count


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are made in this process, where how they are distributed is not what is tested."""
    monkeypatch.setattr(choosing, "Processes", lambda count, fresh: Here())


# ---- what it says -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_it_says_what_check_says(cli: Any, tiny: str) -> None:
    document = valid("sweep", cli("sweep", tiny, "--json").out)
    checked = valid("check", cli("check", tiny, "--json").out)
    same = ("property", "scope", "topology", "kind", "result", "method", "expected", "as_expected", "note")
    ours = [tuple(row[key] for key in same) for row in document["rows"]]
    theirs = [tuple(row["name" if key == "property" else key] for key in same) for row in checked["properties"]]
    assert ours == theirs and len(ours) == 14
    assert [row["calls"] for row in document["rows"]] == [
        len(row["witness"]["calls"]) if row["witness"] is not None else None for row in checked["properties"]
    ]
    for key in ("scope", "topology", "states", "transitions", "depth", "complete", "checks", "starting_points"):
        assert [run[key] for run in document["runs"]] == [run[key] for run in checked["runs"]], key
    assert document["verdict"] == "as-expected" and document["seconds"] is None


def test_the_table(cli: Any, tiny: str) -> None:
    ended = cli("sweep", tiny)
    assert ended.status == 0 and ended.err == ""
    lines = [line.split() for line in ended.out.splitlines()]
    assert lines[0] == ["SPEC", "SCOPE", "PROPERTY", "RESULT", "CALLS", "STATES"]
    assert ["ok", "tiny", "race", "saved_means_prepared", "fails", "3", "6"] in lines
    assert ["ok", "tiny", "small", "pair", "no_effect", "fails", "1", "3"] in lines
    assert ["ok", "tiny", "small", "9", "other", "claims", "hold,", "or", "are", "reached", "8"] in lines
    assert ended.out.endswith("sweep: as expected; 3 runs of 1 spec; 14 of 14 verdicts as expected; exit status 0\n")
    every = cli("sweep", tiny, "--all", "--timings").out
    assert "other claims" not in every and every.count("  holds") == 8 and "SECONDS" in every.splitlines()[0]
    assert cli("sweep", tiny, "--jobs", "1").out == cli("sweep", tiny, "--jobs", "3").out == ended.out


def test_scopes_sizes_topologies_and_claims_are_combined(tiny: str) -> None:
    spec = load(tiny)

    def combined(**asked: tuple[str, ...]) -> list[tuple[str, str | None, int]]:
        made, left_out = runs_of([spec], Selection(**asked))
        assert left_out == []
        return [
            (each.planned.scope.name, each.planned.topology.name if each.planned.topology else None, len(each.planned.claims))
            for each in made
        ]

    count = len(spec.system.properties)
    assert combined(scopes=("race", "small")) == [("race", None, count), ("small", None, count)]
    assert combined(topologies=("pair",)) == [("small", "pair", count)]
    assert combined(scopes=("small", "race"), topologies=("pair",), properties=("ends",)) == [
        ("small", "pair", 1),
        ("race", "pair", 1),
    ]
    assert combined(scopes=("race",), sizes=("File=0..2,Agent=1",)) == [
        ("race_Agent1_File0", None, count),
        ("race_Agent1", None, count),
        ("race_Agent1_File2", None, count),
    ]
    assert combined(sizes=("File=1..3", "Agent=2")) == [
        ("Agent2_File1", None, count),
        ("Agent2", None, count),
        ("Agent2_File3", None, count),
    ]
    assert combined(scopes=("File=3",), sizes=("Agent=1..2",)) == [("File3", None, count), ("Agent2_File3", None, count)]
    assert combined(properties=("done", "no_effect")) == [
        ("small", None, 1),
        ("small", None, 1),
        ("small", "pair", 1),
    ]
    ((run,), _) = runs_of([spec], Selection(scopes=("race",), sizes=("File=2",)))
    assert run.planned.scope.stepwise == frozenset({"SAVE"}) and dict(run.planned.scope.sizes) == {"Agent": 2, "File": 2}


@pytest.mark.usefixtures("here")
def test_what_a_spec_does_not_declare_is_left_out(cli: Any, tiny: str, endless: str) -> None:
    document = valid("sweep", cli("sweep", tiny, endless, "--scope", "race", "--json").out)
    assert runs(document) == [("tiny", "race", None)]
    assert document["left_out"] == ["endless: there is no scope `race`"]
    for option, value, code in (
        ("--scope", "rase", "LUO603"),
        ("--topology", "pare", "LUO603"),
        ("--property", "end", "LUO603"),
        ("--set", "Fil=1", "LUO603"),
        ("--set", "File=1..x", "LUO219"),
        ("--set", "File", "LUO219"),
        ("--set", "File=3..1", "LUO219"),
        ("--set", "File=1..9999", "LUO219"),
        ("--engine", "spin", "LUO603"),
    ):
        ended = cli("sweep", tiny, endless, option, value)
        assert ended.status == 2 and code in ended.err and ended.out == "", option
    for argv in (
        ["--jobs", "0"],
        ["--depth", "3"],
        ["--jobs", "2", "--cluster", "a:1"],
        ["--set", "Agent=0..40,File=0..40,Slot=0..40"],
    ):
        ended = cli("sweep", tiny, *argv)
        assert ended.status == 2 and ended.out == "" and "Traceback" not in ended.err, argv


@pytest.mark.usefixtures("here")
def test_too_many_runs(cli: Any, tmp_path: Path) -> None:
    sorts = "ABCDEFG"
    path = tmp_path / "many.luo"
    text = "spec many; sort P symmetric caller; " + "".join(f"sort {name} symmetric; " for name in sorts)
    path.write_text(text + "scope s { P = 1, " + ", ".join(f"{name} = 1" for name in sorts) + " }\n")
    ended = cli("sweep", path, *(word for name in sorts for word in ("--set", f"{name}=1..9")))
    assert ended.status == 2 and "more than 100,000 runs" in ended.err


@pytest.mark.usefixtures("here")
def test_undecided_unexpected_and_unusable(cli: Any, tiny: str, tmp_path: Path) -> None:
    ended = cli("sweep", tiny, "--scope", "File=3", "--max-states", "5", "--json")
    document = valid("sweep", ended.out)
    assert ended.status == 3 and document["verdict"] == "undecided" and document["runs"][0]["stopped"] == "stopped after 5 states"
    wrong = tmp_path / "wrong.luo"
    wrong.write_text(
        Path(tiny)
        .read_text()
        .replace("spec tiny", "spec wrong")
        .replace("states 8 .. 40", "states 9 .. 40")
        .replace("    ends fails;", "")
    )
    ended = cli("sweep", tiny, wrong)
    assert ended.status == 1 and "1 of 2" not in ended.out
    assert re.search(r"!!  wrong  small +ends +fails +1 +8 +expected:", ended.out)
    assert re.search(r"!!  wrong  small +states +8 +8 +expected:", ended.out)
    assert f"its story: luocheck check {wrong} --scope small --property ends\n" in ended.out
    ended = cli("sweep", tiny, wrong, "nobody", "--json")
    document = valid("sweep", ended.out)
    assert ended.status == 2 and document["verdict"] == "error" and [each["code"] for each in document["problems"]] == ["LUO607"]
    assert Counter(run["verdict"] for run in document["runs"]) == {"as-expected": 5, "unexpected": 1}
    assert cli("sweep", tiny, "--strict").status == cli("check", tiny, "--strict").status == 0
    assert valid("errors", cli("sweep", "nobody", "--json").out)["errors"][0]["code"] == "LUO607"


@pytest.mark.usefixtures("here")
def test_a_run_that_cannot_be_made_does_not_keep_the_others_from_it(cli: Any, tiny: str) -> None:
    ended = cli("sweep", tiny, "--engine", "bmc", "--depth", "2", "--scope", "race", "--scope", "small")
    assert ended.status == 2 and "error[LUO501]" in ended.out
    assert re.search(r"!!  tiny  race +- +error +LUO501", ended.out) and re.search(r"ok  tiny  small +no_effect +fails", ended.out)
    document = valid("sweep", cli("sweep", tiny, "--engine", "bmc", "--depth", "2", "--scope", "race", "--json").out)
    (row,) = document["rows"]
    assert row["result"] == "error" and row["property"] is None and document["problems"][0]["code"] == "LUO501"


@pytest.mark.usefixtures("here")
def test_strict_counts_what_fires_in_no_run(cli: Any, tiny: str, tmp_path: Path) -> None:
    path = tmp_path / "dead.luo"
    path.write_text(Path(tiny).read_text().replace("spec tiny", "spec dead") + "ioctl NEVER(a: Agent) { require false; }\n")
    assert cli("sweep", path).status == cli("check", path).status
    document = valid("sweep", cli("sweep", path, "--strict", "--json").out)
    assert document["never_fired"] == [{"spec": "dead", "what": "NEVER"}] and document["verdict"] == "unexpected"
    assert "dead: NEVER never fired" in cli("sweep", path, "--strict").out


@pytest.mark.usefixtures("here")
def test_the_schema_is_strict(cli: Any, tiny: str) -> None:
    Draft202012Validator.check_schema(schema("sweep"))
    document = valid("sweep", cli("sweep", tiny, "--scope", "race", "--timings", "--json").out)
    assert document["seconds"] > 0 and document["runs"][0]["seconds"] > 0
    for key in document:
        assert refused("sweep", {k: v for k, v in document.items() if k != key}), key
    for part in ("rows", "runs"):
        for key in document[part][0]:
            changed = [{k: v for k, v in document[part][0].items() if k != key}]
            assert refused("sweep", {**document, part: changed}), key


# ---- a run as a value -------------------------------------------------------------------------------------------


def test_a_worker_needs_no_files(tmp_path: Path, tiny: str) -> None:
    (tmp_path / "tiny.luo").write_text(Path(tiny).read_text().replace('spec tiny "two', 'spec tiny "not'))
    (tmp_path / "derived.luo").write_text(DERIVED)
    spec = load(str(tmp_path / "derived.luo"))
    made, _ = runs_of([spec], Selection())
    payloads = [json.loads(json.dumps(payload_of(each, Options()))) for each in made]
    for path in tmp_path.glob("*.luo"):
        path.unlink()
    ran = [ran_of(perform(payload, lambda: None)) for payload in payloads]
    assert [each.problems for each in ran] == [()] * 3
    assert {answer.property: answer.result for answer in ran[0].answers}["saved"] == "reached"
    assert "not files are saved" in payloads[0]["texts"][1][1]  # the base beside it, not the shipped one or another


def test_what_a_result_is_known_by(tmp_path: Path, tiny: str) -> None:
    def keys(path: Path, options: Options = PLAIN, **selection: tuple[str, ...]) -> list[str]:
        return [key_of(payload_of(each, options)) for each in runs_of([load(str(path))], Selection(**selection))[0]]

    texts = {"tiny.luo": Path(tiny).read_text(), "derived.luo": DERIVED}
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name, text in texts.items():
            (tmp_path / folder / name).write_text(text)
    derived = tmp_path / "one" / "derived.luo"
    first = keys(derived)
    assert len(set(first)) == 3 and keys(tmp_path / "two" / "derived.luo") == first
    others = [
        Options(engine="interpreter"),
        Options(symmetry=False),
        Options(strict=True),
        Options(max_states=9),
        Options(timeout=9.0),
        Options(memory=9),
    ]
    others += [Options(depth=3)]
    for options in others:
        assert not set(keys(derived, options)) & set(first), options
    assert not set(keys(derived, properties=("ends",))) & set(first)
    (tmp_path / "one" / "tiny.luo").write_text(texts["tiny.luo"] + "\n")  # the base
    assert not set(keys(derived)) & set(first)
    assert version().startswith(luocheck.__version__ + " (")


def test_what_is_not_worth_keeping(tiny: str) -> None:
    ((run,), _) = runs_of([load(tiny)], Selection(scopes=("race",)))
    result = perform(payload_of(run, Options()), lambda: None)
    assert worth_keeping(result) and worth_keeping({**result, "stopped": "stopped after 5 s"})
    assert not worth_keeping({**result, "stopped": "stopped because there is no more memory"})
    refused_ = perform(payload_of(run, Options(engine="bmc")), lambda: None)
    assert ran_of(refused_).problems[0].code == "LUO501" and not worth_keeping(refused_)


# ---- going on ---------------------------------------------------------------------------------------------------


def test_a_resumed_sweep_does_what_is_missing_only(cli: Any, tiny: str, tmp_path: Path, counted: Any) -> None:
    spec, results = tmp_path / "mine.luo", tmp_path / "r.jsonl"
    spec.write_text(Path(tiny).read_text().replace("spec tiny", "spec mine"))
    argv = ("sweep", tiny, spec, "--jobs", "2", "--results", results)
    first = cli(*argv)
    assert first.status == 0 and counted() == sorted(["small", "race", "small"] * 2)
    again = cli(*argv)
    assert again.out == first.out and counted() == [] and "6 of 6 runs were in" in again.err
    assert cli(*argv, "--json").out == cli(*argv[:-2], "--json").out and counted() == sorted(["small", "race", "small"] * 2)

    text = spec.read_text()
    spec.write_text(text.replace("coverage all;", "").replace("two files", "2 files"))
    assert cli(*argv).status == 0 and counted() == ["race", "small", "small"]  # its own text only
    spec.write_text(text)
    assert cli(*argv).out == first.out and counted() == []
    cli(*argv, "--scope", "race", "--set", "File=1..2")
    assert counted() == ["race", "race", "race_File2", "race_File2"]  # all claims of race were not asked for before

    results.write_bytes(results.read_bytes()[:-7])
    cli(*argv, "--scope", "race", "--set", "File=1..2")
    assert len(counted()) == 1
    ended = cli("sweep", tiny, "--results", spec)
    assert ended.status == 2 and "LUO613" in ended.err and spec.read_text() == text and counted() == []


@pytest.mark.usefixtures("here")
def test_a_result_that_does_not_fit_is_refused(cli: Any, tiny: str, tmp_path: Path) -> None:
    results = tmp_path / "r.jsonl"
    argv = ("sweep", tiny, "--scope", "race", "--results", results)
    assert cli(*argv).status == 0
    whole = results.read_text()
    for before, after in (('"states":11', '"states":"many"'), ('"property":"ends"', '"property":"end"'), ('"complete":true,', "")):
        assert before in whole
        results.write_text(whole.replace(before, after))
        ended = cli(*argv)
        assert ended.status == 2 and "LUO613" in ended.err and "line 2 has no result of `tiny race`" in ended.err


def test_a_worker_that_is_killed_loses_its_run_only(cli: Any, tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "r.jsonl"
    whole = cli("sweep", tiny).out
    with monkeypatch.context() as patched:
        patched.setattr(sweeping, "JOB", replace(sweeping.JOB, perform=sweep_dying))
        document = valid("sweep", cli("sweep", tiny, "--json").out)
        ended = cli("sweep", tiny, "--results", results)
    assert [run["outcome"] for run in document["runs"]] == ["done", "lost", "done"] and document["verdict"] == "undecided"
    (row,) = [row for row in document["rows"] if row["property"] is None]
    assert row["result"] == "lost" and row["note"].startswith("worker lost") and row["undecided"] is True
    assert ended.status == 3 and re.search(r"\?\?  tiny  race +- +lost +worker", ended.out) and ", 1 lost;" in ended.out
    assert cli("sweep", tiny, "--results", results).out == whole


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)])
def test_signals_keep_what_is_finished(tiny: str, endless: str, tmp_path: Path, number: signal.Signals) -> None:
    results = tmp_path / "r.jsonl"
    child = subprocess.Popen(
        [sys.executable, "-m", "luocheck", "sweep", endless, tiny, "--jobs", "2", "--results", results, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=ROOT,
    )
    while not results.exists() or results.read_bytes().count(b"\n") < 4:
        assert child.poll() is None
        time.sleep(0.02)
    workers = psutil.Process(child.pid).children(recursive=True)
    os.killpg(child.pid, number)  # as a terminal does
    out, err = child.communicate(timeout=60)
    document = valid("sweep", out.decode())
    assert child.returncode == 3 and document["verdict"] == "undecided" and b"Traceback" not in err
    assert [run["outcome"] for run in document["runs"]] == ["not run", "done", "done", "done"]
    assert [json.loads(line).get("task") for line in results.read_text().splitlines()[1:]].count("endless small") == 0
    assert len(workers) >= 2 and psutil.wait_procs(workers, timeout=20)[1] == []


# ---- the page ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_what_the_page_shows(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command, shown = re.findall(r"```sh\nluocheck (sweep .*?)\n```\n\n```\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    assert cli(*command.split()).out == shown
