"""A search that the native engine does, with the face of the interpreter's."""

from __future__ import annotations

import ctypes
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from luocheck.checker.explore.limits import NO_MEMORY, Limits, Stopped
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.search import Coverage, EdgeRule, Edges, InstanceSearch, Moment
from luocheck.checker.native import runtime
from luocheck.checker.native.program import Text, instance_data
from luocheck.checker.native.refusal import Refused
from luocheck.checker.native.states import States
from luocheck.model.diagnostics import fail
from luocheck.model.instances import Instance
from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import BoolT
from luocheck.model.semantics.claims import reads_through_none
from luocheck.model.semantics.expressions import Oops
from luocheck.model.semantics.machine import Arguments, Machine
from luocheck.model.semantics.store import Store


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
    ) -> None:
        super().__init__(instance, machine, monitors, coverage, keep_edges=keep_edges)
        self.program = program
        self.text = program.text
        self.library = program.library
        self.packed = States(self.text, instance)
        self._handle = self.library.luo_new()
        if not self._handle:
            raise Stopped(NO_MEMORY)
        self.r: Any = self._handle.contents
        data = instance_data(self.text.layout, instance)
        self.library.luo_instance(self._handle, (ctypes.c_int64 * max(1, len(data)))(*data))
        self.r.keep_edges = keep_edges
        self.states = _Numbers(lambda: int(self.r.n), lambda: self.r.states)  # type: ignore[assignment]
        self.faults = _Numbers(lambda: int(self.r.n), lambda: self.r.faults_of)  # type: ignore[assignment]
        self._told = 0  # moments that are in `discoveries`
        self._cone_for: set[int] | None = None
        self._raised: BaseException | None = None

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self.library.luo_free(self._handle)
            self._handle = None

    # ---- the search ---------------------------------------------------------------------------------------------

    def run(self, limits: Limits, found_before: int = 0, progress: Callable[[int, int, int], None] | None = None) -> None:
        r = self.r
        r.most = limits.max_states - found_before if limits.max_states is not None else sys.maxsize

        def poll(states: int, left: int) -> int:
            try:
                limits.check(found_before + states)
                if progress is not None:
                    progress(found_before + states, int(r.depth), left)
            except BaseException as error:  # it may not pass through C
                self._raised = error
                return 1
            return 0

        r.poll = runtime.POLL(poll)
        refused = False
        try:
            self._levels(limits, found_before)
        except Refused:
            refused = True
            raise
        finally:
            r.poll = runtime.POLL()
            if not refused:
                self._tell()

    def _levels(self, limits: Limits, found_before: int) -> None:
        r = self.r
        self.levels.append(0)
        for store in self.machine.initial(self.instance):
            words = self.packed.pack(store)
            self.library.luo_start(self._handle, (ctypes.c_uint64 * len(words))(*words))
            self._stopped(limits, found_before)
        first = depth = 0
        while first < r.n:
            last = int(r.n)
            self.levels.append(last)
            self._discoveries()
            if self.deep_enough(self, depth):
                self.ended_early = True
                return
            r.first, r.last, r.depth = first, last, depth
            self.library.luo_level(self._handle)
            self._stopped(limits, found_before)
            first, depth = last, depth + 1

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
                raise Stopped(NO_MEMORY)
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
        self.cut_states = set(r.cut_states[: r.cut_n])
        flags = self.text.flags
        if flags:
            every = ctypes.string_at(r.flags, r.n * flags) if r.n else b""
            columns = [bytearray(every[i::flags]) for i in range(flags)]
            self.ways = [(columns[2 * i], columns[2 * i + 1]) for i in range(len(self.ways))]
            self.exempt = columns[2 * len(self.ways) :]
        if self.edges is not None:
            for k in range(r.waiting_n):
                wait = r.waits[k]
                event = system.events[wait.event]
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

    def store(self, state: int) -> Store:
        total = self.packed.total
        return self.packed.unpack(self.r.states[state * total : (state + 1) * total])

    def inside(self, caller: int) -> bytearray:
        total, words = self.packed.total, self.packed.words + caller * self.text.continuations.words
        if not self.packed.callers or not self.text.continuations.words:
            return bytearray(len(self.states))
        mask = (1 << self.text.continuations.pc_width) - 1
        column = memoryview(ctypes.string_at(self.r.states, int(self.r.n) * total * 8)).cast("Q")[words::total]
        return bytearray(1 if word & mask else 0 for word in column)

    def backward(self, goals: bytearray, rule: EdgeRule) -> bytearray:
        events = (ctypes.c_uint8 * (len(self.instance.system.events) + 1))()
        for event in self.instance.system.events:
            events[event.index] = rule.events is None or event.index in rule.events
        reached = (ctypes.c_uint8 * max(1, len(goals))).from_buffer_copy(goals or b"\0")
        if not self.library.luo_backward(self._handle, events, rule.with_faults, rule.others_than, reached):
            raise Stopped(NO_MEMORY)
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
        numbers = (ctypes.c_int64 * len(goals))(*goals)
        if not self.library.luo_mark(self._handle, numbers, len(goals)):
            raise Stopped(NO_MEMORY)
        bounds = [*self.levels, int(r.n)] if self.levels[-1] != r.n else self.levels
        parts: list[tuple[int, int]] = []
        for level in range(self.depth_of(max(goals)) - 1, -1, -1):
            r.first, r.last, r.depth = bounds[level], bounds[level + 1], level
            before = int(r.cone.n)
            self.library.luo_trace(self._handle)
            if r.status == runtime.NO_MEMORY:
                raise Stopped(NO_MEMORY)
            assert r.status == runtime.RUNNING, f"tracing stopped with {r.status}"
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
    for name, pointer in (*columns, ("masks", native.mask)):
        column: array[int] = getattr(edges, name)
        if n:
            column.frombytes(ctypes.string_at(pointer, n * column.itemsize))
    return edges
