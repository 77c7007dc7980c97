"""Folders of small captures of many machines, made from one of a real kernel."""

from __future__ import annotations

import gzip
from pathlib import Path

REAL = gzip.decompress((Path(__file__).parents[1] / "traces/captures/agent-killed/killed.one.trace.txt.gz").read_bytes())
CHANGES = {
    "conforms": (b"", b""),
    "used token": (b"fd=6 token=0x2 ret=0", b"fd=6 token=0x1 ret=0"),
    "no session": (b'name="vm-killed" ret=0', b'name="vm-killed" ret=-22'),
    "lost": (
        b"       luo-agent-79      [001] ...1.     4.135386",
        b"CPU:1 [LOST 17 EVENTS]\n       luo-agent-79      [001] ...1.     4.135386",
    ),
}


def capture(kind: str, number: int) -> bytes:
    """A capture of that kind; no two numbers give the same."""
    before, after = CHANGES[kind]
    assert before in REAL
    return REAL.replace(before, after, 1).replace(b"vm-killed", b"vm-%06d" % number)


def fleet(folder: Path, count: int) -> dict[str, int]:
    """Makes `count` captures in folders of ten, and what is none among them.  Tells how many of each kind."""
    kinds = dict.fromkeys([*CHANGES, "damaged"], 0)
    for number in range(count):
        machine = folder / f"rack{number // 10:02d}" / f"node{number:03d}"
        machine.mkdir(parents=True)
        kind = (
            "damaged"
            if number % 50 == 7
            else "used token"
            if number % 25 == 3
            else "no session"
            if number % 100 == 1
            else "conforms"
        )
        kind = "lost" if number % 60 == 29 else kind
        kinds[kind] += 1
        if kind == "damaged":
            (machine / "trace.txt.gz").write_bytes(b"\x1f\x8b damaged")
        elif number % 2:
            (machine / "trace.txt").write_bytes(capture(kind, number))
        else:
            (machine / "trace.txt.gz").write_bytes(gzip.compress(capture(kind, number), mtime=0))
        (machine / "README").write_text("where this is from\n")
    return kinds
