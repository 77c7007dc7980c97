"""From a capture file to a Recording: the calls that an abi knows, in the order in which they began."""

from __future__ import annotations

import gc
import io
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from luocheck.model.abi import DEVICE, Abi
from luocheck.traces.assembly import Assembler
from luocheck.traces.call import PARTIAL, UNSURE, Call, Kind, Loss, Moment, Note, Origin, Recording
from luocheck.traces.drafts import Draft, Numbers, Subjects, calls_of, kept
from luocheck.traces.formats.detect import format_of
from luocheck.traces.formats.recorders import Role, part_of
from luocheck.traces.formats.registry import READERS
from luocheck.traces.involved import involved, survey
from luocheck.traces.pairing import Pairing
from luocheck.traces.parts import Captured, Merging, Parts, Places, resolved
from luocheck.traces.processes import Processes
from luocheck.traces.recorded import Recorded, is_recorded, read_recorded, with_sidecars
from luocheck.traces.records import Ended, Enter, Executed, Exit, Forked, Gap, Hit, Record, Tally
from luocheck.traces.source import MOST_BYTES, Capture, open_capture, open_captures
from luocheck.traces.syscalls import FORKS, GENERIC_IOCTL, OPENERS, X86_64

_RELEVANT = frozenset(X86_64.values())


def decode(
    capture: Captured | Capture, abi: Abi, *, format: str | None = None, threads_share: bool | None = None, most: int = MOST_BYTES
) -> Recording:
    """Decode a capture: a file name (`-` for standard input), a folder that `luocheck record` made, several files, or an opened capture.

    format: a key of READERS when detection should not decide.  threads_share: do tasks share their descriptors where the recording
    does not tell?  None counts as no.  most: unpacked bytes after which reading stops.  Raises SpecError LUO700 for a file that cannot be
    read or has no known format; a capture in a known format that hides what is needed gives a Recording with `undecodable`.
    """
    return read(capture, abi, format=format, most=most).recording(threads_share)


def read(capture: Captured | Capture, abi: Abi, *, format: str | None = None, most: int = MOST_BYTES) -> Reading:
    """Read a capture once, so that it can be decoded with both answers about its threads.  Arguments and errors as of `decode`."""
    if isinstance(capture, str):
        capture = resolved(capture)
    if isinstance(capture, Parts):
        return _read_parts(capture, abi, format, most)
    if isinstance(capture, str):
        beside = read_recorded(capture) if is_recorded(capture) else None
        opened = open_capture(beside.trace if beside is not None else capture, most)
        try:
            return replace(read(opened, abi, format=format), beside=beside)
        finally:
            opened.close()
    reading, records = begin(capture, abi, format)
    with _uncollected():
        reading.records.extend(records)
    return reading


def _read_parts(parts: Parts, abi: Abi, format: str | None, most: int) -> Reading:
    """The files of one recording, merged.  Errors as of `decode`, and LUO718."""
    whole = Capture(parts.name, b"", io.BytesIO(), False)
    with ExitStack() as opened, _uncollected():
        captures = open_captures(parts.paths, opened, most)
        wanted = _wanted(abi)
        merging = Merging(captures, Tally(wanted), format)
        reading = Reading(whole, abi, merging.format, [], merging.tally, merging.undecodable, parts=parts.paths)
        if merging.undecodable is not None:
            return reading
        places = Places(merging, reading.origins)
        for record in _relevant(places.numbered(), wanted):
            places.keep(record)
            reading.records.append(record)
        told = list(merging.evidence())
    text = f"{len(captures)} files, merged by time; numbers of lines are those that `luocheck convert` gives them"
    merging.tally.notes[:0] = [Note("LUO716", None, text), *told]
    return reading


def _wanted(abi: Abi) -> frozenset[str]:
    """The system calls that can say something."""
    return _RELEVANT | {s.function for s in abi.syscalls} | {f"nr{GENERIC_IOCTL}"}


def begin(capture: Capture, abi: Abi, format: str | None) -> tuple[Reading, Iterator[Record]]:
    """A reading without records, and the records that belong into it as they come.  Errors as of `decode`."""
    found = format_of(capture, format)
    if found.format is None:
        tally = Tally(lines=capture.head.count(b"\n"))
        return Reading(capture, abi, found.what, [], tally, f"{found.why}; {found.option}", found.code), iter(())
    name = found.format
    wanted = _wanted(abi)
    tally = Tally(wanted)
    return Reading(capture, abi, name, [], tally), _relevant(READERS[name](capture, name, tally), wanted)


