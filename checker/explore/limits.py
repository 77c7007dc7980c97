"""When an exploration has to stop before it is done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

NO_MORE_MEMORY = "stopped because there is no more memory"


class Stopped(Exception):
    """A limit was reached or somebody interrupted; `reason` is for people."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def resident_bytes() -> int:
    """Memory that this process uses now, in bytes; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096
    except (OSError, IndexError, ValueError):
        return 0


def growth_of(table: dict[bytes, int]) -> int:
    """Bytes that the table is about to take at once, because it is nearly full and will be made anew with twice the room, and wider numbers in
    it; 0 before that."""
    room = 8
    while room * 2 // 3 < len(table):
        room *= 2
    return 5 * sys.getsizeof(table) // 2 if len(table) + SOON > room * 2 // 3 else 0


SOON = 4_096
"""More entries than a table gets between two checks of the limits."""


@dataclass(slots=True)
class Limits:
    """Bounds of one exploration (None: no bound): states, seconds, bytes of memory; and a flag that an interrupt sets."""

    max_states: int | None = None
    timeout: float | None = None
    memory: int | None = None
    interrupted: Callable[[], str | None] = lambda: None
    started: float = field(default_factory=time.monotonic)

    def check(self, states: int) -> None:
        """Raises Stopped when a bound is passed.  `states` are all states found so far."""
        reason = self.interrupted()
        if reason is not None:
            raise Stopped(reason)
        if self.max_states is not None and states > self.max_states:
            raise Stopped(f"stopped after {self.max_states:,} states")
        if self.timeout is not None and time.monotonic() - self.started > self.timeout:
            raise Stopped(f"stopped after {self.timeout:g} s")
        self.check_memory(0)

    def check_memory(self, more: int) -> None:
        """Raises Stopped when the process would have passed its bound of memory with so many bytes more."""
        if self.memory is not None and resident_bytes() + more > self.memory:
            raise self.out_of_memory()

    def out_of_memory(self) -> Stopped:
        """What to raise when an engine saw by itself that the bound would be passed."""
        assert self.memory is not None
        size = f"{self.memory / 1e9:.1f} GB" if self.memory >= 1e9 else f"{self.memory / 1e6:.1f} MB"
        return Stopped(f"stopped at {size} of memory")
