"""Values, places, states and calls in the words of the spec."""

from __future__ import annotations

from typing import Any

from luocheck.model.answer import Change, Happening, Step
from luocheck.model.instances import Cell, Instance
from luocheck.model.ir.system import OK, Event
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Owner, SeqT, SetT, Sort, Type
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store, call_index, live_index, lock_index


def value_text(value: Any, type_: Type | None, instance: Instance) -> str:
    """A value as it would be written in a spec."""
    match type_:
        case BoolT():
            return "true" if value else "false"
        case EnumT(enum):
            return str(enum.members[value])
        case ElemT(sort):
            return instance.name(sort, value)
        case SetT(sort):
            return "{ " + ", ".join(instance.name(sort, x) for x in sorted(value)) + " }" if value else "{ }"
        case SeqT(sort):
            return "[" + ", ".join(instance.name(sort, x) for x in value) + "]"
    return "none" if value is None else str(value)


def place_text(cell: Cell, instance: Instance) -> str:
    """A cell as it would be written in a spec: `phase`, `file0.saved`, `f(s0, t1)`; for the others a description."""
    system = instance.system
    index = cell[0]
    if index < len(system.fields):
        field = system.fields[index]
        owners = [_owner_text(instance, owner, x) for owner, x in zip(field.owners, cell[1:], strict=True)]
        if not owners:
            return field.name
        return f"{owners[0]}.{field.name}" if len(owners) == 1 else f"{field.name}({', '.join(owners)})"
    for sort in system.sorts:
        if index == live_index(system, sort):
            return f"{instance.name(sort, cell[1])} alive"
    for lock in system.locks:
        if index == lock_index(system, lock):
            owner = f"({instance.name(lock.owner, cell[1])})" if lock.owner is not None else ""
            return f"lock {lock.name}{owner}"
    assert index == call_index(system) and system.caller is not None
    return f"{instance.name(system.caller, cell[1])} is inside"


def _owner_text(instance: Instance, owner: Owner, x: int) -> str:
    """An element, or a member of an enum, with the enum's name when another enum has such a member too."""
    if isinstance(owner, Sort):
        return instance.name(owner, x)
    member = owner.members[x]
    shared = any(member in other.members for other in instance.system.enums if other is not owner)
    return f"{owner.name}.{member}" if shared else member


def cell_text(cell: Cell, value: Any, instance: Instance) -> str:
    """The value of a cell as text; value None for cells without a field means free, dead or outside."""
    system = instance.system
    if cell[0] < len(system.fields):
        return value_text(value, system.fields[cell[0]].type, instance)
    if cell[0] == call_index(system):
        return "no call" if value is None else f"{system.events[value.event].name} at {value.label}"
    if any(cell[0] == live_index(system, sort) for sort in system.sorts):
        return "yes" if value else "no"
    if value is None:
        return "free"
    holders = [_holder(instance, holder) for holder in value[1]]
    return ("shared by " if value[0] == "s" else "held by ") + ", ".join(holders)


def _holder(instance: Instance, holder: int) -> str:
    if holder < 0:
        return "the kernel for ever" if holder == -1 else "the kernel"
    caller = instance.system.caller
    return instance.name(caller, holder) if caller is not None else str(holder)


def changes(before: Store, after: Store) -> tuple[Change, ...]:
    """The cells in which two states differ, in the order of the fields."""
    instance = after.instance
    defaults = instance.defaults
    out = []
    for cell in sorted(set(before) | set(after)):
        default = defaults[cell[0]] if cell[0] < len(defaults) else None
        old, new = before.get(cell, default), after.get(cell, default)
        if old != new:
            out.append(Change(place_text(cell, instance), cell_text(cell, old, instance), cell_text(cell, new, instance)))
    return tuple(out)


def state_lines(store: Store) -> list[str]:
    """Every cell that differs from its initial value, one line each."""
    return [f"{place_text(cell, store.instance)} = {cell_text(cell, store[cell], store.instance)}" for cell in sorted(store)]


def argument_texts(event: Event, arguments: tuple[Any, ...], instance: Instance) -> tuple[tuple[str, str], ...]:
    """(name, value) of each argument; a hidden one (`bad_name(n)`) only when it is true, marked at the parameter it is about."""
    values = dict(zip(event.argument_slots, arguments, strict=True))
    out = []
    for parameter in event.parameters:
        text = value_text(values[parameter.slot], parameter.type, instance)
        for predicate in event.predicates:
            if predicate.parameter is parameter and values[predicate.slot]:
                text = predicate.name
        out.append((parameter.name, text))
    return tuple(out)


def step_of(event: Event, arguments: tuple[Any, ...], outcome: Outcome, before: Store, resumed: bool) -> Step:
    """A call, or a step of one, as a value for reports."""
    instance = before.instance
    text, label = outcome.errno, outcome.label
    if outcome.kind == "suspends":
        text, label = f"reaches {outcome.label}", None
    elif outcome.kind == "blocks":
        text, label = "blocks", None
    elif outcome.kind == "oops":
        text, label = outcome.findings[-1][0], None
    gives = None
    if event.result is not None and outcome.kind == "returns" and outcome.errno == OK:
        value = outcome.env[event.result.slot]
        gives = (event.result.name, value_text(value, event.result.type, instance))
    return Step(
        event.name,
        argument_texts(event, arguments, instance),
        text,
        label,
        gives,
        changes(before, outcome.store),
        tuple(Happening(*note) for note in outcome.notes),
        outcome.faults,
        resumed,
        event.span,
    )
