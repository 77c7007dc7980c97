"""How a state that leaves something open becomes definite there: an expression raises `Undecided` with the ways, and replay forks over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from luocheck.model.instances import Cell
from luocheck.model.semantics.expressions import Code

if TYPE_CHECKING:
    from luocheck.traces.replay.world import WorldStore


@dataclass(frozen=True, slots=True)
class Demand:
    """A condition that a way of deciding needs: code, the locals to ask it with, and the value it must have."""

    code: Code
    env: tuple[Any, ...]
    wanted: bool


@dataclass(frozen=True, slots=True)
class Way:
    """One way in which the state can become definite: a change of the store, which may return what must then be true."""

    change: Callable[[WorldStore], Demand | None]


Refusal = tuple[Demand, int]
"""A condition and the slot of the element that it is asked of."""


class Undecided(Exception):
    """An expression needs to know something that nothing has shown yet."""

    def __init__(self, ways: Iterable[Way], cell: Cell | None = None) -> None:
        super().__init__("undecided")
        self.ways = tuple(ways)
        self.cell = cell
