"""The formats of `scenario`, by name.  Adding one is a line in FORMATS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from luocheck.checker.scenarios.answer import Chosen
from luocheck.generate.capture import captures
from luocheck.generate.diagrams import dot, mermaid
from luocheck.generate.program import program
from luocheck.generate.script import script
from luocheck.model.spec import Spec


@dataclass(frozen=True, slots=True)
class Format:
    """How a scenario is written.

    suffix: of its file.  together: can several texts stand in one file?  make: the texts of a scenario, one for most formats and one for
    each kernel for recordings; it may raise SpecError.
    """

    suffix: str
    together: bool
    make: Callable[[Spec, Chosen], Sequence[str]]

    def texts(self, spec: Spec, chosen: Chosen) -> list[tuple[str, str]]:
        """Name of a file, and what is to be in it."""
        made = self.make(spec, chosen)
        parts = [""] if len(made) == 1 else [f".kernel{number}" for number in range(1, len(made) + 1)]
        return [(chosen.name + part + self.suffix, text) for part, text in zip(parts, made, strict=True)]


FORMATS: dict[str, Format] = {
    "luo": Format(".scenario", True, lambda spec, chosen: [chosen.text]),
    "mermaid": Format(".mmd", False, lambda spec, chosen: [mermaid(spec, chosen)]),
    "dot": Format(".dot", False, lambda spec, chosen: [dot(spec, chosen)]),
    "c": Format(".c", False, lambda spec, chosen: [program(spec, chosen)]),
    "kselftest": Format(".c", False, lambda spec, chosen: [program(spec, chosen, style="kselftest")]),
    "sh": Format(".sh", False, lambda spec, chosen: [script(spec, chosen)]),
    "ftrace": Format(".trace.txt", False, captures),
}
"""Formats of a single scenario; `text` and `json` are reports of the whole answer."""

NAMES = ("text", "json", *FORMATS)
