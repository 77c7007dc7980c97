"""What of two specs belongs together: sorts, enums and graphs by name, events by name or as they are mapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from luocheck.model.diagnostics import did_you_mean, fail
from luocheck.model.ir.system import Event, System
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Sort, Type
from luocheck.model.source import Source, Span


@dataclass(frozen=True, slots=True)
class Seen:
    """What user space sees of the calls of one event of one spec, as far as the other spec has it too.

    parameters: their positions.  predicates: positions of the hidden arguments, such as `bad_fd(f)`, that both have.  gives: is the result
    compared?  Equal positions in the `Seen` of the two specs belong together.
    """

    event: Event
    parameters: tuple[int, ...]
    predicates: tuple[int, ...]
    gives: bool


@dataclass(frozen=True, slots=True)
class Pairing:
    """Events and claims that are compared.

    old, new: visible events, position by position; hidden_old, hidden_new: events that happen unseen.  events, claims: pairs of names, also
    of events that are hidden.  left_out: what is not compared.
    """

    old: tuple[Seen, ...]
    new: tuple[Seen, ...]
    hidden_old: tuple[Event, ...]
    hidden_new: tuple[Event, ...]
    events: tuple[tuple[str, str], ...]
    claims: tuple[tuple[str, str], ...]
    left_out: tuple[str, ...]

    def swapped(self) -> Pairing:
        """The same seen from the other spec."""
        events = tuple((new, old) for old, new in self.events)
        claims = tuple((new, old) for old, new in self.claims)
        return Pairing(self.new, self.old, self.hidden_new, self.hidden_old, events, claims, self.left_out)


def pair(old: System, new: System, maps: Sequence[str] = ()) -> Pairing:
    """Pairs what belongs together.  maps: `OLD_NAME=NEW_NAME`, of events or of claims.

    Raises SpecError LUO603 for a name that is not there and LUO609 for one that is mapped twice, or that is no pair of names.
    """
    events, claims = _mapped(old, new, maps)
    left_out: list[str] = []
    seen: list[tuple[Seen, Seen]] = []
    hidden_old: list[Event] = []
    hidden_new = [each for each in new.events if each.name not in events.values() and not visible(new, each)]
    for event in old.events:
        name = events.get(event.name)
        if name is None:
            if visible(old, event):
                left_out.append(f"{event.name} is in {old.name} only")
            else:
                hidden_old.append(event)
            continue
        other = new.event(name)
        if visible(old, event) or visible(new, other):
            left, right, missing = _signatures(event, other)
            seen.append((left, right))
            left_out += missing
        else:
            hidden_old.append(event)
            hidden_new.append(other)
    paired = set(events.values())
    left_out += [f"{each.name} is in {new.name} only" for each in new.events if each.name not in paired and visible(new, each)]
    return Pairing(
        tuple(left for left, _ in seen),
        tuple(right for _, right in seen),
        tuple(hidden_old),
        tuple(sorted(hidden_new, key=lambda each: each.index)),
        tuple(events.items()),
        tuple(claims.items()),
        tuple(left_out),
    )


def visible(system: System, event: Event) -> bool:
    """Does user space see the calls of an event?  The abi says so; where there is none, ioctls and system calls are seen."""
    abi = system.abi
    if abi.descriptors or abi.ioctls or abi.syscalls or abi.process is not None:
        return abi.visible(event.name)
    return event.kind != "env"


def alike(left: Type, right: Type) -> bool:
    """Do two types, one of each spec, have the same values (an element that can be none and one that cannot count as alike)?"""
    match left, right:
        case (ElemT(one), ElemT(other)):
            return one.name == other.name
        case (EnumT(one), EnumT(other)):
            return one.name == other.name
        case (BoolT(), BoolT()):
            return True
    return False


def renamed_sorts(old: System, new: System, pairing: Pairing) -> tuple[tuple[Sort, Sort], ...]:
    """Sorts of both whose elements are handles, matched by when user space first sees them: objects that come and go, and what the
    kernel picks where the spec tells the elements apart.  All other elements are the same in both."""
    given = {seen.event.result.type.sort.name for seen in (*pairing.old, *pairing.new) if _gives_element(seen)}  # type: ignore[union-attr]
    found = []
    for sort in old.sorts:
        other = next((each for each in new.sorts if each.name == sort.name), None)
        if other is not None and (sort.pool or other.pool or (sort.name in given and not (sort.symmetric and other.symmetric))):
            found.append((sort, other))
    return tuple(found)


def _gives_element(seen: Seen) -> bool:
    return seen.gives and seen.event.result is not None and isinstance(seen.event.result.type, ElemT)


def _signatures(event: Event, other: Event) -> tuple[Seen, Seen, list[str]]:
    """What is compared of a pair of events, and what is not."""
    missing: list[str] = []
    ours, theirs = event.parameters, other.parameters
    if len(ours) == len(theirs) and all(alike(a.type, b.type) for a, b in zip(ours, theirs)):
        pairs = [(i, i) for i in range(len(ours))]
    else:
        pairs = [(i, j) for i, a in enumerate(ours) for j, b in enumerate(theirs) if a.name == b.name and alike(a.type, b.type)]
    for mine, place, made in ((ours, 0, event), (theirs, 1, other)):
        for i, parameter in enumerate(mine):
            if i not in [each[place] for each in pairs]:
                missing.append(f"argument `{parameter.name}` of {made.name} has no counterpart")
    predicates = [
        (i, j)
        for i, a in enumerate(event.predicates)
        for j, b in enumerate(other.predicates)
        if a.name == b.name and (ours.index(a.parameter), theirs.index(b.parameter)) in pairs
    ]
    for hidden, place, made in ((event.predicates, 0, event), (other.predicates, 1, other)):
        for i, predicate in enumerate(hidden):
            if i not in [each[place] for each in predicates]:
                missing.append(f"calls of {made.name} with {predicate.name} have no counterpart")
    gives = event.result is not None and other.result is not None and alike(event.result.type, other.result.type)
    if not gives:
        missing += [f"what {made.name} gives has no counterpart" for made in (event, other) if made.result is not None]
    left = Seen(event, tuple(i for i, _ in pairs), tuple(i for i, _ in predicates), gives)
    right = Seen(other, tuple(j for _, j in pairs), tuple(j for _, j in predicates), gives)
    return left, right, missing


def _mapped(old: System, new: System, maps: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Names of the new spec by those of the old one: events, and claims."""
    events = {each.name: each.name for each in old.events if any(each.name == other.name for other in new.events)}
    claims = {each.name: each.name for each in old.properties if any(each.name == other.name for other in new.properties)}
    asked: set[str] = set()
    taken: set[str] = set()
    for text in maps:
        place = Span(Source("--map", text), 0, len(text))
        left, equals, right = text.partition("=")
        if not equals or not left.strip() or not right.strip():
            fail("LUO609", f"`{text}` is no pair of names", place, help="write it like `--map FREEZE=REBOOT`")
        left, right = left.strip(), right.strip()
        if left in asked or right in taken:
            fail("LUO609", f"`{left if left in asked else right}` is mapped twice", place)
        asked.add(left)
        taken.add(right)
        if left in [each.name for each in old.events]:
            found, known = events, [event.name for event in new.events]
        elif left in [each.name for each in old.properties]:
            found, known = claims, [claim.name for claim in new.properties]
        else:
            _unknown(text, left, 0, old, [*(event.name for event in old.events), *(claim.name for claim in old.properties)])
        if right not in known:
            _unknown(text, right, text.index("=") + 1, new, known)
        for name, other in list(found.items()):
            if other == right:
                del found[name]
        found[left] = right
    return events, claims


def _unknown(text: str, name: str, start: int, system: System, known: Sequence[str]) -> NoReturn:
    span = Span(Source("--map", text), start, len(text))
    help = did_you_mean(name, known) or f"there are: {', '.join(known)}"
    fail("LUO603", f"{system.name} has no `{name}` to be mapped", span, help=help)
