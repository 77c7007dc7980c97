"""A search that the native engine does, with the face of the interpreter's."""

from __future__ import annotations

import ctypes
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

from luocheck.checker.checkpoint.file import Block, Reader, Unusable
from luocheck.checker.checkpoint.keeper import Keeper
from luocheck.checker.explore.limits import NO_MORE_MEMORY, Limits, Stopped, resident_bytes
from luocheck.checker.explore.monitors import Monitors, combinations
from luocheck.checker.explore.search import Coverage, EdgeRule, Edges, InstanceSearch, Moment, Progress
from luocheck.checker.explore.symmetry import Symmetry
from luocheck.checker.native import runtime, saved
from luocheck.checker.native.program import Text
from luocheck.checker.native.refusal import Refused
from luocheck.checker.native.states import States
from luocheck.checker.native.store_text import instance_data
from luocheck.model.diagnostics import fail
from luocheck.model.instances import Instance
from luocheck.model.ir.system import Event, Property
from luocheck.model.ir.vocabulary import BoolT
from luocheck.model.semantics.claims import reads_through_none
from luocheck.model.semantics.expressions import Oops
from luocheck.model.semantics.machine import Arguments, Machine
from luocheck.model.semantics.renaming import Turn, inverse
from luocheck.model.semantics.store import Store

TELLING = 16
"""A part of the memory (one of so many) that the search leaves for the telling of what it found."""


EDGE = 28
"""Bytes of an edge in columns, without its turn."""
PYTHON_ITEM = 100
"""Bytes that a number in a set takes, about."""


class Program:
    """A compiled program and its structs."""

    def __init__(self, text: Text, library: ctypes.CDLL) -> None:
        self.text = text
        system = text.layout.system
        _, _, self.run_type = runtime.structures(
            text.max_args, len(system.events), len(system.properties), len(text.cuts), text.lines
        )
        self.library = runtime.declare(library, self.run_type)


class _Numbers(Sequence[int]):
    """Numbers that stand in C memory."""

    def __init__(self, length: Callable[[], int], pointer: Callable[[], Any]) -> None:
        self._length = length
        self._pointer = pointer

    def __len__(self) -> int:
        return self._length()

    def __getitem__(self, index: Any) -> Any:
        return self._pointer()[index]


