"""`prove --bounded`: claims shown for runs of any length, at one scope.

Bounded model checking finds what fails soon, induction proves together what keeps itself, Spacer is asked about the rest, in slices of
time.  What stays open is shown with a state from which one call breaks the claim; that is no violation unless such a state is reached.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from luocheck.checker.expectations import Judge
from luocheck.checker.explore.limits import NO_MORE_MEMORY, Limits, Stopped
from luocheck.checker.explore.result import Exploration
from luocheck.checker.selection import claims_named, scope_named, topology_named
from luocheck.checker.symbolic.bounded.bmc import bounded, starting_points
from luocheck.checker.symbolic.bounded.gates import Gates
from luocheck.checker.symbolic.bounded.induction import WELL_FORMED, Induction
from luocheck.checker.symbolic.bounded.reached import Reached
from luocheck.checker.symbolic.bounded.refusal import Refused
from luocheck.checker.symbolic.bounded.replay import Mismatch, Replayer
from luocheck.checker.symbolic.bounded.spacer import Spacer
from luocheck.checker.symbolic.bounded.unroll import DECIDED, Unrolling
from luocheck.model.answer import Result, Verdict, Witness
from luocheck.model.diagnostics import fail
from luocheck.model.ir.system import Expected, Kind, Property, Scope, System, Topology
from luocheck.model.semantics.shown import state_lines
from luocheck.model.spec import Spec

DEEPEST = 3
"""Calls of the longest induction."""
SLICE = 20.0
"""Seconds for a search of counterexamples."""
SPACER = 40.0
"""Seconds for Spacer with all claims together, and half of what is left of a timeout at most."""
PROVABLE = tuple(kind for kind in DECIDED if kind is not Kind.REACHABLE)


@dataclass(frozen=True, slots=True)
class NotInductive:
    """A state that keeps a claim and all that is proved, and one call from there that breaks it.

    state: its cells that are not initial, as text.  witness: the call and what it breaks.  reachable: is the state one of a run?  None:
    not known.
    """

    state: tuple[str, ...]
    witness: Witness
    reachable: bool | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What is known of one claim.  certificate: the claims that were proved together with it, or what invariant shows it.

    seconds: when it was known, after the start of the whole; None when it was not.
    """

    verdict: Verdict
    certificate: tuple[str, ...] = ()
    obstacle: NotInductive | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class BoundedProofs:
    """The answer of `prove --bounded`.  stopped: the limit that ended it."""

    spec: Spec = field(repr=False)
    scope: Scope
    topology: Topology | None
    proofs: tuple[Proof, ...]
    stopped: str | None
    seconds: float

    @property
    def verdict(self) -> str:
        """`as-expected`, `unexpected` or `undecided`, as of `check`."""
        judged = [proof.verdict.as_expected for proof in self.proofs]
        if False in judged:
            return "unexpected"
        return "undecided" if None in judged or not judged or self.stopped == "interrupted" else "as-expected"

    @property
    def exit_status(self) -> int:
        return {"as-expected": 0, "unexpected": 1, "undecided": 3}[self.verdict]


@dataclass(slots=True)
class _Known:
    """What is known so far: how a claim was proved and with which others, counterexamples, and obstacles."""

    proved: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    found: dict[str, Verdict] = field(default_factory=dict)
    obstacles: dict[str, NotInductive] = field(default_factory=dict)
    when: dict[str, float] = field(default_factory=dict)
    bound: int = -1
    well_formed: bool = False


