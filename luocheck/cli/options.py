"""What several commands share: their arguments, and how they load, report and sum up several inputs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, TypeVar

from luocheck.cli.status import ERROR, UNDECIDED, worst
from luocheck.model.diagnostics import Diagnostic, SpecError, fail, render
from luocheck.model.library import SUFFIX, is_path, read_path
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec, load
from luocheck.report import document
from luocheck.report.terminal import Terminal

SPEC_HELP = "name of a shipped spec, or a path (anything with a slash or ending in .luo)"


class UsageError(Exception):
    """A command line that cannot be understood; `usage` is the line to show."""

    def __init__(self, message: str, usage: str) -> None:
        super().__init__(message)
        self.usage = usage

    @property
    def diagnostic(self) -> Diagnostic:
        return Diagnostic("LUO609", str(self), nowhere("command line"))


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of exiting, and keeps the examples of its epilog as they are."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        options.setdefault("allow_abbrev", False)
        super().__init__(*args, **options)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.format_usage().strip())


Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What the commands add themselves to; argparse has no public name for it."""


def add_output(parser: argparse.ArgumentParser) -> None:
    """`--json` and `--color`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    add_color(parser)


def add_color(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colours (default: on a terminal, unless NO_COLOR)"
    )


def nowhere(name: str) -> Span:
    """The place of an error that no line of a text is to blame for."""
    return Span(Source(name, ""), 0, 0)


def expand(specs: Sequence[str]) -> list[str]:
    """SPEC arguments with folders replaced by the specs in them.  Raises SpecError LUO607 for a folder without specs."""
    found: list[str] = []
    for each in specs:
        if not _is_folder(each):
            found.append(each)
            continue
        inside = sorted(str(path) for path in Path(each).glob("*" + SUFFIX))
        if not inside:
            fail("LUO607", f"there is no {SUFFIX} file in this folder", nowhere(each))
        found += inside
    return found


def _is_folder(spec: str) -> bool:
    try:
        return (is_path(spec) or spec in (".", "..")) and Path(spec).is_dir()
    except (OSError, ValueError):  # a name too long, or with a NUL: reading it says so
        return False


def is_one(specs: Sequence[str]) -> bool:
    """Is this a single spec, so that its document stands alone?"""
    return len(specs) == 1 and not _is_folder(specs[0])


def complain(diagnostics: Iterable[Diagnostic]) -> None:
    """Prints diagnostics to standard error."""
    for each in diagnostics:
        print(render(each) + "\n", file=sys.stderr)


def load_with_warnings(spec: str, json: bool) -> Spec:
    """A spec; its warnings are printed unless a document is wanted.  Raises SpecError."""
    loaded = load(spec)
    if not json:
        complain(loaded.system.warnings)
    return loaded


Input = TypeVar("Input")

Work = Callable[[Input], tuple[int, document.Document]]
"""Answers about one input: prints the text report itself unless JSON is wanted; gives the exit status and the document."""


def for_each_spec(
    command: str, specs: Sequence[str], json: bool, terminal: Terminal, work: Work[str], stop: Callable[[], bool] = lambda: False
) -> int:
    """`for_each` on SPEC arguments, folders of specs among them.  Raises SpecError LUO607 for a folder without specs."""
    return for_each(command, expand(specs), json, terminal, work, stop, alone=is_one(specs))


def for_each(
    command: str,
    inputs: Sequence[Input],
    json: bool,
    terminal: Terminal,
    work: Work[Input],
    stop: Callable[[], bool] = lambda: False,
    *,
    alone: bool,
) -> int:
    """Runs a command on every input; an input that cannot be used does not keep the others from being answered.

    stop: asked after each input; when it is true, the others are left out and the whole is undecided.  alone: the document of the
    only input is the whole document.
    """
    statuses: list[int] = []
    documents: list[document.Document] = []
    for each in inputs:
        try:
            status, made = work(each)
        except SpecError as error:
            status, made = ERROR, document.errors(command, error.diagnostics)
            if not json:
                complain(error.diagnostics)
        statuses.append(status)
        documents.append(made)
        if stop():
            statuses = [UNDECIDED]
            break
    if json:
        terminal.document(documents[0] if alone else document.several(command, documents))
    return worst(statuses)


def read_text(name: str) -> Source:
    """A text from a file, or from standard input when the name is `-`.  Raises SpecError LUO607."""
    if name != "-":
        return read_path(name)
    data = sys.stdin.buffer.read()
    return Source("<stdin>", data.decode("utf-8", "surrogateescape").removeprefix("\ufeff"))
