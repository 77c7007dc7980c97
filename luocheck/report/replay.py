"""The answer of `replay` as text: every step with its state."""

from __future__ import annotations

from luocheck.checker.scenarios import ScenarioRun, ScenarioStep
from luocheck.model.diagnostics import render
from luocheck.report.page import Page, Part
from luocheck.report.witness import changes, happenings


def write(page: Page, run: ScenarioRun) -> None:
    """One scenario: its start, its steps with what each changed and the state after it, and the result."""
    page.wrap("", run.title, style="title")
    page.wrap("  in ", f"scope {run.scope}" + (f", topology {run.topology}" if run.topology is not None else ""))
    if run.graph:
        page.wrap("  graph: ", ", ".join(f"{a} -> {b}" for a, b in run.graph))
    if run.given:
        page.wrap("  given: ", ", ".join(run.given))
    _state(page, "  start: ", run.start, run.start_states)
    width = len(str(len(run.steps)))
    for number, step in enumerate(run.steps, start=1):
        _step(page, f"  {number:>{width}}  ", step)
    if run.clauses:
        page.add("  false because:")
        for clause in run.clauses:
            bound = ", ".join(f"{name} = {value}" for name, value in clause.bindings)
            page.wrap("    ", f"{clause.text}: {clause.value}{' for ' + bound if bound else ''}")
    if run.allowed:
        page.add("  the call can return:")
        for possible in run.allowed:
            how = "always" if possible.certain else "in some states"
            page.wrap("    ", f"{possible.text} ({how})")
    if run.free:
        page.wrap("  free choices: ", ", ".join(run.free))
    if run.diagnostic is not None:
        page.blank()
        page.lines += [(Part(line),) for line in render(run.diagnostic).split("\n")]
        page.blank()
    if run.undecided:
        page.add("  ", Part(f"undecided: {run.undecided}", "open"))
    elif run.accepted:
        page.add("  ", Part("accepted", "good"))
    else:
        page.add("  ", Part("not accepted", "bad"))


def _step(page: Page, first: str, step: ScenarioStep) -> None:
    indent = " " * (len(first) + 2)
    text = step.call.text if step.call is not None else step.text
    page.wrap(first, text, indent + "  ", style="" if step.accepted else "bad")
    if step.call is None:
        return
    happenings(page, indent, step.happenings)
    changes(page, indent, step.changes)
    _state(page, indent + "state: ", step.state, step.states)


def _state(page: Page, first: str, state: tuple[str, ...], states: int) -> None:
    """A state by the cells that are not as at first, and how many other states agree."""
    others = "" if states == 1 else f" (one of {states:,} that agree)"
    page.wrap(first, (", ".join(state) if state else "everything as at first") + others, style="dim")