def prove_bounded(
    spec: Spec,
    *,
    scope: str | None = None,
    topology: str | None = None,
    properties: Sequence[str] = (),
    symmetry: bool = True,
    limits: Limits | None = None,
) -> BoundedProofs:
    """Proves claims at a scope (the default one when None), for runs of any length.

    properties: the claims; all that a proof can be about when there are none.  The spec's invariants and lemmas are proved too, and help.
    A limit leaves claims unknown.  Raises SpecError: LUO603, LUO219, LUO606 as `check` does; LUO501 for what is not translated.
    """
    started = time.monotonic()
    system = spec.system
    judge = Judge(system, symmetry=symmetry)
    place = scope_named(system, scope) if scope is not None else judge.default
    shape = topology_named(system, topology) if topology is not None else None
    wanted = claims_named(system, properties)
    if not properties:
        wanted = tuple(claim for claim in wanted if claim.kind in PROVABLE and claim.name != "lock_order")
    known, stopped = _Known(), None
    try:
        prover = _Prover(system, place, shape, wanted, limits or Limits(), symmetry, known)
        prover.expected = judge.last_calls(place, shape)
        prover.run()
    except Stopped as stop:
        stopped = stop.reason
    except MemoryError:
        stopped = NO_MORE_MEMORY
    except Refused as refused:
        fail("LUO501", f"the bounded prover cannot look at this: {refused.reason}", refused.span, help="try a smaller scope")
    run = Exploration(system, place, shape, engine="prove", stopped=stopped)
    run.verdicts = tuple(_verdict(claim, known, stopped) for claim in wanted)
    proofs = tuple(
        Proof(
            _judged(verdict),
            known.proved.get(verdict.property, ("", ()))[1],
            known.obstacles.get(verdict.property),
            known.when[verdict.property] - started if verdict.property in known.when else None,
        )
        for verdict in judge.verdicts(run)
    )
    return BoundedProofs(spec, place, shape, proofs, stopped, time.monotonic() - started)


def _judged(verdict: Verdict) -> Verdict:
    if verdict.result is Result.PROVED and verdict.expected == Expected.VACUOUS.value:
        return replace(verdict, as_expected=None, note="a proof does not tell whether the claim is about anything")
    return verdict


def _verdict(claim: Property, known: _Known, stopped: str | None) -> Verdict:
    def verdict(result: Result, method: str, note: str = "") -> Verdict:
        return Verdict(claim.name, claim.kind.value, claim.doc, result, method, note=note, span=claim.span)

    if claim.name in known.found:
        return known.found[claim.name]
    if claim.kind not in PROVABLE or claim.name == "lock_order":
        return verdict(Result.UNKNOWN, "none", "`check` decides it; there is nothing to prove of it at a scope")
    if claim.name in known.proved and known.well_formed:
        return verdict(Result.PROVED, known.proved[claim.name][0])
    if claim.name in known.proved:
        return verdict(Result.UNKNOWN, "none", "it could not be shown that no `forall` writes two values to one place")
    method = f"to depth {known.bound}" if known.bound >= 0 else "none"
    return verdict(Result.UNKNOWN, method, stopped or "not proved")


