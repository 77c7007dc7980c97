"""`luocheck audit --witness` and `--check-witness`: why a recording conforms, as a file that a smaller program can check."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from luocheck.cli.captures import file_of
from luocheck.cli.interrupts import Interrupts
from luocheck.cli.options import UsageError, nowhere
from luocheck.cli.status import FINE, UNDECIDED, UNEXPECTED
from luocheck.model.diagnostics import fail, printable
from luocheck.model.spec import Spec
from luocheck.report import document
from luocheck.report.files import replace_file
from luocheck.report.page import Part
from luocheck.report.terminal import Terminal
from luocheck.traces.answer import AuditAnswer
from luocheck.traces.parts import Captured, name_of

_STYLES = {"accepted": "good", "rejected": "bad", "undecided": "open"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options about witnesses, which are for one recording, or those of kernels that followed each other."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--witness", metavar="FILE", help="when the recording conforms, write down why: the order of the calls, and the rest"
    )
    either.add_argument(
        "--check-witness", metavar="FILE", help="check such a file with the reference interpreter alone, in the place of an audit"
    )


def refuse_several(args: argparse.Namespace, captured: Sequence[Captured]) -> None:
    """Raises UsageError for a witness of recordings that have nothing to do with each other."""
    if (args.witness is not None or args.check_witness is not None) and len(captured) > 1:
        raise UsageError(
            "a witness is about one recording, and those of the kernels that followed (--kernel-b)",
            "luocheck audit SPEC CAPTURE --witness FILE",
        )


def write(path: str | None, answer: AuditAnswer) -> None:
    """Writes the witness of an answer that has one.  Raises SpecError LUO610."""
    if path is None:
        return
    if answer.witness is None:
        why = answer.unwitnessed or f"the verdict is {answer.verdict.value}"
        print(f"luocheck: no witness is written, {why}", file=sys.stderr)
        return
    from luocheck.traces.witness import dump

    try:
        replace_file(path, json.dumps(dump(answer.witness), indent=1) + "\n")
    except (OSError, ValueError) as error:
        fail("LUO610", f"the witness cannot be written: {getattr(error, 'strerror', None) or error}", nowhere(path))


def check(args: argparse.Namespace, captured: Sequence[Captured], spec: Spec, terminal: Terminal) -> int:
    """Checks a witness.  Raises SpecError LUO700, LUO730, LUO732."""
    from luocheck.traces.witness import read
    from luocheck.traces.witness_check import check_witness

    refuse_several(args, captured)
    captures: list[Captured] = [*captured, *args.kernel_b]
    capture = " then ".join(map(name_of, captures))
    with Interrupts() as interrupts:
        witness = read(args.check_witness)
        checked = check_witness(spec, witness, [file_of(captures[0]), *captures[1:]], args.check_witness, lambda: interrupts.reason)
    verdict = "accepted" if checked.accepted else "undecided" if checked.undecided else "rejected"
    if args.json:
        made = document.document(
            "audit",
            witness=args.check_witness,
            spec=spec.name,
            capture=capture,
            verdict=verdict,
            calls=checked.calls,
            steps=checked.steps,
            states=checked.states,
            reason=checked.gap or "",
            step=checked.step,
        )
        terminal.document(made)
    else:
        page = terminal.page()
        page.add(Part(args.check_witness, "title"), f": {checked.steps:,} steps for {checked.calls:,} calls of {capture}")
        if checked.gap is not None:
            place = "" if checked.step is None else f"step {checked.step} ({witness.all_steps[checked.step - 1].event}): "
            page.wrap("  error[LUO731]: ", f"{place}{printable(checked.gap)}", "    ", style="bad")
        page.add("  witness ", Part(verdict, _STYLES[verdict]), f" by the reference interpreter with {spec.name}")
        terminal.show(page)
    return FINE if checked.accepted else UNDECIDED if checked.undecided else UNEXPECTED
