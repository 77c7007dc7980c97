"""A recording that is still being written: read as it grows, and audited again whenever it rests.

What was read is kept as far as it can matter to LUO, until it is settled (`ongoing`).
"""

from __future__ import annotations

import io
import os
import select
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec
from luocheck.traces.answer import AuditAnswer
from luocheck.traces.audit import MOST_DEVIATIONS, Tick
from luocheck.traces.decode import begin
from luocheck.traces.ongoing import PIECE, Ongoing
from luocheck.traces.replay.world import Beginning
from luocheck.traces.source import HEAD, Capture

PAUSE = 1.0
"""Seconds without a new byte after which a recording rests."""

_LOOK = 0.2
_GROWTH = 1.1
_BINARY = b"\0"


@dataclass(slots=True)
class Tail:
    """The end of a growing file or pipe.  stop: asked for a reason to end.  rests: called once each time when nothing more comes."""

    descriptor: int
    stop: Tick
    rests: Callable[[], None] = lambda: None
    last: float = field(default_factory=time.monotonic)
    told: bool = True  # nothing came since `rests` was called
    taken: int = 0

    def read(self, size: int) -> bytes:
        """The next bytes, at least one; empty at the end of a pipe, when the file was cut, and when there is a reason to end."""
        regular = stat.S_ISREG(os.fstat(self.descriptor).st_mode)
        while self.stop() is None:
            if regular or select.select([self.descriptor], [], [], _LOOK)[0]:
                data = os.read(self.descriptor, size)
                if data or not regular:
                    self.last, self.told = time.monotonic(), False
                    self.taken += len(data)
                    return data
                if os.fstat(self.descriptor).st_size < self.taken:
                    return b""
                time.sleep(_LOOK)
            if not self.told and time.monotonic() - self.last > PAUSE:
                self.told = True
                self.rests()
        return b""


class _Growing(Capture):
    """A capture whose bytes come from a tail."""

    __slots__ = ("tail",)

    tail: Tail

    def _read(self) -> bytes:
        return self.tail.read(HEAD)


def follow(
    spec: Spec,
    capture: str,
    told: Callable[[AuditAnswer], None],
    *,
    format: str | None = None,
    beginning: Beginning | None = None,
    timeout: float = 120.0,
    max_deviations: int = MOST_DEVIATIONS,
    interrupted: Tick = lambda: None,
    piece: int = PIECE,
) -> AuditAnswer:
    """Audits a growing text recording (`-`: standard input) until its pipe ends, its file is cut, or `interrupted` has a reason.

    told: called with the answer about what is there whenever the recording rests.  Other arguments as of `audit`, timeout for each
    audit.  piece: records after which what was read is settled.  Returns the answer about all that was read.  Raises SpecError LUO700 for what cannot be read or is no text.
    """
    with _opened(capture) as stream:
        tail = Tail(stream.fileno(), interrupted)
        head = tail.read(HEAD)
        while b"\n" not in head and len(head) < HEAD and (more := tail.read(HEAD)):
            head += more
        if _BINARY in head[:16]:
            fail("LUO700", "only text can be read while it is written", Span(Source(capture, ""), 0, 0))
        opened = _Growing("<stdin>" if capture == "-" else capture, head, stream, False)
        opened.tail = tail
        reading, records = begin(opened, spec.system.abi, format)
        ongoing = Ongoing(spec, reading, beginning, timeout, max_deviations, piece)
        done = 0.0

        def rests() -> None:
            nonlocal done
            if ongoing.read > done * _GROWTH:
                done = ongoing.read
                told(ongoing.answer(interrupted))

        tail.rests = rests
        for record in records:  # one by one: those before a rest are there when it comes
            ongoing.add(record, interrupted)
        return ongoing.answer(lambda: None)


def _opened(capture: str) -> io.BufferedReader:
    """A file or pipe that is being written.  Raises SpecError LUO700."""
    where = Span(Source(capture, ""), 0, 0)
    try:
        if capture != "-" and os.path.isdir(capture):
            fail("LUO700", "this is a directory", where, help="name the file that is being written")
        return open(0 if capture == "-" else capture, "rb", closefd=capture != "-")
    except OSError as error:
        fail("LUO700", f"cannot be read: {error.strerror}", where)
    except ValueError:
        fail("LUO700", "this is no file name", where)
