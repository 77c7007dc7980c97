"""The console entry.  A command is a module with `add(subparsers)` and `run(args) -> exit status`; adding one is a line in COMMANDS."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from importlib import import_module

from luocheck.cli.interrupts import end_on_sigterm
from luocheck.cli.options import Parser, UsageError, complain, nowhere
from luocheck.cli.status import ERROR, FINE, UNDECIDED
from luocheck.model.diagnostics import Diagnostic, SpecError
from luocheck.report import document
from luocheck.report.terminal import Terminal, drop_output

COMMANDS = (
    "check",
    "prove",
    "diff",
    "catalogue",
    "sweep",
    "scenario",
    "replay",
    "audit",
    "record",
    "calls",
    "convert",
    "show",
    "parse",
    "fmt",
    "specs",
    "export",
    "explain",
)
"""Modules of this package, in the order of `--help`."""

_EXAMPLES = """\
examples:
  luocheck specs                          list the shipped specs
  luocheck check linux_7_3                explore a shipped spec and compare with what it expects
  luocheck check my.luo --scope File=3    ... a spec of your own, with another number of files
  luocheck check specs/ --json            ... all specs of a folder, as one JSON document
  luocheck prove intent                   is it true for any number of files and sessions?
  luocheck prove intent --bounded         ... for runs of any length, at its first scope
  luocheck diff linux_7_3 my.luo          what did my changes fix, break, and show to user space?
  luocheck catalogue                      every known bug, found in the spec of its version
  luocheck sweep specs/ --results s.jsonl ... many specs, scopes and sizes as one job
  luocheck scenario linux_7_3 --cover     few calls that show all that it does, also as a C program
  luocheck replay rfc_v2 run.scenario     play a scenario and show each state
  luocheck convert strace.log             write a recording as JSON Lines, or as another recorder's text
  luocheck explain LUO203                 explain an error code

exit status: 0 as expected, 1 not as expected, 2 usage, spec or input error, 3 undecided
"""


def parser(commands: Sequence[str] = COMMANDS) -> Parser:
    """The parser of a command line that can name these commands."""
    made = Parser(
        prog="luocheck",
        description="Formal model checker and trace verifier for the Linux Live Update Orchestrator.",
        epilog=_EXAMPLES,
    )
    made.add_argument("--version", action="store_true", help="print the version and exit")
    subparsers = made.add_subparsers(dest="command", metavar="COMMAND")
    for command in commands:
        import_module(f"luocheck.cli.{command}").add(subparsers)
    return made


def _needed(argv: Sequence[str]) -> Sequence[str]:
    """The commands whose options a command line can be about: loading all of them takes longer than many of them run."""
    if list(argv) == ["--version"]:
        return ()
    return argv[:1] if argv and argv[0] in COMMANDS else COMMANDS


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and gives its exit status.  Only `--help` leaves with SystemExit, as argparse does."""
    argv = list(sys.argv[1:] if argv is None else argv)
    json = "--json" in argv
    command: str | None = None
    try:
        made = parser(_needed(argv))
        args = made.parse_args(argv)
        command = args.command
        if args.version:
            return _version()
        if command is None:
            made.error("name a command")
        args.arguments = tuple(argv)
        status: int = args.run(args)
        return status
    except UsageError as error:
        if json:
            return _errors(command, [error.diagnostic])
        print(f"{error.usage}\nluocheck: error: {error}", file=sys.stderr)
        return ERROR
    except SpecError as error:
        if json:
            return _errors(command, error.diagnostics)
        complain(error.diagnostics)
        return ERROR
    except OSError as error:
        diagnostic = Diagnostic("LUO610", error.strerror or str(error), nowhere(str(error.filename or "standard output")))
        complain([diagnostic])
        return ERROR
    except MemoryError:
        print("luocheck: stopped because there is no more memory, before anything was established", file=sys.stderr)
        return UNDECIDED
    except KeyboardInterrupt:
        print("luocheck: interrupted before anything was established", file=sys.stderr)
        return UNDECIDED


def run() -> None:
    """The console script."""
    end_on_sigterm()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal cannot show is escaped
    status = main()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output(sys.stdout)
    sys.exit(status)


def _version() -> int:
    import luocheck

    print(f"luocheck {luocheck.__version__}")
    return FINE


def _errors(command: str | None, diagnostics: Sequence[Diagnostic]) -> int:
    Terminal("never").document(document.errors(command, diagnostics))
    return ERROR
