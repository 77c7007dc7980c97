"""What must hold of every random spec.  Each check raises AssertionError with a message that says all."""

from __future__ import annotations

from pathlib import Path

from differential.agreement import Explore, compare, difference, scope_of, topology_of
from differential.naive import naive

from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Exploration
from luocheck.checker.scenarios import replay
from luocheck.model.answer import Result, Verdict
from luocheck.model.diagnostics import Diagnostics
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Kind, System
from luocheck.model.resolve.flat_text import flat_lines
from luocheck.model.scenario.resolve import load_scenarios
from luocheck.model.scenario.write import scenario_text
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load, load_source
from luocheck.model.syntax.parser import parse
from luocheck.model.syntax.printer import format_text


def loaded(text: str) -> Spec:
    return load_source(Source("drawn.luo", text))


def explored(spec: Spec, scope: str, topology: str | None, explore: Explore, most_states: int, **options: bool) -> Exploration:
    system = spec.system
    limits = Limits(max_states=most_states)
    return explore(system, scope_of(system, scope), topology_of(system, topology), limits=limits, **options)


# ---- engines ----------------------------------------------------------------------------------------------------


def check_engines(spec: Spec, scope: str, topology: str | None, left: Explore, right: Explore, most_states: int) -> None:
    """Two engines agree in everything, also when they are to stop at what they look for."""
    for early in (False, True):
        found = compare(spec, scope, left, right, topology, limits=Limits(max_states=most_states), stop_when_found=early)
        assert found is None, f"stop_when_found={early}: {found}"


# ---- symmetry ---------------------------------------------------------------------------------------------------


def follows_one_order(system: System) -> bool:
    """Does some walk go `along` a graph?  Where the graph leaves the order open it takes one, which another numbering could change."""
    bodies = [event.body for event in system.events] + ([system.boot] if system.boot is not None else [])
    walks = [s for body in bodies for s in st.statements(body) if isinstance(s, st.Walk)]
    return any(isinstance(b, st.OverSort) and b.order == "along" for walk in walks for b in walk.binders)


def check_symmetry(spec: Spec, scope: str, topology: str | None, explore: Explore, found: Exploration, most_states: int) -> None:
    """Starting points that differ by names alone change no verdict and no shortest witness."""
    everything = explored(spec, scope, topology, explore, 6 * most_states, symmetry=False)
    if everything.stopped is not None:
        return
    assert found.states <= everything.states and found.instances <= everything.instances
    for mine, theirs in zip(found.verdicts, everything.verdicts, strict=True):
        if mine.kind == Kind.LIVENESS.value and mine.note.startswith("stopped"):
            continue  # it is decided without symmetry, where the limit may come earlier
        a, b = _measured(mine), _measured(theirs)
        if follows_one_order(spec.system):
            assert mine.witness is None or (theirs.witness is not None and b[1:] <= a[1:]), (
                f"{mine.property}: {a} with symmetry, {b} without"
            )
        else:
            assert a == b, f"{mine.property}: {a} with symmetry, {b} without"


def _measured(verdict: Verdict) -> tuple[object, ...]:
    witness = verdict.witness
    if witness is not None and witness.loop is not None:
        return (verdict.result.value,)  # its length is short, and not the shortest
    return (verdict.result.value, *((witness.calls, witness.faults) if witness is not None else ()))


# ---- the naive checker ------------------------------------------------------------------------------------------


def check_naive(spec: Spec, scope: str, topology: str | None, found: Exploration, most_states: int) -> None:
    """The dumb checker finds the same states, transitions, verdicts and lengths."""
    system = spec.system
    dumb = naive(system, scope_of(system, scope), topology_of(system, topology), most_states=most_states)
    mine = (found.instances, found.states, found.levels, found.depth, found.transitions, found.cuts)
    theirs = (dumb.instances, dumb.states, dumb.levels, dumb.depth, dumb.transitions, dumb.cuts)
    assert mine == theirs, f"instances, states, levels, depth, transitions, cuts: {mine}, naively {theirs}"
    never = {event.name for event in system.events} - dumb.events
    assert set(found.events_never_fired) == never, f"never fired: {found.events_never_fired}, naively {never}"
    for line in found.lines_never_fired:
        assert (line.span.start, type(line).__name__) not in dumb.lines, f"`{line.span.text}` fired naively"
    for verdict in found.verdicts:
        claim = system.claim(verdict.property)
        answer = dumb.answers[claim.name]
        if claim.name == "lock_order" or answer.skipped:
            continue
        naively = (dumb.result(claim).value, *((answer.best or ()) if claim.kind is not Kind.LIVENESS else ()))
        assert _measured(verdict) == naively, f"{claim.kind.value} {claim.name}: {_measured(verdict)}, naively {naively}"


# ---- witnesses --------------------------------------------------------------------------------------------------


def check_witnesses(spec: Spec, found: Exploration) -> None:
    """Every witness, written as a scenario, replays to the same claim."""
    for verdict in found.verdicts:
        witness = verdict.witness
        if witness is None or found.states == 0:  # `lock_order` is broken by the text alone, also when nothing can begin
            continue
        text = scenario_text(witness, verdict, f"{verdict.property} {verdict.text}")
        (scenario,) = load_scenarios(spec, Source("witness.scenario", text))
        result = replay(spec, scenario)
        assert result.accepted, f"{text}\n{result.undecided}{result.diagnostic}"
        if witness.loop is not None:
            assert [step.text.partition(" ")[0] for step in result.steps] == [step.text.partition(" ")[0] for step in witness.steps]
            continue
        goal = "reaches" if verdict.result is Result.REACHED else "violates"
        assert result.steps[-1].text == f"{goal} {verdict.property}"
        assert len(result.steps) == len(witness.steps) + 1


# ---- texts ------------------------------------------------------------------------------------------------------


def check_format(text: str, scope: str, topology: str | None, explore: Explore, found: Exploration, most_states: int) -> None:
    """The canonical form has the same tree and means the same."""
    formatted = format_text(Source("drawn.luo", text))
    assert parse(Source("drawn.luo", formatted), Diagnostics()) == parse(Source("drawn.luo", text), Diagnostics())
    assert format_text(Source("drawn.luo", formatted)) == formatted
    again = explored(loaded(formatted), scope, topology, explore, most_states)
    without_cuts = difference(_without_texts(found), _without_texts(again))
    assert without_cuts is None, f"{without_cuts}\n{formatted}"


def _without_texts(found: Exploration) -> Exploration:
    """Without what quotes the text of the spec, which the canonical form may write differently."""
    found.cuts = {str(sum(found.cuts.values())): 0}
    found.lines_never_fired = ()
    return found


def check_flat(base: str, derived: str, scope: str, topology: str | None, explore: Explore, where: Path, most_states: int) -> None:
    """The flat text of a derived spec means what the derived spec means.  Raises SpecError when the derived spec is refused."""
    (where / "drawn.luo").write_text(base, encoding="utf-8")
    (where / "derived.luo").write_text(derived, encoding="utf-8")
    spec = load(str(where / "derived.luo"))
    text = "".join(line.text + "\n" for line in flat_lines(spec))
    flat = load_source(Source("flat.luo", text))
    found = [_without_texts(explored(each, scope, topology, explore, most_states)) for each in (spec, flat)]
    differs = difference(*found)
    assert differs is None, f"{differs}\n{text}"
