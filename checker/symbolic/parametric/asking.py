"""Questions about induction over a few named elements: is a statement kept by every call, and if not, from which state?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import z3

from luocheck.checker.symbolic.parametric.clauses import says
from luocheck.checker.symbolic.parametric.cutpoints import Cut
from luocheck.checker.symbolic.parametric.encoding import Encoder, State
from luocheck.checker.symbolic.parametric.views import Clause
from luocheck.checker.symbolic.parametric.worlds import Maybe, Named, Reader, Term, conjunction, equal, negation
from luocheck.model.instances import cells_of
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import Event, Graph
from luocheck.model.ir.vocabulary import Field, Value


class Undecided(Exception):
    """The solver gave up."""


class Model:
    """A state that the solver found, over named elements."""

    def __init__(self, model: Any, encoder: Encoder, state: State) -> None:
        self.model = model
        self.encoder = encoder
        self.state = state
        self._values: dict[tuple[int, tuple[int, ...]], Value] = {}
        self._edges: dict[tuple[int, bool, int, int], bool] = {}

    def _elements(self, sorts: Iterable[Any], places: tuple[int, ...]) -> list[Term]:
        world = self.encoder.world
        assert isinstance(world, Named)
        return [world.elements(sort)[x] for sort, x in zip(sorts, places, strict=True)]

    @property
    def sizes(self) -> tuple[int, ...]:
        world = self.encoder.world
        assert isinstance(world, Named)
        return world.sizes

    def _plain(self, term: Term) -> int:
        value = self.model.eval(term, model_completion=True)
        return int(z3.is_true(value)) if z3.is_bool(value) else value.as_long()

    def value(self, f: Field, owners: tuple[int, ...]) -> Value:
        key = (f.index, owners)
        if key not in self._values:
            term = self.state[f.index](self._elements(f.owners, owners))
            if isinstance(term, Maybe):
                self._values[key] = self._plain(term.element) if self._plain(term.there) else None
            else:
                self._values[key] = self._plain(term)
        return self._values[key]

    def edge(self, graph: Graph, closure: bool, x: int, y: int) -> bool:
        if not self.encoder.system.graphs:  # they do not matter, so there is none
            return False
        key = (graph.index, closure, x, y)
        if key not in self._edges:
            ends = self._elements((graph.sort, graph.sort), (x, y))
            self._edges[key] = bool(self._plain(self.encoder.world.graph(graph, closure)(ends)))
        return self._edges[key]

    def remember(self) -> Model:
        """Asks everything, so that the solver's terms are needed no more."""
        for f in self.encoder.fields:
            for cell in cells_of(f, self.sizes):
                self.value(f, cell[1:])
        for graph in self.encoder.system.graphs:
            for x, y in product(range(self.sizes[graph.sort.index]), repeat=2):
                self.edge(graph, False, x, y)
        return self


