"""Symmetry reduction: states that differ only in which interchangeable elements are which are explored once.

The permutations that may be applied form a group: of each sort those that leave the dependency graphs and the fixed choices as they are.
An orbit is represented by the state of it that was found first, and known by a canonical form: elements are told apart by what the state
says of them (colour refinement), and where two are alike every order is tried, except between twins, whose exchange changes nothing.
(McKay and Piperno, Practical graph isomorphism II, 2014; Ip and Dill, Better verification through symmetry, 1996.)
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from math import factorial, prod

from luocheck.checker.explore.packing import Packing
from luocheck.model import graphs
from luocheck.model.instances import Instance, moved_owners, moved_value
from luocheck.model.ir.vocabulary import ElemT, SetT, Sort
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.renaming import Renaming, Turn
from luocheck.model.semantics.store import Store

MOST_LISTED = 720
"""Most permutations of one sort that are kept as a list, where they are not simply all that keep some classes."""
MOST_BITS = 64
"""Most bits of a turn: it is kept in one word for each state."""


@dataclass(frozen=True, slots=True)
class SortGroup:
    """Permutations of one sort: those in `listed`, or (None) all that map every class onto itself.

    classes[x] numbers the class of x.  With a list, classes are its orbits.
    """

    classes: tuple[int, ...]
    listed: tuple[tuple[int, ...], ...] | None = None

    @property
    def order(self) -> int:
        """Number of permutations."""
        if self.listed is not None:
            return len(self.listed)
        return prod(factorial(self.classes.count(c)) for c in set(self.classes))

    @property
    def bits(self) -> int:
        """Bits that a permutation needs."""
        return len(self.classes) * (len(self.classes) - 1).bit_length() if self.order > 1 else 0


def groups_of(instance: Instance, apart: Container[int]) -> tuple[SortGroup, ...]:
    """For each sort the permutations that may be applied to the states of an instance; of the sorts in `apart`, by index, none."""
    found: list[SortGroup] = []
    room = MOST_BITS
    for sort in instance.system.sorts:
        group = SortGroup(tuple(range(instance.sizes[sort.index])))
        if sort.index not in apart and instance.sizes[sort.index] > 1:
            wanted = _group(instance, sort)
            if wanted.bits <= room:
                group = wanted
        room -= group.bits
        found.append(group)
    return tuple(found)


def _group(instance: Instance, sort: Sort) -> SortGroup:
    count = instance.sizes[sort.index]
    classes = list(range(count))
    for b in range(count):
        for a in range(b):
            if _keeps(instance, sort, _exchange(count, a, b)):
                classes[b] = classes[a]
                break
    twins = SortGroup(tuple(classes))
    around = [instance.edges[g.index] for g in instance.system.graphs if g.sort is sort]
    if not around:
        return twins
    # no automorphism mixes the cells of the refinement, and all twins are exchanged by one
    most = prod(factorial(len(cell)) for cell in graphs.refine(count, around[0]))
    if most > MOST_LISTED or most == twins.order:
        return twins
    every = [p for p in graphs.automorphisms(count, around[0]) if _keeps(instance, sort, p)]
    if len(every) == twins.order:
        return twins
    orbits = tuple(min(p[x] for p in every) for x in range(count))
    return SortGroup(orbits, tuple(every))


def _exchange(count: int, a: int, b: int) -> tuple[int, ...]:
    return tuple(b if x == a else a if x == b else x for x in range(count))


def _keeps(instance: Instance, sort: Sort, permutation: tuple[int, ...]) -> bool:
    """Does a permutation of a sort leave graphs and fixed choices as they are?"""
    for graph in instance.system.graphs:
        edges = instance.edges[graph.index]
        if graph.sort is sort and any((permutation[a], permutation[b]) not in edges for a, b in edges):
            return False
    turn = tuple(permutation if s is sort else tuple(range(instance.sizes[s.index])) for s in instance.system.sorts)
    for cell, value in instance.fixed.items():
        field = instance.system.fields[cell[0]]
        moved = (cell[0], *moved_owners(field.owners, cell[1:], turn))
        if instance.fixed.get(moved) != moved_value(field.type, value, turn):
            return False
    return True


# ---- canonical forms --------------------------------------------------------------------------------------------

Colours = list[list[int]]
"""For each sort a number for each element; equal ones could not be told apart so far."""

_MASK = (1 << 61) - 1


class Symmetry:
    """Orbits of the states of one instance."""

    def __init__(self, instance: Instance, machine: Machine, groups: tuple[SortGroup, ...]) -> None:
        self.instance = instance
        self.groups = groups
        self.renaming = Renaming(instance, machine)
        self.identity: Turn = tuple(tuple(range(size)) for size in instance.sizes)
        self.moved = [index for index, group in enumerate(groups) if group.order > 1]
        self.order = prod(group.order for group in groups)
        self.offsets = [sum(instance.sizes[:index]) for index in range(len(groups))]

    def key(self, store: Store, packing: Packing, mask: int = 0) -> bytes:
        """The same for two states (each with a set of elements) exactly when some turn makes the one of the other."""
        turns = self._orders(store, self._colours(store, mask))
        if not mask:
            return min(packing.pack(self.renaming.store(store, turn)) for turn in turns)
        return min(packing.pack(self.renaming.store(store, turn)) + self.mask(mask, turn).to_bytes(8) for turn in turns)

    def canonical(self, store: Store, packing: Packing) -> tuple[Store, Turn]:
        """The state that stands for the orbit of a state, whichever of its states is given, and a turn that leads there."""
        turns = self._orders(store, self._colours(store, 0))
        every = [(self.renaming.store(store, turn), turn) for turn in turns]
        return min(every, key=lambda each: (packing.pack(each[0]), each[1]))

    def between(self, source: Store, target: Store, sources: int = 0, targets: int = 0) -> Turn | None:
        """The least turn that makes the target of the source; None when there is none, which may take long: ask `key` before.

        sources, targets: sets of elements (as in `InstanceSearch.mask`) of which the first has to become the second.
        """
        mine, theirs = self._colours(source, sources), self._colours(target, targets)
        for turn in self._matching(mine, theirs, ()):
            if self.renaming.store(source, turn) == target:
                return turn
        return None

    def mask(self, mask: int, turn: Turn) -> int:
        """A set of elements after a turn."""
        found = 0
        for offset, permutation in zip(self.offsets, turn, strict=True):
            part = mask >> offset
            for x, image in enumerate(permutation):
                if part >> x & 1:
                    found |= 1 << offset + image
        return found

    # ---- telling elements apart ---------------------------------------------------------------------------------

    def _colours(self, store: Store, mask: int) -> Colours:
        """What can be told of the elements by classes, by a set of elements, and by the state."""
        start = [
            [2 * group.classes[x] + (mask >> offset + x & 1) for x in range(len(group.classes))]
            for group, offset in zip(self.groups, self.offsets, strict=True)
        ]
        return self._refined(store, start)

    def _refined(self, store: Store, colours: Colours) -> Colours:
        count = -1
        while True:
            now = sum(len(set(colours[index])) for index in self.moved)
            if now == count or now == sum(len(colours[index]) for index in self.moved):
                return colours
            count = now
            colours = self._round(store, colours)

    def _round(self, store: Store, colours: Colours) -> Colours:
        sums = [[0] * len(each) for each in colours]
        renaming = self.renaming
        for cell, value in store.items():
            index = cell[0]
            places = renaming.owners[index]
            owners = tuple(x if s is None else colours[s][x] for s, x in zip(places, cell[1:], strict=True))
            members: list[tuple[int, int, int]] = []  # sort, element, place
            if index in renaming.types:
                type_ = renaming.types[index]
                sort = type_.sort.index  # type: ignore[union-attr]
                if isinstance(type_, ElemT):
                    members = [(sort, value, 0)] if value is not None else []
                elif isinstance(type_, SetT):
                    members = [(sort, x, 0) for x in value]
                else:
                    members = [(sort, x, place) for place, x in enumerate(value)]
                said: object = sum(hash((colours[s][x], place)) for s, x, place in members)
            elif index == renaming.calls:
                said = hash((value.event, value.label))
            else:
                said = value[0] if index >= renaming.first_lock else value
            about = hash((index, owners, said))
            for place, (s, x) in enumerate(zip(places, cell[1:], strict=True)):
                if s is not None:
                    sums[s][x] += hash((about, place))
            for s, x, place in members:
                sums[s][x] += hash((about, -1 - place))
        return [
            [hash((colour, more & _MASK)) for colour, more in zip(old, new, strict=True)]
            for old, new in zip(colours, sums, strict=True)
        ]

    # ---- turns --------------------------------------------------------------------------------------------------

    def _orders(self, store: Store, colours: Colours) -> Iterator[Turn]:
        """Turns among whose results the canonical form is the least: the same results for every state of an orbit."""
        tied = self._tie(store, colours)
        if tied is None:
            yield from product(*(self._sorted(index, colours[index]) for index in range(len(self.groups))))
            return
        sort, members = tied
        for x in members:
            own = [list(each) for each in colours]
            own[sort][x] = hash((own[sort][x], 1))
            yield from self._orders(store, self._refined(store, own))

    def _tie(self, store: Store, colours: Colours) -> tuple[int, list[int]] | None:
        """The first elements that are alike so far and are not twins."""
        for index in self.moved:
            if self.groups[index].listed is not None:
                continue
            alike: dict[int, list[int]] = {}
            for x, colour in enumerate(colours[index]):
                alike.setdefault(colour, []).append(x)
            for _, members in sorted(alike.items()):
                if len(members) > 1 and not all(self._twins(store, index, a, b) for a, b in pairwise(members)):
                    return index, members
        return None

    def _twins(self, store: Store, sort: int, a: int, b: int) -> bool:
        turn = (*self.identity[:sort], _exchange(len(self.identity[sort]), a, b), *self.identity[sort + 1 :])
        return self.renaming.store(store, turn) == store

    def _sorted(self, index: int, colours: list[int]) -> list[tuple[int, ...]]:
        """The permutations of a sort that put its colours in order."""
        group = self.groups[index]
        if group.order == 1:
            return [self.identity[index]]
        if group.listed is not None:
            least = min(_placed(p, colours) for p in group.listed)
            return [p for p in group.listed if _placed(p, colours) == least]
        found = list(range(len(colours)))
        for c in set(group.classes):
            places = [x for x, other in enumerate(group.classes) if other == c]
            for place, x in zip(places, sorted(places, key=lambda x: (colours[x], x)), strict=True):
                found[x] = place
        return [tuple(found)]

    def _matching(self, mine: Colours, theirs: Colours, sofar: Turn) -> Iterator[Turn]:
        """Turns that respect colours, the least first."""
        index = len(sofar)
        if index == len(self.groups):
            yield sofar
            return
        group = self.groups[index]
        if group.order == 1:
            images: Iterable[tuple[int, ...]] = [self.identity[index]]
        elif group.listed is not None:
            images = [p for p in group.listed if all(mine[index][x] == theirs[index][y] for x, y in enumerate(p))]
        else:
            images = _images(list(zip(group.classes, mine[index])), list(zip(group.classes, theirs[index])), ())
        for image in images:
            yield from self._matching(mine, theirs, (*sofar, image))


def _images(mine: list[tuple[int, int]], theirs: list[tuple[int, int]], sofar: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """The permutations that take each element to one of its colour, the least first."""
    if len(sofar) == len(mine):
        yield sofar
        return
    for y, colour in enumerate(theirs):
        if colour == mine[len(sofar)] and y not in sofar:
            yield from _images(mine, theirs, (*sofar, y))


def _placed(permutation: tuple[int, ...], colours: list[int]) -> list[int]:
    """The colours at their places after a permutation."""
    found = [0] * len(colours)
    for x, place in enumerate(permutation):
        found[place] = colours[x]
    return found
