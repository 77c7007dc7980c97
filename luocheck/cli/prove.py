"""`luocheck prove`: claims for every number of elements and every dependency graph, or for runs of any length at a scope."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from luocheck.cli.interrupts import Interrupts
from luocheck.cli.limits import seconds, size
from luocheck.cli.options import SPEC_HELP, Subparsers, add_output, for_each_spec, is_one, load_with_warnings, nowhere
from luocheck.cli.status import FINE, UNDECIDED, UNEXPECTED
from luocheck.model.diagnostics import fail
from luocheck.report import document
from luocheck.report.terminal import Terminal

_EXAMPLES = """\
examples:
  luocheck prove intent --property finish_leaves_nothing
  luocheck prove intent --property cancel_restores --certificate proof.json
  luocheck prove --check proof.json          check it again: nothing but the spec, the file and z3
  luocheck prove rfc_v2 --bounded --property token_is_new --timeout 60
  luocheck prove linux_7_3 --bounded --scope share --json

Lemmas are found, not written, and the proof is checked by z3 over sorts of any size.  A claim that is false in the
default scope is told with its shortest run.

With --bounded a proof is about every run at one scope, however long, and about every dependency graph and fixed choice.
Induction that fails is no violation: the state that is shown need not be one of a run.
"""


def add(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser("prove", help="prove claims for any number of elements, any graph", epilog=_EXAMPLES)
    parser.add_argument("specs", metavar="SPEC", nargs="*", help=SPEC_HELP + "; with --check it may be left out")
    parser.add_argument(
        "--property", metavar="NAME", dest="properties", action="append", default=[], help="only this claim; repeatable"
    )
    parser.add_argument("--bounded", action="store_true", help="at one scope: induction, Spacer, and counterexamples of few calls")
    parser.add_argument(
        "--scope", metavar="SCOPE", help="with --bounded: a scope of the spec, or sizes (File=3,Agent=2) on top of the first one"
    )
    parser.add_argument("--topology", metavar="NAME", help="with --bounded: a topology of the spec")
    parser.add_argument("--certificate", metavar="FILE", help="write the claims that were proved, and the lemmas, into this file")
    parser.add_argument("--check", metavar="FILE", help="check a certificate instead")
    parser.add_argument(
        "--smt2", metavar="FILE", help="also write what z3 is asked, so that any solver can be: all answers are `unsat`"
    )
    parser.add_argument("--timeout", metavar="SECONDS", type=seconds, help="stop after so many seconds")
    parser.add_argument("--memory", metavar="SIZE", type=size, help="stop when the process uses so much memory, such as 2G")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    terminal = Terminal(args.color)
    with Interrupts() as interrupts:
        _fit(args)
        if args.check is not None:
            return _check(args, terminal, interrupts)

        def work(name: str) -> tuple[int, document.Document]:
            answered = _bounded if args.bounded else _prove
            return answered(args, name, terminal, interrupts)

        return for_each_spec("prove", args.specs, args.json, terminal, work, lambda: interrupts.reason is not None)


def _fit(args: argparse.Namespace) -> None:
    """Refuses what does not go together, and files that could not be written later.  Raises SpecError LUO609 and LUO610."""
    place = nowhere("command line")
    files = args.certificate is not None or args.smt2 is not None
    if args.check is None and not args.specs:
        fail("LUO609", "name a SPEC to prove, or a certificate to --check", place)
    if args.check is not None and (len(args.specs) > 1 or args.properties or files or args.bounded):
        fail("LUO609", "--check takes one certificate, and at most the SPEC that it is about", place)
    if files and not is_one(args.specs):
        fail("LUO609", "a certificate is of one spec, and several are named", place)
    if files and args.bounded:
        fail("LUO609", "certificates are of proofs for every size, not of --bounded ones", place)
    if not args.bounded and (args.scope is not None or args.topology is not None):
        help = "add --bounded for a proof at this scope"
        fail("LUO609", "a proof for every size has no scope and no topology", place, help=help)
    for path in (args.certificate, args.smt2):
        if path is not None and not Path(path).absolute().parent.is_dir():
            help = "name a file in a folder that can be written"
            fail("LUO610", "the folder of this file does not exist", nowhere(path), help=help)


def _bounded(args: argparse.Namespace, name: str, terminal: Terminal, interrupts: Interrupts) -> tuple[int, document.Document]:
    from luocheck.checker.explore.limits import Limits
    from luocheck.checker.symbolic.bounded.prove import prove_bounded
    from luocheck.report import bounded as report

    answer = prove_bounded(
        load_with_warnings(name, args.json),
        scope=args.scope,
        topology=args.topology,
        properties=args.properties,
        limits=Limits(None, args.timeout, args.memory, lambda: interrupts.reason),
    )
    if not args.json:
        page = terminal.page()
        report.write(page, answer)
        terminal.show(page)
    return answer.exit_status, report.document(answer)


def _prove(args: argparse.Namespace, name: str, terminal: Terminal, interrupts: Interrupts) -> tuple[int, document.Document]:
    from luocheck.checker.explore.limits import Limits
    from luocheck.checker.proving import prove, smt2
    from luocheck.report import prove as report
    from luocheck.report.terminal import NoteLine

    spec = load_with_warnings(name, args.json)
    note = NoteLine(spec.name)
    try:
        limits = Limits(None, args.timeout, args.memory, lambda: interrupts.reason)
        answer = prove(spec, properties=args.properties, limits=limits, progress=note, given=name)
    finally:
        note.done()
    written: str | None = None
    if args.certificate is not None and answer.certificate["proofs"]:
        Path(args.certificate).write_text(json.dumps(answer.certificate, indent=1) + "\n", "utf-8")
        written = args.certificate
    if args.smt2 is not None:
        Path(args.smt2).write_text(smt2(spec, answer.certificate, args.smt2), "utf-8")
    if not args.json:
        page = terminal.page()
        report.write(page, answer, written, tell_all=bool(args.properties))
        if args.certificate is not None and written is None:
            page.wrap("  ", f"no certificate was written to {args.certificate}: nothing was proved", style="open")
        page.blank()
        terminal.show(page)
    return answer.exit_status, document.prove(answer, written)


def _check(args: argparse.Namespace, terminal: Terminal, interrupts: Interrupts) -> int:
    from luocheck.checker.explore.limits import Limits, Stopped
    from luocheck.checker.proving import check_certificate
    from luocheck.checker.symbolic.parametric import certificate
    from luocheck.report import prove as report

    data = certificate.read(args.check)
    spec = load_with_warnings(args.specs[0] if args.specs else data["given"], args.json)
    limits = Limits(None, args.timeout, args.memory, lambda: interrupts.reason)
    try:
        checked = check_certificate(spec, data, args.check, limits)
    except Stopped as stop:
        print(f"luocheck: {stop.reason} before the certificate was checked", file=sys.stderr)
        return UNDECIDED
    rejected = [each for each in checked if each.gap is not None]
    undecided = not checked or any(each.undecided for each in rejected)
    status = FINE if checked and not rejected else UNDECIDED if undecided else UNEXPECTED
    if args.json:
        terminal.document(document.certificate(spec, args.check, checked, status))
    else:
        page = terminal.page()
        report.write_check(page, spec, checked, status)
        terminal.show(page)
    return status
