"""What user space can see of two specs, compared in both directions, and told as calls with their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from luocheck.checker.diff.half import Half
from luocheck.checker.diff.links import Links
from luocheck.checker.diff.names import Names
from luocheck.checker.diff.pairing import Pairing, renamed_sorts
from luocheck.checker.diff.reduction import Reduction
from luocheck.checker.diff.refinement import Run, passed, refine
from luocheck.checker.diff.setups import Setups
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.witnesses import Narrator, elements
from luocheck.model.answer import Step, Witness
from luocheck.model.instances import Instance, instances
from luocheck.model.ir.system import OK, PANIC, Scope, System
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.shown import step_of


@dataclass(frozen=True, slots=True)
class Distinction:
    """A shortest sequence of calls with results that one spec has and the other has not.

    witness: a run of the one that has it; `seen` says of each of its calls whether user space sees it.  allowed: what the other could have
    returned at the last call after the same calls before; empty when it cannot be made there.
    """

    witness: Witness
    seen: tuple[bool, ...]
    allowed: tuple[str, ...]

    @property
    def calls(self) -> int:
        """Calls that user space sees."""
        return sum(self.seen)


@dataclass(frozen=True, slots=True)
class Direction:
    """Is everything that is seen of one spec possible in the other?

    distinction: the shortest sequence that is not, or None.  depth: every sequence of up to so many calls was looked at; complete: and no
    longer one differs, either.  pairs: states of the one with what is known of the other.  stopped: the limit that ended the search.
    cut: sequences not followed because the scope is too small to say what the other does.  unmatched: starting points that the other spec
    does not have.
    """

    distinction: Distinction | None
    depth: int
    complete: bool
    pairs: int
    stopped: str | None
    cut: int
    unmatched: int

    @property
    def decided(self) -> bool:
        """Is there an answer, for as many calls as were asked for?"""
        return self.distinction is not None or self.stopped is None


class Comparison:
    """Compares two specs in one direction; `swapped` in the other."""

    def __init__(self, old: System, new: System, old_scope: Scope, new_scope: Scope, pairing: Pairing) -> None:
        handles = renamed_sorts(old, new, pairing)
        self.scope = old_scope
        self.left = Half(old, pairing.old, pairing.hidden_old, tuple(sort for sort, _ in handles))
        self.right = Half(new, pairing.new, pairing.hidden_new, tuple(sort for _, sort in handles))
        self.setups = Setups(old, new, new_scope)
        self.reduction = Reduction(self.left, self.right)
        self.unmatched = 0

    def compare(self, limits: Limits, depth: int | None, note: Callable[[str], None] | None = None) -> Direction:
        """Looks for the shortest sequence that the second spec does not have.  depth: most visible calls.  note: told how far it is."""
        who = f"{self.left.system.name} against {self.right.system.name}"
        tell = (lambda pairs, calls: note(f"{who}: {pairs:,} pairs, {calls} calls")) if note is not None else None
        found = refine(self.reduction, self._starts(limits), limits, depth, tell)
        told = self._told(found.run) if found.run is not None else None
        return Direction(told, found.depth, found.complete, found.pairs, found.stopped, found.cut, self.unmatched)

    def _starts(self, limits: Limits) -> Iterator[tuple[int, list[int]]]:
        """First states, each with those of the other spec in the same world."""
        for instance in instances(self.left.system, self.scope):
            limits.check(0)
            matching: list[Instance] = []
            for other in self.setups.matching(instance):
                limits.check(0)
                matching.append(other)
            others = [state for other in matching for state in self.right.begin(other)]
            if not others:
                self.unmatched += 1
                continue
            firsts = self.left.begin(instance)
            self.reduction.begin(instance, matching)
            for state in firsts:
                yield state, others

    # ---- telling ------------------------------------------------------------------------------------------------

    def _told(self, run: Run) -> Distinction:
        """A run, executed again with notes."""
        instance = self.left.instance(run.start)
        machine = Machine(instance, notes=True)
        here = start = self.left.store(run.start)
        names = Names(instance)
        steps: list[Step] = []
        used: set[tuple[int, int]] = set()
        for called in run.calls:
            names.survivors(here)
            every = [each for each in machine.call(called.event, called.arguments, here) if called.is_result(each)]
            outcome = min(every, key=lambda each: each.faults)
            step = step_of(called.event, called.arguments, outcome, here, resumed=False)
            steps.append(replace(names.step(step, called.event, called.arguments, outcome), outcome=called.shown))
            used |= elements(called.event, called.arguments, outcome)
            here = outcome.store
        witness = Narrator(instance, machine).made(start, steps, used, (), ())
        seen = tuple(called.seen for called in run.calls)
        return Distinction(witness, seen, self._allowed(run, names))

    def _allowed(self, run: Run, names: Names) -> tuple[str, ...]:
        """What the last call could have returned in the other spec."""
        found: set[str] = set()
        for state, links in run.believed:
            for arguments, bound in passed(self.left, self.right, state, links, run.label):
                for answer in self.right.answers(state, run.label.event, arguments).every:
                    gives = ""
                    if answer.outcome == OK and answer.gives is not None:
                        gives = f" gives {self._given(run, bound, answer.gives, names)}"
                    found.add(answer.outcome + gives)
        order = {OK: 0, PANIC: 2}
        return tuple(sorted(found, key=lambda text: (order.get(text.split(" ")[0], 1), text)))

    def _given(self, run: Run, links: Links, value: object, names: Names) -> str:
        """What a call of the other spec gives, in the names of the run."""
        result = self.left.seen[run.label.event].event.result
        assert result is not None
        if not isinstance(result.type, ElemT) or not isinstance(value, int):
            return "true" if value is True else "false" if value is False else str(value)
        sort = self.left.handle_given(run.label.event)
        if sort is None:
            return names.of(result.type.sort, value)
        row, known = links.bound[sort], links.known[sort]
        if value in row:
            return names.of(result.type.sort, row.index(value))
        if value in known:
            return f"the {result.type.sort.name} that is gone here"
        return f"another {result.type.sort.name}" if known or any(x is not None for x in row) else f"some {result.type.sort.name}"
