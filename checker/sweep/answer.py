"""What a sweep came to: the runs in their order, whatever order they ended in, and the verdict on all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from luocheck.checker.sweep.runs import SpecRun
from luocheck.checker.sweep.work import Options, Ran
from luocheck.model.ir.system import Scope, Topology


@dataclass(frozen=True, slots=True)
class SweptRun:
    """A run, and what it came to; without `ran` it is lost (why: `lost`), or an interrupt left it undone.

    kept: it had been in the file of results.
    """

    run: SpecRun = field(repr=False)
    ran: Ran | None
    seconds: float
    lost: str | None = None
    kept: bool = False

    @property
    def spec(self) -> str:
        return self.run.spec.name

    @property
    def scope(self) -> Scope:
        return self.run.planned.scope

    @property
    def topology(self) -> Topology | None:
        return self.run.planned.topology

    @property
    def outcome(self) -> str:
        """`done`, `error`, `lost` or `not run`."""
        if self.ran is not None:
            return "error" if self.ran.problems else "done"
        return "lost" if self.lost is not None else "not run"

    @property
    def verdict(self) -> str:
        """`as-expected`, `unexpected`, `undecided` or `error`."""
        ran = self.ran
        if ran is None:
            return "undecided"
        if ran.problems:
            return "error"
        answers = [answer.as_expected for answer in ran.answers]
        if False in answers or any(count.as_expected is False for count in ran.counts):
            return "unexpected"
        open_ = any(answer.undecided for answer in ran.answers) or (ran.answers and not ran.begun)
        uncounted = any(count.as_expected is None for count in ran.counts) and not ran.bounded
        return "undecided" if open_ or uncounted or ran.stopped is not None else "as-expected"


@dataclass(frozen=True, slots=True)
class SweepAnswer:
    """What `sweep` found.

    runs: in the order of specs, scopes, sizes, topologies and claims.  left_out: what some specs do not declare.
    """

    runs: tuple[SweptRun, ...]
    options: Options
    left_out: tuple[str, ...]
    interrupted: bool
    seconds: float

    @property
    def dead(self) -> tuple[tuple[str, str], ...]:
        """What `strict` counts as not as expected: spec, and event or `fail` line that fired in none of its runs, which all are decided."""
        found: list[tuple[str, str]] = []
        for spec in dict.fromkeys(each.run.spec for each in self.runs) if self.options.strict else ():
            own = [each.ran for each in self.runs if each.run.spec is spec]
            if all(ran is not None and not ran.problems and ran.stopped is None for ran in own):
                found += ((spec.name, text) for text in _in_all([ran.never_fired for ran in own if ran is not None]))
        return tuple(found)

    @property
    def engine_missing(self) -> str | None:
        """Why a run did without the native engine."""
        runs = (each.ran.engine_missing for each in self.runs if each.ran is not None)
        return next((why for why in runs if why is not None), None)

    @property
    def verdict(self) -> str:
        """`error` wins over `unexpected` over `undecided` over `as-expected`; an interrupted sweep is undecided."""
        verdicts = {each.verdict for each in self.runs} | ({"unexpected"} if self.dead else set())
        if self.interrupted or not any(each.ran.answers for each in self.runs if each.ran is not None):
            verdicts |= {"undecided"}
        order = ("undecided",) if self.interrupted else ("error", "unexpected", "undecided")
        return next((verdict for verdict in order if verdict in verdicts), "as-expected")

    @property
    def exit_status(self) -> int:
        """0 as expected, 1 not as expected, 2 an input error, 3 undecided."""
        return {"as-expected": 0, "unexpected": 1, "error": 2, "undecided": 3}[self.verdict]


def _in_all(lists: Sequence[tuple[str, ...]]) -> list[str]:
    first, *others = lists
    return [text for text in first if all(text in other for other in others)]
