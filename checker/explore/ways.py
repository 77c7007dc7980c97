"""Claims about ways out, on the finished graph: `recoverable P can reach Q using E` and `never stuck`.

Both are backward searches.  A path that the scope cut is no way in and no proof of a trap: what only such a path could rescue is unknown.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass

from luocheck.checker.explore.search import RESUMED, Edges, InstanceSearch, caller_of
from luocheck.model.ir.system import Property


@dataclass(slots=True)
class Traps:
    """States from which there is no way out.  `vacuous`: no state needed one.  `unknown`: only a path that the scope cut could be one."""

    states: list[int]
    vacuous: bool
    unknown: bool


def backward(count: int, goals: bytearray, edges: Edges, allowed: Callable[[int], bool]) -> bytearray:
    """Which states can reach a goal over allowed edges (numbers of edges)."""
    sources, targets = edges.sources, edges.targets
    usable = array("q", (i for i in range(len(edges)) if targets[i] >= 0 and targets[i] != sources[i] and allowed(i)))
    starts = array("q", bytes(8 * (count + 1)))  # where the edges into a state begin, once they are sorted by target
    for i in usable:
        starts[targets[i] + 1] += 1
    for state in range(count):
        starts[state + 1] += starts[state]
    into = array("q", bytes(8 * len(usable)))
    free = starts[:]
    for i in usable:
        into[free[targets[i]]] = sources[i]
        free[targets[i]] += 1
    reached = bytearray(goals)
    todo = [state for state in range(count) if reached[state]]
    while todo:
        state = todo.pop()
        for source in into[starts[state] : starts[state + 1]]:
            if not reached[source]:
                reached[source] = 1
                todo.append(source)
    return reached


def recoverable(search: InstanceSearch, position: int, claim: Property) -> Traps:
    """States where P holds and from which no call of `using` (calls in progress may end) leads to Q."""
    assert search.edges is not None
    edges = search.edges
    from_, to = search.ways[position]
    using = {event.index for event in search.instance.system.events if not claim.using or event.name in claim.using}

    def allowed(i: int) -> bool:
        return (edges.faults[i] == 0 or claim.with_faults) and (edges.events[i] in using or bool(edges.masks[i] & RESUMED))

    reached = backward(len(search.states), to, edges, allowed)
    lost = [s for s in range(len(search.states)) if from_[s] and not reached[s]]
    if lost and search.cut_states:
        hopeful = bytearray(to)
        for state in search.cut_states:
            hopeful[state] = 1
        rescued = backward(len(search.states), hopeful, edges, allowed)
        sure = [s for s in lost if not rescued[s]]
        return Traps(sure, False, unknown=not sure)
    return Traps(lost, not any(from_), unknown=False)


def stuck(search: InstanceSearch, position: int) -> Traps:
    """States in which a call waits that can never end: neither by going on, nor because the kernel reboots."""
    assert search.edges is not None
    edges = search.edges
    exempt = search.exempt[position]
    count = len(search.states)
    lost: set[int] = set()
    waits = False
    calls = search.machine.calls
    for caller in search.callers:
        inside = bytearray(count)
        for state in range(count):
            inside[state] = (calls, caller) in search.store(state)
        waits = waits or any(inside)
        outside = bytearray(1 - flag for flag in inside)
        reached = backward(count, outside, edges, lambda i: True)
        lost |= {s for s in range(count) if inside[s] and not reached[s] and not exempt[s]}
    for (event, arguments), blocked in search.waiting.items():
        waits = True
        decl = search.instance.system.events[event]
        who = caller_of(decl, arguments)
        free = bytearray(1 for _ in range(count))
        for state in blocked:
            free[state] = 0
        reached = backward(count, free, edges, _by_others(edges, who))
        lost |= {s for s in blocked if not reached[s] and not exempt[s]}
    hopeless = not search.cut_states
    return Traps(sorted(lost) if hopeless else [], not waits, unknown=bool(lost) and not hopeless)


def _by_others(edges: Edges, who: int) -> Callable[[int], bool]:
    """Edges that somebody else than caller `who` (0: nobody) makes; a call that nobody makes is hindered by no other call."""
    return lambda i: who == 0 or edges.masks[i] & ~RESUMED != who
