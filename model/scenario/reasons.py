"""Why a step of a scenario is not accepted: what was possible instead, and which choices it depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from luocheck.model.answer import Clause
from luocheck.model.diagnostics import Diagnostic
from luocheck.model.instances import Instance
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, PANIC, Event
from luocheck.model.scenario.beliefs import Attempt, Beliefs, Believed, Binding, caller_of, drawn_cells
from luocheck.model.scenario.scenarios import Blocks, Call, Condition, Named
from luocheck.model.scenario.story import renamed
from luocheck.model.semantics.explain import Explainer
from luocheck.model.semantics.expressions import evaluate
from luocheck.model.semantics.machine import Arguments
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.shown import argument_texts, cell_text, place_text, value_text
from luocheck.model.semantics.store import Store

MOST_CHOICES = 8
"""Most free choices that are listed under an assertion."""


@dataclass(frozen=True, slots=True)
class Possible:
    """A result that a call could have.  certain: it is possible in every state that agrees.  states: in how many."""

    text: str
    certain: bool
    states: int


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a step is not accepted.  shown: the state that the report tells the story of."""

    diagnostic: Diagnostic
    shown: Believed
    allowed: tuple[Possible, ...] = ()
    free: tuple[str, ...] = ()
    clauses: tuple[Clause, ...] = ()