@dataclass(frozen=True, slots=True)
class Reading:
    """The records of a capture that can matter.  undecodable: why nothing can be said, or None; code: of the note that says so.

    beside: what the recorder put beside the capture.  parts: the files that were merged; origins: where the lines stand in them.
    """

    capture: Capture
    abi: Abi
    format: str
    records: list[Record]
    tally: Tally
    undecodable: str | None = None
    code: str = "LUO703"
    beside: Recorded | None = None
    parts: tuple[str, ...] = ()
    origins: dict[int, Origin] = field(default_factory=dict)

    def recording(self, threads_share: bool | None = None) -> Recording:
        """The calls, with an answer to whether tasks share their descriptors where the recording does not tell."""
        if self.undecodable is not None:
            notes = (Note(self.code, None, self.undecodable),)
            return Recording(self.capture.name, self.format, (), (), notes, frozenset(), 0, self.tally.lines, self.undecodable)
        with _uncollected():
            made = Decoder(self.capture, self.abi, self.format, self.records, self.tally, threads_share).recording()
        if self.parts:
            made = self._with_origins(made)
        return made if self.beside is None else with_sidecars(made, self.beside)

    def _with_origins(self, made: Recording) -> Recording:
        """The recording with the places of its calls in the parts, and of its notes."""
        moments = [moment for call in made.calls for moment in (call.enter, call.exit) if moment is not None]
        lines = {each.line for each in moments} | {each.line for each in made.losses}
        origins = {line: self.origins[line] for line in sorted(lines & self.origins.keys())}
        notes = tuple(
            replace(note, line=None, text=f"{self.origins[note.line].short}: {note.text}") if note.line in self.origins else note
            for note in made.notes
        )
        return replace(made, parts=self.parts, origins=origins, notes=notes)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for garbage in cycles: what decoding makes is kept, and looking through it again and again takes a third of the time.

    At the end all of it counts as old, as it would after two searches.  There are no cycles in it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            if not gc.get_freeze_count():  # nobody else uses that, so only what is put there here comes back
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _relevant(records: Iterable[Record], wanted: frozenset[str]) -> Iterator[Record]:
    """The records that can say something about calls."""
    for record in records:
        event = record.event
        match event:
            case Enter(syscall=name) | Exit(syscall=name):
                if name is None or name in wanted:
                    yield record
            case Hit():
                if part_of(event) is not None:
                    yield record
            case Forked() | Executed() | Ended() | Gap():
                yield record


def _is_release(record: Record) -> bool:
    part = part_of(record.event) if isinstance(record.event, Hit) else None
    return part is not None and part.role is Role.RELEASE


