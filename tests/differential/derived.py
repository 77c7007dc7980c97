"""A random spec that extends a random spec: it removes, overrides, patches and adds."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from differential.expressions import PROPERTY
from differential.specs import RandomSpec
from differential.statements import FULL, Body, Lines, indented


def derived_text(base: RandomSpec, seed: int) -> str:
    """The text of `spec derived extends drawn`; changes the vocabulary of `base`, which serves one derived spec only."""
    return _Deriver(base, Random(seed)).text()


class _Deriver:
    def __init__(self, base: RandomSpec, rng: Random) -> None:
        self.base = base
        self.rng = rng
        self.words = base.words
        self.words.rng = rng
        self.expressions = base.statements.expressions

    def text(self) -> str:
        changes = [self.override_event, self.patch, self.remove_claim, self.override_invariant, self.add, self.override_field]
        lines: Lines = ["spec derived extends drawn;"]
        for change in self.rng.sample(changes, self.rng.randint(2, len(changes))):
            lines += change()
        return "\n".join(lines) + "\n"

    def override_event(self) -> Lines:
        """Another body for an event whose labels nothing names."""
        free = [e for e in self.base.events if not self.base.labels.get(e.name) and e.result is None]
        if not free:
            return []
        event = self.rng.choice(free)
        listed = ", ".join(f"{p.name}: {p.type.text}" for p in event.parameters)
        body = Body(replace(PROPERTY, ghosts=False, safe=False, locals=event.parameters), FULL, in_call=True)
        lines = self.base.statements.block(body, 3)
        return [f"override {event.kind} {event.name}{f'({listed})' if listed else ''} {{", *indented(lines), "}"]

    def patch(self) -> Lines:
        """Edits at labelled statements; a label that a claim names stays."""
        edits: Lines = []
        options = [(e, label) for e in self.base.events for label, _ in self.base.labels.get(e.name, [])]
        if not options:
            return []
        event, label = self.rng.choice(options)
        place = replace(PROPERTY, ghosts=False, safe=False, locals=event.parameters)
        words = ["insert before", "insert after"]
        if not self._named(label):
            words += ["replace", "drop"]
        word = self.rng.choice(words)
        if word == "drop":
            edits = [f"drop {label};"]
        else:
            lines = self.base.statements.block(Body(place, FULL, in_call=True, depth=2), 2)
            edits = [f"{word} {label} {{", *indented(lines), "}"]
        return [f"patch {event.kind} {event.name} {{", *indented(edits), "}"]

    def remove_claim(self) -> Lines:
        if not self.base.claims:
            return []
        kind, name = self.rng.choice(self.base.claims)
        return [f"remove {kind} {name};"] if any(f" {name}" in line for line in self.base.text.splitlines()) else []

    def override_invariant(self) -> Lines:
        return [f"override invariant always: {self.expressions.boolean(PROPERTY)};"]

    def override_field(self) -> Lines:
        """Another lifetime, when nothing depends on it."""
        fields = [f for f in self.words.fields if f.lifetime in ("volatile", "preserved") and f.owners and f.init != "any"]
        if not fields:
            return []
        each = self.rng.choice(fields)
        other = {"volatile": "preserved", "preserved": "volatile"}[each.lifetime]
        return [f"override per {', '.join(each.owners)} {{ {other} {each.text}; }}"]

    def add(self) -> Lines:
        return [
            "extend enum Phase { LATER }",
            f"reachable added: {self.expressions.boolean(PROPERTY)};",
            "ghost var also: bool = false;",
            "on any returns OK { also = true; }",
        ]

    def _named(self, label: str) -> bool:
        """Does a claim name the label, or one inside of the statement that has it?"""
        lines = self.base.text.splitlines()
        first = next(number for number, line in enumerate(lines) if line.lstrip().startswith(f"{label}: "))
        margin = len(lines[first]) - len(lines[first].lstrip())
        inside = [label]
        for line in lines[first + 1 :]:
            if len(line) - len(line.lstrip()) <= margin and not line.lstrip().startswith("}"):
                break
            inside += [word[:-1] for word in line.split() if word.startswith("at") and word.endswith(":")]
        claims = [line for line in lines if line.startswith(("at ", "after "))]
        return any(f" {each} " in line for each in inside for line in claims)
