"""Is it so for every number of elements?  The check over uninterpreted sorts, with quantifiers.

It shares nothing with the search for lemmas but the cut system and the translation of its calls: it makes its own world and its own
solver, and believes no answer that was given before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import z3

from luocheck.checker.symbolic.parametric.clauses import different, literal, says
from luocheck.checker.symbolic.parametric.cutpoints import Cut
from luocheck.checker.symbolic.parametric.encoding import Encoder, State
from luocheck.checker.symbolic.parametric.rewriting import fields_read
from luocheck.checker.symbolic.parametric.views import Clause
from luocheck.checker.symbolic.parametric.worlds import (
    Meaning,
    Term,
    Uninterpreted,
    conjunction,
    disjunction,
    fresh_terms,
    negation,
)
from luocheck.checker.symbolic.watched import watched
from luocheck.model.ir.vocabulary import Sort


@dataclass(frozen=True, slots=True)
class Gap:
    """What could not be shown: at the beginning (`event` None) or after a call.

    sizes: of each sort, in a state that contradicts it; None when the solver gave up, for a reason.
    """

    event: str | None
    sizes: tuple[int, ...] | None
    reason: str = ""


def gaps(cut: Cut, lemmas: Sequence[Clause], timeout: float, pulse: Callable[[], None] = lambda: None) -> Iterator[Gap]:
    """What is missing for all claims and lemmas of a cut system to hold in every state, for every size.  None: it is a proof.

    timeout: seconds for each question.  pulse: called now and then; it may raise, which ends the check.
    """
    with fresh_terms():
        for world, event, terms in _questions(cut, lemmas):
            pulse()
            solver = z3.Solver()
            solver.set("timeout", max(1, int(timeout * 1000)))
            solver.set("random_seed", 0)
            solver.set("ctrl_c", False)
            solver.add(*terms)
            result = watched(solver.ctx, solver.check, pulse)
            if result == z3.sat:
                model = solver.model()
                yield Gap(event, tuple(len(model.get_universe(sort) or [0]) for sort in world.sorts.values()))
            elif result != z3.unsat:
                yield Gap(event, None, solver.reason_unknown())


def smt2(cut: Cut, lemmas: Sequence[Clause]) -> str:
    """The questions as SMT-LIB 2: a solver answers `unsat` to each when it is a proof."""
    texts: list[str] = []
    with fresh_terms():
        for _, event, terms in _questions(cut, lemmas):
            solver = z3.Solver()
            solver.add(*terms)
            texts.append(f"; {'at the beginning' if event is None else f'after {event}'}\n{solver.to_smt2()}(reset)\n")
    return "".join(texts)


def _questions(cut: Cut, lemmas: Sequence[Clause]) -> Iterator[tuple[Uninterpreted, str | None, list[Term]]]:
    """Terms that cannot all be true when every statement holds at the beginning and after every way through every call."""
    world = Uninterpreted(cut.system)
    encoder = Encoder(world, [f for f in cut.system.fields if f.index in cut.relevant])
    before = encoder.state()
    for graph in cut.system.graphs:
        world.graph(graph, False)
    axioms = [axiom for graph in cut.system.graphs for axiom in encoder.graph_axioms(graph, before)]
    false = _Falsehood(cut, lemmas, encoder)
    yield world, None, [*world.axioms, *axioms, false.of(encoder.initial(before))]
    known = [encoder.expr(condition, before, {}) for _, condition in cut.claims]
    known += [says(encoder, before, lemma) for lemma in lemmas]
    known += [end for x in false.bound.values() for end in _ends(world, x)]
    for event in cut.system.events:
        for path in encoder.paths(event, before):
            there = [end for value in path.values.values() for end in _ends(world, value)]
            broken_after = false.of(path.after, before)
            yield world, event.name, [*world.axioms, *axioms, *known, *there, conjunction(path.conditions), broken_after]


def _ends(world: Uninterpreted, value: Meaning) -> list[Term]:
    """What is said of the ends of paths at an element that has a name."""
    if not z3.is_expr(value):  # one that may be none, or is
        return []
    return [
        end for graph in world.system.graphs if value.sort() == world.sorts[graph.sort.index] for end in world.ends(graph, value)
    ]


class _Falsehood:
    """Some statement is false in a state; the elements of which it is have names.

    What a call leaves as it was is not translated again: a literal is the same term wherever the fields that it reads are.
    """

    def __init__(self, cut: Cut, lemmas: Sequence[Clause], encoder: Encoder) -> None:
        self.encoder = encoder
        self.claims = [(condition, {read.field.index for read in fields_read(condition)}) for _, condition in cut.claims]
        self.bound: dict[tuple[int, int], Term] = {}  # by sort and position: one false statement is enough, so all use the same
        self.lemmas = [(lemma, [self._bound(sort, i) for i, sort in enumerate(lemma.template.sorts)]) for lemma in lemmas]
        self._made: dict[tuple[object, ...], Term] = {}

    def _bound(self, sort: Sort, position: int) -> Term:
        key = (sort.index, position)
        if key not in self.bound:
            self.bound[key] = self.encoder.world.constant(sort, sort.name.lower())
        return self.bound[key]

    def of(self, state: State, before: State | None = None) -> Term:
        """before: a state in which every statement is true, so that those which only read what is as it was there are true still."""
        parts: list[Term] = []
        for condition, read in self.claims:
            if _changed(read, state, before):
                parts.append(negation(self.encoder.expr(condition, state, {})))
        for number, (lemma, bound) in enumerate(self.lemmas):
            if _changed({f.index for column, _ in lemma.literals for f in column.fields}, state, before):
                said = [self._literal(number, place, state) for place in range(len(lemma.literals))]
                parts.append(conjunction([*different(lemma, bound), *said]))
        return disjunction(parts)

    def _literal(self, number: int, place: int, state: State) -> Term:
        lemma, bound = self.lemmas[number]
        column, values = lemma.literals[place]
        key = (number, place, *(state[f.index] for f in column.fields))
        if key not in self._made:
            self._made[key] = literal(self.encoder, state, column, values, bound, lemma.template)
        return self._made[key]


def _changed(read: set[int], state: State, before: State | None) -> bool:
    return before is None or any(state[index] is not before[index] for index in read)
