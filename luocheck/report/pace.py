"""How fast an exploration is, and what can honestly be said of its rest."""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luocheck.checker.explore.result import Progress

WINDOW = 10.0
"""Seconds over which speed is measured."""
TREND = 3
"""Levels in a row that must each be smaller than the one before, for the queue to be called shrinking."""
KNOWN = 0.1
"""Part of a level that must be expanded before its successor's size is guessed from it."""


class Pace:
    """Speeds over the last seconds of one exploration."""

    def __init__(self) -> None:
        self._where: str | None = None
        self._marks: deque[tuple[float, int, int]] = deque()  # time, states found, states expanded

    def add(self, where: str, progress: Progress, now: float) -> None:
        """Notes how far an exploration was at a time."""
        if where != self._where:
            self._where = where
            self._marks.clear()
        while len(self._marks) > 2 and self._marks[0][0] < now - WINDOW:
            self._marks.popleft()
        self._marks.append((now, progress.states, progress.states - progress.waiting))

    def text(self, progress: Progress) -> str:
        """Depth, states, speed, queue; which starting point, where there are several; and an estimate, where the queue shrinks."""
        if not progress.states:
            return f"depth {progress.depth}"  # a bounded search, which counts no states
        found, expanded = self._speeds()
        parts = [f"depth {progress.depth}", f"{progress.states:,} states"]
        if found is not None:
            parts.append(f"{found:,.0f}/s")
        parts.append(f"{progress.waiting:,} waiting")
        several = progress.starts is None or progress.starts > 1
        if several:
            parts.append(f"start {progress.start:,}" + (f" of {progress.starts:,}" if progress.starts is not None else ""))
        if shrinks(progress):
            left = remaining(progress) / expanded if expanded else None
            # Of the starting points to come nothing is known, so that the estimate is of this one.
            parts.append(
                "queue shrinking" + (f", about {_duration(left)} left{' of it' if several else ''}" if left is not None else "")
            )
        return ", ".join(parts)

    def _speeds(self) -> tuple[float | None, float | None]:
        """States found and states expanded each second; None while nothing was measured."""
        (then, found, expanded), (now, found_now, expanded_now) = self._marks[0], self._marks[-1]
        if now - then < 0.5:
            return None, None
        return (found_now - found) / (now - then), (expanded_now - expanded) / (now - then)


def shrinks(progress: Progress) -> bool:
    """Was each of the last levels smaller than the one before, the one included that is now found?"""
    levels = progress.levels
    if len(levels) < TREND or not _expanded(progress) >= KNOWN:
        return False
    sizes = [*levels[-TREND:], progress.next_level / _expanded(progress)]
    return all(after < before for before, after in pairwise(sizes))


def remaining(progress: Progress) -> float:
    """States still to be expanded, if levels go on shrinking by the same factor as the last ones."""
    now, after = progress.levels[-1], progress.next_level / _expanded(progress)
    factor = after / now
    unexpanded = progress.waiting - progress.next_level
    return unexpanded + after / (1 - factor)


def _expanded(progress: Progress) -> float:
    """Part of the current level that is expanded."""
    return 1 - (progress.waiting - progress.next_level) / progress.levels[-1]


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6_000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:.0f} h"
