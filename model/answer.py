"""What every question is answered with: a verdict about a property, and a witness that can be read, replayed and run."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from enum import Enum

from luocheck.model.source import NOWHERE, Span


class Result(Enum):
    HOLDS = "holds"
    FAILS = "fails"
    REACHED = "reached"
    UNREACHED = "unreached"
    VACUOUS = "vacuous"
    UNKNOWN = "unknown"
    PROVED = "proved"


@dataclass(frozen=True, slots=True)
class Change:
    """A cell that a call changed, as text in the words of the spec."""

    place: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened inside of a call: an element visited by a walk, undone by its rollback, an errno raised, a
    kexec, a false part of an assertion."""

    what: str
    text: str
    detail: str
    span: Span = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a witness, or one step of a call that is cut into steps.

    arguments: (name, element) pairs.  outcome: OK, an errno, PANIC, `reaches LABEL` for a call that stopped on the way, `blocks`, or the
    name of the built-in claim that it broke.  resumed: the call was begun by an earlier step.  gives: the result, or None.
    """

    event: str
    arguments: tuple[tuple[str, str], ...]
    outcome: str
    label: str | None
    gives: tuple[str, str] | None
    changes: tuple[Change, ...]
    happenings: tuple[Happening, ...]
    faults: int
    resumed: bool
    span: Span = field(repr=False, compare=False, default=NOWHERE)

    @property
    def text(self) -> str:
        """`CALL(a, b) = OK gives c`."""
        arguments = ", ".join(value for _, value in self.arguments)
        equals = "" if self.outcome.startswith("reaches") or self.outcome == "blocks" else "= "
        at = f" at {self.label}" if self.label is not None else ""
        gives = f" gives {self.gives[1]}" if self.gives is not None else ""
        return f"{self.event}({arguments}) {equals}{self.outcome}{at}{gives}"


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a claim with its value in the last state: why the claim is false (or true)."""

    text: str
    value: str
    bindings: tuple[tuple[str, str], ...]
    span: Span = field(repr=False, compare=False)

    @property
    def sentence(self) -> str:
        """`f.saved is false for f = file0`."""
        bound = ", ".join(f"{name} = {value}" for name, value in self.bindings)
        return f"{self.text} is {self.value}{' for ' + bound if bound else ''}"


@dataclass(frozen=True, slots=True)
class Witness:
    """A run from an initial state that shows something.

    graph: edges (dependant, prerequisite).  given: the fixed choices and drawn values that the run starts with, as conditions in the
    words of the spec.  elements: name and sort of those that the run, the graph and `given` name, without those that the topology names:
    what a scenario has to declare.  minimal: which of calls, faults, elements, edges are proved to be as few as possible, in this order.
    loop: for a run that goes on for ever, the number of steps before those that repeat; when it is all of them, nothing happens any more.
    """

    scope: str
    topology: str | None
    steps: tuple[Step, ...]
    graph: tuple[tuple[str, str], ...]
    given: tuple[str, ...]
    elements: tuple[tuple[str, str], ...]
    minimal: tuple[str, ...]
    clauses: tuple[Clause, ...]
    stepwise: bool = False
    loop: int | None = None

    @property
    def faults(self) -> int:
        return sum(step.faults for step in self.steps)

    @property
    def calls(self) -> int:
        return len(self.steps)

    @property
    def length(self) -> str:
        """`3 calls`, `4 steps`, `2 calls, then 3 for ever`, `2 calls, then nothing`."""
        before = self.calls if self.loop is None else self.loop
        text = f"{before} {'step' if self.stepwise else 'call'}{'' if before == 1 else 's'}"
        if self.loop is None:
            return text
        return f"{text}, then {f'{self.calls - self.loop} for ever' if self.loop < self.calls else 'nothing'}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer about one property.

    method: how it was decided, such as `exhaustive, 5,013 states`.  expected: what the spec says (`holds`, `fails`, ...), None when
    nothing is expected.  as_expected: None when the expectation does not apply.  note: why unknown, or which rule was applied.
    """

    property: str
    kind: str
    doc: str
    result: Result
    method: str
    witness: Witness | None = None
    expected: str | None = None
    as_expected: bool | None = None
    note: str = ""
    inherited: bool = False
    span: Span = field(repr=False, compare=False, default=NOWHERE)

    @builtins.property  # the field above hides the name
    def text(self) -> str:
        """`FAILS (3 calls)`, `holds (exhaustive, 5,013 states)`, `vacuous`, ..."""
        length = f" ({self.witness.length})" if self.witness is not None else ""
        match self.result:
            case Result.FAILS:
                return f"FAILS{length}"
            case Result.REACHED:
                return f"reached{length}"
            case Result.UNREACHED:
                return "NOT REACHED"
            case Result.HOLDS | Result.PROVED:
                return f"{self.result.value} ({self.method})"
            case Result.UNKNOWN:
                return f"unknown ({self.note})" if self.note else "unknown"
        value: str = self.result.value
        return value
