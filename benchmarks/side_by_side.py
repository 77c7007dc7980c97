"""Tools measured in alternation on one model: first every tool once, then every tool again, so that a busy machine is unkind to all alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Run, floor, run, small_program
from benchmarks.sizes import Bug, Size
from benchmarks.tools import Found, Tool

BUILD_CAP = 300.0
"""Seconds that a build may take."""

Say = Callable[[str], None]


@dataclass(slots=True)
class Row:
    """What one tool did with one size or bug.

    built: seconds of its build.  runs: those that ended by themselves, found: what the last of them printed.  rounds: the round of each
    run.  trouble: why there are no (or fewer) runs; over: because its time was up.  wrong: how it disagrees with the known numbers.
    """

    tool: Tool
    built: float = 0.0
    runs: list[Run] = field(default_factory=list)
    searches: list[float | None] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    found: Found | None = None
    trouble: str | None = None
    over: bool = False
    wrong: str | None = None

    @property
    def label(self) -> str:
        return f"{self.tool.name}, 2 threads" if self.tool.threads == 2 else self.tool.name


@dataclass(frozen=True, slots=True)
class Empty:
    """The empty run of a tool: what it costs to do nothing."""

    wall: float
    cpu: float
    peak: int


class Bench:
    """Measures in a scratch folder.  rounds: how often each tool runs.  cap: seconds that a run may take; a run that would take longer
    (by what the tool did at the size before) is not begun, and one that takes more than a quarter of the cap is not repeated.
    """

    def __init__(self, folder: Path, rounds: int, cap: float, say: Say) -> None:
        self.folder, self.rounds, self.cap, self.say = folder, rounds, cap, say
        self.floor = floor(folder)
        self.small = small_program(folder)
        self.empties: dict[Tool, Empty] = {}
        self.seconds_per_state: dict[Tool, float] = {}
        self.too_slow: dict[Tool, str] = {}

    def full(self, size: Size, tools: Sequence[Tool]) -> list[Row]:
        """Every reachable state of the model without bugs; what the tools count must be what is known."""
        rows = []
        for tool in tools:
            row = Row(tool)
            rows.append(row)
            expected = self.seconds_per_state.get(tool, 0.0) * size.states
            if tool in self.too_slow:
                row.trouble = f"not run: {self.too_slow[tool]}"
            elif expected > self.cap:
                row.trouble = f"not run: it would take about {expected:.0f} s"
        self._measure(rows, size, 0)
        for row in rows:
            found = row.found
            if found is None:
                if row.over:
                    self.too_slow[row.tool] = f"{size.name} took more than {self.cap:g} s"
                continue
            self.seconds_per_state[row.tool] = min(r.wall for r in row.runs) / found.states
            if (found.states, found.transitions) != (size.states, size.transitions) or found.violated:
                row.wrong = f"{found.states:,} states, {found.transitions:,} transitions"
            elif found.depth is not None and found.depth != size.depth:
                row.wrong = f"depth {found.depth}"
        return rows

    def hunt(self, size: Size, bug: Bug, tools: Sequence[Tool]) -> list[Row]:
        """Until the first counterexample of a seeded bug; breadth-first tools must agree on its length."""
        rows = [Row(tool) for tool in tools if tool.threads == 1]
        self._measure(rows, size, bug.number)
        for row in rows:
            found = row.found
            if found is None:
                continue
            if not found.violated:
                row.wrong = "found no violation"
            elif row.tool.shortest and found.steps is not None and found.steps != bug.steps:
                row.wrong = f"{found.steps} steps"
        return rows

    def empty(self, tool: Tool) -> Empty:
        """The tool's empty run, measured once."""
        if tool not in self.empties:
            if tool.empty is None:
                runs = [run(["true"], self.folder, 10) for _ in range(3)]
                peak = self.small
            else:
                runs = [run(tool.empty, self.folder, self.cap) for _ in range(3)]
                peak = min(r.peak for r in runs)
            self.empties[tool] = Empty(min(r.wall for r in runs), min(r.cpu for r in runs), peak)
        return self.empties[tool]

    def bytes_per_state(self, row: Row) -> float | None:
        """Peak memory beyond the empty run; None when it cannot be told."""
        peak = statistics.median(r.peak for r in row.runs)
        if row.found is None or not row.tool.whole_memory or peak < 1.1 * self.floor:
            return None
        return max(peak - self.empty(row.tool).peak, 0) / row.found.states

    # ---- running ------------------------------------------------------------------------------------------------

    def _measure(self, rows: Sequence[Row], size: Size, bug: int) -> None:
        for row in rows:
            if row.trouble is None:
                self._build(row, size, bug)
        for number in range(self.rounds):
            for row in rows:
                if row.trouble is None and not (row.runs and row.runs[-1].wall > self.cap / 4):
                    self._run(row, size, bug, number)

    def _place(self, row: Row, size: Size, bug: int) -> Path:
        place = self.folder / f"{row.label}-{size.name}-{bug}".replace(" ", "_").replace(",", "")
        place.mkdir(exist_ok=True)
        return place

    def _build(self, row: Row, size: Size, bug: int) -> None:
        build = row.tool.build(size, bug)
        place = self._place(row, size, bug)
        if build.file is not None:
            (place / build.file).write_text(build.text)
        for command in build.commands:
            done = run(command, place, BUILD_CAP)
            row.built += done.wall
            if done.over or done.status != 0:
                row.trouble = f"build failed: {_last_line(done)}"
                return
        if build.inside:
            row.built = max(row.built - self.empty(row.tool).wall, 0.0)

    def _run(self, row: Row, size: Size, bug: int, number: int) -> None:
        self.say(f"{size.name}{f' bug {bug}' if bug else ''}, round {number + 1}: {row.label}")
        done = run(row.tool.command(size, bug), self._place(row, size, bug), self.cap)
        if done.over:
            row.trouble, row.over = f"stopped after {self.cap:g} s", True
            return
        found = row.tool.read(done)
        if found is None or done.status < 0:
            row.trouble = f"failed: {_last_line(done)}"
            return
        row.found = found
        row.runs.append(done)
        row.searches.append(found.search)
        row.rounds.append(number)


def _last_line(done: Run) -> str:
    lines = done.output.strip().splitlines()
    return lines[-1][:160] if lines else f"status {done.status}"
