"""Parts of calls that do nothing that matters to some claims."""

from __future__ import annotations

from collections.abc import Iterable

from luocheck.checker.symbolic.parametric.copies import may_match
from luocheck.checker.symbolic.parametric.heads import Heads
from luocheck.checker.symbolic.parametric.marks import Gathered
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.checker.symbolic.parametric.relevance import Flows
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event, Property, System


class Idle(Heads):
    """Where not all that decides where control goes is looked at, calls and walks without an effect need not be there."""

    def __init__(
        self, system: System, claims: tuple[Property, ...], chosen: frozenset[int] | None = None, ties: Flows = ()
    ) -> None:
        super().__init__(system, claims, chosen, ties)
        self._slots_read: dict[Event, set[int]] = {}

    def _matters(self, event: Event) -> bool:
        """Can a call change a field that matters, or break a claim?"""
        if any(claim.pattern is not None and may_match(claim, event) for claim in self.claims):
            return True
        return any(self._has_effect(block) for block in (event.body, *(effect.body for effect in event.effects)))

    def _has_effect(self, block: st.Block) -> bool:
        for stmt in st.statements(block):
            if isinstance(stmt, st.Assign) and stmt.field.index in self.relevant:
                return True
            if isinstance(stmt, st.Reboot) or (isinstance(stmt, st.Assert) and stmt.name in self.names_asserted):
                return True
            if isinstance(stmt, Gathered) and self._has_effect(st.Block(stmt.taken, (), stmt.span)):
                return True
        return False

    def _is_read(self, slot: int) -> bool:
        """Does anything that matters read a local of the call?"""
        read = self._slots_read.get(self.event)
        if read is None:
            read = self._slots_read[self.event] = self._all_read(self.event)
        return slot in read

    def _all_read(self, event: Event) -> set[int]:
        asked = [c.condition for c in self.claims if c.pattern is not None and c.condition is not None and may_match(c, event)]
        for block in (event.body, *(effect.body for effect in event.effects)):
            for stmt in st.statements(block):
                match stmt:
                    case st.Let(value=value):
                        asked += [value] if self._known(value) else []
                    case st.Call(bindings=bindings, result=result):
                        asked += [value for _, value in bindings if self._known(value)]
                        asked += [e.Var(stmt.span, e.BOOL, result, "")] if result is not None else []
                    case st.Assign(field=f) if f.index not in self.relevant:
                        pass
                    case _:
                        asked += st.expressions(stmt)
                        if isinstance(stmt, Gathered):
                            asked += [stmt.among, *stmt.owner, *(x for each in stmt.taken for x in st.expressions(each))]
        return {part.slot for expr in asked for part in e.walk(expr) if isinstance(part, e.Var | e.BadHandle)}

    def _ways_to_fail(self, block: st.Block, caught: Iterable[tuple[str, str | None]] = ()) -> list[tuple[str, str | None]]:
        """With which errnos and labels a block may fail.  caught: what a bare `fail` in it passes on.  Raises NoForm."""
        found: list[tuple[str, str | None]] = []
        for stmt in block.statements:
            match stmt:
                case st.Fail(errno=e.Expr()):
                    raise NoForm("it fails with an errno that a field remembers", stmt.span)
                case st.Fail(errno=str(errno), label=label):
                    found.append((errno, label))
                case st.Fail():
                    found += caught
                case st.Await(errno=str(errno), label=label):
                    found.append((errno, label))
                case st.Call(body=body, orelse=orelse):
                    inner = self._ways_to_fail(body, caught)
                    found += self._ways_to_fail(orelse, inner) if orelse is not None else inner
                case _:
                    for inner_block in st.blocks(stmt):
                        found += self._ways_to_fail(inner_block, caught)
        return list(dict.fromkeys(found))

    def _is_idle(self, walk: st.Walk) -> bool:
        """Does nothing that the walk does matter, but that it may fail?"""
        inside = [walk, *st.inside(walk)]
        if any(isinstance(stmt, st.Panic) for stmt in inside) or self._has_effect(st.Block((walk,), (), walk.span)):
            return False
        return _assigned(inside) <= _own_locals(inside)


def _assigned(statements: Iterable[st.Stmt]) -> set[int]:
    """The locals that get a value."""
    found: set[int] = set()
    for stmt in statements:
        match stmt:
            case st.Let(slot=slot) | st.Choose(slot=slot) | st.Find(slot=slot):
                found.add(slot)
            case st.Call(result_to=int(slot)):
                found.add(slot)
    return found


def _own_locals(statements: Iterable[st.Stmt]) -> set[int]:
    """The locals that nobody knows outside."""
    found: set[int] = set()
    for stmt in statements:
        found |= {slot for block in st.blocks(stmt) for slot in block.locals}
        if isinstance(stmt, st.Call):
            found |= {slot for slot, _ in stmt.bindings} | ({stmt.result} if stmt.result is not None else set())
        if isinstance(stmt, st.Walk):
            found |= {binder.slot for binder in stmt.binders}
    return found
