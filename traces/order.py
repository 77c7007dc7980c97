"""The order of what was recorded: calls begin and return in the order of their lines.

At one line, what ends there comes before what begins there; a call that is a single line begins and returns before anything else begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from itertools import islice, pairwise
from operator import le, lt

from luocheck.traces.call import Call, Kind

_POINT, _RETURN, _BEGIN, _PER_LINE = range(4)
"""What comes first at one line; a moment is the line times _PER_LINE, and one of these."""


def is_optional(call: Call) -> bool:
    """May the call have had no effect (yet)?  It never returned; or what it does happens some time after its line."""
    return call.exit is None or call.kind is Kind.EXIT or (call.kind is Kind.CLOSE and call.event is None)


class Order:
    """Begins (True) and returns of calls, one after the other; of calls that are `is_optional` only the begins.

    at: the next call to begin, in `calls`.
    """

    def __init__(self, calls: Sequence[Call]) -> None:
        self.calls = calls if _in_order(calls) else sorted(calls, key=lambda call: (_beginning(call), call.number))
        self.at = 0
        self._returns: list[tuple[int, int, int]] = []

    @property
    def idle(self) -> bool:
        """Have all calls that began returned, as far as they do?"""
        return not self._returns

    def __iter__(self) -> Iterator[tuple[bool, Call]]:
        return self

    def __next__(self) -> tuple[bool, Call]:
        at, returns = self.at, self._returns
        if returns and (at == len(self.calls) or returns[0][0] < _beginning(self.calls[at])):
            return False, self.calls[heappop(returns)[-1]]
        if at == len(self.calls):
            raise StopIteration
        call = self.calls[at]
        self.at += 1
        if not is_optional(call):
            heappush(returns, (_returning(call), call.number, at))
        return True, call


def _beginning(call: Call) -> int:
    point = call.exit is not None and call.enter.line >= call.exit.line
    return call.enter.line * _PER_LINE + (_POINT if point else _BEGIN)


def _returning(call: Call) -> int:
    return max(call.enter.line, call.exit.line if call.exit is not None else 0) * _PER_LINE + _RETURN


def _in_order(calls: Sequence[Call]) -> bool:
    lines = [call.enter.line for call in calls]
    if all(map(lt, lines, islice(lines, 1, None))):
        return True
    if not all(map(le, lines, islice(lines, 1, None))):
        return False
    same = [(one, other) for one, other in pairwise(calls) if one.enter.line == other.enter.line]
    return all((_beginning(one), one.number) < (_beginning(other), other.number) for one, other in same)


def mark_alone(calls: Sequence[Call]) -> None:
    """Marks the calls of a recording, which are in the order of their lines, that overlap no other one of them."""
    if not _in_order(calls):
        return
    begun, returns = 0, -1  # since nothing was going on: the number of calls, and when the last of them returns
    alone: Call | None = None
    for call in calls:
        if 0 <= returns < _beginning(call):
            if begun == 1 and alone is not None:
                alone.is_alone()
            begun, returns = 0, -1
        begun += 1
        if not is_optional(call):
            alone, returns = call, max(returns, _returning(call))
    if returns >= 0 and begun == 1 and alone is not None:
        alone.is_alone()
