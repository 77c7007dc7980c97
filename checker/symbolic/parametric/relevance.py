"""Which parts of a spec a claim depends on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from luocheck.checker.symbolic.parametric.marks import Gathered
from luocheck.checker.symbolic.parametric.rewriting import fields_read
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Kind, Property, System
from luocheck.model.ir.vocabulary import Field, Lifetime

Flows = Iterable[tuple[int, frozenset[int]]]
"""Of a field, fields that matter where it does."""


def relevant_fields(
    system: System, claims: tuple[Property, ...], chosen: frozenset[int] | None = None, ties: Flows = ()
) -> frozenset[int]:
    """Fields that the claims depend on: what they read, what decides where control goes, and what flows into either.

    chosen: where control goes may be decided by other fields than these, of which nothing is known then.  ties: flows that no statement shows.
    """
    found: set[int] = set(chosen or ())
    asserted = {claim.name for claim in claims if claim.kind is Kind.ASSERT}
    for claim in claims:
        if claim.condition is not None:
            found |= reads(system, claim.condition)
    flows: list[tuple[int, Iterable[int]]] = list(ties)
    bodies = [block for _, block in system.bodies()]
    bodies += [effect.body for event in system.events for effect in event.effects]
    for body in bodies:
        for stmt in _all_in(body):
            match stmt:
                case st.Assign(field=f):
                    flows.append((f.index, set().union(*(reads(system, x) for x in st.expressions(stmt)))))
                case st.Insert(field=f) | st.Remove(field=f):
                    flows.append((f.index, set().union(*(reads(system, x) for x in st.expressions(stmt)))))
                case st.If(then=then, orelse=orelse) if is_straight(then) and (orelse is None or is_straight(orelse)):
                    for written in fields_written(then) | (fields_written(orelse) if orelse is not None else set()):
                        flows.append((written, reads(system, stmt.condition)))
                case st.Forall(where=where, body=inner):
                    if where is not None:
                        flows += [(written, reads(system, where)) for written in fields_written(inner)]
                case st.Assert(name=name) if name not in asserted:
                    pass
                case _:
                    if chosen is None or isinstance(stmt, st.Assert):
                        for expr in st.expressions(stmt):
                            found |= reads(system, expr)
                    if isinstance(stmt, Gathered):
                        if chosen is None:
                            found |= reads(system, stmt.among)
                        # a claim about a step may need to know whose turn it is
                        if stmt.order is not None and asserts(stmt, asserted):
                            found.add(stmt.order.index)
    while True:
        more = set().union(*(reads for written, reads in flows if written in found)) - found
        if not more:
            return frozenset(found)
        found |= more


def _all_in(body: st.Block) -> Iterator[st.Stmt]:
    for stmt in st.statements(body):
        yield stmt
        if isinstance(stmt, Gathered):
            yield from st.statements(st.Block(stmt.taken, (), stmt.span))


def reads(system: System, expr: e.Expr) -> set[int]:
    found = {read.field.index for read in fields_read(expr)}
    for part in e.walk(expr):
        if isinstance(part, e.Unchanged):
            found |= {f.index for f in watched(system)} - {f.index for f in part.fields}
    return found


def asserts(walk: st.Walk, names: set[str]) -> bool:
    """Does a claim of these names stand in the walk?"""
    return any(isinstance(stmt, st.Assert) and stmt.name in names for stmt in st.inside(walk))


def fields_written(block: st.Block) -> set[int]:
    return {stmt.field.index for stmt in st.statements(block) if isinstance(stmt, st.Assign | st.Insert | st.Remove)}


def watched(system: System) -> list[Field]:
    return [f for f in system.fields if f.lifetime in (Lifetime.VOLATILE, Lifetime.PRESERVED)]


def under_old(system: System, condition: e.Expr) -> set[int]:
    found: set[int] = set()
    for part in e.walk(condition):
        if isinstance(part, e.Old):
            found |= {read.field.index for read in fields_read(part.operand)}
        elif isinstance(part, e.Unchanged):
            found |= {f.index for f in watched(system)} - {f.index for f in part.fields}
    return found


def is_straight(block: st.Block) -> bool:
    """Does the block always get to its end, without a choice or a walk?"""
    for stmt in block.statements:
        match stmt:
            case st.Assign() | st.Forall() | st.Skip() | st.Arguments():
                pass
            case st.If(then=then, orelse=orelse):
                if not is_straight(then) or (orelse is not None and not is_straight(orelse)):
                    return False
            case _:
                return False
    return True


def reads_paths(system: System, conditions: Iterable[e.Expr]) -> bool:
    """Does a call, or one of the conditions, ask for a path in a graph (`needs+`)?"""
    expressions = [expr for _, body in system.bodies() for stmt in st.statements(body) for expr in st.expressions(stmt)]
    parts = (part for expr in (*expressions, *conditions) for part in e.walk(expr))
    return any(isinstance(part, e.HasEdge) and part.closure for part in parts)
