"""What is proved of random specs is not false in any of their scopes."""

from __future__ import annotations

import pytest
from differential.specs import random_spec

from luocheck.checker.explore.exploration import explore
from luocheck.checker.explore.limits import Limits, Stopped
from luocheck.checker.symbolic.parametric.cutpoints import PROVABLE
from luocheck.checker.symbolic.parametric.proof import prove, prove_at_once
from luocheck.checker.symbolic.parametric.refusal import NoForm
from luocheck.model.answer import Result
from luocheck.model.diagnostics import SpecError
from luocheck.model.ir.system import System
from luocheck.model.source import Source
from luocheck.model.spec import load_source


def asked(seeds: range) -> tuple[int, int]:
    """How many claims were proved, and how many were not although they have a form."""
    proved = left = 0
    for seed in seeds:
        try:
            system = load_source(Source(f"seed {seed}", random_spec(seed).text)).system
        except SpecError:
            continue
        for claim in system.properties:
            if claim.kind not in PROVABLE:
                continue
            try:
                answer = prove_at_once(system, [claim], Limits(None, 20)) or prove(system, [claim], Limits(None, 20))
            except (NoForm, Stopped, SpecError):
                continue
            if answer.proved:
                proved += 1
                assert_nowhere_false(system, claim.name, seed)
            else:
                left += 1
    return proved, left


def assert_nowhere_false(system: System, name: str, seed: int) -> None:
    for scope in system.scopes:
        if scope.stepwise:
            continue
        found = explore(system, scope, claims=[system.claim(name)], limits=Limits(5_000), engine="interpreter", witnesses=False)
        assert found.verdicts[0].result is not Result.FAILS, f"seed {seed}: {name} was proved, and fails in {scope}"


def test_random_specs() -> None:
    proved, left = asked(range(60))
    assert proved >= 5 and left >= 5


@pytest.mark.nightly
def test_many_random_specs() -> None:
    proved, left = asked(range(60, 1500))
    assert proved >= 100 and left >= 100
