"""Functions of the traced kernel by their addresses, from the copy of /proc/kallsyms in a recording."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

ENTRY = 16
"""Bytes from the beginning of a function within which tracers and probes of its entry fire: behind a landing pad and the call of ftrace."""


class Symbols:
    """Looked up by address; the text is taken apart when that is asked for the first time."""

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._table: tuple[list[int], list[bytes]] | None = None

    def __bool__(self) -> bool:
        return bool(self._sorted()[0])

    def functions(self, address: int) -> list[str]:
        """The names of the function that begins there, or a few bytes before; none where the recording has none of that place."""
        addresses, names = self._sorted()
        end = bisect_right(addresses, address)
        if end == 0 or address - addresses[end - 1] >= ENTRY:
            return []
        return [name.decode("utf-8", "replace") for name in names[bisect_left(addresses, addresses[end - 1]) : end]]

    def around(self, address: int) -> str | None:
        """The last function that begins before `address`: where a return address lies, if the table is complete."""
        addresses, names = self._sorted()
        place = bisect_right(addresses, address) - 1
        return names[place].decode("utf-8", "replace") if place >= 0 else None

    def _sorted(self) -> tuple[list[int], list[bytes]]:
        if self._table is None:
            pairs = sorted(filter(None, map(_symbol, self._text.split(b"\n"))))
            self._table = [address for address, _ in pairs], [name for _, name in pairs]
            self._text = b""
        return self._table


def _symbol(line: bytes) -> tuple[int, bytes] | None:
    """`ffffffff810ee2d0 t luo_ioctl [module]`; None for data, and for addresses that the kernel hid."""
    words = line.split(None, 3)
    if len(words) < 3 or words[1] not in (b"t", b"T", b"w", b"W", b"i") or not 0 < len(words[0]) <= 16:
        return None
    try:
        address = int(words[0], 16)
    except ValueError:
        return None
    return (address, words[2]) if address > 0 else None
