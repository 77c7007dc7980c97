"""Other numbers for the elements of a state: what nothing but its number distinguishes is one state, not many.

`canonical_numbers` goes from what has a place of its own (the elements that the recording names, variables, sequences in their order, open files)
to what these lead to, and numbers elements as it meets them.  Two states that differ in the order in which their elements were met get the
same numbers, with few exceptions: elements that only sets lead to keep the order that they had.  That costs a merge, nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from luocheck.model.instances import Cell
from luocheck.model.ir.system import System
from luocheck.model.ir.vocabulary import ElemT, SeqT, SetT, Sort, Type
from luocheck.model.semantics.store import live_index, lock_index
from luocheck.traces.replay.cells import (
    ABSENT,
    APART,
    BOUND,
    DENIED,
    EXCLUDED,
    FACTS,
    KNOWN,
    OLD,
    SAME,
    UNKNOWNS,
    UNSEEN,
    USED,
)
from luocheck.traces.replay.unknowns import Unknown, comparable_sorts

if TYPE_CHECKING:
    from luocheck.traces.replay.open_elements import OpenElements

Numbers = Mapping[int, Mapping[int, int]]
"""By sort and number: the new number.  Elements of these sorts that are not in it are gone, unless the recording names them."""

GONE = -1
"""The number of all elements that are gone."""

Rename = Callable[[int, Any], Any]
"""The new number of an element, given its sort and its number."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What was asked of unseen elements.  sorts: of the locals in it that hold elements, by slot.  fields: those that it reads."""

    sorts: Mapping[int, int]
    fields: frozenset[int]


@cache
def exchangeable_sorts(system: System) -> frozenset[int]:
    """Sorts (their indices) whose elements nothing but their fields distinguishes."""
    graphs = {graph.sort for graph in system.graphs}
    plain = {s.index for s in system.sorts if s.symmetric and not s.ordered and not s.caller and s not in graphs}
    return frozenset(plain - comparable_sorts(system))


@cache
def choosable_sorts(system: System) -> frozenset[int]:
    """Sorts (their indices) of whose elements one that is not shown is chosen only when it makes a difference which."""
    return exchangeable_sorts(system) - {sort.index for sort in system.sorts if sort.pool}


@dataclass(frozen=True, slots=True)
class _Shape:
    """Where elements are in a cell: the sort (None: no element) of each owner, and of the value."""

    owners: tuple[int | None, ...]
    type: Type | None
    drawn: bool = False

    def cell(self, cell: Cell, new: Rename) -> Cell:
        owners = (x if sort is None else new(sort, x) for sort, x in zip(self.owners, cell[1:], strict=True))
        return (cell[0], *owners)

    def value(self, value: Any, new: Rename) -> Any:
        match self.type:
            case ElemT(sort):
                return new(sort.index, value)
            case SetT(sort) | SeqT(sort):
                return type(value)(new(sort.index, x) for x in value)
        return value

    def values(self, values: frozenset[Any], new: Rename) -> frozenset[Any]:
        """Several values of the field, without what is gone."""
        return frozenset(self.value(value, new) for value in values) - {GONE} if self.type is not None else values


@cache
def _shapes(system: System) -> Mapping[int, _Shape]:
    """By the first component of cells in which there are elements."""
    found = {}
    for f in system.fields:
        owners = tuple(o.index if isinstance(o, Sort) else None for o in f.owners)
        has_elements = isinstance(f.type, ElemT | SetT | SeqT)
        if has_elements or any(o is not None for o in owners):
            found[f.index] = _Shape(owners, f.type if has_elements else None, f.drawn)
    for sort in system.sorts:
        found[live_index(system, sort)] = _Shape((sort.index,), None)
    for lock in system.locks:
        if lock.owner is not None:
            found[lock_index(system, lock)] = _Shape((lock.owner.index,), None)
    return found


