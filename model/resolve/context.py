"""Where a statement stands: the names it sees, the rules of its place, and the ways to report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from luocheck.model.ir import expressions as e
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import Property
from luocheck.model.ir.vocabulary import Lifetime, Type
from luocheck.model.resolve.expressions import Bad, ExpressionResolver, Names, Slots
from luocheck.model.resolve.symbols import Symbols
from luocheck.model.resolve.types import article, optional, param_type
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n

At = tuple[Span, str | None, str]
"""Span, label and place of a statement: the first three fields of every `st.Stmt`."""


@dataclass(slots=True)
class Claims:
    """Assertions met in bodies, by name, and the `at LABEL check` claims that wait for their label."""

    asserts: dict[str, Property] = field(default_factory=dict)
    at: dict[str, list[n.At]] = field(default_factory=dict)
    seen_labels: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Place:
    """Where a statement stands, which decides what it may be."""

    name: str  # of the event, proc or walk
    label: str | None = None  # of the nearest labelled statement around
    results: tuple[tuple[str, int, Type], ...] = ()  # at most one: name, slot, type
    catching: bool = False  # inside an `else`, so a bare `fail;` has an errno to pass on
    in_rollback: bool = False
    in_forall: tuple[int, ...] = ()  # slots of the enclosing foralls
    ghosts_only: bool = False  # the body of `on ... { }`
    walked: e.Read | None = None  # the sequence field that the enclosing walk runs over
    walked_slot: int | None = None


class Context(ABC):
    """What resolving a statement needs to know.  `BodyResolver` is the one that also resolves the blocks inside of it."""

    def __init__(self, symbols: Symbols, claims: Claims, name: str, slots: Slots | None = None) -> None:
        self.symbols = symbols
        self.claims = claims
        self.names = Names(slots or Slots())
        self.resolver = ExpressionResolver(symbols, self.names)
        self.place = Place(name)
        self.running: list[str] = []
        self.declared_locals: list[list[int]] = []

    def error(self, code: str, message: str, span: Span, help: str = "") -> None:
        self.symbols.diagnostics.error(code, message, span, help=help)

    @contextmanager
    def at_place(self, **changes: object) -> Iterator[None]:
        saved = {name: getattr(self.place, name) for name in changes}
        for name, value in changes.items():
            setattr(self.place, name, value)
        try:
            yield
        finally:
            for name, value in saved.items():
                setattr(self.place, name, value)

    def bind(self, name: n.Name, type_: Type) -> int:
        """A new local of the current block."""
        with suppress(Bad):
            self.resolver.check_fresh(name)
        var = self.names.bind(name.text, type_, name.span)
        if self.declared_locals:
            self.declared_locals[-1].append(var.slot)
        return var.slot

    def target(self, name: n.Name, type_: Type) -> int:
        """Slot for a value that a statement finds: the result when it has that name, else a new local."""
        for result, slot, wanted in self.place.results:
            if result == name.text:
                if optional(wanted) != optional(type_):
                    self.error("LUO202", f"`{name}` is {article(wanted)}, and this gives {article(type_)}", name.span)
                return slot
        return self.bind(name, type_)

    def reads_ghost(self, expr: e.Expr) -> e.Expr | None:
        """The first part of an expression that reads a ghost, or a local whose value came from one."""
        for part in e.walk(expr):
            if isinstance(part, e.Read) and part.field.lifetime is Lifetime.GHOST:
                return part
            if isinstance(part, e.Var) and part.slot in self.names.ghosts:
                return part
        return None

    def no_ghost(self, expr: e.Expr) -> e.Expr:
        part = None if self.place.ghosts_only else self.reads_ghost(expr)
        if part is not None:
            self.error(
                "LUO204",
                f"behaviour cannot depend on the ghost `{part.span.text or 'here'}`",
                part.span,
                help="only properties, asserts and assignments to other ghosts may read it",
            )
        return expr

    def condition(self, node: n.Expr) -> e.Expr:
        return self.no_ghost(self.resolver.boolean(node))

    def declare_result(self, gives: n.Gives) -> tuple[int, Type] | None:
        """The local for `gives x: T`; it may be none until it is set."""
        type_ = param_type(self.symbols, gives)
        if type_ is None:
            return None
        slot = self.bind(gives.name, optional(type_))
        self.place.results = ((gives.name.text, slot, type_),)
        return slot, optional(type_)

    @abstractmethod
    def block(self, node: n.Block | tuple[n.Stmt, ...], span: Span | None = None) -> st.Block:
        """The statements of a block in an environment of their own; `span` is needed when they stand in no `n.Block`."""

    @abstractmethod
    def orelse(self, node: n.NoElse | n.Else, catching: bool) -> st.Block | None:
        """The block after `else`; `catching` when it follows a `run` and so has an errno at hand."""
