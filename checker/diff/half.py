"""One of two specs that are compared: its states, what user space can see of the calls in each, and what happens unseen.

Calls are atomic here, and what a state allows is asked of the reference interpreter once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from luocheck.checker.diff.pairing import Seen
from luocheck.checker.explore.packing import Packing
from luocheck.model.abi import errno_matches
from luocheck.model.instances import Instance
from luocheck.model.ir.system import OK, PANIC, Event, System
from luocheck.model.ir.vocabulary import ElemT, EnumT, Sort, Type
from luocheck.model.semantics.machine import Arguments, Machine
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store

SeenArguments = tuple[Any, ...]
"""What user space passes: elements by number, enum members by name, `Bad` for bytes that are no proper handle."""

ANY = "any errno"
"""Visible outcome of a line whose errno the spec leaves open."""

ENDED = -1
"""Target of a panic: nothing follows."""


@dataclass(frozen=True, slots=True)
class Bad:
    """An argument that is no proper handle: the names of the predicates that say so."""

    predicates: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One visible result of a call.  outcome: OK, an errno as the spec declares it, or PANIC.  gives: what it gives, if that is compared
    and the call gave anything.  target: the state after it."""

    outcome: str
    gives: Any
    target: int


@dataclass(frozen=True, slots=True)
class Answers:
    """All visible results of a call.  cut: the scope is too small for some path, which could return anything."""

    every: tuple[Answer, ...]
    cut: bool


Call = tuple[Event, Arguments, Outcome]
"""A call that was executed."""


