"""The declared things of a random spec: sorts, enums, fields, locks, a graph, predicates; and the text that declares them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, log2
from random import Random
from typing import NamedTuple, TypeVar

T = TypeVar("T")

ERRNOS = ("EIO", "ENOMEM", "EBUSY", "EINVAL")


class Type(NamedTuple):
    """kind: bool, count, enum, elem, optional, errno, set, seq; `of` names the sort or enum, `limit` is a count's."""

    kind: str
    of: str = ""
    limit: int = 0

    @property
    def text(self) -> str:
        match self.kind:
            case "count":
                return f"count({self.limit})"
            case "elem" | "enum":
                return self.of
            case "optional":
                return f"{self.of}?"
            case "set" | "seq":
                return f"{self.kind} {self.of}"
        return self.kind


BOOL, ERRNO = Type("bool"), Type("errno")


@dataclass(frozen=True)
class SortWord:
    name: str
    symmetric: bool = False
    ordered: bool = False
    pool: bool = False
    caller: bool = False
    size: int = 1

    @property
    def text(self) -> str:
        words = [w for w in ("symmetric", "ordered", "pool", "caller") if getattr(self, w)]
        return f"sort {' '.join([self.name, *words])};"


@dataclass(frozen=True)
class FieldWord:
    name: str
    owners: tuple[str, ...]
    lifetime: str
    type: Type
    init: str | None

    @property
    def text(self) -> str:
        """The declaration, without `var` and its semicolon."""
        return f"{self.name}: {self.type.text}" + (f" = {self.init}" if self.init is not None else "")


class LockWord(NamedTuple):
    name: str
    shared: bool
    owner: str | None


class GraphWord(NamedTuple):
    name: str
    sort: str
    acyclic: bool


class Local(NamedTuple):
    name: str
    type: Type
    ghost: bool = False


@dataclass
class Vocabulary:
    """What a spec declares before its bodies, and the names given so far."""

    rng: Random
    sorts: dict[str, SortWord] = field(default_factory=dict)
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fields: list[FieldWord] = field(default_factory=list)
    locks: list[LockWord] = field(default_factory=list)
    graph: GraphWord | None = None
    predicate: str | None = None  # abi predicate about elements of NAMED
    names: int = 0

    def fresh(self, prefix: str) -> str:
        self.names += 1
        return f"{prefix}{self.names}"

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def pick(self, options: Sequence[T]) -> T:
        return self.rng.choice(options)

    def weighted(self, options: Sequence[tuple[float, T]]) -> T:
        return self.rng.choices([each for _, each in options], [weight for weight, _ in options])[0]

    @property
    def caller(self) -> SortWord | None:
        return next((sort for sort in self.sorts.values() if sort.caller), None)

    @property
    def drawings(self) -> float:
        """About how many ways there are to draw what is drawn at a reboot."""
        return float(2 ** sum(self.bits(f.type, f.owners) for f in self.fields if f.init == "any" and f.lifetime == "volatile"))

    def bits(self, type_: Type, owners: tuple[str, ...]) -> int:
        """About how many bits a field adds to the state."""
        size = self.sorts[type_.of].size if type_.of in self.sorts else 0
        values = {
            "bool": 2,
            "count": type_.limit + 1,
            "enum": len(self.enums.get(type_.of, ())),
            "elem": size,
            "optional": size + 1,
            "errno": 3,
            "set": 2**size,
            "seq": (1, 2, 5, 16)[size] if type_.kind == "seq" else 1,
        }[type_.kind]
        cells = 1
        for owner in owners:
            cells *= self.sorts[owner].size if owner in self.sorts else len(self.enums[owner])
        return ceil(log2(max(1, values))) * cells


def vocabulary(rng: Random) -> Vocabulary:
    """Sorts, enums, locks, a graph and fields of about ten bits together."""
    words = Vocabulary(rng)
    _sorts(words)
    words.enums["Phase"] = ("IDLE", "BUSY", "GONE")[: rng.randint(2, 3)]
    if words.chance(0.3):
        words.enums["Mode"] = ("IDLE", "FAST")  # shares a member
    on = [s.name for s in words.sorts.values() if not s.caller]
    if on and words.chance(0.3):
        words.graph = GraphWord("needs", words.pick(on), words.chance(0.7))
    for number in range(words.weighted([(3, 0), (4, 1), (2, 2)])):
        shared = words.chance(0.5)
        owner = words.pick([*words.sorts]) if words.chance(0.3) else None
        words.locks.append(LockWord(f"lock{number}", shared, owner))
    _fields(words)
    if words.chance(0.2):
        words.predicate = "bad_thing"
    return words


