"""`luocheck audit` of folders of captures: the same answer however it is distributed, gone on from, and honest about what is missing."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli.test_documents import valid
from jobs.fleets import capture, fleet
from jobs.hooks import Here, audit_dying_once

import luocheck
from luocheck import auditing
from luocheck.cli import options
from luocheck.cli.main import main
from luocheck.jobs import choosing
from luocheck.jobs.job import Outcome, Task
from luocheck.model.diagnostics import Diagnostic
from luocheck.traces.folders import Place, Skipped, places

ROOT = Path(__file__).parents[2]
SPEC = "linux_7_3"


def command(*argv: object) -> list[str]:
    return [sys.executable, "-m", "luocheck", "audit", SPEC, *map(str, argv)]


def ended(*argv: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(*argv), cwd=ROOT, capture_output=True, timeout=400, check=False)  # 300 captures


loaded = cache(luocheck.load)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec is read once."""
    monkeypatch.setattr(options, "load", loaded)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Audits are made in this process, where how they are distributed is not what is tested."""
    monkeypatch.setattr(choosing, "Processes", lambda count, fresh: Here())


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder with one capture of each kind, and with what is none."""
    folder = tmp_path / "mixed"
    (folder / "b" / "inner").mkdir(parents=True)
    (folder / "a.txt").write_bytes(capture("conforms", 1))
    (folder / "b.trace").write_bytes(capture("used token", 2))
    (folder / "b" / "inner" / "no suffix").write_bytes(capture("lost", 3))
    (folder / "c.gz").write_bytes(b"\x1f\x8b damaged")
    (folder / "d.data").write_bytes(b"PERFILE2" + bytes(100))
    (folder / "README.txt").write_bytes(capture("used token", 4))
    (folder / "notes.md").write_text("notes\n")
    (folder / ".hidden").write_bytes(capture("used token", 5))
    (folder / "e.out").write_text("the console\nsays nothing\n")
    (folder / "tool").write_bytes(b"\x7fELF" + bytes(100))
    (folder / "link").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    return folder


# ---- which captures ---------------------------------------------------------------------------------------------


def test_a_folder_is_walked_in_the_order_of_names(mixed: Path) -> None:
    found = list(places([str(mixed), str(mixed / "a.txt"), "-", "b\0d"]))
    assert [os.path.relpath(each.path, mixed) for each in found[:-3] if isinstance(each, Place)] == [
        "a.txt",
        "b.trace",
        "c.gz",
        "d.data",
        "e.out",
        "tool",
        "b/inner/no suffix",
    ]
    assert all(isinstance(each, Place) and each.folder is None for each in found[-3:])
    assert {os.path.relpath(each.path, mixed): each.why for each in found if isinstance(each, Skipped)} == {
        ".hidden": "hidden",
        "README.txt": "documentation",
        "link": "a link to a folder",
        "notes.md": "documentation",
        "pipe": "not a regular file",
    }


def test_links_that_lead_nowhere_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "dangling").symlink_to("nothing")
    first, circle, dangling = places([str(tmp_path)])
    assert isinstance(first, Place)
    assert isinstance(circle, Skipped) and circle.why == f"cannot be followed: {os.strerror(errno.ELOOP)}"
    assert isinstance(dangling, Skipped) and dangling.why == "not a regular file"


