"""Reports of audits: each is read back with a parser of its format, and text of captures is text in all of them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from luocheck.cli.main import main
from luocheck.demo import demo_capture
from luocheck.model.diagnostics import Diagnostic
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec, load
from luocheck.report.audits.audited import Audited, Audits
from luocheck.report.audits.html_window import AROUND, MOST_CALLS
from luocheck.report.audits.lines import lines
from luocheck.report.audits.writing import FORMATS, written
from luocheck.traces.answer import AuditAnswer, Belief, Conformance, Edit, Finding
from luocheck.traces.audit import audit
from luocheck.traces.call import Call, Kind, Loss, Moment, Note, OpenFile, Recording

sys.path.insert(0, str(Path(__file__).parent))
reports_page = import_module("reports_page")

HOSTILE = "<script>alert(1)</script>'\"&;#|`[x](http://x)\x1b[31m\u202e\x00\ufffe\udcff-->]]>end"
"""What a task name or a session name can be made of."""


@pytest.fixture(scope="module")
def spec() -> Spec:
    return load("linux_7_3")


def call(number: int, event: str, thread: int, begin: int, end: int | None, result: int | None = 0, **more: Any) -> Call:
    def moment(line: int) -> Moment:
        return Moment(line, 1_000_000_000 + line * 1000)

    return Call(number, Kind.IOCTL, event, 60, thread, moment(begin), None if end is None else moment(end), result=result, **more)


def hand_made(calls: tuple[Call, ...], **more: Any) -> AuditAnswer:
    recording = Recording("a.txt", "ftrace", calls, (Loss(9, 3, "the buffer"),), (), frozenset(Kind), 99, 99)
    made = AuditAnswer(
        "linux_7_3", "a.txt", "ftrace", Conformance.VIOLATED, len(calls), 3, 2, 1, (), (), None, 0, "", 99, 99, 0.25, (recording,)
    )  # fmt: skip
    return replace(made, **more)


@pytest.fixture(scope="module")
def violated() -> Audited:
    session = OpenFile(3, "Session", HOSTILE.encode("utf-8", "surrogateescape"))
    calls = (
        call(0, "OPEN", 61, 1, 4),
        call(1, "CREATE_SESSION", 62, 2, 7, on=session, given={"name": b"vm"}),
        call(2, "PRESERVE_FD", 61, 5, 8, -17),
        call(3, "FINISH", 63, 10, None, None),
        call(4, "FINISH", 62, 11, 20, 0, on=session),
    )
    wrong = Finding(
        "a.txt", 20, "FINISH", "OK", ("EINVAL at side", "EBUSY"), ("EINVAL at side",), 2, (2, 7, 20), f"it is wrong: {HOSTILE}",
        call=4, known=(f'Session "{HOSTILE}".side = OUT', "enabled = true"), since=7, edit=Edit.RESULT, edited="the call returned EINVAL",
    )  # fmt: skip
    maybe = replace(
        wrong,
        rule="LUO712",
        event="token_unique",
        observed="does not hold",
        certainty="possible",
        message="two tokens are the same",
    )
    trail = (
        Belief("a.txt", 0, 4, 1_000_004_000, 1, ("enabled = true",)),
        Belief("a.txt", 1, 7, 1_000_007_000, 2, ()),
        Belief("a.txt", 2, 8, 1_000_008_000, 2, ()),
    )
    note = Note("LUO709", 6, f"forged: {HOSTILE}")
    return Audited("a.txt", hand_made(calls, findings=(wrong, maybe), trail=trail, notes=(note,)), (), "ab" * 32)


@pytest.fixture(scope="module")
def audits(spec: Spec, violated: Audited) -> Audits:
    """One capture of each outcome; the conforming one is a real one."""
    demo = Audited("demo", audit(spec, str(demo_capture())), (), "cd" * 32)
    open_ = Audited(
        f"open {HOSTILE}.txt", hand_made((), verdict=Conformance.INCONCLUSIVE, reason=f"no call {HOSTILE}", recordings=())
    )
    gone = Audited("gone.txt", None, (Diagnostic("LUO700", f"cannot be read: {HOSTILE}", Span(Source("gone.txt", ""), 0, 0)),))
    return Audits(spec, "1.2.3", ("audit", "linux_7_3", f"open {HOSTILE}.txt"), (violated, demo, open_, gone), 2)


@pytest.mark.parametrize("format", [each for each in FORMATS if each != "jsonl"])
def test_no_report_has_what_drives_a_terminal_or_cannot_be_encoded(format: str, audits: Audits) -> None:
    text = written(format, audits)
    text.encode("utf-8")
    assert not set(text) & {"\x1b", "\x00", "\u202e", "\ufffe", "\udcff"}
    assert text == written(format, audits)  # the same each time
    if format not in ("json",):
        assert "1 conforms" in text or "conforms" in text


# ---- SARIF --------------------------------------------------------------------------------------------------------------


def test_sarif(audits: Audits) -> None:
    log = json.loads(written("sarif", audits))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("luocheck", "1.2.3")
    rules = [rule["id"] for rule in driver["rules"]]
    assert rules == ["LUO701", "LUO712"] and all(rule["help"]["text"] for rule in driver["rules"])
    assert [artifact.get("hashes") for artifact in run["artifacts"]] == [{"sha-256": "ab" * 32}, {"sha-256": "cd" * 32}, None, None]
    kinds = [(result["ruleId"], result["kind"], result["level"]) for result in run["results"]]
    assert kinds == [
        ("LUO701", "fail", "error"),
        ("LUO712", "open", "none"),
        ("LUO701", "pass", "none"),
        ("LUO701", "open", "none"),
    ]
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        (location,) = result["locations"]
        artifact = location["physicalLocation"]["artifactLocation"]
        assert run["artifacts"][artifact["index"]]["location"]["uri"] == artifact["uri"]
        assert re.fullmatch(r"[\w./%-]+", artifact["uri"])
    first = run["results"][0]
    assert first["locations"][0]["physicalLocation"]["region"] == {"startLine": 20}
    core = [each["physicalLocation"]["region"]["startLine"] for each in first["relatedLocations"]]
    (flow,) = first["codeFlows"][0]["threadFlows"]
    assert core == [2, 7, 20] == [each["location"]["physicalLocation"]["region"]["startLine"] for each in flow["locations"]]
    assert "CREATE_SESSION" in first["relatedLocations"][0]["message"]["text"]
    assert first["properties"]["allowedInEveryState"] == ["EINVAL at side"] and first["properties"]["knownSinceLine"] == 7
    (invocation,) = run["invocations"]
    assert invocation["exitCode"] == 2 and invocation["executionSuccessful"] is False
    told = {note["descriptor"]["id"]: note for note in invocation["toolExecutionNotifications"]}
    assert told["LUO709"]["level"] == "note" and told["LUO700"]["level"] == "error"
    for code, note in told.items():
        assert driver["notifications"][note["descriptor"]["index"]]["id"] == code
    assert run["properties"]["specSha256"] == audits.spec.sha256


def test_sarif_fingerprints_are_those_of_the_finding_and_not_of_its_place(audits: Audits, violated: Audited) -> None:
    def prints(each: Audited) -> list[str]:
        run = json.loads(written("sarif", replace(audits, results=(each,))))["runs"][0]
        return [result["partialFingerprints"]["luocheckFinding/v1"] for result in run["results"]]

    assert violated.answer is not None
    wrong, maybe = violated.answer.findings
    elsewhere = replace(violated, answer=replace(violated.answer, findings=(replace(wrong, line=7), maybe)))
    otherwise = replace(violated, answer=replace(violated.answer, findings=(replace(wrong, observed="EIO"), maybe)))
    assert prints(violated) == prints(elsewhere) and len(set(prints(violated))) == 2
    assert prints(violated)[0] != prints(otherwise)[0]


# ---- JUnit --------------------------------------------------------------------------------------------------------------


def cases(suite: ElementTree.Element) -> dict[str, tuple[str, str]]:
    """Each test case with its outcome and message."""
    found = {}
    for case in suite.iter("testcase"):
        assert len(case) <= 1
        found[case.attrib["name"]] = (case[0].tag, case[0].attrib["message"]) if len(case) else ("passed", "")
    return found


def test_junit(audits: Audits) -> None:
    root = ElementTree.fromstring(written("junit", audits))
    suites = list(root)
    assert len(suites) == 4
    for suite in suites:
        assert [case.attrib["name"] for case in suite] == ["conforms", *(promise.name for promise in audits.promises)]
    for element in (root, *suites):
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.attrib[attribute]) == len(list(element.iter(tag)))
    bad, good, open_, gone = map(cases, suites)
    assert bad["conforms"][0] == "failure" and "\\x1b[31m" in bad["conforms"][1]
    assert bad["token_unique"] == ("skipped", "perhaps broken: two tokens are the same")
    assert good["conforms"] == good["token_unique"] == ("passed", "")
    assert open_["conforms"][0] == "skipped" and gone["conforms"][0] == "error"


def test_junit_promises_that_were_looked_at(audits: Audits, violated: Audited) -> None:
    assert violated.answer is not None
    broken = replace(violated.answer.findings[1], certainty="definite")
    said = Note("LUO712", 7, "`one_process` does not hold here, as the spec says can happen")
    answer = replace(violated.answer, findings=(broken,), watched=("token_unique", "one_owner", "one_process"), notes=(said,))
    found = cases(ElementTree.fromstring(written("junit", replace(audits, results=(replace(violated, answer=answer),)))))
    assert found["token_unique"] == ("failure", "two tokens are the same")
    assert found["one_owner"] == ("passed", "") and found["conforms"] == ("passed", "")
    assert found["entry_listed"][0] == "skipped" and found["one_process"] == ("skipped", said.text)


# ---- HTML ---------------------------------------------------------------------------------------------------------------

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Checks that tags close in the right order, and keeps what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.scripts: list[str] = []
        self.shown = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] != "style":
            self.shown += data

    def values(self, name: str) -> list[str]:
        return [value for _, attribute, value in self.attributes if attribute == name]


def test_html_is_one_whole_page_without_anything_from_elsewhere(audits: Audits) -> None:
    page = Page(written("html", audits))
    (script,) = page.scripts
    policy = next(value for tag, name, value in page.attributes if name == "content" and "default-src" in value)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert not any(name.startswith("on") or name in ("src", "srcset", "style") for _, name, _ in page.attributes)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    links = page.values("href")
    assert links and all(link.startswith("#") and link[1:] in ids for link in links)


def test_html_shows_hostile_text_as_text(audits: Audits) -> None:
    page = Page(written("html", audits))
    assert page.shown.count("<script>alert(1)</script>'\"&;#|`[x](http://x)\\x1b[31m\\u202e\\x00\\ufffe\\xff-->]]>end") >= 5


def test_html_tells_what_a_finding_is_about(audits: Audits) -> None:
    page = Page(written("html", audits))
    shown = " ".join(page.shown.split())
    for text in ("FINISH returned OK, and that is not allowed", "EINVAL at side (in every state)", "EBUSY (in some states)",
                 "2 states agree (since line 7)", "the call returned EINVAL", "the promise token_unique is perhaps broken", "LUO709"):  # fmt: skip
        assert text in shown, text
    assert page.values("class").count("bar wrong") == 1 and page.values("class").count("bar unsure") == 1
    assert "belief one" in page.values("class") and "loss" in page.values("class")


@pytest.mark.parametrize("format", ["html", "perfetto"])
def test_long_values_are_not_told_again_and_again(format: str, audits: Audits) -> None:
    calls = tuple(call(n, "FINISH", 61, 10 * n + 1, 10 * n + 2) for n in range(100))
    known = ("sessions = [" + ", ".join(f"session{n}" for n in range(2000)) + "]",)
    trail = tuple(Belief("a.txt", each.number, 10 * each.number + 2, 1, 1, known) for each in calls)
    text = written(format, replace(audits, results=(Audited("a.txt", hand_made(calls, trail=trail)),)))
    assert "sessions = [session0" in text and len(text) < 400_000


def test_html_marks_the_calls_of_a_core_and_no_others(audits: Audits) -> None:
    """A recorder that shows returns only leaves open when a call began: the line before its own is not its line."""
    calls = tuple(replace(call(n, "FINISH", 61, 10 * n, 10 * n + 10), exact=False) for n in range(1, 5))
    found = Finding("a.txt", 40, "FINISH", "OK", (), (), 1, (20, 40), "wrong", call=3)
    text = written("html", replace(audits, results=(Audited("a.txt", hand_made(calls, findings=(found,))),)))
    rows = re.findall(r'<tr id="c0-call-(\d)" class="(\w+)".*?</tr>', text)
    assert rows == [("1", "fine"), ("2", "fine"), ("3", "wrong"), ("4", "fine")]
    assert re.findall(r'<tr id="c0-call-(\d)"(?:(?!</tr>).)*core of 1', text) == ["1", "3"]
    assert re.findall(r'class="bar wrong" href="#c0-call-(\d)"', text) == ["3"]


def long_answer(count: int, *wrong: int) -> AuditAnswer:
    calls = tuple(call(n, "FINISH", 61, 10 * n + 1, 10 * n + 2) for n in range(count))
    found = tuple(Finding("a.txt", 10 * n + 2, "FINISH", "OK", (), (), 1, (10 * n + 2,), "wrong", call=n) for n in wrong)
    return hand_made(calls, findings=found, verdict=Conformance.VIOLATED if wrong else Conformance.CONFORMS)


def test_html_shows_of_a_long_recording_what_is_around_its_findings(audits: Audits) -> None:
    def rows(answer: AuditAnswer) -> tuple[list[int], str]:
        page = Page(written("html", replace(audits, results=(Audited("a.txt", answer),))))
        return [int(each.rsplit("-", 1)[1]) for each in page.values("id") if "-call-" in each], page.shown

    assert rows(long_answer(MOST_CALLS, 7))[0] == list(range(MOST_CALLS))
    shown, text = rows(long_answer(5000, 1000, 1010, 4990))
    assert shown == [*range(1000 - AROUND, 1011 + AROUND), *range(4990 - AROUND, 5000)]
    assert f"{1000 - AROUND:,} calls are not shown" in text
    shown, text = rows(long_answer(5000))
    assert len(shown) == MOST_CALLS and shown[0] == 0 and shown[-1] == 4999 and f"{5000 - MOST_CALLS:,} calls are not shown" in text
    assert len(rows(long_answer(5000, *range(0, 5000, 200)))[0]) <= MOST_CALLS + 2 * AROUND


# ---- Perfetto -----------------------------------------------------------------------------------------------------------


def test_perfetto(audits: Audits) -> None:
    events = json.loads(written("perfetto", audits))["traceEvents"]
    slices = [each for each in events if each["ph"] == "X" and each["pid"] == 60]
    first = next(each for each in slices if each["name"] == "CREATE_SESSION")
    assert (first["tid"], first["ts"], first["dur"]) == (62, 1.0, 5.0)
    assert first["args"]["place"] == "a.txt:7" and "\\x1b[31m" in first["args"]["call"]
    refused = next(each for each in slices if each["name"] == "PRESERVE_FD")
    assert refused["cat"] == "refused" and refused["args"]["result"] == "-EEXIST"
    assert [(each["ts"], each["args"]["states"]) for each in events if each["ph"] == "C"] == [(3.0, 1), (6.0, 2), (7.0, 2)]
    found = [each for each in events if each["ph"] == "i" and each["s"] == "g"]
    assert [each["ts"] for each in found] == [19.0, 19.0] and found[0]["args"]["core"] == [2, 7, 20]
    named = {(each["pid"], each["tid"]) for each in events if each["ph"] == "M"}
    assert {(each["pid"], each["tid"]) for each in events if each["ph"] in "Xi"} <= named


def test_perfetto_slices_of_a_thread_nest(audits: Audits) -> None:
    calls = (
        call(0, "A", 61, 1, 9),
        call(1, "B", 61, 3, 5),
        call(2, "C", 61, 7, 12),
        call(3, "D", 61, 12, 13),
        call(4, "E", 61, 14, None),
    )
    events = json.loads(written("perfetto", replace(audits, results=(Audited("a.txt", hand_made(calls)),))))["traceEvents"]
    spans = {each["name"]: (each["ts"], each["ts"] + each["dur"]) for each in events if each["ph"] == "X"}
    assert spans == {"A": (0.0, 8.0), "B": (2.0, 4.0), "C": (6.0, 8.0), "D": (11.0, 12.0), "E": (13.0, 13.0)}


def test_perfetto_without_a_clock_has_a_microsecond_for_each_line(audits: Audits) -> None:
    bare = replace(call(0, "A", 61, 3, 9), enter=Moment(3, None), exit=Moment(9, None))
    events = json.loads(written("perfetto", replace(audits, results=(Audited("a.txt", hand_made((bare,))),))))["traceEvents"]
    assert [(each["ts"], each["dur"]) for each in events if each["ph"] == "X"] == [(0.0, 6.0)]


def test_perfetto_keeps_the_processes_of_captures_apart(audits: Audits, violated: Audited) -> None:
    events = json.loads(written("perfetto", replace(audits, results=(violated, violated))))["traceEvents"]
    assert len({each["pid"] for each in events if each["ph"] == "X"}) == 2


# ---- Mermaid, Markdown, JSON --------------------------------------------------------------------------------------------


def test_mermaid_has_the_calls_of_the_core_in_their_order(audits: Audits) -> None:
    text = written("mermaid", audits)
    head, *rest = text.splitlines()
    assert head == "sequenceDiagram"
    shape = re.compile(r"    (participant \w+ as [^;]*|Note over K: .*|P\d+t\d+->>K: .*|K--(x|>>)P\d+t\d+: .*)")
    for line in rest:
        assert shape.fullmatch(line), line
        assert not re.search(r'[<>"%|`]', re.sub(r"->>|-->>|--x", "", line)), line
        assert not re.search(r"#(?!\d+;)|(?<!#\d)(?<!#\d\d)(?<!#\d\d\d);", line), line
    arrows = [line.split(":")[0].strip() for line in rest if "K:" in line and "->>" in line]
    assert arrows[:2] == ["P60t62->>K", "P60t62->>K"]
    assert any("K--xP60t62" in line and "(line 20)" in line for line in rest)


def test_markdown_cannot_be_steered_by_a_capture(audits: Audits) -> None:
    text = written("markdown", audits)
    assert "\\<script\\>" in text and not re.search(r"(?<!\\)[<`]", text)
    assert "\\[x\\]\\(http\\://x\\)" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 6 and all(len(re.findall(r"(?<!\\)\|", row)) == 7 for row in rows)
    assert [re.split(r"(?<!\\)\|", row)[3].strip() for row in rows[2:]] == ["unreadable", "violated", "inconclusive", "conforms"]
    assert "- nearest: the call returned EINVAL" in text and "  - line 7: " in text


def schema(name: str) -> Draft202012Validator:
    loaded = json.loads((files("luocheck.report") / "schemas" / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(loaded)
    return Draft202012Validator(loaded)


def test_findings_of_another_file_keep_their_place(audits: Audits, violated: Audited) -> None:
    """In the answer about several kernels a finding can be in a recording that is not the first."""
    assert violated.answer is not None
    elsewhere = replace(violated.answer.findings[0], file="b.txt")
    each = replace(violated, answer=replace(violated.answer, findings=(elsewhere,)))
    made = replace(audits, results=(each,))
    place = json.loads(written("sarif", made))["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "b.txt"}, "region": {"startLine": 20}}
    assert "CREATE_SESSION" not in written("mermaid", made)  # line 7 of a.txt is no part of its core
    assert "b.txt:20" in written("html", made)


def test_json_lines(audits: Audits) -> None:
    made = [json.loads(line) for each in audits.results for line in "".join(lines("linux_7_3", each)).splitlines()]
    assert [each["what"] for each in made] == ["finding", "finding", "capture", "capture", "capture", "unreadable"]
    for each in made:
        schema("audit-lines").validate(each)
    assert made[0]["line"] == 20 and made[0]["edit"] == "result" and made[2]["findings"] == 2


def test_json_is_the_document_of_the_command(audits: Audits) -> None:
    whole = json.loads(written("json", audits))
    assert [each.get("verdict") for each in whole["results"]] == ["violated", "conforms", "inconclusive", None]
    single = json.loads(written("json", replace(audits, results=audits.results[:1])))
    schema("audit").validate(single)
    assert single["findings"][1]["promise"] == "token_unique"


# ---- the command --------------------------------------------------------------------------------------------------------


@pytest.fixture
def bad(tmp_path: Path) -> str:
    text = demo_capture().read_text(encoding="utf-8").split("\n")
    text[24] = text[24].replace("ret=-17", "ret=0")
    path = tmp_path / "bad.txt"
    path.write_text("\n".join(text), encoding="utf-8")
    return str(path)


def test_all_reports_of_one_run(bad: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["audit", "linux_7_3", bad, "demo", "--begins", "cold"]
    for format in FORMATS:
        argv += ["--report", f"{format}:{tmp_path / format}"]
    assert main(argv) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert f"{bad}:25" in out and "before 1 state agrees" in out and "allowed EEXIST at used (in the state)" in out
    assert out.endswith("verdict conforms with linux_7_3") and "verdict violated with linux_7_3, 1 finding" in out
    assert all((tmp_path / format).stat().st_size > 100 for format in FORMATS)
    run = json.loads((tmp_path / "sarif").read_text())["runs"][0]
    assert run["artifacts"][0]["hashes"]["sha-256"] == hashlib.sha256(Path(bad).read_bytes()).hexdigest()
    assert run["invocations"][0]["arguments"] == argv and run["invocations"][0]["exitCode"] == 1
    related = run["results"][0]["relatedLocations"][-1]["message"]["text"]
    assert "fd=8 token=0x1001 -> 0" in related  # the call that returned in line 25, not the one that can have begun there
    assert len((tmp_path / "jsonl").read_text().splitlines()) == 3


def test_a_report_in_the_place_of_the_text(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "linux_7_3", bad, "--begins", "cold", "--report", "junit:-"]) == 1
    root = ElementTree.fromstring(capsys.readouterr().out)
    assert root.attrib["failures"] == "1"


@pytest.mark.parametrize(
    ("reports", "why"),
    [
        (["pdf:x"], "`pdf` is no format of reports"),
        (["html"], "`html` names no file"),
        (["html:"], "`html:` names no file"),
        (["html:x", "sarif:x"], "two reports cannot both be written to `x`"),
        (["html:-", "sarif:-"], "two reports cannot both be written to `-`"),
    ],
)
def test_reports_that_make_no_sense(reports: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "linux_7_3", "demo", *(word for each in reports for word in ("--report", each))]) == 2
    assert why in capsys.readouterr().err


def test_a_report_and_json_cannot_share_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "linux_7_3", "demo", "--json", "--report", "sarif:-"]) == 2
    assert "cannot both have standard output" in capsys.readouterr().out


@pytest.mark.parametrize("format", ["html", "jsonl"])
def test_a_report_that_cannot_be_written_is_an_error_and_the_answer_is_told(
    format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for target in (tmp_path / "no" / "report", tmp_path):
        assert main(["audit", "linux_7_3", "demo", "--report", f"{format}:{target}"]) == 2
        told = capsys.readouterr()
        assert "error[LUO610]: the report cannot be written" in told.err and "verdict conforms" in told.out
    assert list(tmp_path.iterdir()) == []


def test_a_report_takes_the_place_of_the_old_one_in_one_step(tmp_path: Path) -> None:
    real, link = tmp_path / "real.html", tmp_path / "link.html"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    before = os.stat(real).st_ino
    assert main(["audit", "linux_7_3", "demo", "--report", f"html:{link}"]) == 0
    assert link.is_symlink() and real.read_text().startswith("<!DOCTYPE html>")
    assert os.stat(real).st_ino != before and stat.S_IMODE(os.stat(real).st_mode) == 0o640
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.html", "real.html"]


def test_an_unreadable_capture_is_in_the_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = tmp_path / "report.sarif"
    assert main(["audit", "linux_7_3", str(tmp_path / "no"), "demo", "--report", f"sarif:{report}"]) == 2
    capsys.readouterr()
    run = json.loads(report.read_text())["runs"][0]
    assert run["invocations"][0]["toolExecutionNotifications"][0]["descriptor"]["id"] == "LUO700"


# ---- a browser ----------------------------------------------------------------------------------------------------------


def rendered(page: Path) -> Iterator[str]:
    """The document as a browser has it after its script ran, in each colour scheme."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium")
    for scheme in ("0", "1"):
        argv = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--blink-settings=preferredColorScheme={scheme}",
            "--dump-dom",
        ]
        ended = subprocess.run([*argv, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
        yield ended.stdout


@pytest.mark.nightly
@pytest.mark.tools
def test_a_browser_shows_the_page(audits: Audits, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(written("html", audits).replace("alert(1)", "document.title = 'owned'"), encoding="utf-8")
    for dom in rendered(path):
        assert "<title>luocheck audit: linux_7_3</title>" in dom and "owned'" in dom
        assert 'class="bar wrong"' in dom


# ---- the page about reports ---------------------------------------------------------------------------------------------


def test_the_page_shows_what_the_commands_print() -> None:
    text = reports_page.PAGE.read_text(encoding="utf-8")
    assert reports_page.shown(text) == 4
    assert reports_page.anew(text) == text, "write it anew with `python tests/traces/reports_page.py`"


def test_the_page_has_every_format() -> None:
    text = reports_page.PAGE.read_text(encoding="utf-8")
    assert all(f"| `{format}` |" in text for format in FORMATS)


# ---- several kernels ------------------------------------------------------------------------------------------------


def test_the_calls_of_every_kernel_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second kernel's findings are beside its calls, and nothing of it is taken for a call of the first one."""
    happy = Path(__file__).parent / "captures" / "kexec-happy"
    second = tmp_path / "second.txt"
    lines = gzip.decompress((happy / "stage2.one.trace.txt.gz").read_bytes()).split(b"\n")
    assert b"RETRIEVE" not in lines[13] and b"cmd=0xba01" in lines[13]
    second.write_bytes(b"\n".join([*lines[:13], lines[13].replace(b"ret=0", b"ret=-2"), *lines[14:]]))
    first = happy / "persist.stage2.after-define.txt.gz"
    out = {name: tmp_path / name for name in ("html", "perfetto", "markdown", "mermaid")}
    reports = [word for name, path in out.items() for word in ("--report", f"{name}:{path}")]
    assert main(["audit", "linux_7_3", str(first), "--kernel-b", str(second), *reports]) == 1
    assert f"{second}:14" in capsys.readouterr().out
    headings = [text for text in re.findall("<h3>Calls of ([^<]*)</h3>", out["html"].read_text("utf-8"))]
    assert headings == [str(first), str(second)]
    wrong = re.findall('<tr id="(c0[^"]*)" class="wrong"', out["html"].read_text("utf-8"))
    assert wrong and all(each.startswith("c0-k1-call-") for each in wrong)
    events = json.loads(out["perfetto"].read_text())["traceEvents"]
    slices = [(each["args"]["place"].rsplit(":", 1)[0], each["name"]) for each in events if each["ph"] == "X"]
    assert {name for place, name in slices if place == str(first)} >= {"CREATE_SESSION", "PRESERVE_FD"}
    assert {name for place, name in slices if place == str(second)} >= {"RETRIEVE_SESSION", "RETRIEVE_FD"}
    assert "then" in out["markdown"].read_text() and "RETRIEVE_SESSION" in out["mermaid"].read_text()
