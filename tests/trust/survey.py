"""Replay against enumeration on every single fault of the recordings: `PYTHONPATH=tests python -m trust.survey [--calls N] [CAPTURE...]`.

Prints a row for each recording, and what the two do not agree on.  docs/audit-captures.md has the table.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trust.agreement import beginning_of, replayed
from trust.brute import Brute, Needs, TooLarge
from trust.mutants import Mutant, errnos, mutants

from luocheck.model.ir.system import System
from luocheck.model.spec import load
from luocheck.traces.call import Recording
from luocheck.traces.decode import decode

CAPTURES = Path(__file__).parents[1] / "traces" / "captures"

SURVEYED = (
    "kexec-happy/stage1.one.trace.txt.gz",
    "kexec-happy/stage1.core.trace.txt.gz",
    "kexec-happy/stage1.ep.trace.txt.gz",
    "kexec-happy/stage1.sc.trace.txt.gz",
    "kexec-happy/stage1.sys.trace.txt.gz",
    "kexec-happy/stage2.one.trace.txt.gz",
    "kexec-happy/stage2.core.trace.txt.gz",
    "kexec-happy/stage2.sys.trace.txt.gz",
    "agent-killed/killed.dyn.trace.txt.gz",
    "agent-killed/killed.kp.trace.txt.gz",
    "agent-killed/killed.mix.trace.txt.gz",
    "agent-killed/killed.raw.trace.txt.gz",
    "errors-outgoing/errors.one.trace.txt.gz",
    "reboot-not-loaded/noload.dyn.trace.txt.gz",
    "format-variants/event-pid-fork.trace.txt.gz",
    "concurrent/conc1.dyn.trace.txt.gz",
    "strace/both.strace.txt.gz",
    "kexec-strace/stage1.strace.txt.gz",
    "kexec-strace/stage2.strace.txt.gz",
    "trace-dat/killed.one.dat",
    "trace-dat/errors.sys.dat",
    "trace-dat/stage2.one.dat",
)
"""One recording of each recorder at least, of both kernels, of a killed agent, of errors and of concurrent callers; ftrace text, strace, trace.dat."""


@dataclass(frozen=True, slots=True)
class Compared:
    """verdict: agree yes, agree no, false accept, false reject, undecided (by replay), too large (for enumeration)."""

    mutant: Mutant
    warm: bool
    verdict: str


def recording_of(name: str, system: System, calls: int) -> Recording:
    return beginning_of(decode(str(CAPTURES / name), system.abi, threads_share=True), calls)


def compared(
    system: System,
    recording: Recording,
    faults: Iterable[Mutant],
    *,
    beginnings: tuple[bool, ...] = (False, True),
    most: int = 4_000,
) -> Iterator[Compared]:
    """Asks both about a recording and all the given ones, for each beginning."""
    every = [Mutant("none", "as recorded", recording), *faults]
    needs = Needs.of([mutant.recording for mutant in every])
    replayer = needs.replayer(system)
    for mutant in every:
        for warm in beginnings:
            try:
                wanted = Brute(replayer, needs, mutant.recording, most=most).conforms(warm=warm)
            except TooLarge:
                yield Compared(mutant, warm, "too large")
                continue
            found = replayed(system, mutant.recording, warm=warm)
            if found is None:
                verdict = "undecided"
            elif found is wanted:
                verdict = "agree yes" if found else "agree no"
            else:
                verdict = "false accept" if found else "false reject"
            yield Compared(mutant, warm, verdict)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=8)
    parser.add_argument("captures", nargs="*", default=SURVEYED)
    arguments = parser.parse_args()
    system = load("linux_7_3").system
    total: Counter[tuple[str, str]] = Counter()
    for name in arguments.captures:
        started = time.monotonic()
        recording = recording_of(name, system, arguments.calls)
        counts: Counter[str] = Counter()
        for each in compared(system, recording, mutants(recording, errnos(system))):
            counts[each.verdict] += 1
            total[each.mutant.kind, each.verdict] += 1
            if each.verdict.startswith("false"):
                print(f"{each.verdict}: {name} {'warm' if each.warm else 'cold'}: {each.mutant.what}", flush=True)
        print(f"| {name} | {counts} | {time.monotonic() - started:.0f} s", flush=True)
    for (kind, verdict), count in sorted(total.items()):
        print(f"| {kind} | {verdict} | {count} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
