"""Times of strace on one scale: of the day, of the epoch, or as differences between lines."""

from __future__ import annotations

from luocheck.traces.formats.ftrace_text import BACKWARDS
from luocheck.traces.formats.strace_line import SECOND, Clock

_DAY = 86400 * SECOND


class StraceClock:
    """Gives each line its time in ns.  A time of day starts anew at midnight, once: what goes back again is another recording."""

    def __init__(self) -> None:
        self.latest: int | None = None
        self.shift = 0

    def time(self, clock: Clock, shown: int) -> tuple[int | None, bool]:
        """The time of a line, and whether another recording begins with it."""
        match clock:
            case Clock.NONE:
                return None, False
            case Clock.DELTA:
                self.latest = (self.latest or 0) + shown
                return self.latest, False
            case Clock.DAY:
                back = self.latest is not None and self.latest - (shown + self.shift) > _DAY // 2
                if back:
                    self.shift = _DAY
        time = shown + self.shift
        again = self.latest is not None and self.latest - time > BACKWARDS
        self.latest = time if again else max(time, self.latest or 0)
        return time, again
