"""Random bodies: statements of every kind, each on lines of its own, well typed by construction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from differential.expressions import Expressions, Place
from differential.vocabulary import ERRNOS, FieldWord, Local, Type, Vocabulary

Lines = list[str]

PURE, FAILING, FULL = range(3)
"""What a body may do: always get to its end (rollbacks); also fail, panic, be cut (boot, all but the fails); everything."""

MOST_FORKS = 40
"""Most runs of one body, about."""

FAULTS = ("copy_in", "copy_out", "nomem", "no_fd", "callback", "device", "signal")


@dataclass(frozen=True)
class Callee:
    """A proc or walk that can be run: the types of its parameters, its result's, what it may do, and into how many runs it may fork."""

    name: str
    parameters: tuple[Type, ...]
    gives: Type | None
    power: int
    forks: float


@dataclass
class Body:
    """Where a statement stands.

    power: what it may do.  returns: an errno may leave this body.  catching: a bare `fail;` has a meaning.  in_call: only events run it,
    so that there is a state before.  result: the `gives` that may be assigned.  walked: the list that is walked and the current element.
    forks: about how many runs of the body there can be, in a list that the blocks of one body share.
    """

    place: Place
    power: int
    returns: bool = True
    catching: bool = False
    in_call: bool = False
    result: Local | None = None
    walked: tuple[str, str] | None = None
    labels: list[tuple[str, str]] = field(default_factory=list)  # label, what stands there
    depth: int = 0
    forks: list[float] = field(default_factory=lambda: [1.0])

    def inner(self, **changes: object) -> Body:
        return replace(self, depth=self.depth + 1, **changes)  # type: ignore[arg-type]

    def bind(self, local: Local) -> None:
        self.place = self.place.binding(local)

    def fork(self, ways: float) -> bool:
        """Takes the right to go on in so many ways; false when the body has too many already."""
        if self.forks[0] * ways > MOST_FORKS:
            return False
        self.forks[0] *= ways
        return True


@dataclass(frozen=True)
class Found:
    """A statement: its lines, whether control goes on after it, and whether it may get a label."""

    lines: Lines
    goes_on: bool = True
    can_be_named: bool = True


def indented(lines: Lines) -> Lines:
    return [f"    {line}" for line in lines]


