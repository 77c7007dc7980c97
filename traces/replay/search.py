"""Just-in-time linearisation: a call takes effect at one moment between its begin and its return.

(Lowe, "Testing for linearizability", 2017.)  A configuration is a state and the calls that have taken effect but not returned.  When a
call returns, every configuration in which it has not taken effect yet is extended by all orders of pending calls that end with it.  A
pending call that can return what it did return without changing the state takes effect at once: no later moment serves it better.

What the recorder could not show, and calls that never returned, take effect as late as possible: when the recording cannot go on without.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice

from luocheck.traces.answer import Edit
from luocheck.traces.call import Call, Kind, Recording
from luocheck.traces.order import Order, is_optional
from luocheck.traces.replay.cells import ENDED
from luocheck.traces.replay.configurations import Configuration, Explained, Overwhelmed, Refusal, returned
from luocheck.traces.replay.forgetting import Forgetting, Forgettings
from luocheck.traces.replay.memory import Memory
from luocheck.traces.replay.step import Stepper
from luocheck.traces.replay.unrecorded import MOST_UNRECORDED_STEPS
from luocheck.traces.replay.world import Beginning, WorldStore

MOST_CONFIGURATIONS = 4_096

MANY_CONFIGURATIONS = 16
"""Configurations in a complete search from which on it is worth the time to tell which of them are the same but for numbers."""

MOST_FOLLOWED = 128
"""Configurations that are followed while explanations are looked for quickly."""

MOST_FOLLOWING = 32
"""For each of them, so many are made of which they are chosen."""

FEW_FOLLOWED = 16
"""Those of a kernel in any state: nearly nothing is decided in them, and to follow each costs much."""

QUICK_INSERTIONS = 3
"""Most calls in a row that nobody recorded and that explain one recorded call, while explanations are looked for quickly."""

MANY_TRIED = 200
"""After so many configurations in which a call was refused it is asked whether it is refused for good."""

MOST_LATE = 300
"""Most configurations after more unrecorded calls than one recorded call needs, for the calls of the kernels that follow."""

MOST_INSERTED = 20_000
"""Most configurations after unrecorded calls in which one recorded call is tried."""

MOST_STEPS = 32
"""Most unrecorded calls in a row that are ever looked at."""

LAYERS_OF_MAKERS = 2
"""Unrecorded calls in a row that are looked at when a call is made on an open file that they can have made: one makes it, one passes it on."""

MOST_LATER = 100
"""Most configurations after more of them than one recorded call usually needs."""

MOST_FORGOTTEN = 2_000
"""Most configurations in which a call is tried when it is asked whether any number of unrecorded calls could make it possible."""

NEAREST_SECONDS = 2.0

MOST_EDITED = 64
"""Most configurations in which a missing call is looked for after a refusal."""

_AT_ONCE = 256
"""Calls between two looks at whether to give up."""


_NONE: frozenset[int] = frozenset()

Watch = Callable[[Call, list[Configuration]], None]
"""Told what is believed after each call."""


@dataclass(slots=True)
class Search:
    """Replays one recording.  stop is asked now and then for a reason to give up.  quick, eager: see `_taken`.

    most: replay ends with that many refusals; after those before it goes on as if the recording had been edited.  always: `watch` is told
    each time, not only when something is believed for the first time.  thorough: more unrecorded calls than are usual are looked for.
    forgetting: what any number of unrecorded calls can write is not known at any time; forgettings: not when something is given up.
    left_out: there were more unrecorded calls than were looked at.
    """

    stepper: Stepper
    recording: Recording
    stop: Callable[[], str | None]
    quick: bool
    most: int = 1
    watch: Watch | None = None
    always: bool = True
    pending: dict[int, Call] = field(default_factory=dict)
    optional: dict[int, Call] = field(default_factory=dict)
    result: Explained = field(default_factory=Explained)
    since: int | None = None
    memory: Memory = field(default_factory=Memory)
    thorough: bool = True
    eager: bool = True
    forgetting: Forgetting | None = None
    forgettings: Forgettings | None = None
    left_out: bool = False

    def __post_init__(self) -> None:
        self.stepper.poll = self._poll

    def run(self, beginnings: Iterable[WorldStore]) -> Explained:
        return self.go_on(Configuration(store, _NONE) for store in beginnings)

    def go_on(self, configurations: Iterable[Configuration]) -> Explained:
        """`run` from where the search of calls before these came to; the calls in `optional` have not had all of their effects."""
        self.memory.compacting = self.forgettings is None and (self.watch is None or not self.always)
        belief = self._distinct(each._replace(store=self.memory.kept(each.store)) for each in configurations)
        order = Order(self.recording.calls)
        try:
            for count, (begins, call) in enumerate(order):
                if count % 64 == 0:
                    self._poll()
                if begins:
                    target = self.optional if is_optional(call) else self.pending
                    target[call.number] = call
                    self.result.most_pending = max(self.result.most_pending, len(self.pending))
                    continue
                following = self._alone(belief, call) if len(self.pending) == 1 else self._returned(belief, call)
                if not following:
                    refusal = self._refusal(belief, call)
                    self.result.refusals.append(refusal)
                    if len(self.result.refusals) >= self.most:
                        break
                    following = self._repaired(belief, call)
                else:
                    self.result.calls += 1
                belief = following
                self.since = (self.since or returned(call)) if len(belief) == 1 else None
                if self.watch is not None:
                    self.watch(call, belief)
                if order.idle and not self.result.refusals:
                    belief = self._known_calls(order, belief)
        except Overwhelmed as reason:
            self.result.gave_up = str(reason)
        self.result.belief = belief
        self.result.edits = belief[0].edits if belief else ()
        self.result.states = len({frozenset(each.store.items()) for each in belief}) if len(belief) > 1 else len(belief)
        return self.result

    def _poll(self) -> None:
        reason = self.stop()
        if reason is not None:
            raise Overwhelmed(reason)

    def _known_calls(self, order: Order, belief: list[Configuration]) -> list[Configuration]:
        """Goes over calls that overlap no other one as long as what is believed after them is known: `_alone` for many of them at once."""
        known = self.memory.known(belief)
        if known is None or (self.watch is not None and self.always):
            return belief
        done = _AT_ONCE
        while done == _AT_ONCE:
            self._poll()
            done = 0
            for call in order.calls[order.at : order.at + _AT_ONCE]:
                after = known.after.get(call.alone)
                if after is None:
                    break
                if after is not known:
                    known = after
                    self.since = (self.since or returned(call)) if known.single else None
                done += 1
            order.at += done
            self.result.calls += done
        return known.belief

    # ---- one return ---------------------------------------------------------------------------------------------

    def _alone(self, belief: list[Configuration], call: Call) -> list[Configuration]:
        """`_returned` for a call that overlaps no other one: the same question has the same answer, as long as that needs no other call."""
        if self.result.refusals or self._nothing_known():
            return self._returned(belief, call)
        signature = self.memory.signature(call)
        known = self.memory.belief_after(belief, signature)
        if known is not None:
            self.pending.clear()
            return known
        before = self.result.inserted
        following = self._returned(belief, call)
        if following and self.result.inserted == before:
            return self.memory.learn(belief, signature, following)
        return following

    def _after(self, store: WorldStore, call: Call) -> list[WorldStore]:
        """The states that a call can have led to, each of them kept."""
        return self.memory.after(store, call, self._stepped)

    def _stepped(self, store: WorldStore, call: Call) -> list[WorldStore]:
        """The states after a call; in a complete search also those in which others have got before what its caller gives up."""
        if self.quick or self.forgetting is not None or call.kind not in (Kind.CLOSE, Kind.EXIT):
            return self.stepper.after(store, call)
        if self.forgettings is not None:
            given_away = self.stepper.unrecorded.passing.given_away(store, call, self.forgettings.of(store))
            return [after for given in given_away for after in self.stepper.after(given, call)]
        found = self.stepper.after(store, call)
        for given in self.stepper.unrecorded.passing.given_away(store, call):
            if given is not store:
                found += [after for after in self.stepper.after(given, call) if after is not given]
        return found

    def _returned(self, belief: list[Configuration], call: Call) -> list[Configuration]:
        found = self._distinct(self._taken(belief, call))
        if not found and not self._nothing_known():
            found = self._after_unrecorded(belief, call)
            self.result.inserted += bool(found)
        elif found and not self.quick and any(self.stepper.unrecorded.may_have_made(each.store, call) for each in belief):
            layers = islice(self._insertions(belief, returned(call)), LAYERS_OF_MAKERS)
            found = self._distinct(chain(found, *(self._taken(layer, call) for layer in layers)))
        self.pending.pop(call.number, None)
        return found

    def _after_unrecorded(self, belief: list[Configuration], call: Call) -> list[Configuration]:
        """`_returned` after as few unrecorded calls as possible.

        More of them than is usual are only looked for where they could help.  Where that has no end, nobody knows, and
        `stepper.overwhelmed` is set.
        """
        line = returned(call)
        self.left_out = False
        tried, for_good = 0, None
        for layer in self._insertions(belief, line):
            found = self._distinct(self._taken(layer, call))
            if found:
                return found
            tried += len(layer)
            if tried > MANY_TRIED and for_good is None and not self.quick and self.forgetting is None:
                for_good = self._is_refused_for_good(belief, call)
                if for_good:
                    return []
        given_up = max(self.stepper.unrecorded.left_out, default=0) >= line  # by this call, or one that is going on
        if self.quick or not (self.left_out or given_up):
            return []
        if for_good is None and self._is_refused_for_good(belief, call):
            return []
        for layer in self._by_steps(belief, line, MOST_STEPS, MOST_LATER) if self.thorough else ():
            found = self._distinct(self._taken(layer, call))
            if found:
                return found
        self.stepper.overwhelmed |= self.left_out or given_up
        return []

    def _is_refused_for_good(self, belief: list[Configuration], call: Call) -> bool:
        """Is a call refused however many unrecorded calls were made before it?"""
        stepper = self.stepper
        before, stepper.overwhelmed = stepper.overwhelmed, False
        try:
            return all(self._is_refused_after_any(each, call) for each in belief)
        except Overwhelmed:
            self._poll()
            return False
        finally:
            stepper.overwhelmed, stepper.poll = before, self._poll

    def _is_refused_after_any(self, configuration: Configuration, call: Call) -> bool:
        line = returned(call)
        while True:
            forgetting = Forgetting(self.stepper.unrecorded, self.stepper.machine.world, configuration.store)
            other = replace(self, memory=Memory(), forgetting=forgetting, most=1, watch=None, result=Explained())
            states = [configuration._replace(store=store) for store in forgetting.states(configuration.store, line)]
            for layer in chain([states], other._insertions(states, line)):
                if next(other._taken(layer, call), None) is not None or not forgetting.complete or self.stepper.overwhelmed:
                    return False
            if not forgetting.is_outgrown:
                return True

    def _nothing_known(self) -> bool:
        """Is the belief still any state of a kernel, so that nothing unrecorded can add to it?"""
        running = self.stepper.machine.world.beginning is Beginning.RUNNING
        return running and not self.result.calls and not self.result.refusals and not self.optional

    def _taken(self, belief: Iterable[Configuration], call: Call) -> Iterator[Configuration]:
        """All configurations in which the call has taken effect and returns.

        While explanations are looked for quickly, as few other calls as possible take effect before it; when not `eager`, any of them.
        """
        seen: set[object] = set()
        todo = deque((self._commit(each), 0) for each in belief)
        fewest: int | None = None
        while todo:
            self._poll()
            each, others = todo.popleft()
            if fewest is not None and others > fewest:
                return
            if len(self.pending) > 1 and (todo or seen):
                key = each.key
                if key in seen:
                    continue
                seen.add(key)
                if len(seen) > MOST_CONFIGURATIONS:
                    raise Overwhelmed("the overlapping calls have too many orders")
            if call.number in each.done:
                fewest = others if self.quick and self.eager else None
                yield each._replace(done=each.done - {call.number})
                continue
            for store in self._after(each.store, call):
                fewest = others if self.quick and self.eager else None
                yield each._replace(store=store)
            if fewest is not None:
                continue  # with more calls before it, it is not wanted
            for other in self.pending.values():
                if other is not call and other.number not in each.done:
                    for store in self._after(each.store, other):
                        todo.append((self._commit(each._replace(store=store, done=each.done | {other.number})), others + 1))

    def _commit(self, each: Configuration) -> Configuration:
        """Pending calls that can return as recorded without changing anything, and in no other way, take effect at once."""
        if (self.quick and self.eager) or len(self.pending) < 2:
            return each
        done = set(each.done)
        for call in self.pending.values():
            if call.number not in done:
                after = self._after(each.store, call)
                if after and all(store is each.store for store in after):
                    done.add(call.number)
        return each._replace(done=frozenset(done))

    def _insertions(self, belief: list[Configuration], line: int, *, unrecorded: bool = True) -> Iterator[list[Configuration]]:
        """Configurations one unreturned or unrecorded call later, two such calls later, and so on; each in one layer only.

        line: before which all of it happened.  unrecorded: else only calls that did not return.
        """
        most = MOST_INSERTED if self.forgetting is None else MOST_FORGOTTEN
        seen = {each.key: 0 for each in belief}  # with the least number of unrecorded steps that lead there
        layer, depth = belief, 0
        while layer and (depth < QUICK_INSERTIONS or not self.quick or not unrecorded):
            depth += 1
            following = {}
            for each in layer:
                self._poll()
                steps = seen[each.key]
                for after, is_step in self._inserted(each, line, unrecorded):
                    key, count = after.key, steps + is_step
                    if count > MOST_UNRECORDED_STEPS:
                        self.left_out |= key not in seen
                    elif count < seen.get(key, MOST_UNRECORDED_STEPS + 1):
                        seen[key] = count
                        following[key] = after
                if len(seen) > most:
                    raise Overwhelmed("more unrecorded calls are possible than can be followed")
            layer = list(following.values())
            yield layer

    def _inserted(self, each: Configuration, line: int, unrecorded: bool) -> Iterator[tuple[Configuration, bool]]:
        """(configuration, does that count as a step?) one unreturned or unrecorded call later."""
        if self.forgetting is not None:
            yield from ((after, False) for after in self._forgotten(each, line, self.forgetting))
            return
        between = () if self.quick else self.pending.values()  # an unrecorded call can come after one that has not returned
        for call in self._undone(each, chain(self.optional.values(), between)):
            for store in self._after(each.store, call):
                yield each._replace(store=store, done=each.done | {call.number}), False
        if unrecorded:  # nothing is passed on to who exits: that would be as if it had not been
            awaiting = [call for call in chain(self.pending.values(), self.optional.values()) if call.kind is not Kind.EXIT]
            for store, is_step in self.stepper.unrecorded.hidden(each.store, line, awaiting):
                yield each._replace(store=store), is_step

    def _undone(self, each: Configuration, calls: Iterable[Call]) -> Iterator[Call]:
        """Those of the calls that can still take effect: not an exit of a process of which nothing is known, if another such exit changes nothing."""
        is_anybody, in_vain = self.stepper.unrecorded.is_anybody(each.store), False
        for call in calls:
            if call.number in each.done:
                continue
            if call.kind is Kind.EXIT and is_anybody(self.stepper.handles.process(call.process)):
                in_vain = in_vain or self._after(each.store, call) == [each.store]
                if in_vain:
                    continue
            yield call

    def _forgotten(self, each: Configuration, line: int, forgetting: Forgetting) -> Iterator[Configuration]:
        """`_inserted` where any number of calls is forgotten: also between two that are going on."""
        awaiting = [*self.pending.values(), *self.optional.values()]
        for call in awaiting:
            if call.number not in each.done and (len(self.pending) > 1 or call.number in self.optional):
                for after in self._after(each.store, call):
                    for store in forgetting.states(after, line):
                        yield each._replace(store=store, done=each.done | {call.number})
        for store in forgetting.hidden(each.store, line, awaiting):
            yield each._replace(store=store)

    def _distinct(self, found: Iterable[Configuration]) -> list[Configuration]:
        configurations = iter(found)
        first = list(islice(configurations, 2))
        if len(first) < 2:
            return first
        followed = FEW_FOLLOWED if self.stepper.machine.world.beginning is Beginning.RUNNING else MOST_FOLLOWED
        kept: dict[object, Configuration] = {}
        for each in chain(first, configurations):
            kept.setdefault(each.key, each)
            if len(kept) > MANY_CONFIGURATIONS and not (self.memory.merging or self.quick or self.forgettings):
                return self._merged(chain(kept.values(), configurations))
            if self.quick and len(kept) >= MOST_FOLLOWING * followed:
                break
            if len(kept) > MOST_CONFIGURATIONS:
                raise Overwhelmed("too many states agree with what was seen")
        return _thinned(list(kept.values()), followed) if self.quick else list(kept.values())

    def _merged(self, found: Iterable[Configuration]) -> list[Configuration]:
        """From here on, states that differ only in the numbers of their elements are the same."""
        self.memory.merging = True
        return self._distinct(each._replace(store=self.memory.kept(each.store)) for each in found)

    # ---- going on after a refusal -------------------------------------------------------------------------------

    def _repaired(self, belief: list[Configuration], call: Call) -> list[Configuration]:
        """The configurations with one edit more: the call returned something else, one was not recorded before it, or it never was."""
        found: list[Configuration] = []
        for edit, edited in self._edited(belief, call):
            try:
                found += [each._replace(edits=(*each.edits, edit)) for each in edited]
            except Overwhelmed:
                self._poll()
        found += [each._replace(done=each.done - {call.number}, edits=(*each.edits, Edit.DROPPED)) for each in belief]
        return self._distinct(found[:MOST_CONFIGURATIONS])

    def _edited(self, belief: list[Configuration], call: Call) -> Iterator[tuple[Edit, Iterator[Configuration]]]:
        yield Edit.RESULT, self._taken(belief, replace(call, result=None, got={}, refused=()))
        yield Edit.INSERTED, self._with_one_more(belief, call)

    def _nearest(self, belief: list[Configuration], call: Call) -> Edit:
        """The edit to be thought of first; for other ones than the last there is time for a while only."""
        until = time.process_time() + NEAREST_SECONDS
        self.stop = lambda: "the time is up" if time.process_time() > until else None
        for edit, edited in self._edited(belief, call):
            with suppress(Overwhelmed):
                if next(edited, None) is not None:
                    return edit
        return Edit.DROPPED

    def _with_one_more(self, belief: list[Configuration], call: Call) -> Iterator[Configuration]:
        for each in belief[:MOST_EDITED]:
            for store in self.stepper.unrecorded.inserted(each.store, returned(call)):
                yield from self._taken([each._replace(store=store)], call)

    # ---- the end of what was recorded -------------------------------------------------------------------------------

    def open_calls(self) -> dict[int, Call]:
        """The calls that can still have an effect in some state, after `run`."""
        out = {}
        for number, call in self.optional.items():
            for each in self.result.belief:
                if number not in each.done and self._after(each.store, call) != [each.store]:
                    out[number] = call
        return out

    # ---- the end of the kernel ------------------------------------------------------------------------------------

    def ended(self, later: int) -> list[WorldStore]:
        """The states in which the kernel of this recording can have ended by kexec, after `run`.  Raises Overwhelmed.

        later: how many calls of the kernels after it are recorded; for each of them `MOST_UNRECORDED_STEPS` unrecorded calls are looked at.
        `left_out` says afterwards whether there can have been more.
        """
        found: dict[object, WorldStore] = {}
        reboots = [call.enter.line for call in self.optional.values() if call.kind is Kind.REBOOT]
        line = max(reboots, default=sys.maxsize)
        layers: Iterator[list[Configuration]]
        if self.quick:
            layers = chain([self.result.belief], self._insertions(self.result.belief, line, unrecorded=False))
        else:
            layers = self._by_steps(self.result.belief, line, MOST_UNRECORDED_STEPS * max(later, 1), MOST_LATE)
        for layer in layers:
            for each in layer:
                self._poll()
                for store in [each.store, *self.stepper.unrecorded.kernel_ends(each.store)]:
                    if (ENDED,) in store:
                        found.setdefault(frozenset(store.items()), store)
            if len(found) > MOST_CONFIGURATIONS:
                raise Overwhelmed("the kernel can have ended in too many ways")
        return list(found.values())

    def _by_steps(self, belief: list[Configuration], line: int, most: int, late: int) -> Iterator[list[Configuration]]:
        """The configurations after a belief and no unrecorded step before a line, one, and so on; each in one layer only.

        most: steps; late: configurations after more steps than are usual.  `left_out` says whether there are more.
        """
        self.left_out = False
        seen: set[object] = set()
        following = belief
        for steps in range(most + 1):
            layer, todo, following = [], deque(following), []
            limit = MOST_INSERTED if steps <= MOST_UNRECORDED_STEPS else late
            while todo:
                self._poll()
                each = todo.popleft()
                if each.key in seen:
                    continue
                seen.add(each.key)
                layer.append(each)
                if len(seen) > limit:
                    if steps <= MOST_UNRECORDED_STEPS:
                        raise Overwhelmed("more unrecorded calls are possible than can be followed")
                    self.left_out = True
                    return
                for after, is_step in self._inserted(each, line, True):
                    (following if is_step else todo).append(after._replace(store=after.store.canonical()))
            yield layer
        self.left_out = any(each.key not in seen for each in following)

    # ---- explaining ---------------------------------------------------------------------------------------------

    def _refusal(self, belief: list[Configuration], call: Call) -> Refusal:
        allowed = [self.stepper.possible(each.store, call) for each in belief[:64]]
        possible = set().union(*allowed) if allowed else set()
        certain = set.intersection(*allowed) if allowed else set()
        states = len({frozenset(each.store.items()) for each in belief})
        nearest = partial(self._nearest, belief, call)
        return Refusal(call, states, tuple(sorted(certain)), tuple(sorted(possible)), belief, self.since, nearest)


def _thinned(belief: list[Configuration], most: int) -> list[Configuration]:
    """Of more configurations than are followed quickly the first, and some of each size of the state: one that explains the rest is enough."""
    if len(belief) <= most:
        return belief
    by_size = sorted(range(len(belief)), key=lambda at: len(belief[at].store))
    step = len(belief) / most
    return [belief[at] for at in sorted({0, *(by_size[int(position * step)] for position in range(most))})]
