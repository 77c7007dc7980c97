"""Does a recording conform to a spec?

A recording conforms when some behaviour of the spec shows what was recorded.  It is violated when every reading of what the recording
leaves open has been refuted.  Everything else is inconclusive, with the reason.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from luocheck.model.spec import Spec
from luocheck.traces.answer import AuditAnswer, Conformance, Edit, Finding
from luocheck.traces.call import Call, Kind, Note, Recording
from luocheck.traces.decode import Reading, read
from luocheck.traces.digest import recording_sha256
from luocheck.traces.findings import call_finding, promise_finding, promises_told, unless_closed, unless_others, what_is_missing
from luocheck.traces.parts import Captured
from luocheck.traces.replay.certify import NotExplained, certify
from luocheck.traces.replay.configurations import Refusal, returned
from luocheck.traces.replay.core import core_of
from luocheck.traces.replay.kernels import Replay, Replayed, Start, parts_of, shows_its_end, window
from luocheck.traces.replay.world import Beginning
from luocheck.traces.source import MOST_BYTES
from luocheck.traces.witness import AuditWitness, NextKernel

MOST_DEVIATIONS = 20
"""Findings after which replay stops, by default."""

MOST_CORES = 5
"""Findings for which a core is looked for."""

CORE_SECONDS = 3.0

FURTHER_SECONDS = 6.0
"""How long findings after the first are looked for."""

WINDOWS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Calls in a window that is looked at from any state."""

ORDERS_SECONDS = 5.0
"""Time for all orders of calls that overlap, before anything is thought of that is not recorded."""

LOOKS = (200, 2_000, None)
"""How often a search of a window may ask whether to go on, in rounds: often a longer window is refuted at once where a shorter one takes long."""

WINDOW_SECONDS = 15.0

FIRST_WINDOW_SECONDS = 2.0
"""For windows before a complete search; afterwards they are gone on with where that did not decide."""

PREFERENCE_SECONDS = 10.0
"""How long a recording that a kernel in any state explains, or none, is tried completely with one that has just booted."""


Tick = Callable[[], str | None]
"""Asked now and then: a reason to stop, or None."""


def audit(
    spec: Spec,
    capture: Captured | Sequence[Captured],
    *,
    format: str | None = None,
    beginning: Beginning | None = None,
    timeout: float = 120.0,
    max_deviations: int = MOST_DEVIATIONS,
    trail: bool = False,
    max_bytes: int = MOST_BYTES,
    witness: bool = False,
    interrupted: Tick = lambda: None,
) -> AuditAnswer:
    """Replays a capture file (`-`: standard input) against a spec.

    capture: a file, or the files of several kernels of which each is the one that the one before it started by kexec.  format: its format
    when detection should not decide.  beginning: what the recording begins with when that is known; else all are tried.  timeout:
    seconds for all readings together.  max_deviations: findings after which replay stops (at least 1).  trail: tell what was known after
    each call.  max_bytes: unpacked bytes of each file after which reading stops.  witness: tell why it conforms.  Raises SpecError
    LUO700 when a capture cannot be read, LUO718 for files of one recording that do not say in which order their events happened.
    """
    captures = [capture] if isinstance(capture, Captured) else list(capture)
    started = time.monotonic()
    readings = [read(each, spec.system.abi, format=format, most=max_bytes) for each in captures]
    return audit_read(
        spec,
        readings,
        beginning=beginning,
        timeout=timeout,
        max_deviations=max_deviations,
        trail=trail,
        witness=witness,
        interrupted=interrupted,
        started=started,
    )


