"""When a checkpoint is written, what of, and whether a file is one of this run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from luocheck.checker.checkpoint.file import OtherVersion, Reader, Unusable, probe, write
from luocheck.checker.checkpoint.plain import NotPlain, Plain
from luocheck.checker.explore.contributions import Contributions
from luocheck.checker.explore.search import InstanceSearch
from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span

EVERY = 30.0
"""Seconds between two writings, when nobody says otherwise."""
SHARE = 10
"""A writing takes at most about this part (one of so many) of the time: what takes long is done less often."""


@dataclass(slots=True)
class Checkpoint:
    """Where and how often the state of a run is kept.

    tell: called with a sentence when a writing fails (the run goes on), once for each reason.
    """

    path: Path | str
    every: float = EVERY
    tell: Callable[[str], None] = lambda sentence: None


class Resumable(Protocol):
    """A search that can be taken up again."""

    def take_up(self, levels: list[int], reader: Reader) -> None:
        """Puts a new search where another one was.  Raises Unusable, Stopped."""


@dataclass(slots=True)
class Head:
    """What a checkpoint says before its arrays.  run: what makes the run this one.  levels: of the search in the middle of an instance."""

    run: dict[str, str]
    found: Contributions
    levels: list[int] | None


@dataclass(slots=True)
class Keeper:
    """Keeps one run in its file.

    run: what makes it this run, by what it is called.  plain: for the texts of its spec.  found: what the finished instances contributed.
    """

    checkpoint: Checkpoint
    run: dict[str, str]
    plain: Plain
    found: Callable[[], Contributions]
    _path: Path = field(init=False)
    _next: float = field(init=False)
    _reader: Reader | None = None
    _levels: list[int] = field(default_factory=list)
    _complaints: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._path = Path(os.path.realpath(self.checkpoint.path))
        self._next = time.monotonic() + self.checkpoint.every

    # ---- reading ------------------------------------------------------------------------------------------------

    def open(self) -> Head | None:
        """What the file says, if there is one.  Raises SpecError: LUO610 when it cannot be written, LUO611 and LUO612 when it is not ours."""
        try:
            probe(self._path)
        except OSError as error:
            self._fail(
                "LUO610", f"the checkpoint cannot be written: {_reason(error)}", "name a file in a folder that can be written"
            )
        if not self._path.exists():
            return None
        try:
            self._reader = Reader(self._path)
            head = self._read(self._reader)
        except OtherVersion:
            self._fail("LUO612", "the checkpoint was written by another version of luocheck", _ANEW)
        except Unusable as error:
            self._unusable(error.reason)
        except OSError as error:
            self._unusable(_reason(error))
        if head.levels is None:
            self._taken_up()
        else:
            self._levels = head.levels
        return head

    def close(self) -> None:
        """Nothing is read or written any more."""
        if self._reader is not None:
            self._reader.close()

    def _read(self, reader: Reader) -> Head:
        said = dict(reader.head)
        del said["arrays"]
        try:
            run = self.plain.read(dict[str, str], said.get("run"))
        except NotPlain:
            raise Unusable("its head does not say which run it is of") from None
        different = differences(run, self.run)
        if different:
            self._fail("LUO612", f"the checkpoint is of another run: {'; '.join(different)}", _ANEW)
        try:
            head: Head = self.plain.read(Head, said)
        except NotPlain:
            raise Unusable("its head does not say what was found") from None
        if head.levels is None:
            reader.end()
        return head

    def take_up(self, search: Resumable) -> None:
        """Puts the first search where the file's one was.  Raises SpecError LUO611, Stopped when there is too little memory."""
        if self._reader is None:
            return
        try:
            search.take_up(self._levels, self._reader)
        except Unusable as error:
            self._unusable(error.reason)
        except OSError as error:
            self._unusable(_reason(error))
        self._taken_up()

    def _taken_up(self) -> None:
        self.close()
        self._reader = None

    def _unusable(self, reason: str) -> None:
        self._fail("LUO611", f"the checkpoint cannot be used: {reason}", _ANEW)

    def _fail(self, code: str, message: str, help: str) -> None:
        fail(code, message, Span(Source(str(self.checkpoint.path), ""), 0, 0), help=help)

    # ---- writing ------------------------------------------------------------------------------------------------

    def pulse(self, search: InstanceSearch | None) -> None:
        """Called now and then: writes when it is time."""
        if time.monotonic() >= self._next:
            self.write(search)

    def write(self, search: InstanceSearch | None) -> None:
        """Writes what there is.  When it cannot be written the run goes on, and the file stays as it was."""
        if self._reader is not None:
            return  # what the file has was not taken up yet: nothing is newer
        began = time.monotonic()
        levels, blocks = (search.saved() if search is not None else None) or (None, [])
        try:
            head = self.plain.write(Head(self.run, self.found(), levels))
            write(self._path, head, blocks)
        except (OSError, MemoryError) as error:
            reason = _reason(error)
            if reason not in self._complaints:
                self._complaints.add(reason)
                self.checkpoint.tell(f"the checkpoint {self.checkpoint.path} could not be written: {reason}")
        now = time.monotonic()
        self._next = now + max(self.checkpoint.every, (SHARE - 1) * (now - began))


_ANEW = "it is left as it is; to begin anew, name another file, or remove this one"

_TOLD = ("spec", "scope", "topology", "symmetry", "byte order")
"""Parts of a run that people can tell apart; the others are sums, and the claims may be many."""
_SUMS = {
    "text": "the text of the spec was changed",
    "starting points": "its starting points are other ones",
    "program": "it was written by another version of luocheck",
}


def differences(theirs: dict[str, str], ours: dict[str, str]) -> list[str]:
    """What keeps a checkpoint from being of this run, in words: of sums that follow from one another only the first."""
    found = [
        f"its {part} is `{theirs.get(part, '')}`, and here it is `{ours[part]}`" for part in _TOLD if theirs.get(part) != ours[part]
    ]
    if theirs.get("claims") != ours["claims"]:
        there, here = theirs.get("claims", "").split(), ours["claims"].split()
        found.append(f"it is about other claims{_only('there', there, here)}{_only('here', here, there)}")
    for part, words in _SUMS.items():
        if not found and theirs.get(part) != ours[part]:
            found.append(words)
    return found


def _only(where: str, names: list[str], others: list[str]) -> str:
    """The first claims that are asked for in one place only."""
    only = [name for name in names if name not in others]
    shown = ", ".join(f"`{name}`" for name in only[:3])
    return f", only {where} {shown}{f' and {len(only) - 3} more' if len(only) > 3 else ''}" if only else ""


def described(**parts: str) -> dict[str, str]:
    """A run by its parts."""
    return {**{name.replace("_", " "): text for name, text in parts.items()}, "byte order": sys.byteorder}


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "there is no more memory"
