"""Expressions over states that are not decided everywhere."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from luocheck.model.ir import expressions as e
from luocheck.model.ir.vocabulary import ElemT, EnumDef, Lifetime, SeqT, SetT, Sort, Type
from luocheck.model.semantics.expressions import Code, Compiler, Env, Oops
from luocheck.model.semantics.store import live_index
from luocheck.traces.replay.cells import EDGE
from luocheck.traces.replay.deciding import Demand, Undecided, Way
from luocheck.traces.replay.renaming import Question, choosable_sorts
from luocheck.traces.replay.unknowns import Unknown, comparable_sorts
from luocheck.traces.replay.world import MISSING, OpenSet, OpenTuple, sort_place


class LazyCompiler(Compiler):
    """Compiles expressions so that they ask for what they need to know, and for no more."""

    def _var(self, expr: e.Var) -> Code:
        slot = expr.slot
        if not isinstance(expr.type, ElemT) or expr.type.sort.index not in self.late:
            return super()._var(expr)

        def var(s: Any, env: Env) -> Any:
            x = env[slot]
            return s.chosen(x) if type(x) is Unknown else x

        return var

    def _cell_of_any(self, expr: e.Read) -> Code:
        """`_cell`, where one of several elements is asked for that have the same there."""
        argument = expr.arguments[0] if len(expr.arguments) == 1 else None
        if not isinstance(argument, e.Var) or isinstance(expr.type, SeqT | SetT):
            return self._cell(expr)
        if not isinstance(argument.type, ElemT) or argument.type.sort.index not in choosable_sorts(self.system):
            return self._cell(expr)
        index, slot, default, known = expr.field.index, argument.slot, self.defaults[expr.field.index], self._cell(expr)

        def cell(s: Any, env: Env) -> Any:
            x = env[slot]
            return (index, s.alike(index, default, x)) if type(x) is Unknown else known(s, env)

        return cell

    def _cell(self, expr: e.Read) -> Code:
        """Code for the cell that is read.  Raises Oops when it is a field of none or of a freed element."""
        index, span = expr.field.index, expr.span
        arguments = [self(a) for a in expr.arguments]
        pools = [
            (place, live_index(self.system, o)) for place, o in enumerate(expr.field.owners, 1) if isinstance(o, Sort) and o.pool
        ]

        if not arguments:
            only = (index,)
            return lambda s, env: only
        if len(arguments) == 1:
            argument, alive_at = arguments[0], pools[0][1] if pools else None

            def single(s: Any, env: Env) -> tuple[int, int]:
                x = argument(s, env)
                if x is None:
                    raise Oops("null_dereference", span)
                if alive_at is not None and (alive_at, x) not in s:
                    raise Oops("use_after_free", span)
                return index, x

            return single

        def cell(s: Any, env: Env) -> tuple[int, ...]:
            key = (index, *[a(s, env) for a in arguments])
            if None in key:
                raise Oops("null_dereference", span)
            for place, alive in pools:
                if (alive, key[place]) not in s:
                    raise Oops("use_after_free", span)
            return key

        return cell

    def _read(self, expr: e.Read) -> Code:
        cell, default = self._cell_of_any(expr), self.defaults[expr.field.index]
        return lambda s, env: s.value(cell(s, env), default)

    def _compare(self, expr: e.Compare) -> Code:
        """An undecided field that is compared with a value is split in two, not into all its values."""
        for read, other in ((expr.left, expr.right), (expr.right, expr.left)):
            if expr.operator in ("==", "!=") and isinstance(read, e.Read) and not isinstance(other, e.Read):
                return self._split(read, other, expr.operator == "==")
        for number, other in ((expr.left, expr.right), (expr.right, expr.left)):
            if isinstance(number, e.Quantifier) and number.kind == "number" and isinstance(other, e.Const):
                return self._counted(expr, number, other)
        if expr.operator in ("==", "!=") and any(self._is_comparable(side.type) for side in (expr.left, expr.right)):
            left, right, wanted = self(expr.left), self(expr.right), expr.operator == "=="
            return lambda s, env: s.same(left(s, env), right(s, env)) is wanted  # type: ignore[attr-defined]
        return super()._compare(expr)

    def _counted(self, expr: e.Compare, number: e.Quantifier, other: e.Const) -> Code:
        """Unseen elements are counted, too, as far as they could make a difference."""
        compare, known = super()._compare(expr), self(number)
        unseen = self.unseen(number.domain, number.body, number.slot, wanted=True, one=False)
        if unseen is None:
            return compare
        most = other.value

        def counted(s: Any, env: Env) -> bool:
            if known(s, env) <= most:
                unseen(s, env)
            return bool(compare(s, env))

        return counted

    @cached_property
    def late(self) -> frozenset[int]:
        """Sorts of which a local may hold an element that is not known yet."""
        return comparable_sorts(self.system) | choosable_sorts(self.system)

    def _is_comparable(self, type_: Type) -> bool:
        return isinstance(type_, ElemT) and type_.sort.index in comparable_sorts(self.system)

    def _split(self, read: e.Read, other: e.Expr, wanted: bool) -> Code:
        cell, default, value = self._cell_of_any(read), self.defaults[read.field.index], self(other)

        def split(s: Any, env: Env) -> bool:
            key = cell(s, env)
            found = s.get(key, MISSING)
            asked = value(s, env)
            if found is MISSING or type(found) is Unknown or type(asked) is Unknown:
                return s.equals(key, default, asked) is wanted
            return bool(found == asked) is wanted

        return split

    def _contains(self, expr: e.Contains) -> Code:
        type_ = expr.collection.type
        if not isinstance(expr.collection, e.Read) or not isinstance(type_, SeqT | SetT):
            return super()._contains(expr)
        item, cell = self(expr.item), self._cell(expr.collection)
        default, sort = self.defaults[expr.collection.field.index], type_.sort

        def contains(s: Any, env: Env) -> bool:
            place = cell(s, env)
            return bool(s.has_member(place, sort, s.value(place, default), item(s, env)))

        return contains

    # ---- quantifiers --------------------------------------------------------------------------------------------

    def _quantifier(self, expr: e.Quantifier) -> Code:
        known = super()._quantifier(expr)
        unseen = self.unseen(expr.domain, expr.body, expr.slot, wanted=expr.kind != "all")
        if expr.kind == "number" or unseen is None:
            return known
        undecided_when = expr.kind in ("all", "no")

        def quantified(s: Any, env: Env) -> bool:
            result: bool = known(s, env)
            if result is undecided_when:
                unseen(s, env)
            return result

        return quantified

    def unseen(
        self, domain: Sort | EnumDef | e.Expr, body: e.Expr | None, slot: int, *, wanted: bool, one: bool = True
    ) -> Code | None:
        """Code that raises Undecided when an element that nothing has shown yet could give `body` the wanted value.

        one: after such an element it makes no difference whether there is another one.
        """
        code: Code = self(body) if body is not None else lambda s, env: True
        parts = list(e.walk(body)) if body is not None else []
        names = sorted({part.slot for part in parts if isinstance(part, e.Var | e.BadHandle)} - {slot})
        types = {part.slot: part.type for part in parts if isinstance(part, e.Var)}
        fields = frozenset(part.field.index for part in parts if isinstance(part, e.Read))
        question = Question({slot: type_.sort.index for slot, type_ in types.items() if isinstance(type_, ElemT)}, fields)
        lasting = body is not None and _is_local(body, slot)

        def ask(s: Any, env: Env, place: tuple[int, ...], meet: Any) -> None:
            used = {name: s.chosen(env[name]) for name in names if name < len(env) and name != 0}
            key = (question, *used.items())
            if s.is_denied(place, key):
                return
            frozen = tuple(used.get(position) for position in range(len(env)))
            demand = Demand(code, frozen, wanted)

            def deny(store: Any) -> None:
                store.deny(place, key, (demand, slot) if lasting else None)

            def appear(store: Any) -> Demand:
                x = meet(store)
                if one:
                    store.deny(place, key, None)  # the question is not asked again in this call
                return Demand(code, (*frozen[:slot], x, *frozen[slot + 1 :]), wanted)

            raise Undecided([Way(deny), Way(appear)])

        if isinstance(domain, Sort):
            sort = domain

            def of_sort(s: Any, env: Env) -> None:
                if s.may_hide(sort):
                    ask(s, env, sort_place(sort), lambda store: store.materialise(sort))

            return of_sort
        if not isinstance(domain, e.Read) or not isinstance(domain.type, SeqT | SetT):
            return None
        cell, default, member = self._cell(domain), self.defaults[domain.field.index], domain.type.sort

        def of_members(s: Any, env: Env) -> None:
            place = cell(s, env)
            if isinstance(s.value(place, default), OpenTuple | OpenSet):

                def meet(store: Any) -> int:
                    x: int = store.materialise(member)
                    store.insert(place, x)
                    return x

                ask(s, env, place, meet)

        return of_members

    # ---- graphs and order ---------------------------------------------------------------------------------------

    def _has_edge(self, expr: e.HasEdge) -> Code:
        left, right, index, closure = self(expr.left), self(expr.right), expr.graph.index, expr.closure

        def edge(s: Any, env: Env) -> bool:
            a, b = left(s, env), right(s, env)
            if a is None or b is None or (a == b and expr.graph.acyclic):
                return False
            cell = (EDGE, index, closure, a, b)
            if cell not in s:
                raise Undecided([Way(lambda s: s.update({cell: False})), Way(lambda s: s.update({cell: True}))])
            return bool(s[cell])

        return edge

    def _next(self, expr: e.Next) -> Code:
        operand, span = self(expr.operand), expr.span

        def following(s: Any, env: Env) -> int:
            x: int | None = operand(s, env)
            if x is None:
                raise Oops("null_dereference", span)
            return int(x) + 1

        return following


class Kleene(LazyCompiler):
    """Compiles conditions so that an element for which `all` is false decides it, whatever is open about the others (Kleene's logic)."""

    def _counted(self, expr: e.Compare, number: e.Quantifier, other: e.Const) -> Code:
        return super(LazyCompiler, self)._compare(expr)

    def _quantifier(self, expr: e.Quantifier) -> Code:
        if expr.kind not in ("all", "no"):
            return super()._quantifier(expr)
        slot, body, over, wanted = expr.slot, self(expr.body), self._domain(expr), expr.kind == "all"
        unseen = self.unseen(expr.domain, expr.body, slot, wanted=not wanted)

        def quantified(s: Any, env: Env) -> bool:
            open_: Undecided | None = None
            for x in over(s, env):
                env[slot] = x
                try:
                    if bool(body(s, env)) is not wanted:
                        return False
                except Undecided as reason:
                    open_ = reason
            if open_ is not None:
                raise open_
            if unseen is not None:
                unseen(s, env)
            return True

        return quantified


def _is_local(body: e.Expr, slot: int) -> bool:
    """Does a condition read nothing but preserved or fixed fields of its own element, so that its answer lasts while that is unseen?"""
    for part in e.walk(body):
        if isinstance(part, e.Read):
            own = len(part.arguments) == 1 and isinstance(part.arguments[0], e.Var) and part.arguments[0].slot == slot
            if not own or part.field.lifetime not in (Lifetime.PRESERVED, Lifetime.FIXED):
                return False
        elif isinstance(part, e.Quantifier | e.HasEdge | e.Idle | e.IdleCaller):
            return False
    return True
