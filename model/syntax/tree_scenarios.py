"""Scenarios and expectations."""

from __future__ import annotations

from luocheck.model.syntax.tree import Name, Node, Number, Text, rule
from luocheck.model.syntax.tree_declarations import Decl, TopologyEdges, TopologyElement
from luocheck.model.syntax.tree_expressions import Expr


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
