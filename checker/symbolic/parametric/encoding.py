"""Expressions and loop-free calls of a cut system as terms.

A state maps fields to functions of elements, so the state after a statement is made of the one before without naming it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import z3

from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.rewriting import fields_read
from luocheck.checker.symbolic.parametric.worlds import (
    Maybe,
    Meaning,
    Reader,
    Term,
    World,
    conjunction,
    disjunction,
    either,
    equal,
    maybe,
    negation,
)
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event, Graph, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumDef, EnumT, Field, NoneT, Sort, Type

State = dict[int, Reader]
"""Of every field (by index) what it says of elements."""

Env = dict[int, Meaning]


@dataclass(frozen=True, slots=True)
class Path:
    """One way through a call: what must hold before, and the state after.  `values`: parameters and choices, by their slots."""

    event: Event
    conditions: tuple[Term, ...]
    after: State
    values: Env


class Encoder:
    """Translates for one world."""

    def __init__(self, world: World, fields: Sequence[Field]) -> None:
        self.world = world
        self.system: System = world.system
        self.fields = list(fields)
        self.made = 0  # parameters

    def state(self, prefix: str = "") -> State:
        """A state of which nothing is known."""
        return {f.index: self.world.declare(f, prefix) for f in self.fields}

    def initial(self, before: State) -> State:
        """The state in which a run begins; fields that are fixed or drawn are those of `before`."""
        state = dict(before)
        for f in self.fields:
            if f.lifetime.value != "fixed" and not f.drawn:
                value = self.value(f.type, f.initial)
                state[f.index] = _constant(value)
        for stmt in self.system.boot.statements if self.system.boot is not None else ():
            state = self._straight(stmt, state, {})
        return state

    def graph_axioms(self, graph: Graph, state: State) -> list[Term]:
        """What `where edge(x, y)` says; the rest is among the axioms of the world.  Without it there are more graphs, so it may be left out."""
        edge = self.world.graph(graph, False)
        if graph.where is None or any(read.field.index not in state for read in fields_read(graph.where)):
            return []

        def says(x: Term, y: Term) -> Term:
            assert graph.where is not None
            return z3.Implies(edge((x, y)), self.expr(graph.where, state, {1: x, 2: y}))

        sort = graph.sort
        return [self.world.quantified(sort, "all", lambda x: self.world.quantified(sort, "all", lambda y: says(x, y)))]

    # ---- values -------------------------------------------------------------------------------------------------

    def value(self, type_: Type, value: object) -> Meaning:
        """A constant."""
        if value is None:
            assert isinstance(type_, ElemT)
            return Maybe(z3.BoolVal(False), self.world.nobody(type_.sort))
        if isinstance(type_, BoolT):
            return z3.BoolVal(bool(value))
        if isinstance(type_, EnumT):
            assert isinstance(value, int)
            return self.world.member(type_, value)
        raise AssertionError(type_)

    def expr(self, expr: e.Expr, state: State, env: Env) -> Meaning:
        """The value of an expression.  Reading through none gives anything."""
        match expr:
            case e.Const(value=value, type=type_) if isinstance(type_, NoneT | ElemT | BoolT | EnumT):
                return _NONE if isinstance(type_, NoneT) or value is None else self.value(type_, value)
            case e.Var(slot=slot) | e.BadHandle(slot=slot) if slot in env:
                return env[slot]
            case e.Var(type=ElemT(sort)):  # it never got a value
                return Maybe(z3.BoolVal(False), self.world.nobody(sort))
            case e.Read(field=f, arguments=arguments):
                return state[f.index]([self._element(a, state, env) for a in arguments])
            case e.Not(operand=operand):
                return negation(self.expr(operand, state, env))
            case e.And(left=left, right=right):
                return conjunction([self.expr(left, state, env), self.expr(right, state, env)])
            case e.Or(left=left, right=right):
                return disjunction([self.expr(left, state, env), self.expr(right, state, env)])
            case e.Implies(left=left, right=right):
                return disjunction([negation(self.expr(left, state, env)), self.expr(right, state, env)])
            case e.Compare(operator="==", left=left, right=right):
                return self._equal(left, right, state, env)
            case e.Compare(operator="!=", left=left, right=right):
                return negation(self._equal(left, right, state, env))
            case e.Contains(item=item, collection=e.Literal(items=items)):
                return disjunction([self._equal(item, each, state, env) for each in items])
            case e.Quantifier(kind=("all" | "some" | "no") as kind, domain=domain):
                return self._quantifier(expr, kind, domain, state, env)
            case e.HasEdge(graph=graph, left=left, right=right, closure=closure):
                ends = [self._element(left, state, env), self._element(right, state, env)]
                return self.world.graph(graph, closure)(ends)
        raise NoForm("this expression has no form for every size", expr.span)

    def _element(self, expr: e.Expr, state: State, env: Env) -> Term:
        value = self.expr(expr, state, env)
        return value.element if isinstance(value, Maybe) else value

    def _equal(self, left: e.Expr, right: e.Expr, state: State, env: Env) -> Term:
        a, b = self.expr(left, state, env), self.expr(right, state, env)
        if a is _NONE or b is _NONE:
            other = b if a is _NONE else a
            return z3.BoolVal(True) if other is _NONE else negation(maybe(other).there)
        return equal(a, b)

    def _quantifier(self, expr: e.Quantifier, kind: str, domain: object, state: State, env: Env) -> Term:
        def body(x: Term) -> Term:
            found = self.expr(expr.body, state, {**env, expr.slot: x})
            return negation(found) if kind == "no" else found

        which = "some" if kind == "some" else "all"
        if isinstance(domain, EnumDef):
            parts = [body(self.world.member(EnumT(domain), i)) for i in range(len(domain.members))]
            return disjunction(parts) if which == "some" else conjunction(parts)
        if isinstance(domain, Sort):
            return self.world.quantified(domain, which, body)
        raise NoForm("it ranges over a list or a set", expr.span)

    # ---- calls --------------------------------------------------------------------------------------------------

    def paths(self, event: Event, state: State) -> list[Path]:
        """All ways through a call of the cut system from a state, with names for its parameters and choices."""
        env: Env = {}
        for parameter in event.parameters:
            env[parameter.slot] = self._any(parameter.type, parameter.name)
        for predicate in event.predicates:
            env[predicate.slot] = self._any(BoolT(), predicate.name)
        return [
            Path(event, conditions, after, values) for conditions, after, values in self._run(event.body.statements, state, env, ())
        ]

    def _any(self, type_: Type, name: str) -> Meaning:
        match type_:
            case ElemT(sort):
                return self.world.constant(sort, name)
            case BoolT() | EnumT():
                self.made += 1
                return self.world.function(f"{name}#{self.made}", [], type_)(())
        raise AssertionError(type_)

    def _run(
        self, statements: Sequence[st.Stmt], state: State, env: Env, conditions: tuple[Term, ...]
    ) -> Iterator[tuple[tuple[Term, ...], State, Env]]:
        if any(z3.is_false(c) for c in conditions[-1:]):
            return
        if not statements:
            yield conditions, state, env
            return
        stmt, rest = statements[0], statements[1:]
        match stmt:
            case st.Require(condition=condition):
                yield from self._run(rest, state, env, (*conditions, self.expr(condition, state, env)))
            case st.Let(slot=slot, value=value):
                yield from self._run(rest, state, {**env, slot: self.expr(value, state, env)}, conditions)
            case st.If(condition=condition, then=then, orelse=orelse) if not rest:
                holds = self.expr(condition, state, env)
                yield from self._run(then.statements, state, env, (*conditions, holds))
                yield from self._run(orelse.statements if orelse else (), state, env, (*conditions, negation(holds)))
            case st.Sometimes(condition=condition, then=then, orelse=orelse) if not rest:
                more = (self.expr(condition, state, env),) if condition is not None else ()
                yield from self._run(then.statements, state, env, (*conditions, *more))
                yield from self._run(orelse.statements if orelse else (), state, env, conditions)
            case st.Choose(slot=slot, sort=sort, where=where):
                chosen = {**env, slot: self.world.constant(sort, sort.name.lower())}
                more = (self.expr(where, state, chosen),) if where is not None else ()
                yield from self._run(rest, state, chosen, (*conditions, *more))
            case _:
                yield from self._run(rest, self._straight(stmt, state, env), env, conditions)

    def _straight(self, stmt: st.Stmt, state: State, env: Env) -> State:
        """The state after a statement that has no choices."""
        match stmt:
            case st.Assign(field=f, arguments=arguments):
                owners = [self._element(a, state, env) for a in arguments]
                return {**state, f.index: _written(state[f.index], owners, self._stored(stmt, state, env))}
            case st.If(condition=condition, then=then, orelse=orelse):
                holds = self.expr(condition, state, env)
                one, other = state, state
                for each in then.statements:
                    one = self._straight(each, one, env)
                for each in orelse.statements if orelse is not None else ():
                    other = self._straight(each, other, env)
                return {
                    index: state[index] if one[index] is other[index] else _merged(holds, one[index], other[index])
                    for index in state
                }
            case st.Forall():
                return self._forall(stmt, state, env)
            case st.Skip() | st.Arguments():
                return state
        raise NoForm("this statement has no form for every size", stmt.span)

    def _stored(self, stmt: st.Assign, state: State, env: Env) -> Meaning:
        """The value that an assignment writes, in the form of its field."""
        value = self.expr(stmt.value, state, env)
        type_ = stmt.field.type
        if isinstance(type_, ElemT):
            if value is _NONE:
                return Maybe(z3.BoolVal(False), self.world.nobody(type_.sort))
            return maybe(value) if type_.optional else value
        return value

    def _forall(self, stmt: st.Forall, state: State, env: Env) -> State:
        """All elements at once: everything is read in the state before."""
        after = dict(state)
        for assign, binders, conditions in _assignments(stmt, (), ()):
            after[assign.field.index] = self._for_each(assign, binders, conditions, state, after[assign.field.index], env)
        return after

    def _for_each(
        self, assign: st.Assign, binders: tuple[int, ...], conditions: tuple[e.Expr, ...], state: State, before: Reader, env: Env
    ) -> Reader:
        places = {a.slot: i for i, a in enumerate(assign.arguments) if isinstance(a, e.Var) and a.slot in binders}
        if set(places) != set(binders):
            raise NoForm("this `forall` writes where not every one of its elements is named", assign.span)

        def after(x: Sequence[Term]) -> Meaning:
            here = {**env, **{slot: x[i] for slot, i in places.items()}}
            holds = [self.expr(c, state, here) for c in conditions]
            for i, argument in enumerate(assign.arguments):
                if i not in places.values():
                    holds.append(equal(self._element(argument, state, here), x[i]))
            return either(conjunction(holds), self._stored(assign, state, here), before(x))

        return after


class _None:
    """`none` before it is known of which sort."""


_NONE = _None()


def _assignments(
    stmt: st.Stmt, binders: tuple[int, ...], conditions: tuple[e.Expr, ...]
) -> Iterator[tuple[st.Assign, tuple[int, ...], tuple[e.Expr, ...]]]:
    """The assignments in a `forall`, with the elements that they are for and what must hold of them."""
    match stmt:
        case st.Forall(slot=slot, where=where, body=body):
            more = (*conditions, where) if where is not None else conditions
            for inner in body.statements:
                yield from _assignments(inner, (*binders, slot), more)
        case st.Assign():
            yield stmt, binders, conditions
        case st.If(condition=condition, then=then, orelse=orelse):
            for inner in then.statements:
                yield from _assignments(inner, binders, (*conditions, condition))
            for inner in orelse.statements if orelse is not None else ():
                yield from _assignments(inner, binders, (*conditions, e.Not(condition.span, e.BOOL, condition)))
        case st.Skip() | st.Arguments():
            return
        case _:
            raise NoForm("this statement has no form for every size", stmt.span)


def _written(before: Reader, owners: list[Term], value: Meaning) -> Reader:
    if not owners:
        return lambda x: value
    return lambda x: either(conjunction([equal(a, b) for a, b in zip(owners, x, strict=True)]), value, before(x))


def _constant(value: Meaning) -> Reader:
    return lambda x: value


def _merged(condition: Term, one: Reader, other: Reader) -> Reader:
    return lambda x: either(condition, one(x), other(x))
