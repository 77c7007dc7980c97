"""`luocheck convert`: a recording in another format."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from luocheck.cli.captures import file_of
from luocheck.cli.options import Subparsers, nowhere
from luocheck.cli.status import FINE, UNDECIDED
from luocheck.model.diagnostics import fail
from luocheck.report.files import replaced
from luocheck.report.terminal import drop_output
from luocheck.traces.convert import WRITERS, Conversion, convert
from luocheck.traces.formats.registry import READERS
from luocheck.traces.parts import Parts, gathered
from luocheck.traces.source import Capture, open_captures

_EXAMPLES = """\
examples:
  luocheck convert strace.log                         as JSON Lines, one event per line (docs/jsonl.md)
  luocheck convert trace.txt.gz -o trace.jsonl        ... into a file
  luocheck convert strace.log --to ftrace             as ftrace text, as far as that can say it
  luocheck convert log.* -o all.jsonl                 the files of `strace -ff -ttt -o log`, merged
  cat events.jsonl | luocheck convert - --to strace

What the other format cannot say is counted on standard error.
exit status: 0 written, 2 a file cannot be read or written, 3 nothing in it is an event
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("convert", help="write a recording in another format", epilog=_EXAMPLES)
    parser.add_argument(
        "captures",
        metavar="CAPTURE",
        nargs="+",
        help="a recording, or its parts to be merged by time; `-` is standard input, `demo` what comes with luocheck",
    )
    parser.add_argument("--to", choices=sorted(WRITERS), default="jsonl", help="the format to write (default: jsonl)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write into this file (default: standard output)")
    parser.add_argument("--format", choices=sorted(READERS), help="format of the recording (default: by what is in it)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    captured = [file_of(each) for each in gathered(args.captures)]
    names = [path for each in captured for path in (each.paths if isinstance(each, Parts) else [each])]
    if args.output is not None and args.output.exists() and any(n != "-" and args.output.samefile(n) for n in names):
        fail("LUO610", "this is the recording itself", nowhere(str(args.output)), help="write into another file")
    with ExitStack() as opened:
        captures = open_captures(names, opened)
        made = convert(captures, args.to, format=args.format)
        if made.undecodable is not None:
            print(f"{captures[0].name}: {made.undecodable}", file=sys.stderr)
            return UNDECIDED
        if args.output is None:
            try:
                sys.stdout.flush()
                _write(sys.stdout.buffer, made.lines)
            except BrokenPipeError:  # nobody reads any more
                drop_output(sys.stdout)
                return FINE
        else:
            with replaced(str(args.output)) as file:
                _write(file, made.lines)
    _tell(captures, made)
    return FINE if made.tally.events else UNDECIDED


def _write(file: BinaryIO, lines: Iterator[bytes]) -> None:
    for line in lines:
        file.write(line + b"\n")
    file.flush()


def _tell(captures: list[Capture], made: Conversion) -> None:
    """What is not in the other file."""
    name = captures[0].name if len(captures) == 1 else f"{len(captures)} files"
    for capture, tally in zip(captures, made.tallies, strict=True):
        if capture.damage is not None:
            print(f"{capture.name}: {capture.damage}", file=sys.stderr)
        if tally.unread_count:
            line = tally.unread[0][0]
            print(f"{capture.name}:{line}: {tally.unread_count} lines are no events; this is the first", file=sys.stderr)
    for what, count in sorted(made.left_out.items()):
        print(f"{name}: left out {count} times: {what}", file=sys.stderr)
    if not made.tally.events:
        print(f"{name}: there is no event in it", file=sys.stderr)