def test_a_folder_that_cannot_be_read_is_told(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("inner"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    (problem,) = (each for each in places([str(mixed)]) if isinstance(each, Diagnostic))
    assert problem.code == "LUO700" and "Permission denied" in problem.message


@pytest.mark.usefixtures("here")
def test_what_is_said_of_a_folder(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", SPEC, str(mixed), "--json"]) == 2
    document = valid("audit", capsys.readouterr().out)
    summary = document["summary"]
    assert summary["verdict"] == "error" and summary["captures"] == 5
    assert summary["counts"] == {"error": 2, "violated": 1, "inconclusive": 1, "lost": 0, "not_run": 0, "conforms": 1}
    assert [
        (each["outcome"], each["rule"], each["captures"], os.path.relpath(each["first"], mixed)) for each in summary["groups"]
    ] == [
        ("error", "LUO700", 1, "c.gz"),
        ("error", "LUO700", 1, "d.data"),
        ("violated", "LUO701", 1, "b.trace"),
        ("inconclusive", None, 1, "b/inner/no suffix"),
        ("conforms", None, 1, "a.txt"),
    ]
    assert summary["groups"][2]["what"] == "PRESERVE_FD returned OK" and summary["groups"][2]["line"] == 16
    assert {os.path.basename(each["file"]) for each in summary["skipped"]} == {
        ".hidden",
        "README.txt",
        "link",
        "notes.md",
        "pipe",
        "e.out",
        "tool",
    }
    assert [each.get("verdict") for each in document["results"]] == ["conforms", "violated", None, None, "inconclusive"]
    assert document["results"][1]["findings"][0]["file"] == document["results"][1]["capture"] == str(mixed / "b.trace")
    assert document["results"][0]["seconds"] is None
    assert main(["audit", SPEC, str(mixed)]) == 2
    text = capsys.readouterr().out
    assert f"--> {mixed}/b.trace:16" in text and "verdict conforms" in text and "perf.data" in text
    assert f"PRESERVE_FD returned OK; the first: {mixed}/b.trace:16" in " ".join(text.split())
    assert "5 captures: 1 conform, 1 inconclusive, 1 violated, 2 unreadable; 7 skipped; exit status 2" in " ".join(text.split())
    assert main(["audit", SPEC, str(mixed), "--summary"]) == 2
    short = capsys.readouterr().out
    assert "verdict conforms" not in short and "7 skipped" in " ".join(short.split()) and len(short) < len(text)
    assert main(["audit", SPEC, str(mixed), "--summary", "--timings", "--json"]) == 2
    document = valid("audit", capsys.readouterr().out)
    assert document["results"] == [] and document["summary"]["seconds"] > 0


@pytest.mark.usefixtures("here")
def test_the_exit_status_is_the_worst(mixed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    statuses = []
    for name in ("a.txt", "b/inner/no suffix", "b.trace", "c.gz"):
        shutil.copy(mixed / name, folder)
        statuses.append(main(["audit", SPEC, str(folder), "--summary"]))
    assert statuses == [0, 3, 1, 2]
    (folder / "only").mkdir()
    assert main(["audit", SPEC, str(mixed / "a.txt"), str(folder / "only")]) == 2


@pytest.mark.usefixtures("here")
def test_a_folder_without_captures_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty" / "inner").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a").write_text("nothing of a recording\n" * 3)
    assert main(["audit", SPEC, str(tmp_path / "empty")]) == 2
    out = capsys.readouterr().out
    assert "there is no capture in this folder" in out and "it has no file at all" in out
    assert main(["audit", SPEC, str(tmp_path / "notes"), "--json"]) == 2
    document = valid("audit", capsys.readouterr().out)
    assert document["results"] == [] and document["summary"]["problems"][0]["file"] == str(tmp_path / "notes")
    assert "1 skipped, the first" in document["summary"]["problems"][0]["help"]


@pytest.mark.usefixtures("here")
def test_standard_input_and_pipes_are_captures_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(capture("used token", 1)))
    writer.start()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(capture("conforms", 2))))
    assert main(["audit", SPEC, "-", str(pipe), "--json"]) == 1
    writer.join()
    first, second = valid("audit", capsys.readouterr().out)["results"]
    assert (first["capture"], first["verdict"]) == ("<stdin>", "conforms")
    assert (second["capture"], second["findings"][0]["file"]) == (str(pipe), str(pipe))


