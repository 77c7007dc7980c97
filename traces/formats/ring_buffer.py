"""Pages of the kernel's ring buffer: which records are on a page, when, and of which kind (kernel/trace/ring_buffer.c).

A page begins with the time of its first record and the number of bytes in use, in which two bits say that records before the page were
lost.  A record has a word of 5 bits type and 27 bits of ns since the one before; then its data, which begin with the id of the event.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

_FIELD = re.compile(rb"field:[^;\n]{0,200}?(\w{1,64});\s{0,8}offset:(\d{1,6});\s{0,8}size:(\d{1,7});")
_MISSED, _COUNTED = 1 << 31, 1 << 30
_USED = (1 << 27) - 1
_PADDING, _EXTEND, _STAMP = 29, 30, 31
_ABSOLUTE = 1 << 59
"""An absolute time has 59 bits; those above are the ones of the page."""

GAP = -1
"""Kind of an entry that stands for records that are missing."""

LOST, BACKWARDS, DAMAGED = range(3)
"""Why they are."""

_BACK = 10**9
"""A page that begins by more than this many ns before the end of the one before is of another recording, or another boot."""

Entry = tuple[int, int, bytes, int, int, "Lane"]
"""Time for the order, id of the event, page, where the data begin on it and where they end, lane.  For a GAP: the count (-1: unknown)
and the reason in place of the two."""


UNWANTED = 1 << 16
"""Is added to the id of an event whose data say that nobody asked for it; ids have 16 bits."""


@dataclass(frozen=True, slots=True)
class Peek:
    """What is looked at in the data of a kind of event: the word (of 32 bits) at `place`, when there are `least` words, must be in `wanted`."""

    place: int
    least: int
    wanted: frozenset[int]


@dataclass(frozen=True, slots=True)
class PageLayout:
    """Where things are on a page.  word: bytes of a long of the traced kernel."""

    order: str
    word: int
    data: int

    @staticmethod
    def of(header_page: bytes, order: str, word: int) -> PageLayout:
        """The layout that `events/header_page` describes.  Raises ValueError where it is none of this ring buffer."""
        fields = {m[1]: (int(m[2]), int(m[3])) for m in _FIELD.finditer(header_page[:4096])}
        commit, data = fields.get(b"commit", (8, word)), fields.get(b"data", (8 + word, 0))
        if fields.get(b"timestamp", (0, 8)) != (0, 8) or commit[0] != 8 or commit[1] not in (4, 8) or data[0] != 8 + commit[1]:
            raise ValueError("its pages are laid out in an unknown way")
        return PageLayout(order, commit[1], data[0])


@dataclass(slots=True, eq=False)
class Lane:
    """Decodes the pages of one CPU of one buffer, one after the other.  latest: time of the last record.  peeks: by id of the event.

    Times never go back within a lane, as far as the order of records is concerned: that of a record is at least that of the one before.
    """

    layout: PageLayout
    cpu: int
    buffer: int = 0
    latest: int = -1
    peeks: Mapping[int, Peek] = field(default_factory=dict)

    def entries(self, page: bytes) -> list[Entry]:
        """The records on a page.  A page that is not as a ring buffer writes it ends where that is noticed, with a GAP."""
        layout = self.layout
        out: list[Entry] = []
        (time,) = struct.unpack_from(f"{layout.order}Q", page)
        used = self._begin(page, time, out)
        if not used:
            return out
        words = struct.unpack_from(f"{layout.order}{len(page) // 4}I", page)
        little = layout.order == "<"
        at = layout.data >> 2
        end = at + (used >> 2)
        latest = self.latest
        append, peek_at = out.append, self.peeks.get
        while at < end:
            head = words[at]
            if little:
                kind, delta = head & 31, head >> 5
            else:
                kind, delta = head >> 27, head & 0x7FFFFFF
            at += 1
            if 0 < kind < _PADDING:
                following = at + kind
            elif at >= end:
                if kind != _PADDING or delta:
                    append((latest, GAP, b"", -1, DAMAGED, self))
                break
            elif kind == 0:
                following = at + (words[at] + 3 >> 2)
                at += 1
            elif kind == _PADDING:
                if delta == 0:
                    break
                time += delta
                at += words[at] + 3 >> 2
                continue
            else:
                extended = (words[at] << 27) + delta
                time = time + extended if kind == _EXTEND else _absolute(extended, time)
                at += 1
                continue
            time += delta
            if not at < following <= end:
                append((latest, GAP, b"", -1, DAMAGED, self))
                break
            if time > latest:
                latest = time
            number = words[at] & 0xFFFF if little else words[at] >> 16
            peek = peek_at(number)
            if peek is not None and following - at >= peek.least and words[at + peek.place] not in peek.wanted:
                number += UNWANTED
            append((latest, number, page, at << 2, following << 2, self))
            at = following
        self.latest = latest
        return out

    def _begin(self, page: bytes, time: int, out: list[Entry]) -> int:
        """Bytes in use on the page.  Records that are missing before it become an entry at the time after which they can have been."""
        used, lost = usage(page, self.layout)
        if used is None:
            out.append((self.latest, GAP, b"", -1, DAMAGED, self))
            return 0
        if lost is not None:
            out.append((self.latest, GAP, b"", lost, LOST, self))
        if self.latest - time > _BACK:
            out.append((self.latest, GAP, b"", -1, BACKWARDS, self))
        return used


def usage(page: bytes, layout: PageLayout) -> tuple[int | None, int | None]:
    """Bytes in use on a page, None for an impossible number; how many records were lost before it: None for none, -1 for some."""
    number = struct.Struct(layout.order + ("Q" if layout.word == 8 else "I"))
    (commit,) = number.unpack_from(page, 8)
    used = commit & _USED
    if used > len(page) - layout.data:
        return None, None
    if not commit & _MISSED:
        return used, None
    place = layout.data + used
    counted = commit & _COUNTED and place + layout.word <= len(page)
    return used, min(number.unpack_from(page, place)[0], 1 << 62) if counted else -1


def _absolute(stamp: int, time: int) -> int:
    """A time of 59 bits with the missing ones of the time before it."""
    full = stamp | time & ~(_ABSOLUTE - 1)
    return full if full >= time or not time & ~(_ABSOLUTE - 1) else full + _ABSOLUTE


def looks_raw(head: bytes) -> bool:
    """Do these first bytes of a file look like pages of a ring buffer without anything around them (per_cpu/cpuN/trace_pipe_raw)?"""
    if len(head) < 4096:
        return False
    for place in range(0, min(len(head), 16 * 4096) - 4095, 4096):
        time, commit = struct.unpack_from("<QQ", head, place)
        if not (0 < time < 1 << 62 and 0 <= commit & _USED <= 4080 and commit >> 32 == 0 and commit & 3 == 0):
            return False
    return True
