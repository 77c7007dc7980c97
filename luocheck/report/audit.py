"""The answer of an audit, as text and as a document."""

from __future__ import annotations

from luocheck.report import document
from luocheck.report.page import Page, Part
from luocheck.traces.answer import AuditAnswer, Conformance, Finding
from luocheck.versions import known

_STYLE = {Conformance.CONFORMS: "good", Conformance.VIOLATED: "bad", Conformance.INCONCLUSIVE: "open"}


def show(page: Page, answer: AuditAnswer) -> None:
    """What was read, each finding with what was allowed, the evidence notes, and the verdict as the last line."""
    page.add(
        Part(answer.capture, "title"),
        f": {answer.format}, {answer.events:,} events in {answer.lines:,} lines, {answer.calls:,} calls",
    )
    for finding in answer.findings:
        _finding(page, finding, answer)
    for note in answer.notes:
        place = "" if note.line is None else f"line {note.line}: "
        page.wrap("  note: ", f"[{note.code}] {place}{note.text}")
    page.wrap(
        "  ",
        f"explained {answer.explained:,} of {answer.calls:,} calls; {_states(answer.states)} at the end"
        + (f"; taken to begin with {answer.beginning.value}" if answer.beginning is not None else "")
        + (f"; needs {answer.inserted:,} unrecorded calls" if answer.inserted else ""),
    )
    verdict = Part(answer.verdict.value, _STYLE[answer.verdict])
    page.add("  verdict ", verdict, f" with {answer.spec}")
    if answer.reason:
        page.wrap("    ", answer.reason)


def _states(count: int) -> str:
    return "1 state agrees" if count == 1 else f"{count:,} states agree"


def _finding(page: Page, finding: Finding, answer: AuditAnswer) -> None:
    page.add(Part(f"  error[LUO701]: {finding.event} returned {finding.observed}, and that is not allowed", "bad"))
    page.add(f"    --> {finding.file}:{finding.line}")
    page.wrap("    ", finding.message)
    if finding.certain:
        page.wrap("    allowed in every state:  ", ", ".join(finding.certain))
    rest = [each for each in finding.allowed if each not in finding.certain]
    if rest:
        page.wrap("    allowed in some states:  ", ", ".join(rest))
    if not finding.allowed:
        page.wrap("    allowed:  ", "the call cannot be made there at all")
    page.add(f"    core: line{'s' if len(finding.core) > 1 else ''} {', '.join(str(line) for line in finding.core)}")


def audit(answer: AuditAnswer) -> document.Document:
    """The document of one capture."""
    return document.document(
        "audit",
        spec=answer.spec,
        capture=answer.capture,
        format=answer.format,
        verdict=answer.verdict.value,
        calls=answer.calls,
        explained=answer.explained,
        states=answer.states,
        losses=answer.losses,
        inserted=answer.inserted,
        beginning=answer.beginning.name.lower() if answer.beginning is not None else None,
        reason=answer.reason,
        events=answer.events,
        lines=answer.lines,
        seconds=round(answer.seconds, 3),
        findings=[
            {
                "code": "LUO701",
                "file": each.file,
                "line": each.line,
                "event": each.event,
                "observed": each.observed,
                "allowed": list(each.allowed),
                "certain": list(each.certain),
                "states": each.states,
                "core": list(each.core),
                "message": each.message,
            }
            for each in answer.findings
        ],
        notes=[{"code": note.code, "line": note.line, "message": note.text} for note in answer.notes],
    )


def show_which(page: Page, answers: list[AuditAnswer]) -> None:
    """What each spec says about one recording, the best explanation first."""
    page.add("")
    page.add("which version is it?")
    rows = [
        (
            Part(each.spec, "title"),
            Part(each.verdict.value, _STYLE[each.verdict]),
            Part(f"{known(each):,} of {each.calls:,} calls known" if known(each) else "no call known"),
            Part(f"line {each.findings[0].line} not allowed" if each.findings else ""),
        )
        for each in answers
    ]
    page.table(rows, "  ")


def which(answers: list[AuditAnswer]) -> document.Document:
    """The same as a field of a document."""
    return {
        "which": [
            {
                "spec": each.spec,
                "verdict": each.verdict.value,
                "calls": each.calls,
                "known": known(each),
                "explained": each.explained,
                "inserted": each.inserted,
                "line": each.findings[0].line if each.findings else None,
            }
            for each in answers
        ]
    }
