"""A fuzzer of everything that reads captures: `python -m trust.fuzz --seconds 60`, started in `tests`.

It mutates the corpus; `trust.guided` does the same guided by coverage.  An input that breaks a reader is written to `--crashes`, and the exit
status is 1; put it into the corpus as `crash-...`.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

from trust.inputs import CORPUS, Reader, bound_memory, mutated, seeds

from luocheck.model.abi import Abi
from luocheck.model.spec import load


def abis() -> list[Abi]:
    return [load(name).system.abi for name in ("linux_7_3", "rfc_v2")]


def mutate(seconds: float, seed: int, crashes: Path) -> int:
    """Random mutations; returns how many inputs broke a reader."""
    with tempfile.TemporaryDirectory() as folder:
        return _mutate(seconds, seed, crashes, [Reader(abi, Path(folder)) for abi in abis()])


def _mutate(seconds: float, seed: int, crashes: Path, readers: list[Reader]) -> int:
    rng = random.Random(seed)
    pool = list(seeds().values())
    broken, count, read = 0, 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end and broken < 10:
        data = mutated(rng.choice(pool), rng)
        reader = rng.choice(readers)
        format = rng.choice(reader.formats) if rng.random() < 0.5 else None
        count += 1
        try:
            read += reader.read(data, format)
        except Exception:
            broken += 1
            keep(data, format, crashes)
    print(f"{count} inputs, {read} of them read, {broken} broke a reader")
    return broken


def keep(data: bytes, format: str | None, crashes: Path) -> None:
    """Writes an input down, and says what it did."""
    crashes.mkdir(parents=True, exist_ok=True)
    path = crashes / f"crash-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    print(f"{path} (format {format}):\n{traceback.format_exc()}", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crashes", type=Path, default=CORPUS.parent / "crashes")
    arguments = parser.parse_args()
    bound_memory()
    return 1 if mutate(arguments.seconds, arguments.seed, arguments.crashes) else 0


if __name__ == "__main__":
    sys.exit(main())
