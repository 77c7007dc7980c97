"""Calls in progress: what is kept of one at each place where it can stop, in C and back as the interpreter's value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from luocheck.checker.native.layout import Layout
from luocheck.checker.native.refusal import Refused
from luocheck.checker.native.statements import Stop
from luocheck.checker.native.walks import Node, Walk
from luocheck.model.instances import Cell, cells_of
from luocheck.model.ir import statements as st
from luocheck.model.ir.vocabulary import ElemT, Field, IntT, SeqT, SetT, Sort, Type
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.run import BOOT, CALL, CATCH, SEQ, UNDO, WALK, Continuation, Frame
from luocheck.model.semantics.store import live_index

MAX_ITEMS = 4096


@dataclass(frozen=True, slots=True)
class Item:
    """One number: its C place, how many bits it needs, and what makes it a natural number."""

    place: str
    width: int
    bias: int
    number: bool = False  # a number without bounds, to be looked at before it is kept


@dataclass(frozen=True, slots=True)
class Part:
    """Some items that belong together.

    what: value (of a type, a local or a cell), locks, guards, rounds or now (of a walk), live (of a pool), or plain.  cell: where a value
    stood in the state before the call.
    """

    what: str
    items: list[Item]
    type: Type | None = None
    walk: Walk | None = None
    sort: Sort | None = None
    cell: Cell | None = None
    sorted: bool = False  # rounds: kept in the order of the elements


_NUMBER_BIAS = 1 << 15


class Continuations:
    """What the stops of all events keep.  Raises Refused when it is too much."""

    def __init__(self, layout: Layout, machine: Machine, stops: list[Stop], callers: int) -> None:
        self.layout = layout
        self.machine = machine
        self.stops = stops
        self.callers = callers
        acquires = [sum(isinstance(s, st.Acquire) for s in st.statements(event.body)) for event in layout.system.events]
        self.max_held = min(32, max(acquires, default=0) + 2) if layout.locks else 1
        self.items = [list(self._items(stop)) for stop in stops]
        self.length = max([1, *map(len, self.items)])
        if self.length > MAX_ITEMS:
            raise Refused(f"a call that stops keeps more than {MAX_ITEMS} values")
        self.pc_width = len(stops).bit_length()
        self.bits = self.pc_width + max([0, *(sum(i.width for i in items) for items in self.items)])
        self.words = (self.bits + 63) // 64 if callers else 0

    # ---- what is kept -------------------------------------------------------------------------------------------

    def _items(self, stop: Stop) -> Iterator[Item]:
        for part in self.parts(stop):
            yield from part.items

    def parts(self, stop: Stop) -> Iterator[Part]:
        """Everything that is kept at a stop, in its order."""
        layout = self.layout
        if layout.locks:
            codes = 2 * len(layout.locks)
            held = [Item(f"h.x[{i}]", codes.bit_length(), 1) for i in range(self.max_held)]
            yield Part("locks", [Item("h.n", self.max_held.bit_length(), 0), *held])
            highest = max((node.id for node in stop.stack), default=0)
            guards = [Item("h.guards", self.max_held.bit_length(), 0)]
            for i in range(self.max_held):
                guards += [Item(f"h.guard[{i}]", codes.bit_length(), 1), Item(f"h.block[{i}]", highest.bit_length(), 0)]
            yield Part("guards", guards)
        for slot in self._slots(stop):
            type_ = stop.event.slots[slot]
            assert type_ is not None
            yield self._value(f"v{slot}", type_)
        for node in stop.stack:
            if node.kind == "catch":
                yield self._failure(f"C{node.number}")
            elif node.kind == "walk":
                assert node.walk is not None
                for name in _lists(node.walk):
                    yield self._rounds(f"W{node.walk.id}_{name}", node.walk, name == "left" and node.walk.any_order)
                yield Part("now", [Item(f"W{node.walk.id}_now", node.walk.length.bit_length(), 1)], walk=node.walk)
            elif node.kind == "undo":
                assert node.walk is not None
                yield self._rounds(f"W{node.walk.id}_left", node.walk, False)
                yield self._failure(f"W{node.walk.id}")
        for f in self._kept(stop):
            for cell in cells_of(f, layout.sizes):
                place = layout.place(f, "o", [str(x) for x in cell[1:]])
                yield replace(self._value(place, f.type), cell=cell)
        for sort in self._kept_pools(stop):
            yield Part("live", [Item(f"o->live{sort.index}", layout.sizes[sort.index], 0)], sort=sort)

    def _value(self, place: str, type_: Type) -> Part:
        match type_:
            case SetT(sort):
                items = [Item(place, self.layout.sizes[sort.index], 0)]
            case SeqT(sort):
                size = self.layout.sizes[sort.index]
                items = [Item(f"{place}.n", size.bit_length(), 0)]
                items += [Item(f"{place}.x[{i}]", max(0, size - 1).bit_length(), 0) for i in range(size)]
            case IntT():
                items = [Item(place, 17, _NUMBER_BIAS, number=True)]
            case _:
                items = [Item(place, (self.layout.highest(type_) + 1).bit_length(), 1)]
        return Part("value", items, type=type_)

    def _failure(self, name: str) -> Part:
        error = Item(f"{name}_err", len(self.layout.errnos).bit_length(), 1)
        return Part("plain", [error, Item(f"{name}_lab", len(self.layout.labels).bit_length(), 1)])

    def _rounds(self, name: str, walk: Walk, in_order: bool) -> Part:
        items = [Item(f"{name}.n", walk.length.bit_length(), 0)]
        items += [Item(f"{name}.x[{i}]", (walk.length - 1).bit_length(), 0) for i in range(walk.length)]
        return Part("rounds", items, walk=walk, sorted=in_order)

    def _slots(self, stop: Stop) -> list[int]:
        """Locals that can have a value there."""
        event = stop.event
        found = set(event.argument_slots)
        if event.result is not None:
            found.add(event.result.slot)
        for node in stop.stack:
            if node.block is not None:
                found |= set(node.block.locals)
            if node.call is not None and node.call.result is not None:
                found.add(node.call.result)
        return sorted(slot for slot in found if slot and event.slots[slot] is not None)

    def _kept(self, stop: Stop) -> list[Field]:
        kept = self.machine.kept_for_old[stop.event.index]
        return [f for f in self.layout.changing if f.index in kept]

    def _kept_pools(self, stop: Stop) -> list[Sort]:
        kept = self.machine.kept_for_old[stop.event.index]
        return [s for s in self.layout.system.sorts if s.pool and live_index(self.layout.system, s) in kept]

    # ---- C ------------------------------------------------------------------------------------------------------

    def struct(self) -> str:
        return f"struct C {{ int pc; i64 v[{self.length}]; }};"

    def fill(self, body: str) -> str:
        """Puts the saving and loading of calls where the body has its marks."""
        body = re.sub(r"@SAVE(\d+)@", lambda m: self._save(int(m[1])), body)
        return re.sub(r"@LOAD(\d+)@", lambda m: self._load(int(m[1])), body)

    def _save(self, pc: int) -> str:
        out = [f"{{ stopped = {pc}; struct C *c = &s->c[who]; memset(c, 0, sizeof *c); c->pc = {pc};"]
        for k, (item, guard) in enumerate(self._guarded(pc)):
            if item.number:
                out.append(f"if ({item.place} < -{_NUMBER_BIAS} || {item.place} >= {_NUMBER_BIAS}) goto BAIL;")
            value = f"(i64){item.place} + {item.bias}" if item.bias else f"(i64){item.place}"
            out.append(f"if ({guard}) c->v[{k}] = {value};" if guard else f"c->v[{k}] = {value};")
        return " ".join([*out, "}"])

    def _load(self, pc: int) -> str:
        out = []
        for k, (item, guard) in enumerate(self._guarded(pc)):
            place = item.place.replace("o->", "before.")
            assign = f"{place} = c->v[{k}] - {item.bias};" if item.bias else f"{place} = c->v[{k}];"
            out.append(f"if ({guard}) {assign}" if guard else assign)
        out.append("memset(&s->c[who], 0, sizeof s->c[who]);")
        for i, slot in enumerate(self.stops[pc - 1].event.argument_slots):
            out.append(f"r->args[{i}] = v{slot};")
        return " ".join(out)

    def _guarded(self, pc: int) -> Iterator[tuple[Item, str]]:
        """Items with the condition under which they mean something: what is behind the end of a list is not kept."""
        for item in self.items[pc - 1]:
            at = re.fullmatch(r"(.*)\.(x|guard|block)\[(\d+)\]", item.place)
            if at is None:
                yield item, ""
            else:
                yield item, f"{at[1]}.{'n' if at[2] == 'x' else 'guards'} > {at[3]}"

    def lock_code(self) -> str:
        """Is a lock taken by another call, or for ever?"""
        others = ""
        if self.callers:
            others = (
                f"for (int k = 0; k < {self.callers}; k++) if (s->c[k].pc) for (int i = 1; i <= s->c[k].v[0]; i++) "
                "{ int code = (int)s->c[k].v[i] - 1; if (code >> 1 == lock && !(shared && (code & 1))) return 1; }"
            )
        return (
            "static int lock_taken(const struct S *s, int lock, int shared) "
            f"{{ if (s->kept[lock] && !(shared && s->kept[lock] == 1)) return 1; {others} return 0; }}"
        )

    def named(self, sort: Sort) -> str:
        """Elements of a sort that calls in progress refer to, for a function that collects them."""
        if not self.callers or not self.stops:
            return ""
        cases = []
        for stop, items in zip(self.stops, self.items, strict=True):
            slots = [
                f"v{slot}"
                for slot in self._slots(stop)
                if isinstance(type_ := stop.event.slots[slot], ElemT) and type_.sort is sort
            ]
            at = [k for k, item in enumerate(items) if item.place in slots]
            parts = " ".join(f"if (c->v[{k}]) named |= BIT(c->v[{k}] - 1);" for k in at)
            cases.append(f"case {stop.pc}: {parts} break;")
        return (
            f"for (int k = 0; k < {self.callers}; k++) {{ const struct C *c = &s->c[k]; switch (c->pc) {{ {' '.join(cases)} }} }}"
        )

    def tables(self) -> str:
        """Widths of the items by stop, and which event a stop belongs to."""
        widths = ", ".join("{" + ", ".join(str(i.width) for i in items) + "}" for items in [[], *self.items])
        counts = ", ".join(str(len(items)) for items in [[], *self.items])
        events = ", ".join(["0", *(str(stop.event.index) for stop in self.stops)])
        n = len(self.stops) + 1
        return (
            f"static const uint8_t item_width[{n}][{self.length}] = {{ {widths.replace('{}', '{0}')} }}; "
            f"static const uint16_t item_count[{n}] = {{ {counts} }}; "
            f"static const int16_t stop_event[{n}] = {{ {events} }}; "
            "static inline int waiting_event(int pc) { return stop_event[pc]; } "
            "static inline void put_bits(u64 *w, int *at, u64 value, int width) { if (!width) return; int i = *at >> 6, shift = *at & 63; "
            "w[i] |= value << shift; if (shift + width > 64) w[i + 1] |= value >> (64 - shift); *at += width; } "
            "static inline u64 get_bits(const u64 *w, int *at, int width) { if (!width) return 0; int i = *at >> 6, shift = *at & 63; "
            "u64 value = w[i] >> shift; if (shift + width > 64) value |= w[i + 1] << (64 - shift); *at += width; "
            "return width == 64 ? value : value & (BIT(width) - 1); }"
        )

    def pack_code(self, first: int) -> str:
        return (
            f"for (int k = 0; k < {self.callers}; k++) {{ const struct C *c = &s->c[k]; u64 *d = w + {first} + k * {self.words}; int at = 0; "
            f"memset(d, 0, {self.words} * sizeof *d); if (!c->pc) continue; put_bits(d, &at, (u64)c->pc, {self.pc_width}); "
            "for (int i = 0; i < item_count[c->pc]; i++) put_bits(d, &at, (u64)c->v[i], item_width[c->pc][i]); }"
        )

    def unpack_code(self, first: int) -> str:
        return (
            f"for (int k = 0; k < {self.callers}; k++) {{ struct C *c = &s->c[k]; const u64 *d = w + {first} + k * {self.words}; int at = 0; "
            f"c->pc = (int)get_bits(d, &at, {self.pc_width}); if (!c->pc) continue; "
            "for (int i = 0; i < item_count[c->pc]; i++) c->v[i] = (i64)get_bits(d, &at, item_width[c->pc][i]); }"
        )

    # ---- back to the interpreter --------------------------------------------------------------------------------

    def read(self, bits: int, fixed: dict[Cell, Any]) -> Continuation | None:
        """The call in progress that some packed words stand for, None when there is none."""
        pc = bits & ((1 << self.pc_width) - 1)
        if not pc:
            return None
        bits >>= self.pc_width
        stop = self.stops[pc - 1]
        values: dict[str, int] = {}
        for item in self.items[pc - 1]:
            values[item.place] = (bits & ((1 << item.width) - 1)) - item.bias
            bits >>= item.width
        return _Reader(self, stop, values).continuation(fixed)


class _Reader:
    """Reads one call in progress from its numbers."""

    def __init__(self, parent: Continuations, stop: Stop, values: dict[str, int]) -> None:
        self.parent = parent
        self.layout = parent.layout
        self.stop = stop
        self.values = values

    def continuation(self, fixed: dict[Cell, Any]) -> Continuation:
        event, layout = self.stop.event, self.layout
        env: list[Any] = [None] * len(event.slots)
        for slot in self.parent._slots(self.stop):
            type_ = event.slots[slot]
            assert type_ is not None
            env[slot] = layout.meaning(type_, self._value(f"v{slot}", type_))
        held: tuple[tuple[Cell, bool], ...] = ()
        guards: dict[int, list[tuple[Cell, bool]]] = {}
        if layout.locks:
            held = tuple(self._lock(self.values[f"h.x[{i}]"]) for i in range(self.values["h.n"]))
            for i in range(self.values["h.guards"]):
                guards.setdefault(self.values[f"h.block[{i}]"], []).append(self._lock(self.values[f"h.guard[{i}]"]))
        frames = tuple(self._frame(n, i, guards) for n, i in zip(self.stop.stack, self.stop.indexes, strict=True))
        kept = self.parent.machine.kept_for_old[event.index]
        old: dict[Cell, Any] = {cell: value for cell, value in fixed.items() if cell[0] in kept}
        for f in self.parent._kept(self.stop):
            for cell in cells_of(f, layout.sizes):
                place = layout.place(f, "o", [str(x) for x in cell[1:]])
                value = layout.meaning(f.type, self._value(place, f.type))
                if value != layout.defaults[f.index]:
                    old[cell] = value
        for sort in self.parent._kept_pools(self.stop):
            alive = self.values[f"o->live{sort.index}"]
            for x in range(layout.sizes[sort.index]):
                if alive >> x & 1:
                    old[live_index(layout.system, sort), x] = True
        return Continuation(event.index, tuple(env), frames, held, frozenset(old.items()), self.stop.label)

    def _value(self, place: str, type_: Type) -> int | list[int]:
        if isinstance(type_, SeqT):
            return [self.values[f"{place}.x[{i}]"] for i in range(self.values[f"{place}.n"])]
        return self.values[place]

    def _lock(self, code: int) -> tuple[Cell, bool]:
        return self.layout.locks[code >> 1], bool(code & 1)

    def _failure(self, name: str) -> tuple[str | None, str | None]:
        error, label = self.values[f"{name}_err"], self.values[f"{name}_lab"]
        return (
            self.layout.errnos[error] if error >= 0 else None,
            self.layout.labels[label] if label >= 0 else None,
        )

    def _frame(self, node: Node, index: int, guards: dict[int, list[tuple[Cell, bool]]]) -> Frame:
        match node.kind:
            case "seq":
                return (SEQ, node.number, index, tuple(guards.get(node.id, ())))
            case "call":
                return (CALL, node.number)
            case "catch":
                return (CATCH, *self._failure(f"C{node.number}"))
            case "walk":
                assert node.walk is not None
                name = f"W{node.walk.id}"
                lists = {part: self._rounds(f"{name}_{part}", node.walk) for part in _lists(node.walk)}
                now = self._element(node.walk, self.values[f"{name}_now"])
                return (WALK, node.number, lists.get("all", ()), lists.get("left", ()), lists.get("seen", ()), now)
            case "undo":
                assert node.walk is not None
                name = f"W{node.walk.id}"
                return (UNDO, node.number, self._rounds(f"{name}_left", node.walk), *self._failure(name))
            case "boot":
                return (BOOT,)
        raise AssertionError(node.kind)

    def _rounds(self, name: str, walk: Walk) -> tuple[tuple[int, ...], ...]:
        return tuple(self._element(walk, self.values[f"{name}.x[{i}]"]) for i in range(self.values[f"{name}.n"]))

    def _element(self, walk: Walk, code: int) -> tuple[int, ...]:
        found: list[int] = []
        for size in reversed(walk.sizes):
            found.append(code % size)
            code //= size
        return tuple(reversed(found))


def _lists(walk: Walk) -> list[str]:
    """The lists that a walk needs to go on."""
    found = [] if walk.stmt.drains else ["left"]
    if walk.keeps_seen:
        found.append("seen")
    if walk.keeps_all:
        found.append("all")
    return found