def audit_read(
    spec: Spec,
    read_once: Sequence[Reading],
    *,
    beginning: Beginning | None = None,
    timeout: float = 120.0,
    max_deviations: int = MOST_DEVIATIONS,
    trail: bool = False,
    witness: bool = False,
    interrupted: Tick = lambda: None,
    started: float | None = None,
) -> AuditAnswer:
    """`audit` of what was read already.  started: the moment (of `time.monotonic`) from which on time counts, now when None."""
    started = time.monotonic() if started is None else started
    readings = [[each.recording(threads_share=True) for each in read_once]]
    if any(any(call.kind is Kind.FORK for call in each.calls) or each.tables_unsure for each in readings[0]):
        readings.append([each.recording(threads_share=False) for each in read_once])
    return _Audit(
        spec, readings, beginning, started + timeout, interrupted, max_deviations, trail, witness, patience=timeout
    ).answer(started)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the recordings can mean.  recordings: of kernels one after another; quick: the search that is not complete.

    eager: it does not look at all orders of calls that overlap either.
    """

    recordings: list[Recording]
    beginning: Beginning
    quick: bool
    joined: bool = True
    eager: bool = True


_NOT_JOINED = """\
the recording of the first kernel ends before its reboot, and what happened in between is not known; if nothing did, line {line} of the \
next kernel's recording is not allowed"""

_Tried = tuple[_Reading, Replayed]


