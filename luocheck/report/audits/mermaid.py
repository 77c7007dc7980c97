"""Mermaid sequence diagrams of the cores of findings: who called what, and where that stops being possible."""

from __future__ import annotations

import re
from collections.abc import Iterator

from luocheck.model.diagnostics import printable
from luocheck.report.audit import headline, states_text
from luocheck.report.audits.audited import Audited, Audits, core_calls
from luocheck.report.calls import caller_text, given_text, name_text, result_text
from luocheck.traces.answer import AuditAnswer, Finding
from luocheck.traces.call import Call

MOST_FINDINGS = 20
"""Findings in one diagram."""
MOST_KNOWN = 6
MOST_TEXT = 100

_SPECIAL = re.compile(r"[#;<>\"%{}\[\]|\\&`]")


def mermaid(audits: Audits) -> str:
    """The report as one `sequenceDiagram`, the findings one below the other."""
    found = [(each, each.answer, finding) for each in audits.results if each.answer is not None for finding in each.findings]
    shown = found[:MOST_FINDINGS]
    callers = {key: name for _, answer, finding in shown for key, name in _callers(answer, finding)}
    lines = ["sequenceDiagram"]
    lines += [f"    participant {key} as {escaped(f'process {name}')}" for key, name in sorted(callers.items())]
    lines.append("    participant K as kernel")
    for each, answer, finding in shown:
        lines += [f"    {line}" for line in _finding(each, answer, finding)]
    if len(found) > len(shown):
        lines.append(f"    Note over K: and {len(found) - len(shown)} more findings")
    lines.append(f"    Note over K: {escaped(f'{audits.spec.name}: {audits.counts}')}")
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that Mermaid shows as it is: its own characters as `#NN;`."""
    shown = printable(text)
    shown = shown if len(shown) <= MOST_TEXT else shown[: MOST_TEXT - 3] + "..."
    return _SPECIAL.sub(lambda found: f"#{ord(found[0])};", shown)


def _callers(answer: AuditAnswer, finding: Finding) -> Iterator[tuple[str, str]]:
    for _, call in core_calls(answer, finding):
        if call is not None:
            yield _key(call), caller_text(call)


def _key(call: Call) -> str:
    return f"P{call.process}t{call.thread}"


def _finding(each: Audited, answer: AuditAnswer, finding: Finding) -> Iterator[str]:
    where = each.capture if each.title == each.capture else finding.file
    yield f"Note over K: {escaped(f'{where} line {finding.line}')}"
    seen: set[int] = set()
    for _, call in core_calls(answer, finding):
        if call is None or call.number in seen:
            continue
        seen.add(call.number)
        wrong = call.exit is not None and finding.line == call.exit.line
        if wrong:
            yield f"Note over K: {escaped(_known(finding))}"
        given = given_text(call)
        yield f"{_key(call)}->>K: {escaped(name_text(call) + (f' {given}' if given else ''))}"
        line = call.exit.line if call.exit is not None else call.enter.line
        yield f"K--{'x' if wrong else '>>'}{_key(call)}: {escaped(f'{result_text(call)} (line {line})')}"
    yield f"Note over K: {escaped(headline(finding))}"
    if finding.allowed:
        yield f"Note over K: {escaped('allowed: ' + ', '.join(finding.allowed))}"


def _known(finding: Finding) -> str:
    return states_text(finding.states) + (f": {', '.join(finding.known[:MOST_KNOWN])}" if finding.known else "")