def renamed(system: System, cells: Mapping[Cell, Any], new: Rename) -> dict[Cell, Any]:
    """Cells of a state with other numbers; `KNOWN` and the like stay."""
    shapes = _shapes(system)
    out: dict[Cell, Any] = {}
    for cell, value in cells.items():
        kind = cell[0]
        if kind >= 0 and (shape := shapes.get(kind)) is not None:
            key = shape.cell(cell, new)
            if GONE not in key:
                out[key] = shape.value(value, new)
        elif kind == OLD:
            if (x := new(cell[1], cell[2])) != GONE:
                out[OLD, cell[1], x] = value
        elif kind == BOUND:
            out[cell] = new(cell[2], value)
        elif kind == EXCLUDED:
            inner = shapes[cell[1]].cell(cell[1:], new) if cell[1] in shapes else cell[1:]
            left = shapes[cell[1]].values(value, new) if cell[1] in shapes else value
            if left and GONE not in inner:
                out[EXCLUDED, *inner] = left
        elif kind == ABSENT:
            shape = shapes[cell[1]]
            assert isinstance(shape.type, SetT | SeqT)
            inner = (*shape.cell(cell[1:-1], new), new(shape.type.sort.index, cell[-1]))
            if GONE not in inner:
                out[ABSENT, *inner] = value
        elif kind == USED:
            if left := shapes[cell[1]].values(value, new):
                out[cell] = left
        elif kind == APART:
            if left := frozenset(pair for pair in (_pair(pair, new) for pair in value) if pair is not None):
                out[cell] = left
        elif kind == DENIED and len(cell) > 1:
            place = cell[1:] if cell[1] == UNSEEN else shapes[cell[1]].cell(cell[1:], new)
            entries = tuple(each for each in (_denied(entry, new) for entry in value) if each is not None)
            if entries and GONE not in place:
                out[DENIED, *place] = entries
        else:
            out[cell] = value
    if (DENIED,) in out and not any(cell[0] == DENIED and len(cell) > 1 for cell in out):
        del out[DENIED,]
    return out


def _pair(pair: Iterable[Any], new: Rename) -> frozenset[Any] | None:
    """Two values that differ, one of them unknown; None when that is nothing to keep any more."""
    one, other = pair
    sort = one.sort if type(one) is Unknown else other.sort
    x, y = new(sort, one), new(sort, other)
    if GONE in (x, y) or (type(x) is not Unknown and type(y) is not Unknown):
        return None
    return frozenset((x, y))


def _denied(entry: Any, new: Rename) -> Any:
    """A condition that nothing unseen meets (`WorldStore.deny`); None when it is about an element that is gone."""
    key, refusal = entry
    question, *locals_ = key
    sorts = question.sorts
    values = {slot: new(sorts[slot], x) if slot in sorts else x for slot, x in locals_}
    if any(values[slot] == GONE for slot in values if slot in sorts):
        return None
    if refusal is not None:
        demand, slot = refusal
        refusal = replace(demand, env=tuple(values.get(place, x) for place, x in enumerate(demand.env))), slot
    return (question, *values.items()), refusal


def spoken_of(system: System, cells: Mapping[Cell, Any], sort: Sort) -> frozenset[Any]:
    """The elements of a sort of which a state says more than that they were there before the recording."""
    found: set[Any] = set()

    def note(index: int, x: Any) -> Any:
        if index == sort.index:
            found.add(x)
        return x

    renamed(system, {cell: value for cell, value in cells.items() if cell[0] != OLD}, note)
    for cell in cells:
        for index, value in cells[cell] if cell[0] == FACTS else ():
            type_ = system.fields[index].type
            if value is not None and isinstance(type_, ElemT) and type_.sort is sort:
                found.update(value)
    return frozenset(found)


# ---- canonical numbers ------------------------------------------------------------------------------------------


