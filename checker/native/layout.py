"""Where everything that can change stands: as a C struct while a call runs, and as bits of a packed state in between."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

from luocheck.checker.native.refusal import Refused
from luocheck.model.instances import Cell, Instance, cells_of
from luocheck.model.ir import statements as st
from luocheck.model.ir.expressions import Const, walk
from luocheck.model.ir.system import OK, PANIC, System
from luocheck.model.ir.vocabulary import (
    BoolT,
    CountT,
    ElemT,
    EnumT,
    ErrnoT,
    Field,
    IntT,
    Lifetime,
    Owner,
    SeqT,
    SetT,
    Sort,
    Type,
)

MAX_ELEMENTS = 64
"""Most elements of a sort: sets are bits of one word."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bits of a packed state: a C place, its width, and what is added to its value to make it a natural number."""

    place: str
    width: int
    bias: int
    word: int
    shift: int


class Layout:
    """Names, types and widths of the state of one scope.  Raises Refused for a scope that does not fit."""

    def __init__(self, instance: Instance) -> None:
        self.system: System = instance.system
        self.instance = instance
        self.sizes = instance.sizes
        self.defaults = instance.defaults
        if max(self.sizes, default=0) > MAX_ELEMENTS:
            raise Refused(f"a sort has more than {MAX_ELEMENTS} elements")
        self.errnos = [OK, PANIC, *errnos(self.system)]
        self.labels = _labels(self.system)
        self.changing = [f for f in self.system.fields if f.lifetime is not Lifetime.FIXED]
        self.fixed = [f for f in self.system.fields if f.lifetime is Lifetime.FIXED]
        self.locks: list[Cell] = []
        first = len(self.system.fields) + len(self.system.sorts)
        self.lock_base: dict[int, int] = {}
        for lock in self.system.locks:
            self.lock_base[lock.index] = len(self.locks)
            owners: list[tuple[int, ...]] = [()] if lock.owner is None else [(x,) for x in range(self.sizes[lock.owner.index])]
            self.locks += [(first + lock.index, *owner) for owner in owners]
        self.words = 0
        self._room: list[int] = []

    # ---- types --------------------------------------------------------------------------------------------------

    def size(self, owner: Owner) -> int:
        return self.sizes[owner.index] if isinstance(owner, Sort) else len(owner.members)

    def errno(self, name: str | None) -> int:
        return -1 if name is None else self.errnos.index(name)

    def label(self, name: str | None) -> int:
        return -1 if name is None else self.labels.index(name)

    def highest(self, type_: Type) -> int:
        """The largest value of a scalar type; the smallest is -1, for none, unset, or nobody."""
        match type_:
            case BoolT():
                return 1
            case CountT(limit):
                return limit
            case EnumT(enum):
                return len(enum.members) - 1
            case ElemT(sort):
                return self.sizes[sort.index] - 1
            case ErrnoT():
                return len(self.errnos) - 1
            case IntT():
                return (1 << 30) - 2
        raise Refused(f"a value of type {type_}")

    def ctype(self, type_: Type) -> str:
        """C type of a cell."""
        match type_:
            case SetT(sort):
                return next(f"uint{bits}_t" for bits in (8, 16, 32, 64) if self.sizes[sort.index] <= bits)
            case SeqT(sort):
                return f"Q{sort.index}"
        high = self.highest(type_)
        return "int8_t" if high < 128 else "int16_t" if high < 32768 else "int32_t"

    def local_type(self, type_: Type) -> str:
        match type_:
            case SetT():
                return "u64"
            case SeqT(sort):
                return f"Q{sort.index}"
        return "int"

    def dims(self, field: Field) -> str:
        return "".join(f"[{max(1, self.size(owner))}]" for owner in field.owners)

    def place(self, field: Field, state: str, indices: list[str]) -> str:
        holder = "r->g." if field.lifetime is Lifetime.FIXED else f"{state}->"
        return f"{holder}f{field.index}" + "".join(f"[{i}]" for i in indices)

    def default(self, field: Field) -> str:
        """C text of the default of a scalar or set field."""
        value = self.defaults[field.index]
        if isinstance(field.type, SeqT):
            return "0"  # of its length
        if isinstance(field.type, SetT):
            assert isinstance(value, frozenset)
            return f"{sum(1 << x for x in value)}u"
        if isinstance(value, str):
            return str(self.errno(value))
        return "-1" if value is None else str(int(value))  # type: ignore[arg-type]

    def code(self, field: Field, value: object) -> int:
        """Number of a scalar or set value."""
        if isinstance(value, frozenset):
            return sum(1 << x for x in value)
        if isinstance(value, str):
            return self.errno(value)
        return -1 if value is None else int(value)  # type: ignore[call-overload]

    def meaning(self, type_: Type, number: int | list[int]) -> Any:
        """The value that a number (for a sequence: a list of them) stands for."""
        if isinstance(number, list):
            return tuple(number)
        match type_:
            case SetT():
                return frozenset(x for x in range(MAX_ELEMENTS) if number >> x & 1)
            case BoolT():
                return None if number < 0 else bool(number)
            case ErrnoT():
                return None if number < 0 else self.errnos[number]
            case CountT() | IntT():
                return number
        return None if number < 0 else number

    # ---- bits ---------------------------------------------------------------------------------------------------

    def room(self, width: int) -> tuple[int, int]:
        """A word with that many free bits, and where they begin."""
        for word, used in enumerate(self._room):
            if used + width <= 64:
                self._room[word] += width
                return word, used
        self._room.append(width)
        self.words = len(self._room)
        return len(self._room) - 1, 0

    def scalar(self, place: str, type_: Type, default: object) -> list[Piece]:
        """Bits of one scalar: without a value for none where there is none."""
        high = self.highest(type_)
        can_be_none = isinstance(type_, ErrnoT) or (isinstance(type_, ElemT) and (type_.optional or default is None))
        bias = 1 if can_be_none else 0
        width = (high + bias).bit_length() if high + bias > 0 else 0
        return [Piece(place, width, bias, *self.room(width))] if width else []

    def cell(self, field: Field, cell: Cell) -> list[Piece]:
        place = self.place(field, "s", [str(x) for x in cell[1:]])
        match field.type:
            case SetT(sort):
                size = self.sizes[sort.index]
                return [Piece(place, size, 0, *self.room(size))] if size else []
            case SeqT(sort):
                size = self.sizes[sort.index]
                if not size:
                    return []
                length = size.bit_length()
                pieces = [Piece(f"{place}.n", length, 0, *self.room(length))]
                width = (size - 1).bit_length()
                if width:
                    pieces += [Piece(f"{place}.x[{i}]", width, 0, *self.room(width)) for i in range(size)]
                return pieces
        return self.scalar(place, field.type, self.defaults[field.index])

    def pieces(self) -> list[Piece]:
        """Bits of everything but calls in progress."""
        found: list[Piece] = []
        for f in self.changing:
            for cell in cells_of(f, self.sizes):
                found += self.cell(f, cell)
        for sort in self.system.sorts:
            size = self.sizes[sort.index]
            if sort.pool and size:
                found.append(Piece(f"s->live{sort.index}", size, 0, *self.room(size)))
        if self.system.locks:
            for index in range(len(self.locks)):
                found.append(Piece(f"s->kept[{index}]", 2, 0, *self.room(2)))
        return found


