"""`luocheck audit`: does a recording of a real system conform to a spec?"""

from __future__ import annotations

import argparse

from luocheck.cli.interrupts import Interrupts
from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, for_each, load_with_warnings
from luocheck.cli.status import FINE, UNDECIDED, UNEXPECTED
from luocheck.demo import capture_file
from luocheck.report import audit as report
from luocheck.report import document
from luocheck.report.terminal import Terminal
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.formats.registry import READERS
from luocheck.traces.replay.world import Beginning

_STATUS = {Conformance.CONFORMS: FINE, Conformance.VIOLATED: UNEXPECTED, Conformance.INCONCLUSIVE: UNDECIDED}

_EXAMPLES = """\
examples:
  luocheck audit linux_7_3 demo                   the recording that comes with luocheck
  luocheck audit linux_7_3 trace.txt              an ftrace text, as `cat trace` gives it
  luocheck audit linux_7_3 node*/trace.txt --json   ... of several machines, as one document
  cat trace.txt | luocheck audit linux_7_3 -
  luocheck audit linux_7_3 trace.txt --begins cold  the kernel is known not to have been live-updated

exit status: 0 conforms, 1 violated, 2 a file cannot be read, 3 inconclusive
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("audit", help="replay recordings of real systems against a spec", epilog=_EXAMPLES)
    parser.add_argument("spec", metavar="SPEC", help=SPEC_HELP)
    parser.add_argument(
        "captures",
        metavar="CAPTURE",
        nargs="+",
        help="a recording, compressed or not; `-` is standard input, `demo` the one that comes with luocheck",
    )
    parser.add_argument("--format", choices=sorted(READERS), help="format of the recordings (default: by what is in them)")
    parser.add_argument(
        "--begins",
        choices=[each.name.lower() for each in Beginning],
        help="what the recordings begin with: a kernel that was not live-updated (cold) or that was (warm); default: try both",
    )
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="seconds for each recording (default: 120)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    spec = load_with_warnings(args.spec, args.json)
    beginning = Beginning[args.begins.upper()] if args.begins is not None else None
    with Interrupts() as interrupts:

        def work(capture: str) -> tuple[int, document.Document]:
            answer = audit(
                spec,
                capture_file(capture),
                format=args.format,
                beginning=beginning,
                timeout=args.timeout,
                interrupted=lambda: interrupts.reason,
            )
            if args.json:
                return _STATUS[answer.verdict], report.audit(answer)
            page = terminal.page()
            report.show(page, answer)
            terminal.show(page)
            return _STATUS[answer.verdict], {}

        return for_each("audit", args.captures, args.json, terminal, work, alone=len(args.captures) == 1)