class Decoder:
    """Makes the calls out of the records of a capture."""

    def __init__(
        self, capture: Capture, abi: Abi, format: str, records: list[Record], tally: Tally, threads_share: bool | None
    ) -> None:
        self.capture, self.abi, self.format, self.records, self.tally = capture, abi, format, records, tally
        self.threads_share = threads_share
        self.releases_left_out = False
        self.numbers, self.subjects = Numbers(), Subjects()
        self._look()
        self.inner_only = Role.INNER in self.roles and not self.roles & {Role.IOCTL, Role.SYSCALL, Role.ENTER}
        self.inner_only &= "ioctl" not in self.names

    def _look(self) -> None:
        self.survey = survey(self.records, self.abi)
        self.names, self.roles = self.survey.names, self.survey.roles
        self.processes = Processes(self.survey.tasks, self.survey.callers, self.threads_share)

    def recording(self) -> Recording:
        """Decodes.  To be called once."""
        assembler, pairing = self._assembled()
        if Role.RELEASE in self.roles and self._releases_missing(assembler.drafts):
            self.records = [r for r in self.records if not _is_release(r)]
            self.releases_left_out = True
            self._look()
            assembler, pairing = self._assembled()
        return self._recording(assembler, pairing)

    def _recording(self, assembler: Assembler, pairing: Pairing) -> Recording:
        processes = self.processes
        drafts = kept(assembler.drafts, self.subjects)
        calls = calls_of(drafts, self.abi, self.numbers)
        gaps = [(r.line, r.event) for r in self.survey.gaps if isinstance(r.event, Gap)]
        losses = tuple(Loss(line, gap.count, gap.reason) for line, gap in gaps)
        threads, tables = {d.thread for d in drafts}, {d.process for d in drafts}
        guessed = {t for t in processes.guessed if t in threads or processes.key(t) in tables}
        return Recording(
            self.capture.name,
            self.format,
            calls,
            losses,
            tuple(self._notes(assembler, pairing, calls, losses, guessed)),
            self._observes(),
            self.tally.events,
            self.tally.lines,
            None,
            any(gap.start for _, gap in gaps),
            bool(guessed),
        )

    def _assembled(self) -> tuple[Assembler, Pairing]:
        complete, probed = "close" in self.names, Role.IOCTL in self.roles
        assembler = Assembler(self.abi, self.processes, complete=complete, probed=probed)
        pairing = Pairing(Moment(self.records[0].line, self.records[0].time) if self.records else None)
        assembler.run(pairing.run(involved(self.records, self.survey, self.processes)))
        return assembler, pairing

    def _releases_missing(self, drafts: list[Draft]) -> bool:
        """Is the device closed, by a recorded close, while only releases of other files are shown?"""
        about = [d for d in drafts if d.node is not None and d.node.target == DEVICE and not d.inferred and not d.maybe]
        closed = any(d.kind is Kind.CLOSE and d.result == 0 for d in about)
        return closed and not any(d.kind is Kind.RELEASE for d in about)

    def _observes(self) -> frozenset[Kind]:
        """Kinds of calls that this recorder shows; one that was switched on and never fired does not count."""
        out = set()
        kinds = self.survey.kinds
        if self.names & OPENERS or Role.OPEN in self.roles:
            out.add(Kind.OPEN)
        if ("ioctl" in self.names or self.roles & {Role.IOCTL, Role.SYSCALL, Role.ENTER}) and not self.inner_only:
            out.add(Kind.IOCTL)
        if "close" in self.names:
            out.add(Kind.CLOSE)
        if Role.RELEASE in self.roles:
            out.add(Kind.RELEASE)
        if Forked in kinds or self.names & FORKS:
            out.add(Kind.FORK)
        if Ended in kinds:
            out.add(Kind.EXIT)
        if Role.REBOOT in self.roles or any(s.function in self.names for s in self.abi.syscalls):
            out.add(Kind.REBOOT)
        return frozenset(out)

    def _notes(
        self, assembler: Assembler, pairing: Pairing, calls: tuple[Call, ...], losses: tuple[Loss, ...], guessed: set[int]
    ) -> Iterable[Note]:
        if not any(call.kind in (Kind.IOCTL, Kind.OPEN, Kind.REBOOT) for call in calls):
            common = ", ".join(f"{count} {name}" for name, count in self.tally.names.most_common(8))
            yield Note("LUO702", None, f"no call of the spec's abi is in it; what is: {common or 'nothing'}")
        for loss in losses[:20]:
            missing = "an unknown number of" if loss.count is None else str(loss.count)
            yield Note("LUO704", loss.line, f"{missing} events are missing here: {loss.reason}")
        if len(losses) > 20:
            yield Note("LUO704", losses[20].line, f"and {len(losses) - 20} more places where events are missing")
        yield from self.capture.notes()
        unread = self.tally.unread_note()
        if unread is not None:
            yield unread
        unknown = sum(count for name, count in self.tally.names.items() if name.startswith("Unknown type"))
        if unknown:
            yield Note(
                "LUO706",
                None,
                f"{unknown} events of an unknown type: define the dynamic events again in the same order, then read again",
            )
        if self.tally.integer_clock:
            yield Note("LUO710", None, "the clock counts something else than time; times are its bare numbers")
        for text, count in assembler.elsewhere.most_common(5):
            yield Note(
                "LUO707",
                assembler.elsewhere_line[text],
                f"{text} went to a file that is not of the abi, {count} times: not counted as a call",
            )
        if assembler.unreached:
            yield Note("LUO707", None, f"{assembler.unreached} ioctls were made on numbers that were no open descriptor")
        if any(call.kind is Kind.IOCTL for call in calls) and not assembler.descriptors.complete:
            yield Note("LUO708", None, "no close was recorded: which file a number stands for is followed by its uses only")
        if guessed:
            yield Note(
                "LUO708", None, f"the recording does not show whether {len(guessed)} tasks share the descriptors of another one"
            )
        for close in assembler.tables.unsure:
            if close.result in (0, None):
                text = "this close went on while an open got the number; which of two files it closed is not known"
                yield Note(UNSURE, close.enter.line, text)
        if pairing.strays:
            yield Note("LUO706", None, f"{pairing.strays} returns of ioctl have no entry in the recording (filtered out or lost)")
        if self.releases_left_out:
            text = "closes of the device are recorded but not its release: what is released is told by the closes alone"
            yield Note("LUO711", None, text)
        if self.inner_only:
            yield Note(
                "LUO711", None, "only functions below the ioctls were recorded: calls that were refused before them are missing"
            )
        if f"nr{GENERIC_IOCTL}" in self.names and not any(call.kind is Kind.IOCTL for call in calls):
            yield Note("LUO711", None, "numbers of system calls are read as those of x86-64, and there are none that fit")
        yield from (note for note in self.tally.notes if note.code == PARTIAL)
        yield from [note for note in self.tally.notes if note.code != PARTIAL][:5]
