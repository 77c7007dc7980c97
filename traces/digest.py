"""Hashes of the files that an answer is about."""

from __future__ import annotations

import hashlib
import os
import stat

_AT_ONCE = 1 << 20


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
