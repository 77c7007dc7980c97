"""`luocheck prove`: claims shown for runs of any length."""

from __future__ import annotations

import argparse

from luocheck.cli.check import seconds, size
from luocheck.cli.interrupts import Interrupts
from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, for_each_spec, load_with_warnings, nowhere
from luocheck.model.diagnostics import fail
from luocheck.report import document
from luocheck.report.terminal import Terminal

_EXAMPLES = """\
examples:
  luocheck prove intent --bounded
  luocheck prove rfc_v2 --bounded --property token_is_new --timeout 60
  luocheck prove linux_7_3 --bounded --scope share --json

A proof at a scope is about every run of it, however long, and about every dependency graph and fixed choice.
Induction that fails is no violation: the state that is shown need not be one of a run.
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("prove", help="prove claims for runs of any length", epilog=_EXAMPLES)
    parser.add_argument("specs", metavar="SPEC", nargs="+", help=SPEC_HELP + "; a folder means its specs")
    parser.add_argument("--bounded", action="store_true", help="at one scope: induction, Spacer, and counterexamples of few calls")
    parser.add_argument("--scope", metavar="SCOPE", help="a scope of the spec, or sizes (File=3,Agent=2) on top of the first one")
    parser.add_argument("--topology", metavar="NAME", help="a topology of the spec")
    parser.add_argument(
        "--property", metavar="NAME", dest="properties", action="append", default=[], help="only this claim; repeatable"
    )
    parser.add_argument("--memory", metavar="SIZE", type=size, help="stop when the process uses so much memory, such as 2G")
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, help="stop after so many seconds")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    if not args.bounded:
        message = "proofs for any number of elements are not in this version"
        fail("LUO500", message, nowhere("command line"), help="add --bounded for proofs at a scope")
    with Interrupts() as interrupts:

        def work(name: str) -> tuple[int, document.Document]:
            return _bounded(args, name, terminal, interrupts)

        return for_each_spec("prove", args.specs, args.json, terminal, work, lambda: interrupts.reason is not None)


def _bounded(args: argparse.Namespace, name: str, terminal: Terminal, interrupts: Interrupts) -> tuple[int, document.Document]:
    from luocheck.checker.explore.limits import Limits
    from luocheck.checker.symbolic.bounded.prove import prove_bounded
    from luocheck.report import prove as report

    answer = prove_bounded(
        load_with_warnings(name, args.json),
        scope=args.scope,
        topology=args.topology,
        properties=args.properties,
        limits=Limits(None, args.timeout, args.memory, lambda: interrupts.reason),
    )
    if not args.json:
        page = terminal.page()
        report.write(page, answer)
        terminal.show(page)
    return answer.exit_status, report.document(answer)
