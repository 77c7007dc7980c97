"""Lemmas from counterexamples to induction.

A claim that is not inductive has a counterexample: a state in which the claim and all lemmas hold, and a call after which the claim does
not.  If that state has a view that no reachable state of a small scope has, a clause that is true of all of those and false of it becomes
a lemma, which has to be inductive too.  The search for counterexamples is done over a few named elements; that their number was enough is
what the check over uninterpreted sorts decides afterwards.  (Karbyshev, Bjorner, Itzhaky, Rinetzky, Shoham, Property-directed inference
of universal invariants, 2015, takes clauses from the counterexample alone.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import z3

from luocheck.checker.symbolic.parametric.cutpoints import Cut
from luocheck.checker.symbolic.parametric.encoding import Encoder, State
from luocheck.checker.symbolic.parametric.views import NONE, OTHER, Clause, Column, Known, Template
from luocheck.checker.symbolic.parametric.worlds import (
    Maybe,
    Named,
    Term,
    conjunction,
    disjunction,
    equal,
    maybe,
    negation,
)
from luocheck.model.instances import cells_of
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import Event, Graph, Property
from luocheck.model.ir.vocabulary import BoolT, ElemT, Field, Value


def literal(
    encoder: Encoder, state: State, column: Column, values: Iterable[int], bound: Sequence[Term], template: Template
) -> Term:
    """Has a column one of these values?"""
    wanted = frozenset(values)
    if column.graph is not None:
        edge = encoder.world.graph(column.graph, column.closure)([bound[v] for v in column.variables])
        return edge if 1 in wanted else negation(edge)
    f = column.field
    assert f is not None
    if column.shared:
        one, other = (maybe(state[f.index]([bound[v]])) for v in column.variables)
        same = conjunction([one.there, other.there, equal(one.element, other.element)])
        return same if 1 in wanted else negation(same)
    now = state[f.index]([bound[v] for v in column.variables])
    type_ = f.type
    if not isinstance(type_, ElemT):
        if isinstance(type_, BoolT):
            return now if 1 in wanted else negation(now)
        few = wanted if 2 * len(wanted) <= len(column.domain) else frozenset(column.domain) - wanted
        found = disjunction([equal(now, encoder.value(type_, value)) for value in sorted(few)])
        return found if few is wanted else negation(found)
    now = maybe(now)
    variables = [v for v in column.domain if v >= 0]
    parts: list[Term] = []
    if NONE in wanted:
        parts.append(negation(now.there))
    parts += [conjunction([now.there, equal(now.element, bound[v])]) for v in variables if v in wanted]
    if OTHER in wanted:
        parts.append(conjunction([now.there, *(negation(equal(now.element, bound[v])) for v in variables)]))
    return disjunction(parts)


def broken(encoder: Encoder, state: State, clause: Clause, bound: Sequence[Term]) -> Term:
    """Do these elements break the clause?"""
    template = clause.template
    different = [
        negation(equal(bound[i], bound[j])) for i in range(len(bound)) for j in range(i) if template.sorts[i] is template.sorts[j]
    ]
    return conjunction(
        [*different, *(literal(encoder, state, column, values, bound, template) for column, values in clause.literals)]
    )


def says(encoder: Encoder, state: State, clause: Clause) -> Term:
    """The clause in a state."""

    def rest(bound: tuple[Term, ...]) -> Term:
        if len(bound) == len(clause.template.sorts):
            return negation(broken(encoder, state, clause, bound))
        return encoder.world.quantified(clause.template.sorts[len(bound)], "all", lambda x: rest((*bound, x)))

    return rest(())


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


@dataclass(slots=True)
class Obstacle:
    """A counterexample to induction that no lemma excludes.  event None: the state is an initial one."""

    claim: Property
    event: Event | None
    before: Model


@dataclass(slots=True)
class Induction:
    """What the search found."""

    proved: list[Property] = field(default_factory=list)
    lemmas: list[Clause] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)
    counterexamples: int = 0
    repairs: int = 0
    checks: int = 0


class Inductive:
    """Asks whether statements about a cut system are inductive, over so many named elements of each sort."""

    def __init__(self, cut: Cut, sizes: Sequence[int]) -> None:
        self.cut = cut
        self.world = Named(cut.system, sizes)
        fields = [f for f in cut.system.fields if f.index in cut.relevant]
        self.encoder = Encoder(self.world, fields)
        self.before, self.after = self.encoder.state(), self.encoder.state("next ")
        self.solver = z3.SolverFor("QF_FD")
        self.solver.set("random_seed", 0)
        self.hypotheses: list[Term] = []
        self.violations: list[Term] = []
        self.starts: list[Term] = []
        self.first = z3.Bool("initially")
        self.step = z3.Bool("step")
        self.paths: list[tuple[Event, Term]] = []
        self.checks = 0
        self.core: list[int] = []
        self._transitions(fields)

    def _transitions(self, fields: list[Field]) -> None:
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
        for axiom in world.axioms:
            self._add(axiom)
        for place in world.ranges:
            self._add(place)

    def _same(self, fields: list[Field], one: State, other: State) -> Term:
        world = self.world
        parts: list[Term] = []
        for f in fields:
            owners: list[list[Term]] = [world.elements(owner) for owner in f.owners]  # type: ignore[arg-type]
            for place in product(*owners):
                parts.append(equal(one[f.index](place), other[f.index](place)))
        return conjunction(parts)

    def _add(self, term: Term) -> None:
        self.solver.add(term)

    def statement(self, before: Term, after: Term) -> int:
        """A new statement, by what it says of the states before and after a call."""
        number = len(self.hypotheses)
        hypothesis, violation, start = z3.Bools(f"holds{number} broken{number} start{number}")
        self._add(z3.Implies(hypothesis, before))
        self._add(z3.Implies(violation, negation(after)))
        self._add(z3.Implies(start, negation(before)))
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

    def broken_by_step(self, number: int, active: Sequence[int]) -> Any:
        """A model in which all active statements hold before a call, and this one not after it, or None (then `core` says which mattered)."""
        model = self._check([self.step, self.violations[number], *(self.hypotheses[i] for i in active)])
        if model is None:
            core = {term.get_id() for term in self.solver.unsat_core()}
            self.core = [i for i in active if self.hypotheses[i].get_id() in core]
        return model

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


class Worlds:
    """Asks in several worlds, the small ones first.  A statement about an element and another one says nothing where there is one alone."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.asked: list[Inductive] = []
        self.made: list[Clause | e.Expr] = []
        self.core: list[int] = []

    def add(self, sizes: Sequence[int]) -> bool:
        """One more world; False when it was there."""
        if any(each.world.sizes == tuple(sizes) for each in self.asked):
            return False
        fresh = Inductive(self.cut, sizes)
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
                return Counterexample(None, Model(model, each.encoder, each.before), None)
        return None

    def broken_by_step(self, number: int, active: Sequence[int]) -> Counterexample | None:
        """A call after which the statement is false, from a state in which all active ones hold.  None: `core` says which mattered."""
        core: set[int] = set()
        for each in self.asked:
            model = each.broken_by_step(number, active)
            if model is not None:
                before, after = Model(model, each.encoder, each.before), Model(model, each.encoder, each.after)
                return Counterexample(each.event_of(model), before, after)
            core.update(each.core)
        self.core = [i for i in active if i in core]
        return None

    @property
    def checks(self) -> int:
        return sum(each.checks for each in self.asked)


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A state, the call (None: it is an initial state) and the state after it."""

    event: Event | None
    before: Model
    after: Model | None


class Undecided(Exception):
    """The solver gave up."""


class Wandering(Exception):
    """Views are added again and again: the explored scopes were much too small, or the views are too coarse."""


PATIENCE = {False: 25, True: 100}
"""How often views may be added: while there are scopes that were not explored, and when there are none."""


class Search:
    """Looks for lemmas, and goes on with those that it has when a world is added."""

    def __init__(
        self,
        worlds: Worlds,
        known: list[Known],
        pulse: Callable[[], None] = lambda: None,
        *,
        patient: bool = True,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """prepare: called before the first lemma is chosen; it may add to `known`."""
        self.prepare: Callable[[], None] | None = prepare
        self.patience = PATIENCE[patient]
        self.worlds = worlds
        self.known = known
        self.pulse = pulse
        self.result = Induction()
        self.clauses: dict[int, Clause] = {}
        self.claims: dict[int, Property] = {}
        self.active: list[int] = []
        for claim, condition in worlds.cut.claims:
            self.claims[worlds.statement(condition)] = claim

    def run(self) -> Induction:
        """Proves as many of the claims as the views allow.  Where the explored scopes were too small, their views are added to."""
        worlds, result, claims = self.worlds, self.result, self.claims
        result.lemmas = []
        for number in list(claims):
            found = worlds.initially(number)
            if found is not None:
                result.obstacles.append(Obstacle(claims.pop(number), None, found.before.remember()))
        active = [*claims, *(i for i in self.active if i in self.clauses)]
        todo = list(active)
        fresh = {i for i in active if i not in claims}  # of these it was not asked whether they hold at the beginning
        while todo:
            self.pulse()
            number = todo[0]
            found = worlds.initially(number) if number in fresh else None
            fresh.discard(number)
            if found is None:
                found = worlds.broken_by_step(number, active)
            if found is None:
                todo.pop(0)
                continue
            result.counterexamples += 1
            lemma = self._lemma(found.before) if found.event is not None else None
            if lemma is not None:
                made = worlds.statement(lemma)
                self.clauses[made] = lemma
                active.append(made)
                fresh.add(made)
                todo.insert(0, made)
            elif number in claims:
                result.obstacles.append(Obstacle(claims.pop(number), found.event, found.before.remember()))
                active.remove(number)
                todo = list(active)  # what was proved with its help is asked again
            else:
                active = self._repaired(active, found.after or found.before)
                todo = [i for i in active if i not in claims] + [i for i in active if i in claims]
        self.active = self._minimised(active, list(claims))
        result.proved = list(claims.values())
        result.lemmas = [self.clauses[i] for i in self.active if i not in claims]
        result.checks = worlds.checks
        return result

    def _lemma(self, state: Model) -> Clause | None:
        """The best clause that excludes the state."""
        if self.prepare is not None:
            self.prepare()
            self.prepare = None
        best: tuple[tuple[int, int, int], Clause] | None = None
        for known in self.known:
            seen = set()
            for binding in known.template.bindings(state.sizes):
                view = known.template.view(state, binding)
                if view in known.views or view in seen:
                    continue
                seen.add(view)
                clause = known.clause(view)
                assert clause is not None
                width = sum(len(column.domain) - len(values) for column, values in clause.literals)
                key = (len(clause.literals), len(clause.template.sorts), width)
                if best is None or key < best[0]:
                    best = key, clause
        return best[1] if best is not None else None

    def _repaired(self, active: list[int], reached: Model) -> list[int]:
        """The explored scopes were too small: the views of this state count as seen, and the lemmas that deny them are dropped."""
        self.result.repairs += 1
        if self.result.repairs > self.patience:
            raise Wandering
        for known in self.known:
            for binding in known.template.bindings(reached.sizes):
                known.add(known.template.view(reached, binding))
        by_template = {known.template: known for known in self.known}
        return [
            i
            for i in active
            if i not in self.clauses or all(self.clauses[i].allows(view) for view in by_template[self.clauses[i].template].views)
        ]

    def _minimised(self, active: list[int], claims: list[int]) -> list[int]:
        """Statements that are inductive together, of which each is needed by another or is a claim."""
        reasons: dict[int, list[int]] = {}
        for number in active:
            if self.worlds.broken_by_step(number, active) is not None:
                raise AssertionError("what was inductive is so no more")
            reasons[number] = self.worlds.core
        reasons = _needed(reasons, claims)
        needed_by: dict[int, int] = {}
        while True:
            # what is needed by one that is still there is needed still: there are only fewer statements to make up for it
            left = [i for i in reasons if i not in claims and needed_by.get(i) not in reasons]
            if not left:
                return sorted(reasons)
            self.pulse()
            number = max(left)
            without = [i for i in reasons if i != number]
            fewer = {i: reasons[i] for i in without}
            for i in without:
                if number in reasons[i]:
                    if self.worlds.broken_by_step(i, without) is not None:
                        needed_by[number] = i
                        break
                    fewer[i] = self.worlds.core
            else:
                reasons = _needed(fewer, claims)


def _needed(reasons: dict[int, list[int]], claims: list[int]) -> dict[int, list[int]]:
    """The claims, and what they are inductive with, directly or not."""
    found: dict[int, list[int]] = {}
    todo = list(claims)
    while todo:
        number = todo.pop()
        if number not in found:
            found[number] = reasons[number]
            todo += reasons[number]
    return found
