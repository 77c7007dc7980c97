"""Names of elements in a run.  An object that takes the place of one that is gone gets a name of its own: for user space it is another one."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from luocheck.model.answer import Step
from luocheck.model.instances import Instance, default_name
from luocheck.model.ir.system import OK, Event
from luocheck.model.ir.vocabulary import ElemT, Sort
from luocheck.model.semantics.machine import Arguments
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store


class Names:
    """The names at one moment of a run; `step` and `survivors` follow it call by call."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.shown: dict[tuple[int, int], str] = {}  # of objects that were named
        self.gone: set[tuple[int, int]] = set()  # places whose last named object is gone
        self.more: Counter[int] = Counter()  # names beyond the numbers of the elements, by sort

    def of(self, sort: Sort, x: int) -> str:
        """The name of an element."""
        key = sort.index, x
        if key not in self.shown:
            name = self.instance.name(sort, x)
            if key in self.gone:
                name = f"{default_name(sort)}{self.instance.sizes[sort.index] + self.more[sort.index]}"
                self.more[sort.index] += 1
            self.shown[key] = name
        return self.shown[key]

    def step(self, step: Step, event: Event, arguments: Arguments, outcome: Outcome) -> Step:
        """A call with these names for what it was made with, and gave."""
        passed = tuple(
            (name, self.of(p.type.sort, x))
            if isinstance(p.type, ElemT) and text == self.instance.name(p.type.sort, x)
            else (name, text)
            for (name, text), p, x in zip(step.arguments, event.parameters, arguments, strict=False)
        )
        gives, result = step.gives, event.result
        if gives is not None and result is not None and isinstance(result.type, ElemT) and outcome.errno == OK:
            value = outcome.env[result.slot]
            if value is not None:
                self._renewed(result.type.sort, value, outcome)
                gives = gives[0], self.of(result.type.sort, value)
        return replace(step, arguments=passed, gives=gives)

    def _renewed(self, sort: Sort, x: int, outcome: Outcome) -> None:
        """What a call gives may have been made by it, in the place of an object that was named before."""
        if sort.pool and x not in outcome.env[0].elements(sort) and (sort.index, x) in self.shown:
            self._forget(sort, x)

    def survivors(self, store: Store) -> None:
        """After a call: objects that are gone give up their names."""
        for sort in self.instance.system.sorts:
            if sort.pool:
                alive = store.elements(sort)
                for index, x in list(self.shown):
                    if index == sort.index and x not in alive:
                        self._forget(sort, x)

    def _forget(self, sort: Sort, x: int) -> None:
        del self.shown[sort.index, x]
        self.gone.add((sort.index, x))
