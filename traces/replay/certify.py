"""The witness that a recording conforms: the reading that explains it is replayed once more, and what happened is written down.

What was decided lazily on the way is what the beginning must have been like: a cell that was undecided had never been written.
(Witnesses of results of searches: McConnell et al., "Certifying algorithms", 2011.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from luocheck.model.instances import Cell, default_name
from luocheck.model.ir.system import Event, System
from luocheck.model.ir.vocabulary import BoolT, CountT, ElemT, EnumT, Field, Lifetime, Owner, SeqT, SetT, Sort, Type
from luocheck.model.semantics.lifetimes import survivors
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.replay.cells import EDGE
from luocheck.traces.replay.handles import Handles
from luocheck.traces.replay.history import (
    Appeared,
    Born,
    Bound,
    Decided,
    Excluded,
    Forgotten,
    Freed,
    Happened,
    HistoryReplay,
    HistoryStore,
    Identified,
    Inserted,
    Rebooted,
    Renumbered,
    entries,
)
from luocheck.traces.replay.kernels import parts_of
from luocheck.traces.replay.renaming import Numbers
from luocheck.traces.replay.unknowns import Unknown
from luocheck.traces.replay.world import Beginning
from luocheck.traces.witness import Began, Element, Fact, FactValue, WitnessStep, tells_anew

_BEGAN = {Beginning.COLD: Began.COLD, Beginning.WARM: Began.WARM, Beginning.RUNNING: Began.RUNNING}


@dataclass(frozen=True, slots=True)
class ToldKernel:
    """What a witness says of one kernel beyond what it was made from; the fields are those of `NextKernel`."""

    processes: tuple[Element, ...]
    facts: tuple[Fact, ...]
    files: Mapping[int, tuple[str, ...]]
    steps: tuple[WitnessStep, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What a witness says beyond what it was made from; the fields are those of `AuditWitness`.  kernels: each of them, the first one too."""

    begins: Began
    scope: Mapping[str, tuple[Element, ...]]
    graphs: Mapping[str, tuple[tuple[str, str], ...]]
    alive: tuple[str, ...]
    kernels: tuple[ToldKernel, ...]


class NotExplained(Exception):
    """Replay that remembers what happens did not come to the end; says why."""


def certify(
    system: System,
    recordings: Sequence[Recording],
    beginning: Beginning,
    quick: bool,
    stop: Callable[[], str | None],
    *,
    eager: bool = True,
) -> Told:
    """How recordings of kernels one after another, without losses, come about.  The arguments are those of the reading that explains them.

    Raises NotExplained when there is no time left, or the reboot between two kernels cannot be told.
    """
    parts = parts_of(recordings)
    if len(parts) != len(recordings):
        raise NotExplained("one of the recordings shows no call of the spec, or events of it were lost")
    replay = HistoryReplay(system, parts, beginning, quick, stop, eager=eager)
    found = replay.run()
    if any(handles.moved for handles in replay.handles):
        raise NotExplained("it has a number that is too large to be an element at its own place")
    if not found.explains or not found.explained[-1].belief:
        raise NotExplained(found.gave_up or "it was explained, but not in a way that can be written down")
    store = found.explained[-1].belief[0].store
    assert isinstance(store, HistoryStore)
    if sum(isinstance(entry, Rebooted) for entry in entries(store.history)) != len(parts) - 1:
        raise NotExplained("a kernel can have ended in more ways than are followed, so what the next one was handed is not known")
    return _Writer(system, replay.handles, beginning).told(store)


@dataclass(slots=True)
class _Pool:
    """Names of elements of a pool.  old: of those that are alive at the beginning; others have one of `fresh` names while they live."""

    old: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    living: int = 0
    born: int = 0  # since the last event; what dies in the middle of an event can still be referred to there
    most: int = 0


