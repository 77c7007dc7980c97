"""The native engine runs clean under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from engine.sanitized import PROBES
from engine.test_specs import SPECS, named

from luocheck.checker.native.build import compiler

MANY = 3_000
RANDOM = [f"random:{first}:{first + 30}" for first in range(5000, 5120, 30)]


def sanitized(*names: str) -> subprocess.CompletedProcess[str]:
    """A process that has the sanitizers' runtime and explores."""
    command = [*compiler(), "-print-file-name=libasan.so"]
    runtime = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    if not Path(runtime).is_absolute():
        pytest.fail(
            f"`{' '.join(command)}` finds no libasan.so, so nothing was checked: install it (Debian: libasan8 comes with gcc)"
        )
    environment = {**os.environ, "LD_PRELOAD": runtime, "ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    script = [sys.executable, str(Path(__file__).with_name("sanitized.py")), str(MANY), *names]
    return subprocess.run(script, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.nightly
@pytest.mark.parametrize("probe", PROBES)
def test_they_are_at_work(probe: str) -> None:
    done = sanitized(probe)
    assert done.returncode != 0 and ("AddressSanitizer" in done.stderr or "runtime error" in done.stderr), done.stderr


@pytest.mark.nightly
@pytest.mark.parametrize("spec", [*SPECS, *RANDOM, "starving"])
def test_they_find_nothing(spec: str) -> None:
    done = sanitized(named(spec))
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
