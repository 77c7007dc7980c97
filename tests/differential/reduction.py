"""A smaller text that still fails: lines, and blocks between braces, are left out as long as it does."""

from __future__ import annotations

from collections.abc import Callable


def reduced(text: str, fails: Callable[[str], bool], most_tries: int = 4000) -> str:
    """The text with as many lines left out as `fails` allows; `fails` must be false of texts that are no spec."""
    lines = text.splitlines()
    tries = 0
    changed = True
    while changed and tries < most_tries:
        changed = False
        position = len(lines) - 1
        while position > 0:
            for stretch in _stretches(lines, position):
                shorter = lines[:position] + lines[position + stretch :]
                tries += 1
                if fails("\n".join(shorter) + "\n"):
                    lines, changed = shorter, True
                    break
            position -= 1
            position = min(position, len(lines) - 1)
    return "\n".join(lines) + "\n"


def _stretches(lines: list[str], position: int) -> list[int]:
    """How many lines could be left out from here: the block that begins here, or one line."""
    level = 0
    for count, line in enumerate(lines[position:], 1):
        level += line.count("{") - line.count("}")
        if level <= 0:
            return [count] if count > 1 else [1]
    return [1]
