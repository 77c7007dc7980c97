"""`--report FORMAT:FILE` of `luocheck audit`: reports for other readers beside the answer."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from luocheck.cli.options import UsageError, complain
from luocheck.cli.status import ERROR, worst
from luocheck.model.diagnostics import Diagnostic
from luocheck.model.spec import Spec
from luocheck.report.audits.audited import Audited, Audits
from luocheck.report.audits.writing import FORMATS, STDOUT, TRAILS, Reports, Target
from luocheck.report.terminal import Terminal
from luocheck.traces.answer import AuditAnswer
from luocheck.traces.parts import Captured, name_of, sha256_of


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--report`, which can be given many times."""
    parser.add_argument(
        "--report",
        metavar="FORMAT:FILE",
        type=_target,
        action="append",
        default=[],
        dest="reports",
        help=f"also write a report of all recordings, as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}; FILE `-` is standard output, "
        "in the place of the text",
    )


def _target(text: str) -> Target:
    format, colon, file = text.partition(":")
    if format not in FORMATS:
        raise argparse.ArgumentTypeError(f"`{format}` is no format of reports; there are {', '.join(FORMATS)}")
    if not colon or not file:
        raise argparse.ArgumentTypeError(f"`{text}` names no file; write {format}:FILE, or {format}:- for standard output")
    return Target(format, file)


class Reporting:
    """Collects the answers of one run for its reports.  Raises UsageError when two of them want the same place."""

    def __init__(self, args: argparse.Namespace, spec: Spec, terminal: Terminal) -> None:
        targets: list[Target] = args.reports
        files = [each.file for each in targets]
        twice = next((file for file in files if files.count(file) > 1), None)
        if twice is not None:
            raise UsageError(f"two reports cannot both be written to `{twice}`", "luocheck audit ... --report FORMAT:FILE")
        self.takes_stdout = STDOUT in files
        if self.takes_stdout and args.json:
            raise UsageError(
                "--json and a report to `-` cannot both have standard output", "luocheck audit ... --report FORMAT:FILE"
            )
        self.spec = spec
        self.arguments: tuple[str, ...] = args.arguments
        self.results: list[Audited] = []
        self.reports = Reports(tuple(targets), spec.name, terminal.text)

    @property
    def wants_trail(self) -> bool:
        """Does a report tell what was known after each call?"""
        return any(each.format in TRAILS for each in self.reports.targets)

    def answered(self, capture: Captured, answer: AuditAnswer, file: Captured) -> None:
        """A capture was audited; file: where it lies."""
        self._add(Audited(name_of(capture), answer, (), self._sha256(file), name_of(file)))

    def refused(self, capture: Captured, problems: Sequence[Diagnostic], file: Captured) -> None:
        """A capture could not be read."""
        self._add(Audited(name_of(capture), None, tuple(problems), self._sha256(file), name_of(file)))

    def _sha256(self, file: Captured) -> str | None:
        return sha256_of(file) if self.reports.targets else None

    def _add(self, each: Audited) -> None:
        if self.reports.targets:
            self.results.append(each)
            self.reports.established(each)

    def finish(self, status: int) -> int:
        """Writes what is left to write.  The exit status: 2 when a report could not be written, else the one of the answers."""
        if not self.reports.targets:
            return status
        from luocheck import __version__

        self.reports.finished(Audits(self.spec, __version__, self.arguments, tuple(self.results), status))
        complain(self.reports.problems)
        return worst([status, ERROR]) if self.reports.problems else status
