"""The formats of `scenario`, by name.  Adding one is a line in FORMATS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from luocheck.checker.scenarios.answer import Chosen
from luocheck.generate.diagrams import dot, mermaid
from luocheck.generate.program import program
from luocheck.generate.script import script
from luocheck.model.spec import Spec


@dataclass(frozen=True, slots=True)
class Format:
    """How a scenario is written.  suffix: of its file.  together: can several stand in one text?  make may raise SpecError."""

    suffix: str
    together: bool
    make: Callable[[Spec, Chosen], str]


FORMATS: dict[str, Format] = {
    "luo": Format(".scenario", True, lambda spec, chosen: chosen.text),
    "mermaid": Format(".mmd", False, mermaid),
    "dot": Format(".dot", False, dot),
    "c": Format(".c", False, program),
    "kselftest": Format(".c", False, lambda spec, chosen: program(spec, chosen, style="kselftest")),
    "sh": Format(".sh", False, script),
}
"""Formats of a single scenario; `text` and `json` are reports of the whole answer."""

NAMES = ("text", "json", *FORMATS)
