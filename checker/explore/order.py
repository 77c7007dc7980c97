"""Sorts whose elements an exploration must not exchange, although they are declared symmetric.

Elements are interchangeable when renaming them in a state renames what can follow and changes nothing else.  The language sees to most of
that (no order, no names).  What is left: walks in a fixed order of the elements; fields that always hold some element; and conditions that are asked of one element after the
other and can do what no code may do, for then it matters who is asked first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Kind, Property, Scope, System
from luocheck.model.ir.vocabulary import CountT, ElemT, Field, Lifetime, SetT, Sort


def told_apart(system: System, scope: Scope, claims: Iterable[Property]) -> set[int]:
    """Indices of the sorts whose elements are told apart: by the text, or by one of the claims.

    `never stuck` follows one caller through its waiting, so callers that can be inside a call keep their names.
    """
    found = {sort.index for sort in system.sorts if not sort.symmetric}
    for graph in system.graphs:
        if graph.sort.pool:
            found.add(graph.sort.index)
    for field in system.fields:
        if field.lifetime is Lifetime.FIXED:  # `new` takes the first free element, so those of a pool must be alike
            found |= {owner.index for owner in field.owners if isinstance(owner, Sort) and owner.pool}
        elif isinstance(field.type, ElemT) and not field.type.optional:
            # a cell that holds the first element is left out of a store, and so is not renamed
            found.add(field.type.sort.index)
    for event in system.events:
        freed = {stmt.sort for stmt in st.statements(event.body) if isinstance(stmt, st.Free)}
        given = frozenset(p.slot for p in event.parameters if not (isinstance(p.type, ElemT) and p.type.sort in freed))
        found |= set(_in_block(event.body, given))
        for effect in event.effects:
            found |= set(_in_block(effect.body, given))
    if system.boot is not None:
        found |= set(_in_block(system.boot, frozenset()))
    for claim in claims:
        if claim.kind is Kind.STUCK and scope.stepwise and system.caller is not None:
            found.add(system.caller.index)
    return found


def _in_block(block: st.Block, given: frozenset[int]) -> Iterator[int]:
    for stmt in st.statements(block):
        for expr in st.expressions(stmt):
            yield from _in_expression(expr, given)
        match stmt:
            case st.Walk(binders=binders, where=where, rollback=rollback):
                over = [b for b in binders if isinstance(b, st.OverSort)]
                loose = any(b.order == "any" for b in over)
                if loose and (len(binders) > 1 or (rollback is not None and not rollback.visited_only)):
                    yield from (st.sort_walked(b).index for b in binders)
                for b in over:
                    if b.order != "any" or _differ(where, given | {b.slot}):
                        yield b.sort.index
            case st.Choose(slot=slot, sort=sort, where=where):
                if _differ(where, given | {slot}):
                    yield sort.index
            case st.Forall(slot=slot, sort=sort, where=where, body=body):
                known = given | {slot}
                found = _breaks(where, known, True) if where is not None else set()
                if len(found.union(*(_statement_breaks(s, known) for s in st.statements(body)))) > 1:
                    yield sort.index


def _differ(where: e.Expr | None, given: frozenset[int]) -> bool:
    """Can a condition that is asked of all elements break different claims, so that the first element to break one decides which?"""
    return where is not None and len(_breaks(where, given, True)) > 1


def _in_expression(expr: e.Expr, given: frozenset[int]) -> Iterator[int]:
    for part in e.walk(expr):
        if not isinstance(part, e.Quantifier):
            continue
        sort = part.domain.index if isinstance(part.domain, Sort) else None
        if isinstance(part.domain, e.Expr) and isinstance(part.domain.type, SetT):
            sort = part.domain.type.sort.index
        # `number of` asks all elements, the others stop at the first that decides
        most = 1 if part.kind == "number" else 0
        if sort is not None and len(_breaks(part.body, _bound_in(expr) | given, True)) > most:
            yield sort


def _bound_in(expr: e.Expr) -> frozenset[int]:
    """Slots that quantifiers of an expression bind; no two of them share one that is read where the other stands."""
    return frozenset(part.slot for part in e.walk(expr) if isinstance(part, e.Quantifier))


# ---- what can break ---------------------------------------------------------------------------------------------

NULL, FREED, RANGE = "null_dereference", "use_after_free", "count_range"


def _breaks(expr: e.Expr, given: frozenset[int], checked: bool, there: frozenset[str] = frozenset()) -> set[str]:
    """The built-in claims that evaluating it can break.

    given: slots that have a value that is alive.  checked: it stands in a body, where reading a freed element is a finding.  there: texts
    of what is known not to be none where the expression stands.
    """

    def inside(part: e.Expr, more: frozenset[str] = frozenset()) -> set[str]:
        return _breaks(part, given, checked, there | more)

    match expr:
        case e.And(left=left, right=right) | e.Implies(left=left, right=right):
            return inside(left) | inside(right, _known(left, True))
        case e.Or(left=left, right=right):
            return inside(left) | inside(right, _known(left, False))
        case e.Quantifier(slot=slot, body=body, domain=domain):
            found = _breaks(body, given | {slot}, checked, there)
            return found | inside(domain) if isinstance(domain, e.Expr) else found
        case e.Read(field=field, arguments=arguments):
            return _cell_breaks(field, arguments, given, checked, there)
        case e.Next() | e.Compare(operator="<" | "<=" | ">" | ">="):
            found = {NULL} if any(isinstance(part.type, ElemT) for part in e.children(expr)) else set()
            return found.union(*(inside(part) for part in e.children(expr)))
    return set().union(*(inside(part) for part in e.children(expr)))


def _cell_breaks(
    field: Field, arguments: tuple[e.Expr, ...], given: frozenset[int], checked: bool, there: frozenset[str] = frozenset()
) -> set[str]:
    found: set[str] = set()
    for owner, argument in zip(field.owners, arguments, strict=True):
        found |= _breaks(argument, given, checked, there)
        if isinstance(argument, e.Var) and argument.slot in given:
            continue
        if _may_be_none(argument) and _text(argument) not in there:
            found.add(NULL)
        if checked and isinstance(owner, Sort) and owner.pool:
            found.add(FREED)
    return found


def _statement_breaks(stmt: st.Stmt, given: frozenset[int]) -> set[str]:
    found: set[str] = set().union(*(_breaks(expr, given, True) for expr in st.expressions(stmt)))
    match stmt:
        case st.Assign(field=field, arguments=arguments, value=value):
            found |= _cell_breaks(field, arguments, given, True)
            if isinstance(field.type, CountT) and not isinstance(value, e.Const | e.Read):
                found.add(RANGE)
        case st.Insert(field=field, arguments=arguments) | st.Remove(field=field, arguments=arguments):
            found |= _cell_breaks(field, arguments, given, True) | {NULL, RANGE}
        case st.Free():
            found |= {NULL, FREED}
    return found


def _may_be_none(expr: e.Expr) -> bool:
    match expr:
        case e.Read(field=field) if isinstance(field.type, ElemT):
            return field.type.optional or field.initial is None
    return isinstance(expr.type, ElemT) and (expr.type.optional or not isinstance(expr, e.Var | e.EdgeOfSort))


def _known(expr: e.Expr, value: bool) -> frozenset[str]:
    """What is not none when a condition has a value."""
    match expr:
        case e.Not(operand=operand):
            return _known(operand, not value)
        case e.And(left=left, right=right) if value:
            return _known(left, True) | _known(right, True)
        case e.Or(left=left, right=right) if not value:
            return _known(left, False) | _known(right, False)
        case e.Compare(operator="==" | "!=" as operator, left=left, right=right):
            for one, other in ((left, right), (right, left)):
                if isinstance(other, e.Const) and other.value is None and (operator == "!=") == value:
                    return frozenset({_text(one)})
        case e.Contains(item=item) if value:
            return frozenset({_text(item)})
    return frozenset()


def _text(expr: e.Expr) -> str:
    """A text that two expressions share only when they mean the same."""
    match expr:
        case e.Var(slot=slot):
            return f"v{slot}"
        case e.Read(field=field, arguments=arguments):
            return f"f{field.index}({', '.join(map(_text, arguments))})"
        case e.Old(operand=operand):
            return f"old({_text(operand)})"
    return f"?{id(expr)}"
