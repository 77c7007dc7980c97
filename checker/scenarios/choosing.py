"""Choosing scenarios: the shortest run that breaks a claim, reaches a state, or tells two specs apart; or a set of runs that covers all."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from luocheck.checker.diff.behaviour import Comparison
from luocheck.checker.diff.compare import DEPTH
from luocheck.checker.diff.pairing import pair
from luocheck.checker.diff.setups import atomic, scope_for
from luocheck.checker.expectations import default_scope
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.scenarios.answer import Chosen, Coverage, ScenarioAnswer
from luocheck.checker.scenarios.cover import cover
from luocheck.checker.scenarios.finding import Finder, Search, Watch, file_name
from luocheck.checker.scenarios.restriction import restricted
from luocheck.checker.scenarios.running import replay
from luocheck.checker.selection import claims_named, scope_named, topology_named, with_scope
from luocheck.model.answer import Witness
from luocheck.model.diagnostics import Diagnostics, SpecError, fail
from luocheck.model.ir.system import Kind, Property, Scope, System, Topology
from luocheck.model.resolve.expressions import ExpressionResolver, Names, Slots
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.scenario.write import run_text
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec
from luocheck.model.syntax.parser import parse_expression

Note = Callable[[str], None]
"""Called now and then with how far a search is, in words."""


def violating(spec: Spec, claim: str, search: Search, limits: Limits, watch: Watch | None = None) -> ScenarioAnswer:
    """The shortest runs that break a claim.

    Without a scope, the default one is searched and then those in which `expect` says that the claim fails.  Raises SpecError LUO603 for an
    unknown name, LUO609 for a goal (`reachable`), which nothing breaks, and what `check` raises.
    """
    (found,) = claims_named(spec.system, [claim], "--violate")
    if found.kind is Kind.REACHABLE:
        place = Span(Source("--violate", claim), 0, len(claim))
        fail("LUO609", f"`{claim}` is a goal to be reached, so nothing violates it", place, help=f"use `--reach {claim}`")
    return Finder(spec, found, search, limits, watch).answer("violate", f"violates {claim}")


def reaching(spec: Spec, goal: str, search: Search, limits: Limits, watch: Watch | None = None) -> ScenarioAnswer:
    """The shortest runs to a state in which an expression is true, or to that of a `reachable` claim.

    Raises SpecError for an expression that is not correct, with its place in the text, and what `check` raises.
    """
    for claim in spec.system.properties:
        if claim.name == goal.strip() and claim.kind is Kind.REACHABLE:
            return Finder(spec, claim, search, limits, watch).answer("reach", f"reaches {claim.name}")
    return Finder(spec, _wanted(spec, goal), search, limits, watch).answer("reach", f"reaches {' '.join(goal.split())}")


def _wanted(spec: Spec, text: str) -> Property:
    """An expression as a goal."""
    source = Source("--reach", text)
    diagnostics = Diagnostics()
    node = parse_expression(source, diagnostics)
    diagnostics.raise_errors()
    assert node is not None
    names = Names(Slots())
    condition = ExpressionResolver(replace(spec.symbols, diagnostics=diagnostics), names).boolean(node)
    diagnostics.raise_errors()
    name = "the_state_that_was_asked_for"
    return Property(name, Kind.REACHABLE, "", Span(source, 0, len(text)), condition, slots=names.slots.count)


# ---- cover ------------------------------------------------------------------------------------------------------


def covering(spec: Spec, search: Search, limits: Limits, note: Note | None = None) -> ScenarioAnswer:
    """A small set of runs with every outcome of every event and every `fail` line that the scope reaches.

    As much as possible is covered by runs that need nothing but a program.  Raises SpecError as `check` does.
    """
    started = time.monotonic()
    if search.scope is not None:
        spec = with_scope(spec, search.scope)
    system = spec.system
    scope = scope_named(system, search.scope) if search.scope is not None else default_scope(system)
    topology = topology_named(system, search.topology) if search.topology is not None else None
    steps = [restricted(system, user_space=True)]
    if not search.user_space_only:
        steps.append(system)
    tell = (lambda found, waiting: note(f"{found:,} states, {waiting:,} wait")) if note is not None else lambda found, waiting: None
    goal = f"every outcome and `fail` line that {_where(scope, topology)} reaches"
    try:
        found = cover(system, steps, scope, topology, limits, tell)
    except Stopped as stop:
        return ScenarioAnswer(
            spec, "cover", goal, scope, topology, search.user_space_only, (), "", stop.reason, time.monotonic() - started
        )
    chosen: list[Chosen] = []
    for number, walk in enumerate(found.walks, start=1):
        witness = walk.witness()
        title = f"{spec.name}: covering run {number} of {len(found.walks)}"
        covers = tuple(sorted(each.text for each in walk.goals))
        chosen.append(Chosen(f"{spec.name}-cover-{number}", title, witness, run_text(witness, title), covers))
    coverage = Coverage(
        tuple(sorted(each.text for each in found.goals)),
        found.unreached,
        sum(len(walk.taken) for walk in found.walks),
        len(found.walks),
        found.calls_bound,
        found.runs_bound,
    )
    none = "" if chosen else f"nothing can happen in {_where(scope, topology)}"
    return ScenarioAnswer(
        spec, "cover", goal, scope, topology, search.user_space_only, tuple(chosen), none, None,
        time.monotonic() - started, coverage,
    )  # fmt: skip


def _where(scope: Scope, topology: Topology | None) -> str:
    return f"topology `{topology.name}`" if topology is not None else f"scope `{scope.name}`"


# ---- distinguish ------------------------------------------------------------------------------------------------


def distinguishing(
    spec: Spec,
    other: Spec,
    search: Search,
    limits: Limits,
    *,
    maps: Sequence[str] = (),
    depth: int | None = DEPTH,
    note: Note | None = None,
) -> ScenarioAnswer:
    """The shortest calls with results that a spec has and another one has not.

    maps, depth: as `diff` takes them.  Raises SpecError as `diff` does.
    """
    started = time.monotonic()
    if search.scope is not None:
        spec = with_scope(spec, search.scope)
    pairing = pair(spec.system, other.system, maps)
    chosen = scope_named(spec.system, search.scope) if search.scope is not None else default_scope(spec.system)
    there = scope_for(other.system, chosen, other.system.scopes[0] if other.system.scopes else chosen)
    system = restricted(spec.system, user_space=True) if search.user_space_only else spec.system
    direction = Comparison(system, other.system, atomic(chosen), atomic(there), pairing).compare(limits, depth, note)
    goal = f"what {spec.name} does and {other.name} does not"
    found: tuple[Chosen, ...] = ()
    none = ""
    if direction.distinction is not None:
        distinction = direction.distinction
        witness = distinction.witness
        title = f"{spec.name}, not {other.name}"
        name = f"{spec.name}-not-{other.name}"
        text = run_text(_as_seen(witness, spec.system), title)
        found = (Chosen(name, title, witness, text, allowed=distinction.allowed),)
    elif direction.stopped is None:
        how_far = "however many calls" if direction.complete else f"within {direction.depth} calls"
        none = f"everything that {spec.name} does in {_where(chosen, None)} {other.name} can do too, {how_far}"
    return ScenarioAnswer(
        spec, "distinguish", goal, chosen, None, search.user_space_only, found, none, direction.stopped,
        time.monotonic() - started, other=other.name,
    )  # fmt: skip


def _as_seen(witness: Witness, system: System) -> Witness:
    """A run as user space sees it, and another spec understands it: without labels, with objects of pools named by what gives them."""
    steps = tuple(replace(step, label=None) for step in witness.steps)
    elements = tuple((name, sort) for name, sort in witness.elements if not system.sort(sort).pool)
    return replace(witness, steps=steps, elements=elements)


# ---- play -------------------------------------------------------------------------------------------------------


def played(spec: Spec, source: Source, search: Search) -> ScenarioAnswer:
    """The scenarios of a text as they are, each with the run that shows it.

    Raises SpecError LUO602 for one that the spec does not accept, and what `load_scenarios` raises.
    """
    started = time.monotonic()
    if search.scope is not None:
        spec = with_scope(spec, search.scope)
    found: list[Chosen] = []
    scenarios = load_scenarios(spec, source)
    for number, scenario in enumerate(scenarios, start=1):
        run = replay(spec, scenario)
        if run.diagnostic is not None:
            raise SpecError([run.diagnostic])
        steps = tuple(step.call for step in run.steps if step.call is not None)
        elements = tuple((each.name, each.sort.name) for each in scenario.elements)
        stepwise = bool(scenario.scope.stepwise)
        witness = Witness(run.scope, run.topology, steps, run.graph, run.given, elements, (), (), stepwise)
        name = file_name(spec, scenario.title, number if len(scenarios) > 1 else None)
        found.append(Chosen(name, scenario.title, witness, scenario.span.text + "\n"))
    first = scenarios[0]
    return ScenarioAnswer(
        spec, "play", f"the scenarios of {source.name}", first.scope, first.topology, False, tuple(found), "", None,
        time.monotonic() - started,
    )  # fmt: skip
