"""`luocheck audit`: does a recording of a real system conform to a spec?"""

from __future__ import annotations

import argparse
from dataclasses import replace

from luocheck.cli import fleet, reports, witnesses
from luocheck.cli.captures import AUDITED, add_most_bytes, file_of
from luocheck.cli.interrupts import Interrupts
from luocheck.cli.limits import at_least_one
from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, for_each, load_with_warnings
from luocheck.model.diagnostics import SpecError
from luocheck.report import audit as report
from luocheck.report import document
from luocheck.report.terminal import Terminal
from luocheck.traces.audit import MOST_DEVIATIONS, audit
from luocheck.traces.formats.registry import READERS
from luocheck.traces.klog import read_klog
from luocheck.traces.parts import Captured, Parts, gathered, name_of
from luocheck.traces.replay.world import Beginning

_EXAMPLES = """\
examples:
  luocheck audit linux_7_3 demo                   the recording that comes with luocheck
  luocheck audit linux_7_3 trace.txt              an ftrace text, as `cat trace` gives it
  luocheck audit linux_7_3 log.*                  the files of `strace -ff -ttt -o log`, merged; `log` says the same
  luocheck audit linux_7_3 node*/trace.txt --json   ... of several machines, as one document
  luocheck audit linux_7_3 fleet/ --summary       all recordings in a folder, on all cores, as one table
  luocheck audit linux_7_3 fleet/ --results fleet.jsonl     again: goes on
  cat trace.txt | luocheck audit linux_7_3 -
  luocheck audit linux_7_3 trace.txt --report html:report.html --report junit:junit.xml
  luocheck audit linux_7_3 trace.txt --witness why.json && luocheck audit linux_7_3 trace.txt --check-witness why.json
  luocheck audit linux_7_3 trace.txt --begins cold  the kernel is known not to have been live-updated
  luocheck audit linux_7_3 before.txt --kernel-b after.txt   two kernels with a live update between them
  cat trace_pipe | luocheck audit linux_7_3 - --follow       tell what is not allowed as it happens
  luocheck audit linux_7_3 trace.txt --which      which version of LUO was this?

exit status: 0 conforms, 1 violated, 2 a file cannot be read, 3 inconclusive
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("audit", help="replay recordings of real systems against a spec", epilog=_EXAMPLES)
    parser.add_argument("spec", metavar="SPEC", help=SPEC_HELP)
    parser.add_argument(
        "captures",
        metavar="CAPTURE",
        nargs="+",
        help="a recording, compressed or not, or a folder of them; `-` is standard input, `demo` the one that comes with luocheck; the files "
        "of `strace -ff` are one recording",
    )
    parser.add_argument("--format", choices=sorted(READERS), help="format of the recordings (default: by what is in them)")
    add_most_bytes(parser)
    parser.add_argument(
        "--begins",
        choices=[each.name.lower() for each in Beginning],
        help="what the recordings begin with: a kernel that was not live-updated (cold), one that was (warm), or one that had been "
        "running for a while (running); default: try all",
    )
    parser.add_argument(
        "--kernel-b",
        action="append",
        default=[],
        metavar="FILE",
        help="recording of the kernel that the one in CAPTURE started by kexec; again for the one after that",
    )
    parser.add_argument(
        "--max-deviations",
        type=at_least_one,
        default=MOST_DEVIATIONS,
        metavar="N",
        help=f"stop after N calls that are not allowed (default: {MOST_DEVIATIONS})",
    )
    parser.add_argument("--follow", action="store_true", help="go on reading as CAPTURE grows; findings are told as they come")
    parser.add_argument("--which", action="store_true", help="also tell which of the shipped specs explain the recordings")
    parser.add_argument(
        "--klog",
        action="append",
        default=[],
        metavar="FILE",
        help="a kernel log (dmesg, journalctl -k, /dev/kmsg) beside the recordings: what it says is noted",
    )
    parser.add_argument("--timeout", type=float, default=120.0, metavar="S", help="seconds for each recording (default: 120)")
    reports.add_option(parser)
    witnesses.add_options(parser)
    fleet.add_options(parser)
    add_output(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    captured = gathered(args.captures)
    if args.kernel_b and len(captured) > 1:
        args.parser.error("--kernel-b goes on after the one CAPTURE; name one")
    if args.which and "-" in captured:
        args.parser.error("--which reads the recording several times, and standard input can be read once")
    terminal = Terminal(args.color)
    spec = load_with_warnings(args.spec, args.json)
    beside = tuple(note for path in args.klog for note in read_klog(path))
    beginning = Beginning[args.begins.upper()] if args.begins is not None else None
    if args.check_witness is not None:
        return witnesses.check(args, captured, spec, terminal)
    witnesses.refuse_several(args, captured)
    if args.follow:
        followed = captured[0]
        if len(captured) > 1 or isinstance(followed, Parts) or args.kernel_b or args.which:
            args.parser.error("--follow reads one CAPTURE, without --kernel-b and --which")
        if args.reports or args.witness is not None:
            args.parser.error("--follow tells findings as they come, and writes no --report and no --witness")
        from luocheck.cli.following import run_following

        return run_following(
            spec,
            name_of(file_of(followed)),
            terminal,
            format=args.format,
            beginning=beginning,
            timeout=args.timeout,
            max_deviations=args.max_deviations,
            json=args.json,
        )
    if fleet.is_meant(args, captured):
        if fleet.one_by_one(args):
            args.parser.error(
                "many recordings are audited without options about one of them: --kernel-b, --which, --klog, --report, witnesses"
            )
        return fleet.run(args, captured, spec, beginning)
    reporting = reports.Reporting(args, spec, terminal)
    with Interrupts() as interrupts:

        def work(capture: Captured) -> tuple[int, document.Document]:
            file = file_of(capture)
            captures: list[Captured] = [file, *args.kernel_b]
            try:
                answer = audit(
                    spec,
                    captures,
                    format=args.format,
                    beginning=beginning,
                    timeout=args.timeout,
                    max_deviations=args.max_deviations,
                    trail=reporting.wants_trail,
                    max_bytes=args.max_bytes,
                    witness=args.witness is not None,
                    interrupted=lambda: interrupts.reason,
                )
            except SpecError as error:
                reporting.refused(capture, error.diagnostics, file)
                raise
            answer = replace(answer, notes=answer.notes + beside)
            reporting.answered(capture, answer, file)
            witnesses.write(args.witness, answer)
            others = None
            if args.which:
                from luocheck.versions import which

                others = which(captures, format=args.format, beginning=beginning, interrupted=lambda: interrupts.reason)
            if args.json:
                return AUDITED[answer.verdict], report.audit(answer) | ({} if others is None else report.which(others))
            if not reporting.takes_stdout:
                page = terminal.page()
                report.show(page, answer)
                if others is not None:
                    report.show_which(page, others)
                terminal.show(page)
            return AUDITED[answer.verdict], {}

        status = for_each("audit", captured, args.json, terminal, work, alone=len(captured) == 1)
        return reporting.finish(status)
