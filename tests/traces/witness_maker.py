"""Makes witnesses by brute force, for recordings of calls that do not overlap: every argument, every outcome, one call after the other.

It knows nothing of replay.  What it makes is only as good as the checker says it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

from luocheck.model.ir.system import Event
from luocheck.model.ir.vocabulary import ElemT, EnumT
from luocheck.model.spec import Spec
from luocheck.traces.call import Call, OpenFile, Recording
from luocheck.traces.decode import decode
from luocheck.traces.digest import file_sha256
from luocheck.traces.witness import AuditWitness, Began, Element, Fact, WitnessStep
from luocheck.traces.witness_check import _Check, _State
from luocheck.traces.witness_rules import Rejected


class NoWitness(Exception):
    """Nothing explains the recording, unless calls happened that nobody recorded."""


STRANGERS = 2
"""Files that no handler knows."""


def made(spec: Spec, capture: str, *, entries: int = 12, format: str = "ftrace") -> AuditWitness:
    """A witness that a recording of a kernel that was not live-updated conforms to linux_7_3.  Raises NoWitness."""
    recording = decode(capture, spec.system.abi, format=format, threads_share=True)
    files = {file.number: f"session{file.number}" for file in _files(recording) if file.target == "Session"}
    fds = sorted({v for call in recording.calls if isinstance(v := call.given.get("fd"), int)})
    scope = {
        "Agent": _numbered("agent", {call.process for call in recording.calls}),
        "Session": tuple(Element(name) for name in files.values()),
        "Entry": tuple(Element(f"entry{number}") for number in range(entries)),
        "File": (*(Element(f"file{fd}") for fd in fds), *(Element(f"stranger{number}") for number in range(STRANGERS))),
        "Name": _numbered("name", {v.split(b"\0")[0] for c in recording.calls if isinstance(v := c.given.get("name"), bytes)}),
        "Token": (
            *_numbered("token", {v for c in recording.calls if isinstance(v := c.given.get("token"), int)}),
            Element("token"),
        ),
    }
    scope["Name"] = (*scope["Name"], Element("name"))
    facts = [Fact("enabled", (), (), True), *(Fact("known", ("File",), (f"file{fd}",), True) for fd in fds)]
    name = spec.system.name
    whole = AuditWitness(
        name,
        spec.sha256,
        capture,
        file_sha256(capture),
        format,
        True,
        Began.COLD,
        scope,
        {},
        (),
        tuple(facts),
        {n: (e,) for n, e in files.items()},
        (),
    )
    return replace(whole, steps=tuple(_search(_Check(spec, whole, recording, lambda: None), recording)))


def _files(recording: Recording) -> Iterator[OpenFile]:
    for call in recording.calls:
        yield from ([call.on] if call.on is not None else [])
        yield from call.files.values()


def _numbered(prefix: str, values: set[int] | set[bytes]) -> tuple[Element, ...]:
    return tuple(Element(f"{prefix}{number}", value) for number, value in enumerate(sorted(values)))


def _search(check: _Check, recording: Recording) -> list[WitnessStep]:
    """Depth first over the calls in the order of their returns."""
    calls = sorted(recording.calls, key=lambda call: (call.exit or call.enter).line)
    calls = [call for call in calls if check.rules.steps_of(call).most != 0]

    hopeless: set[Any] = set()

    def go_on(position: int, states: list[_State]) -> list[WitnessStep] | None:
        if position == len(calls):
            return []
        key = position, frozenset(state.key for state in states)
        if key in hopeless:
            return None
        for step in _attempts(check, calls[position], states):
            try:
                after = check._step(step, states)
            except Rejected:
                continue
            rest = go_on(position + 1, after)
            if rest is not None:
                return [step, *rest]
        hopeless.add(key)
        return None

    found = go_on(0, check._beginning())
    if found is None:
        raise NoWitness
    return found


def _attempts(check: _Check, call: Call, states: list[_State]) -> Iterator[WitnessStep]:
    """Every way to write a call down that agrees with what was recorded of it, and that some state allows."""
    (name,) = check.rules.steps_of(call).events
    event = check.events[name]
    lines = (call.enter.line, *([call.exit.line] if call.exit is not None else []))
    given = call.files.get("fd")
    gives = [None] if event.result is None or call.result != 0 else _results(check, event, given)
    flags = [
        tuple(p.name for p, on in zip(event.predicates, bits) if on)
        for bits in product((False, True), repeat=len(event.predicates))
    ]
    for arguments in product(*(_domain(check, call, event, number) for number in range(len(event.parameters)))):
        pairs = tuple((p.name, value) for p, value in zip(event.parameters, arguments, strict=True))
        for bad in flags:
            tried = WitnessStep(call.number, lines, name, pairs, bad)
            try:
                check.rules.compare_arguments(tried, event, call)
            except Rejected:
                continue
            ends = [end for _, end in check._outcomes(tried, event, call, dict(pairs), states)]
            for outcome, label in dict.fromkeys((end.errno, end.label) for end in ends if end.kind == "returns"):
                for back in gives if outcome == "OK" else [None]:
                    yield replace(tried, outcome=outcome, label=label, gives=back)


def _domain(check: _Check, call: Call, event: Event, number: int) -> list[str]:
    type_ = event.parameters[number].type
    if isinstance(type_, EnumT):
        return list(type_.enum.members)
    assert isinstance(type_, ElemT)
    names = [each.name for each in check.witness.scope[type_.sort.name]]
    likely = f"file{call.given.get('fd')}"
    return sorted(names, key=lambda name: name != likely)


def _results(check: _Check, event: Event, given: OpenFile | None) -> list[str]:
    assert event.result is not None and isinstance(event.result.type, ElemT)
    if given is not None and given.number in check.witness.files:
        return list(check.witness.files[given.number])
    return [each.name for each in check.witness.scope[event.result.type.sort.name]]
