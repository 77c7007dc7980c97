"""The files of `strace -ff -o A`: one for each task, `A.PID`, whose lines do not say which task they are about."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NoReturn

from luocheck.model.diagnostics import SpecError, fail
from luocheck.model.source import Source, Span
from luocheck.traces.call import PARTIAL, Note
from luocheck.traces.formats.strace_line import LARGEST_TASK, Clock, Frame, fits, parse_line
from luocheck.traces.records import Ended, Enter, Forked, Record
from luocheck.traces.source import Capture, open_capture
from luocheck.traces.syscalls import FORKS

_NAME = re.compile(r"(.*[^/])\.(\d{1,10})(?:\.(?:gz|xz|bz2|zst))?", re.DOTALL)
_LOOKED_AT = 50
"""Lines at the beginning of a file that are looked at."""
_HALF_A_DAY = 43200 * 10**9
_NEVER = 1 << 64
_MOST_TOLD = 3
_HELP = "record with `strace -ff -ttt`, or with `strace -f -o FILE`, which writes one file in the order of events"


def stem_of(name: str) -> str | None:
    """`A` of `A.PID`, a name that strace gives; None for any other name."""
    match = _named(name)
    return match[1] if match is not None else None


def task_of(name: str) -> int | None:
    """`PID` of `A.PID`."""
    match = _named(name)
    return int(match[2]) if match is not None else None


def _named(name: str) -> re.Match[str] | None:
    match = _NAME.fullmatch(name)
    return match if match is not None and int(match[2]) <= LARGEST_TASK else None


def parts_among(paths: Iterable[str]) -> list[str]:
    """Those of the files that are parts of one recording by what is in them; none when only empty ones are left."""
    found = {path: _looks_like_part(path) for path in dict.fromkeys(paths)}
    return [path for path, answer in found.items() if answer is not False] if any(found.values()) else []


def parts_beside(stem: str) -> list[str]:
    """The files there are on disk whose name is `stem.PID`, in the order of their tasks."""
    folder, base = os.path.split(stem)
    try:
        names = [name for name in os.listdir(folder or ".") if stem_of(name) == base]
    except (OSError, ValueError):
        return []
    return [os.path.join(folder, name) for name in sorted(names, key=lambda name: (task_of(name) or 0, name))]


def is_part(capture: Capture) -> bool:
    """Is this one of the files of `strace -ff`?  By its name, and because no line says which task it is about."""
    return stem_of(capture.name) is not None and _has_no_tasks(capture.beginning())


def lone_part(capture: Capture) -> Note | None:
    """What is missing beside a part that is read alone, as far as its name and its beginning tell; None when it may be all there is.

    It may be when it begins with the program that strace started, and there is no other file like it.  It is not when it forks.
    """
    if not is_part(capture):
        return None
    stem = stem_of(capture.name)
    here = os.path.abspath(capture.name)
    others = parts_among([] if stem is None else (each for each in parts_beside(stem) if os.path.abspath(each) != here))
    if others:
        return Note(
            PARTIAL,
            None,
            f"{_ALONE}; those of others are in {_some(others)}: name all of these files, or `{os.path.basename(stem or '')}`",
        )
    first = next(_frames(capture.beginning()), None)
    if first is None or first.body.startswith(b"execve("):
        return None
    text = f"{_ALONE}; it does not begin with the program that strace started, so there were others, and their calls are not in it"
    return Note(PARTIAL, None, text)


def children_missing(children: Iterable[int]) -> Note:
    """Tasks were made whose files are not there."""
    return Note(PARTIAL, None, f"no file has the calls of {_some([f'task {each}' for each in children])}, which these tasks made")


def parts_missing(captures: Sequence[Capture]) -> Note | None:
    """Files that lie beside the given ones and were not given."""
    given = {each.name for each in captures}
    stems = {stem for name in given if (stem := stem_of(name)) is not None}
    beside = [path for stem in sorted(stems) for path in parts_beside(stem)]
    here = {os.path.abspath(name) for name in given}
    others = parts_among(path for path in beside if os.path.abspath(path) not in here)
    return Note(PARTIAL, None, f"there are more files of this recording: {_some(others)}") if others else None


_ALONE = "this is one of the files of `strace -ff`, with the calls of one task only"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
    return ", ".join(os.path.basename(each) for each in names[:_MOST_TOLD]) + more


def _looks_like_part(path: str) -> bool | None:
    """None for an empty file: a task that did nothing strace was asked for."""
    try:
        if not os.path.isfile(path):
            return False
        capture = open_capture(path)
    except (SpecError, ValueError):
        return False
    capture.close()
    head = capture.beginning()
    return (_has_no_tasks(head) and any(map(fits, _lines(head)))) if head.strip() else None


def _has_no_tasks(head: bytes) -> bool:
    return not any(frame.thread is not None for frame in _frames(head))


def _lines(head: bytes) -> list[bytes]:
    return head.split(b"\n")[:_LOOKED_AT]


def _frames(head: bytes) -> Iterator[Frame]:
    frames = (parse_line(line) for line in _lines(head) if line)
    return (frame for frame in frames if frame is not None)


# ---- can they be merged? ----------------------------------------------------------------------------------------------


def refuse_unmergeable(captures: Sequence[Capture]) -> None:
    """Raises SpecError LUO718 when the times in the parts do not say in which order their events happened."""
    first: tuple[Capture, Frame] | None = None
    for capture in captures:
        timed = next((frame for frame in _frames(capture.beginning()) if fits(frame.body)), None)
        if timed is None:
            continue
        _refuse_times(capture, timed)
        if first is None:
            first = capture, timed
        elif timed.clock is not first[1].clock:
            _refuse(capture, f"this part shows the {timed.clock.value}, and `{first[0].name}` shows the {first[1].clock.value}")
        elif timed.clock is Clock.DAY and abs(timed.time - first[1].time) > _HALF_A_DAY:
            _refuse(
                capture,
                f"this part and `{first[0].name}` begin more than half a day apart, and times of day do not say on which day",
            )


def _refuse_times(capture: Capture, frame: Frame) -> None:
    if frame.clock is Clock.NONE:
        without_times(capture)
    if frame.clock is Clock.DELTA:
        _refuse(capture, "times of `strace -r` count from the line before, which may stand in another file, so they give no order")
    if not frame.precise:
        _refuse(capture, "this part shows whole seconds, which do not say what came first in two files")


class Lives:
    """The tasks of a merged recording.  children: those that others made."""

    def __init__(self, captures: Sequence[Capture]) -> None:
        self.captures = {task_of(each.name): each for each in captures}
        self.children: dict[int, None] = {}
        self._begun: dict[int, int] = {}  # task that lives -> its first time
        self._forking: dict[int, int] = {}  # task -> when its latest call began that makes one

    def see(self, record: Record) -> None:
        """Takes the next record.  Raises SpecError LUO718 for a task that did something before it was made: these are times of several days."""
        thread, time, event = record.thread, record.time, record.event
        if thread is not None and time is not None:
            self._begun.setdefault(thread, time)
        match event:
            case Enter(syscall=name) if name in FORKS and thread is not None and time is not None:
                self._forking[thread] = time
            case Ended(thread=gone):
                self._begun.pop(gone, None)
            case Forked(child=child) if thread is not None:
                self.children[child] = None
                capture = self.captures.get(child)
                if capture is not None and self._begun.get(child, _NEVER) < self._forking.get(thread, 0):
                    _refuse(capture, "by its times this task did something before it was made: they are times of several days")


def without_times(capture: Capture) -> NoReturn:
    """Raises SpecError LUO718 for a part in which nothing shows a time."""
    _refuse(capture, "this part of a recording shows no times, so nothing says where it belongs")


def _refuse(capture: Capture, why: str) -> NoReturn:
    fail("LUO718", why, Span(Source(capture.name, ""), 0, 0), help=_HELP)
