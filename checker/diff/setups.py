"""Starting points of two specs that are the same world: dependency graphs and fixed choices that both specs know agree."""

from __future__ import annotations

from collections.abc import Iterator

from luocheck.model.graphs import is_acyclic
from luocheck.model.instances import Cell, Instance, default_name, instances
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.ir.vocabulary import ElemT, EnumDef, EnumT, Field, Lifetime, SetT, Type


def scope_for(system: System, scope: Scope, base: Scope) -> Scope:
    """A scope with the sizes that another spec's scope names; sorts that it does not name are as in `base`."""
    asked = dict(scope.sizes)
    sizes = tuple((sort.name, asked.get(sort.name, base.size(sort.name))) for sort in system.sorts)
    stepwise = frozenset(name for name in scope.stepwise if any(name == event.name for event in system.events))
    return Scope(scope.name, sizes, stepwise, scope.span)


def atomic(scope: Scope) -> Scope:
    """The same sizes, with calls that are not cut into steps."""
    return Scope(scope.name, scope.sizes, frozenset(), scope.span)


class Setups:
    """Matches starting points: elements with the same number are the same element."""

    def __init__(self, old: System, new: System, new_scope: Scope) -> None:
        self.new = new
        self.scope = new_scope
        self.graphs = [
            (graph, other)
            for graph in old.graphs
            for other in new.graphs
            if graph.name == other.name and graph.sort.name == other.sort.name
        ]
        self.fields = [(field, other) for field in old.fields for other in new.fields if _same_choice(field, other)]

    def matching(self, instance: Instance) -> Iterator[Instance]:
        """The starting points of the new spec with the graphs and the fixed choices of one of the old; none when the new one allows no such
        graph."""
        if not all(is_acyclic(instance.sizes[a.sort.index], instance.edges[a.index]) for a, b in self.graphs if b.acyclic):
            return
        for other in instances(self.new, self.scope, self._shape(instance), symmetry=False):
            if all(instance.edges[a.index] == other.edges[b.index] for a, b in self.graphs) and all(
                _chosen(instance, a) == _chosen(other, b) for a, b in self.fields
            ):
                yield other

    def _shape(self, instance: Instance) -> Topology | None:
        """The graph of the old starting point as a topology, so that the graphs of the new spec need not be enumerated."""
        if not self.graphs:
            return None
        old, new = self.graphs[0]
        size = self.scope.size(new.sort.name)
        names = tuple((f"{default_name(new.sort)}{position}", None) for position in range(size))
        return Topology("", new.sort.name, new.name, names, None, tuple(sorted(instance.edges[old.index])), self.scope.span)


def _same_choice(field: Field, other: Field) -> bool:
    """Is it the same thing that both specs choose once, at the start?"""
    fixed = all(each.lifetime is Lifetime.FIXED and each.drawn for each in (field, other))
    if not fixed or field.name != other.name or len(field.owners) != len(other.owners):
        return False
    same_owners = all(
        a.name == b.name and isinstance(a, EnumDef) == isinstance(b, EnumDef) and _members(a) == _members(b)
        for a, b in zip(field.owners, other.owners)
    )
    return same_owners and _shown(field.type) == _shown(other.type)


def _members(owner: object) -> tuple[str, ...]:
    return owner.members if isinstance(owner, EnumDef) else ()


def _shown(type_: Type) -> tuple[object, ...]:
    """Equal for types that have the same values in the same order."""
    match type_:
        case EnumT(enum):
            return str(type_), enum.members
        case ElemT() | SetT():
            return type(type_), str(type_)
    return (str(type_),)


def _chosen(instance: Instance, field: Field) -> dict[Cell, object]:
    """The values of a fixed field, by the elements that they are of; those that are the default are left out."""
    return {cell[1:]: value for cell, value in instance.fixed.items() if cell[0] == field.index}
