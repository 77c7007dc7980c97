"""Fixtures for decoding.  Recordings of a real kernel lie in `captures`, each folder with its provenance."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from luocheck.model.abi import Abi
from luocheck.model.spec import load
from luocheck.traces.call import Call, Moment, Recording
from luocheck.traces.decode import decode
from luocheck.traces.formats.detect import detect
from luocheck.traces.formats.registry import READERS
from luocheck.traces.records import Record, Tally
from luocheck.traces.source import open_capture

Decode = Callable[..., Recording]
RecordsOf = Callable[[Path], list[Record]]
CallsWithoutLines = Callable[[Recording], list[Call]]


@pytest.fixture(scope="session")
def abi() -> Abi:
    return load("linux_7_3").system.abi


@pytest.fixture
def decoded(abi: Abi, tmp_path: Path) -> Decode:
    """Decodes a text (str or bytes) as if it were a capture file."""

    def decode_text(text: str | bytes, **options: object) -> Recording:
        path = tmp_path / "trace.txt"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return decode(str(path), abi, **options)  # type: ignore[arg-type]

    return decode_text


@pytest.fixture(scope="session")
def strace() -> str:
    """strace of this machine."""
    found = shutil.which("strace")
    if found is None or subprocess.run([found, "-o", "/dev/null", "true"], capture_output=True).returncode:
        pytest.skip("needs strace and the right to trace")
    return found


@pytest.fixture(scope="session")
def records_of() -> RecordsOf:
    """Gives all records of a capture, in the format that detection finds."""

    def read(path: Path) -> list[Record]:
        capture = open_capture(str(path))
        name = detect(capture.head).format
        assert name is not None
        return list(READERS[name](capture, name, Tally()))

    return read


@pytest.fixture(scope="session")
def calls_without_lines() -> CallsWithoutLines:
    """Gives the calls of a recording with the times of their moments only: what a recording in another format has in common with it."""

    def moment(each: Moment) -> Moment:
        return Moment(0, each.time)

    def calls(recording: Recording) -> list[Call]:
        return [replace(c, enter=moment(c.enter), exit=c.exit and moment(c.exit)) for c in recording.calls]

    return calls
