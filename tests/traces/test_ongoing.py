"""Recordings without an end: what is explained is settled, and the answer stays that about the whole recording."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # benchmarks are no part of the installed package

from benchmarks.captures import repeating  # noqa: E402
from luocheck.model.spec import Spec, load  # noqa: E402
from luocheck.traces.answer import AuditAnswer, Conformance  # noqa: E402
from luocheck.traces.audit import audit  # noqa: E402
from luocheck.traces.live import follow  # noqa: E402
from luocheck.traces.replay.world import Beginning  # noqa: E402

CAPTURES = Path(__file__).parent / "captures"


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


def piped(spec: Spec, text: bytes, piece: int, beginning: Beginning | None = None) -> AuditAnswer:
    """The answer about a text that comes through a pipe, settled after so many records."""
    read, write = os.pipe()

    def feed() -> None:
        with os.fdopen(write, "wb") as pipe:
            pipe.write(text)

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        return follow(spec, f"/dev/fd/{read}", lambda answer: None, beginning=beginning, piece=piece)
    finally:
        feeder.join()
        os.close(read)


def text_of(name: str) -> bytes:
    return gzip.decompress((CAPTURES / name).read_bytes())


@pytest.mark.parametrize(
    "name",
    [
        "errors-outgoing/errors.one.trace.txt.gz",
        "errors-outgoing/errors.sys.trace.txt.gz",
        "concurrent/conc1.one.trace.txt.gz",
        "kexec-happy/stage1.dyn.trace.txt.gz",
        "kexec-happy/stage2.one.trace.txt.gz",
    ],
)
def test_pieces_give_the_verdict_of_the_whole(name: str, spec: Spec) -> None:
    whole = audit(spec, str(CAPTURES / name))
    answer = piped(spec, text_of(name), 7)
    assert whole.verdict is Conformance.CONFORMS
    found = [(each.calls, each.explained, each.events, each.beginning) for each in (answer, whole)]
    assert answer.verdict is Conformance.CONFORMS and found[0] == found[1]
    assert answer.recording is not None and len(answer.recording.calls) < whole.calls  # the others were settled


def with_later(line: int, change: tuple[bytes, bytes]) -> tuple[bytes, int]:
    """A recording in which a line comes once more at the end, changed; and how many lines it has."""
    lines = [each for each in text_of("errors-outgoing/errors.one.trace.txt.gz").split(b"\n") if each]
    again = re.sub(rb" 3\.\d{6}: ", b" 9.000000: ", lines[line - 1]).replace(*change)
    assert change[0] in lines[line - 1]
    return b"\n".join([*lines, again, b""]), len(lines) + 1


def test_what_no_state_allows_is_found_behind_settled_calls(spec: Spec) -> None:
    text, line = with_later(17, (b'fd=0 name="" ret=-22', b'fd=30 name="" ret=0'))
    answer = piped(spec, text, 20, Beginning.COLD)
    assert answer.verdict is Conformance.VIOLATED
    assert [each.line for each in answer.findings] == [line]
    assert answer.recording is not None and len(answer.recording.calls) < 21


def test_what_only_settled_calls_refute_is_undecided(spec: Spec) -> None:
    """vm-alpha is there, so that it cannot be created; that it was created is not kept, and may be explained in another way."""
    text, line = with_later(15, (b'name="vm-alpha" ret=0', b'name="vm-alpha" ret=0'))
    assert piped(spec, text, 1 << 30, Beginning.COLD).verdict is Conformance.VIOLATED
    answer = piped(spec, text, line - 13, Beginning.COLD)
    assert answer.verdict is Conformance.INCONCLUSIVE
    assert re.search(r"^line \d+ and what follows is not explained after the calls before it", answer.reason)


def test_lost_events_are_told_after_settling(spec: Spec) -> None:
    lines = list(repeating(60))
    lines.insert(40, "CPU:1 [LOST 7 EVENTS]")
    answer = piped(spec, "\n".join([*lines, ""]).encode(), 10)
    assert (answer.verdict, answer.losses, answer.explained, answer.calls) == (Conformance.INCONCLUSIVE, 1, 60, 60)
    assert answer.reason.startswith("7 events were lost before line 41")
    assert answer.beginning is Beginning.RUNNING


_PEAK = """
import resource, sys
from luocheck.cli.main import main
status = main(["audit", "linux_7_3", "-", "--follow", "--json"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
sys.exit(status)
"""


def peak(lines: Iterator[str]) -> tuple[int, bytes]:
    """Memory that following a recording takes at most, in KiB, and what was printed."""
    process = subprocess.Popen([sys.executable, "-c", _PEAK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    for line in lines:
        process.stdin.write(line.encode("latin-1") + b"\n")
    out, error = process.communicate()
    assert process.returncode == 0, error
    return int(error.split()[-1]), out


@pytest.mark.nightly
def test_memory_does_not_grow_with_calls_that_repeat() -> None:
    short, _ = peak(repeating(15_000, noise=9))
    long, out = peak(repeating(120_000, noise=9))
    assert b'"events": 1200000' in out and b'"calls": 120000' in out
    assert long < 1.15 * short
