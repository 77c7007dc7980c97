"""Probes as events of a trace.dat: which fields their records have, and the addresses that stand for functions."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from luocheck.traces.formats.kallsyms import ENTRY
from luocheck.traces.records import Hit, Value

FieldText = tuple[str, int, int]
"""Declaration, size and whether it is signed, of a field."""

_TYPES: dict[str, tuple[str, int, int]] = {
    "fd": ("s32", 4, 1),
    "afd": ("s32", 4, 1),
    "dfd": ("s32", 4, 1),
    "sfd": ("s32", 4, 1),
    "cmd": ("u32", 4, 0),
    "size": ("u32", 4, 0),
    "ret": ("s64", 8, 1),
}
"""Types of the recipes (`traces.formats.recorders`); other numbers are u64."""

_STRINGS = frozenset({"name", "session"})
_CODES = {(4, 1): "i", (4, 0): "I", (8, 1): "q", (8, 0): "Q"}
_HEADER = 8
"""Bytes that all records begin with."""

_TEXT_BEGINS = {8: 0xFFFFFFFF81000000, 4: 0xC1000000}
"""Where the code of a kernel lies, by the size of a word."""


@dataclass(slots=True)
class Probes:
    """order: `<` or `>`.  word: 4 or 8.  addresses: of functions that probes were seen on, made up in the order in which they were."""

    order: str
    word: int
    addresses: dict[str, int] = field(default_factory=dict)

    def kallsyms(self) -> bytes:
        return b"".join(b"%x T %s\n" % (address, name.encode()) for name, address in self.addresses.items())

    def event(self, hit: Hit) -> tuple[str, str, list[FieldText], str, bytes]:
        """System, name, fields and `print fmt` of a kind of event, and the data of a record behind its header.

        Raises ValueError for a value that has no place in such a record.
        """
        system, _, name = hit.name.rpartition(":")
        places = self._places(hit)
        fields: list[FieldText] = [(f"unsigned long {each}", self.word, 0) for each in places]
        data, strings = bytearray(), bytearray()
        for value in places.values():
            data += struct.pack(f"{self.order}{'Q' if self.word == 8 else 'I'}", value)
        waiting: list[tuple[int, bytes]] = []
        for key, shown in hit.fields.items():
            if isinstance(shown, bytes) or key in _STRINGS:
                declared, size, signed = f"__data_loc char[] {key}", 4, 0
            else:
                kind, size, signed = _TYPES.get(key, ("u64", 8, 0))
                declared = f"{kind} {key}"
            fields.append((declared, size, signed))
            data += bytes(-len(data) % size)
            if declared.startswith("__data_loc"):
                waiting.append((len(data), _string(key, shown)))
                data += bytes(4)
            else:
                data += _number(key, shown, self.order + _CODES[size, signed])
        for place, text in waiting:
            where = _HEADER + len(data) + len(strings)
            struct.pack_into(f"{self.order}I", data, place, where | len(text) << 16)
            strings += text
        start = '" ' if not places else '"(%lx) '
        shown_as = start + " ".join(f"{key}=%d" for key in hit.fields) + '"'
        return system or "probes", name, fields, shown_as, bytes(data + strings)

    def _places(self, hit: Hit) -> dict[str, int]:
        """Where a probe is; an eprobe has no place but its event."""
        if hit.function.startswith("syscalls."):
            return {}
        if not hit.returns:
            return {"__probe_ip": self._address(hit.function)}
        caller = self._address(hit.caller or "somewhere")
        return {"__probe_func": self._address(hit.function), "__probe_ret_ip": caller + ENTRY}

    def _address(self, function: str) -> int:
        return self.addresses.setdefault(function, _TEXT_BEGINS[self.word] + 0x100 * len(self.addresses))


def _string(name: str, value: Value) -> bytes:
    """A string with its end; what could not be read has no length."""
    if value is None:
        return b""
    if not isinstance(value, bytes) or b"\0" in value:
        raise ValueError(f"the field `{name}` is no string that a trace.dat can have")
    return value + b"\0"


def _number(name: str, value: Value, code: str) -> bytes:
    if not isinstance(value, int):
        raise ValueError(f"the field `{name}` has no number")
    try:
        return struct.pack(code, value)
    except struct.error as error:
        raise ValueError(f"the field `{name}` is too large a number for its type") from error
