"""What an audit says of recordings in which one result was changed: `PYTHONPATH=tests python -m trust.one_changed [CAPTURE...]`.

Prints the table of docs/audit-captures.md: by call and by what it returned, how many copies are rejected at the changed line, at a later
one, are possible all the same, or are not decided.
"""

from __future__ import annotations

import argparse
import gzip
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from luocheck.model.spec import Spec, load
from luocheck.traces import audit as auditing
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.decode import decode
from luocheck.traces.replay.world import Beginning

CAPTURES = Path(__file__).parents[1] / "traces" / "captures"

OUTGOING, INCOMING = "errors-outgoing/errors.one.trace.txt.gz", "kexec-errors-incoming/stage2.one.trace.txt.gz"
RECORDINGS = (OUTGOING, INCOMING, "kexec-happy/stage2.one.trace.txt.gz")
"""With one line for each call."""

NUMBERS = {
    "OK": 0, "ENOENT": -2, "EIO": -5, "E2BIG": -7, "EBADF": -9, "EFAULT": -14, "EBUSY": -16, "EEXIST": -17, "EINVAL": -22, "ENOTTY": -515,
}  # fmt: skip
"""What a probe shows of each result: the kernel's own number for ENOTTY."""

WHERE = ("here", "later", "allowed", "undecided")


def changed(name: str, line: int, value: int, folder: Path) -> str:
    """A copy in which the call at a line returned something else."""
    lines = gzip.decompress((CAPTURES / name).read_bytes()).split(b"\n")
    before = lines[line - 1]
    lines[line - 1] = re.sub(rb"ret=-?\d+\s*$", b"ret=%d" % value, before)
    assert lines[line - 1] != before
    copy = folder / "changed.txt"
    copy.write_bytes(b"\n".join(lines))
    return str(copy)


def copies(name: str, spec: Spec) -> Iterator[tuple[int, str, str, str]]:
    """The line of a call, its name, what it returned, and what it might have returned instead."""
    shown = gzip.decompress((CAPTURES / name).read_bytes()).split(b"\n")
    results = {-value if value != -515 else 25: errno for errno, value in NUMBERS.items()}
    for call in decode(str(CAPTURES / name), spec.system.abi).calls:
        line = call.exit.line if call.exit is not None else 0
        if call.result is None or not re.search(rb"ret=-?\d+\s*$", shown[line - 1]):
            continue
        was = "OK" if call.result >= 0 else results[-call.result]
        what = call.event or f"unknown number {call.command:#x}"
        yield from ((line, what, was, errno) for errno in NUMBERS if errno != was)


def where(name: str, line: int, becomes: str, spec: Spec, folder: Path) -> str:
    """Where a copy is rejected, if it is."""
    beginning = Beginning.WARM if "stage2" in name else Beginning.COLD
    answer = audit(spec, changed(name, line, NUMBERS[becomes], folder), beginning=beginning, max_deviations=1, timeout=20)
    match answer.verdict:
        case Conformance.CONFORMS:
            return "allowed"
        case Conformance.INCONCLUSIVE:
            return "undecided"
    found = answer.findings[0].line
    assert found is not None and found >= line, "what comes before the change is as it was"
    return "here" if found == line else "later"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m trust.one_changed")
    parser.add_argument("captures", nargs="*", default=RECORDINGS, help=f"below {CAPTURES.name} (default: three of one probe)")
    args = parser.parse_args(arguments)
    auditing.CORE_SECONDS = 0.0  # what other lines a rejection needs is not asked here
    spec, counts = load("linux_7_3"), defaultdict[tuple[str, str], Counter[str]](Counter)
    with tempfile.TemporaryDirectory() as folder:
        for name in args.captures:
            for line, what, was, becomes in copies(name, spec):
                counts[what, was][where(name, line, becomes, spec, Path(folder))] += 1
            print(f"{name}: {sum(sum(each.values()) for each in counts.values())} so far", file=sys.stderr, flush=True)
    print(f"| call | what it returned | {' | '.join(WHERE)} |\n|---|---|{'---|' * len(WHERE)}")
    for (what, was), each in sorted(counts.items()):
        print(f"| {what} | {was} | {' | '.join(str(each[column]) for column in WHERE)} |")
    total = sum(counts.values(), Counter[str]())
    print(f"\n{sum(total.values())} copies: " + ", ".join(f"{total[column]} {column}" for column in WHERE))
    return 0


if __name__ == "__main__":
    sys.exit(main())
