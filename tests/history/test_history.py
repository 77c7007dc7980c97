"""docs/history.md says what the specs say."""

from __future__ import annotations

import re

import pytest
from history.page import PAGE, PROMISES, VERSIONS, anchor, cells, page

from luocheck.model.spec import load

TEXT = PAGE.read_text(encoding="utf-8")


def column(version: str) -> dict[str, str]:
    """The cells of a version in the table, by promise."""
    at = VERSIONS.index(version) + 2
    rows = [line.split("|") for line in TEXT.splitlines() if line.startswith("| ") and "(P-" in line]
    return {re.findall(r"\((P-[A-Z]+)\)", row[1])[0]: row[at].strip() for row in rows}


@pytest.mark.parametrize("version", ["intent", "v3", "linux_7_3"])
def test_a_version_is_as_its_spec_says(version: str) -> None:
    found = column(version)
    for promise, cell in cells(version).items():
        shown = found.get(promise, "")
        if not cell.claims:
            assert shown == ""
        elif cell.worst is None or cell.worst.witness is None:
            assert shown == "ok", promise
        else:
            assert shown == f"[{cell.worst.witness.calls}](#{anchor(promise, version)})"
            story = TEXT.split(f"### {promise} in {version}\n")[1].split("```")[1].splitlines()
            assert [line for line in story if line and not line.startswith("--")] == [s.text for s in cell.worst.witness.steps]


def test_every_link_leads_to_a_story() -> None:
    links = re.findall(r"\(#([\w-]+)\)", TEXT)
    titles = {title.lower().replace(" ", "-") for title in re.findall(r"^### (.+)$", TEXT, re.MULTILINE)}
    assert len(links) > 50 and set(links) == titles


def test_what_was_promised_holds_and_every_promise_has_words() -> None:
    assert set(column("intent").values()) == {"ok", ""}
    for version in VERSIONS:
        for claim in load(version).system.properties:
            assert not claim.doc.startswith("P-") or claim.doc.split()[0].rstrip(":,") in PROMISES, claim.name


@pytest.mark.nightly
def test_the_whole_page() -> None:
    assert page() == TEXT
