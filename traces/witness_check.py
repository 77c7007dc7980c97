"""Does a witness show that a recording conforms?  Decodes the recording, and executes the steps in their order in the reference interpreter.

The steps must have every recorded call, as it was recorded and between its begin and its return; what nobody recorded must be something that
the recorder does not show.  Where the text of the spec leaves a choice that no step tells, all choices are followed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from luocheck.model.diagnostics import fail
from luocheck.model.ir.system import OK, Event
from luocheck.model.ir.vocabulary import BoolT, ElemT, EnumT, Sort, Type
from luocheck.model.semantics.run import Outcome
from luocheck.model.semantics.store import Store, live_index
from luocheck.model.source import Source, Span
from luocheck.model.spec import Spec
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.decode import decode
from luocheck.traces.parts import Captured, name_of, resolved, sha256_of
from luocheck.traces.witness import AuditWitness, WitnessStep
from luocheck.traces.witness_forks import Forks
from luocheck.traces.witness_kernels import by_kernel, may_end_unseen
from luocheck.traces.witness_rules import ALWAYS, NEVER, Mark, Rejected, Rules, is_late, span
from luocheck.traces.witness_run import OVER, PASSED, Malformed, Play, judged

MOST_STATES = 10_000
"""States that are followed at one time."""


@dataclass(frozen=True, slots=True)
class WitnessCheck:
    """What came of it.  gap: why the witness is rejected, None when it is accepted; step: where, from 1.  undecided: it was too much."""

    calls: int
    steps: int
    states: int
    gap: str | None = None
    step: int | None = None
    undecided: bool = False

    @property
    def accepted(self) -> bool:
        return self.gap is None


class _TooMuch(Exception):
    """More than is followed, or no more time; says which."""


def check_witness(
    spec: Spec,
    witness: AuditWitness,
    capture: Captured | Sequence[Captured],
    file: str,
    stop: Callable[[], str | None] = lambda: None,
) -> WitnessCheck:
    """Checks a witness; file: its name, for errors.  stop: asked now and then for a reason to give up.

    capture: a recording, or those of several kernels of which each started the next one by kexec.  Raises SpecError LUO700 for a capture
    that cannot be read, LUO730 for a witness that makes no sense, LUO732 when it was made from something else.
    """
    captures = [resolved(each) for each in ([capture] if isinstance(capture, Captured) else capture)]
    where = Span(Source(file, ""), 0, 0)
    if witness.spec_sha256 is not None and witness.spec_sha256 != spec.sha256:
        fail("LUO732", f"the witness was made with another text of `{witness.spec}` than `{spec.name}` has here", where)
    if len(captures) != len(witness.kernels):
        names = ", then ".join(f"`{each.capture}`" for each in witness.kernels)
        fail("LUO732", f"the witness was made from {names}, and not from {len(captures)} recordings", where)
    for given, each in zip(captures, witness.kernels, strict=True):
        found = sha256_of(given)
        if each.capture_sha256 is not None and found is not None and found != each.capture_sha256:
            fail("LUO732", f"the witness was made from `{each.capture}`, which had other contents than `{name_of(given)}`", where)
    recordings = [
        decode(given, spec.system.abi, format=each.format, threads_share=each.threads_share)
        for given, each in zip(captures, witness.kernels, strict=True)
    ]
    try:
        return _check(spec, witness, recordings, stop)
    except Malformed as error:
        fail("LUO730", str(error), where)


def _check(spec: Spec, witness: AuditWitness, recordings: Sequence[Recording], stop: Callable[[], str | None]) -> WitnessCheck:
    """One run of the spec over all kernels."""
    play = Play(spec.system, witness)
    views = by_kernel(play)
    anew = [*(play.anew(each.facts) for each in witness.then), None]
    calls, steps = sum(len(each.calls) for each in recordings), len(witness.all_steps)
    before, states, checked = 0, None, None
    for view, recording, drawn in zip(views, recordings, anew, strict=True):
        play.player.anew = drawn
        before += len(checked.witness.steps) if checked is not None else 0
        checked = _Check(spec, view, recording, stop, play)
        try:
            states = checked.run(states)
        except (Rejected, _TooMuch) as why:
            gap = f"{recording.name}: {why}" if witness.then else str(why)
            at = before + checked.at if checked.at is not None else None
            return WitnessCheck(calls, steps, len(checked.states), gap, at, undecided=isinstance(why, _TooMuch))
    if not any(call.result is not None for each in recordings for call in each.calls):
        return WitnessCheck(calls, steps, 0, "it is not in the recording what any call returned")
    return WitnessCheck(calls, steps, len(states or ()))


@dataclass(slots=True)
class _State:
    """A state that agrees, and the pool elements that have a name in it."""

    store: Store
    names: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> tuple[frozenset[Any], frozenset[Any]]:
        return frozenset(self.store.items()), frozenset(self.names.items())


class _Check:
    """The check of what a witness says of one kernel.  play: of the whole witness; its `anew` tells whether a kernel follows."""

    def __init__(
        self, spec: Spec, witness: AuditWitness, recording: Recording, stop: Callable[[], str | None], play: Play | None = None
    ) -> None:
        self.system = spec.system
        self.witness, self.recording, self.stop = witness, recording, stop
        self.play = Play(self.system, witness) if play is None else play
        self.rules = Rules(self.system, recording, witness)
        self.calls = {call.number: call for call in recording.calls}
        self.events = {event.name: event for event in self.system.events}
        self.at: int | None = None
        self.states: list[_State] = []

    def run(self, booted: list[_State] | None = None) -> list[_State]:
        """The states after the last step; where another kernel follows, after its boot.  booted: where the kernel before this one led to.

        Raises Rejected and _TooMuch; `at` says at which step, and `states` has the states before it.
        """
        self._whole()
        self._complete()
        self.states = self._beginning() if booted is None else booted
        forks = Forks(self.play, self.witness, self.calls.values())
        for number, (step, moment) in enumerate(zip(self.witness.steps, self._moments(), strict=True), 1):
            self.at = number
            forks.before(moment, [state.store for state in self.states])
            self.states = self._step(step, self.states, last=number == len(self.witness.steps))
            forks.after(number, [state.store for state in self.states])
        self.at = None
        forks.before(NEVER, [state.store for state in self.states])
        return self.states if self.play.player.anew is None else self._rebooted()

    def _rebooted(self) -> list[_State]:
        """The states that the next kernel goes on with."""
        found = [state for state in self.states if OVER in state.store]
        if not found:
            raise Rejected("another kernel follows, and the last step here is not the reboot that starts it")
        cells = [{cell: value for cell, value in state.store.items() if cell != OVER} for state in found]
        return [_State(Store(state.store.instance, each), state.names) for state, each in zip(found, cells, strict=True)]

    # ---- the recording ----------------------------------------------------------------------------------------------

    def _whole(self) -> None:
        """A recording that is not complete shows nothing."""
        recording = self.recording
        if recording.undecodable is not None:
            raise Rejected(recording.undecodable)
        if recording.losses or recording.truncated_start:
            raise Rejected("events of the recording were lost")

    def _complete(self) -> None:
        """Every call has the steps that it must have, and they are of its event."""
        counts: dict[int, int] = {}
        for number, step in enumerate(self.witness.steps, 1):
            if step.event not in self.events:
                raise Malformed(f"the spec has no event `{step.event}`")
            if step.call is None:
                continue
            call = self.calls.get(step.call)
            self.at = number
            if call is None:
                raise Rejected(f"the recording has no call {step.call}")
            allowed = self.rules.steps_of(call)
            if step.event not in allowed.events:
                raise Rejected(f"call {call.number} is {call.event or call.kind.value}, and not {step.event}")
            lines = (call.enter.line, *([call.exit.line] if call.exit is not None else []))
            if step.lines != lines:
                raise Rejected(f"call {call.number} stands in the lines {', '.join(map(str, lines))}")
            counts[step.call] = counts.get(step.call, 0) + 1
        self.at = None
        for call in self.calls.values():
            allowed = self.rules.steps_of(call)
            count = counts.get(call.number, 0)
            line = (call.exit or call.enter).line
            if count < allowed.least or (allowed.most is not None and count > allowed.most):
                raise Rejected(f"call {call.number} (line {line}) has {count} steps")
            if not self.rules.refused_as_allowed(call):
                raise Rejected(f"the number {call.command:#x} (line {line}) was not refused as the abi says")

    def _moments(self) -> Iterator[Mark]:
        """A moment for each step, none before the one before it.  Raises Rejected when there is no such moment."""
        now = ALWAYS
        exits: dict[str, int] = {}
        for number, step in enumerate(self.witness.steps, 1):
            call = self.calls[step.call] if step.call is not None else None
            begin, end = span(call)
            now = max(now, begin)
            if now >= end:
                self.at = number
                raise Rejected("it comes after calls that began when this one had returned")
            self._has_not_exited(step, call, exits, number)
            yield now

    def _has_not_exited(self, step: WitnessStep, call: Call | None, exits: dict[str, int], number: int) -> None:
        """Whoever makes a recorded call later has not exited before, where exits are not recorded."""
        process = self.system.abi.process
        if process is None or process.exit is None:
            return
        names = {name for _, name in step.arguments}
        if step.event == process.exit and call is None:
            exits |= dict.fromkeys(names, number)
        elif call is not None and call.kind is not Kind.EXIT and not is_late(call) and (gone := names & exits.keys()):
            self.at = exits[min(gone)]
            raise Rejected(f"`{min(gone)}` makes a recorded call afterwards")

    # ---- the steps --------------------------------------------------------------------------------------------------

    def _beginning(self) -> list[_State]:
        alive = {name: self.play.elements[name][1] for name in self.witness.alive if name in self.play.elements}
        found = self._distinct(_State(store, dict(alive)) for store in self.play.beginnings())
        if not found:
            raise Rejected("the kernel does not boot from what the witness says of the beginning")
        return found

    def _step(self, step: WitnessStep, states: list[_State], *, last: bool = False) -> list[_State]:
        event = self.events[step.event]
        call = self.calls[step.call] if step.call is not None else None
        given = dict(step.arguments)
        if set(given) != {parameter.name for parameter in event.parameters}:
            raise Malformed(f"the arguments of {event.name} are {', '.join(p.name for p in event.parameters) or 'none'}")
        if not set(step.bad) <= {predicate.name for predicate in event.predicates}:
            raise Malformed(f"{event.name} has no hidden argument `{step.bad[0]}`")
        self._known(event, given)
        if call is None:
            if step.event not in self.rules.unrecorded and not (last and self._ends_unseen(event)):
                raise Rejected(f"the recorder would have shown {step.event}")
            if step.outcome != OK or step.bad:
                raise Rejected("a call that nobody recorded is only needed when it succeeds")
        else:
            self.rules.compare_arguments(step, event, call)
            self.rules.compare_outcome(step, call)
        found = self._distinct(self._after(step, event, call, given, states))
        if not found:
            raise Rejected(self._refusal(step, event, call, given, states))
        return found

    def _ends_unseen(self, event: Event) -> bool:
        """Can this be the reboot that starts the kernel of the next recording, after the end of this one?"""
        ends = any(each.event == event.name and each.kernel_ends for each in self.system.abi.syscalls)
        return ends and self.play.player.anew is not None and may_end_unseen(self.recording)

    def _known(self, event: Event, given: dict[str, str]) -> None:
        """Are the arguments names of the right kind?"""
        for parameter in event.parameters:
            name = given[parameter.name]
            match parameter.type:
                case ElemT(sort):
                    self.play.element(name, sort)
                case EnumT(enum) if name in enum.members:
                    pass
                case BoolT() if name in ("true", "false"):
                    pass
                case _:
                    raise Malformed(f"`{name}` is no {parameter.type}")

    def _after(
        self, step: WitnessStep, event: Event, call: Call | None, given: dict[str, str], states: list[_State]
    ) -> Iterator[_State]:
        """The states that the step can lead to as the witness has it."""
        for state, outcome in self._outcomes(step, event, call, given, states):
            if outcome.kind == "returns" and (outcome.errno, outcome.label) == (step.outcome, step.label):
                after = self._named(step, event, call, given, state, outcome)
                if after is not None:
                    yield after

    def _outcomes(
        self, step: WitnessStep, event: Event, call: Call | None, given: dict[str, str], states: list[_State]
    ) -> Iterator[tuple[_State, Outcome]]:
        ioctl = self.rules.ioctl(call) if call is not None else None
        judgement = judged(self.system.abi, ioctl, call.given) if ioctl is not None and call is not None else PASSED
        flags = tuple(predicate.name in step.bad for predicate in event.predicates)
        for state in states:
            reason = self.stop()
            if reason is not None:
                raise _TooMuch(reason)
            arguments = self._arguments(event, given, state) if OVER not in state.store else None
            if arguments is not None and (call is None or self._bears_label(event, given, call, state)):
                for outcome in self.play.player.ends(event, (*arguments, *flags), state.store, judgement):
                    yield state, outcome

    def _arguments(self, event: Event, given: dict[str, str], state: _State) -> tuple[Any, ...] | None:
        """The values of the parameters in a state; None when one is not alive there."""
        out: list[Any] = []
        for parameter in event.parameters:
            name = given[parameter.name]
            match parameter.type:
                case ElemT(sort) if sort.pool:
                    if name not in state.names:
                        return None
                    out.append(state.names[name])
                case ElemT(sort):
                    out.append(self.play.element(name, sort))
                case EnumT(enum):
                    out.append(enum.members.index(name))
                case _:
                    out.append(name == "true")
        return tuple(out)

    def _bears_label(self, event: Event, given: dict[str, str], call: Call, state: _State) -> bool:
        """Does the element behind the open file have the name that the recording shows for it?"""
        file = call.on
        if file is None or file.label is None:
            return True
        for parameter in event.parameters:
            if isinstance(parameter.type, ElemT) and given[parameter.name] in self.witness.files.get(file.number, ()):
                return self._label(parameter.type.sort, given[parameter.name], state) in (None, file.label.split(b"\0", 1)[0])
        return True

    def _label(self, sort: Sort, name: str, state: _State) -> bytes | None:
        """The string handle in the link text of an element's open file; None where the abi has none."""
        descriptor = next((d for d in self.system.abi.descriptors if d.target == sort.name), None)
        if descriptor is None or descriptor.label_field is None or name not in state.names:
            return None
        label = self.system.field(descriptor.label_field, sort.name)
        value = state.store.value((label.index, state.names[name]), state.store.instance.defaults[label.index])
        if value is None or not isinstance(label.type, ElemT):
            return b""
        stands = self.witness.scope[label.type.sort.name][value].value
        return stands if isinstance(stands, bytes) else b""

    # ---- results ----------------------------------------------------------------------------------------------------

    def _named(
        self, step: WitnessStep, event: Event, call: Call | None, given: dict[str, str], state: _State, outcome: Outcome
    ) -> _State | None:
        """The state after an outcome, when what it gives is what the witness says and what was recorded."""
        names = dict(state.names)
        result = event.result
        if outcome.errno == OK and result is not None:
            value = outcome.env[result.slot]
            if step.gives is None or not self._is_given(step.gives, result.type, value, names):
                return None
            self._compare_results(event, call, {**given, result.name: step.gives})
        elif step.gives is not None:
            return None
        for name in [name for name, x in names.items() if not self._is_alive(name, x, outcome.store)]:
            del names[name]
        return _State(outcome.store, names)

    def _is_given(self, gives: str, type_: Type, value: Any, names: dict[str, int]) -> bool:
        """Is the result what the witness says?  A pool element without a name gets it here."""
        match type_:
            case ElemT(sort) if sort.pool:
                self.play.element(gives, sort)
                if value in [x for name, x in names.items() if self.play.elements[name][0] is sort] and gives not in names:
                    return False  # it has another name
                return bool(names.setdefault(gives, value) == value)
            case ElemT(sort):
                return bool(self.play.element(gives, sort) == value)
            case EnumT(enum):
                return bool(enum.members[value] == gives)
            case BoolT():
                return bool(value == (gives == "true"))
        return str(value) == gives

    def _is_alive(self, name: str, x: int, store: Store) -> bool:
        return (live_index(self.system, self.play.elements[name][0]), x) in store

    def _compare_results(self, event: Event, call: Call | None, shown: dict[str, str]) -> None:
        ioctl = self.rules.ioctl(call) if call is not None else None
        locals_ = {local.name: local for local in (*event.parameters, *([event.result] if event.result is not None else []))}
        for member in ioctl.fields if ioctl is not None and call is not None else ():
            if member.role == "out" and member.parameter is not None and call is not None:
                self.rules.compare_given_back(member, locals_[member.parameter], shown[member.parameter], call)

    def _refusal(self, step: WitnessStep, event: Event, call: Call | None, given: dict[str, str], states: list[_State]) -> str:
        """Why no state agrees any more."""
        if all(OVER in state.store for state in states):
            return "the kernel had ended"
        ends: dict[str, None] = {}
        for _, outcome in self._outcomes(step, event, call, given, states):
            if outcome.kind == "cut":
                return f"the scope of the witness is too small: {outcome.label}"
            ends[outcome.errno + (f" at {outcome.label}" if outcome.label else "")] = None
        said = step.outcome + (f" at {step.label}" if step.label else "")
        if said in ends:
            return (
                f"{step.event} does not give {step.gives} here" if step.gives is not None else f"{step.event} gives something here"
            )
        return f"{step.event} cannot return {said} here; it can return {', '.join(sorted(ends)) or 'nothing: it cannot be called'}"

    def _distinct(self, found: Iterable[_State]) -> list[_State]:
        kept: dict[Any, _State] = {}
        for each in found:
            kept.setdefault(each.key, each)
            if len(kept) > MOST_STATES:
                raise _TooMuch(f"more than {MOST_STATES:,} states agree with the witness")
        return list(kept.values())
