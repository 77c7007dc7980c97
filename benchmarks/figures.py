"""Figures out of measured runs: rates, ratios within a round, and tables for people."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from benchmarks.side_by_side import Bench, Row

_LEAST = 0.005
"""Seconds below which a run says nothing about a rate: starting a process takes about as long."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One line of a table.

    cpu_rate, wall_rate: states per second, the empty run taken off.  search_rate: by the tool's own clock.  of_c, of_spin: its rate
    divided by that of C or of the fastest one-threaded SPIN in the same round, the median over the rounds; by CPU for one thread, by wall
    time for two.  Everything is the median of the runs; None: not measured, or too short to be measured.
    """

    tool: str
    threads: int
    runs: int
    build: float
    states: int | None
    transitions: int | None
    depth: int | None
    wall: float | None
    cpu: float | None
    cpu_rate: float | None
    wall_rate: float | None
    search_rate: float | None
    bytes_per_state: float | None
    of_c: float | None
    of_spin: float | None
    steps: int | None
    trouble: str | None
    wrong: str | None


def figures(bench: Bench, rows: Sequence[Row]) -> list[Figures]:
    """Figures of the rows of one size or bug."""
    c = next((row for row in rows if row.tool.kind == "c" and row.runs), None)
    spins = [row for row in rows if row.tool.kind == "spin" and row.tool.threads == 1 and row.runs]
    spin = max(spins, key=lambda row: _rate(bench, row, wall=False) or 0.0, default=None)
    return [_figures(bench, row, c, spin) for row in rows]


def document(lines: Sequence[Figures]) -> list[dict[str, object]]:
    """The same for JSON."""
    return [asdict(line) for line in lines]


def _figures(bench: Bench, row: Row, c: Row | None, spin: Row | None) -> Figures:
    found, some = row.found, bool(row.runs)
    searched = [s for s in row.searches if s is not None and s >= _LEAST]
    return Figures(
        tool=row.label,
        threads=row.tool.threads,
        runs=len(row.runs),
        build=round(row.built, 3),
        states=found.states if found else None,
        transitions=(found.transitions or None) if found else None,
        depth=found.depth if found else None,
        wall=_round(statistics.median(r.wall for r in row.runs)) if some else None,
        cpu=_round(statistics.median(r.cpu for r in row.runs)) if some else None,
        cpu_rate=_round(_rate(bench, row, wall=False)),
        wall_rate=_round(_rate(bench, row, wall=True)),
        search_rate=_round(found.states / statistics.median(searched)) if found and searched else None,
        bytes_per_state=_round(bench.bytes_per_state(row)) if some else None,
        of_c=_ratio(bench, row, c),
        of_spin=_ratio(bench, row, spin),
        steps=found.steps if found else None,
        trouble=row.trouble,
        wrong=row.wrong,
    )


def _rates(bench: Bench, row: Row, *, wall: bool) -> dict[int, float]:
    """States per second of each round in which the tool ran long enough to tell."""
    if row.found is None:
        return {}
    empty = bench.empty(row.tool)
    out = {}
    for number, done in zip(row.rounds, row.runs, strict=True):
        seconds = done.wall - empty.wall if wall else done.cpu - empty.cpu
        if seconds >= _LEAST:
            out[number] = row.found.states / seconds
    return out


def _rate(bench: Bench, row: Row, *, wall: bool) -> float | None:
    rates = _rates(bench, row, wall=wall)
    return statistics.median(rates.values()) if rates else None


def _ratio(bench: Bench, row: Row, other: Row | None) -> float | None:
    if other is None:
        return None
    wall = row.tool.threads > 1
    mine, theirs = _rates(bench, row, wall=wall), _rates(bench, other, wall=wall)
    both = [mine[number] / theirs[number] for number in mine if number in theirs]
    return _round(statistics.median(both)) if both else None


def _round(value: float | None) -> float | None:
    """Three significant digits are more than a measurement is worth."""
    return float(f"{value:.4g}") if value is not None else None


# ---- tables -----------------------------------------------------------------------------------------------------


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table of text, the first column to the left and the others to the right."""
    widths = [max(len(line[k]) for line in [heads, *lines]) for k in range(len(heads))]
    out = []
    for line in [heads, ["-" * width for width in widths], *lines]:
        cells = [cell.ljust(w) if k == 0 else cell.rjust(w) for k, (cell, w) in enumerate(zip(line, widths, strict=True))]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def number(value: float | None, form: str = ",.0f") -> str:
    return "-" if value is None else format(value, form)


def ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}x"


def full_table(lines: Sequence[Figures]) -> str:
    """Full explorations."""
    heads = [
        "tool",
        "runs",
        "build s",
        "wall s",
        "CPU s",
        "states/s CPU",
        "states/s wall",
        "states/s search",
        "B/state",
        "of C",
        "of SPIN",
    ]
    rows = []
    for line in lines:
        rates = [number(line.cpu_rate), number(line.wall_rate), number(line.search_rate)]
        times = [number(line.build, ".1f"), number(line.wall, ".3f"), number(line.cpu, ".3f")]
        cells = [line.tool, str(line.runs), *times, *rates, number(line.bytes_per_state), ratio(line.of_c), ratio(line.of_spin)]
        rows.append(cells)
    return "\n".join([table(heads, rows), *_remarks(lines)])


def hunt_table(lines: Sequence[Figures]) -> str:
    """Hunts for a bug."""
    heads = ["tool", "runs", "states", "steps", "wall s", "CPU s", "build s", "build + wall s"]
    rows = []
    for line in lines:
        together = line.build + line.wall if line.wall is not None else None
        times = [number(line.wall, ".3f"), number(line.cpu, ".3f"), number(line.build, ".1f"), number(together, ".2f")]
        rows.append([line.tool, str(line.runs), number(line.states), number(line.steps), *times])
    return "\n".join([table(heads, rows), *_remarks(lines)])


def _remarks(lines: Sequence[Figures]) -> list[str]:
    out = [f"{line.tool}: {line.trouble}" for line in lines if line.trouble is not None]
    return out + [f"{line.tool} DISAGREES: {line.wrong}" for line in lines if line.wrong is not None]
