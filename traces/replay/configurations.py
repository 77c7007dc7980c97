"""What a search believes, what it could not explain, and how far it came."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from luocheck.traces.answer import Edit
from luocheck.traces.call import Call
from luocheck.traces.replay.world import WorldStore


class Configuration(NamedTuple):
    """A state, the calls that took effect in it and have not returned, and the edits with which it explains the calls so far."""

    store: WorldStore
    done: frozenset[int]
    edits: tuple[Edit, ...] = ()

    @property
    def key(self) -> tuple[frozenset[tuple[object, object]], frozenset[int]]:
        return frozenset(self.store.items()), self.done


class Overwhelmed(Exception):
    """More possibilities than can be followed."""


@dataclass(slots=True)
class Refusal:
    """A call that no configuration explains.

    before: the configurations before it; since: the line from which on only one state agreed, None when several do.  certain/possible:
    what the call could have returned in all of them, in some.  nearest: looks for the nearest edit with which replay could go on.
    """

    call: Call
    states: int
    certain: tuple[str, ...]
    possible: tuple[str, ...]
    before: list[Configuration]
    since: int | None
    nearest: Callable[[], Edit]


@dataclass(slots=True)
class Explained:
    """How far a recording was explained.

    calls: how many calls were; states: how many states agree at the end.  refusals: the calls that were not, in their order.  edits: one
    for each of them, as far as replay went on after it.  belief: the configurations at the end.  gave_up: why the search ended early.
    """

    calls: int = 0
    states: int = 0
    inserted: int = 0
    refusals: list[Refusal] = field(default_factory=list)
    edits: tuple[Edit, ...] = ()
    most_pending: int = 0
    gave_up: str | None = None
    belief: list[Configuration] = field(default_factory=list)

    @property
    def refusal(self) -> Refusal | None:
        return self.refusals[0] if self.refusals else None


def returned(call: Call) -> int:
    return call.exit.line if call.exit is not None else call.enter.line
