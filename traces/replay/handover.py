"""From one kernel to the next: what kexec leaves of a state in which not everything is decided.

The cells of fields follow the lifetimes of the spec, as in `model.semantics.lifetimes`; what is known about undecided cells goes with the
cells that it is about.  Processes and descriptors belong to one kernel.
"""

from __future__ import annotations

from luocheck.model.instances import Cell
from luocheck.model.semantics.lifetimes import surviving, survivors
from luocheck.traces.replay.cells import ABSENT, APART, DENIED, EDGE, EXCLUDED, FACTS, KNOWN, OLD, UNKNOWNS, UNSEEN
from luocheck.traces.replay.world import World, WorldStore


def handed_over(store: WorldStore, world: World) -> WorldStore:
    """The state before `boot` of the next kernel, whose replay has the world `world`; every sort has at least `world.known` elements."""
    fields, sorts = survivors(world.system)
    cells = surviving(world.system)
    out = WorldStore(world.instance)
    out.world = world
    for cell, value in store.items():
        kind = cell[0]
        if kind >= 0:
            keep = kind in cells
        elif kind in (KNOWN, EDGE, UNKNOWNS, APART):
            keep = True
        elif kind == UNSEEN:
            keep = cell[1] in sorts
        elif kind == OLD:
            keep, value = cell[1] in sorts, "preserved"
        elif kind == FACTS:
            value = tuple((index, fact) for index, fact in value if index in fields)
            keep = bool(value) and cell[1] in sorts
        elif kind in (EXCLUDED, ABSENT):
            keep = cell[1] in cells
        elif kind == DENIED and len(cell) > 1:
            value = tuple(each for each in value if each[1] is not None)
            keep = bool(value) and _survives(cell[1:], cells, sorts)
        else:
            keep = False
        if keep:
            out[cell] = value
            if kind == DENIED:
                out[DENIED,] = ()
    for index, count in enumerate(world.known):
        if count > out.get((KNOWN, index), 0):
            out[KNOWN, index] = count
    return out


def _survives(place: Cell, cells: set[int], sorts: set[int]) -> bool:
    """Is the place of unseen elements there in the next kernel?"""
    return place[1] in sorts if place[0] == UNSEEN else place[0] in cells
