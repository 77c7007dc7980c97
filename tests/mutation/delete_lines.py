"""Does every line of a spec matter?  Deletes each `fail`, rollback and assignment in turn and explores what is left.

    python tests/mutation/delete_lines.py [SPEC ...] [--scope NAME] [--every N] [--processes N] [--survivors FILE] [--verbose]

A deletion is noticed when the spec no longer loads, or when its exploration differs from that of the whole spec: in the number of states
or transitions of a level of some instance, in a claim that fails or is reached at another depth, or in a claim that becomes vacuous.  The
default scope is explored first, then the scopes and topologies that expectations name: as deep as these need, when all of them are about
something that happens within some calls, else completely.  An exploration ends at its first difference.

Deletions that nothing notices are survivors.  Each needs a reason in survivors.toml, and each reason a survivor.  Exit status 0: at least
95 % of the deletions of each spec were noticed and all survivors are explained; 1: not so; 2: a spec that cannot be loaded.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.explore.monitors import Monitors
from luocheck.checker.explore.search import Coverage, InstanceSearch
from luocheck.checker.explore.ways import recoverable, stuck
from luocheck.model.diagnostics import Diagnostics, SpecError
from luocheck.model.instances import Instance, instances
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Scope, System, Topology
from luocheck.model.library import read_spec, shipped
from luocheck.model.resolve.flatten import flatten
from luocheck.model.resolve.system import resolve
from luocheck.model.semantics.machine import Machine
from luocheck.model.syntax import nodes as n
from luocheck.model.syntax.parser import parse

BAR = 0.95
"""Share of the deletions of a spec that must be noticed."""

SURVIVORS = Path(__file__).with_name("survivors.toml")

LINES = (
    n.Fail,
    n.FailAgain,
    n.FailWhen,
    n.FailSometimes,
    n.PanicWhen,
    n.PanicSometimes,
    n.Assign,
    n.Append,
    n.Add,
    n.Remove,
    n.Free,
)

PathTo = tuple[tuple[str, int | None], ...]
"""The way from the root of a tree to a node: names of attributes, with the position where the attribute is a tuple."""


# ---- what can be deleted ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Deletion:
    """One statement, or one rollback: where it stands in the tree and in the text.  `place` is its event, proc, walk, or `boot`."""

    path: PathTo
    place: str
    line: int
    text: str


def deletions(tree: n.SpecText) -> list[Deletion]:
    """Everything in the spec's own text that can be deleted, in the order of the text."""
    found = [
        Deletion(path, place, node.span.line, " ".join(node.span.text.split()))
        for path, place, node in _nodes(tree, (), "")
        if (isinstance(node, n.Stmt) and isinstance(node.bare, LINES)) or isinstance(node, n.Rollback)
    ]
    return sorted(found, key=lambda each: each.line)


def _nodes(node: n.Node, path: PathTo, place: str) -> Iterator[tuple[PathTo, str, n.Node]]:
    yield path, place, node
    match node:
        case n.EventDecl(name=name) | n.ProcDecl(name=name) | n.WalkDecl(name=name) | n.PatchDecl(name=n.Name() as name):
            place = name.text
        case n.BootDecl() | n.PatchDecl():
            place = "boot"
        case n.EffectDecl(outcome=outcome):
            place = f"on {outcome.span.text}"
    for attribute in fields(node):
        value = getattr(node, attribute.name)
        if isinstance(value, n.Node):
            yield from _nodes(value, (*path, (attribute.name, None)), place)
        elif isinstance(value, tuple):
            for index, each in enumerate(value):
                if isinstance(each, n.Node):
                    yield from _nodes(each, (*path, (attribute.name, index)), place)


def without(tree: n.SpecText, path: PathTo) -> n.SpecText:
    """The tree with the statement or rollback at the end of the path taken out and everything else kept."""
    changed = _without(tree, path)
    assert isinstance(changed, n.SpecText)
    return changed