class _Names:
    """The names of elements, by their numbers in replay at the present moment of a history."""

    def __init__(self, system: System, handles: Handles) -> None:
        self.system = system
        self.names: dict[tuple[int, int], str] = {}
        self.plain: dict[int, list[Element]] = {sort.index: [] for sort in system.sorts if not sort.pool}
        self.pools: dict[int, _Pool] = {sort.index: _Pool() for sort in system.sorts if sort.pool}
        self.dying: list[tuple[Sort, int]] = []
        self.aliases: dict[str, str] = {}  # names of what turned out to be something else
        values = {(index, x): value for (index, value), x in handles.elements.items()}
        for sort in system.sorts:
            for x in range(handles.counts[sort.index] if not sort.pool else 0):
                self._add(sort, x, x if sort.ordered else values.get((sort.index, x)))

    def _add(self, sort: Sort, x: int, value: int | bytes | None) -> str:
        known = self.plain[sort.index]
        name = f"{default_name(sort)}-{len(known)}"
        known.append(Element(name, value))
        self.names[sort.index, x] = name
        return name

    def of(self, sort: Sort, x: int) -> str:
        """The name of an element.  One of a pool gets its name when this is first asked."""
        name = self.names.get((sort.index, x))
        if name is not None:
            return name
        if sort.ordered and not sort.pool:
            while (sort.index, x) not in self.names:  # the place of a number is its own
                position = len(self.plain[sort.index])
                self._add(sort, position, position)
            return self.names[sort.index, x]
        if not sort.pool:
            return self._add(sort, x, None)
        pool = self.pools[sort.index]
        if not pool.free:
            pool.fresh.append(f"{default_name(sort)}-{len(pool.fresh)}")
            pool.free.append(pool.fresh[-1])
        name = self.names[sort.index, x] = pool.free.pop()
        return name

    def unused(self, sort: Sort) -> str:
        """An element that nothing else speaks of."""
        return self._add(sort, -1 - len(self.plain[sort.index]), None)

    def appeared(self, sort: Sort, x: int) -> None:
        pool = self.pools[sort.index]
        pool.born -= 1  # it was not born in the recording
        pool.old.append(f"{default_name(sort)}-old-{len(pool.old)}")
        self.names[sort.index, x] = pool.old[-1]

    def forgotten(self, sort: Sort, x: int) -> None:
        if not sort.ordered:
            self.names.pop((sort.index, x), None)

    def identified(self, unknown: Unknown, x: int) -> None:
        """What was written of an unknown element is about x."""
        sort = self.system.sorts[unknown.sort]
        written, name = self.names.get((sort.index, unknown)), self.of(sort, x)
        self.names[sort.index, unknown] = name
        if written is not None:
            self.aliases[written] = name

    def renumbered(self, numbers: Numbers, known: tuple[int, ...]) -> None:
        names = {}
        for (sort, x), name in self.names.items():
            if type(x) is Unknown and sort not in numbers:
                continue
            if sort not in numbers or (type(x) is not Unknown and not self.system.sorts[sort].pool and x < known[sort]):
                names[sort, x] = name
            elif x in numbers[sort] and (type(x) is not Unknown or type(numbers[sort][x]) is Unknown):
                names[sort, numbers[sort][x]] = name
        self.names = names

    def final(self, name: str) -> str:
        """The name of what an element has turned out to be."""
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def is_old(self, sort: Sort, x: int) -> bool:
        return self.names.get((sort.index, x), "") in self.pools[sort.index].old

    def rebooted(self, handles: Handles) -> tuple[Element, ...]:
        """The elements that the next recording speaks of; gives its processes.  What kexec does not leave has no name any more."""
        self.event_over()
        _, surviving = survivors(self.system)
        for sort in self.system.sorts:
            if sort.pool and sort.index not in surviving:
                pool = self.pools[sort.index]
                pool.living, pool.free = 0, list(reversed(pool.fresh))
                self.names = {key: name for key, name in self.names.items() if key[0] != sort.index}
        processes = []
        for (index, value), x in handles.elements.items():
            sort = self.system.sorts[index]
            if sort.caller:
                processes.append(Element(self.of(sort, x), value))
            elif sort.ordered:
                self.of(sort, x)
            elif (index, x) not in self.names:
                self._add(sort, x, value)
        return tuple(processes)

    def event_over(self) -> None:
        """Names of what died are free again."""
        for pool in self.pools.values():
            pool.most = max(pool.most, pool.living + pool.born)
            pool.living += pool.born
            pool.born = 0
        for sort, x in self.dying:
            pool = self.pools[sort.index]
            was_old = self.is_old(sort, x)
            name = self.names.pop((sort.index, x), None)
            if not was_old:
                pool.living -= 1
                if name is not None:
                    pool.free.append(name)
        self.dying.clear()

    def scope(self) -> dict[str, tuple[Element, ...]]:
        out = {}
        for sort in self.system.sorts:
            if not sort.pool:
                out[sort.name] = tuple(each for each in self.plain[sort.index] if each.name not in self.aliases)
                continue
            pool = self.pools[sort.index]
            while len(pool.fresh) < pool.most:
                pool.fresh.append(f"{default_name(sort)}-{len(pool.fresh)}")
            out[sort.name] = tuple(Element(name) for name in (*pool.old, *pool.fresh))
        return out


