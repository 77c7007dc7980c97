"""The sizes of the peers' model, with the numbers on which all tools agree."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """files, agents: of the model.  scope, topology: where our spec has it.  table: log2 of the hash table that SPIN and C begin with."""

    name: str
    files: int
    agents: int
    scope: str
    topology: str
    states: int
    transitions: int
    depth: int
    table: int


SIZES = {
    size.name: size
    for size in (
        Size("tiny", 3, 2, "three", "star3", 5_013, 12_879, 30, 13),
        Size("small", 5, 2, "five", "star5", 122_631, 369_043, 42, 18),
        Size("medium", 5, 3, "crowd", "star5", 1_302_453, 4_892_290, 43, 21),
        Size("large", 6, 3, "large", "star6", 10_936_151, 46_898_942, 49, 24),
    )
}


@dataclass(frozen=True, slots=True)
class Bug:
    """A seeded bug: the invariant that it breaks first, and after how many steps."""

    number: int
    claim: str
    steps: int


BUGS = (Bug(1, "I5", 13), Bug(2, "I2", 11), Bug(3, "I3", 11))
