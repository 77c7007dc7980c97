"""Declared things: sorts, enums, types, fields, graphs, locks.  Compared by identity; `index` is their position in the system."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from luocheck.model.source import Span


class Lifetime(Enum):
    """What kexec does to a field."""

    VOLATILE = "volatile"  # gone: back to its initial value
    PRESERVED = "preserved"  # handed to the next kernel
    GHOST = "ghost"  # only properties read it; survives
    FIXED = "fixed"  # chosen once at the start, never assigned


@dataclass(frozen=True, slots=True, eq=False)
class Sort:
    """A kind of element.

    symmetric: elements are interchangeable.  ordered: they are 0, 1, 2, ...  pool: they come and go (`new`, `free`).
    caller: they make calls, each is inside at most one.
    """

    index: int
    name: str
    symmetric: bool
    ordered: bool
    pool: bool
    caller: bool
    span: Span

    def __repr__(self) -> str:
        return f"<sort {self.name}>"


@dataclass(frozen=True, slots=True, eq=False)
class EnumDef:
    """An enumeration; a value is the position of its member."""

    index: int
    name: str
    members: tuple[str, ...]
    numbers: tuple[int, ...]
    span: Span

    def __repr__(self) -> str:
        return f"<enum {self.name}>"


# ---- types ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BoolT:
    def __str__(self) -> str:
        return "bool"


@dataclass(frozen=True, slots=True)
class CountT:
    """Whole numbers 0..limit."""

    limit: int

    def __str__(self) -> str:
        return f"count({self.limit})"


@dataclass(frozen=True, slots=True)
class IntT:
    """Type of number literals, of `number of` and of sums; no field has it."""

    def __str__(self) -> str:
        return "a number"


@dataclass(frozen=True, slots=True)
class ErrnoT:
    def __str__(self) -> str:
        return "errno"


@dataclass(frozen=True, slots=True)
class EnumT:
    enum: EnumDef

    def __str__(self) -> str:
        return self.enum.name


@dataclass(frozen=True, slots=True)
class ElemT:
    """An element of a sort, or none when `optional`."""

    sort: Sort
    optional: bool = False

    def __str__(self) -> str:
        return self.sort.name + ("?" if self.optional else "")


@dataclass(frozen=True, slots=True)
class NoneT:
    def __str__(self) -> str:
        return "none"


@dataclass(frozen=True, slots=True)
class SetT:
    sort: Sort

    def __str__(self) -> str:
        return f"set {self.sort.name}"


@dataclass(frozen=True, slots=True)
class SeqT:
    sort: Sort

    def __str__(self) -> str:
        return f"seq {self.sort.name}"


@dataclass(frozen=True, slots=True)
class LiteralT:
    """Type of `{ A, B }`; `item` is None for the empty set."""

    item: Type | None

    def __str__(self) -> str:
        return f"{{ {self.item} }}" if self.item is not None else "{ }"


Type = BoolT | CountT | IntT | ErrnoT | EnumT | ElemT | NoneT | SetT | SeqT | LiteralT
Owner = Sort | EnumDef

Value = bool | int | str | None | tuple[int, ...] | frozenset[int]
"""A value of a field: bool, number, position of an enum member, element (from 0), errno name, None, seq as tuple, set as frozenset."""


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A global variable (`owners` empty) or a field of elements, of pairs of elements, or of enum members.

    `initial` is the constant it begins with, or an Edge marker for `S.first`/`S.last`; when `drawn`, each value of the type is tried instead.
    """

    index: int
    name: str
    owners: tuple[Owner, ...]
    lifetime: Lifetime
    type: Type
    initial: Value | SortEdge
    drawn: bool
    span: Span

    @property
    def is_ghost(self) -> bool:
        return self.lifetime is Lifetime.GHOST

    def __repr__(self) -> str:
        return f"<field {self.name}>"


@dataclass(frozen=True, slots=True)
class SortEdge:
    """`S.first` or `S.last`: known when the scope is."""

    sort: Sort
    last: bool


@dataclass(frozen=True, slots=True, eq=False)
class Lock:
    index: int
    name: str
    rw: bool
    owner: Sort | None
    span: Span

    def __repr__(self) -> str:
        return f"<lock {self.name}>"
