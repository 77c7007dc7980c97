"""`luocheck scenario`: the smallest calls that show something, as a story, a program or a picture."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from luocheck.cli.diff import depth_or_all
from luocheck.cli.interrupts import Interrupts
from luocheck.cli.limits import add_limits, at_least_one, limits_of
from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, for_each, load_with_warnings, nowhere, read_text
from luocheck.model.diagnostics import fail
from luocheck.report.document import Document
from luocheck.report.files import replace_file
from luocheck.report.terminal import Terminal

if TYPE_CHECKING:
    from luocheck.checker.scenarios.answer import ScenarioAnswer
    from luocheck.model.spec import Spec

STDOUT = "-"
"""As a file to write to: standard output."""

DEPTH = 6
"""Calls of the longest runs that --distinguish compares, as `diff` does."""

_FORMATS = ("text", "json", "luo", "mermaid", "dot", "c", "kselftest", "sh", "ftrace")

_ENGINES = ("auto", "interpreter", "explore")

_GOALS = ("violate", "reach", "cover", "distinguish", "play")
_FITS: dict[str, tuple[str, object, tuple[str, ...]]] = {
    "--topology": ("topology", None, ("violate", "reach", "cover")),
    "--user-space-only": ("user_space_only", False, ("violate", "reach", "cover", "distinguish")),
    "--count": ("count", 1, ("violate", "reach")),
    "--engine": ("engine", "auto", ("violate", "reach")),
    "--no-symmetry": ("no_symmetry", False, ("violate", "reach")),
    "--threads": ("threads", 1, ("violate", "reach")),
    "--map": ("maps", [], ("distinguish",)),
    "--depth": ("depth", DEPTH, ("distinguish",)),
}
"""Options that mean something for some goals only: where their value is, what it is when they are left out, and for which goals."""

_EXAMPLES = """\
examples:
  luocheck scenario linux_7_3 --violate errno_has_no_effect
  luocheck scenario linux_7_3 --violate finish_discards_nothing --user-space-only --format c -o lost.c
  luocheck scenario rfc_v2 --reach 'phase == FROZEN and some t: Token | t.out != none' --format luo
  luocheck scenario linux_7_3 --cover --user-space-only --format kselftest -o selftests/
  luocheck scenario linux_7_3 --distinguish linux_7_1 --format mermaid
  luocheck scenario linux_7_3 --play found.scenario --format c

exit status: 0 found, 1 there is none, 2 usage, spec or input error, 3 undecided
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("scenario", help="the smallest calls that show something, also as a program", epilog=_EXAMPLES)
    parser.add_argument("spec", metavar="SPEC", help=SPEC_HELP)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--violate", metavar="CLAIM", help="a run that breaks this claim")
    what.add_argument("--reach", metavar="EXPR", help="a run to a state in which this is true; a `reachable` claim by its name")
    what.add_argument("--cover", action="store_true", help="few runs with every outcome of every event and every `fail` line")
    what.add_argument("--distinguish", metavar="OTHER", help="a run of SPEC that the spec OTHER does not have")
    what.add_argument("--play", metavar="FILE", help="the scenarios of a file (- for standard input), as they are")
    parser.add_argument("--scope", metavar="SCOPE", help="a scope of the spec, or sizes (File=3,Agent=2) on top of the first one")
    parser.add_argument("--topology", metavar="NAME", help="a topology of the spec")
    parser.add_argument(
        "--user-space-only", action="store_true", help="only what programs cause: no handler fails, memory suffices"
    )
    parser.add_argument(
        "--count",
        metavar="N",
        type=at_least_one,
        default=1,
        help="so many scenarios, each without something of another (default: 1)",
    )
    parser.add_argument(
        "--engine", metavar="NAME", choices=_ENGINES, default="auto", help="auto, interpreter or explore (default: auto)"
    )
    parser.add_argument("--no-symmetry", action="store_true", help="also explore what differs only in which elements are which")
    parser.add_argument("--threads", metavar="N", type=at_least_one, default=1, help="threads of the engine explore (default: 1)")
    parser.add_argument(
        "--map", metavar="OLD=NEW", dest="maps", action="append", default=[], help="with --distinguish: names that belong together"
    )
    parser.add_argument(
        "--depth",
        metavar="K",
        type=depth_or_all,
        default=DEPTH,
        help=f"with --distinguish: calls of the longest runs, or `all` (default: {DEPTH})",
    )
    add_limits(parser, "the search")
    parser.add_argument("--format", metavar="FORMAT", choices=_FORMATS, help=", ".join(_FORMATS) + " (default: text)")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write into this file (-: standard output); for several programs, into this folder"
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.json and args.format not in (None, "json"):
        fail("LUO609", f"--json and --format {args.format} are two formats", nowhere("command line"), help="leave one of them out")
    goal = next(each for each in _GOALS if getattr(args, each) not in (None, False))
    for option, (name, usual, goals) in _FITS.items():
        if getattr(args, name) != usual and goal not in goals:
            help = f"it goes with {' and '.join('--' + each for each in goals)}"
            fail("LUO609", f"{option} means nothing with --{goal}", nowhere("command line"), help=help)
    if args.output == STDOUT:
        args.output = None
    if args.output is not None:
        _check(args.output)
        if args.json:  # the document goes into the file
            args.json, args.format = False, "json"
    args.json = args.json or (args.format == "json" and args.output is None)
    terminal = Terminal(args.color)
    with Interrupts() as interrupts:

        def work(name: str) -> tuple[int, Document]:
            return _scenario(args, terminal, interrupts)

        return for_each("scenario", [args.spec], args.json, terminal, work, alone=True)


