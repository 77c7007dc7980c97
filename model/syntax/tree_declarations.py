"""Declarations: vocabulary, state, behaviour, scopes, topologies, and the changes of a derived spec."""

from __future__ import annotations

from dataclasses import dataclass

from luocheck.model.syntax.tree import Name, Node, Number, Text, rule
from luocheck.model.syntax.tree_claims import Claim, OutcomeOf, OutcomeOfAny
from luocheck.model.syntax.tree_expressions import Expr, TypeNode
from luocheck.model.syntax.tree_statements import Block, Stmt


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


@dataclass(frozen=True, slots=True)
class SpecText(Node):
    """A whole file: its header and declarations in the order of the text."""

    header: Header
    declarations: tuple[Decl, ...]
