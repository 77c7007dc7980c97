"""`luocheck fmt`: the canonical form of spec texts."""

from __future__ import annotations

import argparse
from pathlib import Path

from luocheck.cli.options import Subparsers, add_color, complain, expand, nowhere, read_text
from luocheck.cli.status import ERROR, FINE, UNEXPECTED, worst
from luocheck.model.diagnostics import SpecError, fail
from luocheck.model.library import is_path, read_spec
from luocheck.report.terminal import Terminal

_EXAMPLES = """\
examples:
  luocheck fmt my.luo             print the canonical form
  luocheck fmt - < my.luo         ... of standard input
  luocheck fmt --write specs/     bring files into it
  luocheck fmt --check specs/     list the files that are not; exit status 1 when there is one
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("fmt", help="bring specs into the canonical form", epilog=_EXAMPLES)
    parser.add_argument(
        "specs", metavar="SPEC", nargs="+", help="a path, a folder, the name of a shipped spec, or - for standard input"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="change nothing, list what is not canonical")
    how.add_argument("--write", action="store_true", help="change the files")
    add_color(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    inputs = [each for spec in args.specs for each in (["-"] if spec == "-" else expand([spec]))]
    if len(inputs) > 1 and not args.check and not args.write:
        args.parser.error("name one spec, or use --check or --write")
    statuses = []
    for each in inputs:
        try:
            statuses.append(_format(each, args, terminal))
        except SpecError as error:
            complain(error.diagnostics)
            statuses.append(ERROR)
    return worst(statuses)


def _format(name: str, args: argparse.Namespace, terminal: Terminal) -> int:
    from luocheck.model.syntax.printer import format_text

    source = read_text(name) if name == "-" else read_spec(name)
    if not source.text.strip():
        fail("LUO104", "this text is empty", nowhere(source.name))
    text = format_text(source)
    if args.check:
        if text == source.text:
            return FINE
        terminal.text(f"{name}\n")
        return UNEXPECTED
    if not args.write:
        terminal.text(text)
        return FINE
    if name == "-" or not is_path(name):
        fail("LUO610", "only a file can be rewritten", nowhere(name), help="copy a shipped spec with `luocheck specs copy`")
    if text != source.text:
        try:
            Path(name).write_text(text, encoding="utf-8")
        except OSError as error:
            fail("LUO610", f"cannot write this file: {error.strerror or error}", nowhere(name))
    return FINE
