"""Reports into files: whole or not at all, except JSON Lines, which grow while the audit runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import TextIO

from luocheck.model.diagnostics import Diagnostic
from luocheck.model.source import Source, Span
from luocheck.report import audit as single
from luocheck.report import document
from luocheck.report.audits.audited import Audited, Audits
from luocheck.report.audits.lines import lines
from luocheck.report.files import replace_file

STDOUT = "-"
LINES = "jsonl"


def as_json(audits: Audits) -> str:
    """The document that `--json` prints."""
    made = [
        single.audit(each.answer) if each.answer is not None else document.errors("audit", each.problems) for each in audits.results
    ]
    return json.dumps(made[0] if len(made) == 1 else document.several("audit", made), indent=2) + "\n"


_MODULES = ("html", "junit", "markdown", "mermaid", "perfetto", "sarif")
TRAILS = ("html", "perfetto")
"""Formats that tell what was known after each call (`AuditAnswer.trail`)."""

FORMATS = (*sorted([*_MODULES, "json", LINES]),)


def written(format: str, audits: Audits) -> str:
    """A report that is written at the end, when everything is known.  Its module is imported when it is first needed."""
    if format == "json":
        return as_json(audits)
    assert format in _MODULES, format
    writer: Callable[[Audits], str] = getattr(import_module(f"luocheck.report.audits.{format}"), format)
    return writer(audits)


@dataclass(frozen=True, slots=True)
class Target:
    """A report that was asked for.  file: STDOUT for standard output."""

    format: str
    file: str


@dataclass(slots=True)
class Reports:
    """The reports of one run.  out: writes a report to standard output.  problems: LUO610 for each that could not be written."""

    targets: tuple[Target, ...]
    spec: str
    out: Callable[[str], None]
    problems: list[Diagnostic] = field(default_factory=list)
    _open: dict[str, TextIO | None] = field(default_factory=dict)

    def established(self, each: Audited) -> None:
        """One capture is done: its JSON Lines are written."""
        for target in self.targets:
            if target.format != LINES:
                continue
            text = "".join(lines(self.spec, each))
            if target.file == STDOUT:
                self.out(text)
            else:
                self._append(target.file, text)

    def finished(self, audits: Audits) -> None:
        """All are done: the other reports are written."""
        for target in self.targets:
            if target.format == LINES:
                if target.file != STDOUT:
                    self._append(target.file, "")  # there is a file also when there is nothing to tell
                continue
            text = written(target.format, audits)
            if target.file == STDOUT:
                self.out(text)
                continue
            try:
                replace_file(target.file, text)
            except (OSError, ValueError) as error:
                self._refused(target.file, error)
        for file in self._open.values():
            if file is not None:
                with suppress(OSError):
                    file.close()

    def _append(self, path: str, text: str) -> None:
        """None in `_open`: it failed before, and that was told."""
        try:
            if path not in self._open:
                self._open[path] = None
                self._open[path] = open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115 (closed in `finished`)
            file = self._open[path]
            if file is not None:
                file.write(text)
                file.flush()
        except (OSError, ValueError) as error:
            self._open[path] = None
            self._refused(path, error)

    def _refused(self, path: str, error: OSError | ValueError) -> None:
        why = getattr(error, "strerror", None) or str(error)
        self.problems.append(Diagnostic("LUO610", f"the report cannot be written: {why}", Span(Source(path, ""), 0, 0)))
