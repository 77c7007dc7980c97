"""What is known of each claim: the best witness over all instances, what was looked at, and in the end a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from luocheck.checker.explore.contributions import Best
from luocheck.checker.explore.limits import NO_MORE_MEMORY, Stopped
from luocheck.checker.explore.lock_order import lock_order
from luocheck.checker.explore.result import Exploration
from luocheck.checker.explore.search import Coverage, Discovery, InstanceSearch
from luocheck.checker.explore.witnesses import Narrator, Path, best_path, cost
from luocheck.checker.liveness.decide import Answer, Decider
from luocheck.checker.liveness.tell import tell as tell_lasso
from luocheck.model.answer import Result, Verdict, Witness
from luocheck.model.instances import Instance
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Kind, Property
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.statements import Program


class Known:
    """best: witnesses of broken claims and of goals.  depths: of those whose story is not told.  seen: claims that were looked at; needed:
    claims about the graph that were about some state.  unknown: why a claim is left open.  program: of the instances, once there was one.
    """

    def __init__(self, claims: Sequence[Property]) -> None:
        self.by_name = {claim.name: claim for claim in claims}
        self.best: dict[str, Best] = {}
        self.depths: dict[str, int] = {}
        self.seen: set[str] = set()
        self.unknown: dict[str, str] = {}
        self.needed: set[str] = set()
        self.coverage = Coverage()
        self.program: Program | None = None
        self._telling: Machine | None = None  # executes witnesses again

    def forget(self, names: Sequence[str]) -> None:
        """These claims are decided again."""
        for name in names:
            for known in (self.best, self.depths, self.unknown):
                known.pop(name, None)
        self.needed -= set(names)

    def least_depth(self, name: str) -> int | None:
        """Of what was found about a claim."""
        depths = [self.depths[name]] if name in self.depths else []
        if name in self.best:
            depths.append(self.best[name].key[0])
        return min(depths, default=None)

    # ---- discoveries --------------------------------------------------------------------------------------------

    def offer(self, search: InstanceSearch, witnesses: bool) -> str | None:
        """What the search of an instance discovered competes with the best of the others; the limit that a story ran into, if one did."""
        stopped = None
        for name, discovery in search.discoveries.items():
            if name not in self.by_name:
                continue  # an assertion or a built-in finding that was not asked for
            if not witnesses:
                self.offer_depth(name, discovery.depth)
                continue
            stopped = self._offer(search, name, discovery) or stopped
        return stopped

    def offer_depth(self, name: str, depth: int) -> None:
        """A discovery whose story is not told."""
        self.depths[name] = min(depth, self.depths.get(name, depth))

    def _offer(self, search: InstanceSearch, name: str, discovery: Discovery) -> str | None:
        before = self.best.get(name)
        if before is not None and cost(search, discovery) > before.key[:2]:
            return None
        try:
            self._tell(search, name, discovery)
        except (Stopped, MemoryError) as stop:  # what was found is certain, also when there is no memory left for its story
            self.offer_depth(name, discovery.depth)
            return stop.reason if isinstance(stop, Stopped) else NO_MORE_MEMORY
        return None

    def _tell(self, search: InstanceSearch, name: str, discovery: Discovery) -> None:
        before = self.best.get(name)
        path: Path = best_path(search, discovery)
        key = (path.calls, path.faults, path.elements, _edges(search.instance))
        if before is None or key < before.key:
            witness = self._narrator_of(search.instance).witness(search, path, self.by_name[name], ())
            self.best[name] = Best(key, witness, path.fewest_elements)

    def offer_lasso(self, decider: Decider, answer: Answer, claim: Property) -> None:
        """A lasso of one instance competes with the best of the others."""
        instance, before = decider.search.instance, self.best.get(claim.name)
        assert answer.lasso is not None
        key = (*answer.key, _edges(instance))
        if before is not None and key >= before.key:
            return
        witness = tell_lasso(decider.graph, answer.lasso, answer.elements, self._narrator_of(instance), claim)
        self.best[claim.name] = Best(key, witness, False)

    def _narrator_of(self, instance: Instance) -> Narrator:
        if self._telling is None or self._telling.sizes != instance.sizes:
            self._telling = Machine(instance, notes=True)
        return Narrator(instance, self._telling)

    # ---- verdicts -----------------------------------------------------------------------------------------------

    def verdict(self, claim: Property, found: Exploration) -> Verdict:
        """What an exploration says about a claim, now that it has ended."""
        states = f"{found.states:,} state{'' if found.states == 1 else 's'}"
        method = f"exhaustive, {states}" if found.complete else f"explored {states}"
        if claim.kind is Kind.LIVENESS and found.kept_states:
            method += f"; {found.kept_states:,} with names kept"

        def verdict(result: Result, witness: Witness | None = None, note: str = "") -> Verdict:
            return Verdict(claim.name, claim.kind.value, claim.doc, result, method, witness, note=note, span=claim.span)

        if claim.name == "lock_order":
            return verdict(*lock_order(found.system, found.scope))
        best = self.best.get(claim.name)
        goal = claim.kind is Kind.REACHABLE
        if best is not None or claim.name in self.depths:
            witness = _with_minimality(best, found) if best is not None else None
            note = (found.stopped or "") if witness is None else ""
            return verdict(Result.REACHED if goal else Result.FAILS, witness, note)
        if found.stopped is not None:
            return verdict(Result.UNKNOWN, note=found.stopped)
        if claim.name in self.unknown:
            return verdict(Result.UNKNOWN, note=self.unknown[claim.name])
        if goal:
            return verdict(Result.UNREACHED)
        if self._vacuous(claim):
            return verdict(Result.VACUOUS)
        return verdict(Result.HOLDS)

    def _vacuous(self, claim: Property) -> bool:
        match claim.kind:
            case Kind.NEVER:
                assert claim.pattern is not None
                return claim.pattern.event not in self.coverage.events
            case Kind.INVARIANT | Kind.LEMMA | Kind.AFTER:
                return claim.name not in self.seen
            case Kind.RECOVERABLE | Kind.STUCK | Kind.LIVENESS:
                return claim.name not in self.needed
            case Kind.ASSERT:
                lines = self.program.lines if self.program is not None else []
                fired = [lines[number] for number in self.coverage.lines]
                return not any(isinstance(line, st.Assert) and line.name == claim.name for line in fired)
        return False

    def tell_coverage(self, found: Exploration) -> None:
        """Into an exploration: which paths were cut, and what no transition used."""
        found.cuts = dict(sorted(self.coverage.cuts.items()))
        fired = self.coverage.events
        found.events_never_fired = tuple(e.name for e in found.system.events if e.name not in fired)
        if self.program is None:  # there was no instance
            return
        found.lines_never_fired = tuple(
            line
            for number, line in enumerate(self.program.lines)
            if isinstance(line, st.Fail | st.Panic) and number not in self.coverage.lines
        )


def _edges(instance: Instance) -> int:
    return sum(len(edges) for edges in instance.edges)


def _with_minimality(best: Best, found: Exploration) -> Witness:
    """What is claimed minimal: nothing while some instances were not searched to that depth, nor of lassos."""
    if found.stopped is not None or best.witness.loop is not None:
        return best.witness
    proved = ["calls", "faults"]
    if best.fewest_elements:
        proved += ["elements", "edges"] if found.system.graphs else ["elements"]
    return replace(best.witness, minimal=tuple(proved))
