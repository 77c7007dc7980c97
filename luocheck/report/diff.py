"""The answer of `diff`, as text and as a document: what is declared otherwise, what became of the claims, and the calls that differ."""

from __future__ import annotations

from collections.abc import Sequence

from luocheck.checker.diff.behaviour import Direction, Distinction
from luocheck.checker.diff.compare import DiffAnswer
from luocheck.checker.diff.declarations import Declared, Line
from luocheck.checker.diff.verdicts import WORSE, Change, Compared
from luocheck.model.answer import Result, Verdict
from luocheck.report import document as documents
from luocheck.report.page import Page, Part

_SIGNS = {"added": "+", "removed": "-", "changed": "~", "renamed": "~"}
_STYLES = {"no-worse": "good", "worse": "bad", "undecided": "open"}
_SAID = {"no-worse": "nothing is worse", "worse": "WORSE", "undecided": "undecided"}
MOST_LINES = 12
"""Statements of one body that the text shows; the document has all."""


def write(page: Page, answer: DiffAnswer) -> None:
    """The whole report."""
    page.add(Part(f"{answer.old.name} -> {answer.new.name}", "title"))
    for name, scope in ((answer.old.name, answer.scope), (answer.new.name, answer.new_scope)):
        if name == answer.old.name or scope.sizes != answer.scope.sizes:
            page.wrap(f"  scope {scope.name} of {name}: ", " ".join(f"{sort}={size}" for sort, size in scope.sizes))
    page.blank()
    _shout(page, answer)
    _declarations(page, answer.declarations)
    _claims(page, answer)
    page.add(Part("what user space can tell apart", "title"))
    _direction(page, answer.forward, answer.old.name, answer.new.name)
    _direction(page, answer.backward, answer.new.name, answer.old.name)
    for text in answer.left_out:
        page.wrap("  not compared: ", text, style="dim")
    page.blank()
    why = f" ({answer.stopped})" if answer.stopped is not None else ""
    counts = {change: sum(each.change is change for each in answer.claims) for change in Change}
    told = ", ".join(f"{count} {change.value}" for change, count in counts.items() if count)
    page.add(
        Part(f"{answer.old.name} -> {answer.new.name}: {_SAID[answer.verdict]}", _STYLES[answer.verdict]),
        f"{why}; claims: {told or 'none'}; exit status {answer.exit_status}",
    )


def _shout(page: Page, answer: DiffAnswer) -> None:
    """What can no longer happen: claims about it hold for that reason alone."""
    for name in answer.lost_reachable:
        page.wrap("LOST: ", f"`{name}` is no longer reached", style="bad")
    for name in answer.dead_events:
        page.wrap("DEAD: ", f"{name} can never happen any more; what is claimed about it holds for that reason alone", style="bad")
    for text in answer.dead_lines:
        page.wrap("never fires in the new spec: ", text, style="open")
    page.blank()


def _declarations(page: Page, every: Sequence[Declared]) -> None:
    page.add(Part("declarations", "title"))
    if not every:
        page.add("  no difference")
    quiet: dict[tuple[str, str], list[str]] = {}
    for each in every:
        if each.change in ("added", "removed"):
            quiet.setdefault((each.what, each.change), []).append(each.name)
    for (what, change), names in quiet.items():
        page.wrap(f"  {_SIGNS[change]} {what}  ", ", ".join(names))
    for each in every:
        if each.change in ("added", "removed"):
            continue
        page.wrap(f"  {_SIGNS[each.change]} {each.what} {each.name}  ", "; ".join(each.details), " " * 8)
        _lines(page, "-", each.went, each.name)
        _lines(page, "+", each.came, each.name)
    page.blank()


def _lines(page: Page, sign: str, lines: Sequence[Line], name: str) -> None:
    for line in lines[:MOST_LINES]:
        label = f"{line.label}: " if line.label is not None and not line.text.startswith(f"{line.label}:") else ""
        where = f"   in {line.place}" if line.place != name else ""
        page.wrap(f"      {sign} ", f"{label}{line.text}{where}", " " * 12)
    if len(lines) > MOST_LINES:
        page.add(f"      {sign} ... and {len(lines) - MOST_LINES} more")


# ---- claims ---------------------------------------------------------------------------------------------------------


def _claims(page: Page, answer: DiffAnswer) -> None:
    page.add(Part("claims", "title"))
    rows = [[Part("  "), Part("PROPERTY", "dim"), Part(answer.old.name, "dim"), Part(answer.new.name, "dim"), Part("", "dim")]]
    quiet = 0
    for each in answer.claims:
        if each.change is Change.KEPT and not each.reworded and _result(each.old) == _result(each.new):
            quiet += 1
            continue
        style = "bad" if each.change in WORSE else "good" if each.change is Change.FIXED else ""
        mark = {"bad": "!!", "good": "ok"}.get(style, "??" if each.change is Change.UNDECIDED else "--")
        name = each.name if each.new_name in (None, each.name) else f"{each.name} ({each.new_name})"
        said = each.change.value + ("; the claim does not say the same" if each.reworded else "")
        rows.append([Part(mark, style), Part(name), Part(_result(each.old)), Part(_result(each.new)), Part(said, style)])
    if len(rows) > 1:
        page.table(rows, "  ")
    if quiet:
        page.add(f"  {quiet} {'claims are' if quiet > 1 else 'claim is'} kept, with the same verdict")
    page.blank()


