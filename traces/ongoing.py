"""An audit that goes on: calls that are explained are settled, so that memory does not grow with a recording that never ends.

When enough was read, the calls are replayed, and from then on only what they have led to is kept: tables of descriptors and states.  What
comes later goes on from there.  When it cannot, the answer is a violation only when later calls alone refute each state of a kernel; else
nothing can be said, because the settled calls may have another explanation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from luocheck.model.spec import Spec
from luocheck.traces.answer import AuditAnswer, Conformance
from luocheck.traces.audit import Tick, audit_read
from luocheck.traces.call import Call, Loss, Note, Recording
from luocheck.traces.decode import Reading
from luocheck.traces.findings import what_is_missing
from luocheck.traces.pieces import Decoded, PieceDecoder
from luocheck.traces.records import Record
from luocheck.traces.replay.configurations import returned
from luocheck.traces.replay.piecewise import Believed
from luocheck.traces.replay.world import Beginning

PIECE = 10_000
"""Records after which what was read is settled."""

SETTLE_SECONDS = 5.0
"""Time (of the processor) for each way to explain a piece."""

_RETRIES = 8
"""How often settling is tried again a little later, when a call may be over; then when there are twice as many records."""

_NOT_FOLLOWING = """\
line {line} and what follows is not explained after the calls before it, of which only what they led to is kept; \
the calls from there on are possible in other states"""


@dataclass(frozen=True, slots=True)
class _Settled:
    """line: at which the last settled call returned.  losses: of the settled part."""

    decoded: Decoded
    believed: Believed
    threads_share: bool
    line: int
    calls: int
    losses: tuple[Loss, ...]
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class _Tail(Reading):
    """What was read since a piece was settled."""

    tail: Recording | None = None

    def recording(self, threads_share: bool | None = None) -> Recording:
        assert self.tail is not None
        return self.tail


class Ongoing:
    """Takes the records of a recording one by one.  read: how many there were.  Other arguments as of `audit_read`."""

    def __init__(
        self, spec: Spec, reading: Reading, beginning: Beginning | None, timeout: float, max_deviations: int, piece: int = PIECE
    ) -> None:
        self.spec, self.reading, self.beginning = spec, reading, beginning
        self.timeout, self.max_deviations = timeout, max_deviations
        self.piece = self.limit = piece
        self.read = self.failed = 0
        self.settled: _Settled | None = None

    def add(self, record: Record, interrupted: Tick) -> None:
        """Takes the next record; now and then this settles those before it."""
        self.read += 1
        self.reading.records.append(record)
        if len(self.reading.records) >= self.limit:
            self._settle(interrupted)

    def _settle(self, interrupted: Tick) -> None:
        found = next(self._next(interrupted), None)
        if found is None:
            self.failed += 1
            self.limit = (
                len(self.reading.records) + self.piece // 4 + 1 if self.failed <= _RETRIES else 2 * len(self.reading.records)
            )
            return
        self.settled, self.failed = found, 0
        self.reading.records.clear()
        self.limit = self.piece

    def _next(self, interrupted: Tick) -> Iterator[_Settled]:
        """What is settled with the records that are there, in the ways that are quick to find."""
        before = self.settled
        for threads_share in (True, False) if before is None else (before.threads_share,):
            ended = PieceDecoder(self.reading, threads_share, before.decoded if before is not None else None).piece()
            if ended is None or not (ended[0].calls or before is not None):
                continue
            recording, decoded = ended
            lost = max((loss.line for loss in recording.losses), default=0)
            if lost and not any(call.enter.line > lost for call in recording.calls):
                continue  # a call can have begun before what was lost and return later
            for believed in self._begun() if before is None else (before.believed,):
                after = believed.after(recording, True, _until(time.process_time, SETTLE_SECONDS, interrupted))
                after = after.settled(decoded.numbers.files.values()) if after is not None else None
                if after is not None:
                    calls = len(recording.calls) + (before.calls if before is not None else 0)
                    losses = (*(before.losses if before is not None else ()), *recording.losses)
                    notes = before.notes if before is not None else recording.notes
                    line = max((returned(call) for call in recording.calls), default=before.line if before is not None else 0)
                    yield _Settled(decoded, after, threads_share, line, calls, losses, notes)

    def _begun(self) -> Iterator[Believed]:
        for beginning in (self.beginning,) if self.beginning is not None else Beginning:
            yield Believed(self.spec.system, beginning)

    # ---- answers ------------------------------------------------------------------------------------------------

    def answer(self, interrupted: Tick) -> AuditAnswer:
        """The answer about all that was read."""
        if self.settled is None:
            return audit_read(
                self.spec,
                [self.reading],
                beginning=self.beginning,
                timeout=self.timeout,
                max_deviations=self.max_deviations,
                interrupted=interrupted,
            )
        return self._answered(self.settled, interrupted)

    def _answered(self, settled: _Settled, interrupted: Tick) -> AuditAnswer:
        started = time.monotonic()
        stop = _until(time.monotonic, self.timeout, interrupted)
        tail = PieceDecoder(self.reading, settled.threads_share, settled.decoded).recording()
        losses = (*settled.losses, *tail.losses)
        whole = replace(tail, losses=losses)
        base = AuditAnswer(
            spec=self.spec.name,
            capture=tail.name,
            format=tail.format,
            verdict=Conformance.INCONCLUSIVE,
            calls=settled.calls + len(tail.calls),
            explained=settled.believed.explained,
            states=settled.believed.states,
            losses=len(losses),
            findings=(),
            notes=settled.notes,
            beginning=settled.believed.beginning,
            inserted=settled.believed.inserted,
            reason=what_is_missing([whole]),
            events=tail.events,
            lines=tail.lines,
            seconds=0.0,
            recordings=(tail,),
        )
        for quick in (True, False):
            found = settled.believed.after(tail, quick, stop)
            if found is not None:
                verdict = Conformance.INCONCLUSIVE if base.reason else Conformance.CONFORMS
                base = replace(
                    base,
                    verdict=verdict,
                    explained=found.explained,
                    states=found.states,
                    beginning=found.beginning,
                    inserted=found.inserted,
                )
                return replace(base, seconds=time.monotonic() - started)
        return self._unexplained(settled, tail, base, interrupted, started)

    def _unexplained(self, settled: _Settled, tail: Recording, base: AuditAnswer, interrupted: Tick, started: float) -> AuditAnswer:
        """The tail does not follow from what was believed; is it possible at all?"""
        reading = self.reading
        calls = tuple(_since(settled.line, call) for call in tail.calls)
        piece = _Tail(reading.capture, reading.abi, reading.format, reading.records, reading.tally, tail=replace(tail, calls=calls))
        alone = audit_read(
            self.spec,
            [piece],
            beginning=Beginning.RUNNING,
            timeout=self.timeout,
            max_deviations=self.max_deviations,
            interrupted=interrupted,
            started=started,
        )
        if alone.verdict is Conformance.VIOLATED:
            return replace(
                base, verdict=alone.verdict, findings=alone.findings, states=alone.states, reason="", seconds=alone.seconds
            )
        line = min((call.enter.line for call in tail.calls), default=settled.line)
        reason = (
            alone.reason if alone.verdict is Conformance.INCONCLUSIVE and not alone.explained else _NOT_FOLLOWING.format(line=line)
        )
        return replace(base, reason=reason, seconds=alone.seconds)


def _since(line: int, call: Call) -> Call:
    """A call of a tail that begins at a line; one that began before it can have taken effect before it, in the tail or not at all."""
    if call.enter.line >= line:
        return call
    return replace(call, enter=replace(call.enter, line=line), exit=None, result=None, got={})


def _until(clock: Callable[[], float], seconds: float, interrupted: Tick) -> Callable[[], str | None]:
    deadline = clock() + seconds

    def stop() -> str | None:
        reason = interrupted()
        return reason if reason is not None or clock() < deadline else "the time for this recording is up"

    return stop
