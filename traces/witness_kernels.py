"""What a witness of several kernels says of each: the elements are the same in all of them, the processes and open files are not."""

from __future__ import annotations

from dataclasses import replace

from luocheck.traces.call import Kind, Recording
from luocheck.traces.witness import AuditWitness, Element, NextKernel
from luocheck.traces.witness_run import Malformed, Play


def by_kernel(play: Play) -> list[AuditWitness]:
    """For each kernel what the witness says of its recording, with the whole scope.  Raises Malformed."""
    return [replace(play.witness, then=()), *(_of_next(play, each) for each in play.witness.then)]


def _of_next(play: Play, kernel: NextKernel) -> AuditWitness:
    return replace(
        play.witness,
        capture=kernel.capture,
        capture_sha256=kernel.capture_sha256,
        format=kernel.format,
        threads_share=kernel.threads_share,
        scope={**play.witness.scope, **_processes(play, kernel)},
        files=kernel.files,
        steps=kernel.steps,
        then=(),
    )


def _processes(play: Play, kernel: NextKernel) -> dict[str, tuple[Element, ...]]:
    """The elements of the caller sort with what stands for them in the recording of this kernel."""
    caller = play.system.caller
    if caller is None:
        if kernel.processes:
            raise Malformed("the spec has no processes")
        return {}
    stands: dict[str, Element] = {}
    for each in kernel.processes:
        play.element(each.name, caller)
        if each.name in stands or each.value is None or each.value in [other.value for other in stands.values()]:
            raise Malformed(f"`{each.name}` should be one process of the recording, and the only element that is that one")
        stands[each.name] = each
    return {caller.name: tuple(stands.get(each.name, Element(each.name)) for each in play.witness.scope.get(caller.name, ()))}


def may_end_unseen(recording: Recording) -> bool:
    """Can the reboot of a kernel that started another one have happened after the recording ended?  Not where the recording shows it."""
    return not any(call.kind is Kind.REBOOT and call.exit is None for call in recording.calls)