def test_a_single_capture_with_an_option_for_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choosing, "Processes", lambda count, fresh: Here())
    path = tmp_path / "trace.txt"
    path.write_bytes(capture("conforms", 1))
    assert main(["audit", SPEC, str(path), "--summary"]) == 0
    assert "1 capture: 1 conform; exit status 0" in capsys.readouterr().out
    assert main(["audit", SPEC, str(path), "--jobs", "2", "--cluster", "127.0.0.1:1"]) == 2
    assert main(["audit", SPEC, str(path), "--jobs", "0"]) == 2
    assert "LUO609" in capsys.readouterr().err


# ---- however it is distributed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [30, pytest.param(300, marks=pytest.mark.nightly)])
def test_a_fleet_on_two_processes_is_what_it_is_on_one(tmp_path: Path, count: int) -> None:
    kinds = fleet(tmp_path / "fleet", count)
    assert sum(kinds.values()) == count and min(kinds.values()) > 0
    one = ended(tmp_path / "fleet", "--jobs", "1", "--json")
    two = ended(tmp_path / "fleet", "--jobs", "2", "--json")
    assert one.returncode == two.returncode == 2 and one.stdout == two.stdout, two.stderr
    document = valid("audit", two.stdout.decode())
    assert document["summary"]["counts"] == {
        "error": kinds["damaged"],
        "violated": kinds["used token"] + kinds["no session"],
        "inconclusive": kinds["lost"],
        "lost": 0,
        "not_run": 0,
        "conforms": kinds["conforms"],
    }
    assert {
        (each["rule"], each["what"]): each["captures"] for each in document["summary"]["groups"] if each["outcome"] == "violated"
    } == {
        ("LUO701", "PRESERVE_FD returned OK"): kinds["used token"],
        ("LUO701", "CREATE_SESSION returned EINVAL"): kinds["no session"],
    }
    assert len(document["summary"]["skipped"]) == len(document["results"]) == count
    names = [each.get("capture") or each["errors"][0]["file"] for each in document["results"]]
    assert names == sorted(names)


def test_a_process_that_dies_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = fleet(tmp_path / "fleet", 10)
    monkeypatch.setenv("LUOCHECK_TEST_COUNT", str(tmp_path / "count"))
    monkeypatch.setattr(auditing, "JOB", replace(auditing.JOB, perform=audit_dying_once))
    assert main(["audit", SPEC, str(tmp_path / "fleet"), "--jobs", "2", "--json"]) == 2
    counts = valid("audit", capsys.readouterr().out)["summary"]["counts"]
    assert counts["conforms"] == kinds["conforms"] and counts["lost"] == 0 and counts["error"] == 1
    assert Counter((tmp_path / "count").read_text().split())["node004"] == 2
    monkeypatch.setenv("LUOCHECK_TEST_ALWAYS", "1")
    assert main(["audit", SPEC, str(tmp_path / "fleet" / "rack00" / "node004"), "--jobs", "1", "--json"]) == 3
    summary = valid("audit", capsys.readouterr().out)["summary"]
    assert summary["counts"]["lost"] == 1 and "killed" in summary["lost"][0]["why"]


