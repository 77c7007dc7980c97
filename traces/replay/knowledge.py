"""What all states that agree have in common, in the words of the spec."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from luocheck.model.instances import Cell
from luocheck.model.ir.vocabulary import Sort
from luocheck.model.semantics.shown import place_text, value_text
from luocheck.model.semantics.store import live_index
from luocheck.traces.replay.unknowns import Unknown
from luocheck.traces.replay.world import OpenSet, OpenTuple, WorldStore

MOST_STATES = 64
"""States that are compared; with more of them little is common anyway."""

MOST_SHOWN = 12
"""Lines of knowledge in a report."""


def common(stores: Iterable[WorldStore]) -> dict[Cell, Any]:
    """The cells of fields that have the same decided value in all states."""
    iterator = iter(stores)
    first = next(iterator, None)
    if first is None:
        return {}
    fields = len(first.instance.system.fields)
    found = {cell: value for cell, value in first.items() if 0 <= cell[0] < fields and type(value) is not Unknown}
    for count, store in enumerate(iterator, 2):
        if count > MOST_STATES:
            break
        found = {cell: value for cell, value in found.items() if store.get(cell) == value}
    return found


def texts(cells: dict[Cell, Any], store: WorldStore) -> tuple[str, ...]:
    """Cells and their values, `Session "a".state = OUTGOING`, the first of them."""
    out = []
    for cell in sorted(cells)[:MOST_SHOWN]:
        value = cells[cell]
        text = value_text(value, store.instance.system.fields[cell[0]].type, store.instance)
        if isinstance(value, OpenTuple | OpenSet):
            text += " and perhaps more"
        out.append(f"{place_text(cell, store.instance)} = {text}")
    if len(cells) > MOST_SHOWN:
        out.append(f"and {len(cells) - MOST_SHOWN:,} more")
    return tuple(out)


def different(before: dict[Cell, Any], after: dict[Cell, Any], store: WorldStore) -> tuple[str, ...]:
    """What became known or changed between two moments; what holds its first value again is among it when its element is still there."""
    changed = {cell: value for cell, value in after.items() if cell not in before or before[cell] != value}
    for cell in before:
        if cell not in store and not store.is_lazy(cell) and _is_there(cell, store):
            changed[cell] = store.instance.defaults[cell[0]]
    return texts(changed, store)


def _is_there(cell: Cell, store: WorldStore) -> bool:
    system = store.instance.system
    owners = zip(cell[1:], system.fields[cell[0]].owners, strict=True)
    return all(not isinstance(o, Sort) or not o.pool or (live_index(system, o), x) in store for x, o in owners)
