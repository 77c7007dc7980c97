"""The states that a scenario begins with: every instance and every drawn value that agrees with its topology and with what is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import permutations, product
from typing import Any

from luocheck.model import graphs
from luocheck.model.instances import Instance, default_name, instances
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import Graph, Topology
from luocheck.model.ir.vocabulary import Lifetime, Sort
from luocheck.model.scenario.beliefs import Beliefs, Believed, Binding, with_names
from luocheck.model.scenario.scenarios import Condition
from luocheck.model.semantics.store import Store


class Beginning:
    """Enumerates the first states of a scenario."""

    def __init__(self, beliefs: Beliefs) -> None:
        self.beliefs = beliefs
        self.scenario = beliefs.scenario
        self.system = beliefs.system

    def states(self) -> tuple[list[Believed], Condition | None]:
        """The states to begin with; when there are none, also the first `given` that no state agrees with, if it was that."""
        givens = self.scenario.given
        early = [given for given in givens if self._about_instances(given)]
        late = [given for given in givens if given not in early]
        found: dict[tuple[Any, ...], Believed] = {}
        agreed = 0  # how many of the conditions some state agrees with, in the order they are asked
        for instance, bindings in self._instances():
            machine = self.beliefs.machine_of(instance)
            chosen = [Believed(Store(instance, instance.fixed), binding) for binding in bindings]
            count, chosen = self._agree(early, chosen)
            agreed = max(agreed, count)
            if not chosen:
                continue
            for store in machine.initial(instance):
                count, states = self._agree(late, [Believed(store, each.binding) for each in chosen])
                agreed = max(agreed, len(early) + count)
                for state in states:
                    found.setdefault(state.key, state)
        asked = [*early, *late]
        refused = asked[agreed] if not found and agreed < len(asked) else None
        return list(found.values()), refused

    def _agree(self, givens: Sequence[Condition], states: list[Believed]) -> tuple[int, list[Believed]]:
        """States in which conditions hold, with their names bound, and how many of the conditions some state agrees with."""
        for count, given in enumerate(givens):
            states = [
                each for state in states for each in self.beliefs.bound(state, given.elements) if self.beliefs.holds(given, each)
            ]
            if not states:
                return count, []
        return len(givens), states

    def _about_instances(self, given: Condition) -> bool:
        """Is a condition about fixed choices and the graph alone, so that it can be asked before anything happens?"""
        pools = any(element.sort.pool for element in given.elements)
        for part in e.walk(given.condition):
            match part:
                case e.Read(field=f) if f.lifetime is not Lifetime.FIXED:
                    return False
                case e.Quantifier(domain=Sort(pool=True)) | e.Idle() | e.IdleCaller():
                    return False
        return not pools

    def _instances(self) -> Iterator[tuple[Instance, list[Binding]]]:
        """Instances with the topology, and what the elements of the topology can be in each."""
        scenario, system = self.scenario, self.system
        nothing: Binding = (None,) * len(scenario.elements)
        if scenario.topology is not None:
            positions = {name: position for position, (name, _) in enumerate(scenario.topology.elements)}
            named = [each for each in scenario.elements if each.origin == "topology"]
            binding = with_names(nothing, [(each, positions[each.name]) for each in named])
            for instance in instances(system, scenario.scope, scenario.topology):
                yield instance, [binding]
            return
        if scenario.shape is None:
            for instance in instances(system, scenario.scope):
                yield instance, [nothing]
            return
        for instance in self._with_edges():
            bindings = [b for b in self._placements(nothing, instance) if self._has_shape(instance, b)]
            if bindings:
                yield instance, bindings

    def _with_edges(self) -> Iterator[Instance]:
        """Instances among which are all that have the edges of an inline topology, up to renaming."""
        system, scope = self.system, self.scenario.scope
        if len(system.graphs) != 1:
            yield from instances(system, scope)
            return
        (graph,) = system.graphs
        size = scope.size(graph.sort.name)
        names = tuple((f"{default_name(graph.sort)}{position}", None) for position in range(size))
        for edges in self._drawings(graph, size):
            yield from instances(
                system, scope, Topology("", graph.sort.name, graph.name, names, None, tuple(sorted(edges)), self.scenario.span)
            )

    def _drawings(self, graph: Graph, size: int) -> list[graphs.Edges]:
        """The edges of an inline topology between numbered elements, numbered as exploration does it."""
        shape = self.scenario.shape
        assert shape is not None
        numbers = {each.index: i for i, each in enumerate(each for each in shape.elements if each.sort is graph.sort)}
        edges = frozenset((numbers[a.index], numbers[b.index]) for g, a, b in shape.edges if g is graph)
        if size > _largest(graph):
            return [edges]
        if graph.sort.symmetric:
            return [graphs.canonical(size, edges)]
        every = {frozenset((order[a], order[b]) for a, b in edges) for order in permutations(range(size))}
        return sorted(every, key=sorted)

    def _placements(self, binding: Binding, instance: Instance) -> Iterator[Binding]:
        """All ways to choose different elements for those of an inline topology."""
        shape = self.scenario.shape
        assert shape is not None
        options = []
        for sort in self.system.sorts:
            own = [each for each in shape.elements if each.sort is sort]
            size = instance.sizes[sort.index]
            graph = next((each for each in self.system.graphs if each.sort is sort), None)
            as_written = graph is not None and size > _largest(graph)
            chosen: Iterable[tuple[int, ...]] = [tuple(range(len(own)))] if as_written else permutations(range(size), len(own))
            options.append([list(zip(own, positions, strict=True)) for positions in chosen])
        for choice in product(*options):
            yield with_names(binding, [pair for pairs in choice for pair in pairs])

    def _has_shape(self, instance: Instance, binding: Binding) -> bool:
        shape = self.scenario.shape
        assert shape is not None
        for graph in self.system.graphs:
            edges = {(binding[a.index], binding[b.index]) for g, a, b in shape.edges if g is graph}
            if edges != instance.edges[graph.index]:
                return False
        for element, field, value in shape.kinds:
            place = binding[element.index]
            assert place is not None
            if instance.fixed.get((field.index, place), instance.defaults[field.index]) != value:
                return False
        return True


def _largest(graph: Graph) -> int:
    """Most elements on which exploration enumerates the graphs; on more, those of a topology are numbered as they are written."""
    return graphs.MAX_ACYCLIC if graph.acyclic else graphs.MAX_CYCLIC
