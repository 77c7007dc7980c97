"""The random specs are what the other tests need: of the whole language, accepted, small, and not trivial."""

from __future__ import annotations

from functools import cache
from statistics import median

from differential.coverage import EXPRESSIONS, FORMS, KINDS, OUTCOMES, STATEMENTS, Census
from differential.specs import RandomSpec, random_spec, random_specs
from hypothesis import given, settings

SPECS = 300


@cache
def census() -> Census:
    found = Census()
    for seed in range(SPECS):
        found.add(random_spec(seed), most_states=60)
    return found


def test_few_are_refused() -> None:
    assert len(census().refused) < SPECS / 10, census().refused


def test_every_part_of_the_language_occurs() -> None:
    for names in (STATEMENTS, EXPRESSIONS, KINDS):
        assert not census().rare(names, 0.01), census().rare(names, 0.01)
    assert len(STATEMENTS) == 27 and len(EXPRESSIONS) == 22 and len(KINDS) == 10


def test_every_form_occurs() -> None:
    assert not census().rare(FORMS, 0.01), census().rare(FORMS, 0.01)


def test_every_kind_of_outcome_occurs() -> None:
    assert not census().rare(OUTCOMES, 0.01), census().rare(OUTCOMES, 0.01)


def test_most_are_not_trivial() -> None:
    assert median(census().sizes) > 5
    assert sum(size >= 60 for size in census().sizes) < 0.6 * SPECS


@settings(max_examples=20, derandomize=True, deadline=None, database=None)
@given(random_specs())
def test_a_seed_is_a_spec(drawn: RandomSpec) -> None:
    assert random_spec(drawn.seed).text == drawn.text
