"""Which runs a sweep consists of: specs x scopes x sizes x topologies, with the claims that each decides."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from luocheck.checker.expectations import Judge, default_scope
from luocheck.checker.plan import Planned, plan
from luocheck.checker.selection import claims_named, resized, scope_named, sizes_given, topology_named
from luocheck.model.diagnostics import Diagnostic, SpecError, fail
from luocheck.model.ir.system import Property, Scope, System, Topology
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec

MOST_RUNS = 100_000
"""More runs than this are taken for a slip of the keyboard."""

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a sweep was asked for, as `check` is asked: scopes (names, or sizes), topologies, claims, and ranges of sizes (`File=1..3`)."""

    scopes: tuple[str, ...] = ()
    topologies: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SpecRun:
    """A run of one of the specs."""

    spec: Spec
    planned: Planned


def runs_of(specs: Sequence[Spec], selection: Selection) -> tuple[list[SpecRun], list[str]]:
    """All runs, in the order of specs, scopes, sizes, topologies and claims; and what was left out because a spec does not declare it.

    A spec that is asked for nothing special makes the runs that `check` makes.  With claims named, each has runs of its own.
    Raises SpecError: LUO603 for what no spec declares, LUO604, LUO219, LUO609 for more runs than anybody wants.
    """
    chosen = _Chosen(specs)
    scopes = chosen.of(selection.scopes, scope_named)
    topologies = chosen.of(selection.topologies, topology_named)
    claims = chosen.of(selection.properties, lambda system, name: claims_named(system, [name]))
    sizes = chosen.of(selection.sizes, lambda system, text: sizes_given(system, "--set", text, ranges=True))
    made: list[SpecRun] = []
    for number, spec in enumerate(specs):
        if not all(some[number] for some in (scopes, topologies, claims, sizes) if some is not None):
            continue  # nothing of what was asked for is there
        for asked in claims[number] if claims is not None else [spec.system.properties]:
            own = _planned(spec.system, _at(scopes, number), _at(topologies, number), asked, _at(sizes, number))
            made += (SpecRun(spec, each) for each in own)
            if len(made) > MOST_RUNS:
                _too_many()
    return list({_identity(each): each for each in made}.values()), chosen.left_out


def _identity(run: SpecRun) -> tuple[object, ...]:
    topology = run.planned.topology.name if run.planned.topology is not None else None
    return id(run.spec), run.planned.scope, topology, tuple(claim.name for claim in run.planned.claims)


class _Chosen:
    """Looks names up in all specs."""

    def __init__(self, specs: Sequence[Spec]) -> None:
        self.specs = specs
        self.left_out: list[str] = []

    def of(self, names: Sequence[str], find: Callable[[System, str], _Found]) -> list[list[_Found]] | None:
        """What each spec has of these names; None when none are asked for.  Raises SpecError for a name that no spec has."""
        if not names:
            return None
        found: list[list[_Found]] = [[] for _ in self.specs]
        for name in names:
            missing: list[SpecError] = []
            for spec, own in zip(self.specs, found):
                try:
                    own.append(find(spec.system, name))
                except SpecError as error:
                    if any(each.code != "LUO603" for each in error.diagnostics):
                        raise
                    missing.append(error)
                    self.left_out.append(f"{spec.name}: {_message(error.diagnostics)}")
            if len(missing) == len(self.specs):
                raise missing[0]
        return found


def _message(diagnostics: Sequence[Diagnostic]) -> str:
    return "; ".join(each.message for each in diagnostics)


def _at(found: list[list[_Found]] | None, number: int) -> list[_Found]:
    return found[number] if found is not None else []


def _planned(
    system: System, scopes: list[Scope], topologies: list[Topology], claims: tuple[Property, ...], sizes: list[dict[str, range]]
) -> Iterator[Planned]:
    """The runs of one spec with some claims."""
    if not scopes and not topologies and not sizes:
        yield from plan(system, None, None, claims, Judge(system))
        return
    ranges = {sort: numbers for each in sizes for sort, numbers in each.items()}
    if math.prod(map(len, ranges.values())) > MOST_RUNS:
        _too_many()
    combinations = [dict(zip(ranges, numbers)) for numbers in itertools.product(*ranges.values())]
    for base in scopes or [default_scope(system)]:
        for combination in combinations:
            scope = _resized(system, base, combination)
            for topology in (*topologies,) or (None,):
                yield Planned(scope, topology, claims)


def _resized(system: System, base: Scope, sizes: dict[str, int]) -> Scope:
    if not sizes:
        return base
    if base not in system.scopes:  # itself sizes on top of the default scope
        sizes, base = {**dict(base.sizes), **sizes}, default_scope(system)
    return resized(system, base, sizes, Span(Source("--set", ""), 0, 0))


def _too_many() -> NoReturn:
    place = Span(Source("command line", ""), 0, 0)
    fail("LUO609", f"these are more than {MOST_RUNS:,} runs", place, help="ask for fewer scopes, sizes or claims")
