"""What replay has worked out before: the same call in the same state, or with the same belief, leads to the same again.

States are kept once each, so that they can be told apart by identity.  What is kept is dropped as a whole when it is too much, so that
memory stays bounded however long a recording is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from luocheck.traces.call import Call
from luocheck.traces.replay.world import WorldStore

if TYPE_CHECKING:
    from luocheck.traces.replay.configurations import Configuration

    Belief = list[Configuration]

MOST_KEPT = 100_000
"""Most states, and answers about them, that are kept."""


@dataclass(slots=True, eq=False)
class Known:
    """A belief that is kept.  after: by signature of a call that overlaps no other one, what is believed next.  single: in one state."""

    belief: Belief
    after: dict[int | None, Known] = field(default_factory=dict)
    single: bool = field(init=False)

    def __post_init__(self) -> None:
        self.single = len(self.belief) == 1


@dataclass(slots=True)
class Memory:
    """states: by their cells.  steps: by identity of the state and signature of the call.  beliefs: by identity of the belief.

    Whatever an identity is asked for is kept alive by the values here.  merging: states that differ only in the numbers of their elements
    are the same.  compacting: elements get other numbers where most that have one are gone.
    """

    states: dict[object, WorldStore] = field(default_factory=dict)
    steps: dict[tuple[int, int], tuple[WorldStore, list[WorldStore]]] = field(default_factory=dict)
    beliefs: dict[int, Known] = field(default_factory=dict)
    same: dict[tuple[int, ...], Belief] = field(default_factory=dict)
    signatures: dict[object, int] = field(default_factory=dict)
    merging: bool = False
    compacting: bool = False
    learnt: int = 0
    given_out: int = 0

    def kept(self, store: WorldStore) -> WorldStore:
        """The one of all equal states that is kept."""
        if self.merging or (self.compacting and store.is_sparse):
            store = store.canonical()
        return self.states.setdefault(frozenset(store.items()), store)

    def after(self, store: WorldStore, call: Call, step: Callable[[WorldStore, Call], list[WorldStore]]) -> list[WorldStore]:
        """The states after a call; `step` is asked when this is new."""
        key = id(store), self.signature(call)
        known = self.steps.get(key)
        if known is not None:
            return known[1]
        if len(self.steps) + len(self.states) > MOST_KEPT:
            self.forget()
        found = [each if each is store else self.kept(each) for each in step(store, call)]
        self.steps[key] = store, found
        return found

    def known(self, belief: Belief) -> Known | None:
        """What is kept about a belief; None when it is new."""
        return self.beliefs.get(id(belief))

    def belief_after(self, belief: Belief, signature: int) -> Belief | None:
        """What is believed after a call; None when this is new."""
        known = self.beliefs.get(id(belief))
        after = known.after.get(signature) if known is not None else None
        return None if after is None else after.belief

    def learn(self, belief: Belief, signature: int, following: Belief) -> Belief:
        """Keeps what is believed after a call.  Returns the one of all equal beliefs that is kept."""
        if any(each.done or each.edits for each in (*belief, *following)):
            return following
        if self.learnt > MOST_KEPT:
            self.forget()
        self.learnt += 1
        following = self.same.setdefault(tuple(sorted(id(self.kept(each.store)) for each in following)), following)
        before = self.beliefs.setdefault(id(belief), Known(belief))
        before.after[signature] = self.beliefs.setdefault(id(following), Known(following))
        return following

    def forget(self) -> None:
        for known in self.beliefs.values():
            known.after.clear()  # they lead to each other
        self.states.clear()
        self.steps.clear()
        self.beliefs.clear()
        self.same.clear()
        self.signatures.clear()  # their numbers are not used again
        self.learnt = 0

    def signature(self, call: Call) -> int:
        """A number for what a call says.  Calls that were decoded have one, from 0 on; others get theirs here, below it."""
        if call.alike is not None:
            return call.alike
        key = call.said()
        number = self.signatures.get(key)
        if number is None:
            self.given_out += 1
            number = self.signatures[key] = -self.given_out
        return number
