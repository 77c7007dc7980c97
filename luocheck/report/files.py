"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def replace_file(path: str, text: str) -> None:
    """Writes a text into a file, see `replaced`."""
    with replaced(path) as file:
        file.write(text.encode("utf-8", "backslashreplace"))


@contextmanager
def replaced(path: str) -> Iterator[BinaryIO]:
    """A file to write to, so that others see the old one or the whole new one; the old one stays when something is raised.

    What is no regular file, such as /dev/stderr or a pipe, is written to as it is.  Raises OSError.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    mode = target.stat().st_mode & 0o7777 if target.exists() else 0o666 & ~_umask()
    handle, partial = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    try:
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(file.fileno(), mode)
        os.replace(partial, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
