"""The syntax tree of a spec: one class for each rule of grammar.lark, fields in the order of the rule's children.

Nodes are immutable values; `span` takes no part in comparison, so two texts that differ only in layout have equal trees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

from luocheck.model.source import Span


@dataclass(frozen=True, slots=True)
class Node:
    span: Span = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Name(Node):
    """An identifier in the text."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Text(Node):
    """A string literal, without its quotes."""

    text: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    """A number literal: decimal, `1e4`, or hexadecimal."""

    value: int
    hexadecimal: bool = field(default=False, compare=False)


BY_RULE: dict[str, type[Node]] = {}
"""Rule or alias of the grammar -> class that is built from its children."""

_T = TypeVar("_T", bound=type)


@dataclass_transform(frozen_default=True)
def rule(name: str) -> Callable[[_T], _T]:
    def register(cls: _T) -> _T:
        made: Any = dataclass(frozen=True, slots=True)(cls)
        BY_RULE[name] = made
        return made  # type: ignore[no-any-return]

    return register


# ---- expressions ------------------------------------------------------------------------------------------------


class Expr(Node):
    __slots__ = ()


@rule("implies_")
class Implies(Expr):
    left: Expr
    right: Expr


@rule("disjunction")
class Or(Expr):
    left: Expr
    right: Expr


@rule("conjunction")
class And(Expr):
    left: Expr
    right: Expr


@rule("negation")
class Not(Expr):
    operand: Expr


@rule("over_sort")
class OverSort(Node):
    name: Name
    sort: Name


@rule("over_collection")
class OverCollection(Node):
    name: Name
    collection: Expr


@rule("quantifier")
class Quantifier(Expr):
    kind: str  # all, some, no, number
    binders: tuple[OverSort | OverCollection, ...]
    body: Expr


@rule("compare")
class Compare(Expr):
    left: Expr
    operator: str
    right: Expr


@rule("member")
class Member(Expr):
    item: Expr
    collection: Expr


@rule("not_member")
class NotMember(Expr):
    item: Expr
    collection: Expr


@rule("arithmetic")
class Arithmetic(Expr):
    left: Expr
    operator: str
    right: Expr


@rule("select")
class Select(Expr):
    owner: Expr
    field: Name


@rule("name")
class NameExpr(Expr):
    name: Name


@rule("apply")
class Apply(Expr):
    name: Name
    arguments: tuple[Expr, ...]


@rule("apply_closure")
class ApplyClosure(Expr):
    """`needs+(f, g)`: the transitive closure of a graph."""

    name: Name
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class NumberExpr(Expr):
    value: int


@dataclass(frozen=True, slots=True)
class BoolExpr(Expr):
    value: bool


@rule("none_")
class NoneExpr(Expr):
    pass


@rule("unchanged")
class Unchanged(Expr):
    exceptions: tuple[Expr, ...]


@rule("old")
class Old(Expr):
    operand: Expr


@rule("set_literal")
class SetLiteral(Expr):
    items: tuple[Expr, ...]


@rule("parenthesised")
class Parenthesised(Expr):
    """Kept in the tree so that the printer never has to guess; means its operand."""

    operand: Expr


@rule("any_value")
class AnyValue(Expr):
    """`= any` after a field: every value of its type."""


# ---- types ------------------------------------------------------------------------------------------------------


class TypeNode(Node):
    __slots__ = ()


@rule("named_type")
class NamedType(TypeNode):
    name: Name


@rule("optional_type")
class OptionalType(TypeNode):
    name: Name


@rule("bool_type")
class BoolType(TypeNode):
    pass


@rule("errno_type")
class ErrnoType(TypeNode):
    pass


@rule("count_type")
class CountType(TypeNode):
    limit: Number


@rule("set_type")
class SetType(TypeNode):
    sort: Name


@rule("seq_type")
class SeqType(TypeNode):
    sort: Name


# ---- statements -------------------------------------------------------------------------------------------------


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


# ---- declarations -----------------------------------------------------------------------------------------------


@rule("header")
class Header(Node):
    name: Name
    base: Name | None
    title: Text | None


class Decl(Node):
    __slots__ = ()


