"""Recordings with one fault."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from luocheck.model.errnos import GENERIC
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import System
from luocheck.traces.call import Call, Kind, OpenFile, Recording

OUTPUT = {"CREATE_SESSION": "fd", "RETRIEVE_SESSION": "fd", "RETRIEVE_FD": "fd"}
"""The member in which a call hands a descriptor back."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """kind: of the fault.  what: call and change, for reports."""

    kind: str
    what: str
    recording: Recording


def errnos(system: System) -> tuple[str, ...]:
    """The errnos that the text of a spec names, and one that it does not."""
    named = {
        each.errno
        for event in system.events
        for each in st.statements(event.body)
        if isinstance(each, st.Fail) and isinstance(each.errno, str)
    }
    named |= {each for sized in [system.abi.sized] if sized is not None for each in (sized.short, sized.tail, sized.fault) if each}
    return (*sorted(named & set(GENERIC)), "ENOTTY", "EBADF", "EAGAIN")


def mutants(recording: Recording, results: tuple[str, ...]) -> Iterator[Mutant]:
    """Every single fault.  results: the errnos that a result is changed to, beside success."""
    for call in recording.calls:
        name = f"{call.event or call.command or call.kind.value} (call {call.number})"
        yield from _results(recording, call, name, results)
        yield Mutant("dropped", f"{name} dropped", _without(recording, call))
        yield from _swapped(recording, call, name)
        yield from _arguments(recording, call, name)
        yield from _threads(recording, call, name)


def _with(recording: Recording, call: Call) -> Recording:
    return replace(recording, calls=tuple(call if each.number == call.number else each for each in recording.calls))


def _without(recording: Recording, call: Call) -> Recording:
    return replace(recording, calls=tuple(each for each in recording.calls if each.number != call.number))


def _results(recording: Recording, call: Call, name: str, results: tuple[str, ...]) -> Iterator[Mutant]:
    if call.result is None or call.kind not in (Kind.OPEN, Kind.IOCTL):
        return
    values = {errno: -GENERIC[errno] for errno in dict.fromkeys(results)}
    for errno, value in {"OK": 3 if call.kind is Kind.OPEN else 0, **values}.items():
        if value == call.result or (value >= 0 and call.result >= 0):
            continue
        changed = replace(call, result=value)
        if value < 0:
            returned = OUTPUT.get(call.event or "")
            changed = replace(changed, files={m: f for m, f in call.files.items() if m != returned}, got={})
        yield Mutant("result", f"{name} returned {errno}", _with(recording, changed))


def _swapped(recording: Recording, call: Call, name: str) -> Iterator[Mutant]:
    after = next((c for c in recording.calls if c.thread == call.thread and c.number > call.number), None)
    if after is None or call.exit is None or after.exit is None:
        return
    first, second = replace(after, enter=call.enter, exit=call.exit), replace(call, enter=after.enter, exit=after.exit)
    calls = [first if c is call else second if c is after else c for c in recording.calls]
    yield Mutant("swapped", f"{name} after the next call of its thread", replace(recording, calls=tuple(calls)))


def _arguments(recording: Recording, call: Call, name: str) -> Iterator[Mutant]:
    if call.kind is not Kind.IOCTL:
        return
    for member in ("token", "name"):
        value = call.given.get(member)
        others = {c.given[member] for c in recording.calls if member in c.given} | (
            {0x7E57} if member == "token" else {b"elsewhere", b""}
        )
        for other in sorted(others - {value}, key=str) if value is not None else ():
            yield Mutant(
                member, f"{name} with {member} {other!r}", _with(recording, replace(call, given={**call.given, member: other}))
            )
    sessions = {c.on.number: c.on for c in recording.calls if c.on is not None and c.on.target == "Session"}
    for session in [*sessions.values(), OpenFile(9_000, "Session")]:
        if call.on is not None and call.on.target == "Session" and session.number != call.on.number:
            yield Mutant("descriptor", f"{name} on open file {session.number}", _with(recording, replace(call, on=session)))
    if call.event == "PRESERVE_FD" and "fd" in call.files:
        shown = call.files["fd"]
        files = {
            c.files["fd"].number: c.files["fd"]
            for c in recording.calls
            if c.event in ("PRESERVE_FD", "RETRIEVE_FD") and "fd" in c.files
        }
        for file in [*files.values(), OpenFile(9_001, None)]:
            if file.number != shown.number:
                changed = replace(call, files={"fd": file})
                yield Mutant("file", f"{name} of open file {file.number}", _with(recording, changed))
        yield Mutant("file", f"{name} of a closed descriptor", _with(recording, replace(call, files={}, closed=frozenset({"fd"}))))


def _threads(recording: Recording, call: Call, name: str) -> Iterator[Mutant]:
    for process in sorted({c.process for c in recording.calls} | {99_999}):
        if process != call.process:
            yield Mutant("thread", f"{name} by process {process}", _with(recording, replace(call, process=process, thread=process)))
