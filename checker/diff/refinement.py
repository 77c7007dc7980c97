"""Weak trace refinement: is everything that user space can see of one spec possible in the other?  If not, the shortest sequence that is not.

Breadth-first over pairs of a state of the one and its belief: all states of the other in which the same calls may have returned the same,
whatever happened unseen (a subset construction, on the fly).  A pair is not followed when a pair with the same state and a smaller belief
was met before: whatever the larger belief cannot do, the smaller one cannot do either (De Wulf, Doyen, Henzinger, Raskin, Antichains: a
new algorithm for checking universality of finite automata, 2006).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from luocheck.checker.diff.half import ANY, ENDED, Answer, Bad, Call, Half, SeenArguments
from luocheck.checker.diff.links import Links, named, unnamed
from luocheck.checker.diff.reduction import Belief, Reduction, back
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.model.instances import moved_value
from luocheck.model.ir.system import OK, Event
from luocheck.model.ir.vocabulary import Value
from luocheck.model.semantics.machine import Arguments
from luocheck.model.semantics.renaming import Turn
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store

Tell = Callable[[int, int], None]
"""Told how many pairs there are, and that every sequence of so many visible calls was looked at."""

PULSE = 256
"""Steps of the search between two looks at the limits."""


@dataclass(frozen=True, slots=True)
class Label:
    """A visible call: position of its event, arguments, outcome, what it gave."""

    event: int
    arguments: SeenArguments
    outcome: str
    gives: object


@dataclass(frozen=True, slots=True)
class Move:
    """How a pair came about: by a visible call (`label` and the answer that was followed), or unseen (both None).  target: the state that it
    led to, before the turn."""

    label: Label | None
    answer: Answer | None
    target: int


@dataclass(slots=True)
class Called:
    """A call of a run: what it was made with, how it ended, what was seen of that (of a class of errnos one that it stands for), the state
    after it (None after a panic), and whether user space sees it at all."""

    event: Event
    arguments: Arguments
    kind: str
    errno: str
    shown: str
    gives: Value
    after: Store | None
    seen: bool

    def is_result(self, outcome: Outcome) -> bool:
        """Did a call with these arguments end like this one?"""
        if (outcome.kind, outcome.errno) != (self.kind, self.errno) or (self.after is not None and outcome.store != self.after):
            return False
        gives = self.event.result is not None and self.kind == "returns" and self.errno == OK
        return not gives or self.event.result is None or outcome.env[self.event.result.slot] == self.gives


@dataclass(slots=True)
class Run:
    """A run of one spec that the other cannot follow.

    start: its first state.  calls: the last is the one that differs.  believed: the belief before it.  label: what it looked like.
    """

    start: int
    calls: list[Called]
    believed: Belief
    label: Label


@dataclass(slots=True)
class Refinement:
    """What a search found.

    run: the shortest run that the other spec cannot follow, None when none was found.  depth: every sequence of up to so many visible
    calls was looked at; complete: and there are no longer ones that matter.  pairs: how many were visited.  stopped: the limit that ended
    it.  cut: how many sequences were not followed because the scope is too small to say what the other spec does.
    """

    run: Run | None = None
    depth: int = 0
    complete: bool = False
    pairs: int = 0
    stopped: str | None = None
    cut: int = 0


def refine(
    reduction: Reduction,
    starts: Iterable[tuple[int, Iterable[int]]],
    limits: Limits,
    depth: int | None,
    tell: Tell | None = None,
) -> Refinement:
    """Looks for the shortest visible sequence of the left side of `reduction` that its right side does not have.

    starts: first states of the left side, each with the first states of the right side that are the same world.  depth: most visible calls.
    tell: called now and then.
    """
    return _Search(reduction, limits, tell).run(starts, depth)


@dataclass(slots=True)
class _Pair:
    state: int
    belief: Belief
    before: int
    move: Move | None
    turn: Turn | None


@dataclass(slots=True)
class _Search:
    reduction: Reduction
    limits: Limits
    tell: Tell | None
    pairs: list[_Pair] = field(default_factory=list)
    smallest: dict[int, list[Belief]] = field(default_factory=dict)
    closures: dict[Belief, Belief | None] = field(default_factory=dict)
    after: dict[tuple[Belief, Label], Belief | None] = field(default_factory=dict)
    result: Refinement = field(default_factory=Refinement)
    beats: int = 0

    @property
    def left(self) -> Half:
        return self.reduction.left

    @property
    def right(self) -> Half:
        return self.reduction.right

    def run(self, starts: Iterable[tuple[int, Iterable[int]]], depth: int | None) -> Refinement:
        result = self.result
        try:
            self._search(starts, depth)
        except Stopped as stop:
            result.stopped = stop.reason
        except MemoryError:
            result.stopped = "stopped because there is no more memory"
        result.pairs = len(self.pairs)
        return result

    def _search(self, starts: Iterable[tuple[int, Iterable[int]]], depth: int | None) -> None:
        result = self.result
        level: list[int] = []
        for state, others in starts:
            self._pulse()
            nothing = unnamed(self.left.handle_sizes())
            belief = self._closed(frozenset((other, nothing) for other in others))
            if belief is None:
                result.cut += 1
            else:
                self._add(state, belief, -1, None, level)
        while level:
            if depth is not None and result.depth >= depth:
                return
            deeper: list[int] = []
            for number in level:  # grows: what happens unseen stays in the level
                if self._expand(number, level, deeper):
                    return
            result.depth += 1
            level = deeper
        result.complete = True

    def _add(self, state: int, belief: Belief, before: int, move: Move | None, level: list[int]) -> None:
        """A pair, unless one with a smaller belief is there."""
        state, belief, turn = self.reduction.canonical(state, belief)
        known = self.smallest.setdefault(state, [])
        if any(other <= belief for other in known):
            return
        known[:] = [other for other in known if not belief <= other]
        known.append(belief)
        level.append(len(self.pairs))
        self.pairs.append(_Pair(state, belief, before, move, turn))

    def _expand(self, number: int, level: list[int], deeper: list[int]) -> bool:
        """Follows everything that can happen in a pair; True when something is found that the other spec cannot do."""
        self._pulse()
        pair = self.pairs[number]
        state, belief = pair.state, pair.belief
        targets, _ = self.left.unseen_moves(state)
        for target in targets:
            self._add(target, self._survived(belief, state, target), number, Move(None, None, target), level)
        for label, answer in self._labels(state):
            self._pulse()
            after = self._after(belief, label)
            if after is None:
                self.result.cut += 1
            elif not after:
                self.result.run = self._told(number, label, answer)
                return True
            elif answer.target != ENDED:
                self._add(
                    answer.target, self._survived(after, state, answer.target), number, Move(label, answer, answer.target), deeper
                )
        return False

    def _pulse(self) -> None:
        """Looks at the limits now and then.  Raises Stopped."""
        most = self.limits.max_states
        if self.beats % PULSE == 0 or (most is not None and len(self.pairs) > most):
            self.limits.check(len(self.pairs))
            if self.tell is not None:
                self.tell(len(self.pairs), self.result.depth)
        self.beats += 1

    def _labels(self, state: int) -> Iterator[tuple[Label, Answer]]:
        """What can be seen next in a state."""
        left = self.left
        for event in range(len(left.seen)):
            for arguments in left.calls(state, event):
                for answer in left.answers(state, event, arguments).every:
                    for outcome in left.outcomes(answer.outcome):
                        yield Label(event, arguments, outcome, answer.gives), answer

    # ---- beliefs ------------------------------------------------------------------------------------------------

    def _closed(self, belief: Belief) -> Belief | None:
        """The belief after whatever may have happened unseen; None when the scope is too small to say."""
        if belief in self.closures:
            return self.closures[belief]
        found = set(belief)
        todo = list(belief)
        result: Belief | None = None
        for state, links in todo:  # grows
            targets, cut = self.right.unseen_moves(state)
            if cut:
                break
            for target in targets:
                each = target, links.dead_there(self.right.alive(target))
                if each not in found:
                    found.add(each)
                    todo.append(each)
        else:
            result = frozenset(found)
        self.closures[belief] = result
        return result

    def _after(self, belief: Belief, label: Label) -> Belief | None:
        """The belief after a visible call; None when the scope is too small to say, empty when it is impossible."""
        key = belief, label
        if key not in self.after:
            found: set[tuple[int, Links]] = set()
            cut = False
            for state, links in belief:
                for arguments, bound in passed(self.left, self.right, state, links, label):
                    answers = self.right.answers(state, label.event, arguments)
                    cut = cut or answers.cut
                    found.update(self._follow(answers.every, bound, label))
            self.after[key] = None if cut else self._closed(frozenset(found))
        return self.after[key]

    def _follow(self, answers: Iterable[Answer], links: Links, label: Label) -> Iterator[tuple[int, Links]]:
        """States after the answers that look like a label."""
        right = self.right
        sort = self.left.handle_given(label.event)
        for answer in answers:
            if not right.returns(answer.outcome, label.outcome):
                continue
            bound: Links | None = links
            if label.outcome == OK and sort is not None and label.gives is not None:
                assert isinstance(label.gives, int)
                bound = links.given(sort, label.gives, answer.gives)
            elif label.outcome == OK and answer.gives != label.gives:
                bound = None
            if bound is None:
                continue
            if answer.target == ENDED:
                yield ENDED, bound
            else:
                yield answer.target, bound.dead_there(right.alive(answer.target))

    def _survived(self, belief: Belief, before: int, after: int) -> Belief:
        """A belief without the handles that stand for nothing any more on this side."""
        alive = self.left.alive(after)
        if all(old <= new for old, new in zip(self.left.alive(before), alive, strict=True)):
            return belief
        return frozenset((state, links.dead_here(alive)) for state, links in belief)

    # ---- telling ------------------------------------------------------------------------------------------------

    def _told(self, number: int, label: Label, answer: Answer) -> Run:
        """The run to a pair, and the call there that the other spec cannot follow."""
        path = [number]
        while self.pairs[path[-1]].before >= 0:
            path.append(self.pairs[path[-1]].before)
        path.reverse()
        reduction, left = self.reduction, self.left
        root = self.pairs[path[0]]
        start = left.store(root.state)
        names: Turn = tuple(tuple(range(size)) for size in start.instance.sizes)  # of the run, by those of the pair
        calls: list[Called] = []
        for here, there in pairwise(path):
            pair, child = self.pairs[here], self.pairs[there]
            move = child.move
            assert move is not None
            if move.label is None or move.answer is None:
                call = left.finds_unseen(pair.state, move.target)
            else:
                call = left.finds(pair.state, move.label.event, move.label.arguments, move.answer)
            calls.append(self._called(pair.state, call, names, move.label))
            names = back(child.turn, names)
        last = self.pairs[number]
        calls.append(self._called(last.state, left.finds(last.state, label.event, label.arguments, answer), names, label))
        arguments = reduction.arguments(label.event, label.arguments, names)
        believed = reduction.belief(last.belief, names)
        return Run(root.state, calls, believed, Label(label.event, arguments, label.outcome, label.gives))

    def _called(self, state: int, call: Call, names: Turn, label: Label | None) -> Called:
        """A call in the names of a run."""
        event, arguments, outcome = call
        renaming = self.reduction.renaming(state)
        gives = None
        if event.result is not None and outcome.kind == "returns" and outcome.errno == OK:
            gives = moved_value(event.result.type, outcome.env[event.result.slot], names)
        after = renaming.store(outcome.store, names) if outcome.kind == "returns" else None
        shown = label.outcome if label is not None and label.outcome != ANY else outcome.errno
        turned = renaming.arguments(event, arguments, names)
        return Called(event, turned, outcome.kind, outcome.errno, shown, gives, after, label is not None)


def passed(left: Half, right: Half, state: int, links: Links, label: Label) -> Iterator[tuple[SeenArguments, Links]]:
    """The arguments of a label of `left` in a state of `right`, for each way to choose what handles stand for that were not seen before."""
    alive = right.alive(state)
    found: list[tuple[SeenArguments, Links]] = [((), links)]
    for sort, value in zip(left.handle_sorts(label.event), label.arguments, strict=True):
        if sort is None or isinstance(value, Bad):
            found = [((*sofar, value), bound) for sofar, bound in found]
        else:
            found = [((*sofar, there), more) for sofar, bound in found for there, more in named(bound, sort, value, alive[sort])]
    yield from found