class Inductive:
    """Asks whether statements about a cut system are inductive, over so many named elements of each sort.

    whole: every path begins and ends with an edge, so there are no elements but these on it.
    """

    def __init__(self, cut: Cut, sizes: Sequence[int], whole: bool) -> None:
        self.cut = cut
        self.world = Named(cut.system, sizes)
        fields = [f for f in cut.system.fields if f.index in cut.relevant]
        self.encoder = Encoder(self.world, fields)
        self.before, self.after = self.encoder.state(), self.encoder.state("next ")
        self.solver = z3.SolverFor("QF_FD")
        self.solver.set("random_seed", 0)
        self.solver.set("ctrl_c", False)  # these questions are short: who asks looks at the limits between them
        self.said: list[Term] = []
        self.hypotheses: list[Term] = []
        self.violations: list[Term] = []
        self.starts: list[Term] = []
        self.first = z3.Bool("initially")
        self.step = z3.Bool("step")
        self.paths: list[tuple[Event, Term]] = []
        self.checks = 0
        self.sets = 0  # of statements that were asked about together
        self.core: list[int] = []
        self._kept: dict[tuple[int, Reader, Reader], list[Term]] = {}
        self._transitions(fields, whole)

    def _transitions(self, fields: list[Field], whole: bool) -> None:
        encoder, world = self.encoder, self.world
        for graph in self.cut.system.graphs:
            world.graph(graph, False)
        start = encoder.initial(self.before)
        self._add(z3.Implies(self.first, self._same(fields, start, self.before)))
        for event in self.cut.system.events:
            for number, path in enumerate(encoder.paths(event, self.before)):
                taken = z3.Bool(f"{event.name}.{number}")
                self.paths.append((event, taken))
                same = self._same(fields, path.after, self.after)
                self._add(z3.Implies(taken, conjunction([*path.conditions, same])))
        self._add(z3.Implies(self.step, z3.Or([taken for _, taken in self.paths])))
        for graph in self.cut.system.graphs:
            for axiom in encoder.graph_axioms(graph, self.before):
                self._add(axiom)
            for x in world.elements(graph.sort) if whole else ():
                for axiom in world.ends(graph, x):
                    self._add(axiom)
        for axiom in world.axioms:
            self._add(axiom)
        for place in world.ranges:
            self._add(place)

    def _same(self, fields: list[Field], one: State, other: State) -> Term:
        return conjunction([part for f in fields for part in self._same_field(f, one[f.index], other[f.index])])

    def _same_field(self, f: Field, one: Reader, other: Reader) -> list[Term]:
        key = (f.index, one, other)  # most calls leave most fields as they were
        if key not in self._kept:
            owners: list[list[Term]] = [self.world.elements(owner) for owner in f.owners]  # type: ignore[arg-type]
            self._kept[key] = [equal(one(place), other(place)) for place in product(*owners)]
        return self._kept[key]

    def _add(self, term: Term) -> None:
        self.solver.add(term)

    def statement(self, before: Term, after: Term) -> int:
        """A new statement, by what it says of the states before and after a call."""
        number = len(self.hypotheses)
        hypothesis, violation, start = z3.Bools(f"holds{number} broken{number} start{number}")
        self._add(z3.Implies(hypothesis, before))
        self._add(z3.Implies(violation, negation(after)))
        self._add(z3.Implies(start, negation(before)))
        self.said.append(before)
        self.hypotheses.append(hypothesis)
        self.violations.append(violation)
        self.starts.append(start)
        return number

    def clause(self, clause: Clause) -> int:
        return self.statement(says(self.encoder, self.before, clause), says(self.encoder, self.after, clause))

    def claim(self, condition: e.Expr) -> int:
        return self.statement(self.encoder.expr(condition, self.before, {}), self.encoder.expr(condition, self.after, {}))

    def initially(self, number: int) -> Any:
        """A model in which the statement is false at the beginning, or None."""
        return self._check([self.first, self.starts[number]])

    def broken_by_step(self, numbers: Sequence[int], active: Sequence[int]) -> Any:
        """A model in which all active statements hold before a call, and one of these not after it, or None (`core` says which mattered)."""
        violation = self.violations[numbers[0]]
        if len(numbers) > 1:
            self.sets += 1
            violation = z3.Bool(f"some{self.sets}")
            self._add(z3.Implies(violation, z3.Or([self.violations[i] for i in numbers])))
        model = self._check([self.step, violation, *(self.hypotheses[i] for i in active)])
        if model is None:
            core = {term.get_id() for term in self.solver.unsat_core()}
            self.core = [i for i in active if self.hypotheses[i].get_id() in core]
        return model

    def broken_in(self, model: Any, numbers: Sequence[int]) -> int:
        """Which of the statements is false after the call."""
        return next(i for i in numbers if z3.is_true(model.eval(self.violations[i])))

    def holds_in(self, model: Any, number: int) -> bool:
        """Is the statement true before the call?"""
        return bool(z3.is_true(model.eval(self.said[number], model_completion=True)))

    def _check(self, assumptions: list[Term]) -> Any:
        self.checks += 1
        result = self.solver.check(*assumptions)
        if result == z3.unsat:
            return None
        if result != z3.sat:
            raise Undecided(str(self.solver.reason_unknown()))
        return self.solver.model()

    def event_of(self, model: Any) -> Event:
        return next(event for event, taken in self.paths if z3.is_true(model.eval(taken)))


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A state, the call (None: it is an initial state) and the state after it.  statement: the number of one that is false then.

    holds_before: is a statement, by its number, true in the state before?
    """

    statement: int
    event: Event | None
    before: Model
    after: Model | None
    holds_before: Callable[[int], bool]


class Worlds:
    """Asks in several worlds, the small ones first.  A statement about an element and another one says nothing where there is one alone."""

    def __init__(self, cut: Cut, whole: bool = False) -> None:
        self.cut = cut
        self.whole = whole
        self.asked: list[Inductive] = []
        self.made: list[Clause | e.Expr] = []
        self.core: list[int] = []

    def add(self, sizes: Sequence[int]) -> bool:
        """One more world; False when it was there."""
        if any(each.world.sizes == tuple(sizes) for each in self.asked):
            return False
        fresh = Inductive(self.cut, sizes, self.whole)
        for statement in self.made:
            self._tell(fresh, statement)
        self.asked.append(fresh)
        self.asked.sort(key=lambda each: (sum(each.world.sizes), each.world.sizes))
        return True

    def _tell(self, asked: Inductive, statement: Clause | e.Expr) -> None:
        if isinstance(statement, Clause):
            asked.clause(statement)
        else:
            asked.claim(statement)

    def statement(self, statement: Clause | e.Expr) -> int:
        """Its number."""
        for each in self.asked:
            self._tell(each, statement)
        self.made.append(statement)
        return len(self.made) - 1

    def initially(self, number: int) -> Counterexample | None:
        """An initial state in which the statement is false."""
        for each in self.asked:
            model = each.initially(number)
            if model is not None:
                return Counterexample(number, None, Model(model, each.encoder, each.before), None, partial(each.holds_in, model))
        return None

    def broken_by_step(self, numbers: Sequence[int], active: Sequence[int]) -> Counterexample | None:
        """A call after which one of the statements is false, from a state in which all active ones hold.  None: `core` says which mattered."""
        core: set[int] = set()
        for each in self.asked:
            model = each.broken_by_step(numbers, active)
            if model is not None:
                before, after = Model(model, each.encoder, each.before), Model(model, each.encoder, each.after)
                holds = partial(each.holds_in, model)
                return Counterexample(each.broken_in(model, numbers), each.event_of(model), before, after, holds)
            core.update(each.core)
        self.core = [i for i in active if i in core]
        return None

    @property
    def checks(self) -> int:
        return sum(each.checks for each in self.asked)
