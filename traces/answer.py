"""The answer of an audit: what replay found out about one recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from luocheck.traces.call import Note, Origin, Recording
from luocheck.traces.replay.world import Beginning
from luocheck.traces.witness import AuditWitness


class Conformance(Enum):
    CONFORMS = "conforms"
    VIOLATED = "violated"
    INCONCLUSIVE = "inconclusive"


class Edit(Enum):
    """The smallest change of a recording with which it goes on to conform after a finding."""

    RESULT = "the call returns something else"
    DROPPED = "the call does not happen"
    INSERTED = "a call happens that was not recorded"


@dataclass(frozen=True, slots=True)
class Finding:
    """A call that no state allows, or a promise of the spec that the recording shows to be broken.

    rule: LUO701 for a call, LUO712 for a promise.  call: its number in the recording.  event: of the call, or the name of the promise.  observed: what the call returned.  allowed: what it could
    have returned in some state that agrees with the calls before it; certain: in all of them.  states: how many states agree before it.
    core: lines of a smallest set of calls that together cannot happen.  known: what holds in all states that agree before the call;
    since: the line from which on only one state agreed, None when several do.  edit: how replay went on after it, None when it stopped
    there; edited: the same in words.  certainty: `definite` or, for a promise that is broken in some of the states only, `possible`.
    origins: where the lines of the core stand, in their order, when the recording was merged from several files.
    """

    file: str
    line: int
    event: str
    observed: str
    allowed: tuple[str, ...]
    certain: tuple[str, ...]
    states: int
    core: tuple[int, ...]
    message: str
    rule: str = "LUO701"
    call: int | None = None
    known: tuple[str, ...] = ()
    since: int | None = None
    edit: Edit | None = None
    edited: str = ""
    certainty: str = "definite"
    origins: tuple[Origin, ...] = ()

    @property
    def origin(self) -> Origin | None:
        """Where its line stands, when the recording was merged from several files."""
        return dict(zip(self.core, self.origins, strict=False)).get(self.line)

    @property
    def place(self) -> str:
        """The file and line to look at."""
        return f"{self.file}:{self.line}" if self.origin is None else str(self.origin)


@dataclass(frozen=True, slots=True)
class Belief:
    """What is known after a call returned.

    file: the recording.  call: its number.  line/time: of its return (ns, None without a clock).  states: how many states agree.  known: what is different now
    in what all of them have in common, in words such as `Session "vm-1".state = OUTGOING`.
    """

    file: str
    call: int
    line: int
    time: int | None
    states: int
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AuditAnswer:
    """The answer about one recording.

    calls: how many calls it has; explained: how many of them, from the beginning, the spec explains; states: how many states agree at
    the end.  beginning: what the recording was taken to begin with.  reason: why inconclusive.  inserted: how many unrecorded calls the
    explanation needs.  recordings: the decoded calls of each kernel, empty when nothing could be decoded.  trail: what was known after each call, empty
    unless it was asked for.  watched: promises of the spec that were looked at, and could be
    decided, in every state on the way.
    witness: why it conforms, None unless it does and that was asked for.  unwitnessed: why there is none although it does.
    """

    spec: str
    capture: str
    format: str
    verdict: Conformance
    calls: int
    explained: int
    states: int
    losses: int
    findings: tuple[Finding, ...]
    notes: tuple[Note, ...]
    beginning: Beginning | None
    inserted: int
    reason: str
    events: int
    lines: int
    seconds: float
    recordings: tuple[Recording, ...] = ()
    trail: tuple[Belief, ...] = ()
    watched: tuple[str, ...] = ()
    witness: AuditWitness | None = None
    unwitnessed: str = ""

    @property
    def recording(self) -> Recording | None:
        """The calls of the first kernel."""
        return self.recordings[0] if self.recordings else None

    def kernels(self) -> Iterator[AuditAnswer]:
        """The answer for each kernel, with its calls and what was known after them only."""
        for each in self.recordings:
            trail = tuple(belief for belief in self.trail if belief.file == each.name)
            yield replace(self, recordings=(each,), trail=trail)
