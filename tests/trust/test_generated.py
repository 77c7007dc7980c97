"""What is made up from a spec is read back as it was made, in every format, and conforms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from trust.executing import Interpreter
from trust.generate import PROBED, RECORDERS, SIZES, Made, Walk, events_of, interpreter
from trust.printing import FORMATS

from luocheck.model.abi import Ioctl
from luocheck.model.spec import Spec, load
from luocheck.traces.answer import Conformance
from luocheck.traces.audit import audit
from luocheck.traces.call import Kind, Recording
from luocheck.traces.decode import decode
from luocheck.traces.formats.ftrace_layouts import LAYOUTS
from luocheck.traces.formats.registry import FORMATS as READ

SPECS = tuple(SIZES)


@cache
def spec_of(name: str) -> Spec:
    return load(name)


@cache
def kernel(name: str, choice: int = 0) -> Interpreter:
    return interpreter(spec_of(name).system, name, choice)


def walks(name: str, count: int, **options: int) -> Iterator[Walk]:
    """The first walks in which no thread closes a descriptor under the hands of another one: such a call is no call of the abi."""
    seed = 0
    while count:
        walk = Walk(kernel(name, seed % 3), seed, **options)
        if all(call.reached for call in walk.calls):
            yield walk
            count -= 1
        seed += 1


# ---- read back --------------------------------------------------------------------------------------------------


def expected(calls: list[Made], recorder: str) -> list[tuple[object, ...]]:
    """What the recorder shows of the calls: of a struct only the members that its size covers."""
    shown: list[tuple[object, ...]] = []
    for call in sorted(calls, key=lambda call: call.begin):
        given = {} if recorder == "sys" else {"size": 4} if call.given.get("size") == 4 else call.given
        got = call.got if recorder in ("struct", "bytes") else {}
        if recorder == "one":  # its probe of a session does not fetch the name
            got = {name: value for name, value in call.got.items() if name != "name"}
        shown.append((call.event, call.thread, call.descriptor, given, got, call.result))
    return shown


def seen(recording: Recording, closes: str | None) -> list[tuple[object, ...]]:
    """closes: what a close is when nothing was done with the descriptor."""
    calls = [call for call in recording.calls if not call.inferred]
    return [
        (c.event or closes, c.thread, None if c.kind is Kind.OPEN else c.fd, dict(c.given), dict(c.got), c.result)
        for c in sorted(calls, key=lambda call: (call.enter.time or 0, call.enter.line))
    ]


PAIRS = [
    (name, spec, r)
    for name, each in FORMATS.items()
    for r in each.recorders
    for spec in SPECS
    if spec == SPECS[0] or r not in PROBED
]


@pytest.mark.parametrize(("name", "spec", "recorder"), PAIRS)
def test_every_format_is_read_back(name: str, spec: str, recorder: str, tmp_path: Path) -> None:
    format, system = FORMATS[name], spec_of(spec).system
    path = tmp_path / "capture"
    closes = "CLOSE" if spec == "linux_7_3" else None
    for walk in walks(spec, 3, threads=3 if format.processes else 2):
        path.write_bytes(format.write(events_of(walk.calls, system, recorder)))
        recording = decode(str(path), system.abi, threads_share=True)
        assert recording.format == format.format
        assert seen(recording, closes) == expected(walk.calls, recorder)


def test_every_format_and_every_layout_is_made() -> None:
    assert {each.format for each in FORMATS.values()} == {each.name for each in READ}
    assert {f"ftrace {layout}" for layout in LAYOUTS} <= set(FORMATS)
    assert {r for each in FORMATS.values() for r in each.recorders} == set(RECORDERS)


@pytest.mark.parametrize("spec", SPECS)
def test_walks_make_every_call(spec: str) -> None:
    """Each ioctl succeeds in some walks and fails in others, so that reading them back is about something."""
    results: Counter[tuple[str, bool]] = Counter()
    ioctls = spec_of(spec).system.abi.ioctls
    for seed in range(6000):
        walk = Walk(kernel(spec, seed // 2 % 3), seed, warm=seed % 2 == 0, calls=20)
        results.update((call.event, (call.result or 0) >= 0) for call in walk.calls if isinstance(call.ioctl, Ioctl))
        if all(results[ioctl.event, True] for ioctl in ioctls):
            break
    assert not [ioctl.event for ioctl in ioctls if not results[ioctl.event, True]]
    assert sum(count for (_, succeeded), count in results.items() if not succeeded) > 50


# ---- it conforms ------------------------------------------------------------------------------------------------

RECORDED = [(spec, r) for spec in SPECS for r in RECORDERS if spec == SPECS[0] or r not in PROBED]


CALLS = {"linux_7_3": 12, "intent": 8, "rfc_v2": 8}
"""Of a walk that is replayed; with more the search takes minutes where the recorder shows no numbers."""


def check(spec: str, path: Path, seed: int, *, threads: int, warm: bool, recorder: str, calls: int | None = None) -> Conformance:
    walk = Walk(kernel(spec, seed % 3), seed, threads=threads, warm=warm, calls=calls or CALLS[spec])
    path.write_bytes(FORMATS["jsonl"].write(events_of(walk.calls, spec_of(spec).system, recorder)))
    answer = audit(spec_of(spec), str(path), timeout=60)
    assert answer.verdict is not Conformance.VIOLATED, (seed, answer.findings, path.read_text("latin-1"))
    return answer.verdict


@pytest.mark.parametrize(("spec", "recorder"), RECORDED)
@pytest.mark.parametrize("warm", [False, True])
def test_what_the_spec_does_conforms(warm: bool, spec: str, recorder: str, tmp_path: Path) -> None:
    verdicts = [check(spec, tmp_path / "t", seed, threads=2, warm=warm, recorder=recorder) for seed in range(3)]
    assert verdicts.count(Conformance.CONFORMS) >= 2


@pytest.mark.parametrize(("seed", "threads", "recorder", "calls"), [(117, 3, "sys", 12), (117, 3, "ep", 12), (3131, 4, "ep", 16)])
def test_races_that_were_said_to_be_violated(seed: int, threads: int, recorder: str, calls: int, tmp_path: Path) -> None:
    """Closes that go on while an open gets the number again, or while an ioctl on a number that was not shown goes on."""
    found = check("linux_7_3", tmp_path / "t", seed, threads=threads, warm=False, recorder=recorder, calls=calls)
    assert found is Conformance.CONFORMS


@pytest.mark.nightly
@pytest.mark.parametrize(("spec", "recorder"), RECORDED)
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("warm", [False, True])
def test_what_the_spec_does_conforms_many(warm: bool, threads: int, spec: str, recorder: str, tmp_path: Path) -> None:
    verdicts = [check(spec, tmp_path / "t", s, threads=threads, warm=warm, recorder=recorder) for s in range(100, 120)]
    assert verdicts.count(Conformance.CONFORMS) >= 15
