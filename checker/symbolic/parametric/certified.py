"""Is it so for every number of elements?  The check over uninterpreted sorts, with quantifiers.

It shares nothing with the search for lemmas but the cut system and the translation of its calls: it makes its own world and its own
solver, and believes no answer that was given before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import z3

from luocheck.checker.symbolic.parametric.clauses import broken, says
from luocheck.checker.symbolic.parametric.cutpoints import Cut
from luocheck.checker.symbolic.parametric.encoding import Encoder, State
from luocheck.checker.symbolic.parametric.views import Clause
from luocheck.checker.symbolic.parametric.worlds import Term, Uninterpreted, conjunction, disjunction, fresh_terms, negation
from luocheck.checker.symbolic.watched import watched


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
    yield world, None, [*world.axioms, *axioms, _false(cut, lemmas, encoder, encoder.initial(before))]
    known = [encoder.expr(condition, before, {}) for _, condition in cut.claims]
    known += [says(encoder, before, lemma) for lemma in lemmas]
    for event in cut.system.events:
        for path in encoder.paths(event, before):
            broken_after = _false(cut, lemmas, encoder, path.after)
            yield world, event.name, [*world.axioms, *axioms, *known, conjunction(path.conditions), broken_after]


def _false(cut: Cut, lemmas: Sequence[Clause], encoder: Encoder, state: State) -> Term:
    """Some statement is false; the elements of which it is get names."""
    parts = [negation(encoder.expr(condition, state, {})) for _, condition in cut.claims]
    for lemma in lemmas:
        bound = [encoder.world.constant(sort, sort.name.lower()) for sort in lemma.template.sorts]
        parts.append(broken(encoder, state, lemma, bound))
    return disjunction(parts)
