"""luocheck: formal model checker and trace verifier for the Linux Live Update Orchestrator.

The functions mirror the commands, return typed answers and print nothing:

    spec = luocheck.load("linux_7_3")
    answer = luocheck.check(spec)
    answer.verdict                      # "as-expected", "unexpected" or "undecided"

Whatever is wrong with an input is raised as `SpecError`, which carries diagnostics with stable codes and places.  Engines are imported
when they are first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from luocheck.checker.catalogue.running import CatalogueAnswer
    from luocheck.checker.check import CheckAnswer, Watch
    from luocheck.checker.checkpoint.keeper import Checkpoint
    from luocheck.checker.diff.compare import DiffAnswer
    from luocheck.checker.explore.limits import Limits
    from luocheck.checker.proving import ProveAnswer
    from luocheck.checker.scenarios import ScenarioRun
    from luocheck.checker.scenarios.answer import Chosen, ScenarioAnswer
    from luocheck.checker.sweep.answer import SweepAnswer
    from luocheck.checker.symbolic.parametric.certificate import Checked
    from luocheck.fleet import FleetAnswer
    from luocheck.jobs.run import Progress
    from luocheck.model.diagnostics import SpecError
    from luocheck.model.scenario.scenarios import Scenario
    from luocheck.model.spec import Spec
    from luocheck.traces.answer import AuditAnswer
    from luocheck.traces.replay.world import Beginning
    from luocheck.traces.witness_check import WitnessCheck

    __version__: str

__all__ = [
    "SpecError",
    "__version__",
    "audit",
    "audit_all",
    "catalogue",
    "check",
    "check_certificate",
    "check_witness",
    "diff",
    "load",
    "prove",
    "replay",
    "scenario",
    "scenario_texts",
    "sweep",
    "which",
]


def load(spec: str) -> Spec:
    """Load a shipped spec by name, or a spec file by path (anything with a slash or ending in `.luo`).

    Raises SpecError with every diagnostic when there is no such spec or its text is not correct.
    """
    from luocheck.model import spec as specs

    return specs.load(spec)


def check(
    spec: Spec,
    *,
    scope: str | None = None,
    topology: str | None = None,
    properties: Sequence[str] = (),
    engine: str = "auto",
    symmetry: bool = True,
    strict: bool = False,
    limits: Limits | None = None,
    progress: Watch | None = None,
    threads: int = 1,
    checkpoint: Checkpoint | None = None,
    depth: int | None = None,
) -> CheckAnswer:
    """Explore a spec exhaustively and compare what is found with what it expects.

    scope: a scope's name, or sizes such as `File=3,Agent=2` on top of the default scope.  topology: a topology's name.  properties: the
    claims to decide, all by default.  Without scope and topology also the scopes and topologies that `expect` names are explored, and the
    spec's scenarios are replayed.  limits bound states, seconds and memory; what they leave open is `unknown`.  strict: see `--strict`.
    progress is called now and then with the name of the scope, and how far its exploration is.  threads: how many the native engine may
    use; the answer does not depend on it.  checkpoint keeps the state of a long run in a file, and goes on from it.  depth: calls of the
    longest runs that the engine `bmc` looks at.  Returns what was
    found and how it compares.  Raises SpecError.
    """
    from luocheck.checker import check as checking

    return checking.check(
        spec,
        scope=scope,
        topology=topology,
        properties=properties,
        engine=engine,
        symmetry=symmetry,
        strict=strict,
        limits=limits,
        progress=progress,
        threads=threads,
        checkpoint=checkpoint,
        depth=depth,
    )


def prove(
    spec: Spec,
    *,
    properties: Sequence[str] = (),
    limits: Limits | None = None,
    progress: Callable[[str], None] = lambda what: None,
) -> ProveAnswer:
    """Prove claims for any number of elements and any dependency graph, with lemmas that are found and checked by z3.

    properties: the claims, all by default.  limits bound seconds and memory of the whole; what was proved before stays.  progress is told
    what is being done.  Returns a verdict for each claim, the lemmas, and a certificate.  Raises SpecError.
    """
    from luocheck.checker import proving

    return proving.prove(spec, properties=properties, limits=limits, progress=progress)


def check_certificate(spec: Spec, certificate: dict[str, Any], *, limits: Limits | None = None) -> list[Checked]:
    """Check a certificate of `prove` against a spec, from nothing but its claims and lemmas.

    Each part whose `gap` is None is a proof.  Raises SpecError when it does not fit the spec, and Stopped at a limit.
    """
    from luocheck.checker import proving
    from luocheck.checker.explore.limits import Limits

    return proving.check_certificate(spec, certificate, "certificate", limits or Limits())


def diff(
    old: Spec,
    new: Spec,
    *,
    scope: str | None = None,
    maps: Sequence[str] = (),
    depth: int | None = 6,
    limits: Limits | None = None,
) -> DiffAnswer:
    """Compare two specs: declarations, verdicts, and the shortest calls with results that one has and the other has not.

    scope: a scope of the old spec, or sizes such as `File=3` on top of its first one; the new spec gets the same sizes.  maps: `OLD=NEW`,
    names of events or claims that belong together.  depth: calls of the longest sequences that are compared, None for all.  What limits
    leave open is told as such.  Raises SpecError.
    """
    from luocheck.checker.diff import compare

    return compare.diff(old, new, scope=scope, maps=maps, depth=depth, limits=limits)


def catalogue(path: str | None = None, *, ids: Sequence[str] = (), limits: Limits | None = None) -> CatalogueAnswer:
    """Look for every known bug in the spec of the version that has it, and at its fix.

    path: a catalogue of your own, the shipped one by default.  ids: only these rows.  What limits leave open is told as such.  Raises
    SpecError.
    """
    from luocheck.checker.catalogue.entries import read_catalogue, shipped_catalogue
    from luocheck.checker.catalogue.running import run_catalogue

    chosen = read_catalogue(path) if path is not None else shipped_catalogue()
    return run_catalogue(chosen, ids=tuple(ids), limits=limits)


def sweep(
    specs: Sequence[Spec],
    *,
    scopes: Sequence[str] = (),
    topologies: Sequence[str] = (),
    properties: Sequence[str] = (),
    sizes: Sequence[str] = (),
    engine: str = "auto",
    symmetry: bool = True,
    strict: bool = False,
    depth: int | None = None,
    max_states: int | None = None,
    timeout: float | None = None,
    memory: int | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    results: Path | str | None = None,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> SweepAnswer:
    """Check many specs in many scopes, sizes (`File=1..3`) and topologies as one job, each run in a process of its own.

    Without scopes, topologies and sizes each spec has the runs of `check`.  With properties each claim has runs of its own.  max_states,
    timeout and memory bound each run.  jobs: processes that work at the same time, one for each core by default; or cluster: the address
    of a Dask scheduler, whose workers do it.  results: a file that keeps what is finished; what it has is not done again.  A script must
    call this under `if __name__ == "__main__":`.  Returns all runs in their order, whatever order they ended in.  Raises SpecError.
    """
    from luocheck import sweeping
    from luocheck.checker.sweep.runs import Selection
    from luocheck.checker.sweep.work import Options

    return sweeping.sweep(
        specs,
        Selection(tuple(scopes), tuple(topologies), tuple(properties), tuple(sizes)),
        Options(engine, symmetry, strict, depth, max_states, timeout, memory),
        jobs=jobs,
        cluster=cluster,
        results=results,
        progress=progress,
    )


def scenario(
    spec: Spec,
    *,
    violate: str | None = None,
    reach: str | None = None,
    cover: bool = False,
    distinguish: Spec | None = None,
    scope: str | None = None,
    topology: str | None = None,
    user_space_only: bool = False,
    count: int = 1,
    maps: Sequence[str] = (),
    depth: int | None = 6,
    limits: Limits | None = None,
) -> ScenarioAnswer:
    """Choose the smallest calls that show something: one of `violate` (a claim), `reach` (an expression, or a `reachable` claim), `cover`
    (every outcome of every event and every `fail` line), `distinguish` (what this spec does and another does not).

    scope, topology: as `check` takes them.  user_space_only: without what no program can cause.  count: how many scenarios, for `violate`
    and `reach`.  maps, depth: as `diff` takes them, for `distinguish`.  Raises SpecError, and ValueError unless one goal is named.
    """
    from luocheck.checker.explore.limits import Limits
    from luocheck.checker.scenarios import choosing
    from luocheck.checker.scenarios.finding import Search

    if sum((violate is not None, reach is not None, cover, distinguish is not None)) != 1:
        raise ValueError("name one of violate, reach, cover and distinguish")
    search = Search(scope, topology, user_space_only, count)
    bounds = limits or Limits()
    if violate is not None:
        return choosing.violating(spec, violate, search, bounds)
    if reach is not None:
        return choosing.reaching(spec, reach, search, bounds)
    if distinguish is not None:
        return choosing.distinguishing(spec, distinguish, search, bounds, maps=maps, depth=depth)
    return choosing.covering(spec, search, bounds)


def scenario_texts(spec: Spec, chosen: Chosen, format: str) -> list[tuple[str, str]]:
    """A scenario of an answer in a format (`luo`, `c`, `kselftest`, `sh`, `mermaid`, `dot`, `ftrace`), as pairs of a file name and a text.

    There is one text, but for `ftrace`, which has one for each kernel.  Raises SpecError when there is no such program, and KeyError for
    an unknown format.
    """
    from luocheck.generate.formats import FORMATS

    return FORMATS[format].texts(spec, chosen)


def replay(spec: Spec, scenario: Scenario) -> ScenarioRun:
    """Run a scenario (one of `spec.scenarios`, or from `load_scenarios`) and tell whether the spec accepts it.  Raises SpecError."""
    from luocheck.checker import scenarios

    return scenarios.replay(spec, scenario)


def audit(
    spec: Spec,
    capture: str | Sequence[str],
    *,
    format: str | None = None,
    beginning: Beginning | None = None,
    timeout: float = 120.0,
    max_deviations: int = 20,
    trail: bool = False,
    witness: bool = False,
) -> AuditAnswer:
    """Replay a recording (a path, or `-` for standard input) against a spec and tell whether it conforms.

    capture: one recording, or those of several kernels of which each started the next one by kexec; `A` stands for the files `A.PID` of
    `strace -ff -o A`.  format: its format when detection should not decide.  beginning: what it begins with, a kernel that was
    live-updated, one that was not, or one that had been running; by default all are tried.  timeout: seconds.  max_deviations: findings
    after which replay stops.  trail: tell what was known after each call.  witness: write down why it conforms (`answer.witness`).
    Raises SpecError when the recording cannot be read.
    """
    from luocheck.traces import audit as auditing

    return auditing.audit(
        spec,
        capture,
        format=format,
        beginning=beginning,
        timeout=timeout,
        max_deviations=max_deviations,
        trail=trail,
        witness=witness,
    )


def check_witness(spec: Spec, capture: str | Sequence[str], witness: str) -> WitnessCheck:
    """Check the file that tells why a recording conforms, with the reference interpreter alone; `gap` says why it is rejected.

    capture: the recording, or those of the kernels that followed each other.
    Raises SpecError when a file cannot be read, or the witness was made from another recording or spec.
    """
    from luocheck.traces import witness_check
    from luocheck.traces.witness import read

    return witness_check.check_witness(spec, read(witness), capture, witness)


def which(capture: str | Sequence[str], *, timeout: float = 5.0) -> list[AuditAnswer]:
    """The answers of all shipped specs about one recording, the version that explains it best first.  timeout: seconds for each.

    Raises SpecError when the recording cannot be read.
    """
    from luocheck import versions

    return versions.which(capture, timeout=timeout)


def audit_all(
    spec: Spec,
    captures: Sequence[str],
    *,
    format: str | None = None,
    beginning: Beginning | None = None,
    timeout: float = 120.0,
    max_deviations: int = 20,
    jobs: int | None = None,
    cluster: str | None = None,
    results: Path | str | None = None,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> FleetAnswer:
    """Replay many recordings against a spec as one job: files, and folders of them with all folders inside.

    format, beginning, timeout and max_deviations are as in `audit`, for each recording.  jobs, cluster, results and progress are as in
    `sweep`: a script must call this under `if __name__ == "__main__":`.  Returns what came of each, in the order of the arguments and of
    names in a folder; a recording that cannot be read does not keep the others from being answered.  Raises SpecError for workers and
    files of results that cannot be used.
    """
    from luocheck import auditing

    return auditing.audit_all(
        spec,
        captures,
        format=format,
        beginning=beginning,
        timeout=timeout,
        max_deviations=max_deviations,
        jobs=jobs,
        cluster=cluster,
        results=results,
        progress=progress,
    )


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version

        return version("luocheck")
    if name == "SpecError":
        from luocheck.model.diagnostics import SpecError

        return SpecError
    raise AttributeError(f"module 'luocheck' has no attribute {name!r}")