def _sorts(words: Vocabulary) -> None:
    chance, two = words.chance, lambda: words.weighted([(1, 1), (2, 2)])
    found: list[SortWord] = []
    if chance(0.75):
        found.append(SortWord("Agent", symmetric=chance(0.8), caller=True, pool=chance(0.08), size=two()))
    if chance(0.75):
        found.append(SortWord("File", symmetric=chance(0.85), size=words.weighted([(2, 1), (5, 2), (1, 3)])))
    if chance(0.5):
        found.append(SortWord("Sess", symmetric=chance(0.8), pool=True, size=two()))
    if chance(0.35):
        found.append(SortWord("Tok", ordered=True, size=words.weighted([(1, 1), (4, 2), (2, 3)])))
    if not found or chance(0.2):
        found.append(SortWord("Slot", size=two()))
    words.sorts = {sort.name: sort for sort in found}


def _fields(words: Vocabulary) -> None:
    budget = words.rng.randint(5, 10)
    spent = {False: 0, True: 0}
    for _ in range(14):
        lifetime = words.weighted([(6, "volatile"), (3, "preserved"), (2, "ghost"), (1.2, "fixed")])
        owners = _owners(words, lifetime)
        type_ = _type(words)
        is_ghost = lifetime == "ghost"
        if lifetime == "fixed" and type_.kind in ("seq", "errno") and words.chance(0.8):
            continue
        bits = words.bits(type_, owners)
        if lifetime == "fixed":
            bits = min(bits, 2) if bits <= 3 else 99
        if spent[is_ghost] + bits > (2 if is_ghost else budget):
            continue
        spent[is_ghost] += bits
        name = words.fresh({0: "g", 1: "f", 2: "pair"}[len(owners)])
        words.fields.append(FieldWord(name, owners, lifetime, type_, _init(words, lifetime, type_)))
    if not any(f.lifetime in ("volatile", "preserved") for f in words.fields):
        words.fields.append(FieldWord(words.fresh("g"), (), "volatile", BOOL, "false"))


def _owners(words: Vocabulary, lifetime: str) -> tuple[str, ...]:
    usable = [s.name for s in words.sorts.values() if not (lifetime == "fixed" and s.pool)]
    count = words.weighted([(4, 0), (5, 1), (1, 2)])
    if not usable or count == 0:
        return ()
    options = [*usable, *words.enums] if words.chance(0.25) else usable
    return tuple(words.pick(options) for _ in range(count))


def _type(words: Vocabulary) -> Type:
    sort = words.pick([*words.sorts])
    options = [
        (4, BOOL),
        (1.5, Type("count", limit=words.rng.randint(1, 2))),
        (3, Type("enum", words.pick([*words.enums]))),
        (2.5, Type("optional", sort)),
        (1, Type("elem", sort)),
        (0.8, ERRNO),
        (1.5, Type("set", sort)),
        (3, Type("seq", sort)),
    ]
    return words.weighted(options)


def _init(words: Vocabulary, lifetime: str, type_: Type) -> str | None:
    """The initial value; `any` where it may stand."""
    of_pool = type_.of in words.sorts and words.sorts[type_.of].pool
    may_draw = lifetime in ("volatile", "fixed") and type_.kind not in ("seq", "errno") and not of_pool
    if may_draw and words.chance(0.8 if lifetime == "fixed" else 0.12):
        return "any"
    match type_.kind:
        case "elem":
            sort = words.sorts[type_.of]
            if sort.ordered:
                return f"{type_.of}.{words.pick(['first', 'last'])}"
            return "any" if may_draw else f"{type_.of}.first"  # the latter is wrong, and such a field is made optional below
        case "bool":
            return words.pick(["true", "false"])
        case "count":
            return str(words.rng.randint(0, type_.limit))
        case "enum":
            member = words.pick(words.enums[type_.of])
            return f"{type_.of}.{member}" if words.chance(0.3) else member
        case "errno":
            return words.pick([None, "EIO"])
        case "optional":
            return words.pick([None, "none"])
    return words.pick([None, "{ }"])


def repaired(words: Vocabulary) -> None:
    """A field that must name an element and has no constant to begin with becomes optional."""
    for index, each in enumerate(words.fields):
        if each.type.kind == "elem" and each.init != "any" and not words.sorts[each.type.of].ordered:
            words.fields[index] = FieldWord(each.name, each.owners, each.lifetime, Type("optional", each.type.of), "none")


def declarations(words: Vocabulary) -> list[str]:
    """The text of all of them, one declaration or field on each line."""
    lines = [sort.text for sort in words.sorts.values()]
    for name, members in words.enums.items():
        numbers = [f"{m} = {4 * i + 1}" if i and words.chance(0.2) else m for i, m in enumerate(members)]
        lines.append(f"enum {name} {{ {', '.join(numbers)} }}")
    for lock in words.locks:
        lines.append(f"{'rwlock' if lock.shared else 'mutex'} {lock.name}{f' per {lock.owner}' if lock.owner else ''};")
    for each in words.fields:
        if each.owners:
            lines.append(f"per {', '.join(each.owners)} {{ {each.lifetime} {each.text}; }}")
        else:
            lines.append(f"{each.lifetime} var {each.text};")
    return lines
