"""Claims about ways out, on the finished graph: `recoverable P can reach Q using E` and `never stuck`.

Both are backward searches.  A path that the scope cut is no way in and no proof of a trap: what only such a path could rescue is unknown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from luocheck.checker.explore.search import RESUMED, Edges, InstanceSearch
from luocheck.model.ir.system import Property


@dataclass(slots=True)
class Traps:
    """States from which there is no way out.  `vacuous`: no state needed one.  `unknown`: only a path that the scope cut could be one."""

    states: list[int]
    vacuous: bool
    unknown: bool


def backward(count: int, goals: bytearray, edges: Edges, allowed: Callable[[int], bool]) -> bytearray:
    """Which states can reach a goal over allowed edges."""
    reached = bytearray(goals)
    sources, targets = edges.sources, edges.targets
    usable = [i for i in range(len(edges)) if targets[i] >= 0 and targets[i] != sources[i] and allowed(i)]
    usable.reverse()
    changed = True
    while changed:
        changed = False
        for i in usable:
            if reached[targets[i]] and not reached[sources[i]]:
                reached[sources[i]] = 1
                changed = True
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
        caller = next((v for p, v in zip(decl.parameters, arguments) if p.slot == decl.caller), None)
        free = bytearray(1 for _ in range(count))
        for state in blocked:
            free[state] = 0
        who = -1 if caller is None else caller + 1
        reached = backward(count, free, edges, lambda i, who=who: edges.masks[i] & ~RESUMED != who)
        lost |= {s for s in blocked if not reached[s] and not exempt[s]}
    hopeless = not search.cut_states
    return Traps(sorted(lost) if hopeless else [], not waits, unknown=bool(lost) and not hopeless)
