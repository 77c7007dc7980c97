"""Starting points of a model: graphs and fixed choices, one of which is picked first and stays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from luocheck.checker.export.cells import Cells
from luocheck.checker.export.refusal import too_large
from luocheck.checker.export.writer import Writer
from luocheck.model.diagnostics import fail
from luocheck.model.graphs import Edges
from luocheck.model.instances import Instance, instances
from luocheck.model.ir.system import Graph, Scope, System, Topology
from luocheck.model.source import Source, Span

MOST_STARTS = 5000
"""Most starting points of one model."""


class Starts:
    """The starting points of a scope.  Raises SpecError as `promela` says."""

    def __init__(self, system: System, scope: Scope, topology: Topology | None, graph: int | None, symmetry: bool) -> None:
        self.system = system
        every = instances(system, scope, topology, symmetry=symmetry)
        if graph is None:
            self.instances = list(islice(every, MOST_STARTS + 1))
        else:
            self.instances = _of_graph(every, graph)
        if len(self.instances) > MOST_STARTS:
            too_large(f"scope `{scope.name}` has more than {MOST_STARTS:,} starting points", scope.span)
        if not self.instances:
            fail("LUO604", f"scope `{scope.name}` has no starting point", scope.span)
        self.first = self.instances[0]
        self.count = len(self.instances)

    def _size(self, graph: Graph) -> int:
        return max(1, self.first.sizes[graph.sort.index])

    def _arrays(self) -> list[tuple[str, str, int]]:
        """Type, name and length of what says how the graphs are."""
        found = []
        for graph in self.system.graphs:
            mask = "byte" if self._size(graph) <= 8 else "int"
            found += [(mask, f"edge_{graph.name}", self._size(graph)), (mask, f"closure_{graph.name}", self._size(graph))]
            found.append(("byte", f"order_{graph.name}", self._size(graph)))
        return found

    def declared(self) -> list[str]:
        """Declarations: the number of the starting point (0: nothing is chosen yet), and the graphs."""
        number = "byte" if self.count < 256 else "short"
        return [f"{number} start;  /* 0: nothing is chosen yet */", *(f"{type_} {name}[{n}];" for type_, name, n in self._arrays())]

    def cleared(self) -> list[str]:
        """Statements for nothing being chosen yet."""
        return ["start = 0;", *(" ".join(f"{name}[{i}] = 0;" for i in range(n)) for _, name, n in self._arrays())]

    def choose(self, cells: Cells, w: Writer) -> None:
        """Picks a starting point, and sets what it says."""
        w.emit(f"select(start : 1 .. {self.count});")
        with w.step():
            for f in cells.system.fields:
                for owners in cells.owners(f):
                    for place in cells.positions(f, [str(x) for x in owners]):
                        if cells.default(f) != "0":
                            w.emit(f"{place} = {cells.default(f)};")
            w.emit("if")
            for number, instance in enumerate(self.instances, start=1):
                w.emit(f":: start == {number} -> {' '.join(self._facts(cells, instance))} skip")
            w.emit("fi")

    def _facts(self, cells: Cells, instance: Instance) -> list[str]:
        out = []
        for graph in self.system.graphs:
            for name, edges in (("edge", instance.edges[graph.index]), ("closure", instance.closure[graph.index])):
                masks: dict[int, int] = {}
                for a, b in edges:
                    masks[a] = masks.get(a, 0) | 1 << b
                out += [f"{name}_{graph.name}[{a}] = {mask};" for a, mask in sorted(masks.items())]
            out += [f"order_{graph.name}[{i}] = {x};" for i, x in enumerate(instance.order[graph.index]) if x]
        for cell, value in sorted(instance.fixed.items()):
            f = self.system.fields[cell[0]]
            place = cells.at(f, [str(x) for x in cell[1:]])
            out.append(f"{place} = {cells.value(value, f.type, f.span)};")
        return out


def _of_graph(every: Iterator[Instance], graph: int) -> list[Instance]:
    """The starting points of the graph with that number.  Raises SpecError LUO603."""
    found: list[Instance] = []
    number = 0
    last: tuple[Edges, ...] | None = None
    for instance in every:
        if instance.edges != last:
            number, last = number + 1, instance.edges
        if number == graph:
            found.append(instance)
        elif found:
            break
    if not found:
        fail(
            "LUO603",
            f"there is no graph {graph}; the scope has {number}",
            Span(Source("--graph", str(graph)), 0, len(str(graph))),
        )
    return found
