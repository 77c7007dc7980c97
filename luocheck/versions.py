"""Which version of LUO explains a recording best?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from luocheck.model.library import shipped
from luocheck.model.spec import load
from luocheck.traces.answer import AuditAnswer, Conformance
from luocheck.traces.audit import audit
from luocheck.traces.parts import Captured
from luocheck.traces.replay.world import Beginning

_ORDER = (Conformance.CONFORMS, Conformance.INCONCLUSIVE, Conformance.VIOLATED)


def which(
    capture: Captured | Sequence[Captured],
    specs: Sequence[str] | None = None,
    *,
    format: str | None = None,
    beginning: Beginning | None = None,
    timeout: float = 5.0,
    interrupted: Callable[[], str | None] = lambda: None,
) -> list[AuditAnswer]:
    """The answers of several specs about one recording, the best explanation first.

    specs: names or paths, all shipped ones by default; those with the same answer keep the order of the library.  timeout: seconds for
    each.  Raises SpecError when the recording cannot be read.
    """
    answers = list(_answers(capture, specs or list(shipped()), format, beginning, timeout, interrupted))
    return sorted(answers, key=rank)


def _answers(
    capture: Captured | Sequence[Captured],
    specs: Sequence[str],
    format: str | None,
    beginning: Beginning | None,
    timeout: float,
    interrupted: Callable[[], str | None],
) -> Iterator[AuditAnswer]:
    for name in specs:
        if interrupted() is not None:
            return
        spec = load(name)
        if spec.system.abi.ioctls:
            yield audit(
                spec, capture, format=format, beginning=beginning, timeout=timeout, max_deviations=1, interrupted=interrupted
            )


def known(answer: AuditAnswer) -> int:
    """How many calls of the recording the spec has a name for."""
    return 0 if answer.recording is None else sum(call.event is not None for call in answer.recording.calls)


def rank(answer: AuditAnswer) -> tuple[bool, int, int, int, int]:
    """Sorts answers: who knows no call comes last, then by verdict, calls that are known and explained, calls that had to be added."""
    return not known(answer), _ORDER.index(answer.verdict), -known(answer), -answer.explained, answer.inserted
