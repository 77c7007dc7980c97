"""`luocheck show`: the text of a spec; with `--flat`, of a derived spec as one text with the origin of every line."""

from __future__ import annotations

import argparse

from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, load_with_warnings
from luocheck.cli.status import FINE
from luocheck.model.library import read_spec
from luocheck.report import document
from luocheck.report.terminal import Terminal


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "show",
        help="print the text of a spec",
        epilog="examples:\n  luocheck show rfc_v2\n  luocheck show linux_7_1 --flat     with its base, as one text\n",
    )
    parser.add_argument("spec", metavar="SPEC", help=SPEC_HELP)
    parser.add_argument("--flat", action="store_true", help="one text without `extends`, each line with where it comes from")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    if args.flat:
        from luocheck.model.resolve.flat_text import flat_lines

        spec = load_with_warnings(args.spec, args.json)
        name, file = spec.name, spec.source.name
        lines = [(line.text, line.file, line.line) for line in flat_lines(spec)]
    else:
        source = read_spec(args.spec)
        name, file = args.spec, source.name
        lines = [(text, file, number) for number, text in enumerate(source.text.splitlines(), start=1)]
    if args.json:
        shown = [{"text": text, "file": origin, "line": number} for text, origin, number in lines]
        terminal.document(document.document("show", spec=name, file=file, flat=args.flat, lines=shown))
        return FINE
    if not args.flat:
        terminal.text("".join(f"{text}\n" for text, _, _ in lines))
        return FINE
    origins = [f"{origin.rpartition('/')[2]}:{number}" if origin else "" for _, origin, number in lines]
    width = max((len(origin) for origin in origins), default=0)
    terminal.text(
        "".join(f"{origin:<{width}} | {text}".rstrip() + "\n" for origin, (text, _, _) in zip(origins, lines, strict=True))
    )
    return FINE
