"""Packed states of the native engine and the interpreter's stores, each from the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from luocheck.checker.native.program import Text
from luocheck.model.instances import Cell, Instance, cells_of
from luocheck.model.ir.vocabulary import Field, SeqT, Value
from luocheck.model.semantics.run import FOREVER
from luocheck.model.semantics.store import Store, call_index, live_index


class States:
    """Packs and unpacks the states of one instance."""

    def __init__(self, text: Text, instance: Instance) -> None:
        self.text = text
        self.layout = text.layout
        self.instance = instance
        self.words = max(1, self.layout.words)
        self.callers = text.continuations.callers
        self.total = self.words + text.continuations.words * self.callers
        layout = self.layout
        self.cells: list[
            tuple[Field, Cell, str, Value, Any]
        ] = [  # where each cell stands, its default value and the number of that
            (
                f,
                cell,
                layout.place(f, "s", [str(x) for x in cell[1:]]),
                layout.defaults[f.index],
                layout.code(f, layout.defaults[f.index]) if not isinstance(f.type, SeqT) else None,
            )
            for f in layout.changing
            for cell in cells_of(f, layout.sizes)
        ]

    def pack(self, store: Store) -> list[int]:
        """Words of a state in which nobody is inside a call."""
        layout, system = self.layout, self.layout.system
        numbers: dict[str, int] = {}
        for f, cell, place, default, _ in self.cells:
            value: Any = store.get(cell, default)
            if isinstance(f.type, SeqT):
                numbers[f"{place}.n"] = len(value)
                numbers |= {f"{place}.x[{i}]": x for i, x in enumerate(value)}
            else:
                numbers[place] = layout.code(f, value)
        for sort in system.sorts:
            live = live_index(system, sort)
            numbers[f"s->live{sort.index}"] = sum(1 << x for x in range(layout.sizes[sort.index]) if (live, x) in store)
        for i, lock in enumerate(layout.locks):
            if lock in store:
                numbers[f"s->kept[{i}]"] = 2 if store[lock][0] == "x" else 1
        words = [0] * self.total
        for piece in self.text.pieces:
            words[piece.word] |= (numbers.get(piece.place, 0) + piece.bias if piece.place in numbers else 0) << piece.shift
        return words

    def unpack(self, words: Sequence[int]) -> Store:
        layout, system = self.layout, self.layout.system
        numbers = {p.place: (words[p.word] >> p.shift & ((1 << p.width) - 1)) - p.bias for p in self.text.pieces}
        store = Store(self.instance, self.instance.fixed)
        for f, cell, place, default, usual in self.cells:
            number: int | list[int]
            if isinstance(f.type, SeqT):
                number = [numbers.get(f"{place}.x[{i}]", 0) for i in range(numbers.get(f"{place}.n", 0))]
            else:
                number = numbers.get(place, usual)
                if number == usual:
                    continue
            value = layout.meaning(f.type, number)
            if value != default:
                store[cell] = value
        for sort in system.sorts:
            alive = numbers.get(f"s->live{sort.index}", 0)
            for x in range(layout.sizes[sort.index]):
                if alive >> x & 1:
                    store[live_index(system, sort), x] = True
        holders: dict[int, list[int]] = {}
        modes: dict[int, str] = {}
        for i in range(len(layout.locks)):
            kept = numbers.get(f"s->kept[{i}]", 0)
            if kept:
                holders[i], modes[i] = [FOREVER], "x" if kept == 2 else "s"
        waits = self.text.continuations
        for caller in range(self.callers):
            first = self.words + caller * waits.words
            bits = sum(word << 64 * k for k, word in enumerate(words[first : first + waits.words]))
            waiting = waits.read(bits, self.instance.fixed)
            if waiting is None:
                continue
            store[call_index(system), caller] = waiting
            for lock, shared in waiting.held:
                i = layout.locks.index(lock)
                holders.setdefault(i, []).append(caller)
                modes.setdefault(i, "s" if shared else "x")
        for i, names in holders.items():
            store[layout.locks[i]] = (modes[i], tuple(sorted(names)))
        return store
