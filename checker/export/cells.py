"""Names, types and initial values of everything that can change: the state, its copy from before a call, and locals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from luocheck.checker.export.refusal import refuse, too_large
from luocheck.checker.export.writer import NONE, offset
from luocheck.checker.native.layout import errnos
from luocheck.model.instances import Instance
from luocheck.model.ir.system import OK, PANIC, System
from luocheck.model.ir.vocabulary import (
    BoolT,
    CountT,
    ElemT,
    EnumDef,
    EnumT,
    ErrnoT,
    Field,
    IntT,
    Lock,
    Owner,
    SeqT,
    SetT,
    Sort,
    Type,
    Value,
)
from luocheck.model.source import Span

_WORD = re.compile(r"\w+")

MOST_ELEMENTS = 31
"""Most elements of a sort: sets are the bits of an `int`."""

LARGEST = 1_000_000
"""Largest number: sums of a thousand of them still fit into an `int`."""

MOST_CELLS = 4096
"""Most cells of one array."""


class Cells:
    """What the state of one scope looks like.  Raises SpecError LUO520 or LUO522 for what does not fit."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.system: System = instance.system
        self.sizes = instance.sizes
        self.defaults = instance.defaults
        for sort in self.system.sorts:
            if self.sizes[sort.index] > MOST_ELEMENTS:
                too_large(f"`{sort.name}` has more than {MOST_ELEMENTS} elements", instance.scope.span)
        self._taken = {f"alive_{sort.name}" for sort in self.system.sorts}
        self._fields = {
            f.index: self._name(f"{'_'.join(o.name for o in f.owners)}_{f.name}" if f.owners else f.name)
            for f in self.system.fields
        }
        for f in self.system.fields:
            if self.count(f) > MOST_CELLS:
                too_large(f"`{f.name}` has more than {MOST_CELLS} cells", f.span)
            self.type_of(f.type, f.span)
        self._taken = set()
        self._members = [[self._name(f"e_{enum.name}_{member}") for member in enum.members] for enum in self.system.enums]
        self.errnos = [OK, PANIC, *errnos(self.system)]
        self.labels = labels(self.system)
        self.lock_base: dict[int, int] = {}
        self.locks = 0
        for lock in self.system.locks:
            self.lock_base[lock.index] = self.locks
            self.locks += self.lock_size(lock)

    def _name(self, wanted: str) -> str:
        name = wanted
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    # ---- sizes --------------------------------------------------------------------------------------------------

    def size(self, owner: Owner) -> int:
        return self.sizes[owner.index] if isinstance(owner, Sort) else len(owner.members)

    def room(self, field: Field) -> int:
        """How many array elements one cell takes."""
        return max(1, self.sizes[field.type.sort.index]) if isinstance(field.type, SeqT) else 1

    def count(self, field: Field) -> int:
        """How many array elements all cells of a field take."""
        count = self.room(field)
        for owner in field.owners:
            count *= max(1, self.size(owner))
        return count

    def owners(self, field: Field) -> Iterator[tuple[int, ...]]:
        """The owners of all cells of a field, in their order."""
        return product(*(range(self.size(owner)) for owner in field.owners))

    def lock_size(self, lock: Lock) -> int:
        return 1 if lock.owner is None else self.sizes[lock.owner.index]

    # ---- types and values ---------------------------------------------------------------------------------------

    def type_of(self, type_: Type, span: Span) -> str:
        """Promela's type for a scalar, a set, or an element of a list."""
        match type_:
            case BoolT() | EnumT() | ElemT() | ErrnoT() | SeqT():
                if isinstance(type_, EnumT) and len(type_.enum.members) > 250:
                    too_large(f"`{type_.enum.name}` has more than 250 members", span)
                return "byte"
            case CountT(limit):
                return "byte" if limit < 255 else "short" if limit < 1 << 15 else "int"
            case IntT():
                return "int"
            case SetT(sort):
                return "byte" if self.sizes[sort.index] <= 8 else "int"
        refuse(f"a value of type {type_}", span)

    def value(self, value: Value, type_: Type, span: Span) -> str:
        """A constant."""
        match value:
            case None:
                return NONE
            case bool():
                return str(int(value))
            case frozenset():
                return str(sum(1 << x for x in value))
            case str():
                return self.errno(value)
            case int() if isinstance(type_, EnumT):
                return self.member(type_.enum, value)
            case int():
                if value > LARGEST:
                    too_large(f"the number {value:,}", span)
                return str(value)
        refuse(f"a constant of type {type_}", span)

    def default(self, field: Field) -> str:
        """What a cell, or each element of a list, begins with."""
        if isinstance(field.type, SeqT):
            return NONE
        return self.value(self.defaults[field.index], field.type, field.span)

    def member(self, enum: EnumDef, position: int) -> str:
        return self._members[enum.index][position]

    def errno(self, name: str) -> str:
        return f"r_{name}"

    def label(self, name: str | None) -> str:
        return NONE if name is None else f"at_{name}"

    # ---- names --------------------------------------------------------------------------------------------------

    def array(self, field: Field, state: str = "s") -> str:
        """`state`: s now, o before the call, w and c in a `forall`: what is written, and whether it is."""
        return f"{state}_{self._fields[field.index]}"

    def at(self, field: Field, indices: list[str], state: str = "s", position: int | str = 0) -> str:
        """A cell; of a list, one of its positions."""
        name, index = self.array(field, state), self.index(field, indices, position)
        if index is None:
            return name
        if name not in _WORD.findall(index):
            return f"{name}[{index}]"
        text = f"{name}[{self.count(field) - 1}]"  # SPIN takes no `a[a[i]]`
        for number in range(self.count(field) - 2, -1, -1):
            text = f"(({index}) == {number} -> {name}[{number}] : {text})"
        return text

    def index(self, field: Field, indices: list[str], position: int | str = 0) -> str | None:
        """Where a cell stands in the array of its field, None when it is no array."""
        if not field.owners and not isinstance(field.type, SeqT):
            return None
        sizes = [max(1, self.size(owner)) for owner in field.owners]
        if isinstance(field.type, SeqT):
            indices, sizes = [*indices, str(position)], [*sizes, self.room(field)]
        return offset(indices, sizes)

    def positions(self, field: Field, indices: list[str], state: str = "s") -> list[str]:
        """All array elements of one cell."""
        return [self.at(field, indices, state, position) for position in range(self.room(field))]

    def alive(self, sort: Sort, x: str, state: str = "s") -> str:
        return f"{state}_alive_{sort.name}[{x}]"

    def local(self, slot: int, type_: Type | None) -> str:
        """Name of a local: of a scalar, a number, a set, or a list."""
        match type_:
            case SetT():
                return f"z{slot}"
            case SeqT(sort):
                return f"q{slot}_{sort.name}"
            case CountT() | IntT():
                return f"n{slot}"
        return f"x{slot}"

    def declared(self) -> list[str]:
        """Declarations of the state, without its starting point."""
        out: list[str] = []
        for f in self.system.fields:
            out.append(f"{self.declaration(f)};  /* {f.lifetime.value} {f.type} */")
        out += [f"bool s_alive_{s.name}[{max(1, self.sizes[s.index])}];" for s in self.system.sorts if s.pool]
        if self.locks:
            out.append(f"byte kept[{self.locks}];  /* locks that nobody gives back: 1 shared, 2 exclusive */")
        return out

    def declaration(self, field: Field, state: str = "s") -> str:
        count = self.count(field)
        array = f"[{count}]" if field.owners or isinstance(field.type, SeqT) else ""
        return f"{self.type_of(field.type, field.span)} {self.array(field, state)}{array}"


def labels(system: System) -> list[str]:
    """All labels that a claim or an effect can ask for."""
    found = {claim.pattern.label for claim in system.properties if claim.pattern is not None}
    found |= {effect.pattern.label for event in system.events for effect in event.effects}
    return sorted(label for label in found if label is not None)
