"""Expressions in a state of summaries: the value of each, and when reading goes wrong."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Lit
from luocheck.checker.symbolic.bounded.summaries import Summary, cases, constant, equal, made, mapped, of_truth, truth
from luocheck.checker.symbolic.bounded.world import Cells, World
from luocheck.model.instances import Cell
from luocheck.model.ir import expressions as e
from luocheck.model.ir.vocabulary import EnumDef, Field, Lifetime, SeqT, Sort
from luocheck.model.semantics.store import live_index
from luocheck.model.source import Span

_ORDER: dict[str, Callable[[Any, Any], bool]] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Reader:
    """Evaluates expressions in one state, one after the other.

    cells, env: the state and the locals.  old: the state before the call.  written: when something was written since.  checked: reading a
    freed element is a finding; in properties it has its initial values.  here: the path on which this happens.

    oops: claim, place, and when it was broken, of which only the first counts; bad: when any was.  looked_at: id of a watched expression ->
    when it was evaluated.
    """

    def __init__(
        self,
        world: World,
        cells: Cells,
        env: list[Summary],
        old: Cells,
        *,
        checked: bool,
        here: Lit = TRUE,
        written: Lit = TRUE,
        watched: Mapping[int, str] | None = None,
    ) -> None:
        self.world = world
        self.gates = world.gates
        self.cells = cells
        self.env = env
        self.old = old
        self.checked = checked
        self.here = here
        self.written = written
        self.watched = watched or {}
        self.oops: list[tuple[str, Span, Lit]] = []
        self.bad: Lit = FALSE
        self.looked_at: dict[str, Lit] = {}

    # ---- asking ---------------------------------------------------------------------------------------------------

    def value(self, expr: e.Expr) -> Summary:
        if id(expr) in self.watched:
            name = self.watched[id(expr)]
            when = self.gates.and_(self.here, self.bad ^ 1)
            self.looked_at[name] = self.gates.or_(self.looked_at.get(name, FALSE), when)
        found: Summary = self._cases[type(expr)](self, expr)
        return found

    def truth(self, expr: e.Expr) -> Lit:
        return truth(self.gates, self.value(expr))

    def under(self, condition: Lit, ask: Callable[[], Lit]) -> Lit:
        """An answer that is needed only under a condition; elsewhere nothing goes wrong."""
        before = self.here
        self.here = self.gates.and_(before, condition)
        found = ask() if self.here != FALSE else FALSE
        self.here = before
        return found

    def breaks(self, claim: str, span: Span, when: Lit) -> None:
        """The code does what no code may do."""
        lit = self.gates.and_(self.gates.and_(self.here, when), self.bad ^ 1)
        if lit != FALSE:
            self.oops.append((claim, span, lit))
            self.bad = self.gates.or_(self.bad, lit)

    # ---- leaves ---------------------------------------------------------------------------------------------------

    def _const(self, expr: e.Const) -> Summary:
        return constant(expr.value)

    def _edge_of_sort(self, expr: e.EdgeOfSort) -> Summary:
        return constant(self.world.sizes[expr.edge.sort.index] - 1 if expr.edge.last else 0)

    def _var(self, expr: e.Var) -> Summary:
        return self.env[expr.slot]

    def _bad_handle(self, expr: e.BadHandle) -> Summary:
        return self.env[expr.slot]

    def _idle(self, expr: e.Idle) -> Summary:
        return constant(True)  # no call is cut, so nobody is ever inside of one

    def _idle_caller(self, expr: e.IdleCaller) -> Summary:
        self.value(expr.caller)  # which can do what no code may do
        return constant(True)

    # ---- fields ---------------------------------------------------------------------------------------------------

    def keys(self, field: Field, arguments: Sequence[e.Expr], span: Span) -> Summary:
        """The cells that a place may be, with the checks of its owners."""
        values = [self.value(a) for a in arguments]
        if not values:
            return constant((field.index,))
        gates = self.gates
        found: list[tuple[Cell, Lit]] = []
        pools = [(p, o) for p, o in enumerate(field.owners) if self.checked and isinstance(o, Sort) and o.pool]
        for owners, lit in cases(gates, *values):
            if None in owners:
                self.breaks("null_dereference", span, lit)
                continue
            for position, sort in pools:
                self.breaks("use_after_free", span, gates.and_(lit, self.world.alive(self.cells, sort, owners[position]) ^ 1))
            found.append(((field.index, *owners), lit))
        return made(gates, found)

    def _read(self, expr: e.Read) -> Summary:
        keys = self.keys(expr.field, expr.arguments, expr.span)
        if len(keys) == 1:
            return self.world.cell(self.cells, next(iter(keys)))
        gates = self.gates
        return made(
            gates,
            (
                (value, gates.and_(lit, when))
                for cell, lit in keys.items()
                for value, when in self.world.cell(self.cells, cell).items()
            ),
        )

    def _old(self, expr: e.Old) -> Summary:
        now, self.cells = self.cells, self.old
        found = self.value(expr.operand)
        self.cells = now
        return found

    def _unchanged(self, expr: e.Unchanged) -> Summary:
        gates, world = self.gates, self.world
        excepted: dict[Cell, list[Lit]] = {}
        before = self.here
        self.here = gates.and_(before, self.written)
        for read in expr.cells:
            values = [self.value(a) for a in read.arguments]
            for owners, lit in cases(gates, *values):
                excepted.setdefault((read.field.index, *owners), []).append(lit)
        self.here = before
        watched = {f.index for f in world.system.fields if f.lifetime is not Lifetime.GHOST}
        watched |= {live_index(world.system, sort) for sort in world.system.sorts if sort.pool}
        watched -= {f.index for f in expr.fields}
        same: list[Lit] = []
        for cell in sorted({*self.cells, *self.old}):
            if cell[0] not in watched:
                continue
            agree = equal(gates, world.cell(self.cells, cell), world.cell(self.old, cell))
            same.append(gates.or_(agree, gates.any_of(excepted.get(cell, ()))))
        return of_truth(gates.or_(self.written ^ 1, gates.all_of(same)))

    # ---- logic ----------------------------------------------------------------------------------------------------

    def _not(self, expr: e.Not) -> Summary:
        return of_truth(self.truth(expr.operand) ^ 1)

    def _and(self, expr: e.And) -> Summary:
        left = self.truth(expr.left)
        return of_truth(self.gates.and_(left, self.under(left, lambda: self.truth(expr.right))))

    def _or(self, expr: e.Or) -> Summary:
        left = self.truth(expr.left)
        return of_truth(self.gates.or_(left, self.under(left ^ 1, lambda: self.truth(expr.right))))

    def _implies(self, expr: e.Implies) -> Summary:
        left = self.truth(expr.left)
        return of_truth(self.gates.or_(left ^ 1, self.under(left, lambda: self.truth(expr.right))))

    def _compare(self, expr: e.Compare) -> Summary:
        left, right = self._compared(expr.left, expr.right), self._compared(expr.right, expr.left)
        if expr.operator in ("==", "!="):
            return of_truth(equal(self.gates, left, right) ^ (expr.operator == "!="))
        order = _ORDER[expr.operator]
        when: list[Lit] = []
        for (a, b), lit in cases(self.gates, left, right):
            if a is None or b is None:
                self.breaks("null_dereference", expr.span, lit)
            elif order(a, b):
                when.append(lit)
        return of_truth(self.gates.any_of(when))

    def _compared(self, expr: e.Expr, other: e.Expr) -> Summary:
        """A side of a comparison.  `{ ... }` is a set, but for `{ }` beside a list, which is the empty list."""
        found = self.value(expr)
        if isinstance(expr, e.Literal) and not isinstance(other.type, SeqT):
            return mapped(self.gates, frozenset, found)
        return found

    def _arithmetic(self, expr: e.Arithmetic) -> Summary:
        compute = operator.add if expr.operator == "+" else operator.sub
        return mapped(self.gates, compute, self.present(expr.left), self.present(expr.right))

    # ---- collections ----------------------------------------------------------------------------------------------

    def present(self, expr: e.Expr) -> Summary:
        """A collection or number, which is never `none`: a local without a value stands where nobody looks."""
        return {value: lit for value, lit in self.value(expr).items() if value is not None}

    def _contains(self, expr: e.Contains) -> Summary:
        item, collection = self.value(expr.item), self.present(expr.collection)
        return of_truth(truth(self.gates, mapped(self.gates, lambda x, among: x in among, item, collection)))

    def _literal(self, expr: e.Literal) -> Summary:
        return mapped(self.gates, lambda *items: items, *[self.value(item) for item in expr.items])

    def _seq_end(self, expr: e.SeqEnd) -> Summary:
        position = -1 if expr.last else 0
        return mapped(self.gates, lambda items: items[position] if items else None, self.present(expr.sequence))

    def _before(self, expr: e.Before) -> Summary:
        parts = [self.present(expr.sequence), self.value(expr.left), self.value(expr.right)]
        return mapped(self.gates, lambda q, a, b: a in q and b in q and q.index(a) < q.index(b), *parts)

    def _next(self, expr: e.Next) -> Summary:
        last = self.world.sizes[expr.type.sort.index] - 1  # type: ignore[union-attr]
        operand = self.value(expr.operand)
        self.breaks("null_dereference", expr.span, operand.get(None, FALSE))
        return made(self.gates, ((x + 1 if x < last else None, lit) for x, lit in operand.items() if x is not None))

    def _has_edge(self, expr: e.HasEdge) -> Summary:
        pairs = (self.world.closure if expr.closure else self.world.edges)[expr.graph.index]
        met = cases(self.gates, self.value(expr.left), self.value(expr.right))
        return of_truth(self.gates.any_of(self.gates.and_(lit, pairs.get(pair, FALSE)) for pair, lit in met))

    # ---- one after the other --------------------------------------------------------------------------------------

    def in_turn(
        self, slot: int, items: Sequence[tuple[Any, Lit]], ask: Callable[[], Lit], until: bool | None
    ) -> list[tuple[Any, Lit, Lit]]:
        """Binds items one after the other, those that are there, and asks about each, until one answers so (None: about all).

        Returns each item with when it was asked about, and the answer.
        """
        gates = self.gates
        found: list[tuple[Any, Lit, Lit]] = []
        going_on = TRUE
        for x, there in items:
            asked = gates.and_(going_on, there)
            if asked == FALSE:
                continue
            self.env[slot] = constant(x)
            answer = self.under(asked, ask)
            found.append((x, asked, answer))
            if until is not None:
                going_on = gates.and_(going_on, gates.and_(asked, answer if until else answer ^ 1) ^ 1)
        return found

    def members(self, collection: Summary) -> list[list[tuple[Any, Lit]]]:
        """The ways in which a collection can be gone through: for each of its values the members, with when it has that value."""
        return [[(x, lit) for x in (sorted(value) if isinstance(value, frozenset) else value)] for value, lit in collection.items()]

    def _quantifier(self, expr: e.Quantifier) -> Summary:
        gates, domain = self.gates, expr.domain
        until = {"all": False, "some": True, "no": True}.get(expr.kind)
        if isinstance(domain, Sort | EnumDef):
            ways = [self.world.elements(self.cells, domain)]
        else:
            ways = self.members(self.present(domain))
        before = self.env[expr.slot]
        found = [self.in_turn(expr.slot, way, lambda: self.truth(expr.body), until) for way in ways]
        self.env[expr.slot] = before
        if expr.kind == "number":
            return self._number(found, ways, isinstance(domain, Sort | EnumDef))
        met = gates.any_of(gates.and_(asked, answer if until else answer ^ 1) for way in found for _, asked, answer in way)
        return of_truth(met if expr.kind == "some" else met ^ 1)

    def _number(self, found: list[list[tuple[Any, Lit, Lit]]], ways: list[list[tuple[Any, Lit]]], one_way: bool) -> Summary:
        """How many answers are true.  Of several ways each is gone only where it is the one."""
        parts: list[tuple[int, Lit]] = []
        taken = FALSE
        for way, items in zip(found, ways, strict=True):
            here = TRUE if one_way else items[0][1] if items else None
            if here is None:
                continue  # an empty collection: 0 where no other is the one
            taken = self.gates.or_(taken, here)
            sums: Summary = {0: here}
            for _, asked, answer in way:
                counted = self.gates.and_(asked, answer)
                more = [(n + 1, self.gates.and_(lit, counted)) for n, lit in sums.items()]
                sums = made(self.gates, [*((n, self.gates.and_(lit, counted ^ 1)) for n, lit in sums.items()), *more])
                if here != TRUE:
                    sums = {n: self.gates.and_(lit, here) for n, lit in sums.items()}
            parts += sums.items()
        return made(self.gates, [*parts, (0, taken ^ 1)])

    _cases: ClassVar[dict[type[e.Expr], Callable[..., Summary]]] = {
        e.Const: _const,
        e.EdgeOfSort: _edge_of_sort,
        e.Var: _var,
        e.Read: _read,
        e.Not: _not,
        e.And: _and,
        e.Or: _or,
        e.Implies: _implies,
        e.Compare: _compare,
        e.Arithmetic: _arithmetic,
        e.Contains: _contains,
        e.Literal: _literal,
        e.Quantifier: _quantifier,
        e.HasEdge: _has_edge,
        e.SeqEnd: _seq_end,
        e.Before: _before,
        e.Next: _next,
        e.Old: _old,
        e.Unchanged: _unchanged,
        e.Idle: _idle,
        e.IdleCaller: _idle_caller,
        e.BadHandle: _bad_handle,
    }
