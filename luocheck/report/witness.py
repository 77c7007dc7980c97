"""A witness told to a person: the calls one after the other, what each changed and what happened inside of it, and why that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from luocheck.model.answer import Change, Clause, Happening, Result, Step, Verdict, Witness
from luocheck.model.diagnostics import marked_line
from luocheck.model.ir.system import System
from luocheck.model.source import Span
from luocheck.report.page import Page, Part

_MEANING = {"calls": "calls", "faults": "faults", "elements": "elements", "edges": "graph edges"}


def tell(page: Page, system: System, verdict: Verdict, replay: str) -> None:
    """The whole story of a verdict that has a witness.  `replay` is the command that plays it again, or empty."""
    witness = verdict.witness
    assert witness is not None
    bad = verdict.as_expected is False
    style = "bad" if bad else "title"
    said = "" if verdict.as_expected is None else (" unexpectedly" if bad else " as expected")
    page.add(Part(f"{verdict.property} {verdict.text}{said}", style))
    if verdict.doc:
        page.wrap("  ", verdict.doc, style="dim")
    place = f"topology {witness.topology}" if witness.topology is not None else f"scope {witness.scope}"
    page.wrap("  in ", place)
    if witness.graph:
        names = "/".join(graph.name for graph in system.graphs)
        page.wrap(f"  {names}: ", ", ".join(f"{a} -> {b}" for a, b in witness.graph))
    if witness.given:
        page.wrap("  given: ", ", ".join(witness.given))
    if witness.loop is None:
        steps(page, witness.steps)
    else:
        _lasso(page, witness, witness.loop)
    why(page, witness.clauses, verdict)
    if witness.minimal:
        page.wrap("  proved minimal: ", _minimal(witness), style="dim")
    if replay:
        page.add("  replay: ", replay)
    page.blank()


def _lasso(page: Page, witness: Witness, loop: int) -> None:
    """A run that goes on for ever: the way into its loop, and the loop."""
    steps(page, witness.steps[:loop], of=witness.calls)
    if loop < witness.calls:
        page.wrap("  for ever: ", "the following, again and again", style="open")
        steps(page, witness.steps[loop:], first=loop + 1, of=witness.calls)
    else:
        page.wrap("  for ever: ", "nothing; nobody who is assumed to act can", style="open")


def steps(page: Page, calls: Sequence[Step], first: int = 1, of: int | None = None) -> None:
    """Numbered calls, each with what happened inside and what it changed.  `of`: how many there are in all."""
    width = len(str(len(calls) if of is None else of))
    for number, step in enumerate(calls, start=first):
        again = " (goes on)" if step.resumed else ""
        fault = " (fault)" if step.faults else ""
        page.wrap(f"  {number:>{width}}  ", f"{step.text}{again}{fault}", " " * (width + 8))
        indent = " " * (width + 6)
        happenings(page, indent, step.happenings)
        changes(page, indent, step.changes)


def changes(page: Page, indent: str, changed: Iterable[Change]) -> None:
    """What changed, the fields of one element on one line."""
    by_owner: dict[str, list[str]] = {}
    for change in changed:
        owner = _owner(change)
        by_owner.setdefault(owner, []).append(f"{_field(change, owner)} {change.before} -> {change.after}")
    for owner, texts in by_owner.items():
        page.wrap(f"{indent}{owner}: " if owner else indent, ", ".join(texts), indent + "  ", style="dim")


def _owner(change: Change) -> str:
    found = re.fullmatch(r"(\w+)\.\w+", change.place)
    return found.group(1) if found else ""


def _field(change: Change, owner: str) -> str:
    return change.place.removeprefix(f"{owner}.") if owner else change.place


def happenings(page: Page, indent: str, happened: Sequence[Happening]) -> None:
    """Walks with the elements they visited and the one that failed, rollbacks, errnos raised, kexec."""
    groups = [list(group) for _, group in groupby(happened, key=lambda h: (h.what, h.text))]
    position = 0
    while position < len(groups):
        group = groups[position]
        place = group[0].span
        text = _told(group)
        position += 1
        if group[0].what == "visit" and position < len(groups):
            fail = groups[position][0]
            if fail.what == "fail" and fail.text == group[0].text:  # the step of the last element failed
                ok = "".join(f"{h.detail} ok, " for h in group[:-1])
                text, place = f"walk {fail.text}: {ok}{group[-1].detail} fails with {fail.detail}", fail.span
                position += 1
        page.wrap(indent, f"{text} ({_place(place)})", indent + "  ")


def _told(group: Sequence[Happening]) -> str:
    first = group[0]
    details = ", ".join(h.detail for h in group if h.detail)
    match first.what:
        case "visit":
            return f"walk {first.text}: {details} ok"
        case "undo":
            return f"rollback of {first.text}: {details}"
        case "fail":
            return f"{first.text} fails with {details}"
        case "kexec":
            return "kexec"
        case "broken":
            return f"assert {first.text}: {'; '.join(h.detail for h in group)}"
    return f"{first.what} {first.text} {details}"


def why(page: Page, clauses: Sequence[Clause], verdict: Verdict) -> None:
    if not clauses:
        return
    lasso = verdict.witness is not None and verdict.witness.loop is not None
    head = "where this begins:" if lasso else "reached because:" if verdict.result is Result.REACHED else "broken because:"
    page.add(f"  {head}")
    for _, group in groupby(clauses, key=lambda clause: (clause.span.source, clause.span.line)):
        labels = []
        for clause in group:
            bound = ", ".join(f"{name} = {value}" for name, value in clause.bindings)
            labels.append((clause.span, f"{clause.value}{' for ' + bound if bound else ''}"))
        source(page, labels)


def source(page: Page, marks: Sequence[tuple[Span, str]]) -> None:
    """A line of a text with carets under the marked places, and their labels."""
    first = marks[0][0]
    margin = " " * len(str(first.line))
    page.add(f"    {margin}--> {first.source.name}:{first.line}")
    for number, (span, label) in enumerate(marks):
        line, carets = marked_line(span, "", len(margin))
        if number == 0:
            page.lines.append((Part("    " + line),))
        if len(carets) + len(label) + 5 <= page.width:
            page.lines.append((Part("    " + carets), Part(" " + label, "open")))
        else:
            page.lines.append((Part("    " + carets),))
            page.wrap(f"    {margin} |   ", label, style="open")


def _place(span: Span) -> str:
    return f"{span.source.name.rpartition('/')[2]}:{span.line}"


def _minimal(witness: Witness) -> str:
    """`no run has fewer calls; of those, none fewer faults, ...`"""
    first, *rest = (_MEANING[each] for each in witness.minimal)
    text = f"no such run has fewer {first}"
    return text + (f"; among those with as few, none has fewer {', then '.join(rest)}" if rest else "")
