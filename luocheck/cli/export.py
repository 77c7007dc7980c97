"""`luocheck export`: a spec as a model for another checker, so that its answers need not be believed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, complain, load_with_warnings, nowhere
from luocheck.cli.status import FINE
from luocheck.model.diagnostics import fail
from luocheck.report import document
from luocheck.report.terminal import Terminal

if TYPE_CHECKING:
    from luocheck.checker.export.promela import Export

_EXAMPLES = """\
examples:
  luocheck export linux_7_3 --scope files --output files.pml
  luocheck export intent --scope pair --graph 2 --to promela      one graph only

The first lines of the model say how SPIN is run on it; docs/export.md has more.
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("export", help="write a spec as a model for SPIN", epilog=_EXAMPLES)
    parser.add_argument("spec", metavar="SPEC", help=SPEC_HELP)
    parser.add_argument("--to", choices=("promela",), default="promela", help="the language (default: promela, for SPIN)")
    parser.add_argument("--scope", help="a scope of the spec, or sizes (File=3,Agent=2) on top of the first one")
    parser.add_argument("--topology", metavar="NAME", help="a topology of the spec")
    parser.add_argument("--graph", type=int, metavar="N", help="only the Nth graph of the scope (default: all)")
    parser.add_argument("--no-symmetry", action="store_true", help="also start from what differs only in which elements are which")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the model into this file (default: print it)")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from luocheck.checker.expectations import default_scope
    from luocheck.checker.export.promela import promela
    from luocheck.checker.selection import scope_named, topology_named

    terminal = Terminal(args.color)
    system = load_with_warnings(args.spec, args.json).system
    scope = scope_named(system, args.scope) if args.scope is not None else default_scope(system)
    topology = topology_named(system, args.topology) if args.topology is not None else None
    made = promela(system, scope, topology, graph=args.graph, symmetry=not args.no_symmetry)
    if args.output is not None:
        _write(args.output, made)
    if args.json:
        terminal.document(
            document.document(
                "export",
                spec=system.name,
                to=args.to,
                scope=scope.name,
                topology=topology.name if topology is not None else None,
                starts=made.starts,
                claims=list(made.claims),
                left_out=[document.problem(each) for each in made.warnings],
                output=str(args.output) if args.output is not None else None,
                text=made.text,
            )
        )
        return FINE
    complain(made.warnings)
    terminal.text(made.text if args.output is None else f"{args.output}\n")
    return FINE


def _write(target: Path, made: Export) -> None:
    """Writes the model; of the files that are there, only one that is a model is overwritten.  Raises SpecError LUO610."""
    try:
        if target.exists() and made.MARK not in target.read_text(encoding="utf-8", errors="replace")[:400]:
            fail("LUO610", "this file exists already, is no exported model, and is not overwritten", nowhere(str(target)))
        target.write_text(made.text, encoding="utf-8")
    except (OSError, ValueError) as error:
        fail("LUO610", f"cannot write this file: {getattr(error, 'strerror', None) or error}", nowhere(str(target)))
