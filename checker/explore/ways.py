"""Claims about ways out, on the finished graph: `recoverable P can reach Q using E` and `never stuck`.

Both are backward searches.  A path that the scope cut is no way in and no proof of a trap: what only such a path could rescue is unknown.
"""

from __future__ import annotations

from dataclasses import dataclass

from luocheck.checker.explore.labels import caller_of
from luocheck.checker.explore.search import EdgeRule, InstanceSearch
from luocheck.model.ir.system import Property


@dataclass(slots=True)
class Traps:
    """States from which there is no way out.  `vacuous`: no state needed one.  `unknown`: only a path that the scope cut could be one."""

    states: list[int]
    vacuous: bool
    unknown: bool


def recoverable(search: InstanceSearch, position: int, claim: Property) -> Traps:
    """States where P holds and from which no call of `using` (calls in progress may end) leads to Q."""
    from_, to = search.ways[position]
    using = frozenset(event.index for event in search.instance.system.events if not claim.using or event.name in claim.using)
    rule = EdgeRule(using, claim.with_faults)
    reached = search.backward(to, rule)
    lost = [s for s in range(len(search.states)) if from_[s] and not reached[s]]
    if lost and search.cut_states:
        hopeful = bytearray(to)
        for state in search.cut_states:
            hopeful[state] = 1
        rescued = search.backward(hopeful, rule)
        sure = [s for s in lost if not rescued[s]]
        return Traps(sure, False, unknown=not sure)
    return Traps(lost, not any(from_), unknown=False)


def stuck(search: InstanceSearch, position: int) -> Traps:
    """States in which a call waits that can never end: neither by going on, nor because the kernel reboots."""
    exempt = search.exempt[position]
    count = len(search.states)
    lost: set[int] = set()
    waits = False
    for caller in search.callers:
        inside = search.inside(caller)
        waits = waits or any(inside)
        outside = bytearray(1 - flag for flag in inside)
        reached = search.backward(outside, EdgeRule())
        lost |= {s for s in range(count) if inside[s] and not reached[s] and not exempt[s]}
    for (event, arguments), blocked in search.waiting.items():
        waits = True
        decl = search.instance.system.events[event]
        who = caller_of(decl, arguments)  # a call that nobody makes is hindered by no other call
        free = bytearray(1 for _ in range(count))
        for state in blocked:
            free[state] = 0
        reached = search.backward(free, EdgeRule(others_than=who))
        lost |= {s for s in blocked if not reached[s] and not exempt[s]}
    hopeless = not search.cut_states
    return Traps(sorted(lost) if hopeless else [], not waits, unknown=bool(lost) and not hopeless)
