"""A sequence that was found, as a scenario: the scenario runner, which knows nothing of `diff`, accepts it for one spec and not for the other."""

from __future__ import annotations

from luocheck.checker.diff.behaviour import Distinction
from luocheck.checker.scenarios import replay
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.source import Source
from luocheck.model.spec import Spec


def accepts(spec: Spec, scope: str, found: Distinction) -> bool:
    """Does a spec accept the calls with what user space sees of their results?  Only for sequences in which nothing happens unseen."""
    assert all(found.seen)
    witness = found.witness
    lines = [f"let {name}: {sort};" for name, sort in witness.elements if not spec.system.sort(sort).pool]
    if witness.graph:
        lines.append("topology { " + " ".join(f"{a} -> {b};" for a, b in witness.graph) + " }")
    lines += [f"given {condition};" for condition in witness.given]
    for step in witness.steps:
        arguments = ", ".join(value for _, value in step.arguments)
        gives = f" gives {step.gives[1]}" if step.gives is not None else ""
        outcome = "EXDEV" if step.outcome == "EANY" else step.outcome  # where a spec leaves the errno open, one that no line names
        lines.append(f"{step.event}({arguments}) = {outcome}{gives};")
    (scenario,) = load_scenarios(spec, Source("found.scenario", f'scenario "found" in scope {scope} {{ {" ".join(lines)} }}'))
    return replay(spec, scenario).accepted
