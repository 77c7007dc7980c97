"""The fuzzer of `trust.fuzz`, guided by coverage: `python -m trust.guided --seconds 60`, started in `tests`; needs atheris, of the extra `fuzz`.

An input that breaks a reader is written to `--crashes` as `crash-...`, and the process ends with a status other than 0.  Its own module, because what
is to be covered has to be instrumented while it is imported for the first time.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["luocheck.traces"]):
    from trust.fuzz import abis
    from trust.inputs import CORPUS, Reader, seeds


def guided(seconds: int, seed: int, crashes: Path) -> None:
    """Does not return."""
    crashes.mkdir(parents=True, exist_ok=True)
    readers = [Reader(abi, crashes) for abi in abis()]

    def one(data: bytes) -> None:
        """The first two bytes say whose abi it is read with, and in which format (the second half: in the one that it seems to have)."""
        if len(data) < 2:
            return
        reader = readers[data[0] % len(readers)]
        choice = data[1] % (2 * len(reader.formats))
        reader.read(data[2:], reader.formats[choice] if choice < len(reader.formats) else None)

    started = crashes / "corpus"
    started.mkdir(exist_ok=True)
    for name, data in seeds().items():
        (started / name).write_bytes(b"\0\xff" + data)
    arguments = [
        sys.argv[0],
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        "-max_len=65536",
        "-timeout=60",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
        "-verbosity=1",
        f"-artifact_prefix={crashes}/crash-",
        str(started),
    ]
    atheris.Setup(arguments, one)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--crashes", type=Path, default=CORPUS.parent / "crashes")
    arguments = parser.parse_args()
    guided(arguments.seconds, arguments.seed, arguments.crashes)


if __name__ == "__main__":
    main()
