"""Chrome trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open: calls as slices, findings as instants, a counter of states.

("Trace Event Format", Google, 2016.)  Times are microseconds since the first call of a capture; a recording without a clock of time gets
one microsecond for each line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from luocheck.model.diagnostics import printable
from luocheck.report.audit import shortened
from luocheck.report.audits.audited import Audited, Audits
from luocheck.report.calls import call_text, has_seconds, lines_text, name_text, result_text
from luocheck.traces.answer import AuditAnswer, Belief, Finding
from luocheck.traces.call import Call, Moment

Json = dict[str, Any]

MICROSECOND = 1000
APART = 1 << 23
"""Between the process ids of two captures; Linux has none above (include/linux/threads.h, PID_MAX_LIMIT is 1 << 22)."""
BELIEF = APART - 1
"""The track of what is known, as a process of the capture."""


def perfetto(audits: Audits) -> str:
    """The report as a JSON object with `traceEvents`."""
    kernels = [(each, kernel) for each in audits.results if each.answer is not None for kernel in each.answer.kernels()]
    events = [event for number, (each, kernel) in enumerate(kernels) for event in _Tracks(each, kernel, number).events()]
    made = {
        "displayTimeUnit": "ns",
        "traceEvents": events,
        "metadata": {"luocheck": audits.version, "spec": audits.spec.name, "verdict": audits.counts},
    }
    return json.dumps(made, separators=(",", ":")) + "\n"


class _Tracks:
    """One kernel as tracks of its own."""

    def __init__(self, each: Audited, answer: AuditAnswer, number: int) -> None:
        (recording,) = answer.recordings
        self.capture = printable(each.capture if each.title == each.capture else recording.name)
        self.answer = answer
        self.name = recording.name
        self.calls = recording.calls
        self.first = number * APART
        moments = [moment for call in self.calls for moment in (call.enter, call.exit) if moment is not None]
        self.timed = has_seconds(recording) and all(moment.time is not None for moment in moments)
        ticks = [self._ticks(moment) for moment in moments] or [0]
        self.start, self.end = min(ticks), max(ticks)
        self.at_line = {moment.line: self._ticks(moment) for moment in moments}

    def _ticks(self, moment: Moment) -> int:
        """Nanoseconds; without a clock, a line is a microsecond."""
        return moment.time if self.timed and moment.time is not None else moment.line * MICROSECOND

    def _shown(self, ticks: int) -> float:
        return (ticks - self.start) / MICROSECOND

    def events(self) -> Iterator[Json]:
        yield from self._names()
        threads: dict[tuple[int, int], list[Call]] = {}
        for call in self.calls:
            threads.setdefault((call.process, call.thread), []).append(call)
        for _, calls in sorted(threads.items()):
            yield from self._slices(calls)
        yield from (self._counter(each) for each in self.answer.trail)
        yield from (self._known(each) for each in self.answer.trail if each.known)
        yield from (self._finding(each) for each in self.answer.findings if each.file == self.name)

    def _names(self) -> Iterator[Json]:
        for process in sorted({call.process for call in self.calls}):
            yield self._meta("process_name", process, process, f"{self.capture}: process {process}")
        for process, thread in sorted({(call.process, call.thread) for call in self.calls}):
            yield self._meta("thread_name", process, thread, f"thread {thread}")
        yield self._meta("process_name", BELIEF, BELIEF, f"{self.capture}: {self.answer.spec}, {self.answer.verdict.value}")
        yield self._meta("thread_name", BELIEF, BELIEF, "what is known")

    def _meta(self, what: str, process: int, thread: int, name: str) -> Json:
        return {"ph": "M", "name": what, "pid": self.first + process, "tid": self.first + thread, "args": {"name": name}}

    def _slices(self, calls: Sequence[Call]) -> Iterator[Json]:
        """The calls of one thread.  Slices of a thread may only nest, so one that is not over when that around it ends, ends with it."""
        spans = sorted(((*self._span(call), call) for call in calls), key=lambda each: (each[0], -each[1], each[2].number))
        around: list[int] = []
        for begin, end, call in spans:
            while around and around[-1] <= begin:
                around.pop()
            until = min(end, around[-1]) if around else end
            around.append(until)
            yield {
                "ph": "X",
                "name": printable(name_text(call)),
                "cat": "refused" if call.result is not None and call.result < 0 else "call",
                "pid": self.first + call.process,
                "tid": self.first + call.thread,
                "ts": self._shown(begin),
                "dur": (until - begin) / MICROSECOND,
                "args": {
                    "place": f"{self.capture}:{(call.exit or call.enter).line}",
                    "lines": lines_text(call),
                    "call": printable(call_text(call)),
                    "result": result_text(call),
                    **({} if call.exact else {"began": f"at any time after line {call.enter.line}"}),
                    **({} if until == end else {"cut": f"it lasted {(end - until) / MICROSECOND} us longer"}),
                },
            }

    def _span(self, call: Call) -> tuple[int, int]:
        """Begin and end; of a call whose begin is not recorded, its end twice; one that did not return lasts to the end of the recording."""
        end = self.end if call.exit is None else self._ticks(call.exit)
        begin = self._ticks(call.enter) if call.exact else end
        return min(begin, end), end

    def _counter(self, each: Belief) -> Json:
        pid = self.first + BELIEF
        return {"ph": "C", "name": "states that agree", "pid": pid, "ts": self._at(each.line), "args": {"states": each.states}}

    def _known(self, each: Belief) -> Json:
        known = [printable(shortened(text)) for text in each.known]
        args = {"place": f"{self.capture}:{each.line}", "known": known}
        pid = self.first + BELIEF
        return {"ph": "i", "s": "t", "name": known[0], "pid": pid, "tid": pid, "ts": self._at(each.line), "args": args}

    def _at(self, line: int) -> float:
        return self._shown(self.at_line.get(line, self.end))

    def _finding(self, each: Finding) -> Json:
        pid = self.first + BELIEF
        args = {
            "place": f"{self.capture}:{each.line}",
            "message": printable(each.message),
            "allowed": list(each.allowed),
            "core": list(each.core),
            "nearest": printable(each.edited),
        }
        name = f"{each.rule}: {printable(each.event)} returned {each.observed}"
        return {"ph": "i", "s": "g", "name": name, "pid": pid, "tid": pid, "ts": self._at(each.line), "args": args}
