"""Where a statement stands: what the interpreter's control stack would be there, known from the text."""

from __future__ import annotations

from dataclasses import dataclass, field

from luocheck.model.ir import statements as st


@dataclass(slots=True)
class Walk:
    """A walk of one body; its variables are `wN_...`."""

    stmt: st.Walk
    number: int
    sizes: list[int]
    length: int

    @property
    def name(self) -> str:
        return f"w{self.number}"

    @property
    def any_order(self) -> bool:
        return any(isinstance(b, st.OverSort) and b.order == "any" for b in self.stmt.binders)

    @property
    def keeps_visited(self) -> bool:
        return self.stmt.rollback is not None and self.stmt.rollback.visited_only

    @property
    def keeps_all(self) -> bool:
        return self.stmt.rollback is not None and not self.stmt.rollback.visited_only and not self.stmt.drains


@dataclass(slots=True)
class Place:
    """One construct around a statement.

    kind: seq (a block), call, catch (an `else`), walk (a step), undo (a rollback), boot.  number: of the caught errno.  guards: of a
    block, with the lock and the number of the variable.  ways_out: labels of the code that leaves it by `fail` and `stop`.  after: label
    where control goes when it is done.
    """

    kind: str
    parent: Place | None
    number: int = 0
    block: st.Block | None = None
    call: st.Call | None = None
    walk: Walk | None = None
    guards: list[tuple[st.Acquire, int]] = field(default_factory=list)
    ways_out: dict[str, str] = field(default_factory=dict)
    after: str = ""