@rule("enum_member")
class EnumMember(Node):
    name: Name
    number: Number | None


@rule("enum_decl")
class EnumDecl(Decl):
    name: Name
    members: tuple[EnumMember, ...]


@rule("enum_extension")
class EnumExtension(Decl):
    name: Name
    members: tuple[EnumMember, ...]


@rule("sort_decl")
class SortDecl(Decl):
    name: Name
    attributes: tuple[str, ...]


@rule("graph_where")
class GraphWhere(Node):
    left: Name
    right: Name
    condition: Expr


@rule("graph_decl")
class GraphDecl(Decl):
    name: Name
    sort: Name
    acyclic: bool
    where: GraphWhere | None


@rule("lock_decl")
class LockDecl(Decl):
    kind: str
    name: Name
    owner: Name | None


@rule("global_decl")
class GlobalDecl(Decl):
    lifetime: str
    name: Name
    type: TypeNode
    init: Expr | None


@rule("field_decl")
class FieldDecl(Node):
    lifetime: str
    name: Name
    type: TypeNode
    init: Expr | None


@rule("per_decl")
class PerDecl(Decl):
    owners: tuple[Name, ...]
    fields: tuple[FieldDecl, ...]


@rule("per_override")
class PerOverride(Decl):
    owners: tuple[Name, ...]
    fields: tuple[FieldDecl, ...]


@rule("param")
class Param(Node):
    name: Name
    sort: Name


@rule("gives")
class Gives(Node):
    name: Name
    sort: Name


@rule("define_decl")
class DefineDecl(Decl):
    name: Name
    params: tuple[Param, ...]
    value: Expr


@rule("proc_decl")
class ProcDecl(Decl):
    name: Name
    params: tuple[Param, ...]
    gives: Gives | None
    body: Block


@rule("in_order")
class InOrder(Node):
    pass


@rule("along")
class Along(Node):
    graph: Name


@rule("any_order")
class AnyOrder(Node):
    pass


@rule("no_order")
class NoOrder(Node):
    pass


@rule("sort_binder")
class SortBinder(Node):
    name: Name
    sort: Name
    order: InOrder | Along | AnyOrder | NoOrder


@rule("seq_binder")
class SeqBinder(Node):
    name: Name
    sequence: Expr


@rule("over_head")
class OverHead(Node):
    binders: tuple[SortBinder | SeqBinder, ...]
    where: Expr | None
    reversed: bool


@rule("drains_head")
class DrainsHead(Node):
    name: Name
    sequence: Expr
    reversed: bool


@rule("rollback")
class Rollback(Node):
    extent: str  # visited, all
    reversed: bool
    body: Block


@rule("walk_decl")
class WalkDecl(Decl):
    name: Name
    params: tuple[Param, ...]
    head: OverHead | DrainsHead
    statements: tuple[Stmt, ...]
    rollback: Rollback | None


@rule("event_decl")
class EventDecl(Decl):
    kind: str  # ioctl, syscall, env
    name: Name
    params: tuple[Param, ...]
    gives: Gives | None
    body: Block


@rule("boot_decl")
class BootDecl(Decl):
    body: Block


@rule("property_decl")
class PropertyDecl(Decl):
    claim: Claim


@rule("effect_decl")
class EffectDecl(Decl):
    outcome: OutcomeOf | OutcomeOfAny
    body: Block


@rule("bound")
class Bound(Node):
    sort: Name
    size: Number


@rule("stepwise")
class Stepwise(Node):
    events: tuple[Name, ...]


@rule("scope_items")
class ScopeItems(Node):
    bounds: tuple[Bound, ...]
    stepwise: Stepwise | None


@rule("scope_decl")
class ScopeDecl(Decl):
    name: Name
    items: ScopeItems


@rule("topology_element")
class TopologyElement(Node):
    name: Name
    kind: Name


@rule("topology_edges")
class TopologyEdges(Node):
    name: Name
    targets: tuple[Name, ...]


@rule("topology_decl")
class TopologyDecl(Decl):
    name: Name
    items: tuple[TopologyElement | TopologyEdges, ...]


@rule("override_decl")
class OverrideDecl(Decl):
    declaration: Decl


@rule("remove_decl")
class RemoveDecl(Decl):
    kind: str
    name: Name


