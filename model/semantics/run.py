"""A call in the middle of its execution, and what can come out of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from luocheck.model.instances import Cell
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import Value
from luocheck.model.semantics.store import Store
from luocheck.model.source import Span

Frame = tuple[Any, ...]
"""One entry of the control stack; the first component is one of the constants below.  Frames are values: stepping replaces them.

(SEQ, block, next, guards)                      statements of a block; locks that a `guard` in it took
(CALL, call)                                    end of a proc or walk that was run
(CATCH, errno, label)                           inside an `else`; errno is what a bare `fail;` passes on, label where it failed
(WALK, walk, all, left, visited, current)       a loop; elements are tuples, one item for each binder
(UNDO, walk, left, errno, label)                a rollback; afterwards the walk fails with errno at label
(BOOT,)                                         end of boot
"""
SEQ, CALL, CATCH, WALK, UNDO, BOOT = range(6)

Held = tuple[Cell, bool]
"""A lock (its cell) and whether it is held shared."""

NOBODY = -2
"""Holder of a lock taken by an event without a caller."""
FOREVER = -1
"""Holder of a lock that was kept, or that a finished call forgot to give back."""


class Note(NamedTuple):
    """Something worth showing under a call: what happened (`fail`, `visit`, `undo`, `skip`, `boot`), in which text, to what."""

    what: str
    text: str
    detail: str
    span: Span


class Continuation(NamedTuple):
    """A call that waits at a `step;`, a lock or an `await`: a value, so that it can be part of a state."""

    event: int
    env: tuple[Any, ...]
    frames: tuple[Frame, ...]
    held: tuple[Held, ...]
    kept_old: frozenset[tuple[Cell, Any]]
    label: str


class Run:
    """A call being executed.  `store` is shared with others until `own` copies it for writing."""

    __slots__ = (
        "caller",
        "ending",
        "env",
        "event",
        "faults",
        "findings",
        "frames",
        "held",
        "label",
        "lines",
        "notes",
        "owned",
        "stepwise",
        "store",
    )

    def __init__(
        self, event: Event | None, store: Store, env: list[Any], frames: list[Frame], caller: int, stepwise: bool, notes: bool
    ) -> None:
        self.event = event
        self.store = store
        self.owned = False
        self.env = env
        self.frames = frames
        self.held: tuple[Held, ...] = ()
        self.caller = caller
        self.faults = 0
        self.lines: tuple[int, ...] = ()
        self.findings: tuple[tuple[str, Span], ...] = ()
        self.ending: tuple[str, str | None] | None = None
        self.stepwise = stepwise
        self.notes: tuple[Note, ...] | None = () if notes else None
        self.label: str | None = None

    def fork(self) -> Run:
        """A second run that goes on from here."""
        other = Run.__new__(Run)
        other.event = self.event
        other.store = self.store
        self.owned = other.owned = False
        other.env = self.env.copy()
        other.frames = self.frames.copy()
        other.held = self.held
        other.caller = self.caller
        other.faults = self.faults
        other.lines = self.lines
        other.findings = self.findings
        other.ending = self.ending
        other.stepwise = self.stepwise
        other.notes = self.notes
        other.label = self.label
        return other

    def own(self) -> Store:
        """The store, for writing."""
        if not self.owned:
            self.store = self.store.copy()
            self.owned = True
        return self.store

    def note(self, what: str, text: str, detail: str, span: Span) -> None:
        if self.notes is not None:
            self.notes = (*self.notes, Note(what, text, detail, span))


class Outcome(NamedTuple):
    """One way in which a call, or a step of it, can end.

    kind: "returns" (errno is OK or an errno), "suspends" (others may run; label says where), "blocks" (an atomic call that has not
    returned yet: no transition), "cut" (the scope is too small; label says at what), "panic", "oops" (broke a built-in claim).
    The store of "cut" and "panic" is the one they happened in, and nothing follows.  env holds parameters and result, with the store
    before the call in slot 0.
    """

    kind: str
    errno: str
    label: str | None
    store: Store
    faults: int
    findings: tuple[tuple[str, Span], ...]
    lines: tuple[int, ...]
    env: list[Any]
    notes: tuple[Note, ...]

    @property
    def goes_on(self) -> bool:
        """Does the system go on in `store`?"""
        return self.kind in ("returns", "suspends")


ResultValue = Value
