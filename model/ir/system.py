"""A whole resolved spec."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from luocheck.model.abi import Abi
from luocheck.model.diagnostics import Diagnostic
from luocheck.model.ir import statements as st
from luocheck.model.ir.expressions import Expr
from luocheck.model.ir.vocabulary import EnumDef, Field, Lock, Sort, Type
from luocheck.model.source import NOWHERE, Span

OK = "OK"
PANIC = "PANIC"


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """`where` says which edges make sense; its slots 1 and 2 are the two ends (dependant, prerequisite)."""

    index: int
    name: str
    sort: Sort
    acyclic: bool
    where: Expr | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """A parameter or result: its slot in the event's environment, and its type (an element, an enum value, or bool)."""

    slot: int
    name: str
    type: Type


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """A hidden argument of an event: does the caller pass bytes that are no proper handle for `parameter`?"""

    name: str
    parameter: Local
    slot: int


@dataclass(frozen=True, slots=True, eq=False)
class OutcomePattern:
    """Which calls a claim is about: an event or all events of a kind, and how they return.

    event None: any; kind None: any kind; returns None: any outcome, "OK", "error" (anything but OK and PANIC), PANIC, or an errno.
    """

    event: str | None
    kind: str | None
    returns: str | None
    label: str | None

    def matches(self, event: Event, outcome: str, label: str | None) -> bool:
        if self.event is not None and self.event != event.name:
            return False
        if self.kind is not None and self.kind != event.kind:
            return False
        if self.returns == "error":
            return outcome not in (OK, PANIC)
        if self.returns is not None and self.returns != outcome:
            return False
        return self.label is None or self.label == label

    def __str__(self) -> str:
        who = self.event or ("any" if self.kind is None else f"any {self.kind}")
        how = "" if self.returns is None else f" returns {self.returns}"
        return who + how + (f" at {self.label}" if self.label else "")


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """`on OUTCOME { ghost assignments }`, already resolved in the environment of one event."""

    pattern: OutcomePattern
    body: st.Block


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    index: int
    kind: str  # ioctl, syscall, env
    name: str
    parameters: tuple[Local, ...]
    predicates: tuple[Predicate, ...]
    result: Local | None
    body: st.Block
    effects: tuple[Effect, ...]
    slots: tuple[Type | None, ...]  # type of each slot of the environment; None for slot 0 and names bound by quantifiers
    caller: int | None  # slot of the parameter that makes the call
    span: Span

    @property
    def argument_slots(self) -> tuple[int, ...]:
        """Slots of the parameters, then of the hidden arguments."""
        return (*(p.slot for p in self.parameters), *(p.slot for p in self.predicates))

    def __repr__(self) -> str:
        return f"<event {self.name}>"


class Kind(Enum):
    """Kinds of property."""

    INVARIANT = "invariant"
    LEMMA = "lemma"
    REACHABLE = "reachable"
    AFTER = "after"
    ASSERT = "assert"
    NEVER = "never"
    STUCK = "stuck"
    RECOVERABLE = "recoverable"
    LIVENESS = "liveness"
    BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True, eq=False)
class Property:
    """A claim.

    condition: INVARIANT, LEMMA, REACHABLE, AFTER (may use `old`), the P of RECOVERABLE and LIVENESS, the exception of STUCK.
    goal: the Q of RECOVERABLE and LIVENESS.  pattern: AFTER and NEVER.  using: RECOVERABLE's events, empty for all.
    each: elements that LIVENESS is about, one run for each combination; their slots have values in both sides.
    per_event: for AFTER about one event, conditions are resolved in that event's environment; else slots are their own.
    """

    name: str
    kind: Kind
    doc: str
    span: Span
    condition: Expr | None = None
    goal: Expr | None = None
    pattern: OutcomePattern | None = None
    using: tuple[str, ...] = ()
    with_faults: bool = False
    assuming: tuple[tuple[str, bool], ...] = ()
    each: tuple[Local, ...] = ()
    slots: int = 1

    def __repr__(self) -> str:
        return f"<{self.kind.value} {self.name}>"


