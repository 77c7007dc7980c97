"""The resolved spec as a document for other programs (`luocheck parse --json`).

The document is deterministic and consists of dicts, lists, strings, numbers, booleans and None.  Declared things are referred to by name:
a field of a sort or enum as `Owner.field`, a global variable or a field of a pair by its name.  Types are written as in a spec; the type
of number literals, of sums and of `number of` is `number`.  Statements and expressions are dicts with the name of their kind under `node`
and their place under `span`; a local is known by its `slot`, whose type stands in the `slots` of the event.  The format is described by
`luocheck/report/schemas/parse.schema.json`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from luocheck.model.abi import Abi, Descriptor, Handle, Ioctl, Process, Sized, Syscall
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import (
    Event,
    Expectation,
    Graph,
    Local,
    OutcomePattern,
    Property,
    Scope,
    StateExpectation,
    System,
    Topology,
)
from luocheck.model.ir.vocabulary import EnumDef, EnumT, Field, IntT, Lock, Sort, SortEdge, Type, Value
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.source import Span
from luocheck.model.spec import Spec

SCHEMA = "luocheck/1"

Document = dict[str, Any]


def dump(spec: Spec) -> Document:
    """Everything that a spec declares, its bodies and claims included, with the place of each part."""
    system = spec.system
    return {
        "schema": SCHEMA,
        "command": "parse",
        "spec": system.name,
        "file": spec.source.name,
        "title": system.title,
        "extends": list(system.bases),
        "span": _span(system.span),
        "sorts": [_sort(sort) for sort in system.sorts],
        "enums": [_enum(enum) for enum in system.enums],
        "fields": [_field(each) for each in system.fields],
        "locks": [_lock(lock) for lock in system.locks],
        "graphs": [_graph(graph, system) for graph in system.graphs],
        "events": [_event(event, system) for event in system.events],
        "boot": _boot(system),
        "properties": [_property(each, system) for each in system.properties],
        "scopes": [_scope(scope) for scope in system.scopes],
        "topologies": [_topology(topology) for topology in system.topologies],
        "expectations": [_expectation(each) for each in system.expectations],
        "states": [_states(each) for each in system.state_expectations],
        "scenarios": [_scenario(each) for each in spec.scenarios],
        "abi": _abi(system.abi),
        "warnings": [
            {"code": each.code, "message": each.message, "help": each.help, "span": _span(each.span)} for each in system.warnings
        ],
    }


def _span(span: Span) -> Document | None:
    """A place; None for what no text says, such as a built-in claim."""
    if not span.source.text:
        return None
    return {"file": span.source.name, "line": span.line, "col": span.column}


# ---- vocabulary -------------------------------------------------------------------------------------------------


def _sort(sort: Sort) -> Document:
    return {
        "name": sort.name,
        "symmetric": sort.symmetric,
        "ordered": sort.ordered,
        "pool": sort.pool,
        "caller": sort.caller,
        "span": _span(sort.span),
    }


def _enum(enum: EnumDef) -> Document:
    members = [{"name": name, "number": number} for name, number in zip(enum.members, enum.numbers, strict=True)]
    return {"name": enum.name, "members": members, "span": _span(enum.span)}


def _field(field: Field) -> Document:
    return {
        "name": field.name,
        "owners": [owner.name for owner in field.owners],
        "lifetime": field.lifetime.value,
        "type": _type(field.type),
        "any": field.drawn,
        "initial": None if field.drawn else _value(field.initial, field.type),
        "span": _span(field.span),
    }


def _lock(lock: Lock) -> Document:
    return {
        "name": lock.name,
        "kind": "rwlock" if lock.rw else "mutex",
        "per": lock.owner.name if lock.owner is not None else None,
        "span": _span(lock.span),
    }


def _graph(graph: Graph, system: System) -> Document:
    return {
        "name": graph.name,
        "sort": graph.sort.name,
        "acyclic": graph.acyclic,
        "where": node(graph.where, system) if graph.where is not None else None,
        "span": _span(graph.span),
    }


def _type(type_: Type) -> str:
    return "number" if isinstance(type_, IntT) else str(type_)


def _value(value: Value | SortEdge, type_: Type) -> Any:
    """A constant: a member of an enum by its name, `S.first` as written, sets and sequences as lists."""
    match value:
        case SortEdge(sort, last):
            return f"{sort.name}.{'last' if last else 'first'}"
        case bool() | str() | None:
            return value
        case int():
            return type_.enum.members[value] if isinstance(type_, EnumT) else value
    return sorted(value) if isinstance(value, frozenset) else list(value)


def _reference(field: Field) -> str:
    return f"{field.owners[0].name}.{field.name}" if len(field.owners) == 1 else field.name


# ---- behaviour --------------------------------------------------------------------------------------------------


def _event(event: Event, system: System) -> Document:
    caller = next((p.name for p in event.parameters if p.slot == event.caller), None)
    return {
        "kind": event.kind,
        "name": event.name,
        "parameters": [_local(each) for each in event.parameters],
        "predicates": [{"name": p.name, "parameter": p.parameter.name, "slot": p.slot} for p in event.predicates],
        "result": _local(event.result) if event.result is not None else None,
        "caller": caller,
        "slots": _slots(event.slots),
        "body": node(event.body, system),
        "effects": [{"outcome": _pattern(each.pattern), "body": node(each.body, system)} for each in event.effects],
        "span": _span(event.span),
    }


def _boot(system: System) -> Document | None:
    if system.boot is None:
        return None
    return {"slots": _slots(system.boot_slots), "body": node(system.boot, system)}


def _local(local: Local) -> Document:
    return {"name": local.name, "type": _type(local.type), "slot": local.slot}


def _slots(types: Iterable[Type | None]) -> list[str | None]:
    """None for slot 0, the state before the call, and for names that a quantifier binds."""
    return [_type(each) if each is not None else None for each in types]


Part = e.Expr | st.Stmt | st.Block | st.OverSort | st.OverSeq | st.Rollback


def node_name(cls: type) -> str:
    """What stands under `node` for a class of the IR: `HasEdge` is `has_edge`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()


