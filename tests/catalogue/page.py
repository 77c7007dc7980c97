"""Writes the table of docs/catalogue.md, and the stories and broken claims of docs/findings.md, from the catalogue.

    python tests/catalogue/page.py [--check]

It looks for the findings as `luocheck catalogue F1 F2 ...` does, which takes about a minute.  With --check nothing is written; exit status
1 when a page is not what the catalogue says.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from luocheck.checker.catalogue.entries import Bug, Catalogue, shipped_catalogue
from luocheck.checker.catalogue.running import CatalogueAnswer, run_catalogue

DOCS = Path(__file__).parents[2] / "docs"
PAGE, FINDINGS = DOCS / "catalogue.md", DOCS / "findings.md"

_TABLE = re.compile(r"(^\| id \| .*\n\|[-|]+\n)(?:\| .* \|\n)*", re.MULTILINE)
_FINDING = re.compile(r"^(### (F\d+) .*?\n```\n)(.*?)(```\n\n)- Broken in [^\n]*(\n)", re.DOTALL | re.MULTILINE)


def is_finding(bug: Bug) -> bool:
    """Was it found by exploring, and is told about in docs/findings.md?"""
    return bug.id.startswith("F")


def rows(catalogue: Catalogue) -> Iterator[str]:
    """The lines of the table."""
    for bug in catalogue.bugs:
        for shown in bug.shown:
            place, fixed = shown.place, shown.fixed
            where = f", {place.where}" if place.where else ""
            faults = f", {shown.faults} fault{'s' if shown.faults > 1 else ''}" if shown.faults else ""
            mended = _named(fixed.spec) if fixed is not None else "-"
            yield f"| {bug.id} | {_named(place.spec)} `{place.claim}`{where} | {shown.calls} calls{faults} | {mended} |\n"


def _named(spec: str) -> str:
    return f"`{spec.removeprefix('catalogue/').removesuffix('.luo')}`"


def with_table(text: str, catalogue: Catalogue) -> str:
    """A page with the rows of the catalogue in its table."""
    return _TABLE.sub(lambda found: found[1] + "".join(rows(catalogue)), text, count=1)


def with_stories(text: str, answer: CatalogueAnswer) -> str:
    """A page with the stories that were found, and the claims that they break; what was not looked for stays as it is."""
    first = {row.bug.id: row for row in reversed(answer.rows)}

    def told(found: re.Match[str]) -> str:
        row = first.get(found[2])
        if row is None or row.verdict is None or row.verdict.witness is None:
            return found[0]
        story = "".join(f"{step.text}\n" for step in row.verdict.witness.steps)
        return found[1] + story + found[4] + _broken(row.bug) + found[5]

    return _FINDING.sub(told, text)


def _broken(bug: Bug) -> str:
    """The line that names the spec and the claims."""
    claims = (f"`{each.place.claim}`" + (f" ({each.place.where})" if each.place.where else "") for each in bug.shown)
    return f"- Broken in `{bug.shown[0].place.spec}`: {', '.join(claims)}."


def main(arguments: list[str]) -> int:
    """Writes both pages, or compares them."""
    catalogue = shipped_catalogue()
    answer = run_catalogue(catalogue, ids=tuple(bug.id for bug in catalogue.bugs if is_finding(bug)))
    pages = {path: path.read_text(encoding="utf-8") for path in (PAGE, FINDINGS)}
    written = {PAGE: with_table(pages[PAGE], catalogue), FINDINGS: with_stories(pages[FINDINGS], answer)}
    if "--check" in arguments:
        return int(written != pages)
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
