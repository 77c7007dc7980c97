"""JSON Lines: one document for each finding as soon as it is established, and one for each capture after its findings."""

from __future__ import annotations

import json
from collections.abc import Iterator

from luocheck.report import audit as single
from luocheck.report import document
from luocheck.report.audits.audited import Audited


def lines(spec: str, each: Audited) -> Iterator[str]:
    """The lines about one capture, with their ends; `schemas/audit-lines.schema.json` describes them."""
    answer = each.answer
    if answer is None:
        made = document.errors("audit", each.problems)
        yield _line(
            {"schema": made["schema"], "what": "unreadable", "spec": spec, "capture": each.capture, "errors": made["errors"]}
        )
        return
    for finding in answer.findings:
        head = {"schema": document.SCHEMA, "what": "finding", "spec": spec, "capture": each.capture}
        yield _line({**head, **single.finding(finding)})
    whole = single.audit(answer)
    del whole["command"], whole["findings"]
    yield _line({**whole, "what": "capture", "capture": each.capture, "sha256": each.sha256, "findings": len(answer.findings)})


def _line(made: document.Document) -> str:
    return json.dumps(made, separators=(",", ":")) + "\n"