def _without(node: n.Node, path: PathTo) -> n.Node:
    (name, index), rest = path[0], path[1:]
    value = getattr(node, name)
    made: object
    if index is None:
        made = _without(value, rest) if rest else None
    else:
        inner = (_without(value[index], rest),) if rest else ()
        made = (*value[:index], *inner, *value[index + 1 :])
    return replace(node, **{name: made})  # type: ignore[arg-type]


# ---- what an exploration shows ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """What the exploration of one instance showed: states before each level, transitions before each level, claims with the depth at
    which they were broken or reached, claims about ways out that fail, and claims that were about something at all."""

    levels: tuple[int, ...]
    transitions: tuple[int, ...]
    depths: tuple[tuple[str, int], ...]
    traps: frozenset[str]
    about: frozenset[str]


class Different(Exception):
    """The exploration differs from that of the whole spec; the message says in what."""


def explored(system: System, instance: Instance, machine: Machine, expected: Seen | None, deepest: int | None) -> Seen:
    """Explores one instance, to a depth or completely.  Raises Different as soon as it cannot come out as expected."""
    monitors = Monitors(instance, system.properties)
    coverage = Coverage()
    search = InstanceSearch(instance, machine, monitors, coverage, keep_edges=monitors.needs_edges)
    transitions: list[int] = []
    depths = dict(expected.depths) if expected is not None else {}

    def compare() -> str | None:
        """Asked now and then in the middle of a level."""
        if expected is None:
            return None
        if len(search.states) > expected.levels[-1]:
            return "more states"
        for name, discovery in search.discoveries.items():
            if depths.get(name) != discovery.depth:
                return f"{name} at depth {discovery.depth}"
        return None

    def compare_level(_: InstanceSearch, depth: int) -> bool:
        """Asked before each level."""
        transitions.append(search.transitions)
        if expected is not None:
            if tuple(search.levels) != expected.levels[: len(search.levels)]:
                raise Different(f"states at depth {depth}")
            if tuple(transitions) != expected.transitions[: len(transitions)]:
                raise Different(f"transitions before depth {depth}")
            difference = compare()
            if difference is not None:
                raise Different(difference)
        return deepest is not None and depth >= deepest

    search.deep_enough = compare_level
    try:
        search.run(Limits(interrupted=compare))
    except Stopped as stop:
        raise Different(stop.reason) from None
    if deepest is not None:  # what only a finished graph shows is not asked
        part = Seen(
            (*search.levels, len(search.states)), (*transitions, search.transitions), _depths(search), frozenset(), frozenset()
        )
        if expected is not None and part != expected:
            raise Different("what is found to that depth")
        return part
    about = set(monitors.seen)
    lines = machine.program.lines
    about |= {line.name for line in (lines[number] for number in coverage.lines) if isinstance(line, st.Assert)}
    traps: set[str] = set()
    ways = [(claim, recoverable(search, position, claim)) for position, claim in enumerate(monitors.ways)]
    ways += [(claim, stuck(search, position)) for position, claim in enumerate(monitors.stuck)]
    for claim, found in ways:
        if found.states:
            traps.add(claim.name)
        if not found.vacuous:
            about.add(claim.name)
    made = Seen(
        (*search.levels, len(search.states)),
        (*transitions, search.transitions),
        _depths(search),
        frozenset(traps),
        frozenset(about),
    )
    if expected is not None and replace(made, about=expected.about) != expected:
        raise Different("the finished graph")
    return made


def _depths(search: InstanceSearch) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((name, discovery.depth) for name, discovery in search.discoveries.items()))


def explored_all(
    system: System, scope: Scope, topology: Topology | None, expected: tuple[Seen, ...] | None, deepest: int | None
) -> tuple[Seen, ...]:
    """Explores all instances of a scope.  Raises Different as soon as they cannot come out as expected."""
    made: list[Seen] = []
    machine: Machine | None = None
    for index, instance in enumerate(instances(system, scope, topology)):
        if machine is None or machine.sizes != instance.sizes:
            machine = Machine(instance)
        if expected is not None and index == len(expected):
            raise Different("more instances")
        made.append(explored(system, instance, machine, expected[index] if expected is not None else None, deepest))
    if expected is not None:
        if len(made) != len(expected):
            raise Different("fewer instances")
        if _about(tuple(made)) != _about(expected):
            raise Different("a claim is vacuous")
    return tuple(made)


def _about(every: tuple[Seen, ...]) -> frozenset[str]:
    return frozenset().union(*(seen.about for seen in every))


# ---- one deletion -----------------------------------------------------------------------------------------------

Where = tuple[str, str | None]
"""A scope and a topology, by name."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What the whole spec shows in a scope or topology."""

    spec: str
    where: Where
    deepest: int | None
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """`difference` None: nothing noticed the deletion."""

    deletion: Deletion
    difference: str | None
    seconds: float


