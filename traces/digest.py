"""Hashes of the files that an answer is about."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence

_AT_ONCE = 1 << 20


def recording_sha256(name: str, parts: Sequence[str] = ()) -> str | None:
    """The hash of a recording: of its file, or of the hashes of the files that it is in; None when one of them has none."""
    if not parts:
        return file_sha256(name)
    sums = [file_sha256(each) for each in parts]
    found = [each for each in sums if each is not None]
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest() if len(found) == len(sums) else None


def file_sha256(path: str) -> str | None:
    """The hash of a regular file as it is on disk; None for what can be read only once, or not at all."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while data := file.read(_AT_ONCE):
                digest.update(data)
    except (OSError, ValueError):
        return None
    return digest.hexdigest()
