"""What bounds a search: the options of several commands, and what they mean."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from luocheck.cli.interrupts import Interrupts

if TYPE_CHECKING:
    from luocheck.checker.explore.limits import Limits

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def add_limits(parser: argparse.ArgumentParser, what: str) -> None:
    """`--max-states`, `--memory` and `--timeout`.  what: the thing whose states are counted, such as `a run`."""
    parser.add_argument("--max-states", metavar="N", type=at_least_one, help=f"stop {what} after so many states")
    parser.add_argument("--memory", metavar="SIZE", type=size, help="stop when the process uses so much memory, such as 2G")
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, help="stop after so many seconds")


def limits_of(args: argparse.Namespace, interrupts: Interrupts) -> Limits:
    """What these options say; an interrupt ends the search too."""
    from luocheck.checker.explore.limits import Limits

    return Limits(args.max_states, args.timeout, args.memory, lambda: interrupts.reason)


def at_least_one(text: str) -> int:
    """A whole number from 1.  Raises ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a whole number from 1")
    return int(text)


def seconds(text: str) -> float:
    """A number of seconds.  Raises ArgumentTypeError."""
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
        raise argparse.ArgumentTypeError(f"`{text}` is not a number of seconds")
    return float(text)


def size(text: str) -> int:
    """Bytes of a size such as `2G`, `500M` or `1000000`.  Raises ArgumentTypeError."""
    found = re.fullmatch(r"([0-9]{1,12})([KMGT]?)(i?B)?", text, re.IGNORECASE)
    if found is None:
        raise argparse.ArgumentTypeError(f"`{text}` is not a size; write it like 2G or 500M")
    return int(found.group(1)) * _UNITS[found.group(2).upper()]
