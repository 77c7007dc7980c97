"""trace.dat of trace-cmd as records, without trace-cmd: the CPUs of all its buffers merged by time.

The line of a record is the number of its event, counted as `trace-cmd report` shows them.  Only events that can say something about calls
are taken apart; all others are counted by their kind.  A page of each CPU is in memory, never the file.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import itemgetter

from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.traces.call import Note
from luocheck.traces.formats.cursor import Broken
from luocheck.traces.formats.event_format import EventFormat, parse_format
from luocheck.traces.formats.kallsyms import Symbols
from luocheck.traces.formats.ring_buffer import BACKWARDS, GAP, LOST, UNWANTED, Entry, Lane, PageLayout, Peek, usage
from luocheck.traces.formats.trace_dat_file import Buffer, Container, Extent, pages, read_container
from luocheck.traces.formats.trace_events import PLACES, Read, Reading, peek_of, reader_of
from luocheck.traces.records import Ended, Event, Executed, Forked, Gap, Record, Tally
from luocheck.traces.source import Capture
from luocheck.traces.syscalls import MACHINES, X86_64

_NANOSECONDS = frozenset({"local", "global", "perf", "mono", "mono_raw", "boot", "tai"})
"""Clocks that count ns; the others of the kernel count something else."""

_MOVED = re.compile(r"^(?:0x)?0*[1-9a-f][0-9a-f]*\s+\[kernel\]", re.MULTILINE)
"""In last_boot_info: by how much the kernel of the boot before was moved; the symbols in the file are those of the one that wrote it."""

_SAME = 10**9
_MOST_TASKS = 1 << 16


def read_records(capture: Capture, layout: str, tally: Tally) -> Iterator[Record]:
    """Records of a trace.dat in the order of their times.  Raises SpecError (LUO700) for a file whose beginning cannot be read."""
    file, size = capture.whole()
    with file:
        try:
            container = read_container(file, size)
            pages_of = PageLayout.of(container.header_page, container.order, container.word)
        except ValueError as error:
            fail("LUO700", f"this trace.dat cannot be read: {error}", Span(Source(capture.name, ""), 0, 0))
        yield from _Reader(capture, container, pages_of, tally).records()


@dataclass(slots=True, eq=False)
class _Source:
    """A lane with its pages.  ready: its records that are not handed out yet, from `place` on.  ended: there are no more pages."""

    lane: Lane
    input: Iterator[bytes]
    ready: list[Entry] = field(default_factory=list)
    place: int = 0
    ended: bool = False


class _Reader:
    def __init__(self, capture: Capture, container: Container, layout: PageLayout, tally: Tally) -> None:
        self.capture, self.container, self.layout, self.tally = capture, container, layout, tally
        kinds = [kind for system, text in container.formats if (kind := parse_format(system, text)) is not None]
        self.kinds: dict[int, EventFormat] = {kind.number: kind for kind in reversed(kinds)}
        self.clocks = {each.clock or container.clock for each in container.buffers if each.extents} - {None}
        self.counts: Counter[int] = Counter()
        self.number = 0
        self.moved = _MOVED.search(container.last_boot or "") is not None
        self.symbols = Symbols(b"" if self.moved else container.kallsyms)
        self.peeks: dict[int, Peek] = {}
        self.reads = [self._readers(buffer) for buffer in container.buffers]
        self.wanted = frozenset().union(*self.reads) | {GAP}
        self.tasks: dict[tuple[type[Event], int], tuple[int, int]] = {}

    def _readers(self, buffer: Buffer) -> dict[int, Read]:
        container = self.container
        machine = (container.uname or "").rpartition(" ")[2]
        reading = Reading(container.order, container.word, self.symbols, MACHINES.get(machine, X86_64), buffer.name)
        out: dict[int, Read] = {}
        for number, kind in self.kinds.items():
            if not self._asked_for(kind):
                continue
            try:
                read = reader_of(kind, reading)
            except ValueError as error:
                self._remark(
                    "LUO706", f"the format of {kind.system}:{kind.name} contradicts itself ({error}): its events are not read"
                )
                continue
            if read is not None:
                out[number] = read
                peek = peek_of(kind, reading)
                if peek is not None:
                    self.peeks[number] = peek
        return out

    def _asked_for(self, kind: EventFormat) -> bool:
        """A system call that nobody wants to know of is passed over like any other event."""
        wanted = self.tally.wanted
        return wanted is None or kind.system != "syscalls" or kind.name.partition("_")[2].partition("_")[2] in wanted

    def _remark(self, code: str, text: str) -> None:
        self.tally.remark(Note(code, None, text))

    # ---- records -------------------------------------------------------------------------------------------------

    def records(self) -> Iterator[Record]:
        container = self.container
        self._about()
        if container.damaged:
            yield Record(1, None, None, None, None, Gap(None, "the file is damaged: the data of some CPUs can be missing"))
        if len(self.clocks) > 1:
            yield Record(1, None, None, None, None, Gap(None, "its buffers have different clocks: what came first is not known"))
        sources = []
        for index, buffer in enumerate(container.buffers):
            for extent in buffer.extents:
                yield from self._uncounted(buffer, extent)
                lane = Lane(self.layout, extent.cpu, index, peeks=self.peeks)
                sources.append(_Source(lane, pages(container, buffer, extent)))
        for batch in self._batches(sources):
            yield from self._read(batch)
        unknown = [number for number in self.counts if number not in self.kinds]
        if unknown:
            total = sum(self.counts[number] for number in unknown)
            self._remark("LUO706", f"{total} events are of kinds that the file does not describe")

    def _about(self) -> None:
        container, clocks = self.container, self.clocks
        about = [f"recorded by {container.uname}"] if container.uname else []
        about += [f"with the clock {' and '.join(sorted(map(str, clocks)))}"] if clocks else []
        if "local" in clocks and len({extent.cpu for buffer in container.buffers for extent in buffer.extents}) > 1:
            about[-1] += " (each CPU has its own: events of two CPUs can be out of order by some microseconds)"
        about += [f"in a buffer of the boot before ({container.last_boot})"] if container.last_boot else []
        if about:
            self._remark("LUO716", ", ".join(about))
        machine = (container.uname or "").rpartition(" ")[2]
        if container.uname and machine not in MACHINES and any(k.system == "raw_syscalls" for k in self.kinds.values()):
            self._remark("LUO711", f"the numbers of system calls of {machine} are not known: they are read as those of x86-64")
        if any(PLACES & {each.name for each in kind.fields} for kind in self.kinds.values()) and not self.symbols:
            why = "its events are of a kernel that lay elsewhere in memory" if self.moved else "kernel.kptr_restrict"
            self._remark("LUO711", f"the file has no addresses of functions ({why}): what its probes probe is not known")
        for remark in container.remarks:
            self._remark("LUO706", remark)
        self.tally.integer_clock = bool(clocks - _NANOSECONDS) and container.scale is None

    def _uncounted(self, buffer: Buffer, extent: Extent) -> Iterator[Record]:
        """Losses that the kernel counted and no page shows: they can be anywhere, so they are told before everything else."""
        losses = self.container.losses.get((buffer.name, extent.cpu))
        if losses is None:
            return
        count = losses.overwritten
        if count:
            shown = self._shown(buffer, extent)
            count = 0 if shown is None else max(count - shown, 0)
        if count:
            yield Record(1, None, None, None, extent.cpu, Gap(count, "older events of this CPU were overwritten", True))
        if losses.refused:
            yield Record(1, None, None, None, extent.cpu, Gap(losses.refused, "the buffer of this CPU was full"))

    def _shown(self, buffer: Buffer, extent: Extent) -> int | None:
        """How many events pages say to be lost; None where some say so without a number, or cannot be read."""
        total = 0
        try:
            for page in pages(self.container, buffer, extent):
                lost = usage(page, self.layout)[1]
                if lost is not None and lost < 0:
                    return None
                total += lost or 0
        except (Broken, OSError):
            return None
        return total

    def _read(self, batch: list[Entry]) -> Iterator[Record]:
        tally, reads, several = self.tally, self.reads, len(self.reads) > 1
        wanted, scale, shift = self.wanted, self.container.scale, self.container.shift
        gaps = 0
        for number, entry in [pair for pair in enumerate(batch, self.number + 1) if pair[1][1] in wanted]:
            time, kind, page, begin, end, lane = entry
            if scale is not None:
                time = time * scale[0] >> scale[1]
            time += shift
            if kind == GAP:
                gaps += 1
                yield Record(number - gaps + 1, time if entry[0] >= 0 else None, None, None, lane.cpu, _gap(entry))
                continue
            read = reads[lane.buffer].get(kind)
            if read is None:
                continue
            try:
                found = read(page, begin, end)
            except (struct.error, ValueError) as error:
                tally.skip(number - gaps, f"{self._name(kind)}: {error}".encode())
                yield Record(number - gaps, time, None, None, lane.cpu, Gap(None, "an event could not be read"))
                continue
            if found is None:
                continue
            thread, event = found
            if several and self._repeated(thread, event, lane.buffer, time):
                continue
            yield Record(number - gaps, time, thread, None, lane.cpu, event)
        kinds = Counter(map(itemgetter(1), batch))
        del kinds[GAP]
        for number in self.peeks:
            unwanted = kinds.pop(number + UNWANTED, 0)
            if unwanted:
                kinds[number] += unwanted
        self.counts += kinds
        tally.names.update({self._name(kind): count for kind, count in kinds.items()})
        self.number += kinds.total()
        tally.events = tally.lines = self.number

    def _name(self, kind: int) -> str:
        known = self.kinds.get(kind)
        return known.name if known is not None else f"event {kind}"

    def _repeated(self, thread: int, event: Event, buffer: int, time: int) -> bool:
        """Beginnings and ends of tasks stand in each buffer that records them; they happen once."""
        match event:
            case Forked(child=task) | Ended(thread=task):
                key: tuple[type[Event], int] = type(event), task
            case Executed():
                key = type(event), thread
            case _:
                return False
        before = self.tasks.get(key)
        if before is not None and before[0] != buffer and time - before[1] < _SAME:
            return True
        if len(self.tasks) > _MOST_TASKS:
            self.tasks.clear()
        self.tasks[key] = buffer, time
        return False

    # ---- order ---------------------------------------------------------------------------------------------------

    def _batches(self, sources: list[_Source]) -> Iterator[list[Entry]]:
        """Records in the order of their times: always as many as no page that is still to come can be before."""
        while True:
            for source in sources:
                if source.place >= len(source.ready) and not source.ended:
                    self._fill(source)
            sources = [source for source in sources if source.place < len(source.ready)]
            if not sources:
                return
            horizon = min((s.lane.latest for s in sources if not s.ended), default=None)
            parts = []
            for source in sources:
                end = len(source.ready) if horizon is None else bisect_right(source.ready, horizon, source.place, key=itemgetter(0))
                if end > source.place:
                    parts.append(source.ready[source.place : end])
                    source.place = end
            batch = parts[0] if len(parts) == 1 else sorted((entry for part in parts for entry in part), key=itemgetter(0))
            yield batch

    def _fill(self, source: _Source) -> None:
        """Decodes pages until one has a record, or there are none."""
        source.ready, source.place = [], 0
        try:
            while not source.ready:
                page = next(source.input, None)
                if page is None:
                    source.ended = True
                    return
                source.ready = source.lane.entries(page)
        except (Broken, OSError) as error:
            source.ended = True
            source.ready = [(source.lane.latest, GAP, b"", -1, -1, source.lane)]
            if self.capture.damage is None:
                self.capture.damage = f"{error}; the events before that place were read"


def _gap(entry: Entry) -> Gap:
    time, _, _, count, reason, _ = entry
    match reason:
        case _ if reason == LOST:
            text = "older events of this CPU were overwritten" if time < 0 else "the recorder lost events"
            return Gap(None if count < 0 else count, text, time < 0)
        case _ if reason == BACKWARDS:
            return Gap(None, "the clock goes backwards: another recording, or another boot, begins here")
    return Gap(None, "the file is damaged here")
