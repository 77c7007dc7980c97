"""Every guard and every effect of `intent` dropped once: each promise has a trace then, or a proof that larger sizes do not contradict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import pytest
from mutation.delete_lines import LINES, system_of, tree_of

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.proving import prove
from luocheck.checker.symbolic.parametric.proof import prove as prove_alone
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.model.answer import Result
from luocheck.model.diagnostics import Diagnostics, SpecError
from luocheck.model.ir.system import Scope, System
from luocheck.model.source import Source
from luocheck.model.spec import load
from luocheck.model.syntax import nodes as n
from luocheck.model.syntax.parser import parse

PROMISES = ("finish_leaves_nothing", "cancel_restores", "dead_agents_own_nothing", "frozen_needs_frozen")
BEYOND = Scope("beyond", (("Agent", 2), ("File", 4), ("Token", 4)), frozenset())
STATES = 60_000
ALONE = 30.0
"""Seconds in which the prover alone may try what is false."""
EFFECTS = (*LINES, n.Require, n.Run)
"""Statements that are taken out.  Where a body would do without one because of its condition, that becomes `true` instead."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`intent` without a piece of its text.  instead: what stands there.  name: for people, the line and what was taken out."""

    name: str
    start: int
    end: int
    instead: str

    def system(self) -> System:
        """Raises SpecError when nothing sensible is left."""
        text = load("intent").source.text
        diagnostics = Diagnostics()
        tree = parse(Source("mutant.luo", text[: self.start] + self.instead + text[self.end :]), diagnostics)
        diagnostics.raise_errors()
        assert tree is not None
        return system_of(tree, behaviour_only=True)


def pieces(node: n.Node, in_body: bool = False) -> Iterator[tuple[n.Node, str]]:
    """What is replaced, and by what."""
    in_body = in_body or isinstance(node, n.EventDecl | n.ProcDecl | n.WalkDecl | n.BootDecl | n.EffectDecl)
    if in_body:
        if (isinstance(node, n.Stmt) and isinstance(node.bare, EFFECTS)) or isinstance(node, n.Rollback):
            yield node, ""
        condition = node.condition if isinstance(node, n.If) else getattr(node, "where", None)
        if isinstance(condition, n.Node):
            yield condition, "true"
    for attribute in type(node).__dataclass_fields__:
        value = getattr(node, attribute)
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, n.Node):
                yield from pieces(each, in_body)


@cache
def mutants() -> tuple[Mutant, ...]:
    found = []
    for node, instead in pieces(tree_of("intent")):
        text = " ".join(node.span.text.split())
        found.append(
            Mutant(f"{node.span.line}: {text[:50]}{' -> ' + instead if instead else ''}", node.span.start, node.span.end, instead)
        )
    return tuple(sorted(found, key=lambda mutant: mutant.start))


def named(text: str, line: int | None = None) -> Mutant:
    (mutant,) = [m for m in mutants() if text in m.name and (line is None or m.name.startswith(f"{line}:"))]
    return mutant


def judged(system: System) -> dict[str, str]:
    """What became of each promise: `fails`, `proved`, `not proved`; or `WRONG` when a proof is contradicted."""
    answer = prove(replace(load("intent"), system=system), properties=PROMISES)
    words = {Result.FAILS: "fails", Result.PROVED: "proved", Result.VACUOUS: "proved"}
    found = {verdict.property: words.get(verdict.result, "not proved") for verdict in answer.verdicts}
    for verdict in answer.verdicts:
        assert verdict.result is not Result.FAILS or verdict.witness is not None
    proved = [system.claim(name) for name, result in found.items() if result == "proved"]
    if proved:
        beyond = explore(system, BEYOND, claims=proved, limits=Limits(STATES), witnesses=False)
        found |= {verdict.property: "WRONG" for verdict in beyond.verdicts if verdict.result is Result.FAILS}
    for name in [name for name, result in found.items() if result == "fails"]:
        try:
            if prove_alone(system, [system.claim(name)], Limits(None, ALONE)).proved:
                found[name] = "WRONG"
        except (NoForm, Stopped):
            continue
    return found


def test_a_deleted_guard_is_never_proved_away() -> None:
    """A guard and an effect that one promise each depends on, also where nothing is explored first."""
    for mutant, broken in (
        (named("gone: fail ENOENT when"), "frozen_needs_frozen"),
        (named("f.token = none"), "finish_leaves_nothing"),
    ):
        system = mutant.system()
        (verdict,) = prove(replace(load("intent"), system=system), properties=[broken]).verdicts
        assert verdict.result is Result.FAILS and verdict.witness is not None, (mutant, verdict)
        alone = prove_alone(system, [system.claim(broken)], Limits())
        assert not alone.proved and alone.obstacles


def test_there_are_mutants_of_every_kind() -> None:
    texts = [mutant.name for mutant in mutants()]
    assert len(texts) == len(set(texts)) > 100
    for word in (
        "fail EBUSY when",
        "fail ECALLBACK sometimes",
        "f.owner = a",
        "require a.open",
        "run put(f)",
        "rollback visited",
        "-> true",
    ):
        assert any(word in text for text in texts), word


@pytest.mark.nightly
@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_mutant_has_a_trace_or_a_proof_that_is_not_contradicted(mutant: Mutant) -> None:
    try:
        system = mutant.system()
    except SpecError:
        return  # a spec that is refused has no promises
    found = judged(system)
    print(mutant.name, found)
    assert set(found) == set(PROMISES) and "WRONG" not in found.values()
    assert "not proved" not in found.values()
