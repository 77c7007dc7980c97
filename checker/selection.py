"""What a caller asked to be checked, by name: scopes (with changed sizes), topologies, properties, engines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from luocheck.checker.expectations import default_scope
from luocheck.model.diagnostics import did_you_mean, fail
from luocheck.model.ir.system import Property, Scope, System, Topology
from luocheck.model.resolve.claims import MAX_SIZE
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec

ENGINES = ("auto", "interpreter", "explore", "bmc")


def scope_named(system: System, text: str) -> Scope:
    """The scope of that name; or, for `File=3` or `File=3,Agent=2`, the default scope with these sizes, named after them
    (`File3_Agent2`).  Raises SpecError LUO603 for an unknown scope or sort and LUO219 for a size that is no number or cannot be explored.
    """
    if "=" not in text:
        for scope in system.scopes:
            if scope.name == text:
                return scope
        _unknown("--scope", text, 0, "scope", text, [scope.name for scope in system.scopes])
    default = default_scope(system)
    sizes = {sort: numbers[0] for sort, numbers in sizes_given(system, "--scope", text, ranges=False).items()}
    return resized(system, default, sizes, Span(Source("--scope", text), 0, len(text)))


def sizes_given(system: System, option: str, text: str, *, ranges: bool) -> dict[str, range]:
    """What `File=3,Agent=2` says, or with `ranges` also `File=1..3`: the sizes that each sort is to have.

    Raises SpecError LUO603 for an unknown sort, and LUO219 for a size that is no number or cannot be explored.
    """
    known = [sort for sort, _ in default_scope(system).sizes]
    found: dict[str, range] = {}
    start = 0
    for part in text.split(","):
        name, _, number = part.partition("=")
        where = Span(Source(option, text), start, start + len(part))
        if name.strip() not in known:
            _unknown(option, text, start, "sort", name.strip(), known)
        match = re.fullmatch(r"\s*([0-9]{1,9})\s*(?:\.\.\s*([0-9]{1,9})\s*)?", number)
        if match is None or (match[2] is not None and not ranges):
            example = "`--set File=1..3`" if ranges else "`--scope File=3,Agent=2`"
            fail("LUO219", f"`{number.strip()}` is not a number of elements", where, help=f"write it like {example}")
        low, high = int(match[1]), int(match[2] or match[1])
        if high > MAX_SIZE:
            fail("LUO219", f"{high:,} elements of `{name.strip()}` are more than can be explored (at most {MAX_SIZE})", where)
        if low > high:
            fail("LUO219", f"there is no size from {low} to {high}", where, help=f"write `{name.strip()}={high}..{low}`")
        found[name.strip()] = range(low, high + 1)
        start += len(part) + 1
    return found


def resized(system: System, base: Scope, sizes: Mapping[str, int], span: Span) -> Scope:
    """A declared scope with other sizes of some sorts, named after them: `File3_Agent2`, and `race_File3` where it is not the default."""
    changed = tuple((sort, sizes.get(sort, size)) for sort, size in base.sizes)
    if changed == base.sizes:
        return base
    before = [] if base == default_scope(system) else [base.name]
    name = "_".join([*before, *(f"{sort}{size}" for sort, size in changed if size != base.size(sort))])
    while any(scope.name == name for scope in system.scopes):
        name += "_"
    return Scope(name, changed, base.stepwise, span)


def with_scope(spec: Spec, text: str) -> Spec:
    """A spec that has the scope of `--scope` too, so that scenarios found in it can name it.  Raises SpecError as `scope_named` does."""
    scope = scope_named(spec.system, text)
    if scope in spec.system.scopes:
        return spec
    return replace(spec, system=replace(spec.system, scopes=(*spec.system.scopes, scope)))


def topology_named(system: System, name: str) -> Topology:
    """The topology of that name.  Raises SpecError LUO603."""
    for topology in system.topologies:
        if topology.name == name:
            return topology
    _unknown("--topology", name, 0, "topology", name, [t.name for t in system.topologies])


def claims_named(system: System, names: Sequence[str], option: str = "--property") -> tuple[Property, ...]:
    """The claims of these names in the order of the spec; all when there are no names.  Raises SpecError LUO603."""
    known = [claim.name for claim in system.properties]
    for name in names:
        if name not in known:
            _unknown(option, name, 0, "property", name, known)
    return tuple(claim for claim in system.properties if not names or claim.name in names)


def check_engine(engine: str) -> None:
    """Raises SpecError LUO603 for an engine that is not known."""
    if engine not in ENGINES:
        _unknown("--engine", engine, 0, "engine", engine, ENGINES)


def check_bounded(engine: str, *, depth: int | None, strict: bool, max_states: int | None) -> None:
    """Raises SpecError LUO609 for options that make no sense with, or only with, the engine `bmc`."""
    place = Span(Source("--engine", engine), 0, len(engine))
    if engine != "bmc":
        if depth is not None:
            fail("LUO609", "--depth is about the engine `bmc`; the others look at every state", place, help="add `--engine bmc`")
        return
    if strict:
        fail("LUO609", "--strict asks what never fires, and the engine `bmc` does not tell", place, help="leave one of them out")
    if max_states is not None:
        fail("LUO609", "--max-states counts states, and the engine `bmc` finds none one by one", place, help="use --depth")


def check_checkpoint(path: Path | str, *, one_run: bool, engine: str) -> None:
    """Raises SpecError LUO609 where a checkpoint makes no sense."""
    place = Span(Source("--checkpoint", str(path)), 0, len(str(path)))
    if not one_run:
        help = "choose the run with --scope NAME or --topology NAME"
        fail("LUO609", "a checkpoint is of one run, and without --scope and --topology there are several", place, help=help)
    if engine in ("interpreter", "bmc"):
        help = f"leave out `--engine {engine}`" + ("; the answer is the same" if engine == "interpreter" else "")
        who = "interpreter" if engine == "interpreter" else "bounded engine"
        fail("LUO609", f"the {who} keeps no checkpoint, only the native engine does", place, help=help)


def _unknown(option: str, text: str, start: int, what: str, name: str, known: Iterable[str]) -> NoReturn:
    names = list(known)
    help = did_you_mean(name, names) or (f"there are: {', '.join(names)}" if names else f"the spec declares no {what}")
    fail("LUO603", f"there is no {what} `{name}`", Span(Source(option, text), start, start + len(name)), help=help)