_Key = tuple[int, tuple[str, ...]]
"""A field and the names of what has it."""


@dataclass(slots=True)
class _Kernel:
    """What is written of one kernel.  excluded: what facts about it cannot be."""

    processes: tuple[Element, ...] = ()
    facts: dict[_Key, FactValue] = field(default_factory=dict)
    excluded: dict[_Key, frozenset[FactValue]] = field(default_factory=dict)
    files: dict[tuple[int, int], str] = field(default_factory=dict)  # by file and sort
    steps: list[WitnessStep] = field(default_factory=list)


@dataclass(slots=True)
class _Writer:
    """handles: those of each kernel."""

    system: System
    handles: list[Handles]
    beginning: Beginning
    names: _Names = field(init=False)
    kernels: list[_Kernel] = field(default_factory=lambda: [_Kernel()])

    def __post_init__(self) -> None:
        self.names = _Names(self.system, self.handles[0])

    @property
    def now(self) -> _Kernel:
        return self.kernels[-1]

    def told(self, store: HistoryStore) -> Told:
        for entry in entries(store.history):
            match entry:
                case Decided(cell, value):
                    self._fact(cell, value)
                case Inserted(cell, x):
                    self._member(cell, x)
                case Excluded(cell, values):
                    self._exclude(cell, values)
                case Appeared(sort, x):
                    self.names.appeared(sort, x)
                case Born(sort, _):
                    self.names.pools[sort.index].born += 1
                case Freed(sort, x):
                    self.names.dying.append((sort, x))
                case Forgotten(sort, x):
                    self.names.forgotten(sort, x)
                case Identified(unknown, x):
                    self.names.identified(unknown, x)
                case Renumbered(numbers, known):
                    self.names.renumbered(numbers, known)
                case Bound(file, index, x):
                    self.now.files[file, index] = self.names.of(self.system.sorts[index], x)
                case Rebooted():
                    self.kernels.append(_Kernel(self.names.rebooted(self.handles[len(self.kernels)])))
                case Happened(call, event, arguments, errno, label, result):
                    self._step(call, event, arguments, errno, label, result)
        self._settle_excluded()
        graphs = self._graphs(store)
        return Told(
            _BEGAN[self.beginning],
            self.names.scope(),
            graphs,
            tuple(name for pool in self.names.pools.values() for name in pool.old),
            tuple(
                ToldKernel(
                    each.processes,
                    tuple(self._written(key, value) for key, value in each.facts.items()),
                    _files(each),
                    tuple(self._final(step) for step in each.steps),
                )
                for each in self.kernels
            ),
        )

    # ---- the beginning ----------------------------------------------------------------------------------------------

    def _key(self, cell: Cell) -> _Key | None:
        """None for what cannot be a fact: an element that did not exist at the beginning, or a field that begins as the spec says."""
        f = self.system.fields[cell[0]]
        if not self._may_be_given(f):
            return None
        for owner, x in zip(f.owners, cell[1:], strict=True):
            if isinstance(owner, Sort) and owner.pool and not self.names.is_old(owner, x):
                return None
        return f.index, tuple(self._owner(owner, x) for owner, x in zip(f.owners, cell[1:], strict=True))

    def _told_of(self, key: _Key) -> _Kernel:
        """The kernel that begins with a value: the present one with what each draws for itself, else the first one."""
        f = self.system.fields[key[0]]
        if not f.drawn or f.lifetime is Lifetime.FIXED or len(self.kernels) == 1:
            return self.kernels[0]
        if not tells_anew(f):
            raise NotExplained(f"what each kernel draws for `{f.name}` of elements that can be gone cannot be told")
        return self.now

    def _may_be_given(self, f: Field) -> bool:
        if f.drawn or f.lifetime is Lifetime.FIXED:
            return f.drawn
        return self.beginning is Beginning.RUNNING or (self.beginning is Beginning.WARM and f.lifetime is Lifetime.PRESERVED)

    def _owner(self, owner: Owner, x: int) -> str:
        return self.names.of(owner, x) if isinstance(owner, Sort) else owner.members[x]

    def _fact(self, cell: Cell, value: Any) -> None:
        key = self._key(cell)
        if key is not None:
            self._told_of(key).facts[key] = self._value(self.system.fields[cell[0]].type, value)

    def _member(self, cell: Cell, x: int) -> None:
        key, type_ = self._key(cell), self.system.fields[cell[0]].type
        if key is None or not isinstance(type_, SeqT | SetT):
            return
        facts = self._told_of(key).facts
        members = facts.get(key)
        if isinstance(members, tuple):
            facts[key] = (*members, self.names.of(type_.sort, x))

    def _exclude(self, cell: Cell, values: frozenset[Any]) -> None:
        key = self._key(cell)
        if key is not None:
            type_ = self.system.fields[cell[0]].type
            self._told_of(key).excluded[key] = frozenset(self._value(type_, value) for value in values)

    def _settle_excluded(self) -> None:
        """Of what is only known not to be something, the first value that it can be."""
        for kernel, key, values in [(each, *excluded) for each in self.kernels for excluded in each.excluded.items()]:
            if key in kernel.facts:
                continue
            type_ = self.system.fields[key[0]].type
            possible: list[FactValue]
            match type_:
                case BoolT():
                    possible = [False, True]
                case CountT(limit):
                    possible = list(range(limit + 1))
                case EnumT(enum):
                    possible = list(enum.members)
                case ElemT(sort, optional):
                    possible = [*([None] if optional else []), *([] if sort.pool else [self.names.unused(sort)])]
                case _:
                    continue
            left = [value for value in possible if value not in values]
            if left:
                kernel.facts[key] = left[0]

    def _value(self, type_: Type, value: Any) -> FactValue:
        match type_:
            case ElemT(sort):
                return None if value is None else self.names.of(sort, value)
            case EnumT(enum):
                return str(enum.members[value])
            case BoolT():
                return bool(value)
            case SetT(sort) | SeqT(sort):
                return tuple(self.names.of(sort, x) for x in value)
        return int(value)

    def _written(self, key: _Key, value: FactValue) -> Fact:
        f = self.system.fields[key[0]]
        value = self.names.final(value) if isinstance(value, str) else value
        return Fact(f.name, tuple(owner.name for owner in f.owners), key[1], value)

    def _final(self, step: WitnessStep) -> WitnessStep:
        """A step with what its unknown elements turned out to be."""
        if not self.names.aliases:
            return step
        arguments = tuple((name, self.names.final(x)) for name, x in step.arguments)
        return replace(step, arguments=arguments, gives=self.names.final(step.gives) if step.gives is not None else None)

    def _graphs(self, store: HistoryStore) -> dict[str, tuple[tuple[str, str], ...]]:
        out: dict[str, tuple[tuple[str, str], ...]] = {}
        for graph in self.system.graphs:
            cells = [c for c, there in store.items() if c[0] == EDGE and c[1] == graph.index and there]
            edges = dict.fromkeys((self.names.of(graph.sort, a), self.names.of(graph.sort, b)) for _, _, _, a, b in cells)
            out[graph.name] = tuple(edges)
        return out

    # ---- the steps --------------------------------------------------------------------------------------------------

    def _step(
        self, call: Call | None, event: Event, arguments: tuple[Any, ...], errno: str, label: str | None, result: Any
    ) -> None:
        count = len(event.parameters)
        given = tuple((p.name, self._text(p.type, x)) for p, x in zip(event.parameters, arguments[:count], strict=True))
        bad = tuple(p.name for p, flag in zip(event.predicates, arguments[count:], strict=False) if flag)
        if call is not None and call.kind is Kind.CLOSE and call.event is None and call.on is not None:
            for parameter, (_, name) in zip(event.parameters, given, strict=True):
                if isinstance(parameter.type, ElemT) and parameter.slot != event.caller:
                    self.now.files.setdefault(
                        (call.on.number, parameter.type.sort.index), name
                    )  # nobody recorded what it stood for
        lines = (call.enter.line, *([call.exit.line] if call.exit is not None else [])) if call is not None else ()
        gives = self._text(event.result.type, result) if event.result is not None and result is not None else None
        self.now.steps.append(
            WitnessStep(call.number if call is not None else None, lines, event.name, given, bad, errno, label, gives)
        )
        self.names.event_over()

    def _text(self, type_: Type, value: Any) -> str:
        shown = self._value(type_, value)
        return ("true" if shown else "false") if isinstance(type_, BoolT) else str(shown)


def _files(kernel: _Kernel) -> dict[int, tuple[str, ...]]:
    out: dict[int, tuple[str, ...]] = {}
    for (number, _), name in sorted(kernel.files.items()):
        out[number] = (*out.get(number, ()), name)
    return out
