"""Runs SPIN on an exported model: which claims it finds broken or reached, and how many states it stores."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

COMPILER = next((name for name in ("gcc", "cc", "clang") if shutil.which(name)), None)
AVAILABLE = shutil.which("spin") is not None and COMPILER is not None

SECONDS = 300
"""How long one step may take."""


@dataclass(frozen=True)
class Found:
    """states: what SPIN stores, of which one is the state before anything was chosen.  said: claims that are broken, goals reached."""

    states: int
    said: frozenset[str]
    spec_error: bool


def spin(text: str, folder: Path) -> Found:
    """All claims in one search.  Raises AssertionError when SPIN does not accept the model, or its search is not complete."""
    (folder / "model.pml").write_text(text, encoding="utf-8")
    _run(["spin", "-a", "-o2", "-DREPORT", "model.pml"], folder)
    assert COMPILER is not None
    _run([COMPILER, "-w", "-O0", "-DSAFETY", "-DPRINTF", "-o", "pan", "pan.c"], folder)
    out = _run(["./pan", "-m1000000", "-w20"], folder)
    assert "max search depth too small" not in out, out[-2000:]
    stored = re.search(r"(\d+) states, stored", out)
    errors = re.search(r"errors: (\d+)", out)
    assert stored is not None and errors is not None, out[-2000:]
    problem = re.findall(r"pan:\d+: (.*)", out)
    assert all("assertion violated" in each for each in problem), problem
    assert problem or "Search not completed" not in out, out[-2000:]
    said = frozenset(re.findall(r"(\w+) is (?:broken|reached)$", out, re.MULTILINE))
    return Found(int(stored[1]), said, bool(problem))


def spin_one(text: str, claim: str, folder: Path) -> bool:
    """Does SPIN find a run that breaks (or reaches) one claim, when it looks for that alone?"""
    (folder / "model.pml").write_text(text, encoding="utf-8")
    _run(["spin", "-a", "-o2", f"-DPROPERTY={claim}", "model.pml"], folder)
    assert COMPILER is not None
    _run([COMPILER, "-w", "-O0", "-DSAFETY", "-o", "pan", "pan.c"], folder)
    out = _run(["./pan", "-m1000000", "-w20"], folder)
    assert "max search depth too small" not in out, out[-2000:]
    return "errors: 1" in out


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    out = done.stdout + done.stderr
    assert done.returncode == 0 and "Error:" not in out, f"{' '.join(command)}\n{out[-3000:]}"
    return out
