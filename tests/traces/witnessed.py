"""What tests of witnesses share: the hand-made one of the documentation, and ways to change it and its recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from luocheck.model.spec import Spec
from luocheck.traces.witness import parse
from luocheck.traces.witness_check import WitnessCheck, check_witness

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
SHORT, WITNESS = str(EXAMPLES / "short.trace.txt"), EXAMPLES / "short.witness.json"

Document = dict[str, Any]


def hand_made() -> Document:
    """The witness of the documentation."""
    loaded: Document = json.loads(WITNESS.read_text(encoding="utf-8"))
    return loaded


def checked(spec: Spec, witness: Document, capture: str = SHORT) -> WitnessCheck:
    return check_witness(spec, parse(witness, "w.json"), capture, "w.json")


def changed_capture(old: str, new: str, folder: Path, capture: str = SHORT) -> str:
    text = Path(capture).read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = folder / "changed.trace.txt"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return str(path)


def without_hash(witness: Document) -> Document:
    witness["recording"]["sha256"] = None
    return witness


def line(thread: int, time: int, message: str) -> str:
    return f"{'luo-agent':>16s}-{thread:<7d} [000] .....     3.{time:06d}: {message}"


def capture(folder: Path, *lines: str) -> str:
    path = folder / "made.trace.txt"
    path.write_text("\n".join(["# tracer: nop", "#", *lines]) + "\n", encoding="utf-8")
    return str(path)


def fact(field: str, value: Any, **of: str) -> Document:
    return {"field": field, "owners": list(of), "of": list(of.values()), "value": value}


def step(call: int | None, lines: list[int], event: str, arguments: dict[str, str], gives: str | None = None) -> Document:
    return {
        "call": call, "lines": lines, "event": event, "arguments": arguments, "bad": [], "outcome": "OK", "label": None, "gives": gives,
    }  # fmt: skip


def called(thread: int, time: int, enter: str, result: int) -> list[str]:
    name = enter.partition("(")[0]
    return [line(thread, time, enter), line(thread, time + 1, f"{name} -> {result & (1 << 64) - 1:#x}")]
