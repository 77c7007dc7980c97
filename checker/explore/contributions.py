"""What the finished searches of an exploration contributed, as a checkpoint keeps it."""

from __future__ import annotations

from dataclasses import dataclass

from luocheck.checker.explore.search import Coverage
from luocheck.model.answer import Witness


@dataclass(slots=True)
class Best:
    """The best witness of a claim so far: its measure (calls, faults, elements, edges) and the witness."""

    key: tuple[int, int, int, int]
    witness: Witness
    fewest_elements: bool


@dataclass(slots=True)
class Contributions:
    """Everything that an exploration knows between two instances.

    best, depths, unknown: by claim.  needed: claims about the graph that were about some state.  seen: claims that were looked at.
    symmetry: the most states that one stood for.  unreduced: the next instance is searched without symmetry, though it has some.
    kept_states, kept_transitions: of searches that kept names only for liveness.  left_open: did a limit leave liveness open?
    """

    instances: int
    states: int
    transitions: int
    depth: int
    levels: list[int]
    best: dict[str, Best]
    depths: dict[str, int]
    seen: set[str]
    unknown: dict[str, str]
    needed: set[str]
    coverage: Coverage
    symmetry: int
    unreduced: bool
    kept_states: int
    kept_transitions: int
    left_open: bool
