"""What `scenario` answers: runs that show something, each as a witness and as the text of a scenario."""

from __future__ import annotations

from dataclasses import dataclass, field

from luocheck.model.answer import Witness
from luocheck.model.ir.system import Scope, Topology
from luocheck.model.spec import Spec


@dataclass(frozen=True, slots=True)
class Chosen:
    """One scenario.

    name: short, for files.  text: a scenario declaration that the spec accepts.  covers: the goals of a covering set that it was chosen for.  allowed: of a run that another spec does not have, what that one
    could have returned at the last call; empty when the call cannot be made there.
    """

    name: str
    title: str
    witness: Witness
    text: str
    covers: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a covering set covers, how far from the smallest it can be, and what nothing in the scope reaches.

    calls, runs: of the set.  calls_bound, runs_bound: no set that covers as much has fewer.
    """

    goals: tuple[str, ...]
    unreached: tuple[str, ...]
    calls: int
    runs: int
    calls_bound: int
    runs_bound: int


@dataclass(frozen=True, slots=True)
class ScenarioAnswer:
    """What was looked for, and the scenarios that show it.

    goal: in words.  kind: violate, reach, cover, distinguish or play.  none: why there is no scenario, or "".  stopped: the limit that
    left the question open, or None.  asked: how many scenarios were wanted.  other: the spec that has no such run.
    """

    spec: Spec = field(repr=False)
    kind: str
    goal: str
    scope: Scope
    topology: Topology | None
    user_space_only: bool
    scenarios: tuple[Chosen, ...]
    none: str
    stopped: str | None
    seconds: float
    coverage: Coverage | None = None
    asked: int = 1
    other: str | None = None

    @property
    def verdict(self) -> str:
        """`found`, `none` or `undecided`."""
        if self.stopped is not None and (self.kind == "cover" or not self.scenarios):
            return "undecided"
        return "found" if self.scenarios else "none"

    @property
    def exit_status(self) -> int:
        """0 found, 1 none exists, 3 undecided."""
        return {"found": 0, "none": 1, "undecided": 3}[self.verdict]
