"""The captures in a folder: what might be one is named, what surely is none is told as skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from luocheck.model.diagnostics import Diagnostic
from luocheck.model.source import Source, Span
from luocheck.traces.parts import Captured, Parts, gathered
from luocheck.traces.recorded import is_recorded


@dataclass(frozen=True, slots=True)
class Place:
    """A file that may be a capture, or a folder that `luocheck record` made.

    folder: the argument in which it was found; None when it was named itself, and so must be a capture.  parts: the files that it is in
    when it is in several; `path` is what they are called together.
    """

    path: str
    folder: str | None = None
    parts: tuple[str, ...] = ()

    @property
    def capture(self) -> Captured:
        return Parts(self.path, self.parts) if self.parts else self.path


@dataclass(frozen=True, slots=True)
class Skipped:
    """What was found in a folder and is no capture, and why."""

    path: str
    why: str


def places(arguments: Sequence[Captured]) -> Iterator[Place | Skipped | Diagnostic]:
    """What the arguments stand for, in their order; in a folder, and in those inside it, in the order of names.

    A diagnostic (LUO700) is a folder that cannot be read.  Files are not opened: only their content says whether they are captures; but
    those that can be the files of one `strace -ff` are looked at, because together they are one place.
    """
    folders = set(folders_among(arguments))
    for each in arguments:
        if isinstance(each, Parts):
            yield Place(each.name, None, each.paths)
        elif each in folders:
            yield from _inside(each, each)
        else:
            yield Place(each)


def folders_among(arguments: Sequence[Captured]) -> list[str]:
    """The arguments that are folders of captures, and not a single capture."""
    return [each for each in arguments if isinstance(each, str) and each != "-" and _is_folder(each) and not is_recorded(each)]


def _is_folder(path: str) -> bool:
    try:
        return os.path.isdir(path)
    except ValueError:  # a NUL in the name: opening it says so
        return False


def _inside(folder: str, top: str) -> Iterator[Place | Skipped | Diagnostic]:
    todo = [folder]
    while todo:
        current = todo.pop()
        try:
            with os.scandir(current) as entries:
                found = sorted(entries, key=lambda each: os.fsencode(each.name))
        except OSError as error:
            yield Diagnostic("LUO700", f"cannot be read: {error.strerror}", Span(Source(current, ""), 0, 0))
            continue
        folders: list[str] = []
        files: list[Place | Skipped] = []
        for entry in found:
            path = os.path.join(current, entry.name)
            why = _no_capture(entry)
            if why is not None:
                files.append(Skipped(path, why))
            elif not entry.is_dir() or is_recorded(path):
                files.append(Place(path, top))
            else:
                folders.append(path)
        yield from _together(files)
        todo += reversed(folders)


def _together(files: Sequence[Place | Skipped]) -> Iterator[Place | Skipped]:
    """What is in one folder; the files of one recording are one place, where the first of them is."""
    several = [each for each in gathered([each.path for each in files if isinstance(each, Place)]) if isinstance(each, Parts)]
    of = {path: parts for parts in several for path in parts.paths}
    done: set[str] = set()
    for each in files:
        parts = of.get(each.path)
        if isinstance(each, Skipped) or parts is None:
            yield each
        elif parts.name not in done:
            done.add(parts.name)
            yield Place(parts.name, each.folder, parts.paths)


def _no_capture(entry: os.DirEntry[str]) -> str | None:
    """Why something surely is none, by what it is and is called."""
    if entry.name.startswith("."):
        return "hidden"
    try:
        if entry.is_dir():
            return "a link to a folder" if entry.is_symlink() else None
        if not entry.is_file():
            return "not a regular file"
    except OSError as error:  # a link in a circle, or to where one may not look
        return f"cannot be followed: {error.strerror}"
    if entry.name.lower().startswith("readme") or entry.name.lower().endswith((".md", ".rst", ".html")):
        return "documentation"
    return None
