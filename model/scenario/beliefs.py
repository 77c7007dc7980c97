"""All states that agree with a scenario so far, and how a call moves them on.

A state is kept together with the elements that the scenario's names stand for, and with the one that it came from.  A name is bound when
it is first used.  Where elements of a sort cannot be told apart, the first free one stands for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from luocheck.model.diagnostics import fail
from luocheck.model.instances import Cell, Instance, cells_of
from luocheck.model.ir.system import OK, PANIC, Event, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Lifetime, SetT, Sort, Type
from luocheck.model.scenario.scenarios import (
    Argument,
    Bad,
    Blocks,
    Call,
    Condition,
    Constant,
    Element,
    Named,
    Reaches,
    Returns,
    Scenario,
    Wildcard,
)
from luocheck.model.semantics.expressions import Code, Compiler, Oops
from luocheck.model.semantics.machine import Arguments, Machine
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store, live_index

Binding = tuple[int | None, ...]
"""For each element of the scenario the one of the instance that it stands for, None before it is used."""


@dataclass(slots=True, eq=False)
class Made:
    """How a state came about: by a call, or a step of one.  `outcome` None: it has not returned, and nothing changed."""

    event: Event
    arguments: Arguments
    resumed: bool
    outcome: Outcome | None


@dataclass(slots=True, eq=False)
class Believed:
    """A state that agrees.

    before, made: the state before, and the call (or the step of a call) that led from there; None at the beginning.  on_the_way: the
    call that the scenario is about went on from here.  ended: nothing can follow (panic, or what no code may do).  broken: the call broke
    the claim that the scenario ends with.
    """

    store: Store
    binding: Binding
    before: Believed | None = None
    made: Made | None = None
    on_the_way: bool = False
    ended: bool = False
    broken: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        return self.store.instance.edges, frozenset(self.store.items()), self.binding, self.ended


@dataclass(slots=True)
class Ending:
    """One way in which a call can end or stop.  before: the state before its last step; resumed: is that not its first one?"""

    before: Believed
    resumed: bool
    outcome: Outcome


@dataclass(slots=True)
class Attempt:
    """A call with definite arguments in one of the states, and all its endings there; none when it cannot be made, or has to wait.

    origin: the state as it was before the names of the call were bound; state: as it is then.  inside: the call is in progress.
    """

    origin: Believed
    state: Believed
    arguments: Arguments
    inside: bool
    endings: list[Ending]


class Beliefs:
    """The states of one scenario: `attempts` and `accepted` move them on."""

    def __init__(self, system: System, scenario: Scenario) -> None:
        self.system = system
        self.scenario = scenario
        self.machine: Machine | None = None
        self.codes: dict[int, Code] = {}
        self.alike = {sort.index for sort in system.sorts if _all_alike(system, sort)}

    def machine_of(self, instance: Instance) -> Machine:
        """The machine for all instances of the scenario, which have the same sizes."""
        if self.machine is None:
            self.machine = Machine(instance)
        assert self.machine.sizes == instance.sizes
        return self.machine

    # ---- names --------------------------------------------------------------------------------------------------

    def bound(self, state: Believed, elements: Iterable[Element]) -> list[Believed]:
        """The state once for each way to choose what some names stand for; no state when an element is missing."""
        found = [state]
        for element in elements:
            if state.binding[element.index] is None:
                found = [
                    replace(each, binding=with_names(each.binding, [(element, x)]))
                    for each in found
                    for x in self._candidates(each, element)
                ]
        return found

    def _candidates(self, state: Believed, element: Element) -> list[int]:
        taken = self._taken(state, element)
        free = [x for x in state.store.elements(element.sort) if x not in taken]
        return free[:1] if element.sort.index in self.alike else free

    def _taken(self, state: Believed, element: Element) -> set[int]:
        """Elements that other names stand for.  The name of an object that is gone does not keep its place."""
        sort = element.sort
        alive = live_index(self.system, sort)
        found: set[int] = set()
        for other, x in zip(self.scenario.elements, state.binding, strict=True):
            if x is not None and other.sort is sort and other is not element and (not sort.pool or (alive, x) in state.store):
                found.add(x)
        return found

    def environment(self, binding: Binding) -> list[Any]:
        """Locals of the scenario's conditions."""
        env: list[Any] = [None] * self.scenario.slots
        for element, x in zip(self.scenario.elements, binding, strict=True):
            env[element.slot] = x
        return env

    def holds(self, condition: Condition, state: Believed) -> bool:
        """Raises SpecError LUO605 when the condition reads through none."""
        code = self.codes.get(id(condition))
        if code is None:
            code = self.codes[id(condition)] = Compiler(state.store.instance, checked=False)(condition.condition)
        try:
            return bool(code(state.store, self.environment(state.binding)))
        except Oops as oops:
            fail("LUO605", "this condition reads through `none`", oops.span, help="protect it with `and` or `=>`")

    # ---- calls --------------------------------------------------------------------------------------------------

    def attempts(self, call: Call, states: Iterable[Believed]) -> Iterator[Attempt]:
        """The call in each of the states, with each choice of the arguments that the scenario leaves open."""
        assert self.machine is not None
        elements = [a.element for a in call.arguments if isinstance(a, Named)]
        for state in states:
            if state.ended:
                continue
            for each in self.bound(state, elements):
                for arguments in self._arguments(call, each):
                    inside, outcomes = self._execute(call.event, arguments, each.store)
                    endings = list(self._endings(call, arguments, each, inside, outcomes))
                    yield Attempt(state, each, arguments, inside, endings)

    def _arguments(self, call: Call, state: Believed) -> Iterator[Arguments]:
        event = call.event
        options = [self._options(a, p.type, state) for a, p in zip(call.arguments, event.parameters, strict=True)]
        said = dict(zip((p.slot for p in event.parameters), call.arguments, strict=True))
        for predicate in event.predicates:
            match said[predicate.parameter.slot]:
                case Bad(predicate=named):
                    options.append([True] if named is predicate else [False, True])
                case _:
                    options.append([False])
        return product(*options)

    def _options(self, argument: Argument, type_: Type, state: Believed) -> list[Any]:
        match argument:
            case Constant(value):
                return [value] if not isinstance(type_, ElemT) or value in state.store.elements(type_.sort) else []
            case Named(element):
                x = state.binding[element.index]
                inside = any(
                    x in args for _, args in self._in_progress(state.store)
                )  # a call goes on when what it was given is freed
                return [x] if inside or x in state.store.elements(element.sort) else []
            case Wildcard() | Bad():
                match type_:
                    case ElemT(sort):
                        return list(state.store.elements(sort))
                    case EnumT(enum):
                        return list(range(len(enum.members)))
                    case BoolT():
                        return [False, True]
        raise AssertionError(argument)

    def _in_progress(self, store: Store) -> Iterator[tuple[Event, Arguments]]:
        """The calls that are inside, with their arguments."""
        assert self.machine is not None
        for cell in store:
            if cell[0] == self.machine.calls:
                event, arguments, _ = self.machine.event_inside(cell[1], store)
                yield event, arguments

    def _execute(self, event: Event, arguments: Arguments, store: Store) -> tuple[bool, list[Outcome]]:
        """Does a call go on that is in progress, and how can it end?"""
        machine = self.machine
        assert machine is not None
        caller = caller_of(event, arguments)
        if caller is None or (machine.calls, caller) not in store:
            elements = [(p.type.sort, x) for p, x in zip(event.parameters, arguments) if isinstance(p.type, ElemT)]
            alive = all(x in store.elements(sort) for sort, x in elements)
            return False, machine.call(event, arguments, store) if alive else []
        inside, its_arguments, _ = machine.event_inside(caller, store)
        if inside is not event or its_arguments != arguments:
            return False, []
        return True, machine.resume(caller, store)

    def _endings(
        self, call: Call, arguments: Arguments, state: Believed, inside: bool, outcomes: list[Outcome]
    ) -> Iterator[Ending]:
        """All stops and ends of a call.  It goes on from its stops, while nobody else moves, up to the one that the scenario names."""
        assert self.machine is not None
        seen: set[tuple[Any, ...]] = set()
        todo = [(state, inside, outcomes)]
        for before, resumed, found in todo:  # grows on the way
            for outcome in found:
                yield Ending(before, resumed, outcome)
                if outcome.kind == "suspends" and not self._says(call, outcome):
                    made = Made(call.event, arguments, resumed, outcome)
                    stop = Believed(outcome.store, before.binding, before, made, on_the_way=True)
                    caller = caller_of(call.event, arguments)
                    if stop.key not in seen and caller is not None:
                        seen.add(stop.key)
                        todo.append((stop, True, self.machine.resume(caller, outcome.store)))

    def accepted(self, call: Call, attempt: Attempt) -> Iterator[Believed]:
        """The states that agree with what the scenario says about a call."""
        if isinstance(call.result, Blocks):
            waits = any(self.waits(call.event, attempt.arguments, ending.outcome) for ending in attempt.endings)
            if waits or (attempt.inside and not attempt.endings):
                made = Made(call.event, attempt.arguments, attempt.inside, None)
                yield Believed(attempt.state.store, attempt.state.binding, attempt.state, made)
            return
        for ending in attempt.endings:
            if self._says(call, ending.outcome):
                binding = self._given(call, ending.before, ending.outcome)
                if binding is not None:
                    made = Made(call.event, attempt.arguments, ending.resumed, ending.outcome)
                    ended = not ending.outcome.goes_on
                    yield Believed(ending.outcome.store, binding, ending.before, made, ended=ended)

    def _says(self, call: Call, outcome: Outcome) -> bool:
        match call.result:
            case Reaches(label):
                return outcome.kind == "suspends" and outcome.label == label
            case Returns(wanted, label):
                match outcome.kind:
                    case "returns":
                        return self._same_errno(wanted, outcome.errno) and label in (None, outcome.label)
                    case "panic":
                        return wanted == PANIC and label in (None, outcome.label)
                    case "oops":
                        return wanted == outcome.findings[-1][0] and label is None
        return False

    def _same_errno(self, wanted: str, errno: str) -> bool:
        """A class of errnos at a `fail` line stands for each of its members."""
        if wanted == errno:
            return True
        abi = self.system.abi
        if wanted == OK or not abi.is_errno_class(errno):
            return False
        members = abi.errno_class(errno)
        return members is None or wanted in members

    def _given(self, call: Call, state: Believed, outcome: Outcome) -> Binding | None:
        """The binding after a call, with the name of what it gave; None when it gave something else."""
        gives = call.result.gives if isinstance(call.result, Returns) else None
        if gives is None or isinstance(gives, Wildcard):
            return state.binding
        assert call.event.result is not None
        value = outcome.env[call.event.result.slot]
        if isinstance(gives, Constant):
            return state.binding if value == gives.value else None
        element = gives.element
        known = state.binding[element.index]
        if known is not None:
            return state.binding if known == value else None
        if value is None or value in self._taken(state, element):
            return None
        return with_names(state.binding, [(element, value)])

    def waits(self, event: Event, arguments: Arguments, outcome: Outcome) -> bool:
        """Has the call come to where it cannot go on, unless a fault ends it?"""
        if outcome.kind == "blocks":
            return True
        if outcome.kind != "suspends":
            return False
        assert self.machine is not None
        caller = caller_of(event, arguments)
        assert caller is not None
        return all(each.faults for each in self.machine.resume(caller, outcome.store))


