"""`luocheck audit` with more than one capture: one job on all cores or on a cluster, with one table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from luocheck.cli.captures import file_of
from luocheck.cli.interrupts import Interrupts
from luocheck.cli.limits import at_least_one
from luocheck.cli.status import UNDECIDED
from luocheck.model.spec import Spec
from luocheck.report.terminal import NoteLine, Terminal
from luocheck.traces.folders import folders_among
from luocheck.traces.parts import Captured
from luocheck.traces.replay.world import Beginning


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options that are for many captures."""
    many = parser.add_argument_group("many recordings")
    many.add_argument(
        "--jobs", metavar="N", type=at_least_one, help="processes that work at the same time (default: one for each core)"
    )
    many.add_argument("--cluster", metavar="ADDRESS", help="let the workers of this Dask scheduler do it")
    many.add_argument("--results", metavar="FILE", help="keep what is finished in this file, and do not do again what it has")
    many.add_argument("--summary", action="store_true", help="only the table of what is the same in many recordings")
    many.add_argument("--timings", action="store_true", help="also tell seconds, which differ from one time to the next")


def is_meant(args: argparse.Namespace, captured: Sequence[Captured]) -> bool:
    """Are there many captures, or options that are for many?"""
    asked = args.jobs is not None or args.cluster is not None or args.results is not None or args.summary or args.timings
    return asked or (len(captured) > 1 and not one_by_one(args)) or bool(folders_among(captured))


def one_by_one(args: argparse.Namespace) -> bool:
    """Are there options about recordings that are named one by one?"""
    return bool(args.kernel_b or args.which or args.klog or args.reports or args.witness or args.check_witness)


def run(args: argparse.Namespace, captured: Sequence[Captured], spec: Spec, beginning: Beginning | None) -> int:
    """Audits all, and prints what came of it."""
    from luocheck.auditing import audit_all
    from luocheck.jobs.run import Progress
    from luocheck.report import fleet as report

    terminal = Terminal(args.color)
    note = NoteLine("audit")

    def show(progress: Progress) -> None:
        note(f"{progress.done:,} of {progress.total:,} recordings")

    with Interrupts() as interrupts:
        try:
            answer = audit_all(
                spec,
                [file_of(each) for each in captured],
                format=args.format,
                beginning=beginning,
                timeout=args.timeout,
                max_deviations=args.max_deviations,
                max_bytes=args.max_bytes,
                jobs=args.jobs,
                cluster=args.cluster,
                results=args.results,
                interrupted=lambda: interrupts.reason,
                progress=show,
                tell=note.tell,
            )
        finally:
            note.done()
        if args.json:
            terminal.document(report.document(answer, summary=args.summary, timings=args.timings))
        else:
            kept = sum(each.kept for each in answer.captures)
            if kept:
                note.tell(f"{kept:,} of {len(answer.captures):,} answers were in {args.results} before")
            page = terminal.page()
            report.write(page, answer, summary=args.summary, timings=args.timings)
            terminal.show(page)
    return UNDECIDED if answer.interrupted else answer.exit_status
