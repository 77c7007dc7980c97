"""What it means that two engines agree."""

from __future__ import annotations

from luocheck.checker.explore.exploration import Exploration

QUICK = ("-std=gnu11", "-O0", "-w", "-fPIC", "-shared", "-fno-strict-aliasing", "-fno-sanitize=undefined")
"""Flags of builds that are used once: compiling them takes longer than running them."""


def told(found: Exploration) -> dict[str, object]:
    """Everything that an exploration says, but who searched."""
    return {
        "states": found.states,
        "transitions": found.transitions,
        "depth": found.depth,
        "levels": found.levels,
        "instances": found.instances,
        "stopped": found.stopped,
        "ended early": found.ended_early,
        "cuts": found.cuts,
        "events that never fired": found.events_never_fired,
        "lines that never fired": [line.span for line in found.lines_never_fired],
        **{f"verdict on {v.property}": (v.result, v.method, v.note) for v in found.verdicts},
        **{f"witness of {v.property}": repr(v.witness) for v in found.verdicts},
    }


def assert_same(interpreted: Exploration, native: Exploration) -> None:
    """The native engine searched, and came to the same as the interpreter, to the letter of each witness."""
    assert native.engine == "explore"
    one, other = told(interpreted), told(native)
    for what, value in one.items():
        assert other[what] == value, what
