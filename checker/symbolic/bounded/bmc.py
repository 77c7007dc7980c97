"""Bounded model checking: every run of up to so many calls, asked of a solver, one depth after the other.

A. Biere, A. Cimatti, E. Clarke, Y. Zhu: Symbolic Model Checking without BDDs, TACAS 1999.  The states after k calls are formulas over the
choices of the run; claims are asked at each depth, so that the first counterexample has the fewest calls.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from luocheck.checker.explore.limits import NO_MORE_MEMORY, Limits, Stopped
from luocheck.checker.explore.lock_order import lock_order
from luocheck.checker.explore.result import Exploration, Progress
from luocheck.checker.symbolic.bounded.gates import FALSE, Gates, Lit, Valuation
from luocheck.checker.symbolic.bounded.refusal import Refused
from luocheck.checker.symbolic.bounded.replay import Mismatch, Replayer, value_of
from luocheck.checker.symbolic.bounded.solve import Solver
from luocheck.checker.symbolic.bounded.summaries import Summary
from luocheck.checker.symbolic.bounded.unroll import DECIDED, Level, Unrolling
from luocheck.model.answer import Result, Verdict, Witness
from luocheck.model.diagnostics import fail
from luocheck.model.instances import Instance, instances
from luocheck.model.ir.system import Kind, Property, Scope, System, Topology

DEPTH = 6
"""Calls of the longest runs that are looked at when nothing else is said."""


@dataclass(slots=True)
class _Bounded:
    """What a bounded search knows.  reached: the depth up to which every run was looked at, -1 for none."""

    claims: tuple[Property, ...]
    expected: Mapping[str, tuple[str, str | None]]
    found: dict[str, Witness | None] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    reached: int = -1
    instances: int = 0
    stopped: str | None = None


def bounded(
    system: System,
    scope: Scope,
    topology: Topology | None = None,
    *,
    claims: Sequence[Property] | None = None,
    limits: Limits | None = None,
    symmetry: bool = True,
    depth: int = DEPTH,
    progress: Callable[[Progress], None] | None = None,
    may_refuse: bool = True,
    expected: Mapping[str, tuple[str, str | None]] | None = None,
) -> Exploration:
    """Looks at every run of up to `depth` calls in a scope; one verdict for each claim, in their order.

    Witnesses are as minimal as those of an exploration.  A claim that no such run breaks `holds to depth k` and no more; claims about
    endless or stuck runs are unknown.  A limit leaves the depth that was reached.  Raises SpecError as an exploration does, and LUO501 for
    what it cannot translate, such as a scope that cuts calls into steps; without `may_refuse` the verdicts are unknown then.
    expected: claim -> event and label with which its witness should end, where one of those that are equally minimal does.
    """
    wanted = tuple(claims if claims is not None else system.properties)
    known = _Bounded(wanted, expected or {})
    try:
        _search(system, scope, topology, known, limits or Limits(), symmetry, depth, progress)
    except Stopped as stop:
        known.stopped = stop.reason
    except MemoryError:
        known.stopped = NO_MORE_MEMORY
    except Refused as refused:
        if not may_refuse:
            known.stopped = refused.reason
            return _result(system, scope, topology, known)
        help = "use another engine, or a scope that does not"
        fail("LUO501", f"the engine `bmc` cannot check this: {refused.reason}", refused.span, help=help)
    return _result(system, scope, topology, known)


def starting_points(system: System, scope: Scope, topology: Topology | None, symmetry: bool, limits: Limits) -> list[Instance]:
    """All starting points of a scope.  Raises Stopped at a limit, and SpecError where they are too many to enumerate."""
    found: list[Instance] = []
    for instance in instances(system, scope, topology, symmetry=symmetry):
        limits.check(0)
        found.append(instance)
    return found


def _search(
    system: System,
    scope: Scope,
    topology: Topology | None,
    known: _Bounded,
    limits: Limits,
    symmetry: bool,
    depth: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    starts = starting_points(system, scope, topology, symmetry, limits)
    known.instances = len(starts)
    if not starts:
        return
    gates = Gates(lambda: limits.check(0))
    unrolling = Unrolling(gates, starts, known.claims)

    def tell() -> None:
        if progress is not None:
            progress(Progress(0, max(0, len(question.levels) - 1), 0, (), 0, 1, None))

    question = _Question(unrolling, Solver(gates, limits, tell), known)
    question.levels.append(unrolling.start())
    if not question.solver.possible(question.levels[0].valid):
        return
    question.ask()
    for _ in range(depth):
        if all(claim.name in known.found or claim.kind not in DECIDED or claim.name == "lock_order" for claim in known.claims):
            return
        tell()
        limits.check(0)
        before = question.levels[-1]
        question.solver.require(before.valid)
        question.levels.append(unrolling.step(before))
        question.ask()


class _Question:
    """Asks at one depth after the other."""

    def __init__(self, unrolling: Unrolling, solver: Solver, known: _Bounded) -> None:
        self.unrolling = unrolling
        self.gates = unrolling.gates
        self.solver = solver
        self.known = known
        self.levels: list[Level] = []
        self.replayer = Replayer(unrolling)
        self.by_name = {claim.name: claim for claim in known.claims}

    def ask(self) -> None:
        """Everything that is still open, about runs that end at the last level."""
        asked, known = self.levels[-1].asked, self.known
        wrong = self.gates.any_of((asked.clash, *asked.amiss.values()))
        if wrong != FALSE and self.solver.possible(wrong):
            try:
                self.replayer.provoke(self.levels, self.solver.valuation(), known.claims)
            except Mismatch as mismatch:
                raise Stopped(f"stopped by a defect of luocheck: {mismatch}") from None
        open_ = {name: lit for name, lit in asked.found.items() if name not in known.found}
        while open_ and self.solver.possible(self.gates.any_of(open_.values())):
            values = self.solver.valuation()
            name = next(name for name, lit in open_.items() if values(lit))
            self._minimise(self.by_name[name], open_.pop(name), values)
        unseen = {name: lit for name, lit in asked.seen.items() if name not in known.seen}
        while unseen and self.solver.possible(self.gates.any_of(unseen.values())):
            values = self.solver.valuation()
            known.seen |= {name for name, lit in unseen.items() if values(lit)}
            unseen = {name: lit for name, lit in unseen.items() if name not in known.seen}
        known.reached = len(self.levels) - 1

    def _minimise(self, claim: Property, broken: Lit, values: Valuation) -> None:
        """The run with the fewest faults, then the fewest elements, then the fewest edges."""
        level, minimal = self.levels[-1], ["calls"]
        assumed = [broken]
        stopped: Stopped | None = None
        measures = [("faults", level.faults), ("elements", self.unrolling.count(list(level.named.values())))]
        if self.unrolling.system.graphs:
            measures.append(("edges", self.unrolling.world.edge_count))
        for what, measure in measures:
            try:
                values = self._least(assumed, measure, values)
            except Stopped as stop:
                stopped = stop
                break
            minimal.append(what)
        if stopped is None:
            values = self._as_expected(claim, assumed, values)
        try:
            self.known.found[claim.name] = self.replayer.witness(self.levels, values, claim, tuple(minimal))
        except Mismatch as mismatch:
            self.known.found[claim.name] = None
            self.known.notes[claim.name] = f"a defect of luocheck: the run that the solver found cannot be executed ({mismatch})"
        if stopped is not None:
            raise stopped

    def _as_expected(self, claim: Property, assumed: list[Lit], values: Valuation) -> Valuation:
        """The values of a run that ends as the spec expects, if one of these does."""
        if claim.name not in self.known.expected or len(self.levels) == 1:
            return values
        name, label = self.known.expected[claim.name]
        level = self.levels[-1]
        lit = level.event.get(self.unrolling.system.event(name).index, FALSE)
        if label is not None:
            lit = self.gates.and_(lit, level.label.get(label, FALSE))
        try:
            return self.solver.valuation() if self.solver.possible(*assumed, lit) else values
        except Stopped:
            return values

    def _least(self, assumed: list[Lit], measure: Summary, values: Valuation) -> Valuation:
        """The values of a run for which a number is least; that it is so small is assumed from now on."""
        best: int = value_of(measure, values)
        for number in sorted(measure):
            if number >= best:
                break
            if self.solver.possible(*assumed, measure[number]):
                best, values = number, self.solver.valuation()
                break
        assumed.append(measure[best])
        return values


def _result(system: System, scope: Scope, topology: Topology | None, known: _Bounded) -> Exploration:
    result = Exploration(system, scope, topology, engine="bmc", instances=known.instances, stopped=known.stopped)
    if known.reached >= 0:
        result.bound = result.depth = known.reached
    result.verdicts = tuple(_verdict(system, scope, claim, known) for claim in known.claims)
    return result


# ---- verdicts -------------------------------------------------------------------------------------------------------


def _verdict(system: System, scope: Scope, claim: Property, known: _Bounded) -> Verdict:
    method = f"to depth {known.reached}" if known.reached >= 0 else "not begun"

    def verdict(result: Result, witness: Witness | None = None, note: str = "") -> Verdict:
        return Verdict(claim.name, claim.kind.value, claim.doc, result, method, witness, note=note, span=claim.span)

    goal = claim.kind is Kind.REACHABLE
    if claim.name == "lock_order":
        return replace(verdict(*lock_order(system, scope)), method="read from the text")
    if claim.kind not in DECIDED:
        return verdict(Result.UNKNOWN, note="runs of a bounded length do not decide it")
    if claim.name in known.found:
        witness = known.found[claim.name]
        if witness is None:
            return verdict(Result.UNKNOWN, note=known.notes[claim.name])
        return verdict(Result.REACHED if goal else Result.FAILS, witness)
    if known.stopped is not None:
        return verdict(Result.UNKNOWN, note=known.stopped)
    if known.reached < 0:
        return verdict(Result.UNKNOWN, note="there is no state to begin with")
    if goal:
        return verdict(Result.UNREACHED)
    if claim.kind is not Kind.BUILT_IN and claim.name not in known.seen:
        return verdict(Result.UNKNOWN, note=f"nothing that it is about happens to depth {known.reached}")
    return verdict(Result.HOLDS)
