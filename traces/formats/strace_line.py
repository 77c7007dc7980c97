"""The frame of a line of strace: who and when, in front of the call.

The options decide which columns there are: `-f -o` a thread id, `-f` on a terminal `[pid N]`, `-Y` the task's name behind it, `-t`, `-tt`,
`-ttt` and `--absolute-timestamps` a time of day or of the epoch, `-r` the time since the line before, `-n` the number of the system call,
`-i` the instruction pointer.  All patterns run in linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

SECOND = 10**9

_FRAME = re.compile(
    rb"(?:\[pid +(\d{1,10})(?:<[^<>]{0,200}>)?\] +|(\d{1,10})(?:<[^<>]{0,200}>)? +)? {0,20}"
    rb"(?:(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))? |(\d{1,12})\.(\d{1,9}) |(\d{9,12}) )?(?:\(\+ {0,20}(\d{1,12})(?:\.(\d{1,9}))?\) )?"
    rb"(?:\[ {0,6}(?:\d{1,6}|\?{1,6})\] )?(?:\[(?:[0-9a-f]{8,16}|\?{8,16})\] )?(.*)",
    re.DOTALL,
)
_CALL = re.compile(rb"([a-z_][a-z0-9_]{0,63})\(")
_RESUMED = re.compile(rb"<\.\.\. ([a-z_][a-z0-9_]{0,63}) resumed> ?")
_RETURNED = re.compile(rb"\) += (?:-?\d|\?)")
_ENDS = (b"<unfinished ...>", b"<detached ...>")
LARGEST_TASK = 1 << 22
"""Task ids are below this on 64 bits (PID_MAX_LIMIT, include/linux/threads.h): a larger number is a time."""


class Clock(Enum):
    NONE = "none"
    DAY = "time of day"
    EPOCH = "seconds since 1970"
    DELTA = "time since the line before"


@dataclass(frozen=True, slots=True)
class Frame:
    """thread is None where the line shows none.  time is in ns on the clock; precise: it is more than a number of seconds."""

    thread: int | None
    clock: Clock
    time: int
    body: bytes
    precise: bool = False


def parse_line(line: bytes) -> Frame | None:
    """The frame of a line; None for what has none of strace's forms."""
    match = _FRAME.fullmatch(line)
    if match is None:
        return None
    pid, first, hour, minute, second, day_fraction, seconds, fraction, whole, delta, delta_fraction, body = match.groups()
    thread = int(pid or first) if pid or first else None
    clock, time = Clock.NONE, 0
    if hour is not None:
        clock = Clock.DAY
        time = (int(hour) * 3600 + int(minute) * 60 + int(second)) * SECOND + _fraction(day_fraction)
    elif seconds is not None:
        time = int(seconds) * SECOND + _fraction(fraction)
        clock = Clock.EPOCH if int(seconds) >= LARGEST_TASK else Clock.DELTA
    elif whole is not None:
        clock, time = Clock.EPOCH, int(whole) * SECOND
    elif delta is not None:
        clock, time = Clock.DELTA, int(delta) * SECOND + _fraction(delta_fraction)
    elif first is not None and int(first) > LARGEST_TASK:
        thread, clock, time = None, Clock.EPOCH, int(first) * SECOND
    if thread is not None and thread > LARGEST_TASK:
        return None
    return Frame(thread, clock, time, body, bool(day_fraction or fraction or delta_fraction))


def _fraction(text: bytes | None) -> int:
    return 0 if text is None else int(text.ljust(9, b"0"))


def fits(line: bytes) -> bool:
    """Has the line the form of a call, a half of one, a signal or an end, as strace prints them?"""
    frame = parse_line(line)
    if frame is None:
        return False
    body = frame.body
    if body.startswith((b"+++ ", b"--- ")):
        return body.endswith((b" +++", b" ---"))
    match = _CALL.match(body)
    if match is not None:
        return body.endswith(_ENDS) or _RETURNED.search(body, match.end()) is not None
    return _RESUMED.match(body) is not None


def begun(body: bytes) -> tuple[str, bytes] | None:
    """Name of a call and what follows its opening parenthesis."""
    match = _CALL.match(body)
    return None if match is None else (match.group(1).decode(), body[match.end() :])


def resumed(body: bytes) -> tuple[str, bytes] | None:
    """Name of a call whose second half this is, and the half."""
    match = _RESUMED.match(body)
    return None if match is None else (match.group(1).decode(), body[match.end() :])
