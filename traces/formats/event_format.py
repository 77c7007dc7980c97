"""`events/SYSTEM/EVENT/format`: where the fields of a kind of event lie in its record."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = re.compile(rb"\s{0,20}name: ([^\s]{1,200})\n")
_ID = re.compile(rb"^ID: (\d{1,5})$", re.MULTILINE)
_FIELD = re.compile(
    rb"^\s{0,8}field:([^;\n]{1,300});\s{0,8}offset:(\d{1,6});\s{0,8}size:(\d{1,6});(?:\s{0,8}signed:([01]);)?", re.MULTILINE
)
_DECLARED = re.compile(rb"(.*?)([A-Za-z_]\w{0,99})(\[[^\]]{0,40}\])?", re.DOTALL)
_PRINT = re.compile(rb"^print fmt: (.{0,4000})", re.MULTILINE | re.DOTALL)

MOST_FIELDS = 256


@dataclass(frozen=True, slots=True)
class Field:
    """array: `name[..]` or a type that ends in `[]`.  place: None for what lies in the record itself, else `data` or `rel` (see Dynamic)."""

    name: str
    offset: int
    size: int
    signed: bool
    array: bool
    text: bool
    place: str | None = None

    @property
    def number(self) -> bool:
        return not self.array and self.size in (1, 2, 4, 8)


@dataclass(frozen=True, slots=True)
class EventFormat:
    """A kind of event.  fields: without those that all events have."""

    system: str
    name: str
    number: int
    fields: tuple[Field, ...]
    shown: bytes

    def field(self, name: str) -> Field | None:
        return next((each for each in self.fields if each.name == name), None)


def parse_format(system: str, text: bytes) -> EventFormat | None:
    """None for what is no format, or has no type and task where every kernel since 2.6.32 has them."""
    name, number = _NAME.match(text), _ID.search(text, 0, 1000)
    if name is None or number is None or int(number[1]) > 0xFFFF:
        return None
    fields: list[Field] = []
    common: dict[str, tuple[int, int]] = {}
    for match in _FIELD.finditer(text):
        each = _field(*match.groups())
        if each is None:
            continue
        if each.name.startswith("common_"):
            common[each.name] = each.offset, each.size
        elif len(fields) < MOST_FIELDS:
            fields.append(each)
    if common.get("common_type") != (0, 2) or common.get("common_pid") != (4, 4):
        return None
    shown = _PRINT.search(text)
    return EventFormat(system, name[1].decode("utf-8", "replace"), int(number[1]), tuple(fields), shown[1] if shown else b"")


def _field(declared: bytes, offset: bytes, size: bytes, signed: bytes | None) -> Field | None:
    match = _DECLARED.fullmatch(declared.strip())
    if match is None:
        return None
    kind, name, brackets = match.groups()
    place = "data" if b"__data_loc" in kind else "rel" if b"__rel_loc" in kind else None
    array = brackets is not None or kind.rstrip().endswith(b"[]")
    text = array and re.search(rb"\bchar\b", kind) is not None
    return Field(name.decode(), int(offset), int(size), signed == b"1", array, text, place)
