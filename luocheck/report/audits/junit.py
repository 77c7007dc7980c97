"""JUnit XML, as CI systems read it: a suite for each capture, in it `conforms` and every promise of the spec as test cases.

Inconclusive and not looked at are `skipped`, a capture that cannot be read is an `error`.  (The format has no standard; this is the part
that Jenkins, GitLab and GitHub actions have in common.)
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from luocheck.model.diagnostics import printable
from luocheck.report.audit import PROMISE, core_lines, is_promise
from luocheck.report.audits.audited import Audited, Audits
from luocheck.traces.answer import AuditAnswer, Conformance, Finding


def junit(audits: Audits) -> str:
    """The report as XML."""
    root = Element("testsuites", name=f"luocheck audit {audits.spec.name}")
    suites = [_suite(root, each, audits) for each in audits.results]
    _count(root, suites)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(root: Element, each: Audited, audits: Audits) -> Element:
    answer = each.answer
    suite = SubElement(root, "testsuite", name=printable(each.capture))
    case = _case(suite, each, "conforms", answer.seconds if answer is not None else 0.0)
    if answer is None:
        _outcome(case, "error", "; ".join(str(problem) for problem in each.problems), "unreadable")
    elif answer.verdict is Conformance.INCONCLUSIVE:
        _outcome(case, "skipped", answer.reason)
    else:
        calls = [finding for finding in answer.findings if not is_promise(finding)]
        if calls:
            _fail(case, calls)
    for promise in audits.promises:
        case = _case(suite, each, promise.name, 0.0)
        if answer is None:
            _outcome(case, "skipped", "the recording cannot be read")
        else:
            _promise(case, answer, promise.name)
    _count(suite, [suite])
    return suite


def _promise(case: Element, answer: AuditAnswer, name: str) -> None:
    broken = [finding for finding in answer.findings if is_promise(finding) and finding.event == name]
    definite = [finding for finding in broken if finding.certainty == "definite"]
    if definite:
        _fail(case, definite)
    elif broken:
        _outcome(case, "skipped", f"perhaps broken: {broken[0].message}")
    elif told := next((note.text for note in answer.notes if note.code == PROMISE and note.text.startswith(f"`{name}` ")), None):
        _outcome(case, "skipped", told)
    elif name not in answer.watched:
        _outcome(case, "skipped", "this promise was not looked at in the recording")
    elif answer.verdict is Conformance.INCONCLUSIVE:
        _outcome(case, "skipped", answer.reason)


def _case(suite: Element, each: Audited, name: str, seconds: float) -> Element:
    spec = each.answer.spec if each.answer is not None else "luocheck"
    return SubElement(suite, "testcase", classname=f"{spec}.{printable(each.capture)}", name=name, time=f"{seconds:.3f}")


def _fail(case: Element, findings: Sequence[Finding]) -> None:
    """One failure, as most readers show only the first of a case; its text has all findings."""
    text = "\n\n".join(_told(finding) for finding in findings)
    _outcome(case, "failure", findings[0].message, findings[0].rule, text)


def _told(finding: Finding) -> str:
    lines = [f"{finding.place}: {finding.message}"]
    if finding.known:
        lines.append(f"known before: {', '.join(finding.known)}")
    lines.append(f"allowed: {', '.join(finding.allowed) or 'nothing'}")
    lines.append(f"core: {core_lines(finding)}")
    if finding.edited:
        lines.append(f"nearest: {finding.edited}")
    return "\n".join(printable(line) for line in lines)


def _outcome(case: Element, tag: str, message: str, kind: str | None = None, text: str = "") -> None:
    made = SubElement(case, tag, message=printable(message))
    if kind is not None:
        made.set("type", kind)
    made.text = text or None


def _count(element: Element, suites: Sequence[Element]) -> None:
    for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        element.set(attribute, str(sum(1 for suite in suites for _ in suite.iter(tag))))
    element.set("time", f"{sum(float(case.get('time', '0')) for suite in suites for case in suite.iter('testcase')):.3f}")
