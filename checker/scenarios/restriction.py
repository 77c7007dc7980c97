"""A system with some of its faults and events left out: whatever it does, the whole system can do too."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from typing import Any

from luocheck.model.abi import Abi
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event, System
from luocheck.model.ir.vocabulary import BoolT

USER_FAULTS = frozenset({"copy_in", "copy_out", "no_fd"})
"""Classes of faults that a program causes by itself: memory that cannot be read or written, no descriptor that is free."""


@dataclass(frozen=True, slots=True)
class Avoided:
    """Something that a run shall do without: an event (label None), or its fault at a label."""

    event: str
    label: str | None


def restricted(system: System, *, user_space: bool = False, avoided: Collection[Avoided] = ()) -> System:
    """The system without what is to be avoided; with `user_space`, without faults and events that no program can cause.

    Everything else is the system's, so that each of its runs is a run of the system.
    """
    events = []
    for event in system.events:
        if Avoided(event.name, None) in avoided or (user_space and not by_user_space(event, system.abi)):
            events.append(replace(event, body=_impossible(event)))
            continue
        labels = {each.label for each in avoided if each.event == event.name}

        def kept(stmt: st.Sometimes, labels: set[str | None] = labels) -> bool:
            if user_space and stmt.fault not in USER_FAULTS:
                return False
            return not labels & {each.label for each in st.statements(stmt.then) if each.label is not None}

        events.append(replace(event, body=_without(event.body, kept, signals=not user_space)))
    return replace(system, events=tuple(events))


def by_user_space(event: Event, abi: Abi) -> bool:
    """Is an event something that a program does?  What is no system call must be in the abi, such as the end of a process."""
    return event.kind != "env" or abi.visible(event.name)


def _impossible(event: Event) -> st.Block:
    span = event.body.span
    return replace(event.body, statements=(st.Require(span, None, event.name, e.Const(span, BoolT(), False)),))


def _without(block: st.Block, kept: Callable[[st.Sometimes], bool], *, signals: bool) -> st.Block:
    """A block in which only faults that are `kept` happen; without `signals` nothing ends a wait."""
    made = tuple(_statement(each, kept, signals) for each in block.statements)
    return replace(block, statements=made)


def _statement(stmt: st.Stmt, kept: Callable[[st.Sometimes], bool], signals: bool) -> st.Stmt:
    if isinstance(stmt, st.Sometimes) and not kept(stmt):
        if stmt.orelse is None:
            return st.Skip(stmt.span, stmt.label, stmt.place)
        always = e.Const(stmt.span, BoolT(), True)
        return st.If(stmt.span, stmt.label, stmt.place, always, _without(stmt.orelse, kept, signals=signals), None)
    if isinstance(stmt, st.Await) and not signals:
        return replace(stmt, errno=None)
    changed: dict[str, Any] = {}
    for each in fields(stmt):
        value = getattr(stmt, each.name)
        if isinstance(value, st.Block):
            changed[each.name] = _without(value, kept, signals=signals)
        elif isinstance(value, st.Rollback):
            changed[each.name] = replace(value, body=_without(value.body, kept, signals=signals))
    return replace(stmt, **changed) if changed else stmt
