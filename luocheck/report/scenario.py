"""The answer of `scenario`, as text and as a document."""

from __future__ import annotations

from luocheck.checker.scenarios.answer import Chosen, Coverage, ScenarioAnswer
from luocheck.generate.calls import Calls
from luocheck.model.ir.system import System
from luocheck.report import document as documents
from luocheck.report import witness as stories
from luocheck.report.page import Page, Part

_STYLES = {"found": "good", "none": "bad", "undecided": "open"}


def write(page: Page, answer: ScenarioAnswer) -> None:
    """The whole report."""
    system = answer.spec.system
    page.add(Part(answer.spec.name, "title"), f"  {answer.goal}")
    place = f"topology {answer.topology.name}" if answer.topology is not None else f"scope {answer.scope.name}"
    page.wrap(f"  {place}: ", " ".join(f"{sort}={size}" for sort, size in answer.scope.sizes))
    if answer.user_space_only:
        page.wrap("  ", "only what user space can cause: no handler fails, no memory runs out, nobody else acts")
    page.blank()
    for chosen in answer.scenarios:
        _scenario(page, system, chosen, answer)
    if answer.coverage is not None:
        _coverage(page, answer.coverage)
    if answer.none:
        page.wrap("  ", answer.none)
        page.blank()
    count = len(answer.scenarios)
    if 0 < count < answer.asked and answer.stopped is None:
        page.wrap("  ", f"there is no other scenario that does without a call or a fault of these ({answer.asked} were asked for)")
        page.blank()
    said = f"{count} scenario{'s' if count != 1 else ''}" if count else answer.verdict
    why = f" ({answer.stopped})" if answer.stopped is not None else ""
    page.add(Part(f"{answer.spec.name}: {said}", _STYLES[answer.verdict]), f"{why}; exit status {answer.exit_status}")


def _scenario(page: Page, system: System, chosen: Chosen, answer: ScenarioAnswer) -> None:
    witness = chosen.witness
    page.add(Part(f"{chosen.title}: {witness.length}", "title"))
    if witness.graph:
        page.wrap("  " + "/".join(graph.name for graph in system.graphs) + ": ", ", ".join(f"{a} -> {b}" for a, b in witness.graph))
    if witness.given:
        page.wrap("  given: ", ", ".join(witness.given))
    stories.steps(page, witness.steps)
    if witness.loop is not None:
        where = f"from call {witness.loop + 1} on, again and again" if witness.loop < witness.calls else "nothing happens any more"
        page.wrap("  for ever: ", where)
    if witness.minimal:
        page.wrap("  proved minimal: ", ", ".join(witness.minimal), style="dim")
    if answer.other is not None:
        said = " or ".join(chosen.allowed)
        page.wrap(f"  {answer.other}: ", f"the last call returns {said}" if said else "the last call cannot be made there")
    for text in needs(system, chosen):
        page.wrap("  no program causes: ", text, style="dim")
    page.blank()


def needs(system: System, chosen: Chosen) -> list[str]:
    """The calls of a scenario that need more than a program, each with the reason."""
    made = Calls(system, chosen.witness).made()
    return [f"{call.number}. {call.step.text}: {call.lack}" for call in made if call.lack]


def _coverage(page: Page, found: Coverage) -> None:
    page.add(Part("coverage", "title"))
    page.wrap("  covered: ", f"{len(found.goals)} outcomes of events and `fail` lines, all that can be reached here")
    calls = f"{found.calls} calls; no set that covers as much has fewer than {found.calls_bound}"
    page.wrap("  calls: ", calls)
    page.wrap("  runs: ", f"{found.runs}; no such set has fewer than {found.runs_bound}")
    for text in found.unreached:
        page.wrap("  not reached: ", text, style="open")
    page.blank()


# ---- JSON -----------------------------------------------------------------------------------------------------------


def document(answer: ScenarioAnswer) -> documents.Document:
    """The document of `scenario`.  calls, graph: of the first scenario, or empty."""
    first = answer.scenarios[0].witness if answer.scenarios else None
    found = answer.coverage
    return documents.document(
        "scenario",
        spec=answer.spec.name,
        file=answer.spec.source.name,
        kind=answer.kind,
        goal=answer.goal,
        other=answer.other,
        scope=documents.scope(answer.scope),
        topology=documents.topology(answer.topology),
        user_space_only=answer.user_space_only,
        verdict=answer.verdict,
        reason=answer.none,
        stopped=answer.stopped,
        seconds=round(answer.seconds, 3),
        calls=[documents.step(each) for each in first.steps] if first is not None else [],
        graph=[list(edge) for edge in first.graph] if first is not None else [],
        scenarios=[_chosen(answer.spec.system, each) for each in answer.scenarios],
        coverage=None
        if found is None
        else {
            "goals": list(found.goals),
            "unreached": list(found.unreached),
            "calls": found.calls,
            "calls_bound": found.calls_bound,
            "runs": found.runs,
            "runs_bound": found.runs_bound,
        },
    )


def _chosen(system: System, chosen: Chosen) -> documents.Document:
    return {
        "name": chosen.name,
        "title": chosen.title,
        "text": chosen.text,
        "witness": documents.witness(chosen.witness),
        "covers": list(chosen.covers),
        "allowed": list(chosen.allowed),
        "needs": needs(system, chosen),
    }
