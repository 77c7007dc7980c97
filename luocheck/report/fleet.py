"""The audit of many captures, as text and as a document: each capture, then one table of what is the same in many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from luocheck.fleet import WORST_FIRST, AuditedCapture, FleetAnswer, without_numbers
from luocheck.report import audit as single
from luocheck.report import document as documents
from luocheck.report.page import Page, Part

_MARKS = {"conforms": Part("ok", "good"), "violated": Part("!!", "bad"), "error": Part("!!", "bad")}
_STYLES = {"conforms": "good", "violated": "bad", "error": "bad", "inconclusive": "open"}
MOST_SKIPPED = 5
"""Reasons for which files were skipped, in the text."""


def write(page: Page, answer: FleetAnswer, *, summary: bool, timings: bool) -> None:
    """The whole report.  summary: without what came of each capture."""
    if not summary:
        for each in answer.captures:
            _capture(page, each)
            if timings:
                page.add(Part(f"  {each.seconds:.1f} s", "dim"))
            page.blank()
    for text in dict.fromkeys(problem.rendered for problem in answer.problems):
        _rendered(page, text)
    rows = [[Part("  "), *(Part(title, "dim") for title in ("VERDICT", "CAPTURES", "RULE", "WHAT"))]]
    for group in answer.groups:
        what = f"{group.what}; the first: {group.place or group.first}" if group.what else ""
        mark = _MARKS.get(group.outcome, Part("??", "open"))
        rows.append([mark, *map(Part, (group.outcome, f"{group.captures:,}", group.rule, what))])
    if answer.groups:
        page.table(rows, "  ")
        page.blank()
    for why, count, name in _reasons(answer):
        page.wrap("  skipped: ", f"{count:,} {why}, the first: {name}" if count > 1 else f"{name}: {why}", style="dim")
    page.blank()
    page.add(*_verdict(answer, timings))


def _capture(page: Page, each: AuditedCapture) -> None:
    if each.answer is not None:
        single.show(page, each.answer)
    elif each.problems:
        for problem in each.problems:
            _rendered(page, problem.rendered)
    else:
        page.add(Part(each.name, "title"), f": {each.lost or 'not audited'}")


def _rendered(page: Page, text: str) -> None:
    page.lines += [(Part(line),) for line in text.split("\n")]
    page.blank()


def _reasons(answer: FleetAnswer) -> Iterator[tuple[str, int, str]]:
    """Why files were skipped, how many, and the first of them."""
    reasons = [without_numbers(each.why) for each in answer.skipped]
    counted = sorted(Counter(reasons).items(), key=lambda each: (-each[1], each[0]))
    for why, count in counted[:MOST_SKIPPED]:
        yield why, count, answer.skipped[reasons.index(why)].path
    if len(counted) > MOST_SKIPPED:
        rest = counted[MOST_SKIPPED:]
        yield "for other reasons", sum(count for _, count in rest), answer.skipped[reasons.index(rest[0][0])].path


def _verdict(answer: FleetAnswer, timings: bool) -> list[str | Part]:
    total = len(answer.captures)
    counts = [f"{answer.count(outcome):,} {_words(outcome)}" for outcome in reversed(WORST_FIRST) if answer.count(outcome)]
    skipped = f"; {len(answer.skipped):,} skipped" if answer.skipped else ""
    seconds = f" in {answer.seconds:.1f} s" if timings else ""
    return [
        Part(f"audit: {answer.verdict}", _STYLES[answer.verdict]),
        f" with {answer.spec}; {total:,} capture{'' if total == 1 else 's'}: {', '.join(counts) or 'none'}{skipped}{seconds};"
        f" exit status {answer.exit_status}",
    ]


def _words(outcome: str) -> str:
    return {"error": "unreadable", "conforms": "conform"}.get(outcome, outcome)


# ---- the document ---------------------------------------------------------------------------------------------------


def document(answer: FleetAnswer, *, summary: bool, timings: bool) -> documents.Document:
    """The document.  Without timings it is the same each time."""
    return documents.document(
        "audit",
        results=[] if summary else list(_results(answer.captures, timings)),
        summary={
            "spec": answer.spec,
            "verdict": answer.verdict,
            "captures": len(answer.captures),
            "counts": {outcome.replace(" ", "_"): answer.count(outcome) for outcome in WORST_FIRST},
            "groups": [
                {
                    "outcome": each.outcome,
                    "rule": each.rule or None,
                    "what": each.what,
                    "captures": each.captures,
                    "first": each.first,
                    "file": each.place.file if each.place is not None else None,
                    "line": each.line,
                }
                for each in answer.groups
            ],
            "skipped": [{"file": each.path, "why": each.why} for each in answer.skipped],
            "lost": [{"capture": each.name, "why": each.lost} for each in answer.captures if each.outcome == "lost"],
            "not_run": [each.name for each in answer.captures if each.outcome == "not run"],
            "problems": [documents.written(each) for each in answer.problems],
            "seconds": round(answer.seconds, 3) if timings else None,
        },
    )


def _results(captures: Iterable[AuditedCapture], timings: bool) -> Iterator[documents.Document]:
    for each in captures:
        if each.answer is not None:
            made = {key: value for key, value in single.audit(each.answer).items() if key != "schema"}
            yield {**made, "seconds": round(each.seconds, 3) if timings else None}
        elif each.problems:
            yield {"command": "audit", "errors": [documents.written(problem) for problem in each.problems]}
