"""How recordings are made: programs for the machine that is recorded, which need no Python there."""

from __future__ import annotations

from importlib.resources import files

NAME = "luo-record.sh"


def script() -> str:
    """The recorder, a script for any POSIX shell."""
    return files("luocheck.traces.recorders").joinpath(NAME).read_text(encoding="utf-8")
