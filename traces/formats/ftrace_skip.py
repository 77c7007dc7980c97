"""Lines of ftrace text that nothing here is interested in, found many at once.

One pattern takes whole lines: the columns of the standard layout, and a message that certainly gives an event which no decoder reads, or a
system call that is not wanted.  Whatever it does not take is read line by line as ever, so a line that it misses costs time and nothing
else.  No part of it can match in a second way, so it runs in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from luocheck.traces.formats.recorders import FUNCTIONS
from luocheck.traces.syscalls import X86_64

_READ = ("sched_process_exit", "sched_process_fork", "sched_process_exec", "tracing_mark_write", "print")
"""Events that have a meaning of their own."""

_COLUMNS = (
    rb"^[^\n]{16}-(?>\d{1,10} +)(?>(?:\( *(?:\d{1,10}|-+)\) +)?)\[\d{3,6}\] +(?>(?:\( *(?:\d{1,10}|-+)\) +)?)"
    rb"(?>(?:[.0-9A-Za-z]{4,5} +)?)(\d{1,10}\.\d{6}): "
)


@lru_cache(maxsize=4)
def boring(wanted: frozenset[str]) -> re.Pattern[bytes]:
    """Matches a whole line, with the time and the beginning of its message as groups; see `names` for the latter."""
    calls = "|".join(sorted(wanted))
    numbers = "|".join(str(number) for number, name in X86_64.items() if name in wanted)
    numbers += "".join(f"|{name[2:]}" for name in wanted if re.fullmatch(r"nr\d+", name))
    functions = "|".join(re.escape(name) for name in sorted(FUNCTIONS))
    entered = rb"sys_(?!(?:%s)\()[a-z0-9_]{1,64}+(?=\([^\n]*\)$)\(" % calls.encode()
    returned = rb"sys_(?!(?:%s) )[a-z0-9_]{1,64}+(?= -> (?:0x[0-9a-f]{1,16}|\d{1,20})$) " % calls.encode()
    raw = rb"sys_(?:enter(?=: NR (?!(?:%s) )(?:[1-9]\d{0,9}|0) \([0-9a-fx, ]{0,200}\)$)|exit(?=: NR (?!(?:%s) )(?:[1-9]\d{0,9}|0) = -?\d{1,20}$)):"
    raw %= (numbers.encode(), numbers.encode())
    event = rb"(?!sys_|(?:%s):)[A-Za-z_][A-Za-z0-9_]{0,100}+: (?![(]|__)" % "|".join(_READ).encode()
    function = rb"(?!sys_|(?:%s)[ (])[A-Za-z_][A-Za-z0-9_.]{0,127}+" % functions.encode()
    traced = function + rb"(?:\((?=[^\n]*\) <-[A-Za-z_][A-Za-z0-9_.]{0,127}$)| <-(?=[A-Za-z_][A-Za-z0-9_.]{0,127}$))"
    return re.compile(_COLUMNS + b"(" + b"|".join((event, entered, returned, raw, traced)) + rb")[^\n]*\n", re.MULTILINE)


def name_of(beginning: bytes) -> str:
    """What an event is counted as, from the beginning of its message that `boring` gives."""
    text = beginning.decode()
    match text:
        case "sys_enter:" | "sys_exit:":
            return f"raw {text[:-1]}"
        case _ if text.startswith("sys_"):
            return f"sys_enter_{text[4:-1]}" if text.endswith("(") else f"sys_exit_{text[4:-1]}"
    return text.rstrip(":( <-")


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of a capture, taken apart.

    times and beginnings: of the boring lines, in their order.  others: how many boring lines are before a run of other lines, and that run.
    """

    times: list[bytes]
    beginnings: list[bytes]
    others: list[tuple[int, bytes]]


def apart(pattern: re.Pattern[bytes], lines: bytes) -> Block:
    """Take whole lines apart by a pattern of `boring`."""
    pieces = pattern.split(lines)
    others = [(index, piece) for index, piece in enumerate(pieces[::3]) if piece]
    return Block(pieces[1::3], pieces[2::3], others)


def steady(times: Sequence[bytes], latest: int | None, most: int) -> int | None:
    """The latest time in ns after lines of these times; None when the clock goes back by more than `most` ns at one of them."""
    if len(times[0]) == len(times[-1]) and times == sorted(times):
        first, last = _ns(times[0]), _ns(times[-1])
        return None if latest is not None and latest - first > most else max(last, latest or 0)
    for time in map(_ns, times):
        if latest is not None and latest - time > most:
            return None
        latest = max(time, latest or 0)
    return latest


def _ns(time: bytes) -> int:
    return int(time.replace(b".", b"")) * 1000
