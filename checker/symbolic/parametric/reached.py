"""The views of all reachable states of a small scope."""

from __future__ import annotations

from collections.abc import Sequence

from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.order import told_apart
from luocheck.checker.explore.symmetry import Symmetry, groups_of
from luocheck.checker.native.tiers import Search, Tiers
from luocheck.checker.symbolic.parametric.views import Explored, Known
from luocheck.model.instances import Instance, cells_of, instances
from luocheck.model.ir.system import Scope, System
from luocheck.model.ir.vocabulary import Field
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.store import Store

OFTEN = 256
"""States that are read between two looks at the limits."""


def add_views(system: System, scope: Scope, known: Sequence[Known], limits: Limits, engine: str = "auto") -> int:
    """Explores a scope and adds what its states show; how many states there are.  Raises Stopped at a limit."""
    tiers = Tiers(engine)
    states = 0
    apart = told_apart(system, scope, ())
    machine: Machine | None = None
    for instance in instances(system, scope):
        if machine is None or machine.sizes != instance.sizes:
            machine = Machine(instance)
        symmetry = Symmetry(instance, machine, groups_of(instance, apart))
        reduced = symmetry if symmetry.order > 1 else None
        wanted = Search(instance, machine, (), limits, states, None, lambda search, depth: False, scope.span, reduced, apart)
        search, _, stopped = tiers.search(wanted)
        try:
            if stopped is not None:
                raise stopped
            found = len(search.states)
            reader = _Reader(known, instance)
            for number in range(found):
                if number % OFTEN == 0:
                    limits.check(0)
                reader.read(search.store(number))
            states += found
        finally:
            search.close()
    return states


class _Reader:
    """Adds the views of an instance's states.  Most elements look like one that was seen before: that is asked first."""

    def __init__(self, known: Sequence[Known], instance: Instance) -> None:
        self.instance = instance
        self.known: list[tuple[Known, list[tuple[int, ...]], set[object]]] = [
            (each, list(each.template.bindings(instance.sizes)), set()) for each in known
        ]
        fields = {c.field for each in known for c in each.template.columns if c.field is not None}
        self.of_elements: dict[int, list[Field]] = {}
        self.of_none: list[Field] = []
        self.of_pairs: list[Field] = []
        for f in sorted(fields, key=lambda f: f.index):
            if len(f.owners) == 1:
                self.of_elements.setdefault(f.owners[0].index, []).append(f)
            else:
                (self.of_none if not f.owners else self.of_pairs).append(f)

    def read(self, store: Store) -> None:
        get, defaults = store.get, self.instance.defaults
        shown = Explored(store, self.instance)
        everywhere = (
            tuple(get((f.index,), defaults[f.index]) for f in self.of_none),
            tuple(shown.value(f, cell[1:]) for f in self.of_pairs for cell in cells_of(f, self.instance.sizes)),
        )
        raw = {
            sort: [tuple(get((f.index, x), defaults[f.index]) for f in fields) for x in range(self.instance.sizes[sort])]
            for sort, fields in self.of_elements.items()
        }
        for each, bindings, seen in self.known:
            looks = [raw.get(sort.index) for sort in each.template.sorts]
            for binding in bindings:
                key = (everywhere, binding, tuple(look[x] for look, x in zip(looks, binding, strict=True) if look is not None))
                if key not in seen:
                    seen.add(key)
                    each.add(each.template.view(shown, binding))