def _result(verdict: Verdict | None) -> str:
    """A verdict in a word or two."""
    if verdict is None:
        return "-"
    calls = f" in {verdict.witness.calls}" if verdict.witness is not None else ""
    return {Result.UNREACHED: "not reached"}.get(verdict.result, verdict.result.value + calls)


# ---- sequences ------------------------------------------------------------------------------------------------------


def _direction(page: Page, direction: Direction, left: str, right: str) -> None:
    head = f"  {left} can do, {right} cannot: "
    found = direction.distinction
    if found is None:
        page.wrap(head, _nothing(direction, right))
        return
    calls = f"{found.calls} call{'s' if found.calls != 1 else ''}"
    page.wrap(head, f"{calls}; no shorter sequence is like this", style="title")
    if found.witness.graph:
        page.wrap("    graph: ", ", ".join(f"{a} -> {b}" for a, b in found.witness.graph))
    if found.witness.given:
        page.wrap("    given: ", ", ".join(found.witness.given))
    for number, (step, seen) in enumerate(zip(found.witness.steps, found.seen, strict=True), start=1):
        marks = [] if seen else ["unseen"]
        marks += ["fault"] if step.faults else []
        page.wrap(f"    {number:>2}  ", step.text + (f"  ({', '.join(marks)})" if marks else ""), " " * 10)
    page.wrap(f"    {right}: ", _instead(found))


def _instead(found: Distinction) -> str:
    if not found.allowed:
        return "the last call cannot be made there"
    return "the last call returns " + " or ".join(found.allowed)


def _nothing(direction: Direction, right: str) -> str:
    if direction.stopped is not None:
        text = f"nothing within {direction.depth} calls; {direction.stopped}"
    elif direction.complete and direction.cut:
        text = "nothing that this scope can show, however many calls"
    elif direction.complete:
        text = "nothing in this scope, however many calls"
    else:
        text = f"nothing within {direction.depth} calls"
    text += f" ({direction.pairs:,} pairs)"
    if direction.cut:
        text += f"; {direction.cut:,} times the scope was too small to say what {right} does, and the sequence was not followed"
    return text


# ---- JSON -----------------------------------------------------------------------------------------------------------


def document(answer: DiffAnswer) -> documents.Document:
    """The document of `diff`."""
    return documents.document(
        "diff",
        old=answer.old.name,
        new=answer.new.name,
        old_file=answer.old.source.name,
        new_file=answer.new.source.name,
        scope={"old": documents.scope(answer.scope), "new": documents.scope(answer.new_scope)},
        verdict=answer.verdict,
        stopped=answer.stopped,
        seconds=round(answer.seconds, 3),
        declarations=[_declared(each) for each in answer.declarations],
        properties=[_compared(each) for each in answer.claims],
        lost_reachable=list(answer.lost_reachable),
        dead_events=list(answer.dead_events),
        dead_lines=list(answer.dead_lines),
        depth=answer.depth,
        distinguishing=[
            _distinguishing("old", answer.forward, answer.old.name),
            _distinguishing("new", answer.backward, answer.new.name),
        ],
        left_out=list(answer.left_out),
    )


def _declared(each: Declared) -> documents.Document:
    return {
        "what": each.what,
        "name": each.name,
        "change": each.change,
        "details": list(each.details),
        "went": [_line(line) for line in each.went],
        "came": [_line(line) for line in each.came],
    }


def _line(line: Line) -> documents.Document:
    span = line.span
    return {"place": line.place, "label": line.label, "text": line.text, "file": span.source.name, "line": span.line}


def _compared(each: Compared) -> documents.Document:
    return {
        "name": each.name,
        "new_name": each.new_name,
        "kind": each.kind,
        "change": each.change.value,
        "reworded": each.reworded,
        "old": _verdict(each.old),
        "new": _verdict(each.new),
    }


def _verdict(verdict: Verdict | None) -> documents.Document | None:
    if verdict is None:
        return None
    return {
        "result": verdict.result.value,
        "method": verdict.method,
        "calls": verdict.witness.calls if verdict.witness is not None else None,
        "note": verdict.note,
        "witness": documents.witness(verdict.witness) if verdict.witness is not None else None,
    }


def _distinguishing(only: str, direction: Direction, name: str) -> documents.Document:
    """only: which spec has the sequence; `old` and `new` say what the last call returns in each."""
    found = direction.distinction
    mine: list[str] = []
    if found is not None:
        last = found.witness.steps[-1]
        mine = [last.outcome + (f" gives {last.gives[1]}" if last.gives is not None else "")]
    theirs = list(found.allowed) if found is not None else []
    return {
        "only": only,
        "spec": name,
        "found": found is not None,
        "calls": [documents.step(step) for step in found.witness.steps] if found is not None else [],
        "seen": list(found.seen) if found is not None else [],
        "graph": [list(edge) for edge in found.witness.graph] if found is not None else [],
        "given": list(found.witness.given) if found is not None else [],
        "old": mine if only == "old" else theirs,
        "new": theirs if only == "old" else mine,
        "depth": direction.depth,
        "complete": direction.complete,
        "pairs": direction.pairs,
        "cut": direction.cut,
        "unmatched": direction.unmatched,
        "stopped": direction.stopped,
    }
