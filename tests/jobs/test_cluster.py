"""Jobs on a real Dask scheduler with two workers, one of which is killed in the middle."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client
from jobs.fleets import fleet
from jobs.hooks import JOB

from luocheck.cli.main import main
from luocheck.jobs.cluster import Cluster
from luocheck.jobs.job import Task
from luocheck.jobs.run import run
from luocheck.model.diagnostics import SpecError

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / "tests/cli/specs/tiny.luo")
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_DISTRIBUTED__ADMIN__LOG_FORMAT": "%(message)s",
}


class Machines:
    """A scheduler, and workers with a process each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self.file))
        wait_for(lambda: self.file.exists() and self.file.read_text().endswith("}"), self.scheduler)
        self.address: str = json.loads(self.file.read_text())["address"]
        self.client = Client(self.address, set_as_default=False)

    def _start(self, what: str, *argv: str) -> subprocess.Popen[bytes]:
        with open(self.folder / f"{what}-{len(self.workers)}.log", "wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{what}", "--no-dashboard", *argv],
                env=ENVIRONMENT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def workers_running(self, count: int) -> None:
        """Lets there be so many workers, and waits until the scheduler knows them and no other."""
        options = ("--scheduler-file", str(self.file), "--nthreads", "1", "--no-nanny", "--local-directory", str(self.folder))

        def there() -> bool:
            # A killed process has lost its connections some time before it has ended.
            while len([each for each in self.workers if each.poll() is None]) < count:
                self.workers.append(self._start("dask_worker", *options))
            return len(self.client.nthreads()) == count

        wait_for(there, self.scheduler)

    def end(self) -> None:
        self.client.close()
        for each in (*self.workers, self.scheduler):
            each.kill()
            each.wait()


