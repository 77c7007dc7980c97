"""Runs command lines in this process, and real ones in another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from luocheck.cli.main import main

SPECS = Path(__file__).parent / "specs"


@dataclass(frozen=True)
class Ended:
    """How a command line ended."""

    status: int
    out: str
    err: str


Cli = Callable[..., Ended]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def call(*argv: object) -> Ended:
        status = main([str(each) for each in argv])
        out, err = capsys.readouterr()
        return Ended(status, out, err)

    return call


@pytest.fixture
def tiny() -> str:
    return str(SPECS / "tiny.luo")


@pytest.fixture
def endless() -> str:
    return str(SPECS / "endless.luo")


@pytest.fixture
def process(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    def call(*argv: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "luocheck", *argv],
            capture_output=True,
            env={**os.environ, **environment},
            timeout=120,
            check=False,
        )

    return call
