"""The catalogue run: each bug looked for where the catalogue says that it shows, each fix where it says that it holds."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from luocheck.checker.catalogue.entries import Bug, Catalogue, Place, Shown
from luocheck.checker.expectations import default_scope
from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits
from luocheck.checker.explore.result import Progress
from luocheck.checker.selection import claims_named, scope_named, topology_named
from luocheck.model.answer import Result, Verdict
from luocheck.model.diagnostics import Diagnostic, SpecError
from luocheck.model.spec import Spec, load_source

Watch = Callable[[str, Progress], None]
"""Called now and then with the spec and scope that is explored, and how far that is."""

_BROKEN = (Result.FAILS, Result.REACHED)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one claim of a bug.

    result: `found`, `missed`, `unknown` or `not-modelled`.  calls, faults: of the shortest story that was found.  mended: the verdict
    where the catalogue says that the claim holds.  reason: why not modelled, or what is not as the catalogue says; empty when all is.
    """

    bug: Bug
    shown: Shown | None
    result: str
    verdict: Verdict | None
    mended: Verdict | None
    reason: str

    @property
    def calls(self) -> int | None:
        return self.verdict.witness.calls if self.verdict is not None and self.verdict.witness is not None else None

    @property
    def faults(self) -> int | None:
        return self.verdict.witness.faults if self.verdict is not None and self.verdict.witness is not None else None

    @property
    def as_stated(self) -> bool | None:
        """Is all as the catalogue says?  None when a limit left it open."""
        if self.shown is None:
            return True
        if self.result == "unknown" or (self.mended is not None and self.mended.result is Result.UNKNOWN):
            return None
        return not self.reason


@dataclass(frozen=True, slots=True)
class CatalogueAnswer:
    """What running a catalogue found.  specs: those that its rows name.  stopped: the limit that ended it, or None."""

    catalogue: Catalogue = field(repr=False)
    specs: Mapping[str, Spec] = field(repr=False)
    rows: tuple[Row, ...]
    stopped: str | None
    seconds: float

    @property
    def verdict(self) -> str:
        """`as-stated`, `otherwise` or `undecided`."""
        if any(row.as_stated is False for row in self.rows):
            return "otherwise"
        return "undecided" if any(row.as_stated is None for row in self.rows) else "as-stated"

    @property
    def exit_status(self) -> int:
        """0 as stated, 1 not as stated, 3 undecided."""
        return {"as-stated": 0, "otherwise": 1, "undecided": 3}[self.verdict]


def run_catalogue(
    catalogue: Catalogue,
    *,
    ids: tuple[str, ...] = (),
    limits: Limits | None = None,
    engine: str = "auto",
    progress: Watch | None = None,
) -> CatalogueAnswer:
    """Look for every bug of a catalogue, or for those of some ids.

    Places with the same spec, scope and topology are explored once.  A limit leaves rows unknown, never missed.  Raises SpecError for an
    unknown id, and with the place of the row when it names a spec, claim, scope or topology that is not there.
    """
    started = time.monotonic()
    limits = limits or Limits()
    bugs = catalogue.chosen(ids)
    every = [(bug, shown) for bug in bugs for shown in bug.shown]
    broken = [(bug, shown.place) for bug, shown in every]
    mended = [(bug, shown.fixed) for bug, shown in every if shown.fixed is not None]
    found: dict[Place, Verdict] = {}
    stopped: str | None = None
    loaded = _load(catalogue, [*broken, *mended])
    mendings = {place for _, place in mended}
    groups: dict[tuple[str, str | None, str | None], set[str]] = {}
    for _, place in [*broken, *mended]:
        groups.setdefault((place.spec, place.scope, place.topology), set()).add(place.claim)
    for (name, scope, topology), claims in groups.items():
        spec = loaded[name]
        places = {claim: Place(name, claim, scope, topology) for claim in claims}
        run = explore(
            spec.system,
            scope_named(spec.system, scope) if scope is not None else default_scope(spec.system),
            topology_named(spec.system, topology) if topology is not None else None,
            claims=claims_named(spec.system, tuple(claims)),
            limits=limits,
            stop_when_found=not mendings.intersection(places.values()),
            engine=engine,
            progress=_watch(progress, " ".join(part for part in (name, scope, topology) if part is not None)),
        )
        stopped = stopped or run.stopped
        found |= {places[verdict.property]: verdict for verdict in run.verdicts}
    rows = [row for bug in bugs for row in _rows(bug, found)]
    return CatalogueAnswer(catalogue, loaded, tuple(rows), stopped, time.monotonic() - started)


def _watch(progress: Watch | None, where: str) -> Callable[[Progress], None] | None:
    return (lambda reached: progress(where, reached)) if progress is not None else None


def _load(catalogue: Catalogue, places: Iterable[tuple[Bug, Place]]) -> dict[str, Spec]:
    """All specs that are named, with everything that is named in them looked up before anything runs."""
    loaded: dict[str, Spec] = {}
    problems: list[Diagnostic] = []
    for bug, place in places:
        try:
            if place.spec not in loaded:
                loaded[place.spec] = load_source(catalogue.read(place.spec))
            system = loaded[place.spec].system
            claims_named(system, (place.claim,))
            if place.scope is not None:
                scope_named(system, place.scope)
            if place.topology is not None:
                topology_named(system, place.topology)
        except SpecError as error:
            first = error.diagnostics[0]
            message = f"`{bug.id}` names `{place.spec}` and `{place.claim}`: {first.message}"
            problems.append(Diagnostic("LUO620", message, bug.span, help=first.help))
    if problems:
        raise SpecError(problems)
    return loaded


def _rows(bug: Bug, found: dict[Place, Verdict]) -> list[Row]:
    if not bug.shown:
        return [Row(bug, None, "not-modelled", None, None, bug.not_modelled)]
    return [_row(bug, shown, found[shown.place], found[shown.fixed] if shown.fixed is not None else None) for shown in bug.shown]


def _row(bug: Bug, shown: Shown, verdict: Verdict, mended: Verdict | None) -> Row:
    witness = verdict.witness
    if verdict.result is Result.UNKNOWN:
        return Row(bug, shown, "unknown", verdict, mended, verdict.note)
    if verdict.result not in _BROKEN or witness is None:
        return Row(bug, shown, "missed", verdict, mended, f"the claim is not broken: {verdict.text}")
    reasons = []
    if (witness.calls, witness.faults) != (shown.calls, shown.faults):
        reasons.append(f"the catalogue says {shown.calls} calls and {shown.faults} faults")
    if mended is not None and mended.result is not Result.HOLDS:
        reasons.append(f"where it should hold: {mended.text}")
    return Row(bug, shown, "found", verdict, mended, "; ".join(reasons))
