"""`luocheck record`: the recorder for a machine with LUO, as a shell script; or a recording on this machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from luocheck.cli.interrupts import Interrupts
from luocheck.cli.options import Subparsers, add_output, nowhere
from luocheck.cli.status import FINE, UNDECIDED, UNEXPECTED
from luocheck.model.diagnostics import fail
from luocheck.report import document
from luocheck.report.page import Part
from luocheck.report.terminal import Terminal
from luocheck.traces.recorders import script

_EXAMPLES = """\
examples:
  luocheck record > luo-record.sh           the recorder, a script for any shell; take it to the machine
  sh luo-record.sh check                    ... what its kernel offers
  sh luo-record.sh start                    ... begin
  sh luo-record.sh stop --out node17        ... end, save, and leave everything as it was
  luocheck audit linux_7_3 node17           what was recorded conforms?
  luocheck record --run -- ./my-agent       on this machine, while a command runs (root)
  luocheck record --run --out rec           ... until Ctrl-C

exit status: 0 done, 1 the command failed (the recording is there), 2 it cannot be recorded, 3 the command was interrupted
"""

_OPTIONS = ("instance", "method", "pid", "clock", "buffer-kb", "out", "tracefs", "state", "kernel-config")
"""Those of the script."""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("record", help="print the recorder for a machine, or record on this one", epilog=_EXAMPLES)
    parser.add_argument("program", metavar="COMMAND", nargs="*", help="with --run: what is recorded, after `--`")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--show", action="store_true", help="print the script (the default)")
    what.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the script into this file")
    what.add_argument(
        "--run", dest="record", action="store_true", help="record on this machine, while COMMAND runs or until Ctrl-C, and undo it"
    )
    run_options = parser.add_argument_group("with --run")
    run_options.add_argument("--instance", metavar="NAME", help="instance of tracefs to make (default: luo)")
    run_options.add_argument(
        "--method",
        choices=("one", "sc", "eprobe", "kprobe", "syscalls"),
        help="which events (default: the best that the kernel has)",
    )
    run_options.add_argument("--pid", metavar="PID", action="append", help="only this process and its children; repeatable")
    run_options.add_argument("--clock", metavar="NAME", help="trace clock (default: boot)")
    run_options.add_argument("--buffer-kb", metavar="N", help="buffer for each CPU (default: 8192)")
    run_options.add_argument("--out", metavar="DIR", help="folder for the recording (default: luo-record-DATE)")
    run_options.add_argument("--tracefs", metavar="DIR", help="where tracefs is mounted (default: where it is, or it is mounted)")
    run_options.add_argument("--state", metavar="DIR", help="where the recorder keeps its journal (default: /run/luo-record)")
    run_options.add_argument("--kernel-config", metavar="FILE", help="configuration of the running kernel")
    add_output(parser)
    parser.set_defaults(run=run, parser=parser)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    options = {f"--{name}": _values(getattr(args, name.replace("-", "_"))) for name in _OPTIONS}
    if args.record:
        return _record(args, {name: values for name, values in options.items() if values}, terminal)
    if args.program or any(options.values()):
        args.parser.error("a COMMAND and the options of a recording need --run")
    text = script()
    if args.output is not None:
        _write(args.output, text)
    if args.json:
        terminal.document(document.document("record", output=str(args.output) if args.output is not None else None, text=text))
    else:
        terminal.text(text if args.output is None else f"{args.output}\n")
    return FINE


def _values(value: str | list[str] | None) -> list[str]:
    return [] if value is None else [value] if isinstance(value, str) else value


def _write(target: Path, text: str) -> None:
    """Raises SpecError LUO610."""
    try:
        with open(target, "x", encoding="utf-8") as file:
            file.write(text)
        target.chmod(0o755)
    except FileExistsError:
        fail("LUO610", "this file exists already, and is not overwritten", nowhere(str(target)))
    except (OSError, ValueError) as error:
        fail("LUO610", f"cannot write this file: {getattr(error, 'strerror', None) or error}", nowhere(str(target)))


def _record(args: argparse.Namespace, options: dict[str, list[str]], terminal: Terminal) -> int:
    from luocheck.recording import record

    def tell(sentence: str) -> None:
        print(f"luocheck: {sentence}", file=sys.stderr)

    with Interrupts() as interrupts:
        answer = record(args.program, options, interrupted=lambda: interrupts.reason, tell=tell)
    recorded = answer.recorded
    if args.json:
        terminal.document(
            document.document(
                "record",
                folder=answer.folder,
                trace=recorded.trace,
                clock=recorded.clock,
                overrun=recorded.overrun,
                lost=sum(count for _, count in recorded.lost),
                missing=list(recorded.missing),
                status=answer.status,
                interrupted=answer.interrupted,
                failure=answer.failure,
            )
        )
    else:
        page = terminal.page()
        page.add(Part(answer.folder, "title"), f": a recording, clock {recorded.clock}")
        for each in recorded.missing:
            page.wrap("  not recorded: ", each)
        lost = recorded.overrun + sum(count for _, count in recorded.lost)
        if lost:
            page.wrap("  lost: ", f"{lost:,} events; try a larger --buffer-kb, or --pid", style="bad")
        if answer.failure is not None:
            page.wrap("  ", answer.failure, style="bad")
        elif answer.status:
            page.add(f"  the command ended with status {answer.status}")
        page.add(f"  next: luocheck audit SPEC {answer.folder}")
        terminal.show(page)
    if answer.interrupted:
        return UNDECIDED
    return UNEXPECTED if answer.failure is not None or answer.status else FINE
