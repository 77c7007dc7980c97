"""Everything that user space can see of a spec in a few calls, by enumerating its runs: the meaning that `refine` must find.

Written without what `checker/diff` uses to search: a trace is a tuple of (event, arguments, outcome, given), and handles are numbered in the
order in which they are first seen.  No classes of errnos, and events are paired by name with equal parameters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from luocheck.checker.diff.pairing import visible
from luocheck.model.instances import Instance, instances
from luocheck.model.ir.system import OK, Event, Scope, System
from luocheck.model.ir.vocabulary import ElemT, EnumT, Lifetime, Type
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.store import Store

Trace = tuple[tuple[Any, ...], ...]
Names = tuple[tuple[str, int, int], ...]
"""(sort, element, name) of the handles that stand for something."""


@dataclass(slots=True)
class Traces:
    """Traces of a spec in one world.  cut: traces after which the scope is too small to say what comes next; with a call, of that call."""

    every: set[Trace] = field(default_factory=set)
    cut: set[tuple[Trace, Any]] = field(default_factory=set)

    def sure(self, trace: Trace) -> bool:
        """Does nothing that the scope cut say that this trace may be possible after all?"""
        calls = [(each[0], each[1]) for each in trace]
        before = [trace[:n] for n in range(len(trace) + 1)]
        return not any((prefix, None) in self.cut for prefix in before[:-1]) and not any(
            (prefix, call) in self.cut for prefix, call in zip(before, calls)
        )


def world(instance: Instance) -> tuple[Any, ...]:
    """What both specs choose once: the edges, and the fixed values by name."""
    fields = instance.system.fields
    chosen = sorted(
        (fields[cell[0]].name, cell[1:], str(value))
        for cell, value in instance.fixed.items()
        if fields[cell[0]].drawn and fields[cell[0]].lifetime is Lifetime.FIXED
    )
    return (
        tuple((graph.name, tuple(sorted(instance.edges[graph.index]))) for graph in instance.system.graphs),
        tuple(chosen),
    )


class Enumeration:
    """Enumerates traces.  handles: names of the sorts whose elements are known by when they are first seen."""

    def __init__(self, system: System, scope: Scope, handles: set[str], length: int) -> None:
        self.system = system
        self.scope = scope
        self.handles = handles
        self.length = length
        self.seen = [event for event in system.events if visible(system, event)]
        self.unseen = [event for event in system.events if not visible(system, event)]

    def worlds(self) -> dict[tuple[Any, ...], Traces]:
        """The traces of every labelled world."""
        found: dict[tuple[Any, ...], Traces] = {}
        for instance in instances(self.system, self.scope, symmetry=False):
            self.machine = Machine(instance)
            traces = found.setdefault(world(instance), Traces())
            for store in self.machine.initial(instance):
                self._from(store, (), (), 0, traces, set())
        return found

    def _from(self, store: Store, names: Names, trace: Trace, next_name: int, traces: Traces, met: set[Any]) -> None:
        """All runs from a state, with the trace so far."""
        key = frozenset(store.items()), names, trace
        if key in met:
            return
        met.add(key)
        traces.every.add(trace)
        if len(trace) == self.length:
            return
        for event in self.unseen:
            for arguments in self.machine.arguments(event, store):
                for outcome in self.machine.call(event, arguments, store):
                    if outcome.kind == "cut":
                        traces.cut.add((trace, None))
                    if outcome.kind == "returns":
                        self._from(outcome.store, self._alive(names, outcome.store), trace, next_name, traces, met)
        for event in self.seen:
            for arguments in self.machine.arguments(event, store):
                shown, bound, count = self._arguments(event, arguments, names, next_name)
                for outcome in self.machine.call(event, arguments, store):
                    if outcome.kind == "cut":
                        traces.cut.add((trace, (event.name, shown)))
                    if outcome.kind == "panic":
                        traces.every.add((*trace, (event.name, shown, "PANIC", None)))
                    if outcome.kind == "returns":
                        given, after, last = None, bound, count
                        if event.result is not None and outcome.errno == OK:
                            value = outcome.env[event.result.slot]
                            given, after, last = self._named(event.result.type, value, bound, count)
                        self._from(
                            outcome.store,
                            self._alive(after, outcome.store),
                            (*trace, (event.name, shown, outcome.errno, given)),
                            last,
                            traces,
                            met,
                        )

    def _arguments(self, event: Event, arguments: tuple[Any, ...], names: Names, count: int) -> tuple[Any, Names, int]:
        shown: list[Any] = []
        values = dict(zip(event.argument_slots, arguments, strict=True))
        for parameter in event.parameters:
            bad = [p.name for p in event.predicates if p.parameter is parameter and values[p.slot]]
            if bad:
                shown.append(("bad", *sorted(bad)))
            else:
                text, names, count = self._named(parameter.type, values[parameter.slot], names, count)
                shown.append(text)
        return tuple(shown), names, count

    def _named(self, type_: Type, value: Any, names: Names, count: int) -> tuple[Any, Names, int]:
        """A value as user space knows it."""
        if isinstance(type_, EnumT) and value is not None:
            return type_.enum.members[value], names, count
        if not isinstance(type_, ElemT) or type_.sort.name not in self.handles or value is None:
            return value, names, count
        for sort, element, name in names:
            if (sort, element) == (type_.sort.name, value):
                return ("handle", name), names, count
        return ("handle", count), tuple(sorted((*names, (type_.sort.name, value, count)))), count + 1

    def _alive(self, names: Names, store: Store) -> Names:
        return tuple((sort, x, name) for sort, x, name in names if x in store.elements(self.system.sort(sort)))


def shortest_difference(old: System, new: System, scope: Scope, there: Scope, handles: set[str], length: int) -> Iterator[int]:
    """Lengths of the traces that the old spec has and the new one surely has not."""
    theirs = Enumeration(new, there, handles, length).worlds()
    for where, mine in Enumeration(old, scope, handles, length).worlds().items():
        other = theirs.get(where)
        if other is not None:
            yield from (len(trace) for trace in mine.every if trace not in other.every and other.sure(trace))
