"""Promela of claims: what is asked of every state, and of every call that has ended."""

from __future__ import annotations

from luocheck.checker.export.cells import Cells
from luocheck.checker.export.expressions import Expressions
from luocheck.checker.export.writer import Writer, conjunction, negated
from luocheck.model.ir import expressions as e
from luocheck.model.ir.system import PANIC, Event, Kind, OutcomePattern, Property, System
from luocheck.model.ir.vocabulary import Type

OF_STATES = (Kind.INVARIANT, Kind.LEMMA, Kind.REACHABLE)
OF_CALLS = (Kind.AFTER, Kind.NEVER)
OF_BODIES = (Kind.ASSERT, Kind.BUILT_IN)


def translated(claim: Property) -> bool:
    """Is this a claim about single states or calls, which a search for a bad one decides?"""
    return claim.kind in (*OF_STATES, *OF_CALLS, *OF_BODIES) and claim.name != "lock_order"


def numbers(system: System) -> dict[str, int]:
    """A number from 1 for each claim that the model decides."""
    return {claim.name: n for n, claim in enumerate(filter(translated, system.properties), start=1)}


def broken(claim: Property) -> str:
    """Statement for a broken claim, or a goal that is reached."""
    return f'BROKEN(CLAIM_{claim.name}, "{claim.name} {"is reached" if claim.kind is Kind.REACHABLE else "is broken"}\\n")'


def asked(claim: Property) -> str:
    """Condition: does the search look for this claim at all?"""
    return f"ASKED(CLAIM_{claim.name})"


class Claims:
    """Writes what the claims of a system ask."""

    def __init__(self, cells: Cells, writer: Writer) -> None:
        self.cells = cells
        self.w = writer
        self.claims = [claim for claim in cells.system.properties if translated(claim)]
        self.numbers = numbers(cells.system)

    def _condition(self, claim: Property, condition: e.Expr, types: tuple[Type | None, ...]) -> str:
        """A condition; when the claim reads through none, that is an error of the spec."""
        x = Expressions(self.cells, types, checked=False)
        text = x.condition(condition)
        for hazard in x.taken_hazards():
            with self.w.when(conjunction([asked(claim), hazard.condition])):
                self.w.emit(f"SPEC_ERROR  /* LUO605: {claim.name} */")
        return text

    def of_states(self) -> None:
        """Everything that is asked of a state."""
        for claim in self.claims:
            if claim.kind in OF_STATES:
                assert claim.condition is not None
                text = self._condition(claim, claim.condition, ())
                self._ask(claim, text if claim.kind is Kind.REACHABLE else negated(text))

    def of_calls(self, event: Event, *, panic: bool) -> None:
        """Everything that is asked of a call that has returned, or ended in a panic."""
        for claim in self.claims:
            if claim.kind not in OF_CALLS:
                continue
            assert claim.pattern is not None
            matches = self.matches(claim.pattern, event, panic=panic)
            if matches is None:
                continue
            if claim.condition is None:
                self._ask(claim, matches)
                continue
            own = claim.pattern.event is not None
            with self.w.when(matches):
                text = self._condition(claim, claim.condition, event.slots if own else ())
                self._ask(claim, negated(text))
                self.w.emit("skip")

    def _ask(self, claim: Property, condition: str) -> None:
        if condition != "0":
            with self.w.when(conjunction([asked(claim), condition])):
                self.w.emit(broken(claim))

    def of_body(self, event: Event, found: set[int]) -> None:
        """What the body has noted."""
        for claim in self.claims:
            number = self.numbers[claim.name]
            if number in found:
                with self.w.when(f"broke[{number}]"):
                    self.w.emit(f"{broken(claim)}; broke[{number}] = false")

    def matches(self, pattern: OutcomePattern, event: Event, *, panic: bool) -> str | None:
        """Condition for an outcome of an event to be one that a claim is about, None when it never is."""
        if pattern.event not in (None, event.name) or pattern.kind not in (None, event.kind):
            return None
        if pattern.returns is None or (panic and pattern.returns == PANIC):
            text = "1"
        elif panic:
            return None
        elif pattern.returns == "error":
            text = "(err != r_OK)"
        elif pattern.returns != PANIC and pattern.returns in self.cells.errnos:
            text = f"(err == {self.cells.errno(pattern.returns)})"
        else:
            return None
        label = f"(lab == {self.cells.label(pattern.label)})" if pattern.label is not None else "1"
        return conjunction([text, label])
