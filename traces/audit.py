"""Does a recording conform to a spec?

A recording conforms when some behaviour of the spec shows what was recorded.  It is violated when every reading of what the recording
leaves open has been refuted.  Everything else is inconclusive, with the reason.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from luocheck.model.errnos import errno_name
from luocheck.model.spec import Spec
from luocheck.traces.answer import AuditAnswer, Conformance, Finding
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.decode import decode
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.machine import ReplayMachine
from luocheck.traces.replay.search import Explained, Search
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.world import Beginning, World

Tick = Callable[[], str | None]
"""Asked now and then: a reason to stop, or None."""


def audit(
    spec: Spec,
    capture: str,
    *,
    format: str | None = None,
    beginning: Beginning | None = None,
    timeout: float = 120.0,
    interrupted: Tick = lambda: None,
) -> AuditAnswer:
    """Replays a capture file (`-`: standard input) against a spec.

    format: its format when detection should not decide.  beginning: what the recording begins with when that is known; else both are
    tried.  timeout: seconds for all readings together.  Raises SpecError LUO700 when the capture cannot be read.
    """
    started = time.monotonic()
    recordings = [decode(capture, spec.system.abi, format=format, threads_share=True)]
    if any(call.kind is Kind.FORK for call in recordings[0].calls) or recordings[0].tables_unsure:
        recordings.append(decode(capture, spec.system.abi, format=format, threads_share=False))
    return _Audit(spec, recordings, beginning, started + timeout, interrupted).answer(started)


_Tried = tuple[Recording, Beginning, bool, Explained, bool]
"""A reading that failed: recording, beginning, quick?, how far it came, whether something was too much to look at."""


@dataclass(slots=True)
class _Audit:
    spec: Spec
    recordings: list[Recording]
    beginning: Beginning | None
    deadline: float
    interrupted: Tick
    tried: list[_Tried] = field(default_factory=list)

    def answer(self, started: float) -> AuditAnswer:
        first = self.recordings[0]
        if first.undecodable is not None:
            return self._inconclusive(first.undecodable, started)
        if not any(recording.calls for recording in self.recordings):
            return self._inconclusive("no call that the spec knows is in this recording", started)
        for recording, beginning, quick in self._readings():
            explained, overwhelmed = self._replay(recording, beginning, quick)
            if self.interrupted() is not None:
                return self._inconclusive(self.interrupted() or "", started)
            if explained.refusal is None and explained.gave_up is None:
                return self._explained(recording, beginning, explained, started)
            self.tried.append((recording, beginning, quick, explained, overwhelmed))
        return self._unexplained(started)

    def _readings(self) -> Iterator[tuple[Recording, Beginning, bool]]:
        """What the recording can mean: whole descriptor tables, its beginning; first the quick search, then the complete one."""
        beginnings = [self.beginning] if self.beginning is not None else list(Beginning)
        for quick in (True, False):
            for recording in self.recordings:
                for beginning in beginnings:
                    yield recording, beginning, quick

    def _replay(self, recording: Recording, beginning: Beginning, quick: bool) -> tuple[Explained, bool]:
        system = self.spec.system
        whole = _before_losses(recording)
        handles = Handles.of(system, whole)
        world = World(system, beginning, tuple(handles.counts), handles.names(), quick)
        machine = ReplayMachine(world)
        stepper = Stepper(machine, handles, whole)
        explained = Search(stepper, whole, self._stop, quick).run(machine.beginnings())
        return explained, stepper.overwhelmed

    def _stop(self) -> str | None:
        reason = self.interrupted()
        return reason if reason is not None or time.monotonic() < self.deadline else "the time for this recording is up"

    # ---- answers ------------------------------------------------------------------------------------------------

    def _base(self, recording: Recording, started: float) -> AuditAnswer:
        return AuditAnswer(
            spec=self.spec.name,
            capture=recording.name,
            format=recording.format,
            verdict=Conformance.INCONCLUSIVE,
            calls=len(recording.calls),
            explained=0,
            states=0,
            losses=len(recording.losses),
            findings=(),
            notes=recording.notes,
            beginning=None,
            inserted=0,
            reason="",
            events=recording.events,
            lines=recording.lines,
            seconds=time.monotonic() - started,
            recording=recording,
        )

    def _inconclusive(self, reason: str, started: float) -> AuditAnswer:
        return replace(self._base(self.recordings[0], started), reason=reason)

    def _explained(self, recording: Recording, beginning: Beginning, explained: Explained, started: float) -> AuditAnswer:
        reason = _what_is_missing(recording)
        if not reason and explained.calls == 0:
            reason = "no call in this recording is known to have returned"
        return replace(
            self._base(recording, started),
            verdict=Conformance.INCONCLUSIVE if reason else Conformance.CONFORMS,
            explained=explained.calls,
            states=explained.states,
            beginning=beginning,
            inserted=explained.inserted,
            reason=reason,
        )

    def _unexplained(self, started: float) -> AuditAnswer:
        """Every reading failed.  The one that came farthest is told; it is a violation when each complete search was refuted."""
        complete = [each for each in self.tried if not each[2]]
        refuted = [each for each in complete if each[3].gave_up is None and not each[4]]
        if len(refuted) < len(complete):
            recording, _, _, explained, _ = complete[0]
            reason = _undecided([each for each in complete if each not in refuted], refuted)
            return replace(self._base(recording, started), explained=explained.calls, reason=reason)
        recording, beginning, _, explained, _ = max(complete, key=lambda each: each[3].calls)
        assert explained.refusal is not None
        return replace(
            self._base(recording, started),
            verdict=Conformance.VIOLATED,
            explained=explained.calls,
            states=explained.refusal.states,
            beginning=beginning,
            findings=(_finding(recording, explained),),
        )


def _undecided(open_: list[_Tried], refuted: list[_Tried]) -> str:
    """Why a recording that was not explained is not called a violation, and what was found of it all the same."""
    reasons = sorted({each[3].gave_up or "more unrecorded calls are possible than can be followed" for each in open_})
    text = f"no explanation was found, but the search was not complete ({'; '.join(reasons)})"
    for beginning in Beginning:
        farthest = [each[3] for each in refuted if each[1] is beginning]
        if farthest and not any(each[1] is beginning for each in open_):
            refusal = max(farthest, key=lambda each: each.calls).refusal
            assert refusal is not None
            line = refusal.call.exit.line if refusal.call.exit is not None else refusal.call.enter.line
            text += f"; if it begins with {beginning.value}, line {line} is not allowed (--begins {beginning.name.lower()})"
    return text


def _before_losses(recording: Recording) -> Recording:
    """The part that was recorded completely: what comes after lost events can follow from what is missing."""
    if not recording.losses:
        return recording
    first = min(loss.line for loss in recording.losses)
    kept = tuple(c if c.exit is None or c.exit.line < first else replace(c, exit=None, result=None) for c in recording.calls)
    return replace(recording, calls=tuple(call for call in kept if call.enter.line < first))


def _what_is_missing(recording: Recording) -> str:
    if recording.losses:
        first = min(recording.losses, key=lambda loss: loss.line)
        count = f"{first.count:,} events" if first.count is not None else "events"
        return f"{count} were lost before line {first.line} ({first.reason}); the calls before are as the spec allows"
    if recording.truncated_start:
        return "the beginning of the recording was overwritten; what is left is as the spec allows"
    return ""


def observed(call: Call) -> str:
    """What a call returned: `OK`, an errno, or a number."""
    if call.result is None:
        return "did not return"
    return "OK" if call.result >= 0 else errno_name(-call.result)


def _finding(recording: Recording, explained: Explained) -> Finding:
    refusal = explained.refusal
    assert refusal is not None
    call = refusal.call
    line = call.exit.line if call.exit is not None else call.enter.line
    name = call.event or (f"ioctl {call.command:#x}" if call.command is not None else call.kind.value)
    states = "the only state that agrees" if refusal.states == 1 else f"any of the {refusal.states} states that agree"
    if refusal.possible:
        message = f"{name} returned {observed(call)}, which {states} with the calls before it does not allow"
    else:
        message = f"{name} cannot be called in {states} with the calls before it"
    return Finding(
        recording.name,
        line,
        name,
        observed(call),
        refusal.possible,
        refusal.certain,
        refusal.states,
        tuple(sorted({call.enter.line, line})) if call.exact else (line,),
        message,
    )
