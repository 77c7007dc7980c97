"""A state of which not everything is known yet.

Replay begins in a state that nobody recorded, with descriptors, tokens and names that stand for elements which no scope has counted.  So
the state is decided lazily: a cell whose value nothing has shown yet is *undecided*, and an expression that needs it raises `Undecided`
with the ways in which the state can become definite there.  The machine forks over them and executes the statement again.  (Lazy
initialisation as in Khurshid, Pasareanu, Visser, "Generalized symbolic execution", TACAS 2003.)

What is undecided: fields declared `= any`; and what an earlier kernel handed over, when the recording may begin after a live update.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from luocheck.model import graphs
from luocheck.model.instances import Cell, Instance, default_of
from luocheck.model.ir.system import Scope, System
from luocheck.model.ir.vocabulary import BoolT, CountT, ElemT, EnumT, Field, Lifetime, Owner, SeqT, SetT, Sort, Value
from luocheck.model.semantics.store import live_index, references
from luocheck.traces.replay.cells import (
    ABSENT,
    DENIED,
    EXCLUDED,
    FACTS,
    KNOWN,
    OLD,
    PENDING,
    UNKNOWNS,
    UNSEEN,
    USED,
)
from luocheck.traces.replay.deciding import Demand, Refusal, Undecided, Way
from luocheck.traces.replay.open_elements import OpenElements
from luocheck.traces.replay.renaming import choosable_sorts
from luocheck.traces.replay.unique import unique_fields, unique_members
from luocheck.traces.replay.unknowns import (
    comparable_sorts,
    resolved,
    set_apart,
)

MANY = 1 << 40
"""Size of every sort: there is no scope."""


class Beginning(Enum):
    """What the recording begins with."""

    COLD = "a kernel that was not live-updated"
    WARM = "a kernel that came up by live update"
    RUNNING = "a kernel that had been running before"


class OpenTuple(tuple[int, ...]):
    """A sequence with members that nothing has shown yet."""

    __slots__ = ()


class OpenSet(frozenset[int]):
    """A set with members that nothing has shown yet."""

    __slots__ = ()


MISSING = object()


def sort_place(sort: Sort) -> Cell:
    """The place of everything unseen of a sort."""
    return (UNSEEN, sort.index)


@dataclass(eq=False)
class World:
    """What all states of one replay share.

    known: how many elements of each sort the recording itself names.  fresh_only: an unknown element is taken to be one that was not met
    yet, where both are possible.  That finds most explanations quickly; only without it a refusal means something, and elements of the sorts
    `comparable` that the recording does not show are kept unknown, those of the sorts `choosable` are chosen late.
    """

    system: System
    beginning: Beginning
    known: tuple[int, ...]
    names: tuple[tuple[str, ...], ...]
    fresh_only: bool
    instance: Instance = field(init=False)

    def __post_init__(self) -> None:
        system = self.system
        sizes = tuple(MANY for _ in system.sorts)
        scope = Scope("replay", tuple((sort.name, MANY) for sort in system.sorts), frozenset(), system.span)
        edges: tuple[graphs.Edges, ...] = tuple(frozenset() for _ in system.graphs)
        defaults = tuple(default_of(f, sizes) for f in system.fields)
        self.instance = Instance(
            system, scope, None, sizes, edges, {}, self.names, defaults, edges, tuple(() for _ in system.graphs)
        )
        warm, running = self.beginning is not Beginning.COLD, self.beginning is Beginning.RUNNING
        self.drawn = frozenset(f.index for f in system.fields if f.drawn)
        self.undecided_globals = frozenset(
            f.index
            for f in system.fields
            if not f.owners and not f.is_ghost and warm and (running or f.lifetime is Lifetime.PRESERVED)
        )
        self.sort_owners = tuple(
            tuple((place, o.index) for place, o in enumerate(f.owners, 1) if isinstance(o, Sort)) for f in system.fields
        )
        self.preserved = frozenset(f.index for f in system.fields if f.lifetime is Lifetime.PRESERVED)
        self.maybe_lazy = self.drawn | self.undecided_globals | (self.preserved if warm else frozenset())
        if warm:  # what a `forall` wrote to all elements can be undecided for one that is met later
            self.maybe_lazy |= frozenset(f.index for f in system.fields if f.owners and not f.is_ghost)
        self.ghosts = frozenset(f.index for f in system.fields if f.is_ghost)
        self.pools = frozenset(sort.index for sort in system.sorts if sort.pool)
        self.kept_sorts = frozenset(
            o.index for f in system.fields if running or f.lifetime is Lifetime.PRESERVED for o in f.owners if isinstance(o, Sort)
        )
        self.oldness = "all" if running else "preserved"
        named = {target for handle in system.abi.handles for target in handle.targets}
        led_to = {f.type.sort for f in system.fields if isinstance(f.type, ElemT | SetT | SeqT)}
        self.nameless = (
            frozenset(  # what user space has no name for, such as subsystems of the kernel; what fields lead to is met there
                sort.index
                for sort in system.sorts
                if not sort.pool and not sort.caller and sort.name not in named and sort not in led_to
            )
        )

        self.unique = dict(unique_fields(system)) if self.beginning is Beginning.WARM else {}
        self.unique_members = unique_members(system) if warm else {}
        self.comparable = frozenset() if self.fresh_only else comparable_sorts(system)
        self.choosable = frozenset() if self.fresh_only else choosable_sorts(system)
        self.comparable_fields = frozenset(
            f.index for f in system.fields if isinstance(f.type, ElemT) and f.type.sort.index in self.comparable
        )

    def start(self) -> WorldStore:
        """The state before `boot`; of a kernel that had been running, any state."""
        store = WorldStore(self.instance)
        store.world = self
        for index, count in enumerate(self.known):
            if count:
                store[KNOWN, index] = count
        if self.beginning is Beginning.COLD:
            for index in self.nameless:
                store[UNSEEN, index] = True
        else:
            for index in self.kept_sorts:
                store[UNSEEN, index] = True
                if index not in self.pools:
                    for x in range(self.known[index]):
                        store[OLD, index, x] = self.oldness
        return store


class WorldStore(OpenElements):
    """The cells of a state as far as they are decided."""

    __slots__ = ()

    def copy(self) -> WorldStore:
        other = WorldStore(self.instance, self)
        other.world = self.world
        return other

    # ---- cells --------------------------------------------------------------------------------------------------

    def value(self, cell: Cell, default: Value) -> Any:
        """What a cell holds.  Raises Undecided when nothing has shown it yet."""
        value = self.get(cell, MISSING)
        if value is not MISSING:
            return value
        if self.is_lazy(cell):
            raise Undecided(self.ways(cell), cell)
        return default

    def is_lazy(self, cell: Cell) -> bool:
        """Is a cell undecided while the store does not have it?"""
        index = cell[0]
        world = self.world
        if index not in world.maybe_lazy:
            return False
        if index in world.drawn or index in world.undecided_globals:
            return True
        if world.beginning is Beginning.COLD or index in world.ghosts:
            return False
        for place, sort in world.sort_owners[index]:
            old = self.get((OLD, sort, cell[place]))
            if old == "all" or (old == "preserved" and index in world.preserved):
                return True
        return False

    def write(self, cell: Cell, value: Value, default: Value) -> None:
        if value != default or isinstance(value, OpenTuple | OpenSet) or self.is_lazy(cell):
            self[cell] = value
        else:
            self.pop(cell, None)

    def ways(self, cell: Cell) -> list[Way]:
        """All values that an undecided cell can have."""
        type_ = self.instance.system.fields[cell[0]].type
        excluded = self.get((EXCLUDED, *cell), frozenset())
        values: list[Any]
        match type_:
            case BoolT():
                values = [False, True]
            case EnumT(enum):
                values = list(range(len(enum.members)))
            case CountT(limit):
                values = list(range(limit + 1))
            case SeqT():
                return [Way(lambda s: s.decide(cell, OpenTuple()))]
            case SetT():
                return [Way(lambda s: s.decide(cell, OpenSet()))]
            case ElemT(sort, optional) if sort.index in self.world.comparable:
                found = [Way(lambda s: s.decide(cell, s.unknown(sort)))]
                return [*found, self._decided(cell, None)] if optional and None not in excluded else found
            case ElemT(sort, optional):
                known = [] if self.world.fresh_only else list(self.elements(sort))
                found = [self._decided(cell, x) for x in known if x not in excluded]
                found.append(Way(lambda s: s.decide(cell, s.materialise(sort))))
                if optional and None not in excluded:
                    found.append(self._decided(cell, None))
                return found
            case _:
                return []
        return [self._decided(cell, value) for value in values if value not in excluded]

    def _decided(self, cell: Cell, value: Any) -> Way:
        return Way(lambda s: s.decide(cell, value))

    def decide(self, cell: Cell, value: Any) -> None:
        self[cell] = value
        for other in self.pop((EXCLUDED, *cell), ()):
            set_apart(self, value, other)
        if cell[0] in self.world.unique:
            self._use(cell, value)

    def _use(self, cell: Cell, value: Any) -> None:
        """No other element that the kernel before handed over has this value of a unique field."""
        sort, others = self.world.unique[cell[0]]
        facts = dict(self.get((FACTS, sort.index), ()))
        if value is None or (OLD, sort.index, cell[1]) not in self or any(facts.get(other) is None for other in others):
            return
        self[USED, cell[0]] = self.get((USED, cell[0]), frozenset()) | {value}
        for x in range(self.get((KNOWN, sort.index), 0)):
            if (OLD, sort.index, x) in self and (cell[0], x) not in self:
                self[EXCLUDED, cell[0], x] = self.get((EXCLUDED, cell[0], x), frozenset()) | {value}

    def equals(self, cell: Cell, default: Value, wanted: Any) -> bool:
        """Does a cell hold this value?  An undecided one is split in two: it does, or it is known not to."""
        value = self.get(cell, MISSING)
        if value is not MISSING:
            return self.same(value, wanted)
        if not self.is_lazy(cell):
            return bool(default == wanted)
        wanted = resolved(self, wanted)
        excluded = self.get((EXCLUDED, *cell), frozenset())
        if wanted in excluded:
            return False
        if isinstance(wanted, OpenTuple | OpenSet):
            raise Undecided(self.ways(cell), cell)

        def exclude(s: WorldStore) -> None:
            s[EXCLUDED, *cell] = excluded | {wanted}

        raise Undecided([Way(lambda s: s.decide(cell, wanted)), Way(exclude)], cell)

    # ---- elements -----------------------------------------------------------------------------------------------

    def elements(self, owner: Owner) -> Any:
        """The elements that have been met; of a pool, the live ones."""
        if not isinstance(owner, Sort):
            return range(len(owner.members))
        count = self.get((KNOWN, owner.index), 0)
        if owner.pool:
            alive = live_index(self.instance.system, owner)
            return [x for x in range(count) if (alive, x) in self]
        return range(count)

    def fresh(self, sort: Sort) -> int:
        """An element that was not met yet, in its initial state (of a pool: dead)."""
        x: int = self.get((KNOWN, sort.index), 0)
        self[KNOWN, sort.index] = x + 1
        if not sort.pool and (UNSEEN, sort.index) in self:
            self._make_old(sort, x)
        return x

    def materialise(self, sort: Sort) -> int:
        """An element that was there before the recording began and now is met."""
        x = self.fresh(sort)
        if sort.pool:
            self[live_index(self.instance.system, sort), x] = True
            self._make_old(sort, x)
        for index, (owner, _) in self.world.unique.items():
            if owner is sort and (USED, index) in self:
                self[EXCLUDED, index, x] = self[USED, index]
        self.hold_to_denials(sort_place(sort), x)
        return x

    def _make_old(self, sort: Sort, x: int) -> None:
        facts: dict[int, Any] = dict(self.get((FACTS, sort.index), ()))
        unsure = any(value is None for value in facts.values())
        self[OLD, sort.index, x] = "all" if unsure else self.world.oldness
        for index, value in facts.items():
            if value is not None:
                self[index, x] = value[0]

    def may_hide(self, sort: Sort) -> bool:
        """May there be live elements of the sort that nothing has shown yet?"""
        return (UNSEEN, sort.index) in self

    def remember_forall(self, sort: Sort, written: Iterable[tuple[Field, Any]]) -> None:
        """A `forall` ran over all elements of a sort.  written: field, and (value,) when it is the same for all, None when it is not."""
        facts = dict(self.get((FACTS, sort.index), ()))
        for f, value in written:
            facts[f.index] = value
        self[FACTS, sort.index] = tuple(sorted(facts.items()))

    def free(self, sort: Sort, x: int) -> None:
        super().free(sort, x)
        if self.world.beginning is not Beginning.COLD and (caller := self.instance.system.caller) is not None:
            for f in self.instance.system.fields:  # what a caller that was there before has given up
                if isinstance(f.type, SetT) and f.type.sort is sort and f.owners == (caller,):
                    for y in self.elements(caller):
                        self.pop((ABSENT, f.index, y, x), None)
        if self.pop((OLD, sort.index, x), None) is not None:
            owned = {f.index for f in self.instance.system.fields if sort in f.owners}
            _, many = references(self.instance.system, sort)
            for cell in [c for c in self if c[0] in (EXCLUDED, ABSENT)]:
                if (cell[1] in owned and cell[2] == x) or (cell[0] == ABSENT and cell[1] in many and cell[-1] == x):
                    del self[cell]

    # ---- undecided members --------------------------------------------------------------------------------------

    def has_member(self, cell: Cell, sort: Sort, items: Any, x: Any) -> bool:
        """Is x a member of the set or sequence in `cell`, whose known members are `items`?"""
        if x in items:
            return True
        if not isinstance(items, OpenTuple | OpenSet) or x is None or (ABSENT, *cell, x) in self:
            return False
        if isinstance(items, OpenTuple) and (OLD, sort.index, x) not in self:
            return False

        def absent(s: WorldStore) -> None:
            s[ABSENT, *cell, x] = True

        raise Undecided([Way(lambda s: s.insert(cell, x)), Way(absent)])

    def insert(self, cell: Cell, x: int) -> None:
        """x turns out to be a member of an open set or sequence."""
        items = self[cell]
        self.hold_to_denials(cell, x)
        for f in self.world.unique_members.get(cell[0], ()):
            used = self.get((USED, f, cell[0]))
            if used and (f, x) not in self:
                self[EXCLUDED, f, x] = self.get((EXCLUDED, f, x), frozenset()) | used
        self[cell] = OpenTuple((*items, x)) if isinstance(items, OpenTuple) else OpenSet(items | {x})

    def note_value(self, cell: Cell, x: int) -> None:
        """x was a member of an open set or sequence.  Those that are unseen there do not have its value, where no two members have one."""
        for f in self.world.unique_members.get(cell[0], ()):
            if self.get((f, x)) is not None:
                self[USED, f, cell[0]] = self.get((USED, f, cell[0]), frozenset()) | {self[f, x]}

    def has_twins(self) -> bool:
        """Are there two members of a set or sequence with one value, where the spec promises that there are none?"""
        for index, fields in self.world.unique_members.items():
            members = self.get((index,), ())
            for f in fields if len(members) > 1 else ():
                values = [self[f, x] for x in members if (f, x) in self]
                if len(set(values)) < len(values):
                    return True
        return False

    # ---- conditions that nothing unseen meets -------------------------------------------------------------------

    def deny(self, place: Cell, key: Any, refusal: Refusal | None) -> None:
        """Nothing unseen at a place (a sort, or an open set or sequence) meets a condition.

        key names the question.  refusal: how to hold the elements that are met later to it; None when the answer could change, and then
        it is forgotten when the call ends (`end_call`).
        """
        self[DENIED,] = ()
        self[DENIED, *place] = (*self.get((DENIED, *place), ()), (key, refusal))

    def is_denied(self, place: Cell, key: Any) -> bool:
        return any(known == key for known, _ in self.get((DENIED, *place), ()))

    def hold_to_denials(self, place: Cell, x: int) -> None:
        """x was unseen at a place until now, so it must not meet what was denied there."""
        demands = []
        for _, refusal in self.get((DENIED, *place), ()):
            if refusal is not None:
                demand, slot = refusal
                env = list(demand.env)
                env[slot] = x
                demands.append(Demand(demand.code, tuple(env), not demand.wanted))
        if demands:
            self[PENDING,] = (*self.get((PENDING,), ()), *demands)

    def end_call(self) -> None:
        """At the end of a call: answers that may change are forgotten, and unknown elements that nothing holds."""
        self._forget_answers()
        if any((UNKNOWNS, sort) in self for sort in (*self.world.comparable, *self.world.choosable)):
            self.end_unknowns()

    def _forget_answers(self) -> None:
        if (DENIED,) not in self:
            return
        for cell in [c for c in self if c[0] == DENIED and len(c) > 1]:
            kept = tuple(each for each in self[cell] if each[1] is not None)
            if kept:
                self[cell] = kept
            else:
                del self[cell]
        if not any(c[0] == DENIED and len(c) > 1 for c in self):
            del self[DENIED,]
