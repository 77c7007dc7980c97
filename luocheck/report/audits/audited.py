"""What every report of an audit is made of: the answers about all captures, and what they were asked with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from luocheck.model.diagnostics import Diagnostic
from luocheck.model.ir.system import Kind, Property
from luocheck.model.spec import Spec
from luocheck.report.audit import recorded_calls
from luocheck.report.calls import call_text
from luocheck.traces.answer import AuditAnswer, Conformance, Finding
from luocheck.traces.call import Call

PROMISES = (Kind.INVARIANT, Kind.AFTER, Kind.ASSERT, Kind.NEVER)
"""Kinds of claims that one recorded run can break."""


@dataclass(frozen=True, slots=True)
class Audited:
    """What came of one capture.

    capture: how it was named.  answer: None when it cannot be read, and `problems` say why.  sha256: of the file as it is on disk.
    file: its path, where that is not how it was named.
    """

    capture: str
    answer: AuditAnswer | None
    problems: tuple[Diagnostic, ...] = ()
    sha256: str | None = None
    file: str | None = None

    @property
    def path(self) -> str:
        return self.file if self.file is not None else self.capture

    @property
    def title(self) -> str:
        """How it was named; where several kernels were recorded, all of their recordings."""
        return self.answer.capture if self.answer is not None and len(self.answer.recordings) > 1 else self.capture

    @property
    def outcome(self) -> str:
        """The verdict, or `unreadable`."""
        return self.answer.verdict.value if self.answer is not None else "unreadable"

    @property
    def findings(self) -> tuple[Finding, ...]:
        return self.answer.findings if self.answer is not None else ()


@dataclass(frozen=True, slots=True)
class Audits:
    """One run of `luocheck audit`.  arguments: its command line without the program.  status: what it exits with."""

    spec: Spec
    version: str
    arguments: tuple[str, ...]
    results: tuple[Audited, ...]
    status: int

    @property
    def promises(self) -> tuple[Property, ...]:
        """The claims of the spec that a recording can break."""
        return tuple(each for each in self.spec.system.properties if each.kind in PROMISES)

    def count(self, outcome: str) -> int:
        return sum(each.outcome == outcome for each in self.results)

    @property
    def counts(self) -> str:
        """`1 conforms, 2 violated`, the worst first."""
        order = ("unreadable", Conformance.VIOLATED.value, Conformance.INCONCLUSIVE.value, Conformance.CONFORMS.value)
        return ", ".join(f"{self.count(outcome):,} {outcome}" for outcome in order if self.count(outcome)) or "no capture"


def core_calls(answer: AuditAnswer, finding: Finding) -> Iterator[tuple[int, Call | None]]:
    """The lines of a finding's core, each with the call that it shows."""
    calls = recorded_calls(answer, finding)
    begins = {call.enter.line: call for call in calls if call.exact}
    ends = {call.exit.line: call for call in calls if call.exit is not None and not call.inferred}
    by_line = begins | ends
    for line in finding.core:
        yield line, by_line.get(line)


def core_text(call: Call | None) -> str:
    """A line of a core in words."""
    return call_text(call) if call is not None else "a line of the recording"
