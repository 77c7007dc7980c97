"""Which calls of a recording a page shows: all of a short one; of a long one those around the findings, or its two ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from luocheck.report.audit import found_call
from luocheck.traces.answer import AuditAnswer
from luocheck.traces.call import Call

MOST_CALLS = 300
"""Calls of one capture that a page shows."""
AROUND = 30
"""Calls before and after a finding."""


@dataclass(frozen=True, slots=True)
class Window:
    """Calls that stand one after another in a recording.  before: how many are left out between the window before and this one."""

    calls: tuple[Call, ...]
    before: int


def windows(answer: AuditAnswer) -> tuple[list[Window], int]:
    """The windows on a recording, and how many calls are left out after the last one."""
    calls = answer.recording.calls if answer.recording is not None else ()
    spans = _spans(answer, calls)
    out, end = [], 0
    for first, last in spans:
        out.append(Window(calls[first:last], first - end))
        end = last
    return out, len(calls) - end


def _spans(answer: AuditAnswer, calls: Sequence[Call]) -> list[tuple[int, int]]:
    """Half-open ranges of positions, in order and apart."""
    if len(calls) <= MOST_CALLS:
        return [(0, len(calls))] if calls else []
    position = {call.number: index for index, call in enumerate(calls)}
    found = [call for finding in answer.findings if (call := found_call(answer, finding)) is not None]
    if not found:
        return [(0, MOST_CALLS // 2), (len(calls) - MOST_CALLS // 2, len(calls))]
    merged: list[tuple[int, int]] = []
    for middle in sorted({position[call.number] for call in found})[: MOST_CALLS // (2 * AROUND + 1)]:
        first, last = max(0, middle - AROUND), min(len(calls), middle + AROUND + 1)
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return merged