class _Prover:
    def __init__(
        self,
        system: System,
        scope: Scope,
        topology: Topology | None,
        wanted: tuple[Property, ...],
        limits: Limits,
        symmetry: bool,
        known: _Known,
    ) -> None:
        self.system = system
        self.scope = scope
        self.topology = topology
        self.limits = limits
        self.symmetry = symmetry
        self.known = known
        self.expected: dict[str, tuple[str, str | None]] = {}
        self.wanted = [claim.name for claim in wanted if claim.kind in PROVABLE and claim.name != "lock_order"]
        helping = [claim for claim in system.properties if claim.kind in (Kind.INVARIANT, Kind.LEMMA)]
        self.claims = [claim for claim in system.properties if claim.name in self.wanted or claim in helping]

    def run(self) -> None:
        """Raises Stopped and Refused; what was found until then stays."""
        known = self.known
        if not self.claims:
            return
        self._look(self.claims, DEEPEST, SLICE)
        starts = starting_points(self.system, self.scope, self.topology, self.symmetry, self.limits)
        if not starts or known.bound < 0:
            return
        induction = Induction(Unrolling(Gates(lambda: self.limits.check(0)), starts, self.claims), self.limits)
        for depth in range(1, DEEPEST + 1):
            self._inductive(induction, depth)
        if self._open():
            self._look([claim for claim in self.claims if claim.name in self._open()], 4 * DEEPEST, SLICE)
        if self._open():
            self._spacer(induction)
        self._obstacles(induction)

    def _now(self, names: Iterable[str]) -> None:
        self.known.when |= dict.fromkeys(names, time.monotonic())

    def _open(self) -> list[str]:
        """The claims that were asked for and about which nothing is known."""
        return [name for name in self.wanted if name not in self.known.proved and name not in self.known.found]

    def _slice(self, seconds: float) -> Limits:
        """Limits for a part of the work.  Raises Stopped when there is no time left at all."""
        self.limits.check(0)
        if self.limits.timeout is not None:
            seconds = min(seconds, self.limits.timeout - (time.monotonic() - self.limits.started))
        return Limits(timeout=seconds, memory=self.limits.memory, interrupted=self.limits.interrupted)

    def _look(self, claims: Sequence[Property], depth: int, seconds: float) -> None:
        """Counterexamples of few calls."""
        run = bounded(
            self.system,
            self.scope,
            self.topology,
            claims=claims,
            limits=self._slice(seconds),
            symmetry=self.symmetry,
            depth=depth,
            expected=self.expected,
        )
        self.known.bound = max(self.known.bound, run.bound if run.bound is not None else -1)
        found = {v.property: v for v in run.verdicts if v.result is Result.FAILS}
        self.known.found |= found
        self._now(found)
        self.limits.check(0)

    def _inductive(self, induction: Induction, depth: int) -> None:
        known = self.known
        if depth - 1 > known.bound:
            return  # nothing is known of the first calls
        given = list(known.proved)
        candidates = [c.name for c in self.claims if c.name not in known.found and c.name not in known.proved]
        if not known.well_formed:
            candidates.append(WELL_FORMED)
        kept = induction.kept(candidates, depth, given)
        known.well_formed = known.well_formed or WELL_FORMED in kept
        helped = tuple(name for name in (*given, *kept) if name != WELL_FORMED)
        for name in kept:
            if name != WELL_FORMED:
                known.proved[name] = (f"{depth}-induction", tuple(each for each in helped if each != name))
                self._now([name])

    def _spacer(self, induction: Induction) -> None:
        """Asks about one claim after the other; what it proves may be what induction lacked for others."""
        spacer, total = Spacer(induction), SPACER
        if self.limits.timeout is not None:
            total = min(total, (self.limits.timeout - (time.monotonic() - self.limits.started)) / 2)
        until, todo = time.monotonic() + total, self._open()
        while todo and (left := until - time.monotonic()) > 0:
            name = todo.pop(0)
            given = tuple(self.known.proved)
            try:
                parts = spacer.proves(name, given, self._slice(left / (len(todo) + 1)))
            except Stopped:
                self.limits.check(0)
                continue
            if parts is not None:
                shown = f"an invariant with {parts:,} part{'' if parts == 1 else 's'}, checked again"
                self.known.proved[name] = ("property directed reachability", (shown, *given))
                self._now([name])
                self._inductive(induction, 1)
                todo = [each for each in todo if each not in self.known.proved]

    def _obstacles(self, induction: Induction) -> None:
        """For what stays open, a state and a call that induction trips over."""
        replayer = Replayer(induction.unrolling)
        reached = Reached(self.system, self.limits)
        by_name = {claim.name: claim for claim in self.claims}
        for name in self._open():
            values = induction.counterexample(name, list(self.known.proved))
            if values is None:
                continue
            try:
                witness = replayer.witness(induction.levels[:2], values, by_name[name], (), initial=False)
            except Mismatch as mismatch:
                raise Stopped(f"stopped by a defect of luocheck: {mismatch}") from None
            instance, store = replayer.begin(induction.start, values)
            lines = tuple(state_lines(store))
            self.known.obstacles[name] = NotInductive(lines, witness, reached.contains(instance, store))
