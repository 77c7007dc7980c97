"""The harness at the smallest size: what it measures agrees, and it notices what does not.  No figure is tested here."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are no part of the installed package

from benchmarks import __main__ as side_by_side  # noqa: E402
from benchmarks import latency, methods, sweep, traces  # noqa: E402
from benchmarks.captures import CAPTURES, RECORDERS, long, recording, repeated, repeated_dat  # noqa: E402
from benchmarks.processes import run  # noqa: E402
from benchmarks.side_by_side import Bench  # noqa: E402
from benchmarks.sizes import BUGS, SIZES  # noqa: E402
from benchmarks.tools import PYTHON, Tool, missing, tools  # noqa: E402
from luocheck.checker.explore.exploration import explore  # noqa: E402
from luocheck.checker.selection import scope_named  # noqa: E402
from luocheck.model.spec import load  # noqa: E402
from luocheck.traces.decode import decode  # noqa: E402

TINY = SIZES["tiny"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path, 1, 100, lambda text: None)


def quick() -> list[Tool]:
    """Tools whose builds take no seconds."""
    return [tool for tool in tools() if tool.kind in ("c", "python", "luocheck")]


@pytest.mark.nightly
def test_everybody_counts_the_same(bench: Bench) -> None:
    """C takes part where there is a compiler, and else its absence is told."""
    chosen = quick()
    assert ("c" in {tool.kind for tool in chosen}) != ("hand-written C" in missing())
    assert {"python", "luocheck"} <= {tool.kind for tool in chosen}
    for row in bench.full(TINY, chosen):
        assert row.found is not None, row.trouble
        assert (row.trouble, row.wrong) == (None, None), row.label
        assert (row.found.states, row.found.transitions, row.found.depth) == (5_013, 12_879, 30), row.label


@pytest.mark.nightly
def test_everybody_finds_the_shortest_counterexample(bench: Bench) -> None:
    for bug in BUGS:
        for row in bench.hunt(TINY, bug, quick()):
            assert row.found is not None and row.found.violated
            assert (row.trouble, row.wrong, row.found.steps) == (None, None, bug.steps), (row.label, bug.number)


def test_a_wrong_count_is_noticed(bench: Bench) -> None:
    python = [tool for tool in quick() if tool.kind == "python"]
    (row,) = bench.full(replace(TINY, states=5_014), python)
    assert row.wrong == "5,013 states, 12,879 transitions"
    (row,) = bench.hunt(TINY, replace(BUGS[0], steps=12), python)
    assert row.wrong == "13 steps"


def test_a_run_that_takes_too_long_is_stopped_and_not_tried_at_a_larger_size(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 3, 0.05, lambda text: None)
    interpreter = [tool for tool in quick() if tool.name == "luocheck interpreter"]
    (row,) = bench.full(TINY, interpreter)
    assert (row.trouble, row.runs) == ("stopped after 0.05 s", [])
    (row,) = bench.full(SIZES["small"], interpreter)
    assert row.trouble == "not run: tiny took more than 0.05 s"


def test_memory_is_measured_from_outside(tmp_path: Path) -> None:
    """What a process takes and gives back before it ends is in the figure."""
    little = run([PYTHON, "-I", "-S", "-c", "pass"], tmp_path, 60)
    much = run([PYTHON, "-I", "-S", "-c", "del bytearray(50_000_000)[:1]"], tmp_path, 60)
    assert 45_000_000 < much.peak - little.peak < 60_000_000


def test_the_command_prints_ratios_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    options = ["--sizes", "tiny", "--tools", "c,python", "--rounds", "2", "--bugs-at", "tiny", "--output", str(out)]
    assert side_by_side.main(options) == 0
    printed = capsys.readouterr().out
    assert "of SPIN" in printed and "bug 3, tiny: I3 breaks after 11 steps" in printed
    lines = json.loads(out.read_text())["explored"]["tiny"]
    assert {line["states"] for line in lines} == {5_013} and {line["runs"] for line in lines} == {2}


@pytest.mark.parametrize("recorder", RECORDERS)
def test_a_repeated_recording_shows_the_same_calls_again(recorder: str, tmp_path: Path) -> None:
    abi = load("linux_7_3").system.abi
    lines = recording(recorder)
    found = []
    for copies in (1, 3):
        path = tmp_path / f"{copies}.txt"
        path.write_text("\n".join(repeated(lines, copies)) + "\n", encoding="latin-1")
        found.append(decode(str(path), abi, threads_share=True))
    single, three = found
    assert len(single.calls) > 30
    assert three.events == 3 * single.events
    counts = [Counter((call.kind, call.event, call.result) for call in each.calls) for each in found]
    assert counts[1] == Counter({what: 3 * count for what, count in counts[0].items()})


def test_a_repeated_binary_recording_shows_the_same_calls_again(tmp_path: Path) -> None:
    abi = load("linux_7_3").system.abi
    source = CAPTURES / "trace-dat" / "errors.sys.dat"
    repeated_dat(source, tmp_path / "t.dat", 3)
    single, three = decode(str(source), abi), decode(str(tmp_path / "t.dat"), abi)
    assert three.events == 3 * single.events
    counts = [Counter((call.kind, call.event, call.result) for call in each.calls) for each in (single, three)]
    assert counts[1] == Counter({what: 3 * count for what, count in counts[0].items()})


def test_a_sweep_takes_every_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peers = ROOT / "tests" / "specs" / "peers.luo"
    assert sweep.main([f"{peers}@Agent=1,File=3", "--max-states", "500", "--output", str(tmp_path / "sweep.json")]) == 0
    (line,) = json.loads((tmp_path / "sweep.json").read_text())["lines"]
    found = explore(load(str(peers)).system, scope_named(load(str(peers)).system, "Agent=1,File=3"), engine="interpreter")
    assert line["graphs"] == found.instances == 6 and 0 < line["share"] < 1
    assert line["stopped"] > 0 and 6 * 500 >= line["states"] - line["stopped"] > 0
    assert "peers@Agent=1,File=3" in capsys.readouterr().out
    assert sweep.sweep(f"{peers}@Agent=1,File=3", 100_000).states == found.states


def test_latency_is_measured_with_and_without_optimising(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = latency.compilers()[:1]
    monkeypatch.setattr(latency, "compilers", lambda: first)
    peers = str(ROOT / "tests" / "specs" / "peers.luo")
    assert latency.main([peers, "--rounds", "1", "--output", str(tmp_path / "latency.json")]) == 0
    lines = json.loads((tmp_path / "latency.json").read_text())["lines"]
    assert [line["flags"] for line in lines] == ["-O0", "-O1"]
    assert all(line["trouble"] is None and line["compile"] and line["cached"] for line in lines)


def test_a_long_recording_has_the_calls_of_the_agent_and_no_gap(tmp_path: Path) -> None:
    lines = recording("one")
    single, many = tmp_path / "single.txt", tmp_path / "many.txt"
    single.write_text("\n".join(lines), encoding="latin-1")
    many.write_text("\n".join(long(lines, 20_000)), encoding="latin-1")
    abi = load("linux_7_3").system.abi
    found = decode(str(many), abi)
    assert (found.events, len(found.losses)) == (20_000, 0)
    assert [(c.event, c.result) for c in found.calls] == [(c.event, c.result) for c in decode(str(single), abi).calls]


def test_calls_that_repeat_are_all_explained_however_they_come(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "repeated.json"
    assert traces.main(["--repeated", "300", "--noise", "2", "--rounds", "1", "--output", str(out)]) == 0
    (line,) = json.loads(out.read_text())["repeated"]
    assert (line["calls"], line["events"]) == (300, 900)
    assert (
        all(len(line[what]) == 1 and line[what][0] > 0 for what in ("decoded", "replayed", "followed"))
        and line["peak"] > 10_000_000
    )
    assert "calls/s replayed" in capsys.readouterr().out


TRAYS = ROOT / "docs" / "examples" / "trays.luo"


def test_callers_at_once_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.json"
    assert traces.main(["--callers", "1", "8", "--events", "400", "--rounds", "1", "--output", str(out)]) == 0
    assert [each["callers"] for each in json.loads(out.read_text())["callers"]] == [1, 8]
    assert "callers at once" in capsys.readouterr().out


def test_every_claim_is_asked_by_every_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "methods.json"
    options = ["--specs", str(TRAYS), "--limit", "30", "--nice", "0", "--depth", "4", "--output", str(out)]
    assert methods.main(options) == 0
    printed = capsys.readouterr().out
    claims = [claim.name for claim in load(str(TRAYS)).system.properties if claim.kind.value != "built-in"]
    rows = [line for line in printed.splitlines() if line.startswith("| `")]
    assert [row.split("`")[1] for row in rows] == claims
    answers = json.loads(out.read_text())["specs"][str(TRAYS)]
    assert answers["check"]["cells"]["open_again"] == answers["bmc"]["cells"]["open_again"] == "fails, 3 calls"
    assert answers["check"]["cells"]["nothing_lost"] == "holds" and answers["bmc"]["cells"]["nothing_lost"] == "to depth 4"
    assert answers["bounded"]["cells"]["filled"].startswith("1-induction")
    assert all(each["trouble"] is None and each["seconds"] > 0 for each in answers.values())
    assert methods.main(["--tables", str(out)]) == 0
    assert capsys.readouterr().out == printed
    answers["bounded"]["cells"]["open_again"] = "1-induction, 0.1 s"
    out.write_text(json.dumps({"specs": {str(TRAYS): answers}}))
    assert methods.main(["--tables", str(out)]) == 1


def test_the_page_about_methods_has_every_claim() -> None:
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    sections = {each.splitlines()[0]: each for each in page.split("\n## ")[1:]}
    assert {"intent", "rfc_v2", "linux_6_19", "linux_7_3", "luofs", "peers"} <= set(sections)
    for name, section in sections.items():
        system = load(str(ROOT / "tests" / "specs" / "peers.luo") if name == "peers" else name).system
        claims = [claim.name for claim in system.properties if claim.kind.value != "built-in"]
        assert [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")] == claims, name
