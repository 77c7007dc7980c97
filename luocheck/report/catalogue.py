"""The answer of `catalogue`, as a table and as a document."""

from __future__ import annotations

from luocheck.checker.catalogue.entries import Place
from luocheck.checker.catalogue.running import CatalogueAnswer, Row
from luocheck.model.answer import Result
from luocheck.report import document as documents
from luocheck.report.page import Page, Part
from luocheck.report.witness import tell

_STYLES = {"as-stated": "good", "otherwise": "bad", "undecided": "open"}
_SAID = {"as-stated": "as stated", "otherwise": "NOT AS STATED", "undecided": "undecided"}


def write(page: Page, answer: CatalogueAnswer, stories: bool) -> None:
    """The table: a line for each bug, and under it what shows it.  stories: with the calls that do."""
    modelled = [row for row in answer.rows if row.shown is not None]
    ids = max((len(row.bug.id) for row in answer.rows), default=0)
    last = None
    for row in modelled:
        if row.bug is not last:
            page.wrap(f"{row.bug.id:<{ids}}  ", f"{row.bug.title}  ({row.bug.version})", " " * (ids + 2), "title")
            if row.bug.choice:
                page.wrap(" " * (ids + 2) + "left open: ", row.bug.choice, " " * (ids + 4), "dim")
        last = row.bug
        _row(page, row, " " * (ids + 2))
        if stories and row.shown is not None and row.verdict is not None and row.verdict.witness is not None:
            page.blank()
            tell(page, answer.specs[row.shown.place.spec].system, row.verdict, "")
    left = [row for row in answer.rows if row.shown is None]
    if left:
        page.blank()
        page.add(Part("not modelled", "title"))
        for row in left:
            page.wrap(f"  {row.bug.id:<{ids}}  ", f"{row.bug.title}  ({row.bug.version}): {row.reason}", " " * (ids + 4))
    page.blank()
    found = sum(row.result == "found" for row in modelled)
    bugs = len({row.bug.id for row in modelled})
    why = f" ({answer.stopped})" if answer.stopped is not None else ""
    page.add(
        Part(f"catalogue: {_SAID[answer.verdict]}", _STYLES[answer.verdict]),
        f"{why}; {found} of {len(modelled)} claims of {bugs} bugs broken, {len(left)} bugs not modelled; ",
        f"exit status {answer.exit_status}",
    )


def _row(page: Page, row: Row, indent: str) -> None:
    assert row.shown is not None
    style = {True: "good", False: "bad", None: "open"}[row.as_stated]
    place = row.shown.place
    where = f" in {place.where}" if place.where else ""
    parts = [f"{place.spec}: {place.claim}{where} "]
    if row.verdict is not None and row.verdict.witness is not None and row.result == "found":
        faults = f", {row.faults} fault{'' if row.faults == 1 else 's'}" if row.faults else ""
        parts.append(f"fails in {row.verdict.witness.length}{faults}")
    else:
        parts.append(row.result)
    if row.mended is not None and row.shown.fixed is not None:
        holds = row.mended.result is Result.HOLDS
        parts.append(f"; {'holds' if holds else row.mended.result.value} in {_like(row.shown.fixed, place)}")
    mark = {"good": "ok", "bad": "!!", "open": "??"}[style]
    page.wrap(f"{indent}{mark} ", "".join(parts), indent + "     ", "" if style == "good" else style)
    if row.shown.unfixed:
        page.wrap(f"{indent}   in no spec it holds: ", row.shown.unfixed, indent + "     ", "dim")
    if row.reason:
        page.wrap(f"{indent}   ", row.reason, style=style)


def _like(fixed: Place, place: Place) -> str:
    """The spec of a fix, and what of its claim and place is not as where the bug shows."""
    claim = f" ({fixed.claim})" if fixed.claim != place.claim else ""
    where = f" in {fixed.where}" if fixed.where and fixed.where != place.where else ""
    return f"{fixed.spec}{claim}{where}"


def document(answer: CatalogueAnswer) -> documents.Document:
    """The document of `catalogue`."""
    return documents.document(
        "catalogue",
        file=answer.catalogue.source.name,
        verdict=answer.verdict,
        stopped=answer.stopped,
        seconds=round(answer.seconds, 3),
        rows=[_document(row) for row in answer.rows],
    )


def _document(row: Row) -> documents.Document:
    shown = row.shown
    fixed = shown.fixed if shown is not None else None
    return {
        "id": row.bug.id,
        "version": row.bug.version,
        "title": row.bug.title,
        "choice": row.bug.choice,
        "spec": shown.place.spec if shown is not None else None,
        "property": shown.place.claim if shown is not None else None,
        "scope": shown.place.scope if shown is not None else None,
        "topology": shown.place.topology if shown is not None else None,
        "result": row.result,
        "calls": row.calls,
        "faults": row.faults,
        "witness": documents.witness(row.verdict.witness) if row.verdict is not None and row.verdict.witness is not None else None,
        "as_stated": row.as_stated,
        "reason": row.reason,
        "unfixed": shown.unfixed if shown is not None else "",
        "fixed": {
            "spec": fixed.spec,
            "property": fixed.claim,
            "scope": fixed.scope,
            "topology": fixed.topology,
            "result": row.mended.result.value,
        }
        if fixed is not None and row.mended is not None
        else None,
    }
