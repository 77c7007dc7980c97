"""Statements of the IR.  Bodies are trees; nothing in them needs a name to be looked up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from luocheck.model.ir.expressions import Expr
from luocheck.model.ir.vocabulary import Field, Lock, SeqT, Sort
from luocheck.model.source import Span


@dataclass(frozen=True, slots=True, eq=False)
class Stmt:
    """`label` is the statement's own, or None.  `place` names the event, proc or walk whose text it stands in."""

    span: Span
    label: str | None
    place: str


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """`locals` are the slots that this block declares; they are dead when it ends."""

    statements: tuple[Stmt, ...]
    locals: tuple[int, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Fail(Stmt):
    """Ends the call with an errno; `errno` None passes on the one that the innermost `else` caught."""

    errno: str | Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Panic(Stmt):
    pass


@dataclass(frozen=True, slots=True, eq=False)
class If(Stmt):
    condition: Expr
    then: Block
    orelse: Block | None


@dataclass(frozen=True, slots=True, eq=False)
class Sometimes(Stmt):
    """`if CONDITION and sometimes FAULT`: when the condition holds, both branches are possible; the first is a fault."""

    condition: Expr | None
    fault: str | None
    then: Block
    orelse: Block | None


@dataclass(frozen=True, slots=True, eq=False)
class Require(Stmt):
    condition: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Cut(Stmt):
    """The scope is too small for this path: no outcome."""

    condition: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Await(Stmt):
    """The call waits here for the condition; with `errno`, a signal may end the wait."""

    condition: Expr
    errno: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Call(Stmt):
    """A proc or walk written out: arguments go to slots, the body runs, its result is copied out.

    `fail` in the body ends the body; `orelse` catches it, without one the caller fails too.  `stop` in the body ends the body.
    """

    name: str
    bindings: tuple[tuple[int, Expr], ...]
    body: Block
    result: int | None  # slot in the body
    result_to: int | None  # slot of the caller
    orelse: Block | None


@dataclass(frozen=True, slots=True, eq=False)
class Choose(Stmt):
    slot: int
    sort: Sort
    where: Expr | None
    orelse: Block | None


@dataclass(frozen=True, slots=True, eq=False)
class Find(Stmt):
    """First element of a sequence for which `where` holds."""

    slot: int
    sequence: Expr
    where: Expr | None
    orelse: Block | None


@dataclass(frozen=True, slots=True, eq=False)
class Assign(Stmt):
    field: Field
    arguments: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Let(Stmt):
    """A local or the result gets a value."""

    slot: int
    name: str
    value: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Insert(Stmt):
    """`append x to q` (a sequence, at its end) and `add x to s` (a set)."""

    field: Field
    arguments: tuple[Expr, ...]
    item: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Remove(Stmt):
    """`remove x from q` or from a set; nothing happens when it is not in there."""

    field: Field
    arguments: tuple[Expr, ...]
    item: Expr


@dataclass(frozen=True, slots=True, eq=False)
class New(Stmt):
    slot: int
    sort: Sort


@dataclass(frozen=True, slots=True, eq=False)
class Free(Stmt):
    sort: Sort
    target: Expr


@dataclass(frozen=True, slots=True, eq=False)
class Forall(Stmt):
    """All elements at once: reads see the state before the statement."""

    slot: int
    sort: Sort
    where: Expr | None
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class Assert(Stmt):
    """A claim about this place; `name` is the property it belongs to."""

    name: str
    condition: Expr


@dataclass(frozen=True, slots=True, eq=False)
class OverSort:
    slot: int
    sort: Sort
    order: str  # order, along, any
    graph: int | None  # index of the graph for `along`


@dataclass(frozen=True, slots=True, eq=False)
class OverSeq:
    slot: int
    sequence: Expr


def sort_walked(binder: OverSort | OverSeq) -> Sort:
    """The sort of the elements that a walk's binder takes."""
    if isinstance(binder, OverSort):
        return binder.sort
    assert isinstance(binder.sequence.type, SeqT)
    return binder.sequence.type.sort


@dataclass(frozen=True, slots=True, eq=False)
class Rollback:
    visited_only: bool
    reversed: bool
    body: Block


@dataclass(frozen=True, slots=True, eq=False)
class Walk(Stmt):
    """A loop whose elements are fixed when it starts.

    `where` is asked again at each element.  With `drains`, the one binder runs over a sequence field that is looked at again each time;
    its first (or last) element is taken out after its step, unless the step did so.  When a step fails, `rollback` runs over the elements
    whose step ended without a failure (or over all), then the walk fails with that errno.
    """

    name: str
    binders: tuple[OverSort | OverSeq, ...]
    where: Expr | None
    reversed: bool
    drains: bool
    step: Block
    rollback: Rollback | None


@dataclass(frozen=True, slots=True, eq=False)
class Acquire(Stmt):
    """`guard L` (scoped: given back when its block ends, however it ends) or `lock L`."""

    lock: Lock
    owner: Expr | None
    shared: bool
    scoped: bool


@dataclass(frozen=True, slots=True, eq=False)
class GiveBack(Stmt):
    """`unlock L`, or `release L` which gives a guard back early."""

    lock: Lock
    owner: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Keep(Stmt):
    """The lock stays taken for ever, on purpose."""

    lock: Lock
    owner: Expr | None


@dataclass(frozen=True, slots=True, eq=False)
class Reboot(Stmt):
    """kexec: applies every field's lifetime, ends all calls in progress, frees all locks, runs `boot`."""

    boot: Block


@dataclass(frozen=True, slots=True, eq=False)
class Stop(Stmt):
    """Ends the event, proc or walk step with OK."""


@dataclass(frozen=True, slots=True, eq=False)
class Step(Stmt):
    """In a call that the scope cuts into steps: others may run here.  Elsewhere nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Skip(Stmt):
    pass


@dataclass(frozen=True, slots=True, eq=False)
class Arguments(Stmt):
    """The abi's checks of the argument's bytes happen here.  No effect on the state."""


def blocks(stmt: Stmt) -> Iterator[Block]:
    """The blocks directly inside a statement."""
    match stmt:
        case If(then=then, orelse=orelse) | Sometimes(then=then, orelse=orelse):
            yield then
            if orelse is not None:
                yield orelse
        case Call(body=body, orelse=orelse):
            yield body
            if orelse is not None:
                yield orelse
        case Choose(orelse=orelse) | Find(orelse=orelse):
            if orelse is not None:
                yield orelse
        case Forall(body=body):
            yield body
        case Walk(step=step, rollback=rollback):
            yield step
            if rollback is not None:
                yield rollback.body
        case Reboot(boot=boot):
            yield boot


def statements(block: Block) -> Iterator[Stmt]:
    """All statements of a block, at any depth, in the order of the text."""
    for stmt in block.statements:
        yield stmt
        yield from inside(stmt)


def inside(stmt: Stmt) -> Iterator[Stmt]:
    """All statements in a statement, at any depth, without itself."""
    for inner in blocks(stmt):
        yield from statements(inner)


def expressions(stmt: Stmt) -> Iterator[Expr]:
    """The expressions that stand directly in a statement (not those of inner blocks)."""
    match stmt:
        case Fail(errno=Expr() as errno):
            yield errno
        case If(condition=c) | Require(condition=c) | Cut(condition=c) | Await(condition=c) | Assert(condition=c):
            yield c
        case Sometimes(condition=c):
            if c is not None:
                yield c
        case Call(bindings=bindings):
            yield from (value for _, value in bindings)
        case Choose(where=where) | Forall(where=where):
            if where is not None:
                yield where
        case Find(sequence=sequence, where=where):
            yield sequence
            if where is not None:
                yield where
        case Assign(arguments=arguments, value=value):
            yield from arguments
            yield value
        case Let(value=value):
            yield value
        case Insert(arguments=arguments, item=item) | Remove(arguments=arguments, item=item):
            yield from arguments
            yield item
        case Free(target=target):
            yield target
        case Walk(binders=binders, where=where):
            yield from (binder.sequence for binder in binders if isinstance(binder, OverSeq))
            if where is not None:
                yield where
        case Acquire(owner=owner) | GiveBack(owner=owner) | Keep(owner=owner):
            if owner is not None:
                yield owner
