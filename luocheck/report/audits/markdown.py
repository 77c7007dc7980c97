"""Markdown for the summary of a CI step or the text of an issue: a table of captures, then the findings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from luocheck.model.diagnostics import printable
from luocheck.report.audit import before_text, found_call, known_text
from luocheck.report.audits.audited import Audited, Audits, core_calls, core_text
from luocheck.report.calls import call_text
from luocheck.traces.answer import Finding

MOST_ROWS = 500
"""Captures in the table; the worst come first."""
MOST_FINDINGS = 50

_MARKS = {"conforms": "✅", "violated": "❌", "inconclusive": "❔", "unreadable": "⚠️"}
_WORST_FIRST = ("unreadable", "violated", "inconclusive", "conforms")
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~@:$&^=-])")


def markdown(audits: Audits) -> str:
    """The report as GitHub flavoured Markdown.  Nothing that comes from a capture can be markup in it."""
    return "".join(f"{line}\n" for line in _lines(audits))


def escaped(text: str) -> str:
    """Text that Markdown shows as it is (CommonMark 0.31, section 2.4: a backslash before punctuation)."""
    return _SPECIAL.sub(r"\\\1", printable(text)).replace("www.", "www\\.")


def _lines(audits: Audits) -> Iterator[str]:
    yield f"## luocheck audit: {escaped(audits.spec.name)}"
    yield ""
    yield f"{audits.counts}."
    yield ""
    yield "| | capture | verdict | calls explained | findings | why |"
    yield "|---|---|---|---|---|---|"
    rows = sorted(audits.results, key=lambda each: _WORST_FIRST.index(each.outcome))
    yield from (_row(each) for each in rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        yield f"| | and {len(rows) - MOST_ROWS:,} more | | | | |"
    findings = [(each, finding) for each in rows for finding in each.findings]
    for each, finding in findings[:MOST_FINDINGS]:
        yield ""
        yield from _finding(each, finding)
    if len(findings) > MOST_FINDINGS:
        yield ""
        yield f"And {len(findings) - MOST_FINDINGS:,} more findings."


def _row(each: Audited) -> str:
    answer = each.answer
    if answer is None:
        why = "; ".join(problem.message for problem in each.problems)
        return f"| {_MARKS[each.outcome]} | {escaped(each.capture)} | unreadable | | | {escaped(why)} |"
    explained = f"{answer.explained:,} of {answer.calls:,}"
    why = answer.reason or "; ".join(f"line {finding.line}" for finding in answer.findings[:3])
    return (
        f"| {_MARKS[each.outcome]} | {escaped(each.title)} | {answer.verdict.value} | {explained} | {len(answer.findings)} | "
        f"{escaped(why)} |"
    )


def _finding(each: Audited, finding: Finding) -> Iterator[str]:
    assert each.answer is not None
    yield f"### {escaped(finding.place)}"
    yield ""
    yield f"**{finding.rule}** {escaped(finding.message)}"
    yield ""
    call = found_call(each.answer, finding)
    if call is not None:
        yield f"- call: {escaped(call_text(call))}"
    yield f"- before: {escaped(before_text(finding))}"
    if finding.known:
        yield f"- known: {escaped(known_text(finding))}"
    yield f"- allowed: {escaped(', '.join(finding.allowed) or 'the call cannot be made there at all')}"
    if finding.edited:
        yield f"- nearest: {escaped(finding.edited)}"
    yield "- core:"
    for line, core in core_calls(each.answer, finding):
        yield f"  - line {line}: {escaped(core_text(core))}"
