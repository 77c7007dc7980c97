"""Proving a spec: which claims are tried together, what became of each, and what it comes to against the spec's expectations."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

from luocheck.checker.expectations import default_scope
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.result import Exploration
from luocheck.checker.selection import claims_named
from luocheck.model.answer import Result, Verdict
from luocheck.model.instances import cells_of, default_name, instances
from luocheck.model.ir.system import Expected, Kind, Property, Scope
from luocheck.model.ir.vocabulary import Lifetime
from luocheck.model.spec import Spec

if TYPE_CHECKING:
    from luocheck.checker.symbolic.parametric.asking import Model
    from luocheck.checker.symbolic.parametric.certificate import Checked
    from luocheck.checker.symbolic.parametric.induction import Obstacle
    from luocheck.checker.symbolic.parametric.proof import Proof

STATES_FIRST = 100_000
"""Most states that are explored before a proof is tried: what is false there needs none."""
AT_ONCE = 10.0
"""Seconds (of the processor) for each claim that may need no lemma."""
FIRST_TURN = 4.0
"""Seconds for each claim of a group after that, until the next group has its turn."""
LONGER = 3
"""How much longer the next turn of the same group is."""
TURN_IS_OVER = "others have their turn"


@dataclass(frozen=True, slots=True)
class Unproved:
    """A state that the lemmas cannot tell from the reachable ones, and the call after which the claim is false.

    sizes: of each sort.  state: its cells that are not as in the beginning, in words.  graph: edges.  reachable: False when every state
    of these sizes was explored and the claim was not broken, so that no run comes to this one; None when that is not known.  explored: how
    many states were.
    """

    call: str
    sizes: str
    state: tuple[str, ...]
    graph: tuple[str, ...]
    reachable: bool | None
    explored: int


@dataclass(frozen=True, slots=True)
class ProofRun:
    """Claims that were proved together, the lemmas for it, and what it took.

    between_calls: those of the lemmas that can be pasted into the spec.  states: of small scopes, whose views were collected.
    """

    claims: tuple[str, ...]
    lemmas: tuple[str, ...]
    between_calls: tuple[str, ...]
    states: int
    counterexamples: int
    checks: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ProveAnswer:
    """What `prove` found.

    other: claims that are not about every state, and that `check` decides.  stopped: the limit that ended it.  certificate: the proofs
    as plain data.
    """

    spec: Spec = field(repr=False)
    verdicts: tuple[Verdict, ...]
    unproved: dict[str, Unproved]
    runs: tuple[ProofRun, ...]
    other: tuple[str, ...]
    stopped: str | None
    certificate: dict[str, Any] = field(repr=False)
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """`as-expected`, `unexpected` or `undecided`."""
        if any(v.as_expected is False for v in self.verdicts):
            return "unexpected"
        if not self.verdicts or any(v.as_expected is None for v in self.verdicts):
            return "undecided"
        return "as-expected"

    @property
    def exit_status(self) -> int:
        """0 as expected, 1 not as expected, 3 undecided."""
        return {"as-expected": 0, "unexpected": 1, "undecided": 3}[self.verdict]


def prove(
    spec: Spec,
    *,
    properties: Sequence[str] = (),
    limits: Limits | None = None,
    progress: Callable[[str], None] = lambda what: None,
    given: str | None = None,
) -> ProveAnswer:
    """Proves claims for every number of elements and every dependency graph, with lemmas that it finds, and certifies the proof with z3.

    properties: the claims, all by default.  limits: of the whole; what they leave open is `unknown`, and what was proved before stays.
    given: how the spec was named, for the certificate.  Raises SpecError LUO603 for an unknown claim.
    """
    return _Proving(spec, properties, limits or Limits(), progress, given or spec.name).run()


class _Proving:
    def __init__(self, spec: Spec, properties: Sequence[str], limits: Limits, progress: Callable[[str], None], given: str) -> None:
        from luocheck.checker.symbolic.parametric.cutpoints import PROVABLE

        self.started = time.monotonic()
        self.spec = spec
        self.system = spec.system
        self.limits = limits
        self.progress = progress
        self.given = given
        claims = claims_named(self.system, properties)
        self.claims = [claim for claim in claims if claim.kind in PROVABLE]
        self.other = [claim for claim in claims if claim.kind not in PROVABLE]
        self.named = bool(properties)
        self.verdicts: dict[str, Verdict] = {}
        self.unproved: dict[str, Unproved] = {}
        self.proofs: list[Proof] = []
        self.vacuous: set[str] = set()

    def run(self) -> ProveAnswer:
        from luocheck.checker.symbolic.parametric import certificate

        stopped: str | None = None
        try:
            self._false_at_small_sizes()
            self._prove()
        except Stopped as stop:
            stopped = stop.reason
        for claim in self.claims:
            self.verdicts.setdefault(claim.name, self._verdict(claim, Result.UNKNOWN, "", stopped or ""))
        if self.named:
            for claim in self.other:
                note = f"`{claim.kind.value}` is not about every state: `luocheck check` decides it"
                self.verdicts[claim.name] = self._verdict(claim, Result.UNKNOWN, "", note)
        ordered = [self.verdicts[c.name] for c in self.system.properties if c.name in self.verdicts]
        found = [(p.cut, [c.name for c in p.proved], p.lemmas) for p in self.proofs if p.proved]
        return ProveAnswer(
            self.spec,
            tuple(ordered),
            self.unproved,
            tuple(self._run(p) for p in self.proofs if p.proved),
            tuple(c.name for c in self.other if c.kind is not Kind.BUILT_IN),
            stopped,
            certificate.document(self.spec, self.given, found),
            time.monotonic() - self.started,
        )

    # ---- the steps ----------------------------------------------------------------------------------------------

    def _false_at_small_sizes(self) -> None:
        """Claims that are false in the default scope are told with their shortest run, and need no proof."""
        if not self.claims:
            return
        self.progress("exploring the default scope")
        scope = replace(default_scope(self.system), stepwise=frozenset())
        self._explored(scope, self.claims)

    def _explored(self, scope: Scope, claims: Sequence[Property]) -> Exploration:
        bounds = Limits(STATES_FIRST, self.limits.timeout, self.limits.memory, self.limits.interrupted, self.limits.started)
        found = explore(self.system, scope, claims=claims, limits=bounds)
        self.limits.check(0)
        for claim, verdict in zip(claims, found.verdicts, strict=True):
            if verdict.result is Result.FAILS:
                self.verdicts[claim.name] = self._judged(claim, verdict)
            elif verdict.result is Result.VACUOUS:
                self.vacuous.add(claim.name)
            elif found.complete:
                self.vacuous.discard(claim.name)
        return found

    def _prove(self) -> None:
        from luocheck.checker.symbolic.parametric.proof import groups

        left = [claim for claim in self.claims if claim.name not in self.verdicts]
        together, refused = groups(self.system, left)
        for claim, reason in refused:
            span = reason.span
            where = f"{span.source.name}:{span.line}: " if span.source.text else ""
            self.verdicts[claim.name] = self._verdict(
                claim, Result.UNKNOWN, "", f"LUO510 no form for every size: {where}{reason.reason}"
            )
        self._in_turns(together)

    def _in_turns(self, groups: Sequence[Sequence[Property]]) -> None:
        """Groups of claims get longer and longer turns, so that one that is hard does not keep the others from being proved."""
        from luocheck.checker.symbolic.parametric.proof import prove
        from luocheck.checker.symbolic.parametric.refusal import NoForm

        seconds, waiting = FIRST_TURN, deque(claims for claims in groups if not self._at_once(claims))
        while waiting:
            later: list[Sequence[Property]] = []
            while waiting:
                claims = waiting.popleft()
                is_last = not waiting and not later
                try:
                    proof = prove(self.system, claims, self._turn(None if is_last else seconds * len(claims)), self.progress)
                except NoForm as reason:
                    for claim in claims:
                        self.verdicts[claim.name] = self._verdict(
                            claim, Result.UNKNOWN, "", f"LUO510 no form for every size: {reason.reason}"
                        )
                    continue
                except Stopped as stop:
                    if stop.reason != TURN_IS_OVER:
                        raise
                    later.append(claims)
                    continue
                if proof.missing is not None and len(claims) > 1:
                    waiting.extendleft([claim] for claim in reversed(claims))  # one of them may be what is too much
                    continue
                self.proofs.append(proof)
                self._account(proof, claims)
            seconds, waiting = seconds * LONGER, deque(later)

    def _at_once(self, claims: Sequence[Property]) -> bool:
        """Are claims proved without any lemma?"""
        from luocheck.checker.symbolic.parametric.proof import prove_at_once
        from luocheck.checker.symbolic.parametric.refusal import NoForm

        proof = None
        try:
            proof = prove_at_once(self.system, claims, self._turn(AT_ONCE * len(claims)), self.progress)
        except NoForm:  # told when their turn comes
            pass
        except Stopped as stop:
            if stop.reason != TURN_IS_OVER:
                raise
        if proof is None:
            return False
        self.proofs.append(proof)
        self._account(proof, claims)
        return True

    def _turn(self, seconds: float | None) -> Limits:
        """The limits of the whole, and of a turn."""
        if seconds is None:
            return self.limits
        until, interrupted = time.process_time() + seconds, self.limits.interrupted
        return replace(self.limits, interrupted=lambda: interrupted() or (TURN_IS_OVER if time.process_time() > until else None))

    def _account(self, proof: Proof, claims: Sequence[Property]) -> None:
        count = len(proof.lemmas)
        method = f"every size, {count} lemma{'' if count == 1 else 's'}"
        for claim in proof.proved:
            if claim.name in self.vacuous:
                note = "what it is about never happened where it was looked for"
                self.verdicts[claim.name] = self._verdict(claim, Result.VACUOUS, method, note)
            else:
                self.verdicts[claim.name] = self._verdict(claim, Result.PROVED, method, "")
        obstacles = {obstacle.claim.name: obstacle for obstacle in proof.obstacles}
        looked_for: dict[tuple[int, ...], Exploration] = {}
        for sizes in dict.fromkeys(obstacle.before.sizes for obstacle in proof.obstacles):
            there = [claim for claim in claims if claim.name in obstacles and obstacles[claim.name].before.sizes == sizes]
            looked_for[sizes] = self._explored(self._scope_of(sizes), there)
        for claim in claims:
            if claim.name in self.verdicts:
                continue
            if claim.name in obstacles:
                obstacle = obstacles[claim.name]
                self.unproved[claim.name] = self._told(proof, obstacle, looked_for[obstacle.before.sizes])
                note = "not proved: views too coarse, or false where nobody looked"
            else:
                note = f"not proved: {proof.missing}"
            self.verdicts[claim.name] = self._verdict(claim, Result.UNKNOWN, "", note)

    def _scope_of(self, sizes: tuple[int, ...]) -> Scope:
        named = zip(self.system.sorts, sizes, strict=True)
        return Scope("deeper", tuple((sort.name, size) for sort, size in named), frozenset(), self.system.span)

    # ---- answers ------------------------------------------------------------------------------------------------

    def _verdict(self, claim: Property, result: Result, method: str, note: str) -> Verdict:
        return self._judged(claim, Verdict(claim.name, claim.kind.value, claim.doc, result, method, note=note, span=claim.span))

    def _judged(self, claim: Property, verdict: Verdict) -> Verdict:
        """With what the spec expects in its default scope."""
        entry = next(
            (e for e in self.system.expectations if e.property == claim.name and e.scope is None and e.topology is None), None
        )
        expected = entry.verdict if entry is not None else Expected.HOLDS
        right: bool | None
        match verdict.result:
            case Result.PROVED:
                right = expected is Expected.HOLDS
            case Result.FAILS:
                right = expected is Expected.FAILS
            case Result.VACUOUS:
                right = expected is Expected.VACUOUS
            case _:
                right = None
        return replace(verdict, expected=expected.value, as_expected=right)

    def _run(self, proof: Proof) -> ProofRun:
        from luocheck.checker.symbolic.parametric import lemmas

        between = [lemmas.between_calls(proof.cut, clause) for clause in proof.lemmas]
        pasted = [lemmas.text(proof.cut, clause) for clause in between if clause is not None]
        return ProofRun(
            tuple(claim.name for claim in proof.proved),
            tuple(lemmas.text(proof.cut, clause) for clause in proof.lemmas),
            tuple(dict.fromkeys(pasted)),
            proof.states,
            proof.counterexamples,
            proof.checks,
            proof.seconds,
        )

    def _has_graph(self, sizes: tuple[int, ...], state: Model) -> bool:
        """Do scopes of these sizes have the dependency graph of a state?  Fixed values may forbid it."""
        if not self.system.graphs:
            return True
        graph, *more = self.system.graphs
        if more:
            return False
        elements = range(sizes[graph.sort.index])
        wanted = [(x, y) for x, y in product(elements, repeat=2) if state.edge(graph, False, x, y)]
        renamed = {frozenset((names[x], names[y]) for x, y in wanted) for names in permutations(elements)}
        return any(frozenset(each.edges[graph.index]) in renamed for each in instances(self.system, self._scope_of(sizes)))

    def _told(self, proof: Proof, obstacle: Obstacle, found: Exploration) -> Unproved:
        from luocheck.checker.symbolic.parametric.lemmas import key, listed, value_text

        before, cut = obstacle.before, proof.cut
        sizes = before.sizes
        elements = [[f"{default_name(sort)}{x}" for x in range(size)] for sort, size in zip(cut.system.sorts, sizes, strict=True)]
        cells: list[str] = []
        as_explored = self._has_graph(sizes, before)  # a scope gives fixed fields their values; in a proof they have any
        for f in cut.system.fields:
            if f.index not in cut.relevant:
                continue
            for cell in cells_of(f, sizes):
                value = before.value(f, cell[1:])
                as_explored = as_explored and (f.lifetime is not Lifetime.FIXED or f.drawn or value == f.initial)
                if value != f.initial:
                    owners = [elements[o.index][x] for o, x in zip(f.owners, cell[1:], strict=True)]
                    place = f"{owners[0]}.{f.name}" if len(owners) == 1 else f"{key(f)}({', '.join(owners)})" if owners else f.name
                    cells.append(listed(cut, f, owners) or f"{place} == {value_text(f, value, elements)}")
        graph = [
            f"{elements[g.sort.index][x]} -> {elements[g.sort.index][y]}"
            for g in cut.system.graphs
            for x in range(sizes[g.sort.index])
            for y in range(sizes[g.sort.index])
            if before.edge(g, False, x, y)
        ]
        shown = " ".join(f"{sort.name}={size}" for sort, size in zip(cut.system.sorts, sizes, strict=True))
        call = obstacle.event.name if obstacle.event is not None else "the beginning"
        reachable = False if found.complete and as_explored else None
        return Unproved(call, shown, tuple(cells), tuple(graph), reachable, found.states)


def smt2(spec: Spec, data: dict[str, Any], path: str) -> str:
    """The questions of a certificate as SMT-LIB 2, for any solver: it is a proof when every answer is `unsat`.  Raises SpecError LUO511."""
    from luocheck.checker.symbolic.parametric import certificate

    return certificate.smt2(spec, data, path)


def check_certificate(spec: Spec, data: dict[str, Any], path: str, limits: Limits) -> list[Checked]:
    """Checks a certificate (as `certificate.read` gives it) against a spec.  Raises SpecError LUO511, and Stopped at a limit."""
    from luocheck.checker.symbolic.parametric import certificate
    from luocheck.checker.symbolic.parametric.proof import QUESTION

    return certificate.check(spec, data, path, QUESTION, lambda: limits.check(0))
