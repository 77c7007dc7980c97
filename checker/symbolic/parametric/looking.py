"""Which fields a proof looks at: few at first, and those that decide where a call goes when a claim is not proved without.

(Clarke, Grumberg, Jha, Lu, Veith, Counterexample-guided abstraction refinement, 2000.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.search import calls
from luocheck.checker.symbolic.parametric.cutpoints import Cut, cut
from luocheck.checker.symbolic.parametric.formed import formed
from luocheck.checker.symbolic.parametric.marks import Gathered
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.relevance import reads
from luocheck.model.answer import Result, Verdict
from luocheck.model.diagnostics import SpecError
from luocheck.model.instances import instances
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event, Kind, Property, Scope, System
from luocheck.model.ir.vocabulary import ElemT
from luocheck.model.semantics.expressions import Code, Oops
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.store import Store

LARGE = 48
"""Pieces of calls from which on a cut system is looked at in part first."""
MADE = 8
"""Fields that its form has more than the spec (for lists, pools, walks) from which on it is, too."""
MOST = 0.8
"""Part of the fields that claims may speak of themselves, where it is of use to leave out the others."""
STATES = 3_000
"""Most states that are explored to see whether a claim is false because too little is looked at."""
KNOWN = 4
"""Most runs that are kept to see whether claims are false after them where other fields are looked at."""
FOLLOWED = 64
"""Most states after each call of such a run."""
ENOUGH = 2
"""Elements of each sort that matters, in that exploration."""


def is_large(made: Cut) -> bool:
    return len(made.system.events) >= LARGE or len(made.system.fields) - made.declared >= MADE


@dataclass(frozen=True, slots=True)
class Looking:
    """Looks for fields without which claims are false of the cut system."""

    system: System
    claims: Sequence[Property]
    limits: Limits
    runs: list[list[Event]] = field(default_factory=list)

    def enough(self, chosen: frozenset[int]) -> frozenset[int]:
        """These fields and few more, so that the claims hold in a small scope of the cut system, if any do."""
        if len(cut(self.system, self.claims, chosen).relevant) > MOST * len(cut(self.system, self.claims).relevant):
            return chosen
        more: dict[int, int] = {}
        while True:
            fields = self._deciding(self._against(chosen | frozenset(more)))
            found = self._formed(fields - cut(self.system, self.claims, chosen | frozenset(more)).relevant, chosen)
            if not found:
                break
            if not more:
                for each in sorted(found, key=lambda way: found[way]):
                    if not self._against(chosen | {each}):
                        return chosen | {each}
            more |= found
        return chosen | self._fewer(chosen, sorted(more, key=lambda way: -more[way]))

    def _fewer(self, chosen: frozenset[int], more: list[int]) -> frozenset[int]:
        """What is left of some fields without those that do not matter, which go by halves, by quarters, ... (Zeller, Hildebrandt, 2002)."""
        size = len(more) // 2
        while size:
            place = 0
            while place < len(more):
                left = more[:place] + more[place + size :]
                if self._against(chosen | frozenset(left)):
                    place += size
                else:
                    more = left
            size //= 2
        return frozenset(more)

    def everywhere(self, chosen: frozenset[int] | None) -> frozenset[str]:
        """Claims about states that hold in the middle of calls too, as far as a small scope shows."""
        names = frozenset(claim.name for claim in self.claims if claim.kind in (Kind.INVARIANT, Kind.LEMMA))
        made = cut(self.system, self.claims, chosen, names)
        return (
            names - {verdict.property for verdict in self._explored(made) if verdict.result is not Result.HOLDS} if names else names
        )

    def wider(self, made: Cut, chosen: frozenset[int], events: Sequence[Event]) -> frozenset[int] | None:
        """Those that decide where these calls go, or else all calls.  None: all that any call depends on."""
        for asked in (events, formed(self.system).system.events):
            more = self._formed(self._deciding(asked) - made.relevant, chosen)
            if more:
                return chosen | frozenset(more)
        return None

    def _formed(self, fields: Iterable[int], chosen: frozenset[int]) -> dict[int, int]:
        """Those of the fields that have a form, with all that flows into them; how many fields are looked at then."""
        found: dict[int, int] = {}
        for each in sorted(fields):
            with suppress(NoForm):
                found[each] = len(cut(self.system, self.claims, chosen | {each}).relevant)
        return found

    def _deciding(self, events: Iterable[Event]) -> frozenset[int]:
        """Fields that decide where a call goes."""
        form = formed(self.system).system
        found: set[int] = set()
        for event in events:
            for block in (event.body, *(effect.body for effect in event.effects)):
                for stmt in st.statements(block):
                    if isinstance(stmt, st.Assign | st.Forall):
                        continue
                    for expr in st.expressions(stmt):
                        found |= reads(form, expr)
                    if isinstance(stmt, Gathered):
                        found |= reads(form, stmt.among)
        return frozenset(found)

    def _against(self, chosen: frozenset[int]) -> list[Event]:
        """The calls of a run after which a claim is false; none when there is no run in a small scope.

        Often one that is known already is one, which takes less time to see.
        """
        made = cut(self.system, self.claims, chosen)
        for run in self.runs:
            if self._goes(made, run):
                return run
        for verdict in self._explored(made):
            if verdict.witness is not None:
                run = [made.origin[made.system.event(step.event).index] for step in verdict.witness.steps]
                self.runs.insert(0, run)
                del self.runs[KNOWN:]
                return run
        return []

    def _goes(self, made: Cut, run: Sequence[Event]) -> bool:
        """Can a claim be false after these calls, one piece of each?"""
        for instance in islice(instances(made.system, _scope(made)), KNOWN):
            machine = Machine(instance)
            states = machine.initial(instance)
            for origin in run:
                self.limits.check(0)
                pieces = {event.index for event in made.system.events if made.origin[event.index].name == origin.name}
                found: dict[object, Store] = {}
                for state in states:
                    for _, _, _, outcomes in calls(machine, state, range(0), pieces):
                        found.update((frozenset(each.store.items()), each.store) for each in outcomes if each.kind == "returns")
                states = list(islice(found.values(), FOLLOWED))
            for claim, condition in made.claims:
                says, slots = machine.program.expr(condition), _goal(claim, condition).slots
                if any(not _holds(says, state, slots) for state in states):
                    return True
        return False

    def _explored(self, made: Cut) -> Sequence[Verdict]:
        self.limits.check(0)
        goals = [_goal(claim, condition) for claim, condition in made.claims]
        bounds = Limits(STATES, self.limits.timeout, self.limits.memory, self.limits.interrupted, self.limits.started)
        try:
            return explore(
                made.system, _scope(made), claims=goals, limits=bounds, stop_when_found=True, engine="interpreter"
            ).verdicts
        except SpecError:  # a claim reads through none, as it cannot where more is looked at
            return ()


def _holds(says: Code, state: Store, slots: int) -> bool:
    try:
        return bool(says(state, [state] + [None] * (slots - 1)))
    except Oops:  # it reads through none, as it cannot where more is looked at
        return True


def _goal(claim: Property, condition: e.Expr) -> Property:
    slots = [part.slot for part in e.walk(condition) if isinstance(part, e.Var | e.Quantifier)]
    return Property(claim.name, Kind.INVARIANT, "", claim.span, condition, slots=1 + max(slots, default=0))


def _scope(made: Cut) -> Scope:
    """Few elements, and one of a sort of which nothing is said."""
    said = set()
    for f in made.system.fields:
        if f.index in made.relevant:
            said |= {owner.index for owner in f.owners}
            if isinstance(f.type, ElemT):
                said.add(f.type.sort.index)
    sizes = tuple((sort.name, ENOUGH if sort.index in said else 1) for sort in made.system.sorts)
    return Scope("looking", sizes, frozenset(), made.system.span)
