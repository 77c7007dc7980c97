"""Walks on summaries: loops that are written out for as many rounds as the scope has elements, and their rollbacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from luocheck.checker.symbolic.bounded.gates import FALSE, Lit
from luocheck.checker.symbolic.bounded.paths import Exits, Path, split
from luocheck.checker.symbolic.bounded.reader import Reader
from luocheck.checker.symbolic.bounded.refusal import Refused
from luocheck.checker.symbolic.bounded.summaries import NONE, Summary, cases, constant, made, mapped
from luocheck.model.ir import statements as st
from luocheck.model.ir.expressions import Read
from luocheck.model.ir.vocabulary import SeqT

if TYPE_CHECKING:
    from luocheck.checker.symbolic.bounded.execute import Caught, Executor

Round = tuple[Summary, Lit]
"""What a round of a walk is about: a tuple with an element for each binder, and when there is such a round at all."""


class Walking:
    """One execution of a walk."""

    def __init__(self, executor: Executor, stmt: st.Walk, caught: Caught | None) -> None:
        self.executor = executor
        self.world = executor.world
        self.gates = executor.gates
        self.stmt = stmt
        self.number = executor.walks
        executor.walks += 1
        self.caught = caught
        self.slots = [binder.slot for binder in stmt.binders]
        self.failed: list[Path] = []
        self.visited: list[Summary] = []  # of each round that ended without a failure on some path

    def run(self, path: Path, exits: Exits) -> Path | None:
        every: list[Round] = []
        if self.stmt.drains:
            here = self._drain(path)
        else:
            reader = self.executor.reader(path)
            every = self._rounds(reader, 0, [])
            if self.stmt.reversed:
                every.reverse()
            self._clear(path)
            self.executor.settle(path, reader)
            any_order = any(isinstance(b, st.OverSort) and b.order == "any" for b in self.stmt.binders)
            here = self._any_order(path, every) if any_order else self._in_order(path, every)
        self._fail(every, exits)
        if here is not None:
            self._clear(here)
            self._forget(here)
        return here

    # ---- what is walked -------------------------------------------------------------------------------------------

    def _rounds(self, reader: Reader, position: int, sofar: list[Summary]) -> list[Round]:
        """All rounds in the order of the walk, as they are when it starts."""
        if position == len(self.slots):
            return [(mapped(self.gates, lambda *elements: elements, *sofar), reader.here)]
        found: list[Round] = []
        before = reader.here
        for items, there in self._items(reader, position):
            reader.here = self.gates.and_(before, there)
            if reader.here != FALSE:
                reader.env[self.slots[position]] = items
                found += self._rounds(reader, position + 1, [*sofar, items])
        reader.here = before
        return found

    def _items(self, reader: Reader, position: int) -> list[Round]:
        """The elements of a binder, one after the other: for each place in the order, what stands there and when anything does."""
        binder = self.stmt.binders[position]
        if isinstance(binder, st.OverSort):
            present = self.world.elements(reader.cells, binder.sort)
            if binder.graph is None:
                return [(constant(x), there) for x, there in present]
            lit_of = dict(present)
            return [
                (items, self.gates.any_of(self.gates.and_(lit, lit_of[x]) for x, lit in items.items()))
                for items in self._places(self.world.orders[binder.graph])
            ]
        return [
            (items, self.gates.any_of(lit for value, lit in sequences.items() if place < len(value)))
            for sequences in [reader.present(binder.sequence)]
            for place, items in enumerate(self._places(sequences))
        ]

    def _places(self, sequences: Summary) -> list[Summary]:
        longest = max(map(len, sequences), default=0)
        return [
            made(self.gates, ((value[place], lit) for value, lit in sequences.items() if place < len(value)))
            for place in range(longest)
        ]

    # ---- going on -------------------------------------------------------------------------------------------------

    def _bind(self, path: Path, elements: Summary) -> None:
        for position, slot in enumerate(self.slots):
            path.env[slot] = mapped(self.gates, lambda element, p=position: element[p], elements)

    def _clear(self, path: Path) -> None:
        for slot in self.slots:
            path.env[slot] = NONE

    def _wanted(self, path: Path, reader: Reader, elements: Summary) -> Lit:
        """Is the element still in its lists, and does `where` hold?"""
        self._bind(path, elements)
        for position, binder in enumerate(self.stmt.binders):
            if isinstance(binder, st.OverSeq):
                sequence, x = reader.present(binder.sequence), path.env[self.slots[position]]
                missing = self.gates.any_of(lit for (each, among), lit in cases(self.gates, x, sequence) if each not in among)
                reader.breaks("stale_iteration", self.stmt.span, missing)
        return reader.truth(self.stmt.where) if self.stmt.where is not None else 1

    def _step(self, path: Path, elements: Summary) -> Path | None:
        """One round; failures go to `failed`."""
        executor = self.executor
        self._bind(path, elements)
        exits = Exits()
        done = executor.join(executor.block(path, self.stmt.step, exits, self.caught), *exits.stops)
        self.failed += exits.fails
        if done is not None:
            done.flags[self._flag(len(self.visited))] = 1
        self.visited.append(elements)
        return done

    def _flag(self, number: int) -> tuple[object, ...]:
        return "visited", self.number, number

    def _in_order(self, path: Path | None, every: list[Round]) -> Path | None:
        for elements, there in every:
            if path is None:
                break
            present, absent = split(self.gates, path, there)
            skipped: Path | None = None
            if present is not None:
                reader = self.executor.reader(present)
                wanted = self._wanted(present, reader, elements)
                self.executor.settle(present, reader)
                present, skipped = split(self.gates, present, wanted)
            if present is not None:
                present = self._step(present, elements)
            path = self.executor.join(present, skipped, absent)
        return path

    def _any_order(self, path: Path | None, every: list[Round]) -> Path | None:
        """In each round any element that is left and wanted.  Which are left is a flag of the path."""
        gates, ended = self.gates, []
        for number, (_, there) in enumerate(every):
            if path is not None:
                path.flags["left", self.number, number] = there
        for _ in every:
            if path is None:
                break
            reader = self.executor.reader(path)
            options: list[tuple[int, Lit]] = []
            for number, (elements, _) in enumerate(every):
                left = path.flags.get(("left", self.number, number), FALSE)
                options.append((number, gates.and_(left, self._asked(path, reader, elements, left))))
            self.executor.settle(path, reader)
            chosen, none = self.executor.choices.among(options)
            finished, path = split(gates, path, none)
            ended.append(finished)
            if path is None:
                break
            if len(chosen) == 1:
                chosen = dict.fromkeys(chosen, 1)
            for number, lit in chosen.items():
                flag = ("left", self.number, number)
                path.flags[flag] = gates.and_(path.flags.get(flag, FALSE), lit ^ 1)
            parts = [(x, gates.and_(lit, when)) for number, lit in chosen.items() for x, when in every[number][0].items()]
            path = self._step(path, made(gates, parts))
        return self.executor.join(path, *ended)

    def _asked(self, path: Path, reader: Reader, elements: Summary, left: Lit) -> Lit:
        return reader.under(left, lambda: self._wanted(path, reader, elements)) if left != FALSE else FALSE

    def _drain(self, path: Path | None) -> Path | None:
        """Takes off one element after the other.  Raises Refused when the step may put some back and there seems to be no end."""
        (binder,) = self.stmt.binders
        assert isinstance(binder, st.OverSeq) and isinstance(binder.sequence, Read) and isinstance(binder.sequence.type, SeqT)
        read, most = binder.sequence, self.world.sizes[binder.sequence.type.sort.index]
        refilled = any(isinstance(s, st.Insert | st.Assign) and s.field is read.field for s in st.statements(self.stmt.step))
        rounds = 2 * most + 1 if refilled else most
        ended: list[Path | None] = []
        for number in range(rounds + 1):
            if path is None:
                break
            reader = self.executor.reader(path)
            keys, sequences = reader.keys(read.field, read.arguments, read.span), reader.present(read)
            self.executor.settle(path, reader)
            finished, path = split(self.gates, path, self.gates.any_of(lit for value, lit in sequences.items() if not value))
            if finished is not None:
                for cell, when in keys.items():  # that it is empty is known; the summary need not show it
                    self.executor.write(finished, cell, constant(()), when)
            ended.append(finished)
            if number == rounds and path is not None and refilled:
                reason = f"the drain `{self.stmt.name}` may go on for ever: its step puts elements back"
                raise Refused(reason, self.stmt.span)
            if path is None or number == rounds:  # when nothing is put back, each round leaves one less
                break
            at_most = most if refilled else most - number
            left = {value: lit for value, lit in sequences.items() if 0 < len(value) <= at_most}
            elements = made(self.gates, (((value[-1 if self.stmt.reversed else 0],), lit) for value, lit in left.items()))
            path = self._step(path, elements)
            if path is not None:
                self._bind(path, elements)
                taken = self.executor.reader(path)
                self.executor.take(path, taken, read.field, read.arguments, path.env[self.slots[0]], self.stmt.span)
        return self.executor.join(*ended)

    # ---- failing --------------------------------------------------------------------------------------------------

    def _fail(self, every: list[Round], exits: Exits) -> None:
        """The walk fails where a step failed, after its rollback."""
        executor, rollback = self.executor, self.stmt.rollback
        path = executor.join(*self.failed)
        if path is None:
            return
        if rollback is not None:
            errno, label = path.errno, path.label
            if rollback.visited_only:
                rounds = [(elements, path.flags.get(self._flag(n), FALSE)) for n, elements in enumerate(self.visited)]
            else:
                rounds = every
            path = self._undo(path, list(reversed(rounds)) if rollback.reversed else rounds, rollback.body, exits)
            if path is None:
                return
            path.errno, path.label = errno, label
        self._clear(path)
        self._forget(path)
        exits.fails.append(path)

    def _undo(self, path: Path | None, rounds: list[Round], body: st.Block, exits: Exits) -> Path | None:
        executor = self.executor
        for elements, there in rounds:
            if path is None:
                break
            present, absent = split(self.gates, path, there)
            if present is not None:
                self._bind(present, elements)
                inner = Exits()
                done = executor.block(present, body, inner, self.caught)
                exits.fails += inner.fails
                present = executor.join(done, *inner.stops)
            path = executor.join(present, absent)
        return path

    def _forget(self, path: Path) -> None:
        """What only this walk noted is gone."""
        path.flags = {flag: lit for flag, lit in path.flags.items() if len(flag) < 3 or flag[1] != self.number}
