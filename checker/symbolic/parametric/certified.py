"""Is it so for every number of elements?  The check over uninterpreted sorts, with quantifiers.

It shares nothing with the search for lemmas but the cut system and the translation of its calls: it makes its own world and its own
solver, and believes no answer that was given before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import z3

from luocheck.checker.symbolic.parametric.cutpoints import Cut
from luocheck.checker.symbolic.parametric.encoding import Encoder, State
from luocheck.checker.symbolic.parametric.induction import broken, says
from luocheck.checker.symbolic.parametric.views import Clause
from luocheck.checker.symbolic.parametric.worlds import Term, Uninterpreted, conjunction, disjunction, negation


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

    timeout: seconds for each question.  pulse: called between questions.
    """
    world = Uninterpreted(cut.system)
    fields = [f for f in cut.system.fields if f.index in cut.relevant]
    encoder = Encoder(world, fields)
    before = encoder.state()
    for graph in cut.system.graphs:
        world.graph(graph, False)

    def statements(state: State) -> list[Term]:
        conditions = [encoder.expr(condition, state, {}) for _, condition in cut.claims]
        return [*conditions, *(says(encoder, state, lemma) for lemma in lemmas)]

    def false(state: State) -> Term:
        """Some statement is false; its elements get names."""
        parts = [negation(encoder.expr(condition, state, {})) for _, condition in cut.claims]
        for lemma in lemmas:
            bound = [world.constant(sort, sort.name.lower()) for sort in lemma.template.sorts]
            parts.append(broken(encoder, state, lemma, bound))
        return disjunction(parts)

    axioms = [axiom for graph in cut.system.graphs for axiom in encoder.graph_axioms(graph, before)]
    start = encoder.initial(before)
    pulse()
    yield from _asked(world, [*world.axioms, *axioms, false(start)], None, timeout)
    known = statements(before)
    for event in cut.system.events:
        for path in encoder.paths(event, before):
            pulse()
            yield from _asked(
                world, [*world.axioms, *axioms, *known, conjunction(path.conditions), false(path.after)], event.name, timeout
            )


def _asked(world: Uninterpreted, terms: list[Any], event: str | None, timeout: float) -> Iterator[Gap]:
    solver = z3.Solver()
    solver.set("timeout", max(1, int(timeout * 1000)))
    solver.set("random_seed", 0)
    solver.add(*terms)
    result = solver.check()
    if result == z3.unsat:
        return
    if result != z3.sat:
        yield Gap(event, None, solver.reason_unknown())
        return
    model = solver.model()
    yield Gap(event, tuple(len(model.get_universe(sort) or [0]) for sort in world.sorts.values()))
