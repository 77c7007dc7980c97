"""A smallest set of calls that together cannot happen.

Calls before the refused one are left out as long as the rest is still allowed up to that call and it is still refused for the same
reason: with the same results allowed in its place (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from luocheck.traces.call import Call, Recording
from luocheck.traces.replay.configurations import Refusal

MOST_TRIALS = 400

Trial = Callable[[Recording], Refusal | None]
"""Replays a recording: the first refusal, or None when there is none (or it is not known)."""


def core_of(recording: Recording, refusal: Refusal, trial: Trial) -> tuple[Call, ...]:
    """The calls of the core, the refused one last; all calls up to it when they do not make the same refusal by themselves."""
    last = refusal.call
    before = [call for call in recording.calls if call.number != last.number and call.enter.line <= _end(last)]

    def refused(calls: list[Call]) -> bool:
        found = trial(replace(recording, calls=tuple(sorted([*calls, last], key=lambda call: call.enter.line))))
        return found is not None and found.call.number == last.number and found.possible == refusal.possible

    trials = 0
    size = max(1, len(before))
    while size and before:
        start = 0
        while start < len(before) and trials < MOST_TRIALS:
            rest = before[:start] + before[start + size :]
            trials += 1
            if refused(rest):
                before = rest
            else:
                start += size
        size //= 2
    return (*before, last)


def _end(call: Call) -> int:
    return call.exit.line if call.exit is not None else call.enter.line
