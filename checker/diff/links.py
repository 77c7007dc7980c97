"""What handles stand for: objects that come and go have other numbers in the other spec, and are matched by when user space first saw them.

The numbers of `here` are those of the spec whose run is followed, `there` those of the one that has to agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

GONE = -1
"""What a handle stands for whose object exists here, and no longer there."""


@dataclass(frozen=True, slots=True)
class Links:
    """For each sort of handles: what each element of here is there (None: never seen, GONE), and the elements of there that user space
    knows under a handle whose object is gone here: a new handle cannot stand for one of them."""

    bound: tuple[tuple[int | None, ...], ...]
    known: tuple[frozenset[int], ...]

    def bind(self, sort: int, here: int, there: int) -> Links:
        row = self.bound[sort]
        return self._with(sort, (*row[:here], there, *row[here + 1 :]), self.known[sort])

    def taken(self, sort: int) -> set[int | None]:
        """Elements of there that a handle stands for."""
        return {*self.bound[sort], *self.known[sort]}

    def given(self, sort: int, here: int, there: int | None) -> Links | None:
        """After a call gave one element here and one there; None when these cannot be the same handle."""
        if there is None:
            return None
        now = self.bound[sort][here]
        if now is not None:
            return self if now == there else None
        return self.bind(sort, here, there) if there not in self.taken(sort) else None

    def dead_there(self, alive: Sequence[frozenset[int]]) -> Links:
        """After a step there: these are the elements that are left."""
        made = self
        for sort, left in enumerate(alive):
            row = tuple(x if x is None or x in left else GONE for x in self.bound[sort])
            made = made._with(sort, row, self.known[sort] & left)
        return made

    def dead_here(self, alive: Sequence[frozenset[int]]) -> Links:
        """After a step here: these are the elements that are left."""
        made = self
        for sort, left in enumerate(alive):
            row = self.bound[sort]
            lost = {there for here, there in enumerate(row) if here not in left and there is not None and there != GONE}
            made = made._with(sort, tuple(x if here in left else None for here, x in enumerate(row)), self.known[sort] | lost)
        return made

    def _with(self, sort: int, row: tuple[int | None, ...], known: frozenset[int]) -> Links:
        if row == self.bound[sort] and known == self.known[sort]:
            return self
        return Links(
            (*self.bound[:sort], row, *self.bound[sort + 1 :]),
            (*self.known[:sort], known, *self.known[sort + 1 :]),
        )


def unnamed(sizes: Sequence[int]) -> Links:
    """Nothing was seen yet; the sizes of the sorts of handles here."""
    return Links(tuple((None,) * size for size in sizes), tuple(frozenset() for _ in sizes))


def named(links: Links, sort: int, here: int, alive: frozenset[int]) -> Iterator[tuple[int, Links]]:
    """What an element that user space passes here can be there: what its handle stands for, or whatever was never seen."""
    now = links.bound[sort][here]
    if now is not None:
        if now != GONE:
            yield now, links
        return
    for there in sorted(alive - links.taken(sort)):
        yield there, links.bind(sort, here, there)
