"""`luocheck replay`: play scenarios against a spec and show each state."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, load_with_warnings, read_text
from luocheck.cli.status import FINE, UNDECIDED, UNEXPECTED, worst
from luocheck.model.diagnostics import fail
from luocheck.report import document
from luocheck.report.terminal import Terminal

if TYPE_CHECKING:
    from luocheck.checker.scenarios import ScenarioRun

_EXAMPLES = """\
examples:
  luocheck replay rfc_v2                      the scenarios of the spec itself
  luocheck replay rfc_v2 found/x.scenario     ... of a file, such as `check --save-scenarios` writes
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("replay", help="play scenarios and show each state", epilog=_EXAMPLES)
    parser.add_argument("spec", metavar="SPEC", help=SPEC_HELP)
    parser.add_argument(
        "scenarios", metavar="SCENARIO", nargs="*", help="file with scenarios, - for standard input (default: the spec's own)"
    )
    parser.add_argument("--scope", metavar="SIZES", help="the sizes (File=3,Agent=2) in which `check --scope` found the scenario")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from luocheck.checker.scenarios import replay
    from luocheck.checker.selection import with_scope
    from luocheck.model.scenario.resolve import load_scenarios
    from luocheck.report import replay as report

    terminal = Terminal(args.color)
    spec = load_with_warnings(args.spec, args.json)
    if args.scope is not None:
        spec = with_scope(spec, args.scope)
    scenarios = list(spec.scenarios)
    if args.scenarios:
        scenarios = [each for name in args.scenarios for each in load_scenarios(spec, read_text(name))]
    if not scenarios:
        fail("LUO604", f"`{spec.name}` has no scenarios of its own", spec.system.span, help="name a file with scenarios")
    runs: list[ScenarioRun] = []
    for scenario in scenarios:
        played = replay(spec, scenario)
        runs.append(played)
        if not args.json:
            page = terminal.page()
            report.write(page, played)
            page.blank()
            terminal.show(page)
    if args.json:
        terminal.document(document.replay(spec.name, runs))
    return worst(_status(each) for each in runs)


def _status(played: ScenarioRun) -> int:
    if played.undecided:
        return UNDECIDED
    return FINE if played.accepted else UNEXPECTED