class Half:
    """One spec, in some of the starting points of one scope.

    seen: its visible events.  hidden: those that happen unseen.  handles: sorts whose elements are matched by when they are first seen.
    """

    def __init__(self, system: System, seen: tuple[Seen, ...], hidden: tuple[Event, ...], handles: tuple[Sort, ...]) -> None:
        self.system = system
        self.seen = seen
        self.unseen = hidden
        self.handles = handles
        self.machine: Machine | None = None
        self.instances: list[Instance] = []
        self.packings: list[Packing] = []
        self._states: list[tuple[int, bytes]] = []
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._alive: dict[int, tuple[frozenset[int], ...]] = {}
        self._calls: dict[tuple[int, int], dict[SeenArguments, list[Arguments]]] = {}
        self._answers: dict[tuple[int, int, SeenArguments], Answers] = {}
        self._moves: dict[int, tuple[tuple[int, ...], bool]] = {}

    # ---- states -------------------------------------------------------------------------------------------------

    def begin(self, instance: Instance) -> list[int]:
        """Takes a starting point in; its initial states."""
        if self.machine is None:
            self.machine = Machine(instance)
        assert self.machine.sizes == instance.sizes
        self.instances.append(instance)
        self.packings.append(Packing(instance))
        place = len(self.instances) - 1
        return [self._number(place, store) for store in self.machine.initial(instance)]

    def _number(self, place: int, store: Store) -> int:
        key = place, self.packings[place].pack(store)
        number = self._numbers.setdefault(key, len(self._states))
        if number == len(self._states):
            self._states.append(key)
        return number

    def instance(self, state: int) -> Instance:
        return self.instances[self._states[state][0]]

    def packing(self, state: int) -> Packing:
        return self.packings[self._states[state][0]]

    def like(self, state: int, store: Store) -> int:
        """The number of a state of the same starting point as another."""
        return self._number(self._states[state][0], store)

    def store(self, state: int) -> Store:
        place, data = self._states[state]
        return self.packings[place].unpack(data)

    def alive(self, state: int) -> tuple[frozenset[int], ...]:
        """Of each sort of handles, the elements that there are."""
        found = self._alive.get(state)
        if found is None:
            store = self.store(state)
            found = self._alive[state] = tuple(frozenset(store.elements(sort)) for sort in self.handles)
        return found

    # ---- handles ------------------------------------------------------------------------------------------------

    def handle_sizes(self) -> list[int]:
        """How many elements each sort of handles has."""
        assert self.machine is not None
        return [self.machine.sizes[sort.index] for sort in self.handles]

    def handle_sorts(self, number: int) -> tuple[int | None, ...]:
        """For each argument of a visible event that is compared, the position of its sort among those of handles."""
        seen = self.seen[number]
        return tuple(self._handle(seen.event.parameters[place].type) for place in seen.parameters)

    def handle_given(self, number: int) -> int | None:
        """The position of the sort of what a visible event gives, if these are handles."""
        seen = self.seen[number]
        return self._handle(seen.event.result.type) if seen.gives and seen.event.result is not None else None

    def _handle(self, type_: Type) -> int | None:
        if not isinstance(type_, ElemT):
            return None
        return next((place for place, sort in enumerate(self.handles) if sort is type_.sort), None)

    # ---- calls --------------------------------------------------------------------------------------------------

    def calls(self, state: int, number: int) -> Iterable[SeenArguments]:
        """What user space can pass to a visible event in a state, whether or not the call can be made."""
        return self._by_seen(state, number)

    def _by_seen(self, state: int, number: int) -> dict[SeenArguments, list[Arguments]]:
        """The arguments of a visible event, by what is seen of them."""
        alive = state if self._counts(number) else -1  # else the same in every state
        found = self._calls.get((alive, number))
        if found is None:
            assert self.machine is not None
            found = self._calls[alive, number] = {}
            seen = self.seen[number]
            for arguments in self.machine.arguments(seen.event, self.store(state)):
                shown = _shown(seen, arguments)
                if shown is not None:
                    found.setdefault(shown, []).append(arguments)
        return found

    def _counts(self, number: int) -> bool:
        """Does it depend on the state what can be passed to an event?"""
        return any(isinstance(p.type, ElemT) and p.type.sort.pool for p in self.seen[number].event.parameters)

    def answers(self, state: int, number: int, arguments: SeenArguments) -> Answers:
        """The visible results of a call, over all hidden arguments and all faults."""
        key = state, number, arguments
        found = self._answers.get(key)
        if found is None:
            answers: dict[Answer, None] = {}
            cut = False
            for _, outcome in self.executed(state, number, arguments):
                cut = cut or outcome.kind == "cut"
                if outcome.kind in ("returns", "panic"):
                    answers[self._answer(state, number, outcome)] = None
            found = self._answers[key] = Answers(tuple(answers), cut)
        return found

    def executed(self, state: int, number: int, arguments: SeenArguments) -> Iterator[tuple[Arguments, Outcome]]:
        """Every way in which a call can end, with its arguments."""
        assert self.machine is not None
        store = self.store(state)
        event = self.seen[number].event
        for each in self._by_seen(state, number).get(arguments, ()):
            for outcome in self.machine.call(event, each, store):
                yield each, outcome

    def _answer(self, state: int, number: int, outcome: Outcome) -> Answer:
        if outcome.kind == "panic":
            return Answer(PANIC, None, ENDED)
        seen = self.seen[number]
        gives = None
        if seen.gives and outcome.errno == OK:
            assert seen.event.result is not None
            gives = _neutral(outcome.env[seen.event.result.slot], seen.event.result.type)
        return Answer(outcome.errno, gives, self._number(self._states[state][0], outcome.store))

    def finds(self, state: int, number: int, arguments: SeenArguments, answer: Answer) -> Call:
        """A call with this result: of those that there are, the first with the fewest faults."""
        every = [
            (event_arguments, outcome)
            for event_arguments, outcome in self.executed(state, number, arguments)
            if outcome.kind in ("returns", "panic") and self._answer(state, number, outcome) == answer
        ]
        found, outcome = min(every, key=lambda each: each[1].faults)
        return self.seen[number].event, found, outcome

    # ---- what happens unseen ------------------------------------------------------------------------------------

    def unseen_moves(self, state: int) -> tuple[tuple[int, ...], bool]:
        """States that a hidden event leads to, and whether the scope is too small for some path of one."""
        if state == ENDED:
            return (), False
        found = self._moves.get(state)
        if found is None:
            targets: dict[int, None] = {}
            cut = False
            for _, _, outcome in self.unseen_calls(state):
                cut = cut or outcome.kind == "cut"
                if outcome.kind == "returns":
                    targets[self._number(self._states[state][0], outcome.store)] = None
            targets.pop(state, None)
            found = self._moves[state] = tuple(targets), cut
        return found

    def unseen_calls(self, state: int) -> Iterator[Call]:
        """Everything that can happen unseen in a state."""
        assert self.machine is not None
        store = self.store(state)
        for event in self.unseen:
            for arguments in self.machine.arguments(event, store):
                for outcome in self.machine.call(event, arguments, store):
                    yield event, arguments, outcome

    def finds_unseen(self, state: int, target: int) -> Call:
        """A hidden event that leads from one state to another: the first with the fewest faults."""
        place = self._states[state][0]
        every = [
            call for call in self.unseen_calls(state) if call[2].kind == "returns" and self._number(place, call[2].store) == target
        ]
        return min(every, key=lambda call: call[2].faults)

    # ---- errnos -------------------------------------------------------------------------------------------------

    def outcomes(self, declared: str) -> tuple[str, ...]:
        """What user space may see where a line says this: a class of errnos stands for its members, or for ANY."""
        abi = self.system.abi
        if declared in (OK, PANIC) or not abi.is_errno_class(declared):
            return (declared,)
        members = abi.errno_class(declared)
        return (ANY,) if members is None else members

    def returns(self, declared: str, seen: str) -> bool:
        """May a line that says `declared` have returned what was seen?"""
        if ANY in (seen, *self.outcomes(declared)):
            return ANY in self.outcomes(declared) and seen not in (OK, PANIC)
        return errno_matches(self.system.abi, declared, seen)


def _shown(seen: Seen, arguments: Arguments) -> SeenArguments | None:
    """What user space sees of arguments; None when bytes that are no proper handle are passed of which the other spec knows nothing."""
    event = seen.event
    count = len(event.parameters)
    bad: dict[int, tuple[str, ...]] = {}
    for position, predicate in enumerate(event.predicates):
        if arguments[count + position]:
            if position not in seen.predicates:
                return None
            place = event.parameters.index(predicate.parameter)
            bad[place] = (*bad.get(place, ()), predicate.name)
    return tuple(
        Bad(tuple(sorted(bad[place]))) if place in bad else _neutral(arguments[place], event.parameters[place].type)
        for place in seen.parameters
    )


def _neutral(value: Any, type_: Type) -> Any:
    """A value that the other spec understands: members of enums by name."""
    return type_.enum.members[value] if isinstance(type_, EnumT) and value is not None else value
