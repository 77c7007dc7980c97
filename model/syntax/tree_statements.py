"""Statements of bodies."""

from __future__ import annotations

from luocheck.model.syntax.tree import Name, Node, Text, rule
from luocheck.model.syntax.tree_expressions import Expr


class Bare(Node):
    """A statement without its label."""

    __slots__ = ()


@rule("stmt")
class Stmt(Node):
    label: Name | None
    bare: Bare


@rule("block")
class Block(Node):
    statements: tuple[Stmt, ...]


@rule("no_else")
class NoElse(Node):
    pass


@rule("else_")
class Else(Node):
    block: Block


@rule("fail_again")
class FailAgain(Bare):
    """A bare `fail;` in an `else`: the caught errno goes on."""


@rule("fail")
class Fail(Bare):
    errno: Expr


@rule("fail_when")
class FailWhen(Bare):
    errno: Expr
    condition: Expr


@rule("fail_sometimes")
class FailSometimes(Bare):
    errno: Name
    fault: Name | None


@rule("panic_when")
class PanicWhen(Bare):
    condition: Expr


@rule("panic_sometimes")
class PanicSometimes(Bare):
    pass


@rule("require")
class Require(Bare):
    condition: Expr


@rule("cut")
class Cut(Bare):
    condition: Expr


@rule("await_")
class Await(Bare):
    condition: Expr
    errno: Name | None


@rule("run")
class Run(Bare):
    name: Name
    arguments: tuple[Expr, ...]
    result: Name | None
    orelse: NoElse | Else


@rule("choose")
class Choose(Bare):
    name: Name
    sort: Name
    where: Expr | None
    orelse: NoElse | Else


@rule("find")
class Find(Bare):
    name: Name
    sequence: Expr
    where: Expr | None
    orelse: NoElse | Else


@rule("assign")
class Assign(Bare):
    target: Expr
    value: Expr


@rule("let")
class Let(Bare):
    name: Name
    value: Expr


@rule("append")
class Append(Bare):
    item: Expr
    target: Expr


@rule("add")
class Add(Bare):
    item: Expr
    target: Expr


@rule("remove")
class Remove(Bare):
    item: Expr
    target: Expr


@rule("new")
class New(Bare):
    name: Name
    sort: Name | None


@rule("free")
class Free(Bare):
    target: Expr


@rule("forall")
class Forall(Bare):
    name: Name
    sort: Name
    where: Expr | None
    body: Block


class Condition(Node):
    __slots__ = ()


@rule("plain_condition")
class PlainCondition(Condition):
    condition: Expr


@rule("sometimes")
class Sometimes(Condition):
    fault: Name | None


@rule("and_sometimes")
class AndSometimes(Condition):
    condition: Expr
    fault: Name | None


@rule("if_")
class If(Bare):
    condition: Condition
    then: Block
    orelse: Block | None


@rule("assert_")
class Assert(Bare):
    name: Name
    doc: Text | None
    condition: Expr


@rule("lock_ref")
class LockRef(Node):
    name: Name
    owner: Expr | None


@rule("guard")
class Guard(Bare):
    lock: LockRef
    shared: bool


@rule("lock")
class Lock(Bare):
    lock: LockRef
    shared: bool


@rule("unlock")
class Unlock(Bare):
    lock: LockRef


@rule("release")
class Release(Bare):
    lock: LockRef


@rule("keep")
class Keep(Bare):
    lock: LockRef


@rule("reboot")
class Reboot(Bare):
    pass


@rule("stop")
class Stop(Bare):
    pass


@rule("step")
class Step(Bare):
    pass


@rule("skip")
class Skip(Bare):
    pass


@rule("arguments")
class Arguments(Bare):
    pass