@rule("remove_scenario")
class RemoveScenario(Decl):
    title: Text


@rule("replace")
class Replace(Node):
    label: Name
    block: Block


@rule("drop")
class Drop(Node):
    label: Name


@rule("insert_before")
class InsertBefore(Node):
    label: Name
    block: Block


@rule("insert_after")
class InsertAfter(Node):
    label: Name
    block: Block


@rule("patch_decl")
class PatchDecl(Decl):
    kind: str
    name: Name | None
    edits: tuple[Replace | Drop | InsertBefore | InsertAfter, ...]


# ---- claims -----------------------------------------------------------------------------------------------------


class Claim(Node):
    __slots__ = ()


@rule("returns_name")
class ReturnsName(Node):
    outcome: Name
    label: Name | None


@rule("returns_error")
class ReturnsError(Node):
    pass


@rule("outcome_of")
class OutcomeOf(Node):
    event: Name
    returns: ReturnsName | ReturnsError | None


@rule("outcome_of_any")
class OutcomeOfAny(Node):
    kind: str | None
    returns: ReturnsName | ReturnsError | None


@rule("invariant")
class Invariant(Claim):
    name: Name
    doc: Text | None
    condition: Expr


@rule("lemma")
class Lemma(Claim):
    name: Name
    doc: Text | None
    condition: Expr


@rule("reachable")
class Reachable(Claim):
    name: Name
    doc: Text | None
    condition: Expr


@rule("after")
class After(Claim):
    outcome: OutcomeOf | OutcomeOfAny
    name: Name
    doc: Text | None
    condition: Expr


@rule("at")
class At(Claim):
    label: Name
    name: Name
    doc: Text | None
    condition: Expr


@rule("never")
class Never(Claim):
    event: Name
    outcome: Name


@rule("stuck")
class Stuck(Claim):
    name: Name
    doc: Text | None
    unless: Expr | None


@rule("recoverable")
class Recoverable(Claim):
    name: Name
    doc: Text | None
    condition: Expr
    goal: Expr
    using: tuple[Name, ...]
    with_faults: bool


@rule("assumption")
class Assumption(Node):
    event: Name
    succeeds: bool


@rule("liveness")
class Liveness(Claim):
    name: Name
    doc: Text | None
    condition: Expr
    goal: Expr
    assuming: tuple[Assumption, ...]


# ---- scenarios and expectations ---------------------------------------------------------------------------------


class ScenarioItem(Node):
    __slots__ = ()


@rule("scenario_let")
class ScenarioLet(ScenarioItem):
    name: Name
    sort: Name


@rule("scenario_topology")
class ScenarioTopology(ScenarioItem):
    name: Name


@rule("scenario_graph")
class ScenarioGraph(ScenarioItem):
    items: tuple[TopologyElement | TopologyEdges, ...]


@rule("scenario_given")
class ScenarioGiven(ScenarioItem):
    condition: Expr


@rule("scenario_assert")
class ScenarioAssert(ScenarioItem):
    condition: Expr


@rule("scenario_violates")
class ScenarioViolates(ScenarioItem):
    property: Name


@rule("scenario_reaches")
class ScenarioReaches(ScenarioItem):
    property: Name


@rule("result_returns")
class ResultReturns(Node):
    outcome: Name
    label: Name | None
    gives: Node | None


@rule("result_blocks")
class ResultBlocks(Node):
    pass


@rule("result_reaches")
class ResultReaches(Node):
    """`reaches LABEL`, or `reaches PLACE.N` for the Nth unlabelled place where a call can stop in that event, proc or walk."""

    label: Name
    number: Number | None


@rule("scenario_call")
class ScenarioCall(ScenarioItem):
    event: Name
    arguments: tuple[Node, ...]  # Name, Number, BoolExpr, NoneExpr
    result: ResultReturns | ResultBlocks | ResultReaches


@rule("scenario_decl")
class ScenarioDecl(Decl):
    title: Text
    scope: Name | None
    items: tuple[ScenarioItem, ...]


@rule("verdict_holds")
class VerdictHolds(Node):
    pass


@rule("verdict_fails")
class VerdictFails(Node):
    pass


