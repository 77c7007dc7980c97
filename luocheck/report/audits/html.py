"""One page in HTML, complete in itself: verdicts, findings, and the calls around them as lanes and as a table.

It loads nothing, is readable without JavaScript, and its content security policy forbids all scripts but its own, in case that text of a
capture should ever get past the escaping.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib import resources

from luocheck.report.audit import allowed_texts, before_text, found_call, headline, is_promise, known_text, shortened
from luocheck.report.audits.audited import Audited, Audits, core_calls, core_text
from luocheck.report.audits.html_lanes import Lanes
from luocheck.report.audits.html_text import text
from luocheck.report.audits.html_window import Window, windows
from luocheck.report.calls import call_text, call_time, caller_text, has_seconds, lines_text
from luocheck.traces.answer import AuditAnswer, Belief, Finding
from luocheck.traces.call import Call

MOST_SECTIONS = 40
"""Captures with a section of their own; the worst come first."""

_WORST_FIRST = ("unreadable", "violated", "inconclusive", "conforms")
_MARKS = {"conforms": "✓", "violated": "✗", "inconclusive": "?", "unreadable": "!"}


def html(audits: Audits) -> str:
    """The report as a page."""
    rows = sorted(enumerate(audits.results), key=lambda each: _WORST_FIRST.index(each[1].outcome))
    style, script = _file("page.css"), _file("page.js")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    title = f"luocheck audit: {audits.spec.name}"
    body = "".join(
        [
            f"<header><h1>{text(title)}</h1><p>{_verdicts(audits)}. luocheck {text(audits.version)}, "
            f"spec <code>{text(audits.spec.name)}</code>.</p></header>",
            _overview(rows) if len(rows) != 1 else "",
            *(_section(number, each) for number, each in rows[:MOST_SECTIONS]),
            f"<p>{len(rows) - MOST_SECTIONS:,} more captures are in the table only.</p>" if len(rows) > MOST_SECTIONS else "",
            _how(audits),
        ]
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>{text(title)}</title><style>{style}</style></head>\n<body><main>{body}</main>"
        f'<div id="detail" aria-live="polite" hidden></div><script>{script}</script></body></html>\n'
    )


def _file(name: str) -> str:
    return resources.files("luocheck.report.audits").joinpath(name).read_text(encoding="utf-8")


def _verdicts(audits: Audits) -> str:
    found = [outcome for outcome in _WORST_FIRST if audits.count(outcome)]
    return (
        ", ".join(f'<b class="{outcome}">{_MARKS[outcome]} {audits.count(outcome):,} {outcome}</b>' for outcome in found)
        or "no capture"
    )


def _how(audits: Audits) -> str:
    """What was asked, so that it can be asked again."""
    command = " ".join(["luocheck", *audits.arguments])
    return (
        f"<footer><p>Made by <code>{text(command)}</code>. <kbd>j</kbd> and <kbd>k</kbd> go from finding to finding.</p></footer>"
    )


def _overview(rows: list[tuple[int, Audited]]) -> str:
    out = []
    for place, (number, each) in enumerate(rows):
        answer = each.answer
        name = f'<a href="#c{number}">{text(each.capture)}</a>' if place < MOST_SECTIONS else text(each.capture)
        told = f"{answer.explained:,} of {answer.calls:,}" if answer is not None else ""
        why = answer.reason if answer is not None else "; ".join(problem.message for problem in each.problems)
        lines = ", ".join(str(finding.line) for finding in each.findings[:5])
        out.append(
            f'<tr class="{each.outcome}"><td>{_MARKS[each.outcome]} {each.outcome}</td><td>{name}</td><td class="number">{told}</td>'
            f"<td>{text(why or (f'line {lines}' if lines else ''))}</td></tr>"
        )
    head = "<tr><th>verdict</th><th>capture</th><th>calls explained</th><th>why, where</th></tr>"
    return f'<section><h2>Captures</h2><div class="scroll"><table><thead>{head}</thead><tbody>{"".join(out)}</tbody></table></div></section>'


def _section(number: int, each: Audited) -> str:
    """A capture: its facts, its findings, its calls."""
    answer = each.answer
    head = f'<section id="c{number}"><h2><span class="{each.outcome}">{_MARKS[each.outcome]} {each.outcome}</span> {text(each.title)}</h2>'
    if answer is None:
        problems = "".join(f"<li><code>{problem.code}</code> {text(problem.message)}</li>" for problem in each.problems)
        return f"{head}<ul>{problems}</ul></section>"
    key = f"c{number}"
    kernels = {
        kernel.recordings[0].name: (kernel, f"{key}-k{place}" if place else key) for place, kernel in enumerate(answer.kernels())
    }
    findings = "".join(
        _finding(answer, finding, f"{key}-f{place}", kernels[finding.file][1] if finding.file in kernels else key)
        for place, finding in enumerate(answer.findings, 1)
    )
    notes = "".join(
        f"<li><code>{note.code}</code> {f'line {note.line}: ' if note.line is not None else ''}{text(note.text)}</li>"
        for note in answer.notes
    )
    return (
        f"{head}{_facts(each, answer)}{findings}"
        f"{f'<details open><summary>Notes about the evidence</summary><ul>{notes}</ul></details>' if notes else ''}"
        f"{''.join(part for kernel, calls in kernels.values() for part in _windows(kernel, calls, key))}</section>"
    )


def _facts(each: Audited, answer: AuditAnswer) -> str:
    facts = [
        ("recording", f"{answer.format}, {answer.events:,} events in {answer.lines:,} lines"),
        (
            "explained",
            f"{answer.explained:,} of {answer.calls:,} calls; needs {answer.inserted:,} unrecorded ones; {answer.losses:,} losses",
        ),
        ("states", f"{answer.states:,} at the end"),
    ]
    if answer.beginning is not None:
        facts.append(("begins with", answer.beginning.value))
    if answer.reason:
        facts.insert(0, ("inconclusive", answer.reason))
    if each.sha256 is not None:
        facts.append(("sha256", each.sha256))
    return _list(facts)


def _list(facts: list[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in facts) + "</dl>"


def _finding(answer: AuditAnswer, finding: Finding, key: str, capture: str) -> str:
    call = found_call(answer, finding)
    facts = [("call", f"{call_text(call)}, by process {caller_text(call)}")] if call is not None else []
    facts.append(("before", before_text(finding)))
    if finding.known:
        facts.append(("known", known_text(finding)))
    facts += [("allowed", f"{', '.join(what)} ({where})") for where, what in allowed_texts(finding)]
    if not finding.allowed and not is_promise(finding):
        facts.append(("allowed", "the call cannot be made there at all"))
    if finding.edited:
        facts.append(("nearest", finding.edited))
    core = "".join(_core_line(line, each, capture) for line, each in core_calls(answer, finding))
    place = finding.place
    link = f'<a href="#{capture}-call-{call.number}">{text(place)}</a>' if call is not None else text(place)
    return (
        f'<article class="finding" id="{key}" tabindex="-1"><h3>✗ <code>{finding.rule}</code> {text(headline(finding))}</h3>'
        f"<p>{link}: {text(finding.message)}</p>{_list(facts)}<p>core, the calls that together cannot happen:</p><ol>{core}</ol></article>"
    )


def _core_line(line: int, call: Call | None, capture: str) -> str:
    place = f"line {line}" if call is None else f'<a href="#{capture}-call-{call.number}">line {line}</a>'
    return f"<li>{place} {text(core_text(call))}</li>"


# ---- the calls ------------------------------------------------------------------------------------------------------


def _windows(answer: AuditAnswer, key: str, capture: str) -> Iterator[str]:
    """The calls of one kernel.  key: prefix of the ids of its calls; capture: of those of the findings."""
    shown, after = windows(answer)
    if shown:
        yield f"<h3>Calls{f' of {text(answer.recordings[0].name)}' if answer.capture != answer.recordings[0].name else ''}</h3>"
        if not answer.trail:
            yield '<p class="dim">What was known after each call was not asked for.</p>'
    for window in shown:
        if window.before:
            yield f'<p class="gap">{window.before:,} calls are not shown</p>'
        yield f'<div class="chart">{Lanes(answer, window, key, capture).svg()}</div>'
        yield _table(answer, window, key, capture)
    if after:
        yield f'<p class="gap">{after:,} calls are not shown</p>'


def _table(answer: AuditAnswer, window: Window, key: str, capture: str) -> str:
    assert answer.recording is not None
    seconds = has_seconds(answer.recording)
    trail = {each.call: each for each in answer.trail}
    cores = [{call.number for _, call in core_calls(answer, finding) if call is not None} for finding in answer.findings]
    wrongs = {call.number for finding in answer.findings if (call := found_call(answer, finding)) is not None}
    rows = []
    for call in window.calls:
        number = call.number
        inside = [place for place, core in enumerate(cores, 1) if number in core]
        tags = "".join(f' <a class="tag" href="#{capture}-f{place}">core of {place}</a>' for place in inside)
        wrong = number in wrongs
        state = "wrong" if wrong else "refused" if call.result is not None and call.result < 0 else "fine"
        rows.append(
            f'<tr id="{key}-call-{number}" class="{state}" tabindex="-1"><td class="number">{lines_text(call)}</td>'
            f'<td class="number">{call_time(call, seconds)}</td><td class="number">{caller_text(call)}</td>'
            f"<td>{'✗ ' if wrong else ''}<code>{text(call_text(call))}</code>{tags}</td>{_known(call, trail, bool(answer.trail))}</tr>"
        )
    known = "<th>states</th><th>known from here</th>" if answer.trail else ""
    head = f"<tr><th>lines</th><th>time</th><th>process</th><th>call</th>{known}</tr>"
    return (
        f"<details open><summary>{len(window.calls):,} calls as a table</summary>"
        f'<div class="scroll"><table class="calls"><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div></details>'
    )


def _known(call: Call, trail: dict[int, Belief], asked: bool) -> str:
    if not asked:
        return ""
    each = trail.get(call.number)
    if each is None:
        return "<td></td><td></td>"
    return f'<td class="number">{each.states:,}</td><td>{"<br>".join(text(shortened(known)) for known in each.known)}</td>'