class Statements:
    """Draws bodies.  `callees` are the procs and walks so far."""

    def __init__(self, words: Vocabulary, expressions: Expressions) -> None:
        self.words = words
        self.expressions = expressions
        self.callees: list[Callee] = []
        self.reboots: float = self.words.drawings  # ways in which a reboot can go on

    def errno(self, place: Place) -> str:
        return self.expressions.value(Type("errno"), place, 0) or "EIO"

    # ---- blocks -------------------------------------------------------------------------------------------------

    def block(self, body: Body, count: int, last: str = "skip;") -> Lines:
        """Up to `count` statements; `last` stands at the end of a block that must not go on, and where there is nothing else."""
        lines: Lines = []
        for _ in range(count):
            found = self.statement(body)
            if found is None:
                continue
            made = found.lines
            if found.can_be_named and self.words.chance(0.12):
                label = self.words.fresh("at")
                body.labels.append((label, made[0].split()[0]))
                made = [f"{label}: {made[0]}", *made[1:]]
            lines += made
            if not found.goes_on:
                return lines
        return lines if lines and last == "skip;" else [*lines, last]

    def nested(self, body: Body, count: int = 2, last: str = "skip;", **changes: object) -> Lines:
        return ["{", *indented(self.block(body.inner(**changes), self.words.rng.randint(1, count), last)), "}"]

    def after_head(self, head: str, block: Lines) -> Lines:
        return [f"{head} {block[0]}", *block[1:]]

    def orelse(self, body: Body, last: str = "skip;", **changes: object) -> Lines:
        """` else { ... }` to be joined with the line before."""
        return self.after_head("else", self.nested(body, 2, last, **changes))

    def statement(self, body: Body) -> Found | None:
        words = self.words
        deep = body.depth >= 3
        fails = body.power > PURE and body.returns
        full = body.power == FULL
        options: list[tuple[float, Callable[[Body], Found | None]]] = [
            (9, self.assign),
            (1.5, self.let),
            (3, self.collection),
            (0.3, lambda b: Found(["skip;"])),
            (0.25, lambda b: Found(["stop;"], goes_on=False)),
            (1.2, self.asserts),
            (1.6, self.forall),
            (0 if deep else 3, self.branch),
            (0 if deep else 1.5, self.choose),
            (0 if deep else 1.2, self.find),
            (0 if deep else 3.5, self.run),
            (1, self.free),
            (3 if fails else 0, self.fail_when),
            (2 if fails else 0, self.fail_sometimes),
            (0.25 if fails else 0, lambda b: Found([f"fail {self.errno(b.place)};"], goes_on=False)),
            (3 if body.catching and fails else 0, lambda b: Found(["fail;"], goes_on=False)),
            (0.3 if body.power > PURE else 0, self.panic),
            (0.3 if body.power > PURE else 0, self.cut),
            (1.8 if body.power > PURE else 0, self.new),
            (0 if deep or not body.power else 1.2, self.sometimes),
            (2 if full else 0, self.lock),
            (0.7 if full else 0, self.await_),
            (2.5 if full else 0, lambda b: Found(["step;"])),
            (0.25 if full else 0, lambda b: Found(["arguments;"])),
            (0.5 if full else 0, lambda b: Found(["reboot;"]) if b.fork(self.reboots) else None),
        ]
        return words.weighted(options)(body)

    # ---- changing the state -------------------------------------------------------------------------------------

    def writable(self, body: Body, *kinds: str) -> list[FieldWord]:
        fields = [f for f in self.words.fields if f.lifetime != "fixed" and (not kinds or f.type.kind in kinds)]
        self.words.rng.shuffle(fields)
        return fields

    def reading(self, body: Body, each: FieldWord) -> Place:
        """What may be read for writing a field: for a ghost also ghosts."""
        return replace(body.place, ghosts=each.lifetime == "ghost")

    def assign(self, body: Body) -> Found | None:
        result = body.result
        if result is not None and self.words.chance(0.15):
            value = self.expressions.value(result.type, body.place)
            return Found([f"{result.name} = {value};"]) if value else None
        for each in self.writable(body):
            place = self.reading(body, each)
            target = self.expressions.place_of(each, place)
            value = self.expressions.value(each.type, place)
            if target and value:
                return Found([f"{target} = {value};"])
        return None

    def let(self, body: Body) -> Found | None:
        words = self.words
        sort = words.pick([*words.sorts])
        type_ = words.pick([Type("bool"), Type("optional", sort), Type("enum", words.pick([*words.enums]))])
        value = self.expressions.value(type_, body.place)
        if value is None or value == "none":
            return None
        name = words.fresh("v")
        if type_.kind == "enum" and "." not in value:
            value = self.expressions.member(type_.of, qualified=True)
        body.bind(Local(name, type_))
        return Found([f"let {name} = {value};"], can_be_named=False)

    def collection(self, body: Body) -> Found | None:
        words = self.words
        for each in self.writable(body, "set", "seq"):
            place = self.reading(body, each)
            target = self.expressions.place_of(each, place)
            item = self.expressions.value(Type("elem", each.type.of), place)
            if target is None or item is None:
                continue
            if words.chance(0.35):
                if body.walked is not None and body.walked[0] == target:
                    item = body.walked[1]
                return Found([f"remove {item} from {target};"])
            return Found([f"{'add' if each.type.kind == 'set' else 'append'} {item} to {target};"])
        return None

    def new(self, body: Body) -> Found | None:
        pools = [s.name for s in self.words.sorts.values() if s.pool]
        if not pools:
            return None
        sort = self.words.pick(pools)
        if body.result is not None and body.result.type == Type("elem", sort) and self.words.chance(0.4):
            return Found([f"new {body.result.name};"])
        name = self.words.fresh("v")
        body.bind(Local(name, Type("elem", sort)))
        return Found([f"new {name}: {sort};"], can_be_named=False)

    def free(self, body: Body) -> Found | None:
        pools = [s.name for s in self.words.sorts.values() if s.pool]
        if not pools:
            return None
        target = self.expressions.owner(self.words.pick(pools), body.place, 1)
        return Found([f"free {target};"]) if target else None

    def forall(self, body: Body) -> Found | None:
        """Each field is written once, at the element itself, with what does not depend on other elements of the forall."""
        words = self.words
        sort = words.pick([*words.sorts])
        name = words.fresh("q")
        element = Local(name, Type("elem", sort))
        inner = body.place.binding(element)
        where = f" where {self.expressions.boolean(inner, 1)}" if words.chance(0.6) else ""
        lines: Lines = []
        for each in self.writable(body):
            place = self.reading(body, each).binding(element)
            if len(lines) >= 3:
                break
            if each.owners == (sort,) and each.type.kind not in ("set", "seq"):
                value = self.expressions.value(each.type, place)
                line = f"{name}.{each.name} = {value};" if value else None
            elif each.type == Type("set", sort) and not each.owners:
                line = words.pick([f"add {name} to {each.name};", f"remove {name} from {each.name};"])
            elif each.type == Type("seq", sort) and not each.owners and body.walked is None:
                line = f"remove {name} from {each.name};"
            else:
                line = None
            if line and words.chance(0.3):
                condition = self.expressions.boolean(inner, 1)
                lines += [f"if {condition} {{", f"    {line}", "}"]
            elif line:
                lines.append(line)
        if words.sorts[sort].pool and words.chance(0.3):
            lines.append(f"free {name};")
        if words.chance(0.15):
            lines += self.inner_forall(body, element)
        if not lines:
            return None
        return Found([f"forall {name}: {sort}{where} {{", *indented(lines), "}"])

    def inner_forall(self, body: Body, outer: Local) -> Lines:
        """Writes of a field of pairs."""
        words = self.words
        for each in self.writable(body):
            if len(each.owners) == 2 and each.owners[0] == outer.type.of and each.owners[1] in words.sorts:
                inner = Local(words.fresh("q"), Type("elem", each.owners[1]))
                place = self.reading(body, each).binding(outer, inner)
                value = self.expressions.value(each.type, place)
                if value and each.type.kind not in ("set", "seq"):
                    head = f"forall {inner.name}: {inner.type.of} {{"
                    return [head, f"    {each.name}({outer.name}, {inner.name}) = {value};", "}"]
        return []

    # ---- choosing -----------------------------------------------------------------------------------------------

    def branch(self, body: Body) -> Found:
        lines = self.after_head(f"if {self.expressions.boolean(body.place)}", self.nested(body))
        return Found(self.maybe_else(lines, body))

    def maybe_else(self, lines: Lines, body: Body) -> Lines:
        if not self.words.chance(0.35):
            return lines
        orelse = self.orelse(body)
        return [*lines[:-1], f"}} {orelse[0]}", *orelse[1:]]

    def sometimes(self, body: Body) -> Found | None:
        if not body.fork(2):
            return None
        words = self.words
        condition = f"{self.expressions.atom(body.place, 1)} and " if words.chance(0.5) else ""
        fault = f" {words.pick(FAULTS)}" if words.chance(0.4) else ""
        lines = self.after_head(f"if {condition}sometimes{fault}", self.nested(body))
        return Found(self.maybe_else(lines, body))

    def choose(self, body: Body) -> Found | None:
        words = self.words
        sort = words.pick([*words.sorts])
        if not body.fork(words.sorts[sort].size):
            return None
        name = words.fresh("v")
        element = Local(name, Type("elem", sort))
        where = f" where {self.expressions.boolean(body.place.binding(element), 1)}" if words.chance(0.6) else ""
        return self._with_else(f"choose {name}: {sort}{where}", body, element)

    def find(self, body: Body) -> Found | None:
        words = self.words
        sort = words.pick([*words.sorts])
        sequence = self.expressions.read(Type("seq", sort), body.place)
        if sequence is None:
            return None
        name = words.fresh("v")
        element = Local(name, Type("elem", sort))
        where = f" where {self.expressions.boolean(body.place.binding(element), 1)}" if words.chance(0.5) else ""
        return self._with_else(f"find {name} in {sequence}{where}", body, element)

    def _with_else(self, head: str, body: Body, element: Local) -> Found:
        if body.power > PURE and self.words.chance(0.3):
            body.bind(element)
            return Found([f"{head};"], can_be_named=False)
        lines = self.after_head(head, self.orelse(body))
        body.bind(element)  # none when the `else` fell off its end
        return Found(lines, can_be_named=False)

    def run(self, body: Body) -> Found | None:
        words = self.words
        usable = [c for c in self.callees if c.power <= body.power]
        if not usable:
            return None
        callee = words.pick(usable)
        if not body.fork(callee.forks):
            return None
        values = [self.expressions.value(type_, body.place) for type_ in callee.parameters]
        if any(value is None for value in values):
            return None
        head = f"run {callee.name}({', '.join(v for v in values if v)})"
        result = None
        if callee.gives is not None and words.chance(0.8):
            if body.result is not None and body.result.type == callee.gives and words.chance(0.5):
                head += f" gives {body.result.name}"
            else:
                result = Local(words.fresh("v"), callee.gives)
                head += f" gives {result.name}"
        must_catch = callee.power > PURE and not body.returns
        if must_catch or (callee.power > PURE and words.chance(0.5)):
            last = "skip;"
            if result is not None and result.type.kind != "elem":  # what was not given has no value: the `else` may not go on
                last = "fail;" if body.power > PURE and body.returns else "stop;"
            lines = self.after_head(head, self.orelse(body, last, catching=True))
        else:
            lines = [f"{head};"]
        if result is not None:
            body.bind(result)
        return Found(lines, can_be_named=False)

    # ---- ending -------------------------------------------------------------------------------------------------

    def fail_when(self, body: Body) -> Found:
        return Found([f"fail {self.errno(body.place)} when {self.expressions.boolean(body.place)};"])

    def fail_sometimes(self, body: Body) -> Found | None:
        if not body.fork(1.3):
            return None
        fault = f" {self.words.pick(FAULTS)}" if self.words.chance(0.5) else ""
        return Found([f"fail {self.words.pick(ERRNOS)} sometimes{fault};"])

    def panic(self, body: Body) -> Found | None:
        if not body.fork(1.2):
            return None
        when = f"when {self.expressions.boolean(body.place)}" if self.words.chance(0.4) else "sometimes"
        return Found([f"panic {when};"])

    def cut(self, body: Body) -> Found:
        return Found([f"cut when {self.expressions.boolean(body.place)};"])

    def asserts(self, body: Body) -> Found:
        condition = self.expressions.boolean(replace(body.place, ghosts=True, old=body.in_call))
        return Found([f"assert {self.words.fresh('as')}: {condition};"])

    # ---- waiting ------------------------------------------------------------------------------------------------

    def lock(self, body: Body) -> Found | None:
        words = self.words
        if not words.locks:
            return None
        lock = words.pick(words.locks)
        owner = self.expressions.owner(lock.owner, body.place, 1) if lock.owner else None
        if lock.owner and owner is None:
            return None
        name = f"{lock.name}({owner})" if owner else lock.name
        shared = " shared" if lock.shared and words.chance(0.5) else ""
        form = words.weighted([(4, "guard"), (3, "lock"), (0.5, "keep"), (0.7, "forget"), (0.15, "give back"), (0.8, "release")])
        match form:
            case "guard":
                return Found([f"guard {name}{shared};"])
            case "keep":
                return Found([f"lock {name}{shared};", f"keep {name};"], can_be_named=False)
            case "forget":
                return Found([f"lock {name}{shared};"])
            case "give back":
                return Found([f"unlock {name};"])
        taken, given_back = ("guard", "release") if form == "release" else ("lock", "unlock")
        inner = self.after_head("if true", self.nested(body))  # a block, so that its names end here
        return Found([f"{taken} {name}{shared};", *inner, f"{given_back} {name};"], can_be_named=False)

    def await_(self, body: Body) -> Found | None:
        if not body.fork(1.3):
            return None
        signal = " or EINTR" if body.returns and self.words.chance(0.5) else ""
        return Found([f"await {self.expressions.atom(body.place, 1)}{signal};"])
