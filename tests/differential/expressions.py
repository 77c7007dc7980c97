"""Random expressions, well typed by construction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from differential.vocabulary import BOOL, ERRNO, ERRNOS, FieldWord, Local, Type, Vocabulary


@dataclass(frozen=True)
class Place:
    """Where an expression stands.

    ghosts: it may read ghosts.  old: there is a state before.  safe: it must not read through none (a property).  fixed: it may read
    fixed fields only.  asks: parameters about which the abi predicate may ask.
    """

    locals: tuple[Local, ...] = ()
    ghosts: bool = False
    old: bool = False
    safe: bool = False
    fixed: bool = False
    asks: tuple[str, ...] = ()

    def binding(self, *more: Local) -> Place:
        return replace(self, locals=(*self.locals, *more))


PROPERTY = Place(ghosts=True, safe=True)


class Expressions:
    """Draws expressions of a type for a place; `defines` are (name, types of its parameters)."""

    def __init__(self, words: Vocabulary) -> None:
        self.words = words
        self.defines: list[tuple[str, tuple[Type, ...]]] = []

    # ---- reading ------------------------------------------------------------------------------------------------

    def readable(self, each: FieldWord, place: Place) -> bool:
        return (place.ghosts or each.lifetime != "ghost") and (not place.fixed or each.lifetime == "fixed")

    def locals(self, place: Place, *types: Type) -> list[str]:
        return [each.name for each in place.locals if each.type in types and (place.ghosts or not each.ghost)]

    def read(self, type_: Type, place: Place, depth: int = 1) -> str | None:
        """A field of a type; None when there is none that can be read here."""
        options = [f for f in self.words.fields if f.type == type_ and self.readable(f, place)]
        self.words.rng.shuffle(options)
        for each in options:
            text = self.place_of(each, place, depth)
            if text is not None:
                return text
        return None

    def place_of(self, each: FieldWord, place: Place, depth: int = 1) -> str | None:
        """The text of a global, or of a field of some element that can be named here."""
        owners = [self.owner(owner, place, depth) for owner in each.owners]
        if any(owner is None for owner in owners):
            return None
        texts = [owner for owner in owners if owner is not None]
        if len(texts) == 2:
            return f"{each.name}({', '.join(texts)})"
        return f"{texts[0]}.{each.name}" if texts else each.name

    def owner(self, owner: str, place: Place, depth: int) -> str | None:
        if owner in self.words.enums:
            return self.enum(owner, place)
        sure = self.element(owner, place)
        if not place.safe and depth > 0 and (sure is None or self.words.chance(0.12)):
            return self.optional(owner, place, depth - 1, or_none=False) or sure
        return sure

    def element(self, sort: str, place: Place) -> str | None:
        """An element that is there, whatever happens."""
        elem = Type("elem", sort)
        options = self.locals(place, elem)
        word = self.words.sorts[sort]
        if word.ordered:
            options += [f"{sort}.first", f"{sort}.last"]
        options += [f.name for f in self.words.fields if f.type == elem and not f.owners and self.readable(f, place)]
        return self.words.pick(options) if options else None

    def optional(self, sort: str, place: Place, depth: int, *, or_none: bool = True) -> str | None:
        """Something that is an element or none."""
        options: list[Callable[[], str | None]] = [lambda: self.read(Type("optional", sort), place, depth)]
        names = self.locals(place, Type("optional", sort))
        if names:
            options.append(lambda: self.words.pick(names))
        if self.words.sorts[sort].ordered:
            options.append(lambda: (x := self.element(sort, place)) and f"next({x})")
        end = self.words.pick(["first", "last"])
        options.append(lambda: (q := self.read(Type("seq", sort), place, depth)) and f"{end}({q})")
        if or_none:
            options.append(lambda: "none")
        self.words.rng.shuffle(options)
        return next((text for option in options if (text := option())), None)

    def enum(self, name: str, place: Place) -> str:
        options = self.locals(place, Type("enum", name))
        if options and self.words.chance(0.5):
            return self.words.pick(options)
        return self.member(name)

    def member(self, name: str, *, qualified: bool = False) -> str:
        text = self.words.pick(self.words.enums[name])
        shared = sum(text in members for members in self.words.enums.values()) > 1
        return f"{name}.{text}" if qualified or shared or self.words.chance(0.1) else text

    # ---- values -------------------------------------------------------------------------------------------------

    def value(self, type_: Type, place: Place, depth: int = 1) -> str | None:
        """An expression that fits a field or parameter of a type; None when nothing does."""
        words = self.words
        match type_.kind:
            case "bool":
                return self.boolean(place, depth)
            case "count":
                return self.number(place, type_.limit)
            case "enum":
                found = self.read(type_, place, 0) if words.chance(0.3) else None
                return found or self.enum(type_.of, place)
            case "errno":
                found = self.read(ERRNO, place, 0) if words.chance(0.2) else None
                names = self.locals(place, ERRNO)
                return found or words.pick([*names, *ERRNOS])
            case "elem":
                sure = self.element(type_.of, place)
                if depth > 0 and words.chance(0.1):
                    sure = self.read(type_, place, 0) or sure
                if sure is not None and (place.safe or words.chance(0.9)):
                    return sure
                return self.optional(type_.of, place, depth, or_none=False) if not place.safe else None
            case "optional":
                sure = self.element(type_.of, place) if words.chance(0.6) else None
                return sure or self.optional(type_.of, place, depth)
            case "set":
                found = self.read(type_, place, 0) if words.chance(0.4) else None
                item = self.element(type_.of, place)
                if item is None and not place.safe and words.chance(0.3):
                    item = self.optional(type_.of, place, 0, or_none=False)
                return found or (f"{{ {item} }}" if item and words.chance(0.7) else "{ }")
            case "seq":
                found = self.read(type_, place, 0) if words.chance(0.5) else None
                return found or "{ }"
        raise AssertionError(type_)

    def number(self, place: Place, limit: int) -> str:
        words = self.words
        counts = [f.type for f in words.fields if f.type.kind == "count"]
        found = self.read(words.pick(counts), place) if counts and words.chance(0.6) else None
        if found is not None:
            return words.pick([found, f"{found} + 1", f"{found} - 1"])
        if words.chance(0.15):
            return self.counting(place)
        return str(words.rng.randint(0, limit))

    def counting(self, place: Place) -> str:
        name, binder, inner = self.binder(place)
        return f"(number of {name} {binder} | {self.boolean(inner, 0)})"

    # ---- conditions ---------------------------------------------------------------------------------------------

    def boolean(self, place: Place, depth: int = 2) -> str:
        words = self.words
        for _ in range(6):
            options: list[tuple[float, Callable[[], str | None]]] = [
                (6, lambda: self.read(BOOL, place)),
                (4, lambda: self.comparison(place)),
                (1.5, lambda: self.membership(place)),
                (0.3, lambda: words.pick(["true", "false"])),
                (0.3 if not place.fixed else 0, lambda: "idle"),
                (0.6 if not place.fixed else 0, lambda: self.of_caller(place)),
                (1, lambda: self.of_order(place)),
                (1.5, lambda: self.of_graph(place)),
                (1, lambda: self.applied(place)),
                (2 if place.asks else 0, lambda: f"{words.predicate}({words.pick(place.asks)})"),
                (2, lambda: words.pick(names) if (names := self.locals(place, BOOL)) else None),
                (1.5 if place.old else 0, lambda: self.of_before(place)),
            ]
            if depth > 0:
                options += [
                    (2, lambda: f"not {self.atom(place, depth - 1)}"),
                    (3, lambda: f"({self.boolean(place, depth - 1)} and {self.boolean(place, depth - 1)})"),
                    (2, lambda: f"({self.boolean(place, depth - 1)} or {self.boolean(place, depth - 1)})"),
                    (1.5, lambda: f"({self.boolean(place, depth - 1)} => {self.boolean(place, depth - 1)})"),
                    (4, lambda: self.quantified(place, depth - 1)),
                    (1.5, lambda: self.guarded(place, depth - 1)),
                ]
            text = words.weighted(options)()
            if text and not _says_nothing(text):
                return text
        return words.pick(["true", "false"])

    def atom(self, place: Place, depth: int) -> str:
        return f"({self.boolean(place, depth)})"

    def guarded(self, place: Place, depth: int) -> str | None:
        """`x != none and x.f`: reading through something that may be none, protected."""
        sort = self.words.pick([*self.words.sorts])
        text = self.read(Type("optional", sort), place, 0)
        fields = [f for f in self.words.fields if f.owners == (sort,) and f.type == BOOL and self.readable(f, place)]
        if text is None or not fields:
            return None
        joined = self.words.pick([("!=", "and"), ("==", "or"), ("!=", "=>")])
        return f"({text} {joined[0]} none {joined[1]} {text}.{self.words.pick(fields).name})"

    def comparison(self, place: Place) -> str | None:
        words = self.words
        equal = words.pick(["==", "!="])
        kind = words.pick(["enum", "elem", "elem", "count", "errno", "bool", "set", "seq"])
        if kind == "count":
            left = self.counting(place) if words.chance(0.3) else self.number(place, 2)
            return f"{left} {words.pick(['==', '!=', '<', '<=', '>', '>='])} {self.number(place, 2)}"
        if kind == "enum":
            name = words.pick([*words.enums])
            left = self.read(Type("enum", name), place)
            return left and f"{left} {equal} {self.enum(name, place)}"
        if kind == "errno":
            left = self.read(ERRNO, place)
            return left and f"{left} {equal} {words.pick(ERRNOS)}"
        if kind == "bool":
            left = self.read(BOOL, place)
            return left and f"{left} {equal} {self.read(BOOL, place) or 'true'}"
        sort = words.pick([*words.sorts])
        if kind in ("set", "seq"):
            left = self.read(Type(kind, sort), place)
            right = self.read(Type(kind, sort), place) if words.chance(0.4) else None
            item = self.element(sort, place) if kind == "set" and words.chance(0.5) else None
            return left and f"{left} {equal} {right or (f'{{ {item} }}' if item else '{ }')}"
        left = self.element(sort, place) if words.chance(0.6) else self.optional(sort, place, 0)
        right = self.element(sort, place) if words.chance(0.5) else self.optional(sort, place, 0)
        return left and right and f"{left} {equal} {right}"

    def membership(self, place: Place) -> str | None:
        words = self.words
        within = words.pick(["in", "in", "not in"])
        if words.chance(0.3):
            name = words.pick([*words.enums])
            left = self.read(Type("enum", name), place)
            members = dict.fromkeys(self.member(name, qualified=True) for _ in range(2))
            return left and f"{left} {within} {{ {', '.join(members)} }}"
        sort = words.pick([*words.sorts])
        item = self.element(sort, place) or self.optional(sort, place, 0)
        collection = self.read(Type(words.pick(["set", "seq"]), sort), place)
        return item and collection and f"{item} {within} {collection}"

    def of_order(self, place: Place) -> str | None:
        """What only sequences and ordered sorts have."""
        words = self.words
        sort = words.pick([*words.sorts])
        x, y = self.element(sort, place), self.element(sort, place)
        if words.sorts[sort].ordered and x and y and words.chance(0.6):
            if words.chance(0.3):
                return f"next({x}) {words.pick(['==', '!='])} {words.pick([y, 'none'])}"
            return f"{x} {words.pick(['<', '<=', '>', '>='])} {y}"
        sequence = self.read(Type("seq", sort), place)
        if sequence and x and y:
            return words.pick([f"before({sequence}, {x}, {y})", f"{words.pick(['first', 'last'])}({sequence}) == {x}"])
        return None

    def of_graph(self, place: Place) -> str | None:
        graph = self.words.graph
        if graph is None or place.fixed:
            return None
        x, y = self.element(graph.sort, place), self.element(graph.sort, place)
        return f"{graph.name}{self.words.pick(['', '+'])}({x}, {y})" if x and y else None

    def of_caller(self, place: Place) -> str | None:
        caller = self.words.caller
        x = self.element(caller.name, place) if caller is not None and not place.fixed else None
        return f"idle({x})" if x else None

    def applied(self, place: Place) -> str | None:
        if not self.defines or place.fixed:
            return None
        name, types = self.words.pick(self.defines)
        arguments = [self.value(type_, place, 0) for type_ in types]
        if any(argument is None for argument in arguments):
            return None
        return f"{name}({', '.join(a for a in arguments if a)})" if arguments else name

    def of_before(self, place: Place) -> str | None:
        """`old(e)`, `unchanged`."""
        words = self.words
        inside = replace(place, old=False)
        if words.chance(0.35):
            return self.unchanged(place)
        name = words.pick([*words.enums])
        left = self.read(Type("enum", name), inside)
        if left and words.chance(0.3):
            return f"old({left}) {words.pick(['==', '!='])} {left}"
        return f"old({self.boolean(inside, 0)})"

    def unchanged(self, place: Place) -> str:
        words = self.words
        exceptions = []
        for each in words.fields:
            if words.chance(0.3):
                if not each.owners:
                    exceptions.append(each.name)
                elif len(each.owners) == 2:
                    exceptions.append(each.name if words.chance(0.5) else self.place_of(each, place, 0) or each.name)
                elif each.owners[0] in words.sorts:
                    cell = self.place_of(each, place, 0) if words.chance(0.5) else None
                    exceptions.append(cell or f"{each.owners[0]}.{each.name}")
        return f"(unchanged except {', '.join(exceptions)})" if exceptions else "unchanged"

    # ---- quantifiers --------------------------------------------------------------------------------------------

    def binder(self, place: Place) -> tuple[str, str, Place]:
        """A new name, what it ranges over, and the place where it is known."""
        words = self.words
        name = words.fresh("q")
        sort = words.pick([*words.sorts])
        if words.chance(0.25):
            collection = self.read(Type(words.pick(["set", "seq"]), sort), place, 0)
            if collection is not None:
                return name, f"in {collection}", place.binding(Local(name, Type("elem", sort)))
        if words.chance(0.12):
            enum = words.pick([*words.enums])
            return name, f": {enum}", place.binding(Local(name, Type("enum", enum)))
        return name, f": {sort}", place.binding(Local(name, Type("elem", sort)))

    def quantified(self, place: Place, depth: int) -> str:
        words = self.words
        kind = words.pick(["all", "all", "some", "no", "number of"])
        name, over, inner = self.binder(place)
        heads = [f"{name} {over}"]
        if kind != "number of" and words.chance(0.3):
            name, over, inner = self.binder(inner)
            heads.append(f"{name} {over}")
        body = self.boolean(inner, depth)
        text = f"({kind} {', '.join(heads)} | {body})"
        return f"{text} {words.pick(['==', '<=', '>'])} {words.rng.randint(0, 2)}" if kind == "number of" else text


def _says_nothing(text: str) -> bool:
    """`x == x` and the like."""
    words = text.split()
    return len(words) == 3 and words[0] == words[2]
