"""A replayer that enumerates: the second opinion on `luocheck.traces.replay`.

It shares no code with replay.  A recording is given a scope in which everything that it names has an element, with spare ones for what it
does not show; the reference interpreter executes the recorded calls with every value of what is not recorded, in every order that overlaps
allow, between all calls that the recorder could not show; all states that agree are kept.  docs/adr/0010-what-a-recording-means.md has the
conventions.  It knows linux_7_3: names of events and fields stand in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, combinations, product
from typing import Any, NamedTuple

from trust.executing import Interpreter, Reply, TooLarge

from luocheck.model.abi import Ioctl, errno_matches
from luocheck.model.errnos import errno_name
from luocheck.model.instances import instances
from luocheck.model.ir.system import OK, Event, Scope, System
from luocheck.model.ir.vocabulary import ElemT, SeqT, SetT
from luocheck.model.semantics.store import live_index
from luocheck.traces.call import Call, Kind, OpenFile, Recording

GONE = -1
"""What an open file stands for after its session was freed."""

NO_DESCRIPTOR = (-9, -25)  # EBADF, ENOTTY

Bindings = frozenset[tuple[int, str, int]]
"""(number of an open file, sort, element)."""


class State(NamedTuple):
    store: int
    bindings: Bindings


class Configuration(NamedTuple):
    state: State
    done: frozenset[int]


class Replayer(Interpreter):
    """Replays recordings that need no more elements than `Needs` says.  What was executed once is kept for the next recording."""

    def __init__(self, system: System, sizes: dict[str, int], unknown_files: int) -> None:
        scope = Scope("brute", tuple((s.name, sizes.get(s.name, 0)) for s in system.sorts), frozenset(), system.span)
        none_drawn = next(
            iter(instances(system, replace(scope, sizes=tuple((n, 0 if n == "File" else c) for n, c in scope.sizes))))
        )
        known = system.field("known", "File").index
        self.kinds = [x < sizes["File"] - unknown_files for x in range(sizes["File"])]
        fixed: dict[tuple[int, ...], Any] = {(known, x): True for x, is_known in enumerate(self.kinds) if is_known}
        counts = tuple(sizes.get(s.name, 0) for s in system.sorts)
        super().__init__(system, replace(none_drawn, scope=scope, sizes=counts, fixed=fixed, names=tuple(() for _ in system.sorts)))
        self.abi = system.abi
        self.sorts = {s.name: s for s in system.sorts}
        self.fixed = known
        self.used: dict[tuple[int, str], frozenset[int]] = {}
        self.unrecorded: dict[Any, frozenset[State]] = {}

    # ---- elements -----------------------------------------------------------------------------------------------

    def mentioned(self, number: int, sort: str) -> frozenset[int]:
        """Elements of a sort that a state speaks of."""
        key = (number, sort)
        if key not in self.used:
            found: set[int] = set()
            for cell, value in self.stores[number].items():
                if cell[0] >= len(self.system.fields) or cell[0] == self.fixed:
                    continue
                f = self.system.fields[cell[0]]
                found.update(x for owner, x in zip(f.owners, cell[1:], strict=True) if owner.name == sort)
                if isinstance(f.type, ElemT) and f.type.sort.name == sort and value is not None:
                    found.add(value)
                if isinstance(f.type, SetT | SeqT) and f.type.sort.name == sort:
                    found.update(value)
            self.used[key] = frozenset(found)
        return self.used[key]

    def choices(self, state: State, sort: str, named: int = 0) -> list[int]:
        """Elements that differ: the live ones of a pool; else those that something speaks of, and the first spare one of each kind."""
        if self.sorts[sort].pool:
            return list(self.stores[state.store].elements(self.sorts[sort]))
        spoken = self.mentioned(state.store, sort) | {x for _, s, x in state.bindings if s == sort} | set(range(named))
        found = sorted(spoken - {GONE})
        seen: set[bool] = set()
        for x in range(self.instance.sizes[self.sorts[sort].index]):
            kind = sort == "File" and self.kinds[x]
            if x not in spoken and kind not in seen:
                seen.add(kind)
                found.append(x)
        return found

    def after(self, state: State, store: int, bound: tuple[tuple[int, str, int], ...] = ()) -> State:
        """The state after a call: what freed sessions were bound to is gone."""
        live = live_index(self.system, self.sorts["Session"])
        cells = self.stores[store]
        kept = {b[:2]: b[2] for b in chain(state.bindings, bound)}
        return State(
            store, frozenset((n, s, GONE if s == "Session" and (live, x) not in cells else x) for (n, s), x in kept.items())
        )


@dataclass(frozen=True, slots=True)
class Needs:
    """What a recording names, and how many elements enumeration needs for it."""

    processes: tuple[int, ...]
    names: tuple[bytes, ...]
    tokens: tuple[int, ...]
    sizes: tuple[tuple[str, int], ...]
    unknown_files: int

    @classmethod
    def of(cls, recordings: list[Recording], *, spare: int = 1) -> Needs:
        """For several recordings together, so that they can share a Replayer."""
        every = [call for recording in recordings for call in recording.calls]
        processes = sorted({p for call in every for p in (call.process, call.parent) if p is not None})
        names = {_text(v) for c in every for v in (c.given.get("name"), c.got.get("name")) if isinstance(v, bytes)}
        names |= {_text(c.on.label) for c in every if c.on is not None and c.on.label is not None}
        tokens = {v for c in every if isinstance(v := c.given.get("token"), int)}
        most: dict[str, int] = {"Name": 0, "Token": 0, "File": 0, "Session": 0, "Entry": 0}
        for recording in recordings:
            calls = [call for call in recording.calls if call.kind is Kind.IOCTL]
            creates = sum(call.event == "CREATE_SESSION" for call in calls)
            retrieves = sum(call.event == "RETRIEVE_SESSION" for call in calls)
            preserves = sum(call.event == "PRESERVE_FD" for call in calls)
            file_calls = [call for call in calls if call.event in ("PRESERVE_FD", "RETRIEVE_FD")]
            files = len({f.number for c in file_calls for f in c.files.values()}) + sum(not c.files for c in file_calls)
            hidden = 2 if not creates and not retrieves else 0
            needed = {
                "Name": sum("name" not in c.given for c in calls if c.event in ("CREATE_SESSION", "RETRIEVE_SESSION")),
                "Token": sum("token" not in c.given for c in file_calls),
                "File": files,
                "Session": creates + hidden + 1,
                "Entry": preserves + 1,
            }
            most = {sort: max(count, needed[sort]) for sort, count in most.items()}
        incoming = cls._incoming(recordings)
        sizes = {
            "Agent": len(processes),
            "Name": len(names) + most["Name"] + spare,
            "Token": len(tokens) + most["Token"] + spare,
            "File": 2 * most["File"] + 2 * spare + incoming[0] * incoming[1],
            "Session": most["Session"] + incoming[0],
            "Entry": most["Entry"] + incoming[0] * incoming[1],
        }
        return cls(tuple(processes), tuple(sorted(names)), tuple(sorted(tokens)), tuple(sizes.items()), most["File"] + spare)

    @staticmethod
    def _incoming(recordings: list[Recording]) -> tuple[int, int]:
        """Most sessions, and files of one of them, that can matter when the kernel before handed them over."""
        handed = [handed_over(recording) for recording in recordings]
        return max(len(n) + sn for n, sn, _, _ in handed), max(len(t) + st for _, _, t, st in handed)

    def replayer(self, system: System) -> Replayer:
        return Replayer(system, dict(self.sizes), self.unknown_files)


def handed_over(recording: Recording) -> tuple[tuple[bytes, ...], int, tuple[int, ...], int]:
    """Names, and tokens, under which something could be asked for that an earlier kernel handed over; and how many more are enough."""
    finds = [c for c in recording.calls if c.event == "RETRIEVE_SESSION"]
    takes = [c for c in recording.calls if c.event == "RETRIEVE_FD"]
    names = {_text(v) for c in finds if isinstance(v := c.given.get("name"), bytes)}
    nameless = sum("name" not in c.given for c in finds)
    if nameless or not any(c.event in ("CREATE_SESSION", "RETRIEVE_SESSION") for c in recording.calls):  # only seen afterwards
        names |= {_text(v) for c in recording.calls if isinstance(v := c.got.get("name"), bytes)}
        names |= {_text(c.on.label) for c in recording.calls if c.on is not None and c.on.label is not None}
    tokens = {v for c in takes if isinstance(v := c.given.get("token"), int)}
    if not finds:  # perhaps not recorded: each session that something is done with can have been handed over
        nameless = len({c.on.number for c in recording.calls if c.on is not None and c.on.target == "Session"})
    more = max(1, nameless), max(1, sum("token" not in c.given for c in takes))
    return tuple(sorted(names)), more[0], tuple(sorted(tokens)), more[1]


def _text(value: bytes) -> bytes:
    return value.split(b"\0", 1)[0]


# ---- one recording ----------------------------------------------------------------------------------------------


class Brute:
    """Decides whether one recording conforms."""

    def __init__(self, replayer: Replayer, needs: Needs, recording: Recording, *, most: int = 60_000) -> None:
        self.replayer, self.needs, self.recording, self.most = replayer, needs, recording, most
        self.system, self.abi = replayer.system, replayer.abi
        self.agents = {process: x for x, process in enumerate(needs.processes)}
        self.agent_names = {x: process for process, x in self.agents.items()}
        self.elements: dict[tuple[str, int | bytes], int] = {("Name", n): x for x, n in enumerate(needs.names)}
        self.elements |= {("Token", t): x for x, t in enumerate(needs.tokens)}
        self.named = {"Agent": len(needs.processes), "Name": len(needs.names), "Token": len(needs.tokens)}
        self.last: dict[int, int] = {}
        for call in recording.calls:
            if call.kind is not Kind.EXIT:
                line = max(call.enter.line, call.exit.line if call.exit is not None else 0)
                self.last[call.process] = max(self.last.get(call.process, 0), line)
        shown = {process for call in recording.calls for process in (call.process, call.parent)}
        self.present = tuple(x for process, x in self.agents.items() if process in shown)
        self.silent = tuple(self._silent())

    def conforms(self, *, warm: bool) -> bool:
        """Does some behaviour that begins with a cold boot (warm: a live update) show what was recorded?"""
        return self.explained(warm=warm) is None

    def explained(self, *, warm: bool) -> Call | None:
        """The first call that no behaviour shows; None when it conforms."""
        starts = self._warm() if warm else self.replayer.cold
        belief = {Configuration(State(store, frozenset()), frozenset()) for store in starts}
        pending: dict[int, Call] = {}
        for line, returns, call in self._marks():
            if not returns:
                pending[call.number] = call
                continue
            reached = self._closure(belief, pending, line)
            belief = {Configuration(c.state, c.done - {call.number}) for c in reached if call.number in c.done}
            if not belief:
                return call
            del pending[call.number]
        return None

    def _marks(self) -> Iterator[tuple[int, bool, Call]]:
        """(line, does it return?, call) in order; what ends at a line comes before what begins there."""
        marks = []
        for call in self.recording.calls:
            begin, end = call.enter.line, call.exit.line if call.exit is not None else None
            marks.append((min(begin, end), 0, call) if end is not None and begin >= end else (begin, 2, call))
            if end is not None and not self._may_be_late(call):
                marks.append((end, 1, call))
        for line, rank, call in sorted(marks, key=lambda mark: (mark[0], mark[1], mark[2].number)):
            yield line, rank == 1, call

    @staticmethod
    def _may_be_late(call: Call) -> bool:
        """It takes effect some time after its line, or never."""
        return call.exit is None or call.kind is Kind.EXIT or (call.kind is Kind.CLOSE and call.event is None)

    def _closure(self, belief: set[Configuration], pending: dict[int, Call], line: int) -> set[Configuration]:
        """All configurations that can be reached before a line."""
        seen = set(belief)
        todo = list(belief)
        gone = frozenset(x for process, x in self.agents.items() if self.last.get(process, 0) < line)
        while todo:
            each = todo.pop()
            following = [Configuration(state, each.done) for state in self._unseen(each.state, gone)]
            for call in pending.values():
                if call.number not in each.done:
                    following += [Configuration(state, each.done | {call.number}) for state in self.step(each.state, call)]
            for configuration in following:
                if configuration not in seen:
                    seen.add(configuration)
                    todo.append(configuration)
            if len(seen) > self.most:
                raise TooLarge("too many configurations")
        return seen

    # ---- recorded calls -----------------------------------------------------------------------------------------

    def step(self, state: State, call: Call) -> set[State]:
        """The states after a recorded call."""
        releases = Kind.RELEASE in self.recording.observes
        if call.kind is Kind.FORK:
            return self._forked(state, call)
        if call.kind is Kind.RELEASE:
            return self._released(state, call)
        if call.kind in (Kind.CLOSE, Kind.EXIT) and releases:
            return {state}
        if call.kind is Kind.CLOSE and call.event is None:
            return self._closed_unknown(state, call)
        if call.event is None:
            return {state} if call.kind is not Kind.IOCTL or _refused(call) else set()
        event = self.system.event(call.event)
        ioctl = next((each for each in self.abi.ioctls if each.event == call.event), None)
        refusals = self._refusals(ioctl, call)
        found: set[State] = set()
        could = False
        for arguments, bound in self._arguments(state, event, ioctl, call):
            for reply in self.replayer.execute(state.store, event, arguments, refusals):
                could = True
                if call.kind is Kind.REBOOT and reply.errno == OK:
                    continue  # that kernel records nothing more
                given = self._agrees(reply, ioctl, call)
                if given is not None:
                    found.add(self.replayer.after(state, reply.store, (*bound, *given)))
        if call.kind is Kind.IOCTL and call.result in NO_DESCRIPTOR and not could:
            found.add(state)
        if call.kind is Kind.IOCTL and call.on is not None and call.on.target is None and (call.result or 0) < 0:
            found.add(state)
        return found

    def _arguments(
        self, state: State, event: Event, ioctl: Ioctl | None, call: Call
    ) -> Iterator[tuple[tuple[Any, ...], tuple[tuple[int, str, int], ...]]]:
        """Values of all parameters, and what open files stand for then."""
        options: list[list[tuple[Any, tuple[tuple[int, str, int], ...]]]] = []
        subject = ioctl.target if ioctl is not None else "Session" if call.kind is Kind.CLOSE else None
        for parameter in event.parameters:
            assert isinstance(parameter.type, ElemT)
            sort = parameter.type.sort.name
            members = ioctl.fields if ioctl is not None else ()
            member = next((m.name for m in members if m.role == "in" and m.parameter == parameter.name), None)
            if parameter.slot == event.caller:
                options.append([(self.agents[call.process], ())])
            elif sort == subject:
                options.append(list(self._open(state, sort, call.on)))
                subject = None
            elif sort == "File":
                if member is not None and member in call.closed:
                    options.append([(x, ()) for x in self.replayer.choices(state, sort)[:1]])
                else:
                    options.append(list(self._open(state, sort, call.files.get(member or ""))))
            elif (value := call.given.get(member or "")) is not None:
                options.append([(self.elements[sort, _text(value) if isinstance(value, bytes) else value], ())])
            else:
                options.append([(x, ()) for x in self.replayer.choices(state, sort, self.named.get(sort, 0))])
        flags = [self._flags(predicate.name, ioctl, predicate.parameter.name, call) for predicate in event.predicates]
        for chosen in product(*options):
            for bad in product(*flags):
                yield (*(value for value, _ in chosen), *bad), tuple(chain.from_iterable(bound for _, bound in chosen))

    def _open(self, state: State, sort: str, file: OpenFile | None) -> Iterator[tuple[int, tuple[tuple[int, str, int], ...]]]:
        """The elements that an open file can stand for."""
        number = file.number if file is not None else None
        bound = next((x for n, s, x in state.bindings if n == number and s == sort), None)
        if bound is not None:
            if bound != GONE:
                yield bound, ()
            return
        name = self.system.field("name", "Session").index
        for x in self.replayer.choices(state, sort):
            if file is not None and file.label is not None and sort == "Session":
                wanted = self.elements["Name", _text(file.label)]
                if self.replayer.stores[state.store].get((name, x)) != wanted:
                    continue
            yield x, ((file.number, sort, x),) if file is not None else ()

    def _flags(self, predicate: str, ioctl: Ioctl | None, parameter: str, call: Call) -> tuple[bool, ...]:
        """Is the handle no proper one?"""
        member = next((m.name for m in ioctl.fields if m.parameter == parameter), None) if ioctl is not None else None
        if member is None:
            return (False,)
        if predicate == "bad_fd":
            return (True,) if member in call.closed else (False,) if member in call.files else (False, True)
        value = call.given.get(member)
        if not isinstance(value, bytes):
            return (False, True)
        return (not _text(value) or (b"\0" not in value and len(value) >= 64),)

    def _refusals(self, ioctl: Ioctl | None, call: Call) -> frozenset[str | None]:
        """What `copy_struct_from_user` and the check of reserved members can say to the bytes that are known."""
        if ioctl is None:
            return frozenset({None})
        size = call.given.get("size")
        if size is not None:
            assert isinstance(size, int)
            if size < ioctl.size:
                return frozenset({"EINVAL"})
        ends: set[str | None] = {None}
        if size is None:
            ends |= {"EINVAL", "E2BIG", "EFAULT"}
        elif size > ioctl.size:
            ends.add("E2BIG")
        if not {member.name for member in ioctl.fields if member.role in ("in", "zero")} <= call.given.keys():
            ends.add("EFAULT")  # what is not shown may not have been readable
        for member in ioctl.fields:
            if member.role == "zero":
                value = call.given.get(member.name)
                if value is None:
                    ends.add(member.errno)
                elif value != 0:
                    ends = (ends - {None}) | {member.errno}
        return frozenset(ends)

    def _agrees(self, reply: Reply, ioctl: Ioctl | None, call: Call) -> tuple[tuple[int, str, int], ...] | None:
        """What the results bind, when a reply is what was recorded; None when it is not."""
        ok = reply.errno == OK
        if call.result is not None and not (call.inner and call.result >= 0):
            if (call.result >= 0) != ok:
                return None
            if not ok and not errno_matches(self.abi, reply.errno, errno_name(-call.result)):
                return None
        if not ok or ioctl is None:
            return ()
        bound = []
        for member in ioctl.fields:
            if member.role != "out":
                continue
            if (file := call.files.get(member.name)) is not None:
                bound.append((file.number, "File" if ioctl.event == "RETRIEVE_FD" else "Session", reply.result))
            value = call.got.get(member.name)
            if isinstance(value, bytes) and self.elements["Name", _text(value)] != reply.result:
                return None
        return tuple(bound)

    # ---- descriptors that come and go ---------------------------------------------------------------------------

    def _all(self, states: set[State], event: str, arguments: tuple[int, ...]) -> set[State]:
        """An event in each of the states; where it cannot be, the state stays."""
        found = set()
        for state in states:
            replies = self.replayer.execute(state.store, self.system.event(event), arguments, frozenset({None}))
            found |= {self.replayer.after(state, reply.store) for reply in replies} or {state}
        return found

    def _forked(self, state: State, call: Call) -> set[State]:
        if call.parent is None:
            return {state}
        parent, child = self.agents[call.parent], self.agents[call.process]
        states = self._all({state}, "PASS_DEV", (parent, child))
        for session in self.replayer.choices(state, "Session"):
            states = self._all(states, "PASS", (parent, child, session))
        return states

    def _released(self, state: State, call: Call) -> set[State]:
        """Nobody has a descriptor any more."""
        if call.event is None:
            return {state}
        found: set[State] = set()
        for session, bound in self._open(state, "Session", call.on) if call.event == "CLOSE" else [(None, ())]:
            states = {self.replayer.after(state, state.store, bound)}
            for agent in range(len(self.agents)):
                states = self._all(states, call.event, (agent,) if session is None else (agent, session))
            found |= {after for after in states if after.store != state.store}
        return found

    def _closed_unknown(self, state: State, call: Call) -> set[State]:
        """A descriptor was closed that was never shown to be anything: of a session without a shown descriptor, or of no interest."""
        shown = {x for _, sort, x in state.bindings if sort == "Session"}
        found = {state}
        for session in self.replayer.choices(state, "Session"):
            if session not in shown:
                found |= self._all({state}, "CLOSE", (self.agents[call.process], session))
        return found

    # ---- what this recorder does not show -----------------------------------------------------------------------

    def _silent(self) -> Iterator[Event]:
        """Events that leave no line in the recording."""
        seen = self.recording.observes
        kinds = {ioctl.target for c in self.recording.calls for ioctl in self.abi.ioctls if ioctl.event == c.event}
        shown = {ioctl.event for ioctl in self.abi.ioctls if ioctl.target in kinds} | {"REBOOT"}
        if Kind.OPEN in seen:
            shown.add("OPEN")
        if seen & {Kind.CLOSE, Kind.RELEASE}:
            shown |= {"CLOSE", "CLOSE_DEV"}
        if Kind.EXIT in seen:
            shown.add("EXIT")
        yield from (event for event in self.system.events if event.name not in shown)

    def _unseen(self, state: State, gone: frozenset[int]) -> frozenset[State]:
        """The states after one event that left no line.  gone: processes that nothing shows after this."""
        key = (state, gone, tuple(event.index for event in self.silent), self.present, self.needs)
        cache = self.replayer.unrecorded
        if key not in cache:
            found = set()
            for event in self.silent:
                domains = []
                for parameter in event.parameters:
                    assert isinstance(parameter.type, ElemT)
                    sort = parameter.type.sort.name
                    domains.append(
                        self.replayer.choices(state, sort, self.named.get(sort, 0)) if sort != "Agent" else list(self.present)
                    )
                for arguments in product(*domains):
                    if event.name == "EXIT" and not set(arguments) <= gone:
                        continue
                    flags = (False,) * len(event.predicates)
                    try:
                        replies = self.replayer.execute(state.store, event, (*arguments, *flags), frozenset({None}))
                    except TooLarge:
                        continue  # unrecorded calls end where the scope does
                    found |= {self.replayer.after(state, reply.store) for reply in replies if reply.store != state.store}
            cache[key] = frozenset(found)
        return cache[key]

    # ---- what the kernel before handed over ---------------------------------------------------------------------

    def _warm(self) -> list[int]:
        """States after a live update: every set of sessions with every set of preserved files."""
        given_names, more_names, given_tokens, more_tokens = handed_over(self.recording)
        names = [self.elements["Name", name] for name in given_names]
        names += [self.named["Name"] + x for x in range(more_names)]
        tokens = [self.elements["Token", token] for token in given_tokens]
        tokens += [self.named["Token"] + x for x in range(more_tokens)]
        contents = [None, *chain.from_iterable(combinations(tokens, n) for n in range(len(tokens) + 1))]
        if len(contents) ** len(names) > 3_000:
            raise TooLarge("too many states can have been handed over")
        found: dict[int, None] = {}
        event = self.system.event
        nothing: frozenset[str | None] = frozenset({None})

        def ok(store: int, name: str, *arguments: Any) -> list[Reply]:
            return [reply for reply in self.replayer.execute(store, event(name), arguments, nothing) if reply.errno == OK]

        for kept in product(contents, repeat=len(names)):
            stores = [reply.store for cold in self.replayer.cold for reply in ok(cold, "OPEN", 0)]
            file = 0
            for name, entries in zip(names, kept, strict=True):
                if entries is None:
                    continue
                (created,) = {reply for store in stores for reply in ok(store, "CREATE_SESSION", 0, name, False)}
                stores = [created.store]
                for token in entries:
                    (kept_one,) = {r.store for s in stores for r in ok(s, "PRESERVE_FD", 0, created.result, file, token, False)}
                    stores, file = [kept_one], file + 1
            for store in stores:
                for reply in ok(store, "REBOOT", 0):
                    found.setdefault(reply.store)
        return list(found)


def _refused(call: Call) -> bool:
    return call.result is None or (call.result < 0 and (not call.refused or errno_name(-call.result) in call.refused))
