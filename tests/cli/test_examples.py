"""The examples of the documentation load, check and say what the documentation says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import luocheck

ROOT = Path(__file__).parents[2]
PATIENT = ROOT / "docs" / "examples" / "patient.luo"


def test_the_example_of_a_design_change_does_what_it_says() -> None:
    spec = luocheck.load(str(PATIENT))
    answer = luocheck.check(spec, scope="share", properties=["preserve_taken_back", "errno_has_no_effect"])
    (run,) = answer.runs
    texts = {verdict.property: verdict.text for verdict in run.verdicts}
    assert texts["preserve_taken_back"].startswith("holds")
    assert texts["errno_has_no_effect"] == "FAILS (5 calls)"
    before = luocheck.check(luocheck.load("linux_7_3"), scope="share", properties=["errno_has_no_effect"])
    assert before.runs[0].verdicts[0].text == "FAILS (3 calls)"


def test_the_readme_shows_that_example() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^```\n(spec patient.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert shown == PATIENT.read_text(encoding="utf-8")


def test_the_readme_shows_what_its_first_command_prints(cli: Any) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"^What the first prints:\n\n```\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    check = cli("check", "linux_7_3", "--scope", "share", "--property", "one_process").out
    audit = cli("audit", "linux_7_3", "demo").out
    assert unplaced(shown) == unplaced(check + audit)


def unplaced(text: str) -> list[str]:
    """What is printed, without times and the folder that it was installed in."""
    return [re.sub(r"\d+\.\d s$|^\S*(?=/demo/)", "", line) for line in text.rstrip().splitlines()]
