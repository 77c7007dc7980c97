"""Is there a fair run that never comes to a goal?  Decided as dumbly as possible, from what the language reference says.

For each set of calls that are said to *be unable to return OK* from some point on, states in which one of them could are left out; all
others have to return OK again and again.  Then every assumption is something that has to happen infinitely often, and a loop with all of
it is looked for in the product with a counter that says for which one the run waits (a generalised Buechi condition made a simple one).
No components, no shortcuts: from every state at which the counter began anew, the same state with the counter begun anew is searched.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

from luocheck.model.ir.system import OK, Property

if TYPE_CHECKING:
    from differential.naive import Key, Move, State

Condition = tuple[Any, ...]
"""("made", event, arguments), ("ok", event, arguments), ("goes on", caller) or ("gets the lock", caller)."""

STRONG = ("ok", "gets the lock")

MOST_GUESSES = 256


class TooManyGuesses(Exception):
    """More sets of calls than are tried."""


def met_by(move: Move) -> Iterator[Condition]:
    """What happened when a call was made or went on."""
    if move.resumed:
        caller = next(v for p, v in zip(move.event.parameters, move.arguments) if p.slot == move.event.caller)
        yield "goes on", caller
        if move.waited_for_lock:
            yield "gets the lock", caller
    else:
        yield "made", move.event.name, move.arguments
    if move.outcome.kind == "returns" and move.outcome.errno == OK:
        yield "ok", move.event.name, move.arguments


def would_meet(move: Move) -> Iterator[Condition]:
    """What could have happened had the scope not cut the path."""
    yield from met_by(move)
    yield "ok", move.event.name, move.arguments


def lasso_exists(states: dict[Key, State], begin: Iterable[Key], goals: set[Key], claim: Property, *, cuts_count: bool) -> bool:
    """Is there such a run from one of the states `begin`?  Raises TooManyGuesses."""
    assumed = dict(claim.assuming)
    region = {key for key in begin if key not in goals}
    todo = list(region)
    while todo:
        for move in states[todo.pop()].moves:
            if move.target is not None and move.target not in goals and move.target not in region:
                region.add(move.target)
                todo.append(move.target)

    def matters(condition: Condition) -> bool:
        match condition[0]:
            case "goes on" | "gets the lock":
                return True
            case "made":
                return condition[1] in assumed
        return bool(assumed.get(condition[1], False))

    enabled: dict[Key, set[Condition]] = {}
    for key in region:
        state = states[key]
        able = {c for m in state.moves if m.target is not None and not m.outcome.faults for c in met_by(m)}
        if cuts_count:
            able |= {c for m in state.cut if not m.outcome.faults for c in would_meet(m)}
        enabled[key] = {c for c in able if matters(c)}
    every = sorted({c for able in enabled.values() for c in able}, key=repr)
    strong = [c for c in every if c[0] in STRONG]
    weak = [c for c in every if c[0] not in STRONG]
    if 1 << len(strong) > MOST_GUESSES:
        raise TooManyGuesses
    for size in range(len(strong) + 1):
        for silent in combinations(strong, size):
            kept = {key for key in region if not enabled[key] & set(silent)}
            again = [c for c in strong if c not in silent]
            if _loop_exists(states, kept, enabled, weak, again):
                return True
    return False


def _loop_exists(
    states: dict[Key, State], kept: set[Key], enabled: dict[Key, set[Condition]], weak: list[Condition], again: list[Condition]
) -> bool:
    """Can a run stay in some states so that it meets, or leaves unable, each weak condition, and meets all of `again`, infinitely often?"""
    needs = [*weak, *again]
    if not needs:
        return bool(kept)

    def after(node: tuple[Key, int]) -> Iterator[tuple[tuple[Key, int], bool]]:
        """Following nodes of the product, and whether the counter began anew on the way."""
        key, waits_for = node
        moves = [(m.target, set(met_by(m))) for m in states[key].moves if m.target in kept]
        for target, met in [*moves, (key, set())]:  # a run may also stay for a while
            need = needs[waits_for]
            done = need in met or (need in weak and need not in enabled[key])
            counter = waits_for + done
            assert target is not None
            yield (target, counter % len(needs)), counter == len(needs)

    for key in kept:
        start = (key, 0)
        seen, todo = {start}, [start]
        while todo:
            for node, anew in after(todo.pop()):
                if anew and node == start:
                    return True
                if node not in seen:
                    seen.add(node)
                    todo.append(node)
    return False