@rule("verdict_vacuous")
class VerdictVacuous(Node):
    pass


@rule("verdict_reachable")
class VerdictReachable(Node):
    pass


@rule("verdict_unreachable")
class VerdictUnreachable(Node):
    pass


@rule("in_scope")
class InScope(Node):
    name: Name


@rule("in_topology")
class InTopology(Node):
    name: Name


class Expectation(Node):
    __slots__ = ()


@rule("expect_property")
class ExpectProperty(Expectation):
    property: Name
    verdict: VerdictHolds | VerdictFails | VerdictVacuous | VerdictReachable | VerdictUnreachable
    where: InScope | InTopology | None
    within: Number | None
    event: Name | None
    label: Name | None


@rule("expect_states")
class ExpectStates(Expectation):
    low: Number
    high: Number | None
    where: InScope | InTopology | None


@rule("expect_coverage")
class ExpectCoverage(Expectation):
    where: InScope | InTopology | None


@rule("expect_decl")
class ExpectDecl(Decl):
    items: tuple[Expectation, ...]


# ---- abi --------------------------------------------------------------------------------------------------------


class AbiItem(Node):
    __slots__ = ()


@rule("handle_form")
class HandleForm(Node):
    type: Name
    length: Number


@rule("handle_bad")
class HandleBad(Node):
    causes: tuple[Name, ...]
    predicate: Name


@rule("abi_handle")
class AbiHandle(AbiItem):
    name: Name
    form: HandleForm | None
    space: Name | None
    targets: tuple[Name, ...]
    bad: HandleBad | None


@rule("abi_clause")
class AbiClause(Node):
    words: tuple[Node, ...]  # Name, Number, Text, or Name for punctuation


@rule("abi_device")
class AbiDevice(AbiItem):
    path: Text
    clauses: tuple[AbiClause, ...]


@rule("abi_object")
class AbiObject(AbiItem):
    sort: Name
    clauses: tuple[AbiClause, ...]


@rule("abi_process")
class AbiProcess(AbiItem):
    sort: Name
    clauses: tuple[AbiClause, ...]


@rule("abi_tree")
class AbiTree(AbiItem):
    filesystem: Text
    clauses: tuple[AbiClause, ...]


@rule("abi_sized")
class AbiSized(AbiItem):
    type: Name
    name: Name
    clauses: tuple[AbiClause, ...]


@rule("role_in")
class RoleIn(Node):
    parameter: Name


@rule("role_out")
class RoleOut(Node):
    parameter: Name


@rule("role_zero")
class RoleZero(Node):
    errno: Name


@rule("role_ignored")
class RoleIgnored(Node):
    pass


@rule("array")
class Array(Node):
    length: Number


class AbiField(Node):
    __slots__ = ()


@rule("abi_sized_header")
class AbiSizedHeader(AbiField):
    name: Name


@rule("abi_struct_field")
class AbiStructField(AbiField):
    type: Name
    name: Name
    array: Array | None
    role: RoleIn | RoleOut | RoleZero | RoleIgnored


@rule("abi_aligned_field")
class AbiAlignedField(AbiStructField):
    pass


@rule("abi_ioctl")
class AbiIoctl(AbiItem):
    override: bool
    event: Name
    number: Number
    target: Name | None
    fields: tuple[AbiField, ...]


@rule("abi_syscall")
class AbiSyscall(AbiItem):
    event: Name
    function: Name
    arguments: tuple[Name, ...]
    clauses: tuple[AbiClause, ...]


@rule("abi_path")
class AbiPath(AbiItem):
    path: Text
    clauses: tuple[AbiClause, ...]


@rule("any_errno")
class AnyErrno(Node):
    pass


@rule("errno_names")
class ErrnoNames(Node):
    names: tuple[Name, ...]


@rule("abi_errno")
class AbiErrno(AbiItem):
    name: Name
    values: AnyErrno | ErrnoNames


@rule("abi_decl")
class AbiDecl(Decl):
    items: tuple[AbiItem, ...]


@dataclass(frozen=True, slots=True)
class SpecText(Node):
    """A whole file: its header and declarations in the order of the text."""

    header: Header
    declarations: tuple[Decl, ...]
