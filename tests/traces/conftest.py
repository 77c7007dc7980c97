"""Fixtures for decoding.  Recordings of a real kernel lie in `captures`, each folder with its provenance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from luocheck.model.abi import Abi
from luocheck.model.spec import load
from luocheck.traces.call import Recording
from luocheck.traces.decode import decode

Decode = Callable[..., Recording]


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
