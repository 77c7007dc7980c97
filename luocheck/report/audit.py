"""The answer of an audit, as text and as a document."""

from __future__ import annotations

from luocheck.report import document
from luocheck.report.calls import call_text, caller_text, has_seconds, time_text
from luocheck.report.page import Page, Part
from luocheck.traces.answer import AuditAnswer, Conformance, Finding
from luocheck.traces.call import Call, Recording
from luocheck.versions import known

PROMISE = "LUO712"
"""The rule of findings about promises."""

MOST_TOLD = 160
"""Characters of one value that is known, in reports for people."""

_STYLE = {Conformance.CONFORMS: "good", Conformance.VIOLATED: "bad", Conformance.INCONCLUSIVE: "open"}


def show(page: Page, answer: AuditAnswer) -> None:
    """What was read, each finding with what was allowed, the evidence notes, and the verdict as the last line."""
    page.add(
        Part(answer.capture, "title"),
        f": {answer.format}, {answer.events:,} events in {answer.lines:,} lines, {answer.calls:,} calls",
    )
    for each in answer.findings:
        _finding(page, each, answer)
    for note in answer.notes:
        place = "" if note.line is None else f"line {note.line}: "
        page.wrap("  note: ", f"[{note.code}] {place}{note.text}")
    if answer.reason:
        page.wrap("  inconclusive: ", answer.reason, "    ", style="open")
    page.wrap(
        "  ",
        f"explained {answer.explained:,} of {answer.calls:,} calls; {states_text(answer.states)} at the end"
        + (f"; taken to begin with {answer.beginning.value}" if answer.beginning is not None else "")
        + (f"; needs {answer.inserted:,} unrecorded calls" if answer.inserted else "")
        + (f"; {answer.losses:,} losses" if answer.losses else ""),
    )
    verdict = Part(answer.verdict.value, _STYLE[answer.verdict])
    page.add("  verdict ", verdict, f" with {answer.spec}", _count(len(answer.findings)))


def _count(findings: int) -> str:
    return "" if findings == 0 else ", 1 finding" if findings == 1 else f", {findings:,} findings"


def states_text(count: int) -> str:
    """`1 state agrees`."""
    return "1 state agrees" if count == 1 else f"{count:,} states agree"


def is_promise(finding: Finding) -> bool:
    """Is it about a promise of the spec, and not about a call?"""
    return finding.rule == PROMISE


def headline(finding: Finding) -> str:
    """What is wrong, in one sentence."""
    if is_promise(finding):
        return f"the promise {finding.event} {'is' if finding.certainty == 'definite' else 'is perhaps'} broken"
    if not finding.allowed:
        return f"{finding.event} cannot be called here"
    return f"{finding.event} returned {finding.observed}, and that is not allowed"


def before_text(finding: Finding) -> str:
    """How many states agreed before the call, and since when it was one."""
    since = f" (since line {finding.since})" if finding.since is not None else ""
    return states_text(finding.states) + since


def known_text(finding: Finding) -> str:
    """What all of these states have in common."""
    return ", ".join(shortened(each) for each in finding.known)


def shortened(text: str) -> str:
    """A value of a field can be a list of thousands of elements; its beginning is told."""
    return text if len(text) <= MOST_TOLD else text[: MOST_TOLD - 3] + "..."


def allowed_texts(finding: Finding) -> list[tuple[str, tuple[str, ...]]]:
    """What was allowed, in every state and in some states only."""
    rest = tuple(each for each in finding.allowed if each not in finding.certain)
    in_every = "in the state" if finding.states == 1 else "in every state"
    return [(where, what) for where, what in ((in_every, finding.certain), ("in some states", rest)) if what]


def recorded_calls(answer: AuditAnswer, finding: Finding) -> tuple[Call, ...]:
    """The calls of the recording that a finding is in; none when the answer does not have it."""
    return next((each.calls for each in answer.recordings if each.name == finding.file), ())


def found_call(answer: AuditAnswer, finding: Finding) -> Call | None:
    """The call that a finding is about: by its number, else by its line."""
    calls = recorded_calls(answer, finding)
    if finding.call is not None:
        return next((call for call in calls if call.number == finding.call), None)
    return next((call for call in calls if (call.exit or call.enter).line == finding.line), None)


def _finding(page: Page, finding: Finding, answer: AuditAnswer) -> None:
    page.wrap("  ", f"error[{finding.rule}]: {headline(finding)}", "    ", style="bad")
    merged = "" if finding.origin is None else f" (line {finding.line} of {finding.file})"
    page.add(f"    --> {finding.place}{merged}")
    call = found_call(answer, finding)
    if call is not None:
        recording = next(each for each in answer.recordings if each.name == finding.file)
        _field(page, "call", f"{call_text(call)}, {_where(recording, call)}")
    _field(page, "before", before_text(finding))
    if finding.known:
        _field(page, "known", known_text(finding))
    for where, what in allowed_texts(finding):
        _field(page, "allowed", f"{', '.join(what)} ({where})")
    if not finding.allowed and not is_promise(finding):
        _field(page, "allowed", "the call cannot be made there at all")
    _field(page, "core", core_lines(finding))
    if finding.edited:
        _field(page, "nearest", finding.edited)


def core_lines(finding: Finding) -> str:
    """The lines of the core."""
    if finding.origins:
        return ", ".join(f"line {line} ({origin.short})" for line, origin in zip(finding.core, finding.origins, strict=True))
    return f"line{'s' if len(finding.core) > 1 else ''} {', '.join(str(line) for line in finding.core)}"


def _field(page: Page, name: str, text: str) -> None:
    page.wrap(f"    {name:<9}", text)


def _where(recording: Recording, call: Call) -> str:
    """Who made the call, and when."""
    seconds = has_seconds(recording)
    times = [time_text(moment, seconds) for moment in (call.enter if call.exact else None, call.exit) if moment is not None]
    shown = " to ".join(dict.fromkeys(each for each in times if each))
    return f"by process {caller_text(call)}" + (f" at {shown}{' s' if seconds else ''}" if shown else "")


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
        findings=[finding(each) for each in answer.findings],
        notes=[{"code": note.code, "line": note.line, "message": note.text} for note in answer.notes],
    )


def finding(each: Finding) -> document.Document:
    """The part of the document that is one finding."""
    return {
        "code": each.rule,
        "file": each.file,
        "line": each.line,
        "call": each.call,
        "event": each.event,
        "observed": each.observed,
        "allowed": list(each.allowed),
        "certain": list(each.certain),
        "states": each.states,
        "known": list(each.known),
        "since": each.since,
        "core": list(each.core),
        "origins": [{"file": origin.file, "line": origin.line} for origin in each.origins],
        "edit": each.edit.name.lower() if each.edit is not None else None,
        "edited": each.edited,
        "promise": each.event if is_promise(each) else None,
        "certainty": each.certainty,
        "message": each.message,
    }


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
