"""`luocheck catalogue`: every known bug looked for in the spec of its version, and its fix looked at."""

from __future__ import annotations

import argparse

from luocheck.cli.interrupts import Interrupts
from luocheck.cli.limits import add_limits, limits_of
from luocheck.cli.options import Subparsers, add_output
from luocheck.report.terminal import Terminal

_EXAMPLES = """\
examples:
  luocheck catalogue                      all known bugs, each in the spec of the version that has it
  luocheck catalogue S1 U8 --stories      these two, and the calls that show them
  luocheck catalogue --file my.toml       a catalogue of your own: specs by name, or by a path beside it

exit status: 0 every bug is found as stated and every fix holds, 1 not so, 2 usage, catalogue or spec error, 3 undecided
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("catalogue", help="look for every known bug, and at its fix", epilog=_EXAMPLES)
    parser.add_argument("ids", metavar="ID", nargs="*", help="only these rows (default: all)")
    parser.add_argument("--file", metavar="FILE", help="a catalogue of your own (default: the shipped one)")
    parser.add_argument("--stories", action="store_true", help="tell the shortest story of each")
    add_limits(parser, "each search")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from luocheck.checker.catalogue.entries import read_catalogue, shipped_catalogue
    from luocheck.checker.catalogue.running import run_catalogue
    from luocheck.report import catalogue as report
    from luocheck.report.terminal import ProgressLine

    terminal = Terminal(args.color)
    chosen = read_catalogue(args.file) if args.file is not None else shipped_catalogue()
    with Interrupts() as interrupts:
        progress = ProgressLine("catalogue")
        try:
            answer = run_catalogue(
                chosen,
                ids=tuple(args.ids),
                limits=limits_of(args, interrupts),
                progress=progress,
            )
        finally:
            progress.done()
    if args.json:
        terminal.document(report.document(answer))
    else:
        page = terminal.page()
        report.write(page, answer, args.stories)
        terminal.show(page)
    return answer.exit_status
