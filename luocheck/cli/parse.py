"""`luocheck parse`: is this a correct spec?  With `--json`, all that it declares."""

from __future__ import annotations

import argparse

from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, for_each_spec, load_with_warnings
from luocheck.cli.status import FINE
from luocheck.report import document
from luocheck.report.terminal import Terminal


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "parse",
        help="check the text of specs",
        epilog="examples:\n  luocheck parse my.luo\n  luocheck parse rfc_v2 --json      the resolved spec as a document\n",
    )
    parser.add_argument("specs", metavar="SPEC", nargs="+", help=SPEC_HELP + "; a folder means its specs")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)

    def work(name: str) -> tuple[int, document.Document]:
        from luocheck.model.ir.dump import dump

        spec = load_with_warnings(name, args.json)
        if args.json:
            return FINE, dump(spec)
        system = spec.system
        page = terminal.page()
        kinds = [
            (len(system.sorts), "sort"),
            (len(system.fields), "field"),
            (len(system.events), "event"),
            (len(system.properties), "claim"),
            (len(system.scopes), "scope"),
        ]
        page.wrap(f"{spec.name}: ", "correct; " + ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in kinds))
        terminal.show(page)
        return FINE, {}

    return for_each_spec("parse", args.specs, args.json, terminal, work)
