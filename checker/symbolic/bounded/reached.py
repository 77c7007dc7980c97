"""Is a state one of a run?  Exploration of its starting point says, as far as it gets in a little time."""

from __future__ import annotations

from typing import Any

from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.search import InstanceSearch
from luocheck.checker.native.tiers import Search, Tiers
from luocheck.model.instances import Instance
from luocheck.model.ir.system import System
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.store import Store

MOST_STATES = 200_000
SECONDS = 20.0


class Reached:
    """The states of some starting points, each explored when it is first asked about."""

    def __init__(self, system: System, limits: Limits) -> None:
        self.system = system
        self.limits = limits
        self._known: dict[int, tuple[set[frozenset[Any]], bool]] = {}

    def contains(self, instance: Instance, store: Store) -> bool | None:
        """Is the state reached from this starting point?  None: not known.  Raises Stopped when the limits are passed."""
        self.limits.check(0)
        if id(instance) not in self._known:
            self._known[id(instance)] = self._explored(instance)
        states, complete = self._known[id(instance)]
        if frozenset(store.items()) in states:
            return True
        return False if complete else None

    def _explored(self, instance: Instance) -> tuple[set[frozenset[Any]], bool]:
        limits = Limits(MOST_STATES, SECONDS, self.limits.memory, self.limits.interrupted)

        def never(search: InstanceSearch, depth: int) -> bool:
            return False

        apart = range(len(self.system.sorts))
        wanted = Search(instance, Machine(instance), (), limits, 0, None, never, instance.scope.span, None, apart)
        search, _, stopped = Tiers("auto").search(wanted)
        try:
            if stopped is not None and not isinstance(stopped, Stopped):
                raise stopped
            found = {frozenset(search.store(number).items()) for number in range(len(search.states))}
        finally:
            search.close()
        return found, stopped is None
