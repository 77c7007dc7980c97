"""`luocheck diff`: what one spec changes against another, and the shortest calls that tell them apart."""

from __future__ import annotations

import argparse

from luocheck.cli.interrupts import Interrupts
from luocheck.cli.limits import add_limits, at_least_one, limits_of
from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, for_each, load_with_warnings
from luocheck.report.document import Document
from luocheck.report.terminal import Terminal

_EXAMPLES = """\
examples:
  luocheck diff linux_7_3 my.luo
  luocheck diff linux_7_3 my.luo --scope share --depth all    no bound: an answer for every run of the scope
  luocheck diff rfc_v2 linux_7_3 --map FD_PRESERVE=PRESERVE_FD --map FD_RESTORE=RETRIEVE_FD
  luocheck diff intent rfc_v2 --timeout 60 --json

Events and claims with the same name belong together.  User space sees the calls of the abi with their arguments, outcomes and results;
faults and other events happen unseen, and labels are not seen.

exit status: 0 nothing is worse, 1 NEW breaks or loses a claim, a goal or an event, 2 usage, spec or input error, 3 undecided
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("diff", help="compare two specs, and tell the calls that differ", epilog=_EXAMPLES)
    parser.add_argument("old", metavar="OLD", help=SPEC_HELP)
    parser.add_argument("new", metavar="NEW", help="the same, of the spec that is compared with it")
    parser.add_argument(
        "--scope",
        metavar="SCOPE",
        help="a scope of OLD, or sizes (File=3,Agent=2) on top of its first one; NEW gets the same sizes",
    )
    parser.add_argument(
        "--map",
        metavar="OLD=NEW",
        dest="maps",
        action="append",
        default=[],
        help="an event or claim of OLD, and what it is called in NEW; repeatable",
    )
    parser.add_argument(
        "--depth",
        metavar="K",
        type=depth_or_all,
        default="6",
        help="calls of the longest sequences that are compared, or `all` (default: 6)",
    )
    add_limits(parser, "each search")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    with Interrupts() as interrupts:

        def work(name: str) -> tuple[int, Document]:
            return _diff(args, terminal, interrupts)

        return for_each("diff", [args.old], args.json, terminal, work, alone=True)


def _diff(args: argparse.Namespace, terminal: Terminal, interrupts: Interrupts) -> tuple[int, Document]:
    from luocheck.checker.diff.compare import diff
    from luocheck.report import diff as report
    from luocheck.report.terminal import ProgressLine

    old, new = load_with_warnings(args.old, args.json), load_with_warnings(args.new, args.json)
    progress = ProgressLine("diff")
    try:
        answer = diff(
            old,
            new,
            scope=args.scope,
            maps=args.maps,
            depth=args.depth,
            limits=limits_of(args, interrupts),
            progress=progress,
            note=progress.line,
        )
    finally:
        progress.done()
    if not args.json:
        page = terminal.page()
        report.write(page, answer)
        terminal.show(page)
    return answer.exit_status, report.document(answer)


def depth_or_all(text: str) -> int | None:
    """A number of calls, None for `all`.  Raises ArgumentTypeError."""
    return None if text == "all" else at_least_one(text)
