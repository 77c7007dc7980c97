"""With which arguments a call can be made: where the first of them rule it out, they are not combined with any others.

What the `require`s say is evaluated in the order of the text, each part as soon as the arguments that it speaks of are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import Event
from luocheck.model.semantics.expressions import Code, Oops
from luocheck.model.semantics.store import Store


class Enabling:
    """The leading `require`s of an event.  levels: what is evaluated when so many arguments are there; nothing after the last of them."""

    def __init__(self, event: Event, conditions: Sequence[e.Expr], compiled: Callable[[e.Expr], Code]) -> None:
        self.slots = event.argument_slots
        self.width = len(event.slots)
        parts = [(part, self._needed(part)) for condition in conditions for part in _conjuncts(condition)]
        self.levels: list[list[Code]] = [[]]
        for part, needed in parts:
            while len(self.levels) <= needed:
                self.levels.append([])
            self.levels[-1].append(compiled(part))  # after all that stand before it

    def _needed(self, part: e.Expr) -> int:
        """How many arguments, in their order, there must be."""
        slots = {each.slot for each in e.walk(part) if isinstance(each, e.Var | e.BadHandle)}
        return max((place for place, slot in enumerate(self.slots, 1) if slot in slots), default=0)

    def among(self, options: Sequence[Any], store: Store, pulse: Callable[[], None]) -> Iterator[tuple[Any, ...]]:
        """Those of all arguments that no `require` rules out, in the order of their product.

        A `require` that does what no code may do rules nothing out, and none after it does.  pulse: called now and then.
        """
        env: list[Any] = [None] * self.width
        env[0] = store
        yield from self._among(options, store, env, (), pulse, asked=True)

    def _among(
        self,
        options: Sequence[Any],
        store: Store,
        env: list[Any],
        given: tuple[Any, ...],
        pulse: Callable[[], None],
        *,
        asked: bool,
    ) -> Iterator[tuple[Any, ...]]:
        pulse()
        level = len(given)
        if asked:
            try:
                if not all(condition(store, env) for condition in self.levels[level]):
                    return
            except Oops:
                asked = False
        if not asked or level + 1 == len(self.levels):
            for rest in product(*options[level:]):
                pulse()
                yield (*given, *rest)
            return
        for value in options[level]:
            env[self.slots[level]] = value
            yield from self._among(options, store, env, (*given, value), pulse, asked=asked)


def _conjuncts(condition: e.Expr) -> Iterator[e.Expr]:
    if isinstance(condition, e.And):
        yield from _conjuncts(condition.left)
        yield from _conjuncts(condition.right)
    else:
        yield condition
