"""`luocheck calls`: the calls that a recording shows, decoded with the abi of a spec."""

from __future__ import annotations

import argparse

from luocheck.cli.captures import add_most_bytes, file_of
from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, for_each, load_with_warnings
from luocheck.cli.status import FINE, UNDECIDED
from luocheck.report import calls as report
from luocheck.report import document
from luocheck.report.terminal import Terminal
from luocheck.traces.decode import decode
from luocheck.traces.formats.registry import READERS
from luocheck.traces.parts import Captured, gathered

_EXAMPLES = """\
examples:
  luocheck calls linux_7_3 trace.txt             list the calls of an ftrace text, compressed or not
  cat trace_pipe.txt | luocheck calls linux_7_3 - --json
  luocheck calls linux_7_3 log.*                 the files of `strace -ff -ttt -o log`, merged
  luocheck calls linux_7_3 trace.txt --threads shared   threads share their descriptors where the recording does not tell

exit status: 0 there are calls, 2 a file cannot be read, 3 nothing to decode
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("calls", help="list the calls that a recording shows", epilog=_EXAMPLES)
    parser.add_argument("spec", metavar="SPEC", help=SPEC_HELP)
    parser.add_argument(
        "captures",
        metavar="CAPTURE",
        nargs="+",
        help="a recording; `-` is standard input, `demo` the one that comes with luocheck; the files of `strace -ff` are one recording",
    )
    parser.add_argument("--format", choices=sorted(READERS), help="format of the recordings (default: by what is in them)")
    add_most_bytes(parser)
    parser.add_argument(
        "--threads",
        choices=("shared", "own"),
        default="own",
        help="do tasks share descriptors where the recording does not tell? (default: own)",
    )
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    abi = load_with_warnings(args.spec, args.json).system.abi

    def work(capture: Captured) -> tuple[int, document.Document]:
        share = args.threads == "shared"
        recording = decode(file_of(capture), abi, format=args.format, threads_share=share, most=args.max_bytes)
        status = FINE if recording.calls else UNDECIDED
        if args.json:
            return status, report.calls(recording)
        page = terminal.page()
        report.show(page, recording)
        terminal.show(page)
        return status, {}

    captures = gathered(args.captures)
    return for_each("calls", captures, args.json, terminal, work, alone=len(captures) == 1)
