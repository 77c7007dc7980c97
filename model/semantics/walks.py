"""Meaning of walks: loops with a rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from luocheck.model.ir import statements as st
from luocheck.model.ir.expressions import Read
from luocheck.model.ir.vocabulary import Sort
from luocheck.model.semantics.expressions import Oops
from luocheck.model.semantics.run import SEQ, UNDO, WALK, Frame, Run

if TYPE_CHECKING:
    from luocheck.model.semantics.statements import Program

Element = tuple[int, ...]
"""What one round of a walk is about: an element for each binder."""


class WalkCode:
    """The code of one walk; `index` is its number in the program."""

    index: int

    def __init__(self, program: Program, stmt: st.Walk) -> None:
        self.program = program
        self.machine = program.machine
        self.stmt = stmt
        self.drains = stmt.drains
        self.any_order = any(isinstance(b, st.OverSort) and b.order == "any" for b in stmt.binders)
        self.slots = tuple(b.slot for b in stmt.binders)
        self.sorts: tuple[Sort, ...] = tuple(st.sort_walked(b) for b in stmt.binders)
        self.sequences = [program.expr(b.sequence) if isinstance(b, st.OverSeq) else None for b in stmt.binders]
        self.where = program.expr(stmt.where) if stmt.where is not None else None
        self.step = program.block(stmt.step)
        self.rollback = program.block(stmt.rollback.body) if stmt.rollback is not None else None
        self.undoes_all = stmt.rollback is not None and not stmt.rollback.visited_only
        if stmt.drains:
            (binder,) = stmt.binders
            assert isinstance(binder, st.OverSeq) and isinstance(binder.sequence, Read)
            read = binder.sequence
            self.take = program.remove_code(read.field, read.arguments, stmt.span)

    # ---- what is walked -----------------------------------------------------------------------------------------

    def sequence(self, run: Run) -> tuple[Element, ...]:
        """All elements, in the order of the walk, as they are when it starts."""
        if self.drains:
            return ()
        found: list[Element] = []
        self._collect(run, (), found)
        for slot in self.slots:
            run.env[slot] = None
        return tuple(reversed(found)) if self.stmt.reversed else tuple(found)

    def _collect(self, run: Run, sofar: Element, found: list[Element]) -> None:
        position = len(sofar)
        if position == len(self.slots):
            found.append(sofar)
            return
        for x in self._items(run, position):
            run.env[self.slots[position]] = x
            self._collect(run, (*sofar, x), found)

    def _items(self, run: Run, position: int) -> Any:
        binder = self.stmt.binders[position]
        code = self.sequences[position]
        if code is not None:
            return code(run.store, run.env)
        assert isinstance(binder, st.OverSort)
        present = run.store.elements(binder.sort)
        if binder.graph is None:
            return present
        order = run.store.instance.order[binder.graph]
        there = set(present)
        return [x for x in order if x in there]

    # ---- going on -----------------------------------------------------------------------------------------------

    def bind(self, run: Run, element: Element) -> None:
        for slot, x in zip(self.slots, element, strict=True):
            run.env[slot] = x

    def clear(self, run: Run) -> None:
        for slot in self.slots:
            run.env[slot] = None

    def advance(self, run: Run, frame: Frame) -> Any:
        """The walk begins, or a step of it has ended: on to the next element."""
        _, _, every, left, visited, current = frame
        if current is None and not self.undoes_all:
            every = ()  # nobody will ask for it, and states that differ in nothing else are one
        elif current is not None:
            if self.rollback is not None:
                visited = (*visited, current)
            if self.drains:
                self.bind(run, current)
                self.take(run, current[0])
        if self.drains:
            code = self.sequences[0]
            assert code is not None
            items = code(run.store, run.env)
            if items:
                return self._start(run, every, (), visited, (items[-1 if self.stmt.reversed else 0],))
        elif self.any_order:
            ready = [x for x in left if self._wanted(run, x)]
            if ready:
                return self._fork(run, every, left, visited, ready)
        else:
            while left:
                element, left = left[0], left[1:]
                if self._wanted(run, element):
                    return self._start(run, every, left, visited, element)
        run.frames.pop()
        self.clear(run)
        return None

    def _wanted(self, run: Run, element: Element) -> bool:
        self.bind(run, element)
        for code, x in zip(self.sequences, element, strict=True):
            if code is not None and x not in code(run.store, run.env):
                raise Oops("stale_iteration", self.stmt.span)
        return self.where is None or bool(self.where(run.store, run.env))

    def _fork(
        self, run: Run, every: tuple[Element, ...], left: tuple[Element, ...], visited: tuple[Element, ...], ready: list[Element]
    ) -> Any:
        if len(ready) == 1:
            return self._start(run, every, tuple(x for x in left if x != ready[0]), visited, ready[0])
        runs = []
        for element in ready:
            other = run.fork()
            self._start(other, every, tuple(x for x in left if x != element), visited, element)
            runs.append(other)
        return runs

    def _start(
        self, run: Run, every: tuple[Element, ...], left: tuple[Element, ...], visited: tuple[Element, ...], element: Element
    ) -> None:
        self.bind(run, element)
        run.frames[-1] = (WALK, self.index, every, left, visited, element)
        run.frames.append((SEQ, self.step, 0, ()))
        if run.notes is not None:
            run.note("visit", self.stmt.name, self._names(run, element), self.stmt.span)

    # ---- rolling back -------------------------------------------------------------------------------------------

    def to_undo(self, frame: Frame) -> tuple[Element, ...]:
        """The elements that the rollback of a failing walk runs over, in its order."""
        _, _, every, _, visited, _ = frame
        assert self.stmt.rollback is not None
        elements: tuple[Element, ...] = visited if self.stmt.rollback.visited_only else every
        return tuple(reversed(elements)) if self.stmt.rollback.reversed else elements

    def undo(self, run: Run, frame: Frame) -> Any:
        """The next step of a rollback; when all are done, the failure goes on."""
        _, _, left, errno, label = frame
        if not left:
            run.frames.pop()
            run.label = label  # what the rollback ran and caught has left its own
            self.clear(run)
            return self.machine.unwind(run, errno)
        element, left = left[0], left[1:]
        self.bind(run, element)
        assert self.rollback is not None and self.stmt.rollback is not None
        run.frames[-1] = (UNDO, self.index, left, errno, label)
        run.frames.append((SEQ, self.rollback, 0, ()))
        if run.notes is not None:
            run.note("undo", self.stmt.name, self._names(run, element), self.stmt.rollback.body.span)
        return None

    def _names(self, run: Run, element: Element) -> str:
        instance = run.store.instance
        return ", ".join(instance.name(sort, x) for sort, x in zip(self.sorts, element, strict=True))