def node(part: Part, system: System) -> Document:
    """A statement, expression or block of a system as a document; every field of its class under its own name."""
    out: Document = {"node": node_name(type(part))}
    for field in fields(part):
        out[field.name] = _member(getattr(part, field.name), system)
    match part:
        case e.Const(value=value, type=type_):
            out["value"] = _value(value, type_)
        case st.OverSort(graph=int() as graph):
            out["graph"] = system.graphs[graph].name
        case st.Call(bindings=bindings):
            out["bindings"] = [{"slot": slot, "value": node(value, system)} for slot, value in bindings]
    return out


def _member(value: Any, system: System) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case Span():
            return _span(value)
        case tuple():
            return [_member(each, system) for each in value]
        case Field():
            return _reference(value)
        case Sort() | EnumDef() | Lock() | Graph():
            return value.name
        case SortEdge():
            return f"{value.sort.name}.{'last' if value.last else 'first'}"
        case e.Expr() | st.Stmt() | st.Block() | st.OverSort() | st.OverSeq() | st.Rollback():
            return node(value, system)
    return _type(value)


# ---- claims -----------------------------------------------------------------------------------------------------


def _property(claim: Property, system: System) -> Document:
    return {
        "name": claim.name,
        "kind": claim.kind.value,
        "doc": claim.doc,
        "condition": node(claim.condition, system) if claim.condition is not None else None,
        "goal": node(claim.goal, system) if claim.goal is not None else None,
        "outcome": _pattern(claim.pattern) if claim.pattern is not None else None,
        "using": list(claim.using),
        "with_faults": claim.with_faults,
        "each": [{"name": local.name, "type": str(local.type)} for local in claim.each],
        "assuming": [{"event": event, "succeeds": succeeds} for event, succeeds in claim.assuming],
        "span": _span(claim.span),
    }


