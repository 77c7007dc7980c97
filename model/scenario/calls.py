"""The calls of a scenario: events, arguments, outcomes and labels."""

from __future__ import annotations

from luocheck.model.diagnostics import did_you_mean
from luocheck.model.errnos import GENERIC
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import BUILT_INS, OK, PANIC, Event, Local, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, ErrnoT, Type
from luocheck.model.resolve.symbols import Symbols
from luocheck.model.resolve.types import article
from luocheck.model.scenario.scenarios import (
    Argument,
    Bad,
    Blocks,
    Call,
    Constant,
    Element,
    Given,
    Named,
    Reaches,
    Returns,
    Wildcard,
)
from luocheck.model.scenario.shapes import Declare
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n


class CallResolver:
    """Resolves the calls of one scenario.  `elements` are those declared so far, `declare` adds one (what a call gives)."""

    def __init__(self, system: System, symbols: Symbols, elements: dict[str, Element], declare: Declare) -> None:
        self.system = system
        self.symbols = symbols
        self.elements = elements
        self.declare = declare

    def error(self, message: str, span: Span, help: str = "") -> None:
        self.symbols.diagnostics.error("LUO230", message, span, help=help)

    def call(self, node: n.ScenarioCall) -> Call | None:
        """None (after reporting) when the call has an error."""
        errors = len(self.symbols.diagnostics.errors)
        event = next((each for each in self.system.events if each.name == node.event.text), None)
        if event is None:
            known = [each.name for each in self.system.events]
            self.error(f"there is no event `{node.event}`", node.event.span, did_you_mean(node.event.text, known))
            return None
        if len(node.arguments) != len(event.parameters):
            wanted = ", ".join(f"{p.name}: {p.type}" for p in event.parameters)
            self.error(f"`{event.name}` takes ({wanted}), not {len(node.arguments)} arguments", node.span)
            return None
        arguments = [self._argument(a, p, event) for a, p in zip(node.arguments, event.parameters, strict=True)]
        result = self._result(node.result, event)
        if len(self.symbols.diagnostics.errors) > errors:
            return None
        return Call(event, tuple(a for a in arguments if a is not None), result, node.span)

    # ---- arguments ----------------------------------------------------------------------------------------------

    def _argument(self, node: n.Node, parameter: Local, event: Event) -> Argument | None:
        if isinstance(node, n.Name):
            predicate = next((p for p in event.predicates if p.name == node.text and p.parameter is parameter), None)
            if predicate is not None:
                return Bad(predicate)
        return self._value(node, parameter.type, event)

    def _value(self, node: n.Node, type_: Type, event: Event) -> Wildcard | Constant | Named | None:
        match node, type_:
            case n.Name(text="_"), _:
                return Wildcard()
            case n.BoolExpr(value=value), BoolT():
                return Constant(value)
            case n.Number(value=number), EnumT(enum):
                if number in enum.numbers:
                    return Constant(enum.numbers.index(number))
                self.error(f"no member of `{enum.name}` has the number {number}", node.span)
                return None
            case n.Number(value=number), ElemT(sort) if sort.ordered:
                return Constant(number)
            case n.Name(text=text), EnumT(enum):
                if text in enum.members:
                    return Constant(enum.members.index(text))
                if text not in self.elements:
                    self.error(f"`{text}` is no member of `{enum.name}`", node.span, did_you_mean(text, enum.members))
                    return None
            case n.Name(text=text), ErrnoT() if self.symbols.is_errno(text):
                return Constant(text)
            case n.Name(text=text), ElemT(sort):
                element = self.elements.get(text)
                if element is None:
                    self._unknown(node, event, type_)
                    return None
                if element.sort is sort:
                    return Named(element)
        what = (
            f"a {self.elements[node.text].sort.name}"
            if isinstance(node, n.Name) and node.text in self.elements
            else "no such value"
        )
        self.error(f"{article(type_)} stands here, and `{node.span.text}` is {what}", node.span)
        return None

    def _unknown(self, name: n.Name, event: Event, type_: ElemT) -> None:
        known = [each.name for each in self.elements.values() if each.sort is type_.sort]
        known += [p.name for p in event.predicates]
        help = did_you_mean(name.text, known) or f"declare it: `let {name}: {type_.sort.name};`"
        self.error(f"`{name}` is not declared in this scenario", name.span, help)

    # ---- results ------------------------------------------------------------------------------------------------

    def _result(self, node: n.ResultReturns | n.ResultBlocks | n.ResultReaches, event: Event) -> Returns | Blocks | Reaches:
        match node:
            case n.ResultBlocks():
                return Blocks()
            case n.ResultReaches(span=span, label=label, number=number):
                return Reaches(self._stop(label, number, event, span))
            case n.ResultReturns(outcome=outcome, label=label_name, gives=gives):
                self._outcome(outcome)
                at = label_name.text if label_name is not None else None
                if label_name is not None:
                    labels = {s.label for s in st.statements(event.body) if s.label is not None}
                    if at not in labels:
                        self.error(
                            f"no statement of `{event.name}` is labelled `{at}`",
                            label_name.span,
                            did_you_mean(label_name.text, labels),
                        )
                return Returns(outcome.text, at, self._gives(gives, outcome, event) if gives is not None else None)

    def _outcome(self, outcome: n.Name) -> None:
        text = outcome.text
        if text in (OK, PANIC) or text in BUILT_INS or self.symbols.is_errno(text):
            return
        self.error(
            f"`{text}` is no errno",
            outcome.span,
            did_you_mean(text, [OK, PANIC, *GENERIC, *self.symbols.errno_classes, *BUILT_INS]),
        )

    def _gives(self, node: n.Node, outcome: n.Name, event: Event) -> Given | None:
        if event.result is None:
            self.error(f"`{event.name}` gives nothing", node.span)
            return None
        if outcome.text != OK:
            self.error("only a call that returns OK gives something", node.span)
            return None
        type_ = event.result.type
        if isinstance(node, n.NoneExpr):
            return Constant(None)
        if isinstance(type_, ElemT) and isinstance(node, n.Name) and node.text != "_" and node.text not in self.elements:
            made = self.declare(node, ElemT(type_.sort), "gives")
            return Named(made) if made is not None else None
        return self._value(node, type_, event)

    def _stop(self, label: n.Name, number: n.Number | None, event: Event, span: Span) -> str:
        """The label of a place where the event can stop."""
        stops = [s for s in st.statements(event.body) if isinstance(s, st.Step | st.Await | st.Acquire)]
        labels = {s.label for s in stops if s.label is not None}
        unlabelled = {(s.place, s.span.source.name, s.span.start) for s in stops if s.label is None}
        counts = {place: sum(other == place for other, _, _ in unlabelled) for place, _, _ in unlabelled}
        known = [*sorted(labels), *(f"{place}.{i + 1}" for place, count in sorted(counts.items()) for i in range(count))]
        text = label.text if number is None else f"{label.text}.{number.value}"
        if text not in known:
            help = did_you_mean(text, known) or (f"it can stop at {', '.join(known)}" if known else "")
            self.error(f"`{event.name}` has no place `{text}` to stop at", span, help)
        return text
