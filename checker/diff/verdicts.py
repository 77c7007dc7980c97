"""The verdicts of two specs about the claims that both make, and what can no longer happen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from luocheck.checker.diff.declarations import Declared, head
from luocheck.checker.expectations import line_text
from luocheck.checker.explore.result import Exploration
from luocheck.model.answer import Result, Verdict
from luocheck.model.ir import statements as st


class Change(Enum):
    """What became of a claim."""

    FIXED = "fixed"  # it failed, or was not reached
    BROKEN = "broken"  # it held, or was reached
    EMPTIED = "emptied"  # it held, and now nothing that it is about happens
    KEPT = "kept"
    CHANGED = "changed"  # it was vacuous before, or it failed and is vacuous now
    LOST = "lost"  # the new spec does not make it
    NEW = "new"
    UNDECIDED = "undecided"


WORSE = (Change.BROKEN, Change.EMPTIED, Change.LOST)
"""What breaks or loses something."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A claim of one spec or of both.  reworded: both make it, and it does not say the same.  waits: a limit left it open."""

    name: str
    new_name: str | None
    kind: str
    change: Change
    old: Verdict | None
    new: Verdict | None
    reworded: bool
    waits: bool


_GOOD = (Result.HOLDS, Result.PROVED, Result.REACHED)
_BAD = (Result.FAILS, Result.UNREACHED)


def compared(
    old: Exploration, new: Exploration, claims: Mapping[str, str], differences: tuple[Declared, ...]
) -> tuple[Compared, ...]:
    """The claims of both specs, in the order of the old one, then those that are new.

    claims: names of the new spec's claims by those of the old one.  differences: of the declarations.
    """
    reworded = {
        each.name for each in differences if each.what == "claim" and each.change in ("changed", "renamed") and _says_else(each)
    }
    theirs = {verdict.property: verdict for verdict in new.verdicts}
    found: list[Compared] = []
    for verdict in old.verdicts:
        name = claims.get(verdict.property)
        other = theirs.get(name) if name is not None else None
        change = change_of(verdict.result, other.result) if other is not None else Change.LOST
        waits = change is Change.UNDECIDED and (old.stopped is not None or new.stopped is not None)
        found.append(Compared(verdict.property, name, verdict.kind, change, verdict, other, verdict.property in reworded, waits))
    known = {each.new_name for each in found}
    found += [
        Compared(v.property, v.property, v.kind, Change.NEW, None, v, False, False) for v in new.verdicts if v.property not in known
    ]
    return tuple(found)


def change_of(old: Result, new: Result) -> Change:
    """What became of a claim, by its two results."""
    if Result.UNKNOWN in (old, new):
        return Change.UNDECIDED
    if (old in _GOOD and new in _GOOD) or (old in _BAD and new in _BAD) or old is new:
        return Change.KEPT
    if new in _GOOD:
        return Change.FIXED if old in _BAD else Change.CHANGED
    if new in _BAD:
        return Change.BROKEN
    return Change.EMPTIED if old in _GOOD else Change.CHANGED


def lost_reachable(claims: tuple[Compared, ...]) -> tuple[str, ...]:
    """The goals that were reached in the old spec and are not in the new one, or are no longer asked."""
    return tuple(
        each.name
        for each in claims
        if each.old is not None and each.old.result is Result.REACHED and (each.new is None or each.new.result is Result.UNREACHED)
    )


def dead_events(old: Exploration, new: Exploration, events: Mapping[str, str]) -> tuple[str, ...]:
    """Events that never fire in the new spec and did in the old one."""
    fired = {other for name, other in events.items() if name not in old.events_never_fired}
    return tuple(name for name in new.events_never_fired if name in fired)


def dead_texts(old: Exploration, new: Exploration, events: Mapping[str, str]) -> tuple[str, ...]:
    """What is new and never fires: events, and `fail` and `panic` lines of which the old spec has none that never fires either."""
    known = set(events.values())
    quiet = {_text(line) for line in old.lines_never_fired}
    lines = [line_text(line) for line in new.lines_never_fired if _text(line) not in quiet]
    return (*(name for name in new.events_never_fired if name not in known), *lines)


def _text(line: st.Stmt) -> tuple[str, str | None, str]:
    return line.place, line.label, head(line)


def _says_else(declared: Declared) -> bool:
    """Is it more than the name and the description that differs?"""
    return any(not detail.startswith(("to ", "doc:")) and detail != "doc" for detail in declared.details)
