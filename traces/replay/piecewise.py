"""Replay of a recording that comes piece by piece: what is believed after a piece is kept, and the calls are not.

Only explanations are found that way.  A piece that no state allows which is believed need not be a violation: another explanation of the
calls before it may have led to another state, and those calls are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from luocheck.model.ir.system import System
from luocheck.traces.call import Call, Recording
from luocheck.traces.replay.cells import BOUND, KNOWN
from luocheck.traces.replay.configurations import Configuration
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.kernels import Part, Start, parts_of
from luocheck.traces.replay.machine import ReplayMachine
from luocheck.traces.replay.promises import Promises
from luocheck.traces.replay.search import Search
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.world import Beginning, World, WorldStore

MOST_OPTIONAL = 64
"""Most calls that may still have an effect after the piece in which they were made."""


@dataclass(frozen=True, slots=True)
class Believed:
    """What is believed after the calls so far.

    beginning: of the recording, or of what came after its last lost events.  handles and belief: None before the first piece.  optional:
    calls that may still have an effect.  states: how many agree; inserted: unrecorded calls that were needed.
    """

    system: System
    beginning: Beginning
    handles: Handles | None = None
    belief: tuple[Configuration, ...] = ()
    optional: dict[int, Call] = field(default_factory=dict)
    explained: int = 0
    inserted: int = 0
    states: int = 0

    def after(self, piece: Recording, quick: bool, stop: Callable[[], str | None]) -> Believed | None:
        """What is believed after the calls of the next piece; None when that is nothing, or not found out before there is a reason to stop.

        A piece after which a promise of the spec does not hold in any state has no explanation here.
        """
        now: Believed | None = self
        for part in parts_of([piece]):
            now = now._after(part, quick, stop) if now is not None else None
        return now

    def _after(self, part: Part, quick: bool, stop: Callable[[], str | None]) -> Believed | None:
        lost = part.start is Start.LOST
        beginning, before = (Beginning.RUNNING, None) if lost else (self.beginning, self.handles)
        floor = [max((c.store.get((KNOWN, s.index), 0) for c in self.belief), default=0) for s in self.system.sorts]
        handles = Handles.of(self.system, part.recording, before, floor, rebooted=False)
        if handles.moved:
            return None  # where numbers far apart are put depends on all calls
        world = World(self.system, beginning, tuple(handles.counts), handles.names(), quick)
        machine = ReplayMachine(world)
        search = Search(Stepper(machine, handles, part.recording), part.recording, stop, quick)
        promises = Promises(self.system, world)
        search.watch, search.always = promises.watch, False
        if before is None:
            found = search.run(machine.beginnings())
        else:
            search.optional = dict(self.optional)
            found = search.go_on(each._replace(store=_moved(each.store, world)) for each in self.belief)
        if found.refusals or found.gave_up is not None or any(b.definite and not b.expected for b in promises.broken.values()):
            return None
        return replace(
            self,
            beginning=beginning,
            handles=handles,
            belief=tuple(found.belief),
            optional=search.open_calls(),
            explained=self.explained + found.calls,
            inserted=self.inserted + found.inserted,
            states=found.states,
        )

    def settled(self, files: Collection[int]) -> Believed | None:
        """Without what no later call is about; None when too many calls can still have an effect.  files: numbers of open files in use."""
        if len(self.optional) > MOST_OPTIONAL:
            return None
        belief: dict[object, Configuration] = {}
        for each in self.belief:
            store = each.store.copy()
            for cell in [cell for cell in store if cell[0] == BOUND and cell[1] not in files]:
                del store[cell]
            kept = Configuration(store, each.done.intersection(self.optional))
            belief.setdefault(kept.key, kept)
        return replace(self, belief=tuple(belief.values()))


def _moved(store: WorldStore, world: World) -> WorldStore:
    """The state with what the next piece names for the first time."""
    out = WorldStore(world.instance, store)
    out.world = world
    for sort in world.system.sorts:
        for _ in range(out.get((KNOWN, sort.index), 0), world.known[sort.index] if not sort.pool else 0):
            out.fresh(sort)
    return out
