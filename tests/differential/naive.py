"""A second, deliberately dumb checker: states in a dict, every claim asked of everything, every path searched anew.

It shares with the real one only the machine (how a call ends), and says what the language reference says about each kind of claim.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from differential.meaning import Meaning, subjects
from differential.runs import TooManyGuesses, lasso_exists

from luocheck.model.answer import Result
from luocheck.model.instances import Instance, instances
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, PANIC, Event, Kind, Property, Scope, System, Topology
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store, call_index

Key = frozenset[Any]


@dataclass(frozen=True)
class Move:
    """One way in which something that can happen in a state ends; target None: nothing follows."""

    event: Event
    arguments: tuple[Any, ...]
    resumed: bool
    outcome: Outcome
    target: Key | None
    waited_for_lock: bool = False


@dataclass
class State:
    store: Store
    depth: int
    faults: int
    moves: list[Move] = field(default_factory=list)
    blocked: list[tuple[Event, tuple[Any, ...]]] = field(default_factory=list)
    cut: list[Move] = field(default_factory=list)


@dataclass
class Answer:
    """What is known about one claim: the best (calls, faults) that break or reach it, and whether it was about anything.

    Of a liveness claim `best` only says that it is broken.  skipped: it was too much work.
    """

    best: tuple[int, int] | None = None
    about: bool = False
    unknown: bool = False
    skipped: bool = False

    def offer(self, calls: int, faults: int) -> None:
        if self.best is None or (calls, faults) < self.best:
            self.best = (calls, faults)


class TooLarge(Exception):
    """More states than the naive search may visit."""


@dataclass
class Naive:
    """What the naive search finds in a scope."""

    system: System
    most_states: int
    states: int = 0
    transitions: int = 0
    levels: list[int] = field(default_factory=list)
    instances: int = 0
    cuts: dict[str, int] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)
    lines: set[tuple[int, str]] = field(default_factory=set)
    asserted: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    answers: dict[str, Answer] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        return max(0, len(self.levels) - 1)

    def result(self, claim: Property) -> Result:
        """The verdict about a claim that a search can decide."""
        answer = self.answers[claim.name]
        if claim.kind is Kind.REACHABLE:
            return Result.REACHED if answer.best is not None else Result.UNREACHED
        if answer.best is not None:
            return Result.FAILS
        if answer.unknown:
            return Result.UNKNOWN
        if claim.kind is Kind.NEVER:
            assert claim.pattern is not None
            return Result.HOLDS if claim.pattern.event in self.events else Result.VACUOUS
        if claim.kind is Kind.ASSERT:
            return Result.HOLDS if claim.name in self.asserted else Result.VACUOUS
        return Result.HOLDS if answer.about or claim.kind is Kind.BUILT_IN else Result.VACUOUS


def naive(
    system: System, scope: Scope, topology: Topology | None = None, *, symmetry: bool = True, most_states: int = 3000
) -> Naive:
    """Explores a scope.  Raises TooLarge."""
    found = Naive(system, most_states, answers={claim.name: Answer() for claim in system.properties})
    for instance in instances(system, scope, topology, symmetry=symmetry):
        _Search(found, instance).run()
    while found.levels and found.levels[-1] == 0:
        found.levels.pop()
    return found


def states_of(instance: Instance, *, most_states: int = 3000) -> dict[Key, State]:
    """Everything that can be reached in an instance.  Raises TooLarge."""
    search = _Search(
        Naive(instance.system, most_states, answers={claim.name: Answer() for claim in instance.system.properties}), instance
    )
    search.explore()
    return search.states


class _Search:
    """One instance."""

    def __init__(self, found: Naive, instance: Instance) -> None:
        self.found = found
        self.instance = instance
        self.system = instance.system
        self.machine = Machine(instance)
        self.states: dict[Key, State] = {}

    def run(self) -> None:
        self.explore()
        for claim in self.system.properties:
            self._ask(claim)

    def explore(self) -> None:
        self.found.instances += 1
        level: list[Key] = []
        for store in self.machine.initial(self.instance):
            self._reach(store, 0, 0, level)
        depth = 0
        while level:
            if depth == len(self.found.levels):
                self.found.levels.append(0)
            self.found.levels[depth] += len(level)
            following: list[Key] = []
            for key in level:
                self._expand(key, following)
            level, depth = following, depth + 1
        self.found.states += len(self.states)

    def _reach(self, store: Store, depth: int, faults: int, level: list[Key]) -> Key:
        key = frozenset(store.items())
        known = self.states.get(key)
        if known is None:
            self.states[key] = State(store, depth, faults)
            level.append(key)
            if self.found.states + len(self.states) > self.found.most_states:
                raise TooLarge
        elif known.depth == depth:
            known.faults = min(known.faults, faults)
        return key

    def _happenings(self, store: Store) -> Iterator[tuple[Event, tuple[Any, ...], bool, list[Outcome]]]:
        for event in self.system.events:
            for arguments in self.machine.arguments(event, store):
                yield event, arguments, False, self.machine.call(event, arguments, store)
        calls = call_index(self.system)
        for cell in sorted(cell for cell in store if cell[0] == calls):
            event, arguments, _ = self.machine.event_inside(cell[1], store)
            yield event, arguments, True, self.machine.resume(cell[1], store)

    def _expand(self, key: Key, following: list[Key]) -> None:
        state = self.states[key]
        found = self.found
        distinct = set()
        for event, arguments, resumed, outcomes in self._happenings(state.store):
            for outcome in outcomes:
                found.kinds.add(outcome.kind if outcome.kind != "returns" or outcome.errno == OK else "errno")
                if outcome.kind == "blocks":
                    if (event, arguments) not in state.blocked:
                        state.blocked.append((event, arguments))
                    continue
                found.events.add(event.name)
                self._note_lines(outcome)
                if outcome.kind == "cut":
                    found.cuts[outcome.label or ""] = found.cuts.get(outcome.label or "", 0) + 1
                    state.cut.append(
                        Move(event, arguments, resumed, outcome, None, resumed and self._at_lock(state.store, arguments, event))
                    )
                    continue
                target = None
                if outcome.goes_on:
                    target = self._reach(outcome.store, state.depth + 1, state.faults + outcome.faults, following)
                distinct.add((event.name, arguments, resumed, outcome.kind, outcome.errno, target))
                waited = resumed and self._at_lock(state.store, arguments, event)
                state.moves.append(Move(event, arguments, resumed, outcome, target, waited))
        found.transitions += len(distinct)

    def _at_lock(self, store: Store, arguments: tuple[Any, ...], event: Event) -> bool:
        """Does the call that goes on wait for a lock?"""
        caller = _caller(event, arguments)
        assert caller is not None
        label = self.machine.event_inside(caller, store)[2]
        stops = {type(s) for s in st.statements(event.body) if self.machine.program.step_label(s) == label}
        return st.Acquire in stops and st.Await not in stops

    def _note_lines(self, outcome: Outcome) -> None:
        for number in outcome.lines:
            line = self.machine.program.lines[number]
            self.found.lines.add((line.span.start, type(line).__name__))
            if isinstance(line, st.Assert):
                self.found.asserted.add(line.name)

    # ---- claims -------------------------------------------------------------------------------------------------

    def _ask(self, claim: Property) -> None:
        answer = self.found.answers[claim.name]
        match claim.kind:
            case Kind.INVARIANT | Kind.LEMMA | Kind.REACHABLE:
                self._of_states(claim, answer)
            case Kind.AFTER | Kind.NEVER:
                self._of_calls(claim, answer)
            case Kind.ASSERT | Kind.BUILT_IN:
                for state in self.states.values():
                    for move in state.moves:
                        if any(name == claim.name for name, _ in move.outcome.findings):
                            answer.offer(state.depth + 1, state.faults + move.outcome.faults)
            case Kind.RECOVERABLE:
                self._recoverable(claim, answer)
            case Kind.STUCK:
                self._stuck(claim, answer)
            case Kind.LIVENESS:
                self._liveness(claim, answer)

    def _of_states(self, claim: Property, answer: Answer) -> None:
        assert claim.condition is not None
        meaning = Meaning(subjects(claim.condition))
        for state in self.states.values():
            if meaning.of(claim.condition, state.store) == (claim.kind is Kind.REACHABLE):
                answer.offer(state.depth, state.faults)
        answer.about = answer.about or meaning.looked

    def _of_calls(self, claim: Property, answer: Answer) -> None:
        pattern = claim.pattern
        assert pattern is not None
        meaning = Meaning(subjects(claim.condition) if claim.condition is not None else ())
        for state in self.states.values():
            for move in state.moves:
                outcome = move.outcome
                if outcome.kind not in ("returns", "panic"):
                    continue
                errno = PANIC if outcome.kind == "panic" else outcome.errno
                if not pattern.matches(move.event, errno, outcome.label):
                    continue
                locals_ = dict(enumerate(outcome.env)) if pattern.event is not None else {}
                before = outcome.env[0]
                if claim.condition is None or not meaning.of(claim.condition, outcome.store, locals_, before):
                    answer.offer(state.depth + 1, state.faults + outcome.faults)
        answer.about = answer.about or meaning.looked

    def _way(self, start: Key, allowed: Callable[[Move], bool], ended: Callable[[State], bool]) -> tuple[bool, bool]:
        """Is there a way from a state to one that `ended` accepts?  And is there one to a state where the scope cut something?"""
        seen, todo, cut = {start}, deque([start]), False
        while todo:
            state = self.states[todo.popleft()]
            if ended(state):
                return True, cut
            cut = cut or bool(state.cut)
            for move in state.moves:
                if move.target is not None and move.target not in seen and allowed(move):
                    seen.add(move.target)
                    todo.append(move.target)
        return False, cut

    def _recoverable(self, claim: Property, answer: Answer) -> None:
        assert claim.condition is not None and claim.goal is not None
        condition, goal, meaning = claim.condition, claim.goal, Meaning(())

        def allowed(move: Move) -> bool:
            may = move.resumed or not claim.using or move.event.name in claim.using
            return may and (claim.with_faults or move.outcome.faults == 0)

        goals = {key for key, state in self.states.items() if meaning.of(goal, state.store)}
        lost: list[tuple[State, bool]] = []
        for key, state in self.states.items():
            if meaning.of(condition, state.store):
                answer.about = True
                out, cut = self._way(key, allowed, lambda s: frozenset(s.store.items()) in goals)
                if not out:
                    lost.append((state, cut))
        self._trapped(lost, answer)

    def _stuck(self, claim: Property, answer: Answer) -> None:
        meaning = Meaning(())
        lost: list[tuple[State, bool]] = []
        any_cut = any(state.cut for state in self.states.values())
        for key, state in self.states.items():
            exempt = claim.condition is not None and meaning.of(claim.condition, state.store)
            for ended, allowed in self._waiting(state):
                answer.about = True
                if not exempt and not self._way(key, allowed, ended)[0]:
                    lost.append((state, any_cut))
        self._trapped(lost, answer)

    def _trapped(self, lost: list[tuple[State, bool]], answer: Answer) -> None:
        sure = [state for state, cut in lost if not cut]
        for state in sure:
            answer.offer(state.depth, state.faults)
        answer.unknown = answer.unknown or bool(lost and not sure)

    def _liveness(self, claim: Property, answer: Answer) -> None:
        assert claim.condition is not None and claim.goal is not None
        condition, goal, meaning = claim.condition, claim.goal, Meaning(())
        sorts = [(local.slot, local.type.sort) for local in claim.each if isinstance(local.type, ElemT)]
        for elements in product(*(range(self.instance.sizes[sort.index]) for _, sort in sorts)):
            about = dict(zip([slot for slot, _ in sorts], elements))

            def alive(store: Store, elements: tuple[int, ...] = elements) -> bool:
                return all(x in list(store.elements(sort)) for (_, sort), x in zip(sorts, elements))

            begin = [k for k, s in self.states.items() if alive(s.store) and meaning.of(condition, s.store, about)]
            goals = {k for k, s in self.states.items() if not alive(s.store) or meaning.of(goal, s.store, about)}
            answer.about = answer.about or bool(begin)
            self._run_exists(claim, begin, goals, answer)

    def _run_exists(self, claim: Property, begin: list[Key], goals: set[Key], answer: Answer) -> None:
        """Is there a fair run from one of some states that never comes to a goal?"""
        try:
            if lasso_exists(self.states, begin, goals, claim, cuts_count=True):
                answer.offer(0, 0)
            elif lasso_exists(self.states, begin, goals, claim, cuts_count=False):
                answer.unknown = True
        except TooManyGuesses:
            answer.skipped = True

    def _waiting(self, state: State) -> Iterator[tuple[Callable[[State], bool], Callable[[Move], bool]]]:
        calls = call_index(self.system)
        for cell in [cell for cell in state.store if cell[0] == calls]:
            yield (lambda s, cell=cell: cell not in s.store), (lambda move: True)
        for call in state.blocked:
            who = _caller(*call)

            def others(move: Move, who: int | None = who) -> bool:
                return who is None or _caller(move.event, move.arguments) != who

            yield (lambda s, call=call: call not in s.blocked), others


def _caller(event: Event, arguments: tuple[Any, ...]) -> int | None:
    return next((x for p, x in zip(event.parameters, arguments) if p.slot == event.caller), None)