def indices(field: Field, sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The owners of all cells of a field, in their order."""
    ranges = [range(sizes[o.index]) if isinstance(o, Sort) else range(len(o.members)) for o in field.owners]
    return list(product(*ranges))


def errnos(system: System) -> list[str]:
    """All errnos that a spec names, in order."""
    found: set[str] = set()
    blocks = [body for _, body in system.bodies()] + [effect.body for event in system.events for effect in event.effects]
    exprs = [c for claim in system.properties for c in (claim.condition, claim.goal) if c is not None]
    exprs += [graph.where for graph in system.graphs if graph.where is not None]
    for block in blocks:
        for stmt in st.statements(block):
            if isinstance(stmt, st.Fail | st.Await) and isinstance(stmt.errno, str):
                found.add(stmt.errno)
            exprs += st.expressions(stmt)
    for expr in exprs:
        found |= {part.value for part in walk(expr) if isinstance(part, Const) and isinstance(part.value, str)}
    found |= {f.initial for f in system.fields if isinstance(f.initial, str)}
    return sorted(found - {OK, PANIC})


def _labels(system: System) -> list[str]:
    found: set[str] = {claim.pattern.label for claim in system.properties if claim.pattern is not None and claim.pattern.label}
    for event in system.events:
        found |= {stmt.label for stmt in st.statements(event.body) if stmt.label is not None}
        found |= {effect.pattern.label for effect in event.effects if effect.pattern.label is not None}
    return sorted(found)