def _check(output: str) -> None:
    """Refuses, before anything is searched, what cannot be written.  Raises SpecError LUO610."""
    path = Path(output)
    folder = output.endswith("/") or path.is_dir()
    if folder and path.exists() and not path.is_dir():
        fail("LUO610", "this is a file, and a folder is named with `/` at the end", nowhere(output), help="name another one")
    place = path
    while not place.exists():  # what is not there is made, but for a file's own folder
        place = place.parent
        if not folder:
            break
    if not place.exists():
        fail("LUO610", "there is no such folder", nowhere(str(place)), help="make it; a folder with `/` at the end is made")
    if place != path and not place.is_dir():
        fail("LUO610", "this is no folder", nowhere(str(place)))
    if not os.access(place, os.W_OK):
        fail("LUO610", "it may not be written to", nowhere(str(place)))


def _scenario(args: argparse.Namespace, terminal: Terminal, interrupts: Interrupts) -> tuple[int, Document]:
    from luocheck.report import scenario as report

    spec = load_with_warnings(args.spec, args.json)
    answer = _answer(args, spec, interrupts)
    made = report.document(answer)
    if not args.json:
        _print(args, answer, made, terminal)
    return answer.exit_status, made


def _answer(args: argparse.Namespace, spec: Spec, interrupts: Interrupts) -> ScenarioAnswer:
    from luocheck.checker.scenarios import choosing
    from luocheck.checker.scenarios.finding import Search
    from luocheck.report.terminal import ProgressLine

    search = Search(args.scope, args.topology, args.user_space_only, args.count, args.engine, not args.no_symmetry, args.threads)
    limits = limits_of(args, interrupts)
    if args.play is not None:
        return choosing.played(spec, read_text(args.play), search)
    other = load_with_warnings(args.distinguish, args.json) if args.distinguish is not None else None
    progress = ProgressLine(spec.name)
    try:
        if other is not None:
            return choosing.distinguishing(spec, other, search, limits, maps=args.maps, depth=args.depth, note=progress.line)
        if args.cover:
            return choosing.covering(spec, search, limits, progress.line)
        if args.violate is not None:
            return choosing.violating(spec, args.violate, search, limits, progress)
        return choosing.reaching(spec, args.reach, search, limits, progress)
    finally:
        progress.done()


def _print(args: argparse.Namespace, answer: ScenarioAnswer, made: Document, terminal: Terminal) -> None:
    """The answer in the format that was asked for, to where it was asked for."""
    from luocheck.generate.formats import FORMATS
    from luocheck.report import scenario as report
    from luocheck.report.page import Page

    name = args.format or "text"
    if name == "text":
        page = Page() if args.output is not None else terminal.page()
        report.write(page, answer)
        if args.output is None:
            terminal.show(page)
        else:
            _put([(f"{answer.spec.name}-{answer.kind}.txt", page.text())], args.output, True, name, terminal)
        return
    if name == "json":
        _put([(f"{answer.spec.name}-{answer.kind}.json", json.dumps(made, indent=2) + "\n")], args.output, True, name, terminal)
        return
    if not answer.scenarios:
        reason = answer.stopped if answer.stopped is not None else answer.none
        print(f"luocheck: {reason}", file=sys.stderr)
        return
    format = FORMATS[name]
    texts = [each for chosen in answer.scenarios for each in format.texts(answer.spec, chosen)]
    _put(texts, args.output, format.together, name, terminal)


def _put(texts: Sequence[tuple[str, str]], output: str | None, together: bool, name: str, terminal: Terminal) -> None:
    folder = output is not None and (output.endswith("/") or Path(output).is_dir() or (len(texts) > 1 and not together))
    if output is not None and folder:
        Path(output).mkdir(parents=True, exist_ok=True)
        for file, text in texts:
            _write(Path(output) / file, text)
            print(f"luocheck: {Path(output) / file}", file=sys.stderr)
        return
    if len(texts) > 1 and not together:
        message = f"`{name}` makes {len(texts)} files of this"
        fail("LUO609", message, nowhere("command line"), help="name a folder: -o DIR/")
    text = "\n".join(text for _, text in texts)
    if output is None:
        terminal.text(text)
    else:
        _write(Path(output), text)


def _write(path: Path, text: str) -> None:
    try:
        replace_file(str(path), text)
    except OSError as error:
        fail("LUO610", error.strerror or str(error), nowhere(str(path)))
