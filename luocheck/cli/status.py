"""Exit statuses: 0 as expected, 1 not as expected, 2 a usage, spec or input error, 3 undecided."""

from __future__ import annotations

from collections.abc import Iterable

FINE, UNEXPECTED, ERROR, UNDECIDED = range(4)

_ORDER = (ERROR, UNEXPECTED, UNDECIDED, FINE)


def worst(statuses: Iterable[int]) -> int:
    """The status of several inputs: 2 wins over 1 over 3 over 0."""
    return min(statuses, key=_ORDER.index, default=FINE)