BUILT_INS = {
    "use_after_free": "nothing reads an object after `free`",
    "null_dereference": "nothing reads through `none`",
    "count_range": "no count leaves its range",
    "stale_iteration": "no walk goes on with an element that another caller took off its list",
    "held_at_return": "no call returns while it holds a lock",
    "lock_order": "locks are always taken in one order",
}
"""The claims that every spec makes; `lock_order` is read from the bodies, the others are found in runs."""


def built_in_properties() -> tuple[Property, ...]:
    return tuple(Property(name, Kind.BUILT_IN, doc, NOWHERE) for name, doc in BUILT_INS.items())


@dataclass(frozen=True, slots=True)
class Scope:
    """How many elements each sort has, and which calls are cut into steps."""

    name: str
    sizes: tuple[tuple[str, int], ...]
    stepwise: frozenset[str]
    span: Span = field(compare=False, repr=False, default=NOWHERE)

    def size(self, sort: str) -> int:
        return dict(self.sizes).get(sort, 0)

    def __str__(self) -> str:
        text = " ".join(f"{name}={size}" for name, size in self.sizes)
        return text + (f"; stepwise {', '.join(sorted(self.stepwise))}" if self.stepwise else "")


@dataclass(frozen=True, slots=True)
class Topology:
    """Named elements of one graph's sort, their kinds, and all edges between them."""

    name: str
    sort: str
    graph: str | None
    elements: tuple[tuple[str, str | None], ...]  # name, member of the kind enum
    kind_field: str | None
    edges: tuple[tuple[int, int], ...]
    span: Span = field(compare=False, repr=False, default=NOWHERE)


class Expected(Enum):
    HOLDS = "holds"
    FAILS = "fails"
    VACUOUS = "vacuous"
    REACHABLE = "is reachable"
    UNREACHABLE = "is not reachable"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the tools must find.  `scope`/`topology` None: the default scope."""

    property: str
    verdict: Expected
    scope: str | None
    topology: str | None
    within: int | None
    event: str | None
    label: str | None
    inherited: bool
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StateExpectation:
    """`states LOW..HIGH`, or `coverage all` (low is None)."""

    low: int | None
    high: int | None
    scope: str | None
    topology: str | None
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class System:
    """A resolved spec: everything that an engine, the replayer or a generator needs."""

    name: str
    title: str
    sorts: tuple[Sort, ...]
    enums: tuple[EnumDef, ...]
    fields: tuple[Field, ...]
    locks: tuple[Lock, ...]
    graphs: tuple[Graph, ...]
    events: tuple[Event, ...]
    boot: st.Block | None
    boot_slots: tuple[Type | None, ...]
    properties: tuple[Property, ...]
    scopes: tuple[Scope, ...]
    topologies: tuple[Topology, ...]
    expectations: tuple[Expectation, ...]
    state_expectations: tuple[StateExpectation, ...]
    abi: Abi
    warnings: tuple[Diagnostic, ...]
    bases: tuple[str, ...]
    span: Span

    def event(self, name: str) -> Event:
        """The event of that name; KeyError when there is none."""
        for each in self.events:
            if each.name == name:
                return each
        raise KeyError(name)

    def sort(self, name: str) -> Sort:
        for each in self.sorts:
            if each.name == name:
                return each
        raise KeyError(name)

    def field(self, name: str, owner: str | None = None) -> Field:
        for each in self.fields:
            if each.name == name and (owner is None or (each.owners and each.owners[0].name == owner)):
                return each
        raise KeyError(name)

    def claim(self, name: str) -> Property:
        for each in self.properties:
            if each.name == name:
                return each
        raise KeyError(name)

    @property
    def caller(self) -> Sort | None:
        return next((sort for sort in self.sorts if sort.caller), None)

    def bodies(self) -> Iterator[tuple[str, st.Block]]:
        """Every body with the name of what it belongs to: events, then boot."""
        for event in self.events:
            yield event.name, event.body
        if self.boot is not None:
            yield "boot", self.boot
