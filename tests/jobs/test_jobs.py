"""Jobs on the processes of this machine: order, deaths, interrupts, and the file of results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from jobs.hooks import JOB, Here

from luocheck.jobs.job import Outcome, Task
from luocheck.jobs.processes import LOST, Processes
from luocheck.jobs.results import Results
from luocheck.jobs.run import run
from luocheck.model.diagnostics import SpecError

Make = Callable[..., Task]


@pytest.fixture
def task(tmp_path: Path) -> Make:
    place = tmp_path / "begun"
    place.mkdir()

    def make(name: str, do: str = "answer", **more: str) -> Task:
        return Task(f"key of {name}", name, {"name": name, "place": str(place), "do": do, **more})

    return make


def begun(made: Task) -> int:
    """How often a task was begun."""
    path = Path(made.payload["place"]) / made.label
    return len(path.read_text().split()) if path.exists() else 0


def names(outcomes: Sequence[Outcome | None]) -> list[str | None]:
    return [outcome.result["name"] if outcome is not None and outcome.result is not None else None for outcome in outcomes]


def test_outcomes_are_in_the_order_of_the_tasks(task: Make) -> None:
    tasks = [task("first", "wait for", other="third"), task("second"), task("third"), task("second")]
    seen = []
    outcomes = run(JOB, tasks, Processes(2), progress=lambda progress: seen.append((progress.done, progress.total)))
    assert names(outcomes) == ["first", "second", "third", "second"]
    assert [begun(each) for each in tasks] == [1, 1, 1, 1]  # the same key is one task
    assert seen[0] == (0, 3) and seen[-1] == (3, 3)


def test_a_task_whose_process_dies_is_tried_again_and_harms_no_other(task: Make, tmp_path: Path) -> None:
    dies, once, wrong = task("dies", "die"), task("once", "die once"), task("wrong", "raise")
    others = [task(f"other {number}") for number in range(4)]
    outcomes = run(JOB, [dies, once, *others, wrong], Processes(2), results=tmp_path / "r.jsonl")
    assert names(outcomes) == [None, "once", *(other.label for other in others), None]
    assert outcomes[0] == Outcome(None, 0.0, LOST) and begun(dies) == 3
    assert outcomes[1] is not None and outcomes[1].result == {"name": "once", "times": 2}
    assert [begun(other) for other in others] == [1] * 4
    last = outcomes[-1]
    assert last is not None and last.lost == "it ended with an internal error: KeyError: 'wrong'"
    again = run(JOB, [dies, once, *others, wrong], Processes(2), results=tmp_path / "r.jsonl")
    assert names(again) == names(outcomes) and begun(dies) == 6 and begun(once) == 2  # what was lost is tried again
    assert [outcome.kept for outcome in again if outcome is not None] == [False, *[True] * 5, False]


def test_a_process_for_each_task_where_one_wants_its_memory_for_itself(task: Make) -> None:
    tasks = [task(f"t{number}") for number in range(3)]
    for fresh, processes in ((False, 1), (True, 3)):
        run(JOB, tasks, Processes(1, fresh))
        pids = [(Path(each.payload["place"]) / each.label).read_text().split()[-1] for each in tasks]
        assert len(set(pids)) == processes


@pytest.mark.parametrize("do", ["go on", "go on unheard"])
def test_an_interrupt_keeps_what_ended(task: Make, tmp_path: Path, do: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("luocheck.jobs.processes.GRACE", 0.5 if do == "go on unheard" else 60)
    tasks = [task("long", do), task("short"), task("never", do)]
    outcomes = run(
        JOB,
        tasks,
        Processes(2),
        results=tmp_path / "r.jsonl",
        interrupted=lambda: "enough" if begun(tasks[2]) else None,
    )
    assert names(outcomes) == [None, "short", None] and outcomes[0] is None and outcomes[2] is None
    assert not any(child.is_running() for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline()))
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 2


def test_workers_end_with_their_parent(task: Make) -> None:
    made = task("long", "go on unheard")
    code = (
        "import sys, json\n"
        "from jobs.hooks import JOB; from luocheck.jobs.job import Task; from luocheck.jobs.processes import Processes; from luocheck.jobs.run import run\n"
        "run(JOB, [Task('k', 'long', json.loads(sys.argv[1]))], Processes(1))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, Path(__file__).parents[1:3]))}
    parent = subprocess.Popen([sys.executable, "-c", code, json.dumps(made.payload)], env=environment)
    path = Path(made.payload["place"]) / "long"
    while not path.exists() or not path.read_text():
        assert parent.poll() is None
        time.sleep(0.01)
    worker = psutil.Process(int(path.read_text()))
    parent.kill()
    parent.wait()
    worker.wait(30)


def test_a_script_that_is_not_guarded_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import luocheck\ntry:\n    luocheck.sweep([luocheck.load('v3')])\nexcept luocheck.SpecError as error:\n    print(error.diagnostics[0].help)"
    )
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False, cwd=Path(__file__).parents[2],
                           env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])})  # fmt: skip
    assert '`if __name__ == "__main__":`' in ended.stdout


# ---- the file of results ----------------------------------------------------------------------------------------


@pytest.fixture
def kept(task: Make, tmp_path: Path) -> tuple[Path, list[Task]]:
    """A file with the results of three tasks, each begun once."""
    path, tasks = tmp_path / "kept.jsonl", [task("a"), task("b"), task("fleeting"), task("c")]
    assert names(run(JOB, tasks, Here(), results=path)) == ["a", "b", "fleeting", "c"]
    return path, tasks


def begun_again(path: Path, tasks: list[Task]) -> list[str]:
    """Which tasks a resumed job does."""
    before = [begun(each) for each in tasks]
    outcomes = run(JOB, tasks, Here(), results=path)
    assert names(outcomes) == [each.label for each in tasks]
    return [each.label for each, count in zip(tasks, before) if begun(each) > count]


def test_what_is_kept_is_not_done_again(kept: tuple[Path, list[Task]]) -> None:
    path, tasks = kept
    assert begun_again(path, tasks) == ["fleeting"]  # its result is not worth keeping
    assert json.loads(path.read_text().splitlines()[0]) == {"schema": "luocheck-results/1", "job": "test"}
    changed = replace(tasks[1], key="another key")
    assert begun_again(path, [tasks[0], changed, tasks[3]]) == ["b"]


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_line_is_done_again(kept: tuple[Path, list[Task]], cut: int) -> None:
    path, tasks = kept
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert begun_again(path, tasks) == ["fleeting", "c"]
    lines = [json.loads(line) for line in path.read_text().splitlines()]  # the torn line is gone
    assert [line["task"] for line in lines[1:]] == ["a", "b", "c"]
    assert begun_again(path, tasks) == ["fleeting"]


def test_a_long_torn_line_leaves_nothing_behind(kept: tuple[Path, list[Task]]) -> None:
    path, tasks = kept
    path.write_bytes(path.read_bytes() + b'{"key":"' + b"x" * 2_000)
    assert begun_again(path, [*tasks, replace(tasks[0], key="another key")]) == ["a", "fleeting", "a"]
    assert [json.loads(line)["task"] for line in path.read_text().splitlines()[1:]] == ["a", "b", "c", "a"]


@pytest.mark.parametrize("length", [0, 1, 20])
def test_a_torn_header_is_written_anew(kept: tuple[Path, list[Task]], length: int) -> None:
    path, tasks = kept
    path.write_bytes(path.read_bytes()[:length])
    assert begun_again(path, tasks) == ["a", "b", "fleeting", "c"]
    assert begun_again(path, tasks) == ["fleeting"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda lines: ["hello", *lines], "its first line does not say"),
        (lambda lines: [lines[0].replace("/1", "/2"), *lines[1:]], "its first line does not say"),
        (lambda lines: [lines[0].replace("test", "audit"), *lines[1:]], "results of `luocheck audit`"),
        (lambda lines: [lines[0], "{]", *lines[1:]], "line 2 is none"),
        (lambda lines: [*lines, "[" * 100_000], "line 5 is none"),
        (lambda lines: [*lines, '{"key": "x"}'], "line 5 is none"),
        (lambda lines: [*lines, lines[1].replace('"result":{', '"result":7,"x":{')], "line 5 is none"),
        (lambda lines: [lines[0], lines[1].replace('"seconds":0.5', '"seconds":NaN')], "line 2 is none"),
        (lambda lines: [lines[0], lines[1].replace('"name":"a"', '"name":"z"')], "line 2 has no result of `a`"),
    ],
)
def test_something_else_is_refused_and_left_as_it_is(kept: tuple[Path, list[Task]], change: Any, why: str) -> None:
    path, tasks = kept
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")
    before = path.read_bytes()

    def accept(task: Task, result: Any) -> bool:
        return bool(result["name"] == task.label)

    with pytest.raises(SpecError) as error:
        run(JOB, tasks, Here(), results=path, accept=accept)
    (problem,) = error.value.diagnostics
    assert problem.code == "LUO613" and why in problem.message
    assert path.read_bytes() == before


def test_places_where_no_results_can_be_kept(task: Make, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no newline, and not ours")
    for path, code in (
        (tmp_path, "LUO610"),
        (tmp_path / "nowhere" / "r", "LUO610"),
        ("a\0b", "LUO610"),
        ("/dev/null", "LUO613"),
        (tmp_path / "text", "LUO613"),
    ):
        made = task("a")
        with pytest.raises(SpecError) as error:
            run(JOB, [made], Here(), results=path)
        assert error.value.diagnostics[0].code == code and begun(made) == 0
    assert (tmp_path / "text").read_text() == "no newline, and not ours"


def test_two_runs_do_not_share_a_file(tmp_path: Path) -> None:
    with Results(tmp_path / "r.jsonl", "test", print):
        with pytest.raises(SpecError) as error:
            Results(tmp_path / "r.jsonl", "test", print)
        assert error.value.diagnostics[0].code == "LUO610" and "another run" in error.value.diagnostics[0].message
    Results(tmp_path / "r.jsonl", "test", print).__exit__(None, None, None)


def test_a_full_disk_does_not_end_the_job_and_leaves_whole_lines(task: Make, tmp_path: Path) -> None:
    path, told = tmp_path / "r.jsonl", []
    tasks = [task(name) for name in "abcd"]
    with Results(path, "test", told.append) as results:
        real = results._file

        class Full:
            """Takes half of what it is given, then says that there is no more room."""

            def __init__(self, file: Any) -> None:
                self.file, self.given = file, 0

            def __getattr__(self, name: str) -> Any:
                return getattr(self.file, name)

            def write(self, data: bytes) -> int:
                self.given += 1
                if self.given % 2 == 0:
                    raise OSError(28, "No space left on device")
                return int(self.file.write(data[: len(data) // 2]))

        results.add(tasks[0], Outcome({"name": "a"}, 1.0))
        results._file = Full(real)  # type: ignore[assignment]
        results.add(tasks[1], Outcome({"name": "b"}, 1.0))
        results.add(tasks[2], Outcome({"name": "c"}, 1.0))
        results._file = real
        results.add(tasks[3], Outcome({"name": "d"}, 1.0))
    assert [json.loads(line).get("task") for line in path.read_text().splitlines()] == [None, "a", "d"]
    assert told == [f"a result could not be written into {path}: No space left on device"]
