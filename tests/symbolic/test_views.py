"""Views that are put together quickly are what the templates say, and a scope that is too large is seen from all sides."""

from __future__ import annotations

from dataclasses import dataclass

from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.search import Coverage, InstanceSearch
from luocheck.checker.symbolic.parametric.cutpoints import Cut, cut
from luocheck.checker.symbolic.parametric.reached import add_views
from luocheck.checker.symbolic.parametric.views import Known, templates
from luocheck.model.instances import Instance, instances
from luocheck.model.ir.system import Graph, Scope
from luocheck.model.ir.vocabulary import Field, Value
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.store import Store
from luocheck.model.spec import load


@dataclass(frozen=True, slots=True)
class Shown:
    store: Store
    instance: Instance

    def value(self, f: Field, owners: tuple[int, ...]) -> Value:
        found: Value = self.store.get((f.index, *owners), self.instance.defaults[f.index])
        return found

    def edge(self, graph: Graph, closure: bool, x: int, y: int) -> bool:
        return (x, y) in (self.instance.closure if closure else self.instance.edges)[graph.index]


def cut_intent(*claims: str) -> tuple[Cut, list[Known]]:
    system = load("intent").system
    made = cut(system, [system.claim(claim) for claim in claims])
    fields = [f for f in made.system.fields if f.index in made.relevant]
    return made, [Known(template) for template in templates(fields, made.system.graphs)]


def test_views_are_what_the_templates_say_of_every_state() -> None:
    """With copies of the state before a call, locals of calls and fields that name the same element; no symmetry in the definition."""
    made, known = cut_intent("cancel_restores", "undone_in_reverse")
    assert {column.same is not None for each in known for column in each.template.columns} == {True, False}
    scope = Scope("pair", (("Agent", 2), ("File", 2), ("Token", 1)), frozenset(), made.system.span)
    wanted: list[set[tuple[int, ...]]] = [set() for _ in known]
    every = 0
    for instance in instances(made.system, scope, symmetry=False):
        machine = Machine(instance)
        search = InstanceSearch(instance, machine, Monitors(instance, ()), Coverage(), keep_edges=False)
        search.run(Limits())
        every += len(search.states)
        for number in range(len(search.states)):
            shown = Shown(search.store(number), instance)
            for views, each in zip(wanted, known, strict=True):
                views |= {each.template.view(shown, binding) for binding in each.template.bindings(instance.sizes)}
    assert all(type(value) is int for views in wanted for view in views for value in view)
    for engine in ("interpreter", "explore"):
        found = [Known(each.template) for each in known]
        assert 0 < add_views(made.system, scope, found, Limits(), engine) < every
        assert [set(each.views) for each in found] == wanted


def test_of_a_scope_that_is_too_large_every_graph_is_seen() -> None:
    """One that was not would look impossible, and lemmas would deny it until each was refuted."""
    made, known = cut_intent("dead_agents_own_nothing")
    scope = Scope("three", (("Agent", 2), ("File", 3), ("Token", 3)), frozenset(), made.system.span)
    states = add_views(made.system, scope, known, Limits(600))
    assert 600 <= states < 620
    (pairs,) = [each for each in known if [sort.name for sort in each.template.sorts] == ["File", "File"]]
    edges = [i for i, column in enumerate(pairs.template.columns) if column.graph is not None]
    assert len(edges) == 4
    shown = {tuple(view[i] for i in edges) for view in pairs.views}
    assert shown == {(0, 0, 0, 0), (1, 1, 0, 0), (0, 1, 0, 0), (0, 0, 1, 1), (0, 0, 0, 1)}  # an edge, or a path of two