def _pattern(pattern: OutcomePattern) -> Document:
    return {"event": pattern.event, "kind": pattern.kind, "returns": pattern.returns, "label": pattern.label}


def _scope(scope: Scope) -> Document:
    return {"name": scope.name, "sizes": dict(scope.sizes), "stepwise": sorted(scope.stepwise), "span": _span(scope.span)}


def _topology(topology: Topology) -> Document:
    names = [name for name, _ in topology.elements]
    return {
        "name": topology.name,
        "sort": topology.sort,
        "graph": topology.graph,
        "kind_field": topology.kind_field,
        "elements": [{"name": name, "kind": kind} for name, kind in topology.elements],
        "edges": [[names[a], names[b]] for a, b in topology.edges],
        "span": _span(topology.span),
    }


def _expectation(each: Expectation) -> Document:
    return {
        "property": each.property,
        "verdict": each.verdict.value,
        "scope": each.scope,
        "topology": each.topology,
        "within": each.within,
        "event": each.event,
        "label": each.label,
        "inherited": each.inherited,
        "span": _span(each.span),
    }


def _states(each: StateExpectation) -> Document:
    """`states LOW..HIGH`, or `coverage all`."""
    return {
        "what": "coverage" if each.low is None else "states",
        "low": each.low,
        "high": each.high,
        "scope": each.scope,
        "topology": each.topology,
        "span": _span(each.span),
    }


def _scenario(each: Scenario) -> Document:
    return {
        "title": each.title,
        "scope": each.scope.name,
        "topology": each.topology.name if each.topology is not None else None,
        "goal": each.goal.text if each.goal is not None else None,
        "inherited": each.inherited,
        "span": _span(each.span),
    }


# ---- abi --------------------------------------------------------------------------------------------------------


def _abi(abi: Abi) -> Document:
    return {
        "handles": [_handle(each) for each in abi.handles],
        "descriptors": [_descriptor(each) for each in abi.descriptors],
        "process": _process(abi.process) if abi.process is not None else None,
        "sized": _sized(abi.sized) if abi.sized is not None else None,
        "ioctls": [_ioctl(each) for each in abi.ioctls],
        "syscalls": [_syscall(each) for each in abi.syscalls],
        "paths": [{"path": each.path, "clauses": [list(words) for words in each.clauses]} for each in abi.paths],
        "errnos": [{"name": name, "members": list(members) if members is not None else None} for name, members in abi.errnos],
    }


def _handle(each: Handle) -> Document:
    return {
        "name": each.name,
        "space": each.space,
        "targets": list(each.targets),
        "length": each.length,
        "bad_causes": list(each.bad_causes),
        "predicate": each.predicate,
        "span": _span(each.span),
    }


def _descriptor(each: Descriptor) -> Document:
    return {
        "target": each.target,
        "path": each.path,
        "open": each.open,
        "release": each.release,
        "magic": each.magic,
        "numbers": list(each.numbers) if each.numbers is not None else None,
        "unknown": each.unknown,
        "encoding": each.encoding,
        "link": each.link,
        "span": _span(each.span),
    }


def _process(each: Process) -> Document:
    return {"sort": each.sort, "exit": each.exit, "passing": list(each.passing), "span": _span(each.span)}


def _sized(each: Sized) -> Document:
    return {"type": each.type, "name": each.name, "short": each.short, "tail": each.tail, "fault": each.fault}


def _ioctl(each: Ioctl) -> Document:
    members = [{field.name: getattr(member, field.name) for field in fields(member)} for member in each.fields]
    return {
        "event": each.event,
        "number": each.number,
        "target": each.target,
        "size": each.size,
        "fields": members,
        "span": _span(each.span),
    }


def _syscall(each: Syscall) -> Document:
    return {
        "event": each.event,
        "function": each.function,
        "arguments": list(each.arguments),
        "kernel_ends": each.kernel_ends,
        "span": _span(each.span),
    }
