"""What one spec declares and the other does not, or declares differently; of bodies, the statements that came and went."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from luocheck.model.ir import statements as st
from luocheck.model.ir.dump import dump, node
from luocheck.model.ir.system import System
from luocheck.model.source import Span
from luocheck.model.spec import Spec


@dataclass(frozen=True, slots=True)
class Line:
    """A statement without the blocks inside of it.  place: the event, proc or walk in whose text it stands."""

    place: str
    label: str | None
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Declared:
    """A difference.  what: `enum`, `field`, `event`, `claim` and so on.  change: added, removed, changed, or renamed (an event that is
    mapped).  details: what of it differs.  went, came: statements of a body."""

    what: str
    name: str
    change: str
    details: tuple[str, ...] = ()
    went: tuple[Line, ...] = ()
    came: tuple[Line, ...] = ()


_SECTIONS = (
    ("sort", "sorts"),
    ("enum", "enums"),
    ("field", "fields"),
    ("lock", "locks"),
    ("graph", "graphs"),
    ("event", "events"),
    ("claim", "properties"),
    ("scope", "scopes"),
    ("topology", "topologies"),
)
_ABI = (("handle", "handles", "name"), ("descriptor", "descriptors", "target"), ("ioctl", "ioctls", "event"),
        ("syscall", "syscalls", "event"), ("errno", "errnos", "name"))  # fmt: skip

_BODIES = ("body", "effects", "slots")


def declarations(old: Spec, new: Spec, events: Mapping[str, str], claims: Mapping[str, str]) -> tuple[Declared, ...]:
    """Everything that two specs declare differently, kind by kind in the order of the specs.

    events, claims: names of the new spec by those of the old one, for those that belong together.
    """
    left, right = dump(old), dump(new)
    found: list[Declared] = []
    for what, section in _SECTIONS:
        names = {"event": events, "claim": claims}.get(what)
        mine, theirs = _by_name(left[section]), _by_name(right[section])
        for change in _compared(what, mine, theirs, names):
            found.append(change)
        if what == "event":
            found = _with_bodies(found, old.system, new.system, events)
    for what, section, key in _ABI:
        found += _compared(f"abi {what}", _by(left["abi"][section], key), _by(right["abi"][section], key), None)
    for what in ("process", "sized"):
        one, other = left["abi"][what], right["abi"][what]
        found += _compared("abi", {what: one} if one else {}, {what: other} if other else {}, None)
    return tuple(found)


def _compared(what: str, mine: Mapping[str, Any], theirs: Mapping[str, Any], names: Mapping[str, str] | None) -> Iterator[Declared]:
    partner = {name: name for name in mine if name in theirs} if names is None else names
    for name, one in mine.items():
        other = theirs.get(partner[name]) if name in partner else None
        if other is None:
            yield Declared(what, name, "removed")
            continue
        details = tuple(_details(_plain(one), _plain(other)))
        if partner[name] != name:
            yield Declared(what, name, "renamed", (f"to {partner[name]}", *details))
        elif details:
            yield Declared(what, name, "changed", details)
    known = set(partner.values())
    yield from (Declared(what, name, "added") for name in theirs if name not in known)


def _details(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """What of two declarations differs; what is short is said, of the rest that it does."""
    for key in one:
        before, after = one[key], other.get(key)
        if key in (*_BODIES, "name", "event", "expectations") or before == after:
            continue
        texts = [_short(before), _short(after)]
        yield f"{key.replace('_', ' ')}: {texts[0]} -> {texts[1]}" if None not in texts else key.replace("_", " ")


def _short(value: Any) -> str | None:
    """A value of a document in a few words, None when it needs more."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int() | str():
            return str(value)
        case list():
            texts = [_short(each) for each in value]
            return "{ " + ", ".join(str(text) for text in texts) + " }" if None not in texts else None
        case {"name": str(name), "number": number}:
            return f"{name} = {number}"
        case {"name": str(name), "type": str(type_)}:
            return f"{name}: {type_}"
        case dict() if "node" not in value and all(isinstance(each, int | str) for each in value.values()):
            return "{ " + ", ".join(f"{key} = {each}" for key, each in value.items()) + " }"
    return None


