"""`luocheck audit --follow`: findings as they are established, and the answer when the recording ends."""

from __future__ import annotations

from luocheck.cli.captures import AUDITED
from luocheck.cli.interrupts import Interrupts
from luocheck.cli.status import FINE, UNDECIDED
from luocheck.model.spec import Spec
from luocheck.report import audit as report
from luocheck.report.page import Part
from luocheck.report.terminal import Terminal
from luocheck.traces.answer import AuditAnswer, Finding
from luocheck.traces.live import follow
from luocheck.traces.replay.world import Beginning


def run_following(
    spec: Spec,
    capture: str,
    terminal: Terminal,
    *,
    format: str | None,
    beginning: Beginning | None,
    timeout: float,
    max_deviations: int,
    json: bool,
) -> int:
    """Follows a recording.  Returns the exit status: that of the answer, undecided when an interrupt ended what conforms so far."""
    shown: set[tuple[int, str]] = set()

    def tell(answer: AuditAnswer) -> None:
        new = [each for each in answer.findings if (each.line, each.event) not in shown]
        shown.update((each.line, each.event) for each in new)
        if not json:
            for each in new:
                _tell(terminal, each)

    with Interrupts() as interrupts:
        answer = follow(
            spec,
            capture,
            tell,
            format=format,
            beginning=beginning,
            timeout=timeout,
            max_deviations=max_deviations,
            interrupted=lambda: interrupts.reason,
        )
        stopped = interrupts.reason is not None
    if json:
        terminal.document(report.audit(answer))
    else:
        page = terminal.page()
        report.show(page, answer)
        terminal.show(page)
    status = AUDITED[answer.verdict]
    return UNDECIDED if stopped and status == FINE else status


def _tell(terminal: Terminal, finding: Finding) -> None:
    page = terminal.page()
    page.add(Part(f"{finding.file}:{finding.line}: ", "bad"), finding.message)
    terminal.show(page)
