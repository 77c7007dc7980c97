"""A loaded spec: its text, its flattened tree and the `System` that it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from luocheck.model.diagnostics import Diagnostics, SpecError, fail
from luocheck.model.ir.system import System
from luocheck.model.library import is_path, read_base, read_spec
from luocheck.model.resolve.flatten import FlatSpec, ReadBase, flatten
from luocheck.model.resolve.symbols import Symbols
from luocheck.model.resolve.system import resolve
from luocheck.model.scenario.resolve import resolve_scenarios
from luocheck.model.scenario.scenarios import Scenario
from luocheck.model.source import Source
from luocheck.model.syntax.nodes import SpecText
from luocheck.model.syntax.parser import parse


@dataclass(frozen=True, slots=True, eq=False)
class Spec:
    """What `load` returns.

    scenarios: those of the spec and of the specs that it extends.  `symbols` serves expressions that come later: from the command line
    and from scenarios.
    """

    source: Source
    tree: SpecText
    flat: FlatSpec
    system: System
    symbols: Symbols
    scenarios: tuple[Scenario, ...]

    @property
    def name(self) -> str:
        return self.system.name

    @property
    def texts(self) -> tuple[Source, ...]:
        """Its text, and those of the specs that it extends, the nearest first: all that it depends on."""
        return (self.source, *self.flat.texts)

    @property
    def sha256(self) -> str:
        """The hash of `texts` one after another; for a spec that extends no other, that of its file."""
        from hashlib import sha256

        return sha256("".join(text.text for text in self.texts).encode("utf-8", "surrogateescape")).hexdigest()


def load(spec: str) -> Spec:
    """Load a shipped spec by name, or a spec file by path (anything with a slash or ending in `.luo`).

    Raises SpecError with every diagnostic when the text is not a correct spec.
    """
    return load_source(read_spec(spec)) if is_path(spec) else _shipped(spec)


@cache
def _shipped(name: str) -> Spec:
    """A shipped spec: its text is part of the program, so it is read once."""
    return load_source(read_spec(name))


def load_texts(texts: Sequence[Source]) -> Spec:
    """The spec whose `texts` these are, without a look at the disk.  Raises SpecError with every diagnostic."""
    bases = iter(texts[1:])
    return load_source(texts[0], lambda name, derived: next(bases, None))


def load_source(source: Source, read: ReadBase = read_base) -> Spec:
    """Load a spec from a text; `read` finds the texts that it extends.  Raises SpecError with every diagnostic."""
    diagnostics = Diagnostics()
    tree = parse(source, diagnostics)
    if tree is None:
        diagnostics.raise_errors()
        raise SpecError(diagnostics.items)
    flat = flatten(tree, diagnostics, read=read)
    try:
        system, symbols = resolve(flat, diagnostics)
        scenarios = resolve_scenarios(flat.declarations, flat.inherited, system, symbols, diagnostics)
    except RecursionError:
        fail("LUO105", "procs, defines or expressions of this spec are nested too deep", flat.span)
    diagnostics.raise_errors()
    return Spec(source, tree, flat, system, symbols, scenarios)
