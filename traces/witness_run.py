"""The reference interpreter in the scope of a witness: its beginning, and how calls can end there.

This is all that stands between a witness and the meaning of the spec.  It shares no code with replay, so that what replay gets wrong is
not wrong here in the same way; what the bytes of a call decide is written down a second time for that reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from luocheck.model import graphs
from luocheck.model.abi import Abi, Ioctl
from luocheck.model.instances import Cell, Instance, default_of, edges_allowed
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, Event, Graph, Scope, System
from luocheck.model.ir.vocabulary import BoolT, CountT, ElemT, EnumT, Field, Lifetime, Owner, SeqT, SetT, Sort, Type, Value
from luocheck.model.semantics.lifetimes import survivors
from luocheck.model.semantics.machine import Arguments, Forks, Machine
from luocheck.model.semantics.run import NOBODY, SEQ, Outcome, Run
from luocheck.model.semantics.statements import Program
from luocheck.model.semantics.store import Store, live_index
from luocheck.traces.witness import AuditWitness, Began, Fact, FactValue, tells_anew


class Malformed(Exception):
    """The witness speaks of something that neither the spec nor the witness has."""


OVER: Cell = (-1,)
"""Marks a state in which kexec has happened: the next kernel's after its boot, or the end of the last one."""

Cells = Sequence[tuple[Cell, Value]]


class Judgement(NamedTuple):
    """How the checks of a call's bytes can end: with one of the errnos, or, when `passes`, with the body going on."""

    errnos: frozenset[str]
    passes: bool


PASSED = Judgement(frozenset(), True)


def judged(abi: Abi, ioctl: Ioctl, given: Mapping[str, int | bytes]) -> Judgement:
    """What the recorded bytes leave possible: the size word first, then the struct, then the members that must be zero."""
    errnos: set[str] = set()
    sized, header = abi.sized, ioctl.sized
    if sized is not None and header is not None:
        size = given.get(header.name)
        if isinstance(size, int) and size < ioctl.size:
            return Judgement(frozenset({sized.short} if sized.short is not None else ()), False)
        unsure = [sized.fault, sized.short, sized.tail] if size is None else [sized.tail] if size != ioctl.size else []
        if any(member.role in ("in", "zero") and member.name not in given for member in ioctl.fields):
            unsure.append(sized.fault)  # of a struct of which not all is shown not all may have been readable
        errnos |= {errno for errno in unsure if errno is not None}
    elif any(member.role == "in" and member.name not in given for member in ioctl.fields):
        errnos.add("EFAULT")
    for member in ioctl.fields:
        if member.role == "zero" and member.errno is not None and given.get(member.name) != 0:
            errnos.add(member.errno)
            if member.name in given:
                return Judgement(frozenset(errnos), False)
    return Judgement(frozenset(errnos), True)


class _Program(Program):
    def _arguments(self, stmt: st.Arguments) -> Any:
        machine = self.machine
        assert isinstance(machine, Player)
        return machine.judge


class Player(Machine):
    """Executes calls; their bytes are judged at `arguments;`, or before the body where there is none.

    anew: what the kernel after this one has drawn for itself; None when what comes after a kexec is in no recording.
    """

    def __init__(self, instance: Instance) -> None:
        self.judgement = PASSED
        self.anew: Cells | None = None
        super().__init__(instance)
        self.judges_first = tuple(not any(isinstance(s, st.Arguments) for s in st.statements(e.body)) for e in self.system.events)

    def make_program(self, instance: Instance) -> Program:
        return _Program(instance, self)

    def ends(self, event: Event, arguments: Arguments, store: Store, judgement: Judgement) -> list[Outcome]:
        """All ways in which a call can end, or be stopped by the scope; empty when it cannot be made."""
        self.judgement = judgement
        env = self.environment(event, arguments, store)
        if not self.enabled(event, env, store):
            return []
        caller = env[event.caller] if event.caller is not None else NOBODY
        run = Run(event, store, env, [(SEQ, self.bodies[event.index], 0, ())], caller, False, False)
        forks = self.judge(run) if self.judges_first[event.index] else None
        starts: Forks = [run] if forks is None else forks
        return [end for start in starts for end in ([start] if isinstance(start, Outcome) else self.outcomes_of(start))]

    def judge(self, run: Run) -> Forks | None:
        """Forks over how the checks of the bytes can end."""
        if self.judgement == PASSED:
            return None
        forks: Forks = [run.fork()] if self.judgement.passes else []
        for errno in sorted(self.judgement.errnos):
            other = run.fork()
            ended = self.fail(other, errno, None)
            forks += [other] if ended is None else [ended] if isinstance(ended, Outcome) else ended
        return forks

    def reboot(self, run: Run, boot: int) -> Forks:
        """The next kernel boots, or the recording is over."""
        if self.anew is not None:
            return super().reboot(run, boot)
        run.own()[OVER] = True
        return [Outcome("returns", OK, None, run.store, run.faults, run.findings, run.lines, run.env, ())]

    def drawn_anew(self, started: Store) -> Iterable[Store]:
        """The one state after kexec in which everything is as the witness says."""
        for cell, value in self.anew or ():
            started.write(cell, value, started.instance.defaults[cell[0]])
        started[OVER] = True
        return [started]


