"""What the audit of many captures came to: each in its place, the verdict on all, and what is the same in many of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from luocheck.model.problems import Problem
from luocheck.traces.answer import AuditAnswer, Conformance, Finding
from luocheck.traces.call import Origin
from luocheck.traces.folders import Skipped

WORST_FIRST = ("error", "violated", "inconclusive", "lost", "not run", "conforms")
"""Outcomes of a capture."""

_NUMBER = re.compile(r"\b\d[\d,]*")


@dataclass(frozen=True, slots=True)
class AuditedCapture:
    """A capture, and what came of it.

    Without answer and problems (why it cannot be read) it is lost (why: `lost`), or an interrupt left it undone.  kept: the answer had
    been in the file of results.
    """

    name: str
    answer: AuditAnswer | None
    problems: tuple[Problem, ...]
    seconds: float
    lost: str | None = None
    kept: bool = False

    @property
    def outcome(self) -> str:
        """One of WORST_FIRST."""
        if self.problems:
            return "error"
        if self.answer is not None:
            return self.answer.verdict.value
        return "lost" if self.lost is not None else "not run"

    @property
    def causes(self) -> Iterator[tuple[str, str, Origin | None]]:
        """What stands behind the outcome: a rule, what happened in words without its numbers, and the place, where there is one."""
        if self.problems:
            for problem in self.problems:
                place = Origin(self.name, problem.line) if problem.line is not None else None
                yield problem.code, without_numbers(problem.message), place
        elif self.answer is None:
            yield "", self.lost or "", None
        elif self.answer.verdict is Conformance.VIOLATED:
            yield from ((each.rule, _told(each), each.origin or Origin(self.name, each.line)) for each in self.answer.findings)
        else:
            yield "", without_numbers(self.answer.reason), None


@dataclass(frozen=True, slots=True)
class Group:
    """Captures with the same outcome for the same cause.

    first: the first of them in the order of the captures.  place: the file and line to look at, where there is one.
    """

    outcome: str
    rule: str
    what: str
    captures: int
    first: str
    place: Origin | None

    @property
    def line(self) -> int | None:
        """The line to look at, where there is one."""
        return self.place.line if self.place is not None else None


@dataclass(frozen=True, slots=True)
class FleetAnswer:
    """What `audit_all` found.

    captures: in the order of the arguments, and of names in a folder.  skipped: what is no capture in the folders.  problems: folders
    that cannot be read, or have no capture.
    """

    spec: str
    captures: tuple[AuditedCapture, ...]
    skipped: tuple[Skipped, ...]
    problems: tuple[Problem, ...]
    interrupted: bool
    seconds: float

    def count(self, outcome: str) -> int:
        """How many captures came to this outcome."""
        return sum(each.outcome == outcome for each in self.captures)

    @property
    def verdict(self) -> str:
        """`error` wins over `violated` over `inconclusive` over `conforms`; with an interrupt the whole is inconclusive."""
        if self.interrupted:
            return "inconclusive"
        if self.problems or self.count("error"):
            return "error"
        if self.count("violated"):
            return "violated"
        return "conforms" if self.captures and self.count("conforms") == len(self.captures) else "inconclusive"

    @property
    def exit_status(self) -> int:
        """0 all conform, 1 one is violated, 2 something cannot be read, 3 inconclusive."""
        return {"conforms": 0, "violated": 1, "error": 2, "inconclusive": 3}[self.verdict]

    @property
    def groups(self) -> tuple[Group, ...]:
        """The worst first, then what most captures share.  A capture with several findings counts in each of their groups once."""
        made: dict[tuple[str, str, str], Group] = {}
        for each in self.captures:
            first = {(rule, what): place for rule, what, place in reversed(list(each.causes))}
            for (rule, what), place in first.items():
                key = (each.outcome, rule, what)
                group = made.get(key, Group(*key, 0, each.name, place))
                made[key] = replace(group, captures=group.captures + 1)
        return tuple(
            sorted(made.values(), key=lambda each: (WORST_FIRST.index(each.outcome), -each.captures, each.rule, each.what))
        )


def _told(finding: Finding) -> str:
    """What a finding has in common with others of its kind."""
    return f"{finding.event} returned {finding.observed}" if finding.rule == "LUO701" else without_numbers(finding.message)


def without_numbers(text: str) -> str:
    """A sentence in which numbers are N, so that what differs in nothing else is the same."""
    return _NUMBER.sub("N", text)