@lru_cache(maxsize=1)
def tree_of(spec: str) -> n.SpecText:
    """The syntax tree of a spec (a shipped one, or a path).  Raises SpecError."""
    diagnostics = Diagnostics()
    tree = parse(read_spec(spec), diagnostics)
    diagnostics.raise_errors()
    assert tree is not None
    return tree


def system_of(tree: n.SpecText, *, behaviour_only: bool = False) -> System:
    """Raises SpecError when the tree has no meaning.

    `behaviour_only` leaves out scenarios and expectations: they name labels, and a label that is gone would be noticed too easily.
    """
    diagnostics = Diagnostics()
    flat = flatten(tree, diagnostics)
    if behaviour_only:
        flat.declarations = [decl for decl in flat.declarations if not isinstance(decl, n.ScenarioDecl | n.ExpectDecl)]
    system, _ = resolve(flat, diagnostics)
    diagnostics.raise_errors()
    return system


def places(system: System, only: str | None) -> list[Where]:
    """The default scope, then the other scopes and topologies that expectations name; or one scope.  ValueError: there is no such scope."""
    if only is not None:
        if all(scope.name != only for scope in system.scopes):
            raise ValueError(f"there is no scope `{only}`")
        return [(only, None)]
    default = system.scopes[0].name
    found: list[Where] = [(default, None)]
    named = [(e.scope, e.topology) for e in system.expectations] + [(e.scope, e.topology) for e in system.state_expectations]
    found += [(scope or default, topology) for scope, topology in named]
    return list(dict.fromkeys(found))


def depth_needed(system: System, where: Where) -> int | None:
    """How deep a place is explored: where it is there for claims that fail or are reached within some calls, as `check` does."""
    scope, topology = where
    default = system.scopes[0].name
    if (scope, topology) == (default, None):
        return None
    here = [e for e in system.expectations if (e.scope or default, e.topology) == where]
    counted = [e for e in system.state_expectations if (e.scope or default, e.topology) == where]
    bounds = [e.within for e in here if e.within is not None]
    return max(bounds) + 1 if bounds and len(bounds) == len(here) and not counted else None


def _run(system: System, where: Where, deepest: int | None, expected: tuple[Seen, ...] | None) -> tuple[Seen, ...]:
    scope = next(s for s in system.scopes if s.name == where[0])
    topology = next((t for t in system.topologies if t.name == where[1]), None)
    return explored_all(system, scope, topology, expected, deepest)


def try_deletion(whole: Whole, deletion: Deletion) -> Outcome:
    """Explores the spec without one line."""
    started = time.monotonic()
    difference: str | None = None
    try:
        system = system_of(without(tree_of(whole.spec), deletion.path), behaviour_only=True)
        _run(system, whole.where, whole.deepest, whole.seen)
    except SpecError as error:
        difference = f"an error: {error}".splitlines()[0]
    except Different as different:
        difference = str(different)
    return Outcome(deletion, difference, time.monotonic() - started)


# ---- explanations -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Explanation:
    spec: str
    place: str
    text: str
    reason: str


