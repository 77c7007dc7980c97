"""Random claims of every kind about a random spec, and the ghosts that `on ... { }` writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from differential.expressions import PROPERTY, Expressions, Place
from differential.statements import Lines, Statements, indented
from differential.vocabulary import ERRNOS, Local, Type, Vocabulary


@dataclass(frozen=True)
class EventWord:
    kind: str
    name: str
    parameters: tuple[Local, ...]
    result: Local | None

    @property
    def place(self) -> Place:
        """What claims about one of its calls can name; the result may be none."""
        result = self.result
        known = self.parameters
        if result is not None:
            type_ = Type("optional", result.type.of) if result.type.kind == "elem" else result.type
            known = (*known, Local(result.name, type_)) if type_.kind == "optional" else known
        return replace(PROPERTY, locals=known, old=True)


class Claims:
    """Draws claims.  `removable` are those that a derived spec can remove: the word for the kind, and the name."""

    def __init__(
        self,
        words: Vocabulary,
        expressions: Expressions,
        statements: Statements,
        events: list[EventWord],
        labels: dict[str, list[tuple[str, str]]],
    ) -> None:
        self.words = words
        self.expressions = expressions
        self.statements = statements
        self.events = events
        self.labels = labels
        self.removable: list[tuple[str, str]] = []

    def lines(self) -> Lines:
        words = self.words
        kinds: list[tuple[float, Callable[[], str | None]]] = [
            (3, self.invariant),
            (1, self.lemma),
            (2, self.reachable),
            (4, self.after),
            (1.5, self.after_any),
            (1.2, self.at),
            (1.5, self.never),
            (1.2, self.stuck),
            (2, self.recoverable),
            (1.5, self.liveness),
        ]
        found = [words.weighted(kinds)() for _ in range(words.rng.randint(4, 8))]
        lines = list(dict.fromkeys(line for line in found if line is not None))
        if any(f.lifetime == "ghost" for f in words.fields) and words.chance(0.7):
            lines += self.effect()
        return lines

    def name(self, kind: str) -> str:
        name = self.words.fresh("claim")
        self.removable.append((kind, name))
        return name + (' "P-ONE"' if self.words.chance(0.1) else "")

    def condition(self, place: Place = PROPERTY) -> str:
        return self.expressions.boolean(place, self.words.rng.randint(1, 3))

    def invariant(self) -> str:
        return f"invariant {self.name('invariant')}: {self.condition()};"

    def lemma(self) -> str:
        return f"lemma {self.name('lemma')}: {self.condition()};"

    def reachable(self) -> str:
        return f"reachable {self.name('reachable')}: {self.condition()};"

    def outcome(self, event: EventWord | None) -> str:
        """` returns X`, or nothing."""
        words = self.words
        own = [label for label, what in self.labels.get(event.name, []) if what.startswith("fail")] if event else []
        if own and words.chance(0.4):
            return f" returns {words.pick(ERRNOS)} at {words.pick(own)}"
        return words.pick(["", " returns OK", " returns OK", " returns error", f" returns {words.pick(ERRNOS)}", " returns PANIC"])

    def after(self) -> str:
        event = self.words.pick(self.events)
        return f"after {event.name}{self.outcome(event)} check {self.name('after')}: {self.condition(event.place)};"

    def after_any(self) -> str:
        which = self.words.pick(["any", "any ioctl", "any env"])
        condition = self.condition(replace(PROPERTY, old=True))
        return f"after {which}{self.outcome(None)} check {self.name('after')}: {condition};"

    def at(self) -> str | None:
        labels = [label for each in self.labels.values() for label, _ in each]
        if not labels:
            return None
        in_boot = any(label in [own for own, _ in self.labels.get("boot", [])] for label in labels)
        condition = self.condition(replace(PROPERTY, old=not in_boot))
        return f"at {self.words.pick(labels)} check {self.name('at')}: {condition};"

    def never(self) -> str | None:
        event, outcome = self.words.pick(self.events).name, self.words.pick(["OK", "PANIC", *ERRNOS])
        if ("never", f"{event}_never_{outcome}") in self.removable:
            return None
        self.removable.append(("never", f"{event}_never_{outcome}"))
        return f"never {event} returns {outcome};"

    def stuck(self) -> str:
        unless = f" unless {self.condition()}" if self.words.chance(0.4) else ""
        return f"never stuck {self.name('never')}{unless};"

    def some_events(self) -> str:
        chosen = dict.fromkeys(self.words.pick(self.events).name for _ in range(2))
        return ", ".join(chosen)

    def recoverable(self) -> str:
        using = f" using {self.some_events()}" if self.words.chance(0.6) else ""
        faults = " with faults" if self.words.chance(0.3) else ""
        name = self.name("recoverable")
        return f"recoverable {name}: {self.condition()} can reach {self.condition()}{using}{faults};"

    def liveness(self) -> str:
        words = self.words
        chosen = dict.fromkeys(words.pick(self.events).name for _ in range(words.rng.randint(0, 3)))
        assumed = ", ".join(name + (" succeeds" if words.chance(0.5) else "") for name in chosen)
        assuming = f" assuming {assumed}" if assumed else ""
        return f"liveness {self.name('liveness')}: {self.condition()} leads to {self.condition()}{assuming};"

    # ---- ghosts from outside ------------------------------------------------------------------------------------

    def effect(self) -> Lines:
        words = self.words
        event = words.pick(self.events) if words.chance(0.7) else None
        who = event.name if event is not None else words.pick(["any", "any ioctl"])
        place = replace(event.place if event is not None else PROPERTY, old=True)
        lines: Lines = []
        for each in words.fields:
            if each.lifetime != "ghost":
                continue
            target = self.expressions.place_of(each, replace(place, old=False))
            value = self.expressions.value(each.type, place)
            if target is None or value is None:
                continue
            if each.type.kind in ("set", "seq"):
                item = self.expressions.element(each.type.of, place)
                if item is None:
                    continue
                word = words.pick(["append", "remove"] if each.type.kind == "seq" else ["add", "remove"])
                line = f"{word} {item} {'from' if word == 'remove' else 'to'} {target};"
            else:
                line = f"{target} = {value};"
            lines += [f"if {self.condition(place)} {{", f"    {line}", "}"] if words.chance(0.3) else [line]
        return [f"on {who}{self.outcome(event)} {{", *indented(lines), "}"] if lines else []
