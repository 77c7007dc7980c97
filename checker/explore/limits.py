"""When an exploration has to stop before it is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

NO_MEMORY = "stopped because there is no more memory"


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
        if self.memory is not None and resident_bytes() > self.memory:
            raise Stopped(f"stopped at {self.memory / 1e9:.1f} GB of memory")
