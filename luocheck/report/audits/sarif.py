"""SARIF 2.1.0 (OASIS standard, 27 March 2020): what code hosts and editors show beside the lines of a file.

A finding is a result of kind `fail`; a capture without one has a result of kind `pass`, or `open` when it is inconclusive.  Notes about
the evidence and unreadable captures are notifications of the tool.  Nothing in it depends on when or where it was written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from luocheck.model.codes import CODES
from luocheck.model.diagnostics import Diagnostic, Severity, printable
from luocheck.report.audit import PROMISE, is_promise
from luocheck.report.audits.audited import Audited, Audits, core_calls, core_text
from luocheck.traces.answer import AuditAnswer, Conformance, Finding
from luocheck.traces.call import Origin

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"

CALL = "LUO701"
_HELP = {
    CALL: "Look at the call on this line: what it returned is not among what the spec allows in any state that agrees with the calls "
    "before. Either the kernel or the spec is wrong, or the recording is of another version of the kernel than the spec.",
    PROMISE: "The calls are all as the spec says, but the state that they lead to breaks a promise of the spec.",
}

Json = dict[str, Any]


def sarif(audits: Audits) -> str:
    """The report as a SARIF log with one run."""
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [_Run(audits).run()]}, indent=2) + "\n"


def uri_of(path: str) -> str:
    """A file name as a URI reference."""
    quoted = quote(os.fsencode(path), safe="/")
    return f"file://{quoted}" if path.startswith("/") else quoted


class _Run:
    def __init__(self, audits: Audits) -> None:
        self.audits = audits
        self.rules = list(_HELP)
        self.notified = sorted(
            {note.code for each in audits.results if each.answer is not None for note in each.answer.notes}
            | {problem.code for each in audits.results for problem in each.problems}
        )

    def run(self) -> Json:
        results = [result for index, each in enumerate(self.audits.results) for result in self._results(index, each)]
        return {
            "tool": {
                "driver": {
                    "name": "luocheck",
                    "version": self.audits.version,
                    "rules": [_descriptor(code, _HELP[code]) for code in self.rules],
                    "notifications": [_descriptor(code, CODES[code].explanation) for code in self.notified],
                }
            },
            "invocations": [
                {
                    "arguments": [printable(each) for each in self.audits.arguments],
                    "exitCode": self.audits.status,
                    "executionSuccessful": not self.audits.count("unreadable"),
                    "toolExecutionNotifications": list(self._notifications()),
                }
            ],
            "artifacts": [_artifact(each) for each in self.audits.results],
            "results": results,
            "properties": {
                "spec": self.audits.spec.name,
                "specSha256": self.audits.spec.sha256,
            },
        }

    def _place(self, index: int, line: int | None, file: str | None = None) -> Json:
        """A line of a capture, or of another file."""
        path = self.audits.results[index].path
        artifact = {"uri": uri_of(path), "index": index} if file in (None, path) else {"uri": uri_of(file or path)}
        return {"artifactLocation": artifact, **({} if line is None else {"region": {"startLine": line}})}

    def _location(self, index: int, line: int | None, text: str = "", file: str | None = None) -> Json:
        told = {"message": {"text": printable(text)}} if text else {}
        return {"physicalLocation": self._place(index, line, file), **told}

    # ---- results --------------------------------------------------------------------------------------------------

    def _results(self, index: int, each: Audited) -> Iterator[Json]:
        answer = each.answer
        if answer is None:
            return
        yield from (self._finding(index, answer, finding) for finding in answer.findings)
        if answer.verdict is Conformance.CONFORMS:
            yield self._whole(index, "pass", f"the recording conforms to {answer.spec}: {answer.explained} calls are explained")
        elif answer.verdict is Conformance.INCONCLUSIVE:
            yield self._whole(index, "open", f"inconclusive with {answer.spec}: {answer.reason}")

    def _whole(self, index: int, kind: str, text: str) -> Json:
        return {
            "ruleId": CALL,
            "ruleIndex": self.rules.index(CALL),
            "kind": kind,
            "level": "none",
            "message": {"text": printable(text)},
            "locations": [self._location(index, None)],
        }

    def _finding(self, index: int, answer: AuditAnswer, finding: Finding) -> Json:
        definite = finding.certainty == "definite"
        origins = finding.origins or tuple(Origin(finding.file, line) for line in finding.core)
        origin = finding.origin or Origin(finding.file, finding.line)
        calls = [core_text(call) for _, call in core_calls(answer, finding)]
        core = [self._location(index, each.line, text, each.file) for each, text in zip(origins, calls, strict=True)]
        return {
            "ruleId": finding.rule,
            **({"ruleIndex": self.rules.index(finding.rule)} if finding.rule in self.rules else {}),
            "kind": "fail" if definite else "open",
            "level": "error" if definite else "none",
            "message": {"text": printable(_sentence(finding))},
            "locations": [self._location(index, origin.line, file=origin.file)],
            "relatedLocations": [{"id": number, **place} for number, place in enumerate(core)],
            "codeFlows": [
                {
                    "message": {"text": "calls that together cannot happen"},
                    "threadFlows": [
                        {"locations": [{"location": place, "executionOrder": number} for number, place in enumerate(core, 1)]}
                    ],
                }
            ]
            if core
            else [],
            "partialFingerprints": {"luocheckFinding/v1": _fingerprint(answer, finding)},
            "properties": {
                "event": printable(finding.event),
                "observed": finding.observed,
                "allowed": list(finding.allowed),
                "allowedInEveryState": list(finding.certain),
                "states": finding.states,
                "known": [printable(text) for text in finding.known],
                "knownSinceLine": finding.since,
                "nearestEdit": printable(finding.edited),
                "certainty": finding.certainty,
                "promise": finding.event if is_promise(finding) else None,
            },
        }

    # ---- what is about the evidence -------------------------------------------------------------------------------

    def _notifications(self) -> Iterator[Json]:
        for index, each in enumerate(self.audits.results):
            for note in each.answer.notes if each.answer is not None else ():
                yield self._notification(index, note.code, note.line, note.text, "note")
            for problem in each.problems:
                level = "error" if problem.severity is Severity.ERROR else "warning"
                yield self._notification(index, problem.code, _line(problem), problem.message, level)

    def _notification(self, index: int, code: str, line: int | None, text: str, level: str) -> Json:
        return {
            "descriptor": {"id": code, "index": self.notified.index(code)},
            "level": level,
            "message": {"text": printable(text)},
            "locations": [self._location(index, line)],
        }


def _descriptor(code: str, help: str) -> Json:
    """A rule, or a kind of notification, from the texts of `luocheck explain`."""
    text = CODES[code]
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in text.title.replace("-", " ").split()),
        "shortDescription": {"text": text.title},
        "fullDescription": {"text": " ".join(text.explanation.split())},
        "help": {"text": " ".join(help.split())},
    }


def _artifact(each: Audited) -> Json:
    hashes = {"hashes": {"sha-256": each.sha256}} if each.sha256 is not None else {}
    return {"location": {"uri": uri_of(each.path)}, "roles": ["analysisTarget"], **hashes}


def _sentence(finding: Finding) -> str:
    allowed = f"; allowed: {', '.join(finding.allowed)}" if finding.allowed else ""
    nearest = f"; nearest: {finding.edited}" if finding.edited else ""
    return f"{finding.message}{allowed}{nearest}"


def _line(problem: Diagnostic) -> int | None:
    return problem.span.line if problem.span.source.text else None


def _fingerprint(answer: AuditAnswer, finding: Finding) -> str:
    """The same for the same kind of finding in another recording, so that a viewer can tell new ones from known ones."""
    what = [answer.spec, finding.rule, finding.event, finding.observed, *finding.allowed]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()