def _by_name(section: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entries of a section; fields of different sorts may share a name."""
    return {f"{each['owners'][0]}.{each['name']}" if len(each.get("owners", ())) == 1 else each["name"]: each for each in section}


def _by(section: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    return {each[key]: each for each in section}


def _plain(value: Any, slots: dict[int, int] | None = None) -> Any:
    """A document without places, and with slots numbered as they are met."""
    slots = {} if slots is None else slots
    match value:
        case dict():
            return {
                key: slots.setdefault(each, len(slots)) if key in _SLOTS and isinstance(each, int) else _plain(each, slots)
                for key, each in value.items()
                if key not in ("span", "locals", "inherited") and (key != "slot" or "node" in value or "value" in value)
            }
        case list():
            return [_plain(each, slots) for each in value]
    return value


_SLOTS = ("slot", "result", "result_to")


# ---- bodies -----------------------------------------------------------------------------------------------------


def _with_bodies(found: list[Declared], old: System, new: System, events: Mapping[str, str]) -> list[Declared]:
    """The differences so far, with the statements of the events that both have, and of boot."""
    made = list(found)
    bodies = [(name, [old.event(name).body, *(e.body for e in old.event(name).effects)],
               [new.event(other).body, *(e.body for e in new.event(other).effects)])
              for name, other in events.items()]  # fmt: skip
    bodies.append(("boot", [old.boot] if old.boot is not None else [], [new.boot] if new.boot is not None else []))
    for name, mine, theirs in bodies:
        went, came = _lines_changed(_lines(mine, old), _lines(theirs, new))
        if not went and not came:
            continue
        what = "boot" if name == "boot" else "event"
        known = next((each for each in made if (each.what, each.name) == (what, name)), None)
        if known is not None:
            made[made.index(known)] = Declared(what, name, known.change, known.details, went, came)
        else:
            made.append(Declared(what, name, "changed", (), went, came))
    return made


@dataclass(frozen=True, slots=True)
class _Marked:
    """A line; what two lines share exactly when they mean the same; the numbers of the lines around it that ran the proc or walk it stands in."""

    line: Line
    meaning: str
    around: tuple[int, ...]


def _lines(bodies: Sequence[st.Block], system: System) -> list[_Marked]:
    found: list[_Marked] = []
    for body in bodies:
        _in_block(body, system, None, (), found)
    return found


def _in_block(block: st.Block, system: System, outer: st.Stmt | None, around: tuple[int, ...], found: list[_Marked]) -> None:
    for stmt in block.statements:
        if outer is None or stmt.span != outer.span:  # `fail E when C;` is two statements in one text
            found.append(_Marked(_line(stmt), _meaning(stmt, system), around))
        here = len(found) - 1
        for inner in st.blocks(stmt):
            _in_block(inner, system, stmt, (*around, here) if _runs_elsewhere(stmt, inner) else around, found)


def _runs_elsewhere(stmt: st.Stmt, block: st.Block) -> bool:
    """Is this the text of a proc or walk that the statement runs?"""
    return any(inner.place != stmt.place for inner in block.statements)


def _line(stmt: st.Stmt) -> Line:
    shared = [inner.label for block in st.blocks(stmt) for inner in block.statements if inner.span == stmt.span]
    label = stmt.label or next((label for label in shared if label is not None), None)
    return Line(stmt.place, label, head(stmt), stmt.span)


def head(stmt: st.Stmt) -> str:
    """The text of a statement up to the first block inside of it, on one line and without comments."""
    span = stmt.span
    inside = [
        inner.span.start
        for block in st.blocks(stmt)
        for inner in block.statements
        if inner.span.source is span.source and span.start < inner.span.start < span.end
    ]
    text = span.source.text[span.start : min(inside, default=span.end)]
    text = " ".join(re.sub(r"//[^\n]*", "", text).split())
    return re.sub(r"\s*\{[^{}]*$", "", text).rstrip(";") if inside else text.rstrip(";")


def _meaning(stmt: st.Stmt, system: System) -> str:
    """What a statement says without its blocks (but for the one of a `fail ... when`): defines are written out, locals are numbered."""
    document = _plain(node(stmt, system))
    label = _line(stmt).label
    kept = {
        key: value
        for key, value in document.items()
        if key not in ("place", "label") and not (isinstance(value, dict) and value.get("node") in ("block", "rollback"))
    }
    shared = [inner for block in st.blocks(stmt) for inner in block.statements if inner.span == stmt.span]
    return repr(label) + repr(kept) + "".join(repr(_plain(node(inner, system))) for inner in shared)


def _lines_changed(mine: list[_Marked], theirs: list[_Marked]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    matcher = SequenceMatcher(None, [each.meaning for each in mine], [each.meaning for each in theirs], autojunk=False)
    went: set[int] = set()
    came: set[int] = set()
    for what, a, b, c, d in matcher.get_opcodes():
        if what != "equal":
            went |= set(range(a, b))
            came |= set(range(c, d))
    return _outermost(mine, went), _outermost(theirs, came)


def _outermost(lines: list[_Marked], changed: set[int]) -> tuple[Line, ...]:
    """Lines without those that only went or came with what runs them."""
    return tuple(lines[i].line for i in sorted(changed) if not changed.intersection(lines[i].around))
