"""A scenario, resolved: calls with their results, and what is claimed at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from luocheck.model.ir.expressions import Expr
from luocheck.model.ir.system import Event, Graph, Predicate, Property, Scope, Topology
from luocheck.model.ir.vocabulary import Field, Sort
from luocheck.model.source import Span


@dataclass(frozen=True, slots=True, eq=False)
class Element:
    """A name for an element: by `let`, by a topology, or by the first `gives` that mentions it.

    index: its position among the elements of the scenario.  slot: where conditions find it in their environment.
    """

    index: int
    name: str
    sort: Sort
    slot: int
    origin: str  # let, topology, gives
    span: Span


# ---- what a call is made with, and gives ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`_`: any value (but no bad handle)."""


@dataclass(frozen=True, slots=True)
class Constant:
    """An enum member (its position), a condition's value, an element of an ordered sort (its position), or none."""

    value: int | bool | str | None


@dataclass(frozen=True, slots=True)
class Named:
    element: Element


@dataclass(frozen=True, slots=True)
class Bad:
    """The name of an abi predicate: bytes that are no proper handle."""

    predicate: Predicate


Argument = Wildcard | Constant | Named | Bad
Given = Wildcard | Constant | Named
"""What a call gives."""


@dataclass(frozen=True, slots=True)
class Returns:
    """outcome: OK, an errno, a class of errnos, PANIC, or the built-in claim that the call breaks.  `gives` None: whatever it gives."""

    outcome: str
    label: str | None
    gives: Given | None


@dataclass(frozen=True, slots=True)
class Blocks:
    """The call cannot return yet.  It leaves the state as it is: to hold a call at the place where it waits, say `reaches`."""


@dataclass(frozen=True, slots=True)
class Reaches:
    """The call, which the scope cuts into steps, comes to this place and stops there."""

    label: str


# ---- steps ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A call that is made, or one in progress that goes on."""

    event: Event
    arguments: tuple[Argument, ...]
    result: Returns | Blocks | Reaches
    span: Span

    @property
    def text(self) -> str:
        return _one_line(self.span)


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """An `assert`, which must hold in every state that agrees, or a `given`, of the states to start from.

    elements: the named elements that it mentions.
    """

    condition: Expr
    elements: tuple[Element, ...]
    span: Span

    @property
    def text(self) -> str:
        return _one_line(self.span)


@dataclass(frozen=True, slots=True, eq=False)
class Goal:
    """`violates CLAIM`, or `reaches CLAIM`: what must be possible at the end."""

    claim: Property
    span: Span

    @property
    def text(self) -> str:
        return _one_line(self.span)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """An inline topology: all edges of all graphs, and the kinds of some elements (a fixed field and its value)."""

    edges: tuple[tuple[Graph, Element, Element], ...]
    kinds: tuple[tuple[Element, Field, int], ...]
    elements: tuple[Element, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scenario:
    """A scenario of a spec.

    topology and shape exclude one another; without both, every graph is possible.  slots: size of the environment of its conditions.
    inherited: it stands in a spec that this one extends.
    """

    title: str
    scope: Scope
    topology: Topology | None
    shape: Shape | None
    given: tuple[Condition, ...]
    steps: tuple[Call | Condition, ...]
    goal: Goal | None
    elements: tuple[Element, ...]
    slots: int
    inherited: bool = False
    span: Span = field(kw_only=True)


def _one_line(span: Span) -> str:
    return " ".join(span.text.rstrip(";").split())
