"""Which runs a check consists of: a scope or topology each, with the claims that are decided there."""

from __future__ import annotations

from dataclasses import dataclass

from luocheck.checker.expectations import Judge, default_scope
from luocheck.checker.selection import scope_named, topology_named
from luocheck.model.ir.system import Expected, Property, Scope, System, Topology


@dataclass(frozen=True, slots=True)
class Planned:
    """A run to be made.

    may_stop: every claim is expected to be found broken, or reached, so that the rest of the scope is of no interest.  may_refuse: the
    run was asked for, so that an engine which cannot do it says so as an error; otherwise its verdicts are unknown.
    """

    scope: Scope
    topology: Topology | None
    claims: tuple[Property, ...]
    may_stop: bool = False
    may_refuse: bool = True

    @property
    def name(self) -> str:
        """The topology's name, else the scope's."""
        return self.topology.name if self.topology is not None else self.scope.name


def plan(system: System, scope: str | None, topology: str | None, claims: tuple[Property, ...], judge: Judge) -> list[Planned]:
    """The one run that `scope` and `topology` choose; without them, the default scope with all claims, then each scope and topology that
    an `expect` entry names with the claims named there.  Raises SpecError LUO603, LUO604, LUO219.
    """
    default = default_scope(system)
    if scope is not None or topology is not None:
        chosen = scope_named(system, scope) if scope is not None else default
        return [Planned(chosen, topology_named(system, topology) if topology is not None else None, claims)]
    runs = [Planned(default, None, claims)]
    places: list[tuple[Scope, Topology | None]] = [(each, None) for each in system.scopes if each is not default]
    places += [(default, each) for each in system.topologies]
    for place, shape in places:
        entries = [e for e in system.expectations if judge.is_about(e, place, shape)]
        counted = any(judge.is_about(e, place, shape) for e in system.state_expectations)
        wanted = tuple(claim for claim in claims if any(e.property == claim.name for e in entries))
        if wanted or counted:
            found = all(
                e.verdict in (Expected.FAILS, Expected.REACHABLE) for e in entries if e.property in {c.name for c in wanted}
            )
            runs.append(Planned(place, shape, wanted, may_stop=found and not counted, may_refuse=False))
    return runs
