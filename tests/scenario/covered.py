"""Covering sets, made once for all tests of a process."""

from __future__ import annotations

from functools import cache

from luocheck.checker.explore.limits import Limits
from luocheck.checker.scenarios.answer import ScenarioAnswer
from luocheck.checker.scenarios.choosing import covering
from luocheck.checker.scenarios.finding import Search
from luocheck.model.spec import Spec, load


@cache
def covered(name: str, scope: str | None = None) -> tuple[Spec, ScenarioAnswer]:
    """A spec, and what covers one of its scopes."""
    spec = load(name)
    return spec, covering(spec, Search(scope=scope), Limits())
