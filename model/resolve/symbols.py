"""Tables of what a flattened spec declares, and the words that cannot be names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from luocheck.model.diagnostics import Diagnostics, did_you_mean
from luocheck.model.errnos import GENERIC
from luocheck.model.ir.system import Graph
from luocheck.model.ir.vocabulary import (
    BoolT,
    CountT,
    ElemT,
    EnumDef,
    EnumT,
    ErrnoT,
    Field,
    Lifetime,
    Lock,
    Owner,
    SeqT,
    SetT,
    Sort,
    SortEdge,
    Type,
    Value,
)
from luocheck.model.source import Span
from luocheck.model.syntax import nodes as n

BUILT_IN_FUNCTIONS = frozenset({"first", "last", "before", "next"})
RESERVED = (
    frozenset([
        "acyclic", "add", "after", "all", "and", "any", "append", "arguments", "assert", "assuming", "at", "await", "bool",
        "boot", "caller", "can", "check", "choose", "count", "coverage", "cut", "define", "drains", "else", "enum", "env",
        "errno", "expect", "extend", "extends", "fail", "fails", "false", "find", "fixed", "forall", "free", "ghost",
        "given", "gives", "graph", "guard", "if", "in", "invariant", "ioctl", "is", "keep", "leads", "lemma", "let",
        "liveness", "lock", "mutex", "never", "new", "no", "none", "not", "number", "of", "old", "on", "or", "ordered",
        "over", "override", "panic", "patch", "per", "pool", "preserved", "proc", "reachable", "reaches", "reboot",
        "recoverable", "release", "remove", "require", "returns", "reversed", "rollback", "run", "rwlock", "scenario",
        "scope", "seq", "set", "shared", "skip", "some", "sometimes", "sort", "spec", "states", "step", "stepwise", "stop",
        "stuck", "symmetric", "syscall", "to", "topology", "true", "unchanged", "unlock", "using", "var", "violates",
        "visited", "volatile", "walk", "when", "where",
    ])
    | BUILT_IN_FUNCTIONS
    | {"idle", "OK", "PANIC"}
)  # fmt: skip
"""Words of bodies and claims, and those that begin an item of a scenario or of `expect`.  The other words of the abi, of scenarios, scopes
and expectations may still be names.  Labels are not bound by this: a label is whatever word begins no statement."""

FAULTS = ("copy_in", "copy_out", "nomem", "no_fd", "callback", "device", "signal")
MAX_COUNT = 65_535
MAX_COPIES = 10_000
"""Most procs, walks and defines that are written out in all bodies and claims together (the shipped specs have some hundreds)."""


@dataclass(slots=True)
class Symbols:
    diagnostics: Diagnostics
    sorts: dict[str, Sort] = field(default_factory=dict)
    enums: dict[str, EnumDef] = field(default_factory=dict)
    members: dict[str, list[tuple[EnumDef, int]]] = field(default_factory=dict)
    globals: dict[str, Field] = field(default_factory=dict)
    fields: dict[str, dict[str, Field]] = field(default_factory=dict)  # owner -> name -> field
    pairs: dict[str, Field] = field(default_factory=dict)
    all_fields: list[Field] = field(default_factory=list)
    graphs: dict[str, Graph] = field(default_factory=dict)
    locks: dict[str, Lock] = field(default_factory=dict)
    defines: dict[str, n.DefineDecl] = field(default_factory=dict)
    procs: dict[str, n.ProcDecl | n.WalkDecl] = field(default_factory=dict)
    events: dict[str, n.EventDecl] = field(default_factory=dict)
    errno_classes: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    predicates: dict[str, tuple[str, ...]] = field(default_factory=dict)  # abi predicate -> sorts it can be about
    declared: dict[str, Span] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    removed: dict[str, Span] = field(default_factory=dict)  # what a derived spec removed, and where
    circular: set[str] = field(default_factory=set)  # procs, walks and defines whose recursion was reported
    copies: int = 0  # procs, walks and defines written out so far

    def declare(self, name: n.Name) -> bool:
        """Takes a top-level name; false (and a diagnostic) when it is reserved or taken."""
        if not self.allowed(name):
            return False
        if name.text in self.declared:
            self.diagnostics.error(
                "LUO201",
                f"`{name}` is declared twice",
                name.span,
                label="second declaration",
                also=((self.declared[name.text], "first declaration"),),
            )
            return False
        self.declared[name.text] = name.span
        return True

    def allowed(self, name: n.Name) -> bool:
        if name.text in RESERVED:
            self.diagnostics.error(
                "LUO106", f"`{name}` is a word of the language and cannot be a name", name.span, help=f"call it `{name}_`"
            )
            return False
        return True

    def count_copy(self, name: str, span: Span) -> bool:
        """Counts a proc, walk or define that is written out; false (and one diagnostic) when there are too many of them."""
        self.copies += 1
        if self.copies == MAX_COPIES:
            self.diagnostics.error(
                "LUO231",
                f"procs, walks and defines are written out more than {MAX_COPIES:,} times, and `{name}` is one too many",
                span,
                help="each use is a copy; do not let one use the next twice, over many levels",
            )
        return self.copies < MAX_COPIES

    def is_errno(self, name: str) -> bool:
        return name in GENERIC or name in self.errno_classes

    # ---- look-ups that report -----------------------------------------------------------------------------------

    def sort(self, name: n.Name) -> Sort | None:
        found = self.sorts.get(name.text)
        if found is None:
            what = "an enum, not a sort" if name.text in self.enums else "not a declared sort"
            self.unknown(f"`{name}` is {what}", name, self.sorts)
        return found

    def owner(self, name: n.Name) -> Owner | None:
        found: Owner | None = self.sorts.get(name.text) or self.enums.get(name.text)
        if found is None:
            self.unknown(f"`{name}` is no declared sort or enum", name, [*self.sorts, *self.enums])
        return found

    def unknown(self, message: str, name: n.Name, known: Iterable[str], help: str = "") -> None:
        """Reports a name that nothing declares, or that a derived spec has removed."""
        removal = self.removed.get(name.text)
        if removal is None:
            self.diagnostics.error("LUO200", message, name.span, help=help or did_you_mean(name.text, known))
        else:
            self.diagnostics.error(
                "LUO223",
                f"`{name}` is removed, but still used",
                removal,
                label="removed here",
                also=((name.span, "used here"),),
                help="remove, override or patch what uses it, too",
            )

    def recursion(self, running: Sequence[str], name: str, span: Span, message: str) -> None:
        """Reports that `name`, while it is written out inside of `running`, uses itself; once for each circle."""
        circle = running[running.index(name) :]
        if not self.circular.intersection(circle):
            through = f", through `{running[-1]}`" if running[-1] != name else ""
            self.diagnostics.error("LUO211", message + through, span)
        self.circular.update(circle)

    def check_errno(self, name: n.Name) -> str:
        if not self.is_errno(name.text):
            self.diagnostics.error(
                "LUO217",
                f"`{name}` is no errno",
                name.span,
                help=did_you_mean(name.text, [*GENERIC, *self.errno_classes])
                or "declare a class of errnos in the abi: `errno ECALLBACK = any;`",
            )
        return name.text


def collect(declarations: list[n.Decl], removed: dict[str, Span], diagnostics: Diagnostics) -> Symbols:
    """First pass: everything that can be named, in three rounds (types; fields, graphs, locks; bodies by name only)."""
    symbols = Symbols(diagnostics, removed=removed)
    for decl in declarations:
        _collect_types(symbols, decl)
    for decl in declarations:
        _collect_state(symbols, decl)
    for decl in declarations:
        _collect_bodies(symbols, decl)
    return symbols


def _collect_types(symbols: Symbols, decl: n.Decl) -> None:
    match decl:
        case n.SortDecl(span, name, attributes):
            if symbols.declare(name):
                if {"symmetric", "ordered"} <= set(attributes):
                    symbols.diagnostics.error("LUO203", f"`{name}` cannot be both symmetric and ordered", span)
                if {"pool", "ordered"} <= set(attributes):
                    symbols.diagnostics.error("LUO203", f"`{name}` cannot be both a pool and ordered", span)
                if "caller" in attributes and any(sort.caller for sort in symbols.sorts.values()):
                    symbols.diagnostics.error("LUO201", "only one sort can be the caller", span)
                symbols.sorts[name.text] = Sort(
                    len(symbols.sorts),
                    name.text,
                    "symmetric" in attributes,
                    "ordered" in attributes,
                    "pool" in attributes,
                    "caller" in attributes,
                    span,
                )
        case n.EnumDecl(span, name, members):
            if symbols.declare(name):
                _declare_enum(symbols, name, members, span)
        case n.AbiDecl(items=items):
            for item in items:
                if isinstance(item, n.AbiErrno):
                    if symbols.declare(item.name):
                        values = item.values
                        names = None if isinstance(values, n.AnyErrno) else tuple(symbols.check_errno(e) for e in values.names)
                        symbols.errno_classes[item.name.text] = names
                elif isinstance(item, n.AbiHandle) and item.bad is not None and symbols.declare(item.bad.predicate):
                    symbols.predicates[item.bad.predicate.text] = tuple(target.text for target in item.targets)


def _declare_enum(symbols: Symbols, name: n.Name, members: tuple[n.EnumMember, ...], span: Span) -> None:
    names: list[str] = []
    numbers: list[int] = []
    following = 0
    for member in members:
        number = member.number.value if member.number else following
        if member.name.text in names:
            symbols.diagnostics.error("LUO229", f"`{member.name}` is a member of `{name}` already", member.span)
        elif number in numbers:
            symbols.diagnostics.error("LUO229", f"two members of `{name}` have the number {number}", member.span)
        elif symbols.allowed(member.name):
            names.append(member.name.text)
            numbers.append(number)
        following = number + 1
    enum = EnumDef(len(symbols.enums), name.text, tuple(names), tuple(numbers), span)
    symbols.enums[name.text] = enum
    for position, text in enumerate(names):
        symbols.members.setdefault(text, []).append((enum, position))


def _collect_state(symbols: Symbols, decl: n.Decl) -> None:
    match decl:
        case n.GlobalDecl(span, lifetime, name, type_, init):
            if symbols.declare(name):
                made = _field(symbols, lifetime, name, type_, init, (), span)
                if made is not None:
                    symbols.globals[name.text] = made
        case n.PerDecl(owners=owners, fields=fields):
            found = [symbols.owner(owner) for owner in owners]
            if all(each is not None for each in found):
                for f in fields:
                    _declare_field(symbols, f, tuple(each for each in found if each is not None))
        case n.GraphDecl(span, name, sort, acyclic):
            if symbols.declare(name):
                on = symbols.sort(sort)
                if on is not None and any(graph.sort is on for graph in symbols.graphs.values()):
                    symbols.diagnostics.error("LUO201", f"`{on.name}` has a graph already", span)
                elif on is not None:
                    symbols.graphs[name.text] = Graph(len(symbols.graphs), name.text, on, acyclic, None, span)
        case n.LockDecl(span, kind, name, owner_name):
            if symbols.declare(name):
                owner = symbols.sort(owner_name) if owner_name is not None else None
                symbols.locks[name.text] = Lock(len(symbols.locks), name.text, kind == "rwlock", owner, span)


def _declare_field(symbols: Symbols, decl: n.FieldDecl, owners: tuple[Owner, ...]) -> None:
    if not symbols.allowed(decl.name):
        return
    table = symbols.fields.setdefault(owners[0].name, {}) if len(owners) == 1 else symbols.pairs
    if len(owners) > 1 and not symbols.declare(decl.name):
        return
    if decl.name.text in table:
        first = table[decl.name.text].span
        symbols.diagnostics.error(
            "LUO201", f"`{owners[0].name}` has a field `{decl.name}` already", decl.span, also=((first, "first declaration"),)
        )
        return
    made = _field(symbols, decl.lifetime, decl.name, decl.type, decl.init, owners, decl.span)
    if made is not None:
        table[decl.name.text] = made


def resolve_type(symbols: Symbols, node: n.TypeNode) -> Type | None:
    match node:
        case n.BoolType():
            return BoolT()
        case n.ErrnoType():
            return ErrnoT()
        case n.CountType(limit=limit):
            if not 1 <= limit.value <= MAX_COUNT:
                symbols.diagnostics.error("LUO226", f"a count's limit lies between 1 and {MAX_COUNT:,}", limit.span)
                return CountT(1)
            return CountT(limit.value)
        case n.NamedType(name=name):
            if name.text in symbols.enums:
                return EnumT(symbols.enums[name.text])
            sort = symbols.sorts.get(name.text)
            if sort is None:
                symbols.unknown(
                    f"`{name}` is no type", name, [*symbols.sorts, *symbols.enums, "bool", "count", "errno", "set", "seq"]
                )
            return ElemT(sort) if sort is not None else None
        case n.OptionalType(name=name):
            sort = symbols.sort(name)
            return ElemT(sort, optional=True) if sort is not None else None
        case n.SetType(sort=name):
            sort = symbols.sort(name)
            return SetT(sort) if sort is not None else None
        case n.SeqType(sort=name):
            sort = symbols.sort(name)
            return SeqT(sort) if sort is not None else None
    raise AssertionError(node)


def _field(
    symbols: Symbols,
    lifetime: str,
    name: n.Name,
    type_node: n.TypeNode,
    init: n.Expr | None,
    owners: tuple[Owner, ...],
    span: Span,
) -> Field | None:
    type_ = resolve_type(symbols, type_node)
    if type_ is None:
        return None
    drawn = isinstance(init, n.AnyValue)
    life = Lifetime(lifetime)
    if drawn and life in (Lifetime.GHOST, Lifetime.PRESERVED):
        symbols.diagnostics.error(
            "LUO225",
            f"`any` cannot stand at a {lifetime} field",
            init.span if init else span,
            help="draw a `fixed` or `volatile` one",
        )
    if life is Lifetime.FIXED and any(isinstance(owner, Sort) and owner.pool for owner in owners):
        symbols.diagnostics.error(
            "LUO225",
            f"`{name}` cannot be fixed: elements of a pool come and go",
            span,
            help="make it preserved, and set it after `new`",
        )
    if drawn and isinstance(type_, SeqT | ErrnoT):
        symbols.diagnostics.error("LUO225", f"a field of type {type_} cannot be drawn", span)
        drawn = False
    if drawn and isinstance(type_, ElemT | SetT) and type_.sort.pool:
        symbols.diagnostics.error(
            "LUO225",
            f"`{name}` cannot be drawn: elements of a pool come and go, and none is alive at the start",
            span,
            help=f"begin with `none` (`{type_.sort.name}?`) or `{{ }}`",
        )
        drawn = False
    initial: Value | SortEdge
    if init is None or isinstance(init, n.AnyValue):
        initial = zero(type_)
        if init is None and isinstance(type_, ElemT) and not type_.optional:
            help = f"write `{type_.sort.name}?`" + ("" if type_.sort.pool else ", or `= any`")
            symbols.diagnostics.error("LUO225", f"`{name}` needs an initial value", name.span, help=help)
    else:
        initial = _constant(symbols, init, type_)
    made = Field(len(symbols.all_fields), name.text, owners, life, type_, initial, drawn, span)
    symbols.all_fields.append(made)
    return made


def zero(type_: Type) -> Value:
    """The value that a field without an initial value begins with."""
    match type_:
        case BoolT():
            return False
        case ErrnoT():
            return "EINVAL"
        case SetT():
            return frozenset()
        case SeqT():
            return ()
        case ElemT(optional=True):
            return None
    return 0


def _constant(symbols: Symbols, init: n.Expr, type_: Type) -> Value | SortEdge:
    match init, type_:
        case n.Parenthesised(operand=operand), _:
            return _constant(symbols, operand, type_)
        case n.BoolExpr(value=value), BoolT():
            return value
        case n.NumberExpr(value=number), CountT(limit):
            if number > limit:
                symbols.diagnostics.error("LUO226", f"{number} does not fit into {type_}", init.span)
            return min(number, limit)
        case n.NameExpr(name=name), EnumT(enum):
            if name.text in enum.members:
                return enum.members.index(name.text)
        case n.Select(owner=n.NameExpr(name=owner), field=member), EnumT(enum):
            if owner.text == enum.name and member.text in enum.members:
                return enum.members.index(member.text)
        case n.NameExpr(name=name), ErrnoT():
            return symbols.check_errno(name)
        case n.NoneExpr(), ElemT(optional=True):
            return None
        case n.SetLiteral(items=()), SetT():
            return frozenset()
        case n.SetLiteral(items=()), SeqT():
            return ()
        case n.Select(owner=n.NameExpr(name=owner), field=n.Name(text=("first" | "last") as edge)), ElemT(sort=sort):
            if owner.text == sort.name:
                if not sort.ordered:
                    symbols.diagnostics.error("LUO203", f"`{sort.name}` has no {edge} element: it is not ordered", init.span)
                return SortEdge(sort, edge == "last")
    help = "one of " + ", ".join(type_.enum.members) if isinstance(type_, EnumT) else ""
    symbols.diagnostics.error("LUO225", f"this is no constant of type {type_}", init.span, help=help)
    return zero(type_)


def _collect_bodies(symbols: Symbols, decl: n.Decl) -> None:
    match decl:
        case n.DefineDecl(name=name):
            if symbols.declare(name):
                symbols.defines[name.text] = decl
        case n.ProcDecl(name=name) | n.WalkDecl(name=name):
            if symbols.declare(name):
                symbols.procs[name.text] = decl
        case n.EventDecl(name=name):
            if symbols.declare(name):
                symbols.events[name.text] = decl