def explanations(path: Path) -> list[Explanation]:
    """The entries of a survivors file: `[[survivor]]` with `spec`, `in`, `line` and `reason`."""
    with path.open("rb") as file:
        entries = tomllib.load(file).get("survivor", [])
    return [Explanation(each["spec"], each["in"], each["line"], each["reason"]) for each in entries]


def reason_for(spec: str, deletion: Deletion, known: list[Explanation]) -> str | None:
    return next((e.reason for e in known if (e.spec, e.place, e.text) == (spec, deletion.place, deletion.text) and e.reason), None)


# ---- the script -------------------------------------------------------------------------------------------------


def examine(spec: str, args: argparse.Namespace, pool: ProcessPoolExecutor, known: list[Explanation]) -> bool:
    """Tries each Nth deletion of a spec and prints the result; true when it is as it should be.  Raises SpecError and ValueError."""
    started = time.monotonic()
    system = system_of(tree_of(spec))
    chosen = deletions(tree_of(spec))[:: args.every]
    survivors = chosen
    explored_there: list[str] = []
    for where in places(system, args.scope):
        if not survivors:
            break
        deepest = depth_needed(system, where)
        whole = Whole(spec, where, deepest, _run(system, where, deepest, None))
        explored_there.append(f"{where[1] or where[0]} ({sum(seen.levels[-1] for seen in whole.seen):,} states)")
        alive: list[Deletion] = []
        for each in pool.map(try_deletion, [whole] * len(survivors), survivors):
            if each.difference is None:
                alive.append(each.deletion)
            if args.verbose:
                what, result = each.deletion, each.difference or "nothing"
                print(
                    f"    {where[1] or where[0]}: {what.line} in {what.place}: {what.text}  -> {result} ({each.seconds:.1f} s)",
                    flush=True,
                )
        survivors = alive
    noticed = len(chosen) - len(survivors)
    share = noticed / len(chosen) if chosen else 1.0
    name = Path(spec).stem
    print(f"{name}: {len(chosen)} deletions, {noticed} noticed ({share:.1%}), {len(survivors)} survive")
    print(f"    explored {', '.join(explored_there)} in {time.monotonic() - started:.0f} s")
    good = share >= BAR
    if not good:
        print(f"    fewer than {BAR:.0%} noticed")
    for deletion in survivors:
        reason = reason_for(name, deletion, known)
        good = good and reason is not None
        print(f"    line {deletion.line} in {deletion.place}: {deletion.text}")
        print(f"        {reason or 'NOT EXPLAINED'}")
    if args.every == 1 and args.scope is None:
        found = {(each.place, each.text) for each in survivors}
        for entry in known:
            if entry.spec == name and (entry.place, entry.text) not in found:
                good = False
                print(f"    STALE explanation: in {entry.place}: {entry.text}")
    return good


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(description="Deletes each line of a spec in turn and shows which deletions nothing notices.")
    parser.add_argument("specs", metavar="SPEC", nargs="*", help="shipped specs or paths (default: all shipped specs)")
    parser.add_argument("--scope", metavar="NAME", help="explore this scope instead of the default one and those in expectations")
    parser.add_argument("--every", metavar="N", type=int, default=1, help="only each Nth deletion")
    parser.add_argument("--processes", metavar="N", type=int, default=2)
    parser.add_argument("--survivors", metavar="FILE", type=Path, default=SURVIVORS, help="the explanations")
    parser.add_argument("--verbose", action="store_true", help="say for each deletion what noticed it")
    args = parser.parse_args(arguments)
    if args.every < 1:
        parser.error("--every takes a number from 1")
    known = explanations(args.survivors)
    specs = args.specs or list(shipped())
    good = True
    if not args.specs:
        for each in known:
            if each.spec not in specs:
                good = False
                print(f"STALE explanation: there is no spec `{each.spec}`")
    with ProcessPoolExecutor(args.processes) as pool:
        for spec in specs:
            try:
                good = examine(spec, args, pool, known) and good
            except (SpecError, ValueError) as error:
                print(f"{spec}: {error}", file=sys.stderr)
                return 2
            sys.stdout.flush()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
