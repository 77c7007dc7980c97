"""A recording, or the recordings of several kernels one after another, as parts that are replayed one by one.

A part ends where events were lost: whatever can have happened there, so the next part begins with a kernel in any state.  The recording
of the next kernel begins with what the one before it left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from luocheck.model.ir.system import System
from luocheck.traces.answer import Belief
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.replay.cells import KNOWN
from luocheck.traces.replay.configurations import Configuration, Explained, Overwhelmed, Refusal, returned
from luocheck.traces.replay.forgetting import Forgettings
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.handover import handed_over
from luocheck.traces.replay.knowledge import common, different
from luocheck.traces.replay.machine import ReplayMachine
from luocheck.traces.replay.promises import Broken, Promises
from luocheck.traces.replay.search import Search
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.world import Beginning, World, WorldStore


class Start(Enum):
    GIVEN = "with what the recordings are taken to begin with"
    LOST = "after lost events"
    KEXEC = "with what the kernel before left"
    UPDATED = "after a live update"


@dataclass(frozen=True, slots=True)
class Part:
    """Calls of one kernel without lost events in between."""

    recording: Recording
    start: Start


def shows_its_end(recording: Recording) -> bool:
    """Does a recording go on to the reboot of its kernel?"""
    return any(call.kind is Kind.REBOOT for call in recording.calls)


def parts_of(recordings: Sequence[Recording], *, joined: bool = True) -> list[Part]:
    """The parts of the recordings of kernels that followed each other.

    joined: nothing happened between the end of a recording and the reboot, also where the recording does not show the reboot.
    """
    out: list[Part] = []
    for position, recording in enumerate(recordings):
        start = Start.GIVEN
        if position:
            start = Start.KEXEC if joined or shows_its_end(recordings[position - 1]) else Start.UPDATED
        bounds = sorted({loss.line for loss in recording.losses})
        for first, last in zip([0, *bounds], [*bounds, None], strict=True):
            calls = _between(recording, first, last)
            if calls or (last is None and not out):
                out.append(Part(replace(recording, calls=calls), Start.LOST if first else start))
    return out


def _between(recording: Recording, first: int, last: int | None) -> tuple[Call, ...]:
    """The calls in [first, last); one that crosses a bound is in both parts, and how it ended is known in the later one only."""
    out = []
    for call in recording.calls:
        end = call.exit.line if call.exit is not None else None
        if (last is not None and call.enter.line >= last) or (end is not None and end < first):
            continue
        if end is None and call.enter.line < first:
            continue  # it can have happened in what was lost
        if last is not None and (end is None or end >= last):
            call = replace(call, exit=None, result=None)
        if call.enter.line < first:
            call = replace(call, enter=replace(call.enter, line=first), result=None, got={})
        out.append(call)
    return tuple(out)


def window(recording: Recording, last: Call, size: int) -> Part:
    """The last calls of a recording up to one, beginning with a kernel in any state.

    It is refused only when the whole recording is, however that begins: a call that was going on when the window begins may have taken
    effect before it, in it or not at all.
    """
    end = returned(last)
    inside = sorted((call for call in recording.calls if returned(call) <= end), key=returned)[-size:]
    first = min(call.enter.line for call in inside)
    calls = []
    for call in recording.calls:
        if call.enter.line > end or (call not in inside and call.exit is not None and call.exit.line <= first):
            continue
        if call.enter.line < first:
            call = replace(call, enter=replace(call.enter, line=first), exit=None, result=None, got={})
        calls.append(call)
    return Part(replace(recording, calls=tuple(calls)), Start.LOST)


@dataclass(slots=True)
class Replayed:
    """One reading of the recordings: what was explained of each part.  overwhelmed: something was too much to be looked at completely."""

    parts: list[Part]
    explained: list[Explained] = field(default_factory=list)
    overwhelmed: bool = False
    loosened: bool = False  # a kernel begins with any state, since the one before can have ended in too many
    trail: list[Belief] = field(default_factory=list)
    broken: list[tuple[Part, Broken]] = field(default_factory=list)
    watched: frozenset[str] | None = None  # invariants that were decided in every state of every part
    unwatched: int | None = None  # the line from which on the invariants were not looked at

    @property
    def calls(self) -> int:
        return sum(each.calls for each in self.explained)

    @property
    def refusals(self) -> list[tuple[Part, Refusal]]:
        return [(part, refusal) for part, each in zip(self.parts, self.explained, strict=False) for refusal in each.refusals]

    @property
    def gave_up(self) -> str | None:
        return next((each.gave_up for each in self.explained if each.gave_up is not None), None)

    @property
    def explains(self) -> bool:
        return self.gave_up is None and not any(each.refusals for each in self.explained)


@dataclass(slots=True)
class Replay:
    """Replays parts.  stop is asked now and then for a reason to give up.  quick: see `search`.  most: refusals in all to go on after.

    eager: see `search`.  thorough: see there; else what more unrecorded calls than are usual could explain is not followed.
    """

    system: System
    parts: list[Part]
    beginning: Beginning
    quick: bool
    stop: Callable[[], str | None]
    most: int = 1
    trail: bool = False
    promises: bool = False
    thorough: bool = False
    eager: bool = True
    unsure: bool = False  # a kernel can have ended in more ways than were looked at

    def run(self) -> Replayed:
        out = Replayed(self.parts)
        search: Search | None = None
        for number, part in enumerate(self.parts):
            later = sum(len(each.recording.calls) for each in self.parts[number:])
            search = self._part(part, search, out, later)
            out.explained.append(search.result)
            out.overwhelmed |= search.stepper.overwhelmed
            if search.result.gave_up is not None or len(out.refusals) >= self.most:
                break
        return out

    def _part(self, part: Part, before: Search | None, out: Replayed, later: int) -> Search:
        beginning, handles, stores = self.beginning, Handles.of(self.system, part.recording), None
        if part.start is Start.LOST:
            beginning = Beginning.RUNNING
        elif part.start is Start.UPDATED:
            beginning = Beginning.WARM
        elif part.start is Start.KEXEC and before is not None:
            try:
                ended = before.ended(later)
                out.overwhelmed |= before.stepper.overwhelmed
                self.unsure |= before.left_out and not self.quick
            except Overwhelmed:
                ended = []
                out.overwhelmed = out.loosened = True
            if ended:
                warm = before.stepper.machine.world.beginning is not Beginning.COLD
                beginning = Beginning.WARM if warm else Beginning.COLD
                floor = [max(store.get((KNOWN, sort.index), 0) for store in ended) for sort in self.system.sorts]
                handles = Handles.of(self.system, part.recording, before.stepper.handles, floor)
                stores = ended
            else:
                beginning = Beginning.WARM
        search = self._search(part, beginning, handles, self.most - len(out.refusals))
        machine, world = search.stepper.machine, search.stepper.machine.world
        watching = _Watching(part.recording.name, out) if self.trail else None
        promises = Promises(self.system, world) if self.promises else None

        def watch(call: Call, belief: list[Configuration]) -> None:
            if watching is not None:
                watching.watch(call, belief)
            if promises is not None:
                promises.watch(call, belief)

        search.watch = watch if self.trail or self.promises else None
        search.always = self.trail

        def beginnings() -> list[WorldStore]:
            if stores is None:
                return machine.beginnings()
            return [b for s in stores for b in machine.booted(self._handed_over(s, world))]

        search.run(beginnings())
        if self.unsure and stores is not None and search.result.refusals and not out.overwhelmed:
            out.overwhelmed = not self._is_refused_anyhow(part)
        if search.result.refusals and search.stepper.unrecorded.left_out and not out.overwhelmed:
            other = self._search(part, beginning, handles, 1)
            out.overwhelmed = not self._is_refused_whatever_was_given_up(other, beginnings())
        if promises is not None:
            out.broken += [(part, each) for each in promises.broken.values()]
            watched = promises.watched()
            out.watched = watched if out.watched is None else out.watched & watched
            out.unwatched = out.unwatched if out.unwatched is not None else promises.until
        return search

    def _is_refused_anyhow(self, part: Part) -> bool:
        """Is a call of a kernel refused whatever the kernel before handed over?"""
        search = self._search(part, Beginning.WARM, Handles.of(self.system, part.recording), 1)
        found = search.run(search.stepper.machine.beginnings())
        return bool(found.refusals) and not search.stepper.overwhelmed

    def _is_refused_whatever_was_given_up(self, search: Search, beginnings: list[WorldStore]) -> bool:
        """Is a call refused however many calls processes made before they gave something up?"""
        stepper = search.stepper
        search.forgettings, search.thorough = Forgettings(stepper.unrecorded, stepper.machine.world), False
        found = search.run(beginnings)
        return bool(found.refusals) and not stepper.overwhelmed and search.forgettings.complete

    def _search(self, part: Part, beginning: Beginning, handles: Handles, most: int) -> Search:
        world = World(self.system, beginning, tuple(handles.counts), handles.names(), self.quick)
        return Search(
            Stepper(ReplayMachine(world), handles, part.recording),
            part.recording,
            self.stop,
            self.quick,
            most,
            thorough=self.thorough,
            eager=self.eager,
        )

    def _handed_over(self, store: WorldStore, world: World) -> WorldStore:
        return handed_over(store, world)


@dataclass(slots=True)
class _Watching:
    """Writes down what is known after each call."""

    file: str
    out: Replayed
    before: dict[tuple[int, ...], object] = field(default_factory=dict)

    def watch(self, call: Call, belief: list[Configuration]) -> None:
        stores = [each.store for each in belief]
        now = common(stores)
        moment = call.exit or call.enter
        states = len({frozenset(store.items()) for store in stores}) if len(stores) > 1 else len(stores)
        self.out.trail.append(
            Belief(self.file, call.number, moment.line, moment.time, states, different(self.before, now, stores[0]))
        )
        self.before = now
