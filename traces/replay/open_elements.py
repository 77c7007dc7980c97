"""States in which an element is not known, or not chosen yet (`unknowns`), and in which numbers mean nothing (`renaming`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

from luocheck.model.instances import Cell
from luocheck.model.ir.vocabulary import Owner, Sort, Value
from luocheck.model.semantics.store import Store
from luocheck.traces.replay.cells import APART, CANDIDATES, DENIED, EXCLUDED, KNOWN, SAME, UNKNOWNS, USED
from luocheck.traces.replay.deciding import Undecided, Way
from luocheck.traces.replay.renaming import (
    Numbers,
    canonical_numbers,
    exchangeable_sorts,
    renamed,
    spoken_of,
    with_numbers,
)
from luocheck.traces.replay.unknowns import Unknown, comparable_sorts, final_numbers, is_apart, resolved, set_apart

if TYPE_CHECKING:
    from luocheck.traces.replay.world import World, WorldStore

MANY_MET = 32
"""Each time that so many more elements have been met that the recording does not name, it is looked how many of them are there."""

_SAYS_WHAT_IS_NOT = (APART, DENIED, EXCLUDED, USED)
_ABOUT_UNKNOWNS = (*_SAYS_WHAT_IS_NOT, SAME, UNKNOWNS)


class OpenElements(Store):
    """The part of `WorldStore` that is about elements which are not known."""

    __slots__ = ("world",)

    world: World

    if TYPE_CHECKING:  # what `WorldStore` has

        def fresh(self, sort: Sort) -> int: ...

        def is_lazy(self, cell: Cell) -> bool: ...

        def elements(self, owner: Owner) -> Any: ...

    def unknown(self, sort: Sort) -> Unknown:
        """An element of a comparable sort that nothing shows: any one."""
        count = self.get((UNKNOWNS, sort.index), 0)
        self[UNKNOWNS, sort.index] = count + 1
        return Unknown.of(sort.index, count)

    def same(self, one: Any, other: Any) -> bool:
        """Are two values the same?  Raises Undecided, with the way in which they are first, when one is unknown and may be the other."""
        one, other = resolved(self, one), resolved(self, other)
        if one == other or one is None or other is None:
            return bool(one == other)
        unknown, x = (one, other) if type(one) is Unknown else (other, one)
        if type(unknown) is not Unknown or is_apart(self, one, other):
            return False
        raise Undecided([Way(lambda s: s.identify(unknown, x)), Way(lambda s: set_apart(s, unknown, x))])

    def choose(self, sort: Sort) -> tuple[Unknown, int]:
        """An element of a choosable sort that nothing shows: one that was met, or a new one, whose number is the second of the two."""
        candidates = frozenset((*self.elements(sort), new := self.fresh(sort)))
        chosen = self.unknown(sort)
        self[CANDIDATES, chosen] = candidates
        return chosen, new

    def chosen(self, x: Any) -> Any:
        """What a local holds, when it matters which element that is."""
        x = resolved(self, x)
        if type(x) is Unknown and (CANDIDATES, x) in self:
            raise Undecided([self._choice(x, candidate) for candidate in sorted(self[CANDIDATES, x])])
        return x

    def _choice(self, unknown: Unknown, x: int) -> Way:
        return Way(lambda s: s.identify(unknown, x))

    def alike(self, index: int, default: Value, x: Any) -> Any:
        """An element whose field has the value that it has for all that x can be.  Raises Undecided when they do not have the same."""
        x = resolved(self, x)
        if type(x) is not Unknown or (CANDIDATES, x) not in self:
            return x
        decided: dict[Any, list[int]] = {}
        ways = []
        for candidate in sorted(self[CANDIDATES, x]):
            cell = (index, candidate)
            if cell not in self and self.is_lazy(cell):
                ways.append(self._choice(x, candidate))
            else:
                decided.setdefault(resolved(self, self.get(cell, default)), []).append(candidate)
        if not ways and len(decided) == 1:
            return min(self[CANDIDATES, x])
        raise Undecided([*(self._restriction(x, group) for group in decided.values()), *ways])

    def _restriction(self, unknown: Unknown, candidates: list[int]) -> Way:
        def restrict(s: WorldStore) -> None:
            s[CANDIDATES, unknown] = frozenset(candidates)

        return Way(restrict) if len(candidates) > 1 else self._choice(unknown, candidates[0])

    def identify(self, unknown: Unknown, x: Any) -> None:
        """An unknown element turns out to be x.  Fields and locals have it until the call ends."""
        apart = self.pop((APART,), frozenset())
        changed: dict[Cell, Any] = {(APART,): frozenset(pair for pair in apart if unknown in pair)}
        changed |= {cell: self[cell] for cell in self if cell[0] in _SAYS_WHAT_IS_NOT}
        dict.update(self, renamed(self.instance.system, changed, lambda sort, y: x if y == unknown else y))
        if left := apart - changed[APART,] | self.get((APART,), frozenset()):
            self[APART,] = left
        self.pop((CANDIDATES, unknown), None)
        self[SAME, unknown] = x

    def renumber(self, numbers: Numbers) -> None:
        """Gives elements other numbers; those of these sorts that have none, and that the recording does not name, are gone."""
        self.note_numbers(numbers)
        cells = with_numbers(self, self, numbers)
        dict.clear(self)
        dict.update(self, cells)

    def end_unknowns(self) -> None:
        """At the end of a call: what locals held is over, and what no field holds says nothing."""
        self._end_choices()
        for sort in self.world.choosable:
            self.pop((UNKNOWNS, sort), None)
        numbers, held = final_numbers(self)
        self.note_numbers(numbers)
        dict.update(self, held)
        said = {cell: dict.pop(self, cell) for cell in [cell for cell in self if cell[0] in _ABOUT_UNKNOWNS]}
        dict.update(self, with_numbers(self, said, numbers))

    def _end_choices(self) -> None:
        """It made no difference which elements those are that were not chosen: any of the candidates."""
        for cell in [cell for cell in self if cell[0] == CANDIDATES]:
            del self[cell]

    def note_numbers(self, numbers: Numbers) -> None:
        """For states that know how they came about."""

    @property
    def is_sparse(self) -> bool:
        """Have more elements that came and went numbers than are there?  Only looked at where there are many."""
        system, world = self.instance.system, self.world
        for index in exchangeable_sorts(system) | (comparable_sorts(system) - world.comparable):
            named = 0 if index in world.pools else world.known[index]
            met: int = self.get((KNOWN, index), 0) - named
            if met > 0 and met % MANY_MET == 0:
                sort = system.sorts[index]
                there = (
                    self.elements(sort) if sort.pool else [x for x in spoken_of(system, self, sort) if x is not None and x >= named]
                )
                if len(there) < met // 2:
                    return True
        return False

    def canonical(self) -> Self:
        """The same state with the numbers that all states have which differ from it in numbers only."""
        numbers = canonical_numbers(self)
        if numbers is None:
            return self
        copy = cast("Self", self.copy())
        copy.renumber(numbers)
        return copy
