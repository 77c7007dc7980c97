"""Where specs are found: shipped ones by name, others by path; the base of a derived spec beside it or among the shipped ones."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib import resources
from pathlib import Path

from luocheck.model.diagnostics import did_you_mean, fail
from luocheck.model.source import Source, Span

SUFFIX = ".luo"


@lru_cache(maxsize=1)
def shipped() -> tuple[str, ...]:
    """Names of the shipped specs, sorted."""
    root = resources.files("luocheck.specs")
    return tuple(sorted(item.name.removesuffix(SUFFIX) for item in root.iterdir() if item.name.endswith(SUFFIX)))


def is_path(spec: str) -> bool:
    """A SPEC argument with a slash or ending in `.luo` is a path, everything else the name of a shipped spec."""
    return "/" in spec or "\\" in spec or spec.endswith(SUFFIX)


def read_shipped(name: str) -> Source:
    """The text of a shipped spec; its source is named `NAME.luo`.  Raises SpecError LUO607 with a did-you-mean, or how to name a file."""
    if name not in shipped():
        if os.path.exists(name):
            help = f"for the {'folder' if os.path.isdir(name) else 'file'} of this name write `./{name}`"
        else:
            help = did_you_mean(name, shipped()) or "the shipped specs are " + ", ".join(shipped())
        fail("LUO607", f"there is no shipped spec `{name}`", _nowhere(name), help=help)
    text = resources.files("luocheck.specs").joinpath(name + SUFFIX).read_text(encoding="utf-8")
    return Source(name + SUFFIX, text)


def read_path(path: str | Path) -> Source:
    """The text of a spec file.  Raises SpecError LUO607 when it cannot be read."""
    where = str(path)
    try:
        if Path(path).is_dir():
            fail("LUO607", "this is a directory; name a spec in it", _nowhere(where))
        if Path(path).stat().st_size > 16_000_000:
            fail("LUO105", "this file is far larger than any spec", _nowhere(where))
        data = Path(path).read_bytes()
    except OSError as error:
        fail("LUO607", f"cannot read this file: {error.strerror or error}", _nowhere(where))
    except ValueError as error:  # a NUL in the name
        fail("LUO607", f"cannot read this file: {error}", _nowhere(where))
    return Source(where, data.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))


def read_spec(spec: str) -> Source:
    """The text meant by a SPEC argument.  Raises SpecError LUO607."""
    return read_path(spec) if is_path(spec) else read_shipped(spec)


def read_base(name: str, derived: Source) -> Source | None:
    """The text of the spec that `derived` extends: `NAME.luo` in the same directory, else a shipped one, else None."""
    beside = Path(derived.name).parent / (name + SUFFIX)
    if is_path(derived.name) and derived.name not in _shipped_files() and beside.is_file():
        return read_path(beside)
    return read_shipped(name) if name in shipped() else None


def _shipped_files() -> set[str]:
    return {name + SUFFIX for name in shipped()}


def _nowhere(name: str) -> Span:
    return Span(Source(name, ""), 0, 0)