@dataclass(slots=True)
class _Audit:
    """deadline: when readings are no longer tried.  patience: seconds that windows may take after that, at most."""

    spec: Spec
    decoded: list[list[Recording]]
    beginning: Beginning | None
    deadline: float
    interrupted: Tick
    most: int
    trail: bool
    witness: bool
    patience: float
    tried: list[_Tried] = field(default_factory=list)
    proofs: dict[int, _Tried] = field(default_factory=dict)
    looked_at: set[tuple[str, int, int]] = field(default_factory=set)

    def answer(self, started: float) -> AuditAnswer:
        first = self.decoded[0]
        undecodable = next((each.undecodable for each in first if each.undecodable is not None), None)
        if undecodable is not None:
            return self._inconclusive(undecodable, started)
        if not any(each.calls for recordings in self.decoded for each in recordings):
            return self._inconclusive("no call that the spec knows is in this recording", started)
        explained = self._look(started)
        return explained if explained is not None else self._unexplained(started)

    def _look(self, started: float) -> AuditAnswer | None:
        """Looks for an explanation: quickly, then completely; None when there is none or none was found.

        A kernel that had been running can be in any state: that is the last thing to be thought of.
        """
        deadline = self.deadline
        begin = [self.beginning] if self.beginning is not None else [Beginning.COLD, Beginning.WARM]
        found = self._first(begin, True) or self._first(begin, True, eager=False)
        if found is None and self.beginning is None:
            found = self._first([Beginning.RUNNING], True)
            if found is not None:  # a beginning that says more is to be preferred
                self.deadline = min(self.deadline, time.monotonic() + PREFERENCE_SECONDS)
        if self.interrupted() is None and (found is None or (self.beginning is None and found[0].beginning is Beginning.RUNNING)):
            if found is None and self._prove(FIRST_WINDOW_SECONDS):  # it is a violation, and a complete search tells it better
                self.deadline = min(self.deadline, time.monotonic() + PREFERENCE_SECONDS)
            found = self._first(begin, False) or found
            if found is None and self.beginning is None and not self._prove():
                found = self._first([Beginning.RUNNING], False)
        if self.interrupted() is not None:
            return self._inconclusive(self.interrupted() or "", started)
        if found is None:
            return None
        self.deadline = deadline  # what is told of it, a witness for one, has the time that is left of the whole
        return self._explained(*found, started)

    def _first(self, beginnings: list[Beginning], quick: bool, *, eager: bool = True) -> _Tried | None:
        """The first reading that explains the recordings; the others are kept in `tried`."""
        for recordings in self.decoded:
            for beginning in beginnings:
                reading = _Reading(recordings, beginning, quick, eager=eager)
                replayed = self._replay(reading, until=None if eager else time.process_time() + ORDERS_SECONDS)
                if replayed.explains:
                    return reading, replayed
                self.tried.append((reading, replayed))
                if self.interrupted() is not None:
                    return None
        return None

    def _replay(self, reading: _Reading, most: int = 1, until: float | None = None) -> Replayed:
        """until: of the time of this process, after which it stops with what was found."""
        parts = parts_of(reading.recordings, joined=reading.joined)
        return Replay(
            self.spec.system,
            parts,
            reading.beginning,
            reading.quick,
            self._stop if until is None else lambda: self._stop() or self._late(until),
            most,
            trail=self.trail and (most > 1 or reading.quick),
            promises=most == 1,
            thorough=True,
            eager=reading.eager,
        ).run()

    def _late(self, until: float) -> str | None:
        return "the time is up" if time.process_time() > until else None

    def _stop(self) -> str | None:
        reason = self.interrupted()
        return reason if reason is not None or time.monotonic() < self.deadline else "the time for this recording is up"

    # ---- answers ------------------------------------------------------------------------------------------------

    def _base(self, recordings: list[Recording], started: float) -> AuditAnswer:
        first = recordings[0]
        several = len(recordings) > 1
        notes = tuple(_placed(note, each, several) for each in recordings for note in each.notes)
        return AuditAnswer(
            spec=self.spec.name,
            capture=" then ".join(each.name for each in recordings),
            format=first.format,
            verdict=Conformance.INCONCLUSIVE,
            calls=sum(len(each.calls) for each in recordings),
            explained=0,
            states=0,
            losses=sum(len(each.losses) for each in recordings),
            findings=(),
            notes=notes,
            beginning=None,
            inserted=0,
            reason="",
            events=sum(each.events for each in recordings),
            lines=sum(each.lines for each in recordings),
            seconds=time.monotonic() - started,
            recordings=tuple(recordings),
        )

    def _inconclusive(self, reason: str, started: float) -> AuditAnswer:
        return replace(self._base(self.decoded[0], started), reason=reason)

    def _explained(self, reading: _Reading, replayed: Replayed, started: float) -> AuditAnswer:
        reason = what_is_missing(reading.recordings)
        if not reason and replayed.loosened:
            reason = "a kernel can have ended in more ways than can be followed, so what the next one was handed is not known"
        if not reason and replayed.calls == 0:
            reason = "no call in this recording is known to have returned"
        if not reason and not any(call.result is not None for each in reading.recordings for call in each.calls):
            reason = "it is not in this recording what any call returned"
        base = self._base(reading.recordings, started)
        if reading.beginning is Beginning.RUNNING and self.beginning is None:
            base = replace(base, notes=(*base.notes, self._in_the_middle()))
        is_sure = not self._is_partial(reading) and all(each.unsure_close is None for each in reading.recordings)
        broken = tuple(self._broken(reading, replayed)) if is_sure else ()
        base = replace(base, notes=(*base.notes, *promises_told(replayed, reading.beginning is Beginning.COLD)))
        verdict = Conformance.INCONCLUSIVE if reason else Conformance.CONFORMS
        witness, unwitnessed = None, ""
        if self.witness and verdict is Conformance.CONFORMS and not broken:
            try:
                witness = self._certified(reading)
            except NotExplained as why:
                unwitnessed = str(why)
        return replace(
            base,
            verdict=Conformance.VIOLATED if broken else verdict,
            watched=tuple(sorted(replayed.watched or ())),
            witness=witness,
            unwitnessed=unwitnessed,
            findings=broken,
            explained=replayed.calls,
            states=replayed.explained[-1].states,
            beginning=reading.beginning,
            inserted=sum(each.inserted for each in replayed.explained),
            reason=reason,
            trail=tuple(replayed.trail),
        )

    def _certified(self, reading: _Reading) -> AuditWitness:
        """Why a reading explains its recordings.  Raises NotExplained."""
        recording = reading.recordings[0]
        if any(each.truncated_start for each in reading.recordings):
            raise NotExplained("the beginning of the recording was overwritten")
        told = certify(self.spec.system, reading.recordings, reading.beginning, reading.quick, self._stop, eager=reading.eager)
        threads_share = reading.recordings is self.decoded[0]
        first, *then = told.kernels
        return AuditWitness(
            spec=self.spec.name,
            spec_sha256=self.spec.sha256,
            capture=recording.name,
            capture_sha256=recording_sha256(recording.name, recording.parts),
            format=recording.format,
            threads_share=threads_share,
            begins=told.begins,
            scope=told.scope,
            graphs=told.graphs,
            alive=told.alive,
            facts=first.facts,
            files=first.files,
            steps=first.steps,
            then=tuple(
                NextKernel(
                    each.name,
                    recording_sha256(each.name, each.parts),
                    each.format,
                    threads_share,
                    kernel.processes,
                    kernel.facts,
                    kernel.files,
                    kernel.steps,
                )
                for each, kernel in zip(reading.recordings[1:], then, strict=True)
            ),
        )

    def _broken(self, reading: _Reading, replayed: Replayed) -> Iterator[Finding]:
        """Promises that the spec makes without exception and that do not hold in any state that agrees."""
        found = [(part, each) for part, each in replayed.broken if each.definite and not each.expected]
        if found and reading.quick:  # that search does not look at all states
            complete = self._replay(replace(reading, quick=False))
            if not complete.explains or complete.overwhelmed:
                return
            found = [(part, each) for part, each in complete.broken if each.definite and not each.expected]
        for part, each in found:
            yield promise_finding(part, each)

    def _in_the_middle(self) -> Note:
        """Why the recording cannot have begun with the kernel."""
        complete = [replayed for reading, replayed in self.tried if not reading.quick]
        line = max((returned(refusal.call) for each in complete for _, refusal in each.refusals), default=None)
        if line is None or any(each.gave_up is not None or each.overwhelmed for each in complete):
            return Note("LUO713", None, "explained as the recording of a kernel that had been running before it begins")
        return Note("LUO713", line, "this needs calls that were made before the recording begins")

    def _unexplained(self, started: float) -> AuditAnswer:
        """Every reading failed.  The one that came farthest is told.

        It is a violation when each complete search was refuted, or when a few calls are not possible in any state.
        """
        complete = [each for each in self.tried if not each[0].quick]
        refuted = [each for each in complete if each[1].gave_up is None and not each[1].overwhelmed]
        if not complete or (len(refuted) < len(complete) and not self._prove()):
            reading, replayed = (complete or self.tried)[0]
            reason = _undecided([each for each in complete if each not in refuted], refuted)
            return replace(self._base(reading.recordings, started), explained=replayed.calls, reason=reason)
        complete = refuted or list(self.proofs.values())
        reading, replayed = max(complete, key=lambda each: each[1].calls)
        if self._is_partial(reading):
            return replace(
                self._base(reading.recordings, started), explained=replayed.calls, reason=unless_others(*replayed.refusals[0])
            )
        unsure = next((each.unsure_close for each in reading.recordings if each.unsure_close is not None), None)
        if unsure is not None and unsure < returned(replayed.refusals[0][1].call):
            reason = unless_closed(*replayed.refusals[0], unsure)
            return replace(self._base(reading.recordings, started), explained=replayed.calls, reason=reason)
        apart = self._apart(reading)
        if apart is not None:
            line = returned(replayed.refusals[0][1].call)
            return replace(self._explained(*apart, started), verdict=Conformance.INCONCLUSIVE, reason=_NOT_JOINED.format(line=line))
        if self.most > 1 and replayed.parts[0].start is Start.GIVEN:
            until = time.process_time() + FURTHER_SECONDS
            further = self._replay(reading, self.most, until=until)
            replayed = further if further.refusals else replayed
        findings = tuple(self._findings(reading, replayed))
        base = self._base(reading.recordings, started)
        if replayed.gave_up is not None:
            text = f"findings after this one were not looked for any longer ({replayed.gave_up})"
            base = replace(base, notes=(*base.notes, Note("LUO705", findings[-1].line, text)))
        return replace(
            base,
            verdict=Conformance.VIOLATED,
            explained=replayed.calls,
            states=findings[0].states,
            beginning=reading.beginning,
            findings=findings,
            trail=tuple(replayed.trail),
        )

    def _is_partial(self, reading: _Reading) -> bool:
        """Are there tasks whose calls are not in the recordings?  They can have done anything in between."""
        return any(each.is_partial for each in reading.recordings)

    def _prove(self, seconds: float = WINDOW_SECONDS) -> bool:
        """Are a few calls of each way to decode the recordings not possible in any state of a kernel?"""
        until = time.process_time() + min(seconds, self.patience)
        for recordings in self.decoded:
            if id(recordings) not in self.proofs:
                for reading, replayed in reversed(self.tried):
                    proof = self._window_refuted(replayed, until) if reading.recordings is recordings else None
                    if proof is not None:
                        self.proofs[id(recordings)] = reading, proof
                        break
                else:
                    return False
        return True

    def _window_refuted(self, replayed: Replayed, until: float) -> Replayed | None:
        """A few calls up to one that a reading refused, which no state of a kernel allows."""
        for looks in LOOKS:
            for part, refusal in replayed.refusals:
                for size in WINDOWS:
                    key = part.recording.name, refusal.call.number, size
                    if key not in self.looked_at:
                        stop = self._patience(looks, until)
                        cut = window(part.recording, refusal.call, size)
                        found = Replay(self.spec.system, [cut], Beginning.RUNNING, False, stop).run()
                        if found.refusals and not found.overwhelmed:
                            return found
                        if self.interrupted() is not None or self._late(until) is not None:
                            return None
                        if found.gave_up is None or looks is None:
                            self.looked_at.add(key)
                    if size >= len(part.recording.calls):
                        break
        return None

    def _patience(self, looks: int | None, until: float) -> Tick:
        """What stops a search that asked that often, or when the time is up."""
        asked = itertools.count(1)

        def stop() -> str | None:
            if looks is not None and next(asked) > looks:
                return "too much to look at for now"
            return self.interrupted() or self._late(until)

        return stop

    def _apart(self, reading: _Reading) -> _Tried | None:
        """An explanation in which something happened between the end of a recording and the reboot that it does not show."""
        if all(shows_its_end(each) for each in reading.recordings[:-1]):
            return None
        for quick in (True, False):
            other = replace(reading, quick=quick, joined=False)
            replayed = self._replay(other)
            if replayed.explains or replayed.gave_up is not None or replayed.overwhelmed:
                return other, replayed
        return None

    # ---- findings -----------------------------------------------------------------------------------------------

    def _findings(self, reading: _Reading, replayed: Replayed) -> Iterator[Finding]:
        until = time.process_time() + CORE_SECONDS
        count = 0
        for part, explained in zip(replayed.parts, replayed.explained, strict=False):
            calls = list(part.recording.calls)
            for position, refusal in enumerate(explained.refusals):
                count += 1
                edit = explained.edits[position] if position < len(explained.edits) else refusal.nearest()
                core: tuple[Call, ...] = ()
                if count <= MOST_CORES and len(replayed.parts) == 1:
                    edited = replace(part.recording, calls=tuple(calls))
                    core = core_of(edited, refusal, lambda recording: self._refusal_of(reading, recording, until))
                yield call_finding(part, refusal, edit, core)
                if edit is Edit.RESULT:
                    calls = [replace(c, result=None, got={}, refused=()) if c.number == refusal.call.number else c for c in calls]
                else:
                    calls = [c for c in calls if c.number != refusal.call.number]

    def _refusal_of(self, reading: _Reading, recording: Recording, until: float) -> Refusal | None:
        """The first refusal in a part of a recording, None when there is none or the time is up."""

        def stop() -> str | None:
            return self.interrupted() or self._late(until)

        if stop() is not None:
            return None
        replayed = Replay(self.spec.system, parts_of([recording]), reading.beginning, False, stop).run()
        if replayed.gave_up is not None or replayed.overwhelmed or not replayed.refusals:
            return None
        return replayed.refusals[0][1]


def _placed(note: Note, recording: Recording, several: bool) -> Note:
    return replace(note, text=f"{recording.name}: {note.text}") if several else note


def _undecided(open_: list[_Tried], refuted: list[_Tried]) -> str:
    """Why a recording that was not explained is not called a violation, and what was found of it all the same."""
    reasons = sorted({each[1].gave_up or "more unrecorded calls are possible than can be followed" for each in open_})
    text = f"no explanation was found, but the search was not complete ({'; '.join(reasons)})"
    for beginning in Beginning:
        farthest = [each[1] for each in refuted if each[0].beginning is beginning]
        if farthest and not any(each[0].beginning is beginning for each in open_):
            replayed = max(farthest, key=lambda each: each.calls)
            line = returned(replayed.refusals[0][1].call)
            text += f"; if it begins with {beginning.value}, line {line} is not allowed (--begins {beginning.name.lower()})"
    return text