def caller_of(event: Event, arguments: Arguments) -> int | None:
    """The element that makes a call."""
    return next((value for p, value in zip(event.parameters, arguments) if p.slot == event.caller), None)


def distinct(states: Iterable[Believed]) -> list[Believed]:
    """One of each, in the order in which they come."""
    found: dict[tuple[Any, ...], Believed] = {}
    for state in states:
        found.setdefault(state.key, state)
    return list(found.values())


def drawn_cells(system: System, sizes: tuple[int, ...]) -> list[Cell]:
    """The cells whose value a scope leaves open: `= any`."""
    return [cell for f in system.fields if f.drawn for cell in cells_of(f, sizes)]


def with_names(binding: Binding, pairs: Iterable[tuple[Element, int]]) -> Binding:
    changed = list(binding)
    for element, x in pairs:
        changed[element.index] = x
    return tuple(changed)


def _all_alike(system: System, sort: Sort) -> bool:
    """Can the elements of a sort not be told apart at the beginning?  Then one free element stands for all of them."""
    if not sort.symmetric or sort.pool or any(graph.sort is sort for graph in system.graphs):
        return False
    chosen = [f for f in system.fields if f.lifetime is Lifetime.FIXED and f.drawn]
    return not any(sort in f.owners or (isinstance(f.type, ElemT | SetT) and f.type.sort is sort) for f in chosen)
