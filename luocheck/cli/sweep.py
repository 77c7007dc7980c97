"""`luocheck sweep`: many specs, scopes, sizes, topologies and claims as one job with one table."""

from __future__ import annotations

import argparse

from luocheck.cli.interrupts import Interrupts
from luocheck.cli.limits import at_least_one, seconds, size
from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, complain, expand, load_with_warnings
from luocheck.cli.status import ERROR, UNDECIDED, worst
from luocheck.model.diagnostics import Diagnostic, SpecError
from luocheck.model.spec import Spec
from luocheck.report.terminal import NoteLine, Terminal

_EXAMPLES = """\
examples:
  luocheck sweep specs/                                     what `check` explores of each, on all cores
  luocheck sweep intent rfc_v2 --property no_loss --json
  luocheck sweep my.luo --set File=1..4 --set Agent=1,2 --results sweep.jsonl     again: goes on
  luocheck sweep linux_7_1 linux_7_3 --scope race --scope mutate --timeout 600
  luocheck sweep specs/ --cluster tcp://head:8786           on a Dask cluster

Without --scope, --topology and --set each spec has the runs that `check` makes: its first scope with all claims, and every scope and
topology that `expect` names.  Otherwise every scope that is named is combined with every size and topology; what a spec does not declare is
left out.  Each --property has runs of its own.
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("sweep", help="many specs, scopes and claims as one job", epilog=_EXAMPLES)
    parser.add_argument("specs", metavar="SPEC", nargs="+", help=SPEC_HELP + "; a folder means its specs")
    parser.add_argument(
        "--scope",
        metavar="SCOPE",
        dest="scopes",
        action="append",
        default=[],
        help="a scope, or sizes (File=3,Agent=2) on top of the first one; repeatable",
    )
    parser.add_argument(
        "--set",
        metavar="SORT=LOW..HIGH",
        dest="sizes",
        action="append",
        default=[],
        help="try these sizes of a sort in each scope; repeatable",
    )
    parser.add_argument("--topology", metavar="NAME", dest="topologies", action="append", default=[], help="a topology; repeatable")
    parser.add_argument(
        "--property", metavar="NAME", dest="properties", action="append", default=[], help="only this claim; repeatable"
    )
    parser.add_argument(
        "--jobs", metavar="N", type=at_least_one, help="processes that work at the same time (default: one for each core)"
    )
    parser.add_argument("--cluster", metavar="ADDRESS", help="let the workers of this Dask scheduler do it")
    parser.add_argument("--results", metavar="FILE", help="keep what is finished in this file, and do not do again what it has")
    parser.add_argument("--engine", metavar="NAME", default="auto", help="auto, interpreter, explore or bmc (default: auto)")
    parser.add_argument(
        "--depth", metavar="K", type=at_least_one, help="calls of the longest runs that the engine bmc looks at (default: 6)"
    )
    parser.add_argument("--no-symmetry", action="store_true", help="also explore what differs only in which elements are which")
    parser.add_argument("--max-states", metavar="N", type=at_least_one, help="stop each run after so many states")
    parser.add_argument("--memory", metavar="SIZE", type=size, help="stop a run when its process uses so much memory, such as 2G")
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, help="stop each run after so many seconds")
    parser.add_argument("--strict", action="store_true", help="`within` is exact, and every event and `fail` line must fire")
    parser.add_argument("--all", action="store_true", help="a line for each claim, also for those that hold as expected")
    parser.add_argument("--timings", action="store_true", help="also tell seconds, which differ from one time to the next")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from luocheck.checker.sweep.runs import Selection
    from luocheck.checker.sweep.work import Options
    from luocheck.jobs.run import Progress
    from luocheck.report import sweep as report
    from luocheck.sweeping import sweep

    terminal = Terminal(args.color)
    specs, names, problems = _load(args)
    if not specs:
        raise SpecError(problems)
    if not args.json:
        complain(problems)
    note = NoteLine("sweep")

    def show(progress: Progress) -> None:
        note(f"{progress.done:,} of {progress.total:,} runs")

    with Interrupts() as interrupts:
        try:
            answer = sweep(
                specs,
                Selection(tuple(args.scopes), tuple(args.topologies), tuple(args.properties), tuple(args.sizes)),
                Options(args.engine, not args.no_symmetry, args.strict, args.depth, args.max_states, args.timeout, args.memory),
                jobs=args.jobs,
                cluster=args.cluster,
                results=args.results,
                interrupted=lambda: interrupts.reason,
                progress=show,
                tell=note.tell,
            )
        finally:
            note.done()
        if not args.json:
            if answer.engine_missing is not None:
                note.tell(f"the interpreter did it all, which is slow: {answer.engine_missing}")
            kept = sum(each.kept for each in answer.runs)
            if kept:
                note.tell(f"{kept:,} of {len(answer.runs):,} runs were in {args.results} before")
            page = terminal.page()
            report.write(page, answer, names, every_claim=args.all or bool(args.properties), timings=args.timings)
            terminal.show(page)
        else:
            terminal.document(report.document(answer, problems, timings=args.timings))
    return UNDECIDED if answer.interrupted else worst([answer.exit_status, *(ERROR for _ in problems[:1])])


def _load(args: argparse.Namespace) -> tuple[list[Spec], list[str], list[Diagnostic]]:
    """The specs, how each was named, and what is wrong with the others."""
    specs: list[Spec] = []
    names: list[str] = []
    problems: list[Diagnostic] = []
    for name in dict.fromkeys(expand(args.specs)):
        try:
            specs.append(load_with_warnings(name, args.json))
            names.append(name)
        except SpecError as error:
            problems += error.diagnostics
    return specs, names, problems