class Play:
    """The instance that a witness describes, and its elements by name.  Raises Malformed."""

    def __init__(self, system: System, witness: AuditWitness) -> None:
        self.system, self.witness = system, witness
        unknown = [name for name in witness.scope if all(sort.name != name for sort in system.sorts)]
        if unknown:
            raise Malformed(f"the spec has no sort `{unknown[0]}`")
        self.elements: dict[str, tuple[Sort, int]] = {}
        for sort in system.sorts:
            for position, each in enumerate(witness.scope.get(sort.name, ())):
                if each.name in self.elements:
                    raise Malformed(f"two elements have the name `{each.name}`")
                self.elements[each.name] = sort, position
        for sort in system.sorts:
            self._one_for_each_value(sort)
        for kernel in witness.kernels:
            for number, names in kernel.files.items():
                sorts = [self.elements[name][0] for name in names if name in self.elements]
                if len(set(map(id, sorts))) < len(sorts):
                    raise Malformed(f"the open file #{number} stands for two elements of one sort")
        self.player = Player(self._instance())

    def _one_for_each_value(self, sort: Sort) -> None:
        elements = self.witness.scope.get(sort.name, ())
        values = [each.value for each in elements if each.value is not None]
        if len(set(values)) < len(values):
            raise Malformed(f"two elements of `{sort.name}` stand for one value")
        if sort.ordered and any(each.value not in (None, position) for position, each in enumerate(elements)):
            raise Malformed(f"elements of `{sort.name}` are numbers, so each must stand at its own place in the scope")

    # ---- the instance -----------------------------------------------------------------------------------------------

    def _instance(self) -> Instance:
        system, witness = self.system, self.witness
        unknown = [name for name in witness.graphs if all(graph.name != name for graph in system.graphs)]
        if unknown:
            raise Malformed(f"the spec has no graph `{unknown[0]}`")
        sizes = tuple(len(witness.scope.get(sort.name, ())) for sort in system.sorts)
        scope = Scope(
            "witness", tuple((s.name, size) for s, size in zip(system.sorts, sizes, strict=True)), frozenset(), system.span
        )
        edges = tuple(self._edges(graph) for graph in system.graphs)
        defaults = tuple(default_of(f, sizes) for f in system.fields)
        counts = [sizes[graph.sort.index] for graph in system.graphs]
        names = tuple(tuple(each.name for each in witness.scope.get(sort.name, ())) for sort in system.sorts)
        closures = tuple(graphs.closure(count, each) for count, each in zip(counts, edges, strict=True))
        orders = tuple(graphs.topological_order(count, each) for count, each in zip(counts, edges, strict=True))
        fixed: dict[Cell, Value] = {}
        instance = Instance(system, scope, None, sizes, edges, fixed, names, defaults, closures, orders)
        fixed |= {cell: value for cell, value in self._cells(fixed=True) if value != defaults[cell[0]]}
        if not all(edges_allowed(graph, instance) for graph in system.graphs):
            raise Malformed("an edge of the graph goes against the graph's `where`")
        return instance

    def _edges(self, graph: Graph) -> graphs.Edges:
        ends = [tuple(self.element(name, graph.sort) for name in edge) for edge in self.witness.graphs.get(graph.name, ())]
        edges = frozenset((a, b) for a, b in ends)
        if graph.acyclic and not graphs.is_acyclic(len(self.witness.scope.get(graph.sort.name, ())), edges):
            raise Malformed(f"the graph `{graph.name}` has a circle")
        return edges

    def element(self, name: str, sort: Sort) -> int:
        """The element of a sort with this name in the scope."""
        found = self.elements.get(name)
        if found is None or found[0] is not sort:
            raise Malformed(f"the scope has no `{name}` of sort `{sort.name}`")
        return found[1]

    # ---- the beginning ----------------------------------------------------------------------------------------------

    def beginnings(self) -> list[Store]:
        """The states after boot.  A kernel that had been running does not boot."""
        player = self.player
        start = Store(player.program.instance, player.program.instance.fixed)
        for name in self.witness.alive:
            sort, x = self._alive(name)
            start[live_index(self.system, sort), x] = True
        for cell, value in self._cells(fixed=False):
            self._there(cell, start)
            start.write(cell, value, start.instance.defaults[cell[0]])
        if self.system.boot is None or player.boot is None or self.witness.begins is Began.RUNNING:
            return [start]
        env: list[Any] = [None] * len(self.system.boot_slots)
        run = Run(None, start, env, [(SEQ, player.boot, 0, ())], NOBODY, False, False)
        return [outcome.store for outcome in player.outcomes_of(run) if outcome.kind == "returns"]

    def _alive(self, name: str) -> tuple[Sort, int]:
        found = self.elements.get(name)
        if found is None or not found[0].pool:
            raise Malformed(f"`{name}` is no element of a pool of the scope")
        begins = self.witness.begins
        if begins is Began.COLD or (begins is Began.WARM and found[0].index not in survivors(self.system)[1]):
            raise Malformed(f"`{name}` cannot be there at the beginning of a recording that begins {begins.value}")
        return found

    def _there(self, cell: Cell, start: Store) -> None:
        for owner, x in zip(self.system.fields[cell[0]].owners, cell[1:], strict=True):
            if isinstance(owner, Sort) and owner.pool and (live_index(self.system, owner), x) not in start:
                raise Malformed(f"a fact is about an element of `{owner.name}` that is not alive at the beginning")

    def _cells(self, *, fixed: bool) -> Iterator[tuple[Cell, Value]]:
        """The facts about fixed fields, or about the others."""
        for f, cell, value in self._given(self.witness.facts):
            if not self._may_be_given(f):
                raise Malformed(
                    f"the value of `{f.name}` is not open at the beginning of a recording that begins {self.witness.begins.value}"
                )
            if (f.lifetime is Lifetime.FIXED) == fixed:
                yield cell, self.value(f.type, value, f.name)

    def anew(self, facts: Iterable[Fact]) -> Cells:
        """What a kernel after the first one has drawn for itself.  Raises Malformed."""
        cells: list[tuple[Cell, Value]] = []
        for f, cell, value in self._given(facts):
            if not tells_anew(f):
                raise Malformed(f"the value of `{f.name}` is not open when the next kernel boots")
            cells.append((cell, self.value(f.type, value, f.name)))
        return cells

    def _given(self, facts: Iterable[Fact]) -> Iterator[tuple[Field, Cell, FactValue]]:
        """What facts are about, each once, and the value as the witness has it."""
        seen: set[Cell] = set()
        for fact in facts:
            f = self._field(fact)
            if len(fact.of) != len(f.owners):
                raise Malformed(f"`{f.name}` belongs to {len(f.owners)} elements, and {len(fact.of)} are named")
            cell = (f.index, *(self._owner(owner, name) for owner, name in zip(f.owners, fact.of, strict=True)))
            if cell in seen:
                raise Malformed(f"`{f.name}` is given twice for the same element")
            seen.add(cell)
            yield f, cell, fact.value

    def _field(self, fact: Fact) -> Field:
        for f in self.system.fields:
            if f.name == fact.field and tuple(owner.name for owner in f.owners) == fact.owners:
                return f
        raise Malformed(f"the spec has no field `{fact.field}`" + (f" of {', '.join(fact.owners)}" if fact.owners else ""))

    def _may_be_given(self, f: Field) -> bool:
        if f.drawn or f.lifetime is Lifetime.FIXED:
            return f.drawn
        match self.witness.begins:
            case Began.COLD:
                return False
            case Began.WARM:
                return f.lifetime in (Lifetime.PRESERVED, Lifetime.GHOST)
        return True

    def _owner(self, owner: Owner, name: str) -> int:
        if isinstance(owner, Sort):
            return self.element(name, owner)
        if name not in owner.members:
            raise Malformed(f"`{owner.name}` has no member `{name}`")
        return owner.members.index(name)

    def value(self, type_: Type, value: FactValue, what: str) -> Value:
        """A value of a type from its text in the witness."""
        match type_:
            case BoolT() if isinstance(value, bool):
                return value
            case CountT(limit) if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= limit:
                return value
            case EnumT(enum) if isinstance(value, str) and value in enum.members:
                return enum.members.index(value)
            case ElemT(sort, optional) if isinstance(value, str) or (value is None and optional):
                return None if value is None else self.element(value, sort)
            case SetT(sort) if isinstance(value, tuple):
                return frozenset(self._members(sort, value))
            case SeqT(sort) if isinstance(value, tuple):
                return tuple(self._members(sort, value))
        raise Malformed(f"`{what}` has the type {type_}, and `{value}` is no such value")

    def _members(self, sort: Sort, names: Iterable[str]) -> list[int]:
        found = [self.element(name, sort) for name in names]
        if len(set(found)) < len(found):
            raise Malformed(f"an element of `{sort.name}` is named twice in one set or sequence")
        return found
