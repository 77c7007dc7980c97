"""All instances of a scope explored, and one verdict for each claim."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise

from luocheck.checker.checkpoint.keeper import Checkpoint, Keeper, described
from luocheck.checker.checkpoint.plain import Plain, digest, sources_of
from luocheck.checker.explore.contributions import Contributions
from luocheck.checker.explore.known import Known
from luocheck.checker.explore.limits import NO_MORE_MEMORY, Limits, Stopped
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.order import told_apart
from luocheck.checker.explore.result import Exploration, Progress, Watch
from luocheck.checker.explore.search import Discovery, InstanceSearch, Moment
from luocheck.checker.explore.search import Progress as SearchProgress
from luocheck.checker.explore.symmetry import Symmetry, groups_of
from luocheck.checker.explore.ways import Traps, recoverable, stuck
from luocheck.checker.liveness.decide import MORE, Decider, owed
from luocheck.checker.native.program import Text
from luocheck.checker.native.store_text import instance_data
from luocheck.checker.native.tiers import Search, Tiers
from luocheck.model.instances import Instance, instances
from luocheck.model.ir.system import Kind, Property, Scope, System, Topology
from luocheck.model.semantics.machine import Machine

COUNTING = 0.5
"""Seconds for counting the instances before the first is explored, so that it can be told how many there are."""


def explore(
    system: System,
    scope: Scope,
    topology: Topology | None = None,
    *,
    claims: Sequence[Property] | None = None,
    limits: Limits | None = None,
    symmetry: bool = True,
    witnesses: bool = True,
    stop_when_found: bool = False,
    progress: Watch | None = None,
    engine: str = "auto",
    threads: int = 1,
    checkpoint: Checkpoint | None = None,
) -> Exploration:
    """Explores every instance of a scope and decides the claims (all of the system's when None).

    The verdicts stand in the order of the claims.  A limit ends the exploration early: what was found stays, and what was not decided is
    unknown, never `holds`.  With `stop_when_found` the search of an instance goes no deeper than it must once every claim is broken (or
    reached): witnesses stay minimal over all instances, but the numbers are not those of the scope.  `engine`: interpreter, explore (the
    native one) or auto; the answer is the same.  `threads`: how many the native one may use; the answer is the same.  With a checkpoint
    the native one explores, and goes on where the file was left.  Raises SpecError when the scope cannot be enumerated, a claim reads
    through none, the native engine was asked for and cannot be had, or the checkpoint is not one of this exploration.
    """
    explorer = _Explorer(system, scope, topology, tuple(claims if claims is not None else system.properties), symmetry)
    explorer.stop_when_found = stop_when_found
    if checkpoint is not None:
        engine = "explore"
    used = "explore" if engine == "explore" else "interpreter"
    explorer.tiers = Tiers(engine, threads, kept=checkpoint is not None, used=used)
    explorer.checkpoint = checkpoint
    return explorer.run(limits or Limits(), witnesses, progress)


_FOUND_BY_SEARCH = (Kind.INVARIANT, Kind.LEMMA, Kind.REACHABLE, Kind.AFTER, Kind.ASSERT, Kind.NEVER, Kind.BUILT_IN)
"""Kinds that are decided as states are visited; the others need the finished graph, or none at all."""


class _Explorer:
    def __init__(
        self, system: System, scope: Scope, topology: Topology | None, claims: tuple[Property, ...], symmetry: bool
    ) -> None:
        self.system = system
        self.scope = scope
        self.topology = topology
        self.claims = claims
        self.symmetry = symmetry
        self.apart: set[int] | None = None
        self.unreduced = False  # is the instance that is searched now searched without symmetry?
        self.stop_when_found = False
        self.tiers = Tiers("auto")
        self.checkpoint: Checkpoint | None = None
        self.keeper: Keeper | None = None
        self.starts: int | None = None
        self.known = Known(claims)
        self.left_open = False  # did the limit of states leave liveness open?
        self.again = False  # is it decided again for the instances that a checkpoint has finished?
        self.result = Exploration(system, scope, topology)

    def run(self, limits: Limits, witnesses: bool, progress: Watch | None) -> Exploration:
        result = self.result
        machine: Machine | None = None
        every = instances(self.system, self.scope, self.topology, symmetry=self.symmetry)
        try:
            finished = self._take_up(limits) if self.checkpoint is not None else 0
            for number, instance in enumerate(self._counted(every, limits) if progress is not None else every):
                if machine is None or machine.sizes != instance.sizes:
                    machine = Machine(instance)
                    self.known.program = machine.program
                if number < finished:
                    if self.again:
                        self._liveness_again(instance, machine, limits, witnesses)
                    continue
                self._between(limits)
                self._instance(instance, machine, limits, witnesses, progress)
                if result.stopped is not None:
                    break
            if self.keeper is not None and result.stopped is None:
                self.keeper.write(None)
        except Stopped as stop:
            result.stopped = stop.reason
        except MemoryError:
            result.stopped = NO_MORE_MEMORY
        finally:
            if self.keeper is not None:
                self.keeper.close()
        result.verdicts = tuple(self.known.verdict(claim, result) for claim in self.claims)
        result.engine, result.engine_missing = self.tiers.used, self.tiers.missing
        self.known.tell_coverage(result)
        return result

    def _counted(self, every: Iterator[Instance], limits: Limits) -> Iterator[Instance]:
        """The instances, counted beforehand when that takes little time."""
        until = time.monotonic() + COUNTING
        first: list[Instance] = []
        for instance in every:
            if first:  # what is enough for one instance is enough to begin with it
                limits.check(self.result.states)
            first.append(instance)
            if time.monotonic() > until:
                return chain(first, every)
        self.starts = len(first)
        return iter(first)

    def _between(self, limits: Limits) -> None:
        """Before an instance is begun."""
        try:
            limits.check(self.result.states)
        except Stopped:
            if self.keeper is not None:
                self.keeper.write(None)
            raise
        if self.keeper is not None:
            self.keeper.pulse(None)

    def _instance(self, instance: Instance, machine: Machine, limits: Limits, witnesses: bool, progress: Watch | None) -> None:
        tell = self._teller(progress, self.result.states) if progress is not None else None
        wanted = self._search(instance, machine, limits, tell)
        search, monitors, stopped = self.tiers.search(wanted)
        if search.symmetry is not None and monitors.stuck and search.waiting and stopped is None:
            # `never stuck` follows one call through its waiting, and symmetry has forgotten which one it was
            search.close()
            self.unreduced = True
            search, monitors, stopped = self.tiers.search(replace(wanted, symmetry=None))
        try:
            if stopped is not None:
                raise stopped
            self._ways(search, monitors)
            self._liveness(search, wanted, progress, witnesses)
        except (Stopped, MemoryError):
            if self.keeper is not None:
                self.keeper.write(search)  # before anything of it counts as contributed
            raise
        finally:
            self.known.coverage.add(search.coverage)
            self._account(search)
            self.unreduced = False
            self.known.seen |= monitors.seen
            limit = self.known.offer(search, witnesses)
            if limit is not None:
                self.result.stopped = limit
            search.close()

    def _search(self, instance: Instance, machine: Machine, limits: Limits, tell: SearchProgress | None) -> Search:
        return Search(
            instance,
            machine,
            self.claims,
            limits,
            self.result.states,
            tell,
            self._deep_enough,
            self.scope.span,
            None if self.unreduced else self._symmetry(instance, machine),
            self._apart(),
            self.keeper,
        )

    def _teller(self, progress: Watch, found_before: int) -> SearchProgress:
        def tell(states: int, depth: int, waiting: int, levels: Sequence[int]) -> None:
            sizes = tuple(after - before for before, after in pairwise(levels))
            next_level = states - found_before - levels[-1]
            progress(Progress(states, depth, waiting, sizes, next_level, self.result.instances + 1, self.starts))

        return tell

    # ---- checkpoints --------------------------------------------------------------------------------------------

    def _take_up(self, limits: Limits) -> int:
        """Begins to keep the run, and goes on where its file was left; how many instances are finished."""
        assert self.checkpoint is not None and not self.stop_when_found
        plain = Plain(sources_of(self.system))
        self.keeper = Keeper(self.checkpoint, self._described(plain, limits), plain, self._contributions)
        head = self.keeper.open()
        if head is None:
            return 0
        found, result = head.found, self.result
        known = self.known
        known.best, known.depths, known.seen = found.best, found.depths, found.seen
        known.unknown, known.needed, known.coverage = found.unknown, found.needed, found.coverage
        result.instances, result.states, result.transitions = found.instances, found.states, found.transitions
        result.depth, result.levels, result.symmetry = found.depth, found.levels, found.symmetry
        result.kept_states, result.kept_transitions = found.kept_states, found.kept_transitions
        self.unreduced = found.unreduced
        if found.left_open:
            self._forget_liveness()
        return found.instances

    def _described(self, plain: Plain, limits: Limits) -> dict[str, str]:
        """What makes this run the one that it is."""
        program, data, count = "", hashlib.sha256(), 0
        text: Text | None = None
        for instance in instances(self.system, self.scope, self.topology, symmetry=self.symmetry):
            count += 1
            if text is None:
                text = self.tiers.program(self._search(instance, Machine(instance), limits, None))
                program = hashlib.sha256(text.source.encode()).hexdigest()
            data.update(repr(instance_data(text.layout, instance)).encode())
        sizes = " ".join(f"{name}={size}" for name, size in self.scope.sizes)
        stepwise = f" stepwise {' '.join(sorted(self.scope.stepwise))}" if self.scope.stepwise else ""
        return described(
            spec=self.system.name,
            text=" ".join(digest(source) for source in plain.sources),
            scope=f"{self.scope.name}: {sizes}{stepwise}",
            topology=self.topology.name if self.topology is not None else "none",
            claims=" ".join(claim.name for claim in self.claims),
            symmetry="on" if self.symmetry else "off",
            starting_points=f"{count} {data.hexdigest()}",
            program=program,
        )

    def _contributions(self) -> Contributions:
        result, known = self.result, self.known
        return Contributions(
            result.instances,
            result.states,
            result.transitions,
            result.depth,
            result.levels,
            known.best,
            known.depths,
            known.seen,
            known.unknown,
            known.needed,
            known.coverage,
            result.symmetry,
            self.unreduced,
            result.kept_states,
            result.kept_transitions,
            self.left_open,
        )

    # ---- what an instance contributes -----------------------------------------------------------------------------

    def _apart(self) -> Collection[int]:
        """Indices of the sorts whose elements keep their names in all instances."""
        if not self.symmetry:
            return range(len(self.system.sorts))
        if self.apart is None:
            self.apart = told_apart(self.system, self.scope, self.claims)
        return self.apart

    def _symmetry(self, instance: Instance, machine: Machine) -> Symmetry | None:
        """How the states of an instance are reduced, None when they are not."""
        if not self.symmetry:
            return None
        symmetry = Symmetry(instance, machine, groups_of(instance, self._apart()))
        return symmetry if symmetry.order > 1 else None

    def _deep_enough(self, search: InstanceSearch, depth: int) -> bool:
        """Can states at this depth and deeper ones only give worse witnesses than those that are known?"""
        if not self.stop_when_found:
            return False
        for claim in self.claims:
            if claim.kind not in _FOUND_BY_SEARCH or claim.name == "lock_order":
                return False
            least = self.known.least_depth(claim.name)
            here = search.discoveries[claim.name].depth if claim.name in search.discoveries else None
            if min((found for found in (least, here) if found is not None), default=depth + 1) > depth:
                return False
        return True

    def _account(self, search: InstanceSearch) -> None:
        result = self.result
        result.ended_early = result.ended_early or search.ended_early
        result.instances += 1
        if search.symmetry is not None:
            result.symmetry = max(result.symmetry, search.symmetry.order)
        result.states += len(search.states)
        result.transitions += search.transitions
        result.depth = max(result.depth, search.depth)
        bounds = [*search.levels, len(search.states)]
        for level in range(len(bounds) - 1):
            if level == len(result.levels):
                result.levels.append(0)
            result.levels[level] += bounds[level + 1] - bounds[level]
        while result.levels and result.levels[-1] == 0:
            result.levels.pop()

    def _ways(self, search: InstanceSearch, monitors: Monitors) -> None:
        for position, claim in enumerate(monitors.ways):
            self._trapped(search, claim, recoverable(search, position, claim))
        for position, claim in enumerate(monitors.stuck):
            self._trapped(search, claim, stuck(search, position))

    def _trapped(self, search: InstanceSearch, claim: Property, traps: Traps) -> None:
        if not traps.vacuous:
            self.known.needed.add(claim.name)
        if traps.unknown:
            self.known.unknown[claim.name] = "needs a larger scope: only a path that the scope cut could be a way out"
        if traps.states:
            depth = search.depth_of(traps.states[0])
            moments = [Moment(s, None, (), False, "OK", "state", None, 0, 0) for s in traps.states if search.depth_of(s) == depth]
            search.discoveries[claim.name] = Discovery(depth, moments)

    # ---- liveness -----------------------------------------------------------------------------------------------

    def _liveness(self, search: InstanceSearch, wanted: Search, progress: Watch | None, witnesses: bool) -> None:
        """Decides the claims about the long run, in a second search where the first one took states together that differ in names."""
        due: list[Property] = []
        for each in owed(search):
            if each.anywhere:
                self.known.needed.add(each.claim.name)
            if each.due and each.claim.name not in self.known.unknown:
                due.append(each.claim)
        if not due:
            return
        began = time.monotonic()
        try:
            if search.labels.too_many is not None:
                raise Stopped(f"there are too many ways to call {search.labels.too_many}")
            if search.symmetry is None:
                self._lassos(search, due, wanted.limits, witnesses)
            else:
                self._with_names_kept(due, wanted, progress, witnesses)
        except (Stopped, MemoryError) as stop:
            reason = stop.reason if isinstance(stop, Stopped) else NO_MORE_MEMORY
            most = wanted.limits.max_states
            if self.keeper is not None and (most is None or reason != f"stopped after {most:,} states"):
                raise  # it goes on from there
            self.left_open = True
            self.known.unknown |= {claim.name: reason for claim in due}
        finally:
            self.result.liveness_seconds += time.monotonic() - began

    def _forget_liveness(self) -> None:
        """A checkpoint has liveness left open by a limit, which now may be another: it is decided again."""
        self.known.forget([claim.name for claim in self._long_run])
        self.result.kept_states = self.result.kept_transitions = 0
        self.again = True

    def _liveness_again(self, instance: Instance, machine: Machine, limits: Limits, witnesses: bool) -> None:
        """Decides liveness of an instance whose own search is finished and gone."""
        wanted = replace(self._search(instance, machine, limits, None), keeper=None, found_before=0, only=self._long_run)
        search, _, stopped = self.tiers.search(replace(wanted, limits=replace(limits, max_states=None)))
        try:
            if stopped is not None:
                raise stopped
            self._liveness(search, replace(wanted, limits=limits), None, witnesses)
        finally:
            search.close()

    @property
    def _long_run(self) -> tuple[Property, ...]:
        """The claims about the long run."""
        return tuple(claim for claim in self.claims if claim.kind is Kind.LIVENESS)

    def _with_names_kept(self, due: list[Property], wanted: Search, progress: Watch | None, witnesses: bool) -> None:
        again = replace(
            wanted,
            symmetry=None,
            keeper=None,
            found_before=self.result.kept_states,
            only=self._long_run,
            progress=self._teller(progress, self.result.kept_states) if progress is not None else None,
        )
        search, _, stopped = self.tiers.search(again)
        try:
            if stopped is not None:
                raise stopped
            self._lassos(search, due, wanted.limits, witnesses)
            self.result.kept_states += len(search.states)
            self.result.kept_transitions += search.transitions
        finally:
            search.close()

    def _lassos(self, search: InstanceSearch, due: list[Property], limits: Limits, witnesses: bool) -> None:
        decider = Decider(search, lambda: limits.check(0))
        for claim in due:
            answer = decider.decide(claim)
            if answer.unknown:
                self.known.unknown[claim.name] = MORE
            elif answer.lasso is not None and not witnesses:
                self.known.offer_depth(claim.name, len(answer.lasso.legs))
            elif answer.lasso is not None:
                self.known.offer_lasso(decider, answer, claim)
