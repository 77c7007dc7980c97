"""Where a fair run can stay for ever: strongly connected parts of the graph that meet every assumption.

The decomposition is the usual one for strong fairness (E. A. Emerson, C.-L. Lei: Modalities for model checking: branching time logic
strikes back, 1985; O. Lichtenstein, A. Pnueli: Checking that finite state concurrent programs satisfy their linear specification, 1985):
a component in which a call could return OK and never does is searched again without the states in which it could.  Components are
Tarjan's (Depth-first search and linear graph algorithms, 1972), without recursion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from luocheck.checker.liveness.graph import Fairness, Moves, StateGraph


@dataclass(frozen=True, slots=True)
class Rule:
    """When runs are fair.  `cuts_count`: a path that the scope cut enables its call as if it were there."""

    fairness: Fairness
    cuts_count: bool

    def enabled(self, moves: Moves) -> int:
        """The conditions that a state enables."""
        return moves.enabled | moves.cut if self.cuts_count else moves.enabled

    def may_stay(self, moves: Moves) -> bool:
        """May a run stay in this state for ever, because nobody has to act?"""
        return not self.enabled(moves) & (self.fairness.weak | self.fairness.strong)


def fair_components(graph: StateGraph, states: Iterable[int], rule: Rule) -> Iterator[list[int]]:
    """The largest sets of the given states in which a fair run can go round (or stay) for ever, in an order that the graph decides."""
    weak, strong = rule.fairness.weak, rule.fairness.strong
    todo = [list(states)]
    while todo:
        for component in components(graph, todo.pop()):
            members = set(component)
            always, ever, met = -1, 0, 0
            for state in component:
                moves = graph.moves(state)
                enabled = rule.enabled(moves)
                always &= enabled
                ever |= enabled
                for target, conditions in moves.to.items():
                    if conditions and target in members:
                        met |= conditions
            if always & weak & ~met:
                continue  # it is so for every part of it, too
            missed = ever & strong & ~met
            if not missed:
                yield component
                continue
            rest = [state for state in component if not rule.enabled(graph.moves(state)) & missed]
            if rest:
                todo.append(rest)


def components(graph: StateGraph, states: list[int]) -> Iterator[list[int]]:
    """The strongly connected components of a part of the graph, each in ascending order."""
    inside = set(states)
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    open_: set[int] = set()
    stack: list[int] = []
    for root in states:
        if root in order:
            continue
        path: list[tuple[int, Iterator[int]]] = []
        entered = root
        while True:
            if entered >= 0:
                order[entered] = low[entered] = len(order)
                stack.append(entered)
                open_.add(entered)
                path.append((entered, iter(graph.moves(entered).to)))
                entered = -1
            state, following = path[-1]
            for target in following:
                if target not in inside:
                    continue
                if target not in order:
                    entered = target
                    break
                if target in open_ and order[target] < low[state]:
                    low[state] = order[target]
            if entered >= 0:
                continue
            path.pop()
            if path and low[state] < low[path[-1][0]]:
                low[path[-1][0]] = low[state]
            if low[state] == order[state]:
                at = len(stack) - 1
                while stack[at] != state:
                    at -= 1
                component = stack[at:]
                del stack[at:]
                open_.difference_update(component)
                yield sorted(component)
            if not path:
                break