class _Numbering:
    def __init__(self, store: OpenElements) -> None:
        self.store = store
        system = store.instance.system
        self.shapes, self.pools = _shapes(system), store.world.pools
        self.known = store.world.known
        self.comparable = store.world.comparable
        self.numbers: dict[int, dict[int, int]] = {sort: {} for sort in exchangeable_sorts(system) | comparable_sorts(system)}
        self.counts = Counter({sort: self.known[sort] for sort in self.numbers if sort not in self.pools | self.comparable})
        self.cells: defaultdict[tuple[int, int], list[Cell]] = defaultdict(list)
        self.queue: deque[Cell] = deque()
        self.sets: list[Cell] = []

    def is_open(self, sort: int, x: Any) -> bool:
        """Has an element no number yet?"""
        if x is None or sort not in self.numbers or x in self.numbers[sort]:
            return False
        return type(x) is Unknown if sort in self.comparable else sort in self.pools or x >= self.known[sort]

    def run(self) -> dict[int, dict[int, int]]:
        fixed = []
        for cell in self.store:
            shape = self.shapes.get(cell[0])
            if shape is not None:
                owners = self._open_owners(shape, cell)
                for owner in owners:
                    self.cells[owner].append(cell)
                if not owners:
                    fixed.append(cell)
        self.queue.extend(sorted(fixed))
        self._follow()
        system = self.store.instance.system
        for cell in sorted(cell for cell in self.store if cell[0] == BOUND):
            sort, x = cell[2], self.store[cell]
            if sort not in self.pools or (live_index(system, system.sorts[sort]), x) in self.store:
                self._number(sort, x)
                self._follow()
        while self.sets:
            cell = self.sets.pop(0)
            self._number_all(self.shapes[cell[0]].type, sorted(self.store[cell]))
        for sort, x in sorted(self._left()):
            self._number(sort, x)
            self._follow()
        return self.numbers

    def _open_owners(self, shape: _Shape, cell: Cell) -> list[tuple[int, int]]:
        pairs = zip(shape.owners, cell[1:], strict=True)
        return [(sort, x) for sort, x in pairs if sort is not None and self.is_open(sort, x)]

    def _number(self, sort: int, x: Any) -> None:
        if not self.is_open(sort, x):
            return
        position = self.counts[sort]
        self.counts[sort] += 1
        self.numbers[sort][x] = Unknown.of(sort, position) if sort in self.comparable else position
        ready = [cell for cell in self.cells[sort, x] if not self._open_owners(self.shapes[cell[0]], cell)]
        self.queue.extend(sorted(ready, key=self._place))

    def _place(self, cell: Cell) -> Cell:
        """Where a cell is, in new numbers."""
        owners = zip(self.shapes[cell[0]].owners, cell[1:], strict=True)
        return (cell[0], *(x if sort is None else self.numbers.get(sort, {}).get(x, x) for sort, x in owners))

    def _number_all(self, type_: Type | None, values: Iterable[Any]) -> None:
        assert isinstance(type_, SetT | SeqT)
        for x in values:
            self._number(type_.sort.index, x)
        self._follow()

    def _follow(self) -> None:
        """Numbers what the cells that wait lead to."""
        while self.queue:
            cell = self.queue.popleft()
            match self.shapes[cell[0]].type:
                case ElemT(sort):
                    self._number(sort.index, self.store[cell])
                case SeqT(sort):
                    for x in self.store[cell]:
                        self._number(sort.index, x)
                case SetT():
                    self.sets.append(cell)

    def _left(self) -> set[tuple[int, int]]:
        """Elements that nothing led to and that are not as good as new.

        Those of which only what is drawn is known, such as a file that was in use before, are what any new one can be.
        """
        found: set[tuple[int, int]] = set()
        for cell, value in self.store.items():
            kind = cell[0]
            if kind >= 0 and (shape := self.shapes.get(kind)) is not None and not shape.drawn:
                found.update(self._open_owners(shape, cell))
            elif kind == OLD and self.is_open(cell[1], cell[2]):
                found.add((cell[1], cell[2]))
            elif kind in (EXCLUDED, USED) and (shape := self.shapes.get(cell[1])) is not None and isinstance(shape.type, ElemT):
                found.update((shape.type.sort.index, x) for x in value)
            elif kind == ABSENT and isinstance(type_ := self.shapes[cell[1]].type, SetT | SeqT):
                found.add((type_.sort.index, cell[-1]))
            elif kind == DENIED and len(cell) > 1:
                for (question, *values), _ in value:
                    found.update((question.sorts[slot], x) for slot, x in values if slot in question.sorts)
        return {(sort, x) for sort, x in found if sort not in self.comparable and self.is_open(sort, x)}


def canonical_numbers(store: OpenElements) -> Numbers | None:
    """The numbers with which a state is the same as others of its kind; None when it has them."""
    numbering = _Numbering(store)
    numbers = numbering.run()
    same = all(old == new for each in numbers.values() for old, new in each.items())
    whole = all(
        store.get((UNKNOWNS if sort in numbering.comparable else KNOWN, sort), 0) == numbering.counts[sort] for sort in numbers
    )
    return None if same and whole else numbers


def with_numbers(store: OpenElements, among: Mapping[Cell, Any], numbers: Numbers) -> dict[Cell, Any]:
    """Some cells of a state, with the counts, whose elements have other numbers (`Numbers`)."""
    known, pools, comparable = store.world.known, store.world.pools, store.world.comparable

    def new(sort: int, x: Any) -> Any:
        there = numbers.get(sort)
        if there is None or x is None or x in there:
            return x if there is None or x is None else there[x]
        named = type(x) is not Unknown if sort in comparable else sort not in pools and x < known[sort]
        return x if named else GONE

    cells = renamed(store.instance.system, among, new)
    for sort, each in numbers.items():
        kind = UNKNOWNS if sort in comparable else KNOWN
        least = 0 if sort in pools or sort in comparable else known[sort]
        count = least + len({x for x in each.values() if sort not in comparable or type(x) is Unknown})
        if sort in comparable:
            cells.pop((UNKNOWNS, sort), None)
        if count:
            cells[kind, sort] = count
        else:
            cells.pop((kind, sort), None)
    for cell in [cell for cell in cells if cell[0] == SAME]:
        del cells[cell]
    return cells
