"""`luocheck check`: explore specs and compare what is found with what they expect."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from luocheck.cli.interrupts import Interrupts
from luocheck.cli.limits import add_limits, at_least_one, limits_of, seconds
from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, for_each_spec, is_one, load_with_warnings, nowhere
from luocheck.model.diagnostics import fail
from luocheck.report import document
from luocheck.report.terminal import ProgressLine, Terminal

_EXAMPLES = """\
examples:
  luocheck check linux_7_3
  luocheck check rfc_v2 --property errno_has_no_effect
  luocheck check my.luo --scope File=3,Agent=2 --timeout 60
  luocheck check specs/ --json
  luocheck check linux_7_3 --scope crowd --memory 8G --checkpoint crowd.luockpt    again: goes on
  luocheck check rfc_v2 --save-scenarios found/    write every counterexample as a scenario

Without --scope and --topology the first scope of the spec is explored with all claims, then every
scope and topology that `expect` names, and the spec's scenarios are replayed.
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("check", help="explore specs and compare with what they expect", epilog=_EXAMPLES)
    parser.add_argument("specs", metavar="SPEC", nargs="+", help=SPEC_HELP + "; a folder means its specs")
    parser.add_argument("--scope", metavar="SCOPE", help="a scope of the spec, or sizes (File=3,Agent=2) on top of the first one")
    parser.add_argument("--topology", metavar="NAME", help="a topology of the spec")
    parser.add_argument(
        "--property", metavar="NAME", dest="properties", action="append", default=[], help="only this claim; repeatable"
    )
    parser.add_argument("--engine", metavar="NAME", default="auto", help="auto, interpreter, explore or bmc (default: auto)")
    parser.add_argument(
        "--depth", metavar="K", type=at_least_one, help="calls of the longest runs that the engine bmc looks at (default: 6)"
    )
    parser.add_argument("--no-symmetry", action="store_true", help="also explore what differs only in which elements are which")
    parser.add_argument(
        "--threads",
        metavar="N",
        type=at_least_one,
        default=1,
        help="threads of the engine explore; the answer is the same (default: 1)",
    )
    add_limits(parser, "a run")
    parser.add_argument(
        "--checkpoint",
        metavar="FILE",
        help="go on with the run that FILE keeps, or begin one, and keep it there; with --scope or --topology",
    )
    parser.add_argument(
        "--checkpoint-every",
        metavar="SECONDS",
        type=seconds,
        help="how often the checkpoint is written (default: 30, and less often when large)",
    )
    parser.add_argument("--strict", action="store_true", help="`within` is exact, and every event and `fail` line must fire")
    parser.add_argument("--save-scenarios", metavar="DIR", help="write each witness as a scenario into this folder")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    if args.checkpoint is None and args.checkpoint_every is not None:
        fail(
            "LUO609",
            "--checkpoint-every says how often a checkpoint is written, and there is none",
            nowhere("command line"),
            help="add --checkpoint FILE",
        )
    if args.checkpoint is not None and not is_one(args.specs):
        fail(
            "LUO609",
            "a checkpoint is of one run of one spec, and several are named",
            nowhere("command line"),
            help="name one SPEC, and a file for each",
        )
    with Interrupts() as interrupts:

        def work(name: str) -> tuple[int, document.Document]:
            return _check(args, name, terminal, interrupts)

        return for_each_spec("check", args.specs, args.json, terminal, work, lambda: interrupts.reason is not None)


def _check(args: argparse.Namespace, name: str, terminal: Terminal, interrupts: Interrupts) -> tuple[int, document.Document]:
    from luocheck.checker.check import check
    from luocheck.checker.checkpoint.keeper import EVERY, Checkpoint
    from luocheck.report import check as report
    from luocheck.report.saved import Saved

    spec = load_with_warnings(name, args.json)
    limits = limits_of(args, interrupts)
    progress = ProgressLine(spec.name)
    checkpoint: Checkpoint | None = None
    if args.checkpoint is not None:
        every = args.checkpoint_every if args.checkpoint_every is not None else EVERY
        checkpoint = Checkpoint(args.checkpoint, every, lambda sentence: print(f"luocheck: {sentence}", file=sys.stderr))
    try:
        answer = check(
            spec,
            scope=args.scope,
            topology=args.topology,
            properties=args.properties,
            engine=args.engine,
            symmetry=not args.no_symmetry,
            strict=args.strict,
            limits=limits,
            progress=progress,
            threads=args.threads,
            checkpoint=checkpoint,
            depth=args.depth,
        )
    finally:
        progress.done()
    if answer.engine_missing is not None:
        print(f"luocheck: the interpreter did it all, which is slow: {answer.engine_missing}", file=sys.stderr)
    saved = Saved(name, answer, Path(args.save_scenarios) if args.save_scenarios is not None else None, args.scope)
    made = document.check(answer, saved.path)
    if not args.json:
        page = terminal.page()
        report.write(page, answer, saved.command, tell_all=bool(args.properties))
        page.blank()
        terminal.show(page)
    return answer.exit_status, made


# ---- values of options ------------------------------------------------------------------------------------------
