"""The code of all bodies of a system, and what is known of their places: blocks, calls, walks, lines and labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from luocheck.model.instances import Instance
from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Event, Kind
from luocheck.model.ir.vocabulary import Lifetime
from luocheck.model.semantics.expressions import Compiler
from luocheck.model.semantics.run import Run
from luocheck.model.semantics.store import live_index

if TYPE_CHECKING:
    from luocheck.model.semantics.machine import Machine
    from luocheck.model.semantics.walks import WalkCode

Op = Callable[[Run], Any]


class CallCode:
    """Where the result of a run goes, and what catches its failure."""

    __slots__ = ("name", "orelse", "result", "result_to")

    def __init__(self, stmt: st.Call, orelse: int | None) -> None:
        self.name = stmt.name
        self.result = stmt.result
        self.result_to = stmt.result_to
        self.orelse = orelse


class Bodies:
    """The code for one scope.  Blocks, calls and walks are referred to by number, so that frames are values."""

    def __init__(self, instance: Instance, machine: Machine) -> None:
        self.system = instance.system
        self.instance = instance
        self.machine = machine
        self.expr = self.compiler(instance)
        self.blocks: list[tuple[Op, ...]] = []
        self.locals: list[tuple[int, ...]] = []
        self.calls: list[CallCode] = []
        self.walks: list[WalkCode] = []
        self.lines: list[st.Stmt] = []
        self.lock_labels: set[str] = set()
        self.await_labels: set[str] = set()
        self._line_of: dict[tuple[str, int, str], int] = {}
        self._steps: dict[tuple[str, int], str] = {}

    def compiler(self, instance: Instance) -> Compiler:
        """What makes code of the expressions in bodies."""
        return Compiler(instance, checked=True)

    def _add_block(self, code: tuple[Op, ...], locals: tuple[int, ...] = ()) -> int:
        self.blocks.append(code)
        self.locals.append(locals)
        return len(self.blocks) - 1

    def line(self, stmt: st.Stmt) -> int:
        """Number of a line of the text; a statement that is inlined in several places has one."""
        key = (stmt.span.source.name, stmt.span.start, type(stmt).__name__)
        if key not in self._line_of:
            self._line_of[key] = len(self.lines)
            self.lines.append(stmt)
        return self._line_of[key]

    def step_label(self, stmt: st.Stmt) -> str:
        """Label of a place where a call can stop: its own, or `NAME.N` for the Nth unlabelled one in its event, proc or walk."""
        if stmt.label is not None:
            return stmt.label
        key = (stmt.span.source.name, stmt.span.start)
        if key not in self._steps:
            count = sum(label.startswith(stmt.place + ".") for label in self._steps.values())
            self._steps[key] = f"{stmt.place}.{count + 1}"
        return self._steps[key]

    def waits_for_lock(self, label: str) -> bool:
        """Does a call that stopped at a label wait for a lock there?  A label that a lock shares with an `await` does not tell."""
        return label in self.lock_labels and label not in self.await_labels

    def give_result(self, run: Run, call: int) -> None:
        """The body of a call is done: its result goes to the caller."""
        code = self.calls[call]
        if code.result is not None:
            value, run.env[code.result] = run.env[code.result], None
            if code.result_to is not None:
                run.env[code.result_to] = value

    def fields_under_old(self, event: Event) -> frozenset[int]:
        """Fields that asserts and after-claims about an event read in the state before the call."""
        found: set[int] = set()
        conditions: list[e.Expr] = [s.condition for s in st.statements(event.body) if isinstance(s, st.Assert)]
        for claim in self.system.properties:
            pattern = claim.pattern
            if claim.kind is not Kind.AFTER or pattern is None or claim.condition is None:
                continue
            if pattern.event in (None, event.name) and pattern.kind in (None, event.kind):
                conditions.append(claim.condition)
        for effect in event.effects:
            for stmt in st.statements(effect.body):
                conditions += st.expressions(stmt)
        for condition in conditions:
            for part in e.walk(condition):
                if isinstance(part, e.Old):
                    found |= {inner.field.index for inner in e.walk(part.operand) if isinstance(inner, e.Read)}
                    found |= {live_index(self.system, sort) for sort in self.system.sorts if sort.pool}
                elif isinstance(part, e.Unchanged):
                    found |= {f.index for f in self.system.fields if f.lifetime is not Lifetime.GHOST}
                    found |= {live_index(self.system, sort) for sort in self.system.sorts if sort.pool}
        return frozenset(found)