def test_an_interrupt_prints_what_is_established(tmp_path: Path) -> None:
    fleet(tmp_path / "fleet", 400)  # of which the interrupt comes after some twenty
    last = tmp_path / "fleet" / "rack99"
    last.mkdir()
    shutil.copy(ROOT / "tests/traces/captures/concurrent/conc1.raw.trace.txt.gz", last)
    results = tmp_path / "results.jsonl"
    child = subprocess.Popen(
        command(tmp_path / "fleet", "--jobs", "1", "--results", results, "--json"),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until = time.monotonic() + 60
    while not (results.exists() and results.read_bytes().count(b"\n") > 20):
        assert time.monotonic() < until and child.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(child.pid).children(recursive=True)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 3 and b"Traceback" not in err
    summary = valid("audit", out.decode())["summary"]
    assert summary["verdict"] == "inconclusive" and summary["counts"]["not_run"] >= 1 and summary["counts"]["conforms"] > 5
    assert summary["counts"]["not_run"] == len(summary["not_run"]) and str(last / "conc1.raw.trace.txt.gz") in summary["not_run"]
    assert workers and psutil.wait_procs(workers, timeout=20)[1] == []


# ---- going on ---------------------------------------------------------------------------------------------------


@pytest.mark.nightly
def test_what_is_in_the_file_of_results_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choosing, "Processes", lambda count, fresh: Here())
    made: list[str] = []

    def perform(payload: Any, interrupted: Any) -> Any:
        made.append(Path(payload["paths"][0]).parent.name)
        return auditing.perform(payload, interrupted)

    monkeypatch.setattr(auditing, "JOB", replace(auditing.JOB, perform=perform))

    def again(folder: Path, *options: str) -> tuple[list[str], str]:
        made.clear()
        main(["audit", SPEC, str(folder), "--results", str(tmp_path / "r.jsonl"), *options])
        return sorted(made), capsys.readouterr().out

    fleet(tmp_path / "one", 10)
    first, text = again(tmp_path / "one")
    assert first == [f"node{number:03d}" for number in range(10)]
    assert again(tmp_path / "one") == (["node007"], text)  # what could not be read may be there now
    (tmp_path / "one").rename(tmp_path / "two")
    moved, other = again(tmp_path / "two")
    assert moved == ["node007"] and other.replace(f"{tmp_path}/two", f"{tmp_path}/one") == text
    trace = tmp_path / "two" / "rack00" / "node005" / "trace.txt"
    trace.write_bytes(trace.read_bytes() + b"\n")
    assert again(tmp_path / "two")[0] == ["node005", "node007"]
    assert len(again(tmp_path / "two", "--begins", "cold")[0]) == len(again(tmp_path / "two", "--timeout", "9")[0]) == 10
    monkeypatch.setattr(auditing, "version", lambda: "another")
    assert len(again(tmp_path / "two")[0]) == 10


@pytest.mark.nightly
@pytest.mark.usefixtures("here")
def test_captures_with_the_same_content_keep_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_bytes(capture("used token", 1))
        (tmp_path / f"{name}.gz").write_bytes(b"\x1f\x8b damaged")
    names = [str(tmp_path / each) for each in ("a.gz", "a.txt", "b.gz", "b.txt")]
    for more in ([], ["--results", str(tmp_path / "r.jsonl")], ["--results", str(tmp_path / "r.jsonl")]):
        assert main(["audit", SPEC, *names, "--json", *more]) == 2
        a_damaged, a, b_damaged, b = valid("audit", capsys.readouterr().out)["results"]
        assert [each["errors"][0]["file"] for each in (a_damaged, b_damaged)] == [names[0], names[2]]
        assert [(each["capture"], each["findings"][0]["file"]) for each in (a, b)] == [(names[1], names[1]), (names[3], names[3])]
        assert main(["audit", SPEC, *names, *more]) == 2
        out = capsys.readouterr().out
        assert all(f"--> {each}" in out for each in names)


def test_a_file_of_other_results_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "Processes", lambda count, fresh: Here())
    path = tmp_path / "trace.txt"
    path.write_bytes(capture("used token", 1))
    results = tmp_path / "r.jsonl"
    assert main(["audit", SPEC, str(path), "--results", str(results)]) == 1
    header, line = results.read_bytes().splitlines()
    kept = json.loads(line)
    assert json.loads(header)["job"] == "audit" and kept["result"]["answer"]["verdict"] == "VIOLATED"
    damages: list[dict[str, Any]] = [
        {},
        {**kept["result"], "answer": None},
        {**kept["result"], "skipped": "no"},
        {**kept["result"], "answer": {**kept["result"]["answer"], "verdict": "FINE"}},
        {**kept["result"], "answer": {**kept["result"]["answer"], "verdict": ["VIOLATED"]}},
        {**kept["result"], "answer": {**kept["result"]["answer"], "calls": "6"}},
    ]
    for result in damages:
        results.write_bytes(header + b"\n" + json.dumps({**kept, "result": result}).encode() + b"\n")
        capsys.readouterr()
        assert main(["audit", SPEC, str(path), "--results", str(results)]) == 2
        assert "LUO613" in capsys.readouterr().err
    results.write_bytes(b'{"job":"sweep","schema":"luocheck-results/1"}\n')
    assert main(["audit", SPEC, str(path), "--results", str(results)]) == 2
    assert "it has results of `luocheck sweep`" in capsys.readouterr().err


