"""Runs of a scope, call by call: the states after each number of calls as summaries, and when a claim is broken there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from luocheck.checker.explore.monitors import consequents
from luocheck.checker.symbolic.bounded import locks, pools
from luocheck.checker.symbolic.bounded.execute import Executor
from luocheck.checker.symbolic.bounded.gates import FALSE, TRUE, Gates, Lit
from luocheck.checker.symbolic.bounded.paths import WRITTEN, Ends, Exits, Path, joined, split
from luocheck.checker.symbolic.bounded.reader import Reader
from luocheck.checker.symbolic.bounded.refusal import Refused
from luocheck.checker.symbolic.bounded.summaries import NONE, Summary, cases, constant, made
from luocheck.checker.symbolic.bounded.world import Cells, Choices, World
from luocheck.model.instances import Instance
from luocheck.model.ir import statements as st
from luocheck.model.ir.system import OK, PANIC, Event, Kind, OutcomePattern, Property
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Type

STATE_KINDS = (Kind.INVARIANT, Kind.LEMMA, Kind.REACHABLE)
DECIDED = (*STATE_KINDS, Kind.AFTER, Kind.ASSERT, Kind.NEVER, Kind.BUILT_IN)
"""Kinds of claims that a run of calls can decide."""


@dataclass(slots=True)
class Asked:
    """What claims say at one place.

    found: claim -> when it is broken, or the goal reached.  seen: claim -> when something that it is about was met.  amiss: claim -> when
    it reads through `none` (LUO605).  clash: when a `forall` writes two values to one place (LUO608).
    """

    found: dict[str, Lit] = field(default_factory=dict)
    seen: dict[str, Lit] = field(default_factory=dict)
    amiss: dict[str, Lit] = field(default_factory=dict)
    clash: Lit = FALSE


@dataclass(slots=True)
class Level:
    """The states after a number of calls, and the last of these calls (`event` and what follows; nothing of it at the start).

    valid: when there is such a run.  faults, named: of the whole run, when it ends here; calls that end everything count too.
    arguments: by event.  errno, label: how and where the last call ended.
    """

    cells: Cells
    valid: Lit
    asked: Asked
    faults: Summary
    named: dict[tuple[int, int], Lit]
    event: Summary = field(default_factory=dict)
    arguments: list[list[Summary]] = field(default_factory=list)
    errno: Summary = field(default_factory=dict)
    label: Summary = field(default_factory=dict)


class Unrolling:
    """Makes one level after the other."""

    def __init__(self, gates: Gates, instances: Sequence[Instance], claims: Sequence[Property]) -> None:
        """Raises Refused when the scope cuts calls into steps."""
        self.gates = gates
        self.world = World(gates, instances)
        self.system = self.world.system
        scope = instances[0].scope
        for event in self.system.events:
            if event.name in scope.stepwise:
                raise Refused(f"scope `{scope.name}` cuts {event.name} into steps", event.span)
        self.states = [claim for claim in claims if claim.kind in STATE_KINDS]
        self.transitions = [claim for claim in claims if claim.kind in (Kind.AFTER, Kind.NEVER)]
        self.names = {claim.name for claim in claims}
        self.watched = {
            id(part): claim.name
            for claim in claims
            if claim.condition is not None and claim.kind in (Kind.INVARIANT, Kind.LEMMA, Kind.AFTER)
            for part in consequents(claim.condition)
        }

    # ---- the start ------------------------------------------------------------------------------------------------

    def start(self) -> Level:
        """The initial states: fixed choices made, `any` drawn, boot run."""
        system, world = self.system, self.world
        path: Path | None = Path(TRUE, dict(world.fixed), [NONE] * max(1, len(system.boot_slots)))
        assert path is not None
        executor = Executor(world, Choices(self.gates), None, {}, Ends())
        pools.draw(executor, path, None)
        if system.boot is not None:
            exits = Exits()
            path = executor.join(executor.block(path, system.boot, exits, None), *exits.stops)
        if path is None:
            return Level({}, FALSE, Asked(), constant(0), {})
        return self.state(path.cells, path.guard)

    def state(self, cells: Cells, valid: Lit) -> Level:
        """A level of which only the states are known."""
        asked = Asked()
        self.ask_states(cells, valid, asked)
        return Level(cells, valid, asked, constant(0), {})

    def ask_states(self, cells: Cells, valid: Lit, asked: Asked) -> None:
        """What the claims about states say of some states."""
        for claim in self.states:
            assert claim.condition is not None
            reader = self._reader(cells, [NONE] * claim.slots, {}, valid)
            holds = reader.truth(claim.condition)
            self._answer(claim, reader, holds if claim.kind is Kind.REACHABLE else holds ^ 1, asked)

    def _reader(self, cells: Cells, env: list[Summary], old: Cells, here: Lit, written: Lit = TRUE) -> Reader:
        return Reader(self.world, cells, env, old, checked=False, here=here, written=written, watched=self.watched)

    def _answer(self, claim: Property, reader: Reader, found: Lit, asked: Asked) -> None:
        gates = self.gates
        self._add(asked.found, claim.name, gates.and_(gates.and_(reader.here, found), reader.bad ^ 1))
        for name, lit in reader.looked_at.items():
            self._add(asked.seen, name, lit)
        self._add(asked.amiss, claim.name, reader.bad)

    def _add(self, found: dict[str, Lit], name: str, lit: Lit) -> None:
        if name in self.names and lit != FALSE:
            found[name] = self.gates.or_(found.get(name, FALSE), lit)

    # ---- one call -------------------------------------------------------------------------------------------------

    def step(self, level: Level) -> Level:
        """One more call, from any of the states of a level."""
        gates, asked = self.gates, Asked()
        chosen = Choices(gates).one_of(range(len(self.system.events)))
        choices = Choices(gates)
        nexts: list[Path] = []
        ends: list[Path] = []
        arguments: list[list[Summary]] = []
        for event in self.system.events:
            choices.rewind()  # one event happens, so all events can use the same choices
            values, path = self._begun(event, level, choices, chosen[event.index])
            arguments.append(values)
            if path is not None:
                returned, over = self._call(event, values, path, level, choices, asked)
                nexts += returned
                ends += over
        absent = self.world.absent
        next_ = joined(gates, nexts, absent)
        end = joined(gates, ends, absent)
        cells, valid = (next_.cells, next_.guard) if next_ is not None else ({}, FALSE)
        self.ask_states(cells, valid, asked)
        outcome = (end.errno, end.label) if end is not None else ({}, {})
        return Level(cells, valid, asked, *self._measure(level, end), chosen, arguments, *outcome)

    def _begun(self, event: Event, level: Level, choices: Choices, guard: Lit) -> tuple[list[Summary], Path | None]:
        """A call with arguments of all kinds; None when it cannot be made."""
        env: list[Summary] = [NONE] * max(1, len(event.slots))
        values: list[Summary] = []
        for type_ in [*(p.type for p in event.parameters), *([BoolT()] * len(event.predicates))]:
            value, none = self._argument(type_, level.cells, choices)
            guard = self.gates.and_(guard, none ^ 1)
            values.append(value)
        for slot, value in zip(event.argument_slots, values, strict=True):
            env[slot] = value
        return values, Path(guard, dict(level.cells), env) if guard != FALSE else None

    def _argument(self, type_: Type, cells: Cells, choices: Choices) -> tuple[Summary, Lit]:
        """An argument, and when there is none that could be passed."""
        match type_:
            case ElemT(sort):
                options = self.world.elements(cells, sort)
                if sort.pool:
                    return choices.among(options)
                return choices.one_of([x for x, _ in options]), FALSE if options else TRUE
            case EnumT(enum):
                return choices.one_of(range(len(enum.members))), FALSE
            case BoolT():
                return choices.one_of((False, True)), FALSE
        raise AssertionError(type_)

    def _call(
        self, event: Event, arguments: list[Summary], path: Path, level: Level, choices: Choices, asked: Asked
    ) -> tuple[list[Path], list[Path]]:
        """The states after a call, and the ends of it, with faults and elements."""
        gates, ends, exits = self.gates, Ends(), Exits()
        executor = Executor(self.world, choices, event, level.cells, ends)
        done = executor.join(executor.block(path, event.body, exits, None), *exits.stops)
        if done is not None:
            done.errno, done.label = constant(OK), NONE
        done = executor.join(done, *exits.fails)
        for effect in event.effects:
            done = self._effect(executor, event, effect.pattern, effect.body, done)
        if done is not None and executor.has_locks:
            locks.returned(executor, done)
        panicked = executor.join(*ends.panics)
        if panicked is not None:
            panicked.errno = constant(PANIC)
        finished = [each for each in (done, panicked) if each is not None and each.guard != FALSE]
        for each in finished:
            self._ask_transitions(event, each, level, asked)
        self._findings(event, [*finished, *ends.oopses], ends, asked)
        over = []
        for each in (*finished, *ends.oopses):
            result = event.result is not None and each is done
            named = self._named(event, arguments, each.env[event.result.slot] if result and event.result else {}, each)
            over.append(Path(each.guard, {}, [], errno=each.errno, label=each.label, faults=each.faults, flags=named))
        after = [Path(done.guard, done.cells, [])] if done is not None and done.guard != FALSE else []
        for error in ends.errors:
            asked.clash = gates.or_(asked.clash, error)
        return after, over

    def _effect(self, executor: Executor, event: Event, pattern: OutcomePattern, body: st.Block, done: Path | None) -> Path | None:
        if done is None:
            return None
        yes, no = split(self.gates, done, self._matched(event, pattern, done))
        return executor.join(executor.block(yes, body, Exits(), None), no)

    def _matched(self, event: Event, pattern: OutcomePattern, path: Path) -> Lit:
        outcomes = cases(self.gates, path.errno, path.label)
        return self.gates.any_of(lit for (errno, label), lit in outcomes if pattern.matches(event, errno, label))

    def _ask_transitions(self, event: Event, path: Path, level: Level, asked: Asked) -> None:
        for claim in self.transitions:
            pattern = claim.pattern
            assert pattern is not None
            about = self.gates.and_(path.guard, self._matched(event, pattern, path))
            if about == FALSE:
                continue
            env = path.env if pattern.event is not None else [NONE] * claim.slots
            reader = self._reader(path.cells, env, level.cells, about, path.flags.get(WRITTEN, FALSE))
            broken = reader.truth(claim.condition) ^ 1 if claim.condition is not None else TRUE
            self._answer(claim, reader, broken, asked)

    def _findings(self, event: Event, paths: list[Path], ends: Ends, asked: Asked) -> None:
        """Asserts and built-in claims, and what was met at all."""
        gates, fired = self.gates, FALSE
        for each, counts in [*((path, True) for path in paths), *((path, False) for path in ends.cuts)]:
            fired = gates.or_(fired, each.guard)
            for flag, lit in each.flags.items():
                if flag[0] == "passed":
                    self._add(asked.seen, flag[1], gates.and_(each.guard, lit))
                elif flag[0] == "broke" and counts:
                    self._add(asked.found, flag[1], gates.and_(each.guard, lit))
        for claim in self.transitions:
            if claim.kind is Kind.NEVER and claim.pattern is not None and claim.pattern.event == event.name:
                self._add(asked.seen, claim.name, fired)

    # ---- what a witness has as little of as possible ----------------------------------------------------------------

    def _named(self, event: Event, arguments: list[Summary], result: Summary, path: Path) -> dict[tuple[object, ...], Lit]:
        """The elements that a call names: its arguments, and its result when it returns OK."""
        gates = self.gates
        found: dict[tuple[object, ...], Lit] = {}
        returned = gates.any_of(lit for errno, lit in path.errno.items() if errno == OK)
        given = [(p.type, value, TRUE) for p, value in zip(event.parameters, arguments)]
        if event.result is not None:
            given.append((event.result.type, result, returned))
        for type_, value, when in given:
            if isinstance(type_, ElemT) and not type_.sort.pool:  # those of pools are made by calls
                for x, lit in value.items():
                    if x is not None:
                        key = ("named", type_.sort.index, x)
                        found[key] = gates.or_(found.get(key, FALSE), gates.and_(lit, when))
        return found

    def _measure(self, level: Level, end: Path | None) -> tuple[Summary, dict[tuple[int, int], Lit]]:
        gates = self.gates
        if end is None:
            return level.faults, level.named
        faults = made(gates, ((a + b, lit) for (a, b), lit in cases(gates, level.faults, end.faults)))
        named = dict(level.named)
        for (_, sort, x), lit in end.flags.items():
            named[sort, x] = gates.or_(named.get((sort, x), FALSE), lit)
        return faults, named

    def count(self, lits: Sequence[Lit]) -> Summary:
        """How many formulas are true."""
        sums: Summary = {0: TRUE}
        for counted in lits:
            parts = [(n, self.gates.and_(lit, counted ^ 1)) for n, lit in sums.items()]
            sums = made(self.gates, [*parts, *((n + 1, self.gates.and_(lit, counted)) for n, lit in sums.items())])
        return sums
