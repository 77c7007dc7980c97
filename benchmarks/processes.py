"""Commands measured from outside: wall and CPU seconds, peak memory."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launch.py")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command.  peak: bytes, as far as they can be told from the launcher's own (`Floor`).  over: its time was up."""

    wall: float
    cpu: float
    peak: int
    status: int
    over: bool
    output: str


def run(command: Sequence[str | Path], folder: Path, cap: float) -> Run:
    """Runs a command in a folder for at most `cap` seconds.  Standard output and error come back as one text."""
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".log") as log:
        launched = subprocess.run(
            [sys.executable, "-I", "-S", _LAUNCHER, str(cap), log.name, *command],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return Run(**json.loads(launched.stdout), output=Path(log.name).read_text(errors="replace"))


def floor(folder: Path) -> int:
    """Peak memory that every child seems to have, however small it is: what the launcher had when it forked."""
    return max(run(["true"], folder, 10).peak for _ in range(3))


def small_program(folder: Path) -> int:
    """Peak memory of a small C program, read by itself; the empty run of compiled checkers."""
    for line in run(["cat", "/proc/self/status"], folder, 10).output.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def machine() -> dict[str, object]:
    """The machine, without names: what a reader needs to compare figures."""
    model = next((line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown")
    memory = next((int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**20, 1),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
