"""`luocheck explain`: what an error code means."""

from __future__ import annotations

import argparse

from luocheck.cli.options import Subparsers, add_output, nowhere
from luocheck.cli.status import FINE
from luocheck.model.codes import CODES
from luocheck.model.diagnostics import did_you_mean, fail
from luocheck.report import document
from luocheck.report.page import Part
from luocheck.report.terminal import Terminal


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("explain", help="explain an error code", epilog="example:\n  luocheck explain LUO203\n")
    parser.add_argument("code", metavar="CODE", nargs="?", help="a code such as LUO203; without one all are listed")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    codes = [_known(args.code)] if args.code is not None else list(CODES)
    if args.json:
        shown = [{"code": c, "title": CODES[c].title, "explanation": CODES[c].explanation} for c in codes]
        terminal.document(document.document("explain", codes=shown))
        return FINE
    page = terminal.page()
    for code in codes:
        if args.code is None:
            page.wrap(f"{code}  ", CODES[code].title)
        else:
            page.add(Part(f"{code}: {CODES[code].title}", "title"))
            page.wrap("", CODES[code].explanation)
    terminal.show(page)
    return FINE


def _known(code: str) -> str:
    """The code as it is written in the list.  Raises SpecError LUO603."""
    name = code.upper()
    if name not in CODES:
        help = did_you_mean(name, CODES) or "`luocheck explain` lists all codes"
        fail("LUO603", f"there is no code `{code}`", nowhere("command line"), help=help)
    return name
