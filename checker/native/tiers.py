"""Which engine searches an instance: the interpreter, or C that is generated and compiled for the scope.

Small searches never wait for a compiler.  `auto` begins with the interpreter; when a search gets longer it looks for a build in the
cache, and when it gets long it makes one.  The answer does not depend on who gave it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass

from luocheck.checker.checkpoint.keeper import Keeper
from luocheck.checker.explore.limits import NO_MORE_MEMORY, Limits, Stopped
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.search import Coverage, InstanceSearch, OutOfPatience, Progress
from luocheck.checker.explore.symmetry import Symmetry
from luocheck.checker.native import build
from luocheck.checker.native.program import Generator, Text
from luocheck.checker.native.refusal import Refused
from luocheck.checker.native.search import NativeSearch, Program
from luocheck.model.diagnostics import fail
from luocheck.model.instances import Instance
from luocheck.model.ir.system import Property
from luocheck.model.semantics.machine import Machine
from luocheck.model.source import Span

LOOK_AFTER = 1_000
"""Calls that the interpreter tries before it looks for a build in the cache."""
BUILD_AFTER = 60_000
"""Calls that the interpreter tries before a build is made: about as many as it manages while the compiler runs."""


@dataclass(slots=True)
class Search:
    """A search that is not begun yet.

    claims: those that the exploration decides.  only: those of them that this search asks (None: all).  guide: makes what is told of
    each new state whether its successors come before those of others; there are no levels then, so no witness can be asked for.
    """

    instance: Instance
    machine: Machine
    claims: tuple[Property, ...]
    limits: Limits
    found_before: int
    progress: Progress | None
    deep_enough: Callable[[InstanceSearch, int], bool]
    span: Span
    symmetry: Symmetry | None
    apart: Collection[int]
    keeper: Keeper | None = None
    only: tuple[Property, ...] | None = None
    guide: Callable[[InstanceSearch], Callable[[int], bool]] | None = None


@dataclass(slots=True)
class Tiers:
    """Chooses for the instances of one exploration.

    engine: auto, interpreter or explore (the native one, and an error where it cannot be had).  threads: how many the native one may
    use.  kept: the run has a checkpoint, so that it must be explore.  used: the one that searched last.  missing: why there is no native
    engine although one was wanted, for people.
    """

    engine: str
    threads: int = 1
    kept: bool = False
    used: str = "interpreter"
    missing: str | None = None
    _text: Text | None = None
    _program: Program | None = None
    _spent: int = 0
    _given_up: bool = False

    def search(self, wanted: Search) -> tuple[InstanceSearch, Monitors, BaseException | None]:
        """Searches an instance.  The third item is what ended it early; what was found until then is in the first two.

        Raises SpecError LUO500 when `explore` was asked for and cannot be had, and Stopped when a limit was passed before anything was found.
        """
        if self.engine == "explore" and self._program is None:
            self._prepare(wanted, build_it=True)
        while True:
            monitors = Monitors(wanted.instance, wanted.claims if wanted.only is None else wanted.only)
            search = self._made(wanted, monitors)
            stopped: BaseException | None = None
            try:
                search.run(wanted.limits, wanted.found_before, wanted.progress)
            except OutOfPatience:
                self._spent += search.tried
                build_it = self._spent >= BUILD_AFTER
                self._prepare(wanted, build_it=build_it)
                continue
            except Refused as refused:
                self._refuse(refused.reason, wanted.span)
                continue
            except MemoryError:
                search.release()
                stopped = Stopped(NO_MORE_MEMORY)
            except Exception as error:
                stopped = error
            self.used = "explore" if isinstance(search, NativeSearch) else "interpreter"
            self._spent += search.tried
            return search, monitors, stopped

    def _made(self, wanted: Search, monitors: Monitors) -> InstanceSearch:
        keep = monitors.needs_edges(reduced=wanted.symmetry is not None)
        if self._program is not None:
            native = NativeSearch(
                self._program,
                wanted.instance,
                wanted.machine,
                monitors,
                Coverage(),
                keep_edges=keep,
                symmetry=wanted.symmetry,
                threads=self.threads,
            )
            native.keeper = wanted.keeper
            search: InstanceSearch = native
        else:
            search = InstanceSearch(
                wanted.instance, wanted.machine, monitors, Coverage(), keep_edges=keep, symmetry=wanted.symmetry
            )
            search.patience = self._patience()
        search.deep_enough = wanted.deep_enough
        search.guide = wanted.guide(search) if wanted.guide is not None else None
        return search

    def _patience(self) -> int:
        if self.engine == "interpreter" or self._given_up:
            return sys.maxsize
        return max(0, (BUILD_AFTER if self._text is not None else LOOK_AFTER) - self._spent)

    def program(self, wanted: Search) -> Text:
        """The native engine's text, compiled.  Raises SpecError LUO500."""
        self._prepare(wanted, build_it=True)
        assert self._text is not None
        return self._text

    def _prepare(self, wanted: Search, *, build_it: bool) -> None:
        """Generates the text, and compiles it when it was compiled before or is to be now."""
        try:
            if self._text is None:
                self._text = Generator(wanted.instance, wanted.machine, wanted.claims, wanted.apart).text()
            if build_it or build.known(self._text.source):
                self._program = Program(self._text, build.library(self._text.source))
        except (Refused, build.NoCompiler) as error:
            wanted.limits.check(wanted.found_before)  # a Ctrl-C ends the compiler too
            self._refuse(error.reason, wanted.span)

    def _refuse(self, reason: str, span: Span) -> None:
        if self.kept:
            help = "check without --checkpoint"
            fail("LUO500", f"a checkpoint needs the native engine, and it cannot be used: {reason}", span, help=help)
        if self.engine == "explore":
            fail("LUO500", f"the engine `explore` cannot be used: {reason}", span, help="use `--engine interpreter`, or `auto`")
        self.missing = reason
        self._program = None
        self._given_up = True