class Reasons:
    """Explains the steps of one scenario."""

    def __init__(self, beliefs: Beliefs) -> None:
        self.beliefs = beliefs
        self.scenario = beliefs.scenario
        self.system = beliefs.system
        self.instances: dict[tuple[int, Binding], Instance] = {}

    def instance(self, state: Believed) -> Instance:
        """The instance of a state, in the names of the scenario."""
        key = (id(state.store.instance), state.binding)
        if key not in self.instances:
            self.instances[key] = renamed(state.store.instance, self.scenario, state.binding)
        return self.instances[key]

    # ---- calls --------------------------------------------------------------------------------------------------

    def of_call(
        self, call: Call, attempts: Sequence[Attempt], before: Sequence[Believed], after: Sequence[Believed]
    ) -> Complaint | None:
        """What is wrong with a call, if anything.  attempts: how it can end in the states before; after: the states that agree."""
        if isinstance(call.result, Blocks):
            returning = [each for each in attempts if any(self._returns(ending.outcome) for ending in each.endings)]
            if after and not returning:
                return None
        elif after:
            return None
        else:
            returning = []
        allowed = self._allowed(call, attempts, before)
        if returning:
            where = _in(len({id(each.origin) for each in returning}), len(before))
            label = f"in {where} it can have: {_listed(p.text for p in allowed if p.text != 'blocks')}"
            return self._complaint(call, returning[0].state, "can end here", label, allowed)
        if allowed:
            certain = [p.text for p in allowed if p.certain]
            possible = [f"{p.text} (in {_in(p.states, len(before))})" for p in allowed if not p.certain]
            label = f"possible here: {_listed([*certain, *possible])}"
            return self._complaint(call, before[0], "is not possible here", label, allowed, self._too_small(attempts))
        label, help = self._why_not(call, attempts, before)
        return self._complaint(call, before[0], "cannot be made here", label, (), help)

    def _complaint(
        self, call: Call, shown: Believed, what: str, label: str, allowed: tuple[Possible, ...], help: str = ""
    ) -> Complaint:
        return Complaint(Diagnostic("LUO602", f"`{call.text}` {what}", call.span, label, (), help), shown, allowed)

    def _returns(self, outcome: Outcome) -> bool:
        """Is the call over, and not by a fault?"""
        return not outcome.faults and outcome.kind in ("returns", "panic", "oops")

    def _allowed(self, call: Call, attempts: Iterable[Attempt], before: Sequence[Believed]) -> tuple[Possible, ...]:
        """The results that the call can have, the certain ones first."""
        found: dict[str, set[int]] = {}
        for attempt in attempts:
            outcomes = [ending.outcome for ending in attempt.endings if ending.outcome.kind != "cut"]
            texts = [self._result(call.event, attempt, outcome) for outcome in outcomes]
            if attempt.inside and not attempt.endings:
                texts = ["blocks"]
            for text in texts:
                found.setdefault(text, set()).add(id(attempt.origin))
        made = [Possible(text, len(where) == len(before), len(where)) for text, where in found.items()]
        return tuple(sorted(made, key=lambda p: (not p.certain, p.text)))

    def _result(self, event: Event, attempt: Attempt, outcome: Outcome) -> str:
        """An outcome as a scenario would say it."""
        if outcome.kind == "blocks":
            return "blocks"
        if outcome.kind == "suspends":
            return f"reaches {outcome.label}"
        if outcome.kind == "oops":
            return outcome.findings[-1][0]
        text = PANIC if outcome.kind == "panic" else outcome.errno
        if outcome.label is not None:
            return f"{text} at {outcome.label}"
        if event.result is not None and text == OK:
            value = value_text(outcome.env[event.result.slot], event.result.type, self.instance(attempt.state))
            return f"{text} gives {value}"
        return text

    def _why_not(self, call: Call, attempts: Sequence[Attempt], before: Sequence[Believed]) -> tuple[str, str]:
        """Why a call cannot even be made, and help."""
        if all(state.ended for state in before):
            made = before[0].made
            assert made is not None
            return f"nothing follows the {made.event.name} before", ""
        for argument in call.arguments:
            if isinstance(argument, Named):
                gone = self._gone(argument, before)
                if gone:
                    return gone, ""
        if not attempts:
            return "no arguments fit", ""
        attempt = attempts[0]
        store, instance = attempt.state.store, self.instance(attempt.state)
        machine, caller = self.beliefs.machine, caller_of(call.event, attempt.arguments)
        assert machine is not None
        too_small = self._too_small(attempts)
        if too_small:
            return "it needs more elements than there are", too_small
        if caller is not None and (machine.calls, caller) in store:
            event, arguments, label = machine.event_inside(caller, store)
            who = instance.name(self.system.caller, caller) if self.system.caller is not None else "the caller"
            return f"{who} is still inside {call_text(event, arguments, instance)}, at {label}", ""
        refused = self._refusal(call.event, attempt)
        if refused:
            return f"the call needs `{refused}`", ""
        return "no choice in its body fits", ""

    def _too_small(self, attempts: Iterable[Attempt]) -> str:
        """Help when the scope has no room for what the call does."""
        outcomes = (ending.outcome for attempt in attempts for ending in attempt.endings)
        cut = next((outcome for outcome in outcomes if outcome.kind == "cut"), None)
        if cut is None:
            return ""
        return f"scope `{self.scenario.scope.name}` is too small for `{cut.label}`; name a larger one: `in scope NAME`"

    def _gone(self, argument: Named, before: Sequence[Believed]) -> str:
        element, sort = argument.element, argument.element.sort
        if not sort.pool:
            return ""
        bound = [state for state in before if state.binding[element.index] is not None]
        if not bound and not any(self.beliefs.bound(state, [element]) for state in before):
            return f"there is no {sort.name} that `{element.name}` could be"
        if bound and not any(state.binding[element.index] in state.store.elements(sort) for state in bound):
            return f"`{element.name}` is gone"
        return ""

    def _refusal(self, event: Event, attempt: Attempt) -> str:
        """The first `require` that says no, as it stands in the text."""
        slots = [*(p.slot for p in event.parameters), *(p.slot for p in event.predicates)]
        known = dict(zip(slots, attempt.arguments, strict=True))
        for stmt in event.body.statements:
            if isinstance(stmt, st.Require):
                if not evaluate(stmt.condition, attempt.state.store, known):
                    return stmt.condition.span.text
            elif not isinstance(stmt, st.Skip | st.Arguments):
                break
        return ""

    # ---- assertions ---------------------------------------------------------------------------------------------

    def of_assert(self, condition: Condition, states: Sequence[Believed], before: Sequence[Believed]) -> Complaint | None:
        """What is wrong with an assertion in some states, if anything; `states` have its names bound."""
        if not states:
            missing = next(each for each in condition.elements if not any(self.beliefs.bound(state, [each]) for state in before))
            label = f"there is no {missing.sort.name} that `{missing.name}` could be"
            return Complaint(Diagnostic("LUO602", f"`{condition.text}` is about nothing", condition.span, label), before[0])
        bad = [state for state in states if not self.beliefs.holds(condition, state)]
        if not bad:
            return None
        failing = {id(state) for state in bad}
        good = [state for state in states if id(state) not in failing]
        free = self._differences(good, bad) if good else ()
        if good and not free:
            free = ("the states differ in what the calls before left open",)
        shown = bad[0]
        store = Store(self.instance(shown), shown.store)
        clauses = Explainer(store, self.beliefs.environment(shown.binding)).why(condition.condition, False)
        diagnostic = Diagnostic(
            "LUO602",
            f"`{condition.text}` does not hold",
            condition.span,
            f"false in {_in(len(bad), len(states))}",
            (),
            f"it depends on free choices: {'; '.join(free)}" if free else "",
        )
        return Complaint(diagnostic, shown, (), free, clauses)

    def _differences(self, good: Sequence[Believed], bad: Sequence[Believed]) -> tuple[str, ...]:
        """Choices whose values tell the states where an assertion holds from those where it does not; else those that vary."""
        sides = [self._choices(good), self._choices(bad)]
        places = [place for place in sides[0] if place in sides[1]]
        apart = [place for place in places if not sides[0][place] & sides[1][place]]
        vary = [place for place in places if sides[0][place] != sides[1][place]]
        return tuple(
            f"{place} is {_listed(sorted(sides[0][place]))} where it holds, {_listed(sorted(sides[1][place]))} where it does not"
            for place in (apart or vary)[:MOST_CHOICES]
        )

    def _choices(self, states: Iterable[Believed]) -> dict[str, set[str]]:
        """What was chosen freely on the way to some states: place -> values."""
        found: dict[str, set[str]] = {}
        for state in states:
            for place, value in self._choices_of(state):
                found.setdefault(place, set()).add(value)
        return found

    def _choices_of(self, state: Believed) -> list[tuple[str, str]]:
        instance = self.instance(state)
        chain = [state]
        while chain[-1].before is not None:
            chain.append(chain[-1].before)
        start, out = chain[-1].store, []
        for cell in drawn_cells(self.system, instance.sizes):
            default = instance.defaults[cell[0]]
            place = place_text(cell, instance)
            first, now = start.get(cell, default), state.store.get(cell, default)
            out.append((place, cell_text(cell, now, instance)))
            if first != now:
                out.append((f"{place} at the beginning", cell_text(cell, first, instance)))
        for graph in self.system.graphs:
            for a in instance.domain(graph.sort):
                for b in instance.domain(graph.sort):
                    if a != b:
                        ends = f"{instance.name(graph.sort, a)}, {instance.name(graph.sort, b)}"
                        out.append((f"{graph.name}({ends})", "true" if (a, b) in instance.edges[graph.index] else "false"))
        for number, each in enumerate(reversed(chain[:-1]), 1):
            made = each.made
            assert made is not None
            ended = f" at {made.outcome.label}" if made.outcome is not None and made.outcome.label else ""
            out.append((f"call {number}", f"{call_text(made.event, made.arguments, instance)}{ended}"))
        return out


def call_text(event: Event, arguments: Arguments, instance: Instance) -> str:
    return f"{event.name}({', '.join(value for _, value in argument_texts(event, arguments, instance))})"


def _in(some: int, count: int) -> str:
    """`2 of the 3 states that agree`."""
    if count == 1:
        return "the only state that agrees"
    return f"{'all' if some == count else f'{some:,} of the'} {count:,} states that agree"


def _listed(items: Iterable[str]) -> str:
    return " or ".join(items)
