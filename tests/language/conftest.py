"""What the tests of the language share: a spec written in a test is explored, or its calls are made one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from engine.agreement import QUICK, assert_same, names_kept

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.result import Exploration
from luocheck.checker.native import build
from luocheck.model.answer import Step, Verdict
from luocheck.model.diagnostics import SpecError
from luocheck.model.instances import Instance, instances
from luocheck.model.semantics.machine import Machine
from luocheck.model.semantics.shown import state_lines, step_of
from luocheck.model.semantics.store import Store, call_index
from luocheck.model.source import Source
from luocheck.model.spec import Spec, load_source


def load_text(text: str) -> Spec:
    """A spec from a text; the `spec` line may be left out."""
    return load_source(Source("test.luo", text if text.lstrip().startswith("spec ") else "spec test;\n" + text))


@dataclass(frozen=True)
class Found:
    """An exploration, and its verdicts by the name of the claim."""

    exploration: Exploration

    def verdict(self, claim: str) -> Verdict:
        return next(v for v in self.exploration.verdicts if v.property == claim)

    def __getitem__(self, claim: str) -> str:
        """Result of a claim without its numbers: `holds`, `fails`, `reached`, `unreached`, `vacuous`, `unknown`."""
        return self.verdict(claim).result.value

    def calls(self, claim: str) -> list[str]:
        """The calls of a claim's witness."""
        witness = self.verdict(claim).witness
        assert witness is not None, f"{claim} has no witness: {self.verdict(claim).text}"
        return [step.text for step in witness.steps]

    @property
    def size(self) -> tuple[int, int]:
        return self.exploration.states, self.exploration.transitions


class Language:
    """What a test does with a text.  With `both`, every exploration is made by the native engine too, and must come to the same."""

    def __init__(self, *, both: bool = False) -> None:
        self.both = both

    def explore(self, text: str, scope: str | None = None, topology: str | None = None, *, symmetry: bool = True) -> Found:
        """Explores a scope (the first when None) and decides every claim.  States are counted as the semantics has them."""
        system = load_text(text).system
        where = next(s for s in system.scopes if scope in (None, s.name))
        shape = next(t for t in system.topologies if t.name == topology) if topology is not None else None
        with names_kept():
            found = explore(system, where, shape, symmetry=symmetry, engine="interpreter")
            if self.both:
                assert_same(found, explore(system, where, shape, symmetry=symmetry, engine="explore"))
        return Found(found)

    def codes(self, text: str) -> list[str]:
        """The codes of the errors of a text, in the order of the text; empty when it is correct."""
        try:
            load_text(text)
        except SpecError as error:
            return [d.code for d in error.diagnostics if d.severity.value == "error"]
        return []

    def warnings(self, text: str) -> list[str]:
        """The codes of the lints of a correct text."""
        return [d.code for d in load_text(text).system.warnings]

    def starts(self, text: str, scope: str | None = None, topology: str | None = None) -> list[str]:
        """All initial states as text, over all instances: the cells that differ from their initial value."""
        system = load_text(text).system
        where = next(s for s in system.scopes if scope in (None, s.name))
        shape = next(t for t in system.topologies if t.name == topology) if topology is not None else None
        found = []
        for instance in instances(system, where, shape):
            found += ["; ".join(state_lines(store)) for store in Machine(instance).initial(instance)]
        return found

    def ways(self, text: str, *calls: str, scope: str | None = None) -> list[str]:
        """Makes calls from the first initial state of the first instance; gives every way in which the last one can end, with what it changed.

        Each call but the last names its outcome (`SET(x0) = OK`) and must have exactly one such way.  A way is the call's outcome, then the
        changed cells: `OK; x0.f: false -> true`.
        """
        system = load_text(text).system
        where = next(s for s in system.scopes if scope in (None, s.name))
        instance = next(iter(instances(system, where)))
        machine = Machine(instance, notes=True)
        (store, *_) = machine.initial(instance)
        for call in calls[:-1]:
            after = {frozenset(s.items()): s for text_, _, s in _steps(machine, instance, store) if text_ == call}
            assert len(after) == 1, f"{call}: {len(after)} ways among {[t for t, _, _ in _steps(machine, instance, store)]}"
            (store,) = after.values()
        last = calls[-1]
        found = [(text_, step) for text_, step, _ in _steps(machine, instance, store) if text_.startswith(last + " ")]
        return [
            "; ".join(
                [text_.removeprefix(last + " ").removeprefix("= "), *(f"{c.place}: {c.before} -> {c.after}" for c in step.changes)]
            )
            for text_, step in found
        ]


def _steps(machine: Machine, instance: Instance, store: Store) -> Sequence[tuple[str, Step, Store]]:
    """All calls that can be made or go on in a state."""
    found = []
    for event in machine.system.events:
        for arguments in machine.arguments(event, store):
            for outcome in machine.call(event, arguments, store):
                step = step_of(event, arguments, outcome, store, False)
                text = step.text.split(" = ")[0] + " = cut" if outcome.kind == "cut" else step.text
                found.append((text, step, outcome.store))
    caller = machine.system.caller
    for x in range(instance.sizes[caller.index]) if caller is not None else ():
        if (call_index(machine.system), x) in store:
            event, arguments, _ = machine.event_inside(x, store)
            for outcome in machine.resume(x, store):
                step = step_of(event, arguments, outcome, store, True)
                found.append((step.text, step, outcome.store))
    return found


@pytest.fixture(scope="session", params=["interpreter", "both"])
def language(request: pytest.FixtureRequest) -> Iterator[Language]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "FLAGS", QUICK)
        yield Language(both=request.param == "both")
