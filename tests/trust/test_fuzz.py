"""No input breaks what reads captures: no exception but SpecError, no hang, no memory without bound."""

from __future__ import annotations

import gzip
import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from trust import fuzz
from trust.inputs import MUTATIONS, NAMES, TOKENS, Hang, Reader, mutated, seeds

from luocheck.model.spec import load
from luocheck.traces.formats.registry import FORMATS

ROOT = Path(__file__).parents[2]

NIGHTLY_SECONDS = 300
"""Of each of the two ways to make inputs."""


def run(seconds: int, seed: int, crashes: Path, module: str = "trust.fuzz") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", module, "--seconds", str(seconds), "--seed", str(seed), "--crashes", str(crashes)]
    path = os.pathsep.join(each for each in (str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")) if each)
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=20 * seconds + 60, check=False
    )


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    return Reader(load("linux_7_3").system.abi, tmp_path_factory.mktemp("input"))


@pytest.mark.parametrize("name", seeds())
def test_every_seed_is_read_in_every_format(name: str, reader: Reader) -> None:
    for format in reader.formats:
        reader.read(seeds()[name], format)


def test_seeds_of_this_format_are_recognised(reader: Reader) -> None:
    assert reader.read(seeds()["ftrace-one.txt"], None) and reader.read(seeds()["ftrace-graph.txt"], None)


@pytest.mark.parametrize("token", TOKENS, ids=range(len(TOKENS)))
def test_each_token_at_each_kind_of_place(token: bytes, reader: Reader) -> None:
    rng = random.Random(1)
    for data in rng.sample(list(seeds().values()), 8):
        place = rng.randrange(len(data))
        reader.read(data[:place] + token + data[place:], None)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_may_have_any_name(name: bytes, reader: Reader) -> None:
    """The name is found by its columns, so the calls are the same ones."""
    lines = seeds()["ftrace-one.txt"].split(b"\n")
    events = [i for i, line in enumerate(lines) if line and not line.startswith(b"#")]
    renamed = b"\n".join(name.rjust(16)[:16] + line[16:] if i in events[1::2] else line for i, line in enumerate(lines))
    assert reader.read(renamed, None)
    assert len(reader.last.calls) > 5
    assert [(c.event, c.thread, c.result) for c in reader.last.calls] == calls_of(reader, seeds()["ftrace-one.txt"])


def calls_of(reader: Reader, data: bytes) -> list[tuple[str | None, int, int | None]]:
    assert reader.read(data, None)
    return [(c.event, c.thread, c.result) for c in reader.last.calls]


def test_a_packed_bomb_is_read_with_bounds(reader: Reader) -> None:
    """32 MB without a line end in 32 KB: cut, and said so."""
    head = seeds()["ftrace-one.txt"]
    bomb = gzip.compress(head + b" " * (32 << 20), 9, mtime=0)
    assert len(bomb) < 1 << 17
    before = calls_of(reader, head)
    assert calls_of(reader, bomb) == before
    assert any(note.code == "LUO706" for note in reader.last.notes)


def test_every_mutation_changes_something() -> None:
    data = seeds()["ftrace-one.txt"]
    for mutation in MUTATIONS:
        assert any(mutation(data, random.Random(seed)) != data for seed in range(20)), mutation
    assert len({mutated(data, random.Random(seed)) for seed in range(50)}) > 40


def test_a_reader_that_breaks_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise ValueError("Exceeds the limit (4300 digits)")

    monkeypatch.setattr("trust.inputs.decode", broken)
    assert fuzz.mutate(0.5, 1, tmp_path) > 0
    assert list(tmp_path.glob("crash-*"))


def test_a_hang_is_noticed(monkeypatch: pytest.MonkeyPatch, reader: Reader) -> None:
    def endless(*arguments: object, **options: object) -> None:
        while True:
            pass

    monkeypatch.setattr("trust.inputs.decode", endless)
    monkeypatch.setattr("trust.inputs.SECONDS", 0.2)
    with pytest.raises(Hang):
        reader.read(b"", None)


def test_random_mutations(tmp_path: Path) -> None:
    done = run(6, 1, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    inputs = int(done.stdout.split(" inputs")[0])
    assert inputs > 50


@pytest.mark.nightly
def test_random_mutations_for_long(tmp_path: Path) -> None:
    done = run(NIGHTLY_SECONDS, random.SystemRandom().randrange(1 << 30), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]


@pytest.mark.nightly
def test_inputs_guided_by_coverage(tmp_path: Path) -> None:
    """Needs atheris, of the extra `fuzz`; where it is missing, the time goes into random mutations."""
    guided = importlib.util.find_spec("atheris") is not None
    done = run(NIGHTLY_SECONDS, 1, tmp_path, "trust.guided" if guided else "trust.fuzz")
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    assert not list(tmp_path.glob("crash-*"))


def test_formats_are_forced_too(reader: Reader) -> None:
    assert set(reader.formats) == {None, *(each.name for each in FORMATS)}
