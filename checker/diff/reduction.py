"""Pairs that differ only in which interchangeable elements are which are followed once.

An exchange is applied to both sides, so the elements are those that are the same in both specs: not handles, and only where both specs,
their graphs and their fixed choices allow it.  Of each orbit of states of the one side the canonical state stands for it; what is believed
of the other side is turned with it.  Two pairs of one orbit can stay apart where the state does not tell elements apart and the belief does:
that costs time only.
"""

from __future__ import annotations

from luocheck.checker.diff.half import ENDED, Half
from luocheck.checker.diff.links import Links
from luocheck.checker.explore.order import told_apart
from luocheck.checker.explore.symmetry import Symmetry, groups_of
from luocheck.model.instances import Instance
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.semantics.renaming import Renaming, Turn, inverse

Belief = frozenset[tuple[int, Links]]
"""States of the other side that agree, each with what the handles stand for there."""


class Reduction:
    """Turns the pairs of two halves."""

    def __init__(self, left: Half, right: Half) -> None:
        self.left = left
        self.right = right
        self.shared = {
            sort.index: other.index for sort in left.system.sorts for other in right.system.sorts if sort.name == other.name
        }
        self._symmetries: dict[int, Symmetry | None] = {}
        self._renamings: dict[int, Renaming] = {}
        self._canonical: dict[int, tuple[int, Turn | None]] = {}
        self._turned: dict[tuple[int, Turn], int] = {}

    def begin(self, instance: Instance, others: list[Instance]) -> None:
        """Finds what can be exchanged in a starting point of the left side and those of the right side that are the same world."""
        left, right = self.left, self.right
        apart = told_apart(left.system, instance.scope, ()) | {sort.index for sort in left.handles}
        apart |= {sort.index for sort in left.system.sorts if sort.pool}
        for other in others:
            theirs = told_apart(right.system, other.scope, ())
            groups = groups_of(other, theirs)
            mine = groups_of(instance, apart)
            apart |= {index for index, there in self.shared.items() if mine[index] != groups[there]}
        assert left.machine is not None
        symmetry = Symmetry(instance, left.machine, groups_of(instance, apart))
        self._symmetries[id(instance)] = symmetry if symmetry.order > 1 else None

    def canonical(self, state: int, belief: Belief) -> tuple[int, Belief, Turn | None]:
        """The pair that stands for a pair, and the turn that leads there; None when it is the pair itself."""
        found = self._canonical.get(state)
        if found is None:
            found = self._canonical[state] = self._canonical_of(state)
        chosen, turn = found
        return (chosen, self.belief(belief, turn), turn) if turn is not None else (state, belief, None)

    def _canonical_of(self, state: int) -> tuple[int, Turn | None]:
        symmetry = self._symmetries[id(self.left.instance(state))]
        if symmetry is None:
            return state, None
        store, turn = symmetry.canonical(self.left.store(state), self.left.packing(state))
        return self.left.like(state, store), turn if turn != symmetry.identity else None

    def belief(self, belief: Belief, turn: Turn) -> Belief:
        """What is believed after a turn of the left side."""
        other = self._other(turn)
        return frozenset((self._state(state, other), links) for state, links in belief)

    def _other(self, turn: Turn) -> Turn:
        """A turn of the elements of the left side, for the right side."""
        assert self.right.machine is not None
        made = [tuple(range(size)) for size in self.right.machine.sizes]
        for index, other in self.shared.items():
            if len(turn[index]) == len(made[other]):
                made[other] = turn[index]
        return tuple(made)

    def _state(self, state: int, turn: Turn) -> int:
        if state == ENDED:
            return ENDED
        key = state, turn
        if key not in self._turned:
            renaming = self._renaming(self.right, self.right.instance(state))
            self._turned[key] = self.right.like(state, renaming.store(self.right.store(state), turn))
        return self._turned[key]

    def _renaming(self, half: Half, instance: Instance) -> Renaming:
        if id(instance) not in self._renamings:
            assert half.machine is not None
            self._renamings[id(instance)] = Renaming(instance, half.machine)
        return self._renamings[id(instance)]

    # ---- back to the names of a run -----------------------------------------------------------------------------

    def renaming(self, state: int) -> Renaming:
        """Applies turns to the states of the left side."""
        return self._renaming(self.left, self.left.instance(state))

    def arguments(self, event: int, arguments: tuple[object, ...], turn: Turn) -> tuple[object, ...]:
        """What user space passes, after a turn."""
        seen = self.left.seen[event]
        types = [seen.event.parameters[place].type for place in seen.parameters]
        return tuple(
            turn[type_.sort.index][value] if isinstance(type_, ElemT) and isinstance(value, int) else value
            for type_, value in zip(types, arguments, strict=True)
        )


def after(first: Turn | None, then: Turn) -> Turn:
    """One turn after another."""
    return then if first is None else tuple(tuple(t[x] for x in f) for f, t in zip(first, then, strict=True))


def back(turn: Turn | None, sofar: Turn) -> Turn:
    """What leads from the names after a turn to those of the run, when `sofar` leads there from the names before it."""
    return sofar if turn is None else after(inverse(turn), sofar)
