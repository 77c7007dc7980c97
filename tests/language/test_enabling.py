"""Arguments that a `require` rules out are not combined with others; nothing that can happen is left out, and the order stays."""

from __future__ import annotations

from typing import Any

import pytest

from luocheck.model.instances import instances
from luocheck.model.ir.system import Event
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.store import Store
from luocheck.model.source import Source
from luocheck.model.spec import load, load_source

SORTS = "sort A symmetric caller; sort F symmetric; scope s { A = 2, F = 3 }\n"
STATE = "volatile var lit: bool = false; volatile var chosen: F? = none; per F { volatile up: bool = false; volatile other: F? = none; }\n"
HEADS = {
    "no condition": "ioctl X(a: A, f: F, g: F) { f.up = true; }",
    "nothing of the arguments": "ioctl X(a: A, f: F, g: F) { require lit; f.up = true; }",
    "the first decides": "ioctl X(a: A, f: F, g: F) { require f.up; g.up = true; }",
    "the last comes first": "ioctl X(a: A, f: F, g: F) { require g.up and not f.up; f.up = true; }",
    "two statements": "ioctl X(a: A, f: F, g: F) { require f != g; require not g.up or lit; g.up = true; }",
    "a quantifier": "ioctl X(a: A, f: F, g: F) { require some h: F | h != f and not h.up; g.up = true; }",
    "an error rules nothing out": "ioctl X(a: A, f: F, g: F) { require f.other.up; g.up = true; }",
    "nor what stands after it": "ioctl X(a: A, f: F, g: F) { require f.other.up and not lit; g.up = true; }",
    "bytes that are no handle": """ioctl X(a: A, f: F) { require f.up or bad_fd(f); f.up = false; lit = not lit; }
        abi {
            handle fd of A -> device, F bad when closed as bad_fd;
            device "/dev/x" { magic 0xBA; nr 0x00..0x3f; unknown EINVAL; }
            sized u32 size { short EINVAL; tail E2BIG; }
            ioctl X 0xBA00 on device { size; s32 fd in f; }
        }""",
    "but what stands before": "ioctl X(a: A, f: F, g: F) { require not g.up and f.other.up; g.up = true; }",
}


def made(machine: Machine, event: Event, store: Store) -> list[Any]:
    """The arguments with which a call has an end, of all that there are."""
    return [arguments for arguments in machine.arguments(event, store) if machine.call(event, arguments, store)]


def asked(machine: Machine, event: Event, store: Store) -> list[Any]:
    """Those of the candidates."""
    found = list(machine.candidates(event, store, lambda: None))
    assert len(found) == len(set(found))
    return [arguments for arguments in found if machine.call(event, arguments, store)]


@pytest.mark.parametrize("name", HEADS)
def test_nothing_is_left_out(name: str) -> None:
    turn = "env TURN(f: F, g: F) { f.up = not f.up; lit = f.up; f.other = g; } env PICK(f: F) { chosen = f; f.other = none; }"
    system = load_source(Source("t.luo", f"spec t;\n{SORTS}{STATE}{HEADS[name]}{turn} invariant fine: true;")).system
    compared_in_states(system, system.scopes[0], 120)


@pytest.mark.parametrize("name", ["intent", "linux_7_3", "rfc_v2", "deps_freeze"])
def test_nothing_is_left_out_of_a_shipped_spec(name: str) -> None:
    system = load(name).system
    compared_in_states(system, system.scopes[0], 60)


def compared_in_states(system: Any, scope: Any, most: int) -> None:
    instance = next(iter(instances(system, scope)))
    machine = Machine(instance)
    todo = machine.initial(instance)
    seen = {frozenset(store.items()) for store in todo}
    ends = fewer = 0
    while todo and len(seen) < most:
        store = todo.pop(0)
        for event in system.events:
            every = made(machine, event, store)
            assert asked(machine, event, store) == every, (event.name, dict(store))
            ends += len(every)
            fewer += len(list(machine.candidates(event, store, lambda: None))) < len(list(machine.arguments(event, store)))
            for arguments in every:
                for outcome in machine.call(event, arguments, store):
                    key = frozenset(outcome.store.items())
                    if outcome.kind == "returns" and key not in seen:
                        seen.add(key)
                        todo.append(outcome.store)
    assert ends > 20
    assert fewer or system.name == "t"


def test_what_is_ruled_out_is_not_combined() -> None:
    text = f"spec t;\n{SORTS}{STATE}{HEADS['the first decides']} invariant fine: true;"
    system = load_source(Source("t.luo", text)).system
    instance = next(iter(instances(system, system.scopes[0])))
    machine = Machine(instance)
    (store,) = machine.initial(instance)
    looks = []
    assert not list(machine.candidates(system.event("X"), store, lambda: looks.append(1)))
    assert len(looks) < len(list(machine.arguments(system.event("X"), store)))
