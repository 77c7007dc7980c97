"""Views that are put together quickly are what the templates say, and a scope that is too large is seen from all sides."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.search import Coverage, InstanceSearch
from luocheck.checker.symbolic.parametric.cutpoints import Cut, cut
from luocheck.checker.symbolic.parametric.reached import add_views
from luocheck.checker.symbolic.parametric.sizes import counted, small_scopes
from luocheck.checker.symbolic.parametric.views import Clause, Column, Known, Template, templates
from luocheck.model.instances import Instance, instances
from luocheck.model.ir.system import Graph, Scope
from luocheck.model.ir.vocabulary import BoolT, Field, Lifetime, Value
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.store import Store
from luocheck.model.source import NOWHERE
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
    sampled: list[list[set[tuple[int, ...]]]] = []
    for engine in ("interpreter", "explore"):
        found = [Known(each.template) for each in known]
        assert 0 < add_views(made.system, scope, found, Limits(), engine) < every
        assert [set(each.views) for each in found] == wanted
        assert not any(each.sampled for each in found)
        some = [Known(each.template) for each in known]
        assert 100 <= add_views(made.system, scope, some, Limits(100), engine) < 120
        assert all(each.sampled for each in some)
        sampled.append([set(each.views) for each in some])
    assert sampled[0] == sampled[1]  # whoever explores
    assert all(views <= every_one for views, every_one in zip(sampled[0], wanted, strict=True))


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


def test_of_a_scope_that_is_too_large_late_states_are_seen() -> None:
    """Its thousand states of the fewest calls show nothing of two files in a kernel to which another one handed something."""
    system = load("rfc_v2").system
    made = cut(system, [system.claim("cancel_leaves_no_memory")])
    fields = [f for f in made.system.fields if f.index in made.relevant]
    known = [Known(template) for template in templates(fields, made.system.graphs)]
    sizes = {"File": 2, "Other": 0}
    scope = Scope("two", tuple((sort.name, sizes.get(sort.name, 1)) for sort in system.sorts), frozenset(), system.span)
    assert 1_000 <= add_views(made.system, scope, known, Limits(1_000), "interpreter") < 1_020
    assert all(each.sampled for each in known)
    (pairs,) = [each for each in known if [sort.name for sort in each.template.sorts] == ["File", "File"]]
    handed = next(i for i, c in enumerate(pairs.template.columns) if c.field is not None and c.field.name == "handed")
    assert any(view[handed] for view in pairs.views)


def test_of_a_sample_what_is_rare_explains_nothing() -> None:
    """One view has the first column, many have one of the next two and none has both: that is hardly a coincidence."""
    flags = [Field(i, f"flag{i}", (), Lifetime.VOLATILE, BoolT(), False, False, NOWHERE) for i in range(6)]
    columns = tuple(Column(f, None, False, (), (0, 1)) for f in flags)
    many = [(0, one, other, *rest) for one, other in ((0, 0), (0, 1), (1, 0)) for rest in product((0, 1), repeat=3)]
    chosen = {}
    for sampled in (False, True):
        known = Known(Template((), columns))
        known.sampled = sampled
        for view in [*many, (1, 0, 1, 1, 1, 1)]:
            known.add(view)
        clause = known.clause((1, 1, 1, 0, 0, 0))
        assert clause is not None and known.agree(clause)
        chosen[sampled] = {column.field.index for column, _ in clause.literals if column.field is not None}
    assert chosen == {False: {0, 1}, True: {1, 2}}
    rare = Clause(known.template, ((columns[0], frozenset({1})), (columns[1], frozenset({1}))))
    often = Clause(known.template, ((columns[1], frozenset({1})), (columns[2], frozenset({1}))))
    assert known.rank(often) < known.rank(rare)


def test_small_scopes_have_two_of_what_a_template_shows() -> None:
    made, known = cut_intent("finish_leaves_nothing")
    shown = [each.template for each in known]
    sizes = [dict(scope.sizes) for scope in small_scopes(made, counted(made, shown), shown)]
    assert sizes[0] == {"Agent": 1, "File": 1, "Token": 1}
    assert {"Agent": 2, "File": 1, "Token": 1} in sizes
    assert {"Agent": 2, "File": 2, "Token": 2} in sizes  # of two files each may have its own
    assert sizes[-1] == {"Agent": 1, "File": 2, "Token": 2}