# ---- one audit as a value ---------------------------------------------------------------------------------------


def test_a_worker_elsewhere_needs_no_files(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = loaded(SPEC)
    sent: dict[str, Any] = {}

    class Elsewhere(Here):
        def run(self, job: Any, tasks: Any, interrupted: Any) -> Any:
            sent.update({each.label: job.send(each.payload) for each in tasks})
            shutil.move(mixed, mixed.with_name("away"))
            yield from super().run(job, [Task(each.key, each.label, sent[each.label]) for each in tasks], interrupted)

    before = luocheck.audit_all(spec, [str(mixed)], jobs=1)
    monkeypatch.setattr(choosing, "Processes", lambda count, fresh: Elsewhere())
    after = luocheck.audit_all(spec, [str(mixed)])
    assert [replace(each, seconds=0.0, answer=each.answer and replace(each.answer, seconds=0.0)) for each in after.captures] == [
        replace(each, seconds=0.0, answer=each.answer and replace(each.answer, seconds=0.0)) for each in before.captures
    ]
    assert before.skipped == after.skipped and before.groups == after.groups
    assert [each.outcome for each in before.captures] == ["conforms", "violated", "error", "error", "inconclusive"]
    payload = sent[str(mixed / "a.txt")]
    assert list(payload["files"]) == ["a.txt"]
    monkeypatch.setattr(auditing, "MOST_SENT", 10)
    os.rename(mixed.with_name("away"), mixed)
    assert "files" not in auditing.send({"paths": [str(mixed / "a.txt")]})
    assert "files" not in auditing.send({"paths": [str(mixed / "missing")]}) and "files" not in auditing.send(
        {"paths": [str(mixed / "pipe")]}
    )


def test_captures_that_were_lost_or_left_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing(Here):
        def run(self, job: Any, tasks: Any, interrupted: Any) -> Any:
            yield [(tasks[0], Outcome(None, 0.0, "worker lost: it rained"))]

    monkeypatch.setattr(choosing, "Processes", lambda count, fresh: Failing())
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(capture("conforms", ord(name)))
    assert main(["audit", SPEC, str(tmp_path)]) == 3
    out = capsys.readouterr().out
    assert f"{tmp_path}/a: worker lost: it rained\n" in out and f"{tmp_path}/b: not audited\n" in out
    assert "2 captures: 1 not run, 1 lost; exit status 3" in " ".join(out.split())


def test_the_table_is_for_80_columns(mixed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(choosing, "Processes", lambda count, fresh: Here())
    monkeypatch.chdir(mixed.parent)
    assert main(["audit", SPEC, "mixed", "--summary"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 or "audit:" in line for line in lines)
    assert re.match(r"  !!  error         1         LUO700  the compressed file is damaged", lines[1])


# ---- the page ---------------------------------------------------------------------------------------------------


def test_the_page_says_what_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(choosing, "Processes", lambda count, fresh: Here())
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "fleet.md").read_text()
    (argv,) = re.findall(r"^```sh\nluocheck (audit .*)\n```", page, re.MULTILINE)
    (shown,) = re.findall(r"\n\n```\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert main(argv.split()) == 1
    assert capsys.readouterr().out == shown
    assert f"more than {auditing.MOST_SENT >> 20} MiB" in page


def test_it_is_asked_from_python() -> None:
    answer = luocheck.audit_all(loaded(SPEC), [str(ROOT / "docs/examples/fleet")], jobs=2)
    assert (answer.verdict, answer.exit_status) == ("violated", 1)
    assert [each.outcome for each in answer.captures] == ["violated", "inconclusive", "conforms", "conforms"]