class NativeSearch(InstanceSearch):
    """The search of one instance.  `run` raises Refused where only the interpreter can go on."""

    def __init__(
        self,
        program: Program,
        instance: Instance,
        machine: Machine,
        monitors: Monitors,
        coverage: Coverage,
        *,
        keep_edges: bool,
        symmetry: Symmetry | None = None,
        threads: int = 1,
    ) -> None:
        super().__init__(instance, machine, monitors, coverage, keep_edges=keep_edges, symmetry=symmetry)
        self.program = program
        self.text = program.text
        self.library = program.library
        self.packed = States(self.text, instance)
        self._handle = self.library.luo_new()
        if not self._handle:
            raise Stopped(NO_MORE_MEMORY)
        self.r: Any = self._handle.contents
        data = instance_data(self.text.layout, instance)
        self.library.luo_instance(self._handle, (ctypes.c_int64 * max(1, len(data)))(*data))
        if symmetry is not None:
            group = self.text.orbits.data(symmetry)
            if not self.library.luo_symmetry(self._handle, (ctypes.c_uint8 * len(group))(*group), len(group)):
                raise MemoryError
        self.r.keep_edges = keep_edges
        self.r.threads = threads
        self.states = _Numbers(lambda: int(self.r.n), lambda: self.r.states)  # type: ignore[assignment]
        self.faults = _Numbers(lambda: int(self.r.n), lambda: self.r.faults_of)  # type: ignore[assignment]
        self._told = 0  # moments that are in `discoveries`
        self._cone_for: set[int] | None = None
        self._raised: BaseException | None = None
        self._limits = Limits()
        self._begun = False
        self.keeper: Keeper | None = None

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        if getattr(self, "_handle", None):
            self.library.luo_free(self._handle)
            self._handle = None

    # ---- the search ---------------------------------------------------------------------------------------------

    def run(self, limits: Limits, found_before: int = 0, progress: Progress | None = None) -> None:
        r = self.r
        self._limits = limits
        self._allow(TELLING)
        r.most = limits.max_states - found_before if limits.max_states is not None else sys.maxsize

        def poll(states: int, left: int) -> int:
            try:
                limits.check(found_before + states)
                if progress is not None:
                    progress(found_before + states, int(r.depth), left, self.levels)
                if self.keeper is not None:
                    self.keeper.pulse(self)
            except BaseException as error:  # it may not pass through C
                self._raised = error
                return 1
            return 0

        r.poll = runtime.POLL(poll)
        refused = False
        try:
            self._levels(limits, found_before)
            self._graph()
        except Refused:
            refused = True
            raise
        finally:
            r.poll = runtime.POLL()
            if not refused and self.levels:
                self._tell()

    def _levels(self, limits: Limits, found_before: int) -> None:
        r = self.r
        if self.keeper is not None:
            self.keeper.take_up(self)
        if not self._begun:
            self.levels.append(0)
            for store in self.machine.initial(self.instance):
                words = self.packed.pack(store)
                self.library.luo_start(self._handle, (ctypes.c_uint64 * len(words))(*words))
                self._stopped(limits, found_before)
        else:
            self._level(self._where.source, self.levels[-1], limits, found_before)
        if self.guide is not None:
            self._begun = True

            def expand(state: int) -> None:
                self._level(state, state + 1, limits, found_before)

            self._guided(self.guide, expand)
            return
        first, depth = (self.levels[-1], self.depth + 1) if self._begun else (0, 0)
        while first < r.n:
            last = int(r.n)
            self.levels.append(last)
            self._discoveries()
            if self.deep_enough(self, depth):
                self.ended_early = True
                return
            self._begun = True
            self._level(first, last, limits, found_before)
            first, depth = last, depth + 1

    def _level(self, first: int, last: int, limits: Limits, found_before: int) -> None:
        """Expands a level, or the rest of one."""
        self.r.first, self.r.last, self.r.depth = first, last, self.depth
        self.library.luo_level(self._handle)
        self._stopped(limits, found_before)

    def _allow(self, part: int) -> None:
        """Sets how much memory C may have: what the process may still use, without one part of so many (0: all of it)."""
        if self._limits.memory is not None:
            left = self._limits.memory - resident_bytes()
            self.r.budget = self.r.held + left - (left // part if part else 0)

    def _stopped(self, limits: Limits, found_before: int) -> None:
        """Raises what ended the search."""
        r = self.r
        match r.status:
            case runtime.RUNNING:
                return
            case runtime.STOPPED_MOST:
                limits.check(found_before + r.n)
            case runtime.STOPPED_POLL:
                # a signal between the lines of `poll` ends the callback without leaving its exception here
                raise self._raised or KeyboardInterrupt
            case runtime.NO_MEMORY:
                raise Stopped(NO_MORE_MEMORY)
            case runtime.OVER_BUDGET:
                raise limits.out_of_memory()
            case runtime.NOT_DONE_HERE:
                raise Refused("a path that is too long, or holds too much, for the native engine")
            case runtime.SPEC_ERROR:
                self._spec_error()
        raise AssertionError(f"the native engine stopped with {r.status}")

    def _spec_error(self) -> None:
        r = self.r
        span = self.text.spans[r.error_span]
        if r.error_code == 608:
            fail("LUO608", "two elements of this `forall` write different values to one place", span)
        properties = self.instance.system.properties
        reads_through_none(properties[r.error_claim], Oops(properties[r.error_name].name, span))

    # ---- checkpoints --------------------------------------------------------------------------------------------

    @property
    def _where(self) -> runtime.NativePoint:
        return saved.point(self.library, self._handle)

    def saved(self) -> tuple[list[int], list[Block]] | None:
        if not self._begun or not self._where.n:
            return None
        return list(self.levels), saved.blocks(self.library, self._handle)

    def take_up(self, levels: list[int], reader: Reader) -> None:
        """Puts this search where another one was.  Raises Unusable, Stopped when there is too little memory."""
        if not saved.restore(self.library, self._handle, reader):
            self._stopped(self._limits, 0)
        where = self._where
        ordered = levels[:1] == [0] and all(a < b for a, b in pairwise(levels))
        if not ordered or len(levels) < 2 or not levels[-2] <= where.source <= levels[-1] <= where.n:
            raise Unusable("the levels of its search make no sense")
        self.levels = levels
        self._begun = True
        try:
            self._discoveries()
        except (IndexError, TypeError):
            raise Unusable("a call that it tells of is none of this spec") from None

    # ---- what was found -----------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Everything that was found, as the interpreter's search leaves it behind."""
        r, system = self.r, self.instance.system
        self.transitions = int(r.transitions)
        coverage = self.coverage
        coverage.events |= {event.name for event in system.events if r.fired[event.index]}
        coverage.blocked |= {event.name for event in system.events if r.blocked[event.index]}
        coverage.lines |= {k for k in range(self.text.lines) if r.covered[k // 64] >> k % 64 & 1}
        for number, what in enumerate(self.text.cuts):
            if r.cuts[number]:
                coverage.cuts[what] = coverage.cuts.get(what, 0) + int(r.cuts[number])
        self.monitors.seen |= {claim.name for k, claim in enumerate(system.properties) if r.seen[k]}
        self._discoveries()

    def _graph(self) -> None:
        """What claims about the graph ask of a finished search.  Raises Stopped where there is no room for it."""
        r, flags, monitors = self.r, self.text.flags, self.monitors
        if self.edges is None and not monitors.liveness:
            return
        self._limits.check_memory(2 * r.n * flags + PYTHON_ITEM * (r.cut_n + r.waiting_n))
        every = ctypes.string_at(r.flags, r.n * flags)

        def column(claim: Property, number: int = 0) -> bytearray:
            return bytearray(every[self.text.flag_of[claim.name] + number :: flags])

        self.ways = [(column(claim), column(claim, 1)) for claim in monitors.ways]
        self.runs = [
            [(column(claim, 2 * i), column(claim, 2 * i + 1)) for i in range(len(combinations(claim, self.instance)))]
            for claim in monitors.liveness
        ]
        self.exempt = [column(claim) for claim in monitors.stuck]
        self.cut_states = set(r.cut_states[: r.cut_n])
        for k in range(r.waiting_n):
            wait = r.waits[k]
            event = self.instance.system.events[wait.event]
            self.waiting.setdefault((event.index, self._arguments(event, wait.args)), set()).add(wait.source)

    def _arguments(self, event: Event, numbers: Any) -> Arguments:
        types = [p.type for p in event.parameters] + [BoolT()] * len(event.predicates)
        return tuple(bool(numbers[i]) if isinstance(t, BoolT) else int(numbers[i]) for i, t in enumerate(types))

    def _discoveries(self) -> None:
        """The moments that were added since it was last asked."""
        r, system = self.r, self.instance.system
        for k in range(self._told, r.moments_n):
            m = r.moments[k]
            name = system.properties[m.claim].name
            errno = self.text.layout.errnos[m.errno]
            if m.event < 0:
                depth = bisect_right(self.levels, m.source) - 1 if m.source < self.levels[-1] else len(self.levels) - 1
                self._discover(name, depth, Moment(m.source, None, (), False, errno, "state", None, 0, 0))
                continue
            event, kind = system.events[m.event], runtime.KINDS[m.kind]
            label: str | None = None
            if kind == "suspends":
                label = self.text.continuations.stops[m.label - 1].label
            elif m.label >= 0:
                label = self.text.layout.labels[m.label]
            depth = bisect_right(self.levels, m.source)
            arguments = self._arguments(event, m.args)
            mask = m.mask if self.countable else 0
            self._discover(name, depth, Moment(m.source, event, arguments, bool(m.resumed), errno, kind, label, m.faults, mask))
        self._told = r.moments_n

    def representative(self, state: int) -> Store:
        total = self.packed.total
        return self.packed.unpack(self.r.states[state * total : (state + 1) * total])

    def store(self, state: int) -> Store:
        store = self.representative(state)
        if self.symmetry is None:
            return store
        turn = self.text.orbits.turn(self.r.turns[state], self.symmetry.identity)
        return self.symmetry.renaming.store(store, inverse(turn))

    def turn_to(self, edges: Edges, i: int) -> Turn:
        assert self.symmetry is not None
        return self.text.orbits.turn(edges.turns[i], self.symmetry.identity)

    def every_edge(self) -> Edges:
        self._limits.check_memory(EDGE * int(self.r.all.n))
        return _edges(self.r.all)

    def inside(self, caller: int) -> bytearray:
        total, words = self.packed.total, self.packed.words + caller * self.text.continuations.words
        if not self.r.n or not self.packed.callers or not self.text.continuations.words:
            return bytearray(len(self.states))
        mask = (1 << self.text.continuations.pc_width) - 1
        states = (ctypes.c_uint64 * (int(self.r.n) * total)).from_address(ctypes.addressof(self.r.states.contents))
        return bytearray(1 if word & mask else 0 for word in memoryview(states).cast("B").cast("Q")[words::total])

    def backward(self, goals: bytearray, rule: EdgeRule) -> bytearray:
        self._limits.check_memory(8 * (2 * self.r.n + self.r.all.n) + 2 * len(goals))  # what luo_backward needs, and its answer
        events = (ctypes.c_uint8 * (len(self.instance.system.events) + 1))()
        for event in self.instance.system.events:
            events[event.index] = rule.events is None or event.index in rule.events
        reached = (ctypes.c_uint8 * max(1, len(goals))).from_buffer_copy(goals or b"\0")
        if not self.library.luo_backward(self._handle, events, rule.with_faults, rule.others_than, reached):
            raise Stopped(NO_MORE_MEMORY)
        return bytearray(reached)[: len(goals)]

    def edges_to(self, goals: Iterable[int]) -> Edges:
        """The edges on shortest runs with the fewest faults to the goals, found by expanding the levels once more."""
        wanted = set(goals)
        if self._cone_for is None or not wanted <= self._cone_for:
            wanted |= {m.source for d in self.discoveries.values() for m in d.moments}
            self._trace(wanted)
        return self.deeper

    def _trace(self, goals: set[int]) -> None:
        r = self.r
        r.status = runtime.RUNNING
        r.cone.n = 0
        if r.marks:
            ctypes.memset(r.marks, 0, r.n)
        self._allow(0)
        numbers = (ctypes.c_int64 * len(goals))(*goals)
        if not self.library.luo_mark(self._handle, numbers, len(goals)):
            raise Stopped(NO_MORE_MEMORY)
        bounds = [*self.levels, int(r.n)] if self.levels[-1] != r.n else self.levels
        parts: list[tuple[int, int]] = []
        for level in range(self.depth_of(max(goals)) - 1, -1, -1):
            r.first, r.last, r.depth = bounds[level], bounds[level + 1], level
            before = int(r.cone.n)
            self.library.luo_trace(self._handle)
            self._stopped(self._limits, 0)
            parts.append((before, int(r.cone.n)))
        every = _edges(r.cone)
        self.deeper = Edges()
        for first, last in reversed(parts):
            for name in Edges.__slots__:
                getattr(self.deeper, name).extend(getattr(every, name)[first:last])
        self._cone_for = goals


def _edges(native: runtime.NativeEdges) -> Edges:
    """Edges in columns, copied from C."""
    edges = Edges()
    n = int(native.n)
    columns = (("sources", native.source), ("targets", native.target), ("events", native.event), ("faults", native.faults))
    for name, pointer in (*columns, ("masks", native.mask), ("turns", native.turn)):
        column: array[int] = getattr(edges, name)
        if n and pointer:
            column.frombytes(ctypes.string_at(pointer, n * column.itemsize))
    return edges
