"""Reading a line takes time in proportion to its length, whatever is repeated in it."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Iterator
from io import BytesIO
from itertools import islice

import pytest
from trust.inputs import seeds

from luocheck.traces.formats.registry import FORMATS, READERS
from luocheck.traces.records import Tally
from luocheck.traces.source import Capture

SHORT, FACTOR = 12_000, 4

MOST = 8.0
"""Ratio of times above which they do not grow linearly: quadratic time has 16."""

UNCLEAR = 0.02
"""Seconds below which a ratio says nothing."""

FILLERS = (
    b"-",
    b"[",
    b" ",
    b"0",
    b"9 ",
    b"a",
    b"(",
    b")",
    b", ",
    b'"',
    b"=",
    b": ",
    b" a=1",
    b' a="',
    b"a: 1, ",
    b" <- a",
    b"->",
    b"\\",
    b"0x",
)


def filled(line: bytes, filler: bytes, places: int) -> Iterator[tuple[int, bytes, bytes]]:
    """A place in a line, and the line with a short and a long run there."""
    words = [0, *(match.start() for match in re.finditer(rb"\W\w|\w\W", line)), len(line)]
    for place in words[:: max(1, len(words) // places)]:
        runs = (filler * (size // len(filler)) for size in (SHORT, FACTOR * SHORT))
        short, long = (line[:place] + run + line[place:] for run in runs)
        yield place, short, long


def seconds(name: str, line: bytes) -> float:
    text = line + b"\n"
    fits = next(each.fits for each in FORMATS if each.name == name)
    capture = Capture("line", text[:65536], BytesIO(text[65536:]), False)
    gc.disable()  # it runs more often while many small objects are made, which says nothing about patterns
    try:
        started = time.thread_time()
        if fits is not None:
            fits(line)
        for _ in READERS[name](capture, name, Tally()):
            pass
        return time.thread_time() - started
    finally:
        gc.enable()


def lines_of(name: str) -> list[bytes]:
    """Lines of the corpus that a format reads, one of each event."""
    fits = next(each.fits for each in FORMATS if each.name == name)
    assert fits is not None
    found: dict[bytes, bytes] = {}
    for data in seeds().values():
        for line in data.split(b"\n"):
            if fits(line):
                found.setdefault(re.sub(rb"[0-9a-fx]+", b"", line)[:60], line)
    return list(found.values())


def test_every_format_of_text_has_seeds() -> None:
    lacking = [each.name for each in FORMATS if each.fits is not None and not lines_of(each.name)]
    assert not lacking, "tests/trust/corpus has no line of these formats"


def test_every_format_has_a_seed() -> None:
    heads = [data[:64] for data in seeds().values()]
    lacking = [each.name for each in FORMATS if each.magic is not None and not any(head.startswith(each.magic) for head in heads)]
    assert not lacking, "tests/trust/corpus has no file of these formats"


def check(name: str, lines: list[bytes], places: int) -> int:
    looked = 0
    for line in lines:
        for filler in FILLERS:
            for place, short, long in filled(line, filler, places):
                looked += 1
                if (slow := seconds(name, long)) < UNCLEAR:
                    continue
                slow = min(slow, *(seconds(name, long) for _ in range(4)))
                fast = min(seconds(name, short) for _ in range(5))
                assert slow < UNCLEAR or slow / fast < MOST, (name, filler, place, line, fast, slow)
    return looked


TEXT = [each.name for each in FORMATS if each.fits is not None]


@pytest.mark.parametrize("name", TEXT)
def test_a_long_run_takes_linear_time(name: str) -> None:
    assert check(name, list(islice(lines_of(name), 0, None, 9))[:4], 6) > 50


@pytest.mark.nightly
@pytest.mark.parametrize("name", TEXT)
def test_a_long_run_takes_linear_time_everywhere(name: str) -> None:
    assert check(name, lines_of(name)[:40], 16) > 1_000
