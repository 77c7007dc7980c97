"""Where a job is done: on this machine or on a cluster."""

from __future__ import annotations

from luocheck.jobs.cluster import Cluster
from luocheck.jobs.job import Tell, Workers
from luocheck.jobs.processes import Processes, cores
from luocheck.model.diagnostics import fail
from luocheck.model.source import Source, Span


def choose_workers(jobs: int | None, cluster: str | None, tell: Tell, *, fresh: bool = False) -> Workers:
    """The workers of the scheduler at an address, else so many processes, one for each core when nobody says how many.

    fresh: a new process for each task.  Raises SpecError LUO609 when both are asked for.
    """
    if cluster is None:
        return Processes(jobs or cores(), fresh)
    if jobs is not None:
        place = Span(Source(f"--cluster {cluster}", ""), 0, 0)
        fail("LUO609", "--jobs is about this machine, and --cluster about others", place, help="leave one of them out")
    return Cluster(cluster, tell)
