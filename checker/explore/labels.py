"""What an edge of the graph of states remembers of its call, in one number: who made it, how it went on, and which call it was.

bits 0..15   who made it: 0 nobody, else the number of the caller from 1
bit 16       a call in progress went on
bit 17       it returned OK
bit 18       it had waited for a lock
bits 32..63  its label: which combination of arguments it had, 0 where nobody asks
"""

from __future__ import annotations

from collections.abc import Iterable

from luocheck.model.instances import Instance
from luocheck.model.ir.system import Event, Property
from luocheck.model.ir.vocabulary import ElemT, EnumT, Type
from luocheck.model.semantics.machine import Arguments

CALLER = (1 << 16) - 1
RESUMED = 1 << 16
RETURNED_OK = 1 << 17
GOT_LOCK = 1 << 18
LABEL_SHIFT = 32
MOST_LABELS = (1 << 32) - 1


def caller_of(event: Event, arguments: Arguments) -> int:
    """Who makes a call: 0 nobody, else the number of the caller from 1."""
    caller = next((v for p, v in zip(event.parameters, arguments) if p.slot == event.caller), None)
    return 0 if caller is None else int(caller) + 1


class Labels:
    """Numbers the combinations of arguments of the events that liveness claims assume, from 1 for each event.

    radices: how many values each argument has, by the index of the event.  too_many: an event that has more combinations than there
    are numbers, or None; the claims that assume it cannot be decided.
    """

    def __init__(self, instance: Instance, claims: Iterable[Property]) -> None:
        assumed = {name for claim in claims for name, _ in claim.assuming}
        self.radices: dict[int, tuple[int, ...]] = {}
        self.too_many: str | None = None
        for event in instance.system.events:
            if event.name not in assumed:
                continue
            radices = tuple(_values(p.type, instance) for p in event.parameters) + (2,) * len(event.predicates)
            count = 1
            for radix in radices:
                count *= radix
            if count > MOST_LABELS:
                self.too_many = event.name
            else:
                self.radices[event.index] = radices

    def of(self, event: Event, arguments: Arguments) -> int:
        """The label of a call; 0 when nobody asks for its event."""
        radices = self.radices.get(event.index)
        if radices is None:
            return 0
        label = 0
        for radix, value in zip(radices, arguments, strict=True):
            label = label * radix + int(value)
        return label + 1


def _values(type_: Type, instance: Instance) -> int:
    """How many values an argument can have."""
    match type_:
        case ElemT(sort):
            return max(1, instance.sizes[sort.index])
        case EnumT(enum):
            return len(enum.members)
    return 2