def wait_for(condition: Callable[[], Any], *processes: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        assert all(each.poll() is None for each in processes)
        time.sleep(0.02)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    made = Machines(tmp_path_factory.mktemp("cluster"))
    made.workers_running(2)
    yield made
    made.end()


def tasks_of(place: Path, *dos: str) -> list[Task]:
    place.mkdir()
    return [
        Task(f"k{number}", f"t{number}", {"name": f"t{number}", "place": str(place), "do": do}) for number, do in enumerate(dos)
    ]


def begun(task: Task) -> list[str]:
    path = Path(task.payload["place"]) / task.label
    return path.read_text().split() if path.exists() else []


def test_a_task_of_a_lost_worker_is_done_by_another_and_a_deadly_one_is_lost(machines: Machines, tmp_path: Path) -> None:
    machines.workers_running(2)
    tasks = tasks_of(tmp_path / "begun", "answer", "die once", *["answer"] * 6)
    outcomes = run(JOB, tasks, Cluster(machines.address))
    assert [outcome.result["name"] for outcome in outcomes if outcome is not None and outcome.result is not None] == [
        each.label for each in tasks
    ]
    assert outcomes[1] is not None and outcomes[1].result is not None and outcomes[1].result["times"] == 2
    assert len(set(begun(tasks[1]))) == 2  # two workers
    machines.workers_running(3)
    (deadly,) = tasks_of(tmp_path / "deadly", "die")
    (outcome,) = run(JOB, [deadly], Cluster(machines.address))
    assert outcome is not None and outcome.lost == "worker lost: 2 workers died over it" and len(begun(deadly)) == 2


def test_an_interrupt_reaches_the_worker(machines: Machines, tmp_path: Path) -> None:
    machines.workers_running(2)
    until = time.monotonic() + 60

    def late() -> str | None:
        return "late" if time.monotonic() > until else None

    long, *others = tasks_of(tmp_path / "begun", "go on", "answer", "answer")
    outcomes = run(
        JOB,
        [long, *others],
        Cluster(machines.address),
        interrupted=lambda: "enough" if begun(long) and all(map(begun, others)) else late(),
    )
    assert outcomes[0] is None
    (after,) = tasks_of(tmp_path / "after", "answer")
    again = run(JOB, [after, *tasks_of(tmp_path / "more", *["answer"] * 4)], Cluster(machines.address), interrupted=late)
    assert all(outcome is not None and outcome.result is not None for outcome in again)
    worker = psutil.Process(int(begun(long)[0]))
    wait_for(lambda: worker.cpu_percent(0.2) < 50)


def test_other_versions_are_refused(machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machines.workers_running(2)
    monkeypatch.setenv("LUOCHECK_TEST_VERSION", "two")
    (task,) = tasks_of(tmp_path / "begun", "answer")
    with pytest.raises(SpecError) as error:
        run(JOB, [task], Cluster(machines.address))
    (problem,) = error.value.diagnostics
    assert problem.code == "LUO614" and not begun(task)
    assert re.fullmatch(r"the worker tcp://\S+ has luocheck one, and this is two", problem.message)
    monkeypatch.setattr(Cluster, "_look_at_workers", lambda *argv: None)  # a worker that comes after that
    with pytest.raises(SpecError) as error:
        run(JOB, [task], Cluster(machines.address))
    (problem,) = error.value.diagnostics
    assert problem.message == "the worker that came later has luocheck one, and this is two" and not begun(task)


def test_no_scheduler_and_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("luocheck.jobs.cluster.CONNECT", 0.3)
    for address in ("127.0.0.1:1", "nonsense", "", "foo://x:1"):
        assert main(["sweep", TINY, "--cluster", address]) == 2
        out, err = capsys.readouterr()
        assert out == "" and "LUO614" in err and "dask scheduler" in err and "Traceback" not in err
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["sweep", TINY, "--cluster", "127.0.0.1:1"]) == 2
    assert "pip install 'luocheck[cluster]'" in capsys.readouterr().err


def swept(*argv: object) -> list[str]:
    return [sys.executable, "-m", "luocheck", "sweep", TINY, "--set", "Agent=1..2", "--set", "File=1..3", *map(str, argv)]


def test_a_sweep_that_loses_a_worker_gives_the_table_of_a_serial_one(machines: Machines, tmp_path: Path) -> None:
    scopes: Sequence[str] = ("--scope", "small", "--scope", "race")
    serial = subprocess.run(swept(*scopes, "--jobs", "1"), cwd=ROOT, capture_output=True, timeout=120, check=False)
    assert serial.returncode == 0 and serial.stdout.count(b"race_File3") > 1 and b"12 runs" in serial.stdout
    machines.workers_running(2)
    results = tmp_path / "results.jsonl"
    child = subprocess.Popen(
        swept(*scopes, "--cluster", machines.address, "--results", results),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: results.exists() and results.read_bytes().count(b"\n") > 2, child)
    alive = [each for each in machines.workers if each.poll() is None]
    alive[0].send_signal(signal.SIGKILL)
    alive[0].wait()
    before = results.read_bytes().count(b"\n") - 1
    out, err = child.communicate(timeout=120)
    assert before < 12 and results.read_bytes().count(b"\n") - 1 == 12
    assert out == serial.stdout and child.returncode == serial.returncode, err


@pytest.mark.nightly
@pytest.mark.parametrize("count", [40, 300])
def test_an_audit_that_loses_a_worker_gives_what_a_serial_one_gives(machines: Machines, tmp_path: Path, count: int) -> None:
    """Captures that cannot be read lie in between."""
    kinds = fleet(tmp_path / "fleet", count)
    results = tmp_path / "results.jsonl"
    command = [sys.executable, "-m", "luocheck", "audit", "linux_7_3", str(tmp_path / "fleet"), "--json"]
    serial = subprocess.run([*command, "--jobs", "1"], cwd=ROOT, capture_output=True, timeout=240, check=False)
    assert serial.returncode == 2 and json.loads(serial.stdout)["summary"]["counts"]["conforms"] == kinds["conforms"]
    machines.workers_running(2)
    options = ("--cluster", machines.address, "--results", str(results))
    child = subprocess.Popen([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: results.exists() and results.read_bytes().count(b"\n") > 2, child)
    alive = [each for each in machines.workers if each.poll() is None]
    alive[0].send_signal(signal.SIGKILL)
    alive[0].wait()
    before = results.read_bytes().count(b"\n") - 1
    out, err = child.communicate(timeout=240)
    readable = count - kinds["damaged"]
    skipped = sum(path.name == "README" for path in (tmp_path / "fleet").rglob("*"))
    assert before < readable and results.read_bytes().count(b"\n") - 1 == readable and skipped == count
    (tmp_path / "a").write_bytes(out)
    (tmp_path / "b").write_bytes(serial.stdout)
    import shutil

    shutil.copytree(tmp_path, "/tmp/keepfl", dirs_exist_ok=True)
    assert out == serial.stdout and child.returncode == serial.returncode, err
