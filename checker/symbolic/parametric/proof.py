"""A claim for every number of elements and every graph: lemmas are found, then certified."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.symbolic.parametric.asking import Undecided, Worlds
from luocheck.checker.symbolic.parametric.certified import Gap, gaps
from luocheck.checker.symbolic.parametric.cutpoints import Cut, cut
from luocheck.checker.symbolic.parametric.induction import Obstacle, Search, Wandering
from luocheck.checker.symbolic.parametric.looking import Looking, is_large
from luocheck.checker.symbolic.parametric.reached import add_views
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.relevance import reads_paths
from luocheck.checker.symbolic.parametric.sizes import counted, scopes, small_scopes
from luocheck.checker.symbolic.parametric.views import Clause, Known, templates
from luocheck.checker.symbolic.parametric.worlds import fresh_terms
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import Property, Scope, System
from luocheck.model.ir.vocabulary import Field, Lifetime

QUESTION = 20.0
"""Seconds for one question to the solver."""
EXPLORED_AT_ONCE = {True: 2, False: 1}
"""Scopes that are explored before the first search: with callers, and without."""
STATES = 20_000
"""Most states of a scope of which the views are collected."""
ROUNDS = 6
"""How often a gap in the proof for every size may lead to a larger world."""


@dataclass(slots=True)
class Proof:
    """What became of some claims together.

    proved: for every size, with the lemmas, checked by `certified`.  obstacles: claims of which the views were too coarse, or which are
    false beyond what was explored.  missing: why nothing was proved although the lemmas are inductive at small sizes.
    """

    cut: Cut
    proved: list[Property] = field(default_factory=list)
    lemmas: list[Clause] = field(default_factory=list)
    obstacles: list[Obstacle] = field(default_factory=list)
    missing: str | None = None
    states: int = 0
    counterexamples: int = 0
    checks: int = 0
    seconds: float = 0.0


def groups(system: System, claims: Sequence[Property]) -> tuple[list[list[Property]], list[tuple[Property, NoForm]]]:
    """Claims that are proved together, and those that have no form for every size.

    Statements about a state go together; those that compare with the state before a call go with the others about this call, because
    each needs copies of what it compares with.  Of large specs each claim is proved alone, as far as it can be with few fields.
    """
    found: dict[str, list[Property]] = {}
    refused: list[tuple[Property, NoForm]] = []
    large = False
    for claim in claims:
        try:
            made = cut(system, [claim])
        except NoForm as reason:
            refused.append((claim, reason))
            continue
        inside = list(e.walk(claim.condition)) if claim.condition is not None else []
        compares = any(isinstance(each, e.Old | e.Unchanged) for each in inside)
        about = (claim.pattern.event or "any") if claim.pattern is not None else claim.name
        large = large or is_large(made)
        found.setdefault(claim.name if is_large(made) else about if compares else "", []).append(claim)
    parts = list(found.values())
    if len(parts) == 2 and not large:  # one search for both takes less than two
        parts = [[claim for claim in claims if any(claim in part for part in parts)]]
    return parts, refused


def prove_at_once(
    system: System, claims: Sequence[Property], limits: Limits, tell: Callable[[str], None] = lambda what: None
) -> Proof | None:
    """Tries to prove claims of a large spec without any lemma, with no other fields than they read.  Raises NoForm, and Stopped at a limit.

    None where they are not proved so, and of specs that are not large.
    """
    if not is_large(cut(system, claims)):
        return None
    with fresh_terms():
        proof = _Prover(cut(system, claims, frozenset()), claims, limits, tell, alone=True).run()
    return proof if len(proof.proved) == len(claims) else None


def prove(system: System, claims: Sequence[Property], limits: Limits, tell: Callable[[str], None] = lambda what: None) -> Proof:
    """Tries to prove claims together; the answer does not depend on what was asked before.  Raises NoForm, and Stopped at a limit.

    Of a large spec few fields are looked at first, and more where a claim is not proved with these.  What `prove_at_once` proves is left to it.
    """

    def tried(made: Cut) -> Proof:
        with fresh_terms():
            return _Prover(made, claims, limits, tell).run()

    whole = cut(system, claims)
    looking = Looking(system, claims, limits)
    chosen = frozenset[int]() if is_large(whole) else None
    while chosen is not None:
        chosen = looking.enough(chosen)
        proof = tried(cut(system, claims, chosen, looking.everywhere(chosen)))
        if len(proof.proved) == len(claims):
            return proof
        events = [proof.cut.origin[each.event.index] for each in proof.obstacles if each.event is not None]
        chosen = looking.wider(proof.cut, chosen, events)
        tell("looking at more fields" if chosen is not None else "looking at all fields")
    proof = tried(whole)
    everywhere = looking.everywhere(None) if proof.obstacles else frozenset()
    if everywhere:  # what holds in the middle of calls too is no lemma where it says `some`, but it may be asked itself
        proof = max(proof, tried(cut(system, claims, None, everywhere)), key=lambda each: len(each.proved))
    return proof


class _Prover:
    def __init__(
        self, made: Cut, claims: Sequence[Property], limits: Limits, tell: Callable[[str], None], *, alone: bool = False
    ) -> None:
        """alone: no lemma is looked for."""
        self.started = time.monotonic()
        self.limits = limits
        self.tell = tell
        self.claims = list(claims)
        self.cut = made
        fields = [f for f in self.cut.system.fields if f.index in self.cut.relevant and not _has_one_value(f)]
        self.templates = templates(fields, self.cut.system.graphs)
        self.sizes = counted(self.cut, self.templates)
        self.known = [Known(template) for template in self.templates] if not alone else []
        self.left = scopes(self.cut, self.sizes)
        self.proof = Proof(self.cut)
        self.few = made.chosen is not None

    def run(self) -> Proof:
        claims = self.cut.claims
        self._attempt(whole=False)
        if len(self.proof.proved) < len(claims) and reads_paths(self.cut.system, [condition for _, condition in claims]):
            first, self.cut.claims = self.proof, claims
            self.proof = replace(first, proved=[], lemmas=[], obstacles=[], missing=None)
            self._attempt(whole=True)
            if len(self.proof.proved) <= len(first.proved):
                self.proof = first
        self.proof.seconds = time.monotonic() - self.started
        return self.proof

    def _attempt(self, whole: bool) -> None:
        """Looks for lemmas in worlds that may be parts of larger ones; or (whole) in which a path has its first and its last edge.

        In the second more is inductive, also what is not for every size, so it is for what is not to be had in the first.
        """
        while True:
            worlds = Worlds(self.cut, whole)
            worlds.add([1] * len(self.sizes))
            worlds.add(self.sizes)
            search = Search(worlds, self.known, self._pulse, patient=not self.left, prepare=self._first_views)
            try:
                self._certified(search, worlds)
                break
            except Wandering:
                if not self.left:
                    self.proof.missing = "what few elements show of themselves is too coarse: too many of their views were added"
                    break
                self._explore()
            except Undecided as reason:
                self.proof.missing = f"the solver gave up: {reason}"
                break

    def _pulse(self) -> None:
        self.limits.check(0)

    def _first_views(self) -> None:
        """A claim that is inductive by itself needs none."""
        if self.proof.states or not self.known:
            return
        for _ in range(EXPLORED_AT_ONCE[self.cut.system.caller is not None and not self.few]):
            before = self.proof.states
            self._explore()
            if self.proof.states - before >= STATES:  # the states of a scope that is too large show little of what comes late
                small = small_scopes(self.cut, self.sizes, self.templates)
                self.left[:0] = small
                for _ in small:
                    self._explore()
                return

    def _explore(self) -> None:
        if self.left:
            scope = self.left.pop(0)
            self.tell(f"exploring {scope}")
            self.proof.states += self._views(scope)

    def _views(self, scope: Scope) -> int:
        self.limits.check(0)
        try:
            return add_views(
                self.cut.system,
                scope,
                self.known,
                Limits(STATES, self.limits.timeout, self.limits.memory, self.limits.interrupted, self.limits.started),
            )
        except Stopped:
            self.limits.check(0)  # if that was the reason, it is one to stop
            return 0

    def _certified(self, search: Search, worlds: Worlds) -> None:
        """Looks for lemmas until they hold for every size, with a larger world whenever a gap shows one."""
        proof = self.proof
        for _ in range(ROUNDS):
            self.tell("looking for lemmas")
            found = search.run()
            proof.obstacles, proof.counterexamples, proof.checks = found.obstacles, found.counterexamples, found.checks
            proved = [claim for claim in found.proved if claim in self.claims]  # not only what is true of all lists
            if not proved:
                return
            self.tell(f"checking {len(found.lemmas)} lemmas for every size")
            self.cut.claims = [each for each in self.cut.claims if each[0] in found.proved]
            missing = list(gaps(self.cut, found.lemmas, QUESTION, self._pulse))
            if not missing:
                proof.proved, proof.lemmas, proof.missing = proved, found.lemmas, None
                return
            proof.missing = _reason(missing)
            grown = [worlds.add(sizes) for sizes in self._larger(missing)]
            if not any(grown):
                return

    def _larger(self, missing: list[Gap]) -> list[tuple[int, ...]]:
        """Worlds in which the gaps may show, as small as they may be."""
        wanted = [gap.sizes for gap in missing if gap.sizes is not None]
        one_more = tuple(size + 1 if size > 1 else 1 for size in self.sizes)
        shown = {tuple(min(size, most) for size, most in zip(sizes, one_more, strict=True)) for sizes in wanted}
        return sorted(shown) or [one_more]


def _has_one_value(f: Field) -> bool:
    """A field that has one value in every scope, and any in a proof: what is seen in scopes says nothing of it."""
    return f.lifetime is Lifetime.FIXED and not f.drawn


def _reason(missing: list[Gap]) -> str:
    places = ", ".join(sorted({gap.event or "the beginning" for gap in missing}))
    given_up = next((gap.reason for gap in missing if gap.sizes is None), None)
    if given_up is not None:
        return f"the solver gave up at {places}: {given_up}"
    return f"the lemmas are inductive at small sizes, but not for every size: at {places}"
