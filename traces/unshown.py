"""Descriptors that a call returned under numbers that the recorder did not show, and where they turn up later.

strace prints only the pointer to the struct of an ioctl, so what CREATE_SESSION returned is unknown until another call is made on a number
whose link is a session.  A new descriptor gets the lowest free number (fs/file.c, alloc_fd).  So a recording that shows every close bounds
the number from both sides: all numbers below one that was returned are taken, and until something is closed later numbers are higher.
When only one call fits, the link says what that call was about.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from luocheck.model.abi import StructField
from luocheck.traces.descriptors import Given, Node
from luocheck.traces.drafts import Draft

_MOST = 64
"""Calls of one process that are remembered; older ones stay unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A number that led to `node` at `line`, and to something else until the line `since`."""

    number: int
    node: Node
    since: int
    line: int


@dataclass(slots=True, eq=False)
class _Returned:
    """A call whose descriptor has a number of at least `low` and below `high`."""

    draft: Draft
    member: StructField
    label: StructField | None  # what the caller named it by
    end: int
    low: int
    high: int | None = None
    settled: bool = False  # something was closed since: later numbers say nothing

    def fits(self, seen: _Seen) -> bool:
        """Can it have returned this number?"""
        done = self.draft.exit.line if self.draft.exit is not None else -1
        if not seen.since <= done <= seen.line or self.member.sort != seen.node.target:
            return False
        named = self.draft.payload.given.get(self.label.name) if self.label is not None else None
        agrees = Given(seen.node.target, named if isinstance(named, bytes) else None).agrees(seen.node)
        return agrees and self.low <= seen.number and (self.high is None or seen.number < self.high)


@dataclass(slots=True)
class _Begun:
    """A call that goes on.  low: all numbers below it have been taken since it began.  freed: something was closed meanwhile."""

    begin: int
    low: int
    freed: bool = False


@dataclass(slots=True)
class _Process:
    """full: all numbers below it are taken.  clock: counts beginnings and ends."""

    full: int = 0
    clock: int = 0
    begun: dict[object, _Begun] = field(default_factory=dict)
    returned: list[_Returned] = field(default_factory=list)
    seen: list[_Seen] = field(default_factory=list)


@dataclass(slots=True)
class Unshown:
    processes: dict[int, _Process] = field(default_factory=dict)

    def _of(self, process: int) -> _Process:
        found = self.processes.get(process)
        if found is None:
            found = self.processes[process] = _Process()
        return found

    def begin(self, process: int, operation: object) -> None:
        """A call begins that may return a descriptor."""
        mine = self.processes.get(process) or self._of(process)
        mine.clock += 1
        mine.begun[operation] = _Begun(mine.clock, mine.full)

    def closed(self, process: int, number: int) -> None:
        """A number is free now, or will be in a moment."""
        mine = self._of(process)
        mine.full = min(mine.full, number)
        for begun in mine.begun.values():
            begun.low, begun.freed = min(begun.low, number), True
        for each in mine.returned:
            each.settled = True

    def ended(self, process: int, operation: object, number: int | None) -> None:
        """The call is over.  number: the descriptor that it returned, the lowest free one; None when it returned none."""
        mine = self.processes.get(process) or self._of(process)
        mine.clock += 1
        begun = mine.begun.pop(operation, None)
        if begun is None or begun.freed or number is None:
            return
        for each in mine.returned:
            if not each.settled and each.end < begun.begin:
                each.high = number if each.high is None else min(each.high, number)
        mine.full = max(mine.full, number + 1)

    def note(self, process: int, operation: object, draft: Draft, member: StructField, label: StructField | None) -> None:
        """The call returned a descriptor, and its number was not shown.  To be told before its end."""
        mine = self._of(process)
        begun = mine.begun.get(operation, _Begun(0, 0, True))
        mine.returned.append(_Returned(draft, member, label, mine.clock + 1, begun.low, settled=begun.freed))
        if not begun.freed:
            mine.full = max(mine.full, begun.low + 1)
        del mine.returned[:-_MOST]

    def fork(self, parent: int, child: int) -> None:
        """The child has the descriptors of its parent, those under unknown numbers among them."""
        theirs = self._of(parent)
        self.processes[child] = _Process(theirs.full, 0, {}, [replace(each, end=0) for each in theirs.returned], list(theirs.seen))

    def forget(self, process: int | None = None) -> None:
        """Which numbers are taken is not known any more: of one process, or of any."""
        if process is None:
            self.processes.clear()
        else:
            self.processes.pop(process, None)

    def recognise(self, process: int, number: int, node: Node, since: int, line: int) -> None:
        """At `line` the number leads to `node`.  Tells the call that returned it, as soon as it is certain which one did."""
        mine = self._of(process)
        mine.seen = [*mine.seen[-_MOST:], _Seen(number, node, since, line)]
        certain = True
        while certain:
            certain = False
            for seen in mine.seen:
                fitting = [each for each in mine.returned if each.fits(seen)]
                if len(fitting) == 1:
                    mine.returned.remove(fitting[0])
                    mine.seen.remove(seen)
                    _tell(fitting[0], seen.node)
                    certain = True
                    break


def _tell(returned: _Returned, node: Node) -> None:
    draft = returned.draft
    if returned.member.name in draft.files:
        return  # a process that was forked has used it before
    draft.files[returned.member.name] = node
    if returned.label is not None and node.label is not None:
        draft.payload.given.setdefault(returned.label.name, node.label)
