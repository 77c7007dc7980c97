"""The catalogue of known bugs: every row is found as stated, and what is not as stated is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from catalogue import page
from cli.test_documents import refused, schema, valid
from jsonschema import Draft202012Validator

from luocheck.checker.catalogue.entries import Catalogue, parse_catalogue, shipped_catalogue
from luocheck.checker.catalogue.running import CatalogueAnswer, run_catalogue
from luocheck.checker.explore.limits import Limits
from luocheck.cli.main import main
from luocheck.model.diagnostics import SpecError
from luocheck.model.source import Source

ROOT = Path(__file__).parents[2]

BUGS = (
    [f"S{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 18, 19, 21, 22, 24, 25, 26, 27, 28, 31, 33)]
    + ["S9d"]
    + [f"V{n}" for n in (1, 2, 3, 4, 6, 8, 10)]
    + [f"U{n}" for n in (1, 5, 6, 7, 8, 11, 12, 13, 14, 15, 19, 20, 21, 22, 23, 25, 26, 27, 28, 29, 30, 31, 32)]
    + [f"F{n}" for n in range(1, 22)]
)
"""What is known of the posted series and of the merged versions, and what was found; a row that goes missing is noticed here."""

TINY = """\
spec tiny "for rows";
sort Agent symmetric caller;
sort File symmetric;
scope small { Agent = 1, File = 1 }
scope two { Agent = 1, File = 2 }
per File { volatile saved: bool = false; }
ioctl SAVE(a: Agent, f: File) { f.saved = true; if sometimes nomem { full: fail ENOMEM; } }
after SAVE returns error check no_effect: unchanged;
invariant one: (number of f: File | f.saved) <= 1;
reachable both: (number of f: File | f.saved) == 2;
expect { no_effect fails; }
"""
MENDED = TINY.replace("spec tiny", "spec mended").replace(
    "f.saved = true; if sometimes nomem { full: fail ENOMEM; }", "if sometimes nomem { full: fail ENOMEM; } f.saved = true;"
)
ROW = """\
[[bug]]
id = "T1"
version = "one"
title = "a failing SAVE saves"
[[bug.shown]]
spec = "tiny.luo"
claim = "no_effect"
calls = 1
faults = 1
fixed = { spec = "mended.luo" }
"""


def catalogue(folder: Path, text: str) -> Catalogue:
    (folder / "tiny.luo").write_text(TINY)
    (folder / "mended.luo").write_text(MENDED)
    return parse_catalogue(Source(str(folder / "c.toml"), text), folder)


def changed(*changes: tuple[str, str]) -> str:
    text = ROW
    for before, after in changes:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


# ---- the shipped one --------------------------------------------------------------------------------------------


def ids_of(spec: str) -> tuple[str, ...]:
    """The rows that some claim of a spec shows."""
    return tuple(bug.id for bug in shipped_catalogue().bugs if any(spec in shown.place.spec for shown in bug.shown))


def as_stated(answer: CatalogueAnswer) -> None:
    assert answer.rows
    assert [(row.bug.id, row.shown, row.result, row.reason) for row in answer.rows if row.as_stated is not True] == []
    assert answer.verdict == "as-stated" and answer.exit_status == 0


def test_no_row_is_missing() -> None:
    assert sorted(bug.id for bug in shipped_catalogue().bugs) == sorted(BUGS)


@pytest.mark.parametrize("ids", [("S1", "S3", "S8", "S18", "S24", "S31", "S33"), ("U1", "U6", "U7", "U28")])
def test_some_rows_are_as_stated(ids: tuple[str, ...]) -> None:
    as_stated(run_catalogue(shipped_catalogue(), ids=ids))


@pytest.mark.nightly
def test_all_rows_are_as_stated() -> None:
    answer = run_catalogue(shipped_catalogue())
    as_stated(answer)
    assert {row.bug.id for row in answer.rows} == set(BUGS)
    assert sum(row.result == "found" for row in answer.rows) >= 95


def test_every_spec_that_only_the_catalogue_names_is_used() -> None:
    named = {each.spec for bug in shipped_catalogue().bugs for shown in bug.shown for each in (shown.place, shown.fixed) if each}
    there = {f"catalogue/{path.name}" for path in (ROOT / "specs" / "catalogue").glob("*.luo")}
    assert {name for name in named if "/" in name} == there


def test_the_page_shows_the_catalogue() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.with_table(text, shipped_catalogue()) == text
    lines = text.splitlines(keepends=True)
    row = lines.index("| S7 | `rfc_v2` `exit_drops_files` | 3 calls | `v3` |\n")
    for otherwise in (lines[:row] + lines[row + 1 :], [*lines[:row], lines[row].replace("3 calls", "4 calls"), *lines[row + 1 :]]):
        assert page.with_table("".join(otherwise), shipped_catalogue()) == text


# ---- the findings -----------------------------------------------------------------------------------------------


def sections() -> dict[str, tuple[str, list[str], str]]:
    """Of each finding its title, its story, and the line that names the claims."""
    found = re.findall(
        r"^### (F\d+) (.+?)\n.*?```\n(.*?)```\n\n(- Broken in .*?\n)- ",
        page.FINDINGS.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    )
    return {id: (title, story.splitlines(), broken) for id, title, story, broken in found}


def test_every_finding_is_told() -> None:
    bugs = {bug.id: bug for bug in shipped_catalogue().bugs if bug.id.startswith("F")}
    told = sections()
    assert list(told) == list(bugs)
    for id, (title, story, broken) in told.items():
        bug = bugs[id]
        assert title.lower() == bug.title.lower() and len(story) == bug.shown[0].calls, id
        assert re.findall(r"`(\w+)`", broken) == [bug.shown[0].place.spec, *(shown.place.claim for shown in bug.shown)], id
    text = page.FINDINGS.read_text(encoding="utf-8")
    assert text.count("\n- Confidence: ") == len(told) == text.count("\n- It may be intended: ") + text.count("\n- Intended? ")


def tell_the_stories_as_told(ids: tuple[str, ...]) -> None:
    answer = run_catalogue(shipped_catalogue(), ids=ids)
    as_stated(answer)
    told = sections()
    for bug in {row.bug.id: row.bug for row in answer.rows}.values():
        first = next(row for row in answer.rows if row.bug is bug)
        assert first.verdict is not None and first.verdict.witness is not None
        assert [step.text for step in first.verdict.witness.steps] == told[bug.id][1], bug.id
    text = page.FINDINGS.read_text(encoding="utf-8")
    _, story, broken = told[ids[0]]
    damaged = text.replace(broken, "- Broken in `nothing`: `no_claim`.\n").replace("\n".join(story), "no story")
    assert damaged.count("no story") == damaged.count("no_claim") == 1
    assert page.with_stories(damaged, answer) == text


def test_some_stories_are_as_told() -> None:
    tell_the_stories_as_told(("F2", "F8", "F9"))


@pytest.mark.nightly
def test_all_stories_are_as_told() -> None:
    tell_the_stories_as_told(tuple(sections()))


# ---- what is not as stated --------------------------------------------------------------------------------------


def test_a_row_as_stated(tmp_path: Path) -> None:
    answer = run_catalogue(catalogue(tmp_path, ROW))
    (row,) = answer.rows
    assert (row.result, row.calls, row.faults, row.as_stated, row.reason) == ("found", 1, 1, True, "")
    assert row.mended is not None and row.mended.result.value == "holds"
    assert answer.exit_status == 0


@pytest.mark.parametrize(
    ("change", "result", "reason"),
    [
        (("calls = 1", "calls = 2"), "found", "the catalogue says 2 calls and 1 faults"),
        (("faults = 1\n", ""), "found", "the catalogue says 1 calls and 0 faults"),
        (('spec = "tiny.luo"', 'spec = "mended.luo"'), "missed", "the claim is not broken: holds (exhaustive, 2 states)"),
        (('spec = "mended.luo"', 'spec = "tiny.luo"'), "found", "where it should hold: FAILS (1 call)"),
        (
            ('spec = "mended.luo"', 'spec = "mended.luo", claim = "one", scope = "two"'),
            "found",
            "where it should hold: FAILS (2 calls)",
        ),
    ],
)
def test_otherwise(tmp_path: Path, change: tuple[str, str], result: str, reason: str) -> None:
    answer = run_catalogue(catalogue(tmp_path, changed(change)))
    (row,) = answer.rows
    assert (row.result, row.reason, row.as_stated) == (result, reason, False)
    assert answer.verdict == "otherwise" and answer.exit_status == 1


def test_a_place_that_the_fix_takes_over(tmp_path: Path) -> None:
    """The scope of the bug is that of the fix, unless the fix names one."""
    text = changed(("calls = 1\nfaults = 1", 'scope = "two"\ncalls = 2'), ('"no_effect"', '"one"'))
    (row,) = run_catalogue(catalogue(tmp_path, text)).rows
    assert row.result == "found" and row.reason == "where it should hold: FAILS (2 calls)"
    text = text.replace('"mended.luo"', '"mended.luo", scope = "small"')
    (row,) = run_catalogue(catalogue(tmp_path, text)).rows
    assert row.as_stated is True


def test_limits_leave_rows_open(tmp_path: Path) -> None:
    answer = run_catalogue(catalogue(tmp_path, ROW), limits=Limits(max_states=1))
    assert answer.verdict in ("undecided", "as-stated")
    answer = run_catalogue(catalogue(tmp_path, ROW), limits=Limits(timeout=0.0))
    (row,) = answer.rows
    assert row.result == "unknown" and row.as_stated is None
    assert answer.verdict == "undecided" and answer.exit_status == 3 and answer.stopped is not None


# ---- files that are none ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "this file has none"),
        ("[[bug]\n", 1, "not TOML"),
        ("\n\nid = \n", 3, "not TOML"),
        ("bug = 3\n", 1, "this file has none"),
        ("bug = [3]\n", 1, "a row is a table"),
        ('[[bugs]]\nid = "T1"\n', 1, "no key `bugs`"),
        (changed(('id = "T1"', "id = 1")), 1, "a row needs `id`, a text"),
        (changed(('id = "T1"', "")), 1, "a row needs `id`, a text"),
        (changed(('version = "one"', "")), 1, "`T1` needs `version`"),
        (changed(('title = "a failing SAVE saves"', 'titel = "x"')), 1, "no key `titel`"),
        (ROW + ROW, 11, "two rows `T1`"),
        (changed(("calls = 1", 'calls = "1"')), 1, "`shown` of `T1` needs `calls`, a number"),
        (changed(("calls = 1", "calls = true")), 1, "needs `calls`"),
        (changed(("faults = 1", "faults = -1")), 1, "needs `faults`"),
        (changed(('claim = "no_effect"', "")), 1, "needs `claim`"),
        (changed(('fixed = { spec = "mended.luo" }', "")), 1, "either `fixed` or `unfixed`"),
        (changed(("fixed = {", 'unfixed = "x"\nfixed = {')), 1, "either `fixed` or `unfixed`"),
        (changed(('{ spec = "mended.luo" }', '"mended.luo"')), 1, "is written `{ spec"),
        (changed(('"mended.luo"', '"mended/luo"')), 1, "a path ends in `.luo`"),
        (ROW.split("[[bug.shown]]")[0], 1, "either `[[bug.shown]]` or `not_modelled`"),
        (
            "# a row\n" + changed(("[[bug.shown]]", 'not_modelled = "x"\n[[bug.shown]]')),
            2,
            "either `[[bug.shown]]` or `not_modelled`",
        ),
    ],
)
def test_not_a_catalogue(tmp_path: Path, text: str, line: int, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        catalogue(tmp_path, text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "LUO620" and message in diagnostic.message and diagnostic.span.line == line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('spec = "tiny.luo"', 'spec = "tony.luo"'), "cannot read this file"),
        (('spec = "tiny.luo"', 'spec = "rfc_v3"'), "there is no shipped spec `rfc_v3`"),
        (('claim = "no_effect"', 'claim = "no_efect"'), "there is no property `no_efect`"),
        (("calls = 1", 'calls = 1\nscope = "large"'), "there is no scope `large`"),
        (("calls = 1", 'calls = 1\ntopology = "pair"'), "there is no topology `pair`"),
    ],
)
def test_rows_that_name_what_is_not_there(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        run_catalogue(catalogue(tmp_path, changed(change)))
    first = caught.value.diagnostics[0]
    assert first.code == "LUO620" and message in first.message and first.span.text == "[[bug]]"


# ---- the command ------------------------------------------------------------------------------------------------


def written(tmp_path: Path, text: str) -> Path:
    catalogue(tmp_path, ROW)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return path


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, ROW + '[[bug]]\nid = "T2"\nversion = "one"\ntitle = "pages"\nnot_modelled = "contents"\n')
    assert main(["catalogue", "--file", str(path)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "T1  a failing SAVE saves  (one)",
        "    ok tiny.luo: no_effect fails in 1 call, 1 fault; holds in mended.luo",
        "",
        "not modelled",
        "  T2  pages  (one): contents",
        "",
        "catalogue: as stated; 1 of 1 claims of 1 bugs broken, 1 bugs not modelled; exit status 0",
    ]
    assert main(["catalogue", "T1", "--stories", "--file", str(path)]) == 0
    told = capsys.readouterr().out
    assert "SAVE(agent0, file0) = ENOMEM at full" in told and "T2" not in told
    assert main(["catalogue", "T3", "--file", str(path)]) == 2
    assert "no row of the catalogue is called `T3`" in capsys.readouterr().err


def test_the_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Draft202012Validator.check_schema(schema("catalogue"))
    path = written(tmp_path, changed(("calls = 1", "calls = 4")))
    assert main(["catalogue", "--file", str(path), "--json"]) == 1
    document: Any = valid("catalogue", capsys.readouterr().out)
    (row,) = document["rows"]
    assert (row["id"], row["spec"], row["property"], row["result"]) == ("T1", "tiny.luo", "no_effect", "found")
    assert (row["calls"], row["faults"], row["as_stated"]) == (1, 1, False)
    assert row["fixed"] == {"spec": "mended.luo", "property": "no_effect", "scope": None, "topology": None, "result": "holds"}
    assert row["witness"]["calls"][0]["outcome"] == "ENOMEM"
    del row["result"]
    assert refused("catalogue", document)
    (tmp_path / "bad.toml").write_text("[[bug]]\n")
    assert main(["catalogue", "--file", str(tmp_path / "bad.toml"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["errors"][0]["code"] == "LUO620"
